//! `Convoy`: a batch of beads, and what blocks its landing.

use std::collections::BTreeSet;

use gastown_controllers::convoy::{is_given_up, is_withdrawn};
use gastown_crds::common::{Condition, ConditionStatus, LABEL_BEAD, LABEL_CONVOY, condition, is_true, types};
use gastown_crds::convoy::{ConvoyBead, OnRemove};
use gastown_crds::reason::Reason;
use gastown_crds::{Bead, Convoy};
use kube::ResourceExt;
use kube::api::ObjectMeta;

use super::{ANY, KindInsight, bead, typed};
use crate::attention::Need;
use crate::next::is_over;
use crate::open_work::OpenWork;
use crate::overview::{ConvoyLine, DELETING, NOT_SEEN};
use crate::related::{Columns, Section};
use crate::text::plain;
use crate::{Blocked, Blocker, OpenBead, Snapshot, Subject};

/// The kind's row.
pub const KIND: KindInsight = KindInsight {
    name: "Convoy",
    has_progress: true,
    reads: &["Bead", "Convoy", "MergeRequest", "Polecat", "Rig", "Town"],
    deletion_reads: &["Bead", "MergeRequest"],
    read: typed::<Convoy>,
    ..ANY
};

/// The columns of a section of beads that are declared and not made yet.
const DECLARED: Columns =
    Columns { headings: &["BEAD", "RIG", "NEEDS", "TITLE"], words: &["TITLE", "NEEDS"], spare: &[] };

impl Subject for Convoy {
    fn kind(&self) -> &str {
        KIND.name
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn conditions(&self) -> &[Condition] {
        self.status.as_ref().map(|status| &status.conditions[..]).unwrap_or_default()
    }

    fn blockers(&self, snapshot: &Snapshot) -> BTreeSet<Blocker> {
        blocked(self, snapshot).by
    }

    fn open_beads(&self, snapshot: &Snapshot) -> Vec<OpenBead> {
        let name = self.name_any();
        let open = snapshot.beads_of(&name).filter(|bead| bead.spec.closed.is_none());
        open.map(|bead| bead::open(bead, snapshot)).collect()
    }

    fn related(&self, snapshot: &Snapshot) -> Vec<Section> {
        let made = bead::beads_of_convoy("Beads", snapshot.beads_of(&self.name_any()));
        vec![if made.rows.is_empty() { declared(self) } else { made }]
    }

    fn related_fields(&self) -> &'static [&'static str] {
        &["beads"]
    }

    fn open_work(&self, snapshot: &Snapshot) -> Option<String> {
        let (object, name) = (self.reference(), self.name_any());
        let open = OpenWork::among(snapshot.beads_of(&name), snapshot)?;
        let cancels = self.spec.on_remove == OnRemove::Cancel;
        let becomes = match (open.idle(), open.working + open.landing) {
            (_, busy) if cancels && busy > 0 => {
                "all of it is withdrawn (`onRemove: Cancel`): sessions are ended, and what was made is kept on rescue refs"
                    .to_owned()
            }
            (0, _) => "it goes once what is under way has landed".to_owned(),
            (_, 0) => "they are withdrawn; `gt apply` of the convoy creates them again".to_owned(),
            (1, _) => "1 is withdrawn; it goes once what is under way has landed".to_owned(),
            (idle, _) => format!("{idle} are withdrawn; it goes once what is under way has landed"),
        };
        Some(format!("{object} has open work: {}\n  {becomes}", open.words()))
    }

    fn next_for(&self, reason: Reason, snapshot: &Snapshot) -> Option<String> {
        let name = self.name_any();
        match reason {
            Reason::LeftTarget => Some(
                "`gt status` says which; push them to the target again, or `gt delete mr/NAME` of each that was meant to go"
                    .to_owned(),
            ),
            Reason::NeedsYou if !given_up(self, snapshot).is_empty() => {
                let beads: Vec<String> = given_up(self, snapshot).iter().map(|bead| bead.reference()).collect();
                Some(format!(
                    "take what was closed out of the convoy and `gt apply` it; or `gt delete {}`, which has it done again",
                    beads.join(" ")
                ))
            }
            Reason::NeedsYou => Some(format!(
                "beads failed too often and need a person: `gt get beads -l {LABEL_CONVOY}={name} \
                 --field-selector status.state=SetAside`"
            )),
            Reason::InProgress if snapshot.up => {
                Some(format!("`gt wait convoy/{name} --for=condition=Landed --timeout 1h` prints what happens"))
            }
            _ => None,
        }
    }

    fn next_when_well(&self) -> String {
        let landed = "nothing: it has landed. More beads may be added to it at any time";
        let step = if is_over(self) { landed } else { "nothing: it goes on by itself" };
        step.to_owned()
    }

    fn deletion(&self) -> &'static str {
        "it goes once nobody works on its beads any more, and none of its branches is landing"
    }
}

/// Everything that blocks the landing of a convoy.
pub fn blocked(convoy: &Convoy, snapshot: &Snapshot) -> Blocked {
    let name = convoy.name_any();
    let Some(status) = convoy.status.as_ref().filter(|it| it.observed_generation == convoy.metadata.generation) else {
        return Blocked::default();
    };
    let landed = condition(&status.conditions, types::LANDED);
    let missing = landed.filter(|it| it.status == ConditionStatus::False && it.reason == Reason::RefNotFound);
    let mut blocked = Blocked::default();
    blocked.by.extend(missing.map(|missing| Blocker::of(format!("convoy/{name}"), missing)));
    let wanted: Vec<_> = snapshot.beads_of(&name).filter(|bead| !is_withdrawn(bead)).collect();
    let given_up = given_up(convoy, snapshot);
    let mut all_need_person = missing.is_some() || wanted.len() + given_up.len() >= convoy.spec.beads.len();
    let mut open = missing.is_some() || !given_up.is_empty();
    blocked.by.extend(given_up.into_iter().map(|bead| Blocker {
        object: bead.reference(),
        what: Reason::Withdrawn.to_string(),
        why: closed_by(bead),
        needs_person: true,
    }));
    for bead in wanted.into_iter().filter(|bead| bead.spec.closed.is_none()) {
        let by = bead.blockers(snapshot);
        open = true;
        all_need_person &= by.iter().any(|blocker| blocker.needs_person);
        blocked.by.extend(by);
    }
    let left = condition(&status.conditions, types::LEFT_TARGET).filter(|it| it.status == ConditionStatus::True);
    if let Some(left) = left {
        open = true;
        blocked.by.insert(Blocker::of(format!("convoy/{name}"), left));
    }
    blocked.permanent = open && all_need_person && convoy.metadata.deletion_timestamp.is_none();
    blocked
}

/// The beads that a convoy wants and a person has closed before they had landed.
fn given_up<'a>(convoy: &Convoy, snapshot: &'a Snapshot) -> Vec<&'a Bead> {
    let wants =
        |bead: &Bead| bead.labels().get(LABEL_BEAD).is_some_and(|it| convoy.spec.beads.iter().any(|b| b.name == *it));
    let name = convoy.name_any();
    let found: Vec<&Bead> = snapshot.beads_of(&name).filter(|bead| is_given_up(bead) && wants(bead)).collect();
    // What a later run has made anew is not asked for.
    let landed = convoy.status.as_ref().is_some_and(|status| is_true(&status.conditions, types::LANDED));
    if landed { Vec::new() } else { found }
}

fn closed_by(bead: &Bead) -> String {
    let by = bead.spec.closed.as_ref().map(|closed| closed.by.as_str()).unwrap_or_default();
    format!("closed by {by} before it had landed: {}", plain(&bead.spec.title))
}

/// Convoys that do not land because a person has closed some of their beads.
pub fn with_given_up_beads(snapshot: &Snapshot, _: &[Need]) -> Vec<Need> {
    let found = snapshot.all::<Convoy>().filter_map(|convoy| {
        let given_up = given_up(convoy, snapshot);
        let first = given_up.first()?;
        let more = if given_up.len() > 1 { format!("; likewise {} more", given_up.len() - 1) } else { String::new() };
        Some(Need::new(convoy.reference(), format!("{}: {}{more}", first.reference(), closed_by(first))))
    });
    found.collect()
}

/// The beads of a convoy that nobody has looked at yet.
fn declared(convoy: &Convoy) -> Section {
    let row = |bead: &ConvoyBead| {
        let rig = bead.rig.as_ref().or(convoy.spec.rig.as_ref()).cloned();
        vec![bead.name.clone().into(), rig.into(), bead.needs.join(",").into(), bead.title.clone().into()]
    };
    Section::new("Beads", DECLARED, convoy.spec.beads.iter().map(row))
}

/// Convoys of which something leads nowhere.
pub fn not_as_declared(snapshot: &Snapshot, _: &[Need]) -> Vec<Need> {
    let lost = snapshot.all::<Convoy>().filter_map(|convoy| {
        let landed = condition(&convoy.status.as_ref()?.conditions, types::LANDED)?;
        let need = || Need::new(format!("convoy/{}", convoy.name_any()), plain(&landed.message));
        (landed.reason == Reason::RefNotFound).then(need)
    });
    lost.collect()
}

/// A convoy in the overview.
pub fn line(convoy: &Convoy) -> ConvoyLine {
    let status = convoy.status.clone().unwrap_or_default();
    let landed = condition(&status.conditions, types::LANDED);
    ConvoyLine {
        name: convoy.name_any(),
        landed: landed.is_some_and(|landed| landed.status == ConditionStatus::True),
        beads: status.progress.unwrap_or_else(|| format!("0/{}", convoy.spec.beads.len())),
        reason: match landed {
            _ if convoy.metadata.deletion_timestamp.is_some() => DELETING.to_owned(),
            Some(landed) => landed.reason.clone(),
            None => NOT_SEEN.to_owned(),
        },
    }
}
