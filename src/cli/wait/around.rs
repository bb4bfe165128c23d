//! Watches of everything that the landing of a convoy depends on: its beads, and their rigs, polecats and merge requests.

use std::collections::BTreeSet;
use std::iter::successors;
use std::sync::Arc;

use futures::StreamExt;
use futures::stream::{LocalBoxStream, SelectAll};
use gastown_controllers::bead::convoy_of;
use gastown_crds::bead::PARENTS_MAX;
use gastown_crds::common::LABEL_CONVOY;
use gastown_crds::{Bead, Convoy, MergeRequest, Polecat, Rig, Town as TownObject};
use kube::ResourceExt;
use kube::runtime::reflector::{ObjectRef, Store, store};
use kube::runtime::watcher;
use serde::de::DeserializeOwned;

use super::lines::Lines;
use crate::cli::common::context::{Context, Link};
use crate::cli::common::watching::{Changes, Watches};
use crate::insight::kinds::{bead, convoy};
use crate::insight::{Blocked, Blocker, Progress, Snapshot};
use crate::town::Town;
use crate::world::records::Records;

/// Kinds that are watched beside beads; nothing is said of what blocks a convoy before all of them have been seen, and its beads.
const OTHERS: usize = 5;

/// An event of a watch.
enum Seen {
    /// All beads there are, of those that are watched.
    AllBeads,
    /// All there is of another kind.
    All,
    /// A bead, as it is now.
    Bead(Box<Bead>),
    /// That the convoy tracks beads.
    Tracks,
    /// Anything else.
    Other,
}

/// A convoy's surroundings.
pub struct Around<'a> {
    gt: &'a Context,
    town: &'a Town,
    link: &'a Link,
    watches: &'a Watches,
    convoy: &'a str,
    records: Records,
    progress: Progress,
    lines: Lines,
    seen_beads: LocalBoxStream<'static, Seen>,
    seen: SelectAll<LocalBoxStream<'static, Seen>>,
    /// Whether any bead may be the convoy's, so that all are watched; else those that have its label.
    tracks: bool,
    /// Whether all beads have been seen that are watched.
    has_beads: bool,
    /// The number of the other watches that have seen all there is.
    others: usize,
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
    pub fn new(gt: &'a Context, town: &'a Town, link: &'a Link, watches: &'a Watches, convoy: &'a str) -> Self {
        let all = watcher::Config::default;
        let of_convoy = all().labels(&format!("{LABEL_CONVOY}={convoy}"));
        let this = all().fields(&format!("metadata.name={convoy}"));
        let (all_seen, other) = (|| Seen::All, || Seen::Other);
        let tracks = |it: Convoy| if it.spec.tracks.is_empty() { Seen::Other } else { Seen::Tracks };
        let (beads, seen_beads) = watch_beads(link, watches, of_convoy);
        let (rigs, seen_rigs) = kept(watches.changes(link.typed(), all()), |_: Rig| Seen::Other, all_seen, other);
        let (polecats, seen_polecats) =
            kept(watches.changes(link.typed(), all()), |_: Polecat| Seen::Other, all_seen, other);
        let (requests, seen_requests) =
            kept(watches.changes(link.typed(), all()), |_: MergeRequest| Seen::Other, all_seen, other);
        let (convoys, seen_convoys) = kept(watches.changes(link.typed(), this), tracks, all_seen, other);
        let (towns, seen_towns) =
            kept(watches.changes(link.typed(), all()), |_: TownObject| Seen::Other, all_seen, other);
        Self {
            gt,
            town,
            link,
            watches,
            convoy,
            records: Records::of(&town.layout),
            progress: Progress::default(),
            lines: Lines::new(gt.now(), gt.out.talk_width),
            seen_beads,
            seen: [seen_rigs, seen_polecats, seen_requests, seen_convoys, seen_towns].into_iter().collect(),
            tracks: false,
            has_beads: false,
            others: 0,
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
        let seen = tokio::select! {
            biased;
            seen = self.seen_beads.next() => seen,
            seen = self.seen.next() => seen,
        };
        match seen? {
            Seen::AllBeads => {
                self.has_beads = true;
                self.observe_all();
            }
            Seen::All => {
                self.others += 1;
                self.observe_all();
            }
            Seen::Tracks => self.watch_all_beads(),
            Seen::Other => {}
            Seen::Bead(bead) => self.observe(&bead),
        }
        Some(())
    }

    /// Whether all there is has been seen.
    fn is_complete(&self) -> bool {
        self.has_beads && self.others == OTHERS
    }

    /// Whatever is made a part of what a convoy tracks is its own: so any bead may be, from when it tracks one.
    fn watch_all_beads(&mut self) {
        if !std::mem::replace(&mut self.tracks, true) {
            (self.beads, self.seen_beads) = watch_beads(self.link, self.watches, watcher::Config::default());
            self.has_beads = false;
        }
    }

    /// Prints what is new, once all there is has been seen: until then it is not known of each bead whether the convoy tracks it, or
    /// an epic above it.
    fn observe_all(&mut self) {
        if !self.is_complete() {
            return;
        }
        let mut all = self.beads.state();
        all.sort_by_key(|bead| bead.name_any());
        for bead in &all {
            self.observe(bead);
        }
    }

    /// Prints what is new of a bead of the convoy.
    fn observe(&mut self, bead: &Bead) {
        if !self.is_member(bead) {
            return;
        }
        let attempts = |bead: &Bead| bead.uid().map(|uid| self.records.attempts(&uid)).unwrap_or_default();
        let events = self.progress.observe(bead, attempts);
        let now = self.gt.now();
        let lines: Vec<String> = events.iter().map(|event| self.lines.event(event, now)).collect();
        self.print(&lines);
    }

    /// Whether a bead is of this convoy, or tracked by it.
    fn is_member(&self, bead: &Bead) -> bool {
        if convoy_of(bead) == Some(self.convoy) {
            return true;
        }
        let convoy = self.convoys.get(&beside(bead, self.convoy));
        let tracks = convoy.iter().flat_map(|convoy| &convoy.spec.tracks).map(|track| track.bead.as_str());
        let named: Vec<&str> = tracks.collect();
        let epic = |part: &Arc<Bead>| {
            let above = self.beads.get(&beside(bead, part.spec.parent.as_deref()?));
            above.filter(|above| above.spec.type_.asks_for_parts())
        };
        let mut upward = successors(Some(Arc::new(bead.clone())), epic).take(1 + PARENTS_MAX);
        upward.any(|it| named.contains(&it.name_any().as_str()))
    }

    /// Prints what is new among that which blocks the convoy, once; whether nothing can move without a person.
    pub fn print_blockers(&mut self) -> bool {
        if !self.is_complete() {
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

/// Begins to watch beads.
fn watch_beads(
    link: &Link,
    watches: &Watches,
    config: watcher::Config,
) -> (Store<Bead>, LocalBoxStream<'static, Seen>) {
    let seen = |bead: Bead| Seen::Bead(Box::new(bead));
    kept(watches.changes(link.typed(), config), seen, || Seen::AllBeads, || Seen::Other)
}

/// An object of this name in the namespace of a bead.
fn beside<K: kube::Resource<DynamicType = ()>>(bead: &Bead, name: &str) -> ObjectRef<K> {
    ObjectRef::new(name).within(&bead.namespace().unwrap_or_default())
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
