//! What every part stands on: time and ids as arguments, and errors told once.

pub mod clock;

pub mod causes;
