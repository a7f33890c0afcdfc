//! Datapoints: one metric of one host, to its last page, as points.
//!
//! Owns what the answers mean: text or list, missing or empty, which members are tags and which are fields; and how large a metric was last time.

use super::{Chosen, DESCRIBE_METRIC_LIST, LINKS, PAGE, VERSION};
use crate::aliyun::client::Client;
use crate::call::number;
use crate::clock::SECOND;
use crate::collector::{Failure, MetricPoint, Output, Part, Window};
use crate::link;
use crate::point::{Category, Point, Text, Value};
use crate::run::{Memory, Run};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

const MILLISECOND: i64 = SECOND / 1000;

/// More pages than this are no answer: 1,440,000 datapoints of one metric.
const PAGES: usize = 1000;

/// How large a metric is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Size {
    /// Series that had a datapoint at the same time: the most.
    pub(super) series: i64,
    /// Periods at the end of the window that were not published yet.
    pub(super) lag: i64,
    /// The newest datapoint's time, nanoseconds.
    #[serde(skip)]
    pub(super) newest: Option<i64>,
}

impl Size {
    /// Of two hosts.
    pub(super) fn and(self, other: Self) -> Self {
        let newest = self.newest.max(other.newest);
        let lag = match (self.newest, other.newest) {
            (Some(_), Some(_)) => self.lag.min(other.lag),
            (Some(_), None) => self.lag,
            (None, _) => other.lag,
        };
        Self { series: self.series.max(other.series), lag, newest }
    }
}

/// What reading a metric came to.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Read {
    pub(super) size: Size,
    /// Was the same page token given twice?
    pub(super) repeated: bool,
    /// Datapoints without a time or a number.
    pub(super) strange: u64,
    /// Does no host have the metric?
    pub(super) absent: bool,
}

/// What CloudMonitor says inside of a success where it lists a metric and does not have it: "The specified resource is not found."
pub(super) const NOT_FOUND: &str = "404";

impl Read {
    /// Of two hosts.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            size: self.size.and(other.size),
            repeated: self.repeated || other.repeated,
            strange: self.strange + other.strange,
            absent: self.absent && other.absent,
        }
    }
}

/// The sizes that were remembered, by namespace and metric. One of no series was asked for and had no datapoints.
pub(super) async fn sizes(memory: &dyn Memory) -> Result<BTreeMap<String, Size>, Failure> {
    // A value that cannot be read is as good as none.
    Ok(memory.recall(SIZES).await?.map(|value| remembered_sizes(&value)).unwrap_or_default())
}

/// Sizes that no cloud has would be reckoned with all the same: they are as good as none, too.
fn remembered_sizes(value: &[u8]) -> BTreeMap<String, Size> {
    const LARGEST: i64 = 1_000_000_000;
    let mut sizes: BTreeMap<String, Size> = serde_json::from_slice(value).unwrap_or_default();
    sizes.retain(|_, size| (0..LARGEST).contains(&size.series) && (0..LARGEST).contains(&size.lag));
    sizes
}

/// Keeps them.
pub(super) async fn remember_sizes(run: &Run, sizes: &BTreeMap<String, Size>) -> Result<(), Failure> {
    let value = serde_json::to_vec(sizes).map_err(|error| Failure::State(error.to_string()))?;
    run.memory.remember(SIZES, &value, Duration::from_secs(7 * 86_400)).await
}

const SIZES: &str = "aliyun_cms\nsizes";

/// Asks one host for a metric from `start` on, and sends its points.
pub(super) async fn collect(
    run: &Run,
    client: &Client<'_>,
    chosen: &Chosen,
    window: Window,
    start: i64,
) -> Result<Read, Failure> {
    // CloudMonitor's windows are open at their start and closed at their end.
    let edge = |time: i64| (time / MILLISECOND - 1).to_string();
    let mut parameters = vec![
        ("Namespace".to_owned(), chosen.namespace.to_string()),
        ("MetricName".to_owned(), chosen.metric.to_string()),
        ("Period".to_owned(), chosen.period.to_string()),
        ("StartTime".to_owned(), edge(start)),
        ("EndTime".to_owned(), edge(window.end)),
        ("Length".to_owned(), PAGE.to_string()),
    ];
    let fixed = parameters.len();
    let mut counts: HashMap<i64, i64> = HashMap::new();
    let mut tokens = BTreeSet::new();
    let (mut repeated, mut strange) = (false, 0);
    loop {
        let (datapoints, next) = client.rpc_as(&DESCRIBE_METRIC_LIST, VERSION, &parameters, &read).await?;
        let came = datapoints.len();
        let mut points = Vec::with_capacity(came);
        for datapoint in datapoints {
            match point(chosen, window, datapoint) {
                Some(point) if (start..window.end).contains(&point.point.time) => {
                    *counts.entry(point.point.time).or_default() += 1;
                    points.push(point);
                }
                Some(_) => {}
                None => strange += 1,
            }
        }
        if !points.is_empty() {
            run.send(Output::Metrics { region: Text::from(""), points }).await;
        }
        let Some(next) = next else { break };
        if tokens.len() >= PAGES {
            return Err(Failure::Answer(format!(
                "cms:DescribeMetricList: the answer to {} {} does not end: {PAGES} pages came",
                chosen.namespace, chosen.metric
            )));
        }
        if !tokens.insert(next.clone()) {
            // A token behind the last page leads to an empty one: then nothing is missing.
            repeated = came > 0;
            break;
        }
        parameters.truncate(fixed);
        parameters.push(("NextToken".to_owned(), next));
    }
    let newest = counts.keys().max().copied();
    let last = window.end - chosen.period * SECOND;
    let size = Size {
        series: counts.values().max().copied().unwrap_or_default(),
        lag: newest.map_or(0, |newest| (last - newest).max(0) / (chosen.period * SECOND)),
        newest,
    };
    Ok(Read { size, repeated, strange, absent: false })
}

pub(super) type Datapoint = Map<String, Json>;

/// The datapoints of an answer, and what brings the next page.
pub(super) fn read(mut answer: Json) -> Result<(Vec<Datapoint>, Option<String>), String> {
    let next = answer.get("NextToken").and_then(Json::as_str).filter(|token| !token.is_empty());
    let next = next.map(str::to_owned);
    let datapoints = match answer.get_mut("Datapoints").map(Json::take) {
        None | Some(Json::Null) => Vec::new(),
        Some(Json::String(text)) if text.trim().is_empty() => Vec::new(),
        // The wire has a text that holds JSON; old documents print the list itself.
        Some(Json::String(text)) => serde_json::from_str(&text)
            .map_err(|error| format!("the answer's Datapoints are not what they should be: {error}"))?,
        Some(list) => serde_json::from_value(list)
            .map_err(|error| format!("the answer's Datapoints are not what they should be: {error}"))?,
    };
    Ok((datapoints, next))
}

/// A datapoint as a point: texts are tags, numbers are fields, whatever their names.
pub(super) fn point(chosen: &Chosen, window: Window, datapoint: Datapoint) -> Option<MetricPoint> {
    let time = match datapoint.get("timestamp")? {
        Json::Number(number) => number.as_i64().or_else(|| milliseconds(number.as_f64()?))?,
        Json::String(text) => text.trim().parse().ok()?,
        _ => return None,
    };
    let mut point = Point {
        category: Category::Metric,
        measurement: format!("aliyun_{}", chosen.namespace).into(),
        tags: Vec::new(),
        fields: Vec::new(),
        time: time.checked_mul(MILLISECOND)?,
    };
    for (name, value) in datapoint {
        match value {
            _ if name == "timestamp" => {}
            Json::String(text) => drop(point.add_tag(&name.into(), &text.into())),
            Json::Number(number) => {
                let value = Value::Float(number.as_f64()?);
                point.fields.push((format!("{}_{name}", chosen.metric).into(), value));
            }
            // Nothing that can be measured or told apart by.
            Json::Null | Json::Bool(_) | Json::Array(_) | Json::Object(_) => {}
        }
    }
    if point.fields.is_empty() {
        return None;
    }
    let link = link::find(LINKS, &chosen.namespace, |dimension| point.tag(dimension));
    let parts = vec![Part { mark: window.mark, first_field: 0, fields: point.fields.len() }];
    Some(MetricPoint { point, link, parts })
}

#[expect(clippy::cast_possible_truncation, reason = "milliseconds since 1970 fit")]
fn milliseconds(number: f64) -> Option<i64> {
    number.is_finite().then(|| number.round() as i64)
}

/// Some of the names.
fn shown(names: &BTreeSet<Text>) -> String {
    const SHOWN: usize = 5;
    let shown: Vec<&str> = names.iter().take(SHOWN).map(|name| &**name).collect();
    let more = if names.len() > SHOWN { " and others" } else { "" };
    format!("{}{more}", shown.join(", "))
}

/// What to say about metrics that are listed and not there.
pub(super) fn absent(namespace: &str, names: &BTreeSet<Text>, hosts: &[Text]) -> String {
    format!(
        "{namespace} {}: listed by CloudMonitor and not found at {}: left out for a day; where the instances are in another region, the account's `cms_regions` names it",
        shown(names),
        hosts.join(", ")
    )
}

/// What to say about metrics without datapoints.
pub(super) fn silent(namespace: &str, names: &BTreeSet<Text>) -> String {
    let agent = if namespace == "acs_ecs_dashboard" {
        "; metrics of the operating system need the CloudMonitor agent on the instances"
    } else {
        ""
    };
    let count = number(names.len() as u64, "metric has", "metrics have");
    format!("{namespace}: {count} no datapoints: {}{agent}", shown(names))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collector::MarkId;
    use serde_json::json;

    #[test]
    fn datapoints_come_in_every_form() {
        let list = json!([{ "timestamp": 1, "Average": 2.0 }]);
        for (answer, count) in [
            (json!({ "Datapoints": list.to_string() }), 1),
            (json!({ "Datapoints": list }), 1),
            (json!({ "Datapoints": "" }), 0),
            (json!({ "Datapoints": "[]" }), 0),
            (json!({ "Datapoints": null }), 0),
            (json!({}), 0),
        ] {
            assert_eq!(read(answer.clone()).unwrap().0.len(), count, "{answer}");
        }
        assert!(read(json!({ "Datapoints": "[{" })).is_err());
        assert!(read(json!({ "Datapoints": 7 })).is_err());
        assert_eq!(read(json!({ "NextToken": "" })).unwrap().1, None);
        assert_eq!(read(json!({ "NextToken": "x" })).unwrap().1.as_deref(), Some("x"));
    }

    /// The published sample of the contract, key for key.
    #[test]
    fn the_published_point_is_yielded() {
        let chosen =
            Chosen { namespace: "acs_ecs_dashboard".into(), metric: "CPUUtilization".into(), period: 60 };
        let window = Window { mark: MarkId(3), start: 0, fresh: 0, end: i64::MAX };
        let datapoint = json!({ "timestamp": 1_548_777_660_000_i64, "userId": "xxxxx", "instanceId": "i-xxxxx", "Minimum": 1.23, "Average": 1.23, "Maximum": 1.23 });
        let Json::Object(datapoint) = datapoint else { unreachable!() };
        let found = point(&chosen, window, datapoint).unwrap();
        assert_eq!(&*found.point.measurement, "aliyun_acs_ecs_dashboard");
        assert_eq!(found.point.time, 1_548_777_660 * SECOND);
        let tags: BTreeMap<&str, &str> =
            found.point.tags.iter().map(|(key, value)| (&**key, &**value)).collect();
        assert_eq!(tags, BTreeMap::from([("instanceId", "i-xxxxx"), ("userId", "xxxxx")]));
        let fields: BTreeMap<&str, &Value> =
            found.point.fields.iter().map(|(key, value)| (&**key, value)).collect();
        let value = Value::Float(1.23);
        assert_eq!(
            fields,
            BTreeMap::from([
                ("CPUUtilization_Average", &value),
                ("CPUUtilization_Maximum", &value),
                ("CPUUtilization_Minimum", &value)
            ])
        );
        let link = found.link.unwrap();
        assert_eq!((&*link.class, &*link.tag, &*link.value), ("aliyun_ecs", "name", "i-xxxxx"));
        assert!(!link.with_name);
    }
}
