//! Addresses and folders that are relative: they are meant as seen from the town's folder.
//!
//! `gt apply` resolves them as seen from their manifest before it writes; whoever writes through the API has no manifest
//! that the town could see. A job keeps its inputs as they are declared, so its name does not change with the folder; they
//! are resolved where the job is carried out, and where a remote is told from others.

use std::borrow::Cow;
use std::path::Path;

use gastown_base::paths::without_dots;
use gastown_controllers::world::{Job, Track, path_of};

use super::landing::target;
use crate::layout::Layout;
use crate::town;

/// The name on disk of a track in a town. A remote has one name, however its address is spelled.
pub fn track_id(track: &Track, layout: &Layout) -> String {
    track.id(|url| target::name(&absolute(url, layout)))
}

/// A job with every path in it absolute.
pub(super) fn resolved(job: &Job, layout: &Layout) -> Job {
    let mut job = job.clone();
    match &mut job {
        Job::Clone { url, secret: _, .. }
        | Job::Fetch { url, secret: _, .. }
        | Job::Push { url, .. }
        | Job::RemoveBranch { url, .. }
        | Job::Lease { url, secret: _, .. }
        | Job::Gate { url: Some(url), .. } => {
            *url = absolute(url, layout).into_owned();
        }
        Job::Setup { copy_from: Some(from), .. } => *from = below_town(from, layout).into_owned(),
        Job::Setup { copy_from: None, .. } | Job::Verify { .. } | Job::Notify { .. } | Job::Gate { url: None, .. } => {}
    }
    job
}

/// An address as git is to have it, wherever it runs.
fn absolute<'a>(url: &'a str, layout: &Layout) -> Cow<'a, str> {
    // A `file://` with a relative path names a host.
    let is_path = path_of(url) == Some(url);
    if is_path { below_town(url, layout) } else { Cow::Borrowed(url) }
}

/// A path as seen from the town's folder. One that is not UTF-8 cannot be declared, and is left to fail.
fn below_town<'a>(path: &'a str, layout: &Layout) -> Cow<'a, str> {
    if path.is_empty() || Path::new(path).is_absolute() {
        return Cow::Borrowed(path);
    }
    let joined = town::recorded(layout).map(|folder| without_dots(&folder.join(path)));
    joined.and_then(|path| path.into_os_string().into_string().ok()).map_or(Cow::Borrowed(path), Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relative_path_is_seen_from_the_towns_folder_and_nothing_else_is_changed() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::below(dir.path());
        assert_eq!(absolute("./repos/x.git", &layout), "./repos/x.git", "no town says where it is");
        fs_err::create_dir_all(layout.state()).unwrap();
        fs_err::write(layout.folder_record(), "/srv/town").unwrap();
        for (declared, meant) in [
            ("./repos/x.git", "/srv/town/repos/x.git"),
            ("../x", "/srv/x"),
            ("repos/x", "/srv/town/repos/x"),
            ("/srv/x", "/srv/x"),
            ("file:///srv/x", "file:///srv/x"),
            ("https://example.org/x", "https://example.org/x"),
            ("git@example.org:x", "git@example.org:x"),
        ] {
            assert_eq!(absolute(declared, &layout), meant);
        }
    }

    #[test]
    fn a_remote_is_the_same_by_its_relative_and_its_absolute_address() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::below(dir.path());
        fs_err::create_dir_all(layout.state()).unwrap();
        fs_err::write(layout.folder_record(), "/srv/town").unwrap();
        let track = |url: &str| track_id(&Track::Branch { url: url.to_owned(), branch: "main".to_owned() }, &layout);
        assert_eq!(track("./x.git"), track("/srv/town/x.git"));
        assert_ne!(track("./x.git"), track("../x.git"));
    }
}
