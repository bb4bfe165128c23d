//! The port of the machine: what it can bear, and what is missing on it.

use super::{Ask, Fact, Question, Seen};

/// The machine that all this runs on.
pub trait Host {
    /// Its limits, read once, at the start.
    fn machine(&self) -> Seen<Machine>;
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

/// The limits of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// Its cores.
    pub cores: u32,
    /// A hard limit on polecats that the machine's owner has set, if any.
    pub polecats_max: Option<u32>,
    /// The thing that is missing here and does harm, such as tmux; none if all is well.
    pub degraded: Option<String>,
}
