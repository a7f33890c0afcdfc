//! One run of one script, as all rooms of the engine share it: what was loaded, registered, said and stopped.
//!
//! Owns the state of a run and its end: the one flag that the engine reads between two operations, and the token that wakes
//! what waits. Lives as long as the script's thread; nothing of it is shared between two runs.

use super::dff::Registration;
use super::diagnostic::{Diagnostic, Label, Place};
use super::dialect::{self, Notes};
use super::ending::Ending;
use super::library::Library;
use super::output::{Kind, Level, Line};
use super::problem::{At, Problem, Result};
use super::secrets::{self, MaskedSource};
use super::{Backend, Settings, variables};
use rhai::{AST, Dynamic, Engine, EvalAltResult, EvalContext, NativeCallContext, Position, Stmt};
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use xxhash_rust::xxh3::Xxh3Default;

/// The id of the host's own lines of Rhai.
pub(super) const PRELUDE: &str = "__host";

/// What is done with the script.
#[derive(Clone, Debug)]
pub(super) enum Mode {
    /// Its top level is evaluated, so that its functions are known.
    List,
    /// The same, and one function without its effects.
    Dry {
        /// Which.
        function: String,
    },
    /// For real.
    Run {
        /// Which function; none where the script has only one.
        function: Option<String>,
        /// Every runner in debug mode.
        debug: bool,
        /// The function is a test.
        test: bool,
    },
}

/// Why a run was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    Deadline = 1,
    Stopped = 2,
    Memory = 3,
}

/// The end of a run before its time.
#[derive(Default)]
pub(super) struct Stop {
    why: AtomicU8,
    /// Wakes whoever waits.
    pub(super) token: CancellationToken,
}

impl Stop {
    /// Stops the run; the first reason counts.
    pub(super) fn now(&self, why: Why) {
        // Ok or not: the flag is up.
        let _ = self.why.compare_exchange(0, why as u8, Ordering::SeqCst, Ordering::SeqCst);
        self.token.cancel();
    }

    /// Why, if it was.
    pub(super) fn why(&self) -> Option<Why> {
        match self.why.load(Ordering::Relaxed) {
            1 => Some(Why::Deadline),
            2 => Some(Why::Stopped),
            3 => Some(Why::Memory),
            _ => None,
        }
    }
}

/// A source that was loaded.
#[derive(Clone)]
pub(super) struct Loaded {
    pub(super) source: Arc<str>,
    /// None where it could not be compiled.
    pub(super) ast: Option<AST>,
    pub(super) notes: Notes,
}

/// The chosen function, once it is known.
#[derive(Clone, Debug)]
pub(super) struct Chosen {
    pub(super) name: String,
    pub(super) at: Position,
    /// Seconds.
    pub(super) timeout: u64,
}

/// What the rooms of one run share.
pub(super) struct Host {
    pub(super) settings: Arc<Settings>,
    pub(super) library: Library,
    pub(super) mode: Mode,
    pub(super) stop: Stop,
    /// Where the run was then.
    pub(super) ending: Ending,
    /// Where async work is done; none without running.
    pub(super) runtime: Option<tokio::runtime::Handle>,
    pub(super) backend: Option<Arc<dyn Backend>>,
    /// `--timeout`, seconds: wins over the function's own.
    pub(super) timeout: Option<u64>,
    /// What the function is called with, by name.
    pub(super) arguments: serde_json::Map<String, serde_json::Value>,
    /// When the run began.
    pub(super) begun: Instant,
    /// Tells the timer the deadline.
    pub(super) deadline: Option<tokio::sync::watch::Sender<Instant>>,
    pub(super) variables: RwLock<HashMap<String, HashMap<String, Dynamic>>>,
    scripts: RwLock<BTreeMap<String, Loaded>>,
    registrations: Mutex<Vec<Registration>>,
    warnings: Mutex<Vec<Diagnostic>>,
    /// What the script is waiting for: Rhai forgets the place of a terminated run.
    waiting: Mutex<Option<(At, String)>>,
    /// The collector that a Runner was at when it was stopped: where it is created, and its name.
    at_work: Mutex<Option<(At, String)>>,
    chosen: Mutex<Option<Chosen>>,
    /// The reports of every `.run()`, in order.
    pub(super) reports: Mutex<Vec<serde_json::Value>>,
    /// Did any runner collect in debug mode.
    pub(super) debugged: AtomicBool,
    /// How often the backend was asked.
    pub(super) backend_calls: AtomicU64,
    /// Was a placeholder given for a value of the environment.
    pub(super) placeholders: AtomicBool,
    /// Does a missing value of the environment get a stand-in when running, too.
    pub(super) stand_ins: bool,
    /// The collection whose function runs now, if one does.
    pub(super) collecting: Mutex<Option<super::custom::Collecting>>,
    /// Where Runners were made, each until it runs.
    pub(super) idle: Mutex<Vec<At>>,
    /// Has any Runner run, or would have?
    pub(super) ran: AtomicBool,
    /// The script's own collectors so far.
    pub(super) own: Mutex<Vec<super::custom::Own>>,
}

/// Locks what no one may be poisoned by: a panic ends the run, and its message is all that is still wanted.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Host {
    /// A run that has not begun.
    pub(super) fn new(settings: Arc<Settings>, library: Library, mode: Mode) -> Self {
        Self {
            settings,
            library,
            mode,
            stop: Stop::default(),
            ending: Ending::default(),
            runtime: None,
            backend: None,
            timeout: None,
            arguments: serde_json::Map::new(),
            begun: Instant::now(),
            deadline: None,
            variables: RwLock::default(),
            scripts: RwLock::default(),
            registrations: Mutex::default(),
            warnings: Mutex::default(),
            waiting: Mutex::default(),
            at_work: Mutex::default(),
            chosen: Mutex::default(),
            reports: Mutex::default(),
            debugged: AtomicBool::new(false),
            backend_calls: AtomicU64::new(0),
            placeholders: AtomicBool::new(false),
            stand_ins: false,
            collecting: Mutex::default(),
            idle: Mutex::default(),
            ran: AtomicBool::new(false),
            own: Mutex::default(),
        }
    }

    /// A script that was loaded.
    pub(super) fn script(&self, id: &str) -> Option<Loaded> {
        self.scripts.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    /// A digest of all that was loaded so far: another where any of it has changed.
    pub(super) fn digest(&self) -> u64 {
        let scripts = self.scripts.read().unwrap_or_else(PoisonError::into_inner);
        let mut digest = Xxh3Default::new();
        for (id, loaded) in scripts.iter() {
            digest.update(id.as_bytes());
            digest.update(&[0]);
            digest.update(loaded.source.as_bytes());
            digest.update(&[0]);
        }
        digest.digest()
    }

    /// The ids of all scripts that were loaded, in order.
    pub(super) fn loaded(&self) -> Vec<String> {
        self.scripts.read().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }

    /// Compiles a source, adds the host's statements, and finds what would go wrong in silence.
    pub(super) fn compile(&self, engine: &Engine, id: &str, source: &str) -> Result<AST> {
        secrets::learn_from(source, &self.settings.masker);
        let keep = |ast: Option<AST>, notes: Notes| {
            let loaded = Loaded { source: source.into(), ast, notes };
            self.scripts.write().unwrap_or_else(PoisonError::into_inner).insert(id.into(), loaded);
        };
        dialect::begin();
        let compiled = engine.compile(source);
        let notes = dialect::finish();
        if self.stop.why().is_some() {
            // The text was not read to its end: see the token mapper.
            keep(None, notes);
            return Err(terminated(Position::NONE));
        }
        let ast = match compiled {
            Ok(ast) => ast,
            Err(error) => {
                keep(None, notes);
                return Err(error.into());
            }
        };
        let capture = engine.compile(format!("{}; ", dialect::CAPTURE))?;
        let last = if id == self.library.entry { dialect::MAIN } else { dialect::CAPTURE };
        let last = engine.compile(format!("{last}; "))?;
        let mut statements: Vec<Stmt> = Vec::new();
        for statement in ast.statements() {
            let changes = !matches!(statement, Stmt::Import(..) | Stmt::Noop(..) | Stmt::Export(..));
            statements.push(statement.clone());
            if changes {
                statements.extend(capture.statements().iter().cloned());
            }
        }
        statements.extend(last.statements().iter().cloned());
        let mut complete = AST::new(statements, ast.shared_lib().clone());
        // While another handle to the functions lives, setting the source would copy them all.
        drop(ast);
        complete.set_source(id);
        keep(Some(complete.clone()), notes.clone());
        for decorator in &notes.decorators {
            if decorator.function.is_none() {
                return Err(Problem::input("`@DFF.API(…)` does not stand above a function")
                    .label("nothing to attach it to")
                    .hint("write `fn name() { … }` directly below it; only comments may stand between")
                    .at(id, decorator.at)
                    .thrown(Position::NONE));
            }
        }
        if let Some(problem) = variables::lost_assignments(id, &complete).into_iter().next() {
            return Err(problem.thrown(Position::NONE));
        }
        Ok(complete)
    }

    /// Notes a registered function.
    pub(super) fn register(&self, registration: Registration) -> Result<()> {
        let mut registrations = lock(&self.registrations);
        if let Some(other) = registrations
            .iter()
            .find(|other| other.script == registration.script && other.name == registration.name)
        {
            return Err(Problem::input(format!("`{}` is registered twice", registration.name))
                .label("registered again here")
                .hint("each function is registered once, under a name of its own")
                .at(&registration.script, registration.at)
                .other(&other.script, other.at, "first registered here")
                .thrown(Position::NONE));
        }
        registrations.push(registration);
        Ok(())
    }

    /// The entry script's functions, in the order of their registration.
    pub(super) fn functions(&self) -> Vec<Registration> {
        let registrations = lock(&self.registrations);
        registrations.iter().filter(|one| one.script == self.library.entry).cloned().collect()
    }

    /// The chosen function, once it is known.
    pub(super) fn chosen(&self) -> Option<Chosen> {
        lock(&self.chosen).clone()
    }

    /// Runs as the last statement of the entry script: its imports and constants are alive only inside this evaluation.
    pub(super) fn start(&self, context: &mut EvalContext) -> Result<Dynamic> {
        let wanted = match &self.mode {
            Mode::List => return Ok(Dynamic::UNIT),
            Mode::Dry { function } => Some(function.clone()),
            Mode::Run { function, .. } => function.clone(),
        };
        if let Mode::Run { function: Some(name), test: true, .. } = &self.mode {
            let at = self.function_position(name).map_or(Position::NONE, |(_, position)| position);
            let timeout = self.timeout.unwrap_or(self.settings.default_timeout.as_secs());
            *lock(&self.chosen) = Some(Chosen { name: name.clone(), at, timeout });
            let call = NativeCallContext::new_with_all_fields(
                context.engine(),
                name,
                Some(&self.library.entry),
                context.global_runtime_state(),
                Position::NONE,
            );
            return call.call_fn_raw(name, false, false, &mut []);
        }
        let function = self.choose(wanted.as_deref()).map_err(|problem| problem.thrown(Position::NONE))?;
        let timeout =
            self.timeout.or(function.options.timeout).unwrap_or(self.settings.default_timeout.as_secs());
        *lock(&self.chosen) = Some(Chosen { name: function.name.clone(), at: function.at, timeout });
        if let Some(deadline) = &self.deadline {
            // The timer may have ended with the run already.
            let _ = deadline.send(self.begun + std::time::Duration::from_secs(timeout));
        }
        let call = NativeCallContext::new_with_all_fields(
            context.engine(),
            &function.name,
            Some(&function.script),
            context.global_runtime_state(),
            Position::NONE,
        );
        let mut arguments = self.arguments(&function).map_err(|problem| problem.thrown(Position::NONE))?;
        match &function.closure {
            Some(pointer) => pointer.call_within_context(&call, arguments),
            None => {
                let mut arguments: Vec<&mut Dynamic> = arguments.iter_mut().collect();
                call.call_fn_raw(&function.name, false, false, &mut arguments)
            }
        }
    }

    /// The arguments in the order of the parameters.
    fn arguments(&self, function: &Registration) -> std::result::Result<Vec<Dynamic>, Problem> {
        let parameters = self.parameters(function);
        let list = parameters.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let wrong = |message: String, hint: String| {
            Problem::input(message).label("registered here").hint(hint).at(&function.script, function.at)
        };
        if let Some(unknown) = self.arguments.keys().find(|name| !parameters.contains(name)) {
            let hint =
                match funchost_collectors::mistake::nearest(unknown, parameters.iter().map(String::as_str)) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None if parameters.is_empty() => "it takes none".into(),
                    None => format!("it takes {list}"),
                };
            return Err(wrong(format!("`{}` takes no argument `{unknown}`", function.name), hint));
        }
        parameters
            .iter()
            .map(|name| {
                let value = self.arguments.get(name).ok_or_else(|| {
                    wrong(
                        format!("the argument `{name}` of `{}` is missing", function.name),
                        format!("give all of its arguments by name: {list}"),
                    )
                })?;
                rhai::serde::to_dynamic(value).map_err(|error| {
                    wrong(
                        format!("the argument `{name}` cannot be given to a script: {error}"),
                        "give texts, numbers, lists and maps".into(),
                    )
                })
            })
            .collect()
    }

    /// The script's own tests, in the order of the text.
    pub(super) fn tests(&self) -> Vec<String> {
        let Some(script) = self.script(&self.library.entry) else { return Vec::new() };
        let Some(ast) = &script.ast else { return Vec::new() };
        let free = |name: &str| ast.iter_functions().any(|one| one.name == name && one.params.is_empty());
        let names = script.notes.functions.iter().map(|(name, _)| name);
        names.filter(|name| name.starts_with("test_") && free(name)).cloned().collect()
    }

    /// The function that is meant.
    fn choose(&self, wanted: Option<&str>) -> std::result::Result<Registration, Problem> {
        let functions = self.functions();
        let id = |function: &Registration| format!("{}.{}", self.library.entry, function.name);
        let list = |problem: Problem| {
            functions.iter().fold(problem, |problem, function| {
                problem.other(
                    &function.script,
                    function.at,
                    format!("`{}`: {}", function.name, function.title),
                )
            })
        };
        let names =
            functions.iter().map(|function| format!("`{}`", function.name)).collect::<Vec<_>>().join(", ");
        let function = match wanted {
            None if functions.len() > 1 => {
                return Err(list(
                    Problem::input(format!("this script has several functions: {names}"))
                        .hint(format!("choose one: --func {}", functions[0].name)),
                ));
            }
            None => functions.into_iter().next(),
            Some(name) => {
                let found = functions
                    .iter()
                    .find(|function| name == function.name || name == id(function) || name == function.title);
                match found {
                    Some(function) => Some(function.clone()),
                    None if functions.is_empty() => None,
                    None => {
                        let near = funchost_collectors::mistake::nearest(
                            name,
                            functions.iter().map(|function| function.name.as_str()),
                        );
                        let problem = Problem::input(format!("this script has no function `{name}`"));
                        let written = self.script(&self.library.entry).and_then(|script| script.ast);
                        let written =
                            written.is_some_and(|ast| ast.iter_functions().any(|one| one.name == name));
                        return Err(list(match near {
                            _ if written && name.starts_with("test_") => {
                                problem.hint("it is a test: `funchost test SCRIPT` runs it")
                            }
                            _ if written => problem.hint(format!(
                                "`fn {name}` is there and not registered: put `@DFF.API(\"title\")` directly above it"
                            )),
                            Some(near) => problem.hint(format!("did you mean `{near}`?")),
                            None => problem.hint(format!("it has {names}")),
                        }));
                    }
                }
            }
        };
        let Some(function) = function else {
            return Err(Problem::input("this script registers no function, so there is nothing to run")
                .hint("put `@DFF.API(\"title\")` directly above a function: `fn run() { … }`"));
        };
        let parameters = self.parameters(&function);
        if !parameters.is_empty() && self.arguments.is_empty() {
            return Err(Problem::input(format!("`{}` takes arguments: {}", function.name, parameters.join(", ")))
                .label("registered here")
                .hint("`funchost run` gives none: write their values into the function, read them with `DFF.ENV`, or give them as `kwargs` of a trigger or a call")
                .at(&function.script, function.at));
        }
        Ok(function)
    }

    /// The names of a registered function's parameters.
    pub(super) fn parameters(&self, function: &Registration) -> Vec<String> {
        let name = function.closure.as_ref().map_or(function.name.as_str(), |pointer| pointer.fn_name());
        let curried = function.closure.as_ref().map_or(0, |pointer| pointer.curry().len());
        let Some(ast) = self.script(&function.script).and_then(|script| script.ast) else {
            return Vec::new();
        };
        let found =
            ast.iter_functions().filter(|found| found.name == name).min_by_key(|found| found.params.len());
        found.map_or_else(Vec::new, |found| {
            found.params.iter().skip(curried).map(|name| (*name).to_owned()).collect()
        })
    }

    /// A line for the script's author. Only a run says anything: `check` and `list` evaluate a script without its effects.
    pub(super) fn say(&self, kind: Kind, text: &str, place: Option<Place>) {
        if !matches!(self.mode, Mode::Run { .. }) {
            return;
        }
        let text = self.settings.masker.mask(text).into_owned();
        self.settings.output.line(&Line { kind, text, place });
    }

    /// A warning: kept for the outcome and, when running, said at once.
    pub(super) fn warn(&self, mut diagnostic: Diagnostic) {
        diagnostic.severity = super::diagnostic::Severity::Warning;
        let text = diagnostic.render(false);
        // The line's own kind says "warning" already.
        self.say(Kind::Host(Level::Warning), text.strip_prefix("warning: ").unwrap_or(&text), None);
        let mut warnings = lock(&self.warnings);
        if !warnings.iter().any(|known| known.repeats(&diagnostic)) {
            warnings.push(diagnostic);
        }
    }

    /// What was warned of.
    pub(super) fn warnings(&self) -> Vec<Diagnostic> {
        lock(&self.warnings).clone()
    }

    /// A value of the environment was missing and a placeholder given.
    pub(super) fn missing_value(&self, problem: Problem) {
        self.placeholders.store(true, Ordering::Relaxed);
        self.warn(super::explain::problem(self, &problem));
    }

    /// A place for people.
    pub(super) fn place(&self, script: &str, position: Position) -> Option<Place> {
        let script = if script.is_empty() { self.library.entry.as_str() } else { script };
        let line = position.line()?;
        (script != PRELUDE).then(|| Place {
            script: script.into(),
            file: self.library.display(script),
            line,
            column: position.position().unwrap_or(1),
        })
    }

    /// Where the body of a function or closure begins, in whichever script it is.
    pub(super) fn function_place(&self, name: &str) -> Option<Place> {
        let (script, position) = self.function_position(name)?;
        self.place(&script, position)
    }

    /// The same as Rhai gives it.
    pub(super) fn function_position(&self, name: &str) -> Option<At> {
        self.loaded().into_iter().find_map(|id| {
            let ast = self.script(&id)?.ast?;
            let (.., function) =
                ast.shared_lib().iter_script_fn_info().find(|(_, _, found, ..)| *found == name)?;
            Some((id, function.body.position()))
        })
    }

    /// A place with its source, masked, and the token that stands there marked.
    pub(super) fn label(&self, script: &str, position: Position, text: impl Into<String>) -> Option<Label> {
        let mut place = self.place(script, position)?;
        let source = self.script(&place.script)?.source;
        (place.line, place.column) = super::locate::behind_dot(&source, place.line, place.column);
        let masked = MaskedSource::new(&source, &self.settings.masker);
        let span = super::locate::span(&source, place.line, place.column);
        let span = masked.offset(span.start)..masked.offset(span.end);
        Some(Label { place, text: text.into(), source: masked.text.into(), span })
    }

    /// Waits on the script's own thread for async work, until the run is stopped.
    pub(super) fn wait<T>(
        &self,
        context: &NativeCallContext,
        what: &str,
        work: impl Future<Output = T>,
    ) -> Result<Option<T>> {
        let Some(runtime) = &self.runtime else { return Ok(None) };
        let position = context.call_position();
        self.begin_waiting(context.call_source().unwrap_or_default(), position, what);
        let answer = runtime.block_on(async {
            tokio::select! {
                biased;
                () = self.stop.token.cancelled() => None,
                answer = work => Some(answer),
            }
        });
        match answer {
            Some(answer) => {
                self.end_waiting();
                Ok(Some(answer))
            }
            None => Err(terminated(position)),
        }
    }

    /// Notes what the script waits for from now on.
    pub(super) fn begin_waiting(&self, script: &str, position: Position, what: &str) {
        *lock(&self.waiting) = Some(((script.into(), position), what.into()));
    }

    /// It came.
    pub(super) fn end_waiting(&self) {
        *lock(&self.waiting) = None;
    }

    /// Notes the collector that a Runner was at when it was stopped.
    pub(super) fn was_at_work(&self, collector: &At, name: &str) {
        *lock(&self.at_work) = Some((collector.clone(), name.to_owned()));
    }

    /// That collector.
    pub(super) fn at_work(&self) -> Option<(At, String)> {
        lock(&self.at_work).clone()
    }

    /// What the script waited for when it was stopped.
    pub(super) fn waited_for(&self) -> Option<(At, String)> {
        lock(&self.waiting).clone()
    }
}

/// Ends the evaluation: no `try` of a script catches it.
pub(super) fn terminated(position: Position) -> Box<EvalAltResult> {
    Box::new(EvalAltResult::ErrorTerminated(Dynamic::UNIT, position))
}
