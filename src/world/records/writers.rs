//! The processes that add to a log. Once all of them have ended without a record of it, none will come.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use futures::future::select_all;
use gastown_supervisor::process::ProcessId;
use gastown_supervisor::records::{self, Started};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// The processes that add to the log of an attempt or job.
#[derive(Debug)]
pub enum Writers {
    /// They are not on record: the attempt or job has not begun.
    Unknown,
    /// These live: the supervisor, and the agent, which may outlive it. None, if all of them have ended.
    Known(Vec<OwnedFd>),
}

impl Writers {
    /// The writers by the records in the folder of an attempt or job. A record that cannot be read says nothing.
    pub fn of(folder: &Path) -> Self {
        let Ok(Some(Started { process, .. })) = records::read(&folder.join(records::STARTED)) else {
            return Self::Unknown;
        };
        let agent = records::read::<ProcessId>(&folder.join(records::AGENT)).ok().flatten();
        Self::Known([Some(process), agent].into_iter().flatten().filter_map(|it| it.open()).collect())
    }

    /// Whether all writers have ended.
    pub fn are_gone(&self) -> bool {
        matches!(self, Self::Known(living) if living.is_empty())
    }

    /// Waits until one of them ends; for ever, if they are not on record. Must be called in a tokio runtime.
    #[expect(deprecated, reason = "sound for a descriptor that is owned: nobody can close it before it is let go of")]
    pub async fn one_ended(self) -> io::Result<()> {
        let Self::Known(living) = self else { return std::future::pending().await };
        let mut waits = Vec::new();
        for process in living {
            let process = AsyncFd::with_interest(process, Interest::READABLE)?;
            waits.push(Box::pin(async move { process.readable().await.map(drop) }));
        }
        if waits.is_empty() { Ok(()) } else { select_all(waits).await.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::Exec;

    #[test]
    fn whoever_waits_for_their_end_is_woken_by_it() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(Writers::of(dir.path()), Writers::Unknown));
        let mut children = [0, 1].map(|_| Exec::new("sleep").arg("600").command().spawn().unwrap());
        let [process, agent] = [0, 1].map(|nth: usize| ProcessId::of(children[nth].id().cast_signed()).unwrap());
        records::write(&dir.path().join(records::STARTED), &Started { process, tmux: None, cgroup: None }, false)
            .unwrap();
        records::write(&dir.path().join(records::AGENT), &agent, false).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        for child in &mut children {
            let writers = Writers::of(dir.path());
            assert!(!writers.are_gone());
            runtime.block_on(async {
                let mut ended = std::pin::pin!(writers.one_ended());
                assert!(futures::poll!(&mut ended).is_pending());
                child.kill().unwrap();
                tokio::time::timeout(std::time::Duration::from_mins(1), ended).await.unwrap().unwrap();
            });
            child.wait().unwrap();
        }
        assert!(Writers::of(dir.path()).are_gone());
    }
}
