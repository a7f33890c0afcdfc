//! Datapoints: one call of `GetMetricData`, to its last page, as points.
//!
//! Owns what the answers mean: results continued over pages, partial and failed ones, messages. Knows no windows but its batch's.

use super::series::{Asked, Batch, Series};
use super::{Client, GET_METRIC_DATA, LINKS, PERIOD};
use crate::call::cut;
use crate::clock::SECOND;
use crate::collector::{Failure, MarkId, MetricPoint, Output, Part, Window};
use crate::link;
use crate::point::{Category, Point, Text, Value};
use crate::run::Run;
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::collections::{BTreeSet, HashMap};
use std::ops::Range;

/// The statistics, in the order of a metric's queries.
const STATISTICS: [&str; 5] = ["Average", "Maximum", "Minimum", "SampleCount", "Sum"];

/// The most datapoints of one answer.
const DATAPOINTS: u32 = 100_800;

#[derive(serde::Deserialize)]
struct Answer {
    #[serde(rename = "MetricDataResults", default)]
    results: Vec<OneResult>,
    #[serde(rename = "NextToken")]
    next: Option<String>,
    #[serde(rename = "Messages", default)]
    messages: Vec<Message>,
}

#[derive(serde::Deserialize)]
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
enum Number {
    Is(f64),
    IsNone,
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Number;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("a number")
            }

            fn visit_f64<E: Error>(self, number: f64) -> Result<Number, E> {
                Ok(Number::Is(number))
            }

            #[expect(clippy::cast_precision_loss, reason = "as JSON's numbers are read everywhere")]
            fn visit_u64<E: Error>(self, number: u64) -> Result<Number, E> {
                Ok(Number::Is(number as f64))
            }

            #[expect(clippy::cast_precision_loss, reason = "as JSON's numbers are read everywhere")]
            fn visit_i64<E: Error>(self, number: i64) -> Result<Number, E> {
                Ok(Number::Is(number as f64))
            }

            fn visit_str<E: Error>(self, _: &str) -> Result<Number, E> {
                Ok(Number::IsNone)
            }

            fn visit_bool<E: Error>(self, _: bool) -> Result<Number, E> {
                Ok(Number::IsNone)
            }

            fn visit_unit<E: Error>(self) -> Result<Number, E> {
                Ok(Number::IsNone)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Number, A::Error> {
                IgnoredAny.visit_seq(list).map(|_| Number::IsNone)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Number, A::Error> {
                IgnoredAny.visit_map(map).map(|_| Number::IsNone)
            }
        }
        deserializer.deserialize_any(Any)
    }
}

#[derive(serde::Deserialize, PartialEq, Eq, PartialOrd, Ord)]
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
    /// Ascending by time, nanoseconds; a time stands once.
    values: Vec<(i64, f64)>,
    status: String,
}

impl Query {
    /// Of several values for one time the last stays.
    fn insert(&mut self, time: i64, value: f64) {
        // They are asked for in this order.
        if self.values.last().is_none_or(|(last, _)| *last < time) {
            self.values.push((time, value));
            return;
        }
        match self.values.binary_search_by_key(&time, |(time, _)| *time) {
            Ok(at) => self.values[at].1 = value,
            Err(at) => self.values.insert(at, (time, value)),
        }
    }

    /// What lies in a window.
    fn within(&self, window: &Window) -> &[(i64, f64)] {
        let from = self.values.partition_point(|(time, _)| *time < window.start);
        let until = self.values.partition_point(|(time, _)| *time < window.end);
        self.values.get(from..until).unwrap_or_default()
    }
}

/// Fields that are handed over at once, about: a thousand points of one metric, a hundred of ten.
const FIELDS: usize = 5000;

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
    let mut pending = Vec::new();
    let mut outcome = ask(run, client, region, batch, &all, &mut queries).await;
    // CloudWatch failed at some of them: those once more.
    let again = unanswered(&queries);
    if outcome.is_ok() && !again.is_empty() && !again.iter().any(|index| forbidden(&queries[*index])) {
        for index in &again {
            queries[*index] = Default::default();
        }
        outcome = ask(run, client, region, batch, &again, &mut queries).await;
    }
    let (mut names, mut fields) = (Names::default(), 0);
    for resource in resources(batch) {
        // A resource at a time: of a long window, all points of a call would take more memory than its answer.
        let mut points = points(&batch.series[resource.clone()], &queries[resource], &mut names);
        fields += points.iter().map(|metric| metric.point.fields.len()).sum::<usize>();
        pending.append(&mut points);
        if fields >= FIELDS {
            fields = 0;
            let points = std::mem::take(&mut pending);
            run.send(Output::Metrics { region: region.clone(), points }).await;
        }
    }
    if !pending.is_empty() {
        run.send(Output::Metrics { region: region.clone(), points: pending }).await;
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
    let metrics = which.len() as u64;
    // Each datapoint once; twice as many, and the answer is none.
    let most = u64::from(batch.datapoints()).saturating_mul(2).saturating_add(u64::from(DATAPOINTS));
    let mut came = 0;
    for page in 1.. {
        if page > PAGES {
            return Err(Failure::Answer(format!(
                "monitoring:GetMetricData in {region}: the answer does not end: {PAGES} pages came"
            )));
        }
        let answer: Answer = client.billed(&GET_METRIC_DATA, metrics, &body).await?;
        came += answer.results.iter().map(|result| result.values.len() as u64).sum::<u64>();
        if came > most {
            return Err(Failure::Answer(format!(
                "monitoring:GetMetricData in {region}: the answer does not end: {came} datapoints came, and at most {} were asked for",
                batch.datapoints()
            )));
        }
        messages.extend(answer.messages);
        let Left { uneven: more_uneven, none: more_none } = take(answer.results, queries, &mut messages);
        uneven += more_uneven;
        none += more_none;
        let next = answer.next.filter(|next| !next.is_empty());
        let Some(next) = next else { break };
        if body.next_token.as_ref() == Some(&next) {
            return Err(Failure::Answer(format!(
                "monitoring:GetMetricData in {region}: the answer does not end: the same page token came twice"
            )));
        }
        body.next_token = Some(next);
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

/// What was left out of results.
struct Left {
    /// Results of which times and values do not pair.
    uneven: u64,
    /// Values that are no numbers.
    none: u64,
}

/// Takes the results of an answer into `queries`.
fn take(results: Vec<OneResult>, queries: &mut [[Query; 5]], messages: &mut BTreeSet<Message>) -> Left {
    let mut left = Left { uneven: 0, none: 0 };
    for result in results {
        let Some((series, statistic)) = parse(&result.id, queries.len()) else { continue };
        let query = &mut queries[series][statistic];
        if result.timestamps.len() != result.values.len() {
            left.uneven += 1;
        }
        query.values.reserve(result.values.len());
        for (time, value) in result.timestamps.into_iter().zip(result.values) {
            match value {
                Number::Is(value) => query.insert(nanoseconds(time), value),
                Number::IsNone => left.none += 1,
            }
        }
        query.status = result.status;
        messages.extend(result.messages);
    }
    left
}

/// A request's body, which borrows its texts: as a tree of values it would take ten times the memory.
#[derive(serde::Serialize)]
#[serde(rename_all = "PascalCase")]
struct Request<'batch> {
    metric_data_queries: Vec<OneQuery<'batch>>,
    start_time: i64,
    end_time: i64,
    scan_by: &'static str,
    max_datapoints: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

#[derive(serde::Serialize)]
#[serde(rename_all = "PascalCase")]
struct OneQuery<'batch> {
    id: String,
    metric_stat: MetricStat<'batch>,
    return_data: bool,
}

#[derive(serde::Serialize)]
#[serde(rename_all = "PascalCase")]
struct MetricStat<'batch> {
    metric: Metric<'batch>,
    period: i64,
    stat: &'static str,
}

#[derive(serde::Serialize)]
#[serde(rename_all = "PascalCase")]
struct Metric<'batch> {
    namespace: &'batch str,
    metric_name: &'batch str,
    dimensions: Vec<Dimension<'batch>>,
}

#[derive(serde::Serialize)]
#[serde(rename_all = "PascalCase")]
struct Dimension<'batch> {
    name: &'batch str,
    value: &'batch str,
}

fn request<'batch>(batch: &'batch Batch, which: &[usize]) -> Request<'batch> {
    let queries = which.iter().flat_map(|index| {
        let series = &batch.series[*index].series;
        STATISTICS.iter().enumerate().map(move |(number, statistic)| OneQuery {
            id: format!("m{index}s{number}"),
            metric_stat: MetricStat {
                metric: Metric {
                    namespace: &series.namespace,
                    metric_name: &series.metric,
                    dimensions: series
                        .dimensions
                        .iter()
                        .map(|(name, value)| Dimension { name, value })
                        .collect(),
                },
                period: PERIOD,
                stat: statistic,
            },
            return_data: true,
        })
    });
    Request {
        metric_data_queries: queries.collect(),
        start_time: batch.start / SECOND,
        end_time: batch.end / SECOND,
        scan_by: "TimestampAscending",
        max_datapoints: DATAPOINTS,
        next_token: None,
    }
}

/// `m12s3` → series 12, statistic 3.
fn parse(id: &str, series: usize) -> Option<(usize, usize)> {
    let (index, statistic) = id.strip_prefix('m')?.split_once('s')?;
    let (index, statistic) = (index.parse().ok()?, statistic.parse().ok()?);
    (index < series && statistic < STATISTICS.len()).then_some((index, statistic))
}

#[expect(clippy::cast_possible_truncation, reason = "seconds since 1970 with milliseconds fit")]
#[expect(clippy::cast_precision_loss, reason = "what differs then was no whole number")]
fn nanoseconds(seconds: f64) -> i64 {
    // Whole seconds, as nearly all are, need no rounding, which is a call where the processor is not known.
    let whole = seconds as i64;
    if whole as f64 == seconds {
        return whole.saturating_mul(SECOND);
    }
    ((seconds * 1000.0).round() as i64).saturating_mul(SECOND / 1000)
}

/// Where the series of one resource stand in a batch, for each resource.
fn resources(batch: &Batch) -> impl Iterator<Item = Range<usize>> {
    let of_one = |one: &Asked, other: &Asked| {
        one.series.namespace == other.series.namespace && one.series.dimensions == other.series.dimensions
    };
    batch.series.chunk_by(of_one).scan(0, |start, series| {
        let range = *start..*start + series.len();
        *start = range.end;
        Some(range)
    })
}

/// The fields of metrics by name: the same for every resource.
type Names = HashMap<Text, [Text; 5]>;

/// The points of one resource: one for each time, with all metrics that the batch holds of it.
fn points(series: &[Asked], queries: &[[Query; 5]], names: &mut Names) -> Vec<MetricPoint> {
    let Some(first) = series.first() else { return Vec::new() };
    let empty = empty(&first.series);
    // Ascending by time.
    let mut points: Vec<MetricPoint> = Vec::new();
    for (asked, queries) in series.iter().zip(queries) {
        let metric = &asked.series.metric;
        let names = names
            .entry(metric.clone())
            .or_insert_with(|| STATISTICS.map(|statistic| Text::from(format!("{metric}_{statistic}"))));
        let mut left = queries.each_ref().map(|query| query.within(&asked.window));
        // The earliest time that any statistic has next.
        while let Some(time) = left.iter().filter_map(|values| Some(values.first()?.0)).min() {
            let at = match points.last() {
                None => Err(0),
                Some(last) if last.point.time < time => Err(points.len()),
                Some(_) => points.binary_search_by_key(&time, |metric| metric.point.time),
            };
            let at = at.unwrap_or_else(|at| {
                points.insert(at, at_time(&empty, time, series.len()));
                at
            });
            let metric = &mut points[at];
            let first_field = metric.point.fields.len();
            for (name, values) in names.iter().zip(&mut left) {
                if let Some(((own, value), rest)) = values.split_first()
                    && *own == time
                {
                    metric.point.fields.push((name.clone(), Value::Float(*value)));
                    *values = rest;
                }
            }
            let fields = metric.point.fields.len() - first_field;
            metric.parts.push(Part { mark: asked.window.mark, first_field, fields });
        }
    }
    points
}

/// With room for so many metrics.
fn at_time(empty: &MetricPoint, time: i64, metrics: usize) -> MetricPoint {
    let mut metric = empty.clone();
    metric.point.time = time;
    metric.point.fields.reserve_exact(STATISTICS.len() * metrics);
    metric.parts.reserve_exact(metrics);
    metric
}

/// A point of a resource, before it has a time.
fn empty(series: &Series) -> MetricPoint {
    let link = link::find(LINKS, &series.namespace, |dimension| {
        series.dimensions.iter().find(|(name, _)| **name == *dimension).map(|(_, value)| &**value)
    });
    MetricPoint {
        point: Point {
            category: Category::Metric,
            measurement: format!("aws_{}", series.namespace).into(),
            tags: series.dimensions.clone(),
            fields: Vec::new(),
            time: 0,
        },
        link,
        parts: Vec::new(),
    }
}

/// The points of an answer, read as a whole call is.
pub(super) fn read(batch: &Batch, answer: &[u8]) -> Option<Vec<MetricPoint>> {
    let answer: Answer = serde_json::from_slice(answer).ok()?;
    let mut queries: Vec<[Query; 5]> = batch.series.iter().map(|_| Default::default()).collect();
    take(answer.results, &mut queries, &mut BTreeSet::new());
    let mut names = Names::default();
    let of_one = |range: Range<usize>| points(&batch.series[range.clone()], &queries[range], &mut names);
    Some(resources(batch).flat_map(of_one).collect())
}
