//! Running a script: one engine, one thread with a big stack, one timer.
//!
//! Owns the life of a run from its file to its outcome. Nothing of a script runs anywhere but on its own thread.

use super::dff::Options;
use super::diagnostic::{Diagnostic, Fault, Place, Report, Severity};
use super::host::{Host, Mode, Why, lock};
use super::library::{Library, Snapshot};
use super::problem::Problem;
use super::{Backend, Settings, convert, engine, explain, lexer, lint, memory};
use rhai::{Dynamic, EvalAltResult, Scope};
use serde::Serialize;
use serde_json::Value;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// What 64 nested calls of the deepest expressions need, several times over.
const STACK: usize = 64 << 20;

/// `check` and `list` evaluate a script no longer than this.
const DRY_TIME: Duration = Duration::from_secs(5);

/// An entry script: its id, its text and where its imports are.
#[derive(Clone)]
pub struct Script {
    pub(super) settings: Arc<Settings>,
    pub(super) library: Library,
    pub(super) source: Arc<str>,
    pub(super) path: PathBuf,
}

impl std::fmt::Debug for Script {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Script")
            .field("id", &self.id())
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl Script {
    /// Its id: `my_aws__main`.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.library.entry
    }

    /// Its file, as it was opened.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The same script, with another knowledge of what is secret.
    #[must_use]
    pub fn with_masker(&self, masker: Arc<super::Masker>) -> Self {
        Self { settings: Arc::new(Settings { masker, ..Settings::clone(&self.settings) }), ..self.clone() }
    }

    /// The same script, whose lines go elsewhere.
    #[must_use]
    pub fn with_output(&self, output: Arc<dyn super::ScriptOutput>) -> Self {
        Self { settings: Arc::new(Settings { output, ..Settings::clone(&self.settings) }), ..self.clone() }
    }
}

/// A function that a script registers.
#[derive(Clone, Debug)]
pub struct ApiFunction {
    /// `my_aws__main.run`.
    pub id: String,
    /// `run`.
    pub name: String,
    /// What it does, for a person.
    pub title: String,
    /// What was given to `DFF.API`.
    pub options: Options,
    /// Where it is registered.
    pub place: Option<Place>,
    /// The names of its parameters; only one without any can be run.
    pub parameters: Vec<String>,
}

impl ApiFunction {
    /// Why it cannot be called with these arguments; none where it can.
    #[must_use]
    pub fn refuses(&self, kwargs: &serde_json::Map<String, Value>) -> Option<String> {
        let list = self.parameters.join(", ");
        if let Some(unknown) = kwargs.keys().find(|name| !self.parameters.contains(name)) {
            return Some(if self.parameters.is_empty() {
                format!("`{}` takes no arguments, found `{unknown}`", self.id)
            } else {
                format!("`{}` takes no argument `{unknown}`, it takes: {list}", self.id)
            });
        }
        let missing = self.parameters.iter().find(|name| !kwargs.contains_key(*name))?;
        Some(format!("the argument `{missing}` of `{}` is missing, it takes: {list}", self.id))
    }
}

/// What `check` found.
#[derive(Clone, Debug)]
pub struct CheckResult {
    /// The functions, in the order of their registration; none where the script does not load.
    pub functions: Vec<ApiFunction>,
    /// Errors and warnings, by file and place.
    pub problems: Vec<Diagnostic>,
}

impl CheckResult {
    /// Is there an error among the problems.
    #[must_use]
    pub fn failed(&self) -> bool {
        self.problems.iter().any(|problem| problem.severity == Severity::Error)
    }
}

/// What to run, and how.
#[derive(Clone, Debug, Default)]
pub struct RunOptions {
    /// The function's name, id or title; none where the script has only one.
    pub function: Option<String>,
    /// Seconds, 1 to 3600; wins over the script's own.
    pub timeout: Option<u64>,
    /// Every Runner in debug mode.
    pub debug: bool,
    /// The function's arguments, by name.
    pub arguments: serde_json::Map<String, Value>,
    /// The function is one of the script's own tests, which need no registration.
    pub test: bool,
    /// A value of the environment that is missing is given a stand-in.
    pub placeholders: bool,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Ended {
    /// By itself, well or not.
    Finished,
    /// At its deadline.
    TimedOut,
    /// By the token it was given.
    Stopped,
}

/// What came of a run.
#[derive(Clone, Debug)]
pub struct RunOutcome {
    /// The function's id; none where it did not come to one.
    pub function: Option<String>,
    /// Nanoseconds since 1970, UTC.
    pub started: i64,
    /// The function's result as data, or what went wrong.
    pub result: Result<Value, Report>,
    /// How it ended.
    pub ended: Ended,
    /// What was warned of, beside what was said while it ran.
    pub warnings: Vec<Diagnostic>,
    /// The function's result is no data: what of it, and where; among the warnings, too.
    pub no_data: Option<Diagnostic>,
    /// The reports of every `.run()`, in order.
    pub reports: Vec<Value>,
    /// Did any Runner collect in debug mode.
    pub debug: bool,
    /// How often collectors were started: where it is 0, no cloud was called.
    pub backend_calls: u64,
}

impl RunOutcome {
    /// Is the user's input wrong, and was nothing done because of it.
    #[must_use]
    pub fn is_input_error(&self) -> bool {
        self.backend_calls == 0 && matches!(&self.result, Err(report) if report.fault() == Fault::Input)
    }
}

/// An entry script of a snapshot: it and all that it imports stay as they were then. None where the snapshot has no such script.
#[must_use]
pub fn open_in(snapshot: &Arc<Snapshot>, id: &str, settings: &Arc<Settings>) -> Option<Script> {
    let (source, path) = (snapshot.source(id)?, snapshot.file(id)?);
    let library = Library::of_snapshot(snapshot, &path);
    Some(Script { settings: settings.clone(), library, source, path })
}

/// The functions of a script.
///
/// # Errors
/// Why it does not load.
pub fn list(script: &Script) -> Result<Vec<ApiFunction>, Report> {
    let done = dry(script, Mode::List);
    match done.result {
        Ok(_) => Ok(done.functions),
        Err(diagnostic) => Err(diagnostic.into()),
    }
}

/// The names of a script's own tests, in the order of the text: `fn test_…()`.
///
/// # Errors
/// Why it does not load.
pub fn tests(script: &Script) -> Result<Vec<String>, Report> {
    let done = dry(script, Mode::List);
    match done.result {
        Ok(_) => Ok(done.tests),
        Err(diagnostic) => Err(diagnostic.into()),
    }
}

/// Everything that can be known about a script without calling a cloud.
#[must_use]
pub fn check(script: &Script) -> CheckResult {
    let loaded = dry(script, Mode::List);
    let mut problems = loaded.lint;
    let mut add = |found: Diagnostic| {
        if !problems
            .iter()
            .any(|known| known.place().is_some() && known.place() == found.place() || known.repeats(&found))
        {
            problems.push(found);
        }
    };
    loaded.warnings.into_iter().for_each(&mut add);
    match loaded.result {
        Err(diagnostic) => add(unchecked(diagnostic, loaded.placeholders)),
        Ok(_) => {
            // Functions of one script run beside each other: their collectors must differ, too.
            let mut own = Vec::new();
            for function in &loaded.functions {
                if !function.parameters.is_empty() {
                    continue;
                }
                let done = dry_after(script, Mode::Dry { function: function.name.clone() }, &mut own);
                done.warnings.into_iter().for_each(&mut add);
                if let Err(diagnostic) = done.result {
                    add(unchecked(diagnostic, done.placeholders));
                }
            }
            if loaded.functions.is_empty() {
                add(Diagnostic {
                    severity: Severity::Warning,
                    fault: Fault::Input,
                    message: format!("`{}` registers no function, so nothing of it can be run", script.id()),
                    labels: Vec::new(),
                    hint: Some("put `@DFF.API(\"title\")` directly above a function; a script that others import needs none".into()),
                    trace: Vec::new(),
                });
            }
        }
    }
    problems.sort_by_key(|problem| {
        problem.place().map(|place| {
            (place.file != script.library.display(script.id()), place.file.clone(), place.line, place.column)
        })
    });
    CheckResult { functions: loaded.functions, problems }
}

/// A failure without effects: where it may come from what was left out, it is no more than a warning.
fn unchecked(diagnostic: Diagnostic, placeholders: bool) -> Diagnostic {
    if diagnostic.fault == Fault::Input {
        return diagnostic;
    }
    let hint = if placeholders {
        "a value of the environment is missing, so that this may be no error: set it and check again"
    } else {
        "`check` evaluates the script without calling a cloud; what comes after this place was not checked"
    };
    Diagnostic {
        severity: Severity::Warning,
        hint: Some(diagnostic.hint.unwrap_or_else(|| hint.into())),
        message: format!("not checked to its end: {}", diagnostic.message),
        ..diagnostic
    }
}

/// Runs a script's function. Wants a tokio runtime; does not block it.
///
/// The deadline counts from here: `timeout` of the options, else the function's, else the default. It stops a loop, a wait and a
/// hanging native at once; while collectors run, it cancels the token that the backend was given and waits for its answer.
pub async fn run(
    script: &Script,
    options: RunOptions,
    backend: Arc<dyn Backend>,
    stop: CancellationToken,
) -> RunOutcome {
    let started = script.settings.clock.now();
    let begun = Instant::now();
    let first = options.timeout.map_or(script.settings.default_timeout, Duration::from_secs);
    let (deadline, mut deadlines) = watch::channel(begun + first);
    let mode = Mode::Run { function: options.function, debug: options.debug, test: options.test };
    let mut host = Host::new(script.settings.clone(), script.library.clone(), mode);
    host.runtime = Some(tokio::runtime::Handle::current());
    host.backend = Some(backend);
    host.timeout = options.timeout;
    host.arguments = options.arguments;
    host.stand_ins = options.placeholders;
    host.begun = begun;
    host.deadline = Some(deadline);
    let host = Arc::new(host);
    let refused = options.timeout.filter(|seconds| !(1..=3600).contains(seconds)).map(|seconds| {
        let problem = Problem::input(format!("--timeout must be from 1 to 3600 seconds, found {seconds}"));
        explain::problem(&host, &problem)
    });
    let done = match refused {
        Some(diagnostic) => Done::failed(diagnostic),
        None => {
            let (sender, mut receiver) = oneshot::channel();
            let spawned = spawn(&host, &script.source, move |done| {
                // Whoever waited may have been dropped.
                drop(sender.send(done));
            });
            match spawned {
                Err(diagnostic) => Done::failed(diagnostic),
                Ok(()) => loop {
                    let until = *deadlines.borrow_and_update();
                    tokio::select! {
                        biased;
                        done = &mut receiver => break done.unwrap_or_else(|_| Done::failed(internal(&host, "its thread ended"))),
                        () = stop.cancelled(), if host.stop.why().is_none() => host.stop.now(Why::Stopped),
                        () = tokio::time::sleep_until(until), if host.stop.why().is_none() => host.stop.now(Why::Deadline),
                        Ok(()) = deadlines.changed() => {}
                    }
                },
            }
        }
    };
    let ended = match (&done.result, host.stop.why()) {
        (Err(_), Some(Why::Deadline)) => Ended::TimedOut,
        (Err(_), Some(Why::Stopped)) => Ended::Stopped,
        _ => Ended::Finished,
    };
    let mut reports = std::mem::take(&mut *lock(&host.reports));
    reports.iter_mut().for_each(|report| mask(&host, report));
    RunOutcome {
        function: host.chosen().map(|chosen| format!("{}.{}", script.id(), chosen.name)),
        started,
        result: done.result.map_err(Report::from),
        ended,
        warnings: done.warnings,
        no_data: done.no_data,
        reports,
        debug: host.debugged.load(Ordering::Relaxed),
        backend_calls: host.backend_calls.load(Ordering::Relaxed),
    }
}

/// What a thread of a script leaves behind. Holds nothing of the engine.
struct Done {
    result: Result<Value, Diagnostic>,
    no_data: Option<Diagnostic>,
    functions: Vec<ApiFunction>,
    tests: Vec<String>,
    warnings: Vec<Diagnostic>,
    lint: Vec<Diagnostic>,
    placeholders: bool,
}

impl Done {
    fn failed(diagnostic: Diagnostic) -> Self {
        Self {
            result: Err(diagnostic),
            no_data: None,
            functions: Vec::new(),
            tests: Vec::new(),
            warnings: Vec::new(),
            lint: Vec::new(),
            placeholders: false,
        }
    }
}

/// Evaluates without effects, and without a runtime.
fn dry(script: &Script, mode: Mode) -> Done {
    dry_after(script, mode, &mut Vec::new())
}

/// The same, where the script's own collectors of `own` were made before; those of this function are added.
fn dry_after(script: &Script, mode: Mode, own: &mut Vec<super::custom::Own>) -> Done {
    let mut host = Host::new(script.settings.clone(), script.library.clone(), mode);
    host.timeout = Some(DRY_TIME.as_secs());
    host.own = std::sync::Mutex::new(std::mem::take(own));
    let host = Arc::new(host);
    let (sender, receiver) = std::sync::mpsc::sync_channel(1);
    let spawned = spawn(&host, &script.source, move |done| {
        // The receiver waits for it.
        drop(sender.send(done));
    });
    if let Err(diagnostic) = spawned {
        return Done::failed(diagnostic);
    }
    let done = receiver.recv_timeout(DRY_TIME).or_else(|_| {
        host.stop.now(Why::Deadline);
        receiver.recv()
    });
    own.append(&mut lock(&host.own));
    done.unwrap_or_else(|_| Done::failed(internal(&host, "its thread ended")))
}

fn internal(host: &Host, what: &str) -> Diagnostic {
    let problem = Problem::run_time(format!("internal error while `{}` ran: {what}", host.library.entry))
        .hint("this is a bug of funchost: please report it with the script");
    explain::problem(host, &problem)
}

/// Starts the script's thread.
fn spawn(
    host: &Arc<Host>,
    source: &Arc<str>,
    answer: impl FnOnce(Done) + Send + 'static,
) -> Result<(), Diagnostic> {
    let (shared, source) = (host.clone(), source.clone());
    let thread = std::thread::Builder::new().name("script".into()).stack_size(STACK).spawn(move || {
        memory::begin();
        let done = catch_unwind(AssertUnwindSafe(|| evaluate(&shared, &source)));
        answer(done.unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
            let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
            Done::failed(internal(&shared, &text))
        }));
    });
    thread.map(drop).map_err(|error| internal(host, &format!("no thread could be started: {error}")))
}

/// On the script's thread: everything.
fn evaluate(host: &Arc<Host>, source: &str) -> Done {
    let mut lint = Vec::new();
    let result = engine::build(host).and_then(|engine| {
        let compiled = host.compile(&engine, &host.library.entry, source);
        let result = compiled.and_then(|ast| engine.eval_ast_with_scope::<Dynamic>(&mut Scope::new(), &ast));
        if matches!(host.mode, Mode::List) {
            lint = lint::lint(host, &engine);
        }
        result
    });
    let result = match result {
        Ok(value) => idle(host).map(|()| outcome(host, &value)),
        Err(error) => match *error {
            EvalAltResult::Exit(value, _) => idle(host).map(|()| outcome(host, &value)),
            error => Err(explain::error(host, &error)),
        },
    };
    let functions = host
        .functions()
        .into_iter()
        .map(|function| ApiFunction {
            id: format!("{}.{}", host.library.entry, function.name),
            parameters: host.parameters(&function),
            place: host.place(&function.script, function.at),
            name: function.name,
            title: function.title,
            options: function.options,
        })
        .collect();
    let (result, no_data) = match result {
        Ok((value, no_data)) => (Ok(value), no_data),
        Err(diagnostic) => (Err(diagnostic), None),
    };
    Done {
        result,
        no_data,
        tests: host.tests(),
        functions,
        warnings: host.warnings(),
        lint,
        placeholders: host.placeholders.load(Ordering::Relaxed),
    }
}

/// A Runner that was made and never ran: an error where the scripts have no `.run()` for any. One that a script decided not to run is right, and a test
/// may look at one alone.
fn idle(host: &Host) -> Result<(), Diagnostic> {
    let Some((script, position)) = lock(&host.idle).first().cloned() else { return Ok(()) };
    let (made, run) = runners(host);
    if matches!(host.mode, Mode::Run { test: true, .. })
        || (run > 0 && (run >= made || !host.ran.load(Ordering::Relaxed)))
    {
        return Ok(());
    }
    let problem = Problem::input("`.run()` is missing: this Runner was made and never ran")
        .label("made here")
        .hint("write `Runner(collectors).run();`")
        .at(&script, position);
    let diagnostic = explain::problem(host, &problem);
    if host.ran.load(Ordering::Relaxed) {
        host.warn(diagnostic);
        return Ok(());
    }
    Err(diagnostic)
}

/// How often the scripts make a Runner, and how often they run one, by their text.
fn runners(host: &Host) -> (usize, usize) {
    let (mut made, mut run) = (0, 0);
    for script in host.loaded().iter().filter_map(|id| host.script(id)) {
        let source: &str = &script.source;
        let tokens = lexer::lex(source);
        let tokens: Vec<&str> = tokens
            .iter()
            .filter(|token| matches!(token.kind, lexer::Kind::Word | lexer::Kind::Symbol))
            .map(|token| token.text(source))
            .collect();
        made += tokens.windows(2).filter(|two| two == &["Runner", "("]).count();
        run += tokens.windows(3).filter(|three| matches!(three, ["." | "?.", "run", "("])).count();
    }
    (made, run)
}

/// A function's result as data; what is no data is left out and said.
fn outcome(host: &Host, value: &Dynamic) -> (Value, Option<Diagnostic>) {
    match convert::to_json(value) {
        Ok(mut data) => {
            mask(host, &mut data);
            (data, None)
        }
        Err(error) => {
            let place = if error.path.is_empty() { String::new() } else { format!(" at `{}`", error.path) };
            let mut problem =
                Problem::run_time(format!("the function's result{place} {}: it is left out", error.message))
                    .hint("end it with data (a text, a number, a list, a map), or with `()` where nobody needs its result");
            if let Some(chosen) = host.chosen() {
                problem = problem.at(&host.library.entry, chosen.at).label("this function");
            }
            let diagnostic = Diagnostic { severity: Severity::Warning, ..explain::problem(host, &problem) };
            host.warn(diagnostic.clone());
            (Value::Null, Some(diagnostic))
        }
    }
}

/// Takes known secrets out of every text of some data.
fn mask(host: &Host, data: &mut Value) {
    match data {
        Value::String(text) => *text = host.settings.masker.mask(text).into_owned(),
        Value::Array(list) => list.iter_mut().for_each(|item| mask(host, item)),
        Value::Object(map) => map.values_mut().for_each(|item| mask(host, item)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
