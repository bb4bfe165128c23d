//! The ledger in git: what the store's facts say, folded into a bare repository beside them, told as history, pushed and fetched.
//!
//! Invariants: nothing waits for it, and no desired state is read from it; it is behind the facts by a second or so. What is a wisp is
//! in no commit. The repository is the ledger's own: nobody works in it, so libgit2 writes it, which elsewhere only reads.

mod fold;

mod history;

mod lane;

mod remote;

pub use fold::{Fold, Folded, LedgerError, export};
pub use history::{Change, history};
pub use lane::follow;
pub use remote::{Pulled, REF, pull, push};
