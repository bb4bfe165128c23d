//! A disk that is full, as it is found here: the town itself cannot write that down then.

use std::path::Path;

use gastown_crds::quantity::Bytes;

use crate::insight::attention::Need;
use crate::town::Town;
use crate::world::free::free;

/// A disk with less than this free is full: a commit of the store may need some of it.
const FREE_BYTES_MIN: u64 = 16 << 20;

/// How much is free where a folder is, if that is as good as nothing.
pub fn full(folder: &Path) -> Option<Bytes> {
    // What cannot be seen is for those to say who need it.
    free(folder).ok().map(|free| free.disk).filter(|disk| *disk < FREE_BYTES_MIN).map(Bytes)
}

/// That the disk of the town's store is full.
pub fn need(town: &Town) -> Option<Need> {
    let folder = town.layout.state();
    let left = full(folder)?;
    let what = format!("the disk is full ({left} free): nothing is written down, and what is shown may be out of date");
    Some(Need { object: "town/town".to_owned(), what, next: format!("df -h {}", folder.display()) })
}
