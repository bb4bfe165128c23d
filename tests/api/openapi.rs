//! OpenAPI and the core group: what kubectl and other clients ask before they write, explain or edit.

use crate::support::*;
use gastown::api::{Options, Place, Served, Server, Writer};
use gastown_crds::{KINDS, Role};
use serde_json::{Value, json};

async fn get(server: &Server, path: &str) -> (u16, http::HeaderMap, Value) {
    raw(server, "GET", path, &[], "").await
}

fn town() -> Server {
    let kinds = KINDS.iter().copied().map(Served::registered).collect();
    let options = Options { kinds, namespaces: Some(vec!["town".into()]), ..options() };
    Server::open(&Place::Memory, Writer::Inline, options).unwrap()
}

#[tokio::test]
async fn each_group_version_has_a_document_that_its_hash_names() {
    let server = town();
    let (_, _, index) = get(&server, "/openapi/v3").await;
    let url = index["paths"]["apis/gastown.io/v1alpha1"]["serverRelativeURL"].as_str().unwrap();
    let (path, hash) = url.split_once("?hash=").unwrap();
    assert_eq!(path, "/openapi/v3/apis/gastown.io/v1alpha1");
    let (code, headers, document) = get(&server, url).await;
    assert_eq!((code, headers["etag"].to_str().unwrap()), (200, format!("\"{hash}\"").as_str()));
    assert_eq!(document["openapi"], "3.0.0");
    assert_eq!(get(&server, "/openapi/v3/apis/gastown.io/v9").await.0, 404);
    // The same kinds make the same document.
    assert_eq!(get(&town(), "/openapi/v3").await.2, index);
}

#[tokio::test]
async fn every_reference_of_a_document_leads_to_a_schema() {
    fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(map) => {
                found.extend(map.get("$ref").and_then(Value::as_str));
                map.values().for_each(|value| references(value, found));
            }
            Value::Array(list) => list.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }
    let (_, _, document) = get(&town(), "/openapi/v3/apis/gastown.io/v1alpha1").await;
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 100, "{}", found.len());
    for reference in found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some_and(Value::is_object), "{reference}");
    }
}

#[tokio::test]
async fn a_document_says_what_each_kind_is_and_which_options_a_write_has() {
    let server = town();
    let (_, _, document) = get(&server, "/openapi/v3/apis/gastown.io/v1alpha1").await;
    for kind in KINDS {
        let gvk = json!({ "group": "gastown.io", "version": "v1alpha1", "kind": kind.name });
        let schema = &document["components"]["schemas"][format!("io.gastown.v1alpha1.{}", kind.name)];
        assert_eq!(schema["x-kubernetes-group-version-kind"], json!([gvk]), "{}", kind.name);
        for field in ["apiVersion", "kind", "metadata", "spec"] {
            assert!(schema["properties"][field].is_object(), "{} {field}", kind.name);
        }
        assert!(schema["properties"]["spec"]["description"].is_string(), "{}", kind.name);
        let path = format!("/apis/gastown.io/v1alpha1/namespaces/{{namespace}}/{}/{{name}}", kind.plural);
        let patch = &document["paths"][&path]["patch"];
        assert_eq!(patch["x-kubernetes-group-version-kind"], gvk);
        let options: Vec<_> = patch["parameters"].as_array().unwrap().iter().map(|it| &it["name"]).collect();
        assert_eq!(options, ["dryRun", "fieldManager", "fieldValidation", "force"], "{}", kind.name);
        // Records are written once and have none.
        let has_status = kind.role == Role::Reconciled;
        assert_eq!(document["paths"][format!("{path}/status")]["patch"].is_object(), has_status, "{}", kind.name);
    }
    let metadata = &document["components"]["schemas"]["io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"];
    assert!(metadata["properties"]["labels"]["description"].is_string(), "{metadata}");
    // Every path is one that is served.
    let served = |path: &String| path.replace("{namespace}", "town").replace("{name}", "absent");
    for path in document["paths"].as_object().unwrap().keys() {
        let (code, _, body) = get(&server, &served(path)).await;
        assert!(code == 200 || body["message"].as_str().unwrap().contains("\"absent\" not found"), "{path}: {body}");
    }
}

#[tokio::test]
async fn a_town_is_a_namespace_of_the_core_group() {
    let server = town();
    assert_eq!(get(&server, "/api").await.2["versions"], json!(["v1"]));
    let (_, _, resources) = get(&server, "/api/v1").await;
    assert_eq!(
        (&resources["kind"], &resources["resources"][0]["name"]),
        (&json!("APIResourceList"), &json!("namespaces"))
    );
    let (code, _, namespace) = get(&server, "/api/v1/namespaces/town").await;
    assert_eq!((code, &namespace["kind"], &namespace["status"]["phase"]), (200, &json!("Namespace"), &json!("Active")));
    let (_, _, list) = get(&server, "/api/v1/namespaces").await;
    assert_eq!((list["kind"].as_str(), &list["items"]), (Some("NamespaceList"), &json!([namespace])));
    let (code, _, status) = get(&server, "/api/v1/namespaces/twon").await;
    assert_eq!((code, &status["message"]), (404, &json!("namespaces \"twon\" not found")));
    assert_eq!(raw(&server, "DELETE", "/api/v1/namespaces/town", &[], "").await.0, 405);
    // The same as kube's types read it.
    let client = server.client("town");
    let all = kube::Api::<k8s_openapi::api::core::v1::Namespace>::all(client.clone());
    assert_eq!(all.list(&kube::api::ListParams::default()).await.unwrap().items.len(), 1);
    assert_eq!(client.list_core_api_versions().await.unwrap().versions, ["v1"]);
}
