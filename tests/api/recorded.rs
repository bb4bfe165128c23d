//! The writes that were once sent to a kube-apiserver 1.37.2, in their order, with its answers: the same come back here.
//!
//! `kube_answers.json` is a list of requests. A body is given, or made of what is stored (`current`) with some fields `set`
//! and others `remove`d; `$uid:rigs/r1` and `$rv:beads/b1` stand for what the server has given out. Of an answer counts the
//! code, the warnings, the reason, the fields of the causes, and the object without what differs from run to run; owners of
//! fields count for what was applied, because objects that nobody applies have none here (see `crds/src/apply`). Left out is
//! the cause that says that CEL rules were not checked.
//!
//! `kube_differences.txt` names each answer that is meant to differ, and why; one that no longer differs is a failure too.

use std::collections::BTreeMap;

use crate::support::raw;
use gastown::api::{Options, Place, Served, Server, Writer};
use gastown_crds::KINDS;
use http::HeaderMap;
use serde_json::{Value, json};

/// Fields with a default that kinds got since the recording: left out where the recording does not have them.
const FIELDS_SINCE: [&str; 4] = ["/status/consecutiveFailures", "/spec/onRemove", "/spec/resources", "/spec/suspend"];

const BASE: &str = "/apis/gastown.io/v1alpha1";

fn server() -> Server {
    let kinds = KINDS.iter().copied().map(Served::registered).collect();
    let options = Options { kinds, namespaces: Some(vec!["lab".into()]), ..crate::support::options() };
    Server::open(&Place::Memory, Writer::Inline, options).unwrap()
}

async fn current(server: &Server, object: &str) -> Value {
    raw(server, "GET", &format!("{BASE}/namespaces/lab/{object}"), &[], "").await.2
}

/// Puts in what the server has given out.
async fn resolved(server: &Server, value: &Value) -> Value {
    let mut text = value.to_string();
    for (sign, field) in [("$uid:", "uid"), ("$rv:", "resourceVersion")] {
        while let Some(start) = text.find(sign) {
            let length = text[start..].find('"').unwrap();
            let object = current(server, &text[start + sign.len()..start + length]).await;
            text.replace_range(start..start + length, object["metadata"][field].as_str().unwrap());
        }
    }
    serde_json::from_str(&text).unwrap()
}

fn put(object: &mut Value, pointer: &str, value: Option<&Value>) {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let Some(parent) = object.pointer_mut(parent).and_then(Value::as_object_mut) else { return };
    match value {
        Some(value) => drop(parent.insert(name.to_owned(), value.clone())),
        None => drop(parent.remove(name)),
    }
}

async fn body(server: &Server, step: &Value) -> String {
    if let Some(text) = step["raw"].as_str() {
        return text.to_owned();
    }
    let Some(name) = step["current"].as_str() else {
        return match step.get("body") {
            Some(body) => resolved(server, body).await.to_string(),
            None => String::new(),
        };
    };
    let mut object = current(server, name).await;
    for (pointer, value) in step["set"].as_object().into_iter().flatten() {
        put(&mut object, pointer, Some(value));
    }
    for pointer in step["remove"].as_array().into_iter().flatten() {
        put(&mut object, pointer.as_str().unwrap(), None);
    }
    object.to_string()
}

/// What counts of an answer.
fn answer(label: &str, code: u16, headers: &HeaderMap, body: &Value) -> Value {
    let mut answer = json!({ "code": code });
    let warnings: Vec<_> = headers.get_all("warning").iter().map(|it| it.to_str().unwrap()).collect();
    let text = |it: &&str| serde_json::from_str::<String>(it.strip_prefix("299 - ").unwrap()).unwrap();
    if !warnings.is_empty() {
        answer["warnings"] = warnings.iter().map(text).collect();
    }
    if body["kind"] == "Status" {
        if let Some(reason) = body.get("reason") {
            answer["reason"] = reason.clone();
        }
        let causes = body.pointer("/details/causes").and_then(Value::as_array).into_iter().flatten();
        let mut fields: Vec<_> = causes.map(|it| it["field"].as_str().unwrap_or_default()).collect();
        fields.sort_unstable();
        if !fields.is_empty() {
            answer["fields"] = json!(fields);
        }
        if body["status"] == "Success" {
            answer["success"] = json!(true);
        }
    } else if let Some(items) = body["items"].as_array() {
        answer["items"] = items.iter().map(|it| it["metadata"]["name"].clone()).collect();
    } else if let Some(mut object) = body.get("metadata").map(|_| body.clone()) {
        let metadata = object["metadata"].as_object_mut().unwrap();
        if !label.starts_with("patch apply") {
            metadata.remove("managedFields");
        }
        for field in ["uid", "creationTimestamp", "resourceVersion"] {
            metadata.remove(field);
        }
        if metadata.contains_key("generateName") {
            metadata.remove("name");
        }
        if let Some(time) = metadata.get_mut("deletionTimestamp") {
            *time = json!("TIME");
        }
        for entry in metadata.get_mut("managedFields").and_then(Value::as_array_mut).into_iter().flatten() {
            entry["time"] = json!("TIME");
        }
        for owner in metadata.get_mut("ownerReferences").and_then(Value::as_array_mut).into_iter().flatten() {
            owner["uid"] = json!("UID");
        }
        answer["object"] = object;
    }
    answer
}

fn query(step: &Value) -> String {
    let encoded = |text: &str| text.replace('=', "%3D");
    let pair = |(name, value): (&String, &Value)| format!("{name}={}", encoded(value.as_str().unwrap()));
    let pairs: Vec<_> = step["query"].as_object().into_iter().flatten().map(pair).collect();
    if pairs.is_empty() { String::new() } else { format!("?{}", pairs.join("&")) }
}

#[tokio::test]
async fn writes_are_answered_as_a_kube_apiserver_answers_them() {
    let steps: Vec<Value> = serde_json::from_str(include_str!("kube_answers.json")).unwrap();
    let listed = include_str!("kube_differences.txt").lines().filter(|line| !line.starts_with('#'));
    let mut expected: BTreeMap<&str, &str> = listed.filter_map(|line| line.split_once(" | ")).collect();
    let server = server();
    let (mut wrong, mut same) = (Vec::new(), 0);
    for step in &steps {
        let path = format!("{BASE}/{}{}", step["path"].as_str().unwrap(), query(step));
        let media_type = step["contentType"].as_str().unwrap_or_default();
        let headers = if media_type.is_empty() { vec![] } else { vec![("content-type", media_type)] };
        let body = body(&server, step).await;
        let (code, headers, answered) = raw(&server, step["method"].as_str().unwrap(), &path, &headers, body).await;
        // What has no label prepares what follows.
        let Some(label) = step["label"].as_str() else { continue };
        let mut got = answer(label, code, &headers, &answered);
        let kube = &step["answer"];
        for pointer in FIELDS_SINCE.iter().filter(|it| kube["object"].pointer(it).is_none()) {
            if let Some(object) = got.get_mut("object") {
                put(object, pointer, None);
            }
        }
        let is_same = got == *kube;
        match (is_same, expected.remove(label)) {
            (true, None) => same += 1,
            (false, Some(_)) => {}
            (true, Some(why)) => wrong.push(format!("{label}: is the same, although: {why}")),
            (false, None) => wrong.push(format!("{label}:\n  here {got}\n  kube {kube}")),
        }
    }
    let unasked = expected.keys().map(|label| format!("{label}: there is no such request"));
    wrong.extend(unasked);
    assert!(wrong.is_empty(), "{same} are the same; {} are not as expected:\n{}", wrong.len(), wrong.join("\n"));
    assert!(same > 150, "only {same} answers are the same");
}
