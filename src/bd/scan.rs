//! Going through many beads, page by page.

use std::ops::ControlFlow;

use gastown_agent::context::Context;
use gastown_agent::error::Error;
use gastown_crds::Bead;
use kube::Resource;
use kube::api::ListParams;
use serde::Deserialize;

use super::slim::{Slim, unreadable};

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

async fn page(context: &Context, parameters: &ListParams) -> Result<String, kube::Error> {
    let path = Bead::url_path(&(), Some(context.client.default_namespace()));
    let request = kube::core::Request::new(path).list(parameters).map_err(kube::Error::BuildRequest)?;
    context.client.request_text(request).await
}
