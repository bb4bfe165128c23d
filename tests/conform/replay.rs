//! The replay: what becomes of each candidate, in order, and that equal inputs give equal commits.

use gastown_controllers::seen::Oid;
use gastown_controllers::world::{Act, Ask, AskReplay, Candidate, Replay};

use super::both_worlds;
use super::story::{Story, repo};
use super::worlds::rig;

both_worlds! {
    candidates_land_in_order_and_one_that_conflicts_is_left_out
    equal_inputs_give_equal_commits_and_a_record_stands
    what_changes_nothing_any_more_is_empty
    conflicts_name_their_files
    what_the_clone_does_not_hold_is_missing_and_nothing_is_replayed_onto_it
    what_is_archived_stays_and_unknown_commits_are_not_archived
}

fn candidates_land_in_order_and_one_that_conflicts_is_left_out(t: &mut Story) {
    t.cloned();
    let one = ["write", "lines", "one 2 3 4 5", "commit", "one", "write", "more", "x", "commit", "more"];
    t.works("nux", "one", &one);
    t.works("toast", "uno", &["write", "lines", "uno 2 3 4 5", "commit", "uno"]);
    t.works("max", "five", &["write", "lines", "1 2 3 4 five", "commit", "five"]);
    t.works("ace", "same", &["write", "lines", "1 2 3 4 five", "commit", "five too"]);
    let names = [("nux", "one"), ("toast", "uno"), ("max", "five"), ("ace", "same")];
    let candidates = names.map(|(name, bead)| t.hands_in(name, bead));
    t.moves(&[("new", "x")], 1);
    t.sees(&repo(None), "main at from outside {lines: 1 2 3 4 5; new: x}");

    let (act, ask) = t.replay(&candidates);
    t.sees(&ask, "no replay");
    t.does(&act, "ok");
    let landed = "more {lines: one 2 3 4 5; more: x; new: x}; conflict in lines; \
                  five {lines: one 2 3 4 five; more: x; new: x}; empty";
    t.sees(&ask, landed);
    t.does(&act, "ok");
    t.sees(&ask, landed);
    // In another order, it is the other that conflicts, and what comes first is the same commit whatever follows.
    let [one, uno, five, _] = candidates;
    let (act, ask) = t.replay(&[uno.clone(), one, five]);
    t.does(&act, "ok");
    t.sees(&ask, "uno {lines: uno 2 3 4 5; new: x}; conflict in lines; five #2 {lines: uno 2 3 4 five; new: x}");
    let (act, ask) = t.replay(&[uno]);
    t.does(&act, "ok");
    t.sees(&ask, "uno {lines: uno 2 3 4 5; new: x}");
    // What was replayed is on no branch: the target stands.
    t.sees(&repo(None), "main at from outside {lines: 1 2 3 4 5; new: x}");
}

fn equal_inputs_give_equal_commits_and_a_record_stands(t: &mut Story) {
    t.cloned();
    t.works("nux", "a", &["write", "a", "x", "commit", "change"]);
    let candidate = t.hands_in("nux", "a");
    t.moves(&[("new", "x")], 1);
    let (act, ask) = t.replay(std::slice::from_ref(&candidate));
    t.does(&act, "ok");
    t.sees(&ask, "change {a: x; lines: 1 2 3 4 5; new: x}");
    let with = |t: &mut Story, key: &str, change: &dyn Fn(&mut Act)| {
        let mut other = act.clone();
        if let Act::EnsureReplay(Replay { key: k, .. }) = &mut other {
            key.clone_into(k);
        }
        change(&mut other);
        t.does(&other, "ok");
        t.look(&Ask::Replay(AskReplay(key.into())))
    };
    let first = |act: &mut Act, change: fn(&mut Candidate)| {
        if let Act::EnsureReplay(Replay { candidates, .. }) = act {
            change(&mut candidates[0]);
        }
    };
    let files = "{a: x; lines: 1 2 3 4 5; new: x}";
    assert_eq!(with(t, "again", &|_| {}), format!("change {files}"));
    let later = |act: &mut Act| first(act, |c| c.date = "2026-02-02T03:04:05Z".parse().unwrap());
    assert_eq!(with(t, "later", &later), format!("change #2 {files}"));
    let renamed = |act: &mut Act| first(act, |c| c.merge_request = "other-mr".into());
    assert_eq!(with(t, "renamed", &renamed), format!("change #3 {files}"));
    let by_another = |act: &mut Act| {
        if let Act::EnsureReplay(Replay { committer, .. }) = act {
            committer.name = "Another".into();
        }
    };
    assert_eq!(with(t, "by another", &by_another), format!("change #4 {files}"));
    // A record is good for ever: it is not made again from other inputs.
    assert_eq!(with(t, "again", &by_another), format!("change {files}"));
}

fn what_changes_nothing_any_more_is_empty(t: &mut Story) {
    t.cloned();
    t.works("nux", "a", &["write", "a", "x", "commit", "change"]);
    t.works("toast", "b", &["write", "b", "x", "commit", "there", "remove", "b", "commit", "back"]);
    let (a, b) = (t.hands_in("nux", "a"), t.hands_in("toast", "b"));
    let nothing = Candidate { head: a.base.clone(), merge_request: "nothing-mr".into(), ..a.clone() };
    t.moves(&[("a", "x")], 1);
    let (act, ask) = t.replay(&[a, nothing]);
    t.does(&act, "ok");
    t.sees(&ask, "empty; empty");
    // Two commits that undo each other are two commits.
    let (act, ask) = t.replay(&[b]);
    t.does(&act, "ok");
    t.sees(&ask, "back {a: x; lines: 1 2 3 4 5}");
    // Nothing at all gives as much, and that is recorded too.
    let (act, ask) = t.replay(&[]);
    t.sees(&ask, "no replay");
    t.does(&act, "ok");
    t.sees(&ask, "");
}

fn conflicts_name_their_files(t: &mut Story) {
    t.cloned();
    t.moves(&[("gone", "x"), ("kept", "x")], 1);
    t.works("nux", "remove", &["remove", "gone", "remove", "kept", "commit", "remove"]);
    t.works("toast", "add", &["write", "z", "ours", "write", "lines", "one 2 3 4 5", "commit", "add"]);
    let late = ["write", "late", "x", "commit", "fine", "write", "lines", "uno 2 3 4 5", "commit", "not fine"];
    t.works("max", "late", &late);
    let candidates = [("nux", "remove"), ("toast", "add"), ("max", "late")].map(|(name, bead)| t.hands_in(name, bead));
    t.moves(&[("gone", "y"), ("z", "theirs"), ("lines", "eins 2 3 4 5")], 2);
    let (act, ask) = t.replay(&candidates);
    t.does(&act, "ok");
    t.sees(&ask, "conflict in gone; conflict in lines, z; conflict in lines");
}

fn what_the_clone_does_not_hold_is_missing_and_nothing_is_replayed_onto_it(t: &mut Story) {
    t.cloned();
    t.works("nux", "a", &["write", "a", "x", "commit", "change"]);
    let a = t.hands_in("nux", "a");
    t.world.outside("shop", "main", &[("new", "x")]);
    // One that never was, and one that the remote has and nobody has fetched.
    for unknown in [Oid("1".repeat(40)), t.world.tip("shop", "main").unwrap()] {
        let with = |head: &Oid, base: &Oid| Candidate { head: head.clone(), base: base.clone(), ..a.clone() };
        for candidate in [with(&unknown, &a.base), with(&a.head, &unknown)] {
            let (act, ask) = t.replay(&[candidate, a.clone()]);
            t.does(&act, "ok");
            t.sees(&ask, "missing; change {a: x; lines: 1 2 3 4 5}");
        }
        let (mut act, ask) = t.replay(std::slice::from_ref(&a));
        if let Act::EnsureReplay(Replay { onto, .. }) = &mut act {
            *onto = unknown;
        }
        t.does(&act, "refused: GitUnreadable");
        t.sees(&ask, "no replay");
    }
}

fn what_is_archived_stays_and_unknown_commits_are_not_archived(t: &mut Story) {
    t.cloned();
    t.works("nux", "a", &["write", "a", "x", "commit", "change"]);
    let head = t.hands_in("nux", "a").head;
    let archive = |head: &Oid| Act::Archive { owner: rig(), name: "a-mr".into(), head: head.clone() };
    for _ in 0..2 {
        t.does(&archive(&head), "ok");
        assert_eq!(t.at("archive/a-mr"), head);
    }
    t.does(&archive(&Oid("1".repeat(40))), "refused: GitFailed");
    assert_eq!(t.at("archive/a-mr"), head);
}
