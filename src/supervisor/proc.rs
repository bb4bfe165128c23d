//! What `/proc` says of the processes of this machine (proc(5)).
//!
//! A process may end while it is looked at, and one of another user may not be looked at: that is an empty answer, never an
//! error. Texts are bytes: the arguments and variables of a process need not be UTF-8, which is what keeps us from using
//! the `procfs` crate here.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::process::Signal;

/// A process, as `/proc/<pid>/stat` has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// What it does: `R` runs, `S` sleeps, `D` waits in the kernel, `T` is stopped, `t` is traced, `Z` is over, `X` is gone.
    pub state: char,
    /// Its parent's process id.
    pub parent: i32,
    /// The device number of its terminal; 0: it has none.
    pub terminal: i64,
    /// When it began, in clock ticks since the machine started.
    pub start: u64,
}

/// The ids of all processes.
pub fn pids() -> io::Result<Vec<i32>> {
    let names = fs_err::read_dir("/proc")?.flatten().map(|entry| entry.file_name());
    Ok(names.filter_map(|name| name.to_str()?.parse().ok()).collect())
}

/// What a process is and does.
pub fn stat(pid: i32) -> Option<Stat> {
    parse(&fs_err::read(of(pid, "stat")).ok()?)
}

/// The name, in parentheses, may hold anything; the fields after it are numbers, but for the state.
fn parse(line: &[u8]) -> Option<Stat> {
    let after = line.iter().rposition(|byte| *byte == b')')? + 1;
    let text = std::str::from_utf8(&line[after..]).ok()?;
    // As the manual counts them, from 1; the first after the name is the third.
    let field = |n: usize| text.split_ascii_whitespace().nth(n - 3);
    Some(Stat {
        state: field(3)?.chars().next()?,
        parent: field(4)?.parse().ok()?,
        terminal: field(7)?.parse().ok()?,
        start: field(22)?.parse().ok()?,
    })
}

/// Whether it was told to stop (SIGSTOP) and has not yet.
pub fn is_to_stop(pid: i32) -> Option<bool> {
    Some(is_stop_pending(&fs_err::read_to_string(of(pid, "status")).ok()?))
}

fn is_stop_pending(status: &str) -> bool {
    let pending = status.lines().find_map(|line| line.strip_prefix("ShdPnd:"));
    let pending = pending.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    pending >> (Signal::STOP.as_raw() - 1) & 1 == 1
}

/// The words that it was started with.
pub fn words(pid: i32) -> Vec<OsString> {
    let text = fs_err::read(of(pid, "cmdline")).unwrap_or_default();
    let text = text.strip_suffix(b"\0").unwrap_or(&text);
    text.split(|byte| *byte == 0).map(|word| OsString::from_vec(word.to_vec())).collect()
}

/// A variable of those that it was started with.
pub fn variable(pid: i32, name: &str) -> Option<OsString> {
    let all = fs_err::read(of(pid, "environ")).ok()?;
    let mut all = all.split(|byte| *byte == 0);
    let value = all.find_map(|variable| variable.strip_prefix(name.as_bytes())?.strip_prefix(b"="))?;
    Some(OsStr::from_bytes(value).to_owned())
}

/// The folder that it is in, without symbolic links.
pub fn folder(pid: i32) -> Option<PathBuf> {
    fs_err::read_link(of(pid, "cwd")).ok()
}

/// The user that it runs as.
pub fn user(pid: i32) -> Option<u32> {
    fs_err::metadata(of(pid, "")).ok().map(|folder| folder.uid())
}

/// The files that it has open, each with its descriptor; a deleted one ends with ` (deleted)`.
pub fn open_files(pid: i32) -> impl Iterator<Item = (OsString, PathBuf)> {
    let descriptors = fs_err::read_dir(of(pid, "fd")).into_iter().flatten().flatten();
    descriptors.filter_map(|entry| Some((entry.file_name(), fs_err::read_link(entry.path()).ok()?)))
}

/// Whether it holds a lock by this descriptor: the kernel lists the lock itself, so having the file open is not enough.
pub fn holds_lock(pid: i32, descriptor: &OsStr) -> bool {
    fs_err::read_to_string(of(pid, "fdinfo").join(descriptor))
        .is_ok_and(|info| info.lines().any(|line| line.starts_with("lock:") && line.contains(" WRITE ")))
}

fn of(pid: i32, file: &str) -> PathBuf {
    Path::new("/proc").join(pid.to_string()).join(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command;
    use std::time::{Duration, Instant};

    #[test]
    fn a_name_with_parentheses_does_not_confuse() {
        let line = b"7 (a) S (b)\xff) R 1 7 7 34816 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 4711 0 0";
        assert_eq!(parse(line), Some(Stat { state: 'R', parent: 1, terminal: 34816, start: 4711 }));
    }

    #[test]
    fn a_stop_that_is_pending_is_seen() {
        assert!(is_stop_pending("SigPnd:\t0000000000000000\nShdPnd:\t0000000000040000\n"));
        assert!(!is_stop_pending("SigPnd:\t0000000000040000\nShdPnd:\t0000000000020000\n"));
    }

    #[test]
    fn a_process_is_seen_as_it_was_started() {
        let value = OsStr::from_bytes(b"not \xff text");
        let mut child = command("sleep").arg("600").env("GT_TRY", value).current_dir("/").spawn().unwrap();
        let pid = child.id().cast_signed();
        // A kernel lets the parent go on before it has written down what the child is called.
        let since = Instant::now();
        while words(pid).is_empty() || variable(pid, "GT_TRY").is_none() {
            assert!(since.elapsed() < Duration::from_secs(30), "it has no words");
            std::thread::yield_now();
        }
        assert!(pids().unwrap().contains(&pid));
        assert_eq!(stat(pid).unwrap().parent, std::process::id().cast_signed());
        assert_eq!(words(pid), ["sleep", "600"]);
        assert_eq!((variable(pid, "GT_TRY").as_deref(), variable(pid, "GT_")), (Some(value), None));
        assert_eq!(folder(pid).as_deref(), Some(Path::new("/")));
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!((stat(pid), variable(pid, "GT_TRY"), open_files(pid).count()), (None, None, 0));
    }
}
