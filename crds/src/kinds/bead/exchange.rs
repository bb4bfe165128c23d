//! What agents ask people, what people answer, and what an attempt leaves to the next one.

use jiff::Timestamp;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// What an agent has asked people.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AgentQuestion {
    /// Its name in the list, such as `q1`.
    #[schemars(length(min = 1, max = 16), regex(pattern = r"^q[1-9][0-9]?$"))]
    pub name: String,
    /// The question; of an agent that is stuck, why it cannot go on.
    #[schemars(length(min = 1, max = 4096))]
    pub text: String,
    /// The answers that it offers; any other is one, too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 9), inner(length(min = 1, max = 200)))]
    pub options: Vec<String>,
    /// The agent cannot go on: the bead is set aside until a person says how.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stuck: bool,
    /// The attempt that asked. It is not charged.
    #[schemars(range(min = 1))]
    pub attempt: u32,
    /// Who asked: `<rig>/polecats/<name>`.
    #[schemars(length(min = 1, max = 253))]
    pub by: String,
    /// When it was asked.
    #[schemars(schema_with = "crate::common::instant")]
    pub at: Timestamp,
    /// What a person has said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Answer>,
}

impl AgentQuestion {
    /// The question and its answer, as an agent is told them; none while there is none.
    pub fn told(&self) -> Option<String> {
        let Answer { text, by, .. } = self.answer.as_ref()?;
        let asked = if self.stuck { "You said that you cannot go on" } else { "You asked" };
        Some(format!("{asked}: {}\n\nThe answer, by {by}: {text}", self.text))
    }
}

/// What a person has said to a question.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Answer {
    /// The answer.
    #[schemars(length(min = 1, max = 4096))]
    pub text: String,
    /// Who said so.
    #[schemars(length(min = 1, max = 253))]
    pub by: String,
    /// When.
    #[schemars(schema_with = "crate::common::instant")]
    pub at: Timestamp,
}

/// What an attempt has left to the next one.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Handoff {
    /// The attempt that is over with it. It is not charged, unless several in a row have got nowhere.
    #[schemars(range(min = 1))]
    pub attempt: u32,
    /// What it is about, in a line.
    #[schemars(length(min = 1, max = 200))]
    pub subject: String,
    /// What the next attempt has to know. Only the newest handoffs of a bead keep theirs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 8192))]
    pub message: Option<String>,
    /// Who handed off: `<rig>/polecats/<name>`, or a person.
    #[schemars(length(min = 1, max = 253))]
    pub by: String,
    /// When.
    #[schemars(schema_with = "crate::common::instant")]
    pub at: Timestamp,
    /// How far the work was: the open steps, and the commit. Two handoffs with the same one got nowhere between them.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 200))]
    pub progress: String,
    /// Its context was full, and the town wrote the note: `onContextPressure` of the Runtime.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub automatic: bool,
}
