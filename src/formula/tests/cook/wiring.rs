//! `branch` and `gate` of `compose`, and what is kept for the runtime.

use crate::{compile, shape, step, why};

fn base(rules: &str) -> String {
    let ids = ["a", "b", "c", "d"].map(|id| format!("[[steps]]\nid = '{id}'\ntitle = 'T'\n")).concat();
    format!("formula = 'f'\n{ids}{rules}")
}

#[test]
fn a_branch_forks_and_joins() {
    let proto = compile(&base("[[compose.branch]]\nfrom = 'a'\nsteps = ['c', 'b']\njoin = 'd'\n"));
    assert_eq!(shape(&proto), ["a", "b < a", "c < a", "d < c b"]);
}

#[test]
fn a_gate_of_compose_is_a_condition_for_the_runtime() {
    let proto = compile(&base("[[compose.gate]]\nbefore = 'b'\ncondition = \"a.output.ok == 'yes'\"\n"));
    let gate = step(&proto, "b").gate.clone().unwrap();
    assert_eq!((gate.kind.as_str(), gate.condition.as_deref()), ("conditional", Some("a.output.ok == 'yes'")));
}

#[test]
fn a_step_has_one_condition_before_it() {
    let rule = "[[compose.gate]]\nbefore = 'b'\ncondition = 'steps.complete >= 1'\n";
    assert!(why(&base(&rule.repeat(2))).ends_with("the step `b` has a condition already"));
}

#[test]
fn bond_points_and_hooks_are_kept() {
    let proto = compile(&base(
        "[[compose.bond_points]]\nid = 'p'\nafter_step = 'a'\nparallel = true\n\
         [[compose.hooks]]\ntrigger = 'label:security'\nattach = 'audit'\nat = 'p'\n",
    ));
    assert_eq!((proto.bond_points[0].id.as_str(), proto.bond_points[0].parallel), ("p", true));
    assert_eq!(proto.hooks[0].at.as_deref(), Some("p"));
}
