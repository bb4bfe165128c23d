//! `gt runtime test`: what passes, what does not and why; with the example that is an agent of its own, and with a real program.

use std::path::Path;

use gastown::world::exec::Exec;

use super::clis::{CLAUDE, CODEX, Cli};
use super::model::{Line, Model};
use super::run;
use crate::town::harness::{Town, walk};

/// The example, with a part of it changed.
fn own(from: &str, to: &str) -> String {
    let text = fs_err::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/runtimes/your-own.yaml"));
    let text = text.unwrap();
    assert!(text.contains(from), "{from}");
    text.replace(from, to)
}

/// The exit code and the report for a Runtime, without times and ids.
fn report(text: &str) -> (i32, String) {
    let town = Town::empty();
    let file = town.file("town/agent.yaml", text);
    played(&town, file.to_str().unwrap(), &[])
}

fn played(town: &Town, what: &str, more: &[&str]) -> (i32, String) {
    let output = town.gt(&[&["runtime", "test", what], more].concat()).run().unwrap();
    let is_id = |word: &str| word.len() == 36 && word.matches('-').count() == 4;
    let words = |line: &str| {
        let line = line.rsplit_once(" (").filter(|(_, last)| last.ends_with(" s)")).map_or(line, |(line, _)| line);
        line.split(' ').map(|word| if is_id(word) { "ID" } else { word }).collect::<Vec<_>>().join(" ")
    };
    let said = output.text().lines().map(words).collect::<Vec<_>>().join("\n");
    // Nothing of it outlives it: neither its folders nor a process, which would have the path of one in its arguments.
    if more.is_empty() {
        assert_eq!(walk(&town.path("state")), [] as [std::path::PathBuf; 0], "{}", output.complaint());
        let left = Exec::new("pgrep").arg("-f").arg(town.path("tmp")).run().unwrap();
        assert_eq!(left.text(), "", "{}", output.complaint());
    }
    (output.code, said)
}

#[test]
fn an_agent_of_ones_own_passes() {
    let (code, said) = report(&own("your-own", "robot"));
    insta::assert_snapshot!(said, @"
    ok            start         the session began
    ok            prompt        it has read its bead, and run what that says
    ok            resume        killed, and went on in conversation ID
    ok            question      it asked, and was answered
    not declared  nudge         a message reaches it at an empty prompt alone: it has no `dialect`, and its work is not pasted
    ok            hand-in       landed, after 3 sessions
    ok            end           no process is left of it
    ");
    assert_eq!(code, 0);
}

#[test]
fn what_is_not_declared_does_not_fail() {
    let (code, said) = report(&own("  resume: [resume, $(GT_CONVERSATION), $(GT_PROMPT)]\n", ""));
    assert!(said.contains("\nnot declared  resume        each session begins a conversation of its own"), "{said}");
    assert_eq!(code, 0, "{said}");
}

#[test]
fn one_that_does_not_report_its_conversation_cannot_resume() {
    let (code, said) = report(&own("export MY_CONVERSATION=$2", ""));
    let failed: Vec<_> = said.lines().filter(|line| line.starts_with("failed")).collect();
    assert_eq!(
        failed,
        ["failed        resume        it has `resume`, and reported no conversation that can go on"],
        "{said}"
    );
    assert!(said.contains("change: set `dialect`"), "{said}");
    assert_eq!(code, 1);
}

#[test]
fn one_that_never_hands_in_fails_there() {
    let (code, said) = report(&own("        gt done\n", "        echo I am done\n"));
    let failed: Vec<_> = said.lines().filter(|line| line.starts_with("failed")).collect();
    assert_eq!(failed.len(), 1, "{said}");
    assert!(failed[0].starts_with("failed        hand-in       nothing landed: it said last: I am done: "), "{said}");
    assert!(said.ends_with("ok            end           no process is left of it"), "{said}");
    assert_eq!(code, 1);
}

#[test]
fn one_that_does_nothing_fails_at_once() {
    let (code, said) = report(&own("        gt prime > \"$MY_NOTES\"\n", "        echo who am I\n        exit 3\n"));
    assert!(
        said.contains("\nfailed        prompt        its session ended with 3 before: it said last: who am I"),
        "{said}"
    );
    assert!(said.contains("\nnot reached   resume"), "{said}");
    assert_eq!(code, 1);
}

#[test]
fn a_town_that_is_kept_can_be_looked_into() {
    let town = Town::empty();
    let file = town.file("town/agent.yaml", &own("your-own", "robot"));
    let (code, said) = played(&town, file.to_str().unwrap(), &["--keep"]);
    assert_eq!(code, 0, "{said}");
    let kept = walk(&town.path("tmp")).into_iter().find(|path| path.ends_with("town/town.yaml")).unwrap();
    let beads = town.ok(&["--town", kept.parent().unwrap().to_str().unwrap(), "get", "beads"]);
    assert!(beads.contains("Closed"), "{beads}");
}

#[test]
fn the_built_in_script_passes() {
    let (code, said) = played(&Town::empty(), "script", &[]);
    assert!(said.contains("\nnot declared  resume") && said.contains("\nok            hand-in"), "{said}");
    assert_eq!(code, 0, "{said}");
}

/// The real program plays the whole story, by its own hooks.
fn passes(cli: Cli, runtime: &str) {
    if !cli.is_here() {
        return;
    }
    // The line in which it is killed is played again.
    let model = Model::plays(vec![
        run("sh story.sh"),
        Line::Say("I have asked.".to_owned()),
        run("sh story.sh"),
        Line::Say("I wait for the word.".to_owned()),
        run("sh story.sh gamma"),
        run("git add --all && git commit --quiet --message Story"),
        run("gt hook -o steps | xargs -n 1 bd close"),
        run("gt done"),
    ]);
    let town = cli.at_work(Town::empty(), &model);
    let (code, said) = played(&town, runtime, &[]);
    assert_eq!(said.lines().filter(|line| line.starts_with("ok ")).count(), 7, "{said}");
    assert_eq!(code, 0);
}

#[test]
fn claude_passes() {
    passes(CLAUDE, CLAUDE.name);
}

#[test]
fn claude_without_a_screen_passes() {
    passes(CLAUDE, CLAUDE.headless);
}

#[test]
fn codex_passes() {
    passes(CODEX, CODEX.name);
}
