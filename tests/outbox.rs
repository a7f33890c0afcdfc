//! The outbox from outside: what DataKit does not take is kept, sent first and in order, bounded, and never sent under a wrong time; and the
//! commands that look at it.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

mod support;

use funchost::state::{Commit, Parcel, Sqlite, State};
use funchost_collectors::clock::SystemClock;
use simcloud::{AwsEstate, DataKitBehaviour, Options, ReceivedPoint};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use support::{World, aws_script};

const CHINA: &str = "cn-northwest-1";
const MINUTE: i64 = 60;
const RUN: &[&str] = &["run", "my_aws/main.rhai", "--output", "json"];

async fn world() -> World {
    let aws = AwsEstate { instances: 3, nasty: false, ..AwsEstate::default() };
    let world = World::new(Options { aws, ..Options::default() }).await;
    world.write("my_aws/main.rhai", &aws_script(&[CHINA], "[\"*cpu*\"]"));
    world
}

fn lines(points: &[ReceivedPoint]) -> Vec<&str> {
    points.iter().map(|point| point.line.as_str()).collect()
}

/// A run whose points DataKit refuses to take: how many are kept.
fn keep(world: &World, seconds: i64) -> u64 {
    world.clouds.set_clock_offset(seconds);
    world.clouds.datakit().set_behaviour(DataKitBehaviour::Status(403));
    let ran = world.run_at(seconds, RUN);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(world.clouds.datakit().points().is_empty());
    let report = ran.json();
    report["collectors"].as_array().unwrap().iter().map(|one| one["kept"].as_u64().unwrap()).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_goes_in_order_by_the_next_process_though_nothing_is_due() {
    let world = world().await;
    let kept = keep(&world, 0) + keep(&world, MINUTE);
    assert!(kept > 0);

    // Within the minute no collector is due; the points go all the same, by a process of its own.
    world.clouds.datakit().set_behaviour(DataKitBehaviour::Accept);
    world.clouds.reset_calls();
    let ran = world.run_at(MINUTE, RUN);
    assert_eq!(ran.code, 0, "{ran:?}");
    let report = ran.json();
    for collector in report["collectors"].as_array().unwrap() {
        assert_eq!(collector["status"], "skipped", "{report:#}");
    }
    assert!(world.clouds.calls().is_empty());
    assert_eq!(report["outbox"]["delivered"], kept);
    assert_eq!(report["outbox"]["waiting"], 0);
    assert_eq!(report["status"], "ok", "{report:#}");
    let points = world.clouds.datakit().points();
    assert_eq!(points.len() as u64, kept);
    assert_eq!(points[0].category, "custom_object", "the first collector of the first run");
    // The metrics of the first run all went before those of the second.
    let metrics: Vec<i64> =
        points.iter().filter(|point| point.category == "metric").map(|point| point.timestamp).collect();
    let newest = metrics.iter().max().unwrap();
    let second = metrics.iter().position(|time| time == newest).unwrap();
    assert!(metrics[..second].len() > metrics[second..].len(), "{metrics:?}");
    assert_eq!(lines(&points).into_iter().collect::<BTreeSet<_>>().len(), points.len(), "none came twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_was_lost_sends_the_same_points_and_times_again() {
    let world = world().await;
    // For ever: every attempt is taken and its answer lost; what was taken stays in the outbox, as nothing says that it was.
    world.clouds.datakit().set_behaviour(DataKitBehaviour::ResetAfterBody);
    let lost = world.run(RUN);
    assert_eq!(lost.code, 1, "{lost:?}");
    let taken = world.clouds.datakit().take_points();
    world.clouds.datakit().set_behaviour(DataKitBehaviour::Accept);
    let next = world.run(RUN);
    assert_eq!(next.code, 0, "{next:?}");
    let again = world.clouds.datakit().points();
    // The first collector's points were tried and taken; the others were kept at once.
    let known: BTreeSet<&str> = lines(&taken).into_iter().collect();
    let came = lines(&again);
    assert!(!known.is_empty());
    assert!(
        known.iter().all(|line| came.contains(line)),
        "the same points under the same times: nothing doubles"
    );
    assert_eq!(came.iter().collect::<BTreeSet<_>>().len(), came.len(), "now each once");
    let of = |point: &ReceivedPoint| {
        (
            point.measurement.clone(),
            point.tags.get("name").or(point.tags.get("InstanceId")).cloned(),
            point.timestamp,
        )
    };
    let mut by_identity: BTreeMap<_, BTreeSet<&str>> = BTreeMap::new();
    for point in taken.iter().chain(&again) {
        by_identity.entry((of(point), point.fields.keys().next().cloned())).or_default().insert(&point.line);
    }
    assert!(by_identity.values().all(|lines| lines.len() == 1), "one line for each point and time");
}

#[tokio::test(flavor = "multi_thread")]
async fn points_that_grow_too_old_are_dropped_counted_and_said() {
    let world = world().await;
    let kept = keep(&world, 0);
    // Two hours and a few minutes later half of the first window has grown too old.
    let later = 115 * MINUTE;
    world.clouds.set_clock_offset(later);
    world.clouds.datakit().set_behaviour(DataKitBehaviour::Accept);
    let sent = world.run_at(later, &["outbox", "send", "--output", "json"]);
    assert_eq!(sent.code, 1, "{sent:?}");
    let document = sent.json();
    let one = &document["datakits"][0];
    let (delivered, too_old) = (one["delivered"].as_u64().unwrap(), one["too_old"].as_u64().unwrap());
    assert!(delivered > 0 && too_old > 0, "{document:#}");
    assert_eq!(delivered + too_old, kept);
    assert_eq!(one["waiting"], 0);
    assert_eq!(world.clouds.datakit().points().len() as u64, delivered);
    assert!(world.clouds.datakit().hidden().is_empty(), "{:?}", world.clouds.datakit().hidden());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_is_cut_at_two_hours_and_the_loss_is_said() {
    let world = world().await;
    assert_eq!(world.run(RUN).code, 0);
    drop(world.clouds.datakit().take_points());
    let later = 5 * 60 * MINUTE;
    world.clouds.set_clock_offset(later);
    let ran = world.run_at(later, RUN);
    assert_eq!(ran.code, 0, "{ran:?}");
    let cloudwatch = ran.collector("aws_cloudwatch");
    let warnings = cloudwatch["warnings"].to_string();
    assert!(warnings.contains("3 h of metrics were not collected"), "{warnings}");
    let points = world.clouds.datakit().points();
    let oldest =
        points.iter().filter(|point| point.category == "metric").map(|point| point.timestamp).min().unwrap();
    let now = funchost_collectors::clock::Clock::now(&SystemClock) / 1_000_000_000 + later;
    let age = now - oldest / 1_000_000_000;
    assert!((118 * MINUTE - 60..=120 * MINUTE).contains(&age), "{age}");
    assert!(world.clouds.datakit().hidden().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_point_that_is_too_old_by_datakits_clock_alone_is_not_sent() {
    let world = world().await;
    let kept = keep(&world, 0);
    // This machine's clock is twenty minutes behind the clouds' and DataKit's: by its own nothing is too old yet.
    world.clouds.set_clock_offset(125 * MINUTE);
    world.clouds.datakit().set_behaviour(DataKitBehaviour::Accept);
    let sent = world.run_at(105 * MINUTE, &["outbox", "send", "--output", "json"]);
    assert_eq!(sent.code, 1, "what is lost is no success: {sent:?}");
    assert_eq!(sent.json()["datakits"][0]["too_old"], kept, "{sent:?}");
    assert!(world.clouds.datakit().points().is_empty());
    assert!(world.clouds.datakit().hidden().is_empty(), "{:?}", world.clouds.datakit().hidden());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_outbox_loses_its_oldest_points_and_says_so_loudly() {
    use funchost_collectors::clock::Clock as _;
    const LIMIT: usize = 1 << 20;
    let world = world().await;
    let config = std::fs::read_to_string(world.folder.path().join("funchost.toml")).unwrap();
    world.write("funchost.toml", &format!("{config}[outbox]\nlimit = \"1MiB\"\n"));
    // Full to the last byte, by four parcels of another DataKit.
    let state = Sqlite::open(&world.folder.path().join("state"), Arc::new(SystemClock)).await.unwrap();
    let now = SystemClock.now();
    let parcel = |points| Parcel {
        id: 0,
        datakit: "other".into(),
        category: "metric".into(),
        created: now,
        oldest: now,
        points,
        body: vec![7; LIMIT / 4],
    };
    let kept = (1..=4).map(|number| parcel(number * 1000)).collect();
    state.commit(Commit { kept, ..Commit::default() }, u64::MAX).await.unwrap();
    state.close().await;

    world.clouds.datakit().set_behaviour(DataKitBehaviour::Status(403));
    let full = world.run(RUN);
    assert_eq!(full.code, 1, "{full:?}");
    let report = full.json();
    assert_eq!(report["outbox"]["evicted"], 1000, "the oldest alone made room: {report:#}");
    let warnings = report["warnings"].to_string();
    assert!(warnings.contains("1000 points are LOST: the outbox is full (1048576 bytes)"), "{warnings}");
    let listed = world.run(&["outbox", "list", "--output", "json"]).json();
    let parcels = listed["parcels"].as_array().unwrap();
    let bytes: u64 = parcels.iter().map(|one| one["bytes"].as_u64().unwrap()).sum();
    assert!(bytes <= LIMIT as u64, "{listed:#}");
    let points: Vec<u64> = parcels.iter().map(|one| one["points"].as_u64().unwrap()).collect();
    assert_eq!(points[..3], [2000, 3000, 4000], "then the newest of all");
}

/// A parcel as the sink writes it, for a DataKit of this name.
async fn put(world: &World, datakits: &[&str]) {
    use funchost::sink::batch::Batch;
    use funchost_collectors::clock::Clock as _;
    let now = SystemClock.now();
    let state = Sqlite::open(&world.folder.path().join("state"), Arc::new(SystemClock)).await.unwrap();
    for (index, datakit) in datakits.iter().enumerate() {
        let mut batch = Batch::new(funchost_collectors::point::Category::Metric);
        for line in 0..=index {
            batch.push(format!("m,t={index} v={line}i {}", now - line as i64).as_bytes(), now);
        }
        let parcel = Parcel {
            id: 0,
            datakit: (*datakit).into(),
            category: "metric".into(),
            created: now,
            oldest: now,
            points: batch.len() as u64,
            body: batch.to_bytes(),
        };
        state.commit(Commit { kept: vec![parcel], ..Commit::default() }, u64::MAX).await.unwrap();
    }
    state.close().await;
}

/// Times and sizes differ from run to run.
fn steady(world: &World, text: &str) -> String {
    let text = text.replace(&world.clouds.datakit_url(), "DATAKIT");
    let sizes = text.split(" bytes").map(|part| part.trim_end_matches(|digit: char| digit.is_ascii_digit()));
    let text = sizes.collect::<Vec<_>>().join("# bytes");
    let sizes =
        text.split("\"bytes\": ").map(|part| part.trim_start_matches(|digit: char| digit.is_ascii_digit()));
    let text = sizes.collect::<Vec<_>>().join("\"bytes\": #");
    let mut steady = String::new();
    for line in text.lines() {
        let words: Vec<String> = line
            .split(' ')
            .map(|word| {
                let bare = word.trim_matches(['"', ',']);
                if bare.len() == 20 && bare.ends_with('Z') {
                    word.replace(bare, "TIME")
                } else {
                    word.to_owned()
                }
            })
            .collect();
        steady.push_str(words.join(" ").trim_end());
        steady.push('\n');
    }
    steady
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_can_be_listed_sent_and_dropped() {
    let world = world().await;
    let outbox = |arguments: &[&str]| {
        let ran = world.run(&[&["outbox"], arguments].concat());
        format!("exit {}\n{}{}", ran.code, steady(&world, &ran.stdout), steady(&world, &ran.stderr))
    };
    insta::assert_snapshot!("outbox_empty", outbox(&["list"]));
    assert_eq!(outbox(&["send"]), "exit 0\nnothing waits\n");
    assert_eq!(outbox(&["drop", "--all"]), "exit 0\nnothing waits: nothing was dropped\n");

    put(&world, &["datakit", "old", "datakit", "datakit"]).await;
    insta::assert_snapshot!("outbox_list", outbox(&["list"]));
    insta::assert_snapshot!("outbox_list_json", outbox(&["list", "--datakit", "old", "--output", "json"]));
    insta::assert_snapshot!("outbox_drop", outbox(&["drop", "3", "17"]));
    world.clouds.datakit().set_behaviour(DataKitBehaviour::Status(403));
    insta::assert_snapshot!("outbox_send_down", outbox(&["send"]));
    world.clouds.datakit().set_behaviour(DataKitBehaviour::Accept);
    insta::assert_snapshot!("outbox_send", outbox(&["send", "--datakit", "datakit"]));
    assert_eq!(world.clouds.datakit().points().len(), 1 + 4);
    insta::assert_snapshot!("outbox_send_json", outbox(&["send", "--output", "json"]));
    insta::assert_snapshot!("outbox_drop_json", outbox(&["drop", "--datakit", "old", "--output", "json"]));
    assert_eq!(outbox(&["list"]), outbox(&["list", "--datakit", "datakit"]));
    for (name, arguments) in [
        ("outbox_unknown_datakit", &["send", "--datakit", "datakti"][..]),
        ("outbox_drop_nothing_named", &["drop"]),
        ("outbox_drop_two_ways", &["drop", "3", "--all"]),
        ("outbox_help", &["--help"]),
        ("outbox_drop_help", &["drop", "--help"]),
    ] {
        insta::assert_snapshot!(name, outbox(arguments));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_of_a_parcel_keeps_its_place() {
    let world = world().await;
    put(&world, &["datakit", "datakit"]).await;
    let state = Sqlite::open(&world.folder.path().join("state"), Arc::new(SystemClock)).await.unwrap();
    let first = state.outbox("datakit", 0, 1).await.unwrap().remove(0);
    let rest = Parcel { points: 7, ..first.clone() };
    let commit = Commit { removed: vec![first.id], kept: vec![rest], ..Commit::default() };
    state.commit(commit, u64::MAX).await.unwrap();
    let waiting = state.waiting(None).await.unwrap();
    assert_eq!(waiting.iter().map(|one| one.points).collect::<Vec<_>>(), [7, 2]);
    state.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parcel_that_cannot_be_read_stops_nobody_and_is_said() {
    let world = world().await;
    put(&world, &["datakit"]).await;
    let state = Sqlite::open(&world.folder.path().join("state"), Arc::new(SystemClock)).await.unwrap();
    let first = state.outbox("datakit", 0, 1).await.unwrap().remove(0);
    let bad = Parcel { body: first.body[..first.body.len() / 2].to_vec(), points: 3, ..first.clone() };
    let commit =
        Commit { removed: vec![first.id], kept: vec![bad, Parcel { id: 0, ..first }], ..Commit::default() };
    state.commit(commit, u64::MAX).await.unwrap();
    state.close().await;
    let sent = world.run(&["outbox", "send", "--output", "json"]);
    assert_eq!(sent.code, 1, "{sent:?}");
    let one = &sent.json()["datakits"][0];
    assert_eq!((&one["rejected"], &one["delivered"], &one["waiting"]), (&3.into(), &1.into(), &0.into()));
}

/// DataKit overwrites times that are more than two hours from its own clock. Whichever clock is wrong: nothing goes out under another time, nothing is
/// lost, it is said, and once the clocks are right everything arrives.
#[tokio::test(flavor = "multi_thread")]
async fn clocks_that_differ_by_hours_rewrite_and_lose_nothing() {
    for (ours, datakits) in [(0, 3), (0, -3), (3, 0), (-3, 0), (3, -3)] {
        let name = format!("this machine {ours} h, DataKit {datakits} h");
        let world = world().await;
        world.clouds.datakit().set_clock_ahead(datakits * 60 * MINUTE);
        let first = world.run_at(ours * 60 * MINUTE, RUN);
        let hidden = world.clouds.datakit().hidden();
        assert!(hidden.is_empty(), "{name}: {hidden:?}");
        let report = first.json();
        let lost = |collector: &str, key: &str| first.collector(collector)[key].as_u64().unwrap();
        for collector in ["aws_ec2", "aws_cloudwatch"] {
            assert_eq!(
                (lost(collector, "too_old"), lost(collector, "rejected")),
                (0, 0),
                "{name}: {report:#}"
            );
        }
        if datakits != 0 {
            assert_eq!(first.code, 1, "{name}: {report:#}");
            assert!(report["outbox"]["waiting"].as_u64() > Some(0), "{name}: {report:#}");
        }
        let warnings = report["warnings"].to_string();
        assert!(
            warnings.contains("the clock of DataKit `datakit` is 3.0 h") || ours != 0,
            "{name}: {warnings}"
        );
        // Set right, five minutes later.
        world.clouds.datakit().set_clock_ahead(0);
        world.clouds.set_clock_offset(5 * MINUTE);
        let second = world.run_at(5 * MINUTE, &[RUN, &["--force"]].concat());
        assert_eq!(second.code, 0, "{name}: {second:?}");
        let hidden = world.clouds.datakit().hidden();
        assert!(hidden.is_empty(), "{name}: {hidden:?}");
        assert_eq!(second.json()["outbox"]["waiting"], 0, "{name}: {second:?}");
        let points = world.clouds.datakit().points();
        let times: std::collections::BTreeSet<i64> = points
            .iter()
            .filter(|point| point.category == "metric")
            .map(|point| point.timestamp / 1_000_000_000)
            .collect();
        // Ten minutes before the first run and the five until the second, without a gap.
        let (oldest, newest) = (times.first().unwrap(), times.last().unwrap());
        assert!(newest - oldest >= 12 * MINUTE, "{name}: {times:?}");
        assert_eq!(times.len() as i64, (newest - oldest) / MINUTE + 1, "{name}: {times:?}");
    }
}

/// What waits is dropped only where DataKit's clock says so as well.
#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_ahead_drops_nothing_from_the_outbox() {
    let world = world().await;
    let kept = keep(&world, 0);
    world.clouds.datakit().set_behaviour(DataKitBehaviour::Accept);
    let sent = world.run_at(180 * MINUTE, &["outbox", "send", "--output", "json"]);
    assert_eq!(sent.code, 0, "{sent:?}");
    assert_eq!(sent.json()["datakits"][0]["delivered"], kept, "{sent:?}");
    assert!(world.clouds.datakit().hidden().is_empty());
}

/// A DataKit that hangs keeps no run from collecting.
#[tokio::test(flavor = "multi_thread")]
async fn a_datakit_that_hangs_is_not_waited_for_with_what_is_left() {
    let world = world().await;
    let kept = keep(&world, 0);
    world.clouds.datakit().set_behaviour(DataKitBehaviour::Hang);
    world.clouds.set_clock_offset(5 * MINUTE);
    let run = world.run_at(5 * MINUTE, &[RUN, &["--timeout", "30"]].concat());
    assert_eq!(run.code, 1, "no deadline was met: {run:?}");
    assert_eq!(run.collector("aws_cloudwatch")["status"], "collected", "{run:?}");
    assert!(run.json()["outbox"]["waiting"].as_u64() > Some(kept), "{run:?}");
    let said = run.json().to_string();
    assert!(said.contains("did not answer within 5 s"), "{said}");
}

/// Points of a DataKit that is no longer configured are not forgotten in silence.
#[tokio::test(flavor = "multi_thread")]
async fn points_of_a_datakit_that_was_taken_out_are_said() {
    let world = world().await;
    put(&world, &["old"]).await;
    let run = world.run(RUN);
    let warnings = run.json()["warnings"].to_string();
    assert!(warnings.contains("wait in the outbox for DataKit `old`, which is not configured"), "{run:?}");
    let doctor = world.run(&["doctor"]);
    assert!(doctor.stdout.contains("wait in the outbox for DataKit `old`"), "{doctor:?}");
}
