//! The scheduler over a simulated week: every tick has its run, once, whatever the clocks on the walls do.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use chrono::{DateTime, Datelike, NaiveDateTime, Offset, TimeDelta, TimeZone, Timelike, Utc};
use chrono_tz::Tz;
use funchost::config::CatchUp;
use funchost::schedule::cron::Crontab;
use funchost::schedule::zone::Zone;
use funchost::schedule::{Idle, LATE, Scheduler, Trigger};
use funchost::state::runs::{Filter, Record, Status};
use funchost::state::{Sqlite, Store, Time};
use funchost_collectors::clock::{Clock, SECOND};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

const MINUTE: i64 = 60 * SECOND;

#[derive(Debug)]
struct TestClock(AtomicI64);

impl TestClock {
    fn set(&self, time: Time) {
        self.0.store(time, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }
}

fn at(text: &str) -> Time {
    DateTime::parse_from_rfc3339(text).unwrap().timestamp_nanos_opt().unwrap()
}

/// An independent reading of five fields: the sets of numbers that each names.
struct Fields([BTreeSet<u32>; 5], bool, bool);

impl Fields {
    fn read(text: &str) -> Self {
        const BOUNDS: [(u32, u32); 5] = [(0, 59), (0, 23), (1, 31), (1, 12), (0, 6)];
        const DAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];
        let written: Vec<&str> = text.split(' ').collect();
        let mut sets: [BTreeSet<u32>; 5] = Default::default();
        for (index, (field, (least, most))) in written.iter().zip(BOUNDS).enumerate() {
            for part in field.split(',') {
                let (range, step) = part.split_once('/').unwrap_or((part, "1"));
                let number = |text: &str| match DAYS.iter().position(|day| *day == text) {
                    Some(day) => u32::try_from(day).unwrap(),
                    None => text.parse().unwrap(),
                };
                let (from, to) = match range.split_once('-') {
                    _ if range == "*" => (least, most),
                    Some((from, to)) => (number(from), number(to)),
                    None => (number(range), number(range)),
                };
                for value in (from..=to).step_by(step.parse().unwrap()) {
                    sets[index].insert(if index == 4 { value % 7 } else { value });
                }
            }
        }
        Self(sets, written[2] != "*", written[4] != "*")
    }

    fn matches(&self, wall: NaiveDateTime) -> bool {
        let Self([minutes, hours, days, months, weekdays], by_day, by_weekday) = self;
        let day = days.contains(&wall.day());
        let weekday = weekdays.contains(&wall.weekday().num_days_from_sunday());
        let day = match (by_day, by_weekday) {
            (true, true) => day || weekday,
            _ => day && weekday,
        };
        minutes.contains(&wall.minute())
            && hours.contains(&wall.hour())
            && months.contains(&wall.month())
            && day
    }

    fn every_hour(&self) -> bool {
        self.0[1].len() == 24
    }
}

/// The same zone from another copy of the database, read by other code.
fn other(zone: Zone) -> Tz {
    zone.name().parse().unwrap()
}

/// Minute by minute: what a person at the wall would do, who starts each job when the clock shows its time, once for each time shown
/// unless the job is for every hour, and who makes up for shown times that were left out as soon as the clock was changed.
fn by_brute_force(fields: &Fields, zone: Tz, after: Time, until: Time) -> Vec<Time> {
    let mut ticks = Vec::new();
    let wall = |minute: DateTime<Utc>| minute.with_timezone(&zone).naive_local();
    let offset = |minute: DateTime<Utc>| {
        i64::from(zone.offset_from_utc_datetime(&minute.naive_utc()).fix().local_minus_utc())
    };
    let mut minute = DateTime::from_timestamp_nanos(after / MINUTE * MINUTE) + TimeDelta::minutes(1);
    while minute.timestamp_nanos_opt().unwrap() <= until {
        let shown = wall(minute);
        let mut fires = fields.matches(shown);
        if fires && !fields.every_hour() {
            // Was it shown before, in the hours since which the clock may have been put back?
            let before = (1..=180).any(|minutes| wall(minute - TimeDelta::minutes(minutes)) == shown);
            fires = !before;
        }
        let jump = offset(minute) - offset(minute - TimeDelta::minutes(1));
        if jump > 0 && !fields.every_hour() {
            // These were never shown.
            fires |= (1..=jump / 60).any(|minutes| fields.matches(shown - TimeDelta::minutes(minutes)));
        }
        if fires {
            ticks.push(minute.timestamp_nanos_opt().unwrap());
        }
        minute += TimeDelta::minutes(1);
    }
    ticks
}

const ZONES: [Tz; 10] = [
    Tz::Asia__Shanghai,
    Tz::UTC,
    Tz::Europe__Berlin,
    Tz::America__New_York,
    Tz::America__Sao_Paulo,
    // Half an hour of daylight saving.
    Tz::Australia__Lord_Howe,
    Tz::Asia__Kolkata,
    // Clocks change at midnight.
    Tz::America__Santiago,
    Tz::Africa__Cairo,
    Tz::Pacific__Chatham,
];

const CRONTABS: [&str; 20] = [
    "*/15 * * * *",
    "30 2 * * *",
    "0 2 * * *",
    "15,45 1-3 * * *",
    "0 */2 * * *",
    "5 0 * * *",
    "0 0 * * *",
    "59 23 * * *",
    "7 * * * *",
    "0 2,14 * * SUN",
    "30 3 29 3 *",
    "0 9-18/3 * * MON-FRI",
    "0 0 1 * 0",
    "20 2 1 11 *",
    "*/7 2 * * *",
    "45 0-23 * * *",
    "10 1 * * 0,6",
    "0 4 */2 * *",
    "50 2 28-31 3,4,10 *",
    "*/20 0-1 * * *",
];

fn triggers(zones: &[Tz]) -> Vec<Trigger> {
    zones
        .iter()
        .flat_map(|zone| CRONTABS.iter().map(move |crontab| (*zone, *crontab)))
        .enumerate()
        .map(|(number, (zone, crontab))| trigger(&format!("t{number:03}"), crontab, zone))
        .collect()
}

fn trigger(id: &str, crontab: &str, zone: Tz) -> Trigger {
    Trigger {
        id: id.into(),
        func: "my__main.run".into(),
        crontab: Crontab::new(crontab, zone.name().parse().unwrap()).unwrap(),
        fixed: false,
        kwargs: serde_json::Map::new(),
        enabled: true,
        delays: vec![0],
        catch_up: CatchUp::Last,
        expires: 900,
        timeout: 300,
    }
}

async fn records(state: &dyn Store) -> Vec<Record> {
    state.runs(&Filter::default(), 0, i64::MAX).await.unwrap().0
}

async fn world(start: Time) -> (Arc<TestClock>, Arc<dyn Store>, Scheduler) {
    let clock = Arc::new(TestClock(AtomicI64::new(start)));
    let state: Arc<dyn Store> = Arc::new(Sqlite::in_memory(clock.clone()).await.unwrap());
    let scheduler = Scheduler::new(state.clone(), clock.clone(), LATE);
    (clock, state, scheduler)
}

/// A week, of which two schedulers share the work, each being restarted now and then.
async fn a_week_from(start: &str, zones: &[Tz]) -> usize {
    let start = at(start);
    let end = start + 7 * 24 * 60 * MINUTE;
    let triggers = triggers(zones);
    let (clock, state, first) = world(start).await;
    first.announce(&triggers).await.unwrap();
    let mut schedulers = [first, Scheduler::new(state.clone(), clock.clone(), LATE)];
    let mut time = start;
    let mut steps = 0_usize;
    let mut next = start;
    while time < end {
        // When the scheduler asked to be called, some seconds late as it happens; a wrong answer makes it miss ticks.
        time = (next + 3 * SECOND).clamp(time + SECOND, time + 60 * MINUTE).min(end);
        clock.set(time);
        steps += 1;
        if steps.is_multiple_of(97) {
            schedulers[steps % 2] = Scheduler::new(state.clone(), clock.clone(), LATE);
        }
        next = schedulers[steps % 2].step(&triggers).await.unwrap().next.unwrap();
        if steps.is_multiple_of(5) {
            schedulers[(steps + 1) % 2].step(&triggers).await.unwrap();
        }
    }
    let mut found: BTreeMap<String, Vec<Time>> = BTreeMap::new();
    for record in records(state.as_ref()).await {
        assert_eq!(record.status, Status::Queued, "{record:?}");
        found.entry(record.trigger.unwrap()).or_default().push(record.tick.unwrap());
    }
    let mut count = 0;
    for trigger in &triggers {
        let mut ticks = found.remove(&trigger.id).unwrap_or_default();
        ticks.sort_unstable();
        let expected =
            by_brute_force(&Fields::read(trigger.crontab.text()), other(trigger.crontab.zone()), start, end);
        count += expected.len();
        let shown = |ticks: &[Time]| {
            ticks
                .iter()
                .map(|tick| {
                    DateTime::from_timestamp_nanos(*tick).with_timezone(&trigger.crontab.zone()).to_rfc3339()
                })
                .collect::<Vec<_>>()
        };
        assert_eq!(
            shown(&ticks),
            shown(&expected),
            "{} in {}",
            trigger.crontab.text(),
            trigger.crontab.zone()
        );
    }
    assert!(found.is_empty(), "{found:?}");
    count
}

#[tokio::test]
async fn a_week_of_200_triggers_when_the_north_puts_its_clocks_forward() {
    // Europe at once; Lord Howe and Chatham put theirs back six days later.
    assert_eq!(triggers(&ZONES).len(), 200);
    assert!(a_week_from("2026-03-29T00:30:00Z", &ZONES).await > 8000);
}

#[tokio::test]
async fn a_week_of_200_triggers_when_the_north_puts_its_clocks_back() {
    // Europe at once, Egypt four days later.
    assert!(a_week_from("2026-10-25T00:00:00Z", &ZONES).await > 8000);
}

#[tokio::test]
async fn weeks_in_which_america_changes_its_clocks_on_days_of_its_own() {
    let zones = [Tz::America__New_York, Tz::Asia__Shanghai];
    assert!(a_week_from("2026-03-07T12:00:00Z", &zones).await > 1600, "forward");
    assert!(a_week_from("2026-10-31T12:00:00Z", &zones).await > 1600, "back");
}

#[tokio::test]
async fn a_week_in_which_lord_howe_puts_its_clocks_forward_by_half_an_hour() {
    assert!(a_week_from("2026-10-01T00:00:00Z", &[Tz::Australia__Lord_Howe]).await > 800);
}

#[tokio::test]
async fn a_year_of_crontabs_agrees_with_brute_force() {
    // Without the state a whole year of every zone is quick enough.
    let (start, end) = (at("2026-01-01T00:00:00Z"), at("2027-01-01T00:00:00Z"));
    for zone in [Tz::America__New_York, Tz::Australia__Lord_Howe, Tz::America__Santiago] {
        for crontab in ["30 2 * * *", "*/20 0-1 * * *", "0 */2 * * *", "40 * * * *"] {
            let expected = by_brute_force(&Fields::read(crontab), zone, start, end);
            let read = Crontab::new(crontab, zone.name().parse().unwrap()).unwrap();
            assert_eq!(read.between(start, end), expected, "{crontab} in {zone}");
            let one_by_one = std::iter::successors(read.next(start), |last| read.next(*last));
            let one_by_one: Vec<Time> = one_by_one.take_while(|tick| *tick <= end).collect();
            assert_eq!(one_by_one, expected, "{crontab} in {zone}, one by one");
        }
    }
}

fn shown(records: &[Record]) -> Vec<String> {
    records
        .iter()
        .rev()
        .map(|record| {
            let tick = DateTime::from_timestamp_nanos(record.tick.unwrap()).format("%H:%M");
            let reason = record.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
            format!("{tick} +{}s {} x{}{reason}", record.delay / SECOND, record.status.as_str(), record.ticks)
        })
        .collect()
}

#[tokio::test]
async fn ticks_while_nothing_ran_are_recorded_and_the_last_is_made_up_for() {
    let start = at("2026-11-22T08:00:00Z");
    let (clock, state, scheduler) = world(start).await;
    let mut triggers = [trigger("last", "*/10 * * * *", Tz::UTC), trigger("none", "*/10 * * * *", Tz::UTC)];
    triggers[1].catch_up = CatchUp::None;
    triggers[0].delays = vec![0, 30];
    scheduler.announce(&triggers).await.unwrap();
    clock.set(start + 45 * MINUTE);
    let step = scheduler.step(&triggers).await.unwrap();
    assert_eq!((step.asked, step.missed, step.next), (2, 7, Some(start + 50 * MINUTE)));
    let of = |records: Vec<Record>, id: &str| {
        records.into_iter().filter(|record| record.trigger.as_deref() == Some(id)).collect::<Vec<_>>()
    };
    let all = records(state.as_ref()).await;
    assert_eq!(
        shown(&of(all.clone(), "last")),
        [
            "08:30 +0s missed x3: nothing was there to start its 3 ticks from 2026-11-22T08:10:00Z to 2026-11-22T08:30:00Z",
            "08:40 +0s queued x1",
            "08:40 +30s queued x1",
        ]
    );
    assert_eq!(
        shown(&of(all, "none")),
        [
            "08:40 +0s missed x4: nothing was there to start its 4 ticks from 2026-11-22T08:10:00Z to 2026-11-22T08:40:00Z"
        ]
    );
    // In time again: nothing is missed, and what was late and in time at once runs as in time only.
    clock.set(start + 50 * MINUTE + SECOND);
    assert_eq!(scheduler.step(&triggers).await.unwrap().asked, 3);
    clock.set(start + 70 * MINUTE + SECOND);
    let step = scheduler.step(&triggers).await.unwrap();
    assert_eq!((step.asked, step.missed), (3, 2));
}

#[tokio::test]
async fn of_several_ticks_that_are_seen_at_once_the_newest_alone_is_run() {
    let start = at("2026-11-22T08:00:00Z");
    let (clock, state, scheduler) = world(start).await;
    let mut triggers = [trigger("last", "* * * * *", Tz::UTC), trigger("none", "* * * * *", Tz::UTC)];
    triggers[1].catch_up = CatchUp::None;
    scheduler.announce(&triggers).await.unwrap();
    // Both are no more than a minute old: in time, each for itself.
    clock.set(start + 2 * MINUTE);
    let step = scheduler.step(&triggers).await.unwrap();
    assert_eq!((step.asked, step.missed), (2, 2));
    for id in ["last", "none"] {
        let mut records = records(state.as_ref()).await;
        records.retain(|record| record.trigger.as_deref() == Some(id));
        assert_eq!(
            shown(&records),
            [
                "08:01 +0s missed x1: nothing was there to start it at 2026-11-22T08:01:00Z",
                "08:02 +0s queued x1"
            ]
        );
    }
}

#[tokio::test]
async fn the_delayed_runs_of_a_tick_that_is_made_up_for_are_not_due_at_once() {
    let start = at("2026-11-22T08:00:00Z");
    let (clock, state, scheduler) = world(start).await;
    let mut triggers = [trigger("late", "*/10 * * * *", Tz::UTC), trigger("later", "*/10 * * * *", Tz::UTC)];
    triggers[0].delays = vec![0, 30, 90];
    triggers[1].delays = vec![20, 60];
    scheduler.announce(&triggers).await.unwrap();
    let now = start + 15 * MINUTE;
    clock.set(now);
    assert_eq!(scheduler.step(&triggers).await.unwrap().asked, 5);
    let due = |records: &[Record], id: &str| -> Vec<i64> {
        let of = records.iter().rev().filter(|record| record.trigger.as_deref() == Some(id));
        of.map(|record| (record.due - now) / SECOND).collect()
    };
    let records = records(state.as_ref()).await;
    // The first is meant for its tick still: intervals count from it.
    assert_eq!(due(&records, "late"), [-300, 30, 90]);
    assert_eq!(due(&records, "later"), [-280, 60]);
    assert!(records.iter().all(|record| record.expires >= now.max(record.due) + 900 * SECOND));
}

#[tokio::test]
async fn ticks_of_a_trigger_that_cannot_fire_are_recorded_with_the_reason() {
    let start = at("2026-11-22T08:00:00Z");
    let (clock, state, scheduler) = world(start).await;
    let mut triggers = [trigger("last", "*/10 * * * *", Tz::UTC), trigger("none", "*/10 * * * *", Tz::UTC)];
    triggers[1].catch_up = CatchUp::None;
    let idle = triggers.clone().map(|trigger| Idle {
        id: trigger.id.clone(),
        func: trigger.func.clone(),
        why: "why".into(),
        would: Some(Box::new(trigger)),
    });
    scheduler.announce(&triggers).await.unwrap();
    let of = async |id: &str| {
        let mut records = records(state.as_ref()).await;
        records.retain(|record| record.trigger.as_deref() == Some(id));
        shown(&records)
    };
    clock.set(start + 10 * MINUTE + 60 * SECOND);
    assert_eq!(scheduler.pass_by(&idle).await.unwrap(), 0, "another machine may have the function");
    clock.set(start + 31 * MINUTE + 30 * SECOND);
    assert_eq!(scheduler.pass_by(&idle).await.unwrap(), 5);
    assert_eq!(scheduler.pass_by(&idle).await.unwrap(), 0, "once");
    assert_eq!(of("none").await, ["08:30 +0s missed x3: the trigger could not fire: why"]);
    assert_eq!(of("last").await, ["08:20 +0s missed x2: the trigger could not fire: why"]);
    // It can fire again: the newest is made up for, where that is wanted.
    clock.set(start + 35 * MINUTE);
    assert_eq!(scheduler.step(&triggers).await.unwrap().asked, 1);
    assert_eq!(of("last").await[1..], ["08:30 +0s queued x1"]);
    assert_eq!(of("none").await.len(), 1);
}

#[tokio::test]
async fn what_rests_or_is_off_or_is_new_has_nothing_to_make_up_for() {
    let start = at("2026-11-22T08:00:00Z");
    let (clock, state, scheduler) = world(start).await;
    let mut triggers = [trigger("paused", "*/10 * * * *", Tz::UTC), trigger("off", "*/10 * * * *", Tz::UTC)];
    triggers[1].enabled = false;
    scheduler.announce(&triggers).await.unwrap();
    assert!(state.pause("paused", true, start).await.unwrap());
    assert!(!state.pause("nobody", true, start).await.unwrap());
    clock.set(start + 25 * MINUTE);
    scheduler.step(&triggers).await.unwrap();
    clock.set(start + 35 * MINUTE);
    // Let go on, and switched on: from now.
    state.pause("paused", false, clock.now()).await.unwrap();
    triggers[1].enabled = true;
    scheduler.announce(&triggers).await.unwrap();
    scheduler.step(&triggers).await.unwrap();
    assert!(records(state.as_ref()).await.is_empty());
    clock.set(start + 40 * MINUTE);
    assert_eq!(scheduler.step(&triggers).await.unwrap().asked, 2);
    // Another crontab is a new one.
    triggers[0] = trigger("paused", "* * * * *", Tz::UTC);
    clock.set(start + 49 * MINUTE + 30 * SECOND);
    scheduler.announce(&triggers).await.unwrap();
    let step = scheduler.step(&triggers).await.unwrap();
    assert_eq!((step.asked, step.missed), (0, 0));
    clock.set(start + 50 * MINUTE);
    assert_eq!(scheduler.step(&triggers).await.unwrap().asked, 2);
}

#[tokio::test]
async fn an_argument_of_any_name_does_not_take_what_is_made_up_for() {
    let start = at("2026-11-22T08:00:00Z");
    let (clock, state, scheduler) = world(start).await;
    // Named and valued as a definition says that a trigger is off.
    let kwargs = |text: &str| serde_json::from_str(text).unwrap();
    let mut triggers = [
        trigger("enabled", "*/10 * * * *", Tz::UTC),
        trigger("switched", "*/10 * * * *", Tz::UTC),
        trigger("written", "*/10 * * * *", Tz::UTC),
    ];
    triggers[0].kwargs = kwargs(r#"{"enabled": false}"#);
    triggers[1].kwargs = kwargs(r#"{"switched": "off"}"#);
    triggers[2].kwargs = kwargs(r#"{"z": "\"switched\":\"off\"}"}"#);
    scheduler.announce(&triggers).await.unwrap();
    // The service was away, and says again which triggers there are when it is back.
    clock.set(start + 25 * MINUTE);
    scheduler.announce(&triggers).await.unwrap();
    let step = scheduler.step(&triggers).await.unwrap();
    assert_eq!((step.asked, step.missed), (3, 3), "the last tick of each runs, the one before is recorded");
    for record in records(state.as_ref()).await {
        let tick = if record.status == Status::Missed { 10 } else { 20 };
        assert_eq!(record.tick, Some(start + tick * MINUTE), "{record:?}");
    }
}

#[tokio::test]
async fn a_clock_that_was_ahead_stops_nothing_and_repeats_nothing() {
    let start = at("2026-11-22T08:00:00Z");
    let (clock, state, scheduler) = world(start).await;
    let triggers = [trigger("t", "*/10 * * * *", Tz::UTC)];
    scheduler.announce(&triggers).await.unwrap();
    // A wrong clock for a moment, a day ahead.
    clock.set(start + 24 * 60 * MINUTE);
    scheduler.step(&triggers).await.unwrap();
    let before = records(state.as_ref()).await.len();
    for minutes in 0..=30 {
        clock.set(start + minutes * MINUTE);
        scheduler.step(&triggers).await.unwrap();
    }
    assert_eq!(records(state.as_ref()).await.len(), before + 3);
}
