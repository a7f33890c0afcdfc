//! The engine: takes runs, holds them while they go on, and records how they ended.
//!
//! Owns who runs what now, and the end of the service. A script runs on a thread of its own (the script room sees to that); here are
//! only the tasks around it: one that takes, one that holds, and one for each run.
//!
//! What is guaranteed:
//! - a run that was taken ends in its record, or goes back to the queue; where this process dies, its lease ends and another takes it;
//! - a run that is another's by now is stopped here, and nothing that it still finds is committed (its state is fenced);
//! - when the service ends, what runs is given time to finish, then stopped, delivered, and given back.

use super::library::Library;
use super::log::{DebugLines, RunLog};
use crate::money::budget::Budgets;
use crate::runner::{GRACE, RunStatus, Runner, Settings};
use crate::script::{self, ApiFunction, Ended, Masker, Report, RunOptions, RunOutcome, Script};
use crate::sink::datakit::DataKit;
use crate::state::runs::{Detail, End, OpenRun, Origin, Ours, Status, Store, Taken};
use crate::state::{StateError, Time, said};
use funchost_collectors::account::Cloud;
use funchost_collectors::call::{CallPath, TRACED, number};
use funchost_collectors::clock::Clock;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

/// A run whose workers died this often is not tried again.
pub const ATTEMPTS: i64 = 5;

/// Bytes of a function's result, as JSON, that a record keeps: it is no place for what was collected.
pub const LARGEST_RESULT: usize = 256 << 10;

/// The kind of an entry among a record's errors that tells why the function's result is not there.
pub const RESULT: &str = "result";

/// Runs that are looked at at once; the next ones follow until there is no room, or no run.
const LOOK: i64 = 256;

/// What runs are made with; replaced whole when the configuration is read again.
#[derive(Clone)]
pub struct Tools {
    /// The one path to the clouds.
    pub calls: Arc<CallPath>,
    /// Every DataKit by its id.
    pub datakits: BTreeMap<String, Arc<DataKit>>,
    /// How far windows reach back for late points, nanoseconds.
    pub overlap: BTreeMap<Cloud, Time>,
    /// Bytes that the outbox may hold.
    pub outbox_limit: u64,
    /// What accounts may use in a month.
    pub budgets: Budgets,
}

/// How an engine works.
#[derive(Clone)]
pub struct EngineSettings {
    /// Unique for each start of a process.
    pub worker: String,
    /// Runs at a time.
    pub workers: usize,
    /// How long a run is a worker's without a word of it.
    pub lease: Duration,
    /// How often the queue is looked at when nothing wakes us.
    pub look: Duration,
    /// How often leases are renewed: a small part of one.
    pub renewal: Duration,
    /// How long runs may go on when the service ends, [`GRACE`] included.
    pub patience: Duration,
    /// Knows every secret: nothing is recorded around it.
    pub masker: Arc<Masker>,
}

/// Why a run is stopped before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stopped {
    /// The service ends.
    Ending,
    /// By hand.
    ByHand,
    /// It is another's.
    Lost,
}

/// A run that goes on here.
struct Going {
    fence: i64,
    func: String,
    stop: CancellationToken,
    why: Option<Stopped>,
}

/// Takes and runs.
pub struct Engine {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    library: Arc<Library>,
    tools: RwLock<Arc<Tools>>,
    settings: EngineSettings,
    going: Mutex<HashMap<i64, Going>>,
    /// Something may have become due.
    wake: Notify,
    /// Changes whenever a run ends here.
    ended: watch::Sender<u64>,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Engine").field("worker", &self.settings.worker).finish_non_exhaustive()
    }
}

impl Engine {
    /// An engine that does nothing yet.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        library: Arc<Library>,
        tools: Tools,
        settings: EngineSettings,
    ) -> Arc<Self> {
        Arc::new(Self {
            store,
            clock,
            library,
            tools: RwLock::new(Arc::new(tools)),
            settings,
            going: Mutex::default(),
            wake: Notify::new(),
            ended: watch::Sender::new(0),
        })
    }

    /// The scripts.
    #[must_use]
    pub fn library(&self) -> &Arc<Library> {
        &self.library
    }

    /// What this process knows of secrets.
    #[must_use]
    pub(crate) fn masker(&self) -> &Arc<Masker> {
        &self.settings.masker
    }

    /// The name of this worker.
    #[must_use]
    pub fn worker(&self) -> &str {
        &self.settings.worker
    }

    /// What runs are made with from now on.
    pub fn set(&self, tools: Tools) {
        *self.tools.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(tools);
    }

    /// What runs are made with.
    #[must_use]
    pub fn tools(&self) -> Arc<Tools> {
        self.tools.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A run was asked for.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// A run was asked to stop: where it goes on here, it need not wait for its lease to be renewed.
    pub fn stop_by_hand(&self, run: i64) {
        let fence = self.lock().get(&run).map(|going| going.fence);
        if let Some(fence) = fence {
            self.stop(run, fence, Stopped::ByHand);
        }
    }

    /// Changes whenever a run ends here.
    #[must_use]
    pub fn ended(&self) -> watch::Receiver<u64> {
        self.ended.subscribe()
    }

    /// How many runs go on here.
    #[must_use]
    pub fn going(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<i64, Going>> {
        self.going.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Works until `stop`, then lets what runs end, at most [`EngineSettings::patience`].
    pub async fn work(self: &Arc<Self>, stop: CancellationToken) {
        let holding = tokio::spawn(self.clone().hold());
        while !stop.is_cancelled() {
            if let Err(error) = self.take().await {
                tracing::error!(%error, "the queue cannot be read now");
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.wake.notified() => {}
                () = tokio::time::sleep(self.settings.look) => {}
            }
        }
        self.end().await;
        holding.abort();
    }

    /// Takes as many runs as there is room for; ends those that are not to run, room or no room.
    async fn take(self: &Arc<Self>) -> Result<(), StateError> {
        let mut room = self.settings.workers.saturating_sub(self.going());
        if room == 0 {
            // What overlaps is told from what waits for us: the one will not run, the other will.
            let count = self.store.skip(self.clock.now()).await?;
            if count > 0 {
                tracing::info!(count, "not run: the run before had not finished");
                self.ended.send_modify(|count| *count += 1);
            }
            return Ok(());
        }
        let published = self.library.published();
        let looked = self.clock.now();
        let mut behind = None;
        loop {
            let open = self.store.open_runs(looked, behind, LOOK).await?;
            // What nobody can run here must not hide what stands behind it.
            behind = open.last().map(|last| (last.due, last.id));
            for OpenRun { id: run, func, .. } in open {
                if room == 0 {
                    return Ok(());
                }
                // A run that another took from us may still be ending here.
                if self.lock().contains_key(&run) {
                    continue;
                }
                let Some((script, function)) = published.function(&func) else { continue };
                let now = self.clock.now();
                let lease = now + nanoseconds(self.settings.lease);
                match self.store.take(run, &self.settings.worker, now, lease, ATTEMPTS).await? {
                    Taken::Gone => {}
                    Taken::Ended(status) => {
                        tracing::info!(run, func, status = status.as_str(), "not run");
                        self.ended.send_modify(|count| *count += 1);
                    }
                    Taken::Yes(ours) => {
                        room -= 1;
                        self.start(*ours, script.clone(), function.clone());
                    }
                }
            }
            if room == 0 || behind.is_none() {
                return Ok(());
            }
        }
    }

    fn start(self: &Arc<Self>, ours: Ours, script: Script, function: ApiFunction) {
        let stop = CancellationToken::new();
        let (run, fence) = (ours.record.id, ours.record.fence);
        let going = Going { fence, func: ours.record.func.clone(), stop: stop.clone(), why: None };
        self.lock().insert(run, going);
        let engine = self.clone();
        tokio::spawn(async move {
            let work = engine.clone();
            // A panic of our own must not leave the run in the list for ever.
            let done = tokio::spawn(async move { work.run(ours, script, function, stop).await }).await;
            if let Err(error) = done {
                tracing::error!(run, %error, "a defect in funchost ended the run");
                let end = End {
                    status: Status::Failure,
                    reason: Some(format!("a defect in funchost ended the run: {error}")),
                    detail: Detail::default(),
                    points: None,
                    calls: None,
                };
                engine.finish(run, fence, &end).await;
            }
            engine.lock().remove(&run);
            engine.ended.send_modify(|count| *count += 1);
            engine.wake();
        });
    }

    /// One run, from its start to its record.
    async fn run(
        self: Arc<Self>,
        ours: Ours,
        script: Script,
        function: ApiFunction,
        stop: CancellationToken,
    ) {
        let Ours { record, kwargs, from, last_line } = ours;
        let (run, fence, func) = (record.id, record.fence, record.func.as_str());
        // Of this attempt: the record keeps when the first one began.
        let began = self.clock.now();
        let log = Arc::new(RunLog::new(self.clock.clone(), began, last_line));
        let span = tracing::info_span!(
            target: TRACED,
            parent: None,
            "run",
            otel.name = func,
            run,
            origin = record.origin.as_str(),
            trigger = record.trigger.as_deref(),
            attempt = fence,
            worker = self.settings.worker,
            status = tracing::field::Empty,
            points = tracing::field::Empty,
            calls = tracing::field::Empty,
            otel.status_code = tracing::field::Empty,
            otel.status_description = tracing::field::Empty,
        );
        tracing::info!(run, func, trigger = record.trigger, taken_over_from = from, "started");
        if let Some(from) = from {
            log.host(&format!(
                "taken over from {from}, which had gone silent: it starts again from the beginning"
            ));
        }
        let keeping = {
            let (log, store) = (log.clone(), self.store.clone());
            tokio::spawn(async move { log.keep(store.as_ref(), run, fence).await })
        };
        let arguments: serde_json::Map<_, _> = serde_json::from_str(&kwargs).unwrap_or_default();
        drop(kwargs);
        let masker = Arc::new(Masker::of_run(&self.settings.masker));
        for secret in crate::hiding::secrets(&arguments) {
            masker.learn_here(&secret);
        }
        let runner = self.runner(record.due, (run, fence), &log, (&masker, &span));
        let given = arguments.clone();
        let options = RunOptions {
            function: Some(function.name.clone()),
            timeout: record.timeout.and_then(|seconds| u64::try_from(seconds).ok()),
            debug: false,
            arguments,
            ..RunOptions::default()
        };
        let script = script.with_output(log.clone()).with_masker(masker.clone());
        let outcome = script::run(&script, options, Arc::new(runner.clone()), stop).await;
        let why = self.lock().get(&run).and_then(|going| going.why);
        if outcome.ended == Ended::Stopped && why == Some(Stopped::Ending) && record.origin != Origin::Sync {
            span.record("status", "given back");
            log.host("the service ends: the run is given back, and starts again where the service goes on");
            log.close();
            drop(keeping.await);
            self.give_back(run, fence).await;
            return;
        }
        let stopped = match why {
            Some(Stopped::ByHand) => said::BY_HAND,
            Some(Stopped::Lost) => said::LOST,
            _ => said::ENDED,
        };
        let mut end = end_of(&runner, &outcome, func, stopped.text(), &masker);
        span.record("status", end.status.as_str()).record("points", end.points).record("calls", end.calls);
        if end.status != Status::Success {
            span.record("otel.status_code", "ERROR");
            // It was masked with all that is recorded.
            span.record("otel.status_description", end.reason.as_deref());
        }
        // By now more may be known to be secret than when the run was asked for.
        end.detail.kwargs = crate::hiding::arguments(&given, &masker).shown().to_owned();
        log.close();
        drop(keeping.await);
        if self.finish(run, fence, &end).await {
            let seconds = (self.clock.now() - began) / 1_000_000;
            let reason = end.reason.as_deref();
            if end.status == Status::Success {
                tracing::info!(run, func, milliseconds = seconds, points = end.points, "success");
            } else {
                tracing::warn!(
                    run,
                    func,
                    milliseconds = seconds,
                    status = end.status.as_str(),
                    reason,
                    "ended"
                );
            }
        }
    }

    fn runner(
        &self,
        due: Time,
        (run, fence): (i64, i64),
        log: &Arc<RunLog>,
        (masker, span): (&Arc<Masker>, &tracing::Span),
    ) -> Runner {
        let tools = self.tools();
        let (told, masker) = (log.clone(), masker.clone());
        let state = self.store.fenced(run, fence);
        let settings = Settings {
            ledger: state.clone(),
            state,
            calls: tools.calls.clone(),
            clock: self.clock.clone(),
            datakits: tools.datakits.clone(),
            overlap: tools.overlap.clone(),
            outbox_limit: tools.outbox_limit,
            budgets: tools.budgets.clone(),
            debug: false,
            force: false,
            lines: Arc::new(Mutex::new(DebugLines(log.clone()))),
            progress: Arc::new(move |text| told.host(&masker.mask(text))),
            steps: Arc::new(|_, _| {}),
            span: span.clone(),
        };
        // Intervals count from the time the run was meant for: one that waited must not make the next one come too early.
        Runner::started_at(settings, due)
    }

    /// Records the end; tries for a while where the state cannot be used.
    async fn finish(&self, run: i64, fence: i64, end: &End) -> bool {
        for attempt in 0_u32..6 {
            match self.store.finish(run, fence, end, self.clock.now()).await {
                Ok(true) => return true,
                Ok(false) => {
                    tracing::warn!(run, "taken over by another worker: what it did here counts for nothing");
                    return false;
                }
                Err(error) => {
                    tracing::error!(run, attempt, %error, "the end of a run cannot be recorded now");
                    tokio::time::sleep(Duration::from_secs(1 << attempt.min(3))).await;
                }
            }
        }
        tracing::error!(run, "the end of a run was not recorded: it is taken again when its lease has ended");
        false
    }

    async fn give_back(&self, run: i64, fence: i64) {
        let reason = said::GIVEN_BACK.with(&[&self.settings.worker]);
        match self.store.hand_over(run, fence, &reason, self.clock.now()).await {
            Ok(true) => tracing::info!(run, "given back"),
            Ok(false) => {}
            Err(error) => {
                tracing::error!(run, %error, "a run could not be given back: it is taken again when its lease has ended");
            }
        }
    }

    /// Renews the leases of what goes on here; stops what is another's, and what was asked to stop. Never ends.
    async fn hold(self: Arc<Self>) {
        loop {
            tokio::time::sleep(self.clock.wait(self.settings.renewal)).await;
            let held: Vec<(i64, i64)> = self.lock().iter().map(|(run, going)| (*run, going.fence)).collect();
            if held.is_empty() {
                continue;
            }
            let lease = self.clock.now() + nanoseconds(self.settings.lease);
            match self.store.hold(&held, lease).await {
                Err(error) => tracing::warn!(%error, "leases could not be renewed"),
                Ok(ours) => {
                    let ours: HashMap<i64, bool> = ours.into_iter().collect();
                    for (run, fence) in held {
                        match ours.get(&run) {
                            Some(false) => {}
                            Some(true) => self.stop(run, fence, Stopped::ByHand),
                            None => self.stop(run, fence, Stopped::Lost),
                        }
                    }
                }
            }
        }
    }

    fn stop(&self, run: i64, fence: i64, why: Stopped) {
        if let Some(going) =
            self.lock().get_mut(&run).filter(|going| going.fence == fence && going.why.is_none())
        {
            if why == Stopped::Lost {
                tracing::warn!(run, func = going.func, "stopped: another worker has it");
            }
            going.why = Some(why);
            going.stop.cancel();
        }
    }

    /// Lets what runs finish; stops the rest in time for its points to be delivered or kept.
    async fn end(&self) {
        let deadline = tokio::time::Instant::now() + self.settings.patience;
        let soft = deadline - (GRACE + Duration::from_secs(2)).min(self.settings.patience);
        let mut ended = self.ended();
        let going = self.going();
        if going > 0 {
            tracing::info!(going, "waiting for runs to finish");
        }
        while self.going() > 0 {
            tokio::select! {
                changed = ended.changed() => if changed.is_err() { break },
                () = tokio::time::sleep_until(soft) => break,
            }
        }
        let left: Vec<(i64, i64)> = self.lock().iter().map(|(run, going)| (*run, going.fence)).collect();
        for (run, fence) in &left {
            self.stop(*run, *fence, Stopped::Ending);
        }
        while self.going() > 0 {
            tokio::select! {
                changed = ended.changed() => if changed.is_err() { break },
                () = tokio::time::sleep_until(deadline) => break,
            }
        }
        let left: Vec<i64> = self.lock().keys().copied().collect();
        for run in left {
            tracing::error!(run, "did not stop in time: it is taken again when its lease has ended");
        }
    }
}

fn nanoseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

fn bytes(count: usize) -> String {
    number(count as u64, "byte", "bytes")
}

/// What a run leaves; `stopped` says why it was stopped, where it was.
#[must_use]
pub fn end_of(runner: &Runner, outcome: &RunOutcome, func: &str, stopped: &str, masker: &Masker) -> End {
    let mask = |text: String| masker.mask(&text).into_owned();
    let mut report = runner.report(func);
    let (status, reason) = match (&outcome.ended, &outcome.result) {
        (Ended::TimedOut, _) => {
            report.fail("timeout");
            (Status::Timeout, outcome.result.as_ref().err().map(Report::headline))
        }
        (Ended::Stopped, _) => {
            report.fail("interrupted");
            (Status::Interrupted, Some(stopped.to_owned()))
        }
        (Ended::Finished, Err(error)) => {
            report.fail(&error.headline());
            (Status::Failure, Some(error.headline()))
        }
        (Ended::Finished, Ok(_)) => match report.status {
            RunStatus::Ok => (Status::Success, None),
            RunStatus::Partial | RunStatus::Failed => (Status::Failure, report.reason.clone()),
        },
    };
    let entries = |error: &Report, more: Option<(&str, &str)>| {
        let mut entries = error.entries();
        // The whole text once, as `funchost run` would show it: the places with their lines.
        if let Some(first) = entries.first_mut().and_then(serde_json::Value::as_object_mut) {
            first.insert("rendered".into(), error.render(false).into());
            first.extend(more.map(|(key, value)| (key.to_owned(), value.into())));
        }
        serde_json::Value::Array(entries).to_string()
    };
    let mut error = outcome.result.as_ref().err().map(|error| entries(error, None));
    let mut reason = reason;
    let mut result = outcome.result.as_ref().ok().map(|value| mask(value.to_string()));
    // The run has done what it does: a result that cannot be kept is said, and is no failure of it.
    let mut leave_out = |why: String, told: String| {
        reason.get_or_insert(why);
        error = Some(told);
    };
    if let Some(diagnostic) = &outcome.no_data {
        let report = Report::from(diagnostic.clone());
        leave_out(report.headline(), entries(&report, Some(("kind", RESULT))));
    } else if let Some(large) = result.take_if(|result| result.len() > LARGEST_RESULT) {
        let why = format!(
            "the function's result is {} as JSON, and a run keeps {} at most: it is left out",
            bytes(large.len()),
            bytes(LARGEST_RESULT)
        );
        let told = serde_json::json!([{
            "message": why,
            "file": null,
            "line": null,
            "column": null,
            "hint": "let the function end with what is needed of it, or with `()`",
            "kind": RESULT,
        }]);
        leave_out(why, told.to_string());
    }
    let delivered: u64 = report.collectors.iter().map(|collector| collector.delivered).sum();
    let calls: u64 = report.collectors.iter().flat_map(|collector| collector.calls.values()).sum();
    let samples = runner.samples();
    End {
        status,
        reason: reason.map(mask),
        points: i64::try_from(delivered).ok(),
        calls: i64::try_from(calls).ok(),
        detail: Detail {
            kwargs: String::new(),
            result,
            report: serde_json::to_string(&report).ok().map(mask),
            error: error.map(mask),
            samples: (!samples.is_empty()).then(|| mask(serde_json::Value::Array(samples).to_string())),
        },
    }
}
