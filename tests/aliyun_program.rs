//! The whole program against simulated Alibaba Cloud and DataKit: what a user sees, run after run.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

mod support;

use serde_json::json;
use simcloud::{AliyunEstate, AliyunFault, AliyunProduct, Fault, ReceivedPoint};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use support::aliyun::{
    Golden, all_products, assert_complete, assert_golden_objects, chosen, fault, golden_metrics, monitor,
    script, small, world,
};
use support::{Ran, World, steady};

const REGIONS: &[&str] = &["cn-hangzhou", "cn-shanghai"];
const MINUTE: i64 = 60;
const RUN: &[&str] = &["run", "my_aliyun/all.rhai", "--output", "json"];

/// The manual's five products in one small region, and two metrics of each.
fn small_script(more: &str) -> String {
    let objects = json!({ "regions": ["cn-hangzhou"] }).to_string();
    let objects = format!("#{objects}");
    let targets = r##"#{ targets: [
        #{ namespace: "acs_ecs_dashboard", metrics: ["CPUUtilization", "vm.DiskIORead"] },
        #{ namespace: "acs_rds_dashboard", metrics: ["CpuUsage", "IOPSUsage"] },
        #{ namespace: "acs_slb_dashboard", metrics: ["InstanceTrafficRX"] },
        #{ namespace: "acs_oss_dashboard", metrics: ["InternetRecv", "UserInternetRecv"] },
    ] }"##;
    script(
        &[
            ("ecs", objects.clone()),
            ("rds", objects.clone()),
            ("slb", objects.clone()),
            ("oss", objects),
            ("monitor", targets.to_owned()),
        ],
        more,
    )
}

async fn small_world() -> World {
    let world = world(small()).await;
    world.write("my_aliyun/all.rhai", &small_script(""));
    world
}

fn collectors(ran: &Ran) -> Vec<(String, String)> {
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let report = ran.json();
    let list = report["collectors"].as_array().expect("a list");
    list.iter().map(|collector| (text(&collector["name"]), text(&collector["status"]))).collect()
}

/// Metric points of an object carry its tags; those that belong to none carry none of any.
fn assert_linked(points: &[ReceivedPoint]) -> usize {
    let objects: BTreeMap<(&str, &str), &ReceivedPoint> = points
        .iter()
        .filter(|point| point.category == "custom_object")
        .map(|point| ((point.measurement.as_str(), point.tags["name"].as_str()), point))
        .collect();
    assert_linked_with(&objects, points)
}

fn assert_linked_with(objects: &BTreeMap<(&str, &str), &ReceivedPoint>, points: &[ReceivedPoint]) -> usize {
    let mut linked = 0;
    for point in points.iter().filter(|point| point.category == "metric") {
        let (class, dimension) = match point.measurement.as_str() {
            "aliyun_acs_ecs_dashboard" => ("aliyun_ecs", "instanceId"),
            "aliyun_acs_rds_dashboard" => ("aliyun_rds", "instanceId"),
            "aliyun_acs_slb_dashboard" => ("aliyun_slb", "instanceId"),
            "aliyun_acs_oss_dashboard" => ("aliyun_oss", "BucketName"),
            other => panic!("{other}"),
        };
        assert!(!point.tags.contains_key("name"), "the object's name is its id: it is not copied");
        assert!(point.tags.contains_key("userId"), "every dimension is a tag");
        let object = point.tags.get(dimension).and_then(|id| objects.get(&(class, id.as_str())));
        match object {
            Some(object) => {
                linked += 1;
                for (key, value) in object.tags.iter().filter(|(key, _)| *key != "name") {
                    assert_eq!(point.tags.get(key), Some(value), "{key} of {class}");
                }
            }
            None => {
                for key in ["InstanceName", "DBInstanceId", "LoadBalancerId", "location"] {
                    assert!(!point.tags.contains_key(key), "{:?}", point.tags);
                }
            }
        }
    }
    linked
}

#[tokio::test(flavor = "multi_thread")]
async fn the_manuals_five_products_end_to_end() {
    let world = world(AliyunEstate::default()).await;
    world.write("my_aliyun/all.rhai", &all_products(REGIONS, ""));
    let first = world.run(RUN);
    assert_eq!(first.code, 0, "{first:?}");
    let in_order = ["aliyun_ecs", "aliyun_rds", "aliyun_slb", "aliyun_oss", "aliyun_monitor"];
    assert_eq!(
        collectors(&first),
        in_order.map(|name| (name.to_owned(), "collected".to_owned())),
        "five collectors in order"
    );
    let points = world.clouds.datakit().take_points();
    assert!(world.clouds.datakit().hidden().is_empty(), "{:?}", world.clouds.datakit().hidden());

    // Objects, tag by tag and field by field; and none of the third region.
    assert_golden_objects(&world, REGIONS, &points);
    // Metrics, field by field: all of ten minutes, of 46 metrics of the 308 (25, if letter case mattered).
    let found = golden_metrics(&world, &points);
    let metrics = chosen(&found);
    let of = |namespace: &str| metrics.iter().filter(|(own, _)| *own == namespace).count();
    assert_eq!(
        ["acs_ecs_dashboard", "acs_rds_dashboard", "acs_slb_dashboard", "acs_oss_dashboard"].map(of),
        [28, 3, 9, 6]
    );
    assert_eq!(assert_complete(&world, &found, metrics.iter().copied()).len(), 10);
    // Each was one call: all instances come back at once.
    let monitor = first.collector("aliyun_monitor");
    assert_eq!(
        monitor["calls"],
        json!({ "cms:DescribeMetricMetaList": 4, "cms:DescribeMetricList": 46 }),
        "{monitor:#}"
    );
    // Names, on the metrics of all four products.
    let linked = assert_linked(&points);
    assert_eq!(monitor["linked"], linked);
    for measurement in [
        "aliyun_acs_ecs_dashboard",
        "aliyun_acs_rds_dashboard",
        "aliyun_acs_slb_dashboard",
        "aliyun_acs_oss_dashboard",
    ] {
        let own = points.iter().filter(|point| point.measurement == measurement);
        let named = own.filter(|point| {
            ["ZoneId", "MasterZoneId", "location"].iter().any(|key| point.tags.contains_key(*key))
        });
        assert!(named.count() > 0, "{measurement}");
    }
    // Secondary dimensions are series of their own: the two GPUs of one instance.
    let gpus: BTreeSet<(&str, &str)> = points
        .iter()
        .filter(|point| point.fields.contains_key("gpu_memory_freespace_Average"))
        .map(|point| (point.tags["instanceId"].as_str(), point.tags["gpuId"].as_str()))
        .collect();
    let running = world.clouds.aliyun_series("acs_ecs_dashboard", "CPUUtilization").len();
    assert_eq!(gpus.len(), running * 2);

    // Calls: nothing per instance of ECS, six of each database, two of each balancer, one of each bucket.
    let count = |product, regions: &[&str]| -> usize {
        regions.iter().map(|region| world.clouds.aliyun_objects(product, region).len()).sum()
    };
    assert_eq!(
        first.collector("aliyun_ecs")["calls"],
        json!({
            "ecs:DescribeInstances": 2, "ecs:DescribeDisks": 2, "ecs:DescribeNetworkInterfaces": 2, "ecs:DescribeInstancesFullStatus": 2,
            "ecs:DescribeInstanceAutoRenewAttribute": 2,
        })
    );
    let databases = count(AliyunProduct::Rds, REGIONS);
    // A second page where the first one was full: of 130 and of exactly 100 databases.
    let more_pages = world
        .clouds
        .aliyun_objects(AliyunProduct::Rds, "")
        .iter()
        .filter(|object| REGIONS.contains(&object.region.as_str()))
        .filter(|object| {
            object.details.get("databases").and_then(|all| all.as_array()).is_some_and(|all| all.len() >= 100)
        })
        .count();
    assert_eq!(
        first.collector("aliyun_rds")["calls"],
        json!({
            "rds:DescribeDBInstances": 2, "rds:DescribeDBInstanceAttribute": databases, "rds:DescribeDBInstanceNetInfo": databases,
            "rds:DescribeResourceUsage": databases, "rds:DescribeAccounts": databases, "rds:DescribeDatabases": databases + more_pages,
            "rds:DescribeDBInstanceSSL": databases,
        })
    );
    let balancers = count(AliyunProduct::Slb, REGIONS);
    assert_eq!(
        first.collector("aliyun_slb")["calls"],
        json!({
            "slb:DescribeLoadBalancers": 2, "slb:DescribeLoadBalancerAttribute": balancers, "slb:DescribeHealthStatus": balancers,
            "slb:DescribeServerCertificates": 2,
        })
    );
    assert_eq!(
        first.collector("aliyun_oss")["calls"],
        json!({ "oss:ListBuckets": 1, "oss:GetBucketInfo": count(AliyunProduct::Oss, REGIONS) })
    );
    // All that is said is about names that line protocol cannot carry.
    for name in in_order {
        let report = first.collector(name);
        let warnings =
            report["warnings"].as_array().expect("a list").iter().filter_map(|warning| warning.as_str());
        for warning in warnings {
            assert!(warning.contains("line breaks") || warning.contains("backslashes"), "{warning}");
        }
    }

    // A minute later: objects are not due, metrics are; their list is remembered and their points are still linked.
    world.clouds.set_clock_offset(MINUTE);
    world.clouds.reset_aliyun_calls();
    let second = world.run_at(MINUTE, RUN);
    assert_eq!(second.code, 0, "{second:?}");
    let statuses: Vec<String> = collectors(&second).into_iter().map(|(_, status)| status).collect();
    assert_eq!(statuses, ["skipped", "skipped", "skipped", "skipped", "collected"]);
    assert_eq!(world.clouds.aliyun_calls(), BTreeMap::from([("cms:DescribeMetricList".into(), 46)]));
    let later = world.clouds.datakit().take_points();
    let newer = golden_metrics(&world, &later);
    assert!(!newer.is_empty() && newer.keys().all(|key| !found.contains_key(key)), "nothing is sent twice");
    let minutes = assert_complete(&world, &newer, metrics.iter().copied());
    assert!(minutes.len() <= 2, "one new minute, or two: {minutes:?}");
    let objects = points
        .iter()
        .filter(|point| point.category == "custom_object")
        .map(|point| ((point.measurement.as_str(), point.tags["name"].as_str()), point))
        .collect();
    assert!(assert_linked_with(&objects, &later) > 0);
    assert!(
        second.collector("aliyun_monitor")["already_sent"].as_u64() > Some(0),
        "the overlap is read again"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn another_script_finds_the_names_too() {
    let world = small_world().await;
    let targets = r##"#{ namespace: "acs_ecs_dashboard", metrics: "IntranetInRate" }, #{ namespace: "acs_rds_dashboard", metrics: "DiskUsage" },
        #{ namespace: "acs_slb_dashboard", metrics: "InstanceTrafficTX" }, #{ namespace: "acs_oss_dashboard", metrics: "InternetSend" }"##;
    world.write("my_aliyun/metrics.rhai", &monitor(targets, ""));
    assert_eq!(world.run(RUN).code, 0);
    let objects = world.clouds.datakit().take_points();
    let ran = world.run(&["run", "my_aliyun/metrics.rhai", "--output", "json"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let points = world.clouds.datakit().take_points();
    let objects = objects
        .iter()
        .filter(|point| point.category == "custom_object")
        .map(|point| ((point.measurement.as_str(), point.tags["name"].as_str()), point))
        .collect();
    assert_eq!(assert_linked_with(&objects, &points), points.len(), "all of them have an object");
    let measurements: BTreeSet<&str> = points.iter().map(|point| point.measurement.as_str()).collect();
    assert_eq!(measurements.len(), 4);
}

/// What the others collected is there, whole.
fn assert_rest(world: &World, name: &str, ran: &Ran, lost: &[&str], metrics: bool) {
    let points = world.clouds.datakit().points();
    for class in ["aliyun_ecs", "aliyun_rds", "aliyun_slb", "aliyun_oss"] {
        let wanted = if class == "aliyun_oss" { 3 } else { 4 };
        let count = points.iter().filter(|point| point.measurement == class).count();
        let wanted = if lost.contains(&class) { 0 } else { wanted };
        assert_eq!(count, wanted, "{name}: {class}: {ran:?}");
    }
    let found = golden_metrics(world, &points);
    assert_eq!(!found.is_empty(), metrics, "{name}");
}

/// Each trouble that does not pass, one by one: the run's report as a user reads it, and what was collected all the same.
#[tokio::test(flavor = "multi_thread")]
async fn each_trouble_of_the_cloud_is_explained() {
    let ecs: &[&str] = &["aliyun_ecs"];
    let rds: &[&str] = &["aliyun_rds"];
    for (name, action, times, kind, code, lost, metrics) in [
        ("throttled", "DescribeDBInstances", 1000, AliyunFault::Throttle(Some(1)), 1, rds, true),
        ("html_for_ever", "DescribeInstances", 1000, AliyunFault::HtmlUnavailable, 1, ecs, true),
        ("cut_for_ever", "DescribeDBInstances", 1000, AliyunFault::CutBody, 1, rds, true),
        ("wrong_json", "DescribeInstances", 1000, AliyunFault::BadBody, 1, ecs, true),
        ("wrong_xml", "ListBuckets", 1000, AliyunFault::BadBody, 1, &["aliyun_oss"], true),
        ("failure_inside", "DescribeMetricList", 1000, AliyunFault::FailureInside, 1, &[], false),
        ("repeated_token_of_objects", "DescribeDisks", 1000, AliyunFault::RepeatedToken, 0, &[], true),
        ("repeated_token_of_metrics", "DescribeMetricList", 1000, AliyunFault::RepeatedToken, 0, &[], true),
        ("denied", "DescribeLoadBalancers", 1000, AliyunFault::Denied, 1, &["aliyun_slb"], true),
        ("denied_detail", "DescribeAccounts", 1000, AliyunFault::Denied, 0, &[], true),
        ("denied_disks", "DescribeDisks", 1000, AliyunFault::Denied, 0, &[], true),
        ("denied_bucket_info", "GetBucketInfo", 1000, AliyunFault::Denied, 0, &[], true),
        ("denied_metrics", "DescribeMetricList", 1000, AliyunFault::Denied, 1, &[], false),
        ("denied_list_of_metrics", "DescribeMetricMetaList", 1000, AliyunFault::Denied, 1, &[], false),
        ("used_nonce", "DescribeInstances", 1000, AliyunFault::UsedNonce, 1, ecs, true),
        ("expired_token", "DescribeInstances", 1000, AliyunFault::ExpiredToken, 1, ecs, true),
        ("skewed", "DescribeInstances", 1000, AliyunFault::SkewedClock, 1, ecs, true),
    ] {
        let world = small_world().await;
        world.clouds.aliyun_fault(fault(action, times, kind));
        let ran = world.run(&["run", "my_aliyun/all.rhai"]);
        insta::assert_snapshot!(name, steady(&ran.stdout));
        assert_eq!(ran.code, code, "{name}: {ran:?}");
        assert_rest(&world, name, &ran, lost, metrics);
    }
}

/// A failure inside of an HTTP 200 costs its metric, once, and no other.
#[tokio::test(flavor = "multi_thread")]
async fn a_failure_inside_of_a_success_costs_one_metric() {
    let world = small_world().await;
    world.clouds.aliyun_fault(fault("DescribeMetricList", 1, AliyunFault::FailureInside));
    let ran = world.run(RUN);
    assert_eq!(ran.code, 1, "{ran:?}");
    let report = ran.collector("aliyun_monitor");
    assert_eq!(report["calls"]["cms:DescribeMetricList"], 7, "it is not tried again");
    assert!(
        report["warnings"].to_string().contains("1 of 7 metrics were not read, such as acs_"),
        "{report:#}"
    );
    let found = golden_metrics(&world, &world.clouds.datakit().take_points());
    assert_complete(&world, &found, chosen(&found));
    assert_eq!(chosen(&found).len(), 6);
    // The next run that is due makes good for it: its first window.
    world.clouds.set_clock_offset(2 * MINUTE);
    assert_eq!(world.run_at(2 * MINUTE, RUN).code, 0);
    let later = golden_metrics(&world, &world.clouds.datakit().take_points());
    let missed: Vec<_> = chosen(&later).difference(&chosen(&found)).copied().collect();
    assert_eq!(missed.len(), 1);
    let own =
        later.keys().filter(|(series, ..)| (series.namespace.as_str(), series.metric.as_str()) == missed[0]);
    assert_eq!(own.map(|(_, time, _)| *time).collect::<BTreeSet<_>>().len(), 10);
}

/// A metric that is listed and not there is no failure: said once, and left out for a day.
#[tokio::test(flavor = "multi_thread")]
async fn a_metric_that_a_host_does_not_have_is_left_out_for_a_day() {
    let world = small_world().await;
    world.clouds.aliyun_fault(fault("DescribeMetricList", 1, AliyunFault::NotFoundInside));
    let run = |seconds: i64| {
        world.clouds.set_clock_offset(seconds);
        let ran = world.run_at(seconds, RUN);
        assert_eq!(ran.code, 0, "{ran:?}");
        let report = ran.collector("aliyun_monitor");
        (report["calls"]["cms:DescribeMetricList"].clone(), report["warnings"].to_string())
    };
    let (calls, said) = run(0);
    assert_eq!(calls, 7);
    let told = |said: &str| {
        said.contains(": listed by CloudMonitor and not found at cn-hangzhou: left out for a day")
    };
    assert!(told(&said), "{said}");
    let found = golden_metrics(&world, &world.clouds.datakit().take_points());
    assert_complete(&world, &found, chosen(&found));
    assert_eq!(chosen(&found).len(), 6);
    let (calls, said) = run(2 * MINUTE);
    assert_eq!((calls, told(&said)), (json!(6), false), "{said}");
    // The next day it is asked for again, and is there.
    drop(world.clouds.datakit().take_points());
    let (calls, said) = run(86_400 + 2 * MINUTE);
    assert!(calls.as_u64().is_some_and(|calls| calls >= 7) && !told(&said), "{calls} {said}");
    let later = golden_metrics(&world, &world.clouds.datakit().take_points());
    assert_eq!(chosen(&later).len(), 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_used_up_quota_ends_the_collector_at_once() {
    let world = small_world().await;
    world.clouds.aliyun_quota(Some(0));
    let ran = world.run(&["run", "my_aliyun/all.rhai"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    insta::assert_snapshot!("quota", steady(&ran.stdout));
    assert_rest(&world, "quota", &ran, &[], false);
    // Seven metrics are wanted, and at most sixteen asked for at once: none of them twice.
    assert!(world.clouds.aliyun_calls()["cms:DescribeMetricList"] <= 7, "{:?}", world.clouds.aliyun_calls());

    // What came before it is delivered.
    let world = small_world().await;
    world.clouds.aliyun_quota(Some(2));
    let ran = world.run(RUN);
    let report = ran.collector("aliyun_monitor");
    assert_eq!(report["status"], "failed");
    assert!(report["warnings"].to_string().contains("5 of 7 metrics were not read"), "{report:#}");
    let found = golden_metrics(&world, &world.clouds.datakit().points());
    assert_complete(&world, &found, chosen(&found));
    assert_eq!(chosen(&found).len(), 2);

    // Of very many metrics.
    let world = support::aliyun::world(small()).await;
    let targets = r##"#{ namespace: "acs_ecs_dashboard", metrics: "ALL" }"##;
    world.write("my_aliyun/all.rhai", &monitor(targets, ""));
    world.clouds.aliyun_quota(Some(0));
    assert_eq!(world.run(RUN).code, 1);
    let calls = world.clouds.aliyun_calls()["cms:DescribeMetricList"];
    assert!(calls <= 16, "of 91 metrics only those under way were asked for: {calls}");
    // Next month.
    world.clouds.aliyun_quota(None);
    world.clouds.set_clock_offset(2 * MINUTE);
    let again = world.run_at(2 * MINUTE, RUN);
    assert_eq!(again.code, 0, "{again:?}");
}

/// Troubles that pass cost calls and no points, whatever the call.
#[tokio::test(flavor = "multi_thread")]
async fn passing_troubles_cost_calls_and_no_points() {
    let undisturbed = small_world().await;
    assert_eq!(undisturbed.run(RUN).code, 0);
    let calls = |world: &World| world.clouds.aliyun_calls().values().sum::<u64>();
    let names = |found: &Golden| -> BTreeSet<String> {
        found.keys().map(|(series, _, statistic)| format!("{series:?} {statistic}")).collect()
    };
    let wanted = names(&golden_metrics(&undisturbed, &undisturbed.clouds.datakit().points()));
    for (action, kind) in [
        ("DescribeInstances", AliyunFault::Throttle(None)),
        ("DescribeInstances", AliyunFault::CutBody),
        ("DescribeDisks", AliyunFault::Code(503, "ServiceUnavailable")),
        ("DescribeInstancesFullStatus", AliyunFault::Reset),
        ("DescribeInstanceAutoRenewAttribute", AliyunFault::EmptyBody),
        ("DescribeDBInstances", AliyunFault::UsedNonce),
        ("DescribeAccounts", AliyunFault::Code(400, "TimeoutRetryLater")),
        ("DescribeResourceUsage", AliyunFault::BadBody),
        ("DescribeLoadBalancers", AliyunFault::Code(400, "SystemBusy")),
        ("DescribeHealthStatus", AliyunFault::HtmlUnavailable),
        ("ListBuckets", AliyunFault::HtmlUnavailable),
        ("GetBucketInfo", AliyunFault::CutBody),
        ("GetBucketInfo", AliyunFault::Throttle(None)),
        ("DescribeMetricMetaList", AliyunFault::Throttle(Some(5))),
        ("DescribeMetricList", AliyunFault::Throttle(Some(5))),
        ("DescribeMetricList", AliyunFault::CutBody),
        ("DescribeMetricList", AliyunFault::UsedNonce),
        ("DescribeMetricList", AliyunFault::HtmlUnavailable),
    ] {
        let world = small_world().await;
        let label = format!("{action} {kind:?}");
        world.clouds.aliyun_fault(fault(action, 1, kind));
        let ran = world.run(RUN);
        assert_eq!(ran.code, 0, "{label}: {ran:?}");
        let points = world.clouds.datakit().points();
        assert_golden_objects(&world, &["cn-hangzhou"], &points);
        assert_eq!(names(&golden_metrics(&world, &points)), wanted, "{label}");
        assert_eq!(calls(&world), calls(&undisturbed) + 1, "{label}");
    }
}

/// The same answer as other versions of the documents write it is the same answer.
#[tokio::test(flavor = "multi_thread")]
async fn every_way_to_write_an_answer_is_read() {
    for (action, kind) in [
        ("DescribeMetricList", AliyunFault::CodeAsNumber),
        ("DescribeMetricList", AliyunFault::DatapointsAsList),
        ("DescribeMetricList", AliyunFault::DuplicatePoints),
        ("DescribeMetricList", AliyunFault::NoToken),
        ("DescribeMetricList", AliyunFault::Gzip),
        ("DescribeMetricList", AliyunFault::Slow(Duration::from_millis(20))),
        ("DescribeMetricMetaList", AliyunFault::TotalAsText),
        ("DescribeMetricList", AliyunFault::TokenBehindLast),
        ("DescribeInstances", AliyunFault::TokenBehindLast),
        ("DescribeNetworkInterfaces", AliyunFault::TokenBehindLast),
        ("DescribeInstances", AliyunFault::NoToken),
        ("DescribeInstances", AliyunFault::Gzip),
        ("DescribeInstancesFullStatus", AliyunFault::TotalAsText),
        ("DescribeDBInstances", AliyunFault::TotalAsText),
        ("DescribeAccounts", AliyunFault::TotalAsText),
        ("DescribeLoadBalancers", AliyunFault::TotalAsText),
        ("ListBuckets", AliyunFault::Gzip),
    ] {
        let world = small_world().await;
        let label = format!("{action} {kind:?}");
        world.clouds.aliyun_fault(fault(action, 1000, kind));
        let ran = world.run(RUN);
        assert_eq!(ran.code, 0, "{label}: {ran:?}");
        let points = world.clouds.datakit().points();
        assert_golden_objects(&world, &["cn-hangzhou"], &points);
        let found = golden_metrics(&world, &points);
        assert_complete(&world, &found, chosen(&found));
        assert_eq!(chosen(&found).len(), 7, "{label}");
        for name in ["aliyun_ecs", "aliyun_rds", "aliyun_slb", "aliyun_oss", "aliyun_monitor"] {
            assert_eq!(ran.collector(name)["warnings"], json!([]), "{label}");
        }
    }
    // An answer without the member says that there are none: nothing is lost, and it is asked for again.
    let world = small_world().await;
    world.clouds.aliyun_fault(fault("DescribeMetricList", 1000, AliyunFault::DatapointsMissing));
    let ran = world.run(RUN);
    assert_eq!(ran.code, 0, "{ran:?}");
    let warnings = ran.collector("aliyun_monitor")["warnings"].to_string();
    assert!(warnings.contains("acs_ecs_dashboard: 2 metrics have no datapoints"), "{warnings}");
    world.clouds.clear_aliyun_faults();
    world.clouds.set_clock_offset(MINUTE);
    assert_eq!(world.run_at(MINUTE, RUN).code, 0);
    let found = golden_metrics(&world, &world.clouds.datakit().points());
    assert!(assert_complete(&world, &found, chosen(&found)).len() >= 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_wrong_is_corrected_once() {
    let world = small_world().await;
    world.clouds.set_clock_offset(20 * MINUTE);
    let ran = world.run(&["run", "my_aliyun/all.rhai"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(world.clouds.aliyun_calls()["ecs:DescribeInstances"], 2, "signed again once");
    assert_eq!(world.clouds.aliyun_calls()["rds:DescribeDBInstances"], 1, "the offset is remembered");
    insta::assert_snapshot!(
        "clock",
        steady(&ran.stdout.replace("1199 s", "1200 s").replace("1201 s", "1200 s"))
    );
    let points = world.clouds.datakit().points();
    let found = golden_metrics(&world, &points);
    assert_eq!(assert_complete(&world, &found, chosen(&found)).len(), 10, "windows use the cloud's time");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_says_how_long_to_wait_is_listened_to() {
    let world = support::aliyun::world(small()).await;
    let targets = r##"#{ namespace: "acs_ecs_dashboard", metrics: ["IntranetInRate", "CPUUtilization"] }"##;
    world.write("my_aliyun/all.rhai", &monitor(targets, ""));
    // One call a second: the second one is refused and told to wait a second, then both have been read.
    world.clouds.aliyun_rate("cms:DescribeMetricList", 1);
    let ran = world.run(RUN);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(world.clouds.aliyun_calls()["cms:DescribeMetricList"] <= 3, "{:?}", world.clouds.aliyun_calls());
    let found = golden_metrics(&world, &world.clouds.datakit().points());
    assert_complete(&world, &found, chosen(&found));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_default_rates_stay_below_the_documented_ones() {
    let world = support::World::new(simcloud::Options { aliyun: small(), ..Default::default() }).await;
    world.write("my_aliyun/all.rhai", &small_script(""));
    world.clouds.aliyun_documented_rates();
    let ran = world.run(RUN);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(!ran.stdout.contains("throttled"), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_keys_are_explained_once() {
    let keys = small_world().await.clouds.aliyun_keys();
    let wrong = "WrongSecretWrongSecretWrong000";
    for (name, id, secret) in [
        ("unknown_key", "LTAI5tUNKNOWN000000000000", keys.secret_key.as_str()),
        ("disabled_key", keys.disabled_access_key.as_str(), keys.secret_key.as_str()),
        ("wrong_secret", keys.access_key.as_str(), wrong),
        ("temporary_without_token", keys.temporary_access_key.as_str(), keys.temporary_secret_key.as_str()),
    ] {
        let mut world = small_world().await;
        world.variables.insert("ALIYUN_AK_ID".into(), id.into());
        world.variables.insert("ALIYUN_AK_SECRET".into(), secret.into());
        let ran = world.run(&["run", "my_aliyun/all.rhai"]);
        assert_eq!(ran.code, 1, "{ran:?}");
        assert!(!ran.stdout.contains(secret) && !ran.stderr.contains(secret), "{name} shows a secret");
        for text in [&ran.stdout, &ran.stderr] {
            assert!(
                !text.contains("x-acs-signature-nonce") && !text.contains("AccessKeyId="),
                "an echo: {text}"
            );
        }
        let calls = world.clouds.aliyun_calls();
        for action in ["ecs:DescribeInstances", "rds:DescribeDBInstances", "oss:ListBuckets"] {
            assert_eq!(calls.get(action), Some(&1), "{name}: a wrong key is tried once");
        }
        insta::assert_snapshot!(name, steady(&ran.stdout));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn temporary_keys_and_roles_work_and_are_renewed() {
    let mut world = small_world().await;
    let keys = world.clouds.aliyun_keys();
    world.variables.insert("SESSION_TOKEN".into(), keys.security_token.clone());
    world.variables.insert("ALIYUN_AK_ID".into(), keys.temporary_access_key.clone());
    world.variables.insert("ALIYUN_AK_SECRET".into(), keys.temporary_secret_key.clone());
    world.write("my_aliyun/all.rhai", &small_script("security_token: DFF.ENV(\"SESSION_TOKEN\"),"));
    let ran = world.run(RUN);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_golden_objects(&world, &["cn-hangzhou"], &world.clouds.datakit().take_points());
    // The token's time is over.
    world.variables.insert("SESSION_TOKEN".into(), keys.expired_token.clone());
    let ran = world.run(&["run", "my_aliyun/all.rhai", "--force"]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.stdout.contains("InvalidSecurityToken.Expired") && ran.stdout.contains("SecurityTokenExpired"),
        "{ran:?}"
    );
    assert!(ran.stdout.contains("use `role_arn` so that funchost renews them"), "{ran:?}");
    assert!(!ran.stdout.contains(&keys.expired_token), "{ran:?}");

    // A role, assumed once for all five; its keys sign OSS too.
    let mut world = small_world().await;
    let role = format!("role_arn: {:?}, external_id: {:?},", keys.role_arn, keys.external_id);
    world.write("my_aliyun/all.rhai", &small_script(&role));
    // The user itself may nothing but assume the role.
    for permission in
        ["ecs:DescribeInstances", "rds:DescribeDBInstances", "oss:ListBuckets", "cms:QueryMetricList"]
    {
        world.clouds.aliyun_deny(&keys.access_key, permission);
    }
    let ran = world.run(RUN);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_golden_objects(&world, &["cn-hangzhou"], &world.clouds.datakit().take_points());
    let assumed = |world: &World| world.clouds.aliyun_calls()["sts:AssumeRole"];
    let regions: BTreeSet<String> = world
        .clouds
        .aliyun_calls_by_region()
        .into_keys()
        .filter(|(_, name)| name != "sts:AssumeRole")
        .map(|(region, _)| region)
        .collect();
    assert!(regions.contains("cn-hangzhou"), "{regions:?}");
    assert_eq!(assumed(&world), 1, "a role is assumed once");

    // Its keys are refused before their time: by the gateway, and by OSS, which says that it does not know them.
    for (action, kind) in [
        ("DescribeDBInstances", AliyunFault::ExpiredToken),
        ("ListBuckets", AliyunFault::Code(403, "InvalidAccessKeyId")),
        ("DescribeMetricList", AliyunFault::Code(400, "InvalidSecurityToken.Malformed")),
    ] {
        world = small_world().await;
        world.write("my_aliyun/all.rhai", &small_script(&role));
        world.clouds.aliyun_fault(fault(action, 1, kind));
        let ran = world.run(RUN);
        assert_eq!(ran.code, 0, "{action}: {ran:?}");
        assert_eq!(assumed(&world), 2, "{action}: renewed once");
    }

    // The trust policy asks for something else; and a role that does not exist.
    for (name, role) in [
        ("role_refused", format!("role_arn: {:?},", keys.role_arn)),
        ("role_unknown", "role_arn: \"acs:ram::1234567890123456:role/other\",".to_owned()),
    ] {
        let world = small_world().await;
        world.write("my_aliyun/all.rhai", &small_script(&role));
        let ran = world.run(&["run", "my_aliyun/all.rhai"]);
        assert_eq!(ran.code, 1);
        insta::assert_snapshot!(name, steady(&ran.stdout));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_and_a_private_key_are_shown_nowhere() {
    const CANARY: &str = "SIMCLOUD-SERVER-KEY-CANARY";
    let world = small_world().await;
    let secret = world.clouds.aliyun_keys().secret_key;
    let answers = world.clouds.aliyun_objects(AliyunProduct::Rds, "cn-hangzhou");
    assert!(
        answers
            .iter()
            .any(|object| object.details.get("ssl").is_some_and(|ssl| ssl.to_string().contains(CANARY)))
    );
    let script = small_script("").replace("    Runner([", "    print(account);\n    Runner([");
    world.write("my_aliyun/all.rhai", &script);
    let run = |arguments: &[&str]| {
        let mut command = world.command(arguments);
        command.env("FUNCHOST_LOG", "trace").env("RUST_LOG", "trace");
        support::ran(&command.output().expect("the binary starts"))
    };
    for arguments in [&["run", "my_aliyun/all.rhai", "--debug"][..], &["run", "my_aliyun/all.rhai"]] {
        let ran = run(arguments);
        assert_eq!(ran.code, 0, "{ran:?}");
        for text in [&ran.stdout, &ran.stderr] {
            assert!(!text.contains(&secret), "{arguments:?} shows the secret:\n{text}");
            assert!(!text.contains(CANARY), "{arguments:?} shows the private key:\n{text}");
        }
    }
    let points = world.clouds.datakit().points();
    assert!(points.iter().any(|point| point.fields.contains_key("SSLExpireTime")));
    for request in world.clouds.datakit().requests() {
        assert!(!request.body.contains(CANARY), "DataKit got the private key");
    }
    for file in std::fs::read_dir(world.folder.path().join("state")).expect("the state is there") {
        let bytes = std::fs::read(file.expect("a file").path()).expect("readable");
        for hidden in [secret.as_bytes(), CANARY.as_bytes()] {
            assert!(!bytes.windows(hidden.len()).any(|window| window == hidden), "the state holds a secret");
        }
    }
    // Nor where the answer is one that fails.
    let world = small_world().await;
    world
        .clouds
        .aliyun_fault(Fault { skip: 0, ..fault("DescribeDBInstanceSSL", 1000, AliyunFault::CutBody) });
    let ran = world.run(&["run", "my_aliyun/all.rhai"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stdout.contains("SSLExpireTime left out") && !ran.stdout.contains(CANARY), "{ran:?}");
}
