//! Lists: every item is an object as if it were a document, and a mistake in it is shown in its line.

use gastown_crds::admission::admit;
use gastown_crds::manifest::{DEPTH_MAX, parse, render_all};

const TOWN: &str = "{ apiVersion: gastown.io/v1alpha1, kind: Town, metadata: { name: town }, spec: {} }";

/// The objects of a text, as KIND/NAME.
fn names(text: &str) -> Vec<String> {
    let manifests = parse("a.yaml", text).unwrap_or_else(|mistakes| panic!("{}", render_all(&mistakes, false)));
    manifests.iter().map(|it| format!("{} {}/{}", it.api_version, it.kind, it.name)).collect()
}

fn told(text: &str) -> String {
    match parse("a.yaml", text) {
        Ok(manifests) => render_all(&manifests.iter().flat_map(admit).collect::<Vec<_>>(), false),
        Err(mistakes) => render_all(&mistakes, false),
    }
}

#[test]
fn a_list_is_its_items() {
    let text = "apiVersion: v1\nkind: List\nmetadata: { resourceVersion: '' }\nitems:\n- apiVersion: gastown.io/v1alpha1\n  kind: Rig\n  metadata: { name: shop }\n- apiVersion: v1\n  kind: List\n  items:\n  - { apiVersion: gastown.io/v1alpha1, kind: Runtime, metadata: { name: robot } }\n---\nkind: List\nitems: [";
    assert_eq!(
        names(&format!("{text}{TOWN}]\n")),
        ["gastown.io/v1alpha1 Rig/shop", "gastown.io/v1alpha1 Runtime/robot", "gastown.io/v1alpha1 Town/town"]
    );
}

#[test]
fn a_list_of_one_kind_names_it_for_its_items() {
    let text = "apiVersion: gastown.io/v1alpha1\nkind: RigList\nitems:\n- metadata: { name: shop }\n- { apiVersion: gastown.io/v1alpha1, kind: Rig, metadata: { name: web } }\n";
    assert_eq!(names(text), ["gastown.io/v1alpha1 Rig/shop", "gastown.io/v1alpha1 Rig/web"]);
}

#[test]
fn a_list_without_items_is_empty() {
    for items in ["items: []", "items:", "items: ~"] {
        assert!(names(&format!("apiVersion: v1\nkind: List\n{items}\n")).is_empty(), "{items}");
    }
}

#[test]
fn anchors_reach_from_item_to_item() {
    let text = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: gastown.io/v1alpha1\n  kind: Runtime\n  metadata: { name: a }\n  spec: &spec { command: [a] }\n- { apiVersion: gastown.io/v1alpha1, kind: Runtime, metadata: { name: b }, spec: { <<: *spec } }\n";
    let manifests = parse("a.yaml", text).unwrap();
    assert_eq!(manifests[1].value()["spec"], manifests[0].value()["spec"]);
}

#[test]
fn a_mistake_in_an_item_is_shown_in_its_line() {
    let text = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: gastown.io/v1alpha1\n  kind: Runtime\n  metadata: { name: robot }\n  spec:\n    comand: [robot]\n- apiVersion: gastown.io/v1alpha1\n  kind: Runtim\n  metadata: { name: other }\n";
    insta::assert_snapshot!(told(text), @"
    error[unknown-field]: unknown field `comand`
     --> a.yaml:8:5
      |
    8 |     comand: [robot]
      |     ^^^^^^ no field of `spec`
      |
      = help: did you mean `command`?

    error[unknown-kind]: no kind is named `Runtim`
      --> a.yaml:10:9
       |
    10 |   kind: Runtim
       |         ^^^^^^
       |
       = help: did you mean `Runtime`?
    ");
    insta::assert_snapshot!(told("apiVersion: v1\nkind: List\nitems:\n- kind: Rig\n-\n- 7\n"), @"
    error[required]: `apiVersion` and `metadata.name` are missing
     --> a.yaml:4:3
      |
    4 | - kind: Rig
      |   ^^^^^^^^^
      |
      = help: add `apiVersion: gastown.io/v1alpha1`, `metadata: { name: … }`

    error[not-an-object]: this is no object
     --> a.yaml:5:2
      |
    5 | -
      |  ^
      |
      = help: an object has `apiVersion`, `kind`, `metadata` and `spec`

    error[not-an-object]: this is no object
     --> a.yaml:6:3
      |
    6 | - 7
      |   ^
      |
      = help: an object has `apiVersion`, `kind`, `metadata` and `spec`
    ");
}

#[test]
fn a_list_that_is_none_is_told() {
    insta::assert_snapshot!(told("apiVersion: v1\nkind: List\nitem: []\n---\napiVersion: v1\nkind: List\nitems: { a: b }\n"), @"
    error[required]: `items` is missing in a List
     --> a.yaml:2:7
      |
    2 | kind: List
      |       ^^^^
      |
      = help: add `items: […]`, the objects that it holds

    error[wrong-type]: the `items` of a List must be a list
     --> a.yaml:7:1
      |
    7 | items: { a: b }
      | ^^^^^
      |
      = help: start each item with `- `
    ");
}

#[test]
fn lists_in_lists_are_as_deep_as_a_document_may_be() {
    let nested = |levels: usize| {
        let open = "{ kind: List, items: [".repeat(levels);
        format!("{open}{TOWN}{}\n", "] }".repeat(levels))
    };
    assert_eq!(names(&nested(DEPTH_MAX / 2 - 1)).len(), 1);
    assert!(told(&nested(DEPTH_MAX)).starts_with("error[too-deep]"));
}
