//! Collectors that a script writes: `Collector(name, account, |ctx| [points])`.
//!
//! Owns the constructor, the context that the function gets, and the way of its points. The Runner treats such a collector like any
//! other: it is claimed, timed, linked, delivered and reported; only its `collect` asks the script's own thread, over the channel
//! that filters take too, because no function of a script runs on an async worker.

use super::convert::{NotData, from_json, kind, to_json};
use super::filter::{CollectJob, Job, Unfinished};
use super::host::{Host, lock, terminated};
use super::packages::{Created, Inner};
use super::points::{self, Shape, Wrong};
use super::problem::{Problem, Result};
use super::{Prepared, clients, ending, memory};
use funchost_collectors::account::{Account, Cloud};
use funchost_collectors::clock::SECOND;
use funchost_collectors::collector::{
    Collector, Description, Failure, MarkId, MarkKey, MetricPoint, Output, Part, Spec, Window,
};
use funchost_collectors::estimate::{
    AS_FAILED_RUN, AS_LAST_RUN, AS_OPEN_RUN, Ahead, End, Estimate, Expected, LastRun, NOT_RUN,
};
use funchost_collectors::mapped::Mapped as _;
use funchost_collectors::mistake::{self, Argument, Mistake, nearest};
use funchost_collectors::names;
use funchost_collectors::point::{Category, Point, Text};
use funchost_collectors::run::{Memory, Run, WindowRequest};
use rhai::{Array, Dynamic, Engine, EvalAltResult, FnPtr, Map, NativeCallContext, Position};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// What the messages about the arguments say at the call.
const CREATED: &str = "the collector is created here";

/// How a collector is written.
pub(super) const FORM: &str =
    "write `Collector(\"my_product\", account, #{ regions: [\"cn-hangzhou\"] }, |ctx| [ … ])`";

/// Points that wait in the context until they are handed over.
const BATCH: usize = 500;

/// How long it is remembered what a collector called.
const NOTED: Duration = Duration::from_secs(7 * 86_400);

/// Characters of a collector's name.
const LONGEST_NAME: usize = 64;

/// Different collectors of scripts that a process keeps.
const MOST: usize = 10_000;

/// The options, as a script writes them.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    kind: Option<String>,
    cloud: Option<String>,
    regions: Option<Vec<String>>,
    interval: Option<u64>,
    measurement: Option<String>,
    period: Option<i64>,
}

/// A product as a script describes it.
#[derive(Debug)]
struct ScriptCollector {
    description: Description,
}

impl Collector for ScriptCollector {
    fn description(&self) -> &Description {
        &self.description
    }

    fn read(&'static self, _: &Account, _: &Json) -> std::result::Result<Box<dyn Spec>, Mistake> {
        Err(Mistake::new(Argument::Configs, "", "belongs to a collector that only its script can make"))
    }
}

static KEPT: Mutex<Vec<&'static ScriptCollector>> = Mutex::new(Vec::new());

/// The one of its kind: a script that runs every minute describes the same collector every time.
fn kept(
    name: &str,
    measurement: &str,
    cloud: Cloud,
    category: Category,
    interval: Duration,
) -> std::result::Result<&'static ScriptCollector, names::TooMany> {
    let (name, measurement) = (names::keep(name)?, names::keep(measurement)?);
    let mut all = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    let known = all.iter().find(|known| {
        let description = &known.description;
        description.name == name
            && description.measurement == measurement
            && description.cloud == cloud
            && description.category == category
            && description.interval == interval
    });
    if let Some(known) = known {
        return Ok(known);
    }
    if all.len() >= MOST {
        return Err(names::TooMany);
    }
    let new: &'static ScriptCollector = Box::leak(Box::new(ScriptCollector {
        description: Description {
            package: name,
            name,
            title: name,
            title_zh: name,
            cloud,
            category,
            measurement,
            interval,
            actions: &[],
            configuration: &[],
            tags: &[],
            fields: &[],
            notes: &[],
        },
    }));
    all.push(new);
    Ok(new)
}

/// The collector's own part, as the Runner has it.
#[derive(Clone)]
pub(super) struct ScriptSpec {
    regions: Vec<Text>,
    name: &'static str,
    /// Whose: two scripts may each have a collector of this name.
    script: Arc<str>,
    /// By whom it was created.
    by: By,
    /// The functions that its script has now, by their ids.
    functions: Arc<[String]>,
    /// A digest of the script, and of what it imports.
    source: Arc<str>,
    category: Category,
    /// Seconds of a window's step; metrics only.
    period: i64,
    /// Where its function runs; none before `.run()`.
    thread: Option<(usize, mpsc::Sender<Job>)>,
}

impl std::fmt::Debug for ScriptSpec {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("ScriptSpec")
            .field("name", &self.name)
            .field("regions", &self.regions)
            .finish_non_exhaustive()
    }
}

impl ScriptSpec {
    /// The same, with the thread on which its function runs.
    pub(super) fn on(&self, collector: usize, thread: &mpsc::Sender<Job>) -> Arc<dyn Spec> {
        Arc::new(Self { thread: Some((collector, thread.clone())), ..self.clone() })
    }

    /// Under what its calls of a region are remembered, for the next plan.
    fn memory(&self, region: &Text) -> String {
        format!("calls of a script's collector\n{}\n{}\n{region}", self.script, self.name)
    }

    /// What is remembered of a region.
    async fn made(&self, memory: &dyn Memory, region: &Text) -> std::result::Result<Option<Made>, Failure> {
        let known = memory.recall(&self.memory(region)).await?;
        Ok(known.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
    }

    /// What was called for a region, with the metrics that were asked for, of both since `before`. A run that is stopped notes its end no more: so
    /// its beginning is noted as one that has not ended.
    async fn note(
        &self,
        run: &Run,
        region: &Text,
        before: &Made,
        end: End,
    ) -> std::result::Result<(), Failure> {
        let made = Made::of(run);
        let since = |now: &BTreeMap<String, u64>, before: &BTreeMap<String, u64>| -> BTreeMap<String, u64> {
            let left = now.iter().map(|(key, count)| (key.clone(), count - before.get(key).unwrap_or(&0)));
            left.filter(|(_, count)| *count > 0).mapped()
        };
        let mut made = Made {
            calls: since(&made.calls, &before.calls),
            metrics: since(&made.metrics, &before.metrics),
            failed: end == End::Failed,
            open: end == End::Open,
            by: Some(self.by.clone()),
            began: Some(run.started),
            source: Some(self.source.to_string()),
            called: None,
        };
        made.called = Some(made.calls.keys().cloned().collect());
        // A run that failed or was stopped may have made a part of its calls: what whole ones made is still to be expected.
        if end != End::Well
            && let Some(known) = self.made(run.memory.as_ref(), region).await?
        {
            for (new, known) in [(&mut made.calls, known.calls), (&mut made.metrics, known.metrics)] {
                for (name, count) in known {
                    let new = new.entry(name).or_default();
                    *new = count.max(*new);
                }
            }
        }
        let bytes = serde_json::to_vec(&made).map_err(|error| Failure::State(error.to_string()))?;
        run.memory.remember(&self.memory(region), &bytes, NOTED).await
    }

    /// What is to be asked for; none for objects.
    async fn window(&self, run: &Run, region: &Text) -> std::result::Result<Option<Window>, Failure> {
        if self.category != Category::Metric {
            return Ok(None);
        }
        let now = run.calls.now(run.account.cloud) / SECOND;
        let key = MarkKey {
            region: region.clone(),
            namespace: format!("{} {}", self.script, self.name).into(),
            metric: "points".into(),
            dimensions: Vec::new(),
        };
        let request =
            WindowRequest { end: (now - now.rem_euclid(self.period)) * SECOND, period: self.period };
        Ok(run.memory.windows(&[(key, request)]).await?.into_iter().next())
    }

    async fn region(
        &self,
        run: &Run,
        region: &Text,
        window: Option<Window>,
    ) -> std::result::Result<(), Unfinished> {
        let gone = || Unfinished::Stopped(Failure::Script("the script has ended".into()));
        let Some((collector, thread)) = &self.thread else { return Err(gone()) };
        let (answer, answered) = oneshot::channel();
        let job =
            CollectJob { collector: *collector, run: run.clone(), region: region.clone(), window, answer };
        thread.send(Job::Collect(Box::new(job))).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())??;
        if let Some(window) = window {
            run.send(Output::Advance { mark: window.mark, until: window.end }).await;
        }
        Ok(())
    }
}

#[async_trait::async_trait]
impl Spec for ScriptSpec {
    fn regions(&self) -> Vec<Text> {
        self.regions.clone()
    }

    async fn collect(&self, run: &Run, regions: &[Text]) {
        // One after the other: a script has one thread.
        for region in regions {
            let window = match self.window(run, region).await {
                // No step has ended since the last delivery: there is nothing to ask for, and clouds refuse an empty time.
                Ok(Some(window)) if window.start >= window.end => {
                    run.done(region, Ok(())).await;
                    continue;
                }
                Ok(window) => window,
                Err(failure) => {
                    run.done(region, Err(failure)).await;
                    continue;
                }
            };
            let before = Made::of(run);
            let begun = self.note(run, region, &before, End::Open).await;
            let (end, result) = match self.region(run, region, window).await {
                Ok(()) => (End::Well, Ok(())),
                Err(Unfinished::Failed(failure)) => (End::Failed, Err(failure)),
                Err(Unfinished::Stopped(failure)) => (End::Open, Err(failure)),
            };
            let noted = self.note(run, region, &before, end).await;
            // Why it failed is worth more than that this could not be remembered.
            let result = result.and(begun).and(noted);
            run.done(region, result).await;
        }
    }

    async fn estimate(&self, ahead: &Ahead<'_>, regions: &[Text]) -> std::result::Result<Estimate, Failure> {
        let mut estimate = Estimate::default();
        for region in regions {
            let made = self.made(ahead.memory, region).await?;
            let uncertain = match &made {
                None => Some(NOT_RUN),
                Some(made) => match made.end() {
                    End::Failed => Some(AS_FAILED_RUN),
                    End::Open if made.calls.is_empty() => Some(NOT_RUN),
                    End::Open => Some(AS_OPEN_RUN),
                    End::Well => None,
                },
            };
            // That the last run called nothing does not say that the next one will call nothing.
            let silent = made.as_ref().is_some_and(|made| made.calls.is_empty());
            if let Some(why) = uncertain.or(silent.then_some(AS_LAST_RUN))
                && !estimate.at_least.iter().any(|known| known == why)
            {
                estimate.at_least.push(why.into());
            }
            let Some(made) = made else { continue };
            for (name, calls) in &made.calls {
                let Some((service, action)) = name.split_once(':') else { continue };
                let action = names::action(ahead.account.cloud, service, action, None)
                    .map_err(|error| Failure::State(error.to_string()))?;
                estimate.calls.push(Expected {
                    metrics: made.metrics.get(name).copied().unwrap_or(0),
                    at_least: Some(uncertain.unwrap_or(AS_LAST_RUN).into()),
                    ..Expected::new(action, region, *calls)
                });
            }
        }
        Ok(estimate)
    }

    async fn taken_by(
        &self,
        memory: &dyn Memory,
        regions: &[Text],
    ) -> std::result::Result<Option<String>, Failure> {
        for region in regions {
            let made = self.made(memory, region).await?;
            // A function that the script has no more collects no more.
            let another = |other: &By| other.is_another(&self.by) && self.functions.contains(&other.function);
            if let Some(other) = made.and_then(|made| made.by).filter(another) {
                let name = self.name;
                return Ok(Some(format!(
                    "under this name `{}` has collected last, by the collector `{name}` that it creates at {}: one name, account and region is one collector, with one interval; name them differently, or give them different regions",
                    other.function, other.place
                )));
            }
        }
        Ok(None)
    }

    async fn last_runs(
        &self,
        memory: &dyn Memory,
        regions: &[Text],
    ) -> std::result::Result<Vec<LastRun>, Failure> {
        let mut all = Vec::new();
        for region in regions {
            let made = self.made(memory, region).await?;
            all.push(match made {
                None => {
                    LastRun { region: region.clone(), end: None, began: None, called: Vec::new(), same: None }
                }
                Some(made) => LastRun {
                    region: region.clone(),
                    end: Some(made.end()),
                    began: made.began,
                    called: made.called.unwrap_or_else(|| made.calls.into_keys().collect()),
                    same: made.source.map(|source| *source == *self.source),
                },
            });
        }
        Ok(all)
    }
}

/// Who created a collector.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
struct By {
    /// The function that ran; empty at the top level.
    function: String,
    /// The file and the line.
    place: String,
}

impl By {
    /// Is it another collector? What two functions create at one place is the same, and so is what stands elsewhere after the script has changed.
    fn is_another(&self, other: &Self) -> bool {
        let known = !self.function.is_empty() && !other.function.is_empty();
        known && self.function != other.function && self.place != other.place
    }
}

/// What was called so far, as it is remembered for plans. What an older version remembered is without what has been added since.
#[derive(Debug, Default, Deserialize, Serialize)]
struct Made {
    calls: BTreeMap<String, u64>,
    metrics: BTreeMap<String, u64>,
    /// Did that run fail?
    #[serde(default)]
    failed: bool,
    /// Has it not ended?
    #[serde(default)]
    open: bool,
    /// Whose run it was.
    #[serde(default)]
    by: Option<By>,
    /// When the run began, nanoseconds since 1970.
    #[serde(default)]
    began: Option<i64>,
    /// A digest of the script as it was.
    #[serde(default)]
    source: Option<String>,
    /// What that run called; `calls` has also what whole runs before it did.
    #[serde(default)]
    called: Option<Vec<String>>,
}

impl Made {
    fn end(&self) -> End {
        match (self.open, self.failed) {
            (true, _) => End::Open,
            (false, true) => End::Failed,
            (false, false) => End::Well,
        }
    }

    fn of(run: &Run) -> Self {
        Self { calls: run.counts.snapshot(), metrics: run.counts.metrics(), ..Self::default() }
    }
}

/// A collector that a script has made, by which another is told from it.
#[derive(PartialEq)]
pub(super) struct Own {
    name: String,
    account: String,
    regions: Vec<Text>,
    /// The function, and what it brings along.
    function: String,
    place: String,
}

impl Own {
    /// Would one never run, because the other has just done so under this name?
    fn hides(&self, other: &Self) -> bool {
        self.name == other.name
            && self.account == other.account
            && self.function != other.function
            && self.regions.iter().any(|region| other.regions.contains(region))
    }
}

/// What a collector's function gets.
#[derive(Clone)]
pub(super) struct Context(Arc<ContextInner>);

struct ContextInner {
    run: Run,
    region: Text,
    window: Option<Window>,
    category: Category,
    measurement: Text,
    name: &'static str,
    account: Dynamic,
    waiting: Mutex<Vec<(Point, Option<funchost_collectors::collector::Link>)>>,
}

/// What runs while a collector's function does.
#[derive(Clone)]
pub(super) struct Collecting {
    pub(super) run: Run,
    pub(super) region: Text,
}

/// Calls a collector's function for one region; what it answers and emits leaves through the run.
pub(super) fn collect(
    host: &Host,
    context: &NativeCallContext,
    created: &Created,
    job: &CollectJob,
) -> Result<()> {
    let Some(closure) = &created.0.closure else { return Ok(()) };
    let description = created.0.prepared.collector.description();
    let inner = memory::uncounted(|| {
        Context(Arc::new(ContextInner {
            run: job.run.clone(),
            region: job.region.clone(),
            window: job.window,
            category: description.category,
            measurement: description.measurement.into(),
            name: description.name,
            account: created.0.written.clone(),
            waiting: Mutex::default(),
        }))
    });
    *lock(&host.collecting) = Some(Collecting { run: job.run.clone(), region: job.region.clone() });
    let answer = closure.call_within_context::<Dynamic>(context, (inner.clone(),)).and_then(|answer| {
        if answer.is_unit() {
            return Ok(());
        }
        let wrong = |problem: Problem| {
            let place = host.function_position(closure.fn_name());
            let problem = match place {
                Some((script, position)) => problem.at(&script, position),
                None => problem,
            };
            problem.thrown(Position::NONE)
        };
        let found = kind(&answer);
        let Some(list) = answer.flatten().try_cast::<Array>() else {
            return Err(wrong(
                Problem::input(format!(
                    "the function of `Collector` answered {found}, expected a list of points"
                ))
                .label("answers something else")
                .hint(
                    "end it with a list `[ … ]`, or hand points over with `ctx.emit(point)` and end with `;`",
                ),
            ));
        };
        for (index, point) in list.iter().enumerate() {
            inner.0.add(point).map_err(|found| {
                let place = format!("[{index}]");
                let problem = found.problem(0, &place, "");
                // The list was made somewhere in the function: which literal it was is not known any more.
                let mut plain =
                    Problem::input(problem.message.clone()).label("of what this function answered");
                plain.hint = problem.hint.clone();
                wrong(plain)
            })?;
            if inner.0.is_full() {
                inner.0.flush(host)?;
            }
        }
        Ok(())
    });
    let answer = answer.and_then(|()| inner.0.flush(host));
    memory::uncounted(|| *lock(&host.collecting) = None);
    drop(inner);
    answer
}

/// Notes where a collector's function was when the run was stopped.
pub(super) fn note_end(host: &Host, error: &EvalAltResult, created: &Created, job: &CollectJob) {
    let Some(closure) = &created.0.closure else { return };
    let name = created.0.prepared.collector.description().name;
    let of = if job.region.is_empty() { format!("`{name}`") } else { format!("`{name}` for {}", job.region) };
    ending::note_callback(host, error, closure.fn_name(), &of);
}

impl ContextInner {
    fn add(&self, point: &Dynamic) -> std::result::Result<(), Wrong> {
        let metric = self.category == Category::Metric;
        let shape = Shape {
            category: self.category,
            measurement: Some(&self.measurement),
            fixed: !metric,
            links: metric,
            now: self.run.started,
        };
        let read = points::read(point, &shape)?;
        memory::uncounted(|| lock(&self.waiting).push(read));
        Ok(())
    }

    fn is_full(&self) -> bool {
        lock(&self.waiting).len() >= BATCH
    }

    /// Hands over what waits; a slow DataKit makes the script wait here.
    fn flush(&self, host: &Host) -> Result<()> {
        let Some(runtime) = &host.runtime else { return Ok(()) };
        memory::uncounted(|| {
            let points = std::mem::take(&mut *lock(&self.waiting));
            if points.is_empty() {
                return Ok(());
            }
            let output = match (self.category, self.window) {
                (Category::CustomObject, _) | (_, None) => Output::Objects {
                    region: self.region.clone(),
                    points: points.into_iter().map(|(point, _)| point).collect(),
                },
                (Category::Metric, Some(window)) => Output::Metrics {
                    region: self.region.clone(),
                    points: points
                        .into_iter()
                        .map(|(point, link)| metric(point, link, window.mark))
                        .collect(),
                },
            };
            runtime.block_on(async {
                tokio::select! {
                    biased;
                    () = host.stop.token.cancelled() => Err(terminated(Position::NONE)),
                    () = self.run.send(output) => Ok(()),
                }
            })
        })
    }
}

fn metric(point: Point, link: Option<funchost_collectors::collector::Link>, mark: MarkId) -> MetricPoint {
    let fields = point.fields.len();
    MetricPoint { point, link, parts: vec![Part { mark, first_field: 0, fields }] }
}

/// Registers the constructor and the context.
pub(super) fn install(engine: &mut Engine, host: &Arc<Host>) {
    engine.register_type_with_name::<Context>("Context");
    let shared = host.clone();
    engine.register_fn(
        "Collector",
        move |context: NativeCallContext, name: Dynamic, account: Dynamic, function: Dynamic| {
            construct(&shared, &context, &name, &account, None, &function)
        },
    );
    let shared = host.clone();
    engine.register_fn(
        "Collector",
        move |context: NativeCallContext,
              name: Dynamic,
              account: Dynamic,
              options: Dynamic,
              function: Dynamic| {
            construct(&shared, &context, &name, &account, Some(&options), &function)
        },
    );
    let shared = host.clone();
    engine.register_fn(
        "emit",
        move |call: NativeCallContext, context: &mut Context, points: Dynamic| -> Result<()> {
            let emit = |point: &Dynamic, before: &str| -> Result<()> {
                context.0.add(point).map_err(|found| {
                    found.problem(0, before, "handed over here").thrown(call.call_position())
                })?;
                if context.0.is_full() { context.0.flush(&shared) } else { Ok(()) }
            };
            let list = points.read_lock::<Array>().map(|list| list.clone());
            match list {
                Some(list) => {
                    list.iter().enumerate().try_for_each(|(index, point)| emit(point, &format!("[{index}]")))
                }
                None => emit(&points, ""),
            }
        },
    );
    let shared = host.clone();
    engine.register_fn(
        "warn",
        move |_: NativeCallContext, context: &mut Context, text: &str| -> Result<()> {
            let Some(runtime) = &shared.runtime else { return Ok(()) };
            let text = shared.settings.masker.mask(text).into_owned();
            memory::uncounted(|| {
                runtime.block_on(async {
                    tokio::select! {
                        biased;
                        () = shared.stop.token.cancelled() => Err(terminated(Position::NONE)),
                        () = context.0.run.warn(text) => Ok(()),
                    }
                })
            })
        },
    );
    engine.register_get("region", |context: &mut Context| context.0.region.to_string());
    engine.register_get("name", |context: &mut Context| context.0.name.to_owned());
    engine.register_get("account", |context: &mut Context| context.0.account.clone());
    engine.register_get("now_ms", |context: &mut Context| context.0.run.started / 1_000_000);
    engine.register_get("window", |context: &mut Context| match context.0.window {
        Some(window) => {
            let mut map = Map::new();
            map.insert("start_ms".into(), (window.start / 1_000_000).into());
            map.insert("end_ms".into(), (window.end / 1_000_000).into());
            Dynamic::from(map)
        }
        None => Dynamic::UNIT,
    });
    engine.register_indexer_get(|call: NativeCallContext, _: &mut Context, member: &str| -> Result<Dynamic> {
        const MEMBERS: &[&str] = &["region", "account", "name", "now_ms", "window", "emit", "warn"];
        Err(Problem::input(format!("the context has no member `{member}`"))
            .label("unknown member")
            .hint(match nearest(member, MEMBERS.iter().copied()) {
                Some(near) => format!("did you mean `ctx.{near}`?"),
                None => "it has ctx.region, ctx.account, ctx.name, ctx.now_ms, ctx.window, ctx.emit(point) and ctx.warn(text)".into(),
            })
            .thrown(call.call_position()))
    });
}

/// Does a function take one value and nothing else? Else how many, and where it stands where its argument would not show it.
pub(super) fn takes_one(
    host: &Host,
    context: &NativeCallContext,
    function: &FnPtr,
) -> std::result::Result<(), (usize, Option<super::problem::At>)> {
    let taken = |script: &str| -> Vec<usize> {
        let ast = host.script(script).and_then(|loaded| loaded.ast);
        let functions = ast.iter().flat_map(|ast| ast.iter_functions());
        functions
            .filter(|one| one.name == function.fn_name())
            .map(|one| one.params.len().saturating_sub(function.curry().len()))
            .collect()
    };
    let mut taken = match taken(context.call_source().unwrap_or(&host.library.entry)) {
        // A call inside of another closure does not say in which script it stands: it is the one that has the function.
        none if none.is_empty() => {
            host.function_position(function.fn_name()).map(|(script, _)| taken(&script)).unwrap_or_default()
        }
        found => found,
    };
    // Of another script, or built in: who knows.
    if taken.is_empty() || taken.contains(&1) {
        return Ok(());
    }
    taken.sort_unstable();
    Err((taken[0], host.function_position(function.fn_name()).filter(|_| !function.is_anonymous())))
}

/// `Collector(name, account, options, function)`.
fn construct(
    host: &Host,
    context: &NativeCallContext,
    name: &Dynamic,
    account: &Dynamic,
    options: Option<&Dynamic>,
    function: &Dynamic,
) -> Result<Created> {
    let position = context.call_position();
    let thrown = |problem: Problem| problem.thrown(position);
    let wrong = |index: usize, path: &str, message: String, hint: Option<String>| {
        thrown(
            Problem::input(message.clone())
                .label(message)
                .hint_if(hint)
                .argument(index, path, false, CREATED),
        )
    };
    let Ok(name) = name.clone().into_string() else {
        return Err(wrong(
            0,
            "",
            format!("the name of a collector is {}, expected a text", kind(name)),
            Some(FORM.into()),
        ));
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if name.chars().count() > LONGEST_NAME {
        // Nobody reads it twice.
        let count = name.chars().count();
        let message =
            format!("the name of a collector has {count} characters, expected at most {LONGEST_NAME}");
        let hint = "write a short one, such as `\"my_product\"`; the measurement may have any name: `measurement: \"…\"`";
        return Err(wrong(0, "", message, Some(hint.into())));
    }
    if name.is_empty() || !name.chars().all(plain) {
        let message = format!(
            "`{name}` is no name for a collector: letters, digits, `_` and `-`, at most {LONGEST_NAME}"
        );
        let plain: String = name.chars().map(|c| if plain(c) { c } else { '_' }).collect();
        let name = if name.is_ascii() && !name.is_empty() { plain.as_str() } else { "my_product" };
        return Err(wrong(
            0,
            "",
            message,
            Some(format!("write `\"{name}\"`; the measurement may have any name: `measurement: \"…\"`")),
        ));
    }
    if host.settings.packages.iter().any(|collector| collector.description().name == name) {
        let hint = format!("name it differently, for example `my_{name}`");
        return Err(wrong(
            0,
            "",
            format!("`{name}` is the name of a collector that funchost has"),
            Some(hint),
        ));
    }
    let Some(closure) = function.read_lock::<FnPtr>().map(|pointer| pointer.clone()) else {
        let last = if options.is_some() { 3 } else { 2 };
        let swapped = options.is_some_and(Dynamic::is_fnptr);
        let hint = if swapped { format!("the function comes last: {FORM}") } else { FORM.to_owned() };
        let message = format!("the last argument of `Collector` is {}, expected a function", kind(function));
        return Err(wrong(last, "", message, Some(hint)));
    };
    takes_one(host, context, &closure).map_err(|(count, at)| {
        let label = format!("takes {}", if count == 0 { "none".to_owned() } else { count.to_string() });
        let last = if options.is_some() { 3 } else { 2 };
        let problem = Problem::input("the function of `Collector` takes one argument, the context")
            .label(label)
            .hint("write `|ctx| [ … ]`, or `fn collect(ctx) { … }` and give `collect`");
        thrown(match at {
            Some((script, place)) => problem.at(&script, place),
            None => problem.argument(last, "", false, CREATED),
        })
    })?;
    let mut configs = Json::Object(serde_json::Map::new());
    if let Some(options) = options {
        if !options.is_map() {
            let message = format!("the options of `Collector` are {}, expected a map", kind(options));
            return Err(wrong(2, "", message, Some(FORM.into())));
        }
        configs = to_json(options).map_err(|NotData { path, message }| {
            thrown(Problem::mistake(Mistake::new(Argument::Options, path, message), CREATED))
        })?;
    }
    let mistaken = |found: Mistake| thrown(Problem::mistake(found, CREATED));
    let written: Written = mistake::read(Argument::Options, &configs).map_err(mistaken)?;
    let option = |path: &str, message: String| Mistake::new(Argument::Options, path, message);
    let cloud = match written.cloud.as_deref() {
        Some("aliyun") => Cloud::Aliyun,
        Some("aws") => Cloud::Aws,
        Some("tencentcloud") => Cloud::Tencent,
        Some(other) => {
            return Err(mistaken(
                option("cloud", format!("is `{other}`, expected aliyun, aws or tencentcloud"))
                    .hint("write whose keys the account holds: `cloud: \"aliyun\"`"),
            ));
        }
        None => match clients::clouds(context).as_slice() {
            [one] => *one,
            [] => {
                return Err(mistaken(option("cloud", "is missing, and no client is imported that would say it".into())
                    .hint("write `cloud: \"aliyun\"`, or import a client: import \"guance_integration__aliyun\" as aliyun;")));
            }
            _ => {
                return Err(mistaken(option("cloud", "is missing, and the imported clients are of several clouds".into())
                    .hint("write `cloud: \"aliyun\"`, `\"aws\"` or `\"tencentcloud\"`: whose keys the account holds")));
            }
        },
    };
    let category = match written.kind.as_deref() {
        None | Some("objects") => Category::CustomObject,
        Some("metrics") => Category::Metric,
        Some(other) => {
            let mistake = option("kind", format!("is `{other}`, expected objects or metrics"));
            return Err(mistaken(mistake.hint("write `kind: \"metrics\"`, or leave it out for objects")));
        }
    };
    let interval = match written.interval {
        None if category == Category::Metric => 60,
        None => 900,
        Some(seconds @ 60..=86_400) => seconds,
        Some(seconds) => {
            return Err(mistaken(
                option("interval", format!("is {seconds}, expected seconds from 60 to 86400"))
                    .hint("write `interval: 300` for every five minutes"),
            ));
        }
    };
    let period = match written.period {
        Some(_) if category != Category::Metric => {
            return Err(mistaken(
                option("period", "has no meaning for objects: it is the step of metrics".into())
                    .hint("leave it out, or write `kind: \"metrics\"`"),
            ));
        }
        None => 60,
        Some(seconds @ 1..=3600) => seconds,
        Some(seconds) => {
            let wrong = option("period", format!("is {seconds}, expected seconds from 1 to 3600"));
            return Err(mistaken(wrong.hint("write `period: 60` for a point every minute")));
        }
    };
    let measurement = match &written.measurement {
        Some(measurement) if measurement.trim().is_empty() => {
            let wrong = option("measurement", "is empty".into());
            return Err(mistaken(
                wrong.hint(format!("leave it out for `{name}`, the collector's name, or write another")),
            ));
        }
        Some(measurement) => measurement.as_str(),
        None => &name,
    };
    let account_data = clients::account_data(host, account)
        .map_err(|found| thrown(Problem::mistake(found, CREATED).with_index(1)))?;
    let read = Account::read(cloud, &account_data)
        .map_err(|found| thrown(Problem::mistake(found, CREATED).with_index(1)))?;
    let regions = match (&written.regions, &read.region) {
        (None, None) => vec![Text::from("")],
        _ => funchost_collectors::collector::regions(&read, written.regions.as_deref())
            .map_err(|found| mistaken(Mistake { argument: Argument::Options, ..found }))?,
    };
    let collector = kept(&name, measurement, cloud, category, Duration::from_secs(interval))
        .map_err(|error| thrown(Problem::input(error.to_string())))?;
    let at = (context.call_source().unwrap_or(&host.library.entry).to_owned(), position);
    let place = format!("{}:{}", at.0, at.1.line().unwrap_or_default());
    let by = By {
        function: host
            .chosen()
            .map(|chosen| format!("{}.{}", host.library.entry, chosen.name))
            .unwrap_or_default(),
        place: format!("{}:{}", host.library.display(&at.0), at.1.line().unwrap_or_default()),
    };
    let own = Own {
        name: name.clone(),
        account: read.identity(),
        regions: regions.clone(),
        function: format!("{}{:?}", closure.fn_name(), closure.curry()),
        place: by.place.clone(),
    };
    let before = memory::uncounted(|| {
        let mut all = lock(&host.own);
        let before = all.iter().find(|other| own.hides(other)).map(|other| other.place.clone());
        if before.is_none() && !all.contains(&own) {
            all.push(own);
        }
        before
    });
    if let Some(before) = before {
        let message = format!("`{name}` is also the name of the collector that was created at {before}");
        let hint = "one name, account and region is one collector: the second would wait for the interval of the first. Name them differently, or give them different regions";
        return Err(wrong(0, "", message, Some(hint.into())));
    }
    // Another script's collector of the same name is another one.
    let script: Arc<str> = host.library.entry.as_str().into();
    if let Some(configs) = configs.as_object_mut() {
        configs.insert("script".into(), (*script).into());
    }
    let functions = host.functions().iter().map(|one| format!("{}.{}", one.script, one.name)).collect();
    let spec = ScriptSpec {
        regions,
        name: collector.description.name,
        script,
        by,
        functions,
        source: format!("{:016x}", host.digest()).into(),
        category,
        period,
        thread: None,
    };
    let prepared = Prepared {
        collector,
        account: Arc::new(read),
        configs,
        spec: Arc::new(spec.clone()),
        filter: None,
        place,
    };
    let written = from_json(&account_data);
    Ok(Created(Arc::new(Inner {
        prepared,
        filters: Vec::new(),
        at,
        closure: Some(closure),
        spec: Some(spec),
        written,
    })))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn what_an_older_version_remembered_stays_readable() {
        let made: Made =
            serde_json::from_str(r#"{"calls":{"rds:DescribeDBInstances":3},"metrics":{},"failed":true}"#)
                .unwrap();
        assert_eq!((made.end(), made.began, made.source, made.called), (End::Failed, None, None, None));
        assert_eq!(made.calls["rds:DescribeDBInstances"], 3);
    }
}
