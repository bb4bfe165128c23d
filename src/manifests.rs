//! What a fresh town gets: the built-in formula and runtime, as manifests inside the program.

/// Each built-in manifest: the name of its file and its text. `gt apply` creates what is absent and changes nothing else.
pub fn built_in() -> Vec<(&'static str, &'static str)> {
    vec![
        ("work.yaml", include_str!("../manifests/work.yaml")),
        ("script.yaml", include_str!("../manifests/script.yaml")),
    ]
}

#[cfg(test)]
mod tests {
    use gastown_crds::{admission, manifest};

    #[test]
    fn every_built_in_manifest_is_admitted() {
        for (file, text) in super::built_in() {
            let found = manifest::parse(file, text).unwrap();
            assert_eq!(found.len(), 1, "{file}");
            assert_eq!(admission::admit(&found[0]), [], "{file}");
        }
    }
}
