//! The push: forward only and by a lease; what the remote holds after it, and what is known of it before a fetch.

use gastown_controllers::seen::{Oid, Seen};
use gastown_controllers::world::{Ask, Fact, Job, Replayed, Track};

use super::both_worlds;
use super::story::{Story, repo};
use super::worlds::rig;

both_worlds! {
    a_push_moves_the_remote_and_only_a_fetch_tells_that_it_landed
    a_lease_that_is_out_of_date_is_contended
    the_newest_push_to_a_branch_is_one_for_all_rigs_and_spellings
    a_push_backward_or_of_an_unknown_commit_is_none
    a_forced_push_overwrites_what_the_town_made_and_nothing_else
    a_target_that_somebody_has_checked_out_is_refused_or_updated
}

/// A push from what `main` was to a commit.
fn push(t: &Story, from: Option<&Oid>, to: &Oid) -> Job {
    Job::Push {
        owner: rig(),
        url: t.world.url("shop"),
        branch: "main".into(),
        from: from.cloned(),
        to: to.clone(),
        force: false,
        update_checked_out: false,
        round: 1,
    }
}

fn with(job: &Job, change: impl FnOnce(&mut String, &mut bool, &mut bool, &mut u32)) -> Job {
    let mut job = job.clone();
    if let Job::Push { branch, force, update_checked_out, round, .. } = &mut job {
        change(branch, force, update_checked_out, round);
    }
    job
}

/// A replayed commit that is ready to land on the target; and the target.
fn ready(t: &mut Story) -> (Oid, Oid) {
    t.cloned();
    t.works("nux", "a", &["write", "a", "x", "commit", "change"]);
    let (act, ask) = t.replay(&[t.hands_in("nux", "a")]);
    t.does(&act, "ok");
    t.sees(&ask, "change {a: x; lines: 1 2 3 4 5}");
    (t.target(), landed(t, &ask))
}

/// The same as another commit.
fn again(t: &mut Story) -> Oid {
    let mut later = t.hands_in("nux", "a");
    later.date = "2026-02-02T03:04:05Z".parse().unwrap();
    let (act, ask) = t.replay(&[later]);
    t.does(&act, "ok");
    t.sees(&ask, "change #2 {a: x; lines: 1 2 3 4 5}");
    landed(t, &ask)
}

fn landed(t: &Story, ask: &Ask) -> Oid {
    match t.world.look(ask) {
        Seen::Known(Fact::Replay(Some(results))) => match &results[..] {
            [Replayed::Clean { commit, .. }] => commit.clone(),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

fn a_push_moves_the_remote_and_only_a_fetch_tells_that_it_landed(t: &mut Story) {
    let (target, commit) = ready(t);
    let job = push(t, Some(&target), &commit);
    t.runs(&job, "exited OK");
    assert_eq!(t.world.tip("shop", "main"), Some(commit.clone()));
    t.sees(&repo(None), "main at first {lines: 1 2 3 4 5}");
    // It is there already: whatever the lease says.
    t.runs(&with(&job, |_, _, _, round| *round = 2), "exited OK");
    let job = push(t, Some(&commit), &commit);
    t.runs(&job, "exited OK");
    let job = push(t, None, &commit);
    t.runs(&job, "exited OK");
    let fetch = t.fetch_job("shop", 1);
    t.runs(&fetch, "exited OK");
    t.sees(&repo(None), "main at change {a: x; lines: 1 2 3 4 5}; a-mr landed as change; a done as change");
    t.moves(&[("new", "x")], 2);
    t.sees(
        &repo(None),
        "main at from outside {a: x; lines: 1 2 3 4 5; new: x}; a-mr landed as change; a done as change",
    );
}

fn a_lease_that_is_out_of_date_is_contended(t: &mut Story) {
    let (target, commit) = ready(t);
    t.world.outside("shop", "main", &[("new", "x")]);
    let theirs = t.world.tip("shop", "main");
    for from in [Some(&target), None] {
        let job = push(t, from, &commit);
        t.runs(&job, "exited CONTENDED");
    }
    assert_eq!(t.world.tip("shop", "main"), theirs);
    let absent = with(&push(t, Some(&target), &commit), |branch, _, _, _| *branch = "absent".into());
    t.runs(&absent, "exited CONTENDED");
    assert_eq!(t.world.tip("shop", "absent"), None);
    let made = with(&push(t, None, &commit), |branch, _, _, _| *branch = "absent".into());
    t.runs(&made, "exited OK");
    assert_eq!(t.world.tip("shop", "absent"), Some(commit));
}

fn the_newest_push_to_a_branch_is_one_for_all_rigs_and_spellings(t: &mut Story) {
    let (target, commit) = ready(t);
    let job = push(t, Some(&target), &commit);
    t.runs(&job, "exited OK");
    let newest = |url: String, branch: &str| Ask::Newest(Track::Branch { url, branch: branch.into() });
    let url = t.world.url("shop");
    for spelled in [url.clone(), format!("{url}/"), format!("{url}/../shop/.git")] {
        t.sees(&newest(spelled, "main"), &job.key().0);
    }
    t.sees(&newest(url, "other"), "none");
    t.sees(&newest(t.world.url("other"), "main"), "none");
}

fn a_push_backward_or_of_an_unknown_commit_is_none(t: &mut Story) {
    let (target, commit) = ready(t);
    let job = push(t, Some(&target), &commit);
    t.runs(&job, "exited OK");
    let backward = push(t, Some(&commit), &target);
    t.runs(&backward, "exited FAILED");
    let unknown = push(t, Some(&commit), &Oid("1".repeat(40)));
    t.runs(&unknown, "exited ERROR");
    let from_unknown = push(t, Some(&Oid("1".repeat(40))), &commit);
    t.runs(&from_unknown, "exited ERROR");
    assert_eq!(t.world.tip("shop", "main"), Some(commit.clone()));
    // The remote has it, the clone has not seen it.
    t.world.outside("shop", "main", &[("new", "x")]);
    let not_fetched = push(t, Some(&commit), &t.world.tip("shop", "main").unwrap());
    t.runs(&not_fetched, "exited ERROR");
    let elsewhere = Job::Push {
        owner: rig(),
        url: t.world.url("nowhere"),
        branch: "main".into(),
        from: Some(target),
        to: commit,
        force: false,
        update_checked_out: false,
        round: 1,
    };
    t.runs(&elsewhere, "exited FAILED");
}

fn a_forced_push_overwrites_what_the_town_made_and_nothing_else(t: &mut Story) {
    let (target, first) = ready(t);
    let second = again(t);
    let own = |t: &Story, to: &Oid, of: u32| {
        with(&push(t, Some(&target), to), |branch, force, _, round| {
            (*branch, *force, *round) = ("gastown/a".into(), true, of);
        })
    };
    let (one, two) = (own(t, &first, 1), own(t, &second, 1));
    t.runs(&one, "exited OK");
    t.runs(&own(t, &first, 2), "exited OK");
    assert_eq!(t.world.tip("shop", "gastown/a"), Some(first.clone()));
    t.sees(&repo(None), "main at first {lines: 1 2 3 4 5}; gastown/a as pushed");
    // Not forward, but the town's own.
    t.runs(&two, "exited OK");
    assert_eq!(t.world.tip("shop", "gastown/a"), Some(second.clone()));
    // Somebody else's commit stays: before the town has seen it, and after.
    let fetch = t.fetch_job("shop", 2);
    t.runs(&fetch, "exited OK");
    t.world.outside("shop", "gastown/a", &[("mine", "x")]);
    let theirs = t.world.tip("shop", "gastown/a");
    t.runs(&own(t, &first, 3), "exited CONTENDED");
    let fetch = t.fetch_job("shop", 3);
    t.runs(&fetch, "exited OK");
    t.runs(&own(t, &first, 4), "exited PROTECTED");
    assert_eq!(t.world.tip("shop", "gastown/a"), theirs);
}

fn a_target_that_somebody_has_checked_out_is_refused_or_updated(t: &mut Story) {
    let (target, commit) = ready(t);
    let job = push(t, Some(&target), &commit);
    let update = |of: u32| with(&job, |_, _, update, round| (*update, *round) = (true, of));
    t.world.check_out("shop", true);
    t.runs(&job, "exited CHECKED_OUT");
    t.runs(&update(1), "exited CHECKED_OUT");
    // The lease is looked at before the working copy is.
    let stale = push(t, None, &commit);
    t.runs(&stale, "exited CONTENDED");
    assert_eq!(t.world.tip("shop", "main"), Some(target));
    // Other branches are nobody's business, and so is this one for whom it moves along.
    t.runs(&with(&job, |branch, force, _, _| (*branch, *force) = ("side".into(), true)), "exited OK");
    t.world.check_out("shop", false);
    t.runs(&update(2), "exited OK");
    assert_eq!(t.world.tip("shop", "main"), Some(commit));
}
