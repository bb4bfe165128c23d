//! A log that is bounded: when it is full it becomes `<name>.1`, and what was there before is gone.
//!
//! So the newest half is always there. Agents' output comes here through `gt __run --record`, which tmux's `pipe-pane`
//! feeds; it is a process of its own, so the output of an agent outlives both its supervisor and the controller.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use gastown_base::text;

/// Most bytes in each of the two files: ten hours of an agent that prints 50 bytes a second.
const FILE_BYTES_MAX: u64 = 2 * 1024 * 1024;

/// Most bytes of a tail, after what colours it is taken out.
pub const TAIL_BYTES_MAX: usize = 4096;

/// The part of a log that a tail is made from, in bytes: colours may take three of four.
const TAIL_RAW_BYTES: u64 = 4 * TAIL_BYTES_MAX as u64;

/// A bounded log, open for writing.
pub struct Log {
    path: PathBuf,
    file: File,
    bytes: u64,
    bytes_max: u64,
}

impl Log {
    /// Goes on with a log, or begins it.
    pub fn open(path: &Path) -> io::Result<Self> {
        Self::bounded(path, FILE_BYTES_MAX)
    }

    fn bounded(path: &Path, bytes_max: u64) -> io::Result<Self> {
        let file = append(path)?;
        let bytes = file.metadata()?.len();
        Ok(Self { path: path.to_owned(), file, bytes, bytes_max })
    }
}

impl Write for Log {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        if self.bytes >= self.bytes_max {
            fs_err::rename(&self.path, older(&self.path))?;
            self.file = append(&self.path)?;
            self.bytes = 0;
        }
        let free = usize::try_from(self.bytes_max - self.bytes).unwrap_or(usize::MAX);
        let written = self.file.write(&text[..text.len().min(free)])?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Opens a file to append to it, for the owner's eyes only.
pub fn append(path: &Path) -> io::Result<File> {
    let mut options = std::fs::OpenOptions::new();
    options.append(true).create(true).mode(0o600);
    fs_err::OpenOptions::from_options(options).open(path).map(fs_err::File::into_file)
}

/// The file with the older half of a log.
pub fn older(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".1");
    PathBuf::from(name)
}

/// `gt __run --record`: standard input to the log, until its end.
pub fn record(path: &Path) -> i32 {
    let copied = Log::open(path).and_then(|mut log| io::copy(&mut io::stdin().lock(), &mut log));
    // Reading on keeps whoever writes from being stopped by our full disk.
    if copied.is_err() {
        drop(io::copy(&mut io::stdin().lock(), &mut io::sink()));
    }
    i32::from(copied.is_err())
}

/// The end of a log as plain text, at most [`TAIL_BYTES_MAX`] bytes, without blank ends; empty if there is none.
pub fn tail(path: &Path) -> String {
    let mut raw = last_bytes(path, TAIL_RAW_BYTES);
    if (raw.len() as u64) < TAIL_RAW_BYTES {
        let mut before = last_bytes(&older(path), TAIL_RAW_BYTES - raw.len() as u64);
        before.append(&mut raw);
        raw = before;
    }
    let text = plain(&raw);
    let text = text.trim();
    let from = text.len().saturating_sub(TAIL_BYTES_MAX);
    let from = (from..=text.len()).find(|i| text.is_char_boundary(*i)).unwrap_or(0);
    text[from..].to_owned()
}

/// The last bytes of a file; none if it cannot be read: a log is a help, never a reason to fail.
pub fn last_bytes(path: &Path, bytes_max: u64) -> Vec<u8> {
    let read = || -> io::Result<Vec<u8>> {
        let mut file = fs_err::File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(bytes_max)))?;
        let mut bytes = Vec::new();
        file.take(bytes_max).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    read().unwrap_or_default()
}

/// Terminal output without escape sequences and control characters; each carriage return is a new line. What turns the
/// direction of writing is shown as a sign.
pub fn plain(raw: &[u8]) -> String {
    let mut plain = Plain::default();
    plain.push(raw) + plain.end()
}

/// Makes terminal output plain piece by piece: what one piece leaves unfinished goes on in the next.
#[derive(Debug, Default)]
pub struct Plain {
    at: At,
    /// A character's first bytes; at most three.
    begun: Vec<u8>,
}

/// The state of the reader: what the next character belongs to.
#[derive(Debug, Clone, Copy, Default)]
enum At {
    #[default]
    Text,
    /// A carriage return: a newline now belongs to it.
    Return,
    Escape,
    /// A control sequence, which ends with its first byte from @ to ~.
    Control,
    /// A string, which ends with BEL, or with ESC and one more.
    String,
    /// The last character of something.
    Last,
}

impl Plain {
    /// The next piece.
    pub fn push(&mut self, raw: &[u8]) -> String {
        let begun = std::mem::take(&mut self.begun);
        let all = [&begun, raw].concat();
        let (mut rest, mut plain) = (&all[..], String::with_capacity(all.len()));
        loop {
            let (text, wrong) = match std::str::from_utf8(rest) {
                Ok(text) => (text, None),
                Err(error) => {
                    let (text, wrong) = rest.split_at(error.valid_up_to());
                    (std::str::from_utf8(text).unwrap_or_default(), Some((wrong, error.error_len())))
                }
            };
            plain.extend(text.chars().filter_map(|c| self.next(c)));
            match wrong {
                None => return plain,
                Some((begun, None)) => {
                    begun.clone_into(&mut self.begun);
                    return plain;
                }
                Some((wrong, Some(length))) => {
                    plain.extend(self.next('\u{fffd}'));
                    rest = &wrong[length..];
                }
            }
        }
    }

    /// The rest, once there is no next piece: a sign for a character that was cut off.
    pub fn end(&mut self) -> &'static str {
        let is_shown = !std::mem::take(&mut self.begun).is_empty() && matches!(self.at, At::Text | At::Return);
        if is_shown { "\u{fffd}" } else { "" }
    }

    fn next(&mut self, c: char) -> Option<char> {
        let (at, shown) = match (self.at, c) {
            (At::Return, '\n') => (At::Text, None),
            (At::Text | At::Return, '\x1b') => (At::Escape, None),
            (At::Text | At::Return, '\r') => (At::Return, Some('\n')),
            (At::Text | At::Return, '\n' | '\t') => (At::Text, Some(c)),
            (At::Text | At::Return, c) => (At::Text, (!c.is_control()).then(|| text::shown(c))),
            (At::Escape, '[') => (At::Control, None),
            (At::Escape, ']' | 'P' | '_' | '^') => (At::String, None),
            (At::Escape, '(' | ')' | '#' | '%' | ' ') | (At::String, '\x1b') => (At::Last, None),
            (At::Control, '@'..='~') | (At::String, '\x07') | (At::Escape | At::Last, _) => (At::Text, None),
            (At::Control | At::String, _) => (self.at, None),
        };
        self.at = at;
        shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_never_grows_past_two_files_and_keeps_the_newest() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut log = Log::bounded(&path, 10).unwrap();
        log.write_all(b"aaaaaaaaaabbbbbbbbbbcccccccccc12345").unwrap();
        assert_eq!(fs_err::read_to_string(&path).unwrap(), "12345");
        assert_eq!(tail(&path), "cccccccccc12345");
        assert_eq!(fs_err::read_dir(dir.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_tail_is_plain_and_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        fs_err::write(&path, "ä".repeat(5000)).unwrap();
        assert_eq!(tail(&path), "ä".repeat(2048));
        assert_eq!(tail(&dir.path().join("none")), "");
    }

    #[test]
    fn escape_sequences_are_taken_out() {
        let raw = b"\x1b[1;31mred\x1b[0m\r\n\xc3\xa4\xe2\x80\xae\x1b]0;title\x07a\x1b]8;;x\x1b\\b\x1b(Bc\x1b=d\x08\xff";
        assert_eq!(plain(raw), "red\nä\u{fffd}abcd\u{fffd}");
        // Wherever it is cut, the pieces make the same.
        for cut in 0..=raw.len() {
            let mut pieces = Plain::default();
            let text = pieces.push(&raw[..cut]) + &pieces.push(&raw[cut..]) + pieces.end();
            assert_eq!(text, plain(raw), "{cut}");
        }
    }
}
