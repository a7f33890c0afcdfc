//! Datapoints: one call of `GetMetricData`, to its last page, as points.
//!
//! Owns what the answers mean: results continued over pages, partial and failed ones, messages. Knows no windows but its batch's.

use super::series::{Asked, Batch};
use super::{Client, GET_METRIC_DATA, LINKS, PERIOD};
use crate::call::cut;
use crate::clock::SECOND;
use crate::collector::{Failure, MarkId, MetricPoint, Output, Part};
use crate::link;
use crate::point::{Category, Point, Text, Value};
use crate::run::Run;
use serde::Deserialize;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// The statistics, in the order of a metric's queries.
const STATISTICS: [&str; 5] = ["Average", "Maximum", "Minimum", "SampleCount", "Sum"];

/// The most datapoints of one answer.
const DATAPOINTS: u32 = 100_800;

#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "MetricDataResults", default)]
    results: Vec<OneResult>,
    #[serde(rename = "NextToken")]
    next: Option<String>,
    #[serde(rename = "Messages", default)]
    messages: Vec<Message>,
}

#[derive(Deserialize)]
struct OneResult {
    #[serde(rename = "Id")]
    id: String,
    #[serde(rename = "Timestamps", default)]
    timestamps: Vec<f64>,
    #[serde(rename = "Values", default)]
    values: Vec<Number>,
    #[serde(rename = "StatusCode", default)]
    status: String,
    #[serde(rename = "Messages", default)]
    messages: Vec<Message>,
}

/// A number; JSON has no NaN, so that AWS writes it as text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Is(f64),
    IsNone(serde::de::IgnoredAny),
}

#[derive(Deserialize, PartialEq, Eq, PartialOrd, Ord)]
struct Message {
    #[serde(rename = "Code", default)]
    code: String,
    #[serde(rename = "Value", default)]
    value: String,
}

/// More pages than this are no answer: one page holds the datapoints of all windows that are asked for.
const PAGES: usize = 100;

/// What is known of one query.
#[derive(Default)]
struct Query {
    /// By time, nanoseconds.
    values: BTreeMap<i64, f64>,
    status: String,
}

/// What was not answered: why, and the marks that must stay.
pub(super) type Incomplete = Option<(String, BTreeSet<MarkId>)>;

/// Asks for a batch and sends its points.
pub(super) async fn collect(
    run: &Run,
    client: &Client<'_>,
    region: &Text,
    batch: &Batch,
) -> Result<Incomplete, Failure> {
    let all: Vec<usize> = (0..batch.series.len()).collect();
    let mut queries: Vec<[Query; 5]> = batch.series.iter().map(|_| Default::default()).collect();
    let mut outcome = ask(run, client, region, batch, &all, &mut queries).await;
    // CloudWatch failed at some of them: those once more.
    let again = unanswered(&queries);
    if outcome.is_ok() && !again.is_empty() && !again.iter().any(|index| forbidden(&queries[*index])) {
        for index in &again {
            queries[*index] = Default::default();
        }
        outcome = ask(run, client, region, batch, &again, &mut queries).await;
    }
    let points = points(batch, &queries);
    if !points.is_empty() {
        run.send(Output::Metrics { region: region.clone(), points }).await;
    }
    outcome?;
    let left = unanswered(&queries);
    let Some(first) = left.first() else { return Ok(None) };
    let status =
        queries[*first].iter().map(|query| query.status.as_str()).find(|status| *status != "Complete");
    let series = &batch.series[*first].series;
    let reason = format!(
        "monitoring:GetMetricData in {region}: {} of {} metrics were not answered, such as {} {}: {}",
        left.len(),
        batch.series.len(),
        series.namespace,
        series.metric,
        match status {
            Some("Forbidden") => "Forbidden: these keys may not read it",
            Some("") | None => "no result came",
            Some(status) => status,
        }
    );
    Ok(Some((reason, left.into_iter().map(|index| batch.series[index].window.mark).collect())))
}

/// The series that were not answered completely.
fn unanswered(queries: &[[Query; 5]]) -> Vec<usize> {
    let open = |query: &Query| query.status != "Complete";
    (0..queries.len()).filter(|index| queries[*index].iter().any(open)).collect()
}

fn forbidden(queries: &[Query; 5]) -> bool {
    queries.iter().any(|query| query.status == "Forbidden")
}

/// One request with all of its pages, into `queries`.
async fn ask(
    run: &Run,
    client: &Client<'_>,
    region: &Text,
    batch: &Batch,
    which: &[usize],
    queries: &mut [[Query; 5]],
) -> Result<(), Failure> {
    let mut body = request(batch, which);
    let mut messages = BTreeSet::new();
    let (mut uneven, mut none) = (0, 0);
    run.counts.add_metrics(&GET_METRIC_DATA, which.len() as u64);
    for page in 1.. {
        if page > PAGES {
            return Err(Failure::Answer(format!(
                "monitoring:GetMetricData in {region}: the answer does not end: {PAGES} pages came"
            )));
        }
        let answer: Answer = client.json(&GET_METRIC_DATA, &body).await?;
        messages.extend(answer.messages);
        for result in answer.results {
            let Some((series, statistic)) = parse(&result.id, queries.len()) else { continue };
            let query = &mut queries[series][statistic];
            if result.timestamps.len() != result.values.len() {
                uneven += 1;
            }
            for (time, value) in result.timestamps.into_iter().zip(result.values) {
                match value {
                    Number::Is(value) => drop(query.values.insert(nanoseconds(time), value)),
                    Number::IsNone(_) => none += 1,
                }
            }
            query.status = result.status;
            messages.extend(result.messages);
        }
        let next = answer.next.filter(|next| !next.is_empty());
        let Some(next) = next else { break };
        if body["NextToken"] == next.as_str() {
            return Err(Failure::Answer(format!(
                "monitoring:GetMetricData in {region}: the answer does not end: the same page token came twice"
            )));
        }
        body["NextToken"] = next.into();
    }
    for message in messages {
        run.warn(format!("{region}: CloudWatch says {}: {}", cut(&message.code), cut(&message.value))).await;
    }
    if none > 0 {
        run.warn(format!("{region}: {none} values of CloudWatch are no numbers and were left out")).await;
    }
    if uneven > 0 {
        run.warn(format!("{region}: {uneven} results of CloudWatch had more times than values, or fewer: the pairs were taken"))
            .await;
    }
    Ok(())
}

fn request(batch: &Batch, which: &[usize]) -> serde_json::Value {
    let mut queries = Vec::with_capacity(which.len() * STATISTICS.len());
    for index in which {
        let series = &batch.series[*index].series;
        let dimensions: Vec<serde_json::Value> = series
            .dimensions
            .iter()
            .map(|(name, value)| json!({ "Name": &**name, "Value": &**value }))
            .collect();
        let metric = json!({ "Namespace": &*series.namespace, "MetricName": &*series.metric, "Dimensions": dimensions });
        for (number, statistic) in STATISTICS.iter().enumerate() {
            queries.push(json!({
                "Id": format!("m{index}s{number}"),
                "MetricStat": { "Metric": metric, "Period": PERIOD, "Stat": statistic },
                "ReturnData": true,
            }));
        }
    }
    json!({
        "MetricDataQueries": queries,
        "StartTime": batch.start / SECOND,
        "EndTime": batch.end / SECOND,
        "ScanBy": "TimestampAscending",
        "MaxDatapoints": DATAPOINTS,
    })
}

/// `m12s3` → series 12, statistic 3.
fn parse(id: &str, series: usize) -> Option<(usize, usize)> {
    let (index, statistic) = id.strip_prefix('m')?.split_once('s')?;
    let (index, statistic) = (index.parse().ok()?, statistic.parse().ok()?);
    (index < series && statistic < STATISTICS.len()).then_some((index, statistic))
}

#[expect(clippy::cast_possible_truncation, reason = "seconds since 1970 with milliseconds fit")]
fn nanoseconds(seconds: f64) -> i64 {
    ((seconds * 1000.0).round() as i64).saturating_mul(SECOND / 1000)
}

/// The points of a batch: one for each resource and time, with all metrics that the batch holds of it.
fn points(batch: &Batch, queries: &[[Query; 5]]) -> Vec<MetricPoint> {
    let mut points: Vec<MetricPoint> = Vec::new();
    let mut of_resource: BTreeMap<i64, usize> = BTreeMap::new();
    let mut before: Option<&Asked> = None;
    for (asked, queries) in batch.series.iter().zip(queries) {
        let series = &asked.series;
        let same = before.is_some_and(|before| {
            before.series.namespace == series.namespace && before.series.dimensions == series.dimensions
        });
        if !same {
            of_resource.clear();
        }
        before = Some(asked);
        let names: [Text; 5] = STATISTICS.map(|statistic| format!("{}_{statistic}", series.metric).into());
        let mut times: BTreeSet<i64> = BTreeSet::new();
        for query in queries {
            times.extend(query.values.range(asked.window.start..asked.window.end).map(|(time, _)| *time));
        }
        for time in times {
            let index = *of_resource.entry(time).or_insert_with(|| {
                points.push(empty(asked, time));
                points.len() - 1
            });
            let metric = &mut points[index];
            let first_field = metric.point.fields.len();
            for (name, query) in names.iter().zip(queries) {
                if let Some(value) = query.values.get(&time) {
                    metric.point.fields.push((name.clone(), Value::Float(*value)));
                }
            }
            let fields = metric.point.fields.len() - first_field;
            metric.parts.push(Part { mark: asked.window.mark, first_field, fields });
        }
    }
    points
}

fn empty(asked: &Asked, time: i64) -> MetricPoint {
    let series = &asked.series;
    let link = link::find(LINKS, &series.namespace, |dimension| {
        series.dimensions.iter().find(|(name, _)| **name == *dimension).map(|(_, value)| &**value)
    });
    MetricPoint {
        point: Point {
            category: Category::Metric,
            measurement: format!("aws_{}", series.namespace).into(),
            tags: series.dimensions.clone(),
            fields: Vec::new(),
            time,
        },
        link,
        parts: Vec::new(),
    }
}
