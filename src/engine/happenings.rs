//! What has happened: the events that were filed, of the types that somebody asks about. They are watched only while somebody does.
//!
//! Events may be many, up to the 20,000 that are kept; of each type and target, the newest is remembered, and no more.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::stream::{BoxStream, StreamExt};
use gastown_controllers::objects::created;
use gastown_controllers::seen::Seen;
use gastown_controllers::world::{AskHappened, Fact, Happening};
use gastown_crds::BeadEvent;
use jiff::Timestamp;
use kube::{Client, ResourceExt};
use tokio::sync::Notify;
use tracing::warn;

use super::watch::{self, News};

/// The newest event of each type and target.
#[derive(Default)]
pub struct Happenings {
    /// None while nobody asks.
    news: Option<BoxStream<'static, News<BeadEvent>>>,
    /// Whether the list is complete: before, that something has not happened is not known.
    is_listed: bool,
    newest: BTreeMap<String, BTreeMap<Option<String>, Happening>>,
}

/// What may have come about.
#[derive(Debug, PartialEq, Eq)]
pub enum MayHave {
    /// An event of this type was filed.
    Happened(String),
    /// Anything: from now on it is known what has happened.
    Anything,
}

impl Happenings {
    /// Answers from what is known, and begins to watch if need be.
    pub fn answer(&mut self, asked: &AskHappened, client: &Client, now: Timestamp) -> Seen<Fact> {
        self.news.get_or_insert_with(|| watch::watch::<BeadEvent>(client, Arc::new(Notify::new())));
        let found = self.newest.get(&asked.event_type).and_then(|by_target| {
            let of_target = asked.target.as_ref().map(|target| by_target.get(&Some(target.clone())));
            let newest = of_target.unwrap_or_else(|| by_target.values().max_by_key(|it| it.filed));
            newest.filter(|it| asked.counts(it.filed)).cloned()
        });
        if found.is_none() && !self.is_listed {
            return Seen::Unknown { why: "what has happened is not listed yet".to_owned(), since: now };
        }
        Seen::Known(Fact::Happened(found))
    }

    /// Nobody asks any more.
    pub fn stop(&mut self) {
        if self.news.is_some() {
            *self = Self::default();
        }
    }

    /// What may have come about next; never, while nobody asks.
    pub async fn next(&mut self) -> MayHave {
        loop {
            let Some(news) = &mut self.news else { return std::future::pending().await };
            match news.next().await {
                Some(News::Begin) => (self.is_listed, self.newest) = (false, BTreeMap::new()),
                Some(News::Is(event)) => {
                    let event_type = event.spec.event_type.clone();
                    let is_listed = self.is_listed;
                    self.put(event);
                    if is_listed {
                        return MayHave::Happened(event_type);
                    }
                }
                Some(News::Gone(event)) => self.remove(&event),
                Some(News::End) => {
                    self.is_listed = true;
                    return MayHave::Anything;
                }
                Some(News::Failed(error)) => {
                    warn!(error, "the watch of what happens failed; it is made anew");
                    self.is_listed = false;
                }
                None => self.news = None,
            }
        }
    }

    fn put(&mut self, event: BeadEvent) {
        let name = event.name_any();
        let filed = created(&event);
        let happening = Happening { name, actor: event.spec.actor, filed };
        let newest = self.newest.entry(event.spec.event_type).or_default();
        let there = newest.entry(event.spec.target).or_insert_with(|| happening.clone());
        if there.filed <= happening.filed {
            *there = happening;
        }
    }

    fn remove(&mut self, event: &BeadEvent) {
        let Some(newest) = self.newest.get_mut(&event.spec.event_type) else { return };
        if newest.get(&event.spec.target).is_some_and(|there| there.name == event.name_any()) {
            newest.remove(&event.spec.target);
        }
        if newest.is_empty() {
            self.newest.remove(&event.spec.event_type);
        }
    }
}
