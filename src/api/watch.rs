//! Watches: a stream of changes behind a cursor, encoded as the frames of the Kubernetes API.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::StatusCode;
use serde_json::{Value, json};
use tokio::time::{Instant, Sleep};

use super::Server;
use super::kind::Served;
use super::options;
use super::route::{Parameters, is_true, revision};
use super::selector;
use super::status::{ApiError, json_response};
use super::store::{Event, Next, PageRequest, Selector, Subscription, Verb};

/// The longest that one watch may ask to last, in seconds; clients of an apiserver ask for at most ten minutes.
const TIMEOUT_SECONDS_MAX: u64 = 24 * 60 * 60;

struct Watch {
    server: Server,
    kind: Arc<Served>,
    ns: Option<String>,
    selector: Selector,
    wants_bookmarks: bool,
    deadline: Option<Pin<Box<Sleep>>>,
    pending: VecDeque<Bytes>,
    subscription: Subscription,
    is_over: bool,
}

/// Answers a watch of a kind.
pub(super) fn watch(
    server: &Server,
    kind: &Arc<Served>,
    ns: Option<&str>,
    parameters: &Parameters,
) -> Result<Response, ApiError> {
    let selector = selector::parse(kind, &parameters.label_selector, &parameters.field_selector)?;
    let asked = revision(&parameters.resource_version)?;
    let wants_bookmarks = is_true(&parameters.allow_watch_bookmarks);
    options::check_list(parameters, true)?;
    let initial = parameters.send_initial_events.as_deref();
    let is_streaming_list = initial.is_some_and(is_true);
    let mut pending = VecDeque::new();
    let store = &server.inner.store;
    let is_from_state = asked.unwrap_or(0) == 0 && initial.is_none_or(is_true);
    let after = if is_streaming_list || is_from_state {
        let request = PageRequest {
            kind: kind.rows.clone(),
            ns: ns.map(str::to_owned),
            selector: selector.clone(),
            after: None,
            objects_max: None,
        };
        let page = store.page(&request)?;
        pending.extend(page.rows.iter().map(|row| frame("ADDED", &kind.shown(&row.object))));
        if is_streaming_list && wants_bookmarks {
            pending.push_back(bookmark(kind, page.revision, true));
        }
        page.revision
    } else {
        asked.filter(|it| *it > 0).unwrap_or_else(|| store.published())
    };
    // A revision that was never given out comes from another store: its holder must list again.
    let is_unknown = after > store.published() && after > store.revision()?;
    if is_unknown {
        pending.push_back(expired(after, store.published()));
    }
    let timeout = parameters.timeout_seconds.filter(|it| *it > 0).map(|it| it.min(TIMEOUT_SECONDS_MAX));
    let watch = Watch {
        server: server.clone(),
        kind: kind.clone(),
        ns: ns.map(str::to_owned),
        selector,
        wants_bookmarks,
        deadline: timeout.map(|it| Box::pin(tokio::time::sleep(Duration::from_secs(it)))),
        pending,
        subscription: store.subscribe(&kind.rows, after),
        is_over: is_unknown,
    };
    let stream = futures::stream::unfold(watch, |mut watch| async move {
        let bytes = watch.next().await?;
        Some((Ok::<_, Infallible>(bytes), watch))
    });
    Ok(json_response(StatusCode::OK, Body::from_stream(stream)))
}

impl Watch {
    /// The next bytes to send, or the end.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(bytes) = self.pending.pop_front() {
                return Some(bytes);
            }
            if self.is_over {
                return None;
            }
            if self.deadline.as_ref().is_some_and(|it| it.deadline() <= Instant::now()) {
                self.end();
                continue;
            }
            match self.subscription.look() {
                Next::Events(events) => {
                    let mut bytes = Vec::new();
                    for event in &events {
                        self.encode(event, &mut bytes);
                    }
                    if !bytes.is_empty() {
                        return Some(bytes.into());
                    }
                }
                Next::Expired => {
                    self.is_over = true;
                    let store = &self.server.inner.store;
                    self.pending.push_back(expired(self.subscription.seen(), store.compacted(&self.kind.rows)));
                }
                Next::Ended => self.end(),
                Next::Wait => match &mut self.deadline {
                    None => self.subscription.changed().await,
                    Some(deadline) => tokio::select! {
                        biased;
                        () = self.subscription.changed() => {}
                        () = deadline => self.end(),
                    },
                },
            }
        }
    }

    /// Ends in good order: the client knows how far it has seen, and resumes there.
    fn end(&mut self) {
        self.is_over = true;
        if self.wants_bookmarks {
            let bookmark = bookmark(&self.kind, self.subscription.seen(), false);
            self.pending.push_back(bookmark);
        }
    }

    /// Appends the frame of a change, if the watch selects the object or did so before.
    fn encode(&self, event: &Event, bytes: &mut Vec<u8>) {
        if event.key.kind != self.kind.rows || self.ns.as_ref().is_some_and(|ns| *ns != event.key.ns) {
            return;
        }
        let is_selected = event.verb != Verb::Deleted && self.selector.selects(&event.key, &event.marks);
        let before = event.old.as_ref().filter(|old| self.selector.selects(&event.key, &old.1));
        let (verb, object) = match (before, is_selected) {
            (None, false) => return,
            (None, true) => ("ADDED", event.object.to_string()),
            (Some(_), true) => ("MODIFIED", event.object.to_string()),
            (Some(_), false) if event.verb == Verb::Deleted => ("DELETED", event.object.to_string()),
            // It has left the selection: for this watch that is its end, in the state that was last selected.
            (Some(old), false) => ("DELETED", at_revision(&old.0, event.revision)),
        };
        bytes.extend_from_slice(&frame(verb, &self.kind.shown(&object)));
    }
}

fn at_revision(object: &str, revision: i64) -> String {
    let Ok(mut value) = serde_json::from_str::<Value>(object) else { return object.to_owned() };
    value["metadata"]["resourceVersion"] = Value::from(revision.to_string());
    value.to_string()
}

fn frame(verb: &str, object: &str) -> Bytes {
    format!("{{\"type\":\"{verb}\",\"object\":{object}}}\n").into()
}

fn bookmark(kind: &Served, revision: i64, is_end_of_list: bool) -> Bytes {
    let mut metadata = json!({ "resourceVersion": revision.to_string(), "creationTimestamp": null });
    if is_end_of_list {
        metadata["annotations"] = json!({ "k8s.io/initial-events-end": "true" });
    }
    let object = json!({ "kind": kind.kind, "apiVersion": kind.api_version, "metadata": metadata });
    frame("BOOKMARK", &object.to_string())
}

fn expired(asked: i64, oldest: i64) -> Bytes {
    let error = ApiError::expired(format!("too old resource version: {asked} ({oldest})"));
    frame("ERROR", &error.object().to_string())
}
