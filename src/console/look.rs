//! Looking: functions, triggers, runs and their logs, what is remembered, and how the service is.

use super::Console;
use super::answer::{Answer, Refused};
use super::asked::{Path, Query};
use super::call::outcome;
use super::standing::Standings;
use super::told::told;
use super::view;
use crate::schedule::{Idle, Trigger};
use crate::state::Time;
use crate::state::runs::{Filter, LogLine, Node, Origin, Record, Status};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, NaiveDate};
use funchost_collectors::clock::SECOND;
use funchost_collectors::mapped::Mapped as _;
use futures_util::stream::{self, Stream};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

/// Entries of a page, at most.
const LARGEST_PAGE: i64 = 100;
/// Lines of a log in one answer, at most.
const MOST_LINES: i64 = 2000;
/// Seconds that a question for more of a log may wait.
const LONGEST_WAIT: u64 = 60;
/// How often a log is looked at while somebody waits for it.
const LOOK: Duration = Duration::from_millis(300);
/// A process that was not heard for so long is not there.
pub(super) const HEARD: Time = 90 * SECOND;

type Questions = Query<BTreeMap<String, String>>;

fn number(
    query: &BTreeMap<String, String>,
    name: &str,
    default: i64,
    least: i64,
    most: i64,
) -> Result<i64, Refused> {
    let Some(text) = query.get(name) else { return Ok(default) };
    text.parse::<i64>()
        .ok()
        .filter(|number| *number >= least)
        .map(|number| number.min(most))
        .ok_or_else(|| Refused::bad(format!("`{name}` must be a whole number, at least {least}")))
}

fn only(query: &BTreeMap<String, String>, known: &[&str]) -> Result<(), Refused> {
    match query.keys().find(|name| !known.contains(&name.as_str())) {
        None => Ok(()),
        Some(unknown) => {
            Err(Refused::bad(format!("there is no parameter `{unknown}`, there are: {}", known.join(", "))))
        }
    }
}

fn moment(query: &BTreeMap<String, String>, name: &str) -> Result<Option<Time>, Refused> {
    let Some(text) = query.get(name) else { return Ok(None) };
    DateTime::parse_from_rfc3339(text)
        .ok()
        .and_then(|time| time.timestamp_nanos_opt())
        .map(Some)
        .ok_or_else(|| Refused::bad(format!("`{name}` must be a time such as 2026-11-22T08:00:00Z")))
}

fn page(query: &BTreeMap<String, String>) -> Result<(i64, i64), Refused> {
    Ok((number(query, "pageNumber", 1, 1, 1_000_000)?, number(query, "pageSize", 20, 1, LARGEST_PAGE)?))
}

/// `GET /api/v1/func-list`, `/api/v1/functions`. Pages only where they are asked for.
pub(super) async fn functions(
    State(console): State<Arc<Console>>,
    Query(query): Questions,
) -> Result<Answer, Refused> {
    only(&query, &["pageNumber", "pageSize", "category", "tags", "scriptId", "_fuzzySearch"])?;
    let published = console.engine.library().published();
    let last: HashMap<String, Record> =
        console.store.last_by_func().await?.into_iter().map(|record| (record.func.clone(), record)).collect();
    let words = query.get("_fuzzySearch").map(|words| words.to_lowercase());
    let mut list = Vec::new();
    for (id, script) in &published.scripts {
        if query.get("scriptId").is_some_and(|wanted| wanted != id) {
            continue;
        }
        for function in &script.functions {
            let category = function.options.category.as_deref().unwrap_or("general");
            let tags = query.get("tags").map_or("", String::as_str);
            let wanted = query.get("category").is_none_or(|wanted| wanted == category)
                && tags
                    .split(',')
                    .filter(|tag| !tag.is_empty())
                    .all(|tag| function.options.tags.iter().any(|own| own == tag))
                && words.as_ref().is_none_or(|words| {
                    function.id.to_lowercase().contains(words)
                        || function.title.to_lowercase().contains(words)
                });
            if wanted {
                list.push((function, script));
            }
        }
    }
    let asked = query.contains_key("pageNumber") || query.contains_key("pageSize");
    let total = i64::try_from(list.len()).unwrap_or(i64::MAX);
    let (number, size) = if asked { page(&query)? } else { (1, total.max(1)) };
    let skip = usize::try_from((number - 1).saturating_mul(size)).unwrap_or(usize::MAX);
    let plan = console.plan();
    let standings = Standings::read(&console).await?;
    let mut triggers: HashMap<&str, Vec<&Trigger>> = HashMap::new();
    for trigger in &plan.triggers {
        triggers.entry(trigger.func.as_str()).or_default().push(trigger);
    }
    let list = list.into_iter().skip(skip).take(usize::try_from(size).unwrap_or(usize::MAX));
    let list: Vec<Value> = list
        .map(|(function, script)| {
            let mut shown = view::function(function, script, last.get(&function.id));
            let own = triggers.get(function.id.as_str()).into_iter().flatten();
            shown["triggers"] = own
                .map(|trigger| {
                    view::trigger(
                        &standings.of(&console, trigger),
                        Some(&function.title),
                        console.engine.masker(),
                    )
                })
                .collect::<Vec<_>>()
                .into();
            shown
        })
        .collect();
    if asked {
        return Ok(Answer::page(list, number, size, total));
    }
    Ok(Answer::of(list.into()))
}

/// `GET /api/v1/scripts`: what is published, and what is wrong with what is not.
pub(super) async fn scripts(State(console): State<Arc<Console>>) -> Answer {
    let published = console.engine.library().published();
    let scripts: Vec<Value> = published
        .scripts
        .iter()
        .map(|(id, script)| {
            json!({
                "id": id,
                "isPublished": script.script.is_some(),
                "publishTime": script.script.is_some().then(|| view::time(script.since)),
                "functions": script.functions.iter().map(|function| &function.id).collect::<Vec<_>>(),
                "problem": script.problem,
            })
        })
        .chain(published.problems.iter().map(|(file, why)| {
            json!({
                "id": null,
                "file": file.display().to_string(),
                "isPublished": false,
                "publishTime": null,
                "functions": [],
                "problem": why,
            })
        }))
        .collect();
    Answer::of(scripts.into())
}

/// `GET /api/v1/triggers`. Pages only where they are asked for.
pub(super) async fn triggers(
    State(console): State<Arc<Console>>,
    Query(query): Questions,
) -> Result<Answer, Refused> {
    only(&query, &["pageNumber", "pageSize", "funcId", "_fuzzySearch"])?;
    let plan = console.plan();
    let published = console.engine.library().published();
    let titles: HashMap<&str, &str> =
        published.functions().map(|function| (function.id.as_str(), function.title.as_str())).collect();
    let words = query.get("_fuzzySearch").map(|words| words.to_lowercase());
    let wanted = |id: &str, func: &str| {
        query.get("funcId").is_none_or(|wanted| wanted == func)
            && words.as_ref().is_none_or(|words| {
                [id, func, titles.get(func).copied().unwrap_or_default()]
                    .iter()
                    .any(|text| text.to_lowercase().contains(words))
            })
    };
    let live: Vec<&Trigger> =
        plan.triggers.iter().filter(|trigger| wanted(&trigger.id, &trigger.func)).collect();
    let idle: Vec<&Idle> = plan.idle.iter().filter(|idle| wanted(&idle.id, &idle.func)).collect();
    let asked = query.contains_key("pageNumber") || query.contains_key("pageSize");
    let total = live.len() + idle.len();
    let (number, size) =
        if asked { page(&query)? } else { (1, i64::try_from(total).unwrap_or(i64::MAX).max(1)) };
    let skip = usize::try_from((number - 1).saturating_mul(size)).unwrap_or(usize::MAX);
    let take = usize::try_from(size).unwrap_or(usize::MAX);
    let standings = Standings::read(&console).await?;
    // What is not shown is not worked out.
    let list: Vec<Value> = live
        .into_iter()
        .map(Ok)
        .chain(idle.into_iter().map(Err))
        .skip(skip)
        .take(take)
        .map(|found| match found {
            Ok(trigger) => {
                let title = titles.get(trigger.func.as_str()).copied();
                view::trigger(&standings.of(&console, trigger), title, console.engine.masker())
            }
            Err(idle) => json!({
                "id": idle.id,
                "funcId": idle.func,
                "title": titles.get(idle.func.as_str()),
                "nextRun": null,
                "lastRun": standings.last(&idle.id).map(view::record),
                "problem": idle.why,
                "problemTold": told(Some(&idle.why)),
            }),
        })
        .collect();
    if asked {
        return Ok(Answer::page(list, number, size, i64::try_from(total).unwrap_or(i64::MAX)));
    }
    Ok(Answer::of(list.into()))
}

/// `GET /api/v1/runs`: newest first.
pub(super) async fn runs(
    State(console): State<Arc<Console>>,
    Query(query): Questions,
) -> Result<Answer, Refused> {
    only(&query, &["funcId", "triggerId", "status", "origin", "since", "until", "pageNumber", "pageSize"])?;
    let words = |all: Vec<&str>| all.join(", ");
    let status = query.get("status").map(|word| {
        Status::read(word).ok_or_else(|| {
            Refused::bad(format!(
                "there is no status `{word}`, there are: {}",
                words(Status::ALL.map(Status::as_str).to_vec())
            ))
        })
    });
    let origin = query.get("origin").map(|word| {
        Origin::read(word).ok_or_else(|| {
            Refused::bad(format!(
                "there is no origin `{word}`, there are: {}",
                words(Origin::ALL.map(Origin::as_str).to_vec())
            ))
        })
    });
    let filter = Filter {
        func: query.get("funcId").cloned(),
        trigger: query.get("triggerId").cloned(),
        status: status.transpose()?,
        origin: origin.transpose()?,
        since: moment(&query, "since")?,
        until: moment(&query, "until")?,
    };
    let (number, size) = page(&query)?;
    let (records, total) = console.store.runs(&filter, (number - 1) * size, size).await?;
    Ok(Answer::page(records.iter().map(view::record).collect(), number, size, total))
}

async fn known(console: &Console, run: i64) -> Result<(Record, crate::state::runs::Detail), Refused> {
    console.store.run(run).await?.ok_or_else(|| {
        Refused::not_found(format!(
            "there is no run {run}: it never was, or its record was forgotten by its age"
        ))
    })
}

/// `GET /api/v1/runs/{run}`.
pub(super) async fn run(
    State(console): State<Arc<Console>>,
    Path(run): Path<i64>,
) -> Result<Answer, Refused> {
    let (record, detail) = known(&console, run).await?;
    Ok(Answer::of(view::whole(&record, &detail)))
}

/// `GET /api/v1/runs/{run}/result`: as `/api/v1/func/{func}` would have answered.
pub(super) async fn result(
    State(console): State<Arc<Console>>,
    Path(run): Path<i64>,
) -> Result<Answer, Refused> {
    let (record, detail) = known(&console, run).await?;
    if !record.status.is_final() {
        return Ok(Answer::not_yet(json!({ "id": run, "status": record.status, "final": false })));
    }
    let result = outcome(&record, &detail)?;
    Ok(Answer::of(json!({ "id": run, "status": record.status, "final": true, "result": result })))
}

/// `GET /api/v1/runs/{run}/log?after=0&wait=20`: waits for more, where there is none yet and the run goes on.
pub(super) async fn log(
    State(console): State<Arc<Console>>,
    Path(run): Path<i64>,
    Query(query): Questions,
) -> Result<Answer, Refused> {
    only(&query, &["after", "wait", "limit"])?;
    let after = number(&query, "after", 0, 0, i64::MAX)?;
    let limit = number(&query, "limit", 500, 1, MOST_LINES)?;
    let most = i64::try_from(LONGEST_WAIT).unwrap_or(60);
    let wait = u64::try_from(number(&query, "wait", 0, 0, most)?).unwrap_or(0);
    let deadline = tokio::time::Instant::now() + Duration::from_secs(wait);
    loop {
        let (record, lines) = grown(&console, run, after, limit).await?;
        let now = tokio::time::Instant::now();
        if !lines.is_empty() || record.status.is_final() || now >= deadline {
            let zone = console.zone();
            let complete = i64::try_from(lines.len()).is_ok_and(|count| count < limit);
            return Ok(Answer::of(json!({
                "lines": lines.iter().map(|line| view::line(line, zone)).collect::<Vec<_>>(),
                "last": lines.last().map_or(after, |line| line.number),
                "status": record.status,
                "final": record.status.is_final() && complete,
            })));
        }
        tokio::time::sleep(LOOK.min(deadline - now)).await;
    }
}

/// The record first, the lines after it: what a run that has ended has said is complete.
async fn grown(
    console: &Console,
    run: i64,
    after: i64,
    limit: i64,
) -> Result<(Record, Vec<LogLine>), Refused> {
    let (record, _) = known(console, run).await?;
    let lines = console.store.lines(run, after, limit).await?;
    Ok((record, lines))
}

/// Where a stream of a log has come to.
struct Watching {
    console: Arc<Console>,
    run: i64,
    after: i64,
    waiting: std::collections::VecDeque<Event>,
    ended: bool,
    status: Option<Status>,
}

/// `GET /api/v1/runs/{run}/events`: server-sent events `line`, `status`, and `end` with the whole record.
pub(super) async fn events(
    State(console): State<Arc<Console>>,
    Path(run): Path<i64>,
    Query(query): Questions,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Refused> {
    only(&query, &["after"])?;
    let after = number(&query, "after", 0, 0, i64::MAX)?;
    known(&console, run).await?;
    let watching = Watching {
        console,
        run,
        after,
        waiting: std::collections::VecDeque::new(),
        ended: false,
        status: None,
    };
    let stream = stream::unfold(watching, |mut watching| async move {
        loop {
            if let Some(event) = watching.waiting.pop_front() {
                return Some((Ok(event), watching));
            }
            if watching.ended {
                return None;
            }
            watching.look().await;
            if watching.waiting.is_empty() && !watching.ended {
                tokio::time::sleep(LOOK).await;
            }
        }
    });
    Ok(Sse::new(stream).keep_alive(KeepAlive::new().interval(Duration::from_secs(15))))
}

impl Watching {
    async fn look(&mut self) {
        let found = grown(&self.console, self.run, self.after, MOST_LINES).await;
        let Ok((record, lines)) = found else {
            // It was forgotten, or the state cannot be read: the reader asks again.
            self.ended = true;
            return;
        };
        let event = |kind: &str, data: &Value| Event::default().event(kind).data(data.to_string());
        if self.status != Some(record.status) {
            self.status = Some(record.status);
            self.waiting.push_back(event("status", &view::record(&record)));
        }
        let zone = self.console.zone();
        let all = i64::try_from(lines.len()).is_ok_and(|count| count < MOST_LINES);
        for line in &lines {
            self.after = line.number;
            self.waiting.push_back(event("line", &view::line(line, zone)).id(line.number.to_string()));
        }
        if record.status.is_final() && all {
            self.ended = true;
            if let Ok((record, detail)) = known(&self.console, self.run).await {
                self.waiting.push_back(event("end", &view::whole(&record, &detail)));
            }
        }
    }
}

/// `GET /api/v1/objects`: what is remembered for the linkage, and how old it is.
pub(super) async fn objects(State(console): State<Arc<Console>>) -> Result<Answer, Refused> {
    let now = console.clock.now();
    let list: Vec<Value> = console
        .store
        .object_summaries()
        .await?
        .into_iter()
        .map(|summary| {
            json!({
                "account": summary.account,
                "class": summary.class,
                "region": summary.region,
                "count": summary.count,
                "oldest": view::time(summary.oldest),
                "newest": view::time(summary.newest),
                "oldestSeconds": (now - summary.oldest).max(0) / SECOND,
                "newestSeconds": (now - summary.newest).max(0) / SECOND,
            })
        })
        .collect();
    Ok(Answer::of(list.into()))
}

/// `GET /api/v1/outbox`: what waits for each DataKit.
pub(super) async fn outbox(State(console): State<Arc<Console>>) -> Result<Answer, Refused> {
    let sizes = console.store.outbox_sizes().await?;
    let tools = console.engine.tools();
    let ids: std::collections::BTreeSet<&str> =
        tools.datakits.keys().map(String::as_str).chain(sizes.iter().map(|size| size.0.as_str())).collect();
    let list: Vec<Value> = ids
        .into_iter()
        .map(|id| {
            let found = sizes.iter().find(|size| size.0 == id);
            let (parcels, points, bytes) = found.map_or((0, 0, 0), |size| (size.1, size.2, size.3));
            json!({ "datakit": id, "parcels": parcels, "points": points, "bytes": bytes, "limitBytes": tools.outbox_limit })
        })
        .collect();
    Ok(Answer::of(list.into()))
}

/// `GET /api/v1/calls?from=2026-11-01&to=2026-11-30&by=day`: by day or month, account and action.
pub(super) async fn calls(
    State(console): State<Arc<Console>>,
    Query(query): Questions,
) -> Result<Answer, Refused> {
    only(&query, &["from", "to", "by"])?;
    let today = DateTime::from_timestamp_nanos(console.clock.now()).date_naive();
    let day = |name: &str, default: NaiveDate| match query.get(name) {
        None => Ok(default),
        Some(text) => {
            text.parse().map_err(|_| Refused::bad(format!("`{name}` must be a day such as 2026-11-22")))
        }
    };
    let to = day("to", today)?;
    let from = day("from", to.checked_sub_days(chrono::Days::new(30)).unwrap_or(to))?;
    let length = match query.get("by").map(String::as_str) {
        None | Some("day") => 10,
        Some("month") => 7,
        Some(other) => return Err(Refused::bad(format!("`by` is `{other}`: day or month"))),
    };
    let mut sums: BTreeMap<(String, String, String), i64> = BTreeMap::new();
    for calls in console.store.calls_between(&from.to_string(), &to.to_string()).await? {
        let period = calls.day.get(..length).unwrap_or(&calls.day).to_owned();
        *sums.entry((period, calls.account, calls.action)).or_default() += calls.count;
    }
    let list: Vec<Value> = sums
        .into_iter()
        .map(|((period, account, action), count)| {
            json!({ "period": period, "account": account, "action": action, "count": count })
        })
        .collect();
    Ok(Answer::of(list.into()))
}

/// The processes that serve.
pub(super) fn nodes(console: &Console, nodes: Vec<Node>) -> Vec<Value> {
    nodes
        .into_iter()
        .map(|node| {
            json!({
                "id": node.id,
                "roles": node.roles.split(',').collect::<Vec<_>>(),
                "startTime": view::time(node.started),
                "seenTime": view::time(node.seen),
                "isThis": node.id == console.engine.worker(),
            })
        })
        .collect()
}

/// `GET /api/v1/service`.
pub(super) async fn service(State(console): State<Arc<Console>>) -> Result<Answer, Refused> {
    let now = console.clock.now();
    let counts: BTreeMap<&str, i64> =
        console.store.counts().await?.into_iter().map(|(status, count)| (status.as_str(), count)).mapped();
    let nodes = nodes(&console, console.store.nodes(now - HEARD).await?);
    let published = console.engine.library().published();
    let broken = published.scripts.values().filter(|script| script.problem.is_some()).count();
    Ok(Answer::of(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "worker": console.engine.worker(),
        "roles": console.roles.split(',').collect::<Vec<_>>(),
        "startTime": view::time(console.started),
        "time": view::time(now),
        "timezone": console.zone().name(),
        "library": console.engine.library().root().display().to_string(),
        "functions": published.functions().count(),
        "scriptsWithProblems": broken + published.problems.len(),
        "triggers": console.plan().triggers.len(),
        "idleTriggers": console.plan().idle.len(),
        "running": console.engine.going(),
        "runs": counts,
        "nodes": nodes,
    })))
}

/// `GET /healthz`: can the state be used?
pub(super) async fn health(State(console): State<Arc<Console>>) -> Response {
    let asked = tokio::time::timeout(Duration::from_secs(5), console.store.next_due()).await;
    match asked {
        Ok(Ok(_)) => Json(json!({ "ok": true })).into_response(),
        Ok(Err(error)) => {
            tracing::error!(%error, "not healthy");
            (
                StatusCode::SERVICE_UNAVAILABLE,
                Json(json!({ "ok": false, "message": "the state cannot be used: the log says why" })),
            )
                .into_response()
        }
        Err(_) => (
            StatusCode::SERVICE_UNAVAILABLE,
            Json(json!({ "ok": false, "message": "the state does not answer" })),
        )
            .into_response(),
    }
}
