//! `GET /api/v1/overview`: what somebody who is woken up wants to know, in one answer.
//!
//! Owns what needs attention, and how urgent it is. Everything in it can be read elsewhere, too.

use super::Console;
use super::answer::{Answer, Refused};
use super::look::{HEARD, nodes};
use super::standing::{Standings, is_bad, is_by_hand};
use super::told::told;
use super::{usage, view};
use crate::state::Time;
use crate::state::runs::{Filter, Origin, Record, Status};
use axum::extract::State;
use funchost_collectors::clock::SECOND;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// How far back the hours go.
const HOURS: i64 = 24;
/// Entries of each list, at most.
const MOST: i64 = 20;
/// What needs attention is cut here; the count says how much there is.
const MOST_ATTENTION: usize = 50;
/// A run that waits longer than this for a worker waits too long.
const WAITS: Time = 60 * SECOND;

/// How urgent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Urgency {
    Bad,
    Warning,
    Known,
}

/// What is looked at first among what is equally urgent.
const ORDER: [&str; 11] = [
    "nobody", "failed", "late", "script", "idle", "outbox", "budget", "waiting", "slow", "stopped", "paused",
];

struct Attention {
    urgency: Urgency,
    kind: &'static str,
    /// What the page links to, and what it says.
    more: Map<String, Value>,
}

impl Attention {
    fn new(urgency: Urgency, kind: &'static str, more: Value) -> Self {
        let more = match more {
            Value::Object(more) => more,
            _ => Map::new(),
        };
        Self { urgency, kind, more }
    }

    fn shown(self) -> Value {
        let mut more = self.more;
        let urgency = match self.urgency {
            Urgency::Bad => "bad",
            Urgency::Warning => "warning",
            Urgency::Known => "known",
        };
        more.insert("urgency".into(), urgency.into());
        more.insert("kind".into(), self.kind.into());
        more.into()
    }
}

/// `GET /api/v1/overview`.
pub(super) async fn overview(State(console): State<Arc<Console>>) -> Result<Answer, Refused> {
    let now = console.clock.now();
    let plan = console.plan();
    let published = console.engine.library().published();
    let titles: HashMap<&str, &str> =
        published.functions().map(|function| (function.id.as_str(), function.title.as_str())).collect();
    let title = |func: &str| titles.get(func).copied();
    let standings = Standings::read(&console).await?;
    let mut attention = scripts(&console);
    let mut next = Vec::new();
    for trigger in &plan.triggers {
        let standing = standings.of(&console, trigger);
        let named = json!({ "triggerId": trigger.id, "funcId": trigger.func, "title": title(&trigger.func) });
        let with = |more: Value| {
            let mut all = named.as_object().cloned().unwrap_or_default();
            all.extend(more.as_object().cloned().unwrap_or_default());
            Value::Object(all)
        };
        if let Some(at) = standing.next {
            next.push((at, named.clone()));
        }
        if standing.paused {
            attention.push(Attention::new(Urgency::Known, "paused", with(json!({}))));
        } else if !trigger.enabled {
            // Switched off in the configuration, by somebody who knew it.
        } else if let Some(last) = standing.last.filter(|last| is_bad(last)) {
            attention.push(Attention::new(
                Urgency::Bad,
                "failed",
                with(json!({ "run": view::record(last), "isLate": standing.late })),
            ));
        } else if standing.late || standing.slow {
            let kind = if standing.late { "late" } else { "slow" };
            attention.push(Attention::new(
                if standing.late { Urgency::Bad } else { Urgency::Warning },
                kind,
                with(json!({
                    "configuredSeconds": standing.configured,
                    "effectiveSeconds": standing.effective,
                    "run": standing.last.map(view::record),
                })),
            ));
        } else if let Some(last) = standing.last.filter(|last| is_by_hand(last)) {
            attention.push(Attention::new(
                Urgency::Known,
                "stopped",
                with(json!({ "run": view::record(last) })),
            ));
        }
    }
    for idle in &plan.idle {
        attention.push(Attention::new(
            Urgency::Bad,
            "idle",
            json!({ "triggerId": idle.id, "funcId": idle.func, "title": title(&idle.func), "message": idle.why, "told": told(Some(&idle.why)) }),
        ));
    }
    attention.extend(calls(&console, now, &title).await?);
    attention.extend(waiting(&console, now).await?);
    for (account, message, used_up) in usage::tight(&console).await? {
        let urgency = if used_up { Urgency::Bad } else { Urgency::Warning };
        attention.push(Attention::new(urgency, "budget", json!({ "account": account, "message": message })));
    }
    let alive = console.store.nodes(now - HEARD).await?;
    for role in ["scheduler", "worker"] {
        let wanted = role == "worker" || !plan.triggers.is_empty();
        if wanted && !alive.iter().any(|node| node.roles.split(',').any(|own| own == role)) {
            attention.push(Attention::new(Urgency::Bad, "nobody", json!({ "role": role })));
        }
    }
    attention.sort_by_key(|one| (one.urgency, ORDER.iter().position(|kind| *kind == one.kind)));
    let count = attention.iter().filter(|one| one.urgency != Urgency::Known).count();
    let bad = attention.iter().filter(|one| one.urgency == Urgency::Bad).count();
    next.sort_by_key(|(at, _)| *at);
    let next: Vec<Value> = next
        .into_iter()
        .take(usize::try_from(MOST).unwrap_or(0))
        .map(|(at, mut named)| {
            named["nextRun"] = view::time(at).into();
            named
        })
        .collect();
    let (running, running_count) = standing_so(&console, Status::Running, &title).await?;
    let (queued, queued_count) = standing_so(&console, Status::Queued, &title).await?;
    Ok(Answer::of(json!({
        "time": view::time(now),
        "attention": attention.into_iter().take(MOST_ATTENTION).map(Attention::shown).collect::<Vec<_>>(),
        "attentionCount": count,
        "badCount": bad,
        "functions": published.functions().count(),
        "triggers": plan.triggers.len(),
        "running": running,
        "runningCount": running_count,
        "queued": queued,
        "queuedCount": queued_count,
        "next": next,
        "hours": hours(&console, now).await?,
        "nodes": nodes(&console, alive),
    })))
}

/// Scripts that do not load.
fn scripts(console: &Console) -> Vec<Attention> {
    let published = console.engine.library().published();
    let broken = published.scripts.iter().filter_map(|(id, script)| {
        let problem = script.problem.as_ref()?;
        // Its last good version runs on.
        let urgency = if script.script.is_some() { Urgency::Warning } else { Urgency::Bad };
        Some(Attention::new(
            urgency,
            "script",
            json!({ "scriptId": id, "isPublished": script.script.is_some(), "message": problem }),
        ))
    });
    let stray = published.problems.iter().map(|(file, why)| {
        Attention::new(
            Urgency::Bad,
            "script",
            json!({ "file": file.display().to_string(), "isPublished": false, "message": why }),
        )
    });
    broken.chain(stray).collect()
}

/// Functions that are called, not fired, and whose last run of the last day ended badly, or was stopped.
async fn calls<'t>(
    console: &Console,
    now: Time,
    title: &impl Fn(&str) -> Option<&'t str>,
) -> Result<Vec<Attention>, Refused> {
    let last = console.store.last_by_func().await?;
    let recent = |record: &&Record| {
        record.trigger.is_none()
            && (is_bad(record) || is_by_hand(record))
            && record.ended.is_some_and(|ended| now - ended < HOURS * 3600 * SECOND)
            && title(&record.func).is_some()
    };
    Ok(last
        .iter()
        .filter(recent)
        .map(|record| {
            let (urgency, kind) = match record.origin {
                _ if is_by_hand(record) => (Urgency::Known, "stopped"),
                // Who waited for the answer knows already.
                Origin::Sync => (Urgency::Warning, "failed"),
                _ => (Urgency::Bad, "failed"),
            };
            Attention::new(
                urgency,
                kind,
                json!({ "funcId": record.func, "title": title(&record.func), "run": view::record(record) }),
            )
        })
        .collect())
}

/// Runs that nobody takes, and points that nobody took.
async fn waiting(console: &Console, now: Time) -> Result<Vec<Attention>, Refused> {
    let mut found = Vec::new();
    let open = console.store.open_runs(now - WAITS, None, 100).await?;
    if let Some(first) = open.first() {
        found.push(Attention::new(
            Urgency::Warning,
            "waiting",
            json!({ "count": open.len(), "runId": first.id, "funcId": first.func }),
        ));
    }
    let limit = console.engine.tools().outbox_limit;
    let sizes = console.store.outbox_sizes().await?;
    let total: u64 = sizes.iter().map(|size| size.3).sum();
    for (datakit, parcels, points, bytes) in sizes {
        let urgency = if total > limit / 2 { Urgency::Bad } else { Urgency::Warning };
        found.push(Attention::new(
            urgency,
            "outbox",
            json!({ "datakit": datakit, "parcels": parcels, "points": points, "bytes": bytes, "limitBytes": limit }),
        ));
    }
    Ok(found)
}

async fn standing_so<'t>(
    console: &Console,
    status: Status,
    title: &impl Fn(&str) -> Option<&'t str>,
) -> Result<(Vec<Value>, i64), Refused> {
    let filter = Filter { status: Some(status), ..Filter::default() };
    let (records, count) = console.store.runs(&filter, 0, MOST).await?;
    let shown = records.iter().map(|record| {
        let mut shown = view::record(record);
        shown["title"] = title(&record.func).into();
        shown
    });
    Ok((shown.collect(), count))
}

/// The last hours, also those in which nothing ran.
async fn hours(console: &Console, now: Time) -> Result<Vec<Value>, Refused> {
    let hour = 3600 * SECOND;
    let first = now - now.rem_euclid(hour) - (HOURS - 1) * hour;
    let mut found: BTreeMap<Time, (BTreeMap<&str, i64>, i64)> = BTreeMap::new();
    for row in console.store.by_hour(first).await? {
        let entry = found.entry(row.hour).or_default();
        *entry.0.entry(row.status.as_str()).or_default() += row.count;
        entry.1 += row.points;
    }
    Ok((0..HOURS)
        .map(|number| {
            let at = first + number * hour;
            let (runs, points) = found.remove(&at).unwrap_or_default();
            json!({ "hour": view::time(at), "runs": runs, "points": points })
        })
        .collect())
}
