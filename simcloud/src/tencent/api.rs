//! What tests see and change of the simulated Tencent Cloud.

use super::estate::Estate;
use super::{TencentInstance, TencentKeys, TencentMetric, TencentObject, lock};
use crate::Simcloud;
use std::sync::atomic::Ordering;

impl Simcloud {
    /// Where all services of Tencent Cloud answer: the service comes with the signature, the region by a header.
    #[must_use]
    pub fn tencent_url(&self) -> String {
        format!("http://{}", self.tencent_server.address)
    }

    /// The keys.
    #[must_use]
    pub fn tencent_keys(&self) -> TencentKeys {
        self.tencent.keys.clone()
    }

    /// The CVM instances of a region.
    #[must_use]
    pub fn tencent_instances(&self, region: &str) -> Vec<TencentInstance> {
        self.tencent.estate().instances(region).to_vec()
    }

    /// An instance as `DescribeInstances` answers it.
    #[must_use]
    pub fn tencent_answer(&self, region: &str, instance: &str) -> Option<serde_json::Value> {
        super::cvm::truth(&self.tencent.estate(), region, instance)
    }

    /// The objects of the other products in a region.
    #[must_use]
    pub fn tencent_objects(&self, region: &str) -> Vec<TencentObject> {
        self.tencent.estate().objects(region).to_vec()
    }

    /// The metrics that a namespace lists.
    #[must_use]
    pub fn tencent_metrics(&self, namespace: &str) -> Vec<TencentMetric> {
        self.tencent.estate().metrics(namespace).copied().collect()
    }

    /// A datapoint as it is now; `period` and `timestamp` in seconds. Buckets have their region in Monitor, ap-guangzhou.
    #[must_use]
    pub fn tencent_datapoint(
        &self,
        region: &str,
        namespace: &str,
        metric: &str,
        dimensions: &[(String, String)],
        period: i64,
        timestamp: i64,
    ) -> Option<f64> {
        let now = self.clock.now();
        let dimensions = sorted(dimensions);
        let estate = self.tencent.estate();
        let metric = estate.metrics(namespace).find(|known| known.name == metric && known.supported)?;
        let alive = estate.monitored(region, namespace, &dimensions)?;
        alive.then(|| estate.datapoint(region, metric, &dimensions, period, timestamp, now)).flatten()
    }

    /// Hides a datapoint for so many seconds from now.
    pub fn tencent_late(
        &self,
        series: (&str, &str, &str, &[(String, String)]),
        timestamp: i64,
        seconds: i64,
    ) {
        let until = self.clock.now() + seconds;
        let dimensions = sorted(series.3);
        self.tencent.estate().hide((series.0, series.1, series.2, &dimensions), timestamp, until);
    }

    /// Changes a datapoint afterwards.
    pub fn tencent_revise(
        &self,
        series: (&str, &str, &str, &[(String, String)]),
        timestamp: i64,
        value: f64,
    ) {
        let dimensions = sorted(series.3);
        self.tencent.estate().revise((series.0, series.1, series.2, &dimensions), timestamp, value);
    }

    /// Datapoints appear so many seconds after their period.
    pub fn set_tencent_publication_delay(&self, seconds: i64) {
        self.tencent.estate().publication_delay = seconds;
    }

    /// Releases an instance: Monitor no longer knows it, the list has it no more unless `listed`.
    pub fn tencent_release(&self, region: &str, instance: &str, listed: bool) {
        self.tencent.estate().release(region, instance, listed);
    }

    /// Gives an instance another name.
    pub fn tencent_rename(&self, region: &str, instance: &str, name: &str) {
        self.tencent.estate().rename(region, instance, name);
    }

    /// Starts one more instance; answers with its id.
    pub fn tencent_launch(&self, region: &str) -> String {
        let now = self.clock.now();
        self.tencent.estate().launch(region, now)
    }

    /// `GetMonitorData` takes 10 instances and 1,440 datapoints a call, as the older documents say, in place of 50 and 7,200.
    pub fn set_tencent_narrow(&self, narrow: bool) {
        self.tencent.narrow.store(narrow, Ordering::Relaxed);
    }

    /// So many calls of `GetMonitorData` are still free; then it is refused with this code.
    pub fn set_tencent_free_calls(&self, calls: u32, code: &'static str) {
        *lock(&self.tencent.used_up) = code;
        self.tencent.free.store(i64::from(calls), Ordering::Relaxed);
    }

    /// Calls a second of one region and action; none is any number.
    pub fn set_tencent_rate(&self, rate: Option<u64>) {
        self.tencent.rate.store(rate.unwrap_or(0), Ordering::Relaxed);
    }

    /// Ends the sessions of all roles before their time.
    pub fn tencent_revoke_roles(&self) {
        for key in lock(&self.tencent.signing).values_mut().flatten().filter(|key| key.role) {
            key.expires = Some(0);
        }
    }

    /// What a namespace calls its instances by.
    #[must_use]
    pub fn tencent_dimensions(namespace: &str) -> &'static [&'static str] {
        Estate::names(namespace).unwrap_or_default()
    }
}

fn sorted(dimensions: &[(String, String)]) -> Vec<(String, String)> {
    let mut dimensions = dimensions.to_vec();
    dimensions.sort();
    dimensions
}
