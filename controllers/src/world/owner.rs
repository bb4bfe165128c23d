//! `Owner`: the object that a repository, a job or a session belongs to.

use std::borrow::Cow;

use gastown_crds::Rig;
use gastown_crds::kinds::Registered;
use kube::{Resource, ResourceExt};
use serde::{Deserialize, Serialize};

/// The object that a repository, a job or a session belongs to. Its uid counts; kind and name go along for people's eyes.
///
/// A rig's kind is not written down: records and the names of jobs are then what they were before others could own any.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Owner {
    /// The kind's name, in CamelCase.
    #[serde(default = "rig_kind", skip_serializing_if = "is_rig_kind")]
    pub kind: Cow<'static, str>,
    /// The object's name.
    pub name: String,
    /// The object's uid.
    pub uid: String,
}

impl Owner {
    /// An object that the API has given a uid.
    pub fn of<K: Registered>(object: &K) -> Self {
        Self { kind: K::row().name.into(), name: object.name_any(), uid: object.uid().unwrap_or_default() }
    }

    /// The rig of this name and uid.
    pub fn rig(name: impl Into<String>, uid: impl Into<String>) -> Self {
        Self { kind: rig_kind(), name: name.into(), uid: uid.into() }
    }
}

fn rig_kind() -> Cow<'static, str> {
    Rig::kind(&())
}

fn is_rig_kind(kind: &str) -> bool {
    kind == rig_kind()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_rig_is_written_as_before_there_were_other_owners() {
        let rig = Owner::rig("shop", "1");
        assert_eq!(json!(rig), json!({ "name": "shop", "uid": "1" }));
        assert_eq!(serde_json::from_value::<Owner>(json!(rig)).unwrap(), rig);
        let source = Owner { kind: "Source".into(), ..rig };
        assert_eq!(serde_json::from_value::<Owner>(json!(source)).unwrap(), source);
    }
}
