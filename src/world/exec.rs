//! Starting a program and waiting for it, within a limit: the only place of this crate that spawns.
//!
//! Every child gets a deadline, a bound on what is kept of its output, and no terminal to prompt on. What must outlive
//! this process (sessions, jobs) is started here too, by [`Exec::detach`].

use std::ffi::{OsStr, OsString};
use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use gastown_supervisor::process::exit_code;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

/// The longest output that is kept, in bytes for each of the two streams; the rest is read and dropped.
const OUTPUT_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// See [`prepared`].
static PREPARED: AtomicU64 = AtomicU64::new(0);

/// The number of programs that this process has ever made ready to start; tests count it against a budget.
pub fn prepared() -> u64 {
    PREPARED.load(Ordering::Relaxed)
}

/// A program to be started.
#[derive(Debug, Clone)]
pub struct Exec {
    program: OsString,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    env_remove: Vec<OsString>,
    cwd: Option<PathBuf>,
    stdin: Vec<u8>,
    limit: Duration,
}

/// The exit code and output of a child.
#[derive(Debug, Clone)]
pub struct Output {
    /// The exit code; 128 + n for signal n.
    pub code: i32,
    /// The bytes from standard output.
    pub stdout: Vec<u8>,
    /// The bytes from standard error.
    pub stderr: Vec<u8>,
}

impl Output {
    /// Standard output as text, without the last newline.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).trim_end_matches('\n').to_owned()
    }

    /// Standard error as text, trimmed.
    pub fn complaint(&self) -> String {
        String::from_utf8_lossy(&self.stderr).trim().to_owned()
    }

    /// Whether the exit code is 0.
    pub fn ok(&self) -> bool {
        self.code == 0
    }
}

/// A program could not be run to its end.
#[derive(Debug, thiserror::Error)]
pub enum ExecError {
    /// The program could not be started.
    #[error("could not start `{program}`")]
    Spawn {
        /// The program.
        program: String,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// The program was still running at its limit; its process group was killed.
    #[error("`{program}` did not end within {limit:?}")]
    TimedOut {
        /// The program.
        program: String,
        /// The limit.
        limit: Duration,
    },
    /// The program ran, and could not be waited for.
    #[error("could not wait for `{program}`")]
    Wait {
        /// The program.
        program: String,
        /// The system's error.
        #[source]
        source: io::Error,
    },
}

impl Exec {
    /// A program, looked up on PATH unless it is a path, with two seconds to do its work.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        Self {
            program: program.as_ref().to_owned(),
            args: Vec::new(),
            env: Vec::new(),
            env_remove: Vec::new(),
            cwd: None,
            stdin: Vec::new(),
            limit: Duration::from_secs(2),
        }
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args.extend(args.into_iter().map(|a| a.as_ref().to_owned()));
        self
    }

    /// Sets a variable.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.env.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Removes an inherited variable.
    #[must_use]
    pub fn env_remove(mut self, name: impl AsRef<OsStr>) -> Self {
        self.env_remove.push(name.as_ref().to_owned());
        self
    }

    /// Sets the working directory.
    #[must_use]
    pub fn cwd(mut self, dir: impl AsRef<Path>) -> Self {
        self.cwd = Some(dir.as_ref().to_owned());
        self
    }

    /// Gives standard input.
    #[must_use]
    pub fn stdin(mut self, text: impl Into<Vec<u8>>) -> Self {
        self.stdin = text.into();
        self
    }

    /// Sets how long it may take.
    #[must_use]
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Runs it to its end. The child leads a process group of its own, which is killed whole at the limit.
    pub fn run(&self) -> Result<Output, ExecError> {
        let stdin = if self.stdin.is_empty() { Stdio::null() } else { Stdio::piped() };
        let mut command = self.command();
        command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let mut child = command.spawn().map_err(|source| ExecError::Spawn { program: self.name(), source })?;
        let writer = child.stdin.take().map(|mut pipe| {
            let text = self.stdin.clone();
            // A child that does not read its input is its own affair: a broken pipe is no error of ours.
            std::thread::spawn(move || drop(pipe.write_all(&text)))
        });
        let stdout = child.stdout.take().map(read_in_background);
        let stderr = child.stderr.take().map(read_in_background);
        let ended = self.wait(&mut child);
        if ended.is_err() {
            kill_group(&child);
            drop(child.wait());
        }
        if let Some(writer) = writer {
            drop(writer.join());
        }
        let code = ended?;
        let collect = |reader: Option<std::thread::JoinHandle<Vec<u8>>>| reader.and_then(|r| r.join().ok());
        Ok(Output { code, stdout: collect(stdout).unwrap_or_default(), stderr: collect(stderr).unwrap_or_default() })
    }

    /// Starts it with its output to `log`, and does not wait: it outlives this process. The caller reaps the returned
    /// child, if it lives long enough to. It must begin with `setsid` (as `gt __run` does), which a process that leads
    /// a group may not call: so it is not made to lead one here.
    pub fn detach(&self, log: std::fs::File) -> Result<Child, ExecError> {
        let error = |source| ExecError::Spawn { program: self.name(), source };
        let mut command = self.command();
        command.stdin(Stdio::null()).stdout(log.try_clone().map_err(error)?).stderr(log);
        command.spawn().map_err(error)
    }

    /// The command as the standard library has it, for those who replace their own process or wire their own pipes.
    #[expect(clippy::disallowed_methods, reason = "the one place that spawns")]
    pub fn command(&self) -> Command {
        PREPARED.fetch_add(1, Ordering::Relaxed);
        let mut command = Command::new(&self.program);
        command.args(&self.args);
        for name in &self.env_remove {
            command.env_remove(name);
        }
        for (name, value) in &self.env {
            command.env(name, value);
        }
        if let Some(dir) = &self.cwd {
            command.current_dir(dir);
        }
        command
    }

    fn name(&self) -> String {
        self.program.to_string_lossy().into_owned()
    }

    fn wait(&self, child: &mut Child) -> Result<i32, ExecError> {
        let error = |source: io::Error| ExecError::Wait { program: self.name(), source };
        let pid = Pid::from_child(child);
        let pidfd = pidfd_open(pid, PidfdFlags::empty()).map_err(|e| error(e.into()))?;
        let limit = Timespec {
            tv_sec: i64::try_from(self.limit.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: self.limit.subsec_nanos().into(),
        };
        let mut fds = [PollFd::new(&pidfd, PollFlags::IN)];
        loop {
            match poll(&mut fds, Some(&limit)) {
                Ok(0) => return Err(ExecError::TimedOut { program: self.name(), limit: self.limit }),
                Ok(_) => break,
                // An interrupted wait starts over: signals are rare, and the limit is a bound, not a promise.
                Err(rustix::io::Errno::INTR) => {}
                Err(e) => return Err(error(e.into())),
            }
        }
        child.wait().map(exit_code).map_err(error)
    }
}

/// A path as one word of a text for a shell.
pub fn shell_word(path: &Path) -> String {
    let text = path.to_string_lossy();
    shlex::try_quote(&text).expect("only a NUL cannot be quoted, and no path has one").into_owned()
}

fn kill_group(child: &Child) {
    let _already_gone = kill_process_group(Pid::from_child(child), Signal::KILL);
}

fn read_in_background(pipe: impl Read + Send + 'static) -> std::thread::JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        let mut pipe = pipe.take(OUTPUT_BYTES_MAX);
        // What was read before an error is still worth having.
        drop(pipe.read_to_end(&mut kept));
        drop(io::copy(&mut pipe.into_inner(), &mut io::sink()));
        kept
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_a_path_back_as_it_is() {
        for path in ["/plain/gt-0.1", "/a b/it's", "/$HOME/`id`/\\", "/\"both\" 'kinds'/*?", "/two\nlines/#%!~"] {
            let script = format!("printf %s {}", shell_word(Path::new(path)));
            assert_eq!(Exec::new("sh").args(["-c", &script]).run().unwrap().stdout, path.as_bytes());
        }
    }

    #[test]
    fn output_and_code_come_back() {
        let out = Exec::new("sh").args(["-c", "cat; echo oops >&2; exit 3"]).stdin("hello\n").run().unwrap();
        assert_eq!((out.code, out.text().as_str(), out.complaint().as_str()), (3, "hello", "oops"));
    }

    #[test]
    fn a_signal_is_128_and_more() {
        assert_eq!(Exec::new("sh").args(["-c", "kill -9 $$"]).run().unwrap().code, 137);
    }

    #[test]
    fn the_whole_group_dies_at_the_limit() {
        // The grandchild holds the pipe: were it left alive, reading the output would never end.
        let stuck = Exec::new("sh").args(["-c", "sleep 600 & wait"]).limit(Duration::from_millis(50)).run();
        assert!(matches!(stuck, Err(ExecError::TimedOut { .. })), "{stuck:?}");
    }

    #[test]
    fn a_missing_program_is_named() {
        let missing = Exec::new("gt-no-such-program").run().unwrap_err();
        assert_eq!(missing.to_string(), "could not start `gt-no-such-program`");
    }
}
