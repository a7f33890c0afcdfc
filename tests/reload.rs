//! Another rate in `[limits]` while runs go on: all of them go by it, together.
//!
//! What is counted are calls as they reach the cloud. Each run makes one call after the other, so that of each run at most one call is between
//! its turn and the cloud: in a second arrive no more calls than a second may hold and one for each run.

#![allow(clippy::disallowed_methods, reason = "a test waits for another process")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod support;

use funchost_collectors::clock::{Clock as _, SystemClock};
use serde_json::json;
use simcloud::{AwsEstate, Fault, FaultKind, Options, Simcloud};
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use support::service::{PATIENCE, Serving};

const SCRIPT: &str = r#"
import "guance_integration__runner" as integration;
import "guance_integration__aws" as aws;

@DFF.API("calls one after the other", timeout = 600)
fn calls(name, count) {
    let account = #{ ak_id: DFF.ENV("AWS_AK_ID"), ak_secret: DFF.ENV("AWS_AK_SECRET") };
    Runner([Collector(name, account, #{ regions: ["cn-north-1"] }, |ctx| {
        let client = aws::client(ctx.account);
        for number in 0..count {
            client.request("ec2", "DescribeInstances");
        }
    })]).run();
}
"#;

/// When each call reached the cloud, nanoseconds.
static CALLS: Mutex<Vec<i64>> = Mutex::new(Vec::new());

fn arrived() -> usize {
    CALLS.lock().unwrap().len()
}

fn until_more(service: &Serving, count: usize) {
    let (began, before) = (std::time::Instant::now(), arrived());
    while arrived() < before + count {
        assert!(began.elapsed() < PATIENCE, "{}", service.said());
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

/// The most calls that arrived within one second, of those from a time on.
fn fullest(from: i64) -> usize {
    let mut calls = CALLS.lock().unwrap().clone();
    calls.sort_unstable();
    let calls = &calls[calls.partition_point(|call| *call < from)..];
    let within =
        |first: usize| calls[first..].iter().take_while(|call| **call < calls[first] + 1_000_000_000).count();
    (0..calls.len()).map(within).max().unwrap_or(0)
}

#[test]
fn a_rate_that_is_read_again_holds_for_all_runs_together_and_what_throttling_taught_holds_on() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let clouds = runtime
        .block_on(Simcloud::start(Options {
            aws: AwsEstate { instances: 1, nasty: false, ..AwsEstate::default() },
            log: Some(|line| {
                if line.contains("DescribeInstances") {
                    CALLS.lock().unwrap().push(SystemClock.now());
                }
            }),
            ..Options::default()
        }))
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let configure = |rate: u32| {
        let keys = clouds.keys();
        let text = format!(
            "state = \"state\"\n[service]\nlisten = \"127.0.0.1:0\"\n[datakits.datakit]\nurl = \"{}\"\n[endpoints]\naws = \"{}\"\n[limits]\n\"aws.ec2.DescribeInstances\" = {rate}\n[env]\nAWS_AK_ID = \"{}\"\nAWS_AK_SECRET = \"{}\"\n",
            clouds.datakit_url(),
            clouds.aws_url(),
            keys.access_key,
            keys.secret_key,
        );
        write(folder.path(), "funchost.toml", &text);
    };
    write(folder.path(), "scripts/demo/main.rhai", SCRIPT);
    configure(10);
    let mut command = Command::new(env!("CARGO_BIN_EXE_funchost"));
    command.arg("serve").current_dir(folder.path()).env_clear().env("HOME", folder.path());
    let service = Serving::start(command);
    let run = |name: &str, count: u32| {
        let body = json!({ "kwargs": { "name": name, "count": count } }).to_string();
        let (status, answer) = service.ask("POST", "/api/v1/async/demo__main.calls", &body);
        assert_eq!(status, 200, "{answer:#}");
        answer["data"]["id"].as_i64().unwrap()
    };
    let reads = |times: usize| {
        let began = std::time::Instant::now();
        while service.said().matches("the configuration was read again").count() < times {
            assert!(began.elapsed() < PATIENCE, "{}", service.said());
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        SystemClock.now()
    };
    run("before", 100_000);
    until_more(&service, 10);
    configure(12);
    reads(1);
    // One run goes on with what it was begun with, another begins with what was read.
    run("after", 100_000);
    until_more(&service, 30);
    let of_both = fullest(0);
    assert!(of_both <= 12 + 2, "{of_both} calls in one second");
    assert!(
        of_both >= 6,
        "{of_both} calls in the fullest second: the rate was never near, so that this shows nothing"
    );
    configure(3);
    let lower = reads(2);
    until_more(&service, 6);
    let of_both = fullest(lower);
    assert!(of_both <= 3 + 2, "{of_both} calls in one second");

    // What the cloud's refusals taught is known after the next edit, too.
    clouds.fault(Fault {
        service: None,
        action: Some("DescribeInstances".into()),
        region: None,
        skip: 0,
        times: 2,
        kind: FaultKind::Throttle,
    });
    until_more(&service, 3);
    configure(20);
    reads(3);
    let id = run("last", 1);
    let ended = service.until(&format!("/api/v1/runs/{id}"), |data| data["final"] == true);
    assert_eq!(ended["status"], "success", "{ended:#}");
    let told = ended.to_string();
    assert!(told.contains("ec2:DescribeInstances was throttled 2 times in cn-north-1"), "{ended:#}");
    assert!(fullest(0) <= 20 + 3);
}

/// Whole or not at all, as editors do it.
fn write(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let temporary = path.with_extension("new");
    std::fs::write(&temporary, text).unwrap();
    std::fs::rename(temporary, path).unwrap();
}
