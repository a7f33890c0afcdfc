//! The plan of a script: what it would call, what that costs and how long it takes, before anything is collected.
//!
//! Owns the stand-in for the Runner that notes what a script's function hands over (so loops and conditions are the script's own), and the way from
//! each collector's estimate to a month. Nothing is called and nothing is written, unless the lists are asked for with [`Planner::discover`].
//! Values that the script keeps are read as they stand; what it keeps meanwhile is held here, and its own points are counted.
//! Knows no cloud: collectors say themselves what they would call.

mod forecast;
mod memory;
mod rhythm;
mod text;

pub use forecast::{CallForecast, CollectorForecast, Forecast, NextRun, Pool, Question};
pub use rhythm::{Rhythm, every, of_crontab};

use crate::link::Linker;
use crate::money::budget::Budgets;
use crate::runner::{CollectorReport, CollectorStatus, Marks, extra_tags_digest, read_keys, read_value};
use crate::script::{Backend, BackendError, Kept, Prepared, Request, WriteRequest, Written};
use crate::state::{ObjectScope, State, Time};
use funchost_collectors::account::Cloud;
use funchost_collectors::call::{CallPath, Counts};
use funchost_collectors::clock::Clock;
use funchost_collectors::collector::Output;
use funchost_collectors::mapped::Mapped as _;
use funchost_collectors::run::Run;
use memory::{Overlay, PlanMemory};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Pages of a list that may wait.
const WAITING_PAGES: usize = 4;

/// What a plan is made with.
pub struct Settings {
    /// What is remembered.
    pub state: Arc<dyn State>,
    /// The configured rates, and the way to the clouds where lists are asked for.
    pub calls: Arc<CallPath>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// How far windows reach back for late points, nanoseconds.
    pub overlap: BTreeMap<Cloud, Time>,
    /// What accounts may use in a month.
    pub budgets: Budgets,
}

/// Notes what would be run.
#[derive(Clone)]
pub struct Planner(Arc<Inner>);

struct Inner {
    settings: Settings,
    linker: Arc<Linker>,
    overlay: Arc<Overlay>,
    requests: Mutex<Vec<Request>>,
    /// What the script keeps while it is planned; none for a value that it removed.
    kept: Mutex<BTreeMap<String, Option<Kept>>>,
    /// Its own points, by DataKit.
    written: Mutex<BTreeMap<String, u64>>,
}

/// What was asked for beforehand.
#[derive(Debug, Default)]
pub struct Discovered {
    /// Calls, by `service:Action`.
    pub calls: BTreeMap<String, u64>,
    /// What failed.
    pub failures: Vec<String>,
}

impl Planner {
    /// A planner that has noted nothing yet.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let linker = Arc::new(Linker::new(settings.state.clone()));
        Self(Arc::new(Inner {
            settings,
            linker,
            overlay: Arc::default(),
            requests: Mutex::default(),
            kept: Mutex::default(),
            written: Mutex::default(),
        }))
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Option<Kept>>> {
        self.0.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Points that the script would write itself, by DataKit.
    pub(crate) fn written(&self) -> BTreeMap<String, u64> {
        self.0.written.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Every collector of every Runner that was noted, in order, each with the DataKit that its points would go to.
    pub(crate) fn prepared(&self) -> Vec<(String, Prepared)> {
        let requests = self.0.requests.lock().unwrap_or_else(PoisonError::into_inner);
        let of_one = |request: &Request| {
            let datakit = request.datakit_id.clone();
            request.collectors.clone().into_iter().map(move |prepared| (datakit.clone(), prepared))
        };
        requests.iter().flat_map(of_one).collect()
    }

    /// Asks for the lists that the estimates need. The calls are counted in the state, as they were made; nothing else is written.
    pub async fn discover(&self) -> Discovered {
        let mut discovered = Discovered::default();
        for (_, prepared) in self.prepared() {
            self.discover_one(&prepared, &mut discovered).await;
        }
        discovered
    }

    async fn discover_one(&self, prepared: &Prepared, discovered: &mut Discovered) {
        let Inner { settings, linker, .. } = self.0.as_ref();
        let (account, name) = (&prepared.account, prepared.collector.description().name);
        let counts = Arc::new(Counts::default());
        let now = settings.clock.now();
        let (output, mut pages) = tokio::sync::mpsc::channel(WAITING_PAGES);
        let run = Run {
            account: account.clone(),
            clock: settings.clock.clone(),
            started: now,
            calls: settings.calls.clone(),
            counts: counts.clone(),
            memory: Arc::new(self.memory(prepared, now, Duration::ZERO)),
            filter: None,
            output,
        };
        let regions = prepared.spec.regions();
        let asking = async move { prepared.spec.discover(&run, &regions).await };
        let noting = async {
            while let Some(page) = pages.recv().await {
                let Output::Objects { region, points } = page else { continue };
                let scope = ObjectScope {
                    account: account.identity(),
                    class: prepared.collector.description().measurement.into(),
                    region: region.to_string(),
                };
                // Held in memory alone.
                drop(linker.keep(&scope, &points, false, now).await);
            }
        };
        let (result, ()) = tokio::join!(asking, noting);
        if let Err(failure) = result {
            discovered.failures.push(format!("{name}: {failure}"));
        }
        let calls = counts.snapshot();
        if let Err(error) =
            settings.state.count_calls(&crate::money::day(now), &account.identity(), &calls).await
        {
            discovered.failures.push(format!("{name}: the calls could not be counted: {error}"));
        }
        for (action, count) in calls {
            *discovered.calls.entry(action).or_default() += count;
        }
    }

    /// What a collector remembers, as a run at this time sees it that follows another by `cadence`.
    fn memory(&self, prepared: &Prepared, planned: Time, cadence: Duration) -> PlanMemory {
        let Inner { settings, linker, overlay, .. } = self.0.as_ref();
        let cloud = prepared.account.cloud;
        PlanMemory {
            state: settings.state.clone(),
            linker: linker.clone(),
            overlay: overlay.clone(),
            identity: prepared.account.identity(),
            overlap: settings.overlap.get(&cloud).copied().unwrap_or_default(),
            cloud_time: planned.saturating_add(settings.calls.offset(cloud)),
            planned,
            cadence: i64::try_from(cadence.as_nanos()).unwrap_or(i64::MAX),
            marks: None,
        }
    }

    /// The same, as the run that comes next sees it: with the marks as they are.
    fn next_memory(&self, datakit: &str, prepared: &Prepared, planned: Time) -> PlanMemory {
        let memory = self.memory(prepared, planned, Duration::ZERO);
        let tags = extra_tags_digest(&prepared.account.extra_tags);
        let marks = Marks::new(memory.state.clone(), datakit, &memory.identity, tags, memory.overlap, true);
        PlanMemory { marks: Some(marks), ..memory }
    }
}

#[async_trait::async_trait]
impl Backend for Planner {
    async fn run(&self, request: Request, _: CancellationToken) -> Result<serde_json::Value, BackendError> {
        // A report as a script may take it apart, of a run in which nothing was found.
        let reports: Vec<CollectorReport> = request
            .collectors
            .iter()
            .map(|prepared| {
                let name = prepared.collector.description().name;
                let mut report = CollectorReport::new(name, CollectorStatus::Collected);
                let regions = prepared.spec.regions();
                report.regions = regions.iter().map(|region| (region.to_string(), "ok".into())).mapped();
                report
            })
            .collect();
        self.0.requests.lock().unwrap_or_else(PoisonError::into_inner).push(request);
        Ok(serde_json::json!({ "status": "ok", "reason": null, "collectors": reports }))
    }

    async fn write(&self, request: WriteRequest, _: CancellationToken) -> Result<Written, BackendError> {
        let points = request.points.len() as u64;
        let mut written = self.0.written.lock().unwrap_or_else(PoisonError::into_inner);
        *written.entry(request.datakit_id).or_default() += points;
        Ok(Written { delivered: points, ..Written::default() })
    }

    async fn value(&self, key: &str) -> Result<Option<Kept>, BackendError> {
        if let Some(kept) = self.kept().get(key) {
            return Ok(kept.clone());
        }
        let settings = &self.0.settings;
        read_value(settings.state.as_ref(), key, settings.clock.now()).await
    }

    async fn swap_value(
        &self,
        key: &str,
        _: Option<Vec<u8>>,
        new: Option<Kept>,
    ) -> Result<bool, BackendError> {
        self.kept().insert(key.to_owned(), new);
        Ok(true)
    }

    async fn value_keys(&self, prefix: &str) -> Result<Vec<String>, BackendError> {
        let settings = &self.0.settings;
        let found = read_keys(settings.state.as_ref(), prefix, settings.clock.now()).await?;
        let kept = self.kept();
        let mut keys: BTreeSet<String> = found.into_iter().filter(|key| !kept.contains_key(key)).collect();
        keys.extend(
            kept.iter()
                .filter(|(key, kept)| key.starts_with(prefix) && kept.is_some())
                .map(|(key, _)| key.clone()),
        );
        Ok(keys.into_iter().collect())
    }
}
