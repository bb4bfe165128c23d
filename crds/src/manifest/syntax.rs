//! Words for text that is no YAML, or no JSON: what is wrong there, and what to look for.

use std::ops::Range;
use std::sync::Arc;

use serde_saphyr::granit_parser::{ErrorKind, ScanError};

use super::diagnostic::Diagnostic;
use super::document::DEPTH_MAX;
use super::parts;
use super::source::Source;

/// What an error of the parser is called, in the part of the file where it came up.
pub(super) fn mistake(error: &ScanError, source: &Arc<Source>, part: &Range<usize>, at: usize) -> Diagnostic {
    let text = source.text();
    let is_json = text[part.clone()].trim_start_matches(parts::MARK).trim_start().starts_with(['{', '[']);
    if let Some(tab) = tab_in_front(text, at).filter(|_| !is_json) {
        return Diagnostic::error("tab", "a tab in the indentation", source, tab..tab + 1)
            .hint("indent with spaces: YAML allows no tabs there");
    }
    let end = text[at..].chars().next().map_or(at, |c| at + c.len_utf8());
    let line = line_at(text, at);
    if ["<<<<<<<", "=======", ">>>>>>>"].iter().any(|mark| line.starts_with(mark)) {
        return Diagnostic::error("syntax", "a merge conflict that nobody resolved", source, at..end)
            .hint("keep one of both sides, and remove the lines of `<`, `=` and `>`");
    }
    if line.contains("{{") && !is_json {
        return Diagnostic::error("syntax", "not valid YAML: this looks like a template", source, at..end)
            .hint(TEMPLATE_HINT);
    }
    if text[at..].starts_with(',') {
        return Diagnostic::error(
            "syntax",
            format!("not valid {}: a comma that separates nothing", name(is_json)),
            source,
            at..end,
        )
        .hint("remove it, or write what is missing before it");
    }
    match error.kind() {
        ErrorKind::RecursionLimitExceeded => return too_deep(source, at..end),
        ErrorKind::UnknownAnchor => {
            return Diagnostic::error("alias", "an alias to an anchor that is not there", source, at..end)
                .hint("write the value out; text that starts with `*` needs quotes");
        }
        _ => {}
    }
    let what = name(is_json);
    let (why, hint) = words(error.kind(), is_json);
    let why = if why.is_empty() { error.info() } else { why };
    Diagnostic::error("syntax", format!("not valid {what}: {why}"), source, at..end).hint(hint)
}

/// What to do about `{{ … }}`.
pub(super) const TEMPLATE_HINT: &str =
    "fill templates in first, such as by `helm template . | gt validate -`; text that starts with `{{` needs quotes";

fn name(is_json: bool) -> &'static str {
    if is_json { "JSON" } else { "YAML" }
}

fn line_at(text: &str, at: usize) -> &str {
    let start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    text[start..].lines().next().unwrap_or_default()
}

/// Brackets in brackets, or lists in lists, without an end.
pub(super) fn too_deep(source: &Arc<Source>, span: Range<usize>) -> Diagnostic {
    let message = format!("nested more than {DEPTH_MAX} levels deep");
    Diagnostic::error("too-deep", message, source, span)
        .hint("no kind needs more than 10: look for brackets or dashes that repeat")
}

/// What is wrong, in words that need no knowledge of a parser, and what to do. Of what people never write it is the parser
/// that speaks.
fn words(kind: &ErrorKind, is_json: bool) -> (String, &'static str) {
    use ErrorKind as E;
    let closing = if is_json {
        "add a comma, or the quote or bracket that is missing, here or in the line above"
    } else {
        "add a comma or the closing bracket; text with `,`, `[` or `{` in it needs quotes"
    };
    let (why, hint) = match kind {
        E::UnclosedFlowCollection { open } => {
            return (
                format!("the bracket `{open}` is never closed"),
                "close it, or put text that starts with it in quotes",
            );
        }
        E::MismatchedFlowCollectionEnd { open, close } => {
            return (
                format!("`{close}` where `{open}` is to be closed"),
                "close brackets in the order in which they were opened",
            );
        }
        E::MisplacedFlowCollectionEnd => {
            ("a closing bracket that was never opened", "remove it, or put text that starts with it in quotes")
        }
        E::UnexpectedEofFlowSequence | E::UnexpectedEofFlowMapping | E::UnexpectedEofImplicitFlowMapping => {
            ("the text ends in an open bracket", "close it")
        }
        E::ExpectedFlowMappingSeparator => ("a comma or `}` should stand here", closing),
        E::ExpectedFlowSequenceSeparator => ("a comma or `]` should stand here", closing),
        E::UnclosedQuotedScalar | E::DocumentIndicatorInQuotedScalar | E::InvalidQuotedScalarIndent => {
            ("a quote is opened above and not closed", "close it; in '…' a quote is written twice, in \"…\" as `\\\"`")
        }
        E::InvalidTrailingSingleQuotedScalar | E::InvalidTrailingDoubleQuotedScalar => (
            "text goes on behind its closing quote",
            "put all of it in quotes; in '…' a quote is written twice, in \"…\" as `\\\"`",
        ),
        E::UnknownQuotedScalarEscape | E::InvalidQuotedScalarHexEscape | E::InvalidUnicodeEscape => (
            "no character is written so behind `\\`",
            "write `\\\\` for a backslash, or use '…', where it means nothing",
        ),
        E::MappingValueNotAllowed | E::InvalidColonPlacement => (
            "a `:` that names nothing",
            "text with `: ` in it needs quotes; or the line above has a bracket or quote that is not closed",
        ),
        E::ExpectedBlockMappingKey => (
            "this line is no `key: value`",
            "align it with the lines above that it belongs to, and put a blank behind the `:`",
        ),
        E::SimpleKeyExpected | E::InvalidSimpleKey => (
            "a `:` is missing behind a key",
            "write `key: value`, with a blank behind the `:`; a long text needs quotes",
        ),
        E::ExpectedBlockSequenceEntry => {
            ("this line is no item of the list above", "start it with `- `, aligned with the items above")
        }
        E::InvalidIndentation | E::InvalidFlowScalarIndent => {
            ("the indentation fits nothing above", "align the line with those that it belongs to")
        }
        E::BlockSequenceEntryNotAllowed | E::BlockEntryInFlowCollection => (
            "a list item cannot begin here",
            "begin the list in a line of its own, below its key; text that starts with `- ` needs quotes",
        ),
        E::MappingKeyNotAllowed => ("a key cannot begin here", "begin it in a line of its own"),
        E::UnexpectedCharacter { .. } | E::PlainScalarStartsWithDashFlowIndicator | E::UnexpectedEndOfPlainScalar => {
            ("text cannot begin with this character", "put it in quotes")
        }
        E::MissingAnchorOrAliasName => ("`&` or `*` without a name", "text that starts with `&` or `*` needs quotes"),
        E::InvalidBlockScalarHeader | E::ZeroBlockScalarIndent => {
            ("behind `|` or `>` stands more than `+`, `-` or a digit", "begin the text in the next line, indented")
        }
        E::InvalidBlockScalarIndent => {
            ("the first lines of a text are indented more than the rest", "indent all of it alike")
        }
        E::MissingDocumentEndBeforeDirective | E::DirectiveDisallowed => {
            ("a line that starts with `%` in a document", "text that starts with `%` needs quotes")
        }
        E::InvalidDocumentEnd | E::ExpectedDocumentStart => (
            "more text behind the end of the document",
            "begin another document with a line `---`; a file holds one JSON value",
        ),
        E::CommentNotSeparated => ("a `#` right behind a value", "put a blank before a comment, or the text in quotes"),
        E::ExpectedNodeContent => ("a value should stand here", "write it, or remove the comma or the key"),
        _ => ("", "look here and just above for an open bracket or quote, or for text that needs quotes"),
    };
    (why.to_owned(), hint)
}

/// The first tab of a line's indentation: the usual culprit, which the parser may notice only behind it.
fn tab_in_front(text: &str, at: usize) -> Option<usize> {
    let start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    let line = line_at(text, at);
    let indent = line.len() - line.trim_start().len();
    line[..indent].find('\t').map(|tab| start + tab)
}
