//! `gt logs`: what an agent printed, what a verification printed, or the controller's own log.

mod jobs;

use clap::Args as ClapArgs;
use gastown_crds::common::{condition, types};
use gastown_crds::{Bead, MergeRequest, Polecat, Rig};
use kube::ResourceExt;

use super::context::{Context, Link};
use super::error::{CliError, Exit};
use super::inotify::Inotify;
use super::kinds::{Kind, Target, targets};
use super::table::visible;
use crate::insight::conditions;
use crate::world::records::{Log, LogReader, Records, is_key};

/// Show a log: of a polecat, a bead, a merge request, a job, or of the controller.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// polecat/NAME, bead/NAME, mr/NAME or job/KEY; `controller`, or nothing, for the controller's.
    #[arg(value_name = "WHAT")]
    what: Vec<String>,
    /// Which attempt at the bead. Default: the last.
    #[arg(long)]
    attempt: Option<u32>,
    /// Only the last so many lines of what is there.
    #[arg(long, value_name = "LINES")]
    tail: Option<usize>,
    /// Go on showing what is added, until it has ended.
    #[arg(short, long)]
    follow: bool,
}

/// A log that is to be shown.
struct Shown {
    log: Log,
    /// What is said before.
    title: String,
    /// Where to look too.
    note: Option<String>,
}

/// Runs it.
pub async fn run(args: &Args, gt: &Context) -> Result<(), CliError> {
    let town = gt.town()?;
    let records = Records::of(&town.layout);
    let shown = match &args.what[..] {
        [] => controller(&records),
        [word] if word == "controller" => controller(&records),
        [word, key] if word == "job" => job(&records, key)?,
        [word] if word.starts_with("job/") => job(&records, &word["job/".len()..])?,
        words => {
            let targets = targets(words)?;
            let [target] = targets[..] else {
                return Err(CliError::new(Exit::Usage, "one log at a time"));
            };
            let found = gt.with_api(&town, async |link| of_object(args, &records, link, target).await).await?;
            match found {
                Found::Log(shown) => shown,
                Found::Text { title, text } => {
                    gt.out.talk(&title);
                    let text = visible(&text);
                    let lines: Vec<&str> = text.lines().collect();
                    let from = lines.len() - args.tail.unwrap_or(lines.len()).min(lines.len());
                    return gt.out.data(&lines[from..].join("\n"));
                }
            }
        }
    };
    gt.out.talk(&format!("{}: {}", shown.title, shown.log.file().display()));
    if let Some(note) = &shown.note {
        gt.out.talk(note);
    }
    show(args, gt, &shown.log).await
}

fn controller(records: &Records) -> Shown {
    Shown { log: records.controller_log(), title: "the controller".to_owned(), note: None }
}

enum Found {
    Log(Shown),
    Text { title: String, text: String },
}

fn job(records: &Records, key: &str) -> Result<Shown, CliError> {
    if !is_key(key) {
        return Err(CliError::new(Exit::Usage, format!("invalid job key `{}`", key.escape_debug())));
    }
    let log = records.job_log(key).ok_or_else(|| {
        CliError::new(Exit::NotFound, format!("there is no job `{key}` here")).hint(jobs::list(&records.jobs()))
    })?;
    Ok(Shown { log, title: format!("job {key}"), note: None })
}

async fn of_object(args: &Args, records: &Records, link: &Link, target: Target<'_>) -> Result<Found, CliError> {
    let Target { kind, name } = target;
    match kind.name {
        "Bead" => {
            let bead: Bead = typed(link, kind, name).await?;
            attempt(records, &bead, args.attempt).map(Found::Log)
        }
        "Polecat" => {
            let polecat: Polecat = typed(link, kind, name).await?;
            let bead = match polecat.status.and_then(|status| status.bead) {
                Some(bead) => link.typed::<Bead>().get_opt(&bead).await?,
                None => last_of(&link.all::<Bead>().await?, name),
            };
            let bead = bead.ok_or_else(|| {
                CliError::new(Exit::NotFound, format!("polecat {name} has not worked on anything yet"))
            })?;
            attempt(records, &bead, args.attempt).map(Found::Log)
        }
        "MergeRequest" => {
            let request: MergeRequest = typed(link, kind, name).await?;
            of_request(records, link, &request).await
        }
        _ => Err(CliError::new(Exit::Usage, format!("a {} has no log", kind.name))
            .hint("polecats, beads, merge requests and jobs have one; `gt logs` alone is the controller's")),
    }
}

/// What sent it back, else what verifies it now. A branch that conflicts has only the files that do.
async fn of_request(records: &Records, link: &Link, request: &MergeRequest) -> Result<Found, CliError> {
    let name = request.name_any();
    let status = request.status.clone().unwrap_or_default();
    match (status.job, status.log) {
        (Some(key), _) if status.state.is_final() && records.job_log(&key).is_some() => {
            return job(records, &key).map(Found::Log);
        }
        (_, Some(text)) => {
            let merged = condition(&status.conditions, types::MERGED);
            let why = merged.map_or_else(|| "came back".to_owned(), conditions::words);
            return Ok(Found::Text { title: format!("mr/{name}: {why}"), text });
        }
        _ => {}
    }
    let none = CliError::new(Exit::NotFound, format!("mr/{name} has no log"));
    if status.state.is_final() {
        return Err(none.hint(format!("only what came back has one; `gt describe mr/{name}`")));
    }
    let rig: Option<Rig> = link.typed().get_opt(&request.spec.rig).await?;
    let found = rig.and_then(|rig| records.verification(&rig.uid().unwrap_or_default()));
    let Some(found) = found else {
        return Err(none.hint(format!("nothing has been verified for it yet; `gt describe mr/{name}`")));
    };
    let when = if found.is_running() { "is being verified by" } else { "waits; last verified in its rig was" };
    let shown = job(records, &found.key)?;
    Ok(Found::Log(Shown { title: format!("mr/{name} {when} job {}", found.key), ..shown }))
}

async fn typed<K>(link: &Link, kind: &Kind, name: &str) -> Result<K, CliError>
where
    K: kube::Resource + serde::de::DeserializeOwned,
{
    let object = link.get(kind, name).await?;
    object.try_parse().map_err(|error| CliError::new(Exit::Failed, "could not read the object").because(&error))
}

/// The bead that a polecat worked on last.
fn last_of(beads: &[Bead], polecat: &str) -> Option<Bead> {
    let had = |bead: &&Bead| bead.status.as_ref().is_some_and(|status| status.last_polecat.as_deref() == Some(polecat));
    let when = |bead: &&Bead| {
        let conditions = bead.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
        conditions.iter().map(|condition| condition.last_transition_time).max()
    };
    beads.iter().filter(had).max_by_key(when).cloned()
}

fn attempt(records: &Records, bead: &Bead, wanted: Option<u32>) -> Result<Shown, CliError> {
    let (name, uid) = (bead.name_any(), bead.uid().unwrap_or_default());
    let attempts = records.attempt_numbers(&uid);
    let which = match wanted {
        Some(wanted) => attempts.contains(&wanted).then_some(wanted),
        None => attempts.last().copied(),
    };
    let which = which.ok_or_else(|| {
        let message = match wanted {
            Some(wanted) => format!("there was no attempt {wanted} at bead {name}"),
            None => format!("nobody has worked on bead {name} yet"),
        };
        CliError::new(Exit::NotFound, message).hint(format!("`gt describe bead/{name}` says what it waits for"))
    })?;
    Ok(Shown {
        log: records.attempt_log(&uid, which),
        title: format!("bead {name}, attempt {which} of {}", attempts.len()),
        note: bead
            .status
            .as_ref()
            .and_then(|status| status.rework.as_ref())
            // It speaks of the newest branch; of an attempt that was asked for, another may have come back.
            .filter(|_| wanted.is_none())
            .map(|rework| format!("its branch came back: `gt logs mr/{}` says why", rework.merge_request)),
    })
}

async fn show(args: &Args, gt: &Context, log: &Log) -> Result<(), CliError> {
    let failed = |error: std::io::Error| CliError::from_error(Exit::Failed, &error);
    if !args.follow {
        return match log.open(args.tail) {
            Ok(mut reader) => rest(gt, &mut reader),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                gt.out.talk("nothing was printed yet");
                Ok(())
            }
            Err(error) => Err(failed(error)),
        };
    }
    fs_err::create_dir_all(log.folder()).map_err(failed)?;
    // Watched before it is read, so that nothing falls between.
    let mut inotify = Inotify::of_folder(log.folder()).map_err(failed)?;
    let mut open: Option<LogReader> = None;
    loop {
        // Who writes is looked at before the end, and the end before the rest is read: a process that records its end and
        // goes is not taken for lost, and what was printed before is read after.
        let writers = log.writers();
        let ended = log.is_complete();
        if open.is_none() && log.exists() {
            open = Some(log.open(args.tail).map_err(failed)?);
        }
        if let Some(reader) = &mut open {
            rest(gt, reader)?;
        }
        if ended {
            return Ok(());
        }
        if writers.are_gone() {
            gt.out.talk("it is lost: its processes are gone, and left no record of how they ended");
            return Ok(());
        }
        tokio::select! {
            biased;
            changed = inotify.changed() => changed,
            ended = writers.one_ended() => ended,
        }
        .map_err(failed)?;
    }
}

/// Prints what was not read yet.
fn rest(gt: &Context, reader: &mut LogReader) -> Result<(), CliError> {
    while let Some(text) = reader.read().map_err(|error| CliError::from_error(Exit::Failed, &error))? {
        gt.out.bytes(text.as_bytes())?;
    }
    Ok(())
}
