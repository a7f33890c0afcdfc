//! CloudMonitor's metrics: which there are, which series each has, and every datapoint, by metric, dimensions and time.
//!
//! Owns the 308 metrics of the vendor's tables (2021) and the truth of their datapoints. Knows no protocol.

use super::estate::{AliyunProduct, Estate};
use super::keys::ACCOUNT;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::LazyLock;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// A metric of the tables.
#[derive(Debug, Deserialize)]
pub(super) struct Metric {
    #[serde(rename = "Namespace")]
    pub(super) namespace: String,
    #[serde(rename = "MetricName")]
    pub(super) name: String,
    #[serde(rename = "Unit")]
    pub(super) unit: String,
    #[serde(rename = "Dimensions")]
    pub(super) dimensions: Vec<String>,
    #[serde(rename = "Statistics")]
    pub(super) statistics: Vec<String>,
    #[serde(rename = "PeriodText")]
    period_text: String,
    #[serde(rename = "Title")]
    pub(super) title: String,
}

impl Metric {
    /// The registered periods, seconds.
    pub(super) fn periods(&self) -> &'static [i64] {
        if self.period_text.contains("of 15s") { &[15, 60, 300, 900] } else { &[60, 300, 900, 3600] }
    }
}

/// All metrics.
pub(super) static CATALOG: LazyLock<Vec<Metric>> =
    LazyLock::new(|| serde_json::from_str(include_str!("catalog.json")).unwrap_or_default());

pub(super) fn metric(namespace: &str, name: &str) -> Option<&'static Metric> {
    CATALOG.iter().find(|metric| metric.namespace == namespace && metric.name == name)
}

/// A series: a metric of a resource.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AliyunSeries {
    /// `acs_ecs_dashboard`.
    pub namespace: String,
    /// `CPUUtilization`.
    pub metric: String,
    /// All of its dimensions, `userId` included.
    pub dimensions: BTreeMap<String, String>,
}

/// What a dimension's values are for one resource, where it is no resource itself.
fn values(dimension: &str) -> &'static [&'static str] {
    match dimension {
        "device" => &["/dev/vda1", "/dev/vdb1"],
        "diskname" => &["vda", "vdb"],
        "mountpoint" => &["/", "/mnt/data disk"],
        "gpuId" => &["0", "1"],
        "ip" => &["10.0.0.1", "203.0.113.1"],
        "state" => &["ESTABLISHED", "TCP_TOTAL"],
        "processName" => &["nginx: worker, \"a\"", "java"],
        "period" => &["5min"],
        "port" => &["80", "443"],
        "protocol" => &["http"],
        "vip" => &["172.16.0.1"],
        "groupId" => &["1001"],
        "region" => &["cn-hangzhou"],
        "storageType" => &["Standard", "IA"],
        "Host" => &["img.example.com", "static.example.com"],
        "Status" => &["200", "404"],
        _ => &[],
    }
}

/// The datapoints.
#[derive(Debug)]
pub(super) struct Metrics {
    seed: u64,
    /// Seconds after its period at which a datapoint appears.
    pub(super) delay: i64,
    /// Datapoints that appear later than they should: until when they are hidden.
    pub(super) late: HashMap<(AliyunSeries, i64), i64>,
    /// What is added to every statistic of datapoints that changed after they appeared.
    pub(super) revised: HashMap<(AliyunSeries, i64), f64>,
    /// Resources whose datapoints end at a time.
    pub(super) stale: HashMap<String, i64>,
}

impl Metrics {
    pub(super) fn new(seed: u64) -> Self {
        Self { seed, delay: 0, late: HashMap::new(), revised: HashMap::new(), stale: HashMap::new() }
    }

    /// The statistics of a series at a time (seconds), as they are now; none where there is no datapoint, or not yet.
    pub(super) fn datapoint(
        &self,
        metric: &Metric,
        series: &AliyunSeries,
        period: i64,
        at: i64,
        now: i64,
    ) -> Option<Vec<(&'static str, f64)>> {
        if at.rem_euclid(period) != 0 || at + period + self.delay > now {
            return None;
        }
        if !self.stale.is_empty()
            && series.dimensions.values().any(|value| self.stale.get(value).is_some_and(|end| at >= *end))
        {
            return None;
        }
        let mut revised = 0.0;
        if !self.late.is_empty() || !self.revised.is_empty() {
            let key = (series.clone(), at);
            if self.late.get(&key).is_some_and(|until| now < *until) {
                return None;
            }
            revised = self.revised.get(&key).copied().unwrap_or_default();
        }
        let mut text = String::with_capacity(160);
        text.push_str(&series.namespace);
        text.push('\n');
        text.push_str(&series.metric);
        for (name, value) in &series.dimensions {
            text.push('\n');
            text.push_str(name);
            text.push('=');
            text.push_str(value);
        }
        text.push_str(&format!("\n{at}"));
        let random = xxh3_64_with_seed(text.as_bytes(), self.seed);
        // Whole numbers, fractions, zeros, tiny and huge ones.
        let part = (random >> 16 & 0xff_ffff) as f64;
        let base = match random >> 8 & 7 {
            0 => 0.0,
            1 | 2 => part,
            3 => part * 1e-9,
            4 => part * 1e9,
            _ => part / 1e5,
        };
        let statistics = metric.statistics.iter().map(|name| {
            let (name, value) = match name.as_str() {
                "Average" => ("Average", base),
                "Maximum" => ("Maximum", base + base / 7.0),
                "Minimum" => ("Minimum", base - base / 7.0),
                "Sum" => ("Sum", base * 4.0),
                _ => ("Value", base),
            };
            (name, value + revised)
        });
        Some(statistics.collect())
    }
}

impl Estate {
    /// A metric of the tables, or one that was added.
    pub(super) fn metric(&self, namespace: &str, name: &str) -> Option<&'static Metric> {
        let added = self.measured.iter().map(|(metric, _)| *metric);
        let own = |metric: &&'static Metric| metric.namespace == namespace && metric.name == name;
        metric(namespace, name).or_else(|| added.into_iter().find(own))
    }

    /// All metrics, those that were added too.
    pub(super) fn catalog(&self) -> impl Iterator<Item = &'static Metric> {
        CATALOG.iter().chain(self.measured.iter().map(|(metric, _)| *metric))
    }

    /// Adds a metric with the dimensions of its series. What it is is kept for as long as the process lives.
    pub(super) fn measure(&mut self, namespace: &str, name: &str, series: Vec<BTreeMap<String, String>>) {
        let dimensions: BTreeSet<String> = series.iter().flat_map(|one| one.keys().cloned()).collect();
        let metric = Box::leak(Box::new(Metric {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            unit: "count".to_owned(),
            dimensions: dimensions.into_iter().collect(),
            statistics: vec!["Average".to_owned()],
            period_text: "60s".to_owned(),
            title: name.to_owned(),
        }));
        self.measured.push((metric, series));
    }

    /// The series of a metric: of every resource that is measured, and every value of its other dimensions.
    pub(super) fn series(&self, metric: &Metric) -> Vec<AliyunSeries> {
        if let Some((_, series)) = self.measured.iter().find(|(known, _)| std::ptr::eq(*known, metric)) {
            let of = |dimensions: &BTreeMap<String, String>| AliyunSeries {
                namespace: metric.namespace.clone(),
                metric: metric.name.clone(),
                dimensions: dimensions.clone(),
            };
            return series.iter().map(of).collect();
        }
        let (dimension, product) = match metric.namespace.as_str() {
            "acs_ecs_dashboard" => ("instanceId", AliyunProduct::Ecs),
            "acs_rds_dashboard" => ("instanceId", AliyunProduct::Rds),
            "acs_slb_dashboard" => ("instanceId", AliyunProduct::Slb),
            _ => ("BucketName", AliyunProduct::Oss),
        };
        let user = BTreeMap::from([("userId".to_owned(), ACCOUNT.to_owned())]);
        let mut all = if metric.dimensions.iter().any(|name| name == dimension) {
            let measured = self.of(product, "").filter(|object| match product {
                AliyunProduct::Ecs => object.text("Status") == "Running",
                // MySQL's own metrics are those of its instances.
                AliyunProduct::Rds => !metric.name.starts_with("MySQL_") || object.text("Engine") == "MySQL",
                AliyunProduct::Slb | AliyunProduct::Oss => true,
            });
            measured
                .map(|object| {
                    let mut dimensions = user.clone();
                    dimensions.insert(dimension.to_owned(), object.id.clone());
                    dimensions
                })
                .collect()
        } else {
            vec![user]
        };
        for name in metric.dimensions.iter().filter(|name| *name != "userId" && *name != dimension) {
            all = all
                .iter()
                .flat_map(|known| {
                    values(name).iter().map(|value| {
                        let mut dimensions = known.clone();
                        dimensions.insert(name.clone(), (*value).to_owned());
                        dimensions
                    })
                })
                .collect();
        }
        all.into_iter()
            .map(|dimensions| AliyunSeries {
                namespace: metric.namespace.clone(),
                metric: metric.name.clone(),
                dimensions,
            })
            .collect()
    }
}
