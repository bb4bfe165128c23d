//! Shell commands that a rig declares, run in a worktree: its setup, its checks.

use std::io::Write;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use super::scrub;
use super::stream::Run;
use crate::exec::{Exec, ExecError};
use crate::git::{Git, GitError};

/// The end of a shell command.
pub(in crate::git) enum Ended {
    Code(i32),
    /// The command did not end in time.
    Late(String),
    /// The command did not start.
    Not(String),
}

impl Git {
    /// Runs a shell command in a worktree, its output to the log as it comes.
    pub(in crate::git) fn run_shell(
        &self,
        command: &str,
        worktree: &Path,
        env: &[(String, String)],
        limit: Duration,
        log: &mut dyn Write,
    ) -> Ended {
        let exec = self.shell(command, worktree, env);
        let run = Run { exec: &exec, name: command, stdin: Stdio::null(), as_one: true, limit, end_strays: true };
        match run.run(&mut |_, piece| drop(log.write_all(piece))) {
            Ok(code) => Ended::Code(code),
            Err(ExecError::TimedOut { .. }) => Ended::Late(format!("`{command}` did not end in time")),
            Err(e) => Ended::Not(GitError::Exec { doing: format!("run `{command}`"), source: e }.message()),
        }
    }

    /// A shell command in a worktree, with `env` on top.
    fn shell(&self, command: &str, dir: &Path, env: &[(String, String)]) -> Exec {
        self.in_folder(Exec::new("sh").args(["-c", command]), dir, env)
    }

    /// A program in a folder, with `env` on top of what children of this town see.
    pub(in crate::git) fn in_folder(&self, exec: Exec, dir: &Path, env: &[(String, String)]) -> Exec {
        let mut exec = scrub(exec.cwd(dir));
        for (name, value) in &self.env {
            exec = exec.env(name, value);
        }
        env.iter().fold(exec, |exec, (name, value)| exec.env(name, value))
    }
}
