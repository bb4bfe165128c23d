//! Steps whose condition does not hold are left out, and their order is kept without them.

use crate::{compile, run, shape, step, warnings};

const TEXT: &str = "formula = 'f'\nvars.deep = { default = '' }\n[[steps]]\nid = 'a'\ntitle = 'A'\n[[steps]]\nid = 'b'\ntitle = 'B'\n\
    needs = ['a']\ncondition = '{{deep}}'\n[[steps.children]]\nid = 'b1'\ntitle = 'B1'\n[[steps]]\nid = 'c'\ntitle = 'C'\n\
    needs = ['b']\nwaits_for = 'children-of(b)'\n";

#[test]
fn compiling_decides_nothing() {
    let proto = compile(TEXT);
    assert_eq!(shape(&proto), ["a", "b < a", "b1", "c < b"]);
    assert_eq!(step(&proto, "b").condition.as_deref(), Some("{{deep}}"));
}

#[test]
fn who_needs_a_step_that_is_left_out_needs_what_it_needed() {
    let proto = run(TEXT, &[]).unwrap();
    assert_eq!(shape(&proto), ["a", "c < a"]);
    assert_eq!(step(&proto, "c").waits_for, None);
}

#[test]
fn a_condition_that_holds_is_gone() {
    let proto = run(TEXT, &[("deep", "yes")]).unwrap();
    assert_eq!(shape(&proto), ["a", "b < a", "b1", "c < b"]);
    assert_eq!(step(&proto, "b").condition, None);
    assert_eq!(step(&proto, "b1").parent.as_deref(), Some("b"));
}

#[test]
fn a_condition_of_the_runtime_stays() {
    let text = "formula = 'f'\nvars.n = '3'\n[[steps]]\nid = 'a'\ntitle = 'A'\ncondition = 'steps.complete >= {{n}}'\n";
    assert_eq!(step(&run(text, &[]).unwrap(), "a").condition.as_deref(), Some("steps.complete >= 3"));
}

#[test]
fn a_condition_on_a_step_that_is_not_needed_is_warned_of() {
    let proto = compile(
        "formula = 'f'\n[[steps]]\nid = 'scan'\ntitle = 'S'\n[[steps]]\nid = 'mend'\ntitle = 'M'\n[steps.loop]\nuntil = \"test.status == \
         'complete'\"\nmax = 3\n[[steps.loop.body]]\nid = 'test'\ntitle = 'T'\n[[steps]]\nid = 'a'\ntitle = 'A'\ncondition = \"scan.status == \
         'complete'\"\n[[steps]]\nid = 'b'\ntitle = 'B'\ncondition = \"mend.test.output.n == 0\"\n[[steps]]\nid = 'c'\ntitle = 'C'\n\
         needs = ['mend']\ncondition = \"mend.test.output.n == 0\"\n[[steps]]\nid = 'd'\ntitle = 'D'\nneeds = ['c']\n\
         condition = \"mend.status == '{{x}}'\"\n[[steps]]\nid = 'e'\ntitle = 'E'\ncondition = \"{{x}}.status == 'complete'\"\n",
    );
    assert_eq!(
        warnings(&proto),
        [
            "f.toml:15:1: the condition of `a` names `scan`, which it does not need: add `needs = [\"scan\"]`, or it is decided before \
             `scan` is done",
            "f.toml:19:1: the condition of `b` names `mend.iter1.test`, which it does not need: add `needs = [\"mend\"]`, or it is \
             decided before `mend` is done",
        ]
    );
}

#[test]
fn a_gate_for_an_event_says_which() {
    let of = |id: &str| {
        let text =
            format!("formula = 'f'\n[[steps]]\nid = 'a'\ntitle = 'A'\ngate = {{ type = 'event', id = '{id}' }}\n");
        warnings(&compile(&text)).join("\n")
    };
    assert_eq!(of("deploy.done"), "");
    assert_eq!(of("{{what}}.done"), "");
    assert!(of("A B").contains("`A B` is no type of event, so a person opens the gate; `id` says it"), "{}", of("A B"));
}
