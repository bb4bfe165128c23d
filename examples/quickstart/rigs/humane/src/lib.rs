//! Sizes and durations as people write them: `1.5 MiB`, `2h 5m`.
//!
//! ```
//! use std::time::Duration;
//!
//! assert_eq!(humane::fmt_size(1_572_864), "1.5 MiB");
//! assert_eq!(humane::parse_duration("1h 30m"), Ok(Duration::from_secs(5_400)));
//! ```

mod duration;
mod error;
mod number;
mod size;

pub use duration::{format_duration, parse_duration};
pub use error::ParseError;
pub use size::{fmt_size, parse_size};
