//! Against a stranger: moto, a third-party double of AWS that checks signatures for real.
//!
//! Fifty instances with nasty names, ten metrics each: every point that DataKit would get is compared, field by field, with
//! what was put in. moto comes from PyPI, pinned, into a virtual environment under `target/`.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

mod support;

use serde_json::Value;
use simcloud::{FieldValue, Options, ReceivedPoint};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use support::python::{environment, run};
use support::{Ran, World, aws_script};

const REGION: &str = "cn-northwest-1";
const INSTANCES: usize = 50;
const METRICS: usize = 10;

/// A moto server, ended with the test.
struct Moto {
    process: Child,
    url: String,
}

impl Drop for Moto {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

impl Moto {
    fn start(environment: &Path) -> Self {
        let mut process = Command::new(environment.join("bin/moto_server"))
            .args(["-H", "127.0.0.1", "-p", "0"])
            .env("PYTHONUNBUFFERED", "1")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("moto starts");
        let mut lines = BufReader::new(process.stderr.take().expect("stderr is piped")).lines();
        let url = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| {
                line.split_whitespace().last().filter(|word| word.starts_with("http://")).map(str::to_owned)
            })
            .expect("moto says where it listens");
        // Its log must be read on, or it blocks.
        std::thread::spawn(move || lines.for_each(drop));
        Self { process, url }
    }
}

/// The points of one identity and time are one, however many lines they came in.
fn merged(points: &[ReceivedPoint], category: &str) -> BTreeMap<(String, i64), ReceivedPoint> {
    let mut merged: BTreeMap<(String, i64), ReceivedPoint> = BTreeMap::new();
    for point in points.iter().filter(|point| point.category == category) {
        let key = point.tags.get("InstanceId").cloned().expect("every point names its instance");
        let time = if category == "metric" { point.timestamp } else { 0 };
        match merged.get_mut(&(key.clone(), time)) {
            None => drop(merged.insert((key, time), point.clone())),
            Some(first) => {
                assert_eq!(first.tags, point.tags);
                for (field, value) in &point.fields {
                    assert!(
                        first.fields.insert(field.clone(), value.clone()).is_none(),
                        "{field} came twice"
                    );
                }
            }
        }
    }
    merged
}

fn text<'a>(value: &'a Value, path: &[&str]) -> Option<&'a str> {
    path.iter().try_fold(value, |value, key| value.get(key))?.as_str()
}

/// What line protocol can carry of a tag's value, by the rules of DataKit.
fn as_tag(value: &str) -> Option<String> {
    let value = value.replace(['\n', '\r'], " ");
    let mut value = value.trim_end_matches('\\').to_owned();
    let mut end = value.len().min(1024);
    while !value.is_char_boundary(end) {
        end -= 1;
    }
    value.truncate(end);
    (!value.is_empty()).then_some(value)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_point_is_what_was_put_into_moto() {
    let environment = environment("moto", "tests/moto/requirements.txt");
    let moto = Moto::start(&environment);
    let now = std::time::UNIX_EPOCH.elapsed().expect("after 1970").as_secs();
    let truth = run(Command::new(environment.join("bin/python"))
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/moto/estate.py"))
        .args([&moto.url, REGION, &INSTANCES.to_string(), &METRICS.to_string(), &now.to_string()])
        .env_remove("AWS_PROFILE"));
    let truth: Value = serde_json::from_slice(&truth).expect("the estate is JSON");

    let mut world = World::new(Options::default()).await;
    world.variables.insert("AWS_AK_ID".into(), truth["keys"]["id"].as_str().expect("an id").into());
    world
        .variables
        .insert("AWS_AK_SECRET".into(), truth["keys"]["secret"].as_str().expect("a secret").into());
    world.variables.insert("FUNCHOST_ENDPOINTS__AWS".into(), moto.url.clone());
    world.write("my_aws/main.rhai", &aws_script(&[REGION], "\"ALL\""));

    let ran: Ran = world.binary(&["run", "my_aws/main.rhai", "--output", "json"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let points = world.clouds.datakit().points();
    assert!(world.clouds.datakit().hidden().is_empty(), "DataKit changed points in silence");

    // Objects, tag by tag and field by field.
    let objects = merged(&points, "custom_object");
    let instances = truth["instances"].as_array().expect("instances");
    assert_eq!(instances.len(), INSTANCES);
    assert_eq!(objects.len(), INSTANCES);
    let mut tags_of = BTreeMap::new();
    for instance in instances {
        let id = text(instance, &["InstanceId"]).expect("an id");
        let point = &objects[&(id.to_owned(), 0)];
        assert_eq!(point.measurement, "aws_ec2");
        let name = instance["Tags"]
            .as_array()
            .into_iter()
            .flatten()
            .find(|tag| tag["Key"] == "Name")
            .and_then(|tag| tag["Value"].as_str());
        let mut tags = BTreeMap::new();
        for (key, value) in [
            ("name", Some(id)),
            ("InstanceId", Some(id)),
            ("InstanceName", name),
            ("InstanceType", text(instance, &["InstanceType"])),
            ("PlatformDetails", text(instance, &["PlatformDetails"])),
            ("RegionId", Some(REGION)),
            ("State", text(instance, &["State", "Name"])),
            ("StateReason_Code", text(instance, &["StateReason", "Code"])),
            ("AvailabilityZone", text(instance, &["Placement", "AvailabilityZone"])),
            ("cloud_provider", Some("AWS")),
            ("account_name", Some("我的AWS账号")),
        ] {
            if let Some(value) = value.and_then(as_tag) {
                tags.insert(key.to_owned(), value);
            }
        }
        assert_eq!(point.tags, tags);
        let FieldValue::Text(message) = &point.fields["message"] else { panic!("message is text") };
        let message: Value = serde_json::from_str(message).expect("message is JSON");
        assert_same(&message, instance, id);
        for field in ["BlockDeviceMappings", "NetworkInterfaces", "Placement"] {
            let FieldValue::Text(json) = &point.fields[field] else { panic!("{field} is text") };
            assert_same(&serde_json::from_str(json).expect("JSON"), &instance[field], field);
        }
        assert_eq!(point.fields["LaunchTime"], FieldValue::Text(launch_time(instance)));
        tags.remove("name");
        tags_of.insert(id.to_owned(), tags);
    }

    // Metrics: every datapoint once, with all five statistics, under its own time, with its object's tags.
    let metrics = merged(&points, "metric");
    let mut expected: BTreeMap<(String, i64), BTreeMap<String, f64>> = BTreeMap::new();
    for point in truth["points"].as_array().expect("points") {
        let id = text(point, &["instance"]).expect("an id").to_owned();
        let time = point["time"].as_i64().expect("a time") * 1_000_000_000;
        let metric = text(point, &["metric"]).expect("a metric");
        let values: Vec<f64> =
            point["values"].as_array().expect("values").iter().filter_map(Value::as_f64).collect();
        let fields = expected.entry((id, time)).or_default();
        let sum: f64 = values.iter().sum();
        #[expect(clippy::cast_precision_loss, reason = "three samples")]
        let count = values.len() as f64;
        for (statistic, value) in [
            ("Average", sum / count),
            ("Maximum", values.iter().copied().fold(f64::MIN, f64::max)),
            ("Minimum", values.iter().copied().fold(f64::MAX, f64::min)),
            ("SampleCount", count),
            ("Sum", sum),
        ] {
            fields.insert(format!("{metric}_{statistic}"), value);
        }
    }
    assert_eq!(metrics.len(), expected.len());
    for ((id, time), fields) in expected {
        let point = &metrics[&(id.clone(), time)];
        assert_eq!(point.measurement, "aws_AWS/EC2");
        assert_eq!(point.tags, tags_of[&id]);
        assert_eq!(point.fields.len(), fields.len());
        for (field, value) in fields {
            let FieldValue::Float(written) = point.fields[&field] else { panic!("{field} is a float") };
            assert!((written - value).abs() <= value.abs() * 1e-12, "{id} {field}: {written} is not {value}");
        }
    }

    // A key that may do nothing is told what it lacks, and its secret is not shown.
    let secret = truth["denied"]["secret"].as_str().expect("a secret").to_owned();
    world.variables.insert("AWS_AK_ID".into(), truth["denied"]["id"].as_str().expect("an id").into());
    world.variables.insert("AWS_AK_SECRET".into(), secret.clone());
    let denied = world.binary(&["run", "my_aws/main.rhai", "--output", "json"]);
    assert_eq!(denied.code, 1, "{denied:?}");
    assert!(denied.stdout.contains("ec2:DescribeInstances"), "{denied:?}");
    assert!(!denied.stdout.contains(&secret) && !denied.stderr.contains(&secret));

    // A wrong secret is refused by moto's own check of the signature.
    world.variables.insert("AWS_AK_ID".into(), truth["keys"]["id"].as_str().expect("an id").into());
    let wrong = world.binary(&["run", "my_aws/main.rhai", "--force", "--output", "json"]);
    assert_eq!(wrong.code, 1, "{wrong:?}");
    assert_eq!(wrong.collector("aws_ec2")["status"], "failed", "{wrong:?}");
    assert_eq!(wrong.collector("aws_ec2")["calls"]["ec2:DescribeInstances"], 1, "a wrong key is tried once");
}

/// `2026-11-24T10:00:00Z`, as the estate says it.
fn launch_time(instance: &Value) -> String {
    text(instance, &["LaunchTime"]).expect("a launch time").to_owned()
}

/// Everything that the SDK says of an instance stands in ours. Times may carry milliseconds in the raw answer.
fn assert_same(ours: &Value, theirs: &Value, place: &str) {
    match theirs {
        Value::Object(members) => {
            for (key, value) in members {
                // The SDK makes an empty list, map or text of an empty element; we leave out what says nothing.
                let empty = match value {
                    Value::Array(items) => items.is_empty(),
                    Value::Object(members) => members.is_empty(),
                    Value::String(text) => text.is_empty(),
                    _ => false,
                };
                match ours.get(key) {
                    Some(member) => assert_same(member, value, &format!("{place}.{key}")),
                    None => assert!(empty, "{place}.{key} is missing: {value}"),
                }
            }
        }
        Value::Array(items) => {
            let list = ours.as_array().unwrap_or_else(|| panic!("{place}: {ours} is not a list"));
            assert_eq!(list.len(), items.len(), "{place}");
            for (index, (ours, theirs)) in list.iter().zip(items).enumerate() {
                assert_same(ours, theirs, &format!("{place}[{index}]"));
            }
        }
        Value::String(expected) if expected.ends_with('Z') && expected.len() == 20 => {
            let ours = ours.as_str().unwrap_or_else(|| panic!("{place}: {ours}"));
            assert_eq!(ours.get(..19), expected.get(..19), "{place}");
        }
        _ => assert_eq!(ours, theirs, "{place}"),
    }
}

/// The double that all other tests rest on is itself held against the official SDK.
#[tokio::test(flavor = "multi_thread")]
async fn the_official_sdk_is_accepted_by_simcloud_unchanged() {
    let environment = environment("moto", "tests/moto/requirements.txt");
    let world = World::new(Options::default()).await;
    let keys = world.clouds.keys();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/moto/official_sdk.py");
    let mut command = Command::new(environment.join("bin/python"));
    command.arg(script).args([
        &world.clouds.aws_url(),
        REGION,
        &keys.access_key,
        &keys.secret_key,
        &keys.role_arn,
        &keys.external_id,
    ]);
    let read = tokio::task::spawn_blocking(move || run(&mut command)).await.expect("it ends");
    let read: Value = serde_json::from_slice(&read).expect("JSON");
    let instances = world.clouds.instances(REGION);
    assert_eq!(read["instances"].as_array().map(Vec::len), Some(instances.len()));
    for (theirs, truth) in read["instances"].as_array().expect("a list").iter().zip(&instances) {
        assert_eq!(theirs["id"], truth.id);
        assert_eq!(theirs["state"], truth.state);
        assert_eq!(theirs["name"].as_str(), truth.name());
    }
    let points = read["points"].as_array().expect("a list");
    assert!(points.len() > 50, "{read}");
    for point in points {
        let metric = &point["metric"];
        let dimensions: Vec<(String, String)> = metric["Dimensions"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|dimension| {
                (
                    text(dimension, &["Name"]).expect("a name").into(),
                    text(dimension, &["Value"]).expect("a value").into(),
                )
            })
            .collect();
        let (namespace, name) =
            (text(metric, &["Namespace"]).expect("text"), text(metric, &["MetricName"]).expect("text"));
        let time = point["time"].as_i64().expect("a time");
        let truth =
            world.clouds.datapoint(REGION, namespace, name, &dimensions, time).expect("a true datapoint");
        assert_eq!(point["average"].as_f64(), Some(truth.average));
    }
    assert_eq!(read["account"], "123456789012");
    assert_eq!(
        read["refused"],
        serde_json::json!(["AuthFailure", "InvalidSignatureException", "SignatureDoesNotMatch"])
    );
}
