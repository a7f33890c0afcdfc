//! Datapoints: one metric of some instances, as points.
//!
//! Owns what the answers and refusals mean: a released instance in a batch, a batch that is too large, a metric that is not supported. Knows no windows but
//! its metric's.

use super::meta::Metric;
use super::namespaces::{self, Namespace};
use super::{GET_MONITOR_DATA, VERSION};
use crate::call::{CallError, Fault};
use crate::clock::SECOND;
use crate::collector::{Failure, Link, MetricPoint, Output, Part, Window};
use crate::mapped::Mapped as _;
use crate::point::{Category, Point, Text, Value};
use crate::run::{Memory, Run};
use crate::tencentcloud::client::Client;
use chrono::{DateTime, SecondsFormat};
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Instances and datapoints of one call: what the newest document says, and what older ones say.
const SIZES: [(usize, usize); 2] = [(50, 7200), (10, 1440)];

/// How long a smaller size is remembered.
const VALID: Duration = Duration::from_secs(7 * 86_400);

const SIZES_KEY: &str = "tencentcloud_monitor\nbatches";

/// An instance as a call names it, and as a point does.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Instance {
    /// Names and values in the call.
    pub(super) call: Vec<(&'static str, Text)>,
    /// Tags of its points.
    pub(super) reported: Vec<(&'static str, Text)>,
    /// The `name` of its object.
    pub(super) object: Text,
}

/// How a metric was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answered {
    /// With its datapoints.
    Read,
    /// The API does not know it.
    Unsupported,
}

/// How many instances a call may have, by namespace.
#[derive(Debug)]
pub(super) struct Batches {
    sizes: Mutex<BTreeMap<String, usize>>,
    before: BTreeMap<String, usize>,
}

impl Batches {
    pub(super) async fn recall(memory: &dyn Memory) -> Result<Self, Failure> {
        let value = memory.recall(SIZES_KEY).await?;
        let before: BTreeMap<String, usize> =
            value.and_then(|value| serde_json::from_slice(&value).ok()).unwrap_or_default();
        Ok(Self { sizes: Mutex::new(before.clone()), before })
    }

    pub(super) async fn remember(&self, run: &Run) -> Result<(), Failure> {
        let sizes = self.sizes.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if sizes == self.before {
            return Ok(());
        }
        let value = serde_json::to_vec(&sizes).map_err(|error| Failure::State(error.to_string()))?;
        run.memory.remember(SIZES_KEY, &value, VALID).await
    }

    /// How many instances a call may have, each with so many datapoints.
    pub(super) fn size(&self, namespace: &Namespace, datapoints: usize) -> usize {
        let sizes = self.sizes.lock().unwrap_or_else(PoisonError::into_inner);
        let known = sizes.get(namespace.name).and_then(|size| SIZES.iter().find(|known| known.0 == *size));
        let (instances, most) = *known.unwrap_or(&SIZES[0]);
        instances.min(most / datapoints.max(1)).max(1)
    }

    fn shrink(&self, namespace: &Namespace) {
        let mut sizes = self.sizes.lock().unwrap_or_else(PoisonError::into_inner);
        sizes.insert(namespace.name.to_owned(), SIZES[1].0);
    }
}

/// How long it is remembered that an instance is gone: by then its objects have been listed anew, which takes it out.
const FORGOTTEN: Duration = Duration::from_secs(900);

/// Instances of a region that the API no longer knows, by namespace: found out by one metric, left out by the others and by the runs of the next
/// minutes. To find one out takes ten calls and more, and its object may stay for as long as nobody lists the objects.
#[derive(Debug, Default)]
pub(super) struct Gone {
    found: Mutex<BTreeMap<&'static str, BTreeSet<Instance>>>,
    /// By namespace and the values that name the instance; until when, nanoseconds since 1970.
    before: BTreeMap<String, i64>,
}

fn gone_key(region: &Text) -> String {
    format!("tencentcloud_monitor\ngone\n{region}")
}

fn name_of(namespace: &Namespace, instance: &Instance) -> String {
    let values: Vec<&str> = instance.call.iter().map(|(_, value)| &**value).collect();
    format!("{}\n{}", namespace.name, values.join("\n"))
}

impl Gone {
    /// What the runs before found out; `now`: nanoseconds since 1970.
    pub(super) async fn recall(memory: &dyn Memory, region: &Text, now: i64) -> Result<Self, Failure> {
        let value = memory.recall(&gone_key(region)).await?;
        // A value that cannot be read is as good as none.
        let mut before: BTreeMap<String, i64> =
            value.and_then(|value| serde_json::from_slice(&value).ok()).unwrap_or_default();
        before.retain(|_, until| *until > now);
        Ok(Self { found: Mutex::default(), before })
    }

    pub(super) fn has(&self, namespace: &Namespace, instance: &Instance) -> bool {
        if !self.before.is_empty() && self.before.contains_key(&name_of(namespace, instance)) {
            return true;
        }
        let gone = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        gone.get(namespace.name).is_some_and(|gone| gone.contains(instance))
    }

    fn add(&self, namespace: &Namespace, instances: Vec<Instance>) {
        if instances.is_empty() {
            return;
        }
        let mut gone = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        gone.entry(namespace.name).or_default().extend(instances);
    }

    /// Keeps what this run found out; answers with the names of the objects, by namespace.
    pub(super) async fn remember(
        self,
        run: &Run,
        region: &Text,
    ) -> Result<BTreeMap<&'static str, Vec<Text>>, Failure> {
        let Self { found, mut before } = self;
        let found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
        if !found.is_empty() {
            let until =
                run.clock.now().saturating_add(i64::try_from(FORGOTTEN.as_nanos()).unwrap_or(i64::MAX));
            for (name, instances) in &found {
                if let Some(namespace) = namespaces::find(name) {
                    before.extend(instances.iter().map(|instance| (name_of(namespace, instance), until)));
                }
            }
            let value = serde_json::to_vec(&before).map_err(|error| Failure::State(error.to_string()))?;
            run.memory.remember(&gone_key(region), &value, FORGOTTEN).await?;
        }
        let names = |gone: BTreeSet<Instance>| gone.into_iter().map(|instance| instance.object).collect();
        Ok(found.into_iter().map(|(namespace, gone)| (namespace, names(gone))).mapped())
    }
}

/// Series of the answers that are of no instance that was asked for, by namespace: how many, and what one of them is called.
#[derive(Debug, Default)]
pub(super) struct Strange(Mutex<BTreeMap<&'static str, (u64, String)>>);

impl Strange {
    fn add(&self, namespace: &Namespace, names: Vec<String>) {
        let Some(first) = names.first() else { return };
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.entry(namespace.name).or_insert_with(|| (0, first.clone())).0 += names.len() as u64;
    }

    /// What to say about them.
    pub(super) fn warnings(self, region: &Text) -> Vec<String> {
        let all = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        let say = |(namespace, (count, example)): (&str, (u64, String))| {
            format!(
                "{region}: {namespace}: {count} series of the answers are of no instance that was asked for and were left out, such as that of {example}"
            )
        };
        all.into_iter().map(say).collect()
    }
}

/// What is asked.
pub(super) struct Context<'call> {
    /// Of the region that is asked, which is not the objects' where a product has none.
    pub(super) client: &'call Client<'call>,
    pub(super) run: &'call Run,
    pub(super) region: &'call Text,
    pub(super) namespace: &'static Namespace,
    pub(super) metric: &'call Metric,
    pub(super) window: Window,
    pub(super) batches: &'call Batches,
    pub(super) gone: &'call Gone,
    pub(super) strange: &'call Strange,
}

/// What a refusal says about the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    /// An instance of the batch is no longer there.
    Released,
    /// The metric is listed and cannot be had.
    Unsupported,
    /// Perhaps the batch is too large: no other reason is known.
    Refused,
    /// Something that has nothing to do with the batch.
    Other,
}

fn meaning(error: &CallError) -> Meaning {
    let message = error.message.to_lowercase();
    // The FAQ's words for an instance that is no longer there, or that these keys may not see.
    let destroyed =
        ["the instance has been destroyed", "实例已被销毁"].iter().any(|words| message.contains(words));
    if destroyed && matches!(error.fault, Fault::Refused | Fault::Denied) {
        Meaning::Released
    } else if error.fault != Fault::Refused {
        Meaning::Other
    } else if message.contains("does not belong to the developer") {
        Meaning::Released
    } else if message.contains("cannot find metricname") {
        Meaning::Unsupported
    } else if ["InvalidParameter", "LimitExceeded"].iter().any(|start| error.code.starts_with(start)) {
        Meaning::Refused
    } else {
        Meaning::Other
    }
}

/// Asks for a metric of these instances and sends its points. A batch with a released instance is asked again in halves.
pub(super) async fn collect(context: &Context<'_>, instances: Vec<Instance>) -> Result<Answered, Failure> {
    let whole = instances.len();
    let mut left: Vec<Vec<Instance>> = vec![instances];
    let (mut smaller, mut gone, mut denied) = (false, Vec::new(), None);
    while let Some(mut batch) = left.pop() {
        match ask(context, &batch).await {
            Ok((points, strange)) => {
                context.strange.add(context.namespace, strange);
                if !points.is_empty() {
                    let region = context.region.clone();
                    context.run.send(Output::Metrics { region, points }).await;
                }
            }
            Err(error) => match meaning(&error) {
                Meaning::Unsupported => return Ok(Answered::Unsupported),
                Meaning::Released if batch.len() > 1 => {
                    let second = batch.split_off(batch.len() / 2);
                    left.extend([second, batch]);
                }
                Meaning::Released => {
                    denied = Some(error).filter(|error| error.fault == Fault::Denied);
                    gone.append(&mut batch);
                }
                Meaning::Refused if batch.len() > SIZES[1].0 => {
                    left.extend(batch.chunks(SIZES[1].0).rev().map(<[Instance]>::to_vec));
                    smaller = true;
                }
                Meaning::Refused | Meaning::Other => return Err(error.into()),
            },
        }
    }
    // Not one that the keys may see: that is no release.
    if let Some(denied) = denied.filter(|_| gone.len() == whole) {
        return Err(denied.into());
    }
    context.gone.add(context.namespace, gone);
    // All of the batch in smaller ones: it was the size. Had one of them been refused as well, it would be something else.
    if smaller {
        context.batches.shrink(context.namespace);
    }
    Ok(Answered::Read)
}

async fn ask(context: &Context<'_>, instances: &[Instance]) -> Result<Answer, CallError> {
    let Context { client, namespace, metric, window, .. } = context;
    let dimensions = |instance: &Instance| -> Vec<Json> {
        instance.call.iter().map(|(name, value)| json!({ "Name": name, "Value": &**value })).collect()
    };
    let body = json!({
        "Namespace": namespace.name,
        "MetricName": &*metric.name,
        "Period": metric.period,
        "Instances": instances.iter().map(|instance| json!({ "Dimensions": dimensions(instance) })).collect::<Vec<_>>(),
        "StartTime": moment(window.start),
        // What lies at the end itself is left out of the points: whether the API answers with it is nowhere said.
        "EndTime": moment(window.end),
    });
    let by_call: HashMap<Vec<(String, String)>, &Instance> =
        instances.iter().map(|instance| (key(&instance.call), instance)).collect();
    let read = |response: Json| read((namespace, metric, *window), &by_call, &response);
    client.ask(&GET_MONITOR_DATA, VERSION, &body, &read).await
}

/// `2018-09-22T11:51:23+00:00`; nanoseconds since 1970.
fn moment(time: i64) -> String {
    DateTime::from_timestamp(time / SECOND, 0).unwrap_or_default().to_rfc3339_opts(SecondsFormat::Secs, false)
}

/// Dimensions whatever their order and letter case.
pub(super) fn key<Value: AsRef<str>>(dimensions: &[(&str, Value)]) -> Vec<(String, String)> {
    let mut key: Vec<(String, String)> = dimensions
        .iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), value.as_ref().to_owned()))
        .collect();
    key.sort();
    key
}

/// The points of an answer, and what the series are called that belong to no instance.
pub(super) type Answer = (Vec<MetricPoint>, Vec<String>);

pub(super) fn read(
    (namespace, metric, window): (&'static Namespace, &Metric, Window),
    by_call: &HashMap<Vec<(String, String)>, &Instance>,
    response: &Json,
) -> Result<Answer, String> {
    let field: Text = format!("{}_{}", metric.name, metric.statistic).into();
    let measurement: Text = format!("tencentcloud_{}", namespace.name).into();
    let (mut points, mut strange) = (Vec::new(), Vec::new());
    let series = match response.get("DataPoints") {
        None | Some(Json::Null) => &[][..],
        Some(list) => list.as_array().ok_or("the answer's DataPoints are no list")?,
    };
    for one in series {
        let list = |name: &str| one.get(name).and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
        let dimensions: Vec<(&str, &str)> = list("Dimensions")
            .iter()
            .filter_map(|dimension| {
                Some((dimension.get("Name")?.as_str()?, dimension.get("Value")?.as_str()?))
            })
            .collect();
        // By the names of the call, whatever else the answer says of it.
        let own: Vec<(&str, &str)> = dimensions
            .iter()
            .filter_map(|(name, value)| {
                let known = namespace.dimensions.iter().find(|known| known.is(name))?;
                Some((known.call, *value))
            })
            .collect();
        let Some(instance) = by_call.get(&key(&own)) else {
            let named: Vec<String> =
                dimensions.iter().map(|(name, value)| format!("{name}={value}")).collect();
            strange.push(if named.is_empty() { "no dimensions".to_owned() } else { named.join(", ") });
            continue;
        };
        for (time, value) in list("Timestamps").iter().zip(list("Values")) {
            let (Some(time), Some(value)) = (seconds(time), value.as_f64()) else { continue };
            let time = time.saturating_mul(SECOND);
            if !(window.start..window.end).contains(&time) {
                continue;
            }
            let point = Point {
                category: Category::Metric,
                measurement: measurement.clone(),
                tags: instance
                    .reported
                    .iter()
                    .map(|(name, value)| (Text::from(*name), value.clone()))
                    .collect(),
                fields: vec![(field.clone(), Value::Float(value))],
                time,
            };
            let link = Link {
                class: namespace.class.into(),
                tag: "name".into(),
                value: instance.object.clone(),
                with_name: true,
            };
            let parts = vec![Part { mark: window.mark, first_field: 0, fields: 1 }];
            points.push(MetricPoint { point, link: Some(link), parts });
        }
    }
    Ok((points, strange))
}

/// The documents have whole numbers.
#[expect(clippy::cast_possible_truncation, reason = "seconds since 1970 fit")]
fn seconds(time: &Json) -> Option<i64> {
    time.as_i64().or_else(|| time.as_f64().map(|time| time.round() as i64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::Cloud;

    #[test]
    fn refusals_are_told_apart() {
        for (fault, code, message, wanted) in [
            (
                Fault::Refused,
                "InvalidParameterValue",
                "The instance ins-1 does not belong to the developer 1250000000",
                Meaning::Released,
            ),
            (
                Fault::Refused,
                "InvalidParameterValue",
                "cannot find metricName=DcCpuUsage configure",
                Meaning::Unsupported,
            ),
            (Fault::Refused, "InvalidParameterValue", "instances should be less than 10", Meaning::Refused),
            (Fault::Refused, "LimitExceeded", "", Meaning::Refused),
            (Fault::Refused, "ResourceNotFound", "", Meaning::Other),
            (Fault::Denied, "UnauthorizedOperation", "", Meaning::Other),
            (
                Fault::Denied,
                "UnauthorizedOperation",
                "Unauthorized operation or the instance has been destroyed",
                Meaning::Released,
            ),
            (Fault::Refused, "InvalidParameterValue", "未经授权的操作或实例已被销毁", Meaning::Released),
            (Fault::Throttled, "RequestLimitExceeded", "", Meaning::Other),
            (Fault::Quota, "LimitExceeded.LimitedAccess", "", Meaning::Other),
        ] {
            let error = CallError {
                cloud: Cloud::Tencent,
                service: "monitor".into(),
                action: "GetMonitorData".into(),
                region: "ap-shanghai".into(),
                fault,
                code: code.into(),
                message: message.into(),
                request_id: None,
                attempts: 1,
                hint: None,
            };
            assert_eq!(meaning(&error), wanted, "{code} {message}");
        }
    }

    #[test]
    fn batches_hold_to_the_limits_of_instances_and_of_datapoints() {
        let batches = Batches { sizes: Mutex::default(), before: BTreeMap::new() };
        let namespace = crate::tencentcloud::monitor::namespaces::find("QCE/CVM").unwrap();
        assert_eq!(
            [10, 144, 145, 720, 10_000].map(|points| batches.size(namespace, points)),
            [50, 50, 49, 10, 1]
        );
        batches.shrink(namespace);
        assert_eq!([10, 144, 145, 10_000].map(|points| batches.size(namespace, points)), [10, 10, 9, 1]);
    }

    #[test]
    fn times_have_an_offset() {
        assert_eq!(moment(1_537_617_083 * SECOND), "2018-09-22T11:51:23+00:00");
    }
}
