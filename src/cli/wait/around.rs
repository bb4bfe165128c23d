//! Watches of everything that the landing of a convoy depends on: its beads, and their rigs, polecats and merge requests.

use std::collections::BTreeSet;

use futures::StreamExt;
use futures::stream::{LocalBoxStream, SelectAll};
use gastown_crds::common::LABEL_CONVOY;
use gastown_crds::{Bead, Convoy, MergeRequest, Polecat, Rig, Town as TownObject};
use kube::ResourceExt;
use kube::runtime::reflector::{Store, store};
use kube::runtime::watcher;
use serde::de::DeserializeOwned;

use super::lines::Lines;
use crate::cli::common::context::{Context, Link};
use crate::cli::common::watching::{Changes, Watches};
use crate::insight::kinds::{bead, convoy};
use crate::insight::{Blocked, Blocker, Progress, Snapshot};
use crate::town::Town;
use crate::world::records::Records;

/// Kinds that are watched; nothing is said of what blocks a convoy before all of them have been seen.
const KINDS: usize = 6;

/// An event of a watch.
enum Seen {
    /// All there is.
    All,
    /// A bead, as it is now.
    Bead(Box<Bead>),
    /// Anything else.
    Other,
}

/// A convoy's surroundings.
pub struct Around<'a> {
    gt: &'a Context,
    town: &'a Town,
    convoy: &'a str,
    records: Records,
    progress: Progress,
    lines: Lines,
    seen: SelectAll<LocalBoxStream<'static, Seen>>,
    /// The number of watches that have seen all there is.
    complete: usize,
    beads: Store<Bead>,
    rigs: Store<Rig>,
    polecats: Store<Polecat>,
    requests: Store<MergeRequest>,
    convoys: Store<Convoy>,
    towns: Store<TownObject>,
    blocked: Blocked,
    /// The blockers that were printed: object and what is wrong with it.
    printed: BTreeSet<(String, String)>,
}

impl<'a> Around<'a> {
    /// Begins to watch.
    pub fn new(gt: &'a Context, town: &'a Town, link: &Link, watches: &Watches, convoy: &'a str) -> Self {
        let all = watcher::Config::default;
        let of_convoy = all().labels(&format!("{LABEL_CONVOY}={convoy}"));
        let this = all().fields(&format!("metadata.name={convoy}"));
        let (all_seen, other) = (|| Seen::All, || Seen::Other);
        let bead = |bead: Bead| Seen::Bead(Box::new(bead));
        let (beads, seen_beads) = kept(watches.changes(link.typed(), of_convoy), bead, all_seen, other);
        let (rigs, seen_rigs) = kept(watches.changes(link.typed(), all()), |_: Rig| Seen::Other, all_seen, other);
        let (polecats, seen_polecats) =
            kept(watches.changes(link.typed(), all()), |_: Polecat| Seen::Other, all_seen, other);
        let (requests, seen_requests) =
            kept(watches.changes(link.typed(), all()), |_: MergeRequest| Seen::Other, all_seen, other);
        let (convoys, seen_convoys) =
            kept(watches.changes(link.typed(), this), |_: Convoy| Seen::Other, all_seen, other);
        let (towns, seen_towns) =
            kept(watches.changes(link.typed(), all()), |_: TownObject| Seen::Other, all_seen, other);
        Self {
            gt,
            town,
            convoy,
            records: Records::of(&town.layout),
            progress: Progress::default(),
            lines: Lines::new(gt.now(), gt.out.talk_width),
            seen: [seen_beads, seen_rigs, seen_polecats, seen_requests, seen_convoys, seen_towns].into_iter().collect(),
            complete: 0,
            beads,
            rigs,
            polecats,
            requests,
            convoys,
            towns,
            blocked: Blocked::default(),
            printed: BTreeSet::new(),
        }
    }

    /// Waits for the next change, and prints what happened to a bead. None: the watches have ended.
    pub async fn next(&mut self) -> Option<()> {
        match self.seen.next().await? {
            Seen::All => self.complete += 1,
            Seen::Other => {}
            Seen::Bead(bead) => {
                let attempts = |bead: &Bead| bead.uid().map(|uid| self.records.attempts(&uid)).unwrap_or_default();
                let events = self.progress.observe(&bead, attempts);
                let now = self.gt.now();
                let lines: Vec<String> = events.iter().map(|event| self.lines.event(event, now)).collect();
                self.print(&lines);
            }
        }
        Some(())
    }

    /// Prints what is new among that which blocks the convoy, once; whether nothing can move without a person.
    pub fn print_blockers(&mut self) -> bool {
        if self.complete < KINDS {
            return false;
        }
        let mut snapshot = Snapshot::new(&*self.town.name, true);
        snapshot.put(self.beads.state());
        snapshot.put(self.rigs.state());
        snapshot.put(self.polecats.state());
        snapshot.put(self.requests.state());
        snapshot.put(self.convoys.state());
        snapshot.put(self.towns.state());
        let this = snapshot.get::<Convoy>(self.convoy);
        self.blocked = this.map(|convoy| convoy::blocked(convoy, &snapshot)).unwrap_or_default();
        let now = self.gt.now();
        let mut lines = Vec::new();
        for blocker in &self.blocked.by {
            let is_new = self.printed.insert((blocker.object.clone(), blocker.what.clone()));
            // That a bead failed too often is an event, and printed as that.
            if is_new && !bead::is_failed_bead(blocker) {
                let what = format!("blocks it: {}; see `{}`", blocker.why, blocker.next());
                lines.push(self.lines.line(&blocker.object, &what, now));
            }
        }
        self.print(&lines);
        self.blocked.permanent
    }

    /// The blockers that need a person.
    pub fn needs_person(&self) -> Vec<&Blocker> {
        self.blocked.by.iter().filter(|blocker| blocker.needs_person).collect()
    }

    /// Lines, above the one that stays at the bottom.
    fn print(&self, lines: &[String]) {
        self.gt.out.line("");
        for line in lines {
            self.gt.out.talk(line);
        }
        self.gt.out.line(&self.progress.counts().to_string());
    }
}

/// Keeps what a watch shows, and says what was seen: an object, all there is for the first time, or anything else.
pub(super) fn kept<K, S: 'static>(
    changes: Changes<K>,
    seen: fn(K) -> S,
    all: fn() -> S,
    other: fn() -> S,
) -> (Store<K>, LocalBoxStream<'static, S>)
where
    K: kube::Resource<DynamicType = ()> + Clone + DeserializeOwned + 'static,
{
    let (reader, mut writer) = store::<K>();
    let mut is_complete = false;
    let events = changes.map(move |event| {
        writer.apply_watcher_event(&event);
        match event {
            watcher::Event::Apply(object) | watcher::Event::InitApply(object) => seen(object),
            // A watch that begins anew is complete already.
            watcher::Event::InitDone if !std::mem::replace(&mut is_complete, true) => all(),
            watcher::Event::InitDone | watcher::Event::Init | watcher::Event::Delete(_) => other(),
        }
    });
    (reader, events.boxed_local())
}
