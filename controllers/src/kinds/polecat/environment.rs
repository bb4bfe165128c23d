//! What a polecat's session finds in its environment of its work: variables that its Runtime declares, then ours, which
//! win. Those that say where things are on this machine are the adapter's (see the session module of `src/world`).
//!
//! | variable | value |
//! |---|---|
//! | the Runtime's | as declared |
//! | `GT_ROLE` | `polecat` |
//! | `GT_RIG`, `GT_POLECAT` | the names of the rig, and of the polecat within it |
//! | `GT_BEAD`, `GT_ATTEMPT` | the bead's name; which attempt this is, from 1 |
//! | `GT_BASE` | the commit that its branch began at |
//! | `GT_MEMORY_LIMIT` | the memory that it may use, such as `4Gi`; not set without a limit |
//! | `GT_LAST_ATTEMPT` | `OutOfMemory` if the attempt before was killed for memory; otherwise not set |
//! | `BD_ACTOR`, `GT_ACTOR` | `<rig>/polecats/<polecat>` |
//! | `GIT_AUTHOR_NAME`, `GIT_AUTHOR_EMAIL` | who its commits are by; `GIT_COMMITTER_*` the same |

use gastown_crds::actor::Worker;
use gastown_crds::common::NameValue;
use gastown_crds::{Bead, Polecat, Runtime};
use kube::ResourceExt;

use crate::kinds::rig::RigSettings;
use crate::world::{Oid, OutOfMemory};

/// The variables of one attempt of a polecat at a bead.
pub fn of(
    polecat: &Polecat,
    bead: &Bead,
    (rig, runtime): (&RigSettings<'_>, &Runtime),
    (attempt, base): (u32, &Oid),
    out_of_memory: Option<OutOfMemory>,
) -> Vec<NameValue> {
    let name = &polecat.spec.name;
    let actor = Worker::new(&rig.id.name, name).to_string();
    let author = rig.author(name);
    let ours = [
        ("GT_ROLE", "polecat".to_owned()),
        ("GT_RIG", rig.id.name.clone()),
        ("GT_POLECAT", name.clone()),
        ("GT_BEAD", bead.name_any()),
        ("GT_ATTEMPT", attempt.to_string()),
        ("GT_BASE", base.0.clone()),
        ("BD_ACTOR", actor.clone()),
        ("GT_ACTOR", actor),
        ("GIT_AUTHOR_NAME", author.name.clone()),
        ("GIT_AUTHOR_EMAIL", author.email.clone()),
        ("GIT_COMMITTER_NAME", author.name),
        ("GIT_COMMITTER_EMAIL", author.email),
    ];
    let limit = runtime.spec.resources.limits.memory.map(|limit| ("GT_MEMORY_LIMIT", limit.to_string()));
    let last = out_of_memory.map(|_| ("GT_LAST_ATTEMPT", "OutOfMemory".to_owned()));
    let ours = ours.into_iter().chain(limit).chain(last);
    let ours = ours.map(|(name, value)| NameValue { name: name.to_owned(), value });
    runtime.spec.env.iter().cloned().chain(ours).collect()
}
