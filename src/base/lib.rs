//! What every part stands on: time and ids as arguments, errors printed once, and texts that a terminal may show.

pub mod clock;

pub mod causes;

pub mod text;
