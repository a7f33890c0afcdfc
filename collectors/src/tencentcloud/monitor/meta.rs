//! The metrics of a namespace, as Monitor registers them.
//!
//! Owns the list and what is known to be unsupported (both remembered for a day), and the choice of period and statistic.

use super::namespaces::Namespace;
use super::{DESCRIBE_BASE_METRICS, SHORTEST, VERSION};
use crate::call::Fault;
use crate::collector::Failure;
use crate::point::Text;
use crate::run::{Memory, Run};
use crate::tencentcloud::client::Client;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How long a list is remembered.
pub(super) const VALID: Duration = Duration::from_secs(86_400);

/// The longest that is believed, seconds: no metric is rarer than one point a day.
const LONGEST: i64 = 86_400;

/// A metric that is listed.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
pub(super) struct Metric {
    pub(super) name: Text,
    /// Seconds.
    pub(super) period: i64,
    /// In lower case: `max`.
    pub(super) statistic: Text,
}

/// How a list is remembered.
#[derive(Serialize, Deserialize)]
struct Remembered {
    version: u32,
    metrics: Vec<Metric>,
}

const REMEMBERED: u32 = 1;

fn key(namespace: &Namespace) -> String {
    format!("tencentcloud_monitor\nmetrics\n{}", namespace.name)
}

/// The metrics of a namespace as they are known beforehand, and whether they are remembered still.
pub(super) async fn known(
    memory: &dyn Memory,
    namespace: &Namespace,
) -> Result<Option<(Vec<Metric>, bool)>, Failure> {
    let Some((value, valid)) = memory.known(&key(namespace)).await? else { return Ok(None) };
    Ok(remembered(&value).map(|metrics| (metrics, valid)))
}

/// All metrics of a namespace: remembered, or listed; one answer holds them all, and it is the same in every region. So a region that refuses (one
/// that is misspelt) leaves it to the next.
pub(super) async fn list(run: &Run, regions: &[Text], namespace: &Namespace) -> Result<Vec<Metric>, Failure> {
    let key = key(namespace);
    if let Some(metrics) = run.memory.recall(&key).await?.and_then(|value| remembered(&value)) {
        return Ok(metrics);
    }
    let body = json!({ "Namespace": namespace.name });
    let mut regions = regions.iter();
    let metrics = loop {
        let Some(region) = regions.next() else { return Ok(Vec::new()) };
        match Client::new(run, region).ask(&DESCRIBE_BASE_METRICS, VERSION, &body, &read).await {
            Err(error) if error.fault == Fault::Refused && regions.len() > 0 => {}
            result => break result?,
        }
    };
    if !metrics.is_empty() {
        let value = serde_json::to_vec(&Remembered { version: REMEMBERED, metrics: metrics.clone() })
            .map_err(|error| Failure::State(error.to_string()))?;
        run.memory.remember(&key, &value, VALID).await?;
    }
    Ok(metrics)
}

/// A value that cannot be read, or cannot be true, is as good as none.
fn remembered(value: &[u8]) -> Option<Vec<Metric>> {
    let Remembered { version, metrics } = serde_json::from_slice(value).ok()?;
    let true_periods = metrics.iter().all(|metric| (1..=LONGEST).contains(&metric.period));
    (version == REMEMBERED && true_periods).then_some(metrics)
}

#[expect(clippy::needless_pass_by_value, reason = "as the client hands it over")]
fn read(response: Json) -> Result<Vec<Metric>, String> {
    let list = match response.get("MetricSet") {
        None | Some(Json::Null) => return Ok(Vec::new()),
        Some(list) => list.as_array().ok_or("the answer's MetricSet is no list")?,
    };
    let mut metrics: Vec<Metric> = list.iter().filter_map(metric).collect();
    metrics.sort_by(|one, other| one.name.cmp(&other.name));
    metrics.dedup_by(|one, other| one.name == other.name);
    Ok(metrics)
}

/// The smallest period of at least a minute (the largest where all are shorter), and the first statistic that is registered for it.
fn metric(item: &Json) -> Option<Metric> {
    let name = item.get("MetricName")?.as_str().filter(|name| !name.is_empty())?;
    let periods = item.get("Periods").and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
    let mut known: Vec<(i64, &str)> = periods
        .iter()
        .filter_map(|period| {
            let seconds = match period.get("Period")? {
                Json::String(text) => text.trim().parse().ok()?,
                other => other.as_i64()?,
            };
            let statistic = period.get("StatType")?.as_array()?.iter().find_map(Json::as_str)?;
            (1..=LONGEST).contains(&seconds).then_some((seconds, statistic))
        })
        .collect();
    known.sort_unstable();
    let chosen = known.iter().find(|(seconds, _)| *seconds >= SHORTEST).or_else(|| known.last());
    let (period, statistic) = chosen?;
    Some(Metric { name: name.into(), period: *period, statistic: statistic.to_lowercase().into() })
}

fn unsupported_key(namespace: &str) -> String {
    format!("tencentcloud_monitor\nunsupported\n{namespace}")
}

/// Until when each is left out, nanoseconds since 1970.
type Until = BTreeMap<Text, i64>;

/// `now`: see [`Until`].
async fn left_out(memory: &dyn Memory, now: i64, namespace: &str) -> Result<Until, Failure> {
    let value = memory.recall(&unsupported_key(namespace)).await?;
    let mut until: Until = value.and_then(|value| serde_json::from_slice(&value).ok()).unwrap_or_default();
    until.retain(|_, until| *until > now);
    Ok(until)
}

/// Metrics that are listed and not supported.
pub(super) async fn unsupported(
    memory: &dyn Memory,
    now: i64,
    namespace: &Namespace,
) -> Result<BTreeSet<Text>, Failure> {
    Ok(left_out(memory, now, namespace.name).await?.into_keys().collect())
}

/// Keeps them for a day, beside those that are known.
pub(super) async fn remember_unsupported(run: &Run, namespace: &str, names: &[Text]) -> Result<(), Failure> {
    let now = run.clock.now();
    let mut all = left_out(run.memory.as_ref(), now, namespace).await?;
    let until = now.saturating_add(i64::try_from(VALID.as_nanos()).unwrap_or(i64::MAX));
    all.extend(names.iter().map(|name| (name.clone(), until)));
    let value = serde_json::to_vec(&all).map_err(|error| Failure::State(error.to_string()))?;
    run.memory.remember(&unsupported_key(namespace), &value, VALID).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn period_and_statistic_are_chosen_together() {
        let of = |periods: Json| {
            metric(&json!({ "MetricName": "M", "Periods": periods }))
                .map(|metric| (metric.period, metric.statistic))
        };
        let some = |period, statistic: &str| Some((period, Text::from(statistic)));
        assert_eq!(
            of(
                json!([{ "Period": "300", "StatType": ["avg"] }, { "Period": "60", "StatType": ["MAX", "min"] }, { "Period": "10", "StatType": ["sum"] }])
            ),
            some(60, "max")
        );
        assert_eq!(of(json!([{ "Period": 10, "StatType": ["last"] }])), some(10, "last"));
        assert_eq!(of(json!([{ "Period": "300", "StatType": ["avg"] }])), some(300, "avg"));
        assert_eq!(of(json!([{ "Period": "60", "StatType": [] }])), None, "nothing can be asked for");
        assert_eq!(of(json!(null)), None);
    }
}
