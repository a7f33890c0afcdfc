//! Plans compared with runs, whatever the cloud.

#![allow(dead_code, reason = "each test program uses its own part of this")]

use super::World;
use super::tencent::{MINUTE, aligned};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Instant;

/// What every collector of a report called, by its name; those that were skipped called nothing.
pub(crate) fn called(report: &Value) -> Vec<(String, Value)> {
    let collectors = report["collectors"].as_array().unwrap();
    collectors.iter().map(|one| (one["name"].as_str().unwrap().to_owned(), one["calls"].clone())).collect()
}

pub(crate) fn planned(plan: &Value) -> Vec<(String, Value)> {
    let collectors = plan["collectors"].as_array().unwrap();
    let next = |one: &Value| (one["name"].as_str().unwrap().to_owned(), one["next_run"]["calls"].clone());
    collectors.iter().map(next).collect()
}

/// Runs a script once, then plans and runs it some times more: on an unchanged cloud each plan is the next run's first attempts, call for call.
///
/// Knows nothing of a cloud: `calls` tells what the doubles were asked.
pub(crate) fn the_plan_is_the_next_run(
    world: &World,
    script: &str,
    minutes: &[i64],
    calls: impl Fn(&World) -> BTreeMap<String, u64>,
) {
    let steps: Vec<(i64, i64)> = minutes.iter().map(|minutes| (0, *minutes)).collect();
    the_plan_after_a_gap_is_the_next_run(world, script, &steps, calls);
}

/// The same, where nothing ran for the first minutes of each step before the plan was made: an outage, which the next run makes up for.
pub(crate) fn the_plan_after_a_gap_is_the_next_run(
    world: &World,
    script: &str,
    steps: &[(i64, i64)],
    calls: impl Fn(&World) -> BTreeMap<String, u64>,
) {
    let run = |at: i64| {
        world.clouds.set_clock_offset(at);
        world.clouds.reset_calls();
        world.clouds.reset_aliyun_calls();
        let ran = world.run_at(at, &["run", script, "--output", "json"]);
        assert_eq!(ran.code, 0, "{ran:?}");
        ran.json()
    };
    // The machine's clock goes on while a run works: what the program is told does not.
    let (began, start) = (Instant::now(), aligned());
    let clock = |later: i64| start + later - i64::try_from(began.elapsed().as_secs()).unwrap();
    let mut at = 0;
    run(clock(at));
    for (gap, minutes) in steps {
        at += gap * MINUTE;
        world.clouds.reset_calls();
        world.clouds.reset_aliyun_calls();
        let every = format!("{minutes}m");
        let plan = world.run_at(clock(at), &["plan", script, "--every", &every, "--output", "json"]);
        assert_eq!(plan.code, 0, "{plan:?}");
        let plan = plan.json();
        assert!(calls(world).is_empty(), "a plan calls nothing");
        for collector in plan["collectors"].as_array().unwrap() {
            assert_eq!(collector["exact"], true, "{collector:#}");
            assert_eq!(collector["at_least_because"], json!([]));
        }
        at += minutes * MINUTE;
        let report = run(clock(at));
        assert_eq!(
            planned(&plan),
            called(&report),
            "{minutes} minutes after a gap of {gap}, at {at}: {plan:#}"
        );
        let sum = |plan: &Value| -> u64 {
            let collectors = plan["collectors"].as_array().unwrap();
            let of_one = |one: &Value| -> u64 {
                one["next_run"]["calls"]
                    .as_object()
                    .unwrap()
                    .values()
                    .map(|count| count.as_u64().unwrap())
                    .sum()
            };
            collectors.iter().map(of_one).sum()
        };
        assert_eq!(sum(&plan), calls(world).values().sum::<u64>(), "what the doubles counted");
    }
}
