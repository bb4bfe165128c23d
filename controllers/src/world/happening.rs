//! What has happened, as the events (`BeadEvent`) say that people, agents and the town file. The engine answers from what it watches,
//! and only while somebody asks: no adapter knows.

use jiff::Timestamp;

use super::{Ask, Fact, Question};

/// Whether something has happened since an instant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AskHappened {
    /// The type of the event, such as `deploy.done`.
    pub event_type: String,
    /// Whom or what it happened to; none: whomever.
    pub target: Option<String>,
    /// Events that were filed in this second count, and later ones.
    pub since: Timestamp,
}

impl AskHappened {
    /// Whether an event that was filed then is new enough. Instants of the API have whole seconds.
    pub fn counts(&self, filed: Timestamp) -> bool {
        filed.as_second() >= self.since.as_second()
    }
}

/// An event that was filed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Happening {
    /// The name of its object.
    pub name: String,
    /// Who did it, where that is said.
    pub actor: Option<String>,
    /// When it was filed.
    pub filed: Timestamp,
}

impl Question for AskHappened {
    type Answer = Option<Happening>;

    fn ask(&self) -> Ask {
        Ask::Happened(self.clone())
    }

    fn answer(fact: &Fact) -> Option<&Self::Answer> {
        match fact {
            Fact::Happened(answer) => Some(answer),
            _ => None,
        }
    }
}
