//! The other commands: check, list, collectors, demo; and that the examples and shipped scripts are right.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

mod support;

use funchost_collectors::account::Cloud;
use simcloud::Options;
use std::path::Path;
use support::World;
use support::market::{calls, declarations, table};

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
    // What the collectors of scripts list is what the packages of these products do.
    let tables = |cloud| {
        let declared = declarations().into_iter().filter(|one| one.description.cloud == cloud);
        let tables = declared.flat_map(calls).filter_map(|call| table(&call));
        // What an unbound address has too, and the sample of the documents leaves out.
        let with_instance = |mut table: simcloud::MarketCall| {
            if table.action == "DescribeEipAddresses" {
                table.item["InstanceId"] = "".into();
            }
            // The package asks for instances that are locked, too; the script does without.
            table.fixed.retain(|(name, _)| name != "CdbErrors");
            table
        };
        tables.map(with_instance).collect()
    };
    world.clouds.set_market(Vec::new(), tables(Cloud::Aliyun), tables(Cloud::Tencent));
    // One is only imported.
    for script in scripts("examples").iter().filter(|script| !script.ends_with("/accounts.rhai")) {
        // The examples name roles that are not simcloud's: they are refused, and that is said.
        let role = script.ends_with("role.rhai");
        let ran = world.run(&["run", script, "--force"]);
        assert_eq!(ran.code, u8::from(role), "{script}: {ran:?}");
        assert_eq!(ran.stdout.contains("sts:AssumeRole"), role, "{script}: {ran:?}");
        if script.ends_with("eip.rhai") || script.ends_with("disks.rhai") || script.ends_with("cdb.rhai") {
            assert!(
                ran.stdout.contains("_own collected ") && !ran.stdout.contains(" 0 delivered"),
                "{ran:?}"
            );
        }
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
    for name in [
        "aws_ec2",
        "guance_aws_cloudwatch",
        "aliyun_monitor",
        "aliyun_ecs",
        "aliyun_rds",
        "aliyun_slb",
        "aliyun_oss",
        "tencentcloud_cvm",
        "guance_tencentcloud_monitor",
    ] {
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
    let arguments = ["demo", "my_tencent/main.rhai"];
    let ran = support::in_process(empty.path(), &std::collections::BTreeMap::new(), 0, &arguments);
    assert_eq!(ran.code, 0, "{ran:?}");
    for words in [
        "custom_object  tencentcloud_cvm",
        "metric         tencentcloud_QCE/CVM",
        "The CVM collector had listed ins-",
        "export TENCENTCLOUD_AK_ID=… TENCENTCLOUD_AK_SECRET=…",
        "funchost new my_tencent --collector tencentcloud_cvm,tencentcloud_monitor --region …",
        "funchost run my_tencent/main.rhai --debug",
    ] {
        assert!(ran.stdout.contains(words), "{words}: {}", ran.stdout);
    }
    // The simulated clouds are on this machine: a proxy that others need would look for them on its own.
    let mut behind_a_proxy = World::new(Options::default()).await;
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
        behind_a_proxy.variables.insert(name.into(), "http://127.0.0.1:9".into());
    }
    let ran = behind_a_proxy.binary(&["demo"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stdout.contains("How a metric got its name"), "{ran:?}");
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

#[tokio::test(flavor = "multi_thread")]
async fn what_is_typed_wrong_is_said_to_programs_too() {
    let world = World::new(Options::default()).await;
    for (arguments, message, hint) in [
        (
            &["run", "--output", "json"][..],
            "the following required arguments were not provided: <SCRIPT>",
            Some("no script lies below the current folder; `funchost new NAME --collector …` writes one"),
        ),
        (
            &["run", "x.rhai", "--output=json", "--timeout", "0"],
            "invalid value '0' for '--timeout <SECONDS>': 0 is not in 1..=3600",
            None,
        ),
        (
            &["run", "x.rhai", "--forse", "--output", "json"],
            "unexpected argument '--forse' found",
            Some("a similar argument exists: '--force'"),
        ),
    ] {
        let ran = world.run(arguments);
        assert_eq!(ran.code, 2, "{ran:?}");
        let entry = serde_json::json!({ "message": message, "file": null, "line": null, "column": null, "hint": hint });
        assert_eq!(ran.json(), serde_json::json!({ "status": "invalid", "errors": [entry] }));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_that_cannot_be_used_is_a_document_unless_stdout_is_for_lines() {
    let world = World::new(Options::default()).await;
    world.write("my/main.rhai", "@DFF.API(\"x\")\nfn run() {}\n");
    let state = world.write("file", "no folder");
    let state = state.to_str().unwrap();
    let ran = world.run(&["run", "my/main.rhai", "--state", state, "--output", "json"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert_eq!(ran.json()["status"], "failed");
    let ran = world.run(&["run", "my/main.rhai", "--state", state, "--output", "json", "--debug"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (1, ""), "{ran:?}");
    assert!(ran.stderr.contains("cannot be made"), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_cannot_command_the_terminal_through_the_report() {
    let world = World::new(Options::default()).await;
    world.write("my/main.rhai", "@DFF.API(\"a\\x1b[31mtitle\")\nfn run() { throw \"\\x1b[2Jgone\"; }\n");
    for command in ["check", "list", "run"] {
        let ran = world.run(&[command, "my/main.rhai"]);
        assert!(!ran.stdout.contains('\u{1b}'), "{command}: {ran:?}");
        assert!(ran.stdout.contains("title") || ran.stdout.contains("gone"), "{command}: {ran:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_knows_the_configured_datakits() {
    let world = World::new(Options::default()).await;
    let script = |id: &str| {
        format!(
            "import \"guance_integration__runner\" as integration;\n@DFF.API(\"x\")\nfn run() {{\n    Runner([], datakit_id = \"{id}\").run();\n}}\n"
        )
    };
    world.write("my/right.rhai", &script("datakit"));
    world.write("my/wrong.rhai", &script("datakti"));
    assert_eq!(world.run(&["check", "my/right.rhai"]).code, 0);
    let ran = world.run(&["check", "my/wrong.rhai"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    for words in ["no DataKit `datakti` is configured", "my/wrong.rhai:4:29", "did you mean `datakit`?"] {
        assert!(ran.stderr.contains(words), "{}", ran.stderr);
    }
}

/// The shown time and values differ from run to run; the rest of a demo does not.
fn still(text: &str) -> String {
    let mut still = String::new();
    for line in support::steady(text).lines() {
        let line = line.trim_end();
        // The rows of metrics, and how many minutes there were, are those of the moment.
        let words: Vec<&str> = line.split_whitespace().collect();
        let kept = if line.contains("TIME") { &["ROW"] } else { &words[..] };
        still.push_str(&kept.join(" "));
        still.push('\n');
    }
    still
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_shows_alibaba_cloud_too() {
    let empty = tempfile::tempdir().unwrap();
    let demo = |script: &str| {
        let nothing = std::collections::BTreeMap::new();
        let ran = support::in_process(empty.path(), &nothing, 0, &["demo", script]);
        assert_eq!(ran.code, 0, "{ran:?}");
        ran.stdout
    };
    let all = demo("scripts/my_aliyun/all.rhai");
    for words in [
        "custom_object  aliyun_ecs",
        "Objects aliyun_rds (3 of ",
        "Metrics aliyun_acs_oss_dashboard (3 of ",
        "CloudMonitor said only instanceId=i-bp1",
        "so every metric of i-bp1",
        "export ALIYUN_AK_ID=",
        "funchost run my_aliyun/main.rhai --debug",
    ] {
        assert!(all.contains(words), "{words}: {all}");
    }
    // CloudMonitor alone: ids without names, and how to get them.
    let alone = demo("my_aliyun/main.rhai");
    assert!(!alone.contains("custom_object") && !alone.contains("InstanceName"), "{alone}");
    insta::assert_snapshot!("demo_monitor_alone", still(&alone));
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_of_the_command_line_are_recorded() {
    let mut world = World::new(Options::default()).await;
    world.write("my_aws/main.rhai", &support::aws_script(&["cn-north-1"], "[\"*cpu*\"]"));
    // Debug runs and wrong input leave nothing.
    assert_eq!(world.run(&["run", "my_aws/main.rhai", "--debug"]).code, 0);
    world.write("my_aws/wrong.rhai", "@DFF.API(\"x\")\nfn run() { Runner([]).run(); }\n");
    assert_eq!(world.run(&["run", "my_aws/wrong.rhai"]).code, 2);
    let none = world.run(&["runs"]);
    assert_eq!((none.code, none.stdout.as_str()), (0, ""));
    assert!(none.stderr.contains("no run is recorded"), "{none:?}");

    assert_eq!(world.run(&["run", "my_aws/main.rhai"]).code, 0);
    world.clouds.deny("ec2:DescribeInstances");
    let failed = world.run(&["run", "my_aws/main.rhai", "--force"]);
    assert_eq!(failed.code, 1, "{failed:?}");
    world.write("my_aws/slow.rhai", "@DFF.API(\"slow\", timeout = 1)\nfn run() { loop { } }\n");
    assert_eq!(world.run(&["run", "my_aws/slow.rhai"]).code, 124);

    let runs = world.run(&["runs", "--output", "json"]).json();
    let list = |key: &str| -> Vec<serde_json::Value> {
        runs["runs"].as_array().unwrap().iter().map(|run| run[key].clone()).collect()
    };
    assert_eq!(list("status"), ["timeout", "failure", "success"]);
    assert_eq!(list("origin"), ["command", "command", "command"]);
    assert_eq!(list("funcId"), ["my_aws__slow.run", "my_aws__main.run", "my_aws__main.run"], "{runs:#}");
    let one = world.run(&["runs", "1"]);
    assert!(
        one.stdout.contains("asked for by  command") && one.stdout.contains("aws_ec2 collected"),
        "{one:?}"
    );
    assert!(one.stdout.contains("took "), "{one:?}");
    let one = world.run(&["runs", "2"]);
    assert!(one.stdout.contains("UnauthorizedOperation"), "{one:?}");
    let logs = world.run(&["logs", "1"]);
    assert!(logs.stderr.contains("run 1 was started on a command line: what it said went there"), "{logs:?}");

    // No more are kept than the configuration says.
    world.variables.insert("FUNCHOST_SERVICE__KEEP_RUNS".into(), "2".into());
    for _ in 0..3 {
        assert_eq!(world.run(&["run", "my_aws/main.rhai"]).code, 0);
    }
    let runs = world.run(&["runs", "--output", "json", "--func", "my_aws__main.run"]).json();
    assert_eq!(runs["total"], 2, "{runs:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn script_sets_are_found_where_new_puts_them() {
    let world = World::new(Options::default()).await;
    let nothing = world.run(&["list"]);
    assert_eq!(nothing.code, 2, "{nothing:?}");
    assert!(nothing.stderr.contains("scripts cannot be read"), "{nothing:?}");
    assert_eq!(world.run(&["new", "my_aws", "--collector", "aws_ec2", "--region", "cn-north-1"]).code, 0);
    let found = world.run(&["list"]);
    assert_eq!(found.code, 0, "{found:?}");
    assert!(found.stdout.contains("my_aws__main.run"), "{found:?}");
    // A library of its own wins.
    world.write("scripts/other/main.rhai", "@DFF.API(\"x\")\nfn run() {}\n");
    let found = world.run(&["list"]);
    assert!(found.stdout.contains("other__main.run") && !found.stdout.contains("my_aws__main"), "{found:?}");
}
