//! What exists: instances, objects of other products and metrics, made from a seed, the same in every run.
//!
//! Owns the truth that tests compare with. Knows no protocol.

use super::TencentEstate;
use std::collections::{BTreeMap, HashMap};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Names as people give them, and worse.
const NASTY: &[&str] = &[
    "web-1",
    "数据库 主节点",
    "a,b=c d",
    "say \"hello\"",
    "back\\slash",
    "ends with a backslash\\",
    "two\nlines",
    "tab\there",
    "emoji 🚀🔥",
    "",
    "#hash first",
    " blanks around ",
    "<xml> & 'quotes'",
    "a\\,b",
    "=",
    "\r\ncarriage",
];

const TYPES: &[&str] = &["SA2.MEDIUM2", "S5.LARGE8", "S2.SMALL2"];
const SYSTEMS: &[&str] =
    &["TencentOS Server 3.1 (TK4)", "CentOS 7.4 64bit", "Windows Server 2019 数据中心版 64位中文版"];

/// The owner of everything.
pub(super) const APPID: &str = "1250000000";

/// Where Monitor answers for products without a region.
pub(super) const CENTRAL: &str = "ap-guangzhou";

/// A metric as Monitor registers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TencentMetric {
    /// `QCE/CVM`.
    pub namespace: &'static str,
    /// `WanOutpkg`.
    pub name: &'static str,
    /// Its unit.
    pub unit: &'static str,
    /// Seconds, and the statistics that are registered for them; the first is what `Values` holds.
    pub periods: &'static [(i64, &'static [&'static str])],
    /// Listed ones that cannot be fetched exist.
    pub supported: bool,
}

type Periods = &'static [(i64, &'static [&'static str])];

const AVG: Periods = &[(10, &["avg"]), (60, &["avg"]), (300, &["avg"]), (3600, &["avg"]), (86_400, &["avg"])];
const MAX: Periods = &[(10, &["max"]), (60, &["max"]), (300, &["max"]), (3600, &["max"]), (86_400, &["max"])];
const SUM: Periods = &[(10, &["sum"]), (60, &["sum"]), (300, &["sum"]), (3600, &["sum"]), (86_400, &["sum"])];
const MINUTES: Periods = &[(60, &["max"]), (300, &["max"]), (3600, &["max"]), (86_400, &["max"])];
const FIVE: Periods = &[(300, &["last", "max"]), (3600, &["last"])];
/// The statistic differs from period to period, and the shortest does not come first.
const MIXED: Periods = &[(300, &["avg"]), (60, &["min", "max"]), (10, &["last"])];
const SECONDS: Periods = &[(5, &["avg"]), (10, &["MAX"])];
const DAILY: Periods = &[(86_400, &["last"])];

const fn of(
    namespace: &'static str,
    name: &'static str,
    unit: &'static str,
    periods: Periods,
) -> TencentMetric {
    TencentMetric { namespace, name, unit, periods, supported: true }
}

const fn listed_only(name: &'static str) -> TencentMetric {
    TencentMetric { namespace: "QCE/CVM", name, unit: "%", periods: AVG, supported: false }
}

/// All metrics: those of CVM first.
const METRICS: &[TencentMetric] = &[
    of("QCE/CVM", "CPUUsage", "%", AVG),
    of("QCE/CVM", "BaseCpuUsage", "%", AVG),
    of("QCE/CVM", "CpuLoadavg", "", MIXED),
    of("QCE/CVM", "MemUsage", "%", AVG),
    of("QCE/CVM", "MemUsed", "MB", AVG),
    of("QCE/CVM", "WanOutpkg", "个/秒", MAX),
    of("QCE/CVM", "WanInpkg", "个/秒", MAX),
    of("QCE/CVM", "WanOuttraffic", "Mbps", MAX),
    of("QCE/CVM", "WanIntraffic", "Mbps", MAX),
    of("QCE/CVM", "LanOutpkg", "个/秒", MAX),
    of("QCE/CVM", "LanInpkg", "个/秒", MAX),
    of("QCE/CVM", "LanOuttraffic", "Mbps", MAX),
    of("QCE/CVM", "LanIntraffic", "Mbps", MAX),
    of("QCE/CVM", "AccOuttraffic", "MB", SUM),
    of("QCE/CVM", "TcpCurrEstab", "个", MINUTES),
    of("QCE/CVM", "CvmDiskUsage", "%", FIVE),
    of("QCE/CVM", "TimeOffset", "s", MINUTES),
    of("QCE/CVM", "Cpuloadavg5m", "", AVG),
    of("QCE/CVM", "Cpuloadavg15m", "", AVG),
    of("QCE/CVM", "VportCount", "个", MINUTES),
    of("QCE/CVM", "GpuUtil", "%", SECONDS),
    of("QCE/CVM", "DailyReboots", "次", DAILY),
    listed_only("DccCpuUsage"),
    listed_only("DccMemUsage"),
    of("QCE/CDB", "BytesReceived", "Bps", MINUTES),
    of("QCE/CDB", "CpuUseRate", "%", MINUTES),
    of("QCE/COS", "StdReadRequests", "次", &[(60, &["sum"]), (300, &["sum"])]),
    of("QCE/LB_PUBLIC", "ClientConnum", "个", &[(60, &["max"]), (300, &["max"])]),
    of("QCE/LB_PRIVATE", "ClientConnum", "个", &[(60, &["max"]), (300, &["max"])]),
    of("QCE/REDIS_MEM", "CpuUtil", "%", &[(5, &["avg"]), (60, &["avg"])]),
    of("QCE/CMONGO", "Connper", "%", &[(60, &["max"]), (300, &["max"])]),
    of("QCE/MARIADB", "CpuUsageRate", "%", &[(60, &["max"]), (300, &["max"])]),
    of("QCE/SQLSERVER", "Cpu", "%", &[(60, &["avg"]), (300, &["avg"])]),
    of("QCE/CKAFKA", "InstanceProFlow", "MB/s", &[(60, &["max"]), (300, &["max"])]),
    of("QCE/MEMCACHED", "ItemSetQps", "次", &[(60, &["max"]), (300, &["max"])]),
];

/// A CVM instance as it is.
#[derive(Clone, Debug)]
pub struct TencentInstance {
    /// `ins-…`.
    pub id: String,
    /// May be empty.
    pub name: String,
    /// `SA2.MEDIUM2`.
    pub instance_type: String,
    /// `RUNNING`, `STOPPED`.
    pub state: String,
    /// `PREPAID`, `POSTPAID_BY_HOUR`.
    pub charge_type: String,
    /// `ap-shanghai-2`.
    pub zone: String,
    /// The operating system.
    pub system: String,
    /// Processors.
    pub cpu: i64,
    /// GB.
    pub memory: i64,
    /// Only some have one.
    pub public_ip: Option<String>,
    /// Each has one.
    pub private_ip: String,
    /// `2022-05-07T01:51:38Z`; prepaid ones only.
    pub expires: Option<String>,
    /// `2022-05-07T01:51:38Z`.
    pub created: String,
    /// The user's tags.
    pub tags: Vec<(String, String)>,
}

/// An object of another product: what its collector would report, and what Monitor calls it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TencentObject {
    /// `tencentcloud_cdb`.
    pub class: String,
    /// As its collector reports them.
    pub tags: BTreeMap<String, String>,
    /// `QCE/CDB`.
    pub namespace: String,
    /// As a call names it, sorted by name.
    pub dimensions: Vec<(String, String)>,
}

/// Names and values, sorted by name.
type Dimensions = Vec<(String, String)>;

/// Region, namespace, metric, dimensions and time.
type Key = (String, String, String, Dimensions, i64);

/// All regions of the account.
#[derive(Debug)]
pub(super) struct Estate {
    seed: u64,
    options: TencentEstate,
    regions: BTreeMap<String, Vec<TencentInstance>>,
    objects: BTreeMap<String, Vec<TencentObject>>,
    /// What Monitor knows: region and namespace, then dimensions, and whether there is data.
    monitored: HashMap<(String, String), HashMap<Dimensions, bool>>,
    /// Datapoints that appear later than they should: until when they are hidden.
    late: HashMap<Key, i64>,
    /// Datapoints that changed after they appeared.
    revised: HashMap<Key, f64>,
    pub(super) publication_delay: i64,
}

impl Estate {
    pub(super) fn new(seed: u64, options: &TencentEstate, now: i64) -> Self {
        let mut estate = Self {
            seed,
            options: options.clone(),
            regions: BTreeMap::new(),
            objects: BTreeMap::new(),
            monitored: HashMap::new(),
            late: HashMap::new(),
            revised: HashMap::new(),
            publication_delay: 0,
        };
        for (number, region) in options.regions.iter().enumerate() {
            let instances: Vec<TencentInstance> =
                (0..options.instances).map(|index| estate.instance(region, index, now)).collect();
            for instance in &instances {
                estate.watch(region, instance);
            }
            estate.regions.insert(region.clone(), instances);
            let objects = estate.others(region, number);
            for object in &objects {
                // Buckets have no region in Monitor.
                let place = if object.namespace == "QCE/COS" { CENTRAL } else { region };
                let key = (place.to_owned(), object.namespace.clone());
                estate.monitored.entry(key).or_default().insert(object.dimensions.clone(), true);
            }
            estate.objects.insert(region.clone(), objects);
        }
        estate
    }

    fn watch(&mut self, region: &str, instance: &TencentInstance) {
        let dimensions = vec![("InstanceId".to_owned(), instance.id.clone())];
        let key = (region.to_owned(), "QCE/CVM".to_owned());
        self.monitored.entry(key).or_default().insert(dimensions, instance.state == "RUNNING");
    }

    fn random(&self, text: &str) -> u64 {
        xxh3_64_with_seed(text.as_bytes(), self.seed)
    }

    fn id(&self, prefix: &str, text: &str) -> String {
        let mut random = self.random(text);
        let mut id = prefix.to_owned();
        for _ in 0..8 {
            id.push(char::from(
                b"0123456789abcdefghijklmnopqrstuvwxyz"[usize::try_from(random % 36).unwrap_or(0)],
            ));
            random /= 36;
        }
        id
    }

    fn instance(&self, region: &str, index: usize, now: i64) -> TencentInstance {
        let name = if !self.options.nasty {
            format!("server-{index}")
        } else if index == NASTY.len() {
            "长".repeat(255)
        } else {
            NASTY[index % NASTY.len()].to_owned()
        };
        // Most run: tests count on metrics of the first ones.
        let state = if index % 12 == 10 { "STOPPED" } else { "RUNNING" };
        let prepaid = index % 3 == 1;
        let time = |seconds: i64| crate::clock::time(seconds).format("%Y-%m-%dT%H:%M:%SZ").to_string();
        let day = now - now % 86_400;
        TencentInstance {
            id: self.id("ins-", &format!("{region}/{index}")),
            name,
            instance_type: TYPES[index % TYPES.len()].to_owned(),
            state: state.to_owned(),
            charge_type: if prepaid { "PREPAID" } else { "POSTPAID_BY_HOUR" }.to_owned(),
            zone: format!("{region}-{}", index % 3 + 1),
            system: SYSTEMS[index % SYSTEMS.len()].to_owned(),
            cpu: 1 << (index % 4),
            memory: 2 << (index % 4),
            public_ip: index.is_multiple_of(2).then(|| format!("203.0.113.{}", index % 250 + 1)),
            private_ip: format!("10.{}.{}.{}", index >> 16 & 255, index >> 8 & 255, index & 255),
            expires: prepaid.then(|| time(day + 30 * 86_400)),
            created: time(day - (index as i64 + 1) * 86_400),
            tags: if index % 4 == 3 { Vec::new() } else { vec![("team".to_owned(), format!("ops {index}"))] },
        }
    }

    /// Two of each other product. The private balancers have one address in two networks.
    fn others(&self, region: &str, number: usize) -> Vec<TencentObject> {
        let mut objects = Vec::new();
        for index in 0..2_usize {
            let text = format!("{region}/other/{index}");
            let mut add =
                |class: &str, namespace: &str, tags: &[(&str, &str)], dimensions: &[(&str, &str)]| {
                    let pairs = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
                        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
                    };
                    let mut tags: BTreeMap<String, String> = pairs(tags).into_iter().collect();
                    tags.insert("RegionId".into(), region.to_owned());
                    let mut dimensions = pairs(dimensions);
                    dimensions.sort();
                    objects.push(TencentObject {
                        class: class.into(),
                        tags,
                        namespace: namespace.into(),
                        dimensions,
                    });
                };
            let id = self.id("cdb-", &text);
            let kind = ["1", "3"][index];
            add(
                "tencentcloud_cdb",
                "QCE/CDB",
                &[("name", &id), ("InstanceId", &id), ("InstanceName", "订单库"), ("InstanceType", kind)],
                &[("InstanceId", &id), ("InstanceType", kind)],
            );
            let bucket = format!("logs-{number}-{index}-{APPID}");
            add(
                "tencentcloud_cos",
                "QCE/COS",
                &[("name", &bucket), ("BucketType", "cos"), ("Location", region)],
                &[("appid", APPID), ("bucket", &bucket)],
            );
            for (kind, namespace, address) in [
                ("Public", "QCE/LB_PUBLIC", format!("198.51.100.{}", number * 10 + index + 1)),
                ("Private", "QCE/LB_PRIVATE", "10.0.0.5".to_owned()),
            ] {
                let id = self.id("lb-", &format!("{text}/{kind}"));
                let network = self.id("vpc-", &text);
                let tags = [
                    ("name", id.as_str()),
                    ("LoadBalancerId", &id),
                    ("LoadBalancerName", "入口"),
                    ("LoadBalancerType", kind),
                    ("Address", &address),
                    ("VpcId", &network),
                ];
                let dimensions = [("vip", address.as_str()), ("vpcId", &network)];
                add(
                    "tencentcloud_clb",
                    namespace,
                    &tags,
                    &dimensions[..if kind == "Public" { 1 } else { 2 }],
                );
            }
            let id = self.id("crs-", &text);
            let tags = [("name", id.as_str()), ("InstanceId", &id), ("InstanceName", "缓存")];
            add("tencentcloud_redis", "QCE/REDIS_MEM", &tags, &[("instanceid", &id)]);
            let id = self.id("cmgo-", &text);
            let tags = [("name", id.as_str()), ("InstanceId", &id), ("InstanceName", "文档库")];
            add("tencentcloud_mongodb", "QCE/CMONGO", &tags, &[("target", &id)]);
            for (class, namespace, prefix, dimension) in [
                ("tencentcloud_mariadb", "QCE/MARIADB", "tdsql-", "InstanceId"),
                ("tencentcloud_sqlserver", "QCE/SQLSERVER", "mssql-", "resourceId"),
                ("tencentcloud_ckafka", "QCE/CKAFKA", "ckafka-", "instanceId"),
                ("tencentcloud_memcached", "QCE/MEMCACHED", "cmem-", "instanceid"),
            ] {
                let id = self.id(prefix, &text);
                let tags = [("name", id.as_str()), ("InstanceId", &id)];
                add(class, namespace, &tags, &[(dimension, &id)]);
            }
        }
        objects
    }

    pub(super) fn has(&self, region: &str) -> bool {
        self.regions.contains_key(region)
    }

    pub(super) fn instances(&self, region: &str) -> &[TencentInstance] {
        self.regions.get(region).map_or(&[], Vec::as_slice)
    }

    pub(super) fn objects(&self, region: &str) -> &[TencentObject] {
        self.objects.get(region).map_or(&[], Vec::as_slice)
    }

    pub(super) fn rename(&mut self, region: &str, id: &str, name: &str) {
        let instances = self.regions.get_mut(region).into_iter().flatten();
        for instance in instances.filter(|instance| instance.id == id) {
            name.clone_into(&mut instance.name);
        }
    }

    /// Gone from Monitor, and from the list too where `listed` is false.
    pub(super) fn release(&mut self, region: &str, id: &str, listed: bool) {
        let key = (region.to_owned(), "QCE/CVM".to_owned());
        if let Some(known) = self.monitored.get_mut(&key) {
            known.remove(&vec![("InstanceId".to_owned(), id.to_owned())]);
        }
        if !listed && let Some(instances) = self.regions.get_mut(region) {
            instances.retain(|instance| instance.id != id);
        }
    }

    pub(super) fn launch(&mut self, region: &str, now: i64) -> String {
        let index = self.instances(region).len() + 1000;
        let mut instance = self.instance(region, index, now);
        instance.state = "RUNNING".into();
        self.watch(region, &instance);
        let id = instance.id.clone();
        self.regions.entry(region.to_owned()).or_default().push(instance);
        id
    }

    /// The metrics that are listed.
    pub(super) fn metrics(&self, namespace: &str) -> impl Iterator<Item = &'static TencentMetric> {
        let most = if namespace == "QCE/CVM" { self.options.metrics } else { usize::MAX };
        let namespace = namespace.to_owned();
        METRICS.iter().filter(move |metric| metric.namespace == namespace).take(most)
    }

    /// What a namespace calls its instances by; none where there is no such namespace.
    pub(super) fn names(namespace: &str) -> Option<&'static [&'static str]> {
        Some(match namespace {
            "QCE/CVM" => &["InstanceId"],
            "QCE/CDB" => &["InstanceId", "InstanceType"],
            "QCE/COS" => &["appid", "bucket"],
            "QCE/LB_PUBLIC" => &["vip"],
            "QCE/LB_PRIVATE" => &["vip", "vpcId"],
            "QCE/REDIS_MEM" => &["instanceid"],
            "QCE/CMONGO" => &["target"],
            "QCE/MARIADB" => &["InstanceId"],
            "QCE/SQLSERVER" => &["resourceId"],
            "QCE/CKAFKA" => &["instanceId"],
            "QCE/MEMCACHED" => &["instanceid"],
            _ => return None,
        })
    }

    /// Does Monitor know it there, and is there data?
    pub(super) fn monitored(
        &self,
        region: &str,
        namespace: &str,
        dimensions: &[(String, String)],
    ) -> Option<bool> {
        self.monitored.get(&(region.to_owned(), namespace.to_owned()))?.get(dimensions).copied()
    }

    /// A datapoint as it is now; none where there is none, or not yet. About one in thirty is missing for ever.
    pub(super) fn datapoint(
        &self,
        region: &str,
        metric: &TencentMetric,
        dimensions: &[(String, String)],
        period: i64,
        at: i64,
        now: i64,
    ) -> Option<f64> {
        if at.rem_euclid(period) != 0 || at + period + self.publication_delay > now {
            return None;
        }
        if !self.late.is_empty() || !self.revised.is_empty() {
            let key = key(region, metric.namespace, metric.name, dimensions, at);
            if self.late.get(&key).is_some_and(|until| now < *until) {
                return None;
            }
            if let Some(revised) = self.revised.get(&key) {
                return Some(*revised);
            }
        }
        let mut text = format!("{region}\n{}\n{}\n{period}\n{at}", metric.namespace, metric.name);
        for (name, value) in dimensions {
            text.push('\n');
            text.push_str(name);
            text.push('=');
            text.push_str(value);
        }
        let random = self.random(&text);
        if self.options.gaps && random.is_multiple_of(31) {
            return None;
        }
        // Whole numbers, fractions, zeros, tiny and huge ones.
        let part = |mask: u64| (random >> 16 & mask) as f64;
        Some(match random >> 8 & 7 {
            0 => 0.0,
            1 => part(0xffff),
            2 => part(0xffff) * 1e-9,
            3 => part(0xffff) * 1e12,
            _ => part(0xff_ffff) / 1e5,
        })
    }

    pub(super) fn hide(&mut self, series: (&str, &str, &str, &[(String, String)]), at: i64, until: i64) {
        self.late.insert(key(series.0, series.1, series.2, series.3, at), until);
    }

    pub(super) fn revise(&mut self, series: (&str, &str, &str, &[(String, String)]), at: i64, value: f64) {
        self.revised.insert(key(series.0, series.1, series.2, series.3, at), value);
    }
}

fn key(region: &str, namespace: &str, metric: &str, dimensions: &[(String, String)], at: i64) -> Key {
    (region.to_owned(), namespace.to_owned(), metric.to_owned(), dimensions.to_vec(), at)
}
