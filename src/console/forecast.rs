//! When triggers run next: worked out once for each tick, not for each look.
//!
//! Owns what was worked out, and when it no longer holds. The crontabs stand in the schedule's room.

use crate::schedule::Trigger;
use crate::state::Time;
use funchost_collectors::clock::SECOND;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// What was worked out, by trigger.
#[derive(Debug, Default)]
pub struct Forecast(Mutex<HashMap<String, Known>>);

#[derive(Debug)]
struct Known {
    /// Crontab and zone for which this holds.
    crontab: (String, &'static str),
    /// Holds from here to the next tick.
    from: Time,
    next: Option<Time>,
    /// The tick after that.
    after: Option<Time>,
}

impl Known {
    fn ahead(&self) -> Ahead {
        let seconds = self.next.zip(self.after).map(|(next, after)| (after - next) / SECOND);
        Ahead { next: self.next, seconds }
    }
}

/// What is ahead of a trigger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ahead {
    /// The next tick.
    pub(super) next: Option<Time>,
    /// Seconds from it to the one after.
    pub(super) seconds: Option<i64>,
}

impl Forecast {
    /// What is ahead after `now`.
    pub(super) fn of(&self, trigger: &Trigger, now: Time) -> Ahead {
        let crontab = (trigger.crontab.text(), trigger.crontab.zone().name());
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = all
            .get(&trigger.id)
            .filter(|known| (known.crontab.0.as_str(), known.crontab.1) == crontab && known.from <= now);
        let next = match known {
            Some(known) if known.next.is_none_or(|next| now < next) => return known.ahead(),
            // One tick has passed: the one after it is known already.
            Some(known) if known.after.is_some_and(|after| now < after) => known.after,
            _ => trigger.crontab.next(now),
        };
        let after = next.and_then(|next| trigger.crontab.next(next));
        let known = Known { crontab: (crontab.0.to_owned(), crontab.1), from: now, next, after };
        let ahead = known.ahead();
        all.insert(trigger.id.clone(), known);
        ahead
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::CatchUp;
    use crate::schedule::cron::Crontab;
    use chrono_tz::Tz;

    fn trigger(crontab: &str, zone: Tz) -> Trigger {
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
        }
    }

    #[test]
    fn what_is_known_holds_until_the_tick_and_for_this_crontab_only() {
        let forecast = Forecast::default();
        let start = 1_764_000_000 * SECOND;
        for (crontab, zone) in
            [("*/5 * * * *", Tz::UTC), ("0 3 * * *", Tz::Asia__Shanghai), ("0 3 * * *", Tz::UTC)]
        {
            let trigger = trigger(crontab, zone);
            // Forwards, to a tick itself, and back again, as a clock that is put right.
            for seconds in [0, 1, 299, 300, 301, 86_400, 100, 0] {
                let now = start + seconds * SECOND;
                let next = trigger.crontab.next(now);
                assert_eq!(forecast.of(&trigger, now).next, next, "{crontab} {zone} +{seconds}");
            }
        }
        let five = forecast.of(&trigger("*/5 * * * *", Tz::UTC), start);
        assert_eq!(five.seconds, Some(300));
    }
}
