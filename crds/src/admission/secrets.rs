//! Keys and passwords do not belong in a manifest: it is kept in git, shown by `gt get`, and read by every agent.
//!
//! A guard, not a wall: it knows the look of common keys and a rig's address, and nothing else. A message never repeats them.

use serde_json::Value;

use crate::manifest::{CODE_SECRET, Diagnostic, Manifest, Step, quote};
use crate::url;

/// What a key starts with, whose it is, and how many characters follow at least: fewer is a word about keys, not a key.
const KEYS: [(&str, &str, usize); 24] = [
    ("sk-ant-", "an Anthropic key", 16),
    ("sk-", "an API key", 20),
    ("sk_live_", "a Stripe key", 16),
    ("rk_live_", "a Stripe key", 16),
    ("ghp_", "a GitHub token", 20),
    ("gho_", "a GitHub token", 20),
    ("ghu_", "a GitHub token", 20),
    ("ghs_", "a GitHub token", 20),
    ("ghr_", "a GitHub token", 20),
    ("github_pat_", "a GitHub token", 20),
    ("glpat-", "a GitLab token", 16),
    ("glptt-", "a GitLab token", 16),
    ("gldt-", "a GitLab token", 16),
    ("xoxb-", "a Slack token", 16),
    ("xoxp-", "a Slack token", 16),
    ("xoxa-", "a Slack token", 16),
    ("xapp-", "a Slack token", 16),
    ("AIza", "a Google key", 30),
    ("AKIA", "an AWS access key", 16),
    ("ASIA", "an AWS access key", 16),
    ("npm_", "an npm token", 30),
    ("pypi-", "a PyPI token", 30),
    ("dckr_pat_", "a Docker token", 16),
    ("hf_", "a Hugging Face token", 30),
];

/// Shortest key, in bytes.
const KEY_BYTES_MIN: usize = 20;

/// Parts of the names of variables that hold secrets.
const SECRET_NAMES: [&str; 8] =
    ["PASSWORD", "PASSWD", "SECRET", "TOKEN", "API_KEY", "APIKEY", "PRIVATE_KEY", "CREDENTIALS"];

/// Shortest value of such a variable that is taken for a secret, in bytes; shorter ones are words such as `none`.
const SECRET_BYTES_MIN: usize = 8;

/// Refuses every text in `spec` that holds what looks like a key, and an address with a password. One that is stored stays: an
/// earlier release took it.
pub(super) fn check(manifest: &Manifest, value: &Value, old: Option<&Value>, found: &mut Vec<Diagnostic>) {
    let address = address(value).filter(|it| url::has_password(it));
    if address.is_some() && address != old.and_then(self::address) {
        found.push(password(manifest));
    }
    if let Some(annotations) = value.pointer("/metadata/annotations") {
        walk(manifest, annotations, &mut vec!["metadata".into(), "annotations".into()], found);
    }
    if let Some(spec) = value.get("spec") {
        walk(manifest, spec, &mut vec![Step::Field("spec")], found);
        variables(manifest, spec, found);
    }
}

/// Warns of a variable whose name says that it is a secret, and whose value stands there. An earlier release took it, and not
/// every token is secret: so it is admitted.
fn variables(manifest: &Manifest, spec: &Value, found: &mut Vec<Diagnostic>) {
    for (nth, variable) in spec.get("env").and_then(Value::as_array).into_iter().flatten().enumerate() {
        let text = |field: &str| variable.get(field).and_then(Value::as_str).unwrap_or_default();
        let name = text("name").to_ascii_uppercase();
        let is_secret = SECRET_NAMES.iter().any(|part| name.contains(part)) && is_literal(text("value"));
        if is_secret && key_in(text("value")).is_none() {
            let at = manifest.key_at(["spec".into(), "env".into(), nth.into(), "value".into()]);
            let message = format!("{} looks like a secret, by its name", quote(text("name")));
            let warning = Diagnostic::warning(CODE_SECRET, message, &manifest.source, at);
            found.push(warning.label("a manifest is kept in git").hint(HINT));
        }
    }
}

/// Whether a value stands for itself, and not for where something is.
fn is_literal(value: &str) -> bool {
    let is_place = value.starts_with(['/', '~', '$', '.']) || value.contains("://") || value.contains("{{");
    value.len() >= SECRET_BYTES_MIN && !is_place && !value.contains(char::is_whitespace)
}

/// What to do with a secret.
const HINT: &str = "`envFrom` of a Runtime gives it to the session, from a file or a command; and revoke this one if it was ever pushed";

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
                found.push(mistake.label("a manifest is kept in git").hint(HINT));
            }
        }
        Value::Array(items) => items.iter().enumerate().for_each(|(nth, item)| below(nth.into(), item)),
        Value::Object(map) => map.iter().for_each(|(name, value)| below(name.as_str().into(), value)),
        _ => {}
    }
}

/// What the first key in a text is.
fn key_in(text: &str) -> Option<&'static str> {
    // No key is shorter.
    if text.len() < KEY_BYTES_MIN {
        return None;
    }
    if text.contains("-----BEGIN ") && text.contains("PRIVATE KEY-----") {
        return Some("a private key");
    }
    if text.split(|c: char| !(c.is_ascii_alphanumeric() || "_-.".contains(c))).any(is_signed_token) {
        return Some("a signed token (JWT)");
    }
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let words = text.split(|c: char| !is_part(c));
    words.filter(|word| word.len() >= KEY_BYTES_MIN).find_map(|word| {
        let (start, what, more) = KEYS.iter().find(|(start, _, _)| word.starts_with(start))?;
        let rest = &word[start.len()..];
        // Words of a sentence joined by dashes hold no digit, or are behind capital letters.
        let is_sentence = start.bytes().all(|b| b.is_ascii_uppercase()) && rest.contains('-');
        (!is_sentence && rest.len() >= *more && rest.bytes().any(|b| b.is_ascii_digit())).then_some(*what)
    })
}

/// Three parts in base64 with dots between them, the first of which begins as JSON does.
fn is_signed_token(word: &str) -> bool {
    let parts: Vec<&str> = word.split('.').collect();
    parts.len() == 3 && parts[0].starts_with("eyJ") && parts[1].starts_with("eyJ") && parts[2].len() >= 16
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
            "sk_live_0123456789abcdefghij",
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N",
        ] {
            assert!(key_in(key).is_some(), "{key}");
        }
        for word in [
            "sk-learn",
            "task-0123456789012345678901234",
            "ghp_ is how a token starts",
            "sk-a-dashed-phrase-of-words",
            "ASIAN-MARKETS-OF-THE-YEAR-2026-AND-ON",
            "",
        ] {
            assert_eq!(key_in(word), None, "{word}");
        }
    }
}
