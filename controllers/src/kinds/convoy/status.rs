//! The status of a convoy: how many of its beads are where, and whether it has landed, or what it waits for.

use std::collections::BTreeMap;

use gastown_crds::bead::BeadState;
use gastown_crds::common::{LABEL_BEAD, is_true, types};
use gastown_crds::convoy::ConvoyStatus;
use gastown_crds::reason::Reason;
use gastown_crds::{Bead, Convoy};
use kube::ResourceExt;

use super::{PARTS_MAX, Tracked, Wanted, WantedBead, has_landed, has_won, is_given_up, is_withdrawn, some};
use crate::draft::Draft;
use crate::holds::PartOf;
use crate::kinds::bead::convoy_of;
use crate::view::View;

/// The status of a convoy that is not being deleted. `clash` is a name that it wants for a bead and another's bead has.
pub(super) fn of<'a>(convoy: &'a Convoy, wanted: &Wanted, clash: Option<String>, view: &View<'_>) -> Draft<'a, Convoy> {
    let mut draft = Draft::of(convoy, view);
    let counts = Counts::of(convoy, wanted, view);
    let (landed, reason, message) = landed(convoy, wanted, clash, &counts, view);
    draft.conditions.set_bool(types::LANDED, landed, reason, message);
    if !counts.left.is_empty() {
        let message = format!("not on the target any more: {}; `gt describe` of each says more", some(&counts.left));
        draft.conditions.set_bool(types::LEFT_TARGET, true, Reason::LeftTarget, message);
    }
    if let Some(failure) = view.failed {
        draft.conditions.failed(types::LANDED, failure);
    }
    let waiting = [BeadState::Waiting, BeadState::Ready, BeadState::Backlog, BeadState::Blocked];
    draft.status = ConvoyStatus {
        progress: Some(format!("{}/{}", counts.closed(), counts.all)),
        working: counts.of_state(BeadState::Working),
        waiting: waiting.into_iter().map(|state| counts.of_state(state)).sum(),
        landing: counts.of_state(BeadState::Landing),
        closed: counts.closed(),
        set_aside: counts.of_state(BeadState::SetAside),
        ..draft.status
    };
    draft
}

/// Where a bead is. It is closed as soon as its spec says so; its status follows a moment later.
fn state(bead: &Bead) -> BeadState {
    match &bead.spec.closed {
        Some(_) => BeadState::Closed,
        None => bead.status.as_ref().map(|status| status.state).unwrap_or_default(),
    }
}

/// The competitions of a convoy, each with its attempts as far as they are made; with how many there are to be.
struct Competitions<'a> {
    all: BTreeMap<&'a str, (usize, Vec<&'a Bead>)>,
    /// What is called how, to the competition that it is in.
    called: BTreeMap<&'a str, &'a str>,
}

impl<'a> Competitions<'a> {
    fn of(convoy: &'a Convoy, wanted: &Wanted, view: &View<'a>) -> Self {
        let mut competitions = Self { all: BTreeMap::new(), called: BTreeMap::new() };
        for bead in &convoy.spec.beads {
            let Some(competition) = bead.competition.as_deref() else { continue };
            competitions.called.insert(&bead.name, competition);
            let (count, attempts) = competitions.all.entry(competition).or_default();
            *count += 1;
            let object = wanted.beads.iter().find(|it| it.called == bead.name);
            attempts.extend(object.and_then(|it| view.objects.get::<Bead>(&it.name)).map(AsRef::as_ref));
        }
        competitions
    }

    fn of_called(&self, called: &str) -> Option<&'a str> {
        self.called.get(called).copied()
    }

    fn is_attempt(&self, bead: &Bead) -> bool {
        bead.labels().get(LABEL_BEAD).is_some_and(|called| self.of_called(called).is_some())
    }

    /// Where each stands: it is closed once one attempt has won, or all have ended and one of them by itself; else it
    /// is where the attempt is that is farthest.
    fn states(&self) -> impl Iterator<Item = BeadState> {
        self.all.values().map(|(count, attempts)| {
            let has_ended = attempts.len() == *count && attempts.iter().all(|it| it.spec.closed.is_some());
            if attempts.iter().any(|it| has_won(it)) || (has_ended && attempts.iter().any(|it| !is_withdrawn(it))) {
                return BeadState::Closed;
            }
            let open = || attempts.iter().filter(|it| it.spec.closed.is_none()).map(|it| state(it));
            let farthest = [BeadState::Landing, BeadState::Working, BeadState::Ready];
            let found = farthest.into_iter().find(|state| open().any(|it| it == *state));
            let all_set_aside = open().next().is_some() && open().all(|it| it == BeadState::SetAside);
            found.unwrap_or(if all_set_aside { BeadState::SetAside } else { BeadState::Waiting })
        })
    }

    /// The attempts of competitions of which none is left.
    fn given_up(&self) -> impl Iterator<Item = &'a Bead> {
        let is_over = |(count, attempts): &&(usize, Vec<&Bead>)| {
            attempts.len() == *count && attempts.iter().all(|it| is_withdrawn(it))
        };
        self.all.values().filter(is_over).flat_map(|(_, attempts)| attempts.iter().copied())
    }
}

/// How many beads of a convoy are where.
#[derive(Default)]
struct Counts<'a> {
    by_state: BTreeMap<BeadState, u32>,
    /// What it wants; at least as many as there are.
    all: u32,
    /// All that it wants is there and closed, and nothing else of it is open.
    is_done: bool,
    /// Beads that were on the target and are not any more.
    left: Vec<String>,
    /// Beads that were closed before they had landed, and by whom the first of them was.
    given_up: (usize, Option<&'a str>),
    /// What it tracks and is not there; and whether there is more of it than is followed.
    missing: Vec<String>,
    is_cut: bool,
}

impl<'a> Counts<'a> {
    fn of(convoy: &'a Convoy, wanted: &Wanted, view: &View<'a>) -> Self {
        let name = convoy.name_any();
        let Tracked { mut named, missing, mut parts, is_cut } = view.objects.tracked(convoy);
        // What it has made is counted as that.
        let is_other = |bead: &&Bead| convoy_of(bead) != Some(&name);
        named.retain(is_other);
        parts.retain(|part| is_other(part) && !is_withdrawn(part));
        let (withdrawn, named): (Vec<&Bead>, Vec<&Bead>) = named.into_iter().partition(|bead| is_withdrawn(bead));

        let mut counts = Self { missing: missing.into_iter().map(str::to_owned).collect(), is_cut, ..Self::default() };
        let competitions = Competitions::of(convoy, wanted, view);
        let made = view.objects.beads_of_convoy(&name).map(AsRef::as_ref).filter(|it: &&Bead| !is_withdrawn(it));
        let (attempts, made): (Vec<&Bead>, Vec<&Bead>) = made.partition(|bead| competitions.is_attempt(bead));
        for bead in made.iter().chain(&named).chain(&parts) {
            counts.take(bead, state(bead));
        }
        for bead in attempts {
            counts.note(bead);
        }
        for state in competitions.states() {
            *counts.by_state.entry(state).or_default() += 1;
        }
        let competing = competitions.all.len();
        let own = made.len().max(convoy.spec.units() - competing) + competing;
        counts.all = number(own + named.len() + withdrawn.len() + parts.len() + counts.missing.len());

        let object = |wanted: &WantedBead| view.objects.get::<Bead>(&wanted.name).map(AsRef::as_ref);
        let single = || wanted.beads.iter().filter(|it| competitions.of_called(&it.called).is_none());
        let given_up = single().filter_map(object).filter(|bead| is_given_up(bead));
        let given_up: Vec<&Bead> = given_up.chain(withdrawn).chain(competitions.given_up()).collect();
        let by = given_up.first().and_then(|bead| bead.spec.closed.as_ref()).map(|closed| closed.by.as_str());
        counts.given_up = (given_up.len(), by);
        let there =
            |wanted: &WantedBead| object(wanted).is_some_and(|it| it.spec.closed.is_some() && !is_withdrawn(it));
        counts.is_done = counts.closed() == counts.all && single().all(there) && !is_cut;
        counts
    }

    fn take(&mut self, bead: &Bead, state: BeadState) {
        self.note(bead);
        *self.by_state.entry(state).or_default() += 1;
    }

    /// Notes a bead that was on the target and is not any more.
    fn note(&mut self, bead: &Bead) {
        if bead.status.as_ref().is_some_and(|status| is_true(&status.conditions, types::LEFT_TARGET)) {
            self.left.push(bead.name_any());
        }
    }

    fn of_state(&self, state: BeadState) -> u32 {
        self.by_state.get(&state).copied().unwrap_or(0)
    }

    fn closed(&self) -> u32 {
        self.of_state(BeadState::Closed)
    }

    /// What of it is there is closed; what is missing may have been removed since.
    fn is_closed_but_for_missing(&self) -> bool {
        self.closed() + number(self.missing.len()) == self.all && !self.is_cut
    }
}

/// Whether a convoy has landed, with the reason and the message of its condition.
fn landed(
    convoy: &Convoy,
    wanted: &Wanted,
    clash: Option<String>,
    counts: &Counts<'_>,
    view: &View<'_>,
) -> (bool, Reason, String) {
    let (name, all, closed) = (convoy.name_any(), counts.all, counts.closed());
    if let Some(name) = clash {
        return (
            false,
            Reason::RefNotFound,
            format!("the name {name} is taken by a bead of another convoy: rename one"),
        );
    }
    if let Some(missing) = &wanted.missing {
        // What has landed stays landed when its rig goes.
        let landed = counts.is_done && has_landed(convoy);
        return (landed, if landed { Reason::Landed } else { Reason::RefNotFound }, missing.clone());
    }
    if !counts.missing.is_empty() {
        // And when a bead that it tracked goes.
        let landed = counts.is_closed_but_for_missing() && has_landed(convoy);
        let message = format!(
            "no bead is named {}: file it, or take it out of the convoy's `tracks`; {closed} of {all} beads are closed",
            some(&counts.missing)
        );
        return (landed, if landed { Reason::Landed } else { Reason::RefNotFound }, message);
    }
    if counts.is_cut {
        let message = format!("it tracks epics of more than {PARTS_MAX} parts: name fewer of them in its `tracks`");
        return (false, Reason::NeedsYou, message);
    }
    if counts.is_done && !counts.left.is_empty() {
        return (false, Reason::LeftTarget, format!("not on the target any more: {}", some(&counts.left)));
    }
    if counts.is_done {
        return (true, Reason::Landed, format!("all {all} beads are closed"));
    }
    let set_aside = counts.of_state(BeadState::SetAside);
    if set_aside > 0 {
        let message = format!("{set_aside} of {all} beads are set aside: `gt describe convoy/{name}`");
        return (false, Reason::NeedsYou, message);
    }
    if let (given_up, Some(by)) = counts.given_up {
        let message = format!(
            "closed before they had landed: {given_up} of {all} beads, by {by}; take them out of the convoy, or `gt delete` \
             them to have them done again"
        );
        return (false, Reason::NeedsYou, message);
    }
    if let Some(hold) = (PartOf { convoy: Some(convoy), ..PartOf::default() }).hold(view.now) {
        let message = match hold.reason {
            Reason::Suspended => format!("{closed} of {all} beads are closed; nothing more is dispatched"),
            _ => format!("{closed} of {all} beads are closed; {}", hold.message),
        };
        return (false, hold.reason, message);
    }
    (false, Reason::InProgress, format!("{closed} of {all} beads are closed"))
}

fn number(of: usize) -> u32 {
    u32::try_from(of).unwrap_or(u32::MAX)
}
