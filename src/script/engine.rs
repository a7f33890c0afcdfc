//! The engine: its settings, its limits, and the few functions of Rhai that must be ours.
//!
//! Owns what is true for every script. Knows nothing of collectors.

use super::host::{Host, Mode, PRELUDE, Why};
use super::library;
use super::output::Kind;
use super::problem::{Problem, Result};
use super::{clients, connect, custom, dff, dialect, memory, packages, variables};
use rhai::{
    Array, Blob, Dynamic, Engine, EvalAltResult, ImmutableString, Module, ModuleResolver, NativeCallContext,
    OptimizationLevel, Position, Scope, Shared,
};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Nested calls, the same in every build. The thread's stack is made for them.
pub(super) const CALL_LEVELS: usize = 64;
/// Nested expressions.
const EXPRESSION_LEVELS: usize = 64;

/// The methods of host objects that a script's own function of the same name must not hide: a typed method of a script
/// wins over both. `fn run() { Runner(cs).run() }` would else call itself for ever.
const METHODS: &str = "fn Runner.run() { __run(this) }";

/// The engine of one run.
pub(super) fn build(host: &Arc<Host>) -> Result<Engine> {
    let mut engine = Engine::new();
    engine
        // The default can panic on a constant map.
        .set_optimization_level(OptimizationLevel::None)
        .set_max_expr_depths(EXPRESSION_LEVELS, EXPRESSION_LEVELS)
        .set_max_call_levels(CALL_LEVELS)
        .set_max_variables(10_000)
        .set_max_modules(256)
        .set_fail_on_invalid_map_property(true)
        // Its text would have no place in any file.
        .disable_symbol("eval");
    let shared = host.clone();
    engine.on_progress(move |_| {
        if memory::held() > shared.settings.memory_limit {
            shared.stop.now(Why::Memory);
        }
        shared
            .stop
            .why()
            .filter(|_| shared.ending.is_over(shared.settings.memory_limit))
            .map(|_| Dynamic::UNIT)
    });
    let shared = host.clone();
    engine.on_print(move |text| shared.say(Kind::Print, text, None));
    let shared = host.clone();
    engine.on_debug(move |text, source, position| {
        let place = shared.place(source.unwrap_or_default(), position);
        shared.say(Kind::Debug, text, place);
    });
    engine.register_type_with_name::<Problem>("error");
    engine.register_fn("to_string", |problem: &mut Problem| problem.message.clone());
    engine.register_get("message", |problem: &mut Problem| problem.message.clone());
    engine.register_get("code", |problem: &mut Problem| problem.code.clone());
    variables::install(&mut engine, host);
    dff::install(&mut engine, host);
    packages::install(&mut engine, host);
    custom::install(&mut engine, host);
    clients::install(&mut engine, host);
    connect::install(&mut engine, host);
    asserting(&mut engine);
    writing(&mut engine);
    waiting(&mut engine, host);
    growing(&mut engine, host);
    // Before the words of the dialect: one of them is the name of a type here.
    let mut prelude = engine.compile(METHODS)?;
    prelude.set_source(PRELUDE);
    engine.register_global_module(Module::eval_ast_as_new(Scope::new(), &prelude, &engine)?.into());
    dialect::install(&mut engine, host);
    engine.set_module_resolver(Resolver {
        native: packages::modules(host).into_iter().chain(clients::modules(host)).collect(),
        host: host.clone(),
        cache: Mutex::default(),
        loading: Mutex::default(),
    });
    Ok(engine)
}

/// `to_json` of what is no map: some clouds take lists as JSON in a text.
fn writing(engine: &mut Engine) {
    fn written(context: &NativeCallContext, value: &Dynamic) -> Result<String> {
        let data = super::convert::to_json(value).map_err(|error| {
            let place = if error.path.is_empty() { String::new() } else { format!("`{}` ", error.path) };
            Problem::input(format!("{place}{}: it has no JSON", error.message))
                .label("not written as JSON")
                .hint("keep texts, numbers, lists and maps in it, and nothing else")
                .thrown(context.call_position())
        })?;
        Ok(data.to_string())
    }
    engine.register_fn("to_json", |context: NativeCallContext, list: Array| {
        written(&context, &Dynamic::from(list))
    });
    engine.register_fn("to_json", |context: NativeCallContext, text: &str| {
        written(&context, &text.to_owned().into())
    });
    engine
        .register_fn("to_json", |context: NativeCallContext, number: i64| written(&context, &number.into()));
    engine
        .register_fn("to_json", |context: NativeCallContext, number: f64| written(&context, &number.into()));
    engine.register_fn("to_json", |context: NativeCallContext, value: bool| written(&context, &value.into()));
}

/// `assert` and `assert_eq`, for a script's own tests.
fn asserting(engine: &mut Engine) {
    let failed = |context: &NativeCallContext, text: &str| -> Box<EvalAltResult> {
        Problem::run_time(text).label("asserted here").thrown(context.call_position())
    };
    engine.register_fn("assert", move |context: NativeCallContext, holds: bool| -> Result<()> {
        if holds { Ok(()) } else { Err(failed(&context, "the assertion does not hold")) }
    });
    engine.register_fn("assert", move |context: NativeCallContext, holds: bool, text: &str| -> Result<()> {
        if holds { Ok(()) } else { Err(failed(&context, &format!("the assertion does not hold: {text}"))) }
    });
    engine.register_fn(
        "assert_eq",
        move |context: NativeCallContext, found: Dynamic, wanted: Dynamic| -> Result<()> {
            let text = |value: &Dynamic| match super::convert::to_json(value) {
                Ok(data) => data.to_string(),
                Err(_) => super::convert::kind(value),
            };
            let (found, wanted) = (text(&found), text(&wanted));
            if found == wanted {
                return Ok(());
            }
            Err(failed(&context, &format!("found {found}, expected {wanted}")))
        },
    );
}

/// `sleep`, which ends when the run does.
fn waiting(engine: &mut Engine, host: &Arc<Host>) {
    let sleep = |host: &Host, context: &NativeCallContext, seconds: f64| -> Result<()> {
        if !matches!(host.mode, Mode::Run { .. }) || seconds.is_nan() || seconds <= 0.0 {
            return Ok(());
        }
        let time = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
        host.wait(context, "sleep", async move { tokio::time::sleep(time).await })?;
        Ok(())
    };
    let shared = host.clone();
    engine.register_fn("sleep", move |context: NativeCallContext, seconds: i64| {
        #[expect(clippy::cast_precision_loss, reason = "a sleep of 2^53 seconds is long enough")]
        sleep(&shared, &context, seconds as f64)
    });
    let shared = host.clone();
    engine.register_fn("sleep", move |context: NativeCallContext, seconds: f64| {
        sleep(&shared, &context, seconds)
    });
}

/// Functions that can ask for any amount of memory in one operation: refused before they do.
fn growing(engine: &mut Engine, host: &Arc<Host>) {
    let shared = host.clone();
    let room = move |context: &NativeCallContext, bytes: Option<usize>| -> Result<()> {
        let free = shared.settings.memory_limit.saturating_sub(memory::held());
        if bytes.is_some_and(|bytes| bytes <= free) {
            return Ok(());
        }
        shared.begin_waiting(
            context.call_source().unwrap_or_default(),
            context.call_position(),
            context.fn_name(),
        );
        shared.stop.now(Why::Memory);
        Err(super::host::terminated(context.call_position()))
    };
    let wanted = |length: i64| usize::try_from(length).unwrap_or(0);
    let check = room.clone();
    engine.register_fn(
        "pad",
        move |context: NativeCallContext, list: &mut Array, length: i64, item: Dynamic| -> Result<()> {
            let length = wanted(length);
            if length > list.len() {
                check(&context, (length - list.len()).checked_mul(size_of::<Dynamic>()))?;
                list.resize(length, item);
            }
            Ok(())
        },
    );
    let pad_text = move |text: &mut ImmutableString, length: i64, filler: &str| -> Option<String> {
        let missing = wanted(length).checked_sub(text.chars().count())?;
        let filler_length = filler.chars().count();
        (missing > 0 && filler_length > 0)
            .then(|| filler.repeat(missing.div_ceil(filler_length)))
            .map(|more| format!("{text}{more}"))
    };
    let check = room.clone();
    engine.register_fn(
        "pad",
        move |context: NativeCallContext,
              text: &mut ImmutableString,
              length: i64,
              filler: char|
              -> Result<()> {
            check(&context, wanted(length).checked_mul(12))?;
            if let Some(padded) = pad_text(text, length, filler.encode_utf8(&mut [0; 4])) {
                *text = padded.into();
            }
            Ok(())
        },
    );
    let check = room.clone();
    engine.register_fn(
        "pad",
        move |context: NativeCallContext,
              text: &mut ImmutableString,
              length: i64,
              filler: &str|
              -> Result<()> {
            check(
                &context,
                wanted(length).checked_mul(12).and_then(|bytes| bytes.checked_add(2 * filler.len())),
            )?;
            if let Some(padded) = pad_text(text, length, filler) {
                *text = padded.into();
            }
            Ok(())
        },
    );
    let check = room.clone();
    engine.register_fn(
        "pad",
        move |context: NativeCallContext, blob: &mut Blob, length: i64, value: i64| -> Result<()> {
            let length = wanted(length);
            if length > blob.len() {
                check(&context, Some(length))?;
                blob.resize(length, low_byte(value));
            }
            Ok(())
        },
    );
    let check = room.clone();
    engine.register_fn("blob", move |context: NativeCallContext, length: i64| -> Result<Blob> {
        check(&context, Some(wanted(length)))?;
        Ok(vec![0; wanted(length)])
    });
    let check = room.clone();
    engine.register_fn("blob", move |context: NativeCallContext, length: i64, value: i64| -> Result<Blob> {
        check(&context, Some(wanted(length)))?;
        Ok(vec![low_byte(value); wanted(length)])
    });
    engine.register_fn(
        "replace",
        move |context: NativeCallContext, text: &mut ImmutableString, find: &str, put: &str| -> Result<()> {
            let count = text.matches(find).count();
            room(&context, count.checked_mul(put.len()).and_then(|bytes| bytes.checked_add(text.len())))?;
            *text = text.replace(find, put).into();
            Ok(())
        },
    );
}

/// As Rhai does: the low byte.
fn low_byte(value: i64) -> u8 {
    value.to_le_bytes()[0]
}

/// What is being imported: the script and where its import stands.
struct Import {
    id: String,
    importer: String,
    position: Position,
}

/// Finds what `import` names: packages first, then the library's scripts, each loaded once a run.
struct Resolver {
    native: HashMap<String, Shared<Module>>,
    host: Arc<Host>,
    cache: Mutex<HashMap<String, Shared<Module>>>,
    loading: Mutex<Vec<Import>>,
}

impl ModuleResolver for Resolver {
    fn resolve(
        &self,
        engine: &Engine,
        source: Option<&str>,
        path: &str,
        position: Position,
    ) -> Result<Shared<Module>> {
        let entry = &self.host.library.entry;
        let importer = source.filter(|source| !source.is_empty()).unwrap_or(entry);
        if let Some(module) = self.native.get(path) {
            return Ok(module.clone());
        }
        let id = self.host.library.resolve(importer, path);
        if let Some(module) = super::host::lock(&self.cache).get(&id) {
            return Ok(module.clone());
        }
        self.refuse_cycle(importer, &id, position)?;
        let text = match self.host.library.read(&id) {
            Ok(Some(text)) => text,
            Ok(None) => return Err(self.not_found(path, &id).thrown(position)),
            Err(message) => return Err(Problem::input(message).thrown(position)),
        };
        let import = Import { id: id.clone(), importer: importer.into(), position };
        super::host::lock(&self.loading).push(import);
        let module = self
            .host
            .compile(engine, &id, &text)
            .and_then(|ast| Module::eval_ast_as_new(Scope::new(), &ast, engine));
        super::host::lock(&self.loading).pop();
        let module: Shared<Module> = module
            .map_err(|error| match *error {
                // Rhai has no file for a terminated run: it is this script.
                terminated @ EvalAltResult::ErrorTerminated(..) => {
                    self.host.ending.note((id.clone(), terminated.position()), "while it loaded this");
                    Box::new(terminated)
                }
                other => Box::new(EvalAltResult::ErrorInModule(id.clone(), Box::new(other), position)),
            })?
            .into();
        super::host::lock(&self.cache).insert(id, module.clone());
        Ok(module)
    }
}

impl Resolver {
    /// An import of what is being imported already.
    fn refuse_cycle(&self, importer: &str, id: &str, position: Position) -> Result<()> {
        let loading = super::host::lock(&self.loading);
        let entry = &self.host.library.entry;
        let begin = if id == entry {
            0
        } else {
            match loading.iter().position(|import| import.id == id) {
                Some(index) => index + 1,
                None => return Ok(()),
            }
        };
        let mut chain = vec![id];
        chain.extend(loading[begin..].iter().map(|import| import.id.as_str()));
        chain.push(id);
        let mut problem = Problem::input(format!("these scripts import each other: {}", chain.join(" → ")))
            .label("closes the circle")
            .hint("move what both need into a third script")
            .at(importer, position);
        for import in &loading[begin..] {
            problem = problem.other(&import.importer, import.position, format!("imports `{}`", import.id));
        }
        Err(problem.thrown(position))
    }

    fn not_found(&self, written: &str, id: &str) -> Problem {
        if let Some(left_out) = funchost_collectors::left_out::left_out(id) {
            return Problem::input(left_out.message())
                .label("not collected")
                .hint("take it out; `funchost collectors` lists what is collected");
        }
        let problem = Problem::input(format!("there is no package or script `{written}`")).label("not found");
        let mut known: Vec<String> = self.native.keys().cloned().collect();
        known.extend(self.host.library.ids());
        known.sort();
        if let Some(hint) = super::habits::of_python(written) {
            return problem.hint(hint);
        }
        let near = funchost_collectors::mistake::nearest(id, known.iter().map(String::as_str));
        let files = self.host.library.files(id);
        let looked = files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(" or ");
        match near {
            Some(near) => problem.hint(format!("did you mean `{near}`?")),
            None if self.native.contains_key(&format!("{written}__main")) => {
                problem.hint(format!("the package's script is `{written}__main`"))
            }
            None if files.is_empty() => problem.hint(format!(
                "a script's id is `<set>__<script>`, the file <set>/<script>.rhai; `{}` is none",
                library::identifier(written)
            )),
            None => problem.hint(format!("it would be {looked}")),
        }
    }
}
