//! Recipients: the agents that a message can be sent to, by a polecat's name or by the bead that it works on.

use gastown_controllers::polecat::sandbox_id;
use gastown_controllers::world::{SandboxId, Session};
use gastown_crds::{Bead, Polecat, suggest};
use kube::ResourceExt;

use super::context::Link;
use super::error::{CliError, Exit};
use super::kinds::{Kind, find};
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

/// The polecat with this name, in full or in its rig, with or without its kind; none if no polecat is called so.
pub async fn polecat(word: &str, link: &Link) -> Result<Option<Polecat>, CliError> {
    let name = word.strip_prefix("polecat/").or_else(|| word.strip_prefix("pc/")).unwrap_or(word);
    let mut all = link.all::<Polecat>().await?;
    if let Some(exactly) = all.iter().find(|polecat| polecat.name_any() == name) {
        return Ok(Some(exactly.clone()));
    }
    all.retain(|polecat| polecat.spec.name == name);
    if all.len() > 1 {
        let names: Vec<String> = all.iter().map(ResourceExt::name_any).collect();
        let message = format!("{} polecats are called `{name}`", all.len());
        return Err(CliError::new(Exit::NotFound, message).hint(format!("name one: {}", names.join(", "))));
    }
    Ok(all.pop())
}

/// The recipient that a word names.
pub async fn find_one(word: &str, sessions: &Sessions, link: &Link) -> Result<Recipient, CliError> {
    let (polecats, beads) = (find("polecat")?, find("bead")?);
    let bead = word.strip_prefix("bead/").or_else(|| word.strip_prefix("bd/"));
    if bead.is_none()
        && let Some(polecat) = polecat(word, link).await?
    {
        let named = polecat.status.as_ref().and_then(|status| status.bead.clone());
        let bead = match named {
            Some(name) => link.typed::<Bead>().get_opt(&name).await?,
            None => None,
        };
        let name = polecat.name_any();
        let nobody = || {
            CliError::new(Exit::NotFound, format!("polecat {name} has no session now"))
                .hint("`gt get polecats` shows who works on what")
        };
        return Recipient::of(&polecat, bead.as_ref(), sessions)?.ok_or_else(nobody);
    }
    if word.contains('/') && bead.is_none() {
        return Err(missing(polecats, beads, word.split_once('/').map_or(word, |(_, name)| name), link).await);
    }
    let name = bead.unwrap_or(word);
    let found = match link.get(beads, name).await {
        Err(error) if error.exit() == Exit::NotFound && bead.is_none() => {
            return Err(missing(polecats, beads, name, link).await);
        }
        found => found?,
    };
    let failed = |error: &dyn std::error::Error| CliError::new(Exit::Failed, "could not read the bead").because(error);
    let found: Bead = found.try_parse().map_err(|error| failed(&error))?;
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
        let named = polecat.status.as_ref().and_then(|status| status.bead.clone());
        let bead = match named {
            Some(name) => link.typed::<Bead>().get_opt(&name).await?,
            None => None,
        };
        found.extend(Recipient::of(&polecat, bead.as_ref(), sessions)?);
    }
    Ok(found)
}

/// The error of a word that names neither a polecat nor a bead.
async fn missing(polecats: &Kind, beads: &Kind, name: &str, link: &Link) -> CliError {
    let mut names = Vec::new();
    for kind in [polecats, beads] {
        let all = link.list(kind, &kube::api::ListParams::default()).await.unwrap_or_default();
        names.extend(all.iter().map(ResourceExt::name_any));
    }
    let hint = match suggest::nearest(name, names.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "`gt get polecats` shows who works on what".to_owned(),
    };
    CliError::new(Exit::NotFound, format!("no polecat and no bead is named `{}`", name.escape_debug())).hint(hint)
}

fn unseen(error: &SessionError) -> CliError {
    CliError::new(Exit::Failed, "could not look at the town's sessions").because(error)
}
