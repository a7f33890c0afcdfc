//! `funchost outbox`: what waits for a DataKit, and what a person can do about it.
//!
//! Every run sends what waits by itself, first of all. This is for looking, for sending without collecting, and for giving points up. Knows nothing
//! of how points are kept.

use super::progress;
use super::run::{datakits, interrupts, json};
use super::table::Table;
use super::{Common, Format, Surroundings, config_entries};
use crate::config::Config;
use crate::runner::{OutboxReport, rfc3339, send_outbox};
use crate::sink;
use crate::state::{State, Waiting};
use clap::{Args, Subcommand};
use funchost_collectors::call::{CallPath, Options};
use funchost_collectors::mistake::nearest;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Parcels that a text shows; a document holds them all.
const SHOWN: usize = 50;

#[derive(Args)]
pub(super) struct OutboxArguments {
    #[command(subcommand)]
    command: OutboxCommand,
}

#[derive(Subcommand)]
enum OutboxCommand {
    /// Show what waits, oldest first
    List(ListArguments),
    /// Send what waits now, without collecting anything
    Send(SendArguments),
    /// Give up points that wait: they are lost, and no run collects them again
    Drop(DropArguments),
}

#[derive(Args)]
struct ListArguments {
    /// Only what waits for this DataKit
    #[arg(long, value_name = "ID")]
    datakit: Option<String>,
    /// How it is written
    #[arg(long, value_enum, default_value_t)]
    output: Format,
}

#[derive(Args)]
struct SendArguments {
    /// Only to this DataKit
    #[arg(long, value_name = "ID")]
    datakit: Option<String>,
    /// How it is written
    #[arg(long, value_enum, default_value_t)]
    output: Format,
}

#[derive(Args)]
#[command(group = clap::ArgGroup::new("which").required(true).multiple(false))]
struct DropArguments {
    /// The parcels, by the ids that `funchost outbox list` shows
    #[arg(value_name = "PARCEL", group = "which")]
    parcels: Vec<i64>,
    /// All that waits for this DataKit, configured or not
    #[arg(long, value_name = "ID", group = "which")]
    datakit: Option<String>,
    /// All that waits
    #[arg(long, group = "which")]
    all: bool,
    /// How it is written
    #[arg(long, value_enum, default_value_t)]
    output: Format,
}

/// Why it could not be done.
struct Trouble {
    message: String,
    code: u8,
    entries: Vec<Value>,
}

impl Trouble {
    fn new(code: u8, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { code, entries: vec![json!({ "message": message })], message: format!("error: {message}") }
    }
}

impl From<crate::state::StateError> for Trouble {
    fn from(error: crate::state::StateError) -> Self {
        Self::new(1, error.to_string())
    }
}

pub(super) fn main(surroundings: &Surroundings, common: &Common, arguments: &OutboxArguments) -> u8 {
    let format = match &arguments.command {
        OutboxCommand::List(arguments) => arguments.output,
        OutboxCommand::Send(arguments) => arguments.output,
        OutboxCommand::Drop(arguments) => arguments.output,
    };
    match done(surroundings, common, arguments) {
        Ok((code, text, document)) => {
            surroundings.out(if format == Format::Json { &document } else { &text });
            code
        }
        Err(trouble) => {
            surroundings.say(trouble.message.trim_end());
            if format == Format::Json {
                let status = if trouble.code == 2 { "invalid" } else { "failed" };
                surroundings.out(&json(&json!({ "status": status, "errors": trouble.entries })));
            }
            trouble.code
        }
    }
}

/// The exit code, the text and the document.
type Done = (u8, String, String);

fn done(surroundings: &Surroundings, common: &Common, arguments: &OutboxArguments) -> Result<Done, Trouble> {
    let config = surroundings.config(common).map_err(|error| Trouble {
        message: error.to_string(),
        code: 2,
        entries: config_entries(&error),
    })?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Trouble::new(1, format!("the program cannot start its threads: {error}")))?;
    let done = runtime.block_on(async {
        let opened =
            crate::state::open(&config.state, config.database.as_ref(), surroundings.clock.clone()).await?;
        let state: Arc<dyn State> = opened.store;
        match &arguments.command {
            OutboxCommand::List(arguments) => list(&config, state.as_ref(), arguments).await,
            OutboxCommand::Send(arguments) => send(surroundings, &config, state, arguments).await,
            OutboxCommand::Drop(arguments) => drop_parcels(&config, state.as_ref(), arguments).await,
        }
    });
    runtime.shutdown_timeout(std::time::Duration::from_millis(200));
    done
}

/// Is this DataKit known: configured, or named by something that waits?
fn known(config: &Config, waiting: &[Waiting], id: &str) -> Result<(), Trouble> {
    let mut ids: BTreeSet<&str> = config.datakits.keys().map(String::as_str).collect();
    ids.extend(waiting.iter().map(|parcel| parcel.datakit.as_str()));
    if ids.contains(id) {
        return Ok(());
    }
    let hint = match nearest(id, ids.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("known: {}", ids.into_iter().collect::<Vec<_>>().join(", ")),
    };
    Err(Trouble::new(2, format!("no DataKit `{id}` is configured, and nothing waits for one\nhint: {hint}")))
}

async fn list(config: &Config, state: &dyn State, arguments: &ListArguments) -> Result<Done, Trouble> {
    let all = state.waiting(None).await?;
    if let Some(id) = &arguments.datakit {
        known(config, &all, id)?;
    }
    let parcels: Vec<&Waiting> = all
        .iter()
        .filter(|parcel| arguments.datakit.as_ref().is_none_or(|id| *id == parcel.datakit))
        .collect();
    let sums = sums(parcels.iter().copied());
    let document = json(&json!({
        "datakits": sums.iter().map(|(id, sum)| json!({
            "datakit": id,
            "configured": config.datakits.contains_key(*id),
            "parcels": sum.parcels, "points": sum.points, "bytes": sum.bytes,
        })).collect::<Vec<_>>(),
        "limit": config.outbox_limit,
        "parcels": parcels.iter().map(|parcel| entry(parcel)).collect::<Vec<_>>(),
    }));
    if parcels.is_empty() {
        return Ok((0, "nothing waits\n".into(), document));
    }
    let mut text = String::new();
    let mut table = Table::new(&["datakit", "parcels", "points", "size", ""]);
    for (id, sum) in &sums {
        let note =
            if config.datakits.contains_key(*id) { "" } else { "not configured: nothing of it is sent" };
        table.row(vec![
            (*id).to_owned(),
            sum.parcels.to_string(),
            sum.points.to_string(),
            size(sum.bytes),
            note.to_owned(),
        ]);
    }
    text.push_str(&format!("{table}\n"));
    let mut table = Table::new(&["parcel", "datakit", "category", "points", "size", "kept", "too old from"]);
    for parcel in parcels.iter().take(SHOWN) {
        table.row(vec![
            parcel.id.to_string(),
            parcel.datakit.clone(),
            parcel.category.clone(),
            parcel.points.to_string(),
            size(parcel.bytes),
            rfc3339(parcel.created),
            rfc3339(too_old_from(parcel)),
        ]);
    }
    text.push_str(&table.to_string());
    if let Some(more @ 1..) = parcels.len().checked_sub(SHOWN) {
        text.push_str(&format!("and {more} more: --output json shows all\n"));
    }
    let all: u64 = state.outbox_sizes().await?.iter().map(|(.., bytes)| bytes).sum();
    text.push_str(&format!(
        "\n{} of {} are used{}\n",
        size(all),
        size(config.outbox_limit),
        if sums.keys().any(|id| config.datakits.contains_key(*id)) {
            "; the next run that writes to a DataKit sends what waits for it first"
        } else {
            ""
        }
    ));
    Ok((0, text, document))
}

async fn send(
    surroundings: &Surroundings,
    config: &Config,
    state: Arc<dyn State>,
    arguments: &SendArguments,
) -> Result<Done, Trouble> {
    let waiting = state.waiting(arguments.datakit.as_deref()).await?;
    if let Some(id) = &arguments.datakit {
        known(config, &waiting, id)?;
    }
    let calls = CallPath::new(Options::default(), surroundings.clock.clone())
        .map_err(|error| Trouble::new(1, error.to_string()))?;
    let datakits =
        datakits(surroundings, config, &calls).map_err(|error| Trouble::new(2, error.to_string()))?;
    let stop = CancellationToken::new();
    let interrupted = tokio::spawn(interrupts(stop.clone()));
    let (mut text, mut entries, mut code) = (String::new(), Vec::new(), 0);
    let sums = sums(&waiting);
    let shown = progress::show(surroundings).map(|(_, counting, shown)| {
        let all = sums.values().map(|sum| sum.points).sum();
        (tokio::spawn(watch(state.clone(), counting, all)), shown)
    });
    for (id, sum) in sums {
        let (report, why) = match datakits.get(id) {
            Some(datakit) => {
                send_outbox(state.clone(), (id, datakit.clone()), config.outbox_limit, stop.clone()).await?
            }
            None => {
                let why = format!(
                    "it is not configured: add `[datakits.{id}]` to funchost.toml, or give the points up with `funchost outbox drop --datakit {id}`"
                );
                (OutboxReport { waiting: sum.points, ..OutboxReport::default() }, Some(why))
            }
        };
        let why = why.filter(|_| report.waiting > 0);
        if report.waiting > 0 || report.rejected > 0 || report.too_old > 0 || report.evicted > 0 {
            code = 1;
        }
        text.push_str(&format!("{id}: {}\n", said(&report)));
        if let Some(why) = &why {
            text.push_str(&format!("  {why}\n"));
        }
        entries.push(json!({
            "datakit": id,
            "delivered": report.delivered, "too_old": report.too_old, "rejected": report.rejected,
            "evicted": report.evicted, "waiting": report.waiting, "reason": why,
        }));
    }
    interrupted.abort();
    if let Some((watching, shown)) = shown {
        watching.abort();
        drop(shown);
    }
    if stop.is_cancelled() {
        code = 130;
    }
    if entries.is_empty() {
        text.push_str("nothing waits\n");
    }
    Ok((code, text, json(&json!({ "datakits": entries }))))
}

/// Tells how much of what waited has gone, until it is aborted.
async fn watch(state: Arc<dyn State>, counting: Arc<progress::Progress>, all: u64) {
    let mut rhythm = tokio::time::interval(std::time::Duration::from_millis(500));
    loop {
        rhythm.tick().await;
        if let Ok(sizes) = state.outbox_sizes().await {
            let left: u64 = sizes.into_iter().map(|(_, _, points, _)| points).sum();
            counting.done(all.saturating_sub(left), all);
        }
    }
}

async fn drop_parcels(
    config: &Config,
    state: &dyn State,
    arguments: &DropArguments,
) -> Result<Done, Trouble> {
    let waiting = state.waiting(None).await?;
    if let Some(id) = &arguments.datakit {
        known(config, &waiting, id)?;
    }
    let ids: Vec<i64> = if arguments.all || arguments.datakit.is_some() {
        waiting
            .iter()
            .filter(|parcel| arguments.datakit.as_ref().is_none_or(|id| *id == parcel.datakit))
            .map(|parcel| parcel.id)
            .collect()
    } else {
        // In the order they wait, each once.
        arguments.parcels.iter().copied().collect::<BTreeSet<_>>().into_iter().collect()
    };
    let dropped = state.discard(&ids).await?;
    let gone: BTreeSet<i64> = dropped.iter().map(|parcel| parcel.id).collect();
    // Between looking and dropping another process may have sent some: only those that were named are missed.
    let missing: Vec<i64> = arguments.parcels.iter().copied().filter(|id| !gone.contains(id)).collect();
    let mut text = String::new();
    for (id, sum) in sums(&dropped) {
        text.push_str(&format!(
            "{id}: {} points in {} parcel{} dropped: they are lost, and no run collects them again\n",
            sum.points,
            sum.parcels,
            if sum.parcels == 1 { "" } else { "s" }
        ));
    }
    for id in &missing {
        text.push_str(&format!("{id}: no such parcel waits\n"));
    }
    if text.is_empty() {
        text.push_str("nothing waits: nothing was dropped\n");
    }
    let document = json(&json!({
        "dropped": dropped.iter().map(entry).collect::<Vec<_>>(),
        "points": dropped.iter().map(|parcel| parcel.points).sum::<u64>(),
        "not_found": missing,
    }));
    Ok((u8::from(!missing.is_empty()), text, document))
}

#[derive(Default)]
struct Sum {
    parcels: u64,
    points: u64,
    bytes: u64,
}

/// By DataKit.
fn sums<'all>(parcels: impl IntoIterator<Item = &'all Waiting>) -> BTreeMap<&'all str, Sum> {
    let mut sums: BTreeMap<&str, Sum> = BTreeMap::new();
    for parcel in parcels {
        let sum = sums.entry(&parcel.datakit).or_default();
        sum.parcels += 1;
        sum.points += parcel.points;
        sum.bytes += parcel.bytes;
    }
    sums
}

/// When the first of its points can no longer be written.
fn too_old_from(parcel: &Waiting) -> i64 {
    parcel.oldest.saturating_add(sink::REACH - sink::MARGIN)
}

fn entry(parcel: &Waiting) -> Value {
    json!({
        "id": parcel.id,
        "datakit": parcel.datakit,
        "category": parcel.category,
        "points": parcel.points,
        "bytes": parcel.bytes,
        "kept": rfc3339(parcel.created),
        "oldest": rfc3339(parcel.oldest),
        "too_old_from": rfc3339(too_old_from(parcel)),
    })
}

/// What sending came to, for a person.
fn said(report: &OutboxReport) -> String {
    let mut parts = vec![format!("{} points delivered", report.delivered)];
    for (count, words) in [
        (report.too_old, "dropped: they grew too old, and DataKit would write them under a wrong time"),
        (report.rejected, "rejected"),
        (report.evicted, "pushed out, because the outbox is full"),
        (report.waiting, "still waiting"),
    ] {
        if count > 0 {
            parts.push(format!("{count} {words}"));
        }
    }
    parts.join(", ")
}

#[expect(clippy::cast_precision_loss, reason = "a size shown to a tenth")]
fn size(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} bytes"),
        1024..1_048_576 => format!("{:.1} KiB", bytes as f64 / 1024.0),
        _ => format!("{:.1} MiB", bytes as f64 / 1_048_576.0),
    }
}
