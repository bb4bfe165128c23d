//! The record of one attempt, for a command that follows how it goes.

use std::path::{Path, PathBuf};

use gastown_supervisor::process::ProcessId;
use gastown_supervisor::records::{self, AgentSpec, Conversation, Exit, NoJob, Spec};

use super::{Records, Reports};

/// The folder of one attempt and what is on record there; what cannot be read is not there.
#[derive(Debug, Clone)]
pub struct AttemptRecord {
    folder: PathBuf,
}

impl Records {
    /// The record of an attempt at a bead.
    pub fn attempt(&self, bead_uid: &str, attempt: u32) -> AttemptRecord {
        AttemptRecord { folder: self.layout.attempt(bead_uid, attempt) }
    }
}

impl AttemptRecord {
    /// The folder, in which a file appears with each step.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The folder that the agent's program reports into.
    pub fn run_folder(&self) -> PathBuf {
        self.folder.join(records::RUN)
    }

    /// Whether its session has begun.
    pub fn has_started(&self) -> bool {
        self.folder.join(records::STARTED).exists()
    }

    /// The exit code of its agent; none while that runs.
    pub fn exit_code(&self) -> Option<i32> {
        records::read::<Exit>(&self.folder.join(records::EXIT)).ok().flatten().map(|exit| exit.code)
    }

    /// The process of its agent.
    pub fn agent(&self) -> Option<ProcessId> {
        records::read(&self.folder.join(records::AGENT)).ok().flatten()
    }

    /// The conversation that its agent's program reported.
    pub fn conversation(&self) -> Option<Conversation> {
        Reports::of(self.run_folder()).conversation()
    }

    /// Whether its agent's program reports what it does, its conversation included.
    pub fn does_report(&self) -> bool {
        self.spec().is_some_and(|spec| spec.reports)
    }

    /// A variable that its session was given.
    pub fn variable(&self, name: &str) -> Option<String> {
        self.spec()?.env.into_iter().rev().find(|(it, _)| it == name).map(|(_, value)| value)
    }

    fn spec(&self) -> Option<AgentSpec> {
        let Spec::Session(spec) = records::read::<Spec<NoJob>>(&self.folder.join(records::SPEC)).ok()??;
        Some(spec)
    }
}
