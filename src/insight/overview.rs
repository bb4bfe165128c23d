//! The town at a glance: what needs a person, what is worked on, what lands and waits, and what has landed.

use gastown_crds::bead::{BeadState, CloseReason};
use gastown_crds::{Convoy, Rig, Town};
use jiff::Timestamp;
use serde::Serialize;

use super::Snapshot;
use super::attention::{self, Need};
use super::kinds::{bead, convoy, polecat, rig, town};
use super::overrides::{self, Held};

/// The state of an object that is being deleted.
pub const DELETING: &str = "being deleted";

/// The state of an object that no controller has seen.
pub const NOT_SEEN: &str = "not looked at yet";

/// The kinds that an overview is made from.
pub const READS: &[&str] = &["Bead", "Polecat", "Rig", "MergeRequest", "Convoy", "Runtime", "Town", "Source"];

/// The town at a glance.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Overview {
    /// The town's name.
    pub town: String,
    /// Whether a controller is running.
    pub up: bool,
    /// How much may run; none if no controller has said so yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capacity: Option<CapacityLine>,
    /// Everything that somebody has stopped, paused or cordoned off.
    pub held: Vec<Held>,
    /// Everything that needs a person.
    pub needs_you: Vec<Need>,
    /// Polecats at work.
    pub working: Vec<Working>,
    /// Beads whose branch is in the merge queue.
    pub landing: Vec<BeadLine>,
    /// Beads that wait for something, or for somebody who takes them.
    pub waiting: Vec<BeadLine>,
    /// Beads that are closed, the latest first.
    pub landed: Vec<Landed>,
    /// Convoys.
    pub convoys: Vec<ConvoyLine>,
    /// Rigs.
    pub rigs: Vec<RigLine>,
}

/// How much may run in the whole town.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CapacityLine {
    /// Polecats at work.
    pub working: u32,
    /// How many may be.
    pub polecats: u32,
    /// No session is started while less memory is free.
    pub min_free_memory: String,
    /// No session is started while less disk is free.
    pub min_free_disk: String,
}

/// A polecat at work.
#[derive(Debug, Serialize)]
pub struct Working {
    /// The polecat.
    pub polecat: String,
    /// The bead it works on.
    pub bead: String,
    /// Its state.
    pub state: String,
    /// The number of the attempt at the bead.
    pub attempt: u32,
    /// The instant since which it is in that state.
    pub since: Option<Timestamp>,
    /// The bead's title.
    pub title: String,
}

/// An open bead.
#[derive(Debug, Serialize)]
pub struct BeadLine {
    /// The bead.
    pub bead: String,
    /// The reason for its state.
    pub why: String,
    /// The bead's title.
    pub title: String,
}

/// A bead that is closed.
#[derive(Debug, Serialize)]
pub struct Landed {
    /// The bead.
    pub bead: String,
    /// The reason.
    pub how: CloseReason,
    /// The instant.
    pub at: Timestamp,
    /// The bead's title.
    pub title: String,
}

/// A convoy.
#[derive(Debug, Serialize)]
pub struct ConvoyLine {
    /// The convoy.
    pub name: String,
    /// Whether it has landed.
    pub landed: bool,
    /// Closed beads of all, such as `5/6`.
    pub beads: String,
    /// Its state, in a few words.
    pub reason: String,
}

/// A rig.
#[derive(Debug, Serialize)]
pub struct RigLine {
    /// The rig.
    pub name: String,
    /// Whether work can be dispatched and landed there.
    pub ready: bool,
    /// Its state, in a few words.
    pub reason: String,
    /// Whether its branch fails its own checks.
    pub base_red: bool,
    /// The branch that its work lands on.
    pub branch: Option<String>,
    /// Merge requests that have not landed yet.
    pub queued: u32,
}

impl Overview {
    /// The overview of a town.
    pub fn of(snapshot: &Snapshot) -> Self {
        Self {
            town: snapshot.town.clone(),
            up: snapshot.up,
            capacity: snapshot.all::<Town>().find_map(town::line),
            held: overrides::held(snapshot),
            needs_you: attention::needs(snapshot),
            working: polecat::working(snapshot),
            landing: bead::lines(snapshot, &[BeadState::Landing]),
            waiting: bead::lines(snapshot, &[BeadState::Ready, BeadState::Waiting]),
            landed: bead::landed(snapshot),
            convoys: snapshot.all::<Convoy>().map(convoy::line).collect(),
            rigs: snapshot.all::<Rig>().map(rig::line).collect(),
        }
    }
}

/// Why a bead waits that was worked on when the town went down.
const ENDED: &str = "its session was ended; it goes on once the town is up";

impl Overview {
    /// Corrects what a town that is down said last: of those at work, these have a session still. The others wait.
    pub fn without_sessions(&mut self, runs: impl Fn(&str) -> bool) {
        let (working, ended): (Vec<Working>, Vec<Working>) =
            std::mem::take(&mut self.working).into_iter().partition(|it| runs(&it.polecat));
        self.working = working;
        let line = |it: Working| BeadLine { bead: it.bead, why: ENDED.to_owned(), title: it.title };
        self.waiting.splice(0..0, ended.into_iter().map(line));
    }
}

#[cfg(test)]
mod tests {
    use super::super::next;
    use super::super::testing::{bead, condition, convoy, object, polecat, rig, town};
    use super::*;
    use gastown_crds::Bead;
    use serde_json::json;

    fn waiting(snapshot: &Snapshot) -> Vec<(String, String)> {
        Overview::of(snapshot).waiting.into_iter().map(|line| (line.bead, line.why)).collect()
    }

    #[test]
    fn what_is_ready_comes_before_what_waits_and_the_urgent_first() {
        let mut town = town();
        town.add([rig("Ready", "True", "Ok", "")]);
        town.add([
            bead("shop-a", &json!({"needs": ["shop-b"]}), "Waiting", "NeedsOpen", "waits for shop-b"),
            bead("shop-b", &json!({}), "Ready", "Ready", ""),
            bead("shop-c", &json!({"priority": 0}), "Ready", "Ready", ""),
            object::<Bead>("Bead", "shop-d", &json!({}), &json!({})),
        ]);
        let found = waiting(&town);
        let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["shop-c", "shop-b", "shop-a", "shop-d"]);
        assert_eq!(found[2].1, "waits for shop-b");
        assert_eq!(found[3].1, NOT_SEEN);
    }

    #[test]
    fn a_polecat_that_waits_with_its_bead_is_not_at_work() {
        let mut town = town();
        town.add([polecat("False", "Working", "")]);
        let works = json!({"assignee": {"polecat": "shop-nux", "uid": "1"}});
        town.add([bead("shop-a", &works, "Working", "Claimed", "")]);
        let mut overview = Overview::of(&town);
        overview.without_sessions(|polecat| polecat == "shop-nux");
        assert_eq!(overview.working.len(), 1);
        overview.without_sessions(|_| false);
        assert_eq!((overview.working.len(), overview.waiting.len()), (0, 1));
        assert_eq!(overview.waiting[0].why, ENDED);
        let waits = json!({"assignee": {"polecat": "shop-nux", "uid": "1", "waiting": "Bead"}});
        town.add([bead("shop-a", &waits, "Waiting", "BackOff", "tried again later")]);
        assert_eq!(Overview::of(&town).working.len(), 0);
        assert_eq!(waiting(&town)[0].1, "tried again later");
    }

    #[test]
    fn a_machine_that_is_short_of_memory_is_said_of_the_town_and_of_what_waits() {
        let mut town = town();
        town.add([rig("Ready", "True", "Ok", "")]);
        town.add([bead("shop-a", &json!({}), "Ready", "Ready", "")]);
        let short = condition("MemoryPressure", "True", "Insufficient", "300Mi of memory are free");
        let status = json!({"conditions": [short], "polecatsMax": 2, "minFreeMemory": "1Gi", "minFreeDisk": "5Gi"});
        let whole: Town = object("Town", "town", &json!({}), &status);
        town.add([whole.clone()]);
        let seen = Overview::of(&town);
        assert_eq!(seen.waiting[0].why, "ready: 300Mi of memory are free");
        let needs: Vec<_> = seen.needs_you.iter().map(|need| (need.object.as_str(), need.what.as_str())).collect();
        assert_eq!(needs, [("town/town", "Insufficient: 300Mi of memory are free")]);
        assert_eq!(seen.capacity.unwrap().min_free_memory, "1Gi");
        assert!(next::step(&whole, &town).starts_with("free some of what is short"));
        // What its rig lacks comes first.
        town.add([rig("Ready", "False", "FetchFailed", "no route")]);
        assert!(Overview::of(&town).waiting[0].why.starts_with("waits for rig `shop`"));
    }

    #[test]
    fn what_was_withdrawn_has_not_landed() {
        let mut town = town();
        let closed = |reason: &str, at: &str| json!({"closed": {"reason": reason, "at": at, "by": "gt"}});
        town.add([
            bead("shop-a", &closed("Merged", "2026-01-01T00:00:00Z"), "Closed", "Merged", ""),
            bead("shop-b", &closed("NoChanges", "2026-01-02T00:00:00Z"), "Closed", "NoChanges", ""),
            bead("shop-c", &closed("Withdrawn", "2026-01-03T00:00:00Z"), "Closed", "Withdrawn", ""),
        ]);
        let landed: Vec<String> = Overview::of(&town).landed.into_iter().map(|it| it.bead).collect();
        assert_eq!(landed, ["shop-b", "shop-a"]);
    }

    #[test]
    fn what_is_on_its_way_out_is_said() {
        let mut town = town();
        let (mut convoy, mut rig) = (convoy(2), rig("Ready", "True", "Ok", ""));
        let at = serde_json::from_value(json!("2026-01-01T00:00:00Z")).unwrap();
        convoy.metadata.deletion_timestamp = Some(at);
        rig.metadata.deletion_timestamp = convoy.metadata.deletion_timestamp.clone();
        town.add([convoy]);
        town.add([rig]);
        let seen = Overview::of(&town);
        assert_eq!((seen.convoys[0].reason.as_str(), seen.convoys[0].beads.as_str()), (DELETING, "0/2"));
        assert_eq!((seen.rigs[0].reason.as_str(), seen.rigs[0].ready), (DELETING, false));
    }
}
