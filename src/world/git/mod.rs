//! Git in the real world: a rig's bare clone, polecats' worktrees, the replay of what they hand in, and its push.
//!
//! git2 only reads (refs, ancestry, trees); the `git` program writes. One lock for each repository, across processes: what
//! changes the clone's branches holds the clone's, what changes a sandbox holds the sandbox's. The town's own commands run
//! no hooks and never prompt.
//!
//! A polecat works in a repository of its own that borrows the clone's objects ([`sandbox`]): its hooks, settings, refs,
//! stash and locks reach nobody else.
//!
//! Work is never lost: what a worktree holds is committed to `refs/gt/rescue/…` of the clone before it is switched or
//! removed, and a tip that nothing else reaches gets a ref there too. Nothing is ever collected (`gc.auto=0`).
//!
//! | refs of the clone | what |
//! |---|---|
//! | `refs/gt/target/*` | the remote's branches, as last fetched |
//! | `refs/gt/head` | symbolic: the remote's HEAD branch |
//! | `refs/heads/polecat/*` | what polecats begin at, hand in or push, and leave behind |
//! | `refs/gt/rescue/*`, `refs/gt/archive/*` | what must stay reachable |
//! | `refs/gt/own/*` | what the town last pushed to branches of its own |
//! | `refs/gt/pushed/*`, `refs/gt/left/*` | what was pushed and not found yet, and what branches were moved away from |

mod error;

mod failure;
pub(crate) mod folders;

mod program;

mod history;

mod look;

mod address;

mod around;

mod clone;

mod sandbox;

mod landing;

mod gate;

mod jobs;

pub(crate) mod source;

pub(crate) mod signature;

mod secret;

mod working;

use std::ffi::OsString;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gastown_base::whole_file::{Survives, WholeFile};
use serde::Serialize;

use crate::layout::Layout;

pub use address::track_id;
pub use around::{addresses_around, whole};
pub use clone::landed_by::LandedCommit;
pub use clone::remote::reach;
pub use error::GitError;
pub use history::History;
pub use look::{HASH_HINT, Look, NoLook, Tree};
pub use sandbox::{Record, commits_ahead, dirty, head, made_and_changed, unchanged_by_agent};
pub use secret::secret_of_file;

/// Git for one town: its paths, and the variables that its git program gets beside its own settings.
#[derive(Debug, Clone)]
pub struct Git {
    layout: Layout,
    env: Vec<(OsString, OsString)>,
    landed: Arc<Mutex<clone::facts::Landed>>,
    left: Arc<Mutex<clone::left::Known>>,
    merged: Arc<Mutex<landing::merged::Known>>,
    patches: landing::patch::Patches,
    limits: Limits,
    /// What a remote is given; none: what git is configured with.
    credentials: Option<secret::Credentials>,
}

/// The limits of git operations.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The longest time for a clone, a fetch or a push. One whose remote falls silent is given up long before.
    pub transfer: Duration,
    /// The longest wait for another push to the same branch. The queue begins none beside one that it can see; this is for
    /// one that it cannot see, and then it tries again, later.
    pub push_wait: Duration,
    /// The longest time for rescuing what a worktree holds; then it is quarantined as it is.
    pub rescue: Duration,
    /// Free bytes below which a check that fails is taken to have failed because the disk is full.
    pub free_bytes_min: u64,
}

impl Default for Limits {
    /// In an hour a slow line of 10 Mbit/s brings 4.5 GB. In half a minute most pushes are over. In two minutes a disk takes
    /// more than anyone wants to keep twice. With less than 16 MiB free hardly anything links, installs or starts a database.
    fn default() -> Self {
        Self {
            transfer: Duration::from_hours(1),
            push_wait: Duration::from_secs(30),
            rescue: program::LOCAL_MAX,
            free_bytes_min: 16 * 1024 * 1024,
        }
    }
}

impl Git {
    /// Git for the town that lies there, in this process's environment.
    pub fn new(layout: Layout) -> Self {
        Self {
            layout,
            env: Vec::new(),
            landed: Arc::default(),
            left: Arc::default(),
            merged: Arc::default(),
            patches: landing::patch::Patches::default(),
            limits: Limits::default(),
            credentials: None,
        }
    }

    /// Sets a variable for every git, setup command and check that is started here.
    #[must_use]
    pub fn with_env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// Sets the limits.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The town's paths.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }
}

/// Writes a record so that a reader sees the old one or the whole new one.
fn write_by_rename(path: &Path, record: &impl Serialize) -> Result<(), GitError> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    let write = || {
        fs_err::create_dir_all(folder)?;
        // A record that a power cut leaves empty would have to be cleared by hand.
        WholeFile::at(path).survives(Survives::Contents).write(&serde_json::to_vec(record)?)
    };
    write().map_err(|source| GitError::Io { doing: format!("write `{}`", path.display()), source })
}

/// Reads a record; none if there is none.
fn read_record<T: serde::de::DeserializeOwned>(path: &Path) -> Result<Option<T>, GitError> {
    let io = |source| GitError::Io { doing: format!("read `{}`", path.display()), source };
    let text = match fs_err::read(path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(io(e)),
    };
    serde_json::from_slice(&text).map(Some).map_err(|e| io(e.into()))
}
