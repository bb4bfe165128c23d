//! The supervisor as a program of its own: `gt` carries it, so that what stands beside an agent is small. It takes the
//! same arguments as `gt`, and runs agents and recorders; jobs are run by `gt` itself.

use std::process::ExitCode;

use gastown_supervisor::records::{JobSpec, NoJob};

fn main() -> ExitCode {
    // Its own name and `__run` come first.
    gastown_supervisor::main(std::env::args_os().skip(2), |spec: &JobSpec<NoJob>, _| match spec.job {})
}
