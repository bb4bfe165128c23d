//! The addresses of the repository around a folder, read without running git: for verbs that take milliseconds.

use std::path::Path;

use gastown_controllers::world::remote_id;

/// The addresses under which the repository around a folder is known: its own folder, and its origin. None outside of one.
pub fn addresses_around(folder: &Path) -> Vec<String> {
    let Ok(repository) = git2::Repository::discover(folder) else { return Vec::new() };
    let own = repository.workdir().unwrap_or_else(|| repository.path()).to_string_lossy().into_owned();
    let origin = repository.find_remote("origin").ok().and_then(|it| it.url().ok().map(str::to_owned));
    std::iter::once(own).chain(origin).collect()
}

/// One name for the repository at an address; a folder by what its links lead to.
pub fn whole(url: &str) -> String {
    let id = remote_id(url);
    match fs_err::canonicalize(&id) {
        Ok(path) if id.starts_with('/') => path.to_string_lossy().into_owned(),
        _ => id,
    }
}
