//! What a polecat's session finds in its environment of its work, after the variables that its Runtime declares. Those that
//! say where things are on this machine are the adapter's (see the session module of `src/world`).
//!
//! | variable | value |
//! |---|---|
//! | `GT_ROLE` | `polecat` |
//! | `GT_RIG`, `GT_POLECAT` | the names of the rig, and of the polecat within it |
//! | `GT_BEAD`, `GT_ATTEMPT` | the bead's name; which attempt this is, from 1 |
//! | `GT_RUNTIME` | the name of the Runtime that the session is of |
//! | `GT_BEAD_RUNTIME` | that of the bead's steps that name none, if it is another; otherwise not set |
//! | `GT_BASE` | the commit that its branch began at |
//! | `GT_MEMORY_LIMIT` | the memory that it may use, such as `4Gi`; not set without a limit |
//! | `GT_LAST_ATTEMPT` | `OutOfMemory` if the attempt before was killed for memory; otherwise not set |
//! | `GT_PROMPT` | what the agent is told first |
//! | `GT_CONVERSATION` | the id of its conversation with its model; not set while only the agent's program knows |
//! | `GT_KEEP_AT_WORK` | how often in a row it is sent on when its turn ends with work on its hook |
//! | `GT_ON_CONTEXT_PRESSURE`, `GT_DIALECT` | `Handoff`, and the Runtime's dialect, where a full context is handed off; otherwise not set |
//! | `GT_SESSION_VARIABLE` | the variable in which its tools see the id of its conversation; not set where there is none |
//! | `GT_ACCOUNT` | the account of the town's that it works by; not set where that is its Runtime's own |
//! | `BD_ACTOR`, `GT_ACTOR` | `<rig>/polecats/<polecat>` |
//! | `GIT_AUTHOR_NAME`, `GIT_AUTHOR_EMAIL` | who its commits are by; `GIT_COMMITTER_*` the same |

use gastown_crds::actor::Worker;
use gastown_crds::common::NameValue;
use gastown_crds::runtime::OnContextPressure;
use gastown_crds::{Bead, Polecat, Runtime};
use kube::ResourceExt;

use super::conversation::Talk;
use crate::kinds::rig::RigSettings;
use crate::world::{Oid, OutOfMemory};

/// Turns that end with work on the hook, in a row, after which an agent is left idle: far more than one that works needs.
const KEEP_AT_WORK_DEFAULT: u32 = 5;

/// The variables of one attempt of a polecat at a bead.
pub fn of(
    polecat: &Polecat,
    bead: &Bead,
    (rig, runtime, of_bead, account): (&RigSettings<'_>, &Runtime, &str, Option<&str>),
    (attempt, base): (u32, &Oid),
    talk: &Talk,
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
        ("GT_RUNTIME", runtime.name_any()),
        ("GT_BASE", base.0.clone()),
        ("GT_PROMPT", talk.prompt.clone()),
        ("GT_KEEP_AT_WORK", runtime.spec.keep_at_work.unwrap_or(KEEP_AT_WORK_DEFAULT).to_string()),
        ("BD_ACTOR", actor.clone()),
        ("GT_ACTOR", actor),
        ("GIT_AUTHOR_NAME", author.name.clone()),
        ("GIT_AUTHOR_EMAIL", author.email.clone()),
        ("GIT_COMMITTER_NAME", author.name),
        ("GIT_COMMITTER_EMAIL", author.email),
    ];
    let of_bead = (of_bead != runtime.name_any()).then(|| ("GT_BEAD_RUNTIME", of_bead.to_owned()));
    let limit = runtime.spec.resources.limits.memory.map(|limit| ("GT_MEMORY_LIMIT", limit.to_string()));
    let last = out_of_memory.map(|_| ("GT_LAST_ATTEMPT", "OutOfMemory".to_owned()));
    let id = talk.id.clone().map(|id| ("GT_CONVERSATION", id));
    let variable = runtime.spec.session_variable.clone().map(|name| ("GT_SESSION_VARIABLE", name));
    let account = account.map(|account| ("GT_ACCOUNT", account.to_owned()));
    let hands_off = runtime.spec.on_context_pressure == OnContextPressure::Handoff;
    let pressure = hands_off
        .then(|| [("GT_ON_CONTEXT_PRESSURE", "Handoff".to_owned()), ("GT_DIALECT", runtime.spec.dialect.to_string())]);
    let all = ours
        .into_iter()
        .chain(of_bead)
        .chain(id)
        .chain(pressure.into_iter().flatten())
        .chain(variable)
        .chain(account)
        .chain(limit)
        .chain(last);
    all.map(|(name, value)| NameValue { name: name.to_owned(), value }).collect()
}
