//! The whole program against simulated Tencent Cloud and DataKit: what a user sees, run after run.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

mod support;

use serde_json::{Value, json};
use simcloud::{
    DataKitBehaviour, FaultKind, FieldValue, Options, ReceivedPoint, TencentEstate, TencentMetric,
};
use std::collections::{BTreeMap, BTreeSet};
use support::World;
use support::tencent::{
    MINUTE, RUN, SHANGHAI, aligned, as_tag, cvm, expected, fault, fields, hurry, limits, monitor, now,
    options, plain, script, steady,
};

async fn world(options: Options, metrics: &str) -> World {
    let world = World::new(options).await;
    world.write("my_tencent/main.rhai", &script(&[SHANGHAI], metrics));
    world
}

/// The metrics of CVM that can be fetched and written.
fn metrics(world: &World, wanted: impl Fn(&str) -> bool) -> Vec<TencentMetric> {
    let all = world.clouds.tencent_metrics("QCE/CVM");
    all.into_iter()
        .filter(|metric| metric.supported && metric.name != "DailyReboots" && wanted(metric.name))
        .collect()
}

fn is_cpu(name: &str) -> bool {
    name.to_lowercase().contains("cpu")
}

/// Objects by their name.
fn objects(points: &[ReceivedPoint]) -> BTreeMap<&str, &ReceivedPoint> {
    let objects = points.iter().filter(|point| point.category == "custom_object");
    objects.map(|point| (point.tags["name"].as_str(), point)).collect()
}

/// Every tag and field of every instance.
fn assert_true_objects(world: &World, region: &str, points: &[ReceivedPoint], account: &[(&str, &str)]) {
    let arrived = objects(points);
    let instances = world.clouds.tencent_instances(region);
    assert_eq!(arrived.len(), instances.len());
    for instance in &instances {
        let point = arrived[instance.id.as_str()];
        assert_eq!(point.measurement, "tencentcloud_cvm");
        let tags: BTreeMap<String, String> = [
            ("name", instance.id.as_str()),
            ("InstanceId", &instance.id),
            ("InstanceName", &instance.name),
            ("RegionId", region),
            ("Zone", &instance.zone),
            ("InstanceChargeType", &instance.charge_type),
            ("InstanceType", &instance.instance_type),
            ("OsName", &instance.system),
            ("cloud_provider", "tencentcloud"),
        ]
        .iter()
        .chain(account)
        .filter_map(|(key, value)| Some(((*key).to_owned(), as_tag(value)?)))
        .collect();
        assert_eq!(point.tags, tags);
        let answer = world.clouds.tencent_answer(region, &instance.id).expect("it is listed");
        let mut expected = BTreeMap::from([
            ("CPU", FieldValue::Integer(instance.cpu)),
            ("Memory", FieldValue::Integer(instance.memory)),
            ("InstanceState", FieldValue::Text(instance.state.clone())),
        ]);
        if let Some(expires) = &instance.expires {
            expected.insert("ExpiredTime", FieldValue::Text(expires.clone()));
        }
        let mut keys: BTreeSet<&str> = expected.keys().copied().collect();
        for key in
            ["PublicIpAddresses", "PrivateIpAddresses", "SystemDisk", "DataDisks", "Placement", "message"]
        {
            let wanted = if key == "message" { &answer } else { &answer[key] };
            if wanted.is_null() {
                continue;
            }
            keys.insert(key);
            let FieldValue::Text(text) = &point.fields[key] else { panic!("{key} is text") };
            assert_eq!(
                serde_json::from_str::<Value>(text).expect("JSON"),
                *wanted,
                "{key} of {}",
                instance.id
            );
        }
        for (key, value) in expected {
            assert_eq!(point.fields[key], value, "{key} of {}", instance.id);
        }
        let arrived: BTreeSet<&str> = point.fields.keys().map(String::as_str).collect();
        assert_eq!(arrived, keys, "what is null in the answer is left out");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_manuals_script_names_its_metrics() {
    let world = world(options(18), "[\"*cpu*\"]").await;
    let offset = aligned();
    world.clouds.set_clock_offset(offset);
    let first = world.run_at(offset, RUN);
    assert_eq!(first.code, 0, "{first:?}");
    assert_eq!(first.json()["status"], "ok");
    let points = world.clouds.datakit().take_points();
    assert!(world.clouds.datakit().hidden().is_empty(), "{:?}", world.clouds.datakit().hidden());
    assert_true_objects(&world, SHANGHAI, &points, &[("account_name", "我的腾讯云账号")]);

    // Every datapoint of the last ten minutes, once, and nothing else.
    let chosen = metrics(&world, is_cpu);
    assert_eq!(chosen.len(), 5, "{chosen:?}");
    let arrived = fields(&points);
    assert_eq!(arrived, expected(&world, SHANGHAI, &chosen, now(offset), 600));
    assert!(
        arrived.keys().any(|key| key.2 == "CpuLoadavg_min"),
        "the statistic of the period that was asked for"
    );
    // Each carries the tags of its object, `name` included.
    let objects = objects(&points);
    let linked: Vec<&ReceivedPoint> = points.iter().filter(|point| point.category == "metric").collect();
    for point in &linked {
        assert_eq!(point.tags, objects[point.tags["InstanceId"].as_str()].tags);
    }
    let report = first.collector("tencentcloud_cvm");
    assert_eq!((&report["collected"], &report["delivered"]), (&json!(18), &json!(18)));
    assert_eq!(report["calls"], json!({ "cvm:DescribeInstances": 1 }));
    let report = first.collector("tencentcloud_monitor");
    assert_eq!((&report["collected"], &report["linked"]), (&json!(linked.len()), &json!(linked.len())));
    // One of the metrics is listed and cannot be fetched: that is found out by a call.
    assert_eq!(report["calls"], json!({ "monitor:DescribeBaseMetrics": 1, "monitor:GetMonitorData": 6 }));

    // A minute later: CVM is not due, Monitor is; its list and what is not supported are remembered.
    let offset = offset + MINUTE;
    world.clouds.set_clock_offset(offset);
    world.clouds.reset_calls();
    let second = world.run_at(offset, RUN);
    assert_eq!(second.code, 0, "{second:?}");
    assert_eq!(second.collector("tencentcloud_cvm")["status"], "skipped");
    assert_eq!(world.clouds.calls(), BTreeMap::from([("monitor:GetMonitorData".into(), 5)]));
    let warnings = second.collector("tencentcloud_monitor")["warnings"].to_string();
    assert!(!warnings.contains("not supported"), "{warnings}");
    let later = world.clouds.datakit().take_points();
    let mut wanted = expected(&world, SHANGHAI, &chosen, now(offset), 660);
    wanted.retain(|key, _| !arrived.contains_key(key));
    assert!(!wanted.is_empty());
    assert_eq!(fields(&later), wanted, "the overlap is read again and not sent again");
    for point in &later {
        assert_eq!(
            point.tags,
            objects[point.tags["InstanceId"].as_str()].tags,
            "named by what the first run found"
        );
    }
    assert!(second.collector("tencentcloud_monitor")["already_sent"].as_u64() > Some(0));

    // At once again: nothing is due, and nothing is called.
    world.clouds.reset_calls();
    assert_eq!(world.run_at(offset, RUN).code, 0);
    assert!(world.clouds.calls().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_scripts_run_apart_are_as_good_as_one() {
    let world = World::new(options(12)).await;
    world.write("objects/main.rhai", &cvm(&[SHANGHAI]));
    world.write(
        "metrics/main.rhai",
        &monitor(&[SHANGHAI], r##"#{ namespace: "qce/cvm", metrics: ["Wan*", "AccOuttraffic"] }"##),
    );
    let offset = aligned();
    world.clouds.set_clock_offset(offset);
    // Metrics first: there are no instances to ask for. That is said, and it is no failure.
    let none = world.run_at(offset, &["run", "metrics/main.rhai"]);
    assert_eq!(none.code, 0, "{none:?}");
    insta::assert_snapshot!("tencent_no_objects", steady(&none.stdout));
    assert!(world.clouds.datakit().take_points().is_empty());

    let ran = world.run_at(offset, &["run", "objects/main.rhai", "--output", "json"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_true_objects(&world, SHANGHAI, &world.clouds.datakit().take_points(), &[]);

    let offset = offset + MINUTE;
    world.clouds.set_clock_offset(offset);
    let ran = world.run_at(offset, &["run", "metrics/main.rhai", "--output", "json"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let points = world.clouds.datakit().take_points();
    let chosen = metrics(&world, |name| name.starts_with("Wan") || name == "AccOuttraffic");
    assert_eq!(fields(&points), expected(&world, SHANGHAI, &chosen, now(offset), 600));
    let named: BTreeMap<String, String> = world
        .clouds
        .tencent_instances(SHANGHAI)
        .into_iter()
        .map(|instance| (instance.id, instance.name))
        .collect();
    for point in &points {
        let id = &point.tags["InstanceId"];
        assert_eq!(&point.tags["name"], id, "the object's name is copied here");
        assert_eq!(point.tags.get("InstanceName").cloned(), as_tag(&named[id]));
    }
    assert!(ran.collector("tencentcloud_monitor")["calls"].get("monitor:DescribeBaseMetrics").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn points_that_come_late_or_change_arrive_once_more_and_no_others() {
    let world = world(plain(3), "\"CPUUsage\"").await;
    let offset = aligned();
    world.clouds.set_clock_offset(offset);
    let id = world.clouds.tencent_instances(SHANGHAI)[0].id.clone();
    let dimensions = [("InstanceId".to_owned(), id.clone())];
    let series = (SHANGHAI, "QCE/CVM", "CPUUsage", dimensions.as_slice());
    let (late, changed) = (now(offset) / 60 * 60 - 180, now(offset) / 60 * 60 - 300);
    world.clouds.tencent_late(series, late, 30);
    assert_eq!(world.run_at(offset, RUN).code, 0);
    let first = fields(&world.clouds.datakit().take_points());
    assert!(!first.contains_key(&(id.clone(), late, "CPUUsage_avg".into())));
    assert!(first.contains_key(&(id.clone(), changed, "CPUUsage_avg".into())));
    world.clouds.tencent_revise(series, changed, 12.5);

    let offset = offset + MINUTE;
    world.clouds.set_clock_offset(offset);
    assert_eq!(world.run_at(offset, RUN).code, 0);
    let second = fields(&world.clouds.datakit().take_points());
    let again: BTreeSet<i64> = second.keys().filter(|key| key.0 == id).map(|key| key.1).collect();
    assert_eq!(again, BTreeSet::from([changed, late, now(offset) / 60 * 60 - 120]));
    assert_eq!(second[&(id.clone(), changed, "CPUUsage_avg".into())], 12.5);
    assert_eq!(second.len(), 5, "the others have their newest point alone: {second:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_hour_of_outage_leaves_no_gap() {
    let world = world(plain(2), "[\"CPUUsage\", \"GpuUtil\"]").await;
    let offset = aligned();
    world.clouds.set_clock_offset(offset);
    assert_eq!(world.run_at(offset, RUN).code, 0);
    let mut points = world.clouds.datakit().take_points();
    let offset = offset + 60 * MINUTE;
    world.clouds.set_clock_offset(offset);
    world.clouds.datakit().set_behaviour(DataKitBehaviour::Down);
    assert_eq!(world.run_at(offset, RUN).code, 1);
    world.clouds.datakit().set_behaviour(DataKitBehaviour::Accept);
    let offset = offset + MINUTE;
    world.clouds.set_clock_offset(offset);
    assert_eq!(world.run_at(offset, RUN).code, 0);
    points.extend(world.clouds.datakit().take_points());
    let arrived = fields(&points);
    let cpu: BTreeMap<_, _> = arrived
        .iter()
        .filter(|(key, _)| key.2 == "CPUUsage_avg")
        .map(|(key, value)| (key.clone(), *value))
        .collect();
    assert_eq!(
        cpu,
        expected(
            &world,
            SHANGHAI,
            &metrics(&world, |name| name == "CPUUsage"),
            now(offset),
            600 + 61 * MINUTE
        )
    );
    // Ten seconds apart, in the statistic of those ten seconds.
    for id in world.clouds.tencent_instances(SHANGHAI).iter().map(|instance| &instance.id) {
        let times: Vec<i64> =
            arrived.keys().filter(|key| key.0 == *id && key.2 == "GpuUtil_max").map(|key| key.1).collect();
        assert!(times.len() > 400 && times.windows(2).all(|pair| pair[1] - pair[0] == 10), "{times:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_released_instance_is_left_out_and_the_others_are_read() {
    let world = world(plain(40), "[\"CPUUsage\", \"MemUsage\"]").await;
    let offset = aligned();
    world.clouds.set_clock_offset(offset);
    hurry(&world);
    let mut ids: Vec<String> =
        world.clouds.tencent_instances(SHANGHAI).into_iter().map(|instance| instance.id).collect();
    ids.sort();
    world.clouds.tencent_release(SHANGHAI, &ids[17], true);
    let ran = world.run_at(offset, &["run", "my_tencent/main.rhai"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let points = world.clouds.datakit().points();
    let chosen = metrics(&world, |name| name == "CPUUsage" || name == "MemUsage");
    let arrived = fields(&points);
    assert_eq!(arrived, expected(&world, SHANGHAI, &chosen, now(offset), 600));
    assert!(!arrived.keys().any(|key| key.0 == ids[17]));
    // 40 → 20 20 → 10 10 → 5 5 → 2 3 → 1 …: never more than two calls for each halving, for each metric.
    let calls = world.clouds.calls()["monitor:GetMonitorData"];
    assert!((2..=2 * (1 + 2 * 6)).contains(&calls), "{calls}");
    insta::assert_snapshot!(
        "tencent_released",
        steady(&ran.stdout).replace(&format!("GetMonitorData {calls}"), "GetMonitorData N")
    );
}

/// Nobody lists the objects again: the search for what was released is not made anew by every run.
#[tokio::test(flavor = "multi_thread")]
async fn what_one_run_found_out_spares_the_next_ones_the_search() {
    let world = world(plain(40), "[\"CPUUsage\", \"MemUsage\"]").await;
    let offset = aligned();
    world.clouds.set_clock_offset(offset);
    hurry(&world);
    assert_eq!(world.run_at(offset, RUN).code, 0);
    let mut ids: Vec<String> =
        world.clouds.tencent_instances(SHANGHAI).into_iter().map(|instance| instance.id).collect();
    ids.sort();
    world.clouds.tencent_release(SHANGHAI, &ids[17], true);
    let later = |minutes: i64| {
        world.clouds.set_clock_offset(offset + minutes * MINUTE);
        let ran = world.run_at(offset + minutes * MINUTE, RUN);
        assert_eq!(ran.code, 0, "{ran:?}");
        let report = ran.collector("tencentcloud_monitor");
        let told = report["warnings"].to_string().contains("released since their objects were listed");
        (report["calls"]["monitor:GetMonitorData"].as_u64().unwrap(), told)
    };
    let (calls, told) = later(1);
    assert!(calls > 8 && told, "{calls}");
    for minutes in 2..5 {
        assert_eq!(later(minutes), (2, false), "one call for each metric");
    }
    // A quarter of an hour later the objects have been listed anew, and still have it: whether it is there again is found out anew.
    let (calls, told) = later(17);
    assert!(calls > 8 && told, "{calls}");
}

/// An answer may call instances by another name, and hold what nobody asked for: the first are taken, the second are counted and said.
#[tokio::test(flavor = "multi_thread")]
async fn series_of_other_dimensions_are_counted() {
    let world = world(plain(3), "\"CPUUsage\"").await;
    let offset = aligned();
    world.clouds.set_clock_offset(offset);
    world.clouds.fault(fault("GetMonitorData", 1, FaultKind::OtherDimensions));
    let ran = world.run_at(offset, RUN);
    assert_eq!(ran.code, 0, "{ran:?}");
    let report = ran.collector("tencentcloud_monitor");
    assert_eq!(
        report["warnings"],
        json!([
            "ap-shanghai: QCE/CVM: 1 series of the answers are of no instance that was asked for and were left out, such as that of vm_uuid=ins-foreign"
        ])
    );
    let chosen = metrics(&world, |name| name == "CPUUsage");
    let arrived = fields(&world.clouds.datakit().points());
    assert_eq!(arrived, expected(&world, SHANGHAI, &chosen, now(offset), 600));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_metric_found_out_spares_the_others_the_search() {
    let world = world(plain(40), "\"ALL\"").await;
    hurry(&world);
    let mut ids: Vec<String> =
        world.clouds.tencent_instances(SHANGHAI).into_iter().map(|instance| instance.id).collect();
    ids.sort();
    world.clouds.tencent_release(SHANGHAI, &ids[17], true);
    let ran = world.run(RUN);
    assert_eq!(ran.code, 0, "{ran:?}");
    // 40 → 20 20 → 10 10 → 5 5 → 2 3 → 1 1: eleven calls. Sixteen metrics search at once, five find it done; two are not supported.
    let calls = world.clouds.calls()["monitor:GetMonitorData"];
    assert!(calls <= 16 * 11 + 5 + 2, "{calls}");
    let warnings = ran.collector("tencentcloud_monitor")["warnings"].to_string();
    assert_eq!(warnings.matches(&ids[17]).count(), 1, "{warnings}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_metric_that_is_not_supported_is_named_once_a_day() {
    let world = World::new(plain(2)).await;
    world.write("my_tencent/main.rhai", &script(&[SHANGHAI, "ap-beijing"], "[\"Dcc*\", \"CPUUsage\"]"));
    let offset = aligned();
    world.clouds.set_clock_offset(offset);
    let ran = world.run_at(offset, &["run", "my_tencent/main.rhai"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    insta::assert_snapshot!("tencent_unsupported", steady(&ran.stdout));
    for (later, calls) in [(MINUTE, 2), (86_400 - MINUTE, 2), (86_400 + MINUTE, 6)] {
        world.clouds.set_clock_offset(offset + later);
        world.clouds.reset_calls();
        let ran = world.run_at(offset + later, RUN);
        assert_eq!(ran.code, 0, "{ran:?}");
        let warnings = ran.collector("tencentcloud_monitor")["warnings"].to_string();
        assert_eq!(world.clouds.calls()["monitor:GetMonitorData"], calls, "{later}: {warnings}");
        assert_eq!(warnings.contains("DccCpuUsage"), calls == 6, "{later}: {warnings}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_calls_slow_the_bucket_down() {
    let world = world(plain(2), "[\"Wan*\"]").await;
    world.clouds.fault(fault("GetMonitorData", 3, FaultKind::Throttle));
    let ran = world.run(&["run", "my_tencent/main.rhai"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(world.clouds.calls()["monitor:GetMonitorData"], 4 + 3);
    insta::assert_snapshot!("tencent_throttled", steady(&ran.stdout));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_used_up_quota_is_one_message_and_no_more_calls() {
    for (name, code) in [
        ("tencent_quota", "FailedOperation.ErrNotOpen"),
        ("tencent_limited_access", "LimitExceeded.LimitedAccess"),
    ] {
        let world = World::new(plain(2)).await;
        world.write("my_tencent/main.rhai", &script(&[SHANGHAI, "ap-beijing"], "\"ALL\""));
        // Each call is answered before the next may go.
        limits(&world, "\"tencentcloud.monitor.GetMonitorData\" = 0.2\n");
        world.clouds.set_tencent_free_calls(0, code);
        world.clouds.fault(simcloud::Fault {
            region: Some("ap-beijing".into()),
            ..fault("GetMonitorData", 1000, FaultKind::Hang)
        });
        let ran = world.run(&["run", "my_tencent/main.rhai"]);
        assert_eq!(ran.code, 1, "{ran:?}");
        let calls = world.clouds.calls_by_region();
        assert_eq!(calls[&(SHANGHAI.to_owned(), "monitor:GetMonitorData".to_owned())], 1);
        // The other region's first call may have been under way.
        insta::assert_snapshot!(name, steady(&ran.stdout).replace("; 3 calls", "; 2 calls"));
        assert_eq!(objects(&world.clouds.datakit().points()).len(), 4, "the other collector did its work");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_read_before_the_quota_ended_is_delivered() {
    let world = world(plain(2), "[\"Wan*\"]").await;
    limits(&world, "\"tencentcloud.monitor.GetMonitorData\" = 0.5\n");
    world.clouds.set_tencent_free_calls(2, "FailedOperation.ErrNotOpen");
    let ran = world.run(RUN);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert_eq!(world.clouds.calls()["monitor:GetMonitorData"], 3);
    let names: BTreeSet<String> =
        fields(&world.clouds.datakit().points()).into_keys().map(|key| key.2).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    let report = ran.collector("tencentcloud_monitor");
    assert_eq!(report["warnings"], json!(["ap-shanghai: 2 of 4 metrics were not read"]));
    assert!(
        report["error"].as_str().is_some_and(|error| error.matches("ErrNotOpen").count() == 1),
        "{report:#}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_wrong_is_corrected_once() {
    let world = world(plain(2), "\"CPUUsage\"").await;
    world.clouds.set_clock_offset(20 * MINUTE);
    let ran = world.run(&["run", "my_tencent/main.rhai"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(
        world.clouds.calls(),
        BTreeMap::from([
            ("cvm:DescribeInstances".into(), 2),
            ("monitor:DescribeBaseMetrics".into(), 1),
            ("monitor:GetMonitorData".into(), 1)
        ]),
        "signed again once; the offset is remembered"
    );
    let seconds =
        ran.stdout.split("clock is ").nth(1).and_then(|rest| rest.split(' ').next()).expect("it is said");
    assert!((1190..=1200).contains(&seconds.parse().unwrap_or(0)), "{ran:?}");
    insta::assert_snapshot!("tencent_clock", steady(&ran.stdout).replace(seconds, "N"));
}

/// The list of metrics is remembered, so that the first call is the one whose window the wrong clock chose.
#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_runs_ahead_leaves_no_gap() {
    let world = World::new(plain(2)).await;
    world.write("my_tencent/main.rhai", &script(&[SHANGHAI], "\"CPUUsage\""));
    world.write(
        "metrics/main.rhai",
        &monitor(&[SHANGHAI], r##"#{ namespace: "QCE/CVM", metrics: "MemUsage" }"##),
    );
    let offset = aligned();
    world.clouds.set_clock_offset(offset);
    assert_eq!(world.run_at(offset, RUN).code, 0);
    drop(world.clouds.datakit().take_points());
    let metrics_only = ["run", "metrics/main.rhai", "--force", "--output", "json"];
    let wrong = world.run_at(offset + 30 * MINUTE, &metrics_only);
    assert_eq!(wrong.code, 0, "{wrong:?}");
    let mut points = world.clouds.datakit().take_points();
    let offset = offset + 15 * MINUTE;
    world.clouds.set_clock_offset(offset);
    assert_eq!(world.run_at(offset, &metrics_only).code, 0);
    points.extend(world.clouds.datakit().take_points());
    let wanted =
        expected(&world, SHANGHAI, &metrics(&world, |name| name == "MemUsage"), now(offset), 15 * MINUTE);
    let arrived = fields(&points);
    for key in wanted.keys() {
        assert!(arrived.contains_key(key), "{key:?} is missing");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_keys_are_explained_once() {
    for (name, variable, value) in [
        ("tencent_unknown_key", "TENCENTCLOUD_AK_ID", "AKIDUnknown0000000000000000000000000"),
        ("tencent_wrong_secret", "TENCENTCLOUD_AK_SECRET", "WrongSecretWrongSecretWrongSecret00"),
    ] {
        let mut world = world(plain(2), "\"CPUUsage\"").await;
        world.variables.insert(variable.into(), value.into());
        let ran = world.run(&["run", "my_tencent/main.rhai"]);
        assert_eq!(ran.code, 1, "{ran:?}");
        for secret in ["WrongSecretWrongSecretWrongSecret00", world.clouds.tencent_keys().secret_key.as_str()]
        {
            assert!(!ran.stdout.contains(secret) && !ran.stderr.contains(secret), "{name} shows a secret");
        }
        assert_eq!(world.clouds.calls()["cvm:DescribeInstances"], 1, "a wrong key is tried once");
        assert_eq!(world.clouds.calls()["monitor:DescribeBaseMetrics"], 1);
        insta::assert_snapshot!(name, steady(&ran.stdout));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_denied_is_named() {
    for (name, permission) in [
        ("tencent_denied_list", "cvm:DescribeInstances"),
        ("tencent_denied_data", "monitor:GetMonitorData"),
        ("tencent_denied_metrics", "monitor:DescribeBaseMetrics"),
    ] {
        let world = world(plain(2), "\"ALL\"").await;
        limits(&world, "\"tencentcloud.monitor.GetMonitorData\" = 0.2\n");
        world.clouds.deny(permission);
        let ran = world.run(&["run", "my_tencent/main.rhai"]);
        assert_eq!(ran.code, 1, "{ran:?}");
        assert_eq!(world.clouds.calls()[permission], 1, "{name}: refused once, asked for once");
        insta::assert_snapshot!(name, steady(&ran.stdout));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_in_one_region_stops_no_other() {
    let world = World::new(plain(2)).await;
    world.write("my_tencent/main.rhai", &script(&["ap-beijing", SHANGHAI], "[\"Wan*\"]"));
    world.clouds.fault(simcloud::Fault {
        region: Some("ap-beijing".into()),
        ..fault("GetMonitorData", 1000, FaultKind::Denied)
    });
    let ran = world.run(RUN);
    assert_eq!(ran.code, 1, "{ran:?}");
    let report = ran.collector("tencentcloud_monitor");
    assert_eq!(report["regions"], json!({ "ap-beijing": "failed", SHANGHAI: "ok" }));
    let points = world.clouds.datakit().points();
    assert!(points.iter().any(|point| point.category == "metric" && point.tags["RegionId"] == SHANGHAI));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_that_does_not_exist_fails_alone() {
    let world = World::new(plain(2)).await;
    world.write("my_tencent/main.rhai", &script(&["ap-shangai", SHANGHAI], "\"CPUUsage\""));
    let ran = world.run(&["run", "my_tencent/main.rhai"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    insta::assert_snapshot!("tencent_region", steady(&ran.stdout));
    assert_eq!(objects(&world.clouds.datakit().points()).len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn passing_troubles_cost_calls_and_no_points() {
    for (action, kind) in [
        ("DescribeInstances", FaultKind::Throttle),
        ("DescribeInstances", FaultKind::Status(500)),
        ("DescribeInstances", FaultKind::EmptyBody),
        ("DescribeBaseMetrics", FaultKind::HtmlUnavailable),
        ("DescribeBaseMetrics", FaultKind::BadBody),
        ("GetMonitorData", FaultKind::Reset),
        ("GetMonitorData", FaultKind::CutBody),
        ("GetMonitorData", FaultKind::InternalErrorResult),
    ] {
        let world = world(plain(3), "[\"CPUUsage\", \"MemUsage\"]").await;
        let label = format!("{action} {kind:?}");
        let offset = aligned();
        world.clouds.set_clock_offset(offset);
        world.clouds.fault(fault(action, 1, kind));
        let ran = world.run_at(offset, RUN);
        assert_eq!(ran.code, 0, "{label}: {ran:?}");
        let chosen = metrics(&world, |name| name == "CPUUsage" || name == "MemUsage");
        let points = world.clouds.datakit().points();
        assert_eq!(fields(&points), expected(&world, SHANGHAI, &chosen, now(offset), 600), "{label}");
        assert_true_objects(&world, SHANGHAI, &points, &[("account_name", "我的腾讯云账号")]);
        assert_eq!(world.clouds.calls().values().sum::<u64>(), 1 + 1 + 2 + 1, "{label}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_fails_keeps_its_mark_and_stops_no_other() {
    let world = world(plain(120), "\"CPUUsage\"").await;
    hurry(&world);
    let offset = aligned();
    world.clouds.set_clock_offset(offset);
    // All five attempts at the second of three batches.
    world.clouds.fault(simcloud::Fault { skip: 1, ..fault("GetMonitorData", 5, FaultKind::Status(500)) });
    let ran = world.run_at(offset, RUN);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert_eq!(world.clouds.calls()["monitor:GetMonitorData"], 7);
    let chosen = metrics(&world, |name| name == "CPUUsage");
    let wanted = expected(&world, SHANGHAI, &chosen, now(offset), 600);
    let first = fields(&world.clouds.datakit().take_points());
    assert!(
        first.len() < wanted.len() && first.len() > wanted.len() / 2,
        "{} of {}",
        first.len(),
        wanted.len()
    );
    // A minute later the failed batch's points of then arrive, the others' do not come again.
    let offset = offset + MINUTE;
    world.clouds.set_clock_offset(offset);
    assert_eq!(world.run_at(offset, RUN).code, 0);
    let second = fields(&world.clouds.datakit().take_points());
    assert!(first.keys().all(|key| !second.contains_key(key)), "nothing comes twice");
    let missing: Vec<_> =
        wanted.keys().filter(|key| !first.contains_key(*key) && !second.contains_key(*key)).collect();
    // The window of a metric without a mark begins ten minutes ago: the oldest minute is out of it by now.
    let oldest = wanted.keys().map(|key| key.1).min().unwrap();
    assert!(missing.iter().all(|key| key.1 == oldest), "{missing:?}");
}

fn with_account(extra: &str, metrics: &str) -> String {
    script(&[SHANGHAI], metrics).replace("extra_tags:", &format!("{extra}\n    extra_tags:"))
}

#[tokio::test(flavor = "multi_thread")]
async fn temporary_keys_and_roles_work() {
    let mut world = world(plain(2), "\"CPUUsage\"").await;
    let keys = world.clouds.tencent_keys();
    let temporary = |token: &str| with_account(&format!("security_token: {token:?},"), "\"CPUUsage\"");
    world.variables.insert("TENCENTCLOUD_AK_ID".into(), keys.temporary_secret_id.clone());
    world.variables.insert("TENCENTCLOUD_AK_SECRET".into(), keys.temporary_secret_key.clone());
    world.write("my_tencent/main.rhai", &temporary(&keys.token));
    let ran = world.run(RUN);
    assert_eq!(ran.code, 0, "{ran:?}");

    // Expired: said once, with the way out.
    world.write("my_tencent/main.rhai", &temporary(&keys.expired_token));
    world.clouds.reset_calls();
    world.clouds.set_clock_offset(MINUTE);
    let ran = world.run_at(MINUTE, &["run", "my_tencent/main.rhai", "--force"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert_eq!(world.clouds.calls().into_values().collect::<Vec<_>>(), [1, 1]);
    assert!(!ran.stdout.contains(&keys.expired_token), "{ran:?}");
    insta::assert_snapshot!("tencent_expired", steady(&ran.stdout));

    world.variables.insert("TENCENTCLOUD_AK_ID".into(), keys.secret_id.clone());
    world.variables.insert("TENCENTCLOUD_AK_SECRET".into(), keys.secret_key.clone());
    let role = format!("role_arn: {:?}, external_id: {:?},", keys.role_arn, keys.external_id);
    world.write("my_tencent/main.rhai", &with_account(&role, "\"CPUUsage\""));
    let ran = world.run_at(MINUTE, RUN);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(ran.collector("tencentcloud_cvm")["calls"]["sts:AssumeRole"], 1);
    assert!(
        ran.collector("tencentcloud_monitor")["calls"].get("sts:AssumeRole").is_none(),
        "a role is assumed once"
    );

    // Keys of the role that are refused before their time are renewed, once.
    world.clouds.fault(simcloud::Fault {
        service: Some("monitor".into()),
        ..fault("GetMonitorData", 1, FaultKind::ExpiredToken)
    });
    world.clouds.set_clock_offset(2 * MINUTE);
    let ran = world.run_at(2 * MINUTE, RUN);
    assert_eq!(ran.code, 0, "{ran:?}");
    // The first keys by the collector itself, as CVM is not due; the second in place of those that were refused.
    assert_eq!(
        ran.collector("tencentcloud_monitor")["calls"],
        json!({ "monitor:GetMonitorData": 2, "sts:AssumeRole": 2 })
    );

    let wrong = with_account(&role.replace("roleName/funchost", "roleName/other"), "\"CPUUsage\"");
    world.write("my_tencent/main.rhai", &wrong);
    let ran = world.run_at(2 * MINUTE, &["run", "my_tencent/main.rhai", "--force"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    insta::assert_snapshot!("tencent_no_such_role", steady(&ran.stdout));
    let denied = with_account(&role.replace(&keys.external_id, "another-id"), "\"CPUUsage\"");
    world.write("my_tencent/main.rhai", &denied);
    // A minute later, so that there is something to ask for whatever the second.
    world.clouds.set_clock_offset(3 * MINUTE);
    let ran = world.run_at(3 * MINUTE, &["run", "my_tencent/main.rhai", "--force"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    insta::assert_snapshot!("tencent_role_denied", steady(&ran.stdout));
}

/// A role is assumed in a region, too: one that does not exist fails alone, wherever it stands.
#[tokio::test(flavor = "multi_thread")]
async fn a_misspelt_region_keeps_no_other_from_using_a_role() {
    for regions in [["ap-shangai", SHANGHAI, "ap-beijing"], [SHANGHAI, "ap-beijing", "ap-shangai"]] {
        let world = world(plain(2), "\"CPUUsage\"").await;
        let keys = world.clouds.tencent_keys();
        let role = format!("role_arn: {:?}, external_id: {:?},", keys.role_arn, keys.external_id);
        let text = script(&regions, "\"CPUUsage\"");
        world
            .write("my_tencent/main.rhai", &text.replace("extra_tags:", &format!("{role}\n    extra_tags:")));
        let ran = world.run(RUN);
        assert_eq!(ran.code, 1, "{ran:?}");
        let report = ran.collector("tencentcloud_cvm");
        let wanted = json!({ "ap-beijing": "ok", "ap-shangai": "failed", "ap-shanghai": "ok" });
        assert_eq!(report["regions"], wanted, "{report:#}");
        assert_eq!(report["collected"], 4, "{report:#}");
        let error = report["error"].as_str().unwrap_or_default();
        assert!(error.contains("did you mean `ap-shanghai`?"), "{error}");
        let points = world.clouds.datakit().points();
        let measured: BTreeSet<&str> = points
            .iter()
            .filter(|point| point.category == "metric")
            .map(|point| point.tags["RegionId"].as_str())
            .collect();
        assert_eq!(measured, BTreeSet::from(["ap-beijing", SHANGHAI]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn debug_mode_prints_lines_and_writes_nothing() {
    let world = world(plain(3), "\"CPUUsage\"").await;
    let debug = world.run(&["run", "my_tencent/main.rhai", "--debug"]);
    assert_eq!(debug.code, 0, "{debug:?}");
    assert!(world.clouds.datakit().requests().is_empty());
    assert!(debug.stdout.lines().any(|line| line.starts_with("tencentcloud_cvm,")), "{}", debug.stdout);
    let metrics = debug
        .stdout
        .lines()
        .filter(|line| line.starts_with("tencentcloud_QCE/CVM,") && line.contains("InstanceName=server-"));
    assert_eq!(metrics.count(), 30);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_shown_nowhere() {
    let world = world(plain(2), "\"CPUUsage\"").await;
    let secret = world.clouds.tencent_keys().secret_key;
    let talkative = script(&[SHANGHAI], "\"CPUUsage\"").replace(
        "let regions",
        "print(account); debug(account); DFF.LOG(account.ak_secret);\n    let regions",
    );
    world.write("my_tencent/main.rhai", &talkative);
    for arguments in [&["run", "my_tencent/main.rhai"][..], &["run", "my_tencent/main.rhai", "--debug"]] {
        let ran = world.binary(arguments);
        assert_eq!(ran.code, 0, "{ran:?}");
        for text in [&ran.stdout, &ran.stderr] {
            assert!(!text.contains(&secret), "{arguments:?} shows the secret:\n{text}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn seven_hundred_instances_and_twenty_metrics_need_the_documented_minimum_of_calls() {
    let world = World::new(Options {
        tencent: TencentEstate { instances: 700, metrics: 20, nasty: false, ..TencentEstate::default() },
        ..Options::default()
    })
    .await;
    world.write("my_tencent/main.rhai", &script(&[SHANGHAI], "\"ALL\""));
    hurry(&world);
    let offset = aligned();
    world.clouds.set_clock_offset(offset);
    // Most of the window is not published yet: what is asked for is the same, and there is less to compare.
    world.clouds.set_tencent_publication_delay(6 * MINUTE);
    let ran = world.run_at(offset, &["run", "my_tencent/main.rhai", "--output", "json", "--timeout", "600"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(
        world.clouds.calls(),
        BTreeMap::from([
            ("cvm:DescribeInstances".to_owned(), 7),
            ("monitor:DescribeBaseMetrics".to_owned(), 1),
            ("monitor:GetMonitorData".to_owned(), 14 * 20),
        ])
    );
    let points = world.clouds.datakit().points();
    assert_eq!(objects(&points).len(), 700);
    let chosen = metrics(&world, |_| true);
    assert_eq!(chosen.len(), 20);
    let arrived = fields(&points);
    assert!(arrived.len() > 20_000, "{}", arrived.len());
    let wanted = expected(&world, SHANGHAI, &chosen, now(offset), 600);
    assert!(arrived == wanted, "{} fields arrived, {} are there", arrived.len(), wanted.len());
    assert!(world.clouds.datakit().hidden().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_smaller_batch_is_found_out_and_remembered() {
    let world = world(plain(120), "[\"Wan*\"]").await;
    hurry(&world);
    world.clouds.set_tencent_narrow(true);
    let offset = aligned();
    world.clouds.set_clock_offset(offset);
    let ran = world.run_at(offset, RUN);
    assert_eq!(ran.code, 0, "{ran:?}");
    let chosen = metrics(&world, |name| name.starts_with("Wan"));
    assert_eq!(
        fields(&world.clouds.datakit().take_points()),
        expected(&world, SHANGHAI, &chosen, now(offset), 600)
    );
    // 12 calls of ten for each metric; and at most the three refusals of each.
    let calls = world.clouds.calls()["monitor:GetMonitorData"];
    assert!((4 * 12 + 1..=4 * (12 + 3)).contains(&calls), "{calls}");
    let offset = offset + MINUTE;
    world.clouds.set_clock_offset(offset);
    world.clouds.reset_calls();
    assert_eq!(world.run_at(offset, RUN).code, 0);
    assert_eq!(world.clouds.calls()["monitor:GetMonitorData"], 4 * 12, "the next run knows it");
}
