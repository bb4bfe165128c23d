//! What is wrong with a file before its fields are looked at: text that is no YAML, objects without a name, and too much.

use gastown_crds::admission::admit;
use gastown_crds::manifest::{Scope, parse, parse_bytes, render_all, survey};

/// What a file is answered with; empty when it is admitted.
fn told(text: &str) -> String {
    match parse("town/a.yaml", text) {
        Ok(manifests) => render_all(&manifests.iter().flat_map(admit).collect::<Vec<_>>(), false),
        Err(mistakes) => render_all(&mistakes, false),
    }
}

#[test]
fn the_name_of_a_file_moves_no_cursor() {
    let mistakes = parse("town/\u{1b}[2J\u{202e}.yaml", "kind: Rig\n").unwrap_err();
    let told = render_all(&mistakes, false);
    assert!(told.contains("[2J") && !told.contains(['\u{1b}', '\u{202e}']), "{told:?}");
}

#[test]
fn hostile_names_are_refused() {
    let named = |name: &str| {
        told(&format!(
            "apiVersion: gastown.io/v1alpha1\nkind: Runtime\nmetadata: {{ name: {name} }}\nspec: {{ command: [a] }}\n"
        ))
    };
    insta::assert_snapshot!(named("../x"), @r#"
    error[name]: `../x` is no name for a Runtime
     --> town/a.yaml:3:19
      |
    3 | metadata: { name: ../x }
      |                   ^^^^
      |
      = help: a name is lower-case letters, digits and `-`, at most 63 characters, such as `x`
    "#);
    insta::assert_snapshot!(named(r#""a\u0007\e[31mb""#), @r#"
    error[name]: `a\u{7}\u{1b}[31mb` is no name for a Runtime
     --> town/a.yaml:3:19
      |
    3 | metadata: { name: "a\u0007\e[31mb" }
      |                   ^^^^^^^^^^^^^^^^
      |
      = help: a name is lower-case letters, digits and `-`, at most 63 characters, such as `a-31mb`
    "#);
    insta::assert_snapshot!(named("\"a\u{202e}b\""), @r#"
    error[name]: `a\u{202e}b` is no name for a Runtime
     --> town/a.yaml:3:19
      |
    3 | metadata: { name: "a�b" }
      |                   ^^^^^
      |
      = help: a name is lower-case letters, digits and `-`, at most 63 characters, such as `a-b`
    "#);
    insta::assert_snapshot!(named("My_Runtime"), @r#"
    error[name]: `My_Runtime` is no name for a Runtime
     --> town/a.yaml:3:19
      |
    3 | metadata: { name: My_Runtime }
      |                   ^^^^^^^^^^
      |
      = help: a name is lower-case letters, digits and `-`, at most 63 characters, such as `my-runtime`
    "#);
    for bad in ["''", "'-'", "a.b", "a/b", "'a b'", "ä", "-a", &"a".repeat(64)] {
        assert!(named(bad).starts_with("error["), "{bad}: {}", named(bad));
    }
}

#[test]
fn what_is_no_object_is_told_what_one_is() {
    insta::assert_snapshot!(told("- a\n- b\n"), @r#"
    error[not-an-object]: this is no object
     --> town/a.yaml:1:1
      |
    1 | - a
      | ^^^
      |
      = help: an object has `apiVersion`, `kind`, `metadata` and `spec`
    "#);
    insta::assert_snapshot!(told("apiVersion: gastown.io/v1alpha1\nkind: Rig\nmetadata: {}\n"), @r#"
    error[required]: `metadata.name` is missing
     --> town/a.yaml:3:1
      |
    3 | metadata: {}
      | ^^^^^^^^
      |
      = help: add `metadata: { name: … }`
    "#);
    insta::assert_snapshot!(told("apiVersion: gastown.io/v1alpha1\nkind: Rig\nmetadata: { name: 7 }\n"), @r#"
    error[wrong-type]: `metadata.name` must be text
     --> town/a.yaml:3:19
      |
    3 | metadata: { name: 7 }
      |                   ^
      |
      = help: put it in quotes
    "#);
    insta::assert_snapshot!(told("apiVersion: gastown.io/v1\nkind: Rigg\nmetadata: { name: a }\n"), @r#"
    error[unknown-kind]: no kind is named `Rigg`
     --> town/a.yaml:2:7
      |
    2 | kind: Rigg
      |       ^^^^
      |
      = help: did you mean `Rig`?
    "#);
    insta::assert_snapshot!(told("apiVersion: gastown.io/v1\nkind: Town\nmetadata: { name: town }\nspec: {}\n"), @r#"
    error[unknown-version]: no version is named `gastown.io/v1`
     --> town/a.yaml:1:13
      |
    1 | apiVersion: gastown.io/v1
      |             ^^^^^^^^^^^^^
      |
      = help: write `apiVersion: gastown.io/v1alpha1`
    "#);
}

#[test]
fn bad_yaml_is_told_where_it_breaks() {
    insta::assert_snapshot!(told("apiVersion: gastown.io/v1alpha1\nkind: Rig\nmetadata:\n\tname: shop\n"), @r#"
    error[tab]: a tab in the indentation
     --> town/a.yaml:4:1
      |
    4 |     name: shop
      | ^
      |
      = help: indent with spaces: YAML allows no tabs there
    "#);
    insta::assert_snapshot!(told("apiVersion: gastown.io/v1alpha1\nkind: [Rig\nmetadata: { name: shop }\n"), @"
    error[syntax]: not valid YAML: a `:` that names nothing
     --> town/a.yaml:3:9
      |
    3 | metadata: { name: shop }
      |         ^
      |
      = help: text with `: ` in it needs quotes; or the line above has a bracket or quote that is not closed
    ");
    insta::assert_snapshot!(told("a: &x [1]\nb: *y\n"), @r#"
    error[alias]: an alias to an anchor that is not there
     --> town/a.yaml:2:4
      |
    2 | b: *y
      |    ^
      |
      = help: write the value out; text that starts with `*` needs quotes
    "#);
    insta::assert_snapshot!(told("a: !Secret x\n<<: word\n? [d]\n: e\n"), @"
    error[required]: `apiVersion`, `kind` and `metadata.name` are missing
     --> town/a.yaml:1:1
      |
    1 | a: !Secret x
      | ^^^^^^^^^^^^
      |
      = help: add `apiVersion: gastown.io/v1alpha1`, the kind, such as `kind: Convoy`, `metadata: { name: … }`

    error[tag]: the tag `!Secret` means nothing here
     --> town/a.yaml:1:4
      |
    1 | a: !Secret x
      |    ^^^^^^^
      |
      = help: remove it; text that starts with `!` needs quotes

    error[merge-key]: `<<` takes a mapping, or a list of mappings
     --> town/a.yaml:2:5
      |
    2 | <<: word
      |     ^^^^
      |
      = help: alias a mapping: `<<: *base`; to name a field `<<`, put it in quotes

    error[key]: a key must be a word
     --> town/a.yaml:3:3
      |
    3 | ? [d]
      |   ^^^
      |
      = help: write a word, or put it in quotes
    ");
}

#[test]
fn what_is_too_much_is_refused_at_once() {
    let nested = format!("a: {}{}", "[".repeat(100), "]".repeat(100));
    // Each level is ten times the one before it.
    let level = |level: usize| format!("a{level}: &a{level} [{}]\n", vec![format!("*a{}", level - 1); 10].join(","));
    let bomb = format!("a0: &a0 [x]\n{}", (1..12).map(level).collect::<String>());
    let stretched = format!("a: &a {}\nb: [{}]\n", "x".repeat(100_000), vec!["*a"; 60].join(","));
    let values = format!("a:\n{}", "- a\n".repeat(600_000));
    let many = "a: 1\n---\n".repeat(10_001);
    let large = " ".repeat((4 << 20) + 1);
    let first_line = |text: &str| told(text).lines().next().unwrap_or_default().to_owned();
    insta::assert_snapshot!(first_line(&nested), @"error[too-deep]: nested more than 64 levels deep");
    insta::assert_snapshot!(first_line(&bomb), @"error[alias]: the aliases of this file stand for more than 65536 values");
    insta::assert_snapshot!(first_line(&stretched), @"error[alias]: the aliases of this file stand for more than 4 MiB");
    insta::assert_snapshot!(first_line(&values), @"error[too-many-values]: more than 524288 values in one file");
    assert!(parse("a.yaml", &many).unwrap_err().len() <= 102, "the rest would be more of the same");
    insta::assert_snapshot!(parse("a.yaml", &many).unwrap_err()[0].message, @"more than 10000 documents in one file");
    insta::assert_snapshot!(first_line(&large), @"error[too-large]: the file is larger than 4 MiB");
    insta::assert_snapshot!(first_line(&format!("apiVersion: gastown.io/v1alpha1\nkind: Town\nmetadata: {{ name: town }}\nspec: {{ runtime: {} }}\n", "x".repeat(300_000))), @"error[too-large]: this Town has 293 KiB; an object has at most 256");
    insta::assert_snapshot!(render_all(&parse_bytes("a.yaml", b"a: \xff\xfe\n").unwrap_err(), false), @r#"
    error[utf-8]: not UTF-8 text
     --> a.yaml:1:4
      |
    1 | a: ��
      |    ^
      |
      = help: save the file as UTF-8
    "#);
}

#[test]
fn a_line_too_long_to_be_read_is_named_and_not_shown() {
    let long = format!("a: [{}]\n", "x,".repeat(10_000));
    insta::assert_snapshot!(told(&format!("{{ apiVersion: {} }}", "x".repeat(5_000))), @"
    error[required]: `kind` and `metadata.name` are missing
    --> town/a.yaml:1:1
     = help: add the kind, such as `kind: Convoy`, `metadata: { name: … }`
    ");
    assert!(told(&long).len() < 500, "{}", told(&long));
}

#[test]
fn a_mistake_of_syntax_hides_no_other_document() {
    let found = survey(
        "a.yaml",
        b"kind: [\n---\napiVersion: gastown.io/v1alpha1\nkind: Runtime\nmetadata: { name: a }\nspec: { command: [a] }\n---\nkind: 'Rig\nmetadata: { name: shop }\n--- { kind: Rig, kind: Rig }\n---\na: *b\n",
        Scope::Ours,
    );
    let names: Vec<_> = found.objects.iter().map(|it| format!("{}/{}", it.manifest.kind, it.manifest.name)).collect();
    assert_eq!(names, ["Runtime/a", "Rig/"]);
    assert_eq!(found.objects[0].value["spec"]["command"][0], "a");
    assert_eq!(found.lost, ["shop"], "may be a name");
    let told: Vec<_> = found.mistakes.iter().map(|it| format!("{}: {}", it.line_col().0, it.message)).collect();
    insta::assert_snapshot!(told.join("\n"), @"
    1: not valid YAML: the bracket `[` is never closed
    9: not valid YAML: a quote is opened above and not closed
    10: `kind` is given twice
    12: an alias to an anchor that is not there
    10: `apiVersion` and `metadata.name` are missing
    ");
}

#[test]
fn tabs_are_blamed_where_yaml_forbids_them_and_not_in_json() {
    let json = |comma: &str| format!("{{\n\t\"kind\": \"Rig\"{comma}\n\t\"metadata\": {{\"name\": \"a\"}}\n}}\n");
    assert!(!told(&json(",")).contains("tab"), "{}", told(&json(",")));
    insta::assert_snapshot!(told(&json("")), @r#"
    error[syntax]: not valid JSON: a comma or `}` should stand here
     --> town/a.yaml:3:2
      |
    3 |     "metadata": {"name": "a"}
      |     ^
      |
      = help: add a comma, or the quote or bracket that is missing, here or in the line above
    "#);
}
