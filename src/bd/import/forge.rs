//! Issues of GitHub and GitLab for `bd import`: asked of their own programs, or in a file of their JSON.
//!
//! An issue is known again by its address, which is the external reference of its bead. What was changed here since it was last taken in
//! stays; what is new there is added.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use gastown_agent::context::Context;
use gastown_agent::error::Error;
use gastown_beads::forge::{self, Forge, Issue, Taken, elements};
use gastown_beads::incoming::{self, Incoming, Taking};
use gastown_beads::kept::{ANNOTATION, Kept};
use gastown_crds::Bead;
use gastown_world::exec::{Exec, ExecError, Output};
use kube::ResourceExt as _;

use super::lot::Item;
use super::merge::{Speaks, taken};
use super::mistakes::Mistakes;
use super::{Prepared, Read};
use crate::filter::shown;
use crate::scan::{Query, scan};
use crate::town_rigs::RigOf;

/// How long a forge's program may take: a thousand issues with their comments are ten requests and more.
const LIMIT: Duration = Duration::from_mins(5);
/// Issues of one page of GitLab, at most.
const PAGE: u32 = 100;
/// What is asked of an issue of GitHub.
const GITHUB_FIELDS: &str =
    "number,title,body,state,stateReason,labels,assignees,milestone,author,createdAt,updatedAt,closedAt,url,comments";

/// Which issues are asked of a forge.
#[derive(Debug, Clone, Args)]
pub struct ForgeArgs {
    /// Take in the issues of a repository there, through the program `gh` or `glab`
    #[arg(long, value_enum, conflicts_with_all = ["file", "input"], value_name = "FORGE")]
    from: Option<From>,
    /// Which repository; default: that around
    #[arg(long, requires = "from", value_name = "OWNER/NAME")]
    repo: Option<String>,
    /// Which issues
    #[arg(long, requires = "from", value_enum, default_value = "open")]
    state: State,
    /// At most so many, the newest first
    #[arg(long, requires = "from", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum From {
    Github,
    Gitlab,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum State {
    Open,
    Closed,
    All,
}

impl ForgeArgs {
    /// Asks the forge, if one is named: what was asked, what it said, and who it is.
    pub fn ask(&self) -> Result<Option<(PathBuf, String, Forge)>, Error> {
        match self.from {
            None => Ok(None),
            Some(From::Github) => Ok(Some((PathBuf::from("gh issue list"), self.github()?, Forge::GitHub))),
            Some(From::Gitlab) => Ok(Some((PathBuf::from("glab issue list"), self.gitlab()?, Forge::GitLab))),
        }
    }

    fn github(&self) -> Result<String, Error> {
        let state = match self.state {
            State::Open => "open",
            State::Closed => "closed",
            State::All => "all",
        };
        let limit = self.limit.to_string();
        let list = ["issue", "list", "--json", GITHUB_FIELDS, "--state", state, "--limit", &limit];
        let program = Exec::new("gh").args(list).env("GH_PROMPT_DISABLED", "1");
        text("gh", self.of_repository(program).limit(LIMIT).run())
    }

    /// Page by page, until one is not full.
    fn gitlab(&self) -> Result<String, Error> {
        let mut all = String::new();
        for page in 1..=self.limit.div_ceil(PAGE) {
            let (nth, size) = (page.to_string(), PAGE.min(self.limit).to_string());
            let mut program =
                Exec::new("glab").args(["issue", "list", "--output", "json", "--per-page", &size, "--page", &nth]);
            program = match self.state {
                State::Open => program,
                State::Closed => program.arg("--closed"),
                State::All => program.arg("--all"),
            };
            let text = text("glab", self.of_repository(program).env("NO_PROMPT", "1").limit(LIMIT).run())?;
            let count = issues_of_page(&text, page)?;
            if count > 0 {
                all.push_str(&text);
                all.push('\n');
            }
            if count < PAGE as usize {
                break;
            }
        }
        // The last page may have more of them than are wanted.
        let issues = elements(&all).map_err(|error| unread(&error, "glab issue list"))?;
        let wanted = issues.iter().take(self.limit as usize).map(|issue| issue.json).collect::<Vec<_>>().join(",");
        Ok(format!("[{wanted}]"))
    }

    /// At most so many are asked for.
    pub fn limit(&self) -> Option<usize> {
        self.from.map(|_| self.limit as usize)
    }

    fn of_repository(&self, program: Exec) -> Exec {
        match &self.repo {
            Some(repo) => program.args(["--repo", repo]),
            None => program,
        }
    }
}

/// How `glab` begins to say that there are none: not in JSON.
const NONE: [&str; 2] = ["No ", "There are no "];

/// How many issues a page of `glab` has.
fn issues_of_page(text: &str, page: u32) -> Result<usize, Error> {
    let text = text.trim_start();
    if text.is_empty() || NONE.iter().any(|start| text.starts_with(start)) {
        return Ok(0);
    }
    elements(text).map(|all| all.len()).map_err(|error| unread(&error, &format!("page {page} of `glab issue list`")))
}

fn unread(error: &serde_json::Error, what: &str) -> Error {
    let hint = "nothing was taken in: try again; or take in a file of its JSON: bd import issues.json";
    Error::refused(format!("{what} cannot be read: {error}"), hint)
}

/// What a forge's program printed.
fn text(program: &str, output: Result<Output, ExecError>) -> Result<String, Error> {
    let by_file = "or take in a file of its JSON: bd import issues.json";
    match output {
        Err(ExecError::Spawn { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            let message = format!("`{program}` is not installed, which asks for the issues");
            let place = if program == "gh" { "https://cli.github.com" } else { "https://gitlab.com/gitlab-org/cli" };
            Err(Error::refused(message, format!("install it: {place}; {by_file}")))
        }
        Err(error) => Err(error.into()),
        Ok(output) if !output.ok() => {
            let said = output.complaint();
            let said = said.lines().last().unwrap_or("it said nothing");
            let message = format!("`{program} issue list` ended with {}: {}", output.code, shown(said));
            Err(Error::refused(
                message,
                format!("name the repository: --repo OWNER/NAME; `{program} auth login` signs in"),
            ))
        }
        Ok(output) => Ok(output.text()),
    }
}

/// Reads issues, for a rig. With a mistake in any, nothing is taken in.
pub async fn read(
    prepared: &Prepared,
    forge: Forge,
    rig: &RigOf,
    taking: &Taking<'_>,
    context: &Context,
) -> Result<Read, Error> {
    let path = prepared.path.display();
    let elements = elements(&prepared.text)
        .map_err(|error| Error::refused(format!("{path}: {error}"), "nothing was taken in: correct the file"))?;
    let (mut issues, mut mistakes) = (Vec::new(), Mistakes::default());
    let mut read = Read::default();
    if let Some(limit) = prepared.limit.filter(|limit| elements.len() >= *limit) {
        read.note.push_str(&format!("the newest {limit}, as many as were asked for; more: `--limit`\n"));
    }
    for element in elements {
        match forge::read(element.json, forge) {
            Ok(Taken::Issue(issue)) => issues.push((element.line, issue)),
            Ok(Taken::PullRequest) => read.pull_requests += 1,
            Err(wrong) => mistakes.add(&format!("{path}:{}: {wrong}", element.line)),
        }
    }
    let mut known = Known::of_town(&rig.rig, context).await?;
    for (line, issue) in issues {
        let id = known.id(&issue, &rig.prefix);
        let number = issue.number;
        read.note
            .push_str(&issue.cut.iter().map(|cut| format!("{path}:{line}: #{number}: {cut}\n")).collect::<String>());
        match incoming::read(&issue.line(&id), taking) {
            Ok(Incoming::Bead(bead)) => {
                let speaks = Speaks::Issue { priority: issue.says_priority(), type_: issue.says_type() };
                let what = Incoming::Bead(Box::new(as_taken(*bead)));
                read.items.push(Item { line, what, speaks });
            }
            Ok(_) => {}
            Err(refused) => mistakes.add(&format!("{path}:{line}: #{number}: {}", refused.message)),
        }
    }
    mistakes.refuse("issue", "issue")?;
    Ok(read)
}

/// The bead of an issue with what is needed to know later what was changed here. It is no line that has to go out as it came.
fn as_taken(mut bead: Bead) -> Bead {
    let Kept { id, ids, updated, .. } = Kept::of(&bead).unwrap_or_default();
    let kept = Kept { id, ids, updated, taken: taken(&bead.spec), ..Kept::default() };
    bead.annotations_mut().insert(ANNOTATION.to_owned(), kept.text());
    bead
}

/// The beads of the town that are issues of a forge already.
#[derive(Debug, Default)]
struct Known {
    /// Their ids, by their external references; of those as `gh-9`, of this rig only.
    by_reference: BTreeMap<String, String>,
    /// The ids of all beads.
    ids: BTreeSet<String>,
}

impl Known {
    async fn of_town(rig: &str, context: &Context) -> Result<Self, Error> {
        let mut known = Self::default();
        scan(context, &Query::default(), |slim| {
            let id = slim.id();
            if let Some(reference) = slim.spec.external_ref.filter(|it| it.contains("://") || slim.spec.rig == rig) {
                known.by_reference.insert(reference, id.clone());
            }
            known.ids.insert(id);
            Ok(ControlFlow::Continue(()))
        })
        .await?;
        Ok(known)
    }

    /// The id of the bead of an issue: the one that it has, or a new one.
    fn id(&mut self, issue: &Issue, prefix: &str) -> String {
        let has = self.by_reference.get(&issue.url).or_else(|| self.by_reference.get(&issue.short_ref()));
        if let Some(id) = has {
            return id.clone();
        }
        let of_another = self.ids.contains(&issue.id(prefix, false));
        let id = issue.id(prefix, of_another);
        self.ids.insert(id.clone());
        self.by_reference.insert(issue.url.clone(), id.clone());
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_installed_is_told_with_another_way() {
        let told = text("gh", Exec::new("/nowhere/gh").run()).unwrap_err().text();
        insta::assert_snapshot!(told, @"
        error: `gh` is not installed, which asks for the issues
        hint: install it: https://cli.github.com; or take in a file of its JSON: bd import issues.json
        ");
    }
}
