//! A log of an attempt, a job or the controller: where it lies, whether more will come, and a reader of it.
//!
//! What agents print would be obeyed by the terminal that it is shown on (titles, the mouse, the clipboard), so it is made
//! plain; who wants it as it was has the file.

use std::io::{self, ErrorKind, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use gastown_supervisor::log::{Plain, older};

use super::Writers;

/// Bytes read at a time.
const CHUNK_BYTES: usize = 64 * 1024;

/// A log on this machine. Its file may not be there yet.
#[derive(Debug)]
pub struct Log {
    file: PathBuf,
    /// The file beside it that is there once nothing more will be added; none for a log that has no end.
    end: Option<&'static str>,
}

impl Log {
    pub(super) fn new(file: PathBuf, end: Option<&'static str>) -> Self {
        Self { file, end }
    }

    /// The file, of which the older half may be in another.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The folder that changes when something is added or the end is recorded.
    pub fn folder(&self) -> &Path {
        self.file.parent().unwrap_or(Path::new("/"))
    }

    /// Whether anything was printed.
    pub fn exists(&self) -> bool {
        self.file.exists()
    }

    /// Whether it is on record that nothing more will be added.
    pub fn is_complete(&self) -> bool {
        self.end.is_some_and(|end| self.folder().join(end).exists())
    }

    /// The processes that add to it.
    pub fn writers(&self) -> Writers {
        if self.end.is_some() { Writers::of(self.folder()) } else { Writers::Unknown }
    }

    /// Opens it where its last lines begin; without a number, where it begins.
    pub fn open(&self, tail: Option<usize>) -> io::Result<LogReader> {
        LogReader::open(&self.file, tail)
    }
}

/// A log that is read: from where its last lines begin, through its older half into the newest, and on as it grows.
#[derive(Debug)]
pub struct LogReader {
    path: PathBuf,
    /// The half before, until it has been read.
    older: Option<fs_err::File>,
    newest: fs_err::File,
    plain: Plain,
}

impl LogReader {
    fn open(path: &Path, tail: Option<usize>) -> io::Result<Self> {
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

    /// The next piece that is there and was not read yet, as plain text; none at the present end.
    pub fn read(&mut self) -> io::Result<Option<String>> {
        let mut chunk = vec![0; CHUNK_BYTES];
        if let Some(older) = &mut self.older {
            match read(older, &mut chunk)? {
                0 => self.older = None,
                n => return Ok(Some(self.plain.push(&chunk[..n]))),
            }
        }
        loop {
            // Looked at before the end is read: nothing is added to one that was moved away.
            let next = self.next()?;
            let n = read(&mut self.newest, &mut chunk)?;
            if n > 0 {
                return Ok(Some(self.plain.push(&chunk[..n])));
            }
            match next {
                Some(next) => self.newest = next,
                None => return Ok(None),
            }
        }
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
    /// The number of lines still to go back over.
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

fn read(file: &mut fs_err::File, chunk: &mut [u8]) -> io::Result<usize> {
    loop {
        match file.read(chunk) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            read => return read,
        }
    }
}
