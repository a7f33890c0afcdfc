//! The other commands: check, list, collectors, demo; and that the examples and shipped scripts are right.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

mod support;

use simcloud::Options;
use std::path::Path;
use support::World;

fn scripts(folder: &str) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut found: Vec<String> = std::fs::read_dir(&root)
        .unwrap()
        .flat_map(|set| {
            let set = set.unwrap().path();
            let inside = if set.is_dir() {
                std::fs::read_dir(set).unwrap().map(|script| script.unwrap().path()).collect()
            } else {
                Vec::new()
            };
            inside.into_iter().filter(|path| path.extension().is_some_and(|ending| ending == "rhai"))
        })
        .map(|path| path.display().to_string())
        .collect();
    found.sort();
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn every_example_and_shipped_script_passes_the_check() {
    let world = World::new(Options::default()).await;
    let mut world_with_keys = world;
    for account in ["ALIYUN", "STAGING", "TENCENTCLOUD"] {
        world_with_keys.variables.insert(format!("{account}_AK_SECRET"), "simcloud-secret".into());
        let name = format!("{account}_AK_ID");
        world_with_keys.variables.insert(name, "AKIASIMCLOUD00000001".into());
    }
    let found: Vec<String> = scripts("examples").into_iter().chain(scripts("scripts")).collect();
    assert!(found.len() >= 8, "{found:?}");
    for script in found.iter().filter(|script| !script.ends_with("accounts.rhai")) {
        let ran = world_with_keys.run(&["check", script]);
        assert_eq!(ran.code, 0, "{script}: {}", ran.stderr);
        assert!(ran.stderr.contains("0 errors, 0 warnings; no cloud was called"), "{script}: {}", ran.stderr);
    }
    assert!(world_with_keys.clouds.calls().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_example_runs() {
    let mut world = World::new(Options::default()).await;
    let keys = world.clouds.keys();
    world.variables.insert("STAGING_AK_ID".into(), keys.access_key.clone());
    world.variables.insert("STAGING_AK_SECRET".into(), keys.secret_key.clone());
    let of_aws = |script: &&String| script.contains("/aws/") && !script.ends_with("accounts.rhai");
    for script in scripts("examples").iter().filter(of_aws) {
        // The example names a role that is not simcloud's: it is refused, and that is said.
        let role = script.ends_with("role.rhai");
        let ran = world.run(&["run", script, "--force"]);
        assert_eq!(ran.code, u8::from(role), "{script}: {ran:?}");
        assert_eq!(ran.stdout.contains("sts:AssumeRole"), role, "{script}: {ran:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_are_listed() {
    let world = World::new(Options::default()).await;
    world.write("scripts/one/a.rhai", "@DFF.API(\"第一\", timeout = 60, fixed_crontab = \"*/5 * * * *\")\nfn first() {}\n\n@DFF.API(\"second\")\nfn second() {}\n");
    world.write("scripts/two/b.rhai", "@DFF.API(\"third\")\nfn run() {}\n");
    let ran = world.run(&["list"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    insta::assert_snapshot!(ran.stdout, @r"
    function       title   timeout  cron         script
    one__a.first   第一    60 s     */5 * * * *  scripts/one/a.rhai
    one__a.second  second  300 s                 scripts/one/a.rhai
    two__b.run     third   300 s                 scripts/two/b.rhai
    ");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_finds_what_only_a_run_would_reach() {
    let world = World::new(Options::default()).await;
    world.write(
        "my_aws/main.rhai",
        r##"import "guance_integration__runner" as integration;
import "guance_aws_ec2__main" as aws_ec2;
import "guance_aws_cloudwatch__main" as aws_cloudwatch;
let account = #{ ak_id: DFF.ENV("AWS_AK_ID"), ak_secret: DFF.ENV("AWS_AK_SECRET") };
fn len() { 3 }
@DFF.API("x")
fn run() {
    if false { print(acount); }
    Runner([
        aws_cloudwatch::DataCollector(account, #{ regions: ["cn-north-1"], targets: [ #{ namespace: "AWS/EC2", metrics: "ALL" } ] }),
        aws_ec2::DataCollector(account, #{ regions: ["cn-north-1"] }),
    ]).run();
}
@DFF.API("y")
fn other() {
    aws_ec2::DataCollector(account, #{ regions: [] });
}
"##,
    );
    let ran = world.run(&["check", "my_aws/main.rhai"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(world.clouds.calls().is_empty());
    insta::assert_snapshot!(ran.stderr.replace(&world.folder.path().display().to_string(), "FOLDER"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_registry_is_shown() {
    let world = World::new(Options::default()).await;
    let ran = world.run(&["collectors"]);
    assert_eq!(ran.code, 0);
    insta::assert_snapshot!("collectors", ran.stdout);
    for name in ["aws_ec2", "guance_aws_cloudwatch"] {
        let ran = world.run(&["collectors", name]);
        assert_eq!(ran.code, 0, "{ran:?}");
        insta::assert_snapshot!(format!("collectors_{name}"), ran.stdout);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_shows_how_a_metric_got_its_name() {
    let world = World::new(Options::default()).await;
    let empty = tempfile::tempdir().unwrap();
    for arguments in [&["demo"][..], &["demo", "my_aws/main.rhai"], &["demo", "scripts/my_aws/main.rhai"]] {
        let ran = support::in_process(empty.path(), &std::collections::BTreeMap::new(), 0, arguments);
        assert_eq!(ran.code, 0, "{ran:?}");
        for words in
            ["What DataKit has now", "custom_object  aws_ec2", "How a metric got its name", "InstanceName"]
        {
            assert!(ran.stdout.contains(words), "{words}: {}", ran.stdout);
        }
    }
    assert_eq!(std::fs::read_dir(empty.path()).unwrap().count(), 0, "nothing is left behind");
    let ran = support::in_process(
        empty.path(),
        &std::collections::BTreeMap::new(),
        0,
        &["demo", "my_aws/mian.rhai"],
    );
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("did you mean `my_aws/main.rhai`?"), "{ran:?}");
    assert!(world.clouds.calls().is_empty());
}
