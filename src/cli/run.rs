//! `funchost run SCRIPT`: the product.

use super::progress::{self, Progress};
use super::{Common, Format, MaskedLines, Refusal, Surroundings, config_entries, script_settings};
use crate::config::{Config, DataKitConfig};
use crate::runner::{RunReport, RunStatus, Runner, Settings};
use crate::schedule::end_of;
use crate::script::{self, Ended, Fault, RunOptions, RunOutcome};
use crate::sink::datakit::{BadUrl, DataKit};
use crate::state::runs::{End, NewRun, Origin, Status, Store};
use crate::state::{State, Time};
use clap::Args;
use funchost_collectors::account::Cloud;
use funchost_collectors::call::{CallPath, Options, SharedRates, Tap};
use funchost_collectors::clock::SECOND;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use tokio_util::sync::CancellationToken;

#[derive(Args)]
pub(super) struct RunArguments {
    /// The script: a file ending in .rhai. With --remote, the id of a function: my_aws__main.run
    script: PathBuf,
    /// The function to run, where the script registers several
    #[arg(long, value_name = "NAME")]
    func: Option<String>,
    /// Collect for real, write nothing: the points go to stdout as line protocol
    #[arg(long)]
    debug: bool,
    /// Collect also what was collected within its minimum interval
    #[arg(long)]
    force: bool,
    /// Stop after this many seconds (1 to 3600), whatever the script says
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout: Option<u64>,
    /// Let a service run it (`funchost serve`), and show its log and its report; at the address of `[service]`, or at this one
    #[arg(long, value_name = "URL", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    remote: Option<String>,
    /// The function's arguments, a JSON object; with --remote
    #[arg(long, value_name = "JSON", requires = "remote")]
    kwargs: Option<String>,
    /// How the report is written
    #[arg(long, value_enum, default_value_t)]
    output: Format,
}

pub(super) fn main(surroundings: &Surroundings, common: &Common, arguments: &RunArguments) -> u8 {
    let config = match surroundings.config(common) {
        Ok(config) => config,
        Err(error) => {
            return invalid(
                surroundings,
                arguments.wants_document(),
                &error.to_string(),
                config_entries(&error),
            );
        }
    };
    if let Some(url) = &arguments.remote {
        let request = super::remote::Request {
            func: arguments.script.to_string_lossy().into_owned(),
            url: url.clone(),
            kwargs: arguments.kwargs.clone(),
            timeout: arguments.timeout,
            output: arguments.output,
        };
        let refused = [
            ("--func", arguments.func.is_some()),
            ("--debug", arguments.debug),
            ("--force", arguments.force),
        ];
        if let Some((flag, _)) = refused.iter().find(|(_, given)| *given) {
            let text = format!(
                "error: {flag} cannot be used with --remote\nhint: name the function by its id, such as my_aws__main.run"
            );
            return invalid(surroundings, arguments.wants_document(), &text, Vec::new());
        }
        return super::remote::main(surroundings, &config, &request);
    }
    run(surroundings, &config, arguments).code
}

/// What a run left, for the demo.
pub(super) struct Ran {
    pub(super) code: u8,
    pub(super) report: Option<RunReport>,
}

impl RunArguments {
    /// Does stdout hold one document?
    fn wants_document(&self) -> bool {
        self.output == Format::Json && !self.debug
    }

    /// What the demo runs.
    pub(super) fn of_script(script: PathBuf) -> Self {
        Self {
            script,
            func: None,
            debug: false,
            force: false,
            timeout: None,
            remote: None,
            kwargs: None,
            output: Format::Text,
        }
    }
}

/// Runs a script under a configuration.
pub(super) fn run(surroundings: &Surroundings, config: &Config, arguments: &RunArguments) -> Ran {
    // In debug mode stdout is the same terminal, full of lines.
    let shown = if arguments.debug { None } else { progress::show(surroundings) };
    let (surroundings, counting, shown) = match shown {
        Some((inside, counting, shown)) => (&inside.clone(), Some(counting), Some(shown)),
        None => (surroundings, None, None),
    };
    let refuse = |code| Ran { code, report: None };
    let path = surroundings.directory.join(&arguments.script);
    let opened = match script::open(&path, &script_settings(surroundings, config)) {
        Ok(opened) => opened,
        Err(report) => {
            let code = invalid(
                surroundings,
                arguments.wants_document(),
                &report.render(surroundings.color),
                report.entries(),
            );
            return refuse(code);
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            surroundings.say(&format!("error: the program cannot start its threads: {error}"));
            return refuse(1);
        }
    };
    let (runner, store) = match runtime.block_on(runner(surroundings, config, arguments, counting)) {
        Ok(made) => made,
        Err(Refusal { message, code }) => {
            if code == 2 {
                let entry = serde_json::json!({
                    "message": message, "file": null, "line": null, "column": null, "hint": null,
                });
                let text = format!("error: {message}");
                return refuse(invalid(surroundings, arguments.wants_document(), &text, vec![entry]));
            }
            let report = RunReport::failed("", &message);
            surroundings.say(&format!("error: {message}"));
            if arguments.output == Format::Json && !arguments.debug {
                surroundings.out(&json(&report));
            }
            return refuse(code);
        }
    };
    let stop = CancellationToken::new();
    let interrupted = runtime.spawn(interrupts(stop.clone()));
    let options = RunOptions {
        function: arguments.func.clone(),
        timeout: arguments.timeout,
        debug: arguments.debug,
        ..RunOptions::default()
    };
    let outcome = runtime.block_on(script::run(&opened, options, Arc::new(runner.clone()), stop));
    interrupted.abort();
    drop(shown);
    let record = recorded(surroundings, &runner, &outcome);
    let ran = finish(surroundings, arguments, &runner, outcome);
    if let Some((run, end)) = record
        && ran.code != 2
    {
        runtime.block_on(keep(surroundings, config, store.as_ref(), &run, &end));
    }
    runtime.shutdown_timeout(std::time::Duration::from_millis(200));
    ran
}

/// The record of a run, as the service keeps one; none in debug mode, in which nothing is written, and where no function was found.
fn recorded(surroundings: &Surroundings, runner: &Runner, outcome: &RunOutcome) -> Option<(NewRun, End)> {
    let func = outcome.function.clone().filter(|_| !runner.debugged())?;
    let end = end_of(runner, outcome, &func, "interrupted", &surroundings.masker);
    let started = runner.started();
    let run = NewRun {
        func,
        origin: Origin::Command,
        trigger: None,
        tick: None,
        delay: 0,
        ticks: 1,
        kwargs: "{}".into(),
        status: Status::Running,
        reason: None,
        created: started,
        due: started,
        expires: started,
        timeout: None,
    };
    Some((run, end))
}

/// Keeps a record, and no more of them than the service would.
async fn keep(surroundings: &Surroundings, config: &Config, store: &dyn Store, run: &NewRun, end: &End) {
    let now = surroundings.clock.now();
    let service = &config.service;
    let before = now.saturating_sub(i64::from(service.keep_days).saturating_mul(86_400 * SECOND));
    let kept = match store.record(run, run.created, end, now).await {
        Ok(_) => store.forget_runs(i64::from(service.keep_runs), before).await.map(drop),
        Err(error) => Err(error),
    };
    if let Err(error) = kept {
        surroundings.say(&format!("warning: this run could not be recorded for `funchost runs`: {error}"));
    }
}

/// Says what came of it.
fn finish(
    surroundings: &Surroundings,
    arguments: &RunArguments,
    runner: &Runner,
    outcome: RunOutcome,
) -> Ran {
    let mut report = runner.report(outcome.function.as_deref().unwrap_or_default());
    let code = match (&outcome.ended, &outcome.result) {
        (Ended::TimedOut, _) => {
            report.fail("timeout");
            124
        }
        (Ended::Stopped, _) => {
            report.fail("interrupted");
            130
        }
        (Ended::Finished, Err(error)) => {
            // Where no cloud was called, nothing ran: the input is what is wrong.
            if error.fault() == Fault::Input && !runner.called() {
                let code = invalid(
                    surroundings,
                    arguments.wants_document(),
                    &error.render(surroundings.color),
                    error.entries(),
                );
                return Ran { code, report: None };
            }
            report.fail(&error.headline());
            1
        }
        (Ended::Finished, Ok(_)) => u8::from(report.status != RunStatus::Ok),
    };
    if let Err(error) = &outcome.result {
        report.errors = error.entries();
        surroundings.say(error.render(surroundings.color).trim_end());
    }
    if runner.debugged() {
        // Stdout holds the lines and nothing else.
        let text = if arguments.output == Format::Json { json(&report) } else { report.text() };
        surroundings.say(text.trim_end());
    } else if arguments.output == Format::Json {
        surroundings.out(&json(&report));
    } else {
        surroundings.out(&report.text());
    }
    Ran { code, report: Some(report) }
}

/// Everything that a run needs, from the configuration.
async fn runner(
    surroundings: &Surroundings,
    config: &Config,
    arguments: &RunArguments,
    counting: Option<Arc<Progress>>,
) -> Result<(Runner, Arc<dyn Store>), Refusal> {
    let tap = counting.clone().map(|counting| counting as Arc<dyn Tap>);
    let opened = super::open_state(surroundings, config).await?;
    let store = opened.store;
    let state: Arc<dyn State> = store.clone();
    let tools = super::tools(surroundings, config, opened.rates, tap)?;
    let stderr = surroundings.clone();
    let runner = Runner::new(Settings {
        ledger: state.clone(),
        state,
        calls: tools.calls,
        clock: surroundings.clock.clone(),
        datakits: tools.datakits,
        overlap: tools.overlap,
        outbox_limit: tools.outbox_limit,
        budgets: tools.budgets,
        debug: arguments.debug,
        force: arguments.force,
        lines: Arc::new(Mutex::new(MaskedLines {
            stream: surroundings.stdout.clone(),
            masker: surroundings.masker.clone(),
        })),
        span: tracing::Span::none(),
        progress: Arc::new(move |text| stderr.say(text)),
        steps: Arc::new(move |done, all| {
            // One collector is no measure of time.
            if let Some(counting) = counting.as_ref().filter(|_| all > 1) {
                counting.done(done as u64, all as u64);
            }
        }),
    });
    Ok((runner, store))
}

/// The one path to the clouds.
pub(super) fn calls(
    surroundings: &Surroundings,
    config: &Config,
    rates: Option<Arc<dyn SharedRates>>,
    tap: Option<Arc<dyn Tap>>,
) -> Result<CallPath, Refusal> {
    let options = Options {
        limits: config.limits.clone(),
        endpoints: config.endpoints.clone(),
        rates,
        tap,
        direct: config.direct,
        ..Options::default()
    };
    CallPath::new(options, surroundings.clock.clone())
        .map_err(|error| Refusal { message: error.to_string(), code: 1 })
}

/// How far windows reach back, by cloud.
pub(super) fn overlaps(config: &Config) -> BTreeMap<Cloud, Time> {
    let overlap = |cloud: Cloud| {
        let nanoseconds = config.overlap.of(cloud).as_nanos();
        (cloud, i64::try_from(nanoseconds).unwrap_or(i64::MAX))
    };
    [Cloud::Aliyun, Cloud::Aws, Cloud::Tencent].map(overlap).into()
}

/// Every configured DataKit.
pub(super) fn datakits(
    surroundings: &Surroundings,
    config: &Config,
    calls: &CallPath,
) -> Result<BTreeMap<String, Arc<DataKit>>, BadUrl> {
    let datakit = |(id, datakit): (&String, &DataKitConfig)| {
        let made = DataKit::new(id, datakit.url.expose(), calls.http_for(datakit.url.expose()))?;
        Ok((id.clone(), Arc::new(made.with_clock(surroundings.clock.clone()))))
    };
    config.datakits.iter().map(datakit).collect()
}

/// The first Ctrl-C (or SIGTERM) stops the run in order, the second at once.
pub(super) async fn interrupts(stop: CancellationToken) {
    let wait = async || {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            if let Ok(mut terminate) = signal(SignalKind::terminate()) {
                tokio::select! {
                    _ = tokio::signal::ctrl_c() => {}
                    _ = terminate.recv() => {}
                }
                return;
            }
        }
        drop(tokio::signal::ctrl_c().await);
    };
    wait().await;
    stop.cancel();
    wait().await;
    std::process::exit(130);
}

/// Says that the input is wrong: exit code 2.
pub(super) fn invalid(
    surroundings: &Surroundings,
    document: bool,
    text: &str,
    errors: Vec<serde_json::Value>,
) -> u8 {
    surroundings.say(text.trim_end());
    if document {
        surroundings.out(&json(&serde_json::json!({ "status": "invalid", "errors": errors })));
    }
    2
}

pub(super) fn json(value: &impl serde::Serialize) -> String {
    let mut text = serde_json::to_string_pretty(value)
        .unwrap_or_else(|error| format!("{{\"status\": \"failed\", \"reason\": \"{error}\"}}"));
    text.push('\n');
    text
}
