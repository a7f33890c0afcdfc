//! What exists: instances and metrics, made from a seed, the same in every run.
//!
//! Owns the truth that tests compare with. Knows no protocol.

use crate::aws::AwsEstate;
use std::collections::{BTreeMap, HashMap, HashSet};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Names as people give them, and worse.
const NASTY: &[Option<&str>] = &[
    Some("web-1"),
    Some("数据库 主节点"),
    Some("a,b=c d"),
    Some("say \"hello\""),
    Some("back\\slash"),
    Some("ends with a backslash\\"),
    Some("two\nlines"),
    Some("tab\there"),
    Some("emoji 🚀🔥"),
    None,
    Some(""),
    Some("#hash first"),
    Some(" blanks around "),
    Some("<xml> & 'quotes'"),
    Some("a\\,b"),
    Some("="),
    Some("\r\ncarriage"),
];

/// EC2's metrics, those of the processor first.
const METRICS: &[&str] = &[
    "CPUUtilization",
    "CPUCreditBalance",
    "CPUCreditUsage",
    "NetworkIn",
    "NetworkOut",
    "DiskReadOps",
    "DiskWriteOps",
    "StatusCheckFailed",
    "EBSReadBytes",
    "MetadataNoToken",
    "NetworkPacketsIn",
    "NetworkPacketsOut",
    "DiskReadBytes",
    "DiskWriteBytes",
    "StatusCheckFailed_Instance",
    "StatusCheckFailed_System",
    "EBSWriteBytes",
    "EBSReadOps",
    "EBSWriteOps",
    "EBSIOBalance%",
    "EBSByteBalance%",
    "CPUSurplusCreditBalance",
    "CPUSurplusCreditsCharged",
];

const TYPES: &[&str] = &["t3.micro", "c6g.xlarge", "m5.large", "r6i.2xlarge"];

/// An instance as it is.
#[derive(Clone, Debug)]
pub struct InstanceTruth {
    /// `i-…`.
    pub id: String,
    /// `c6g.xlarge`.
    pub instance_type: String,
    /// `running`, `stopped`, `terminated`.
    pub state: String,
    /// Code and message, where it is not running.
    pub state_reason: Option<(String, String)>,
    /// Seconds since 1970.
    pub launched: i64,
    /// `cn-north-1a`.
    pub zone: String,
    /// None once terminated.
    pub private_ip: Option<String>,
    /// Only some have one.
    pub public_ip: Option<String>,
    /// The user's tags, `Name` among them; none for an instance without a tag set.
    pub tags: Vec<(String, String)>,
    /// `Linux/UNIX`, `Windows`.
    pub platform: String,
    /// Five-minute datapoints only.
    pub basic_monitoring: bool,
}

impl InstanceTruth {
    /// The tag `Name`.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.tags.iter().find(|(key, _)| key == "Name").map(|(_, value)| value.as_str())
    }
}

/// A series as CloudWatch lists it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MetricTruth {
    /// `AWS/EC2`.
    pub namespace: String,
    /// `CPUUtilization`.
    pub name: String,
    /// Names and values, sorted by name.
    pub dimensions: Vec<(String, String)>,
}

/// The five statistics of one datapoint.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Statistics {
    /// Sum by count.
    pub average: f64,
    /// The largest sample.
    pub maximum: f64,
    /// The smallest sample.
    pub minimum: f64,
    /// How many samples.
    pub sample_count: f64,
    /// Of all samples.
    pub sum: f64,
}

impl Statistics {
    /// One of the five, by CloudWatch's name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<f64> {
        match name {
            "Average" => Some(self.average),
            "Maximum" => Some(self.maximum),
            "Minimum" => Some(self.minimum),
            "SampleCount" => Some(self.sample_count),
            "Sum" => Some(self.sum),
            _ => None,
        }
    }
}

type Key = (String, MetricTruth, i64);

/// All regions of the account.
#[derive(Debug)]
pub(crate) struct Estate {
    seed: u64,
    options: AwsEstate,
    regions: BTreeMap<String, Vec<InstanceTruth>>,
    listed: HashMap<String, Vec<MetricTruth>>,
    /// Ids of the instances with five-minute datapoints, by region.
    basic: HashMap<String, HashSet<String>>,
    /// Further series, of every region.
    measured: Vec<MetricTruth>,
    /// Datapoints that appear later than they should: until when they are hidden.
    late: HashMap<Key, i64>,
    /// Datapoints that changed after they appeared.
    revised: HashMap<Key, Statistics>,
    pub(crate) publication_delay: i64,
}

impl Estate {
    pub(crate) fn new(seed: u64, options: &AwsEstate, now: i64) -> Self {
        let mut estate = Self {
            seed,
            options: options.clone(),
            regions: BTreeMap::new(),
            listed: HashMap::new(),
            basic: HashMap::new(),
            measured: Vec::new(),
            late: HashMap::new(),
            revised: HashMap::new(),
            publication_delay: 0,
        };
        for region in &options.regions {
            let instances: Vec<InstanceTruth> =
                (0..options.instances).map(|index| estate.instance(region, index, now)).collect();
            estate.regions.insert(region.clone(), instances);
            estate.changed(region);
        }
        estate
    }

    fn random(&self, text: &str) -> u64 {
        xxh3_64_with_seed(text.as_bytes(), self.seed)
    }

    fn instance(&self, region: &str, index: usize, now: i64) -> InstanceTruth {
        let random = self.random(&format!("{region}/{index}"));
        let name = if !self.options.nasty {
            Some(format!("server-{index}"))
        } else if index == NASTY.len() {
            Some("长".repeat(255))
        } else {
            NASTY[index % NASTY.len()].map(str::to_owned)
        };
        let mut tags = vec![("team".to_owned(), format!("ops {index}"))];
        if let Some(name) = name {
            tags.push(("Name".to_owned(), name));
        } else {
            tags.clear();
        }
        // Most run: tests count on metrics of the first ones.
        let state = match index % 12 {
            10 => "stopped",
            11 => "terminated",
            _ => "running",
        };
        let reason = match state {
            "stopped" => Some((
                "Client.UserInitiatedShutdown".to_owned(),
                "Client.UserInitiatedShutdown: User initiated shutdown".to_owned(),
            )),
            "terminated" => Some((
                "Server.SpotInstanceTermination".to_owned(),
                "Server.SpotInstanceTermination: 已回收".to_owned(),
            )),
            _ => None,
        };
        InstanceTruth {
            id: format!("i-{random:017x}").chars().take(19).collect(),
            instance_type: TYPES[index % TYPES.len()].to_owned(),
            state: state.to_owned(),
            state_reason: reason,
            launched: now - now % 86_400 - (index as i64 + 1) * 86_400,
            zone: format!("{region}{}", ["a", "b", "c"][index % 3]),
            private_ip: (state != "terminated")
                .then(|| format!("10.{}.{}.{}", index >> 16 & 255, index >> 8 & 255, index & 255)),
            public_ip: (index.is_multiple_of(2) && state == "running")
                .then(|| format!("203.0.113.{}", index % 250 + 1)),
            tags,
            platform: if index % 5 == 4 { "Windows" } else { "Linux/UNIX" }.to_owned(),
            basic_monitoring: index % 4 == 3,
        }
    }

    pub(crate) fn has(&self, region: &str) -> bool {
        self.regions.contains_key(region)
    }

    pub(crate) fn instances(&self, region: &str) -> &[InstanceTruth] {
        self.regions.get(region).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn edit(&mut self, region: &str, id: &str, change: impl FnOnce(&mut InstanceTruth)) {
        if let Some(instance) =
            self.regions.get_mut(region).into_iter().flatten().find(|instance| instance.id == id)
        {
            change(instance);
        }
        self.changed(region);
    }

    pub(crate) fn remove(&mut self, region: &str, id: &str) {
        if let Some(instances) = self.regions.get_mut(region) {
            instances.retain(|instance| instance.id != id);
        }
        self.changed(region);
    }

    pub(crate) fn launch(&mut self, region: &str, now: i64) -> String {
        let index = self.instances(region).len();
        let mut instance = self.instance(region, index, now);
        instance.state = "running".into();
        instance.state_reason = None;
        instance.launched = now;
        let id = instance.id.clone();
        self.regions.entry(region.to_owned()).or_default().push(instance);
        self.changed(region);
        id
    }

    /// What follows from a region's instances is made anew.
    fn changed(&mut self, region: &str) {
        self.listed.remove(region);
        let basic = self.instances(region).iter().filter(|instance| instance.basic_monitoring);
        let basic = basic.map(|instance| instance.id.clone()).collect();
        self.basic.insert(region.to_owned(), basic);
    }

    /// All series of a region, sorted.
    pub(crate) fn metrics(&mut self, region: &str) -> &[MetricTruth] {
        if !self.listed.contains_key(region) {
            let series = self.series(region);
            self.listed.insert(region.to_owned(), series);
        }
        self.listed.get(region).map_or(&[], Vec::as_slice)
    }

    fn series(&self, region: &str) -> Vec<MetricTruth> {
        let one = |namespace: &str, name: &str, dimensions: &[(&str, &str)]| MetricTruth {
            namespace: namespace.into(),
            name: name.into(),
            dimensions: dimensions.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect(),
        };
        let mut series = Vec::new();
        for instance in self.instances(region).iter().filter(|instance| instance.state == "running") {
            for metric in METRICS.iter().take(self.options.metrics) {
                series.push(one("AWS/EC2", metric, &[("InstanceId", &instance.id)]));
            }
        }
        if series.is_empty() {
            return series;
        }
        for metric in ["CPUUtilization", "NetworkIn"] {
            series.push(one("AWS/EC2", metric, &[("AutoScalingGroupName", "web")]));
            series.push(one("AWS/EC2", metric, &[("ImageId", "ami-1"), ("InstanceType", "t3.micro")]));
        }
        series.push(one("AWS/RDS", "CPUUtilization", &[("DBInstanceIdentifier", "orders")]));
        series.push(one(
            "AWS/RDS",
            "CPUUtilization",
            &[("DBClusterIdentifier", "orders"), ("Role", "WRITER")],
        ));
        for metric in ["RequestCount", "HTTPCode_Target_5XX_Count"] {
            series.push(one("AWS/ApplicationELB", metric, &[("LoadBalancer", "app/web/1")]));
            series.push(one(
                "AWS/ApplicationELB",
                metric,
                &[("AvailabilityZone", "a"), ("LoadBalancer", "app/web/1")],
            ));
        }
        for kind in ["StandardStorage", "StandardIAStorage"] {
            series.push(one("AWS/S3", "BucketSizeBytes", &[("BucketName", "backup"), ("StorageType", kind)]));
        }
        series.push(one(
            "AWS/S3",
            "NumberOfObjects",
            &[("BucketName", "backup"), ("StorageType", "AllStorageTypes")],
        ));
        series.push(one("AWS/S3", "AllRequests", &[("BucketName", "backup"), ("FilterId", "all")]));
        series.push(one("My/App", "queue depth", &[("Cluster Name", "blue, green=1")]));
        series.push(one("My/App", "heartbeat", &[]));
        series.extend(self.measured.iter().cloned());
        series.sort();
        series.dedup();
        series
    }

    /// Every region has these series, too.
    pub(crate) fn measure(&mut self, series: Vec<MetricTruth>) {
        self.measured = series;
        self.listed.clear();
    }

    /// Seconds from one datapoint of a series to the next.
    fn step(&self, region: &str, series: &MetricTruth) -> i64 {
        // S3 measures its storage once a day.
        if series.namespace == "AWS/S3" && series.name != "AllRequests" {
            return 86_400;
        }
        let instance = series.dimensions.first().filter(|(name, _)| name == "InstanceId").map(|(_, id)| id);
        let basic = instance.is_some_and(|id| self.basic.get(region).is_some_and(|basic| basic.contains(id)));
        if basic { 300 } else { i64::from(self.options.period) }
    }

    /// The datapoint of a series at a time, as it is now; none where there is none, or not yet.
    pub(crate) fn datapoint(
        &self,
        region: &str,
        series: &MetricTruth,
        at: i64,
        now: i64,
    ) -> Option<Statistics> {
        self.datapoint_with_step(region, series, self.step(region, series), at, now)
    }

    fn datapoint_with_step(
        &self,
        region: &str,
        series: &MetricTruth,
        step: i64,
        at: i64,
        now: i64,
    ) -> Option<Statistics> {
        if at.rem_euclid(step) != 0 || at + step + self.publication_delay > now {
            return None;
        }
        if !self.late.is_empty() || !self.revised.is_empty() {
            let key = (region.to_owned(), series.clone(), at);
            if self.late.get(&key).is_some_and(|until| now < *until) {
                return None;
            }
            if let Some(revised) = self.revised.get(&key) {
                return Some(*revised);
            }
        }
        let mut text = format!("{region}\n{}\n{}\n{at}", series.namespace, series.name);
        for (name, value) in &series.dimensions {
            text.push('\n');
            text.push_str(name);
            text.push('=');
            text.push_str(value);
        }
        let random = self.random(&text);
        let count = (1 + random % 5) as f64;
        // Whole numbers, fractions, zeros, tiny and huge ones.
        let base = match random >> 8 & 7 {
            0 => 0.0,
            1 => (random >> 16 & 0xffff) as f64,
            2 => (random >> 16 & 0xffff) as f64 * 1e-9,
            3 => (random >> 16 & 0xffff) as f64 * 1e12,
            _ => (random >> 16 & 0xff_ffff) as f64 / 1e5,
        };
        let spread = base / 7.0;
        let (minimum, maximum) = (base - spread, base + spread);
        let sum = if count > 1.0 { minimum + maximum + base * (count - 2.0) } else { base };
        let (minimum, maximum) = if count > 1.0 { (minimum, maximum) } else { (base, base) };
        Some(Statistics { average: sum / count, maximum, minimum, sample_count: count, sum })
    }

    /// The datapoints of a window by a period, ascending.
    pub(crate) fn datapoints(
        &self,
        region: &str,
        series: &MetricTruth,
        window: std::ops::Range<i64>,
        period: i64,
        now: i64,
    ) -> Vec<(i64, Statistics)> {
        let step = self.step(region, series);
        let mut points = Vec::new();
        let mut from = window.start - window.start.rem_euclid(period);
        while from < window.end {
            let first = from + (step - from.rem_euclid(step)) % step;
            let own = (first..from + period)
                .step_by(usize::try_from(step).unwrap_or(60))
                .filter_map(|at| self.datapoint_with_step(region, series, step, at, now));
            if let Some(joined) = own.reduce(join) {
                points.push((from, joined));
            }
            from += period;
        }
        points
    }

    /// Is there such a series?
    pub(crate) fn knows(&mut self, region: &str, series: &MetricTruth) -> bool {
        self.metrics(region).binary_search(series).is_ok()
    }

    pub(crate) fn hide(&mut self, region: &str, series: MetricTruth, at: i64, until: i64) {
        self.late.insert((region.to_owned(), series, at), until);
    }

    pub(crate) fn revise(&mut self, region: &str, series: MetricTruth, at: i64, statistics: Statistics) {
        self.revised.insert((region.to_owned(), series, at), statistics);
    }
}

/// Two datapoints as one.
fn join(one: Statistics, other: Statistics) -> Statistics {
    let (sum, sample_count) = (one.sum + other.sum, one.sample_count + other.sample_count);
    Statistics {
        average: sum / sample_count,
        maximum: one.maximum.max(other.maximum),
        minimum: one.minimum.min(other.minimum),
        sample_count,
        sum,
    }
}
