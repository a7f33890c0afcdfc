//! CloudWatch: `ListMetrics` and `GetMetricData` (API 2010-08-01, JSON 1.0).
//!
//! Owns the parameters' rules and the pages. Follows the CloudWatch API Reference.

use super::estate::{MetricTruth, Statistics};
use super::{Context, Refusal, read_token, refuse, token};
use crate::faults::FaultKind;
use crate::server::{Asked, Reply};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use xxhash_rust::xxh3::xxh3_64;

/// Metrics of one page of a list.
const PAGE: usize = 500;
/// Queries of one call.
const QUERIES: usize = 500;
/// Datapoints of one answer.
const DATAPOINTS: usize = 100_800;

pub(super) fn answer(context: &Context<'_>, action: &str, asked: &Asked) -> Result<Reply, Refusal> {
    let target = asked.header("x-amz-target").unwrap_or_default();
    if target != format!("GraniteServiceVersion20100801.{action}")
        || asked.header("content-type") != Some("application/x-amz-json-1.0")
    {
        return Err(refuse(
            404,
            "UnknownOperationException",
            "only JSON 1.0 with the target prefix GraniteServiceVersion20100801",
        ));
    }
    let body: Value = serde_json::from_slice(&asked.body)
        .map_err(|error| refuse(400, "SerializationException", error.to_string()))?;
    let answer = match action {
        "ListMetrics" => list(context, &body)?,
        "GetMetricData" => data(context, &body)?,
        _ => return Err(refuse(404, "UnknownOperationException", format!("no operation {action}"))),
    };
    Ok(Reply::new(200, "application/x-amz-json-1.0", answer.to_string()))
}

fn invalid(message: impl Into<String>) -> Refusal {
    refuse(400, "InvalidParameterValueException", message)
}

/// A request without its page token, which tokens are bound to.
fn bound(context: &Context<'_>, body: &Value) -> u64 {
    let mut body = body.clone();
    if let Some(members) = body.as_object_mut() {
        members.remove("NextToken");
    }
    xxh3_64(format!("{}\n{body}", context.region).as_bytes())
}

#[derive(Deserialize, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[serde(deny_unknown_fields)]
struct Dimension {
    #[serde(rename = "Name")]
    name: String,
    #[serde(rename = "Value")]
    value: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListMetrics {
    #[serde(rename = "Namespace")]
    namespace: Option<String>,
    #[serde(rename = "MetricName")]
    name: Option<String>,
    #[serde(rename = "Dimensions", default)]
    dimensions: Vec<Dimension>,
    #[serde(rename = "NextToken")]
    next: Option<String>,
    #[serde(rename = "RecentlyActive")]
    recently_active: Option<String>,
    #[serde(rename = "IncludeLinkedAccounts")]
    _linked: Option<bool>,
}

fn list(context: &Context<'_>, body: &Value) -> Result<Value, Refusal> {
    let asked: ListMetrics = serde_json::from_value(body.clone())
        .map_err(|error| refuse(400, "SerializationException", error.to_string()))?;
    if asked.recently_active.as_deref().is_some_and(|since| since != "PT3H") {
        return Err(invalid("The value for parameter RecentlyActive must be PT3H"));
    }
    if asked.dimensions.len() > 10 {
        return Err(invalid("The collection Dimensions must not have a size greater than 10."));
    }
    let bound = bound(context, body);
    let from = match &asked.next {
        None => 0,
        Some(text) => {
            read_token(text, bound)
                .ok_or_else(|| refuse(400, "InvalidParameterValueException", "Invalid nextToken"))?
                .1
        }
    };
    let mut estate = context.aws.estate();
    let fits = |metric: &&MetricTruth| {
        asked.name.as_ref().is_none_or(|name| *name == metric.name)
            && asked.dimensions.iter().all(|wanted| {
                metric.dimensions.iter().any(|(name, value)| {
                    *name == wanted.name && wanted.value.as_ref().is_none_or(|wanted| wanted == value)
                })
            })
    };
    let mut all = estate.metrics(context.region);
    if let Some(namespace) = &asked.namespace {
        // Sorted by namespace first.
        let from = all.partition_point(|metric| metric.namespace < *namespace);
        let until = all.partition_point(|metric| metric.namespace <= *namespace);
        all = &all[from..until];
    }
    let mut rest = all.iter().filter(fits).skip(from).peekable();
    let page: Vec<Value> = rest
        .by_ref()
        .take(PAGE)
        .map(|metric| {
            let dimensions: Vec<Value> = metric
                .dimensions
                .iter()
                .map(|(name, value)| json!({ "Name": name, "Value": value }))
                .collect();
            json!({ "Namespace": metric.namespace, "MetricName": metric.name, "Dimensions": dimensions })
        })
        .collect();
    let next = from + page.len();
    let mut answer = json!({ "Metrics": page });
    if context.fault == Some(FaultKind::RepeatedToken) {
        answer["NextToken"] = token(bound, 'p', 0).into();
    } else if rest.peek().is_some() {
        answer["NextToken"] = token(bound, 'p', next).into();
    }
    Ok(answer)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GetMetricData {
    #[serde(rename = "MetricDataQueries")]
    queries: Vec<Query>,
    #[serde(rename = "StartTime")]
    start: f64,
    #[serde(rename = "EndTime")]
    end: f64,
    #[serde(rename = "NextToken")]
    next: Option<String>,
    #[serde(rename = "ScanBy")]
    scan_by: Option<String>,
    #[serde(rename = "MaxDatapoints")]
    most: Option<usize>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Query {
    #[serde(rename = "Id")]
    id: String,
    #[serde(rename = "MetricStat")]
    stat: MetricStat,
    #[serde(rename = "Label")]
    label: Option<String>,
    #[serde(rename = "ReturnData")]
    return_data: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MetricStat {
    #[serde(rename = "Metric")]
    metric: Metric,
    #[serde(rename = "Period")]
    period: i64,
    #[serde(rename = "Stat")]
    statistic: String,
    #[serde(rename = "Unit")]
    _unit: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Metric {
    #[serde(rename = "Namespace")]
    namespace: String,
    #[serde(rename = "MetricName")]
    name: String,
    #[serde(rename = "Dimensions", default)]
    dimensions: Vec<Dimension>,
}

impl GetMetricData {
    fn check(&self) -> Result<(), Refusal> {
        let refused = |message: String| refuse(400, "ValidationError", message);
        if self.queries.is_empty() || self.queries.len() > QUERIES {
            return Err(refused(format!(
                "The collection MetricDataQueries must have a size from 1 to {QUERIES}."
            )));
        }
        let mut ids = BTreeSet::new();
        for query in &self.queries {
            let mut characters = query.id.chars();
            let good = characters.next().is_some_and(|first| first.is_ascii_lowercase())
                && characters.all(|c| c.is_ascii_alphanumeric() || c == '_')
                && query.id.len() <= 255;
            if !good {
                return Err(refused(format!(
                    "The value {} is not matching the expected pattern ^[a-z][a-zA-Z0-9_]*$",
                    query.id
                )));
            }
            if !ids.insert(&query.id) {
                return Err(refused(format!("The Id {} is not unique.", query.id)));
            }
            let period = query.stat.period;
            if period <= 0 || !([1, 5, 10, 20, 30].contains(&period) || period % 60 == 0) {
                return Err(refused(format!("The period {period} is invalid.")));
            }
            if !["Average", "Sum", "Minimum", "Maximum", "SampleCount"]
                .contains(&query.stat.statistic.as_str())
            {
                return Err(refused(format!(
                    "The statistic {} is not one of this account's.",
                    query.stat.statistic
                )));
            }
            if query.stat.metric.dimensions.len() > 30
                || query.stat.metric.dimensions.iter().any(|dimension| dimension.value.is_none())
            {
                return Err(refused("Dimensions must be complete, at most 30.".into()));
            }
        }
        if self.start >= self.end {
            return Err(refused("The parameter StartTime must be less than the parameter EndTime.".into()));
        }
        if self
            .scan_by
            .as_deref()
            .is_some_and(|by| !["TimestampAscending", "TimestampDescending"].contains(&by))
        {
            return Err(refused("ScanBy must be TimestampAscending or TimestampDescending.".into()));
        }
        if self.most.is_some_and(|most| most == 0 || most > DATAPOINTS) {
            return Err(refused(format!("MaxDatapoints must be from 1 to {DATAPOINTS}.")));
        }
        Ok(())
    }
}

/// A series, a period, and its datapoints in the window that is asked for.
type Found = (MetricTruth, i64, Vec<(i64, Statistics)>);

#[expect(clippy::cast_possible_truncation, reason = "epoch seconds")]
fn data(context: &Context<'_>, body: &Value) -> Result<Value, Refusal> {
    let asked: GetMetricData = serde_json::from_value(body.clone())
        .map_err(|error| refuse(400, "SerializationException", error.to_string()))?;
    asked.check()?;
    let bound = bound(context, body);
    let (kind, from) = match &asked.next {
        None => ('p', 0),
        Some(text) => read_token(text, bound).ok_or_else(|| invalid("Invalid nextToken"))?,
    };
    let now = context.aws.clock.now();
    let mut estate = context.aws.estate();
    let mut billed = BTreeSet::new();
    // The statistics of one metric stand side by side, mostly: what was found for the one before.
    let mut found: Option<Found> = None;
    let most = asked.most.unwrap_or(DATAPOINTS);
    let descending = asked.scan_by.as_deref() != Some("TimestampAscending");
    let half = context.fault == Some(FaultKind::PartialData);
    let (mut results, mut next) = (Vec::new(), None);
    // Where an answer stops: datapoints before the first of this page, and those of this page.
    let (mut seen, mut given) = (0, 0);
    for (index, query) in asked.queries.iter().enumerate() {
        let metric = &query.stat.metric;
        let mut dimensions: Vec<(String, String)> = metric
            .dimensions
            .iter()
            .map(|dimension| (dimension.name.clone(), dimension.value.clone().unwrap_or_default()))
            .collect();
        dimensions.sort();
        let series =
            MetricTruth { namespace: metric.namespace.clone(), name: metric.name.clone(), dimensions };
        // Start times are rounded down to the minute, or to the period.
        let start = (asked.start as i64) - (asked.start as i64).rem_euclid(query.stat.period.max(60));
        let same = found.take().filter(|(of, period, _)| *of == series && *period == query.stat.period);
        let (series, period, all) = match same {
            Some(same) => same,
            None if estate.knows(context.region, &series) => {
                let window = start..asked.end as i64;
                let all = estate.datapoints(context.region, &series, window, query.stat.period, now);
                (series, query.stat.period, all)
            }
            None => (series, query.stat.period, Vec::new()),
        };
        let mut points = all.clone();
        billed.insert(series.clone());
        found = Some((series, period, all));
        if descending {
            points.reverse();
        }
        let mut status = "Complete";
        match &context.fault {
            Some(FaultKind::InternalErrorResult) if index < 5 => {
                points.clear();
                status = "InternalError";
            }
            Some(FaultKind::ForbiddenResult) => {
                points.clear();
                status = "Forbidden";
            }
            _ => {}
        }
        if kind == 'h' {
            points = points.split_off(points.len() / 2);
        } else if half {
            points.truncate(points.len() / 2);
            status = "PartialData";
            next = Some(token(bound, 'h', 0));
        } else {
            // Pages count datapoints over all results.
            let skip = from.saturating_sub(seen).min(points.len());
            seen += points.len();
            points.drain(..skip);
            let room = most - given;
            if points.len() > room {
                points.truncate(room);
                status = "PartialData";
                next = Some(token(bound, 'p', from + most));
            }
            given += points.len();
        }
        let values: Vec<Option<f64>> =
            points.iter().map(|(_, statistics)| statistics.get(&query.stat.statistic)).collect();
        if query.return_data != Some(false) {
            results.push(json!({
                "Id": query.id,
                "Label": query.label.as_deref().unwrap_or(&metric.name),
                "Timestamps": points.iter().map(|(at, _)| at).collect::<Vec<_>>(),
                "Values": values,
                "StatusCode": status,
            }));
        }
    }
    context.aws.billed.fetch_add(billed.len() as u64, Ordering::Relaxed);
    let mut answer = json!({ "MetricDataResults": results, "Messages": [] });
    if context.fault == Some(FaultKind::TopLevelMessage) {
        answer["Messages"] =
            json!([{ "Code": "MaxQueryTimeRangeExceeded", "Value": "The time range was reduced." }]);
    }
    if context.fault == Some(FaultKind::RepeatedToken) {
        next = Some(token(bound, 'p', 0));
    }
    if let Some(next) = next {
        answer["NextToken"] = next.into();
    }
    Ok(answer)
}
