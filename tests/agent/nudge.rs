//! Messages to an agent, as its program's hooks are answered: `gt __hook` in a session of a town without a controller.

use std::path::PathBuf;

use gastown::clock::{Clock, SystemClock};
use gastown::world::messages::{Messages, Mode, NewMessage, Quiet, QuietRecord};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::town::TestTown;

/// A session at work on a bead with steps, that is sent on twice.
struct Scene {
    town: TestTown,
    run: PathBuf,
    messages: Messages,
}

impl Scene {
    fn new() -> Self {
        let town = TestTown::new();
        town.seed_hooked();
        let run = town.town.layout.attempt("the-bead", 1).join("run");
        fs_err::create_dir_all(&run).unwrap();
        let messages = Messages::to(&town.town.layout, "the-bead");
        Self { town, run, messages }
    }

    fn send(&self, text: &str, mode: Mode) {
        let now = SystemClock.now();
        let expires = now + SignedDuration::from_mins(1);
        let new = NewMessage { from: "kim".into(), text: text.into(), expires, mode, forced: false, opens: false };
        self.messages.change(now, |queue| queue.push(new, now)).unwrap().unwrap();
    }

    /// The answer to a report.
    fn answer(&self, report: &Value) -> Value {
        let gt = self.town.path("bin").join("gt");
        let hook = self.town.in_session(&gt).arg("__hook").env("GT_RUN", &self.run).env("GT_KEEP_AT_WORK", "1");
        let sandbox = self.town.town.layout.worktree("nux-uid");
        let hook = hook.env("GT_SANDBOX", sandbox).env("GT_DATA", self.town.town.layout.data());
        let output = hook.stdin(report.to_string()).run().unwrap();
        assert_eq!((output.code, output.complaint().as_str()), (0, ""));
        serde_json::from_str(&output.text()).unwrap_or_default()
    }

    /// What an agent whose turn ends is told; none if it may stop.
    fn stop(&self) -> Option<String> {
        self.answer(&json!({"hook_event_name": "Stop"}))["reason"].as_str().map(str::to_owned)
    }

    /// What is added to a prompt, or to the result of a tool.
    fn added(&self, event: &str, prompt: &str) -> Option<String> {
        let answer = self.answer(&json!({"hook_event_name": event, "prompt": prompt, "tool_name": "Bash"}));
        answer["hookSpecificOutput"]["additionalContext"].as_str().map(str::to_owned)
    }

    fn states(&self) -> Vec<Value> {
        let queue = self.messages.read(SystemClock.now()).unwrap();
        queue.messages().iter().map(|message| serde_json::to_value(message).unwrap()["state"].take()).collect()
    }
}

#[test]
fn an_agent_is_told_at_the_end_of_its_turn_and_that_is_not_sending_it_on() {
    let scene = Scene::new();
    let first = scene.stop().unwrap();
    assert!(first.starts_with("There is still work on your hook. Next: "), "{first}");
    // It was sent on as often as it is; a message has it go on all the same, once.
    scene.send("tabs, please", Mode::Queue);
    scene.send("and soon", Mode::WaitIdle);
    let told = scene.stop().unwrap();
    assert_eq!(told, format!("[from kim] tabs, please\n\n[from kim] and soon\n\n{first}"));
    assert_eq!(scene.states(), ["Delivered", "Delivered"]);
    assert_eq!(scene.stop(), None);
}

#[test]
fn what_waits_comes_with_the_next_prompt_and_what_is_urgent_with_the_next_tool() {
    let scene = Scene::new();
    scene.send("later", Mode::WaitIdle);
    assert_eq!(scene.added("PostToolUse", ""), None);
    scene.send("now", Mode::Immediate);
    assert_eq!(scene.added("PostToolUse", "").as_deref(), Some("[from kim] now"));
    assert_eq!(scene.added("UserPromptSubmit", "a person's own line").as_deref(), Some("[from kim] later"));
    assert_eq!(scene.added("UserPromptSubmit", "another"), None);
    assert_eq!(scene.states(), ["Delivered", "Delivered"]);
}

#[test]
fn what_was_typed_is_not_told_again() {
    let scene = Scene::new();
    scene.send("use\nspaces", Mode::WaitIdle);
    assert_eq!(scene.added("UserPromptSubmit", "[from kim] use\nspaces"), None);
    assert_eq!(scene.states(), ["Delivered"]);
}

#[test]
fn nobody_is_disturbed_who_is_not_to_be() {
    let scene = Scene::new();
    let quiet = Quiet::of(scene.town.town.layout.data());
    let record = QuietRecord { by: "kim".to_owned(), at: SystemClock.now() };
    quiet.keep(Some("nux-uid"), Some(&record)).unwrap();
    scene.send("hello", Mode::Immediate);
    assert_eq!(scene.added("PostToolUse", ""), None);
    assert!(!scene.stop().unwrap().contains("hello"));
    assert_eq!(scene.states(), ["Queued"]);
    quiet.keep(Some("nux-uid"), None).unwrap();
    assert_eq!(scene.added("UserPromptSubmit", "").as_deref(), Some("[from kim] hello"));
}

#[test]
fn a_subagent_is_told_nothing() {
    let scene = Scene::new();
    scene.send("now", Mode::Immediate);
    let of_subagent = json!({"hook_event_name": "PostToolUse", "tool_name": "Bash", "agent_id": "a1"});
    assert_eq!(scene.answer(&of_subagent), Value::Null);
    assert_eq!(scene.states(), ["Queued"]);
}
