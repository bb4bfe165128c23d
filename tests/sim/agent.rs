//! The scripted agent, and all else that behavior decides: durations by a seed, verdicts by a rule, lost news.
//!
//! It does what `manifests/script.sh` does, through the real API: steps in order, a commit for each, then one merge
//! request or the no-changes form.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::BoxFuture;
use gastown::api::Server;
use gastown::world::sim::AgentHandle;
use gastown::world::sim::behavior::Behavior;
use gastown::world::sim::commits::Tree;
use gastown_controllers::world::{Job, exit};
use gastown_crds::bead::{CloseReason, ReworkKind};
use gastown_crds::merge_request::MergeRequestSpec;
use gastown_crds::{Bead, MergeRequest, names};
use kube::api::{Api, ListParams, Patch, PatchParams, PostParams};
use kube::{Client, ResourceExt};
use serde_json::json;

use super::effects::client;

/// What the agent of a bead does.
#[derive(Clone, Copy)]
pub struct Work {
    /// The change, given why the work came back. It may run twice.
    pub change: fn(&mut Tree, Option<ReworkKind>),
    /// The first agents commit this much, and are killed.
    pub dies_after: Option<fn(&mut Tree)>,
    /// How many of them.
    pub deaths: u32,
}

/// The behavior of a town.
pub struct Script {
    pub server: Server,
    pub seed: Option<u64>,
    /// By the bead's object name.
    pub works: BTreeMap<String, Work>,
    /// What a check finds wrong.
    pub finds: fn(&Tree) -> Option<String>,
    /// How many rounds of each setup fail.
    pub setup_fails: u32,
    /// How many rounds of each verification are red.
    pub verify_fails: u32,
    /// No push is taken.
    pub push_refused: bool,
    /// The memory that each agent needs, in bytes.
    pub memory: u64,
}

impl Script {
    /// A number under `below` that belongs to the seed and the text.
    fn draw(&self, what: &str, below: u64) -> u64 {
        let digest = names::digest(&["seed", &self.seed.unwrap_or(0).to_string(), what]);
        u64::from_str_radix(&digest[..12], 16).unwrap() % below
    }
}

impl Behavior for Script {
    fn takes(&self, what: &str) -> Duration {
        match self.seed {
            None => Duration::from_secs(1),
            Some(_) => Duration::from_millis(10 + self.draw(what, 20_000)),
        }
    }

    fn ends(&self, job: &Job, tree: Option<&Tree>) -> (i32, String) {
        match job {
            Job::Verify { round, .. } if *round <= self.verify_fails => (exit::FAILED, "no network".to_owned()),
            Job::Verify { tree: name, round, .. } => {
                let odd = self.seed.filter(|_| *round == 1).map(|_| self.draw(&name.0, 8));
                match (odd, (self.finds)(tree.unwrap())) {
                    (Some(0), _) => (exit::UNABLE, "out of time".to_owned()),
                    (Some(1), None) => (exit::FAILED, "a flaky test".to_owned()),
                    (_, Some(log)) => (exit::FAILED, log),
                    _ => (exit::OK, String::new()),
                }
            }
            Job::Gate { round: 1, .. } => (exit::FAILED, "not yet".to_owned()),
            Job::Push { .. } if self.push_refused => (exit::PROTECTED, "protected".to_owned()),
            Job::Setup { round, .. } if *round <= self.setup_fails => (exit::FAILED, "no such package".to_owned()),
            _ => (exit::OK, String::new()),
        }
    }

    fn delay_of(&self, what: &str) -> Option<Duration> {
        match self.seed.map(|_| self.draw(&format!("tells {what}"), 10)) {
            Some(0) => None,
            Some(n) if n < 4 => Some(Duration::from_millis(self.draw(&format!("late {what}"), 5_000))),
            _ => Some(Duration::ZERO),
        }
    }

    fn memory_of(&self, _: &str) -> u64 {
        self.memory
    }

    fn agent(&self, handle: AgentHandle) -> BoxFuture<'static, i32> {
        let spec = &handle.spec;
        let actor = spec.variable("GT_ACTOR").expect("an agent knows who it is").to_owned();
        let client = client(&self.server, Some(&actor), None);
        let work = self.works[&spec.owner.name];
        let takes = self.takes(&format!("agent/{}/{}", spec.owner.name, spec.attempt));
        Box::pin(async move { session(&handle, &client, work, takes, &actor).await.unwrap_or(1) })
    }
}

async fn session(handle: &AgentHandle, client: &Client, work: Work, takes: Duration, actor: &str) -> kube::Result<i32> {
    let beads: Api<Bead> = Api::default_namespaced(client.clone());
    let (bead, base) = (&handle.spec.owner.name, handle.spec.variable("GT_BASE").unwrap_or_default());
    let rework = handle.spec.rework.as_ref().map(|(kind, _)| *kind);
    loop {
        let steps = ready_steps(&beads, bead).await?;
        if steps.is_empty() {
            break;
        }
        for step in steps {
            tokio::time::sleep(takes).await;
            // The step that needs no other is the one that changes something.
            if step.spec.needs.is_empty() {
                if let Some(half) = work.dies_after.filter(|_| handle.spec.attempt <= work.deaths) {
                    handle.edit(half);
                    handle.commit("half of it");
                    return Ok(137);
                }
                handle.edit(|tree| (work.change)(tree, rework));
            }
            handle.commit(&format!("{} ({bead})", step.spec.title));
            close(&beads, &step.name_any(), CloseReason::Done, actor).await?;
        }
    }
    tokio::time::sleep(takes).await;
    let head = handle.head().expect("a session has a branch");
    if head.0 == base {
        handle.give_up();
        close(&beads, bead, CloseReason::NoChanges, actor).await?;
    } else {
        handle.hand_in();
        let name = names::merge_request(bead, &handle.spec.owner.uid, &head.0, handle.spec.attempt);
        let spec = MergeRequestSpec {
            bead: bead.clone(),
            rig: handle.spec.variable("GT_RIG").unwrap_or_default().to_owned(),
            polecat: handle.polecat().to_owned(),
            head: head.0,
            base: base.to_owned(),
            attempt: handle.spec.attempt,
        };
        let requests: Api<MergeRequest> = Api::default_namespaced(client.clone());
        match requests.create(&PostParams::default(), &MergeRequest::new(&name, spec)).await {
            Err(kube::Error::Api(status)) if status.reason == "AlreadyExists" => {}
            other => drop(other?),
        }
    }
    tokio::time::sleep(takes).await;
    Ok(0)
}

async fn ready_steps(beads: &Api<Bead>, bead: &str) -> kube::Result<Vec<Bead>> {
    let steps = beads.list(&ListParams::default().fields(&format!("spec.parent={bead}"))).await?.items;
    let is_open = |name: &String| steps.iter().any(|s| s.name_any() == *name && s.spec.closed.is_none());
    let ready = |step: &&Bead| step.spec.closed.is_none() && !step.spec.needs.iter().any(is_open);
    Ok(steps.iter().filter(ready).cloned().collect())
}

async fn close(beads: &Api<Bead>, name: &str, reason: CloseReason, by: &str) -> kube::Result<()> {
    // The API's own clock would do; a step's end is compared by nobody.
    let closed = json!({ "reason": reason, "at": "2026-01-01T00:00:00Z", "by": by });
    let patch = json!({ "spec": { "assignee": null, "closed": closed } });
    beads.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await.map(drop)
}
