//! Overrides: what people have said of objects beside their spec, and what of a town's work that keeps from going on.

use std::collections::BTreeSet;

use gastown_controllers::town;
use gastown_crds::bead::BeadState;
use gastown_crds::common::Condition;
use gastown_crds::kinds::Registered;
use gastown_crds::overrides::{Mode, Override};
use gastown_crds::reason::Reason;
use gastown_crds::{Bead, Convoy, Polecat, Rig, Town};
use jiff::Timestamp;
use kube::ResourceExt;
use kube::api::ObjectMeta;
use serde::Serialize;

use super::kinds::bead::state;
use super::{Blocker, Snapshot, Stored};

/// An object that somebody has stopped, paused or cordoned off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Held {
    /// KIND/NAME.
    pub object: String,
    /// How far that goes.
    pub mode: Mode,
    /// Who said so.
    pub by: String,
    /// Since when.
    pub since: Timestamp,
    /// Until when, if not until somebody lifts it.
    pub until: Option<Timestamp>,
    /// Why.
    pub reason: Option<String>,
    /// The command that lifts it.
    pub next: String,
}

/// Everything that is held, the widest first.
pub fn held(snapshot: &Snapshot) -> Vec<Held> {
    let mut all = Vec::new();
    collect::<Town>(snapshot, |_| true, &mut all);
    collect::<Rig>(snapshot, |_| true, &mut all);
    collect::<Convoy>(snapshot, |_| true, &mut all);
    collect::<Polecat>(snapshot, |_| true, &mut all);
    // Of what is over, nothing is held up.
    collect::<Bead>(snapshot, |bead| bead.spec.closed.is_none(), &mut all);
    all
}

fn collect<K: Stored + Registered>(snapshot: &Snapshot, counts: impl Fn(&K) -> bool, all: &mut Vec<Held>) {
    all.extend(snapshot.all::<K>().filter(|object| counts(object)).filter_map(|object| {
        let name = K::row().named_object(&object.name_any());
        let Override { mode, by, at, reason, until } = Override::of(object.meta())?;
        let next = lifts(mode, &name);
        Some(Held { object: name, mode, by, since: at, until, reason, next })
    }));
}

/// Whether a condition says that somebody holds the object, and that may end by itself: what they said of it has an end, or was
/// said of something above it.
pub fn may_end(found: &Condition, meta: &ObjectMeta) -> bool {
    let modes = [Mode::Cordoned, Mode::Draining, Mode::Paused, Mode::Frozen, Mode::Stopped];
    let is_held = modes.into_iter().any(|mode| found.reason == Reason::from(mode));
    is_held && Override::of(meta).is_none_or(|said| said.until.is_some())
}

/// The next step for an object that is held itself.
pub fn next(reference: &str, meta: &ObjectMeta) -> Option<String> {
    let said = Override::of(meta)?;
    let by_itself = said.until.map(|until| format!(", or nothing: it ends by itself at {until:.0}"));
    Some(format!(
        "`{}` lets it go on: it is {}{}",
        lifts(said.mode, reference),
        said.words(),
        by_itself.unwrap_or_default()
    ))
}

fn lifts(mode: Mode, object: &str) -> String {
    let verb = if mode == Mode::Frozen { "thaw" } else { "resume" };
    format!("gt {verb} {object}")
}

/// A note on the override of an object that is about to be deleted.
pub fn goes_with(reference: &str, meta: &ObjectMeta) -> Option<String> {
    let said = Override::of(meta)?;
    Some(format!(
        "{reference} is {}; that goes with it, and does not hold what is made anew under its name",
        said.words()
    ))
}

/// Adds what keeps an open bead from going on where it stands.
pub(super) fn block(bead: &Bead, snapshot: &Snapshot, found: &mut BTreeSet<Blocker>) {
    let begun = bead.spec.assignee.as_ref();
    let blocks = |mode: Mode| match state(bead) {
        BeadState::Landing => !mode.may_land(),
        _ if begun.is_some_and(|assignee| assignee.waiting.is_none()) => !mode.may_run(),
        _ if begun.is_some() => !mode.may_start(),
        _ => true,
    };
    found.extend(of::<Town>(town::NAME, snapshot, blocks));
    found.extend(of::<Rig>(&bead.spec.rig, snapshot, blocks));
    found.extend(snapshot.convoys_of(bead).into_iter().filter_map(|convoy| blocker(convoy, blocks)));
    found.extend(begun.and_then(|assignee| of::<Polecat>(&assignee.polecat, snapshot, blocks)));
    found.extend(blocker(bead, blocks));
    if begun.is_none() && state(bead) != BeadState::Landing {
        found.extend(snapshot.get::<Town>(town::NAME).and_then(begins_nothing));
    }
}

fn of<K: Stored + Registered>(name: &str, snapshot: &Snapshot, blocks: impl Fn(Mode) -> bool) -> Option<Blocker> {
    blocker(snapshot.get::<K>(name)?, blocks)
}

fn blocker<K: Stored + Registered>(object: &K, blocks: impl Fn(Mode) -> bool) -> Option<Blocker> {
    let said = Override::of(object.meta()).filter(|said| blocks(said.mode))?;
    let object = K::row().named_object(&object.name_any());
    Some(Blocker { object, what: said.mode.to_string(), why: said.words(), needs_person: said.until.is_none() })
}

/// Why nothing is begun in the whole town, by its spec.
fn begins_nothing(town: &Town) -> Option<Blocker> {
    let why = if town.spec.suspend {
        "suspended: nothing is dispatched, fetched or landed"
    } else if town.spec.capacity.polecats == Some(0) {
        "its `capacity.polecats` is 0: nothing is dispatched"
    } else {
        return None;
    };
    let object = Town::row().named_object(&town.name_any());
    Some(Blocker { object, what: "Suspended".to_owned(), why: why.to_owned(), needs_person: true })
}

/// Why nothing is begun in the whole town, in a few words; none if it may be.
pub(super) fn town_holds(snapshot: &Snapshot) -> Option<String> {
    let found = of::<Town>(town::NAME, snapshot, |_| true);
    found.or_else(|| snapshot.get::<Town>(town::NAME).and_then(begins_nothing)).map(|it| format!("town: {}", it.why))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{bead, bead_of_convoy, convoy, object, polecat, rig, town as snapshot};
    use super::super::{Overview, Subject};
    use super::*;
    use gastown_crds::overrides::ANNOTATION_OVERRIDE;
    use serde_json::json;

    fn said<K: Registered>(mut object: K, mode: Mode) -> K {
        let said = Override { mode, by: "kim".into(), at: Timestamp::UNIX_EPOCH, reason: None, until: None };
        object.annotations_mut().insert(ANNOTATION_OVERRIDE.into(), json!(said).to_string());
        object
    }

    fn the_town(spec: &serde_json::Value) -> Town {
        object("Town", "town", spec, &json!({}))
    }

    fn blockers(bead: &Bead, snapshot: &Snapshot) -> Vec<String> {
        bead.blockers(snapshot).into_iter().map(|it| format!("{} {} {}", it.object, it.what, it.needs_person)).collect()
    }

    #[test]
    fn what_is_held_is_listed_with_the_command_that_lifts_it() {
        let mut town = snapshot();
        town.add([said(the_town(&json!({})), Mode::Frozen)]);
        town.add([said(rig("Ready", "True", "Ok", ""), Mode::Stopped)]);
        let over = json!({"closed": {"reason": "Done", "at": "2026-01-01T00:00:00Z", "by": "kim"}});
        town.add([said(bead("shop-over", &over, "Closed", "Done", ""), Mode::Stopped)]);
        town.add([said(bead("shop-open", &json!({}), "Ready", "Ready", ""), Mode::Stopped)]);
        let held = Overview::of(&town).held;
        let lines: Vec<String> =
            held.iter().map(|it| format!("{} {} {} {}", it.object, it.mode, it.by, it.next)).collect();
        assert_eq!(
            lines,
            [
                "town/town Frozen kim gt thaw town/town",
                "rig/shop Stopped kim gt resume rig/shop",
                "bead/shop-open Stopped kim gt resume bead/shop-open"
            ]
        );
    }

    #[test]
    fn a_bead_is_blocked_by_what_keeps_it_from_going_on_where_it_stands() {
        let mut town = snapshot();
        town.add([rig("Ready", "True", "Ok", "")]);
        town.add([polecat("True", "Working", "")]);
        let (at_work, waits) = (
            json!({"assignee": {"polecat": "shop-nux", "uid": "1"}}),
            json!({"assignee": {"polecat": "shop-nux", "uid": "1", "waiting": "Slot"}}),
        );
        let ready = bead_of_convoy("shop-a", &json!({}), "Ready", "Ready", "");
        let works = bead_of_convoy("shop-b", &at_work, "Working", "Claimed", "");
        let begun = bead_of_convoy("shop-c", &waits, "Ready", "Ready", "");
        let lands = bead_of_convoy("shop-d", &json!({}), "Landing", "Landing", "");
        for (mode, blocked) in [
            (Mode::Cordoned, [true, false, false, false]),
            (Mode::Draining, [true, false, true, false]),
            (Mode::Paused, [true, false, true, true]),
            (Mode::Frozen, [true, true, true, true]),
            (Mode::Stopped, [true, true, true, true]),
        ] {
            let convoy = said(convoy(4), mode);
            town.add([convoy]);
            let expected = |blocked: bool| if blocked { vec![format!("convoy/auth {mode} true")] } else { vec![] };
            for (bead, blocked) in [&ready, &works, &begun, &lands].into_iter().zip(blocked) {
                assert_eq!(blockers(bead, &town), expected(blocked), "{mode}: {}", bead.name_any());
            }
        }
    }

    #[test]
    fn a_town_without_capacity_blocks_what_nobody_has_begun() {
        let mut town = snapshot();
        town.add([rig("Ready", "True", "Ok", "")]);
        town.add([the_town(&json!({"capacity": {"polecats": 0}}))]);
        let ready = bead("shop-a", &json!({}), "Ready", "Ready", "");
        assert_eq!(blockers(&ready, &town), ["town/town Suspended true"]);
        town.add([ready]);
        assert_eq!(Overview::of(&town).waiting[0].why, "town: its `capacity.polecats` is 0: nothing is dispatched");
    }
}
