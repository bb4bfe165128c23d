//! What every part stands on: time and ids as arguments, errors printed once, texts that a terminal may show, files that are
//! locked or written whole, folders that are the user's alone, paths.

pub mod clock;

pub mod causes;

pub mod text;

pub mod lock;

pub mod paths;

pub mod whole_file;

pub mod private;
