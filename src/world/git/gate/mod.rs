//! One look of a gate, as its job's own process makes it: a command, or a question to GitHub's `gh`.
//!
//! It runs in an empty folder below the job's, which is removed at its end: a checkout would cost more than most looks do, and would
//! have to wait for verifications. What it wants to know of the rig, it reads from the town's clone.

mod github;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gastown_base::causes::in_a_line;
use gastown_base::private;
use gastown_controllers::world::{GateQuestion, JobKey, Owner, exit, path_of};
use gastown_crds::url::redact;

use super::failure::{Failure, say};
use super::program::Ended;
use super::{Git, GitError};
use crate::exec::{Exec, ExecError};
use crate::session::program::find;

/// The program that asks GitHub.
const GH: &str = "gh";

/// A look: for which gate, where, and for how long.
pub(super) struct Look<'a> {
    pub key: &'a JobKey,
    pub gate: &'a Owner,
    pub rig: Option<&'a Owner>,
    /// The address of the rig's repository.
    pub url: Option<&'a str>,
    pub timeout_s: u64,
}

impl Git {
    /// Looks once. Ok: the gate opens; the log says why.
    pub(super) fn look_at_gate(
        &self,
        look: &Look<'_>,
        question: &GateQuestion,
        log: &mut dyn Write,
    ) -> Result<(), Failure> {
        let folder = self.layout.job(&look.key.0).join("work");
        let io = |source| GitError::Io { doing: format!("make `{}`", folder.display()), source };
        private::create(&folder).map_err(io)?;
        let ended = match question {
            GateQuestion::Command { run } => self.run_gate_command(look, run, &folder, log),
            _ => self.ask_github(look, question, &folder).map(|why| say(log, &why)),
        };
        // What is left of it goes with the job's folder.
        drop(fs_err::remove_dir_all(&folder));
        ended
    }

    fn run_gate_command(&self, look: &Look<'_>, run: &str, folder: &Path, log: &mut dyn Write) -> Result<(), Failure> {
        let limit = Duration::from_secs(look.timeout_s);
        match self.run_shell(run, folder, &self.gate_env(look, folder), limit, log) {
            Ended::Code(0) => Ok(()),
            Ended::Code(exit::CONFIG) => Err(Failure {
                code: exit::CONFIG,
                message: format!("it ended with {}: it will not come about", exit::CONFIG),
            }),
            Ended::Code(code @ (126 | 127)) => {
                Err(unable(format!("it ended with {code}: the shell found no such command, or could not run it")))
            }
            Ended::Code(code) => Err(Failure { code: exit::FAILED, message: format!("it ended with {code}") }),
            Ended::Late(_) => Err(unable(format!("it did not end in {} s (runTimeout)", look.timeout_s))),
            Ended::Not(message) => Err(unable(message)),
        }
    }

    /// The variables of a look. A repository around the folder is none of its business.
    fn gate_env(&self, look: &Look<'_>, folder: &Path) -> Vec<(String, String)> {
        let text = |path: PathBuf| path.to_string_lossy().into_owned();
        let mut env = vec![
            ("GIT_TERMINAL_PROMPT".to_owned(), "0".to_owned()),
            ("GIT_CEILING_DIRECTORIES".to_owned(), text(folder.parent().unwrap_or(folder).to_owned())),
            ("GT_GATE".to_owned(), look.gate.name.clone()),
        ];
        if let Some(rig) = look.rig {
            env.push(("GT_RIG".to_owned(), rig.name.clone()));
            env.push(("GT_CLONE".to_owned(), text(self.layout.bare_clone(&rig.uid))));
        }
        // A folder is no repository of GitHub's. A password in it is for git, and `gh` has its own.
        if let Some(url) = look.url.filter(|url| path_of(url).is_none()) {
            env.push(("GH_REPO".to_owned(), redact(url)));
        }
        env
    }

    /// What GitHub says. Ok: why the gate opens.
    fn ask_github(&self, look: &Look<'_>, question: &GateQuestion, folder: &Path) -> Result<String, Failure> {
        let asked = github::Asked::of(question)?;
        let program = self.var("PATH").and_then(|path| find(GH, &path)).unwrap_or_else(|| GH.into());
        let exec = self.in_folder(Exec::new(program).args(&asked.args), folder, &self.gate_env(look, folder));
        let exec = exec.env("GH_PROMPT_DISABLED", "1");
        let output = exec.limit(Duration::from_secs(look.timeout_s)).run().map_err(|error| match error {
            ExecError::Spawn { .. } => unable(format!(
                "the controller found no program `{GH}` on its PATH: install GitHub's command line tool where `gt up` runs, \
                 and `gh auth login` there"
            )),
            error => unable(in_a_line(&error)),
        })?;
        if !output.ok() {
            return Err(unable(format!("`{GH}` ended with {}: {}", output.code, redact(&output.complaint()))));
        }
        asked.judge(&output.text())
    }
}

/// What could not be looked at.
fn unable(message: String) -> Failure {
    Failure { code: exit::UNABLE, message }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::Layout;

    struct Town {
        dir: tempfile::TempDir,
        git: Git,
    }

    impl Town {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let layout = Layout::of(dir.path().join("data"), dir.path().join("state"), dir.path().join("run"));
            Self { git: Git::new(layout), dir }
        }

        /// With a `gh` that says this, and ends so, and writes down what it was asked.
        fn with_gh(says: &str, code: i32) -> Self {
            let town = Self::new();
            let bin = town.dir.path().join("bin");
            fs_err::create_dir(&bin).unwrap();
            let asked = bin.join("asked");
            let script = format!(
                "#!/bin/sh\necho \"$GH_REPO $*\" > '{}'\ncat <<'END'\n{says}\nEND\nexit {code}\n",
                asked.display()
            );
            // By a process of its own: what this one has open for writing, a child of another test may hold for a moment, and
            // such a file is not run.
            let write = Exec::new("sh").args(["-c", "printf %s \"$SCRIPT\" > gh && chmod 755 gh"]).cwd(&bin);
            assert!(write.env("SCRIPT", script).run().unwrap().ok());
            let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
            Self { git: town.git.with_env("PATH", path), dir: town.dir }
        }

        fn look(&self, question: &GateQuestion, timeout_s: u64) -> (i32, String) {
            let gate = Owner { kind: "Bead".into(), name: "shop-g".into(), uid: "gate-1".into() };
            let rig = Owner::rig("shop", "rig-1");
            // What git needs of it is not said to other programs.
            let url = Some("https://me:s3cret@github.com/acme/shop");
            let key = JobKey("k".into());
            let look = Look { key: &key, gate: &gate, rig: Some(&rig), url, timeout_s };
            let mut log = Vec::new();
            let ended = self.git.look_at_gate(&look, question, &mut log);
            assert!(!self.git.layout.job("k").join("work").exists(), "its folder is gone");
            let code = ended.map_or_else(
                |Failure { code, message }| {
                    say(&mut log, &message);
                    code
                },
                |()| exit::OK,
            );
            (code, String::from_utf8(log).unwrap())
        }
    }

    fn command(run: &str) -> GateQuestion {
        GateQuestion::Command { run: run.to_owned() }
    }

    #[test]
    fn a_command_opens_fails_or_says_not_yet_by_its_exit_code() {
        let town = Town::new();
        assert_eq!(town.look(&command("echo built; pwd >/dev/null"), 10), (exit::OK, "built\n".to_owned()));
        assert_eq!(town.look(&command("exit 3"), 10), (exit::FAILED, "gt: it ended with 3\n".to_owned()));
        assert_eq!(town.look(&command("exit 78"), 10).0, exit::CONFIG);
        assert_eq!(town.look(&command("gt-no-such-program"), 10).0, exit::UNABLE);
        let late = (exit::UNABLE, "gt: it did not end in 1 s (runTimeout)\n".to_owned());
        assert_eq!(town.look(&command("sleep 60"), 1), late);
    }

    #[test]
    fn a_command_runs_in_an_empty_folder_and_is_told_where_the_clone_is() {
        let town = Town::new();
        let told = "ls -A; echo $GT_GATE $GT_RIG $GH_REPO; echo ${GT_CLONE##*/}";
        let (code, said) = town.look(&command(told), 10);
        assert_eq!((code, &*said), (exit::OK, "shop-g shop https://github.com/acme/shop\nrig-1.git\n"));
        // Of a repository around the town's state it knows nothing.
        git2::Repository::init(town.dir.path()).unwrap();
        assert_eq!(town.look(&command("! git rev-parse --git-dir 2>/dev/null"), 10).0, exit::OK);
    }

    fn pull_request() -> GateQuestion {
        GateQuestion::GithubPullRequest { id: "7".into() }
    }

    #[test]
    fn github_is_asked_by_its_program_in_the_rigs_repository() {
        let town = Town::with_gh(r#"{"state":"MERGED","title":"Add it","number":7}"#, 0);
        assert_eq!(town.look(&pull_request(), 10), (exit::OK, "gt: pull request 7 is merged\n".to_owned()));
        let asked = fs_err::read_to_string(town.dir.path().join("bin/asked")).unwrap();
        assert_eq!(asked, "https://github.com/acme/shop pr view 7 --json state,number\n");
        let refused = Town::with_gh("", 4).look(&pull_request(), 10);
        assert_eq!(refused, (exit::UNABLE, "gt: `gh` ended with 4: \n".to_owned()));
        assert_eq!(Town::with_gh("no JSON", 0).look(&pull_request(), 10).0, exit::UNABLE);
    }

    #[test]
    fn without_the_program_it_is_said_what_to_install() {
        let town = Town::new();
        let git = town.git.with_env("PATH", "/nonexistent");
        let (code, said) = Town { git, dir: town.dir }.look(&pull_request(), 10);
        assert_eq!(code, exit::UNABLE);
        assert!(said.contains("found no program `gh`") && said.contains("gh auth login"), "{said}");
    }
}
