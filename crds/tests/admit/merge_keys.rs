//! Merge keys: which field wins, where a mistake in a merged field is shown, and what they may cost.

use gastown_crds::admission::admit;
use gastown_crds::manifest::{parse, render_all};
use serde_json::{Value, json};

/// The spec of an object with these lines in it.
fn spec(lines: &str) -> Value {
    let text = format!("apiVersion: v1\nkind: Thing\nmetadata: {{ name: a }}\nspec:\n{lines}");
    let manifests = parse("a.yaml", &text).unwrap_or_else(|mistakes| panic!("{}", render_all(&mistakes, false)));
    manifests[0].value()["spec"].take()
}

fn told(text: &str) -> String {
    match parse("a.yaml", text) {
        Ok(manifests) => render_all(&manifests.iter().flat_map(admit).collect::<Vec<_>>(), false),
        Err(mistakes) => render_all(&mistakes, false),
    }
}

#[test]
fn a_field_of_the_mapping_itself_wins_wherever_it_stands() {
    let base = "  base: &base { a: 1, b: { c: 1, d: 1 } }\n";
    let merged = |of: &str| spec(&format!("{base}{of}"))["x"].clone();
    assert_eq!(merged("  x: { <<: *base, a: 2 }\n"), json!({ "a": 2, "b": { "c": 1, "d": 1 } }));
    assert_eq!(merged("  x: { a: 2, <<: *base }\n"), json!({ "a": 2, "b": { "c": 1, "d": 1 } }));
    assert_eq!(merged("  x: { <<: *base, a: }\n"), json!({ "a": null, "b": { "c": 1, "d": 1 } }));
    // Fields are merged, not what is inside them.
    assert_eq!(merged("  x: { <<: *base, b: { c: 2 } }\n"), json!({ "a": 1, "b": { "c": 2 } }));
}

#[test]
fn of_several_mappings_the_first_that_has_a_field_wins() {
    let bases = "  one: &one { a: 1, b: 1 }\n  two: &two { <<: *one, b: 2, c: 2 }\n";
    let merged = |of: &str| spec(&format!("{bases}{of}"))["x"].clone();
    assert_eq!(merged("  x: { <<: [*one, *two] }\n"), json!({ "a": 1, "b": 1, "c": 2 }));
    assert_eq!(merged("  x: { <<: [*two, *one], c: 3 }\n"), json!({ "a": 1, "b": 2, "c": 3 }));
    assert_eq!(merged("  x:\n    <<:\n    - *two\n    - { d: 4 }\n"), json!({ "a": 1, "b": 2, "c": 2, "d": 4 }));
}

#[test]
fn what_is_merged_can_be_an_anchor_itself_and_merged_again() {
    let lines = "  - &a { x: 1 }\n  - &b\n    <<: *a\n    y: 2\n  - &c { <<: *b, z: 3 }\n  - { <<: *c }\n";
    assert_eq!(spec(lines)[3], json!({ "x": 1, "y": 2, "z": 3 }));
}

#[test]
fn in_quotes_or_as_a_value_it_is_text() {
    assert_eq!(spec("  '<<': { a: 1 }\n  b: <<\n  c: [<<]\n"), json!({ "<<": { "a": 1 }, "b": "<<", "c": ["<<"] }));
}

#[test]
fn a_mistake_in_a_merged_field_is_shown_where_the_field_was_written() {
    let convoy = "apiVersion: gastown.io/v1alpha1\nkind: Convoy\nmetadata: { name: c }\nspec:\n  rig: shop\n  beads:\n";
    insta::assert_snapshot!(told(&format!(
        "{convoy}  - &base {{ name: one, title: One, priority: 9 }}\n  - {{ <<: *base, name: two, comand: ls }}\n"
    )), @"
    error[bound]: `spec.beads[0].priority` must be at most 4
     --> a.yaml:7:46
      |
    7 |   - &base { name: one, title: One, priority: 9 }
      |                                              ^
      |
      = help: `priority`: 0 (first) to 4 (last). Default: 2.

    error[bound]: `spec.beads[1].priority` must be at most 4
     --> a.yaml:7:46
      |
    7 |   - &base { name: one, title: One, priority: 9 }
      |                                              ^
      |
      = help: `priority`: 0 (first) to 4 (last). Default: 2.

    error[unknown-field]: unknown field `comand`
     --> a.yaml:8:29
      |
    8 |   - { <<: *base, name: two, comand: ls }
      |                             ^^^^^^ no field of `spec.beads[]`
      |
      = help: did you mean `command`?
    ");
}

#[test]
fn what_cannot_be_merged_is_told_where_it_stands() {
    insta::assert_snapshot!(told("a: &a { x: 1 }\nb: { <<: *a, <<: *a }\nc: { <<: [*a, 7] }\nd:\n  <<:\ne: { <<: &e { f: *e } }\n"), @"
    error[duplicate-key]: `<<` is given twice
     --> a.yaml:2:14
      |
    2 | b: { <<: *a, <<: *a }
      |              ^^ again here
      |
     ::: a.yaml:2:6
      |
    2 | b: { <<: *a, <<: *a }
      |      -- first given here
      |
      = help: merge several mappings with one list: `<<: [*first, *second]`

    error[merge-key]: `<<` takes a mapping, or a list of mappings
     --> a.yaml:3:15
      |
    3 | c: { <<: [*a, 7] }
      |               ^
      |
      = help: alias a mapping: `<<: *base`; to name a field `<<`, put it in quotes

    error[merge-key]: `<<` takes a mapping, or a list of mappings
     --> a.yaml:5:3
      |
    5 |   <<:
      |   ^^
      |
      = help: alias a mapping: `<<: *base`; to name a field `<<`, put it in quotes

    error[alias]: an alias inside the value that it stands for
     --> a.yaml:6:18
      |
    6 | e: { <<: &e { f: *e } }
      |                  ^^
      |
      = help: write the value out
    ");
}

#[test]
fn mappings_that_merge_one_another_over_and_over_are_bounded() {
    // Each level merges ten times the level before it.
    let level = |level: usize| {
        let all = vec![format!("*a{}", level - 1); 10].join(", ");
        format!("a{level}: &a{level} {{ <<: [{all}], x{level}: [{all}] }}\n")
    };
    let bomb = format!("a0: &a0 {{ x: 1 }}\n{}", (1..12).map(level).collect::<String>());
    let first_line = |text: &str| told(text).lines().next().unwrap_or_default().to_owned();
    insta::assert_snapshot!(first_line(&bomb), @"error[alias]: the aliases of this file stand for more than 65536 values");
}
