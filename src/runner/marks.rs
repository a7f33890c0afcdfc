//! Windows and marks: up to where metrics were delivered, and what of the overlap is news.
//!
//! Owns the windows of one collector's run. A mark moves only through [`Marks::advance`], whose answer the delivery puts
//! into the transaction that records the acknowledgement. Knows no cloud and no SQL.

use crate::sink::{MARGIN, REACH as DATAKIT_REACH, oldest_writable};
use crate::state::{Sent, State, StateError, Time};
use funchost_collectors::clock::SECOND;
use funchost_collectors::collector::{MarkId, MarkKey, MetricPoint, Window};
use funchost_collectors::point::{Point, Text, Value};
use funchost_collectors::run::WindowRequest;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use xxhash_rust::xxh3::xxh3_64;

/// Metrics that one warning names.
const NAMED: usize = 10;

/// At least so many points are known again within a run.
const REMEMBERED: usize = 57_000;

/// The first window of a metric.
const FIRST_WINDOW: Time = 600 * SECOND;

/// The marks of one collector's run.
pub(crate) struct Marks {
    state: Arc<dyn State>,
    /// Everything that makes a mark this DataKit's, this account's and these extra tags'.
    scope: String,
    overlap: Time,
    /// In debug mode marks are neither consulted nor recorded.
    remembered: bool,
    opened: Mutex<Opened>,
}

#[derive(Default)]
struct Opened {
    by_key: HashMap<MarkKey, MarkId>,
    marks: Vec<Open>,
    /// Seconds that windows lost at the limit of two hours: the most of any mark.
    cut: Time,
    recent: Recent,
    /// What is hashed.
    buffer: Vec<u8>,
}

/// What this run has handed over last: enough to notice a page that repeats itself, in memory that does not grow with the estate.
#[derive(Default)]
struct Recent {
    now: HashMap<u64, u64>,
    before: HashMap<u64, u64>,
}

impl Recent {
    /// Puts a point's fields in the place of those known before. Under a hash of mark, time and identity: half of what these take themselves.
    fn put(&mut self, mark: MarkId, time: Time, identity: u64, fields: u64) -> Option<u64> {
        let mut key = [0; 24];
        key[..8].copy_from_slice(&(mark.0 as u64).to_le_bytes());
        key[8..16].copy_from_slice(&time.to_le_bytes());
        key[16..].copy_from_slice(&identity.to_le_bytes());
        let key = xxh3_64(&key);
        if self.now.len() >= REMEMBERED {
            self.before = std::mem::take(&mut self.now);
        }
        self.now.insert(key, fields).or_else(|| self.before.get(&key).copied())
    }
}

struct Open {
    key: String,
    name: String,
    window: Window,
    period: Time,
    sent: HashMap<(Time, u64), u64>,
    /// Even the newest whole period begins before what DataKit takes.
    out_of_reach: bool,
    too_old: u64,
    in_time: u64,
    newest_too_old: Time,
}

/// What is to be done with a metric point.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Verdict {
    /// Send it; this is what is to be remembered when it has gone.
    News(Vec<(MarkId, Sent)>),
    /// It was sent before, as it is.
    Known,
    /// DataKit would write it under a wrong time.
    TooOld,
}

impl Marks {
    /// Marks for points that go to `datakit` for this account with these extra tags.
    pub(crate) fn new(
        state: Arc<dyn State>,
        datakit: &str,
        account: &str,
        extra_tags: u64,
        overlap: Time,
        remembered: bool,
    ) -> Self {
        let scope = format!("{datakit}\n{account}\n{extra_tags:016x}");
        Self { state, scope, overlap, remembered, opened: Mutex::default() }
    }

    /// Opens marks: the windows to ask for, in the order given.
    pub(crate) async fn open(
        &self,
        marks: &[(MarkKey, WindowRequest)],
        now: Time,
    ) -> Result<Vec<Window>, StateError> {
        let keys: Vec<String> = marks.iter().map(|(key, _)| self.full_key(key)).collect();
        let remembered = if self.remembered {
            self.state.marks(&keys).await?
        } else {
            vec![Default::default(); keys.len()]
        };
        let mut opened = self.lock();
        let mut windows = Vec::with_capacity(marks.len());
        for (((key, request), full), mark) in marks.iter().zip(keys).zip(remembered) {
            let period = request.period.max(1) * SECOND;
            let earliest = round_up(oldest_writable(now), period);
            // A mark in the future was made under a clock that has been set right since: it says nothing.
            let until = mark.until.filter(|until| *until <= request.end + DATAKIT_REACH);
            let wanted = until.unwrap_or(round_down(request.end - FIRST_WINDOW, period));
            let fresh = wanted.max(earliest);
            let start = match until {
                Some(until) => round_down(until - self.overlap, period).max(earliest),
                None => fresh,
            };
            if until.is_some() && fresh < request.end {
                opened.cut = opened.cut.max(fresh - wanted);
            }
            // Nothing new can be there: asking again would cost the same call for the overlap alone.
            let start = if fresh >= request.end { request.end } else { start };
            let id = opened.by_key.get(key).copied().unwrap_or(MarkId(opened.marks.len()));
            let window = Window { mark: id, start, fresh: fresh.min(request.end), end: request.end };
            let open = Open {
                key: full,
                name: format!("{} {}", key.namespace, key.metric),
                window,
                period,
                // What lies before the window does not come again.
                sent: mark
                    .sent
                    .iter()
                    .filter(|sent| sent.time >= start)
                    .map(|sent| ((sent.time, sent.identity), sent.fields))
                    .collect(),
                // A datapoint has the time at which its period began.
                out_of_reach: period > DATAKIT_REACH - MARGIN,
                too_old: 0,
                in_time: 0,
                newest_too_old: 0,
            };
            if id.0 == opened.marks.len() {
                opened.marks.push(open);
                opened.by_key.insert(key.clone(), id);
            } else {
                opened.marks[id.0] = open;
            }
            windows.push(window);
        }
        Ok(windows)
    }

    /// Is this point news, and what is to be remembered of it?
    pub(super) fn judge(&self, metric: &MetricPoint, now: Time) -> Verdict {
        let point = &metric.point;
        let mut opened = self.lock();
        let opened = &mut *opened;
        if point.time < oldest_writable(now) {
            for part in &metric.parts {
                if let Some(open) = opened.marks.get_mut(part.mark.0) {
                    open.too_old += 1;
                    open.newest_too_old = open.newest_too_old.max(point.time);
                }
            }
            return Verdict::TooOld;
        }
        let identity = identity(point, &mut opened.buffer);
        let mut changed = false;
        let mut memory = Vec::with_capacity(metric.parts.len());
        for part in &metric.parts {
            let fields = fingerprint(point, part.first_field, part.fields, &mut opened.buffer);
            if let Some(open) = opened.marks.get_mut(part.mark.0) {
                open.in_time += 1;
                // What is handed over counts as sent in this run too: a page that repeats itself sends nothing twice.
                let known = opened.recent.put(part.mark, point.time, identity, fields);
                let known = known.or_else(|| open.sent.get(&(point.time, identity)).copied());
                changed |= known != Some(fields);
            }
            memory.push((part.mark, Sent { time: point.time, identity, fields }));
        }
        if changed { Verdict::News(memory) } else { Verdict::Known }
    }

    /// The database's key of a mark.
    pub(super) fn key(&self, mark: MarkId) -> Option<String> {
        self.lock().marks.get(mark.0).map(|open| open.key.clone())
    }

    /// Where a mark moves when its window has been delivered up to `until`, and what may be forgotten then. `now` is the cloud's time as
    /// the answers told it: a window that was opened by a clock that is ahead ends in a future of which nothing was read.
    pub(super) fn advance(&self, mark: MarkId, until: Time, now: Time) -> Option<(String, Time, Time)> {
        let opened = self.lock();
        let open = opened.marks.get(mark.0)?;
        // One period more than the overlap: the next window starts at a rounded time.
        let until = until.min(open.window.end).min(round_down(now, open.period));
        let forget = until - self.overlap - 2 * open.period;
        Some((open.key.clone(), until, forget))
    }

    /// What a person should know about windows and old points.
    pub(super) fn warnings(&self, now: Time) -> Vec<String> {
        let opened = self.lock();
        let mut warnings = Vec::new();
        if opened.cut > 0 {
            warnings.push(format!(
                "{} of metrics were not collected: the last delivery was too long ago, and DataKit overwrites times more than two hours old",
                duration(opened.cut)
            ));
        }
        let mut newest: BTreeMap<&str, Time> = BTreeMap::new();
        for open in opened.marks.iter().filter(|open| open.too_old > 0 && open.in_time == 0) {
            let known = newest.entry(&open.name).or_insert(open.newest_too_old);
            *known = open.newest_too_old.max(*known);
        }
        for (name, time) in newest {
            warnings.push(format!(
                "{name}: its newest point is {} old and was not sent: DataKit overwrites times more than two hours old",
                duration(now - time)
            ));
        }
        let mut unreachable: BTreeMap<Time, BTreeSet<&str>> = BTreeMap::new();
        for open in opened.marks.iter().filter(|open| open.out_of_reach) {
            unreachable.entry(open.period).or_default().insert(&open.name);
        }
        for (period, names) in unreachable {
            let shown: Vec<&str> = names.iter().copied().take(NAMED).collect();
            let more = match names.len().saturating_sub(NAMED) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            warnings.push(format!(
                "{}{more}: one point every {}, always more than two hours old when it is published: not asked for, as DataKit overwrites such times",
                shown.join(", "),
                duration(period)
            ));
        }
        warnings
    }

    fn full_key(&self, key: &MarkKey) -> String {
        let mut dimensions: Vec<&str> = key.dimensions.iter().map(|name| &**name).collect();
        dimensions.sort_unstable();
        format!(
            "{}\n{}\n{}\n{}\n{}",
            self.scope,
            key.region,
            key.namespace,
            key.metric,
            dimensions.join("\u{1f}")
        )
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Opened> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A stable hash of what a point is of: its measurement and its own tags, whatever their order.
fn identity(point: &Point, buffer: &mut Vec<u8>) -> u64 {
    buffer.clear();
    update(buffer, point.measurement.as_bytes());
    let mut add = |(key, value): &(Text, Text)| {
        update(buffer, key.as_bytes());
        update(buffer, value.as_bytes());
    };
    if point.tags.is_sorted() {
        point.tags.iter().for_each(add);
    } else {
        let mut tags: Vec<&(Text, Text)> = point.tags.iter().collect();
        tags.sort_unstable();
        tags.into_iter().for_each(&mut add);
    }
    xxh3_64(buffer)
}

/// A stable hash of one metric's fields in a point.
fn fingerprint(point: &Point, first: usize, count: usize, buffer: &mut Vec<u8>) -> u64 {
    buffer.clear();
    for (key, value) in point.fields.iter().skip(first).take(count) {
        update(buffer, key.as_bytes());
        match value {
            Value::Float(number) => buffer.extend_from_slice(&number.to_bits().to_le_bytes()),
            Value::Integer(number) => buffer.extend_from_slice(&number.to_le_bytes()),
            Value::Boolean(yes) => buffer.push(u8::from(*yes)),
            Value::Text(text) => update(buffer, text.as_bytes()),
        }
    }
    xxh3_64(buffer)
}

/// With its length, so that `ab` + `c` differs from `a` + `bc`.
fn update(buffer: &mut Vec<u8>, bytes: &[u8]) {
    buffer.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
    buffer.extend_from_slice(bytes);
}

fn round_down(time: Time, period: Time) -> Time {
    time - time.rem_euclid(period)
}

fn round_up(time: Time, period: Time) -> Time {
    round_down(time + period - 1, period)
}

/// A time span as a person says it.
pub(crate) fn duration(nanoseconds: Time) -> String {
    let seconds = nanoseconds / SECOND;
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::{Commit, Sqlite};
    use funchost_collectors::clock::SystemClock;
    use funchost_collectors::collector::Part;
    use funchost_collectors::point::Category;
    use proptest::prelude::*;

    const MINUTE: Time = 60 * SECOND;
    const OVERLAP: Time = 15 * MINUTE;
    /// Any full hour.
    const START: Time = 1_800_000_000 * SECOND - 1_800_000_000 * SECOND % (3600 * SECOND);

    fn key() -> MarkKey {
        MarkKey {
            region: "cn-north-1".into(),
            namespace: "AWS/EC2".into(),
            metric: "CPUUtilization".into(),
            dimensions: vec!["InstanceId".into()],
        }
    }

    fn point(mark: MarkId, time: Time, value: f64) -> MetricPoint {
        MetricPoint {
            point: Point {
                category: Category::Metric,
                measurement: "aws_AWS/EC2".into(),
                tags: vec![("InstanceId".into(), "i-1".into())],
                fields: vec![("CPUUtilization_Sum".into(), Value::Float(value))],
                time,
            },
            link: None,
            parts: vec![Part { mark, first_field: 0, fields: 1 }],
        }
    }

    fn marks(state: &Arc<dyn State>) -> Marks {
        Marks::new(state.clone(), "datakit", "aws/AKID", 0, OVERLAP, true)
    }

    /// The window of a run at `now`.
    async fn window(marks: &Marks, now: Time) -> Window {
        let end = round_down(now - MINUTE, MINUTE);
        marks.open(&[(key(), WindowRequest { end, period: 60 })], now).await.unwrap()[0]
    }

    async fn state() -> Arc<dyn State> {
        Arc::new(Sqlite::in_memory(Arc::new(SystemClock)).await.unwrap())
    }

    #[tokio::test]
    async fn the_first_window_is_ten_minutes() {
        let state = state().await;
        let window = window(&marks(&state), START + 30 * SECOND).await;
        assert_eq!(window.end, START - MINUTE);
        assert_eq!(window.start, START - 11 * MINUTE);
        assert_eq!(window.fresh, window.start);
    }

    #[tokio::test]
    async fn a_window_reaches_two_hours_back_at_most_and_says_what_it_lost() {
        let state = state().await;
        let first = marks(&state);
        let opened = window(&first, START).await;
        let moved = first.advance(opened.mark, opened.end, START).unwrap();
        state.commit(Commit { marks: vec![moved], ..Commit::default() }, u64::MAX).await.unwrap();
        let later = marks(&state);
        let now = START + 5 * 3600 * SECOND;
        let window = window(&later, now).await;
        assert!(window.start >= oldest_writable(now) && window.start <= oldest_writable(now) + MINUTE);
        let warnings = later.warnings(now);
        assert_eq!(warnings.len(), 1);
        assert!(warnings[0].starts_with("3 h of metrics were not collected"), "{warnings:?}");
    }

    #[tokio::test]
    async fn nothing_new_is_nothing_to_ask() {
        let state = state().await;
        let first = marks(&state);
        let opened = window(&first, START).await;
        let moved = first.advance(opened.mark, opened.end, START).unwrap();
        state.commit(Commit { marks: vec![moved], ..Commit::default() }, u64::MAX).await.unwrap();
        let window = window(&marks(&state), START + 20 * SECOND).await;
        assert!(window.start >= window.end, "{window:?}");
    }

    #[tokio::test]
    async fn too_old_points_are_held_back_and_named() {
        let state = state().await;
        let marks = marks(&state);
        let opened = window(&marks, START).await;
        let verdict = marks.judge(&point(opened.mark, START - 26 * 3600 * SECOND, 1.0), START);
        assert_eq!(verdict, Verdict::TooOld);
        assert_eq!(
            marks.warnings(START),
            [
                "AWS/EC2 CPUUtilization: its newest point is 26 h old and was not sent: DataKit overwrites times more than two hours old"
            ]
        );
    }

    #[tokio::test]
    async fn a_daily_metric_is_not_asked_for_and_named_once_at_any_hour() {
        let state = state().await;
        let day = 86_400 * SECOND;
        for hour in 0..24 {
            let now = START + hour * 3600 * SECOND + 90 * SECOND;
            let marks = marks(&state);
            let request = WindowRequest { end: round_down(now - MINUTE, day), period: 86_400 };
            let keys = ["StorageType", "Region"].map(|dimension| MarkKey {
                namespace: "AWS/S3".into(),
                metric: "BucketSizeBytes".into(),
                dimensions: vec!["BucketName".into(), dimension.into()],
                ..key()
            });
            let windows = marks.open(&keys.map(|key| (key, request)), now).await.unwrap();
            assert!(windows.iter().all(|window| window.start >= window.end), "{hour}: {windows:?}");
            assert_eq!(
                marks.warnings(now),
                [
                    "AWS/S3 BucketSizeBytes: one point every 24 h, always more than two hours old when it is published: not asked for, as DataKit overwrites such times"
                ]
            );
        }
    }

    #[tokio::test]
    async fn an_hourly_metric_is_asked_for() {
        let state = state().await;
        for minute in 0..58 {
            let now = START + minute * MINUTE + 70 * SECOND;
            let marks = marks(&state);
            let request = WindowRequest { end: round_down(now - MINUTE, 60 * MINUTE), period: 3600 };
            let window = marks.open(&[(key(), request)], now).await.unwrap()[0];
            assert_eq!(window.end - window.start, 60 * MINUTE, "{minute}");
            assert!(marks.warnings(now).is_empty());
        }
    }

    /// What happens in one simulated minute.
    #[derive(Debug, Clone)]
    struct Minute {
        /// Does a run happen, and does its delivery succeed (or is it killed before the commit)?
        run: Option<bool>,
        /// How many minutes late the point of this minute is published.
        late: u8,
        /// Does its value change a few minutes after that?
        changes: bool,
    }

    fn minute() -> impl Strategy<Value = Minute> {
        (
            prop_oneof![3 => Just(Some(true)), 1 => Just(Some(false)), 1 => Just(None)],
            prop_oneof![6 => Just(0u8), 1 => 1u8..10],
            prop::bool::weighted(0.1),
        )
            .prop_map(|(run, late, changes)| Minute { run, late, changes })
    }

    /// `.ci/run --long` asks for more.
    fn cases() -> u32 {
        std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(64)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

        /// Over random schedules, outages, late points and kills: every point arrives with its own time and its last value,
        /// none is invented, and none comes again unchanged after it was acknowledged.
        #[test]
        fn every_point_arrives(minutes in prop::collection::vec(minute(), 20..90)) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let state = state().await;
                let mut arrived: BTreeMap<Time, f64> = BTreeMap::new();
                let mut acknowledged: BTreeMap<Time, f64> = BTreeMap::new();
                let mut first_asked = None;
                let value = |index: usize, now: Time| {
                    let published = START + index as Time * MINUTE + Time::from(minutes[index].late) * MINUTE;
                    let changed = minutes[index].changes && now >= published + 3 * MINUTE;
                    (now >= published + MINUTE).then_some(index as f64 + if changed { 0.5 } else { 0.0 })
                };
                // Runs go on for a while after the last point, so that late ones can be caught.
                for step in 0..minutes.len() + 20 {
                    let now = START + step as Time * MINUTE + 7 * SECOND;
                    let run = minutes.get(step).map_or(Some(true), |minute| minute.run);
                    let Some(committed) = run else { continue };
                    let marks = marks(&state);
                    let window = window(&marks, now).await;
                    let mut sent = Vec::new();
                    for index in 0..minutes.len() {
                        let time = START + index as Time * MINUTE;
                        let Some(value) = value(index, now) else { continue };
                        if time < window.start || time >= window.end {
                            continue;
                        }
                        match marks.judge(&point(window.mark, time, value), now) {
                            Verdict::News(memory) => {
                                // What was acknowledged and has not changed is not news.
                                prop_assert!(acknowledged.get(&time) != Some(&value), "minute {} came twice", index);
                                // A killed run may have delivered too: the same point, the same time.
                                arrived.insert(time, value);
                                sent.push((time, value, memory));
                            }
                            Verdict::Known => prop_assert_eq!(arrived.get(&time), Some(&value)),
                            Verdict::TooOld => prop_assert!(false, "nothing here is two hours old"),
                        }
                    }
                    if committed {
                        first_asked.get_or_insert(window.start);
                        acknowledged.extend(sent.iter().map(|(time, value, _)| (*time, *value)));
                        let sent: Vec<Sent> =
                            sent.into_iter().flat_map(|(_, _, memory)| memory).map(|(_, sent)| sent).collect();
                        let key = marks.key(window.mark).unwrap();
                        let commit = Commit {
                            sent: vec![(key, sent)],
                            marks: marks.advance(window.mark, window.end, now).into_iter().collect(),
                            ..Commit::default()
                        };
                        state.commit(commit, u64::MAX).await.unwrap();
                    }
                }
                let end = START + (minutes.len() + 20) as Time * MINUTE;
                for index in 0..minutes.len() {
                    let time = START + index as Time * MINUTE;
                    if time < first_asked.unwrap_or(end) {
                        continue;
                    }
                    prop_assert_eq!(arrived.get(&time).copied(), value(index, end), "minute {}", index);
                }
                Ok(())
            })?;
        }
    }
}
