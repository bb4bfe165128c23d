//! The files by which `gt __run` and controllers of any release know of each other: specs, starts and ends.
//!
//! Each is JSON with a `version`, written whole under another name and renamed, so a reader sees all of it or nothing.
//! Invariant: what version 1 says is understood by every later release; fields are added, never changed.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use gastown_base::whole_file::{Survives, WholeFile};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::cgroup::Killed;
use super::family::GRACE;
use super::process::ProcessId;

/// The version written, and the newest that is understood.
const VERSION: u64 = 1;

/// Longest record, in bytes: a spec whose environment has a hundred variables of 8 KiB.
const RECORD_BYTES_MAX: u64 = 1024 * 1024;

/// The longest id of a conversation, in bytes; a UUID has 36.
const CONVERSATION_ID_MAX: usize = 128;

/// The spec in the folder of an attempt or job.
pub const SPEC: &str = "spec.json";
/// Written by `gt __run` once it holds the lock: from then on this attempt or job is never started again.
pub const STARTED: &str = "started.json";
/// The agent's process: it may let go of the lock that it inherited.
pub const AGENT: &str = "agent.json";
/// The end of an agent.
pub const EXIT: &str = "exit.json";
/// The end of a job.
pub const RESULT: &str = "result.json";
/// Put by the controller before it ends a session, so that the end is not charged to the agent.
pub const ENDING: &str = "ending";
/// The output of an agent.
pub const OUTPUT: &str = "output.log";
/// The output of a job.
pub const LOG: &str = "log";
/// The folder of an attempt that is the agent's: the files of its Runtime, and what its hooks report. `GT_RUN` names it.
pub const RUN: &str = "run";
/// What the agent's hooks or tools report of its conversation, in [`RUN`]. No file of a Runtime begins with a dot.
pub const CONVERSATION: &str = ".conversation.json";
/// What the agent is told first, in [`RUN`], for a program that reads that from its standard input.
pub const PROMPT: &str = ".prompt";
/// What the agent's hooks report of what it does, in [`RUN`].
pub const ACTIVITY: &str = ".activity.json";
/// The log that says why the work came back; `GT_REWORK_LOG` names it.
pub const REWORK: &str = "rework.log";

/// The spec of an attempt or a job; `J` is the caller's type of jobs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "form", rename_all = "camelCase")]
#[expect(clippy::large_enum_variant, reason = "one is read or written at a time, and none is kept")]
pub enum Spec<J> {
    /// An agent.
    Session(AgentSpec),
    /// A job.
    Job(JobSpec<J>),
}

/// Stands for jobs where there are none, as for whoever starts or reads sessions: no such value exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum NoJob {}

/// An agent to be run. It names every path, so `gt __run` needs to know no layout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AgentSpec {
    /// The folder of the attempt; version 1 calls it `runDir`.
    #[serde(rename = "runDir")]
    pub attempt_dir: PathBuf,
    /// The sandbox's lock.
    pub lock: PathBuf,
    /// The file that says which attempt the lock is meant for.
    pub holder: PathBuf,
    /// The sandbox's uid.
    pub sandbox_uid: String,
    /// The uid of the object whose attempt it is; that was always a bead when version 1 was written down.
    #[serde(rename = "beadUid")]
    pub owner_uid: String,
    /// The number of the attempt, from 1.
    pub attempt: u32,
    /// The digest of what is to be done.
    pub work: String,
    /// The program and its arguments.
    pub command: Vec<String>,
    /// Variables, the later of two with one name wins. No secrets: this is on disk.
    pub env: Vec<(String, String)>,
    /// Whether there are more, before those, which are handed over by a pipe: without them it is not started.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub takes_variables: bool,
    /// The names of the variables that whoever starts it has; a tmux server may have others, from an earlier day. Unsaid: all.
    #[serde(default)]
    pub inherits: Option<Vec<String>>,
    /// Variables of those that are not inherited all the same; a name that ends in `*` stands for all that begin so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unset: Vec<String>,
    /// The name of the Runtime that it is run by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime: Option<String>,
    /// Whether its program reports what it does.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub reports: bool,
    /// Whether it reports no turn that fails: its transcript says so.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fails_in_transcript: bool,
    /// The file that its program reads as standard input. Default: the terminal, and without one nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdin: Option<PathBuf>,
    /// The folder that PATH is to start with.
    pub path_first: PathBuf,
    /// The worktree.
    pub cwd: PathBuf,
    /// The supervisor's program, for the recorder of a session without a terminal.
    pub gt: PathBuf,
    /// The name of the cgroup that it is started in, if that is to be one of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cgroup: Option<String>,
    /// The memory that it may use, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_limit: Option<u64>,
    /// The seconds that it has to end, with all that it started, once it is asked to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace_seconds: Option<u32>,
}

impl AgentSpec {
    /// How long it has to end, with all that it started, before it is killed.
    pub fn grace(&self) -> Duration {
        self.grace_seconds.map_or(GRACE, |seconds| Duration::from_secs(seconds.into()))
    }
}

/// A job to be run: as much of it as the supervisor needs, and the rest for whoever does it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JobSpec<J> {
    /// The folder of the job.
    pub dir: PathBuf,
    /// Its lock.
    pub lock: PathBuf,
    /// The layout's folders: data, state, runtime.
    pub layout: [PathBuf; 3],
    /// The job.
    pub job: J,
}

/// The attempt that a sandbox's lock is meant for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Holder {
    /// The uid of the object whose attempt it is; that was always a bead when version 1 was written down.
    #[serde(rename = "beadUid")]
    pub owner_uid: String,
    /// The number of the attempt, from 1.
    pub attempt: u32,
}

/// An attempt or a job has begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Started {
    /// The `gt __run` that holds the lock.
    pub process: ProcessId,
    /// The pane that shows it, if there is one.
    #[serde(default)]
    pub tmux: Option<Pane>,
    /// The folder of the cgroup that it and all that it starts are in, if that is its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cgroup: Option<PathBuf>,
}

/// A place in tmux. Panes only locate a session; they never say whether it lives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pane {
    /// The server.
    pub server: ProcessId,
    /// The session's id, such as `$3`.
    pub session: String,
    /// The pane's id, such as `%3`.
    pub pane: String,
}

/// The end of an agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Exit {
    /// Its exit code; 128 + n for signal n.
    pub code: i32,
    /// Whether it ended by itself.
    pub own: bool,
    /// The time of the end.
    pub at: Timestamp,
    /// What was killed for memory until then: of the session's processes, or of the machine's, and then only if the agent ended
    /// as one that was killed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub killed: Option<Killed>,
}

/// The conversation that an agent is in, as it was reported. The agent can write what it likes here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Conversation {
    /// Its id, as the agent's program knows it.
    pub id: String,
    /// The file that the agent's program keeps it in, where that was reported: it can be gone on with once there is something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transcript: Option<PathBuf>,
}

impl Conversation {
    /// Whether it can be gone on with: its id can stand in a command and is no option, and something was said in it.
    pub fn can_go_on(&self) -> bool {
        let is_id = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let names_one = self.id.len() <= CONVERSATION_ID_MAX
            && self.id.starts_with(|c: char| c.is_ascii_alphanumeric())
            && self.id.chars().all(is_id);
        let holds = |path: &PathBuf| fs_err::metadata(path).is_ok_and(|file| file.is_file() && file.len() > 0);
        names_one && self.transcript.as_ref().is_none_or(holds)
    }
}

/// What an agent does, as its hooks reported it last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Activity {
    /// What it does.
    pub state: Doing,
    /// Since when.
    pub since: Timestamp,
    /// When anything was reported last: it may be at work on one thing for long.
    pub at: Timestamp,
    /// The question, or what went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// How often in a row it was sent on, at the end of a turn with work on its hook.
    #[serde(default)]
    pub sent_on: u32,
    /// How many answers to its questions it was told at the end of a turn.
    #[serde(default)]
    pub told: usize,
    /// How far its work was when it was sent on last.
    #[serde(default)]
    pub progress: String,
}

/// What an agent does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Doing {
    /// It has been started, and was told nothing yet.
    Starting,
    /// It thinks, or runs a tool.
    Busy,
    /// Its turn has ended: it waits to be told something.
    Idle,
    /// It has asked a question, or for a permission.
    Asking,
    /// Its model's provider has refused it for a rate limit or a spent allowance.
    Limited,
    /// Its model's provider has refused it for being overloaded itself.
    Overloaded,
    /// Its login is missing or has expired.
    LoginRequired,
}

/// The exit code of an agent that was killed (128 + SIGKILL); a shell gives it for its last program too.
pub const CODE_KILLED: i32 = 137;

/// The end of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JobResult {
    /// Its exit code.
    pub code: i32,
    /// The time of the end.
    pub at: Timestamp,
}

/// A record could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The file system refused; the error names the path.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The record is not JSON, or lacks a field.
    #[error("`{path}` is damaged: {why}; if nothing of it runs, delete the folder it is in")]
    Damaged {
        /// The record's file.
        path: PathBuf,
        /// The parser's message.
        why: String,
    },
    /// A later release wrote it.
    #[error("`{path}` was written by a later release (version {version}); use that release of `gt`")]
    Newer {
        /// The record's file.
        path: PathBuf,
        /// The record's version.
        version: u64,
    },
}

/// Reads a record. None: there is no file, or an empty one (a power cut between rename and data).
pub fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, RecordError> {
    let file = match fs_err::File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e.into()),
    };
    let mut text = Vec::new();
    file.take(RECORD_BYTES_MAX).read_to_end(&mut text)?;
    if text.is_empty() {
        return Ok(None);
    }
    let damaged = |why: serde_json::Error| RecordError::Damaged { path: path.to_owned(), why: why.to_string() };
    let value: serde_json::Value = serde_json::from_slice(&text).map_err(damaged)?;
    let version = value.get("version").and_then(serde_json::Value::as_u64).unwrap_or(0);
    if version > VERSION {
        return Err(RecordError::Newer { path: path.to_owned(), version });
    }
    serde_json::from_value(value).map(Some).map_err(damaged)
}

/// The time at which a record was written.
pub fn written(path: &Path) -> io::Result<Timestamp> {
    let written = fs_err::metadata(path)?.modified()?;
    Timestamp::try_from(written).map_err(io::Error::other)
}

/// Writes a record: whole or not at all, for the owner's eyes only. `durable`: it survives a power cut from now on.
pub fn write<T: Serialize>(path: &Path, record: &T, durable: bool) -> Result<(), RecordError> {
    let damaged = |why: serde_json::Error| RecordError::Damaged { path: path.to_owned(), why: why.to_string() };
    let mut value = serde_json::to_value(record).map_err(damaged)?;
    if let Some(fields) = value.as_object_mut() {
        fields.insert("version".to_owned(), VERSION.into());
    }
    write_text(path, value.to_string().as_bytes(), durable)?;
    Ok(())
}

/// Writes a file whole or not at all. `durable`: it survives a power cut from now on.
pub fn write_text(path: &Path, text: &[u8], durable: bool) -> io::Result<()> {
    let survives = if durable { Survives::All } else { Survives::Nothing };
    WholeFile::at(path).survives(survives).write(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_comes_back_and_carries_its_version() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("holder.json");
        let holder = Holder { owner_uid: "b".to_owned(), attempt: 2 };
        write(&path, &holder, true).unwrap();
        assert_eq!(fs_err::read_to_string(&path).unwrap(), r#"{"attempt":2,"beadUid":"b","version":1}"#);
        assert_eq!(read::<Holder>(&path).unwrap(), Some(holder));
        assert_eq!(fs_err::read_dir(dir.path()).unwrap().count(), 1, "no other file is left");
    }

    #[test]
    fn a_later_release_and_damage_are_told_apart_from_absence() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        assert_eq!(read::<Holder>(&path).unwrap(), None);
        fs_err::write(&path, "").unwrap();
        assert_eq!(read::<Holder>(&path).unwrap(), None);
        fs_err::write(&path, r#"{"version":2}"#).unwrap();
        assert!(matches!(read::<Holder>(&path), Err(RecordError::Newer { version: 2, .. })));
        fs_err::write(&path, "{").unwrap();
        assert!(matches!(read::<Holder>(&path), Err(RecordError::Damaged { .. })));
    }

    #[test]
    fn a_spec_of_version_1_is_understood_for_ever() {
        // Golden text: do not edit it with the code.
        let text = r#"{"version":1,"form":"session","runDir":"/r","lock":"/l","holder":"/h","sandboxUid":"s",
            "beadUid":"b","attempt":1,"work":"w","command":["true"],"env":[["A","1"]],"pathFirst":"/b","cwd":"/w",
            "gt":"/gt"}"#;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(SPEC);
        fs_err::write(&path, text).unwrap();
        let Some(Spec::Session(spec)) = read::<Spec<serde_json::Value>>(&path).unwrap() else {
            panic!("it is a session")
        };
        assert_eq!((spec.attempt, spec.env.clone()), (1, vec![("A".to_owned(), "1".to_owned())]));
        assert_eq!((spec.grace(), spec.takes_variables), (Duration::from_secs(5), false));
        assert_eq!((spec.cgroup, spec.memory_limit, spec.stdin), (None, None, None));
    }

    #[test]
    fn a_start_and_an_end_of_version_1_are_understood_for_ever() {
        // Golden texts: do not edit them with the code.
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("record");
        fs_err::write(&path, r#"{"process":{"pid":7,"start":8,"boot":"b"},"tmux":null,"version":1}"#).unwrap();
        let started = read::<Started>(&path).unwrap().unwrap();
        assert_eq!((started.process.pid, started.tmux, started.cgroup), (7, None, None));
        fs_err::write(&path, r#"{"at":"2026-11-01T00:00:00Z","code":137,"own":true,"version":1}"#).unwrap();
        let exit = read::<Exit>(&path).unwrap().unwrap();
        assert_eq!((exit.code, exit.own, exit.killed), (137, true, None));
    }
}
