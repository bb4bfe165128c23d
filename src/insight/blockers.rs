//! Blockers: what keeps work from being done, found by following what it depends on.
//!
//! # Design notes
//! A blocker *needs a person* if nothing moves until one changes something: a bead that failed too often, something
//! suspended, a reference that leads nowhere, a branch that is left to be merged. What the town tries again by itself (an
//! address that cannot be reached, a target that is red, a setup that fails) is a blocker too, and needs nobody. A status
//! that speaks of an older spec says nothing.

use std::collections::BTreeSet;

use gastown_crds::common::Condition;
use gastown_crds::reason::{Acts, Reason};

use super::conditions;

/// Something that keeps work from being done.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Blocker {
    /// KIND/NAME.
    pub object: String,
    /// The problem, in a few words.
    pub what: String,
    /// The problem, in a line.
    pub why: String,
    /// Whether nothing moves until a person declares something else.
    pub needs_person: bool,
}

impl Blocker {
    /// A blocker that a condition speaks of; its reason says whether it needs a person.
    pub fn of(object: String, found: &Condition) -> Self {
        let needs_person = Reason::parse(&found.reason).is_some_and(|reason| reason.acts() == Acts::Person);
        Self { object, what: found.reason.clone(), why: conditions::words(found), needs_person }
    }

    /// The command to type.
    pub fn next(&self) -> String {
        format!("gt describe {}", self.object)
    }
}

/// The blockers of a batch of work.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Blocked {
    /// All of them, each once.
    pub by: BTreeSet<Blocker>,
    /// Whether nothing of the batch can move without a person.
    pub permanent: bool,
}

#[cfg(test)]
mod tests {
    use super::super::testing::{bead, bead_of_convoy, condition, convoy, object, polecat, request, rig, town};
    use super::super::{Snapshot, Subject, kinds};
    use super::*;
    use gastown_crds::{Bead, Convoy, Rig};
    use serde_json::json;

    fn words(found: &BTreeSet<Blocker>) -> String {
        let line =
            |it: &Blocker| format!("{} {}: {}", if it.needs_person { "person" } else { "waits" }, it.object, it.why);
        found.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    fn blockers(subject: &impl Subject, snapshot: &Snapshot) -> String {
        words(&subject.blockers(snapshot))
    }

    #[test]
    fn a_bead_is_followed_through_what_it_needs() {
        let mut town = town();
        town.add([
            bead("shop-a", &json!({"needs": ["shop-c"]}), "SetAside", "TooManyAttempts", ""),
            bead("shop-b", &json!({"needs": ["shop-a"]}), "Waiting", "NeedsOpen", "waits for shop-a"),
            bead("shop-c", &json!({"needs": ["shop-b"]}), "Waiting", "NeedsOpen", "waits for shop-b"),
        ]);
        let c = town.bead("shop-c").unwrap();
        insta::assert_snapshot!(blockers(c, &town), @"person bead/shop-a: failed 6 times; needs a person: Say width");
        let b = town.bead("shop-b").unwrap();
        assert_eq!(kinds::bead::explained(b, "waits for shop-a", &town), "waits for shop-a (needs a person)");
    }

    #[test]
    fn an_epic_moves_while_a_part_of_it_does() {
        let part = |name: &str, state: &str, reason: &str| bead(name, &json!({"parent": "shop-e"}), state, reason, "");
        let moves = |parts: &[Bead]| {
            let mut town = town();
            town.add([bead("shop-e", &json!({"type": "Epic"}), "Waiting", "PartsOpen", "")]);
            town.add(parts.to_vec());
            town.bead("shop-e").unwrap().moves(&town)
        };
        let set_aside = part("shop-a", "SetAside", "TooManyAttempts");
        let assignee = json!({"parent": "shop-e", "assignee": {"polecat": "shop-nux", "uid": "1"}});
        assert!(moves(&[set_aside.clone(), bead("shop-b", &assignee, "Working", "Claimed", "")]));
        assert!(moves(&[set_aside.clone(), part("shop-b", "Waiting", "BackingOff")]));
        assert!(!moves(std::slice::from_ref(&set_aside)));
        for (state, reason) in [("Waiting", "AwaitsApproval"), ("Waiting", "NeedsOpen"), ("Backlog", "Backlog")] {
            assert!(!moves(&[set_aside.clone(), part("shop-b", state, reason)]), "{state} {reason}");
        }
    }

    #[test]
    fn needs_that_form_a_ring_end() {
        let mut town = town();
        let waits = |name: &str, need: &str| bead(name, &json!({"needs": [need]}), "Waiting", "NeedsOpen", "");
        town.add([waits("shop-a", "shop-b"), waits("shop-b", "shop-a")]);
        assert_eq!(blockers(town.bead("shop-a").unwrap(), &town), "");
    }

    #[test]
    fn a_ready_bead_is_blocked_by_its_rig_unless_it_is_begun() {
        let mut town = town();
        town.add([rig("Ready", "False", "FetchFailed", "no route")]);
        let ready = bead("shop-a", &json!({}), "Ready", "Ready", "");
        assert_eq!(blockers(&ready, &town), "waits rig/shop: FetchFailed: no route");
        let assignee = json!({"assignee": {"polecat": "shop-nux", "uid": "1"}});
        assert_eq!(blockers(&bead("shop-a", &assignee, "Ready", "Ready", ""), &town), "");
        // A target that is red keeps nobody from working.
        town.add([rig("BaseRed", "True", "BaseRed", "1 failed")]);
        assert_eq!(blockers(&ready, &town), "");
        town.add([rig("Ready", "False", "Cloning", "")]);
        assert_eq!(blockers(&ready, &town), "", "what is under way blocks nothing");
    }

    #[test]
    fn a_bead_at_work_is_blocked_by_a_session_that_does_not_start() {
        let mut town = town();
        let assignee = json!({"assignee": {"polecat": "shop-nux", "uid": "1"}});
        let works = bead("shop-a", &assignee, "Working", "Claimed", "");
        for (reason, message, failures, expected) in [
            ("SetupFailed", "exit 1", 1, "waits polecat/shop-nux: SetupFailed: exit 1"),
            ("RefNotFound", "no Runtime", 0, "person polecat/shop-nux: RefNotFound: no Runtime"),
            ("BackOff", "tmux", 3, "waits polecat/shop-nux: BackOff: tmux"),
            ("BackOff", "tmux", 2, ""),
            ("Working", "", 0, ""),
        ] {
            let mut polecat = polecat("False", reason, message);
            polecat.status.get_or_insert_default().consecutive_failures = failures;
            town.add([polecat]);
            assert_eq!(blockers(&works, &town), expected, "{reason}");
        }
        town.add([polecat("Unknown", "Unknown", "cannot be read")]);
        assert_eq!(blockers(&works, &town), "waits polecat/shop-nux: Unknown: cannot be read");
        town.add([polecat("False", "Cloning", "")]);
        town.add([rig("Ready", "False", "AuthRequired", "no key")]);
        assert_eq!(blockers(&works, &town), "waits rig/shop: AuthRequired: no key");
    }

    #[test]
    fn a_branch_is_blocked_by_its_own_trouble_and_by_its_rig() {
        let mut town = town();
        town.add([rig("BaseRed", "True", "BaseRed", "1 failed")]);
        town.add([request("Queued", "VerifyError", "no make")]);
        let landing = bead("shop-a", &json!({}), "Landing", "Landing", "");
        insta::assert_snapshot!(blockers(&landing, &town), @"
        waits mr/shop-a-1: VerifyError: no make
        waits rig/shop: BaseRed: 1 failed
        ");
        // What is left for people to merge waits for them alone.
        let left = request("BranchReady", "BranchReady", "merge it");
        assert_eq!(blockers(&left, &town), "person mr/shop-a-1: BranchReady: merge it");
        town.add([request("Rejected", "Red", "red")]);
        assert_eq!(blockers(&landing, &town), "", "a merge request that is over blocks nothing");
    }

    #[test]
    fn what_is_suspended_needs_a_person_and_what_is_deleted_does_not() {
        let mut town = town();
        let waits = bead_of_convoy("shop-a", &json!({}), "Waiting", "Suspended", "its convoy is suspended");
        let mut batch: Convoy = object("Convoy", "auth", &json!({"suspend": true}), &json!({}));
        town.add([batch.clone()]);
        assert_eq!(blockers(&waits, &town), "person convoy/auth: Suspended: its convoy is suspended");
        batch.metadata.deletion_timestamp = Some(serde_json::from_value(json!("2026-01-01T00:00:00Z")).unwrap());
        town.add([batch]);
        assert_eq!(blockers(&waits, &town), "waits convoy/auth: Suspended: its convoy is suspended");
        town.add([object::<Rig>("Rig", "shop", &json!({"suspend": true}), &json!({}))]);
        let why = "suspended: nothing is dispatched, fetched or landed there";
        assert_eq!(blockers(&waits, &town), format!("person rig/shop: {why}"));
    }

    #[test]
    fn a_convoy_is_blocked_for_good_once_nothing_of_it_can_move() {
        let mut town = town();
        let batch = convoy(2);
        let blocked = |town: &Snapshot| kinds::convoy::blocked(&batch, town);
        let failed = || bead_of_convoy("shop-a", &json!({}), "SetAside", "TooManyAttempts", "");
        town.add([failed()]);
        assert!(!blocked(&town).permanent, "its other bead is still to be made");
        town.add([bead_of_convoy("shop-b", &json!({"needs": ["shop-a"]}), "Waiting", "NeedsOpen", "")]);
        assert!(blocked(&town).permanent && blocked(&town).by.len() == 1);
        town.add([bead_of_convoy("shop-b", &json!({}), "Ready", "Ready", "")]);
        assert!(!blocked(&town).permanent && blocked(&town).by.len() == 1);
        let mut older: Bead = failed();
        older.metadata.generation = Some(2);
        town.add([older]);
        assert_eq!(blocked(&town), Blocked::default(), "a status of an older text says nothing");
        let lost = json!({"conditions": [condition("Landed", "False", "RefNotFound", "no Rig `far`")]});
        let batch: Convoy = object("Convoy", "auth", &json!({}), &lost);
        let found = kinds::convoy::blocked(&batch, &super::super::testing::town());
        assert!(found.permanent);
        assert_eq!(words(&found.by), "person convoy/auth: RefNotFound: no Rig `far`");
    }
}
