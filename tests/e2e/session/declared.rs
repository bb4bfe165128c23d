//! What a Runtime declares of its sessions: variables that nobody else may read, and how long an end may take.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use gastown::world::exec::Exec;
use gastown::world::session::SessionError;
use gastown_controllers::world::{AttemptState, Session, SessionSpec};
use gastown_crds::common::NameValue;
use gastown_crds::runtime::{EnvCommand, EnvFile, EnvSource};
use gastown_crds::session_variables::SESSION_VARIABLES;
use gastown_supervisor::records::{self, Holder, NoJob, Spec};
use gastown_supervisor::{REFUSED, WORD};

use super::town::{Town, shell, wait_until};
use crate::town::harness::walk;

/// Values that stand in no text that anybody has written down: each is put together where it is used.
const FILE: &str = "of-a-file";
const COMMAND: &str = "of-a-command";

/// A Runtime whose sessions get a variable from a file and one from a command, and whose `env` overrides a third.
fn secretive(town: &Town, text: &str) -> SessionSpec {
    let keys = town.dir.path().join("keys.env");
    fs_err::write(&keys, format!("# keys\nKEY=very-secret-{FILE}\nOVER=file\nGT_BEAD=file\n")).unwrap();
    fs_err::set_permissions(&keys, Permissions::from_mode(0o600)).unwrap();
    let argv = ["sh", "-c", "printf 'very-%s\\n' secret-of-a-command"].map(str::to_owned).to_vec();
    let mut spec = shell(1, text);
    spec.runtime.env_from = vec![
        EnvSource { file: Some(EnvFile { path: keys.to_string_lossy().into_owned(), optional: false }), command: None },
        EnvSource { file: None, command: Some(EnvCommand { argv, name: Some("TOKEN".into()), timeout_seconds: None }) },
    ];
    spec.runtime.env = vec![NameValue { name: "OVER".into(), value: "env".into() }];
    spec.env = vec![NameValue { name: "GT_BEAD".into(), value: "sh-abc".into() }];
    spec
}

/// Ends with 0 if the agent has all of it.
fn has_all() -> String {
    format!(
        "[ \"$KEY $TOKEN\" = \"very-secret-{FILE} very-secret-{COMMAND}\" ] && [ \"$OVER $GT_BEAD\" = 'env sh-abc' ]"
    )
}

/// The files of the town that hold such a value.
fn leaks(town: &Town) -> Vec<String> {
    let holds = |path: &Path| fs_err::read(path).is_ok_and(|it| it.windows(12).any(|bytes| bytes == b"very-secret-"));
    let all = [town.layout.state(), town.layout.data()].into_iter().flat_map(walk);
    all.filter(|path| path.is_file() && holds(path)).map(|path| path.display().to_string()).collect()
}

fn secrets_reach_the_agent_alone(town: &Town) {
    let sandbox = town.sandbox("one");
    let mut spec =
        secretive(town, "[ \"${#KEY} ${#TOKEN} $OVER $GT_BEAD\" = '21 24 env sh-abc' ] && echo $$ > pid; sleep 600");
    spec.command.push("$(KEY)".to_owned());
    town.start(&sandbox, &spec);
    town.agent(&sandbox);
    assert_eq!(leaks(town), [] as [String; 0]);
    let Ok(Some(Spec::<NoJob>::Session(kept))) = records::read(&town.layout.attempt("bead", 1).join(records::SPEC))
    else {
        panic!("its spec is kept")
    };
    assert_eq!(kept.command.last().unwrap(), "$(KEY)");
    assert!(kept.takes_variables);
    town.sessions.end(&sandbox).unwrap();
    // The pipe is gone, and nothing was said.
    assert_eq!(leaks(town), [] as [String; 0]);
    assert!(!town.ended(1).tail.contains("secret"));
}

#[test]
fn secrets_reach_the_agent_alone_in_tmux() {
    secrets_reach_the_agent_alone(&Town::new());
}

#[test]
fn secrets_reach_the_agent_alone_without_tmux() {
    secrets_reach_the_agent_alone(&Town::without_tmux());
}

#[test]
fn both_values_are_what_was_kept() {
    let town = Town::new();
    let sandbox = town.sandbox("one");
    town.start(&sandbox, &secretive(&town, &has_all()));
    assert_eq!(town.ended(1).code, 0);
}

#[test]
fn a_source_that_fails_starts_nothing_and_is_tried_as_the_same_attempt() {
    let town = Town::new();
    let sandbox = town.sandbox("one");
    let spec = secretive(&town, &has_all());
    let keys = town.dir.path().join("keys.env");
    fs_err::set_permissions(&keys, Permissions::from_mode(0o640)).unwrap();
    let refused = town.sessions.ensure(&sandbox, &spec, &[]).unwrap_err();
    assert!(matches!(refused, SessionError::EnvFrom(_)), "{refused}");
    assert!(refused.to_string().contains("is open to others (mode 640): chmod 600"), "{refused}");
    assert_eq!(town.runs(), [], "no attempt was begun");
    fs_err::set_permissions(&keys, Permissions::from_mode(0o600)).unwrap();
    town.start(&sandbox, &spec);
    assert_eq!(town.ended(1).code, 0);
}

#[test]
fn without_the_controller_that_has_them_nothing_is_started() {
    let town = Town::new();
    let sandbox = town.sandbox("one");
    town.start(&sandbox, &secretive(&town, "exit 0"));
    town.ended(1);
    wait_until("the lock is free", || town.look(&sandbox) == Session::None);
    // As if the controller had died before its supervisor was there.
    let attempt = town.layout.attempt("bead", 1);
    for record in [records::STARTED, records::EXIT] {
        fs_err::remove_file(attempt.join(record)).unwrap();
    }
    let holder = Holder { owner_uid: "bead".to_owned(), attempt: 1 };
    records::write(&town.layout.sandbox_holder("one"), &holder, false).unwrap();
    let late = Exec::new(env!("CARGO_BIN_EXE_gt")).arg(WORD).arg(attempt.join(records::SPEC)).run().unwrap();
    assert_eq!(late.code, REFUSED);
    assert_eq!(town.state(1), Some(AttemptState::Intended));
    // The next controller makes up for it.
    town.start(&sandbox, &secretive(&town, "exit 0"));
    assert_eq!(town.ended(1).code, 0);
}

#[test]
fn the_variables_of_a_session_are_those_that_are_listed() {
    let town = Town::without_tmux();
    let sandbox = town.sandbox("one");
    town.start(&sandbox, &shell(1, "env"));
    town.ended(1);
    let tail = fs_err::read_to_string(town.sessions.attempt_log_path("bead", 1)).unwrap();
    let ours = ["GT_", "BD_", "GIT_"];
    let names: Vec<_> = tail.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name).collect();
    let ours: Vec<_> = names.into_iter().filter(|name| ours.iter().any(|begin| name.starts_with(begin))).collect();
    assert!(ours.contains(&"GT_RUN") && ours.contains(&"GT_DEGRADED"), "{tail}");
    for name in ours {
        assert!(SESSION_VARIABLES.iter().any(|it| it.name == name), "{name} is not listed");
    }
}

/// How long the end of a session takes, and how its agent ended.
fn ends(grace: u32, on_term: &str) -> (Duration, i32, bool) {
    let town = Town::new();
    let sandbox = town.sandbox("one");
    let mut spec = shell(1, &format!("trap '{on_term}' TERM; echo $$ > pid; while :; do sleep 0.1; done"));
    spec.runtime.grace_seconds = Some(grace);
    town.start(&sandbox, &spec);
    town.agent(&sandbox);
    let (began, within) = (Instant::now(), town.sessions.ended_within(std::slice::from_ref(&sandbox)).unwrap());
    assert!(within > Duration::from_secs(grace.into()));
    // A controller that came since has read it from the record.
    town.restarted().end(&sandbox).unwrap();
    let took = began.elapsed();
    assert_eq!(town.look(&sandbox), Session::None);
    let saved = town.layout.worktree("one").join("saved").is_file();
    (took, town.ended(1).code, saved)
}

#[test]
fn one_that_ignores_term_is_killed_when_its_grace_is_over() {
    let (took, code, _) = ends(1, "");
    assert_eq!(code, 137);
    assert!(took >= Duration::from_secs(1), "{took:?}");
}

#[test]
fn one_that_saves_its_work_has_the_time_for_it() {
    let saves = "sleep 1; echo work > saved; exit 0";
    let (_, code, saved) = ends(60, saves);
    assert_eq!((code, saved), (0, true));
    let (_, code, saved) = ends(0, saves);
    assert_eq!((code, saved), (137, false));
}
