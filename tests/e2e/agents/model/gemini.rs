//! The Gemini API of Google, streamed, as Gemini CLI asks it.

use std::sync::Arc;

use axum::http::{StatusCode, header};
use axum::response::IntoResponse;

use super::{Bytes, Line, Response, Shared, State, Value, json, mark, marked, read, refusal};

/// What the ids of our calls begin with; the program may put something before them.
const CALL: &str = "call_line";

/// The tool that runs shell text.
const SHELL: &str = "run_shell_command";

pub async fn answer(State(shared): State<Arc<Shared>>, body: Bytes) -> Response {
    let body = read(&body);
    let tools = body["tools"].as_array().into_iter().flatten();
    let mut functions = tools.flat_map(|tool| tool["functionDeclarations"].as_array().into_iter().flatten());
    // Summaries and the like are asked for without tools.
    let line = if functions.any(|function| function["name"] == SHELL) {
        shared.note("gemini", &body);
        shared.next(done(&body))
    } else {
        None
    };
    let part = match line {
        Some((number, Line::Run(command) | Line::Full(command))) => {
            let id = format!("{CALL}{number}_{}", shared.played.lock().unwrap().len());
            json!({"functionCall": {"id": id, "name": SHELL, "args": {"command": command, "description": "the next line"}}})
        }
        Some((number, Line::Call(tool, input))) => {
            let id = format!("{CALL}{number}_{}", shared.played.lock().unwrap().len());
            json!({"functionCall": {"id": id, "name": tool, "args": input}})
        }
        Some((_, Line::Refuse(status, kind))) => return refusal(status, kind),
        Some((number, Line::Say(text))) => json!({"text": format!("{} {text}", mark(number))}),
        // It has no tool to ask with.
        None => json!({"text": "That is all."}),
    };
    let chunk = json!({
        "candidates": [{"index": 0, "finishReason": "STOP", "content": {"role": "model", "parts": [part]}}],
        "usageMetadata": {"promptTokenCount": 100, "candidatesTokenCount": 20, "totalTokenCount": 120},
    });
    (StatusCode::OK, [(header::CONTENT_TYPE, "text/event-stream")], format!("data: {chunk}\n\n")).into_response()
}

/// The lines that the conversation has: those whose command ended, and those that were said.
fn done(body: &Value) -> impl Iterator<Item = usize> {
    let contents = body["contents"].as_array().into_iter().flatten();
    let parts = contents.flat_map(|content| content["parts"].as_array().into_iter().flatten());
    parts.filter_map(|part| {
        let ended = &part["functionResponse"];
        let said = part["text"].as_str();
        let of_call = |id: &str| id.split_once(CALL)?.1.split_once('_')?.0.parse().ok();
        said.and_then(marked)
            .or_else(|| ended["id"].as_str().filter(|_| ended["response"]["error"].is_null()).and_then(of_call))
    })
}
