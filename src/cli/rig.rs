//! `gt rig add`: writes the few lines of YAML that declare a repository, and shows them.
//!
//! It never guesses that work may be pushed to a network remote: there it writes `Branch`, and people merge.

mod detect;
pub(super) mod repository;
mod runtime;

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args as ClapArgs, Subcommand, ValueEnum};
use gastown_controllers::town::RUNTIME_DEFAULT;
use gastown_crds::common::{API_VERSION, LABEL_SOURCE};
use gastown_crds::manifest;
use gastown_crds::{Rig, Source, admission, names, url};
use kube::ResourceExt;
use serde_json::Value;

use super::common::agents::Agents;
use super::common::complete;
use super::common::context::Context;
use super::common::error::{CliError, Exit};
use super::common::files;
use super::schema;
use super::source::committed_to;
use crate::insight::text::quoted;
use crate::town::Town;
use crate::world::git::{self, NoLook};
use detect::Check;
use repository::Repository;
use runtime::Choice;

/// Longest name of a rig, as its kind says.
const NAME_BYTES_MAX: usize = 40;

/// The folder of the town's in which rigs are declared.
pub(super) const DIR: &str = "rigs";

/// How long a remote may take to answer: a slow link needs a few seconds, a person does not wait for more.
const REACH_MAX: Duration = Duration::from_secs(10);

/// Declare repositories.
#[derive(Debug, Subcommand)]
pub enum Command {
    Add(Args),
}

/// Declare a repository: writes rigs/NAME.yaml and shows it.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// A repository: its folder on this machine, or its URL.
    #[arg(value_name = "PATH|URL")]
    place: String,
    /// The rig's name. Default: the repository's name.
    #[arg(long)]
    name: Option<String>,
    /// The branch that work lands on. Default: the repository's default branch.
    #[arg(long)]
    branch: Option<String>,
    /// How verified work lands. Default: Push for a repository on this machine, Branch for any other.
    #[arg(long, value_enum, ignore_case = true)]
    strategy: Option<Strategy>,
    /// A shell command that must pass before work lands; may be given several times. Default: for a
    /// repository on this machine, what its files call for.
    #[arg(long, value_name = "CMD")]
    verify: Vec<String>,
    /// The Runtime that works here. Default: the town's; where it names none, claude or codex if it is on PATH.
    #[arg(long, value_name = "NAME", add = complete::runtimes())]
    runtime: Option<String>,
    /// Let work land without any check.
    #[arg(long, conflicts_with = "verify")]
    allow_unverified: bool,
}

/// What happens with verified work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Strategy {
    /// Fast-forward the branch to it.
    #[value(name = "Push")]
    Push,
    /// Leave it as a branch for people to merge.
    #[value(name = "Branch")]
    Branch,
}

/// Runs `gt rig add`.
pub fn add(args: &Args, gt: &Context) -> Result<(), CliError> {
    let town = gt.town()?;
    let repository = Repository::find(&args.place, args.branch.as_deref())?;
    let name = name(args, &repository)?;
    let checks = checks(args, &repository)?;
    let agents = Agents::of(&town, gt);
    let choice = Choice::of(args.runtime.as_deref(), &agents);
    let plain = |runtime: Option<&str>| yaml(args, &name, &repository, &checks, runtime);
    check(&plain(choice.runtime.as_deref()), gt)?;
    // Where the town's folder has a schema, editors find it.
    let has_schema = town.dir.join(schema::FILE).exists();
    let head = if has_schema { schema::line("../") } else { String::new() };
    let mut text = head.clone() + &plain(choice.runtime.as_deref());
    if let Some(source) = kept_by(&name, &town, gt) {
        let message = format!("the rig `{name}` is kept by the source `{}`", source.escape_debug());
        return Err(CliError::new(Exit::Refused, message)
            .hint("commit the change to that source; or say --name for another rig"));
    }
    let reached = if repository.is_elsewhere() { git::reach(&repository.url, REACH_MAX) } else { Ok(()) };
    if let Err(error @ NoLook::Hash(_)) = &reached {
        return Err(repository::no_look(&url::redact(&repository.url), error));
    }

    let file: PathBuf = town.dir.join(DIR).join(format!("{name}.yaml"));
    let shown = format!("{DIR}/{name}.yaml");
    let old = files::read_optional(&file)?;
    let is_new = old.is_none();
    let mut runtime = choice.runtime.as_deref();
    let words = if let Some(old) = old {
        let says_so = |runtime: Option<&str>| {
            let plain = plain(runtime);
            old == plain || old == head.clone() + &plain
        };
        let Some(same) = choice.or_as_it_was().into_iter().find(|it| says_so(*it)) else {
            return Err(CliError::new(
                Exit::Refused,
                format!("{} is there already, and says otherwise", file.display()),
            )
            .hint("edit it, remove it, or say --name for another rig"));
        };
        runtime = same;
        text = head + &plain(same);
        format!("{shown} says so already")
    } else {
        files::write_new(&file, &text)?;
        format!("wrote {}", file.display())
    };
    gt.out.data(&text)?;
    for note in &repository.notes {
        gt.out.talk(&format!("note: {note}"));
    }
    let checked_out = repository.branch.as_ref().filter(|_| repository.is_checked_out);
    if let Some(branch) = checked_out.filter(|_| strategy(args, &repository) == Strategy::Push) {
        gt.out.talk(&format!(
            "note: `{branch}` is checked out in {}: with Push its files are updated as work lands, while it has no uncommitted changes",
            repository.url
        ));
    }
    if let Err(error) = reached {
        gt.out.talk(&format!(
            "note: {}; the rig waits until this works without a question: git ls-remote {}",
            error.message(),
            quoted(&repository.url)
        ));
    }
    if let Some(program) = choice.found.as_ref().filter(|_| is_new) {
        gt.out.talk(&format!(
            "`{}` works on it, as it is on PATH: {}; --runtime NAME chooses another",
            runtime.unwrap_or_default(),
            program.display()
        ));
    }
    if is_new && runtime.is_none() && agents.of_town().is_none() {
        gt.out.talk(&format!(
            "`{RUNTIME_DEFAULT}` works on it, which runs commands and reads no words: {} is on PATH; --runtime NAME chooses another",
            runtime::NOBODY
        ));
    }
    if let Some(todo) = agents.what_keeps(runtime, &town, gt) {
        gt.out.talk(&format!("note: {todo}"));
    }
    gt.out.talk(&words);
    let typed = quoted(&from_here(&file));
    gt.out.talk(&match committed_to(&file, &town, gt) {
        Some(source) => format!(
            "next: git add {typed} && git commit -m 'Rig {name}' {typed}, and the source `{source}` makes it live"
        ),
        None => format!("next: gt apply -f {typed}"),
    });
    if runtime.is_some_and(|runtime| runtime != RUNTIME_DEFAULT) {
        gt.out.talk(&format!("or:   gt up && gt sling 'WHAT TO DO' {name}   (makes it live too)"));
    }
    Ok(())
}

/// The source that keeps the town's rig of this name, if it exists. A town that cannot be asked keeps nobody from writing a file.
fn kept_by(name: &str, town: &Town, gt: &Context) -> Option<String> {
    if !town.layout.has_store() {
        return None;
    }
    let asked = gt.with_api(town, async |link| {
        let rig = link.typed::<Rig>().get_opt(name).await?;
        let Some(source) = rig.and_then(|rig| rig.labels().get(LABEL_SOURCE).cloned()) else { return Ok(None) };
        Ok(link.typed::<Source>().get_opt(&source).await?.map(|source| source.name_any()))
    });
    super::block_on(asked).ok()?
}

/// A path as one would type it here.
fn from_here(file: &std::path::Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    file.strip_prefix(&here).unwrap_or(file).display().to_string()
}

fn name(args: &Args, repository: &Repository) -> Result<String, CliError> {
    match &args.name {
        Some(name) if names::is_label(name) && name.len() <= NAME_BYTES_MAX => Ok(name.clone()),
        Some(name) => Err(CliError::new(Exit::Refused, format!("`{}` is no name for a rig", name.escape_debug()))
            .hint(format!("a name is lower-case letters, digits and `-`, at most {NAME_BYTES_MAX} characters"))),
        None => files::label(&repository.called, NAME_BYTES_MAX).ok_or_else(|| {
            CliError::new(Exit::Refused, format!("no name can be made of `{}`", repository.called.escape_debug()))
                .hint("say --name NAME")
        }),
    }
}

fn checks(args: &Args, repository: &Repository) -> Result<Vec<Check>, CliError> {
    if args.allow_unverified {
        return Ok(Vec::new());
    }
    if !args.verify.is_empty() {
        let many = args.verify.len() > 1;
        let named = args.verify.iter().enumerate().map(|(nth, run)| Check {
            name: if many { format!("verify-{}", nth + 1) } else { "verify".to_owned() },
            run: run.clone(),
        });
        return Ok(named.collect());
    }
    if repository.checks.is_empty() {
        let why = if repository.seen_at.is_some() {
            "nothing here says how it is tested"
        } else {
            "it is not on this machine, so how it is tested cannot be seen"
        };
        return Err(CliError::new(Exit::Refused, format!("what must pass before work lands? {why}"))
            .hint("say --verify 'COMMAND', or --allow-unverified to let work land unchecked"));
    }
    Ok(repository.checks.clone())
}

/// What happens with verified work: what was said, else what cannot reach anybody else's machine.
fn strategy(args: &Args, repository: &Repository) -> Strategy {
    args.strategy.unwrap_or(if repository.is_local_url { Strategy::Push } else { Strategy::Branch })
}

/// What a tree needs whose repository has submodules: git makes none of them by itself.
const SUBMODULES: &str = "git submodule update --init --recursive";

/// The manifest, for people: in the order of the questions, with a word where a choice was made.
fn yaml(args: &Args, name: &str, repository: &Repository, checks: &[Check], runtime: Option<&str>) -> String {
    let strategy = strategy(args, repository);
    let mut text = format!(
        "apiVersion: {API_VERSION}\nkind: Rig\nmetadata:\n  name: {name}\nspec:\n  repo:\n    url: {}\n",
        scalar(&repository.url)
    );
    let mut line = |line: String| {
        let _infallible = writeln!(text, "{line}");
    };
    if let Some(branch) = args.branch.as_ref().or(repository.branch.as_ref()) {
        line(format!("    branch: {}", scalar(branch)));
    }
    if let Some(runtime) = runtime {
        line(format!("  runtime: {} # the agent that works here", scalar(runtime)));
    }
    let copy_from = repository.copy_from.as_ref().filter(|_| !repository.copy.is_empty());
    if copy_from.is_some() || repository.has_submodules {
        line("  workspace:".to_owned());
    }
    if repository.has_submodules {
        line("    setup: # in each new worktree".to_owned());
        line(format!("    - {SUBMODULES}"));
    }
    if let Some(from) = copy_from {
        line("    copy: # what git does not hold, and worktrees need".to_owned());
        repository.copy.iter().for_each(|file| line(format!("    - {}", scalar(file))));
        line(format!("    copyFrom: {}", scalar(from)));
    }
    line("  merge:".to_owned());
    line(match strategy {
        Strategy::Push => "    strategy: Push # what is verified goes to the branch".to_owned(),
        Strategy::Branch => {
            "    strategy: Branch # what is verified is left as a branch for people to merge".to_owned()
        }
    });
    if strategy == Strategy::Push && repository.is_checked_out {
        line(
            "    whenCheckedOut: Update # the working copy follows, as long as it has no uncommitted changes"
                .to_owned(),
        );
    }
    if checks.is_empty() {
        line("    allowUnverified: true # nothing is checked before it lands".to_owned());
    } else {
        line("    verify: # what must pass before anything lands".to_owned());
        if repository.has_submodules {
            line("    - name: submodules".to_owned());
            line(format!("      run: {SUBMODULES}"));
        }
        for check in checks {
            line(format!("    - name: {}", check.name));
            line(format!("      run: {}", scalar(&check.run)));
        }
    }
    text
}

/// One value, as YAML has it in a line.
pub(super) fn scalar(text: &str) -> String {
    if text.contains('\n') {
        // Valid YAML too.
        return Value::from(text).to_string();
    }
    manifest::to_yaml(&Value::from(text)).trim_end().to_owned()
}

/// What is written must be what `gt apply` takes.
fn check(text: &str, gt: &Context) -> Result<(), CliError> {
    let found = match manifest::parse("the rig", text) {
        Ok(manifests) => manifests.iter().flat_map(admission::admit).collect(),
        Err(mistakes) => mistakes,
    };
    if found.is_empty() {
        return Ok(());
    }
    gt.out.talk_painted(&manifest::render_all(&found, gt.out.talk_color));
    Err(CliError::new(Exit::Refused, "no rig can be made of this; nothing was written"))
}
