//! The first day of somebody who has an agent's program and a repository: five commands, and no YAML written by hand.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::clis::{CLAUDE, CODEX, Cli};
use super::model::Model;
use super::worker;
use crate::town::harness::{Town, git};

/// A town of nobody yet, and the bare repository that work is to land in.
fn before(cli: Cli, model: &Model) -> (Town, PathBuf) {
    let town = cli.at_work(Town::empty(), model);
    let bare = town.repo("shop", &[("README", "teh shop\n"), ("Makefile", "test:\n\tgrep -q shop README\n")]);
    (town, bare)
}

/// From an empty folder, or from the repository itself, to a change that has landed.
fn five_commands(cli: Cli, (town, bare): (&Town, &Path), model: &Model, repository: &str) {
    let began = Instant::now();
    town.ok(&["init", "--trust", "Full"]);
    let rig = town.ok(&["rig", "add", repository]);
    assert!(rig.contains(&format!("runtime: {}", cli.name)), "it is on PATH, so it works here:\n{rig}");
    town.ok(&["up"]);
    let slung = town.ok(&["sling", "fix the typo in README", repository]);
    let created = slung.lines().find_map(|line| line.strip_suffix(" created").filter(|it| it.starts_with("convoy/")));
    let out = town.run(&["wait", created.expect(&slung), "--timeout", "80s"]);
    assert!(out.ok(), "{}\n{}\n{}", out.complaint(), town.run(&["status"]).text(), town.log());
    let took = began.elapsed().as_secs_f64();
    let told = format!("newcomer: five commands, {took:.1} s to the first change of {} that landed", cli.name);
    // Also where the test passes.
    writeln!(std::io::stdout(), "{told}").expect("somebody reads what a test says");
    assert_eq!(git(bare, &["show", "main:README"]), "the shop");
    assert!(model.first_asked().contains("fix the typo in README"), "the agent was told in these words");
}

fn from_an_empty_folder(cli: Cli) {
    if !cli.is_here() {
        return;
    }
    let model = Model::plays(worker("sed -i s/teh/the/ README"));
    let (town, bare) = before(cli, &model);
    git(&town.path("work"), &["clone", "-q", bare.to_str().unwrap(), "mine"]);
    five_commands(cli, (&town, &bare), &model, "../work/mine");
}

#[test]
fn five_commands_from_an_empty_folder_to_a_landed_change() {
    from_an_empty_folder(CLAUDE);
}

#[test]
fn five_commands_with_codex() {
    from_an_empty_folder(CODEX);
}

#[test]
fn five_commands_in_ones_own_working_copy() {
    if !CLAUDE.is_here() {
        return;
    }
    let model = Model::plays(worker("sed -i s/teh/the/ README"));
    let (town, bare) = before(CLAUDE, &model);
    git(&town.path("town"), &["clone", "-q", bare.to_str().unwrap(), "."]);
    five_commands(CLAUDE, (&town, &bare), &model, ".");
}
