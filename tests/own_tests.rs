//! `funchost test`: a script's own tests, recorded from simulated AWS and replayed without any cloud.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

mod support;

use funchost::money::day;
use funchost::state::{Sqlite, State as _};
use funchost_collectors::clock::{Clock as _, SystemClock};
use simcloud::{AliyunEstate, AwsEstate, Options, TencentEstate};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use support::World;

const SCRIPT: &str = r##"import "guance_integration__runner" as integration;
import "guance_integration__aws" as aws;
import "guance_aws_ec2__main" as aws_ec2;
import "guance_aws_cloudwatch__main" as aws_cloudwatch;

let account = #{ ak_id: DFF.ENV("AWS_AK_ID"), ak_secret: DFF.ENV("AWS_AK_SECRET") };

@DFF.API("collect", timeout = 60)
fn run() {
    let regions = ["cn-north-1"];
    let rds = Collector("my_rds", account, #{ regions: regions }, |ctx| {
        let found = aws::client(ctx.account).all("rds", "DescribeDBInstances", #{ MaxRecords: 20 }, #{ items: "DBInstances.DBInstance" });
        found.map(|db| #{ tags: #{ name: db.DBInstanceIdentifier }, fields: #{ message: db.to_json() } })
    });
    let ec2 = aws_ec2::DataCollector(account, #{ regions: regions });
    let metrics = aws_cloudwatch::DataCollector(account, #{ regions: regions, targets: [ #{ namespace: "AWS/EC2", metrics: ["CPUUtilization"] } ] });
    Runner([rds, ec2, metrics]).run()
}

fn double(x) { x * 2 }

fn test_arithmetic() { assert_eq(double(2), 4); }

fn test_run() {
    let report = run();
    assert_eq(report.status, "ok");
    assert_eq(report.collectors[0].collected, 25);
    assert_eq(report.collectors[1].collected, 3);
    assert(report.collectors[2].collected > 0, "metrics were collected");
    assert_eq(report.collectors[2].linked, report.collectors[2].collected);
    assert(report.lines.len() >= 28);
}

fn test_again() { assert_eq(run().collectors[0].collected, 25); }
"##;

async fn world() -> World {
    let aws = AwsEstate { databases: 25, instances: 3, nasty: false, ..AwsEstate::default() };
    let world = World::new(Options { aws, ..Options::default() }).await;
    world.write("my/main.rhai", SCRIPT);
    world
}

/// What `new` writes for a cloud, with more instances than one batch holds and ids without a digit among them.
async fn the_new_script_is_recorded_and_replayed(
    set: &str,
    collectors: &str,
    region: &str,
    ids: impl Fn(&World) -> Vec<String>,
) {
    let tencent = TencentEstate { instances: 45, ..TencentEstate::default() };
    let aliyun = AliyunEstate { instances: 60, ..AliyunEstate::default() };
    let aws = AwsEstate { instances: 60, ..AwsEstate::default() };
    let world = World::new(Options { tencent, aliyun, aws, ..Options::default() }).await;
    let made = world.run(&["new", set, "--collector", collectors, "--region", region]);
    assert_eq!(made.code, 0, "{made:?}");
    let script = format!("{set}/main.rhai");
    let text = std::fs::read_to_string(world.folder.path().join(&script)).unwrap();
    let test = r#"
fn test_run() {
    let report = run();
    assert_eq(report.status, "ok");
    for one in report.collectors { assert(one.collected > 0, one.name); }
    assert(report.collectors[-1].linked > 0, "names are added");
}
"#;
    let text = text.replace("Runner(collectors).run();", "Runner(collectors).run()");
    world.write(&script, &format!("{}{test}", text.replace(r#""*cpu*", "*mem*""#, r#""*cpuu*""#)));
    let file = format!("{set}.json");
    let recorded = world.run(&["test", &script, "--record", &file]);
    assert_eq!(recorded.code, 0, "{recorded:?}");
    let kept = std::fs::read_to_string(world.folder.path().join(&file)).unwrap();
    for id in ids(&world) {
        assert!(!kept.contains(&id), "{id} is in the recording");
    }
    world.clouds.reset_calls();
    let replayed = world.run(&["test", &script, "--replay", &file]);
    assert_eq!(replayed.code, 0, "{replayed:?}");
    assert!(world.clouds.calls().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_of_tencent_can_be_recorded_and_replayed() {
    let ids = |world: &World| {
        world.clouds.tencent_instances("ap-shanghai").iter().map(|one| one.id.clone()).collect()
    };
    the_new_script_is_recorded_and_replayed(
        "tc",
        "tencentcloud_cvm,tencentcloud_monitor",
        "ap-shanghai",
        ids,
    )
    .await;
}

/// The number of the account stands in the metrics' data, which are JSON inside a text, and in the XML of the buckets.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_of_aliyun_can_be_recorded_and_replayed() {
    let ids = |_: &World| vec!["1234567890123456".to_owned()];
    the_new_script_is_recorded_and_replayed(
        "ali",
        "aliyun_ecs,aliyun_oss,aliyun_monitor",
        "cn-hangzhou",
        ids,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_of_aws_can_be_recorded_and_replayed() {
    let ids = |world: &World| world.clouds.instances("cn-north-1").into_iter().map(|one| one.id).collect();
    the_new_script_is_recorded_and_replayed("am", "aws_ec2,aws_cloudwatch", "cn-north-1", ids).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recorded_run_is_replayed_without_a_cloud() {
    let world = world().await;
    let recorded = world.run(&["test", "my/main.rhai", "--record", "run.json"]);
    assert_eq!(recorded.code, 0, "{recorded:?}");
    assert!(
        recorded
            .stdout
            .contains("test_arithmetic: ok\ntest_run: ok\ntest_again: ok\n3 tests: 3 ok, 0 failed;"),
        "{recorded:?}"
    );
    assert!(world.clouds.datakit().requests().is_empty(), "a test writes to no DataKit");
    let state = Sqlite::open(&world.folder.path().join("state"), Arc::new(SystemClock)).await.unwrap();
    let account = format!("aws/{}", world.clouds.keys().access_key);
    assert!(!state.calls(&day(SystemClock.now()), &account).await.unwrap().is_empty(), "calls are counted");
    assert!(state.objects(&account, "aws_ec2", None).await.unwrap().is_empty(), "and the state left alone");
    state.close().await;

    // Nothing of it says whose account it was.
    let text = std::fs::read_to_string(world.folder.path().join("run.json")).unwrap();
    let keys = world.clouds.keys();
    let mut hidden = vec![keys.access_key, keys.secret_key, "123456789012".into(), "Signature".into()];
    hidden.extend(world.clouds.instances("cn-north-1").into_iter().map(|instance| instance.id));
    hidden
        .extend(world.clouds.instances("cn-north-1").into_iter().filter_map(|instance| instance.private_ip));
    for secret in hidden {
        assert!(!text.contains(&secret), "{secret} is in the recording");
    }
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    // Twice the same run: two pages of databases, one of instances, a list and the data of metrics.
    assert_eq!(document["calls"].as_array().unwrap().len(), 10);

    // The same answers, hours later, without keys and without a cloud.
    let calls = world.clouds.calls();
    let elsewhere = tempfile::tempdir().unwrap();
    for name in ["my/main.rhai", "run.json"] {
        let path = elsewhere.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::copy(world.folder.path().join(name), path).unwrap();
    }
    let replay = |arguments: &[&str]| support::in_process(elsewhere.path(), &BTreeMap::new(), 0, arguments);
    let replayed = replay(&["test", "my/main.rhai", "--replay", "run.json"]);
    assert_eq!(replayed.code, 0, "{replayed:?}");
    assert!(
        replayed.stdout.ends_with("3 tests: 3 ok, 0 failed; answered from the recording\n"),
        "{replayed:?}"
    );
    assert_eq!(world.clouds.calls(), calls, "a replay calls nothing");

    // What was not recorded is refused, with its name.
    let script = SCRIPT
        .replace("MaxRecords: 20", "MaxRecords: 50")
        .replace("[\"cn-north-1\"]", "[\"cn-north-1\", \"us-east-1\"]");
    std::fs::write(elsewhere.path().join("my/main.rhai"), script).unwrap();
    let ran = replay(&["test", "my/main.rhai", "--replay", "run.json", "--func", "test_again"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains("found 0, expected 25"), "{ran:?}");
    assert!(
        ran.stderr.contains(
            "4 answers of rds:DescribeDBInstances in cn-north-1 are recorded, but none with the parameters"
        ),
        "{ran:?}"
    );
    assert!(ran.stderr.contains("no answer of rds:DescribeDBInstances in us-east-1 is recorded"), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tests_need_no_cloud_and_no_keys() {
    let world = world().await;
    world.write("funchost.toml", "state = \"state\"\n");
    let nothing = BTreeMap::new();
    let run = |arguments: &[&str]| support::in_process(world.folder.path(), &nothing, 0, arguments);
    let ran = run(&["test", "my/main.rhai", "--func", "arithmetic"]);
    assert_eq!(
        (ran.code, ran.stdout.as_str()),
        (0, "test_arithmetic: ok\n1 test: 1 ok, 0 failed; no cloud was called\n"),
        "{ran:?}"
    );
    let ran = run(&["test", "my/main.rhai", "--func", "again"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains("no answer of rds:DescribeDBInstances in cn-north-1 is recorded"), "{ran:?}");
    assert!(world.clouds.calls().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_tests_and_mistakes_are_explained() {
    let world = world().await;
    let script = "fn test_one() {\n    assert_eq(#{ a: [1, 2] }, #{ a: [1, 3] });\n}\nfn test_two() { assert(1 > 2, \"one is not more\"); }\nfn test_three() { throw \"no\"; }\nfn test_four(x) { }\n";
    world.write("my/failing.rhai", script);
    world.write("my/none.rhai", "@DFF.API(\"x\")\nfn run() {}\n");
    world.write("broken.json", "{ \"format\": 9 }");
    for (name, code, arguments) in [
        ("test_failing", 1, vec!["test", "my/failing.rhai"]),
        ("test_none", 2, vec!["test", "my/none.rhai"]),
        ("test_no_such", 2, vec!["test", "my/failing.rhai", "--func", "five"]),
        ("test_broken_recording", 2, vec!["test", "my/failing.rhai", "--replay", "broken.json"]),
        ("test_record_over", 2, vec!["test", "my/failing.rhai", "--record", "broken.json"]),
    ] {
        let ran = world.run(&arguments);
        assert_eq!(ran.code, code, "{name}: {ran:?}");
        insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false, description => arguments.join(" ") }, {
            let text = format!("{}----\n{}", ran.stdout, ran.stderr).replace(&world.folder.path().display().to_string(), "FOLDER");
            insta::assert_snapshot!(name, text);
        });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tests_of_the_examples_hold() {
    let folder = tempfile::tempdir().unwrap();
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    for name in ["aliyun/eip", "aliyun/disks", "tencentcloud/cdb"] {
        let script = examples.join(format!("{name}.rhai")).display().to_string();
        let recording = examples.join(format!("{name}.json")).display().to_string();
        let ran = support::in_process(
            folder.path(),
            &BTreeMap::new(),
            0,
            &["test", &script, "--replay", &recording],
        );
        assert_eq!(ran.code, 0, "{name}: {ran:?}");
        assert!(ran.stdout.starts_with("test_points: ok\n"), "{ran:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_test_says_why_collectors_failed() {
    let world = world().await;
    world.write(
        "my/shipped.rhai",
        r##"import "guance_integration__runner" as integration;
import "guance_aws_ec2__main" as aws_ec2;
fn test_run() {
    let account = #{ ak_id: DFF.ENV("AWS_AK_ID"), ak_secret: DFF.ENV("AWS_AK_SECRET") };
    let report = Runner([aws_ec2::DataCollector(account, #{ regions: ["cn-north-1"] })]).run();
    assert_eq(report.status, "ok");
}
"##,
    );
    let ran = world.run(&["test", "my/shipped.rhai"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false, description => "test my/shipped.rhai" }, {
        insta::assert_snapshot!("test_failed_collector", format!("{}----\n{}", ran.stdout, ran.stderr));
    });
}
