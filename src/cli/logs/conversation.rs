//! The conversation of an agent with its model, out of the transcript that its program keeps: what was said, which tools were run,
//! and the beginning of what they answered.
//!
//! A transcript is the program's own, one JSON object a line. What is not understood is left out.

use std::fmt::Write as _;
use std::io;

use serde_json::Value;

use crate::text::counted;
use crate::world::records::Transcript;

/// Lines of a tool's answer that are shown.
const ANSWER_LINES_MAX: usize = 8;

/// What was added to a conversation since the last call.
pub fn more(transcript: &mut Transcript) -> io::Result<String> {
    let mut text = String::new();
    transcript.read(|line| text.push_str(&shown(&serde_json::from_slice(line).unwrap_or_default())))?;
    Ok(text)
}

/// A line of a transcript, as people read it; empty where it says nothing to them.
fn shown(line: &Value) -> String {
    match line["payload"]["type"].as_str() {
        Some("item_completed") => item(&line["payload"]["item"]),
        Some(_) => String::new(),
        None if line["isSidechain"] == true || line["isMeta"] == true => String::new(),
        None => message(&line["message"]),
    }
}

/// A message of Claude Code's transcript.
fn message(message: &Value) -> String {
    let is_person = message["role"] == "user";
    let said = |text: &str| if is_person { prompt(text) } else { paragraph(text) };
    match &message["content"] {
        Value::String(text) => said(text),
        Value::Array(blocks) => blocks.iter().map(|block| self::block(block, &said)).collect(),
        _ => String::new(),
    }
}

fn block(block: &Value, said: &impl Fn(&str) -> String) -> String {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().filter_map(|part| part["text"].as_str()).collect(),
        _ => String::new(),
    };
    match block["type"].as_str() {
        Some("text") => said(&text(&block["text"])),
        Some("tool_use") => tool(block["name"].as_str().unwrap_or("a tool"), &block["input"]),
        Some("tool_result") => answer(&text(&block["content"])),
        _ => String::new(),
    }
}

/// An item of Codex's transcript.
fn item(item: &Value) -> String {
    let text = || -> String {
        item["content"].as_array().into_iter().flatten().filter_map(|part| part["text"].as_str()).collect()
    };
    match item["type"].as_str() {
        Some("UserMessage") => prompt(&text()),
        Some("AgentMessage") => paragraph(&text()),
        Some("CommandExecution") => {
            let command = item["command"].as_array().and_then(|words| words.last()?.as_str()).unwrap_or_default();
            call("Bash", command) + &answer(item["aggregated_output"].as_str().unwrap_or_default())
        }
        Some("FileChange") => {
            let files =
                item["changes"].as_object().map(|changes| changes.keys().cloned().collect::<Vec<_>>().join(", "));
            call("Edit", &files.unwrap_or_default())
        }
        _ => String::new(),
    }
}

/// What an agent was told. What its program adds for the model alone is not shown.
fn prompt(text: &str) -> String {
    let text = text.trim();
    if text.is_empty() || text.starts_with('<') {
        String::new()
    } else {
        format!("> {}\n\n", text.replace('\n', "\n> "))
    }
}

/// What an agent has said.
fn paragraph(text: &str) -> String {
    let text = text.trim();
    if text.is_empty() { String::new() } else { format!("{text}\n\n") }
}

/// A tool that an agent has run, by the part of its input that says most.
fn tool(name: &str, input: &Value) -> String {
    let most = ["command", "file_path", "pattern", "url", "query", "prompt", "description"];
    let what = most.iter().find_map(|field| input[field].as_str());
    call(name, what.unwrap_or_default())
}

fn call(name: &str, what: &str) -> String {
    format!("* {name}: {}\n", what.trim().replace('\n', "\n    "))
}

/// The beginning of what a tool answered.
fn answer(text: &str) -> String {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    let mut shown = String::new();
    for line in lines.iter().take(ANSWER_LINES_MAX) {
        let _never_fails = writeln!(shown, "    {line}");
    }
    if lines.len() > ANSWER_LINES_MAX {
        let _never_fails = writeln!(shown, "    … {}", counted(lines.len() - ANSWER_LINES_MAX, "more line"));
    }
    shown + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::io::Write as _;

    #[test]
    fn a_conversation_is_shown_as_it_goes_on() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let mut transcript = Transcript::open(file.path()).unwrap();
        let claude = [
            json!({"type": "mode", "mode": "normal"}),
            json!({"message": {"role": "user", "content": "Do the work.\nAll of it."}}),
            json!({"isMeta": true, "message": {"role": "user", "content": "not for people"}}),
            json!({"message": {"role": "assistant", "content": [
                {"type": "text", "text": "I look first."},
                {"type": "tool_use", "name": "Bash", "input": {"command": "git status\ngit log", "description": "look"}},
            ]}}),
            json!({"message": {"role": "user", "content": [{"type": "tool_result", "content": "clean\n1\n2\n3\n4\n5\n6\n7\n8\n"}]}}),
        ];
        let text = claude.map(|line| line.to_string() + "\n").concat();
        let (first, rest) = text.split_at(text.len() - 30);
        file.write_all(first.as_bytes()).unwrap();
        let mut shown = more(&mut transcript).unwrap();
        file.write_all(rest.as_bytes()).unwrap();
        shown += &more(&mut transcript).unwrap();
        file.write_all(b"not json\n").unwrap();
        shown += &more(&mut transcript).unwrap();
        insta::assert_snapshot!(shown, @r"
        > Do the work.
        > All of it.

        I look first.

        * Bash: git status
            git log
            clean
            1
            2
            3
            4
            5
            6
            7
            … 1 more line
        ");
    }

    #[test]
    fn that_of_codex_is_read_too() {
        let lines = [
            json!({"payload": {"type": "message", "role": "developer", "content": [{"text": "rules"}]}}),
            json!({"payload": {"type": "item_completed", "item": {"type": "UserMessage", "content": [{"type": "text", "text": "Go on."}]}}}),
            json!({"payload": {"type": "item_completed", "item": {
                "type": "CommandExecution", "command": ["/bin/bash", "-c", "echo hi"], "aggregated_output": "hi\n",
            }}}),
            json!({"payload": {"type": "item_completed", "item": {"type": "AgentMessage", "content": [{"type": "Text", "text": "Done."}]}}}),
        ];
        let text: String = lines.iter().map(shown).collect();
        insta::assert_snapshot!(text, @r"
        > Go on.

        * Bash: echo hi
            hi

        Done.
        ");
    }
}
