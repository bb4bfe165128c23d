//! How long a command waits, as people give it.

use std::str::FromStr;
use std::time::Duration;

/// Longest wait, as a bound on the arithmetic: a month.
const WAIT_MAX: Duration = Duration::from_hours(31 * 24);

/// How long to wait.
#[derive(Debug, Clone, Copy)]
pub struct Timeout(pub Duration);

impl FromStr for Timeout {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let duration: kube::core::Duration = text.parse().map_err(|_| "say it such as 90s, 5m or 1h30m".to_owned())?;
        let duration = Duration::from(duration);
        if duration > WAIT_MAX { Err("at most 744h".to_owned()) } else { Ok(Self(duration)) }
    }
}
