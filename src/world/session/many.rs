//! Many sessions at once: all that there are on this machine, and ending them side by side.
//!
//! It needs no controller and no store: what runs is known by the records beside the locks.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use gastown_controllers::world::SandboxId;
use gastown_supervisor::family::GRACE;
use gastown_supervisor::watch;

use super::end::KILL_MAX;
use super::{SessionError, Sessions};

/// Sessions that are ended side by side. Each takes a thread that mostly waits.
const ENDING_MAX: usize = 256;

/// The time that a controller has to see that sessions are to end, and to record that they have.
const NOTICE: Duration = Duration::from_secs(1);

/// How often it is looked whether processes that outlived their agent and their supervisor are gone.
const STRAYS_EVERY: Duration = Duration::from_millis(20);

/// The file that says which attempt a sandbox's lock is meant for ends so.
const HOLDER: &str = ".json";

impl Sessions {
    /// The uids of all sandboxes in which an attempt was started, whether it runs or not, in the order of their uids.
    pub fn sandboxes(&self) -> Result<Vec<String>, SessionError> {
        let entries = match fs_err::read_dir(self.layout.sandbox_locks()) {
            Ok(entries) => entries,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(e.into()),
        };
        let mut uids = Vec::new();
        for entry in entries {
            uids.extend(entry?.file_name().to_str().and_then(|name| name.strip_suffix(HOLDER)).map(str::to_owned));
        }
        uids.sort_unstable();
        Ok(uids)
    }

    /// Ends the sessions in these sandboxes, side by side. Gives those that could not be ended, each with why.
    pub fn end_all(&self, sandboxes: &[SandboxId]) -> Vec<(SandboxId, SessionError)> {
        let next = AtomicUsize::new(0);
        let work = || {
            let mut failed = Vec::new();
            while let Some(sandbox) = sandboxes.get(next.fetch_add(1, Ordering::Relaxed)) {
                failed.extend(self.end(sandbox).err().map(|error| (sandbox.clone(), error)));
            }
            failed
        };
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..sandboxes.len().min(ENDING_MAX)).map(|_| scope.spawn(work)).collect();
            let ended = workers.into_iter().map(|worker| worker.join().expect("ending a session does not panic"));
            ended.flatten().collect()
        })
    }

    /// The longest time in which a controller ends these sessions, once it was told to.
    pub fn ended_within(&self, sandboxes: &[SandboxId]) -> Result<Duration, SessionError> {
        let mut longest = Duration::ZERO;
        for sandbox in sandboxes {
            let holder = self.holder(&sandbox.uid)?;
            longest = longest.max(holder.map_or(Ok(GRACE), |holder| self.grace(&holder))?);
        }
        Ok(longest + KILL_MAX + NOTICE)
    }

    /// Waits until nobody is left in these sandboxes, as long as that takes a controller at most; gives those in which somebody is.
    pub fn wait_for_ends(&self, sandboxes: &[SandboxId]) -> Result<Vec<SandboxId>, SessionError> {
        let (began, limit) = (Instant::now(), self.ended_within(sandboxes)?);
        let mut left = sandboxes.to_vec();
        loop {
            let mut busy = Vec::new();
            let mut leaders = Vec::new();
            for sandbox in left {
                let Some(holder) = self.holder(&sandbox.uid)? else { continue };
                if self.is_there(&sandbox.uid, &holder)? {
                    leaders.extend(self.started(&holder)?.and_then(|started| started.process.open()));
                    leaders.extend(self.agent(&holder)?.and_then(|agent| agent.open()));
                    busy.push(sandbox);
                }
            }
            left = busy;
            let time = limit.saturating_sub(began.elapsed());
            if left.is_empty() || time.is_zero() {
                return Ok(left);
            }
            // Whoever else holds a lock is found by scanning every process, which many of these cannot do all the time.
            if leaders.is_empty() {
                std::thread::sleep(time.min(STRAYS_EVERY));
            } else {
                watch::readable(&leaders, Some(time))?;
            }
        }
    }
}
