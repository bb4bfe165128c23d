//! Going through many beads: page by page, reading of each what decides, and in full only what is printed.

use std::ops::ControlFlow;

use gastown_agent::context::Context;
use gastown_agent::error::{ApiFailure, Error};
use gastown_crds::Bead;
use gastown_crds::bead::{Assignee, BeadState, BeadType};
use jiff::Timestamp;
use kube::Resource;
use kube::api::ListParams;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

/// Beads of one page: a few megabytes at most usual sizes.
const PAGE_BEADS: u32 = 1000;

/// A query to the API.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    /// Conditions on selectable fields.
    pub fields: Vec<String>,
    /// Conditions on labels.
    pub labels: Vec<String>,
    /// The most beads that are wanted; none: all.
    pub beads_max: Option<usize>,
}

/// The part of a bead that decides whether it is printed.
#[derive(Debug, Clone, Deserialize)]
pub struct Slim {
    /// The name, age and generation.
    pub metadata: SlimMetadata,
    /// The assignee, the needs, and more.
    pub spec: SlimSpec,
    /// The state as its controller has written it.
    #[serde(default)]
    pub status: SlimStatus,
}

/// A part of a bead's metadata.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SlimMetadata {
    /// The name.
    pub name: String,
    /// The time at which it was made.
    #[serde(default)]
    pub creation_timestamp: Option<Timestamp>,
    /// The number of the spec's last change.
    #[serde(default)]
    pub generation: Option<i64>,
}

/// A part of a bead's spec.
#[derive(Debug, Clone, Deserialize)]
pub struct SlimSpec {
    /// The type of work.
    #[serde(default, rename = "type")]
    pub type_: BeadType,
    /// 0 (first) to 4 (last).
    #[serde(default)]
    pub priority: u32,
    /// The beads that must be closed before.
    #[serde(default)]
    pub needs: Vec<String>,
    /// The bead it is a part of.
    #[serde(default)]
    pub parent: Option<String>,
    /// The assignee.
    #[serde(default)]
    pub assignee: Option<Assignee>,
    #[serde(default)]
    closed: Option<IgnoredAny>,
}

/// A part of a bead's status.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SlimStatus {
    /// The state.
    #[serde(default)]
    pub state: BeadState,
    /// The generation of the spec that the state is about.
    #[serde(default)]
    pub observed_generation: Option<i64>,
}

impl Slim {
    /// Whether the bead is closed.
    pub fn is_closed(&self) -> bool {
        self.spec.closed.is_some()
    }

    /// Whether the bead is a part of another.
    pub fn is_step(&self) -> bool {
        self.spec.type_ == BeadType::Step
    }
}

/// A bead that may yet be printed: its deciding part, and its text.
pub struct Candidate<'a> {
    /// The part that decides.
    pub slim: Slim,
    text: &'a str,
}

impl Candidate<'_> {
    /// The whole bead.
    pub fn bead(&self) -> Result<Bead, Error> {
        parse(self.text)
    }
}

#[derive(Deserialize)]
struct Page<'a> {
    metadata: PageMetadata,
    #[serde(borrow)]
    items: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct PageMetadata {
    #[serde(default, rename = "continue")]
    next: Option<String>,
}

/// Shows each bead of a query to `each`, in the order of their names, until it has seen enough. Gives whether the API had
/// more than was wanted.
pub async fn scan(
    context: &Context,
    query: &Query,
    mut each: impl FnMut(Candidate<'_>) -> Result<ControlFlow<()>, Error>,
) -> Result<bool, Error> {
    let limit = query.beads_max.and_then(|max| u32::try_from(max).ok()).map_or(PAGE_BEADS, |max| max.min(PAGE_BEADS));
    let mut parameters = ListParams::default().limit(limit.max(1));
    parameters = parameters.fields(&query.fields.join(",")).labels(&query.labels.join(","));
    let mut seen = 0;
    loop {
        let text = page(context, &parameters).await?;
        let page: Page<'_> = parse(&text)?;
        for item in &page.items {
            seen += 1;
            let candidate = Candidate { slim: parse(item.get())?, text: item.get() };
            if each(candidate)?.is_break() {
                return Ok(true);
            }
        }
        let next = page.metadata.next.filter(|token| !token.is_empty());
        match next {
            None => return Ok(false),
            Some(_) if query.beads_max.is_some_and(|max| seen >= max) => return Ok(true),
            Some(token) => parameters = parameters.continue_token(&token),
        }
    }
}

async fn page(context: &Context, parameters: &ListParams) -> Result<String, Error> {
    let path = Bead::url_path(&(), Some(context.client.default_namespace()));
    let request = kube::core::Request::new(path).list(parameters).map_err(kube::Error::BuildRequest);
    let text = async { context.client.request_text(request?).await };
    text.await.map_err(Error::api("list beads"))
}

fn parse<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|error| Error::Api {
        what: "read what the API answered".into(),
        source: ApiFailure::Client(kube::Error::SerdeError(error)),
    })
}
