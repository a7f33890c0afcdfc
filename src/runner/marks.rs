//! Windows and marks: up to where metrics were delivered, and what of the overlap is news.
//!
//! Owns the windows of one collector's run. A mark moves only through [`Marks::advance`], whose answer the delivery puts
//! into the transaction that records the acknowledgement. Knows no cloud and no SQL.

use crate::state::{Sent, State, StateError, Time};
use funchost_collectors::clock::SECOND;
use funchost_collectors::collector::{MarkId, MarkKey, MetricPoint, Window};
use funchost_collectors::point::{Point, Value};
use funchost_collectors::run::WindowRequest;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use xxhash_rust::xxh3::Xxh3;

/// DataKit overwrites the time of a point that is further than this from its clock.
pub const DATAKIT_REACH: Time = 2 * 3600 * SECOND;

/// How much earlier than DataKit's limit a point is already too old: it must still be in time when it arrives.
const MARGIN: Time = 60 * SECOND;

/// The first window of a metric.
const FIRST_WINDOW: Time = 600 * SECOND;

/// The oldest time that a point may have now and still be written.
#[must_use]
pub fn oldest_writable(now: Time) -> Time {
    now - DATAKIT_REACH + MARGIN
}

/// The marks of one collector's run.
pub struct Marks {
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
}

struct Open {
    key: String,
    name: String,
    window: Window,
    period: Time,
    sent: HashMap<(Time, u64), u64>,
    too_old: u64,
    in_time: u64,
    newest_too_old: Time,
}

/// What is to be done with a metric point.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// Send it; this is what is to be remembered when it has gone.
    News(Vec<(MarkId, Sent)>),
    /// It was sent before, as it is.
    Known,
    /// DataKit would write it under a wrong time.
    TooOld,
}

impl Marks {
    /// Marks for points that go to `datakit` for this account with these extra tags.
    pub fn new(
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
    pub async fn open(&self, marks: &[(MarkKey, WindowRequest)], now: Time) -> Result<Vec<Window>, StateError> {
        let keys: Vec<String> = marks.iter().map(|(key, _)| self.full_key(key)).collect();
        let remembered =
            if self.remembered { self.state.marks(&keys).await? } else { vec![Default::default(); keys.len()] };
        let mut opened = self.lock();
        let mut windows = Vec::with_capacity(marks.len());
        for (((key, request), full), mark) in marks.iter().zip(keys).zip(remembered) {
            let period = request.period.max(1) * SECOND;
            let earliest = round_up(oldest_writable(now), period);
            let wanted = mark.until.unwrap_or(round_down(request.end - FIRST_WINDOW, period));
            let fresh = wanted.max(earliest);
            let start = match mark.until {
                Some(until) => round_down(until - self.overlap, period).max(earliest),
                None => fresh,
            };
            if mark.until.is_some() && fresh < request.end {
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
                sent: mark.sent.iter().map(|sent| ((sent.time, sent.identity), sent.fields)).collect(),
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
    pub fn judge(&self, metric: &MetricPoint, now: Time) -> Verdict {
        let point = &metric.point;
        let mut opened = self.lock();
        if point.time < oldest_writable(now) {
            for part in &metric.parts {
                if let Some(open) = opened.marks.get_mut(part.mark.0) {
                    open.too_old += 1;
                    open.newest_too_old = open.newest_too_old.max(point.time);
                }
            }
            return Verdict::TooOld;
        }
        let identity = identity(point);
        let mut changed = false;
        let mut memory = Vec::with_capacity(metric.parts.len());
        for part in &metric.parts {
            let fields = fingerprint(point, part.first_field, part.fields);
            if let Some(open) = opened.marks.get_mut(part.mark.0) {
                open.in_time += 1;
                // What is handed over counts as sent in this run too: a page that repeats itself sends nothing twice.
                if open.sent.insert((point.time, identity), fields) != Some(fields) {
                    changed = true;
                }
            }
            memory.push((part.mark, Sent { time: point.time, identity, fields }));
        }
        if changed { Verdict::News(memory) } else { Verdict::Known }
    }

    /// The database's key of a mark.
    pub fn key(&self, mark: MarkId) -> Option<String> {
        self.lock().marks.get(mark.0).map(|open| open.key.clone())
    }

    /// Where a mark moves when its window has been delivered, and what may be forgotten then.
    pub fn advance(&self, mark: MarkId) -> Option<(String, Time, Time)> {
        let opened = self.lock();
        let open = opened.marks.get(mark.0)?;
        // One period more than the overlap: the next window starts at a rounded time.
        let forget = open.window.end - self.overlap - 2 * open.period;
        Some((open.key.clone(), open.window.end, forget))
    }

    /// What a person should know about windows and old points.
    pub fn warnings(&self, now: Time) -> Vec<String> {
        let opened = self.lock();
        let mut warnings = Vec::new();
        if opened.cut > 0 {
            warnings.push(format!(
                "{} of metrics were not collected: the last delivery was too long ago, and DataKit overwrites times more than two hours old",
                duration(opened.cut)
            ));
        }
        for open in opened.marks.iter().filter(|open| open.too_old > 0 && open.in_time == 0) {
            warnings.push(format!(
                "{}: its newest point is {} old and was not sent: DataKit overwrites times more than two hours old",
                open.name,
                duration(now - open.newest_too_old)
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
fn identity(point: &Point) -> u64 {
    let mut tags: Vec<(&str, &str)> = point.tags.iter().map(|(key, value)| (&**key, &**value)).collect();
    tags.sort_unstable();
    let mut hash = Xxh3::new();
    update(&mut hash, point.measurement.as_bytes());
    for (key, value) in tags {
        update(&mut hash, key.as_bytes());
        update(&mut hash, value.as_bytes());
    }
    hash.digest()
}

/// A stable hash of one metric's fields in a point.
fn fingerprint(point: &Point, first: usize, count: usize) -> u64 {
    let mut hash = Xxh3::new();
    for (key, value) in point.fields.iter().skip(first).take(count) {
        update(&mut hash, key.as_bytes());
        match value {
            Value::Float(number) => hash.update(&number.to_bits().to_le_bytes()),
            Value::Integer(number) => hash.update(&number.to_le_bytes()),
            Value::Boolean(yes) => hash.update(&[u8::from(*yes)]),
            Value::Text(text) => update(&mut hash, text.as_bytes()),
        }
    }
    hash.digest()
}

/// With its length, so that `ab` + `c` differs from `a` + `bc`.
fn update(hash: &mut Xxh3, bytes: &[u8]) {
    hash.update(&(bytes.len() as u64).to_le_bytes());
    hash.update(bytes);
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
