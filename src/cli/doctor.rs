//! `gt doctor`: what is missing on this machine, and how to get it.

mod programs;

use std::ffi::{OsStr, OsString};
use std::path::Path;

use clap::Args as ClapArgs;
use gastown_base::private;
use gastown_controllers::world::Limiting;
use gastown_crds::reason::Reason;
use gastown_crds::town::Trust;
use gastown_crds::{self as crds, Runtime};
use kube::ResourceExt;
use serde::Serialize;

use super::common::context::Context;
use super::common::disk;
use super::common::error::{CliError, Exit, SOCKET_HINT};
use super::common::table::Table;
use crate::insight::kinds::runtime;
use crate::text::escaped;
use crate::town::{Town, TownError};
use crate::world::agents::AGENTS;
use crate::world::exec::Exec;
use crate::world::session::env_from::Reader;
use crate::world::session::probe::{GIT_MIN, TMUX_MIN, version};
use crate::world::session::program::find;
use crate::world::session::scope::limiting;
use programs::{Around, Program, Sign};

/// Say what is missing on this machine, and how to get it.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
struct Check {
    what: String,
    verdict: Verdict,
    found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Ok,
    /// It works without.
    Degraded,
    Missing,
    /// It is missing, and nothing uses it.
    Unused,
    /// Nobody can tell.
    Unknown,
}

impl Check {
    /// As it was found out.
    fn of(what: String, sign: Sign) -> Self {
        let (verdict, found, fix) = match sign {
            Sign::Yes(found) => (Verdict::Ok, found, None),
            Sign::No(found, fix) => (Verdict::Missing, found, Some(fix)),
            Sign::Unknown(found, fix) => (Verdict::Unknown, found, Some(fix)),
        };
        Self { what, verdict, found, fix }
    }
}

/// Runs it.
pub async fn run(args: &Args, gt: &Context) -> Result<(), CliError> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut checks = vec![
        program("git", "--version", GIT_MIN, &path, Verdict::Missing, "nothing can be cloned or land without it"),
        program(
            "tmux",
            "-V",
            TMUX_MIN,
            &path,
            Verdict::Degraded,
            "agents run as plain processes without it, and nobody can attach",
        ),
    ];
    checks.push(limits(&path));
    for (what, dir) in
        [("data folder", gt.places.data_home.join("gt")), ("state folder", gt.places.state_home.join("gt"))]
    {
        checks.push(writable(what, &dir));
    }
    match gt.town() {
        Ok(town) => {
            checks.push(sockets(&town));
            checks.extend(runtimes(gt, &town, &path).await?);
        }
        Err(error) if gt.town.is_none() && is_no_town(gt) => {
            drop(error);
            gt.out.talk("no town here, so only this machine was looked at");
        }
        Err(error) => return Err(error),
    }
    report(args, gt, &checks)
}

/// Whether there is simply none, as opposed to a broken one.
fn is_no_town(gt: &Context) -> bool {
    let here = Context::cwd().map(|here| Town::find(&here, &gt.places));
    matches!(here, Ok(Err(TownError::NotFound { .. })))
}

fn program(name: &str, flag: &str, min: (u32, u32), path: &OsString, worst: Verdict, why: &str) -> Check {
    let floor = format!("{}.{}", min.0, min.1);
    let fix = Some(format!("install {name} {floor} or later, such as `apt install {name}`: {why}"));
    let what = name.to_owned();
    let Some(program) = find(name, path) else {
        return Check { what, verdict: worst, found: "not on PATH".into(), fix };
    };
    match Exec::new(&program).arg(flag).run() {
        Ok(output) if output.ok() => {
            let said = output.text();
            let is_old = version(&said).is_some_and(|found| found < min);
            let verdict = if is_old { worst } else { Verdict::Ok };
            Check { what, verdict, found: said, fix: fix.filter(|_| is_old) }
        }
        Ok(output) => Check { what, verdict: worst, found: format!("ended with {}", output.code), fix },
        Err(error) => Check { what, verdict: worst, found: error.to_string(), fix },
    }
}

/// What sessions can be held to here.
fn limits(path: &OsStr) -> Check {
    let (verdict, found) = match limiting(path) {
        Ok(Limiting::Cgroup { memory: true, cpu: true }) => (Verdict::Ok, "memory and cpu, by systemd".to_owned()),
        Ok(Limiting::Cgroup { memory: true, cpu: false }) => (Verdict::Ok, "memory, by systemd".to_owned()),
        Ok(Limiting::Cgroup { cpu, .. }) => {
            let only = if cpu { "cpu alone" } else { "nothing" };
            (Verdict::Degraded, format!("systemd limits {only}: `Delegate=` of user@.service does not list memory"))
        }
        Ok(Limiting::No(why)) => (Verdict::Degraded, why),
        Err(error) => (Verdict::Degraded, error.to_string()),
    };
    let fix = "where sessions cannot be limited, `resources.limits` of a Runtime does not hold, and one agent can use up all memory";
    let fix = (verdict == Verdict::Degraded).then(|| fix.to_owned());
    Check { what: "limits of sessions".to_owned(), verdict, found, fix }
}

/// Whether something can be written there, found out by doing it.
fn writable(what: &str, dir: &Path) -> Check {
    let tried = private::create(dir).and_then(|()| tempfile::tempfile_in(dir).map(drop));
    let found = dir.display().to_string();
    match (tried, disk::full(dir)) {
        (Ok(()), None) => Check { what: what.to_owned(), verdict: Verdict::Ok, found, fix: None },
        (_, Some(left)) => Check {
            what: what.to_owned(),
            verdict: Verdict::Missing,
            found: format!("{found}: its disk is full, {left} are free"),
            fix: Some(format!("free some: `df -h {}`", dir.display())),
        },
        (Err(error), None) => Check {
            what: what.to_owned(),
            verdict: Verdict::Missing,
            found: error.to_string(),
            fix: Some("make it writable, or set XDG_DATA_HOME and XDG_STATE_HOME".into()),
        },
    }
}

/// Whether the town's sockets are safe where they are: in a temporary folder, others may have made it first.
fn sockets(town: &Town) -> Check {
    let dir = town.layout.runtime();
    let (what, shown) = ("folder of sockets".to_owned(), dir.display().to_string());
    match private::create(dir).and_then(|()| private::check(dir)) {
        Ok(()) => Check { what, verdict: Verdict::Ok, found: shown, fix: None },
        Err(error) => {
            let fix = Some(SOCKET_HINT.to_owned());
            Check { what, verdict: Verdict::Missing, found: error.to_string(), fix }
        }
    }
}

/// The agent programs of the town's runtimes, and whether the town lets those that it uses run.
async fn runtimes(gt: &Context, town: &Town, path: &OsString) -> Result<Vec<Check>, CliError> {
    let kinds = ["Runtime", "Rig", "Polecat", "Convoy", "Bead", "Town"];
    let snapshot = gt.with_api(town, async |link| link.snapshot(&kinds).await).await?;
    let spec = snapshot.all::<crds::Town>().next();
    let used = runtime::used(&snapshot);
    let trust = spec.map(|town| town.spec.trust).unwrap_or_default();
    let check = |runtime: &Runtime| {
        let name = runtime.name_any();
        let what = format!("runtime {name}");
        let is_used = used.contains(&*name);
        let word = runtime.spec.command.first().cloned().unwrap_or_default();
        if AGENTS.iter().any(|(built_in, _)| *built_in == word) {
            return Check { what, verdict: Verdict::Ok, found: format!("{word}, built in"), fix: None };
        }
        match find(&word, path) {
            Some(_) if is_used && runtime.spec.skips_permissions && trust == Trust::None => Check {
                what,
                verdict: Verdict::Missing,
                found: "the Town has `trust: None`, and this skips permission prompts".to_owned(),
                fix: Reason::NotTrusted.hint().map(str::to_owned),
            },
            Some(program) => {
                let path = program.display().to_string();
                match Program::of(&word).filter(|_| is_used) {
                    Some(known) => Check::of(what, known.version(&program).beside(&path)),
                    None => Check { what, verdict: Verdict::Ok, found: path, fix: None },
                }
            }
            None => Check {
                what,
                verdict: if is_used { Verdict::Missing } else { Verdict::Unused },
                found: format!("`{word}` is not on PATH"),
                fix: is_used.then(|| format!("install `{word}`, or use another Runtime")),
            },
        }
    };
    let mut checks: Vec<_> = snapshot.all::<Runtime>().map(check).collect();
    let in_use = snapshot.all::<Runtime>().filter(|runtime| used.contains(&*runtime.name_any()));
    checks.extend(in_use.flat_map(|runtime| of_used(runtime, town, path)));
    Ok(checks)
}

/// What a runtime that is used needs beside its program.
fn of_used(runtime: &Runtime, town: &Town, path: &OsStr) -> Vec<Check> {
    let name = runtime.name_any();
    let home = std::env::home_dir();
    let mut checks = Vec::new();
    let word = runtime.spec.command.first().map_or("", String::as_str);
    if let Some(program) = Program::of(word).filter(|_| find(word, path).is_some()) {
        let variable = |name: &str| std::env::var(name).ok();
        let is_root = rustix::process::geteuid().is_root();
        let around = Around { home: home.as_deref(), variable: &variable, is_root, runtime };
        checks.push(Check::of(format!("login of {name}"), around.login(program)));
        checks.push(Check::of(format!("first start of {name}"), around.onboarding(program)));
    }
    let sources = &runtime.spec.env_from;
    if !sources.is_empty() {
        let read = Reader { home: home.as_deref(), cwd: &town.dir }.read_files(sources);
        let commands = sources.iter().filter(|source| source.command.is_some()).count();
        let found = match (read, commands) {
            (Err(error), _) => {
                Sign::No(error.to_string(), "no session of it is started before that is corrected".to_owned())
            }
            (Ok(_), 0) => Sign::Yes("its files can be read, by you alone".to_owned()),
            (Ok(_), _) => Sign::Yes("its files can be read, by you alone; its commands were not run".to_owned()),
        };
        checks.push(Check::of(format!("envFrom of {name}"), found));
    }
    checks
}

fn report(args: &Args, gt: &Context, checks: &[Check]) -> Result<(), CliError> {
    if args.json {
        let text = serde_json::to_string_pretty(checks)
            .map_err(|error| CliError::new(Exit::Failed, "could not write the report").because(&error))?;
        gt.out.data(&escaped(text))?;
    } else {
        let mut table = Table::new(["WHAT", "VERDICT", "FOUND"]).fitting(&["FOUND"], &[]);
        for check in checks {
            let verdict = match check.verdict {
                Verdict::Ok => "ok",
                Verdict::Degraded => "degraded",
                Verdict::Missing => "missing",
                Verdict::Unused => "unused",
                Verdict::Unknown => "unknown",
            };
            table.row([check.what.as_str(), verdict, &check.found]);
        }
        gt.out.data(&table.render(gt.out.width))?;
    }
    let fixes: Vec<&String> = checks.iter().filter_map(|check| check.fix.as_ref()).collect();
    for fix in fixes {
        gt.out.talk(fix);
    }
    match checks.iter().filter(|check| check.verdict == Verdict::Missing).count() {
        0 => Ok(()),
        1 => Err(CliError::new(Exit::Failed, "something is missing here")),
        n => Err(CliError::new(Exit::Failed, format!("{n} things are missing here"))),
    }
}
