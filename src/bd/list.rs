//! `bd list`: beads by what they are, the most urgent first and of those the newest, as Beads has them, unless another order is asked for.

use std::cmp::Reverse;
use std::ops::ControlFlow;

use clap::{Args, ValueEnum};
use gastown_agent::context::{Answer, Context};
use gastown_agent::error::Error;
use gastown_base::clock::{Clock as _, SystemClock};
use gastown_beads::issue::Listed;
use gastown_beads::query::matches;
use gastown_beads::slim::Slim;
use gastown_beads::words;

use super::custom;
use super::filter::Filter;
use super::print;
use super::ready;
use super::scan::{Query, events, scan};

/// List beads; closed ones, steps, and those that are no work are left out unless asked for
#[derive(Debug, Clone, Args)]
pub struct ListArgs {
    /// Only these, separated by commas: open, in_progress, blocked, deferred, closed, pinned, hooked, all, or a word of your own
    #[arg(short, long, alias = "state", value_delimiter = ',', value_name = "STATUS")]
    status: Vec<String>,
    #[command(flatten)]
    filter: Filter,
    /// Closed ones too
    #[arg(long)]
    all: bool,
    /// Those too that are no work: messages, roles, agents, gates
    #[arg(long, alias = "include-gates", alias = "include-templates")]
    include_infra: bool,
    /// Wisps, too
    #[arg(long)]
    include_ephemeral: bool,
    /// Only what may be taken up now
    #[arg(long)]
    ready: bool,
    /// Of events: only what happened to this one
    #[arg(long, value_name = "WHOM")]
    target: Option<String>,
    /// Of events: only this type; * stands for any text
    #[arg(long, alias = "event-category", value_name = "TYPE")]
    event_type: Option<String>,
    #[command(flatten)]
    listing: Listing,
    /// One line each: as always
    #[arg(long, hide = true)]
    flat: bool,
    /// Parts below what they are a part of
    #[arg(long, visible_alias = "pretty")]
    tree: bool,
}

impl ListArgs {
    /// The parts of a bead, closed ones too.
    pub fn children(id: &str) -> Self {
        let filter = Filter { parent: Some(id.to_owned()), ..Filter::default() };
        Self {
            status: Vec::new(),
            filter,
            all: true,
            include_infra: true,
            include_ephemeral: true,
            ready: false,
            target: None,
            event_type: None,
            listing: Listing { limit: 0, sort: Some(Sort::Id), reverse: false, long: false },
            flat: false,
            tree: false,
        }
    }
}

/// Which of the beads that were found are shown, and how: what verbs that find have in common.
#[derive(Debug, Clone, Args)]
pub struct Listing {
    /// At most so many; 0: all
    #[arg(short = 'n', long, default_value_t = 50)]
    pub limit: usize,
    /// By what they are sorted; default: the most urgent first, and of those the newest
    #[arg(long, value_enum)]
    sort: Option<Sort>,
    /// The other way round
    #[arg(short, long)]
    reverse: bool,
    /// With their descriptions
    #[arg(long)]
    long: bool,
}

impl Listing {
    /// Sorts what was found, and leaves as many as are wanted; how many there were.
    pub fn cut(&self, found: &mut Vec<Slim>) -> usize {
        self.sort.unwrap_or(Sort::Priority).sort(found, self.reverse);
        let all = found.len();
        if self.limit != 0 {
            found.truncate(self.limit);
        }
        all
    }

    /// They, for people.
    pub fn text(&self, found: &[Slim]) -> String {
        if self.long { print::long(found) } else { print::table(found) }
    }
}

/// What beads can be sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Sort {
    Id,
    Priority,
    Created,
    Updated,
    Closed,
    Status,
    Title,
    Type,
    Assignee,
}

impl Sort {
    /// Sorts, and turns round if that is asked for. Those that are the same in this are in the order of their ids.
    fn sort(self, beads: &mut [Slim], reverse: bool) {
        match self {
            Self::Id => beads.sort_by_cached_key(Slim::id),
            Self::Priority => beads.sort_by_cached_key(|it| (it.spec.priority, Reverse(it.created()), it.id())),
            Self::Created => beads.sort_by_cached_key(|it| (Reverse(it.created()), it.id())),
            Self::Updated => beads.sort_by_cached_key(|it| (Reverse(it.updated()), it.id())),
            Self::Closed => beads.sort_by_cached_key(|it| (Reverse(it.spec.closed.as_ref().map(|c| c.at)), it.id())),
            Self::Status => beads.sort_by_cached_key(|it| (it.status().to_owned(), it.id())),
            Self::Title => beads.sort_by_cached_key(|it| (it.spec.title.to_lowercase(), it.id())),
            Self::Type => beads.sort_by_cached_key(|it| (it.type_name().to_owned(), it.id())),
            Self::Assignee => beads.sort_by_cached_key(|it| (it.assignee(), it.id())),
        }
        if reverse {
            beads.reverse();
        }
    }
}

/// Runs `bd list`.
pub async fn list(args: &ListArgs, json: bool, context: &Context) -> Result<Answer, Error> {
    if args.filter.type_.as_deref() == Some(words::EVENT) {
        return list_events(args, json, context).await;
    }
    let mut query = Query::default();
    let closed_too = args.all || args.status.iter().any(|it| it == "closed" || it == "all");
    if !closed_too {
        // What is closed says so in its spec.
        query.fields.push("spec.closed.reason=".to_owned());
    }
    if args.filter.type_.is_none() && args.filter.parent.is_none() && !args.include_infra {
        query.fields.push("spec.type!=Step".to_owned());
    }
    let mut checked = args.filter.check(&mut query, SystemClock.now())?;
    checked.records |= args.include_infra;
    checked.wisps |= args.include_ephemeral;
    let is_pinned_asked = args.status.iter().any(|it| it == "pinned" || it == "all") || args.all || args.filter.pinned;
    let admits = |slim: &Slim| {
        let status = slim.status();
        let by_status = match args.status.as_slice() {
            [] => (closed_too || status != "closed") && (is_pinned_asked || status != "pinned"),
            wanted => wanted.iter().any(|it| it == "all" || it == status),
        };
        by_status && checked.admits(slim)
    };
    let mut found: Vec<Slim> = Vec::new();
    scan(context, &query, |slim| {
        if admits(&slim) {
            found.push(slim);
        }
        Ok(ControlFlow::Continue(()))
    })
    .await?;
    custom::check_found(&args.status, !found.is_empty(), context).await?;
    if args.ready {
        found = ready::only_ready(found, args.include_ephemeral, context).await?;
    }
    let listing = &args.listing;
    let has_more = listing.cut(&mut found) > found.len();
    let note =
        if has_more { format!("the first {}; all: `bd list --limit 0`\n", listing.limit) } else { String::new() };
    let out = if json {
        print::json(&found.iter().map(Listed::of).collect::<Vec<_>>())
    } else if args.tree {
        print::tree(&found)
    } else {
        listing.text(&found)
    };
    Ok(Answer { out, note, code: 0 })
}

async fn list_events(args: &ListArgs, json: bool, context: &Context) -> Result<Answer, Error> {
    let asked = Filter { type_: None, label: Vec::new(), ..args.filter.clone() };
    let is_closed = args.status.iter().all(|status| ["closed", "all"].contains(&status.as_str()));
    if asked != Filter::default() || !is_closed {
        let hint = "events are closed, and narrowed by --target, --event-type and --label";
        return Err(Error::refused("events have nothing of what is asked for", hint));
    }
    let mut query = Query::default();
    let exact = |text: &Option<String>| text.clone().filter(|text| !text.contains(['*', ',', '=', '!']));
    if let Some(target) = exact(&args.target) {
        query.fields.push(format!("spec.target={target}"));
    }
    if let Some(type_) = exact(&args.event_type) {
        query.fields.push(format!("spec.eventType={type_}"));
    }
    let labels = &args.filter.label;
    let (mut found, mut has_more) = (Vec::new(), false);
    events(context, &query, |event| {
        let spec = &event.spec;
        let is = |wanted: &Option<String>, text: Option<&str>| {
            wanted.as_ref().is_none_or(|wanted| text.is_some_and(|text| matches(wanted, text)))
        };
        let is_it = is(&args.target, spec.target.as_deref())
            && is(&args.event_type, Some(&spec.event_type))
            && labels.iter().all(|label| spec.labels.contains(label));
        if !is_it {
            return ControlFlow::Continue(());
        }
        if args.listing.limit != 0 && found.len() == args.listing.limit {
            has_more = true;
            return ControlFlow::Break(());
        }
        found.push(event.clone());
        ControlFlow::Continue(())
    })
    .await?;
    if args.listing.reverse {
        found.reverse();
    }
    let note = if has_more { format!("the newest {}; all: `--limit 0`\n", args.listing.limit) } else { String::new() };
    let out = if json {
        print::json(&found.iter().map(Listed::of_event).collect::<Vec<_>>())
    } else {
        found.iter().map(print::event).collect()
    };
    Ok(Answer { out, note, code: 0 })
}
