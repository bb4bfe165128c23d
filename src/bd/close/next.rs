//! What may be done once beads are closed: the step that comes next, and what waited for one of them.

use std::collections::BTreeSet;

use gastown_agent::context::Context;
use gastown_agent::error::Error;
use gastown_beads::issue::Issue;
use gastown_crds::Bead;
use gastown_crds::bead::BeadType;
use kube::ResourceExt;
use kube::api::ListParams;
use serde_json::{Value, json};

use crate::filter::Filter;
use crate::ready::{self, open_needs};
use crate::{act, circles, print, show};

/// What is said of it, beside what was closed.
pub struct Told {
    /// For people.
    pub text: String,
    /// Its key in JSON.
    pub key: &'static str,
    /// Its value there.
    pub value: Value,
}

/// The names of what depends on beads that are to be closed.
pub async fn waiting(ids: &[String], context: &Context) -> Result<BTreeSet<String>, Error> {
    let mut waiting = BTreeSet::new();
    for id in ids {
        let name = act::find(id, context).await?.name_any();
        waiting.extend(show::dependents(context, &name).await?.into_iter().map(|(bead, _)| bead.metadata.name));
    }
    Ok(waiting)
}

/// Those that may be taken up now; none: there is nothing to be said.
pub async fn unblocked(waiting: &BTreeSet<String>, context: &Context) -> Result<Option<Told>, Error> {
    let mut beads = ready::computed(&Filter::default(), true, context).await?.0;
    beads.retain(|bead| waiting.contains(&bead.metadata.name));
    let issues: Vec<Issue> = beads.iter().map(Issue::of).collect();
    let text = format!("\nNewly unblocked:\n{}", print::table(&beads));
    Ok((!beads.is_empty()).then(|| Told { text, key: "unblocked", value: json!(issues) }))
}

/// What comes after a step that was closed.
pub enum Next {
    /// This one may be done.
    Step(Box<Bead>),
    /// There are some, and none may be done.
    Waits,
    /// All are done.
    Done,
}

impl Next {
    /// The part of the same bead that may be done now.
    pub async fn after(closed: &Bead, context: &Context) -> Result<Self, Error> {
        let Some(parent) = &closed.spec.parent else { return Ok(Self::Done) };
        let those = ListParams::default().fields(&format!("spec.parent={parent},spec.closed.reason="));
        let open =
            context.beads().list(&those).await.map_err(Error::api(format!("list the parts of `{parent}`")))?.items;
        let here: BTreeSet<String> = open.iter().map(ResourceExt::name_any).collect();
        let waits = |bead: &Bead| -> Vec<String> {
            let spec = &bead.spec;
            circles::waits(&spec.needs, &spec.links, spec.gate.as_ref()).cloned().collect()
        };
        let awaited: BTreeSet<String> = open.iter().flat_map(waits).collect();
        let elsewhere: Vec<String> = awaited.difference(&here).cloned().collect();
        let mut blocking: BTreeSet<String> = open_needs(context, &elsewhere).await?.into_iter().collect();
        blocking.extend(open.iter().filter(|bead| bead.spec.blocks()).map(ResourceExt::name_any));
        // A gate is opened by others.
        let is_ready =
            |bead: &&Bead| bead.spec.type_ != BeadType::Gate && !waits(bead).iter().any(|need| blocking.contains(need));
        let ready = open.iter().filter(is_ready);
        let next = ready.min_by_key(|bead| (gastown_controllers::bead::order(bead), bead.name_any()));
        Ok(match next {
            Some(step) => Self::Step(Box::new(step.clone())),
            None if open.is_empty() => Self::Done,
            None => Self::Waits,
        })
    }

    /// What is said of it, after this bead.
    pub fn told(&self, closed: &Bead) -> Result<Told, Error> {
        let issue = |bead: &Bead| act::slim(bead).map(|slim| Issue::of(&slim));
        let step = match self {
            Self::Step(step) => Some(issue(step)?),
            Self::Waits | Self::Done => None,
        };
        let value = json!({
            "closed_step": issue(closed)?, "next_step": step, "auto_advanced": false,
            "molecule_complete": matches!(self, Self::Done), "molecule_id": closed.spec.parent,
        });
        Ok(Told { text: self.text(), key: "continue", value })
    }

    fn text(&self) -> String {
        match self {
            Self::Step(step) => {
                let description = step.spec.description.as_ref();
                let description = description.map(|text| format!("\n{}\n", text.trim_end())).unwrap_or_default();
                format!("next {}: {}\n{description}", step.name_any(), step.spec.title)
            }
            Self::Waits => "nothing is ready: what is left waits for others, or for a gate\n".to_owned(),
            Self::Done => "no step is left\n".to_owned(),
        }
    }
}
