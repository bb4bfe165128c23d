//! The screen of an attempt that is over: its output, replayed through a terminal.
//!
//! What a full-screen program prints is mostly where its cursor goes; read as text, it is all of its screens on top of each
//! other. Nobody records how large a terminal was while somebody was attached, so it is replayed at the size that it has
//! otherwise.

use std::io;
use std::path::Path;

use avt::{ScreenKind, Terminal};
use gastown_supervisor::log::{last_bytes, older, plain};

use crate::session::tmux::COLUMNS;
pub use crate::session::tmux::ROWS;

/// Lines that are kept of what has left the screen at its top. Each takes some 5 KiB while it is replayed.
const LINES_MAX: usize = 5000;

/// More than a log holds, in bytes: each of its two files is bounded by its writer.
const BYTES_MAX: u64 = 16 * 1024 * 1024;

/// What takes a full-screen program off the terminal, each after `ESC [ ?`.
const LEAVES: [&str; 3] = ["1049l", "1047l", "47l"];

/// The lines that were to be seen at last, after those that had left the screen. What was printed on no terminal is shown as it
/// is: there a newline is one.
pub fn shown(log: &Path, is_terminal: bool) -> io::Result<Vec<String>> {
    if !log.exists() {
        return Ok(Vec::new());
    }
    // Asked for an error: `last_bytes` has none.
    fs_err::File::open(log)?;
    let mut raw = last_bytes(&older(log), BYTES_MAX);
    raw.append(&mut last_bytes(log, BYTES_MAX));
    if !is_terminal {
        return Ok(trimmed(plain(&raw).lines().map(str::to_owned).collect()));
    }
    Ok(replayed(&String::from_utf8_lossy(&raw)))
}

/// What a terminal shows in the end. A full-screen program takes its screen away as it leaves: that stands before what was
/// printed outside of it.
fn replayed(text: &str) -> Vec<String> {
    let Ok(mut terminal) = Terminal::with_scrollback(COLUMNS, ROWS, Some(LINES_MAX)) else { return Vec::new() };
    let (mut left, mut fed) = (Vec::new(), 0);
    for (at, begin) in text.match_indices("\x1b[?") {
        if LEAVES.iter().any(|leave| text[at + begin.len()..].starts_with(leave)) {
            terminal.feed(&text[fed..at]);
            fed = at;
            if terminal.active_screen_kind() == ScreenKind::Alternate {
                left = trimmed(terminal.screen().text());
            }
        }
    }
    terminal.feed(&text[fed..]);
    let primary = trimmed(terminal.primary_screen().text());
    match terminal.active_screen_kind() {
        ScreenKind::Alternate => [primary, trimmed(terminal.screen().text())].concat(),
        ScreenKind::Primary => [left, primary].concat(),
    }
}

/// Without blank lines at the end.
fn trimmed(mut lines: Vec<String>) -> Vec<String> {
    let end = lines.iter().rposition(|line| !line.trim().is_empty()).map_or(0, |last| last + 1);
    lines.truncate(end);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_paints_over_itself_shows_its_last_screen() {
        let painted = "start\r\n\x1b[2Kbusy 1\r\x1b[2Kbusy 2\r\n> _\x1b[1A\r\x1b[2K\x1b[32mdone\x1b[0m\r\n\x1b[2K";
        assert_eq!(replayed(painted), ["start", "done"]);
        // A line that was too long for it is one.
        let long = "x".repeat(COLUMNS + 10);
        assert_eq!(replayed(&format!("{long}\r\nend")), [long.as_str(), "end"]);
    }

    #[test]
    fn a_full_screen_program_is_seen_after_it_has_left() {
        let program = "$ run\r\n\x1b[?1049h\x1b[2J\x1b[3;1Hthird line\x1b[1;1Hfirst";
        assert_eq!(replayed(program), ["$ run", "first", "", "third line"], "it was killed there");
        let left = format!("{program}\x1b[?1049l\x1b[?25hbye\r\n\x1b[?1049l");
        assert_eq!(replayed(&left), ["first", "", "third line", "$ run", "bye"]);
    }

    #[test]
    fn lines_are_kept_up_to_a_bound() {
        let lines = (0..2 * LINES_MAX).map(|nth| format!("{nth}\r\n")).collect::<Vec<_>>().concat();
        let shown = replayed(&lines);
        assert!(shown.len() < LINES_MAX * 3 / 2 && shown.len() >= LINES_MAX, "{}", shown.len());
        assert_eq!(shown.last().map(String::as_str), Some("9999"));
    }

    #[test]
    fn both_halves_of_a_log_are_read_and_no_terminal_is_taken_for_one() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("output.log");
        assert_eq!(shown(&log, true).unwrap(), Vec::<String>::new());
        fs_err::write(&log, "two\nthree\n\n").unwrap();
        fs_err::write(older(&log), "one\n").unwrap();
        assert_eq!(shown(&log, false).unwrap(), ["one", "two", "three"]);
        assert_eq!(shown(&log, true).unwrap(), ["one", "   two", "      three"], "each newline only goes down");
    }
}
