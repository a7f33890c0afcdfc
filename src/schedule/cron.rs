//! Crontabs: when a trigger is due, in its own time zone.
//!
//! Owns the meaning of five fields and of a clock change. Knows nothing of triggers, runs or the state.
//!
//! A crontab speaks of what a clock on the wall shows; croner says which of these times match. What becomes of a wall time
//! that a clock change leaves out, or shows twice, is decided here, so that no run is lost and none is doubled:
//!
//! - A crontab that names every hour (`*/15 * * * *`) goes by the time that passes: it fires in both of two equal hours, and
//!   has nothing to make up for an hour that there was not.
//! - All others (`30 2 * * *`, `0 2,14 * * *`, `0 */2 * * *`) go by the wall: a time that is shown twice fires the first time only;
//!   times that were left out fire once, at the moment after the change.

use crate::schedule::zone::Zone;
use crate::script::crontab;
use crate::state::Time;
use chrono::{DateTime, Days, MappedLocalTime, NaiveDateTime, Offset as _, TimeDelta, TimeZone as _, Utc};
use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use funchost_collectors::clock::SECOND;
use funchost_collectors::mistake::nearest;

/// No clock is ever put back by more than this.
const LARGEST_STEP: TimeDelta = TimeDelta::hours(3);

const MINUTE: Time = 60 * SECOND;
const HOUR: Time = 60 * MINUTE;

/// Nothing that a crontab can name is further away: the 29th of February around a year such as 2100.
const HORIZON_YEARS: u64 = 9;

/// What is wrong with a crontab or a time zone: words that follow its name, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// `has 6 fields`.
    pub message: String,
    /// What to write instead.
    pub hint: String,
}

/// Five fields in a time zone.
#[derive(Clone, Debug)]
pub struct Crontab {
    text: String,
    zone: Zone,
    cron: Cron,
    /// Names every hour: goes by the time that passes.
    hourly: bool,
    /// The minutes at which it fires, where these are the same in every hour of every day.
    each_hour: Option<Box<[bool; 60]>>,
}

/// A time zone of the IANA database.
///
/// # Errors
/// There is none of that name.
pub fn zone(name: &str) -> Result<Zone, Wrong> {
    name.parse().map_err(|_| {
        let near = nearest(name, Zone::names());
        Wrong {
            message: format!("is no time zone: `{}`", shown(name)),
            hint: near.map_or_else(
                || "write a name of the IANA database, such as \"Asia/Shanghai\" or \"UTC\"".into(),
                |near| format!("did you mean `{near}`?"),
            ),
        }
    })
}

fn shown(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).take(60).collect()
}

/// Checks the five fields alone.
///
/// # Errors
/// What is wrong with them.
pub fn check(text: &str) -> Result<(), Wrong> {
    Crontab::new(text, Zone::UTC).map(drop)
}

impl Crontab {
    /// Reads five fields.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn new(text: &str, zone: Zone) -> Result<Self, Wrong> {
        crontab::check(text).map_err(|(message, hint)| Wrong { message, hint })?;
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        let cron = parser.parse(&text).map_err(|error| Wrong {
            message: format!("cannot be read: {error}"),
            hint: "a field is `*`, a number, a range `1-5`, a list `1,15`, or a step `*/15`".into(),
        })?;
        let fields: Vec<&str> = text.split(' ').collect();
        let [minutes, hours, days @ ..] = fields.as_slice() else {
            return Err(Wrong {
                message: "has no five fields".into(),
                hint: "write minute, hour, day, month, weekday".into(),
            });
        };
        let hourly = named::<24>(hours).iter().all(|named| *named);
        let each_hour =
            (hourly && days.iter().all(|field| *field == "*")).then(|| Box::new(named::<60>(minutes)));
        let crontab = Self { hourly, each_hour, text, zone, cron };
        if crontab.wall_times(crontab_epoch()).next().is_none() {
            return Err(Wrong {
                message: "names a day that never comes".into(),
                hint: "the 30th of February and its like do not exist: name another day or month".into(),
            });
        }
        Ok(crontab)
    }

    /// The five fields, with one blank between them.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Where the wall is.
    #[must_use]
    pub fn zone(&self) -> Zone {
        self.zone
    }

    /// The first time after `after` at which it fires; none within nine years.
    #[must_use]
    pub fn next(&self, after: Time) -> Option<Time> {
        let from = self.wall(after);
        if let Some(wall) = self.wall_times(from).find(|wall| *wall > from)
            && let MappedLocalTime::Single(moment) = self.zone.from_local_datetime(&wall)
            && let Some(moment) = moment.timestamp_nanos_opt()
            && self.is_steady(after)
            && self.is_steady(moment)
        {
            // Nothing is out of order where no clock is changed near either end.
            return Some(moment);
        }
        let mut best: Option<Time> = None;
        for wall in self.wall_times(self.wall(after) - LARGEST_STEP) {
            // A later wall time may be an earlier moment by no more than the clock was put back.
            if best.is_some_and(|best| wall > self.wall(best) + LARGEST_STEP) {
                break;
            }
            for moment in self.moments(wall) {
                if moment > after && best.is_none_or(|best| moment < best) {
                    best = Some(moment);
                }
            }
        }
        best
    }

    /// Every time after `after` and not after `until`, in order, each once.
    #[must_use]
    pub fn between(&self, after: Time, until: Time) -> Vec<Time> {
        let end = self.wall(until) + LARGEST_STEP;
        let mut times: Vec<Time> = self
            .wall_times(self.wall(after) - LARGEST_STEP)
            .take_while(|wall| *wall <= end)
            .flat_map(|wall| self.moments(wall))
            .filter(|moment| *moment > after && *moment <= until)
            .collect();
        times.sort_unstable();
        times.dedup();
        times
    }

    /// How often it fires after `after` and not after `until`. Days of one that fires in every hour cost no more than an hour.
    #[must_use]
    pub fn count(&self, after: Time, until: Time) -> usize {
        let offset = self.offset(until);
        // Where a clock is changed by half an hour, an hour is not as good as the next.
        let even = (offset - self.offset(after)) % 3600 == 0 && offset % 60 == 0;
        let Some(minutes) = self.each_hour.as_ref().filter(|_| even && after <= until) else {
            return self.between(after, until).len();
        };
        let fires = |minute: i64| {
            let shown = (minute + i64::from(offset / 60)).rem_euclid(60);
            usize::try_from(shown).is_ok_and(|shown| minutes.get(shown) == Some(&true))
        };
        let hours = (until - after) / HOUR;
        let rest = after + hours * HOUR;
        let rest =
            (rest.div_euclid(MINUTE) + 1..=until.div_euclid(MINUTE)).filter(|minute| fires(*minute)).count();
        let each = minutes.iter().filter(|named| **named).count();
        usize::try_from(hours).unwrap_or(0) * each + rest
    }

    /// Seconds that the wall is ahead of UTC at a moment.
    fn offset(&self, time: Time) -> i32 {
        let moment = DateTime::from_timestamp_nanos(time).naive_utc();
        self.zone.offset_from_utc_datetime(&moment).fix().local_minus_utc()
    }

    /// Is the clock not changed within [`LARGEST_STEP`] of this moment?
    fn is_steady(&self, time: Time) -> bool {
        let step = LARGEST_STEP.num_seconds() * SECOND;
        let offset = self.offset(time);
        self.offset(time.saturating_sub(step)) == offset && self.offset(time.saturating_add(step)) == offset
    }

    /// What the wall shows at a moment.
    fn wall(&self, time: Time) -> NaiveDateTime {
        DateTime::from_timestamp_nanos(time).with_timezone(&self.zone).naive_local()
    }

    /// The wall times that match, from one on, as if no clock were ever changed.
    fn wall_times(&self, from: NaiveDateTime) -> impl Iterator<Item = NaiveDateTime> + '_ {
        let last = from.checked_add_days(Days::new(366 * HORIZON_YEARS)).unwrap_or(NaiveDateTime::MAX);
        let mut next = (from, true);
        std::iter::from_fn(move || {
            let found = self.cron.find_next_occurrence(&next.0.and_utc(), next.1).ok()?.naive_utc();
            next = (found, false);
            (found <= last).then_some(found)
        })
    }

    /// The moments at which a wall time fires.
    fn moments(&self, wall: NaiveDateTime) -> impl Iterator<Item = Time> + use<> {
        let (first, second) = match self.zone.from_local_datetime(&wall) {
            MappedLocalTime::Single(moment) => (Some(moment.with_timezone(&Utc)), None),
            MappedLocalTime::Ambiguous(first, second) => {
                (Some(first.with_timezone(&Utc)), self.hourly.then(|| second.with_timezone(&Utc)))
            }
            MappedLocalTime::None if self.hourly => (None, None),
            MappedLocalTime::None => (self.after_gap(wall), None),
        };
        [first, second].into_iter().flatten().filter_map(|moment| moment.timestamp_nanos_opt())
    }

    /// The first moment after the wall times that were left out around this one.
    fn after_gap(&self, wall: NaiveDateTime) -> Option<DateTime<Utc>> {
        // Changes happen at whole minutes, and leave out at most a day (an island that changed its side of the date line).
        (1..=2 * 24 * 60).find_map(|minutes| {
            let later = wall + TimeDelta::minutes(minutes);
            match self.zone.from_local_datetime(&later) {
                MappedLocalTime::None => None,
                MappedLocalTime::Single(moment) | MappedLocalTime::Ambiguous(moment, _) => {
                    Some(moment.with_timezone(&Utc))
                }
            }
        })
    }
}

/// A day from which a leap year is near, whatever today is.
fn crontab_epoch() -> NaiveDateTime {
    DateTime::from_timestamp_nanos(1_767_225_600 * SECOND).naive_utc()
}

/// Which of 0 to `COUNT` - 1 a field names. The text has been checked.
fn named<const COUNT: usize>(field: &str) -> [bool; COUNT] {
    let mut named = [false; COUNT];
    for part in field.split(',') {
        let (range, step) = part.split_once('/').map_or((part, None), |(range, step)| (range, Some(step)));
        let step = step.and_then(|step| step.parse().ok()).unwrap_or(1_usize);
        let (from, to) = match range.split_once('-') {
            Some((from, to)) => (from.parse().unwrap_or(0), to.parse().unwrap_or(0)),
            None if range == "*" => (0, COUNT - 1),
            None => {
                let number = range.parse().unwrap_or(0);
                // Written `5/2`, a single number is where the steps begin.
                (number, if part.contains('/') { COUNT - 1 } else { number })
            }
        };
        for number in (from..=to).step_by(step.max(1)) {
            if let Some(named) = named.get_mut(number) {
                *named = true;
            }
        }
    }
    named
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Time {
        DateTime::parse_from_rfc3339(text).unwrap().timestamp_nanos_opt().unwrap()
    }

    fn fires(crontab: &str, zone: Zone, from: &str, until: &str) -> Vec<String> {
        let crontab = Crontab::new(crontab, zone).unwrap();
        let times = crontab.between(at(from), at(until));
        // One by one they are the same.
        let mut one_by_one = Vec::new();
        let mut last = at(from);
        while let Some(next) = crontab.next(last).filter(|next| *next <= at(until)) {
            one_by_one.push(next);
            last = next;
        }
        assert_eq!(times, one_by_one);
        assert_eq!(crontab.count(at(from), at(until)), times.len());
        times
            .into_iter()
            .map(|time| {
                DateTime::from_timestamp_nanos(time).with_timezone(&zone).format("%d %H:%M %z").to_string()
            })
            .collect()
    }

    #[test]
    fn a_time_that_was_left_out_fires_at_the_moment_after_and_once() {
        let spring = |crontab| {
            fires(crontab, "Europe/Berlin".parse().unwrap(), "2026-03-28T23:30:00Z", "2026-03-29T03:30:00Z")
        };
        assert_eq!(spring("30 2 * * *"), ["29 03:00 +0200"]);
        assert_eq!(spring("0,30 2 * * *"), ["29 03:00 +0200"]);
        assert_eq!(spring("0 2,3 * * *"), ["29 03:00 +0200"], "two reasons, one run");
        assert_eq!(spring("0 */2 * * *"), ["29 03:00 +0200", "29 04:00 +0200"]);
        assert_eq!(
            spring("40 * * * *"),
            ["29 00:40 +0100", "29 01:40 +0100", "29 03:40 +0200", "29 04:40 +0200"]
        );
    }

    #[test]
    fn a_time_that_is_shown_twice_fires_once_unless_every_hour_does() {
        let autumn = |crontab| {
            fires(
                crontab,
                "America/New_York".parse().unwrap(),
                "2026-11-01T04:50:00Z",
                "2026-11-01T07:10:00Z",
            )
        };
        assert_eq!(autumn("30 1 * * *"), ["01 01:30 -0400"]);
        assert_eq!(autumn("0 1,2 * * *"), ["01 01:00 -0400", "01 02:00 -0500"]);
        assert_eq!(autumn("30 * * * *"), ["01 01:30 -0400", "01 01:30 -0500"]);
        assert_eq!(autumn("30 0-23 * * *").len(), 2, "said otherwise, the same");
    }

    #[test]
    fn days_are_counted_by_the_hour_where_every_hour_is_alike() {
        for zone in [
            Zone::UTC,
            "America/New_York".parse().unwrap(),
            "Australia/Lord_Howe".parse().unwrap(),
            "Asia/Kolkata".parse().unwrap(),
        ] {
            for text in [
                "*/7 * * * *",
                "0 0-23 * * *",
                "59,5-9/2 */1 * * *",
                "30 */2 * * *",
                "*/5 9-17 * * 1-5",
                "7 * * * 0",
            ] {
                let crontab = Crontab::new(text, zone).unwrap();
                // Over changes of clocks, and from odd moments to odd moments.
                for from in [
                    "2026-03-07T23:59:59Z",
                    "2026-04-03T11:11:00Z",
                    "2026-10-02T15:30:00Z",
                    "2026-10-31T22:07:31Z",
                ] {
                    for minutes in [0, 1, 59, 60, 61, 24 * 60, 48 * 60 + 17] {
                        let (from, until) = (at(from), at(from) + minutes * 60 * SECOND);
                        let (counted, fired) =
                            (crontab.count(from, until), crontab.between(from, until).len());
                        assert_eq!(counted, fired, "{text} in {zone} from {from}, {minutes} minutes");
                    }
                }
            }
        }
    }

    #[test]
    fn the_days_of_month_and_week_are_alternatives() {
        let fired = fires("0 0 13 * FRI", Zone::UTC, "2026-11-01T00:00:00Z", "2026-11-30T00:00:00Z");
        assert_eq!(fired, ["06 00:00 +0000", "13 00:00 +0000", "20 00:00 +0000", "27 00:00 +0000"]);
        let fired = fires("0 0 * * 7", Zone::UTC, "2026-11-01T00:00:00Z", "2026-11-10T00:00:00Z");
        assert_eq!(fired, ["08 00:00 +0000"]);
    }

    #[test]
    fn what_cannot_be_is_said() {
        assert_eq!(check("0 0 30 2 *").unwrap_err().message, "names a day that never comes");
        assert!(check("0 0 29 2 *").is_ok());
        assert!(check("0 */5 * * * *").unwrap_err().message.starts_with("has 6 fields"));
        assert_eq!(zone("Asia/Shanghia").unwrap_err().hint, "did you mean `Asia/Shanghai`?");
    }
}
