//! Broken manifests, each with what `gt validate` says of it: `crds/tests/corpus/NAME.yaml` beside `NAME.told`.
//!
//! `SNAPSHOTS=overwrite cargo test --test cli corpus` writes the texts anew; read each of them as whoever wrote the manifest.

use std::path::{Path, PathBuf};

use crate::harness::Folder;

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("crds/tests/corpus")
}

/// The names of the manifests, in order.
fn manifests() -> Vec<String> {
    let entries = fs_err::read_dir(corpus()).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> =
        names.filter(|name| Path::new(name).extension().is_some_and(|it| it != "told")).collect();
    names.sort();
    names
}

#[test]
fn every_broken_manifest_is_told_what_is_wrong_with_it() {
    let folder = Folder::empty();
    let overwrite = std::env::var_os("SNAPSHOTS").is_some_and(|it| it == "overwrite");
    let mut differ = Vec::new();
    for name in manifests() {
        let done = folder.gt_at(&corpus(), &["validate", &name], "");
        let told = done.all() + "\n";
        // A text that names a file and a line, and a next step, or that goes on without an error.
        assert!(told.contains(&format!(" {name}:")) || told.contains("exit 2"), "{name}: {told}");
        // The words of a rule say what to do themselves.
        let has_next_step = ["= help: ", "hint: ", "error[rule]"].iter().any(|mark| told.contains(mark));
        assert!(has_next_step, "{name} is told no next step: {told}");
        assert!(done.code > 0 || told.contains("warning["), "{name} is admitted: {told}");
        let expected = corpus().join(&name).with_extension("told");
        if fs_err::read_to_string(&expected).ok().as_ref() == Some(&told) {
            continue;
        }
        if overwrite {
            fs_err::write(&expected, told).unwrap();
        } else {
            differ.push(format!("{name}:\n{told}"));
        }
    }
    let hint = "SNAPSHOTS=overwrite writes them; then read the difference";
    assert!(differ.is_empty(), "{} texts differ ({hint}):\n{}", differ.len(), differ.join("\n"));
}

#[test]
fn every_text_is_of_a_manifest() {
    let names = manifests();
    assert!(names.len() >= 80, "{} manifests", names.len());
    let stems: Vec<_> = names.iter().map(|name| Path::new(name).file_stem().unwrap().to_owned()).collect();
    for entry in fs_err::read_dir(corpus()).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_owned();
        assert_eq!(stems.iter().filter(|it| **it == stem).count(), 1, "{}", path.display());
    }
}
