//! Whom a town tells that something needs a person, and what it has told.

use jiff::Timestamp;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Most messages that are remembered. While so many causes last, no more are sent.
pub const NOTIFICATIONS_MAX: usize = 100;

/// A command that tells people of what the town cannot say to them itself, such as by mail or chat.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Notify {
    /// The program and its arguments, run in the town's folder with one JSON object on standard input: `event`, `kind`, `namespace`,
    /// `name`, `uid`, `reason`, `message`, `since`, `next` (the command that answers it), and of a question `question`, `options`
    /// and `by`. It sees `PATH`, `HOME` and a few more variables, and not those of the controller. No secrets: they are kept in
    /// git.
    #[schemars(length(min = 1, max = 64), inner(length(min = 1, max = 4096)))]
    pub command: Vec<String>,
    /// How long it may take, in seconds; then it is ended, and counts as failed. Default: 30.
    #[serde(default = "default_timeout")]
    #[schemars(range(min = 1, max = 300))]
    pub timeout_seconds: u32,
    /// What it is told of. Default: `NeedsPerson` and `ConvoyFailed`.
    #[serde(default = "default_events")]
    #[schemars(length(min = 1, max = 3))]
    pub events: Vec<NotifyEvent>,
}

fn default_timeout() -> u32 {
    30
}

fn default_events() -> Vec<NotifyEvent> {
    vec![NotifyEvent::NeedsPerson, NotifyEvent::ConvoyFailed]
}

/// What a message is about.
#[derive(Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, JsonSchema)]
pub enum NotifyEvent {
    /// Something waits for a person: a question, a login, a dialog, a bead that was set aside, a branch to be merged, a revision to
    /// be approved or corrected.
    NeedsPerson,
    /// A convoy has landed.
    ConvoyLanded,
    /// A convoy does not land before a person does something.
    ConvoyFailed,
}

/// A message: one for each object and cause, for as long as the cause lasts.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Notification {
    /// What it is about.
    pub event: NotifyEvent,
    /// The object's kind.
    #[schemars(length(max = 63))]
    pub kind: String,
    /// The object's name.
    #[schemars(length(max = 253))]
    pub name: String,
    /// The object's uid.
    #[schemars(length(max = 64))]
    pub uid: String,
    /// The cause, in one word.
    #[schemars(length(max = 63))]
    pub reason: String,
    /// The name of the question, where one was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    pub question: Option<String>,
    /// Since when the cause has lasted.
    #[schemars(schema_with = "crate::common::instant")]
    pub since: Timestamp,
    /// Whether it was sent.
    pub state: NotificationState,
    /// Since when the cause is gone. If it comes back within ten minutes, nothing is sent again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::common::instant")]
    pub gone: Option<Timestamp>,
}

/// Whether a message was sent.
#[derive(Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq, JsonSchema)]
pub enum NotificationState {
    /// It is to be sent, or tried again.
    Pending,
    /// It was sent.
    Sent,
    /// The command failed too often. Once `notify` of the town is corrected, it is tried again.
    Failed,
}
