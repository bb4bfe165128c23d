//! What an object has to do with: a convoy its beads, a bead its attempts and merge requests, a rig its queue.

use gastown_crds::bead::BeadType;
use gastown_crds::common::{LABEL_BEAD, LABEL_CONVOY, condition, types};
use gastown_crds::{Bead, MergeRequest, Polecat, Rig};
use jiff::Timestamp;
use kube::ResourceExt;
use kube::api::DynamicObject;

use crate::cli::age::age;
use crate::cli::context::Link;
use crate::cli::error::CliError;
use crate::cli::kinds::Kind;
use crate::cli::table::{Table, plain};
use crate::town::Town;
use crate::world::records::Records;
use gastown_controllers::world::{Run, RunState};

/// The sections of a kind: a title and a body.
pub async fn sections(
    kind: &Kind,
    object: &DynamicObject,
    town: &Town,
    link: &Link,
    now: Timestamp,
) -> Result<Vec<(String, Table)>, CliError> {
    let name = object.name_any();
    Ok(match kind.name {
        "Convoy" => {
            let all = link.all::<Bead>().await?;
            let wanted = |bead: &&Bead| bead.labels().get(LABEL_CONVOY) == Some(&name);
            let made = beads_of_convoy(all.iter().filter(wanted).filter(|bead| bead.spec.type_ != BeadType::Step));
            vec![("Beads".into(), if made.is_empty() { declared_beads(object) } else { made })]
        }
        "Bead" => of_bead(object, town, link, now).await?,
        "Rig" => {
            let requests = link.all::<MergeRequest>().await?;
            let polecats = link.all::<Polecat>().await?;
            let open = |request: &&MergeRequest| {
                request.spec.rig == name && !request.status.as_ref().is_some_and(|status| status.state.is_final())
            };
            vec![
                ("Queue".into(), merge_requests(requests.iter().filter(open), now)),
                ("Polecats".into(), polecats_table(polecats.iter().filter(|polecat| polecat.spec.rig == name))),
            ]
        }
        "Polecat" => {
            let bead = object.data.pointer("/status/bead").and_then(serde_json::Value::as_str);
            let bead = match bead {
                Some(bead) => link.typed::<Bead>().get_opt(bead).await?,
                None => None,
            };
            vec![("Bead".into(), beads(bead.iter()))]
        }
        "Town" => {
            let rigs = link.all::<Rig>().await?;
            vec![("Rigs".into(), rigs_table(&rigs))]
        }
        _ => Vec::new(),
    })
}

async fn of_bead(
    object: &DynamicObject,
    town: &Town,
    link: &Link,
    now: Timestamp,
) -> Result<Vec<(String, Table)>, CliError> {
    let name = object.name_any();
    let all = link.all::<Bead>().await?;
    let requests = link.all::<MergeRequest>().await?;
    let this = all.iter().find(|bead| bead.name_any() == name);
    let needs = this.map(|bead| bead.spec.needs.clone()).unwrap_or_default();
    let runs = attempts(town, &name, &object.uid().unwrap_or_default());
    Ok(vec![
        ("Needs".into(), beads(all.iter().filter(|bead| needs.contains(&bead.name_any())))),
        ("Needed by".into(), beads(all.iter().filter(|bead| bead.spec.needs.contains(&name)))),
        ("Steps".into(), beads(all.iter().filter(|bead| bead.spec.parent.as_deref() == Some(&name)))),
        ("Attempts".into(), runs),
        ("Merge requests".into(), merge_requests(requests.iter().filter(|request| request.spec.bead == name), now)),
    ])
}

/// The attempts at a bead, as far as this machine has their record.
fn attempts(town: &Town, bead: &str, uid: &str) -> Table {
    let runs: Vec<Run> = Records::of(&town.layout).attempts(uid);
    if runs.is_empty() {
        return Table::default();
    }
    let mut table = Table::new(["ATTEMPT", "STATE", "OUTPUT"]);
    for run in runs {
        let state = match &run.state {
            RunState::Intended => "not started".to_owned(),
            RunState::Running => "running".to_owned(),
            RunState::Ended(end) if end.own => format!("ended with {}", end.code),
            RunState::Ended(_) => "ended by the town".to_owned(),
            RunState::Lost { .. } => "lost with its machine or tmux".to_owned(),
        };
        let log = format!("gt logs bead/{bead} --attempt {}", run.attempt);
        table.row([run.attempt.to_string(), state, log]);
    }
    table
}

fn beads<'a>(beads: impl Iterator<Item = &'a Bead>) -> Table {
    let mut table = Table::new(["NAME", "STATE", "REASON", "POLECAT", "ATTEMPTS", "TITLE"])
        .fitting(&["TITLE"], &["ATTEMPTS", "POLECAT"]);
    beads.for_each(|bead| table.row(row(bead)));
    table
}

fn row(bead: &Bead) -> [String; 6] {
    let status = bead.status.clone().unwrap_or_default();
    let reason = condition(&status.conditions, types::READY).map(|ready| ready.reason.clone());
    [
        bead.name_any(),
        format!("{:?}", status.state),
        reason.unwrap_or_else(|| "-".into()),
        bead.spec.assignee.as_ref().map_or_else(|| "-".into(), |assignee| assignee.polecat.clone()),
        status.attempts.to_string(),
        bead.spec.title.clone(),
    ]
}

/// The same by what their convoy calls them.
fn beads_of_convoy<'a>(beads: impl Iterator<Item = &'a Bead>) -> Table {
    let mut table = Table::new(["NAME", "BEAD", "STATE", "REASON", "POLECAT", "ATTEMPTS", "TITLE"])
        .fitting(&["TITLE"], &["ATTEMPTS", "POLECAT"]);
    for bead in beads {
        let called = bead.labels().get(LABEL_BEAD).map_or("-", String::as_str);
        table.row([&[called.to_owned()], &row(bead)[..]].concat());
    }
    table
}

/// The beads of a convoy that nobody has looked at yet.
fn declared_beads(convoy: &DynamicObject) -> Table {
    let Ok(spec) = serde_json::from_value::<gastown_crds::ConvoySpec>(convoy.data["spec"].clone()) else {
        return Table::default();
    };
    let mut table = Table::new(["BEAD", "RIG", "NEEDS", "TITLE"]).fitting(&["TITLE", "NEEDS"], &[]);
    for bead in &spec.beads {
        let rig = bead.rig.as_ref().or(spec.rig.as_ref()).map_or("-", String::as_str);
        let needs = if bead.needs.is_empty() { "-".to_owned() } else { bead.needs.join(",") };
        table.row([&bead.name, rig, &needs, &bead.title]);
    }
    table
}

fn merge_requests<'a>(requests: impl Iterator<Item = &'a MergeRequest>, now: Timestamp) -> Table {
    let mut table = Table::new(["NAME", "STATE", "REASON", "ATTEMPT", "HEAD", "AGE", "MESSAGE"])
        .fitting(&["MESSAGE"], &["HEAD", "AGE", "ATTEMPT"]);
    for request in requests {
        let status = request.status.clone().unwrap_or_default();
        let merged = condition(&status.conditions, types::MERGED);
        let created = request.metadata.creation_timestamp.as_ref();
        table.row([
            request.name_any(),
            format!("{:?}", status.state),
            merged.map_or_else(|| "-".into(), |merged| merged.reason.clone()),
            request.spec.attempt.to_string(),
            request.spec.head.get(..9).unwrap_or(&request.spec.head).to_owned(),
            created.map_or_else(|| "-".into(), |created| age(now, created.0)),
            merged.map(|merged| plain(&merged.message)).filter(|text| !text.is_empty()).unwrap_or_else(|| "-".into()),
        ]);
    }
    table
}

fn polecats_table<'a>(polecats: impl Iterator<Item = &'a Polecat>) -> Table {
    let mut table = Table::new(["NAME", "STATE", "BEAD", "ATTEMPT"]);
    for polecat in polecats {
        let status = polecat.status.clone().unwrap_or_default();
        table.row([
            polecat.name_any(),
            format!("{:?}", status.state),
            status.bead.unwrap_or_else(|| "-".into()),
            status.attempt.map_or_else(|| "-".into(), |attempt| attempt.to_string()),
        ]);
    }
    table
}

fn rigs_table(rigs: &[Rig]) -> Table {
    let mut table = Table::new(["NAME", "READY", "BRANCH", "QUEUE"]);
    for rig in rigs {
        let status = rig.status.clone().unwrap_or_default();
        let ready = condition(&status.conditions, types::READY);
        table.row([
            rig.name_any(),
            ready.map_or_else(|| "-".into(), |ready| ready.reason.clone()),
            status.branch.unwrap_or_else(|| "-".into()),
            status.queued.to_string(),
        ]);
    }
    table
}
