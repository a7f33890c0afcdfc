//! What tests see of Alibaba Cloud, and what they change.

use super::metrics::metric;
use super::{AliyunFault, AliyunKeys, AliyunObject, AliyunProduct, AliyunSeries};
use crate::Simcloud;
use crate::faults::Fault;
use std::collections::BTreeMap;

impl Simcloud {
    /// Where all products of Alibaba Cloud answer, OSS too (the bucket stands in the path).
    #[must_use]
    pub fn aliyun_url(&self) -> String {
        format!("http://{}", self.aliyun_server.address)
    }

    /// Alibaba Cloud's keys.
    #[must_use]
    pub fn aliyun_keys(&self) -> AliyunKeys {
        self.aliyun.keys().named.clone()
    }

    /// All calls of Alibaba Cloud, refused ones too, by `service:Action`.
    #[must_use]
    pub fn aliyun_calls(&self) -> BTreeMap<String, u64> {
        let mut calls = BTreeMap::new();
        for ((_, action), count) in self.aliyun.calls().iter() {
            *calls.entry(action.clone()).or_default() += count;
        }
        calls
    }

    /// The same by region: the parameter `RegionId`, for OSS the region that signed, else none.
    #[must_use]
    pub fn aliyun_calls_by_region(&self) -> BTreeMap<(String, String), u64> {
        self.aliyun.calls().clone()
    }

    /// Counts Alibaba Cloud's calls from 0 again.
    pub fn reset_aliyun_calls(&self) {
        self.aliyun.calls().clear();
    }

    /// Makes something go wrong at Alibaba Cloud. The region of CMS and STS calls is empty.
    pub fn aliyun_fault(&self, fault: Fault<AliyunFault>) {
        self.aliyun.faults.add(fault);
    }

    /// Nothing goes wrong at Alibaba Cloud any more.
    pub fn clear_aliyun_faults(&self) {
        self.aliyun.faults.clear();
    }

    /// Refuses a permission of RAM, such as `cms:QueryMetricList`: to this key, or to all where it is empty.
    pub fn aliyun_deny(&self, access_key: &str, permission: &str) {
        self.aliyun.guard().denied.entry(access_key.to_owned()).or_default().insert(permission.to_owned());
    }

    /// Holds calls to the vendor's documented rates.
    pub fn aliyun_documented_rates(&self) {
        self.aliyun.guard().documented_rates();
    }

    /// Holds one action, such as `cms:DescribeMetricList`, to so many calls a second of one region.
    pub fn aliyun_rate(&self, name: &str, rate: u64) {
        self.aliyun.guard().rates.insert(name.to_owned(), rate);
    }

    /// Leaves so many free calls of CloudMonitor in the month; none is no limit.
    pub fn aliyun_quota(&self, left: Option<u64>) {
        self.aliyun.guard().quota = left;
    }

    /// Ends all sessions of roles before their time.
    pub fn aliyun_revoke_roles(&self) {
        self.aliyun.keys().revoke_roles();
    }

    /// The objects of a product in a region, in the order of its list; an empty region is all.
    #[must_use]
    pub fn aliyun_objects(&self, product: AliyunProduct, region: &str) -> Vec<AliyunObject> {
        self.aliyun.estate().of(product, region).cloned().collect()
    }

    /// The server certificates of a region, as the API lists them.
    #[must_use]
    pub fn aliyun_certificates(&self, region: &str) -> serde_json::Value {
        self.aliyun.estate().certificates(region)
    }

    /// Changes an object as its list has it.
    pub fn aliyun_edit(&self, id: &str, change: impl FnOnce(&mut AliyunObject)) {
        if let Some(object) = self.aliyun.estate().objects.iter_mut().find(|object| object.id == id) {
            change(object);
        }
    }

    /// Releases an object.
    pub fn aliyun_release(&self, id: &str) {
        self.aliyun.estate().remove(id);
    }

    /// CloudMonitor has one metric more, with these series: the dimensions of each.
    pub fn aliyun_measure(&self, namespace: &str, name: &str, series: &[&Vec<(String, String)>]) {
        let mut all: Vec<BTreeMap<String, String>> =
            series.iter().map(|dimensions| dimensions.iter().cloned().collect()).collect();
        all.sort();
        all.dedup();
        self.aliyun.estate().measure(namespace, name, all);
    }

    /// The series of a metric.
    #[must_use]
    pub fn aliyun_series(&self, namespace: &str, name: &str) -> Vec<AliyunSeries> {
        metric(namespace, name).map(|metric| self.aliyun.estate().series(metric)).unwrap_or_default()
    }

    /// The statistics of a series' one-minute datapoint as they are now, by name; `timestamp` in seconds.
    #[must_use]
    pub fn aliyun_datapoint(&self, series: &AliyunSeries, timestamp: i64) -> Option<BTreeMap<String, f64>> {
        let metric = metric(&series.namespace, &series.metric)?;
        let estate = self.aliyun.estate();
        if !estate.series(metric).contains(series) {
            return None;
        }
        let now = self.aliyun.clock.now();
        let statistics = estate.metrics.datapoint(metric, series, 60, timestamp, now)?;
        Some(statistics.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    /// Hides a datapoint for so many seconds from now.
    pub fn aliyun_late(&self, series: &AliyunSeries, timestamp: i64, seconds: i64) {
        let until = self.aliyun.clock.now() + seconds;
        self.aliyun.estate().metrics.late.insert((series.clone(), timestamp), until);
    }

    /// Adds to every statistic of a datapoint afterwards.
    pub fn aliyun_revise(&self, series: &AliyunSeries, timestamp: i64, more: f64) {
        self.aliyun.estate().metrics.revised.insert((series.clone(), timestamp), more);
    }

    /// A resource reports nothing from this second on.
    pub fn aliyun_stale(&self, id: &str, from: i64) {
        self.aliyun.estate().metrics.stale.insert(id.to_owned(), from);
    }

    /// Datapoints of CloudMonitor appear so many seconds after their period.
    pub fn aliyun_publication_delay(&self, seconds: i64) {
        self.aliyun.estate().metrics.delay = seconds;
    }
}
