//! Convoys: legs beside each other, and a synthesis that needs them.

use gastown_formula::FormulaType;

use crate::{compile, run, shape, step};

const LEGS: &str = "formula = 'review'\ntype = 'convoy'\nagent = 'claude'\n[inputs.pr]\nrequired_unless = ['files']\n\
    [inputs.files]\ntype = 'string'\n[prompts]\nbase = 'Look at {{.pr}}'\n[output]\ndirectory = 'out'\n\
    [[legs]]\nid = 'speed'\ntitle = 'Speed'\nfocus = 'Slow loops'\nagent = 'gemini'\n[[legs]]\nid = 'safety'\ntitle = 'Safety'\n";

#[test]
fn a_synthesis_needs_all_legs() {
    let proto = compile(&format!("{LEGS}[synthesis]\ntitle = 'Sum up'\n"));
    assert_eq!(proto.kind, FormulaType::Convoy);
    assert_eq!(shape(&proto), ["speed", "safety", "synthesis < speed safety"]);
    let speed = step(&proto, "speed");
    assert!(speed.parallel && !step(&proto, "synthesis").parallel);
    assert_eq!((speed.agent.as_deref(), speed.metadata["focus"].as_str()), (Some("gemini"), "Slow loops"));
    assert_eq!(step(&proto, "safety").agent.as_deref(), Some("claude"));
    assert_eq!(proto.data["prompts"]["base"], "Look at {{.pr}}");
}

#[test]
fn a_synthesis_may_need_some_legs() {
    let proto = compile(&format!("{LEGS}[synthesis]\ntitle = 'Sum up'\ndepends_on = ['safety']\n"));
    assert_eq!(shape(&proto), ["speed", "safety", "synthesis < safety"]);
}

#[test]
fn inputs_are_vars() {
    let why = run(LEGS, &[]).unwrap_err().to_string();
    assert_eq!(why, "f.toml:1:1: the var `pr` is required and has no value");
    assert!(run(LEGS, &[("files", "src")]).is_ok());
    assert!(run(LEGS, &[("pr", "7")]).is_ok());
}

#[test]
fn the_type_is_told_by_what_a_formula_holds() {
    let proto = compile("formula = 'f'\n[[legs]]\nid = 'a'\ntitle = 'A'\n");
    assert_eq!((proto.kind, proto.steps.len()), (FormulaType::Convoy, 1));
}

#[test]
fn perspectives_of_an_aspect_are_steps_beside_each_other() {
    let proto = compile("formula = 'f'\ntype = 'aspect'\n[[aspects]]\nid = 'a'\ntitle = 'A'\nfocus = 'x'\n");
    assert!(step(&proto, "a").parallel);
}
