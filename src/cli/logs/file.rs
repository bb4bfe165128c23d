//! A log that is read: from where its last lines begin, through its older half into the newest, and on as it grows.
//!
//! What agents print would be obeyed by the terminal that it is shown on (titles, the mouse, the clipboard), so it is made
//! plain; who wants it as it was has the file, whose path is told.

use std::io::{self, ErrorKind, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::cli::error::{CliError, Exit};
use crate::world::run::log::{Plain, older};

/// Bytes read at a time.
const CHUNK_BYTES: usize = 64 * 1024;

/// A log, open for reading.
#[derive(Debug)]
pub struct LogFile {
    path: PathBuf,
    /// The half before, until it has been read.
    older: Option<fs_err::File>,
    newest: fs_err::File,
    plain: Plain,
}

impl LogFile {
    /// Opens a log where its last lines begin; without a number, where it begins.
    pub fn open(path: &Path, tail: Option<usize>) -> io::Result<Self> {
        let mut newest = fs_err::File::open(path)?;
        // Opened after it: if the newest was moved away in between, both are the same, and one is enough.
        let mut older = fs_err::File::open(older(path)).ok();
        if let Some(file) = &older
            && file.metadata()?.ino() == newest.metadata()?.ino()
        {
            older = None;
        }
        if let Some(lines) = tail {
            let mut back = Back { lines, is_last_byte: true };
            if back.through(&mut newest)? {
                older = None;
            } else if let Some(file) = &mut older {
                back.through(file)?;
            }
        }
        Ok(Self { path: path.to_owned(), older, newest, plain: Plain::default() })
    }

    /// Hands on what is there and was not read yet, as plain text.
    pub fn rest(&mut self, mut show: impl FnMut(&str) -> Result<(), CliError>) -> Result<(), CliError> {
        let failed = |error: io::Error| CliError::from_error(Exit::Failed, &error);
        if let Some(mut older) = self.older.take() {
            copy(&mut older, &mut self.plain, &mut show)?;
        }
        // Looked at before it is read: nothing is added to one that was moved away.
        let next = self.next().map_err(failed)?;
        copy(&mut self.newest, &mut self.plain, &mut show)?;
        if let Some(next) = next {
            self.newest = next;
            copy(&mut self.newest, &mut self.plain, &mut show)?;
        }
        Ok(())
    }

    /// The log that was begun since this one was moved away because it was full.
    fn next(&mut self) -> io::Result<Option<fs_err::File>> {
        let Ok(there) = fs_err::metadata(&self.path) else { return Ok(None) };
        if self.newest.metadata()?.ino() != there.ino() {
            return fs_err::File::open(&self.path).map(Some);
        }
        // Somebody emptied it.
        if self.newest.stream_position()? > there.len() {
            self.newest.seek(SeekFrom::Start(0))?;
        }
        Ok(None)
    }
}

/// A way back over the last lines.
struct Back {
    /// Those to go.
    lines: usize,
    is_last_byte: bool,
}

impl Back {
    /// Goes back through a file to where the lines begin; false: they begin before it, and it is to be read whole.
    fn through(&mut self, file: &mut fs_err::File) -> io::Result<bool> {
        let end = file.metadata()?.len();
        if self.lines == 0 {
            file.seek(SeekFrom::Start(end))?;
            return Ok(true);
        }
        let mut at = end;
        let mut chunk = vec![0; CHUNK_BYTES];
        // Until one newline more than there are lines: the one that ends the line before.
        while at > 0 {
            let length = usize::try_from(at).unwrap_or(CHUNK_BYTES).min(CHUNK_BYTES);
            at -= length as u64;
            file.seek(SeekFrom::Start(at))?;
            file.read_exact(&mut chunk[..length])?;
            for nth in (0..length).rev() {
                // A newline at the very end ends the last line.
                self.lines -= usize::from(chunk[nth] == b'\n' && !self.is_last_byte);
                self.is_last_byte = false;
                if self.lines == 0 {
                    file.seek(SeekFrom::Start(at + nth as u64 + 1))?;
                    return Ok(true);
                }
            }
        }
        file.seek(SeekFrom::Start(0))?;
        Ok(false)
    }
}

fn copy(
    file: &mut fs_err::File,
    plain: &mut Plain,
    show: &mut impl FnMut(&str) -> Result<(), CliError>,
) -> Result<(), CliError> {
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        match file.read(&mut chunk) {
            Ok(0) => return Ok(()),
            Ok(n) => show(&plain.push(&chunk[..n]))?,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(CliError::from_error(Exit::Failed, &error)),
        }
    }
}
