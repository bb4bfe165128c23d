//! `bd query`: an expression over the fields of beads, such as `status=open AND (priority<=1 OR label=urgent) AND created>7d`.
//!
//! The grammar is Beads': comparisons joined by `AND`, `OR` and `NOT` with parentheses; `NOT` binds tightest, then `AND`. A time may be an
//! age: `updated<30d` is what has not been changed for thirty days.

use std::cmp::Ordering;

use jiff::Timestamp;

use crate::slim::Slim;
use crate::times::instant;
use crate::words;

/// The longest expression, in bytes.
pub const EXPRESSION_BYTES_MAX: usize = 4096;
/// How deep parentheses and `NOT` may go.
const DEPTH_MAX: usize = 64;

/// An expression, ready to be asked of beads.
#[derive(Debug, Clone, PartialEq)]
pub enum Query {
    /// Both hold.
    And(Box<Query>, Box<Query>),
    /// One of them holds.
    Or(Box<Query>, Box<Query>),
    /// It does not hold.
    Not(Box<Query>),
    /// A field compares so.
    Compare(Field, Operator, Value),
}

/// A field of a bead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// Its status in Beads' words.
    Status,
    /// Its type in Beads' words.
    Type,
    /// 0 (first) to 4 (last).
    Priority,
    /// Who has it.
    Assignee,
    /// Who filed it.
    CreatedBy,
    /// One of its labels.
    Label,
    /// A text in its title.
    Title,
    /// A text in its description.
    Description,
    /// A text in its notes.
    Notes,
    /// When it was filed.
    Created,
    /// When it was last changed.
    Updated,
    /// When it was closed.
    Closed,
    /// When somebody took it up.
    Started,
    /// When it should be done.
    Due,
    /// Its id.
    Id,
    /// The specification that it comes from.
    Spec,
    /// What it is a part of.
    Parent,
    /// Its rig.
    Rig,
    /// Whether it stays open for ever.
    Pinned,
    /// Whether it is a wisp.
    Ephemeral,
    /// The same in another tracker.
    ExternalRef,
}

/// Every field with the words for it.
const FIELDS: [(Field, &[&str]); 21] = [
    (Field::Status, &["status"]),
    (Field::Type, &["type", "issue_type"]),
    (Field::Priority, &["priority"]),
    (Field::Assignee, &["assignee"]),
    (Field::CreatedBy, &["owner", "created_by"]),
    (Field::Label, &["label", "labels"]),
    (Field::Title, &["title"]),
    (Field::Description, &["desc", "description"]),
    (Field::Notes, &["notes"]),
    (Field::Created, &["created", "created_at"]),
    (Field::Updated, &["updated", "updated_at"]),
    (Field::Closed, &["closed", "closed_at"]),
    (Field::Started, &["started", "started_at"]),
    (Field::Due, &["due", "due_at"]),
    (Field::Id, &["id"]),
    (Field::Spec, &["spec", "spec_id"]),
    (Field::Parent, &["parent"]),
    (Field::Rig, &["rig"]),
    (Field::Pinned, &["pinned"]),
    (Field::Ephemeral, &["ephemeral"]),
    (Field::ExternalRef, &["external_ref"]),
];

/// How two values compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

/// What a field is compared with.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A text, in lower case where case does not count.
    Text(String),
    /// A whole number.
    Number(u32),
    /// An instant.
    At(Timestamp),
    /// Yes or no.
    Bool(bool),
}

/// What is wrong with an expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}, at position {position}")]
pub struct QueryError {
    /// The byte of the expression, from 0.
    pub position: usize,
    /// What is wrong.
    pub message: String,
}

impl Query {
    /// Reads an expression; `now` is what an age is counted from.
    pub fn parse(text: &str, now: Timestamp) -> Result<Self, QueryError> {
        if text.len() > EXPRESSION_BYTES_MAX {
            let message = format!("the expression is longer than {EXPRESSION_BYTES_MAX} bytes");
            return Err(QueryError { position: EXPRESSION_BYTES_MAX, message });
        }
        let tokens = tokens(text)?;
        let mut parser = Parser { tokens: &tokens, at: 0, end: text.len(), now };
        if tokens.is_empty() {
            return Err(parser.wrong("the expression is empty"));
        }
        let query = parser.either(0)?;
        match parser.peek() {
            None => Ok(query),
            Some(token) => Err(QueryError {
                position: token.position,
                message: format!("`{}` is not expected here; join comparisons by AND or OR", token.text),
            }),
        }
    }

    /// Whether a bead is what is asked for.
    pub fn admits(&self, bead: &Slim) -> bool {
        match self {
            Self::And(a, b) => a.admits(bead) && b.admits(bead),
            Self::Or(a, b) => a.admits(bead) || b.admits(bead),
            Self::Not(query) => !query.admits(bead),
            Self::Compare(field, operator, value) => compare(*field, *operator, value, bead),
        }
    }

    /// Whether it speaks of a field.
    pub fn names(&self, wanted: Field) -> bool {
        match self {
            Self::And(a, b) | Self::Or(a, b) => a.names(wanted) || b.names(wanted),
            Self::Not(query) => query.names(wanted),
            Self::Compare(field, ..) => *field == wanted,
        }
    }
}

fn compare(field: Field, operator: Operator, value: &Value, bead: &Slim) -> bool {
    let spec = &bead.spec;
    let is = |found: bool| if operator == Operator::NotEqual { !found } else { found };
    match value {
        Value::Number(wanted) => operator.holds(spec.priority.cmp(wanted)),
        Value::Bool(wanted) if field == Field::Ephemeral => is(spec.ephemeral == *wanted),
        Value::Bool(wanted) => is((spec.held.as_deref() == Some("pinned")) == *wanted),
        Value::At(wanted) => {
            let at = match field {
                Field::Created => Some(bead.created()),
                Field::Updated => Some(bead.updated()),
                Field::Closed => spec.closed.as_ref().map(|closed| closed.at),
                Field::Started => spec.started_at,
                _ => spec.due,
            };
            at.is_some_and(|at| operator.holds(at.cmp(wanted)))
        }
        Value::Text(wanted) => {
            let has = |text: Option<&str>| text.is_some_and(|text| text.to_lowercase().contains(wanted.as_str()));
            let same = |text: Option<&str>| match text.filter(|text| !text.is_empty()) {
                None => wanted.is_empty() || wanted == "none",
                Some(text) => matches(wanted, &text.to_lowercase()),
            };
            is(match field {
                Field::Title => has(Some(&spec.title)),
                Field::Description => has(spec.description.as_deref()),
                Field::Notes => has(spec.notes.as_deref()),
                Field::Status => same(Some(bead.status())),
                Field::Type => same(Some(bead.type_name())),
                Field::Assignee => same(bead.assignee().as_deref()),
                Field::CreatedBy => same(spec.created_by.as_deref()),
                Field::Id => same(Some(&bead.id())),
                Field::Spec => same(spec.spec_id.as_deref()),
                Field::Parent => same(spec.parent.as_deref()),
                Field::Rig => same(Some(&spec.rig)),
                Field::ExternalRef => same(spec.external_ref.as_deref()),
                Field::Label if wanted == "none" || wanted.is_empty() => bead.labels().next().is_none(),
                Field::Label => bead.labels().any(|label| matches(wanted, &label.to_lowercase())),
                _ => false,
            })
        }
    }
}

/// Whether a text is a pattern, in which `*` stands for any text.
pub fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        match rest.split_once(part) {
            Some((_, behind)) => rest = behind,
            None => return false,
        }
    }
    rest.ends_with(last)
}

impl Operator {
    fn of(text: &str) -> Option<Self> {
        Some(match text {
            "=" | "==" => Self::Equal,
            "!=" => Self::NotEqual,
            "<" => Self::Less,
            "<=" => Self::LessOrEqual,
            ">" => Self::Greater,
            ">=" => Self::GreaterOrEqual,
            _ => return None,
        })
    }

    fn holds(self, ordering: Ordering) -> bool {
        match self {
            Self::Equal => ordering.is_eq(),
            Self::NotEqual => ordering.is_ne(),
            Self::Less => ordering.is_lt(),
            Self::LessOrEqual => ordering.is_le(),
            Self::Greater => ordering.is_gt(),
            Self::GreaterOrEqual => ordering.is_ge(),
        }
    }
}

/// A word, an operator, a parenthesis or a quoted text.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Token {
    position: usize,
    text: String,
    is_quoted: bool,
}

fn tokens(text: &str) -> Result<Vec<Token>, QueryError> {
    let mut tokens = Vec::new();
    let mut chars = text.char_indices().peekable();
    while let Some((position, c)) = chars.next() {
        let mut token = Token { position, text: c.to_string(), is_quoted: false };
        match c {
            c if c.is_whitespace() => continue,
            '(' | ')' => {}
            '=' | '!' | '<' | '>' => {
                if let Some((_, '=')) = chars.peek() {
                    token.text.push('=');
                    chars.next();
                }
            }
            '"' | '\'' => {
                token.text.clear();
                token.is_quoted = true;
                let mut is_closed = false;
                while let Some((_, next)) = chars.next() {
                    match next {
                        '\\' => token.text.extend(chars.next().map(|(_, c)| c)),
                        next if next == c => {
                            is_closed = true;
                            break;
                        }
                        next => token.text.push(next),
                    }
                }
                if !is_closed {
                    return Err(QueryError { position, message: "the quote is not closed".to_owned() });
                }
            }
            _ => {
                while let Some((_, next)) =
                    chars.peek().filter(|(_, c)| !c.is_whitespace() && !"()=!<>\"'".contains(*c))
                {
                    token.text.push(*next);
                    chars.next();
                }
            }
        }
        tokens.push(token);
    }
    Ok(tokens)
}

struct Parser<'a> {
    tokens: &'a [Token],
    at: usize,
    end: usize,
    now: Timestamp,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<&'a Token> {
        self.tokens.get(self.at)
    }

    fn wrong(&self, message: impl Into<String>) -> QueryError {
        let position = self.peek().map_or(self.end, |token| token.position);
        QueryError { position, message: message.into() }
    }

    fn takes(&mut self, word: &str) -> bool {
        let is_it = self.peek().is_some_and(|it| !it.is_quoted && it.text.eq_ignore_ascii_case(word));
        self.at += usize::from(is_it);
        is_it
    }

    fn either(&mut self, depth: usize) -> Result<Query, QueryError> {
        let mut query = self.both(depth)?;
        while self.takes("OR") {
            query = Query::Or(Box::new(query), Box::new(self.both(depth)?));
        }
        Ok(query)
    }

    fn both(&mut self, depth: usize) -> Result<Query, QueryError> {
        let mut query = self.one(depth)?;
        while self.takes("AND") {
            query = Query::And(Box::new(query), Box::new(self.one(depth)?));
        }
        Ok(query)
    }

    fn one(&mut self, depth: usize) -> Result<Query, QueryError> {
        if depth > DEPTH_MAX {
            return Err(self.wrong(format!("parentheses go deeper than {DEPTH_MAX}")));
        }
        if self.takes("NOT") {
            return Ok(Query::Not(Box::new(self.one(depth + 1)?)));
        }
        if self.takes("(") {
            let query = self.either(depth + 1)?;
            return if self.takes(")") { Ok(query) } else { Err(self.wrong("a `)` is missing")) };
        }
        self.comparison()
    }

    fn comparison(&mut self) -> Result<Query, QueryError> {
        let Some(word) = self.peek() else { return Err(self.wrong("a field is missing")) };
        let Some((field, _)) =
            FIELDS.iter().find(|(_, names)| names.iter().any(|it| it.eq_ignore_ascii_case(&word.text)))
        else {
            let known: Vec<&str> = FIELDS.iter().filter_map(|(_, names)| names.first().copied()).collect();
            return Err(self.wrong(format!("`{}` is no field; there are {}", word.text, known.join(", "))));
        };
        self.at += 1;
        let operator = self.peek().filter(|it| !it.is_quoted).and_then(|it| Operator::of(&it.text));
        let Some(operator) = operator else { return Err(self.wrong("a comparison is missing: =, !=, <, <=, > or >=")) };
        self.at += 1;
        let Some(value) = self.peek() else { return Err(self.wrong("a value is missing")) };
        let value = self.value(*field, operator, &value.text)?;
        self.at += 1;
        Ok(Query::Compare(*field, operator, value))
    }

    fn value(&self, field: Field, operator: Operator, text: &str) -> Result<Value, QueryError> {
        match field {
            Field::Priority => words::priority(text).map(Value::Number).map_err(|error| self.wrong(error)),
            Field::Created | Field::Updated | Field::Closed | Field::Started | Field::Due => {
                let at = instant(text, self.now);
                at.map(Value::At).ok_or_else(|| self.wrong(format!("`{text}` is no time: 7d, 2026-03-01 or RFC 3339")))
            }
            _ if !matches!(operator, Operator::Equal | Operator::NotEqual) => {
                Err(self.wrong("this field has = and != only"))
            }
            Field::Pinned | Field::Ephemeral => match text.to_lowercase().as_str() {
                "true" | "yes" | "1" => Ok(Value::Bool(true)),
                "false" | "no" | "0" => Ok(Value::Bool(false)),
                _ => Err(self.wrong("this field is true or false")),
            },
            Field::Type => {
                let known = words::type_of(text)
                    .map(|(type_, custom)| Value::Text(words::type_name(type_, custom.as_deref()).to_owned()));
                Ok(known.unwrap_or_else(|| Value::Text(text.to_lowercase())))
            }
            Field::Status => Ok(Value::Text(text.to_lowercase().replace('-', "_"))),
            _ => Ok(Value::Text(text.to_lowercase())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    const NOW: &str = "2026-03-10T00:00:00Z";

    fn now() -> Timestamp {
        NOW.parse().unwrap()
    }

    fn bead() -> Slim {
        serde_json::from_value(json!({
            "metadata": { "name": "shop-1", "creationTimestamp": "2026-03-08T10:00:00Z" },
            "spec": {
                "title": "Fix the Login", "type": "Bug", "priority": 1, "rig": "shop", "suspend": true,
                "labels": ["urgent", "area:auth"], "assignedTo": "kim", "parent": "shop-e",
            },
        }))
        .unwrap()
    }

    #[test]
    fn beads_are_asked_by_their_fields() {
        let yes = [
            "status=open",
            "type=bug AND priority<=1",
            "priority=P1",
            "label=urgent",
            "label=area:*",
            "title=login",
            "title=\"the login\"",
            "created>7d",
            "created<1d",
            "created>=2026-03-08 AND created<2026-03-09",
            "NOT status=closed",
            "status!=closed AND NOT (priority>2 OR label=later)",
            "assignee=kim OR assignee=lee",
            "assignee=none OR parent=shop-e",
            "id=shop-*",
            "not pinned=true and rig=shop",
            "NOT closed>1d",
            "ephemeral=false and ephemeral!=true",
        ];
        for text in yes {
            assert!(Query::parse(text, now()).unwrap().admits(&bead()), "{text}");
        }
        for text in ["status=closed", "label=area", "created<7d", "priority>1 OR type=task", "NOT NOT type=task"] {
            assert!(!Query::parse(text, now()).unwrap().admits(&bead()), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        let wrong = |text: &str| Query::parse(text, now()).unwrap_err().to_string();
        insta::assert_snapshot!(
            ["", "status", "status=", "statsu=open", "priority=9", "a=b c=d", "(status=open", "status=open type=bug",
             "title>x", "created>soon", "title=\"x", "status==open)"].map(wrong).join("\n"), @r"
        the expression is empty, at position 0
        a comparison is missing: =, !=, <, <=, > or >=, at position 6
        a value is missing, at position 7
        `statsu` is no field; there are status, type, priority, assignee, owner, label, title, desc, notes, created, updated, closed, started, due, id, spec, parent, rig, pinned, ephemeral, external_ref, at position 0
        a priority is 0 (first) to 4 (last), at position 9
        `a` is no field; there are status, type, priority, assignee, owner, label, title, desc, notes, created, updated, closed, started, due, id, spec, parent, rig, pinned, ephemeral, external_ref, at position 0
        a `)` is missing, at position 12
        `type` is not expected here; join comparisons by AND or OR, at position 12
        this field has = and != only, at position 6
        `soon` is no time: 7d, 2026-03-01 or RFC 3339, at position 8
        the quote is not closed, at position 6
        `)` is not expected here; join comparisons by AND or OR, at position 12
        ");
    }

    proptest! {
        #[test]
        fn no_expression_makes_it_panic(text in "[a-z=<>!()\"' *0-9ANDORT-]{0,80}") {
            if let Ok(query) = Query::parse(&text, now()) {
                query.admits(&bead());
            }
        }

        #[test]
        fn a_pattern_of_its_own_text_matches(text in "[a-c*]{0,12}") {
            prop_assert!(matches(&text, &text.replace('*', "bcb")));
        }
    }
}
