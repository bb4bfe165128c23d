//! Recipients: the agents that a message can be sent to, by a polecat's name or by the bead that it works on.

use gastown_controllers::polecat::sandbox_id;
use gastown_controllers::world::{SandboxId, Session};
use gastown_crds::kinds::Registered as _;
use gastown_crds::{Bead, Polecat};
use kube::ResourceExt;

use super::context::Link;
use super::error::{CliError, Exit};
use super::worker;
use crate::world::session::{SessionError, Sessions};

/// Whoever works on a bead.
#[derive(Debug, Clone)]
pub struct Recipient {
    /// The name of the polecat.
    pub polecat: String,
    /// Its sandbox.
    pub sandbox: SandboxId,
    /// The uid of the bead.
    pub bead_uid: String,
    /// What the bead is called, where that is known.
    pub bead: Option<String>,
}

impl Recipient {
    /// A polecat as it stands: what it has on its hook, or what its session works on. None: it has no work.
    fn of(polecat: &Polecat, bead: Option<&Bead>, sessions: &Sessions) -> Result<Option<Self>, CliError> {
        let sandbox = sandbox_id(polecat);
        let session = sessions.look(&sandbox).map_err(|error| unseen(&error))?;
        let running = match session {
            Session::Running { owner_uid, .. } => Some(owner_uid),
            _ => None,
        };
        let on_hook = bead.and_then(ResourceExt::uid);
        let is_on_hook = on_hook == running || running.is_none();
        let name = bead.filter(|_| is_on_hook).map(ResourceExt::name_any);
        let polecat = polecat.name_any();
        Ok(running.or(on_hook).map(|bead_uid| Self { polecat, sandbox, bead_uid, bead: name }))
    }

    /// What people call it: `shop-nux (shop-1)`.
    pub fn shown(&self) -> String {
        match &self.bead {
            Some(bead) => format!("{} ({bead})", self.polecat),
            None => self.polecat.clone(),
        }
    }
}

/// The recipient that a word names.
pub async fn find_one(word: &str, sessions: &Sessions, link: &Link) -> Result<Recipient, CliError> {
    let (kind, object) = worker::find(link, word).await?;
    if kind.name == Polecat::row().name {
        let polecat: Polecat = worker::parsed(object)?;
        let bead = on_hook(&polecat, link).await?;
        let name = polecat.name_any();
        let nobody = || {
            CliError::new(Exit::NotFound, format!("polecat {name} has no session now"))
                .hint("`gt get polecats` shows who works on what")
        };
        return Recipient::of(&polecat, bead.as_ref(), sessions)?.ok_or_else(nobody);
    }
    let found: Bead = worker::parsed(object)?;
    let name = found.name_any();
    if found.spec.closed.is_some() {
        return Err(CliError::new(Exit::NotFound, format!("nobody works on bead {name}: it is closed")));
    }
    let nobody = || {
        CliError::new(Exit::NotFound, format!("nobody works on bead {name} now"))
            .hint(format!("`gt describe bead/{name}` shows what it waits for"))
    };
    let assignee = found.spec.assignee.as_ref().ok_or_else(nobody)?;
    let polecat = link.typed::<Polecat>().get_opt(&assignee.polecat).await?;
    let polecat = polecat.filter(|polecat| polecat.uid().as_deref() == Some(&assignee.uid)).ok_or_else(nobody)?;
    let bead_uid = found.uid().unwrap_or_default();
    Ok(Recipient { polecat: polecat.name_any(), sandbox: sandbox_id(&polecat), bead_uid, bead: Some(name) })
}

/// All whose session runs, by name; of one rig, if that is said.
pub async fn at_work(rig: Option<&str>, sessions: &Sessions, link: &Link) -> Result<Vec<Recipient>, CliError> {
    let mut found = Vec::new();
    for polecat in link.all::<Polecat>().await? {
        let is_running = || sessions.look(&sandbox_id(&polecat)).map(|it| matches!(it, Session::Running { .. }));
        if rig.is_some_and(|rig| rig != polecat.spec.rig) || !is_running().map_err(|error| unseen(&error))? {
            continue;
        }
        let bead = on_hook(&polecat, link).await?;
        found.extend(Recipient::of(&polecat, bead.as_ref(), sessions)?);
    }
    Ok(found)
}

/// The bead on a polecat's hook.
async fn on_hook(polecat: &Polecat, link: &Link) -> Result<Option<Bead>, CliError> {
    match polecat.status.as_ref().and_then(|status| status.bead.as_ref()) {
        Some(name) => Ok(link.typed::<Bead>().get_opt(name).await?),
        None => Ok(None),
    }
}

fn unseen(error: &SessionError) -> CliError {
    CliError::new(Exit::Failed, "could not look at the town's sessions").because(error)
}
