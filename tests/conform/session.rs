//! Sessions and attempts: one at a time, each started at most once, and how each ended.

use gastown_controllers::seen::Seen;
use gastown_controllers::world::WorldEvent;
use gastown_controllers::world::{Attempt, AttemptState, Fact, Job, JobState};
use jiff::Timestamp;

use super::both_worlds;
use super::story::{Story, end, freeze, job, runs, sandbox, session, thaw};
use super::worlds::polecat;

both_worlds! {
    an_attempt_is_started_once_and_ends_by_itself
    while_one_session_runs_no_other_starts
    a_session_that_is_ended_is_not_charged
    ending_where_nothing_runs_is_fine
    a_start_that_was_cut_short_is_made_up_for
    a_machine_that_dies_leaves_a_lost_attempt
    a_killed_agent_has_ended_by_itself
    a_terminal_that_dies_ends_all_sessions_uncharged
    a_program_that_is_not_there_ends_with_127
    a_session_needs_its_worktree
    an_attempt_runs_in_one_sandbox_only
    a_frozen_session_does_nothing_until_it_is_thawed
    a_frozen_session_can_be_ended
    freezing_where_nothing_runs_is_fine
}

const IDLE: &str = "for-a on polecat/nux/a from first";
const FIRST: &str = "for-a on polecat/nux/a from first; attempt 1 at a runs";

fn an_attempt_is_started_once_and_ends_by_itself(t: &mut Story) {
    t.cloned();
    t.prepares("nux", "a");
    let first = t.attempt("nux", "a", 1, &["wait", "gate", "write", "a", "x", "commit", "change", "exit", "3"]);
    for _ in 0..2 {
        t.does(&session("nux", &first), "ok");
        t.sees(&sandbox("nux"), FIRST);
        t.sees(&runs("a"), "1: running");
    }
    t.world.open("gate");
    t.comes_to_see(&runs("a"), "1: ended with 3 by itself");
    t.comes_to_see(&sandbox("nux"), IDLE);
    t.is_told(&WorldEvent::Sandbox(polecat("nux").uid));
    t.hand_in("nux", "a");
    assert_eq!(t.kept(), ["heads/polecat/nux/a: change {a: x; lines: 1 2 3 4 5}"]);
    // It has run.
    t.does(&session("nux", &first), "ok");
    t.sees(&sandbox("nux"), IDLE);
    t.sees(&runs("a"), "1: ended with 3 by itself");
    // The next attempt, and then another bead's, in the same sandbox.
    let second = t.attempt("nux", "a", 2, &["exit", "0"]);
    t.does(&session("nux", &second), "ok");
    t.comes_to_see(&runs("a"), "1: ended with 3 by itself; 2: ended with 0 by itself");
    t.comes_to_see(&sandbox("nux"), IDLE);
    let other = t.attempt("nux", "b", 1, &["wait", "other gate"]);
    t.does(&session("nux", &other), "ok");
    t.sees(&sandbox("nux"), "for-a on polecat/nux/a from first; attempt 1 at b runs");
    t.sees(&runs("b"), "1: running");
    t.does(&session("nux", &first), "ok");
    t.sees(&sandbox("nux"), "for-a on polecat/nux/a from first; attempt 1 at b runs");
    t.sees(&runs("a"), "1: ended with 3 by itself; 2: ended with 0 by itself");
}

fn while_one_session_runs_no_other_starts(t: &mut Story) {
    t.cloned();
    t.prepares("nux", "a");
    let first = t.attempt("nux", "a", 1, &["wait", "gate"]);
    t.does(&session("nux", &first), "ok");
    for (bead, attempt) in [("a", 2), ("b", 1)] {
        let other = t.attempt("nux", bead, attempt, &["exit", "0"]);
        t.does(&session("nux", &other), "refused: BackOff");
    }
    t.sees(&sandbox("nux"), FIRST);
    t.sees(&runs("a"), "1: running");
    t.sees(&runs("b"), "");
}

fn a_session_that_is_ended_is_not_charged(t: &mut Story) {
    t.cloned();
    t.prepares("nux", "a");
    let first = t.attempt("nux", "a", 1, &["write", "loose", "x", "wait", "gate"]);
    t.does(&session("nux", &first), "ok");
    for _ in 0..2 {
        t.does(&end("nux"), "ok");
        t.sees(&sandbox("nux"), IDLE);
        t.sees(&runs("a"), "1: was ended with 143");
    }
    t.is_told(&WorldEvent::Sandbox(polecat("nux").uid));
    t.does(&session("nux", &first), "ok");
    t.sees(&sandbox("nux"), IDLE);
    t.sees(&runs("a"), "1: was ended with 143");
    let second = t.attempt("nux", "a", 2, &["wait", "gate"]);
    t.does(&session("nux", &second), "ok");
    t.sees(&runs("a"), "1: was ended with 143; 2: running");
}

fn ending_where_nothing_runs_is_fine(t: &mut Story) {
    t.does(&end("nux"), "ok");
    t.cloned();
    t.prepares("nux", "a");
    t.does(&end("nux"), "ok");
    t.sees(&sandbox("nux"), IDLE);
    t.works("nux", "a", &[]);
    t.does(&end("nux"), "ok");
    t.sees(&runs("a"), "1: ended with 0 by itself");
}

fn a_start_that_was_cut_short_is_made_up_for(t: &mut Story) {
    t.cloned();
    t.prepares("nux", "a");
    let first = t.attempt("nux", "a", 1, &["wait", "gate"]);
    t.world.intend(&first);
    t.sees(&runs("a"), "1: intended");
    t.sees(&sandbox("nux"), IDLE);
    t.does(&end("nux"), "ok");
    t.sees(&runs("a"), "1: intended");
    t.does(&session("nux", &first), "ok");
    t.sees(&sandbox("nux"), FIRST);
    t.sees(&runs("a"), "1: running");
    t.world.open("gate");
    t.comes_to_see(&runs("a"), "1: ended with 0 by itself");
}

fn a_machine_that_dies_leaves_a_lost_attempt(t: &mut Story) {
    t.cloned();
    t.prepares("nux", "a");
    let first = t.attempt("nux", "a", 1, &["wait", "gate"]);
    t.does(&session("nux", &first), "ok");
    t.prepares("toast", "b");
    let setup = t.setup_job("toast", "for-b", "true", 1);
    t.runs(&setup, "exited OK");
    t.world.lose_session(&first);
    t.comes_to_see(&runs("a"), "1: lost");
    // Nobody knows when it died, so what is told is when it had started.
    assert!(lost_at(t) < exited_at(t, &setup));
    t.comes_to_see(&sandbox("nux"), IDLE);
    t.is_told(&WorldEvent::Sandbox(polecat("nux").uid));
    t.does(&session("nux", &first), "ok");
    t.does(&end("nux"), "ok");
    t.sees(&runs("a"), "1: lost");
    t.sees(&sandbox("nux"), IDLE);
    let second = t.attempt("nux", "a", 2, &["exit", "0"]);
    t.does(&session("nux", &second), "ok");
    t.comes_to_see(&runs("a"), "1: lost; 2: ended with 0 by itself");
}

fn lost_at(t: &Story) -> Timestamp {
    match t.world.look(&runs("a")) {
        Seen::Known(Fact::Attempts(runs)) => match runs[..] {
            [Attempt { state: AttemptState::Lost { at }, .. }] => at,
            _ => panic!("{runs:?}"),
        },
        other => panic!("{other:?}"),
    }
}

fn exited_at(t: &Story, setup: &Job) -> Timestamp {
    match t.world.look(&job(&setup.key())) {
        Seen::Known(Fact::Job(JobState::Exited(exited))) => exited.at,
        other => panic!("{other:?}"),
    }
}

fn a_killed_agent_has_ended_by_itself(t: &mut Story) {
    t.cloned();
    t.prepares("nux", "a");
    let first = t.attempt("nux", "a", 1, &["write", "loose", "x", "wait", "gate"]);
    t.does(&session("nux", &first), "ok");
    t.world.kill_agent(&first);
    t.comes_to_see(&runs("a"), "1: ended with 137 by itself");
    t.comes_to_see(&sandbox("nux"), IDLE);
    t.is_told(&WorldEvent::Sandbox(polecat("nux").uid));
}

fn a_terminal_that_dies_ends_all_sessions_uncharged(t: &mut Story) {
    t.cloned();
    for (name, bead) in [("nux", "a"), ("toast", "b")] {
        t.prepares(name, bead);
        let spec = t.attempt(name, bead, 1, &["wait", "gate"]);
        t.does(&session(name, &spec), "ok");
    }
    t.world.hang_up();
    for (name, bead) in [("nux", "a"), ("toast", "b")] {
        t.comes_to_see(&runs(bead), "1: was ended with 129");
        t.comes_to_see(&sandbox(name), &format!("for-{bead} on polecat/{name}/{bead} from first"));
    }
    // There is a terminal again when it is needed.
    let second = t.attempt("nux", "a", 2, &["exit", "0"]);
    t.does(&session("nux", &second), "ok");
    t.comes_to_see(&runs("a"), "1: was ended with 129; 2: ended with 0 by itself");
}

fn a_program_that_is_not_there_ends_with_127(t: &mut Story) {
    t.cloned();
    t.prepares("nux", "a");
    let mut spec = t.attempt("nux", "a", 1, &[]);
    spec.command = vec!["gt-no-such-program".into()];
    t.does(&session("nux", &spec), "ok");
    t.comes_to_see(&runs("a"), "1: ended with 127 by itself");
}

fn a_session_needs_its_worktree(t: &mut Story) {
    t.cloned();
    let spec = t.attempt("nux", "a", 1, &["exit", "0"]);
    t.does(&session("nux", &spec), "refused: BackOff");
    t.sees(&runs("a"), "");
    t.sees(&sandbox("nux"), "no worktree");
    t.works("nux", "a", &["exit", "0"]);
}

fn an_attempt_runs_in_one_sandbox_only(t: &mut Story) {
    t.cloned();
    t.prepares("nux", "a");
    t.prepares("toast", "b");
    let spec = t.attempt("nux", "a", 1, &["wait", "gate"]);
    t.does(&session("nux", &spec), "ok");
    t.does(&session("toast", &spec), "ok");
    t.sees(&sandbox("nux"), FIRST);
    t.sees(&sandbox("toast"), "for-b on polecat/toast/b from first");
    t.does(&end("toast"), "ok");
    t.sees(&sandbox("nux"), FIRST);
    t.sees(&runs("a"), "1: running");
}

fn a_frozen_session_does_nothing_until_it_is_thawed(t: &mut Story) {
    t.cloned();
    t.prepares("nux", "a");
    t.prepares("toast", "b");
    let first = t.attempt("nux", "a", 1, &["wait", "gate", "write", "a", "x", "commit", "change"]);
    let other = t.attempt("toast", "b", 1, &["wait", "gate", "exit", "3"]);
    t.does(&session("nux", &first), "ok");
    t.does(&session("toast", &other), "ok");
    for _ in 0..2 {
        t.does(&freeze("nux"), "ok");
        t.sees(&sandbox("nux"), "for-a on polecat/nux/a from first; attempt 1 at a is frozen");
    }
    // What it waited for has come, and the other goes on.
    t.world.open("gate");
    t.comes_to_see(&runs("b"), "1: ended with 3 by itself");
    t.sees(&runs("a"), "1: running");
    t.sees(&sandbox("nux"), "for-a on polecat/nux/a from first; attempt 1 at a is frozen");
    for _ in 0..2 {
        t.does(&thaw("nux"), "ok");
    }
    t.comes_to_see(&runs("a"), "1: ended with 0 by itself");
    t.hand_in("nux", "a");
    assert_eq!(
        t.kept(),
        ["heads/polecat/nux/a: change {a: x; lines: 1 2 3 4 5}", "heads/polecat/toast/b: first {lines: 1 2 3 4 5}"]
    );
}

fn a_frozen_session_can_be_ended(t: &mut Story) {
    t.cloned();
    t.prepares("nux", "a");
    let first = t.attempt("nux", "a", 1, &["wait", "gate"]);
    t.does(&session("nux", &first), "ok");
    t.does(&freeze("nux"), "ok");
    t.does(&end("nux"), "ok");
    t.sees(&sandbox("nux"), IDLE);
    t.sees(&runs("a"), "1: was ended with 143");
    // The next attempt is not frozen.
    let second = t.attempt("nux", "a", 2, &["wait", "gate"]);
    t.does(&session("nux", &second), "ok");
    t.sees(&sandbox("nux"), "for-a on polecat/nux/a from first; attempt 2 at a runs");
}

fn freezing_where_nothing_runs_is_fine(t: &mut Story) {
    for act in [freeze("nux"), thaw("nux")] {
        t.does(&act, "ok");
    }
    t.cloned();
    t.prepares("nux", "a");
    t.does(&freeze("nux"), "ok");
    t.sees(&sandbox("nux"), IDLE);
    t.works("nux", "a", &[]);
    t.does(&freeze("nux"), "ok");
    t.sees(&sandbox("nux"), IDLE);
}
