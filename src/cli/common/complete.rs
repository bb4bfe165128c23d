//! Completion in shells: `source <(COMPLETE=bash gt)` makes the shell ask `gt` at each TAB. clap answers with verbs and
//! flags; here are the kinds, and the names of the town's objects.
//!
//! Nobody waits for an error at a TAB: what cannot be asked in time, or at all, completes to nothing.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::time::Duration;

use clap::ArgMatches;
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};
use clap_complete::env::CompleteEnv;
use kube::ResourceExt;
use kube::api::ListParams;

use super::context::Context;
use super::kinds::{KINDS, Kind};
use super::terminal::Terminal;
use crate::cli::{block_on, command};
use crate::clock::SystemClock;
use crate::town::Places;

/// The variable by which a shell asks.
const ASKED: &str = "COMPLETE";
/// How long the API may take, as long as the lock of a store is waited for; a shell stands still meanwhile.
const ANSWER_MAX: Duration = Duration::from_secs(2);

/// Answers a shell that asks, and ends this process then.
pub fn answer_shell() {
    if std::env::var_os(ASKED).is_some() {
        CompleteEnv::with_factory(command).var(ASKED).complete();
    }
}

/// `KIND`.
pub fn kinds() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let words = KINDS.iter().map(|kind| kind.singular.to_owned());
        current.to_str().map_or_else(Vec::new, |current| starting(current, words).into_iter().collect())
    })
}

/// `KIND`, `KIND,KIND …` or `KIND/NAME`, as `gt get` takes them.
pub fn kinds_or_objects() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let Some(current) = current.to_str() else { return Vec::new() };
        if current.contains('/') {
            return objects(current);
        }
        let (before, last) = current.split_at(current.rfind(',').map_or(0, |comma| comma + 1));
        let words = KINDS.iter().map(|kind| kind.plural).chain(["steps", "all"]);
        starting(last, words.map(str::to_owned)).into_iter().map(|it| it.add_prefix(before)).collect()
    })
}

/// The names that follow the kind of `gt get`.
pub fn names() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let Some(current) = current.to_str() else { return Vec::new() };
        given("kind").first().map_or_else(Vec::new, |kind| names_after(kind, current))
    })
}

/// `KIND/NAME …` or `KIND NAME …`.
pub fn targets() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let Some(current) = current.to_str() else { return Vec::new() };
        match &given("objects")[..] {
            [] => kinds_then_objects(current, KINDS.iter().copied()),
            [first, ..] => names_after(first, current),
        }
    })
}

/// One `KIND/NAME`.
pub fn target() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        current.to_str().map_or_else(Vec::new, |current| kinds_then_objects(current, KINDS.iter().copied()))
    })
}

/// What can be stopped and paused.
pub fn held() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let Some(current) = current.to_str() else { return Vec::new() };
        match &given("objects")[..] {
            [] => kinds_then_objects(current, KINDS.iter().copied().filter(|kind| kind.has_overrides)),
            [first, ..] => names_after(first, current),
        }
    })
}

/// What has a log.
pub fn logs() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let Some(current) = current.to_str() else { return Vec::new() };
        if let [first, ..] = &given("what")[..] {
            return names_after(first, current);
        }
        let kinds = KINDS.iter().copied().filter(|kind| ["Polecat", "Bead", "MergeRequest"].contains(&kind.name));
        let mut found = kinds_then_objects(current, kinds);
        found.extend(starting(current, ["controller".to_owned()]));
        found
    })
}

/// Who has a session: polecats by name, polecats and beads by kind.
pub fn workers() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let Some(current) = current.to_str() else { return Vec::new() };
        if current.contains('/') {
            return objects(current);
        }
        let kinds = starting(current, ["polecat/", "bead/"].map(str::to_owned));
        of_kind("polecats", current).into_iter().chain(kinds).collect()
    })
}

/// The polecats.
pub fn polecats() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let Some(current) = current.to_str() else { return Vec::new() };
        if current.contains('/') { objects(current) } else { of_kind("polecats", current) }
    })
}

/// The polecats and the beads: whom a message can be sent to.
pub fn recipients() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let Some(current) = current.to_str() else { return Vec::new() };
        if current.contains('/') {
            return objects(current);
        }
        ["polecats", "beads"].iter().flat_map(|kind| of_kind(kind, current)).collect()
    })
}

/// The beads.
pub fn beads() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let Some(current) = current.to_str() else { return Vec::new() };
        if current.contains('/') { objects(current) } else { of_kind("beads", current) }
    })
}

/// What `gt sling` takes: beads first, whatever follows them a rig too. A text is nobody's to complete.
pub fn slung() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let Some(current) = current.to_str() else { return Vec::new() };
        if current.contains('/') {
            return objects(current);
        }
        let rigs = if given("words").is_empty() { Vec::new() } else { of_kind("rigs", current) };
        rigs.into_iter().chain(of_kind("beads", current)).collect()
    })
}

/// The convoys.
pub fn convoys() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let Some(current) = current.to_str() else { return Vec::new() };
        if current.contains('/') { objects(current) } else { of_kind("convoys", current) }
    })
}

/// The rigs.
pub fn rigs() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| current.to_str().map_or_else(Vec::new, |current| of_kind("rigs", current)))
}

/// The formulas.
pub fn formulas() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        current.to_str().map_or_else(Vec::new, |current| of_kind("formulas", current))
    })
}

/// The runtimes.
pub fn runtimes() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        current.to_str().map_or_else(Vec::new, |current| of_kind("runtimes", current))
    })
}

/// The sources.
pub fn sources() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        current.to_str().map_or_else(Vec::new, |current| of_kind("sources", current))
    })
}

/// The merge requests.
pub fn merge_requests() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let Some(current) = current.to_str() else { return Vec::new() };
        if current.contains('/') { objects(current) } else { of_kind("mergerequests", current) }
    })
}

/// What `gt wait` waits for.
pub fn conditions() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let Some(current) = current.to_str() else { return Vec::new() };
        let given = given("objects");
        let kind = given.first().and_then(|word| kind(word.split('/').next().unwrap_or_default()));
        let known = kind.into_iter().flat_map(|kind| kind.conditions).map(|type_| format!("condition={type_}"));
        starting(current, known.chain(["delete".to_owned()]))
    })
}

/// `rig/`, so that the next TAB goes on with the names; after the `/`, these.
fn kinds_then_objects(current: &str, kinds: impl IntoIterator<Item = &'static Kind>) -> Vec<CompletionCandidate> {
    if current.contains('/') {
        return objects(current);
    }
    starting(current, kinds.into_iter().map(|kind| format!("{}/", kind.singular)))
}

/// The names after a first word: of the kind that it is, or, after KIND/NAME, more of those.
fn names_after(first: &str, current: &str) -> Vec<CompletionCandidate> {
    match first {
        "steps" => of_kind("beads", current),
        first if first.contains('/') => objects(current),
        first => of_kind(first, current),
    }
}

/// What begins like `KIND/NAME`, the kind as it was written.
fn objects(current: &str) -> Vec<CompletionCandidate> {
    let Some((word, name)) = current.split_once('/') else { return Vec::new() };
    of_kind(word, name).into_iter().map(|it| it.add_prefix(format!("{word}/"))).collect()
}

fn of_kind(word: &str, current: &str) -> Vec<CompletionCandidate> {
    let names = kind(word).and_then(stored).unwrap_or_default();
    starting(current, names)
}

fn kind(word: &str) -> Option<&'static Kind> {
    Kind::called(&word.to_lowercase())
}

fn starting(current: &str, words: impl IntoIterator<Item = String>) -> Vec<CompletionCandidate> {
    words.into_iter().filter(|word| word.starts_with(current)).map(CompletionCandidate::new).collect()
}

/// The names of all objects of a kind; none where there is no town, or no answer.
fn stored(kind: &Kind) -> Option<Vec<String>> {
    let gt = Context {
        town: matches()?.get_one::<PathBuf>("town").filter(|dir| !dir.as_os_str().is_empty()).cloned(),
        places: Places::from_env(),
        out: Terminal::of_process(),
        clock: SystemClock,
    };
    let town = gt.town().ok()?;
    // A TAB makes no store.
    if !town.layout.has_store() {
        return None;
    }
    let listed = block_on(gt.with_api(&town, async |link| {
        let all = ListParams::default();
        Ok(tokio::time::timeout(ANSWER_MAX, link.list(kind, &all)).await)
    }));
    let objects = listed.ok()?.ok()?.ok()?;
    Some(objects.iter().map(ResourceExt::name_any).collect())
}

/// The values of an argument that are there before the word at the cursor.
fn given(argument: &str) -> Vec<String> {
    let values = || {
        let matches = matches()?;
        let (_, verb) = matches.subcommand()?;
        Some(verb.try_get_many::<String>(argument).ok()??.cloned().collect())
    };
    values().unwrap_or_default()
}

/// The words before the cursor, read as far as they can be.
fn matches() -> Option<ArgMatches> {
    let words: Vec<OsString> = std::env::args_os().skip_while(|word| word != "--").skip(1).collect();
    let at = std::env::var("_CLAP_COMPLETE_INDEX").ok().and_then(|at| at.parse().ok());
    let before = at.unwrap_or(words.len().saturating_sub(1)).min(words.len());
    command().ignore_errors(true).try_get_matches_from(&words[..before]).ok()
}
