//! `bd create -f plan.md`: all beads of a plan, or none.

use std::collections::BTreeMap;
use std::path::Path;

use gastown_agent::context::{Answer, Context};
use gastown_agent::error::Error;
use gastown_base::clock::{Ids as _, RandomIds};
use gastown_beads::issue::Issue;
use gastown_beads::plan::{self, PLAN_BYTES_MAX, Planned};
use gastown_beads::{ids, words};
use gastown_crds::Bead;
use gastown_crds::bead::{BeadSpec, Link};
use kube::api::ObjectMeta;

use super::{CreateArgs, Prepared, act, custom, find, print};
use crate::filter;
use crate::many;
use crate::town_rigs::Rigs;

/// Reads a plan.
pub fn read(path: &Path) -> Result<Vec<Planned>, Error> {
    let text = many::read(path, PLAN_BYTES_MAX)?;
    plan::parse(&text).map_err(|error| {
        Error::refused(
            format!("{}:{}: {}", path.display(), error.line, error.message),
            "a plan has a `## Title` for each bead, and below it `### Priority`, `### Type`, `### Dependencies` and others",
        )
    })
}

/// Files a plan.
pub async fn create(
    args: &CreateArgs,
    plan: &[Planned],
    prepared: &Prepared,
    json: bool,
    context: &Context,
) -> Result<Answer, Error> {
    let beads = beads(args, plan, prepared, context).await?;
    let filed = many::create(&beads, args.dry_run, context).await?;
    let slims = filed.iter().map(act::slim).collect::<Result<Vec<_>, _>>()?;
    let note = if beads.iter().any(|bead| bead.spec.rig.is_empty()) {
        "they name no rig: `bd update ID --rig RIG` before they are slung\n"
    } else {
        ""
    };
    let out = if json {
        print::json(&slims.iter().map(Issue::of).collect::<Vec<_>>())
    } else {
        let word = if args.dry_run { "Would create" } else { "✓ Created" };
        let file = args.file.as_deref().unwrap_or(Path::new("")).display();
        let mut out = format!("{word} {} issues from {file}:\n", slims.len());
        for slim in &slims {
            let (id, title, priority) = (slim.id(), &slim.spec.title, slim.spec.priority);
            out.push_str(&format!("  {id}: {title} [P{priority}, {}]\n", slim.type_name()));
        }
        out
    };
    Ok(Answer { out, note: note.to_owned(), code: 0 })
}

async fn beads(
    args: &CreateArgs,
    plan: &[Planned],
    prepared: &Prepared,
    context: &Context,
) -> Result<Vec<Bead>, Error> {
    let rigs = Rigs::read(context).await?;
    let parent = match &args.parent {
        Some(parent) => Some(find(parent, context).await?),
        None => None,
    };
    let rig = match &args.rig {
        Some(rig) => rigs.named(rig)?,
        None => rigs.of_parent(parent.as_ref(), &prepared.here).unwrap_or_else(|| rigs.around(&prepared.here)),
    };
    let prefix = args.prefix.as_deref().map_or(rig.prefix.as_str(), |it| it.trim_end_matches('-'));
    super::filing::check_prefix(prefix)?;
    let names: Vec<String> = plan.iter().map(|_| ids::new_id(prefix, &RandomIds.uid())).collect();
    let mut by_title: BTreeMap<String, Vec<&String>> = BTreeMap::new();
    for (planned, name) in plan.iter().zip(&names) {
        by_title.entry(planned.title.to_lowercase()).or_default().push(name);
    }
    let default_parent = parent.as_ref().map(kube::ResourceExt::name_any);
    let type_of = |planned: &Planned| {
        let word = planned.type_.as_deref().unwrap_or(&args.type_);
        words::type_of(word).ok_or_else(|| filter::bad_type(word))
    };
    let types = plan.iter().map(type_of).collect::<Result<Vec<_>, _>>()?;
    custom::check_types(types.iter().filter_map(|(_, custom)| custom.as_deref()), context).await?;
    let mut beads = Vec::new();
    for ((planned, name), (type_, custom_type)) in plan.iter().zip(&names).zip(types) {
        let named = async |word: &str| match by_title.get(&word.to_lowercase()).map(Vec::as_slice) {
            Some([one]) => Ok((*one).clone()),
            Some(_) => Err(wrong(planned, &format!("several beads of the plan are titled `{}`", filter::shown(word)))),
            None => match find(word, context).await {
                Ok(bead) => Ok(kube::ResourceExt::name_any(&bead)),
                Err(_) => {
                    Err(wrong(planned, &format!("`{}` is neither a title of the plan nor a bead", filter::shown(word))))
                }
            },
        };
        let mut spec = BeadSpec {
            type_,
            custom_type,
            priority: planned.priority.unwrap_or(args.priority),
            suspend: true,
            labels: planned.labels.iter().chain(&args.labels).filter(|it| !it.is_empty()).cloned().collect(),
            description: filled(&planned.description),
            design: filled(&planned.design),
            acceptance_criteria: filled(&planned.acceptance),
            notes: filled(&planned.notes),
            assigned_to: planned.assignee.clone(),
            parent: default_parent.clone(),
            ephemeral: args.ephemeral,
            wisp_type: args.wisp_type,
            created_by: Some(context.actor.clone()),
            ..BeadSpec::new(planned.title.clone(), rig.rig.clone())
        };
        spec.labels.dedup();
        if let Some(parent) = &planned.parent {
            spec.parent = Some(named(parent).await?);
        }
        for (how, to) in &planned.dependencies {
            let to = named(to).await?;
            match how.as_str() {
                "blocks" => spec.needs.push(to),
                "parent-child" => spec.parent = Some(to),
                _ => spec.links.push(Link { to, type_: how.clone(), gate: None }),
            }
        }
        beads.push(Bead {
            metadata: ObjectMeta { name: Some(name.clone()), ..ObjectMeta::default() },
            spec,
            status: None,
        });
    }
    let titles: BTreeMap<&str, &str> =
        names.iter().map(String::as_str).zip(plan.iter().map(|it| it.title.as_str())).collect();
    many::check_circles(&beads, |name| titles.get(name).map_or_else(|| name.to_owned(), |title| format!("`{title}`")))?;
    Ok(beads)
}

fn wrong(planned: &Planned, message: &str) -> Error {
    Error::refused(format!("line {}: {message}", planned.line), "`bd list` shows the ids; nothing was filed")
}

fn filled(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}
