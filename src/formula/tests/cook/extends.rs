//! `extends`: parents in order, and the child wins.

use gastown_formula::Phase;

use crate::{chain, compile_with, shape, step, why_with};

#[test]
fn a_child_replaces_steps_in_place_and_adds_its_own() {
    let child = "formula = 'child'\nextends = ['base']\n[[steps]]\nid = 'b'\ntitle = 'Mine'\nneeds = ['a']\n\
                 [[steps]]\nid = 'd'\ntitle = 'D'\nneeds = ['c']\n";
    let proto = compile_with(child, &[("base", &chain(&["a", "b", "c"]))]);
    assert_eq!(shape(&proto), ["a", "b < a", "c < b", "d < c"]);
    assert_eq!((step(&proto, "b").title.as_str(), step(&proto, "b").formula.as_str()), ("Mine", "child"));
    assert_eq!(step(&proto, "a").formula, "chain");
    assert_eq!((proto.name.as_str(), &proto.files[..]), ("child", &["f.toml".to_owned(), "base.toml".to_owned()][..]));
}

#[test]
fn parents_come_in_order_and_vars_of_the_child_win() {
    let one = "formula = 'one'\ndescription = 'One'\nvars = { v = '1', w = '1' }\n";
    let two = "formula = 'two'\nvars = { v = '2', x = '2' }\nsteps = [{ id = 'a', title = 'A' }]\n";
    let child = "formula = 'c'\nextends = ['one', 'two']\nvars = { x = '3' }\n";
    let proto = compile_with(child, &[("one", one), ("two", two)]);
    let values: Vec<_> =
        proto.vars.iter().map(|(name, var)| format!("{name}={}", var.default.as_deref().unwrap())).collect();
    assert_eq!(values, ["v=2", "w=1", "x=3"]);
    assert_eq!(proto.description, "One");
}

#[test]
fn nothing_of_the_parents_is_dropped() {
    let base = format!(
        "phase = 'vapor'\npour = true\n{}[[advice]]\ntarget = 'b'\nbefore = {{ id = 'pre', title = 'Pre' }}\n\
         [[pointcuts]]\nglob = 'b'\n[[compose.branch]]\nfrom = 'a'\nsteps = ['b']\njoin = 'c'\n\
         [[compose.gate]]\nbefore = 'c'\ncondition = 'steps.complete >= 2'\n",
        chain(&["a", "b", "c"])
    );
    let child = "formula = 'child'\nextends = ['base']\n[[compose.hooks]]\ntrigger = 'label:x'\nattach = 'y'\n";
    let proto = compile_with(child, &[("base", &base)]);
    assert_eq!(proto.phase, Phase::Vapor);
    assert!(proto.pour);
    assert_eq!(shape(&proto), ["a", "pre", "b < a pre", "c < b"]);
    assert_eq!(step(&proto, "c").gate.as_ref().unwrap().condition.as_deref(), Some("steps.complete >= 2"));
    assert_eq!(proto.hooks.len(), 1);
}

#[test]
fn an_expansion_inherits_its_template() {
    let base = "formula = 'base'\ntype = 'expansion'\n[[template]]\nid = '{target}.a'\ntitle = 'A'\n";
    let proto = compile_with("formula = 'e'\nextends = 'base'\n", &[("base", base)]);
    assert_eq!(shape(&proto), ["main.a"]);
}

#[test]
fn a_circle_of_parents_is_refused_with_its_path() {
    let shelf = [("b", "formula = 'b'\nextends = ['c']\n"), ("c", "formula = 'c'\nextends = ['a']\n")];
    let why = why_with("formula = 'a'\nextends = ['b']\n", &shelf);
    assert_eq!(why, "c.toml:2:12: formulas extend each other in a circle: a → b → c → a");
}

#[test]
fn a_parent_that_nobody_has_is_named() {
    assert_eq!(why_with("formula = 'a'\nextends = ['b']\n", &[]), "f.toml:2:12: no formula `b`, which `extends` names");
}

#[test]
fn a_mistake_of_a_parent_is_found_in_its_own_file() {
    let why = why_with("formula = 'a'\nextends = ['b']\n", &[("b", "formula = 'b'\npour = 1\n")]);
    assert_eq!(why, "b.toml:2:8: `pour` must be true or false, not a whole number");
}
