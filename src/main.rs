//! `gt`, and `bd` by its other name: everything is in the library, so that tests can reach it.

use std::ffi::OsStr;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use gastown::bd;
use gastown::world::git::Git;
use gastown::world::layout::Layout;
use gastown::world::run;
use gastown_controllers::world::Job;

/// A large town is a large heap of small texts: the system's allocator is slower the larger it is.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let mut args = std::env::args_os();
    let name = args.next().unwrap_or_default();
    if Path::new(&name).file_name() == Some(OsStr::new("bd")) {
        return bd::main(std::iter::once(name).chain(args));
    }
    // Before anything else: each agent and job has one of these, so it stays small.
    if args.next().is_some_and(|first| first == run::WORD) {
        let code = run::main(args, run_job);
        // 128 + n for signals: always a byte.
        return ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX));
    }
    gastown::cli::main()
}

/// Where the bodies of jobs are called from.
fn run_job(layout: &Layout, job: &Job, log: &mut dyn Write) -> i32 {
    Git::new(layout.clone()).run_job(job, log)
}
