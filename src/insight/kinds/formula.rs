//! `Formula`: a workflow that beads name.

use gastown_crds::Formula;
use gastown_crds::common::Condition;
use kube::api::ObjectMeta;

use super::{ANY, KindInsight, typed};
use crate::Subject;

/// The kind's row.
pub const KIND: KindInsight = KindInsight { name: "Formula", read: typed::<Formula>, ..ANY };

impl Subject for Formula {
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
