//! `guance_aws_cloudwatch`: CloudWatch metrics.
//!
//! Owns what to ask for and what the answers mean. A region is collected in three steps: which series there are (`ListMetrics`, remembered
//! for an hour), which of them are wanted (the selector, and the dimensions), and their datapoints (`GetMetricData`, five statistics each,
//! calls filled to 500 queries across namespaces). Follows the CloudWatch API 2010-08-01 over JSON 1.0.
//!
//! A metric costs what `GetMetricData` asks for, whatever it answers; five statistics of one metric in one call are billed as one.

mod data;
pub(crate) mod measured;
mod series;

use super::client::{ASSUME_ROLE, Client};
use crate::account::{Account, Cloud};
use crate::clock::SECOND;
use crate::collector::{
    Action, Collector, Description, Failure, Key, MarkId, Reported, Source, Spec, Type, regions,
};
use crate::estimate::{self, Ahead, Estimate, Expected};
use crate::link::{Row, classes, row};
use crate::mistake::{Argument, Mistake};
use crate::point::{Category, Text};
use crate::run::Run;
use crate::selector::{Patterns, Written};
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use futures_util::stream;
use serde::Deserialize;
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::sync::Semaphore;

static LIST_METRICS: Action = Action {
    service: "monitoring",
    action: "ListMetrics",
    permission: "cloudwatch:ListMetrics",
    rate: 25.0,
    when: "once an hour for each namespace and region, and 500 metrics",
};

static GET_METRIC_DATA: Action = Action {
    service: "monitoring",
    action: "GetMetricData",
    permission: "cloudwatch:GetMetricData",
    rate: 50.0,
    when: "once for every 100 metrics of a region; billed by the metric",
};

/// Seconds from one datapoint to the next. Five-minute datapoints come back as they are.
const PERIOD: i64 = 60;

/// Seconds of a day.
const DAY: i64 = 86_400;

/// Metrics that are published once a day under the day's own time ("Amazon S3 metrics and dimensions", "S3 Storage Lens"): namespace and metric,
/// none for all of it. The host decides by the period whether their datapoints can still be written.
const DAILY: &[(&str, Option<&str>)] = &[
    ("AWS/S3", Some("BucketSizeBytes")),
    ("AWS/S3", Some("NumberOfObjects")),
    ("AWS/S3/Storage-Lens", None),
];

/// Seconds from one datapoint of a metric to the next, as far as they have to be known.
fn period(namespace: &str, metric: &str) -> i64 {
    let daily = DAILY.iter().any(|(of, name)| *of == namespace && name.is_none_or(|name| name == metric));
    if daily { DAY } else { PERIOD }
}

/// The newest minute is not asked for: its datapoints are still incomplete.
const DELAY: i64 = 60 * SECOND;

/// Calls of one region that are under way at once; the limiter spaces them.
const AT_ONCE: usize = 8;

/// Datapoints that the calls under way of one region may bring, so that memory does not grow with the windows: after an outage fewer calls
/// are under way at once. A call of ten minutes brings 5,000, one of two hours 60,000.
const DATAPOINTS: u32 = 120_000;

/// The collector.
pub static CLOUDWATCH: CloudWatch = CloudWatch {
    description: Description {
        package: "guance_aws_cloudwatch",
        name: "aws_cloudwatch",
        title: "Amazon CloudWatch metrics",
        title_zh: "亚马逊 CloudWatch 指标",
        cloud: Cloud::Aws,
        category: Category::Metric,
        measurement: "aws_<namespace>",
        interval: Duration::from_secs(60),
        actions: &[&LIST_METRICS, &GET_METRIC_DATA, &ASSUME_ROLE],
        configuration: &[
            Key {
                name: "regions",
                kind: "list of texts",
                required: true,
                meaning: "the regions to collect, such as `cn-north-1`; the account's `region` serves where it is left out",
            },
            Key {
                name: "targets[].namespace",
                kind: "text",
                required: true,
                meaning: "such as `AWS/EC2`, letter case as AWS has it; several targets of one namespace filter one after the other",
            },
            Key {
                name: "targets[].metrics",
                kind: "list of texts, or one",
                required: true,
                meaning: "names with `*` anywhere, whatever the letter case; `ALL`; a list that begins with `NOT` excludes",
            },
            Key {
                name: "targets[].dimensions",
                kind: "list of texts",
                required: false,
                meaning: "only metrics whose dimension names are exactly these; left out: the namespace's usual one",
            },
        ],
        tags: &[
            Reported {
                key: "<dimension>",
                kind: Type::Text,
                from: Source::Collector,
                meaning: "each dimension, spelled as CloudWatch does: `InstanceId`",
            },
            Reported {
                key: "<tags of the object>",
                kind: Type::Text,
                from: Source::Collector,
                meaning: "AWS/EC2: those that `aws_ec2` reported for the instance, but `name`",
            },
        ],
        fields: &[Reported {
            key: "<metric>_<statistic>",
            kind: Type::Float,
            from: Source::Collector,
            meaning: "always the five: `_Average`, `_Maximum`, `_Minimum`, `_SampleCount`, `_Sum`",
        }],
        notes: &[
            "Metrics that reported nothing for two weeks are no longer listed by CloudWatch; all others are asked for, and billed, even when they have nothing new.",
            "Of AWS/ElastiCache two dimensions are collected where none is named: `CacheClusterId`, and `clusterId`, the name of a serverless cache.",
            "A new metric is found within an hour: CloudWatch lists it after up to 15 minutes, and the list is remembered for an hour.",
            "Metrics that are published once a day under the day's own time (AWS/S3 BucketSizeBytes and NumberOfObjects, all of AWS/S3/Storage-Lens) are not asked for, and named in the report: DataKit overwrites times more than two hours old.",
        ],
    },
};

/// The dimension that a namespace's metrics are collected by; of a namespace with several rows any one of them, alone. A namespace that is not
/// listed, and those without a name here: every set.
const DIMENSIONS: &[(&str, Option<&str>)] = &[
    ("AWS/EC2", Some("InstanceId")),
    ("AWS/RDS", Some("DBInstanceIdentifier")),
    ("AWS/S3", None),
    ("AWS/ES", None),
    ("AWS/ELB", Some("LoadBalancerName")),
    ("AWS/ApplicationELB", Some("LoadBalancer")),
    ("AWS/NetworkELB", Some("LoadBalancer")),
    ("AWS/GatewayELB", Some("LoadBalancer")),
    ("AWS/ElastiCache", Some("CacheClusterId")),
    // Of serverless caches.
    ("AWS/ElastiCache", Some("clusterId")),
];

/// Which objects a namespace's metrics belong to: class, and the dimension that holds the object's name.
pub(crate) static LINKS: &[Row] = &[
    row("AWS/EC2", "InstanceId", "aws_ec2"),
    row("AWS/RDS", "DBInstanceIdentifier", "aws_rds"),
    row("AWS/DocDB", "DBInstanceIdentifier", "aws_documentdb"),
    row("AWS/ApplicationELB", "LoadBalancer", "aws_aelb"),
    row("AWS/NetworkELB", "LoadBalancer", "aws_nelb"),
    row("AWS/GatewayELB", "LoadBalancer", "aws_gelb"),
    row("AWS/ELB", "LoadBalancerName", "aws_elb"),
    row("AWS/S3", "BucketName", "aws_s3"),
    row("AWS/ElastiCache", "CacheClusterId", "aws_elasticache"),
    // Serverless caches are of the same class.
    row("AWS/ElastiCache", "clusterId", "aws_elasticache"),
    row("AWS/ES", "DomainName", "aws_opensearch"),
    row("AWS/DynamoDB", "TableName", "aws_dynamodb"),
    row("AWS/Redshift", "ClusterIdentifier", "aws_redshift"),
    row("AWS/Kinesis", "StreamName", "aws_kinesis"),
    row("AWS/ECS", "ClusterName", "aws_ecs"),
    row("AWS/MemoryDB", "ClusterName", "aws_memorydb"),
    row("AWS/ApiGateway", "ApiId", "aws_gateway"),
    row("AWS/ElasticMapReduce", "JobFlowId", "aws_emr"),
    row("AWS/DMS", "ReplicationInstanceIdentifier", "aws_dms"),
    // Rules of the default bus are listed: one of the same name on another bus is another rule.
    Row {
        tag: "RuleName",
        besides: Some(("EventBusName", "default")),
        ..row("AWS/Events", "RuleName", "aws_eventbridge")
    },
];

/// The collector's type.
#[derive(Debug)]
pub struct CloudWatch {
    description: Description,
}

/// One target, read.
#[derive(Debug)]
struct Target {
    namespace: Text,
    patterns: Patterns,
    /// Sorted.
    dimensions: Option<Vec<Text>>,
}

/// A configuration, read.
#[derive(Debug)]
struct CloudWatchSpec {
    regions: Vec<Text>,
    targets: Vec<Target>,
}

impl Collector for CloudWatch {
    fn description(&self) -> &Description {
        &self.description
    }

    fn read(&'static self, account: &Account, configs: &Json) -> Result<Box<dyn Spec>, Mistake> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct WrittenTarget {
            namespace: String,
            metrics: Written,
            dimensions: Option<Vec<String>>,
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
                .hint("name at least one: #{ namespace: \"AWS/EC2\", metrics: [\"*cpu*\"] }"));
        }
        let mut targets = Vec::with_capacity(written.targets.len());
        for (index, target) in written.targets.into_iter().enumerate() {
            let path = |key: &str| format!("targets[{index}].{key}");
            if target.namespace.trim().is_empty() {
                return Err(
                    wrong(path("namespace"), "is empty").hint("write a namespace such as \"AWS/EC2\"")
                );
            }
            if !target.namespace.is_ascii() || target.namespace.len() > 255 {
                return Err(wrong(
                    path("namespace"),
                    "is no namespace: CloudWatch has at most 255 ASCII characters",
                ));
            }
            let dimensions = match target.dimensions {
                None => None,
                Some(names) => {
                    if let Some(at) = names.iter().position(|name| name.trim().is_empty()) {
                        return Err(wrong(format!("{}[{at}]", path("dimensions")), "is empty"));
                    }
                    let mut names: Vec<Text> = names.into_iter().map(Text::from).collect();
                    names.sort();
                    names.dedup();
                    Some(names)
                }
            };
            targets.push(Target {
                namespace: target.namespace.into(),
                patterns: Patterns::read(&target.metrics, &path("metrics"))?,
                dimensions,
            });
        }
        Ok(Box::new(CloudWatchSpec { regions, targets }))
    }
}

#[async_trait::async_trait]
impl Spec for CloudWatchSpec {
    fn regions(&self) -> Vec<Text> {
        self.regions.clone()
    }

    fn links(&self) -> Vec<Text> {
        classes(LINKS, self.targets.iter().map(|target| &*target.namespace))
    }

    async fn collect(&self, run: &Run, regions: &[Text]) {
        join_all(regions.iter().map(|region| async move {
            let result = self.region(run, region).await;
            run.done(region, result).await;
        }))
        .await;
    }

    async fn estimate(&self, ahead: &Ahead<'_>, regions: &[Text]) -> Result<Estimate, Failure> {
        let mut estimate = Estimate::default();
        for region in regions {
            estimate.calls.extend(self.foresee(ahead, region).await?);
        }
        Ok(estimate)
    }

    async fn discover(&self, run: &Run, regions: &[Text]) -> Result<(), Failure> {
        let lists = regions
            .iter()
            .map(|region| async move { self.choose(run, &Client::new(run, region), region).await.map(drop) });
        join_all(lists).await.into_iter().collect()
    }
}

impl CloudWatchSpec {
    async fn region(&self, run: &Run, region: &Text) -> Result<(), Failure> {
        let client = Client::new(run, region);
        let chosen = self.choose(run, &client, region).await?;
        let now = client.now() - DELAY;
        let batches = series::plan(run.memory.as_ref(), region, chosen, now).await?;
        let metrics = batches.iter().map(|batch| batch.series.len() as u64).sum();
        run.counts.announce(&GET_METRIC_DATA, batches.len() as u64, metrics).map_err(Failure::Budget)?;

        let mut touched: BTreeMap<MarkId, i64> = BTreeMap::new();
        let mut failed: BTreeSet<MarkId> = BTreeSet::new();
        let mut failure = None;
        let windows = batches.iter().flat_map(|batch| batch.series.iter().map(|series| series.window));
        touched.extend(windows.map(|window| (window.mark, window.end)));
        let room = Semaphore::new(DATAPOINTS as usize);
        let mut calls = stream::iter(batches)
            .map(|batch| {
                let (client, room) = (&client, &room);
                async move {
                    // None only of a semaphore that was closed, which this one never is.
                    let _taken = room.acquire_many(batch.datapoints().min(DATAPOINTS)).await.ok();
                    let result = data::collect(run, client, region, &batch).await;
                    (batch, result)
                }
            })
            .buffer_unordered(AT_ONCE);
        while let Some((batch, result)) = calls.next().await {
            match result {
                Ok(incomplete) => {
                    if let Some((reason, marks)) = incomplete {
                        failed.extend(marks);
                        failure.get_or_insert(Failure::Answer(reason));
                    }
                }
                Err(error) => {
                    failed.extend(batch.series.iter().map(|series| series.window.mark));
                    failure.get_or_insert(error);
                }
            }
        }
        // What a failed call left out must be asked for again, from where it was.
        for (mark, until) in touched.into_iter().filter(|(mark, _)| !failed.contains(mark)) {
            run.advance(mark, until).await;
        }
        failure.map_or(Ok(()), Err)
    }

    /// The series that the targets choose, of all namespaces.
    async fn choose(
        &self,
        run: &Run,
        client: &Client<'_>,
        region: &Text,
    ) -> Result<Vec<series::Series>, Failure> {
        let namespaces = self.namespaces();
        let lists =
            join_all(namespaces.iter().map(|namespace| series::list(run, client, region, namespace))).await;
        let mut chosen = Vec::new();
        for (namespace, list) in namespaces.into_iter().zip(lists) {
            let list = list?;
            if list.is_empty() {
                run.warn(series::empty_namespace(region, namespace)).await;
                continue;
            }
            let (selected, warnings) = self.select(region, namespace, list);
            for warning in warnings {
                run.warn(warning).await;
            }
            chosen.extend(selected);
        }
        Ok(chosen)
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
    fn select(
        &self,
        region: &Text,
        namespace: &Text,
        mut list: Vec<series::Series>,
    ) -> (Vec<series::Series>, Vec<String>) {
        let mut warnings = Vec::new();
        let targets: Vec<&Target> =
            self.targets.iter().filter(|target| target.namespace == *namespace).collect();
        let sets = dimension_sets(&list);
        for target in &targets {
            let names: BTreeSet<&str> = list.iter().map(|series| &*series.metric).collect();
            for (pattern, near) in target.patterns.idle(&names) {
                let near =
                    if near.is_empty() { String::new() } else { format!("; near: {}", near.join(", ")) };
                warnings.push(format!("{region}: `{pattern}` selects no metric of {namespace}{near}"));
            }
            list.retain(|series| target.patterns.selects(&series.metric) && fits(target, series));
        }
        let usual: Vec<&str> = DIMENSIONS
            .iter()
            .filter(|(known, _)| **known == **namespace)
            .filter_map(|(_, usual)| *usual)
            .collect();
        if targets.iter().all(|target| target.dimensions.is_none()) && !usual.is_empty() {
            list.retain(|series| series.dimensions.len() == 1 && usual.contains(&&*series.dimensions[0].0));
        }
        if list.is_empty() && warnings.is_empty() {
            warnings.push(format!(
                "{region}: the targets select no metric of {namespace}: what they exclude, or their `dimensions`, leaves none; \
                 its metrics have {sets}"
            ));
        }
        (list, warnings)
    }

    /// One region's calls, by the lists that are known.
    async fn foresee(&self, ahead: &Ahead<'_>, region: &Text) -> Result<Vec<Expected>, Failure> {
        let mut expected = Vec::new();
        let mut chosen = Vec::new();
        let mut unknown = Vec::new();
        for namespace in self.namespaces() {
            let known = series::known(ahead.memory, region, namespace).await?;
            let pages = known.as_ref().and_then(|known| known.pages);
            let listed = known.as_ref().map_or(0, |known| known.series.len());
            if known.is_none() {
                unknown.push(&**namespace);
            }
            expected.push(Expected {
                every: series::VALID,
                due: known.as_ref().is_none_or(|known| !known.valid),
                at_least: pages.is_none().then(|| unknown_list(region, &[&**namespace])),
                ..Expected::new(
                    &LIST_METRICS,
                    region,
                    pages.unwrap_or_else(|| estimate::pages(listed, series::PAGE)),
                )
            });
            chosen.extend(
                known.map(|known| self.select(region, namespace, known.series).0).unwrap_or_default(),
            );
        }
        let batches = series::plan(ahead.memory, region, chosen, ahead.now - DELAY).await?;
        let calls = batches.len() as u64;
        expected.push(Expected {
            metrics: batches.iter().map(|batch| batch.series.len() as u64).sum(),
            every: Duration::from_secs(PERIOD.unsigned_abs()),
            in_a_row: calls.div_ceil(AT_ONCE as u64),
            at_least: (!unknown.is_empty()).then(|| unknown_list(region, &unknown)),
            ..Expected::new(&GET_METRIC_DATA, region, calls)
        });
        Ok(expected)
    }
}

/// Why there may be more calls.
fn unknown_list(region: &Text, namespaces: &[&str]) -> String {
    let have = if namespaces.len() == 1 { "has" } else { "have" };
    format!("{region}: which metrics {} {have} is not known yet", namespaces.join(", "))
}

/// The sets of dimension names that there are, as they would be written in a target.
fn dimension_sets(list: &[series::Series]) -> String {
    const SHOWN: usize = 5;
    let sets: BTreeSet<Vec<&str>> =
        list.iter().map(|series| series.dimensions.iter().map(|(name, _)| &**name).collect()).collect();
    let shown: Vec<String> = sets.iter().take(SHOWN).map(|names| format!("{names:?}")).collect();
    let more = match sets.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("the dimensions {}{more}", shown.join(", "))
}

/// Are a series' dimension names exactly the target's?
fn fits(target: &Target, series: &series::Series) -> bool {
    let Some(wanted) = &target.dimensions else { return true };
    // Both are sorted.
    series.dimensions.len() == wanted.len()
        && series.dimensions.iter().zip(wanted).all(|((name, _), wanted)| name == wanted)
}
