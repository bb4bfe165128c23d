//! JSON patches: operations in order, all of them or none.

use crate::support::*;
use kube::ResourceExt;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::json;

#[tokio::test]
async fn a_json_patch_is_done_whole_or_not_at_all() {
    let server = server();
    let api = widgets(&server);
    let made = api.create(&PostParams::default(), &widget("a")).await.unwrap();
    let patch = |operations: serde_json::Value| {
        let patch: json_patch::Patch = serde_json::from_value(operations).unwrap();
        let api = api.clone();
        async move { api.patch("a", &PatchParams::default(), &Patch::Json::<()>(patch)).await }
    };
    let changed = patch(json!([
        { "op": "test", "path": "/spec/size", "value": 1 },
        { "op": "replace", "path": "/spec/size", "value": 2 },
        { "op": "add", "path": "/metadata/labels", "value": { "a": "b" } },
        { "op": "copy", "from": "/spec/rig", "path": "/spec/note" },
        { "op": "move", "from": "/metadata/labels/a", "path": "/metadata/labels/c" },
    ]));
    let changed = changed.await.unwrap();
    assert_eq!((changed.spec.size, changed.spec.note.as_deref()), (2, Some("shop")));
    assert_eq!(changed.labels().iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>(), ["c=b"]);
    for operations in [
        json!([{ "op": "remove", "path": "/spec/note" }, { "op": "test", "path": "/spec/size", "value": 9 }]),
        json!([{ "op": "remove", "path": "/spec/none" }]),
        json!([{ "op": "replace", "path": "/spec/size", "value": 10 }]),
        json!([{ "op": "remove", "path": "/spec/rig" }]),
    ] {
        let status = refused(patch(operations.clone()).await);
        assert_eq!((status.code, status.reason.as_str()), (422, "Invalid"), "{operations}");
    }
    let stale = json!([{ "op": "replace", "path": "/metadata/resourceVersion", "value": made.resource_version() }]);
    assert_eq!(refused(patch(stale).await).code, 409);
    assert_eq!(api.get("a").await.unwrap(), changed);
    let headers = [("content-type", "application/json-patch+json")];
    for (body, code) in [("{\"a\":1}", 400), ("[{\"op\":\"frob\",\"path\":\"/a\"}]", 400), ("[", 400), ("[]", 200)] {
        assert_eq!(raw(&server, "PATCH", &format!("{WIDGETS}/a"), &headers, body).await.0, code, "{body}");
    }
    let status = json!([{ "op": "add", "path": "/status", "value": { "seen": 4 } }]).to_string();
    let (code, _, object) = raw(&server, "PATCH", &format!("{WIDGETS}/a/status"), &headers, status).await;
    assert_eq!((code, &object["status"]), (200, &json!({ "seen": 4 })));
}
