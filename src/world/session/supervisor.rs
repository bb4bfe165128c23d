//! The supervisor's program, which `gt` carries and writes out: one file to copy, and a small process beside each agent.
//!
//! # Design notes
//! `gt` itself can be the supervisor (`gt __run`), but not a small one. Private memory of a session (supervisor and
//! recorder), measured with one session and no other `gt`:
//!
//! | program | dirty | with the pages of the program that nobody else maps |
//! |---|---|---|
//! | `gt` | 9.7 MB, of it 8 MB huge pages for mimalloc | 13.9 MB |
//! | `gt` without huge pages | 2.0 MB, of it 1.2 MB relocations | 5.9 MB |
//! | the same, not position-independent | 0.9 MB | 4.5 MB |
//! | this one | 0.3 MB | 0.4 MB |
//!
//! The third would do beside a controller, which maps the same pages; but it gives up the random load address of `gt`,
//! and needs a variable in the environment of every session.

use std::io;
use std::path::{Path, PathBuf};

use gastown_base::private;
use gastown_base::whole_file::WholeFile;

use super::program::starts;
use crate::layout::Layout;

/// The program, built by `src/world/build.rs`.
static PROGRAM: &[u8] = include_bytes!(env!("GT_SUPERVISOR"));

/// Makes the town's supervisor this release's. Those that run keep theirs.
pub(super) fn install(layout: &Layout) -> io::Result<()> {
    let path = layout.supervisor();
    // Compared whole: a power cut may leave a name without its data.
    if fs_err::read(&path).is_ok_and(|there| there == PROGRAM) {
        return Ok(());
    }
    let dir = path.parent().unwrap_or(Path::new("."));
    private::create(dir)?;
    WholeFile::at(&path).mode(0o755).write(PROGRAM)
}

/// The program that supervises sessions. Where the file system of the town's data starts no programs, it is `gt` itself,
/// which does the same and takes more memory.
pub(super) fn program(layout: &Layout) -> PathBuf {
    Some(layout.supervisor()).filter(|path| starts(path)).unwrap_or_else(|| layout.bin().join("gt"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn another_release_is_replaced_and_the_same_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::below(dir.path());
        let written = || fs_err::metadata(layout.supervisor()).unwrap().modified().unwrap();
        install(&layout).unwrap();
        let first = written();
        install(&layout).unwrap();
        assert_eq!(written(), first);
        fs_err::write(layout.supervisor(), "of another release").unwrap();
        install(&layout).unwrap();
        assert_eq!(fs_err::read(layout.supervisor()).unwrap(), PROGRAM);
        assert_eq!(fs_err::read_dir(layout.supervisor().parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn gt_itself_stands_in_for_one_that_cannot_be_started() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::below(dir.path());
        install(&layout).unwrap();
        assert_eq!(program(&layout), layout.supervisor());
        fs_err::set_permissions(layout.supervisor(), std::fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(program(&layout), layout.bin().join("gt"));
    }
}
