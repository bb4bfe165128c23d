//! Attention: what needs a person, the most urgent first; what has one cause is listed once.

use std::collections::BTreeMap;

use gastown_crds::common::Condition;
use serde::Serialize;

use super::kinds::{bead, convoy, merge_request, polecat, rig, runtime, source, town};
use super::{Snapshot, conditions};

/// Something that needs a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Need {
    /// KIND/NAME.
    pub object: String,
    /// The problem, in a line.
    pub what: String,
    /// The command to type.
    pub next: String,
}

impl Need {
    /// Something about an object.
    pub fn new(object: String, what: String) -> Self {
        Self { next: format!("gt describe {object}"), object, what }
    }
}

/// A source of needs; it is given those that were found before it, whose consequences it leaves out.
type Finder = fn(&Snapshot, &[Need]) -> Vec<Need>;

/// All sources of needs, in the order in which people read of them.
const FINDERS: [Finder; 16] = [
    bead::asked,
    bead::gates,
    town::under_pressure,
    merge_request::left_target,
    bead::failed_too_often,
    rig::in_trouble,
    source::in_trouble,
    bead::not_as_declared,
    runtime::lacking,
    polecat::waiting_for_person,
    polecat::not_starting,
    merge_request::queues_not_moving,
    merge_request::ready_to_be_merged,
    convoy::with_given_up_beads,
    convoy::not_as_declared,
    town::tells_nobody,
];

/// All that needs a person.
pub fn needs(snapshot: &Snapshot) -> Vec<Need> {
    FINDERS.iter().fold(Vec::new(), |mut needs, find| {
        needs.extend(find(snapshot, &needs));
        needs
    })
}

/// A need for each cause, about the first of its objects; `among` says what the others are part of.
pub(super) fn once_each<'a, C: Ord>(found: impl Iterator<Item = (C, String, &'a Condition)>, among: &str) -> Vec<Need> {
    let mut causes: BTreeMap<C, (String, &Condition, usize)> = BTreeMap::new();
    for (cause, object, ready) in found {
        causes.entry(cause).and_modify(|(_, _, others)| *others += 1).or_insert((object, ready, 0));
    }
    let needs = causes.into_values().map(|(object, ready, others)| {
        let likewise = if others == 0 { String::new() } else { format!("; likewise {others} more{among}") };
        Need::new(object, conditions::words(ready) + &likewise)
    });
    needs.collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{bead, condition, convoy, object, request, rig, town};
    use super::*;
    use gastown_crds::{Polecat, Runtime};
    use serde_json::{Value, json};

    fn words(snapshot: &Snapshot) -> String {
        needs(snapshot).iter().map(|need| format!("{}: {}", need.object, need.what)).collect::<Vec<_>>().join("\n")
    }

    fn polecat(name: &str, reason: &str, message: &str) -> Polecat {
        let status = json!({"conditions": [condition("Ready", "False", reason, message)]});
        object("Polecat", &format!("shop-{name}"), &json!({"name": name}), &status)
    }

    #[test]
    fn a_town_where_all_is_well_needs_nobody() {
        let mut town = town();
        town.add([rig("Ready", "True", "Ok", "")]);
        town.add([bead("shop-a", &json!({}), "Ready", "Ready", "")]);
        town.add([convoy(1)]);
        assert_eq!(needs(&town), []);
    }

    #[test]
    fn each_kind_of_trouble_is_listed_in_its_place() {
        let mut town = town();
        town.add([
            bead("shop-a", &json!({}), "SetAside", "TooManyAttempts", ""),
            bead("shop-b", &json!({}), "Waiting", "InvalidFormula", "no var `env`"),
            bead("shop-c", &json!({}), "Waiting", "InvalidFormula", "no var `env`"),
        ]);
        town.add([rig("Ready", "False", "AuthRequired", "no key")]);
        town.add([polecat("nux", "SetupFailed", "exit 1"), polecat("toe", "CommandNotFound", "no robot")]);
        town.add([request("BranchReady", "BranchReady", "merge it")]);
        let left = condition("LeftTarget", "True", "LeftTarget", "1 is not on `main` any more");
        let gone = json!({"state": "Merged", "conditions": [left]});
        town.add([object::<gastown_crds::MergeRequest>("MergeRequest", "shop-z-1", &json!({}), &gone)]);
        let lost = json!({"conditions": [condition("Landed", "False", "RefNotFound", "no Rig `far`")]});
        town.add([object::<gastown_crds::Convoy>("Convoy", "auth", &json!({}), &lost)]);
        insta::assert_snapshot!(words(&town), @"
        mergerequest/shop-z-1: LeftTarget: 1 is not on `main` any more
        bead/shop-a: failed 6 times; needs a person: Say width
        rig/shop: AuthRequired: no key
        bead/shop-b: InvalidFormula: no var `env`; likewise 1 more
        polecat/shop-nux: SetupFailed: exit 1
        polecat/shop-toe: CommandNotFound: no robot
        mergerequest/shop-a-1: branch gastown/shop-a is ready to be merged in shop
        convoy/auth: no Rig `far`
        ");
        let told = json!({"conditions": [condition("NotifyFailed", "True", "NotifyFailed", "no such room")]});
        town.add([object::<gastown_crds::Town>("Town", "town", &json!({}), &told)]);
        assert!(words(&town).ends_with("town/town: NotifyFailed: no such room"), "{}", words(&town));
        // A program that is missing is said of its runtime, once that is known.
        let missing = json!({"conditions": [condition("Ready", "False", "CommandNotFound", "no robot")]});
        town.add(["script", "unused"].map(|name| object::<Runtime>("Runtime", name, &json!({}), &missing)));
        let found = words(&town);
        assert!(
            found.contains("runtime/script") && !found.contains("unused") && !found.contains("shop-toe"),
            "{found}"
        );
    }

    #[test]
    fn what_keeps_failing_is_listed_once() {
        let mut town = town();
        let mut polecat = polecat("nux", "EnvFromFailed", "no such file");
        polecat.status.get_or_insert_default().consecutive_failures = 9;
        town.add([polecat]);
        assert_eq!(words(&town), "polecat/shop-nux: EnvFromFailed: no such file");
    }

    #[test]
    fn a_rig_whose_branch_is_red_is_said_of_the_rig_and_not_of_its_queue() {
        let fails = || {
            let mut request = request("Queued", "VerifyError", "could not run 3 times; see the checks");
            request.status.get_or_insert_default().consecutive_failures = 3;
            request
        };
        let rig_with = |conditions: Value| {
            let mut town = town();
            town.add([object::<gastown_crds::Rig>("Rig", "shop", &json!({}), &json!({"conditions": conditions}))]);
            town.add([fails()]);
            words(&town)
        };
        let well = condition("Ready", "True", "Ok", "");
        assert!(
            rig_with(json!([well])).starts_with("mergerequest/shop-a-1: VerifyError"),
            "{}",
            rig_with(json!([well]))
        );
        let red = condition("BaseRed", "True", "VerifyError", "the checks do not run");
        assert_eq!(rig_with(json!([well, red])), "rig/shop: VerifyError: the checks do not run");
    }
}
