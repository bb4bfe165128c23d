//! The ledger on another machine: pushed to a ref of a remote, and fetched from there into a town that has nothing yet.

use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use crate::fold::{BRANCH, LedgerError, objects, opened, repository_of, tip};
use gastown_api::store::{fact_line, read_facts};
use gastown_base::whole_file::{Survives, WholeFile};
use gastown_world::exec::Exec;

/// The ref of a remote that holds a ledger.
pub const REF: &str = "refs/gt/ledger";
/// Where a fetched one is kept.
const FETCHED: &str = "refs/gt/fetched";
/// How long a remote may take.
const REMOTE_MAX: Duration = Duration::from_mins(10);

/// What a pull has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pulled {
    /// The town has all of it.
    Known,
    /// The town had nothing, and has so many objects now.
    TakenIn(usize),
    /// The town has a ledger of its own, which does not hold what the remote has.
    Apart,
}

/// Pushes the ledger beside a file of facts; never over what the remote has and this one has not.
pub fn push(facts: &Path, remote: &str) -> Result<String, LedgerError> {
    let repository = repository_of(facts);
    let refspec = format!("{BRANCH}:{REF}");
    let out = git(&repository, &["push", "--porcelain", remote, &refspec])?;
    Ok(out)
}

/// Fetches a ledger. Where the town has no facts, it has those of the ledger afterwards; else nothing is changed.
pub fn pull(facts: &Path, remote: &str) -> Result<Pulled, LedgerError> {
    let repository = opened(facts)?;
    git(&repository_of(facts), &["fetch", "--no-tags", remote, &format!("+{REF}:{FETCHED}")])?;
    let fetched = repository.find_reference(FETCHED)?.peel_to_commit()?;
    let has_facts = holds_work(facts)?;
    if let Some(tip) = tip(&repository).filter(|_| has_facts) {
        let is_known = tip.id() == fetched.id() || repository.graph_descendant_of(tip.id(), fetched.id())?;
        return Ok(if is_known { Pulled::Known } else { Pulled::Apart });
    }
    if has_facts {
        return Ok(Pulled::Apart);
    }
    let objects = objects(&repository, &fetched.tree()?)?;
    let count = objects.len();
    WholeFile::at(facts).survives(Survives::All).fill(|file| {
        let mut out = std::io::BufWriter::new(file);
        let mut newest = 0;
        for (kind, object) in &objects {
            let metadata = &object["metadata"];
            let text = |name: &str| metadata[name].as_str().unwrap_or_default().to_owned();
            let revision: i64 = text("resourceVersion").parse().unwrap_or(0);
            newest = newest.max(revision);
            out.write_all(
                fact_line(revision, Some((kind, &text("namespace"), &text("name"))), Some(object))?.as_bytes(),
            )?;
        }
        out.write_all(fact_line(newest, None, None)?.as_bytes())?;
        out.flush()
    })?;
    // What comes goes on from there.
    repository.reference(BRANCH, fetched.id(), true, "fetched")?;
    Ok(Pulled::TakenIn(count))
}

/// What every town has from the start.
const OF_A_FRESH_TOWN: [&str; 3] = ["towns.", "runtimes.", "formulas."];

/// Whether a town holds anything that people or agents have put there: what every town has from the start can be made anew.
fn holds_work(facts: &Path) -> Result<bool, LedgerError> {
    let (facts, _) = match read_facts(facts, 0) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        read => read?,
    };
    Ok(facts
        .iter()
        .any(|fact| fact.object.is_some() && !OF_A_FRESH_TOWN.iter().any(|kind| fact.kind.starts_with(kind))))
}

fn git(repository: &Path, args: &[&str]) -> Result<String, LedgerError> {
    let exec = Exec::new("git").arg("-C").arg(repository).args(args).env("GIT_TERMINAL_PROMPT", "0").limit(REMOTE_MAX);
    let out = exec.run().map_err(|error| LedgerError::Unreadable(error.to_string()))?;
    if out.ok() { Ok(out.text()) } else { Err(LedgerError::Unreadable(out.complaint())) }
}
