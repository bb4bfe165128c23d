//! The agents' commands: `gt hook`, `gt prime`, `gt done` and the like, and what `bd` shares with them. They answer with the
//! controller up or down.

pub mod context;
pub mod error;
pub mod session;

pub mod work;
pub mod worktree;

mod hook;
pub mod prime;

mod done;

mod conversation;

mod ask;

mod handoff;

mod pressure;

mod seance;

mod report;

mod nudged;

pub use ask::{AskArgs, StuckArgs, ask, stuck};
pub use done::{DoneArgs, done};
pub use handoff::{HandoffArgs, handoff};
pub use hook::{HookArgs, hook};
pub use prime::{PrimeArgs, prime};
pub use report::{ReportArgs, report};
pub use seance::{SeanceArgs, seance};
