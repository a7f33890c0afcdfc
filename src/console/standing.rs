//! How triggers stand: what is remembered of all of them, read at once, and what follows from it.
//!
//! Owns the words "late" and "slow". Makes no answers.

use super::Console;
use super::forecast::Ahead;
use crate::schedule::Trigger;
use crate::state::runs::{Record, Status};
use crate::state::{StateError, Time};
use funchost_collectors::clock::SECOND;
use std::collections::HashMap;

/// Nanoseconds over which the effective cadence of triggers is taken.
const CADENCE: Time = 86_400 * SECOND;

/// Beyond this a day of runs says nothing about a trigger's cadence.
const LONGEST_CADENCE: i64 = 43_200;

/// What a run may take to be taken, run and recorded, before its trigger is called late.
const PATIENCE: i64 = 60;

/// What is remembered of the triggers.
pub(super) struct Standings {
    now: Time,
    started: Time,
    paused: HashMap<String, bool>,
    last: HashMap<String, Record>,
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
    /// Seconds between ticks that ended well, in the last day.
    pub(super) effective: Option<f64>,
    /// No run ended well for more than two of its ticks.
    pub(super) late: bool,
    /// Ticks end well, but half as often again apart as they should be.
    pub(super) slow: bool,
    /// The last run that ended.
    pub(super) last: Option<&'s Record>,
}

impl Standings {
    /// Reads what is remembered.
    pub(super) async fn read(console: &Console) -> Result<Self, StateError> {
        let now = console.clock.now();
        let store = &console.store;
        let (rows, last, cadence) =
            tokio::try_join!(store.triggers(), store.last_by_trigger(), store.cadence(now - CADENCE))?;
        Ok(Self {
            now,
            started: console.started,
            paused: rows.into_iter().map(|row| (row.id, row.paused)).collect(),
            last: last.into_iter().filter_map(|record| Some((record.trigger.clone()?, record))).collect(),
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
        let paused = self.paused.get(&trigger.id).copied().unwrap_or(false);
        let fires = trigger.enabled && !paused;
        let last = self.last(&trigger.id);
        let cadence = self.cadence.get(&trigger.id).copied();
        let effective = cadence.filter(|(.., count)| *count > 1).map(|(first, last, count)| {
            #[expect(clippy::cast_precision_loss, reason = "a mean that is shown to a tenth of a second")]
            let mean = (last - first) as f64 / (count - 1) as f64 / 1e9;
            (mean * 10.0).round() / 10.0
        });
        let often = configured.filter(|_| fires);
        let (late, slow) = often.map_or((false, false), |seconds| {
            // One that never ran is new; one that was stopped with this process has had no chance yet.
            let ended_well = cadence.map_or(self.started, |(_, tick, _)| tick.max(self.started));
            let ticks = cadence.map_or(0, |(.., count)| count);
            let late = last.is_some() && is_late(seconds, self.now - ended_well);
            (late, is_slow(seconds, effective.filter(|_| ticks > 2)))
        });
        Standing { trigger, paused, next: next.filter(|_| fires), configured, effective, late, slow, last }
    }
}

/// Is it too long since a run of a trigger that fires every so many seconds ended well?
fn is_late(seconds: i64, since: Time) -> bool {
    seconds <= LONGEST_CADENCE && since > (2 * seconds + PATIENCE) * SECOND
}

/// Do the runs of a trigger that fires every so many seconds come half as often again apart as they should?
fn is_slow(seconds: i64, effective: Option<f64>) -> bool {
    #[expect(clippy::cast_precision_loss, reason = "half a day of seconds")]
    let seconds = seconds.min(LONGEST_CADENCE + 1) as f64;
    #[expect(clippy::cast_precision_loss, reason = "half a day of seconds")]
    let longest = LONGEST_CADENCE as f64;
    seconds <= longest && effective.is_some_and(|effective| effective > seconds * 1.5)
}

/// Did a run end in a way that somebody should look at?
pub(super) fn is_bad(status: Status) -> bool {
    matches!(
        status,
        Status::Failure | Status::Timeout | Status::Interrupted | Status::Expired | Status::Missed
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn late_is_more_than_two_ticks_and_slow_is_half_as_often_again() {
        assert!(!is_late(300, 660 * SECOND), "two ticks and a minute are granted");
        assert!(is_late(300, 661 * SECOND));
        assert!(is_late(60, 181 * SECOND));
        assert!(!is_late(86_400, 30 * 86_400 * SECOND), "a day of runs says nothing of one that runs daily");
        assert!(!is_slow(60, None), "where too few ended well to say");
        assert!(!is_slow(60, Some(90.0)));
        assert!(is_slow(60, Some(90.1)));
        assert!(!is_slow(86_400, Some(1e6)));
    }
}
