//! `gt convoy add`: more for a convoy, beads that are there and work in words. One that has landed is open again then.

use clap::Args as ClapArgs;
use gastown_crds::common::{API_VERSION, is_true, types};
use gastown_crds::manifest::to_yaml;
use gastown_crds::{Convoy, Source};
use kube::ResourceExt;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use super::declared;
use super::words::Words;
use crate::cli::apply::source::keeper;
use crate::cli::apply::{self, Allowed, DryRun, Stored, commands};
use crate::cli::block_on;
use crate::cli::common::complete;
use crate::cli::common::context::{Context, Link, by_name};
use crate::cli::common::error::{CliError, Exit};
use crate::cli::common::kinds;
use crate::cli::sling::Output;
use crate::cli::sling::convoy::{self, Worded};
use crate::town::Town;

/// Who is noted to have added them: an edit, which an apply of the same convoy leaves alone.
pub(super) const MANAGER: &str = "gt-convoy";

/// How often a write is made anew because somebody else changed the convoy meanwhile.
const TRIES_MAX: u32 = 5;

/// Add work to a convoy: beads that are there, by their names, or a bead for each text. One that has landed is open
/// again then.
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Such as `gt convoy add release 'Say so in the changelog'`, or `gt convoy add release shop-kkrp77zh`. A convoy that a file declares is changed in its file."
)]
pub struct Args {
    /// The convoy's name.
    #[arg(value_name = "NAME", add = complete::convoys())]
    convoy: String,
    /// Beads that are there; or what is to be done: a bead for each text, its first line the subject of the commit.
    #[arg(value_name = "BEAD|TEXT", required = true, add = complete::slung())]
    words: Vec<String>,
    /// The rig that the texts are for. Default: the convoy's.
    #[arg(long, value_name = "RIG", add = complete::rigs())]
    rig: Option<String>,
    /// Only say what would be added: as it is found here, or as the API answers.
    #[arg(long, value_enum, value_name = "WHERE", num_args = 0..=1, require_equals = true, default_missing_value = "client")]
    dry_run: Option<DryRun>,
    /// Print the manifest of the convoy as it becomes, and not what became of it.
    #[arg(short, long, value_enum)]
    output: Option<Output>,
}

/// Runs it.
pub fn add(args: &Args, gt: &Context) -> Result<(), CliError> {
    let town = gt.town()?;
    let name = super::bare(&args.convoy);
    declared::refuse(name, ("add it to", "what is added beside it would not be in the file"), gt, &town)?;
    let added = block_on(gt.with_api(&town, async |link| {
        let words = Words::of(&args.words, link, gt).await?;
        for _ in 0..TRIES_MAX {
            if let Some(added) = put(args, name, &words, (gt, &town), link).await? {
                return Ok((added, link.controller));
            }
        }
        Err(CliError::new(Exit::Failed, format!("conflict: convoy `{name}` kept changing")).hint("try again"))
    }));
    let (Added { names, had_landed }, is_up) = added?;
    if args.dry_run.is_some() {
        return Ok(());
    }
    if had_landed {
        gt.out.talk(&format!("convoy/{name} had landed: it is open again"));
    }
    gt.say_if_down(is_up);
    gt.out.talk(&format!("next: gt wait convoy/{name} --timeout 1h   ({} added)", names.join(", ")));
    Ok(())
}

struct Added {
    names: Vec<String>,
    had_landed: bool,
}

/// Adds them; none where the convoy has changed meanwhile.
async fn put(
    args: &Args,
    name: &str,
    words: &Words<'_>,
    (gt, town): (&Context, &Town),
    link: &Link,
) -> Result<Option<Added>, CliError> {
    let Some(convoy) = by_name(&link.typed::<Convoy>(), name).await? else {
        return Err(link.not_found(kinds::find("convoy")?, name).await);
    };
    refuse_kept(&convoy, link).await?;
    let refused = |what: String| Err(CliError::new(Exit::Refused, what));
    if convoy.metadata.deletion_timestamp.is_some() {
        return refused(format!("convoy `{name}` is being deleted"));
    }
    let taken: Vec<String> = convoy.spec.beads.iter().map(|bead| bead.name.clone()).collect();
    let mut tracks = words.tracks.clone();
    tracks.retain(|name| !convoy.spec.tracks.iter().any(|track| track.bead == *name));
    let beads = convoy::beads(&words.texts, &taken)?;
    let mut spec = json!(convoy.spec);
    append(&mut spec, "beads", beads.iter().map(|bead| of_words(bead, args.rig.as_deref())));
    append(&mut spec, "tracks", tracks.iter().map(|name| json!({ "bead": name })));
    let whole = json!({ "apiVersion": API_VERSION, "kind": "Convoy", "metadata": { "name": name }, "spec": spec });
    let text = to_yaml(&whole);
    check(&text, (gt, town), link).await?;
    if args.dry_run != Some(DryRun::Client) {
        let metadata = json!({ "resourceVersion": convoy.resource_version(), "uid": convoy.uid() });
        let patch = json!({ "metadata": metadata, "spec": { "beads": spec["beads"], "tracks": spec["tracks"] } });
        let dry_run = args.dry_run == Some(DryRun::Server);
        let params = PatchParams { field_manager: Some(MANAGER.to_owned()), dry_run, ..PatchParams::default() };
        match link.typed::<Convoy>().patch(name, &params, &Patch::Merge(patch)).await {
            Ok(_) => {}
            Err(kube::Error::Api(status)) if status.is_conflict() => return Ok(None),
            Err(error) => return Err(error.into()),
        }
    }
    let names: Vec<String> = beads.into_iter().map(|bead| bead.name).chain(tracks).collect();
    if args.output.is_some() {
        gt.out.data(&text)?;
    } else {
        let dry = if args.dry_run.is_some() { " (dry run)" } else { "" };
        gt.out.data(&format!("convoy/{name} configured: {} added{dry}", names.join(", ")))?;
    }
    let landed = convoy.status.as_ref().is_some_and(|status| is_true(&status.conditions, types::LANDED));
    Ok(Some(Added { names, had_landed: landed }))
}

/// Puts these behind what is in a list; nothing where there are none, so that no empty list comes.
fn append(spec: &mut Value, list: &str, more: impl Iterator<Item = Value>) {
    let mut more = more.peekable();
    if more.peek().is_some() {
        let there = spec[list].as_array_mut().map(std::mem::take).unwrap_or_default();
        spec[list] = there.into_iter().chain(more).collect();
    }
}

/// Refuses a convoy that a source keeps: what is added beside it would be put back.
pub(super) async fn refuse_kept(convoy: &Convoy, link: &Link) -> Result<(), CliError> {
    let sources: Vec<String> = link.all::<Source>().await?.iter().map(ResourceExt::name_any).collect();
    let value = json!(convoy);
    let Some(source) = keeper(&value, |source| sources.iter().any(|it| it == source)) else { return Ok(()) };
    let what = format!(
        "convoy `{}` is kept by the source `{source}`: what is added beside it would be put back",
        convoy.name_any()
    );
    Err(CliError::new(Exit::Refused, what).hint(format!("commit the change to the source `{source}`")))
}

fn of_words(bead: &Worded<'_>, rig: Option<&str>) -> Value {
    let mut value = json!({ "name": bead.name, "title": bead.title });
    let more = [("description", bead.description.as_deref()), ("rig", rig)];
    for (key, text) in more.into_iter().filter_map(|(key, text)| Some((key, text?))) {
        value[key] = text.into();
    }
    value
}

/// Refuses what could not run: work in words where a runtime reads none; and what no convoy may say, as `gt apply` does.
async fn check(text: &str, (gt, town): (&Context, &Town), link: &Link) -> Result<(), CliError> {
    let manifests = convoy::parsed(text, gt)?;
    let stored = Stored::read(link, &manifests).await?;
    if commands::is_missing(&manifests, &stored) {
        return Err(CliError::new(Exit::Refused, "its runtime runs commands and reads no words").hint(
            "say the `command` of the bead in YAML, or name another Runtime: `gt get convoys -o yaml` shows where",
        ));
    }
    // What others apply of it stays theirs: this is no apply.
    apply::judged(Allowed { missing: false, force_conflicts: true }, gt, town, link, manifests).await.map(drop)
}
