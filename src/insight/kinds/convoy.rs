//! `Convoy`: a batch of beads, and what blocks its landing.

use std::collections::BTreeSet;

use gastown_controllers::bead::convoy_of;
use gastown_controllers::convoy::{Tracked, is_given_up, is_withdrawn};
use gastown_crds::bead::BeadState;
use gastown_crds::common::{Condition, ConditionStatus, LABEL_BEAD, LABEL_CONVOY, condition, is_true, types};
use gastown_crds::convoy::{ConvoyBead, OnRemove};
use gastown_crds::overrides::Override;
use gastown_crds::reason::Reason;
use gastown_crds::{Bead, Convoy};
use kube::ResourceExt;
use kube::api::ObjectMeta;

use super::{ANY, KindInsight, bead, typed};
use crate::attention::Need;
use crate::next::is_over;
use crate::open_work::OpenWork;
use crate::overview::{ConvoyLine, DELETING, NOT_SEEN};
use crate::related::{Columns, Section};
use crate::text::plain;
use crate::{Blocked, Blocker, OpenBead, Snapshot, Subject};

/// The kind's row.
pub const KIND: KindInsight = KindInsight {
    name: "Convoy",
    has_progress: true,
    reads: &["Bead", "Convoy", "MergeRequest", "Polecat", "Rig", "Town"],
    deletion_reads: &["Bead", "MergeRequest"],
    read: typed::<Convoy>,
    ..ANY
};

/// The columns of a section of beads that are declared and not made yet.
const DECLARED: Columns =
    Columns { headings: &["BEAD", "RIG", "NEEDS", "TITLE"], words: &["TITLE", "NEEDS"], spare: &[] };

/// The columns of a section of the polecats that are on a convoy.
const SWARM: Columns =
    Columns { headings: &["POLECAT", "BEAD", "STATE", "TITLE"], words: &["TITLE"], spare: &["STATE"] };

impl Subject for Convoy {
    fn kind(&self) -> &str {
        KIND.name
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn conditions(&self) -> &[Condition] {
        self.status.as_ref().map(|status| &status.conditions[..]).unwrap_or_default()
    }

    fn blockers(&self, snapshot: &Snapshot) -> BTreeSet<Blocker> {
        blocked(self, snapshot).by
    }

    fn open_beads(&self, snapshot: &Snapshot) -> Vec<OpenBead> {
        let open = snapshot.members_of(self).into_iter().filter(|bead| bead.spec.closed.is_none());
        open.map(|bead| bead::open(bead, snapshot)).collect()
    }

    fn related(&self, snapshot: &Snapshot) -> Vec<Section> {
        let made = bead::beads_of_convoy("Beads", snapshot.beads_of(&self.name_any()));
        let made = if made.rows.is_empty() { declared(self) } else { made };
        vec![made, tracked(self, snapshot), swarm(self, snapshot)]
    }

    fn related_fields(&self) -> &'static [&'static str] {
        &["beads", "tracks"]
    }

    fn open_work(&self, snapshot: &Snapshot) -> Option<String> {
        let (object, name) = (self.reference(), self.name_any());
        let open = OpenWork::among(snapshot.beads_of(&name), snapshot)?;
        let cancels = self.spec.on_remove == OnRemove::Cancel;
        let becomes = match (open.idle(), open.working + open.landing) {
            (_, busy) if cancels && busy > 0 => {
                "all of it is withdrawn (`onRemove: Cancel`): sessions are ended, and what was made is kept on rescue refs"
                    .to_owned()
            }
            (0, _) => "it goes once what is under way has landed".to_owned(),
            (_, 0) => "they are withdrawn; `gt apply` of the convoy creates them again".to_owned(),
            (1, _) => "1 is withdrawn; it goes once what is under way has landed".to_owned(),
            (idle, _) => format!("{idle} are withdrawn; it goes once what is under way has landed"),
        };
        Some(format!("{object} has open work: {}\n  {becomes}", open.words()))
    }

    fn next_for(&self, reason: Reason, snapshot: &Snapshot) -> Option<String> {
        let name = self.name_any();
        match reason {
            Reason::LeftTarget => Some(
                "`gt status` says which; push them to the target again, or `gt delete mr/NAME` of each that was meant to go"
                    .to_owned(),
            ),
            Reason::NeedsYou if !given_up(self, snapshot).is_empty() => {
                let beads: Vec<String> = given_up(self, snapshot).iter().map(|bead| bead.reference()).collect();
                Some(format!(
                    "take what was closed out of the convoy and `gt apply` it; or `gt delete {}`, which has it done again",
                    beads.join(" ")
                ))
            }
            Reason::NeedsYou => Some(format!(
                "beads failed too often and need a person: `gt get beads -l {LABEL_CONVOY}={name} \
                 --field-selector status.state=SetAside`"
            )),
            Reason::Suspended if self.spec.suspend => Some(format!(
                "`gt convoy launch {name}`; or take `suspend: true` out of its file, if it has one, and `gt apply -f` that"
            )),
            Reason::InProgress if snapshot.up => {
                Some(format!("`gt wait convoy/{name} --for=condition=Landed --timeout 1h` prints what happens"))
            }
            _ => None,
        }
    }

    fn next_when_well(&self) -> String {
        let landed = "nothing: it has landed. More beads may be added to it at any time";
        let step = if is_over(self) { landed } else { "nothing: it goes on by itself" };
        step.to_owned()
    }

    fn deletion(&self) -> &'static str {
        "it goes once nobody works on its beads any more, and none of its branches is landing"
    }
}

/// Everything that blocks the landing of a convoy.
pub fn blocked(convoy: &Convoy, snapshot: &Snapshot) -> Blocked {
    let name = convoy.name_any();
    let Some(status) = convoy.status.as_ref().filter(|it| it.observed_generation == convoy.metadata.generation) else {
        return Blocked::default();
    };
    let landed = condition(&status.conditions, types::LANDED);
    let missing = landed.filter(|it| it.status == ConditionStatus::False && it.reason == Reason::RefNotFound);
    let mut blocked = Blocked::default();
    blocked.by.extend(missing.map(|missing| Blocker::of(format!("convoy/{name}"), missing)));
    let wanted: Vec<_> = snapshot.members_of(convoy).into_iter().filter(|bead| !is_withdrawn(bead)).collect();
    let given_up = given_up(convoy, snapshot);
    let mut all_need_person = missing.is_some() || wanted.len() + given_up.len() >= convoy.spec.size();
    let mut open = missing.is_some() || !given_up.is_empty();
    blocked.by.extend(given_up.into_iter().map(|bead| Blocker {
        object: bead.reference(),
        what: Reason::Withdrawn.to_string(),
        why: closed_by(bead),
        needs_person: true,
    }));
    for bead in wanted.into_iter().filter(|bead| bead.spec.closed.is_none()) {
        let mut by = bead.blockers(snapshot);
        by.extend(not_asked_for(bead));
        open = true;
        if bead.spec.type_.asks_for_parts() {
            // Its parts are of the convoy too, and it is closed after them.
            by.extend(without_parts(bead, snapshot));
        } else {
            all_need_person &= by.iter().any(|blocker| blocker.needs_person);
        }
        blocked.by.extend(by);
    }
    let left = condition(&status.conditions, types::LEFT_TARGET).filter(|it| it.status == ConditionStatus::True);
    if let Some(left) = left {
        open = true;
        blocked.by.insert(Blocker::of(format!("convoy/{name}"), left));
    }
    blocked.permanent = open && all_need_person && convoy.metadata.deletion_timestamp.is_none();
    blocked
}

/// What blocks a part of an epic that nobody has asked for: an agent has filed it.
fn not_asked_for(bead: &Bead) -> Option<Blocker> {
    let ready = condition(bead.conditions(), types::READY)?;
    let is_left = [BeadState::Backlog, BeadState::Blocked].contains(&bead::state(bead));
    is_left.then(|| Blocker { needs_person: true, ..Blocker::of(bead.reference(), ready) })
}

/// What blocks an epic that nobody has filed parts of.
fn without_parts(epic: &Bead, snapshot: &Snapshot) -> Option<Blocker> {
    let why = "it has no parts, and nobody is sent to work on it".to_owned();
    let blocker = || Blocker { object: epic.reference(), what: Reason::PartsOpen.to_string(), why, needs_person: true };
    snapshot.parts_of(&epic.name_any()).is_empty().then(blocker)
}

/// The beads that a convoy wants and a person has closed before they had landed.
fn given_up<'a>(convoy: &'a Convoy, snapshot: &'a Snapshot) -> Vec<&'a Bead> {
    let wants =
        |bead: &Bead| bead.labels().get(LABEL_BEAD).is_some_and(|it| convoy.spec.beads.iter().any(|b| b.name == *it));
    let name = convoy.name_any();
    let made = snapshot.beads_of(&name).filter(|bead| is_given_up(bead) && wants(bead));
    let tracked = snapshot.tracked(convoy).named.into_iter().filter(|bead| is_withdrawn(bead));
    let tracked = tracked.filter(|bead| convoy_of(bead) != Some(&name)).collect::<Vec<_>>();
    let found: Vec<&Bead> = made.chain(tracked).collect();
    // What a later run has made anew is not asked for.
    let landed = convoy.status.as_ref().is_some_and(|status| is_true(&status.conditions, types::LANDED));
    if landed { Vec::new() } else { found }
}

fn closed_by(bead: &Bead) -> String {
    let by = bead.spec.closed.as_ref().map(|closed| closed.by.as_str()).unwrap_or_default();
    format!("closed by {by} before it had landed: {}", plain(&bead.spec.title))
}

/// Convoys that do not land because a person has closed some of their beads.
pub fn with_given_up_beads(snapshot: &Snapshot, _: &[Need]) -> Vec<Need> {
    let found = snapshot.all::<Convoy>().filter_map(|convoy| {
        let given_up = given_up(convoy, snapshot);
        let first = given_up.first()?;
        let more = if given_up.len() > 1 { format!("; likewise {} more", given_up.len() - 1) } else { String::new() };
        Some(Need::new(convoy.reference(), format!("{}: {}{more}", first.reference(), closed_by(first))))
    });
    found.collect()
}

/// The beads of a convoy that nobody has looked at yet.
fn declared(convoy: &Convoy) -> Section {
    let row = |bead: &ConvoyBead| {
        let rig = bead.rig.as_ref().or(convoy.spec.rig.as_ref()).cloned();
        vec![bead.name.clone().into(), rig.into(), bead.needs.join(",").into(), bead.title.clone().into()]
    };
    Section::new("Beads", DECLARED, convoy.spec.beads.iter().map(row))
}

/// What a convoy tracks: the beads that it names, and the parts of epics among them.
fn tracked(convoy: &Convoy, snapshot: &Snapshot) -> Section {
    let Tracked { named, missing, parts, is_cut: _ } = snapshot.tracked(convoy);
    let mut section = bead::beads("Tracked", named.into_iter().chain(parts));
    section.rows.extend(missing.into_iter().map(bead::missing));
    section
}

/// The polecats that are at work on beads of a convoy now, or wait with them.
fn swarm(convoy: &Convoy, snapshot: &Snapshot) -> Section {
    let members = snapshot.members_of(convoy);
    let row = |bead: &&Bead| {
        let assignee = bead.spec.assignee.as_ref()?;
        let waits = assignee.waiting.map(|waiting| format!("waits: {waiting}"));
        let state = waits.unwrap_or_else(|| bead::state(bead).to_string());
        Some(vec![
            assignee.polecat.clone().into(),
            bead.name_any().into(),
            state.into(),
            bead.spec.title.clone().into(),
        ])
    };
    Section::new("Swarm", SWARM, members.iter().filter_map(row))
}

/// Convoys of which something leads nowhere.
pub fn not_as_declared(snapshot: &Snapshot, _: &[Need]) -> Vec<Need> {
    let lost = snapshot.all::<Convoy>().filter_map(|convoy| {
        let landed = condition(&convoy.status.as_ref()?.conditions, types::LANDED)?;
        let need = || Need::new(format!("convoy/{}", convoy.name_any()), plain(&landed.message));
        (landed.reason == Reason::RefNotFound).then(need)
    });
    lost.collect()
}

/// A convoy in the overview.
pub fn line(convoy: &Convoy) -> ConvoyLine {
    let status = convoy.status.clone().unwrap_or_default();
    let landed = condition(&status.conditions, types::LANDED);
    ConvoyLine {
        name: convoy.name_any(),
        landed: landed.is_some_and(|landed| landed.status == ConditionStatus::True),
        beads: status.progress.unwrap_or_else(|| format!("0/{}", convoy.spec.size())),
        reason: match landed {
            _ if convoy.metadata.deletion_timestamp.is_some() => DELETING.to_owned(),
            Some(landed) => landed.reason.clone(),
            None => NOT_SEEN.to_owned(),
        },
    }
}

/// A convoy that does not come on by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stranded {
    /// Its name.
    pub convoy: String,
    /// Closed beads of all.
    pub beads: String,
    /// `Down`, `Missing`, `Empty`, `Stuck` or `Ready`.
    pub reason: &'static str,
    /// Why, in words.
    pub why: String,
    /// What to do.
    pub next: String,
}

/// The open convoys that do not come on: of each why. What is suspended or held is as somebody wants it.
pub fn stranded(snapshot: &Snapshot) -> Vec<Stranded> {
    let is_open = |convoy: &&Convoy| {
        let landed = convoy.status.as_ref().is_some_and(|status| is_true(&status.conditions, types::LANDED));
        let is_held = convoy.spec.suspend || Override::of(&convoy.metadata).is_some();
        !landed && !is_held && convoy.metadata.deletion_timestamp.is_none()
    };
    snapshot.all::<Convoy>().filter(is_open).filter_map(|convoy| strands(convoy, snapshot)).collect()
}

/// Why a convoy that is open does not come on.
fn strands(convoy: &Convoy, snapshot: &Snapshot) -> Option<Stranded> {
    let (name, beads) = (convoy.name_any(), line(convoy).beads);
    let found = |reason, why: String, next: String| {
        Some(Stranded { convoy: name.clone(), beads: beads.clone(), reason, why, next })
    };
    if !snapshot.up {
        return found("Down", "the town is down: nothing moves".to_owned(), "gt up".to_owned());
    }
    let describe = format!("gt describe convoy/{name}");
    let landed = condition(convoy.conditions(), types::LANDED);
    if let Some(missing) = landed.filter(|it| it.reason == Reason::RefNotFound) {
        return found("Missing", plain(&missing.message), describe);
    }
    let members = snapshot.members_of(convoy);
    let open: Vec<&Bead> = members.into_iter().filter(|bead| bead.spec.closed.is_none()).collect();
    let (epics, work): (Vec<&Bead>, Vec<&Bead>) = open.into_iter().partition(|bead| bead.spec.type_.asks_for_parts());
    if let Some(epic) = epics.first().filter(|_| work.is_empty()) {
        let why = format!("nothing is left to do, and {} has no open part", epic.reference());
        return found("Empty", why, format!("bd create 'TEXT' --parent {0}, or bd close {0}", epic.name_any()));
    }
    let blocked = blocked(convoy, snapshot);
    if let Some(first) = blocked.by.iter().find(|it| it.needs_person).filter(|_| blocked.permanent) {
        return found("Stuck", format!("{}: {}", first.object, first.why), first.next());
    }
    let is_busy = |bead: &&Bead| bead.spec.assignee.is_some() || bead::state(bead) == BeadState::Landing;
    let ready = work.iter().find(|bead| bead::state(bead) == BeadState::Ready)?;
    if work.iter().any(is_busy) {
        return None;
    }
    let by = ready.blockers(snapshot).into_iter().next();
    let why = by.as_ref().map_or_else(|| "every slot is taken".to_owned(), |by| format!("{}: {}", by.object, by.why));
    let next = by.map_or_else(|| "gt status".to_owned(), |by| by.next());
    found("Ready", format!("{} is ready and nobody is on it; {why}", ready.reference()), next)
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{bead, condition, object, town};
    use super::*;
    use serde_json::{Value, json};

    /// The convoy `c`, which tracks these, with this reason of `Landed`.
    fn convoy(tracks: &[&str], reason: &str, more: &Value) -> Convoy {
        let tracks: Vec<Value> = tracks.iter().map(|bead| json!({ "bead": bead })).collect();
        let mut spec = json!({ "tracks": tracks });
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        object("Convoy", "c", &spec, &json!({ "conditions": [condition("Landed", "False", reason, "why")] }))
    }

    fn why(convoy: Convoy, beads: Vec<Bead>) -> String {
        let mut snapshot = town();
        snapshot.add(beads);
        snapshot.add([convoy]);
        let words = |it: Stranded| format!("{}: {} ({})", it.reason, it.why, it.next);
        stranded(&snapshot).pop().map_or_else(|| "no".to_owned(), words)
    }

    #[test]
    fn a_convoy_is_stranded_where_nothing_of_it_comes_on() {
        let a = |state: &str, reason: &str| bead("shop-a", &json!({}), state, reason, "why");
        let epic = || bead("shop-e", &json!({ "type": "Epic" }), "Waiting", "PartsOpen", "it has no parts so far");
        let b = |spec: &Value, state: &str| bead("shop-b", spec, state, "Claimed", "");
        let c = || convoy(&["shop-a", "shop-e"], "InProgress", &json!({}));
        insta::assert_snapshot!(why(convoy(&["shop-q"], "RefNotFound", &json!({})), vec![]), @"Missing: why (gt describe convoy/c)");
        insta::assert_snapshot!(why(convoy(&["shop-e"], "InProgress", &json!({})), vec![epic()]), @"Empty: nothing is left to do, and bead/shop-e has no open part (bd create 'TEXT' --parent shop-e, or bd close shop-e)");
        insta::assert_snapshot!(why(c(), vec![a("SetAside", "TooManyAttempts"), epic()]), @"Stuck: bead/shop-a: failed 6 times; needs a person: Say width (gt describe bead/shop-a)");
        insta::assert_snapshot!(why(convoy(&["shop-a"], "NeedsYou", &json!({})), vec![a("SetAside", "TooManyAttempts")]), @"Stuck: bead/shop-a: failed 6 times; needs a person: Say width (gt describe bead/shop-a)");
        insta::assert_snapshot!(why(convoy(&["shop-a"], "InProgress", &json!({})), vec![a("Backlog", "Backlog")]), @"Stuck: bead/shop-a: Backlog: why (gt describe bead/shop-a)");
        // Ready, and nobody is on it; unless somebody is on another one, or it is as somebody wants it.
        let ready = || a("Ready", "Ready");
        let c = |more: Value| convoy(&["shop-a", "shop-b"], "InProgress", &more);
        let waits = || b(&json!({}), "Waiting");
        assert!(
            why(c(json!({})), vec![ready(), waits()]).starts_with("Ready: bead/shop-a is ready and nobody is on it")
        );
        let works = b(&json!({ "assignee": { "polecat": "shop-nux", "uid": "1" } }), "Working");
        assert_eq!(why(c(json!({})), vec![ready(), works]), "no");
        assert_eq!(why(c(json!({ "suspend": true })), vec![ready(), waits()]), "no");
    }
}
