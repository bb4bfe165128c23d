//! Keys and passwords do not belong in a manifest: it is kept in git, shown by `gt get`, and read by every agent.
//!
//! A guard, not a wall: it knows the look of common keys and a rig's address, and nothing else. A message never repeats them.

use serde_json::Value;

use crate::manifest::{CODE_SECRET, Diagnostic, Manifest, Step};
use crate::url;

/// What a key starts with, whose it is, and how many characters follow at least: fewer is a word about keys, not a key.
const KEYS: [(&str, &str, usize); 13] = [
    ("sk-ant-", "an Anthropic key", 16),
    ("sk-", "an API key", 20),
    ("ghp_", "a GitHub token", 20),
    ("gho_", "a GitHub token", 20),
    ("ghs_", "a GitHub token", 20),
    ("github_pat_", "a GitHub token", 20),
    ("glpat-", "a GitLab token", 16),
    ("xoxb-", "a Slack token", 16),
    ("xoxp-", "a Slack token", 16),
    ("AIza", "a Google key", 30),
    ("AKIA", "an AWS access key", 16),
    ("npm_", "an npm token", 30),
    ("hf_", "a Hugging Face token", 30),
];

/// Refuses every text in `spec` that holds what looks like a key, and an address with a password. One that is stored stays: an
/// earlier release took it.
pub(super) fn check(manifest: &Manifest, value: &Value, old: Option<&Value>, found: &mut Vec<Diagnostic>) {
    let address = address(value).filter(|it| url::has_password(it));
    if address.is_some() && address != old.and_then(self::address) {
        found.push(password(manifest));
    }
    if let Some(spec) = value.get("spec") {
        walk(manifest, spec, &mut vec![Step::Field("spec")], found);
    }
}

/// A rig's address.
fn address(object: &Value) -> Option<&str> {
    object.pointer("/spec/repo/url").and_then(Value::as_str)
}

fn password(manifest: &Manifest) -> Diagnostic {
    let at = manifest.key_at(["spec".into(), "repo".into(), "url".into()]);
    Diagnostic::error(CODE_SECRET, "this address holds a password", &manifest.source, at)
        .label("a manifest is kept in git, and shown to every agent")
        .hint(
            "leave it out: git asks a credential helper (`git config --global credential.helper store`, then `git ls-remote` \
             the address once), or use ssh",
        )
}

/// The depth is bounded by the reader's [`crate::manifest::DEPTH_MAX`].
fn walk<'a>(manifest: &Manifest, value: &'a Value, path: &mut Vec<Step<'a>>, found: &mut Vec<Diagnostic>) {
    if found.len() >= super::MISTAKES_MAX {
        return;
    }
    let mut below = |step: Step<'a>, value: &'a Value| {
        path.push(step);
        walk(manifest, value, path, found);
        path.pop();
    };
    match value {
        Value::String(text) => {
            if let Some(what) = key_in(text) {
                let message = format!("this looks like {what}");
                let span = manifest.key_at(path.iter().copied());
                let mistake = Diagnostic::error(CODE_SECRET, message, &manifest.source, span);
                found.push(mistake.label("a manifest is kept in git").hint(
                    "let the session find it: in the environment that `gt up` starts with, or in a file outside the repository; and revoke this one if it was ever pushed",
                ));
            }
        }
        Value::Array(items) => items.iter().enumerate().for_each(|(nth, item)| below(nth.into(), item)),
        Value::Object(map) => map.iter().for_each(|(name, value)| below(name.as_str().into(), value)),
        _ => {}
    }
}

/// What the first key in a text is.
fn key_in(text: &str) -> Option<&'static str> {
    if text.contains("-----BEGIN ") && text.contains("PRIVATE KEY-----") {
        return Some("a private key");
    }
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let words = text.split(|c: char| !is_part(c));
    words.filter(|word| word.len() >= 20).find_map(|word| {
        let (start, what, more) = KEYS.iter().find(|(start, _, _)| word.starts_with(start))?;
        let rest = &word[start.len()..];
        // Words of a sentence joined by dashes hold no digit.
        (rest.len() >= *more && rest.bytes().any(|b| b.is_ascii_digit())).then_some(*what)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_a_key_from_a_word() {
        for key in [
            "sk-proj-abcdefghij0123456789",
            "export TOKEN=ghp_0123456789abcdefghij0123",
            "AKIAIOSFODNN7EXAMPLE",
            "-----BEGIN OPENSSH PRIVATE KEY-----\nabc",
            "curl -H 'x-api-key: sk-ant-api03-abcdefgh0123'",
        ] {
            assert!(key_in(key).is_some(), "{key}");
        }
        for word in [
            "sk-learn",
            "task-0123456789012345678901234",
            "ghp_ is how a token starts",
            "sk-a-dashed-phrase-of-words",
            "",
        ] {
            assert_eq!(key_in(word), None, "{word}");
        }
    }
}
