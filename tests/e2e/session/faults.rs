//! Faults, on real tmux: whoever is killed and whatever is lost, a sandbox has one session and its end is told truly.

use super::town::{Town, WAITS, kill, lives, running, shell, wait_until};
use gastown::world::exec::Exec;
use gastown::world::session::SessionError;
use gastown_controllers::world::{AttemptState, SandboxId, Session};
use gastown_supervisor::records::{self, Holder};
use gastown_supervisor::{REFUSED, WORD, lock};

#[test]
fn a_killed_supervisor_frees_nothing_while_its_agent_lives() {
    let town = Town::new();
    let sandbox = town.sandbox("one");
    // The terminal goes with its supervisor; this agent does not.
    town.start(&sandbox, &shell(1, "trap '' HUP; echo $$ > pid; while :; do sleep 0.1; done"));
    let agent = town.agent(&sandbox);
    kill(town.started(1).process.pid);
    wait_until("the supervisor is gone", || !town.started(1).process.lives());

    assert!(lives(agent));
    assert_eq!(town.look(&sandbox), running(1));
    assert_eq!(town.state(1), Some(AttemptState::Running));
    let busy = town.sessions.ensure(&sandbox, &shell(2, "exit 0"), &[]);
    assert!(matches!(busy, Err(SessionError::Busy { .. })), "{busy:?}");

    town.sessions.end(&sandbox).unwrap();
    // A process lets go of the lock an instant before it is gone.
    wait_until("the agent is gone", || !lives(agent));
    assert_eq!(town.look(&sandbox), Session::None);
    assert!(matches!(town.state(1), Some(AttemptState::Lost { .. })));
}

#[test]
fn an_agent_that_let_go_of_the_lock_still_has_the_sandbox() {
    let town = Town::new();
    let sandbox = town.sandbox("one");
    // Some runtimes close what they inherit.
    let text = "trap '' HUP; for fd in /proc/$$/fd/*; do n=${fd##*/}; [ $n -gt 2 ] && [ $n -le 9 ] && eval \"exec $n>&-\"; done; \
                echo $$ > pid; while :; do sleep 0.1; done";
    town.start(&sandbox, &shell(1, text));
    let agent = town.agent(&sandbox);
    let path = town.layout.sandbox_lock("one");
    wait_until("it has let go", || !lock::holders(&path).unwrap().contains(&agent));
    kill(town.started(1).process.pid);
    wait_until("the lock is free", || !lock::held(&path).unwrap());

    assert_eq!((town.look(&sandbox), town.state(1)), (running(1), Some(AttemptState::Running)));
    let busy = town.sessions.ensure(&sandbox, &shell(2, "exit 0"), &[]);
    assert!(matches!(busy, Err(SessionError::Busy { .. })), "{busy:?}");
    town.sessions.end(&sandbox).unwrap();
    // A process lets go of the lock an instant before it is gone.
    wait_until("the agent is gone", || !lives(agent));
    assert_eq!(town.look(&sandbox), Session::None);
}

#[test]
fn a_killed_tmux_server_is_not_charged_to_its_agents() {
    let town = Town::new();
    let sandboxes = ["one", "two"].map(|uid| town.sandbox(uid));
    for (sandbox, attempt) in sandboxes.iter().zip(1..) {
        town.start(sandbox, &shell(attempt, WAITS));
        town.agent(sandbox);
    }
    kill(town.server().pid);
    for attempt in [1, 2] {
        let end = town.ended(attempt);
        assert_eq!((end.code, end.own), (129, false));
    }
    for (sandbox, attempt) in sandboxes.iter().zip(3..) {
        wait_until("the lock is free", || town.look(sandbox) == Session::None);
        town.start(sandbox, &shell(attempt, WAITS));
        assert_eq!(town.look(sandbox), running(attempt));
    }
}

#[test]
fn a_lost_socket_loses_nothing() {
    let town = Town::new();
    let (one, two) = (town.sandbox("one"), town.sandbox("two"));
    town.start(&one, &shell(1, WAITS));
    let (agent, server) = (town.agent(&one), town.server());
    // As temporary folders are cleaned: the socket goes with its folder.
    fs_err::remove_dir_all(town.layout.runtime()).unwrap();

    let other = town.restarted();
    assert_eq!(other.look(&one).unwrap(), running(1));
    other.ensure(&one, &shell(1, "exit 0"), &[]).unwrap();
    assert!(matches!(other.ensure(&one, &shell(2, "exit 0"), &[]), Err(SessionError::Busy { .. })));
    assert!(lives(agent));

    let attach = other.attach_command(&one).unwrap();
    assert_eq!(attach[3], "attach-session");
    assert!(town.layout.tmux_socket().exists(), "the same server made its socket again");
    town.start(&two, &shell(2, WAITS));
    assert_eq!(town.server(), server, "no second server");
    assert_eq!(town.tmux(&["list-sessions", "-F", "#{@gt-uid}"]).text(), "one\ntwo");
}

#[test]
fn a_session_of_somebody_else_is_not_killed() {
    let town = Town::new();
    let one = town.sandbox("one");
    town.start(&one, &shell(1, WAITS));
    let pane = town.started(1).tmux.unwrap();
    // The id now names a session that is not this sandbox's.
    town.tmux(&["set-option", "-t", &format!("{}:", pane.session), "@gt-uid", "another"]);
    town.tmux(&["new-window", "-t", &format!("{}:", pane.session), "sleep 600"]);
    town.sessions.end(&one).unwrap();
    assert_eq!(town.look(&one), Session::None);
    assert_eq!(town.tmux(&["list-sessions", "-F", "#{@gt-uid}"]).text(), "another");
}

#[test]
fn a_held_lock_refuses_with_75() {
    let town = Town::new();
    let sandbox = town.sandbox("one");
    town.start(&sandbox, &shell(1, WAITS));
    let agent = town.agent(&sandbox);
    let spec = town.layout.attempt("bead", 1).join(records::SPEC);
    let started = town.started(1);
    let second = Exec::new(env!("CARGO_BIN_EXE_gt")).arg(WORD).arg(&spec).run().unwrap();
    assert_eq!(second.code, REFUSED);
    assert_eq!(town.started(1), started);
    assert!(lives(agent));
}

#[test]
fn a_start_that_was_withdrawn_or_has_been_does_not_come() {
    let town = Town::new();
    let sandbox = town.sandbox("one");
    town.start(&sandbox, &shell(1, "exit 0"));
    town.ended(1);
    wait_until("the lock is free", || town.look(&sandbox) == Session::None);
    let spec = town.layout.attempt("bead", 1).join(records::SPEC);
    let late = || Exec::new(env!("CARGO_BIN_EXE_gt")).arg(WORD).arg(&spec).run().unwrap().code;
    assert_eq!(late(), REFUSED, "it has been");

    // As if it had never begun, and then another attempt was meant, or none.
    fs_err::remove_file(town.layout.attempt("bead", 1).join(records::STARTED)).unwrap();
    records::write(&town.layout.sandbox_holder("one"), &Holder { owner_uid: "bead".to_owned(), attempt: 2 }, false)
        .unwrap();
    assert_eq!(late(), REFUSED, "another is meant");
    town.sessions.end(&sandbox).unwrap();
    assert_eq!(late(), REFUSED, "none is meant");
    assert_eq!(town.look(&sandbox), Session::None);
}

#[test]
fn an_intent_that_never_started_is_started_by_the_next_ensure() {
    let town = Town::new();
    let sandbox = town.sandbox("one");
    // A crash right after the folder was made.
    fs_err::create_dir_all(town.layout.attempt("bead", 1)).unwrap();
    assert_eq!(town.state(1), Some(AttemptState::Intended));
    town.start(&sandbox, &shell(1, "exit 7"));
    assert_eq!(town.ended(1).code, 7);
}

#[test]
fn a_lock_that_nothing_explains_is_unknown_and_left_alone() {
    let town = Town::new();
    let sandbox = town.sandbox("one");
    town.start(&sandbox, &shell(1, WAITS));
    let agent = town.agent(&sandbox);
    let holder = town.layout.sandbox_holder("one");
    let record = fs_err::read(&holder).unwrap();
    fs_err::remove_file(&holder).unwrap();
    let unknown = town.sessions.look(&sandbox);
    assert!(matches!(&unknown, Err(SessionError::Unknown { pids, .. }) if pids.contains(&agent)), "{unknown:?}");
    assert!(matches!(town.sessions.end(&sandbox), Err(SessionError::Unknown { .. })));
    assert!(lives(agent));
    fs_err::write(&holder, record).unwrap();
}

#[test]
fn without_tmux_sessions_are_processes_under_the_same_lock() {
    let town = Town::without_tmux();
    let sandbox = town.sandbox("one");
    town.start(
        &sandbox,
        &shell(1, "echo degraded: $GT_DEGRADED; [ -t 0 ] || echo no terminal; echo $$ > pid; exec sleep 600"),
    );
    let agent = town.agent(&sandbox);
    assert_eq!(town.look(&sandbox), running(1));
    assert_eq!(town.started(1).tmux, None);
    wait_until("it is recorded", || town.sessions.capture(&sandbox).unwrap().contains("no terminal"));
    assert_eq!(town.sessions.attach_command(&sandbox).unwrap()[0], "tail");
    assert_eq!((town.sessions.screen(&sandbox).unwrap(), town.sessions.leave_keys(&sandbox).unwrap()), (None, None));
    assert!(!town.layout.tmux_socket().exists());

    kill(agent);
    let end = town.ended(1);
    assert_eq!((end.code, end.own), (137, true));
    assert_eq!(end.tail, "degraded: true\nno terminal\n\ngt: sh ended with 137");
    wait_until("the lock is free", || town.look(&sandbox) == Session::None);

    town.start(&sandbox, &shell(2, WAITS));
    town.sessions.end(&sandbox).unwrap();
    assert_eq!(town.look(&sandbox), Session::None);
    assert!(!town.ended(2).own);
    wait_until("no zombie is left", || {
        town.children.reap();
        town.children.count() == 0
    });
}

#[test]
fn gt_itself_stands_in_for_a_supervisor_that_cannot_be_started() {
    for town in [Town::new(), Town::without_tmux()] {
        let sandbox = town.sandbox("one");
        fs_err::remove_file(town.layout.supervisor()).unwrap();
        town.start(&sandbox, &shell(1, "echo on; exit 3"));
        let end = town.ended(1);
        assert_eq!((end.code, end.tail.as_str()), (3, "on\n\ngt: sh ended with 3"));
    }
}

#[test]
fn twenty_sessions_at_once_lose_none() {
    let town = Town::new();
    let sandboxes: Vec<SandboxId> = (1..=20).map(|n| town.sandbox(&format!("s{n}"))).collect();
    std::thread::scope(|scope| {
        for (sandbox, attempt) in sandboxes.iter().zip(1..) {
            let town = &town;
            scope.spawn(move || {
                // Twenty at a time on a small machine may take longer than one start may: ensuring again is harmless.
                let spec = shell(attempt, &format!("while [ ! -e go ]; do sleep 0.01; done; exit {attempt}"));
                wait_until("it has begun", || town.sessions.ensure(sandbox, &spec, &[]).is_ok());
                wait_until("it runs", || town.look(sandbox) == running(attempt));
                fs_err::write(town.layout.worktree(&sandbox.uid).join("go"), "").unwrap();
            });
        }
    });
    for attempt in 1..=20_u32 {
        let end = town.ended(attempt);
        assert_eq!((end.code, end.own), (attempt.cast_signed(), true));
        assert_eq!(end.tail, format!("gt: sh ended with {attempt}"));
    }
    wait_until("all locks are free", || sandboxes.iter().all(|sandbox| town.look(sandbox) == Session::None));
}
