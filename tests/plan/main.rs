//! `funchost plan` from outside: before a run it says the least and why, after one it says exactly what the next run calls.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

mod aliyun;
#[path = "../support/mod.rs"]
mod support;

use funchost::state::{FILE_NAME, Sqlite};
use funchost_collectors::clock::SystemClock;
use serde_json::{Value, json};
use simcloud::{AwsEstate, Options};
use std::collections::BTreeMap;
use std::sync::Arc;
use support::plan::{called, planned, the_plan_after_a_gap_is_the_next_run, the_plan_is_the_next_run};
use support::{Ran, World, aws_script, tencent};

const CHINA: &str = "cn-northwest-1";
const MINUTE: i64 = 60;
const SCRIPT: &str = "my_aws/main.rhai";

async fn world() -> World {
    let world = World::new(Options::default()).await;
    world.write(SCRIPT, &aws_script(&[CHINA], "[\"*cpu*\"]"));
    world
}

fn plan(world: &World, seconds: i64, more: &[&str]) -> Ran {
    let arguments: Vec<&str> = ["plan", SCRIPT].iter().chain(more).copied().collect();
    world.run_at(seconds, &arguments)
}

fn document(world: &World, seconds: i64, more: &[&str]) -> Value {
    let more: Vec<&str> = ["--output", "json"].iter().chain(more).copied().collect();
    let ran = plan(world, seconds, &more);
    assert_eq!(ran.code, 0, "{ran:?}");
    ran.json()
}

/// The state's file, with what still stood in its log.
async fn state_of(world: &World) -> Vec<u8> {
    let folder = world.folder.path().join("state");
    Sqlite::open(&folder, Arc::new(SystemClock)).await.unwrap().close().await;
    std::fs::read(folder.join(FILE_NAME)).unwrap()
}

/// Minutes on which objects are due and not, and lists remembered and not.
const RHYTHM: &[i64] = &[1, 1, 15, 5, 61, 15];

fn calls(world: &World) -> BTreeMap<String, u64> {
    world.clouds.calls()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_manuals_aws_script_before_and_after_a_run() {
    let world = world().await;
    let before = plan(&world, 0, &[]);
    assert_eq!(before.code, 0, "{before:?}");
    assert_eq!(before.stderr, "");
    insta::assert_snapshot!("aws_before_a_run", before.stdout);
    assert!(world.clouds.calls().is_empty());
    assert!(!world.folder.path().join("state").exists(), "nothing is left behind");

    assert_eq!(world.run(&["run", SCRIPT]).code, 0);
    let state = state_of(&world).await;
    world.clouds.reset_calls();
    let after = plan(&world, 0, &[]);
    insta::assert_snapshot!("aws_after_a_run", after.stdout);
    insta::assert_snapshot!("aws_every_five_minutes", plan(&world, 0, &["--every", "5m"]).stdout);
    assert!(world.clouds.calls().is_empty());
    assert!(state_of(&world).await == state, "nothing is written");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_plan_of_the_manuals_aws_script_is_the_next_run() {
    the_plan_is_the_next_run(&world().await, SCRIPT, RHYTHM, calls);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_plan_of_a_large_aws_estate_is_the_next_run() {
    // Several pages of instances and of metrics, several calls for the datapoints, two regions.
    let estate = AwsEstate { instances: 130, instances_page: 40, nasty: false, ..AwsEstate::default() };
    let world = World::new(Options { aws: estate, ..Options::default() }).await;
    world.write(SCRIPT, &aws_script(&["cn-north-1", CHINA], "[\"NOT\", \"Status*\"]"));
    the_plan_is_the_next_run(&world, SCRIPT, &[1, 15, 61], calls);
    let plan = document(&world, 77 * MINUTE, &[]);
    let most = plan["collectors"][1]["calls"].as_array().unwrap();
    assert!(most.iter().all(|call| call["calls"].as_u64() > Some(2)), "the case is no small one: {plan:#}");
}

/// Minutes without a run, of which some are beyond what DataKit takes.
const OUTAGES: &[(i64, i64)] = &[(100, 1), (37, 5), (0, 1), (300, 1), (0, 5)];

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_after_an_outage_is_the_next_run() {
    let estate = AwsEstate { instances: 130, nasty: false, ..AwsEstate::default() };
    let aws = World::new(Options { aws: estate, ..Options::default() }).await;
    aws.write(SCRIPT, &aws_script(&[CHINA], "[\"NOT\", \"Status*\"]"));
    the_plan_after_a_gap_is_the_next_run(&aws, SCRIPT, OUTAGES, calls);

    const TENCENT: &str = "my_tencent/main.rhai";
    let world = World::new(tencent::plain(55)).await;
    tencent::hurry(&world);
    world.write(TENCENT, &tencent::script(&[tencent::SHANGHAI], "\"ALL\""));
    the_plan_after_a_gap_is_the_next_run(&world, TENCENT, OUTAGES, calls);
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_are_in_the_plan() {
    let world = world().await;
    let keys = world.clouds.keys();
    let role =
        format!("role_arn: {:?}, external_id: {:?},\n    extra_tags:", keys.role_arn, keys.external_id);
    world.write(SCRIPT, &aws_script(&[CHINA], "\"ALL\"").replace("extra_tags:", &role));
    the_plan_is_the_next_run(&world, SCRIPT, &[1, 15], calls);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_scripts_of_one_account_share_what_is_remembered() {
    let world = world().await;
    assert_eq!(world.run(&["run", SCRIPT]).code, 0);
    // Another script: its interval has never begun, but lists and objects are known.
    world.write(SCRIPT, &aws_script(&[CHINA], "\"NetworkIn\""));
    let plan = document(&world, 0, &[]);
    assert_eq!(plan["collectors"][1]["exact"], true, "{plan:#}");
    assert_eq!(plan["collectors"][1]["next_run"]["calls"], json!({ "monitoring:GetMetricData": 1 }));
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_counted_as_aws_bills_them() {
    let world = world().await;
    assert_eq!(world.run(&["run", SCRIPT]).code, 0);
    let plan = document(&world, 0, &[]);
    world.clouds.set_clock_offset(MINUTE);
    world.clouds.reset_calls();
    assert_eq!(world.run_at(MINUTE, &["run", SCRIPT]).code, 0);
    let billed = world.clouds.billed_metrics();
    assert_eq!(plan["collectors"][1]["next_run"]["metrics"], billed);
    let pool =
        plan["pools"].as_array().unwrap().iter().find(|pool| pool["call"] == "monitoring:GetMetricData");
    let pool = pool.unwrap();
    assert_eq!(pool["units_a_month"], billed * 43_200, "every minute of 30 days");
    let cost = billed as f64 * 43_200.0 * 0.0651 / 1000.0;
    assert!((pool["cost_a_month"].as_f64().unwrap() - cost).abs() < 0.01, "{pool:#}");
    assert_eq!((pool["currency"].as_str(), pool["unit"].as_str()), (Some("CNY"), Some("metric")));
    assert_eq!(pool["used_this_month"], billed, "the first run was counted");
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_can_be_asked_for_beforehand() {
    let world = world().await;
    let ran = plan(&world, 0, &["--discover"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    insta::assert_snapshot!("aws_discovered", ran.stdout);
    let asked = BTreeMap::from([("ec2:DescribeInstances".into(), 1), ("monitoring:ListMetrics".into(), 1)]);
    assert_eq!(world.clouds.calls(), asked, "lists only");
    assert!(world.clouds.datakit().points().is_empty());
    // Nothing but the count of these calls is kept: the run asks itself.
    world.clouds.reset_calls();
    let plan = document(&world, 0, &["--discover", "--every", "1m"]);
    world.clouds.reset_calls();
    world.clouds.set_clock_offset(MINUTE);
    let report = world.run_at(MINUTE, &["run", SCRIPT, "--output", "json"]).json();
    assert_eq!(planned(&plan), called(&report));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cloud_that_refuses_the_lists_leaves_the_least() {
    let world = world().await;
    world.clouds.deny("cloudwatch:ListMetrics");
    let ran = plan(&world, 0, &["--discover"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(
        ran.stdout.contains("warning: aws_cloudwatch: monitoring:ListMetrics in cn-northwest-1 failed"),
        "{}",
        ran.stdout
    );
    assert!(ran.stdout.contains("at least 0"), "{}", ran.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_plan_of_the_manuals_tencent_script_is_the_next_run() {
    const SCRIPT: &str = "my_tencent/main.rhai";
    // Two batches, metrics of one and of five minutes, one that is listed and not supported.
    let world = World::new(tencent::plain(55)).await;
    tencent::hurry(&world);
    world.write(SCRIPT, &tencent::script(&[tencent::SHANGHAI], "\"ALL\""));
    the_plan_is_the_next_run(&world, SCRIPT, RHYTHM, calls);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_plan_of_two_regions_of_tencent_is_the_next_run() {
    const SCRIPT: &str = "my_tencent/main.rhai";
    let world = World::new(tencent::options(60)).await;
    tencent::hurry(&world);
    let regions = [tencent::SHANGHAI, "ap-beijing"];
    world.write(SCRIPT, &tencent::script(&regions, "[\"*cpu*\", \"Wan*\"]"));
    the_plan_is_the_next_run(&world, SCRIPT, &[1, 4, 1, 15], calls);
}

/// The script's own loops and conditions decide, and what it makes of a report does not break it.
#[tokio::test(flavor = "multi_thread")]
async fn the_function_is_evaluated() {
    let world = world().await;
    world.write(
        SCRIPT,
        r#"import "guance_integration__runner" as integration;
import "guance_aws_ec2__main" as aws_ec2;
let account = #{ ak_id: DFF.ENV("AWS_AK_ID"), ak_secret: DFF.ENV("AWS_AK_SECRET") };
@DFF.API("objects", timeout = 10, fixed_crontab = "*/30 * * * *")
fn objects() {
    for region in ["cn-north-1", "cn-northwest-1", "us-east-1"] {
        if region.starts_with("cn-") {
            let report = Runner(aws_ec2::DataCollector(account, #{ regions: [region] })).run();
            if report.collectors[0].collected > 0 || report.status != "ok" { throw "no"; }
        }
    }
}
@DFF.API("odd", timeout = 60, fixed_crontab = "0 8 * * MON")
fn odd() { Runner(aws_ec2::DataCollector(account, #{ regions: ["cn-north-1"] })).run(); }
@DFF.API("nothing")
fn nothing() {}
"#,
    );
    let ran = plan(&world, 0, &["--func", "objects"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    insta::assert_snapshot!("loops_and_a_short_timeout", ran.stdout);
    let odd = plan(&world, 0, &["--func", "odd"]);
    assert!(odd.stdout.contains("warning: the crontab `0 8 * * MON` does not fire evenly"), "{}", odd.stdout);
    let nothing = plan(&world, 0, &["--func", "nothing"]);
    assert_eq!(nothing.code, 0);
    assert!(nothing.stdout.contains("No collector would run"), "{}", nothing.stdout);
    assert!(world.clouds.calls().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_input_is_said_and_nothing_is_called() {
    let world = world().await;
    for (more, message) in [
        (&["--every", "5"][..], "it has no unit: write a number and s, m, h or d, such as 5m"),
        (&["--every", "10s"], "it must be 1 minute to 1 day"),
        (&["--func", "rnu"], "it has `run`"),
    ] {
        let ran = plan(&world, 0, more);
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(ran.stderr.contains(message), "{}", ran.stderr);
    }
    world.write(SCRIPT, &aws_script(&[CHINA], "[5]"));
    let ran = plan(&world, 0, &["--output", "json"]);
    assert_eq!((ran.code, &ran.json()["status"]), (2, &json!("invalid")), "{ran:?}");
    assert!(world.clouds.calls().is_empty());
}

/// At 20 calls in ten seconds it is the rate, not the answers, that takes the time; and the limit of the user's file is the one that counts.
#[tokio::test(flavor = "multi_thread")]
async fn the_longest_path_is_that_of_the_configured_rates() {
    let estate = AwsEstate { instances: 100, instances_page: 10, nasty: false, ..AwsEstate::default() };
    let mut world = World::new(Options { aws: estate, ..Options::default() }).await;
    world.write(SCRIPT, &aws_script(&[CHINA], "\"CPUUtilization\""));
    assert_eq!(world.run(&["run", SCRIPT]).code, 0);
    let path = |world: &World| document(world, 0, &[])["collectors"][0]["path_seconds"].as_f64().unwrap();
    assert_eq!(path(&world), 10.0, "ten pages, one after the other");
    world.variables.insert("FUNCHOST_LIMITS__AWS__EC2__DESCRIBEINSTANCES".into(), "0.1".into());
    assert_eq!(path(&world), 91.0, "nine pauses of ten seconds, and an answer");
    let plan = document(&world, 0, &[]);
    assert_eq!(plan["suggested_timeout_seconds"], 180);
    assert!(plan["warnings"][0].as_str().unwrap().contains("write `timeout = 180`"), "{plan:#}");
}
