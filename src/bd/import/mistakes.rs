//! The mistakes of a file that is to be taken in: all are found before anything is written.

use gastown_agent::error::Error;
use gastown_base::text::counted;

/// Mistakes that are said.
pub const MISTAKES_MAX: usize = 20;

/// What is wrong in a file: the first ones, and how many there are.
#[derive(Debug, Default)]
pub struct Mistakes {
    shown: String,
    count: usize,
}

impl Mistakes {
    /// Adds one, in a line.
    pub fn add(&mut self, mistake: &str) {
        self.count += 1;
        if self.count <= MISTAKES_MAX {
            self.shown.push_str(&format!("\n  {mistake}"));
        }
    }

    /// An error, if there are any: so many of these, which are to be corrected where they stand.
    pub fn refuse(&self, these: &str, place: &str) -> Result<(), Error> {
        let places = if self.count == 1 { format!("this {place}") } else { format!("these {place}s") };
        self.refuse_with(&format!("{} cannot be taken in", self.counted(these)), &format!("correct {places}"))
    }

    /// An error, if there are any.
    pub fn refuse_with(&self, message: &str, todo: &str) -> Result<(), Error> {
        if self.count == 0 {
            return Ok(());
        }
        Err(Error::refused(format!("{message}:{}", self.shown), format!("nothing was taken in: {todo}")))
    }

    /// How many there are of these.
    pub fn counted(&self, these: &str) -> String {
        counted(self.count, these)
    }
}
