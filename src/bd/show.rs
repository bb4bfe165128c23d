//! `bd show`: one or more beads in full, with what they need and what needs them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::ops::ControlFlow;

use clap::Args;
use gastown_agent::context::{Answer, Context};
use gastown_agent::error::Error;
use gastown_beads::issue::{BLOCKS, Details, PARENT_CHILD, line as line_of, seconds};
use gastown_beads::slim::Slim;
use gastown_crds::{Bead, BeadEvent};
use kube::{Api, ResourceExt};

use super::scan::{Query, scan};
use super::{act, filter, print};

/// Show beads in full
#[derive(Debug, Clone, Args)]
pub struct ShowArgs {
    /// The beads' ids
    #[arg(required_unless_present_any = ["id", "current"], value_name = "ID")]
    ids: Vec<String>,
    /// The same, as an option
    #[arg(long, value_name = "ID")]
    id: Vec<String>,
    /// The bead on the session's hook
    #[arg(long)]
    current: bool,
    /// A line each
    #[arg(long)]
    short: bool,
    /// Its parts alone
    #[arg(long)]
    children: bool,
}

/// A bead and its neighbours, each with how they are tied.
struct Shown {
    bead: Bead,
    slim: Slim,
    dependencies: Vec<(Slim, String)>,
    dependents: Vec<(Slim, String)>,
}

/// Runs `bd show`.
pub async fn show(args: &ShowArgs, json: bool, context: &Context) -> Result<Answer, Error> {
    let mut ids: Vec<String> = args.ids.iter().chain(&args.id).cloned().collect();
    if args.current {
        let hooked = gastown_connect::actor::variable("GT_BEAD");
        ids.push(hooked.ok_or_else(|| Error::refused("no bead is on a hook here", "name one: bd show ID"))?);
    }
    let mut note = String::new();
    let (mut found, mut events) = (Vec::new(), Vec::new());
    let mut seen = BTreeSet::new();
    for id in ids.iter().filter(|id| seen.insert(id.as_str())) {
        match act::find(id, context).await {
            Ok(bead) => found.push(bead),
            Err(error) if error.is_lost() => return Err(error),
            Err(error) => match get_event(context, id).await? {
                Some(event) => events.push(event),
                None => note.push_str(&format!("{}\n", error.line())),
            },
        }
    }
    if found.is_empty() && events.is_empty() {
        let message = "no issues found matching the provided IDs";
        if json {
            return Ok(Answer { out: print::failure(message, None), note: String::new(), code: 1 });
        }
        return Err(Error::refused(
            format!("{message}: {}", ids.join(", ").escape_default()),
            "`bd list` shows the ids",
        ));
    }
    let shown = neighbours(context, found).await?;
    if args.children {
        let parts = |shown: &Shown| -> Vec<Slim> {
            let those = shown.dependents.iter().filter(|(_, how)| how == PARENT_CHILD);
            those.map(|(bead, _)| bead.clone()).collect()
        };
        let all: Vec<Slim> = shown.iter().flat_map(parts).collect();
        let listed = || all.iter().map(gastown_beads::issue::Listed::of).collect::<Vec<_>>();
        return Ok(Answer { out: if json { print::json(&listed()) } else { print::table(&all) }, note, code: 0 });
    }
    let out = if json {
        let details = shown.iter().map(|s| Details::of(&s.slim, &s.dependencies, &s.dependents));
        print::json(&details.chain(events.iter().map(Details::of_event)).collect::<Vec<_>>())
    } else if args.short {
        print::table(&shown.iter().map(|it| it.slim.clone()).collect::<Vec<_>>())
            + &events.iter().map(print::event).collect::<String>()
    } else {
        let events = events.iter().map(print::event);
        shown.iter().map(text).chain(events).collect::<Vec<_>>().join("\n")
    };
    Ok(Answer { out, note, code: 0 })
}

/// Something that happened, by its id.
async fn get_event(context: &Context, id: &str) -> Result<Option<BeadEvent>, Error> {
    let Ok(name) = filter::id(id) else { return Ok(None) };
    let api: Api<BeadEvent> = Api::default_namespaced(context.client.clone());
    api.get_opt(&name).await.map_err(Error::api(format!("read `{id}`")))
}

/// A bead by its id; none also for what cannot be an id.
pub async fn get(context: &Context, id: &str) -> Result<Option<Bead>, Error> {
    let Ok(id) = filter::id(id) else { return Ok(None) };
    context.beads().get_opt(&id).await.map_err(Error::api(format!("read bead `{id}`")))
}

/// Finds what each bead needs, and what needs it: by field, so that the beads in between cost nothing.
async fn neighbours(context: &Context, found: Vec<Bead>) -> Result<Vec<Shown>, Error> {
    let mut shown = Vec::new();
    for bead in found {
        let dependencies = dependencies(context, &bead).await?;
        let dependents = dependents(context, &bead.name_any()).await?;
        shown.push(Shown { slim: act::slim(&bead)?, bead, dependencies, dependents });
    }
    Ok(shown)
}

/// The beads that one is tied to. What does not exist (any more) is left out, as in Beads.
pub async fn dependencies(context: &Context, bead: &Bead) -> Result<Vec<(Slim, String)>, Error> {
    let needs = bead.spec.needs.iter().map(|need| (need, BLOCKS));
    let parent = bead.spec.parent.iter().map(|parent| (parent, PARENT_CHILD));
    let links = bead.spec.links.iter().map(|link| (&link.to, link.type_.as_str()));
    let mut found = Vec::new();
    for (id, how) in needs.chain(parent).chain(links) {
        if let Some(bead) = get(context, id).await? {
            found.push((act::slim(&bead)?, how.to_owned()));
        }
    }
    Ok(found)
}

/// The beads that need one, its parts, and those that are tied to it, by name.
pub async fn dependents(context: &Context, id: &str) -> Result<Vec<(Slim, String)>, Error> {
    let mut found: BTreeMap<String, (Slim, String)> = BTreeMap::new();
    for (field, how) in [("spec.needs[]", Some(BLOCKS)), ("spec.parent", Some(PARENT_CHILD)), ("spec.links[].to", None)]
    {
        let query = Query { fields: vec![format!("{field}={id}")], ..Query::default() };
        scan(context, &query, |slim| {
            let linked = || slim.spec.links.iter().find(|link| link.to == id).map(|link| link.type_.clone());
            if let Some(how) = how.map(str::to_owned).or_else(linked) {
                found.entry(slim.metadata.name.clone()).or_insert((slim, how));
            }
            Ok(ControlFlow::Continue(()))
        })
        .await?;
    }
    Ok(found.into_values().collect())
}

fn text(shown: &Shown) -> String {
    let Shown { bead, slim, dependencies, dependents } = shown;
    let spec = &bead.spec;
    let mut text = line_of(slim, 0) + "\n";
    let mut line = |name: &str, value: &str| {
        if !value.is_empty() {
            let _never_fails = writeln!(text, "  {name:<9}{value}");
        }
    };
    line("rig", &spec.rig);
    for label in slim.labels() {
        line("label", &label);
    }
    for condition in slim.status.conditions.iter().filter(|c| !c.message.is_empty()) {
        line("now", &condition.message);
    }
    for (name, at) in [("due", spec.due), ("deferred", spec.defer_until)] {
        line(name, &at.map(seconds).unwrap_or_default());
    }
    line(
        "filed",
        &spec.created_by.as_ref().map(|by| format!("{} by {by}", seconds(slim.created()))).unwrap_or_default(),
    );
    line("same as", spec.external_ref.as_deref().unwrap_or_default());
    line("metadata", spec.metadata.as_deref().unwrap_or_default());
    if let Some(closed) = &spec.closed {
        let message = closed.message.as_deref().unwrap_or_default();
        line("closed", format!("{} by {}: {message}", closed.reason, closed.by).trim_end_matches(": "));
    }
    if let Some(description) = &spec.description {
        let _never_fails = writeln!(text, "\n{}", description.trim_end());
    }
    let said = [("design", &spec.design), ("acceptance criteria", &spec.acceptance_criteria), ("notes", &spec.notes)];
    for (title, said) in said.into_iter().chain([("command", &spec.command)]) {
        if let Some(said) = said.as_ref().filter(|said| !said.trim().is_empty()) {
            let _never_fails = writeln!(text, "\n{title}:\n{}", said.trim_end());
        }
    }
    for (parts, needs, beads) in [("part of", "needs", dependencies), ("parts", "needed by", dependents)] {
        let (parted, tied): (Vec<_>, Vec<_>) = beads.iter().partition(|(_, how)| how == PARENT_CHILD);
        for (title, beads) in [(parts, parted), (needs, tied)].into_iter().filter(|(_, beads)| !beads.is_empty()) {
            let _never_fails = writeln!(text, "\n{title}:");
            for (bead, how) in beads {
                let how =
                    if [BLOCKS, PARENT_CHILD].contains(&how.as_str()) { String::new() } else { format!("  [{how}]") };
                let _never_fails = writeln!(text, "  {}{how}", line_of(bead, 0));
            }
        }
    }
    if !spec.comments.is_empty() {
        let _never_fails = writeln!(text, "\ncomments:");
        for comment in &spec.comments {
            let said = comment.text.trim_end().replace('\n', "\n    ");
            let _never_fails = writeln!(text, "  {}  {}\n    {said}", seconds(comment.at), comment.author);
        }
    }
    text
}
