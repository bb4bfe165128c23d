//! What people say of objects beside their spec: the arguments of the verbs that stop, pause and resume, and the write.

use std::str::FromStr;
use std::time::Duration;

use clap::Args as ClapArgs;
use gastown_controllers::town;
use gastown_crds::Town as TownObject;
use gastown_crds::overrides::{self, Mode, Override, REASON_BYTES_MAX};
use jiff::Timestamp;
use kube::api::{DynamicObject, ListParams, Patch, PatchParams};
use serde_json::Value;

use super::context::{Context, Link};
use super::error::{CliError, Exit};
use super::kinds::{self, KINDS, Kind};
use crate::agent::context::actor;
use crate::manifests;
use crate::town::{TOWN_FILE, Town};

/// How often a write is made anew because somebody else changed the object meanwhile.
const TRIES_MAX: u32 = 5;

/// Why, and until when.
#[derive(Debug, Clone, Default, ClapArgs)]
pub struct Said {
    /// Why, for whoever finds it so.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Until when, such as `2h` or `2026-01-01T08:00:00Z`; it goes on by itself then. Default: until `gt resume`.
    #[arg(long, value_name = "TIME")]
    until: Option<Until>,
}

/// An instant, or how long from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// At this instant.
    At(Timestamp),
    /// After so long.
    After(Duration),
}

impl FromStr for Until {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(at) = text.parse::<Timestamp>() {
            return Ok(Self::At(at));
        }
        let after: Result<kube::core::Duration, _> = text.parse();
        after.map(|after| Self::After(after.into())).map_err(|_| "say it such as 2h or 2026-01-01T08:00:00Z".to_owned())
    }
}

impl Said {
    /// The override of this mode that is said now.
    pub fn mode(&self, mode: Mode, now: Timestamp) -> Result<Override, CliError> {
        let usage = |what: &str, hint: String| CliError::new(Exit::Usage, what).hint(hint);
        // In whole seconds, as everything that objects say of time.
        let at = gastown_crds::common::whole_second(now);
        let until = match self.until {
            None => None,
            Some(Until::At(until)) => Some(until),
            Some(Until::After(after)) => {
                let until = at.checked_add(after);
                Some(until.map_err(|_| usage("`--until` is too far away", "without it, nothing ends it".to_owned()))?)
            }
        };
        if until.is_some_and(|until| until <= now) {
            return Err(usage("`--until` is over already", format!("it is {at} now")));
        }
        let reason = self.reason.clone().filter(|reason| !reason.trim().is_empty());
        if reason.as_ref().is_some_and(|reason| reason.len() > REASON_BYTES_MAX) {
            return Err(usage("`--reason` is too long", format!("at most {REASON_BYTES_MAX} bytes are kept")));
        }
        Ok(Override { mode, by: actor(), at, reason, until })
    }
}

/// The objects that a verb is about: those named, or the whole town.
pub fn objects(words: &[String]) -> Result<Vec<(&'static Kind, String)>, CliError> {
    if words.is_empty() {
        return Ok(vec![(kinds::find("town")?, town::NAME.to_owned())]);
    }
    let targets = kinds::targets(words)?;
    if let Some(target) = targets.iter().find(|target| !target.kind.has_overrides) {
        let can: Vec<&str> = KINDS.iter().filter(|kind| kind.has_overrides).map(|kind| kind.singular).collect();
        let what = format!("a {} does nothing that could be stopped", target.kind.name);
        return Err(CliError::new(Exit::Usage, what).hint(format!("name one of these: {}", can.join(", "))));
    }
    Ok(targets.into_iter().map(|target| (target.kind, target.name.to_owned())).collect())
}

/// Makes the Town of a town that nobody has applied or started yet.
pub async fn ensure_town(link: &Link, town: &Town) -> Result<(), CliError> {
    if link.typed::<TownObject>().get_opt(town::NAME).await?.is_some() {
        return Ok(());
    }
    let failed =
        |error: &dyn std::error::Error| CliError::new(Exit::Failed, "could not make the town's Town").because(error);
    let text = fs_err::read_to_string(town.dir.join(TOWN_FILE)).map_err(|e| failed(&e))?;
    manifests::ensure(&link.client, TOWN_FILE, &text).await.map_err(|e| failed(&e))
}

/// Every object that has an override.
pub async fn all(link: &Link) -> Result<Vec<(&'static Kind, String)>, CliError> {
    let mut found = Vec::new();
    for kind in KINDS.iter().copied().filter(|kind| kind.has_overrides) {
        let objects = link.list(kind, &ListParams::default()).await?;
        let held = objects.into_iter().filter(|object| overrides::text(&object.metadata).is_some());
        found.extend(held.filter_map(|object| Some((kind, object.metadata.name?))));
    }
    Ok(found)
}

/// Makes `new` the override of an object (none: it has none any more); with `only`, of one that is in that mode. Answers
/// the override that it had.
pub async fn put(
    gt: &Context,
    link: &Link,
    (kind, name): (&'static Kind, &str),
    new: Option<&Override>,
    only: Option<Mode>,
) -> Result<Option<Override>, CliError> {
    put_as(gt, link, (kind, name), new, only, Some(new.map_or("resumed", |new| new.mode.word()))).await
}

/// The same, with another word for what is done to the object; without one, nothing is printed.
pub async fn put_as(
    gt: &Context,
    link: &Link,
    (kind, name): (&'static Kind, &str),
    new: Option<&Override>,
    only: Option<Mode>,
    word: Option<&str>,
) -> Result<Option<Override>, CliError> {
    for _ in 0..TRIES_MAX {
        let object = link.get(kind, name).await?;
        check(kind, &object)?;
        let name = object.metadata.name.as_deref().unwrap_or(name);
        let old = Override::of(&object.metadata).filter(|old| only.is_none_or(|only| old.mode == only));
        let shown = kind.named_object(name);
        if new.is_none() && old.is_none() && (only.is_some() || overrides::text(&object.metadata).is_none()) {
            if word.is_some() {
                gt.out.data(&format!("{shown} is not {}", only.map_or("held", Mode::word)))?;
            }
            return Ok(None);
        }
        let mut patch =
            overrides::patch(&object.metadata, new, (&actor(), gastown_crds::common::whole_second(gt.now())));
        patch["metadata"]["resourceVersion"] = object.metadata.resource_version.clone().into();
        patch["metadata"]["uid"] = object.metadata.uid.clone().into();
        match link.api(kind).patch(name, &PatchParams::default(), &Patch::Merge(patch)).await {
            Ok(_) => {
                let was = old.as_ref().map(|old| format!(" (was {})", old.words())).unwrap_or_default();
                if let Some(word) = word {
                    gt.out.data(&format!("{shown} {word}{was}"))?;
                }
                return Ok(old);
            }
            Err(kube::Error::Api(status)) if status.code == 409 => {}
            Err(error) => return Err(error.into()),
        }
    }
    let what = format!("{} kept changing meanwhile", kind.named_object(name));
    Err(CliError::new(Exit::Refused, what).hint("try again"))
}

/// A step stops with its bead.
fn check(kind: &Kind, object: &DynamicObject) -> Result<(), CliError> {
    let is_step = object.data.pointer("/spec/type").and_then(Value::as_str) == Some("Step");
    let parent = object.data.pointer("/spec/parent").and_then(Value::as_str).filter(|_| is_step);
    match parent {
        Some(parent) if kind.name == "Bead" => {
            Err(CliError::new(Exit::Usage, "a step does nothing by itself")
                .hint(format!("name its bead: bead/{parent}")))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(until: &str) -> Result<Override, CliError> {
        let said = Said { reason: Some(" ".into()), until: Some(until.parse().unwrap()) };
        said.mode(Mode::Paused, "2026-01-01T00:00:00.5Z".parse().unwrap())
    }

    #[test]
    fn until_is_an_instant_or_a_time_from_now_on_and_not_over() {
        let until = |text: &str| said(text).unwrap().until.unwrap().to_string();
        assert_eq!(until("90m"), "2026-01-01T01:30:00Z");
        assert_eq!(until("2026-02-01T00:00:00+01:00"), "2026-01-31T23:00:00Z");
        assert!(said("2025-12-31T23:59:59Z").unwrap_err().render(false).contains("over already"));
        assert!("tomorrow".parse::<Until>().is_err());
        assert_eq!(said("1h").unwrap().reason, None, "a blank says nothing");
    }

    #[test]
    fn what_does_nothing_cannot_be_stopped() {
        let error = objects(&["runtime/script".to_owned()]).unwrap_err();
        insta::assert_snapshot!(error.render(false), @"
        error: a Runtime does nothing that could be stopped
        hint: name one of these: town, rig, polecat, convoy, bead
        ");
        assert_eq!(objects(&[]).unwrap(), [(kinds::find("town").unwrap(), "town".to_owned())]);
    }
}
