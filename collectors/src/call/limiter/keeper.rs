//! Who keeps a rate that several machines share, and what is known here of their clock.
//!
//! Owns the questions and answers. Knows nothing of who waits for a turn.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Two clocks drift apart by less than one part in so many, also while one of them is being set right.
const DRIFT: i64 = 1000;

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
    /// From here on turns are another's: the time behind the last of these is in it.
    pub end: i64,
}

/// Rates that hold for several machines together.
#[async_trait::async_trait]
pub trait SharedRates: Send + Sync + std::fmt::Debug {
    /// The next turns of a scope.
    ///
    /// # Errors
    /// Why none can be had now, for the log. No call goes then: a rate that cannot be kept is not exceeded.
    async fn turns(&self, scope: &str, ask: Ask) -> Result<Turns, String>;

    /// Gives back the last of the turns that ended at `end`: the next ones may be from `from` on. False where there are turns of another behind
    /// them by now: they stay who has them then.
    ///
    /// # Errors
    /// Why it is not known whether they were taken back.
    async fn give_back(&self, scope: &str, end: i64, from: i64) -> Result<bool, String>;
}

/// Nanoseconds that fit.
pub(super) fn nanoseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX / 4)
}

/// The keeper's clock, as far as it is known here.
///
/// It showed what an answer says at some moment between the question and the answer. Each answer is such a bound, and the tightest holds on:
/// an answer that took long makes what is known no worse, and turns are not used so much later for it.
#[derive(Debug)]
pub(super) struct KeepersClock {
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
    pub(super) fn new() -> Self {
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

    pub(super) fn learn(&mut self, asked: Instant, answered: Instant, now: i64) {
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
    pub(super) fn width(&self, at: Instant) -> Option<Duration> {
        self.aged(at).map(|known| Duration::from_nanos(u64::try_from(known.most - known.least).unwrap_or(0)))
    }

    /// What [`Self::width`] will hardly be above when the answer to a question of now is there: it will be no more than how long that takes, an
    /// eighth more than the last at the most. None where nothing is known yet.
    pub(super) fn gap(&self, at: Instant) -> Option<Duration> {
        let more = Duration::from_millis(1) + self.took / 8;
        self.width(at).map(|width| width.min(self.took) + more)
    }

    /// When it shows a time for sure; it may have done so by [`Self::width`] before.
    pub(super) fn moment(&self, time: i64) -> Instant {
        let ours = time.saturating_sub(self.known.map_or(0, |known| known.least));
        self.origin + Duration::from_nanos(u64::try_from(ours).unwrap_or(0))
    }
}

/// Who keeps the rates, and what is known of their clock.
#[derive(Debug)]
pub(super) struct Keeper {
    pub(super) rates: Arc<dyn SharedRates>,
    pub(super) clock: Mutex<KeepersClock>,
}

impl Keeper {
    pub(super) fn clock(&self) -> std::sync::MutexGuard<'_, KeepersClock> {
        self.clock.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
