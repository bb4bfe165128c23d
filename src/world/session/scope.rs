//! The cgroup of a session: a transient scope of systemd (systemd.scope(5)), made as the session starts, gone with its last
//! process. It holds the session to its limits, and says what is part of it and what the kernel has killed there.
//!
//! # Design notes
//! `systemd-run --scope` moves itself into the scope and then becomes what it was told to run, so the supervisor stays the
//! pane's process. The user's own systemd is asked, or for root the system's. The supervisor finds out by its own cgroup
//! whether that worked; nothing is believed here.
//! `Delegate=yes` leaves the rest of the scope running when one of its processes is killed for memory: an agent whose
//! compiler was killed goes on and sees it.
//! The user's systemd ends with their last login unless they linger, and its scopes with it; agents do not end so. Who does
//! not linger gets no scopes, unless the controller runs below that systemd already.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use gastown_controllers::world::{Limiting, Limits};

use super::program::find;
use crate::exec::Exec;

/// How long systemd may take to answer: it takes some twenty milliseconds.
const ANSWER_MAX: Duration = Duration::from_millis(900);

/// Says which of the controllers that we use a scope has: run in one, it looks for their files there.
const LOOK: &str = r#"
group=$(sed -n 's/^0:://p' /proc/self/cgroup)
for file in memory.max cpu.max; do [ -e "/sys/fs/cgroup$group/$file" ] && echo $file; done; true"#;

/// The way to scopes, once it was looked for.
#[derive(Debug, Default)]
pub(super) struct Scopes(Mutex<Option<Found>>);

#[derive(Debug, Clone)]
struct Found {
    /// The program that makes a scope; none if there can be none.
    program: Option<PathBuf>,
    limiting: Limiting,
}

impl Scopes {
    /// What sessions can be held to here. Where nothing was found, it is looked again.
    pub fn limiting(&self, path: &OsStr) -> Limiting {
        let mut known = self.known();
        if known.as_ref().is_none_or(|found| found.program.is_none()) {
            *known = Some(look(path));
        }
        known.as_ref().map_or_else(|| Limiting::No(String::new()), |found| found.limiting.clone())
    }

    /// The words before the command of a session, which make its scope of this name; none if there can be none.
    pub fn words(&self, path: &OsStr, name: &str, about: &str, limits: Limits) -> Option<Vec<OsString>> {
        let program = self.known().get_or_insert_with(|| look(path)).program.clone()?;
        Some(words(&program, Some((name, about)), limits))
    }

    /// A session that was to have a scope did not begin: systemd may be gone.
    pub fn forget(&self) {
        *self.known() = None;
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Option<Found>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The name of the scope of an attempt: no other attempt of this machine has it.
pub(super) fn name(polecat: &str, owner_uid: &str, attempt: u32) -> String {
    format!("gt-{polecat}-{owner_uid}-{attempt}.scope")
}

fn words(program: &Path, unit: Option<(&str, &str)>, limits: Limits) -> Vec<OsString> {
    let mut words: Vec<OsString> = vec![program.into()];
    if !is_root() {
        words.push("--user".into());
    }
    words.extend(
        ["--scope", "--quiet", "--collect", "--no-ask-password", "--property=Delegate=yes"].map(OsString::from),
    );
    if let Some((name, about)) = unit {
        words.extend([format!("--unit={name}").into(), format!("--description={about}").into()]);
    }
    if let Some(memory) = limits.memory {
        words.extend([format!("--property=MemoryMax={memory}").into(), "--property=MemorySwapMax=0".into()]);
    }
    if let Some(cpu) = limits.cpu {
        words.push(format!("--property=CPUQuota={}.{}%", cpu / 10, cpu % 10).into());
    }
    words.push("--".into());
    words
}

/// What sessions can be held to on this machine, with programs of this PATH.
pub fn limiting(path: &OsStr) -> Limiting {
    look(path).limiting
}

/// Looks for the way to scopes by making one.
fn look(path: &OsStr) -> Found {
    let no = |why: String| Found { program: None, limiting: Limiting::No(why) };
    let Some(program) = find("systemd-run", path) else {
        return no("systemd-run is not on PATH here, and systemd makes the cgroups".to_owned());
    };
    if let Some(why) = ends_with_login(path) {
        return no(why);
    }
    let mut words = words(&program, None, Limits { memory: Some(1 << 30), cpu: Some(1000) });
    words.extend(["/bin/sh", "-c", LOOK].map(OsString::from));
    match Exec::new(words.remove(0)).args(words).limit(ANSWER_MAX).run() {
        Ok(output) if output.ok() => {
            let text = output.text();
            let has = |file: &str| text.lines().any(|line| line == file);
            Found {
                program: Some(program),
                limiting: Limiting::Cgroup { memory: has("memory.max"), cpu: has("cpu.max") },
            }
        }
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            no(format!("systemd makes no scope: {}", said.lines().next_back().unwrap_or("it does not say why").trim()))
        }
        Err(error) => no(format!("systemd makes no scope: {error}")),
    }
}

/// Why scopes would end when the user logs out; none if they would not.
fn ends_with_login(path: &OsStr) -> Option<String> {
    if is_root() {
        return None;
    }
    let uid = rustix::process::geteuid().as_raw();
    let own = fs_err::read_to_string("/proc/self/cgroup").unwrap_or_default();
    if own.contains(&format!("/user@{uid}.service/")) {
        return None;
    }
    let ask = |loginctl| {
        Exec::new(loginctl)
            .args(["show-user", &uid.to_string(), "--property=Linger", "--value"])
            .limit(ANSWER_MAX)
            .run()
    };
    let lingers = find("loginctl", path).is_some_and(|it| ask(it).is_ok_and(|said| said.text() == "yes"));
    (!lingers)
        .then(|| "systemd ends what it runs for you when you log out: `loginctl enable-linger` lets it stay".to_owned())
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn limits_are_told_to_systemd_in_its_own_units() {
        let said = |limits| {
            let words = words(Path::new("/usr/bin/systemd-run"), Some(("gt-nux-1.scope", "nux at shop-1")), limits);
            words.join(OsStr::new(" ")).into_string().unwrap().replace(" --user", "")
        };
        let head = "/usr/bin/systemd-run --scope --quiet --collect --no-ask-password --property=Delegate=yes \
                    --unit=gt-nux-1.scope --description=nux at shop-1";
        assert_eq!(said(Limits::default()), format!("{head} --"));
        assert_eq!(
            said(Limits { memory: Some(512 << 20), cpu: Some(1505) }),
            format!("{head} --property=MemoryMax=536870912 --property=MemorySwapMax=0 --property=CPUQuota=150.5% --")
        );
    }

    #[test]
    fn where_systemd_is_not_there_it_is_said_and_looked_for_again() {
        let dir = tempfile::tempdir().unwrap();
        let scopes = Scopes::default();
        let none = scopes.limiting(dir.path().as_os_str());
        assert!(matches!(&none, Limiting::No(why) if why.contains("systemd-run is not on PATH")), "{none:?}");
        assert_eq!(scopes.words(dir.path().as_os_str(), "x.scope", "", Limits::default()), None);

        // A program of this name that fails as systemd does without a bus.
        let program = dir.path().join("systemd-run");
        fs_err::write(&program, "#!/bin/sh\necho Failed to connect to bus: No medium found >&2\nexit 1\n").unwrap();
        fs_err::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let none = scopes.limiting(dir.path().as_os_str());
        let told = matches!(&none, Limiting::No(why) if why.ends_with("Failed to connect to bus: No medium found") || why.contains("linger"));
        assert!(told, "{none:?}");
    }
}
