//! The examples: each is applied as it stands, without a warning.

use std::path::Path;

use crate::harness::{Folder, RIG};

/// The folders below `examples` that are applied to a town. Others are towns themselves, and have tests of their own.
const APPLIED: [&str; 5] = ["smallest", "agent", "two-agents", "python-and-node", "formulas"];

#[test]
fn each_example_is_applied() {
    for example in APPLIED {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(example);
        let folder = Folder::empty();
        assert_eq!(folder.gt(&["init", "--trust", "Full"]).code, 0);
        let declares = |kind: &str| {
            let file =
                |entry: std::io::Result<fs_err::DirEntry>| fs_err::read_to_string(entry.unwrap().path()).unwrap();
            fs_err::read_dir(&from).unwrap().map(file).any(|text| text.contains(&format!("kind: {kind}\n")))
        };
        if !declares("Rig") {
            assert_eq!(folder.gt_with(&["apply", "-f", "-"], RIG).code, 0);
        }
        let done = folder.gt(&["apply", "-f", from.to_str().unwrap()]);
        assert_eq!(done.code, 0, "{example}: {}", done.all());
        assert!(done.out.contains("convoy/") && done.out.contains(" created"), "{example}: {}", done.all());
        assert!(!done.err.contains("warning"), "{example}: {}", done.all());
    }
}
