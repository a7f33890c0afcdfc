//! An answer for benches, and its reading without a call.

use super::data::{Instance, key, read};
use super::meta::Metric;
use super::namespaces;
use crate::clock::SECOND;
use crate::collector::{MarkId, Window};
use crate::measured::{START, instance_id};
use serde_json::{Value as Json, json};
use std::collections::HashMap;

/// An answer of `GetMonitorData`, how many points it holds, and what reads it.
pub(crate) fn data(instances: usize, minutes: i64) -> (Vec<u8>, usize, impl Fn(&[u8]) -> usize) {
    let metric = Metric { name: "CpuUsage".into(), period: 60, statistic: "avg".into() };
    let end = (START + minutes * 60) * SECOND;
    let window = Window { mark: MarkId(0), start: START * SECOND, fresh: START * SECOND, end };
    let asked: Vec<Instance> = (0..instances)
        .map(|index| Instance {
            call: vec![("InstanceId", instance_id(index).into())],
            reported: vec![("InstanceId", instance_id(index).into())],
            object: instance_id(index).into(),
        })
        .collect();
    let times: Vec<i64> = (0..minutes).map(|minute| START + minute * 60).collect();
    let series: Vec<Json> = (0..instances)
        .map(|index| {
            let values: Vec<f64> =
                (0..minutes).map(|minute| (index * 31 + minute as usize * 7) as f64 / 997.0).collect();
            json!({
                "Dimensions": [{ "Name": "InstanceId", "Value": instance_id(index) }],
                "Timestamps": times, "Values": values,
            })
        })
        .collect();
    let answer = json!({ "Response": { "DataPoints": series, "MetricName": "CpuUsage", "Period": 60, "RequestId": "x" } });
    let read = move |answer: &[u8]| {
        let mut answer: Json = serde_json::from_slice(answer).unwrap_or_default();
        let by_call = asked.iter().map(|instance| (key(&instance.call), instance)).collect::<HashMap<_, _>>();
        let Some(namespace) = namespaces::find("QCE/CVM") else { return 0 };
        let response = answer.get_mut("Response").map(Json::take).unwrap_or_default();
        read((namespace, &metric, window), &by_call, &response).map_or(0, |(points, _)| points.len())
    };
    (answer.to_string().into_bytes(), times.len() * instances, read)
}
