//! `Town`: the whole, and its rigs.

use gastown_crds::common::Condition;
use gastown_crds::{Rig, Town};
use kube::api::ObjectMeta;

use super::{ANY, KindInsight, rig, typed};
use crate::{Section, Snapshot, Subject};

/// The kind's row.
pub const KIND: KindInsight = KindInsight { name: "Town", reads: &["Rig"], read: typed::<Town>, ..ANY };

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
        vec![rig::section("Rigs", snapshot.all::<Rig>())]
    }

    fn open_work(&self, _: &Snapshot) -> Option<String> {
        Some(format!("{} holds the town's settings: without it the defaults are in force", self.reference()))
    }

    fn next_when_well(&self) -> String {
        "`gt status` says what is going on".to_owned()
    }
}
