//! Monitor: which metrics there are, and their datapoints (API 2018-07-24).

use super::estate::{Estate, TencentMetric};
use super::{Context, Parameters, Refusal, refuse};
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub(super) fn answer(context: &Context<'_>, parameters: &Parameters) -> Result<Value, Refusal> {
    match context.action {
        "DescribeBaseMetrics" => {
            parameters.only(&["Namespace", "MetricName", "Dimensions"])?;
            list(context, parameters)
        }
        "GetMonitorData" => {
            parameters.only(&[
                "Namespace",
                "MetricName",
                "Instances",
                "Period",
                "StartTime",
                "EndTime",
                "SpecifyStatistics",
            ])?;
            context.tencent.pay()?;
            data(context, parameters)
        }
        _ => Err(context.no_such_action()),
    }
}

fn invalid(message: impl Into<String>) -> Refusal {
    refuse("InvalidParameterValue", message)
}

fn needed(parameters: &Parameters, name: &str) -> Result<String, Refusal> {
    parameters
        .text(name)?
        .ok_or_else(|| refuse("MissingParameter", format!("the parameter {name} is missing")))
}

fn list(context: &Context<'_>, parameters: &Parameters) -> Result<Value, Refusal> {
    let namespace = needed(parameters, "Namespace")?;
    let Some(names) = Estate::names(&namespace) else {
        return Err(invalid(format!("namespace {namespace} does not exist")));
    };
    let wanted = parameters.text("MetricName")?;
    let estate = context.tencent.estate();
    let metrics: Vec<Value> = estate
        .metrics(&namespace)
        .filter(|metric| wanted.as_deref().is_none_or(|wanted| wanted == metric.name))
        .map(|metric| {
            let seconds: Vec<i64> = metric.periods.iter().map(|(seconds, _)| *seconds).collect();
            let periods: Vec<Value> = metric
                .periods
                .iter()
                .map(|(seconds, statistics)| json!({ "Period": seconds.to_string(), "StatType": statistics }))
                .collect();
            // The list leaves out what the call wants, here and there.
            let dimensions: &[&str] = if metric.name == "BaseCpuUsage" { &[] } else { names };
            json!({
                "Namespace": metric.namespace, "MetricName": metric.name, "MetricCName": "", "MetricEName": "",
                "Unit": metric.unit, "UnitCname": "", "Period": seconds, "Periods": periods,
                "Dimensions": [{ "Dimensions": dimensions }], "Meaning": { "En": "", "Zh": metric.name },
            })
        })
        .collect();
    Ok(json!({ "MetricSet": metrics }))
}

/// Names and values, sorted by name.
type Dimensions = Vec<(String, String)>;

fn data(context: &Context<'_>, parameters: &Parameters) -> Result<Value, Refusal> {
    let namespace = needed(parameters, "Namespace")?;
    let name = needed(parameters, "MetricName")?;
    let instances = instances(context, &namespace, parameters)?;
    let estate = context.tencent.estate();
    let Some(metric) = estate.metrics(&namespace).find(|metric| metric.name == name && metric.supported)
    else {
        return Err(invalid(format!("cannot find metricName={name} configure")));
    };
    let period = parameters.number("Period")?.unwrap_or(300);
    let Some((_, statistics)) = metric.periods.iter().find(|(seconds, _)| *seconds == period) else {
        return Err(invalid(format!("period={period} is not supported by metricName={name}")));
    };
    let extra = extra(parameters.number("SpecifyStatistics")?, statistics)?;
    let now = context.tencent.clock.now();
    let time = |name: &str, default: i64| match parameters.text(name)? {
        None => Ok(default),
        Some(text) => chrono::DateTime::parse_from_rfc3339(&text)
            .map(|time| time.timestamp())
            .map_err(|_| invalid(format!("{name} is no time such as 2018-09-22T19:51:23+08:00"))),
    };
    // Without a start it is midnight in Beijing.
    let beijing = now + 8 * 3600;
    let day = beijing - beijing.rem_euclid(86_400) - 8 * 3600;
    let floor = |time: i64| time - time.rem_euclid(period);
    let (start, end) = (floor(time("StartTime", day)?), floor(time("EndTime", now)?));
    if end < start {
        return Err(invalid("EndTime is before StartTime"));
    }
    // What lies at the end is answered too.
    let times: Vec<i64> = (start..=end).step_by(usize::try_from(period).unwrap_or(60)).collect();
    let (_, most) = context.tencent.most();
    if times.len() * instances.len() > most {
        return Err(refuse("LimitExceeded", format!("at most {most} datapoints in one request")));
    }
    let mut series = Vec::with_capacity(instances.len());
    for dimensions in &instances {
        let Some(alive) = estate.monitored(context.region, &namespace, dimensions) else {
            let value = dimensions.first().map_or("", |(_, value)| value.as_str());
            return Err(invalid(format!(
                "instance {value} does not belong to the developer {}",
                super::estate::APPID
            )));
        };
        series.push(points(context, &estate, metric, dimensions, period, &times, now, alive, &extra));
    }
    let zone = chrono::FixedOffset::east_opt(8 * 3600);
    let shown = |seconds: i64| {
        let time = crate::clock::time(seconds);
        zone.map_or_else(String::new, |zone| {
            time.with_timezone(&zone).to_rfc3339_opts(chrono::SecondsFormat::Secs, false)
        })
    };
    Ok(json!({
        "Period": period, "MetricName": name, "StartTime": shown(start), "EndTime": shown(end), "Msg": "",
        "DataPoints": series,
    }))
}

#[expect(clippy::too_many_arguments, reason = "one answer's whole context, used once")]
fn points(
    context: &Context<'_>,
    estate: &Estate,
    metric: &TencentMetric,
    dimensions: &Dimensions,
    period: i64,
    times: &[i64],
    now: i64,
    alive: bool,
    extra: &[&'static str],
) -> Value {
    let found: Vec<(i64, f64)> = times
        .iter()
        .filter(|_| alive)
        .filter_map(|at| Some((*at, estate.datapoint(context.region, metric, dimensions, period, *at, now)?)))
        .collect();
    let values: Vec<f64> = found.iter().map(|(_, value)| *value).collect();
    // In another order than asked.
    let names: Vec<Value> =
        dimensions.iter().rev().map(|(name, value)| json!({ "Name": name, "Value": value })).collect();
    let mut series = json!({
        "Dimensions": names,
        "Timestamps": found.iter().map(|(at, _)| at).collect::<Vec<_>>(),
        "Values": values,
    });
    for list in extra {
        series[*list] = values.clone().into();
    }
    series
}

/// Instances by their other name, and a series of one that nobody asked for.
pub(super) fn rename(answer: &mut Value) {
    let Some(series) = answer["DataPoints"].as_array_mut() else { return };
    for one in series.iter_mut() {
        for dimension in one["Dimensions"].as_array_mut().into_iter().flatten() {
            if dimension["Name"] == "InstanceId" {
                dimension["Name"] = "vm_uuid".into();
            }
        }
    }
    let mut foreign = series.first().cloned().unwrap_or_default();
    foreign["Dimensions"] = json!([{ "Name": "vm_uuid", "Value": "ins-foreign" }]);
    series.push(foreign);
}

/// The lists that the bits of `SpecifyStatistics` ask for.
fn extra(mask: Option<i64>, registered: &[&str]) -> Result<Vec<&'static str>, Refusal> {
    let Some(mask) = mask else { return Ok(Vec::new()) };
    if !(1..=7).contains(&mask) {
        return Err(invalid("SpecifyStatistics is made of 1, 2 and 4"));
    }
    let mut lists = Vec::new();
    for (bit, statistic, list) in [(1, "avg", "AvgValues"), (2, "max", "MaxValues"), (4, "min", "MinValues")]
    {
        if mask & bit != 0 {
            if !registered.iter().any(|known| known.eq_ignore_ascii_case(statistic)) {
                return Err(invalid("there are no valid statistics type"));
            }
            lists.push(list);
        }
    }
    Ok(lists)
}

/// The instances that are asked for, their dimensions spelled as this namespace spells them.
fn instances(
    context: &Context<'_>,
    namespace: &str,
    parameters: &Parameters,
) -> Result<Vec<Dimensions>, Refusal> {
    let Some(names) = Estate::names(namespace) else {
        return Err(invalid(format!("namespace {namespace} does not exist")));
    };
    let list = parameters.list("Instances")?.unwrap_or_default();
    let (most, _) = context.tencent.most();
    if list.is_empty() || list.len() > most {
        return Err(invalid(format!("Instances: {} are asked for, 1 to {most} are possible", list.len())));
    }
    let wrong = || invalid("Param dimensions error");
    let mut instances: Vec<Dimensions> = Vec::with_capacity(list.len());
    for instance in list {
        let instance = Parameters::of(instance).ok_or_else(wrong)?;
        instance.only(&["Dimensions"])?;
        let mut dimensions = BTreeMap::new();
        for dimension in instance.list("Dimensions")?.ok_or_else(wrong)? {
            let dimension = Parameters::of(dimension).ok_or_else(wrong)?;
            dimension.only(&["Name", "Value"])?;
            let (Some(name), Some(value)) = (dimension.text("Name")?, dimension.text("Value")?) else {
                return Err(wrong());
            };
            if dimensions.insert(name, value).is_some() {
                return Err(wrong());
            }
        }
        if dimensions.len() != names.len() || names.iter().any(|name| !dimensions.contains_key(*name)) {
            return Err(wrong());
        }
        let dimensions: Dimensions = dimensions.into_iter().collect();
        if instances.contains(&dimensions) {
            return Err(invalid("an instance is named twice"));
        }
        instances.push(dimensions);
    }
    Ok(instances)
}
