//! What grows too large is refused with the name of its bound.

use std::fmt::Write as _;

use gastown_formula::bounds::{LOOP_ITERATIONS_MAX, STEPS_MAX, TEXT_BYTES_MAX};
use gastown_formula::{Empty, Mode, cook};

use crate::{chain, compile, given, source, warnings, why, why_with};

fn looped(count: usize, body: &str) -> String {
    format!("formula = 'f'\n[[steps]]\nid = 'l'\nloop = {{ count = {count}, body = [{body}] }}\n")
}

#[test]
fn a_text_is_not_too_long() {
    let why = why(&format!("formula = 'f'\n# {}", "x".repeat(TEXT_BYTES_MAX.max)));
    assert_eq!(why, "f.toml:1:1: the text of the formula: over the bound TEXT_BYTES_MAX of 1048576");
}

#[test]
fn a_loop_ends() {
    let why = |how: &str| {
        why(&format!("formula = 'f'\n[[steps]]\nid = 'l'\nloop = {{ {how}, body = [{{ id = 'a', title = 'A' }}] }}"))
    };
    assert_eq!(why("count = 1001"), "f.toml:4:18: `count` of a loop: over the bound LOOP_ITERATIONS_MAX of 1000");
    assert_eq!(why("range = '1..9^9'"), "f.toml:3:1: iterations of `l`: over the bound LOOP_ITERATIONS_MAX of 1000");
    assert_eq!(compile(&looped(LOOP_ITERATIONS_MAX.max, "{ id = 'a', title = 'A' }")).steps.len(), 1000);
}

#[test]
fn steps_do_not_multiply_without_end() {
    let inner = "{ id = 'm', loop = { count = 100, body = [{ id = 'a', title = 'A' }] } }";
    assert_eq!(
        why(&looped(100, inner)),
        format!("f.toml:4:75: steps after expansion: over the bound STEPS_MAX of {}", STEPS_MAX.max)
    );
}

#[test]
fn texts_do_not_multiply_without_end() {
    let body = format!("{{ id = 'a', title = 'A', description = '{}' }}", "x".repeat(100_000));
    assert!(
        why(&looped(1000, &body)).ends_with("the steps after expansion: over the bound COOKED_BYTES_MAX of 16777216")
    );
    let twice = format!(
        "formula = 'e'\ntype = 'expansion'\n[[template]]\nid = '{{target}}'\ntitle = '{}'\n",
        "{target.title}".repeat(2000)
    );
    let step = format!("formula = 'f'\n[[steps]]\nid = 'a'\nexpand = 'e'\ntitle = '{}'\n", "y".repeat(1000));
    assert!(why_with(&step, &[("e", &twice)]).ends_with("over the bound FIELD_BYTES_MAX of 1048576"));
}

#[test]
fn expansions_are_not_too_deep() {
    let name = |n: usize| format!("e{n}");
    let text = |n: usize| {
        format!("formula = 'e{n}'\ntype = 'expansion'\n[[template]]\nid = '{{target}}.{n}'\nexpand = 'e{}'\n", n + 1)
    };
    let formulas: Vec<_> = (0..8).map(|n| (name(n), text(n))).collect();
    let shelf: Vec<_> = formulas.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    assert_eq!(
        why_with("formula = 'f'\n[[steps]]\nid = 'a'\nexpand = 'e0'\n", &shelf),
        "e4.toml:4:1: expansions within expansions (e0 → e1 → e2 → e3 → e4 → e5): over the bound EXPANSION_DEPTH_MAX of 5"
    );
}

#[test]
fn parents_are_not_too_many() {
    let formulas: Vec<_> =
        (0..80).map(|n| (format!("p{n}"), format!("formula = 'p{n}'\nextends = ['p{}']\n", n + 1))).collect();
    let shelf: Vec<_> = formulas.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    assert!(why_with("formula = 'f'\nextends = ['p0']\n", &shelf).ends_with("over the bound EXTENDS_DEPTH_MAX of 16"));
    let parents: Vec<_> = (0..80).map(|n| format!("'p{n}'")).collect();
    let flat: Vec<_> = (0..80).map(|n| (format!("p{n}"), format!("formula = 'p{n}'\n"))).collect();
    let shelf: Vec<_> = flat.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let text = format!("formula = 'f'\nextends = [{}]\n", parents.join(", "));
    assert!(why_with(&text, &shelf).ends_with("over the bound FORMULAS_MAX of 64"));
}

#[test]
fn nesting_ends() {
    let deep = |open: &str, close: &str| format!("formula = 'f'\nx = {}{}\n", open.repeat(60), close.repeat(60));
    assert!(why(&deep("[", "]")).contains("over the bound NESTING_MAX of 48"));
    let json = format!("{{\"formula\": \"f\", \"x\": {}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    let cooked = cook(&source("f.json", &json), &Empty, Mode::Compile, &given(&[]));
    assert!(cooked.unwrap_err().to_string().contains("over the bound NESTING_MAX of 48"));
}

#[test]
fn names_and_rules_are_bounded() {
    let long = "x".repeat(300);
    assert!(why(&chain(&[&long])).ends_with("`id`: over the bound NAME_BYTES_MAX of 256"));
    let mut rules = chain(&["a"]);
    for _ in 0..300 {
        write!(rules, "[[pointcuts]]\nglob = 'x'\n").unwrap();
    }
    assert!(why(&rules).ends_with("entries of `pointcuts`: over the bound RULES_MAX of 256"));
}

#[test]
fn warnings_are_counted_when_there_are_too_many() {
    let mut text = chain(&["a"]);
    for n in 0..250 {
        writeln!(text, "unknown{n} = 1").unwrap();
    }
    let found = warnings(&compile(&text));
    assert_eq!((found.len(), found[100].as_str()), (101, "150 more warnings are not shown"));
}
