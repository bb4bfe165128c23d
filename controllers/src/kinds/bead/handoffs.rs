//! Handoffs: attempts that left the rest of their work to the next one, and those of them that got nowhere.

use gastown_crds::actor::Worker;
use gastown_crds::bead::{BeadSpec, Handoff};

use crate::world::Attempt;

/// How many handoffs in a row may be made at the same place: an agent may have read all it needs, and its successor find out that
/// it needs more. Those after that are charged as attempts that failed.
const NOWHERE_MAX: usize = 2;

/// Whether an attempt handed off without a commit or a closed step since the handoffs before it. What a person has ended is nobody's
/// fault.
pub fn got_nowhere(spec: &BeadSpec, run: &Attempt) -> bool {
    let by_agent = |it: &&Handoff| Worker::parse(&it.by).is_some();
    let Some(own) = spec.handoff_of(run.attempt).filter(by_agent) else { return false };
    let row = spec.handoffs.iter().rev().filter(by_agent).skip_while(|it| it.attempt != own.attempt);
    row.take_while(|it| it.progress == own.progress).count() > NOWHERE_MAX
}
