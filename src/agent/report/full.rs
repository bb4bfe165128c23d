//! A context that is full, where the work is to be handed off then.

use std::path::Path;

use gastown_connect::actor::variable;
use gastown_world::records::{Activity, Doing, Reports};
use jiff::Timestamp;
use serde_json::json;

use super::super::context::{Answer, actor, connected};
use super::super::error::Error;
use super::super::session::Session;
use super::super::work::load;
use super::super::worktree::Worktree;
use super::super::{handoff, pressure};
use super::{Report, activity, kept};

/// The context is full, and the work is to be handed off then: the note is written, and the conversation is not made shorter, as it
/// is not needed any more. Where the note cannot be written, it goes on as it would without.
pub fn hand_off(
    report: &Report,
    reports: &Reports,
    before: Option<&Activity>,
    now: Timestamp,
    town: Option<&Path>,
) -> Result<Answer, Error> {
    let mut answer = Answer::default();
    kept(reports.put_activity(&activity(before, now, Doing::Busy, None)), &mut answer);
    let Some(session) = Session::current()? else { return Ok(answer) };
    let words = report.transcript_path.as_deref().and_then(pressure::last_words);
    // Looked at before connecting: the store is never held across git.
    let worktree = variable("GT_WORKTREE").and_then(|it| Worktree::look(Path::new(&it), &session.base).ok());
    let written = connected(town, &actor(), async |context| {
        let Some(work) = load(context, &session.bead, &session.polecat_object()).await? else {
            return Ok(Answer { code: 1, ..Answer::default() });
        };
        let note = pressure::note(&work, worktree.as_ref(), words.as_deref());
        let head = worktree.as_ref().map(|it| it.head.as_str());
        handoff::of_session(&session, &note, head, context).await.map(|_| Answer::default())
    });
    match written {
        Ok(Answer { code: 0, note, .. }) => {
            let why = "the context is full: this session was handed off to another";
            // Neither program understands the other's answer.
            let stops = match variable("GT_DIALECT").as_deref() {
                Some("Codex") => json!({"continue": false, "stopReason": why}),
                _ => json!({"decision": "block", "reason": why}),
            };
            answer.out = stops.to_string();
            answer.note.push_str(&note);
        }
        Ok(_) => {}
        Err(error) => answer.note.push_str(&error.text()),
    }
    Ok(answer)
}
