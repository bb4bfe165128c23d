//! The Messages API of Anthropic, streamed, as Claude Code asks it, and OpenCode.

use std::sync::Arc;

use super::{Bytes, Line, Response, Shared, State, Value, events, json, mark, marked, read, refusal};

/// What the ids of our calls begin with.
const CALL: &str = "toolu_line";

/// What a model is told of a call that is refused for good.
const TOLD: &str = "put to a person";

/// The tool that runs shell text: that of Claude Code, and that of OpenCode.
const SHELLS: [&str; 2] = ["Bash", "bash"];

pub async fn answer(State(shared): State<Arc<Shared>>, body: Bytes) -> Response {
    let body = read(&body);
    let has =
        |name: &&str| body["tools"].as_array().is_some_and(|tools| tools.iter().any(|tool| tool["name"] == **name));
    let shell = SHELLS.iter().find(|name| has(name));
    let last = body["messages"].as_array().and_then(|all| all.last()).map(Value::to_string).unwrap_or_default();
    let summary = super::summary(last.contains("block followed by a <summary> block"), done(&body));
    let answer = shared.answer(&body);
    // Titles and the like are asked for without tools.
    let line = if summary.is_some() || answer.is_some() {
        shared.note("messages", &body);
        None
    } else if shell.is_some() {
        shared.note("messages", &body);
        shared.next(done(&body))
    } else {
        None
    };
    let tokens = shared.tokens(line.as_ref());
    let (block, delta, why) = match line {
        Some((number, Line::Run(command) | Line::Full(command))) => {
            let id = format!("{CALL}{number}_{}", shared.played.lock().unwrap().len());
            let input = json!({"command": command, "description": "the next line"}).to_string();
            let block = json!({"type": "tool_use", "id": id, "name": shell, "input": {}});
            (block, json!({"type": "input_json_delta", "partial_json": input}), "tool_use")
        }
        Some((number, Line::Call(tool, input))) => {
            let id = format!("{CALL}{number}_{}", shared.played.lock().unwrap().len());
            let block = json!({"type": "tool_use", "id": id, "name": tool, "input": {}});
            (block, json!({"type": "input_json_delta", "partial_json": input.to_string()}), "tool_use")
        }
        Some((_, Line::Refuse(status, kind))) => return refusal(status, kind),
        said => {
            let text = match said {
                Some((number, Line::Say(text))) => format!("{} {text}", mark(number)),
                _ => match (summary, answer) {
                    (Some(summary), _) => format!("<analysis>All of it.</analysis><summary>{summary}</summary>"),
                    (None, answer) => answer.unwrap_or("That is all.").to_owned(),
                },
            };
            (json!({"type": "text", "text": ""}), json!({"type": "text_delta", "text": text}), "end_turn")
        }
    };
    // Messages of one id are one to Claude Code.
    let id = format!("msg_{}", shared.asked.lock().unwrap().len());
    events(&[
        json!({"type": "message_start", "message": {
            "id": id, "type": "message", "role": "assistant", "model": body["model"], "content": [],
            "stop_reason": null, "stop_sequence": null, "usage": {"input_tokens": tokens, "output_tokens": 1},
        }}),
        json!({"type": "content_block_start", "index": 0, "content_block": block}),
        json!({"type": "content_block_delta", "index": 0, "delta": delta}),
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "message_delta", "delta": {"stop_reason": why, "stop_sequence": null}, "usage": {"output_tokens": 20}}),
        json!({"type": "message_stop"}),
    ])
}

/// The lines that the conversation has: those whose command ended, and those that were said.
fn done(body: &Value) -> impl Iterator<Item = usize> {
    let messages = body["messages"].as_array().into_iter().flatten();
    let blocks = messages.flat_map(|message| message["content"].as_array().into_iter().flatten());
    blocks.filter_map(|block| match block["type"].as_str()? {
        "tool_result" if block["is_error"] != true || block.to_string().contains(TOLD) => {
            block["tool_use_id"].as_str()?.strip_prefix(CALL)?.split_once('_')?.0.parse().ok()
        }
        // Of a summary it is within.
        "text" => {
            let text = block["text"].as_str()?;
            marked(text).or_else(|| marked(&text[text.find("Summary:\n")? + "Summary:\n".len()..]))
        }
        _ => None,
    })
}
