//! The `DFF` object: `DFF.API`, `DFF.ENV`, `DFF.LOG`, `DFF.TOOLKIT`; `connect` has the others.
//!
//! Owns the members, the options of `DFF.API` and their limits. What a member needs of the world it asks the host for.

use super::convert::{kind, to_json};
use super::crontab;
use super::dialect::{MEMBER, TOOL, known};
use super::host::{Host, Mode};
use super::output::{Kind, Level};
use super::problem::{Problem, Result};
use funchost_collectors::account::expose;
use funchost_collectors::mistake::nearest;
use rhai::{Dynamic, Engine, FnPtr, Map, NativeCallContext, Position};
use serde::Serialize;
use std::sync::Arc;

/// `DFF` as a script holds it.
#[derive(Clone, Copy)]
pub(super) struct Dff;

/// `DFF.TOOLKIT`.
#[derive(Clone, Copy)]
pub(super) struct Toolkit;

/// The members of `DFF`.
pub(super) const MEMBERS: &[&str] = &["API", "ENV", "LOG", "CONN", "SRC", "STORE", "CACHE", "TOOLKIT"];
/// The members of `DFF.TOOLKIT`.
pub(super) const TOOLS: &[&str] = &["now", "now_ms", "iso8601", "parse_time", "match_wildcard"];

/// How a member is written, of `DFF` or of `DFF.TOOLKIT`.
pub(super) fn form(member: &str) -> &'static str {
    match member {
        "API" => {
            "@DFF.API(\"title\")` directly above a function, or `DFF.API(\"title\", #{ timeout: 300 }, run);"
        }
        "ENV" => "DFF.ENV(\"NAME\")",
        "LOG" => "DFF.LOG(\"text\")` or `DFF.LOG(\"warning\", \"text\")",
        "CONN" | "SRC" => "DFF.CONN(\"datakit\")",
        "STORE" => "DFF.STORE.get(\"key\")",
        "CACHE" => "DFF.CACHE.get(\"key\")",
        "TOOLKIT" | "now_ms" => "DFF.TOOLKIT.now_ms()",
        "now" => "DFF.TOOLKIT.now()",
        "iso8601" => "DFF.TOOLKIT.iso8601(milliseconds)",
        "parse_time" => "DFF.TOOLKIT.parse_time(\"2026-01-02T03:04:05Z\")",
        _ => "DFF.TOOLKIT.match_wildcard(text, \"*pattern*\")",
    }
}

/// A function that is asked for as if it were a value: what is no function is found before anybody asks here.
fn not_called(owner: &str, name: &str) -> Problem {
    Problem::input(format!("`{owner}.{name}` is a function: it has no members, and is no value"))
        .label("is called, with parentheses")
        .hint(format!("write `{}`", form(name)))
}

/// The options of `DFF.API`, as they may be written.
pub(super) const OPTIONS: &[&str] = &[
    "timeout",
    "fixed_crontab",
    "fixed_cron_expr",
    "delayed_crontab",
    "delayed_cron_job",
    "expires",
    "category",
    "tags",
];

/// What the original knows and this program refuses, with the reason.
const REFUSED: &[(&str, &str)] = &[
    ("queue", "there is one queue here, and every run has a thread of its own"),
    ("cache_result", "results are not cached: a collection that answers from a cache collects nothing"),
    ("integration", "there is no sign-in to integrate with; start functions with a crontab"),
    ("integration_config", "there is no sign-in to integrate with; start functions with a crontab"),
    ("api_timeout", "it was the old name of a limit for HTTP calls; write `timeout`"),
    ("is_hidden", "there is no function document to hide it from"),
];

/// The options of a registered function. Where one was not given it is none, or empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Options {
    /// Seconds, 1 to 3600; 300 unless given.
    pub timeout: Option<u64>,
    /// Five fields; wins over a trigger's own.
    pub fixed_crontab: Option<String>,
    /// Seconds after each tick of the crontab, ascending; one run for each.
    pub delayed_crontab: Vec<u64>,
    /// Seconds that a run may wait, 1 to 86,400.
    pub expires: Option<u64>,
    /// For lists only.
    pub category: Option<String>,
    /// For lists only; sorted, each once.
    pub tags: Vec<String>,
}

/// A function that a script registers.
#[derive(Clone, Debug)]
pub(super) struct Registration {
    /// Of which script.
    pub(super) script: String,
    /// The function's name.
    pub(super) name: String,
    pub(super) title: String,
    pub(super) options: Options,
    /// Where it is registered.
    pub(super) at: Position,
    /// Where it is no `fn` of the script but a closure.
    pub(super) closure: Option<FnPtr>,
}

/// What is said to an option that there is not: message and hint.
pub(super) fn unknown_option(name: &str) -> (String, String) {
    match REFUSED.iter().find(|(refused, _)| *refused == name) {
        Some((_, reason)) => {
            (format!("option `{name}` of `DFF.API` has no meaning here"), format!("remove it: {reason}"))
        }
        None => (format!("`DFF.API` has no option `{name}`"), known(name, OPTIONS)),
    }
}

/// The title of a registration.
pub(super) fn title(value: &Dynamic) -> std::result::Result<String, Problem> {
    match value.clone().into_string() {
        Ok(title) if !title.trim().is_empty() => Ok(title),
        Ok(_) => Err(Problem::input("the title of `DFF.API` is empty").hint("write what the function does")),
        Err(_) => Err(Problem::input(format!("the title of `DFF.API` is {}, expected a text", kind(value)))
            .hint("the first argument is the title: `@DFF.API(\"Collect AWS\", timeout = 300)`")),
    }
}

impl Options {
    /// Reads one option.
    ///
    /// # Errors
    /// What is wrong with its name or value.
    pub(super) fn set(&mut self, name: &str, value: &Dynamic) -> std::result::Result<(), Problem> {
        match name {
            "timeout" => {
                let seconds = seconds(name, value, 3600)?;
                self.timeout = Some(seconds);
            }
            "expires" => self.expires = Some(seconds(name, value, 86_400)?),
            "fixed_crontab" | "fixed_cron_expr" => {
                if self.fixed_crontab.is_some() {
                    return Err(Problem::input(
                        "the crontab is given twice: `fixed_crontab` and `fixed_cron_expr` are the same",
                    )
                    .option(name));
                }
                let text = text(name, value)?;
                crontab::check(&text).map_err(|(message, hint)| {
                    Problem::input(format!("`{name}` {message}")).hint(hint).option(name)
                })?;
                self.fixed_crontab = Some(text.split_whitespace().collect::<Vec<_>>().join(" "));
            }
            "delayed_crontab" | "delayed_cron_job" => {
                let list = match value.as_array_ref() {
                    Ok(list) => list.clone(),
                    Err(_) => vec![value.clone()],
                };
                let mut delays = Vec::new();
                for item in &list {
                    match item.as_int().ok().and_then(|seconds| u64::try_from(seconds).ok()) {
                        Some(seconds) if seconds <= 86_400 => delays.push(seconds),
                        _ => {
                            return Err(Problem::input(format!(
                                "`{name}` must be whole numbers of seconds from 0 to 86400, found {}",
                                shown(item)
                            ))
                            .hint(format!(
                                "write `{name} = [0, 30]`: one run at the tick, one 30 seconds later"
                            ))
                            .option(name));
                        }
                    }
                }
                if delays.is_empty() {
                    return Err(Problem::input(format!(
                        "`{name}` is an empty list: the function would never run"
                    ))
                    .option(name));
                }
                delays.sort_unstable();
                delays.dedup();
                self.delayed_crontab = delays;
            }
            "category" => self.category = Some(text(name, value)?),
            "tags" => {
                let wrong = || {
                    Problem::input(format!("`{name}` must be a list of texts, found {}", kind(value)))
                        .hint(format!("write `{name} = [\"aws\"]`"))
                        .option(name)
                };
                let list = value.as_array_ref().map_err(|_| wrong())?.clone();
                let mut tags = Vec::new();
                for item in list {
                    tags.push(item.into_string().map_err(|_| wrong())?);
                }
                tags.sort();
                tags.dedup();
                self.tags = tags;
            }
            other => {
                let (message, hint) = unknown_option(other);
                return Err(Problem::input(message).hint(hint).option(other));
            }
        }
        Ok(())
    }
}

/// A value in a message: numbers as they are, the rest by their kind. Never a text, which may be a secret.
fn shown(value: &Dynamic) -> String {
    if value.is_int() || value.is_float() { value.to_string() } else { kind(value) }
}

fn text(name: &str, value: &Dynamic) -> std::result::Result<String, Problem> {
    value.clone().into_string().map_err(|_| {
        Problem::input(format!("`{name}` must be a text, found {}", kind(value)))
            .hint(format!("put it in double quotes: `{name} = \"…\"`"))
            .option(name)
    })
}

fn seconds(name: &str, value: &Dynamic, most: u64) -> std::result::Result<u64, Problem> {
    match value.as_int().ok().and_then(|seconds| u64::try_from(seconds).ok()) {
        Some(seconds) if (1..=most).contains(&seconds) => Ok(seconds),
        _ => Err(Problem::input(format!(
            "`{name}` must be a whole number of seconds from 1 to {most}, found {}",
            shown(value)
        ))
        .hint(format!("write `{name} = 300`"))
        .option(name)),
    }
}

/// Registers the object. Every member has two names: its own, and the one that no function of a user can hide.
pub(super) fn install(engine: &mut Engine, host: &Arc<Host>) {
    engine.register_type_with_name::<Dff>("DFF").register_type_with_name::<Toolkit>("TOOLKIT");
    for prefix in ["", MEMBER] {
        let name = |member: &str| format!("{prefix}{member}");
        let shared = host.clone();
        engine.register_fn(
            name("API"),
            move |context: NativeCallContext,
                  _: &mut Dff,
                  title: Dynamic,
                  options: Dynamic,
                  function: Dynamic| {
                register(&shared, &context, &title, Some(&options), &function)
            },
        );
        let shared = host.clone();
        engine.register_fn(
            name("API"),
            move |context: NativeCallContext, _: &mut Dff, title: Dynamic, function: Dynamic| {
                register(&shared, &context, &title, None, &function)
            },
        );
        engine.register_fn(
            name("API"),
            move |context: NativeCallContext, _: &mut Dff, _: Dynamic| -> Result<()> {
                Err(attach_to_nothing().thrown(context.call_position()))
            },
        );
        let shared = host.clone();
        engine.register_fn(name("ENV"), move |context: NativeCallContext, _: &mut Dff, id: Dynamic| {
            environment(&shared, &context, &id)
        });
        let shared = host.clone();
        engine.register_fn(name("LOG"), move |context: NativeCallContext, _: &mut Dff, message: Dynamic| {
            log(&shared, &context, Level::Info, &message);
        });
        let shared = host.clone();
        engine.register_fn(
            name("LOG"),
            move |context: NativeCallContext, _: &mut Dff, level: Dynamic, message: Dynamic| -> Result<()> {
                let level = log_level(&level).map_err(|problem| problem.thrown(context.call_position()))?;
                log(&shared, &context, level, &message);
                Ok(())
            },
        );
    }
    engine.register_get("TOOLKIT", |_: &mut Dff| Toolkit);
    engine.register_indexer_get(|context: NativeCallContext, _: &mut Dff, member: &str| -> Result<Dynamic> {
        Err(unknown_member(member).thrown(context.call_position()))
    });
    for prefix in ["", TOOL] {
        let name = |member: &str| format!("{prefix}{member}");
        let shared = host.clone();
        engine.register_fn(name("now_ms"), move |_: &mut Toolkit| shared.settings.clock.now() / 1_000_000);
        let shared = host.clone();
        engine.register_fn(name("now"), move |_: &mut Toolkit| shared.settings.clock.now() / 1_000_000_000);
        engine.register_fn(
            name("iso8601"),
            |context: NativeCallContext, _: &mut Toolkit, milliseconds: i64| -> Result<String> {
                match chrono::DateTime::from_timestamp_millis(milliseconds) {
                    Some(time) => Ok(time.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)),
                    None => {
                        Err(Problem::run_time(format!("{milliseconds} ms is no time that can be written"))
                            .thrown(context.call_position()))
                    }
                }
            },
        );
        engine.register_fn(
            name("parse_time"),
            |context: NativeCallContext, _: &mut Toolkit, text: &str| -> Result<i64> {
                chrono::DateTime::parse_from_rfc3339(text).map(|time| time.timestamp_millis()).map_err(|_| {
                    Problem::run_time("this text is no time")
                        .hint("write it as RFC 3339 says, for example \"2026-01-02T03:04:05Z\"")
                        .thrown(context.call_position())
                })
            },
        );
        engine.register_fn(name("match_wildcard"), |_: &mut Toolkit, text: &str, pattern: &str| {
            super::connect::matches(pattern, text)
        });
    }
    engine.register_indexer_get(
        |context: NativeCallContext, _: &mut Toolkit, member: &str| -> Result<Dynamic> {
            Err(unknown_tool(member).thrown(context.call_position()))
        },
    );
    let mut module = rhai::Module::new();
    module.set_var("DFF", Dff);
    module.build_index();
    engine.register_global_module(module.into());
}

/// `DFF.X` where there is no `X`.
pub(super) fn unknown_member(written: &str) -> Problem {
    let name = written.strip_prefix(MEMBER).unwrap_or(written);
    if MEMBERS.contains(&name) {
        return not_called("DFF", name);
    }
    Problem::input(format!("DFF has no member `{name}`"))
        .label("unknown member")
        .hint(members(name, "DFF", MEMBERS))
}

/// `DFF.TOOLKIT.x` where there is no `x`.
pub(super) fn unknown_tool(written: &str) -> Problem {
    let name = written.strip_prefix(TOOL).unwrap_or(written);
    if TOOLS.contains(&name) {
        return not_called("DFF.TOOLKIT", name);
    }
    Problem::input(format!("DFF.TOOLKIT has no member `{name}`")).label("unknown member").hint(members(
        name,
        "DFF.TOOLKIT",
        TOOLS,
    ))
}

fn members(name: &str, owner: &str, known: &[&str]) -> String {
    let list = known.iter().map(|member| format!("{owner}.{member}")).collect::<Vec<_>>().join(", ");
    match nearest(name, known.iter().copied()) {
        Some(near) => format!("did you mean `{owner}.{near}`? The members are {list}"),
        None => format!("the members are {list}"),
    }
}

fn attach_to_nothing() -> Problem {
    Problem::input("`DFF.API` has a title, but no function to attach it to").hint(
        "write `@DFF.API(\"title\")` directly above `fn run() { … }`, or `DFF.API(\"title\", #{ timeout: 300 }, run);`",
    )
}

/// `DFF.API(title, options, function);`
fn register(
    host: &Host,
    context: &NativeCallContext,
    written: &Dynamic,
    options: Option<&Dynamic>,
    function: &Dynamic,
) -> Result<()> {
    const CALL: &str = "registered here";
    let position = context.call_position();
    let throw = |problem: Problem| problem.thrown(position);
    let title = title(written).map_err(|problem| throw(problem.argument(0, "", false, CALL)))?;
    let mut read = Options::default();
    let last = if options.is_some() { 2 } else { 1 };
    if let Some(written) = options {
        let map = written.read_lock::<Map>().map(|map| map.clone()).ok_or_else(|| {
            throw(
                Problem::input(format!("the options of `DFF.API` are {}, expected a map", kind(written)))
                    .hint("write `DFF.API(\"title\", #{ timeout: 300 }, run);`")
                    .argument(1, "", false, CALL),
            )
        })?;
        for (name, value) in &map {
            read.set(name, value).map_err(|problem| {
                let unknown = !OPTIONS.contains(&name.as_str());
                throw(problem.argument(1, name.as_str(), unknown, CALL))
            })?;
        }
    }
    let Some(pointer) = function.read_lock::<FnPtr>().map(|pointer| pointer.clone()) else {
        if last == 1 && function.is_map() {
            return Err(throw(attach_to_nothing()));
        }
        return Err(throw(
            Problem::input(format!("`DFF.API` registers a function, found {}", kind(function)))
                .hint("give the function's name without `()`, or a closure `|| { … }`")
                .argument(last, "", false, CALL),
        ));
    };
    let name = if pointer.is_anonymous() {
        super::library::identifier(&title)
    } else {
        pointer.fn_name().to_owned()
    };
    let script = context.call_source().unwrap_or(&host.library.entry).to_owned();
    host.register(Registration { script, name, title, options: read, at: position, closure: Some(pointer) })
}

/// `DFF.ENV(id)`
fn environment(host: &Host, context: &NativeCallContext, id: &Dynamic) -> Result<String> {
    let throw = |problem: Problem| problem.thrown(context.call_position());
    let Ok(id) = id.clone().into_string() else {
        let problem = Problem::input(format!("`DFF.ENV` takes the id of a value, found {}", kind(id)));
        return Err(throw(problem.hint(format!("write `{}`", form("ENV")))));
    };
    let entry = host.settings.env.get(&id);
    let value = match entry {
        Some(entry) => Some(expose(&entry.value).to_owned()),
        None => match std::env::var(&id) {
            Ok(value) => Some(value),
            Err(std::env::VarError::NotPresent) => None,
            Err(std::env::VarError::NotUnicode(_)) => {
                return Err(throw(Problem::input(format!(
                    "the environment variable `{id}` is not UTF-8 text"
                ))));
            }
        },
    };
    match value {
        Some(value) => {
            if entry.is_some_and(|entry| entry.secret) || super::secrets::is_secret_name(&id) {
                host.settings.masker.learn(&value);
            }
            Ok(value)
        }
        None => {
            let mut hint =
                format!("set it with `export {id}=…`, or in funchost.toml: `[env]` and `{id} = \"…\"`");
            // `AWS_AK_ID` is not meant by `ALIYUN_AK_ID`: they begin with other words.
            let begins = |name: &str| name.split('_').next().unwrap_or(name).to_lowercase();
            let first = begins(&id);
            let alike = |name: &&str| nearest(&first, [begins(name).as_str()]).is_some();
            let known = host.settings.env.keys().map(String::as_str).filter(alike);
            if let Some(near) = nearest(&id, known) {
                hint = format!("did you mean `{near}`? Else {hint}");
            }
            let problem =
                Problem::input(format!("`DFF.ENV(\"{id}\")` is not set")).label("not set").hint(hint);
            if matches!(host.mode, Mode::Run { .. }) {
                // A test without a cloud needs no keys.
                return if host.stand_ins { Ok(format!("value-of-{id}")) } else { Err(throw(problem)) };
            }
            // Without running, a missing value must not hide what else is wrong.
            let script = context.call_source().unwrap_or(&host.library.entry).to_owned();
            host.missing_value(problem.at(&script, context.call_position()));
            Ok(format!("value-of-{id}"))
        }
    }
}

fn log_level(value: &Dynamic) -> std::result::Result<Level, Problem> {
    let written = value.clone().into_string().unwrap_or_default();
    match written.to_lowercase().as_str() {
        "debug" => Ok(Level::Debug),
        "info" => Ok(Level::Info),
        "warning" | "warn" => Ok(Level::Warning),
        "error" => Ok(Level::Error),
        _ => Err(Problem::input("the first argument of `DFF.LOG` is no level")
            .hint("write `DFF.LOG(\"text\")`, or `DFF.LOG(level, \"text\")` with the level debug, info, warning or error")
            .argument(0, "", false, "logged here")),
    }
}

fn log(host: &Host, context: &NativeCallContext, level: Level, message: &Dynamic) {
    let text = match message.clone().into_string() {
        Ok(text) => text,
        Err(_) => to_json(message).map_or_else(|_| message.to_string(), |data| data.to_string()),
    };
    let place = host.place(context.call_source().unwrap_or_default(), context.call_position());
    host.say(Kind::Log(level), &text, place);
}
