//! Server-side apply, as kube's client and raw requests meet it: fields, managers, conflicts, and what is refused.

use crate::support::*;
use crate::watch::soon;
use futures::TryStreamExt;
use kube::Api;
use kube::ResourceExt;
use kube::api::{ListParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams};
use serde_json::{Value, json};

fn config(name: &str, spec: &Value) -> Value {
    json!({ "apiVersion": "test.gastown.io/v1alpha1", "kind": "Widget", "metadata": { "name": name }, "spec": spec })
}

async fn applied(api: &Api<Widget>, manager: &str, spec: &Value) -> kube::Result<Widget> {
    api.patch("a", &PatchParams::apply(manager), &Patch::Apply(config("a", spec))).await
}

/// `manager operation subresource fields` of each entry.
fn managers(widget: &Widget) -> Vec<String> {
    let entries = serde_json::to_value(widget.managed_fields()).unwrap();
    let line = |entry: &Value| {
        let text = |name: &str| entry[name].as_str().unwrap_or("-").to_owned();
        format!("{} {} {} {}", text("manager"), text("operation"), text("subresource"), entry["fieldsV1"])
    };
    entries.as_array().unwrap().iter().map(line).collect()
}

#[tokio::test]
async fn an_apply_makes_an_object_and_the_same_again_is_no_write() {
    let server = server();
    let api = widgets(&server);
    let made = applied(&api, "a", &json!({ "rig": "shop" })).await.unwrap();
    assert_eq!((made.spec.size, made.metadata.generation), (3, Some(1)), "the default is there, and nobody's");
    assert_eq!(managers(&made), [r#"a Apply - {"f:spec":{"f:rig":{}}}"#]);
    let commits = server.counters().commits;
    assert_eq!(applied(&api, "a", &json!({ "rig": "shop" })).await.unwrap(), made);
    assert_eq!(server.counters().commits, commits);
    // Created is told from changed.
    let path = format!("{WIDGETS}/b?fieldManager=a");
    let headers = [("content-type", "application/apply-patch+yaml")];
    let yaml = "apiVersion: test.gastown.io/v1alpha1\nkind: Widget\nspec: {rig: shop, size: 4.0}\n";
    let (code, _, object) = raw(&server, "PATCH", &path, &headers, yaml).await;
    assert_eq!(
        (code, &object["spec"], &object["metadata"]["name"]),
        (201, &json!({ "rig": "shop", "size": 4 }), &json!("b"))
    );
    assert_eq!(raw(&server, "PATCH", &path, &headers, yaml).await.0, 200);
}

#[tokio::test]
async fn a_manager_keeps_what_it_says_and_loses_what_another_takes() {
    let server = server();
    let api = widgets(&server);
    applied(&api, "a", &json!({ "rig": "shop", "size": 4 })).await.unwrap();
    let refusal = refused(applied(&api, "b", &json!({ "size": 5, "note": "b" })).await);
    assert_eq!((refusal.code, refusal.reason.as_str()), (409, "Conflict"));
    assert_eq!(refusal.message, "Apply failed with 1 conflict: conflict with \"a\": .spec.size");
    let cause = &refusal.details.unwrap().causes[0];
    assert_eq!((cause.reason.as_str(), cause.field.as_str()), ("FieldManagerConflict", ".spec.size"));
    let forced = api
        .patch("a", &PatchParams::apply("b").force(), &Patch::Apply(config("a", &json!({ "size": 5, "note": "b" }))))
        .await
        .unwrap();
    assert_eq!((forced.spec.size, forced.metadata.generation), (5, Some(2)));
    let both = [r#"a Apply - {"f:spec":{"f:rig":{}}}"#, r#"b Apply - {"f:spec":{"f:note":{},"f:size":{}}}"#];
    assert_eq!(managers(&forced), both);
    // What it no longer says goes, or falls back to the default.
    let nothing = json!({ "apiVersion": "test.gastown.io/v1alpha1", "kind": "Widget", "metadata": { "name": "a" } });
    let less = api.patch("a", &PatchParams::apply("b"), &Patch::Apply(nothing)).await.unwrap();
    assert_eq!((less.spec.size, less.spec.note.as_deref()), (3, None));
    assert_eq!(managers(&less), both[..1]);
}

#[tokio::test]
async fn tracking_begins_with_the_first_apply_and_covers_every_write_from_then_on() {
    let server = server();
    let api = widgets(&server);
    let made = api.create(&PostParams::default(), &labelled("a", &[("x", "y")])).await.unwrap();
    assert_eq!(made.metadata.managed_fields, None);
    let seen = Patch::Merge(json!({ "status": { "seen": 1 } }));
    let status = api.patch_status("a", &PatchParams::default(), &seen).await.unwrap();
    assert_eq!(status.metadata.managed_fields, None);
    let first = applied(&api, "a", &json!({ "note": "a" })).await.unwrap();
    let before = r#"before-first-apply Update - {"f:metadata":{"f:labels":{".":{},"f:x":{}}},"f:spec":{".":{},"f:rig":{},"f:size":{}}}"#;
    let own = r#"a Apply - {"f:spec":{"f:note":{}}}"#;
    assert_eq!(managers(&first), [own, before]);
    let edit = PatchParams { field_manager: Some("editor".into()), ..PatchParams::default() };
    let size = Patch::Merge(json!({ "spec": { "size": 7 } }));
    let edited = api.patch("a", &edit, &size).await.unwrap();
    let editor = r#"editor Update - {"f:spec":{"f:size":{}}}"#;
    let rest = before.replace(r#","f:size":{}"#, "");
    assert_eq!(managers(&edited), [own, &rest, editor]);
    // A write without a name is its program's; a status is written through its subresource.
    let headers = [("content-type", "application/merge-patch+json"), ("user-agent", "kubectl/v1.37 (linux)")];
    let (code, ..) = raw(&server, "PATCH", &format!("{WIDGETS}/a/status"), &headers, r#"{"status":{"seen":2}}"#).await;
    assert_eq!(code, 200);
    let told = managers(&api.get("a").await.unwrap());
    assert_eq!(told.last().unwrap(), r#"kubectl Update status {"f:status":{"f:seen":{}}}"#);
    assert_eq!(told.len(), 4);
    let program =
        api.patch("a", &PatchParams::default(), &Patch::Merge(json!({ "spec": { "note": "b" } }))).await.unwrap();
    assert!(
        managers(&program).contains(&r#"gt Update - {"f:spec":{"f:note":{}}}"#.to_owned()),
        "{:?}",
        managers(&program)
    );
    let told = managers(&program);
    // A client that does not know the field does not end it; an empty list does.
    let mut forgetful = api.get("a").await.unwrap();
    forgetful.metadata.managed_fields = None;
    let kept = api.replace("a", &PostParams::default(), &forgetful).await.unwrap();
    assert_eq!(managers(&kept), told);
    let reset = Patch::Merge(json!({ "metadata": { "managedFields": [{}] } }));
    assert_eq!(api.patch("a", &PatchParams::default(), &reset).await.unwrap().metadata.managed_fields, None);
}

#[tokio::test]
async fn a_status_is_applied_on_its_own() {
    let server = server();
    let api = widgets(&server);
    let status = json!({
        "apiVersion": "test.gastown.io/v1alpha1", "kind": "Widget", "metadata": { "name": "a" }, "status": { "seen": 4 },
    });
    let apply = PatchParams::apply("controller");
    assert_eq!(refused(api.patch_status("a", &apply, &Patch::Apply(&status)).await).code, 404, "no status of nothing");
    applied(&api, "a", &json!({ "rig": "shop" })).await.unwrap();
    let seen = api.patch_status("a", &apply, &Patch::Apply(&status)).await.unwrap();
    assert_eq!((seen.status.clone().unwrap().seen, seen.metadata.generation), (Some(4), Some(1)));
    assert_eq!(managers(&seen)[1], r#"controller Apply status {"f:status":{"f:seen":{}}}"#);
    // A status in an apply of the main half is nobody's and changes nothing.
    let main = api.patch("a", &PatchParams::apply("b"), &Patch::Apply(&status)).await.unwrap();
    assert_eq!(main, seen);
}

#[tokio::test]
async fn lists_and_watches_show_the_managers() {
    let server = server();
    let api = widgets(&server);
    let start = api.list(&ListParams::default()).await.unwrap().metadata.resource_version.unwrap();
    let made = applied(&api, "a", &json!({ "rig": "shop" })).await.unwrap();
    let listed = api.list(&ListParams::default()).await.unwrap();
    assert_eq!(managers(&listed.items[0]), managers(&made));
    let stream = soon(api.watch(&WatchParams::default().timeout(1), &start)).await.unwrap();
    let told: Vec<_> = soon(stream.try_collect()).await.unwrap();
    assert!(matches!(&told[0], WatchEvent::Added(it) if managers(it) == managers(&made)));
}

#[tokio::test]
async fn an_apply_that_cannot_be_done_is_refused() {
    let server = server();
    let api = widgets(&server);
    let made = applied(&api, "a", &json!({ "rig": "shop" })).await.unwrap();
    let headers = [("content-type", "application/apply-patch+yaml")];
    let with = |metadata: Value, spec: Value| {
        json!({ "apiVersion": "test.gastown.io/v1alpha1", "kind": "Widget", "metadata": metadata, "spec": spec })
            .to_string()
    };
    let fine = || with(json!({ "name": "a" }), json!({ "rig": "shop" }));
    let stale = json!({ "resourceVersion": "1" });
    let uid = json!({ "uid": "00000000-0000-4000-8000-000000000000" });
    for (path, body, code, why) in [
        ("a", fine(), 422, "fieldManager: Required value: is required for apply patch"),
        ("a?fieldManager=b%07", fine(), 422, "invalid character U+0007"),
        ("a?fieldManager=b&dryRun=Some", fine(), 422, "dryRun: Unsupported value: [\"Some\"]"),
        ("a?fieldManager=b", "- a".into(), 400, "not an object"),
        ("a?fieldManager=b", "a: b: c".into(), 400, "not valid YAML"),
        ("a?fieldManager=b", fine().replace("v1alpha1", "v1"), 400, "Specified patch version: test.gastown.io/v1"),
        ("a?fieldManager=b", with(json!({ "managedFields": [] }), json!({})), 400, "managedFields must be nil"),
        ("a?fieldManager=b", with(json!({}), json!({ "szie": 1 })), 500, ".spec.szie: field not declared in schema"),
        ("a?fieldManager=b", with(json!({}), json!({ "rig": 1 })), 500, ".spec.rig: expected string, got 1"),
        ("a?fieldManager=b", with(json!({ "name": "c" }), json!({})), 400, "does not match the name on the URL"),
        ("a?fieldManager=b", with(stale.clone(), json!({})), 409, "the object has been modified"),
        ("a?fieldManager=b", with(uid.clone(), json!({})), 422, "field is immutable"),
        ("c?fieldManager=b", with(uid, json!({ "rig": "shop" })), 409, "uid mismatch"),
        ("c?fieldManager=b", with(stale, json!({ "rig": "shop" })), 400, "resourceVersion should not be set"),
        ("c?fieldManager=b", with(json!({}), json!({ "size": 1 })), 422, "spec.rig: Required value"),
        ("C?fieldManager=b", with(json!({}), json!({ "rig": "shop" })), 422, "metadata.name"),
        ("a?fieldManager=b", with(json!({}), json!({ "size": 77 })), 422, "less than or equal to 9"),
    ] {
        let (got, _, status) = raw(&server, "PATCH", &format!("{WIDGETS}/{path}"), &headers, body.clone()).await;
        let message = status["message"].as_str().unwrap_or_default();
        assert!(got == code && message.contains(why), "{path} {body}: {got} {message}");
    }
    for media_type in ["application/apply-patch+cbor", "application/strategic-merge-patch+json", "application/json", ""]
    {
        let (code, _, status) =
            raw(&server, "PATCH", &format!("{WIDGETS}/a?fieldManager=b"), &[("content-type", media_type)], fine())
                .await;
        assert_eq!((code, &status["reason"]), (415, &json!("UnsupportedMediaType")), "{media_type}");
    }
    let force = [("content-type", "application/merge-patch+json")];
    let (code, _, status) = raw(&server, "PATCH", &format!("{WIDGETS}/a?force=true"), &force, "{}").await;
    assert_eq!((code, &status["details"]["causes"][0]["field"]), (422, &json!("force")));
    assert_eq!(api.get("a").await.unwrap(), made, "nothing of it was done");
    assert_eq!(api.get_opt("c").await.unwrap(), None);
}

#[tokio::test]
async fn a_dry_run_of_an_apply_shows_and_stores_nothing() {
    let server = server();
    let api = widgets(&server);
    let dry = PatchParams::apply("a").dry_run();
    let shown = api.patch("a", &dry, &Patch::Apply(config("a", &json!({ "rig": "shop" })))).await.unwrap();
    assert_eq!(managers(&shown).len(), 1);
    assert_eq!(api.get_opt("a").await.unwrap(), None);
    let made = applied(&api, "a", &json!({ "rig": "shop" })).await.unwrap();
    let shown = api.patch("a", &dry, &Patch::Apply(config("a", &json!({ "rig": "shop", "size": 8 })))).await.unwrap();
    assert_eq!((shown.spec.size, api.get("a").await.unwrap()), (8, made));
}

#[tokio::test]
async fn applies_at_once_do_not_lose_each_other() {
    let server = server();
    let api = widgets(&server);
    let one = |n: usize| {
        let api = api.clone();
        async move {
            let (key, value) = (format!("k{n}"), n.to_string());
            let mut config = config("a", &json!({ "rig": "shop" }));
            config["metadata"]["labels"] = json!({ key: value });
            api.patch("a", &PatchParams::apply(&format!("m{n}")), &Patch::Apply(config)).await
        }
    };
    let results = futures::future::join_all((0..8).map(one)).await;
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    let widget = api.get("a").await.unwrap();
    assert_eq!((widget.labels().len(), widget.managed_fields().len()), (8, 8));
}
