//! The town a command is about: its folder, its name, its identity, and where its things lie.
//!
//! A town is a folder with a `town.yaml` that declares kind Town; found from `--town`, `GT_TOWN`, or upwards from the
//! working directory.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use gastown_base::private;
use gastown_crds::common::ANNOTATION_TOWN_UID;
use gastown_supervisor::records;
use serde::Deserialize;

use crate::layout::Layout;

/// The file whose presence marks a town.
pub const TOWN_FILE: &str = "town.yaml";

/// A town on this machine.
#[derive(Debug, Clone)]
pub struct Town {
    /// The town's folder.
    pub dir: PathBuf,
    /// The town's name: the namespace of its objects.
    pub name: String,
    /// Its random identity, which everything in the world carries.
    pub uid: String,
    /// The town's paths on this machine.
    pub layout: Layout,
}

/// A town cannot be found or read.
#[derive(Debug, thiserror::Error)]
pub enum TownError {
    /// No folder from here upwards holds one.
    #[error("there is no town here: no `{TOWN_FILE}` in {} or above", from.display())]
    NotFound {
        /// The folder at which the search began.
        from: PathBuf,
    },
    /// The working directory is gone.
    #[error("could not find the current directory")]
    Gone(#[source] std::io::Error),
    /// The file cannot be read.
    #[error("could not read the town's file")]
    Read(#[source] std::io::Error),
    /// The file is no Town.
    #[error("{} declares no Town: {why}", file.display())]
    Invalid {
        /// The file.
        file: PathBuf,
        /// The mistake in the file.
        why: String,
    },
    /// The folder is a copy of a town's: both would command the same agents.
    #[error("{} is a copy of the town in {}, so it commands nothing", dir.display(), original.display())]
    Copied {
        /// The folder.
        dir: PathBuf,
        /// The town's own folder.
        original: PathBuf,
    },
    /// The file carries no identity.
    #[error("{} has no annotation `{ANNOTATION_TOWN_UID}`: run `gt init` there", file.display())]
    NoUid {
        /// The file.
        file: PathBuf,
    },
}

/// The places for a town's files on this machine: the environment, read once.
#[derive(Debug, Clone)]
pub struct Places {
    /// `$XDG_DATA_HOME`, else `~/.local/share`.
    pub data_home: PathBuf,
    /// `$XDG_STATE_HOME`, else `~/.local/state`.
    pub state_home: PathBuf,
    /// The temporary folder.
    pub temp: PathBuf,
    /// The user's id.
    pub user: u32,
    /// The folders of one town, in a session of that town.
    pub session: Option<SessionFolders>,
}

/// A town's folders as its sessions have them in `GT_DATA` and `GT_STATE`, whatever `HOME` and the XDG variables say.
#[derive(Debug, Clone)]
pub struct SessionFolders {
    /// The town's uid.
    pub town_uid: String,
    /// The folder of what must outlive the loss of the store.
    pub data: PathBuf,
    /// The folder of what can be made again by looking.
    pub state: PathBuf,
}

impl Places {
    /// From the environment.
    pub fn from_env() -> Self {
        let home = std::env::home_dir().unwrap_or_else(|| PathBuf::from("/"));
        let dir = |variable: &str, default: &str| {
            let set = std::env::var_os(variable).map(PathBuf::from).filter(|p| p.is_absolute());
            set.unwrap_or_else(|| home.join(default))
        };
        let session = || {
            let path = |variable: &str| std::env::var_os(variable).map(PathBuf::from).filter(|p| p.is_absolute());
            Some(SessionFolders {
                town_uid: std::env::var("GT_TOWN_UID").ok()?,
                data: path("GT_DATA")?,
                state: path("GT_STATE")?,
            })
        };
        Self {
            data_home: dir("XDG_DATA_HOME", ".local/share"),
            state_home: dir("XDG_STATE_HOME", ".local/state"),
            temp: std::env::temp_dir(),
            user: rustix::process::getuid().as_raw(),
            session: session(),
        }
    }
}

#[derive(Deserialize)]
struct Header {
    kind: String,
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(default)]
    namespace: Option<String>,
    #[serde(default)]
    annotations: std::collections::BTreeMap<String, String>,
}

impl Town {
    /// The town in the folder named, else the nearest one from the working directory upwards.
    pub fn named(dir: Option<&Path>, places: &Places) -> Result<Self, TownError> {
        match dir.filter(|dir| !dir.as_os_str().is_empty()) {
            Some(dir) => Self::open(dir, places),
            None => Self::find(&std::env::current_dir().map_err(TownError::Gone)?, places),
        }
    }

    /// The town of `start`, or of the nearest folder above it that holds one.
    pub fn find(start: &Path, places: &Places) -> Result<Self, TownError> {
        let found = start.ancestors().find(|dir| dir.join(TOWN_FILE).is_file());
        let dir = found.ok_or_else(|| TownError::NotFound { from: start.to_owned() })?;
        Self::open(dir, places)
    }

    /// The town in a folder.
    pub fn open(dir: &Path, places: &Places) -> Result<Self, TownError> {
        let dir = fs_err::canonicalize(dir).map_err(TownError::Read)?;
        let file = dir.join(TOWN_FILE);
        let text = fs_err::read_to_string(&file).map_err(TownError::Read)?;
        let invalid = |why: String| TownError::Invalid { file: file.clone(), why };
        let headers: Vec<Header> = serde_saphyr::from_multiple(&text).map_err(|error| invalid(error.to_string()))?;
        let header = headers.into_iter().find(|h| h.kind == "Town");
        let header = header.ok_or_else(|| invalid("it holds other kinds only".into()))?;
        let uid = header.metadata.annotations.get(ANNOTATION_TOWN_UID).cloned();
        let uid = uid.ok_or_else(|| TownError::NoUid { file: file.clone() })?;
        // The uid becomes a folder's name.
        if uid.len() < 8 || uid.len() > 64 || !uid.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-') {
            return Err(invalid(format!("its `{ANNOTATION_TOWN_UID}` is not a uid: remove it and run `gt init`")));
        }
        let name = header.metadata.namespace.unwrap_or_else(|| "default".into());
        if !gastown_crds::names::is_label(&name) {
            return Err(invalid(format!("invalid namespace `{name}`: use a-z, 0-9 and `-`")));
        }
        let mut layout = Layout::new(&places.data_home, &places.state_home, &places.temp, places.user, &uid);
        if let Some(session) = places.session.as_ref().filter(|session| session.town_uid == uid) {
            layout = Layout::of(session.data.clone(), session.state.clone(), layout.runtime().to_owned());
        }
        if let Ok(runtime) = fs_err::read_to_string(layout.runtime_record())
            && Path::new(runtime.trim()).is_absolute()
        {
            layout = layout.with_runtime(runtime.trim().into());
        }
        if let Some(original) = recorded(&layout).filter(|original| is_elsewhere(original, &dir, &uid)) {
            return Err(TownError::Copied { dir, original });
        }
        Ok(Self { dir, name, uid, layout })
    }

    /// Makes the town's folders, for the user alone, and writes down that they are this one's. For who opens the store.
    pub fn claim(&self) -> std::io::Result<()> {
        for folder in self.layout.folders() {
            private::own(&folder)?;
        }
        if recorded(&self.layout).as_ref() == Some(&self.dir) {
            return Ok(());
        }
        records::write_text(&self.layout.folder_record(), self.dir.as_os_str().as_bytes(), true)
    }

    /// The same with its sockets where `places` says, wherever they were before.
    #[must_use]
    pub fn anew(&self, places: &Places) -> Self {
        let layout = Layout::new(&places.data_home, &places.state_home, &places.temp, places.user, &self.uid);
        Self { layout: self.layout.clone().with_runtime(layout.runtime().to_owned()), ..self.clone() }
    }

    /// Writes down where the sockets are, for everybody from now on. For who has made them.
    pub fn settle(&self) -> std::io::Result<()> {
        let (record, runtime) = (self.layout.runtime_record(), self.layout.runtime().to_string_lossy());
        if fs_err::read_to_string(&record).is_ok_and(|there| there == runtime) {
            return Ok(());
        }
        records::write_text(&record, runtime.as_bytes(), true)
    }
}

/// The town's folder, as whoever opened its store last has written it down.
pub(crate) fn recorded(layout: &Layout) -> Option<PathBuf> {
    let folder = PathBuf::from(OsString::from_vec(fs_err::read(layout.folder_record()).ok()?));
    folder.is_absolute().then_some(folder)
}

/// A path that is declared, as it is meant: from the town's folder if it is relative, from the user's home if it begins so.
pub(crate) fn path(town_dir: &Path, declared: &str) -> PathBuf {
    let home = || std::env::var_os("HOME").filter(|home| !home.is_empty());
    match declared.strip_prefix("~/").and_then(|below| Some((below, home()?))) {
        Some((below, home)) => Path::new(&home).join(below),
        None => town_dir.join(declared),
    }
}

/// Whether the town is in its recorded folder still, and this is another one. A folder that was moved is not there any more;
/// what cannot be seen may be.
fn is_elsewhere(recorded: &Path, dir: &Path, uid: &str) -> bool {
    if recorded == dir {
        return false;
    }
    let inode = |dir: &Path| fs_err::metadata(dir).map(|it| (it.dev(), it.ino()));
    // One folder may be seen at two places: a bind mount.
    if let (Ok(one), Ok(other)) = (inode(recorded), inode(dir))
        && one == other
    {
        return false;
    }
    match fs_err::read_to_string(recorded.join(TOWN_FILE)) {
        Ok(text) => text.contains(uid),
        Err(error) => !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(dir: &Path) -> Places {
        Places { data_home: dir.into(), state_home: dir.into(), temp: dir.into(), user: 1, session: None }
    }

    fn town(text: &str) -> Result<Town, TownError> {
        let dir = tempfile::tempdir().unwrap();
        fs_err::write(dir.path().join(TOWN_FILE), text).unwrap();
        fs_err::create_dir_all(dir.path().join("a/b")).unwrap();
        Town::find(&dir.path().join("a/b"), &places(dir.path()))
    }

    #[test]
    fn it_is_found_from_below_with_its_name_and_identity() {
        let uid = "0b6f2a52-0000-4000-8000-000000000001";
        let text = format!(
            "kind: Town\nmetadata: {{name: town, namespace: home, annotations: {{gastown.io/town-uid: {uid}}}}}\n"
        );
        let town = town(&text).unwrap();
        assert_eq!((town.name.as_str(), town.uid.as_str()), ("home", uid));
    }

    #[test]
    fn a_copy_of_its_folder_is_no_town_and_one_that_has_moved_is() {
        let dir = tempfile::tempdir().unwrap();
        let places = places(dir.path());
        let at = |name: &str| fs_err::canonicalize(dir.path()).unwrap().join(name);
        let text = "kind: Town\nmetadata: {name: town, annotations: {gastown.io/town-uid: 0b6f2a52-0001}}\n";
        for name in ["first", "copy"] {
            fs_err::create_dir(at(name)).unwrap();
            fs_err::write(at(name).join(TOWN_FILE), text).unwrap();
        }
        let town = Town::open(&at("first"), &places).unwrap();
        town.claim().unwrap();
        town.claim().unwrap();
        let error = Town::open(&at("copy"), &places).unwrap_err().to_string();
        let shown = error.replace(at("").to_str().unwrap(), "/");
        assert_eq!(shown, "/copy is a copy of the town in /first, so it commands nothing");
        fs_err::os::unix::fs::symlink(at("first"), at("link")).unwrap();
        assert_eq!(Town::open(&at("link"), &places).unwrap().dir, at("first"));
        fs_err::rename(at("first"), at("moved")).unwrap();
        Town::open(&at("moved"), &places).unwrap().claim().unwrap();
        assert!(matches!(Town::open(&at("copy"), &places), Err(TownError::Copied { .. })));
        fs_err::write(at("moved").join(TOWN_FILE), text.replace("0001", "0002")).unwrap();
        Town::open(&at("copy"), &places).unwrap();
    }

    #[test]
    fn what_is_wrong_is_said() {
        assert!(matches!(town("kind: Rig\nmetadata: {name: x}\n"), Err(TownError::Invalid { .. })));
        assert!(matches!(town("kind: Town\nmetadata: {name: town}\n"), Err(TownError::NoUid { .. })));
        let hostile = "kind: Town\nmetadata: {name: town, annotations: {gastown.io/town-uid: ../../../etc}}\n";
        assert!(matches!(town(hostile), Err(TownError::Invalid { .. })));
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(Town::find(dir.path(), &places(dir.path())), Err(TownError::NotFound { .. })));
    }
}
