//! What is to be taken in, sorted by what it is; and the question to the API, before anything is written, what would become of it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use futures::{StreamExt as _, stream};
use gastown_agent::context::Context;
use gastown_agent::error::Error;
use gastown_beads::incoming::Incoming;
use gastown_crds::{Bead, BeadEvent};
use kube::ResourceExt as _;

use super::merge::{Speaks, Taken, take};
use super::mistakes::Mistakes;
use super::{AT_ONCE, circles};

/// What is taken in of a line.
pub struct Item {
    /// Its number.
    pub line: usize,
    /// What it is.
    pub what: Incoming,
    /// How much of a bead it speaks of.
    pub speaks: Speaks,
}

/// All that is taken in.
#[derive(Default)]
pub struct Lot {
    /// Beads.
    pub beads: Vec<(Bead, Speaks)>,
    /// Events.
    pub events: Vec<BeadEvent>,
    /// Words to be remembered, each with its key.
    pub memories: Vec<(String, String)>,
    /// How many are left out.
    pub left: usize,
    /// What is said of it, in lines.
    pub note: String,
    /// The lines of the beads, by their names.
    lines: BTreeMap<String, usize>,
}

impl Lot {
    /// Sorts items. Beads with one of these titles are left out; of two with one id, the last one counts.
    pub fn of(items: Vec<Item>, titles: &BTreeSet<String>) -> Self {
        let mut lot = Self::default();
        for Item { line, what, speaks } in items {
            match what {
                Incoming::Bead(bead) if titles.contains(&bead.spec.title) => lot.left += 1,
                Incoming::Bead(bead) => lot.add_bead(*bead, line, speaks),
                Incoming::Event(event) => lot.events.push(*event),
                Incoming::Memory(key, value) => lot.memories.push((key, value)),
                Incoming::Left(_) => lot.left += 1,
            }
        }
        lot
    }

    fn add_bead(&mut self, bead: Bead, line: usize, speaks: Speaks) {
        let name = bead.name_any();
        if self.lines.insert(name.clone(), line).is_some() {
            self.note.push_str(&format!("line {line}: `{name}` is there twice; the last one counts\n"));
            self.beads.retain(|(it, _)| it.name_any() != name);
        }
        self.beads.push((bead, speaks));
    }

    /// What would become of each bead, in their order. A mistake in one is found before any is written.
    pub async fn check(&self, path: &Path, allow_circles: bool, context: &Context) -> Result<Vec<Taken>, Error> {
        let place = |bead: &Bead| {
            let line = self.lines.get(&bead.name_any()).copied().unwrap_or(0);
            format!("{}:{line}", path.display())
        };
        let (mut would_be, mut mistakes) = (Vec::new(), Mistakes::default());
        for ((bead, _), asked) in self.beads.iter().zip(self.take(true, context).await) {
            match asked {
                Ok(taken) => would_be.push(taken),
                Err(error) if error.is_lost() => return Err(error.again()),
                Err(error) => mistakes.add(&format!("{}: {}", place(bead), error.line())),
            }
        }
        mistakes.refuse("bead", "line")?;
        if !allow_circles {
            circles::check(&self.beads, &would_be, &place, context).await?;
        }
        Ok(would_be)
    }

    /// Takes each bead in, and says what has become of it; with `dry_run`, what would.
    pub async fn take(&self, dry_run: bool, context: &Context) -> Vec<Result<Taken, Error>> {
        let all = stream::iter(&self.beads).map(|(bead, speaks)| take(bead, *speaks, dry_run, context));
        all.buffered(AT_ONCE).collect().await
    }
}
