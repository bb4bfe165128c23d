//! How a command fails: what, why and what to do, and the exit code that says so to scripts.

use std::error::Error;
use std::fmt::Write as _;

use gastown_crds::common::ANNOTATION_TOWN_UID;

use crate::causes;
use crate::connect::ConnectError;
use crate::insight::text::quoted;
use crate::text::visible;
use crate::town::TownError;
use crate::world::git::GitError;

/// What to do about a folder for sockets that others have made, or can change.
pub const SOCKET_HINT: &str = "put it right, or choose a folder of your own: `gt down`, then `mkdir -p -m 700 ~/.cache/gt && TMPDIR=~/.cache/gt gt up`";

/// The exit codes; the table for people is in the module above and in `gt --help`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It did not work.
    Failed = 1,
    /// It was asked wrongly.
    Usage = 2,
    /// What it is about does not exist.
    NotFound = 3,
    /// The input was refused; nothing was changed.
    Refused = 4,
    /// It did not come true in time.
    TimedOut = 5,
    /// There is no town here, or no way to it.
    NoTown = 6,
    /// What is waited for does not come true until a person does something.
    NeedsYou = 7,
}

/// A failed command.
#[derive(Debug)]
pub struct CliError {
    exit: Exit,
    message: String,
    causes: Vec<String>,
    hint: Option<String>,
    lost: bool,
}

impl CliError {
    /// The message.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), causes: Vec::new(), hint: None, lost: false }
    }

    /// What went wrong, as an error says it, with its causes.
    pub fn from_error(exit: Exit, error: &dyn Error) -> Self {
        let message = error.to_string();
        let causes = causes::below(&message, error);
        Self { causes, ..Self::new(exit, message) }
    }

    /// Why: an error and its causes, each once.
    #[must_use]
    pub fn because(mut self, error: &dyn Error) -> Self {
        let text = error.to_string();
        let last = self.causes.last().unwrap_or(&self.message);
        let repeats = last.ends_with(&text);
        let below = causes::below(if repeats { last } else { &text }, error);
        self.causes.extend((!repeats).then_some(text).into_iter().chain(below));
        self
    }

    /// Why, in words.
    #[must_use]
    pub fn because_of(mut self, why: impl Into<String>) -> Self {
        self.causes.push(why.into());
        self
    }

    /// What to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Takes another failure as the cause, with its hint.
    #[must_use]
    pub fn caused_by(mut self, cause: Self) -> Self {
        let Self { exit: _, message, causes, hint, lost: _ } = cause;
        self.causes.push(message);
        self.causes.extend(causes);
        self.maybe_hint(hint)
    }

    /// What to do next, where something is known.
    #[must_use]
    pub fn maybe_hint(self, hint: Option<String>) -> Self {
        match hint {
            Some(hint) => self.hint(hint),
            None => self,
        }
    }

    /// What to do next, if it is known.
    pub fn hint_text(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// Whether the connection broke: over another one, it may work.
    pub fn is_lost(&self) -> bool {
        self.lost
    }

    /// The exit code.
    pub fn exit(&self) -> Exit {
        self.exit
    }

    /// What people read; `color` paints the first words.
    pub fn render(&self, color: bool) -> String {
        let (red, cyan, off) = if color { ("\x1b[1;31m", "\x1b[1;36m", "\x1b[0m") } else { ("", "", "") };
        // Other people's words may be among them: names of files, what programs said.
        let mut text = format!("{red}error:{off} {}", visible(&self.message));
        for cause in &self.causes {
            let _infallible = write!(text, "\n  caused by: {}", visible(cause));
        }
        if let Some(hint) = &self.hint {
            let _infallible = write!(text, "\n{cyan}hint:{off} {}", visible(hint));
        }
        text
    }
}

impl From<TownError> for CliError {
    fn from(error: TownError) -> Self {
        let made = Self::from_error(Exit::NoTown, &error);
        match error {
            TownError::NotFound { .. } => made.hint("`gt init` makes one here; `--town DIR` or GT_TOWN names another"),
            TownError::Copied { original, .. } => made.hint(format!(
                "go there, or say --town {}; to make this folder a town of its own, remove the annotation \
                 `{ANNOTATION_TOWN_UID}` from its town.yaml and run `gt init`",
                quoted(&original.to_string_lossy())
            )),
            _ => made,
        }
    }
}

impl From<GitError> for CliError {
    fn from(error: GitError) -> Self {
        Self::new(Exit::Failed, error.message())
    }
}

impl From<ConnectError> for CliError {
    fn from(error: ConnectError) -> Self {
        let made = Self::from_error(Exit::NoTown, &error);
        match error {
            ConnectError::Untrusted(_) => made.hint(SOCKET_HINT),
            _ => made,
        }
    }
}

/// What an API answered, in our words: the server's message, and its reason as an exit code.
impl From<kube::Error> for CliError {
    fn from(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => {
                let exit = match status.code {
                    404 => Exit::NotFound,
                    400 | 403 | 409 | 413 | 422 => Exit::Refused,
                    _ => Exit::Failed,
                };
                Self::new(exit, status.message)
            }
            kube::Error::Service(source) => Self {
                lost: true,
                ..Self::new(Exit::NoTown, "the town's controller does not answer").because(&*source)
            },
            kube::Error::HyperError(source) => {
                Self { lost: true, ..Self::new(Exit::NoTown, "the town's controller does not answer").because(&source) }
            }
            other => Self::new(Exit::Failed, "the town's API could not be asked").because(&other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("could not read the file")]
    struct Outer(#[source] std::io::Error);

    #[test]
    fn the_chain_is_told_once_with_the_hint_last() {
        let error = Outer(std::io::Error::other("disk on fire"));
        let error = CliError::from_error(Exit::Failed, &error).hint("put it out");
        insta::assert_snapshot!(error.render(false), @r"
        error: could not read the file
          caused by: disk on fire
        hint: put it out
        ");
    }
}
