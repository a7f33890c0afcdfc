//! Plans of the Aliyun collectors are their next runs, call for call.

use crate::support::plan::{the_plan_after_a_gap_is_the_next_run, the_plan_is_the_next_run};
use crate::support::{World, aliyun};
use simcloud::{AliyunEstate, Options};
use std::collections::BTreeMap;

const SCRIPT: &str = "my_aliyun/all.rhai";

fn calls(world: &World) -> BTreeMap<String, u64> {
    world.clouds.aliyun_calls()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_plan_of_the_manuals_five_products_is_the_next_run() {
    let world = World::new(Options::default()).await;
    world.write(SCRIPT, &aliyun::all_products(&["cn-hangzhou", "cn-shanghai"], ""));
    the_plan_is_the_next_run(&world, SCRIPT, &[1, 1, 15, 5, 61], calls);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_plan_of_a_large_estate_is_the_next_run() {
    let aliyun = AliyunEstate {
        instances: 160,
        databases: 2,
        balancers: 2,
        buckets: 3,
        nasty: false,
        ..AliyunEstate::default()
    };
    let mut world = World::new(Options { aliyun, ..Options::default() }).await;
    world.variables.insert("FUNCHOST_LIMITS__ALIYUN__CMS__DESCRIBEMETRICLIST".into(), "45".into());
    world.write(SCRIPT, &aliyun::all_products(&["cn-hangzhou"], ""));
    the_plan_is_the_next_run(&world, SCRIPT, &[5], calls);
}

/// What was missed is more than a page: the next run makes more calls than one that follows another.
#[tokio::test(flavor = "multi_thread")]
async fn a_plan_after_an_outage_is_the_next_run() {
    let world = aliyun::world(AliyunEstate { instances: 60, ..aliyun::small() }).await;
    let targets = r#"#{ namespace: "acs_ecs_dashboard", metrics: ["CPUUtilization", "*IOPS*"] }"#;
    world.write(SCRIPT, &aliyun::monitor(targets, ""));
    the_plan_after_a_gap_is_the_next_run(&world, SCRIPT, &[(100, 1), (0, 1), (300, 5), (0, 5)], calls);
}
