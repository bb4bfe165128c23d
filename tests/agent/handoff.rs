//! `gt handoff`, `gt seance` and the hook of a full context, through the real binary, offline.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use gastown_crds::{Bead, Runtime};
use insta::assert_snapshot;
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::{Value, from_value, json};

use crate::town::{TestTown, bead, nux};

/// A town in which the second attempt at a bead is at work.
fn hooked() -> TestTown {
    let town = TestTown::new();
    town.seed_hooked();
    town.api(None, async |client| {
        let beads: Api<Bead> = Api::default_namespaced(client);
        let status = Patch::Merge(json!({"status": {"state": "Working", "attempts": 2}}));
        beads.patch_status("shop-1", &PatchParams::default(), &status).await.unwrap();
    });
    town
}

fn handoffs(town: &TestTown) -> Value {
    town.api(None, async |client| {
        let beads: Api<Bead> = Api::default_namespaced(client);
        json!(beads.get("shop-1").await.unwrap().spec.handoffs)
    })
}

/// A verb as the session of an attempt runs it.
fn as_attempt(town: &TestTown, attempt: u32, args: &[&str]) -> String {
    let session = town.in_session(&town.path("bin/gt")).env("GT_ATTEMPT", attempt.to_string());
    town.tell(&session.args(args).env("GT_WORKTREE", town.path("worktree")).run().unwrap())
}

#[test]
fn an_agent_leaves_a_note_and_its_successor_reads_it_first() {
    let town = hooked();
    let say = |args: &[&str]| as_attempt(&town, 2, args);
    assert_snapshot!(say(&["handoff", "-s", "parser is next", "-m", "The lexer is done."]), @"
    exit 0
    handed off `shop-1` after attempt 2. End your turn now: your session ends, and the next one begins with your note.
    ");
    // What is said again counts.
    say(&["handoff", "-m", "the parser is next\nand hard"]);
    let told = handoffs(&town);
    assert_eq!(told.as_array().unwrap().len(), 1);
    let [handoff] = &told.as_array().unwrap()[..] else { unreachable!() };
    assert_eq!((&handoff["attempt"], &handoff["subject"]), (&2.into(), &"the parser is next".into()));
    assert_eq!(handoff["progress"], format!("3 steps open at {}", town.base));
    assert!(!say(&["prime"]).contains("Handed off to you"), "it is not its own successor");
    let next = as_attempt(&town, 3, &["prime"]);
    let (_, note) = next.split_once("- attempt: 3\n\n").unwrap();
    assert!(note.starts_with("## Handed off to you: the parser is next\n\nAttempt 2 left this note"), "{note}");
    assert_snapshot!(say(&["handoff"]), @r#"
    exit 1
    2> error: the note is empty
    2> hint: `gt handoff -s "what it is about" -m "what is done, what is next, what did not work"`
    "#);
    assert_snapshot!(say(&["handoff", "shop-2", "-m", "x"]), @r#"
    exit 1
    2> error: `shop-2` is not yours: agents hand off their own work
    2> hint: `gt handoff -s "..." -m "..."`
    "#);
}

#[test]
fn a_person_hands_off_for_an_agent_that_is_at_work() {
    let town = hooked();
    assert_snapshot!(town.person("gt handoff shop/nux -m begin~anew"), @"
    exit 0
    bead/shop-1 handed off: attempt 2 ends, and the next begins with the note
    2> the town is down, so nothing moves yet: `gt up`
    ");
    assert_eq!(handoffs(&town)[0]["by"], "kim");
    assert_snapshot!(town.person("gt handoff -m x"), @r#"
    exit 1
    2> error: `gt handoff` is for an agent's session, and this is none: GT_BEAD is not set
    2> hint: for an agent, name its bead: `gt handoff BEAD -m "..."`
    "#);
    assert_snapshot!(town.person("gt handoff shop-9 -m x"), @"
    exit 1
    2> error: there is no bead `shop-9`, and no polecat of that name has one
    2> hint: `gt status` shows who has what
    ");
}

/// What the hook answers to the report of a full context, where the Runtime hands off then.
fn pressed(town: &TestTown, dialect: &str, trigger: &str, hands_off: &str) -> String {
    let run = town.path("run");
    fs_err::create_dir_all(&run).unwrap();
    let said = json!({"message": {"role": "assistant", "content": [{"type": "text", "text": "The parser is next."}]}});
    fs_err::write(town.path("transcript.jsonl"), format!("{said}\n")).unwrap();
    let report = json!({
        "hook_event_name": "PreCompact", "trigger": trigger, "transcript_path": town.path("transcript.jsonl"),
        "session_id": "1",
    });
    let session = town.in_session(&town.path("bin/gt")).args(["__hook"]).stdin(report.to_string());
    let session = session.env("GT_RUN", &run).env("GT_WORKTREE", town.path("worktree"));
    town.tell(&session.env("GT_DIALECT", dialect).env("GT_ON_CONTEXT_PRESSURE", hands_off).run().unwrap())
}

#[test]
fn a_full_context_is_handed_off_with_what_can_be_seen() {
    let town = hooked();
    // Its program makes it shorter where it is to, or a person wants it.
    assert_eq!(pressed(&town, "Claude", "auto", ""), "exit 0\n");
    assert_eq!(pressed(&town, "Claude", "manual", "Handoff"), "exit 0\n");
    assert_eq!(handoffs(&town), json!([]));
    town.commit("new");
    fs_err::write(town.path("worktree/half"), "").unwrap();
    town.agent("bd close shop-1.change");
    assert_snapshot!(pressed(&town, "Claude", "auto", "Handoff"), @r#"
    exit 0
    {"decision":"block","reason":"the context is full: this session was handed off to another"}
    "#);
    assert_snapshot!(pressed(&town, "Codex", "auto", "Handoff"), @r#"
    exit 0
    {"continue":false,"stopReason":"the context is full: this session was handed off to another"}
    "#);
    let told = handoffs(&town);
    assert_eq!(told[0]["subject"], "context full; last said: The parser is next.");
    let head = town.git("worktree", &["rev-parse", "HEAD"]);
    assert_snapshot!(told[0]["message"].as_str().unwrap().replace(&head, "<commit>"), @"
    The context was full, so the town has written this.

    Closed steps: shop-1.change
    Open steps: shop-1.docs, shop-1.verify
    Commits on the branch: 1, the last <commit>
    Not committed:
      ?? half

    What was said last:

    The parser is next.
    ");
    // What the agent itself has said is not written over.
    as_attempt(&town, 1, &["handoff", "-s", "mine"]);
    pressed(&town, "Claude", "auto", "Handoff");
    assert_eq!((&handoffs(&town)[0]["subject"], handoffs(&town).as_array().unwrap().len()), (&"mine".into(), 1));
}

/// Records of the first attempt at a bead, with a conversation; what it was run by answers with its own words.
fn first_attempt(town: &TestTown) {
    let uid = town.api(None, async |client| {
        let runtimes: Api<Runtime> = Api::default_namespaced(client.clone());
        let spec = json!({
            "command": ["talk"], "resume": ["$(GT_CONVERSATION)"], "seance": ["talk", "$(GT_CONVERSATION)", "$(GT_PROMPT)"],
        });
        let runtime = Runtime::new("talker", from_value(spec).unwrap());
        runtimes.create(&PostParams::default(), &runtime).await.unwrap();
        let beads: Api<Bead> = Api::default_namespaced(client);
        beads.get("shop-1").await.unwrap().metadata.uid.unwrap()
    });
    let attempt = town.town.layout.attempt(&uid, 1);
    let put = |name: &str, record: Value| {
        let path = attempt.join(name);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, record.to_string()).unwrap();
    };
    let at = "2026-01-02T03:04:05Z";
    put("exit.json", json!({"version": 1, "code": 1, "own": true, "at": at}));
    put("run/.conversation.json", json!({"version": 1, "id": "talk-1"}));
    put(
        "spec.json",
        json!({
            "version": 1, "form": "session", "runDir": attempt, "lock": "/none", "holder": "/none", "sandboxUid": "none",
            "beadUid": uid, "attempt": 1, "work": "", "command": ["talk"], "env": [], "runtime": "talker", "pathFirst": "/none",
            "cwd": "/none", "gt": "/none",
        }),
    );
    let program = town.path("bin/talk");
    let text = "#!/bin/sh\necho \"$1 was asked ($2) in $(ls -a | wc -l) by ${GT_BEAD:-nobody} as $GT_ACTOR\"\n";
    fs_err::write(&program, text).unwrap();
    fs_err::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
}

#[test]
fn a_session_before_is_listed_and_asked() {
    let town = hooked();
    first_attempt(&town);
    assert_snapshot!(as_attempt(&town, 2, &["seance"]), @r#"
    exit 0
    shop-1: Log out
      1   talker           -                 talk-1    ended with 1
    2> ask one:  gt seance BEAD [--attempt N] "..."
    "#);
    let list = as_attempt(&town, 2, &["seance", "-o", "json"]);
    let list: Value = serde_json::from_str(list.strip_prefix("exit 0\n").unwrap()).unwrap();
    assert_eq!((&list[0]["conversation"], &list[0]["how"]), (&"talk-1".into(), &"ended with 1".into()));
    assert_snapshot!(as_attempt(&town, 2, &["seance", "what did you try?"]), @"
    exit 0
    talk-1 was asked (A question from somebody who goes on with your work. Answer from what you know; change nothing, and do not go on with the work itself.

    what did you try?) in 2 by nobody as shop/crew/seance
    ");
    assert!(town.person("gt seance shop-1 what~now?").contains("talk-1 was asked"));
    assert_snapshot!(as_attempt(&town, 2, &["seance", "shop-1", "--attempt", "7", "what?"]), @"
    exit 1
    2> error: `shop-1` has no earlier attempt 7
    2> hint: `gt seance shop-1` lists them
    ");
}

#[test]
fn one_that_does_not_answer_is_ended_and_agents_ask_within_their_rig() {
    let town = hooked();
    first_attempt(&town);
    let program = town.path("bin/talk");
    let says = |text: &str| fs_err::write(&program, format!("#!/bin/sh\n{text}\n")).unwrap();
    says("exec sleep 60");
    assert_snapshot!(town.person("gt seance shop-1 what? --timeout 1"), @"
    exit 1
    2> error: it did not answer within 1 s
    2> hint: ask for less, or give it longer: `--timeout SECONDS`
    ");
    says("echo 'no conversation found' >&2; exit 1");
    assert_snapshot!(town.person("gt seance shop-1 what?"), @"
    exit 1
    2> error: `talk` gave no answer, and ended with 1: no conversation found
    2> hint: `gt logs bead/shop-1 --attempt 1` shows the conversation
    ");
    town.seed([bead("mill-1", &json!({"rig": "mill", "assignee": nux()}))]);
    assert_snapshot!(town.agent("gt seance mill-1"), @r#"
    exit 1
    2> error: `mill-1` is of rig mill: agents ask within their own, shop
    2> hint: what only a person can tell: `gt ask "<question>"`
    "#);
    assert!(!Path::new("/none").exists(), "its worktree is gone in these tests");
}
