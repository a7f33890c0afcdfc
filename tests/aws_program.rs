//! The whole program against simulated AWS and DataKit: what a user sees, run after run.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

mod support;

use simcloud::{AwsEstate, DataKitBehaviour, Fault, FaultKind, FieldValue, Options, ReceivedPoint};
use std::collections::{BTreeMap, BTreeSet};
use std::process::Stdio;
use support::{World, aws_script, ran, steady};

const CHINA: &str = "cn-northwest-1";
const MINUTE: i64 = 60;

fn fault(action: &str, times: u64, kind: FaultKind) -> Fault {
    Fault { service: None, action: Some(action.into()), region: None, skip: 0, times, kind }
}

/// Three instances with a datapoint every minute: the same counts at any time of the day.
async fn small_world() -> World {
    let world =
        World::new(Options { aws: AwsEstate { instances: 3, ..AwsEstate::default() }, ..Options::default() })
            .await;
    world.write("my_aws/main.rhai", &aws_script(&[CHINA], "[\"*cpu*\"]"));
    world
}

async fn world() -> World {
    let world = World::new(Options::default()).await;
    world.write("my_aws/main.rhai", &aws_script(&[CHINA], "[\"*cpu*\"]"));
    world
}

const RUN: &[&str] = &["run", "my_aws/main.rhai", "--output", "json"];

/// Measurement, dimensions, time and field.
type Identity = (String, Vec<(String, String)>, i64, String);

/// Every metric field by its identity: what was put in must come out, once.
fn fields(points: &[ReceivedPoint]) -> BTreeMap<Identity, FieldValue> {
    let mut fields = BTreeMap::new();
    for point in points.iter().filter(|point| point.category == "metric") {
        for (field, value) in &point.fields {
            let dimensions = point
                .tags
                .iter()
                .filter(|(key, _)| key.as_str() == "InstanceId")
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect();
            fields.insert(
                (point.measurement.clone(), dimensions, point.timestamp, field.clone()),
                value.clone(),
            );
        }
    }
    fields
}

fn assert_true_metrics(world: &World, region: &str, points: &[ReceivedPoint]) {
    let mut seen = 0;
    for ((measurement, dimensions, time, field), value) in fields(points) {
        assert_eq!(measurement, "aws_AWS/EC2");
        let (metric, statistic) = field.rsplit_once('_').expect("metric and statistic");
        let truth = world
            .clouds
            .datapoint(region, "AWS/EC2", metric, &dimensions, time / 1_000_000_000)
            .unwrap_or_else(|| panic!("{field} of {dimensions:?} at {time} is invented"));
        let expected = match statistic {
            "Average" => truth.average,
            "Maximum" => truth.maximum,
            "Minimum" => truth.minimum,
            "SampleCount" => truth.sample_count,
            "Sum" => truth.sum,
            other => panic!("an unknown statistic {other}"),
        };
        assert_eq!(value, FieldValue::Float(expected), "{field} of {dimensions:?}");
        seen += 1;
    }
    assert!(seen > 0, "no metric arrived");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_manuals_script_names_its_metrics() {
    let world = world().await;
    let first = world.run(RUN);
    assert_eq!(first.code, 0, "{first:?}");
    let report = first.json();
    assert_eq!(report["status"], "ok");
    assert_eq!(report["reason"], serde_json::Value::Null);
    assert_eq!(report["function"], "my_aws__main.run");
    let points = world.clouds.datakit().take_points();
    assert!(
        world.clouds.datakit().hidden().is_empty(),
        "DataKit changed points: {:?}",
        world.clouds.datakit().hidden()
    );

    // Every instance is an object, with its own tags.
    let instances = world.clouds.instances(CHINA);
    let objects: BTreeMap<&str, &ReceivedPoint> = points
        .iter()
        .filter(|point| point.category == "custom_object")
        .map(|point| (point.tags["name"].as_str(), point))
        .collect();
    assert_eq!(objects.len(), instances.len());
    for instance in &instances {
        let point = objects[instance.id.as_str()];
        assert_eq!(point.measurement, "aws_ec2");
        assert_eq!(point.tags["InstanceId"], instance.id);
        assert_eq!(point.tags["RegionId"], CHINA);
        assert_eq!(point.tags["cloud_provider"], "AWS");
        assert_eq!(point.tags["account_name"], "我的AWS账号");
        assert_eq!(point.tags["InstanceType"], instance.instance_type);
        for value in point.fields.values() {
            assert_ne!(*value, FieldValue::Text(String::new()), "nothing is reported as an empty text");
        }
    }
    // Metrics are true, five statistics each, and carry their object's tags.
    assert_true_metrics(&world, CHINA, &points);
    let metrics: Vec<&ReceivedPoint> = points.iter().filter(|point| point.category == "metric").collect();
    for point in &metrics {
        let object = objects[point.tags["InstanceId"].as_str()];
        for (key, value) in &object.tags {
            if key == "name" {
                assert!(!point.tags.contains_key("name"), "the object's name is its id: it is not copied");
            } else {
                assert_eq!(point.tags.get(key), Some(value), "{key}");
            }
        }
        assert_eq!(point.fields.len() % 5, 0, "always the five statistics");
        assert!(point.fields.keys().all(|field| field.to_lowercase().contains("cpu")), "{:?}", point.fields);
    }
    let ec2 = first.collector("aws_ec2");
    assert_eq!(ec2["status"], "collected");
    assert_eq!(ec2["collected"], instances.len());
    assert_eq!(ec2["delivered"], instances.len());
    assert_eq!(ec2["regions"][CHINA], "ok");
    assert_eq!(ec2["calls"], serde_json::json!({ "ec2:DescribeInstances": 1 }));
    let cloudwatch = first.collector("aws_cloudwatch");
    assert_eq!(cloudwatch["collected"], metrics.len());
    assert_eq!(cloudwatch["linked"], metrics.len());
    assert_eq!(
        cloudwatch["calls"],
        serde_json::json!({ "monitoring:ListMetrics": 1, "monitoring:GetMetricData": 1 })
    );

    // A minute later: EC2 is not due, CloudWatch is, its list is remembered and its points are still linked.
    world.clouds.set_clock_offset(MINUTE);
    world.clouds.reset_calls();
    let second = world.run_at(MINUTE, RUN);
    assert_eq!(second.code, 0, "{second:?}");
    let ec2 = second.collector("aws_ec2");
    assert_eq!(ec2["status"], "skipped");
    assert!(ec2["next_due"].as_str().is_some_and(|due| due.ends_with('Z')), "{ec2}");
    assert_eq!(world.clouds.calls(), BTreeMap::from([("monitoring:GetMetricData".into(), 1)]));
    let later = world.clouds.datakit().take_points();
    assert!(!later.is_empty() && later.iter().all(|point| point.category == "metric"));
    assert_true_metrics(&world, CHINA, &later);
    for point in &later {
        assert_eq!(
            point.tags["InstanceType"],
            objects[point.tags["InstanceId"].as_str()].tags["InstanceType"]
        );
    }
    let (before, after) = (fields(&points), fields(&later));
    assert!(
        before.keys().all(|key| !after.contains_key(key)),
        "the overlap is read again but not sent again"
    );
    assert!(second.collector("aws_cloudwatch")["already_sent"].as_u64() > Some(0));

    // At once again: nothing is due, and nothing is called.
    world.clouds.reset_calls();
    let third = world.run_at(MINUTE, RUN);
    assert_eq!(third.code, 0);
    assert_eq!(third.json()["status"], "ok");
    assert!(world.clouds.calls().is_empty());
    // Unless it is forced.
    let forced = world.run_at(MINUTE, &["run", "my_aws/main.rhai", "--force", "--output", "json"]);
    assert_eq!(forced.collector("aws_ec2")["status"], "collected");
}

#[tokio::test(flavor = "multi_thread")]
async fn points_that_come_late_or_change_arrive_once_more_and_no_others() {
    let world = World::new(Options {
        aws: AwsEstate { instances: 3, nasty: false, ..AwsEstate::default() },
        ..Options::default()
    })
    .await;
    world.write("my_aws/main.rhai", &aws_script(&[CHINA], "\"CPUUtilization\""));
    assert_eq!(world.run(RUN).code, 0);
    let first = world.clouds.datakit().take_points();
    let ((_, dimensions, time, _), _) = fields(&first).into_iter().next_back().expect("points");
    let series =
        |metric: &str| (CHINA.to_owned(), "AWS/EC2".to_owned(), metric.to_owned(), dimensions.clone());
    let (region, namespace, metric, dimensions) = series("CPUUtilization");
    let mut revised = world
        .clouds
        .datapoint(&region, &namespace, &metric, &dimensions, time / 1_000_000_000)
        .expect("it was collected");
    revised.sum += 1000.0;
    world.clouds.revise(&region, &namespace, &metric, &dimensions, time / 1_000_000_000, revised);

    world.clouds.set_clock_offset(MINUTE);
    assert_eq!(world.run_at(MINUTE, RUN).code, 0);
    let second = world.clouds.datakit().take_points();
    let again: Vec<_> = fields(&second)
        .into_iter()
        .filter(|((_, of, at, _), _)| *of == dimensions && *at == time)
        .map(|((_, _, _, field), value)| (field, value))
        .collect();
    assert_eq!(again.len(), 5, "the whole point came again");
    assert!(again.contains(&("CPUUtilization_Sum".into(), FieldValue::Float(revised.sum))));
    let known = fields(&first);
    for key in fields(&second).keys() {
        assert!(!known.contains_key(key) || (key.1 == dimensions && key.2 == time), "{key:?} came twice");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_hour_of_outage_leaves_no_gap() {
    let world = World::new(Options {
        aws: AwsEstate { instances: 2, nasty: false, ..AwsEstate::default() },
        ..Options::default()
    })
    .await;
    world.write("my_aws/main.rhai", &aws_script(&[CHINA], "\"CPUUtilization\""));
    assert_eq!(world.run(RUN).code, 0);
    let mut points = world.clouds.datakit().take_points();
    world.clouds.set_clock_offset(61 * MINUTE);
    world.clouds.reset_calls();
    assert_eq!(world.run_at(61 * MINUTE, RUN).code, 0);
    assert_eq!(world.clouds.calls()["monitoring:ListMetrics"], 1, "a list is remembered for an hour");
    assert_eq!(world.clouds.calls()["monitoring:GetMetricData"], 1);
    points.extend(world.clouds.datakit().take_points());
    let mut times: BTreeMap<String, BTreeSet<i64>> = BTreeMap::new();
    for point in points.iter().filter(|point| point.category == "metric") {
        times
            .entry(point.tags["InstanceId"].clone())
            .or_default()
            .insert(point.timestamp / 1_000_000_000 / MINUTE);
    }
    // Every instance but those with basic monitoring has a point for every minute.
    let complete = times.values().filter(|minutes| {
        let (first, last) = (minutes.first().copied().unwrap_or(0), minutes.last().copied().unwrap_or(0));
        minutes.len() as i64 == last - first + 1 && minutes.len() >= 69
    });
    assert!(complete.count() >= 1, "{times:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn debug_mode_prints_lines_and_writes_nothing() {
    let world = world().await;
    let debug = world.run(&["run", "my_aws/main.rhai", "--debug"]);
    assert_eq!(debug.code, 0, "{debug:?}");
    assert!(world.clouds.datakit().requests().is_empty(), "debug mode writes nothing");
    let lines: Vec<&str> = debug.stdout.lines().collect();
    assert!(lines.iter().any(|line| line.starts_with("aws_ec2,")), "{}", debug.stdout);
    assert!(
        lines.iter().any(|line| line.starts_with("aws_AWS/EC2,") && line.contains("InstanceType=")),
        "{}",
        debug.stdout
    );
    // This parser takes no tab in a tag; DataKit does.
    let without_tabs = debug.stdout.replace('\t', "_");
    let parsed: Vec<_> = influxdb_line_protocol::parse_lines(&without_tabs).collect();
    for (line, parsed) in lines.iter().zip(&parsed) {
        assert!(parsed.is_ok(), "stdout is line protocol and nothing else: {parsed:?}: {line}");
    }
    assert!(debug.stderr.contains("aws_ec2 collected"), "{}", debug.stderr);

    // Neither intervals nor marks were touched: the next run is a first one, with the same points.
    let real = world.run(RUN);
    assert_eq!(real.collector("aws_ec2")["status"], "collected");
    assert_eq!(world.clouds.datakit().points().len(), parsed.len());

    // The script may ask for it too.
    let script = aws_script(&[CHINA], "[\"*cpu*\"]")
        .replace("Runner(collectors).run()", "Runner(collectors, debug = true).run()");
    world.write("my_aws/debug.rhai", &script);
    drop(world.clouds.datakit().take_points());
    let asked = world.run(&["run", "my_aws/debug.rhai", "--output", "json"]);
    assert_eq!(asked.code, 0);
    assert!(asked.stdout.starts_with("aws_ec2,"), "{}", asked.stdout);
    assert!(world.clouds.datakit().take_points().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_datakit_does_not_take_is_kept_and_goes_first() {
    let world = world().await;
    world.clouds.datakit().set_behaviour(DataKitBehaviour::Down);
    let down = world.run(RUN);
    assert_eq!(down.code, 1, "{down:?}");
    let report = down.json();
    assert_eq!(report["status"], "partial");
    assert!(report["reason"].as_str().is_some_and(|reason| reason.contains("outbox")), "{report:#}");
    let collected: u64 =
        report["collectors"].as_array().expect("list").iter().filter_map(|c| c["collected"].as_u64()).sum();
    let kept: u64 =
        report["collectors"].as_array().expect("list").iter().filter_map(|c| c["kept"].as_u64()).sum();
    assert!(collected > 0 && kept == collected, "{report:#}");

    // Nothing is due, but something waits: that is said, with its reason.
    let waiting = world.run(RUN);
    assert_eq!(waiting.code, 1, "{waiting:?}");
    assert_eq!(waiting.json()["outbox"]["waiting"], kept);
    assert!(
        waiting.json()["reason"].as_str().is_some_and(|reason| reason.contains("still wait")),
        "{waiting:?}"
    );
    assert!(waiting.stdout.contains("is DataKit running there?"), "{waiting:?}");

    // A minute later DataKit is back: what waited goes first, and nothing comes twice.
    world.clouds.datakit().set_behaviour(DataKitBehaviour::Accept);
    world.clouds.set_clock_offset(MINUTE);
    let back = world.run_at(MINUTE, RUN);
    assert_eq!(back.code, 0, "{back:?}");
    assert_eq!(back.json()["outbox"]["delivered"], kept);
    assert_eq!(back.json()["outbox"]["waiting"], 0);
    let points = world.clouds.datakit().points();
    assert_eq!(points[0].category, "custom_object", "in the order in which they were collected");
    let mut identities = BTreeSet::new();
    for point in &points {
        assert!(identities.insert(point.line.clone()), "{} came twice", point.line);
    }
    assert_true_metrics(&world, CHINA, &points);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_datakit_has_its_own_intervals_and_marks() {
    let world = world().await;
    let second = simcloud::Simcloud::start(Options::default()).await.expect("another simcloud");
    let config =
        std::fs::read_to_string(world.folder.path().join("funchost.toml")).expect("the configuration");
    world.write("funchost.toml", &format!("{config}[datakits.dk2]\nurl = \"{}\"\n", second.datakit_url()));
    assert_eq!(world.run(RUN).code, 0);
    let script = aws_script(&[CHINA], "[\"*cpu*\"]")
        .replace("Runner(collectors)", "Runner(collectors, datakit_id = \"dk2\")");
    world.write("my_aws/second.rhai", &script);
    let ran = world.run(&["run", "my_aws/second.rhai", "--output", "json"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(ran.collector("aws_ec2")["status"], "collected");
    assert_eq!(second.datakit().points().len(), world.clouds.datakit().points().len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejecting_datakit_is_reported() {
    let world = world().await;
    world.clouds.datakit().set_behaviour(DataKitBehaviour::Status(403));
    let refused = world.run(RUN);
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(refused.stdout.contains("403") || refused.stdout.contains("publicAccessDisabled"), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_keys_are_explained_once() {
    for (name, change) in [
        ("unknown_key", ("AWS_AK_ID", "AKIDUNKNOWN000000000")),
        ("wrong_secret", ("AWS_AK_SECRET", "WrongSecretWrongSecretWrongSecret0000000")),
    ] {
        let mut world = small_world().await;
        world.variables.insert(change.0.into(), change.1.into());
        let ran = world.run(&["run", "my_aws/main.rhai"]);
        assert_eq!(ran.code, 1, "{ran:?}");
        for secret in [change.1, world.clouds.keys().secret_key.as_str()] {
            if change.0 == "AWS_AK_SECRET" || secret != change.1 {
                assert!(
                    !ran.stdout.contains(secret) && !ran.stderr.contains(secret),
                    "{name} shows a secret"
                );
            }
        }
        assert_eq!(world.clouds.calls().get("ec2:DescribeInstances"), Some(&1), "a wrong key is tried once");
        insta::assert_snapshot!(name, steady(&ran.stdout));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_trouble_of_the_cloud_is_explained() {
    for (name, action, kind, code) in [
        ("denied", "DescribeInstances", FaultKind::Denied, 1),
        ("expired", "DescribeInstances", FaultKind::ExpiredToken, 1),
        ("late_with_lasting_keys", "DescribeInstances", FaultKind::ExpiredToken, 1),
        ("html_for_ever", "ListMetrics", FaultKind::HtmlUnavailable, 1),
        ("repeated_token", "ListMetrics", FaultKind::RepeatedToken, 1),
        ("forbidden_result", "GetMetricData", FaultKind::ForbiddenResult, 1),
        ("top_level_message", "GetMetricData", FaultKind::TopLevelMessage, 0),
    ] {
        let mut world = small_world().await;
        if name == "expired" {
            let keys = world.clouds.keys();
            world.variables.insert("AWS_AK_ID".into(), keys.temporary_access_key);
            world.variables.insert("AWS_AK_SECRET".into(), keys.temporary_secret_key);
            world.variables.insert("SESSION_TOKEN".into(), keys.session_token);
            let token = "security_token: DFF.ENV(\"SESSION_TOKEN\"),\n    extra_tags:";
            let script = aws_script(&[CHINA], "[\"*cpu*\"]").replace("extra_tags:", token);
            world.write("my_aws/main.rhai", &script);
        }
        world.clouds.fault(fault(action, 1000, kind));
        let ran = world.run(&["run", "my_aws/main.rhai"]);
        insta::assert_snapshot!(name, steady(&ran.stdout));
        assert_eq!(ran.code, code, "{name}: {ran:?}");
        // The other collector did its work.
        let points = world.clouds.datakit().points();
        let other = if action == "DescribeInstances" { "metric" } else { "custom_object" };
        assert!(points.iter().any(|point| point.category == other), "{name}: {ran:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn passing_troubles_cost_calls_and_no_points() {
    for (action, kind) in [
        ("DescribeInstances", FaultKind::Throttle),
        ("DescribeInstances", FaultKind::Status(500)),
        ("DescribeInstances", FaultKind::CutBody),
        ("DescribeInstances", FaultKind::BadBody),
        ("DescribeInstances", FaultKind::Reset),
        ("DescribeInstances", FaultKind::EmptyBody),
        ("ListMetrics", FaultKind::Throttle),
        ("ListMetrics", FaultKind::HtmlUnavailable),
        ("ListMetrics", FaultKind::BadBody),
        ("GetMetricData", FaultKind::Throttle),
        ("GetMetricData", FaultKind::CutBody),
        ("GetMetricData", FaultKind::PartialData),
        ("GetMetricData", FaultKind::InternalErrorResult),
    ] {
        let world = world().await;
        let label = format!("{action} {kind:?}");
        let undisturbed = self::world().await;
        world.clouds.fault(fault(action, 1, kind));
        let ran = world.run(RUN);
        assert_eq!(ran.code, 0, "{label}: {ran:?}");
        assert_eq!(undisturbed.run(RUN).code, 0);
        assert_true_metrics(&world, CHINA, &world.clouds.datakit().points());
        let series = |world: &World| -> BTreeSet<(String, String)> {
            fields(&world.clouds.datakit().points())
                .into_keys()
                .map(|key| (format!("{:?}", key.1), key.3))
                .collect()
        };
        assert_eq!(series(&world), series(&undisturbed), "{label}");
        let calls = |world: &World| world.clouds.calls().values().sum::<u64>();
        assert_eq!(calls(&world), calls(&undisturbed) + 1, "{label}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_wrong_is_corrected_once() {
    let world = world().await;
    world.clouds.set_clock_offset(20 * MINUTE);
    let ran = world.run(RUN);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(ran.collector("aws_ec2")["calls"]["ec2:DescribeInstances"], 2, "signed again once");
    assert_eq!(
        ran.collector("aws_cloudwatch")["calls"]["monitoring:ListMetrics"],
        1,
        "the offset is remembered"
    );
    assert!(ran.stdout.contains("clock"), "{ran:?}");
}

/// Minutes that each instance has a point of.
fn minutes(points: &[ReceivedPoint]) -> BTreeMap<String, BTreeSet<i64>> {
    let mut minutes: BTreeMap<String, BTreeSet<i64>> = BTreeMap::new();
    for point in points.iter().filter(|point| point.category == "metric") {
        let of = minutes.entry(point.tags["InstanceId"].clone()).or_default();
        of.insert(point.timestamp / 1_000_000_000 / MINUTE);
    }
    minutes
}

/// Only metrics, so that no other call corrects the clock before the windows are opened.
async fn metrics_only() -> World {
    let world = World::new(Options {
        aws: AwsEstate { instances: 2, nasty: false, ..AwsEstate::default() },
        ..Options::default()
    })
    .await;
    let script = aws_script(&[CHINA], "\"CPUUtilization\"");
    let objects = "        aws_ec2::DataCollector(account, #{ regions: regions }),\n";
    assert!(script.contains(objects));
    world.write("my_aws/main.rhai", &script.replace(objects, ""));
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_ran_ahead_for_one_run_leaves_no_gap() {
    let world = metrics_only().await;
    assert_eq!(world.run(RUN).code, 0);
    // Fifty minutes ahead, while the list of metrics is remembered: the window is opened before any answer can say so.
    let ahead = world.run_at(50 * MINUTE, RUN);
    assert_eq!(ahead.code, 0, "{ahead:?}");
    assert_eq!(
        ahead.collector("aws_cloudwatch")["calls"],
        serde_json::json!({ "monitoring:GetMetricData": 2 }),
        "refused for its time, signed again"
    );
    // Half an hour later the clock has been set right.
    world.clouds.set_clock_offset(30 * MINUTE);
    let right = world.run_at(30 * MINUTE, RUN);
    assert_eq!(right.code, 0, "{right:?}");
    let found = minutes(&world.clouds.datakit().points());
    let complete = found.values().filter(|minutes| {
        let (first, last) = (minutes.first().copied().unwrap_or(0), minutes.last().copied().unwrap_or(0));
        minutes.len() as i64 == last - first + 1 && minutes.len() >= 38
    });
    assert!(complete.count() >= 1, "{found:?}");
}

/// Instances with plain names and a load balancer, and all of their metrics.
async fn world_of(instances: usize) -> World {
    let world = World::new(Options {
        aws: AwsEstate { instances, nasty: false, ..AwsEstate::default() },
        ..Options::default()
    })
    .await;
    let script = aws_script(&[CHINA], "\"ALL\"");
    let targets = "targets: [ ";
    assert!(script.contains(targets));
    let more = format!("{targets}#{{ namespace: \"AWS/ApplicationELB\", metrics: \"ALL\" }}, ");
    world.write("my_aws/main.rhai", &script.replace(targets, &more));
    world
}

/// Runs SQL on the world's state, as a fault of the disk would: from outside.
async fn sql(world: &World, text: &'static str) {
    use sqlx::ConnectOptions as _;
    let path = world.folder.path().join("state/funchost.db");
    let mut connection =
        sqlx::sqlite::SqliteConnectOptions::new().filename(&path).connect().await.expect("the state opens");
    sqlx::raw_sql(text).execute(&mut connection).await.expect("the statement is right");
    sqlx::Connection::close(connection).await.expect("it closes");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_that_fails_in_the_middle_of_a_delivery_moves_no_mark() {
    // Enough for several batches. The one that holds the load balancer's points is not remembered; those behind it are, and
    // would take the marks of all beyond what was passed over.
    const LATER: i64 = 15 * MINUTE;
    let disturbed = world_of(200).await;
    let undisturbed = world_of(200).await;
    for world in [&disturbed, &undisturbed] {
        assert_eq!(world.run(RUN).code, 0);
        world.clouds.set_clock_offset(LATER);
    }
    sql(
        &disturbed,
        "CREATE TRIGGER broken BEFORE INSERT ON sent
         WHEN (SELECT key FROM mark WHERE id = NEW.mark) LIKE '%AWS/ApplicationELB%'
         BEGIN SELECT RAISE(ABORT, 'the disk went away'); END",
    )
    .await;
    let broken = disturbed.run_at(LATER, RUN);
    assert_eq!(undisturbed.run_at(LATER, RUN).code, 0);
    assert_eq!(broken.code, 1, "{broken:?}");
    assert_eq!(broken.json()["status"], "partial");
    assert_eq!(broken.collector("aws_ec2")["status"], "collected");
    let cloudwatch = broken.collector("aws_cloudwatch");
    assert_eq!(cloudwatch["status"], "failed");
    assert_eq!(cloudwatch["regions"][CHINA], "failed");
    assert!(cloudwatch["error"].as_str().is_some_and(|error| error.contains("the disk went away")));
    assert!(cloudwatch["delivered"].as_u64() > Some(0), "something was delivered before: {cloudwatch:#}");
    let expected = fields(&undisturbed.clouds.datakit().points());
    let found = fields(&disturbed.clouds.datakit().points());
    assert!(expected.keys().any(|key| !found.contains_key(key)), "the middle of a page was passed over");

    sql(&disturbed, "DROP TRIGGER broken").await;
    disturbed.clouds.set_clock_offset(LATER + MINUTE);
    let mended = disturbed.run_at(LATER + MINUTE, RUN);
    assert_eq!(mended.code, 0, "{mended:?}");
    let known = mended.collector("aws_cloudwatch")["already_sent"].as_u64();
    assert!(known > Some(0), "what was remembered before the failure stays out");
    let found = fields(&disturbed.clouds.datakit().points());
    for key in expected.keys() {
        assert!(found.contains_key(key), "{key:?} is lost");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_that_could_not_be_remembered_are_delivered_and_collected_again() {
    let world = small_world().await;
    assert_eq!(world.run(&["run", "my_aws/main.rhai", "--debug"]).code, 0, "it makes the state");
    sql(
        &world,
        "CREATE TRIGGER broken BEFORE INSERT ON object BEGIN SELECT RAISE(ABORT, 'the disk went away'); END",
    )
    .await;
    let broken = world.run(RUN);
    assert_eq!(broken.code, 1, "{broken:?}");
    let ec2 = broken.collector("aws_ec2");
    assert_eq!((&ec2["status"], &ec2["delivered"]), (&"failed".into(), &3.into()), "{ec2:#}");
    assert_eq!(broken.collector("aws_cloudwatch")["status"], "collected");
    let linked = &broken.collector("aws_cloudwatch")["linked"];
    assert!(linked.as_u64() > Some(0), "this run still knows them");
    sql(&world, "DROP TRIGGER broken").await;
    world.clouds.set_clock_offset(MINUTE);
    let again = world.run_at(MINUTE, RUN);
    assert_eq!(again.collector("aws_ec2")["status"], "collected", "a failed region is tried after a minute");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_that_does_not_exist_fails_alone() {
    let world = world().await;
    world.write("my_aws/main.rhai", &aws_script(&["cn-nroth-1", CHINA], "[\"*cpu*\"]"));
    let ran = world.run(RUN);
    assert_eq!(ran.code, 1, "{ran:?}");
    let ec2 = ran.collector("aws_ec2");
    assert_eq!(ec2["status"], "failed");
    assert_eq!(ec2["regions"], serde_json::json!({ "cn-nroth-1": "failed", CHINA: "ok" }));
    assert!(ec2["error"].as_str().is_some_and(|error| error.contains("cn-north-1")), "{ec2:#}");
    assert_true_metrics(&world, CHINA, &world.clouds.datakit().points());

    // The good region is not due, the bad one is tried again after a minute.
    world.clouds.set_clock_offset(MINUTE);
    let again = world.run_at(MINUTE, RUN);
    assert_eq!(
        again.collector("aws_ec2")["regions"],
        serde_json::json!({ "cn-nroth-1": "failed", CHINA: "skipped" })
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cloud_that_hangs_ends_at_the_deadline() {
    let world = world().await;
    world.clouds.fault(fault("GetMetricData", 1000, FaultKind::Hang));
    let ran = world.binary(&["run", "my_aws/main.rhai", "--timeout", "2", "--output", "json"]);
    assert_eq!(ran.code, 124, "{ran:?}");
    let report = ran.json();
    assert_eq!(report["status"], "failed");
    assert_eq!(report["reason"], "timeout");
    assert_eq!(ran.collector("aws_ec2")["status"], "collected");
    assert_eq!(ran.collector("aws_cloudwatch")["regions"][CHINA], "failed");
    let instances = world.clouds.instances(CHINA).len();
    assert_eq!(world.clouds.datakit().points().len(), instances, "what was collected was delivered");
    assert!(ran.stderr.contains("timed out") || ran.stderr.contains("timeout"), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_datakit_that_hangs_at_the_deadline_loses_nothing() {
    let world = world().await;
    world.clouds.datakit().set_behaviour(DataKitBehaviour::Hang);
    let ran = world.binary(&["run", "my_aws/main.rhai", "--timeout", "2", "--output", "json"]);
    assert_eq!(ran.code, 124, "{ran:?}");
    let ec2 = ran.collector("aws_ec2");
    assert_eq!(ec2["kept"], world.clouds.instances(CHINA).len(), "{ec2:#}");
    assert_eq!(ec2["regions"][CHINA], "ok");
    world.clouds.datakit().set_behaviour(DataKitBehaviour::Accept);
    let next = world.run(RUN);
    assert_eq!(next.json()["outbox"]["delivered"], ec2["kept"], "{next:?}");
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_ends_in_order() {
    let world = world().await;
    world.clouds.fault(fault("GetMetricData", 1000, FaultKind::Hang));
    let process =
        world.command(RUN).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts");
    // The signal comes when the call that hangs has been made.
    while !world.clouds.calls().contains_key("monitoring:GetMetricData") {
        tokio::task::yield_now().await;
    }
    let id = process.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &id]).status().expect("kill runs").success());
    let ran = ran(&process.wait_with_output().expect("it ends"));
    assert_eq!(ran.code, 130, "{ran:?}");
    assert_eq!(ran.json()["reason"], "interrupted");
    assert_eq!(world.clouds.datakit().points().len(), world.clouds.instances(CHINA).len());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_at_once_double_nothing() {
    let world = world().await;
    let start = || {
        world.command(RUN).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts")
    };
    let processes: Vec<_> = (0..4).map(|_| start()).collect();
    let runs: Vec<_> =
        processes.into_iter().map(|process| ran(&process.wait_with_output().expect("it ends"))).collect();
    for run in &runs {
        assert_eq!(run.code, 0, "{run:?}");
    }
    assert_eq!(world.clouds.calls()["ec2:DescribeInstances"], 1);
    assert_eq!(world.clouds.calls()["monitoring:GetMetricData"], 1);
    let lines: Vec<String> = world.clouds.datakit().points().into_iter().map(|point| point.line).collect();
    assert_eq!(lines.iter().collect::<BTreeSet<_>>().len(), lines.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_process_collects_is_said_to_be_collected_there() {
    let world = small_world().await;
    world.clouds.fault(fault("DescribeInstances", 1, FaultKind::Hang));
    let mut other =
        world.command(RUN).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    while !world.clouds.calls().contains_key("ec2:DescribeInstances") {
        tokio::task::yield_now().await;
    }
    let ran = world.run(&["run", "my_aws/main.rhai"]);
    other.kill().expect("it is ours");
    other.wait().expect("it ends");
    assert_eq!(ran.code, 0, "{ran:?}");
    let expected = "  aws_ec2 skipped\n    warning: another process is collecting cn-northwest-1 now; if it was killed, the claim that it left ends at 20";
    assert!(ran.stdout.contains(expected), "{}", ran.stdout);
    assert!(
        ran.stderr.contains("aws_ec2: skipped, another process is collecting cn-northwest-1 now; if it"),
        "{ran:?}"
    );
    // It was killed. What it left is respected until then, also under `--force`, and no longer.
    world.clouds.clear_faults();
    let forced = world.run(&["run", "my_aws/main.rhai", "--force"]);
    assert_eq!(forced.code, 0, "{forced:?}");
    assert!(forced.stdout.contains(expected), "{}", forced.stdout);
    world.clouds.set_clock_offset(41);
    let later = world.run_at(41, RUN);
    assert_eq!(later.collector("aws_ec2")["status"], "collected", "{later:?}");
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_behind_stdout_is_said() {
    let world = small_world().await;
    let full = || std::fs::File::options().write(true).open("/dev/full").expect("Linux has it");
    let debug = world.command(&["run", "my_aws/main.rhai", "--debug"]).stdout(full()).output().expect("runs");
    let debug = ran(&debug);
    assert_eq!(debug.code, 1, "{debug:?}");
    assert!(debug.stderr.contains("error: the lines cannot be written to stdout"), "{debug:?}");
    let report = ran(&world.command(RUN).stdout(full()).output().expect("runs"));
    assert_eq!(report.code, 0, "what was collected was delivered: {report:?}");
    assert!(report.stderr.contains("error: what was asked for cannot be written to stdout"), "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn temporary_keys_and_roles_work() {
    let mut world = world().await;
    let keys = world.clouds.keys();
    let script = |extra: &str| {
        aws_script(&[CHINA], "[\"*cpu*\"]").replace("extra_tags:", &format!("{extra}\n    extra_tags:"))
    };
    world.variables.insert("SESSION_TOKEN".into(), keys.session_token.clone());
    world.variables.insert("AWS_AK_ID".into(), keys.temporary_access_key.clone());
    world.variables.insert("AWS_AK_SECRET".into(), keys.temporary_secret_key.clone());
    world.write("my_aws/main.rhai", &script("security_token: DFF.ENV(\"SESSION_TOKEN\"),"));
    let ran = world.run(RUN);
    assert_eq!(ran.code, 0, "{ran:?}");

    world.variables.insert("AWS_AK_ID".into(), keys.access_key.clone());
    world.variables.insert("AWS_AK_SECRET".into(), keys.secret_key.clone());
    world.write(
        "my_aws/main.rhai",
        &script(&format!("role_arn: {:?}, external_id: {:?},", keys.role_arn, keys.external_id)),
    );
    let ran = world.run(RUN);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(ran.collector("aws_ec2")["calls"]["sts:AssumeRole"], 1);
    assert!(
        ran.collector("aws_cloudwatch")["calls"].get("sts:AssumeRole").is_none(),
        "a role is assumed once"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_shown_nowhere() {
    let world = world().await;
    let secret = world.clouds.keys().secret_key;
    let script = aws_script(&[CHINA], "[\"*cpu*\"]").replace(
        "let regions",
        "print(account); debug(account); print(`the secret is ${account.ak_secret}`); DFF.LOG(account.ak_secret);\n    let regions",
    );
    world.write("my_aws/main.rhai", &script);
    world.write(
        "my_aws/throws.rhai",
        &script.replace("Runner(collectors).run();", "throw account.ak_secret;"),
    );
    world.write(
        "my_aws/plain.rhai",
        &script
            .replace("DFF.ENV(\"AWS_AK_SECRET\")", &format!("{secret:?}"))
            .replace("regions: regions }", "regoins: regions }"),
    );
    for arguments in [
        vec!["run", "my_aws/main.rhai"],
        vec!["run", "my_aws/main.rhai", "--debug"],
        vec!["run", "my_aws/throws.rhai", "--output", "json"],
        vec!["run", "my_aws/plain.rhai"],
        vec!["check", "my_aws/plain.rhai"],
    ] {
        let ran = world.binary(&arguments);
        for text in [&ran.stdout, &ran.stderr] {
            assert!(!text.contains(&secret), "{arguments:?} shows the secret:\n{text}");
        }
    }
    // A cloud's echo of what was signed holds the session token.
    let mut world = self::world().await;
    let keys = world.clouds.keys();
    world.variables.insert("AWS_AK_ID".into(), keys.temporary_access_key.clone());
    world.variables.insert("AWS_AK_SECRET".into(), "WrongSecretWrongSecretWrongSecret0000000".into());
    let token = aws_script(&[CHINA], "[\"*cpu*\"]")
        .replace("extra_tags:", &format!("security_token: {:?},\n    extra_tags:", keys.session_token));
    world.write("my_aws/main.rhai", &token);
    let ran = world.binary(RUN);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(
        !ran.stdout.contains(&keys.session_token) && !ran.stderr.contains(&keys.session_token),
        "{ran:?}"
    );
    let state = std::fs::read(world.folder.path().join("state/funchost.db")).expect("the state is there");
    for secret in [keys.session_token.as_bytes(), b"WrongSecretWrongSecret"] {
        assert!(!state.windows(secret.len()).any(|window| window == secret), "the state holds a secret");
    }
}
