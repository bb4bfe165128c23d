//! What a mistake in a request comes to: nothing is deleted, stored or answered that was not asked for.

use crate::support::*;
use gastown::api::{Place, Server, Writer};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{DeleteParams, ListParams, PostParams, PropagationPolicy};
use kube::{Resource, ResourceExt};
use serde_json::{Value, json};

#[tokio::test]
async fn a_delete_with_wrong_options_deletes_nothing() {
    let server = server();
    let api = widgets(&server);
    api.create(&PostParams::default(), &widget("a")).await.unwrap();
    for (query, body, code) in [
        ("", json!([]), 400),
        ("", json!("All"), 400),
        ("", json!({ "kind": "Foo", "apiVersion": "v1" }), 400),
        ("", json!({ "dryRun": ["Foo"] }), 422),
        ("", json!({ "dryRun": "All" }), 400),
        ("", json!({ "dryRun": ["all"] }), 422),
        ("", json!({ "dryrun": ["All"] }), 400),
        ("", json!({ "dry_run": ["All"] }), 400),
        ("", json!({ "propagationPolicy": "Foo" }), 422),
        ("", json!({ "propagationPolicy": "Background", "orphanDependents": true }), 422),
        ("", json!({ "precondition": { "uid": "x" } }), 400),
        ("", json!({ "preconditions": { "uid": 1 } }), 400),
        ("", json!({ "preconditions": { "uid": "x" } }), 409),
        ("", json!({ "preconditions": { "resourceVersion": "1" } }), 409),
        ("?dryRun=Foo", Value::Null, 422),
        ("?dryrun=All", Value::Null, 400),
        ("?dryRun=All&dryRun=Foo", Value::Null, 400),
        ("?propagationPolicy=Foo", Value::Null, 422),
    ] {
        let text = if body.is_null() { String::new() } else { body.to_string() };
        for path in [format!("{WIDGETS}/a{query}"), format!("{WIDGETS}{query}")] {
            let (got, _, status) = raw(&server, "DELETE", &path, &[], text.clone()).await;
            assert_eq!(got, code, "{path} {text}: {status}");
        }
    }
    assert_eq!(raw(&server, "DELETE", &format!("{WIDGETS}/a"), &[], "{").await.0, 400);
    for body in
        [json!({ "dryRun": ["All"] }), json!({ "kind": "DeleteOptions", "apiVersion": "v1", "dryRun": ["All"] })]
    {
        assert_eq!(raw(&server, "DELETE", &format!("{WIDGETS}/a"), &[], body.to_string()).await.0, 200);
    }
    assert!(api.get_opt("a").await.unwrap().is_some(), "none of it was meant to delete it");
    // What is unknown and looks like nothing is ignored, as everywhere.
    assert_eq!(
        raw(&server, "DELETE", &format!("{WIDGETS}/a"), &[], r#"{"gracePeriodSeconds":30,"zzz":1}"#).await.0,
        200
    );
    assert!(api.get_opt("a").await.unwrap().is_none());
}

/// A gadget whose owner waits for it, or does not.
async fn owned(server: &Server, name: &str, owner: &Widget, blocks: bool, finalizer: bool) {
    let mut gadget = Gadget::new(name, GadgetSpec::default());
    let reference = OwnerReference { block_owner_deletion: Some(blocks), ..owner.owner_ref(&()).unwrap() };
    gadget.metadata.owner_references = Some(vec![reference]);
    gadget.metadata.finalizers = finalizer.then(|| vec!["test.io/hold".into()]);
    gadgets(server).create(&PostParams::default(), &gadget).await.unwrap();
}

async fn left(server: &Server) -> Vec<String> {
    let gadgets = gadgets(server).list(&ListParams::default()).await.unwrap().items;
    let widgets = widgets(server).list(&ListParams::default()).await.unwrap().items;
    widgets.iter().map(ResourceExt::name_any).chain(gadgets.iter().map(ResourceExt::name_any)).collect()
}

fn policy(propagation_policy: PropagationPolicy) -> DeleteParams {
    DeleteParams { propagation_policy: Some(propagation_policy), ..DeleteParams::default() }
}

#[tokio::test]
async fn orphans_stay_without_the_reference() {
    let server = server();
    let made = widgets(&server).create(&PostParams::default(), &widget("a")).await.unwrap();
    for n in 0..300 {
        owned(&server, &format!("g{n:03}"), &made, n % 2 == 0, false).await;
    }
    let marked = widgets(&server).delete("a", &policy(PropagationPolicy::Orphan)).await.unwrap().left().unwrap();
    assert_eq!((marked.finalizers(), marked.metadata.generation), (&["orphan".to_owned()][..], Some(2)));
    let gadgets = gadgets(&server).list(&ListParams::default()).await.unwrap().items;
    assert_eq!(gadgets.len(), 300);
    assert!(gadgets.iter().all(|it| it.owner_references().is_empty() && it.metadata.deletion_timestamp.is_none()));
    assert_eq!(widgets(&server).get_opt("a").await.unwrap(), None, "it has gone once all were released");
    // The same in its older words.
    let made = widgets(&server).create(&PostParams::default(), &widget("b")).await.unwrap();
    owned(&server, "of-b", &made, false, false).await;
    let (code, ..) = raw(&server, "DELETE", &format!("{WIDGETS}/b"), &[], r#"{"orphanDependents":true}"#).await;
    assert_eq!(code, 200);
    assert!(left(&server).await.contains(&"of-b".to_owned()));
}

#[tokio::test]
async fn in_the_foreground_an_owner_goes_after_those_that_block_it() {
    let server = server();
    let api = widgets(&server);
    let made = api.create(&PostParams::default(), &widget("a")).await.unwrap();
    owned(&server, "free", &made, false, false).await;
    owned(&server, "blocks", &made, true, true).await;
    let marked = api.delete("a", &policy(PropagationPolicy::Foreground)).await.unwrap().left().unwrap();
    assert_eq!(marked.finalizers(), ["foregroundDeletion"]);
    assert_eq!(left(&server).await, ["a", "blocks"], "it waits for one that has a finalizer");
    let release = kube::api::Patch::Merge(json!({ "metadata": { "finalizers": null } }));
    gadgets(&server).patch("blocks", &kube::api::PatchParams::default(), &release).await.unwrap();
    assert_eq!(left(&server).await, Vec::<String>::new());
    // Without anybody to wait for, it goes at once; its own finalizers are kept.
    let mut held = widget("b");
    held.metadata.finalizers = Some(vec!["test.io/hold".into()]);
    api.create(&PostParams::default(), &held).await.unwrap();
    api.delete("b", &policy(PropagationPolicy::Foreground)).await.unwrap();
    assert_eq!(api.get("b").await.unwrap().finalizers(), ["test.io/hold"]);
}

#[tokio::test]
async fn a_town_is_the_only_namespace() {
    let options = gastown::api::Options { namespaces: Some(vec!["town".into()]), ..options() };
    let server = Server::open(&Place::Memory, Writer::Inline, options).unwrap();
    let elsewhere = WIDGETS.replace("/town/", "/twon/");
    let body = raw_widget("a", &json!({ "rig": "r" }));
    let apply = [("content-type", "application/apply-patch+yaml")];
    for (method, path, headers) in
        [("POST", elsewhere.clone(), &[][..]), ("PATCH", format!("{elsewhere}/a?fieldManager=m"), &apply)]
    {
        let (code, _, status) = raw(&server, method, &path, headers, body.clone()).await;
        assert_eq!((code, &status["message"]), (404, &json!("namespaces \"twon\" not found")), "{method}");
        assert_eq!(status["details"], json!({ "name": "twon", "kind": "namespaces" }));
    }
    let (code, _, list) = raw(&server, "GET", &elsewhere, &[], "").await;
    assert_eq!((code, &list["items"]), (200, &json!([])), "a list of nothing is no mistake");
    assert_eq!(raw(&server, "POST", WIDGETS, &[], body).await.0, 201);
}

#[tokio::test]
async fn keys_that_stand_twice_and_unknown_metadata_are_told() {
    let server = server();
    let body = |name: &str| {
        format!(
            r#"{{"apiVersion":"test.gastown.io/v1alpha1","kind":"Widget","metadata":{{"name":"{name}","nonsense":1}},
                "spec":{{"rig":"x","rig":"y"}}}}"#
        )
    };
    let (code, headers, object) = raw(&server, "POST", WIDGETS, &[], body("a")).await;
    let told: Vec<_> = headers.get_all("warning").iter().map(|it| it.to_str().unwrap()).collect();
    let expected = [r#"299 - "duplicate field \"spec.rig\"""#, r#"299 - "unknown field \"metadata.nonsense\"""#];
    assert_eq!((code, told), (201, expected.to_vec()));
    assert_eq!((&object["spec"]["rig"], object["metadata"].get("nonsense")), (&json!("y"), None));
    let (code, _, status) = raw(&server, "POST", &format!("{WIDGETS}?fieldValidation=Strict"), &[], body("b")).await;
    let message = "strict decoding error: duplicate field \"spec.rig\", unknown field \"metadata.nonsense\"";
    assert_eq!((code, &status["message"]), (400, &json!(message)));
    let (code, headers, _) = raw(&server, "POST", &format!("{WIDGETS}?fieldValidation=Ignore"), &[], body("b")).await;
    assert_eq!((code, headers.get("warning")), (201, None));
    let (code, _, status) = raw(&server, "POST", &format!("{WIDGETS}?fieldValidation=X"), &[], body("c")).await;
    assert_eq!((code, &status["details"]["causes"][0]["field"]), (422, &json!("fieldValidation")));
}

#[tokio::test]
async fn a_body_is_what_its_media_type_says() {
    let server = server();
    let post = |media_type: &'static str, body: String| {
        let server = server.clone();
        async move { raw(&server, "POST", WIDGETS, &[("content-type", media_type)], body).await.0 }
    };
    let json_body = |name: &str| raw_widget(name, &json!({ "rig": "r" }));
    let yaml = "apiVersion: test.gastown.io/v1alpha1\nkind: Widget\nmetadata: {name: y}\nspec: {rig: r, size: 3.0}\n";
    assert_eq!(post("application/yaml", yaml.into()).await, 201);
    assert_eq!(widgets(&server).get("y").await.unwrap().spec.size, 3);
    assert_eq!(post("application/json; charset=utf-8", json_body("j")).await, 201);
    for other in ["text/plain", "application/vnd.kubernetes.protobuf", "application/merge-patch+json"] {
        assert_eq!(post(other, json_body("t")).await, 415, "{other}");
    }
    assert_eq!(post("application/json", json_body("f").replace("\"r\"", "\"r\",\"size\":3.5")).await, 422);
    let whole = json_body("w").replace("\"r\"", "\"r\",\"size\":3.0");
    assert_eq!(post("application/json", whole).await, 201);
    let (_, _, object) = raw(&server, "GET", &format!("{WIDGETS}/w"), &[], "").await;
    assert_eq!(object["spec"]["size"].to_string(), "3");
}

#[tokio::test]
async fn a_replace_says_what_it_replaces() {
    let server = server();
    let made = widgets(&server).create(&PostParams::default(), &widget("a")).await.unwrap();
    let made = serde_json::to_value(made).unwrap();
    let with = |field: &str, value: Value| {
        let mut object = made.clone();
        object["metadata"][field] = value;
        object.to_string()
    };
    let other_kind = made.to_string().replace("\"Widget\"", "\"Gadget\"");
    for (name, body, code, why) in [
        ("a", with("resourceVersion", json!("0")), 422, "must be specified for an update"),
        ("a", with("resourceVersion", json!("")), 422, "must be specified for an update"),
        ("a", with("name", json!(null)), 400, "name must be provided"),
        ("a", with("uid", json!("other")), 409, "UID in precondition"),
        ("a", other_kind, 422, "kind: Invalid value: \"Gadget\": must be Widget"),
        ("b", raw_widget("b", &json!({ "rig": "r" })), 404, "widgets.test.gastown.io \"b\" not found"),
    ] {
        let (got, _, status) = raw(&server, "PUT", &format!("{WIDGETS}/{name}"), &[], body).await;
        let message = status["message"].as_str().unwrap_or_default();
        assert!(got == code && message.contains(why), "{name}: {got} {message}");
    }
}

#[tokio::test]
async fn a_list_says_which_state_it_wants() {
    let server = server();
    widgets(&server).create(&PostParams::default(), &widget("a")).await.unwrap();
    for (query, code, field) in [
        ("resourceVersionMatch=Exact", 422, "resourceVersionMatch"),
        ("resourceVersionMatch=Exact&resourceVersion=0", 422, "resourceVersionMatch"),
        ("resourceVersionMatch=X&resourceVersion=1", 422, "resourceVersionMatch"),
        ("sendInitialEvents=true", 422, "sendInitialEvents"),
        ("watch=true&sendInitialEvents=true", 422, "resourceVersionMatch"),
        ("watch=true&resourceVersionMatch=NotOlderThan&resourceVersion=0", 422, "resourceVersionMatch"),
        ("continue=xyz&resourceVersion=5", 400, ""),
        ("limit=abc", 400, ""),
        ("limit=-1", 200, ""),
        ("labelSelector=n%3D1%3D2", 400, ""),
    ] {
        let (got, _, status) = raw(&server, "GET", &format!("{WIDGETS}?{query}"), &[], "").await;
        let told = status["details"]["causes"][0]["field"].as_str().unwrap_or_default();
        assert_eq!((got, told), (code, field), "{query}: {status}");
    }
    let (code, headers, status) =
        raw(&server, "GET", &format!("{WIDGETS}?resourceVersion={}", 1_i64 << 62), &[], "").await;
    assert_eq!((code, &headers["retry-after"]), (504, &http::HeaderValue::from(1)));
    assert_eq!(status["details"]["causes"][0]["reason"], "ResourceVersionTooLarge");
}

#[tokio::test]
async fn labels_are_compared_as_numbers() {
    let server = server();
    let api = widgets(&server);
    for (name, n) in [("a", "2"), ("b", "10"), ("c", "7a")] {
        api.create(&PostParams::default(), &labelled(name, &[("n", n)])).await.unwrap();
    }
    for (selector, expected) in [("n>2", &["b"][..]), ("n<10", &["a"]), ("n>1,n<11", &["a", "b"]), ("n>10", &[])] {
        let found = api.list(&ListParams::default().labels(selector)).await.unwrap();
        assert_eq!(found.iter().map(ResourceExt::name_any).collect::<Vec<_>>(), expected, "{selector}");
    }
    let escaped = api.list(&ListParams::default().fields(r"spec.rig=a\,b")).await.unwrap();
    assert_eq!(escaped.items.len(), 0);
}

#[tokio::test]
async fn a_generated_name_is_cut_and_a_dry_run_looks_like_the_real_thing() {
    let server = server();
    let api = widgets(&server);
    let mut long = widget("x");
    long.metadata.name = None;
    long.metadata.generate_name = Some("g".repeat(250));
    let made = api.create(&PostParams::default(), &long).await.unwrap();
    assert_eq!((made.name_any().len(), made.metadata.generate_name.unwrap().len()), (63, 250));
    let dry = PostParams { dry_run: true, ..PostParams::default() };
    let shown = api.create(&dry, &widget("a")).await.unwrap();
    assert!(shown.metadata.uid.is_some() && shown.metadata.creation_timestamp.is_some());
}
