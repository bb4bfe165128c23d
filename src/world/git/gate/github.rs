//! What `gh` is asked, and what its answer says of a gate: a run or a pull request.

use gastown_controllers::world::{GateQuestion, exit};
use jiff::Timestamp;
use serde::Deserialize;

use super::unable;
use crate::git::failure::Failure;

/// Runs of a workflow that are looked at: the newest.
const RUNS_MAX: &str = "20";

/// A question to `gh`.
#[derive(Debug, PartialEq)]
pub(super) struct Asked {
    /// The arguments of `gh`.
    pub args: Vec<String>,
    about: About,
}

#[derive(Debug, PartialEq)]
enum About {
    Run(String),
    Workflow(String, Timestamp),
    PullRequest,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Run {
    #[serde(default)]
    database_id: u64,
    #[serde(default)]
    status: String,
    #[serde(default)]
    conclusion: Option<String>,
    #[serde(default)]
    created_at: Option<Timestamp>,
}

#[derive(Deserialize)]
struct PullRequest {
    state: String,
    number: u64,
}

impl Asked {
    /// How to ask; refused where nothing of GitHub's is named so.
    pub fn of(question: &GateQuestion) -> Result<Self, Failure> {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        match question {
            GateQuestion::GithubRun { id, .. } if id.bytes().all(|it| it.is_ascii_digit()) => {
                let args = words(&format!("run view {id} --json databaseId,status,conclusion"));
                Ok(Self { args, about: About::Run(id.clone()) })
            }
            GateQuestion::GithubRun { id, since } => {
                let mut args = words("run list --json databaseId,status,conclusion,createdAt --limit");
                args.push(RUNS_MAX.to_owned());
                args.push(format!("--workflow={id}"));
                Ok(Self { args, about: About::Workflow(id.clone(), *since) })
            }
            GateQuestion::GithubPullRequest { id } => {
                let id = id.trim_start_matches('#');
                let is_number = id.bytes().all(|it| it.is_ascii_digit()) && !id.is_empty();
                let is_address = id.starts_with("https://") && id.contains("/pull/");
                if !is_number && !is_address {
                    let message = format!("`{id}` is no pull request: give its number, or its https address");
                    return Err(Failure { code: exit::CONFIG, message });
                }
                let args = ["pr", "view", id, "--json", "state,number"].map(str::to_owned).into();
                Ok(Self { args, about: About::PullRequest })
            }
            GateQuestion::Command { .. } => Err(unable("a command is no question to GitHub".to_owned())),
        }
    }

    /// What the answer says. Ok: why the gate opens.
    pub fn judge(&self, answer: &str) -> Result<String, Failure> {
        let wrong = |error: serde_json::Error| unable(format!("`gh` gave an answer that cannot be read: {error}"));
        match &self.about {
            About::Run(id) => judge_run(&format!("run {id}"), &serde_json::from_str(answer).map_err(wrong)?),
            About::Workflow(name, since) => {
                let runs: Vec<Run> = serde_json::from_str(answer).map_err(wrong)?;
                // GitHub says whole seconds.
                let counts = |run: &&Run| run.created_at.is_some_and(|at| at.as_second() >= since.as_second());
                match runs.iter().filter(counts).max_by_key(|run| (run.created_at, run.database_id)) {
                    Some(run) => judge_run(&format!("run {} of {name}", run.database_id), run),
                    None => Err(not_yet(format!("{name} has not been run since {since}"))),
                }
            }
            About::PullRequest => {
                let PullRequest { state, number } = serde_json::from_str(answer).map_err(wrong)?;
                match state.as_str() {
                    "MERGED" => Ok(format!("pull request {number} is merged")),
                    "CLOSED" => Err(failed(format!("pull request {number} was closed without being merged"))),
                    other => Err(not_yet(format!("pull request {number} is {}", other.to_lowercase()))),
                }
            }
        }
    }
}

/// `skipped` opens, as in Beads: what did not have to run holds nothing up.
fn judge_run(what: &str, run: &Run) -> Result<String, Failure> {
    if run.status != "completed" {
        return Err(not_yet(format!("{what} is {}", run.status.replace('_', " "))));
    }
    match run.conclusion.as_deref().unwrap_or_default() {
        "success" => Ok(format!("{what} succeeded")),
        "skipped" => Ok(format!("{what} was skipped")),
        other => Err(failed(format!("{what} ended with {}", other.replace('_', " ")))),
    }
}

fn not_yet(message: String) -> Failure {
    Failure { code: exit::FAILED, message }
}

fn failed(message: String) -> Failure {
    Failure { code: exit::CONFIG, message }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(question: &GateQuestion, answer: &str) -> (i32, String) {
        let judged = Asked::of(question).and_then(|asked| asked.judge(answer));
        judged.map_or_else(|failure| (failure.code, failure.message), |why| (exit::OK, why))
    }

    fn run(id: &str) -> GateQuestion {
        GateQuestion::GithubRun { id: id.into(), since: "2026-01-01T00:00:00Z".parse().unwrap() }
    }

    #[test]
    fn a_run_opens_waits_or_fails_by_its_conclusion() {
        let of = |status: &str, conclusion: &str| {
            let answer = format!(r#"{{"databaseId":9,"status":"{status}","conclusion":"{conclusion}"}}"#);
            let (code, said) = says(&run("9"), &answer);
            format!("{code} {said}")
        };
        let all = [("in_progress", ""), ("completed", "success"), ("completed", "skipped"), ("completed", "timed_out")];
        let expected =
            ["1 run 9 is in progress", "0 run 9 succeeded", "0 run 9 was skipped", "78 run 9 ended with timed out"];
        assert_eq!(all.map(|(status, conclusion)| of(status, conclusion)), expected);
    }

    #[test]
    fn of_a_workflow_the_newest_run_since_the_gate_was_made_counts() {
        let old = r#"{"databaseId":1,"status":"completed","conclusion":"failure","createdAt":"2025-12-31T23:59:59Z"}"#;
        let new = r#"{"databaseId":2,"status":"completed","conclusion":"failure","createdAt":"2026-01-01T00:00:00Z"}"#;
        let last = r#"{"databaseId":3,"status":"completed","conclusion":"success","createdAt":"2026-01-01T00:01:00Z"}"#;
        let (code, said) = says(&run("ci.yml"), &format!("[{old}]"));
        assert_eq!((code, &*said), (exit::FAILED, "ci.yml has not been run since 2026-01-01T00:00:00Z"));
        assert_eq!(says(&run("ci.yml"), &format!("[{new},{old}]")).0, exit::CONFIG);
        let opens = (exit::OK, "run 3 of ci.yml succeeded".to_owned());
        assert_eq!(says(&run("ci.yml"), &format!("[{old},{last},{new}]")), opens);
    }

    #[test]
    fn a_pull_request_opens_when_merged_and_fails_when_closed() {
        let of = |state: &str| {
            let id = "https://github.com/acme/shop/pull/7".to_owned();
            says(&GateQuestion::GithubPullRequest { id }, &format!(r#"{{"state":"{state}","number":7}}"#)).0
        };
        assert_eq!(["OPEN", "MERGED", "CLOSED"].map(of), [exit::FAILED, exit::OK, exit::CONFIG]);
    }

    #[test]
    fn nothing_that_is_named_can_be_an_option_of_the_program() {
        let args =
            |question: &GateQuestion| Asked::of(question).map(|asked| asked.args).map_err(|failure| failure.code);
        assert!(args(&run("-R evil/repo")).unwrap().contains(&"--workflow=-R evil/repo".to_owned()));
        assert_eq!(args(&GateQuestion::GithubPullRequest { id: "--web".into() }), Err(exit::CONFIG));
    }
}
