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
//!
//! Another rate holds for all buckets as soon as it is configured: in the second in between the larger of the two is kept. What waits by a lower rate
//! than the one that holds is woken, and where machines share the rate it gives its turns back.

mod keeper;
mod pace;

use crate::account::Cloud;
pub use keeper::{Ask, SharedRates, Turns};
use keeper::{Keeper, KeepersClock, nanoseconds};
use pace::Pace;
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;

/// The target of the events that tell which turns of a shared rate were given, and which was used, and when: for proofs, never for a person.
pub const TURNS: &str = "turns";

/// What a rate counts by.
const SECOND: Duration = Duration::from_secs(1);

/// How long to wait before those who keep a shared rate are asked again after they did not answer.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// A question that has no answer by then is asked again: a connection that is dead does not always say so.
const LONGEST_ANSWER: Duration = Duration::from_secs(10);

/// A turn that was given, on both clocks.
#[derive(Clone, Copy, Debug)]
struct Given {
    at: Instant,
    latest: Instant,
    turn: i64,
}

/// A call that went: which rate it went by is known from its time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turn(Instant);

/// What a rate holds for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Scope {
    pub(super) cloud: Cloud,
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

impl Bucket {
    fn new(rate: f64) -> Self {
        Self {
            line: Semaphore::new(1),
            faster: Notify::new(),
            pace: Mutex::new(Pace::new(rate)),
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
            let until =
                self.lock().offers_again(Instant::now()).map_or(given.at, |offer| offer.min(given.at));
            // Who gives up in here leaves the turn to the next in line: below one call a second there would be none left otherwise.
            tokio::select! {
                () = tokio::time::sleep_until(until) => {}
                () = self.faster.notified() => continue,
            }
            if until < given.at {
                continue;
            }
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
            self.give_back(keeper, scope).await;
            let next = self.lock().next(since, Instant::now());
            match next {
                Some(given) => return given,
                None => self.ask(keeper, scope).await,
            }
        }
    }

    /// Asks for turns, once.
    async fn ask(&self, keeper: &Keeper, scope: &str) {
        let asked = Instant::now();
        let known = keeper.clock().gap(asked);
        let ask = self.lock().ask(asked, self.waiting.load(Ordering::Relaxed), known);
        match in_time(keeper.rates.turns(scope, ask)).await {
            Ok(turns) => {
                let answered = Instant::now();
                let (first, apart) = (turns.first, nanoseconds(ask.pause));
                tracing::trace!(target: TURNS, scope, first, count = turns.count, pause = apart, "given");
                let mut clock = keeper.clock();
                clock.learn(asked, answered, turns.now);
                // Where we would use them later than was said they are lost, and asked for again with what is known now.
                if clock.width(answered).is_none_or(|width| width <= Pace::unsure(known)) {
                    self.lock().given(ask, &turns, |turn| clock.moment(turn));
                }
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

    /// Gives turns back that were asked for at a lower rate than the one that holds now, where that makes the next ones come sooner.
    async fn give_back(&self, keeper: &Keeper, scope: &str) {
        let (offer, out) = {
            let mut pace = self.lock();
            let Some(offer) = pace.offer(Instant::now()) else { return };
            (offer, pace.take_out())
        };
        let (from, end) = (offer.from, offer.end);
        match in_time(keeper.rates.give_back(scope, end, from)).await {
            Ok(true) => {
                tracing::trace!(target: TURNS, scope, end, from, "back");
                self.lock().gave_back(&out, from);
                tokio::time::sleep(offer.pause.unwrap_or_default()).await;
            }
            Ok(false) => self.lock().put_back(out, Instant::now()),
            // They may be another's by now: here they are lost.
            Err(why) => tracing::warn!(scope, why, "turns of a shared rate could not be given back"),
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
        self.lock().slow_down(turn, Instant::now());
    }

    /// A call succeeded.
    pub(super) fn speed_up(&self, turn: Turn) {
        let faster = self.lock().speed_up(turn);
        self.wake(faster);
    }

    /// Another rate is configured: it holds at once, for those who wait as well.
    fn configure(&self, rate: f64) {
        let faster = self.lock().configure(rate, Instant::now());
        self.wake(faster);
    }

    /// The first in line looks again where it may go sooner.
    fn wake(&self, faster: bool) {
        if faster {
            self.faster.notify_one();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An answer, or that there was none in time.
async fn in_time<T>(answer: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let late = |_| Err(format!("no answer within {} s", LONGEST_ANSWER.as_secs()));
    tokio::time::timeout(LONGEST_ANSWER, answer).await.unwrap_or_else(late)
}

/// All buckets of a process, and the rates that are configured.
#[derive(Debug)]
pub(super) struct Limiter {
    known: Mutex<Known>,
    shared: Option<Arc<Keeper>>,
}

#[derive(Debug, Default)]
struct Known {
    /// Calls a second by name, such as `aws.monitoring.GetMetricData`; letter case does not matter.
    limits: BTreeMap<String, f64>,
    /// Each with its rate where none is configured.
    buckets: HashMap<Scope, (Arc<Bucket>, f64)>,
}

impl Known {
    fn rate(&self, cloud: Cloud, service: &str, action: &str, otherwise: f64) -> f64 {
        let name = format!("{}.{service}.{action}", cloud.key());
        let configured = self.limits.iter().find(|(limit, _)| limit.eq_ignore_ascii_case(&name));
        configured.map_or(otherwise, |(_, rate)| *rate)
    }
}

impl Limiter {
    /// Buckets that share their rates with other machines, where there are any.
    pub(super) fn new(limits: BTreeMap<String, f64>, shared: Option<Arc<dyn SharedRates>>) -> Self {
        let keeper = |rates| Arc::new(Keeper { rates, clock: Mutex::new(KeepersClock::new()) });
        let known = Known { limits, buckets: HashMap::new() };
        Self { known: Mutex::new(known), shared: shared.map(keeper) }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls a second of an action: as configured, else as given.
    pub(super) fn rate(&self, cloud: Cloud, service: &str, action: &str, otherwise: f64) -> f64 {
        self.lock().rate(cloud, service, action, otherwise)
    }

    /// The rates that are configured.
    pub(super) fn limits(&self) -> BTreeMap<String, f64> {
        self.lock().limits.clone()
    }

    /// Other rates hold from now on, for all buckets.
    pub(super) fn configure(&self, limits: BTreeMap<String, f64>) {
        let mut known = self.lock();
        known.limits = limits;
        for (scope, (bucket, otherwise)) in &known.buckets {
            bucket.configure(known.rate(scope.cloud, scope.service, scope.action, *otherwise));
        }
    }

    /// The bucket of a scope; `otherwise` is its rate where none is configured.
    pub(super) fn bucket(&self, scope: Scope, otherwise: f64) -> Arc<Bucket> {
        let mut known = self.lock();
        if let Some((bucket, _)) = known.buckets.get(&scope) {
            return bucket.clone();
        }
        let name = || format!("{}\n{}\n{}:{}", scope.account, scope.region, scope.service, scope.action);
        let shared = self.shared.clone().map(|keeper| (keeper, name()));
        let rate = known.rate(scope.cloud, scope.service, scope.action, otherwise);
        let bucket = Arc::new(Bucket { shared, ..Bucket::new(rate) });
        known.buckets.insert(scope, (bucket.clone(), otherwise));
        bucket
    }

    /// The buckets that were slowed down: scope, throttle answers, the rate now and the configured one.
    pub(super) fn slowed(&self) -> Vec<(Scope, u64, f64, f64)> {
        let known = self.lock();
        let mut slowed: Vec<(Scope, u64, f64, f64)> = known
            .buckets
            .iter()
            .filter_map(|(scope, (bucket, _))| {
                let pace = bucket.lock();
                let told = || (scope.clone(), pace.throttled(), pace.rate(), pace.configured());
                (pace.throttled() > 0).then(told)
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
mod tests;
