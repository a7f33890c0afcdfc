//! Packages: what `import` finds without a file. One module for each collector, and the one that holds `Runner`.
//!
//! Owns the constructors and the Runner as a script sees them. Knows collectors by their descriptions only, and cannot
//! collect: that is the backend's.

use super::convert::{NotData, from_json, kind, to_json};
use super::dialect::known;
use super::filter::{ChannelFilter, Jobs};
use super::host::{Host, Mode, lock};
use super::problem::{At, Problem, Result};
use super::{AtWork, Prepared, Request, clients, explain, memory};
use funchost_collectors::account::Account;
use funchost_collectors::collector::Collector;
use funchost_collectors::mapped::Mapped as _;
use funchost_collectors::mistake::nearest;
use funchost_collectors::mistake::{Argument, Mistake};
use funchost_collectors::point::Category;
use rhai::{
    Array, Dynamic, Engine, EvalContext, FnPtr, FuncRegistration, Map, Module, NativeCallContext, Position,
    Shared,
};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio_util::sync::CancellationToken;

/// Both spellings of the package that holds `Runner`.
const RUNNER_IDS: [&str; 2] = ["guance_integration__runner", "integration_core__runner"];

/// The options of `Runner`.
pub(super) const RUNNER_OPTIONS: &[&str] = &["debug", "datakit_id"];

/// What to say of a DataKit that is not configured: the message and the hint.
#[must_use]
pub fn unknown_datakit<'a>(id: &str, known: impl Iterator<Item = &'a str> + Clone) -> (String, String) {
    let hint = match nearest(id, known.clone()) {
        Some(name) => format!("did you mean `{name}`?"),
        None => format!(
            "configured: {}; add `[datakits.{id}]` with `url = \"http://host:9529\"` to funchost.toml",
            known.collect::<Vec<_>>().join(", ")
        ),
    };
    (format!("no DataKit `{id}` is configured"), hint)
}

/// What the messages about a constructor's arguments say at its call.
const CREATED: &str = "the collector is created here";

/// A collector as a script holds it.
#[derive(Clone)]
pub(super) struct Created(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) prepared: Prepared,
    pub(super) filters: Vec<FnPtr>,
    pub(super) at: At,
    /// Of a script's own collector: its function, what it collects, and its account as it was written.
    pub(super) closure: Option<FnPtr>,
    pub(super) spec: Option<super::custom::ScriptSpec>,
    pub(super) written: Dynamic,
}

/// A Runner as a script holds it.
#[derive(Clone)]
pub(super) struct Runner {
    collectors: Vec<Created>,
    debug: bool,
    datakit_id: String,
    at: At,
}

/// The modules of all packages, by every spelling of their ids.
pub(super) fn modules(host: &Arc<Host>) -> HashMap<String, Shared<Module>> {
    let mut modules = HashMap::new();
    let runner: Shared<Module> = runner_module(host).into();
    for id in RUNNER_IDS {
        modules.insert(id.to_owned(), runner.clone());
    }
    for collector in host.settings.packages {
        let description = collector.description();
        let id = format!("{}__main", description.package);
        let module: Shared<Module> = collector_module(host, &id, *collector).into();
        for package in description.aliases() {
            modules.insert(format!("{package}__main"), module.clone());
        }
        modules.insert(id, module);
    }
    modules
}

fn runner_module(host: &Arc<Host>) -> Module {
    let mut module = Module::new();
    module.set_id(RUNNER_IDS[0]);
    for options in [false, true] {
        let shared = host.clone();
        let new = move |context: &NativeCallContext,
                        collectors: Dynamic,
                        options: Option<Dynamic>|
              -> Result<Runner> {
            let position = context.call_position();
            let throw = |problem: Problem| problem.thrown(position);
            let options = options
                .map_or(Ok(Map::new()), runner_options)
                .map_err(|problem| throw(problem.argument(1, "", false, "the Runner is made here")))?;
            let at = (context.call_source().unwrap_or(&shared.library.entry).to_owned(), position);
            Runner::new(&shared, collectors, options, at).map_err(|problem| match problem.option.clone() {
                Some(option) => {
                    let unknown = !RUNNER_OPTIONS.contains(&option.as_str());
                    throw(problem.argument(1, option, unknown, "the Runner is made here"))
                }
                None => throw(problem),
            })
        };
        if options {
            FuncRegistration::new("Runner").set_into_module(
                &mut module,
                move |context: NativeCallContext, collectors: Dynamic, options: Dynamic| {
                    new(&context, collectors, Some(options))
                },
            );
        } else {
            FuncRegistration::new("Runner")
                .set_into_module(&mut module, move |context: NativeCallContext, collectors: Dynamic| {
                    new(&context, collectors, None)
                });
        }
    }
    module.build_index();
    module
}

fn collector_module(host: &Arc<Host>, id: &str, collector: &'static dyn Collector) -> Module {
    let mut module = Module::new();
    module.set_id(id);
    let title = format!("/// {}", collector.description().title);
    // What has no regions needs no configuration: it is made from the account alone.
    if collector.declaration().is_some_and(|declared| !declared.takes_regions() && !declared.by_products) {
        let shared = host.clone();
        FuncRegistration::new("DataCollector")
            .with_comments([title.as_str()])
            .with_params_info(["account: map", "Collector"])
            .set_into_module(&mut module, move |context: NativeCallContext, account: Dynamic| {
                construct(&shared, &context, collector, &account, &Dynamic::from(Map::new()), None)
            });
    }
    let shared = host.clone();
    FuncRegistration::new("DataCollector")
        .with_comments([title.as_str()])
        .with_params_info(["account: map", "configs: map", "Collector"])
        .set_into_module(
            &mut module,
            move |context: NativeCallContext, account: Dynamic, configs: Dynamic| {
                construct(&shared, &context, collector, &account, &configs, None)
            },
        );
    let shared = host.clone();
    FuncRegistration::new("DataCollector")
        .with_comments([title.as_str()])
        .with_params_info(["account: map", "configs: map", "options: map", "Collector"])
        .set_into_module(
            &mut module,
            move |context: NativeCallContext, account: Dynamic, configs: Dynamic, options: Dynamic| {
                construct(&shared, &context, collector, &account, &configs, Some(&options))
            },
        );
    module.build_index();
    module
}

/// Registers the types, and the method behind `.run()`.
pub(super) fn install(engine: &mut Engine, host: &Arc<Host>) {
    engine.register_type_with_name::<Created>("Collector").register_type_with_name::<Runner>("Runner");
    let shared = host.clone();
    engine.register_fn("__run", move |context: NativeCallContext, runner: &mut Runner| {
        let runner = runner.clone();
        runner.run(&shared, &context)
    });
}

/// Has the running script imported the package of `Runner`.
pub(super) fn runner_is_imported(context: &EvalContext) -> bool {
    context.iter_imports().any(|(_, module)| module.id() == Some(RUNNER_IDS[0]))
}

/// Is an id one of the Runner's package.
pub(super) fn is_runner(id: &str) -> bool {
    RUNNER_IDS.contains(&id)
}

/// Is this Rhai's name of a Runner or a collector.
pub(super) fn is_host_type(name: &str) -> bool {
    ["Runner", "Collector"].contains(&name)
}

/// What is said to a `Runner` whose package is not imported.
pub(super) fn runner_not_imported() -> Problem {
    Problem::input("`Runner` is not imported")
        .label("needs its package")
        .hint(format!("write at the top of the script: import \"{}\" as integration;", RUNNER_IDS[0]))
}

/// The map of a Runner's options.
pub(super) fn runner_options(value: Dynamic) -> std::result::Result<Map, Problem> {
    let found = kind(&value);
    value.try_cast::<Map>().ok_or_else(|| {
        Problem::input(format!("the options of `Runner` are {found}, expected a map"))
            .hint("write `Runner(collectors, debug = true)`")
    })
}

/// `DataCollector(account, configs)` and `DataCollector(account, configs, options)`.
fn construct(
    host: &Host,
    context: &NativeCallContext,
    collector: &'static dyn Collector,
    account: &Dynamic,
    configs: &Dynamic,
    options: Option<&Dynamic>,
) -> Result<Created> {
    let position = context.call_position();
    let wrong = |mistake: Mistake| Problem::mistake(mistake, CREATED).thrown(position);
    let data = |argument: Argument, value: &Dynamic| {
        if !value.is_map() {
            let message = format!("is {}, expected a map `#{{ … }}`", kind(value));
            let form = match argument {
                Argument::Account => clients::ACCOUNT,
                _ => "write `#{ regions: [\"…\"] }`",
            };
            return Err(wrong(Mistake::new(argument, "", message).hint(form)));
        }
        to_json(value).map_err(|NotData { path, message }| wrong(Mistake::new(argument, path, message)))
    };
    let written = data(Argument::Account, account)?;
    for key in ["ak_secret", "security_token", "external_id"] {
        if let Some(secret) = written.get(key).and_then(Value::as_str) {
            host.settings.masker.learn(secret);
        }
    }
    let account = Account::read(collector.description().cloud, &written).map_err(wrong)?;
    let configs = data(Argument::Configs, configs)?;
    let filters = options
        .map_or(Ok(Vec::new()), |options| filters(host, context, collector, options))
        .map_err(wrong)?;
    let spec = collector.read(&account, &configs).map_err(wrong)?;
    let at = (context.call_source().unwrap_or(&host.library.entry).to_owned(), position);
    let place = format!("{}:{}", at.0, at.1.line().unwrap_or_default());
    let prepared = Prepared {
        collector,
        account: Arc::new(account),
        configs,
        spec: Arc::from(spec),
        filter: None,
        place,
    };
    Ok(Created(Arc::new(Inner { prepared, filters, at, closure: None, spec: None, written: Dynamic::UNIT })))
}

/// The third argument of a constructor.
fn filters(
    host: &Host,
    context: &NativeCallContext,
    collector: &'static dyn Collector,
    options: &Dynamic,
) -> std::result::Result<Vec<FnPtr>, Mistake> {
    let wrong = |path: &str, message: String| Mistake::new(Argument::Options, path, message);
    const FORM: &str = "write `#{ filters: [|instance| instance.Status == \"Running\"] }`";
    let Some(map) = options.read_lock::<Map>().map(|map| map.clone()) else {
        return Err(wrong("", format!("is {}, expected a map", kind(options))).hint(FORM));
    };
    if let Some(key) = map.keys().find(|key| key.as_str() != "filters") {
        return Err(wrong(key, "is not a known key".into()).hint(known(key, &["filters"])));
    }
    let Some(written) = map.get("filters") else { return Ok(Vec::new()) };
    let description = collector.description();
    if description.category == Category::Metric {
        return Err(wrong(
            "filters",
            format!("has no meaning for {}, which collects metrics", description.name),
        )
        .hint("filters belong to object collectors; metrics are chosen by `targets`"));
    }
    let Some(list) = written.read_lock::<Array>().map(|list| list.clone()) else {
        return Err(
            wrong("filters", format!("is {}, expected a list of functions", kind(written))).hint(FORM)
        );
    };
    let mut filters = Vec::new();
    for (index, item) in list.iter().enumerate() {
        let Some(filter) = item.read_lock::<FnPtr>().map(|filter| filter.clone()) else {
            let path = format!("filters[{index}]");
            return Err(wrong(&path, format!("is {}, expected a function", kind(item))).hint(FORM));
        };
        if let Err((count, _)) = super::custom::takes_one(host, context, &filter) {
            let path = format!("filters[{index}]");
            let what = if filter.is_anonymous() { "closure" } else { "function" };
            let takes = funchost_collectors::call::number(count as u64, "value", "values");
            let message = format!("is a {what} that takes {takes} and is given 1, the object");
            return Err(wrong(&path, message).hint("write `|item| …`, which answers true or false"));
        }
        filters.push(filter);
    }
    Ok(filters)
}

impl Runner {
    /// Makes a Runner of a list of collectors, or of a single one.
    pub(super) fn new(
        host: &Host,
        collectors: Dynamic,
        options: Map,
        at: At,
    ) -> std::result::Result<Self, Problem> {
        let found = kind(&collectors);
        let list = match collectors.flatten() {
            one if one.is::<Created>() => vec![one],
            many => many.try_cast::<Array>().ok_or_else(|| {
                Problem::input(format!("`Runner` takes a list of collectors, found {found}"))
                    .hint("write `Runner([ … ]).run()`")
            })?,
        };
        let mut runner = Self { collectors: Vec::new(), debug: false, datakit_id: "datakit".into(), at };
        for (index, item) in list.into_iter().enumerate() {
            let found = kind(&item);
            let collector = item.flatten().try_cast::<Created>().ok_or_else(|| {
                Problem::input(format!(
                    "item {index} of the list for `Runner` is {found}, expected a collector"
                ))
                .hint("a collector is made by `DataCollector(account, configs)` of its package")
            })?;
            runner.collectors.push(collector);
        }
        for (name, value) in options {
            let wrong = |expected: &str| {
                Problem::input(format!(
                    "option `{name}` of `Runner` is {}, expected {expected}",
                    kind(&value)
                ))
                .option(name.as_str())
            };
            match name.as_str() {
                "debug" => {
                    runner.debug = value
                        .as_bool()
                        .map_err(|_| wrong("true or false").hint("write `debug = true`, without quotes"))?;
                }
                "datakit_id" => {
                    let id = value.clone().into_string().map_err(|_| {
                        wrong("a text")
                            .hint("write `datakit_id = \"dk2\"`: the id of a DataKit in funchost.toml")
                    })?;
                    if id.is_empty() {
                        return Err(
                            Problem::input("option `datakit_id` of `Runner` is empty").option("datakit_id")
                        );
                    }
                    if let Some(known) = &host.settings.datakits
                        && !known.contains(&id)
                    {
                        let (message, hint) = unknown_datakit(&id, known.iter().map(String::as_str));
                        return Err(Problem::input(message).hint(hint).option("datakit_id"));
                    }
                    runner.datakit_id = id;
                }
                other => {
                    return Err(Problem::input(format!("`Runner` has no option `{other}`"))
                        .hint(known(other, RUNNER_OPTIONS))
                        .option(other));
                }
            }
        }
        if let Mode::Run { debug: true, .. } = host.mode {
            runner.debug = true;
        }
        lock(&host.idle).push(runner.at.clone());
        Ok(runner)
    }

    /// `.run()`: hands the collectors to the backend and serves their filters until it answers.
    fn run(&self, host: &Arc<Host>, context: &NativeCallContext) -> Result<Dynamic> {
        self.warn_of_order(host);
        self.warn_of_regions(host);
        lock(&host.idle).retain(|at| *at != self.at);
        host.ran.store(true, Ordering::Relaxed);
        let (Some(runtime), Some(backend)) = (&host.runtime, host.backend.clone()) else {
            return Ok(from_json(&self.dry_report()));
        };
        if self.debug {
            host.debugged.store(true, Ordering::Relaxed);
        }
        host.backend_calls.fetch_add(1, Ordering::Relaxed);
        let (jobs, filters) = Jobs::new(self.collectors.clone());
        let collectors = self
            .collectors
            .iter()
            .enumerate()
            .map(|(index, one)| Prepared {
                filter: (!one.0.filters.is_empty()).then(|| ChannelFilter::shared(index, &filters)),
                spec: match &one.0.spec {
                    Some(own) => own.on(index, &filters),
                    None => one.0.prepared.spec.clone(),
                },
                ..one.0.prepared.clone()
            })
            .collect();
        // The channel closes when the backend drops the last filter.
        drop(filters);
        let at_work = AtWork::default();
        let request = Request {
            collectors,
            debug: self.debug,
            datakit_id: self.datakit_id.clone(),
            at_work: at_work.clone(),
        };
        let stop: CancellationToken = host.stop.token.child_token();
        host.begin_waiting(&self.at.0, self.at.1, "the collectors of this Runner");
        let task = runtime.spawn(async move { backend.run(request, stop).await });
        let answer = jobs.serve(host, runtime, context, task);
        if host.stop.why().is_some() {
            if let Some(Created(one)) = at_work.index().and_then(|index| self.collectors.get(index)) {
                host.was_at_work(&one.at, one.prepared.collector.description().name);
            }
            if let Ok(Ok(report)) = answer {
                lock(&host.reports).push(report);
            }
            return Err(super::host::terminated(Position::NONE));
        }
        host.end_waiting();
        match answer {
            Ok(Ok(report)) => {
                let value = from_json(&report);
                memory::uncounted(|| lock(&host.reports).push(report));
                Ok(value)
            }
            Ok(Err(error)) => {
                if error.input {
                    // Found before anything was started.
                    host.backend_calls.fetch_sub(1, Ordering::Relaxed);
                }
                let message = error.message.clone();
                let problem = if error.input { Problem::input(message) } else { Problem::run_time(message) };
                let problem = problem.hint_if(error.hint);
                Err(problem.at(&self.at.0, self.at.1).thrown(Position::NONE))
            }
            Err(message) => Err(Problem::run_time(message).at(&self.at.0, self.at.1).thrown(Position::NONE)),
        }
    }

    /// A region that is nearly one of its cloud's is a slip; of any other nobody knows: it may be newer than this program.
    fn warn_of_regions(&self, host: &Host) {
        if !matches!(host.mode, Mode::Dry { .. }) {
            return;
        }
        for Created(one) in &self.collectors {
            let cloud = one.prepared.collector.description().cloud;
            for region in one.prepared.spec.regions() {
                let words = funchost_collectors::region_hint(cloud, &region);
                let Some((what, way_out)) = words.as_deref().and_then(|words| words.split_once(": ")) else {
                    continue;
                };
                let problem = Problem::input(what).label("collects from there").hint(way_out);
                let problem = problem.at(&one.at.0, one.at.1);
                host.warn(explain::problem(host, &problem));
            }
        }
    }

    /// A report as a script may take it apart, of a run in which nothing was to be collected.
    fn dry_report(&self) -> Value {
        let collectors: Vec<Value> = self
            .collectors
            .iter()
            .map(|one| {
                let regions: serde_json::Map<String, Value> =
                    one.0.prepared.spec.regions().iter().map(|region| (region.to_string(), json!("ok"))).mapped();
                json!({
                    "name": one.0.prepared.collector.description().name, "status": "collected", "collected": 0,
                    "delivered": 0, "kept": 0, "rejected": 0, "too_old": 0, "calls": {}, "regions": regions,
                    "seconds": 0.0, "next_due": null, "warnings": [], "error": null,
                })
            })
            .collect();
        json!({ "status": "ok", "reason": null, "seconds": 0.0, "collectors": collectors })
    }

    /// Metrics that come before the objects that they would be linked with get the objects of the run before.
    fn warn_of_order(&self, host: &Host) {
        for (index, metrics) in self.collectors.iter().enumerate() {
            let classes = metrics.0.prepared.spec.links();
            for objects in &self.collectors[index + 1..] {
                let description = objects.0.prepared.collector.description();
                let linked = description.category == Category::CustomObject
                    && classes.iter().any(|class| &**class == description.measurement)
                    && metrics.0.prepared.account.identity() == objects.0.prepared.account.identity();
                if linked {
                    let name = metrics.0.prepared.collector.description().name;
                    let problem = Problem::input(format!(
                        "`{name}` stands before `{}`, whose objects name its metrics",
                        description.name
                    ))
                    .label("collected first")
                    .hint("put collectors of metrics at the end of the list")
                    .at(&metrics.0.at.0, metrics.0.at.1)
                    .other(&objects.0.at.0, objects.0.at.1, "collected later");
                    host.warn(explain::problem(host, &problem));
                }
            }
        }
    }
}

/// Is an id a collector's, in any spelling.
pub(super) fn is_collector(host: &Host, id: &str) -> bool {
    id.strip_suffix("__main").is_some_and(|package| {
        host.settings.packages.iter().any(|collector| collector.description().is_package(package))
    })
}
