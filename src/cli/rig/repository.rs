//! What can be seen of a repository that is to become a rig: where it really is, and what it looks like inside.

use std::path::Path;

use gastown_controllers::world::path_of;
use gastown_crds::branch;

use gastown_crds::url;

use super::detect::{Check, Files, checks, has_submodules};
use crate::cli::common::context::Context;
use crate::cli::common::error::{CliError, Exit};
use crate::cli::common::files;
use crate::insight::text::quoted;
use crate::world::git::{self, HASH_HINT, Look, NoLook, Tree};

/// A repository as `gt rig add` sees it.
#[derive(Debug, Default)]
pub struct Repository {
    /// What `git clone` is given.
    pub url: String,
    /// What it is called.
    pub called: String,
    /// The folder that was looked into, if the place given is on this machine.
    pub seen_at: Option<String>,
    /// Whether the address is on this machine.
    pub is_local_url: bool,
    /// The branch to name, where "the remote's own" would mean whatever is checked out.
    pub branch: Option<String>,
    /// Whether the branch that work lands on is checked out there.
    pub is_checked_out: bool,
    /// How it is tested.
    pub checks: Vec<Check>,
    /// Whether it has submodules.
    pub has_submodules: bool,
    /// Files that git does not hold and a worktree probably needs.
    pub copy: Vec<String>,
    /// The folder that they are in.
    pub copy_from: Option<String>,
    /// What people should know.
    pub notes: Vec<String>,
}

impl Repository {
    /// Looks at a path or an address.
    pub fn find(place: &str, branch: Option<&str>) -> Result<Self, CliError> {
        let path = Path::new(place);
        if path.exists() || is_path(place) {
            return Self::here(&files::absolute(&Context::cwd()?, place), branch);
        }
        if is_address(place) {
            let is_local_url = place.starts_with("file://");
            let (url, called) = (place.to_owned(), called(place));
            return Ok(Self { url, called, is_local_url, ..Self::default() });
        }
        Err(CliError::new(Exit::NotFound, format!("there is no folder `{}`", place.escape_debug()))
            .hint("give a path to a repository, or an address such as git@host:team/shop.git"))
    }

    /// Whether work lands in another place than the one that was looked into.
    pub fn is_elsewhere(&self) -> bool {
        self.seen_at.as_ref() != Some(&self.url)
    }

    fn here(path: &Path, branch: Option<&str>) -> Result<Self, CliError> {
        let shown = path.display().to_string();
        if !path.is_dir() {
            return Err(CliError::new(Exit::NotFound, format!("there is no folder `{shown}`")));
        }
        let repository = Look::into(path).map_err(|error| no_look(&shown, &error))?;
        let (head, origin) = (repository.head()?, repository.origin()?);
        // What was named is where work lands: a bare repository is nobody's working copy, whatever it was cloned from.
        let (origin, cloned_from) = if repository.is_bare { (None, origin) } else { (origin, None) };
        let tree = tree(&repository, &shown, branch, origin.is_some())?;
        let mut seen = Self {
            url: shown.clone(),
            called: called(&shown),
            seen_at: Some(shown.clone()),
            is_local_url: true,
            checks: checks(&Root(&tree)),
            has_submodules: has_submodules(&Root(&tree)),
            ..Self::default()
        };
        if let Some(work) = &repository.worktree {
            seen.copy = environment_files(work, &repository)?;
            seen.copy_from = Some(work.to_string_lossy().trim_end_matches('/').to_owned());
        }
        match origin {
            Some(origin) => {
                seen.follow(path, &origin, branch);
                seen.notes.extend(other_branch(&shown, &repository, &head)?);
            }
            None if repository.is_bare => {
                let mirrors = repository.setting("remote.origin.mirror")?.is_some_and(|mirrors| mirrors == "true");
                seen.notes.extend(cloned_from.map(|from| {
                    let lost = if mirrors {
                        ", until it is next updated from there: give that one, if it is to have the work"
                    } else {
                        ""
                    };
                    format!("{shown} was cloned from {from}; work lands in {shown}, and not there{lost}")
                }));
            }
            None => {
                seen.working_copy(branch, &head)?;
                seen.notes.extend(own_branch(&repository, branch, &head)?);
            }
        }
        if !repository.is_bare && git::dirty(path).unwrap_or(false) {
            let what = if seen.is_elsewhere() { "pushed to its origin" } else { "committed" };
            seen.notes.push(format!("{shown} has uncommitted changes: polecats see only what is {what}"));
        }
        Ok(seen)
    }

    /// A working copy with an origin stands for its origin: that is where work is shared.
    fn follow(&mut self, path: &Path, origin: &str, branch: Option<&str>) {
        self.is_local_url = is_local(origin);
        self.url = url_of(origin, path);
        if url::has_password(&self.url) {
            self.url = url::redact(&self.url);
            self.notes.push(
                "its origin holds a password, which is left out: git asks a credential helper \
                 (`git config --global credential.helper store` remembers what you type once)"
                    .to_owned(),
            );
        }
        self.called = called(&self.url);
        self.notes.push(format!("{} has an origin, so work lands there: {}", path.display(), self.url));
        // An origin that cannot be looked into is said to be out of reach, when it is asked as the town will ask it.
        let there = path_of(&self.url).and_then(|origin| Look::into(Path::new(origin)).ok()).filter(|it| !it.is_bare);
        let head = there.and_then(|there| there.head().ok()).filter(|head| head != "HEAD");
        if let Some(head) = head.filter(|head| branch.is_none_or(|branch| branch == head)) {
            self.notes.push(format!(
                "`{head}` is checked out in {}: with Push it is refused there, until merge.whenCheckedOut is Update or another \
                 branch is checked out",
                self.url
            ));
        }
    }

    /// A working copy of its own is the repository; what is checked out there changes, so the branch is named.
    fn working_copy(&mut self, branch: Option<&str>, head: &str) -> Result<(), CliError> {
        let target = match branch {
            Some(branch) => branch.to_owned(),
            None if head == "HEAD" => {
                return Err(
                    CliError::new(Exit::Refused, format!("{} is on no branch", self.url)).hint("say --branch NAME")
                );
            }
            None => head.to_owned(),
        };
        self.is_checked_out = head == target;
        self.branch = Some(target);
        Ok(())
    }
}

/// The addresses by which the repository around a folder may be a rig: its own folder, and its origin. None where there is no
/// repository.
pub fn addresses(folder: &Path) -> Result<Vec<String>, CliError> {
    for dir in folder.ancestors() {
        let repository = match Look::into(dir) {
            Ok(repository) => repository,
            Err(NoLook::NoRepository) => return Ok(Vec::new()),
            Err(NoLook::Inside) => continue,
            Err(error) => return Err(no_look(&dir.display().to_string(), &error)),
        };
        let origin = if repository.is_bare { None } else { repository.origin()? };
        let origin = origin.map(|origin| url::redact(&url_of(&origin, dir)));
        return Ok(std::iter::once(dir.to_string_lossy().into_owned()).chain(origin).collect());
    }
    Ok(Vec::new())
}

fn is_local(address: &str) -> bool {
    !is_address(address) || address.starts_with("file://")
}

/// What `git clone` is given for the origin of the repository in a folder.
fn url_of(origin: &str, folder: &Path) -> String {
    if is_local(origin) && !origin.starts_with("file://") {
        return files::absolute(folder, origin).to_string_lossy().into_owned();
    }
    origin.to_owned()
}

/// The files of the branch that work is to land on, or of what is checked out. Where an origin is followed, it is the
/// origin that must have the branch: what was last fetched from it counts too.
fn tree<'a>(repository: &'a Look, shown: &str, branch: Option<&str>, has_origin: bool) -> Result<Tree<'a>, CliError> {
    let Some(branch) = branch else {
        if let Some(tree) = repository.tree("HEAD")? {
            return Ok(tree);
        }
        return Err(match repository.any_branch()? {
            Some(other) => {
                let message = format!("the HEAD of {shown} names `{}`, which is not there", repository.head()?);
                CliError::new(Exit::Refused, message).hint(format!("say --branch NAME, such as --branch {other}"))
            }
            None => CliError::new(Exit::Refused, format!("{shown} has no commit yet")).hint("make a first commit"),
        });
    };
    if let Some(why) = branch::mistake(branch) {
        return Err(CliError::new(Exit::Refused, format!("git allows no branch `{}`", branch.escape_debug())).hint(why));
    }
    let found = match repository.tree(&format!("refs/heads/{branch}"))? {
        None if has_origin => repository.tree(&format!("refs/remotes/origin/{branch}"))?,
        found => found,
    };
    found.ok_or_else(|| {
        let hint = format!("if its origin has it: git -C {} fetch origin", quoted(shown));
        let error = CliError::new(Exit::NotFound, format!("{shown} has no branch `{branch}`"));
        error.maybe_hint(has_origin.then_some(hint))
    })
}

/// What is checked out is not what work begins from: that is the default branch of the origin, as last seen.
fn other_branch(shown: &str, repository: &Look, head: &str) -> Result<Option<String>, CliError> {
    let Some(default) = repository.origin_head()?.filter(|default| default != head) else { return Ok(None) };
    let out = if head == "HEAD" { "no branch".to_owned() } else { format!("`{head}`") };
    Ok(Some(format!(
        "{out} is checked out in {shown}; work begins from and lands on the origin's own branch, `{default}`: say --branch NAME for another"
    )))
}

/// A branch that happens to be checked out, beside one that looks like the main one.
fn own_branch(repository: &Look, branch: Option<&str>, head: &str) -> Result<Option<String>, CliError> {
    if branch.is_some() {
        return Ok(None);
    }
    let configured = repository.setting("init.defaultBranch")?;
    for main in configured.iter().map(String::as_str).chain(["main", "master"]) {
        if repository.tree(&format!("refs/heads/{main}"))?.is_some() {
            let says =
                format!("`{head}` is checked out, so work lands there: say --branch {main} if you mean `{main}`");
            return Ok((main != head).then_some(says));
        }
    }
    Ok(None)
}

/// The root of a commit: what is not committed is not in a clone.
struct Root<'a>(&'a Tree<'a>);

impl Files for Root<'_> {
    fn text(&self, name: &str) -> Option<String> {
        self.0.text(name)
    }
}

/// Why a place is not looked into, and what to do.
pub fn no_look(shown: &str, error: &NoLook) -> CliError {
    match error {
        NoLook::NoRepository => CliError::new(Exit::Refused, format!("{shown} is no git repository"))
            .hint(format!("git -C {} init", quoted(shown))),
        NoLook::Inside => {
            CliError::new(Exit::Refused, format!("{shown} is {error}")).hint("give the repository's root")
        }
        NoLook::Hash(_) => CliError::new(Exit::Refused, format!("{shown} cannot be a rig: {error}")).hint(HASH_HINT),
        NoLook::Refused(_) => CliError::new(Exit::Refused, error.message()),
    }
}

/// `.env` and the like, as far as git does not hold them.
fn environment_files(work: &Path, repository: &Look) -> Result<Vec<String>, CliError> {
    let names = fs_err::read_dir(work).into_iter().flatten().filter_map(|entry| {
        let entry = entry.ok()?;
        let name = entry.file_name().into_string().ok()?;
        let is_one = name == ".env" || name == ".envrc" || name.starts_with(".env.");
        (is_one && entry.file_type().ok()?.is_file()).then_some(name)
    });
    let mut found = Vec::new();
    for name in names {
        if !repository.holds(&name)? {
            found.push(name);
        }
    }
    found.sort();
    Ok(found)
}

/// Whether a place can only be meant as a path.
pub fn is_path(place: &str) -> bool {
    place.starts_with(['/', '.', '~'])
}

/// Whether a place is an address: `scheme://…` or ssh's `host:path`.
fn is_address(place: &str) -> bool {
    let is_scp = || {
        let Some((host, path)) = place.split_once(':') else { return false };
        !host.is_empty() && !path.is_empty() && !host.contains('/') && !path.starts_with("//")
    };
    place.split_once("://").is_some_and(|(scheme, rest)| !scheme.is_empty() && !rest.is_empty()) || is_scp()
}

/// The last part of an address, without `.git`.
fn called(place: &str) -> String {
    let trimmed = place.trim_end_matches('/');
    let trimmed = trimmed.strip_suffix("/.git").unwrap_or(trimmed);
    let last = trimmed.rsplit(['/', ':']).next().unwrap_or_default();
    last.strip_suffix(".git").unwrap_or(last).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_paths_are_told_apart() {
        for address in ["git@github.com:acme/shop.git", "https://github.com/acme/shop", "ssh://h/x", "host:shop"] {
            assert!(is_address(address), "{address}");
            assert!(!is_path(address), "{address}");
        }
        assert!(!is_address("../shop") && is_path("../shop") && is_path("/x"));
        assert!(!is_address("shop"));
    }

    #[test]
    fn a_repository_is_called_by_the_end_of_its_address() {
        assert_eq!(called("git@github.com:acme/shop.git"), "shop");
        assert_eq!(called("host:shop"), "shop");
        assert_eq!(called("/home/kim/src/shop/"), "shop");
        assert_eq!(called("/srv/shop.git"), "shop");
    }
}
