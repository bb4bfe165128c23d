//! Issues of GitHub and GitLab, read from their JSON: as `gh issue list --json` and `glab issue list --output json` print them, and as
//! the REST of both has them. Each becomes a line of Beads' JSON, so that one way takes all in.
//!
//! What a label says of the priority and the type is in `forge/labels.rs`; the label stays a label. A milestone
//! and all assignees are kept in the metadata, as `milestone` and `assignees`; the first assignee has the bead.

mod elements;
mod labels;

use gastown_crds::bead::COMMENTS_MAX;
use gastown_crds::names;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};

pub use elements::{Element, Shape, elements, shape};
use labels::{priority, type_};

/// The longest description, in characters, as a bead's schema has it.
const BODY_CHARS_MAX: usize = 65_536;
/// The same in bytes: with its comments it is in one line, and in one object, of 256 KiB at most.
const BODY_BYTES_MAX: usize = 96 * 1024;
/// The longest title, in characters, as a bead's schema has it.
const TITLE_CHARS_MAX: usize = 500;
/// Bytes of all comments that are taken of one issue, the newest first.
const COMMENTS_BYTES_MAX: usize = 64 * 1024;

/// Where issues come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forge {
    /// GitHub.
    GitHub,
    /// GitLab.
    GitLab,
}

/// An issue as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// An issue.
    Issue(Box<Issue>),
    /// A pull request, which GitHub lists among issues.
    PullRequest,
}

/// An issue, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issue {
    /// Where it comes from.
    pub forge: Forge,
    /// Its number in its repository.
    pub number: u64,
    /// Its address, by which it is known again.
    pub url: String,
    /// What had to be left out, in words; none: nothing.
    pub cut: Option<String>,
    title: String,
    body: String,
    is_closed: bool,
    close_reason: String,
    labels: Vec<String>,
    assignees: Vec<String>,
    milestone: Option<String>,
    author: Option<String>,
    times: Times,
    comments: Vec<Comment>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Times {
    created: Option<String>,
    updated: Option<String>,
    closed: Option<String>,
    due: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Comment {
    id: String,
    author: String,
    text: String,
    at: Option<String>,
}

/// A person, as the shapes name one.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Person {
    login: Option<String>,
    username: Option<String>,
}

impl Person {
    fn name(self) -> Option<String> {
        self.login.or(self.username).filter(|name| !name.is_empty())
    }
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Label {
    Text(String),
    Named { name: String },
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Milestone {
    title: String,
    #[serde(alias = "dueOn", alias = "due_date")]
    due_on: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Said {
    id: Value,
    author: Option<Person>,
    user: Option<Person>,
    body: Option<String>,
    #[serde(alias = "createdAt")]
    created_at: Option<String>,
}

/// What the shapes have, under all their names.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Fields {
    number: Option<u64>,
    iid: Option<u64>,
    title: Option<String>,
    body: Option<String>,
    description: Option<String>,
    state: Option<String>,
    #[serde(alias = "stateReason")]
    state_reason: Option<String>,
    labels: Vec<Label>,
    assignees: Option<Vec<Person>>,
    milestone: Option<Milestone>,
    author: Option<Person>,
    user: Option<Person>,
    #[serde(alias = "createdAt")]
    created_at: Option<String>,
    #[serde(alias = "updatedAt")]
    updated_at: Option<String>,
    #[serde(alias = "closedAt")]
    closed_at: Option<String>,
    due_date: Option<String>,
    html_url: Option<String>,
    web_url: Option<String>,
    url: Option<String>,
    pull_request: Option<Value>,
    /// All of them, or their number.
    comments: Value,
}

/// Reads an issue; what is wrong is said in words.
pub fn read(json: &str, forge: Forge) -> Result<Taken, String> {
    let fields: Fields = serde_json::from_str(json).map_err(|error| error.to_string())?;
    if fields.pull_request.is_some_and(|it| !it.is_null()) {
        return Ok(Taken::PullRequest);
    }
    let number = match forge {
        Forge::GitHub => fields.number,
        Forge::GitLab => fields.iid,
    };
    let number = number.ok_or("it has no number")?;
    let url = match forge {
        // `url` of GitHub's REST is that of its API.
        Forge::GitHub => fields.html_url.or(fields.url),
        Forge::GitLab => fields.web_url,
    };
    let url = url.filter(|url| !url.is_empty()).ok_or(match forge {
        Forge::GitHub => "it has no `url`, by which it is known again: add it to `gh issue list --json`",
        Forge::GitLab => "it has no `web_url`, by which it is known again",
    })?;
    let title = fields.title.filter(|title| !title.trim().is_empty()).ok_or("it has no `title`")?;
    let mut cut = Vec::new();
    let (title, is_cut) = shortened(title.trim(), (TITLE_CHARS_MAX, BODY_BYTES_MAX), "");
    cut.extend(is_cut.then(|| format!("its title is cut at {TITLE_CHARS_MAX} characters")));
    let body = fields.body.or(fields.description).unwrap_or_default().replace("\r\n", "\n");
    let end = format!("\n\n[cut; the whole text: {url}]");
    let (body, is_cut) = shortened(body.trim_end(), (BODY_CHARS_MAX, BODY_BYTES_MAX), &end);
    cut.extend(is_cut.then(|| format!("its text is cut at {} characters", body.chars().count())));
    let (comments, left) = comments(fields.comments)?;
    cut.extend((left > 0).then(|| format!("its {left} oldest comments are left out")));
    let state = fields.state.unwrap_or_default().to_lowercase();
    let is_closed = match state.as_str() {
        "open" | "opened" | "reopened" | "" => false,
        "closed" => true,
        other => return Err(format!("`{}` is no state of an issue", other.escape_debug())),
    };
    let labels = fields.labels.into_iter().map(|label| match label {
        Label::Text(name) | Label::Named { name } => name,
    });
    let milestone = fields.milestone.unwrap_or_default();
    Ok(Taken::Issue(Box::new(Issue {
        forge,
        number,
        url,
        cut: (!cut.is_empty()).then(|| cut.join("; ")),
        title,
        body,
        is_closed,
        close_reason: fields.state_reason.unwrap_or_default().to_lowercase().replace('_', " "),
        labels: labels.filter(|label| !label.trim().is_empty()).collect(),
        assignees: fields.assignees.unwrap_or_default().into_iter().filter_map(Person::name).collect(),
        milestone: Some(milestone.title).filter(|title| !title.is_empty()),
        author: fields.author.or(fields.user).and_then(Person::name),
        times: Times {
            created: fields.created_at,
            updated: fields.updated_at,
            closed: fields.closed_at,
            due: fields.due_date.or(milestone.due_on),
        },
        comments,
    })))
}

impl Issue {
    /// The id of its bead, in a rig with this prefix: by its number. `of_another` is whether a bead of another repository has that one.
    pub fn id(&self, prefix: &str, of_another: bool) -> String {
        let of = match self.forge {
            Forge::GitHub => "gh",
            Forge::GitLab => "gl",
        };
        let number = self.number;
        if of_another {
            format!("{prefix}-{of}-{number}-{}", names::short_hash(&["forge", &self.url]))
        } else {
            format!("{prefix}-{of}-{number}")
        }
    }

    /// What a bead may say of it that was filed by hand.
    pub fn short_ref(&self) -> String {
        self.id("", false).trim_start_matches('-').to_owned()
    }

    /// Its line in Beads' JSON. What the issue does not say is not in the line.
    pub fn line(&self, id: &str) -> String {
        let mut line = Map::new();
        let mut put = |key: &str, value: Value| {
            if !value.is_null() && value != "" && value != json!([]) {
                line.insert(key.to_owned(), value);
            }
        };
        put("id", id.into());
        put("title", self.title.as_str().into());
        put("description", self.body.as_str().into());
        put("status", if self.is_closed { "closed" } else { "open" }.into());
        put("priority", json!(self.labels.iter().filter_map(|label| priority(label)).min().unwrap_or(2)));
        put("issue_type", self.labels.iter().find_map(|label| type_(label)).unwrap_or("task").into());
        put("assignee", json!(self.assignees.first()));
        put("created_at", json!(self.times.created));
        put("created_by", json!(self.author));
        put("updated_at", json!(self.times.updated));
        if self.is_closed {
            put("closed_at", json!(self.times.closed));
            put("close_reason", self.close_reason.as_str().into());
        }
        put("due_at", json!(self.times.due.as_deref().map(as_instant)));
        put("external_ref", self.url.as_str().into());
        let mut metadata = Map::new();
        metadata.extend(self.milestone.iter().map(|title| ("milestone".to_owned(), json!(title))));
        if self.assignees.len() > 1 {
            metadata.insert("assignees".to_owned(), json!(self.assignees));
        }
        if !metadata.is_empty() {
            put("metadata", metadata.into());
        }
        put("labels", json!(self.labels));
        let comments = self.comments.iter().map(
            |it| json!({ "id": it.id, "issue_id": id, "author": it.author, "text": it.text, "created_at": it.at }),
        );
        put("comments", Value::Array(comments.collect()));
        Value::Object(line).to_string()
    }

    /// Whether a label speaks of the priority.
    pub fn says_priority(&self) -> bool {
        self.labels.iter().any(|label| priority(label).is_some())
    }

    /// Whether a label speaks of the type.
    pub fn says_type(&self) -> bool {
        self.labels.iter().any(|label| type_(label).is_some())
    }
}

/// The comments, the oldest first, and how many older ones there is no room for. A number of them, as REST has it, is none.
fn comments(value: Value) -> Result<(Vec<Comment>, usize), String> {
    if !value.is_array() {
        return Ok((Vec::new(), 0));
    }
    let all: Vec<Said> = serde_json::from_value(value).map_err(|error| format!("`comments`: {error}"))?;
    let (count, mut bytes) = (all.len(), 0);
    let mut kept: Vec<Comment> = Vec::new();
    for (nth, said) in all.into_iter().enumerate().rev() {
        let text = said.body.unwrap_or_default().replace("\r\n", "\n");
        bytes += text.len();
        if kept.len() == COMMENTS_MAX || bytes > COMMENTS_BYTES_MAX {
            break;
        }
        let id = match said.id {
            Value::String(id) if !id.is_empty() && id.len() <= 63 => id,
            Value::Number(id) => id.to_string(),
            _ => format!("c{}", nth + 1),
        };
        let author = said.author.or(said.user).and_then(Person::name).unwrap_or_default();
        kept.push(Comment { id, author, text, at: said.created_at });
    }
    kept.reverse();
    let left = count - kept.len();
    Ok((kept, left))
}

/// A text of so many characters and bytes at most, with `end` in place of what was cut off; whether something was.
fn shortened(text: &str, (chars_max, bytes_max): (usize, usize), end: &str) -> (String, bool) {
    if text.len() <= bytes_max && text.chars().count() <= chars_max {
        return (text.to_owned(), false);
    }
    let room = chars_max.saturating_sub(end.chars().count());
    let fits = |(at, c): &(usize, char)| at + c.len_utf8() + end.len() <= bytes_max;
    let kept = text.char_indices().take(room).take_while(fits).map(|(_, c)| c);
    (kept.chain(end.chars()).collect(), true)
}

/// A day, or a time, as a time.
fn as_instant(text: &str) -> String {
    if text.parse::<Timestamp>().is_ok() { text.to_owned() } else { format!("{text}T00:00:00Z") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(json: &str, forge: Forge) -> Value {
        match read(json, forge).unwrap() {
            Taken::Issue(issue) => serde_json::from_str(&issue.line(&issue.id("shop", false))).unwrap(),
            Taken::PullRequest => Value::Null,
        }
    }

    #[test]
    fn each_shape_is_known_and_says_the_same() {
        let gh = r#"{"number":7,"title":"Log out","body":"Every\r\nwhere","state":"OPEN","url":"https://github.com/o/r/issues/7",
            "labels":[{"name":"bug"},{"name":"priority: high"}],"assignees":[{"login":"kim"},{"login":"lee"}],
            "milestone":{"title":"v1","dueOn":"2026-05-01T00:00:00Z"},"author":{"login":"ann"},
            "createdAt":"2026-01-01T00:00:00Z","updatedAt":"2026-01-02T00:00:00Z","closedAt":null,"stateReason":"",
            "comments":[{"id":"IC_1","author":{"login":"lee"},"body":"Why?","createdAt":"2026-01-01T12:00:00Z"}]}"#;
        let rest = r#"{"number":7,"title":"Log out","body":"Every\r\nwhere","state":"open","url":"https://api.github.com/repos/o/r/issues/7",
            "html_url":"https://github.com/o/r/issues/7","labels":[{"id":1,"name":"bug"},"priority: high"],
            "assignees":[{"login":"kim"},{"login":"lee"}],"milestone":{"title":"v1","due_on":"2026-05-01T00:00:00Z"},
            "user":{"login":"ann"},"created_at":"2026-01-01T00:00:00Z","updated_at":"2026-01-02T00:00:00Z","closed_at":null,"comments":1}"#;
        assert_eq!((shape(gh), shape(&format!("[{rest}]"))), (Some(Shape::Forge(Forge::GitHub)), shape(rest)));
        let mut said = line(gh, Forge::GitHub);
        assert_eq!(said["comments"][0]["text"], "Why?");
        said.as_object_mut().unwrap().remove("comments");
        assert_eq!(said, line(rest, Forge::GitHub));
        assert_eq!(
            said,
            json!({
                "id": "shop-gh-7", "title": "Log out", "description": "Every\nwhere", "status": "open", "priority": 1,
                "issue_type": "bug", "assignee": "kim", "created_by": "ann", "created_at": "2026-01-01T00:00:00Z",
                "updated_at": "2026-01-02T00:00:00Z", "due_at": "2026-05-01T00:00:00Z",
                "external_ref": "https://github.com/o/r/issues/7", "labels": ["bug", "priority: high"],
                "metadata": { "milestone": "v1", "assignees": ["kim", "lee"] },
            })
        );
        let gitlab = r#"{"iid":3,"id":900,"title":"T","description":"D","state":"closed","web_url":"https://gitlab.com/g/p/-/issues/3",
            "labels":["priority::1"],"assignees":[],"milestone":null,"author":{"username":"ann"},"due_date":"2026-05-01",
            "closed_at":"2026-01-03T00:00:00.000Z"}"#;
        assert_eq!(shape(gitlab), Some(Shape::Forge(Forge::GitLab)));
        let said = line(gitlab, Forge::GitLab);
        assert_eq!(
            (&said["id"], &said["status"], &said["priority"]),
            (&json!("shop-gl-3"), &json!("closed"), &json!(1))
        );
        assert_eq!(said["due_at"], "2026-05-01T00:00:00Z");
        assert_eq!(shape(r#"{"id":"a-1","title":"t"}"#), None, "lines of Beads are no array");
        assert_eq!(shape(r#"[{"id":"a-1","title":"t"}]"#), Some(Shape::Beads));
        assert_eq!(shape("{\"id\":\"x\n"), None);
    }

    #[test]
    fn a_pull_request_is_no_issue_and_what_cannot_be_read_is_said() {
        let pull = r#"{"number":8,"title":"P","pull_request":{"url":"x"}}"#;
        assert_eq!(read(pull, Forge::GitHub), Ok(Taken::PullRequest));
        let wrong = |json: &str| read(json, Forge::GitHub).unwrap_err();
        assert!(wrong(r#"{"number":8,"title":"P"}"#).starts_with("it has no `url`"));
        assert_eq!(wrong(r#"{"number":8,"url":"x"}"#), "it has no `title`");
        assert_eq!(wrong(r#"{"number":8,"url":"x","title":"t","state":"odd"}"#), "`odd` is no state of an issue");
    }

    #[test]
    fn what_is_too_long_is_cut_and_said() {
        let comments: Vec<Value> = (0..COMMENTS_MAX + 3).map(|n| json!({ "id": n, "body": n.to_string() })).collect();
        let json = json!({ "number": 1, "title": "t".repeat(600), "body": "b".repeat(70_000), "url": "u", "comments": comments });
        let Ok(Taken::Issue(issue)) = read(&json.to_string(), Forge::GitHub) else { panic!("it is an issue") };
        assert_eq!(
            issue.cut.as_deref(),
            Some(
                "its title is cut at 500 characters; its text is cut at 65536 characters; its 3 oldest comments are left out"
            )
        );
        assert!(issue.body.ends_with("[cut; the whole text: u]") && issue.body.chars().count() == BODY_CHARS_MAX);
        assert_eq!((issue.comments.len(), issue.comments[0].text.as_str()), (COMMENTS_MAX, "3"));
        let (wide, is_cut) = shortened(&"語".repeat(40_000), (BODY_CHARS_MAX, BODY_BYTES_MAX), "…");
        assert!(is_cut && wide.len() <= BODY_BYTES_MAX && wide.len() > BODY_BYTES_MAX - 3 && wide.ends_with('…'));
    }
}
