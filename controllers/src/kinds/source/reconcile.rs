//! One source: which revision it is at, whether that is live, and what is to be done so that it is.

use std::ops::ControlFlow;
use std::sync::Arc;

use gastown_crds::common::{types, whole_second};
use gastown_crds::kinds::Registered;
use gastown_crds::reason::Reason;
use gastown_crds::source::{
    Applied, Attempted, Drift, GitOrigin, HISTORY_MAX, LeasePolicy, PAST_OBJECTS_BYTES_MAX, PAST_OBJECTS_MAX, Past,
    RevisionResult, Source, SourceStatus,
};

use super::lease::Hold;
use super::object::{Stands, stands};
use super::origin::{self, Fetched};
use super::{NAMED_MAX, Names, inventory, judge, kind_at, lease, leave, names, preview, prune, some};
use crate::draft::Draft;
use crate::plan::{Plan, Write};
use crate::told::Told;
use crate::view::{NotSeen, View};
use crate::world::{AskDeclared, AskRevision, Declared, DeclaredObject, Found, Origin, Owner, Revision};

/// How long objects stay as declared before it is forgotten that they were put back.
const CALM: std::time::Duration = std::time::Duration::from_mins(10);
/// The longest text that a revision's author and subject keep, in characters.
const TEXT_CHARS_MAX: usize = 200;

/// Where a source stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Outcome {
    /// Its revision is live.
    Live(String),
    /// A revision is on its way.
    Progress(Reason, String),
    /// Somebody is writing there: all stays as it is until that ends, which is an event.
    Unsettled(String),
    /// A person has to do something.
    Stalled(Reason, String),
    /// A person wants it to wait.
    Suspended,
    /// The town on another machine does it; the words say on which.
    Elsewhere(String),
    /// Something fails, this many times in a row, and is tried again.
    Trouble(Reason, String, u32),
}

/// Decides about one source.
pub fn reconcile(source: &Source, view: &View<'_>) -> Plan {
    if source.metadata.deletion_timestamp.is_some() {
        // What could not be seen is looked at again.
        return leave::leave(source, view).unwrap_or_default();
    }
    let mut plan = Plan::none();
    let mut draft = Draft::of(source, view);
    let before = draft.status.clone();
    let mut round = Round {
        source,
        view,
        plan: &mut plan,
        status: &mut draft.status,
        drifted: Vec::new(),
        unleased: String::new(),
    };
    let outcome = round.run();
    let drifted = std::mem::take(&mut round.drifted);
    if matches!(outcome, Ok(Outcome::Unsettled(_))) && before.applied.is_some() {
        return Plan::none();
    }
    let conditions = &mut draft.conditions;
    match outcome {
        Ok(outcome) => {
            let (ready, reason, message) = match &outcome {
                Outcome::Live(message) => (true, Reason::Ok, message.clone()),
                Outcome::Suspended => (false, Reason::Suspended, "nothing is applied, pruned or put back".to_owned()),
                Outcome::Elsewhere(message) => (false, Reason::AppliedElsewhere, message.clone()),
                Outcome::Progress(reason, message) | Outcome::Stalled(reason, message) => {
                    (false, *reason, message.clone())
                }
                Outcome::Unsettled(message) => (false, Reason::Applying, message.clone()),
                Outcome::Trouble(reason, message, failures) => {
                    conditions.fails(*failures);
                    (false, *reason, message.clone())
                }
            };
            conditions.set_bool(types::READY, ready, reason, message.clone());
            match outcome {
                Outcome::Progress(..) | Outcome::Unsettled(_) => {
                    conditions.set_bool(types::RECONCILING, true, reason, message);
                }
                Outcome::Stalled(..) => conditions.set_bool(types::STALLED, true, reason, message),
                Outcome::Live(_) | Outcome::Suspended | Outcome::Elsewhere(_) | Outcome::Trouble(..) => {}
            }
            let is_drifted = !drifted.is_empty();
            let reason = if is_drifted { Reason::ChangedByOthers } else { Reason::Ok };
            conditions.set_bool(types::DRIFTED, is_drifted, reason, some(drifted.into_iter()));
        }
        Err(not_seen) => {
            plan = Plan::none();
            draft.status = before;
            conditions.unknown(types::READY, &not_seen);
        }
    }
    if let Some(failure) = view.failed.filter(|failure| failure.reason != Reason::RevisionRefused) {
        conditions.failed(types::READY, failure);
    }
    plan.set_status(draft);
    plan
}

/// One look at a source.
struct Round<'a, 'v> {
    source: &'a Source,
    view: &'a View<'v>,
    plan: &'a mut Plan,
    status: &'a mut SourceStatus,
    /// Declared objects that somebody else has changed.
    drifted: Vec<String>,
    /// Why it is applied here without a lease; empty if it is not.
    unleased: String,
}

impl<'v> Round<'_, 'v> {
    fn run(&mut self) -> Result<Outcome, NotSeen> {
        let (source, view) = (self.source, self.view);
        if source.spec.suspend {
            return Ok(Outcome::Suspended);
        }
        let Some(origin) = Origin::of(&source.spec) else {
            return Ok(Outcome::Stalled(Reason::RevisionNotFound, "spec names no origin".to_owned()));
        };
        if let Some(write) = leave::held(source, &origin) {
            self.plan.write(write);
            return Ok(Outcome::Progress(Reason::Cloning, "its repository is about to be cloned".to_owned()));
        }
        let mut fetched = None;
        if let (Some(git), Origin::Clone { at, .. }) = (&source.spec.git, &origin) {
            match origin::fetch(source, git, at, view, self.plan, self.status)? {
                ControlFlow::Break(outcome) => return Ok(outcome),
                ControlFlow::Continue(found) => fetched = Some((git, found)),
            }
        }
        let found = view.revision(&AskRevision::of(source, &origin))?;
        let outcome = match (self.elsewhere(found, &origin, fetched.as_ref())?, found) {
            (_, Found::Changing(what)) => Outcome::Unsettled(what.clone()),
            (Some(elsewhere), _) => elsewhere,
            (None, Found::Missing(what)) => Outcome::Stalled(Reason::RevisionNotFound, what.clone()),
            (None, Found::At(revision)) => self.revision(revision, &origin)?,
        };
        // A fetch answers for what is elsewhere; here, that it was looked at is all.
        if !matches!(origin, Origin::Clone { .. })
            && let Some(word) = origin::asked_for(source, self.status)
        {
            self.status.refreshed = Some(word.clone());
        }
        Ok(match (outcome, fetched.and_then(|(_, fetched)| fetched.trouble)) {
            // What is live is as fresh as it can be; and what is not there may come with the next fetch.
            (Outcome::Live(_) | Outcome::Stalled(Reason::RevisionNotFound, _), Some(trouble)) => trouble,
            (Outcome::Live(message), None) => {
                let unleased = std::mem::take(&mut self.unleased);
                Outcome::Live(if message.is_empty() { unleased } else { message })
            }
            (outcome, _) => outcome,
        })
    }

    fn revision(&mut self, revision: &Revision, origin: &Origin) -> Result<Outcome, NotSeen> {
        let generation = self.source.metadata.generation;
        let is_tried = |it: &Attempted| it.revision == revision.name && it.generation == generation;
        let is_begun = self.is_begun(revision) && self.status.attempted.as_ref().is_some_and(is_tried);
        // The API has the last word. What it refused is not tried again; the revision before is live.
        if let Some(failure) = self.view.failed.filter(|failure| failure.reason == Reason::RevisionRefused)
            && let Some(attempted) = self.status.attempted.as_mut().filter(|it| is_tried(it))
            && self.status.applied.as_ref().is_none_or(|applied| applied.tree != revision.tree)
            && attempted.refused.is_none()
        {
            attempted.refused = Some(failure.message.clone());
            self.note(revision, RevisionResult::Refused, &failure.message);
        }
        let refused =
            self.status.attempted.as_ref().filter(|it| is_tried(it)).and_then(|attempted| attempted.refused.clone());
        let live = self.status.applied.clone();
        if let Some(why) = refused {
            self.keep_live(live.as_ref(), origin)?;
            return Ok(Outcome::Stalled(Reason::RevisionRefused, format!("{} is refused: {why}", revision.name)));
        }
        if let Some((reason, message)) = judge::unsigned(revision) {
            // What is live already, and was applied before a signature was asked for, has not become another.
            if live.as_ref().is_none_or(|applied| applied.revision != revision.name) {
                self.attempt(revision);
                self.note(revision, RevisionResult::Refused, &message);
            }
            self.keep_live(live.as_ref(), origin)?;
            return Ok(Outcome::Stalled(reason, format!("{}: {message}", revision.name)));
        }
        if let Some(applied) = live.as_ref().filter(|applied| applied.tree == revision.tree) {
            if applied.revision != revision.name {
                // It changes nothing of what is declared.
                self.attempt(revision);
                self.note(revision, RevisionResult::Applied, "");
                self.status.applied = Some(Applied { revision: revision.name.clone(), ..applied.clone() });
            } else if self.status.attempted.as_ref().is_none_or(|attempted| attempted.revision != revision.name) {
                // A revision that was refused has been taken back.
                self.attempt(revision);
            }
            return self.keep_live(live.as_ref(), origin);
        }
        let Some(declared) = self.declared(origin, &revision.tree)? else {
            return Ok(Outcome::Unsettled(format!("{} has changed meanwhile", revision.name)));
        };
        let all = prune::declared_names(declared);
        let doomed = prune::doomed(self.source, self.status, &all, self.view);
        let before = preview::live(self.source, self.status, declared, self.view)?;
        let mistakes = judge::mistakes(self.source, declared, (&all, &doomed), before, is_begun, self.view);
        let mistakes = mistakes.map(|(reason, message)| (RevisionResult::Refused, reason, message));
        let held = || {
            let message = prune::held(self.source, revision, &all, &doomed, self.status.objects as usize)?;
            Some((RevisionResult::Held, Reason::PruneHeld, message))
        };
        if let Some((result, reason, message)) = mistakes.or_else(held) {
            self.attempt(revision);
            self.note(revision, result, &message);
            self.keep_live(live.as_ref(), origin)?;
            return Ok(Outcome::Stalled(reason, format!("{}: {message}", revision.name)));
        }
        Ok(self.apply(revision, declared, &all, &doomed))
    }

    /// Whether the town on another machine applies it, and this one only looks. What is there is fetched all the same: for people
    /// who ask what it would do, and because a revision may say that it is this one from now on.
    fn elsewhere(
        &mut self,
        found: &Found,
        origin: &Origin,
        fetched: Option<&(&GitOrigin, Fetched)>,
    ) -> Result<Option<Outcome>, NotSeen> {
        let declared = match found {
            Found::At(revision) if judge::unsigned(revision).is_none() => self.declared(origin, &revision.tree)?,
            _ => None,
        };
        let Some(runner) = runner(self.source, declared) else { return self.leased(fetched, declared) };
        self.without_lease(fetched)?;
        let here = &self.view.machine()?.name;
        if here.eq_ignore_ascii_case(&runner) {
            return Ok(None);
        }
        let name = self.source.metadata.name.as_deref().unwrap_or_default();
        let here = if here.is_empty() { "?" } else { here };
        Ok(Some(Outcome::Elsewhere(format!(
            "it is applied on `{runner}` (spec.runner); this machine is `{here}`, and changes nothing: `gt diff --source {name}` says what it would"
        ))))
    }

    /// Where no machine is named, whoever holds the lease in the remote applies it.
    fn leased(
        &mut self,
        fetched: Option<&(&GitOrigin, Fetched)>,
        declared: Option<&Declared>,
    ) -> Result<Option<Outcome>, NotSeen> {
        let Some((git, fetched)) = fetched.filter(|(git, _)| git.lease == LeasePolicy::Auto) else {
            self.without_lease(fetched)?;
            return Ok(None);
        };
        let (source, view) = (self.source, self.view);
        let machine = &view.machine()?.name;
        let hold = Hold { source, git, view, machine, plan: self.plan, status: self.status, fetched, declared };
        match hold.run()? {
            ControlFlow::Break(outcome) => return Ok(Some(outcome)),
            ControlFlow::Continue(without) => self.unleased = without.unwrap_or_default(),
        }
        Ok(None)
    }

    /// There is no lease, or none any more: one that was held is given up.
    fn without_lease(&mut self, fetched: Option<&(&GitOrigin, Fetched)>) -> Result<(), NotSeen> {
        let is_over = match fetched.filter(|_| self.status.lease.is_some()) {
            Some((git, _)) => lease::give_up(self.source, git, self.view, self.plan)?,
            None => true,
        };
        if is_over {
            self.status.lease = None;
        }
        Ok(())
    }

    /// Applies a revision that is right, one step at each look: the inventory, the objects, what is to go.
    fn apply(&mut self, revision: &Revision, declared: &Declared, all: &Names, doomed: &Names) -> Outcome {
        // In the same words until it is done: a status that changes nothing is no write.
        let progress = || Outcome::Progress(Reason::Applying, format!("{}: being applied", revision.name));
        let mut known = names(&self.status.inventory);
        let objects: Vec<_> =
            declared.objects.iter().map(|object| (object, stands(self.source, object, self.view))).collect();
        if !self.is_begun(revision) || !all.is_subset(&known) {
            // Before anything of it is made: whatever happens then, it is known whose it is.
            let count = |is_it: fn(&Stands) -> bool| objects.iter().filter(|(_, stands)| is_it(stands)).count();
            let created = count(|stands| matches!(stands, Stands::Absent(_) | Stands::Deleting));
            let configured = count(|stands| matches!(stands, Stands::Differs(_)));
            self.attempt(revision);
            self.note(revision, RevisionResult::Applying, "");
            if let Some(past) = self.status.history.first_mut() {
                (past.created, past.configured, past.pruned) = (size(created), size(configured), size(doomed.len()));
                past.objects = changed(&objects, doomed);
            }
            known.extend(all.iter().cloned());
            self.hold(&known);
            return progress();
        }
        let mut writes = Vec::new();
        let mut deleting = None;
        for (object, stands) in objects {
            match stands {
                Stands::AsDeclared => {}
                Stands::Absent(write) | Stands::Differs(write) => writes.push(write),
                Stands::Deleting => deleting = Some(object),
            }
        }
        if !writes.is_empty() {
            self.write(writes);
            return progress();
        }
        if let Some(object) = deleting {
            let message = format!(
                "{}: {} is still being deleted; it is made anew once it is gone",
                revision.name,
                object.named()
            );
            return Outcome::Progress(Reason::Deleting, message);
        }
        self.status.applied = Some(Applied {
            revision: revision.name.clone(),
            tree: revision.tree.clone(),
            at: whole_second(self.view.now),
        });
        self.note(revision, RevisionResult::Applied, "");
        if let Some(Past { created, configured, .. }) = self.status.history.first() {
            let pruned = doomed.len();
            let message = format!("{}: {created} created, {configured} configured, {pruned} pruned", revision.name);
            self.plan.tell(Told::new(false, "Applied", "Apply", &message));
        }
        self.prune(all, doomed);
        Outcome::Live(String::new())
    }

    /// Whether it was decided that a revision is applied, and that has not come to an end.
    fn is_begun(&self, revision: &Revision) -> bool {
        let last = self.status.history.first();
        last.is_some_and(|past| past.revision == revision.name && past.result == RevisionResult::Applying)
    }

    /// Keeps what is live as it is declared, and prunes what a crash has left of what is to go.
    fn keep_live(&mut self, live: Option<&Applied>, origin: &Origin) -> Result<Outcome, NotSeen> {
        let Some(live) = live else { return Ok(Outcome::Live(String::new())) };
        // Of one that cannot be read any more, such as an older state of a folder, nothing is known to put back.
        let Some(declared) = self.declared(origin, &live.tree)? else { return Ok(Outcome::Live(String::new())) };
        let all = prune::declared_names(declared);
        let mut writes = Vec::new();
        for object in &declared.objects {
            if let Stands::Absent(write) | Stands::Differs(write) = stands(self.source, object, self.view) {
                self.drifted.push(object.named());
                writes.push(write);
            }
        }
        self.put_back(writes);
        let doomed = prune::doomed(self.source, self.status, &all, self.view);
        let leaving = doomed.len() - self.prune(&all, &doomed);
        let message = if leaving > 0 { format!("{leaving} objects are being deleted") } else { String::new() };
        Ok(Outcome::Live(message))
    }

    /// Puts back what others have changed: at once, and later each time if that is soon after the last time.
    fn put_back(&mut self, writes: Vec<Write>) {
        let now = self.view.now;
        let last = self.status.drift.clone();
        if writes.is_empty() {
            if last.is_some_and(|drift| drift.at + CALM <= now) {
                self.status.drift = None;
            }
            return;
        }
        let times = last.as_ref().filter(|drift| drift.at + CALM > now).map_or(0, |drift| drift.times);
        if let Some(drift) = &last {
            let delay = self
                .view
                .settings
                .delay(times.saturating_sub(1), &self.source.metadata.name.clone().unwrap_or_default());
            if let Some(due) = self.view.wait_after(drift.at, delay) {
                self.plan.again_at(due);
                return;
            }
        }
        let objects = self.drifted.iter().take(NAMED_MAX).cloned().collect();
        let message = format!("put back what others have changed: {}", some(self.drifted.iter().cloned()));
        self.plan.tell(Told::new(true, Reason::ChangedByOthers.as_str(), "Apply", &message));
        self.status.drift = Some(Drift { at: whole_second(now), times: times + 1, objects });
        self.write(writes);
    }

    /// Deletes what is to go, and says how much that is which is not being deleted yet; what is gone, or stays although it is
    /// not declared any more, leaves the inventory.
    fn prune(&mut self, all: &Names, doomed: &Names) -> usize {
        let deletes = prune::deletes(doomed, self.view);
        let count = deletes.len();
        self.write(deletes);
        let kept: Names = all.union(doomed).cloned().collect();
        self.hold(&kept);
        count
    }

    fn hold(&mut self, all: &Names) {
        self.status.inventory = inventory(all);
        self.status.objects = size(all.len());
    }

    fn write(&mut self, writes: Vec<Write>) {
        for write in writes {
            self.plan.write(write);
        }
    }

    fn attempt(&mut self, revision: &Revision) {
        let generation = self.source.metadata.generation;
        self.status.attempted = Some(Attempted { revision: revision.name.clone(), generation, refused: None });
    }

    /// Notes what has become of a revision. One that has not come to an end is superseded by the next.
    fn note(&mut self, revision: &Revision, result: RevisionResult, message: &str) {
        let history = &mut self.status.history;
        let message = message.chars().take(TEXT_CHARS_MAX).collect();
        if let Some(past) = history.first_mut().filter(|past| past.revision == revision.name) {
            past.result = result;
            past.message = message;
            return;
        }
        if let Some(past) = history.first_mut()
            && matches!(past.result, RevisionResult::Applying | RevisionResult::Held)
        {
            past.result = RevisionResult::Superseded;
        }
        let short = |text: &str| text.chars().take(TEXT_CHARS_MAX).collect();
        history.insert(
            0,
            Past {
                revision: revision.name.clone(),
                author: short(&revision.author),
                subject: short(&revision.subject),
                at: whole_second(self.view.now),
                result,
                created: 0,
                configured: 0,
                pruned: 0,
                objects: Vec::new(),
                message,
            },
        );
        history.truncate(HISTORY_MAX);
    }

    fn declared(&self, origin: &Origin, tree: &str) -> Result<Option<&'v Declared>, NotSeen> {
        let ask = AskDeclared { source: Owner::of(self.source), origin: origin.clone(), tree: tree.to_owned() };
        self.view.declared(&ask)
    }
}

/// Some of the objects that a revision changes; what names others first, as that is what people ask about: convoys.
fn changed(objects: &[(&Arc<DeclaredObject>, Stands)], doomed: &Names) -> Vec<String> {
    let declared = objects.iter().rev().filter_map(|(object, stands)| {
        let mark = match stands {
            Stands::AsDeclared => return None,
            Stands::Absent(_) | Stands::Deleting => '+',
            Stands::Differs(_) => '~',
        };
        Some(format!("{mark}{}", object.named()))
    });
    let pruned = doomed.iter().rev().map(|(rank, name)| format!("-{}", kind_at(*rank).named_object(name)));
    let mut bytes_left = PAST_OBJECTS_BYTES_MAX;
    let fits = |name: &String| {
        let left = bytes_left.checked_sub(name.len());
        bytes_left = left.unwrap_or_default();
        left.is_some()
    };
    declared.chain(pruned).take(PAST_OBJECTS_MAX).take_while(fits).collect()
}

/// The machine that applies a source: as the revision says that declares it, else as it stands.
pub fn runner(source: &Source, declared: Option<&Declared>) -> Option<String> {
    let is_itself = |object: &&Arc<DeclaredObject>| {
        object.kind.name == Source::row().name && Some(&object.manifest.name) == source.metadata.name.as_ref()
    };
    match declared.and_then(|declared| declared.objects.iter().find(is_itself)) {
        Some(itself) => itself.manifest.value()["spec"]["runner"].as_str().map(str::to_owned),
        None => source.spec.runner.clone(),
    }
}

fn size(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
