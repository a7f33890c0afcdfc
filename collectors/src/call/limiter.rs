//! Rates: one bucket for each (account, region, service, action), shared by all collectors of the process.
//!
//! Owns how fast an action may be called now. A throttle answer halves the bucket's rate, a success raises it again, up to
//! what is configured. Knows nothing of requests.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;

/// No throttle answer makes a bucket slower than this: one call in ten seconds.
const SLOWEST: f64 = 0.1;

/// A success gives back this share of the configured rate.
const RECOVERY: f64 = 0.05;

/// However small a rate is, nobody waits longer than this for the next call.
const LONGEST_WAIT: Duration = Duration::from_secs(86_400);

/// What a rate holds for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Scope {
    pub(super) account: String,
    pub(super) region: String,
    pub(super) service: &'static str,
    pub(super) action: &'static str,
}

/// One bucket: burst 1, so that calls are evenly spaced.
///
/// Only the first in line looks at the rate, at the moment it may go: a rate that changes holds for all who wait, and a
/// caller that gives up (a run at its deadline) leaves no slot behind that nobody uses.
#[derive(Debug)]
pub(super) struct Bucket {
    /// The line, first come first served. Its one permit says who is first; it guards no data.
    line: Semaphore,
    /// Wakes the first in line when the rate has risen.
    faster: Notify,
    pace: Mutex<Pace>,
}

#[derive(Debug)]
struct Pace {
    configured: f64,
    rate: f64,
    /// When the last call went.
    last: Option<Instant>,
    /// When the rate was halved last.
    slowed: Option<Instant>,
    throttled: u64,
}

/// A call that went: which rate it went by is known from its time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turn(Instant);

impl Pace {
    /// Lets a call go, or says when it may. One that has waited for its time and woke a little late counts from that time: timers are
    /// late by a millisecond and more, which would add up over a thousand calls.
    fn go(&mut self, now: Instant, waited: bool) -> Result<Turn, Instant> {
        let pause = Duration::try_from_secs_f64(1.0 / self.rate).unwrap_or(LONGEST_WAIT).min(LONGEST_WAIT);
        match self.last.map(|last| last + pause) {
            Some(due) if due > now => Err(due),
            due => {
                let in_time = due.filter(|due| waited && now.duration_since(*due) < pause);
                self.last = Some(in_time.unwrap_or(now));
                Ok(Turn(now))
            }
        }
    }
}

impl Bucket {
    fn new(rate: f64) -> Self {
        Self {
            line: Semaphore::new(1),
            faster: Notify::new(),
            pace: Mutex::new(Pace { configured: rate, rate, last: None, slowed: None, throttled: 0 }),
        }
    }

    /// Waits for this call's turn. Turns are given in the order asked for.
    pub(super) async fn turn(&self) -> Turn {
        // Fails only when the line is closed, which it never is.
        let _first = self.line.acquire().await;
        let mut waited = false;
        loop {
            let due = match self.lock().go(Instant::now(), waited) {
                Ok(turn) => return turn,
                Err(due) => due,
            };
            waited = true;
            tokio::select! {
                () = tokio::time::sleep_until(due) => {}
                () = self.faster.notified() => {}
            }
        }
    }

    /// The cloud said that this call was too fast. Calls that went before the last halving say nothing of the rate since:
    /// otherwise fifty calls under way would make one throttle answer fifty.
    pub(super) fn slow_down(&self, turn: Turn) {
        let mut pace = self.lock();
        pace.throttled += 1;
        if pace.slowed.is_none_or(|slowed| turn.0 > slowed) {
            pace.rate = (pace.rate / 2.0).max(SLOWEST.min(pace.configured));
            pace.slowed = Some(Instant::now());
        }
    }

    /// A call succeeded.
    pub(super) fn speed_up(&self, turn: Turn) {
        let mut pace = self.lock();
        if pace.rate < pace.configured && pace.slowed.is_none_or(|slowed| turn.0 > slowed) {
            pace.rate = (pace.rate + pace.configured * RECOVERY).min(pace.configured);
            self.faster.notify_one();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// Seconds on the paused clock, to the hundredth: tokio's timer rounds up to a millisecond.
    fn seconds(since: Instant) -> f64 {
        (since.elapsed().as_secs_f64() * 100.0).round() / 100.0
    }

    #[tokio::test(start_paused = true)]
    async fn calls_are_spaced_by_the_rate_and_the_first_goes_at_once() {
        let bucket = Bucket::new(10.0);
        let began = Instant::now();
        bucket.turn().await;
        assert_eq!(began.elapsed(), Duration::ZERO);
        for _ in 0..10 {
            bucket.turn().await;
        }
        assert!((1.0..1.05).contains(&began.elapsed().as_secs_f64()), "{:?}", began.elapsed());
        // What was not used is not saved up.
        tokio::time::sleep(Duration::from_secs(60)).await;
        let later = Instant::now();
        bucket.turn().await;
        bucket.turn().await;
        assert!((seconds(later) - 0.1).abs() < 0.005, "{}", seconds(later));
    }

    #[tokio::test(start_paused = true)]
    async fn timers_that_are_late_do_not_add_up() {
        // Three calls a second: no millisecond of tokio's timer is a due time.
        let bucket = Bucket::new(3.0);
        let began = Instant::now();
        for _ in 0..=300 {
            bucket.turn().await;
        }
        assert!((100.0..100.01).contains(&began.elapsed().as_secs_f64()), "{:?}", began.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_throttle_halves_once_for_all_calls_under_way_and_success_gives_back() {
        let bucket = Bucket::new(100.0);
        let mut under_way = Vec::new();
        for _ in 0..20 {
            under_way.push(bucket.turn().await);
        }
        for turn in &under_way {
            bucket.slow_down(*turn);
        }
        assert!((bucket.lock().rate - 50.0).abs() < f64::EPSILON, "twenty answers to one rate are one");
        assert_eq!(bucket.lock().throttled, 20, "each is counted");
        // A late success of the old rate does not undo it.
        bucket.speed_up(under_way[0]);
        assert!((bucket.lock().rate - 50.0).abs() < f64::EPSILON);

        let after = bucket.turn().await;
        bucket.slow_down(after);
        assert!((bucket.lock().rate - 25.0).abs() < f64::EPSILON);
        let mut before = 25.0;
        for _ in 0..15 {
            bucket.speed_up(bucket.turn().await);
            let rate = bucket.lock().rate;
            assert!((rate - before - 5.0).abs() < 1e-9, "a twentieth of the configured rate each");
            before = rate;
        }
        bucket.speed_up(bucket.turn().await);
        assert!((bucket.lock().rate - 100.0).abs() < f64::EPSILON, "never above what is configured");
        for _ in 0..100 {
            let turn = bucket.turn().await;
            bucket.slow_down(turn);
        }
        assert!((bucket.lock().rate - SLOWEST).abs() < f64::EPSILON);
    }

    #[tokio::test(start_paused = true)]
    async fn a_rate_configured_below_the_slowest_stays() {
        let bucket = Bucket::new(0.05);
        bucket.slow_down(bucket.turn().await);
        assert!((bucket.lock().rate - 0.05).abs() < f64::EPSILON);
        let began = Instant::now();
        bucket.turn().await;
        assert!((seconds(began) - 20.0).abs() < 0.01);
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_wait_go_in_order_and_by_the_rate_of_the_moment() {
        let bucket = Arc::new(Bucket::new(10.0));
        let first = bucket.turn().await;
        let went = Arc::new(Mutex::new(Vec::new()));
        let waiting: Vec<_> = (0..5)
            .map(|number| {
                let (bucket, went) = (bucket.clone(), went.clone());
                tokio::spawn(async move {
                    bucket.turn().await;
                    went.lock().unwrap().push((number, Instant::now()));
                })
            })
            .collect();
        // All five stand in line before the rate changes.
        tokio::task::yield_now().await;
        bucket.slow_down(first);
        let began = Instant::now();
        for task in waiting {
            task.await.unwrap();
        }
        let went = went.lock().unwrap();
        assert_eq!(went.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
        assert!((seconds(began) - 1.0).abs() < 0.02, "five calls at five a second: {}", seconds(began));
    }

    #[tokio::test(start_paused = true)]
    async fn who_gives_up_leaves_no_slot_behind() {
        let bucket = Arc::new(Bucket::new(1.0));
        bucket.turn().await;
        let waiting: Vec<_> = (0..100)
            .map(|_| {
                let bucket = bucket.clone();
                tokio::spawn(async move { bucket.turn().await })
            })
            .collect();
        tokio::task::yield_now().await;
        for task in &waiting {
            task.abort();
        }
        let began = Instant::now();
        bucket.turn().await;
        assert!((seconds(began) - 1.0).abs() < 0.01, "{}", seconds(began));
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_in_line_is_woken_when_the_rate_rises() {
        let bucket = Arc::new(Bucket::new(10.0));
        let mut turn = bucket.turn().await;
        for _ in 0..10 {
            bucket.slow_down(turn);
            turn = bucket.turn().await;
        }
        let waits = {
            let bucket = bucket.clone();
            tokio::spawn(async move { bucket.turn().await })
        };
        tokio::task::yield_now().await;
        let began = Instant::now();
        for _ in 0..20 {
            bucket.speed_up(turn);
        }
        waits.await.unwrap();
        assert!((seconds(began) - 0.1).abs() < 0.01, "{}: not the ten seconds of before", seconds(began));
    }
}
