//! Waiting for a town to change, without asking again and again: the API's watch, and for a town that is down, the
//! appearance of its socket.
//!
//! Invariant: a command that waits never holds the store, or `gt up` could not take it.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use futures::{Stream, StreamExt};
use gastown_base::private;
use kube::Api;
use kube::core::Resource;
use kube::runtime::{WatchStreamExt, watcher};
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::context::{Context, Link};
use super::error::{CliError, Exit};
use super::inotify::Inotify;
use super::terminal::Terminal;
use crate::api;
use crate::connect::Connection;
use crate::connect::actor::actor;
use crate::town::Town;

/// How long a controller that comes up is given between its socket's file and its first answer.
const SOCKET_PATIENCE: Duration = Duration::from_millis(200);

/// Looks at the town once; if `look` answers, that is it with a controller to go on with, else nothing.
///
/// While the town is down it waits until it is up, and looks again.
pub async fn link<T>(
    gt: &Context,
    town: &Town,
    until: Option<Instant>,
    look: impl AsyncFn(&Link) -> Result<Option<T>, CliError>,
) -> Result<(Link, T), CliError> {
    let mut reported = false;
    loop {
        let connection = Connection::open(town, actor().as_deref())?;
        let link =
            Link { client: connection.client.clone(), namespace: town.name.clone(), controller: connection.controller };
        let seen = look(&link).await;
        if connection.controller {
            let seen = seen?;
            return match seen {
                Some(seen) => Ok((link, seen)),
                None => Err(CliError::new(Exit::Failed, "there is nothing to wait for")),
            };
        }
        drop(link);
        connection.close();
        seen?;
        if !reported {
            gt.out.talk("the town is down: waiting for `gt up`");
            reported = true;
        }
        up(town, until).await?;
    }
}

/// Waits until the town's controller serves.
pub async fn up(town: &Town, until: Option<Instant>) -> Result<(), CliError> {
    let socket = town.layout.api_socket();
    let failed = |error: std::io::Error| CliError::new(Exit::Failed, "could not wait for the town").because(&error);
    // Whoever makes the folder first, it is the user's alone.
    private::create(town.layout.runtime()).and_then(|()| private::check(town.layout.runtime())).map_err(failed)?;
    let mut inotify = Inotify::of_folder(town.layout.runtime()).map_err(failed)?;
    while api::connect(&socket).is_err() {
        // A socket that is being made is bound first and listened on after: that makes no event.
        let patience = Instant::now() + SOCKET_PATIENCE;
        let wait = if socket.exists() { Some(until.map_or(patience, |until| until.min(patience))) } else { until };
        let seen = match wait {
            Some(wait) => tokio::time::timeout_at(wait, inotify.changed()).await.ok().transpose(),
            None => inotify.changed().await.map(Some),
        };
        seen.map_err(failed)?;
        if until.is_some_and(|until| Instant::now() >= until) {
            return Err(CliError::new(Exit::TimedOut, "the town is still down").hint("`gt up` starts it"));
        }
    }
    Ok(())
}

/// The watches of one command: that they have lost the town is reported once.
#[derive(Debug, Clone)]
pub struct Watches {
    out: Terminal,
    lost: Rc<Cell<bool>>,
}

/// The changes of a kind's objects.
pub type Changes<K> = Pin<Box<dyn Stream<Item = watcher::Event<K>>>>;

impl Watches {
    /// None yet.
    pub fn new(out: Terminal) -> Self {
        Self { out, lost: Rc::default() }
    }

    /// What changes from now on, beginning with all there are. What ends a watch begins it again.
    pub fn changes<K>(&self, api: Api<K>, config: watcher::Config) -> Changes<K>
    where
        K: Resource + Clone + DeserializeOwned + std::fmt::Debug + Send + 'static,
    {
        let Self { out, lost } = self.clone();
        let events = watcher(api, config).default_backoff().filter_map(move |event| {
            if lost.replace(event.is_err()) != event.is_err() && event.is_err() {
                out.talk("lost the town's controller; waiting until it is back");
            }
            std::future::ready(event.ok())
        });
        Box::pin(events)
    }
}
