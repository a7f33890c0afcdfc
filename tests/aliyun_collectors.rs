//! The Aliyun collectors by themselves: what they report, what they choose, how many calls they need, what they do with lists that change.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

mod support;

use serde_json::{Value, json};
use simcloud::{AliyunEstate, AliyunFault, AliyunProduct, Fault, Options, ReceivedPoint};
use std::collections::{BTreeMap, BTreeSet};
use support::aliyun::{
    Golden, assert_complete, assert_golden_objects, assert_golden_objects_of, chosen, configure, fault,
    golden_metrics, monitor, script, small, world,
};
use support::{Ran, World, steady};

const REGION: &str = "cn-hangzhou";
const MINUTE: i64 = 60;
const RUN: &[&str] = &["run", "my_aliyun/main.rhai", "--output", "json"];

/// One object collector.
fn objects(product: &str, configs: &str) -> String {
    script(&[(product, configs.to_owned())], "")
}

fn warnings(report: &Value) -> Vec<&str> {
    report["warnings"].as_array().expect("a list").iter().filter_map(Value::as_str).collect()
}

fn names(points: &[ReceivedPoint]) -> BTreeSet<String> {
    points.iter().filter_map(|point| point.tags.get("name").cloned()).collect()
}

fn ids(world: &World, product: AliyunProduct, region: &str) -> BTreeSet<String> {
    world.clouds.aliyun_objects(product, region).into_iter().map(|object| object.id).collect()
}

/// Runs at a fixed second of a minute: how many minutes a window holds does not depend on when the test runs.
struct Moments(i64);

impl Moments {
    fn new() -> Self {
        Self((now() / MINUTE + 2) * MINUTE + 5)
    }

    /// A run so many minutes later.
    fn run(&mut self, world: &World, minutes: i64) -> Ran {
        self.0 += minutes * MINUTE;
        let offset = self.0 - now();
        world.clouds.set_clock_offset(offset);
        world.run_at(offset, RUN)
    }
}

fn now() -> i64 {
    i64::try_from(std::time::UNIX_EPOCH.elapsed().expect("after 1970").as_secs()).expect("it fits")
}

#[tokio::test(flavor = "multi_thread")]
async fn all_pages_are_read_and_every_object_comes_once() {
    let estate = AliyunEstate { instances: 215, databases: 203, balancers: 200, buckets: 1003, ..small() };
    let world = world(estate).await;
    let configs = format!("#{{ regions: [{REGION:?}] }}");
    let bare = format!("#{{ regions: [{REGION:?}], details: [] }}");
    world.write(
        "my_aliyun/main.rhai",
        &script(&[("ecs", configs.clone()), ("rds", bare.clone()), ("slb", bare), ("oss", configs)], ""),
    );
    let ran = world.run(RUN);
    assert_eq!(ran.code, 0, "{ran:?}");
    let points = world.clouds.datakit().points();
    for (class, product) in [
        ("aliyun_ecs", AliyunProduct::Ecs),
        ("aliyun_rds", AliyunProduct::Rds),
        ("aliyun_slb", AliyunProduct::Slb),
        ("aliyun_oss", AliyunProduct::Oss),
    ] {
        let own: Vec<ReceivedPoint> =
            points.iter().filter(|point| point.measurement == class).cloned().collect();
        assert_eq!(own.len(), names(&own).len(), "{class}");
        assert_eq!(names(&own), ids(&world, product, ""), "{class}");
    }
    // 215 instances, 432 disks, 217 interfaces, 215 states, 108 prepaid ones.
    assert_eq!(
        ran.collector("aliyun_ecs")["calls"],
        json!({
            "ecs:DescribeInstances": 3, "ecs:DescribeDisks": 1, "ecs:DescribeNetworkInterfaces": 1, "ecs:DescribeInstancesFullStatus": 3,
            "ecs:DescribeInstanceAutoRenewAttribute": 2,
        })
    );
    assert_eq!(
        ran.collector("aliyun_rds")["calls"],
        json!({ "rds:DescribeDBInstances": 3 }),
        "no details, no calls"
    );
    // Two full pages say themselves that there is no third; certificates are no detail of one balancer.
    assert_eq!(
        ran.collector("aliyun_slb")["calls"],
        json!({ "slb:DescribeLoadBalancers": 2, "slb:DescribeServerCertificates": 1 })
    );
    assert_eq!(
        ran.collector("aliyun_oss")["calls"],
        json!({ "oss:ListBuckets": 2, "oss:GetBucketInfo": 1003 })
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_object_of_all_regions_is_golden() {
    let estate =
        AliyunEstate { instances: 24, databases: 9, balancers: 9, buckets: 20, ..AliyunEstate::default() };
    let regions = ["ap-southeast-1", "cn-hangzhou", "cn-shanghai"];
    let world = world(estate).await;
    let configs = format!("#{{ regions: {regions:?} }}");
    world.write(
        "my_aliyun/main.rhai",
        &script(&["ecs", "rds", "slb", "oss"].map(|product| (product, configs.clone())), ""),
    );
    let ran = world.run(RUN);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_golden_objects(&world, &regions, &world.clouds.datakit().points());
    assert!(world.clouds.datakit().hidden().is_empty());
    for name in ["aliyun_ecs", "aliyun_rds", "aliyun_slb", "aliyun_oss"] {
        let report = ran.collector(name);
        let said = warnings(&report);
        // What an engine or a state does not have is no trouble.
        assert!(
            said.iter().all(|warning| warning.contains("line breaks") || warning.contains("backslashes")),
            "{said:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_308_metrics_are_golden() {
    let world = world(AliyunEstate { nasty: true, ..small() }).await;
    let targets: Vec<String> = ["ecs", "rds", "slb", "oss"]
        .map(|product| format!("#{{ namespace: \"acs_{product}_dashboard\", metrics: \"ALL\" }}"))
        .to_vec();
    world.write("my_aliyun/main.rhai", &monitor(&targets.join(", "), ""));
    let ran = world.run(RUN);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(
        ran.collector("aliyun_monitor")["calls"],
        json!({ "cms:DescribeMetricMetaList": 4, "cms:DescribeMetricList": 308 })
    );
    let found = golden_metrics(&world, &world.clouds.datakit().points());
    assert_eq!(assert_complete(&world, &found, chosen(&found)).len(), 10);
    assert_eq!(chosen(&found).len(), 308, "spelling faults of the vendor's and all");
}

#[tokio::test(flavor = "multi_thread")]
async fn secondary_dimensions_are_series_of_their_own() {
    let world = world(small()).await;
    let targets = r##"#{ namespace: "acs_ecs_dashboard", metrics: ["disk_readbytes", "vm.DiskUtilization", "vm.Process.number"] },
        #{ namespace: "acs_slb_dashboard", metrics: ["TrafficRXNew"] }, #{ namespace: "acs_oss_dashboard", metrics: ["MeteringInternetRX"] }"##;
    world.write("my_aliyun/main.rhai", &monitor(targets, ""));
    assert_eq!(world.run(RUN).code, 0);
    let points = world.clouds.datakit().points();
    let distinct = |field: &str, key: &str| -> BTreeSet<String> {
        points
            .iter()
            .filter(|point| point.fields.contains_key(field))
            .map(|point| point.tags[key].clone())
            .collect()
    };
    assert_eq!(
        distinct("disk_readbytes_Average", "device"),
        BTreeSet::from(["/dev/vda1".into(), "/dev/vdb1".into()])
    );
    assert_eq!(
        distinct("vm.DiskUtilization_Maximum", "mountpoint"),
        BTreeSet::from(["/".into(), "/mnt/data disk".into()])
    );
    assert_eq!(distinct("TrafficRXNew_Average", "port"), BTreeSet::from(["80".into(), "443".into()]));
    assert_eq!(
        distinct("MeteringInternetRX_Value", "storageType"),
        BTreeSet::from(["Standard".into(), "IA".into()])
    );
    let found = golden_metrics(&world, &points);
    assert_complete(&world, &found, chosen(&found));
}

/// Pages hold 1,440 datapoints of one metric: no call could be spared.
#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_instances_need_the_documented_minimum_of_calls() {
    const METRICS: [&str; 20] = [
        "AdvanceCredit",
        "BurstCredit",
        "CPUUtilization",
        "DiskReadBPS",
        "DiskReadIOPS",
        "DiskWriteBPS",
        "DiskWriteIOPS",
        "InternetInRate",
        "InternetOutRate",
        "InternetOutRate_Percent",
        "IntranetInRate",
        "IntranetOutRate",
        "NotpaidSurplusCredit",
        "TotlCredit",
        "concurrentConnections",
        "packetInDropRates",
        "packetOutDropRates",
        "cpu_total",
        "load_1m",
        "memory_usedspace",
    ];
    let estate = AliyunEstate { instances: 1000, databases: 0, balancers: 0, buckets: 0, ..small() };
    let world = world(estate).await;
    world.write(
        "my_aliyun/main.rhai",
        &monitor(&format!("#{{ namespace: \"acs_ecs_dashboard\", metrics: {METRICS:?} }}"), ""),
    );
    let mut moments = Moments::new();
    let mut count = |minutes: i64| {
        world.clouds.reset_aliyun_calls();
        drop(world.clouds.datakit().take_points());
        let ran = moments.run(&world, minutes);
        assert_eq!(ran.code, 0, "{ran:?}");
        let calls = world.clouds.aliyun_calls()["cms:DescribeMetricList"];
        let points = world.clouds.datakit().take_points();
        let fields: usize = points.iter().map(|point| point.fields.len()).sum();
        (calls, fields)
    };
    let pages = |minutes: u64| (1000 * minutes).div_ceil(1440) * 20;
    // Of these twenty metrics, sixteen have three statistics and four have one.
    const STATISTICS: usize = 52;
    // The first window is ten minutes long.
    assert_eq!(count(0), (pages(10), 1000 * 10 * STATISTICS));
    // Five new minutes, and the two that are always read again: five pages hold them.
    assert_eq!(count(5), (pages(7), 1000 * 5 * STATISTICS));
    // Where no overlap is wanted, four pages: 1,000 × 20 × 5 in 80 calls.
    configure(&world, "[overlap]\naliyun = 0\n");
    assert_eq!(count(5), (80, 1000 * 5 * STATISTICS));
    assert_eq!(pages(5), 80);
    assert!(world.clouds.datakit().hidden().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_overlap_fills_the_pages_that_are_needed_anyway() {
    // 300 series: five new minutes are 1,500 datapoints, two pages; four more minutes fit into them.
    let world = world(AliyunEstate { instances: 300, ..small() }).await;
    world.write(
        "my_aliyun/main.rhai",
        &monitor(r##"#{ namespace: "acs_ecs_dashboard", metrics: "CPUUtilization" }"##, ""),
    );
    let mut moments = Moments::new();
    assert_eq!(moments.run(&world, 0).code, 0);
    world.clouds.reset_aliyun_calls();
    let ran = moments.run(&world, 5);
    let report = ran.collector("aliyun_monitor");
    assert_eq!(report["calls"]["cms:DescribeMetricList"], 2, "{report:#}");
    assert_eq!(report["already_sent"], 300 * 4, "{report:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hosts_with_equal_points_are_one() {
    let world = world(small()).await;
    let targets = r##"#{ namespace: "acs_ecs_dashboard", metrics: ["CPUUtilization", "disk_readbytes"] }"##;
    world.write(
        "my_aliyun/main.rhai",
        &monitor(targets, "cms_regions: [\"cn-hangzhou\", \"ap-southeast-1\"],"),
    );
    let ran = world.run(RUN);
    assert_eq!(ran.code, 0, "{ran:?}");
    let report = ran.collector("aliyun_monitor");
    assert_eq!(
        report["calls"],
        json!({ "cms:DescribeMetricMetaList": 1, "cms:DescribeMetricList": 4 }),
        "the list comes from the first, datapoints from both"
    );
    // golden_metrics refuses what comes twice.
    let found = golden_metrics(&world, &world.clouds.datakit().points());
    assert_eq!(assert_complete(&world, &found, chosen(&found)).len(), 10);
    assert_eq!(report["delivered"], 10 * (4 + 8), "{report:#}");
    // One of the two fails: the metric fails, what the other knew is delivered, and the mark stays.
    world.clouds.set_clock_offset(2 * MINUTE);
    drop(world.clouds.datakit().take_points());
    let second = simcloud::Fault {
        skip: 2,
        ..fault("DescribeMetricList", 2, AliyunFault::Code(400, "InvalidParameter"))
    };
    world.clouds.aliyun_fault(second);
    let ran = world.run_at(2 * MINUTE, RUN);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(!golden_metrics(&world, &world.clouds.datakit().points()).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_of_two_hosts_may_fail() {
    for action in ["DescribeMetricMetaList", "DescribeMetricList"] {
        let world = world(small()).await;
        let targets = r##"#{ namespace: "acs_ecs_dashboard", metrics: "CPUUtilization" }"##;
        world.write(
            "my_aliyun/main.rhai",
            &monitor(targets, "cms_regions: [\"cn-hangzhou\", \"ap-southeast-1\"],"),
        );
        world.clouds.aliyun_fault(fault(action, 1, AliyunFault::Code(400, "InvalidParameter")));
        let ran = world.run(RUN);
        // A list is the same from either; datapoints that one did not tell may be missing.
        assert_eq!(ran.code, u8::from(action == "DescribeMetricList"), "{action}: {ran:?}");
        assert!(!golden_metrics(&world, &world.clouds.datakit().points()).is_empty(), "{action}: {ran:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_whose_list_fails_holds_up_no_other() {
    let world = world(small()).await;
    let targets = r##"#{ namespace: "acs_ecs_dashboard", metrics: "CPUUtilization" }, #{ namespace: "acs_rds_dashboard", metrics: "CpuUsage" }"##;
    world.write("my_aliyun/main.rhai", &monitor(targets, ""));
    world.clouds.aliyun_fault(fault("DescribeMetricMetaList", 1, AliyunFault::Code(404, "ResourceNotFound")));
    let ran = world.run(RUN);
    assert_eq!(ran.code, 1, "{ran:?}");
    let report = ran.collector("aliyun_monitor");
    assert_eq!(report["status"], "failed");
    assert!(report["error"].as_str().is_some_and(|error| error.contains("ResourceNotFound")), "{report:#}");
    assert_eq!(report["calls"], json!({ "cms:DescribeMetricMetaList": 2, "cms:DescribeMetricList": 1 }));
    assert!(!golden_metrics(&world, &world.clouds.datakit().points()).is_empty(), "{report:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn points_that_come_late_or_change_arrive_once_more_and_no_others() {
    let world = world(small()).await;
    world.write(
        "my_aliyun/main.rhai",
        &monitor(r##"#{ namespace: "acs_ecs_dashboard", metrics: "disk_readbytes" }"##, ""),
    );
    let series = world.clouds.aliyun_series("acs_ecs_dashboard", "disk_readbytes");
    let mut moments = Moments::new();
    // Two minutes ago, as the servers will see it: hidden until the second run.
    let minute = (moments.0 / MINUTE - 3) * MINUTE;
    world.clouds.set_clock_offset(moments.0 - now());
    world.clouds.aliyun_late(&series[0], minute, 90);
    assert_eq!(moments.run(&world, 0).code, 0);
    let first = golden_metrics(&world, &world.clouds.datakit().take_points());
    let times = |found: &Golden, of: usize| -> BTreeSet<i64> {
        found.keys().filter(|(own, ..)| *own == series[of]).map(|(_, time, _)| *time).collect()
    };
    assert!(!times(&first, 0).contains(&minute) && times(&first, 1).contains(&minute));
    // Another disk of the same instance changes afterwards.
    world.clouds.aliyun_revise(&series[1], minute, 1000.0);
    let ran = moments.run(&world, 2);
    assert_eq!(ran.code, 0, "{ran:?}");
    let second = golden_metrics(&world, &world.clouds.datakit().take_points());
    assert!(times(&second, 0).contains(&minute), "it came late");
    assert!(times(&second, 1).contains(&minute), "it changed");
    for (own, time, _) in second.keys() {
        let known = first.keys().any(|(series, at, _)| series == own && at == time);
        assert!(!known || (*own == series[1] && *time == minute), "{own:?} at {time} came twice");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_reports_nothing_more_holds_up_no_other() {
    let world = world(small()).await;
    world.write(
        "my_aliyun/main.rhai",
        &monitor(r##"#{ namespace: "acs_ecs_dashboard", metrics: "CPUUtilization" }"##, ""),
    );
    let mut moments = Moments::new();
    let silent = world.clouds.aliyun_objects(AliyunProduct::Ecs, REGION)[0].id.clone();
    let ended = moments.0 - 6 * MINUTE;
    world.clouds.aliyun_stale(&silent, ended);
    let mut times: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for minutes in [0, 1, 3, 60] {
        let ran = moments.run(&world, minutes);
        assert_eq!(ran.code, 0, "{ran:?}");
        for (series, time, statistic) in
            golden_metrics(&world, &world.clouds.datakit().take_points()).into_keys()
        {
            if statistic == "Average" {
                times.entry(series.dimensions["instanceId"].clone()).or_default().push(time);
            }
        }
    }
    for (id, mut times) in times {
        times.sort_unstable();
        assert!(times.windows(2).all(|pair| pair[1] - pair[0] == 60), "a gap, or a point twice: {times:?}");
        if id == silent {
            assert!(times.iter().all(|time| *time < ended), "an old point is never given a new time");
        } else {
            assert_eq!(times.len(), 10 + 1 + 3 + 60, "an hour of outage leaves no gap");
        }
    }
}

/// CloudMonitor is minutes behind: windows ask from the newest datapoint, and nothing is lost.
#[tokio::test(flavor = "multi_thread")]
async fn late_publication_leaves_no_gap() {
    let world = world(small()).await;
    world.write(
        "my_aliyun/main.rhai",
        &monitor(r##"#{ namespace: "acs_rds_dashboard", metrics: "CpuUsage" }"##, ""),
    );
    world.clouds.aliyun_publication_delay(7 * MINUTE);
    let mut moments = Moments::new();
    let mut all = Golden::new();
    for minutes in [0, 1, 5, 5, 12] {
        let ran = moments.run(&world, minutes);
        assert_eq!(ran.code, 0, "{ran:?}");
        let newer = golden_metrics(&world, &world.clouds.datakit().take_points());
        assert!(newer.keys().all(|key| !all.contains_key(key)), "nothing comes twice");
        all.extend(newer);
    }
    let metrics: Vec<(String, String)> =
        chosen(&all).into_iter().map(|(namespace, name)| (namespace.to_owned(), name.to_owned())).collect();
    let metrics = metrics.iter().map(|(namespace, name)| (namespace.as_str(), name.as_str()));
    let minutes = assert_complete(&world, &all, metrics);
    assert!(minutes.len() >= 23, "{minutes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_selector_chooses_and_says_what_it_did_not_find() {
    let world = world(small()).await;
    let targets = r##"#{ namespace: "acs_ecs_dashboard", metrics: ["*CREDIT*", "CPUUtilisation"] },
        #{ namespace: "acs_ecs_dashboard", metrics: ["NOT", "totl*"] },
        #{ namespace: "acs_ecs_dashbord", metrics: "ALL" }"##;
    world.write("my_aliyun/main.rhai", &monitor(targets, ""));
    let ran = world.run(RUN);
    assert_eq!(ran.code, 0, "{ran:?}");
    let found = golden_metrics(&world, &world.clouds.datakit().points());
    let names: BTreeSet<&str> = chosen(&found).into_iter().map(|(_, name)| name).collect();
    assert_eq!(names, BTreeSet::from(["AdvanceCredit", "BurstCredit", "NotpaidSurplusCredit"]));
    let report = ran.collector("aliyun_monitor");
    let said = warnings(&report);
    assert!(
        said.iter().any(|text| text
            .starts_with("`CPUUtilisation` selects no metric of acs_ecs_dashboard; near: CPUUtilization")),
        "{said:?}"
    );
    assert!(
        said.contains(&"the namespace acs_ecs_dashbord has no metrics: did you mean acs_ecs_dashboard?"),
        "{said:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_details_that_are_wanted_are_asked_for() {
    let world = world(small()).await;
    world.write(
        "my_aliyun/main.rhai",
        &objects("rds", r#"#{ regions: ["cn-hangzhou"], details: ["attribute", "usage"] }"#),
    );
    let ran = world.run(RUN);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(
        ran.collector("aliyun_rds")["calls"],
        json!({ "rds:DescribeDBInstances": 1, "rds:DescribeDBInstanceAttribute": 4, "rds:DescribeResourceUsage": 4 })
    );
    for point in world.clouds.datakit().points() {
        assert!(point.fields.contains_key("DiskUsed") && point.tags.contains_key("Category"), "{point:?}");
        assert!(!point.fields.contains_key("accounts") && !point.fields.contains_key("ConnectionString"));
    }
    world.write(
        "my_aliyun/main.rhai",
        &objects("rds", r#"#{ regions: ["cn-hangzhou"], details: ["acounts"] }"#),
    );
    let ran = world.run(&["check", "my_aliyun/main.rhai"]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("did you mean `accounts`?"), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_sees_tags_that_come_from_details() {
    let world = world(small()).await;
    let text = objects(
        "rds",
        r#"#{ regions: ["cn-hangzhou"] }, #{ filters: [|instance| instance.Category == "HighAvailability", |instance| instance.DBInstanceStatus == "Running"] }"#,
    );
    world.write("my_aliyun/main.rhai", &text);
    let ran = world.run(RUN);
    assert_eq!(ran.code, 0, "{ran:?}");
    let points = world.clouds.datakit().points();
    let wanted: BTreeSet<String> = world
        .clouds
        .aliyun_objects(AliyunProduct::Rds, REGION)
        .into_iter()
        .filter(|object| {
            object.details["attribute"]["Category"] == "HighAvailability"
                && object.item["DBInstanceStatus"] == "Running"
        })
        .map(|object| object.id)
        .collect();
    assert_eq!((names(&points), wanted.len()), (wanted, 1));
    let calls = &ran.collector("aliyun_rds")["calls"];
    assert_eq!(
        (&calls["rds:DescribeDBInstanceAttribute"], &calls["rds:DescribeAccounts"]),
        (&json!(4), &json!(1)),
        "{calls}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn oss_lists_once_and_keeps_the_regions() {
    let world = world(AliyunEstate { buckets: 9, ..AliyunEstate::default() }).await;
    world.write("my_aliyun/main.rhai", &objects("oss", r#"#{ regions: ["cn-shanghai", "ap-southeast-1"] }"#));
    let ran = world.run(RUN);
    assert_eq!(ran.code, 0, "{ran:?}");
    let points = world.clouds.datakit().points();
    assert_golden_objects_of(&[AliyunProduct::Oss], &world, &["cn-shanghai", "ap-southeast-1"], &points);
    let own = json!({ "oss:ListBuckets": 1, "oss:GetBucketInfo": 6 });
    assert_eq!(ran.collector("aliyun_oss")["calls"], own);
    // Each bucket at its own region.
    let by_region = world.clouds.aliyun_calls_by_region();
    let infos = |region: &str| by_region.get(&(region.to_owned(), "oss:GetBucketInfo".to_owned())).copied();
    assert_eq!(
        (infos("cn-shanghai"), infos("ap-southeast-1"), infos("cn-hangzhou")),
        (Some(3), Some(3), None)
    );
}

/// An instance that is released while its region is read: it is delivered as it was listed, and the renewal of the others is found by halving.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_released_meanwhile_costs_nothing_else() {
    let estate = AliyunEstate { instances: 24, databases: 4, balancers: 4, ..small() };
    let world = world(estate).await;
    let configs = format!("#{{ regions: [{REGION:?}] }}");
    world.write(
        "my_aliyun/main.rhai",
        &script(&["ecs", "rds", "slb"].map(|product| (product, configs.clone())), ""),
    );
    let before: BTreeSet<String> = [AliyunProduct::Ecs, AliyunProduct::Rds, AliyunProduct::Slb]
        .into_iter()
        .flat_map(|product| ids(&world, product, REGION))
        .collect();
    let gone: BTreeMap<&str, String> =
        [("ecs", AliyunProduct::Ecs), ("rds", AliyunProduct::Rds), ("slb", AliyunProduct::Slb)]
            .map(|(name, product)| (name, world.clouds.aliyun_objects(product, REGION)[0].id.clone()))
            .into();
    for action in ["DescribeInstances", "DescribeDBInstances", "DescribeLoadBalancers"] {
        world.clouds.aliyun_fault(fault(action, 1, AliyunFault::ReleaseFirst));
    }
    let ran = world.run(RUN);
    assert_eq!(ran.code, 0, "{ran:?}");
    for name in ["aliyun_ecs", "aliyun_rds", "aliyun_slb"] {
        assert_eq!(warnings(&ran.collector(name)), Vec::<&str>::new(), "{name}");
    }
    let points = world.clouds.datakit().points();
    assert_eq!(names(&points), before);
    for point in &points {
        let released = gone.values().any(|id| *id == point.tags["name"]);
        let detail = match point.measurement.as_str() {
            "aliyun_ecs" if point.tags["InstanceChargeType"] == "PrePaid" => "instance_renew_attribute",
            "aliyun_ecs" => "instances_full_status",
            "aliyun_rds" => "ConnectionString",
            _ => "EndTimeStamp",
        };
        assert_eq!(point.fields.contains_key(detail), !released, "{detail} of {:?}", point.tags["name"]);
    }
    // Twelve prepaid ones: 12, 6, 3, 1 that is refused alone, and the other halves.
    assert_eq!(ran.collector("aliyun_ecs")["calls"]["ecs:DescribeInstanceAutoRenewAttribute"], 7);
    // What was listed is linked until a complete collection no longer returns it.
}

/// Between two pages the first object is released: what stood first on the second page comes to stand last on the first, which has been read.
#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_changes_between_its_pages_is_read_again() {
    let estate = || AliyunEstate { databases: 220, balancers: 130, ..small() };
    let configs = format!("#{{ regions: [{REGION:?}], details: [] }}");
    let text = script(&[("rds", configs.clone()), ("slb", configs)], "");
    let world = world(estate()).await;
    world.write("my_aliyun/main.rhai", &text);
    for action in ["DescribeDBInstances", "DescribeLoadBalancers"] {
        world.clouds.aliyun_fault(fault(action, 1, AliyunFault::ReleaseFirst));
    }
    let before: BTreeSet<String> = [AliyunProduct::Rds, AliyunProduct::Slb]
        .into_iter()
        .flat_map(|product| ids(&world, product, REGION))
        .collect();
    let ran = world.run(&["run", "my_aliyun/main.rhai"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    insta::assert_snapshot!("list_changed", steady(&ran.stdout));
    let points = world.clouds.datakit().points();
    assert_eq!(names(&points), before, "none was passed over");
    assert_eq!(points.len(), before.len(), "none came twice");

    // It keeps changing: the region failed, and nothing that was not seen is forgotten.
    let world = support::aliyun::world(estate()).await;
    world.write("my_aliyun/main.rhai", &text);
    world.clouds.aliyun_fault(fault("DescribeDBInstances", 1000, AliyunFault::ReleaseFirst));
    let ran = world.run(&["run", "my_aliyun/main.rhai"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    insta::assert_snapshot!("list_keeps_changing", steady(&ran.stdout));
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_are_forgotten_when_a_complete_list_no_longer_has_them() {
    let world = world(small()).await;
    world.write(
        "my_aliyun/main.rhai",
        &script(
            &[
                ("ecs", format!("#{{ regions: [{REGION:?}] }}")),
                (
                    "monitor",
                    r##"#{ targets: [ #{ namespace: "acs_ecs_dashboard", metrics: "CPUUtilization" } ] }"##
                        .to_owned(),
                ),
            ],
            "",
        ),
    );
    assert_eq!(world.run(RUN).code, 0);
    drop(world.clouds.datakit().take_points());
    let instances = world.clouds.aliyun_objects(AliyunProduct::Ecs, REGION);
    world.clouds.aliyun_edit(&instances[1].id, |object| object.item["InstanceName"] = "renamed".into());
    // A collection that fails forgets nothing, and is made again a minute later.
    world.clouds.set_clock_offset(900);
    world.clouds.aliyun_fault(fault("DescribeInstances", 5, AliyunFault::HtmlUnavailable));
    assert_eq!(world.run_at(900, RUN).code, 1);
    let named = |points: &[ReceivedPoint], id: &str| -> BTreeSet<Option<String>> {
        let own = points.iter().filter(|point| point.category == "metric" && point.tags["instanceId"] == id);
        own.map(|point| point.tags.get("InstanceName").cloned()).collect()
    };
    let points = world.clouds.datakit().take_points();
    assert_eq!(named(&points, &instances[1].id), BTreeSet::from([Some("server-1".to_owned())]));
    world.clouds.set_clock_offset(960);
    assert_eq!(world.run_at(960, RUN).code, 0);
    let points = world.clouds.datakit().take_points();
    assert_eq!(named(&points, &instances[1].id), BTreeSet::from([Some("renamed".to_owned())]));
}

#[tokio::test(flavor = "multi_thread")]
async fn regions_fail_alone() {
    let world = world(AliyunEstate::default()).await;
    world.write("my_aliyun/main.rhai", &objects("ecs", r#"#{ regions: ["cn-hangzhou", "cn-hangzhuo"] }"#));
    let ran = world.run(RUN);
    assert_eq!(ran.code, 1, "{ran:?}");
    let report = ran.collector("aliyun_ecs");
    assert_eq!(report["regions"], json!({ "cn-hangzhou": "ok", "cn-hangzhuo": "failed" }));
    assert!(
        report["error"].as_str().is_some_and(|error| error.contains("did you mean `cn-hangzhou`?")),
        "{report:#}"
    );
    assert_golden_objects_of(
        &[AliyunProduct::Ecs],
        &world,
        &["cn-hangzhou"],
        &world.clouds.datakit().points(),
    );
}

/// The default options of the simulator do not disturb, and one of its keys is enough for all products.
#[tokio::test(flavor = "multi_thread")]
async fn a_denied_key_is_told_which_permission_it_needs() {
    let world = World::new(Options { aliyun: small(), ..Options::default() }).await;
    world.write(
        "my_aliyun/main.rhai",
        &objects("rds", r#"#{ regions: ["cn-hangzhou"], details: ["accounts", "databases"] }"#),
    );
    let keys = world.clouds.aliyun_keys();
    world.clouds.aliyun_deny(&keys.access_key, "rds:DescribeDatabases");
    world.clouds.aliyun_deny("another key", "rds:DescribeAccounts");
    let ran = world.run(RUN);
    assert_eq!(ran.code, 0, "{ran:?}");
    let report = ran.collector("aliyun_rds");
    let said = warnings(&report);
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].contains("the permission rds:DescribeDatabases"), "{said:?}");
}

/// The account's buckets are listed once, at any of its regions: one that does not exist keeps no other from being read, and is said.
#[tokio::test(flavor = "multi_thread")]
async fn a_misspelt_region_of_buckets_is_named_wherever_it_stands() {
    for regions in [["cn-hangzhuo", "cn-hangzhou"], ["cn-hangzhou", "cn-hangzhuo"]] {
        let world = world(AliyunEstate::default()).await;
        // Its host does not exist.
        world.clouds.aliyun_fault(Fault {
            region: Some("cn-hangzhuo".into()),
            ..fault("ListBuckets", 1000, AliyunFault::Reset)
        });
        world.write("my_aliyun/main.rhai", &objects("oss", &format!("#{{ regions: {regions:?} }}")));
        let ran = world.run(RUN);
        assert_eq!(ran.code, 0, "{ran:?}");
        let report = ran.collector("aliyun_oss");
        assert_eq!(
            report["warnings"],
            json!([
                "cn-hangzhuo: the account has nothing there, and `cn-hangzhuo` is no region that Alibaba Cloud is known to have: did you mean `cn-hangzhou`?"
            ])
        );
        assert_golden_objects_of(
            &[AliyunProduct::Oss],
            &world,
            &["cn-hangzhou"],
            &world.clouds.datakit().points(),
        );
    }
}

/// Where no region is a known one, each is tried until a host answers.
#[tokio::test(flavor = "multi_thread")]
async fn buckets_are_listed_at_the_first_region_that_answers() {
    let world = world(AliyunEstate { regions: vec!["xx-second-2".into()], ..AliyunEstate::default() }).await;
    world.clouds.aliyun_fault(Fault {
        region: Some("xx-first-1".into()),
        ..fault("ListBuckets", 1, AliyunFault::Code(404, "InvalidRegionId.NotFound"))
    });
    world.write("my_aliyun/main.rhai", &objects("oss", r#"#{ regions: ["xx-first-1", "xx-second-2"] }"#));
    let ran = world.run(RUN);
    assert_eq!(ran.code, 0, "{ran:?}");
    let report = ran.collector("aliyun_oss");
    assert_eq!(report["regions"], json!({ "xx-first-1": "ok", "xx-second-2": "ok" }));
    assert_eq!(report["collected"], 7, "{report:#}");
    let said = warnings(&report);
    assert!(said.len() == 1 && said[0].starts_with("xx-first-1: the account has nothing there"), "{said:?}");
    // What holds for the keys is not tried elsewhere.
    world.clouds.aliyun_fault(fault("ListBuckets", 1, AliyunFault::Denied));
    let ran = world.run(&["run", "my_aliyun/main.rhai", "--output", "json", "--force"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert_eq!(ran.collector("aliyun_oss")["calls"]["oss:ListBuckets"], 1);
}
