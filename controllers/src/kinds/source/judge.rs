//! Whether a revision may be applied: nothing of one that holds a mistake is.

use gastown_crds::admission::{self, Known, SetOptions};
use gastown_crds::kinds::Kind;
use gastown_crds::manifest::{self, Manifest, Severity};
use gastown_crds::reason::Reason;
use gastown_crds::source::{OBJECTS_MAX, Source};
use serde_json::Value;

use super::object::noted;
use super::{Names, inventory, object, other_source};
use crate::objects::Objects;
use crate::view::View;
use crate::world::{Declared, Revision, Signature};

/// The most that an inventory may take of its object, in bytes: the rest is for conditions and history.
const INVENTORY_BYTES_MAX: usize = 160 << 10;

/// The town beside a revision: all objects but those that the revision deletes.
struct Beside<'a> {
    objects: &'a Objects,
    doomed: &'a Names,
}

impl Known for Beside<'_> {
    fn names(&self, kind: &str) -> Vec<String> {
        let Some(kind) = Kind::named(kind) else { return Vec::new() };
        let is_doomed = |name: &String| self.doomed.contains(&(kind.rank(), name.clone()));
        self.objects.names(kind).into_iter().filter(|name| !is_doomed(name)).collect()
    }

    fn spec(&self, kind: &str, name: &str) -> Option<Value> {
        Some(self.objects.value(Kind::named(kind)?, name)?["spec"].take())
    }
}

/// Why a revision is not even read: it is not signed as its source wants, or nobody can say.
pub(super) fn unsigned(revision: &Revision) -> Option<(Reason, String)> {
    match &revision.signature {
        Signature::NotAsked | Signature::Good => None,
        Signature::Refused(why) => Some((Reason::NotSigned, format!("nothing of it is applied: {why}"))),
        Signature::Unchecked(why) => {
            Some((Reason::CannotVerify, format!("nothing of it is applied: its signature cannot be checked: {why}")))
        }
    }
}

/// Why nothing of a revision is applied: a reason, and a message for people. None if it is right. One that is begun was right
/// by itself when that was decided, and is so: only what others have done since is looked at.
pub(super) fn mistakes(
    source: &Source,
    declared: &Declared,
    (all, doomed): (&Names, &Names),
    live: Option<&Declared>,
    is_begun: bool,
    view: &View<'_>,
) -> Option<(Reason, String)> {
    if declared.mistakes_count > 0 {
        return Some((Reason::InvalidRevision, told(declared.mistakes_count, &declared.mistakes)));
    }
    if let Some(broken) = live.and_then(|live| broken(live, declared)) {
        return Some((Reason::InvalidRevision, told(1, &broken)));
    }
    if declared.objects.len() > OBJECTS_MAX || bytes(all) > INVENTORY_BYTES_MAX {
        let message =
            format!("it declares {} objects, more than one source can: make two of it", declared.objects.len());
        return Some((Reason::InvalidRevision, message));
    }
    let mut found = if is_begun {
        Vec::new()
    } else {
        let manifests: Vec<Manifest> = declared.objects.iter().map(|object| object.manifest.clone()).collect();
        admission::admit_set(&manifests, &Beside { objects: view.objects, doomed }, SetOptions::default())
    };
    let this = source.metadata.name.as_deref().unwrap_or_default();
    for declared in &declared.objects {
        let (kind, manifest) = (declared.kind, &declared.manifest);
        let Some(meta) = view.objects.metadata(kind, &manifest.name) else { continue };
        if let Some(other) = other_source(source, meta, kind, view) {
            let (line, _) = manifest.source.line_col(manifest.name_at().start);
            let what = declared.named();
            let message = format!(
                "{what} ({}:{line}) is declared by the source `{other}`, and now by `{this}` too: take it out of one",
                manifest.file()
            );
            return Some((Reason::DeclaredTwice, message));
        }
        // What may not change is judged against what is there; an object that is as it was applied needs no look.
        let is_applied = noted(meta).is_some_and(|(digest, _)| digest == declared.digest);
        if !is_applied && let Some(live) = view.objects.value(kind, &manifest.name) {
            found.extend(object::mistakes(this, declared, &live, view));
        }
    }
    found.retain(|mistake| mistake.severity == Severity::Error);
    if found.is_empty() {
        return None;
    }
    Some((Reason::InvalidRevision, told(found.len(), &manifest::render_all(&found, false))))
}

/// A file that declared objects and now does not say whose it is, such as one that broke: that those are to go, it says not.
fn broken(live: &Declared, declared: &Declared) -> Option<String> {
    declared.unread.iter().find_map(|unread| {
        let file = unread.nobodys_file()?;
        let count = live.objects.iter().filter(|object| object.manifest.file() == file).count();
        (count > 0).then(|| format!("{unread}; {count} objects were declared there: remove the file if they are to go"))
    })
}

fn told(count: usize, rendered: &str) -> String {
    let many = if count == 1 { "is a mistake".to_owned() } else { format!("are {count} mistakes") };
    format!("there {many} in it, and nothing of it is applied:\n{}", rendered.trim_end())
}

/// The size of the inventory of these, in bytes.
fn bytes(all: &Names) -> usize {
    serde_json::to_string(&inventory(all)).map_or(usize::MAX, |text| text.len())
}
