//! `bd doctor`: what is wrong between beads: circles, needs and parents that are not there, epics that could be closed.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use clap::Args;
use gastown_agent::context::{Answer, Context};
use gastown_agent::error::Error;
use gastown_base::text::counted;
use gastown_beads::slim::Slim;
use gastown_crds::bead::BeadType;
use serde_json::json;

use super::circles::{Tie, Ties};
use super::print;
use super::scan::{Query, scan};

/// Look for what is wrong between beads; the town itself is looked at by gt doctor
#[derive(Debug, Clone, Args)]
pub struct DoctorArgs {}

/// Runs `bd doctor`: ends with 1 where something is wrong.
pub async fn doctor(_: &DoctorArgs, json: bool, context: &Context) -> Result<Answer, Error> {
    let mut all: BTreeMap<String, Slim> = BTreeMap::new();
    scan(context, &Query::default(), |slim| {
        all.insert(slim.metadata.name.clone(), slim);
        Ok(ControlFlow::Continue(()))
    })
    .await?;
    let open: Vec<&Slim> = all.values().filter(|bead| !bead.is_closed()).collect();
    let mut findings: Vec<(&str, String, String)> = Vec::new();
    let mut ties = Ties::default();
    for bead in &open {
        ties.put_slim(bead);
    }
    for circle in ties.circles() {
        let what = match circle.tie {
            Tie::Waits => "wait for",
            Tie::Part => "are parts of",
        };
        let message = format!("beads {what} each other: {}", circle.shown());
        findings.push(("error", message, "bd dep remove ID ON".to_owned()));
    }
    for bead in &open {
        let name = &bead.metadata.name;
        for need in bead.spec.needs.iter().filter(|need| !all.contains_key(*need)) {
            let hint = format!("bd dep remove {name} {need}");
            findings.push((
                "warning",
                format!("{name} needs {need}, which does not exist and so does not block"),
                hint,
            ));
        }
        if let Some(parent) = bead.spec.parent.as_ref().filter(|parent| !all.contains_key(*parent)) {
            findings.push((
                "warning",
                format!("{name} is a part of {parent}, which does not exist"),
                format!("bd update {name} --parent \"\""),
            ));
        }
        if bead.spec.type_ == BeadType::Epic {
            let mut parts = all.values().filter(|it| it.spec.parent.as_ref() == Some(name)).peekable();
            if parts.peek().is_some() && parts.all(Slim::is_closed) {
                findings.push(("info", format!("all parts of {name} are closed"), "bd epic close-eligible".to_owned()));
            }
        }
    }
    let is_wrong = findings.iter().any(|(level, ..)| *level == "error");
    let out = if json {
        let checks: Vec<_> = findings
            .iter()
            .map(|(level, message, fix)| json!({ "level": level, "message": message, "fix": fix }))
            .collect();
        print::object(&json!({ "ok": !is_wrong, "findings": checks, "issues": all.len() }))
    } else if findings.is_empty() {
        format!("✓ {}, nothing wrong between them\n", counted(all.len(), "bead"))
    } else {
        findings.iter().map(|(level, message, fix)| format!("{level}: {message}\n    {fix}\n")).collect()
    };
    Ok(Answer { out, note: String::new(), code: u8::from(is_wrong) })
}
