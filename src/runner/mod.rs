//! The Runner: gate → collect → link → deliver, for each collector in turn.
//!
//! Owns the order of a run: which regions are due, what one collector's failure means for the next, and the report. Knows
//! no cloud (collectors are called by their trait), no SQL and no line protocol.
//!
//! What is guaranteed:
//! - one collector's points are delivered before the next begins to deliver;
//! - a failed collector stops no other;
//! - a region is collected by one process at a time: it is claimed first, and the claim is renewed while the work lasts;
//! - when the run is stopped, what was collected is delivered or kept within [`GRACE`].

mod delivery;
mod marks;
mod report;
mod written;

pub(crate) use marks::Marks;

pub use report::{CollectorReport, CollectorStatus, OutboxReport, RunReport, RunStatus, rfc3339};

use crate::link::Linker;
use crate::money::budget::{self, BudgetReport, Budgets, Watch};
use crate::money::{self, Tally};
use crate::script::{Backend, BackendError, Kept, Prepared, Request, WriteRequest, Written, unknown_datakit};
use crate::sink::datakit::DataKit;
use crate::state::{Claim, Claimed, ObjectScope, Outcome, State, StateError, Time};
use delivery::{Delivery, Ending, Target};
use funchost_collectors::account::Cloud;
use funchost_collectors::call::{CallPath, Counts, TRACED, number};
use funchost_collectors::clock::{Clock, SECOND};
use funchost_collectors::collector::{Failure, MarkKey, Window};
use funchost_collectors::estimate::Ahead;
use funchost_collectors::point::{Category, Text};
use funchost_collectors::run::{Memory, Run, WindowRequest};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;
use xxhash_rust::xxh3::xxh3_64;

/// How long delivering may go on after collecting was stopped.
pub const GRACE: Duration = Duration::from_secs(5);

/// A claim of a process that died is free again after this.
const CLAIM: Time = 30 * SECOND;

/// How often a claim is renewed.
const RENEWAL: Duration = Duration::from_secs(10);

/// Pages that may wait for the delivery. Few: memory must not grow with the estate.
const WAITING_PAGES: usize = 4;

/// Where the lines of debug mode go.
pub type Lines = Arc<Mutex<dyn std::io::Write + Send>>;

/// What a Runner works with: one a process.
pub struct Settings {
    /// What outlives the process.
    pub state: Arc<dyn State>,
    /// Where calls are counted, and what is left of budgets is looked up: the state, unless a run keeps nothing of its own.
    pub ledger: Arc<dyn State>,
    /// The one path to the clouds.
    pub calls: Arc<CallPath>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Every DataKit by its id.
    pub datakits: BTreeMap<String, Arc<DataKit>>,
    /// How far windows reach back for late points, nanoseconds.
    pub overlap: BTreeMap<Cloud, Time>,
    /// Bytes that the outbox may hold.
    pub outbox_limit: u64,
    /// What accounts may use in a month.
    pub budgets: Budgets,
    /// `--debug`: whatever the script says.
    pub debug: bool,
    /// `--force`: minimum intervals are ignored.
    pub force: bool,
    /// Where the lines of debug mode go.
    pub lines: Lines,
    /// Told what happens while it happens.
    pub progress: Arc<dyn Fn(&str) + Send + Sync>,
    /// Told how many of a Runner's collectors are done, and how many there are.
    pub steps: Arc<dyn Fn(usize, usize) + Send + Sync>,
    /// What the collectors are part of, for whoever traces.
    pub span: tracing::Span,
}

/// Sends what waits for one DataKit, in order, until it takes no more or `stop` is cancelled: what every run does first, by itself.
/// Answers with what became of it, and why DataKit took no more.
///
/// # Errors
/// The state cannot be used.
pub async fn send_outbox(
    state: Arc<dyn State>,
    (id, datakit): (&str, Arc<DataKit>),
    limit: u64,
    stop: CancellationToken,
) -> Result<(OutboxReport, Option<String>), StateError> {
    let mut target = Target::datakit(id.to_owned(), datakit, state.clone(), limit);
    let ending = Ending::after(stop);
    let _ended = ending.end.clone().drop_guard();
    let mut report = delivery::send_outbox(&mut target, &ending).await?;
    report.evicted = target.evicted();
    report.waiting = waiting(state.as_ref(), id).await?;
    Ok((report, target.down().map(str::to_owned)))
}

/// What to say of points that wait for a DataKit that is not configured.
#[must_use]
pub fn stranger(id: &str, points: u64) -> String {
    format!(
        "{} wait in the outbox for DataKit `{id}`, which is not configured, and are not sent: add `[datakits.{id}]` to funchost.toml, or give them up with `funchost outbox drop --datakit {id}`",
        report::counted(points, "point")
    )
}

/// Points that wait for a DataKit.
async fn waiting(state: &dyn State, datakit: &str) -> Result<u64, StateError> {
    let sizes = state.outbox_sizes().await?;
    Ok(sizes.iter().filter(|(id, ..)| id == datakit).map(|(_, _, points, _)| points).sum())
}

/// Runs collectors and remembers what they did.
#[derive(Clone)]
pub struct Runner(Arc<Inner>);

struct Inner {
    settings: Settings,
    linker: Arc<Linker>,
    /// The start of the run, or the tick for which it runs: intervals count from here, for all collectors alike.
    started: Time,
    /// When the work began.
    begun: Time,
    done: Mutex<Done>,
}

#[derive(Default)]
struct Done {
    collectors: Vec<CollectorReport>,
    outbox: OutboxReport,
    /// Points that wait for each DataKit that was written to, and for each that is not configured.
    waiting: BTreeMap<String, u64>,
    strangers: BTreeMap<String, u64>,
    warnings: Vec<String>,
    samples: Vec<serde_json::Value>,
    /// By account.
    budget: BTreeMap<String, BudgetReport>,
    debugged: bool,
}

impl Runner {
    /// A Runner whose run starts now.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let started = settings.clock.now();
        Self::started_at(settings, started)
    }

    /// A Runner whose run counts from another moment: the tick for which it runs.
    #[must_use]
    pub fn started_at(settings: Settings, started: Time) -> Self {
        let linker = Arc::new(Linker::new(settings.state.clone()));
        let begun = settings.clock.now();
        Self(Arc::new(Inner { settings, linker, started, begun, done: Mutex::default() }))
    }

    /// When the run started.
    #[must_use]
    pub fn started(&self) -> Time {
        self.0.started
    }

    /// Was anything run in debug mode? Then stdout holds its lines and nothing else.
    #[must_use]
    pub fn debugged(&self) -> bool {
        self.0.lock().debugged
    }

    /// The first points of each collector, as they went out: `{collector, category, measurement, time, tags, fields}`.
    #[must_use]
    pub fn samples(&self) -> Vec<serde_json::Value> {
        self.0.lock().samples.clone()
    }

    /// Was a cloud called at all?
    #[must_use]
    pub fn called(&self) -> bool {
        self.0.lock().collectors.iter().any(|collector| !collector.calls.is_empty())
    }

    /// The report of everything that ran so far.
    #[must_use]
    pub fn report(&self, function: &str) -> RunReport {
        let done = self.0.lock();
        let outbox = OutboxReport { waiting: done.waiting.values().sum(), ..done.outbox };
        let (status, reason) = RunReport::judge(&done.collectors, &outbox);
        let mut warnings = done.warnings.clone();
        if outbox.evicted > 0 {
            warnings.push(format!(
                "{} LOST: the outbox is full ({} bytes), and its oldest go first; bring DataKit back, or set a larger `limit` under `[outbox]`",
                number(outbox.evicted, "point is", "points are"),
                self.0.settings.outbox_limit
            ));
        }
        warnings.extend(done.strangers.iter().map(|(id, points)| stranger(id, *points)));
        warnings.extend(done.budget.values().filter_map(BudgetReport::warning));
        warnings.extend(self.0.settings.calls.notes());
        RunReport {
            status,
            reason,
            function: function.to_owned(),
            seconds: seconds(self.0.settings.clock.now() - self.0.begun),
            collectors: done.collectors.clone(),
            outbox,
            budget: done.budget.values().cloned().collect(),
            warnings,
            errors: Vec::new(),
        }
    }
}

#[async_trait::async_trait]
impl Backend for Runner {
    async fn run(
        &self,
        request: Request,
        stop: CancellationToken,
    ) -> Result<serde_json::Value, BackendError> {
        let inner = self.0.clone();
        // On the runtime, not on the script's thread: what collectors allocate is not the script's.
        let work = tokio::spawn(async move { inner.run(request, stop).await });
        match work.await {
            Ok(answer) => answer,
            Err(error) => Err(BackendError {
                message: format!("a defect in funchost ended the run: {error}"),
                hint: Some("please report it, with the script".into()),
                input: false,
            }),
        }
    }

    async fn write(&self, request: WriteRequest, stop: CancellationToken) -> Result<Written, BackendError> {
        let inner = self.0.clone();
        inner.write(request, stop).await
    }

    async fn value(&self, key: &str) -> Result<Option<Kept>, BackendError> {
        let settings = &self.0.settings;
        read_value(settings.state.as_ref(), key, settings.clock.now()).await
    }

    async fn swap_value(
        &self,
        key: &str,
        known: Option<Vec<u8>>,
        new: Option<Kept>,
    ) -> Result<bool, BackendError> {
        let settings = &self.0.settings;
        let new = new.as_ref().map(|kept| (kept.value.as_slice(), kept.expires));
        settings.state.swap(&own(key), known.as_deref(), new, settings.clock.now()).await.map_err(unusable)
    }

    async fn value_keys(&self, prefix: &str) -> Result<Vec<String>, BackendError> {
        let settings = &self.0.settings;
        read_keys(settings.state.as_ref(), prefix, settings.clock.now()).await
    }
}

/// A value that a script keeps, as it stands in the state.
pub(crate) async fn read_value(
    state: &dyn State,
    key: &str,
    now: Time,
) -> Result<Option<Kept>, BackendError> {
    let found = state.value(&own(key), now).await.map_err(unusable)?;
    Ok(found.map(|(value, expires)| Kept { value, expires }))
}

/// The keys of such values that begin so.
pub(crate) async fn read_keys(
    state: &dyn State,
    prefix: &str,
    now: Time,
) -> Result<Vec<String>, BackendError> {
    let found = state.keys(&own(prefix), now).await.map_err(unusable)?;
    let before = own("").len();
    Ok(found.iter().filter_map(|key| key.get(before..)).map(str::to_owned).collect())
}

/// A script's key in the state: no collector's key begins so.
fn own(key: &str) -> String {
    format!("script\n{key}")
}

fn unusable(error: StateError) -> BackendError {
    BackendError { message: error.to_string(), hint: None, input: false }
}

impl Inner {
    fn lock(&self) -> std::sync::MutexGuard<'_, Done> {
        self.done.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn run(
        &self,
        request: Request,
        stop: CancellationToken,
    ) -> Result<serde_json::Value, BackendError> {
        let debug = request.debug || self.settings.debug;
        let datakit = self.datakit(&request.datakit_id)?;
        let mut target = if debug {
            self.lock().debugged = true;
            Target::lines(self.settings.lines.clone())
        } else {
            Target::datakit(
                request.datakit_id.clone(),
                datakit,
                self.settings.state.clone(),
                self.settings.outbox_limit,
            )
        };
        let ending = Ending::after(stop);
        // However this run ends, the task behind `ending` ends with it.
        let _ended = ending.end.clone().drop_guard();
        if !debug {
            let sent = delivery::send_outbox(&mut target, &ending).await;
            match sent {
                Ok(outbox) => self.lock().outbox.add(outbox),
                Err(error) => {
                    return Err(BackendError { message: error.to_string(), hint: None, input: false });
                }
            }
        }
        let mut reports = Vec::with_capacity(request.collectors.len());
        for (done, prepared) in request.collectors.iter().enumerate() {
            (self.settings.steps)(done, request.collectors.len());
            if !ending.stop.is_cancelled() {
                request.at_work.begin(done);
            }
            let span = self.span(prepared);
            let report =
                self.collect(prepared, &request.datakit_id, &mut target, debug, (&ending, &span)).await;
            trace(&span, &report);
            drop(span);
            self.lock().collectors.push(report.clone());
            reports.push(report);
        }
        if !ending.stop.is_cancelled() {
            request.at_work.end();
        }
        let outbox = self.written(&request.datakit_id, &target).await;
        let (status, reason) = RunReport::judge(&reports, &outbox);
        if let Some(why) = target.down()
            && reports.iter().all(|report| report.kept == 0)
        {
            self.lock().warnings.push(why.to_owned());
        }
        serde_json::to_value(serde_json::json!({ "status": status, "reason": reason, "collectors": reports }))
            .map_err(|error| BackendError {
                message: format!("the report cannot be shown: {error}"),
                hint: None,
                input: false,
            })
    }

    /// Notes what writing to a DataKit left behind; answers with what it was.
    async fn written(&self, id: &str, target: &Target) -> OutboxReport {
        let mut outbox = OutboxReport { evicted: target.evicted(), ..OutboxReport::default() };
        if outbox.evicted > 0 {
            let (points, limit) = (outbox.evicted, self.settings.outbox_limit);
            tracing::error!(points, limit, "the outbox is full: its oldest points are lost");
        }
        if !target.is_datakit() {
            return outbox;
        }
        let sizes = self.settings.state.outbox_sizes().await.unwrap_or_default();
        let mut done = self.lock();
        done.outbox.add(outbox);
        done.waiting.insert(id.to_owned(), 0);
        done.strangers.clear();
        for (datakit, _, points, _) in sizes {
            if datakit == id {
                *done.waiting.entry(datakit).or_default() += points;
            } else if !self.settings.datakits.contains_key(&datakit) {
                *done.strangers.entry(datakit).or_default() += points;
            }
        }
        outbox.waiting = done.waiting.get(id).copied().unwrap_or(0);
        if let Some(note) = target.clock_note()
            && !done.warnings.contains(&note)
        {
            done.warnings.push(note);
        }
        outbox
    }

    fn datakit(&self, id: &str) -> Result<Arc<DataKit>, BackendError> {
        if let Some(datakit) = self.settings.datakits.get(id) {
            return Ok(datakit.clone());
        }
        let (message, hint) = unknown_datakit(id, self.settings.datakits.keys().map(String::as_str));
        Err(BackendError { message, hint: Some(hint), input: true })
    }

    fn span(&self, prepared: &Prepared) -> tracing::Span {
        tracing::info_span!(
            target: TRACED,
            parent: &self.settings.span,
            "collector",
            otel.name = prepared.collector.description().name,
            account = prepared.account.identity(),
            status = tracing::field::Empty,
            points = tracing::field::Empty,
            calls = tracing::field::Empty,
            otel.status_code = tracing::field::Empty,
        )
    }

    /// One collector, from the gate to the last delivery.
    async fn collect(
        &self,
        prepared: &Prepared,
        datakit_id: &str,
        target: &mut Target,
        debug: bool,
        (ending, span): (&Ending, &tracing::Span),
    ) -> CollectorReport {
        let began = Instant::now();
        let description = prepared.collector.description();
        let mut report = CollectorReport::new(description.name, CollectorStatus::Skipped);
        let regions = prepared.spec.regions();
        let gate = if debug {
            Ok(Gate { due: regions.clone(), ..Gate::default() })
        } else {
            self.gate(prepared, datakit_id, &regions).await
        };
        let gate = match gate {
            Ok(gate) => gate,
            Err(error) => {
                report.status = CollectorStatus::Failed;
                report.error = Some(error.to_string());
                return report;
            }
        };
        for region in &regions {
            report.regions.insert(region_name(region), "skipped".into());
        }
        let busy = (!gate.busy.is_empty()).then(|| {
            format!(
                "another process is collecting {} now; if it was killed, the claim that it left ends at {} by itself",
                gate.busy.join(", "),
                rfc3339(gate.busy_until)
            )
        });
        let account = &prepared.account;
        let identity = account.identity();
        let marks = Arc::new(Marks::new(
            self.settings.state.clone(),
            datakit_id,
            &identity,
            extra_tags_digest(&account.extra_tags),
            self.settings.overlap.get(&account.cloud).copied().unwrap_or(600 * SECOND),
            !debug,
        ));
        let memory: Arc<dyn Memory> = Arc::new(HostMemory {
            state: self.settings.state.clone(),
            clock: self.settings.clock.clone(),
            calls: self.settings.calls.clone(),
            cloud: account.cloud,
            identity: identity.clone(),
            marks: marks.clone(),
            linker: self.linker.clone(),
        });
        if gate.due.is_empty() {
            report.next_due = gate.next.map(rfc3339);
            let due = report.next_due.as_ref().map(|due| format!("next due {due}"));
            let why: Vec<String> = busy.clone().into_iter().chain(due).collect();
            (self.settings.progress)(&format!("{}: skipped, {}", description.name, why.join(", ")));
            report.warnings.extend(busy);
            match prepared.spec.taken_by(memory.as_ref(), &regions).await {
                Ok(other) => report.warnings.extend(other),
                Err(failure) => report.warnings.push(failure.to_string()),
            }
            return report;
        }
        if ending.stop.is_cancelled() {
            self.give_back(&gate, Outcome::Abandoned).await;
            report.status = CollectorStatus::Failed;
            report.error = Some("the run was stopped before this collector started".into());
            return report;
        }

        let watch = match self.watch(prepared, memory.as_ref(), &gate.due).await {
            Ok(watch) => watch,
            Err(why) => {
                self.give_back(&gate, Outcome::Abandoned).await;
                report.status = CollectorStatus::Failed;
                report.error = Some(why);
                return report;
            }
        };
        let counts = Arc::new(Counts::within(watch.as_ref().map(Watch::allowance)).under(span.clone()));
        let (output, pages) = tokio::sync::mpsc::channel(WAITING_PAGES);
        let now = self.settings.clock.now();
        let run = Run {
            account: account.clone(),
            clock: self.settings.clock.clone(),
            started: now,
            calls: self.settings.calls.clone(),
            counts: counts.clone(),
            memory,
            filter: prepared.filter.clone(),
            output,
        };
        let spec = prepared.spec.clone();
        let due = gate.due.clone();
        let collecting = {
            let stop = ending.stop.clone();
            // `run` is owned here: when collecting ends, or is stopped, the way out closes with it.
            async move {
                tokio::select! {
                    () = stop.cancelled() => true,
                    () = async { spec.collect(&run, &due).await } => false,
                }
            }
        };
        let clocks = (self.settings.clock.clone(), self.settings.calls.clone());
        let mut delivery = Delivery::new(prepared, &self.linker, marks.clone(), target, clocks, debug);
        let renewing = self.renew(&gate);
        let collected = CancellationToken::new();
        let (ledger, clock) = (self.settings.ledger.as_ref(), self.settings.clock.as_ref());
        let mut counting = Tally::new(ledger, clock, &identity, &counts, watch.as_ref());
        let work = async {
            let both = tokio::join!(collecting, delivery.drain(pages, ending));
            collected.cancel();
            both
        };
        let ((stopped, ()), uncounted) = tokio::select! {
            done = async { tokio::join!(work, counting.go_on(&collected)) } => done,
            () = renewing => unreachable!("renewing goes on until the collection ends"),
        };
        let mut outcome = delivery.finish();
        outcome.warnings.extend(marks.warnings(self.settings.clock.now()));

        let mut failures: Vec<String> = outcome.errors.clone();
        for region in &gate.due {
            let result = outcome.regions.remove(region);
            let (word, ended) = match &result {
                Some(Ok(())) if !outcome.state_failed => ("ok", Outcome::Collected),
                _ => ("failed", Outcome::Failed),
            };
            report.regions.insert(region_name(region), word.into());
            match result {
                Some(Ok(())) => {
                    if description.category == Category::CustomObject
                        && !outcome.state_failed
                        && let Err(error) =
                            self.forget(prepared, region, outcome.seen.remove(region), debug).await
                    {
                        failures.push(error.to_string());
                    }
                }
                Some(Err(failure)) => failures.push(explain(region, &failure)),
                None if stopped => failures.push(format!(
                    "{}: the run was stopped before it was read to its end",
                    region_name(region)
                )),
                None => failures.push(format!(
                    "{}: the collector ended without a word about it (a defect)",
                    region_name(region)
                )),
            }
            if let Some((key, claim)) = gate.claims.get(region)
                && let Err(error) = self.settings.state.release(key, *claim, ended).await
            {
                failures.push(error.to_string());
            }
        }
        failures.dedup();
        report.status = if failures.is_empty() && outcome.rejected == 0 {
            CollectorStatus::Collected
        } else {
            CollectorStatus::Failed
        };
        if failures.is_empty() && outcome.rejected > 0 {
            failures.push(format!("DataKit rejected {}", number(outcome.rejected, "point", "points")));
        }
        report.collected = outcome.collected;
        report.delivered = outcome.delivered;
        report.kept = outcome.kept;
        report.rejected = outcome.rejected;
        report.too_old = outcome.too_old;
        report.already_sent = outcome.already_sent;
        report.linked = outcome.linked;
        report.warnings = busy.into_iter().chain(outcome.warnings).collect();
        self.lock().samples.extend(outcome.samples);
        report.calls = counts.snapshot();
        report.error = (!failures.is_empty()).then(|| failures.join("\n"));
        report.seconds = (began.elapsed().as_secs_f64() * 1000.0).round() / 1000.0;
        if !debug {
            report.next_due = self.next_due(&gate).await.map(rfc3339);
        }
        if let Some(watch) = &watch {
            self.lock().budget.insert(identity.clone(), watch.after(&money::counted(&counts)));
        }
        if let Err(error) = uncounted.and(self.note_partition(prepared, &gate.due, &identity).await) {
            report.warnings.push(format!("the calls could not be counted: {error}"));
        }
        (self.settings.progress)(&format!(
            "{}: {}, {}",
            report.name,
            report::counted(report.collected, "point"),
            report::counted(report.calls.values().sum(), "call")
        ));
        report
    }

    /// What was called can be put into money later: whose price list holds is known here only.
    async fn note_partition(
        &self,
        prepared: &Prepared,
        regions: &[Text],
        identity: &str,
    ) -> Result<(), StateError> {
        let partition = money::partition(&prepared.account, regions.first().map_or("", |region| region));
        money::note_partition(&*self.settings.ledger, identity, partition, self.settings.clock.now()).await
    }

    /// The account's budget, where this collector makes metered calls and there is one; an error where what is known to be needed breaks it.
    async fn watch(
        &self,
        prepared: &Prepared,
        memory: &dyn Memory,
        due: &[Text],
    ) -> Result<Option<Watch>, String> {
        let account = &prepared.account;
        let actions = prepared.collector.description().actions;
        // A collector that a script writes declares no action: it may call any.
        let calls = |metered: &str| {
            actions.is_empty()
                || actions.iter().any(|action| format!("{}:{}", action.service, action.action) == metered)
        };
        let (ledger, now) = (self.settings.ledger.as_ref(), self.settings.clock.now());
        let watch = Watch::open(&self.settings.budgets, ledger, account, calls, due, now).await;
        let Some(watch) = watch.map_err(|error| error.to_string())? else { return Ok(None) };
        let ahead = Ahead {
            account,
            memory,
            now: self.settings.calls.now(account.cloud),
            cadence: None,
            filtered: prepared.filter.is_some(),
        };
        let estimate = prepared.spec.estimate(&ahead, due).await.map_err(|failure| failure.to_string())?;
        let judged = watch.judge(watch.needs(&estimate));
        if let Err(why) = judged {
            self.lock().budget.insert(account.identity(), watch.after(&BTreeMap::new()));
            return Err(format!("{why}\nhint: {}", budget::WAY_OUT));
        }
        Ok(Some(watch))
    }

    /// Which regions are due, claimed for this process.
    async fn gate(
        &self,
        prepared: &Prepared,
        datakit_id: &str,
        regions: &[Text],
    ) -> Result<Gate, StateError> {
        let description = prepared.collector.description();
        let interval = i64::try_from(description.interval.as_nanos()).unwrap_or(i64::MAX);
        let now = self.settings.clock.now();
        let claims: Vec<Claim> = regions
            .iter()
            .map(|region| Claim {
                key: interval_key(prepared, datakit_id, region),
                run_started: self.started,
                interval,
                slack: (interval / 10).min(10 * SECOND),
                expires: now + CLAIM,
                force: self.settings.force,
            })
            .collect();
        let mut gate = Gate::default();
        for ((region, claim), claimed) in
            regions.iter().zip(&claims).zip(self.settings.state.claim(&claims).await?)
        {
            match claimed {
                Claimed::Yes(number) => {
                    gate.due.push(region.clone());
                    gate.claims.insert(region.clone(), (claim.key.clone(), number));
                }
                Claimed::NotDue { due } => gate.next = Some(gate.next.map_or(due, |next| next.min(due))),
                // When it ends its collection says when the next is due; this claim's own end says nothing.
                Claimed::Busy { until } => {
                    gate.busy.push(region_name(region));
                    gate.busy_until = gate.busy_until.max(until);
                }
            }
        }
        Ok(gate)
    }

    /// Keeps the claims of a gate alive; never ends.
    async fn renew(&self, gate: &Gate) {
        let claims: Vec<(String, i64)> = gate.claims.values().cloned().collect();
        loop {
            tokio::time::sleep(self.settings.clock.wait(RENEWAL)).await;
            let expires = self.settings.clock.now() + CLAIM;
            if !claims.is_empty()
                && let Err(error) = self.settings.state.renew(&claims, expires).await
            {
                tracing::warn!(%error, "a claim could not be renewed");
            }
        }
    }

    async fn give_back(&self, gate: &Gate, outcome: Outcome) {
        for (key, claim) in gate.claims.values() {
            if let Err(error) = self.settings.state.release(key, *claim, outcome).await {
                tracing::warn!(%error, "a claim could not be given back");
            }
        }
    }

    async fn next_due(&self, gate: &Gate) -> Option<Time> {
        let mut next = gate.next;
        for (key, _) in gate.claims.values() {
            if let Ok(Some(due)) = self.settings.state.due(key).await {
                next = Some(next.map_or(due, |next| next.min(due)));
            }
        }
        next
    }

    /// After a complete collection, what was not seen is no longer there.
    async fn forget(
        &self,
        prepared: &Prepared,
        region: &Text,
        seen: Option<HashSet<Text>>,
        debug: bool,
    ) -> Result<(), StateError> {
        let seen = seen.unwrap_or_default();
        for class in prepared.collector.classes() {
            let scope = ObjectScope {
                account: prepared.account.identity(),
                class: class.into(),
                region: prepared.collector.description().shelf(region),
            };
            self.linker.forget(&scope, &seen, !debug).await?;
        }
        Ok(())
    }
}

/// How a collector ended. Not why: what clouds and scripts say is masked only where it is shown.
fn trace(span: &tracing::Span, report: &CollectorReport) {
    let status = match report.status {
        CollectorStatus::Collected => "collected",
        CollectorStatus::Skipped => "skipped",
        CollectorStatus::Failed => "failed",
    };
    let calls: u64 = report.calls.values().sum();
    span.record("status", status).record("points", report.delivered).record("calls", calls);
    if report.status == CollectorStatus::Failed {
        span.record("otel.status_code", "ERROR");
    }
}

/// What collectors remember, over the state.
struct HostMemory {
    state: Arc<dyn State>,
    clock: Arc<dyn Clock>,
    calls: Arc<CallPath>,
    cloud: Cloud,
    identity: String,
    marks: Arc<Marks>,
    linker: Arc<Linker>,
}

impl HostMemory {
    fn key(&self, key: &str) -> String {
        format!("{}\n{key}", self.identity)
    }
}

fn state_failure(error: StateError) -> Failure {
    Failure::State(error.to_string())
}

#[async_trait::async_trait]
impl Memory for HostMemory {
    async fn recall(&self, key: &str) -> Result<Option<Vec<u8>>, Failure> {
        self.state.recall(&self.key(key), self.clock.now()).await.map_err(state_failure)
    }

    async fn remember(&self, key: &str, value: &[u8], valid: Duration) -> Result<(), Failure> {
        let valid = i64::try_from(valid.as_nanos()).unwrap_or(i64::MAX);
        let expires = self.clock.now().saturating_add(valid);
        self.state.remember(&self.key(key), value, expires).await.map_err(state_failure)
    }

    async fn windows(&self, marks: &[(MarkKey, WindowRequest)]) -> Result<Vec<Window>, Failure> {
        self.marks.open(marks, self.calls.now(self.cloud)).await.map_err(state_failure)
    }

    async fn objects(&self, class: &str, region: &str) -> Result<Vec<Arc<BTreeMap<Text, Text>>>, Failure> {
        self.linker.load(&self.identity, &Text::from(class)).await.map_err(state_failure)?;
        Ok(self.linker.objects(&self.identity, class, region))
    }
}

/// What may be collected now.
#[derive(Default)]
struct Gate {
    /// The regions that another process is collecting.
    busy: Vec<String>,
    /// When the last of their claims ends, unless that process renews it.
    busy_until: Time,
    due: Vec<Text>,
    claims: HashMap<Text, (String, i64)>,
    next: Option<Time>,
}

/// DataKit, collector, account, region, and a digest of what else makes two collections differ.
pub(crate) fn interval_key(prepared: &Prepared, datakit_id: &str, region: &Text) -> String {
    let mut configs = prepared.configs.clone();
    if let Some(map) = configs.as_object_mut() {
        map.remove("regions");
    }
    let filtered = if prepared.filter.is_some() { prepared.place.as_str() } else { "" };
    let digest = xxh3_64(format!("{configs}\n{filtered}").as_bytes());
    format!(
        "{datakit_id}\n{}\n{}\n{region}\n{digest:016x}\n{:016x}",
        prepared.collector.description().name,
        prepared.account.identity(),
        extra_tags_digest(&prepared.account.extra_tags)
    )
}

pub(crate) fn extra_tags_digest(tags: &BTreeMap<Text, Text>) -> u64 {
    let mut text = String::new();
    for (key, value) in tags {
        text.push_str(&format!("{}:{key}{}:{value}", key.len(), value.len()));
    }
    xxh3_64(text.as_bytes())
}

/// A central service has one region without a name.
fn region_name(region: &Text) -> String {
    if region.is_empty() { "central".into() } else { region.to_string() }
}

/// A failure with its way out, for a person.
fn explain(region: &Text, failure: &Failure) -> String {
    let mut text = match failure {
        Failure::Call(_) | Failure::Answer(_) | Failure::Budget(_) => failure.to_string(),
        _ => format!("{}: {failure}", region_name(region)),
    };
    if let Failure::Call(error) = failure
        && let Some(hint) = &error.hint
    {
        text.push_str(&format!("\nhint: {hint}"));
    }
    let refused = matches!(failure, Failure::Call(error) if error.code == "budget");
    if refused || matches!(failure, Failure::Budget(_)) {
        text.push_str(&format!("\nhint: {}", budget::WAY_OUT));
    }
    text
}

fn seconds(nanoseconds: Time) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a duration shown to a tenth of a second")]
    let seconds = nanoseconds as f64 / 1e9;
    (seconds * 1000.0).round() / 1000.0
}
