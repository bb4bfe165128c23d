//! Jobs: each runs once, ends for good, and what its end means; and a look that fails says since when.

use gastown_controllers::seen::{Oid, Seen};
use gastown_controllers::world::WorldEvent;
use gastown_controllers::world::{Act, Ask, Fact, Job, JobKey, JobState, Replayed};
use jiff::Timestamp;

use super::both_worlds;
use super::story::{Story, job, verify_job};
use super::worlds::polecat;

both_worlds! {
    a_job_runs_once
    a_job_whose_machine_dies_stays_lost
    jobs_of_one_track_run_one_after_another
    a_setup_works_fails_or_cannot_run
    a_verdict_is_green_red_or_neither
    a_verdict_belongs_to_the_tree
    what_cannot_be_seen_says_since_when
}

fn a_job_runs_once(t: &mut Story) {
    t.cloned();
    t.prepares("nux", "a");
    let setup = t.setup_job("nux", "for-a", &t.world.waits("gate"), 1);
    t.sees(&job(&setup.key()), "absent");
    for _ in 0..2 {
        t.does(&Act::EnsureJob(setup.clone()), "ok");
        t.sees(&job(&setup.key()), "running");
    }
    t.world.open("gate");
    t.comes_to_see(&job(&setup.key()), "exited OK");
    t.is_told(&WorldEvent::Job(setup.key()));
    t.does(&Act::EnsureJob(setup.clone()), "ok");
    t.sees(&job(&setup.key()), "exited OK");
    // One that failed stays so too: to try again is another round.
    let (first, second) = (t.setup_job("nux", "for-a", "exit 3", 1), t.setup_job("nux", "for-a", "exit 3", 2));
    t.runs(&first, "exited FAILED");
    t.does(&Act::EnsureJob(first.clone()), "ok");
    t.sees(&job(&first.key()), "exited FAILED");
    t.sees(&job(&second.key()), "absent");
    t.runs(&second, "exited FAILED");
}

fn a_job_whose_machine_dies_stays_lost(t: &mut Story) {
    t.cloned();
    t.prepares("nux", "a");
    let command = t.world.waits("gate");
    let (first, second) = (t.setup_job("nux", "for-a", &command, 1), t.setup_job("nux", "for-a", &command, 2));
    t.does(&Act::EnsureJob(first.clone()), "ok");
    t.works("max", "c", &[]);
    t.prepares("toast", "b");
    t.world.lose_job(&first.key());
    t.comes_to_see(&job(&first.key()), "lost");
    // Nobody knows when it died, so what is told is when it had begun.
    let Seen::Known(Fact::Job(JobState::Lost { at })) = t.world.look(&job(&first.key())) else { panic!("it is lost") };
    assert!(at < t.made("toast"));
    t.is_told(&WorldEvent::Job(first.key()));
    t.does(&Act::EnsureJob(first.clone()), "ok");
    t.sees(&job(&first.key()), "lost");
    t.world.open("gate");
    t.runs(&second, "exited OK");
    t.sees(&job(&first.key()), "lost");
}

fn jobs_of_one_track_run_one_after_another(t: &mut Story) {
    t.cloned();
    t.prepares("nux", "a");
    let first = t.setup_job("nux", "for-a", &t.world.waits("gate"), 1);
    let (second, track) = (t.setup_job("nux", "for-a", "true", 1), Ask::Newest(first.track()));
    t.sees(&track, "none");
    t.does(&Act::EnsureJob(first.clone()), "ok");
    t.sees(&track, &first.key().0);
    t.does(&Act::EnsureJob(second.clone()), "refused: RepoBusy");
    t.sees(&track, &first.key().0);
    // Of another worktree, and of the rig, they go on.
    t.prepares("toast", "b");
    let (elsewhere, fetch) = (t.setup_job("toast", "for-b", "true", 1), t.fetch_job("shop", 1));
    t.runs(&elsewhere, "exited OK");
    t.runs(&fetch, "exited OK");
    t.world.open("gate");
    t.comes_to_see(&job(&first.key()), "exited OK");
    t.sees(&track, &first.key().0);
    t.runs(&second, "exited OK");
    t.sees(&track, &second.key().0);
}

fn a_setup_works_fails_or_cannot_run(t: &mut Story) {
    t.cloned();
    let runs = |t: &mut Story, prepared: &str, command: &str, how: &str| {
        let setup = t.setup_job("nux", prepared, command, 1);
        t.runs(&setup, how);
        setup
    };
    runs(t, "for-a", "true", "exited ERROR");
    t.prepares("nux", "a");
    runs(t, "for-a", "test -e lines", "exited OK");
    runs(t, "for-a", "exit 3", "exited FAILED");
    runs(t, "for-a", "exit 78", "exited CONFIG");
    runs(t, "for-a", "gt-no-such-program", "exited FAILED");
    // Of another preparation than the one it is in.
    runs(t, "for-b", "true", "exited ERROR");
    let mut before = runs(t, "for-a", "true", "exited OK");
    if let Job::Setup { round, .. } = &mut before {
        *round = 2;
    }
    t.does(&Act::RemoveSandbox { sandbox: polecat("nux") }, "ok");
    runs(t, "for-a", "exit 0", "exited ERROR");
    // One that was made again is another.
    t.prepares("nux", "a");
    t.runs(&before, "exited ERROR");
    runs(t, "for-a", "true", "exited OK");
}

fn a_verdict_is_green_red_or_neither(t: &mut Story) {
    t.cloned();
    let (commit, tree) = (t.target(), t.target_tree());
    for (checks, how) in [
        (&["true", "test -e lines"][..], "exited OK"),
        (&[], "exited OK"),
        (&["true", "test -e absent", "gt-no-such-program"], "exited FAILED"),
        (&["exit 3"], "exited FAILED"),
        (&["exit 78"], "exited FAILED"),
        (&["gt-no-such-program", "exit 3"], "exited UNABLE"),
        (&["exit 126"], "exited UNABLE"),
    ] {
        t.runs(&verify_job(&commit, &tree, checks, 1), how);
    }
    let unknown = Oid("1".repeat(40));
    t.runs(&verify_job(&unknown, &tree, &["true"], 2), "exited ERROR");
    t.runs(&verify_job(&commit, &unknown, &["true"], 3), "exited ERROR");
    t.world.outside("shop", "main", &[("new", "x")]);
    let not_fetched = t.world.tip("shop", "main").unwrap();
    let its_tree = t.world.commit(&not_fetched).unwrap().1;
    t.runs(&verify_job(&not_fetched, &its_tree, &["true"], 4), "exited ERROR");
}

fn a_verdict_belongs_to_the_tree(t: &mut Story) {
    t.cloned();
    t.works("nux", "a", &["write", "a", "x", "commit", "change"]);
    let candidate = t.hands_in("nux", "a");
    t.moves(&[("new", "x")], 1);
    let (act, ask) = t.replay(std::slice::from_ref(&candidate));
    t.does(&act, "ok");
    let Seen::Known(Fact::Replay(Some(results))) = t.world.look(&ask) else { panic!("it was replayed") };
    let Replayed::Clean { commit, tree } = &results[0] else { panic!("{results:?}") };
    // Both what was there and what came.
    t.runs(&verify_job(commit, tree, &["test -e a", "test -e new"], 1), "exited OK");
    let same = verify_job(&candidate.head, tree, &["test -e a", "test -e new"], 1);
    t.sees(&job(&same.key()), "exited OK");
    let tree = t.world.commit(&candidate.head).unwrap().1;
    t.runs(&verify_job(&candidate.head, &tree, &["test -e a", "test -e new"], 1), "exited FAILED");
}

/// Since when a job was not seen.
fn since(t: &Story, key: &JobKey) -> Timestamp {
    match t.world.look(&job(key)) {
        Seen::Unknown { since, .. } => since,
        Seen::Known(fact) => panic!("in the {} world it is seen: {fact:?}", t.world.name()),
    }
}

fn what_cannot_be_seen_says_since_when(t: &mut Story) {
    let key = JobKey("0".repeat(32));
    t.sees(&job(&key), "absent");
    let looks = |t: &Story| {
        let mut all = Vec::new();
        t.world.until(&mut || {
            all.push(since(t, &key));
            all.len() == 3
        });
        all
    };
    t.world.blind(&key, true);
    let first = looks(t);
    assert_eq!(first, [first[0]; 3]);
    t.world.blind(&key, false);
    t.sees(&job(&key), "absent");
    t.world.blind(&key, true);
    let second = looks(t);
    assert!(second[0] > first[0], "it was seen in between");
}
