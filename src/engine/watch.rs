//! One watch for each kind that controllers decide by, as one stream of changes.

use futures::stream::{self, BoxStream, StreamExt};
use gastown_controllers::kinds::{Visitor, visit_watched};
use gastown_controllers::objects::{Object, Watched};
use gastown_crds::kinds::Kind;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, ResourceExt};

use super::apply::version_of;

/// A change that a watch reports.
#[derive(Debug)]
pub enum Change {
    /// A list begins: what it does not name is gone.
    Begin(&'static Kind),
    /// An object, as it is now, and its resourceVersion.
    Is(Object, u64),
    /// An object of this name is gone, as of this resourceVersion.
    Gone(&'static Kind, String, u64),
    /// The list is complete.
    End(&'static Kind),
    /// The watch failed and is being made anew.
    Failed(&'static Kind, String),
}

/// Watches every kind. Answers how many there are too: as many lists must be complete before anything is decided.
pub fn all(client: &Client) -> (BoxStream<'static, Change>, usize) {
    struct Watches<'a> {
        client: &'a Client,
        all: Vec<BoxStream<'static, Change>>,
    }
    impl Visitor for Watches<'_> {
        fn visit<K: Watched>(&mut self) {
            self.all.push(one::<K>(self.client));
        }
    }
    let mut watches = Watches { client, all: Vec::new() };
    visit_watched(&mut watches);
    let count = watches.all.len();
    (stream::select_all(watches.all).boxed(), count)
}

fn one<K: Watched>(client: &Client) -> BoxStream<'static, Change> {
    let api: Api<K> = Api::default_namespaced(client.clone());
    let kind = K::row();
    watcher(api, watcher::Config::default())
        .default_backoff()
        .map(move |event| match event {
            Ok(Event::Init) => Change::Begin(kind),
            Ok(Event::InitApply(object) | Event::Apply(object)) => {
                let version = version_of(&object);
                Change::Is(Object::new(object), version)
            }
            Ok(Event::Delete(object)) => Change::Gone(kind, object.name_any(), version_of(&object)),
            Ok(Event::InitDone) => Change::End(kind),
            Err(error) => Change::Failed(kind, error.to_string()),
        })
        .boxed()
}
