//! The console in a real browser: headless Chromium against the real program, simulated clouds and a simulated DataKit.
//!
//! `tests/browser/console.mjs` is what the reader of the page does and sees; here is the world around it. Screenshots of every view, at both
//! widths and in both languages, are left in `target/screenshots` to be looked at.

#![allow(clippy::disallowed_methods, reason = "a test waits for another process")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod support;

use funchost::money;
use funchost::state::runs::{Detail, End, NewRun, Origin, Runs as _, Status};
use funchost::state::{Sqlite, State as _};
use funchost_collectors::clock::{Clock, SECOND, SystemClock};
use simcloud::{AwsEstate, Options};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use support::World;
use support::service::Serving;

/// Must be seen nowhere.
const CANARY: &str = "canary-5dbd0a1f4c";
const TOKEN: &str = "token-that-opens-the-console-92ab";

const SCRIPT: &str = r#"
import "guance_integration__runner" as integration;
import "guance_aws_ec2__main" as aws_ec2;
import "guance_aws_cloudwatch__main" as aws_cloudwatch;

let account = #{
    ak_id: DFF.ENV("AWS_AK_ID"),
    ak_secret: DFF.ENV("AWS_AK_SECRET"),
    extra_tags: #{ account_name: "我的AWS账号" },
};

@DFF.API("同步云资产 Cloud assets", timeout = 120)
fn run() {
    for step in 1..=4 {
        print(`step ${step} of 4`);
        sleep(1);
    }
    let regions = ["cn-north-1", "cn-northwest-1"];
    Runner([
        aws_ec2::DataCollector(account, #{ regions: regions }),
        aws_cloudwatch::DataCollector(account, #{
            regions: regions,
            targets: [ #{ namespace: "AWS/EC2", metrics: ["*cpu*"] } ],
        }),
    ]).run();
    print("all said");
}

@DFF.API("Fails <img src=x onerror=alert(1)>", timeout = 20)
fn fails() {
    print(`the key is ${DFF.ENV("CANARY_SECRET")}`);
    let account = #{ key: DFF.ENV("CANARY_SECRET") };
    throw `the cloud refused ${account.key}: <b>not</b> allowed`;
}

@DFF.API("Greets somebody")
fn greet(name, times) {
    print(`hello ${name}, ${times} times`);
    #{ greeting: `hi ${name}`, times: times + 1 }
}

@DFF.API("Goes on until it is stopped", timeout = 600)
fn long() {
    print("begun");
    sleep(300);
}
"#;

fn first_of(candidates: &[&str], what: &str) -> PathBuf {
    candidates.iter().map(PathBuf::from).find(|path| path.exists()).unwrap_or_else(|| {
        panic!(
            "{what} is missing: install it, such as with `apt-get install chromium nodejs npm fonts-noto-cjk`"
        )
    })
}

/// What the page is driven and judged with, from npm, as the lock file says; made once.
fn modules() -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser");
    let lock = std::fs::read_to_string(source.join("package-lock.json")).unwrap();
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("browser");
    let stamp = target.join("installed.json");
    if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == lock) {
        return target;
    }
    std::fs::create_dir_all(&target).unwrap();
    for file in ["package.json", "package-lock.json"] {
        std::fs::copy(source.join(file), target.join(file)).unwrap();
    }
    let npm = first_of(&["/usr/bin/npm", "/usr/local/bin/npm"], "npm");
    support::python::run(
        Command::new(npm).args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(&target),
    );
    std::fs::write(&stamp, lock).unwrap();
    target
}

/// A day and a month that lie behind: what ran, how it ended, what was called.
async fn past(folder: &Path, aws: &str) {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let store = Sqlite::open(&folder.join("state"), clock.clone()).await.unwrap();
    let now = clock.now();
    for number in 0..180_i64 {
        let at = now - (180 - number) * 480 * SECOND;
        let (func, trigger) = match number % 3 {
            0 => ("my_aws__main.run", Some("assets")),
            1 => ("my_aws__main.fails", Some("fails")),
            _ => ("my_aws__main.greet", None),
        };
        let skipped = number % 37 == 0 && trigger.is_some();
        let run = NewRun {
            func: func.into(),
            origin: if trigger.is_some() { Origin::Cron } else { Origin::Async },
            trigger: trigger.map(Into::into),
            tick: trigger.map(|_| at),
            delay: 0,
            ticks: 1,
            kwargs: "{}".into(),
            status: if skipped { Status::Skip } else { Status::Queued },
            reason: skipped.then(|| "run 12 of the same trigger had not finished".into()),
            created: at,
            due: at,
            expires: at + 900 * SECOND,
            timeout: None,
        };
        if skipped {
            store.enqueue(&run).await.unwrap();
            continue;
        }
        let failed = number % 17 == 4;
        let end = End {
            status: if failed { Status::Failure } else { Status::Success },
            reason: failed.then(|| "failed: aws_cloudwatch".into()),
            detail: Detail::default(),
            points: Some(if failed { 0 } else { 420 + number }),
            calls: Some(12),
        };
        store.record(&run, at, &end, at + (1 + number % 9) * SECOND).await.unwrap();
    }
    let at = now - 7200 * SECOND;
    let by_hand = NewRun {
        func: "my_aws__main.run".into(),
        origin: Origin::Command,
        trigger: None,
        tick: None,
        delay: 0,
        ticks: 1,
        kwargs: "{}".into(),
        status: Status::Running,
        reason: None,
        created: at,
        due: at,
        expires: at,
        timeout: None,
    };
    let end = End {
        status: Status::Success,
        reason: None,
        detail: Detail::default(),
        points: Some(7),
        calls: Some(2),
    };
    store.record(&by_hand, at, &end, at + SECOND).await.unwrap();
    let aliyun = "aliyun/LTAI5tSimulated";
    for day in 1..=28_u64 {
        let day_name = format!("{}-{day:02}", money::month(now));
        if day_name > money::day(now) {
            break;
        }
        let aws_counts = BTreeMap::from([
            ("ec2:DescribeInstances".to_owned(), 192),
            ("monitoring:ListMetrics".to_owned(), 288),
            ("monitoring:GetMetricData".to_owned(), 2_880),
            ("monitoring:GetMetricData metrics".to_owned(), 40_000 + day * 700),
        ]);
        store.count_calls(&day_name, aws, &aws_counts).await.unwrap();
        let counts = BTreeMap::from([
            ("cms:DescribeMetricList".to_owned(), 31_000 + day * 110),
            ("ecs:DescribeInstances".to_owned(), 96),
        ]);
        store.count_calls(&day_name, aliyun, &counts).await.unwrap();
    }
    money::note_partition(&store, aws, "aws-cn", now).await.unwrap();
}

#[test]
fn a_reader_with_a_browser() {
    let chromium = first_of(&["/usr/bin/chromium", "/usr/bin/chromium-browser"], "Chromium");
    let node = first_of(&["/usr/bin/node", "/usr/local/bin/node"], "Node.js");
    let modules = modules();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let aws = AwsEstate { instances: 6, nasty: false, ..AwsEstate::default() };
    let mut world = runtime.block_on(World::new(Options { aws, ..Options::default() }));
    world.variables.insert("CANARY_SECRET".into(), CANARY.into());
    world.write("scripts/my_aws/main.rhai", SCRIPT);
    world.write("scripts/broken/main.rhai", "@DFF.API(\"never loads\")\nfn run() { let x = ; }\n");
    let config = world.folder.path().join("funchost.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    world.write(
        "funchost.toml",
        &format!(
            r#"scripts = "scripts"
{text}
[service]
listen = "127.0.0.1:0"
token = "{TOKEN}"
timezone = "Asia/Shanghai"
[budget]
calls = 2_000_000
[[triggers]]
id = "assets"
func = "my_aws__main.run"
cron = "0 0 1 1 *"
[[triggers]]
id = "fails"
func = "my_aws__main.fails"
cron = "30 2 1 1 *"
[[triggers]]
id = "orphan"
func = "my_aws__main.rum"
cron = "*/5 * * * *"
"#
        ),
    );
    let account = format!("aws/{}", world.variables["AWS_AK_ID"]);
    runtime.block_on(past(world.folder.path(), &account));
    let service = Serving::start(world.command(&["serve"]));

    let bare = tempfile::tempdir().unwrap();
    std::fs::create_dir(bare.path().join("scripts")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_funchost"));
    command.args(["serve", "--listen", "127.0.0.1:0"]).current_dir(bare.path()).env_clear();
    command.env("HOME", bare.path()).env("FUNCHOST_STATE", "state");
    let empty = Serving::start(command);

    let screenshots = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("screenshots");
    std::fs::create_dir_all(&screenshots).unwrap();
    let told = serde_json::json!({
        "url": format!("http://{}/", service.address),
        "empty": format!("http://{}/", empty.address),
        "token": TOKEN,
        "secrets": [CANARY, TOKEN, world.variables["AWS_AK_SECRET"]],
        "chromium": chromium,
        "modules": modules,
        "screenshots": screenshots,
        "profile": bare.path().join("profile"),
    });
    let output = Command::new(node)
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser/console.mjs"))
        .env("FUNCHOST_CONSOLE", told.to_string())
        .output()
        .unwrap();
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}");
    println!("{said}");
    // What was done by hand is in the state, not in the page alone.
    let paused = runtime.block_on(async {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let store = Sqlite::open(&world.folder.path().join("state"), clock).await.unwrap();
        store.triggers().await.unwrap().into_iter().find(|row| row.id == "assets").unwrap().paused
    });
    assert!(!paused, "it was resumed at the end");
    assert!(std::fs::read_dir(&screenshots).unwrap().count() >= 28);
    runtime.shutdown_timeout(Duration::from_secs(1));
}
