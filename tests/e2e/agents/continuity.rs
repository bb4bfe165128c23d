//! One agent after another at the same work: handed off by itself or because its context was full, made shorter by its own program, and
//! asked afterwards.

use super::clis::{CLAUDE, CODEX, Cli};
use super::model::{Line, Model, TOKENS_MAX};
use super::{conversation, one_bead, run, wait_until, worker};
use crate::town::harness::{Town, walk};

const QUESTION: &str = "What did you mean to do with the lexer?";
const ANSWER: &str = "Split it in two.";

/// The bead's own name.
fn bead(town: &Town) -> String {
    town.bead("one")["metadata"]["name"].as_str().unwrap().to_owned()
}

/// The first attempt hands off, a second one begins a conversation with the note and lands it; then the first is asked.
fn hands_off(cli: Cli) {
    if !cli.is_here() {
        return;
    }
    let mut lines = worker("echo one > one.txt");
    let note = "Handed off to you: parser is next";
    lines[0] = run(format!(
        "gt prime > primed; grep -q '{note}' primed || gt handoff -s 'parser is next' -m 'The lexer is done.'"
    ));
    lines.insert(1, Line::Say("So much for now.".to_owned()));
    let model = Model::answers(lines, Some((QUESTION, ANSWER)));
    let town = cli.town(&model);
    one_bead(&town, cli.name);
    town.up();
    town.lands("day");
    assert_eq!(model.played(), [0, 1, 0, 1, 2, 3, 4], "{}", town.told(&town.bead("one"), 1));
    let (first, second) = (conversation(&town, 1), conversation(&town, 2));
    assert_ne!(first["id"], second["id"]);
    assert_eq!(town.record(&town.bead("one"), 3, "spec.json"), None);
    assert_eq!(town.bead("one")["status"]["failures"].as_u64().unwrap_or(0), 0);
    let told = model.requests().iter().filter(|it| it.contains(note) && it.contains("The lexer is done.")).count();
    assert!(told > 0, "it is told the note at its start");
    // Both sandboxes are one.
    let sandbox = |attempt| town.record(&town.bead("one"), attempt, "spec.json").unwrap()["sandboxUid"].clone();
    assert_eq!(sandbox(1), sandbox(2));

    let bead = bead(&town);
    let list = town.ok(&["seance", &bead]);
    assert!(list.contains("handed off: parser is next") && list.contains("handed in"), "{list}");
    let transcript = std::path::PathBuf::from(first["transcript"].as_str().unwrap());
    let before = fs_err::read(&transcript).unwrap();
    let files =
        || walk(transcript.parent().unwrap()).into_iter().filter(|it| it.extension() == transcript.extension()).count();
    let others = files();
    assert_eq!(town.ok(&["seance", &bead, "--attempt", "1", QUESTION]), ANSWER);
    assert_eq!((fs_err::read(&transcript).unwrap(), files()), (before, others), "it is as it was");
    let asked = model.requests().into_iter().find(|it| it.contains(QUESTION)).unwrap();
    assert!(asked.contains("_line0_"), "it is asked in its own conversation");
}

#[test]
fn claude_hands_off_and_is_asked() {
    hands_off(CLAUDE);
}

#[test]
fn codex_hands_off_and_is_asked() {
    hands_off(CODEX);
}

/// A town in which a program takes conversations that are short, and a bead for it whose first line fills one.
fn crowded(cli: Cli, model: &Model, hands_off: bool) -> Town {
    let mut town = cli.town(model);
    town.set("CLAUDE_CODE_AUTO_COMPACT_WINDOW", &TOKENS_MAX.to_string());
    let config = town.path("home/.codex/config.toml");
    if let Ok(text) = fs_err::read_to_string(&config) {
        fs_err::write(&config, format!("model_auto_compact_token_limit = {TOKENS_MAX}\n{text}")).unwrap();
    }
    if hands_off {
        // What every town has is made when it first comes up.
        town.up();
        let mut runtime = town.json(&["runtime", cli.name]);
        runtime["metadata"] = serde_json::json!({"name": "short"});
        runtime["spec"]["onContextPressure"] = "Handoff".into();
        runtime.as_object_mut().unwrap().remove("status");
        town.apply(&runtime.to_string());
        one_bead(&town, "short");
    } else {
        one_bead(&town, cli.name);
        town.up();
    }
    town
}

/// What fills the context in its second line. What comes after is not done by an attempt that is to be over.
fn filling() -> Vec<Line> {
    let mut lines = worker("echo one > one.txt");
    lines[0] = run("gt hook");
    lines.insert(1, Line::Full("true".to_owned()));
    lines
}

/// Its program makes the conversation shorter, it is told again what `gt prime` says, and it lands in one attempt.
fn goes_on_after_compaction(cli: Cli) {
    if !cli.is_here() {
        return;
    }
    let model = Model::plays(filling());
    let town = crowded(cli, &model, false);
    town.lands("day");
    assert_eq!(model.played(), [0, 1, 2, 3, 4]);
    assert_eq!(town.record(&town.bead("one"), 2, "spec.json"), None);
    let requests = model.requests();
    let after = requests.iter().find(|it| it.contains(") was the last.")).expect("it was made shorter");
    assert!(after.contains("# You are nux, a polecat of rig shop"), "{after}");
}

#[test]
fn claude_goes_on_after_its_context_was_made_shorter() {
    goes_on_after_compaction(CLAUDE);
}

#[test]
fn codex_goes_on_after_its_context_was_made_shorter() {
    goes_on_after_compaction(CODEX);
}

/// Instead, the work is handed off, and another conversation begins with a note of the town's.
fn hands_off_when_full(cli: Cli) {
    if !cli.is_here() {
        return;
    }
    let mut lines = filling();
    lines.insert(2, run("[ $GT_ATTEMPT -gt 1 ] || sleep 600"));
    let model = Model::plays(lines);
    let town = crowded(cli, &model, true);
    town.lands("day");
    let handoffs = town.bead("one")["spec"]["handoffs"].clone();
    assert_eq!(handoffs.as_array().map(Vec::len), Some(1), "{handoffs}");
    assert_eq!((&handoffs[0]["attempt"], &handoffs[0]["automatic"]), (&1.into(), &true.into()));
    let told = handoffs[0]["message"].as_str().unwrap();
    assert!(told.contains("Closed steps: none\nOpen steps: "), "{told}");
    assert_ne!(conversation(&town, 1)["id"], conversation(&town, 2)["id"]);
    assert_eq!(town.record(&town.bead("one"), 3, "spec.json"), None, "{}", town.told(&town.bead("one"), 2));
    assert_eq!(town.bead("one")["status"]["failures"].as_u64().unwrap_or(0), 0);
    let requests = model.requests();
    assert!(requests.iter().any(|it| it.contains("Handed off to you: context full")));
    assert!(!requests.iter().any(|it| it.contains("was the last.")), "nothing was made shorter");
}

#[test]
fn claude_hands_off_when_its_context_is_full() {
    hands_off_when_full(CLAUDE);
}

#[test]
fn codex_hands_off_when_its_context_is_full() {
    hands_off_when_full(CODEX);
}

/// A person has an agent that is at work replaced.
#[test]
fn a_person_hands_off_for_an_agent() {
    if !CLAUDE.is_here() {
        return;
    }
    let flag = tempfile::NamedTempFile::new().unwrap();
    let flag = flag.path().display();
    let mut lines = worker("echo one > one.txt");
    lines.insert(1, run(format!("[ -s {flag} ] || {{ echo begun > {flag}; sleep 600; }}")));
    let model = Model::plays(lines);
    let town = CLAUDE.town(&model);
    one_bead(&town, CLAUDE.name);
    town.up();
    wait_until(&town, "it is at the work", || {
        fs_err::read_to_string(flag.to_string()).ok().filter(|it| !it.is_empty())
    });
    let said = town.ok(&["handoff", "shop/nux", "-m", "Leave the lexer alone."]);
    assert!(said.contains("attempt 1 ends, and the next begins with the note"), "{said}");
    town.lands("day");
    assert_ne!(conversation(&town, 1)["id"], conversation(&town, 2)["id"]);
    assert!(model.requests().iter().any(|it| it.contains("Handed off to you: Leave the lexer alone.")));
    assert_eq!(town.bead("one")["status"]["failures"].as_u64().unwrap_or(0), 0);
}
