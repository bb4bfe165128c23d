//! `Town`: the whole, and its rigs.

use gastown_crds::Town;
use gastown_crds::common::Condition;
use kube::api::ObjectMeta;

use super::{KindInsight, typed};
use crate::insight::Subject;

/// What is known of the kind.
pub const KIND: KindInsight = KindInsight { name: "Town", reads: &["Rig"], read: typed::<Town> };

impl Subject for Town {
    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn conditions(&self) -> &[Condition] {
        self.status.as_ref().map(|status| &status.conditions[..]).unwrap_or_default()
    }

    fn reference(&self) -> String {
        self.named("town")
    }

    fn next_when_well(&self) -> String {
        "`gt status` says what is going on".to_owned()
    }
}
