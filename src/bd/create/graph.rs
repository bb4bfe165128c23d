//! `bd create --graph plan.json`: all beads of a graph with their edges, or none.

use std::collections::BTreeMap;
use std::path::Path;

use gastown_agent::context::{Answer, Context};
use gastown_agent::error::Error;
use gastown_base::clock::{Ids as _, RandomIds};
use gastown_beads::graph_plan::{GraphPlan, Node, PLAN_BYTES_MAX};
use gastown_beads::issue::{BLOCKS, PARENT_CHILD};
use gastown_beads::{ids, words};
use gastown_crds::Bead;
use gastown_crds::bead::{BeadSpec, CONDITIONAL_BLOCKS, Link};
use kube::ResourceExt as _;
use kube::api::ObjectMeta;
use serde_json::{Value, json};

use super::{CreateArgs, Prepared, custom, find, print};
use crate::circles::Ties;
use crate::town_rigs::Rigs;
use crate::{act, filter, many};

/// Reads a graph.
pub fn read(path: &Path) -> Result<GraphPlan, Error> {
    let text = many::read(path, PLAN_BYTES_MAX)?;
    GraphPlan::parse(&text)
        .map_err(|why| Error::refused(format!("{}: invalid graph plan: {why}", path.display()), "nothing was filed"))
}

/// The names of new beads, by the keys of their nodes.
type Names<'a> = BTreeMap<&'a str, String>;

/// An edge from a bead that is there already. It is put in once what it leads to is filed.
struct Later {
    from: String,
    how: String,
    to: String,
}

/// Files a graph.
pub async fn create(
    args: &CreateArgs,
    plan: &GraphPlan,
    prepared: &Prepared,
    json_out: bool,
    context: &Context,
) -> Result<Answer, Error> {
    let rigs = Rigs::read(context).await?;
    let rig = match &args.rig {
        Some(rig) => rigs.named(rig)?,
        None => rigs.around(&prepared.here),
    };
    let prefix = args.prefix.as_deref().map_or(rig.prefix.as_str(), |it| it.trim_end_matches('-'));
    super::filing::check_prefix(prefix)?;
    let names: Names<'_> =
        plan.nodes.iter().map(|node| (node.key.as_str(), ids::new_id(prefix, &RandomIds.uid()))).collect();
    let mut beads = beads(args, plan, &names, &rig.rig, context).await?;
    let later = put_edges(plan, &names, &mut beads, context).await?;
    let beads: Vec<Bead> = plan.nodes.iter().filter_map(|node| beads.remove(node.key.as_str())).collect();
    check_circles(&beads, &later, &names, context).await?;
    many::create(&beads, args.dry_run, context).await?;
    if !args.dry_run {
        for edge in later {
            edge.put(context).await?;
        }
    }
    if json_out {
        return Ok(Answer::out(print::object(&json!({ "ids": names }))));
    }
    let word = if args.dry_run { "Would create" } else { "Created" };
    let lines: String = names.iter().map(|(key, name)| format!("  {key} -> {name}\n")).collect();
    Ok(Answer::out(format!("{word} {} issues\n{lines}", names.len())))
}

/// The bead of each node, by its key, without the edges.
async fn beads<'a>(
    args: &CreateArgs,
    plan: &'a GraphPlan,
    names: &Names<'a>,
    rig: &str,
    context: &Context,
) -> Result<BTreeMap<&'a str, Bead>, Error> {
    let type_of = |node: &Node| {
        let word = node.type_.as_deref().unwrap_or(&args.type_);
        words::type_of(word).ok_or_else(|| filter::bad_type(word))
    };
    let types = plan.nodes.iter().map(type_of).collect::<Result<Vec<_>, _>>()?;
    custom::check_types(types.iter().filter_map(|(_, custom)| custom.as_deref()), context).await?;
    let mut beads = BTreeMap::new();
    for (node, (type_, custom_type)) in plan.nodes.iter().zip(types) {
        let parent = match (&node.parent_id, &node.parent_key) {
            (Some(id), _) => Some(find(id, context).await?.name_any()),
            (None, Some(key)) => names.get(key.as_str()).cloned(),
            (None, None) => None,
        };
        let spec = BeadSpec {
            type_,
            custom_type,
            priority: node.priority.unwrap_or(args.priority),
            suspend: true,
            description: node.description.clone().filter(|text| !text.is_empty()),
            assigned_to: node.assignee.clone().filter(|who| !who.is_empty()),
            labels: node.labels.clone(),
            metadata: metadata(node, names),
            parent,
            ephemeral: args.ephemeral,
            wisp_type: args.wisp_type,
            created_by: Some(context.actor.clone()),
            ..BeadSpec::new(node.title.trim(), rig)
        };
        let name = names.get(node.key.as_str()).cloned();
        beads.insert(
            node.key.as_str(),
            Bead { metadata: ObjectMeta { name, ..ObjectMeta::default() }, spec, status: None },
        );
    }
    Ok(beads)
}

/// The metadata of a node, with the names of the beads that it refers to.
fn metadata(node: &Node, names: &Names<'_>) -> Option<String> {
    let mut metadata = node.metadata.clone();
    for (name, key) in &node.metadata_refs {
        let id = key.as_str().and_then(|key| names.get(key)).cloned();
        metadata.insert(name.clone(), id.map_or(Value::Null, Value::from));
    }
    (!metadata.is_empty()).then(|| Value::from(metadata).to_string())
}

/// Puts the edges into the beads that they begin at; those of beads that are there already are for later.
async fn put_edges(
    plan: &GraphPlan,
    names: &Names<'_>,
    beads: &mut BTreeMap<&str, Bead>,
    context: &Context,
) -> Result<Vec<Later>, Error> {
    let mut later = Vec::new();
    for edge in &plan.edges {
        let how = edge.type_.clone().filter(|it| !it.is_empty()).unwrap_or_else(|| BLOCKS.to_owned());
        let to = match (&edge.to_id, edge.to_key.as_deref().and_then(|key| names.get(key))) {
            (Some(id), _) => find(id, context).await?.name_any(),
            (None, Some(name)) => name.clone(),
            (None, None) => continue,
        };
        match (&edge.from_id, edge.from_key.as_deref().and_then(|key| beads.get_mut(key))) {
            (Some(id), _) => later.push(Later { from: find(id, context).await?.name_any(), how, to }),
            (None, Some(bead)) => tie(&mut bead.spec, how, to),
            (None, None) => {}
        }
    }
    Ok(later)
}

/// Refuses beads that would wait for each other in a circle, or be parts of each other.
async fn check_circles(beads: &[Bead], later: &[Later], names: &Names<'_>, context: &Context) -> Result<(), Error> {
    // Only through a bead that is there already and waits for one of these could the town's own ties close a circle.
    let mut ties = if later.is_empty() { Ties::default() } else { Ties::of_town(context).await? };
    for bead in beads {
        ties.add(bead);
    }
    for Later { from, how, to } in later {
        match how.as_str() {
            BLOCKS | CONDITIONAL_BLOCKS => ties.wait(from, to),
            PARENT_CHILD => ties.part(from, to),
            _ => {}
        }
    }
    let keys: BTreeMap<&str, &str> = names.iter().map(|(key, name)| (name.as_str(), *key)).collect();
    many::refuse_circles(&ties, beads, |name| keys.get(name).map_or(name, |key| *key).to_owned())
}

impl Later {
    async fn put(self, context: &Context) -> Result<(), Error> {
        let Self { from, how, to } = self;
        let add = |bead: &Bead| {
            let mut spec = bead.spec.clone();
            tie(&mut spec, how.clone(), to.clone());
            Ok((spec != bead.spec).then(|| json!({ "needs": spec.needs, "links": spec.links, "parent": spec.parent })))
        };
        act::change(&from, &format!("tie `{from}` to `{to}`"), context, add).await.map(drop)
    }
}

fn tie(spec: &mut BeadSpec, how: String, to: String) {
    match how.as_str() {
        BLOCKS if !spec.needs.contains(&to) => spec.needs.push(to),
        BLOCKS => {}
        PARENT_CHILD => spec.parent = Some(to),
        _ => {
            let link = Link { to, type_: how, gate: None };
            if !spec.links.contains(&link) {
                spec.links.push(link);
            }
        }
    }
}
