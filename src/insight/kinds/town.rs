//! `Town`: the whole, and its rigs.

use std::collections::BTreeSet;

use gastown_crds::common::{Condition, ConditionStatus, condition, types};
use gastown_crds::town::{Notification, NotificationState};
use gastown_crds::{Rig, Town};
use kube::api::ObjectMeta;

use super::{ANY, KindInsight, rig, typed};
use crate::attention::Need;
use crate::overview::CapacityLine;
use crate::related::{Cell, Columns};
use crate::text::plain;
use crate::{Blocker, Section, Snapshot, Subject, conditions};

/// The kind's row.
pub const KIND: KindInsight = KindInsight { name: "Town", reads: &["Rig"], read: typed::<Town>, ..ANY };

/// The conditions that no session is started under.
fn pressure(town: &Town) -> impl Iterator<Item = &Condition> {
    let conditions = town.status.as_ref().map_or(&[][..], |status| &status.conditions);
    let types = [types::MEMORY_PRESSURE, types::DISK_PRESSURE];
    types.into_iter().filter_map(|type_| condition(conditions, type_).filter(|it| it.status != ConditionStatus::False))
}

/// Adds what keeps the whole town from starting sessions.
pub(super) fn block(snapshot: &Snapshot, found: &mut BTreeSet<Blocker>) {
    for town in snapshot.all::<Town>() {
        found.extend(
            pressure(town).map(|short| Blocker { what: short.type_.clone(), ..Blocker::of(town.reference(), short) }),
        );
    }
}

/// What keeps the whole town from starting sessions, in words.
pub(super) fn short_of(snapshot: &Snapshot) -> Option<String> {
    snapshot.all::<Town>().flat_map(pressure).map(|short| plain(&short.message)).next()
}

/// A machine that has not enough memory or disk free.
pub fn under_pressure(snapshot: &Snapshot, _: &[Need]) -> Vec<Need> {
    let short = |town| pressure(town).map(move |it| Need::new(Subject::reference(town), conditions::words(it)));
    snapshot.all::<Town>().flat_map(short).collect()
}

/// A town whose own command does not tell people of the rest.
pub fn tells_nobody(snapshot: &Snapshot, _: &[Need]) -> Vec<Need> {
    let fails = |town: &Town| {
        let conditions = town.status.as_ref().map_or(&[][..], |status| &status.conditions);
        condition(conditions, types::NOTIFY_FAILED)
            .filter(|it| it.status == ConditionStatus::True)
            .map(conditions::words)
    };
    let need = |town| Some(Need::new(Subject::reference(town), fails(town)?));
    snapshot.all::<Town>().filter_map(need).collect()
}

/// What runs, and what has to be free for more.
pub fn line(town: &Town) -> Option<CapacityLine> {
    let status = town.status.as_ref()?;
    Some(CapacityLine {
        working: status.polecats_working,
        polecats: status.polecats_max,
        min_free_memory: status.min_free_memory?.to_string(),
        min_free_disk: status.min_free_disk?.to_string(),
    })
}

/// What people were told, and are to be told.
fn messages_section(messages: &[Notification]) -> Section {
    let row = |told: &Notification| {
        let state = match told.state {
            NotificationState::Pending => "to be told",
            NotificationState::Sent => "told",
            NotificationState::Failed => "failed",
        };
        let object = format!("{}/{}", told.kind.to_lowercase(), told.name);
        vec![object.into(), told.reason.clone().into(), Cell::Since(told.since), state.to_owned().into()]
    };
    let columns = Columns { headings: &["OBJECT", "REASON", "AGE", "STATE"], words: &[], spare: &[] };
    Section::new("Messages", columns, messages.iter().map(row))
}

impl Subject for Town {
    fn kind(&self) -> &str {
        KIND.name
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn conditions(&self) -> &[Condition] {
        self.status.as_ref().map(|status| &status.conditions[..]).unwrap_or_default()
    }

    fn related(&self, snapshot: &Snapshot) -> Vec<Section> {
        let messages = self.status.as_ref().map(|status| &status.notifications[..]).unwrap_or_default();
        let mut sections = vec![rig::section("Rigs", snapshot.all::<Rig>())];
        sections.extend((!messages.is_empty()).then(|| messages_section(messages)));
        sections
    }

    fn related_status(&self) -> &'static [&'static str] {
        &["notifications"]
    }

    fn open_work(&self, _: &Snapshot) -> Option<String> {
        Some(format!("{} holds the town's settings: without it the defaults are in force", self.reference()))
    }

    fn next_when_well(&self) -> String {
        "`gt status` says what is going on".to_owned()
    }
}
