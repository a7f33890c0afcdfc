//! The metrics of a namespace, as CloudMonitor registers them.
//!
//! Owns the list (remembered for a day) and the choice of the period. Knows nothing of datapoints.

use super::{DESCRIBE_META, VERSION};
use crate::aliyun::client::Client;
use crate::collector::Failure;
use crate::mistake::nearest;
use crate::point::Text;
use crate::run::{Memory, Run};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How long a list is remembered.
pub(super) const VALID: Duration = Duration::from_secs(86_400);

/// Metrics of one page.
pub(super) const PAGE: usize = 1000;

/// More pages than this are no list: a hundred thousand metrics.
const PAGES: usize = 100;

/// The shortest period that is asked for, seconds.
const SHORTEST: i64 = 60;

/// The longest that is believed, seconds: no metric is rarer than one point a day.
const LONGEST: i64 = 86_400;

/// Namespaces that many users have, for "did you mean".
const KNOWN: &[&str] = &[
    "acs_alb",
    "acs_bandwidth_package",
    "acs_cdn",
    "acs_cen",
    "acs_ddosdip",
    "acs_ecs_dashboard",
    "acs_elasticsearch",
    "acs_ess_dashboard",
    "acs_express_connect",
    "acs_fc",
    "acs_hbase",
    "acs_k8s",
    "acs_kafka",
    "acs_kvstore",
    "acs_lindorm",
    "acs_memcache",
    "acs_mns_new",
    "acs_mongodb",
    "acs_nas",
    "acs_nat_gateway",
    "acs_nlb",
    "acs_oss_dashboard",
    "acs_polardb",
    "acs_rds_dashboard",
    "acs_rocketmq",
    "acs_slb_dashboard",
    "acs_sls_dashboard",
    "acs_vpc_eip",
    "acs_vpn",
];

/// A metric that exists.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
pub(super) struct Metric {
    pub(super) name: Text,
    /// Seconds.
    pub(super) period: i64,
}

/// How a list is remembered.
#[derive(Serialize, Deserialize)]
struct Remembered {
    version: u32,
    metrics: Vec<Metric>,
}

const REMEMBERED: u32 = 1;

fn key(namespace: &Text) -> String {
    format!("aliyun_cms\nmetrics\n{namespace}")
}

/// The metrics of a namespace as they are known beforehand, and whether they are remembered still.
pub(super) async fn known(
    memory: &dyn Memory,
    namespace: &Text,
) -> Result<Option<(Vec<Metric>, bool)>, Failure> {
    let Some((value, valid)) = memory.known(&key(namespace)).await? else { return Ok(None) };
    Ok(remembered(&value).map(|metrics| (metrics, valid)))
}

/// All metrics of a namespace: remembered, or listed to the end.
pub(super) async fn list(run: &Run, client: &Client<'_>, namespace: &Text) -> Result<Vec<Metric>, Failure> {
    let key = key(namespace);
    if let Some(metrics) = run.memory.recall(&key).await?.and_then(|value| remembered(&value)) {
        return Ok(metrics);
    }
    let metrics = listed(client, namespace).await?;
    // An empty list is asked for again: a misspelt name is mended.
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

/// Until when each metric is left out, nanoseconds since 1970, by the hosts that were asked.
type Absent = BTreeMap<String, i64>;

const ABSENT: &str = "aliyun_cms\nabsent";

/// A metric at these hosts.
fn absent_key(hosts: &[Text], namespace: &str, metric: &str) -> String {
    format!("{}\n{namespace}\n{metric}", hosts.join(","))
}

/// Metrics that are listed, and that none of these hosts has datapoints of for now.
pub(super) struct LeftOut {
    hosts: Vec<Text>,
    until: Absent,
}

impl LeftOut {
    /// What is remembered; `now`: see [`Absent`].
    pub(super) async fn recall(memory: &dyn Memory, now: i64, hosts: &[Text]) -> Result<Self, Failure> {
        let value = memory.recall(ABSENT).await?;
        // A value that cannot be read is as good as none.
        let mut until: Absent =
            value.and_then(|value| serde_json::from_slice(&value).ok()).unwrap_or_default();
        until.retain(|_, until| *until > now);
        Ok(Self { hosts: hosts.to_vec(), until })
    }

    /// Is it one of them?
    pub(super) fn has(&self, namespace: &str, metric: &str) -> bool {
        self.until.contains_key(&absent_key(&self.hosts, namespace, metric))
    }

    /// Keeps these for a day, beside those that are known.
    pub(super) async fn remember(
        mut self,
        run: &Run,
        found: &BTreeMap<Text, BTreeSet<Text>>,
    ) -> Result<(), Failure> {
        let until = run.clock.now().saturating_add(i64::try_from(VALID.as_nanos()).unwrap_or(i64::MAX));
        for (namespace, names) in found {
            self.until.extend(names.iter().map(|name| (absent_key(&self.hosts, namespace, name), until)));
        }
        let value = serde_json::to_vec(&self.until).map_err(|error| Failure::State(error.to_string()))?;
        run.memory.remember(ABSENT, &value, VALID).await
    }
}

async fn listed(client: &Client<'_>, namespace: &Text) -> Result<Vec<Metric>, Failure> {
    let mut metrics = BTreeMap::new();
    let mut came = 0;
    for page in 1.. {
        if page > PAGES {
            return Err(Failure::Answer(format!(
                "cms:DescribeMetricMetaList: the list of {namespace} does not end: {PAGES} pages came"
            )));
        }
        let parameters = [
            ("Namespace".to_owned(), namespace.to_string()),
            ("PageNumber".to_owned(), page.to_string()),
            ("PageSize".to_owned(), PAGE.to_string()),
        ];
        let answer = client.rpc(&DESCRIBE_META, VERSION, &parameters).await?;
        let resources = answer.pointer("/Resources/Resource").and_then(Json::as_array);
        let resources = resources.map_or(&[][..], Vec::as_slice);
        came += resources.len();
        for resource in resources {
            let text = |name: &str| resource.get(name).and_then(Json::as_str).unwrap_or_default();
            // A server that does not know the parameter would answer for all namespaces.
            if !text("MetricName").is_empty() && [&**namespace, ""].contains(&text("Namespace")) {
                metrics.insert(Text::from(text("MetricName")), period(text("Periods")));
            }
        }
        let total = answer.get("TotalCount").and_then(whole);
        if resources.is_empty() || total.map_or(resources.len() < PAGE, |total| came >= total) {
            break;
        }
    }
    Ok(metrics.into_iter().map(|(name, period)| Metric { name, period }).collect())
}

/// A count that comes as a number or as text.
fn whole(value: &Json) -> Option<usize> {
    match value {
        Json::Number(number) => number.as_u64().and_then(|number| number.try_into().ok()),
        Json::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// Of `15,60,300` the smallest of at least a minute; the largest where all are shorter; a minute where none is named.
fn period(written: &str) -> i64 {
    let mut periods: Vec<i64> = written
        .split(',')
        .filter_map(|period| period.trim().parse().ok())
        .filter(|period| (1..=LONGEST).contains(period))
        .collect();
    periods.sort_unstable();
    let long = periods.iter().copied().find(|period| *period >= SHORTEST);
    long.or_else(|| periods.last().copied()).unwrap_or(SHORTEST)
}

/// What to say about a namespace without metrics.
pub(super) fn empty_namespace(namespace: &Text) -> String {
    match nearest(namespace, KNOWN.iter().copied()) {
        Some(near) if near != &**namespace => {
            format!("the namespace {namespace} has no metrics: did you mean {near}?")
        }
        _ => format!("the namespace {namespace} has no metrics"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shortest_period_of_at_least_a_minute() {
        for (written, wanted) in [
            ("60,300", 60),
            ("300,60", 60),
            ("15", 15),
            ("15, 60", 60),
            ("300", 300),
            ("", 60),
            ("x", 60),
            ("0", 60),
            ("9223372036854775807", 60),
        ] {
            assert_eq!(period(written), wanted, "{written}");
        }
    }

    #[test]
    fn a_misspelt_namespace_is_named() {
        let near = empty_namespace(&"acs_ecs_dashbord".into());
        assert_eq!(near, "the namespace acs_ecs_dashbord has no metrics: did you mean acs_ecs_dashboard?");
    }
}
