//! Two small kinds and a server for the tests of the API.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use gastown::api::guard::allow_all;
use gastown::api::{Options, Place, Served, Server, Writer};
use gastown::clock::{Clock, CountingIds};
use jiff::Timestamp;
use kube::{Api, CustomResource, CustomResourceExt, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(CustomResource, Debug, Clone, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "test.gastown.io",
    version = "v1alpha1",
    kind = "Widget",
    namespaced,
    status = "WidgetStatus",
    shortname = "wd",
    selectable = ".spec.rig",
    validation = Rule::new("self.metadata.name != 'forbidden'").message("the name is taken by the house"),
    derive = "Default",
    derive = "PartialEq"
)]
#[serde(rename_all = "camelCase")]
pub struct WidgetSpec {
    #[schemars(length(min = 1, max = 20))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("rig is immutable"))]
    pub rig: String,
    #[serde(default = "three")]
    #[schemars(range(min = 0, max = 9))]
    pub size: i32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

fn three() -> i32 {
    3
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WidgetStatus {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<i32>,
}

/// A kind without a status subresource.
#[derive(CustomResource, Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(group = "test.gastown.io", version = "v1alpha1", kind = "Gadget", namespaced)]
pub struct GadgetSpec {
    #[serde(default)]
    pub note: String,
}

pub fn kinds() -> Vec<Served> {
    [Widget::crd(), Gadget::crd()].iter().map(|crd| Served::defined(crd).unwrap()).collect()
}

/// A clock that only tests move, in seconds.
pub struct TestClock(pub AtomicI64);

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.0.load(Ordering::Relaxed)).unwrap()
    }
}

/// 2026-01-01T00:00:00Z.
pub const START: i64 = 1_767_225_600;

pub fn options() -> Options {
    let clock = Arc::new(TestClock(AtomicI64::new(START)));
    Options {
        kinds: kinds(),
        clock,
        ids: Arc::new(CountingIds::new(7)),
        guard: allow_all,
        namespaces: None,
        facts: None,
    }
}

pub fn server() -> Server {
    Server::open(&Place::Memory, Writer::Inline, options()).unwrap()
}

pub fn widgets(server: &Server) -> Api<Widget> {
    Api::namespaced(server.client("town"), "town")
}

pub fn gadgets(server: &Server) -> Api<Gadget> {
    Api::namespaced(server.client("town"), "town")
}

pub fn widget(name: &str) -> Widget {
    Widget::new(name, WidgetSpec { rig: "shop".into(), size: 1, note: None })
}

pub fn labelled(name: &str, labels: &[(&str, &str)]) -> Widget {
    let mut it = widget(name);
    it.metadata.labels = Some(labels.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect());
    it
}

/// The `Status` of a request that must fail.
#[track_caller]
pub fn refused<T: std::fmt::Debug>(result: kube::Result<T>) -> kube::core::Status {
    match result.unwrap_err() {
        kube::Error::Api(status) => *status,
        other => panic!("not a Status: {other:?}"),
    }
}

/// `code reason: message` of a request that must fail.
#[track_caller]
pub fn why<T: std::fmt::Debug>(result: kube::Result<T>) -> String {
    let status = refused(result);
    format!("{} {}: {}", status.code, status.reason, status.message)
}

/// Sends a request as it is, and answers code, headers and body.
pub async fn raw(
    server: &Server,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<Vec<u8>>,
) -> (u16, http::HeaderMap, Value) {
    use http_body_util::BodyExt;
    use tower::ServiceExt;
    let mut request = http::Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(axum::body::Body::from(body.into())).unwrap();
    let response = server.router().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    (parts.status.as_u16(), parts.headers, serde_json::from_slice(&bytes).unwrap_or(json!(null)))
}

pub const WIDGETS: &str = "/apis/test.gastown.io/v1alpha1/namespaces/town/widgets";

pub fn raw_widget(name: &str, spec: &Value) -> String {
    json!({ "apiVersion": "test.gastown.io/v1alpha1", "kind": "Widget", "metadata": { "name": name }, "spec": spec })
        .to_string()
}
