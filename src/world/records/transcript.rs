//! A transcript: what an agent's program keeps of a conversation with its model, one JSON object a line.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// The longest line that is read, in bytes: some hold a picture. Longer ones are left out.
const LINE_BYTES_MAX: usize = 16 << 20;

/// A transcript that is read from its beginning, and goes on.
#[derive(Debug)]
pub struct Transcript {
    file: File,
    /// The beginning of a line that is not whole yet.
    begun: Vec<u8>,
    /// Whether the line that has begun is too long.
    skips: bool,
}

impl Transcript {
    /// Opens one. Which file that is, an agent's program says: anything but a file is refused, since a pipe would be waited for.
    pub fn open(path: &Path) -> io::Result<Self> {
        if !fs_err::metadata(path)?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{} is no file", path.display())));
        }
        Ok(Self { file: fs_err::File::open(path)?.into(), begun: Vec::new(), skips: false })
    }

    /// Hands over each whole line that was added since the last call.
    pub fn read(&mut self, mut each: impl FnMut(&[u8])) -> io::Result<()> {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let count = self.file.read(&mut buffer)?;
            if count == 0 {
                return Ok(());
            }
            for piece in buffer[..count].split_inclusive(|byte| *byte == b'\n') {
                self.begun.extend_from_slice(if self.skips { b"" } else { piece });
                if self.begun.len() > LINE_BYTES_MAX {
                    self.begun.clear();
                    self.skips = true;
                }
                if piece.ends_with(b"\n") {
                    let line = std::mem::take(&mut self.begun);
                    if !std::mem::take(&mut self.skips) {
                        each(&line);
                    }
                }
            }
        }
    }
}
