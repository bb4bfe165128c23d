//! `gt apply` with `--prune`, with a dry run that asks the API, and on what a source keeps.

use gastown_crds::{Convoy, Rig, Source};
use kube::api::Patch;
use serde_json::json;

use crate::harness::{CONVOY, Folder, RIG, object};

/// A convoy of this name, with this in its metadata.
fn convoy(name: &str, metadata: &str) -> String {
    CONVOY.replace("  name: auth\n", &format!("  name: {name}\n{metadata}"))
}

const LABELS: &str = "  labels: { team: checkout }\n";

/// A town with a rig and two convoys of one team, one of them kept from being pruned, and one of nobody's.
fn town() -> Folder {
    let folder = Folder::with_rig();
    let kept = "  labels: { team: checkout }\n  annotations: { gastown.io/prune: Disabled }\n";
    for (name, metadata) in [("old", LABELS), ("kept", kept), ("other", "")] {
        assert_eq!(folder.gt_with(&["apply", "-f", "-"], &convoy(name, metadata)).code, 0);
    }
    // It has the label, and was not applied from a file.
    let mut made = object("Convoy", "made", &json!({"beads": [{"name": "a", "title": "A"}]}), &json!({}));
    made["metadata"]["labels"] = json!({"team": "checkout"});
    folder.seed::<Convoy>(&made);
    folder
}

#[test]
fn what_was_applied_with_the_labels_and_is_in_no_file_is_pruned() {
    let folder = town();
    folder.write("all.yaml", &format!("{RIG}---\n{}", convoy("new", LABELS)));
    let apply = |more: &[&str]| {
        let args = [&["apply", "-f", "all.yaml", "--prune", "-l", "team=checkout"], more].concat();
        folder.gt(&args).all()
    };
    insta::assert_snapshot!(apply(&["--dry-run"]), @"
    rig/shop unchanged (dry run)
    convoy/new created (dry run)
    convoy/old pruned (dry run)
    ! note: convoy/kept is kept, as it says `gastown.io/prune: Disabled`
    exit 0
    ");
    insta::assert_snapshot!(apply(&["--dry-run=server"]), @"
    rig/shop unchanged (server dry run)
    convoy/new created (server dry run)
    convoy/old pruned (server dry run)
    ! note: convoy/kept is kept, as it says `gastown.io/prune: Disabled`
    exit 0
    ");
    assert_eq!(folder.gt(&["get", "convoy/old"]).code, 0, "so far nothing was pruned");
    insta::assert_snapshot!(apply(&[]), @"
    rig/shop unchanged
    convoy/new created
    convoy/old pruned
    ! note: convoy/kept is kept, as it says `gastown.io/prune: Disabled`
    ! the town is down, so nothing moves yet: `gt up`
    exit 0
    ");
    insta::assert_snapshot!(apply(&[]), @"
    rig/shop unchanged
    convoy/new unchanged
    ! note: convoy/kept is kept, as it says `gastown.io/prune: Disabled`
    ! the town is down, so nothing moves yet: `gt up`
    exit 0
    ");
    insta::assert_snapshot!(folder.gt(&["get", "convoys", "-o", "name"]).all(), @"
    convoy/kept
    convoy/made
    convoy/new
    convoy/other
    exit 0
    ");
}

#[test]
fn what_a_source_keeps_is_not_pruned_while_that_source_exists() {
    let folder = town();
    // As an earlier release left what a file and then a source declared.
    let metadata = json!({
        "managedFields": [], "labels": { "gastown.io/source": "town" },
        "annotations": { "gastown.io/applied": r#"{"labels":["team"]}"# },
    });
    folder.patch::<Convoy>("old", "gt", &Patch::Merge(json!({ "metadata": metadata })));
    folder.seed::<Source>(&object("Source", "town", &json!({"git": {"url": "."}}), &json!({})));
    let prune = ["apply", "-f", "rig.yaml", "--prune", "-l", "team=checkout"];
    let said = folder.gt(&prune);
    assert!(said.err.contains("note: convoy/old is kept by the source `town`"), "{}", said.all());
    assert_eq!(folder.gt(&["delete", "source", "town"]).code, 0);
    assert!(folder.gt(&prune).out.contains("convoy/old pruned"));
}

#[test]
fn nothing_is_pruned_without_a_selector() {
    let folder = town();
    assert_eq!(folder.gt(&["apply", "-f", "rig.yaml", "--prune"]).code, 2);
    insta::assert_snapshot!(folder.gt(&["apply", "-f", "rig.yaml", "--prune", "-l", ""]).all(), @"
    ! error: an empty selector would prune everything that was ever applied
    ! hint: name the labels of what may go, such as `-l team=checkout`
    exit 2
    ");
    assert_eq!(folder.gt(&["apply", "-f", "rig.yaml", "-l", "team=checkout"]).code, 2, "and none selects for nothing");
    assert_eq!(folder.gt(&["get", "convoys", "-o", "name"]).out.lines().count(), 4);
}

#[test]
fn a_dry_run_of_the_server_is_refused_as_the_request_would_be() {
    let folder = Folder::with_rig();
    folder.write("rig.yaml", &RIG.replace("name: shop", "name: other").replace("shop.git", "other.git"));
    assert_eq!(folder.gt_as_agent(&["apply", "-f", "rig.yaml", "--dry-run=client"]).code, 0);
    insta::assert_snapshot!(folder.gt_as_agent(&["apply", "-f", "rig.yaml", "--dry-run=server"]).all(), @r#"
    ! error: Rig `other` (rig.yaml:4:9) was not applied; nothing was applied
    !   caused by: rigs.gastown.io "other" is forbidden: shop/polecats/nux may not write a Rig: people declare it
    exit 4
    "#);
    insta::assert_snapshot!(folder.gt(&["apply", "-f", "rig.yaml", "--dry-run=server"]).all(), @"
    rig/other created (server dry run)
    exit 0
    ");
    assert_eq!(folder.gt(&["get", "rig/other"]).code, 3, "nothing is stored");
}

#[test]
fn what_a_source_keeps_is_changed_there_while_that_source_exists() {
    let folder = Folder::with_rig();
    folder.seed::<Source>(&object("Source", "town", &json!({"git": {"url": "."}}), &json!({})));
    let mut kept = object(
        "Rig",
        "kept",
        &json!({"repo": {"url": "/x"}, "merge": {"strategy": "Push", "allowUnverified": true}}),
        &json!({}),
    );
    kept["metadata"]["labels"] = json!({"gastown.io/source": "town"});
    folder.seed::<Rig>(&kept);
    folder.write("kept.yaml", &RIG.replace("name: shop", "name: kept"));
    insta::assert_snapshot!(folder.gt(&["apply", "-f", "kept.yaml"]).all(), @"
    ! error[managed]: rig `kept` is kept by the source `town`: what is applied beside it would be put back
    !  --> kept.yaml:4:9
    !   |
    ! 4 |   name: kept
    !   |         ^^^^
    !   |
    !   = help: commit the change to the source `town`
    !
    ! error: nothing was applied: there is a mistake in it
    exit 4
    ");
    assert_eq!(folder.gt(&["diff", "-f", "kept.yaml"]).code, 1, "what would change may be asked");
    let add = ["rig", "add", "https://127.0.0.1:9/kept.git", "--name", "kept", "--allow-unverified"];
    insta::assert_snapshot!(folder.gt(&add).all(), @"
    ! error: the rig `kept` is kept by the source `town`
    ! hint: commit the change to that source; or say --name for another rig
    exit 4
    ");
    assert!(!folder.path("home/rigs/kept.yaml").exists());

    // A label outlives its source, and locks nothing.
    assert_eq!(folder.gt(&["delete", "source", "town"]).code, 0);
    insta::assert_snapshot!(folder.gt(&["apply", "-f", "kept.yaml"]).all(), @"
    rig/kept configured
    ! the town is down, so nothing moves yet: `gt up`
    exit 0
    ");
    assert_eq!(folder.gt(&add).code, 0);
    assert!(folder.path("home/rigs/kept.yaml").exists());
}
