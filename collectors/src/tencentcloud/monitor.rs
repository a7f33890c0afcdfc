//! `guance_tencentcloud_monitor`: metrics of Tencent Cloud Observability Platform (Monitor 2018-07-24).
//!
//! Owns what to ask for. A region is collected in three steps: which metrics a namespace has (`DescribeBaseMetrics`, remembered for a day), which of them
//! are wanted (the selector), and their datapoints (`GetMonitorData`, one metric and as many instances a call as the API takes). The API wants the
//! instances named: they are the objects that the namespace's object collector found, in this run or an earlier one.

mod data;
mod meta;
mod namespaces;

use super::client::{ASSUME_ROLE, Client};
use crate::account::{Account, Cloud};
use crate::call::Fault;
use crate::clock::SECOND;
use crate::collector::{
    Action, Collector, Description, Failure, Key, MarkKey, REGIONS, Reported, Source, Spec, Type, Window,
    regions,
};
use crate::mistake::{Argument, Mistake};
use crate::point::{Category, Text};
use crate::run::{Run, WindowRequest};
use crate::selector::{Patterns, Written};
use data::{Answered, Batches, Instance};
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use futures_util::stream;
use meta::Metric;
use namespaces::Namespace;
use serde::Deserialize;
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const VERSION: &str = "2018-07-24";

static DESCRIBE_BASE_METRICS: Action = Action {
    service: "monitor",
    action: "DescribeBaseMetrics",
    permission: "monitor:DescribeBaseMetrics",
    rate: 20.0,
    when: "once a day for each namespace",
};

static GET_MONITOR_DATA: Action = Action {
    service: "monitor",
    action: "GetMonitorData",
    permission: "monitor:GetMonitorData",
    rate: 20.0,
    when: "once for each metric and 50 instances; 1,000,000 a month are free",
};

/// The newest minute is not asked for: its datapoints are still incomplete.
const DELAY: i64 = 60 * SECOND;

/// Calls of one region that are under way at once; the limiter spaces them.
const AT_ONCE: usize = 16;

/// The collector.
pub static MONITOR: Monitor = Monitor {
    description: Description {
        package: "guance_tencentcloud_monitor",
        aliases: &["integration_tencentcloud_monitor"],
        name: "tencentcloud_monitor",
        title: "Tencent Cloud Monitor metrics",
        title_zh: "腾讯云云监控指标",
        cloud: Cloud::Tencent,
        category: Category::Metric,
        measurement: "tencentcloud_<namespace>",
        interval: Duration::from_secs(60),
        actions: &[&DESCRIBE_BASE_METRICS, &GET_MONITOR_DATA, &ASSUME_ROLE],
        configuration: &[
            REGIONS,
            Key {
                name: "targets[].namespace",
                kind: "text",
                required: true,
                meaning: "such as `QCE/CVM`; several targets of one namespace filter one after the other",
            },
            Key {
                name: "targets[].metrics",
                kind: "list of texts, or one",
                required: true,
                meaning: "names with `*` anywhere, whatever the letter case; `ALL`; a list that begins with `NOT` excludes",
            },
        ],
        tags: &[
            Reported {
                key: "<dimension>",
                kind: Type::Text,
                from: Source::Collector,
                meaning: "what names the instance: `InstanceId`, `vip`, `BucketName`",
            },
            Reported {
                key: "<tags of the object>",
                kind: Type::Text,
                from: Source::Collector,
                meaning: "those that the object collector reported for it, `name` included",
            },
        ],
        fields: &[Reported {
            key: "<metric>_<statistic>",
            kind: Type::Float,
            from: Source::Collector,
            meaning: "the statistic that the metric is registered with, in lower case: `WanOutpkg_max`, `AccOuttraffic_sum`",
        }],
        notes: &[
            "The instances come from the objects collected before, by this script or another: for QCE/CVM run `tencentcloud_cvm` as well.",
            "Every metric costs one call for 50 instances. 1,000,000 calls a month are free for the whole account: 1,000 instances and 10 metrics every five minutes need 1,728,000 in 30 days. When they are used up, the API stops until paid calls are switched on.",
            "A metric that is listed and not supported is named once and left out for a day.",
        ],
    },
};

/// The collector's type.
#[derive(Debug)]
pub struct Monitor {
    description: Description,
}

/// One target, read.
#[derive(Debug)]
struct Target {
    namespace: &'static Namespace,
    patterns: Patterns,
}

/// A configuration, read.
#[derive(Debug)]
struct MonitorSpec {
    regions: Vec<Text>,
    targets: Vec<Target>,
}

impl Collector for Monitor {
    fn description(&self) -> &Description {
        &self.description
    }

    fn read(&'static self, account: &Account, configs: &Json) -> Result<Box<dyn Spec>, Mistake> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct WrittenTarget {
            namespace: String,
            metrics: Written,
        }
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct WrittenConfigs {
            regions: Option<Vec<String>>,
            targets: Vec<WrittenTarget>,
        }
        let written: WrittenConfigs = crate::mistake::read(Argument::Configs, configs)?;
        let regions = regions(account, written.regions.as_deref())?;
        let wrong = |path: String, message: &str| Mistake::new(Argument::Configs, path, message);
        if written.targets.is_empty() {
            return Err(wrong("targets".into(), "is an empty list: no metric would be collected")
                .hint("name at least one: #{ namespace: \"QCE/CVM\", metrics: [\"*cpu*\"] }"));
        }
        let mut targets = Vec::with_capacity(written.targets.len());
        for (index, target) in written.targets.into_iter().enumerate() {
            let path = |key: &str| format!("targets[{index}].{key}");
            let Some(namespace) = namespaces::find(&target.namespace) else {
                let message =
                    format!("is `{}`, which this collector does not know the instances of", target.namespace);
                return Err(wrong(path("namespace"), &message).hint(namespaces::hint(&target.namespace)));
            };
            targets.push(Target { namespace, patterns: Patterns::read(&target.metrics, &path("metrics"))? });
        }
        Ok(Box::new(MonitorSpec { regions, targets }))
    }
}

#[async_trait::async_trait]
impl Spec for MonitorSpec {
    fn regions(&self) -> Vec<Text> {
        self.regions.clone()
    }

    fn links(&self) -> Vec<Text> {
        let classes: BTreeSet<&str> = self.targets.iter().map(|target| target.namespace.class).collect();
        classes.into_iter().map(Text::from).collect()
    }

    async fn collect(&self, run: &Run, regions: &[Text]) {
        let Some(first) = regions.first() else { return };
        // The list of metrics is the same everywhere: it is asked for once.
        let chosen = match self.choose(run, &Client::new(run, first)).await {
            Ok(chosen) => chosen,
            Err(failure) => {
                for region in regions {
                    run.done(region, Err(failure.clone())).await;
                }
                return;
            }
        };
        // A quota that is used up is used up everywhere.
        let over = AtomicBool::new(false);
        join_all(regions.iter().map(|region| {
            let (chosen, over) = (&chosen, &over);
            async move {
                let result = region_of(run, region, chosen, over).await;
                run.done(region, result).await;
            }
        }))
        .await;
    }
}

/// A metric that is wanted.
type Chosen = (&'static Namespace, Metric);

impl MonitorSpec {
    /// The metrics that the targets choose, of all namespaces.
    async fn choose(&self, run: &Run, client: &Client<'_>) -> Result<Vec<Chosen>, Failure> {
        let mut namespaces: Vec<&'static Namespace> = Vec::new();
        for target in &self.targets {
            if !namespaces.iter().any(|known| known.name == target.namespace.name) {
                namespaces.push(target.namespace);
            }
        }
        let lists = join_all(namespaces.iter().map(|namespace| meta::list(run, client, namespace))).await;
        let mut chosen = Vec::new();
        for (namespace, list) in namespaces.into_iter().zip(lists) {
            let mut list = list?;
            if list.is_empty() {
                run.warn(format!("the namespace {} has no metrics", namespace.name)).await;
            }
            for target in self.targets.iter().filter(|target| target.namespace.name == namespace.name) {
                let names: BTreeSet<&str> = list.iter().map(|metric| &*metric.name).collect();
                for (pattern, near) in target.patterns.idle(&names) {
                    let near =
                        if near.is_empty() { String::new() } else { format!("; near: {}", near.join(", ")) };
                    run.warn(format!("`{pattern}` selects no metric of {}{near}", namespace.name)).await;
                }
                list.retain(|metric| target.patterns.selects(&metric.name));
            }
            let unsupported = meta::unsupported(run, namespace).await?;
            list.retain(|metric| !unsupported.contains(&metric.name));
            chosen.extend(list.into_iter().map(|metric| (namespace, metric)));
        }
        Ok(chosen)
    }
}

/// One region's metrics.
async fn region_of(run: &Run, region: &Text, chosen: &[Chosen], over: &AtomicBool) -> Result<(), Failure> {
    let client = Client::new(run, region);
    let mut instances: BTreeMap<&str, Arc<Vec<Instance>>> = BTreeMap::new();
    for (namespace, _) in chosen {
        if instances.contains_key(namespace.name) {
            continue;
        }
        let found = namespace.instances(run, region).await?;
        if found.is_empty() {
            run.warn(format!(
                "{region}: {} is asked for by the objects of {class}, and none is known there: run {class} for this account and region first, in this script (before this collector) or in another",
                namespace.name,
                class = namespace.class
            ))
            .await;
        }
        instances.insert(namespace.name, Arc::new(found));
    }
    let until = client.now() - DELAY;
    let wanted: Vec<&Chosen> = chosen
        .iter()
        .filter(|(namespace, _)| instances.get(namespace.name).is_some_and(|found| !found.is_empty()))
        .collect();
    let requests: Vec<(MarkKey, WindowRequest)> = wanted
        .iter()
        .map(|(namespace, metric)| {
            let key = MarkKey {
                region: region.clone(),
                namespace: namespace.name.into(),
                metric: metric.name.clone(),
                dimensions: namespace.dimensions.iter().map(|dimension| Text::from(dimension.call)).collect(),
            };
            let end = until - until.rem_euclid(metric.period * SECOND);
            (key, WindowRequest { end, period: metric.period })
        })
        .collect();
    let windows = run.memory.windows(&requests).await?;
    let batches = Batches::recall(run).await?;
    let asked: Vec<_> = wanted
        .into_iter()
        .zip(windows)
        .filter(|(_, window)| window.start < window.end)
        .map(|((namespace, metric), window)| {
            let found = instances.get(namespace.name).cloned().unwrap_or_default();
            one(&client, run, region, namespace, metric, window, found, &batches, over)
        })
        .collect();
    let metrics = asked.len();
    let mut outcomes = stream::iter(asked).buffer_unordered(AT_ONCE);
    let (mut failure, mut failed) = (None, BTreeSet::new());
    let mut unsupported: BTreeMap<&'static str, BTreeSet<Text>> = BTreeMap::new();
    while let Some((namespace, metric, window, result)) = outcomes.next().await {
        match result {
            Ok(Answered::Read) => {
                run.advance(window.mark, window.end).await;
            }
            Ok(Answered::Unsupported) => {
                unsupported.entry(namespace.name).or_default().insert(metric.name.clone());
            }
            Err(error) => {
                failed.insert(format!("{} {}", namespace.name, metric.name));
                failure = Some(worse(failure, error));
            }
        }
    }
    drop(outcomes);
    batches.remember(run).await?;
    for (namespace, names) in unsupported {
        meta::remember_unsupported(run, namespace, &names).await?;
        let names: Vec<&str> = names.iter().map(|name| &**name).collect();
        run.warn(format!(
            "{region}: {namespace} {}: listed by Tencent Cloud and not supported by GetMonitorData: left out for a day",
            names.join(", ")
        ))
        .await;
    }
    let Some(failure) = failure else { return Ok(()) };
    if let Some(example) = failed.first().filter(|_| failed.len() < metrics) {
        run.warn(format!("{region}: {} of {metrics} metrics were not read, such as {example}", failed.len()))
            .await;
    }
    Err(failure)
}

type Outcome<'plan> = (&'static Namespace, &'plan Metric, Window, Result<Answered, Failure>);

/// One metric of all instances.
#[expect(clippy::too_many_arguments, reason = "one call's whole context, used once")]
async fn one<'plan>(
    client: &Client<'_>,
    run: &Run,
    region: &Text,
    namespace: &'static Namespace,
    metric: &'plan Metric,
    window: Window,
    instances: Arc<Vec<Instance>>,
    batches: &Batches,
    over: &AtomicBool,
) -> Outcome<'plan> {
    let context = data::Context { client, run, region, namespace, metric, window, batches };
    let mut result = Ok(Answered::Read);
    let mut rest: &[Instance] = &instances;
    while !rest.is_empty() {
        if over.load(Ordering::Relaxed) {
            result = Err(Failure::Answer("not asked for: the call before was refused".into()));
            break;
        }
        let (now, later) = rest.split_at(rest.len().min(batches.size(namespace)));
        match data::collect(&context, now).await {
            Ok(Answered::Read) => rest = later,
            Ok(Answered::Unsupported) => {
                result = Ok(Answered::Unsupported);
                break;
            }
            Err(failure) => {
                if ends(&failure) {
                    over.store(true, Ordering::Relaxed);
                }
                result = Err(failure);
                break;
            }
        }
    }
    (namespace, metric, window, result)
}

/// Does this refusal hold for every other call as well?
fn ends(failure: &Failure) -> bool {
    match failure {
        Failure::Call(error) => matches!(error.fault, Fault::Quota | Fault::Denied | Fault::Authentication),
        _ => false,
    }
}

/// The failure to report: one that says why the others were not asked for comes first.
fn worse(known: Option<Failure>, new: Failure) -> Failure {
    match known {
        Some(known) if ends(&known) || !(ends(&new) || matches!(known, Failure::Answer(_))) => known,
        _ => new,
    }
}

#[cfg(test)]
mod tests {
    use super::namespaces::NAMESPACES;

    #[test]
    fn every_namespace_of_the_contract_is_a_row() {
        let names: Vec<&str> = NAMESPACES.iter().map(|namespace| namespace.name).collect();
        for name in [
            "QCE/CVM",
            "QCE/CDB",
            "QCE/COS",
            "QCE/LB_PUBLIC",
            "QCE/LB_PRIVATE",
            "QCE/REDIS_MEM",
            "QCE/CMONGO",
        ] {
            assert!(names.contains(&name), "{name}");
        }
    }
}
