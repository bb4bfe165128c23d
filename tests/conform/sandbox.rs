//! Sandboxes: prepared once, switched and removed with everything rescued, and left alone while a session runs.

use gastown_controllers::seen::Oid;
use gastown_controllers::world::{Act, Owner, SandboxId, SandboxSpec};

use super::both_worlds;
use super::story::{LINES, Story, end, runs, sandbox, session};
use super::worlds::{polecat, rig};

both_worlds! {
    a_preparation_is_made_once
    another_preparation_rescues_what_was_uncommitted
    a_branch_that_begins_again_keeps_its_old_tip
    a_removed_sandbox_leaves_its_branch_and_its_rescue
    nothing_is_switched_or_removed_under_a_session
    a_look_that_sees_nobody_lets_the_next_act_through
    what_cannot_be_prepared_is_refused_and_changes_nothing
    work_whose_commits_are_lost_begins_at_the_target
    a_namesake_takes_the_branch_and_loses_nothing
}

fn ensure(t: &Story, name: &str, bead: &str, prepared: &str, start: Option<&Oid>) -> Act {
    let mut spec = t.spec(name, bead);
    spec.prepared = prepared.into();
    if let Some(start) = start {
        spec.start = start.clone();
    }
    Act::EnsureSandbox { sandbox: polecat(name), spec }
}

fn remove(name: &str) -> Act {
    Act::RemoveSandbox { sandbox: polecat(name) }
}

fn a_preparation_is_made_once(t: &mut Story) {
    t.cloned();
    t.sees(&sandbox("nux"), "no worktree");
    t.works("nux", "a", &["write", "a", "x", "commit", "change", "write", "loose", "x"]);
    t.sees(&sandbox("nux"), "for-a on polecat/nux/a from first");
    // What it commits is in its own repository, until it is handed in.
    assert_eq!(t.kept(), ["heads/polecat/nux/a: first {lines: 1 2 3 4 5}"]);
    let kept = ["heads/polecat/nux/a: change {a: x; lines: 1 2 3 4 5}"];
    t.hand_in("nux", "a");
    assert_eq!(t.kept(), kept);
    // The same preparation is left alone, wherever it was to begin.
    t.moves(&[("new", "x")], 1);
    t.prepares("nux", "a");
    t.sees(&sandbox("nux"), "for-a on polecat/nux/a from first");
    assert_eq!(t.kept(), kept);
}

fn another_preparation_rescues_what_was_uncommitted(t: &mut Story) {
    t.cloned();
    t.works("nux", "a", &["write", "a", "x", "commit", "change", "write", "lines", "mine", "write", "loose", "x"]);
    t.moves(&[("new", "x")], 1);
    let kept = [
        "heads/polecat/nux/a: change {a: x; lines: 1 2 3 4 5}",
        "heads/polecat/nux/b: from outside {lines: 1 2 3 4 5; new: x}",
        "rescue: rescue: what was uncommitted in the worktree of shop-nux {a: x; lines: mine; loose: x}",
    ];
    for _ in 0..2 {
        t.prepares("nux", "b");
        t.sees(&sandbox("nux"), "for-b on polecat/nux/b from from outside");
        assert_eq!(t.kept(), kept);
    }
    // A worktree is clean after it: there is nothing more to rescue.
    t.prepares("nux", "c");
    assert_eq!(t.kept().len(), 4, "{:?}", t.kept());
}

fn a_branch_that_begins_again_keeps_its_old_tip(t: &mut Story) {
    t.cloned();
    t.works("nux", "a", &["write", "a", "x", "commit", "change"]);
    let head = t.hand_in("nux", "a");
    // Rework that goes on: from the head that was handed in. Nothing needs to be rescued.
    let act = ensure(t, "nux", "a", "go on", Some(&head));
    t.does(&act, "ok");
    t.sees(&sandbox("nux"), "go on on polecat/nux/a from first");
    assert_eq!(t.kept(), ["heads/polecat/nux/a: change {a: x; lines: 1 2 3 4 5}"]);
    // Rework that starts over.
    let act = ensure(t, "nux", "a", "start over", None);
    t.does(&act, "ok");
    let first = format!("heads/polecat/nux/a: first {{lines: {LINES}}}");
    assert_eq!(t.kept(), [first.as_str(), "rescue: change {a: x; lines: 1 2 3 4 5}"]);
    // What an archive reaches needs no rescue.
    let spec = t.attempt("nux", "a", 2, &["write", "b", "x", "commit", "second"]);
    t.does(&session("nux", &spec), "ok");
    t.comes_to_see(&runs("a"), "1: ended with 0 by itself; 2: ended with 0 by itself");
    let head = t.hand_in("nux", "a");
    t.does(&Act::Archive { owner: rig(), name: "a-mr".into(), head }, "ok");
    let act = ensure(t, "nux", "a", "once more", None);
    t.does(&act, "ok");
    let archived = "archive/a-mr: second {b: x; lines: 1 2 3 4 5}";
    assert_eq!(t.kept(), [archived, first.as_str(), "rescue: change {a: x; lines: 1 2 3 4 5}"]);
}

fn a_removed_sandbox_leaves_its_branch_and_its_rescue(t: &mut Story) {
    t.cloned();
    t.does(&remove("nux"), "ok");
    t.works("nux", "a", &["write", "a", "x", "commit", "change", "write", "loose", "x"]);
    let kept = [
        "heads/polecat/nux/a: change {a: x; lines: 1 2 3 4 5}",
        "rescue: rescue: what was uncommitted in the worktree of shop-nux {a: x; lines: 1 2 3 4 5; loose: x}",
    ];
    for _ in 0..2 {
        t.does(&remove("nux"), "ok");
        t.sees(&sandbox("nux"), "no worktree");
        assert_eq!(t.kept(), kept);
    }
    t.sees(&runs("a"), "1: ended with 0 by itself");
    let spec = t.attempt("nux", "a", 2, &["exit", "0"]);
    t.does(&session("nux", &spec), "refused: BackOff");
    t.sees(&runs("a"), "1: ended with 0 by itself");
    // It can be made again, from where it was.
    let head = t.at("heads/polecat/nux/a");
    let act = ensure(t, "nux", "a", "again", Some(&head));
    let mut made = Vec::new();
    for _ in 0..2 {
        t.does(&act, "ok");
        t.sees(&sandbox("nux"), "again on polecat/nux/a from first");
        assert_eq!(t.kept(), kept);
        made.push(t.made("nux"));
        t.does(&act, "ok");
        assert_eq!(t.made("nux"), made[made.len() - 1]);
        t.does(&remove("nux"), "ok");
    }
    assert!(made[0] < made[1], "one that is made again is another");
}

fn nothing_is_switched_or_removed_under_a_session(t: &mut Story) {
    t.cloned();
    t.prepares("nux", "a");
    let spec = t.attempt("nux", "a", 1, &["wait", "gate"]);
    t.does(&session("nux", &spec), "ok");
    t.prepares("nux", "a");
    let other = ensure(t, "nux", "b", "for-b", None);
    t.does(&other, "refused: SandboxInUse");
    t.does(&remove("nux"), "refused: SandboxInUse");
    t.sees(&sandbox("nux"), "for-a on polecat/nux/a from first; attempt 1 at a runs");
    assert_eq!(t.kept(), ["heads/polecat/nux/a: first {lines: 1 2 3 4 5}"]);
    t.does(&end("nux"), "ok");
    t.does(&other, "ok");
    t.sees(&sandbox("nux"), "for-b on polecat/nux/b from first");
    t.does(&remove("nux"), "ok");
}

fn a_look_that_sees_nobody_lets_the_next_act_through(t: &mut Story) {
    t.cloned();
    t.prepares("nux", "a");
    let spec = t.attempt("nux", "a", 1, &["wait", "gate"]);
    t.does(&session("nux", &spec), "ok");
    t.world.end_slowly(&spec, "gate");
    t.comes_to_see(&sandbox("nux"), "for-a on polecat/nux/a from first");
    t.sees(&runs("a"), "1: ended with 0 by itself");
    t.prepares("nux", "b");
    t.does(&remove("nux"), "ok");
    t.world.go(&spec);
}

fn what_cannot_be_prepared_is_refused_and_changes_nothing(t: &mut Story) {
    t.cloned();
    t.works("nux", "a", &["write", "loose", "x"]);
    t.world.outside("shop", "main", &[("new", "x")]);
    for unknown in [Oid("1".repeat(40)), t.world.tip("shop", "main").unwrap()] {
        for name in ["nux", "toast"] {
            let spec = SandboxSpec { start: unknown.clone(), target: unknown.clone(), ..t.spec(name, "b") };
            t.does(&Act::EnsureSandbox { sandbox: polecat(name), spec }, "refused: GitUnreadable");
        }
    }
    // A sandbox belongs to one rig.
    for prepared in ["for-a", "for-b"] {
        let mut spec = t.spec("nux", "b");
        (spec.owner, spec.prepared) = (Owner::rig("other", "rig-2"), prepared.into());
        t.does(&Act::EnsureSandbox { sandbox: polecat("nux"), spec }, "refused: ForeignSandbox");
    }
    t.sees(&sandbox("nux"), "for-a on polecat/nux/a from first");
    t.sees(&sandbox("toast"), "no worktree");
    assert_eq!(t.kept(), ["heads/polecat/nux/a: first {lines: 1 2 3 4 5}"]);
}

fn work_whose_commits_are_lost_begins_at_the_target(t: &mut Story) {
    t.cloned();
    let act = ensure(t, "nux", "b", "for-b", Some(&Oid("1".repeat(40))));
    t.does(&act, "ok");
    t.sees(&sandbox("nux"), "for-b on polecat/nux/b from first");
    let spec = SandboxSpec { base: Oid("1".repeat(40)), ..t.spec("toast", "c") };
    t.does(&Act::EnsureSandbox { sandbox: polecat("toast"), spec }, "ok");
    t.sees(&sandbox("toast"), "for-c on polecat/toast/c from first");
}

fn a_namesake_takes_the_branch_and_loses_nothing(t: &mut Story) {
    t.cloned();
    t.works("nux", "a", &["write", "a", "x", "commit", "change", "write", "loose", "x"]);
    let namesake = SandboxId { name: "shop-nux".into(), uid: "uid-younger".into() };
    let act = Act::EnsureSandbox { sandbox: namesake.clone(), spec: t.spec("nux", "a") };
    // Its repository is another, whether or not the older one's session runs.
    let waits = t.attempt("nux", "a", 2, &["wait", "gate"]);
    t.does(&session("nux", &waits), "ok");
    t.does(&act, "ok");
    assert_eq!(t.kept(), ["heads/polecat/nux/a: first {lines: 1 2 3 4 5}"]);
    t.sees(&sandbox("nux"), "for-a on polecat/nux/a from first; attempt 2 at a runs");
    t.does(&end("nux"), "ok");
    t.does(&remove("nux"), "ok");
    let kept = [
        "heads/polecat/nux/a: change {a: x; lines: 1 2 3 4 5}",
        "rescue: rescue: what was uncommitted in the worktree of shop-nux {a: x; lines: 1 2 3 4 5; loose: x}",
    ];
    assert_eq!(t.kept(), kept);
    t.does(&Act::RemoveSandbox { sandbox: namesake }, "ok");
    assert_eq!(t.kept(), kept);
}
