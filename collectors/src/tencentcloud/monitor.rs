//! `guance_tencentcloud_monitor`: metrics of Tencent Cloud Observability Platform (Monitor 2018-07-24).
//!
//! Owns what to ask for. A region is collected in three steps: which metrics a namespace has (`DescribeBaseMetrics`, remembered for a day), which of them
//! are wanted (the selector), and their datapoints (`GetMonitorData`, one metric and as many instances a call as the API takes). The API wants the
//! instances named: they are the objects that the namespace's object collector found, in this run or an earlier one.

mod data;
pub(crate) mod measured;
mod meta;
mod namespaces;

use super::client::{ASSUME_ROLE, Client};
use super::endpoint::region_hint;
use crate::account::{Account, Cloud};
use crate::call::Fault;
use crate::clock::SECOND;
use crate::collector::{
    Action, Collector, Description, Failure, Key, MarkKey, REGIONS, Reported, Source, Spec, Type, Window,
    regions,
};
use crate::estimate::{Ahead, Estimate, Expected};
use crate::mistake::{Argument, Mistake};
use crate::point::{Category, Text};
use crate::run::{Run, WindowRequest};
use crate::selector::{Patterns, Written};
use data::{Answered, Batches, Gone, Instance, Strange};
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use futures_util::stream;
use meta::Metric;
use namespaces::Namespace;
use serde::Deserialize;
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// The namespaces, as the API spells them.
pub(crate) fn namespaces() -> Vec<&'static str> {
    namespaces::NAMESPACES.iter().map(|one| one.name).collect()
}

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

/// Released instances that one warning names.
const NAMED: usize = 10;

/// The shortest period that is asked for, seconds.
const SHORTEST: i64 = 60;

/// Calls of one region that are under way at once; the limiter spaces them.
const AT_ONCE: usize = 16;

/// The collector.
pub static MONITOR: Monitor = Monitor {
    description: Description {
        package: "guance_tencentcloud_monitor",
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

/// The classes and tags that supply instances.
#[cfg(test)]
pub(crate) fn sources() -> impl Iterator<Item = (&'static str, &'static str)> {
    namespaces::NAMESPACES.iter().flat_map(|namespace| {
        let only = namespace.only.map(|(tag, _)| tag);
        let tags = namespace.dimensions.iter().map(|dimension| dimension.tag).chain(only);
        tags.map(|tag| (namespace.class, tag))
    })
}

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
        let prepared = async {
            let chosen = self.choose(run, regions).await?;
            Ok((chosen, Batches::recall(run.memory.as_ref()).await?))
        };
        let ((chosen, unlisted), batches) = match prepared.await {
            Ok(prepared) => prepared,
            Err(failure) => {
                let failure: Failure = failure;
                for region in regions {
                    run.done(region, Err(failure.clone())).await;
                }
                return;
            }
        };
        let shared =
            Shared { batches, over: watch::Sender::default(), unsupported: tokio::sync::Mutex::default() };
        join_all(regions.iter().map(|region| {
            let (chosen, shared, unlisted) = (&chosen, &shared, unlisted.clone());
            async move {
                let result = match (region_of(run, region, chosen, shared).await, unlisted) {
                    (Ok(()), Some(failure)) => Err(failure),
                    (result, _) => result,
                };
                run.done(region, result).await;
            }
        }))
        .await;
    }

    async fn estimate(&self, ahead: &Ahead<'_>, regions: &[Text]) -> Result<Estimate, Failure> {
        Ok(Estimate { calls: self.foresee(ahead, regions).await?, at_least: Vec::new() })
    }

    async fn discover(&self, run: &Run, regions: &[Text]) -> Result<(), Failure> {
        let (_, unlisted) = self.choose(run, regions).await?;
        unlisted.map_or(Ok(()), Err)
    }
}

/// What the regions of one collection share.
struct Shared {
    batches: Batches,
    /// A refusal that holds for every other call of the account.
    over: watch::Sender<Option<Failure>>,
    /// Metrics that a person has been told of.
    unsupported: tokio::sync::Mutex<BTreeSet<(&'static str, Text)>>,
}

/// A metric that is wanted.
type Chosen = (&'static Namespace, Metric);

impl MonitorSpec {
    /// The metrics that the targets choose, of all namespaces, and why a namespace's are not known.
    async fn choose(&self, run: &Run, regions: &[Text]) -> Result<(Vec<Chosen>, Option<Failure>), Failure> {
        let namespaces = self.namespaces();
        let lists = join_all(namespaces.iter().map(|namespace| meta::list(run, regions, namespace))).await;
        let (mut chosen, mut unlisted) = (Vec::new(), None);
        for (namespace, list) in namespaces.into_iter().zip(lists) {
            let list = match list {
                Ok(list) => list,
                // The other namespaces are none the worse for it.
                Err(failure) => {
                    unlisted = unlisted.or(Some(failure));
                    continue;
                }
            };
            if list.is_empty() {
                run.warn(format!("the namespace {} has no metrics", namespace.name)).await;
            }
            let (mut list, warnings) = self.select(namespace, list);
            for warning in warnings {
                run.warn(warning).await;
            }
            let unsupported = meta::unsupported(run.memory.as_ref(), run.clock.now(), namespace).await?;
            list.retain(|metric| !unsupported.contains(&metric.name));
            chosen.extend(list.into_iter().map(|metric| (namespace, metric)));
        }
        Ok((chosen, unlisted))
    }

    /// Each once, in the order written.
    fn namespaces(&self) -> Vec<&'static Namespace> {
        let mut namespaces: Vec<&'static Namespace> = Vec::new();
        for target in &self.targets {
            if !namespaces.iter().any(|known| known.name == target.namespace.name) {
                namespaces.push(target.namespace);
            }
        }
        namespaces
    }

    /// What the targets leave of a namespace's list, and what a person should know.
    fn select(&self, namespace: &Namespace, mut list: Vec<Metric>) -> (Vec<Metric>, Vec<String>) {
        let mut warnings = Vec::new();
        for target in self.targets.iter().filter(|target| target.namespace.name == namespace.name) {
            let names: BTreeSet<&str> = list.iter().map(|metric| &*metric.name).collect();
            for (pattern, near) in target.patterns.idle(&names) {
                let near =
                    if near.is_empty() { String::new() } else { format!("; near: {}", near.join(", ")) };
                warnings.push(format!("`{pattern}` selects no metric of {}{near}", namespace.name));
            }
            list.retain(|metric| target.patterns.selects(&metric.name));
        }
        (list, warnings)
    }

    /// All calls, by the lists and objects that are known.
    async fn foresee(&self, ahead: &Ahead<'_>, regions: &[Text]) -> Result<Vec<Expected>, Failure> {
        let Some(first) = regions.first() else { return Ok(Vec::new()) };
        let mut expected = Vec::new();
        let mut chosen: Vec<Chosen> = Vec::new();
        // Found out once a day and region, by one call each.
        let mut unsupported = 0;
        let mut unknown = None;
        for namespace in self.namespaces() {
            let known = meta::known(ahead.memory, namespace).await?;
            let at_least =
                known.is_none().then(|| format!("which metrics {} has is not known yet", namespace.name));
            unknown = unknown.or_else(|| at_least.clone());
            expected.push(Expected {
                every: meta::VALID,
                due: known.as_ref().is_none_or(|(_, valid)| !valid),
                at_least,
                ..Expected::new(&DESCRIBE_BASE_METRICS, first, 1)
            });
            let mut list = known.map(|(list, _)| self.select(namespace, list).0).unwrap_or_default();
            let not = meta::unsupported(ahead.memory, ahead.now, namespace).await?;
            list.retain(|metric| {
                unsupported += u64::from(not.contains(&metric.name));
                !not.contains(&metric.name)
            });
            chosen.extend(list.into_iter().map(|metric| (namespace, metric)));
        }
        let batches = Batches::recall(ahead.memory).await?;
        for region in regions {
            let windows = ahead.memory.windows(&requests(region, &chosen, ahead.now)).await?;
            // By how often they are asked for: those of five minutes make no call in four of five minutes.
            let mut data: BTreeMap<(Text, i64), Expected> = BTreeMap::new();
            let mut at_least = unknown.clone();
            let mut instances: BTreeMap<&str, usize> = BTreeMap::new();
            for ((namespace, metric), window) in chosen.iter().zip(windows) {
                let count = match instances.get(namespace.name) {
                    Some(count) => *count,
                    None => {
                        let count = namespace.instances(ahead.memory, region).await?.len();
                        instances.insert(namespace.name, count);
                        count
                    }
                };
                if count == 0 {
                    let why = || format!("{region}: no object of {} is known there yet", namespace.class);
                    at_least = at_least.or_else(|| Some(why()));
                    continue;
                }
                if window.start >= window.end {
                    continue;
                }
                let calls = calls(&batches, namespace, metric, window, count);
                let asked = namespace.central.map_or_else(|| region.clone(), Text::from);
                let group = data.entry((asked.clone(), metric.period)).or_insert_with(|| Expected {
                    every: Duration::from_secs(metric.period.unsigned_abs()),
                    due: ahead.is_new(metric.period, DELAY),
                    ..Expected::new(&GET_MONITOR_DATA, &asked, 0)
                });
                group.calls += calls;
                group.in_a_row = group.in_a_row.max(calls);
            }
            if data.is_empty() {
                data.insert((region.clone(), SHORTEST), Expected::new(&GET_MONITOR_DATA, region, 0));
            }
            expected.extend(data.into_values().map(|of_one| Expected {
                in_a_row: of_one.in_a_row.max(of_one.calls.div_ceil(AT_ONCE as u64)),
                at_least: at_least.clone(),
                ..of_one
            }));
            if unsupported > 0 {
                expected.push(Expected {
                    every: meta::VALID,
                    due: false,
                    ..Expected::new(&GET_MONITOR_DATA, region, unsupported)
                });
            }
        }
        Ok(expected)
    }
}

/// The marks of these metrics, and up to where they are asked for.
fn requests<'metric>(
    region: &Text,
    wanted: impl IntoIterator<Item = &'metric Chosen>,
    now: i64,
) -> Vec<(MarkKey, WindowRequest)> {
    let request = |(namespace, metric): &Chosen| {
        let key = MarkKey {
            region: region.clone(),
            namespace: namespace.name.into(),
            metric: metric.name.clone(),
            dimensions: namespace.dimensions.iter().map(|dimension| Text::from(dimension.call)).collect(),
        };
        (key, WindowRequest { end: end(now, metric), period: metric.period })
    };
    wanted.into_iter().map(request).collect()
}

/// Datapoints of one instance in a window. The answer may hold what lies at the end, too.
fn datapoints(metric: &Metric, window: Window) -> usize {
    let datapoints = (window.end - window.start) / (metric.period * SECOND) + 1;
    usize::try_from(datapoints).unwrap_or(usize::MAX)
}

/// The calls of one metric for so many instances.
fn calls(batches: &Batches, namespace: &Namespace, metric: &Metric, window: Window, instances: usize) -> u64 {
    instances.div_ceil(batches.size(namespace, datapoints(metric, window))) as u64
}

/// One region's metrics.
async fn region_of(run: &Run, region: &Text, chosen: &[Chosen], shared: &Shared) -> Result<(), Failure> {
    let instances = instances(run, region, chosen).await?;
    let now = Client::new(run, region).now();
    let wanted: Vec<&Chosen> = chosen
        .iter()
        .filter(|(namespace, _)| instances.get(namespace.name).is_some_and(|found| !found.is_empty()))
        .collect();
    let requests = requests(region, wanted.iter().copied(), now);
    let windows = run.memory.windows(&requests).await?;
    let needed = wanted.iter().zip(&windows).filter(|(_, window)| window.start < window.end).map(
        |((namespace, metric), window)| {
            let found = instances.get(namespace.name).map_or(0, |found| found.len());
            calls(&shared.batches, namespace, metric, *window, found)
        },
    );
    run.counts.announce(&GET_MONITOR_DATA, needed.sum(), 0).map_err(Failure::Budget)?;
    let gone = Gone::recall(run.memory.as_ref(), region, run.clock.now()).await?;
    let strange = Strange::default();
    let asked: Vec<_> = wanted
        .into_iter()
        .zip(windows)
        .filter(|(_, window)| window.start < window.end)
        .map(|((namespace, metric), window)| {
            let found = instances.get(namespace.name).cloned().unwrap_or_default();
            one(run, region, namespace, metric, window, found, &shared.batches, (&gone, &strange))
        })
        .collect();
    let metrics = asked.len();
    let mut outcomes = stream::iter(asked).buffer_unordered(AT_ONCE);
    let mut over = shared.over.subscribe();
    let (mut failure, mut read, mut example) = (None, 0, None);
    let mut unsupported: BTreeMap<&'static str, BTreeSet<Text>> = BTreeMap::new();
    loop {
        let outcome = tokio::select! {
            biased;
            ended = over.wait_for(Option::is_some) => {
                failure = ended.ok().and_then(|ended| ended.clone());
                break;
            }
            outcome = outcomes.next() => outcome,
        };
        // Nothing may be waited for here: the other metrics stand still meanwhile, and one of them may hold the place in the way out.
        let Some((namespace, metric, result)) = outcome else { break };
        match result {
            Ok(Answered::Read) => read += 1,
            Ok(Answered::Unsupported) => {
                unsupported.entry(namespace.name).or_default().insert(metric.name.clone());
            }
            Err(error) => {
                let ends = ends(&error);
                if ends == Ends::Account {
                    shared.over.send_replace(Some(error.clone()));
                }
                if ends != Ends::Nothing {
                    failure = Some(error);
                    break;
                }
                example.get_or_insert_with(|| format!("{} {}", namespace.name, metric.name));
                failure = failure.or(Some(error));
            }
        }
    }
    // Calls that wait for their turn are not made any more.
    drop(outcomes);
    shared.batches.remember(run).await?;
    for warning in strange.warnings(region) {
        run.warn(warning).await;
    }
    for (namespace, names) in gone.remember(run, region).await? {
        let shown: Vec<&str> = names.iter().map(|name| &**name).take(NAMED).collect();
        let more = match names.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let shown = shown.join(", ");
        run.warn(format!(
            "{region}: {namespace} {shown}{more}: released since their objects were listed: left out"
        ))
        .await;
    }
    let supported = metrics - unsupported.values().map(BTreeSet::len).sum::<usize>();
    tell_unsupported(run, shared, unsupported).await?;
    let Some(failure) = failure else { return Ok(()) };
    if read > 0 {
        let example = example.map_or_else(String::new, |example| format!(", such as {example}"));
        run.warn(format!("{region}: {} of {supported} metrics were not read{example}", supported - read))
            .await;
    }
    Err(failure)
}

/// The instances of the namespaces, by the objects that are remembered.
async fn instances(
    run: &Run,
    region: &Text,
    chosen: &[Chosen],
) -> Result<BTreeMap<&'static str, Arc<Vec<Instance>>>, Failure> {
    let mut instances: BTreeMap<&'static str, Arc<Vec<Instance>>> = BTreeMap::new();
    for (namespace, _) in chosen {
        if instances.contains_key(namespace.name) {
            continue;
        }
        let found = namespace.instances(run.memory.as_ref(), region).await?;
        if found.is_empty() {
            let misspelt = region_hint(region).map_or_else(String::new, |hint| format!(" ({hint})"));
            run.warn(format!(
                "{region}: {} is asked for by the objects of {class}, and none is known there{misspelt}: run {class} for this account and region first, in this script (before this collector) or in another",
                namespace.name,
                class = namespace.class
            ))
            .await;
        }
        instances.insert(namespace.name, Arc::new(found));
    }
    Ok(instances)
}

/// Where a metric's window ends at this time, nanoseconds.
fn end(now: i64, metric: &Metric) -> i64 {
    let until = now - DELAY;
    until - until.rem_euclid(metric.period * SECOND)
}

/// Each metric is told of once, however many regions found out.
async fn tell_unsupported(
    run: &Run,
    shared: &Shared,
    unsupported: BTreeMap<&'static str, BTreeSet<Text>>,
) -> Result<(), Failure> {
    let mut told = shared.unsupported.lock().await;
    for (namespace, names) in unsupported {
        let new: Vec<Text> =
            names.into_iter().filter(|name| told.insert((namespace, name.clone()))).collect();
        if new.is_empty() {
            continue;
        }
        meta::remember_unsupported(run, namespace, &new).await?;
        let names: Vec<&str> = new.iter().map(|name| &**name).collect();
        run.warn(format!(
            "{namespace} {}: listed by Tencent Cloud and not supported by GetMonitorData: left out for a day",
            names.join(", ")
        ))
        .await;
    }
    Ok(())
}

type Outcome<'plan> = (&'static Namespace, &'plan Metric, Result<Answered, Failure>);

/// One metric of all instances. A batch that failed does not keep the others from being read, unless nothing works.
#[expect(clippy::too_many_arguments, reason = "one metric's whole context, used once")]
async fn one<'plan>(
    run: &Run,
    region: &Text,
    namespace: &'static Namespace,
    metric: &'plan Metric,
    window: Window,
    instances: Arc<Vec<Instance>>,
    batches: &Batches,
    (gone, strange): (&Gone, &Strange),
) -> Outcome<'plan> {
    let client = Client::new(run, &namespace.central.map_or_else(|| region.clone(), Text::from));
    let context =
        data::Context { client: &client, run, region, namespace, metric, window, batches, gone, strange };
    let datapoints = datapoints(metric, window);
    let mut rest = instances.iter();
    let (mut read, mut failed) = (false, None);
    let result = loop {
        let there = rest.by_ref().filter(|instance| !gone.has(namespace, instance));
        let batch: Vec<Instance> = there.take(batches.size(namespace, datapoints)).cloned().collect();
        if batch.is_empty() {
            break failed.map_or(Ok(Answered::Read), Err);
        }
        match data::collect(&context, batch).await {
            Ok(Answered::Read) => read = true,
            Ok(Answered::Unsupported) => break Ok(Answered::Unsupported),
            Err(failure) if ends(&failure) != Ends::Nothing || (failed.is_some() && !read) => {
                break Err(failure);
            }
            Err(failure) => failed = failed.or(Some(failure)),
        }
    };
    if matches!(result, Ok(Answered::Read)) {
        // The clock may have been set right by an answer: what lies ahead of it has not been read.
        let until = window.end.min(end(client.now(), metric));
        run.advance(window.mark, until).await;
    }
    (namespace, metric, result)
}

/// How far a refusal reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ends {
    /// This call.
    Nothing,
    /// Every call of this region: policies can name regions.
    Region,
    /// Every call of the account.
    Account,
}

fn ends(failure: &Failure) -> Ends {
    match failure {
        Failure::Call(error) => match error.fault {
            Fault::Quota | Fault::Authentication | Fault::Skewed => Ends::Account,
            Fault::Denied => Ends::Region,
            Fault::Throttled | Fault::Transient | Fault::Refused => Ends::Nothing,
        },
        _ => Ends::Nothing,
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
