//! Rates: one bucket for each (account, region, service, action), shared by all collectors of the process.
//!
//! Owns how fast an action may be called now. A throttle answer halves the bucket's rate, a success raises it again, up to
//! what is configured. Knows nothing of requests.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// No throttle answer makes a bucket slower than this: one call in ten seconds.
const SLOWEST: f64 = 0.1;

/// A success gives back this share of the configured rate.
const RECOVERY: f64 = 0.05;

/// What a rate holds for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Scope {
    pub(super) account: String,
    pub(super) region: String,
    pub(super) service: &'static str,
    pub(super) action: &'static str,
}

/// One bucket: burst 1, so that calls are evenly spaced.
#[derive(Debug)]
pub(super) struct Bucket(Mutex<Pace>);

#[derive(Debug)]
struct Pace {
    configured: f64,
    rate: f64,
    /// When the next call may go.
    next: Option<Instant>,
    throttled: u64,
}

impl Bucket {
    fn new(rate: f64) -> Self {
        Self(Mutex::new(Pace { configured: rate, rate, next: None, throttled: 0 }))
    }

    /// Waits for this call's turn. Turns are given in the order asked for.
    pub(super) async fn turn(&self) {
        let at = {
            let mut pace = self.lock();
            let now = Instant::now();
            let at = pace.next.map_or(now, |next| next.max(now));
            pace.next = Some(at + Duration::from_secs_f64(1.0 / pace.rate));
            at
        };
        tokio::time::sleep_until(at).await;
    }

    /// The cloud said that this was too fast.
    pub(super) fn slow_down(&self) {
        let mut pace = self.lock();
        pace.rate = (pace.rate / 2.0).max(SLOWEST.min(pace.configured));
        pace.throttled += 1;
        let rest = Instant::now() + Duration::from_secs_f64(1.0 / pace.rate);
        pace.next = Some(pace.next.map_or(rest, |next| next.max(rest)));
    }

    /// A call succeeded.
    pub(super) fn speed_up(&self) {
        let mut pace = self.lock();
        pace.rate = (pace.rate + pace.configured * RECOVERY).min(pace.configured);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Pace> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All buckets of a process.
#[derive(Debug, Default)]
pub(super) struct Limiter(Mutex<HashMap<Scope, Arc<Bucket>>>);

impl Limiter {
    /// The bucket of a scope; `rate` counts when it is asked for the first time.
    pub(super) fn bucket(&self, scope: Scope, rate: f64) -> Arc<Bucket> {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        buckets.entry(scope).or_insert_with(|| Arc::new(Bucket::new(rate))).clone()
    }

    /// The buckets that were slowed down: scope, throttle answers, the rate now and the configured one.
    pub(super) fn slowed(&self) -> Vec<(Scope, u64, f64, f64)> {
        let buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut slowed: Vec<(Scope, u64, f64, f64)> = buckets
            .iter()
            .filter_map(|(scope, bucket)| {
                let pace = bucket.lock();
                (pace.throttled > 0).then(|| (scope.clone(), pace.throttled, pace.rate, pace.configured))
            })
            .collect();
        slowed.sort_by(|one, other| {
            (one.0.service, one.0.action, &one.0.region).cmp(&(
                other.0.service,
                other.0.action,
                &other.0.region,
            ))
        });
        slowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn calls_are_spaced_and_a_throttle_halves_the_rate() {
        let bucket = Bucket::new(10.0);
        let began = Instant::now();
        for _ in 0..11 {
            bucket.turn().await;
        }
        assert_eq!(began.elapsed().as_millis().div_euclid(100), 10, "ten calls a second, the first at once");
        bucket.slow_down();
        let slowed = Instant::now();
        bucket.turn().await;
        bucket.turn().await;
        assert!(slowed.elapsed() >= Duration::from_millis(400), "{:?}", slowed.elapsed());
        for _ in 0..100 {
            bucket.speed_up();
        }
        assert!((bucket.lock().rate - 10.0).abs() < f64::EPSILON, "never above what is configured");
        for _ in 0..100 {
            bucket.slow_down();
        }
        assert!((bucket.lock().rate - SLOWEST).abs() < f64::EPSILON);
    }
}
