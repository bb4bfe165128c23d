//! `Draft`: the status of an object while its controller computes it.
//!
//! It starts from the status that stands in the object, conditions left out: a condition that is not found again goes. What
//! is the same for every kind (the observed generation, conditions, how often something failed) is filled in at its end.

use gastown_crds::common::Observed;
use kube::Resource;
use kube::core::object::HasStatus;

use crate::conditions::Conditions;
use crate::view::View;

/// A status that is being computed.
#[derive(Debug)]
pub struct Draft<'a, K: HasStatus> {
    /// The object that it is of.
    pub object: &'a K,
    /// The fields that are this kind's own.
    pub status: K::Status,
    /// The conditions that are found to hold now.
    pub conditions: Conditions<'a>,
}

impl<'a, K> Draft<'a, K>
where
    K: Resource + HasStatus,
    K::Status: Observed,
{
    /// A draft that starts from what stands in the object.
    pub fn of(object: &'a K, view: &View<'_>) -> Self {
        let old = object.status().map_or(&[][..], Observed::conditions);
        let conditions = Conditions::new(old, object.meta().generation, view.now);
        Self { object, status: object.status().cloned().unwrap_or_default(), conditions }
    }

    /// The object and its whole status.
    pub(crate) fn done(self) -> (&'a K, K::Status) {
        let Self { object, mut status, conditions } = self;
        let failures = conditions.failures();
        status.observe(object.meta().generation, conditions.done(), failures);
        (object, status)
    }
}
