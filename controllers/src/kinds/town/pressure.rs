//! Pressure: whether this machine has the memory and the disk for one more session, by what is free just now.
//!
//! It is looked at when somebody would be given a slot, and never on a tick. What runs goes on, whatever is free.

use std::time::Duration;

use gastown_crds::Polecat;
use gastown_crds::common::{ConditionStatus, condition, types};
use gastown_crds::polecat::PolecatState;
use gastown_crds::quantity::Bytes;
use jiff::Timestamp;

use crate::view::{NotSeen, View};

/// The memory that an agent is taken to need until it is at work and its use can be seen: agents were measured at 230 to
/// 900 MB.
const SESSION_MEMORY: u64 = 512 << 20;
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

impl Pressure {
    /// The pressure by what is free now, once all that was given a slot is at work: so many in this round, and those of
    /// earlier rounds.
    pub fn of(view: &View<'_>, given: u32) -> Result<Self, NotSeen> {
        let min = view.settings.min_free(view.machine()?);
        let free = view.free()?;
        let at_work = |polecat: &&std::sync::Arc<Polecat>| {
            polecat.status.as_ref().is_some_and(|status| status.state == PolecatState::Working)
        };
        let working = u32::try_from(view.objects.all::<Polecat>().filter(at_work).count()).unwrap_or(u32::MAX);
        let starting = view.objects.at_work().saturating_sub(working).saturating_add(given);
        let memory = free.memory.saturating_sub(SESSION_MEMORY.saturating_mul(u64::from(starting)));
        let short = |what: &str, free: u64, min: u64, field: &str| {
            (free < min).then(|| {
                let (free, min) = (Bytes(free).rounded(), Bytes(min));
                let wanted = format!("no session is started below {min} (capacity.{field})");
                format!("{free} of {what} are free, and {wanted}; what runs goes on")
            })
        };
        Ok(Self {
            memory: short("memory", memory, min.memory, "minFreeMemory"),
            disk: short("disk", free.disk, min.disk, "minFreeDisk"),
        })
    }

    /// Whether something is short.
    pub fn is_any(&self) -> bool {
        self.memory.is_some() || self.disk.is_some()
    }
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
