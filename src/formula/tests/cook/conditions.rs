//! Steps whose condition does not hold are left out, and their order is kept without them.

use crate::{compile, run, shape, step};

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
