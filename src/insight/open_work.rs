//! Work that is open in a rig or a convoy: counted and named, for a warning before that is deleted.

use gastown_crds::Bead;
use kube::ResourceExt;

use super::Snapshot;

/// Most names that are listed of what is open.
const NAMES_MAX: usize = 5;

/// The words for the sessions of a polecat that is deleted.
pub const SESSIONS: &str =
    "sessions are ended, and what was not handed in is kept in the town's clone (refs/gt/rescue/…)";

/// Beads that are open.
#[derive(Debug)]
pub struct OpenWork<'a> {
    beads: Vec<&'a Bead>,
    /// The number that is being worked on.
    pub working: usize,
    /// The number that was handed in and has not landed.
    pub landing: usize,
}

impl<'a> OpenWork<'a> {
    /// Those among these beads; none, where none is open.
    pub fn among(beads: impl Iterator<Item = &'a Bead>, snapshot: &Snapshot) -> Option<Self> {
        let beads: Vec<&Bead> = beads.filter(|bead| bead.spec.closed.is_none()).collect();
        let lands = |bead: &&&Bead| snapshot.open_request(&bead.name_any()).is_some();
        let at_work = |bead: &&&Bead| bead.spec.assignee.as_ref().is_some_and(|it| it.waiting.is_none());
        let landing = beads.iter().filter(lands).count();
        let working = beads.iter().filter(|bead| at_work(bead) && !lands(bead)).count();
        (!beads.is_empty()).then_some(Self { beads, working, landing })
    }

    /// The number that nobody works on and that is not landing.
    pub fn idle(&self) -> usize {
        self.beads.len() - self.working - self.landing
    }

    /// `2 beads (shop-a, shop-b); 1 being worked on`.
    pub fn words(&self) -> String {
        let mut names: Vec<String> = self.beads.iter().take(NAMES_MAX).map(|bead| bead.name_any()).collect();
        if self.beads.len() > NAMES_MAX {
            names.push("…".to_owned());
        }
        let beads = if self.beads.len() == 1 { "1 bead".to_owned() } else { format!("{} beads", self.beads.len()) };
        let parts: Vec<String> = [(self.working, "being worked on"), (self.landing, "handed in and not landed")]
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        let parts = if parts.is_empty() { String::new() } else { format!("; {}", parts.join(", ")) };
        format!("{beads} ({}){parts}", names.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Subject;
    use super::super::testing::{bead, bead_of_convoy, convoy, object, polecat, request, rig, town};
    use gastown_crds::{Runtime, Town};
    use serde_json::json;

    #[test]
    fn what_is_open_is_counted_by_how_far_it_is() {
        let mut town = town();
        let works = json!({"assignee": {"polecat": "shop-nux", "uid": "1"}});
        let closed = json!({"closed": {"reason": "Merged", "at": "2026-01-01T00:00:00Z", "by": "gt"}});
        town.add([
            bead_of_convoy("shop-a", &works, "Landing", "Landing", ""),
            bead_of_convoy("shop-b", &works, "Working", "Claimed", ""),
            bead_of_convoy("shop-c", &json!({}), "Ready", "Ready", ""),
            bead_of_convoy("shop-d", &closed, "Closed", "Merged", ""),
        ]);
        town.add([request("Queued", "Queued", "")]);
        insta::assert_snapshot!(convoy(4).open_work(&town).unwrap(), @"
        convoy/auth has open work: 3 beads (shop-a, shop-b, shop-c); 1 being worked on, 1 handed in and not landed
          1 is withdrawn; it goes once what is under way has landed
        ");
        insta::assert_snapshot!(rig("Ready", "True", "Ok", "").open_work(&town).unwrap(), @"
        rig/shop has open work: 3 beads (shop-a, shop-b, shop-c); 1 being worked on, 1 handed in and not landed
          its polecats go with it: sessions are ended, and what was not handed in is kept in the town's clone (refs/gt/rescue/…); its beads stay open and wait until a rig `shop` is applied again, and what was handed in is worked again there
        ");
        assert_eq!(convoy(4).open_work(&super::super::testing::town()), None);
    }

    #[test]
    fn what_becomes_of_others_is_said_before_it_is_deleted() {
        let town = town();
        let a = bead_of_convoy("shop-a", &json!({}), "Ready", "Ready", "");
        assert!(a.open_work(&town).unwrap().starts_with("bead/shop-a is of convoy/auth, which creates it again"));
        assert_eq!(bead("shop-a", &json!({}), "Ready", "Ready", "").open_work(&town), None);
        assert!(polecat("True", "Working", "").open_work(&town).unwrap().contains("works on bead/shop-a"));
        assert!(object::<Town>("Town", "town", &json!({}), &json!({})).open_work(&town).is_some());
        assert_eq!(object::<Runtime>("Runtime", "robot", &json!({}), &json!({})).open_work(&town), None);
    }
}
