//! What is not ours: skipped in a folder, a mistake in a file that was named, and never something that was meant for us.

use gastown_crds::admission::admit;
use gastown_crds::manifest::{Scope, parse, render_all, survey};

/// What comes of a file that was found in a folder.
fn found(text: &str) -> String {
    let found = survey("a.yaml", text.as_bytes(), Scope::Anybodys);
    let ours = found.objects.iter().map(|it| format!("{}/{}\n", it.manifest.kind, it.manifest.name));
    let skipped = found.skipped.iter().map(|it| format!("skipped {it}\n"));
    ours.chain(skipped).chain([render_all(&found.mistakes, false)]).collect()
}

#[test]
fn what_is_of_other_groups_is_skipped() {
    insta::assert_snapshot!(found("apiVersion: v1\nkind: ConfigMap\nmetadata: { name: a }\n---\napiVersion: gastown.io/v1alpha1\nkind: Rig\nmetadata: { name: shop }\n---\n# With a group of its own, a kind that has our name is theirs.\napiVersion: camel.apache.org/v1\nkind: Runtime\nmetadata: { name: b }\n"), @"
    Rig/shop
    skipped a.yaml:1: a `ConfigMap` of `v1`, not of gastown.io
    skipped a.yaml:10: a `Runtime` of `camel.apache.org/v1`, not of gastown.io
    ");
    insta::assert_snapshot!(found("apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Secret\n  metadata: { name: a }\n- apiVersion: gastown.io/v1alpha1\n  kind: Rig\n  metadata: { name: shop }\n"), @"
    Rig/shop
    skipped a.yaml:4: a `Secret` of `v1`, not of gastown.io
    ");
}

#[test]
fn what_is_no_object_is_skipped() {
    insta::assert_snapshot!(found("resources:\n- rig.yaml\n"), @"skipped a.yaml:1: no object: it has no `apiVersion` and `kind`");
    insta::assert_snapshot!(found("- a\n- b\n---\nword\n"), @"
    skipped a.yaml:1: no object: it has no `apiVersion` and `kind`
    skipped a.yaml:4: no object: it has no `apiVersion` and `kind`
    ");
    insta::assert_snapshot!(found("metadata:\n  name: {{ .Release.Name }}\n"), @"skipped a.yaml:2: a key must be a word, and nothing in it names gastown.io");
    insta::assert_snapshot!(found("a: !Ref b\n"), @"skipped a.yaml:1: the tag `!Ref` means nothing here, and nothing in it names gastown.io");
    assert_eq!(found("# nothing\n---\n"), "");
}

#[test]
fn bytes_that_are_no_text_and_files_that_are_too_large_are_skipped() {
    assert_eq!(
        survey("a.yaml", b"\xff\xfe", Scope::Anybodys).skipped[0].to_string(),
        "a.yaml:1: not UTF-8 text, and nothing in it names gastown.io"
    );
    let large = vec![b'a'; (4 << 20) + 1];
    assert_eq!(survey("a.yaml", &large, Scope::Anybodys).skipped.len(), 1);
}

#[test]
fn what_was_meant_for_us_is_told() {
    // No group, no version, or a group that is nearly ours.
    assert!(found("kind: Rig\nmetadata: { name: shop }\n").contains("error[required]: `apiVersion` is missing"));
    assert_eq!(found("apiVersion: v1alpha1\nkind: Rig\nmetadata: { name: shop }\n"), "Rig/shop\n");
    assert_eq!(found("apiVersion: gastwon.io/v1alpha1\nkind: Rig\nmetadata: { name: shop }\n"), "Rig/shop\n");
    assert_eq!(found("apiVersion: gastown/v1\nkind: Rigg\nmetadata: { name: shop }\n"), "Rigg/shop\n");
    assert_eq!(found("apiVersion: Gastown.dev/v1\nkind: Rig\nmetadata: { name: shop }\n"), "Rig/shop\n");
    assert_eq!(found("apiVersion: gastown.io/v1alpha1\nkind: Rigg\nmetadata: { name: shop }\n"), "Rigg/shop\n");
    // Text that cannot be read, and speaks of us.
    assert!(found("apiVersion: gastown.io/v1alpha1\nkind: [\n").starts_with("error[syntax]"));
    // A file of others that speaks of us.
    let helm = "apiVersion: apps/v1\nkind: Deployment\n# See gastown.io.\nspec: {{ .Values.spec }\n";
    assert!(found(helm).starts_with("skipped a.yaml:"), "{}", found(helm));
    let notes = "# kind: Rig of gastown.io\na: [\n";
    assert!(found(notes).starts_with("skipped a.yaml:"), "{}", found(notes));
    let json = "{\"kind\": \"Rig\", \"apiVersion\": \"gastown.io/v1alpha1\",, }";
    assert!(found(json).starts_with("error[syntax]"), "{}", found(json));
    assert!(
        found("- kind: Convoy\n  spec: {{ x }}\n").contains("error[key]"),
        "{}",
        found("- kind: Convoy\n  spec: {{ x }}\n")
    );
}

#[test]
fn in_a_file_that_was_named_it_is_a_mistake() {
    let text = "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: a }\n";
    let told: Vec<_> = parse("a.yaml", text).unwrap().iter().flat_map(admit).collect();
    insta::assert_snapshot!(render_all(&told, false), @"
    error[foreign]: a `ConfigMap` of `v1` is not of gastown.io
     --> a.yaml:1:13
      |
    1 | apiVersion: v1
      |             ^^
      |
      = help: take it out of the file, or give `-f` the folder: there, what is not of gastown.io is skipped
    ");
}
