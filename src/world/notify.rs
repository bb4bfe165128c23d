//! Telling people: the town's own command is run with the facts on its standard input.

use std::ffi::OsString;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use crate::exec::Exec;
use crate::layout::Layout;
use crate::town;

/// The variables that the command sees: what a program needs to find others, its user's settings, a mail server or a desktop.
/// `GT_JOB` is what a job's programs are known by.
const KEPT: [&str; 15] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "LC_ALL",
    "TZ",
    "TMPDIR",
    "XDG_CONFIG_HOME",
    "XDG_RUNTIME_DIR",
    "DBUS_SESSION_BUS_ADDRESS",
    "DISPLAY",
    "WAYLAND_DISPLAY",
    "GT_JOB",
];

/// Runs the command, and writes what it printed into the log. The error says why nobody was told.
pub(crate) fn send(
    command: &[String],
    facts: &str,
    timeout_s: u64,
    layout: &Layout,
    log: &mut dyn Write,
) -> Result<(), String> {
    let Some((program, args)) = command.split_first() else { return Err("no command is declared".to_owned()) };
    let folder = town::recorded(layout);
    // One that is named by a relative path lies in the town's folder.
    let path = folder.as_deref().filter(|_| program.contains('/')).map(|folder| town::path(folder, program));
    let exec = Exec::new(path.as_deref().unwrap_or(Path::new(program)));
    let exec = exec.args(args).stdin(format!("{facts}\n")).limit(Duration::from_secs(timeout_s));
    let exec = not_kept(std::env::vars_os().map(|(name, _)| name)).fold(exec, Exec::env_remove);
    let exec = folder.iter().fold(exec, Exec::cwd);
    let output = exec.run().map_err(|error| gastown_base::causes::in_a_line(&error))?;
    for piece in [&output.stdout, &output.stderr] {
        // A log that cannot be written must not decide whether somebody was told.
        drop(log.write_all(piece));
    }
    if output.ok() { Ok(()) } else { Err(format!("`{program}` ended with {}", output.code)) }
}

/// The variables that the command does not see.
fn not_kept(all: impl Iterator<Item = OsString>) -> impl Iterator<Item = OsString> {
    all.filter(|name| KEPT.iter().all(|kept| name != kept))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(command: &[&str], timeout_s: u64) -> (Result<(), String>, String, tempfile::TempDir) {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::of(dir.path().join("data"), dir.path().join("state"), dir.path().join("run"));
        let command: Vec<String> =
            command.iter().map(|word| word.replace("DIR", dir.path().to_str().unwrap())).collect();
        let mut log = Vec::new();
        let sent = send(&command, r#"{"name":"shop-a"}"#, timeout_s, &layout, &mut log);
        (sent, String::from_utf8(log).unwrap(), dir)
    }

    #[test]
    fn the_facts_are_on_its_standard_input_and_what_it_prints_is_logged() {
        let (sent, log, dir) = sent(&["sh", "-c", "tee DIR/told; echo thanks >&2"], 10);
        assert_eq!((sent, &*log), (Ok(()), "{\"name\":\"shop-a\"}\nthanks\n"));
        assert_eq!(fs_err::read_to_string(dir.path().join("told")).unwrap(), "{\"name\":\"shop-a\"}\n");
    }

    #[test]
    fn it_fails_with_what_the_command_did() {
        assert_eq!(sent(&["sh", "-c", "echo no such room; exit 3"], 10).0, Err("`sh` ended with 3".to_owned()));
        let late = sent(&["sh", "-c", "sleep 60"], 1).0.unwrap_err();
        assert_eq!(late, "`sh` did not end within 1s");
        let missing = sent(&["gt-no-such-program"], 1).0.unwrap_err();
        assert!(missing.starts_with("could not start `gt-no-such-program`: "), "{missing}");
    }

    #[test]
    fn it_sees_none_of_the_controllers_own_variables() {
        let names = ["PATH", "ANTHROPIC_API_KEY", "GT_TOWN", "HOME", "GT_JOB"].map(OsString::from);
        let removed: Vec<OsString> = not_kept(names.into_iter()).collect();
        assert_eq!(removed, ["ANTHROPIC_API_KEY", "GT_TOWN"]);
    }
}
