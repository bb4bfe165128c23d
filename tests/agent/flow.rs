//! Formulas of which a part is decided while they are worked on: what is filed of them, and what cannot be.

use crate::formula::write;
use crate::town::TestTown;
use gastown_crds::bead::{GateType, OnExhausted};
use insta::assert_snapshot;
use serde_json::{Value, json};

const MEND: &str = r#"
formula = "mend"
[vars.what]
default = "it"
[[steps]]
id = "scan"
title = "Scan {{what}}"
retry = { max_attempts = 3, on_exhausted = "soft_fail" }
on_complete = { for_each = "output.files", bond = "review", vars = { file = "{item.path}", nth = "{index}" }, sequential = true }
[[steps]]
id = "go"
title = "Until it is green"
needs = ["scan"]
[steps.loop]
until = "test.status == 'complete'"
max = 3
var = "n"
[[steps.loop.body]]
id = "fix"
title = "Fix, round {n}"
[[steps.loop.body]]
id = "test"
title = "Test"
needs = ["fix"]
gate = { type = "human" }
condition = "fix.status == 'complete'"
[[steps]]
id = "sum"
title = "Sum up"
needs = ["go"]
waits_for = "children-of(scan)"
condition = "go.status != 'skipped'"
[compose]
[[compose.gate]]
before = "sum"
condition = "steps.complete >= 2"
"#;

const REVIEW: &str = r#"
formula = "review"
[vars.file]
required = true
[vars.nth]
default = "0"
[[steps]]
id = "read"
title = "Read {{file}} ({{nth}})"
"#;

fn town() -> TestTown {
    let town = TestTown::new();
    town.rig("shop");
    write(&town, "mend", MEND);
    write(&town, "review", REVIEW);
    town
}

fn poured(town: &TestTown) -> (String, Value) {
    let filed = town.data("bd mol pour mend --var what=all");
    let root = filed["new_epic_id"].as_str().unwrap().to_owned();
    (root, filed)
}

#[test]
fn a_formula_is_poured_with_what_is_decided_later() {
    let town = town();
    let (root, filed) = poured(&town);
    let ids = serde_json::to_string_pretty(&filed["id_mapping"]).unwrap().replace(&root, "ROOT");
    assert_snapshot!(ids, @r#"
    {
      "mend": "ROOT",
      "mend.go": "ROOT.go",
      "mend.go.iter1.fix": "ROOT.go.1-fix",
      "mend.go.iter1.test": "ROOT.go.1-test",
      "mend.scan": "ROOT.scan",
      "mend.sum": "ROOT.sum"
    }
    "#);
    let bead = |name: &str| town.bead(&format!("{root}.{name}"));

    let go = bead("go").spec;
    let repeat = go.flow.unwrap().repeat.unwrap();
    assert_eq!((repeat.until.as_str(), repeat.max, repeat.iteration), ("test.status == 'complete'", 3, 1));
    let names = |iteration| -> Vec<String> {
        let made = repeat.made(&format!("{root}.go"), iteration).unwrap();
        made.into_iter().map(|made| made.name.replace(&root, "ROOT")).collect()
    };
    assert_eq!(names(2), ["ROOT.go.2-fix", "ROOT.go.2-gate-test", "ROOT.go.2-test"]);
    let first = repeat.made(&format!("{root}.go"), 1).unwrap();
    for made in first {
        assert_eq!(town.bead(&made.name).spec, made.spec, "the first iteration is as all others");
    }
    let fix = bead("go.1-fix").spec;
    assert_eq!((&*fix.title, fix.parent), ("Fix, round 1", Some(format!("{root}.go"))));
    let test = bead("go.1-test").spec;
    assert_eq!(test.flow.unwrap().condition.as_deref(), Some("fix.status == 'complete'"));
    assert_eq!(test.needs, [format!("{root}.go.1-fix"), format!("{root}.go.1-gate-test")]);

    let scan = bead("scan").spec;
    let flow = scan.flow.unwrap();
    let retry = flow.retry.unwrap();
    assert_eq!((retry.max_attempts, retry.on_exhausted), (3, OnExhausted::SoftFail));
    let each = flow.for_each.unwrap();
    assert!(each.sequential && each.field == "files" && scan.notes.unwrap().contains("\"files\": […]"));
    let made = each.made(&format!("{root}.scan"), 1, &json!({"path": "b.rs"})).unwrap();
    let made: Vec<String> = made.iter().map(|made| format!("{} {}", made.name, made.spec.title)).collect();
    assert_eq!(made.join("\n").replace(&root, "ROOT"), "ROOT.scan.1 review\nROOT.scan.1.read Read b.rs (1)");

    let gate = bead("gate-sum").spec.gate.unwrap();
    assert_eq!(gate.type_, GateType::Condition);
    assert_eq!((gate.condition.as_deref(), gate.await_id), (Some("steps.complete >= 2"), Some(root.clone())));
    assert_eq!(bead("sum").spec.needs, [format!("{root}.go"), format!("{root}.gate-sum")]);
}

#[test]
fn an_agent_says_what_a_step_has_found() {
    let town = town();
    let (root, _) = poured(&town);
    town.person(&format!("bd update {root}.scan --metadata {{\"output\":{{\"files\":[1,2]}}}}"));
    let spec = town.bead(&format!("{root}.scan")).spec;
    let each = spec.flow.unwrap().for_each.unwrap();
    assert_eq!(each.items(spec.metadata.as_deref()).unwrap(), [json!(1), json!(2)]);
}

#[test]
fn what_cannot_be_decided_is_refused_and_nothing_is_filed() {
    let town = town();
    let refused = |text: &str| {
        write(&town, "mend", text);
        let said = town.person("bd mol pour mend");
        assert_eq!(town.person("bd list"), "exit 0\n", "nothing is filed");
        said
    };
    assert_snapshot!(refused(&MEND.replace("test.status == 'complete'", "file.exists('ok')")), @"
    exit 1
    2> error: `go` depends on a file or a variable: file.exists('ok')
    2> hint: only a gate of `compose` can wait for those: add one before the step, or decide by the output of a step
    ");
    assert_snapshot!(refused(&MEND.replace("go.status != 'skipped'", "env.CI == 'true'")), @"
    exit 1
    2> error: `sum` depends on a file or a variable: env.CI == 'true'
    2> hint: only a gate of `compose` can wait for those: add one before the step, or decide by the output of a step
    ");
    assert_snapshot!(refused(&MEND.replace("\"review\"", "\"revew\"")), @"
    exit 1
    2> error: there is no formula `revew`
    2> hint: `bd formula list` shows those that are found; --search-path names another folder
    ");
    assert_snapshot!(refused(&MEND.replace("bond = \"review\", vars = { file", "bond = \"mend\", vars = { what")), @"
    exit 1
    2> error: `mend` is poured for each item of the output of `scan`, and goes on by itself, with `on_complete` or `until`
    2> hint: pour a formula that is whole from the start
    ");
    write(&town, "review", &REVIEW.replace("title = \"Read", "condition = \"{{file}} != 'a'\"\ntitle = \"Read"));
    assert_snapshot!(refused(MEND), @"
    exit 1
    2> error: a condition of `review` is on `file`, which is known only with the item
    2> hint: decide it before: give that var a value without `{item}`
    ");
    write(&town, "review", &format!("{REVIEW}run = \"cat {{{{file}}}}\"\n"));
    assert_snapshot!(refused(MEND), @r#"
    exit 1
    2> error: a command of `review` is given an item of the output of `scan`
    2> hint: what an agent has found is never read as shell: `bd show "$GT_BEAD"` has it
    "#);
}

#[test]
fn a_gate_of_compose_on_a_file_is_a_command() {
    let town = town();
    write(&town, "mend", &MEND.replace("steps.complete >= 2", "file.exists('go.mod')"));
    let (root, _) = poured(&town);
    let gate = town.bead(&format!("{root}.gate-sum")).spec.gate.unwrap();
    assert_eq!(gate.type_, GateType::Run);
    assert_eq!(gate.run.as_deref(), Some("git -C \"$GT_CLONE\" cat-file -e 'refs/gt/head:go.mod'"));
    let said = town.agent("bd mol pour mend");
    assert!(said.contains("which an agent may not file"), "{said}");
}
