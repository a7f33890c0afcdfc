//! `GET /metrics`: Prometheus's text format.

use super::Console;
use super::answer::Refused;
use crate::state::runs::Status;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use funchost_collectors::clock::SECOND;
use std::collections::HashSet;
use std::fmt::Write as _;
use std::sync::Arc;

/// A label's value: backslash, quote and line break are escaped.
fn label(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

pub(super) async fn metrics(State(console): State<Arc<Console>>) -> Result<Response, Refused> {
    let mut text = String::new();
    let mut family = |name: &str, help: &str, values: Vec<(String, String)>| {
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge");
        for (labels, value) in values {
            let _ = writeln!(text, "{name}{labels} {value}");
        }
    };
    let now = console.clock.now();
    family(
        "funchost_info",
        "The version that runs.",
        vec![(
            format!(
                "{{version=\"{}\",worker=\"{}\"}}",
                env!("CARGO_PKG_VERSION"),
                label(console.engine.worker())
            ),
            "1".into(),
        )],
    );
    family(
        "funchost_start_time_seconds",
        "When the process started, since 1970.",
        vec![(String::new(), (console.started / SECOND).to_string())],
    );
    let counts = console.store.counts().await?;
    family(
        "funchost_runs",
        "Runs that are recorded, by status.",
        Status::ALL
            .iter()
            .map(|status| {
                let count = counts.get(status).copied().unwrap_or(0);
                (format!("{{status=\"{}\"}}", status.as_str()), count.to_string())
            })
            .collect(),
    );
    family(
        "funchost_running",
        "Runs that go on in this process.",
        vec![(String::new(), console.engine.going().to_string())],
    );
    // A trigger that is gone would ring for as long as its records are kept.
    let plan = console.plan();
    let is_there: HashSet<&str> = (plan.triggers.iter().map(|trigger| trigger.id.as_str()))
        .chain(plan.idle.iter().map(|idle| idle.id.as_str()))
        .collect();
    let mut last = console.store.last_by_trigger().await?;
    last.retain(|record| record.trigger.as_deref().is_some_and(|trigger| is_there.contains(trigger)));
    let of = |record: &crate::state::runs::Record| {
        format!(
            "{{trigger=\"{}\",func=\"{}\"}}",
            label(record.trigger.as_deref().unwrap_or_default()),
            label(&record.func)
        )
    };
    family(
        "funchost_trigger_last_success",
        "Did the last run of the trigger end well?",
        last.iter()
            .map(|record| (of(record), u8::from(record.status == Status::Success).to_string()))
            .collect(),
    );
    family(
        "funchost_trigger_last_end_age_seconds",
        "How long ago the last run of the trigger ended.",
        last.iter()
            .filter_map(|record| Some((of(record), ((now - record.ended?).max(0) / SECOND).to_string())))
            .collect(),
    );
    let sizes = console.store.outbox_sizes().await?;
    for (name, help, pick) in [
        ("funchost_outbox_points", "Points that wait for a DataKit.", 0),
        ("funchost_outbox_bytes", "Bytes that wait for a DataKit.", 1),
    ] {
        let value = |size: &(String, u64, u64, u64)| if pick == 0 { size.2 } else { size.3 };
        let values =
            sizes.iter().map(|size| (format!("{{datakit=\"{}\"}}", label(&size.0)), value(size).to_string()));
        family(name, help, values.collect());
    }
    let published = console.engine.library().published();
    let broken = published.scripts.values().filter(|script| script.problem.is_some()).count();
    family(
        "funchost_functions",
        "Functions that are published.",
        vec![(String::new(), published.functions().count().to_string())],
    );
    family(
        "funchost_script_problems",
        "Scripts that do not load as they are now.",
        vec![(String::new(), (broken + published.problems.len()).to_string())],
    );
    family(
        "funchost_idle_triggers",
        "Triggers that cannot fire.",
        vec![(String::new(), console.plan().idle.len().to_string())],
    );
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response())
}
