//! `gt wait --needs-me`: returns as soon as anything in the town waits for a person, by watching; prints what, and the command
//! that answers it.

use futures::stream::{LocalBoxStream, SelectAll};
use futures::{FutureExt, StreamExt};
use gastown_crds::{Bead, Convoy, MergeRequest, Polecat, Rig, Runtime, Source, Town as TownObject};
use kube::runtime::watcher;
use tokio::time::Instant;

use super::around::kept;
use crate::cli::common::context::{Context, Link};
use crate::cli::common::disk;
use crate::cli::common::error::{CliError, Exit};
use crate::cli::common::timeout::Timeout;
use crate::cli::common::watching::{self, Watches};
use crate::cli::status;
use crate::insight::Snapshot;
use crate::insight::attention::{Need, needs};
use crate::insight::overview::READS;
use crate::insight::snapshot::Stored;
use crate::text::escaped;
use crate::town::Town;

/// Waits, and prints what needs a person.
pub async fn wait(gt: &Context, town: &Town, timeout: Timeout, json: bool) -> Result<(), CliError> {
    let until = Instant::now() + timeout.0;
    // With the controller up or down.
    let snapshot = gt.with_api(town, async |link| link.snapshot(READS).await).await?;
    let mut found: Vec<Need> = disk::need(town).into_iter().chain(needs(&snapshot)).collect();
    if found.is_empty() {
        let (link, ()) = watching::link(gt, town, Some(until), async |_| Ok(Some(()))).await?;
        let watches = Watches::new(gt.out);
        let mut all = All::new(&link, &watches);
        while found.is_empty() {
            let next = tokio::time::timeout_at(until, all.next(&town.name));
            found = next.await.map_err(|_| nothing(timeout))?;
        }
    }
    if json {
        let text = serde_json::to_string_pretty(&found)
            .map_err(|error| CliError::new(Exit::Failed, "could not write what needs you").because(&error))?;
        return gt.out.data(&escaped(text));
    }
    gt.out.data(&status::needs_table(&found).render(gt.out.width))
}

fn nothing(timeout: Timeout) -> CliError {
    CliError::new(Exit::TimedOut, format!("nothing needs you after {:?}", timeout.0))
        .hint("`gt status` shows what goes on; a longer wait: `--timeout 1h`")
}

/// Puts what a watch has shown into a snapshot.
type Fill = Box<dyn Fn(&mut Snapshot)>;

/// All objects that may need a person, as watches show them.
struct All {
    fill: Vec<Fill>,
    /// Of each watch: whether it has now seen all there is for the first time.
    seen: SelectAll<LocalBoxStream<'static, bool>>,
    /// The number of watches that have seen all there is.
    complete: usize,
}

impl All {
    fn new(link: &Link, watches: &Watches) -> Self {
        let mut all = Self { fill: Vec::new(), seen: SelectAll::new(), complete: 0 };
        // The kinds of `READS`.
        all.add::<Bead>(link, watches);
        all.add::<Polecat>(link, watches);
        all.add::<Rig>(link, watches);
        all.add::<MergeRequest>(link, watches);
        all.add::<Convoy>(link, watches);
        all.add::<Runtime>(link, watches);
        all.add::<TownObject>(link, watches);
        all.add::<Source>(link, watches);
        all
    }

    fn add<K: Stored + Send + Sync>(&mut self, link: &Link, watches: &Watches) {
        let changes = watches.changes::<K>(link.typed(), watcher::Config::default());
        let (store, seen) = kept(changes, |_| false, || true, || false);
        self.fill.push(Box::new(move |snapshot| snapshot.put(store.state())));
        self.seen.push(seen);
    }

    /// What needs a person after the next change; nothing before all there is was seen.
    async fn next(&mut self, town: &str) -> Vec<Need> {
        let Some(first) = self.seen.next().await else { return std::future::pending().await };
        self.complete += usize::from(first);
        // Of many changes at once, the last counts.
        while let Some(Some(more)) = self.seen.next().now_or_never() {
            self.complete += usize::from(more);
        }
        if self.complete < self.fill.len() {
            return Vec::new();
        }
        let mut snapshot = Snapshot::new(town, true);
        self.fill.iter().for_each(|fill| fill(&mut snapshot));
        needs(&snapshot)
    }
}
