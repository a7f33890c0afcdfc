//! Estimates of every collector, by what a fake memory holds: what is known is exact, what is not says why.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use funchost_collectors::account::Account;
use funchost_collectors::clock::SECOND;
use funchost_collectors::collector::{Failure, MarkId, MarkKey, Window};
use funchost_collectors::estimate::{Ahead, Estimate};
use funchost_collectors::point::Text;
use funchost_collectors::run::{Memory, WindowRequest};
use funchost_collectors::{COLLECTORS, Collector};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const MINUTE: i64 = 60 * SECOND;
/// Any full hour, and a minute: the newest minute is not asked for.
const NOW: i64 = 1_800_000_000 * SECOND - 1_800_000_000 * SECOND % (60 * MINUTE) + MINUTE;

/// What is remembered. Windows hold `new` minutes and an overlap of ten.
#[derive(Default)]
struct Fake {
    values: Mutex<BTreeMap<String, (Vec<u8>, bool)>>,
    objects: BTreeMap<(String, String), Vec<BTreeMap<Text, Text>>>,
    new: i64,
}

impl Fake {
    fn new(minutes: i64) -> Self {
        Self { new: minutes, ..Self::default() }
    }

    fn with(self, key: &str, value: Value) -> Self {
        self.values.lock().unwrap().insert(key.into(), (value.to_string().into_bytes(), true));
        self
    }

    fn expired(self, key: &str) -> Self {
        self.values.lock().unwrap().get_mut(key).unwrap().1 = false;
        self
    }

    fn objects(mut self, class: &str, region: &str, count: usize, tags: &[(&str, &str)]) -> Self {
        let object = |index: usize| {
            let tags = tags.iter().map(|(key, value)| (Text::from(*key), Text::from(*value)));
            tags.chain([(Text::from("name"), Text::from(format!("id-{index}")))]).collect()
        };
        self.objects.entry((class.into(), region.into())).or_default().extend((0..count).map(object));
        self
    }
}

#[async_trait::async_trait]
impl Memory for Fake {
    async fn recall(&self, key: &str) -> Result<Option<Vec<u8>>, Failure> {
        Ok(self.values.lock().unwrap().get(key).filter(|(_, valid)| *valid).map(|(value, _)| value.clone()))
    }

    async fn known(&self, key: &str) -> Result<Option<(Vec<u8>, bool)>, Failure> {
        Ok(self.values.lock().unwrap().get(key).cloned())
    }

    async fn remember(&self, key: &str, _: &[u8], _: Duration) -> Result<(), Failure> {
        panic!("an estimate keeps nothing: {key}");
    }

    async fn windows(&self, marks: &[(MarkKey, WindowRequest)]) -> Result<Vec<Window>, Failure> {
        let window = |(_, request): &(MarkKey, WindowRequest)| {
            let period = request.period * SECOND;
            let new = (self.new * MINUTE).max(period);
            let fresh = request.end - new;
            // What has one point a day is never asked for.
            let start = if request.period >= 86_400 { request.end } else { fresh - 10 * MINUTE };
            Window { mark: MarkId(0), start, fresh, end: request.end }
        };
        Ok(marks.iter().map(window).collect())
    }

    async fn objects(&self, class: &str, region: &str) -> Result<Vec<Arc<BTreeMap<Text, Text>>>, Failure> {
        let objects = self.objects.get(&(class.to_owned(), region.to_owned()));
        Ok(objects.into_iter().flatten().cloned().map(Arc::new).collect())
    }
}

fn named(name: &str) -> &'static dyn Collector {
    *COLLECTORS.iter().find(|collector| collector.description().name == name).unwrap()
}

async fn estimate(name: &str, account: Value, configs: Value, memory: &Fake, filtered: bool) -> Estimate {
    let collector = named(name);
    let mut written = json!({ "ak_id": "A", "ak_secret": "S" });
    written.as_object_mut().unwrap().extend(account.as_object().unwrap().clone());
    let account = Account::read(collector.description().cloud, &written).unwrap();
    let spec = collector.read(&account, &configs).unwrap();
    let cadence = Some(Duration::from_secs(60 * memory.new.unsigned_abs()));
    let ahead = Ahead { account: &account, memory, now: NOW, cadence, filtered };
    spec.estimate(&ahead, &spec.regions()).await.unwrap()
}

/// `Action region calls`, with what is beside the ordinary.
fn shown(estimate: &Estimate) -> Vec<String> {
    let line = |expected: &funchost_collectors::estimate::Expected| {
        let mut line = format!("{} {} {}", expected.action.action, expected.region, expected.calls);
        if expected.metrics > 0 {
            line += &format!(", {} metrics", expected.metrics);
        }
        if expected.every > Duration::ZERO {
            line += &format!(", every {} s", expected.every.as_secs());
        }
        if !expected.due {
            line += ", not due";
        }
        if let Some(why) = &expected.at_least {
            line += &format!(", at least: {why}");
        }
        line
    };
    estimate.calls.iter().map(line).collect()
}

fn metrics(names: &[(&str, i64)]) -> Value {
    let metrics: Vec<Value> = names
        .iter()
        .map(|(name, period)| json!({ "name": name, "period": period, "statistic": "avg" }))
        .collect();
    json!({ "version": 1, "metrics": metrics })
}

const CMS: &str = "aliyun_cms\nmetrics\nacs_ecs_dashboard";

fn cms_target() -> Value {
    json!({ "targets": [{ "namespace": "acs_ecs_dashboard", "metrics": "ALL" }] })
}

#[tokio::test]
async fn every_collector_says_the_least_before_anything_is_known() {
    for collector in COLLECTORS {
        let description = collector.description();
        let name = description.name;
        let configs = match name {
            "aliyun_monitor" => cms_target(),
            "aws_cloudwatch" => {
                json!({ "regions": ["cn-north-1"], "targets": [{ "namespace": "AWS/EC2", "metrics": "ALL" }] })
            }
            "tencentcloud_monitor" => {
                json!({ "regions": ["ap-shanghai"], "targets": [{ "namespace": "QCE/CVM", "metrics": "ALL" }] })
            }
            _ if collector.declaration().is_some_and(|declared| declared.by_products) => {
                json!({ "products": ["ossbag"] })
            }
            // A product that is in a few places is asked for in one of them.
            _ if collector.declaration().is_some_and(|declared| !declared.sites.is_empty()) => {
                json!({ "regions": collector.declaration().map(|declared| &declared.sites[..1]) })
            }
            // A product without regions takes none.
            _ if !description.configuration.iter().any(|key| key.name == "regions") => json!({}),
            _ => json!({ "regions": ["cn-north-1"] }),
        };
        let estimate = estimate(name, json!({}), configs, &Fake::new(1), false).await;
        let first = estimate.calls.first().unwrap_or_else(|| panic!("{name} says nothing"));
        assert!(first.calls >= 1 && first.due, "{name}: its list, to begin with");
        assert!(
            estimate.calls.iter().all(|expected| expected.at_least.is_some()),
            "{name}: nothing is certain yet: {:#?}",
            shown(&estimate)
        );
    }
}

#[tokio::test]
async fn cloudmonitor_asks_page_by_page() {
    // 10 series: 1 page. 1,000: five new minutes and two of the overlap are 7,000 datapoints, 5 pages. 300, of which the newest 3 minutes are still
    // to come: five new and two of the overlap are 2,100, 2 pages. Silent: 1.
    let sizes = json!({
        "acs_ecs_dashboard Small": { "series": 10, "lag": 0 },
        "acs_ecs_dashboard Large": { "series": 1000, "lag": 0 },
        "acs_ecs_dashboard Late": { "series": 300, "lag": 3 },
        "acs_ecs_dashboard Silent": { "series": 0, "lag": 0 },
    });
    let list = metrics(&[("Small", 60), ("Large", 60), ("Late", 60), ("Silent", 60), ("Daily", 86_400)]);
    let memory = Fake::new(5).with(CMS, list).with("aliyun_cms\nsizes", sizes);
    let of = estimate("aliyun_monitor", json!({}), cms_target(), &memory, false).await;
    assert_eq!(
        shown(&of),
        [
            "DescribeMetricMetaList cn-hangzhou 1, every 86400 s, not due",
            // Late and silent ones wait for what is to come: every time.
            "DescribeMetricList cn-hangzhou 3",
            "DescribeMetricList cn-hangzhou 6, every 60 s",
        ]
    );
    // Each host costs its own calls.
    let two = json!({ "cms_regions": ["cn-hangzhou", "cn-beijing"] });
    let of = estimate("aliyun_monitor", two, cms_target(), &memory, false).await;
    let data: Vec<String> = shown(&of).split_off(1);
    assert_eq!(data.iter().filter(|line| line.contains("cn-beijing")).count(), 2, "{data:#?}");
    assert_eq!(of.calls.iter().skip(1).map(|expected| expected.calls).sum::<u64>(), 18);
}

#[tokio::test]
async fn metrics_of_five_minutes_make_no_call_in_between() {
    let sizes = json!({ "acs_ecs_dashboard Five": { "series": 10, "lag": 0 } });
    let memory =
        Fake::new(1).with(CMS, metrics(&[("Five", 300), ("New", 60)])).with("aliyun_cms\nsizes", sizes);
    let of = estimate("aliyun_monitor", json!({}), cms_target(), &memory.expired(CMS), false).await;
    assert_eq!(
        shown(&of),
        [
            "DescribeMetricMetaList cn-hangzhou 1, every 86400 s",
            "DescribeMetricList cn-hangzhou 1, at least: how many datapoints acs_ecs_dashboard New has is not known yet",
            // At the full hour a period of five minutes has ended.
            "DescribeMetricList cn-hangzhou 1, every 300 s",
        ]
    );
    let account = Account::read(
        named("aliyun_monitor").description().cloud,
        &json!({ "ak_id": "A", "ak_secret": "S" }),
    )
    .unwrap();
    let memory = Fake::new(1);
    let at = |now: i64| {
        let cadence = Some(Duration::from_secs(60));
        Ahead { account: &account, memory: &memory, now, cadence, filtered: false }.is_new(300, MINUTE)
    };
    assert_eq!(
        [0, 1, 2, 3, 4, 5].map(|minute| at(NOW + minute * MINUTE)),
        [true, false, false, false, false, true]
    );
}

#[tokio::test]
async fn monitor_asks_for_fifty_instances_at_once() {
    let configs = json!({ "regions": ["ap-shanghai", "ap-beijing"], "targets": [{ "namespace": "QCE/CVM", "metrics": "ALL" }] });
    let key = "tencentcloud_monitor\nmetrics\nQCE/CVM";
    let memory = Fake::new(1)
        .with(key, metrics(&[("A", 60), ("B", 60), ("Five", 300), ("Gone", 60)]))
        .with("tencentcloud_monitor\nunsupported\nQCE/CVM", json!({ "Gone": NOW + 60 * MINUTE }))
        .objects("tencentcloud_cvm", "ap-shanghai", 101, &[]);
    let of = estimate("tencentcloud_monitor", json!({}), configs.clone(), &memory, false).await;
    assert_eq!(
        shown(&of),
        [
            "DescribeBaseMetrics ap-shanghai 1, every 86400 s, not due",
            "GetMonitorData ap-shanghai 6, every 60 s",
            "GetMonitorData ap-shanghai 3, every 300 s",
            "GetMonitorData ap-shanghai 1, every 86400 s, not due",
            "GetMonitorData ap-beijing 0, at least: ap-beijing: no object of tencentcloud_cvm is known there yet",
            "GetMonitorData ap-beijing 1, every 86400 s, not due",
        ]
    );
    // An API that takes ten.
    let memory = memory.with("tencentcloud_monitor\nbatches", json!({ "QCE/CVM": 10 }));
    let of = estimate("tencentcloud_monitor", json!({}), configs, &memory, false).await;
    assert_eq!(of.calls[1].calls, 22);
}

#[tokio::test]
async fn objects_cost_what_their_last_collection_did() {
    let configs = json!({ "regions": ["cn-hangzhou"] });
    let calls = json!({ "version": 1, "calls": {
        "ecs:DescribeInstances": 3, "ecs:DescribeDisks": 2, "ecs:DescribeNetworkInterfaces": 1, "ecs:DescribeInstancesFullStatus": 3,
        "ecs:DescribeInstanceAutoRenewAttribute": 5,
    } });
    let memory = Fake::new(15).with("aliyun_ecs\ncalls\ncn-hangzhou", calls);
    let of = estimate("aliyun_ecs", json!({}), configs.clone(), &memory, false).await;
    assert_eq!(
        shown(&of),
        [
            "DescribeInstances cn-hangzhou 3",
            "DescribeDisks cn-hangzhou 2",
            "DescribeNetworkInterfaces cn-hangzhou 1",
            "DescribeInstancesFullStatus cn-hangzhou 3",
            "DescribeInstanceAutoRenewAttribute cn-hangzhou 5",
        ]
    );
    // A filter is another collection.
    let of = estimate("aliyun_ecs", json!({}), configs, &memory, true).await;
    assert!(of.calls.iter().all(|expected| expected.at_least.is_some()), "{:#?}", shown(&of));
}

#[tokio::test]
async fn objects_that_are_remembered_say_what_the_declaration_makes_of_them() {
    let because =
        ", at least: cn-hangzhou: by the 250 objects that are remembered, not by a complete collection";
    let prepaid = [("InstanceChargeType", "PrePaid")];
    let memory = Fake::new(15)
        .objects("aliyun_ecs", "cn-hangzhou", 150, &prepaid)
        .objects("aliyun_ecs", "cn-hangzhou", 100, &[("InstanceChargeType", "PostPaid")])
        .objects("aliyun_rds", "cn-hangzhou", 250, &[])
        .objects("aliyun_oss", "cn-hangzhou", 250, &[]);
    let configs = json!({ "regions": ["cn-hangzhou"] });
    let of = estimate("aliyun_ecs", json!({}), configs.clone(), &memory, false).await;
    let lines = [
        "DescribeInstances cn-hangzhou 3",
        "DescribeDisks cn-hangzhou 1",
        "DescribeNetworkInterfaces cn-hangzhou 1",
        "DescribeInstancesFullStatus cn-hangzhou 1",
        "DescribeInstanceAutoRenewAttribute cn-hangzhou 2",
    ];
    assert_eq!(shown(&of), lines.map(|line| format!("{line}{because}")));

    let chosen = json!({ "regions": ["cn-hangzhou"], "details": ["attribute"] });
    let of = estimate("aliyun_rds", json!({}), chosen, &memory, false).await;
    let lines = ["DescribeDBInstances cn-hangzhou 3", "DescribeDBInstanceAttribute cn-hangzhou 250"];
    assert_eq!(shown(&of), lines.map(|line| format!("{line}{because}")), "only the details that are wanted");
    assert_eq!(of.calls[1].in_a_row, 16, "sixteen are under way at once");

    // One list for the account, asked for once.
    let regions = json!({ "regions": ["cn-hangzhou", "cn-beijing"] });
    let of = estimate("aliyun_oss", json!({}), regions, &memory, false).await;
    let lists = of.calls.iter().filter(|expected| expected.action.action == "ListBuckets").count();
    assert_eq!((lists, of.calls.len(), of.calls[1].calls), (1, 3, 250), "{:#?}", shown(&of));
}
