//! A session's identity: what its environment says about who works on what.
//!
//! It is a claim, not a proof: whoever uses it asks the bead whether it agrees.

use std::path::{Path, PathBuf};

use gastown_connect::actor::variable;
use gastown_crds::{Bead, names};

use super::conversation;
use super::error::Error;

/// Who works on what, as `GT_*` say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// The bead on the hook: `GT_BEAD`.
    pub bead: String,
    /// `GT_RIG`.
    pub rig: String,
    /// The polecat's name in its rig: `GT_POLECAT`.
    pub polecat: String,
    /// Which session on the bead this is, from 1: `GT_ATTEMPT`.
    pub attempt: u32,
    /// Why the bead came back, `Red` or `Conflict`: `GT_REWORK`.
    pub rework: Option<String>,
    /// The file that says more: `GT_REWORK_LOG`.
    pub rework_log: Option<PathBuf>,
    /// Whether the attempt before was killed for memory: `GT_LAST_ATTEMPT`.
    pub out_of_memory: bool,
    /// The memory that it may use, such as `4Gi`: `GT_MEMORY_LIMIT`.
    pub memory_limit: Option<String>,
    /// The commit the branch began at: `GT_BASE`.
    pub base: String,
}

/// The part of a bead that is a session's: the steps of its Runtime.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Part {
    /// The name of its Runtime, `GT_RUNTIME`; none outside of a session, to which everything belongs.
    runtime: Option<String>,
    /// That of steps that name none, if it is another: `GT_BEAD_RUNTIME`.
    of_bead: Option<String>,
}

impl Part {
    /// That of the session that this process runs in.
    pub fn current() -> Self {
        Self { runtime: variable("GT_RUNTIME"), of_bead: variable("GT_BEAD_RUNTIME") }
    }

    /// The Runtime that a step is for, if it is another than the session's.
    pub fn other(&self, step: &Bead) -> Option<String> {
        let runtime = self.runtime.as_ref()?;
        let of_step = step.spec.runtime.as_ref().or(self.of_bead.as_ref())?;
        (of_step != runtime).then(|| of_step.clone())
    }
}

impl Session {
    /// The session this process runs in; none outside of one.
    pub fn current() -> Result<Option<Self>, Error> {
        Self::read(variable)
    }

    /// The session this process runs in; a refusal outside of one, and in the worktree of another one: the tools of an agent whose
    /// program serves several sessions by one process see what the first of them was started with.
    pub fn required(verb: &str, hint: &str) -> Result<Self, Error> {
        let session = Self::current()?.ok_or_else(|| {
            Error::refused(format!("`{verb}` is for an agent's session, and this is none: GT_BEAD is not set"), hint)
        })?;
        let (here, own) = (std::env::current_dir().ok(), variable("GT_WORKTREE").map(PathBuf::from));
        if here.zip(own).is_some_and(|(here, own)| is_in_another(&here, &own)) {
            let message = format!(
                "this is the worktree of another session, and the environment is that of `{}` on bead `{}`",
                session.polecat_object(),
                session.bead
            );
            let hint = "let the agent's program run a process of its own for each session (codex: `--no-daemon`)";
            return Err(Error::refused(message, hint));
        }
        conversation::report();
        Ok(session)
    }

    fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, Error> {
        let Some(bead) = variable("GT_BEAD") else { return Ok(None) };
        let wrong = |name: &str, why: &str| {
            let hint = "the session's environment is damaged: end the session, and another is started";
            Error::refused(format!("the variable {name} {why}"), hint)
        };
        let needed = |name: &str| variable(name).ok_or_else(|| wrong(name, "is not set"));
        let label = |name: &str| {
            needed(name).and_then(|v| if names::is_label(&v) { Ok(v) } else { Err(wrong(name, "holds no name")) })
        };
        let attempt = needed("GT_ATTEMPT")?;
        let attempt = attempt.parse().ok().filter(|n| *n >= 1);
        let base = needed("GT_BASE")?;
        if !(40..=64).contains(&base.len()) || !base.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(wrong("GT_BASE", "holds no commit"));
        }
        Ok(Some(Self {
            bead,
            rig: label("GT_RIG")?,
            polecat: label("GT_POLECAT")?,
            attempt: attempt.ok_or_else(|| wrong("GT_ATTEMPT", "holds no number"))?,
            rework: variable("GT_REWORK"),
            rework_log: variable("GT_REWORK_LOG").map(PathBuf::from),
            out_of_memory: variable("GT_LAST_ATTEMPT").is_some_and(|how| how == "OutOfMemory"),
            memory_limit: variable("GT_MEMORY_LIMIT"),
            base,
        }))
    }

    /// The name of the Polecat object.
    pub fn polecat_object(&self) -> String {
        names::polecat(&self.rig, &self.polecat)
    }

    /// That the work is not the session's any more.
    pub fn lost(&self) -> Error {
        let message = format!("bead `{}` is not on the hook of `{}`", self.bead, self.polecat_object());
        Error::refused(message, "end the session: the work was handed in, closed, or given to another")
    }

    /// The branch that the work belongs on.
    pub fn branch(&self) -> String {
        names::branch(&self.polecat, &self.bead)
    }
}

/// Whether a folder is in the worktree of a session other than the one whose worktree is `own`.
fn is_in_another(folder: &Path, own: &Path) -> bool {
    let whole = |path: &Path| fs_err::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let (folder, own) = (whole(folder), whole(own));
    !folder.starts_with(&own)
        && own.parent().is_some_and(|worktrees| folder != worktrees && folder.starts_with(worktrees))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worktree_of_another_session_is_known() {
        let is = |folder: &str| is_in_another(Path::new(folder), Path::new("/none/worktrees/a"));
        let folders =
            ["/none/worktrees/a", "/none/worktrees/a/src", "/none/worktrees/ab", "/none/worktrees/b/src", "/none", "/"];
        assert_eq!(folders.map(is), [false, false, true, true, false, false]);
    }

    const SET: [(&str, &str); 5] = [
        ("GT_BEAD", "shop-1"),
        ("GT_RIG", "shop"),
        ("GT_POLECAT", "nux"),
        ("GT_ATTEMPT", "2"),
        ("GT_BASE", "0123456789012345678901234567890123456789"),
    ];

    fn read(change: (&str, &str)) -> Result<Option<Session>, Error> {
        Session::read(|name| {
            let set = SET.iter().find(|(n, _)| *n == name).map(|(_, v)| *v);
            let value = if name == change.0 { Some(change.1) } else { set };
            value.filter(|v| !v.is_empty()).map(str::to_owned)
        })
    }

    #[test]
    fn it_is_read_from_the_environment() {
        let session = read(("GT_REWORK", "Red")).unwrap().unwrap();
        assert_eq!((session.attempt, session.rework.as_deref()), (2, Some("Red")));
        assert_eq!((session.polecat_object().as_str(), session.branch().as_str()), ("shop-nux", "polecat/nux/shop-1"));
        assert_eq!(read(("GT_BEAD", "")).unwrap(), None);
    }

    #[test]
    fn a_damaged_one_is_refused_by_name() {
        let why = |change| read(change).unwrap_err().to_string();
        assert_eq!(why(("GT_ATTEMPT", "0")), "the variable GT_ATTEMPT holds no number");
        assert_eq!(why(("GT_BASE", "main")), "the variable GT_BASE holds no commit");
        assert_eq!(why(("GT_RIG", "../x")), "the variable GT_RIG holds no name");
        assert_eq!(why(("GT_POLECAT", "")), "the variable GT_POLECAT is not set");
    }
}
