//! The lane: one task that folds what is appended, as it is appended, at most once a second and a tenth of the time.

use std::path::{Path, PathBuf};
use std::time::Duration;

use gastown_base::clock::{Clock as _, SystemClock};
use gastown_world::exec::Exec;
use notify::{RecursiveMode, Watcher as _};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tracing::{debug, warn};

use crate::fold::{Fold, Folded, LedgerError, repository_of};

/// The least time between two folds: a burst of writes is one commit.
const PAUSE: Duration = Duration::from_secs(1);
/// Commits between two packings of the repository: each leaves some four files behind.
const COMMITS_UNPACKED_MAX: u32 = 1_000;
/// How long a packing may take.
const PACK_MAX: Duration = Duration::from_mins(5);

/// Follows a file of facts until it is dropped. What goes wrong is logged, and tried again with what comes next: nothing waits for it.
pub async fn follow(facts: PathBuf) {
    if let Err(error) = run(&facts).await {
        warn!(%error, "the ledger is not kept in git any more; the facts beside it are whole");
    }
}

async fn run(facts: &Path) -> Result<(), LedgerError> {
    let (woken, mut wakes) = mpsc::channel(1);
    let folder = facts.parent().unwrap_or(Path::new(".")).to_owned();
    gastown_base::private::create(&folder)?;
    let name = facts.file_name().map(std::ffi::OsStr::to_owned);
    let on_event = move |event: notify::Result<notify::Event>| {
        let of_facts = |event: &notify::Event| event.paths.iter().any(|path| path.file_name() == name.as_deref());
        if event.as_ref().map_or(true, of_facts) {
            // One that waits already is enough: a fold takes all there is.
            let _full = woken.try_send(());
        }
    };
    let failed = |error: notify::Error| LedgerError::Io(std::io::Error::other(error));
    let mut watcher = notify::recommended_watcher(on_event).map_err(failed)?;
    watcher.watch(&folder, RecursiveMode::NonRecursive).map_err(failed)?;
    let mut unpacked = 0;
    loop {
        let started = Instant::now();
        match fold(facts).await {
            Ok(Folded { facts, commit }) => {
                if let Some(commit) = commit {
                    debug!(facts, %commit, "the ledger was folded");
                    unpacked += 1;
                }
            }
            Err(error) => warn!(%error, "the ledger could not be folded; it is tried again with the next write"),
        }
        let took = started.elapsed();
        if unpacked >= COMMITS_UNPACKED_MAX {
            unpacked = 0;
            pack(facts).await;
        }
        if wakes.recv().await.is_none() {
            return Ok(());
        }
        // In a large town a burst touches every file: folding takes a tenth of the time at most.
        sleep_until(started + PAUSE.max(took * 10)).await;
    }
}

async fn fold(facts: &Path) -> Result<Folded, LedgerError> {
    // Where somebody has taken the town's folders away, none is made anew.
    if !facts.exists() {
        return Ok(Folded { facts: 0, commit: None });
    }
    let facts = facts.to_owned();
    let work = move || Fold::open(&facts)?.fold(SystemClock.now());
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(LedgerError::Unreadable(error.to_string())))
}

async fn pack(facts: &Path) {
    let repository = repository_of(facts);
    let work = move || Exec::new("git").arg("-C").arg(repository).args(["gc", "--quiet"]).limit(PACK_MAX).run();
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(out)) if out.ok() => {}
        Ok(Ok(out)) => warn!(said = out.complaint(), "the ledger's repository could not be packed"),
        Ok(Err(error)) => warn!(%error, "the ledger's repository could not be packed"),
        Err(error) => warn!(%error, "the ledger's repository could not be packed"),
    }
}
