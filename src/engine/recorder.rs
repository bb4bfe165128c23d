//! The recorder: what controllers tell becomes Events in the API, beside everything else.
//!
//! Best effort: it has a buffer with a bound, writes one lot at a time, and drops what cannot be written. Nothing waits for
//! it, nothing fails with it, and no decision rests on what it wrote.

use std::collections::{BTreeSet, VecDeque};

use futures::future::join_all;
use gastown_controllers::told::Told;
use gastown_controllers::world::Owner;
use gastown_crds::common::API_VERSION;
use jiff::Timestamp;
use kube::api::{Api, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use kube::{Client, Error};
use serde_json::{Value, json};
use tracing::debug;

use super::correlator::{Correlator, Happened, Identity, Series};

/// Events that wait to be written, as many as in client-go. What comes above that is dropped.
const WAITING_MAX: usize = 1_000;
/// Events that are written at once, in the same commit if the store may.
const LOT_MAX: usize = 64;

/// A write of an Event, and the result of it.
pub struct Write {
    identity: Identity,
    series: Series,
}

/// How a write went.
pub enum Recorded {
    /// It is stored.
    Done(Identity),
    /// It was to go on, and is not there any more: it begins anew.
    Missing(Identity),
    /// It was not written.
    Failed(Identity, String),
}

/// What is to be recorded.
#[derive(Debug, Default)]
pub struct Recorder {
    /// The controller process, as Events name it.
    instance: String,
    correlator: Correlator,
    waiting: VecDeque<Identity>,
    /// The same, to find in.
    queued: BTreeSet<Identity>,
    is_writing: bool,
    /// Events that were written, and written again.
    pub written: u64,
    /// Things that happened and were written nowhere.
    pub dropped: u64,
}

impl Recorder {
    /// A recorder that has nothing to say yet.
    pub fn new(instance: String) -> Self {
        Self { instance, ..Self::default() }
    }

    /// Whether a lot is being written.
    pub fn is_writing(&self) -> bool {
        self.is_writing
    }

    /// Takes what a controller tells of an object.
    pub fn told(&mut self, controller: &'static str, regarding: Owner, told: Told, now: Timestamp) {
        let Told { warns, reason, action, message, related } = told;
        let happened = Happened { regarding, related, warns, reason: reason.to_owned(), action, message, controller };
        // One that is written at the object's next turn counts this too.
        let Some(identity) = self.correlator.count(&happened, now) else { return };
        if self.queued.contains(&identity) {
            return;
        }
        if self.waiting.len() >= WAITING_MAX {
            self.dropped += 1;
            return;
        }
        self.queued.insert(identity.clone());
        self.waiting.push_back(identity);
    }

    /// The next lot, if there is one and none is being written.
    pub fn next_lot(&mut self) -> Vec<Write> {
        if self.is_writing {
            return Vec::new();
        }
        let mut lot = Vec::new();
        while lot.len() < LOT_MAX
            && let Some(identity) = self.waiting.pop_front()
        {
            self.queued.remove(&identity);
            match self.correlator.series(&identity) {
                Some(series) => lot.push(Write { series: series.clone(), identity }),
                None => self.dropped += 1,
            }
        }
        self.is_writing = !lot.is_empty();
        lot
    }

    /// Takes the results of a lot.
    pub fn recorded(&mut self, results: Vec<Recorded>) {
        self.is_writing = false;
        for result in results {
            match result {
                Recorded::Done(identity) => {
                    self.written += 1;
                    if let Some(series) = self.correlator.series(&identity) {
                        series.is_stored = true;
                    }
                }
                Recorded::Missing(identity) => {
                    if let Some(series) = self.correlator.series(&identity) {
                        series.is_stored = false;
                        if self.queued.insert(identity.clone()) {
                            self.waiting.push_back(identity);
                        }
                    }
                }
                Recorded::Failed(identity, error) => {
                    debug!(error, "an event could not be recorded");
                    self.dropped += 1;
                    self.correlator.forget(&identity);
                }
            }
        }
    }

    /// Writes a lot.
    pub fn write(&self, client: &Client, lot: Vec<Write>) -> impl Future<Output = Vec<Recorded>> + Send + use<> {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("", "v1", "Event"));
        let api: Api<DynamicObject> = Api::default_namespaced_with(client.clone(), &resource);
        let (namespace, instance) = (client.default_namespace().to_owned(), self.instance.clone());
        let one = move |write: Write| {
            let (api, body) = (api.clone(), write.body(&namespace, &instance));
            async move { write.send(&api, body).await }
        };
        join_all(lot.into_iter().map(one))
    }
}

impl Write {
    /// A new Event, or what changes of one.
    fn body(&self, namespace: &str, instance: &str) -> Value {
        let Happened { regarding, related, warns, reason, action, message: _, controller } = &*self.identity;
        let Series { name, first, last, count, message, is_stored } = &self.series;
        let series = (*count > 1).then(|| json!({ "count": count, "lastObservedTime": micros(*last) }));
        if *is_stored {
            return json!({ "series": series, "message": message });
        }
        let reference = |object: &Owner| {
            let Owner { kind, name, uid } = object;
            json!({ "apiVersion": API_VERSION, "kind": kind, "namespace": namespace, "name": name, "uid": uid })
        };
        let mut event = json!({
            "apiVersion": "v1", "kind": "Event", "metadata": { "name": name, "namespace": namespace },
            "involvedObject": reference(regarding),
            "type": if *warns { "Warning" } else { "Normal" },
            "reason": reason, "action": action, "message": message, "eventTime": micros(*first),
            "reportingComponent": format!("gastown.io/{controller}"), "reportingInstance": instance,
        });
        if let Some(related) = related {
            event["related"] = reference(related);
        }
        if let Some(series) = series {
            event["series"] = series;
        }
        event
    }

    async fn send(self, api: &Api<DynamicObject>, body: Value) -> Recorded {
        let Self { identity, series } = self;
        let sent = if series.is_stored {
            api.patch(&series.name, &PatchParams::default(), &Patch::Merge(body)).await
        } else {
            match serde_json::from_value(body) {
                Ok(event) => api.create(&PostParams::default(), &event).await,
                Err(error) => return Recorded::Failed(identity, format!("a bug: {error}")),
            }
        };
        match sent {
            Ok(_) => Recorded::Done(identity),
            Err(Error::Api(status)) if status.code == 404 && series.is_stored => Recorded::Missing(identity),
            Err(error) => Recorded::Failed(identity, error.to_string()),
        }
    }
}

/// An instant as `metav1.MicroTime` writes it.
fn micros(at: Timestamp) -> String {
    format!("{at:.6}")
}
