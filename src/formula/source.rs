//! Texts of formulas, and the places in them that errors and warnings point at.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How a text is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `*.formula.toml` and `*.toml`.
    Toml,
    /// `*.formula.json` and `*.json`.
    Json,
    /// `*.formula.yaml`, `*.yaml` and `*.yml`: the same keys, or a manifest of `kind: Formula`.
    Yaml,
}

impl Format {
    /// The format that a file's name promises.
    pub fn of_file(name: &str) -> Option<Self> {
        let (_, extension) = name.rsplit_once('.')?;
        match extension.to_ascii_lowercase().as_str() {
            "toml" => Some(Self::Toml),
            "json" => Some(Self::Json),
            "yaml" | "yml" => Some(Self::Yaml),
            _ => None,
        }
    }
}

/// The text of a formula, as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The file's name, as errors show it.
    pub file: String,
    /// How it is written.
    pub format: Format,
    /// All of it.
    pub text: String,
}

/// Where formulas are found by name. The caller decides where that is; this crate reads no files.
pub trait Library {
    /// The formula that `extends`, `expand`, `with` or `aspects` names.
    fn formula(&self, name: &str) -> Option<Source>;

    /// The text of a `description_file`, whose path is relative to `file`. `None`: the path is kept for the runtime.
    fn text_beside(&self, file: &str, path: &str) -> Option<String> {
        let _ = (file, path);
        None
    }
}

/// A library without formulas.
#[derive(Debug, Clone, Copy, Default)]
pub struct Empty;

impl Library for Empty {
    fn formula(&self, _: &str) -> Option<Source> {
        None
    }
}

/// A place in one of the texts of a cooking: cheap to carry, see [`Location`] for the one that people read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Spot {
    /// Which text.
    pub source: u32,
    /// How many bytes of it come before.
    pub offset: u32,
}

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Location {
    /// The file's name, from its [`Source`].
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// The character in that line, from 1.
    pub column: u32,
}

impl Location {
    /// The place of a byte.
    pub(crate) fn of(source: &Source, offset: usize) -> Self {
        let before = &source.text[..source.text.floor_char_boundary(offset)];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let number = |count: usize| u32::try_from(count + 1).unwrap_or(u32::MAX);
        Self {
            file: source.file.clone(),
            line: number(before.bytes().filter(|&byte| byte == b'\n').count()),
            column: number(before[line_start..].chars().count()),
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_counts_lines_and_characters_from_one() {
        let source = Source { file: "a.toml".into(), format: Format::Toml, text: "a = 1\n# é\nb = 2".into() };
        assert_eq!(Location::of(&source, 0).to_string(), "a.toml:1:1");
        assert_eq!(Location::of(&source, source.text.find('b').unwrap()).to_string(), "a.toml:3:1");
        assert_eq!(Location::of(&source, 10).to_string(), "a.toml:2:4");
        assert_eq!(Location::of(&source, 9999).to_string(), "a.toml:3:6");
    }

    #[test]
    fn the_name_of_a_file_tells_its_format() {
        assert_eq!(Format::of_file("x.formula.toml"), Some(Format::Toml));
        assert_eq!(Format::of_file("x.JSON"), Some(Format::Json));
        assert_eq!(Format::of_file("x.yaml"), Some(Format::Yaml));
    }
}
