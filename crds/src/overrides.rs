//! `Override`: what a person has said of an object beside its spec: it is cordoned, draining, paused, frozen or stopped.
//!
//! It stands in an annotation of the object, as JSON: no manifest declares it, so no `gt apply` undoes it, and it lasts until
//! somebody lifts it or its time is up. Who said what before stands in a second annotation.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::common::shown;

/// The annotation that holds an [`Override`].
pub const ANNOTATION_OVERRIDE: &str = "gastown.io/override";
/// The annotation that holds the overrides that are over: a list of [`Past`], the oldest first.
pub const ANNOTATION_OVERRIDES_PAST: &str = "gastown.io/overrides-past";

/// Longest reason, in bytes: a line or two.
pub const REASON_BYTES_MAX: usize = 500;
/// Longest name of who said it, in bytes: an actor's, in a header.
const BY_BYTES_MAX: usize = 256;
/// Past overrides that an object keeps.
const PAST_MAX: usize = 10;

/// How far an override goes; each includes what those before it keep from happening.
#[derive(Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    /// No new work is begun; what is begun goes on.
    Cordoned,
    /// No session is started any more; those that run go on, and what they hand in lands.
    Draining,
    /// Nothing is fetched or landed either.
    Paused,
    /// Sessions that run are stopped in their tracks, and kept.
    Frozen,
    /// Sessions that run are ended; their worktrees are kept.
    Stopped,
}

shown!(Mode {
    Cordoned => "Cordoned",
    Draining => "Draining",
    Paused => "Paused",
    Frozen => "Frozen",
    Stopped => "Stopped",
});

impl Mode {
    /// Whether a session may be started for work that is begun.
    pub fn may_start(self) -> bool {
        self < Self::Draining
    }

    /// Whether a session that runs may go on.
    pub fn may_run(self) -> bool {
        self < Self::Frozen
    }

    /// Whether what is handed in may land.
    pub fn may_land(self) -> bool {
        self < Self::Paused
    }

    /// The mode in the middle of a sentence: `it is stopped by kim`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Cordoned => "cordoned",
            Self::Draining => "draining",
            Self::Paused => "paused",
            Self::Frozen => "frozen",
            Self::Stopped => "stopped",
        }
    }
}

/// What a person has said of an object.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Override {
    /// How far it goes.
    pub mode: Mode,
    /// Who said it.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// Why, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Until when; none: until somebody lifts it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

impl Override {
    /// Reads the text of the annotation, or says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let said: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let reason_bytes = said.reason.as_ref().map_or(0, String::len);
        if said.by.is_empty() || said.by.len() > BY_BYTES_MAX {
            return Err(format!("`by` must have 1 to {BY_BYTES_MAX} bytes"));
        }
        if reason_bytes > REASON_BYTES_MAX {
            return Err(format!("`reason` has {reason_bytes} bytes, at most {REASON_BYTES_MAX} are kept"));
        }
        Ok(said)
    }

    /// The override of an object, whether its time is up or not.
    pub fn of(meta: &ObjectMeta) -> Option<Self> {
        Self::parse(text(meta)?).ok()
    }

    /// Whether its time is up.
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.until.is_some_and(|until| until <= now)
    }

    /// It in words: `stopped by kim: deploy day (until 2026-01-01T00:00:00Z)`.
    pub fn words(&self) -> String {
        let reason = self.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
        let until = self.until.map(|until| format!(" (until {until:.0})")).unwrap_or_default();
        format!("{} by {}{reason}{until}", self.mode.word(), self.by)
    }
}

/// An override that is over.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Past {
    /// The override.
    #[serde(rename = "override")]
    pub was: Override,
    /// Who lifted or replaced it; `gt` when its time was up.
    pub lifted_by: String,
    /// When.
    pub lifted_at: Timestamp,
}

impl Past {
    /// The overrides of an object that are over, the oldest first.
    pub fn of(meta: &ObjectMeta) -> Vec<Self> {
        let text = meta.annotations.as_ref().and_then(|all| all.get(ANNOTATION_OVERRIDES_PAST));
        text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
    }
}

/// The text of an object's override: two that differ are two overrides.
pub fn text(meta: &ObjectMeta) -> Option<&str> {
    meta.annotations.as_ref()?.get(ANNOTATION_OVERRIDE).map(String::as_str)
}

/// The merge patch that makes `new` the override of an object (none: it has none any more), and keeps on record what was
/// said before. `by` does it, at this instant.
pub fn patch(meta: &ObjectMeta, new: Option<&Override>, (by, at): (&str, Timestamp)) -> Value {
    let mut past = Past::of(meta);
    past.extend(Override::of(meta).map(|was| Past { was, lifted_by: by.to_owned(), lifted_at: at }));
    let past = &past[past.len().saturating_sub(PAST_MAX)..];
    let text = |value: &Value| Value::from(value.to_string());
    let mut annotations = json!({ ANNOTATION_OVERRIDE: new.map_or(Value::Null, |new| text(&json!(new))) });
    if !past.is_empty() {
        annotations[ANNOTATION_OVERRIDES_PAST] = text(&json!(past));
    }
    json!({ "metadata": { "annotations": annotations } })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merge_patch;

    fn said(mode: Mode) -> Override {
        Override { mode, by: "kim".into(), at: Timestamp::UNIX_EPOCH, reason: Some("deploy day".into()), until: None }
    }

    fn patched(meta: &ObjectMeta, new: Option<&Override>) -> ObjectMeta {
        let mut object = json!({ "metadata": meta });
        merge_patch::apply(&mut object, &patch(meta, new, ("ann", Timestamp::UNIX_EPOCH)));
        serde_json::from_value(object["metadata"].take()).unwrap()
    }

    #[test]
    fn each_mode_keeps_from_happening_what_those_before_it_do() {
        let modes = Mode::ALL.iter().map(|mode| (mode.may_start(), mode.may_land(), mode.may_run()));
        let modes: Vec<_> = modes.collect();
        assert_eq!(
            modes,
            [
                (true, true, true),
                (false, true, true),
                (false, false, true),
                (false, false, false),
                (false, false, false)
            ]
        );
        assert!(Mode::ALL.is_sorted());
    }

    #[test]
    fn what_was_said_before_is_kept_within_a_bound() {
        let mut meta = ObjectMeta::default();
        let lifted = patch(&meta, None, ("ann", Timestamp::UNIX_EPOCH));
        assert_eq!(lifted, json!({ "metadata": { "annotations": { ANNOTATION_OVERRIDE: null } } }));
        for _ in 0..PAST_MAX + 3 {
            meta = patched(&meta, Some(&said(Mode::Paused)));
        }
        meta = patched(&meta, None);
        assert_eq!((Override::of(&meta), text(&meta)), (None, None));
        let past = Past::of(&meta);
        assert_eq!((past.len(), past[0].was.mode, past[0].lifted_by.as_str()), (PAST_MAX, Mode::Paused, "ann"));
    }

    #[test]
    fn what_is_not_an_override_is_refused_with_the_cause() {
        assert_eq!(Override::parse(&json!(said(Mode::Stopped)).to_string()), Ok(said(Mode::Stopped)));
        let refused = |text: &str| Override::parse(text).unwrap_err();
        assert!(refused("stop").contains("line 1"));
        let unknown = r#"{"mode":"Stopped","by":"kim","at":"2026-01-01T00:00:00Z","why":"x"}"#;
        assert!(refused(unknown).contains("unknown field `why`"));
        let long = json!(Override { reason: Some("x".repeat(REASON_BYTES_MAX + 1)), ..said(Mode::Stopped) });
        assert!(refused(&long.to_string()).contains("at most 500"));
    }
}
