//! `funchost test SCRIPT`: a script's own tests, without a cloud and without DataKit.
//!
//! Every `fn test_…()` of the script runs by itself, on a fresh state in memory. Calls are answered from a recording, or refused. What a Runner
//! collects goes nowhere: its report has the points as `lines`. Calls that are made for a recording are billed like others: they are counted in the
//! configured state, and the budget is asked.

use super::progress::{self, Both, Progress};
use super::{Common, Surroundings, script_settings};
use crate::config::Config;
use crate::money::budget::Budgets;
use crate::recording::{Player, Recorder, Recording};
use crate::runner::{Runner, Settings};
use crate::script::{self, Backend, BackendError, Ended, Kept, Request, RunOptions, WriteRequest, Written};
use crate::sink::datakit::DataKit;
use crate::state::{Opened, Sqlite, State};
use clap::Args;
use funchost_collectors::account::Cloud;
use funchost_collectors::call::{CallPath, Options, Tap, number};
use funchost_collectors::clock::{Clock, ShiftedClock, SystemClock};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

#[derive(Args)]
pub(super) struct TestArguments {
    /// The script: a file ending in .rhai
    script: PathBuf,
    /// Only the tests whose name holds this text
    #[arg(long, value_name = "TEXT")]
    func: Option<String>,
    /// Call the clouds for real, and keep their answers in this file, without secrets and ids
    #[arg(long, value_name = "FILE", conflicts_with = "replay")]
    record: Option<PathBuf>,
    /// Answer every call from this file
    #[arg(long, value_name = "FILE")]
    replay: Option<PathBuf>,
}

pub(super) fn main(surroundings: &Surroundings, common: &Common, arguments: &TestArguments) -> u8 {
    match test(surroundings, common, arguments) {
        Ok(code) => code,
        Err((message, code)) => {
            surroundings.say(message.trim_end());
            code
        }
    }
}

/// Writes a file that was not there, for its owner alone: names and tags stand in it.
fn write_new(path: &Path, text: &str) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(text.as_bytes())
}

/// What stands between the script and the network.
#[derive(Clone)]
enum Calls {
    Recorded(Arc<Recorder>),
    Replayed(Option<Arc<Recording>>),
}

fn test(surroundings: &Surroundings, common: &Common, arguments: &TestArguments) -> Result<u8, (String, u8)> {
    let error = |message: String, code: u8| (format!("error: {message}"), code);
    let config = surroundings.config(common).map_err(|error| (error.to_string(), 2))?;
    let (calls, clock): (Calls, Arc<dyn Clock>) = match (&arguments.record, &arguments.replay) {
        (Some(file), _) => {
            if surroundings.directory.join(file).exists() {
                let message = format!(
                    "{} is there already, and nothing is written over\nhint: remove it first, or name another file",
                    file.display()
                );
                return Err(error(message, 2));
            }
            let masker = surroundings.masker.clone();
            let hide = Arc::new(move |text: &str| masker.mask(text).into_owned());
            let recorder = Recorder::new(surroundings.clock.now(), hide);
            (Calls::Recorded(Arc::new(recorder)), surroundings.clock.clone())
        }
        (None, Some(file)) => {
            let recording = Recording::read(&surroundings.directory.join(file))
                .map_err(|found| error(found.to_string(), 2))?;
            // It is the time of the recording again: points keep their age.
            let offset = recording.started - SystemClock.now();
            (Calls::Replayed(Some(Arc::new(recording))), Arc::new(ShiftedClock { offset }))
        }
        (None, None) => (Calls::Replayed(None), surroundings.clock.clone()),
    };
    let mut settings = (*script_settings(surroundings, &config)).clone();
    settings.clock = clock.clone();
    let path = surroundings.directory.join(&arguments.script);
    let opened =
        script::open(&path, &Arc::new(settings)).map_err(|report| (report.render(surroundings.color), 2))?;
    let found = script::tests(&opened).map_err(|report| (report.render(surroundings.color), 2))?;
    let chosen: Vec<String> = found
        .iter()
        .filter(|name| arguments.func.as_ref().is_none_or(|text| name.contains(text.as_str())))
        .cloned()
        .collect();
    if chosen.is_empty() {
        let message = if found.is_empty() {
            format!(
                "{} has no test\nhint: write one: `fn test_names() {{ assert_eq(1 + 1, 2); }}`; to record a run, let a test call the function: `fn test_run() {{ run(); }}`",
                arguments.script.display()
            )
        } else {
            format!("no test's name holds that text\nhint: it has {}", found.join(", "))
        };
        return Err(error(message, 2));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|found| error(format!("the program cannot start its threads: {found}"), 1))?;
    let opened_state = match &calls {
        Calls::Recorded(_) => Some(
            runtime
                .block_on(super::open_state(surroundings, &config))
                .map_err(|refusal| error(refusal.message, refusal.code))?,
        ),
        Calls::Replayed(_) => None,
    };
    // What is played back takes no time.
    let shown = if opened_state.is_some() { progress::show(surroundings) } else { None };
    let (surroundings, progress) = match &shown {
        Some((inside, counting, _)) => (inside, Some(counting)),
        None => (surroundings, None),
    };
    let (mut failed, mut made) = (0, 0);
    for name in &chosen {
        let outcome = runtime.block_on(async {
            let backend = TestBackend::new(&config, &calls, &clock, opened_state.as_ref(), progress).await?;
            let backend = Arc::new(backend);
            let options = RunOptions {
                function: Some(name.clone()),
                test: true,
                placeholders: matches!(calls, Calls::Replayed(_)),
                ..RunOptions::default()
            };
            let outcome = script::run(&opened, options, backend.clone(), CancellationToken::new()).await;
            Ok((outcome, backend.calls(), backend.failures()))
        });
        let (outcome, count, failures) = outcome.map_err(|found: String| error(found, 1))?;
        made += count;
        match &outcome.result {
            Ok(_) => surroundings.out(&format!("{name}: ok\n")),
            Err(report) => {
                failed += 1;
                let how = if outcome.ended == Ended::TimedOut { "timed out" } else { "FAILED" };
                surroundings.out(&format!("{name}: {how}\n"));
                surroundings.say(&format!("{}\n", report.render(surroundings.color).trim_end()));
                // An assertion about a report sees that a collector failed, and not why.
                for failure in failures {
                    surroundings.say(&format!("{name}: {failure}\n"));
                }
            }
        }
    }
    let plural = |count: usize| if count == 1 { "" } else { "s" };
    let how = match &calls {
        Calls::Recorded(_) => format!("{} made", number(made, "call was", "calls were")),
        Calls::Replayed(Some(_)) => "answered from the recording".into(),
        Calls::Replayed(None) => "no cloud was called".into(),
    };
    surroundings.out(&format!(
        "{} test{}: {} ok, {failed} failed; {how}\n",
        chosen.len(),
        plural(chosen.len()),
        chosen.len() - failed
    ));
    if let (Calls::Recorded(recorder), Some(file)) = (&calls, &arguments.record) {
        let (text, count) = recorder.text().map_err(|found| error(found.to_string(), 1))?;
        let path = surroundings.directory.join(file);
        write_new(&path, &text)
            .map_err(|found| error(format!("{} cannot be written: {found}", file.display()), 1))?;
        surroundings.say(&format!(
            "{} in {}: what is secret by its name or known as a secret is hidden, and so are ids; names and tags of your resources are not: look before you share it",
            number(count as u64, "answer", "answers"),
            file.display()
        ));
    }
    runtime.shutdown_timeout(Duration::from_millis(200));
    Ok(u8::from(failed > 0))
}

/// A Runner whose points go into the report.
struct TestBackend {
    runner: Runner,
    lines: Arc<Mutex<Vec<u8>>>,
}

impl TestBackend {
    /// `counting` is the state that calls are counted in, where they are made.
    async fn new(
        config: &Config,
        calls: &Calls,
        clock: &Arc<dyn Clock>,
        counting: Option<&Opened>,
        progress: Option<&Arc<Progress>>,
    ) -> Result<Self, String> {
        let tap: Arc<dyn Tap> = match calls {
            Calls::Recorded(recorder) => recorder.clone(),
            Calls::Replayed(Some(recording)) => Arc::new(Player::new(recording)),
            Calls::Replayed(None) => Arc::new(Player::silent()),
        };
        let mut options = Options {
            limits: config.limits.clone(),
            endpoints: config.endpoints.clone(),
            tap: Some(Both::of(tap, progress)),
            rates: counting.and_then(|opened| opened.rates.clone()),
            ..Options::default()
        };
        if matches!(calls, Calls::Replayed(_)) {
            // Nothing answers late here.
            options.backoff = (Duration::ZERO, Duration::ZERO);
        }
        let path = CallPath::new(options, clock.clone()).map_err(|error| error.to_string())?;
        let datakits = config
            .datakits
            .iter()
            .map(|(id, datakit)| {
                DataKit::new(id, datakit.url.expose(), path.http_for(datakit.url.expose()))
                    .map(|datakit| (id.clone(), Arc::new(datakit.with_clock(clock.clone()))))
            })
            .collect::<Result<_, _>>()
            .map_err(|error| error.to_string())?;
        let state: Arc<dyn State> =
            Arc::new(Sqlite::in_memory(clock.clone()).await.map_err(|error| error.to_string())?);
        let ledger = match counting {
            Some(opened) => opened.store.clone(),
            None => state.clone(),
        };
        let lines = Arc::new(Mutex::new(Vec::new()));
        let overlap =
            |cloud: Cloud| (cloud, i64::try_from(config.overlap.of(cloud).as_nanos()).unwrap_or(i64::MAX));
        let runner = Runner::new(Settings {
            state,
            ledger,
            calls: Arc::new(path),
            clock: clock.clone(),
            datakits,
            overlap: [Cloud::Aliyun, Cloud::Aws, Cloud::Tencent].map(overlap).into(),
            outbox_limit: config.outbox_limit,
            // What is played back costs nothing.
            budgets: match counting {
                Some(_) => config.budgets.clone(),
                None => Budgets::default(),
            },
            debug: true,
            force: true,
            lines: lines.clone(),
            span: tracing::Span::none(),
            progress: Arc::new(|_| {}),
            steps: Arc::new(|_, _| {}),
        });
        Ok(Self { runner, lines })
    }

    /// Why collectors failed.
    fn failures(&self) -> Vec<String> {
        let collectors = self.runner.report("").collectors.into_iter();
        collectors.filter_map(|report| Some(format!("{} failed: {}", report.name, report.error?))).collect()
    }

    /// Calls made so far.
    fn calls(&self) -> u64 {
        self.runner.report("").collectors.iter().flat_map(|report| report.calls.values()).sum()
    }
}

#[async_trait::async_trait]
impl Backend for TestBackend {
    async fn run(
        &self,
        request: Request,
        stop: CancellationToken,
    ) -> Result<serde_json::Value, BackendError> {
        let mut report = self.runner.run(request, stop).await?;
        let bytes = std::mem::take(&mut *self.lines.lock().unwrap_or_else(PoisonError::into_inner));
        let lines: Vec<String> = String::from_utf8_lossy(&bytes).lines().map(str::to_owned).collect();
        report["lines"] = lines.into();
        Ok(report)
    }

    async fn write(&self, request: WriteRequest, stop: CancellationToken) -> Result<Written, BackendError> {
        self.runner.write(request, stop).await
    }

    async fn value(&self, key: &str) -> Result<Option<Kept>, BackendError> {
        self.runner.value(key).await
    }

    async fn swap_value(
        &self,
        key: &str,
        known: Option<Vec<u8>>,
        new: Option<Kept>,
    ) -> Result<bool, BackendError> {
        self.runner.swap_value(key, known, new).await
    }

    async fn value_keys(&self, prefix: &str) -> Result<Vec<String>, BackendError> {
        self.runner.value_keys(prefix).await
    }
}
