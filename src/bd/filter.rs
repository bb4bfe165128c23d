//! Filters as people write them, checked and put into the API's words; and what of them the API cannot ask, asked of each bead.

use clap::Args;
use gastown_agent::error::Error;
use gastown_beads::query::matches;
use gastown_beads::slim::Slim;
use gastown_beads::times;
use gastown_beads::{ids, words};
use gastown_crds::actor::Worker;
use gastown_crds::bead::{BeadType, PINNED};
use jiff::Timestamp;

use super::scan::Query;

/// What `list`, `ready`, `count`, `search` and others may be narrowed to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct Filter {
    /// Only this type
    #[arg(short = 't', long = "type", value_name = "TYPE")]
    pub type_: Option<String>,
    /// None of these types, separated by commas
    #[arg(long, value_delimiter = ',', value_name = "TYPE")]
    pub exclude_type: Vec<String>,
    /// Only this priority: 0 or P0 (first) to 4 (last)
    #[arg(short, long, value_parser = words::priority)]
    pub priority: Option<u32>,
    /// Only this priority or a later one
    #[arg(long, value_parser = words::priority, value_name = "PRIORITY")]
    pub priority_min: Option<u32>,
    /// Only this priority or an earlier one
    #[arg(long, value_parser = words::priority, value_name = "PRIORITY")]
    pub priority_max: Option<u32>,
    /// Only what this one has: RIG/polecats/NAME, or a person
    #[arg(short, long)]
    pub assignee: Option<String>,
    /// Only what nobody has
    #[arg(long, alias = "unassigned", conflicts_with = "assignee")]
    pub no_assignee: bool,
    /// Only with all of these labels, separated by commas
    #[arg(short, long, visible_alias = "labels", alias = "tag", value_delimiter = ',')]
    pub label: Vec<String>,
    /// Only with one of these labels, separated by commas
    #[arg(long, value_delimiter = ',', value_name = "LABEL")]
    pub label_any: Vec<String>,
    /// Only with none of these labels, separated by commas
    #[arg(long, value_delimiter = ',', value_name = "LABEL")]
    pub exclude_label: Vec<String>,
    /// Only with a label of this form; * stands for any text
    #[arg(long, value_name = "PATTERN")]
    pub label_pattern: Option<String>,
    /// Only without labels
    #[arg(long)]
    pub no_labels: bool,
    /// Only the parts of this bead
    #[arg(long, alias = "filter-parent", value_name = "ID")]
    pub parent: Option<String>,
    /// Only what is part of nothing
    #[arg(long, conflicts_with = "parent")]
    pub no_parent: bool,
    /// Only of this rig
    #[arg(long)]
    pub rig: Option<String>,
    /// Only with these ids, separated by commas
    #[arg(long = "id", value_delimiter = ',', value_name = "ID")]
    pub ids: Vec<String>,
    /// Only with this in the title, in any case
    #[arg(long, alias = "title", value_name = "TEXT")]
    pub title_contains: Option<String>,
    /// Only with this in the description, in any case
    #[arg(long, value_name = "TEXT")]
    pub desc_contains: Option<String>,
    /// Only with this in the notes, in any case
    #[arg(long, value_name = "TEXT")]
    pub notes_contains: Option<String>,
    /// Only of a specification whose id begins so
    #[arg(long, value_name = "ID")]
    pub spec: Option<String>,
    /// Only what is pinned
    #[arg(long)]
    pub pinned: bool,
    /// Nothing that is pinned: as always, unless it is asked for
    #[arg(long, conflicts_with = "pinned")]
    pub no_pinned: bool,
    /// Only without a description
    #[arg(long)]
    pub empty_description: bool,
    /// Only filed after this time: 2026-03-01, 7d (ago) or RFC 3339
    #[arg(long, value_name = "TIME")]
    pub created_after: Option<String>,
    /// Only filed before this time
    #[arg(long, value_name = "TIME")]
    pub created_before: Option<String>,
    /// Only changed after this time
    #[arg(long, value_name = "TIME")]
    pub updated_after: Option<String>,
    /// Only changed before this time
    #[arg(long, value_name = "TIME")]
    pub updated_before: Option<String>,
    /// Only closed after this time
    #[arg(long, value_name = "TIME")]
    pub closed_after: Option<String>,
    /// Only closed before this time
    #[arg(long, value_name = "TIME")]
    pub closed_before: Option<String>,
    /// Only what should have been done by now
    #[arg(long)]
    pub overdue: bool,
    /// Only what is deferred
    #[arg(long)]
    pub deferred: bool,
    /// Only with this in the metadata: KEY=VALUE
    #[arg(long, value_name = "KEY=VALUE")]
    pub metadata_field: Vec<String>,
    /// Only with this key in the metadata
    #[arg(long, value_name = "KEY")]
    pub has_metadata_key: Option<String>,
}

/// A filter that was checked: what the API is asked, and what is asked of each bead.
#[derive(Debug)]
pub struct Checked<'a> {
    filter: &'a Filter,
    /// Whether beads of no work, such as roles, are wanted.
    pub records: bool,
    /// Whether wisps are wanted.
    pub wisps: bool,
    /// The word for a custom type, which the API cannot be asked for.
    custom_type: Option<String>,
    exclude_types: Vec<String>,
    times: Vec<(Time, bool, Timestamp)>,
    metadata: Vec<(String, String)>,
    now: Timestamp,
}

#[derive(Debug, Clone, Copy)]
enum Time {
    Created,
    Updated,
    Closed,
}

impl Filter {
    /// Checks it, and puts into the query what the API can ask.
    pub fn check<'a>(&'a self, query: &mut Query, now: Timestamp) -> Result<Checked<'a>, Error> {
        if let Some(word) = &self.type_ {
            query.fields.push(type_field(word)?);
        }
        if let Some(priority) = self.priority {
            query.fields.push(format!("spec.priority={priority}"));
        }
        if let Some(parent) = &self.parent {
            query.fields.push(format!("spec.parent={}", id(parent)?));
        }
        if self.no_parent {
            query.fields.push("spec.parent=".to_owned());
        }
        if let Some(rig) = &self.rig {
            query.fields.push(format!("spec.rig={}", id(rig)?));
        }
        if let Some(Some(Worker { rig, .. })) = self.assignee.as_deref().map(Worker::parse) {
            query.fields.push(format!("spec.rig={rig}"));
        }
        let exclude_types = self.exclude_type.iter().map(|word| known_type(word)).collect::<Result<_, _>>()?;
        let mut times = Vec::new();
        for (time, is_after, text) in [
            (Time::Created, true, &self.created_after),
            (Time::Created, false, &self.created_before),
            (Time::Updated, true, &self.updated_after),
            (Time::Updated, false, &self.updated_before),
            (Time::Closed, true, &self.closed_after),
            (Time::Closed, false, &self.closed_before),
        ] {
            if let Some(text) = text {
                let at = times::instant(text, now).ok_or_else(|| {
                    Error::refused(format!("invalid time `{}`", shown(text)), "write it as 2026-03-01, 7d or RFC 3339")
                })?;
                times.push((time, is_after, at));
            }
        }
        let pair = |text: &String| {
            let (key, value) = text.split_once('=').filter(|(key, _)| !key.is_empty())?;
            Some((key.to_owned(), value.to_owned()))
        };
        let metadata = self.metadata_field.iter().map(|text| {
            pair(text)
                .ok_or_else(|| Error::refused(format!("invalid field `{}`", shown(text)), "write it as KEY=VALUE"))
        });
        let type_ = self.type_.as_deref().and_then(words::type_of);
        Ok(Checked {
            filter: self,
            records: type_.as_ref().is_some_and(|(type_, _)| is_hidden(*type_))
                || self.parent.is_some()
                || !self.ids.is_empty(),
            wisps: self.parent.is_some() || !self.ids.is_empty(),
            custom_type: type_.and_then(|(_, custom)| custom),
            exclude_types,
            times,
            metadata: metadata.collect::<Result<_, _>>()?,
            now,
        })
    }
}

impl Checked<'_> {
    /// Whether a bead is wanted.
    pub fn admits(&self, bead: &Slim) -> bool {
        let (filter, spec) = (self.filter, &bead.spec);
        let has = |text: Option<&str>, wanted: &Option<String>| {
            wanted
                .as_ref()
                .is_none_or(|wanted| text.is_some_and(|text| text.to_lowercase().contains(&wanted.to_lowercase())))
        };
        let assignee = || bead.assignee();
        (self.records || !is_hidden(spec.type_))
            && (self.wisps || !spec.ephemeral)
            && self.custom_type.as_ref().is_none_or(|custom| spec.custom_type.as_ref() == Some(custom))
            && filter.assignee.as_ref().is_none_or(|wanted| assignee().as_ref() == Some(wanted))
            && (!filter.no_assignee || assignee().is_none())
            && filter.priority_min.is_none_or(|min| spec.priority >= min)
            && filter.priority_max.is_none_or(|max| spec.priority <= max)
            && !self.exclude_types.iter().any(|it| it == bead.type_name())
            && self.admits_labels(bead)
            && (filter.ids.is_empty() || filter.ids.contains(&bead.id()))
            && has(Some(&spec.title), &filter.title_contains)
            && has(spec.description.as_deref(), &filter.desc_contains)
            && has(spec.notes.as_deref(), &filter.notes_contains)
            && filter.spec.as_ref().is_none_or(|it| spec.spec_id.as_ref().is_some_and(|id| id.starts_with(it)))
            && (!filter.pinned || bead.status() == PINNED)
            && (!filter.no_pinned || bead.status() != PINNED)
            && (!filter.empty_description || spec.description.as_deref().unwrap_or_default().trim().is_empty())
            && self.times.iter().all(|it| admits_time(*it, bead))
            && (!filter.overdue || (!bead.is_closed() && spec.due.is_some_and(|due| due < self.now)))
            && (!filter.deferred
                || spec.held.as_deref() == Some("deferred")
                || spec.defer_until.is_some_and(|until| until > self.now))
            && self.admits_metadata(bead)
    }

    fn admits_labels(&self, bead: &Slim) -> bool {
        let filter = self.filter;
        let all: Vec<String> = bead.labels().collect();
        let has = |wanted: &String| all.iter().any(|label| label == wanted || is_kubernetes(label, wanted));
        filter.label.iter().all(has)
            && (filter.label_any.is_empty() || filter.label_any.iter().any(has))
            && !filter.exclude_label.iter().any(has)
            && (!filter.no_labels || all.is_empty())
            && filter.label_pattern.as_ref().is_none_or(|pattern| all.iter().any(|label| matches(pattern, label)))
    }

    fn admits_metadata(&self, bead: &Slim) -> bool {
        if self.metadata.is_empty() && self.filter.has_metadata_key.is_none() {
            return true;
        }
        let metadata: serde_json::Value =
            bead.spec.metadata.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        let text = |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        self.metadata.iter().all(|(key, value)| metadata.get(key).is_some_and(|it| text(it) == *value))
            && self.filter.has_metadata_key.as_ref().is_none_or(|key| metadata.get(key).is_some())
    }
}

/// `key` and `key=value` of Kubernetes for a label that is shown as `key:value`.
fn is_kubernetes(label: &str, wanted: &str) -> bool {
    match wanted.split_once('=') {
        Some((key, value)) => label.split_once(':') == Some((key, value)),
        None => label.split_once(':').is_some_and(|(key, _)| key == wanted && key.contains('/')),
    }
}

fn admits_time((time, is_after, at): (Time, bool, Timestamp), bead: &Slim) -> bool {
    let found = match time {
        Time::Created => Some(bead.created()),
        Time::Updated => Some(bead.updated()),
        Time::Closed => bead.spec.closed.as_ref().map(|closed| closed.at),
    };
    found.is_some_and(|found| if is_after { found >= at } else { found < at })
}

/// Whether beads of a type are listed only where they are asked for: no work of their own.
pub fn is_hidden(type_: BeadType) -> bool {
    type_.is_record() || matches!(type_, BeadType::Step | BeadType::Gate)
}

/// The condition on a field that selects a type.
pub fn type_field(word: &str) -> Result<String, Error> {
    let (type_, _) = words::type_of(word).ok_or_else(|| bad_type(word))?;
    Ok(format!("spec.type={type_}"))
}

/// The word for a type that cannot be one.
pub fn bad_type(word: &str) -> Error {
    if word == words::EVENT {
        return Error::refused("what has happened is no bead, and does not change", "bd list -t event; bd sql");
    }
    let known: Vec<&str> = words::types().collect();
    Error::refused(format!("invalid type `{}`", shown(word)), format!("known are {}", known.join(", ")))
}

fn known_type(word: &str) -> Result<String, Error> {
    let (type_, custom) = words::type_of(word).ok_or_else(|| bad_type(word))?;
    Ok(words::type_name(type_, custom.as_deref()).to_owned())
}

/// The name of the object of a bead's id, which may stand in a question to the API.
pub fn id(text: &str) -> Result<String, Error> {
    ids::object_name(text)
        .map(std::borrow::Cow::into_owned)
        .ok_or_else(|| Error::refused(format!("invalid bead id `{}`", shown(text)), "`bd list` shows the ids"))
}

/// A text as it may be said back.
pub fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn bead() -> Slim {
        serde_json::from_value(json!({
            "metadata": { "name": "shop-1", "labels": { "gastown.io/convoy": "auth" },
                "creationTimestamp": "2026-03-01T10:00:00Z" },
            "spec": { "title": "Fix the Login", "rig": "shop", "labels": ["urgent", "area:auth"], "priority": 1,
                "metadata": "{\"branch\":\"x\",\"n\":3}" },
        }))
        .unwrap()
    }

    fn admits(change: impl Fn(&mut Filter)) -> bool {
        let mut filter = Filter::default();
        change(&mut filter);
        let now = "2026-03-10T00:00:00Z".parse().unwrap();
        filter.check(&mut Query::default(), now).unwrap().admits(&bead())
    }

    #[test]
    fn what_could_change_the_question_is_refused() {
        assert_eq!(id("shop-1.2.change").unwrap(), "shop-1.2.change");
        assert!(id("beads_rust-14eu").unwrap().starts_with("beads-rust-14eu-"));
        assert!(id("../x").is_err() && id("a/b").is_err() && id("").is_err());
        assert!(type_field("two words").is_err() && type_field("event").is_err());
        assert_eq!(type_field("docs").unwrap(), "spec.type=Custom");
        assert!(!admits(|it| it.type_ = Some("docs".to_owned())));
    }

    #[test]
    fn labels_are_asked_in_beads_words_and_in_those_of_kubernetes() {
        for label in ["urgent", "area:auth", "gastown.io/convoy:auth", "gastown.io/convoy=auth", "gastown.io/convoy"] {
            assert!(admits(|it| it.label = vec![label.to_owned()]), "{label}");
        }
        assert!(!admits(|it| it.label = vec!["area".to_owned()]));
        assert!(!admits(|it| it.exclude_label = vec!["urgent".to_owned()]));
        assert!(admits(|it| it.label_pattern = Some("area:*".to_owned())));
    }

    #[test]
    fn the_rest_is_asked_of_each_bead() {
        assert!(admits(|it| it.title_contains = Some("login".to_owned())));
        assert!(admits(|it| it.metadata_field = vec!["n=3".to_owned(), "branch=x".to_owned()]));
        assert!(!admits(|it| it.has_metadata_key = Some("target".to_owned())));
        assert!(
            admits(|it| it.created_before = Some("7d".to_owned()))
                && !admits(|it| it.created_after = Some("7d".to_owned()))
        );
        assert!(!admits(|it| it.overdue = true) && !admits(|it| it.priority_min = Some(2)));
    }
}
