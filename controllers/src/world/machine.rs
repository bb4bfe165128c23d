//! The port of the machine: what it can bear, what is missing on it, and what is free just now.

use super::{Ask, Fact, Question, Seen};

/// The machine that all this runs on.
pub trait Host {
    /// Its limits, read once, at the start.
    fn machine(&self) -> Seen<Machine>;
    /// What is free just now.
    fn free(&self) -> Seen<Free>;
}

/// Asks for the limits of this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct AskMachine;

impl Question for AskMachine {
    type Answer = Machine;

    fn ask(&self) -> Ask {
        Ask::Machine
    }

    fn answer(fact: &Fact) -> Option<&Self::Answer> {
        if let Fact::Machine(it) = fact { Some(it) } else { None }
    }
}

/// Asks what is free on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct AskFree;

impl Question for AskFree {
    type Answer = Free;

    fn ask(&self) -> Ask {
        Ask::Free
    }

    fn answer(fact: &Fact) -> Option<&Self::Answer> {
        if let Fact::Free(it) = fact { Some(it) } else { None }
    }
}

/// Memory and disk, in bytes: as they are free, or as they have to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Free {
    /// Memory that programs can have without others' being swapped out.
    pub memory: u64,
    /// Disk where the town keeps its data.
    pub disk: u64,
}

/// The limits of this machine.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Machine {
    /// Its name, as `hostname` says it; empty if it says none.
    pub name: String,
    /// Its cores.
    pub cores: u32,
    /// A hard limit on polecats that the machine's owner has set, if any.
    pub polecats_max: Option<u32>,
    /// The thing that is missing here and does harm, such as tmux; none if all is well.
    pub degraded: Option<String>,
    /// All its memory, or what this process may have of it, in bytes.
    pub memory: u64,
    /// The size of the disk where the town keeps its data, in bytes.
    pub disk: u64,
}
