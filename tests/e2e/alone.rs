//! Some tests need a process of their own: it starts itself again, to run that one test.

use std::time::Duration;

use gastown::world::exec::Exec;

/// Set in a process that runs one test.
const ALONE: &str = "GT_TEST_ALONE";

/// Some waits of the longest test: each ends long before, with a word of what it was for.
const LIMIT: Duration = Duration::from_mins(3);

/// Whether this process was started to run one test.
pub fn is_alone() -> bool {
    std::env::var_os(ALONE).is_some()
}

/// Runs the test of this name in a process of its own, which a program may prepare: it is given the command line. The
/// test must pass there.
pub fn passes_alone(test: &str, through: &[&str]) {
    let this = std::env::current_exe().unwrap();
    let exec = match through {
        [] => Exec::new(this),
        [program, args @ ..] => Exec::new(program).args(args).arg(this),
    };
    let said = exec.args(["--exact", test, "--nocapture"]).env(ALONE, "1").limit(LIMIT).run().unwrap();
    let (out, err) = (said.text(), said.complaint());
    assert!(said.ok() && out.contains("1 passed"), "{out}\n{err}");
}
