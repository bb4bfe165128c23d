//! The agents' commands: `gt hook`, `gt prime` and `gt done`, and what `bd` shares with them. They answer with the
//! controller up or down.

pub mod context;
pub mod error;
pub mod session;

pub mod work;
pub mod worktree;

mod hook;
mod prime;

mod done;

mod conversation;

mod ask;

mod report;

pub use ask::{AskArgs, StuckArgs, ask, stuck};
pub use done::{DoneArgs, done};
pub use hook::{HookArgs, hook};
pub use prime::{PrimeArgs, prime};
pub use report::{ReportArgs, report};
