//! What was called this month, by the days that the state counts (UTC).

use crate::money::Price;
use crate::state::{State, StateError, Time};
use chrono::{DateTime, Datelike as _};
use funchost_collectors::call::Counts;
use funchost_collectors::clock::SECOND;
use std::collections::BTreeMap;

/// How metrics are counted beside the calls that asked for them.
#[must_use]
pub fn metrics_key(action: &str) -> String {
    format!("{action} metrics")
}

/// The call whose metrics are counted so; none where calls are.
pub(super) fn metrics_of(key: &str) -> Option<&str> {
    key.strip_suffix(" metrics")
}

/// How long it is remembered whose price list holds for an account: longer than its calls are of interest.
const PARTITION_KNOWN: Time = 400 * 86_400 * SECOND;

fn partition_key(account: &str) -> String {
    format!("{account}\nprice list")
}

/// Remembers whose price list holds for an account: its counts do not say it. Writes only where something has changed.
///
/// # Errors
/// Where the state cannot be used.
pub async fn note_partition(
    state: &dyn State,
    account: &str,
    partition: &str,
    now: Time,
) -> Result<(), StateError> {
    if known_partition(state, account, now).await?.as_deref() == Some(partition) {
        return Ok(());
    }
    state.remember(&partition_key(account), partition.as_bytes(), now.saturating_add(PARTITION_KNOWN)).await
}

/// Whose price list holds for an account, where a run has told.
///
/// # Errors
/// Where the state cannot be read.
pub async fn known_partition(
    state: &dyn State,
    account: &str,
    now: Time,
) -> Result<Option<String>, StateError> {
    let known = state.recall(&partition_key(account), now).await?;
    Ok(known.and_then(|known| String::from_utf8(known).ok()))
}

/// What is counted for a day: calls, and metrics where the cloud bills by them.
#[must_use]
pub fn counted(counts: &Counts) -> BTreeMap<String, u64> {
    let mut counted = counts.snapshot();
    counted.extend(counts.metrics().into_iter().map(|(action, metrics)| (metrics_key(&action), metrics)));
    counted
}

/// The day of a time: `2026-11-22`.
#[must_use]
pub fn day(now: Time) -> String {
    DateTime::from_timestamp_nanos(now).format("%Y-%m-%d").to_string()
}

/// The month of a time: `2026-11`.
#[must_use]
pub fn month(now: Time) -> String {
    DateTime::from_timestamp_nanos(now).format("%Y-%m").to_string()
}

/// The units of a price that an account has used in this month.
///
/// # Errors
/// Where the state cannot be read.
pub async fn used(state: &dyn State, account: &str, price: &Price, now: Time) -> Result<u64, StateError> {
    let month = month(now);
    let mut used: u64 = 0;
    for day in 1..=DateTime::from_timestamp_nanos(now).day() {
        let calls = state.calls(&format!("{month}-{day:02}"), account).await?;
        used = used.saturating_add(price.units(&calls));
    }
    Ok(used)
}
