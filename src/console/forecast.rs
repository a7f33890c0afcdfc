//! When triggers run next, and when one that does not is late: worked out once for each tick, not for each look.
//!
//! Owns what was worked out, when it no longer holds, and the word "late". The crontabs stand in the schedule's room.

use crate::schedule::Trigger;
use crate::state::Time;
use funchost_collectors::clock::SECOND;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Seconds that are granted beyond what a run may take, to be taken and to be recorded.
const PATIENCE: u64 = 60;

/// What was worked out, by trigger.
#[derive(Debug, Default)]
pub struct Forecast {
    ahead: Mutex<HashMap<String, Known>>,
    /// For which definition and last good tick, and from when on it is late.
    late: Mutex<HashMap<String, (Asked, Option<Time>)>>,
    /// From which tick to which, and how many there are.
    counted: Mutex<HashMap<String, (Span, usize)>>,
}

/// Crontab, zone, the first tick, the last.
type Span = (String, &'static str, Time, Time);

/// Crontab, zone, what a run takes, how long it may wait, the last good tick.
type Asked = (String, &'static str, Time, Time, Time);

#[derive(Debug)]
struct Known {
    /// Crontab and zone for which this holds.
    crontab: (String, &'static str),
    /// Holds from here to the next tick.
    from: Time,
    next: Option<Time>,
    /// The tick after that.
    after: Option<Time>,
    /// And the one after that.
    third: Option<Time>,
}

impl Known {
    fn ahead(&self) -> Ahead {
        let gap = |from: Option<Time>, to: Option<Time>| from.zip(to).map(|(from, to)| (to - from) / SECOND);
        let gaps = [gap(self.next, self.after), gap(self.after, self.third)];
        Ahead { next: self.next, seconds: gaps.into_iter().flatten().min() }
    }
}

/// What is ahead of a trigger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ahead {
    /// The next tick.
    pub(super) next: Option<Time>,
    /// Seconds between ticks: the shorter of the two gaps after it, so that an evening, or a weekend, is not taken for the rhythm.
    pub(super) seconds: Option<i64>,
}

impl Forecast {
    /// What is ahead after `now`.
    pub(super) fn of(&self, trigger: &Trigger, now: Time) -> Ahead {
        let crontab = (trigger.crontab.text(), trigger.crontab.zone().name());
        let mut all = self.ahead.lock().unwrap_or_else(PoisonError::into_inner);
        let known = all
            .get(&trigger.id)
            .filter(|known| (known.crontab.0.as_str(), known.crontab.1) == crontab && known.from <= now);
        let following = |tick: Option<Time>| tick.and_then(|tick| trigger.crontab.next(tick));
        let (next, after) = match known {
            Some(known) if known.next.is_none_or(|next| now < next) => return known.ahead(),
            // One tick has passed: those after it are known already.
            Some(known) if known.after.is_some_and(|after| now < after) => (known.after, known.third),
            _ => {
                let next = trigger.crontab.next(now);
                (next, following(next))
            }
        };
        let third = following(after);
        let known = Known { crontab: (crontab.0.to_owned(), crontab.1), from: now, next, after, third };
        let ahead = known.ahead();
        all.insert(trigger.id.clone(), known);
        ahead
    }

    /// See [`late_at`].
    pub(super) fn late_at(&self, trigger: &Trigger, good: Time) -> Option<Time> {
        let (crontab, zone) = (trigger.crontab.text(), trigger.crontab.zone().name());
        let (takes, waits) = (takes(trigger), seconds(trigger.expires));
        let mut all = self.late.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((asked, late)) = all.get(&trigger.id)
            && (asked.0.as_str(), asked.1, asked.2, asked.3, asked.4) == (crontab, zone, takes, waits, good)
        {
            return *late;
        }
        let late = late_at(trigger, good);
        all.insert(trigger.id.clone(), ((crontab.to_owned(), zone, takes, waits, good), late));
        late
    }
}

impl Forecast {
    /// How many ticks the crontab names after the first and up to the last.
    pub(super) fn count(&self, trigger: &Trigger, first: Time, last: Time) -> usize {
        let (crontab, zone) = (trigger.crontab.text(), trigger.crontab.zone().name());
        let mut all = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((asked, count)) = all.get(&trigger.id)
            && (asked.0.as_str(), asked.1, asked.2, asked.3) == (crontab, zone, first, last)
        {
            return *count;
        }
        let count = trigger.crontab.count(first, last);
        all.insert(trigger.id.clone(), ((crontab.to_owned(), zone, first, last), count));
        count
    }
}

/// After which moment a tick is overdue, where none after `good` ended well: the crontab has named two, of which the second is longer ago
/// than a run may take; or it has named one that is longer ago than a run may wait and take.
pub(super) fn late_at(trigger: &Trigger, good: Time) -> Option<Time> {
    let takes = takes(trigger);
    let first = trigger.crontab.next(good)?;
    let alone = first.saturating_add(takes).saturating_add(seconds(trigger.expires));
    let second = trigger.crontab.next(first).map(|second| second.saturating_add(takes));
    Some(second.map_or(alone, |second| second.min(alone)))
}

/// What a run may take after its tick, until it is recorded.
pub(super) fn takes(trigger: &Trigger) -> Time {
    let delay = trigger.delays.iter().min().copied().unwrap_or(0);
    seconds(delay.saturating_add(trigger.timeout).saturating_add(PATIENCE))
}

fn seconds(seconds: u64) -> Time {
    i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::CatchUp;
    use crate::schedule::cron::Crontab;
    use crate::schedule::zone::Zone;
    use chrono::DateTime;

    fn trigger(crontab: &str, zone: Zone) -> Trigger {
        Trigger {
            id: "t".into(),
            func: "a__b.c".into(),
            crontab: Crontab::new(crontab, zone).unwrap(),
            fixed: false,
            kwargs: serde_json::Map::new(),
            enabled: true,
            delays: vec![0],
            catch_up: CatchUp::Last,
            expires: 900,
            timeout: 300,
        }
    }

    #[test]
    fn what_is_known_holds_until_the_tick_and_for_this_crontab_only() {
        let forecast = Forecast::default();
        let start = 1_764_000_000 * SECOND;
        for (crontab, zone) in [
            ("*/5 * * * *", Zone::UTC),
            ("0 3 * * *", "Asia/Shanghai".parse().unwrap()),
            ("0 3 * * *", Zone::UTC),
        ] {
            let trigger = trigger(crontab, zone);
            // Forwards, to a tick itself, and back again, as a clock that is put right.
            for seconds in [0, 1, 299, 300, 301, 86_400, 100, 0] {
                let now = start + seconds * SECOND;
                let next = trigger.crontab.next(now);
                assert_eq!(forecast.of(&trigger, now).next, next, "{crontab} {zone} +{seconds}");
            }
        }
        let five = forecast.of(&trigger("*/5 * * * *", Zone::UTC), start);
        assert_eq!(five.seconds, Some(300));
        // A Friday in November, a moment before the last tick of the week.
        let friday = 1_795_802_000 * SECOND;
        let office = forecast.of(&trigger("*/5 9-17 * * 1-5", Zone::UTC), friday);
        assert_eq!((office.next, office.seconds), (Some(1_795_802_100 * SECOND), Some(300)));
    }

    fn at(text: &str) -> Time {
        DateTime::parse_from_rfc3339(text).unwrap().timestamp_nanos_opt().unwrap()
    }

    /// From when on it is late, when the tick `good` was the last to end well.
    fn late_from(trigger: &Trigger, good: &str) -> String {
        let late = Forecast::default().late_at(trigger, at(good)).unwrap();
        let late = DateTime::from_timestamp_nanos(late).with_timezone(&trigger.crontab.zone());
        late.format("%a %H:%M").to_string()
    }

    #[test]
    fn late_is_what_the_crontab_named_and_nobody_ran() {
        let even = trigger("*/5 * * * *", Zone::UTC);
        assert_eq!(
            late_from(&even, "2026-11-27T08:00:00Z"),
            "Fri 08:16",
            "two ticks, five minutes to run, and one"
        );
        // Friday's last tick: neither the night nor the weekend is anybody's fault.
        let office = trigger("*/5 9-17 * * 1-5", "Asia/Shanghai".parse().unwrap());
        let friday = "2026-11-27T17:55:00+08:00";
        assert_eq!(late_from(&office, friday), "Mon 09:11");
        for (now, late) in [
            ("2026-11-28T12:00:00+08:00", false),
            ("2026-11-30T08:59:59+08:00", false),
            ("2026-11-30T09:20:00+08:00", true),
        ] {
            assert_eq!(at(now) > late_at(&office, at(friday)).unwrap(), late, "{now}");
        }
        // Rare ones: after the time in which a run waits, runs and is recorded.
        assert_eq!(late_from(&trigger("0 9 * * *", Zone::UTC), "2026-11-27T09:00:00Z"), "Sat 09:21");
        assert_eq!(late_from(&trigger("0 9 * * 1", Zone::UTC), "2026-11-23T09:00:00Z"), "Mon 09:21");
        let longer = Trigger { timeout: 3600, expires: 7200, ..trigger("0 9 * * *", Zone::UTC) };
        assert_eq!(late_from(&longer, "2026-11-27T09:00:00Z"), "Sat 12:01");
        let delayed = Trigger { delays: vec![600, 1200], ..trigger("0 * * * *", Zone::UTC) };
        assert_eq!(late_from(&delayed, "2026-11-27T09:00:00Z"), "Fri 10:31");
    }

    #[test]
    fn a_day_of_23_or_25_hours_makes_nothing_late() {
        let berlin = trigger("0 3 * * *", "Europe/Berlin".parse().unwrap());
        assert_eq!(late_from(&berlin, "2026-03-28T03:00:00+01:00"), "Sun 03:21");
        assert_eq!(late_from(&berlin, "2026-10-24T03:00:00+02:00"), "Sun 03:21");
        // Half past two is left out, and made up for at three.
        let left_out = trigger("30 2 * * *", "Europe/Berlin".parse().unwrap());
        assert_eq!(late_from(&left_out, "2026-03-28T02:30:00+01:00"), "Sun 03:21");
    }

    #[test]
    fn what_is_known_of_being_late_holds_for_this_tick_and_definition_only() {
        let forecast = Forecast::default();
        let good = at("2026-11-27T08:00:00Z");
        let mut one = trigger("*/5 * * * *", Zone::UTC);
        for _ in 0..2 {
            assert_eq!(forecast.late_at(&one, good), late_at(&one, good));
            assert_eq!(forecast.late_at(&one, good + 300 * SECOND), late_at(&one, good + 300 * SECOND));
            one.timeout += 60;
        }
        one.crontab = Crontab::new("*/10 * * * *", Zone::UTC).unwrap();
        assert_eq!(forecast.late_at(&one, good), late_at(&one, good));
        one.crontab = Crontab::new("*/10 * * * *", "Asia/Kolkata".parse().unwrap()).unwrap();
        assert_eq!(forecast.late_at(&one, good), late_at(&one, good));
        let hour = 3600 * SECOND;
        assert_eq!([1, 2, 2].map(|hours| forecast.count(&one, good, good + hours * hour)), [6, 12, 12]);
        one.crontab = Crontab::new("0 * * * *", Zone::UTC).unwrap();
        assert_eq!(forecast.count(&one, good, good + 2 * hour), 2);
    }
}
