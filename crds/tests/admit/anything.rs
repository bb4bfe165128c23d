//! Whatever the bytes, reading and admission answer; and what is written as YAML is read as it was.

use std::collections::BTreeMap;

use gastown_crds::admission::{SetOptions, admit, admit_set};
use gastown_crds::manifest::{Manifest, parse, parse_bytes, render_all, to_yaml};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// Everything that a file goes through.
fn all(result: Result<Vec<Manifest>, Vec<gastown_crds::manifest::Diagnostic>>) -> String {
    let found = match result {
        Ok(manifests) => {
            let mut found: Vec<_> = manifests.iter().flat_map(admit).collect();
            found.extend(admit_set(&manifests, &BTreeMap::new(), SetOptions::default()));
            found
        }
        Err(mistakes) => mistakes,
    };
    for diagnostic in &found {
        let (line, col) = diagnostic.line_col();
        assert!(line >= 1 && col >= 1);
        assert!(diagnostic.render(true).contains(&diagnostic.message) || diagnostic.message.contains(char::is_control));
    }
    render_all(&found, false)
}

/// Text that is nearly YAML: its marks, our words, and blanks.
fn nearly_yaml() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "apiVersion: gastown.io/v1alpha1\n",
        "kind: Convoy\n",
        "kind: Rig\n",
        "metadata: { name: a }\n",
        "metadata:\n  name: b\n",
        "spec:\n",
        "  beads:\n",
        "    - name: a\n",
        "      title: A\n",
        "      needs: [a, b]\n",
        "  rig: shop\n",
        "---\n",
        "...\n",
        "&a ",
        "*a",
        "!!str ",
        "!x ",
        "? ",
        ": ",
        "- ",
        "[",
        "]",
        "{",
        "}",
        ",",
        "|\n",
        ">-\n",
        "'",
        "\"",
        "#",
        "%YAML 1.2\n",
        "\t",
        "  ",
        "\n",
        "\r\n",
        "\0",
        "ä",
        "\u{feff}",
        "\u{85}",
        "<<: *a\n",
        "<<: [*a, *a]\n",
        "<<: ",
        "&a { b: c }\n",
        "kind: List\n",
        "apiVersion: v1\n",
        "items:\n",
        "- apiVersion: gastown.io/v1alpha1\n",
        "a",
        "1",
        "~",
        "null",
        "true",
    ]);
    prop::collection::vec(word, 0..60).prop_map(|words| words.concat())
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[ -~\n\t]{0,40}",
        prop::sample::select(vec![
            "yes",
            "no",
            "010",
            "1e3",
            "0x1f",
            ".5",
            "null",
            "~",
            "",
            "- a",
            "a: b",
            "a #b",
            "#a",
            "&a",
            "*a",
            "!a",
            "%a",
            "@a",
            "`a",
            "|",
            ">",
            "---",
            "...",
            "a\nb",
            "a\n\nb\n",
            " a\nb",
            "a\n",
            "\n",
            "a\n\n",
            "a \nb",
            "a\n\tb",
            "\u{feff}a",
            "a\u{85}b",
            "2024-01-01",
            "=",
            "<<",
            "12:30",
        ])
        .prop_map(str::to_owned),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        prop::num::f64::NORMAL.prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(text(), inner, 0..5)
                .prop_map(|map| Value::Object(map.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        all(parse_bytes("a.yaml", &bytes));
    }

    #[test]
    fn no_text_panics(text in any::<String>()) {
        all(parse("a.yaml", &text));
    }

    #[test]
    fn nothing_that_is_nearly_yaml_panics(text in nearly_yaml()) {
        all(parse("a.yaml", &text));
    }

    #[test]
    fn a_written_object_is_read_as_it_was(spec in value()) {
        let object = json!({ "apiVersion": "v1", "kind": "Thing", "metadata": { "name": "a" }, "spec": spec });
        let text = to_yaml(&object);
        let manifests = parse("a.yaml", &text);
        let manifests = manifests.map_err(|mistakes| TestCaseError::fail(format!("{text}\n{}", render_all(&mistakes, false))))?;
        prop_assert_eq!(manifests.len(), 1, "{}", &text);
        prop_assert_eq!(&manifests[0].value(), &object, "{}", &text);
        // Once more: what was read is written alike.
        prop_assert_eq!(to_yaml(&manifests[0].value()), text);
    }

    #[test]
    fn another_reader_understands_it_alike(spec in value()) {
        let object = json!({ "apiVersion": "v1", "spec": spec });
        let text = to_yaml(&object);
        let read: Value = serde_saphyr::from_str(&text).map_err(|error| TestCaseError::fail(format!("{text}\n{error}")))?;
        prop_assert_eq!(&read, &object, "{}", &text);
    }
}

#[test]
fn an_object_is_written_in_the_order_in_which_it_is_read() {
    let object = json!({
        "status": { "state": "Ready" },
        "spec": { "rig": "shop", "beads": [{ "title": "Say: hello", "name": "a", "needs": [], "command": "set -e\nnpm test\n" }], "suspend": false },
        "metadata": { "labels": { "b": "yes", "a": "1" }, "name": "auth" },
        "kind": "Convoy",
        "apiVersion": "gastown.io/v1alpha1",
    });
    insta::assert_snapshot!(to_yaml(&object), @r#"
    apiVersion: gastown.io/v1alpha1
    kind: Convoy
    metadata:
      name: auth
      labels:
        a: "1"
        b: "yes"
    spec:
      beads:
      - name: a
        command: |
          set -e
          npm test
        needs: []
        title: "Say: hello"
      rig: shop
      suspend: false
    status:
      state: Ready
    "#);
}
