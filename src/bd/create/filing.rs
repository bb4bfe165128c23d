//! One bead of `bd create`: what its arguments say, checked, and filed under an id that nobody has.

use gastown_agent::context::{Context, TRIES_MAX};
use gastown_agent::error::Error;
use gastown_base::clock::{Ids as _, RandomIds};
use gastown_beads::{ids, plan, words};
use gastown_crds::bead::{BeadSpec, ChildrenGate, Link, WAITS_FOR};
use gastown_crds::{Bead, names};
use kube::ResourceExt as _;
use kube::api::{ListParams, ObjectMeta, PostParams};

use super::{CreateArgs, Gate, Prepared, time_to_come};
use crate::act::find;
use crate::filter::{self, bad_type, shown};
use crate::town_rigs::{RigOf, Rigs, TOWN_PREFIX};

/// A bead that is to be filed, checked as far as that needs no store.
pub struct Filing {
    /// What is said of it.
    pub spec: BeadSpec,
    id: Option<String>,
    prefix: Option<String>,
    rig: Option<String>,
    parent: Option<String>,
    inherits: bool,
    /// Beads that are to wait for it.
    pub blocks: Vec<String>,
    /// Beads that must exist.
    named: Vec<String>,
}

impl Filing {
    /// Checks the arguments.
    pub fn of(args: &CreateArgs, prepared: &Prepared, title: &str) -> Result<Self, Error> {
        let (type_, custom_type) = words::type_of(&args.type_).ok_or_else(|| bad_type(&args.type_))?;
        let title = title.trim();
        if title.is_empty() || title.chars().count() > 500 {
            return Err(Error::refused(
                "a title has 1 to 500 characters",
                "what is to be said in full is --description",
            ));
        }
        let time = |text: &Option<String>| text.as_deref().map(time_to_come).transpose();
        let mut filing = Self {
            spec: BeadSpec {
                type_,
                custom_type,
                priority: args.priority,
                suspend: true,
                labels: args.labels.iter().filter(|it| !it.is_empty()).cloned().collect(),
                estimated_minutes: args.estimate,
                due: time(&args.due)?,
                defer_until: time(&args.defer)?,
                metadata: prepared.metadata.clone(),
                spec_id: args.spec_id.clone(),
                command: args.command.clone(),
                ephemeral: args.ephemeral,
                wisp_type: args.wisp_type,
                ..BeadSpec::new(title, "")
            },
            id: args.id.clone(),
            prefix: args.prefix.as_deref().map(|it| it.trim_end_matches('-').to_owned()),
            rig: args.rig.clone(),
            parent: args.parent.clone(),
            inherits: !args.no_inherit_labels,
            blocks: Vec::new(),
            named: Vec::new(),
        };
        prepared.fields.put(&mut filing.spec)?;
        if filing.id.is_some() && filing.parent.is_some() && args.prefix.is_some() {
            return Err(Error::refused("cannot specify both --id and --prefix", "the id begins with its prefix"));
        }
        for dep in args.deps.iter().map(String::as_str).filter(|dep| !dep.trim().is_empty()) {
            // As Beads has it, `blocks:X` says that this one blocks X; a bare id is what must be closed first.
            if let Some(("blocks", other)) = dep.trim().split_once(':') {
                filing.blocks.push(other.trim().to_owned());
            } else {
                let (how, to) = plan::tie(dep.trim());
                filing.tie(&how, &to, None)?;
            }
        }
        if let Some(spawner) = &args.waits_for {
            let gate = args.waits_for_gate.map(|gate| match gate {
                Gate::AllChildren => ChildrenGate::AllChildren,
                Gate::AnyChildren => ChildrenGate::AnyChildren,
            });
            filing.tie(WAITS_FOR, spawner, gate)?;
        }
        filing.check_id()?;
        Ok(filing)
    }

    /// Adds a tie to another bead.
    fn tie(&mut self, how: &str, to: &str, gate: Option<ChildrenGate>) -> Result<(), Error> {
        let name = filter::id(to)?;
        self.named.push(to.to_owned());
        match how {
            "blocks" => self.spec.needs.push(name),
            "parent-child" if self.parent.is_none() => self.parent = Some(to.to_owned()),
            _ if how.len() > 50 => {
                return Err(Error::refused(format!("invalid tie `{}`", shown(how)), "it has at most 50 characters"));
            }
            _ => self.spec.links.push(Link { to: name, type_: how.to_owned(), gate }),
        }
        Ok(())
    }

    /// Files it.
    pub async fn file(&self, context: &Context, prepared: &Prepared) -> Result<Bead, Error> {
        for named in self.named.iter().chain(&self.blocks) {
            find(named, context).await?;
        }
        let parent = match &self.parent {
            Some(parent) => Some(find(parent, context).await?),
            None => None,
        };
        if let Some(parent) = parent.as_ref().filter(|parent| self.spec.needs.contains(&parent.name_any())) {
            let message = format!("a part of `{}` cannot wait for it: it is closed after its parts", parent.name_any());
            return Err(Error::refused(message, "leave it out of --deps"));
        }
        let rig = self.rig_of(parent.as_ref(), context, &prepared.here).await?;
        let mut part = match &parent {
            Some(parent) if self.id.is_none() && self.prefix.is_none() => Some(parts(parent, context).await? + 1),
            _ => None,
        };
        for _ in 0..TRIES_MAX {
            let id = match (&self.id, &parent, part) {
                (Some(id), ..) => id.clone(),
                (None, Some(parent), Some(nth)) => ids::part_id(&parent.name_any(), nth),
                _ => ids::new_id(self.prefix.as_deref().unwrap_or(&rig.prefix), &RandomIds.uid()),
            };
            let bead = self.bead(&filter::id(&id)?, parent.as_ref(), &rig, context);
            match context.beads().create(&PostParams::default(), &bead).await {
                Err(kube::Error::Api(status)) if status.code == 409 => {
                    let name = bead.name_any();
                    if self.id.is_some() {
                        let hint = format!("`bd show {name}` shows it; without --id, one is chosen");
                        return Err(Error::refused(format!("issue {name} already exists"), hint));
                    }
                    // Somebody else took that one just now.
                    part = part.map(|nth| nth + 1);
                }
                filed => return filed.map_err(Error::api("file a bead")),
            }
        }
        Err(Error::contended("file a bead"))
    }

    /// Refuses an id of the user's own that the bead would not have as it is.
    fn check_id(&self) -> Result<(), Error> {
        match (&self.id, &self.prefix) {
            (Some(id), _) => own_id(id).map(drop),
            (None, Some(prefix)) => check_prefix(prefix),
            (None, None) => Ok(()),
        }
    }

    async fn rig_of(&self, parent: Option<&Bead>, context: &Context, here: &[String]) -> Result<RigOf, Error> {
        let rigs = Rigs::read(context).await?;
        if let Some(rig) = &self.rig {
            return rigs.named(rig);
        }
        if self.spec.type_.is_record() {
            return Ok(RigOf { rig: String::new(), prefix: TOWN_PREFIX.to_owned() });
        }
        if let Some(rig) = rigs.of_parent(parent, here) {
            return Ok(rig);
        }
        let of_id = self
            .id
            .as_deref()
            .or(self.prefix.as_ref().map(|prefix| format!("{prefix}-")).as_deref())
            .and_then(|id| rigs.of_id(id));
        Ok(of_id.unwrap_or_else(|| rigs.around(here)))
    }

    /// Its object; it has the labels of its parent, if it inherits them.
    pub fn bead(&self, name: &str, parent: Option<&Bead>, rig: &RigOf, context: &Context) -> Bead {
        let mut spec = BeadSpec {
            rig: rig.rig.clone(),
            parent: parent.map(kube::ResourceExt::name_any),
            created_by: Some(context.actor.clone()),
            ..self.spec.clone()
        };
        if let Some(parent) = parent.filter(|_| self.inherits) {
            for label in &parent.spec.labels {
                if !spec.labels.contains(label) {
                    spec.labels.push(label.clone());
                }
            }
        }
        Bead { metadata: ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() }, spec, status: None }
    }
}

/// An id of the user's own as the name of an object; refused where that would be another text.
pub fn own_id(id: &str) -> Result<String, Error> {
    let name = filter::id(id)?;
    if name == id {
        return Ok(name);
    }
    let message = format!("`{}` cannot be the id of a new bead", shown(id));
    let plain = id.to_lowercase().replace('_', "-");
    let such = if names::is_subdomain(&plain) { format!(", such as {plain}") } else { String::new() };
    Err(Error::refused(message, format!("it has lower-case letters, digits, `-` and `.` between them{such}")))
}

/// Refuses the beginning of an id that ids would not have as it is.
pub fn check_prefix(prefix: &str) -> Result<(), Error> {
    own_id(&ids::part_id(prefix, 1)).map(drop).map_err(|_| {
        let message = format!("`{}` cannot be the beginning of an id", shown(prefix));
        Error::refused(message, "it has lower-case letters, digits and `-` between them")
    })
}

/// The greatest number among the parts of a bead.
async fn parts(parent: &Bead, context: &Context) -> Result<usize, Error> {
    let name = parent.name_any();
    let those = ListParams::default().fields(&format!("spec.parent={name}"));
    let parts = context.beads().list(&those).await.map_err(Error::api(format!("list the parts of `{name}`")))?;
    let number = |part: &Bead| part.name_any().strip_prefix(&name)?.strip_prefix('.')?.parse::<usize>().ok();
    Ok(parts.items.iter().filter_map(number).max().unwrap_or(0))
}
