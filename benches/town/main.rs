//! The figures of the README: each beside its floor, measured in the same run. `make bench` prints them as Markdown.
//!
//! The table goes to standard output, talk to standard error. A figure that misses its goal says by how much, and the
//! notes below the table say what was measured of the cause. Nothing here is a test: a slow machine fails nothing.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark prints")]
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot run has nothing to say but where")]

mod cpu;
mod table;

mod town;

mod objects;

mod restart;

mod memory;
mod smaps;

mod beads;
mod commands;
mod cook;
mod many;
mod select;

mod queue;

mod stop;

mod input;
mod landing;
mod ledger;
mod sandbox;
mod source;
mod validate;

use std::path::PathBuf;
use table::Table;

/// As in `gt` itself.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures something, and adds it to the table.
type Measure = fn(&mut Table);

/// What is measured, by the word that asks for it alone: `cargo bench --bench town -- objects`.
const PARTS: &[(&str, Measure)] = &[
    ("objects", objects::measure),
    ("restart", restart::measure),
    ("memory", memory::measure),
    ("commands", commands::measure),
    ("many", many::measure),
    ("cook", cook::measure),
    ("queue", queue::measure),
    ("stop", stop::measure),
    ("sandbox", sandbox::measure),
    ("landing", landing::measure),
    ("ledger", ledger::measure),
    ("input", input::measure),
    ("validate", validate::measure),
    ("source", source::measure),
];

fn main() {
    let args: Vec<_> = std::env::args_os().skip(1).collect();
    if args.first().is_some_and(|word| word == select::SELECT) {
        return select::run(args.get(1..).unwrap_or_default());
    }
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let mut table = Table::default();
    for (name, measure) in PARTS {
        if words.is_empty() || words.iter().any(|word| word == name) {
            eprintln!("{name} …");
            measure(&mut table);
        }
    }
    print!("{table}");
}

/// A folder on the disk that the build is on, gone with the run.
fn folder() -> tempfile::TempDir {
    let below = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    fs_err::create_dir_all(&below).unwrap();
    tempfile::Builder::new().prefix("bench-").tempdir_in(below).unwrap()
}
