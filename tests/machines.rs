//! Several machines over one PostgreSQL: each tick's work is done once, whoever dies.
//!
//! Three processes of `funchost serve` share a state and a clock that runs 60 times faster. Every ten seconds one of them is killed and
//! another started. At the end every trigger has one successful run for each tick, every point has arrived, and the account was
//! never called faster than its rate.
//!
//! The rate is a matter of true seconds, however fast the clock of the triggers runs. It is looked at in three places: the turns that the
//! database gave, the calls as they went (each machine tells which turn it used, and how late), and the calls as they reached the cloud. In the first two no second holds more than the rate, exactly. Behind them lies a network and two
//! processors for all of it, so that what two calls are apart when they arrive is a matter of luck: how much, is measured.
//!
//! `FUNCHOST_TICKS=10` (`.ci/run --long`) makes it 200 triggers and ten ticks each; else it is a small part of that.

#![allow(clippy::disallowed_methods, reason = "a test waits for another process")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test may panic, and say what it saw"
)]

#[path = "support/postgres.rs"]
mod server;
mod support;

use funchost_collectors::call::TURNS;
use funchost_collectors::clock::{Clock as _, SystemClock};
use server::Server;
use simcloud::{AwsEstate, Options, Simcloud};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use support::FastClock;
use tracing_subscriber::Layer as _;
use tracing_subscriber::layer::SubscriberExt as _;

const CHILD: &str = "FUNCHOST_TEST_MACHINE_CHILD";
/// How much faster the clock runs.
const FACTOR: u32 = 60;
/// Calls a second for the account, whoever makes them.
const RATE: usize = 40;
const INSTANCES: usize = 2;
const REGION: &str = "cn-northwest-1";

/// When each call reached the cloud, nanoseconds since 1970 of the machine's clock: the one that the database has, too.
static CALLS: Mutex<Vec<i64>> = Mutex::new(Vec::new());

/// How long the cloud thinks about a call: then it notes it. So that there is work to be in the midst of.
const LATENCY: Duration = Duration::from_millis(300);

const SCRIPT: &str = r#"
import "guance_integration__runner" as integration;
import "guance_aws_ec2__main" as aws_ec2;

@DFF.API("collects", timeout = 600, expires = 7200)
fn run(trigger) {
    let account = #{
        ak_id: DFF.ENV("AWS_AK_ID"),
        ak_secret: DFF.ENV("AWS_AK_SECRET"),
        extra_tags: #{ trigger: trigger },
    };
    Runner([aws_ec2::DataCollector(account, #{ regions: ["cn-northwest-1"] })]).run();
}
"#;

/// The child: a machine.
#[test]
fn child_serves() {
    let Ok(told) = std::env::var(CHILD) else { return };
    let (base, folder) = told.split_once('=').unwrap();
    let turns =
        std::fs::File::create(Path::new(folder).join(format!("turns-{}", std::process::id()))).unwrap();
    let told =
        tracing_subscriber::fmt::layer().with_ansi(false).without_time().with_writer(Mutex::new(turns));
    let only = tracing_subscriber::filter::Targets::new().with_target(TURNS, tracing::Level::TRACE);
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(told.with_filter(only)))
        .unwrap();
    let surroundings = funchost::cli::Surroundings {
        arguments: vec!["serve".into(), "--role".into(), "scheduler,worker".into()],
        variables: [("HOME".to_owned(), folder.to_owned())].into(),
        directory: Path::new(folder).to_owned(),
        clock: Arc::new(FastClock { base: base.parse().unwrap(), factor: FACTOR }),
        stdout: Arc::new(Mutex::new(std::io::stdout())),
        stderr: Arc::new(Mutex::new(std::io::stderr())),
        color: false,
        masker: Arc::default(),
    };
    assert_eq!(funchost::cli::main(&surroundings), 0);
}

/// Ends with the test, however that ends.
struct Machine(Child);

impl Machine {
    fn start(base: i64, folder: &Path) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "child_serves", "--nocapture", "--test-threads=1"]);
        command.env(CHILD, format!("{base}={}", folder.display()));
        Self(command.stdout(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// One answer of the database, as lines of columns.
fn rows(server: &Server, schema: &str, text: &str) -> Vec<Vec<String>> {
    let answer = server.sql(&format!("SET search_path = {schema}; {text}"));
    answer.lines().map(|line| line.split('|').map(str::to_owned).collect()).collect()
}

#[test]
fn each_ticks_work_is_done_once_whoever_dies() {
    let long = std::env::var("FUNCHOST_TICKS").ok().and_then(|ticks| ticks.parse::<usize>().ok());
    let (triggers, ticks) = match long {
        Some(ticks) => (200, ticks),
        None => (60, 2),
    };
    let server = Server::start();
    let url = server.url();
    let schema = url.rsplit("%3D").next().unwrap().to_owned();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let clouds = runtime
        .block_on(Simcloud::start(Options {
            aws: AwsEstate { instances: INSTANCES, nasty: false, ..AwsEstate::default() },
            log: Some(|line| {
                if line.contains("DescribeInstances") {
                    CALLS.lock().unwrap().push(SystemClock.now());
                }
            }),
            latency: LATENCY,
            ..Options::default()
        }))
        .unwrap();
    let clouds = Arc::new(clouds);
    let clock = FastClock::new(FACTOR);
    // The clouds' clock runs with the machines'.
    let done = Arc::new(AtomicBool::new(false));
    let ticking = {
        let (clouds, done) = (clouds.clone(), done.clone());
        std::thread::spawn(move || {
            while !done.load(Ordering::Relaxed) {
                let passed = i64::try_from(began_ago(clock.base)).unwrap();
                clouds.set_clock_offset(passed * i64::from(FACTOR - 1) / 1000);
                std::thread::sleep(Duration::from_millis(5));
            }
        })
    };
    let folder = tempfile::tempdir().unwrap();
    let keys = clouds.keys();
    let mut config = format!(
        "state = \"{url}\"\n[service]\ntimezone = \"UTC\"\nlease = 120\nworkers = 16\nkeep_runs = 100000\n[datakits.datakit]\nurl = \"{}\"\n[endpoints]\naws = \"{}\"\n[limits]\n\"aws.ec2.DescribeInstances\" = {RATE}\n[env]\nAWS_AK_ID = \"{}\"\nAWS_AK_SECRET = \"{}\"\n",
        clouds.datakit_url(),
        clouds.aws_url(),
        keys.access_key,
        keys.secret_key,
    );
    for number in 0..triggers {
        config.push_str(&format!(
            "[[triggers]]\nid = \"t{number:03}\"\nfunc = \"demo__main.run\"\ncron = \"*/15 * * * *\"\nkwargs = {{ trigger = \"t{number:03}\" }}\n"
        ));
    }
    std::fs::write(folder.path().join("funchost.toml"), config).unwrap();
    std::fs::create_dir_all(folder.path().join("scripts/demo")).unwrap();
    std::fs::write(folder.path().join("scripts/demo/main.rhai"), SCRIPT).unwrap();

    let mut machines: Vec<Machine> = (0..3).map(|_| Machine::start(clock.base, folder.path())).collect();
    let began = Instant::now();
    let mut killed = 0_usize;
    let per_trigger = |server: &Server| -> BTreeMap<String, Vec<(i64, String)>> {
        let mut found: BTreeMap<String, Vec<(i64, String)>> = BTreeMap::new();
        for row in
            rows(server, &schema, "SELECT trigger_id, tick, status FROM run ORDER BY trigger_id, tick, id")
        {
            found.entry(row[0].clone()).or_default().push((row[1].parse().unwrap(), row[2].clone()));
        }
        found
    };
    let patience = Duration::from_secs(120 + 40 * ticks as u64);
    // Until the ticks have passed, with a kill in every ten seconds, in the midst of the work.
    let mut last_kill = began;
    loop {
        assert!(began.elapsed() < patience, "{:?}", per_trigger(&server));
        std::thread::sleep(Duration::from_millis(30));
        if !server_ready(&server, &schema) {
            continue;
        }
        if last_kill.elapsed() > Duration::from_secs(10) {
            let working = rows(&server, &schema, "SELECT worker FROM run WHERE status = 'running' LIMIT 1");
            let of = |machine: &Machine| {
                working.first().is_some_and(|row| row[0].contains(&format!("-{}-", machine.0.id())))
            };
            if let Some(place) = machines.iter().position(of) {
                // Killed, not stopped: it has no time to say goodbye.
                machines[place] = Machine::start(clock.base, folder.path());
                killed += 1;
                last_kill = Instant::now();
            }
        }
        let found = per_trigger(&server);
        if found.len() == triggers && found.values().all(|runs| runs.len() >= ticks) && killed >= ticks {
            break;
        }
    }
    // The triggers rest; what was asked for ends, also what a dead machine had.
    for number in 0..triggers {
        // One by one, in no one's way.
        rows(&server, &schema, &format!("UPDATE trigger_state SET paused = 1 WHERE id = 't{number:03}'"));
    }
    let found = loop {
        let found = per_trigger(&server);
        if found.values().flatten().all(|(_, status)| status != "queued" && status != "running") {
            break found;
        }
        assert!(began.elapsed() < patience, "{found:?}");
        std::thread::sleep(Duration::from_millis(200));
    };
    drop(machines);
    done.store(true, Ordering::Relaxed);
    ticking.join().unwrap();

    let (given, used) = turns(folder.path());
    println!("{} turns given, {} used, {killed} machines killed", given.len(), used.len());
    let unwell =
        rows(&server, &schema, "SELECT id, trigger_id, status, reason FROM run WHERE status <> 'success'");
    let first = found["t000"][0].0;
    let mut taken_over = 0;
    for (trigger, runs) in &found {
        for (number, (tick, status)) in runs.iter().enumerate() {
            let expected = first + number as i64 * 15 * 60 * 1_000_000_000;
            assert_eq!((*tick, status.as_str()), (expected, "success"), "{trigger}: {runs:?}; {unwell:?}");
        }
    }
    for row in rows(&server, &schema, "SELECT count(*) FROM run WHERE fence > 1") {
        taken_over += row[0].parse::<usize>().unwrap();
    }
    assert!(taken_over > 0, "no machine died in the midst of a run: this test shows nothing");
    // Every point of every tick, once: a run that one machine did alone has delivered each of its instances one time. Where a machine died,
    // what it had delivered may be there as well, whole, under the time of its own attempt; DataKit takes it as an older state of the same.
    let points = clouds.datakit().take_points();
    assert!(clouds.datakit().hidden().is_empty(), "DataKit changed points");
    let mut seen: BTreeMap<&str, BTreeMap<i64, Vec<&str>>> = BTreeMap::new();
    for point in &points {
        assert_eq!(point.tags["RegionId"], REGION);
        let attempts = seen.entry(&point.tags["trigger"]).or_default();
        attempts.entry(point.timestamp).or_default().push(&point.tags["name"]);
    }
    let mut counted = 0;
    for row in rows(&server, &schema, "SELECT trigger_id, tick, ended, fence FROM run") {
        let (tick, ended, fence) = (
            row[1].parse::<i64>().unwrap(),
            row[2].parse::<i64>().unwrap(),
            row[3].parse::<usize>().unwrap(),
        );
        let attempts: Vec<&Vec<&str>> = seen
            .get(row[0].as_str())
            .map_or_else(Vec::new, |attempts| attempts.range(tick..=ended).map(|(_, names)| names).collect());
        assert!((1..=fence).contains(&attempts.len()), "{row:?}: {attempts:?}");
        for names in attempts {
            let each: BTreeSet<&str> = names.iter().copied().collect();
            assert_eq!((names.len(), each.len()), (INSTANCES, INSTANCES), "{row:?}: {names:?}");
            counted += INSTANCES;
        }
    }
    assert_eq!(points.len(), counted, "there is no point that belongs to no run");
    let count: usize = found.values().map(Vec::len).sum();
    println!("{count} runs, {taken_over} taken over");
    rate_was_kept(&given, &used, count);
}

/// So long a call may be under way at the most: connecting takes 5 s, an answer 30.
const GIVEN_UP: i64 = 35_000_000_000;

/// What the machines, the dead ones too, told of turns: those that they were given, and those of them that they used with how late, nanoseconds.
fn turns(folder: &Path) -> (Vec<i64>, Vec<(i64, i64)>) {
    let (mut given, mut used) = (Vec::new(), Vec::new());
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        if !entry.file_name().to_string_lossy().starts_with("turns-") {
            continue;
        }
        for line in std::fs::read_to_string(entry.path()).unwrap().lines() {
            assert!(line.contains("ec2:DescribeInstances"), "{line}");
            let value = |name: &str| -> i64 {
                let found =
                    line.split_whitespace().find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
                found.unwrap_or_else(|| panic!("no {name}: {line}")).parse().unwrap()
            };
            if line.contains(": given ") {
                given.extend((0..value("count")).map(|number| value("first") + number * value("pause")));
            } else {
                used.push((value("turn"), value("late")));
            }
        }
    }
    given.sort_unstable();
    used.sort_unstable();
    (given, used)
}

/// The most of these times, which ascend, that lie in less than so many nanoseconds.
fn fullest(times: &[i64], span: i64) -> usize {
    let mut first = 0;
    let within = |(last, time): (usize, &i64)| {
        while time - times[first] >= span {
            first += 1;
        }
        last + 1 - first
    };
    times.iter().enumerate().map(within).max().unwrap_or(0)
}

/// How long the slowest was under way, at the least: of all ways to say which call is which, the one by which that is shortest. None where
/// there is no way: a call that nobody made.
fn slowest(went: &[i64], arrived: &[i64]) -> Option<i64> {
    let fits = |longest: i64| {
        let mut going = went.iter().copied().peekable();
        arrived.iter().all(|arrival| {
            while going.next_if(|went| arrival - went > longest).is_some() {}
            going.next_if(|went| went <= arrival).is_some()
        })
    };
    let (mut short, mut long) = (0, 3_600_000_000_000_i64);
    if !fits(long) {
        return None;
    }
    while short < long {
        let middle = short + (long - short) / 2;
        if fits(middle) { long = middle } else { short = middle + 1 }
    }
    Some(long)
}

/// In no second that can be cut out of time were there more turns, or did more calls go, than the rate allows.
fn rate_was_kept(given: &[i64], used: &[(i64, i64)], runs: usize) {
    const SECOND: i64 = 1_000_000_000;
    assert!(given.windows(2).all(|pair| pair[0] < pair[1]), "a turn was given twice");
    assert!(used.windows(2).all(|pair| pair[0].0 < pair[1].0), "a turn was used twice");
    assert!(
        used.iter().all(|(turn, _)| given.binary_search(turn).is_ok()),
        "a turn was used that nobody gave"
    );
    let mut went: Vec<i64> = used.iter().map(|(turn, late)| turn + late).collect();
    went.sort_unstable();
    let latency = i64::try_from(LATENCY.as_nanos()).unwrap();
    let mut arrived: Vec<i64> = CALLS.lock().unwrap().iter().map(|noted| noted - latency).collect();
    arrived.sort_unstable();
    assert!(arrived.len() >= runs, "{} calls for {runs} runs", arrived.len());
    let under_way = slowest(&went, &arrived).expect("a call arrived that had no turn");
    let [of_given, of_gone, of_arrived] = [given, &went, &arrived].map(|times| fullest(times, SECOND));
    println!(
        "{} calls arrived, {} ms under way at the most; in the fullest second {of_given} turns, {of_gone} calls gone, {of_arrived} arrived",
        arrived.len(),
        under_way / 1_000_000
    );
    assert!(of_given <= RATE, "{of_given} turns in one second");
    assert!(of_gone <= RATE, "{of_gone} calls went in one second");
    // What arrives within a second went within that and the time that the slowest was under way. There is no tighter bound of its own: behind a
    // call that went lie a connection and the work of a double, on processors that belong to others as well, and whatever number stood here would be a
    // time that was measured. Who waits longer than this has given the call up: see the path's `Options`.
    assert!(under_way <= GIVEN_UP, "{under_way} ns under way");
    assert!(of_arrived <= fullest(&went, SECOND + under_way), "{of_arrived} calls in one second");
    assert!(
        of_arrived >= RATE / 2,
        "{of_arrived} calls in the fullest second: the rate of {RATE} was never near, so that this shows nothing"
    );
}

/// Milliseconds since a moment of the machine's clock.
fn began_ago(base: i64) -> u64 {
    u64::try_from((SystemClock.now() - base) / 1_000_000).unwrap_or(0)
}

fn server_ready(server: &Server, schema: &str) -> bool {
    rows(
        server,
        schema,
        "SELECT count(*) FROM information_schema.tables WHERE table_schema = current_schema() AND table_name = 'run'",
    )[0][0]
        == "1"
}
