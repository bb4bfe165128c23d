//! How long to wait after a failure: twice as long each time, capped, spread out, and the same for the same inputs.
//!
//! `backon` does the doubling. Its jitter is not used: seeded or not, it adds up to the whole delay and adds it after
//! the cap, so a wait could be twice its declared maximum. Here the spread is ±20 %, drawn from a digest of the seed
//! text, so that a restarted controller computes the very same instant.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use sha2::{Digest, Sha256};

/// No delay needs more doublings: 2^64 ns are 584 years.
const DOUBLINGS_MAX: u32 = 64;
/// The least a delay is multiplied with, in thousandths.
const SPREAD_MIN_PERMILLE: u32 = 800;
/// The most a delay is multiplied with, in thousandths.
const SPREAD_MAX_PERMILLE: u32 = 1200;

/// How long to wait after this many failures in a row: none after none, then about `initial`, and never more than
/// `max`. `seed` names what waits, so that things that failed together do not come back together.
pub fn delay(failures: u32, initial: Duration, max: Duration, seed: &str) -> Duration {
    if failures == 0 {
        return Duration::ZERO;
    }
    let spread = envelope(failures, initial, max).saturating_mul(permille(failures, seed)) / 1000;
    spread.min(max)
}

/// The delay before it is spread. It stops short of `max`, so that the longest waits are spread out too.
fn envelope(failures: u32, initial: Duration, max: Duration) -> Duration {
    let top = max / SPREAD_MAX_PERMILLE * 1000;
    let doubled = ExponentialBuilder::new()
        .with_factor(2.0)
        .with_min_delay(initial)
        .with_max_delay(top)
        .without_max_times()
        .build()
        .nth(failures.min(DOUBLINGS_MAX) as usize - 1);
    // `backon` does not cap its first delay.
    doubled.map_or(top, |delay| delay.min(top))
}

fn permille(failures: u32, seed: &str) -> u32 {
    let digest = Sha256::new().chain_update(failures.to_be_bytes()).chain_update(seed).finalize();
    let drawn = digest.iter().take(4).fold(0, |sum: u32, byte| (sum << 8) | u32::from(*byte));
    SPREAD_MIN_PERMILLE + drawn % (SPREAD_MAX_PERMILLE - SPREAD_MIN_PERMILLE + 1)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    const INITIAL: Duration = Duration::from_secs(5);
    const MAX: Duration = Duration::from_mins(10);

    #[test]
    fn the_first_try_does_not_wait() {
        assert_eq!(delay(0, INITIAL, MAX, "shop"), Duration::ZERO);
    }

    #[test]
    fn the_envelope_doubles_up_to_five_sixths_of_the_maximum() {
        let seconds: Vec<u64> = (1..=9).map(|failures| envelope(failures, INITIAL, MAX).as_secs()).collect();
        assert_eq!(seconds, [5, 10, 20, 40, 80, 160, 320, 500, 500]);
    }

    #[test]
    fn things_that_failed_together_come_back_apart_even_at_the_cap() {
        for failures in [1, 4, 40] {
            let instants: BTreeSet<_> = (0..50).map(|n| delay(failures, INITIAL, MAX, &format!("mr-{n}"))).collect();
            assert!(instants.len() > 35, "{failures} failures: {} instants of 50", instants.len());
        }
    }

    #[test]
    fn odd_bounds_do_no_harm() {
        assert_eq!(delay(3, Duration::ZERO, MAX, "x"), Duration::ZERO);
        assert_eq!(delay(3, INITIAL, Duration::ZERO, "x"), Duration::ZERO);
        assert!(delay(1, MAX, INITIAL, "x") <= INITIAL);
        assert!(delay(u32::MAX, Duration::MAX, Duration::MAX, "x") > Duration::ZERO);
    }

    proptest! {
        #[test]
        fn a_delay_is_deterministic_capped_and_within_a_fifth_of_a_growing_envelope(
            failures in 1u32.., initial_ms in 1u64..100_000, max_ms in 1u64..10_000_000, seed in ".{0,12}",
        ) {
            let (initial, max) = (Duration::from_millis(initial_ms), Duration::from_millis(max_ms));
            let waits = delay(failures, initial, max, &seed);
            let middle = envelope(failures, initial, max);
            prop_assert_eq!(waits, delay(failures, initial, max, &seed));
            prop_assert!(waits <= max);
            prop_assert!(middle * 4 / 5 <= waits && waits <= middle * 6 / 5, "{:?} around {:?}", waits, middle);
            prop_assert!(middle <= envelope(failures.saturating_add(1), initial, max));
        }
    }
}
