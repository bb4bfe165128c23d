//! A rig's repository: its clone, what a fetch brings, and what is refused where nothing was cloned.

use gastown_controllers::seen::Oid;
use gastown_controllers::world::{Act, Ask, AskProgram, AskReplay, Job, JobKey, Replay, SandboxSpec};

use super::both_worlds;
use super::story::{Story, committer, end, job, repo, runs, sandbox, session, verify_job};
use super::worlds::{polecat, rig};

both_worlds! {
    what_was_never_there_is_seen_as_such
    where_nothing_was_cloned_acts_are_refused_and_jobs_cannot_run
    a_clone_is_made_once_and_moves_by_fetches_only
    a_remote_that_is_not_there_or_empty_fails_and_changes_nothing
    a_fetch_from_another_remote_takes_its_branches
    a_head_that_names_no_branch_is_none
    a_clone_that_vanished_is_made_again_and_sandboxes_still_have_their_work
}

fn what_was_never_there_is_seen_as_such(t: &mut Story) {
    t.sees(&repo(None), "not cloned");
    t.sees(&repo(Some("main")), "not cloned");
    t.sees(&sandbox("nux"), "no worktree");
    t.sees(&runs("a"), "");
    t.sees(&job(&JobKey("0".repeat(32))), "absent");
    t.sees(&Ask::Replay(AskReplay("0".repeat(32))), "no replay");
    t.sees(&Ask::Program(AskProgram("sh".into())), "true");
    t.sees(&Ask::Program(AskProgram("gt-no-such-program".into())), "false");
    t.sees(&Ask::Limiting, "limits or a reason");
    t.sees(&Ask::Machine, "some cores");
    t.sees(&Ask::Free, "some free");
}

fn where_nothing_was_cloned_acts_are_refused_and_jobs_cannot_run(t: &mut Story) {
    t.world.add_remote("shop", Some(&[("lines", "1")]));
    let (commit, sandbox) = (Oid("1".repeat(40)), polecat("nux"));
    let (base, start, target) = (commit.clone(), commit.clone(), commit.clone());
    let spec = SandboxSpec { owner: rig(), prepared: "p".into(), branch: "polecat/nux/a".into(), base, start, target };
    t.does(&Act::EnsureSandbox { sandbox: sandbox.clone(), spec }, "refused: NotCloned");
    let replay = Act::EnsureReplay(Replay {
        owner: rig(),
        key: "k".into(),
        onto: commit.clone(),
        candidates: Vec::new(),
        committer: committer(),
    });
    t.does(&replay, "refused: NotCloned");
    t.does(&Act::Archive { owner: rig(), name: "mr".into(), head: commit.clone() }, "refused: NotCloned");
    let attempt = t.attempt("nux", "a", 1, &["exit", "0"]);
    t.does(&session("nux", &attempt), "refused: BackOff");
    t.does(&end("nux"), "ok");
    t.does(&Act::RemoveSandbox { sandbox }, "ok");
    t.sees(&runs("a"), "");
    t.sees(&Ask::Replay(AskReplay("k".into())), "no replay");

    let fetch = t.fetch_job("shop", 1);
    let url = t.world.url("shop");
    let push = Job::Push {
        owner: rig(),
        url,
        branch: "main".into(),
        from: None,
        to: commit.clone(),
        force: false,
        update_checked_out: false,
        round: 1,
    };
    let setup = t.setup_job("nux", "p", "true", 1);
    for job in [fetch, setup, verify_job(&commit, &commit, &["true"], 1), push] {
        t.runs(&job, "exited ERROR");
    }
    t.sees(&repo(None), "not cloned");
}

fn a_clone_is_made_once_and_moves_by_fetches_only(t: &mut Story) {
    t.cloned();
    t.sees(&repo(None), "main at first {lines: 1 2 3 4 5}");
    t.sees(&repo(Some("main")), "main at first {lines: 1 2 3 4 5}");
    t.sees(&repo(Some("trunk")), "trunk is not there");

    t.world.outside("shop", "main", &[("new", "x")]);
    let again = t.clone_job("shop", 2);
    t.runs(&again, "exited OK");
    t.sees(&repo(None), "main at first {lines: 1 2 3 4 5}");
    let fetch = t.fetch_job("shop", 1);
    t.runs(&fetch, "exited OK");
    t.sees(&repo(None), "main at from outside {lines: 1 2 3 4 5; new: x}");

    // The same fetch is the same job: it was run.
    t.world.outside("shop", "main", &[("new", "y")]);
    t.runs(&fetch, "exited OK");
    t.sees(&repo(None), "main at from outside {lines: 1 2 3 4 5; new: x}");
    t.world.outside("shop", "trunk", &[("new", "z")]);
    let fetch = t.fetch_job("shop", 2);
    t.runs(&fetch, "exited OK");
    t.sees(&repo(None), "main at from outside #2 {lines: 1 2 3 4 5; new: y}");
    t.sees(&repo(Some("trunk")), "trunk at from outside #3 {lines: 1 2 3 4 5; new: z}");
    t.world.delete("shop", "trunk");
    let fetch = t.fetch_job("shop", 3);
    t.runs(&fetch, "exited OK");
    t.sees(&repo(Some("trunk")), "trunk is not there");
    t.sees(&repo(Some("main")), "main at from outside #2 {lines: 1 2 3 4 5; new: y}");
}

fn a_remote_that_is_not_there_or_empty_fails_and_changes_nothing(t: &mut Story) {
    t.world.add_remote("empty", None);
    for (remote, how) in [("nowhere", "exited FAILED"), ("empty", "exited NO_BRANCH")] {
        let clone = t.clone_job(remote, 1);
        t.runs(&clone, how);
        t.sees(&repo(None), "not cloned");
    }
    t.cloned();
    for (remote, how) in [("nowhere", "exited FAILED"), ("empty", "exited NO_BRANCH")] {
        let fetch = t.fetch_job(remote, 1);
        t.runs(&fetch, how);
        t.sees(&repo(None), "main at first {lines: 1 2 3 4 5}");
        // What is cloned is there already, whatever became of the remote.
        let clone = t.clone_job(remote, 2);
        t.runs(&clone, "exited OK");
        t.sees(&repo(None), "main at first {lines: 1 2 3 4 5}");
    }
}

fn a_fetch_from_another_remote_takes_its_branches(t: &mut Story) {
    t.cloned();
    t.world.outside("shop", "trunk", &[("old", "x")]);
    let fetch = t.fetch_job("shop", 1);
    t.runs(&fetch, "exited OK");
    t.world.add_remote("other", Some(&[("other", "x")]));
    let fetch = t.fetch_job("other", 1);
    t.runs(&fetch, "exited OK");
    // What was on `main` before is not any more.
    t.sees(&repo(None), "main at first {other: x}; first #2 has left");
    t.sees(&repo(Some("trunk")), "trunk is not there");
}

fn a_head_that_names_no_branch_is_none(t: &mut Story) {
    t.world.add_remote("shop", None);
    t.world.outside("shop", "trunk", &[("lines", "1")]);
    let clone = t.clone_job("shop", 1);
    t.runs(&clone, "exited OK");
    t.sees(&repo(None), "no branch");
    t.sees(&repo(Some("trunk")), "trunk at from outside {lines: 1}");
    t.world.outside("shop", "main", &[("lines", "2")]);
    let fetch = t.fetch_job("shop", 1);
    t.runs(&fetch, "exited OK");
    t.sees(&repo(None), "main at from outside #2 {lines: 2}");
    t.world.delete("shop", "main");
    let fetch = t.fetch_job("shop", 2);
    t.runs(&fetch, "exited OK");
    t.sees(&repo(None), "no branch");
}

fn a_clone_that_vanished_is_made_again_and_sandboxes_still_have_their_work(t: &mut Story) {
    t.cloned();
    t.works("nux", "a", &["write", "a", "x", "commit", "change"]);
    let candidate = t.hands_in("nux", "a");
    t.world.lose_clone(&rig());
    t.sees(&repo(None), "not cloned");
    t.sees(&sandbox("nux"), "in no preparation");
    let spec = t.attempt("nux", "a", 2, &["exit", "0"]);
    t.does(&session("nux", &spec), "refused: BackOff");
    t.sees(&runs("a"), "1: ended with 0 by itself");
    let again = t.clone_job("shop", 2);
    t.runs(&again, "exited OK");
    t.sees(&repo(None), "main at first {lines: 1 2 3 4 5}");
    let (act, ask) = t.replay(&[candidate]);
    t.does(&act, "ok");
    t.sees(&ask, "missing");
    // Its own repository still has what it did, and can borrow again.
    t.sees(&sandbox("nux"), "for-a on polecat/nux/a from first");
    assert_eq!(t.kept(), [""; 0]);
    t.hand_in("nux", "a");
    let kept = ["heads/polecat/nux/a: change {a: x; lines: 1 2 3 4 5}"];
    assert_eq!(t.kept(), kept);
    t.world.lose_clone(&rig());
    let again = t.clone_job("shop", 3);
    t.runs(&again, "exited OK");
    t.prepares("nux", "b");
    t.sees(&sandbox("nux"), "for-b on polecat/nux/b from first");
    assert_eq!(t.kept(), [kept[0], "heads/polecat/nux/b: first {lines: 1 2 3 4 5}"]);
    // One whose clone is gone for good goes without it.
    t.world.lose_clone(&rig());
    t.does(&Act::RemoveSandbox { sandbox: polecat("nux") }, "ok");
    t.sees(&sandbox("nux"), "no worktree");
}
