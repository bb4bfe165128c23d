//! `bd mol` through the real binary: formulas that are filed as molecules and wisps, shown, joined, and ended.

use crate::formula::{SHIP, town, write};
use crate::town::{TestTown, bead, nux};
use insta::assert_snapshot;
use serde_json::{Value, json};

/// Files a formula, and gives its root.
fn poured(town: &TestTown, line: &str) -> String {
    town.data(line)["new_epic_id"].as_str().unwrap().to_owned()
}

/// An answer with `ROOT` for the root's id.
fn said(answer: &str, root: &str) -> String {
    answer.replace(root, "ROOT")
}

#[test]
fn a_formula_is_poured_as_a_root_and_a_bead_for_each_step_and_gate() {
    let town = town();
    let filed = town.data("bd mol pour ship --var version=1.2");
    let root = filed["new_epic_id"].as_str().unwrap();
    assert!(root.starts_with("shop-mol-") && root.len() == "shop-mol-".len() + 5, "{root}");
    assert_snapshot!(said(&serde_json::to_string_pretty(&filed).unwrap(), root), @r#"
    {
      "created": 7,
      "id_mapping": {
        "ship": "ROOT",
        "ship.Unit tests": "ROOT.unit-tests",
        "ship.announce": "ROOT.announce",
        "ship.build": "ROOT.build",
        "ship.check": "ROOT.check",
        "ship.smoke": "ROOT.smoke"
      },
      "new_epic_id": "ROOT",
      "phase": "liquid",
      "schema_version": 1
    }
    "#);
    let beads = town.data(&format!("bd mol show {root}"));
    let spec = |bead: &Value| {
        let mut bead = bead.clone();
        for key in ["created_at", "updated_at"] {
            bead.as_object_mut().unwrap().remove(key);
        }
        bead
    };
    let issues: Vec<Value> = beads["issues"].as_array().unwrap().iter().map(spec).collect();
    let text = said(&serde_json::to_string_pretty(&issues).unwrap(), root);
    assert_snapshot!("poured", text);
    assert_snapshot!(said(&town.person(&format!("bd mol show {root}")), root), @"
    exit 0
    ROOT  P2  molecule  open         ship
      ROOT.announce  P2  task     open         Announce 1.2
      ROOT.build  P1  task     open         Build 1.2
      ROOT.check  P2  epic     open         Check it
        ROOT.smoke  P2  task     open         Start it once
        ROOT.unit-tests  P2  chore    open         Run the unit tests
      ROOT.gate-announce  P2  gate     open         Gate: timer for 90s
    ROOT.announce → ROOT.check  [blocks]
    ROOT.announce → ROOT.gate-announce  [blocks]
    ROOT.announce → ROOT.check  [waits-for]
    ROOT.check → ROOT.build  [blocks]
    ROOT.smoke → ROOT.unit-tests  [blocks]
    ");
    assert_snapshot!(said(&town.person("bd mol list"), root), @"
    exit 0
    ROOT  open  0/5 done  ship
    ");
}

#[test]
fn nothing_is_filed_where_a_var_is_missing_or_it_is_only_tried() {
    let town = town();
    assert_snapshot!(town.person("bd mol pour ship"), @"
    exit 1
    2> error: formulas/ship.formula.toml:2:1: the var `version` is required and has no value
    ");
    let tried = town.person("bd mol pour ship --var version=1.2 --dry-run");
    let id = regex::Regex::new(r"shop-mol-[a-z0-9]{5}").unwrap();
    assert_snapshot!(id.replace_all(&tried, "ROOT"), @"
    exit 0
    Would file ship: 7 beads
    ROOT  ship
      ROOT.build  Build 1.2
      ROOT.check  Check it
        ROOT.unit-tests  Run the unit tests
        ROOT.smoke  Start it once
      ROOT.announce  Announce 1.2
    ");
    assert_eq!(town.data("bd list --all --include-infra"), json!([]));
}

#[test]
fn a_command_is_for_people_and_no_value_of_a_var_is_read_as_shell() {
    let town = town();
    write(
        &town,
        "tag",
        "formula = \"tag\"\n[vars.v]\nrequired = true\n[[steps]]\nid = \"tag\"\ntitle = \"Tag it\"\nrun = 'git tag \"{{v}}\"'\n",
    );
    let refused = town.agent_with("bd mol pour tag --var v=1 --search-path ../town/formulas", &[]);
    assert_snapshot!(refused, @"
    exit 1
    2> error: the step `tag` runs a command, which an agent may not file: it would run as code
    2> hint: a person pours this formula; or as a wisp, whose steps are read and not run
    ");
    let root = poured(&town, "bd mol pour tag --var v=$(id)");
    let shown = town.person(&format!("bd show {root}.tag"));
    assert!(shown.contains("GT_VAR_v='$(id)'\ngit tag \"${GT_VAR_v}\""), "{shown}");
}

#[test]
fn what_a_town_does_not_have_is_said_and_gates_become_beads_of_their_own() {
    let town = town();
    write(
        &town,
        "odd",
        r#"
formula = "odd"

[[steps]]
id = "a"
title = "A"
runtime = "fast"
assignee = "shop/polecats/nux"
model = "big"

[steps.gate]
type = "gh:run"
id = "release.yml"
timeout = "soon"

[[steps]]
id = "b"
title = "B"
assignee = "kim"
condition = "step.status == 'complete'"

[steps.gate]
type = "gh:pr"

[[steps]]
id = "c"
title = "C"

[steps.gate]
type = "mail"
condition = "kim says so"
"#,
    );
    let answer = town.person("bd mol pour odd");
    let root = regex::Regex::new(r"shop-mol-[a-z0-9]{5}").unwrap().find(&answer).unwrap().as_str();
    assert_snapshot!(said(&answer, root), @"
    exit 0
    ✓ Poured odd: 7 beads
    ROOT  odd
      ROOT.a  A
      ROOT.b  B
      ROOT.c  C
    `gt sling ROOT` has it worked on
    2> warning: formulas/odd.formula.toml:17:1: the condition `step.status == 'complete'` names `step`, which is no step; there is `a`, `b`, `c`
    2> note: `a` is for shop/polecats/nux: dispatch gives polecats their work, so it is left to that
    2> note: `a` asks for fast: there is no such Runtime, so it is the rig's
    2> note: the gate of `a` waits for ever: `soon` is no duration
    2> note: a person opens the gate of `b`: of type `gh:pr`, it does not say what can be waited for
    ");
    let gates = ["a", "b", "c"].map(|step| town.bead(&format!("{root}.gate-{step}")).spec);
    let gate = |nth: usize| serde_json::to_value(&gates[nth].gate).unwrap();
    // What waits for something outside, or does not say for what, a person has to see to.
    assert_eq!(gate(0), json!({"type": "GithubRun", "awaitId": "release.yml"}));
    assert_eq!((gate(1), gate(2)), (json!({"type": "Human"}), json!({"type": "Human"})));
    assert!(gates[2].description.as_ref().unwrap().contains("Holds when: kim says so"));
    let step = town.bead(&format!("{root}.b")).spec;
    assert_eq!((step.assigned_to.as_deref(), step.suspend), (Some("kim"), true));
    assert_eq!(step.needs, [format!("{root}.gate-b")]);
    let kept: Value = serde_json::from_str(town.bead(&format!("{root}.a")).spec.metadata.as_ref().unwrap()).unwrap();
    assert_eq!(kept, json!({"step": "a", "model": "big"}));
}

#[test]
fn a_step_has_the_runtime_that_a_person_asks_for_and_an_agent_does_not_choose() {
    let town = town();
    town.runtime("fast");
    write(
        &town,
        "quick",
        "formula = \"quick\"\npour = true\n[[steps]]\nid = \"a\"\ntitle = \"A\"\nruntime = \"fast\"\n",
    );
    let root = poured(&town, "bd mol pour quick");
    assert_eq!(town.bead(&format!("{root}.a")).spec.runtime.as_deref(), Some("fast"));
    let answer = town.agent("bd mol wisp quick --search-path ../town/formulas");
    let wisp = regex::Regex::new(r"shop-wisp-[a-z0-9]{5}").unwrap().find(&answer).unwrap().as_str();
    assert_snapshot!(said(&answer, wisp), @"
    exit 0
    ✓ Filed as a wisp quick: 2 beads
    ROOT  quick
      ROOT.a  A
    `gt sling ROOT` has it worked on
    2> note: `a` asks for fast: people choose runtimes, so it is the rig's
    ");
    // Agents remove nothing; what they close, the town removes.
    assert_snapshot!(said(&town.agent(&format!("bd mol burn {root} --force")), &root), @"
    exit 1
    2> error: an agent removes wisps alone: what is kept, people remove
    2> hint: `bd close ID` closes what is of no use any more
    ");
    assert_snapshot!(said(&town.agent(&format!("bd mol burn {wisp}")), wisp), @"
    exit 0
    ✓ Burned ROOT: 2 beads
    2> they are closed; the town removes them some time later
    ");
    assert_eq!(town.bead(wisp).spec.closed.unwrap().message.as_deref(), Some("burned"));
}

#[test]
fn current_and_progress_follow_what_is_closed() {
    let town = town();
    let root = poured(&town, "bd mol pour ship --var version=1.2");
    assert_snapshot!(said(&town.person(&format!("bd mol current {root}")), &root), @"
    exit 0
    ROOT  ship  0/5 done
      ○ ROOT.build  Build 1.2
      · ROOT.check  Check it
      · ROOT.unit-tests  Run the unit tests
      · ROOT.smoke  Start it once
      · ROOT.announce  Announce 1.2
    next: ROOT.build
    ");
    town.person(&format!("bd close {root}.build"));
    town.person(&format!("bd update {root}.unit-tests --claim"));
    assert_snapshot!(said(&town.person("bd mol current"), &root), @"
    exit 0
    ROOT  ship  1/5 done
      ✓ ROOT.build  Build 1.2
      ◌ ROOT.check  Check it
      ▶ ROOT.unit-tests  Run the unit tests  (kim)
      · ROOT.smoke  Start it once
      · ROOT.announce  Announce 1.2
    current: ROOT.unit-tests
    ");
    assert_snapshot!(said(&town.person("bd mol progress --json"), &root), @r#"
    exit 0
    {
      "completed": 1,
      "current_step_id": "ROOT.unit-tests",
      "in_progress": 1,
      "molecule_id": "ROOT",
      "molecule_title": "ship",
      "percent": 20,
      "ready": 0,
      "schema_version": 1,
      "total": 5
    }
    "#);
    let current = &town.data("bd mol current")[0];
    assert_eq!(current["current_step"]["id"], json!(format!("{root}.unit-tests")));
    assert_eq!((&current["completed"], &current["total"]), (&json!(1), &json!(5)));
    assert_snapshot!(town.agent("bd mol current"), @"
    exit 0
    no molecule of which shop/polecats/nux has a part
    ");
}

#[test]
fn a_wisp_is_its_root_alone_with_the_steps_as_a_list_unless_the_formula_says_pour() {
    let town = town();
    let filed = town.data("bd mol wisp ship --var version=1.2");
    let root = filed["new_epic_id"].as_str().unwrap();
    assert_eq!((&filed["created"], &filed["phase"]), (&json!(1), &json!("vapor")));
    let wisp = &town.data(&format!("bd show {root}"))[0];
    assert_eq!(wisp["ephemeral"], true);
    assert_snapshot!(wisp["description"].as_str().unwrap(), @"
    Ships 1.2.

    ## Steps

    1. [ ] **Build 1.2** `build`
       Build it for stable.

    2. [ ] **Check it** `check` (after build)

    3. [ ] **Run the unit tests** `Unit tests`
       Done when: All pass.

    4. [ ] **Start it once** `smoke` (after Unit tests)

    5. [ ] **Announce 1.2** `announce` (after check) (once timer for 90s)
    ");
    write(&town, "steps", &SHIP.replace("formula = \"ship\"", "formula = \"steps\"\npour = true"));
    assert_eq!(town.data("bd mol wisp create steps --var version=1")["created"], 7);
}

#[test]
fn gc_removes_idle_wisps_and_with_closed_those_that_are_closed() {
    let town = town();
    let closed = json!({"reason": "Done", "at": "2026-01-02T03:04:05Z", "by": "kim"});
    town.seed([
        bead("shop-a", &json!({"ephemeral": true, "type": "Molecule", "suspend": true})),
        bead("shop-a.1", &json!({"ephemeral": true, "parent": "shop-a", "assignee": nux()})),
        bead("shop-b", &json!({"ephemeral": true, "closed": closed})),
        bead("shop-c", &json!({"ephemeral": true, "suspend": true})),
        bead("shop-d", &json!({"suspend": true})),
        bead("shop-e", &json!({"ephemeral": true, "closed": closed})),
        bead("shop-e.1", &json!({"parent": "shop-e", "suspend": true})),
    ]);
    assert_snapshot!(town.person("bd mol wisp list"), @"
    exit 0
    shop-a    P2  molecule  open         Title of shop-a
    shop-a.1  P2  task     in_progress  Title of shop-a.1  (shop/polecats/nux)
    shop-c    P2  task     open         Title of shop-c
    ");
    assert_snapshot!(town.person("bd mol wisp gc"), @"
    exit 0
    no wisp is to be removed
    ");
    assert_snapshot!(town.person("bd mol wisp gc --age 1ms --dry-run --json"), @r#"
    exit 0
    {
      "candidates": [
        "shop-c"
      ],
      "cleaned_count": 0,
      "cleaned_ids": [],
      "dry_run": true,
      "schema_version": 1
    }
    "#);
    assert_snapshot!(town.person("bd mol wisp gc --age 1ms"), @"
    exit 0
    ✓ Removed shop-c
    ");
    assert_snapshot!(town.person("bd mol wisp gc --closed"), @"
    exit 0
    would remove:
    shop-b  P2  task     closed       Title of shop-b
    2> `--force` removes them
    ");
    assert_snapshot!(town.person("bd mol wisp gc --closed --force --json"), @r#"
    exit 0
    {
      "cleaned_count": 1,
      "cleaned_ids": [
        "shop-b"
      ],
      "schema_version": 1
    }
    "#);
    assert_snapshot!(town.person("bd mol wisp gc --age soon"), @"
    exit 2
    2> error: invalid value 'soon' for '--age <DURATION>': `soon` is no duration: write it as 30m, 1h or 24h
    2> 
    2> For more information, try '--help'.
    ");
    assert_snapshot!(town.person("bd list --all --include-ephemeral"), @"
    exit 0
    shop-a    P2  molecule  open         Title of shop-a
    shop-a.1  P2  task     in_progress  Title of shop-a.1  (shop/polecats/nux)
    shop-d    P2  task     open         Title of shop-d
    shop-e    P2  task     closed       Title of shop-e
    shop-e.1  P2  task     open         Title of shop-e.1
    ");
}

#[test]
fn burn_says_what_would_go_and_removes_no_part_that_a_polecat_has() {
    let town = town();
    let root = poured(&town, "bd mol pour ship --var version=1.2");
    assert_snapshot!(said(&town.person(&format!("bd mol burn {root}")), &root), @"
    exit 0
    would remove:
    ROOT  P2  molecule  open         ship
      ROOT.announce  P2  task     open         Announce 1.2
      ROOT.build  P1  task     open         Build 1.2
      ROOT.check  P2  epic     open         Check it
        ROOT.smoke  P2  task     open         Start it once
        ROOT.unit-tests  P2  chore    open         Run the unit tests
      ROOT.gate-announce  P2  gate     open         Gate: timer for 90s
    2> `--force` removes them, for good
    ");
    town.patch_spec(&format!("{root}.build"), &json!({"assignee": nux()}));
    assert_snapshot!(said(&town.person(&format!("bd mol burn {root} --force")), &root), @"
    exit 1
    2> error: ROOT.build is on the hook of shop-nux
    2> hint: `bd close ROOT --force` gives all of it up; then burn it
    ");
    town.patch_spec(&format!("{root}.build"), &json!({"assignee": null}));
    assert_snapshot!(said(&town.person(&format!("bd mol burn {root} --force --json")), &root), @r#"
    exit 0
    {
      "deleted_count": 7,
      "deleted_ids": [
        "ROOT",
        "ROOT.announce",
        "ROOT.build",
        "ROOT.check",
        "ROOT.gate-announce",
        "ROOT.smoke",
        "ROOT.unit-tests"
      ],
      "molecule_id": "ROOT",
      "schema_version": 1
    }
    "#);
    let wisp = poured(&town, "bd mol wisp ship --var version=1.2");
    assert_snapshot!(said(&town.person(&format!("bd mol burn {wisp}")), &wisp), @"
    exit 0
    ✓ Burned ROOT: 1 bead
    ");
    assert_eq!(town.data("bd list --all --include-infra --include-ephemeral"), json!([]));
}

#[test]
fn squash_closes_the_root_with_a_digest_and_removes_parts_that_are_wisps() {
    let town = town();
    write(
        &town,
        "round",
        "formula = \"round\"\npour = true\n[[steps]]\nid = \"look\"\ntitle = \"Look\"\n\n[[steps]]\nid = \"tell\"\ntitle = \"Tell\"\n",
    );
    let root = poured(&town, "bd mol wisp round");
    assert_snapshot!(said(&town.person(&format!("bd mol squash {root}")), &root), @"
    exit 1
    2> error: ROOT has parts that are open: ROOT.look and another
    2> hint: close them first; or `bd mol burn ROOT`, if it is given up
    ");
    town.person(&format!("bd close {root}.look {root}.tell --reason all~well"));
    assert_snapshot!(said(&town.person(&format!("bd mol squash {root} --json")), &root), @r#"
    exit 0
    {
      "deleted_count": 2,
      "digest_id": "ROOT",
      "kept_children": false,
      "molecule_id": "ROOT",
      "schema_version": 1,
      "squashed_count": 2,
      "squashed_ids": [
        "ROOT.look",
        "ROOT.tell"
      ],
      "wisp_squash": true
    }
    "#);
    let wisp = &town.data(&format!("bd show {root}"))[0];
    assert_eq!(wisp["close_reason"], "2 steps done: Look; Tell");
    assert_eq!(wisp["comments"][0]["text"], "- Look (Done): all well\n- Tell (Done): all well");
    assert!(wisp["dependents"].is_null(), "{wisp}");
}

#[test]
fn a_molecule_is_bonded_behind_beside_and_in_case_of_another() {
    let town = town();
    let pour = || poured(&town, "bd mol pour ship --var version=1.2");
    let (a, b, c, d) = (pour(), pour(), pour(), pour());
    let ids = |text: &str| text.replace(&a, "A").replace(&b, "B").replace(&c, "C").replace(&d, "D");
    assert_snapshot!(ids(&town.person(&format!("bd mol bond {a} {b}"))), @"
    exit 0
    ✓ Bonded B to A (sequential, after A.announce)
    ");
    assert_snapshot!(ids(&town.person(&format!("bd mol bond {a} {d} --type conditional"))), @"
    exit 0
    ✓ Bonded D to A (conditional, after B, if that fails)
    ");
    assert_snapshot!(ids(&town.person(&format!("bd mol bond {a} {c} --type parallel --json"))), @r#"
    exit 0
    {
      "bond_type": "parallel",
      "result_id": "A",
      "result_type": "compound_molecule",
      "schema_version": 1
    }
    "#);
    assert_snapshot!(ids(&town.person(&format!("bd mol bond {b} {a}"))), @"
    exit 1
    2> error: a bead would be a part of itself: A → B → A
    2> hint: choose another parent
    ");
    assert_snapshot!(ids(&town.person(&format!("bd mol bond {a}.build {b}"))), @"
    exit 1
    2> error: A.build is neither a molecule nor an epic
    2> hint: `bd dep add B A.build` has one wait for the other
    ");
}

#[test]
fn what_is_distilled_cooks_back_to_the_same_shape() {
    let town = town();
    let root = poured(&town, "bd mol pour ship --var version=1.2");
    let file = town.path("town").join("again.formula.toml");
    assert!(town.person(&format!("bd mol distill {root} again --output {}", file.display())).starts_with("exit 0"));
    assert_snapshot!("distilled", fs_err::read_to_string(&file).unwrap());
    let shape = |of: &str| {
        let cooked = town.data(of);
        let step = |it: &Value| {
            [
                "id",
                "title",
                "type",
                "description",
                "priority",
                "labels",
                "needs",
                "parent",
                "acceptance",
                "gate",
                "waits_for",
            ]
            .map(|key| it[key].clone())
        };
        let mut steps: Vec<_> = cooked["steps"].as_array().unwrap().iter().map(step).collect();
        steps.sort_by_key(|it| it[0].to_string());
        steps
    };
    assert_eq!(shape("bd cook again.formula.toml --mode runtime"), shape("bd cook ship --var version=1.2"));
    town.seed([
        bead("shop-e", &json!({"type": "Epic", "title": "Say \"hi\" \\ twice", "suspend": true})),
        bead("shop-e.1", &json!({"parent": "shop-e", "suspend": true, "description": "a \\ b\n\"\"\"c\"\"\"\n\u{1}"})),
        bead("shop-e.2", &json!({"parent": "shop-e", "suspend": true, "needs": ["shop-e.1", "shop-9"]})),
    ]);
    town.person("bd mol distill shop-e --output e.toml");
    let cooked = town.data("bd cook e.toml");
    assert_eq!(cooked["steps"][0]["description"], "a \\ b\n\"\"\"c\"\"\"\n\u{1}");
    assert_eq!(cooked["steps"][1]["needs"], json!([cooked["steps"][0]["id"]]));
}

#[test]
fn gt_mol_shows_what_is_on_the_hook_its_tiers_and_goes_from_step_to_step() {
    let town = town();
    let root = poured(&town, "bd mol pour ship --var version=1.2");
    assert_snapshot!(said(&town.person(&format!("gt mol dag {root}")), &root), @"
    exit 0
    ROOT  ship
    tier 1
      ○ ROOT.build  Build 1.2
      ◌ ROOT.gate-announce  Gate: timer for 90s
    tier 2
      · ROOT.unit-tests  Run the unit tests
    tier 3
      · ROOT.smoke  Start it once  after ROOT.unit-tests
    tier 4
      · ROOT.check  Check it  after ROOT.build
    tier 5
      · ROOT.announce  Announce 1.2  after ROOT.check, ROOT.gate-announce
    ");
    let dag = town.data(&format!("gt mol dag {root}"));
    assert_eq!(dag["tiers"][0], json!([format!("{root}.build"), format!("{root}.gate-announce")]));
    assert_eq!(dag["nodes"][0]["status"], "ready");
    town.person(&format!("bd update {root}.build --claim"));
    assert_snapshot!(said(&town.person("gt mol status"), &root), @"
    exit 0
    ROOT  ship  0/5 steps done
      ▶ ROOT.build  Build 1.2
      · ROOT.check  Check it
      · ROOT.unit-tests  Run the unit tests
      · ROOT.smoke  Start it once
      · ROOT.announce  Announce 1.2
    next: go on with ROOT.build; `gt mol step done ROOT.build` once it is done
    ");
    let status = town.data("gt mol status");
    assert_eq!(
        (&status["has_work"], &status["progress"]["in_progress"]),
        (&json!(true), &json!([format!("{root}.build")]))
    );
    assert_snapshot!(said(&town.person(&format!("gt mol step done {root}.build --reason built")), &root), @"
    exit 0
    closed ROOT.build: Build 1.2
    next ROOT.check: Check it
    ");
    assert_eq!(town.bead(&format!("{root}.build")).spec.closed.unwrap().message.as_deref(), Some("built"));
    // What is left and not ready is not taken for nothing.
    for step in ["unit-tests", "smoke"] {
        town.person(&format!("bd close {root}.{step}"));
    }
    assert_snapshot!(said(&town.person(&format!("gt mol step done {root}.check")), &root), @"
    exit 0
    closed ROOT.check: Check it
    nothing is ready: what is left waits for others, or for a gate
    ");
    assert_snapshot!(town.agent("gt mol status"), @"
    exit 0
    nothing is on the hook of shop/polecats/nux
    ");
    assert_snapshot!(town.person("gt mol status shop/polecats/ghost"), @"
    exit 0
    nothing is on the hook of shop/polecats/ghost
    ");
}

#[test]
fn ready_of_a_molecule_is_what_may_be_done_now_and_gated_what_goes_on_behind_an_open_gate() {
    let town = town();
    write(
        &town,
        "fork",
        r#"
formula = "fork"
steps = [
  { id = "left", title = "Left" },
  { id = "right", title = "Right" },
  { id = "join", title = "Join", needs = ["left", "right"], gate = { type = "human" } },
]
"#,
    );
    let root = poured(&town, "bd mol pour fork");
    let other = town.data("bd create Other --rig shop")["id"].as_str().unwrap().to_owned();
    assert_snapshot!(said(&town.person(&format!("bd ready --mol {root}")), &root), @"
    exit 0
    ROOT  fork  0/3 steps done
      ○ ROOT.left  Left
      ○ ROOT.right  Right
    these 2 may be done at the same time
    ");
    let ready = town.data(&format!("bd mol ready {root}"));
    assert_eq!(ready["parallel_groups"], json!({ "group-1": [format!("{root}.left"), format!("{root}.right")] }));
    assert_eq!(ready["steps"][0]["parallel_info"]["blocks"], json!([format!("{root}.join")]));
    assert_eq!(ready["steps"][1]["parallel_info"]["can_parallel"], json!([format!("{root}.left")]));
    assert_eq!([&ready["total_steps"], &ready["ready_steps"]], [&json!(3), &json!(2)]);
    assert_eq!(town.data(&format!("bd ready --mol {root} -n 1"))["steps"].as_array().unwrap().len(), 1);
    assert_snapshot!(town.person(&format!("bd ready --mol {other}")).replace(&other, "OTHER"), @"
    exit 1
    2> error: OTHER is neither a molecule nor an epic
    2> hint: `bd mol list` shows the molecules, `bd epic status` the epics
    ");

    town.person(&format!("bd close {root}.left {root}.right"));
    assert_snapshot!(said(&town.person(&format!("bd ready --mol {root}")), &root), @"
    exit 0
    ROOT  fork  2/3 steps done
    nothing is ready: it is worked on, or waits for others or for a gate (`gt gate list`)
    ");
    assert_eq!(town.data("bd ready --gated"), json!({ "count": 0, "molecules": [], "schema_version": 1 }));
    assert_eq!(town.data("gt gate list")[0]["id"], json!(format!("{root}.gate-join")));
    town.person(&format!("gt gate approve {root}.gate-join"));
    assert_snapshot!(said(&town.person("bd ready --gated"), &root), @"
    exit 0
    ROOT  fork
        gate ROOT.gate-join is open, by kim
        next: ROOT.join  Join
    ");
    let gated = town.data("bd mol ready --gated");
    assert_eq!(gated["molecules"][0]["ready_step"]["id"], json!(format!("{root}.join")));
    let wisp = poured(&town, "bd mol wisp fork");
    let ready = town.person(&format!("bd ready --mol {wisp}"));
    assert!(ready.contains(&format!("no step of it is a bead: `bd show {wisp}`")), "{ready}");
    let claimed = town.person(&format!("bd ready --mol {root} --claim"));
    assert!(claimed.contains("Join"), "{claimed}");
}

#[test]
fn what_is_attached_is_poured_too_and_becomes_a_part() {
    let town = town();
    let text = |name: &str| format!("formula = \"{name}\"\nsteps = [{{ id = \"a\", title = \"A\" }}]\n");
    write(&town, "one", &text("one"));
    write(&town, "two", &text("two"));
    assert_eq!(town.data("bd mol pour one --attach two --attach two --dry-run")["attached"], json!(2));
    assert_eq!(town.data("bd list --all"), json!([]), "nothing was filed");
    let refused = town.person("bd mol pour one --attach tow");
    assert!(refused.starts_with("exit 1\n2> error: there is no formula `tow`"), "{refused}");
    assert_eq!(town.data("bd list --all"), json!([]), "all are cooked before the first is filed");
    let root = poured(&town, "bd mol pour one --attach two --attach-type sequential");
    let beads = town.data(&format!("bd mol show {root}"));
    let ids: Vec<&str> = beads["issues"].as_array().unwrap().iter().map(|it| it["id"].as_str().unwrap()).collect();
    let part = ids.iter().find(|id| !id.starts_with(&root)).unwrap();
    assert_eq!(town.bead(part).spec.parent.as_ref(), Some(&root));
    assert_eq!(town.bead(part).spec.needs, [format!("{root}.a")], "it comes after the other parts: {ids:?}");
}

#[test]
fn a_swarm_is_an_epic_in_waves_and_how_far_each_part_is() {
    let town = town();
    town.seed([
        bead("shop-e", &json!({ "title": "Epic", "type": "Epic" })),
        bead("shop-1", &json!({ "title": "One", "parent": "shop-e" })),
        bead("shop-2", &json!({ "title": "Two", "parent": "shop-e", "needs": ["shop-1"] })),
        bead("shop-3", &json!({ "title": "Three", "parent": "shop-e", "needs": ["shop-9"] })),
        bead("shop-4", &json!({ "title": "Four", "parent": "shop-e", "needs": ["shop-2", "shop-3"] })),
        bead("shop-9", &json!({ "title": "Elsewhere" })),
    ]);
    assert_snapshot!(town.person("bd swarm validate shop-e"), @"
    exit 0
    shop-e  Epic  0/4 done
    wave 1
      ○ shop-1  One
      · shop-3  Three
    wave 2
      · shop-2  Two
    wave 3
      · shop-4  Four
    warning: shop-3 needs shop-9, which is no part of it
    it can be worked on, by 2 at once at most
    ");
    let shape = town.data("bd swarm validate shop-e --verbose");
    assert_eq!(shape["ready_fronts"][0]["issues"], json!(["shop-1", "shop-3"]));
    assert_eq!(shape["issues"]["shop-2"]["depended_on_by"], json!(["shop-4"]));
    assert_eq!([&shape["max_parallelism"], &shape["swarmable"]], [&json!(2), &json!(true)]);
    town.person("bd close shop-1");
    assert_snapshot!(town.person("bd swarm status shop-e"), @"
    exit 0
    shop-e  Epic  1/4 done (25 %)
    done       shop-1  One
    ready      shop-2  Two
    waits      shop-3  Three  for shop-9
    waits      shop-4  Four  for shop-2, shop-3
    ");
    let status = town.data("bd swarm status shop-e");
    assert_eq!(status["blocked"][0], json!({ "id": "shop-3", "title": "Three", "blocked_by": ["shop-9"] }));
    assert_eq!([&status["ready_count"], &status["progress_percent"]], [&json!(1), &json!(25)]);
    assert_snapshot!(town.person("bd swarm list"), @"
    exit 0
    shop-e  1/4 done, 0 worked on  Epic
    ");
    // A circle that no verb would make.
    town.patch_spec("shop-2", &json!({ "needs": ["shop-4"] }));
    assert_snapshot!(town.person("bd swarm validate shop-e"), @"
    exit 1
    shop-e  Epic  1/4 done
    wave 1
      · shop-3  Three
    warning: shop-3 needs shop-9, which is no part of it
    error: beads would wait for each other in a circle: shop-2 → shop-4 → shop-2
    it cannot be worked on to its end: `bd dep remove` takes a need out
    ");
    assert_snapshot!(town.person("bd swarm status shop-1"), @"
    exit 1
    2> error: shop-1 is neither an epic nor a molecule: it is a task
    2> hint: `bd swarm list` shows those that have parts
    ");
    assert_snapshot!(town.person("bd swarm create shop-e"), @"
    exit 1
    2> error: a swarm is how an epic stands: there is nothing to create
    2> hint: `gt sling shop-e` has the epic worked on, `bd swarm status shop-e` shows how far it is
    ");
}
