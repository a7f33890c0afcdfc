//! An answer for benches, and its reading without a call.

use super::Chosen;
use super::data::{point, read};
use crate::clock::SECOND;
use crate::collector::{MarkId, Window};
use crate::measured::{START, instance_id};
use serde_json::{Value as Json, json};

/// A page of `DescribeMetricList`, how many points it holds, and what reads it.
pub(crate) fn data(instances: usize, minutes: i64) -> (Vec<u8>, usize, impl Fn(&[u8]) -> usize) {
    let chosen =
        Chosen { namespace: "acs_ecs_dashboard".into(), metric: "CPUUtilization".into(), period: 60 };
    let end = (START + minutes * 60) * SECOND;
    let window = Window { mark: MarkId(0), start: START * SECOND, fresh: START * SECOND, end };
    let datapoints: Vec<Json> = (0..instances)
        .flat_map(|instance| (0..minutes).map(move |minute| (instance, minute)))
        .map(|(instance, minute)| {
            let value = (instance * 31 + minute as usize * 7) as f64 / 997.0;
            json!({
                "timestamp": (START + minute * 60) * 1000, "userId": "1234567890123456",
                "instanceId": instance_id(instance), "Minimum": value, "Average": value + 0.5, "Maximum": value + 1.0,
            })
        })
        .collect();
    let count = datapoints.len();
    // On the wire the datapoints are a text that holds JSON.
    let answer = json!({ "Code": "200", "Datapoints": Json::Array(datapoints).to_string(), "Success": true });
    let read = move |answer: &[u8]| {
        let answer: Json = serde_json::from_slice(answer).unwrap_or_default();
        let (datapoints, _) = read(answer).unwrap_or_default();
        datapoints.into_iter().filter_map(|datapoint| point(&chosen, window, datapoint)).count()
    };
    (answer.to_string().into_bytes(), count, read)
}
