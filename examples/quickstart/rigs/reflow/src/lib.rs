//! Plain text that fits: wrapping, indenting, shortening and columns.
//!
//! ```
//! let text = reflow::fill("The quick brown fox jumps", 10);
//! assert_eq!(text, "The quick\nbrown fox\njumps");
//! ```

mod cells;
mod columns;
mod indent;
mod wrap;

pub use cells::cells;
pub use columns::columns;
pub use indent::{dedent, indent};
pub use wrap::{fill, shorten, wrap};
