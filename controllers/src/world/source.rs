//! The port of sources: which revision a branch or a folder is at, and what that declares.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use gastown_crds::declared::{declared, digest};
use gastown_crds::kinds::Kind;
use gastown_crds::manifest::{Manifest, Skipped};
use gastown_crds::source::{GitOrigin, Source, SourceSpec, Verify};
use jiff::Timestamp;

use super::{ActError, Ask, Fact, Oid, Owner, Question, Seen, path_of};

/// Sources of desired state.
pub trait Sources {
    /// The revision that an origin is at. From then on a change of it is an event.
    fn revision(&self, asked: &AskRevision) -> Seen<Found>;
    /// What a tree declares; none if it cannot be read any more.
    fn declared(&self, asked: &AskDeclared) -> Seen<Option<Arc<Declared>>>;
    /// The lease of a source, as the town's clone has it; none if nobody held it when that was fetched.
    fn lease(&self, asked: &AskLease) -> Seen<Option<Lease>>;
    /// The town's clone of a source that goes is removed, and what is remembered of it. Not that of anything else: work may be
    /// in it.
    fn remove_clone(&self, source: &Owner) -> Result<(), ActError>;
}

/// Where a source is read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// A repository on this machine, where it lies.
    Path {
        /// Its path, as it is declared.
        path: String,
        /// The commit.
        at: At,
        /// The folder in it; empty: all of it.
        folder: String,
    },
    /// The town's clone of a repository that is elsewhere, as last fetched.
    Clone {
        /// The commit.
        at: At,
        /// The folder in it; empty: all of it.
        folder: String,
    },
    /// A folder on this machine.
    Directory {
        /// Its path, as it is declared.
        path: String,
    },
}

/// Which commit of a repository.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum At {
    /// What its HEAD names.
    Head,
    /// The tip of a branch.
    Branch(String),
    /// A tag.
    Tag(String),
    /// This one.
    Commit(String),
}

impl At {
    /// The tag that it is.
    pub fn tag(&self) -> Option<&str> {
        if let Self::Tag(tag) = self { Some(tag) } else { None }
    }
}

impl Origin {
    /// As a source declares it; none for a spec that the schema refuses.
    pub fn of(spec: &SourceSpec) -> Option<Self> {
        if let Some(directory) = &spec.directory {
            return Some(Self::Directory { path: directory.path.clone() });
        }
        let GitOrigin { url, branch, tag, commit, path, interval: _, verify: _, secret_ref: _, webhook: _, lease: _ } =
            spec.git.as_ref()?;
        let folder = path.clone().unwrap_or_default();
        let at = match (branch, tag, commit) {
            (Some(branch), _, _) => At::Branch(branch.clone()),
            (_, Some(tag), _) => At::Tag(tag.clone()),
            (_, _, Some(commit)) => At::Commit(commit.clone()),
            _ => At::Head,
        };
        Some(match path_of(url) {
            Some(path) => Self::Path { path: path.to_owned(), at, folder },
            None => Self::Clone { at, folder },
        })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path { path, .. } | Self::Directory { path } => write!(f, "`{path}`"),
            Self::Clone { .. } => f.write_str("the town's clone"),
        }
    }
}

/// Asks which revision an origin is at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AskRevision {
    /// The source.
    pub source: Owner,
    /// Where it is read.
    pub origin: Origin,
    /// The keys that have to have signed it; none: nobody asks for a signature.
    pub verify: Option<Verify>,
}

impl AskRevision {
    /// What a source asks, of where it is read.
    pub fn of(source: &Source, origin: &Origin) -> Self {
        let verify = source.spec.git.as_ref().and_then(|git| git.verify.clone());
        Self { source: Owner::of(source), origin: origin.clone(), verify }
    }
}

impl Question for AskRevision {
    type Answer = Found;

    fn ask(&self) -> Ask {
        Ask::Revision(self.clone())
    }

    fn answer(fact: &Fact) -> Option<&Self::Answer> {
        if let Fact::Revision(it) = fact { Some(it) } else { None }
    }
}

/// The revision that an origin is at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// This one.
    At(Revision),
    /// There is none: the words say what is missing.
    Missing(String),
    /// Somebody is writing there just now; its end is an event.
    Changing(String),
}

/// A revision of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision {
    /// Its name, as `main@sha1:…`.
    pub name: String,
    /// The id of the tree that declares objects: equal trees declare the same.
    pub tree: String,
    /// Who wrote it; empty where nothing says so.
    pub author: String,
    /// The first line of its message; empty where it has none.
    pub subject: String,
    /// Whether it is signed.
    pub signature: Signature,
}

/// Whether a revision is signed by one of the keys that its source names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signature {
    /// The source names none.
    NotAsked,
    /// It is.
    Good,
    /// It is not; the words say what it is instead.
    Refused(String),
    /// That cannot be checked here; the words say what is missing.
    Unchecked(String),
}

/// Asks who holds the lease of a source.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AskLease {
    /// The source.
    pub source: Owner,
    /// The ref in its remote.
    pub reference: String,
}

impl Question for AskLease {
    type Answer = Option<Lease>;

    fn ask(&self) -> Ask {
        Ask::Lease(self.clone())
    }

    fn answer(fact: &Fact) -> Option<&Self::Answer> {
        if let Fact::Lease(it) = fact { Some(it) } else { None }
    }
}

/// The lease of a source: a commit that a ref of its remote is at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The commit.
    pub id: Oid,
    /// The uid of the holder's source, which no other town's has; empty for a commit that says none.
    pub holder: String,
    /// The name of its machine.
    pub machine: String,
    /// When the holder began to write it, by its own clock.
    pub at: Timestamp,
}

/// Asks what a revision declares.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AskDeclared {
    /// The source.
    pub source: Owner,
    /// Where it is read.
    pub origin: Origin,
    /// The tree's id.
    pub tree: String,
}

impl Question for AskDeclared {
    type Answer = Option<Arc<Declared>>;

    fn ask(&self) -> Ask {
        Ask::Declared(self.clone())
    }

    fn answer(fact: &Fact) -> Option<&Self::Answer> {
        if let Fact::Declared(it) = fact { Some(it) } else { None }
    }
}

/// What a tree declares. Two are equal if their trees are.
#[derive(Debug, Clone, Default)]
pub struct Declared {
    /// The tree's id.
    pub tree: String,
    /// Its objects, in the order of applying. Each is right by itself unless there are mistakes.
    pub objects: Vec<Arc<DeclaredObject>>,
    /// What is wrong with files and single objects, for people; empty if nothing is.
    pub mistakes: String,
    /// How many mistakes those are.
    pub mistakes_count: usize,
    /// What does not say whose it is, such as what cannot be read. It is somebody else's, unless objects were declared there.
    pub unread: Vec<Skipped>,
}

/// An object that a tree declares.
#[derive(Debug, Clone)]
pub struct DeclaredObject {
    /// Its kind.
    pub kind: &'static Kind,
    /// As it is written, its paths resolved.
    pub manifest: Manifest,
    /// A digest of what it says.
    pub digest: String,
    /// Its labels and annotations. No generation counts a change of them, so they are compared each time.
    pub texts: [BTreeMap<String, String>; 2],
}

impl DeclaredObject {
    /// An object of a kind that there is; none for another.
    pub fn new(manifest: Manifest) -> Option<Self> {
        let kind = Kind::named(&manifest.kind)?;
        let declared = declared(kind, &manifest.value());
        let texts = ["labels", "annotations"].map(|field| {
            let texts = declared["metadata"][field].as_object().into_iter().flatten();
            texts.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
        });
        Some(Self { kind, digest: digest(&declared), texts, manifest })
    }

    /// `convoy/release`, as messages name it.
    pub fn named(&self) -> String {
        self.kind.named_object(&self.manifest.name)
    }
}

impl PartialEq for Declared {
    fn eq(&self, other: &Self) -> bool {
        self.tree == other.tree
    }
}

impl Eq for Declared {}
