//! The sessions that worked on a bead, for people and for programs.

use std::fmt::Write as _;

use gastown_base::text::{escaped, visible};
use gastown_controllers::world::{Attempt, AttemptState};
use gastown_crds::bead::Handoff;
use jiff::Timestamp;
use kube::ResourceExt;
use serde::Serialize;

use super::{Format, History};
use crate::context::Answer;

/// As many characters of a conversation's id tell it from others on one screen.
const ID_CHARS: usize = 8;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row<'a> {
    bead: String,
    attempt: u32,
    runtime: Option<&'a str>,
    conversation: Option<&'a str>,
    began: Option<Timestamp>,
    ended: Option<Timestamp>,
    how: String,
    handoff: Option<&'a Handoff>,
}

/// The list.
pub(super) fn shown(histories: &[History], format: Option<Format>) -> Answer {
    match format {
        Some(Format::Json) => {
            let rows: Vec<Row<'_>> = histories.iter().flat_map(rows).collect();
            let text = serde_json::to_string_pretty(&rows).expect("it is made of texts and numbers");
            Answer::out(escaped(text) + "\n")
        }
        None => text(histories),
    }
}

fn rows(history: &History) -> impl Iterator<Item = Row<'_>> {
    history.attempts.iter().zip(&history.began).map(move |(run, began)| {
        let conversation = run.conversation.as_ref();
        Row {
            bead: history.bead.name_any(),
            attempt: run.attempt,
            runtime: run.runtime.as_deref(),
            conversation: conversation.map(|it| &*it.id),
            began: *began,
            ended: if let AttemptState::Ended(end) = &run.state { Some(end.at) } else { None },
            how: how(history, run),
            handoff: history.bead.spec.handoff_of(run.attempt),
        }
    })
}

fn text(histories: &[History]) -> Answer {
    let mut out = String::new();
    for history in histories.iter().filter(|history| !history.attempts.is_empty()) {
        let bead = history.bead.name_any();
        let _never_fails = writeln!(out, "{bead}: {}", history.bead.spec.title);
        for Row { attempt, runtime, conversation, began, how, .. } in rows(history) {
            let began = began.map_or_else(|| "-".to_owned(), |at| at.strftime("%Y-%m-%d %H:%M").to_string());
            let id: String = conversation.unwrap_or("-").chars().take(ID_CHARS).collect();
            let _never_fails =
                writeln!(out, "  {attempt:<3} {:<16} {began:<16}  {id:<8}  {how}", runtime.unwrap_or("-"));
        }
    }
    if out.is_empty() {
        return Answer { note: "no earlier session is there to be asked\n".to_owned(), ..Answer::default() };
    }
    let note = "ask one:  gt seance BEAD [--attempt N] \"...\"\n".to_owned();
    Answer { out: visible(&out), note, code: 0 }
}

/// How an attempt ended, in a few words.
fn how(history: &History, run: &Attempt) -> String {
    let spec = &history.bead.spec;
    if history.handed_in.contains(&run.attempt) {
        return "handed in".to_owned();
    }
    if let Some(handoff) = spec.handoff_of(run.attempt) {
        return format!("handed off: {}", handoff.subject);
    }
    if let Some(question) = spec.questions.iter().rev().find(|question| question.attempt == run.attempt) {
        let text = question.text.lines().next().unwrap_or_default();
        return format!("{}: {text}", if question.stuck { "stuck" } else { "asked" });
    }
    match &run.state {
        AttemptState::Intended => "not begun".to_owned(),
        AttemptState::Running => "at work".to_owned(),
        AttemptState::Lost { .. } => "lost with its machine".to_owned(),
        AttemptState::Ended(end) if !end.own => "ended by the town".to_owned(),
        AttemptState::Ended(end) => format!("ended with {}", end.code),
    }
}
