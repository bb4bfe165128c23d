//! Gemini CLI and OpenCode at work: real programs, of which one reports by a plugin, and the other not at all.

use super::clis::{Cli, GEMINI, OPENCODE};
use super::model::{Line, Model};
use super::{conversation, kill, one_bead, wait_until, worker};

/// An agent lands a bead, nothing typed. It is killed on the way, in the middle of a tool call, and goes on in the same
/// conversation. If it reports, it is told at the start what `gt prime` says, and sent on when its turn ends before its work does.
fn lands_although_killed(cli: Cli, reports: bool) {
    if !cli.is_here() {
        return;
    }
    let flag = tempfile::NamedTempFile::new().unwrap();
    let flag = flag.path().display();
    let work = format!("[ -s {flag} ] || {{ echo begun > {flag}; sleep 600; }}\necho one > one.txt");
    let mut lines = worker(&work);
    if reports {
        lines.insert(1, Line::Say("It is not clear to me what to do.".to_owned()));
    }
    let model = Model::plays(lines);
    let town = cli.town(&model);
    one_bead(&town, cli.name);
    town.up();
    wait_until(&town, "it is at the work", || {
        fs_err::read_to_string(flag.to_string()).ok().filter(|it| !it.is_empty())
    });
    let first = conversation(&town, 1);
    assert!(first["id"].is_string(), "`gt prime` reports the conversation: {first}");
    let agent = wait_until(&town, "its agent is on record", || town.record(&town.bead("one"), 1, "agent.json"));
    kill(agent["pid"].as_i64().unwrap().try_into().unwrap());
    town.lands("day");
    assert_eq!(conversation(&town, 2), first, "{}", town.told(&town.bead("one"), 2));
    // The line that was cut off is played again, and nothing before it.
    let expected: &[usize] = if reports { &[0, 1, 2, 2, 3, 4] } else { &[0, 1, 1, 2, 3] };
    assert_eq!(model.played(), expected);
    assert_eq!(model.first_asked().contains("# You are nux, a polecat of rig shop"), reports);
    assert_eq!(town.record(&town.bead("one"), 3, "spec.json"), None);
}

/// The same without a screen, and without a kill.
fn lands_without_a_screen(cli: Cli) {
    if !cli.is_here() {
        return;
    }
    let model = Model::plays(worker("echo one > one.txt"));
    let town = cli.town(&model);
    one_bead(&town, cli.headless);
    town.up();
    town.lands("day");
    assert_eq!(model.played(), [0, 1, 2, 3]);
    assert_eq!(town.record(&town.bead("one"), 2, "spec.json"), None);
}

#[test]
fn gemini_lands_a_bead_without_a_screen() {
    lands_without_a_screen(GEMINI);
}

#[test]
fn opencode_lands_a_bead_without_a_screen() {
    lands_without_a_screen(OPENCODE);
}

#[test]
fn gemini_lands_a_bead_although_killed() {
    lands_although_killed(GEMINI, false);
}

#[test]
fn opencode_lands_a_bead_although_killed() {
    lands_although_killed(OPENCODE, true);
}
