//! Pressure: whether this machine has the memory and the disk for one more session, by what is free just now.
//!
//! It is looked at when somebody would be given a slot, and never on a tick. What runs goes on, whatever is free.

use std::time::Duration;

use gastown_crds::common::{ConditionStatus, condition, types};
use gastown_crds::polecat::PolecatState;
use gastown_crds::quantity::Bytes;
use gastown_crds::{Bead, Polecat, Runtime};
use jiff::Timestamp;
use kube::ResourceExt;

use crate::kinds::runtime;
use crate::view::{NotSeen, View};

/// What is short is looked at again after this at first, then after half the time that it has been short.
const DELAY_MIN: Duration = Duration::from_secs(5);

/// What this machine is short of, each as the message of a condition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pressure {
    /// Too little memory is free.
    pub memory: Option<String>,
    /// Too little disk is free.
    pub disk: Option<String>,
}

/// What this machine could not give to a session, were all of it free.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Beyond {
    /// It needs more memory than there is.
    pub memory: bool,
    /// More disk has to be free than there is.
    pub disk: bool,
}

impl Beyond {
    /// For the session of a runtime. Of a machine that does not say what it has, nothing is known.
    pub fn of(view: &View<'_>, next: Option<&Runtime>) -> Result<Self, NotSeen> {
        let machine = view.machine()?;
        let min = view.settings.min_free(machine);
        let is_beyond = |wanted: u64, all: u64| all > 0 && wanted > all;
        Ok(Self {
            memory: is_beyond(min.memory.saturating_add(runtime::requested(next)), machine.memory),
            disk: is_beyond(min.disk, machine.disk),
        })
    }
}

impl Pressure {
    /// The pressure by what is free now, once all that was given a slot is at work: what this round has given takes so many
    /// bytes, and those of earlier rounds are known. `next` is the runtime of the session that would be started.
    pub fn of(view: &View<'_>, given: u64, next: Option<&Runtime>) -> Result<Self, NotSeen> {
        let min = view.settings.min_free(view.machine()?);
        let free = view.free()?;
        let starting = view.objects.assigned().map(|bead| starting(bead, view));
        let memory = starting.fold(free.memory.saturating_sub(given), u64::saturating_sub);
        let requested = runtime::requested(next);
        let short = |what: &str, free: u64, min: u64, wanted: String| {
            (free < min)
                .then(|| format!("{} of {what} are free, and {wanted}; what runs goes on", Bytes(free).rounded()))
        };
        let below = |min: u64, field: &str| format!("no session is started below {} (capacity.{field})", Bytes(min));
        let for_memory = match next.filter(|_| requested > 0) {
            None => below(min.memory, "minFreeMemory"),
            Some(runtime) => format!(
                "a session of Runtime `{}` needs {} beside {} (resources.requests, capacity.minFreeMemory)",
                runtime.name_any(),
                Bytes(requested),
                Bytes(min.memory)
            ),
        };
        Ok(Self {
            memory: short("memory", memory, min.memory.saturating_add(requested), for_memory),
            disk: short("disk", free.disk, min.disk, below(min.disk, "minFreeDisk")),
        })
    }

    /// Whether something is short.
    pub fn is_any(&self) -> bool {
        self.memory.is_some() || self.disk.is_some()
    }
}

/// The memory that the session of a bead is taken to use yet: none once it is at work, for then it is seen.
fn starting(bead: &Bead, view: &View<'_>) -> u64 {
    let Some(assignee) = bead.spec.assignee.as_ref().filter(|assignee| assignee.waiting.is_none()) else { return 0 };
    let polecat = view.objects.get::<Polecat>(&assignee.polecat);
    let state = polecat.and_then(|polecat| polecat.status.as_ref()).map(|status| status.state);
    if state == Some(PolecatState::Working) {
        return 0;
    }
    runtime::taken(runtime::runtime_of(bead, Some(&assignee.polecat), view))
}

/// When to look again at what is short: the longer it has been so, the later.
pub fn again(view: &View<'_>) -> Timestamp {
    let conditions = view.objects.town().and_then(|town| town.status.as_ref()).map_or(&[][..], |it| &it.conditions);
    let since = [types::MEMORY_PRESSURE, types::DISK_PRESSURE].into_iter().filter_map(|type_| {
        let found = condition(conditions, type_).filter(|it| it.status == ConditionStatus::True)?;
        Some(found.last_transition_time)
    });
    let lasted = since.min().map(|since| Duration::try_from(view.now.duration_since(since)).unwrap_or_default());
    let longest = view.settings.max_delay().max(DELAY_MIN);
    view.now + (lasted.unwrap_or_default() / 2).clamp(DELAY_MIN, longest)
}
