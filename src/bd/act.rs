//! Writing beads: an id as people write it, and one conditional write of what was read, tried again where somebody else wrote meanwhile.

use gastown_agent::context::{Context, TRIES_MAX};
use gastown_agent::error::Error;
use gastown_beads::slim::Slim;
use gastown_crds::Bead;
use kube::ResourceExt as _;
use serde_json::Value;
use std::ops::ControlFlow;

use super::filter::shown;
use super::scan::{Query, scan, unreadable};
use super::show::get;

/// The bead that an id means: its own, or the end of the one id that ends so.
pub async fn find(id: &str, context: &Context) -> Result<Bead, Error> {
    if let Some(bead) = get(context, id).await? {
        return Ok(bead);
    }
    let end = format!("-{id}");
    let mut found = Vec::new();
    if id.len() >= 2 && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b)) {
        scan(context, &Query::default(), |slim| {
            if (slim.metadata.name.ends_with(&end) || slim.id().ends_with(&end)) && !slim.is_step() {
                found.push(slim.metadata.name);
            }
            Ok(if found.len() > 5 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })
        .await?;
    }
    match found.as_slice() {
        [name] => get(context, name).await?.ok_or_else(|| missing(id)),
        [] => Err(missing(id)),
        several => Err(Error::refused(
            format!("`{}` means several beads: {}", shown(id), several.join(", ")),
            "say the whole id",
        )),
    }
}

/// There is no such bead.
pub fn missing(id: &str) -> Error {
    Error::refused(format!("no issue found matching \"{}\"", shown(id)), "`bd list` shows the ids")
}

/// Changes a bead: `decide` says what of its spec is to be written, as a merge patch, or that nothing is. The bead as it is then.
pub async fn change(
    id: &str,
    what: &str,
    context: &Context,
    decide: impl Fn(&Bead) -> Result<Option<Value>, Error>,
) -> Result<Bead, Error> {
    let mut bead = find(id, context).await?;
    let name = bead.name_any();
    for _ in 0..TRIES_MAX {
        let Some(spec) = decide(&bead)? else { return Ok(bead) };
        if let Some(bead) = context.change(&bead, &spec, what).await? {
            return Ok(bead);
        }
        bead = get(context, &name).await?.ok_or_else(|| missing(id))?;
    }
    Err(Error::contended(what))
}

/// The part of a bead that is printed.
pub fn slim(bead: &Bead) -> Result<Slim, Error> {
    Slim::of(bead).map_err(unreadable)
}
