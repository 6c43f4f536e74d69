//! When to try again: pure, so that tests need no clock and no luck.
//!
//! In: the number of failures in a row, what the server asked for, a random number. Out: how long to wait, or that it
//! is over. It does not sleep and it does not decide which errors deserve another try.

use std::time::Duration;

/// Bounds of trying again, from the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// Failures in a row without a single new byte after which it is over.
    pub retries_max: u32,
    /// Wait after the first failure; it doubles with each one that follows.
    pub first: Duration,
    /// Longest wait, also when a server asks for more.
    pub longest: Duration,
}

impl Backoff {
    /// The wait after failure number `failures` (from 1), `None` when it is over.
    ///
    /// `random` spreads a fleet that lost the same server over the second half of the wait. A server's own
    /// `Retry-After` is obeyed up to the longest wait.
    pub fn wait(&self, failures: u32, retry_after: Option<Duration>, random: u32) -> Option<Duration> {
        if failures > self.retries_max {
            return None;
        }
        let doublings = failures.saturating_sub(1).min(16);
        let whole = self.first.saturating_mul(1 << doublings).min(self.longest);
        let half = whole / 2;
        let spread =
            Duration::from_millis((half.as_millis() as u64).saturating_mul(random.into()) / u64::from(u32::MAX));
        let wait = half + spread;
        Some(wait.max(retry_after.unwrap_or_default()).min(self.longest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff =
        Backoff { retries_max: 8, first: Duration::from_secs(1), longest: Duration::from_secs(60) };

    /// Waits double from the first to the longest, and chance moves them within their second half only.
    #[test]
    fn waits_double_up_to_the_longest() {
        let check = |failures, seconds: f64| {
            let low = BACKOFF.wait(failures, None, 0).unwrap().as_secs_f64();
            let high = BACKOFF.wait(failures, None, u32::MAX).unwrap().as_secs_f64();
            assert!((low - seconds / 2.0).abs() < 1e-6 && (high - seconds).abs() < 1e-6, "{failures}: {low} to {high}");
        };
        check(1, 1.0);
        check(2, 2.0);
        check(6, 32.0);
        check(7, 60.0);
        check(8, 60.0);
        assert_eq!(BACKOFF.wait(9, None, 0), None);
    }

    #[test]
    fn the_server_is_obeyed_within_bounds() {
        let check = |asked, expected| {
            let wait = BACKOFF.wait(1, Some(Duration::from_secs(asked)), u32::MAX);
            assert_eq!(wait, Some(Duration::from_secs(expected)));
        };
        check(0, 1);
        check(30, 30);
        check(86_400, 60);
    }
}
