//! The machine's capacity: cores, and whether tmux and git are there and new enough.

use std::ffi::OsStr;
use std::path::Path;

use gastown_controllers::world::{Free, Machine};

use super::program::find;
use crate::exec::Exec;
use crate::free::size;

/// The oldest tmux that was tried: Debian 12's. 3.3 brought what the guarded commands rely on.
pub const TMUX_MIN: (u32, u32) = (3, 3);

/// The oldest git that was tried: Debian 12's.
pub const GIT_MIN: (u32, u32) = (2, 39);

/// Looks at the machine. `polecats_max` is its owner's limit, which is only passed on.
pub fn probe(path: &OsStr, polecats_max: Option<u32>, data: &Path) -> Machine {
    let tmux = lacks("tmux", "-V", TMUX_MIN, path)
        .map(|what| format!("{what}; until then agents run as plain processes, which nobody can attach to"));
    let git = lacks("git", "--version", GIT_MIN, path).map(|what| format!("{what}; until then nothing can land"));
    let missing: Vec<_> = git.into_iter().chain(tmux).collect();
    let degraded = (!missing.is_empty()).then(|| missing.join(". "));
    Machine { polecats_max, degraded, ..size_of_machine(data) }
}

/// What the machine has, whatever may be missing on it. No program is asked.
pub fn size_of_machine(data: &Path) -> Machine {
    let cores = std::thread::available_parallelism().map_or(1, |cores| u32::try_from(cores.get()).unwrap_or(u32::MAX));
    // Where the size cannot be read, there is no default of what has to be free.
    let all = size(data).unwrap_or(Free { memory: 0, disk: 0 });
    Machine { name: host_name(), cores, memory: all.memory, disk: all.disk, ..Machine::default() }
}

/// What `hostname` says; empty if that cannot be read.
pub fn host_name() -> String {
    fs_err::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned()
}

/// The problem with a program: it is missing or too old.
fn lacks(name: &str, flag: &str, min: (u32, u32), path: &OsStr) -> Option<String> {
    let (major, minor) = min;
    let Some(program) = find(name, path) else {
        return Some(format!("{name} is not installed: install {name} {major}.{minor} or later"));
    };
    let said = match Exec::new(program).arg(flag).run() {
        Ok(output) => output.text(),
        Err(error) => return Some(format!("{name} does not work: {error}")),
    };
    match version(&said) {
        Some(found) if found < min => Some(format!("{said} is too old: install {name} {major}.{minor} or later")),
        // One that does not say is built from its sources: new.
        _ => None,
    }
}

/// Whether this tmux is new enough.
pub(super) fn tmux_is_new_enough(program: &OsStr) -> bool {
    Exec::new(program).arg("-V").run().is_ok_and(|out| out.ok() && version(&out.text()).is_none_or(|v| v >= TMUX_MIN))
}

/// The first two numbers in `tmux 3.3a`, `tmux next-3.4` or `git version 2.39.5`.
pub fn version(said: &str) -> Option<(u32, u32)> {
    let from = said.find(|c: char| c.is_ascii_digit())?;
    let mut numbers = said[from..].split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        assert_eq!(version("tmux 3.3a"), Some((3, 3)));
        assert_eq!(version("tmux next-3.10"), Some((3, 10)));
        assert_eq!(version("git version 2.39.5"), Some((2, 39)));
        assert_eq!(version("tmux master"), None);
    }

    #[test]
    fn a_machine_without_tools_says_what_to_install() {
        let dir = tempfile::tempdir().unwrap();
        let degraded = probe(dir.path().as_os_str(), None, dir.path()).degraded.unwrap();
        assert!(degraded.contains("install git 2.39 or later"), "{degraded}");
        assert!(degraded.contains("install tmux 3.3 or later"), "{degraded}");
    }

    #[test]
    fn too_old_is_said() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let old = dir.path().join("tmux");
        fs_err::write(&old, "#!/bin/sh\necho tmux 2.9a\n").unwrap();
        fs_err::set_permissions(&old, std::fs::Permissions::from_mode(0o755)).unwrap();
        let lacks = lacks("tmux", "-V", TMUX_MIN, dir.path().as_os_str()).unwrap();
        assert_eq!(lacks, "tmux 2.9a is too old: install tmux 3.3 or later");
        assert!(!tmux_is_new_enough(old.as_os_str()));
    }
}
