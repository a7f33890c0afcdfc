//! `funchost runs [ID]` and `funchost logs ID`: what the service and the command line did, from the state.

use super::table::Table;
use super::{Common, Format, Surroundings, zone};
use crate::config::Config;
use crate::runner::RunReport;
use crate::schedule::prefix;
use crate::schedule::zone::Zone;
use crate::state::Time;
use crate::state::runs::{Detail, Filter, Origin, Record, Store};
use chrono::DateTime;
use clap::{Args, ValueEnum};
use std::sync::Arc;
use std::time::Duration;

#[derive(Args)]
pub(super) struct RunsArguments {
    /// One run, with all that is known of it
    id: Option<i64>,
    /// Only of this function
    #[arg(long, value_name = "FUNC")]
    func: Option<String>,
    /// Only of this trigger
    #[arg(long, value_name = "TRIGGER")]
    trigger: Option<String>,
    /// Only those that stand so
    #[arg(long, value_enum)]
    status: Option<StatusWord>,
    /// How many, the newest first
    #[arg(long, value_name = "COUNT", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    count: u32,
    /// How it is written
    #[arg(long, value_enum, default_value_t)]
    output: Format,
}

#[derive(Args)]
pub(super) struct LogsArguments {
    /// The run: `funchost runs` lists them
    id: i64,
    /// Wait for more, until the run ends
    #[arg(long)]
    follow: bool,
}

/// [`crate::state::runs::Status`], as a word of the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum StatusWord {
    Queued,
    Running,
    Success,
    Failure,
    Timeout,
    Skip,
    Missed,
    Expired,
    Interrupted,
}

impl StatusWord {
    fn status(self) -> crate::state::runs::Status {
        use crate::state::runs::Status;
        match self {
            Self::Queued => Status::Queued,
            Self::Running => Status::Running,
            Self::Success => Status::Success,
            Self::Failure => Status::Failure,
            Self::Timeout => Status::Timeout,
            Self::Skip => Status::Skip,
            Self::Missed => Status::Missed,
            Self::Expired => Status::Expired,
            Self::Interrupted => Status::Interrupted,
        }
    }
}

/// Does something with the state that the configuration names.
fn with_state<T>(
    surroundings: &Surroundings,
    common: &Common,
    work: impl AsyncFnOnce(Arc<dyn Store>, &Config) -> Result<T, String>,
) -> Result<T, u8> {
    let config = surroundings.config(common).map_err(|error| {
        surroundings.say(error.to_string().trim_end());
        2
    })?;
    let failed = |message: String| {
        surroundings.say(&format!("error: {message}"));
        1
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|error| failed(format!("the program cannot start its threads: {error}")))?;
    runtime.block_on(async {
        let opened = super::open_state(surroundings, &config).await;
        let opened = opened.map_err(|refusal| failed(refusal.message))?;
        work(opened.store, &config).await.map_err(failed)
    })
}

pub(super) fn main(surroundings: &Surroundings, common: &Common, arguments: &RunsArguments) -> u8 {
    let done = with_state(surroundings, common, async |state, config| {
        let zone = zone(config);
        if let Some(id) = arguments.id {
            let Some((record, detail)) = state.run(id).await.map_err(|error| error.to_string())? else {
                return Err(no_run(id));
            };
            surroundings.out(&match arguments.output {
                Format::Json => super::run::json(&crate::console::run(&record, &detail)),
                Format::Text => one(&record, &detail, zone),
            });
            return Ok(());
        }
        let filter = Filter {
            func: arguments.func.clone(),
            trigger: arguments.trigger.clone(),
            status: arguments.status.map(StatusWord::status),
            ..Filter::default()
        };
        let (records, total) =
            state.runs(&filter, 0, i64::from(arguments.count)).await.map_err(|error| error.to_string())?;
        match arguments.output {
            Format::Json => {
                let list: Vec<_> = records.iter().map(crate::console::record).collect();
                surroundings.out(&super::run::json(&serde_json::json!({ "total": total, "runs": list })));
            }
            Format::Text if records.is_empty() => {
                surroundings
                    .say("no run is recorded: `funchost run` and `funchost serve` record what they run");
            }
            Format::Text => {
                surroundings.out(&list(&records, zone));
                let shown = i64::try_from(records.len()).unwrap_or(i64::MAX);
                if total > shown {
                    surroundings.say(&format!("{shown} of {total} runs: --count shows more"));
                }
            }
        }
        Ok(())
    });
    done.map_or_else(|code| code, |()| 0)
}

pub(super) fn logs(surroundings: &Surroundings, common: &Common, arguments: &LogsArguments) -> u8 {
    let done = with_state(surroundings, common, async |state, config| {
        let zone = zone(config);
        let mut after = 0;
        loop {
            let run = state.run(arguments.id).await.map_err(|error| error.to_string())?;
            let Some((record, _)) = run else { return Err(no_run(arguments.id)) };
            loop {
                let lines =
                    state.lines(arguments.id, after, 1000).await.map_err(|error| error.to_string())?;
                let Some(last) = lines.last() else { break };
                after = last.number;
                for line in &lines {
                    surroundings.out(&format!("{} {}\n", prefix(line, zone), said(&line.kind, &line.text)));
                }
            }
            if !arguments.follow || record.status.is_final() {
                if after == 0 && record.origin == Origin::Command {
                    surroundings.say(&format!(
                        "run {} was started on a command line: what it said went there; `funchost runs {}` shows its report",
                        record.id, record.id
                    ));
                } else if after == 0 {
                    surroundings.say(&format!("run {} said nothing: {}", record.id, record.status.as_str()));
                }
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    });
    done.map_or_else(|code| code, |()| 0)
}

fn no_run(id: i64) -> String {
    format!(
        "there is no run {id}: it never was, or its record was forgotten by its age\nhint: `funchost runs` lists those that there are"
    )
}

/// A line as its kind says it.
pub(super) fn said(kind: &str, text: &str) -> String {
    match kind {
        "print" => text.to_owned(),
        "host" => format!("funchost: {text}"),
        other => format!("{other}: {text}"),
    }
}

fn shown(time: Time, zone: Zone) -> String {
    DateTime::from_timestamp_nanos(time).with_timezone(&zone).format("%Y-%m-%d %H:%M:%S").to_string()
}

fn seconds(from: Option<Time>, to: Option<Time>) -> String {
    match from.zip(to) {
        #[expect(clippy::cast_precision_loss, reason = "shown to a tenth of a second")]
        Some((from, to)) => format!("{:.1} s", (to - from).max(0) as f64 / 1e9),
        None => String::new(),
    }
}

fn list(records: &[Record], zone: Zone) -> String {
    let mut table =
        Table::new(&["run", "function", "by", "time", "status", "waited", "took", "points", "reason"]);
    for record in records {
        let by = match (&record.trigger, record.origin) {
            (Some(trigger), origin) if *trigger == record.func => origin.as_str().to_owned(),
            (Some(trigger), origin) => format!("{} {trigger}", origin.as_str()),
            (None, origin) => origin.as_str().to_owned(),
        };
        table.row(vec![
            record.id.to_string(),
            record.func.clone(),
            by,
            shown(record.tick.unwrap_or(record.created), zone),
            record.status.as_str().to_owned(),
            seconds(Some(record.due), record.started),
            seconds(record.started, record.ended),
            record.points.map(|points| points.to_string()).unwrap_or_default(),
            record.reason.as_deref().and_then(|reason| reason.lines().next()).unwrap_or_default().to_owned(),
        ]);
    }
    table.to_string()
}

fn one(record: &Record, detail: &Detail, zone: Zone) -> String {
    let mut rows = vec![
        ("run", record.id.to_string()),
        ("function", record.func.clone()),
        ("status", record.status.as_str().to_owned()),
        ("reason", record.reason.clone().unwrap_or_default()),
        ("asked for by", record.origin.as_str().to_owned()),
        ("trigger", record.trigger.clone().unwrap_or_default()),
        ("tick", record.tick.map(|tick| shown(tick, zone)).unwrap_or_default()),
        (
            "delay",
            if record.delay > 0 { format!("{} s", record.delay / 1_000_000_000) } else { String::new() },
        ),
        ("arguments", if detail.kwargs == "{}" { String::new() } else { detail.kwargs.clone() }),
        ("asked for", shown(record.created, zone)),
        ("started", record.started.map(|time| shown(time, zone)).unwrap_or_default()),
        ("waited", seconds(Some(record.due), record.started)),
        ("ended", record.ended.map(|time| shown(time, zone)).unwrap_or_default()),
        ("took", seconds(record.started, record.ended)),
        ("worker", record.worker.clone().unwrap_or_default()),
        ("result", detail.result.clone().filter(|result| result != "null").unwrap_or_default()),
    ];
    if record.fence > 1 {
        rows.push(("attempt", record.fence.to_string()));
    }
    let mut text = String::new();
    for (name, value) in rows.into_iter().filter(|(_, value)| !value.is_empty()) {
        text.push_str(&format!("{name:<13} {value}\n"));
    }
    let report = detail.report.as_deref().and_then(|report| serde_json::from_str::<RunReport>(report).ok());
    if let Some(report) = report {
        text.push_str(&format!("\n{}", report.text()));
    }
    let errors =
        detail.error.as_deref().and_then(|error| serde_json::from_str::<serde_json::Value>(error).ok());
    let first = |key: &str| errors.as_ref().and_then(|errors| errors[0][key].as_str());
    match (first("rendered"), first("hint")) {
        (Some(rendered), _) => text.push_str(&format!("\n{rendered}\n")),
        // It has no place in a script; its words are the reason.
        (None, Some(hint)) => text.push_str(&format!("\nhint: {hint}\n")),
        (None, None) => {}
    }
    text
}
