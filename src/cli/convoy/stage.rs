//! `gt convoy stage` and `gt convoy launch`: what would run when, before anything does; and the word that begins it.

use std::sync::Arc;

use clap::Args as ClapArgs;
use gastown_crds::Convoy;
use gastown_crds::convoy::{ConvoySpec, ConvoyTrack};
use kube::ResourceExt;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use super::declared;
use super::words::Words;
use crate::cli::apply::read::{self, Ignored};
use crate::cli::block_on;
use crate::cli::common::complete;
use crate::cli::common::context::{Context, Link, by_name};
use crate::cli::common::error::{CliError, Exit};
use crate::cli::common::kinds;
use crate::cli::common::table::Table;
use crate::insight::waves::{Planned, Waves};
use crate::insight::{Snapshot, kind};

/// The name of a convoy that is none yet: of the beads that are named.
const UNNAMED: &str = "staged";

/// Show what of a convoy would run when, in waves: each waits for those before it. Nothing is written.
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Such as `gt convoy stage release`; or, before there is a convoy, `gt convoy stage shop-epic`, whose parts it is \
    about, or `-f convoys/release.yaml`.\nA bead begins as soon as what it needs is closed: no wave waits for another as a whole. It ends with 4 where something could \
    never run."
)]
pub struct StageArgs {
    /// A convoy; or beads that are there, an epic with its parts.
    #[arg(value_name = "NAME|BEAD", required_unless_present = "file", conflicts_with = "file", add = complete::convoys())]
    words: Vec<String>,
    /// The convoys that a file or folder declares.
    #[arg(short, long, value_name = "FILE")]
    file: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Begin a convoy that is staged: what is ready of it is dispatched from now on.
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Such as `gt convoy launch release`, after `gt convoy create release … --stage`. It is `spec.suspend: false`. Refused where \
    something of it could never run: `gt convoy stage` says what."
)]
pub struct LaunchArgs {
    /// Its name.
    #[arg(value_name = "NAME", add = complete::convoys())]
    convoy: String,
    /// Only say what would begin.
    #[arg(long)]
    dry_run: bool,
}

/// Runs `gt convoy stage`.
pub fn stage(args: &StageArgs, gt: &Context) -> Result<(), CliError> {
    let town = gt.town()?;
    let staged = block_on(gt.with_api(&town, async |link| {
        let mut snapshot = link.snapshot(kind("Convoy").reads).await?;
        let convoys = match &args.file {
            Some(file) => declared_in(file)?,
            None => vec![named(&args.words, &snapshot, link, gt).await?],
        };
        snapshot.put(convoys.iter().cloned().map(Arc::new));
        Ok(convoys.iter().map(|it| (it.name_any(), Waves::of(it, &snapshot))).collect::<Vec<_>>())
    }))?;
    if args.json {
        let all: Vec<Value> = staged.iter().map(|(name, waves)| value(name, waves)).collect();
        gt.out.data(&serde_json::to_string_pretty(&all).unwrap_or_default())?;
    } else {
        for (nth, (name, waves)) in staged.iter().enumerate() {
            if staged.len() > 1 {
                gt.out.data(&format!("{}convoy/{name}", if nth > 0 { "\n" } else { "" }))?;
            }
            show(waves, gt)?;
        }
    }
    let errors: usize = staged.iter().map(|(_, waves)| waves.errors.len()).sum();
    if errors == 0 {
        return Ok(());
    }
    let many = if errors == 1 { "1 thing".to_owned() } else { format!("{errors} things") };
    Err(CliError::new(Exit::Refused, format!("{many} would keep beads from ever running")))
}

/// Runs `gt convoy launch`.
pub fn launch(args: &LaunchArgs, gt: &Context) -> Result<(), CliError> {
    let town = gt.town()?;
    let name = super::bare(&args.convoy);
    declared::refuse(name, ("take `suspend: true` out of", "it would be suspended again"), gt, &town)?;
    let (waves, is_up) = block_on(gt.with_api(&town, async |link| {
        let Some(convoy) = by_name(&link.typed::<Convoy>(), name).await? else {
            return Err(link.not_found(kinds::find("convoy")?, name).await);
        };
        super::add::refuse_kept(&convoy, link).await?;
        if !convoy.spec.suspend {
            return Ok((None, link.controller));
        }
        let waves = Waves::of(&convoy, &link.snapshot(kind("Convoy").reads).await?);
        if !waves.errors.is_empty() {
            let error = CliError::new(Exit::Refused, format!("convoy `{name}` could not land"));
            let error = waves.errors.iter().cloned().fold(error, CliError::because_of);
            return Err(error.hint(format!("gt convoy stage {name}")));
        }
        if !args.dry_run {
            let metadata = json!({ "resourceVersion": convoy.resource_version(), "uid": convoy.uid() });
            let patch = json!({ "metadata": metadata, "spec": { "suspend": false } });
            let manager = Some(super::add::MANAGER.to_owned());
            let params = PatchParams { field_manager: manager, ..PatchParams::default() };
            link.typed::<Convoy>().patch(name, &params, &Patch::Merge(patch)).await?;
        }
        Ok((Some(waves), link.controller))
    }))?;
    let Some(waves) = waves else {
        return gt.out.data(&format!("convoy/{name} is launched already"));
    };
    let first = waves.waves.first().map_or(0, Vec::len);
    let beads = if first == 1 { "1 bead".to_owned() } else { format!("{first} beads") };
    let dry = if args.dry_run { " (dry run)" } else { "" };
    gt.out.data(&format!("convoy/{name} launched: {beads} in the first of {} waves{dry}", waves.waves.len()))?;
    for warning in &waves.warnings {
        gt.out.talk(&format!("warning: {warning}"));
    }
    if !args.dry_run {
        gt.say_if_down(is_up);
        gt.out.talk(&format!("next: gt wait convoy/{name} --timeout 1h"));
    }
    Ok(())
}

/// The convoy that a word names, or one of the beads that the words name.
async fn named(words: &[String], snapshot: &Snapshot, link: &Link, gt: &Context) -> Result<Convoy, CliError> {
    if let [word] = words
        && let Some(convoy) = snapshot.get::<Convoy>(super::bare(word))
    {
        return Ok(convoy.clone());
    }
    let Words { tracks, texts } = Words::of(words, link, gt).await?;
    if let Some(text) = texts.first() {
        let error = link.not_found(kinds::find("convoy")?, super::bare(text)).await;
        return Err(if words.len() == 1 { error } else { link.not_found(kinds::find("bead")?, text).await });
    }
    let tracks = tracks.into_iter().map(|bead| ConvoyTrack { bead }).collect();
    let spec: ConvoySpec = serde_json::from_value(json!({ "tracks": [] }))
        .map_err(|error| CliError::new(Exit::Failed, "no convoy can be made of these beads").because(&error))?;
    Ok(Convoy::new(UNNAMED, ConvoySpec { tracks, ..spec }))
}

/// The convoys that a file or a folder declares.
fn declared_in(file: &str) -> Result<Vec<Convoy>, CliError> {
    let wrong = |what: String| CliError::new(Exit::Refused, what).hint(format!("gt validate {file}"));
    let found = read::all(&[file.to_owned()], Ignored::ByGit)?.manifests;
    let mut convoys = Vec::new();
    for manifest in found.iter().filter(|it| it.kind == "Convoy") {
        let spec = manifest
            .spec()
            .map_err(|_| wrong(format!("convoy `{}` in {file} is not right", manifest.name.escape_debug())))?;
        convoys.push(Convoy::new(&manifest.name, spec));
    }
    if convoys.is_empty() { Err(wrong(format!("{file} declares no convoy"))) } else { Ok(convoys) }
}

/// Prints the waves: data on stdout, what is wrong with them beside it.
fn show(waves: &Waves, gt: &Context) -> Result<(), CliError> {
    let Waves { waves: all, closed, errors, warnings } = waves;
    let mut table = Table::new(["WAVE", "BEAD", "RIG", "NEEDS", "TITLE"]).fitting(&["TITLE", "NEEDS"], &[]);
    for (nth, wave) in all.iter().enumerate() {
        for bead in wave {
            table.row([&(nth + 1).to_string(), &bead.name, &bead.rig, &bead.needs.join(","), &bead.title]);
        }
    }
    if table.is_empty() {
        gt.out.talk("nothing is left to do");
    } else {
        gt.out.data(&table.render(gt.out.width))?;
    }
    if *closed > 0 {
        gt.out.talk(&format!("{closed} closed already"));
    }
    for error in errors {
        gt.out.talk(&format!("error: {error}"));
    }
    for warning in warnings {
        gt.out.talk(&format!("warning: {warning}"));
    }
    Ok(())
}

fn value(name: &str, waves: &Waves) -> Value {
    let Waves { waves, closed, errors, warnings } = waves;
    let bead = |bead: &Planned| json!({ "name": bead.name, "rig": bead.rig, "needs": bead.needs, "title": bead.title });
    let waves: Vec<Vec<Value>> = waves.iter().map(|wave| wave.iter().map(bead).collect()).collect();
    json!({ "convoy": name, "waves": waves, "closed": closed, "errors": errors, "warnings": warnings })
}
