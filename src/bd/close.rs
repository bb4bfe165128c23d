//! `bd close`: a step is done; a bead has nothing to change; or a person ends a bead by hand.
//!
//! An agent closes the steps of the bead on its hook, and that bead itself only where there is nothing to merge: no
//! commit, nothing uncommitted. A bead with work is closed by its landing. A person gives a bead up: it is withdrawn, since
//! nothing was verified; or says that there is nothing to change. Closed already is success.

mod next;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use clap::Args;
use gastown_agent::context::{Answer, Context, TRIES_MAX, connected, current_dir};
use gastown_agent::error::Error;
use gastown_agent::session::{Part, Session};
use gastown_agent::work::{is_hooked, load};
use gastown_agent::worktree::Worktree;
use gastown_base::clock::{Clock as _, SystemClock};
use gastown_beads::issue::Issue;
use gastown_crds::actor::{Actor, Worker};
use gastown_crds::bead::{BeadType, CloseReason, Closed};
use gastown_crds::common::LABEL_CONVOY;
use gastown_crds::{Bead, names};
use kube::ResourceExt;
use serde_json::json;

use self::next::{Next, Told};
use super::ready::open_needs;
use super::show::get;
use super::{act, print};

/// The beginning of the reason for a bead without changes.
const NO_CHANGES: &str = "no-changes";
/// The word for a bead that was given up.
const WITHDRAWN: &str = "withdrawn";

/// Close beads: steps that are done, or the bead on the hook when nothing has to change
#[derive(Debug, Clone, Args)]
pub struct CloseArgs {
    /// The beads' ids
    #[arg(required = true, value_name = "ID")]
    ids: Vec<String>,
    /// Why; for the bead on the hook it starts with `no-changes: `
    #[arg(
        short,
        long,
        visible_alias = "comment",
        alias = "resolution",
        short_alias = 'm',
        alias = "message",
        value_name = "TEXT"
    )]
    reason: Option<String>,
    /// Close it although something it needs, or a part of it, is open
    #[arg(short, long)]
    force: bool,
    /// Say what may be taken up now that could not before
    #[arg(long)]
    suggest_next: bool,
    /// Say which step comes next
    #[arg(long = "continue", conflicts_with = "suggest_next")]
    continues: bool,
}

impl CloseArgs {
    /// Of `bd update --status closed`.
    pub fn of(ids: Vec<String>) -> Self {
        Self { ids, reason: None, force: false, suggest_next: false, continues: false }
    }

    /// Of `bd mol step done`.
    pub fn of_step(id: String, reason: Option<String>) -> Self {
        Self { reason, continues: true, ..Self::of(vec![id]) }
    }
}

/// A close: its arguments, the agent's session, and the worktree as it was before.
struct Closing<'a> {
    args: &'a CloseArgs,
    /// The session, if an agent closes.
    agent: Option<Session>,
    /// The agent's worktree, if it closes the bead on its hook.
    worktree: Option<Worktree>,
}

/// Runs `bd close`.
pub fn close(args: &CloseArgs, json: bool, town: Option<&Path>, actor: &str) -> Result<Answer, Error> {
    let agent =
        Actor::parse(actor).is_agent().then(|| Session::required("bd close", "an agent closes beads in its session"));
    let agent = agent.transpose()?;
    let worktree = match &agent {
        // Looked at before connecting: the store is never held across git.
        Some(session) if args.ids.contains(&session.bead) => Some(Worktree::look(&current_dir()?, &session.base)?),
        _ => None,
    };
    let closing = Closing { args, agent, worktree };
    connected(town, actor, async |context| close_all(&closing, json, context).await)
}

async fn close_all(closing: &Closing<'_>, json: bool, context: &Context) -> Result<Answer, Error> {
    let (mut out, mut note, mut closed) = (String::new(), String::new(), Vec::new());
    let mut hints = String::new();
    let args = closing.args;
    let waiting = if args.suggest_next { next::waiting(&args.ids, context).await? } else { BTreeSet::new() };
    for id in &args.ids {
        match closing.close(id, context).await {
            Ok((bead, word)) => {
                let _never_fails = writeln!(out, "{word} {id}: {}", bead.spec.title);
                hints.push_str(&withdrawn(id, word, &bead));
                closed.push(bead);
            }
            // Asked again over another connection, for all of them: what is closed by then is said to be.
            Err(error) if error.is_lost() || args.ids.len() == 1 => return Err(error),
            Err(error) if json => note.push_str(&print::error(&error)),
            Err(error) => note.push_str(&error.text()),
        }
    }
    let more = match closed.last() {
        Some(_) if args.suggest_next => next::unblocked(&waiting, context).await?,
        Some(last) if args.continues => Some(Next::after(last, context).await?.told(last)?),
        _ => None,
    };
    let issues =
        closed.iter().map(|bead| act::slim(bead).map(|slim| Issue::of(&slim))).collect::<Result<Vec<_>, _>>()?;
    let code = u8::from(!note.is_empty());
    out = match (json, more) {
        (false, more) => out + &more.map(|more| more.text).unwrap_or_default(),
        (true, Some(Told { key, value, .. })) => print::object(&json!({ "closed": issues, (key): value })),
        // As in Beads: nothing closed, nothing printed.
        (true, None) if closed.is_empty() => String::new(),
        (true, None) => print::json(&issues),
    };
    Ok(Answer { out, code, note: hints + &note })
}

/// What follows from a bead that was given up, and what else could have been meant.
fn withdrawn(id: &str, word: &str, bead: &Bead) -> String {
    if word != WITHDRAWN {
        return String::new();
    }
    let convoy = bead.labels().get(LABEL_CONVOY);
    let convoy = convoy.map(|convoy| {
        format!(
            "; convoy/{convoy} does not land by it: `gt convoy close {convoy}` if nothing else is wanted of it, or `gt delete \
             bead/{id}` to have it done again"
        )
    });
    let polecat = bead.status.as_ref().and_then(|status| status.last_polecat.as_deref());
    let agent = polecat.map(|polecat| {
        let rig = &bead.spec.rig;
        let worker = Worker::of_object(rig, polecat);
        let name = worker.as_ref().map_or(polecat, |worker| &worker.name);
        format!(
            ", and what its agent has made is kept in the clone of rig {rig}, as branch {}",
            names::branch(name, id)
        )
    });
    format!("`{id}` had not landed: it is given up{}{}\n", agent.unwrap_or_default(), convoy.unwrap_or_default())
}

impl Closing<'_> {
    async fn close(&self, id: &str, context: &Context) -> Result<(Bead, &'static str), Error> {
        let what = format!("close `{id}`");
        for _ in 0..TRIES_MAX {
            let bead = act::find(id, context).await?;
            if bead.spec.closed.is_some() {
                return Ok((bead, "already closed"));
            }
            let reason = self.judge(&bead, context).await?;
            if !self.args.force {
                let open = open_needs(context, &bead.spec.needs).await?;
                if !open.is_empty() {
                    let message = format!("`{id}` needs {}, which is open", open.join(", "));
                    return Err(Error::refused(message, "close that first; or close this all the same with `--force`"));
                }
                check_parts(&bead, context).await?;
            }
            let spec = closed(&bead, reason, self.args.reason.clone(), &context.actor);
            if let Some(bead) = context.change(&bead, &spec, &what).await? {
                return Ok((bead, if reason == CloseReason::Withdrawn { WITHDRAWN } else { "closed" }));
            }
        }
        Err(Error::contended(what))
    }

    /// The reason to close it with, if whoever asks may close it.
    async fn judge(&self, bead: &Bead, context: &Context) -> Result<CloseReason, Error> {
        let Some(session) = &self.agent else { return Ok(self.judge_person(bead)) };
        let (id, polecat) = (bead.name_any(), session.polecat_object());
        let lost = || {
            let message = format!("`{}` is not on the hook of `{polecat}`", session.bead);
            Error::refused(message, "end the session: the work was handed in, closed, or given to another")
        };
        if id == session.bead {
            if !is_hooked(bead, &polecat) {
                return Err(lost());
            }
            self.check_no_changes(session)?;
            if let Some(work) = load(context, &id, &polecat).await?
                && let Some((step, runtime)) = work.next_of_another()
            {
                let message = format!("`{}` is still open, and is for `{runtime}`", step.id);
                return Err(Error::refused(message, "your part is done: `gt done`, then end the session"));
            }
            return Ok(CloseReason::NoChanges);
        }
        if bead.spec.created_by.as_deref() == Some(&*context.actor) && bead.spec.assignee.is_none() {
            // What it has filed itself.
            return Ok(CloseReason::Done);
        }
        if bead.spec.type_ != BeadType::Step || bead.spec.parent.as_ref() != Some(&session.bead) {
            let message = format!("`{id}` is not yours to close");
            let hint = "an agent closes the steps of the bead on its hook; `gt hook` shows them";
            return Err(Error::refused(message, hint));
        }
        if let Some(other) = Part::current().other(bead) {
            let message = format!("`{id}` is for `{other}`, in a session of its own");
            return Err(Error::refused(message, "`gt hook` shows what is yours to do"));
        }
        match get(context, &session.bead).await? {
            Some(parent) if is_hooked(&parent, &polecat) => {
                context.saw(&parent);
                Ok(CloseReason::Done)
            }
            _ => Err(lost()),
        }
    }

    /// A person ends whatever they like. What the town has never begun, they have done themselves. But nobody has verified that it is done: a bead that had not landed is given up,
    /// unless they say that there is nothing to change.
    fn judge_person(&self, bead: &Bead) -> CloseReason {
        let status = bead.status.as_ref();
        let is_begun =
            bead.spec.assignee.is_some() || status.is_some_and(|it| it.attempts > 0 || it.last_polecat.is_some());
        let is_asked_for = bead.labels().contains_key(LABEL_CONVOY);
        if bead.spec.is_step() || !bead.spec.type_.is_dispatched() || (!is_begun && !is_asked_for) {
            CloseReason::Done
        } else if self.args.reason.as_deref().is_some_and(|reason| reason.starts_with(NO_CHANGES)) {
            CloseReason::NoChanges
        } else {
            CloseReason::Withdrawn
        }
    }

    fn check_no_changes(&self, session: &Session) -> Result<(), Error> {
        let id = &session.bead;
        if !self.args.reason.as_deref().is_some_and(|reason| reason.starts_with(NO_CHANGES)) {
            let hint = format!(
                "`gt done` hands in its branch; if nothing has to change: `bd close {id} --reason=\"no-changes: <why>\"`"
            );
            return Err(Error::refused(format!("`{id}` is closed by its landing, not by hand"), hint));
        }
        let Some(worktree) = &self.worktree else { return Ok(()) };
        worktree.check_committed(&session.branch())?;
        if worktree.ahead == 0 {
            return Ok(());
        }
        let commits = if worktree.ahead == 1 { "1 commit".to_owned() } else { format!("{} commits", worktree.ahead) };
        let message = format!("`{}` holds {commits}: that is a change", session.branch());
        Err(Error::refused(message, "hand it in: `gt done`"))
    }
}

/// Refuses to close an epic whose parts are open.
async fn check_parts(bead: &Bead, context: &Context) -> Result<(), Error> {
    if bead.spec.type_ != BeadType::Epic {
        return Ok(());
    }
    let name = bead.name_any();
    let those = kube::api::ListParams::default().fields(&format!("spec.parent={name},spec.closed.reason="));
    let open = context.beads().list(&those).await.map_err(Error::api(format!("list the parts of `{name}`")))?.items;
    if open.is_empty() {
        return Ok(());
    }
    let message = format!("cannot close epic {name}: {} open child issue(s)", open.len());
    Err(Error::refused(message, "close children first or use --force to override"))
}

/// The one write: closed, by whom and why, and off the hook; only on what was judged.
fn closed(bead: &Bead, reason: CloseReason, message: Option<String>, actor: &str) -> serde_json::Value {
    let closed = Closed::new(reason, message, SystemClock.now(), actor);
    let mut spec = json!({ "closed": closed, "held": null });
    if bead.spec.assignee.is_some() {
        spec["assignee"] = serde_json::Value::Null;
    }
    spec
}
