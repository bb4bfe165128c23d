//! `gt explain`, `gt schema` and `gt api-resources`: what may be declared, told without a town.

use crate::harness::{CONVOY, Folder, RIG};
use serde_json::Value;

#[test]
fn a_kind_and_its_fields_are_explained_as_kubectl_does() {
    let folder = Folder::empty();
    insta::assert_snapshot!(folder.gt(&["explain", "runtime"]).all(), @"
    GROUP:      gastown.io
    KIND:       Runtime
    VERSION:    v1alpha1

    DESCRIPTION:
        A `Runtime` says how an agent is run: the program, its environment, and what
        it expects when its work comes back.

    FIELDS:
      spec	<Object> -required-
        How an agent is run.

      status	<Object>
        The status of a runtime, as its controller observes it.
    exit 0
    ");
    insta::assert_snapshot!(folder.gt(&["explain", "rt.spec.resources", "--recursive"]).all(), @"
    GROUP:      gastown.io
    KIND:       Runtime
    VERSION:    v1alpha1

    FIELD: resources	<Object>

    DESCRIPTION:
        What one session may use, with all that its agent starts, and what it is
        taken to need: as a container's `resources`.

    FIELDS:
      limits	<Object>
        cpu	<IntOrString>
        memory	<IntOrString>
      requests	<Object>
        memory	<IntOrString>
    exit 0
    ");
    insta::assert_snapshot!(folder.gt(&["explain", "rigs.spec.merge.strategy"]).all(), @"
    GROUP:      gastown.io
    KIND:       Rig
    VERSION:    v1alpha1

    FIELD: strategy	<string> -required-
      enum: Push, Branch

    DESCRIPTION:
        What happens with a verified branch.
    exit 0
    ");
    insta::assert_snapshot!(folder.gt(&["explain", "convoy.spec.beads.name"]).all(), @"
    GROUP:      gastown.io
    KIND:       Convoy
    VERSION:    v1alpha1

    FIELD: name	<string> -required-

    DESCRIPTION:
        Its name; unique in the convoy.
    exit 0
    ");
}

#[test]
fn what_is_not_there_is_told_with_what_is() {
    let folder = Folder::empty();
    insta::assert_snapshot!(folder.gt(&["explain", "rigg"]).all(), @"
    ! error: no kind is named `rigg`
    ! hint: did you mean `rig`?
    exit 2
    ");
    insta::assert_snapshot!(folder.gt(&["explain", "rig.spec.marge"]).all(), @"
    ! error: `rig.spec` has no field `marge`
    ! hint: did you mean `rig.spec.merge`?
    exit 3
    ");
    insta::assert_snapshot!(folder.gt(&["explain", "rig.spec.repo.url.x"]).all(), @"
    ! error: `rig.spec.repo.url` has no field `x`
    ! hint: there is nothing below `rig.spec.repo.url`
    exit 3
    ");
}

#[test]
fn every_field_of_every_kind_has_an_explanation() {
    let folder = Folder::empty();
    for kind in gastown_crds::KINDS {
        let done = folder.gt(&["explain", kind.plural, "--recursive"]);
        assert!(done.code == 0 && done.out.contains("spec\t<Object>"), "{}", done.all());
        assert!(
            !folder.gt(&["explain", &format!("{}.spec", kind.singular)]).out.contains("<no description>"),
            "{}",
            kind.name
        );
    }
}

#[test]
fn editors_get_a_schema_that_takes_what_is_right_and_nothing_else() {
    let folder = Folder::empty();
    let schema: Value = serde_json::from_str(&folder.gt(&["schema"]).out).unwrap();
    let schema = jsonschema::draft7::new(&schema).unwrap();
    let judged = |text: &str| {
        let objects = gastown_crds::manifest::parse("x.yaml", text).unwrap();
        let wrong =
            |object: &Value| schema.iter_errors(object).map(|it| it.instance_path().to_string()).collect::<Vec<_>>();
        objects.iter().flat_map(|object| wrong(&object.value())).collect::<Vec<_>>()
    };
    for entry in fs_err::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/quickstart/town")).unwrap() {
        let text = fs_err::read_to_string(entry.unwrap().path()).unwrap();
        assert_eq!(judged(&text), Vec::<String>::new());
    }
    let runtime = "apiVersion: gastown.io/v1alpha1\nkind: Runtime\nmetadata: {name: a}\nspec: {command: [a], resources: {limits: {cpu: 2, memory: 1Gi}}}\n";
    assert_eq!(judged(runtime), Vec::<String>::new());
    assert_eq!(judged(&runtime.replace("cpu: 2", "cpu: [2]")), ["/spec/resources/limits/cpu"]);
    assert_eq!(judged(&RIG.replace("strategy: Push", "strategy: Pull")), ["/spec/merge/strategy"]);
    assert_eq!(judged(&CONVOY.replace("  rig: shop", "  rigg: shop")), ["/spec"]);
    assert_eq!(judged(&CONVOY.replace("kind: Convoy", "kind: Convoi")), ["/kind"]);

    let one: Value = serde_json::from_str(&folder.gt(&["schema", "cv"]).out).unwrap();
    assert_eq!((&one["title"], &one["properties"]["kind"]["const"]), (&"Convoy".into(), &"Convoy".into()));
}

#[test]
fn the_kinds_are_listed_with_their_short_names() {
    let folder = Folder::empty();
    insta::assert_snapshot!(folder.gt(&["api-resources"]).all(), @"
    NAME            SHORTNAMES   APIVERSION            NAMESPACED   KIND
    towns           tn           gastown.io/v1alpha1   true         Town
    sources         src          gastown.io/v1alpha1   true         Source
    runtimes        rt           gastown.io/v1alpha1   true         Runtime
    formulas        fm           gastown.io/v1alpha1   true         Formula
    rigs            rg           gastown.io/v1alpha1   true         Rig
    polecats        pc           gastown.io/v1alpha1   true         Polecat
    convoys         cv           gastown.io/v1alpha1   true         Convoy
    beads           bd           gastown.io/v1alpha1   true         Bead
    beadevents      be           gastown.io/v1alpha1   true         BeadEvent
    mergerequests   mr           gastown.io/v1alpha1   true         MergeRequest
    exit 0
    ");
    let all: Value = serde_json::from_str(&folder.gt(&["api-resources", "--json"]).out).unwrap();
    assert_eq!(all.as_array().unwrap().len(), gastown_crds::KINDS.len());
}
