//! Admission: what is wrong with files, objects and sets of objects, as their author reads it.

mod anything;
mod foreign;
mod lists;
mod merge_keys;
mod object;
mod set;
mod text;
