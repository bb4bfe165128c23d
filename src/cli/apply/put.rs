//! Sends one apply, and plans it anew where somebody else was quicker.

use gastown_crds::apply::appliers;
use gastown_crds::manifest::Manifest;
use kube::api::{Patch, PatchParams};
use serde_json::Value;

use super::plan::{Change, Terms};
use super::{DryRun, conflict, unreadable};
use crate::cli::common::context::Link;
use crate::cli::common::error::{CliError, Exit};
use crate::cli::common::kinds::Kind;

/// How often a change is planned anew because somebody else changed the object meanwhile.
const TRIES_MAX: u32 = 5;

/// Makes an object as its manifest says. `old` is it as it was read last.
pub async fn put(
    link: &Link,
    manifest: &Manifest,
    old: Option<&Value>,
    terms: &Terms,
    dry_run: Option<DryRun>,
) -> Result<Change, CliError> {
    let kind = Kind::named(&manifest.kind)
        .ok_or_else(|| CliError::new(Exit::Refused, format!("no kind is named `{}`", manifest.kind)))?;
    let api = link.api(kind);
    let (wish, mut newer) = (manifest.value(), None);
    for _ in 0..TRIES_MAX {
        let live = newer.as_ref().map_or(old, Option::as_ref);
        let plan = terms.plan(kind, &wish, live).map_err(|conflicts| conflict::refusal(manifest, &conflicts))?;
        let Some(config) = plan.config.filter(|_| dry_run != Some(DryRun::Client)) else { return Ok(plan.change) };
        let is_dry = dry_run == Some(DryRun::Server);
        let params = PatchParams { force: plan.force, dry_run: is_dry, ..PatchParams::apply(appliers::GT) };
        match api.patch(&manifest.name, &params, &Patch::Apply(&config)).await {
            Ok(_) => return Ok(plan.change),
            // Somebody made, changed or removed it since it was read: look again.
            Err(kube::Error::Api(status)) if status.code == 409 || status.code == 404 => {
                let now = api.get_opt(&manifest.name).await?;
                let now = now.map(|object| serde_json::to_value(object).map_err(|error| unreadable(&error)));
                newer = Some(now.transpose()?);
            }
            Err(error) => return Err(error.into()),
        }
    }
    Err(CliError::new(Exit::Refused, "others change it all the time").hint("apply again"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use gastown_crds::manifest::parse;
    use kube::api::DeleteParams;
    use serde_json::json;

    use super::*;
    use crate::api::{Place, Server, Writer};
    use crate::connect::options;

    const RIG: &str = "apiVersion: gastown.io/v1alpha1\nkind: Rig\nmetadata: { name: shop }\nspec: { suspend: false, repo: { url: /x }, merge: { strategy: Push, allowUnverified: true } }\n";

    /// A rig that was applied and read; then somebody else does something, and a changed manifest is applied to what was read.
    async fn after(other: impl AsyncFnOnce(&Link), force_conflicts: bool) -> Result<Change, CliError> {
        let server = Server::open(&Place::Memory, Writer::Inline, options()).unwrap();
        let link = Link { client: server.client("home"), namespace: "home".to_owned(), controller: false };
        let terms = Terms { force_conflicts, sources: BTreeSet::new(), now: jiff::Timestamp::UNIX_EPOCH };
        let manifest = |text: &str| parse("rig.yaml", text).unwrap().remove(0);
        assert_eq!(put(&link, &manifest(RIG), None, &terms, None).await.unwrap(), Change::Created);
        let kind = Kind::named("Rig").unwrap();
        let read = serde_json::to_value(link.api(kind).get("shop").await.unwrap()).unwrap();
        other(&link).await;
        put(&link, &manifest(&RIG.replace("/x", "/y")), Some(&read), &terms, None).await
    }

    async fn patch(link: &Link, params: &PatchParams, patch: &Patch<Value>) {
        link.api(Kind::named("Rig").unwrap()).patch("shop", params, patch).await.unwrap();
    }

    async fn flux(link: &Link) {
        let theirs = json!({
            "apiVersion": "gastown.io/v1alpha1", "kind": "Rig", "metadata": { "name": "shop" },
            "spec": { "repo": { "url": "/theirs" } },
        });
        patch(link, &PatchParams::apply("flux").force(), &Patch::Apply(theirs)).await;
    }

    fn run<T>(work: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
    }

    #[test]
    fn what_somebody_does_meanwhile_is_looked_at_again() {
        let edit = async |link: &Link| {
            patch(link, &PatchParams::default(), &Patch::Merge(json!({ "spec": { "repo": { "url": "/z" } } }))).await;
        };
        assert_eq!(run(after(edit, false)).unwrap(), Change::Configured);
        let delete = async |link: &Link| {
            link.api(Kind::named("Rig").unwrap()).delete("shop", &DeleteParams::default()).await.unwrap();
        };
        assert_eq!(run(after(delete, false)).unwrap(), Change::Configured, "it is made anew, from the same words");
        let refused = run(after(flux, false)).unwrap_err();
        assert_eq!(refused.exit() as u8, Exit::Refused as u8);
        assert_eq!(
            refused.render(false).lines().next(),
            Some("error: `flux` applies rig `shop` too, with another value of spec.repo.url")
        );
        assert_eq!(run(after(flux, true)).unwrap(), Change::Configured);
    }
}
