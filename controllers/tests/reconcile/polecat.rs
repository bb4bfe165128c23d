//! Polecat: worktree, setup, session; what is not seen stops it.

use crate::common::*;
use gastown_controllers::bead::work_digest;
use gastown_controllers::key::Key;
use gastown_controllers::plan::Effect;
use gastown_controllers::rig::RigSettings;
use gastown_controllers::view::Failure;
use gastown_controllers::world::*;
use gastown_crds::bead::{CloseReason, Closed, Waiting};
use gastown_crds::merge_request::MergeState;
use gastown_crds::overrides::{ANNOTATION_OVERRIDE, Mode, Override};
use gastown_crds::reason::Reason;
use gastown_crds::{Bead, Formula, Rig, Runtime, names};
use serde_json::json;

pub fn key() -> Key {
    gastown_controllers::polecat::CONTROLLER.key("shop-nux")
}

/// A polecat with a bead on its hook, whose steps are poured.
pub fn scene() -> Scene {
    let mut scene = Scene::default();
    scene.rig(rig("shop")).polecat(polecat("shop", "nux")).bead(claimed(bead("shop-a", "shop"), "shop-nux"));
    scene.add(step(0));
    scene.known(Ask::Newest(setups()), Fact::Newest(None)).runs("shop-a", vec![]);
    scene
}

/// The step of a round.
pub fn step(round: u32) -> Bead {
    let name = if round == 0 { "shop-a.work".to_owned() } else { names::step("shop-a", round, "work") };
    let mut step = object::<Bead>(
        &name,
        json!({"title": "work", "type": "Step", "rig": "shop", "parent": "shop-a", "command": "true"}),
    );
    let labels = [("gastown.io/round".to_owned(), round.to_string()), ("gastown.io/work-digest".to_owned(), work())];
    step.metadata.labels = Some(labels.into());
    step.metadata.annotations = Some([("gastown.io/steps".to_owned(), "1".to_owned())].into());
    step
}

/// Where its worktree is set up.
fn setups() -> Track {
    Track::Sandbox("shop-nux-uid".into())
}

fn work() -> String {
    work_digest(&bead("shop-a", "shop").spec)
}

pub fn prepared(round: u32) -> Sandbox {
    Sandbox {
        prepared: names::digest(&["prepared", "shop-a-uid", &work(), &round.to_string()]),
        branch: "polecat/nux/shop-a".into(),
        base: oid('a'),
        made: at(500),
    }
}

pub fn sandbox(session: Session) -> SandboxFacts {
    SandboxFacts { sandbox: Some(prepared(0)), session, ..SandboxFacts::default() }
}

fn sandbox_of(sandbox: Sandbox) -> SandboxFacts {
    SandboxFacts { sandbox: Some(sandbox), ..SandboxFacts::default() }
}

pub fn run(attempt: u32, state: AttemptState) -> Attempt {
    Attempt { attempt, work: work(), state, conversation: None, runtime: None }
}

pub fn died(second: i64) -> AttemptState {
    AttemptState::Ended(AttemptEnd {
        code: 137,
        own: true,
        at: at(second),
        tail: String::new(),
        out_of_memory: None,
        activity: None,
    })
}

/// Somebody has said this of the rig, or with an empty text nothing.
fn rig_that_is(override_: Option<Override>) -> Rig {
    let mut rig = rig("shop");
    rig.metadata.annotations = override_.map(|it| [(ANNOTATION_OVERRIDE.to_owned(), json!(it).to_string())].into());
    rig
}

fn said_so(mode: Mode, until: Option<i64>) -> Override {
    Override { mode, by: "kim".into(), at: at(900), reason: Some("deploy day".into()), until: until.map(at) }
}

fn runs() -> Session {
    Session::Running { owner_uid: "shop-a-uid".into(), attempt: 1 }
}

#[test]
fn what_a_person_has_stopped_is_ended_and_waits_with_its_worktree() {
    let mut scene = scene();
    scene.rig(rig_that_is(Some(said_so(Mode::Stopped, None)))).sandbox("shop-nux", sandbox(runs()));
    insta::assert_snapshot!(said(&scene.plan(&key())), @"
    end the session of shop-nux
    shop-nux: Stalled Ready=False Stopped (rig/shop is stopped by kim: deploy day)
    ");
    scene.sandbox("shop-nux", sandbox(Session::None)).runs("shop-a", vec![]);
    insta::assert_snapshot!(said(&scene.plan(&key())), @"
    shop-nux waits with shop-a for its Slot
    shop-nux: Stalled Ready=False Stopped (rig/shop is stopped by kim: deploy day)
    ");
}

#[test]
fn what_drains_goes_on_and_is_not_started_again() {
    for mode in [Mode::Draining, Mode::Paused] {
        let mut scene = scene();
        scene.rig(rig_that_is(Some(said_so(mode, None)))).sandbox("shop-nux", sandbox(runs()));
        assert_eq!(said(&scene.plan(&key())), "shop-nux: Working Ready=True Working");
        scene.sandbox("shop-nux", sandbox(Session::None)).runs("shop-a", vec![run(1, died(900))]);
        assert!(said(&scene.plan(&key())).starts_with("shop-nux waits with shop-a for its Slot"), "{mode}");
    }
}

#[test]
fn what_is_cordoned_off_goes_on() {
    let mut scene = scene();
    scene.rig(rig_that_is(Some(said_so(Mode::Cordoned, None)))).sandbox("shop-nux", sandbox(Session::None));
    scene.runs("shop-a", vec![]);
    assert!(said(&scene.plan(&key())).contains("start shop-nux on shop-a, attempt 1"));
}

#[test]
fn a_freeze_is_made_whole_and_undone_by_itself_when_its_time_is_up() {
    let mut scene = scene();
    let frozen = |frozen| SandboxFacts { frozen, ..sandbox(runs()) };
    scene.rig(rig_that_is(Some(said_so(Mode::Frozen, Some(2000))))).sandbox("shop-nux", frozen(Frozen::No));
    insta::assert_snapshot!(said(&scene.plan(&key())), @"
    freeze the session of shop-nux
    shop-nux: Stalled Ready=False Frozen (rig/shop is frozen by kim: deploy day (until 1970-01-01T00:33:20Z))
    ");
    scene.sandbox("shop-nux", frozen(Frozen::Partly));
    assert!(said(&scene.plan(&key())).starts_with("freeze the session of shop-nux"));
    scene.sandbox("shop-nux", frozen(Frozen::Wholly));
    assert!(said(&scene.plan(&key())).starts_with("shop-nux: Stalled"), "nothing is done");
    scene.now = at(2000);
    insta::assert_snapshot!(said(&scene.plan(&key())), @"
    thaw the session of shop-nux
    shop-nux: Working Ready=True Working
    ");
}

#[test]
fn the_work_of_a_bead_that_was_withdrawn_is_rescued_once_its_session_is_over() {
    let mut scene = scene();
    let mut withdrawn = bead("shop-a", "shop");
    let (reason, by) = (CloseReason::Withdrawn, "kim".to_owned());
    withdrawn.spec.closed = Some(Closed { reason, message: None, at: at(900), by });
    scene.bead(withdrawn.clone()).sandbox("shop-nux", sandbox(runs()));
    insta::assert_snapshot!(said(&scene.plan(&key())), @"
    end the session of shop-nux
    shop-nux: Zombie Ready=False Switching (its bead was withdrawn; its session is being ended)
    ");
    scene.sandbox("shop-nux", sandbox(Session::None));
    insta::assert_snapshot!(said(&scene.plan(&key())), @"
    remove the sandbox of shop-nux
    shop-nux: Starting Ready=False Switching (its bead was withdrawn: its work is rescued first)
    ");
    // One whose bead has landed is kept warm.
    withdrawn.spec.closed.as_mut().unwrap().reason = CloseReason::Merged;
    scene.bead(withdrawn);
    assert!(scene.plan(&key()).effects.is_empty());
}

#[test]
fn first_the_worktree() {
    let mut scene = scene();
    scene.sandbox("shop-nux", SandboxFacts::default());
    insta::assert_snapshot!(said(&scene.plan(&key())), @"
    prepare shop-nux on polecat/nux/shop-a at aaaaaaaaaa
    shop-nux: Starting Ready=False Preparing (its worktree is being made)
    ");
}

#[test]
fn then_the_session_and_only_after_reading_the_claim_again() {
    let mut scene = scene();
    scene.sandbox("shop-nux", sandbox(Session::None)).runs("shop-a", vec![]);
    insta::assert_snapshot!(said(&scene.plan(&key())), @"
    confirm that shop-a names shop-nux
    start shop-nux on shop-a, attempt 1
    shop-nux: Starting Ready=False Switching (attempt 1 is being started)
    ");
}

#[test]
fn a_worktree_that_was_deleted_and_made_again_is_set_up_again() {
    let mut scene = scene();
    let mut rig = rig("shop");
    rig.spec.workspace.setup = vec!["npm ci".into()];
    scene.rig(rig);
    let made = |second| Sandbox { made: at(second), ..prepared(0) };
    let job = |second| Job::Setup {
        owner: Owner::rig("shop", "shop-uid"),
        sandbox: SandboxId { name: "shop-nux".into(), uid: "shop-nux-uid".into() },
        prepared: prepared(0).prepared,
        made: at(second),
        commands: vec!["npm ci".into()],
        copy: vec![],
        copy_from: None,
        timeout_s: 600,
        round: 1,
    };
    let done = JobState::Exited(Exited { code: 0, at: at(510), tail: String::new() });
    scene.known(Ask::Job(job(500).key()), Fact::Job(done)).known(Ask::Job(job(600).key()), Fact::Job(JobState::Absent));
    scene.runs("shop-a", vec![]);
    let mut acts = |second| {
        scene.sandbox("shop-nux", sandbox_of(made(second)));
        scene.plan(&key()).effects
    };
    let started = acts(500);
    let [Effect::Confirm(_), Effect::Act(Act::EnsureSession { spec, .. }), Effect::Write(_)] = &started[..] else {
        panic!("a session, with its event, and nothing else: {started:?}");
    };
    assert_eq!((spec.owner.kind.as_ref(), spec.owner.name.as_str()), ("Bead", "shop-a"));
    let env: Vec<String> = spec.env.iter().map(|it| format!("{}={}", it.name, it.value)).collect();
    insta::assert_snapshot!(env.join("\n"), @"
    GT_ROLE=polecat
    GT_RIG=shop
    GT_POLECAT=nux
    GT_BEAD=shop-a
    GT_ATTEMPT=1
    GT_RUNTIME=script
    GT_BASE=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
    GT_PROMPT=Run `gt prime` and follow it.
    GT_KEEP_AT_WORK=5
    BD_ACTOR=shop/polecats/nux
    GT_ACTOR=shop/polecats/nux
    GIT_AUTHOR_NAME=nux
    GIT_AUTHOR_EMAIL=nux@town.invalid
    GIT_COMMITTER_NAME=nux
    GIT_COMMITTER_EMAIL=nux@town.invalid
    ");
    assert_eq!(acts(600), [Effect::Act(Act::EnsureJob(job(600)))]);
}

#[test]
fn a_running_session_is_left_alone() {
    let mut scene = scene();
    scene.sandbox("shop-nux", sandbox(Session::Running { owner_uid: "shop-a-uid".into(), attempt: 1 }));
    insta::assert_snapshot!(said(&scene.plan(&key())), @"shop-nux: Working Ready=True Working");
}

#[test]
fn the_first_restart_is_at_once_and_the_second_backs_off() {
    let mut scene = scene();
    scene.sandbox("shop-nux", sandbox(Session::None)).runs("shop-a", vec![run(1, died(1000))]);
    assert!(said(&scene.plan(&key())).contains("start shop-nux on shop-a, attempt 2"));
    scene.runs("shop-a", vec![run(1, died(990)), run(2, died(1000))]);
    let plan = scene.plan(&key());
    assert!(said(&plan).starts_with("shop-nux waits with shop-a for its Bead\nshop-nux: Stalled Ready=False BackOff"));
    assert!(plan.requeue.unwrap() > at(1000));
    scene.now = at(1010);
    assert!(said(&scene.plan(&key())).contains("start shop-nux on shop-a, attempt 3"));
}

#[test]
fn one_that_left_its_place_goes_on_only_once_it_has_one_again() {
    let mut scene = scene();
    scene.bead(waiting(bead("shop-a", "shop"), "shop-nux", Waiting::Bead));
    scene.sandbox("shop-nux", sandbox(Session::None));
    scene.runs("shop-a", vec![run(1, died(990)), run(2, died(1000))]);
    assert!(scene.plan(&key()).effects.is_empty(), "it has said so");
    scene.now = at(1010);
    insta::assert_snapshot!(said(&scene.plan(&key())), @"
    shop-nux waits with shop-a for its Slot
    shop-nux: Starting Ready=False WaitsForSlot (may go on as soon as a slot is free)
    ");
    scene.bead(waiting(bead("shop-a", "shop"), "shop-nux", Waiting::Slot));
    // A text that changed meanwhile wants another worktree: that too is begun with a slot.
    scene.sandbox("shop-nux", sandbox_of(prepared(1)));
    insta::assert_snapshot!(said(&scene.plan(&key())), @"shop-nux: Starting Ready=False WaitsForSlot (may go on as soon as a slot is free)");
    // What runs, runs: who wrote that it waits did not know.
    scene.sandbox("shop-nux", sandbox(Session::Running { owner_uid: "shop-a-uid".into(), attempt: 3 }));
    insta::assert_snapshot!(said(&scene.plan(&key())), @"
    claim shop-a for shop-nux
    shop-nux: Working Ready=True Working
    ");
}

#[test]
fn what_runs_keeps_its_place_whatever_its_rig_lacks_by_then() {
    let mut scene = scene();
    scene.sandbox("shop-nux", sandbox(Session::Running { owner_uid: "shop-a-uid".into(), attempt: 1 }));
    scene.remove::<Runtime>("script");
    insta::assert_snapshot!(said(&scene.plan(&key())), @"shop-nux: Working Ready=True Working");
}

#[test]
fn what_every_bead_of_its_rig_needs_holds_a_place_of_the_rig() {
    let mut scene = scene();
    scene.sandbox("shop-nux", sandbox(Session::None));
    scene.known(Ask::Program(AskProgram("gt:script".into())), Fact::Program(false));
    insta::assert_snapshot!(said(&scene.plan(&key())), @"
    shop-nux waits with shop-a for its Rig
    shop-nux: Starting Ready=False CommandNotFound (`gt:script` of Runtime `script` is not on PATH here: install it)
    again at 1060
    ");
    scene.remove::<Runtime>("script");
    insta::assert_snapshot!(said(&scene.plan(&key())), @"
    shop-nux waits with shop-a for its Rig
    shop-nux: Starting Ready=False RefNotFound (there is no Runtime named `script`: apply it)
    ");
}

#[test]
fn a_formula_that_is_gone_keeps_its_bead_and_nothing_else() {
    let mut scene = scene();
    scene.sandbox("shop-nux", sandbox(Session::None));
    scene.remove::<Bead>("shop-a.work");
    insta::assert_snapshot!(said(&scene.plan(&key())), @"shop-nux: Starting Ready=False Preparing (waits for its steps)");
    scene.remove::<Formula>("work");
    insta::assert_snapshot!(said(&scene.plan(&key())), @"
    shop-nux waits with shop-a for its Bead
    shop-nux: Starting Ready=False Preparing (waits for its steps)
    ");
}

#[test]
fn an_attempt_that_was_only_intended_goes_on_as_the_same() {
    let mut scene = scene();
    scene.sandbox("shop-nux", sandbox(Session::None)).runs("shop-a", vec![run(1, AttemptState::Intended)]);
    assert!(said(&scene.plan(&key())).contains("start shop-nux on shop-a, attempt 1"));
}

#[test]
fn does_nothing_when_its_sandbox_cannot_be_seen() {
    let mut scene = scene();
    let id = SandboxId { name: "shop-nux".into(), uid: "shop-nux-uid".into() };
    scene.unknown(Ask::Sandbox(id), "tmux did not answer within 2s");
    insta::assert_snapshot!(said(&scene.plan(&key())), @"shop-nux: Idle Ready=Unknown Unknown (tmux did not answer within 2s; waiting until it can be observed)");
}

#[test]
fn strays_are_ended_before_anything_starts() {
    let mut scene = scene();
    scene.sandbox("shop-nux", sandbox(Session::Strays { pids: vec![7] }));
    assert!(said(&scene.plan(&key())).starts_with("end the session of shop-nux\n"));
}

#[test]
fn a_branch_that_comes_back_again_and_again_is_said_to_have_been_handed_in() {
    for (reason, words) in [("Conflict", "it conflicts with the target"), ("Red", "it fails verification")] {
        let mut scene = scene();
        for attempt in 1..=3 {
            scene.request(because(request("shop-a", "shop", attempt, MergeState::Rejected), reason));
        }
        scene.add(step(3));
        scene.sandbox("shop-nux", sandbox_of(prepared(3)));
        scene.runs("shop-a", (1..=3).map(|attempt| run(attempt, died(1000))).collect());
        let text = said(&scene.plan(&key()));
        assert!(
            text.contains(&format!("BackOff (attempt 3 handed in, and came back: {words}; restarts at ")),
            "{text}"
        );
    }
}

#[test]
fn a_branch_that_came_back_wants_a_fresh_worktree() {
    let mut scene = scene();
    scene.request(request("shop-a", "shop", 1, MergeState::Rejected));
    scene.sandbox("shop-nux", sandbox(Session::None));
    assert!(said(&scene.plan(&key())).starts_with("prepare shop-nux on polecat/nux/shop-a at aaaaaaaaaa\n"));
}

#[test]
fn a_worktree_that_cannot_be_made_leaves_its_slot_to_others_and_comes_back() {
    let mut scene = scene();
    scene.sandbox("shop-nux", SandboxFacts::default()).fails(1);
    insta::assert_snapshot!(said(&scene.plan(&key())), @"
    shop-nux waits with shop-a for its Rig
    shop-nux: Stalled Ready=False GitFailed (a filter failed (failed once, tried again later))
    again at 1010
    ");
    assert!(scene.plan(&key()).keeps_failure);
    scene.bead(waiting(bead("shop-a", "shop"), "shop-nux", Waiting::Rig));
    insta::assert_snapshot!(said(&scene.plan(&key())), @"
    shop-nux: Stalled Ready=False GitFailed (a filter failed (failed once, tried again later))
    again at 1010
    ");
    // When it is due, it waits for a slot first.
    scene.now = at(1010);
    insta::assert_snapshot!(said(&scene.plan(&key())), @"
    shop-nux waits with shop-a for its Slot
    shop-nux: Starting Ready=False GitFailed (a filter failed (failed once, tried again later))
    ");
    scene.bead(claimed(bead("shop-a", "shop"), "shop-nux"));
    insta::assert_snapshot!(said(&scene.plan(&key())), @"
    prepare shop-nux on polecat/nux/shop-a at aaaaaaaaaa
    shop-nux: Starting Ready=False GitFailed (a filter failed (failed once, tried again later))
    ");
}

#[test]
fn a_setup_that_would_fail_again_is_not_tried_again_until_it_is_another() {
    let mut scene = scene();
    let mut strict = rig("shop");
    strict.spec.workspace.setup = vec!["make setup".into()];
    let here = prepared(0);
    let id = SandboxId { name: "shop-nux".into(), uid: "shop-nux-uid".into() };
    let job = |rig: &Rig, round| {
        let settings = RigSettings::of(rig);
        settings.setup_job(id.clone(), (&here.prepared, here.made), round).key()
    };
    let first = job(&strict, 1);
    let mut corrected = strict.clone();
    corrected.spec.workspace.setup = vec!["make other".into()];
    let second = job(&corrected, 1);
    scene.rig(strict).sandbox("shop-nux", sandbox_of(here));
    let over = Exited { code: exit::CONFIG, at: at(1), tail: "no registry".into() };
    scene.known(Ask::Job(first), Fact::Job(JobState::Exited(over)));
    insta::assert_snapshot!(said(&scene.plan(&key())), @"
    shop-nux waits with shop-a for its Rig
    shop-nux: Stalled Ready=False WouldFailAgain (`workspace.setup` of rig `shop` ended with 78: another try would end the same way; correct it there, or fix the cause and `gt sling shop-a`:
    no registry)
    ");
    // Corrected, it is another.
    scene.rig(corrected).known(Ask::Job(second), Fact::Job(JobState::Absent));
    insta::assert_snapshot!(said(&scene.plan(&key())), @"
    setup for shop, round 1
    shop-nux: Starting Ready=False SettingUp
    ");
}

#[test]
fn a_session_without_its_variables_leaves_its_slot_at_once_and_is_not_charged() {
    let mut scene = scene();
    scene.sandbox("shop-nux", sandbox_of(prepared(0)));
    scene.runs("shop-a", vec![]);
    let message = "`envFrom`: `pass` ended with 1: locked".to_owned();
    scene.failed = Some(Failure { reason: Reason::EnvFromFailed, message, count: 1, until: at(1010) });
    insta::assert_snapshot!(said(&scene.plan(&key())), @"
    shop-nux waits with shop-a for its Rig
    shop-nux: Stalled Ready=False EnvFromFailed (`envFrom`: `pass` ended with 1: locked (failed once, tried again later))
    again at 1010
    ");
}

#[test]
fn a_session_that_does_not_begin_is_tried_once_more_before_it_leaves_its_slot() {
    let mut scene = scene();
    scene.sandbox("shop-nux", sandbox_of(prepared(0)));
    scene.runs("shop-a", vec![]).fails(1);
    insta::assert_snapshot!(said(&scene.plan(&key())), @"
    confirm that shop-a names shop-nux
    start shop-nux on shop-a, attempt 1
    shop-nux: Starting Ready=False GitFailed (a filter failed (failed once, tried again later))
    ");
    scene.fails(2);
    insta::assert_snapshot!(said(&scene.plan(&key())), @"
    shop-nux waits with shop-a for its Rig
    shop-nux: Stalled Ready=False GitFailed (a filter failed (failed twice, tried again later))
    again at 1010
    ");
}

#[test]
fn strays_that_cannot_be_ended_hold_no_slot() {
    let mut scene = scene();
    let session = Session::Strays { pids: vec![7] };
    scene.sandbox("shop-nux", sandbox(session)).fails(1);
    insta::assert_snapshot!(said(&scene.plan(&key())), @"
    shop-nux waits with shop-a for its Bead
    shop-nux: Stalled Ready=False GitFailed (a filter failed (failed once, tried again later))
    again at 1010
    ");
    // That needs no slot.
    scene.now = at(1010);
    scene.bead(waiting(bead("shop-a", "shop"), "shop-nux", Waiting::Bead));
    insta::assert_snapshot!(said(&scene.plan(&key())), @"
    end the session of shop-nux
    shop-nux: Starting Ready=False GitFailed (a filter failed (failed once, tried again later))
    ");
}

#[test]
fn a_worktree_is_not_made_anew_under_a_setup_that_runs_there() {
    let mut scene = scene();
    scene.sandbox("shop-nux", sandbox_of(prepared(1)));
    scene.known(Ask::Newest(setups()), Fact::Newest(Some(JobKey("of the earlier text".into()))));
    scene.known(Ask::Job(JobKey("of the earlier text".into())), Fact::Job(JobState::Running));
    insta::assert_snapshot!(said(&scene.plan(&key())), @"shop-nux: Starting Ready=False SettingUp (its worktree is made anew once the setup there ends)");
}

#[test]
fn an_agent_that_goes_on_gets_the_head_it_handed_in() {
    let mut scene = scene();
    scene.add::<Runtime>(object("script", json!({"command": ["gt:script"], "onRework": "Continue"})));
    scene.request(request("shop-a", "shop", 1, MergeState::Rejected));
    scene.sandbox("shop-nux", sandbox(Session::None));
    assert!(said(&scene.plan(&key())).starts_with("prepare shop-nux on polecat/nux/shop-a at bbbbbbbbbb\n"));
}

#[test]
fn an_agent_whose_head_was_lost_starts_at_the_target_again() {
    let mut scene = scene();
    scene.add::<Runtime>(object("script", json!({"command": ["gt:script"], "onRework": "Continue"})));
    scene.request(because(request("shop-a", "shop", 1, MergeState::Rejected), "HeadMissing"));
    scene.sandbox("shop-nux", sandbox(Session::None));
    assert!(said(&scene.plan(&key())).starts_with("prepare shop-nux on polecat/nux/shop-a at aaaaaaaaaa\n"));
}

#[test]
fn a_handed_in_bead_ends_the_session_and_keeps_the_sandbox() {
    let mut scene = scene();
    scene.request(request("shop-a", "shop", 1, MergeState::Queued));
    scene.sandbox("shop-nux", sandbox(Session::Running { owner_uid: "shop-a-uid".into(), attempt: 1 }));
    insta::assert_snapshot!(said(&scene.plan(&key())), @"
    end the session of shop-nux
    shop-nux: Zombie Ready=False Switching (its work is handed in; its session is being ended)
    ");
}

#[test]
fn a_deleted_polecat_whose_sandbox_cannot_be_removed_holds_no_slot() {
    let mut scene = scene();
    let mut leaving = polecat("shop", "nux");
    leaving.metadata.deletion_timestamp = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(at(1)));
    scene.polecat(leaving);
    scene.sandbox("shop-nux", sandbox_of(prepared(0))).fails(1);
    insta::assert_snapshot!(said(&scene.plan(&key())), @"
    shop-nux waits with shop-a for its Bead
    shop-nux: Starting Ready=False GitFailed (a filter failed (failed once, tried again later))
    again at 1010
    ");
    scene.bead(waiting(bead("shop-a", "shop"), "shop-nux", Waiting::Bead));
    scene.now = at(1010);
    insta::assert_snapshot!(said(&scene.plan(&key())), @"
    remove the sandbox of shop-nux
    shop-nux: Starting Ready=False GitFailed (a filter failed (failed once, tried again later))
    ");
}

#[test]
fn a_deleted_polecat_goes_only_when_its_sandbox_is_rescued_and_gone() {
    let mut scene = scene();
    let mut leaving = polecat("shop", "nux");
    leaving.metadata.deletion_timestamp = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(at(1)));
    scene.polecat(leaving);
    for (facts, first) in [
        (sandbox(Session::Running { owner_uid: "shop-a-uid".into(), attempt: 1 }), "end the session of shop-nux"),
        (sandbox(Session::None), "remove the sandbox of shop-nux"),
        (SandboxFacts::default(), "finalizers of shop-nux: []"),
    ] {
        scene.sandbox("shop-nux", facts);
        assert_eq!(said(&scene.plan(&key())).lines().next(), Some(first));
    }
}

fn killed(second: i64, of: OutOfMemory) -> AttemptState {
    let end = AttemptEnd {
        code: 137,
        own: true,
        at: at(second),
        tail: String::new(),
        out_of_memory: Some(of),
        activity: None,
    };
    AttemptState::Ended(end)
}

/// What the session that is started next is told.
fn told(scene: &Scene) -> (Limits, Vec<String>) {
    let acts = scene.plan(&key()).effects.into_iter().find_map(|effect| match effect {
        Effect::Act(Act::EnsureSession { spec, .. }) => Some(spec),
        _ => None,
    });
    let spec = acts.expect("a session is started");
    let named = ["GT_MEMORY_LIMIT", "GT_LAST_ATTEMPT"].into_iter();
    (spec.limits, named.map(|name| spec.variable(name).unwrap_or("-").to_owned()).collect())
}

#[test]
fn one_that_was_killed_for_memory_is_told_so_and_another_would_end_the_same_way() {
    let limited = |memory: &str| script_with(json!({"limits": {"memory": memory, "cpu": 2}}));
    let mut scene = scene();
    scene.add(limited("1Gi"));
    scene.sandbox("shop-nux", sandbox(Session::None)).runs("shop-a", vec![]);
    let limits = Limits { memory: Some(1 << 30), cpu: Some(2000) };
    assert_eq!(told(&scene), (limits, vec!["1Gi".to_owned(), "-".to_owned()]));

    let first = run(1, killed(900, OutOfMemory::Limit(1 << 30)));
    scene.runs("shop-a", vec![first.clone()]);
    assert_eq!(told(&scene), (limits, vec!["1Gi".to_owned(), "OutOfMemory".to_owned()]));

    // Also if the next start did not come through.
    scene.runs("shop-a", vec![first.clone(), run(2, AttemptState::Intended)]);
    assert_eq!(told(&scene).1, ["1Gi", "OutOfMemory"]);

    let second = run(2, killed(950, OutOfMemory::Limit(1 << 30)));
    scene.runs("shop-a", vec![first, second]);
    insta::assert_snapshot!(said(&scene.plan(&key())), @"shop-nux: Stalled Ready=False OutOfMemory (its bead is being set aside)");
    // With more, it is tried again.
    scene.add(limited("2Gi"));
    scene.now = at(2000);
    assert_eq!(told(&scene).1, ["2Gi", "OutOfMemory"]);
}

#[test]
fn a_machine_without_memory_is_nobodys_fault_and_not_tried_without_a_pause() {
    let mut scene = scene();
    let runs: Vec<_> = (1..=6).map(|n| run(n, killed(990 + i64::from(n), OutOfMemory::Machine))).collect();
    scene.sandbox("shop-nux", sandbox(Session::None)).runs("shop-a", runs);
    insta::assert_snapshot!(said(&scene.plan(&key())), @"
    shop-nux waits with shop-a for its Bead
    shop-nux: Stalled Ready=False BackOff (attempt 6 was killed because the machine was out of memory; restarts at 1970-01-01T00:16:49Z)
    again at 1009
    ");
    scene.now = at(2000);
    assert_eq!(told(&scene).1, ["-", "OutOfMemory"]);
}
