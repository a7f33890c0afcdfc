//! The AWS collectors by themselves: what they report, what they choose, how many calls they need.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

mod support;

use funchost_collectors::COLLECTORS;
use funchost_collectors::aws::ec2::EC2;
use funchost_collectors::objects::{Object, Scope, point};
use funchost_collectors::point::{Category, Value};
use serde_json::json;
use simcloud::{AwsEstate, FieldValue, Options, ReceivedPoint};
use std::collections::{BTreeMap, BTreeSet};
use support::{World, aws_script};

const REGION: &str = "cn-northwest-1";
const RUN: &[&str] = &["run", "my_aws/main.rhai", "--output", "json"];

/// A script of one CloudWatch collector.
fn cloudwatch(regions: &[&str], targets: &str) -> String {
    let regions: Vec<String> = regions.iter().map(|region| format!("{region:?}")).collect();
    format!(
        r#"import "guance_integration__runner" as integration;
import "guance_aws_cloudwatch__main" as aws_cloudwatch;
let account = #{{ ak_id: DFF.ENV("AWS_AK_ID"), ak_secret: DFF.ENV("AWS_AK_SECRET") }};
@DFF.API("metrics", timeout = 60)
fn run() {{
    Runner(aws_cloudwatch::DataCollector(account, #{{ regions: [{}], targets: [{targets}] }})).run();
}}
"#,
        regions.join(", ")
    )
}

fn estate(instances: usize) -> Options {
    Options { aws: AwsEstate { instances, ..AwsEstate::default() }, ..Options::default() }
}

/// What was collected: measurement, dimension names and metric.
fn chosen(points: &[ReceivedPoint]) -> BTreeSet<(String, String, String)> {
    let ours = ["cloud_provider"];
    points
        .iter()
        .flat_map(|point| {
            let names: Vec<&str> =
                point.tags.keys().map(String::as_str).filter(|key| !ours.contains(key)).collect();
            let names = names.join("+");
            point.fields.keys().map(move |field| {
                let metric = field.rsplit_once('_').expect("a statistic").0;
                (point.measurement.clone(), names.clone(), metric.to_owned())
            })
        })
        .collect()
}

async fn collect(targets: &str) -> (BTreeSet<(String, String, String)>, serde_json::Value) {
    let world = World::new(estate(2)).await;
    world.write("my_aws/main.rhai", &cloudwatch(&[REGION], targets));
    let ran = world.run(RUN);
    assert_eq!(ran.code, 0, "{ran:?}");
    (chosen(&world.clouds.datakit().points()), ran.collector("aws_cloudwatch"))
}

fn triple(measurement: &str, names: &str, metric: &str) -> (String, String, String) {
    (measurement.to_owned(), names.to_owned(), metric.to_owned())
}

/// The published sample of the contract, key for key.
#[test]
fn the_published_object_is_yielded() {
    let item = json!({
        "InstanceId": "i-0d7620xxxxxxx", "InstanceType": "c6g.xlarge", "PlatformDetails": "Linux/UNIX",
        "LaunchTime": "2021-10-26T07:00:44.000Z",
        "BlockDeviceMappings": [{ "DeviceName": "/dev/xvda" }], "NetworkInterfaces": [{ "Status": "in-use" }],
        "Placement": { "AvailabilityZone": "cn-northwest-1a", "Tenancy": "default" },
        "State": { "Code": 16, "Name": "running" }, "StateReason": { "Code": "Client.X", "Message": "y" },
        "Tags": [{ "Key": "Name", "Value": "业务系统" }, { "Key": "empty" }],
    });
    let reported = point(&EC2.description, &"cn-northwest-1".into(), &Object::new(item.clone()), 5);
    assert_eq!(
        (reported.category, &*reported.measurement, reported.time),
        (Category::CustomObject, "aws_ec2", 5)
    );
    let tags: BTreeMap<&str, &str> = reported.tags.iter().map(|(key, value)| (&**key, &**value)).collect();
    assert_eq!(
        tags,
        BTreeMap::from([
            ("name", "i-0d7620xxxxxxx"),
            ("InstanceId", "i-0d7620xxxxxxx"),
            ("InstanceType", "c6g.xlarge"),
            ("PlatformDetails", "Linux/UNIX"),
            ("RegionId", "cn-northwest-1"),
            ("InstanceName", "业务系统"),
            ("State", "running"),
            ("StateReason_Code", "Client.X"),
            ("AvailabilityZone", "cn-northwest-1a"),
        ])
    );
    let fields: BTreeMap<&str, &Value> = reported.fields.iter().map(|(key, value)| (&**key, value)).collect();
    let text = |text: &str| Value::Text(text.into());
    assert_eq!(fields["BlockDeviceMappings"], &text(r#"[{"DeviceName":"/dev/xvda"}]"#));
    assert_eq!(fields["NetworkInterfaces"], &text(r#"[{"Status":"in-use"}]"#));
    assert_eq!(fields["Placement"], &text(r#"{"AvailabilityZone":"cn-northwest-1a","Tenancy":"default"}"#));
    assert_eq!(fields["LaunchTime"], &text("2021-10-26T07:00:44Z"));
    let Value::Text(message) = fields["message"] else { panic!("text") };
    assert_eq!(serde_json::from_str::<serde_json::Value>(message).unwrap(), item);
    assert_eq!(fields.len(), 5);
    // Nothing in the answer, nothing in the point.
    let bare = point(
        &EC2.description,
        &"cn-northwest-1".into(),
        &Object::new(json!({ "InstanceId": "i-1", "StateReason": {}, "PlatformDetails": "" })),
        5,
    );
    let keys: Vec<&str> = bare.tags.iter().map(|(key, _)| &**key).collect();
    assert_eq!(keys, ["name", "InstanceId", "RegionId"]);
    assert_eq!(bare.fields.len(), 1);
}

#[test]
fn every_collector_describes_itself() {
    let mut names = BTreeSet::new();
    for collector in COLLECTORS {
        let description = collector.description();
        assert!(
            names.insert(description.package.to_owned()) && names.insert(description.name.to_owned()),
            "{} stands twice",
            description.name
        );
        assert!(description.aliases().into_iter().all(|alias| names.insert(alias)), "{}", description.name);
        assert!(!description.actions.is_empty());
        // A product that is asked for as a whole takes no regions, and says so by not having the key.
        let whole = collector.declaration().is_some_and(|declared| {
            matches!(declared.scope, Scope::Central(_) | Scope::Sites(_) | Scope::Everywhere(..))
        });
        let takes_regions = description.configuration.iter().any(|key| key.name == "regions");
        let central = description.name == "aliyun_monitor";
        assert_eq!(takes_regions, !whole && !central, "{}", description.name);
        assert!(description.actions.iter().all(|action| action.rate > 0.0 && !action.permission.is_empty()));
        let mut keys = BTreeSet::new();
        for reported in description.tags.iter().chain(description.fields) {
            assert!(keys.insert(reported.key), "{}: {} stands twice", description.name, reported.key);
        }
        if description.category == Category::CustomObject {
            assert!(keys.contains("name") && keys.contains("message"), "{}", description.name);
            assert_eq!(description.interval.as_secs(), 900);
        } else {
            assert_eq!(description.interval.as_secs(), 60);
        }
    }
    for id in [
        "integration_alibabacloud_eip__main",
        "integration_aliyun_eip__main",
        "guance_aws_ec2__main",
        "integration_aws_ec2__main",
        "guance_aws_cloudwatch__main",
        "integration_aws_cloudwatch__main",
    ] {
        assert!(funchost_collectors::collector(id).is_some(), "{id}");
    }
    assert!(funchost_collectors::collector("guance_aws_ec2").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn all_pages_are_read_and_every_instance_comes_once() {
    let world = World::new(Options {
        aws: AwsEstate { instances: 23, instances_page: 10, ..AwsEstate::default() },
        ..Options::default()
    })
    .await;
    world.write("my_aws/main.rhai", &aws_script(&[REGION], "\"CPUUtilization\""));
    let ran = world.run(RUN);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(ran.collector("aws_ec2")["calls"]["ec2:DescribeInstances"], 3);
    let names: Vec<String> =
        world.clouds.datakit().points().iter().filter_map(|point| point.tags.get("name").cloned()).collect();
    let wanted: BTreeSet<String> =
        world.clouds.instances(REGION).into_iter().map(|instance| instance.id).collect();
    assert_eq!(names.len(), 23);
    assert_eq!(names.into_iter().collect::<BTreeSet<_>>(), wanted);
}

#[tokio::test(flavor = "multi_thread")]
async fn nasty_names_arrive_as_they_can_be_written() {
    let world = World::new(estate(18)).await;
    world.write("my_aws/main.rhai", &aws_script(&[REGION], "\"CPUUtilization\""));
    assert_eq!(world.run(RUN).code, 0);
    let points = world.clouds.datakit().points();
    for instance in world.clouds.instances(REGION) {
        let point =
            points.iter().find(|point| point.tags.get("name") == Some(&instance.id)).expect("it arrived");
        let expected =
            instance.name().map(|name| name.replace(['\n', '\r'], " ").trim_end_matches('\\').to_owned());
        assert_eq!(
            point.tags.get("InstanceName").cloned(),
            expected.filter(|name| !name.is_empty()),
            "{:?}",
            instance.name()
        );
        // The whole instance has it exactly, line breaks and all.
        let FieldValue::Text(message) = &point.fields["message"] else { panic!("text") };
        let message: serde_json::Value = serde_json::from_str(message).unwrap();
        let tag = message["Tags"].as_array().into_iter().flatten().find(|tag| tag["Key"] == "Name");
        let value = tag.and_then(|tag| tag["Value"].as_str());
        assert_eq!(value, instance.name().filter(|name| !name.is_empty()));
        assert_eq!(message["CpuOptions"]["CoreCount"], 1, "numbers are numbers");
        assert_eq!(message["EbsOptimized"], false, "booleans are booleans");
        assert_eq!(message.get("PublicIpAddress").and_then(|ip| ip.as_str()), instance.public_ip.as_deref());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_selector_and_the_dimensions_choose() {
    let ec2 = |metric: &str| triple("aws_AWS/EC2", "InstanceId", metric);
    let cpu = || BTreeSet::from([ec2("CPUUtilization"), ec2("CPUCreditBalance"), ec2("CPUCreditUsage")]);
    assert_eq!(collect(r##"#{ namespace: "AWS/EC2", metrics: ["*cpu*"] }"##).await.0, cpu());
    let both = r##"#{ namespace: "AWS/EC2", metrics: ["*cpu*"] }, #{ namespace: "AWS/EC2", metrics: ["NOT", "*credit*"] }"##;
    assert_eq!(collect(both).await.0, BTreeSet::from([ec2("CPUUtilization")]));
    let (all, _) = collect(r##"#{ namespace: "AWS/EC2", metrics: "ALL" }"##).await;
    assert_eq!(all.len(), 10, "the instance's dimension alone: {all:?}");
    let groups = r##"#{ namespace: "AWS/EC2", metrics: "ALL", dimensions: ["InstanceType", "ImageId"] }"##;
    assert_eq!(
        collect(groups).await.0,
        BTreeSet::from([
            triple("aws_AWS/EC2", "ImageId+InstanceType", "CPUUtilization"),
            triple("aws_AWS/EC2", "ImageId+InstanceType", "NetworkIn")
        ])
    );
    // The usual dimension of a namespace; every set where the namespace has none.
    assert_eq!(
        collect(r##"#{ namespace: "AWS/RDS", metrics: "ALL" }"##).await.0,
        BTreeSet::from([triple("aws_AWS/RDS", "DBInstanceIdentifier", "CPUUtilization")])
    );
    assert_eq!(
        collect(r##"#{ namespace: "My/App", metrics: "ALL" }"##).await.0,
        BTreeSet::from([
            triple("aws_My/App", "Cluster Name", "queue depth"),
            triple("aws_My/App", "", "heartbeat")
        ])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pattern_or_a_namespace_that_selects_nothing_is_said() {
    let (_, report) = collect(r##"#{ namespace: "AWS/EC2", metrics: ["CPUUtilisation", "NetworkIn"] }, #{ namespace: "AWS/RDSS", metrics: "ALL" }"##).await;
    let warnings = report["warnings"].to_string();
    assert!(
        warnings.contains("`CPUUtilisation` selects no metric of AWS/EC2; near: CPUUtilization"),
        "{warnings}"
    );
    assert!(warnings.contains("the namespace AWS/RDSS has no metrics: did you mean AWS/RDS?"), "{warnings}");
    assert_eq!(report["status"], "collected");
}

#[tokio::test(flavor = "multi_thread")]
async fn targets_that_leave_nothing_are_said() {
    for targets in [
        r##"#{ namespace: "AWS/EC2", metrics: ["NOT", "*"] }"##,
        r##"#{ namespace: "AWS/EC2", metrics: "ALL", dimensions: ["InstanceID"] }"##,
    ] {
        let (points, report) = collect(targets).await;
        assert!(points.is_empty());
        let warnings = report["warnings"].as_array().cloned().unwrap_or_default();
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        let said = warnings[0].as_str().unwrap_or_default();
        assert!(said.starts_with("cn-northwest-1: the targets select no metric of AWS/EC2: "), "{said}");
        assert!(said.contains("[\"ImageId\", \"InstanceType\"], [\"InstanceId\"]"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn daily_metrics_are_named_and_not_paid_for() {
    let world = World::new(estate(2)).await;
    let targets = r##"#{ namespace: "AWS/S3", metrics: "ALL" }"##;
    world.write("my_aws/main.rhai", &cloudwatch(&[REGION, "cn-north-1"], targets));
    let ran = world.run(RUN);
    assert_eq!(ran.code, 0, "{ran:?}");
    let points = world.clouds.datakit().points();
    assert_eq!(chosen(&points), BTreeSet::from([triple("aws_AWS/S3", "BucketName+FilterId", "AllRequests")]));
    let report = ran.collector("aws_cloudwatch");
    assert_eq!(
        report["warnings"],
        json!([
            "AWS/S3 BucketSizeBytes, AWS/S3 NumberOfObjects: one point every 24 h, always more than two hours old when it is published: not asked for, as DataKit overwrites such times"
        ])
    );
    assert_eq!(world.clouds.billed_metrics(), 2, "AllRequests of two regions");
    // In debug mode too.
    let debug = world.run(&["run", "my_aws/main.rhai", "--debug"]);
    assert!(debug.stderr.contains("AWS/S3 NumberOfObjects: one point every 24 h"), "{debug:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn namespaces_share_calls() {
    let world = World::new(estate(2)).await;
    let targets = r##"#{ namespace: "AWS/EC2", metrics: "ALL" }, #{ namespace: "AWS/RDS", metrics: "ALL" }, #{ namespace: "AWS/ApplicationELB", metrics: "ALL" }, #{ namespace: "My/App", metrics: "ALL" }"##;
    world.write("my_aws/main.rhai", &cloudwatch(&[REGION], targets));
    let ran = world.run(RUN);
    assert_eq!(ran.code, 0, "{ran:?}");
    // 20 + 1 + 2 + 2 series in one call; one list for each namespace.
    assert_eq!(
        ran.collector("aws_cloudwatch")["calls"],
        json!({ "monitoring:GetMetricData": 1, "monitoring:ListMetrics": 4 })
    );
    assert_eq!(world.clouds.billed_metrics(), 25, "five statistics of one metric are one");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_instances_need_the_documented_minimum_of_calls() {
    let world = World::new(Options {
        aws: AwsEstate { instances: 1000, nasty: false, ..AwsEstate::default() },
        ..Options::default()
    })
    .await;
    world.write(
        "funchost.toml",
        &format!(
            "{}\n[limits]\n\"aws.monitoring.ListMetrics\" = 1000\n\"aws.monitoring.GetMetricData\" = 1000\n",
            std::fs::read_to_string(world.folder.path().join("funchost.toml")).unwrap()
        ),
    );
    world.write("my_aws/main.rhai", &aws_script(&[REGION], "\"ALL\""));
    let ran = world.run(RUN);
    assert_eq!(ran.code, 0, "{ran:?}");
    let series = world.clouds.metrics(REGION);
    let listed = series.iter().filter(|series| series.namespace == "AWS/EC2").count();
    let asked = series
        .iter()
        .filter(|series| {
            series.namespace == "AWS/EC2"
                && series.dimensions.len() == 1
                && series.dimensions[0].0 == "InstanceId"
        })
        .count();
    assert!(asked > 8_000);
    assert_eq!(
        world.clouds.calls(),
        BTreeMap::from([
            ("ec2:DescribeInstances".to_owned(), 1),
            ("monitoring:ListMetrics".to_owned(), listed.div_ceil(500) as u64),
            ("monitoring:GetMetricData".to_owned(), (asked * 5).div_ceil(500) as u64),
        ])
    );
    assert_eq!(world.clouds.billed_metrics(), asked as u64);
    assert!(world.clouds.datakit().hidden().is_empty());
    // Every series arrived.
    let arrived: BTreeSet<(String, String)> = world
        .clouds
        .datakit()
        .points()
        .iter()
        .filter(|point| point.category == "metric")
        .flat_map(|point| {
            point
                .fields
                .keys()
                .map(|field| (point.tags["InstanceId"].clone(), field.clone()))
                .collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(arrived.len(), asked * 5);
    assert!(world.clouds.datakit().requests().iter().all(|request| request.body.len() < 1 << 20));
}

#[tokio::test(flavor = "multi_thread")]
async fn regions_are_collected_together_and_kept_apart() {
    let world = World::new(estate(3)).await;
    world.write("my_aws/main.rhai", &aws_script(&["cn-north-1", REGION, "us-east-1"], "\"CPUUtilization\""));
    let ran = world.run(RUN);
    assert_eq!(ran.code, 0, "{ran:?}");
    let points = world.clouds.datakit().points();
    for region in ["cn-north-1", REGION, "us-east-1"] {
        let of_region = |category: &str| {
            points
                .iter()
                .filter(|point| {
                    point.category == category
                        && point.tags.get("RegionId").map(String::as_str) == Some(region)
                })
                .count()
        };
        assert_eq!(of_region("custom_object"), 3, "{region}");
        assert!(of_region("metric") > 0, "{region}: metrics carry their object's region");
        assert_eq!(
            world.clouds.calls_by_region()[&(region.to_owned(), "monitoring:GetMetricData".to_owned())],
            1
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_keep_what_the_user_wants() {
    let world = World::new(estate(12)).await;
    let script = aws_script(&[REGION], "\"CPUUtilization\"").replace(
        "aws_ec2::DataCollector(account, #{ regions: regions })",
        "aws_ec2::DataCollector(account, #{ regions: regions }, #{ filters: [|i| i.State == wanted, |i| i.EbsOptimized == false && i.name == i.InstanceId] })",
    );
    world.write(
        "my_aws/main.rhai",
        &script.replace("let regions", "let wanted = \"stopped\";\n    let regions"),
    );
    let ran = world.run(RUN);
    assert_eq!(ran.code, 0, "{ran:?}");
    let points = world.clouds.datakit().points();
    let objects: Vec<&ReceivedPoint> =
        points.iter().filter(|point| point.category == "custom_object").collect();
    assert_eq!(objects.len(), 1);
    assert_eq!(objects[0].tags["State"], "stopped");
    let metrics = || points.iter().filter(|point| point.category == "metric");
    assert!(
        metrics().count() > 0 && metrics().all(|point| !point.tags.contains_key("State")),
        "what is dropped is not linked"
    );

    // Another script with another filter is not held up by the first.
    let running = script.replace("i.State == wanted", "i.State == \"running\"");
    world.write("my_aws/running.rhai", &running);
    drop(world.clouds.datakit().take_points());
    let ran = world.run(&["run", "my_aws/running.rhai", "--output", "json"]);
    assert_eq!(ran.collector("aws_ec2")["status"], "collected", "{ran:?}");
    assert_eq!(ran.collector("aws_cloudwatch")["status"], "skipped", "its configuration is the same");

    // A filter that throws fails its collector, with the place; the others go on.
    world.write("my_aws/throws.rhai", &script.replace("i.State == wanted", "i.Nope > 1"));
    let ran = world.run(&["run", "my_aws/throws.rhai", "--output", "json", "--force"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    let ec2 = ran.collector("aws_ec2");
    assert_eq!(ec2["status"], "failed");
    assert!(ec2["error"].as_str().is_some_and(|error| error.contains("throws.rhai")), "{ec2:#}");
    assert_eq!(ran.collector("aws_cloudwatch")["status"], "collected");
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_are_remembered_and_forgotten() {
    let world = World::new(Options {
        aws: AwsEstate { instances: 3, nasty: false, ..AwsEstate::default() },
        ..Options::default()
    })
    .await;
    world.write("my_aws/main.rhai", &aws_script(&[REGION], "\"CPUUtilization\""));
    // Another script that collects metrics alone finds the objects of the first.
    world.write(
        "my_aws/metrics.rhai",
        &cloudwatch(&[REGION], r##"#{ namespace: "AWS/EC2", metrics: "NetworkIn" }"##),
    );
    assert_eq!(world.run(RUN).code, 0);
    drop(world.clouds.datakit().take_points());
    assert_eq!(world.run(&["run", "my_aws/metrics.rhai"]).code, 0);
    let linked = world.clouds.datakit().take_points();
    assert!(
        !linked.is_empty() && linked.iter().all(|point| point.tags["InstanceName"].starts_with("server-")),
        "{linked:?}"
    );

    // A complete collection no longer returns one, and gives another a new name.
    let instances = world.clouds.instances(REGION);
    world.clouds.forget(REGION, &instances[0].id);
    world.clouds.rename(REGION, &instances[1].id, "renamed");
    world.clouds.set_clock_offset(900);
    assert_eq!(world.run_at(900, RUN).code, 0);
    drop(world.clouds.datakit().take_points());
    world.clouds.set_clock_offset(960);
    assert_eq!(world.run_at(960, &["run", "my_aws/metrics.rhai"]).code, 0);
    let points = world.clouds.datakit().take_points();
    let name_of = |id: &str| {
        points
            .iter()
            .find(|point| point.tags["InstanceId"] == id)
            .and_then(|point| point.tags.get("InstanceName"))
            .cloned()
    };
    assert_eq!(name_of(&instances[1].id).as_deref(), Some("renamed"));
    assert_eq!(name_of(&instances[2].id).as_deref(), Some("server-2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_extra_tag_does_not_hide_what_the_cloud_says() {
    let world = World::new(estate(1)).await;
    world.write(
        "my_aws/main.rhai",
        &aws_script(&[REGION], "\"CPUUtilization\"")
            .replace("account_name:", "State: \"mine\", account_name:"),
    );
    let ran = world.run(RUN);
    assert_eq!(ran.code, 0, "{ran:?}");
    let points = world.clouds.datakit().points();
    let object = points.iter().find(|point| point.category == "custom_object").expect("one instance");
    assert_eq!(object.tags["State"], "running");
    assert!(ran.collector("aws_ec2")["warnings"].to_string().contains("`State`"));
    // On a metric the account's own tag comes before the object's.
    assert!(
        points.iter().filter(|point| point.category == "metric").all(|point| point.tags["State"] == "mine")
    );
}
