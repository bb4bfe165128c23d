//! `Town`: the whole, and its rigs.

use std::collections::BTreeSet;

use gastown_crds::common::{Condition, ConditionStatus, condition, types};
use gastown_crds::town::{AccountStatus, Notification, NotificationState};
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

/// The accounts that sessions work by, and why one is left alone.
fn accounts_section(accounts: &[AccountStatus]) -> Section {
    let row = |account: &AccountStatus| {
        let available = condition(&account.conditions, types::AVAILABLE);
        let is_shut = available.filter(|it| it.status == ConditionStatus::False);
        vec![
            account.name.clone().into(),
            available.map(|it| if is_shut.is_some() { it.reason.clone() } else { "yes".to_owned() }).into(),
            is_shut.and(account.until).map(|until| format!("{until:.0}")).into(),
            is_shut.map(|it| plain(&it.message)).into(),
        ]
    };
    let columns = Columns { headings: &["NAME", "AVAILABLE", "UNTIL", "WHY"], words: &["WHY"], spare: &["UNTIL"] };
    Section::new("Accounts", columns, accounts.iter().map(row))
}

/// Why no session of a Runtime is started by any of its accounts, in a few words.
pub(super) fn refused(runtime: &str, snapshot: &Snapshot) -> Option<String> {
    let town = snapshot.all::<Town>().next()?;
    let declared = town.spec.accounts.iter().filter(|it| it.runtimes.iter().any(|name| name == runtime));
    let mut names: Vec<&str> = declared.map(|it| &*it.name).collect();
    if names.is_empty() {
        names.push(runtime);
    }
    let status = town.status.as_ref()?;
    let shut = |name: &&str| {
        let account = status.accounts.iter().find(|account| account.name == **name)?;
        let available = condition(&account.conditions, types::AVAILABLE);
        available.filter(|it| it.status == ConditionStatus::False).map(|it| plain(&it.message))
    };
    let why: Vec<String> = names.iter().filter_map(shut).collect();
    if why.len() == names.len() { why.into_iter().next() } else { None }
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
        let status = self.status.as_ref();
        let accounts = status.map(|status| &status.accounts[..]).unwrap_or_default();
        let messages = status.map(|status| &status.notifications[..]).unwrap_or_default();
        let mut sections = vec![rig::section("Rigs", snapshot.all::<Rig>())];
        sections.extend((!accounts.is_empty()).then(|| accounts_section(accounts)));
        sections.extend((!messages.is_empty()).then(|| messages_section(messages)));
        sections
    }

    fn related_status(&self) -> &'static [&'static str] {
        &["accounts", "notifications"]
    }

    fn open_work(&self, _: &Snapshot) -> Option<String> {
        Some(format!("{} holds the town's settings: without it the defaults are in force", self.reference()))
    }

    fn next_when_well(&self) -> String {
        "`gt status` says what is going on".to_owned()
    }
}
