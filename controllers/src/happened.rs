//! What has happened, as events that people and agents read: `bd list --type=event`, `bd activity`.
//!
//! An event is written where it is seen, in the plan that says the same in a status. Its name follows from what has happened, and a
//! write of one that is there already is none: so a crash between the two neither loses an event nor doubles it. A gate
//! that waits for one is all that reads them.

use gastown_crds::BeadEvent;
use gastown_crds::actor::CONTROLLER;
use gastown_crds::bead_event::{BeadEventSpec, DAEMON};
use gastown_crds::names;
use kube::api::ObjectMeta;
use serde_json::Value;

use crate::plan::{Plan, Write};
use crate::view::View;

/// Something that the town itself has seen happen.
#[derive(Debug, Clone)]
pub struct Happened<'a> {
    /// The type of the event, such as `agent.started`.
    pub event_type: &'a str,
    /// Whom or what it happened to, such as `agent:shop/polecats/nux`.
    pub target: String,
    /// What tells it apart from others of its type: uids and numbers.
    pub which: &'a [&'a str],
    /// More about it.
    pub payload: Value,
    /// The same in a line, for people.
    pub title: String,
    /// The bead whose history it is a part of.
    pub parent: Option<String>,
}

/// Whether records wait: something has failed, and they are all that there is to do before it is tried again. Alone they would
/// be another plan than the one that is held back, done each time and never said to be done.
pub fn waits(view: &View<'_>, plan: &mut Plan) -> bool {
    let Some(failure) = view.failed.filter(|_| view.is_put_off() && plan.effects.is_empty()) else { return false };
    plan.keeps_failure = true;
    plan.again_at(failure.until);
    true
}

impl Happened<'_> {
    /// Its record.
    pub fn write(self) -> Write {
        let Self { event_type, target, which, payload, title, parent } = self;
        let name = names::system_event(&[&[event_type], which].concat());
        Write::create(&BeadEvent {
            metadata: ObjectMeta { name: Some(name), ..ObjectMeta::default() },
            spec: BeadEventSpec {
                event_type: event_type.to_owned(),
                actor: Some(DAEMON.to_owned()),
                target: Some(target),
                payload: Some(payload.to_string()),
                title: Some(title),
                description: None,
                parent,
                labels: Vec::new(),
                created_by: Some(CONTROLLER.to_owned()),
                created_at: None,
            },
        })
    }
}
