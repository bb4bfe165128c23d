//! Manifests that something has gone through: each broken manifest of the corpus, with bytes changed, cut and doubled at
//! random. Nothing panics, every mistake has its place in the text, and no text makes more than a bounded number of them.

use gastown_crds::admission::{Index, MISTAKES_MAX, Place, SetOptions, admit_file, admit_value};
use gastown_crds::manifest::{Diagnostic, Object, Scope, render_all, survey};
use proptest::prelude::*;

/// Most mistakes of one file: of reading it, of each of a few objects, and between them.
const FOUND_MAX: usize = 40 * MISTAKES_MAX;

/// What moves the cursor of a terminal.
const ESCAPE: char = '\u{1b}';

fn seeds() -> Vec<Vec<u8>> {
    crate::corpus().into_iter().map(|(_, bytes)| bytes).collect()
}

/// One change of a text, at a place from 0 to 1.
#[derive(Debug, Clone)]
enum Change {
    Byte(f64, u8),
    Words(f64, &'static str),
    Cut(f64, f64),
    Double(f64, f64),
}

fn change() -> impl Strategy<Value = Change> {
    let at = || 0.0..1.0f64;
    let words = prop::sample::select(vec![
        "\n---\n",
        "\n...\n",
        "<<: *a",
        "&a ",
        "*a",
        "? ",
        ": ",
        "- ",
        "[",
        "]",
        "{",
        "}",
        "'",
        "\"",
        "|\n",
        "\t",
        "\r\n",
        "\u{feff}",
        "\0",
        "!x ",
        "spec:",
        "kind: List\nitems:\n",
        "null",
        "010",
        "1e999",
        "99999999999999999999",
        "{{x}}",
    ]);
    prop_oneof![
        (at(), any::<u8>()).prop_map(|(at, byte)| Change::Byte(at, byte)),
        (at(), words).prop_map(|(at, words)| Change::Words(at, words)),
        (at(), at()).prop_map(|(from, to)| Change::Cut(from, to)),
        (at(), at()).prop_map(|(from, to)| Change::Double(from, to)),
    ]
}

fn changed(mut text: Vec<u8>, changes: &[Change]) -> Vec<u8> {
    for change in changes {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a place in a small text"
        )]
        let place = |at: f64| ((text.len() as f64 * at) as usize).min(text.len());
        let span = |from: f64, to: f64| {
            let (from, to) = (place(from), place(to));
            from.min(to)..(from.max(to)).min(from.min(to) + 200)
        };
        match *change {
            Change::Byte(at, byte) => {
                let at = place(at);
                if let Some(old) = text.get_mut(at) {
                    *old = byte;
                }
            }
            Change::Words(at, words) => {
                let at = place(at);
                text.splice(at..at, words.bytes());
            }
            Change::Cut(from, to) => drop(text.drain(span(from, to))),
            Change::Double(from, to) => {
                let span = span(from, to);
                let copy = text[span.clone()].to_vec();
                text.splice(span.start..span.start, copy);
            }
        }
    }
    text
}

/// Everything that a file goes through.
fn judged(bytes: &[u8], scope: Scope) -> Vec<Diagnostic> {
    let file = survey("a.yaml", bytes, scope);
    let mut found = file.mistakes;
    let mut index = Index::default();
    for (nth, Object { manifest, value }) in file.objects.into_iter().enumerate() {
        index.add(&manifest, &value, Place { file: 0, nth });
        assert_eq!(manifest.value(), value, "what is read again is what was read");
        found.extend(admit_value(&manifest, value));
    }
    let nothing = std::collections::BTreeMap::new();
    if !index.suspects(&nothing, false).is_empty() {
        let manifests: Vec<_> = survey("a.yaml", bytes, scope).objects.into_iter().map(Object::packed).collect();
        let options = SetOptions { allow_missing: false, offline: true };
        found.extend(admit_file(&manifests, &index.beside(&nothing), options));
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_became_of_a_manifest_is_told_within_bounds(
        seed in any::<prop::sample::Index>(),
        changes in prop::collection::vec(change(), 1..6),
        is_ours in any::<bool>(),
    ) {
        let text = changed(seed.get(&seeds()).clone(), &changes);
        let found = judged(&text, if is_ours { Scope::Ours } else { Scope::Anybodys });
        prop_assert!(found.len() <= FOUND_MAX, "{} mistakes", found.len());
        for it in &found {
            let (line, column) = it.line_col();
            prop_assert!(line >= 1 && column >= 1 && it.span.start <= it.source.text().len());
            prop_assert!(!it.message.contains(ESCAPE) && !it.message.is_empty());
        }
        prop_assert!(!render_all(&found, false).contains(ESCAPE));
    }
}
