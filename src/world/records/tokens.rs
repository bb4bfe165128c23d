//! What a conversation has cost in tokens, as its transcript says.
//!
//! Claude Code writes what each answer took, in each of the lines that make up the answer; Codex the sums so far, after each answer.

use std::collections::HashMap;
use std::io;
use std::ops::AddAssign;
use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use super::transcript::Transcript;

/// Tokens of a model.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Tokens {
    /// What it was given to read, and had not read before.
    pub input: u64,
    /// What it was given again, out of its provider's cache.
    pub cached_input: u64,
    /// What it wrote.
    pub output: u64,
}

impl AddAssign for Tokens {
    fn add_assign(&mut self, other: Self) {
        self.input = self.input.saturating_add(other.input);
        self.cached_input = self.cached_input.saturating_add(other.cached_input);
        self.output = self.output.saturating_add(other.output);
    }
}

/// Those of a conversation; none where its transcript says nothing of them, which is not the same as zero.
pub fn of(transcript: &Path) -> io::Result<Option<Tokens>> {
    let mut answers: HashMap<String, Tokens> = HashMap::new();
    let mut sums = None;
    Transcript::open(transcript)?.read(|line| {
        // Most lines are long, and say nothing of it.
        let says = |line: &&str| line.contains("\"usage\"") || line.contains("\"token_count\"");
        let Some(line) = std::str::from_utf8(line).ok().filter(says) else { return };
        let line: Value = serde_json::from_str(line).unwrap_or_default();
        if let Some((id, tokens)) = of_answer(&line["message"]) {
            answers.insert(id.to_owned(), tokens);
        }
        sums = of_sums(&line["payload"]).or(sums);
    })?;
    Ok(sums.or_else(|| {
        (!answers.is_empty()).then(|| {
            answers.into_values().fold(Tokens::default(), |mut sum, answer| {
                sum += answer;
                sum
            })
        })
    }))
}

fn count(of: &Value, name: &str) -> u64 {
    of[name].as_u64().unwrap_or(0)
}

/// What an answer of Claude Code took so far, by its id.
fn of_answer(message: &Value) -> Option<(&str, Tokens)> {
    let usage = message.get("usage").filter(|usage| usage.is_object())?;
    // What the program says in its model's place costs nothing.
    let id = message["id"].as_str().filter(|_| message["model"] != "<synthetic>")?;
    let tokens = Tokens {
        input: count(usage, "input_tokens").saturating_add(count(usage, "cache_creation_input_tokens")),
        cached_input: count(usage, "cache_read_input_tokens"),
        output: count(usage, "output_tokens"),
    };
    Some((id, tokens))
}

/// The sums of Codex, whose input counts what was cached.
fn of_sums(payload: &Value) -> Option<Tokens> {
    if payload["type"] != "token_count" {
        return None;
    }
    let sums = payload["info"].get("total_token_usage")?;
    let cached = count(sums, "cached_input_tokens");
    Some(Tokens {
        input: count(sums, "input_tokens").saturating_sub(cached),
        cached_input: cached,
        output: count(sums, "output_tokens"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn spent(lines: &[Value]) -> Option<(u64, u64, u64)> {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs_err::write(file.path(), lines.iter().map(|line| line.to_string() + "\n").collect::<Vec<_>>().concat())
            .unwrap();
        of(file.path()).unwrap().map(|it| (it.input, it.cached_input, it.output))
    }

    #[test]
    fn an_answer_counts_once_by_what_was_said_of_it_last() {
        let line = |id: &str, model: &str, output: u64| {
            let usage = json!({"input_tokens": 3, "cache_creation_input_tokens": 40, "cache_read_input_tokens": 500, "output_tokens": output});
            json!({"message": {"id": id, "model": model, "usage": usage}})
        };
        let said = json!({"message": {"role": "user", "content": "what of \"usage\"?"}});
        assert_eq!(
            spent(&[line("a", "m", 1), line("a", "m", 20), said.clone(), line("b", "m", 5)]),
            Some((86, 1000, 25))
        );
        assert_eq!(spent(&[line("a", "<synthetic>", 1), said]), None);
        assert_eq!(spent(&[]), None);
    }

    #[test]
    fn the_last_sums_count() {
        let sums = |input: u64, output: u64| {
            let total = json!({"input_tokens": input, "cached_input_tokens": 100, "output_tokens": output});
            json!({"payload": {"type": "token_count", "info": {"total_token_usage": total}}})
        };
        let limits = json!({"payload": {"type": "token_count", "info": null, "rate_limits": {}}});
        assert_eq!(spent(&[sums(150, 7), sums(450, 30), limits.clone()]), Some((350, 100, 30)));
        assert_eq!(spent(&[limits]), None);
    }
}
