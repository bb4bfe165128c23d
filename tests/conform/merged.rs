//! What people do with what the town made: merged by patch, with an edit, in part, taken back; and the town's own branches.

use gastown_controllers::seen::{Oid, Seen};
use gastown_controllers::world::{Candidate, Fact, Job, Replayed};

use super::both_worlds;
use super::story::{Story, merged, repo};
use super::worlds::rig;

both_worlds! {
    one_commit_of_two_is_not_all
    commits_that_are_taken_over_under_other_names_are_there_by_their_patch
    a_squash_is_there_by_its_patch_its_tree_or_as_an_edit
    an_amended_commit_is_an_edit_and_a_name_alone_is_nothing
    what_leaves_the_target_is_told_until_it_is_back
    what_was_pushed_and_taken_back_before_a_fetch_has_left
    a_branch_of_the_towns_own_is_removed_unless_somebody_moved_it
}

/// Two commits, handed in and left as `gastown/a`; what the town made of them.
fn left_as_a_branch(t: &mut Story) -> (Candidate, [Oid; 2]) {
    t.cloned();
    let two = ["write", "lines", "one 2 3 4 5", "commit", "first change", "write", "b", "x", "commit", "second change"];
    t.works("nux", "a", &two);
    let candidate = t.hands_in("nux", "a");
    t.moves(&[("new", "x")], 100);
    let (act, ask) = t.replay(std::slice::from_ref(&candidate));
    t.does(&act, "ok");
    let Seen::Known(Fact::Replay(Some(results))) = t.world.look(&ask) else { panic!("it was replayed") };
    let [Replayed::Clean { commit, .. }] = &results[..] else { panic!("{results:?}") };
    let commit = commit.clone();
    t.runs(&own(t, &commit, 1), "exited OK");
    let first = t.world.parent(&commit);
    (candidate, [first, commit])
}

fn own(t: &Story, to: &Oid, round: u32) -> Job {
    Job::Push {
        owner: rig(),
        url: t.world.url("shop"),
        branch: "gastown/a".into(),
        from: None,
        to: to.clone(),
        force: true,
        update_checked_out: false,
        round,
    }
}

fn fetches(t: &mut Story, round: u32) {
    let fetch = t.fetch_job("shop", round);
    t.runs(&fetch, "exited OK");
}

fn one_commit_of_two_is_not_all(t: &mut Story) {
    let (candidate, [first, made]) = left_as_a_branch(t);
    let asks = [merged(&candidate, Some(&made)), merged(&candidate, None)];
    for ask in &asks {
        t.sees(ask, "not merged");
    }
    t.world.pick("shop", &first, true, &[]);
    fetches(t, 1);
    for ask in &asks {
        t.sees(ask, "lacks second change of 2");
    }
    t.world.pick("shop", &made, true, &[]);
    t.sees(&asks[0], "lacks second change of 2");
    fetches(t, 2);
    for ask in &asks {
        t.sees(ask, "merged as second change");
    }
    // The commit that was pushed itself.
    t.world.reset("shop", &made);
    fetches(t, 3);
    t.sees(&asks[0], "merged as second change #2");
}

fn commits_that_are_taken_over_under_other_names_are_there_by_their_patch(t: &mut Story) {
    let (candidate, [first, made]) = left_as_a_branch(t);
    let ask = merged(&candidate, Some(&made));
    t.world.pick("shop", &made, false, &[]);
    t.world.outside("shop", "main", &[("more", "x")]);
    fetches(t, 1);
    // Nothing names the merge request: somebody may have done half of the same.
    t.sees(&ask, "not merged");
    t.world.pick("shop", &first, false, &[]);
    fetches(t, 2);
    t.sees(&ask, "merged as picked");
}

fn a_squash_is_there_by_its_patch_its_tree_or_as_an_edit(t: &mut Story) {
    let (candidate, [_, made]) = left_as_a_branch(t);
    let (ask, main) = (merged(&candidate, Some(&made)), t.target());
    t.world.squash("shop", "gastown/a", false, &[]);
    fetches(t, 1);
    t.sees(&ask, "merged as from outside");
    t.world.reset("shop", &main);
    t.world.squash("shop", "gastown/a", false, &[("changelog", "x")]);
    fetches(t, 2);
    t.sees(&ask, "all there");
    t.world.reset("shop", &main);
    t.world.squash("shop", "gastown/a", true, &[("lines", "uno 2 3 4 5")]);
    fetches(t, 3);
    t.sees(&ask, "merged as from outside #2");
    // Without a name, people have to say what it is.
    t.world.reset("shop", &main);
    t.world.squash("shop", "gastown/a", false, &[("lines", "uno 2 3 4 5")]);
    fetches(t, 4);
    t.sees(&ask, "looks like from outside #3");
    t.sees(&merged(&candidate, None), "not merged");
    t.world.reset("shop", &main);
    t.world.squash("shop", "gastown/a", false, &[("lines", "uno 2 3 4 5"), ("b", "y")]);
    fetches(t, 5);
    t.sees(&ask, "not merged");
}

fn an_amended_commit_is_an_edit_and_a_name_alone_is_nothing(t: &mut Story) {
    let (candidate, [first, made]) = left_as_a_branch(t);
    let (ask, main) = (merged(&candidate, Some(&made)), t.target());
    t.world.pick("shop", &first, true, &[("lines", "uno 2 3 4 5")]);
    fetches(t, 1);
    t.sees(&ask, "lacks second change of 2");
    t.world.pick("shop", &made, true, &[("b", "y")]);
    fetches(t, 2);
    t.sees(&ask, "merged as second change");
    t.world.reset("shop", &main);
    t.world.pick("shop", &first, true, &[("lines", "1 2 3 4 5"), ("other", "x")]);
    fetches(t, 3);
    t.sees(&ask, "lacks first change, second change of 2");
}

fn what_leaves_the_target_is_told_until_it_is_back(t: &mut Story) {
    let (_, [_, made]) = left_as_a_branch(t);
    let main = t.target();
    let push = match own(t, &made, 1) {
        Job::Push { owner, url, to, update_checked_out, round, .. } => {
            let (branch, from) = ("main".to_owned(), Some(main.clone()));
            Job::Push { owner, url, branch, from, to, force: false, update_checked_out, round }
        }
        other => other,
    };
    t.runs(&push, "exited OK");
    fetches(t, 1);
    let there = "main at second change {b: x; lines: one 2 3 4 5; new: x}; a-mr landed as second change; a done as second change; gastown/a as pushed";
    t.sees(&repo(None), there);
    t.world.reset("shop", &main);
    t.sees(&repo(None), there);
    let left = "gastown/a as pushed; first change of a-mr has left; second change of a-mr has left";
    for round in [2, 3] {
        fetches(t, round);
        t.sees(&repo(None), &format!("main at from outside {{lines: 1 2 3 4 5; new: x}}; {left}"));
    }
    // Others go on from there.
    t.moves(&[("more", "x")], 4);
    t.sees(&repo(None), &format!("main at from outside #2 {{lines: 1 2 3 4 5; more: x; new: x}}; {left}"));
    t.world.reset("shop", &made);
    fetches(t, 5);
    t.sees(&repo(None), &format!("{there}; from outside #2 has left"));
    // A branch that nothing landed on may go.
    t.world.outside("shop", "side", &[("side", "x")]);
    fetches(t, 6);
    t.world.delete("shop", "side");
    fetches(t, 7);
    t.sees(&repo(Some("side")), "side is not there");
}

fn what_was_pushed_and_taken_back_before_a_fetch_has_left(t: &mut Story) {
    let (candidate, [_, made]) = left_as_a_branch(t);
    let main = t.target();
    let Job::Push { owner, url, to, .. } = own(t, &made, 1) else { panic!("it is a push") };
    let (branch, from) = ("main".to_owned(), Some(main.clone()));
    let push = Job::Push { owner, url, branch, from, to, force: false, update_checked_out: false, round: 1 };
    t.runs(&push, "exited OK");
    t.world.reset("shop", &main);
    let at = "main at from outside {lines: 1 2 3 4 5; new: x}; gastown/a as pushed";
    t.sees(&repo(None), at);
    fetches(t, 1);
    t.sees(&repo(None), &format!("{at}; first change of a-mr has left; second change of a-mr has left"));
    t.sees(&merged(&candidate, Some(&made)), "not merged");
}

fn a_branch_of_the_towns_own_is_removed_unless_somebody_moved_it(t: &mut Story) {
    let (_, [first, made]) = left_as_a_branch(t);
    let remove = |t: &Story, pushed: &Oid, round: u32| Job::RemoveBranch {
        owner: rig(),
        url: t.world.url("shop"),
        branch: "gastown/a".into(),
        pushed: pushed.clone(),
        round,
    };
    let at = "main at from outside {lines: 1 2 3 4 5; new: x}";
    t.runs(&remove(t, &first, 1), "exited PROTECTED");
    t.world.outside("shop", "gastown/a", &[("mine", "x")]);
    let theirs = t.world.tip("shop", "gastown/a");
    t.runs(&remove(t, &made, 1), "exited CONTENDED");
    fetches(t, 1);
    t.sees(&repo(None), &format!("{at}; gastown/a at from outside #2"));
    t.runs(&remove(t, &made, 2), "exited PROTECTED");
    assert_eq!(t.world.tip("shop", "gastown/a"), theirs);
    // What is gone by itself is not asked of the remote.
    t.world.delete("shop", "gastown/a");
    fetches(t, 2);
    t.sees(&repo(None), &format!("{at}; gastown/a not there"));
    t.runs(&remove(t, &made, 3), "exited OK");
    t.sees(&repo(None), at);
    t.runs(&own(t, &made, 2), "exited OK");
    t.sees(&repo(None), &format!("{at}; gastown/a as pushed"));
    t.runs(&remove(t, &made, 4), "exited OK");
    assert_eq!(t.world.tip("shop", "gastown/a"), None);
    t.sees(&repo(None), at);
}
