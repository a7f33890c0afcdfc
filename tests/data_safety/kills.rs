//! Killed at any moment: real processes that run the real script against the simulated clouds.

use crate::support::{World, aws_script, in_process, ran};
use funchost::money::metrics_key;
use funchost::state::{Commit, FILE_NAME, Parcel, Sqlite, State};
use funchost_collectors::clock::{Clock as _, SystemClock};
use simcloud::{AwsEstate, DataKitBehaviour, Fault, FaultKind, Options, ReceivedPoint, Simcloud};
use sqlx::ConnectOptions as _;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

const CHINA: &str = "cn-northwest-1";
const METRIC: &str = "CPUUtilization";
const MINUTE: i64 = 60;

async fn world() -> World {
    let aws = AwsEstate { instances: 3, metrics: 3, nasty: false, ..AwsEstate::default() };
    World::new(Options { aws, ..Options::default() }).await
}

/// The same metric in another letter case: another claim, so that nobody waits for that of a killed process; but the same marks.
fn spelt(number: usize) -> String {
    METRIC
        .chars()
        .enumerate()
        .map(
            |(at, letter)| {
                if number >> at & 1 == 1 { letter.to_ascii_uppercase() } else { letter.to_ascii_lowercase() }
            },
        )
        .collect()
}

fn only_cloudwatch(pattern: &str) -> String {
    let script = aws_script(&[CHINA], &format!("{pattern:?}"));
    script
        .lines()
        .filter(|line| !line.contains("aws_ec2::DataCollector"))
        .map(|line| format!("{line}\n"))
        .collect()
}

/// Says to this program that it is the child that is killed: where it works, and how many seconds its clock is ahead.
const CHILD: &str = "FUNCHOST_TEST_KILLED";

/// This test program again, as a process that runs the whole program once under a clock of its own.
fn start(world: &World, test: &str, seconds: i64) -> std::process::Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(CHILD, format!("{seconds}={}", world.folder.path().display()))
        .envs(&world.variables)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// As spread over a whole as a number can be: splitmix64.
fn random(number: u64) -> u64 {
    let mut seed = number.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    seed = (seed ^ (seed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    seed = (seed ^ (seed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    seed ^ (seed >> 31)
}

async fn is_whole(world: &World) {
    let file = world.folder.path().join("state").join(FILE_NAME);
    if !std::fs::metadata(&file).is_ok_and(|found| found.len() > 0) {
        return;
    }
    let mut connection = sqlx::sqlite::SqliteConnectOptions::new().filename(&file).connect().await.unwrap();
    let says: Vec<String> =
        sqlx::query_scalar("PRAGMA integrity_check").fetch_all(&mut connection).await.unwrap();
    assert_eq!(says, ["ok"]);
    sqlx::Connection::close(connection).await.unwrap();
}

/// The child: runs the whole program once, under the clock that it was told.
fn is_child() -> bool {
    let Ok(told) = std::env::var(CHILD) else { return false };
    let (seconds, folder) = told.split_once('=').unwrap();
    let variables = std::env::vars().filter(|(name, _)| name.starts_with("AWS_")).collect();
    in_process(Path::new(folder), &variables, seconds.parse().unwrap(), &["run", "my_aws/main.rhai"]);
    true
}

/// What was done to runs, and the clouds' time by then.
struct Disturbed {
    begun: i64,
    offset: i64,
    runs: usize,
    killed: usize,
}

impl Disturbed {
    fn later(&mut self, world: &World, others: &[Simcloud], seconds: i64) {
        self.runs += 1;
        self.offset += seconds;
        world.clouds.set_clock_offset(self.offset);
        for other in others {
            other.set_clock_offset(self.offset);
        }
    }
}

/// Runs and kills until so many were killed, while every DataKit has moods of its own.
async fn disturb(
    world: &World,
    others: &[Simcloud],
    test: &str,
    kills: usize,
    script: impl Fn(usize) -> String,
) -> Disturbed {
    let begun = SystemClock.now() / 1_000_000_000;
    let mut done = Disturbed { begun, offset: 0, runs: 0, killed: 0 };
    // How long an undisturbed run takes here and now.
    let mut whole = Duration::from_millis(1);
    while done.killed < kills {
        // A minute and a half later by all clocks: every run has something new.
        done.later(world, others, 90);
        let number = done.runs;
        for (place, clouds) in std::iter::once(&world.clouds).chain(others).enumerate() {
            let datakit = match random((number + place * 1000) as u64 * 3) % 5 {
                0 => DataKitBehaviour::Status(403),
                1 => DataKitBehaviour::Status(503),
                2 => DataKitBehaviour::ResetAfterBody,
                _ => DataKitBehaviour::Accept,
            };
            clouds.datakit().set_behaviour_for(datakit, 3);
        }
        world.write("my_aws/main.rhai", &script(number));
        let since = Instant::now();
        let mut process = start(world, test, done.offset);
        // At any moment of it: the first ones say how long it takes.
        let moment = whole.mul_f64((random(number as u64) % 1000) as f64 / 1000.0);
        let alive = loop {
            match process.try_wait().unwrap() {
                Some(_) => break false,
                None if since.elapsed() >= moment && number > 2 => break true,
                None => tokio::time::sleep(Duration::from_micros(200)).await,
            }
        };
        if alive {
            process.kill().unwrap();
            done.killed += 1;
        } else {
            whole = whole.max(since.elapsed());
        }
        process.wait().unwrap();
        is_whole(world).await;
    }
    done
}

/// Every datapoint since the first run is there, each with one value, under its own time; and nothing else is.
fn are_all_there(world: &World, done: &Disturbed, points: Vec<ReceivedPoint>) {
    let mut arrived: BTreeMap<(String, i64), BTreeSet<String>> = BTreeMap::new();
    for point in points.into_iter().filter(|point| point.category == "metric") {
        let place = (point.tags["InstanceId"].clone(), point.timestamp / 1_000_000_000);
        // The order of tags says nothing: they come from memory, or from the state.
        arrived.entry(place).or_default().insert(format!("{:?} {:?}", point.tags, point.fields));
    }
    let mut missing = Vec::new();
    for instance in world.clouds.instances(CHINA) {
        let dimensions = vec![("InstanceId".to_owned(), instance.id.clone())];
        let end = SystemClock.now() / 1_000_000_000 + done.offset - 3 * MINUTE;
        let mut at = done.begun - done.begun % MINUTE;
        while at < end {
            if world.clouds.datapoint(CHINA, "AWS/EC2", METRIC, &dimensions, at).is_some() {
                match arrived.get(&(instance.id.clone(), at)) {
                    None => missing.push((instance.id.clone(), at)),
                    Some(lines) => assert_eq!(lines.len(), 1, "half-written or invented: {lines:?}"),
                }
            }
            at += MINUTE;
        }
    }
    assert!(
        missing.is_empty(),
        "after {} kills in {} runs {} are missing, {} arrived: {missing:?}, {:?}",
        done.killed,
        done.runs,
        missing.len(),
        arrived.len(),
        arrived.keys()
    );
    for (instance, at) in arrived.keys() {
        let dimensions = vec![("InstanceId".to_owned(), instance.clone())];
        let truth = world.clouds.datapoint(CHINA, "AWS/EC2", METRIC, &dimensions, *at);
        assert!(truth.is_some(), "{instance} at {at} is invented");
    }
}

/// `.ci/run --long` asks for more.
fn kills() -> usize {
    std::env::var("FUNCHOST_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(20)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_killed_at_any_moment_loses_nothing_and_doubles_nothing() {
    const TEST: &str = "kills::a_process_killed_at_any_moment_loses_nothing_and_doubles_nothing";
    if is_child() {
        return;
    }
    let world = world().await;
    let mut done = disturb(&world, &[], TEST, kills(), |number| only_cloudwatch(&spelt(number))).await;
    // Two undisturbed runs: the next one works, and what was left is caught up with.
    world.clouds.datakit().set_behaviour(DataKitBehaviour::Accept);
    for _ in 0..2 {
        done.later(&world, &[], 90);
        world.write("my_aws/main.rhai", &only_cloudwatch(&spelt(done.runs)));
        let ran = world.run_at(done.offset, &["run", "my_aws/main.rhai", "--output", "json"]);
        assert_eq!(ran.code, 0, "{ran:?}");
        assert_eq!(ran.json()["outbox"]["waiting"], 0, "{ran:?}");
    }
    assert!(world.clouds.datakit().hidden().is_empty(), "{:?}", world.clouds.datakit().hidden());
    are_all_there(&world, &done, world.clouds.datakit().points());
}

/// Objects and their metrics, for one DataKit and then for another.
fn to_two_datakits(pattern: &str) -> String {
    let script = aws_script(&[CHINA], &format!("{pattern:?}"));
    let once = "    Runner(collectors).run();";
    assert!(script.contains(once));
    script.replace(once, &format!("{once}\n    Runner(collectors, datakit_id = \"dk2\").run();"))
}

#[tokio::test(flavor = "multi_thread")]
async fn so_do_objects_and_metrics_for_two_datakits_beside_an_outbox_that_is_full() {
    const TEST: &str = "kills::so_do_objects_and_metrics_for_two_datakits_beside_an_outbox_that_is_full";
    const LIMIT: u64 = 1 << 20;
    if is_child() {
        return;
    }
    let world = world().await;
    let second = Simcloud::start(Options::default()).await.unwrap();
    let config = std::fs::read_to_string(world.folder.path().join("funchost.toml")).unwrap();
    let more = format!("[datakits.dk2]\nurl = \"{}\"\n[outbox]\nlimit = \"1MiB\"\n", second.datakit_url());
    world.write("funchost.toml", &format!("{config}{more}"));
    // What others left fills it: what is kept now pushes that out, the oldest first, and nothing of its own.
    let state = Sqlite::open(&world.folder.path().join("state"), Arc::new(SystemClock)).await.unwrap();
    let parcel = |number: u64| Parcel {
        id: 0,
        datakit: "gone".into(),
        category: "metric".into(),
        created: SystemClock.now(),
        oldest: SystemClock.now(),
        points: number,
        body: vec![7; (LIMIT / 256) as usize],
    };
    let kept = (1..=256).map(parcel).collect();
    state.commit(Commit { kept, ..Commit::default() }, u64::MAX).await.unwrap();
    state.close().await;

    let others = [second];
    let kills = kills().div_ceil(4);
    let mut done = disturb(&world, &others, TEST, kills, |number| to_two_datakits(&spelt(number))).await;
    for clouds in [&world.clouds, &others[0]] {
        clouds.datakit().set_behaviour(DataKitBehaviour::Accept);
    }
    let state = Sqlite::open(&world.folder.path().join("state"), Arc::new(SystemClock)).await.unwrap();
    let bytes: u64 = state.outbox_sizes().await.unwrap().iter().map(|size| size.3).sum();
    assert!(bytes <= LIMIT, "{bytes}");
    let left = state.waiting(Some("gone")).await.unwrap();
    let numbers: Vec<u64> = left.iter().map(|parcel| parcel.points).collect();
    let newest: Vec<u64> = (257 - left.len() as u64..=256).collect();
    assert_eq!(numbers, newest, "the oldest went first");
    state.close().await;
    // Undisturbed: once what killed processes had claimed is free again, and the objects are due.
    for seconds in [30 * MINUTE, 90] {
        done.later(&world, &others, seconds);
        world.write("my_aws/main.rhai", &to_two_datakits(&spelt(done.runs)));
        let ran = world.run_at(done.offset, &["run", "my_aws/main.rhai", "--output", "json"]);
        assert_eq!(ran.code, 0, "{ran:?}");
    }
    let names: BTreeSet<String> = world.clouds.instances(CHINA).into_iter().map(|one| one.id).collect();
    for clouds in [&world.clouds, &others[0]] {
        assert!(clouds.datakit().hidden().is_empty(), "{:?}", clouds.datakit().hidden());
        let points = clouds.datakit().points();
        let objects: BTreeSet<String> = points
            .iter()
            .filter(|point| point.category == "custom_object")
            .map(|point| point.tags["name"].clone())
            .collect();
        assert_eq!(objects, names);
        are_all_there(&world, &done, points);
    }
    let state = Sqlite::open(&world.folder.path().join("state"), Arc::new(SystemClock)).await.unwrap();
    let waiting: Vec<String> = state.outbox_sizes().await.unwrap().into_iter().map(|size| size.0).collect();
    assert!(waiting.iter().all(|datakit| datakit == "gone"), "{waiting:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_calls_of_a_killed_process_are_counted() {
    let world = world().await;
    world.write("my_aws/main.rhai", &only_cloudwatch(METRIC));
    let hang = Fault {
        service: None,
        action: Some("GetMetricData".into()),
        region: None,
        skip: 0,
        times: 1000,
        kind: FaultKind::Hang,
    };
    world.clouds.fault(hang);
    let mut process = world
        .command(&["run", "my_aws/main.rhai"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let account = format!("aws/{}", world.clouds.keys().access_key);
    let day = || funchost::runner::rfc3339(SystemClock.now())[..10].to_owned();
    let first_day = day();
    let since = Instant::now();
    let counted = loop {
        // The process makes the file first.
        let folder = world.folder.path().join("state");
        let mut all = BTreeMap::new();
        if world.clouds.calls().contains_key("monitoring:GetMetricData") {
            let state = Sqlite::open(&folder, Arc::new(SystemClock)).await.unwrap();
            for day in BTreeSet::from([first_day.clone(), day()]) {
                all.extend(state.calls(&day, &account).await.unwrap());
            }
            state.close().await;
        }
        if all.len() == 3 || since.elapsed() > Duration::from_secs(60) {
            break all;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    process.kill().unwrap();
    process.wait().unwrap();
    let made = BTreeMap::from([
        ("monitoring:GetMetricData".to_owned(), 1),
        // As it is billed: counted before it is asked for.
        (metrics_key("monitoring:GetMetricData"), 3),
        ("monitoring:ListMetrics".to_owned(), 1),
    ]);
    assert_eq!(counted, made, "counted while the process still ran");
}

/// A file that may not grow any further stands for a disk that is full: the shell sets the limit and ignores its signal.
#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_said_and_the_next_run_catches_up() {
    let world = world().await;
    world.write("my_aws/main.rhai", &aws_script(&[CHINA], "[\"*\"]"));
    // The file exists, with room for nothing: everything that a run must write down fails.
    assert_eq!(world.binary(&["outbox", "list"]).code, 0);
    world.clouds.datakit().set_behaviour(DataKitBehaviour::Status(403));
    let pages = std::fs::metadata(world.folder.path().join("state").join(FILE_NAME)).unwrap().len() / 512;
    let mut shell = std::process::Command::new("sh");
    shell
        .args(["-c", &format!("trap '' XFSZ; ulimit -f {}; exec \"$0\" \"$@\"", pages / 2 + 16)])
        .arg(env!("CARGO_BIN_EXE_funchost"))
        .args(["run", "my_aws/main.rhai", "--output", "json"])
        .current_dir(world.folder.path())
        .env_clear()
        .envs(&world.variables)
        .env("PATH", std::env::var_os("PATH").unwrap_or_default());
    let full = ran(&shell.output().unwrap());
    assert_eq!(full.code, 1, "{full:?}");
    let text = format!("{}{}", full.stdout, full.stderr);
    assert!(text.contains("check its free space") || text.contains("is full: free some space"), "{text}");

    is_whole(&world).await;
    world.clouds.datakit().set_behaviour(DataKitBehaviour::Accept);
    let offset = 20 * MINUTE;
    world.clouds.set_clock_offset(offset);
    let next = world.run_at(offset, &["run", "my_aws/main.rhai", "--output", "json"]);
    assert_eq!(next.code, 0, "{next:?}");
    let points = world.clouds.datakit().points();
    let found: BTreeSet<&String> = points
        .iter()
        .filter(|point| point.category == "custom_object")
        .map(|point| &point.tags["name"])
        .collect();
    assert_eq!(found.len(), world.clouds.instances(CHINA).len(), "{next:?}");
}
