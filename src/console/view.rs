//! Data of records: what the page and programs read.
//!
//! Owns the names of the members. Times are RFC 3339 in UTC with milliseconds, durations milliseconds or seconds by their names.

use super::standing::{Standing, is_by_hand};
use super::told::told_of;
use crate::schedule::zone::Zone;
use crate::schedule::{PublishedScript, prefix};
use crate::script::{ApiFunction, Masker};
use crate::state::Time;
use crate::state::runs::{Detail, LogLine, Record};
use chrono::{DateTime, SecondsFormat};
use serde_json::{Value, json};

/// A time.
pub(super) fn time(time: Time) -> String {
    DateTime::from_timestamp_nanos(time).to_rfc3339_opts(SecondsFormat::Millis, true)
}

fn times(value: Option<Time>) -> Option<String> {
    value.map(time)
}

/// A run, as lists show it.
pub(super) fn record(record: &Record) -> Value {
    let milliseconds = |from: Option<Time>, to: Option<Time>| Some((to? - from?).max(0) / 1_000_000);
    json!({
        "id": record.id,
        "funcId": record.func,
        "origin": record.origin,
        "triggerId": record.trigger,
        "tick": times(record.tick),
        "delay": record.delay / 1_000_000_000,
        "ticks": record.ticks,
        "status": record.status,
        "isStoppedByHand": is_by_hand(record),
        "reason": record.reason,
        "told": told_of(record),
        "createTime": time(record.created),
        "dueTime": time(record.due),
        "startTime": times(record.started),
        "endTime": times(record.ended),
        "waitMs": milliseconds(Some(record.due), record.started),
        "runMs": milliseconds(record.started, record.ended),
        "worker": record.worker,
        "attempt": record.fence,
        "points": record.points,
        "calls": record.calls,
        "final": record.status.is_final(),
    })
}

/// What was kept as text, as data.
pub(super) fn parsed(text: Option<&str>) -> Value {
    text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or(Value::Null)
}

/// A run with all that is known of it.
pub(super) fn whole(run: &Record, detail: &Detail) -> Value {
    let mut data = record(run);
    if let Some(data) = data.as_object_mut() {
        data.insert("kwargs".into(), parsed(Some(&detail.kwargs)));
        data.insert("result".into(), parsed(detail.result.as_deref()));
        data.insert("report".into(), parsed(detail.report.as_deref()));
        data.insert("errors".into(), parsed(detail.error.as_deref()));
        data.insert("samples".into(), parsed(detail.samples.as_deref()));
    }
    data
}

/// A line of a log.
pub(super) fn line(line: &LogLine, zone: Zone) -> Value {
    json!({
        "number": line.number,
        "time": time(line.time),
        "prefix": prefix(line, zone),
        "kind": line.kind,
        "text": line.text,
    })
}

/// A function.
pub(super) fn function(function: &ApiFunction, script: &PublishedScript, last: Option<&Record>) -> Value {
    json!({
        "id": function.id,
        "name": function.name,
        "scriptId": function.id.rsplit_once('.').map(|(script, _)| script),
        "title": function.title,
        "category": function.options.category.as_deref().unwrap_or("general"),
        "tags": function.options.tags,
        "kwargs": function.parameters,
        "timeout": function.options.timeout.unwrap_or(300),
        "expires": function.options.expires,
        "fixedCrontab": function.options.fixed_crontab,
        "delayedCrontab": function.options.delayed_crontab,
        "place": function.place.as_ref().map(ToString::to_string),
        "publishTime": time(script.since),
        "problem": script.problem,
        "lastRun": last.map(record),
    })
}

/// A trigger, and how it stands.
pub(super) fn trigger(standing: &Standing<'_>, title: Option<&str>, masker: &Masker) -> Value {
    let trigger = standing.trigger;
    json!({
        "id": trigger.id,
        "funcId": trigger.func,
        "title": title,
        "crontab": trigger.crontab.text(),
        "isFixed": trigger.fixed,
        "timezone": trigger.crontab.zone().name(),
        "kwargs": crate::hiding::shown(&trigger.kwargs, masker),
        "delays": trigger.delays,
        "catchUp": match trigger.catch_up {
            crate::config::CatchUp::Last => "last",
            crate::config::CatchUp::None => "none",
        },
        "isDisabled": !trigger.enabled,
        "isPaused": standing.paused,
        "isLate": standing.late,
        "isSlow": standing.slow,
        "nextRun": standing.next.map(time),
        "configuredSeconds": standing.configured,
        "effectiveSeconds": standing.effective,
        "lastRun": standing.last.map(record),
        "problem": null,
    })
}
