//! Verbs that find beads: `search`, `query`, `blocked`, `stale`, `count`, `graph`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::ControlFlow;

use clap::Args;
use gastown_agent::context::{Answer, Context};
use gastown_agent::error::Error;
use gastown_base::clock::{Clock as _, SystemClock};
use gastown_beads::issue::{Issue, Listed};
use gastown_beads::query::{Field, Query as Expression};
use gastown_beads::slim::Slim;
use gastown_beads::times::instant;
use serde_json::json;

use super::custom;
use super::filter::{Filter, is_hidden, shown};
use super::list::Listing;
use super::ready::{self, Blocked};
use super::scan::{Query, scan};
use super::{print, show};

/// Find beads by a text in their title, id, description or notes
#[derive(Debug, Clone, Args)]
pub struct SearchArgs {
    /// The text, in any case
    text: Option<String>,
    /// The same, as an option
    #[arg(long = "query", value_name = "TEXT", conflicts_with = "text")]
    query: Option<String>,
    /// Only these, separated by commas
    #[arg(short, long, value_delimiter = ',')]
    status: Vec<String>,
    #[command(flatten)]
    filter: Filter,
    #[command(flatten)]
    listing: Listing,
}

/// Find beads by an expression, such as 'status=open AND priority<=1'
#[derive(Debug, Clone, Args)]
pub struct QueryArgs {
    /// Fields compared by = != < <= > >=, joined by AND, OR and NOT, with parentheses
    expression: String,
    /// Closed ones too, although the expression does not speak of the status
    #[arg(short, long)]
    all: bool,
    #[command(flatten)]
    listing: Listing,
    /// Print how the expression is understood, and look for nothing
    #[arg(long)]
    parse_only: bool,
}

/// List what cannot be taken up because it waits for something
#[derive(Debug, Clone, Args)]
pub struct BlockedArgs {
    /// Only the parts of this bead
    #[arg(long, value_name = "ID")]
    parent: Option<String>,
}

/// List open beads that nobody has changed for long
#[derive(Debug, Clone, Args)]
pub struct StaleArgs {
    /// For so many days
    #[arg(short, long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=36_500))]
    days: u32,
    /// Only these, separated by commas; all: closed ones too
    #[arg(short, long, value_delimiter = ',')]
    status: Vec<String>,
    /// At most so many; 0: all
    #[arg(short = 'n', long, default_value_t = 50)]
    limit: usize,
}

/// Count beads; closed ones too
#[derive(Debug, Clone, Args)]
pub struct CountArgs {
    /// Only these, separated by commas
    #[arg(short, long, value_delimiter = ',')]
    status: Vec<String>,
    #[command(flatten)]
    filter: Filter,
    /// For each status
    #[arg(long, group = "by")]
    by_status: bool,
    /// For each priority
    #[arg(long, group = "by")]
    by_priority: bool,
    /// For each type
    #[arg(long, group = "by")]
    by_type: bool,
    /// For each that has them
    #[arg(long, group = "by")]
    by_assignee: bool,
    /// For each label
    #[arg(long, group = "by")]
    by_label: bool,
}

/// Draw what waits for what
#[derive(Debug, Clone, Args)]
pub struct GraphArgs {
    /// The bead with all that it is tied to; default: all open ones
    id: Option<String>,
    /// For Graphviz
    #[arg(long)]
    dot: bool,
}

/// Runs `bd search`.
pub async fn search(args: &SearchArgs, json: bool, context: &Context) -> Result<Answer, Error> {
    let Some(text) = args.text.as_ref().or(args.query.as_ref()).filter(|text| !text.trim().is_empty()) else {
        return Err(Error::refused("what is to be found?", "bd search \"TEXT\""));
    };
    let text = text.to_lowercase();
    let mut query = Query::default();
    let checked = args.filter.check(&mut query, SystemClock.now())?;
    let has = |field: &Option<String>| field.as_ref().is_some_and(|it| it.to_lowercase().contains(&text));
    let mut found = Vec::new();
    scan(context, &query, |slim| {
        let spec = &slim.spec;
        let is_it = spec.title.to_lowercase().contains(&text)
            || slim.id().to_lowercase().contains(&text)
            || has(&spec.description)
            || has(&spec.notes)
            || has(&spec.external_ref);
        let by_status = args.status.is_empty() || args.status.iter().any(|it| it == "all" || it == slim.status());
        if is_it && by_status && checked.admits(&slim) {
            found.push(slim);
        }
        Ok(ControlFlow::Continue(()))
    })
    .await?;
    custom::check_found(&args.status, !found.is_empty(), context).await?;
    Ok(print_found(found, &args.listing, json))
}

/// Runs `bd query`.
pub async fn query(args: &QueryArgs, json: bool, context: &Context) -> Result<Answer, Error> {
    let expression = Expression::parse(&args.expression, SystemClock.now()).map_err(|error| {
        let mark = " ".repeat(args.expression.get(..error.position).map_or(0, |before| before.chars().count()));
        let place = format!("{}\n       {mark}^", shown(&args.expression));
        Error::refused(format!("parsing query: {error}"), place)
    })?;
    if args.parse_only {
        return Ok(Answer::out(format!("{expression:?}\n")));
    }
    let closed_too = args.all || expression.names(Field::Status) || expression.names(Field::Closed);
    let mut query = Query::default();
    if !closed_too {
        query.fields.push("spec.closed.reason=".to_owned());
    }
    let wisps = expression.names(Field::Ephemeral) || expression.names(Field::Id) || expression.names(Field::Parent);
    let records = expression.names(Field::Type) || expression.names(Field::Id);
    let mut found = Vec::new();
    scan(context, &query, |slim| {
        let is_shown = (records || !is_hidden(slim.spec.type_)) && (wisps || !slim.spec.ephemeral);
        if is_shown && expression.admits(&slim) {
            found.push(slim);
        }
        Ok(ControlFlow::Continue(()))
    })
    .await?;
    Ok(print_found(found, &args.listing, json))
}

fn print_found(mut found: Vec<Slim>, listing: &Listing, json: bool) -> Answer {
    let (all, limit) = (listing.cut(&mut found), listing.limit);
    let note =
        if found.len() < all { format!("the first {limit} of {all}; all: `--limit 0`\n") } else { String::new() };
    let out = if json {
        print::json(&found.iter().map(Listed::of).collect::<Vec<_>>())
    } else if found.is_empty() {
        "no issues found\n".to_owned()
    } else {
        listing.text(&found)
    };
    Answer { out, note, code: 0 }
}

/// Runs `bd blocked`.
pub async fn blocked(args: &BlockedArgs, json: bool, context: &Context) -> Result<Answer, Error> {
    let filter = Filter { parent: args.parent.clone(), ..Filter::default() };
    let mut blocked = ready::computed(&filter, false, context).await?.1;
    blocked.sort_by_key(|it| it.bead.spec.priority);
    let (mut out, mut all) = (String::new(), Vec::new());
    for Blocked { bead, why, waits, needs } in blocked {
        if !waits && needs.is_empty() && bead.status() != "blocked" {
            continue;
        }
        let _never_fails = writeln!(out, "{}\n    {why}", gastown_beads::issue::line(&bead, 0));
        let mut issue = serde_json::to_value(Issue::of(&bead)).unwrap_or_default();
        issue["blocked_by_count"] = needs.len().into();
        issue["blocked_by"] = needs.into_iter().map(|need| need.id).collect();
        all.push(issue);
    }
    if out.is_empty() {
        out.push_str("nothing is blocked\n");
    }
    Ok(Answer::out(if json { print::json(&all) } else { out }))
}

/// Runs `bd stale`.
pub async fn stale(args: &StaleArgs, json: bool, context: &Context) -> Result<Answer, Error> {
    let before = instant(&format!("{}d", args.days), SystemClock.now()).unwrap_or_default();
    let mut query = Query::default();
    if !args.status.iter().any(|it| it == "closed" || it == "all") {
        query.fields.push("spec.closed.reason=".to_owned());
    }
    let mut found = Vec::new();
    scan(context, &query, |slim| {
        let by_status = args.status.is_empty() || args.status.iter().any(|it| it == "all" || it == slim.status());
        if by_status && !is_hidden(slim.spec.type_) && !slim.spec.ephemeral && slim.updated() < before {
            found.push(slim);
        }
        Ok(ControlFlow::Continue(()))
    })
    .await?;
    custom::check_found(&args.status, !found.is_empty(), context).await?;
    found.sort_by_cached_key(|slim| (slim.updated(), slim.id()));
    if args.limit != 0 {
        found.truncate(args.limit);
    }
    Ok(Answer::out(if json {
        print::json(&found.iter().map(Issue::of).collect::<Vec<_>>())
    } else if found.is_empty() {
        format!("nothing has been left alone for {} days\n", args.days)
    } else {
        print::table(&found)
    }))
}

/// Runs `bd count`.
pub async fn count(args: &CountArgs, json: bool, context: &Context) -> Result<Answer, Error> {
    let mut query = Query::default();
    let checked = args.filter.check(&mut query, SystemClock.now())?;
    let (mut total, mut groups): (usize, BTreeMap<String, usize>) = (0, BTreeMap::new());
    scan(context, &query, |slim| {
        let by_status = args.status.is_empty() || args.status.iter().any(|it| it == "all" || it == slim.status());
        if !by_status || !checked.admits(&slim) {
            return Ok(ControlFlow::Continue(()));
        }
        total += 1;
        let keys = if args.by_status {
            vec![slim.status().to_owned()]
        } else if args.by_priority {
            vec![format!("P{}", slim.spec.priority)]
        } else if args.by_type {
            vec![slim.type_name().to_owned()]
        } else if args.by_assignee {
            vec![slim.assignee().unwrap_or_else(|| "(unassigned)".to_owned())]
        } else if args.by_label {
            let labels: Vec<String> = slim.labels().collect();
            if labels.is_empty() { vec!["(no labels)".to_owned()] } else { labels }
        } else {
            Vec::new()
        };
        for key in keys {
            *groups.entry(key).or_default() += 1;
        }
        Ok(ControlFlow::Continue(()))
    })
    .await?;
    custom::check_found(&args.status, total != 0, context).await?;
    let is_grouped = args.by_status || args.by_priority || args.by_type || args.by_assignee || args.by_label;
    Ok(Answer::out(match (json, is_grouped) {
        (true, false) => print::object(&json!({ "count": total })),
        (true, true) => {
            let groups: Vec<_> =
                groups.iter().map(|(group, count)| json!({ "group": group, "count": count })).collect();
            print::object(&json!({ "total": total, "groups": groups }))
        }
        (false, false) => format!("{total}\n"),
        (false, true) => {
            let lines: String = groups.iter().map(|(group, count)| format!("{count:>6}  {group}\n")).collect();
            format!("{lines}{total:>6}  in all\n")
        }
    }))
}

/// Runs `bd graph`.
pub async fn graph(args: &GraphArgs, json: bool, context: &Context) -> Result<Answer, Error> {
    let mut beads: BTreeMap<String, Slim> = BTreeMap::new();
    match &args.id {
        None => {
            let open =
                Query { fields: vec!["spec.closed.reason=".into(), "spec.type!=Step".into()], ..Query::default() };
            scan(context, &open, |slim| {
                if !is_hidden(slim.spec.type_) && !slim.spec.ephemeral {
                    beads.insert(slim.metadata.name.clone(), slim);
                }
                Ok(ControlFlow::Continue(()))
            })
            .await?;
        }
        Some(id) => {
            let mut waiting = vec![super::act::find(id, context).await?];
            while let Some(bead) = waiting.pop() {
                let slim = super::act::slim(&bead)?;
                if beads.len() > GRAPH_BEADS_MAX || beads.insert(slim.metadata.name.clone(), slim.clone()).is_some() {
                    continue;
                }
                let mut around = show::dependencies(context, &bead).await?;
                around.extend(show::dependents(context, &slim.metadata.name).await?);
                for (other, _) in
                    around.into_iter().filter(|(it, _)| !it.is_step() && !beads.contains_key(&it.metadata.name))
                {
                    waiting.extend(show::get(context, &other.metadata.name).await?);
                }
            }
        }
    }
    let edges: Vec<_> = beads.values().flat_map(gastown_beads::issue::edges).collect();
    let edges = edges.into_iter().filter(|edge| beads.contains_key(&edge.depends_on_id));
    if json {
        let issues: Vec<Issue> = beads.values().map(Issue::without_edges).collect();
        let edges: Vec<_> = edges.collect();
        return Ok(Answer::out(print::object(&json!({ "issues": issues, "dependencies": edges }))));
    }
    if args.dot {
        let mut out = String::from("digraph beads {\n");
        for bead in beads.values() {
            let title = bead.spec.title.replace(['"', '\\'], "'");
            let _never_fails =
                writeln!(out, "  \"{}\" [label=\"{}\\n{title}\"];", bead.metadata.name, bead.metadata.name);
        }
        for edge in edges {
            let _never_fails =
                writeln!(out, "  \"{}\" -> \"{}\" [label=\"{}\"];", edge.issue_id, edge.depends_on_id, edge.type_);
        }
        return Ok(Answer::out(out + "}\n"));
    }
    let all: Vec<Slim> = beads.values().cloned().collect();
    let mut out = print::tree(&all);
    for edge in edges.filter(|edge| edge.type_ != gastown_beads::issue::PARENT_CHILD) {
        let _never_fails = writeln!(out, "{} → {}  [{}]", edge.issue_id, edge.depends_on_id, edge.type_);
    }
    Ok(Answer::out(out))
}

/// Beads of one drawing.
const GRAPH_BEADS_MAX: usize = 2_000;
