//! Expansions take the place of steps.

use crate::{chain, compile, compile_with, shape, step, why_with};

const TDD: &str = "formula = 'tdd'\ntype = 'expansion'\nvars = { tool = 'cargo', speed = 'fast' }\n[[template]]\nid = '{target}.test'\n\
    title = 'Test {target.title} with {tool}'\ndescription = '{target.description}{{later}}'\n\
    [[template]]\nid = '{target}.code'\ntitle = 'Code'\nneeds = ['{target}.test']\n";

#[test]
fn a_template_takes_the_place_of_a_step() {
    let text = chain(&["a", "b", "c"]) + "[[compose.expand]]\ntarget = 'b'\nwith = 'tdd'\nvars = { tool = 'make' }\n";
    let proto = compile_with(&text, &[("tdd", TDD)]);
    assert_eq!(shape(&proto), ["a", "b.test < a", "b.code < b.test", "c < b.code"]);
    assert_eq!(step(&proto, "b.test").title, "Test Do b with make");
    assert_eq!(step(&proto, "b.test").description, "{{later}}");
    let via = &step(&proto, "b.code").via[0];
    assert_eq!((via.step.as_str(), via.formula.as_str()), ("b", "tdd"));
}

#[test]
fn a_step_can_name_its_expansion() {
    let text = "formula = 'f'\n[[steps]]\nid = 'a'\nexpand = 'tdd'\nexpand_vars = { tool = '{{v}}' }\n[[steps]]\nid = 'b'\n\
                title = 'B'\nneeds = ['a']\n";
    let proto = compile_with(text, &[("tdd", TDD)]);
    assert_eq!(shape(&proto), ["a.test", "a.code < a.test", "b < a.code"]);
    assert_eq!(step(&proto, "a.test").title, "Test a with {{v}}");
    assert!(proto.vars.contains_key("speed"), "vars of an expansion are vars of the molecule");
}

#[test]
fn map_replaces_what_a_glob_finds_in_the_order_of_the_steps() {
    let text = chain(&["x.1", "y", "x.2"]) + "[[compose.map]]\nselect = 'x.*'\nwith = 'tdd'\n";
    let proto = compile_with(&text, &[("tdd", TDD)]);
    assert_eq!(
        shape(&proto),
        ["x.1.test", "x.1.code < x.1.test", "y < x.1.code", "x.2.test < y", "x.2.code < x.2.test"]
    );
}

#[test]
fn an_expansion_may_hold_expansions() {
    let outer = "formula = 'outer'\ntype = 'expansion'\n[[template]]\nid = '{target}.do'\nexpand = 'tdd'\n\
                 [[template]]\nid = '{target}.tell'\ntitle = 'Tell'\nneeds = ['{target}.do']\n";
    let text = chain(&["a", "b"])
        + "[[compose.expand]]\ntarget = 'a'\nwith = 'outer'\n\
                 [[compose.expand]]\ntarget = 'a.tell'\nwith = 'tdd'\n";
    let proto = compile_with(&text, &[("tdd", TDD), ("outer", outer)]);
    assert_eq!(
        shape(&proto),
        [
            "a.do.test",
            "a.do.code < a.do.test",
            "a.tell.test < a.do.code",
            "a.tell.code < a.tell.test",
            "b < a.tell.code"
        ]
    );
}

#[test]
fn a_template_may_keep_the_id_of_its_target() {
    let keep = "formula = 'keep'\ntype = 'expansion'\n[[template]]\nid = '{target}'\ntitle = 'T'\n\
                [[template]]\nid = '{target}.check'\ntitle = 'C'\nneeds = ['{target}']\n";
    let text = chain(&["a", "b"]) + "[[compose.expand]]\ntarget = 'a'\nwith = 'keep'\n";
    assert_eq!(shape(&compile_with(&text, &[("keep", keep)])), ["a", "a.check < a", "b < a.check"]);
}

#[test]
fn an_expansion_by_itself_is_for_main() {
    let proto = compile(TDD);
    assert_eq!(shape(&proto), ["main.test", "main.code < main.test"]);
    assert_eq!(step(&proto, "main.test").title, "Test tdd with cargo");
}

#[test]
fn a_condition_on_a_var_of_the_rule_is_decided() {
    let quick = "formula = 'quick'\ntype = 'expansion'\nvars = { speed = 'slow' }\n[[template]]\nid = '{target}.a'\n\
                 title = 'A'\n[[template]]\nid = '{target}.b'\ntitle = 'B'\ncondition = '{{speed}} == slow'\nneeds = ['{target}.a']\n";
    let with = |vars: &str| {
        let text = chain(&["x", "y"]) + "[[compose.expand]]\ntarget = 'x'\nwith = 'quick'\n" + vars;
        shape(&compile_with(&text, &[("quick", quick)]))
    };
    assert_eq!(with("vars = { speed = 'fast' }\n"), ["x.a", "y < x.a"]);
    assert_eq!(with(""), ["x.a", "x.b < x.a", "y < x.b"]);
}

#[test]
fn expansions_that_hold_each_other_are_refused_with_their_path() {
    let one = "formula = 'one'\ntype = 'expansion'\n[[template]]\nid = '{target}.a'\nexpand = 'two'\n";
    let two = "formula = 'two'\ntype = 'expansion'\n[[template]]\nid = '{target}.b'\nexpand = 'one'\n";
    let why = why_with("formula = 'f'\n[[steps]]\nid = 's'\nexpand = 'one'\n", &[("one", one), ("two", two)]);
    assert_eq!(why, "two.toml:4:1: formulas expand each other in a circle: one → two → one");
}

#[test]
fn a_target_must_exist_and_an_expansion_be_one() {
    let text = chain(&["implement"]) + "[[compose.expand]]\ntarget = 'implment'\nwith = 'tdd'\n";
    assert_eq!(
        why_with(&text, &[("tdd", TDD)]),
        "f.toml:6:10: `target` of compose.expand names the step `implment`, which does not exist; did you mean `implement`?"
    );
    let text = chain(&["a"]) + "[[compose.map]]\nselect = '*'\nwith = 'w'\n";
    let why = why_with(&text, &[("w", &chain(&["a"]))]);
    assert!(why.ends_with("is of type workflow; it must be of type expansion"), "{why}");
}
