//! Filing many beads at once: all are checked before the first is filed, and those of one that fails are taken back.

use std::collections::BTreeMap;
use std::path::Path;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use gastown_agent::context::Context;
use gastown_agent::error::Error;
use gastown_crds::Bead;
use kube::ResourceExt as _;
use kube::api::{DeleteParams, PostParams};

use super::circles::Ties;

/// Beads that are filed at the same time: writes that wait together share a commit.
const AT_ONCE: usize = 64;

/// Reads a file, or standard input as `-`, up to a bound.
pub fn read(path: &Path, bytes_max: usize) -> Result<String, Error> {
    use std::io::Read as _;
    let unread = |source| Error::Io { what: "read the file", source };
    let mut text = String::new();
    let most = bytes_max as u64 + 1;
    if path == Path::new("-") {
        std::io::stdin().lock().take(most).read_to_string(&mut text).map_err(unread)?;
    } else {
        fs_err::File::open(path).map_err(unread)?.take(most).read_to_string(&mut text).map_err(unread)?;
    }
    // Some editors begin a file so.
    if text.starts_with('\u{feff}') {
        text.remove(0);
    }
    if text.len() > bytes_max {
        let message = format!("{} is longer than {bytes_max} bytes", path.display());
        return Err(Error::refused(message, "split it"));
    }
    Ok(text)
}

/// Files beads; with `dry_run`, the API says only whether it would take them. Either all are there afterwards, or none.
pub async fn create(beads: &[Bead], dry_run: bool, context: &Context) -> Result<Vec<Bead>, Error> {
    let api = context.beads();
    let file = |bead, dry_run| {
        let api = api.clone();
        async move { api.create(&PostParams { dry_run, ..PostParams::default() }, bead).await }
    };
    // A mistake in one is found before any is filed.
    let asked = stream::iter(beads).map(|bead| file(bead, true)).buffered(AT_ONCE).try_collect::<Vec<_>>().await;
    let asked = asked.map_err(Error::api("file the beads"))?;
    if dry_run {
        return Ok(asked);
    }
    let filed: Vec<Result<Bead, kube::Error>> =
        stream::iter(beads).map(|bead| file(bead, false)).buffered(AT_ONCE).collect().await;
    let (made, mut failed): (Vec<_>, Vec<_>) = filed.into_iter().partition(Result::is_ok);
    let made: Vec<Bead> = made.into_iter().filter_map(Result::ok).collect();
    match failed.pop() {
        Some(Err(error)) => {
            for bead in &made {
                let uid = bead.uid();
                let preconditions = Some(kube::api::Preconditions { uid, resource_version: None });
                let just_this = DeleteParams { preconditions, ..DeleteParams::default() };
                // One that somebody has taken away meanwhile is gone as well.
                drop(api.delete(&bead.name_any(), &just_this).await);
            }
            Err(Error::api("file the beads; nothing was filed")(error))
        }
        _ => Ok(made),
    }
}

/// Refuses beads that wait for each other in a circle, or are parts of each other; `called` is what a bead is called in the message.
pub fn check_circles(beads: &[Bead], called: impl Fn(&str) -> String) -> Result<(), Error> {
    let mut ties = Ties::default();
    for bead in beads {
        ties.add(bead);
    }
    refuse_circles(&ties, beads, called)
}

/// Refuses the ties if they go in a circle that one of the beads is on.
pub fn refuse_circles(ties: &Ties, beads: &[Bead], called: impl Fn(&str) -> String) -> Result<(), Error> {
    // From the first of them in the plan: ids are random.
    let places: BTreeMap<String, usize> = beads.iter().enumerate().map(|(nth, bead)| (bead.name_any(), nth)).collect();
    let place = |name: &str| places.get(name).copied().unwrap_or(usize::MAX);
    match ties.circles().iter().find(|circle| circle.names.iter().any(|name| places.contains_key(name))) {
        None => Ok(()),
        Some(circle) => {
            Err(Error::refused(circle.message(place, called), "take one of these dependencies out; nothing was filed"))
        }
    }
}
