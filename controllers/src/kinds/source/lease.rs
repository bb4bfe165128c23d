//! The lease of a source: of the machines whose towns declare it, one applies it.
//!
//! The lease is a ref in the source's remote, at a commit that names its holder. It moves by compare-and-swap, once an interval.
//! Its holder applies the source for three intervals since it began to write it last. Another machine takes it over once it
//! has seen it at one commit for four. Each measures by its own clock alone, so clocks need not agree: as the leader election
//! of Kubernetes' client-go does it.

use std::ops::ControlFlow;

use gastown_crds::common::{ANNOTATION_TAKE, whole_second};
use gastown_crds::kinds::Registered;
use gastown_crds::reason::Reason;
use gastown_crds::source::{GitOrigin, LeaseSeen, LeaseStatus, Source, SourceStatus};
use gastown_crds::url::redact;
use gastown_crds::{Bead, Convoy};
use jiff::Timestamp;
use kube::ResourceExt;

use super::origin::{self, Fetched};
use super::reconcile::Outcome;
use crate::objects::created;
use crate::plan::Plan;
use crate::tries::tried;
use crate::view::{NotSeen, View};
use crate::world::{Act, AskLease, Declared, Job, JobState, Lease, Oid, Owner, exit};

/// Intervals for which a holder applies the source since it began to write the lease last.
const HOLDER_INTERVALS: u32 = 3;
/// Intervals for which others see a lease at one commit until they take it for ended. One more: whatever the holder was about
/// to do when its own time ended has an interval to be done.
const OTHERS_INTERVALS: u32 = 4;
/// Intervals after which a town that may not write the lease tries again: a remote that refuses would be asked in vain.
const REFUSED_INTERVALS: u32 = 288;

/// The ref of a source's lease. Towns of one name are one town, wherever they are.
pub(super) fn reference(source: &Source) -> String {
    format!("refs/gt/runner/{}/{}", source.namespace().unwrap_or_default(), source.name_any())
}

/// The word that asks to take the lease, if that was not done yet.
fn asked_for<'a>(source: &'a Source, status: &SourceStatus) -> Option<&'a String> {
    origin::word(source, ANNOTATION_TAKE).filter(|word| status.taken.as_ref() != Some(word))
}

/// What a source's remote is asked of its lease.
pub(super) struct Hold<'a, 'v> {
    pub(super) source: &'a Source,
    pub(super) git: &'a GitOrigin,
    pub(super) view: &'a View<'v>,
    /// The name of this machine, for people.
    pub(super) machine: &'a str,
    pub(super) plan: &'a mut Plan,
    pub(super) status: &'a mut SourceStatus,
    pub(super) fetched: &'a Fetched,
    /// What the revision declares; none if that is not read.
    pub(super) declared: Option<&'a Declared>,
}

/// Whether this town applies the source: goes on if so, with why it does that without a lease.
type Held = Result<ControlFlow<Outcome, Option<String>>, NotSeen>;

impl Hold<'_, '_> {
    /// Takes, keeps or heeds the lease.
    pub(super) fn run(mut self) -> Held {
        let owner = Owner::of(self.source);
        let asked = AskLease { source: owner.clone(), reference: reference(self.source) };
        match self.view.lease(&asked)? {
            Some(lease) if lease.holder == owner.uid => self.ours(lease),
            Some(lease) if lease.holder.is_empty() => Ok(self.not_one(lease)),
            Some(lease) => self.theirs(lease),
            None => self.nobodys(),
        }
    }

    /// Renews it with each interval.
    fn ours(&mut self, lease: &Lease) -> Held {
        let now = self.view.now;
        self.status.lease = Some(LeaseStatus { machine: lease.machine.clone(), seen: None });
        if let Some(word) = asked_for(self.source, self.status) {
            self.status.taken = Some(word.clone());
        }
        let (window, began) = self.window();
        // By a clock that was set back, it was written in the future.
        let is_due = lease.at < began || lease.at > now;
        let mut trouble = None;
        if is_due && self.fetched.is_fresh {
            trouble = self.moves(Some(&lease.id), &format!("interval-{window}"))?;
        }
        let until = self.intervals_after(lease.at, HOLDER_INTERVALS);
        if lease.at <= now && now < until {
            self.plan.again_at(until);
            return Ok(ControlFlow::Continue(None));
        }
        Ok(self.waits(trouble, "the lease in its remote is being renewed"))
    }

    /// Leaves the source to its holder for as long as that renews it, and takes it over then, or when a person says so.
    fn theirs(&mut self, lease: &Lease) -> Held {
        let now = self.view.now;
        let seen = self.status.lease.as_ref().and_then(|known| known.seen.as_ref());
        let (at, was_ended) = match seen.filter(|seen| seen.commit == lease.id.0 && seen.at <= now) {
            Some(seen) => (seen.at, seen.ended),
            None => (whole_second(now), false),
        };
        // A fetch that ended then found it where it was: it has not moved in all that time.
        let ends = self.intervals_after(at, OTHERS_INTERVALS);
        let is_seen = self.fetched.at.is_some_and(|fetched| (ends..=now).contains(&fetched));
        let ended = was_ended || is_seen;
        let seen = Some(LeaseSeen { commit: lease.id.0.clone(), at, ended });
        self.status.lease = Some(LeaseStatus { machine: lease.machine.clone(), seen });
        if let Some(word) = asked_for(self.source, self.status).cloned() {
            let cause = format!("take-{word}");
            if !self.is_refused(Some(&lease.id), &cause)? {
                let trouble = self.moves(Some(&lease.id), &cause)?;
                return Ok(self.waits(trouble, "the lease in its remote is being taken"));
            }
            // That is the answer.
            self.status.taken = Some(word);
        }
        let (name, machine) = (self.source.name_any(), &lease.machine);
        let begun = if ended { self.begins() } else { 0 };
        if begun == 0 && !is_seen {
            let other = if machine.eq_ignore_ascii_case(self.machine) {
                format!("by another town on `{machine}`, or by an earlier source of this one, which")
            } else {
                format!("on `{machine}`, which")
            };
            return Ok(ControlFlow::Break(Outcome::Elsewhere(format!(
                "it is applied {other} holds the lease in its remote; here nothing is changed: `gt diff --source {name}` says what would be, `gt source take {name}` has it applied here"
            ))));
        }
        if begun > 0 {
            return Ok(ControlFlow::Break(Outcome::Stalled(
                Reason::LeaseEnded,
                format!(
                    "`{machine}` has not renewed its lease since {at}; applying it here would begin {begun} convoys and beads, whatever of them has landed: `gt source take {name}` does"
                ),
            )));
        }
        self.takes(Some(&lease.id), "ended")
    }

    /// Convoys and beads that applying the source would make. What another machine has landed of them is not known here.
    fn begins(&self) -> usize {
        let objects = self.declared.into_iter().flat_map(|declared| &declared.objects);
        let works = objects.filter(|object| [Convoy::row().name, Bead::row().name].contains(&object.kind.name));
        works.filter(|object| self.view.objects.metadata(object.kind, &object.manifest.name).is_none()).count()
    }

    /// Somebody has put something else in its place: it is theirs, and may be all that holds it.
    fn not_one(&mut self, lease: &Lease) -> ControlFlow<Outcome, Option<String>> {
        self.status.lease = None;
        let (reference, id, url) = (reference(self.source), lease.id.short(), redact(&self.git.url));
        ControlFlow::Break(Outcome::Stalled(
            Reason::NotALease,
            format!(
                "`{reference}` in the remote is at {id}, which is no lease, so nobody knows who applies this: `git push {url} :{reference}` removes it"
            ),
        ))
    }

    /// Takes it.
    fn nobodys(&mut self) -> Held {
        self.status.lease = None;
        let (window, _) = self.window();
        // Whoever may not write there is not to be told so with each interval.
        let seldom = window.div_euclid(i64::from(REFUSED_INTERVALS));
        let cause = format!("generation-{}-{seldom}", self.source.metadata.generation.unwrap_or_default());
        let first = self.job(None, &cause, 1);
        match self.view.job(&first.key())? {
            // Somebody has removed it since.
            JobState::Exited(exited) if exited.code == exit::OK => self.takes(None, &format!("interval-{window}")),
            _ => self.takes(None, &cause),
        }
    }

    /// Takes a lease that nobody holds, or goes without if the remote does not let this town write it.
    fn takes(&mut self, from: Option<&Oid>, cause: &str) -> Held {
        if self.is_refused(from, cause)? {
            // It is applied here, as was asked for.
            self.status.taken = asked_for(self.source, self.status).cloned().or_else(|| self.status.taken.take());
            return Ok(ControlFlow::Continue(Some(format!(
                "without a lease, as its remote takes none from here: a town `{}` on another machine would apply it too",
                self.source.namespace().unwrap_or_default()
            ))));
        }
        let trouble = if self.fetched.is_fresh { self.moves(from, cause)? } else { None };
        Ok(self.waits(trouble, "the lease in its remote is being taken"))
    }

    /// Whether the remote does not let this town write the lease.
    fn is_refused(&self, from: Option<&Oid>, cause: &str) -> Result<bool, NotSeen> {
        let state = self.view.job(&self.job(from, cause, 1).key())?;
        Ok(matches!(state, JobState::Exited(exited) if exited.code == exit::PROTECTED))
    }

    /// Nothing is applied before the lease is held: what keeps it from that is said.
    fn waits(&self, trouble: Option<Outcome>, otherwise: &str) -> ControlFlow<Outcome, Option<String>> {
        let trouble = trouble.or_else(|| self.fetched.trouble.clone());
        ControlFlow::Break(trouble.unwrap_or_else(|| Outcome::Progress(Reason::Leasing, otherwise.to_owned())))
    }

    /// Has it moved to a commit of this town's, and says what keeps it from that.
    fn moves(&mut self, from: Option<&Oid>, cause: &str) -> Result<Option<Outcome>, NotSeen> {
        let tried = tried(self.view, |round| self.job(from, cause, round))?;
        let failed = (Reason::LeaseFailed, format!("writing the lease `{}` failed", reference(self.source)));
        Ok(origin::outcome(tried, failed, self.git, self.plan))
    }

    fn job(&self, from: Option<&Oid>, cause: &str, round: u32) -> Job {
        move_lease(self.source, self.git, from, Some(self.machine), (cause, round))
    }

    /// The number of the present interval, and when that began.
    fn window(&self) -> (i64, Timestamp) {
        let (created, interval) = (created(self.source), self.git.fetch_interval());
        let (window, _) = self.view.interval(created, interval);
        let began = i64::try_from(interval.as_secs()).unwrap_or(i64::MAX).saturating_mul(window);
        let began = Timestamp::from_second(created.as_second().saturating_add(began));
        (window, began.unwrap_or(created))
    }

    /// So many intervals after an instant; the end of time, if that comes first.
    fn intervals_after(&self, at: Timestamp, count: u32) -> Timestamp {
        let lasts = self.git.fetch_interval().saturating_mul(count);
        at.checked_add(lasts).unwrap_or(Timestamp::MAX)
    }
}

/// Gives up the lease of a source that wants none any more. That is tried once: where it fails, others see when it has ended.
/// Whether it is over.
pub(super) fn give_up(source: &Source, git: &GitOrigin, view: &View<'_>, plan: &mut Plan) -> Result<bool, NotSeen> {
    let owner = Owner::of(source);
    let lease = view.lease(&AskLease { source: owner.clone(), reference: reference(source) })?;
    let Some(lease) = lease.filter(|lease| lease.holder == owner.uid) else { return Ok(true) };
    let job = move_lease(source, git, Some(&lease.id), None, ("given up", 1));
    let state = view.job(&job.key())?;
    if *state == JobState::Absent && view.is_free(&job.track())? {
        plan.act(Act::EnsureJob(job));
    }
    Ok(!matches!(state, JobState::Absent | JobState::Running))
}

/// The job that moves the lease of a source; without a machine, it gives it up.
pub(super) fn move_lease(
    source: &Source,
    git: &GitOrigin,
    from: Option<&Oid>,
    machine: Option<&str>,
    (cause, round): (&str, u32),
) -> Job {
    Job::Lease {
        owner: Owner::of(source),
        url: git.url.clone(),
        secret: git.secret_ref.clone(),
        reference: reference(source),
        from: from.cloned(),
        machine: machine.map(str::to_owned),
        cause: cause.to_owned(),
        round,
    }
}
