//! `Plan`: what a controller wants done, as data that can be printed, compared and refused.

use gastown_crds::bead::{Assignee, BeadSpec, Closed};
use gastown_crds::{
    Bead, BeadStatus, ConvoyStatus, FormulaStatus, MergeRequestStatus, Polecat, PolecatStatus, RigStatus,
    RuntimeStatus, TownStatus,
};
use jiff::Timestamp;
use kube::ResourceExt;
use kube::core::object::HasStatus;

use crate::objects::Kind;
use crate::world::Act;

/// What one reconcile wants.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Plan {
    /// What is to be done, in order; the first that fails ends the list.
    pub effects: Vec<Effect>,
    /// What was observed. Only what differs from the present status is in here.
    pub status: Vec<StatusWrite>,
    /// When to look again even if nothing happens.
    pub requeue: Option<Timestamp>,
}

impl Plan {
    /// Nothing to do.
    pub fn none() -> Self {
        Self::default()
    }

    /// Adds an effect in the world.
    pub fn act(&mut self, act: Act) {
        self.effects.push(Effect::Act(act));
    }

    /// Adds a write.
    pub fn write(&mut self, write: Write) {
        self.effects.push(Effect::Write(write));
    }

    /// Tells what was observed of an object, if that is news.
    pub fn tell<K>(&mut self, object: &K, status: K::Status, kind: fn(K::Status) -> Status)
    where
        K: ResourceExt + HasStatus,
        K::Status: PartialEq,
    {
        if object.status() != Some(&status) {
            self.status.push(StatusWrite { object: Version::of(object), status: kind(status) });
        }
    }

    /// Looks again at that instant, or earlier if something else asks for it.
    pub fn again_at(&mut self, at: Timestamp) {
        self.requeue = Some(self.requeue.map_or(at, |before| before.min(at)));
    }
}

/// One thing to be done.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "a plan holds a handful; boxes would cloud every controller")]
pub enum Effect {
    /// In the world.
    Act(Act),
    /// Through the API.
    Write(Write),
    /// Goes on only if the bead, read again from the API, still names this polecat, and as being at work. Before anything
    /// that starts an agent.
    ConfirmClaim {
        /// The bead's name.
        bead: String,
        /// The bead's uid.
        bead_uid: String,
        /// Who must have it.
        assignee: Assignee,
    },
}

/// A write through the API, other than of status. Each is idempotent or conditional on a resourceVersion.
#[derive(Debug, Clone, PartialEq)]
pub enum Write {
    /// The bead exists; that it does already is success.
    CreateBead(Box<Bead>),
    /// The polecat exists; that it does already is success.
    CreatePolecat(Box<Polecat>),
    /// The claim: the bead names its worker, and what that waits for. Conditional, so that a bead has at most one.
    Claim {
        /// The bead, as it was seen.
        bead: Version,
        /// Who gets it.
        assignee: Assignee,
    },
    /// The bead names no worker. Conditional.
    Release {
        /// The bead, as it was seen.
        bead: Version,
    },
    /// The bead is closed, and names no worker. Conditional.
    Close {
        /// The bead, as it was seen.
        bead: Version,
        /// How.
        closed: Closed,
    },
    /// The bead says what its convoy says. Conditional.
    UpdateBead {
        /// The bead, as it was seen.
        bead: Version,
        /// All of its new spec.
        spec: Box<BeadSpec>,
    },
    /// The finalizers of an object are these. Conditional.
    Finalizers {
        /// Of what kind.
        kind: Kind,
        /// The object, as it was seen.
        object: Version,
        /// All of them.
        finalizers: Vec<String>,
    },
    /// The bead does not exist. Conditional on its uid.
    DeleteBead {
        /// Its name.
        name: String,
        /// Its uid.
        uid: String,
    },
}

/// An object as it was seen: a write is refused if it has changed since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// Its resourceVersion.
    pub resource_version: String,
}

impl Version {
    /// The version of an object that came from the API.
    pub fn of(object: &impl ResourceExt) -> Self {
        Self {
            name: object.name_any(),
            uid: object.uid().unwrap_or_default(),
            resource_version: object.resource_version().unwrap_or_default(),
        }
    }
}

/// A status that differs from the present one. Conditional on the resourceVersion.
#[derive(Debug, Clone, PartialEq)]
pub struct StatusWrite {
    /// The object, as it was seen.
    pub object: Version,
    /// Its new status.
    pub status: Status,
}

/// A status, by kind.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "each variant is the status of the kind it is named after")]
pub enum Status {
    Town(TownStatus),
    Rig(RigStatus),
    Runtime(RuntimeStatus),
    Formula(FormulaStatus),
    Convoy(ConvoyStatus),
    Bead(BeadStatus),
    Polecat(PolecatStatus),
    MergeRequest(MergeRequestStatus),
}

impl Status {
    /// The kind whose status it is.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Town(_) => Kind::Town,
            Self::Rig(_) => Kind::Rig,
            Self::Runtime(_) => Kind::Runtime,
            Self::Formula(_) => Kind::Formula,
            Self::Convoy(_) => Kind::Convoy,
            Self::Bead(_) => Kind::Bead,
            Self::Polecat(_) => Kind::Polecat,
            Self::MergeRequest(_) => Kind::MergeRequest,
        }
    }
}
