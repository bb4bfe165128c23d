//! Watches: one for each kind that controllers decide by, as one stream of changes; and others, of one kind, while they are needed.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::{self, BoxStream, StreamExt};
use gastown_controllers::backoff;
use gastown_controllers::kinds::{Visitor, visit_watched};
use gastown_controllers::objects::{Object, Watched};
use gastown_crds::kinds::{Kind, Registered};
use kube::core::NamespaceResourceScope;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use tokio::sync::Notify;

use super::apply::version_of;

/// A watch that failed is made anew after about the first, doubling to the second: an API that was away is found again
/// within three seconds.
const RETRY_DELAY: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(3));
/// The longest time for which a list may bring nothing. A page of 500 objects takes an API that is well some milliseconds.
const LIST_SILENCE_MAX: Duration = Duration::from_secs(30);

/// What a watch of one kind reports.
#[derive(Debug)]
pub enum News<K> {
    /// A list begins: what it does not name is gone.
    Begin,
    /// An object, as it is now.
    Is(K),
    /// An object is gone, which was so at last.
    Gone(K),
    /// The list is complete.
    End,
    /// The watch failed and is being made anew: until its list is complete, nothing is known of the kind.
    Failed(String),
}

/// A change that a watch of some kind reports, as [`News`].
#[derive(Debug)]
pub enum Change {
    /// A list begins.
    Begin(&'static Kind),
    /// An object, and its resourceVersion.
    Is(Object, u64),
    /// An object of this name is gone, as of this resourceVersion.
    Gone(&'static Kind, String, u64),
    /// The list is complete.
    End(&'static Kind),
    /// The watch failed.
    Failed(&'static Kind, String),
}

/// The watches of every kind.
pub struct Watches {
    /// What they report.
    pub changes: BoxStream<'static, Change>,
    restarts: BTreeMap<&'static Kind, Arc<Notify>>,
}

impl Watches {
    /// Watches every kind.
    pub fn new(client: &Client) -> Self {
        struct Each<'a> {
            client: &'a Client,
            all: Vec<BoxStream<'static, Change>>,
            restarts: BTreeMap<&'static Kind, Arc<Notify>>,
        }
        impl Visitor for Each<'_> {
            fn visit<K: Watched>(&mut self) {
                let restart = Arc::clone(self.restarts.entry(K::row()).or_default());
                self.all.push(one::<K>(self.client, restart));
            }
        }
        let mut each = Each { client, all: Vec::new(), restarts: BTreeMap::new() };
        visit_watched(&mut each);
        Self { changes: stream::select_all(each.all).boxed(), restarts: each.restarts }
    }

    /// How many there are: as many lists must be complete before anything is decided.
    pub fn count(&self) -> usize {
        self.restarts.len()
    }

    /// A watch does not show what it should: it fails, and is made anew.
    pub fn restart(&self, kind: &'static Kind) {
        if let Some(restart) = self.restarts.get(kind) {
            restart.notify_one();
        }
    }
}

/// A watch that fails begins again with a list. It is not resumed where it was, although it could be: only the end of a list
/// says that it is heard again, and that nothing was missed.
struct Watch<K> {
    api: Api<K>,
    events: Option<BoxStream<'static, watcher::Result<Event<K>>>>,
    is_listed: bool,
    failures: u32,
    restart: Arc<Notify>,
}

fn one<K: Watched>(client: &Client, restart: Arc<Notify>) -> BoxStream<'static, Change> {
    let kind = K::row();
    let change = move |news: News<K>| match news {
        News::Begin => Change::Begin(kind),
        News::Is(object) => {
            let version = version_of(&object);
            Change::Is(Object::new(object), version)
        }
        News::Gone(object) => Change::Gone(kind, object.name_any(), version_of(&object)),
        News::End => Change::End(kind),
        News::Failed(why) => Change::Failed(kind, why),
    };
    watch::<K>(client, restart).map(change).boxed()
}

/// Watches a kind; `restart` has the watch fail, and made anew.
pub fn watch<K: Followed>(client: &Client, restart: Arc<Notify>) -> BoxStream<'static, News<K>> {
    let api = Api::default_namespaced(client.clone());
    let watch = Watch::<K> { api, events: None, is_listed: false, failures: 0, restart };
    stream::unfold(watch, |mut watch| async move {
        let news = watch.next().await;
        Some((news, watch))
    })
    .boxed()
}

/// A kind that can be watched.
pub trait Followed:
    Registered
    + Resource<DynamicType = (), Scope = NamespaceResourceScope>
    + Clone
    + fmt::Debug
    + DeserializeOwned
    + Send
    + 'static
{
}

impl<K> Followed for K where
    K: Registered
        + Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + fmt::Debug
        + DeserializeOwned
        + Send
        + 'static
{
}

impl<K: Followed> Watch<K> {
    async fn next(&mut self) -> News<K> {
        let kind = K::row();
        if self.events.is_none() {
            let (first, longest) = RETRY_DELAY;
            tokio::time::sleep(backoff::delay(self.failures, first, longest, kind.name)).await;
        }
        let events = self.events.get_or_insert_with(|| watcher(self.api.clone(), watcher::Config::default()).boxed());
        // A watch may be silent for ever, a list may not.
        let silence_max = if self.is_listed { Duration::MAX } else { LIST_SILENCE_MAX };
        let event = tokio::select! {
            biased;
            () = self.restart.notified() => Err("does not show what was written".to_owned()),
            event = tokio::time::timeout(silence_max, events.next()) => match event {
                Ok(Some(Ok(event))) => Ok(event),
                Ok(Some(Err(error))) => Err(error.to_string()),
                Ok(None) => Err("ended".to_owned()),
                Err(_) => Err(format!("listed nothing for {silence_max:?}")),
            },
        };
        match event {
            Ok(Event::Init) => News::Begin,
            Ok(Event::InitApply(object) | Event::Apply(object)) => News::Is(object),
            Ok(Event::Delete(object)) => News::Gone(object),
            Ok(Event::InitDone) => {
                (self.is_listed, self.failures) = (true, 0);
                News::End
            }
            Err(error) => {
                (self.events, self.is_listed) = (None, false);
                self.failures = self.failures.saturating_add(1);
                News::Failed(error)
            }
        }
    }
}
