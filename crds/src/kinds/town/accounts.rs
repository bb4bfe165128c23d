//! The accounts that agents work by, and which of them their providers take.

use jiff::Timestamp;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::common::{Condition, NameValue};

/// A login with a provider of models, by which the sessions of some Runtimes work. One that is limited, or whose login has expired, is
/// left alone until the provider takes it again, and the next that is declared is used.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Account {
    /// Its name; unique in its list.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// The Runtimes whose sessions may work by it.
    #[schemars(length(min = 1, max = 64), inner(length(min = 1, max = 63)))]
    pub runtimes: Vec<String>,
    /// Variables of a session that works by it, after those of its Runtime: where the agent's program keeps the login, such as
    /// `CLAUDE_CONFIG_DIR` or `CODEX_HOME`. A conversation does not go on by another account. No secrets: they are kept in git.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    #[schemars(length(max = 64))]
    pub env: Vec<NameValue>,
}

/// Whether an account can be worked by. A Runtime that no account is declared for has one of its own name.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct AccountStatus {
    /// Its name.
    #[schemars(length(max = 63))]
    pub name: String,
    /// `Available`: not while its provider refuses it.
    #[serde(default)]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    #[schemars(length(max = 4))]
    pub conditions: Vec<Condition>,
    /// When a session by it was refused last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::common::instant")]
    pub refused: Option<Timestamp>,
    /// Until when no session by it is started: what its provider said, or else a back-off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::common::instant")]
    pub until: Option<Timestamp>,
    /// How often in a row it was refused.
    #[serde(default)]
    pub refusals: u32,
}
