//! The Tencent collectors by themselves: what they report, what they choose, and whose instances they ask for. And that the simulator they are
//! held against is itself accepted by the official SDK.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

mod support;

use funchost::state::{Object as Remembered, ObjectScope, State as _};
use funchost_collectors::clock::SystemClock;
use funchost_collectors::objects::{Object, point};
use funchost_collectors::point::{Category, Value};
use funchost_collectors::tencentcloud::cvm::CVM;
use serde_json::json;
use simcloud::{FaultKind, FieldValue, Options, ReceivedPoint};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use support::World;
use support::python::{environment, run};
use support::tencent::{RUN, SHANGHAI, choice, cvm, fault, monitor, options, plain, script};

/// The published sample of the contract, key for key.
#[test]
fn the_published_object_is_yielded() {
    let (addresses, disk) = (json!(["10.0.0.1"]), json!({ "DiskId": "disk-1", "DiskSize": 50 }));
    let placement = json!({ "ProjectId": 0, "Zone": "ap-shanghai-2" });
    let item = json!({
        "InstanceId": "ins-bahxxxx", "InstanceName": "业务系统", "InstanceChargeType": "POSTPAID_BY_HOUR",
        "InstanceType": "SA2.MEDIUM2", "OsName": "TencentOS Server 3.1 (TK4)", "CPU": 2, "Memory": 2, "InstanceState": "RUNNING",
        "PublicIpAddresses": addresses, "PrivateIpAddresses": addresses, "SystemDisk": disk, "DataDisks": [disk],
        "Placement": placement, "ExpiredTime": "2022-05-07T01:51:38Z", "RenewFlag": null,
    });
    let reported = point(&CVM.description, &"ap-shanghai".into(), &Object::new(item.clone()), 5);
    assert_eq!(
        (reported.category, &*reported.measurement, reported.time),
        (Category::CustomObject, "tencentcloud_cvm", 5)
    );
    let tags: BTreeMap<&str, &str> = reported.tags.iter().map(|(key, value)| (&**key, &**value)).collect();
    assert_eq!(
        tags,
        BTreeMap::from([
            ("name", "ins-bahxxxx"),
            ("RegionId", "ap-shanghai"),
            ("InstanceId", "ins-bahxxxx"),
            ("InstanceChargeType", "POSTPAID_BY_HOUR"),
            ("InstanceType", "SA2.MEDIUM2"),
            ("OsName", "TencentOS Server 3.1 (TK4)"),
            ("Zone", "ap-shanghai-2"),
            ("InstanceName", "业务系统"),
        ])
    );
    let text = |value: &serde_json::Value| Value::Text(value.to_string().into());
    let fields: BTreeMap<&str, Value> =
        reported.fields.iter().map(|(key, value)| (&**key, value.clone())).collect();
    assert_eq!(
        fields,
        BTreeMap::from([
            ("CPU", Value::Integer(2)),
            ("Memory", Value::Integer(2)),
            ("InstanceState", Value::Text("RUNNING".into())),
            ("PublicIpAddresses", text(&addresses)),
            ("PrivateIpAddresses", text(&addresses)),
            ("SystemDisk", text(&disk)),
            ("DataDisks", text(&json!([disk]))),
            ("Placement", text(&placement)),
            ("ExpiredTime", Value::Text("2022-05-07T01:51:38Z".into())),
            ("message", text(&item)),
        ])
    );
    // Nothing in the answer, nothing in the point.
    let bare = json!({ "InstanceId": "ins-1", "InstanceName": "", "PublicIpAddresses": null, "ExpiredTime": null, "DataDisks": [] });
    let bare = point(&CVM.description, &"ap-shanghai".into(), &Object::new(bare), 5);
    let keys: Vec<&str> = bare.tags.iter().map(|(key, _)| &**key).collect();
    assert_eq!(keys, ["name", "InstanceId", "RegionId"]);
    assert_eq!(bare.fields.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_pages_are_read_and_every_instance_comes_once() {
    let world = World::new(plain(230)).await;
    world.write("my_tencent/main.rhai", &cvm(&[SHANGHAI]));
    let ran = world.run(RUN);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(ran.collector("tencentcloud_cvm")["calls"]["cvm:DescribeInstances"], 3);
    let names: Vec<String> =
        world.clouds.datakit().points().iter().map(|point| point.tags["name"].clone()).collect();
    let wanted: BTreeSet<String> =
        world.clouds.tencent_instances(SHANGHAI).into_iter().map(|instance| instance.id).collect();
    assert_eq!(names.len(), 230);
    assert_eq!(names.into_iter().collect::<BTreeSet<_>>(), wanted);
}

/// The fields that arrive of a target.
async fn collect(targets: &str) -> (BTreeSet<String>, serde_json::Value) {
    let world = World::new(plain(2)).await;
    world.write("objects/main.rhai", &cvm(&[SHANGHAI]));
    assert_eq!(world.run(&["run", "objects/main.rhai"]).code, 0);
    drop(world.clouds.datakit().take_points());
    world.write("my_tencent/main.rhai", &monitor(&[SHANGHAI], targets));
    let ran = world.run(RUN);
    assert_eq!(ran.code, 0, "{ran:?}");
    let points = world.clouds.datakit().points();
    let fields = points.iter().flat_map(|point| point.fields.keys().cloned()).collect();
    (fields, ran.collector("tencentcloud_monitor"))
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_selector_chooses_and_the_list_says_the_statistic() {
    let (fields, report) = collect(r##"#{ namespace: "QCE/CVM", metrics: ["*PKG", "accouttraffic"] }, #{ namespace: "QCE/CVM", metrics: ["NOT", "Lan*"] }"##).await;
    assert_eq!(fields, names(&["WanOutpkg_max", "WanInpkg_max", "AccOuttraffic_sum"]));
    assert_eq!(report["warnings"], json!([]));
    // Of several periods the smallest of a minute at least, or the largest; what is written in capitals is not.
    let (fields, _) =
        collect(r##"#{ namespace: "QCE/CVM", metrics: ["CpuLoadavg", "CvmDiskUsage", "GpuUtil"] }"##).await;
    assert_eq!(fields, names(&["CpuLoadavg_min", "CvmDiskUsage_last", "GpuUtil_max"]));
    let (fields, report) =
        collect(r##"#{ namespace: "QCE/CVM", metrics: ["CPUUsge", "MemUsed", "Daily*"] }"##).await;
    assert_eq!(fields, names(&["MemUsed_avg"]));
    let warnings = report["warnings"].to_string();
    assert!(warnings.contains("`CPUUsge` selects no metric of QCE/CVM; near: CPUUsage"), "{warnings}");
    assert!(warnings.contains("QCE/CVM DailyReboots: one point every 24 h"), "{warnings}");
    assert_eq!(report["calls"]["monitor:GetMonitorData"], 1, "daily metrics are not asked for");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_configurations_are_found_before_any_call() {
    let world = World::new(plain(1)).await;
    for (targets, words) in [
        (r##"#{ namespace: "QCE/CVN", metrics: "ALL" }"##, "did you mean `QCE/CVM`?"),
        (r##"#{ namespace: "QCE/CVM", metrics: [] }"##, "targets[0].metrics"),
        (r##"#{ namespace: "QCE/CVM", metric: "ALL" }"##, "did you mean `metrics`?"),
        ("", "targets"),
    ] {
        world.write("my_tencent/main.rhai", &monitor(&[SHANGHAI], targets));
        let ran = world.run(&["check", "my_tencent/main.rhai"]);
        assert_eq!(ran.code, 2, "{targets}: {ran:?}");
        assert!(ran.stderr.contains(words), "{targets}: {}", ran.stderr);
    }
    assert!(world.clouds.calls().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn regions_are_collected_together_and_kept_apart() {
    let world = World::new(options(3)).await;
    world.write("my_tencent/main.rhai", &script(&["ap-guangzhou", SHANGHAI, "ap-beijing"], "\"CPUUsage\""));
    let ran = world.run(RUN);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(ran.collector("tencentcloud_monitor")["calls"]["monitor:DescribeBaseMetrics"], 1);
    let points = world.clouds.datakit().points();
    for region in ["ap-guangzhou", SHANGHAI, "ap-beijing"] {
        let ids: BTreeSet<String> =
            world.clouds.tencent_instances(region).into_iter().map(|instance| instance.id).collect();
        for category in ["custom_object", "metric"] {
            let arrived: BTreeSet<String> = points
                .iter()
                .filter(|point| point.category == category && point.tags["RegionId"] == region)
                .map(|point| point.tags["InstanceId"].clone())
                .collect();
            assert_eq!(arrived, ids, "{region} {category}");
        }
        assert_eq!(
            world.clouds.calls_by_region()[&(region.to_owned(), "monitor:GetMonitorData".to_owned())],
            1
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_decide_about_metrics_too() {
    let world = World::new(plain(12)).await;
    let filtered = script(&[SHANGHAI], "\"CPUUsage\"").replace(
        "DataCollector(account, cvm_configs),",
        "DataCollector(account, cvm_configs, #{ filters: [|i| i.InstanceState == \"RUNNING\" && i.InstanceChargeType == \"PREPAID\"] }),",
    );
    world.write("my_tencent/main.rhai", &filtered);
    let ran = world.run(RUN);
    assert_eq!(ran.code, 0, "{ran:?}");
    let wanted: BTreeSet<String> = world
        .clouds
        .tencent_instances(SHANGHAI)
        .into_iter()
        .filter(|instance| instance.state == "RUNNING" && instance.charge_type == "PREPAID")
        .map(|instance| instance.id)
        .collect();
    for category in ["custom_object", "metric"] {
        let points = world.clouds.datakit().points();
        let arrived: BTreeSet<String> = points
            .iter()
            .filter(|point| point.category == category)
            .map(|point| point.tags["InstanceId"].clone())
            .collect();
        assert_eq!(arrived, wanted, "{category}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_are_forgotten_renamed_and_added() {
    let world = World::new(plain(3)).await;
    world.write("my_tencent/main.rhai", &script(&[SHANGHAI], "\"CPUUsage\""));
    assert_eq!(world.run(RUN).code, 0);
    drop(world.clouds.datakit().take_points());
    let instances = world.clouds.tencent_instances(SHANGHAI);
    world.clouds.tencent_release(SHANGHAI, &instances[0].id, false);
    world.clouds.tencent_rename(SHANGHAI, &instances[1].id, "renamed");
    let new = world.clouds.tencent_launch(SHANGHAI);
    world.clouds.set_clock_offset(900);
    let ran = world.run_at(900, RUN);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(
        ran.collector("tencentcloud_monitor")["warnings"],
        json!([]),
        "what is forgotten is not asked for"
    );
    let points = world.clouds.datakit().take_points();
    let names: BTreeMap<&str, &str> = points
        .iter()
        .filter(|point| point.category == "metric")
        .map(|point| (point.tags["InstanceId"].as_str(), point.tags["InstanceName"].as_str()))
        .collect();
    assert_eq!(names.len(), 3);
    assert_eq!(names[instances[1].id.as_str()], "renamed");
    assert_eq!(names[instances[2].id.as_str()], "server-2");
    assert!(names.contains_key(new.as_str()));
}

/// Puts objects into the state, as their collectors would.
async fn remember(world: &World, account: &str, region: &str, objects: &[simcloud::TencentObject]) {
    let folder = world.folder.path().join("state");
    std::fs::create_dir_all(&folder).unwrap();
    let state = funchost::state::Sqlite::open(&folder, Arc::new(SystemClock)).await.expect("the state opens");
    for object in objects {
        let scope = ObjectScope {
            account: format!("tencentcloud/{account}"),
            class: object.class.clone(),
            region: region.to_owned(),
        };
        let object = Remembered { name: object.tags["name"].clone(), tags: object.tags.clone() };
        state.keep_objects(&scope, &[object], 1).await.expect("kept");
    }
    state.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_namespace_works_as_soon_as_its_objects_are_remembered() {
    let world = World::new(plain(1)).await;
    let keys = world.clouds.tencent_keys();
    for region in [SHANGHAI, "ap-beijing"] {
        remember(&world, &keys.secret_id, region, &world.clouds.tencent_objects(region)).await;
    }
    let namespaces = [
        "QCE/CDB",
        "QCE/COS",
        "QCE/LB_PUBLIC",
        "QCE/LB_PRIVATE",
        "QCE/REDIS_MEM",
        "QCE/CMONGO",
        "QCE/MARIADB",
        "QCE/SQLSERVER",
        "QCE/CKAFKA",
        "QCE/MEMCACHED",
    ];
    let targets: Vec<String> =
        namespaces.iter().map(|name| format!("#{{ namespace: {name:?}, metrics: \"ALL\" }}")).collect();
    world.write("my_tencent/main.rhai", &monitor(&[SHANGHAI, "ap-beijing"], &targets.join(", ")));
    let ran = world.run(RUN);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(ran.collector("tencentcloud_monitor")["warnings"], json!([]));
    let points = world.clouds.datakit().points();
    assert!(points.iter().all(|point| point.category == "metric"));
    for region in [SHANGHAI, "ap-beijing"] {
        for object in world.clouds.tencent_objects(region) {
            let own: Vec<&ReceivedPoint> =
                points.iter().filter(|point| point.tags["name"] == object.tags["name"]).collect();
            // Dimensions as they are reported, then the tags of the object, `name` included.
            let mut tags = object.tags.clone();
            tags.insert("cloud_provider".into(), "tencentcloud".into());
            let reported: &[(&str, &str)] = match object.namespace.as_str() {
                "QCE/COS" => &[("BucketName", "name")],
                "QCE/LB_PUBLIC" => &[("vip", "Address")],
                "QCE/LB_PRIVATE" => &[("vip", "Address"), ("vpcId", "VpcId")],
                "QCE/SQLSERVER" => &[("resourceId", "name")],
                "QCE/CKAFKA" => &[("instanceId", "name")],
                "QCE/MEMCACHED" => &[("instanceid", "name")],
                _ => &[("InstanceId", "name")],
            };
            for (tag, of) in reported {
                tags.insert((*tag).to_owned(), object.tags[*of].clone());
            }
            let mut seen = 0;
            for point in own {
                assert_eq!(point.measurement, format!("tencentcloud_{}", object.namespace));
                assert_eq!(point.tags, tags);
                for (field, value) in &point.fields {
                    let all = world.clouds.tencent_metrics(&object.namespace);
                    let metric =
                        all.iter().find(|metric| field.starts_with(metric.name)).expect("it is listed");
                    let (period, statistic) = choice(metric);
                    assert_eq!(*field, format!("{}_{statistic}", metric.name));
                    // Buckets have no region in Monitor.
                    let place = if object.namespace == "QCE/COS" { "ap-guangzhou" } else { region };
                    let truth = world.clouds.tencent_datapoint(
                        place,
                        &object.namespace,
                        metric.name,
                        &object.dimensions,
                        period,
                        point.timestamp / 1_000_000_000,
                    );
                    assert_eq!(
                        Some(value.clone()),
                        truth.map(FieldValue::Float),
                        "{field} of {}",
                        object.tags["name"]
                    );
                    seen += 1;
                }
            }
            assert!(seen >= 5, "{} has {seen} datapoints", object.tags["name"]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_whose_list_fails_keeps_no_other_from_being_read() {
    let world = World::new(plain(2)).await;
    let keys = world.clouds.tencent_keys();
    remember(&world, &keys.secret_id, SHANGHAI, &world.clouds.tencent_objects(SHANGHAI)).await;
    let targets =
        r##"#{ namespace: "QCE/CMONGO", metrics: "ALL" }, #{ namespace: "QCE/CDB", metrics: "ALL" }"##;
    world.write("my_tencent/main.rhai", &monitor(&[SHANGHAI], targets));
    // The first of the two lists.
    world.clouds.fault(fault("DescribeBaseMetrics", 1, FaultKind::Denied));
    let ran = world.run(RUN);
    assert_eq!(ran.code, 1, "{ran:?}");
    let report = ran.collector("tencentcloud_monitor");
    assert_eq!(report["regions"][SHANGHAI], "failed");
    assert!(
        report["error"].as_str().is_some_and(|error| error.contains("monitor:DescribeBaseMetrics")),
        "{report:#}"
    );
    let points = world.clouds.datakit().points();
    assert!(!points.is_empty() && points.iter().all(|point| point.measurement == "tencentcloud_QCE/CDB"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_instances_are_those_of_this_account_and_region() {
    let mut world = World::new(plain(2)).await;
    let keys = world.clouds.tencent_keys();
    // Objects of another account, and of another region of this one.
    remember(&world, "AKIDanother", SHANGHAI, &world.clouds.tencent_objects(SHANGHAI)).await;
    remember(&world, &keys.secret_id, "ap-beijing", &world.clouds.tencent_objects("ap-beijing")).await;
    world.write(
        "my_tencent/main.rhai",
        &monitor(&[SHANGHAI], r##"#{ namespace: "QCE/CDB", metrics: "ALL" }"##),
    );
    let ran = world.run(RUN);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(
        ran.collector("tencentcloud_monitor")["warnings"],
        json!([
            "ap-shanghai: QCE/CDB is asked for by the objects of tencentcloud_cdb, and none is known there: run tencentcloud_cdb for this account and region first, in this script (before this collector) or in another"
        ])
    );
    assert!(!world.clouds.calls().contains_key("monitor:GetMonitorData"));

    // The same instances by other keys are another account's.
    world.write("objects/main.rhai", &cvm(&[SHANGHAI]));
    assert_eq!(world.run(&["run", "objects/main.rhai"]).code, 0);
    world.variables.insert("TENCENTCLOUD_AK_ID".into(), keys.temporary_secret_id);
    world.variables.insert("TENCENTCLOUD_AK_SECRET".into(), keys.temporary_secret_key);
    let token = format!("ak_secret: DFF.ENV(\"TENCENTCLOUD_AK_SECRET\"), security_token: {:?}", keys.token);
    let metrics = monitor(&[SHANGHAI], r##"#{ namespace: "QCE/CVM", metrics: "CPUUsage" }"##);
    world.write(
        "my_tencent/main.rhai",
        &metrics.replace("ak_secret: DFF.ENV(\"TENCENTCLOUD_AK_SECRET\")", &token),
    );
    let ran = world.run(RUN);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(
        ran.collector("tencentcloud_monitor")["warnings"]
            .to_string()
            .contains("tencentcloud_cvm, and none is known there")
    );
}

/// The double that the other tests rest on is itself held against the official SDK.
#[tokio::test(flavor = "multi_thread")]
async fn the_official_sdk_is_accepted_by_simcloud_unchanged() {
    let environment = environment("tencent-sdk", "tests/tencent/requirements.txt");
    let world = World::new(Options::default()).await;
    let keys = world.clouds.tencent_keys();
    let official = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tencent/official_sdk.py");
    let url = world.clouds.tencent_url();
    let mut command = Command::new(environment.join("bin/python"));
    command.arg(official).args([
        url.trim_start_matches("http://"),
        SHANGHAI,
        &keys.secret_id,
        &keys.secret_key,
        &keys.role_arn,
        &keys.external_id,
    ]);
    let read = tokio::task::spawn_blocking(move || run(&mut command)).await.expect("it ends");
    let read: serde_json::Value = serde_json::from_slice(&read).expect("JSON");
    let instances = world.clouds.tencent_instances(SHANGHAI);
    let theirs: Vec<serde_json::Value> = instances
        .iter()
        .map(|instance| {
            json!({
                "id": instance.id, "name": instance.name, "state": instance.state, "expires": instance.expires,
                "public": instance.public_ip.as_ref().map(|address| vec![address]),
            })
        })
        .collect();
    assert_eq!(read["instances"], json!(theirs));
    assert_eq!(world.clouds.calls()["cvm:DescribeInstances"], 3 + 3, "three pages, three refusals");
    let listed: Vec<&str> =
        world.clouds.tencent_metrics("QCE/CVM").into_iter().map(|metric| metric.name).collect();
    assert_eq!(read["metrics"], json!(listed));
    let points = read["points"].as_array().expect("a list");
    assert!(points.len() > 100, "{read}");
    for point in points {
        let dimensions = [("InstanceId".to_owned(), point["id"].as_str().expect("text").to_owned())];
        let (metric, time) =
            (point["metric"].as_str().expect("text"), point["time"].as_i64().expect("a time"));
        let truth = world.clouds.tencent_datapoint(SHANGHAI, "QCE/CVM", metric, &dimensions, 60, time);
        assert_eq!(point["value"].as_f64(), truth);
    }
    assert_eq!(read["who"], "CAMRole");
    assert_eq!(
        read["refused"],
        json!([
            "AuthFailure.SignatureFailure",
            "AuthFailure.SecretIdNotFound",
            "AuthFailure.TokenFailure",
            "InvalidParameterValue: cannot find metricName=DccCpuUsage configure"
        ])
    );
}
