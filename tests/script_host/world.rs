//! Two collectors, a backend and an output that only remember, and a folder of scripts.

use funchost::script::{
    Backend, BackendError, CheckResult, EnvEntry, Line, Report, Request, RunOptions, RunOutcome,
    ScriptOutput, Settings,
};
use funchost_collectors::account::{Account, Cloud};
use funchost_collectors::collector::{Collector, Description, Spec, regions};
use funchost_collectors::mistake::{Argument, Mistake, read};
use funchost_collectors::point::{Category, Text};
use funchost_collectors::run::Run;
use serde::Deserialize;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// What every test script begins with.
pub(crate) const IMPORTS: &str = r#"import "guance_integration__runner" as integration;
import "guance_test_objects__main" as objects;
import "guance_test_metrics__main" as metrics;
"#;

macro_rules! description {
    ($package:literal, $name:literal, $category:expr) => {
        Description {
            package: $package,
            name: $name,
            title: "A double",
            title_zh: "测试",
            cloud: Cloud::Aws,
            category: $category,
            measurement: $name,
            interval: Duration::from_secs(60),
            actions: &[],
            configuration: &[],
            tags: &[],
            fields: &[],
            notes: &[],
        }
    };
}

static OBJECTS: Description = description!("guance_test_objects", "test_objects", Category::CustomObject);
static METRICS: Description = description!("guance_test_metrics", "test_metrics", Category::Metric);

struct Objects;
struct Metrics;

#[derive(Debug)]
struct Read {
    regions: Vec<Text>,
    links: Vec<Text>,
}

#[async_trait::async_trait]
impl Spec for Read {
    fn regions(&self) -> Vec<Text> {
        self.regions.clone()
    }

    fn links(&self) -> Vec<Text> {
        self.links.clone()
    }

    async fn collect(&self, _: &Run, _: &[Text]) {}
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ObjectsWritten {
    regions: Option<Vec<String>>,
}

impl Collector for Objects {
    fn description(&self) -> &'static Description {
        &OBJECTS
    }

    fn read(&self, account: &Account, configs: &Value) -> Result<Box<dyn Spec>, Mistake> {
        let written: ObjectsWritten = read(Argument::Configs, configs)?;
        Ok(Box::new(Read { regions: regions(account, written.regions.as_deref())?, links: Vec::new() }))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Target {
    namespace: String,
    metrics: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MetricsWritten {
    regions: Option<Vec<String>>,
    targets: Vec<Target>,
}

impl Collector for Metrics {
    fn description(&self) -> &'static Description {
        &METRICS
    }

    fn read(&self, account: &Account, configs: &Value) -> Result<Box<dyn Spec>, Mistake> {
        let written: MetricsWritten = read(Argument::Configs, configs)?;
        for (index, target) in written.targets.iter().enumerate() {
            if target.metrics.is_empty() || target.namespace.is_empty() {
                return Err(Mistake::new(Argument::Configs, format!("targets[{index}].metrics"), "is empty"));
            }
        }
        let regions = regions(account, written.regions.as_deref())?;
        Ok(Box::new(Read { regions, links: vec!["test_objects".into()] }))
    }
}

pub(crate) static PACKAGES: &[&dyn Collector] = &[&Objects, &Metrics];

/// How the backend behaves.
#[derive(Clone, Default)]
pub(crate) enum Behaviour {
    /// Answers at once; objects with a filter are asked about, a page at a time.
    #[default]
    Answer,
    /// Works until it is stopped, then answers.
    UntilStopped,
    /// Never answers.
    Hang,
    /// Cannot run.
    Refuse(BackendError),
    /// Has a bug.
    Panic,
}

/// The backend's double.
#[derive(Default)]
pub(crate) struct Double {
    pub(crate) behaviour: Behaviour,
    /// The pages of objects that every filter is asked about.
    pub(crate) pages: Vec<Vec<Value>>,
    pub(crate) requests: Mutex<Vec<Request>>,
    /// The names of the objects that were kept, for each collector.
    pub(crate) kept: Mutex<Vec<Vec<String>>>,
    /// What failed filters said.
    pub(crate) failures: Mutex<Vec<String>>,
}

impl Double {
    async fn filter(&self, request: &Request) {
        for prepared in &request.collectors {
            let Some(filter) = &prepared.filter else { continue };
            let mut kept = Vec::new();
            for page in &self.pages {
                match filter.keep(page.clone()).await {
                    Ok(answers) => {
                        assert_eq!(answers.len(), page.len());
                        kept.extend(
                            page.iter()
                                .zip(answers)
                                .filter(|(_, keep)| *keep)
                                .map(|(object, _)| object["name"].as_str().unwrap_or_default().to_owned()),
                        );
                    }
                    Err(failure) => {
                        self.failures.lock().unwrap().push(failure.to_string());
                        break;
                    }
                }
            }
            self.kept.lock().unwrap().push(kept);
        }
    }
}

#[async_trait::async_trait]
impl Backend for Double {
    async fn run(&self, request: Request, stop: CancellationToken) -> Result<Value, BackendError> {
        self.requests.lock().unwrap().push(request.clone());
        let names: Vec<_> =
            request.collectors.iter().map(|prepared| prepared.collector.description().name).collect();
        let report =
            |status: &str| Ok(json!({ "status": status, "collectors": names, "debug": request.debug }));
        match &self.behaviour {
            Behaviour::Answer => {
                self.filter(&request).await;
                report("ok")
            }
            Behaviour::UntilStopped => {
                if let Some(last) = names.len().checked_sub(1) {
                    request.at_work.begin(last);
                }
                stop.cancelled().await;
                report("failed")
            }
            Behaviour::Hang => std::future::pending().await,
            Behaviour::Refuse(error) => Err(error.clone()),
            Behaviour::Panic => panic!("a bug of the backend"),
        }
    }
}

/// The output's double.
#[derive(Default)]
pub(crate) struct Lines(Mutex<Vec<Line>>);

impl ScriptOutput for Lines {
    fn line(&self, line: &Line) {
        self.0.lock().unwrap().push(line.clone());
    }
}

/// A folder of scripts and all that stands around them.
pub(crate) struct World {
    folder: TempDir,
    pub(crate) settings: Settings,
    lines: Arc<Lines>,
    pub(crate) double: Double,
    pub(crate) options: RunOptions,
    pub(crate) stop: CancellationToken,
}

/// What a run left.
pub(crate) struct Ran {
    pub(crate) outcome: RunOutcome,
    pub(crate) double: Arc<Double>,
    pub(crate) lines: Vec<Line>,
}

impl Ran {
    /// The message of a failed run.
    pub(crate) fn error(&self) -> String {
        self.outcome.result.as_ref().unwrap_err().render(false)
    }

    /// The result of a run that went well.
    pub(crate) fn value(&self) -> Value {
        match &self.outcome.result {
            Ok(value) => value.clone(),
            Err(report) => panic!("{report}"),
        }
    }

    /// What was printed and logged.
    pub(crate) fn texts(&self) -> Vec<&str> {
        self.lines.iter().map(|line| line.text.as_str()).collect()
    }
}

impl World {
    /// A world whose entry script is `my/main.rhai`.
    pub(crate) fn new(main: &str) -> Self {
        let lines = Arc::new(Lines::default());
        let settings = Settings { output: lines.clone(), ..Settings::new(PACKAGES) };
        let world = Self {
            folder: TempDir::new().unwrap(),
            settings,
            lines,
            double: Double::default(),
            options: RunOptions::default(),
            stop: CancellationToken::new(),
        };
        world.file("my/main.rhai", main)
    }

    /// The same, with the imports of the test's packages above the script.
    pub(crate) fn with_imports(main: &str) -> Self {
        Self::new(&format!("{IMPORTS}{main}"))
    }

    pub(crate) fn file(self, path: &str, text: &str) -> Self {
        let path = self.folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }

    pub(crate) fn env(mut self, id: &str, value: &str, secret: bool) -> Self {
        self.settings.env.insert(id.into(), EnvEntry { value: value.into(), secret });
        self
    }

    pub(crate) fn behaviour(mut self, behaviour: Behaviour) -> Self {
        self.double.behaviour = behaviour;
        self
    }

    pub(crate) fn pages(mut self, pages: Vec<Vec<Value>>) -> Self {
        self.double.pages = pages;
        self
    }

    pub(crate) fn options(mut self, options: RunOptions) -> Self {
        self.options = options;
        self
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    pub(crate) fn open(&self) -> funchost::script::Script {
        funchost::script::open(&self.path("my/main.rhai"), &Arc::new(self.settings.clone())).unwrap()
    }

    pub(crate) fn list(&self) -> Result<Vec<funchost::script::ApiFunction>, Report> {
        funchost::script::list(&self.open())
    }

    pub(crate) fn check(&self) -> CheckResult {
        funchost::script::check(&self.open())
    }

    /// Every message of `check`, as it is shown.
    pub(crate) fn problems(&self) -> String {
        let problems = self.check().problems;
        problems.iter().map(|problem| problem.render(false)).collect::<Vec<_>>().join("\n\n")
    }

    /// What was printed and logged until now.
    pub(crate) fn said(&self) -> Vec<String> {
        self.lines.0.lock().unwrap().iter().map(|line| line.text.clone()).collect()
    }

    pub(crate) fn run(self) -> Ran {
        let script = self.open();
        let double = Arc::new(self.double);
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let outcome =
            runtime.block_on(funchost::script::run(&script, self.options, double.clone(), self.stop.clone()));
        runtime.shutdown_background();
        let lines = std::mem::take(&mut *self.lines.0.lock().unwrap());
        Ran { outcome, double, lines }
    }
}

/// Runs `my/main.rhai` and shows how it failed.
pub(crate) fn failure(main: &str) -> String {
    World::new(main).run().error()
}
