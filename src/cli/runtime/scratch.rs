//! A town for one test: its folder and its repository are temporary, and it is driven by `gt` as every town is.
//!
//! Its data lies where the user's towns have theirs, since the agent has to be at home: with another `XDG_DATA_HOME`, some would not
//! find their login. It is removed with the town.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gastown_crds::Runtime;
use gastown_crds::common::API_VERSION;
use kube::ResourceExt;
use serde_json::json;
use tempfile::TempDir;

use crate::cli::common::context::Context;
use crate::cli::common::error::{CliError, Exit};
use crate::cli::common::git::git;
use crate::cli::sessions_of;
use crate::clock::SystemClock;
use crate::town::{Places, TOWN_FILE, Town};
use crate::world::exec::Exec;
use crate::world::session::Sessions;

/// The convoy of the story; its one bead has a name of its own.
pub const CONVOY: &str = "story";

/// The rig.
const RIG: &str = "scratch";

/// How long a step of the daily machinery may take: `gt up` on a slow machine.
const STEP_MAX: Duration = Duration::from_mins(2);

/// What the agent reads. Short: it is paid for.
const TEXT: &str = "This is a short test of how you are run. Run `sh story.sh` in a shell and do what it prints, nothing else. If your \
                    session was cut off, run it again.";

/// The shell text that the agent runs.
const STORY: &str = include_str!("story.sh");

/// In it, whether the agent is sent a message.
const IS_TOLD: [&str; 2] = ["is_told=no", "is_told=yes"];

/// Begins of variables that belong to a session, if this is run in one.
const FOREIGN: [&str; 3] = ["GT_", "BD_", "GIT_"];

/// A scratch town.
pub struct Scratch {
    /// None once it is kept or removed.
    dir: Option<TempDir>,
    bare: PathBuf,
    town: Town,
    places: Places,
}

impl Scratch {
    /// Makes a town that works on the story with this Runtime, and starts it. `is_told`: the story sends a message.
    pub fn start(runtime: &Runtime, is_told: bool, gt: &Context) -> Result<Self, CliError> {
        let failed =
            |error: &dyn std::error::Error| CliError::new(Exit::Failed, "could not make a scratch town").because(error);
        let dir = tempfile::Builder::new().prefix("gt-runtime-test-").tempdir().map_err(|e| failed(&e))?;
        let (home, work, bare) = (dir.path().join("town"), dir.path().join("work"), dir.path().join("repo.git"));
        for folder in [&home, &work] {
            fs_err::create_dir(folder).map_err(|e| failed(&e))?;
        }
        repository(&work, &bare, is_told)?;
        let write = |name: &str, text: &str| fs_err::write(home.join(name), text).map_err(|e| failed(&e));
        write(TOWN_FILE, &town_file())?;
        write("story.yaml", &story(runtime, &bare)?)?;
        // As a town of its own, even where this is run by an agent of another.
        let places = Places { session: None, ..gt.places.clone() };
        run(&home, &["init", "--no-source"])?;
        let town = Town::named(Some(&home), &places)?;
        let scratch = Self { dir: Some(dir), bare, town, places };
        scratch.gt(&["apply", "-f", TOWN_FILE, "-f", "story.yaml"])?;
        scratch.gt(&["up"])?;
        Ok(scratch)
    }

    /// Runs `gt` there.
    pub fn gt(&self, args: &[&str]) -> Result<String, CliError> {
        run(&self.town.dir, args)
    }

    /// The town.
    pub fn town(&self) -> &Town {
        &self.town
    }

    /// Its surroundings, for what is done here.
    pub fn context(&self, gt: &Context) -> Context {
        Context { town: Some(self.town.dir.clone()), places: self.places.clone(), out: gt.out, clock: SystemClock }
    }

    /// Its sessions.
    pub fn sessions(&self) -> Sessions {
        sessions_of(&self.town)
    }

    /// The text of a file that has landed.
    pub fn landed(&self, file: &str) -> Option<String> {
        let shown = Exec::new("git").args(["show", &format!("main:{file}")]).cwd(&self.bare);
        shown.run().ok().filter(crate::world::exec::Output::ok).map(|output| output.text())
    }

    /// Ends all that runs in it.
    pub fn end(&self) -> Result<(), CliError> {
        self.gt(&["down", "--stop-agents"]).map(drop)
    }

    /// Leaves the town as it is; its folder.
    pub fn keep(mut self) -> PathBuf {
        drop(self.dir.take().map(TempDir::keep));
        self.town.dir.clone()
    }

    /// Removes all of it.
    pub fn remove(mut self) -> Result<(), CliError> {
        let layout = self.town.layout.clone();
        let failed = |error: std::io::Error| {
            CliError::new(Exit::Failed, "the scratch town could not be removed").because(&error)
        };
        for folder in [layout.data(), layout.state(), layout.runtime()] {
            match fs_err::remove_dir_all(folder) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
                _ => {}
            }
        }
        self.dir.take().map_or(Ok(()), TempDir::close).map_err(failed)
    }
}

/// Whatever becomes of the test, no agent outlives it.
impl Drop for Scratch {
    fn drop(&mut self) {
        if self.dir.is_some() {
            drop(self.end());
        }
    }
}

/// Runs this program in a folder, with nothing of a session that this may be in. Answers what it printed.
fn run(dir: &Path, args: &[&str]) -> Result<String, CliError> {
    let program = std::env::current_exe()
        .map_err(|error| CliError::new(Exit::Failed, "could not find this program").because(&error))?;
    let exec = Exec::new(program).args(["--town"]).arg(dir).args(args).cwd(dir).limit(STEP_MAX);
    let output = without_foreign(exec).run().map_err(|error| CliError::from_error(Exit::Failed, &error))?;
    if output.ok() {
        return Ok(output.text());
    }
    let what = format!("the scratch town: `gt {}` failed", args.first().unwrap_or(&""));
    Err(CliError::new(Exit::Failed, what).because_of(output.complaint()))
}

fn without_foreign(exec: Exec) -> Exec {
    let names = std::env::vars_os().map(|(name, _)| name);
    let is_foreign = |name: &OsString| {
        FOREIGN.iter().any(|begin| name.to_string_lossy().starts_with(begin)) && name != "GIT_CONFIG_NOSYSTEM"
    };
    names.filter(is_foreign).fold(exec, Exec::env_remove)
}

/// The Town: one polecat, few tries, and whatever its Runtime asks for, since whoever runs the test has named it.
fn town_file() -> String {
    let spec = json!({
        "trust": "Full", "capacity": { "polecats": 1 }, "backoffLimit": 3,
        "retry": { "initialDelay": "1s", "maxDelay": "5s" },
    });
    format!("apiVersion: {API_VERSION}\nkind: Town\nmetadata: {{ name: town, namespace: scratch }}\nspec: {spec}\n")
}

/// The Runtime, the rig and the work.
fn story(runtime: &Runtime, bare: &Path) -> Result<String, CliError> {
    let object = |kind: &str, name: &str, spec: serde_json::Value| {
        json!({ "apiVersion": API_VERSION, "kind": kind, "metadata": { "name": name }, "spec": spec }).to_string()
    };
    let spec = serde_json::to_value(&runtime.spec)
        .map_err(|error| CliError::new(Exit::Failed, "could not copy the Runtime").because(&error))?;
    let name = runtime.name_any();
    let rig = json!({
        "repo": { "url": bare }, "runtime": name,
        "merge": { "strategy": "Push", "verify": [{ "name": "one", "run": "test -s one.txt" }] },
    });
    // Agents read the text; what runs commands alone runs the same.
    let bead = json!({ "name": CONVOY, "title": "Play the story", "description": TEXT, "command": "sh story.sh" });
    let convoy = json!({ "rig": RIG, "beads": [bead] });
    Ok([object("Runtime", &name, spec), object("Rig", RIG, rig), object("Convoy", CONVOY, convoy)].join("\n---\n"))
}

/// A repository with the story in it, and a bare one beside it, to land in.
fn repository(work: &Path, bare: &Path, is_told: bool) -> Result<(), CliError> {
    let failed = |error: std::io::Error| CliError::from_error(Exit::Failed, &error);
    let story = if is_told { STORY.replacen(IS_TOLD[0], IS_TOLD[1], 1) } else { STORY.to_owned() };
    fs_err::write(work.join("story.sh"), story).map_err(failed)?;
    fs_err::write(work.join("README"), "A repository for one test of an agent. Nothing here is kept.\n")
        .map_err(failed)?;
    let git = |args: &[&str]| git(without_foreign(Exec::new("git").limit(STEP_MAX)), work, args);
    git(&["init", "--quiet", "--initial-branch", "main"])?;
    git(&["add", "--all"])?;
    let who = ["-c", "user.name=gt", "-c", "user.email=gt@town.invalid", "-c", "commit.gpgSign=false"];
    git(&[&who[..], &["commit", "--quiet", "--no-verify", "--message", "The story"]].concat())?;
    git(&["clone", "--quiet", "--bare", ".", &bare.to_string_lossy()]).map(drop)
}
