//! The sorts of beads: which are worked on, and which say how things are.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::common::shown;

/// What sort of work a bead is.
#[derive(Serialize, Deserialize, Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, JsonSchema)]
pub enum BeadType {
    /// A piece of work.
    #[default]
    Task,
    /// A defect to fix.
    Bug,
    /// Something new.
    Feature,
    /// Upkeep.
    Chore,
    /// A part of another bead, poured from its formula; never dispatched.
    Step,
    /// Work in several parts, its children; never dispatched. It is closed once they all are.
    Epic,
    /// Something that was decided, or has to be.
    Decision,
    /// Something to find out.
    Spike,
    /// A wish of a user.
    Story,
    /// A point on the way; never dispatched.
    Milestone,
    /// The root of what was poured from a formula by hand; never dispatched.
    Molecule,
    /// A wait for something outside; never dispatched.
    Gate,
    /// Words to somebody; never dispatched.
    Message,
    /// A role of the town; its labels say what it is up to. Never dispatched.
    Role,
    /// An agent; never dispatched.
    Agent,
    /// A rig, as Gas Town keeps it; never dispatched.
    Rig,
    /// A convoy, as Gas Town keeps it; never dispatched.
    Convoy,
    /// A merge request, as Gas Town keeps it; never dispatched.
    MergeRequest,
    /// Something to be remembered: its title is a key, its description the value. Never dispatched.
    Memory,
    /// Another sort: `customType` says which.
    Custom,
}

impl BeadType {
    /// Whether a polecat may be sent to work on it.
    pub fn is_dispatched(self) -> bool {
        match self {
            Self::Task
            | Self::Bug
            | Self::Feature
            | Self::Chore
            | Self::Decision
            | Self::Spike
            | Self::Story
            | Self::Custom => true,
            Self::Step
            | Self::Epic
            | Self::Milestone
            | Self::Molecule
            | Self::Gate
            | Self::Message
            | Self::Role
            | Self::Agent
            | Self::Rig
            | Self::Convoy
            | Self::MergeRequest
            | Self::Memory => false,
        }
    }

    /// Whether who asks for it asks for its parts, too.
    pub fn asks_for_parts(self) -> bool {
        matches!(self, Self::Epic | Self::Molecule)
    }

    /// Whether it says how things are, and is no work: `bd list` shows such only where they are asked for.
    pub fn is_record(self) -> bool {
        match self {
            Self::Message | Self::Role | Self::Agent | Self::Rig | Self::Convoy | Self::MergeRequest | Self::Memory => {
                true
            }
            Self::Task
            | Self::Bug
            | Self::Feature
            | Self::Chore
            | Self::Step
            | Self::Epic
            | Self::Decision
            | Self::Spike
            | Self::Story
            | Self::Milestone
            | Self::Molecule
            | Self::Gate
            | Self::Custom => false,
        }
    }
}

shown!(BeadType {
    Task => "Task",
    Bug => "Bug",
    Feature => "Feature",
    Chore => "Chore",
    Step => "Step",
    Epic => "Epic",
    Decision => "Decision",
    Spike => "Spike",
    Story => "Story",
    Milestone => "Milestone",
    Molecule => "Molecule",
    Gate => "Gate",
    Message => "Message",
    Role => "Role",
    Agent => "Agent",
    Rig => "Rig",
    Convoy => "Convoy",
    MergeRequest => "MergeRequest",
    Memory => "Memory",
    Custom => "Custom",
});
