//! The API case by case: what an unmodified kube client sees of each verb, and each refusal in an apiserver's words.

use crate::support::*;
use gastown::api::{Place, Served, Server, Writer};
use gastown_crds::KINDS;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, Preconditions, ValidationDirective};
use kube::{Resource, ResourceExt};
use serde_json::json;

fn merge() -> PatchParams {
    PatchParams::default()
}

#[tokio::test]
async fn the_server_owns_uid_time_generation_and_resource_version() {
    let server = server();
    let api = widgets(&server);
    let mut wanted = widget("a");
    wanted.metadata.uid = Some("mine".into());
    wanted.metadata.generation = Some(99);
    wanted.status = Some(WidgetStatus { seen: Some(5) });
    let made = api.create(&PostParams::default(), &wanted).await.unwrap();
    let first = START << 20;
    assert_eq!(made.metadata.uid.as_deref(), Some("00000007-0000-4000-8000-000000000000"));
    assert_eq!(made.metadata.resource_version, Some((first + 1).to_string()));
    assert_eq!(made.metadata.generation, Some(1));
    assert_eq!(made.metadata.creation_timestamp.as_ref().unwrap().0.as_second(), START);
    assert_eq!(made.metadata.namespace.as_deref(), Some("town"));
    assert_eq!(made.status, None, "a status is written through its subresource alone");
    assert_eq!(api.get("a").await.unwrap(), made);
}

#[tokio::test]
async fn generation_counts_wishes_and_an_equal_write_is_no_write() {
    let server = server();
    let api = widgets(&server);
    let made = api.create(&PostParams::default(), &widget("a")).await.unwrap();
    let before = server.counters().commits;
    let same = api.patch("a", &merge(), &Patch::Merge(json!({ "spec": { "size": 1 } }))).await.unwrap();
    assert_eq!(same.resource_version(), made.resource_version());
    assert_eq!(server.counters().commits, before);
    let labelled =
        api.patch("a", &merge(), &Patch::Merge(json!({ "metadata": { "labels": { "x": "y" } } }))).await.unwrap();
    assert_eq!(labelled.metadata.generation, Some(1));
    let resized = api.patch("a", &merge(), &Patch::Merge(json!({ "spec": { "size": 2 } }))).await.unwrap();
    assert_eq!(resized.metadata.generation, Some(2));
    assert_eq!(server.counters().commits, before + 2);
}

#[tokio::test]
async fn spec_and_status_are_written_apart() {
    let server = server();
    let api = widgets(&server);
    api.create(&PostParams::default(), &widget("a")).await.unwrap();
    let both = json!({ "spec": { "size": 7 }, "status": { "seen": 7 }, "metadata": { "labels": { "l": "1" } } });
    let status = api.patch_status("a", &merge(), &Patch::Merge(&both)).await.unwrap();
    assert_eq!((status.spec.size, status.status.unwrap().seen, status.metadata.labels), (1, Some(7), None));
    let main = json!({ "spec": { "size": 8 }, "status": { "seen": 8 } });
    let main = api.patch("a", &merge(), &Patch::Merge(&main)).await.unwrap();
    assert_eq!((main.spec.size, main.status.clone().unwrap().seen), (8, Some(7)));
    let mut replaced = main.clone();
    replaced.spec.size = 9;
    replaced.status = Some(WidgetStatus { seen: Some(9) });
    let replaced = api.replace_status("a", &PostParams::default(), &replaced).await.unwrap();
    assert_eq!((replaced.spec.size, replaced.status.unwrap().seen), (8, Some(9)));
    assert_eq!(api.get_status("a").await.unwrap().metadata.generation, Some(2));
    // A kind without the subresource keeps its status in the object, and has no such path.
    let gadgets = gadgets(&server);
    gadgets.create(&PostParams::default(), &Gadget::new("g", GadgetSpec::default())).await.unwrap();
    assert_eq!(refused(gadgets.get_subresource("status", "g").await).code, 404);
}

#[tokio::test]
async fn a_stale_write_conflicts_and_a_name_is_taken_once() {
    let server = server();
    let api = widgets(&server);
    let first = api.create(&PostParams::default(), &widget("a")).await.unwrap();
    insta::assert_snapshot!(why(api.create(&PostParams::default(), &widget("a")).await),
        @r#"409 AlreadyExists: widgets.test.gastown.io "a" already exists"#);
    api.patch("a", &merge(), &Patch::Merge(json!({ "spec": { "size": 2 } }))).await.unwrap();
    let stale = "409 Conflict: Operation cannot be fulfilled on widgets.test.gastown.io \"a\": the object has been \
                 modified; please apply your changes to the latest version and try again";
    assert_eq!(why(api.replace("a", &PostParams::default(), &first).await), stale);
    let patch = json!({ "metadata": { "resourceVersion": first.resource_version() }, "spec": { "size": 3 } });
    assert_eq!(why(api.patch("a", &merge(), &Patch::Merge(&patch)).await), stale);
    assert_eq!(why(api.patch_status("a", &merge(), &Patch::Merge(&patch)).await), stale);
    let mut blind = first;
    blind.metadata.resource_version = None;
    insta::assert_snapshot!(why(api.replace("a", &PostParams::default(), &blind).await),
        @r#"422 Invalid: Widget.test.gastown.io "a" is invalid: metadata.resourceVersion: Invalid value: 0: must be specified for an update"#);
}

#[tokio::test]
async fn what_is_absent_is_not_found() {
    let server = server();
    let api = widgets(&server);
    let expected = "404 NotFound: widgets.test.gastown.io \"b\" not found";
    assert_eq!(why(api.get("b").await), expected);
    assert_eq!(why(api.delete("b", &DeleteParams::default()).await), expected);
    assert_eq!(why(api.patch("b", &merge(), &Patch::Merge(json!({}))).await), expected);
    assert_eq!(api.get_opt("b").await.unwrap(), None);
    let details = refused(api.get("b").await).details.unwrap();
    assert_eq!(
        (details.name.as_str(), details.kind.as_str(), details.group.as_str()),
        ("b", "widgets", "test.gastown.io")
    );
}

#[tokio::test]
async fn what_a_schema_refuses_is_invalid_with_causes() {
    let server = server();
    let api = widgets(&server);
    let mut bad = widget("a");
    bad.spec.rig = String::new();
    bad.spec.size = 10;
    let status = refused(api.create(&PostParams::default(), &bad).await);
    assert_eq!((status.code, status.reason.as_str()), (422, "Invalid"));
    let causes: Vec<_> = status.details.unwrap().causes.into_iter().map(|it| (it.field, it.reason)).collect();
    assert_eq!(
        causes,
        [
            ("spec.rig".to_owned(), "FieldValueInvalid".to_owned()),
            ("spec.size".to_owned(), "FieldValueInvalid".to_owned()),
        ]
    );
    insta::assert_snapshot!(why(api.create(&PostParams::default(), &widget("forbidden")).await),
        @r#"422 Invalid: Widget.test.gastown.io "forbidden" is invalid: <nil>: Invalid value: "object": the name is taken by the house"#);
    api.create(&PostParams::default(), &widget("a")).await.unwrap();
    insta::assert_snapshot!(why(api.patch("a", &merge(), &Patch::Merge(json!({ "spec": { "rig": "other" } }))).await),
        @r#"422 Invalid: Widget.test.gastown.io "a" is invalid: spec.rig: Invalid value: "other": rig is immutable"#);
    for (field, value) in
        [("labels", json!({ "a b": "c" })), ("finalizers", json!(["not ok"])), ("ownerReferences", json!([{}]))]
    {
        let patch = json!({ "metadata": { field: value } });
        assert_eq!(refused(api.patch("a", &merge(), &Patch::Merge(&patch)).await).code, 422, "{field}");
    }
}

#[tokio::test]
async fn hostile_names_are_refused() {
    let server = server();
    for name in ["../x", "a/b", "A", "a\u{0}b", "", "x".repeat(254).as_str()] {
        let (code, _, body) = raw(&server, "POST", WIDGETS, &[], raw_widget(name, &json!({ "rig": "r" }))).await;
        assert_eq!((code, &body["reason"]), (422, &json!("Invalid")), "{name:?}");
    }
    for path in [
        "/apis/test.gastown.io/v1alpha1/namespaces/..%2fx/widgets",
        "/apis/test.gastown.io/v1alpha1/namespaces/A/widgets",
    ] {
        assert_eq!(raw(&server, "GET", path, &[], "").await.0, 400, "{path}");
    }
    assert_eq!(raw(&server, "GET", &format!("{WIDGETS}/..%2f..%2fx"), &[], "").await.0, 404);
}

#[tokio::test]
async fn unknown_fields_are_dropped_warned_of_or_refused() {
    let server = server();
    let body = |name: &str| raw_widget(name, &json!({ "rig": "r", "szie": 4 }));
    let (code, headers, object) = raw(&server, "POST", WIDGETS, &[], body("a")).await;
    assert_eq!((code, &object["spec"]), (201, &json!({ "rig": "r", "size": 3 })));
    assert_eq!(headers["warning"], r#"299 - "unknown field \"spec.szie\"""#);
    let (code, _, status) = raw(&server, "POST", &format!("{WIDGETS}?fieldValidation=Strict"), &[], body("b")).await;
    assert_eq!((code, &status["message"]), (400, &json!("strict decoding error: unknown field \"spec.szie\"")));
    let (code, headers, _) = raw(&server, "POST", &format!("{WIDGETS}?fieldValidation=Ignore"), &[], body("b")).await;
    assert_eq!((code, headers.get("warning")), (201, None));
    // The same through kube.
    let strict = PatchParams { field_validation: Some(ValidationDirective::Strict), ..merge() };
    assert_eq!(
        refused(widgets(&server).patch("b", &strict, &Patch::Merge(json!({ "spec": { "x": 1 } }))).await).code,
        400
    );
}

#[tokio::test]
async fn bad_requests_are_told_apart() {
    let server = server();
    let json_body = raw_widget("a", &json!({ "rig": "r" }));
    let wrong_kind = json_body.replace("\"Widget\"", "\"Gadget\"");
    let too_big = raw_widget("a", &json!({ "rig": "r", "note": "x".repeat(300 * 1024) }));
    let merge = [("content-type", "application/merge-patch+json")];
    let strategic = [("content-type", "application/strategic-merge-patch+json")];
    let item = format!("{WIDGETS}/a");
    for (method, path, headers, body, code, reason) in [
        ("POST", WIDGETS, &[][..], "{", 400, "BadRequest"),
        ("POST", WIDGETS, &[], "[]", 400, "BadRequest"),
        ("POST", WIDGETS, &[], wrong_kind.as_str(), 422, "Invalid"),
        ("POST", WIDGETS, &[], too_big.as_str(), 413, "RequestEntityTooLarge"),
        ("PATCH", &item, &strategic, "{}", 415, "UnsupportedMediaType"),
        ("PATCH", &item, &merge, "{}", 404, "NotFound"),
        ("POST", &item, &[], "{}", 405, "MethodNotAllowed"),
        ("GET", "/apis/other.io/v1/namespaces/town/widgets", &[], "", 404, "NotFound"),
        ("GET", "/apis/test.gastown.io/v1alpha1/namespaces/town/things", &[], "", 404, "NotFound"),
        ("GET", &format!("{WIDGETS}?fieldSelector=spec.size=1"), &[], "", 400, "BadRequest"),
        ("GET", &format!("{WIDGETS}?labelSelector=a%20b"), &[], "", 400, "BadRequest"),
        ("GET", &format!("{WIDGETS}?continue=nope"), &[], "", 400, "BadRequest"),
        ("GET", &format!("{WIDGETS}?resourceVersion=x"), &[], "", 400, "BadRequest"),
    ] {
        let (got, _, status) = raw(&server, method, path, headers, body).await;
        assert_eq!(
            (got, status["reason"].as_str(), &status["kind"]),
            (code, Some(reason), &json!("Status")),
            "{method} {path}"
        );
    }
    let (_, _, status) = raw(&server, "POST", WIDGETS, &[], too_big).await;
    assert!(status["message"].as_str().unwrap().contains("`spec.note`"), "{status}");
}

#[tokio::test]
async fn a_finalizer_holds_an_object_until_it_is_taken_off() {
    let server = server();
    let api = widgets(&server);
    let mut held = widget("a");
    held.metadata.finalizers = Some(vec!["gastown.io/rescue".into()]);
    api.create(&PostParams::default(), &held).await.unwrap();
    let marked = api.delete("a", &DeleteParams::default()).await.unwrap().left().unwrap();
    assert_eq!(marked.metadata.deletion_timestamp.as_ref().unwrap().0.as_second(), START);
    assert_eq!(marked.metadata.generation, Some(2));
    let again = api.delete("a", &DeleteParams::default()).await.unwrap().left().unwrap();
    assert_eq!(again.resource_version(), marked.resource_version(), "already so");
    let more = json!({ "metadata": { "finalizers": ["gastown.io/rescue", "gastown.io/more"] } });
    assert_eq!(refused(api.patch("a", &merge(), &Patch::Merge(&more)).await).code, 422);
    // deletionTimestamp is not a client's to take off.
    let undo = json!({ "metadata": { "deletionTimestamp": null } });
    let kept = api.patch("a", &merge(), &Patch::Merge(&undo)).await.unwrap();
    assert!(kept.metadata.deletion_timestamp.is_some());
    api.patch("a", &merge(), &Patch::Merge(json!({ "metadata": { "finalizers": null } }))).await.unwrap();
    assert_eq!(api.get_opt("a").await.unwrap(), None);
}

#[tokio::test]
async fn a_delete_can_name_which_object_it_means() {
    let server = server();
    let api = widgets(&server);
    let made = api.create(&PostParams::default(), &widget("a")).await.unwrap();
    let only = |uid: Option<String>, resource_version| DeleteParams {
        preconditions: Some(Preconditions { uid, resource_version }),
        ..DeleteParams::default()
    };
    let refusal = refused(api.delete("a", &only(Some("other".into()), None)).await);
    assert_eq!((refusal.code, refusal.reason.as_str()), (409, "Conflict"));
    assert_eq!(refused(api.delete("a", &only(None, Some("1".into()))).await).code, 409);
    let status = api.delete("a", &only(made.uid(), made.resource_version())).await.unwrap().right().unwrap();
    assert!(status.is_success());
    assert_eq!(status.details.unwrap().uid, made.uid().unwrap());
}

fn owned(name: &str, owners: &[&Widget]) -> Gadget {
    let mut gadget = Gadget::new(name, GadgetSpec::default());
    gadget.metadata.owner_references = Some(owners.iter().map(|it| it.owner_ref(&()).unwrap()).collect());
    gadget
}

#[tokio::test]
async fn dependents_go_with_their_last_owner() {
    let server = server();
    let (widgets, gadgets) = (widgets(&server), gadgets(&server));
    let post = PostParams::default();
    let a = widgets.create(&post, &widget("a")).await.unwrap();
    let b = widgets.create(&post, &widget("b")).await.unwrap();
    gadgets.create(&post, &owned("of-a", &[&a])).await.unwrap();
    gadgets.create(&post, &owned("of-both", &[&a, &b])).await.unwrap();
    let mut foreign = Gadget::new("of-a-pod", GadgetSpec::default());
    let pod = OwnerReference {
        api_version: "v1".into(),
        kind: "Pod".into(),
        name: "p".into(),
        uid: "u".into(),
        ..Default::default()
    };
    foreign.metadata.owner_references = Some(vec![pod]);
    gadgets.create(&post, &foreign).await.unwrap();
    let names = async || -> Vec<String> {
        gadgets.list(&ListParams::default()).await.unwrap().iter().map(ResourceExt::name_any).collect()
    };
    widgets.delete("a", &DeleteParams::default()).await.unwrap();
    assert_eq!(names().await, ["of-a-pod", "of-both"]);
    let both = gadgets.get("of-both").await.unwrap();
    assert_eq!(both.owner_references().iter().map(|it| it.name.as_str()).collect::<Vec<_>>(), ["b"]);
    // One that is made after its owner has gone goes too.
    gadgets.create(&post, &owned("late", &[&a])).await.unwrap();
    assert_eq!(names().await, ["of-a-pod", "of-both"]);
    widgets.delete("b", &DeleteParams::default()).await.unwrap();
    assert_eq!(names().await, ["of-a-pod"]);
}

#[tokio::test]
async fn many_dependents_are_collected_a_bounded_batch_at_a_time() {
    let server = server();
    let (widgets, gadgets) = (widgets(&server), gadgets(&server));
    let a = widgets.create(&PostParams::default(), &widget("a")).await.unwrap();
    for n in 0..600 {
        let mut gadget = owned(&format!("g{n:03}"), &[&a]);
        // Those with a finalizer stay, marked; they must not hold up the others.
        if n < 300 {
            gadget.metadata.finalizers = Some(vec!["test.io/hold".into()]);
        }
        gadgets.create(&PostParams::default(), &gadget).await.unwrap();
    }
    let before = server.counters().commits;
    widgets.delete("a", &DeleteParams::default()).await.unwrap();
    assert_eq!(server.counters().commits - before, 3, "600 dependents, at most 256 a batch");
    let left = gadgets.list(&ListParams::default()).await.unwrap();
    assert_eq!(left.items.len(), 300);
    assert!(left.iter().all(|it| it.metadata.deletion_timestamp.is_some()));
}

#[tokio::test]
async fn selectors_choose_by_labels_and_declared_fields() {
    let server = server();
    let api = widgets(&server);
    for (name, labels, rig) in
        [("a", &[("tier", "web"), ("env", "prod")][..], "shop"), ("b", &[("tier", "db")], "shop"), ("c", &[], "site")]
    {
        let mut it = labelled(name, labels);
        it.spec.rig = rig.into();
        api.create(&PostParams::default(), &it).await.unwrap();
    }
    for (labels, fields, expected) in [
        ("tier=web", "", &["a"][..]),
        ("tier!=web", "", &["b", "c"]),
        ("tier in (web,db)", "", &["a", "b"]),
        ("tier notin (web)", "", &["b", "c"]),
        ("tier", "", &["a", "b"]),
        ("!env", "", &["b", "c"]),
        ("tier,env!=prod", "", &["b"]),
        ("", "spec.rig=shop", &["a", "b"]),
        ("", "spec.rig!=shop", &["c"]),
        ("", "metadata.name=b", &["b"]),
        ("", "metadata.name!=b,spec.rig=shop", &["a"]),
        ("tier=db", "spec.rig=site", &[]),
    ] {
        let params = ListParams::default().labels(labels).fields(fields);
        let names: Vec<_> = api.list(&params).await.unwrap().iter().map(ResourceExt::name_any).collect();
        assert_eq!(names, expected, "{labels} {fields}");
    }
    // What changes is selected anew.
    api.patch("b", &merge(), &Patch::Merge(json!({ "metadata": { "labels": { "tier": "web" } } }))).await.unwrap();
    assert_eq!(api.list(&ListParams::default().labels("tier=web")).await.unwrap().items.len(), 2);
    assert_eq!(api.list(&ListParams::default().labels("tier=db")).await.unwrap().items.len(), 0);
}

#[tokio::test]
async fn pages_share_the_first_ones_resource_version() {
    let server = server();
    let api = widgets(&server);
    for name in ["a", "b", "c", "d", "e"] {
        api.create(&PostParams::default(), &widget(name)).await.unwrap();
    }
    let first = api.list(&ListParams::default().limit(2)).await.unwrap();
    let token = first.metadata.continue_.clone().unwrap();
    api.patch("a", &merge(), &Patch::Merge(json!({ "spec": { "size": 5 } }))).await.unwrap();
    let second = api.list(&ListParams::default().limit(2).continue_token(&token)).await.unwrap();
    assert_eq!(second.metadata.resource_version, first.metadata.resource_version);
    let token = second.metadata.continue_.clone().unwrap();
    let third = api.list(&ListParams::default().limit(2).continue_token(&token)).await.unwrap();
    assert_eq!(third.metadata.continue_, None);
    let names: Vec<_> = [first, second, third].iter().flatten().map(ResourceExt::name_any).collect();
    assert_eq!(names, ["a", "b", "c", "d", "e"]);
    server.compact();
    let gone = refused(api.list(&ListParams::default().limit(2).continue_token(&token)).await);
    assert_eq!((gone.code, gone.reason.as_str()), (410, "Expired"));
}

#[tokio::test]
async fn lists_answer_for_the_resource_version_they_are_asked_for() {
    let server = server();
    let api = widgets(&server);
    let a = api.create(&PostParams::default(), &widget("a")).await.unwrap();
    let at = |version: &str| ListParams::default().at(version);
    assert_eq!(api.list(&at("0")).await.unwrap().items.len(), 1);
    assert_eq!(api.list(&at(&a.resource_version().unwrap())).await.unwrap().items.len(), 1);
    let future = (a.resource_version().unwrap().parse::<i64>().unwrap() + 9).to_string();
    assert_eq!(refused(api.list(&at(&future)).await).code, 504);
    let exact = at(&a.resource_version().unwrap()).matching(kube::api::VersionMatch::Exact);
    assert_eq!(api.list(&exact).await.unwrap().items.len(), 1);
    api.create(&PostParams::default(), &widget("b")).await.unwrap();
    assert_eq!(refused(api.list(&exact).await).code, 410);
}

#[tokio::test]
async fn a_dry_run_decides_and_writes_nothing() {
    let server = server();
    let api = widgets(&server);
    let dry = PostParams { dry_run: true, ..PostParams::default() };
    assert_eq!(api.create(&dry, &widget("a")).await.unwrap().spec.size, 1);
    assert_eq!(api.get_opt("a").await.unwrap(), None);
    api.create(&PostParams::default(), &widget("a")).await.unwrap();
    assert_eq!(refused(api.create(&dry, &widget("a")).await).reason, "AlreadyExists");
    let patched = api.patch("a", &merge().dry_run(), &Patch::Merge(json!({ "spec": { "size": 4 } }))).await.unwrap();
    assert_eq!((patched.spec.size, api.get("a").await.unwrap().spec.size), (4, 1));
    api.delete("a", &DeleteParams { dry_run: true, ..DeleteParams::default() }).await.unwrap();
    assert!(api.get_opt("a").await.unwrap().is_some());
}

#[tokio::test]
async fn names_are_generated_and_collections_deleted() {
    let server = server();
    let api = widgets(&server);
    let mut unnamed = widget("x");
    unnamed.metadata.name = None;
    unnamed.metadata.generate_name = Some("w-".into());
    let one = api.create(&PostParams::default(), &unnamed).await.unwrap().name_any();
    let two = api.create(&PostParams::default(), &unnamed).await.unwrap().name_any();
    assert!(one != two && one.starts_with("w-") && one.len() == 7, "{one} {two}");
    api.create(&PostParams::default(), &labelled("kept", &[("keep", "yes")])).await.unwrap();
    api.delete_collection(&DeleteParams::default(), &ListParams::default().labels("!keep")).await.unwrap();
    let left: Vec<_> = api.list(&ListParams::default()).await.unwrap().iter().map(ResourceExt::name_any).collect();
    assert_eq!(left, ["kept"]);
}

#[tokio::test]
async fn the_guard_sees_who_asks_and_both_versions() {
    let mut options = options();
    options.guard = |request| match (request.actor, request.old, request.new) {
        (Some("agent"), Some(old), Some(new)) if old["spec"] != new["spec"] => {
            Err("agents may not change the spec".into())
        }
        _ => Ok(()),
    };
    let server = Server::open(&Place::Memory, Writer::Inline, options).unwrap();
    widgets(&server).create(&PostParams::default(), &widget("a")).await.unwrap();
    let patch = |who: &'static str, body: &'static str| {
        let server = server.clone();
        async move {
            let headers = [("content-type", "application/merge-patch+json"), ("x-gastown-actor", who)];
            let (code, _, status) = raw(&server, "PATCH", &format!("{WIDGETS}/a"), &headers, body).await;
            (code, status["message"].as_str().map(str::to_owned))
        }
    };
    let message = "widgets.test.gastown.io \"a\" is forbidden: agents may not change the spec";
    assert_eq!(patch("agent", r#"{"spec":{"size":2}}"#).await, (403, Some(message.to_owned())));
    assert_eq!(patch("agent", r#"{"metadata":{"labels":{"a":"b"}}}"#).await.0, 200);
    assert_eq!(patch("person", r#"{"spec":{"size":2}}"#).await.0, 200);
}

#[tokio::test]
async fn discovery_names_what_is_served() {
    let server = server();
    let client = server.client("town");
    let groups = client.list_api_groups().await.unwrap();
    let names: Vec<_> = groups.groups.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["events.k8s.io", "test.gastown.io"]);
    let resources = client.list_api_group_resources("test.gastown.io/v1alpha1").await.unwrap();
    let names: Vec<_> = resources.resources.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["widgets", "widgets/status", "gadgets"]);
    assert_eq!(client.apiserver_version().await.unwrap().major, "1");
    let gvk = kube::core::GroupVersionKind::gvk("test.gastown.io", "v1alpha1", "Widget");
    let (found, _) = kube::discovery::oneshot::pinned_kind(&client, &gvk).await.unwrap();
    assert_eq!(found.plural, "widgets");
}

#[tokio::test]
async fn every_kind_of_a_town_can_be_served() {
    let kinds = KINDS.iter().copied().map(Served::registered).collect();
    let options = gastown::api::Options { kinds, ..options() };
    let server = Server::open(&Place::Memory, Writer::Inline, options).unwrap();
    let resources = server.client("town").list_api_group_resources("gastown.io/v1alpha1").await.unwrap();
    assert_eq!(resources.resources.iter().filter(|it| !it.name.contains('/')).count(), KINDS.len());
}
