//! Going through many beads, page by page.

use std::ops::ControlFlow;

use gastown_agent::context::Context;
use gastown_agent::error::{ApiFailure, Error};
use gastown_beads::slim::Slim;
use gastown_crds::{Bead, BeadEvent};
use jiff::Timestamp;
use kube::api::ListParams;
use kube::{Api, Resource, ResourceExt};
use serde::Deserialize;

/// The code of an answer about what has expired: 410 Gone.
const EXPIRED: u16 = 410;
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

#[derive(Deserialize)]
struct Page {
    metadata: PageMetadata,
    items: Vec<Slim>,
}

#[derive(Deserialize)]
struct PageMetadata {
    #[serde(default, rename = "continue")]
    next: Option<String>,
}

/// Shows each bead of a query to `each`, in the order of their names, until it has seen enough. Gives whether the API had
/// more than was wanted.
///
/// Where so much is written meanwhile that the API cannot go on from page to page, the rest is taken from one whole list.
pub async fn scan(
    context: &Context,
    query: &Query,
    mut each: impl FnMut(Slim) -> Result<ControlFlow<()>, Error>,
) -> Result<bool, Error> {
    let limit = query.beads_max.and_then(|max| u32::try_from(max).ok()).map_or(PAGE_BEADS, |max| max.min(PAGE_BEADS));
    let whole = ListParams::default().fields(&query.fields.join(",")).labels(&query.labels.join(","));
    let mut parameters = whole.clone().limit(limit.max(1));
    let (mut seen, mut last) = (0, None);
    loop {
        let text = match page(context, &parameters).await {
            Err(kube::Error::Api(status)) if status.code == EXPIRED && parameters.continue_token.is_some() => {
                parameters = whole.clone();
                continue;
            }
            text => text.map_err(Error::api("list beads"))?,
        };
        let Page { metadata, items } = serde_json::from_str(&text).map_err(unreadable)?;
        // A whole list has the pages in it that were seen.
        let news = items.into_iter().skip_while(|bead| last.as_ref().is_some_and(|last| bead.metadata.name <= *last));
        let mut newest = None;
        for bead in news {
            if query.beads_max.is_some_and(|max| seen >= max) {
                return Ok(true);
            }
            seen += 1;
            newest = Some(bead.metadata.name.clone());
            if each(bead)?.is_break() {
                return Ok(true);
            }
        }
        last = newest.or(last);
        match metadata.next.filter(|token| !token.is_empty()) {
            None => return Ok(false),
            Some(_) if query.beads_max.is_some_and(|max| seen >= max) => return Ok(true),
            Some(token) => parameters = parameters.continue_token(&token),
        }
    }
}

/// The failure to read what the API answered.
pub fn unreadable(error: serde_json::Error) -> Error {
    Error::Api { what: "read what the API answered".into(), source: ApiFailure::Client(kube::Error::SerdeError(error)) }
}

/// Shows each event of a query to `each`, the newest first, until it has seen enough.
pub async fn events(
    context: &Context,
    query: &Query,
    mut each: impl FnMut(&BeadEvent) -> ControlFlow<()>,
) -> Result<(), Error> {
    let api: Api<BeadEvent> = Api::default_namespaced(context.client.clone());
    let parameters = ListParams::default().fields(&query.fields.join(",")).labels(&query.labels.join(","));
    let mut found = api.list(&parameters).await.map_err(Error::api("list events"))?.items;
    found.sort_by_cached_key(|event| (std::cmp::Reverse(age(event)), event.name_any()));
    for event in &found {
        if each(event).is_break() {
            break;
        }
    }
    Ok(())
}

/// When an event happened, and which of the same second came later.
pub fn age(event: &BeadEvent) -> (Timestamp, u64) {
    let made = event.metadata.creation_timestamp.as_ref().map(|at| at.0).unwrap_or_default();
    let revision = event.resource_version().and_then(|it| it.parse().ok()).unwrap_or(0);
    (event.spec.created_at.unwrap_or(made), revision)
}

async fn page(context: &Context, parameters: &ListParams) -> Result<String, kube::Error> {
    let path = Bead::url_path(&(), Some(context.client.default_namespace()));
    let request = kube::core::Request::new(path).list(parameters).map_err(kube::Error::BuildRequest)?;
    context.client.request_text(request).await
}
