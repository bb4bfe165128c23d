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
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gastown_controllers::world::{Limiting, Limits};

use super::program::find;
use crate::exec::{Exec, ExecError};

/// How long systemd may take to answer: it takes some twenty milliseconds.
const ANSWER_MAX: Duration = Duration::from_millis(900);

/// Says which of the controllers that we use a scope has: run in one, it looks for their files there.
const LOOK: &str = r#"
group=$(sed -n 's/^0:://p' /proc/self/cgroup)
for file in memory.max cpu.max; do [ -e "/sys/fs/cgroup$group/$file" ] && echo $file; done; true"#;

/// The way to scopes, once it was looked for.
#[derive(Debug, Default)]
pub(super) struct Scopes(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// What was found last. That there was no answer is found too, for those who can do without.
    found: Option<Found>,
    /// Whether there ever was a way.
    was_there: bool,
}

#[derive(Debug, Clone)]
struct Found {
    /// The program that makes a scope; none if there can be none.
    program: Option<PathBuf>,
    limiting: Limiting,
}

/// What has limits cannot be held to them just now.
#[derive(Debug, thiserror::Error)]
pub enum ScopeError {
    /// systemd does not answer.
    #[error("systemd does not say whether it can hold the session to its limits: {0}")]
    NoAnswer(#[from] ExecError),
    /// It could before, and may again.
    #[error("the session is not started without its limits, which held before: {why}")]
    Gone {
        /// Why they do not hold now.
        why: String,
    },
}

impl Known {
    fn look(&mut self, path: &OsStr) -> Result<Limiting, ExecError> {
        self.found = Some(Found { program: None, limiting: Limiting::No(String::new()) });
        let found = look(path)?;
        self.was_there |= found.program.is_some();
        Ok(self.found.insert(found).limiting.clone())
    }

    fn program(&self) -> Option<&PathBuf> {
        self.found.as_ref()?.program.as_ref()
    }
}

impl Scopes {
    /// What sessions can be held to here. Where nothing was found, it is looked again. An error: systemd does not answer.
    pub fn limiting(&self, path: &OsStr) -> Result<Limiting, ExecError> {
        let mut known = self.known();
        match &known.found {
            Some(found) if found.program.is_some() => Ok(found.limiting.clone()),
            _ => known.look(path),
        }
    }

    /// The words before the command of a session, which make its scope of this name; none if there can be none. A session
    /// without limits can do without one; for one that has limits it is looked again, and what could be held to them before
    /// is not started without.
    pub fn words(
        &self,
        path: &OsStr,
        name: &str,
        about: &str,
        limits: Limits,
    ) -> Result<Option<Vec<OsString>>, ScopeError> {
        let mut known = self.known();
        let is_limited = limits != Limits::default();
        if known.program().is_none() && (is_limited || known.found.is_none()) {
            match known.look(path) {
                Ok(Limiting::No(why)) if is_limited && known.was_there => return Err(ScopeError::Gone { why }),
                Err(error) if is_limited => return Err(error.into()),
                _ => {}
            }
        }
        Ok(known.program().map(|program| words(program, Some((name, about)), limits)))
    }

    /// A session that was to have a scope did not begin: systemd may be gone.
    pub fn forget(&self) {
        self.known().found = None;
    }

    fn known(&self) -> MutexGuard<'_, Known> {
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
pub fn limiting(path: &OsStr) -> Result<Limiting, ExecError> {
    Ok(look(path)?.limiting)
}

/// Looks for the way to scopes by making one. An error: it does not say in time whether there is one.
fn look(path: &OsStr) -> Result<Found, ExecError> {
    let no = |why: String| Ok(Found { program: None, limiting: Limiting::No(why) });
    let Some(program) = find("systemd-run", path) else {
        return no("systemd-run is not on PATH here, and systemd makes the cgroups".to_owned());
    };
    if let Some(why) = ends_with_login(path)? {
        return no(why);
    }
    let mut words = words(&program, None, Limits { memory: Some(1 << 30), cpu: Some(1000) });
    words.extend(["/bin/sh", "-c", LOOK].map(OsString::from));
    let output = Exec::new(words.remove(0)).args(words).limit(ANSWER_MAX).run()?;
    let text = output.text();
    if !output.ok() {
        let said = output.complaint();
        let last = said.lines().next_back().unwrap_or("it does not say why").trim().to_owned();
        return no(format!("systemd makes no scope: {last}"));
    }
    let has = |file: &str| text.lines().any(|line| line == file);
    let limiting = Limiting::Cgroup { memory: has("memory.max"), cpu: has("cpu.max") };
    Ok(Found { program: Some(program), limiting })
}

/// Why scopes would end when the user logs out, or could; none if they would not.
fn ends_with_login(path: &OsStr) -> Result<Option<String>, ExecError> {
    if is_root() {
        return Ok(None);
    }
    let uid = rustix::process::geteuid().as_raw();
    let own = fs_err::read_to_string("/proc/self/cgroup").unwrap_or_default();
    if own.contains(&format!("/user@{uid}.service/")) {
        return Ok(None);
    }
    let Some(loginctl) = find("loginctl", path) else {
        return Ok(Some(
            "loginctl is not on PATH here, and says whether what systemd runs for you outlives your login".into(),
        ));
    };
    let ask = ["show-user", &uid.to_string(), "--property=Linger", "--value"];
    let said = Exec::new(loginctl).args(ask).limit(ANSWER_MAX).run()?;
    Ok(match said.text().as_str() {
        "yes" => None,
        _ if !said.ok() => Some(format!("systemd does not know your login: {}", said.complaint())),
        _ => {
            Some("systemd ends what it runs for you when you log out: `loginctl enable-linger` lets it stay".to_owned())
        }
    })
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
        let (scopes, path) = (Scopes::default(), dir.path().as_os_str());
        let Limiting::No(why) = scopes.limiting(path).unwrap() else { panic!("there is none") };
        assert!(why.contains("systemd-run is not on PATH"), "{why}");
        assert_eq!(scopes.words(path, "x.scope", "", Limits::default()).unwrap(), None);

        // Programs of these names, of which one fails as it does without a bus.
        program(dir.path(), "loginctl", "echo yes");
        program(dir.path(), "systemd-run", "echo Failed to connect to bus: No medium found >&2; exit 1");
        let Limiting::No(why) = scopes.limiting(path).unwrap() else { panic!("there is none") };
        assert_eq!(why, "systemd makes no scope: Failed to connect to bus: No medium found");
    }

    #[test]
    fn one_that_does_not_answer_is_not_taken_to_be_absent() {
        let dir = tempfile::tempdir().unwrap();
        let (scopes, path) = (Scopes::default(), dir.path().as_os_str());
        program(dir.path(), "loginctl", "echo yes");
        program(dir.path(), "systemd-run", "exec /bin/sleep 600");
        let limited = Limits { memory: Some(1 << 30), cpu: None };
        let words = |limits| scopes.words(path, "x.scope", "", limits);
        assert_eq!(words(Limits::default()).unwrap(), None, "who has no limits can do without");
        assert!(matches!(words(limited), Err(ScopeError::NoAnswer(ExecError::TimedOut { .. }))));
        program(dir.path(), "systemd-run", "echo memory.max");
        assert_eq!(scopes.limiting(path).unwrap(), Limiting::Cgroup { memory: true, cpu: false });
        assert!(words(limited).unwrap().is_some());

        // And what held before is not dropped because a bus is started anew.
        scopes.forget();
        program(dir.path(), "systemd-run", "echo Failed to connect to bus >&2; exit 1");
        assert!(matches!(words(limited), Err(ScopeError::Gone { why }) if why.ends_with("Failed to connect to bus")));
        assert_eq!(words(Limits::default()).unwrap(), None);
    }

    fn program(dir: &Path, name: &str, text: &str) {
        fs_err::write(dir.join(name), format!("#!/bin/sh\n{text}\n")).unwrap();
        fs_err::set_permissions(dir.join(name), std::fs::Permissions::from_mode(0o755)).unwrap();
    }
}
