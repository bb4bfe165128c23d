//! The controller's log: lines that a thread of its own writes, so that no reader, full disk or closed pipe reaches the town.
//!
//! A line that cannot be written is lost, and so is one that comes while too many wait: a terminal may be held with Ctrl-S.

use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::os::fd::AsFd as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use gastown_base::private;
use gastown_supervisor as supervisor;
use tracing_subscriber::fmt::MakeWriter;

/// The most lines that wait for a slow reader: some seconds of a town at work.
const LINES_MAX: usize = 1024;
/// How long the last lines get to be written.
const FLUSH_MAX: Duration = Duration::from_secs(1);

/// The way to the log; clones share it.
#[derive(Clone)]
pub struct Log {
    lines: SyncSender<Entry>,
    /// Lines that were lost since the last one that was not.
    lost: Arc<AtomicU64>,
}

enum Entry {
    Line(Vec<u8>),
    /// Answered once all before it is written.
    Flush(SyncSender<()>),
}

impl Log {
    /// A log that is written to `out`.
    pub fn to(out: impl Write + Send + 'static) -> Self {
        let (lines, waiting) = sync_channel(LINES_MAX);
        std::thread::spawn(move || write_all(&waiting, out));
        Self { lines, lost: Arc::default() }
    }

    /// Waits until what was said is written, if that can be.
    pub fn flush(&self) {
        let (written, is_written) = sync_channel(1);
        if self.lines.try_send(Entry::Flush(written)).is_ok() {
            let _too_late = is_written.recv_timeout(FLUSH_MAX);
        }
    }
}

fn write_all(waiting: &Receiver<Entry>, mut out: impl Write) {
    while let Ok(entry) = waiting.recv() {
        match entry {
            // The next may be written again: a disk is not full for ever.
            Entry::Line(line) => drop(out.write_all(&line).and_then(|()| out.flush())),
            Entry::Flush(written) => drop(written.try_send(())),
        }
    }
}

/// A log in a file, which is made anew when somebody has taken it away, such as with the folder that it is in.
pub struct LogFile {
    path: PathBuf,
    file: File,
    /// Whether it is standard error too, which then follows it: what panics is said there.
    is_stderr: bool,
}

impl LogFile {
    /// The log that standard error is; none if that is another file, or no file.
    pub fn of_stderr(path: &Path) -> Option<Self> {
        let file = File::from(io::stderr().as_fd().try_clone_to_owned().ok()?);
        let log = Self { path: path.to_owned(), file, is_stderr: true };
        log.is_there().then_some(log)
    }

    fn is_there(&self) -> bool {
        let same =
            |found: &std::fs::Metadata, own: &std::fs::Metadata| (found.dev(), found.ino()) == (own.dev(), own.ino());
        fs_err::metadata(&self.path).is_ok_and(|found| self.file.metadata().is_ok_and(|own| same(&found, &own)))
    }

    fn open_again(&mut self) -> io::Result<()> {
        // No folder above it: where all is gone, so is the town.
        if let Some(folder) = self.path.parent().filter(|folder| !folder.is_dir()) {
            private::create_new(folder)?;
        }
        let file = supervisor::log::append(&self.path)?;
        file.set_permissions(Permissions::from_mode(0o600))?;
        if self.is_stderr {
            rustix::stdio::dup2_stderr(&file)?;
        }
        self.file = file;
        Ok(())
    }
}

impl Write for LogFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.is_there() {
            // Where it cannot be made, the line goes where lines went before.
            drop(self.open_again());
        }
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// One line of the log; it always succeeds.
impl Write for Log {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let lost = self.lost.swap(0, Ordering::Relaxed);
        let mut said =
            if lost == 0 { String::new() } else { format!("{lost} lines of the log were lost here\n") }.into_bytes();
        said.extend_from_slice(line);
        if self.lines.try_send(Entry::Line(said)).is_err() {
            self.lost.fetch_add(lost + 1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[derive(Clone, Default)]
    struct Out(Arc<Mutex<Vec<u8>>>, bool);

    impl Write for Out {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if std::mem::replace(&mut self.1, false) {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_that_cannot_be_written_is_lost_and_the_next_is_not() {
        let out = Out(Arc::default(), true);
        let log = Log::to(out.clone());
        for line in ["one\n", "two\n"] {
            log.make_writer().write_all(line.as_bytes()).unwrap();
        }
        log.flush();
        assert_eq!(*out.0.lock().unwrap(), b"two\n");
    }

    #[test]
    fn a_file_that_was_taken_away_is_made_anew_with_its_folder() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state/gt.log");
        fs_err::create_dir(dir.path().join("state")).unwrap();
        let file = supervisor::log::append(&path).unwrap();
        let mut log = LogFile { path: path.clone(), file, is_stderr: false };
        log.write_all(b"one\n").unwrap();
        fs_err::remove_dir_all(dir.path().join("state")).unwrap();
        log.write_all(b"two\n").unwrap();
        log.write_all(b"three\n").unwrap();
        assert_eq!(fs_err::read_to_string(&path).unwrap(), "two\nthree\n");
        assert_eq!(fs_err::metadata(&path).unwrap().mode() & 0o777, 0o600);
        drop(dir);
        log.write_all(b"four\n").unwrap();
        assert!(!path.exists(), "a town that is gone is not begun anew");
    }

    #[test]
    fn a_reader_that_has_stopped_holds_nobody_up() {
        let (read, write) = std::io::pipe().unwrap();
        let log = Log::to(write);
        // More than the pipe and the queue hold.
        for _ in 0..10 * LINES_MAX {
            log.make_writer().write_all(&[b'x'; 1024]).unwrap();
        }
        assert_ne!(log.lost.load(Ordering::Relaxed), 0);
        let reader = std::thread::spawn(move || std::io::read_to_string(read).unwrap());
        let is_said = |log: &Log| {
            log.flush();
            log.make_writer().write_all(b"after\n").unwrap();
            log.lost.load(Ordering::Relaxed) == 0
        };
        while !is_said(&log) {}
        drop(log);
        assert!(reader.join().unwrap().contains(" lines of the log were lost here\nafter\n"));
    }
}
