//! How triggers stand: what is remembered of all of them, read at once, and what follows from it.
//!
//! Owns the word "slow" (`forecast` has "late"). Makes no answers.

use super::Console;
use super::forecast::{Ahead, takes};
use crate::schedule::Trigger;
use crate::state::runs::{Record, Status};
use crate::state::{StateError, Time};
use funchost_collectors::clock::SECOND;
use std::collections::HashMap;

/// Nanoseconds over which the effective cadence of triggers is taken.
const CADENCE: Time = 86_400 * SECOND;

/// What is remembered of the triggers.
pub(super) struct Standings {
    now: Time,
    started: Time,
    /// Whether it rests, and since when its ticks count.
    known: HashMap<String, (bool, Time)>,
    last: HashMap<String, Record>,
    good: HashMap<String, Time>,
    cadence: HashMap<String, (Time, Time, i64)>,
}

/// How one trigger stands.
pub(super) struct Standing<'s> {
    pub(super) trigger: &'s Trigger,
    pub(super) paused: bool,
    /// Its next tick, where it fires.
    pub(super) next: Option<Time>,
    /// Seconds between its ticks.
    pub(super) configured: Option<i64>,
    /// Seconds between ticks that ended well, in the last day, nights and weekends that the crontab leaves out not counted.
    pub(super) effective: Option<f64>,
    /// A tick is overdue: see [`super::forecast::late_at`].
    pub(super) late: bool,
    /// Ticks end well, but of three that the crontab names less than two do.
    pub(super) slow: bool,
    /// The last run that ended.
    pub(super) last: Option<&'s Record>,
}

impl Standings {
    /// Reads what is remembered.
    pub(super) async fn read(console: &Console) -> Result<Self, StateError> {
        let now = console.clock.now();
        let store = &console.store;
        let (rows, last, good, cadence) = tokio::try_join!(
            store.triggers(),
            store.last_by_trigger(),
            store.last_good(),
            store.cadence(now - CADENCE)
        )?;
        Ok(Self {
            now,
            started: console.started,
            known: rows.into_iter().map(|row| (row.id, (row.paused, row.since))).collect(),
            last: last.into_iter().filter_map(|record| Some((record.trigger.clone()?, record))).collect(),
            good: good.into_iter().collect(),
            cadence: cadence
                .into_iter()
                .map(|(trigger, first, last, count)| (trigger, (first, last, count)))
                .collect(),
        })
    }

    /// The last run of a trigger that ended.
    pub(super) fn last(&self, trigger: &str) -> Option<&Record> {
        self.last.get(trigger)
    }

    /// How a trigger stands.
    pub(super) fn of<'s>(&'s self, console: &Console, trigger: &'s Trigger) -> Standing<'s> {
        let Ahead { next, seconds: configured } = console.forecast.of(trigger, self.now);
        let (paused, since) = self.known.get(&trigger.id).copied().unwrap_or((false, self.now));
        let fires = trigger.enabled && !paused;
        let last = self.last(&trigger.id);
        let pace = configured.zip(self.cadence.get(&trigger.id).copied()).and_then(
            |(seconds, (first, last, count))| {
                Pace::of(seconds, last - first, count, || console.forecast.count(trigger, first, last))
            },
        );
        // What was stopped with this process, was changed, or rested, has had no chance before.
        let good = self.good.get(&trigger.id).copied().unwrap_or(0).max(self.started).max(since);
        Standing {
            trigger,
            paused,
            next: next.filter(|_| fires),
            configured,
            effective: pace.map(|pace| pace.effective),
            // Most are on time, which is seen without a look at the crontab.
            late: fires
                && self.now - good > takes(trigger)
                && console.forecast.late_at(trigger, good).is_some_and(|late| self.now > late),
            slow: fires && pace.is_some_and(|pace| pace.slow),
            last,
        }
    }
}

/// How ticks that ended well follow each other.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Pace {
    /// Seconds.
    effective: f64,
    slow: bool,
}

impl Pace {
    /// Of `count` ticks that ended well, with `time` from the first to the last; the crontab's own are `configured` seconds apart, and
    /// `named` of them are after the first and up to the last.
    #[expect(clippy::cast_precision_loss, reason = "a mean that is shown to a tenth of a second")]
    fn of(configured: i64, time: Time, count: i64, named: impl Fn() -> usize) -> Option<Self> {
        if count < 2 {
            return None;
        }
        let configured = configured as f64;
        let mean = time as f64 / (count - 1) as f64 / 1e9;
        // Only where it seems to be slow is it looked at which ticks there should have been: there may have been a night in between.
        let share =
            if mean > configured * 1.1 { named() as f64 / (count - 1) as f64 } else { mean / configured };
        let effective = (configured * share * 10.0).round() / 10.0;
        Some(Self { effective, slow: count > 2 && share > 1.5 })
    }
}

/// Did a run end in a way that somebody should look at?
pub(super) fn is_bad(record: &Record) -> bool {
    match record.status {
        Status::Interrupted => !is_by_hand(record),
        Status::Failure | Status::Timeout | Status::Expired | Status::Missed => true,
        Status::Queued | Status::Running | Status::Success | Status::Skip => false,
    }
}

/// Did somebody stop it, who knew why?
pub(super) fn is_by_hand(record: &Record) -> bool {
    record.status == Status::Interrupted && record.stop
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::cron::Crontab;
    use crate::schedule::zone::Zone;
    use chrono::DateTime;

    fn at(text: &str) -> Time {
        DateTime::parse_from_rfc3339(text).unwrap().timestamp_nanos_opt().unwrap()
    }

    #[test]
    fn slow_counts_ticks_that_there_should_have_been() {
        let pace = |crontab: &str, seconds, first, last, count| {
            let (first, last) = (at(first), at(last));
            let crontab = Crontab::new(crontab, Zone::UTC).unwrap();
            Pace::of(seconds, last - first, count, || crontab.count(first, last))
        };
        let (morning, noon) = ("2026-11-26T06:00:00Z", "2026-11-26T12:00:00Z");
        assert_eq!(pace("* * * * *", 60, morning, noon, 361), Some(Pace { effective: 60.0, slow: false }));
        assert_eq!(pace("* * * * *", 60, morning, noon, 241), Some(Pace { effective: 90.0, slow: false }));
        assert_eq!(pace("* * * * *", 60, morning, noon, 240), Some(Pace { effective: 90.4, slow: true }));
        assert_eq!(
            pace("* * * * *", 60, morning, noon, 2),
            Some(Pace { effective: 21_600.0, slow: false }),
            "too few to say"
        );
        assert_eq!(pace("* * * * *", 60, morning, morning, 1), None);
        // From one working day into the next every tick ended well: 108 a day.
        let office = "*/5 9-17 * * 1-5";
        let all = pace(office, 300, "2026-11-25T09:00:00Z", "2026-11-26T09:00:00Z", 109);
        assert_eq!(all, Some(Pace { effective: 300.0, slow: false }));
        let half = pace(office, 300, "2026-11-25T09:00:00Z", "2026-11-26T09:00:00Z", 55);
        assert_eq!(half, Some(Pace { effective: 600.0, slow: true }));
    }
}
