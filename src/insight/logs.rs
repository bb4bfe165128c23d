//! Logs of objects: the output of agents at a bead, or of the verification of a branch.

use gastown_crds::Bead;
use kube::ResourceExt;

/// The log of an object, by the names under which its text can be found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogOf {
    /// The output of the agents at a bead.
    Attempts {
        /// The bead.
        bead: String,
        /// Its uid.
        bead_uid: String,
        /// The merge request that says why its newest branch came back, if it did.
        came_back: Option<String>,
    },
    /// The output of the verification of a branch.
    Verification(Verification),
    /// What the program of a gate printed when it was asked last.
    Look {
        /// The job that asked.
        job: String,
        /// The end of what was printed, for when the job's record is gone.
        said: String,
    },
    /// None yet, and why.
    NotYet(String),
}

/// The output of the verification of a branch: the first of these that there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verification {
    /// The job that decided about the branch.
    pub job: Option<String>,
    /// The verdict and the end of the output, as the merge request keeps them.
    pub kept: Option<(String, String)>,
    /// While nothing is decided: the uid of the rig in whose queue it is; empty, if there is no such rig.
    pub queue: Option<String>,
}

impl LogOf {
    /// The log of a bead.
    pub fn bead(bead: &Bead) -> Self {
        if bead.spec.gate.as_ref().is_some_and(|gate| gate.type_.asks_a_program()) {
            let known = bead.status.as_ref().and_then(|status| status.gate.as_ref());
            return known.map_or_else(
                || Self::NotYet(format!("gate {} was not looked at yet", bead.name_any())),
                |known| Self::Look { job: known.job.clone(), said: known.said.clone() },
            );
        }
        let rework = bead.status.as_ref().and_then(|status| status.rework.as_ref());
        Self::Attempts {
            bead: bead.name_any(),
            bead_uid: bead.uid().unwrap_or_default(),
            came_back: rework.map(|rework| rework.merge_request.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{bead, object, polecat, request, rig, town};
    use super::super::{Snapshot, Subject};
    use super::*;
    use gastown_crds::MergeRequest;
    use serde_json::json;

    fn of_bead(name: &str) -> LogOf {
        let (bead, bead_uid) = (name.to_owned(), format!("uid-{name}"));
        LogOf::Attempts { bead, bead_uid, came_back: None }
    }

    #[test]
    fn a_polecat_shows_what_it_works_on_else_what_it_worked_on_last() {
        let mut town = town();
        let idle: gastown_crds::Polecat = object("Polecat", "shop-nux", &json!({}), &json!({}));
        let none = LogOf::NotYet("polecat shop-nux has not worked on anything yet".to_owned());
        assert_eq!(idle.log(&town), Some(none));
        let had = |name: &str, at: &str| -> Bead {
            let mut ready = super::super::testing::condition("Ready", "False", "Closed", "");
            ready["lastTransitionTime"] = at.into();
            object("Bead", name, &json!({}), &json!({"lastPolecat": "shop-nux", "conditions": [ready]}))
        };
        town.add([had("shop-b", "2026-01-02T00:00:00Z"), had("shop-c", "2026-01-01T00:00:00Z")]);
        assert_eq!(idle.log(&town), Some(of_bead("shop-b")));
        town.add([bead("shop-a", &json!({}), "Working", "Claimed", "")]);
        assert_eq!(polecat("True", "Working", "").log(&town), Some(of_bead("shop-a")));
    }

    #[test]
    fn a_branch_that_is_over_shows_what_decided_and_one_that_waits_its_queue() {
        let mut town = town();
        town.add([rig("Ready", "True", "Ok", "")]);
        let waits = request("Queued", "Verifying", "").log(&town);
        let queue = Some("uid-shop".to_owned());
        assert_eq!(waits, Some(LogOf::Verification(Verification { job: None, kept: None, queue })));
        let merged = super::super::testing::condition("Merged", "False", "Red", "makes a green target red");
        let status = json!({"state": "Rejected", "job": "k", "log": "1 failed", "conditions": [merged]});
        let over: MergeRequest = object("MergeRequest", "shop-a-1", &json!({}), &status);
        let kept = Some(("Red: makes a green target red".to_owned(), "1 failed".to_owned()));
        let expected = LogOf::Verification(Verification { job: Some("k".to_owned()), kept, queue: None });
        assert_eq!(over.log(&town), Some(expected));
        assert_eq!(rig("Ready", "True", "Ok", "").log(&Snapshot::new("home", true)), None);
    }
}
