//! Whatever the bytes of a file: it is read and judged without a panic, what is read again is what was read, and every mistake
//! has its place in the text.

#![no_main]

use std::collections::BTreeMap;

use gastown_crds::admission::{Index, Place, SetOptions, admit_file, admit_value};
use gastown_crds::manifest::{Object, Scope, render_all, survey};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for scope in [Scope::Ours, Scope::Anybodys] {
        let file = survey("a.yaml", bytes, scope);
        let (mut found, mut index) = (file.mistakes, Index::default());
        for (nth, Object { manifest, value }) in file.objects.into_iter().enumerate() {
            index.add(&manifest, &value, Place { file: 0, nth });
            assert_eq!(manifest.value(), value);
            found.extend(admit_value(&manifest, value));
        }
        let nothing = BTreeMap::new();
        if !index.suspects(&nothing, false).is_empty() {
            let manifests: Vec<_> = survey("a.yaml", bytes, scope).objects.into_iter().map(Object::packed).collect();
            let options = SetOptions { allow_missing: false, offline: true };
            found.extend(admit_file(&manifests, &index.beside(&nothing), options));
        }
        assert!(found.iter().all(|it| it.line_col().0 >= 1 && it.span.start <= it.source.text().len()));
        assert!(!render_all(&found, false).contains('\u{1b}'));
    }
});
