//! Delivery: what a collector sends is linked, tagged, batched, written, and remembered in one transaction.
//!
//! Owns the order in which things become true: a mark moves in the transaction that records DataKit's acknowledgement or
//! stores the points in the outbox, never before. Knows no cloud and no SQL.

use super::marks::{Marks, Verdict};
use super::{GRACE, Lines, OutboxReport};
use crate::link::{self, Linker, ObjectTags, added};
use crate::script::Prepared;
use crate::sink::batch::Batch;
use crate::sink::datakit::{DataKit, Delivery as Answer, Outcome};
use crate::sink::line::{self, Added, Notes};
use crate::state::{Commit, ObjectScope, Parcel, Sent, State, StateError, Time};
use funchost_collectors::account::Cloud;
use funchost_collectors::call::{CallPath, number};
use funchost_collectors::clock::Clock;
use funchost_collectors::collector::{Collector, Failure, Link, MarkId, MetricPoint, Output};
use funchost_collectors::mapped::Mapped as _;
use funchost_collectors::point::{Point, Text, Value};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, PoisonError};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Causes of rejected lines that a report shows; the rest is counted.
const CAUSES: usize = 5;

/// Points of a collector that are shown as samples.
const SAMPLES: usize = 20;

/// How long one batch may take, with all of its retries.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

/// The same of what an earlier run left: a DataKit that does not take it soon shall not keep the run from collecting.
const OUTBOX_PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);

/// Parcels of the outbox that are in memory at once: each is a batch of at most 1 MiB.
const PARCELS: u32 = 4;

/// Where points go.
pub(super) struct Target(Kind);

enum Kind {
    /// Debug mode.
    Lines(Lines),
    DataKit(Box<Written>),
}

struct Written {
    id: String,
    datakit: Arc<DataKit>,
    state: Arc<dyn State>,
    limit: u64,
    /// Why DataKit takes nothing now. Then everything is kept, so that order holds.
    down: Option<String>,
    /// Why points were not sent although it takes others.
    held: Option<String>,
    evicted: u64,
}

impl Written {
    /// What of a batch must be kept after this answer.
    fn left(&mut self, answer: Answer) -> Option<Batch> {
        let mut left = match answer.outcome {
            Outcome::Done => None,
            Outcome::Kept { why, rest } => {
                self.down = Some(why);
                Some(rest)
            }
        };
        if let Some(held) = answer.held {
            self.held = Some(held.why);
            match &mut left {
                Some(left) => left.append(&held.batch),
                None => left = Some(held.batch),
            }
        }
        left
    }
}

impl Target {
    pub(super) fn lines(lines: Lines) -> Self {
        Self(Kind::Lines(lines))
    }

    pub(super) fn datakit(id: String, datakit: Arc<DataKit>, state: Arc<dyn State>, limit: u64) -> Self {
        Self(Kind::DataKit(Box::new(Written {
            id,
            datakit,
            state,
            limit,
            down: None,
            held: None,
            evicted: 0,
        })))
    }

    /// Points that the full outbox pushed out.
    pub(super) fn evicted(&self) -> u64 {
        match &self.0 {
            Kind::Lines(_) => 0,
            Kind::DataKit(written) => written.evicted,
        }
    }

    /// Why DataKit takes nothing, or not everything.
    pub(super) fn down(&self) -> Option<&str> {
        match &self.0 {
            Kind::Lines(_) => None,
            Kind::DataKit(written) => written.down.as_deref().or(written.held.as_deref()),
        }
    }

    /// Is it a DataKit?
    pub(super) fn is_datakit(&self) -> bool {
        matches!(self.0, Kind::DataKit(_))
    }

    /// What to say of DataKit's clock.
    pub(super) fn clock_note(&self) -> Option<String> {
        match &self.0 {
            Kind::Lines(_) => None,
            Kind::DataKit(written) => written.datakit.clock_note(),
        }
    }
}

/// When a run is stopped, in two steps.
#[derive(Clone)]
pub(super) struct Ending {
    /// Collecting ends.
    pub(super) stop: CancellationToken,
    /// Delivering ends too: what DataKit has not taken by now is kept.
    pub(super) end: CancellationToken,
}

impl Ending {
    /// The second step follows the first by [`GRACE`]. The task ends with the token that it is given.
    pub(super) fn after(stop: CancellationToken) -> Self {
        let end = CancellationToken::new();
        let ending = Self { stop, end };
        let watched = ending.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = watched.end.cancelled() => {}
                () = async {
                    watched.stop.cancelled().await;
                    tokio::time::sleep(GRACE).await;
                } => watched.end.cancel(),
            }
        });
        ending
    }

    /// Writes a batch, as long as there is time.
    async fn write(&self, datakit: &DataKit, batch: &Batch, patience: std::time::Duration) -> Answer {
        let kept = || Answer {
            delivered: 0,
            rejected: Vec::new(),
            too_old: 0,
            held: None,
            outcome: Outcome::Kept {
                why: "the run ended before DataKit had taken them".into(),
                rest: batch.clone(),
            },
        };
        tokio::select! {
            biased;
            () = self.end.cancelled() => kept(),
            answer = datakit.write(batch, Instant::now() + patience) => answer,
        }
    }
}

/// Sends what earlier runs left, in order, until DataKit takes no more.
pub(super) async fn send_outbox(target: &mut Target, ending: &Ending) -> Result<OutboxReport, StateError> {
    let mut report = OutboxReport::default();
    let Kind::DataKit(written) = &mut target.0 else { return Ok(report) };
    let mut after = 0;
    while !ending.stop.is_cancelled() && written.down.is_none() {
        let parcels = written.state.outbox(&written.id, after, PARCELS).await?;
        if parcels.is_empty() {
            break;
        }
        for parcel in parcels {
            after = parcel.id;
            let mut removed = Commit { removed: vec![parcel.id], ..Commit::default() };
            match Batch::from_bytes(&parcel.body) {
                // Nothing can be made of it, and it would stand in the way of all others.
                Err(error) => {
                    tracing::error!(parcel = parcel.id, points = parcel.points, %error, "dropped from the outbox");
                    report.rejected += parcel.points;
                }
                Ok(batch) => {
                    let answer = ending.write(&written.datakit, &batch, OUTBOX_PATIENCE).await;
                    report.delivered += answer.delivered;
                    report.rejected += answer.rejected.len() as u64;
                    report.too_old += answer.too_old;
                    let left = written.left(answer);
                    // What was delivered of it must not go again; what was rejected or dropped must not stay, or it is counted twice.
                    if left.as_ref().is_some_and(|left| left.len() as u64 == parcel.points) {
                        removed.removed.clear();
                    } else if let Some(left) = left {
                        // In its old place: what was kept after it goes after it.
                        let left = parcel_of(&left, &parcel.datakit, parcel.created);
                        removed.kept.push(Parcel { id: parcel.id, ..left });
                    }
                }
            }
            if removed != Commit::default() {
                let evicted = written.state.commit(removed, written.limit).await?;
                written.evicted += evicted.points;
            }
            if written.down.is_some() {
                break;
            }
        }
    }
    Ok(report)
}

/// A point as data.
fn sample(collector: &str, point: &Point) -> serde_json::Value {
    let fields: serde_json::Map<String, serde_json::Value> = point
        .fields
        .iter()
        .map(|(key, value)| {
            let value = match value {
                Value::Float(number) => (*number).into(),
                Value::Integer(number) => (*number).into(),
                Value::Boolean(truth) => (*truth).into(),
                Value::Text(text) => text.as_ref().into(),
            };
            (key.to_string(), value)
        })
        .mapped();
    let tags: BTreeMap<&str, &str> = point.tags.iter().map(|(key, value)| (&**key, &**value)).mapped();
    serde_json::json!({
        "collector": collector,
        "category": point.category.as_str(),
        "measurement": &*point.measurement,
        "time": point.time,
        "tags": tags,
        "fields": fields,
    })
}

impl Target {
    /// Writes a batch of points that belong to no mark; what DataKit does not take is kept.
    pub(super) async fn write(
        &mut self,
        batch: Batch,
        ending: &Ending,
        now: Time,
    ) -> Result<TargetWritten, StateError> {
        let written = match &mut self.0 {
            Kind::Lines(lines) => {
                let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
                // A reader that has gone away (`| head`) has seen what it wanted.
                let written = lines.write_all(batch.body());
                let delivered = if written.is_ok() { batch.len() as u64 } else { 0 };
                return Ok(TargetWritten { delivered, ..TargetWritten::default() });
            }
            Kind::DataKit(written) => written,
        };
        let mut result = TargetWritten::default();
        let rest = if written.down.is_some() {
            Some(batch)
        } else {
            let answer = ending.write(&written.datakit, &batch, PATIENCE).await;
            result.delivered = answer.delivered;
            result.too_old = answer.too_old;
            result.refused = answer.rejected.iter().map(ToString::to_string).collect();
            written.left(answer)
        };
        result.kept = rest.as_ref().map_or(0, Batch::len) as u64;
        if let Some(rest) = rest {
            let parcel = parcel_of(&rest, &written.id, now);
            let commit = Commit { kept: vec![parcel], ..Commit::default() };
            written.evicted += written.state.commit(commit, written.limit).await?.points;
        }
        Ok(result)
    }
}

/// What became of points that belong to no mark.
#[derive(Default)]
pub(super) struct TargetWritten {
    pub(super) delivered: u64,
    pub(super) kept: u64,
    pub(super) too_old: u64,
    /// The lines that DataKit refused, with its causes.
    pub(super) refused: Vec<String>,
}

fn parcel_of(batch: &Batch, datakit: &str, created: Time) -> Parcel {
    Parcel {
        id: 0,
        datakit: datakit.to_owned(),
        category: batch.category().as_str().to_owned(),
        created,
        oldest: batch.oldest().unwrap_or(created),
        points: batch.len() as u64,
        body: batch.to_bytes(),
    }
}

/// What one collector's delivery came to.
#[derive(Default)]
pub(super) struct Delivered {
    pub(super) collected: u64,
    pub(super) delivered: u64,
    pub(super) kept: u64,
    pub(super) rejected: u64,
    pub(super) too_old: u64,
    pub(super) already_sent: u64,
    pub(super) linked: u64,
    /// How each region ended.
    pub(super) regions: HashMap<Text, Result<(), Failure>>,
    /// The names of the objects of each region.
    pub(super) seen: HashMap<Text, HashSet<Text>>,
    pub(super) warnings: Vec<String>,
    pub(super) errors: Vec<String>,
    /// The first points, for whoever wants to see what goes out.
    pub(super) samples: Vec<serde_json::Value>,
    /// The state could not be used: what was collected does not count as collected.
    pub(super) state_failed: bool,
}

/// One collector's delivery.
pub(super) struct Delivery<'run> {
    account: String,
    collector: &'static dyn Collector,
    /// The fixed tag, then the account's own.
    common: Arc<[(Text, Text)]>,
    linker: &'run Linker,
    marks: Arc<Marks>,
    target: &'run mut Target,
    clock: Arc<dyn Clock>,
    calls: Arc<CallPath>,
    cloud: Cloud,
    debug: bool,
    batch: Batch,
    /// What is true once the batch is delivered or kept.
    sent: BTreeMap<MarkId, Vec<Sent>>,
    moved: Vec<(String, Time, Time)>,
    buffer: Vec<u8>,
    /// The object that was found last: the points of one resource come one after the other.
    last: Option<(Text, Link, Option<ObjectTags>)>,
    notes: Notes,
    shadowed: BTreeSet<Text>,
    causes: Vec<String>,
    result: Delivered,
}

impl<'run> Delivery<'run> {
    pub(super) fn new(
        prepared: &Prepared,
        linker: &'run Linker,
        marks: Arc<Marks>,
        target: &'run mut Target,
        (clock, calls): (Arc<dyn Clock>, Arc<CallPath>),
        debug: bool,
    ) -> Self {
        let description = prepared.collector.description();
        let account = &prepared.account;
        Self {
            account: account.identity(),
            collector: prepared.collector,
            common: std::iter::once(("cloud_provider".into(), account.cloud.provider().into()))
                .chain(account.extra_tags.iter().map(|(key, value)| (key.clone(), value.clone())))
                .collect(),
            linker,
            marks,
            target,
            clock,
            calls,
            cloud: account.cloud,
            debug,
            batch: Batch::new(description.category),
            sent: BTreeMap::new(),
            moved: Vec::new(),
            buffer: Vec::new(),
            last: None,
            notes: Notes::default(),
            shadowed: BTreeSet::new(),
            causes: Vec::new(),
            result: Delivered::default(),
        }
    }

    /// Takes everything that the collector sends, until it closes its way out.
    pub(super) async fn drain(&mut self, mut pages: tokio::sync::mpsc::Receiver<Output>, ending: &Ending) {
        while let Some(output) = pages.recv().await {
            let outcome = match output {
                Output::Objects { region, points } => self.objects(region, points, ending).await,
                Output::Metrics { region, points } => self.metrics(&region, points, ending).await,
                Output::Advance { mark, until } => {
                    self.moved.extend(self.marks.advance(mark, until, self.calls.now(self.cloud)));
                    Ok(())
                }
                Output::Done { region, result } => {
                    self.result.regions.insert(region, result);
                    Ok(())
                }
                Output::Warning(text) => {
                    if !self.result.warnings.contains(&text) {
                        self.result.warnings.push(text);
                    }
                    Ok(())
                }
            };
            self.note_state(outcome);
        }
        let outcome = self.flush(ending).await;
        self.note_state(outcome);
    }

    /// What it came to.
    pub(super) fn finish(mut self) -> Delivered {
        for key in &self.shadowed {
            self.result.warnings.push(format!(
                "the extra tag `{key}` was left out where the cloud reports a tag of that name itself"
            ));
        }
        self.result.warnings.extend(self.notes.warnings());
        if !self.causes.is_empty() {
            let hidden = self.result.rejected.saturating_sub(self.causes.len() as u64);
            let more = if hidden > 0 { format!("\n  and {hidden} more") } else { String::new() };
            self.result.errors.push(format!(
                "{} rejected:\n  {}{more}",
                number(self.result.rejected, "point was", "points were"),
                self.causes.join("\n  ")
            ));
        }
        if self.result.kept > 0
            && let Some(why) = self.target.down()
        {
            self.result.warnings.push(format!(
                "{} kept in the outbox: {why}",
                number(self.result.kept, "point is", "points are")
            ));
        }
        self.result
    }

    fn note_state(&mut self, outcome: Result<(), StateError>) {
        if let Err(error) = outcome {
            self.result.state_failed = true;
            let text = error.to_string();
            if !self.result.errors.contains(&text) {
                self.result.errors.push(text);
            }
        }
    }

    async fn objects(
        &mut self,
        region: Text,
        mut points: Vec<Point>,
        ending: &Ending,
    ) -> Result<(), StateError> {
        let mut kept = Ok(());
        for class in self.collector.classes() {
            let scope = ObjectScope {
                account: self.account.clone(),
                class: class.into(),
                region: self.collector.description().shelf(&region),
            };
            let (own, others): (Vec<Point>, Vec<Point>) =
                points.into_iter().partition(|point| *point.measurement == *class);
            kept = kept.and(self.linker.keep(&scope, &own, !self.debug, self.clock.now()).await);
            points = others;
            points.extend(own);
        }
        let seen = self.result.seen.entry(region).or_default();
        seen.extend(points.iter().filter_map(link::name).cloned());
        for point in &mut points {
            self.tag(point);
        }
        self.result.collected += points.len() as u64;
        for point in &points {
            self.write(point, &[], &[], ending).await?;
        }
        kept
    }

    async fn metrics(
        &mut self,
        region: &Text,
        points: Vec<MetricPoint>,
        ending: &Ending,
    ) -> Result<(), StateError> {
        for metric in points {
            let memory = match self.marks.judge(&metric, self.calls.now(self.cloud)) {
                Verdict::Known => {
                    self.result.already_sent += 1;
                    continue;
                }
                Verdict::TooOld => {
                    self.result.collected += 1;
                    self.result.too_old += 1;
                    continue;
                }
                Verdict::News(memory) => memory,
            };
            self.result.collected += 1;
            let object = self.object_of(region, &metric).await?;
            for (key, value) in self.common.iter().skip(1) {
                // The same word as `tag` has.
                if value.is_empty() || *key == self.common[0].0 || metric.point.tag(key).is_some() {
                    self.shadowed.insert(key.clone());
                }
            }
            let common = self.common.clone();
            if let (Some(object), Some(link)) = (&object, &metric.link) {
                self.result.linked += 1;
                let [before, after] = added(object, link.with_name);
                self.write(&metric.point, &[&common, before, after], &memory, ending).await?;
            } else {
                self.write(&metric.point, &[&common], &memory, ending).await?;
            }
        }
        Ok(())
    }

    async fn object_of(
        &mut self,
        region: &Text,
        metric: &MetricPoint,
    ) -> Result<Option<ObjectTags>, StateError> {
        let Some(link) = &metric.link else { return Ok(None) };
        if let Some((place, last, object)) = &self.last
            && last == link
            && place == region
        {
            return Ok(object.clone());
        }
        self.linker.load(&self.account, &link.class).await?;
        let object = self.linker.find(&self.account, region, link);
        self.last = Some((region.clone(), link.clone(), object.clone()));
        Ok(object)
    }

    /// The fixed tag and the account's own. What the cloud says wins.
    fn tag(&mut self, point: &mut Point) {
        for (index, (key, value)) in self.common.iter().enumerate() {
            if !point.add_tag(key, value) && index > 0 {
                self.shadowed.insert(key.clone());
            }
        }
    }

    async fn write(
        &mut self,
        point: &Point,
        added: Added<'_>,
        memory: &[(MarkId, Sent)],
        ending: &Ending,
    ) -> Result<(), StateError> {
        self.buffer.clear();
        if let Err(refused) = line::encode_with(point, added, &mut self.buffer, &mut self.notes) {
            self.result.rejected += 1;
            self.cause(refused.to_string());
            return Ok(());
        }
        if self.result.samples.len() < SAMPLES {
            self.result.samples.push(sample(self.collector.description().name, &line::with(point, added)));
        }
        if let Kind::Lines(lines) = &self.target.0 {
            let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
            // A reader that has gone away (`| head`) has seen what it wanted.
            let written = lines.write_all(&self.buffer).and_then(|()| lines.write_all(b"\n"));
            drop(lines);
            match written {
                Ok(()) => self.result.delivered += 1,
                Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {}
                Err(error) => {
                    let text = format!("the lines cannot be written to stdout: {error}");
                    if !self.result.errors.contains(&text) {
                        self.result.errors.push(text);
                    }
                }
            }
            return Ok(());
        }
        if !self.batch.fits(self.buffer.len()) {
            self.flush(ending).await?;
        }
        self.batch.push(&self.buffer, point.time);
        for (mark, sent) in memory {
            self.sent.entry(*mark).or_default().push(*sent);
        }
        Ok(())
    }

    fn cause(&mut self, cause: String) {
        if self.causes.len() < CAUSES && !self.causes.contains(&cause) {
            self.causes.push(cause);
        }
    }

    /// Writes what has gathered; then, in one transaction, everything that has become true.
    async fn flush(&mut self, ending: &Ending) -> Result<(), StateError> {
        let Kind::DataKit(written) = &mut self.target.0 else { return Ok(()) };
        if self.result.state_failed {
            // Points of the page that failed were passed over: no mark may move beyond them.
            self.moved.clear();
        }
        let mut commit = Commit {
            marks: std::mem::take(&mut self.moved),
            sent: std::mem::take(&mut self.sent)
                .into_iter()
                .filter_map(|(mark, sent)| Some((self.marks.key(mark)?, sent)))
                .collect(),
            ..Commit::default()
        };
        let empty = Batch::new(self.batch.category());
        let batch = std::mem::replace(&mut self.batch, empty);
        let mut rest = None;
        let mut rejected = Vec::new();
        if !batch.is_empty() {
            if written.down.is_some() {
                rest = Some(batch);
            } else {
                let mut answer = ending.write(&written.datakit, &batch, PATIENCE).await;
                self.result.delivered += answer.delivered;
                self.result.too_old += answer.too_old;
                rejected = std::mem::take(&mut answer.rejected);
                rest = written.left(answer);
            }
        }
        let kept = rest.as_ref().map_or(0, Batch::len);
        if let Some(rest) = rest {
            commit.kept.push(parcel_of(&rest, &written.id, self.clock.now()));
        }
        if commit != Commit::default() {
            match written.state.commit(commit, written.limit).await {
                Ok(evicted) => {
                    written.evicted += evicted.points;
                    self.result.kept += kept as u64;
                }
                Err(error) => {
                    if kept > 0 {
                        self.result.errors.push(format!(
                            "{} could neither be delivered nor kept",
                            number(kept as u64, "point", "points")
                        ));
                    }
                    return Err(error);
                }
            }
        }
        self.result.rejected += rejected.len() as u64;
        for line in rejected {
            self.cause(line.to_string());
        }
        Ok(())
    }
}
