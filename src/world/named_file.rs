//! A file that a manifest names, such as one of keys or of a password: read whole, within a bound, and without waiting for what is
//! no file.

use std::io::Read;
use std::path::Path;

use rustix::fs::{Mode, OFlags};

/// Reads it; none if it has more bytes than that. `shown` is what people call it, `flags` are more than those of any reading, and
/// `may` says whether it may be read, by what is known of it.
pub(crate) fn read(
    path: &Path,
    shown: &Path,
    (flags, bytes_max): (OFlags, u64),
    may: impl FnOnce(&std::fs::Metadata) -> Result<(), String>,
) -> Result<Option<Vec<u8>>, String> {
    let shown = shown.display();
    let failed = |error: std::io::Error| format!("could not read {shown}: {error}");
    let flags = flags | OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let opened = rustix::fs::open(path, flags, Mode::empty()).map_err(|error| failed(error.into()))?;
    let opened = std::fs::File::from(opened);
    let about = opened.metadata().map_err(failed)?;
    if !about.is_file() {
        return Err(format!("{shown} is not a file"));
    }
    may(&about)?;
    let mut text = Vec::new();
    opened.take(bytes_max + 1).read_to_end(&mut text).map_err(failed)?;
    Ok((text.len() as u64 <= bytes_max).then_some(text))
}
