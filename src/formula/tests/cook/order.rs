//! Steps come after what they need, otherwise as they are written.

use crate::{chain, compile, shape, why};

fn steps(pairs: &[(&str, &[&str])]) -> String {
    let line = |(id, needs): &(&str, &[&str])| format!("[[steps]]\nid = '{id}'\ntitle = 'T'\nneeds = {needs:?}\n");
    format!("formula = 'f'\n{}", pairs.iter().map(line).collect::<String>())
}

#[test]
fn the_order_keeps_what_was_written_where_needs_allow() {
    let proto =
        compile(&steps(&[("ship", &["test", "lint", "test"]), ("lint", &[]), ("test", &["build"]), ("build", &[])]));
    assert_eq!(shape(&proto), ["lint", "build", "test < build", "ship < test lint"]);
}

#[test]
fn a_step_that_does_not_exist_gets_the_nearest() {
    assert_eq!(
        why(&steps(&[("build", &[]), ("ship", &["biuld"])])),
        "f.toml:9:10: `needs` of `ship` names the step `biuld`, which does not exist; did you mean `build`?"
    );
}

#[test]
fn a_circle_is_refused_with_its_path() {
    assert_eq!(
        why(&steps(&[("x", &[]), ("a", &["b", "x"]), ("b", &["c"]), ("c", &["a"]), ("d", &["a"])])),
        "f.toml:7:1: steps need each other in a circle: a → b → c → a"
    );
    assert_eq!(why(&steps(&[("a", &["a"])])), "f.toml:3:1: steps need each other in a circle: a → a");
}

#[test]
fn a_child_cannot_need_its_parent() {
    let text =
        "formula = 'f'\n[[steps]]\nid = 'p'\ntitle = 'P'\n[[steps.children]]\nid = 'c'\ntitle = 'C'\nneeds = ['p']\n";
    assert_eq!(why(text), "f.toml:3:1: steps need each other in a circle: p → c → p");
}

#[test]
fn what_needs_a_parent_comes_after_its_children() {
    let proto = compile(
        "formula = 'f'\n[[steps]]\nid = 'p'\ntitle = 'P'\n[[steps.children]]\nid = 'c'\ntitle = 'C'\nneeds = ['late']\n\
         [[steps]]\nid = 'end'\ntitle = 'End'\nneeds = ['p']\n[[steps]]\nid = 'late'\ntitle = 'Late'\n",
    );
    assert_eq!(shape(&proto), ["p", "late", "c < late", "end < p"]);
}

#[test]
fn ids_are_unique_children_included() {
    let text = "formula = 'f'\n[[steps]]\nid = 'p'\ntitle = 'P'\n[[steps.children]]\nid = 'p'\ntitle = 'C'\n";
    assert_eq!(why(text), "f.toml:6:1: two steps have the id `p`");
}

#[test]
fn a_long_chain_needs_no_stack() {
    let ids: Vec<String> = (0..4000).map(|n| format!("s{n}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    assert_eq!(compile(&chain(&ids)).steps.len(), 4000);
}
