//! Rates: one bucket for each (account, region, service, action), shared by all collectors of the process.
//!
//! Owns how fast an action may be called now. A throttle answer halves the bucket's rate, a success raises it again, up to
//! what is configured. Knows nothing of requests.
//!
//! What is promised: in no second that can be cut out of time do more calls go than the rate allows, however late timers are, and where
//! several machines share a rate, however late the answers of its keeper are and whichever machine dies. Not promised for the moment in which
//! a clock is set, or a machine that was suspended goes on. Evenly spaced calls alone do not
//! hold that: forty moments fill a second to its edge, so that one call that goes a millisecond late and one in time share a second with
//! thirty-nine others.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;

/// The target of the events that tell which turns of a shared rate were given, and which was used, and when: for proofs, never for a person.
pub const TURNS: &str = "turns";

/// No throttle answer makes a bucket slower than this: one call in ten seconds.
const SLOWEST: f64 = 0.1;

/// A success gives back this share of the configured rate.
const RECOVERY: f64 = 0.05;

/// However small a rate is, nobody waits longer than this for the next call.
const LONGEST_WAIT: Duration = Duration::from_secs(86_400);

/// What a rate counts by.
const SECOND: Duration = Duration::from_secs(1);

/// Calls that a bucket remembers at most: above so many a second, timers are coarser than the calls are apart.
const MOST_REMEMBERED: usize = 1000;

/// No more turns than this are taken from the other machines at once.
const MOST_TURNS: u32 = 50;

/// A turn that was given can be used so late, for timers are.
const PUNCTUAL: Duration = Duration::from_millis(8);

/// And so late on a machine that is so busy that it would come too late for every one otherwise: what that is more than [`PUNCTUAL`] then
/// belongs to nobody.
const LATEST: Duration = Duration::from_millis(250);

/// So much longer is the second by which turns are apart: lateness takes nothing away from a whole one then, nor what two clocks drift
/// apart while a turn is waited for.
const SPARE: Duration = Duration::from_millis(10);

/// Two clocks drift apart by less than one part in so many, also while one of them is being set right.
const DRIFT: i64 = 1000;

/// How long to wait before those who keep a shared rate are asked again after they did not answer.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// A question that has no answer by then is asked again: a connection that is dead does not always say so.
const LONGEST_ANSWER: Duration = Duration::from_secs(10);

/// What is asked for: moments of which nobody else has the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    /// How many.
    pub count: u32,
    /// From one to the next.
    pub pause: Duration,
    /// So much more time behind the last of them belongs to nobody: who asks does not know the keeper's clock better than that, or may be so late.
    pub gap: Duration,
}

/// Turns that were given, on the keeper's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turns {
    /// When the first is, nanoseconds.
    pub first: i64,
    /// What the clock showed between the question and its answer, nanoseconds.
    pub now: i64,
    /// How many, as far apart as they were asked for.
    pub count: u32,
}

/// Rates that hold for several machines together.
#[async_trait::async_trait]
pub trait SharedRates: Send + Sync + std::fmt::Debug {
    /// The next turns of a scope.
    ///
    /// # Errors
    /// Why none can be had now, for the log. No call goes then: a rate that cannot be kept is not exceeded.
    async fn turns(&self, scope: &str, ask: Ask) -> Result<Turns, String>;
}

/// Nanoseconds that fit.
fn nanoseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX / 4)
}

/// The keeper's clock, as far as it is known here.
///
/// It showed what an answer says at some moment between the question and the answer. Each answer is such a bound, and the tightest holds on:
/// an answer that took long makes what is known no worse, and turns are not used so much later for it.
#[derive(Debug)]
struct KeepersClock {
    origin: Instant,
    known: Option<Ahead>,
    /// How long the last answer took.
    took: Duration,
}

/// By how many nanoseconds it is ahead of ours, as counted from `origin`.
#[derive(Clone, Copy, Debug)]
struct Ahead {
    at: Instant,
    least: i64,
    most: i64,
}

impl KeepersClock {
    fn new() -> Self {
        Self { origin: Instant::now(), known: None, took: Duration::ZERO }
    }

    fn ours(&self, moment: Instant) -> i64 {
        nanoseconds(moment.saturating_duration_since(self.origin))
    }

    /// What is still known at a moment.
    fn aged(&self, at: Instant) -> Option<Ahead> {
        self.known.map(|known| {
            let drift = nanoseconds(at.saturating_duration_since(known.at)) / DRIFT;
            Ahead { at, least: known.least - drift, most: known.most + drift }
        })
    }

    fn learn(&mut self, asked: Instant, answered: Instant, now: i64) {
        let told = Ahead { at: answered, least: now - self.ours(answered), most: now - self.ours(asked) };
        let both = self.aged(answered).map(|known| Ahead {
            at: answered,
            least: known.least.max(told.least),
            most: known.most.min(told.most),
        });
        // Where the two exclude each other, that clock was set, or it is another's: what was known before is over.
        self.known = Some(both.filter(|both| both.least <= both.most).unwrap_or(told));
        self.took = answered.saturating_duration_since(asked);
    }

    /// Between the earliest and the latest moment that it may be there.
    fn width(&self, at: Instant) -> Option<Duration> {
        self.aged(at).map(|known| Duration::from_nanos(u64::try_from(known.most - known.least).unwrap_or(0)))
    }

    /// What [`Self::width`] will hardly be above when the answer to a question of now is there: it will be no more than how long that takes, an
    /// eighth more than the last at the most. None where nothing is known yet.
    fn gap(&self, at: Instant) -> Option<Duration> {
        let more = Duration::from_millis(1) + self.took / 8;
        self.width(at).map(|width| width.min(self.took) + more)
    }

    /// When it shows a time for sure; it may have done so by [`Self::width`] before.
    fn moment(&self, time: i64) -> Instant {
        let ours = time.saturating_sub(self.known.map_or(0, |known| known.least));
        self.origin + Duration::from_nanos(u64::try_from(ours).unwrap_or(0))
    }
}

/// Who keeps the rates, and what is known of their clock.
#[derive(Debug)]
struct Keeper {
    rates: Arc<dyn SharedRates>,
    clock: Mutex<KeepersClock>,
}

impl Keeper {
    fn clock(&self) -> std::sync::MutexGuard<'_, KeepersClock> {
        self.clock.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A turn that was given, on both clocks.
#[derive(Clone, Copy, Debug)]
struct Given {
    at: Instant,
    latest: Instant,
    turn: i64,
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
    shared: Option<(Arc<Keeper>, String)>,
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
    given: VecDeque<Given>,
    /// How late this machine may be for those that it asks for next.
    late: Duration,
    configured: f64,
    rate: f64,
    /// When the last call went.
    last: Option<Instant>,
    /// When the last calls went, as many as a second may hold.
    recent: VecDeque<Instant>,
    /// When the rate was halved last.
    slowed: Option<Instant>,
    throttled: u64,
}

/// A call that went: which rate it went by is known from its time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turn(Instant);

impl Pace {
    /// Between two calls: rounded up, or three thirds of a second would be less than one.
    fn pause(&self) -> Duration {
        Self::apart(SECOND, self.rate)
    }

    /// Between two turns of a shared rate.
    fn shared_pause(&self) -> Duration {
        Self::apart(SECOND + SPARE, self.rate)
    }

    fn apart(second: Duration, rate: f64) -> Duration {
        let nanoseconds =
            (second.as_secs_f64() * 1e9 / rate).ceil().clamp(1.0, LONGEST_WAIT.as_secs_f64() * 1e9);
        Duration::from_nanos(nanoseconds as u64)
    }

    /// Calls that a second may hold.
    fn in_a_second(&self) -> usize {
        self.rate.ceil().clamp(1.0, MOST_REMEMBERED as f64 + 1.0) as usize
    }

    /// Lets a call go, or says when it may. One that has waited for its time and woke a little late counts from that time: timers are
    /// late by a millisecond and more, which would add up over a thousand calls.
    fn go(&mut self, now: Instant, waited: bool) -> Result<Turn, Instant> {
        let pause = self.pause();
        let due = self.last.map(|last| last + pause);
        let most = self.in_a_second();
        // Of those that a second may hold the oldest is to be out of it.
        let room = self.recent.len().checked_sub(most).and_then(|oldest| self.recent.get(oldest));
        let earliest = due.max(room.map(|oldest| *oldest + SECOND));
        if let Some(earliest) = earliest.filter(|earliest| *earliest > now) {
            return Err(earliest);
        }
        let in_time = due.filter(|due| waited && now.duration_since(*due) < pause);
        self.last = Some(in_time.unwrap_or(now));
        if most <= MOST_REMEMBERED {
            self.recent.push_back(now);
            let kept = (self.configured.ceil() as usize).clamp(1, MOST_REMEMBERED);
            self.recent.drain(..self.recent.len().saturating_sub(kept));
        }
        Ok(Turn(now))
    }

    /// Lets a call go in a turn that was given. Not where it was held up: that moment is over, and this one may be another machine's; and
    /// not where the rate has been lowered since: the moment comes too early then.
    fn go_in(&mut self, given: Given, now: Instant) -> Option<Turn> {
        let due = self.last.map(|last| last + self.pause());
        if !self.is_in_time(given, now) || due.is_some_and(|due| due > given.at + PUNCTUAL) {
            return None;
        }
        if now + self.late / 2 < given.latest {
            self.late = (self.late - self.late / 16).max(PUNCTUAL);
        }
        self.last = Some(given.at);
        Some(Turn(now))
    }

    /// Can a turn still be used? Where it cannot, the next ones are asked for with more time.
    fn is_in_time(&mut self, given: Given, now: Instant) -> bool {
        let in_time = now <= given.latest;
        if !in_time {
            self.late = (2 * self.late).min(LATEST);
        }
        in_time
    }
}

impl Bucket {
    fn new(rate: f64) -> Self {
        Self {
            line: Semaphore::new(1),
            faster: Notify::new(),
            pace: Mutex::new(Pace {
                given: VecDeque::new(),
                late: PUNCTUAL,
                configured: rate,
                rate,
                last: None,
                recent: VecDeque::new(),
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
        let since = Instant::now();
        // Fails only when the line is closed, which it never is.
        let _first = self.line.acquire().await;
        let Some((keeper, scope)) = &self.shared else { return self.own_turn().await };
        loop {
            let given = self.given_turn(keeper, scope, since).await;
            // Who gives up in here leaves the turn to the next in line: below one call a second there would be none left otherwise.
            tokio::time::sleep_until(given.at).await;
            let now = Instant::now();
            let turn = {
                let mut pace = self.lock();
                pace.given.pop_front();
                pace.go_in(given, now)
            };
            if let Some(turn) = turn {
                let late = nanoseconds(now.saturating_duration_since(given.at));
                tracing::trace!(target: TURNS, scope, turn = given.turn, late, "goes");
                return turn;
            }
        }
    }

    /// The next turn that was given, or the first of some more; it stays the first of them. `since` this caller stands in line.
    async fn given_turn(&self, keeper: &Keeper, scope: &str, since: Instant) -> Given {
        loop {
            let (pause, late) = {
                let mut pace = self.lock();
                let now = Instant::now();
                while let Some(given) = pace.given.front().copied() {
                    // One that passed before anybody waited for it says nothing of how late this machine is.
                    let in_time =
                        if since <= given.at { pace.is_in_time(given, now) } else { now <= given.latest };
                    if in_time {
                        return given;
                    }
                    pace.given.pop_front();
                }
                (pace.shared_pause(), pace.late)
            };
            let in_a_second = SECOND.as_nanos() / pause.as_nanos().max(1);
            let most = u32::try_from(in_a_second).unwrap_or(MOST_TURNS).clamp(1, MOST_TURNS);
            let asked = Instant::now();
            let known = keeper.clock().gap(asked);
            // The first question is for the time: turns that cannot be used are nobody's.
            let most = if known.is_some() { most } else { 1 };
            let count = self.waiting.load(Ordering::Relaxed).clamp(1, most);
            let gap = known.unwrap_or(SPARE);
            let ask = Ask { count, pause, gap: gap + late.saturating_sub(PUNCTUAL) };
            let answer = tokio::time::timeout(LONGEST_ANSWER, keeper.rates.turns(scope, ask)).await;
            match answer.unwrap_or_else(|_| Err(format!("no answer within {} s", LONGEST_ANSWER.as_secs()))) {
                Ok(turns) => {
                    let answered = Instant::now();
                    let (first, apart) = (turns.first, nanoseconds(pause));
                    tracing::trace!(target: TURNS, scope, first, count = turns.count, pause = apart, "given");
                    let mut clock = keeper.clock();
                    clock.learn(asked, answered, turns.now);
                    // We would use them later than was said: they are lost, and asked for again with what is known now.
                    if clock.width(answered).is_some_and(|width| width > gap) {
                        continue;
                    }
                    let given = (0..turns.count).map(|number| {
                        let turn = first.saturating_add(apart.saturating_mul(i64::from(number)));
                        let at = clock.moment(turn);
                        Given { at, latest: at + late, turn }
                    });
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
    shared: Option<Arc<Keeper>>,
}

impl Limiter {
    /// Buckets that share their rates with other machines, where there are any.
    pub(super) fn new(shared: Option<Arc<dyn SharedRates>>) -> Self {
        let keeper = |rates| Arc::new(Keeper { rates, clock: Mutex::new(KeepersClock::new()) });
        Self { buckets: Mutex::default(), shared: shared.map(keeper) }
    }

    /// The bucket of a scope; `rate` counts when it is asked for the first time.
    pub(super) fn bucket(&self, scope: Scope, rate: f64) -> Arc<Bucket> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket = buckets.entry(scope).or_insert_with_key(|scope| {
            let name = || format!("{}\n{}\n{}:{}", scope.account, scope.region, scope.service, scope.action);
            let shared = self.shared.clone().map(|keeper| (keeper, name()));
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

    /// The keeper of a rate that machines share, as a database is one: it has a clock of its own, and questions and answers are on the way.
    #[derive(Debug)]
    struct Double {
        origin: Instant,
        /// Millionths by which its clock is too fast.
        fast: i64,
        next: Mutex<i64>,
        asked: AtomicU32,
        fails: AtomicU32,
        /// The shortest and the longest way, milliseconds.
        way: (u64, u64),
        seed: Mutex<u64>,
    }

    impl Double {
        fn new(way: (u64, u64), seed: u64) -> Arc<Self> {
            Arc::new(Self {
                origin: Instant::now(),
                fast: i64::try_from(seed % 401).unwrap() - 200,
                next: Mutex::new(0),
                asked: AtomicU32::new(0),
                fails: AtomicU32::new(0),
                way,
                seed: Mutex::new(seed),
            })
        }

        fn now(&self) -> i64 {
            let passed = nanoseconds(self.origin.elapsed());
            1_764_000_000_000_000_000 + passed + passed / 1_000_000 * self.fast
        }

        fn random(&self, below: u64) -> u64 {
            random(&mut self.seed.lock().unwrap(), below)
        }

        /// Mostly quick, at times as long as it can be.
        async fn on_the_way(&self) {
            let (least, most) = self.way;
            let more = if self.random(4) == 0 { most - least } else { (most - least).min(2) };
            let microseconds = self.random(more * 1000 + 1);
            tokio::time::sleep(Duration::from_millis(least) + Duration::from_micros(microseconds)).await;
        }
    }

    fn random(seed: &mut u64, below: u64) -> u64 {
        *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (*seed >> 33) % below
    }

    #[async_trait::async_trait]
    impl SharedRates for Double {
        async fn turns(&self, _scope: &str, ask: Ask) -> Result<Turns, String> {
            self.asked.fetch_add(1, Ordering::Relaxed);
            if self
                .fails
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1))
                .is_ok()
            {
                return Err("away".into());
            }
            self.on_the_way().await;
            let now = self.now();
            let first = {
                let mut next = self.next.lock().unwrap();
                let first = (*next).max(now);
                *next = first + nanoseconds(ask.pause * ask.count + ask.gap);
                first
            };
            self.on_the_way().await;
            Ok(Turns { first, now, count: ask.count })
        }
    }

    fn scope() -> Scope {
        Scope { account: "a".into(), region: "r".into(), service: "s", action: "A" }
    }

    /// No second that can be cut out of these times, nanoseconds, holds more of them.
    fn no_second_holds_more(times: &mut [i64], most: usize) {
        times.sort_unstable();
        for second in times.windows(most + 1) {
            let passed = second[most] - second[0];
            assert!(passed >= 1_000_000_000, "{} calls in {passed} ns", most + 1);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn machines_that_share_a_rate_never_go_faster_together() {
        let keeper = Double::new((0, 1), 200);
        keeper.fails.store(3, Ordering::Relaxed);
        let machines: Vec<Limiter> = (0..3).map(|_| Limiter::new(Some(keeper.clone()))).collect();
        let went = Arc::new(Mutex::new(Vec::new()));
        let mut calls = Vec::new();
        for machine in &machines {
            for number in 0..100 {
                let (bucket, went) = (machine.bucket(scope(), 20.0), went.clone());
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
            assert!(pair[1] - pair[0] >= Duration::from_millis(40), "{:?}", pair[1] - pair[0]);
        }
        for second in went.windows(21) {
            assert!(second[20] - second[0] >= Duration::from_secs(1), "21 calls in less than a second");
        }
        assert!(keeper.asked.load(Ordering::Relaxed) < 60, "the keeper is not asked for each call");
    }

    /// One call in fifty seconds, and callers that wait 45 of every 60: what one gave up the next uses.
    #[tokio::test(start_paused = true)]
    async fn callers_that_give_up_do_not_keep_a_slow_shared_rate_from_all() {
        let keeper = Double::new((0, 1), 200);
        let bucket = Limiter::new(Some(keeper)).bucket(scope(), 0.02);
        let mut went = 0;
        for _ in 0..20 {
            let given_up = tokio::time::sleep(Duration::from_secs(60));
            went += u32::from(tokio::time::timeout(Duration::from_secs(45), bucket.turn()).await.is_ok());
            given_up.await;
        }
        assert!(went >= 10, "{went} of 20 minutes had a call");
    }

    /// Turns that passed while nobody waited say nothing of this machine: what it asks for next is asked for without more time behind it.
    #[tokio::test(start_paused = true)]
    async fn turns_that_nobody_waited_for_make_no_machine_late() {
        let keeper = Double::new((0, 1), 200);
        let bucket = Limiter::new(Some(keeper)).bucket(scope(), 40.0);
        let waiting: Vec<_> = (0..40)
            .map(|_| {
                let bucket = bucket.clone();
                tokio::spawn(async move { bucket.turn().await })
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(200)).await;
        for task in &waiting {
            task.abort();
        }
        assert!(bucket.lock().given.len() > 10, "some are left");
        tokio::time::sleep(Duration::from_secs(300)).await;
        bucket.turn().await;
        assert_eq!(bucket.lock().late, PUNCTUAL);
    }

    #[tokio::test(start_paused = true)]
    async fn what_machines_share_is_used_however_far_the_keeper_is() {
        // Thirty seconds of forty calls. A hundredth is what lateness costs, and a little what is not known of the keeper's clock.
        for (way, most) in [((0, 1), 31), ((40, 45), 34)] {
            let took = all_of_1200(way).await;
            assert!(took < Duration::from_secs(most), "{way:?}: {took:?}");
        }
    }

    async fn all_of_1200(way: (u64, u64)) -> Duration {
        let keeper = Double::new(way, 200);
        let machines: Vec<Limiter> = (0..3).map(|_| Limiter::new(Some(keeper.clone()))).collect();
        let began = Instant::now();
        let calls: Vec<_> = (0..1200)
            .map(|number| {
                let bucket = machines[number % 3].bucket(scope(), 40.0);
                tokio::spawn(async move { bucket.turn().await })
            })
            .collect();
        for call in calls {
            call.await.unwrap();
        }
        began.elapsed()
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig { cases: cases(), failure_persistence: None, ..Default::default() })]

        /// Machines that come and die, calls that come when they like and give up when they like, a keeper that answers when it likes.
        #[test]
        fn a_second_never_holds_more_than_the_rate(
            seed in 0..u64::MAX, rate in 1..60_u32, machines in 1..5_usize, way in 0..400_u64, late in 0..90_u64,
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
            let mut went = runtime.block_on(on_time_or_not(crowd(seed, rate, machines, way), late.saturating_sub(10)));
            no_second_holds_more(&mut went, rate as usize);
        }

        /// The same of one machine alone, whose timers are late.
        #[test]
        fn nor_does_it_in_one_process(seed in 0..u64::MAX, rate in 1..200_u32) {
            let began = Instant::now();
            let (mut seed, mut now, mut went) = (seed, began, Vec::new());
            let bucket = Bucket::new(f64::from(rate));
            let mut waited = false;
            while went.len() < 4 * rate as usize {
                let gone = bucket.lock().go(now, waited);
                let late = Duration::from_micros(random(&mut seed, if went.len() % 7 == 0 { 40_000 } else { 1500 }));
                waited = match gone {
                    Ok(_) => {
                        went.push(nanoseconds(now - began));
                        // There is another waiting, or it comes later.
                        now += if random(&mut seed, 9) == 0 { 10 * late } else { Duration::ZERO };
                        false
                    }
                    Err(due) => {
                        now = due + late;
                        true
                    }
                };
            }
            no_second_holds_more(&mut went, rate as usize);
        }
    }

    /// Does something while time passes in steps of so many milliseconds, so that every timer is late by up to as much; 0: in time.
    async fn on_time_or_not<T: Send + 'static>(
        what: impl Future<Output = T> + Send + 'static,
        step: u64,
    ) -> T {
        let doing = tokio::spawn(what);
        while step > 0 && !doing.is_finished() {
            tokio::time::advance(Duration::from_millis(step)).await;
            for _ in 0..8 {
                tokio::task::yield_now().await;
            }
        }
        doing.await.unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_machine_that_is_always_late_has_its_turns_too() {
        // Thirty seconds of forty calls: questions take as long as its timers are late, and some turns are lost; half of them are used.
        let took = on_time_or_not(all_of_1200((0, 1)), 60).await;
        assert!(took < Duration::from_secs(65), "{took:?}");
    }

    /// Few, where nobody asks for more.
    fn cases() -> u32 {
        std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(48)
    }

    /// When calls went, on the keeper's clock.
    async fn crowd(mut seed: u64, rate: u32, machines: usize, way: u64) -> Vec<i64> {
        let keeper = Double::new((random(&mut seed, 2) * way / 2, way), seed);
        let went = Arc::new(Mutex::new(Vec::new()));
        let mut lives = Vec::new();
        for _ in 0..machines {
            let (keeper, went, mut seed) =
                (keeper.clone(), went.clone(), random(&mut seed, u64::MAX >> 31) | 1);
            lives.push(tokio::spawn(async move {
                // One life of a machine after the other.
                for _ in 0..3 {
                    let limiter = Limiter::new(Some(keeper.clone()));
                    let calls: Vec<_> = (0..random(&mut seed, 3 * u64::from(rate)) + 1)
                        .map(|_| {
                            let (bucket, keeper, went) =
                                (limiter.bucket(scope(), f64::from(rate)), keeper.clone(), went.clone());
                            let comes = Duration::from_millis(random(&mut seed, 2000));
                            let (patience, throttled) =
                                (random(&mut seed, 8000), random(&mut seed, 200) == 0);
                            tokio::spawn(async move {
                                tokio::time::sleep(comes).await;
                                let turn =
                                    tokio::time::timeout(Duration::from_millis(patience), bucket.turn())
                                        .await;
                                let Ok(turn) = turn else { return };
                                went.lock().unwrap().push(keeper.now());
                                if throttled { bucket.slow_down(turn) } else { bucket.speed_up(turn) }
                            })
                        })
                        .collect();
                    tokio::time::sleep(Duration::from_millis(random(&mut seed, 6000))).await;
                    for call in calls {
                        call.abort();
                    }
                }
            }));
        }
        for life in lives {
            life.await.unwrap();
        }
        went.lock().unwrap().clone()
    }

    #[tokio::test(start_paused = true)]
    async fn a_late_answer_does_not_make_what_is_known_worse_and_a_clock_that_was_set_is_learnt_anew() {
        let mut clock = KeepersClock::new();
        let began = Instant::now();
        let after = |milliseconds: u64| began + Duration::from_millis(milliseconds);
        let theirs = |milliseconds: i64| 5_000_000_000_000 + milliseconds * 1_000_000;
        // Asked at 0, answered at 4, read at 3.
        clock.learn(after(0), after(4), theirs(3));
        assert_eq!(clock.moment(theirs(100)), after(101), "not before it is so far for sure");
        assert_eq!(clock.width(after(4)), Some(Duration::from_millis(4)));
        // It is read at once, and takes half a second to come.
        clock.learn(after(10), after(510), theirs(10));
        let late = clock.moment(theirs(1000)) - after(1001);
        assert!(late < Duration::from_millis(1), "{late:?}: what two clocks may drift in half a second");
        // Another server answers, an hour behind.
        clock.learn(after(1000), after(1002), theirs(1001) - 3_600_000_000_000);
        assert_eq!(clock.moment(theirs(2000) - 3_600_000_000_000), after(2001));
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
