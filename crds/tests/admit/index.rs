//! What is found when files are judged one by one is what is found when all of them are held at once.

use std::collections::BTreeMap;

use gastown_crds::admission::{Index, Place, SetOptions, admit_file, admit_set};
use gastown_crds::manifest::{Diagnostic, Manifest, Object, Scope, survey};
use proptest::prelude::*;

/// The objects of every broken manifest, each file by itself.
fn corpus() -> Vec<Vec<Manifest>> {
    let objects = |(name, bytes): &(String, Vec<u8>)| survey(name, bytes, Scope::Ours).objects;
    crate::corpus().iter().map(|file| objects(file).into_iter().map(Object::packed).collect()).collect()
}

fn known() -> BTreeMap<String, Vec<String>> {
    BTreeMap::from([("Formula".to_owned(), vec!["work".to_owned()]), ("Runtime".to_owned(), vec!["script".to_owned()])])
}

const OPTIONS: SetOptions = SetOptions { allow_missing: false, offline: true };

/// Each object as a file of its own, as `gt validate` reads a folder.
fn one_by_one(manifests: &[Manifest]) -> Vec<Diagnostic> {
    let mut index = Index::default();
    for (file, manifest) in manifests.iter().enumerate() {
        index.add(manifest, &manifest.value(), Place { file, nth: 0 });
    }
    let (known, mut found) = (known(), Vec::new());
    for clash in index.clashes() {
        found.push(clash.mistake(&manifests[clash.first.file], &manifests[clash.again.file]));
    }
    for file in index.suspects(&known, OPTIONS.allow_missing) {
        found.extend(admit_file(&manifests[file..=file], &index.beside_file(&known, file), OPTIONS));
    }
    found
}

/// What was found, whatever the order.
fn told(found: Vec<Diagnostic>) -> Vec<String> {
    let line = |it: Diagnostic| format!("{}:{:?} {} {}", it.file(), it.span, it.code, it.message);
    let mut told: Vec<String> = found.into_iter().map(line).collect();
    told.sort();
    told
}

fn assert_alike(manifests: &[Manifest]) {
    assert_eq!(told(one_by_one(manifests)), told(admit_set(manifests, &known(), OPTIONS)));
}

#[test]
fn each_broken_manifest_is_judged_alike() {
    let all = corpus();
    assert!(all.iter().filter(|manifests| !admit_set(manifests, &known(), OPTIONS).is_empty()).count() > 20);
    for manifests in &all {
        assert_alike(manifests);
    }
}

#[test]
fn what_is_not_ours_is_told_once_however_often_it_is_there() {
    let foreign = "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: a }\n";
    let object = || survey("a.yaml", foreign.as_bytes(), Scope::Ours).objects.into_iter().map(Object::packed);
    let twice: Vec<Manifest> = object().chain(object()).collect();
    assert_eq!(twice.len(), 2);
    assert_alike(&twice);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_few_of_them_are_judged_alike(picked in prop::collection::vec(any::<prop::sample::Index>(), 1..8)) {
        let all = corpus();
        let manifests: Vec<Manifest> = picked.iter().flat_map(|nth| nth.get(&all).clone()).collect();
        assert_alike(&manifests);
    }
}
