//! Messages to agents at work and at rest: real programs, a person at their screen, a menu that is open.

use gastown::world::exec::Exec;
use serde_json::Value;

use super::clis::{CLAUDE, CODEX, Cli};
use super::model::{Line, Model, asks};
use super::{one_bead, run, stands, worker};
use crate::town::harness::{Town, wait_until};

/// What `gt nudge` says of a message that waits.
const AT_WORK: &str = "it is at work; it is told at the end of its turn";

/// A file that two sides tell each other something by.
struct Flag(tempfile::NamedTempFile);

impl Flag {
    fn new() -> Self {
        Self(tempfile::NamedTempFile::new().unwrap())
    }

    fn raise(&self) {
        fs_err::write(self.0.path(), "up").unwrap();
    }

    /// Shell text that says that it has begun, and waits until the flag is raised.
    fn wait(&self) -> String {
        let file = self.0.path().display();
        format!("[ -s {file} ] || echo begun > {file}; until grep -q up {file}; do sleep 0.1; done")
    }

    fn has_begun(&self, town: &Town) {
        wait_until(town, "it is at the work", || {
            fs_err::read_to_string(self.0.path()).ok().filter(|it| !it.is_empty())
        });
    }
}

fn nudge(town: &Town, args: &[&str]) -> Value {
    let all = [&["nudge", "nux", "--json"], args].concat();
    serde_json::from_str(&town.ok(&all)).unwrap()
}

/// The states of all messages, the oldest first.
fn states(town: &Town) -> Vec<String> {
    let listed: Value = serde_json::from_str(&town.ok(&["nudge", "--list", "--json"])).unwrap();
    listed.as_array().unwrap().iter().map(|it| it["state"].as_str().unwrap().to_owned()).collect()
}

/// Waits until the agent has reported that its turn has ended.
fn is_idle(town: &Town) {
    wait_until(town, "its turn has ended", || {
        let activity = town.record(&town.bead("one"), 1, "run/.activity.json")?;
        (activity["state"] == "Idle").then_some(())
    });
}

/// A town in which an agent is at work on a bead, with these lines.
fn at_work(cli: Cli, lines: Vec<Line>) -> Option<(Model, Town)> {
    if !cli.is_here() {
        return None;
    }
    let model = Model::plays(lines);
    let town = cli.town(&model);
    one_bead(&town, cli.name);
    town.up();
    Some((model, town))
}

/// One message waits for the end of the turn, one does not, and neither has it end early.
fn busy(cli: Cli) {
    let (first, second) = (Flag::new(), Flag::new());
    let mut lines = worker("echo one > one.txt");
    lines.insert(1, run(first.wait()));
    lines.insert(2, run(second.wait()));
    lines.insert(3, Line::Say("I have waited.".to_owned()));
    let Some((model, town)) = at_work(cli, lines) else { return };
    first.has_begun(&town);
    let waits = nudge(&town, &["use tabs"]);
    assert_eq!((&waits["state"], &waits["reason"]), (&"Queued".into(), &AT_WORK.into()));
    let urgent = nudge(&town, &["--mode", "immediate", "look at line 7"]);
    assert_eq!(urgent["reason"], "it is at work; it is told after its next tool call");
    first.raise();
    second.has_begun(&town);
    assert_eq!(states(&town), ["Queued", "Delivered"]);
    assert!(model.asked().contains("look at line 7") && !model.asked().contains("use tabs"));
    second.raise();
    town.lands("day");
    assert_eq!(states(&town), ["Delivered", "Delivered"]);
    assert!(
        model.asked().contains("] use tabs\\n\\nThere is still work on your hook."),
        "it is told at the end of its turn"
    );
    assert_eq!(model.played(), [0, 1, 2, 3, 4, 5, 6]);
}

#[test]
fn claude_is_told_at_the_end_of_its_turn() {
    busy(CLAUDE);
}

#[test]
fn codex_is_told_at_the_end_of_its_turn() {
    busy(CODEX);
}

/// An idle agent has it at once, several lines as they are; also while there is no controller.
fn idle(cli: Cli) {
    let rest: Vec<Line> = (0..20).map(|_| Line::Say("I am done.".to_owned())).collect();
    let Some((model, town)) = at_work(cli, rest) else { return };
    stands(&town, "TurnEnded");
    let before = model.played().len();
    let long = format!("first\nsecond {}", "and so on ".repeat(100));
    assert_eq!(nudge(&town, &[&long])["state"], "Delivered");
    wait_until(&town, "the model has it", || model.asked().contains("] first\\nsecond and so on").then_some(()));
    wait_until(&town, "the model has answered", || (model.played().len() > before).then_some(()));
    is_idle(&town);
    assert_eq!(town.ok(&["nudge", "nux", "once more", "--mode", "queue"]).lines().count(), 1);
    assert_eq!(states(&town), ["Delivered", "Queued"], "nothing is typed for it");
    let bead = town.bead("one")["metadata"]["name"].as_str().unwrap().to_owned();
    town.ok(&["dnd", "nux", "on"]);
    let said = town.ok(&["nudge", &bead, "psst"]);
    assert_eq!(said, format!("Queued for shop-nux ({bead}): do not disturb"));
    town.ok(&["dnd", "nux", "off"]);
    // One is typed, and the other told at the end of the turn that this begins.
    wait_until(&town, "all are delivered", || (states(&town) == ["Delivered"; 3]).then_some(()));
}

#[test]
fn claude_has_a_message_at_once_when_it_is_idle() {
    idle(CLAUDE);
}

#[test]
fn codex_has_a_message_at_once_when_it_is_idle() {
    idle(CODEX);
}

/// A turn is ended for a message; what was on its way is done again.
fn interrupted(cli: Cli) {
    let flag = Flag::new();
    let mut lines = worker("echo one > one.txt");
    lines.insert(1, run(flag.wait()));
    let Some((model, town)) = at_work(cli, lines) else { return };
    flag.has_begun(&town);
    assert_eq!(nudge(&town, &["--mode", "interrupt", "stop that"])["state"], "Delivered");
    wait_until(&town, "the model has it", || model.asked().contains("] stop that").then_some(()));
    flag.raise();
    town.lands("day");
    assert_eq!(town.record(&town.bead("one"), 2, "spec.json"), None);
}

#[test]
fn claude_is_interrupted_for_a_message() {
    interrupted(CLAUDE);
}

#[test]
fn codex_is_interrupted_for_a_message() {
    interrupted(CODEX);
}

/// A person's own terminal: another tmux, with `gt attach` in it.
pub(super) struct Person<'a> {
    town: &'a Town,
}

impl<'a> Person<'a> {
    pub fn attaches(town: &'a Town) -> Self {
        fs_err::create_dir_all(town.path("tmp/person")).unwrap();
        let person = Self { town };
        let said = town.path("said");
        let attach = format!("{} attach shop-nux 2> {}", env!("CARGO_BIN_EXE_gt"), said.display());
        person.tmux(&[
            "new-session",
            "-d",
            "-x",
            "120",
            "-y",
            "40",
            "-c",
            &town.path("town").display().to_string(),
            &attach,
        ]);
        wait_until(town, "the person sees it", || person.screen().contains('❯').then_some(()));
        person
    }

    fn tmux(&self, args: &[&str]) -> String {
        let gt = self.town.gt(&[]).command();
        let env: Vec<_> =
            gt.get_envs().filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned()))).collect();
        let tmux = Exec::new("tmux").arg("-S").arg(self.town.path("tmp/person/tmux.sock")).args(["-f", "/dev/null"]);
        let tmux = env.into_iter().fold(tmux, |tmux, (name, value)| tmux.env(name, value));
        tmux.env_remove("TMUX").args(args).run().unwrap().text()
    }

    pub fn screen(&self) -> String {
        self.tmux(&["capture-pane", "-p"])
    }

    pub fn types(&self, text: &str) {
        self.tmux(&["send-keys", "-l", text]);
        wait_until(self.town, "it is typed", || self.screen().contains(text).then_some(()));
    }

    pub fn presses(&self, keys: &[&str]) {
        self.tmux(&[&["send-keys"], keys].concat());
    }

    /// Detaches, and gives what `gt attach` says at the end.
    pub fn leaves(self) -> String {
        self.presses(&["C-b", "d"]);
        wait_until(self.town, "the person is gone", || self.tmux(&["list-sessions"]).is_empty().then_some(()));
        fs_err::read_to_string(self.town.path("said")).unwrap()
    }
}

/// The texts that the model was given as a person's.
fn prompts(model: &Model) -> String {
    model.asked()
}

/// What a person types is theirs: a message waits while they are there, and for as long as their line stands at the prompt.
#[test]
fn a_message_is_never_merged_into_what_a_person_types() {
    let rest: Vec<Line> = (0..20).map(|_| Line::Say("I am done.".to_owned())).collect();
    let Some((model, town)) = at_work(CLAUDE, rest) else { return };
    stands(&town, "TurnEnded");
    let person = Person::attaches(&town);
    assert_eq!(nudge(&town, &["NUDGE one"])["reason"], "a person is attached");
    person.types("half a line");
    assert_eq!(nudge(&town, &["NUDGE two"])["reason"], "a person is attached");
    let said = person.leaves();
    assert_eq!(said.lines().last(), Some("2 messages wait for shop-nux: a line is half typed at its prompt"));
    assert_eq!(nudge(&town, &["NUDGE three"])["reason"], "a line is half typed at its prompt");
    assert!(!prompts(&model).contains("NUDGE"), "nothing was sent");
    // Their line is sent as they finish it, and what waits comes beside it.
    let person = Person::attaches(&town);
    person.types(" and its end");
    person.presses(&["Enter"]);
    wait_until(&town, "all are delivered", || (states(&town) == ["Delivered"; 3]).then_some(()));
    wait_until(&town, "the model has them", || prompts(&model).contains("NUDGE three").then_some(()));
    let asked = prompts(&model);
    assert!(asked.contains("half a line and its end\""), "the person's line is as it was typed");
    is_idle(&town);
    // With nothing typed, what waits is told as soon as the person is gone.
    assert_eq!(nudge(&town, &["NUDGE four"])["reason"], "a person is attached");
    person.leaves();
    assert_eq!(states(&town), ["Delivered"; 4]);
    wait_until(&town, "the model has it", || prompts(&model).contains("NUDGE four").then_some(()));
}

/// A menu is open: a message would be its answer.
#[test]
fn a_message_is_no_answer_to_a_menu() {
    if !CLAUDE.is_here() {
        return;
    }
    let mut lines = worker("echo one > one.txt");
    lines.insert(1, asks("Tabs or spaces?"));
    lines.insert(2, Line::Say("I see.".to_owned()));
    let model = Model::plays(lines);
    let town = CLAUDE.town(&model);
    town.up();
    let claude = wait_until(&town, "the runtime is there", || {
        let found = town.gt(&["get", "runtime", "claude", "-o", "json"]).run().unwrap();
        serde_json::from_str::<Value>(&found.text()).ok().filter(|_| found.ok())
    });
    let mut spec = claude["spec"].clone();
    let words = spec["command"].as_array().unwrap().iter();
    let words: Vec<_> =
        words.filter(|word| !["--disallowedTools", "AskUserQuestion"].iter().any(|it| *word == it)).collect();
    spec["command"] = words.into_iter().cloned().collect();
    // Asked before it opens one, the hook would put the question to a person instead.
    let settings =
        spec["files"][0]["content"].as_str().unwrap().replace("AskUserQuestion|ExitPlanMode", "ExitPlanMode");
    spec["files"][0]["content"] = settings.into();
    let asks = serde_json::json!({
        "apiVersion": "gastown.io/v1alpha1", "kind": "Runtime", "metadata": {"name": "asks"}, "spec": spec,
    });
    town.apply(&asks.to_string());
    one_bead(&town, "asks");
    stands(&town, "Asking");
    for mode in ["wait-idle", "immediate", "interrupt"] {
        let waits = nudge(&town, &["--mode", mode, "NUDGE"]);
        assert_eq!(waits["reason"], "it waits for an answer; a message would be taken for one", "{mode}");
    }
    let person = Person::attaches(&town);
    assert!(person.screen().contains("Tabs or spaces?"), "{}", person.screen());
    person.presses(&["Enter"]);
    person.leaves();
    town.lands("day");
    assert_eq!(states(&town), ["Delivered"; 3]);
    let asked = model.asked();
    assert!(asked.contains("\\\"Tabs or spaces?\\\"=\\\"tabs\\\""), "the answer is the person's");
}
