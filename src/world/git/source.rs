//! A repository as a source: its commit, the tree that declares, and the files of a tree, as the git program reads them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use gastown_controllers::world::{At, Found, Revision, Signature};
use gastown_crds::source::revision;

use super::clone::facts::{HEAD, TARGETS};
use super::program::Call;
use super::{Git, GitError};

/// The most that is read of the contents of files at once, in bytes: half of what is kept of a program's output.
const PIECE_BYTES_MAX: u64 = 8 << 20;

/// One file of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct File {
    /// Its path in the source.
    pub path: String,
    /// The id of its content.
    pub content: String,
    /// Its size, in bytes.
    pub bytes: u64,
}

/// A repository on this machine.
pub(crate) struct Repository {
    /// Its own folder.
    pub git_dir: PathBuf,
    /// What its worktrees share.
    pub common_dir: PathBuf,
    /// Its worktree; none if it is bare.
    pub worktree: Option<PathBuf>,
}

impl Git {
    /// The repository whose root is here; or what is missing, for people.
    pub(crate) fn source_repository(&self, dir: &Path) -> Result<Result<Repository, String>, GitError> {
        let missing = |what: &str| Ok(Err(format!("{what} {}", dir.display())));
        if !dir.is_dir() {
            return missing("there is no folder");
        }
        let asked = ["rev-parse", "--path-format=absolute", "--git-dir", "--git-common-dir", "--is-bare-repository"];
        let doing = format!("look into `{}`", dir.display());
        let out = self.call_in(dir, &*doing).args(asked).args(["--show-prefix"]).output()?;
        if !out.ok() {
            let complaint = out.complaint();
            if complaint.contains("not a git repository") {
                return missing("there is no git repository in");
            }
            return Err(GitError::Refused { doing, code: out.code, complaint });
        }
        let text = String::from_utf8_lossy(&out.stdout).into_owned();
        let mut lines = text.lines();
        let mut next = || lines.next().unwrap_or_default().to_owned();
        let (git_dir, common_dir, is_bare, prefix) = (next(), next(), next() == "true", next());
        if !prefix.is_empty() {
            return Ok(Err(format!(
                "{} is in a repository, and not its root: give the root as `url`, and `path: {}`",
                dir.display(),
                prefix.trim_end_matches('/')
            )));
        }
        let worktree = (!is_bare).then(|| dir.to_owned());
        Ok(Ok(Repository { git_dir: git_dir.into(), common_dir: common_dir.into(), worktree }))
    }

    /// The revision that is there. With it, the id of the object that is named: the commit, or the tag.
    pub(crate) fn source_revision(
        &self,
        git_dir: &Path,
        at: &At,
        folder: &str,
        is_clone: bool,
    ) -> Result<(Found, String), GitError> {
        let missing = |what: String| Ok((Found::Missing(what), String::new()));
        let name = name_of(at, is_clone);
        let shown = match at {
            At::Head => head(git_dir, is_clone),
            At::Branch(name) | At::Tag(name) => name.clone(),
            At::Commit(_) => String::new(),
        };
        let (commit, tree) = (format!("{name}^{{commit}}"), format!("{name}^{{commit}}:{folder}"));
        let asked = [&commit, &tree, &name].map(String::as_str);
        let mut answers = self.objects(git_dir, "read the revision", asked)?.into_iter();
        let Some(Some(commit)) = answers.next() else {
            let what = match at {
                At::Head => "there is no commit yet".to_owned(),
                At::Branch(branch) => format!("there is no branch `{branch}`"),
                At::Tag(tag) => format!("there is no tag `{tag}`"),
                At::Commit(commit) => format!("there is no commit `{commit}`"),
            };
            return missing(if is_clone {
                format!("{what} in the remote, as it was fetched last")
            } else {
                format!("{what} in {}", git_dir.display())
            });
        };
        let Some(tree) = answers.next().flatten().filter(|tree| tree.kind == "tree") else {
            return missing(format!("there is no folder `{folder}` in commit {}", commit.id));
        };
        let named = answers.next().flatten().map_or_else(|| commit.id.clone(), |named| named.id);
        let text = String::from_utf8_lossy(&commit.content);
        let (header, message) = text.split_once("\n\n").unwrap_or((&text, ""));
        let author = header.lines().find_map(|line| line.strip_prefix("author "));
        let author =
            author.and_then(|author| author.rsplit_once('>')).map_or(String::new(), |(who, _)| format!("{who}>"));
        let name = if shown.is_empty() { revision("commit", &commit.id) } else { revision(&shown, &commit.id) };
        let subject = message.lines().next().unwrap_or_default().to_owned();
        let revision = Revision { name, tree: tree.id, author, subject, signature: Signature::NotAsked };
        Ok((Found::At(revision), named))
    }

    /// The files of a tree; none if the tree is not there. Links and submodules are left out.
    pub(crate) fn source_files(&self, git_dir: &Path, tree: &str) -> Result<Option<Vec<File>>, GitError> {
        let call = as_it_is(self.call_in(git_dir, "list the files of a revision"));
        let out = call.args(["ls-tree", "-r", "-l", "-z", "--full-tree", tree]).output()?;
        if !out.ok() {
            let complaint = out.complaint();
            if complaint.contains("Not a valid object name") || complaint.contains("not a tree object") {
                return Ok(None);
            }
            let doing = "list the files of a revision".to_owned();
            return Err(GitError::Refused { doing, code: out.code, complaint });
        }
        let mut files = Vec::new();
        for line in out.stdout.split(|byte| *byte == 0).filter(|line| !line.is_empty()) {
            let line = String::from_utf8_lossy(line);
            let (head, path) = line.split_once('\t').ok_or_else(|| unreadable(&line))?;
            let mut words = head.split_ascii_whitespace();
            let (mode, _, id, bytes) = (words.next(), words.next(), words.next(), words.next());
            if !matches!(mode, Some("100644" | "100755")) {
                continue;
            }
            let bytes = bytes.and_then(|bytes| bytes.parse().ok()).unwrap_or_default();
            files.push(File { path: path.to_owned(), content: id.unwrap_or_default().to_owned(), bytes });
        }
        Ok(Some(files))
    }

    /// The contents of files, by their ids.
    pub(crate) fn source_contents(
        &self,
        git_dir: &Path,
        wanted: &[&File],
    ) -> Result<BTreeMap<String, Vec<u8>>, GitError> {
        let mut found = BTreeMap::new();
        let mut rest = wanted;
        while !rest.is_empty() {
            let mut bytes = 0;
            let fits = |file: &&&File| {
                bytes += file.bytes;
                bytes <= PIECE_BYTES_MAX
            };
            let (piece, after) = rest.split_at(rest.iter().take_while(fits).count().max(1));
            let names: Vec<&str> = piece.iter().map(|file| file.content.as_str()).collect();
            for (file, object) in piece.iter().zip(self.objects(git_dir, "read manifests", names)?) {
                let object = object.ok_or_else(|| unreadable(format_args!("{} is missing", file.path)))?;
                found.insert(file.content.clone(), object.content);
            }
            rest = after;
        }
        Ok(found)
    }

    /// Objects of a repository by their names, in order; none for one that is not there.
    pub(super) fn objects<'n>(
        &self,
        git_dir: &Path,
        doing: &str,
        names: impl IntoIterator<Item = &'n str>,
    ) -> Result<Vec<Option<Object>>, GitError> {
        let lines: String = names.into_iter().flat_map(|name| [name, "\n"]).collect();
        let count = lines.lines().count();
        let call = as_it_is(self.call_in(git_dir, doing));
        let out = call.args(["cat-file", "--batch"]).stdin(lines).run()?;
        let mut rest = &out.stdout[..];
        let mut found = Vec::with_capacity(count);
        for _ in 0..count {
            let end = rest.iter().position(|byte| *byte == b'\n').ok_or_else(|| unreadable("it ends early"))?;
            let line = String::from_utf8_lossy(&rest[..end]).into_owned();
            rest = &rest[end + 1..];
            let words: Vec<&str> = line.rsplitn(3, ' ').collect();
            let (Some(bytes), [_, kind, id]) = (words.first().and_then(|it| it.parse::<usize>().ok()), &words[..])
            else {
                // `<name> missing`, `<name> ambiguous`.
                found.push(None);
                continue;
            };
            let content = rest.get(..bytes).ok_or_else(|| unreadable("it is cut off"))?;
            found.push(Some(Object { id: (*id).to_owned(), kind: (*kind).to_owned(), content: content.to_owned() }));
            rest = rest.get(bytes + 1..).unwrap_or_default();
        }
        Ok(found)
    }
}

/// An object of a repository.
pub(super) struct Object {
    pub id: String,
    pub kind: String,
    pub content: Vec<u8>,
}

/// Objects are those of their ids, whatever `refs/replace/…` would have in their place: whoever may push refs could change by
/// them what a signed commit holds. What a partial clone lacks is not fetched by a look: a remote may hang. (Since git 2.44;
/// before, the limit of a call holds.)
pub(super) fn as_it_is(call: Call<'_>) -> Call<'_> {
    call.env("GIT_NO_REPLACE_OBJECTS", "1").env("GIT_NO_LAZY_FETCH", "1")
}

/// An answer of git that is none.
fn unreadable(what: impl std::fmt::Display) -> GitError {
    let doing = format!("understand the answer of git: {what}");
    GitError::Refused { doing, code: 0, complaint: "is this git older than 2.39?".to_owned() }
}

/// How git is asked for a commit.
pub(crate) fn name_of(at: &At, is_clone: bool) -> String {
    match (at, is_clone) {
        (At::Head, true) => HEAD.to_owned(),
        (At::Head, false) => "HEAD".to_owned(),
        (At::Branch(branch), true) => format!("{TARGETS}{branch}"),
        (At::Branch(branch), false) => format!("refs/heads/{branch}"),
        (At::Tag(tag), _) => format!("refs/tags/{tag}"),
        (At::Commit(commit), _) => commit.clone(),
    }
}

/// The branch that HEAD names; `HEAD` if it names none.
pub(crate) fn head(git_dir: &Path, is_clone: bool) -> String {
    let file = if is_clone { HEAD } else { "HEAD" };
    let text = fs_err::read_to_string(git_dir.join(file)).unwrap_or_default();
    let branch = text.trim().strip_prefix("ref: ").and_then(|name| {
        name.strip_prefix("refs/heads/").or_else(|| name.strip_prefix(TARGETS)).filter(|name| *name != ".invalid")
    });
    branch.unwrap_or("HEAD").to_owned()
}
