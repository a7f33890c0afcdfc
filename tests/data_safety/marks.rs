//! Marks hold (collectors' contract, section 9), through the whole program: random schedules, outages of cloud and DataKit, late and revised points,
//! clocks that differ, and runs whose state is lost as by a kill, against a model that knows nothing of marks.

use crate::judges::{Cloud, Fields};
use crate::support::World;
use funchost::state::FILE_NAME;
use funchost_collectors::clock::{Clock as _, SystemClock};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use simcloud::DataKitBehaviour;
use sqlx::ConnectOptions as _;
use std::collections::BTreeMap;
use std::path::Path;

const MINUTE: i64 = 60;
/// What DataKit takes, less the margin for the way.
const REACH: i64 = 120 * MINUTE - MINUTE;

/// What happens at a step, and before it.
#[derive(Debug, Clone)]
struct Step {
    /// Seconds since the step before.
    pause: i64,
    /// Seconds that this machine's clock is ahead of all others.
    skew: i64,
    what: What,
    datakit: Taking,
    /// Of the points of the pause: which comes late, and by how many thousandths of the overlap.
    late: Vec<(u8, u8, i64)>,
    /// Of the points that are there: how many minutes back, which series.
    revised: Vec<(u8, i64)>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum What {
    Run,
    /// The run is killed before it could write anything down: DataKit may have taken its points.
    Killed,
    /// The cloud refuses.
    Refused,
    /// The cloud throttles once, or breaks off once.
    Troubled,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Taking {
    Takes,
    Refuses,
    /// Takes everything once and loses its answer.
    LosesAnswer,
}

fn step() -> impl Strategy<Value = Step> {
    (
        prop_oneof![5 => 60..400_i64, 3 => 400..2400_i64, 1 => 7000..16_000_i64],
        prop_oneof![6 => Just(0_i64), 1 => -200..200_i64, 1 => Just(-1500), 1 => Just(1500)],
        prop_oneof![6 => Just(What::Run), 2 => Just(What::Killed), 1 => Just(What::Refused), 1 => Just(What::Troubled)],
        prop_oneof![6 => Just(Taking::Takes), 3 => Just(Taking::Refuses), 1 => Just(Taking::LosesAnswer)],
        prop::collection::vec((0..2_u8, 0..40_u8, 0..1000_i64), 0..5),
        prop::collection::vec((0..2_u8, 2..14_i64), 0..3),
    )
        .prop_map(|(pause, skew, what, datakit, late, revised)| Step { pause, skew, what, datakit, late, revised })
}

/// A run through the whole program takes a while: `.ci/run --long` asks for more.
fn cases() -> u32 {
    let wanted = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse::<u32>().ok());
    wanted.map_or(4, |cases| (cases / 20).max(4))
}

/// A run as the model knows it.
#[derive(Debug)]
struct Done {
    /// Seconds, by the clouds' clock.
    at: i64,
    /// As early as it may have believed that it is, before a cloud told it the time.
    believed: i64,
    /// Was it written down: neither killed, nor refused by the cloud, nor without anything to ask?
    counts: bool,
    /// Did DataKit take points at its end?
    delivers: bool,
}

/// A point: which series, and when.
type Place = (String, i64);

/// What was taken and not written down: points of these times may come once more, seconds.
#[derive(Debug)]
struct Repeat {
    from: i64,
    until: i64,
}

struct Model {
    cloud: Cloud,
    /// What a point has ever been: the first is what the cloud published.
    values: BTreeMap<Place, Vec<(i64, Fields)>>,
    late: BTreeMap<Place, i64>,
    runs: Vec<Done>,
    repeats: Vec<Repeat>,
    /// Seconds by which a wrong clock cuts windows too early.
    unsure: i64,
}

/// A whole copy of the state, also while a connection of the last run is still being closed.
async fn save(state: &Path, saved: &Path) {
    let _ = std::fs::remove_dir_all(saved);
    std::fs::create_dir_all(saved).unwrap();
    if !state.join(FILE_NAME).exists() {
        return;
    }
    let mut connection =
        sqlx::sqlite::SqliteConnectOptions::new().filename(state.join(FILE_NAME)).connect().await.unwrap();
    sqlx::query("VACUUM INTO ?")
        .bind(saved.join(FILE_NAME).to_str().unwrap())
        .execute(&mut connection)
        .await
        .unwrap();
    sqlx::Connection::close(connection).await.unwrap();
}

/// As if nothing had been written since the copy.
fn restore(saved: &Path, state: &Path) {
    std::fs::remove_dir_all(state).unwrap();
    std::fs::rename(saved, state).unwrap();
}

/// Minutes on the clouds' clock, as simcloud has it now.
fn cloud_now(offset: i64) -> i64 {
    SystemClock.now() / 1_000_000_000 + offset
}

async fn play(cloud: Cloud, steps: Vec<Step>, delay: i64) -> Result<(), TestCaseError> {
    let world = cloud.world().await;
    cloud.publication_delay(&world, delay);
    let instances = cloud.instances(&world);
    let state = world.folder.path().join("state");
    let saved = world.folder.path().join("saved");
    let mut model = Model {
        cloud,
        values: BTreeMap::new(),
        late: BTreeMap::new(),
        runs: Vec::new(),
        repeats: Vec::new(),
        unsure: 0,
    };
    let mut offset = 0;
    let mut refused_since: Option<i64> = None;

    let quiet = Step {
        pause: 20 * MINUTE,
        skew: 0,
        what: What::Run,
        datakit: Taking::Takes,
        late: Vec::new(),
        revised: Vec::new(),
    };
    // At the end all is well for a while, so that what was late can be caught.
    let first = Step { pause: 0, ..quiet.clone() };
    for step in std::iter::once(first).chain(steps).chain([quiet.clone(), quiet]) {
        let now = cloud_now(offset);
        for (series, minute, lateness) in &step.late {
            let at = now - now % MINUTE + i64::from(*minute + 1) * MINUTE;
            let instance = &instances[usize::from(*series)];
            // Its own time, and so much later: never more than the overlap. What is published late anyway is that late.
            let lateness = lateness * cloud.overlap() / 1000;
            cloud.late(&world, instance, at, at - now + lateness);
            model.late.insert((instance.clone(), at), at + lateness);
        }
        offset += step.pause;
        world.clouds.set_clock_offset(offset);
        let now = cloud_now(offset);
        for (series, back) in &step.revised {
            let at = now - now % MINUTE - back * MINUTE;
            let instance = &instances[usize::from(*series)];
            let Some(old) = cloud.value(&world, instance, at) else { continue };
            let known = model.values.entry((instance.clone(), at)).or_default();
            if known.is_empty() {
                known.push((0, old));
            }
            cloud.revise(&world, instance, at, known.len());
            known.push((now, cloud.value(&world, instance, at).unwrap()));
        }
        // Nothing shall wait so long that it grows too old: that is another test's.
        let mut datakit = step.datakit;
        if refused_since.is_some_and(|since| now - since > 40 * MINUTE) {
            datakit = Taking::Takes;
        }
        match datakit {
            Taking::Takes => world.clouds.datakit().set_behaviour(DataKitBehaviour::Accept),
            Taking::Refuses => world.clouds.datakit().set_behaviour(DataKitBehaviour::Status(403)),
            Taking::LosesAnswer => {
                world.clouds.datakit().set_behaviour_for(DataKitBehaviour::ResetAfterBody, 1);
            }
        }
        match step.what {
            What::Refused => cloud.refuse(&world),
            What::Troubled => cloud.trouble(&world),
            What::Run | What::Killed => {}
        }
        // All that can be on its way: what waits since a run whose points were taken, and what this run finds after it. A run that is killed may have sent it
        // once more before, as the answer was lost.
        let before = model.runs.iter().rev().find(|run| run.counts && run.delivers);
        let mark = before.map_or(now - 600, |run| run.believed.min(run.at)) - 2 * MINUTE;
        // Behind that run's mark the overlap is asked for again; and the mark follows what is published, which comes late itself.
        let reach = 2 * cloud.overlap() + MINUTE + model.unsure.max(step.skew.abs());
        for again in [step.what == What::Killed, datakit == Taking::LosesAnswer] {
            if again {
                model.repeats.push(Repeat { from: mark - reach, until: now });
            }
        }
        save(&state, &saved).await;
        let arguments = ["run", "my/main.rhai", "--force", "--output", "json"];
        let ran = world.run_at(offset + step.skew, &arguments);
        cloud.is_well(&world);
        let collector = ran.collector(cloud.collector());
        let asked = collector["calls"][cloud.call()].as_u64() > Some(0);
        let wanted = if asked && step.what == What::Refused { "failed" } else { "collected" };
        prop_assert_eq!(collector["status"].as_str(), Some(wanted), "{:#}", ran.json());
        if step.what == What::Killed {
            restore(&saved, &state);
        } else if datakit == Taking::Refuses {
            refused_since.get_or_insert(now);
        } else {
            refused_since = None;
        }
        model.unsure = model.unsure.max(step.skew.abs());
        model.runs.push(Done {
            at: now,
            believed: now + step.skew.min(0),
            counts: asked && !matches!(step.what, What::Killed | What::Refused),
            delivers: step.what != What::Killed && datakit != Taking::Refuses,
        });
    }
    judge(&world, &instances, &model, cloud_now(offset), delay)
}

/// Everything that should have come has come, and nothing else has.
fn judge(
    world: &World,
    instances: &[String],
    model: &Model,
    end: i64,
    delay: i64,
) -> Result<(), TestCaseError> {
    prop_assert!(world.clouds.datakit().hidden().is_empty(), "{:?}", world.clouds.datakit().hidden());
    let points = world.clouds.datakit().points();
    let mut arrived: BTreeMap<Place, Vec<&Fields>> = BTreeMap::new();
    for point in &points {
        prop_assert_eq!(point.timestamp % 1_000_000_000, 0);
        let place = (model.cloud.instance_of(&point.tags), point.timestamp / 1_000_000_000);
        arrived.entry(place).or_default().push(&point.fields);
    }
    let value = |place: &Place| model.cloud.value(world, &place.0, place.1);
    let overlap = model.cloud.overlap();

    for (place, came) in &arrived {
        let now = value(place);
        prop_assert!(now.is_some(), "{:?} is invented", place);
        let mut ever: Vec<Fields> =
            model.values.get(place).into_iter().flatten().map(|(_, value)| value.clone()).collect();
        if ever.is_empty() {
            ever.extend(now);
        }
        for fields in came {
            prop_assert!(ever.contains(fields), "{:?} never was {:?}", place, fields);
        }
        // Each value once; what was taken and not written down comes again, the same.
        let again =
            model.repeats.iter().filter(|repeat| (repeat.from..repeat.until).contains(&place.1)).count();
        for one in &ever {
            let times = came.iter().filter(|fields| **fields == one).count();
            prop_assert!(times <= 1 + again, "{:?} came {} times: {:?}", place, times, model.repeats);
        }
    }

    let first = model.runs.iter().find(|run| run.counts).map_or(end, |run| run.at);
    // The first window is ten minutes.
    let begin = first - MINUTE - 600;
    for instance in instances {
        let mut at = begin - begin.rem_euclid(MINUTE) + MINUTE;
        while at < end - 10 * MINUTE {
            let place = (instance.clone(), at);
            at += MINUTE;
            let Some(last) = value(&place) else { continue };
            let (_, time) = place;
            let published = model.late.get(&place).copied().unwrap_or(0).max(time + MINUTE + delay);
            // The runs that could have seen it: a window ends a minute before its run, at a whole minute.
            let sees = |run: &Done, since: i64| {
                let end = run.believed - MINUTE;
                run.counts && run.at > since + 5 && end - end.rem_euclid(MINUTE) > time
            };
            let reaches = |since: i64| {
                let asked = model.runs.iter().position(|run| sees(run, since))?;
                let taken = model.runs[asked..].iter().find(|run| run.delivers)?;
                // A minute for the way of the run itself and one for the rounding.
                (time > taken.at - REACH + 2 * MINUTE + model.unsure).then_some(())
            };
            if published - time > overlap || reaches(published).is_none() {
                continue;
            }
            let came = arrived.get(&place);
            prop_assert!(came.is_some(), "{:?} never came; {:?}", place, model.runs);
            let changed = model.values.get(&place).and_then(|values| values.last()).map(|(at, _)| *at);
            if let Some(changed) = changed.filter(|changed| changed - time <= overlap)
                && reaches(changed.max(published)).is_none()
            {
                continue;
            }
            if changed.is_none_or(|changed| changed - time <= overlap) {
                let newest = came.and_then(|came| came.last().copied());
                prop_assert_eq!(newest, Some(&last), "{:?} has its last value", place);
            }
        }
    }
    Ok(())
}

fn hold(cloud: Cloud) {
    // By hand: the macro would take the number of cases from the environment as it stands there.
    let config = ProptestConfig {
        cases: cases(),
        max_shrink_iters: 60,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let strategy = (prop::collection::vec(step(), 4..10), 0..240_i64);
    let tested = TestRunner::new(config).run(&strategy, |(steps, delay)| {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(play(cloud, steps, delay))
    });
    if let Err(error) = tested {
        panic!("{cloud:?}: {error}");
    }
}

#[test]
fn every_point_of_aws_arrives_once_as_it_is() {
    hold(Cloud::Aws);
}

#[test]
fn every_point_of_alibaba_cloud_arrives_once_as_it_is() {
    hold(Cloud::Aliyun);
}

#[test]
fn every_point_of_tencent_cloud_arrives_once_as_it_is() {
    hold(Cloud::Tencent);
}
