//! A strict double of the clouds' APIs and of DataKit, on loopback only.
//!
//! Owns the truth that tests compare with, and the faults that they switch on. Written from the documents; shares no code with the program that
//! is tested against it.

mod aliyun;
mod aws;
mod clock;
mod datakit;
mod faults;
mod market;
mod server;
mod tencent;

pub use aliyun::{AliyunEstate, AliyunFault, AliyunKeys, AliyunObject, AliyunProduct, AliyunSeries};
pub use aws::{AwsEstate, DatabaseTruth, InstanceTruth, Keys, MetricTruth, Statistics};
pub use datakit::{DataKit, DataKitBehaviour, FieldValue, ReceivedPoint, WriteRequest};
pub use faults::{Fault, FaultKind};
pub use market::bounds::{BOUNDS as PAGE_BOUNDS, Bound};
pub use market::{MarketCall, MarketCut, MarketItems, MarketPaging};
pub use tencent::{TencentEstate, TencentInstance, TencentKeys, TencentMetric, TencentObject};

use aliyun::Aliyun;
use aws::Aws;
use clock::Clock;
use server::Server;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tencent::Tencent;

/// What is simulated.
#[derive(Clone, Debug)]
pub struct Options {
    /// The port of AWS; 0 is any.
    pub port: u16,
    /// The port of DataKit; 0 is any.
    pub datakit_port: u16,
    /// A file for the lines that DataKit takes; requests and points are then not kept in memory.
    pub datakit_lines: Option<PathBuf>,
    /// Added to every answer of a cloud.
    pub latency: Duration,
    /// What everything is made from.
    pub seed: u64,
    /// The AWS account.
    pub aws: AwsEstate,
    /// The port of Tencent Cloud; 0 is any.
    pub tencent_port: u16,
    /// The Tencent Cloud account.
    pub tencent: TencentEstate,
    /// The port of Alibaba Cloud; 0 is any.
    pub aliyun_port: u16,
    /// The account of Alibaba Cloud.
    pub aliyun: AliyunEstate,
    /// Told of every call.
    pub log: Option<fn(&str)>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            port: 0,
            datakit_port: 0,
            datakit_lines: None,
            latency: Duration::ZERO,
            seed: 1,
            aws: AwsEstate::default(),
            tencent_port: 0,
            tencent: TencentEstate::default(),
            aliyun_port: 0,
            aliyun: AliyunEstate::default(),
            log: None,
        }
    }
}

/// Running doubles; they end when this is dropped.
#[derive(Debug)]
pub struct Simcloud {
    clock: Arc<Clock>,
    aws: Arc<Aws>,
    server: Server,
    tencent: Arc<Tencent>,
    tencent_server: Server,
    aliyun: Arc<Aliyun>,
    aliyun_server: Server,
    datakit: DataKit,
}

impl Simcloud {
    /// Starts all doubles on loopback.
    ///
    /// # Errors
    /// Where a port cannot be listened on.
    pub async fn start(options: Options) -> std::io::Result<Self> {
        let clock = Arc::new(Clock::default());
        let aws = Arc::new(Aws::new(clock.clone(), &options.aws, options.seed, options.latency, options.log));
        let server = Server::start(options.port, aws.clone()).await?;
        let tencent = Arc::new(Tencent::new(
            clock.clone(),
            &options.tencent,
            options.seed,
            options.latency,
            options.log,
        ));
        let tencent_server = Server::start(options.tencent_port, tencent.clone()).await?;
        let aliyun = Aliyun::new(clock.clone(), &options.aliyun, options.seed, options.latency, options.log);
        let aliyun = Arc::new(aliyun);
        let aliyun_server = Server::start(options.aliyun_port, aliyun.clone()).await?;
        let datakit =
            DataKit::start(options.datakit_port, clock.clone(), options.datakit_lines.as_deref()).await?;
        Ok(Self { clock, aws, server, aliyun, aliyun_server, tencent, tencent_server, datakit })
    }

    /// Ends all doubles.
    pub async fn stop(self) {
        self.server.stop();
        self.tencent_server.stop();
        self.aliyun_server.stop();
        self.datakit.stop();
    }

    /// Where all services of AWS answer: service and region come with the signature.
    #[must_use]
    pub fn aws_url(&self) -> String {
        format!("http://{}", self.server.address)
    }

    /// Answers these calls beside those that the doubles know themselves.
    pub fn set_market(&self, aws: Vec<MarketCall>, aliyun: Vec<MarketCall>, tencent: Vec<MarketCall>) {
        self.aws.market.set(aws);
        self.aliyun.market.set(aliyun);
        self.tencent.market.set(tencent);
    }

    /// Where DataKit answers.
    #[must_use]
    pub fn datakit_url(&self) -> String {
        self.datakit.url()
    }

    /// The keys.
    #[must_use]
    pub fn keys(&self) -> Keys {
        self.aws.keys.clone()
    }

    /// All calls, refused ones too, by `service:Action`.
    #[must_use]
    pub fn calls(&self) -> BTreeMap<String, u64> {
        let mut calls = BTreeMap::new();
        for ((_, action), count) in &self.calls_by_region() {
            *calls.entry(action.clone()).or_default() += count;
        }
        calls
    }

    /// The same by region.
    #[must_use]
    pub fn calls_by_region(&self) -> BTreeMap<(String, String), u64> {
        let mut calls = self.aws.calls().clone();
        calls.extend(self.tencent.calls().clone());
        calls
    }

    /// Counts from 0 again.
    pub fn reset_calls(&self) {
        self.aws.calls().clear();
        self.tencent.calls().clear();
        self.aws.billed.store(0, Ordering::Relaxed);
    }

    /// Metrics as AWS bills `GetMetricData`: those asked for, five statistics of one in one call as one.
    #[must_use]
    pub fn billed_metrics(&self) -> u64 {
        self.aws.billed.load(Ordering::Relaxed)
    }

    /// Makes something go wrong.
    pub fn fault(&self, fault: Fault) {
        self.tencent.faults.add(fault.clone());
        self.aws.faults.add(fault);
    }

    /// Nothing goes wrong any more.
    pub fn clear_faults(&self) {
        self.aws.faults.clear();
        self.tencent.faults.clear();
    }

    /// Refuses a permission from now on, such as `ec2:DescribeInstances`.
    pub fn deny(&self, permission: &str) {
        self.aws.denied().insert(permission.to_owned());
        self.tencent.denied().insert(permission.to_owned());
    }

    /// Moves the servers' clock: signatures, `Date`, datapoints, DataKit.
    pub fn set_clock_offset(&self, seconds: i64) {
        self.clock.set_offset(seconds);
    }

    /// The instances of a region.
    #[must_use]
    pub fn instances(&self, region: &str) -> Vec<InstanceTruth> {
        self.aws.estate().instances(region).to_vec()
    }

    /// The databases of a region.
    #[must_use]
    pub fn databases(&self, region: &str) -> Vec<DatabaseTruth> {
        self.aws.databases(region)
    }

    /// The series of a region.
    #[must_use]
    pub fn metrics(&self, region: &str) -> Vec<MetricTruth> {
        self.aws.estate().metrics(region).to_vec()
    }

    /// CloudWatch has this metric of these series in every region, beside its own: namespaces and dimensions.
    pub fn measure(&self, measured: &[(&str, Vec<(String, String)>)], metric: &str) {
        let owned =
            |(namespace, dimensions): &(&str, Vec<(String, String)>)| series(namespace, metric, dimensions);
        self.aws.estate().measure(measured.iter().map(owned).collect());
    }

    /// A datapoint as it is now; `timestamp` in seconds.
    #[must_use]
    pub fn datapoint(
        &self,
        region: &str,
        namespace: &str,
        metric: &str,
        dimensions: &[(String, String)],
        timestamp: i64,
    ) -> Option<Statistics> {
        let series = series(namespace, metric, dimensions);
        let now = self.clock.now();
        let mut estate = self.aws.estate();
        if !estate.metrics(region).contains(&series) {
            return None;
        }
        estate.datapoint(region, &series, timestamp, now)
    }

    /// Hides a datapoint for so many seconds from now.
    pub fn late(
        &self,
        region: &str,
        namespace: &str,
        metric: &str,
        dimensions: &[(String, String)],
        timestamp: i64,
        seconds: i64,
    ) {
        let until = self.clock.now() + seconds;
        self.aws.estate().hide(region, series(namespace, metric, dimensions), timestamp, until);
    }

    /// Changes a datapoint afterwards.
    pub fn revise(
        &self,
        region: &str,
        namespace: &str,
        metric: &str,
        dimensions: &[(String, String)],
        timestamp: i64,
        statistics: Statistics,
    ) {
        self.aws.estate().revise(region, series(namespace, metric, dimensions), timestamp, statistics);
    }

    /// Datapoints appear so many seconds after their period.
    pub fn set_publication_delay(&self, seconds: i64) {
        self.aws.estate().publication_delay = seconds;
    }

    /// Terminates an instance: it is still listed, its metrics are not.
    pub fn terminate(&self, region: &str, instance: &str) {
        self.aws.estate().edit(region, instance, |instance| {
            instance.state = "terminated".into();
            instance.private_ip = None;
            instance.public_ip = None;
        });
    }

    /// Takes an instance out of all lists.
    pub fn forget(&self, region: &str, instance: &str) {
        self.aws.estate().remove(region, instance);
    }

    /// Gives an instance another name.
    pub fn rename(&self, region: &str, instance: &str, name: &str) {
        self.aws.estate().edit(region, instance, |instance| {
            instance.tags.retain(|(key, _)| key != "Name");
            instance.tags.push(("Name".into(), name.into()));
        });
    }

    /// Starts one more instance; answers with its id.
    pub fn launch(&self, region: &str) -> String {
        let now = self.clock.now();
        self.aws.estate().launch(region, now)
    }

    /// DataKit.
    #[must_use]
    pub fn datakit(&self) -> &DataKit {
        &self.datakit
    }
}

fn series(namespace: &str, metric: &str, dimensions: &[(String, String)]) -> MetricTruth {
    let mut dimensions = dimensions.to_vec();
    dimensions.sort();
    MetricTruth { namespace: namespace.into(), name: metric.into(), dimensions }
}
