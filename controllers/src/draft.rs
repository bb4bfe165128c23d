//! `Draft`: the status of an object while its controller computes it.
//!
//! It starts from the status that stands in the object, conditions left out: a condition that is not found again goes. What
//! is the same for every kind (the observed generation, conditions, how often something failed) is filled in at its end.

use gastown_crds::common::Observed;
use kube::Resource;
use kube::core::object::HasStatus;

use crate::conditions::Conditions;
use crate::view::View;
use crate::world::Owner;

/// A status that is being computed.
#[derive(Debug)]
pub struct Draft<'a, K: HasStatus> {
    /// The object that it is of.
    pub object: &'a K,
    /// The fields that are this kind's own.
    pub status: K::Status,
    /// The conditions that are found to hold now.
    pub conditions: Conditions<'a>,
    /// Another object that what is told of this one is about.
    pub related: Option<Owner>,
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
        Self { object, status: object.status().cloned().unwrap_or_default(), conditions, related: None }
    }

    /// Leaves the conditions as they stand in the object, and how often what they report has failed.
    pub fn keep_conditions(&mut self) {
        self.conditions.keep();
        self.conditions.fails(self.status.failures());
    }

    /// The object and its whole status.
    pub(crate) fn done(self) -> (&'a K, K::Status) {
        let Self { object, mut status, conditions, related: _ } = self;
        let failures = conditions.failures();
        status.observe(object.meta().generation, conditions.done(), failures);
        (object, status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objects::Objects;
    use crate::view::Facts;
    use gastown_crds::MergeRequest;
    use jiff::Timestamp;
    use serde_json::json;

    #[test]
    fn conditions_that_are_kept_keep_their_count_of_failures() {
        let condition = json!({ "type": "Merged", "status": "False", "reason": "VerifyError", "message": "could not run",
            "lastTransitionTime": "1970-01-01T00:00:00Z" });
        let request: MergeRequest = serde_json::from_value(json!({
            "apiVersion": "gastown.io/v1alpha1", "kind": "MergeRequest", "metadata": { "name": "m" },
            "spec": { "bead": "b", "rig": "r", "polecat": "p", "head": "0", "base": "0", "attempt": 1 },
            "status": { "state": "Queued", "conditions": [condition], "consecutiveFailures": 3 },
        }))
        .unwrap();
        let (objects, facts) = (Objects::default(), Facts::new());
        let view = View::new(Timestamp::UNIX_EPOCH, &objects, &facts, None);
        let mut draft = Draft::of(&request, &view);
        draft.keep_conditions();
        assert_eq!(draft.done().1, *request.status.as_ref().unwrap());
    }
}
