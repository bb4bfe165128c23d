//! The controller's log: lines that a thread of its own writes, so that no reader, full disk or closed pipe reaches the town.
//!
//! A line that cannot be written is lost, and so is one that comes while too many wait: a terminal may be held with Ctrl-S.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

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
