//! Everything that a file holds, in one reading: our objects, what is not ours, and every mistake that keeps something from
//! being read. A document that cannot be read hides none of the others.

use std::ops::Range;
use std::sync::Arc;

use serde_json::Value;

use super::diagnostic::Diagnostic;
use super::document::{self, Document, MISTAKES_MAX, Places, Text};
use super::foreign::{self, Skipped};
use super::header::header;
use super::source::Source;
use super::{FILE_BYTES_MAX, Manifest, list, names_in};

/// What a file may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Somebody named it: all of it is meant for us.
    Ours,
    /// It was found in a folder, where others' files stand too.
    Anybodys,
}

/// What a file holds.
#[derive(Debug, Default)]
pub struct Survey {
    /// Our objects, as far as they can be read.
    pub objects: Vec<Object>,
    /// What cannot be read, or not without doubt.
    pub mistakes: Vec<Diagnostic>,
    /// What is not ours.
    pub skipped: Vec<Skipped>,
    /// Names of objects that there may be in what could not be read.
    pub lost: Vec<String>,
}

/// One object, just read.
#[derive(Debug)]
pub struct Object {
    /// Its header, and the way to all else: what is asked of it is read from the file again.
    pub manifest: Manifest,
    /// The whole object.
    pub value: Value,
}

impl Object {
    /// As a manifest that holds its object itself, to be kept.
    pub fn packed(self) -> Manifest {
        self.manifest.with(&self.value)
    }
}

/// Reads a file.
pub fn survey(file_name: &str, bytes: &[u8], scope: Scope) -> Survey {
    let source = match text_of(file_name, bytes) {
        Ok(text) => Source::new(file_name, text),
        Err(mistake) => {
            let is_ours = scope == Scope::Ours || foreign::looks_like_ours(bytes);
            let lost = names_in(&String::from_utf8_lossy(&bytes[..bytes.len().min(FILE_BYTES_MAX)]));
            return if is_ours {
                Survey { mistakes: vec![*mistake], lost, ..Survey::default() }
            } else {
                Survey { skipped: vec![Skipped::unreadable(&mistake)], ..Survey::default() }
            };
        }
    };
    // Where things stand matters only once there is something to say of them.
    let survey = sorted(&source, read(&source, Places::Left), scope, Places::Left);
    if survey.mistakes.is_empty() && survey.skipped.is_empty() {
        return survey;
    }
    sorted(&source, read(&source, Places::Found), scope, Places::Found)
}

/// The document that an object of a file is: found when it is asked for the first time, for all of them.
pub(super) fn document(source: &Arc<Source>, nth: usize) -> Option<&Document> {
    source.documents.get_or_init(|| read(source, Places::Found).documents).get(nth)
}

/// The objects of a file, each as `Kind/name`, with their places; nothing of it is kept.
pub fn outline(source: &Arc<Source>) -> Vec<(Range<usize>, String)> {
    let text =
        |value: &Value, pointer: &str| value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let objects = read(source, Places::Found).documents.into_iter();
    let objects = objects.map(|Document { value, spans }| {
        (spans.value, format!("{}/{}", text(&value, "/kind"), text(&value, "/metadata/name")))
    });
    objects.collect()
}

/// The mistake of a file that is too large to be read.
pub fn too_large(file_name: &str) -> Diagnostic {
    let message = format!("the file is larger than {} MiB", FILE_BYTES_MAX >> 20);
    Diagnostic::error("too-large", message, &Source::new(file_name, ""), 0..0).hint("split it into several files")
}

fn text_of<'a>(file_name: &str, bytes: &'a [u8]) -> Result<&'a str, Box<Diagnostic>> {
    if bytes.len() > FILE_BYTES_MAX {
        return Err(Box::new(too_large(file_name)));
    }
    std::str::from_utf8(bytes).map_err(|error| {
        // Shown as far as it is text.
        let source = Source::new(file_name, &String::from_utf8_lossy(bytes));
        let at = error.valid_up_to();
        let mistake = Diagnostic::error("utf-8", "not UTF-8 text", &source, at..at + 1);
        Box::new(mistake.hint("save the file as UTF-8"))
    })
}

/// Every object of a file, whatever it is: lists are the objects in them.
fn read(source: &Arc<Source>, places: Places) -> Text {
    let Text { documents, mut mistakes, lost } = document::read(source, places);
    let mut objects = Vec::with_capacity(documents.len());
    for document in documents {
        if let Err(mistake) = list::flatten(document, source, &mut objects) {
            mistakes.push(*mistake);
        }
    }
    Text { documents: objects, mistakes, lost }
}

/// Tells ours from others', and what is wrong with either.
fn sorted(source: &Arc<Source>, text: Text, scope: Scope, places: Places) -> Survey {
    let Text { documents, mistakes, lost } = text;
    let mut survey = Survey::default();
    let is_foreign = |object: &Value| scope == Scope::Anybodys && foreign::is_foreign_object(object);
    let theirs: Vec<Range<usize>> =
        documents.iter().filter(|it| is_foreign(&it.value)).map(|it| it.spans.value.clone()).collect();
    let is_theirs = |mistake: &Diagnostic| {
        scope == Scope::Anybodys
            && (theirs.iter().any(|span| span.contains(&mistake.span.start) && !is_ours(source, span))
                || lost.iter().any(|part| part.contains(&mistake.span.start) && !is_ours(source, part)))
    };
    for mistake in mistakes {
        if is_theirs(&mistake) {
            survey.skipped.push(Skipped::unreadable(&mistake));
        } else {
            survey.mistakes.push(mistake);
        }
    }
    for part in lost.iter().filter(|part| scope == Scope::Ours || is_ours(source, part)) {
        survey.lost.extend(names_in(&source.text()[(*part).clone()]));
    }
    for (nth, document) in documents.iter().enumerate() {
        // One with a mistake in it was named above.
        if is_foreign(&document.value) {
            let is_named = survey.skipped.iter().any(|it| it.is_within(source, &document.spans.value));
            if !is_named || places == Places::Left {
                survey.skipped.push(Skipped::object(source, &document.value, &document.spans));
            }
            continue;
        }
        let (found, mistakes) = header(source, &document.value, &document.spans);
        if survey.mistakes.len() < MISTAKES_MAX {
            survey.mistakes.extend(mistakes);
        }
        if let Some([api_version, kind, name]) = found {
            let manifest = Manifest { source: Arc::clone(source), api_version, kind, name, object: None, nth };
            survey.objects.push(Object { manifest, value: Value::Null });
        } else {
            survey.lost.extend(document.value.pointer("/metadata/name").and_then(Value::as_str).map(str::to_owned));
        }
    }
    fill(&mut survey, source, documents, places);
    survey
}

/// Moves each object to its header.
fn fill(survey: &mut Survey, source: &Arc<Source>, documents: Vec<Document>, places: Places) {
    if places == Places::Found {
        for object in &mut survey.objects {
            object.value = documents[object.manifest.nth].value.clone();
        }
        // Somebody will ask for them.
        drop(source.documents.set(documents));
        return;
    }
    let mut objects = survey.objects.iter_mut().peekable();
    for (nth, document) in documents.into_iter().enumerate() {
        if let Some(object) = objects.next_if(|object| object.manifest.nth == nth) {
            object.value = document.value;
        }
    }
}

/// Whether a part that could not be read was meant for us.
fn is_ours(source: &Source, part: &Range<usize>) -> bool {
    foreign::looks_like_ours(source.text()[part.clone()].as_bytes())
}
