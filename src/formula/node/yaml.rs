//! YAML to a tree with places: the keys of a formula as TOML and JSON have them, or a manifest of `kind: Formula`, whose steps are
//! read as those of any other formula.
//!
//! What would make a text longer than it is (anchors, aliases, merge keys) is refused, as are tags: a formula needs none.

use std::borrow::Cow;

use serde_saphyr::granit_parser::{Event, Marker, Parser, ScalarStyle, options};

use super::{At, Entry, Node, Value, check_depth, sorted};
use crate::error::Problem;

/// Longest text that is read as a number, in bytes.
const NUMBER_BYTES_MAX: usize = 64;

pub(super) fn read(text: &str) -> At<Node<'_>> {
    let mut reader = Reader { text, open: Vec::new(), root: None };
    for event in Parser::new_from_str_with_options(text, options! { emit_comments: false }) {
        let (event, span) = event.map_err(|error| wrong(error.info(), offset(text, error.marker())))?;
        reader.event(event, offset(text, &span.start))?;
    }
    let root = reader.root.ok_or_else(|| wrong("it is empty", 0))?;
    if is_manifest(&root) { unwrapped(root) } else { Ok(root) }
}

fn wrong(why: impl Into<String>, at: usize) -> (Problem, usize) {
    (Problem::Syntax { format: "YAML", why: why.into() }, at)
}

/// The byte that a marker points at.
fn offset(text: &str, marker: &Marker) -> usize {
    let by_characters = || text.char_indices().nth(marker.index()).map_or(text.len(), |(at, _)| at);
    text.floor_char_boundary(marker.byte_offset().unwrap_or_else(by_characters).min(text.len()))
}

/// A list or a table of which the end was not read yet.
enum Open<'a> {
    List(usize, Vec<Node<'a>>),
    /// With the key of which the value comes next.
    Table(usize, Vec<Entry<'a>>, Option<(Cow<'a, str>, usize)>),
}

struct Reader<'a> {
    text: &'a str,
    open: Vec<Open<'a>>,
    root: Option<Node<'a>>,
}

impl<'a> Reader<'a> {
    fn event(&mut self, event: Event<'_>, at: usize) -> At<()> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                check_plain(anchor, tag.is_some(), at)?;
                let is_key = matches!(self.open.last(), Some(Open::Table(_, _, None)));
                let value = if style == ScalarStyle::Plain && !is_key { plain(&text) } else { string(&text) };
                self.put(Node { at, value })
            }
            Event::SequenceStart(_, anchor, tag) => {
                check_plain(anchor, tag.is_some(), at)?;
                self.begin(Open::List(at, Vec::new()), at)
            }
            Event::MappingStart(_, anchor, tag) => {
                check_plain(anchor, tag.is_some(), at)?;
                self.begin(Open::Table(at, Vec::new(), None), at)
            }
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(Open::List(at, list)) => self.put(Node { at, value: Value::List(list) }),
                Some(Open::Table(at, entries, _)) => {
                    let value = Value::Table(sorted(entries, "YAML")?);
                    self.put(Node { at, value })
                }
                None => Ok(()),
            },
            Event::Alias(_) => Err(wrong("an alias: write the value out", at)),
            _ => Ok(()),
        }
    }

    fn begin(&mut self, open: Open<'a>, at: usize) -> At<()> {
        check_depth(self.open.len() + 1, at)?;
        self.open.push(open);
        Ok(())
    }

    /// Puts a value where it belongs.
    fn put(&mut self, node: Node<'a>) -> At<()> {
        match self.open.last_mut() {
            Some(Open::List(_, list)) => list.push(node),
            Some(Open::Table(_, entries, key)) => match (key.take(), node) {
                (Some((name, at)), node) => entries.push(Entry { key: name, at, node }),
                (None, Node { at, value: Value::Text(name) }) if name == "<<" => {
                    return Err(wrong("a merge key: write the keys out", at));
                }
                (None, Node { at, value: Value::Text(name) }) => *key = Some((name, at)),
                (None, Node { at, .. }) => return Err(wrong("a key is a text", at)),
            },
            None if self.root.is_some() => return Err(wrong("a second document: a file has one formula", node.at)),
            None => self.root = Some(node),
        }
        debug_assert!(self.open.len() <= self.text.len(), "each is opened by a part of the text");
        Ok(())
    }
}

fn check_plain(anchor: usize, has_tag: bool, at: usize) -> At<()> {
    match (anchor, has_tag) {
        (0, false) => Ok(()),
        (0, true) => Err(wrong("a tag, which means nothing here: quote a text that starts with `!`", at)),
        _ => Err(wrong("an anchor: write the value out where it is needed", at)),
    }
}

fn string<'a>(text: &str) -> Value<'a> {
    Value::Text(Cow::Owned(text.to_owned()))
}

/// A scalar without quotes, by the core schema of YAML 1.2, decimals alone: `no`, `0x1f` and dates are texts.
fn plain<'a>(text: &str) -> Value<'a> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Flag(true),
        "false" | "False" | "FALSE" => return Value::Flag(false),
        _ => {}
    }
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let begins = digits.strip_prefix('.').unwrap_or(digits).starts_with(|c: char| c.is_ascii_digit());
    let has_leading_zero = digits.len() > 1 && digits.starts_with('0') && digits.as_bytes()[1].is_ascii_digit();
    if !begins || has_leading_zero || text.len() > NUMBER_BYTES_MAX {
        return string(text);
    }
    let fraction = || text.parse().ok().filter(|it: &f64| it.is_finite());
    text.parse().map(Value::Int).ok().or_else(|| fraction().map(Value::Float)).unwrap_or_else(|| string(text))
}

/// Whether it is a manifest, by what every manifest says first.
fn is_manifest(root: &Node<'_>) -> bool {
    let Value::Table(entries) = &root.value else { return false };
    ["apiVersion", "kind"].iter().all(|key| entries.iter().any(|entry| entry.key == *key))
}

/// A manifest of `kind: Formula` as the formula that it declares: its name, its spec, its vars by name, its steps with their name as id.
fn unwrapped(root: Node<'_>) -> At<Node<'_>> {
    let at = root.at;
    let mut manifest = Table::of(root)?;
    match manifest.take("kind") {
        Some(Entry { node: Node { value: Value::Text(kind), .. }, .. }) if kind == "Formula" => {}
        Some(Entry { at, .. }) => return Err(wrong("a manifest of another kind than Formula", at)),
        None => return Err(wrong("`kind` is missing", at)),
    }
    let Some(mut name) =
        manifest.take("metadata").map(|it| Table::of(it.node)).transpose()?.and_then(|mut it| it.take("name"))
    else {
        return Err(wrong("`metadata.name` is missing", at));
    };
    let Some(spec) = manifest.take("spec") else { return Err(wrong("`spec` is missing", at)) };
    name.key = Cow::Borrowed("formula");
    let mut formula = Table::of(spec.node)?;
    if let Some(Entry { key, at, node }) = formula.take("vars") {
        let node = match node {
            Node { at, value: Value::List(list) } => {
                let vars = list.into_iter().map(var).collect::<At<Vec<_>>>()?;
                Node { at, value: Value::Table(sorted(vars, "YAML")?) }
            }
            other => other,
        };
        formula.0.push(Entry { key, at, node });
    }
    if let Some(Entry { key, at, node }) = formula.take("steps") {
        let node = match node {
            Node { at, value: Value::List(list) } => {
                Node { at, value: Value::List(list.into_iter().map(step).collect::<At<_>>()?) }
            }
            other => other,
        };
        formula.0.push(Entry { key, at, node });
    }
    formula.0.push(name);
    Ok(Node { at, value: Value::Table(sorted(formula.0, "YAML")?) })
}

/// The entries of a table, to be taken out by key.
struct Table<'a>(Vec<Entry<'a>>);

impl<'a> Table<'a> {
    fn of(node: Node<'a>) -> At<Self> {
        match node.value {
            Value::Table(entries) => Ok(Self(entries)),
            other => Err(wrong(format!("{} instead of a table", other.type_name()), node.at)),
        }
    }

    fn take(&mut self, key: &str) -> Option<Entry<'a>> {
        let at = self.0.iter().position(|entry| entry.key == key)?;
        Some(self.0.remove(at))
    }
}

fn var(node: Node<'_>) -> At<Entry<'_>> {
    let at = node.at;
    let mut var = Table::of(node)?;
    match var.take("name") {
        Some(Entry { node: Node { at, value: Value::Text(key) }, .. }) => {
            Ok(Entry { key, at, node: Node { at, value: Value::Table(var.0) } })
        }
        _ => Err(wrong("a var without a `name`", at)),
    }
}

/// A step of a manifest has a name, and no more than that has to be said of it.
fn step(node: Node<'_>) -> At<Node<'_>> {
    let at = node.at;
    let mut step = Table::of(node)?;
    if let Some(mut name) = step.take("name") {
        if let Value::Text(text) = &name.node.value
            && step.0.iter().all(|entry| entry.key != "title")
        {
            let node = Node { at: name.node.at, value: string(text) };
            step.0.push(Entry { key: Cow::Borrowed("title"), at: name.at, node });
        }
        name.key = Cow::Borrowed("id");
        step.0.push(name);
    }
    Ok(Node { at, value: Value::Table(sorted(step.0, "YAML")?) })
}
