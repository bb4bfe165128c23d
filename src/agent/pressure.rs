//! What the town writes for a successor when an agent's context is full: where the work stands, what is not committed, and what the
//! agent said last. The agent itself is not asked: its model may not take another word.

use std::fmt::Write as _;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;

use serde_json::Value;

use super::handoff::{MESSAGE_CHARS_MAX, Note, SUBJECT_CHARS_MAX};
use super::work::Work;
use super::worktree::Worktree;

/// How much of a transcript's end is read, in bytes: a few of the longest answers of tools.
const END_BYTES: u64 = 512 * 1024;

/// The longest last words that are kept, in characters: half of what a note may have.
const WORDS_CHARS_MAX: usize = 4000;

/// Files that are named.
const FILES_MAX: usize = 20;

/// The note about work that stands so. `worktree` and `words` where they are known.
pub(super) fn note(work: &Work, worktree: Option<&Worktree>, words: Option<&str>) -> Note {
    let mut text = String::from("The context was full, so the town has written this.\n");
    let named = |open: bool| {
        let steps: Vec<&str> =
            work.steps.iter().filter(|step| step.is_open() == open).map(|step| step.id.as_str()).collect();
        if steps.is_empty() { "none".to_owned() } else { steps.join(", ") }
    };
    let _never_fails = write!(text, "\nClosed steps: {}\nOpen steps: {}\n", named(false), named(true));
    if let Some(worktree) = worktree {
        let _never_fails = writeln!(text, "Commits on the branch: {}, the last {}", worktree.ahead, worktree.head);
        if let Some(what) = worktree.unfinished {
            let _never_fails = writeln!(text, "A {what} is unfinished in the worktree.");
        }
        if !worktree.dirty.is_empty() {
            let _never_fails = writeln!(text, "Not committed:");
            for file in worktree.dirty.iter().take(FILES_MAX) {
                let _never_fails = writeln!(text, "  {file}");
            }
            let more = worktree.dirty.len().saturating_sub(FILES_MAX);
            if more > 0 {
                let _never_fails = writeln!(text, "  and {more} more");
            }
        }
    }
    let words = words.map(str::trim).filter(|words| !words.is_empty());
    if let Some(words) = words {
        let words: String = words.chars().take(WORDS_CHARS_MAX).collect();
        let _never_fails = write!(text, "\nWhat was said last:\n\n{words}\n");
    }
    let first = words.and_then(|words| words.lines().next()).map(|line| format!("context full; last said: {line}"));
    let subject = first.unwrap_or_else(|| "context full".to_owned());
    Note {
        subject: subject.chars().take(SUBJECT_CHARS_MAX).collect(),
        message: Some(text.chars().take(MESSAGE_CHARS_MAX).collect()),
        automatic: true,
    }
}

/// What the agent of a transcript has said last; none where that cannot be read. Both programs keep one JSON object a line.
pub(super) fn last_words(transcript: &Path) -> Option<String> {
    let mut file = fs_err::File::open(transcript).ok()?;
    let length = file.metadata().ok()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(END_BYTES))).ok()?;
    let mut end = Vec::new();
    file.take(END_BYTES).read_to_end(&mut end).ok()?;
    String::from_utf8_lossy(&end).lines().rev().find_map(|line| said(&serde_json::from_str(line).ok()?))
}

/// What an agent says in a line of its transcript: Claude Code's `message`, Codex's `payload`.
fn said(line: &Value) -> Option<String> {
    let message = [&line["message"], &line["payload"]].into_iter().find(|it| it["role"] == "assistant")?;
    if line["isSidechain"] == true {
        return None;
    }
    let blocks = message["content"].as_array()?;
    let is_text = |block: &&Value| matches!(block["type"].as_str(), Some("text" | "output_text"));
    let text: Vec<&str> = blocks.iter().filter(is_text).filter_map(|block| block["text"].as_str()).collect();
    Some(text.join("\n")).filter(|text| !text.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn last_words_are_the_agents_own() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let words = |lines: &[Value]| {
            fs_err::write(file.path(), lines.iter().map(|line| format!("{line}\n")).collect::<Vec<_>>().concat())
                .unwrap();
            last_words(file.path())
        };
        let claude = |role: &str, block: Value| json!({"message": {"role": role, "content": [block]}});
        let text = |text: &str| json!({"type": "text", "text": text});
        let call = json!({"type": "tool_use", "name": "Bash"});
        let lines =
            [claude("assistant", text("The parser is next.")), claude("assistant", call), claude("user", text("ok"))];
        assert_eq!(words(&lines).as_deref(), Some("The parser is next."));
        let aside = json!({"isSidechain": true, "message": {"role": "assistant", "content": [text("of another")]}});
        assert_eq!(words(&[lines[0].clone(), aside]).as_deref(), Some("The parser is next."));
        let codex = json!({"type": "response_item", "payload": {
            "type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Half done."}],
        }});
        assert_eq!(words(&[codex, json!({"payload": {"type": "token_count"}})]).as_deref(), Some("Half done."));
        assert_eq!(words(&[json!({})]), None);
        assert_eq!(last_words(Path::new("/none")), None);
    }
}
