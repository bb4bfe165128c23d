//! What an agent leaves behind goes with its session, however far it went: no lock, no terminal, no environment.

use super::town::{Town, WAITS, kill, lives, running, shell, wait_until};
use gastown::world::session::SessionError;
use gastown_controllers::world::{SandboxId, Session};
use gastown_supervisor::proc;
use rustix::process::{Signal, kill_process};

/// A program that lets go of all it inherited, in a session of its own, and says its pid in `file`.
fn daemon(file: &str, environment: &str, go: &str) -> String {
    let closed = "exec </dev/null >/dev/null 2>&1 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-";
    format!("(setsid {environment} sh -c 'echo $$ > {file}.new; mv {file}.new {file}; {closed}; {go}' &); ")
}

/// Waits for the daemon to be said.
fn said(file: &str) -> String {
    format!("while ! [ -s {file} ]; do sleep 0.01; done; ")
}

/// The pid in a file of the worktree, once it is there.
fn pid(town: &Town, sandbox: &SandboxId, file: &str) -> i32 {
    let path = town.layout.worktree(&sandbox.uid).join(file);
    wait_until("the daemon has said its pid", || path.exists());
    fs_err::read_to_string(path).unwrap().trim().parse().unwrap()
}

#[test]
fn it_is_gone_before_the_end_is_recorded() {
    for town in [Town::new(), Town::without_tmux()] {
        let sandbox = town.sandbox("one");
        let text = daemon("away", "env -i PATH=\"$PATH\"", "cd /; exec sleep 600") + &said("away") + "exit 5";
        town.start(&sandbox, &shell(1, &text));
        let away = pid(&town, &sandbox, "away");
        let end = town.ended(1);
        assert_eq!((end.code, end.own), (5, true));
        assert!(!lives(away));
        wait_until("the lock is free", || town.look(&sandbox) == Session::None);
    }
}

#[test]
fn it_goes_when_the_session_is_ended_even_if_it_does_not_listen() {
    let town = Town::new();
    let sandbox = town.sandbox("one");
    let deaf = daemon("deaf", "", "trap \"\" TERM; while :; do sleep 1; done");
    town.start(&sandbox, &shell(1, &format!("{deaf}{}{WAITS}", said("deaf"))));
    let (agent, deaf) = (town.agent(&sandbox), pid(&town, &sandbox, "deaf"));
    town.sessions.end(&sandbox).unwrap();
    wait_until("both are gone", || !lives(agent) && !lives(deaf));
    assert!(!town.ended(1).own);
    assert_eq!(town.look(&sandbox), Session::None);
}

#[test]
fn what_a_killed_supervisor_leaves_is_seen_and_ended() {
    let town = Town::new();
    let sandbox = town.sandbox("one");
    let marked = daemon("marked", "", "cd /; exec sleep 600");
    let here = daemon("here", "env -i PATH=\"$PATH\"", "exec sleep 600");
    let text = format!("{marked}{here}{}{}{WAITS}", said("marked"), said("here"));
    town.start(&sandbox, &shell(1, &text));
    let agent = town.agent(&sandbox);
    let mut left = vec![pid(&town, &sandbox, "marked"), pid(&town, &sandbox, "here")];
    left.sort_unstable();
    let supervisor = town.started(1).process;
    // Stopped first: it must not see its agent's end; and with it goes the terminal, and the agent with that.
    supervisor.signal(Signal::STOP);
    kill(agent);
    kill(supervisor.pid);
    wait_until("both are gone", || !supervisor.lives() && !lives(agent));

    wait_until("what is left is seen", || town.look(&sandbox) == Session::Strays { pids: left.clone() });
    assert_eq!(town.restarted().look(&sandbox).unwrap(), Session::Strays { pids: left.clone() });
    let busy = town.sessions.ensure(&sandbox, &shell(2, "exit 0"), &[]);
    assert!(matches!(busy, Err(SessionError::Busy { .. })), "{busy:?}");
    town.sessions.end(&sandbox).unwrap();
    assert!(!left.iter().any(|pid| lives(*pid)));
    assert_eq!(town.look(&sandbox), Session::None);
    town.start(&sandbox, &shell(2, WAITS));
    assert_eq!(town.look(&sandbox), running(2));
}

#[test]
fn another_part_of_the_town_is_not_the_agents() {
    let town = Town::new();
    let sandbox = town.sandbox("one");
    let locks = town.layout.sandbox_lock("other");
    let locks = locks.parent().unwrap().display();
    // As a controller does that an agent has started, and the agent of another sandbox below it, which has a child.
    let controller = daemon(
        "controller",
        "",
        &format!("exec 8>>{locks}/store; flock 8; sh -c \"echo \\$\\$ > below; exec sleep 600\" & wait"),
    );
    let other = daemon("other", "", &format!("exec 8>>{locks}/other; flock 8; echo > held; exec sleep 600"));
    let text = format!(
        "{controller}{other}{}{}while ! [ -s below ] || ! [ -e held ]; do sleep 0.01; done; exit 0",
        said("controller"),
        said("other")
    );
    town.start(&sandbox, &shell(1, &text));
    town.ended(1);
    let theirs = ["controller", "below", "other"].map(|file| pid(&town, &sandbox, file));
    assert!(theirs.iter().all(|pid| lives(*pid)));
    wait_until("the lock is free", || town.look(&sandbox) == Session::None);
    for pid in theirs {
        kill(pid);
    }
}

#[test]
fn no_zombie_gathers_below_an_agent_that_goes_on() {
    let town = Town::new();
    let sandbox = town.sandbox("one");
    let many = "for n in 1 2 3 4 5; do (sh -c 'sleep 0.05' &); done; ";
    town.start(&sandbox, &shell(1, &format!("{many}{WAITS}")));
    let agent = town.agent(&sandbox);
    let supervisor = town.started(1).process.pid;
    let children = || {
        let mut pids = proc::pids().unwrap();
        pids.retain(|pid| proc::stat(*pid).is_some_and(|stat| stat.parent == supervisor));
        pids
    };
    wait_until("only the agent is left", || children() == [agent]);
    kill_process(rustix::process::Pid::from_raw(agent).unwrap(), Signal::TERM).unwrap();
    town.ended(1);
}

#[test]
fn what_holds_the_lock_and_is_neither_agent_nor_supervisor_does_not_work() {
    let town = Town::new();
    let sandbox = town.sandbox("one");
    // As a shell's `server &` does, it inherits all there is.
    let text = "trap '' HUP; setsid sh -c 'echo $$ > server.new; mv server.new server; exec sleep 600' & while ! [ -s server ]; do sleep 0.01; done; echo $$ > pid; while :; do sleep 0.1; done";
    town.start(&sandbox, &shell(1, text));
    let (agent, server) = (town.agent(&sandbox), pid(&town, &sandbox, "server"));
    let supervisor = town.started(1).process;
    kill(supervisor.pid);
    wait_until("the supervisor is gone", || !supervisor.lives());
    assert_eq!(town.look(&sandbox), running(1), "its agent works");
    kill(agent);
    wait_until("the agent is gone", || !lives(agent));
    assert!(matches!(town.look(&sandbox), Session::Strays { pids } if pids.contains(&server)));
    town.sessions.end(&sandbox).unwrap();
    assert_eq!(town.look(&sandbox), Session::None);
    // It let go of the lock as it died, which is a moment before the kernel has told everybody.
    wait_until("the server is gone", || !lives(server));
}
