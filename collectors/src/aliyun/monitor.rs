//! `guance_aliyun_monitor`: CloudMonitor (CMS 2019-01-01) metrics.
//!
//! Owns what to ask for and how far. A run has three steps: which metrics a namespace has (`DescribeMetricMetaList`, remembered for a day), which of them
//! are wanted (the selector), and their datapoints (`DescribeMetricList`, one metric a call and page, without dimensions: all resources of the account
//! come back). Every page is billed, so windows overlap only as far as their pages are not full.

mod data;
pub(crate) mod measured;
mod meta;

use super::client::{ASSUME_ROLE, Client};
use crate::account::{Account, Cloud};
use crate::call::Fault;
use crate::clock::SECOND;
use crate::collector::{
    Action, Collector, Description, Failure, Key, MarkKey, Reported, Source, Spec, Type, Window,
};
use crate::estimate::{self, Ahead, Estimate, Expected};
use crate::link::{Row, classes, row};
use crate::mistake::{Argument, Mistake};
use crate::point::{Category, Text};
use crate::run::{Run, WindowRequest};
use crate::selector::{Patterns, Written};
use data::{Read, Size};
use futures_util::StreamExt as _;
use futures_util::stream;
use serde::Deserialize;
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const VERSION: &str = "2019-01-01";

static DESCRIBE_META: Action = Action {
    service: "cms",
    action: "DescribeMetricMetaList",
    permission: "cms:QueryMetricMetaList",
    rate: 5.0,
    when: "once a day for each namespace",
};

static DESCRIBE_METRIC_LIST: Action = Action {
    service: "cms",
    action: "DescribeMetricList",
    permission: "cms:QueryMetricList",
    rate: 10.0,
    when: "once for each metric and 1,440 datapoints; 1,000,000 a month are free",
};

/// The newest minute is not asked for: its datapoints are still incomplete.
const DELAY: i64 = 60 * SECOND;

/// Datapoints that come later than this are waited for no longer.
const LATEST: i64 = 1800 * SECOND;

/// Datapoints of one page, and of one call.
const PAGE: i64 = 1440;

/// The least overlap of two windows, in periods.
const LEAST_OVERLAP: i64 = 2;

/// Metrics that are asked for at once; the limiter spaces the calls.
const AT_ONCE: usize = 16;

/// The collector.
pub static MONITOR: Monitor = Monitor {
    description: Description {
        package: "guance_aliyun_monitor",
        name: "aliyun_monitor",
        title: "Alibaba Cloud CloudMonitor metrics",
        title_zh: "阿里云云监控指标",
        cloud: Cloud::Aliyun,
        category: Category::Metric,
        measurement: "aliyun_<namespace>",
        interval: Duration::from_secs(60),
        actions: &[&DESCRIBE_META, &DESCRIBE_METRIC_LIST, &ASSUME_ROLE],
        configuration: &[
            Key {
                name: "targets[].namespace",
                kind: "text",
                required: true,
                meaning: "such as `acs_ecs_dashboard`; several targets of one namespace filter one after the other",
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
                meaning: "every text of a datapoint, spelled as CloudMonitor does: `instanceId`, `userId`, `device`",
            },
            Reported {
                key: "<tags of the object>",
                kind: Type::Text,
                from: Source::Collector,
                meaning: "those that `aliyun_ecs`, `aliyun_rds`, `aliyun_slb` or `aliyun_oss` reported for it, but `name`",
            },
        ],
        fields: &[Reported {
            key: "<metric>_<statistic>",
            kind: Type::Float,
            from: Source::Collector,
            meaning: "every statistic that CloudMonitor returns: mostly `_Average`, `_Maximum`, `_Minimum`, for some only `_Value` or `_Sum`",
        }],
        notes: &[
            "Every metric costs one call a run and 1,440 datapoints. 1,000,000 calls a month are free for the whole account: 46 metrics every minute need 1,987,200 in 30 days, every five minutes 397,440. Run it every five minutes; no datapoint is lost by that.",
            "Which hosts are asked says the account's key `cms_regions`, by default `[\"cn-hangzhou\"]`. Whether each host answers for its own region only could not be settled from outside: if a region's instances are missing, add it there. Equal points of two hosts are written once; each host costs its own calls.",
            "Metrics of the operating system (`memory_usedutilization`, `diskusage_utilization` and others) exist only where the CloudMonitor agent runs.",
            "Datapoints come up to ten minutes late: a run asks from the newest one that it has, and reads again what fits into the same pages.",
        ],
    },
};

/// Which objects a namespace's metrics belong to: class, and the dimension that holds the object's name.
pub(crate) static LINKS: &[Row] = &[
    row("acs_ecs_dashboard", "instanceId", "aliyun_ecs"),
    row("acs_rds_dashboard", "instanceId", "aliyun_rds"),
    row("acs_slb_dashboard", "instanceId", "aliyun_slb"),
    row("acs_oss_dashboard", "BucketName", "aliyun_oss"),
    row("acs_vpc_eip", "instanceId", "aliyun_eip"),
    row("acs_nat_gateway", "instanceId", "aliyun_nat"),
    row("acs_alb", "loadBalancerId", "aliyun_alb"),
    row("acs_kvstore", "instanceId", "aliyun_redis"),
    row("acs_mongodb", "instanceId", "aliyun_mongodb"),
    row("acs_polardb", "clusterId", "aliyun_polardb"),
    row("acs_elasticsearch", "clusterId", "aliyun_elasticsearch"),
    row("acs_cdn", "instanceId", "aliyun_cdn"),
    row("acs_dcdn", "instanceId", "aliyun_dcdn"),
    row("acs_kafka", "instanceId", "aliyun_kafka"),
    row("acs_rocketmq", "instanceId", "aliyun_rocketmq"),
    row("acs_nas", "fileSystemId", "aliyun_nas"),
    row("acs_vpn", "instanceId", "aliyun_vpn"),
    row("waf", "instanceId", "aliyun_waf"),
    row("acs_newbgpddos", "InstanceId", "aliyun_ddoscoo"),
    row("acs_ddosdip", "InstanceId", "aliyun_ddoscoo"),
    row("acs_lindorm", "instanceId", "aliyun_lindorm"),
    row("acs_hybriddb", "instanceId", "aliyun_analyticdb_postgresql"),
    Row { begins: "drds", ..row("acs_drds", "instanceId", "aliyun_polardbx_1") },
    Row { begins: "pxc-", tag: "DBInstanceName", ..row("acs_drds", "instanceId", "aliyun_polardbx_2") },
];

/// The collector's type.
#[derive(Debug)]
pub struct Monitor {
    description: Description,
}

/// One target, read.
#[derive(Debug)]
struct Target {
    namespace: Text,
    patterns: Patterns,
}

/// A configuration, read.
#[derive(Debug)]
struct MonitorSpec {
    /// The hosts to ask.
    hosts: Vec<Text>,
    targets: Vec<Target>,
}

/// A metric that is wanted.
#[derive(Debug, Clone)]
struct Chosen {
    namespace: Text,
    metric: Text,
    /// Seconds.
    period: i64,
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
            targets: Vec<WrittenTarget>,
        }
        let wrong = |path: String, message: &str| Mistake::new(Argument::Configs, path, message);
        if configs.get("regions").is_some() {
            return Err(wrong(
                "regions".into(),
                "is not taken: CloudMonitor is asked for all regions at once",
            )
            .hint(
                "remove this key; the account's `cms_regions` says which of CloudMonitor's hosts are asked",
            ));
        }
        let written: WrittenConfigs = crate::mistake::read(Argument::Configs, configs)?;
        if written.targets.is_empty() {
            return Err(wrong("targets".into(), "is an empty list: no metric would be collected")
                .hint("name at least one: #{ namespace: \"acs_ecs_dashboard\", metrics: [\"*cpu*\"] }"));
        }
        let mut targets = Vec::with_capacity(written.targets.len());
        for (index, target) in written.targets.into_iter().enumerate() {
            let path = |key: &str| format!("targets[{index}].{key}");
            if target.namespace.trim().is_empty() {
                return Err(wrong(path("namespace"), "is empty")
                    .hint("write a namespace such as \"acs_ecs_dashboard\""));
            }
            targets.push(Target {
                namespace: target.namespace.into(),
                patterns: Patterns::read(&target.metrics, &path("metrics"))?,
            });
        }
        let hosts = match &account.cms_regions {
            None => vec![Text::from("cn-hangzhou")],
            Some(regions) => regions.iter().map(|region| Text::from(region.as_str())).collect(),
        };
        Ok(Box::new(MonitorSpec { hosts, targets }))
    }
}

#[async_trait::async_trait]
impl Spec for MonitorSpec {
    fn regions(&self) -> Vec<Text> {
        vec![Text::from("")]
    }

    fn links(&self) -> Vec<Text> {
        classes(LINKS, self.targets.iter().map(|target| &*target.namespace))
    }

    async fn collect(&self, run: &Run, regions: &[Text]) {
        for region in regions {
            let result = self.all(run).await;
            run.done(region, result).await;
        }
    }

    async fn estimate(&self, ahead: &Ahead<'_>, _regions: &[Text]) -> Result<Estimate, Failure> {
        Ok(Estimate { calls: self.foresee(ahead).await?, at_least: Vec::new() })
    }

    async fn discover(&self, run: &Run, _regions: &[Text]) -> Result<(), Failure> {
        let Some(first) = self.hosts.first() else { return Ok(()) };
        let (_, failure) = self.choose(run, &[Client::new(run, first)]).await;
        failure.map_or(Ok(()), Err)
    }
}

/// What one metric's collection came to.
struct Outcome {
    chosen: Chosen,
    result: Result<(), Failure>,
    window: Window,
    read: Read,
}

impl MonitorSpec {
    async fn all(&self, run: &Run) -> Result<(), Failure> {
        let clients: Vec<Client<'_>> = self.hosts.iter().map(|host| Client::new(run, host)).collect();
        let Some(first) = clients.first() else { return Ok(()) };
        let (mut chosen, mut failure) = self.choose(run, &clients).await;
        let left_out = meta::LeftOut::recall(run.memory.as_ref(), run.clock.now(), &self.hosts).await?;
        chosen.retain(|one| !left_out.has(&one.namespace, &one.metric));
        let until = first.now() - DELAY;
        let requests = requests(&chosen, until);
        let windows = run.memory.windows(&requests).await?;
        let mut sizes = data::sizes(run.memory.as_ref()).await?;
        let wanted = chosen.iter().zip(&windows).filter(|(_, window)| window.start < window.end);
        let calls: u64 =
            wanted.map(|(one, window)| pages_of(one, *window, sizes.get(&one.key()).copied(), None)).sum();
        run.counts
            .announce(&DESCRIBE_METRIC_LIST, calls * clients.len() as u64, 0)
            .map_err(Failure::Budget)?;
        // A refusal that holds for every metric: the rest is not asked for.
        let over = AtomicBool::new(false);
        let asked: Vec<_> = chosen
            .into_iter()
            .zip(windows)
            .filter(|(_, window)| window.start < window.end)
            .map(|(chosen, window)| {
                let known = sizes.get(&chosen.key()).copied();
                one(run, &clients, &over, chosen, window, known)
            })
            .collect();
        let metrics = asked.len();
        let mut outcomes = stream::iter(asked).buffer_unordered(AT_ONCE);
        let mut failed = BTreeSet::new();
        let (mut repeated, mut strange) = (BTreeSet::new(), BTreeMap::new());
        let mut silent: BTreeMap<Text, BTreeSet<Text>> = BTreeMap::new();
        let mut absent: BTreeMap<Text, BTreeSet<Text>> = BTreeMap::new();
        // Nothing is awaited in here: the calls under way are polled by this loop alone, and one of them may hold what would be waited for.
        while let Some(outcome) = outcomes.next().await {
            let Outcome { chosen, result, window, read } = outcome;
            if read.repeated {
                repeated.insert(chosen.key());
            }
            if read.strange > 0 {
                strange.insert(chosen.key(), read.strange);
            }
            match result {
                Ok(()) if read.absent => {
                    absent.entry(chosen.namespace.clone()).or_default().insert(chosen.metric.clone());
                }
                Ok(()) => {
                    let size = read.size;
                    let known = sizes.get(&chosen.key()).is_some_and(|known| known.series > 0);
                    if size.newest.is_none() && !known && window.end - window.start >= 600 * SECOND {
                        silent.entry(chosen.namespace.clone()).or_default().insert(chosen.metric.clone());
                    }
                    if size.newest.is_some() || !known {
                        sizes.insert(chosen.key(), size);
                    }
                }
                Err(error) => {
                    failed.insert(chosen.key());
                    failure = Some(worse(failure, error));
                }
            }
        }
        drop(outcomes);
        data::remember_sizes(run, &sizes).await?;
        for (namespace, names) in silent {
            run.warn(data::silent(&namespace, &names)).await;
        }
        for (namespace, names) in &absent {
            run.warn(data::absent(namespace, names, &self.hosts)).await;
        }
        let metrics = metrics - absent.values().map(BTreeSet::len).sum::<usize>();
        if !absent.is_empty() {
            left_out.remember(run, &absent).await?;
        }
        if let Some(first) = repeated.first() {
            let which = some_of(repeated.len(), first);
            let text = "CloudMonitor gave the same page token twice: the pages up to there were taken";
            run.warn(format!("{which}: {text}")).await;
        }
        if let Some((first, _)) = strange.first_key_value() {
            let (which, count) = (some_of(strange.len(), first), strange.values().sum::<u64>());
            run.warn(format!("{which}: {count} datapoints have no time or no number and were left out"))
                .await;
        }
        let Some(failure) = failure else { return Ok(()) };
        if let Some(example) = failed.first().filter(|_| failed.len() < metrics) {
            run.warn(format!("{} of {metrics} metrics were not read, such as {example}", failed.len())).await;
        }
        Err(failure)
    }

    /// The metrics that the targets choose, of all namespaces.
    ///
    /// A namespace whose list cannot be had from any host is a failure, and does not hold up the others.
    async fn choose(&self, run: &Run, clients: &[Client<'_>]) -> (Vec<Chosen>, Option<Failure>) {
        let namespaces = self.namespaces();
        let lists = futures_util::future::join_all(
            namespaces.iter().map(|namespace| list_of(run, clients, namespace)),
        )
        .await;
        let (mut chosen, mut failure) = (Vec::new(), None);
        for (namespace, list) in namespaces.into_iter().zip(lists) {
            let list = match list {
                Ok(list) => list,
                Err(error) => {
                    failure = Some(worse(failure, error));
                    continue;
                }
            };
            if list.is_empty() {
                run.warn(meta::empty_namespace(namespace)).await;
                continue;
            }
            let (selected, warnings) = self.select(namespace, list);
            for warning in warnings {
                run.warn(warning).await;
            }
            chosen.extend(selected);
        }
        (chosen, failure)
    }

    /// Each once, in the order written.
    fn namespaces(&self) -> Vec<&Text> {
        let mut namespaces: Vec<&Text> = Vec::new();
        for target in &self.targets {
            if !namespaces.contains(&&target.namespace) {
                namespaces.push(&target.namespace);
            }
        }
        namespaces
    }

    /// What the targets leave of a namespace's list, and what a person should know.
    fn select(&self, namespace: &Text, mut list: Vec<meta::Metric>) -> (Vec<Chosen>, Vec<String>) {
        let mut warnings = Vec::new();
        for target in self.targets.iter().filter(|target| target.namespace == *namespace) {
            let names: BTreeSet<&str> = list.iter().map(|metric| &*metric.name).collect();
            for (pattern, near) in target.patterns.idle(&names) {
                let near =
                    if near.is_empty() { String::new() } else { format!("; near: {}", near.join(", ")) };
                warnings.push(format!("`{pattern}` selects no metric of {namespace}{near}"));
            }
            list.retain(|metric| target.patterns.selects(&metric.name));
        }
        let chosen = list.into_iter().map(|metric| Chosen {
            namespace: namespace.clone(),
            metric: metric.name,
            period: metric.period,
        });
        (chosen.collect(), warnings)
    }

    /// All calls, by the lists and sizes that are known.
    async fn foresee(&self, ahead: &Ahead<'_>) -> Result<Vec<Expected>, Failure> {
        let Some(first) = self.hosts.first() else { return Ok(Vec::new()) };
        let mut expected = Vec::new();
        let mut chosen = Vec::new();
        let mut unknown = None;
        for namespace in self.namespaces() {
            let known = meta::known(ahead.memory, namespace).await?;
            let pages = known.as_ref().map_or(1, |(list, _)| estimate::pages(list.len(), meta::PAGE));
            let why = || format!("which metrics {namespace} has is not known yet");
            let at_least = known.is_none().then(why);
            unknown = unknown.or_else(|| at_least.clone());
            expected.push(Expected {
                every: meta::VALID,
                due: known.as_ref().is_none_or(|(_, valid)| !valid),
                at_least,
                ..Expected::new(&DESCRIBE_META, first, pages)
            });
            chosen.extend(known.map(|(list, _)| self.select(namespace, list).0).unwrap_or_default());
        }
        let left_out = meta::LeftOut::recall(ahead.memory, ahead.now, &self.hosts).await?;
        chosen.retain(|one| !left_out.has(&one.namespace, &one.metric));
        let requests = requests(&chosen, ahead.now - DELAY);
        let windows = ahead.memory.windows(&requests).await?;
        let sizes = data::sizes(ahead.memory).await?;
        // By how often they are asked for: those of five minutes make no call in four of five minutes.
        let mut data: BTreeMap<(i64, bool), Expected> = BTreeMap::new();
        for (one, window) in chosen.iter().zip(windows) {
            if window.start >= window.end {
                continue;
            }
            let size = sizes.get(&one.key()).copied();
            // A mark that waits behind late datapoints, or for the first one, asks every time.
            let waits = size.is_none_or(|size| size.series == 0 || size.lag > 0);
            let every = if waits { 0 } else { one.period };
            let due = waits || ahead.is_new(one.period, DELAY);
            let pages = pages_of(one, window, size, ahead.cadence);
            let group = data.entry((every, due)).or_insert_with(|| Expected {
                every: Duration::from_secs(every.unsigned_abs()),
                due,
                ..Expected::new(&DESCRIBE_METRIC_LIST, first, 0)
            });
            group.calls += pages;
            group.in_a_row = group.in_a_row.max(pages);
            if size.is_none() && group.at_least.is_none() {
                group.at_least = Some(format!("how many datapoints {} has is not known yet", one.key()));
            }
        }
        if data.is_empty() || unknown.is_some() {
            let group =
                data.entry((0, true)).or_insert_with(|| Expected::new(&DESCRIBE_METRIC_LIST, first, 0));
            group.at_least = unknown.or_else(|| group.at_least.take());
        }
        for host in &self.hosts {
            expected.extend(data.values().map(|of_one| Expected {
                region: host.clone(),
                // The hosts of one metric are asked one after the other.
                in_a_row: of_one.in_a_row.max(of_one.calls.div_ceil(AT_ONCE as u64))
                    * self.hosts.len() as u64,
                ..of_one.clone()
            }));
        }
        Ok(expected)
    }
}

/// The marks of these metrics, and up to where they are asked for; `until` is the latest, nanoseconds.
fn requests(chosen: &[Chosen], until: i64) -> Vec<(MarkKey, WindowRequest)> {
    let request = |one: &Chosen| {
        let key = MarkKey {
            region: Text::from(""),
            namespace: one.namespace.clone(),
            metric: one.metric.clone(),
            dimensions: Vec::new(),
        };
        let end = until - until.rem_euclid(one.period * SECOND);
        (key, WindowRequest { end, period: one.period })
    };
    chosen.iter().map(request).collect()
}

impl Chosen {
    /// As sizes are remembered.
    fn key(&self) -> String {
        format!("{} {}", self.namespace, self.metric)
    }
}

/// One metric of all hosts.
async fn one(
    run: &Run,
    clients: &[Client<'_>],
    over: &AtomicBool,
    chosen: Chosen,
    window: Window,
    known: Option<Size>,
) -> Outcome {
    let start = start_of(&chosen, window, known);
    let mut read = Read::default();
    let mut result = Ok(());
    let mut absent = 0;
    // What one host refuses, another may still have: the mark stays, and what came is delivered.
    for client in clients {
        if over.load(Ordering::Relaxed) {
            if result.is_ok() {
                result = Err(Failure::Answer("not asked for: the metric before was refused".into()));
            }
            break;
        }
        match data::collect(run, client, &chosen, window, start).await {
            Ok(own) => read = read.and(own),
            // It is listed, and this host does not have it.
            Err(Failure::Call(error)) if error.fault == Fault::Refused && error.code == data::NOT_FOUND => {
                absent += 1;
            }
            Err(failure) => {
                if let Failure::Call(error) = &failure
                    && matches!(error.fault, Fault::Quota | Fault::Denied | Fault::Authentication)
                {
                    over.store(true, Ordering::Relaxed);
                }
                result = Err(failure);
            }
        }
    }
    read.absent = result.is_ok() && absent == clients.len();
    if result.is_ok() && !read.absent {
        let until = until_of(&chosen, window, read.size);
        run.advance(window.mark, until).await;
    }
    Outcome { chosen, result, window, read }
}

/// The metrics of a namespace, from the first host that tells them. What holds for the keys holds at every host.
async fn list_of(run: &Run, clients: &[Client<'_>], namespace: &Text) -> Result<Vec<meta::Metric>, Failure> {
    let mut result = Ok(Vec::new());
    for client in clients {
        result = meta::list(run, client, namespace).await;
        let over = matches!(&result, Err(Failure::Call(error))
            if matches!(error.fault, Fault::Quota | Fault::Denied | Fault::Authentication));
        if result.is_ok() || over {
            break;
        }
    }
    result
}

/// One metric by its name, or several by their number and the first.
fn some_of(count: usize, first: &str) -> String {
    if count == 1 { first.to_owned() } else { format!("{count} metrics, such as {first}") }
}

/// From where a metric is asked for: the overlap costs nothing as long as it fits into the pages that the new datapoints need anyway.
fn start_of(chosen: &Chosen, window: Window, known: Option<Size>) -> i64 {
    let period = chosen.period * SECOND;
    let Some(Size { series, lag, .. }) = known.filter(|known| known.series > 0) else { return window.start };
    let fresh = ((window.end - window.fresh) / period - lag).max(1);
    let pages = (series * fresh + PAGE - 1) / PAGE;
    let overlap = (pages * PAGE / series - fresh).max(LEAST_OVERLAP);
    window.start.max(window.fresh - overlap.saturating_mul(period))
}

/// The pages of one host for a metric that is as large as last time. With a cadence the window is that of a run that follows another: its mark then
/// stands as far back as the datapoints are late.
fn pages_of(chosen: &Chosen, window: Window, known: Option<Size>, cadence: Option<Duration>) -> u64 {
    let Some(size) = known.filter(|known| known.series > 0) else { return 1 };
    let period = chosen.period * SECOND;
    let late = if cadence.is_some() { size.lag * period } else { 0 };
    let window = Window { start: window.start - late, fresh: window.fresh - late, ..window };
    let published = ((window.end - start_of(chosen, window, known)) / period - size.lag).max(0);
    let datapoints = size.series.saturating_mul(published);
    u64::try_from(datapoints.saturating_add(PAGE - 1) / PAGE).unwrap_or(0).max(1)
}

/// Up to where the mark may move: behind the newest datapoint, as the next ones are still to come; what stays silent is not waited for for ever.
fn until_of(chosen: &Chosen, window: Window, size: Size) -> i64 {
    let newest = size.newest.map_or(i64::MIN, |newest| newest + chosen.period * SECOND);
    newest.max(window.end - LATEST).clamp(window.fresh.min(window.end), window.end)
}

/// The failure to report: one that says why the others were not asked for comes first.
fn worse(known: Option<Failure>, new: Failure) -> Failure {
    let grave = |failure: &Failure| match failure {
        Failure::Call(error) => matches!(error.fault, Fault::Quota | Fault::Denied | Fault::Authentication),
        _ => false,
    };
    match known {
        Some(known) if grave(&known) || !(grave(&new) || matches!(known, Failure::Answer(_))) => known,
        _ => new,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collector::MarkId;

    const MINUTE: i64 = 60 * SECOND;

    fn chosen() -> Chosen {
        Chosen { namespace: "acs_ecs_dashboard".into(), metric: "CPUUtilization".into(), period: 60 }
    }

    /// New datapoints of five minutes, an overlap of ten allowed.
    fn window() -> Window {
        Window { mark: MarkId(0), start: 0, fresh: 10 * MINUTE, end: 15 * MINUTE }
    }

    fn size(series: i64, lag: i64) -> Option<Size> {
        Some(Size { series, lag, newest: None })
    }

    #[test]
    fn the_overlap_is_what_the_pages_hold_anyway() {
        for (series, lag, overlap) in [
            // 50 datapoints, one page: all of the overlap is free.
            (10, 0, 10),
            // 500 new of 1,440.
            (100, 0, 9),
            (144, 0, 5),
            // 5,000 new on four pages: 760 are free, not a whole minute.
            (1000, 0, 2),
            (100_000, 0, 2),
            // Of the five minutes only two are published yet.
            (300, 3, 2),
            (120, 3, 10),
        ] {
            let start = start_of(&chosen(), window(), size(series, lag));
            assert_eq!((window().fresh - start) / MINUTE, overlap, "{series} series, {lag} late");
        }
        assert_eq!(start_of(&chosen(), window(), None), window().start, "unknown");
    }

    #[test]
    fn the_mark_stays_behind_the_newest_datapoint() {
        let until =
            |newest: Option<i64>| until_of(&chosen(), window(), Size { series: 1, lag: 0, newest }) / MINUTE;
        assert_eq!(until(Some(14 * MINUTE)), 15);
        assert_eq!(until(Some(11 * MINUTE)), 12, "what is to come is asked for again");
        assert_eq!(until(Some(3 * MINUTE)), 10, "never back");
        assert_eq!(until(None), 10);
        let long = Window { mark: MarkId(0), start: 0, fresh: 10 * MINUTE, end: 100 * MINUTE };
        let late = until_of(&chosen(), long, Size::default()) / MINUTE;
        assert_eq!(late, 70, "silence is waited for for half an hour");
    }
}
