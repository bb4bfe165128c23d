//! Where words go: data to standard output, talk to standard error, colour only where somebody is looking.

use std::io::{IsTerminal, Write};

use super::error::{CliError, Exit};
use crate::text::visible;

/// The two streams of a command.
#[derive(Debug, Clone, Copy)]
pub struct Terminal {
    /// Whether standard output is painted.
    pub color: bool,
    /// Whether standard error is painted.
    pub talk_color: bool,
    /// Whether somebody watches standard error, so that a line may be drawn again.
    pub talk_live: bool,
    /// How wide standard output is, in columns; none where it is no terminal.
    pub width: Option<u16>,
    /// How wide standard error is; none where it is no terminal.
    pub talk_width: Option<u16>,
}

impl Terminal {
    /// As this process has it.
    pub fn of_process() -> Self {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
            && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        let (out, err) = (std::io::stdout().is_terminal(), std::io::stderr().is_terminal());
        let columns = |size: rustix::io::Result<rustix::termios::Winsize>| size.ok().map(|size| size.ws_col);
        let (of_out, of_err) =
            (rustix::termios::tcgetwinsize(std::io::stdout()), rustix::termios::tcgetwinsize(std::io::stderr()));
        Self {
            color: wanted && out,
            talk_color: wanted && err,
            talk_live: err && std::env::var_os("TERM").is_none_or(|term| term != "dumb"),
            // A width of 0 is a terminal that does not know.
            width: columns(of_out).filter(|&columns| out && columns > 0),
            talk_width: columns(of_err).filter(|&columns| err && columns > 0),
        }
    }

    /// Writes data, and a newline where there is none.
    pub fn data(&self, text: &str) -> Result<(), CliError> {
        self.bytes(text.as_bytes())?;
        if text.ends_with('\n') || text.is_empty() { Ok(()) } else { self.bytes(b"\n") }
    }

    /// Writes data as it is.
    pub fn bytes(&self, bytes: &[u8]) -> Result<(), CliError> {
        let mut out = std::io::stdout().lock();
        match out.write_all(bytes).and_then(|()| out.flush()) {
            Ok(()) => Ok(()),
            // The reader has seen enough (`gt get beads | head -1`): end as quietly as any other tool.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => std::process::exit(0),
            Err(error) => Err(CliError::new(Exit::Failed, "could not write to standard output").because(&error)),
        }
    }

    /// Says something to the person; what a terminal would obey is shown as such.
    pub fn talk(&self, text: &str) {
        self.talk_painted(&visible(text));
    }

    /// Says something that is painted already. Nobody listening is no reason to fail.
    pub fn talk_painted(&self, text: &str) {
        let mut err = std::io::stderr().lock();
        drop(err.write_all(text.as_bytes()));
        if !text.ends_with('\n') {
            drop(err.write_all(b"\n"));
        }
    }

    /// Asks for something: the answer is typed in the same line.
    pub fn prompt(&self, text: &str) {
        let mut err = std::io::stderr().lock();
        drop(err.write_all(text.as_bytes()).and_then(|()| err.flush()));
    }

    /// Draws the one line that stays at the bottom; an empty text takes it away.
    pub fn line(&self, text: &str) {
        if self.talk_live {
            let mut err = std::io::stderr().lock();
            drop(write!(err, "\r\x1b[K{text}").and_then(|()| err.flush()));
        }
    }

    /// Text in a colour, where data is painted.
    pub fn paint(&self, color: Color, text: &str) -> String {
        if self.color { format!("\x1b[{}m{text}\x1b[0m", color as u8) } else { text.to_owned() }
    }
}

/// A colour, by its ANSI number.
#[derive(Debug, Clone, Copy)]
pub enum Color {
    /// For headings.
    Bold = 1,
    /// For what needs somebody.
    Red = 31,
    /// For what is well.
    Green = 32,
    /// For what waits.
    Yellow = 33,
}
