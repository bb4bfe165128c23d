//! Brings the sessions of this machine in line with what people have said of them: ended, frozen or going on.
//!
//! The controller does the same. A verb does it too, because it has to work while none runs, or while one hangs.

use std::collections::BTreeMap;

use gastown_controllers::bead::convoy_of;
use gastown_controllers::convoy::trackers;
use gastown_controllers::holds::{PartOf, strongest_bead, strongest_convoy};
use gastown_controllers::town;
use gastown_controllers::world::{Frozen, SandboxId, Session};
use gastown_crds::bead::PARENTS_MAX;
use gastown_crds::overrides::Mode;
use gastown_crds::{Bead, Convoy, Polecat, Rig, Town as TownObject};
use kube::ResourceExt;
use kube::api::ListParams;

use super::context::{Context, Link, pages};
use super::error::{CliError, Exit};
use crate::cli::sessions_of;
use crate::town::Town;
use crate::world::session::{SessionError, Sessions};

/// The sessions that are not as people want them.
#[derive(Debug, Default)]
pub struct Todo {
    end: Vec<SandboxId>,
    freeze: Vec<SandboxId>,
    thaw: Vec<SandboxId>,
    /// Nothing runs in these, but something may be on its way: of a controller that has just died.
    withdraw: Vec<SandboxId>,
    /// Whether a controller runs, which ends sessions by itself.
    controller: bool,
}

/// How many sessions were ended, frozen and thawed.
#[derive(Debug, Default, Clone, Copy)]
pub struct Done {
    /// Ended.
    pub ended: usize,
    /// Frozen.
    pub frozen: usize,
    /// Thawed.
    pub thawed: usize,
}

/// Finds out which sessions are not as people want them.
pub async fn todo(gt: &Context, town: &Town, link: &Link) -> Result<Todo, CliError> {
    let sessions = sessions_of(town);
    let mut todo = Todo { controller: link.controller, ..Todo::default() };
    let running = running(&sessions)?;
    if running.is_empty() && link.controller {
        return Ok(todo);
    }
    let the_town = link.typed::<TownObject>().get_opt(town::NAME).await?;
    let (rigs, convoys) = (link.all::<Rig>().await?, link.all::<Convoy>().await?);
    let polecats = link.all::<Polecat>().await?;
    let mut beads = Beads { link, open: None };
    let mut above = Above::new(link);
    // A controller takes back by itself what it has begun.
    let quiet = if link.controller { Vec::new() } else { quiet(&sessions, &running)? };
    for (uid, owner_uid) in quiet.into_iter().map(|uid| (uid, None)).chain(running.iter().cloned()) {
        let polecat = polecats.iter().find(|polecat| polecat.uid().as_deref() == Some(&uid));
        let bead = match &owner_uid {
            Some(owner) => beads.of(owner, polecat).await?,
            None => None,
        };
        let rig = polecat.and_then(|polecat| rigs.iter().find(|rig| rig.name_any() == polecat.spec.rig));
        let above = match &bead {
            Some(bead) => above.of(bead).await?,
            None => Vec::new(),
        };
        let of_bead = bead.iter().flat_map(|bead| convoys_of(bead, &above, &convoys));
        let convoy = strongest_convoy(of_bead, gt.now());
        let bead = strongest_bead(bead.iter().chain(&above), gt.now());
        let part_of = PartOf { town: the_town.as_ref(), rig, convoy, bead, polecat };
        let mode = part_of.hold(gt.now()).map(|hold| hold.mode);
        let sandbox = SandboxId { name: polecat.map_or_else(|| uid.clone(), ResourceExt::name_any), uid };
        if !running.iter().any(|(uid, _)| *uid == sandbox.uid) {
            todo.withdraw.extend(Some(sandbox).filter(|_| mode == Some(Mode::Stopped)));
            continue;
        }
        let frozen = sessions.look_frozen(&sandbox).map_err(|e| unseen(&e))?;
        match mode {
            Some(Mode::Stopped) => todo.end.push(sandbox),
            Some(Mode::Frozen) => todo.freeze.push(sandbox),
            _ if frozen != Frozen::No => todo.thaw.push(sandbox),
            _ => {}
        }
    }
    Ok(todo)
}

/// The convoys that a bead belongs to: the one that has made it, else those that track it, or an epic that it is a part
/// of.
pub fn convoys_of<'a>(bead: &Bead, above: &[Bead], convoys: &'a [Convoy]) -> Vec<&'a Convoy> {
    if let Some(own) = convoy_of(bead).and_then(|name| convoys.iter().find(|convoy| convoy.name_any() == name)) {
        return vec![own];
    }
    let epics = above.iter().take_while(|above| above.spec.type_.asks_for_parts());
    let names: Vec<String> = std::iter::once(bead).chain(epics).map(ResourceExt::name_any).collect();
    trackers(convoys.iter(), &names)
}

/// How many sessions run.
pub fn count(town: &Town) -> Result<usize, CliError> {
    running(&sessions_of(town)).map(|running| running.len())
}

/// The sandboxes in which something runs, by their uids, each with the uid of the bead that it is for.
fn running(sessions: &Sessions) -> Result<Vec<(String, Option<String>)>, CliError> {
    let mut running = Vec::new();
    for uid in sessions.sandboxes().map_err(|e| unseen(&e))? {
        match sessions.look(&SandboxId { name: uid.clone(), uid: uid.clone() }) {
            Ok(Session::None) => {}
            Ok(Session::Running { owner_uid, .. }) => running.push((uid, Some(owner_uid))),
            Ok(Session::Strays { .. }) => running.push((uid, None)),
            Err(error) => return Err(unseen(&error)),
        }
    }
    Ok(running)
}

/// The sandboxes in which nothing runs.
fn quiet(sessions: &Sessions, running: &[(String, Option<String>)]) -> Result<Vec<String>, CliError> {
    let mut all = sessions.sandboxes().map_err(|e| unseen(&e))?;
    all.retain(|uid| !running.iter().any(|(runs, _)| runs == uid));
    Ok(all)
}

/// Does it. Freezing is done first: it takes no time.
pub fn carry_out(town: &Town, todo: &Todo) -> Result<Done, CliError> {
    let sessions = sessions_of(town);
    let mut failed: Vec<(SandboxId, SessionError)> = Vec::new();
    let mut each = |list: &[SandboxId], act: fn(&Sessions, &SandboxId) -> Result<(), SessionError>| {
        failed.extend(list.iter().filter_map(|it| Some((it.clone(), act(&sessions, it).err()?))));
    };
    each(&todo.freeze, Sessions::freeze);
    each(&todo.thaw, Sessions::thaw);
    failed.extend(end(&sessions, &todo.end, todo.controller)?);
    failed.extend(sessions.end_all(&todo.withdraw));
    match failed.into_iter().next() {
        Some((sandbox, error)) => {
            Err(CliError::new(Exit::Failed, format!("could not reach the session of {}", sandbox.name))
                .because(&error)
                .hint("try again; `gt status` shows what runs"))
        }
        None => Ok(Done { ended: todo.end.len(), frozen: todo.freeze.len(), thawed: todo.thaw.len() }),
    }
}

/// Ends sessions; a controller that runs is given the time to do it.
fn end(
    sessions: &Sessions,
    sandboxes: &[SandboxId],
    controller: bool,
) -> Result<Vec<(SandboxId, SessionError)>, CliError> {
    // An agent that is asked twice at once may skip its farewell.
    let left = if controller { sessions.wait_for_ends(sandboxes).map_err(|e| unseen(&e))? } else { sandboxes.to_vec() };
    Ok(sessions.end_all(&left))
}

/// Ends every session of the town, whatever is said of it; answers how many there were. For when no controller runs.
pub fn end_every(town: &Town) -> Result<usize, CliError> {
    let sessions = sessions_of(town);
    let running = running(&sessions)?;
    let sandbox = |uid: String| SandboxId { name: uid.clone(), uid };
    let withdraw = quiet(&sessions, &running)?.into_iter().map(sandbox).collect();
    let end = running.into_iter().map(|(uid, _)| sandbox(uid)).collect();
    let todo = Todo { end, withdraw, ..Todo::default() };
    carry_out(town, &todo).map(|done| done.ended)
}

/// What beads are a part of, each asked for once: what runs is often part of the same.
pub struct Above<'a> {
    link: &'a Link,
    /// By the name; none for what is not there.
    known: BTreeMap<String, Option<Bead>>,
}

impl<'a> Above<'a> {
    /// None is known yet.
    pub fn new(link: &'a Link) -> Self {
        Self { link, known: BTreeMap::new() }
    }

    /// What a bead is a part of, the nearest first.
    pub async fn of(&mut self, bead: &Bead) -> Result<Vec<Bead>, CliError> {
        let (mut all, mut parent) = (Vec::new(), bead.spec.parent.clone());
        while let Some(name) = parent.filter(|_| all.len() < PARENTS_MAX) {
            if !self.known.contains_key(&name) {
                let bead = self.link.typed::<Bead>().get_opt(&name).await?;
                self.known.insert(name.clone(), bead);
            }
            let Some(above) = self.known.get(&name).and_then(Option::as_ref) else { break };
            parent = above.spec.parent.clone();
            all.push(above.clone());
        }
        Ok(all)
    }
}

/// Beads by their uids.
struct Beads<'a> {
    link: &'a Link,
    /// All that are open, once somebody had to look for one.
    open: Option<Vec<Bead>>,
}

impl Beads<'_> {
    /// The bead with this uid; its polecat says what it is called, but may not have said so yet.
    async fn of(&mut self, uid: &str, polecat: Option<&Polecat>) -> Result<Option<Bead>, CliError> {
        let is_it = |bead: &Bead| bead.uid().as_deref() == Some(uid);
        let named = polecat.and_then(|polecat| polecat.status.as_ref()?.bead.as_deref());
        if let Some(name) = named
            && let Some(bead) = self.link.typed::<Bead>().get_opt(name).await?.filter(is_it)
        {
            return Ok(Some(bead));
        }
        if self.open.is_none() {
            let open = ListParams::default().fields("spec.type!=Step,spec.closed.reason=");
            self.open = Some(pages(&self.link.typed::<Bead>(), &open).await?);
        }
        Ok(self.open.iter().flatten().find(|bead| is_it(bead)).cloned())
    }
}

fn unseen(error: &SessionError) -> CliError {
    CliError::new(Exit::Failed, "could not look at the town's sessions").because(error)
}
