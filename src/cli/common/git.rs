//! A step of git that a command takes for whoever ran it, in their repository.

use std::path::Path;

use super::error::{CliError, Exit};
use crate::world::exec::Exec;

/// Runs `git ARGS` in a folder, as `exec` has it prepared: its environment and its limit. Answers what it printed; what it
/// complained of is the reason of the error.
pub fn git(exec: Exec, dir: &Path, args: &[&str]) -> Result<String, CliError> {
    let out = exec.args(args).cwd(dir).run().map_err(|error| CliError::from_error(Exit::Failed, &error))?;
    if out.ok() {
        return Ok(out.text());
    }
    Err(CliError::new(Exit::Failed, format!("git {} failed", args[0])).because_of(out.complaint()))
}
