//! Answers for benches, and their reading without a call.

use super::data;
use super::series::{self, Asked, Batch, Series};
use crate::clock::SECOND;
use crate::collector::{MarkId, MetricPoint, Window};
use crate::measured::{START, instance_id};
use serde_json::json;

/// An answer of `GetMetricData`, how many points it holds, and what reads it.
pub(crate) fn data(
    instances: usize,
    metrics: usize,
    minutes: usize,
) -> (Vec<u8>, usize, impl Fn(&[u8]) -> Vec<MetricPoint>) {
    let end = (START + minutes as i64 * 60) * SECOND;
    let window = Window { mark: MarkId(0), start: START * SECOND, fresh: START * SECOND, end };
    let series = (0..instances).flat_map(|instance| {
        (0..metrics).map(move |metric| Series {
            namespace: "AWS/EC2".into(),
            metric: format!("CPUUtilization{metric}").into(),
            dimensions: vec![("InstanceId".into(), instance_id(instance).into())],
        })
    });
    let series = series.map(|series| Asked { series, window }).collect();
    let batch = Batch { start: window.start, end, series };
    let times: Vec<i64> = (0..minutes as i64).map(|minute| START + minute * 60).collect();
    let results: Vec<_> = (0..batch.series.len())
        .flat_map(|index| (0..5).map(move |statistic| (index, statistic)))
        .map(|(index, statistic)| {
            let value = |minute: usize| ((index * 31 + minute * 7 + statistic) % 100_003) as f64 / 997.0;
            json!({
                "Id": format!("m{index}s{statistic}"),
                "Label": "CPUUtilization",
                "Timestamps": times,
                "Values": (0..minutes).map(value).collect::<Vec<_>>(),
                "StatusCode": "Complete",
            })
        })
        .collect();
    let answer = json!({ "MetricDataResults": results, "Messages": [] }).to_string().into_bytes();
    let read = move |answer: &[u8]| data::read(&batch, answer).unwrap_or_default();
    (answer, instances * minutes, read)
}

/// A page of `ListMetrics`, how many metrics it holds, and what reads it.
pub(crate) fn list(metrics: usize) -> (Vec<u8>, usize, impl Fn(&[u8]) -> usize) {
    let metrics: Vec<_> = (0..metrics)
        .map(|index| {
            json!({
                "Namespace": "AWS/EC2",
                "MetricName": "CPUUtilization",
                "Dimensions": [{ "Name": "InstanceId", "Value": instance_id(index) }],
            })
        })
        .collect();
    let page = json!({ "Metrics": metrics }).to_string().into_bytes();
    (page, metrics.len(), |page: &[u8]| series::count(page).unwrap_or_default())
}
