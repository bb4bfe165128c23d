//! `gt`, and `bd` by its other name: everything is in the library, so that tests can reach it.

use std::ffi::OsStr;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use gastown::bd;
use gastown::world::git::Git;
use gastown::world::layout::Layout;
use gastown_controllers::world::Job;
use gastown_supervisor::records::JobSpec;
use rustix::fs::Mode;
use rustix::process::umask;

/// A large town is a large heap of small texts: the system's allocator is slower the larger it is.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let mut args = std::env::args_os();
    let name = args.next().unwrap_or_default();
    if Path::new(&name).file_name() == Some(OsStr::new("bd")) {
        return bd::main(std::iter::once(name).chain(args));
    }
    // Before anything else: it needs nothing of what a command does first.
    if args.next().is_some_and(|first| first == gastown_supervisor::WORD) {
        return gastown_supervisor::main(args, run_job);
    }
    gastown::cli::main()
}

/// Where the bodies of jobs are called from.
fn run_job(spec: &JobSpec<Job>, log: &mut dyn Write) -> i32 {
    // What is brought here from a remote is the user's alone. Checks, and pushes to a remote that may be another folder, keep
    // to what the user has set.
    if matches!(spec.job, Job::Clone { .. } | Job::Fetch { .. } | Job::Lease { .. }) {
        umask(Mode::RWXG | Mode::RWXO);
    }
    let [data, state, runtime] = spec.layout.clone();
    Git::new(Layout::of(data, state, runtime)).run_job(&spec.job, log)
}
