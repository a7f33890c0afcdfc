//! Rates: one bucket for each (account, region, service, action), shared by all collectors of the process.
//!
//! Owns how fast an action may be called now. A throttle answer halves the bucket's rate, a success raises it again, up to
//! what is configured. Knows nothing of requests.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU32, Ordering};
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

/// No more turns than this are taken from the other machines at once.
const MOST_TURNS: u32 = 50;

/// How long to wait before those who keep a shared rate are asked again after they did not answer.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// Turns that were given: evenly spaced moments, of which nobody else has the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turns {
    /// When the first is, from now.
    pub first: Duration,
    /// How many.
    pub count: u32,
}

/// Rates that hold for several machines together.
#[async_trait::async_trait]
pub trait SharedRates: Send + Sync + std::fmt::Debug {
    /// The next `count` turns of a scope, `pause` apart.
    ///
    /// # Errors
    /// Why none can be had now, for the log. No call goes then: a rate that cannot be kept is not exceeded.
    async fn turns(&self, scope: &str, count: u32, pause: Duration) -> Result<Turns, String>;
}

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
    /// Where other machines call too: who keeps the rate, and under which name.
    shared: Option<(Arc<dyn SharedRates>, String)>,
    /// How many stand in line.
    waiting: AtomicU32,
}

/// One who stands in line, until it goes or gives up.
struct InLine<'b>(&'b AtomicU32);

impl<'b> InLine<'b> {
    fn new(waiting: &'b AtomicU32) -> Self {
        waiting.fetch_add(1, Ordering::Relaxed);
        Self(waiting)
    }
}

impl Drop for InLine<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[derive(Debug)]
struct Pace {
    /// Turns that were given and not used yet.
    given: VecDeque<Instant>,
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
    /// Between two calls.
    fn pause(&self) -> Duration {
        Duration::try_from_secs_f64(1.0 / self.rate).unwrap_or(LONGEST_WAIT).min(LONGEST_WAIT)
    }

    /// Lets a call go, or says when it may. One that has waited for its time and woke a little late counts from that time: timers are
    /// late by a millisecond and more, which would add up over a thousand calls.
    fn go(&mut self, now: Instant, waited: bool) -> Result<Turn, Instant> {
        let pause = self.pause();
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
            pace: Mutex::new(Pace {
                given: VecDeque::new(),
                configured: rate,
                rate,
                last: None,
                slowed: None,
                throttled: 0,
            }),
            shared: None,
            waiting: AtomicU32::new(0),
        }
    }

    /// Waits for this call's turn. Turns are given in the order asked for.
    pub(super) async fn turn(&self) -> Turn {
        let _in_line = InLine::new(&self.waiting);
        // Fails only when the line is closed, which it never is.
        let _first = self.line.acquire().await;
        let Some((rates, scope)) = &self.shared else { return self.own_turn().await };
        loop {
            let given = self.given_turn(rates.as_ref(), scope).await;
            tokio::time::sleep_until(given).await;
            let turn = self.own_turn().await;
            // Slowed down meanwhile, or held up: that moment is over, and this one may be another machine's.
            let pause = self.lock().pause();
            if turn.0 <= given + pause / 2 {
                return turn;
            }
        }
    }

    /// The next turn that was given, or the first of some more.
    async fn given_turn(&self, rates: &dyn SharedRates, scope: &str) -> Instant {
        loop {
            let pause = {
                let mut pace = self.lock();
                let pause = pace.pause();
                let now = Instant::now();
                while let Some(given) = pace.given.pop_front() {
                    if given + pause / 2 >= now {
                        return given;
                    }
                }
                pause
            };
            let in_a_second = Duration::from_secs(1).as_nanos() / pause.as_nanos().max(1);
            let most = u32::try_from(in_a_second).unwrap_or(MOST_TURNS).clamp(1, MOST_TURNS);
            let count = self.waiting.load(Ordering::Relaxed).clamp(1, most);
            match rates.turns(scope, count, pause).await {
                Ok(turns) => {
                    let first = Instant::now() + turns.first;
                    let given = (0..turns.count).map(|number| first + pause * number);
                    self.lock().given.extend(given);
                }
                Err(why) => {
                    tracing::warn!(
                        scope,
                        why,
                        "the rate that several machines share cannot be kept now: no call goes"
                    );
                    tokio::time::sleep(ASK_AGAIN).await;
                }
            }
        }
    }

    /// The next turn by this process's own pace.
    async fn own_turn(&self) -> Turn {
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
pub(super) struct Limiter {
    buckets: Mutex<HashMap<Scope, Arc<Bucket>>>,
    shared: Option<Arc<dyn SharedRates>>,
}

impl Limiter {
    /// Buckets that share their rates with other machines, where there are any.
    pub(super) fn new(shared: Option<Arc<dyn SharedRates>>) -> Self {
        Self { buckets: Mutex::default(), shared }
    }

    /// The bucket of a scope; `rate` counts when it is asked for the first time.
    pub(super) fn bucket(&self, scope: Scope, rate: f64) -> Arc<Bucket> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket = buckets.entry(scope).or_insert_with_key(|scope| {
            let name = || format!("{}\n{}\n{}:{}", scope.account, scope.region, scope.service, scope.action);
            let shared = self.shared.clone().map(|rates| (rates, name()));
            Arc::new(Bucket { shared, ..Bucket::new(rate) })
        });
        bucket.clone()
    }

    /// The buckets that were slowed down: scope, throttle answers, the rate now and the configured one.
    pub(super) fn slowed(&self) -> Vec<(Scope, u64, f64, f64)> {
        let buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
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

    /// Machines that share a rate, and their keeper.
    #[derive(Debug)]
    struct Keeper {
        next: Mutex<Instant>,
        asked: AtomicU32,
        fails: AtomicU32,
    }

    #[async_trait::async_trait]
    impl SharedRates for Keeper {
        async fn turns(&self, _scope: &str, count: u32, pause: Duration) -> Result<Turns, String> {
            self.asked.fetch_add(1, Ordering::Relaxed);
            if self
                .fails
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1))
                .is_ok()
            {
                return Err("away".into());
            }
            let now = Instant::now();
            let mut next = self.next.lock().unwrap();
            let first = (*next).max(now);
            *next = first + pause * count;
            Ok(Turns { first: first - now, count })
        }
    }

    #[tokio::test(start_paused = true)]
    async fn machines_that_share_a_rate_never_go_faster_together() {
        let keeper = Arc::new(Keeper {
            next: Mutex::new(Instant::now()),
            asked: AtomicU32::new(0),
            fails: AtomicU32::new(3),
        });
        let scope = Scope { account: "a".into(), region: "r".into(), service: "s", action: "A" };
        let machines: Vec<Limiter> = (0..3).map(|_| Limiter::new(Some(keeper.clone()))).collect();
        let went = Arc::new(Mutex::new(Vec::new()));
        let mut calls = Vec::new();
        for machine in &machines {
            for number in 0..100 {
                let (bucket, went) = (machine.bucket(scope.clone(), 20.0), went.clone());
                calls.push(tokio::spawn(async move {
                    let turn = bucket.turn().await;
                    went.lock().unwrap().push(Instant::now());
                    // One of the machines is throttled for a while.
                    if number == 50 {
                        bucket.slow_down(turn);
                    } else {
                        bucket.speed_up(turn);
                    }
                }));
            }
        }
        for call in calls {
            call.await.unwrap();
        }
        let mut went = went.lock().unwrap().clone();
        went.sort();
        assert_eq!(went.len(), 300);
        for pair in went.windows(2) {
            // tokio's timer counts milliseconds.
            assert!(pair[1] - pair[0] >= Duration::from_millis(23), "{:?}", pair[1] - pair[0]);
        }
        for second in went.windows(22) {
            assert!(second[21] - second[0] > Duration::from_secs(1), "21 calls in less than a second");
        }
        assert!(keeper.asked.load(Ordering::Relaxed) < 60, "the keeper is not asked for each call");
    }

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
