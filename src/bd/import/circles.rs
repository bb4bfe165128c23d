//! Lines of an import that would have beads wait for each other in a circle, or be parts of each other.

use std::collections::BTreeMap;

use gastown_agent::context::Context;
use gastown_agent::error::Error;
use gastown_beads::kept::Kept;
use gastown_crds::Bead;
use kube::ResourceExt as _;

use super::merge::{Speaks, Taken};
use super::mistakes::Mistakes;
use crate::circles::Ties;

/// Refuses lines by which beads would wait for each other in a circle, or be parts of each other. What changes nothing is not asked.
pub async fn check(
    beads: &[(Bead, Speaks)],
    would_be: &[Taken],
    place: &impl Fn(&Bead) -> String,
    context: &Context,
) -> Result<(), Error> {
    let news: BTreeMap<String, &Bead> = beads
        .iter()
        .zip(would_be)
        .filter(|(_, taken)| matches!(taken, Taken::Created | Taken::Updated))
        .map(|((bead, _), _)| (bead.name_any(), bead))
        .collect();
    let is_tied =
        |bead: &&Bead| !bead.spec.needs.is_empty() || !bead.spec.links.is_empty() || bead.spec.parent.is_some();
    if !news.values().any(is_tied) {
        return Ok(());
    }
    let mut ties = Ties::of_town(context).await?;
    for bead in news.values() {
        ties.add(bead);
    }
    let order: BTreeMap<String, usize> =
        beads.iter().enumerate().map(|(nth, (bead, _))| (bead.name_any(), nth)).collect();
    let called = |name: &str| {
        let kept = news.get(name).and_then(|bead| Kept::of(*bead));
        kept.and_then(|kept| kept.id).unwrap_or_else(|| name.to_owned())
    };
    let mut mistakes = Mistakes::default();
    for circle in ties.circles() {
        let on_it = circle.names.iter().filter_map(|name| news.get(name));
        if let Some(first) = on_it.min_by_key(|bead| order.get(&bead.name_any())) {
            let of_file = |name: &str| order.get(name).copied().unwrap_or(usize::MAX);
            mistakes.add(&format!("{}: {}", place(first), circle.message(of_file, called)));
        }
    }
    let todo = "take a tie of each out, or take them in all the same: --allow-circles";
    mistakes.refuse_with(&mistakes.counted("circle"), todo)
}
