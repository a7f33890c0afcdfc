//! The metrics of a namespace, as Monitor registers them.
//!
//! Owns the list and what is known to be unsupported (both remembered for a day), and the choice of period and statistic.

use super::namespaces::Namespace;
use super::{DESCRIBE_BASE_METRICS, VERSION};
use crate::collector::Failure;
use crate::point::Text;
use crate::run::Run;
use crate::tencentcloud::client::Client;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;
use std::time::Duration;

/// How long a list is remembered.
const VALID: Duration = Duration::from_secs(86_400);

/// The shortest period that is asked for, seconds.
const SHORTEST: i64 = 60;

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

/// All metrics of a namespace: remembered, or listed; one answer holds them all.
pub(super) async fn list(
    run: &Run,
    client: &Client<'_>,
    namespace: &Namespace,
) -> Result<Vec<Metric>, Failure> {
    let key = format!("tencentcloud_monitor\nmetrics\n{}", namespace.name);
    if let Some(metrics) = run.memory.recall(&key).await?.and_then(|value| remembered(&value)) {
        return Ok(metrics);
    }
    let body = json!({ "Namespace": namespace.name });
    let metrics = client.ask(&DESCRIBE_BASE_METRICS, VERSION, &body, &read).await?;
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

/// Metrics that are listed and not supported.
pub(super) async fn unsupported(run: &Run, namespace: &Namespace) -> Result<BTreeSet<Text>, Failure> {
    let value = run.memory.recall(&unsupported_key(namespace.name)).await?;
    Ok(value.and_then(|value| serde_json::from_slice(&value).ok()).unwrap_or_default())
}

/// Keeps them, beside those that are known.
pub(super) async fn remember_unsupported(
    run: &Run,
    namespace: &str,
    names: &BTreeSet<Text>,
) -> Result<(), Failure> {
    let key = unsupported_key(namespace);
    let value = run.memory.recall(&key).await?;
    let mut all: BTreeSet<Text> =
        value.and_then(|value| serde_json::from_slice(&value).ok()).unwrap_or_default();
    all.extend(names.iter().cloned());
    let value = serde_json::to_vec(&all).map_err(|error| Failure::State(error.to_string()))?;
    run.memory.remember(&key, &value, VALID).await
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
