//! What a bead of type Gate waits for, and how long a wisp is kept.

use std::time::Duration as StdDuration;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::common::{Duration, shown};
use crate::kinds::bead_event::is_event_type;

/// What a gate waits for. Beads that need the gate wait with it, and take no slot meanwhile.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = Rule::new("self.type != 'Timer' || has(self.timeout)").message("a timer has a `timeout`"))]
#[x_kube(validation = Rule::new("self.type != 'Bead' || has(self.awaitId)").message("`awaitId` says which bead is waited for"))]
#[x_kube(validation = Rule::new("!(self.type in ['GithubRun', 'GithubPullRequest']) || (has(self.awaitId) && !self.awaitId.startsWith('-'))").message("`awaitId` says which run, workflow or pull request is waited for"))]
#[x_kube(validation = Rule::new("(self.type == 'Condition') == has(self.condition) && (self.type != 'Condition' || has(self.awaitId))").message("`condition` is what a gate of type Condition waits for, and `awaitId` the molecule whose steps it speaks of"))]
#[x_kube(validation = Rule::new("self.type != 'Event' || (has(self.awaitId) && self.awaitId.size() <= 63 && self.awaitId.matches('^[a-z0-9]([-._a-z0-9]*[a-z0-9])?$'))").message("`awaitId` says which type of event is waited for, such as `deploy.done`"))]
#[x_kube(validation = Rule::new("self.type == 'Event' || !has(self.target)").message("`target` is of a gate of type Event"))]
#[x_kube(validation = Rule::new("(self.type == 'Run') == has(self.run)").message("`run` is the command of a gate of type Run"))]
pub struct Gate {
    /// What sort of thing.
    #[serde(rename = "type")]
    pub type_: GateType,
    /// Which one: the bead; the molecule whose steps a condition speaks of; the type of an event; the number of a run, or the name of its workflow; the number of a pull request, or its address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub await_id: Option<String>,
    /// Of `type: Condition`: what has to hold, such as `steps.complete >= 3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub condition: Option<String>,
    /// Of `type: Event`: whom or what it has to happen to, as the event has it. Default: whomever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub target: Option<String>,
    /// How long it waits, from when it was made. Of a timer, it opens then. Default: for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::common::duration")]
    pub timeout: Option<Duration>,
    /// What happens then, of all but a timer. Default: Escalate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_timeout: Option<OnTimeout>,
    /// Of `type: Run`: shell text that is run until it ends with 0; 78 says that it never will, all else that it has not so far. It
    /// runs in an empty folder, with `GT_GATE`, `GT_RIG`, and `GT_CLONE`: the town's clone of the rig, to be read. Agents may not
    /// write it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16384))]
    pub run: Option<String>,
    /// How long `run`, or the question to GitHub, may take each time; an hour at most. Default: 1m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::common::duration_up_to_an_hour")]
    pub run_timeout: Option<Duration>,
    /// What happens when what is waited for has failed: the command ended with 78, the run on GitHub failed, the pull request was
    /// closed. Default: Escalate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_failure: Option<OnFailure>,
    /// The bead that is open again when a person rejects: a branch back. Default: what waits for the gate is closed, not done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub back_to: Option<String>,
}

impl Gate {
    /// One of this type, of which nothing more is said.
    pub fn new(type_: GateType) -> Self {
        Self {
            type_,
            await_id: None,
            condition: None,
            target: None,
            timeout: None,
            on_timeout: None,
            run: None,
            run_timeout: None,
            on_failure: None,
            back_to: None,
        }
    }

    /// Whether it says what its type needs: what the schema asks for.
    pub fn is_whole(&self) -> bool {
        match self.type_ {
            GateType::Human => true,
            GateType::Timer => self.timeout.is_some(),
            GateType::Bead => self.await_id.is_some(),
            GateType::Condition => self.condition.is_some() && self.await_id.is_some(),
            GateType::Event => self.await_id.as_deref().is_some_and(is_event_type),
            GateType::Run => self.run.is_some(),
            GateType::GithubRun | GateType::GithubPullRequest => {
                self.await_id.as_ref().is_some_and(|id| !id.starts_with('-'))
            }
        }
    }

    /// The name of the bead that it waits for; none where it waits for something else.
    pub fn awaited_bead(&self) -> Option<&String> {
        self.await_id.as_ref().filter(|_| self.type_ == GateType::Bead)
    }
}

/// What sort of thing a gate waits for.
#[derive(Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, JsonSchema)]
pub enum GateType {
    /// A person approves it.
    Human,
    /// A time goes by.
    Timer,
    /// Another bead is closed.
    Bead,
    /// Something is so of the steps of a molecule.
    Condition,
    /// An event of a type is filed, by whomever, in the second in which the gate was made or later.
    Event,
    /// A command ends with 0.
    Run,
    /// A run of GitHub Actions succeeds. The controller asks with GitHub's own program, `gh`.
    GithubRun,
    /// A pull request on GitHub is merged.
    GithubPullRequest,
}

impl GateType {
    /// Whether it opens by what a program says, which is run time and again.
    pub fn asks_a_program(self) -> bool {
        matches!(self, Self::Run | Self::GithubRun | Self::GithubPullRequest)
    }
}

shown!(GateType {
    Human => "Human",
    Timer => "Timer",
    Bead => "Bead",
    Condition => "Condition",
    Event => "Event",
    Run => "Run",
    GithubRun => "GithubRun",
    GithubPullRequest => "GithubPullRequest",
});

/// What happens when what a gate waits for has failed.
#[derive(Serialize, Deserialize, Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, JsonSchema)]
pub enum OnFailure {
    /// A person is told, and decides.
    #[default]
    Escalate,
    /// It is closed as failed.
    Fail,
}

/// What happens when a gate has waited for too long.
#[derive(Serialize, Deserialize, Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, JsonSchema)]
pub enum OnTimeout {
    /// A person is told, and it goes on waiting.
    #[default]
    Escalate,
    /// It opens.
    Open,
    /// It is closed as failed.
    Fail,
}

shown!(OnTimeout { Escalate => "Escalate", Open => "Open", Fail => "Fail" });

/// How long a wisp is kept.
#[derive(Serialize, Deserialize, Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, JsonSchema)]
pub enum WispType {
    /// Six hours.
    Heartbeat,
    /// A day.
    #[default]
    Patrol,
    /// Seven days.
    Recovery,
}

shown!(WispType { Heartbeat => "Heartbeat", Patrol => "Patrol", Recovery => "Recovery" });

impl WispType {
    /// How long, from its last change.
    pub fn kept(self) -> StdDuration {
        let hours = match self {
            Self::Heartbeat => 6,
            Self::Patrol => 24,
            Self::Recovery => 7 * 24,
        };
        StdDuration::from_hours(hours)
    }
}
