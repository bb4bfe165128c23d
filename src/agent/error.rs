//! Why a verb of an agent did not do what it was asked: what, where, why, and what to do next.

use std::time::Duration;

use gastown_base::causes::in_a_line;
use gastown_connect::ConnectError;
use gastown_world::exec::ExecError;
use gastown_world::town::TownError;

use super::context::TRIES_MAX;

/// Why a verb failed. The process ends with 1, as `bd` does.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It was decided against; nothing was written.
    #[error("{message}")]
    Refused {
        /// What was refused, and why.
        message: String,
        /// What to do instead.
        hint: Option<String>,
    },
    /// There is no town.
    #[error(transparent)]
    Town(#[from] TownError),
    /// There is no way to its API.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The API took the request and said nothing.
    #[error("the town's controller did not answer within {} s", .0.as_secs())]
    Silent(Duration),
    /// The API did not do it.
    #[error("could not {what}")]
    Api {
        /// What was asked of it.
        what: String,
        /// The reason.
        #[source]
        source: ApiFailure,
    },
    /// The worktree could not be read.
    #[error("could not {what} of the repository in the current directory")]
    Git {
        /// What was to be read.
        what: &'static str,
        /// The reason.
        #[source]
        source: git2::Error,
    },
    /// The git program did not run.
    #[error(transparent)]
    Exec(#[from] ExecError),
    /// A file or stream could not be used.
    #[error("could not {what}")]
    Io {
        /// The operation.
        what: &'static str,
        /// The error.
        #[source]
        source: std::io::Error,
    },
}

/// What the API said, in its own words, or why it said nothing.
#[derive(Debug, thiserror::Error)]
pub enum ApiFailure {
    /// It answered with a refusal.
    #[error("{0}")]
    Status(String),
    /// It did not answer, or not in a way that can be read.
    #[error(transparent)]
    Client(kube::Error),
    /// Others wrote the same object again and again.
    #[error("others changed it {0} times meanwhile")]
    Contended(usize),
}

impl Error {
    /// A refusal with the next step.
    pub fn refused(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Refused { message: message.into(), hint: Some(hint.into()) }
    }

    /// A request that failed; for use in `map_err`.
    pub fn api(what: impl Into<String>) -> impl FnOnce(kube::Error) -> Self {
        let what = what.into();
        move |error| {
            let source = match error {
                kube::Error::Api(status) => ApiFailure::Status(status.message.clone()),
                other => ApiFailure::Client(other),
            };
            Self::Api { what, source }
        }
    }

    /// That something was not done because others changed the same object each time.
    pub fn contended(what: impl Into<String>) -> Self {
        Self::Api { what: what.into(), source: ApiFailure::Contended(TRIES_MAX) }
    }

    /// Whether the way to the API was lost, or is not there yet: the same may succeed once a controller is back.
    pub fn is_lost(&self) -> bool {
        let source = match self {
            Self::Connect(error) => return matches!(error, ConnectError::Held { .. }),
            Self::Api { source: ApiFailure::Client(source), .. } => source,
            _ => return false,
        };
        matches!(source, kube::Error::Service(_) | kube::Error::HyperError(_))
    }

    /// The same said again: its message and causes, and its hint.
    #[must_use]
    pub fn again(&self) -> Self {
        Self::Refused { message: self.line(), hint: self.hint() }
    }

    /// What to do next, where that is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Refused { hint, .. } => hint.clone(),
            Self::Town(TownError::NotFound { .. }) => {
                Some("go to a town's folder, or name it: set GT_TOWN, or use `gt --town DIR`".into())
            }
            Self::Town(TownError::Copied { original, .. }) => {
                Some(format!("the town is in {}: set GT_TOWN to it", original.display()))
            }
            Self::Api { source: ApiFailure::Contended(_), .. } => Some("try again".into()),
            Self::Silent(_) => Some("`gt logs` shows what it is at; `gt down` and `gt up` start it anew".into()),
            Self::Git { .. } => Some("run it in the worktree that the session started in".into()),
            _ => None,
        }
    }

    /// The message and each of its causes once, on one line.
    pub fn line(&self) -> String {
        in_a_line(self)
    }

    /// As people read it: `error: …`, then `hint: …`.
    pub fn text(&self) -> String {
        let hint = self.hint().map(|hint| format!("hint: {hint}\n")).unwrap_or_default();
        format!("error: {}\n{hint}", self.line())
    }
}
