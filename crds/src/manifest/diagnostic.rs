//! A `Diagnostic` is a mistake in a manifest, with the place, the reason and what to do, printed as rustc prints its own.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Range;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Element, Group, Level, Origin, Renderer, Snippet, normalize_untrusted_str};

use super::source::Source;
use crate::url;

/// Most diagnostics printed at once: nobody corrects more before trying again.
pub const SHOWN_MAX: usize = 50;
/// Longest piece of the user's text that is repeated in a message, in characters.
const QUOTE_CHARS_MAX: usize = 80;

/// Code of a key or password that is refused: of the line that it stands in, no more is shown than what is underlined.
pub const CODE_SECRET: &str = "secret";

/// Longest line that is shown, in bytes.
const LINE_BYTES_MAX: usize = 4096;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It is refused.
    Error,
    /// It is taken, and probably not meant.
    Warning,
}

/// A mistake in a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// The sort of mistake: short, stable, for programs and searches.
    pub code: &'static str,
    /// The mistake, in a line.
    pub message: String,
    /// The file it is in.
    pub source: Arc<Source>,
    /// The bytes to underline.
    pub span: Range<usize>,
    /// The text beside the underline; may be empty.
    pub label: String,
    /// The next step.
    pub hints: Vec<String>,
    /// Other places that have to do with it.
    pub related: Vec<Related>,
}

/// Another place that has to do with a mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Related {
    /// The file it is in.
    pub source: Arc<Source>,
    /// The bytes to underline.
    pub span: Range<usize>,
    /// The text beside the underline.
    pub label: String,
}

impl Diagnostic {
    /// An error at a place.
    pub fn error(code: &'static str, message: impl Into<String>, source: &Arc<Source>, span: Range<usize>) -> Self {
        Self {
            severity: Severity::Error,
            code,
            message: message.into(),
            source: Arc::clone(source),
            span,
            label: String::new(),
            hints: Vec::new(),
            related: Vec::new(),
        }
    }

    /// A warning at a place.
    pub fn warning(code: &'static str, message: impl Into<String>, source: &Arc<Source>, span: Range<usize>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, message, source, span) }
    }

    /// Says something beside the underline.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// Says what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Names another place.
    #[must_use]
    pub fn related(mut self, source: &Arc<Source>, span: Range<usize>, label: impl Into<String>) -> Self {
        self.related.push(Related { source: Arc::clone(source), span, label: label.into() });
        self
    }

    /// The file's name.
    pub fn file(&self) -> &str {
        self.source.name()
    }

    /// Line and column, counted from 1.
    pub fn line_col(&self) -> (usize, usize) {
        self.source.line_col(self.span.start)
    }

    /// The whole message, with the lines it speaks of; `color` adds ANSI colours.
    pub fn render(&self, color: bool) -> String {
        let renderer = if color { Renderer::styled() } else { Renderer::plain() };
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let mut group = Group::with_title(level.primary_title(self.message.as_str()).id(self.code));
        group = group.element(self.place(&self.source, &self.span, &self.label, AnnotationKind::Primary));
        for Related { source, span, label } in &self.related {
            group = group.element(self.place(source, span, label, AnnotationKind::Context));
        }
        for hint in &self.hints {
            group = group.element(Level::HELP.message(normalize_untrusted_str(hint)));
        }
        renderer.render(&[group])
    }

    /// The line of a span with the span underlined; where the line is too long to be read, its place alone.
    fn place<'a>(&self, source: &'a Source, span: &Range<usize>, label: &'a str, kind: AnnotationKind) -> Element<'a> {
        // Only the line in question is handed over: the renderer's work must not grow with the file.
        let span = source.first_line(span);
        let (line, start, text) = source.line_of(&span);
        // Whoever made the folder has chosen the name.
        let file = normalize_untrusted_str(&in_a_line(source.name()));
        if text.len() > LINE_BYTES_MAX {
            let (line, column) = source.line_col(span.start);
            return Origin::path(file).line(line).char_column(column).into();
        }
        let span = span.start - start..span.end - start;
        let shown = if self.code == CODE_SECRET {
            // As many blanks as bytes: the underline is placed by bytes.
            format!("{}{} …", " ".repeat(span.start), &text[span.clone()]).into()
        } else {
            url::mask(text)
        };
        let label = (!label.is_empty()).then(|| normalize_untrusted_str(label));
        Snippet::source(shown).path(file).line_start(line).annotation(kind.span(span).label(label)).into()
    }
}

/// The same without what was found out about their files, which takes more memory than the texts.
pub fn lean(mut diagnostics: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let mut known: BTreeMap<*const Source, Arc<Source>> = BTreeMap::new();
    let mut lean = |source: &mut Arc<Source>| {
        *source = Arc::clone(known.entry(Arc::as_ptr(source)).or_insert_with(|| source.lean()));
    };
    for diagnostic in &mut diagnostics {
        lean(&mut diagnostic.source);
        diagnostic.related.iter_mut().for_each(|related| lean(&mut related.source));
    }
    diagnostics
}

/// All of them, errors first, in the order of files and lines; at most [`SHOWN_MAX`], with a count of the rest.
pub fn render_all(diagnostics: &[Diagnostic], color: bool) -> String {
    let mut sorted: Vec<&Diagnostic> = diagnostics.iter().collect();
    sorted.sort_by_key(|d| (d.severity, d.file().to_owned(), d.span.start));
    let mut text = String::new();
    for diagnostic in sorted.iter().take(SHOWN_MAX) {
        text.push_str(&diagnostic.render(color));
        text.push_str("\n\n");
    }
    if let Some(rest) = sorted.len().checked_sub(SHOWN_MAX).filter(|&rest| rest > 0) {
        let _infallible = write!(text, "… and {rest} more\n\n");
    }
    text.truncate(text.trim_end().len());
    text
}

/// The name of a file in one line, whatever it is: no line of it must look like another message.
fn in_a_line(name: &str) -> String {
    name.replace(['\n', '\r'], "␤")
}

/// A piece of the user's text for a message: in backquotes, control characters escaped, cut when long.
pub fn quote(text: &str) -> String {
    let mut quoted = String::from("`");
    for c in url::mask(text).chars().take(QUOTE_CHARS_MAX) {
        match c {
            '`' => quoted.push('\''),
            c if c.is_control() || is_invisible(c) => quoted.extend(c.escape_unicode()),
            c => quoted.push(c),
        }
    }
    if text.chars().nth(QUOTE_CHARS_MAX).is_some() {
        quoted.push('…');
    }
    quoted.push('`');
    quoted
}

/// Characters that change how the text around them is shown: bidirectional marks, zero-width ones.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}
