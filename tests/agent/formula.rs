//! `bd formula` and `bd cook` through the real binary: where formulas are found, what they say, and what is wrong with them.

use crate::town::TestTown;
use insta::assert_snapshot;
use serde_json::json;

/// A formula with all that becomes of a step: a child, a gate, a var, words that are kept for whoever works on it.
pub const SHIP: &str = r#"
formula = "ship"
description = "Ships {{version}}."
version = 3

[vars.version]
description = "What is shipped"
required = true

[vars.channel]
default = "stable"

[[steps]]
id = "build"
title = "Build {{version}}"
description = "Build it for {{channel}}."
priority = 1
labels = ["area:build"]

[[steps]]
id = "check"
title = "Check it"
needs = ["build"]

[[steps.children]]
id = "Unit tests"
title = "Run the unit tests"
type = "chore"
acceptance = "All pass."

[[steps.children]]
id = "smoke"
title = "Start it once"
needs = ["Unit tests"]

[[steps]]
id = "announce"
title = "Announce {{version}}"
needs = ["check"]
waits_for = "children-of(check)"

[steps.gate]
type = "timer"
timeout = "90s"
"#;

/// A town with a rig, and that formula.
pub fn town() -> TestTown {
    let town = TestTown::new();
    town.rig("shop");
    write(&town, "ship", SHIP);
    town
}

/// Writes a formula.
pub fn write(town: &TestTown, name: &str, text: &str) {
    let folder = town.path("town").join("formulas");
    fs_err::create_dir_all(&folder).unwrap();
    fs_err::write(folder.join(format!("{name}.formula.toml")), text).unwrap();
}

#[test]
fn formulas_are_found_in_the_nearest_folder_first_and_one_that_is_wrong_hides_no_other() {
    let town = town();
    write(&town, "broken", "formula = \"broken\"\n[[steps]]\nid = \"a\"\ntitle = \"A\"\nneeds = [\"b\"]\n");
    let home = town.path(".beads").join("formulas");
    fs_err::create_dir_all(&home).unwrap();
    fs_err::write(home.join("ship.formula.toml"), "formula = \"ship\"\n").unwrap();
    fs_err::write(home.join("tidy.toml"), "formula = \"tidy\"\n[[steps]]\nid = \"a\"\ntitle = \"A\"\n").unwrap();
    fs_err::write(home.join("settings.toml"), "color = \"red\"\n").unwrap();
    assert_snapshot!(town.person("bd formula list"), @"
    exit 0
    ship  workflow     5 steps  formulas/ship.formula.toml
    tidy  workflow     1 step   <dir>/.beads/formulas/tidy.toml
    2> warning: `broken` cannot be cooked: formulas/broken.formula.toml:5:10: `needs` of `a` names the step `b`, which does not exist
    ");
    assert_snapshot!(town.person("bd formula list --json"), @r#"
    exit 0
    [
      {
        "description": "Ships {{version}}.",
        "name": "ship",
        "source": "formulas/ship.formula.toml",
        "steps": 5,
        "type": "workflow",
        "vars": 2
      },
      {
        "description": "",
        "name": "tidy",
        "source": "<dir>/.beads/formulas/tidy.toml",
        "steps": 1,
        "type": "workflow",
        "vars": 0
      }
    ]
    2> warning: `broken` cannot be cooked: formulas/broken.formula.toml:5:10: `needs` of `a` names the step `b`, which does not exist
    "#);
}

#[test]
fn show_prints_vars_and_steps_as_a_tree() {
    let town = town();
    assert_snapshot!(town.person("bd formula show ship"), @r#"
    exit 0
    ship  workflow v3  liquid
      title    ship
      digest   <digest>
      files    formulas/ship.formula.toml

    Ships {{version}}.

    vars:
      channel (default "stable")
      version (required): What is shipped

    steps (5):
      build: Build {{version}}
      check: Check it  needs build
        Unit tests: Run the unit tests
        smoke: Start it once  needs Unit tests
      announce: Announce {{version}}  needs check  gate timer for 90s  waits for every child of check
    "#);
    assert_snapshot!(town.person("bd formula show shop"), @"
    exit 1
    2> error: there is no formula `shop`
    2> hint: `bd formula list` shows those that are found; --search-path names another folder
    ");
}

#[test]
fn cook_points_at_what_is_wrong_and_stores_nothing() {
    let town = town();
    write(
        &town,
        "odd",
        "formula = \"odd\"\ncolour = \"red\"\n[[steps]]\nid = \"a\"\ntitle = \"A\"\nneeds = [\"aa\"]\n\n[[steps]]\nid = \"ab\"\ntitle = \"B\"\n",
    );
    assert_snapshot!(town.person("bd cook odd"), @"
    exit 1
    2> error: formulas/odd.formula.toml:6:10: `needs` of `a` names the step `aa`, which does not exist
    2> hint: there is `ab`
    ");
    assert_snapshot!(town.person("bd cook ship --mode runtime"), @"
    exit 1
    2> error: formulas/ship.formula.toml:2:1: the var `version` is required and has no value
    ");
    assert_snapshot!(town.person("bd cook ship --var version=1.2 --var colour=red"), @r#"
    exit 0
    ship  workflow v3  liquid
      title    ship
      digest   <digest>
      files    formulas/ship.formula.toml

    Ships 1.2.

    vars:
      channel = "stable" (default "stable")
      version = "1.2" (required): What is shipped

    steps (5):
      build: Build 1.2
      check: Check it  needs build
        Unit tests: Run the unit tests
        smoke: Start it once  needs Unit tests
      announce: Announce 1.2  needs check  gate timer for 90s  waits for every child of check
    2> warning: formulas/ship.formula.toml:2:1: `colour` is given, which is no var of the formula
    "#);
    assert_snapshot!(town.person("bd cook ship --var version"), @"
    exit 1
    2> error: invalid --var `version`
    2> hint: write it as --var NAME=VALUE
    ");
    assert!(town.person("bd cook ship --persist").starts_with("exit 2"));
    assert_eq!(town.data("bd cook formulas/ship.formula.toml --var version=1.2")["values"]["version"], "1.2");
    assert_eq!(town.data("bd list --all"), json!([]));
}

#[test]
fn an_overlay_of_the_rig_takes_the_place_of_the_towns_and_a_formula_named_by_its_file_has_none() {
    let town = town();
    let overlay = |folder: std::path::PathBuf, text: &str| {
        fs_err::create_dir_all(&folder).unwrap();
        fs_err::write(folder.join("ship.toml"), text).unwrap();
    };
    let says = |step: &str, mode: &str| format!("[[step-overrides]]\nstep_id = \"{step}\"\nmode = \"{mode}\"\n");
    let steps = |line: &str| town.data(line)["steps"].as_array().unwrap().len();
    overlay(town.path("town").join("formula-overlays"), &(says("check", "skip") + &says("anounce", "skip")));
    assert_eq!(steps("bd cook ship"), 2);
    assert_eq!(steps("bd cook formulas/ship.formula.toml"), 5);
    assert_snapshot!(town.person("bd formula overlay list"), @"
    exit 0
    ship  town    2 overrides  formula-overlays/ship.toml
    2> warning: formula-overlays/ship.toml:5:11: there is no step `anounce`; nothing is overridden; did you mean `announce`?
    ");
    let filed = town.person("bd mol pour ship --var version=2 --dry-run");
    assert!(
        filed.contains("Announce 2") && !filed.contains("Check it") && filed.contains("no step `anounce`"),
        "{filed}"
    );

    let rig = || town.path("worktree").join(".beads/formula-overlays");
    overlay(rig(), &(says("build", "append") + "description = \"\"\"\nUse the cache.\nSay so.\"\"\"\n"));
    let shown = town.agent("bd formula show ship");
    assert!(shown.contains("steps (5)") && shown.contains("ship.toml"), "the rig's file counts, and no other: {shown}");
    assert_snapshot!(town.agent("bd formula overlay show ship"), @"
    exit 0
    .beads/formula-overlays/ship.toml

    append build
      Use the cache.
      Say so.
    ");
    assert_snapshot!(town.agent("bd formula overlay list"), @"
    exit 0
    ship  rig     1 override   .beads/formula-overlays/ship.toml
    ship  town    2 overrides  <dir>/town/formula-overlays/ship.toml  not used: another one is nearer
    ");

    overlay(rig(), &says("build", "leave"));
    assert_snapshot!(town.agent("bd cook ship"), @"
    exit 1
    2> error: .beads/formula-overlays/ship.toml:3:8: invalid `mode` `leave`: it must be one of replace, append, skip
    ");
}
