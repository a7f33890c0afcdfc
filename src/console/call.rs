//! Starting functions, and what else changes something.
//!
//! A call is a run like any other: it is asked for, taken by some worker, recorded. Who wants to wait for it waits for its record.

use super::Console;
use super::answer::{Answer, Refused};
use super::asked::{Path, Query};
use super::view;
use crate::schedule::RESULT;
use crate::script::ApiFunction;
use crate::state::Time;
use crate::state::runs::{Detail, NewRun, Origin, Record, Status};
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, header};
use axum::response::{IntoResponse, Response};
use chrono::DateTime;
use funchost_collectors::clock::SECOND;
use funchost_collectors::mapped::Mapped as _;
use funchost_collectors::mistake::nearest;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Seconds that a call can ask to wait before it starts.
const LONGEST_DELAY: u64 = 7 * 86_400;

/// Nobody is kept waiting longer; the run goes on.
const LONGEST_WAIT: u64 = 180;

/// What a call may take beyond the function's own time: to be taken, and to be recorded.
const MARGIN: u64 = 10;

/// Seconds that an asynchronous call may wait for a worker where its function does not say.
const EXPIRES: u64 = 900;

/// A function that is published here.
fn published(console: &Console, id: &str) -> Result<ApiFunction, Refused> {
    let published = console.engine.library().published();
    if let Some((_, function)) = published.function(id) {
        return Ok(function.clone());
    }
    let known: Vec<&str> = published.functions().map(|function| function.id.as_str()).collect();
    let hint = match nearest(id, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => {
            "/api/v1/func-list lists those that are; put `@DFF.API(\"title\")` above a function to publish it"
                .into()
        }
    };
    Err(Refused::not_found(format!("no function `{id}` is published: {hint}")))
}

/// What a body of [`func`] says.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct FuncBody {
    kwargs: Map<String, Value>,
    options: FuncOptions,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct FuncOptions {
    r#async: bool,
    /// The bare value in place of the envelope.
    unbox: bool,
    /// Seconds, 1 to 3600.
    timeout: Option<u64>,
    /// Seconds until it starts.
    delay: Option<u64>,
    /// The time at which it starts, in place of `delay`.
    eta: Option<String>,
    #[serde(rename = "returnType")]
    return_type: ReturnType,
}

/// How the value of a function is given.
#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize)]
enum ReturnType {
    /// As it is.
    #[default]
    #[serde(rename = "raw")]
    Raw,
    /// As a text that is JSON.
    #[serde(rename = "jsonDumps")]
    Dumped,
}

impl FuncOptions {
    /// Seconds until it starts.
    fn delay(&self, now: Time) -> Result<u64, Refused> {
        let delay = match (self.delay, &self.eta) {
            (Some(_), Some(_)) => {
                return Err(Refused::bad("`options.delay` and `options.eta` say the same: give one of them"));
            }
            (delay, None) => delay.unwrap_or(0),
            (None, Some(text)) => {
                let eta = DateTime::parse_from_rfc3339(text).ok().and_then(|eta| eta.timestamp_nanos_opt());
                let eta = eta.ok_or_else(|| {
                    Refused::bad("`options.eta` must be a time such as 2026-11-22T08:00:00+08:00")
                })?;
                u64::try_from((eta - now).max(0)).unwrap_or(0).div_ceil(SECOND.unsigned_abs())
            }
        };
        if delay > LONGEST_DELAY {
            return Err(Refused::bad(format!(
                "`options.delay` and `options.eta` reach at most {LONGEST_DELAY} seconds ahead, a week"
            )));
        }
        Ok(delay)
    }
}

/// What is wrong with some JSON, without the value that is wrong: it may be a secret that was put into the wrong place.
fn unquoted(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let wrong = ["invalid type: ", "invalid value: "].into_iter().find_map(|start| text.strip_prefix(start));
    match wrong.and_then(|rest| rest.rsplit_once(", expected ")) {
        Some((found, expected)) => {
            let kind = found.split([' ', '"', '`']).next().unwrap_or_default();
            format!("found {kind}, expected {expected}")
        }
        None => text,
    }
}

/// `GET /api/v1/func/{func}`.
pub(super) async fn describe(
    State(console): State<Arc<Console>>,
    Path(func): Path<String>,
) -> Result<Answer, Refused> {
    let function = published(&console, &func)?;
    let published = console.engine.library().published();
    let script = function.id.rsplit_once('.').and_then(|(script, _)| published.scripts.get(script));
    let Some(script) = script else { return Err(Refused::not_found("it has just been withdrawn")) };
    let last = console.store.last_by_func().await?;
    let last = last.iter().find(|record| record.func == func);
    Ok(Answer::of(view::function(&function, script, last)))
}

/// `POST /api/v1/func/{func}`: `{kwargs, options: {async, unbox, timeout, delay, eta, returnType}}`.
pub(super) async fn func(
    State(console): State<Arc<Console>>,
    Path(func): Path<String>,
    body: Bytes,
) -> Result<Response, Refused> {
    let function = published(&console, &func)?;
    let body: FuncBody = if body.is_empty() {
        FuncBody::default()
    } else {
        serde_json::from_slice(&body).map_err(|error| {
            Refused::bad(format!("the body is no call: {}; write {{\"kwargs\": {{…}}}}", unquoted(&error)))
        })?
    };
    if body.options.timeout.is_some_and(|seconds| !(1..=3600).contains(&seconds)) {
        return Err(Refused::bad("`options.timeout` must be from 1 to 3600 seconds"));
    }
    let delay = body.options.delay(console.clock.now())?;
    check_arguments(&function, &body.kwargs)?;
    let origin = if body.options.r#async || delay > 0 { Origin::Async } else { Origin::Sync };
    let call = Call { kwargs: body.kwargs, timeout: body.options.timeout, delay, origin };
    if origin == Origin::Async {
        let run = ask(&console, &function, call).await?;
        return Ok(Answer::of(json!({ "id": run })).into_response());
    }
    let (record, detail) = wait_for(&console, &function, call).await?;
    let result = match (outcome(&record, &detail)?, body.options.return_type) {
        (result, ReturnType::Raw) => result,
        (result, ReturnType::Dumped) => result.to_string().into(),
    };
    if body.options.unbox {
        return Ok(bare(result));
    }
    Ok(Answer::of(json!({ "id": record.id, "result": result })).into_response())
}

/// `GET|POST /api/v1/sync/{func}`: waits, and answers with the bare value.
pub(super) async fn sync(
    State(console): State<Arc<Console>>,
    Path(path): Path<BTreeMap<String, String>>,
    Query(query): Query<BTreeMap<String, String>>,
    method: Method,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refused> {
    let (function, kwargs) = called(&console, &path, query, &method, &headers, &body)?;
    let call = Call { kwargs, timeout: None, delay: 0, origin: Origin::Sync };
    let (record, detail) = wait_for(&console, &function, call).await?;
    Ok(bare(outcome(&record, &detail)?))
}

/// `GET|POST /api/v1/async/{func}[/{format}]`: answers at once with the run's id; its result is at `/api/v1/runs/{id}/result`.
pub(super) async fn background(
    State(console): State<Arc<Console>>,
    Path(path): Path<BTreeMap<String, String>>,
    Query(query): Query<BTreeMap<String, String>>,
    method: Method,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Answer, Refused> {
    let (function, kwargs) = called(&console, &path, query, &method, &headers, &body)?;
    let call = Call { kwargs, timeout: None, delay: 0, origin: Origin::Async };
    let run = ask(&console, &function, call).await?;
    Ok(Answer::of(json!({ "id": run, "result": format!("/api/v1/runs/{run}/result") })))
}

/// Function and arguments of a call by URL.
fn called(
    console: &Console,
    path: &BTreeMap<String, String>,
    query: BTreeMap<String, String>,
    method: &Method,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<(ApiFunction, Map<String, Value>), Refused> {
    let function = published(console, path.get("func").map_or("", String::as_str))?;
    let simplified = match path.get("format").map(String::as_str) {
        None | Some("normal") => false,
        Some("s" | "simplified") => true,
        Some(other) => {
            return Err(Refused::bad(format!("there is no format `{other}`: normal, or simplified")));
        }
    };
    let object = |value: Value| match value {
        Value::Object(map) => Ok(map),
        _ => Err(Refused::bad("the arguments are no JSON object: give each by its name")),
    };
    let read = |text: &[u8]| {
        serde_json::from_slice::<Value>(text)
            .map_err(|error| Refused::bad(format!("the arguments are no JSON: {error}")))
    };
    let posted = method == Method::POST && !body.is_empty();
    let kwargs = if simplified {
        if posted {
            object(read(body)?)?
        } else {
            query.into_iter().map(|(key, value)| (key, Value::String(value))).mapped()
        }
    } else if posted {
        let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if !kind.is_empty() && !kind.starts_with("application/json") {
            return Err(Refused::bad("the body must be JSON: {\"kwargs\": {…}}"));
        }
        match object(read(body)?)?.remove("kwargs") {
            None => Map::new(),
            Some(kwargs) => object(kwargs)?,
        }
    } else {
        match query.get("kwargs") {
            None => Map::new(),
            Some(text) => object(read(text.as_bytes())?)?,
        }
    };
    check_arguments(&function, &kwargs)?;
    Ok((function, kwargs))
}

/// What would fail is said before anything is asked for.
fn check_arguments(function: &ApiFunction, kwargs: &Map<String, Value>) -> Result<(), Refused> {
    function.refuses(kwargs).map_or(Ok(()), |why| Err(Refused::bad(why)))
}

struct Call {
    kwargs: Map<String, Value>,
    timeout: Option<u64>,
    delay: u64,
    origin: Origin,
}

fn nanoseconds(seconds: u64) -> Time {
    i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(SECOND)
}

/// Asks for a run.
async fn ask(console: &Console, function: &ApiFunction, call: Call) -> Result<i64, Refused> {
    let now = console.clock.now();
    let due = now.saturating_add(nanoseconds(call.delay));
    // Who waits for the answer is gone after that.
    let patience = call.timeout.or(function.options.timeout).unwrap_or(300);
    let expires = if call.origin == Origin::Sync { patience.min(LONGEST_WAIT) } else { EXPIRES };
    let run = NewRun {
        func: function.id.clone(),
        origin: call.origin,
        trigger: None,
        tick: None,
        delay: nanoseconds(call.delay),
        ticks: 1,
        kwargs: crate::hiding::arguments(&call.kwargs, console.engine.masker()),
        status: Status::Queued,
        reason: None,
        created: now,
        due,
        expires: due + nanoseconds(function.options.expires.unwrap_or(expires)),
        timeout: call.timeout.and_then(|seconds| i64::try_from(seconds).ok()),
    };
    let id = console.store.enqueue(&run).await?;
    console.engine.wake();
    Ok(id)
}

/// Asks for a run and waits for its end.
async fn wait_for(
    console: &Console,
    function: &ApiFunction,
    call: Call,
) -> Result<(Record, Detail), Refused> {
    let timeout = call.timeout.or(function.options.timeout).unwrap_or(300);
    let patience = Duration::from_secs(timeout.min(LONGEST_WAIT) + MARGIN);
    let mut ended = console.engine.ended();
    let run = ask(console, function, call).await?;
    let deadline = tokio::time::Instant::now() + patience;
    loop {
        ended.mark_unchanged();
        if let Some((record, detail)) = console.store.run(run).await?
            && record.status.is_final()
        {
            return Ok((record, detail));
        }
        if tokio::time::Instant::now() >= deadline {
            return Err(Refused::no_response(format!(
                "run {run} has not ended within {} s; it goes on: /api/v1/runs/{run} shows it",
                patience.as_secs()
            ))
            .with("id", run.into()));
        }
        // A run of another machine wakes nobody here.
        tokio::select! {
            _ = ended.changed() => {}
            () = tokio::time::sleep(Duration::from_millis(200)) => {}
        }
    }
}

/// The function's value, or why there is none.
pub(super) fn outcome(record: &Record, detail: &Detail) -> Result<Value, Refused> {
    let reason = record.reason.clone().unwrap_or_else(|| record.status.as_str().to_owned());
    let errors = view::parsed(detail.error.as_deref());
    let refused = match record.status {
        // It did what it does, and its value cannot be given.
        Status::Success if errors[0]["kind"] == RESULT => Refused::no_result(reason),
        Status::Success => return Ok(view::parsed(detail.result.as_deref())),
        Status::Timeout => Refused::timeout(reason),
        Status::Queued | Status::Running => {
            return Err(Refused::no_response(format!("run {} has not ended yet", record.id))
                .with("id", record.id.into()));
        }
        Status::Failure => Refused::failed("EFuncFailed", reason),
        Status::Skip => Refused::failed("EFuncSkipped", reason),
        Status::Missed => Refused::failed("EFuncMissed", reason),
        Status::Expired => Refused::failed("EFuncExpired", reason),
        Status::Interrupted => Refused::failed("EFuncInterrupted", reason),
    };
    let refused = refused.with("id", record.id.into()).with("status", record.status.as_str().into());
    let refused = refused.with("report", view::parsed(detail.report.as_deref()));
    Err(if errors.is_null() { refused } else { refused.with("errors", errors) })
}

/// A value without the envelope; a text stays JSON.
fn bare(value: Value) -> Response {
    axum::Json(value).into_response()
}

/// `POST /api/v1/cron/{trigger}`: runs a trigger once, now; also one that is paused or disabled.
pub(super) async fn cron(
    State(console): State<Arc<Console>>,
    Path(trigger): Path<String>,
) -> Result<Answer, Refused> {
    let plan = console.plan();
    let Some(found) = plan.triggers.iter().find(|known| known.id == trigger) else {
        return Err(no_trigger(&console, &trigger));
    };
    let now = console.clock.now();
    let run = NewRun {
        func: found.func.clone(),
        origin: Origin::Manual,
        trigger: Some(found.id.clone()),
        tick: None,
        delay: 0,
        ticks: 1,
        kwargs: crate::hiding::arguments(&found.kwargs, console.engine.masker()),
        status: Status::Queued,
        reason: None,
        created: now,
        due: now,
        expires: now + nanoseconds(found.expires),
        timeout: None,
    };
    let id = console.store.enqueue(&run).await?;
    console.engine.wake();
    Ok(Answer::of(json!({ "id": id })))
}

fn no_trigger(console: &Console, id: &str) -> Refused {
    let plan = console.plan();
    if let Some(idle) = plan.idle.iter().find(|idle| idle.id == id) {
        return Refused::conflict(format!("the trigger `{id}` cannot run: {}", idle.why));
    }
    let near = nearest(id, plan.triggers.iter().map(|trigger| trigger.id.as_str()));
    Refused::not_found(match near {
        Some(near) => format!("there is no trigger `{id}`: did you mean `{near}`?"),
        None => format!("there is no trigger `{id}`: /api/v1/triggers lists them"),
    })
}

/// `POST /api/v1/triggers/{trigger}/pause`.
pub(super) async fn pause(
    State(console): State<Arc<Console>>,
    Path(trigger): Path<String>,
) -> Result<Answer, Refused> {
    rest(&console, &trigger, true).await
}

/// `POST /api/v1/triggers/{trigger}/resume`.
pub(super) async fn resume(
    State(console): State<Arc<Console>>,
    Path(trigger): Path<String>,
) -> Result<Answer, Refused> {
    rest(&console, &trigger, false).await
}

async fn rest(console: &Console, trigger: &str, paused: bool) -> Result<Answer, Refused> {
    if !console.store.pause(trigger, paused, console.clock.now()).await? {
        return Err(no_trigger(console, trigger));
    }
    tracing::info!(trigger, paused, "by hand");
    Ok(Answer::of(json!({ "id": trigger, "isPaused": paused })))
}

/// `POST /api/v1/runs/{run}/stop`.
pub(super) async fn stop(
    State(console): State<Arc<Console>>,
    Path(run): Path<i64>,
) -> Result<Answer, Refused> {
    if console.store.stop(run, console.clock.now()).await? {
        console.engine.stop_by_hand(run);
        return Ok(Answer::of(json!({ "id": run })));
    }
    match console.store.run(run).await? {
        None => Err(Refused::not_found(format!("there is no run {run}"))),
        Some((record, _)) => {
            Err(Refused::conflict(format!("run {run} has ended already: {}", record.status.as_str())))
        }
    }
}
