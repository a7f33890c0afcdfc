//! CloudMonitor (API 2019-01-01): the metrics that exist and their datapoints.
//!
//! Windows are open at their start and closed at their end, at most 31 days; a page holds at most 1,440 datapoints. What is wrong with dimensions,
//! periods and names is said inside of an HTTP 200.

use super::metrics::{AliyunSeries, CATALOG, Metric};
use super::parameters::{Parameters, position};
use super::{AliyunFault, Context, Refusal, read_token, refuse, token};
use serde_json::{Map, Number, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Datapoints of one page.
const PAGE: i64 = 1440;

/// Instances of one request.
const INSTANCES: usize = 50;

const DAY: i64 = 86_400;

pub(super) fn answer(context: &Context<'_>, parameters: &mut Parameters) -> Result<Value, Refusal> {
    match context.action {
        "DescribeProjectMeta" => projects(parameters),
        "DescribeMetricMetaList" => metas(context, parameters),
        "DescribeMetricList" | "DescribeMetricData" => list(context, parameters),
        "DescribeMetricLast" => last(context, parameters),
        "DescribeMetricTop" => top(context, parameters),
        // Both belong to Hybrid Cloud Monitoring, which this account has not switched on.
        _ => {
            Err(refuse(403, "AccessForbidden", "Hybrid Cloud Monitoring is not activated for this account."))
        }
    }
}

fn labels(parameters: &mut Parameters) -> Result<Vec<(String, String)>, Refusal> {
    let Some(text) = parameters.text("Labels") else { return Ok(Vec::new()) };
    let wrong = || refuse(400, "InvalidParameter.Labels", "Labels must be a JSON list of names and values.");
    let list: Vec<BTreeMap<String, String>> = serde_json::from_str(&text).map_err(|_| wrong())?;
    list.iter()
        .map(|label| match (label.get("name"), label.get("value"), label.len()) {
            (Some(name), Some(value), 2) => Ok((name.clone(), value.clone())),
            _ => Err(wrong()),
        })
        .collect()
}

/// The product that a namespace is labelled with.
fn product(namespace: &str) -> &str {
    namespace.trim_start_matches("acs_").trim_end_matches("_dashboard")
}

fn projects(parameters: &mut Parameters) -> Result<Value, Refusal> {
    let labels = labels(parameters)?;
    let page = parameters.page(1..=10_000, 30)?;
    let namespaces: BTreeSet<&str> = CATALOG.iter().map(|metric| metric.namespace.as_str()).collect();
    let all: Vec<Value> = namespaces
        .into_iter()
        .filter(|namespace| {
            labels.iter().all(|(name, value)| name == "product" && value == product(namespace))
        })
        .map(|namespace| {
            let labels = json!([{ "name": "product", "value": product(namespace) }]);
            json!({ "Namespace": namespace, "Description": namespace, "Labels": labels.to_string() })
        })
        .collect();
    Ok(json!({
        "Code": 200, "Success": true, "Total": all.len().to_string(), "PageNumber": page.number.to_string(), "PageSize": page.size.to_string(),
        "Resources": { "Resource": page.of(&all) },
    }))
}

fn metas(context: &Context<'_>, parameters: &mut Parameters) -> Result<Value, Refusal> {
    let labels = labels(parameters)?;
    let (namespace, name) = (parameters.text("Namespace"), parameters.text("MetricName"));
    let page = parameters.page(1..=10_000, 30)?;
    let all: Vec<Value> = context
        .estate()
        .catalog()
        .filter(|metric| {
            namespace.as_ref().is_none_or(|namespace| *namespace == metric.namespace)
                && name.as_ref().is_none_or(|name| *name == metric.name)
                && labels
                    .iter()
                    .all(|(name, value)| name == "productCategory" && value == product(&metric.namespace))
        })
        .map(|metric| {
            let labels = json!([{ "name": "productCategory", "value": product(&metric.namespace) }, { "name": "is_alarm", "value": "true" }]);
            let periods: Vec<String> = metric.periods().iter().map(ToString::to_string).collect();
            json!({
                "Namespace": metric.namespace, "MetricName": metric.name, "Description": metric.title, "Unit": metric.unit, "Labels": labels.to_string(),
                "Dimensions": metric.dimensions.join(","), "Statistics": metric.statistics.join(","), "Periods": periods.join(","),
            })
        })
        .collect();
    Ok(
        json!({ "Code": 200, "Success": true, "TotalCount": all.len(), "Resources": { "Resource": page.of(&all) } }),
    )
}

/// A failure that CloudMonitor tells inside of an HTTP 200.
fn inside(code: u16, message: &str) -> Value {
    json!({ "Code": code.to_string(), "Message": message, "Success": false, "Datapoints": "", "NextToken": "", "Period": "" })
}

/// What a read of datapoints asks for.
struct Asked {
    metric: &'static Metric,
    series: Vec<AliyunSeries>,
    period: i64,
    /// Milliseconds: open, closed.
    window: Option<(i64, i64)>,
    end: i64,
    length: usize,
}

/// A refusal, or what is told inside.
enum Wrong {
    Refused(Refusal),
    Inside(Value),
}

impl From<Refusal> for Wrong {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl Wrong {
    fn answer(self) -> Result<Value, Refusal> {
        match self {
            Self::Refused(refusal) => Err(refusal),
            Self::Inside(answer) => Ok(answer),
        }
    }
}

fn read(context: &Context<'_>, parameters: &mut Parameters) -> Result<Asked, Wrong> {
    let namespace = parameters.required("Namespace")?;
    let name = parameters.required("MetricName")?;
    let period = parameters.text("Period");
    let dimensions = parameters.text("Dimensions");
    let start = parameters.text("StartTime").map(|text| moment("StartTime", &text)).transpose()?;
    let end = parameters.text("EndTime").map(|text| moment("EndTime", &text)).transpose()?;
    let length = parameters.number("Length", 1..=PAGE, 1000)?;
    if parameters.text("Express").is_some() {
        return Err(
            refuse(400, "InvalidParameter.Express", "Only groupby is supported, and not here.").into()
        );
    }
    let Some(metric) = context.estate().metric(&namespace, &name) else {
        return Err(Wrong::Inside(inside(404, "The specified resource is not found.")));
    };
    let period = match period {
        None => metric.periods()[0],
        Some(text) => match text.parse() {
            Ok(period) if metric.periods().contains(&period) => period,
            _ => {
                return Err(Wrong::Inside(inside(400, &format!("period {text} is not one of the metric's"))));
            }
        },
    };
    let now = context.aliyun.clock.now() * 1000;
    let end = end.unwrap_or(now);
    let window = match start {
        None => None,
        Some(start) if start >= end => {
            return Err(
                refuse(400, "InvalidParameter.EndTime", "EndTime must be later than StartTime.").into()
            );
        }
        Some(start) if end - start > 31 * DAY * 1000 => {
            let message = "The time between StartTime and EndTime must be at most 31 days.";
            return Err(refuse(400, "InvalidParameter.StartTime", message).into());
        }
        Some(start) => Some((start, end)),
    };
    let mut series = context.estate().series(metric);
    if let Some(text) = dimensions {
        let wrong = || Wrong::Inside(inside(400, &format!("parse param dimensions error({text})")));
        let filters: Vec<BTreeMap<String, String>> = serde_json::from_str(&text)
            .or_else(|_| serde_json::from_str(&text).map(|one| vec![one]))
            .map_err(|_| wrong())?;
        let known = |name: &String| metric.dimensions.contains(name);
        if filters.len() > INSTANCES || !filters.iter().all(|filter| filter.keys().all(known)) {
            return Err(wrong());
        }
        let fits = |series: &AliyunSeries, filter: &BTreeMap<String, String>| {
            filter.iter().all(|(name, value)| series.dimensions.get(name) == Some(value))
        };
        series.retain(|series| filters.iter().any(|filter| fits(series, filter)));
    }
    Ok(Asked { metric, series, period, window, end, length: position(length) })
}

/// A time in one of the three forms, as milliseconds since 1970.
fn moment(name: &'static str, text: &str) -> Result<i64, Refusal> {
    if let Ok(milliseconds) = text.parse() {
        return Ok(milliseconds);
    }
    let parse = |text: &str, form: &str| chrono::NaiveDateTime::parse_from_str(text, form).ok();
    // The form without a zone is China's time.
    let local = parse(text, "%Y-%m-%d %H:%M:%S").map(|time| time.and_utc().timestamp() - 8 * 3600);
    let utc = parse(text, "%Y-%m-%dT%H:%M:%SZ").map(|time| time.and_utc().timestamp());
    local
        .or(utc)
        .map(|seconds| seconds * 1000)
        .ok_or_else(|| refuse(400, format!("InvalidParameter.{name}"), format!("{name} is no time: {text}")))
}

fn datapoint(series: &AliyunSeries, at: i64, statistics: &[(&'static str, f64)]) -> Value {
    let mut point = Map::new();
    point.insert("timestamp".into(), (at * 1000).into());
    for (name, value) in &series.dimensions {
        point.insert(name.clone(), value.clone().into());
    }
    for (name, value) in statistics {
        // Whole numbers are written with a fraction: 67084.0.
        point.insert((*name).into(), Number::from_f64(*value).map_or(Value::Null, Value::Number));
    }
    Value::Object(point)
}

fn told(asked: &Asked, points: Vec<Value>, next: Option<String>) -> Value {
    let mut answer = json!({
        "Code": "200", "Success": true, "Period": asked.period.to_string(), "Datapoints": Value::Array(points).to_string(),
        // What stands here says nothing: the vendor's own samples have it beside a 200.
        "Message": "The specified resource is not found.",
    });
    if let Some(next) = next {
        answer["NextToken"] = next.into();
    }
    answer
}

/// All datapoints of the window, page by page, the oldest first.
fn list(context: &Context<'_>, parameters: &mut Parameters) -> Result<Value, Refusal> {
    let paged = context.action == "DescribeMetricList";
    let bound = context.bound(parameters);
    let from = if paged { read_token(parameters, bound)? } else { 0 };
    let asked = match read(context, parameters) {
        Ok(asked) => asked,
        Err(wrong) => return wrong.answer(),
    };
    let (start, end) = asked.window.unwrap_or((asked.end - 3_600_000, asked.end));
    let now = context.aliyun.clock.now();
    // (start, end] in milliseconds, on the period's grid.
    let period = asked.period * 1000;
    let first = start.div_euclid(period) + 1;
    let times = end.div_euclid(period) - first + 1;
    let cells = position(times) * asked.series.len();
    let estate = context.estate();
    let copies = if context.has(&AliyunFault::DuplicatePoints) { 2 } else { 1 };
    let (mut points, mut next, mut cell) = (Vec::new(), String::new(), from);
    while cell < cells {
        let at = (first + (cell / asked.series.len()) as i64) * asked.period;
        let series = &asked.series[cell % asked.series.len()];
        if let Some(statistics) = estate.metrics.datapoint(asked.metric, series, asked.period, at, now) {
            // A page is full, and there is something behind it.
            if points.len() + copies > asked.length {
                next = token(bound, cell);
                break;
            }
            for _ in 0..copies {
                points.push(datapoint(series, at, &statistics));
            }
        }
        cell += 1;
    }
    if context.has(&AliyunFault::RepeatedToken) {
        next = token(bound, 0);
    } else if next.is_empty() && context.has(&AliyunFault::TokenBehindLast) {
        next = token(bound, cells);
    }
    Ok(told(&asked, points, paged.then_some(next)))
}

/// The newest datapoint of every series: as far back as the reporting period lets one look.
fn last(context: &Context<'_>, parameters: &mut Parameters) -> Result<Value, Refusal> {
    let bound = context.bound(parameters);
    let from = read_token(parameters, bound)?;
    let asked = match read(context, parameters) {
        Ok(asked) => asked,
        Err(wrong) => return wrong.answer(),
    };
    let back = match asked.period {
        ..60 => 1_200,
        60..3600 => 7_200,
        _ => 2 * DAY,
    };
    let start = (asked.end - back * 1000).min(asked.window.map_or(i64::MAX, |(start, _)| start));
    let now = context.aliyun.clock.now();
    let estate = context.estate();
    let newest = |series: &AliyunSeries| {
        let mut at = (asked.end / 1000).div_euclid(asked.period) * asked.period;
        while at * 1000 > start {
            if let Some(statistics) = estate.metrics.datapoint(asked.metric, series, asked.period, at, now) {
                return Some(datapoint(series, at, &statistics));
            }
            at -= asked.period;
        }
        None
    };
    let all: Vec<Value> = asked.series.iter().filter_map(newest).collect();
    let page: Vec<Value> = all.iter().skip(from).take(asked.length).cloned().collect();
    let reached = from + page.len();
    let next = if reached < all.len() { token(bound, reached) } else { String::new() };
    Ok(told(&asked, page, Some(next)))
}

/// The newest datapoints in an order.
fn top(context: &Context<'_>, parameters: &mut Parameters) -> Result<Value, Refusal> {
    let by = parameters.required("Orderby")?;
    // The document's own words: `True` is ascending.
    let ascending = parameters.text("OrderDesc").as_deref() == Some("True");
    let most = parameters.number("Length", 1..=PAGE, 10)?;
    let asked = match read(context, parameters) {
        Ok(asked) => asked,
        Err(wrong) => return wrong.answer(),
    };
    if !asked.metric.statistics.contains(&by) {
        return Ok(inside(400, &format!("orderby {by} is not one of the metric's statistics")));
    }
    let now = context.aliyun.clock.now();
    let estate = context.estate();
    let at = (asked.end / 1000 - asked.period).div_euclid(asked.period) * asked.period;
    let mut all: Vec<(f64, Value)> = asked
        .series
        .iter()
        .filter_map(|series| {
            let statistics = estate.metrics.datapoint(asked.metric, series, asked.period, at, now)?;
            let value = statistics.iter().find(|(name, _)| *name == by)?.1;
            Some((value, datapoint(series, at, &statistics)))
        })
        .collect();
    all.sort_by(|one, other| if ascending { one.0.total_cmp(&other.0) } else { other.0.total_cmp(&one.0) });
    all.truncate(position(most));
    let count = all.len();
    let points = all.into_iter().enumerate().map(|(index, (_, mut point))| {
        point["order"] = (index + 1).into();
        point["_count"] = count.into();
        point
    });
    Ok(told(&asked, points.collect(), None))
}
