//! `Runtime`: one that is used needs a person where its program is not installed, or its sessions run without its limits.

use std::collections::BTreeSet;

use gastown_controllers::runtime;
use gastown_crds::common::{Condition, ConditionStatus, condition, types};
use gastown_crds::reason::Reason;
use gastown_crds::{Convoy, Polecat, Rig, Runtime, Town};
use kube::ResourceExt;
use kube::api::ObjectMeta;

use super::{ANY, KindInsight, typed};
use crate::attention::Need;
use crate::{Snapshot, Subject, conditions};

/// The kind's row.
pub const KIND: KindInsight = KindInsight { name: "Runtime", read: typed::<Runtime>, ..ANY };

impl Subject for Runtime {
    fn kind(&self) -> &str {
        KIND.name
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn conditions(&self) -> &[Condition] {
        self.status.as_ref().map(|status| &status.conditions[..]).unwrap_or_default()
    }

    fn next_when_well(&self) -> String {
        "nothing: it is used where it is named".to_owned()
    }
}

/// The names of the runtimes that a town uses. It is asked of a snapshot with the town, rigs, polecats, convoys and beads.
pub fn used(snapshot: &Snapshot) -> BTreeSet<&str> {
    let beads = snapshot.work().filter_map(runtime::of_open);
    let (town, convoys) = (snapshot.all::<Town>().next(), snapshot.all::<Convoy>());
    runtime::used(town, snapshot.all::<Rig>(), snapshot.all::<Polecat>(), convoys, beads)
}

/// Runtimes that are used and whose program is not here, or whose limits do not hold here. One that nobody names needs nobody.
pub fn lacking(snapshot: &Snapshot, _: &[Need]) -> Vec<Need> {
    let used = used(snapshot);
    let used = snapshot.all::<Runtime>().filter(|runtime| used.contains(&*runtime.name_any()));
    let bad = used.flat_map(|runtime| {
        let conditions = runtime.status.as_ref().map_or(&[][..], |status| &status.conditions);
        let ready = conditions::refused(conditions, &[Reason::CommandNotFound]);
        let limits = condition(conditions, types::LIMITS_ENFORCED).filter(|it| it.status == ConditionStatus::False);
        let words = ready.into_iter().chain(limits).map(conditions::words);
        words.map(|words| Need::new(format!("runtime/{}", runtime.name_any()), words)).collect::<Vec<_>>()
    });
    bad.collect()
}
