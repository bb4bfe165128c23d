//! Simulated towns of which somebody deletes a part, whatever part, and whatever is under way: nothing waits for ever for
//! what is gone.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use gastown_crds::common::{FINALIZER_CLONE, FINALIZERS};
use gastown_crds::names;
use serde_json::Value;

use crate::harness::{Sim, all_hold, in_virtual_time};
use crate::towns::{BRANCHES, CONVOY, Town, many_branches, minimal, one_place_for_two_rigs};

/// The kinds whose objects wait for one another.
const PLURALS: [&str; 5] = ["rigs", "convoys", "polecats", "beads", "mergerequests"];

/// Longer than any back-off. Each minute it is looked whether all is well.
const MINUTES_MAX: usize = 30;

/// A town, and how far it comes before.
#[derive(Debug, Clone, Copy)]
enum Stage {
    /// Agents are at work.
    AtWork,
    /// A branch is handed in, and no push is taken.
    Pushing,
    /// Branches are left for people.
    Left,
    /// A setup fails, and its bead waits.
    SettingUp,
}

impl Stage {
    fn town(self) -> Town {
        match self {
            Self::AtWork => minimal(),
            Self::Pushing => Town { push_refused: true, ..minimal() },
            Self::Left => many_branches(),
            Self::SettingUp => one_place_for_two_rigs(),
        }
    }

    async fn comes(self, sim: &Sim) {
        match self {
            Self::AtWork => sim.at_work().await,
            Self::Pushing => sim.handed_in().await,
            Self::Left => sim.branches_ready(BRANCHES).await,
            Self::SettingUp => sim.closed(&names::bead("humane", CONVOY, 1, "licence")).await,
        }
    }
}

/// Deletes all of some kinds, in this order. Answers what is wrong in the end, and which finalizers had to go.
fn delete(stage: Stage, plurals: &[&str]) -> (Vec<String>, BTreeSet<String>) {
    in_virtual_time(async {
        let sim = Sim::start(&stage.town(), None, BTreeMap::new()).await;
        let mut engine = sim.engine();
        engine.run(stage.comes(&sim)).await;
        // A moment later all is said.
        engine.run(tokio::time::sleep(Duration::from_secs(2))).await;
        let mut finalizers = BTreeSet::new();
        for plural in plurals {
            finalizers.extend(sim.delete_all(plural).await);
        }
        let mut wrong = Vec::new();
        for _ in 0..MINUTES_MAX {
            engine.run(tokio::time::sleep(Duration::from_mins(1))).await;
            wrong = what_waits(&sim).await;
            if wrong.is_empty() {
                break;
            }
        }
        // Whose polecat is deleted is ended, whatever it does; what a deleted bead had handed in has a rescue ref at most.
        let meant =
            |it: &String| it.contains("was ended while") || it.contains("was handed in and is reachable no more");
        wrong.extend(sim.world.violations().into_iter().filter(|it| !meant(it)));
        (wrong, finalizers)
    })
}

/// What waits for ever, or so it seems.
async fn what_waits(sim: &Sim) -> Vec<String> {
    let mut all = Vec::new();
    for plural in PLURALS {
        all.extend(sim.list(plural).await);
    }
    let going = all.iter().filter(|object| !object["metadata"]["deletionTimestamp"].is_null());
    let not_gone = going
        .filter(|object| !waits_for_a_person(object, &all))
        .map(|object| format!("{} is not gone: {}", object["metadata"]["name"], object["status"]["conditions"]));
    not_gone.chain(all.iter().filter_map(|object| leads_nowhere(object, &all))).collect()
}

fn named<'a>(all: &'a [Value], kind: &str, name: &Value) -> Option<&'a Value> {
    all.iter().find(|it| it["kind"] == kind && it["metadata"]["name"] == *name)
}

/// Whether it is a convoy that says which of its beads it waits for, and that one's branch is for people to land.
fn waits_for_a_person(convoy: &Value, all: &[Value]) -> bool {
    let message = convoy["status"]["conditions"][0]["message"].as_str().unwrap_or_default();
    let left = |request: &&Value| request["kind"] == "MergeRequest" && is_open(request);
    all.iter().filter(left).any(|request| {
        named(all, "Rig", &request["spec"]["rig"]).is_some()
            && request["spec"]["bead"].as_str().is_some_and(|bead| message.contains(bead))
    })
}

fn is_open(request: &Value) -> bool {
    !["Merged", "Rejected", "Withdrawn"].iter().any(|state| request["status"]["state"] == *state)
}

/// What an object waits for that is gone.
fn leads_nowhere(object: &Value, all: &[Value]) -> Option<String> {
    let (spec, name) = (&object["spec"], &object["metadata"]["name"]);
    let lost =
        |kind: &str, field: &Value| (!field.is_null() && named(all, kind, field).is_none()).then_some(kind.to_owned());
    let what = match object["kind"].as_str()? {
        "MergeRequest" if is_open(object) => lost("Rig", &spec["rig"]).or_else(|| lost("Bead", &spec["bead"])),
        "Bead" => lost("Polecat", &spec["assignee"]["polecat"]),
        "Polecat" => lost("Rig", &spec["rig"]).or_else(|| lost("Bead", &object["status"]["bead"])),
        _ => None,
    };
    what.map(|kind| format!("{name} waits for a {kind} that is gone"))
}

#[test]
fn whatever_is_deleted_together_is_gone_in_the_end() {
    let stages = [Stage::AtWork, Stage::Pushing, Stage::Left, Stage::SettingUp];
    let subsets = (1..1_usize << PLURALS.len()).map(|set| {
        PLURALS.into_iter().enumerate().filter(|(nth, _)| set >> nth & 1 == 1).map(|(_, plural)| plural).collect()
    });
    let mut cases: Vec<(Stage, Vec<&str>)> = Vec::new();
    for (nth, plurals) in subsets.collect::<Vec<Vec<&str>>>().into_iter().enumerate() {
        for (and, stage) in stages.into_iter().enumerate() {
            let mut plurals = plurals.clone();
            // One way or the other.
            if (nth + and) % 2 == 0 {
                plurals.reverse();
            }
            cases.push((stage, plurals));
        }
    }
    let met = std::sync::Mutex::new(BTreeSet::new());
    let check = |(stage, plurals): &(Stage, Vec<&str>)| {
        let (wrong, finalizers) = delete(*stage, plurals);
        met.lock().unwrap().extend(finalizers);
        wrong
    };
    all_hold(&cases, check, |(stage, plurals)| format!("{stage:?}, without {plurals:?}"));
    // That of a source waits for nothing but its own clone: see `sources`.
    let all: BTreeSet<String> = FINALIZERS.into_iter().filter(|it| *it != FINALIZER_CLONE).map(str::to_owned).collect();
    assert_eq!(met.into_inner().unwrap(), all, "each finalizer was waited for");
}
