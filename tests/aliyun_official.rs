//! Against strangers: the official clients of Alibaba Cloud, unchanged, are accepted by simcloud and read from it what it holds.
//!
//! That is the guard against a simulator that agrees only with this program. They come from PyPI, pinned, into a virtual environment under `target/`.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

mod support;

use serde_json::{Value, json};
use simcloud::{AliyunProduct, AliyunSeries, Options, Simcloud};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use support::python::{environment, run};

const REGION: &str = "cn-hangzhou";

/// The items of a product's list.
fn items(clouds: &Simcloud, product: AliyunProduct) -> Value {
    clouds.aliyun_objects(product, REGION).into_iter().map(|object| object.item).collect()
}

/// Every datapoint is a true one; how many there were.
fn assert_true(clouds: &Simcloud, namespace: &str, metric: &str, points: &Value) -> usize {
    let points = points.as_array().expect("a list");
    for point in points {
        let mut dimensions = BTreeMap::new();
        let mut statistics = BTreeMap::new();
        for (name, value) in point.as_object().expect("an object") {
            match value {
                Value::String(text) => drop(dimensions.insert(name.clone(), text.clone())),
                number if name != "timestamp" => {
                    statistics.insert(name.clone(), number.as_f64().expect("a number"));
                }
                _ => {}
            }
        }
        let series = AliyunSeries { namespace: namespace.into(), metric: metric.into(), dimensions };
        let time = point["timestamp"].as_i64().expect("a time") / 1000;
        assert_eq!(clouds.aliyun_datapoint(&series, time), Some(statistics), "{point}");
    }
    points.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_official_clients_are_accepted_by_simcloud_unchanged() {
    let environment = environment("aliyun", "tests/aliyun/requirements.txt");
    let clouds = Simcloud::start(Options::default()).await.expect("simcloud listens on loopback");
    let keys = clouds.aliyun_keys();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/aliyun/official_clients.py");
    let mut command = Command::new(environment.join("bin/python"));
    command.arg(script).args([
        &clouds.aliyun_url(),
        REGION,
        &keys.access_key,
        &keys.secret_key,
        &keys.role_arn,
        &keys.external_id,
    ]);
    let read = tokio::task::spawn_blocking(move || run(&mut command)).await.expect("it ends");
    let read: Value = serde_json::from_slice(&read).expect("JSON");

    // Lists, paged to their end.
    assert_eq!(read["ecs"], items(&clouds, AliyunProduct::Ecs));
    assert_eq!(read["rds"], items(&clouds, AliyunProduct::Rds));
    assert_eq!(read["slb"], items(&clouds, AliyunProduct::Slb));
    let instances = clouds.aliyun_objects(AliyunProduct::Ecs, REGION).len();
    // Two of each instance, one of two, one of none.
    assert_eq!(read["disks"].as_array().map(Vec::len), Some(2 * instances + 2));
    assert_eq!(read["regions"], 3);
    assert_eq!(read["metrics"], 91);

    // Datapoints, over many pages and with filters.
    let running = clouds.aliyun_series("acs_ecs_dashboard", "CPUUtilization").len();
    // The period that has not ended may be missing.
    let points = assert_true(&clouds, "acs_ecs_dashboard", "CPUUtilization", &read["points"]);
    assert!([running * 9, running * 10].contains(&points), "{points} of {running} series");
    let filtered = assert_true(&clouds, "acs_ecs_dashboard", "vm.DiskUtilization", &read["filtered"]);
    assert_eq!(filtered, points, "one of two mount points");
    let buckets = clouds.aliyun_objects(AliyunProduct::Oss, "");
    assert_eq!(assert_true(&clouds, "acs_oss_dashboard", "InternetRecv", &read["last"]), buckets.len());

    // Roles, and OSS with keys of both kinds.
    assert_eq!(read["caller"], "acs:ram::1234567890123456:assumed-role/funchost/official");
    assert_eq!(read["buckets"], buckets.iter().map(|bucket| bucket.id.clone()).collect::<Value>());
    assert_eq!(read["by_role"], buckets.len());
    let own: BTreeMap<String, Value> = clouds
        .aliyun_objects(AliyunProduct::Oss, REGION)
        .into_iter()
        .map(|bucket| (bucket.id, bucket.details["info"]["AccessControlList"]["Grant"].clone()))
        .collect();
    assert_eq!(read["infos"], json!(own));
    assert_eq!(Some(&read["acl"]), own.values().next());

    assert_eq!(
        read["refused"],
        json!([
            "SignatureDoesNotMatch",
            "InvalidAccessKeyId.NotFound",
            "InvalidSecurityToken.Malformed",
            "MissingRegionId",
            "InvalidParameter.Unknown",
            "SignatureDoesNotMatch"
        ])
    );
}
