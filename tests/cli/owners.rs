//! Who owns which fields: what `gt apply` takes over, what it leaves, and what it refuses.

use gastown_crds::Rig;
use kube::api::Patch;
use serde_json::{Value, json};

use crate::harness::{Folder, RIG};

/// What another applies of the rig.
fn theirs(spec: &Value) -> Patch<Value> {
    let metadata = json!({ "name": "shop" });
    Patch::Apply(json!({ "apiVersion": "gastown.io/v1alpha1", "kind": "Rig", "metadata": metadata, "spec": spec }))
}

fn spec(folder: &Folder) -> Value {
    let rig: Value = serde_json::from_str(&folder.raw(&["get", "rig/shop", "-o", "json"])).unwrap();
    assert_eq!(rig["metadata"].get("managedFields"), None, "nobody asked for them");
    rig["spec"].clone()
}

#[test]
fn what_another_applies_is_refused_as_a_whole_unless_it_is_taken_over() {
    let folder = Folder::with_rig();
    folder.patch::<Rig>("shop", "flux", &theirs(&json!({ "suspend": true, "repo": { "interval": "5m" } })));
    folder.write("rig.yaml", &RIG.replace("spec:\n", "spec:\n  suspend: false\n"));
    folder.write("new.yaml", &RIG.replace("name: shop", "name: new").replace("shop.git", "new.git"));
    insta::assert_snapshot!(folder.gt(&["apply", "-f", "rig.yaml", "-f", "new.yaml"]).all(), @"
    ! error[conflict]: `flux` applies rig `shop` too, with another value of spec.suspend
    !  --> rig.yaml:7:12
    !   |
    ! 7 |   suspend: false
    !   |            ^^^^^ another value is applied there
    !   |
    !   = help: leave that to the other, or take it over: --force-conflicts
    !
    ! error: nothing was applied: there is a mistake in it
    exit 4
    ");
    for dry_run in ["--dry-run", "--dry-run=server"] {
        assert_eq!(folder.gt(&["apply", "-f", "rig.yaml", dry_run]).code, 4);
    }
    assert_eq!(folder.gt(&["diff", "-f", "rig.yaml"]).code, 4, "it would not be applied");
    assert_eq!(folder.gt(&["get", "rig/new"]).code, 3, "nothing was applied");
    let force = |args: &[&str]| folder.gt(&[&["apply", "-f", "rig.yaml", "--force-conflicts"], args].concat()).all();
    insta::assert_snapshot!(force(&["--dry-run=server"]), @"
    rig/shop configured (server dry run)
    exit 0
    ");
    assert_eq!(spec(&folder)["suspend"], true);
    insta::assert_snapshot!(force(&[]), @"
    rig/shop configured
    ! the town is down, so nothing moves yet: `gt up`
    exit 0
    ");
    assert_eq!((&spec(&folder)["suspend"], &spec(&folder)["repo"]["interval"]), (&json!(false), &json!("5m")));
    // It is the file's now.
    assert_eq!(folder.gt(&["apply", "-f", "rig.yaml"]).code, 0);
    folder.write("rig.yaml", RIG);
    insta::assert_snapshot!(folder.gt(&["apply", "-f", "rig.yaml"]).all(), @"
    rig/shop unchanged
    ! the town is down, so nothing moves yet: `gt up`
    exit 0
    ");
}

#[test]
fn what_somebody_edits_is_set_back_and_what_somebody_adds_stays() {
    let folder = Folder::with_rig();
    let edit = json!({ "metadata": { "labels": { "team": "other", "theirs": "1" } }, "spec": { "repo": { "branch": "other", "interval": "5m" } } });
    folder.patch::<Rig>("shop", "kubectl-edit", &Patch::Merge(edit));
    insta::assert_snapshot!(folder.gt(&["apply", "-f", "rig.yaml"]).all(), @"
    rig/shop configured
    ! the town is down, so nothing moves yet: `gt up`
    exit 0
    ");
    insta::assert_snapshot!(folder.gt(&["apply", "-f", "rig.yaml"]).all(), @"
    rig/shop unchanged
    ! the town is down, so nothing moves yet: `gt up`
    exit 0
    ");
    insta::assert_snapshot!(folder.gt(&["get", "rig/shop", "-o", "yaml", "--show-managed-fields"]).all(), @r#"
    apiVersion: gastown.io/v1alpha1
    kind: Rig
    metadata:
      name: shop
      creationTimestamp: "[time]"
      generation: 3
      labels:
        team: checkout
        theirs: "1"
      managedFields:
      - apiVersion: gastown.io/v1alpha1
        fieldsType: FieldsV1
        fieldsV1:
          f:metadata:
            f:labels:
              f:team: {}
          f:spec:
            f:merge:
              f:strategy: {}
              f:verify:
                "k:{\"name\":\"test\"}":
                  ".": {}
                  f:name: {}
                  f:run: {}
            f:repo:
              f:branch: {}
              f:url: {}
        manager: gt
        operation: Apply
        time: "[time]"
      - apiVersion: gastown.io/v1alpha1
        fieldsType: FieldsV1
        fieldsV1:
          f:metadata:
            f:labels:
              f:theirs: {}
          f:spec:
            f:repo:
              f:interval: {}
        manager: kubectl-edit
        operation: Update
        time: "[time]"
      namespace: home
      resourceVersion: [version]
      uid: [uid]
    spec:
      identity: {}
      merge:
        allowUnverified: false
        strategy: Push
        verify:
        - name: test
          run: make test
        whenCheckedOut: Refuse
      polecats: {}
      repo:
        branch: main
        interval: "5m"
        url: [dir]/home/repos/shop.git
      suspend: false
      workspace: {}
    exit 0
    "#);
}

#[test]
fn what_an_earlier_release_applied_goes_when_it_leaves_the_file() {
    let folder = Folder::with_rig();
    // As it left it: a note of labels and annotations, and no owner of anything.
    let note = json!({ "gastown.io/applied": r#"{"labels":["old","team"]}"# });
    let metadata = json!({ "managedFields": [], "labels": { "old": "1", "theirs": "1" }, "annotations": note });
    let edit = json!({ "metadata": metadata, "spec": { "runtime": "old", "suspend": true } });
    folder.patch::<Rig>("shop", "gt", &Patch::Merge(edit));
    insta::assert_snapshot!(folder.gt(&["diff", "-f", "rig.yaml"]).out, @r#"
    rig/shop configured
    --- rig/shop (in the town)
    +++ rig/shop (as declared)
    @@ -3,7 +3,6 @@
     metadata:
       name: shop
       labels:
    -    old: "1"
         team: checkout
         theirs: "1"
     spec:
    @@ -19,6 +18,5 @@
       repo:
         branch: main
         url: [dir]/home/repos/shop.git
    -  runtime: old
    -  suspend: true
    +  suspend: false
       workspace: {}

    1 configured
    what it would do:
      clones (1)
        shop from [dir]/home/repos/shop.git
      no longer: objects not ready (1)
        rig/shop: Suspended nothing is dispatched, fetched or landed here
    "#);
    let without = RIG.replace("spec:\n", "spec:\n  suspend: true\n");
    insta::assert_snapshot!(folder.gt_with(&["apply", "-f", "-"], &without).all(), @"
    rig/shop configured
    ! the town is down, so nothing moves yet: `gt up`
    exit 0
    ");
    insta::assert_snapshot!(folder.gt(&["get", "rig/shop", "-o", "yaml"]).out, @r#"
    apiVersion: gastown.io/v1alpha1
    kind: Rig
    metadata:
      name: shop
      creationTimestamp: "[time]"
      generation: 3
      labels:
        team: checkout
        theirs: "1"
      namespace: home
      resourceVersion: [version]
      uid: [uid]
    spec:
      identity: {}
      merge:
        allowUnverified: false
        strategy: Push
        verify:
        - name: test
          run: make test
        whenCheckedOut: Refuse
      polecats: {}
      repo:
        branch: main
        url: [dir]/home/repos/shop.git
      suspend: true
      workspace: {}
    "#);
}
