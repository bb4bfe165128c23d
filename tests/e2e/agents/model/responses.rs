//! The Responses API of OpenAI, streamed, as Codex asks it.

use std::sync::Arc;

use super::{Bytes, Line, Response, Shared, State, Value, events, json, mark, marked, read, refusal};

/// What the ids of our calls begin with.
const CALL: &str = "call_line";

pub async fn answer(State(shared): State<Arc<Shared>>, body: Bytes) -> Response {
    let body = read(&body);
    let last = items(&body).last().map(Value::to_string).unwrap_or_default();
    let summary = super::summary(last.contains("helping the next LLM seamlessly continue the work"), done(&body));
    let answer = shared.answer(&body);
    // A title is asked for by its schema.
    let line = if body["text"]["format"].is_object() {
        None
    } else if summary.is_some() || answer.is_some() {
        shared.note("responses", &body);
        None
    } else {
        shared.note("responses", &body);
        shared.next(done(&body))
    };
    let tokens = shared.tokens(line.as_ref());
    let item = match line {
        Some((number, Line::Run(command) | Line::Full(command))) => {
            let id = format!("{CALL}{number}_{}", shared.played.lock().unwrap().len());
            // Newer models run scripts that call tools, and nothing else.
            if items(&body).any(|item| item["type"] == "additional_tools") {
                let input =
                    format!("text(await tools.exec_command({{cmd: {}, yield_time_ms: 30000}}))", json!(command));
                json!({"type": "custom_tool_call", "id": "ctc_1", "call_id": id, "name": "exec", "input": input})
            } else {
                let arguments = json!({"cmd": command, "yield_time_ms": 30_000}).to_string();
                json!({"type": "function_call", "id": "fc_1", "call_id": id, "name": "exec_command", "arguments": arguments})
            }
        }
        Some((number, Line::Call(tool, input))) => {
            let id = format!("{CALL}{number}_{}", shared.played.lock().unwrap().len());
            json!({"type": "function_call", "id": "fc_1", "call_id": id, "name": tool, "arguments": input.to_string()})
        }
        Some((_, Line::Refuse(status, kind))) => return refusal(status, kind),
        said => {
            let text = match said {
                Some((number, Line::Say(text))) => format!("{} {text}", mark(number)),
                _ => summary.unwrap_or_else(|| answer.unwrap_or("That is all.").to_owned()),
            };
            let content = json!([{"type": "output_text", "text": text, "annotations": []}]);
            json!({"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": content})
        }
    };
    let usage = json!({
        "input_tokens": tokens, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": 20,
        "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": tokens + 20,
    });
    events(&[
        json!({"type": "response.created", "response": {"id": "resp_1"}}),
        json!({"type": "response.output_item.done", "output_index": 0, "item": item}),
        json!({"type": "response.completed", "response": {"id": "resp_1", "usage": usage}}),
    ])
}

fn items(body: &Value) -> impl Iterator<Item = &Value> {
    body["input"].as_array().into_iter().flatten()
}

/// The lines that the conversation has: those whose command ended, and those that were said.
fn done(body: &Value) -> impl Iterator<Item = usize> {
    items(body).filter_map(|item| match item["type"].as_str()? {
        "function_call_output" | "custom_tool_call_output" => {
            let cut_off = item["output"].to_string().contains("aborted");
            let number = item["call_id"].as_str()?.strip_prefix(CALL)?.split_once('_')?.0.parse().ok();
            number.filter(|_| !cut_off)
        }
        "message" if item["role"] == "assistant" => {
            item["content"].as_array()?.iter().find_map(|part| marked(part["text"].as_str()?))
        }
        // A summary is told as if a person had said it.
        "message" if item["role"] == "user" => item["content"].as_array()?.iter().find_map(|part| {
            let text = part["text"].as_str()?;
            marked(&text[text.rfind("(line ").filter(|_| text.contains("was the last."))?..])
        }),
        _ => None,
    })
}
