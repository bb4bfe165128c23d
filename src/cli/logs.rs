//! `gt logs`: the conversation of an agent, what it printed, what a verification printed, or the controller's own log.

mod conversation;

mod jobs;

use std::path::{Path, PathBuf};

use clap::Args as ClapArgs;

use super::common::complete;
use super::common::context::{Context, Link};
use super::common::error::{CliError, Exit};
use super::common::inotify::Inotify;
use super::common::kinds::{Target, targets};
use super::common::screen;
use crate::insight;
use crate::insight::logs::{LogOf, Verification};
use crate::text::visible;
use crate::world::records::{Log, LogReader, Records, Transcript, is_key};

/// Show the log of a polecat, a bead, a merge request, a job or the controller.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// polecat/NAME, bead/NAME, mr/NAME, job/KEY or `controller`. Default: the controller's log.
    #[arg(value_name = "WHAT", add = complete::logs())]
    what: Vec<String>,
    /// The number of the attempt at the bead. Default: the last.
    #[arg(long)]
    attempt: Option<u32>,
    /// What the agent's terminal shows, or showed at last, after what has left it at its top; not the conversation with its model,
    /// where its program keeps that. With --follow: what is printed, as plain text.
    #[arg(long)]
    screen: bool,
    /// Begin with the last LINES lines of it. Default: all of it.
    #[arg(long, value_name = "LINES")]
    tail: Option<usize>,
    /// Keep running, and show what is added, until the log ends.
    #[arg(short, long)]
    follow: bool,
}

/// An attempt whose screen is to be shown.
struct Attempt {
    bead_uid: String,
    number: u32,
}

/// A log that is to be shown.
struct Shown {
    log: Log,
    /// The line that is printed first.
    title: String,
    /// A hint to another log.
    note: Option<String>,
    /// What is shown in its place: the conversation of its agent.
    transcript: Option<PathBuf>,
    /// Or its screen.
    screen: Option<Attempt>,
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
    let file = shown.transcript.as_deref().unwrap_or_else(|| shown.log.file());
    gt.out.talk(&format!("{}: {}", shown.title, file.display()));
    if let Some(note) = &shown.note {
        gt.out.talk(note);
    }
    if let Some(Attempt { bead_uid, number }) = &shown.screen {
        let screen = screen::of_attempt(&town, bead_uid, *number)?;
        if screen.lines.is_empty() {
            gt.out.talk("nothing was printed yet");
            return Ok(());
        }
        return gt.out.data(&visible(&screen.last(args.tail.unwrap_or(usize::MAX))));
    }
    match &shown.transcript {
        Some(transcript) => converse(args, gt, &shown.log, transcript).await,
        None => show(args, gt, &shown.log).await,
    }
}

fn controller(records: &Records) -> Shown {
    Shown {
        log: records.controller_log(),
        title: "the controller".to_owned(),
        note: None,
        transcript: None,
        screen: None,
    }
}

/// A log of an object.
enum Found {
    Log(Shown),
    /// The end of it, where nothing else is left.
    Text {
        title: String,
        text: String,
    },
}

fn job(records: &Records, key: &str) -> Result<Shown, CliError> {
    if !is_key(key) {
        return Err(CliError::new(Exit::Usage, format!("invalid job key `{}`", key.escape_debug())));
    }
    let log = records.job_log(key).ok_or_else(|| {
        CliError::new(Exit::NotFound, format!("there is no job `{key}` here")).hint(jobs::list(&records.jobs()))
    })?;
    Ok(Shown { log, title: format!("job {key}"), note: None, transcript: None, screen: None })
}

async fn of_object(args: &Args, records: &Records, link: &Link, target: Target<'_>) -> Result<Found, CliError> {
    let Target { kind, name } = target;
    let none = || {
        CliError::new(Exit::Usage, format!("a {} has no log", kind.name))
            .hint("polecats, beads, merge requests and jobs have one; `gt logs` alone is the controller's")
    };
    let reads = insight::kind(kind.name).log_reads.ok_or_else(none)?;
    let object = link.get(kind, name).await?;
    let snapshot = link.snapshot(reads).await?;
    let subject = insight::subject(kind.name, &object);
    match subject.log(&snapshot) {
        Some(LogOf::Attempts { bead, bead_uid, came_back }) => {
            let mut shown = attempt(records, &bead, &bead_uid, args)?;
            // It speaks of the newest branch; of an attempt that was asked for, another may have come back.
            let came_back = came_back.filter(|_| args.attempt.is_none());
            shown.note = came_back.map(|request| format!("its branch came back: `gt logs mr/{request}` says why"));
            Ok(Found::Log(shown))
        }
        Some(LogOf::Verification(log)) => verification(records, &subject.reference(), log),
        Some(LogOf::Look { job: key, .. }) if records.job_log(&key).is_some() => job(records, &key).map(Found::Log),
        Some(LogOf::Look { job, said }) => {
            Ok(Found::Text { title: format!("{}: the end of job {job}", subject.reference()), text: said })
        }
        Some(LogOf::NotYet(why)) => Err(CliError::new(Exit::NotFound, why)),
        None => Err(none()),
    }
}

/// The log of the verdict, else of the verification that runs now. A branch that conflicts has only the list of files.
fn verification(records: &Records, object: &str, log: Verification) -> Result<Found, CliError> {
    let Verification { job: decided, kept, queue } = log;
    if let Some(key) = decided.filter(|key| records.job_log(key).is_some()) {
        return job(records, &key).map(Found::Log);
    }
    if let Some((why, text)) = kept {
        return Ok(Found::Text { title: format!("{object}: {why}"), text });
    }
    let none = CliError::new(Exit::NotFound, format!("{object} has no log"));
    let Some(rig_uid) = queue else {
        return Err(none.hint(format!("only what came back has one; `gt describe {object}`")));
    };
    let Some(found) = records.verification(&rig_uid) else {
        return Err(none.hint(format!("nothing has been verified for it yet; `gt describe {object}`")));
    };
    let when = if found.is_running() { "is being verified by" } else { "waits; last verified in its rig was" };
    let shown = job(records, &found.key)?;
    Ok(Found::Log(Shown { title: format!("{object} {when} job {}", found.key), ..shown }))
}

fn attempt(records: &Records, bead: &str, bead_uid: &str, args: &Args) -> Result<Shown, CliError> {
    let wanted = args.attempt;
    let attempts = records.attempt_numbers(bead_uid);
    let which = match wanted {
        Some(wanted) => attempts.contains(&wanted).then_some(wanted),
        None => attempts.last().copied(),
    };
    let which = which.ok_or_else(|| {
        let message = match wanted {
            Some(wanted) => format!("there was no attempt {wanted} at bead {bead}"),
            None => format!("nobody has worked on bead {bead} yet"),
        };
        CliError::new(Exit::NotFound, message).hint(format!("`gt describe bead/{bead}` says what it waits for"))
    })?;
    let transcript = records.transcript(bead_uid, which).filter(|_| !args.screen);
    let what = if transcript.is_some() { "the conversation of " } else { "" };
    let title = format!("{what}bead {bead}, attempt {which} of {}", attempts.len());
    let screen = (args.screen && !args.follow).then(|| Attempt { bead_uid: bead_uid.to_owned(), number: which });
    Ok(Shown { log: records.attempt_log(bead_uid, which), title, note: None, transcript, screen })
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
    gastown_base::private::create(log.folder()).map_err(failed)?;
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

/// Shows a conversation, until the attempt that `log` is of has ended if it is followed.
async fn converse(args: &Args, gt: &Context, log: &Log, transcript: &Path) -> Result<(), CliError> {
    let failed = |error: std::io::Error| CliError::from_error(Exit::Failed, &error);
    // Watched before it is read, so that nothing falls between.
    let folder = transcript.parent().unwrap_or(transcript);
    let mut added = Inotify::of_folder(folder).map_err(failed)?;
    let mut ends = Inotify::of_folder(log.folder()).map_err(failed)?;
    let mut reader = Transcript::open(transcript).map_err(failed)?;
    let mut tail = args.tail;
    loop {
        let writers = log.writers();
        let is_over = log.is_complete() || writers.are_gone();
        let text = visible(&conversation::more(&mut reader).map_err(failed)?);
        let lines = text.lines().count();
        // Of what is there already; all that comes later.
        let from = tail.take().map_or(0, |tail| lines - tail.min(lines));
        for line in text.lines().skip(from) {
            gt.out.data(line)?;
        }
        if is_over || !args.follow {
            return Ok(());
        }
        tokio::select! {
            biased;
            changed = added.changed() => changed,
            changed = ends.changed() => changed,
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
