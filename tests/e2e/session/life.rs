//! The life of a session on real tmux: it starts, is seen, ends by itself or is ended, and its end is recorded.

use super::town::{Town, kill, lives, running, shell, spec, wait_until};
use gastown::world::session::SessionError;
use gastown_controllers::world::{AttemptState, Session};
use gastown_crds::bead::ReworkKind;
use gastown_crds::common::NameValue;

#[test]
fn an_agent_runs_in_a_terminal_and_its_exit_is_recorded() {
    let town = Town::new();
    let sandbox = town.sandbox("one");
    assert_eq!(town.look(&sandbox), Session::None);
    assert_eq!(town.runs(), []);

    town.start(&sandbox, &shell(1, "[ -t 0 ] && [ -t 1 ] && echo on a terminal; echo $$ > pid; read go; exit 3"));
    assert_eq!(town.look(&sandbox), running(1));
    assert_eq!(town.state(1), Some(AttemptState::Running));
    town.agent(&sandbox);
    wait_until("it shows", || town.sessions.capture(&sandbox).unwrap().contains("on a terminal"));

    assert_eq!(town.sessions.screen(&sandbox).unwrap().unwrap().lines().next(), Some("on a terminal"));
    assert_eq!(town.sessions.leave_keys(&sandbox).unwrap().as_deref(), Some("Ctrl-b d"));
    assert_eq!(town.tmux(&["display-message", "-p", "#{E:status-right}"]).text(), " to leave: C-b d ");
    town.tmux(&["set-option", "-g", "prefix", "C-a"]);
    assert_eq!(town.sessions.leave_keys(&sandbox).unwrap().as_deref(), Some("Ctrl-a d"));

    town.tmux(&["send-keys", "-t", &town.started(1).tmux.unwrap().pane, "go", "Enter"]);
    let end = town.ended(1);
    assert_eq!((end.code, end.own), (3, true));
    assert_eq!(end.tail, "on a terminal\ngo\n\ngt: sh ended with 3");
    wait_until("the lock is free", || town.look(&sandbox) == Session::None);
    wait_until("the session is gone", || !town.server().lives());
    assert!(matches!(town.sessions.capture(&sandbox), Err(SessionError::NoSession { .. })));
}

#[test]
fn the_agent_is_the_terminals_foreground() {
    let town = Town::new();
    let sandbox = town.sandbox("one");
    // Fields 5 and 8 of stat: its group and the terminal's. It asks first thing, so a race would be seen.
    town.start(&sandbox, &shell(1, "read -r _ _ _ _ group _ _ front _ < /proc/$$/stat; [ $group = $front ]"));
    assert_eq!(town.ended(1).code, 0);
}

#[test]
fn an_agent_finds_its_work_in_its_environment() {
    let town = Town::new();
    let sandbox = town.sandbox("one");
    let mut spec = shell(2, "env | grep -E '^(GT|BD|GIT|MINE|PATH)' | sort; cat $GT_REWORK_LOG; pwd");
    spec.rework = Some((ReworkKind::Red, "two tests failed\n".to_owned()));
    let env = [("MINE", "a b"), ("GT_BEAD", "sh-abc"), ("GT_TOWN_UID", "not mine to say")];
    spec.env = env.map(|(name, value)| NameValue { name: name.to_owned(), value: value.to_owned() }).into();
    let extra = [("GIT_CONFIG_COUNT".to_owned(), "0".to_owned())];
    town.sessions.ensure(&sandbox, &spec, &extra).unwrap();
    let tail = town.ended(2).tail;
    // tmux wraps nothing in what it pipes; each variable is on its line.
    for line in [
        "GIT_CONFIG_COUNT=0",
        "GT_BEAD=sh-abc",
        "GT_REWORK=Red",
        "GT_TOWN_UID=town-uid",
        "MINE=a b",
        "two tests failed",
        town.layout.worktree("one").to_str().unwrap(),
    ] {
        assert!(tail.lines().any(|l| l == line), "no line {line} in:\n{tail}");
    }
    assert!(tail.contains(&format!("PATH={}:", town.layout.bin().display())), "{tail}");
    assert!(!tail.contains("GT_DEGRADED"));
    assert_eq!(town.runs()[0].work, "digest");
}

#[test]
fn a_built_in_agent_is_written_out_and_run() {
    let town = Town::new();
    let sandbox = town.sandbox("one");
    town.start(&sandbox, &spec(1, &["gt:script", "words"]));
    let end = town.ended(1);
    assert_eq!((end.code, end.tail.as_str()), (4, "built in\nwith words\n\ngt: sh ended with 4"));
    let unknown = town.sessions.ensure(&sandbox, &spec(2, &["gt:nothing"]), &[]);
    assert!(matches!(unknown, Err(SessionError::NoCommand { word }) if word == "gt:nothing"));
    assert!(town.sessions.program_exists("gt:script") && town.sessions.program_exists("gt"));
    assert!(!town.sessions.program_exists("gt:nothing") && !town.sessions.program_exists("gt-no-such-program"));
}

#[test]
fn a_missing_program_ends_with_127() {
    let town = Town::new();
    let sandbox = town.sandbox("one");
    town.start(&sandbox, &spec(1, &["gt-no-such-program"]));
    let end = town.ended(1);
    assert_eq!((end.code, end.own), (127, true));
    assert!(end.tail.contains("gt-no-such-program"), "{}", end.tail);
}

#[test]
fn nothing_starts_twice() {
    let town = Town::new();
    let sandbox = town.sandbox("one");
    town.start(&sandbox, &shell(1, "echo began >> begun; echo $$ > pid; exec sleep 600"));
    let agent = town.agent(&sandbox);
    let other = town.restarted();
    for _ in 0..3 {
        other.ensure(&sandbox, &shell(1, "echo again >> begun"), &[]).unwrap();
    }
    let busy = other.ensure(&sandbox, &shell(2, "echo again >> begun"), &[]);
    assert!(matches!(busy, Err(SessionError::Busy { .. })), "{busy:?}");
    assert!(lives(agent));

    kill(agent);
    let end = town.ended(1);
    assert_eq!((end.code, end.own), (137, true));
    // It has run: it does not run again.
    wait_until("the lock is free", || town.look(&sandbox) == Session::None);
    town.start(&sandbox, &shell(1, "echo again >> begun"));
    assert_eq!(town.look(&sandbox), Session::None);
    assert_eq!(fs_err::read_to_string(town.layout.worktree("one").join("begun")).unwrap(), "began\n");
    assert_eq!(town.runs().len(), 1, "a refused attempt leaves no folder");
}

#[test]
fn ending_is_not_charged() {
    let town = Town::new();
    let sandbox = town.sandbox("one");
    town.start(&sandbox, &shell(1, "trap 'echo bye; exit 0' TERM; echo $$ > pid; while :; do sleep 1; done"));
    town.agent(&sandbox);
    town.sessions.end(&sandbox).unwrap();
    assert_eq!(town.look(&sandbox), Session::None);
    let end = town.ended(1);
    assert!(!end.own);
    town.sessions.end(&sandbox).unwrap();
    assert_eq!(town.ended(1), end);
    // The sandbox is free for the next.
    town.start(&sandbox, &shell(2, "exit 0"));
    assert!(town.ended(2).own);
}

#[test]
fn stubborn_agents_and_what_they_left_behind_are_ended() {
    let town = Town::new();
    let sandbox = town.sandbox("one");
    // Ignores what asks it to end, and so does a grandchild in a session of its own, which nobody is the parent of.
    let text = "trap '' TERM HUP INT; (setsid sh -c 'echo $$ > stray; while :; do sleep 1; done' &); \
                echo $$ > pid; while :; do sleep 1; done";
    town.start(&sandbox, &shell(1, text));
    let agent = town.agent(&sandbox);
    let stray = town.layout.worktree("one").join("stray");
    wait_until("the stray has begun", || fs_err::read_to_string(&stray).is_ok_and(|text| text.ends_with('\n')));
    let stray = fs_err::read_to_string(stray).unwrap().trim().parse().unwrap();
    assert!(lives(agent) && lives(stray));

    town.sessions.end(&sandbox).unwrap();
    // A process lets go of the lock an instant before it is gone.
    wait_until("both are gone", || !lives(agent) && !lives(stray));
    assert_eq!(town.look(&sandbox), Session::None);
    let end = town.ended(1);
    assert_eq!((end.code, end.own), (137, false));
}
