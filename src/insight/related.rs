//! Related objects, as sections of rows: the beads of a convoy, the attempts and merge requests of a bead, the queue of a
//! rig.

use jiff::Timestamp;

/// Objects or attempts that are related to something in one way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// The relation, such as `Needs`.
    pub title: &'static str,
    /// Its columns.
    pub columns: Columns,
    /// The rows.
    pub rows: Vec<Vec<Cell>>,
}

/// The columns of a section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Columns {
    /// A heading for each.
    pub headings: &'static [&'static str],
    /// Those that consist of words and may be cut in a narrow terminal, the first of them first.
    pub words: &'static [&'static str],
    /// Those that may be left out in a narrow terminal, the first of them first.
    pub spare: &'static [&'static str],
}

/// One field of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    /// A text, as it is.
    Text(String),
    /// An instant, of which people want to know how long ago it is.
    Since(Timestamp),
    /// There is nothing to say.
    Nothing,
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        if text.is_empty() { Self::Nothing } else { Self::Text(text) }
    }
}

impl From<Option<String>> for Cell {
    fn from(text: Option<String>) -> Self {
        text.map_or(Self::Nothing, Self::from)
    }
}

impl Section {
    /// A section of these rows.
    pub fn new(title: &'static str, columns: Columns, rows: impl IntoIterator<Item = Vec<Cell>>) -> Self {
        Self { title, columns, rows: rows.into_iter().collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{bead, bead_of_convoy, convoy, object, polecat, request, rig, town};
    use super::super::{Snapshot, Subject};
    use super::*;
    use gastown_controllers::world::{Attempt, AttemptEnd, AttemptState};
    use gastown_crds::{Convoy, Town};
    use kube::ResourceExt;
    use serde_json::json;

    /// The sections that have rows.
    fn related(subject: &impl Subject, snapshot: &Snapshot) -> String {
        let cell = |cell: &Cell| match cell {
            Cell::Text(text) => text.clone(),
            Cell::Since(then) => then.to_string(),
            Cell::Nothing => "-".to_owned(),
        };
        let mut lines = Vec::new();
        for section in subject.related(snapshot).into_iter().filter(|section| !section.rows.is_empty()) {
            assert!(section.rows.iter().all(|row| row.len() == section.columns.headings.len()), "{section:?}");
            lines.push(format!("{}: {}", section.title, section.columns.headings.join(" ")));
            lines.extend(section.rows.iter().map(|row| row.iter().map(cell).collect::<Vec<_>>().join(" | ")));
        }
        lines.join("\n")
    }

    #[test]
    fn a_bead_has_to_do_with_what_it_needs_and_what_came_of_it() {
        let mut town = town();
        let step = json!({"type": "Step", "parent": "shop-b", "title": "Do it"});
        town.add([
            bead("shop-a", &json!({}), "Working", "Claimed", ""),
            bead("shop-b", &json!({"needs": ["shop-a"]}), "Waiting", "NeedsOpen", "waits for shop-a"),
            bead("shop-b.work", &step, "Ready", "Ready", ""),
            bead("shop-c", &json!({"needs": ["shop-b"]}), "Waiting", "NeedsOpen", "waits for shop-b"),
        ]);
        let mut mine = request("Queued", "Verifying", "");
        mine.spec.bead = "shop-b".to_owned();
        town.add([mine]);
        let end = |own| AttemptEnd {
            code: 1,
            own,
            at: Timestamp::UNIX_EPOCH,
            tail: String::new(),
            out_of_memory: None,
            activity: None,
        };
        let states = [
            AttemptState::Ended(end(true)),
            AttemptState::Ended(end(false)),
            AttemptState::Lost { at: Timestamp::UNIX_EPOCH },
            AttemptState::Running,
            AttemptState::Intended,
        ];
        let run = |(attempt, state)| Attempt { attempt, work: String::new(), state, conversation: None, runtime: None };
        town.put_attempts("uid-shop-b", (1..).zip(states).map(run).collect());
        insta::assert_snapshot!(related(town.bead("shop-b").unwrap(), &town), @"
        Needs: NAME STATE REASON POLECAT ATTEMPTS TITLE
        shop-a | Working | Claimed | - | 0 | Say width
        Needed by: NAME STATE REASON POLECAT ATTEMPTS TITLE
        shop-c | Waiting | NeedsOpen | - | 0 | Say width
        Steps: NAME STATE REASON POLECAT ATTEMPTS TITLE
        shop-b.work | Ready | Ready | - | 0 | Do it
        Runtime: NAME NAMED BY
        script | -
        Attempts: ATTEMPT STATE OUTPUT
        1 | ended with 1 | gt logs bead/shop-b --attempt 1
        2 | ended by the town | gt logs bead/shop-b --attempt 2
        3 | lost with its machine or tmux | gt logs bead/shop-b --attempt 3
        4 | running | gt logs bead/shop-b --attempt 4
        5 | not started | gt logs bead/shop-b --attempt 5
        Merge requests: NAME STATE REASON ATTEMPT HEAD AGE MESSAGE
        shop-a-1 | Queued | Verifying | 1 | 012345678 | - | -
        ");
    }

    #[test]
    fn an_open_bead_shows_the_runtime_that_works_on_it_and_whose_word_that_is() {
        let mut town = town();
        let mut add = |runtime: &str, spec: &serde_json::Value| {
            let mut shop = rig("Ready", "True", "Ok", "");
            shop.spec.runtime = Some("codex".to_owned());
            town.add([shop]);
            let mut nux = polecat("True", "Working", "");
            nux.spec.runtime = (!runtime.is_empty()).then(|| runtime.to_owned());
            town.add([nux]);
            related(&bead("shop-a", spec, "Working", "Claimed", ""), &town)
        };
        let had = json!({"rig": "shop", "assignee": {"polecat": "shop-nux", "uid": "1"}});
        assert_eq!(add("", &had), "Runtime: NAME NAMED BY\ncodex | rig/shop");
        assert_eq!(add("mine", &had), "Runtime: NAME NAMED BY\nmine | polecat/shop-nux");
        let named = json!({"rig": "shop", "runtime": "claude", "assignee": {"polecat": "shop-nux", "uid": "1"}});
        assert_eq!(add("mine", &named), "Runtime: NAME NAMED BY\nclaude | bead/shop-a");
    }

    #[test]
    fn a_convoy_shows_the_beads_that_it_declares_until_they_are_made() {
        let beads = json!({"rig": "shop", "beads": [
            {"name": "a", "title": "A"}, {"name": "b", "title": "B", "rig": "till", "needs": ["a"]},
        ]});
        let convoy: Convoy = object("Convoy", "auth", &beads, &json!({}));
        let mut town = town();
        insta::assert_snapshot!(related(&convoy, &town), @"
        Beads: BEAD RIG NEEDS TITLE
        a | shop | - | A
        b | till | a | B
        ");
        let mut made = bead_of_convoy("shop-a", &json!({}), "Ready", "Ready", "");
        made.labels_mut().insert("gastown.io/bead".to_owned(), "a".to_owned());
        town.add([made]);
        insta::assert_snapshot!(related(&convoy, &town), @"
        Beads: NAME BEAD STATE REASON POLECAT ATTEMPTS TITLE
        a | shop-a | Ready | Ready | - | 0 | Say width
        ");
    }

    #[test]
    fn a_rig_has_a_queue_and_polecats_and_a_town_has_rigs() {
        let mut town = town();
        let shop = rig("Ready", "True", "Ok", "");
        town.add([polecat("True", "Working", "")]);
        let mut over = request("Merged", "Merged", "");
        over.metadata.name = Some("shop-a-0".to_owned());
        town.add([over, request("Queued", "BaseRed", "red:\nmore")]);
        insta::assert_snapshot!(related(&shop, &town), @"
        Queue: NAME STATE REASON ATTEMPT HEAD AGE MESSAGE
        shop-a-1 | Queued | BaseRed | 1 | 012345678 | - | red
        Polecats: NAME STATE BEAD ATTEMPT
        shop-nux | Idle | shop-a | -
        ");
        town.add([shop]);
        insta::assert_snapshot!(related(&object::<Town>("Town", "town", &json!({}), &json!({})), &town), @"
        Rigs: NAME READY BRANCH QUEUE
        shop | Ok | - | 0
        ");
        town.add([bead("shop-a", &json!({}), "Working", "Claimed", "")]);
        insta::assert_snapshot!(related(&polecat("True", "Working", ""), &town), @"
        Bead: NAME STATE REASON POLECAT ATTEMPTS TITLE
        shop-a | Working | Claimed | - | 0 | Say width
        ");
        assert_eq!(related(&convoy(0), &town), "");
    }
}
