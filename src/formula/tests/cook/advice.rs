//! Advice puts steps before and after those that a glob finds.

use gastown_formula::By;

use crate::{chain, compile, compile_with, shape, step, why_with};

const AUDIT: &str = "formula = 'audit'\ntype = 'aspect'\n[[advice]]\ntarget = '*'\n[[advice.around.before]]\n\
    id = '{step.id}-pre'\ntitle = 'Before {step.title}'\n[[advice.around.before]]\nid = '{step.id}-pre2'\n\
    [[advice.around.after]]\nid = '{step.id}-post'\n";

#[test]
fn steps_are_put_around_and_need_each_other_in_turn() {
    let text = chain(&["a", "b"]) + "[compose]\naspects = ['audit']\n";
    let proto = compile_with(&text, &[("audit", &format!("{AUDIT}[[pointcuts]]\nglob = 'b'\n"))]);
    assert_eq!(shape(&proto), ["a", "b-pre", "b-pre2 < b-pre", "b < a b-pre2", "b-post < b"]);
    assert_eq!(step(&proto, "b-pre").title, "Before Do b");
    let via = &step(&proto, "b-pre").via[0];
    assert_eq!((via.by, via.step.as_str(), via.formula.as_str()), (By::Advice, "b", "audit"));
}

#[test]
fn pointcuts_limit_advice_by_glob_type_and_label() {
    let steps = "formula = 'f'\n[compose]\naspects = ['audit']\n[[steps]]\nid = 'a'\ntitle = 'A'\ntype = 'bug'\n\
                 [[steps]]\nid = 'b'\ntitle = 'B'\nlabels = ['risky']\n[[steps]]\nid = 'c'\ntitle = 'C'\n";
    let advised = |pointcut: &str| {
        let proto = compile_with(steps, &[("audit", &format!("{AUDIT}{pointcut}"))]);
        proto.steps.iter().filter_map(|it| it.id.strip_suffix("-post")).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(advised(""), ["a", "b", "c"]);
    assert_eq!(advised("[[pointcuts]]\ntype = 'bug'\n[[pointcuts]]\nlabel = 'risky'\n"), ["a", "b"]);
    assert_eq!(advised("[[pointcuts]]\ntype = 'task'\nglob = 'c*'\n"), ["c"]);
}

#[test]
fn a_formula_advises_its_own_steps_and_their_children() {
    let proto = compile(
        "formula = 'f'\n[[advice]]\ntarget = '*.x'\nafter = { id = '{step.id}.after', title = 'T' }\n[[steps]]\nid = 'p'\n\
         title = 'P'\n[[steps.children]]\nid = 'p.x'\ntitle = 'X'\n",
    );
    assert_eq!(shape(&proto), ["p", "p.x", "p.x.after < p.x"]);
    assert_eq!(step(&proto, "p.x.after").parent.as_deref(), Some("p"));
}

#[test]
fn only_an_aspect_can_be_one() {
    let why = why_with("formula = 'f'\n[compose]\naspects = ['x']\n", &[("x", &chain(&["a"]))]);
    let expected = "formula `x`, which `compose.aspects` names, is of type workflow; it must be of type aspect";
    assert_eq!(why, format!("f.toml:3:12: {expected}"));
}
