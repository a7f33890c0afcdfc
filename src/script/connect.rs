//! `DFF.CONN(id)`, a DataKit that a script writes to itself, and `DFF.STORE` and `DFF.CACHE`, what it keeps between runs.
//!
//! Owns their methods as a script sees them. Writing and keeping are the backend's: the same sink, outbox and state that collectors have.

use super::convert::{NotData, from_json, kind, to_json};
use super::dff::Dff;
use super::dialect::{MEMBER, known};
use super::host::{Host, Mode};
use super::points::{self, Shape};
use super::problem::{Problem, Result};
use super::{Backend, BackendError, Kept, WriteRequest, Written, memory};
use funchost_collectors::call::{cut, number};
use funchost_collectors::clock::SECOND;
use funchost_collectors::point::{Category, Point};
use rhai::{Array, Dynamic, Engine, Map, NativeCallContext};
use serde_json::Value as Json;
use std::sync::Arc;

/// A DataKit as a script holds it.
#[derive(Clone)]
pub(super) struct Connection {
    id: String,
}

/// `DFF.STORE` or `DFF.CACHE`.
#[derive(Clone, Copy)]
pub(super) struct Store;
/// The same kept values; a type of its own, so that messages name it.
#[derive(Clone, Copy)]
pub(super) struct Cache;

/// Bytes of a value.
const MOST_VALUE: usize = 1 << 20;

/// Characters of a key.
const MOST_KEY: usize = 256;

/// How often a change is tried while others change the same value.
const TRIES: usize = 100;

/// What the messages say at a call.
const WRITTEN: &str = "written here";

/// Registers them.
pub(super) fn install(engine: &mut Engine, host: &Arc<Host>) {
    engine
        .register_type_with_name::<Connection>("Connection")
        .register_type_with_name::<Store>("Store")
        .register_type_with_name::<Cache>("Cache");
    for prefix in ["", MEMBER] {
        for name in ["CONN", "SRC"] {
            engine.register_fn(
                format!("{prefix}{name}"),
                |context: NativeCallContext, _: &mut Dff, id: Dynamic| -> Result<Connection> {
                    match id.clone().into_string() {
                        Ok(id) if !id.is_empty() => Ok(Connection { id }),
                        _ => Err(Problem::input(format!(
                            "`DFF.CONN` takes the id of a DataKit, found {}",
                            kind(&id)
                        ))
                        .hint("write `DFF.CONN(\"datakit\")`: the ids stand in funchost.toml, `[datakits.…]`")
                        .argument(0, "", false, "connected here")
                        .thrown(context.call_position())),
                    }
                },
            );
        }
        engine.register_get(format!("{prefix}STORE"), |_: &mut Dff| Store);
        engine.register_get(format!("{prefix}CACHE"), |_: &mut Dff| Cache);
    }
    writing(engine, host);
    keeping::<Store>(engine, host, "store", None);
    keeping::<Cache>(engine, host, "cache", None);
}

fn writing(engine: &mut Engine, host: &Arc<Host>) {
    for name in ["write_metric", "write_point"] {
        let shared = host.clone();
        engine.register_fn(name, move |context: NativeCallContext, to: &mut Connection, point: Dynamic| {
            write(&shared, &context, to, Category::Metric, 0, &point)
        });
        for with_time in [false, true] {
            let shared = host.clone();
            let parts = move |context: &NativeCallContext, to: &Connection, parts: [Dynamic; 4]| {
                let mut map = Map::new();
                for (key, part) in ["measurement", "tags", "fields", "timestamp"].into_iter().zip(parts) {
                    map.insert(key.into(), part);
                }
                write_parts(&shared, context, to, map)
            };
            if with_time {
                engine.register_fn(
                    name,
                    move |context: NativeCallContext,
                          to: &mut Connection,
                          measurement: Dynamic,
                          tags: Dynamic,
                          fields: Dynamic,
                          time: Dynamic| {
                        parts(&context, to, [measurement, tags, fields, time])
                    },
                );
            } else {
                engine.register_fn(
                    name,
                    move |context: NativeCallContext,
                          to: &mut Connection,
                          measurement: Dynamic,
                          tags: Dynamic,
                          fields: Dynamic| {
                        parts(&context, to, [measurement, tags, fields, Dynamic::UNIT])
                    },
                );
            }
        }
    }
    for name in ["write_metric_many", "write_metrics", "write_points"] {
        let shared = host.clone();
        engine.register_fn(name, move |context: NativeCallContext, to: &mut Connection, points: Dynamic| {
            write(&shared, &context, to, Category::Metric, 0, &points)
        });
    }
    for name in ["write_by_category", "write_by_category_many"] {
        let shared = host.clone();
        engine.register_fn(
            name,
            move |context: NativeCallContext,
                  to: &mut Connection,
                  category: Dynamic,
                  points: Dynamic|
                  -> Result<Dynamic> {
                let category = category_of(&category).map_err(|problem| {
                    problem.argument(0, "", false, WRITTEN).thrown(context.call_position())
                })?;
                write(&shared, &context, to, category, 1, &points)
            },
        );
    }
}

fn category_of(written: &Dynamic) -> std::result::Result<Category, Problem> {
    const KNOWN: &[&str] = &["metric", "custom_object"];
    let text = written.clone().into_string().unwrap_or_default();
    match text.as_str() {
        "metric" => Ok(Category::Metric),
        "custom_object" => Ok(Category::CustomObject),
        "" => Err(Problem::input(format!("the category is {}, expected a text", kind(written)))
            .hint("write `\"metric\"` or `\"custom_object\"`")),
        other @ ("logging" | "object" | "keyevent" | "network" | "tracing" | "rum" | "security"
        | "profiling") => Err(Problem::input(format!("funchost does not write the category `{other}`"))
            .hint("it writes `\"metric\"` and `\"custom_object\"`, which are what clouds are collected as")),
        other => Err(Problem::input(format!("`{other}` is no category")).hint(known(other, KNOWN))),
    }
}

/// A point given in parts: what is wrong is at the argument of that part.
fn write_parts(host: &Host, context: &NativeCallContext, to: &Connection, map: Map) -> Result<Dynamic> {
    let shape = Shape {
        category: Category::Metric,
        measurement: None,
        fixed: false,
        links: false,
        now: host.settings.clock.now(),
    };
    let (point, _) = points::read(&map.into(), &shape).map_err(|found| {
        let part = found.path.split(['.', '[']).next().unwrap_or_default();
        let index =
            ["measurement", "tags", "fields", "timestamp"].iter().position(|name| *name == part).unwrap_or(0);
        let rest = found.path[part.len()..].trim_start_matches('.').to_owned();
        let problem = found.problem(index, "", WRITTEN);
        problem.with_path(rest).thrown(context.call_position())
    })?;
    hand_over(host, context, to, Category::Metric, vec![point])
}

/// One point, or a list of them.
fn write(
    host: &Host,
    context: &NativeCallContext,
    to: &Connection,
    category: Category,
    index: usize,
    written: &Dynamic,
) -> Result<Dynamic> {
    let shape =
        Shape { category, measurement: None, fixed: false, links: false, now: host.settings.clock.now() };
    let one = |point: &Dynamic, before: &str| -> Result<Point> {
        let read = points::read(point, &shape);
        read.map(|(point, _)| point)
            .map_err(|found| found.problem(index, before, WRITTEN).thrown(context.call_position()))
    };
    let list = written.read_lock::<Array>().map(|list| list.clone());
    let mut points = memory::uncounted(Vec::new);
    match list {
        Some(list) => {
            for (number, point) in list.iter().enumerate() {
                let point = one(point, &format!("[{number}]"))?;
                memory::uncounted(|| points.push(point));
            }
        }
        None => {
            let point = one(written, "")?;
            memory::uncounted(|| points.push(point));
        }
    }
    hand_over(host, context, to, category, points)
}

fn answer(status: i64, written: &Written) -> Dynamic {
    let mut map = Map::new();
    map.insert("status".into(), status.into());
    for (key, count) in
        [("delivered", written.delivered), ("kept", written.kept), ("too_old", written.too_old)]
    {
        map.insert(key.into(), i64::try_from(count).unwrap_or(i64::MAX).into());
    }
    map.into()
}

fn hand_over(
    host: &Host,
    context: &NativeCallContext,
    to: &Connection,
    category: Category,
    points: Vec<Point>,
) -> Result<Dynamic> {
    let count = points.len();
    let (Some(runtime), Some(backend)) = (&host.runtime, host.backend.clone()) else {
        return Ok(answer(200, &Written { delivered: count as u64, ..Written::default() }));
    };
    if count == 0 {
        return Ok(answer(200, &Written::default()));
    }
    let debug = matches!(host.mode, Mode::Run { debug: true, .. });
    let request = WriteRequest { datakit_id: to.id.clone(), category, points, debug };
    let stop = host.stop.token.child_token();
    let task = memory::uncounted(|| runtime.spawn(async move { backend.write(request, stop).await }));
    let written = match host.wait(context, &format!("the DataKit `{}`", to.id), task)? {
        None => return Ok(Dynamic::UNIT),
        Some(Err(error)) => {
            return Err(Problem::run_time(format!("a defect in funchost ended the write: {error}"))
                .thrown(context.call_position()));
        }
        Some(Ok(Err(error))) => return Err(refused(context, &error)),
        Some(Ok(Ok(written))) => written,
    };
    if written.rejected > 0 {
        let cause = written.causes.first().map(|cause| format!(": {}", cut(cause))).unwrap_or_default();
        return Err(Problem::run_time(format!(
            "DataKit rejected {} of {}{cause}",
            written.rejected,
            number(count as u64, "point", "points")
        ))
        .label("written here")
        .thrown(context.call_position()));
    }
    Ok(answer(if written.kept > 0 { 202 } else { 200 }, &written))
}

fn refused(context: &NativeCallContext, error: &BackendError) -> Box<rhai::EvalAltResult> {
    let problem =
        if error.input { Problem::input(&error.message) } else { Problem::run_time(&error.message) };
    problem.hint_if(error.hint.clone()).thrown(context.call_position())
}

/// The values that a script keeps.
struct Values<'v> {
    host: &'v Host,
    context: &'v NativeCallContext<'v>,
    /// Before every key: the kind and the script, so that no script reads another's.
    prefix: String,
}

impl<'v> Values<'v> {
    fn new(host: &'v Host, context: &'v NativeCallContext<'v>, kind: &str) -> Self {
        let script = context.call_source().unwrap_or(&host.library.entry);
        Self { host, context, prefix: format!("{kind}\n{script}\n") }
    }

    fn wrong(&self, index: usize, message: String) -> Box<rhai::EvalAltResult> {
        let name = self.context.fn_name();
        let form = super::explain::KEEPING.iter().find(|(method, _)| *method == name);
        Problem::input(message)
            .hint_if(form.map(|(_, form)| format!("write `{form}`")))
            .argument(index, "", false, "kept here")
            .thrown(self.context.call_position())
    }

    fn key(&self, key: &Dynamic) -> Result<String> {
        let Ok(text) = key.clone().into_string() else {
            return Err(self.wrong(0, format!("the key is {}, expected a text", kind(key))));
        };
        if text.is_empty() || text.chars().count() > MOST_KEY || text.chars().any(char::is_control) {
            return Err(self.wrong(0, format!("a key has 1 to {MOST_KEY} characters and no line break")));
        }
        Ok(format!("{}{text}", self.prefix))
    }

    /// The same of a value that is to be kept.
    fn new_key(&self, key: &Dynamic) -> Result<String> {
        let name = self.key(key)?;
        if self.host.settings.masker.knows(&name[self.prefix.len()..]) {
            return Err(self.refuse_secret(0, String::new(), "the key"));
        }
        Ok(name)
    }

    /// Asks the backend; none where there is none.
    fn ask<T: Send + 'static>(
        &self,
        ask: impl AsyncFnOnce(Arc<dyn Backend>) -> std::result::Result<T, BackendError>,
    ) -> Result<Option<T>> {
        let Some(backend) = self.host.backend.clone() else { return Ok(None) };
        match self.host.wait(self.context, "the state", ask(backend))? {
            Some(Ok(answer)) => Ok(Some(answer)),
            Some(Err(error)) => Err(refused(self.context, &error)),
            None => Ok(None),
        }
    }

    fn read(&self, key: &str) -> Result<Option<Kept>> {
        let key = key.to_owned();
        Ok(self.ask(async move |backend| backend.value(&key).await)?.flatten())
    }

    /// Changes a value in one step, however many change it at once. `change` says what it becomes; none lets it be.
    fn change<T>(
        &self,
        key: &str,
        mut change: impl FnMut(Option<&Kept>) -> Result<(Option<Option<Kept>>, T)>,
    ) -> Result<T> {
        for _ in 0..TRIES {
            let known = self.read(key)?;
            let (new, answer) = change(known.as_ref())?;
            let Some(new) = new else { return Ok(answer) };
            let (name, value) = (key.to_owned(), known.map(|known| known.value));
            let swapped = self.ask(async move |backend| backend.swap_value(&name, value, new).await)?;
            if swapped != Some(false) {
                return Ok(answer);
            }
        }
        Err(Problem::run_time("the value was changed by others again and again")
            .thrown(self.context.call_position()))
    }

    /// What is kept stands in the state, where masks do not reach.
    fn refuse_secret(&self, index: usize, path: String, what: &str) -> Box<rhai::EvalAltResult> {
        Problem::input(format!("{what} holds a secret, and the state, which keeps it, is not encrypted"))
            .label("holds a secret")
            .hint("keep it out of here, and read it with `DFF.ENV` each time it is needed")
            .argument(index, path, false, "kept here")
            .thrown(self.context.call_position())
    }

    fn encode(&self, value: &Dynamic) -> Result<Vec<u8>> {
        let data = to_json(value).map_err(|NotData { path, message }| {
            let place = if path.is_empty() { "the value".to_owned() } else { format!("`{path}`") };
            Problem::input(format!("{place} {message}"))
                .argument(1, path, false, "kept here")
                .thrown(self.context.call_position())
        })?;
        if let Some(path) = self.host.settings.masker.find_in(&data) {
            let what = if path.is_empty() { "the value".to_owned() } else { format!("`{path}`") };
            return Err(self.refuse_secret(1, path, &what));
        }
        let bytes = data.to_string().into_bytes();
        if bytes.len() > MOST_VALUE {
            return Err(self
                .wrong(1, format!("the value has {} bytes, at most {MOST_VALUE} can be kept", bytes.len())));
        }
        Ok(bytes)
    }

    /// When a value ends that lasts so many seconds from now.
    fn expires(&self, seconds: Option<i64>) -> i64 {
        seconds.map_or(i64::MAX, |seconds| {
            self.host.settings.clock.now().saturating_add(seconds.saturating_mul(SECOND))
        })
    }

    fn set(&self, key: &Dynamic, value: &Dynamic, seconds: Option<i64>, not_exists: bool) -> Result<bool> {
        let (key, bytes) = (self.new_key(key)?, self.encode(value)?);
        let expires = self.expires(seconds);
        self.change(&key, |known| {
            if not_exists && known.is_some() {
                return Ok((None, false));
            }
            Ok((Some(Some(Kept { value: bytes.clone(), expires })), true))
        })
    }
}

fn decode(kept: &Kept) -> Dynamic {
    serde_json::from_slice::<Json>(&kept.value).map_or(Dynamic::UNIT, |data| from_json(&data))
}

/// The options of `set`.
fn set_options(values: &Values<'_>, options: &Dynamic) -> Result<(Option<i64>, bool)> {
    const KNOWN: &[&str] = &["expires", "not_exists"];
    let (mut seconds, mut not_exists) = (None, false);
    // The original's third argument is the number of seconds.
    if let Ok(number) = options.as_int() {
        return positive(values, number).map(|number| (Some(number), false));
    }
    let Some(map) = options.read_lock::<Map>().map(|map| map.clone()) else {
        return Err(values
            .wrong(2, format!("the options are {}, expected a map or a number of seconds", kind(options))));
    };
    for (key, value) in &map {
        match (key.as_str(), value.as_int(), value.as_bool()) {
            ("expires", Ok(number), _) => seconds = Some(positive(values, number)?),
            ("not_exists", _, Ok(yes)) => not_exists = yes,
            (key @ ("expires" | "not_exists"), ..) => {
                let wanted = if key == "expires" { "a number of seconds" } else { "true or false" };
                return Err(values.wrong(2, format!("`{key}` is {}, expected {wanted}", kind(value))));
            }
            (other, ..) => {
                return Err(Problem::input(format!("`set` has no option `{other}`"))
                    .hint(known(other, KNOWN))
                    .argument(2, other, true, "kept here")
                    .thrown(values.context.call_position()));
            }
        }
    }
    Ok((seconds, not_exists))
}

fn positive(values: &Values<'_>, seconds: i64) -> Result<i64> {
    if seconds > 0 {
        Ok(seconds)
    } else {
        Err(values.wrong(2, format!("{seconds} seconds: a value lasts at least one")))
    }
}

/// Registers the methods for a type.
fn keeping<T: rhai::Variant + Clone>(
    engine: &mut Engine,
    host: &Arc<Host>,
    kind: &'static str,
    _: Option<T>,
) {
    macro_rules! method {
        ($name:literal, ($($argument:ident),*), $values:ident => $work:expr) => {
            let shared = host.clone();
            engine.register_fn($name, move |context: NativeCallContext, _: &mut T $(, $argument: Dynamic)*| -> Result<Dynamic> {
                let $values = Values::new(&shared, &context, kind);
                $work.map(Dynamic::from)
            });
        };
    }
    method!("get", (key), values => {
        let key = values.key(&key)?;
        let found = values.read(&key)?;
        Ok::<Dynamic, Box<rhai::EvalAltResult>>(found.as_ref().map_or(Dynamic::UNIT, decode))
    });
    method!("get", (key, default), values => {
        let key = values.key(&key)?;
        let found = values.read(&key)?;
        Ok::<Dynamic, Box<rhai::EvalAltResult>>(found.as_ref().map_or(default, decode))
    });
    method!("set", (key, value), values => values.set(&key, &value, None, false));
    method!("set", (key, value, options), values => {
        let (seconds, not_exists) = set_options(&values, &options)?;
        values.set(&key, &value, seconds, not_exists)
    });
    method!("delete", (key), values => {
        let key = values.key(&key)?;
        values.change(&key, |known| Ok((known.map(|_| None), known.is_some())))
    });
    method!("exists", (key), values => {
        let key = values.key(&key)?;
        values.read(&key).map(|found| found.is_some())
    });
    method!("incr", (key), values => increase(&values, &key, 1));
    method!("incr", (key, step), values => match step.as_int() {
        Ok(step) => increase(&values, &key, step),
        Err(_) => Err(values.wrong(1, format!("the step is {}, expected a whole number", super::convert::kind(&step)))),
    });
    method!("expire", (key, seconds), values => {
        let key = values.key(&key)?;
        let seconds = seconds.as_int().unwrap_or(0);
        if seconds <= 0 {
            return Err(values.wrong(1, "write how many seconds it lasts from now, more than 0".into()));
        }
        let expires = values.expires(Some(seconds));
        values.change(&key, |known| {
            Ok((known.map(|known| Some(Kept { expires, ..known.clone() })), known.is_some()))
        })
    });
    method!("ttl", (key), values => {
        let key = values.key(&key)?;
        let now = values.host.settings.clock.now();
        let left = values.read(&key)?.map_or(Dynamic::UNIT, |found| {
            if found.expires == i64::MAX { Dynamic::from(-1_i64) } else { Dynamic::from((found.expires - now).max(0) / SECOND) }
        });
        Ok::<Dynamic, Box<rhai::EvalAltResult>>(left)
    });
    method!("keys", (), values => keys(&values, "*"));
    method!("keys", (pattern), values => {
        let pattern = pattern.into_string().map_err(|found| values.wrong(0, format!("the pattern is {found}, expected a text")))?;
        keys(&values, &pattern)
    });
    method!("get_all", (), values => {
        let mut all = Map::new();
        for key in names(&values, "*")? {
            if let Some(found) = values.read(&format!("{}{key}", values.prefix))? {
                all.insert(key.into(), decode(&found));
            }
        }
        Ok::<Map, Box<rhai::EvalAltResult>>(all)
    });
}

fn increase(values: &Values<'_>, key: &Dynamic, step: i64) -> Result<i64> {
    let key = values.new_key(key)?;
    values.change(&key, |known| {
        let before = match known {
            None => 0,
            Some(kept) => serde_json::from_slice::<i64>(&kept.value).map_err(|_| {
                Problem::run_time("the value is no whole number, so it cannot be counted up")
                    .thrown(values.context.call_position())
            })?,
        };
        let after = before.checked_add(step).ok_or_else(|| {
            Problem::run_time("the count does not fit any more").thrown(values.context.call_position())
        })?;
        let expires = known.map_or(i64::MAX, |known| known.expires);
        Ok((Some(Some(Kept { value: after.to_string().into_bytes(), expires })), after))
    })
}

fn names(values: &Values<'_>, pattern: &str) -> Result<Vec<String>> {
    let prefix = values.prefix.clone();
    let found = values.ask(async move |backend| backend.value_keys(&prefix).await)?.unwrap_or_default();
    let names = found.iter().filter_map(|key| key.strip_prefix(&values.prefix));
    Ok(names.filter(|name| matches(pattern, name)).map(str::to_owned).collect())
}

fn keys(values: &Values<'_>, pattern: &str) -> Result<Array> {
    Ok(names(values, pattern)?.into_iter().map(Dynamic::from).collect())
}

/// `*` is any run of characters, also none; everything else is itself.
pub(super) fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let others: Vec<&str> = parts.collect();
    let Some((last, middle)) = others.split_last() else { return rest.is_empty() };
    for part in middle {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns_match_whole_names() {
        for (pattern, name, wanted) in [
            ("*", "", true),
            ("*", "a", true),
            ("a*", "abc", true),
            ("*c", "abc", true),
            ("a*c", "abc", true),
            ("a*c", "ac", true),
            ("a*b*c", "a-b-c", true),
            ("a*a", "a", false),
            ("abc", "abc", true),
            ("abc", "abcd", false),
            ("b*", "abc", false),
        ] {
            assert_eq!(matches(pattern, name), wanted, "{pattern} {name}");
        }
    }
}
