//! What every part stands on: time and ids as arguments, errors told once, and texts that a terminal may have.

pub mod clock;

pub mod causes;

pub mod text;
