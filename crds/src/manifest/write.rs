//! Writes an object as YAML, in the order in which people read it, such that every YAML reader understands it alike.

use std::fmt::Write as _;

use serde_json::{Map, Value};

/// The fields that come first in an object, in this order; the rest follows by alphabet.
const FIRST: [&str; 5] = ["apiVersion", "kind", "metadata", "spec", "status"];

/// The YAML text of a value, ending with a newline: `apiVersion`, `kind`, `metadata`, `spec`, `status` first, `name`
/// first in what is inside, and everything else by alphabet.
pub fn to_yaml(value: &Value) -> String {
    let mut out = String::new();
    match value {
        Value::Object(map) if !map.is_empty() => fields(&mut out, map, 0, &FIRST),
        Value::Array(items) if !items.is_empty() => list(&mut out, items, 0),
        other => {
            scalar(&mut out, other, 0);
            out.push('\n');
        }
    }
    out
}

fn fields(out: &mut String, map: &Map<String, Value>, indent: usize, first: &[&str]) {
    let mut keys: Vec<&String> = map.keys().collect();
    keys.sort_by_key(|key| (first.iter().position(|f| f == key).unwrap_or(first.len()), key.as_str()));
    for (nth, key) in keys.into_iter().enumerate() {
        // The first field of a list's item stands behind its dash.
        if nth > 0 || !out.ends_with("- ") {
            pad(out, indent);
        }
        text(out, key);
        out.push(':');
        match &map[key.as_str()] {
            Value::Object(inner) if !inner.is_empty() => {
                out.push('\n');
                fields(out, inner, indent + 2, &["name"]);
            }
            Value::Array(items) if !items.is_empty() => {
                out.push('\n');
                list(out, items, indent);
            }
            other => {
                out.push(' ');
                scalar(out, other, indent + 2);
                out.push('\n');
            }
        }
    }
}

fn list(out: &mut String, items: &[Value], indent: usize) {
    for (nth, item) in items.iter().enumerate() {
        if nth > 0 || !out.ends_with("- ") {
            pad(out, indent);
        }
        out.push_str("- ");
        match item {
            Value::Object(inner) if !inner.is_empty() => fields(out, inner, indent + 2, &["name"]),
            Value::Array(inner) if !inner.is_empty() => list(out, inner, indent + 2),
            other => {
                scalar(out, other, indent + 2);
                out.push('\n');
            }
        }
    }
}

fn scalar(out: &mut String, value: &Value, indent: usize) {
    match value {
        Value::String(string) if reads_as_block(string) => block(out, string, indent),
        Value::String(string) => text(out, string),
        // `null`, `true`, numbers, `[]` and `{}` are the same in JSON.
        other => {
            let _infallible = write!(out, "{other}");
        }
    }
}

/// Text in a line: bare where no reader could take it for anything else, else as JSON has it.
fn text(out: &mut String, string: &str) {
    if is_bare(string) {
        out.push_str(string);
        return;
    }
    out.push('"');
    for c in string.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if (c as u32) < 0x20 || (0x7f..=0xa0).contains(&(c as u32)) => {
                let _infallible = write!(out, "\\x{:02x}", c as u32);
            }
            '\u{2028}'
            | '\u{2029}'
            | '\u{feff}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}'
            | '\u{61c}'
            | '\u{fffe}'
            | '\u{ffff}' => {
                let _infallible = write!(out, "\\u{:04x}", c as u32);
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// Words that some version of YAML takes for a boolean, a null or a number.
const WORDS: [&str; 11] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf"];

/// Whether text needs no quotes in any version of YAML.
fn is_bare(string: &str) -> bool {
    let Some(first) = string.chars().next() else { return false };
    let word = |c: char| c.is_ascii_alphanumeric() || "_-./()".contains(c);
    let safe = string.len() <= 1024
        && (first.is_ascii_alphabetic() || first == '/' || first == '_')
        && string.chars().all(|c| word(c) || c == ' ' || (c == ':' || c == ',' || c == '=' || c == '+' || c == '@'))
        && !string.contains(": ")
        && !string.ends_with([' ', ':'])
        && string.chars().last().is_some_and(|c| !c.is_whitespace());
    safe && !WORDS.contains(&string.to_ascii_lowercase().as_str())
}

/// Whether text is shown line by line: several lines, none of which a block would alter.
fn reads_as_block(string: &str) -> bool {
    // What turns the direction of writing would be obeyed by a terminal.
    let is_escaped = |c| {
        matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
            || matches!(c, '\u{feff}' | '\u{fffe}' | '\u{ffff}')
    };
    let plain = |c: char| c == '\n' || c == '\t' || !(c.is_control() || is_escaped(c));
    string.trim_end_matches('\n').contains('\n')
        && !string.starts_with([' ', '\t', '\n'])
        && !string.ends_with("\n\n")
        && string.chars().all(plain)
        && string.lines().all(|line| !line.ends_with([' ', '\t']) && !line.starts_with('\t'))
}

fn block(out: &mut String, string: &str, indent: usize) {
    out.push_str(if string.ends_with('\n') { "|" } else { "|-" });
    for line in string.lines() {
        out.push('\n');
        if !line.is_empty() {
            pad(out, indent.max(2));
            out.push_str(line);
        }
    }
}

fn pad(out: &mut String, indent: usize) {
    out.extend(std::iter::repeat_n(' ', indent));
}
