//! What `plan` and `doctor` say of the packages: the calls of the next run, and every permission by its name.

use super::*;
use crate::support::plan::the_plan_is_the_next_run;

const SCRIPT: &str = "market/main.rhai";

/// All packages of a cloud, with a few objects each.
async fn few(cloud: Cloud, prefix: &str, asked: &[&str]) -> (World, Estate) {
    // Keys are asked about at the first region that Tencent Cloud had.
    let regions = asked.iter().chain(["ap-guangzhou"].iter()).map(|region| (*region).to_owned()).collect();
    let tencent = TencentEstate { regions, ..TencentEstate::default() };
    let world = World::new(Options { tencent, ..Options::default() }).await;
    let mut estate = Estate::new(cloud);
    for (_, table) in &mut estate.tables {
        if let MarketPaging::Numbers { page, .. } | MarketPaging::Offsets { page, .. } = &mut table.paging {
            *page = 2;
        }
    }
    let tables = estate.tables();
    match cloud {
        Cloud::Aws => world.clouds.set_market(tables, Vec::new(), Vec::new()),
        Cloud::Aliyun => world.clouds.set_market(Vec::new(), tables, Vec::new()),
        Cloud::Tencent => world.clouds.set_market(Vec::new(), Vec::new(), tables),
    }
    unlimited(&world);
    world.write(SCRIPT, &estate.script(prefix, asked, ""));
    (world, estate)
}

/// The packages' own names and calls, without those that keys need.
fn descriptions(estate: &Estate) -> Vec<&'static funchost_collectors::collector::Description> {
    let names = estate.names();
    let all = funchost_collectors::COLLECTORS.iter().map(|collector| collector.description());
    all.filter(|description| names.contains(description.name)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn plans_and_permissions_of_every_package() {
    for (cloud, prefix, regions, untried) in [
        (Cloud::Aws, "AWS", ["cn-north-1", "us-east-1"].as_slice(), BTreeSet::new()),
        (Cloud::Aliyun, "ALIYUN", &["cn-hangzhou"], BTreeSet::new()),
        // The estate has no balancer of the old kind.
        (
            Cloud::Tencent,
            "TENCENTCLOUD",
            &["ap-shanghai"],
            BTreeSet::from([("tencentcloud_clb", "clb:DescribeClassicalLBListeners")]),
        ),
    ] {
        let (world, estate) = few(cloud, prefix, regions).await;
        let doctor = world.run(&["doctor", SCRIPT, "--yes"]);
        assert_eq!(doctor.code, 0, "{doctor:?}");
        let may = |name: &str, permission: &str| {
            let begins = format!("ok    {name}: may ");
            let line = doctor.stdout.lines().find_map(|line| line.strip_prefix(&begins));
            // What was tried in one region says in which.
            let line = line.map(|line| line.split_once(" in ").map_or(line, |(permissions, _)| permissions));
            line.is_some_and(|line| line.split(", ").any(|one| one == permission))
        };
        let described = descriptions(&estate);
        let missing: BTreeSet<(&str, &str)> = described
            .iter()
            .flat_map(|one| one.actions.iter().map(|action| (one.name, action.permission)))
            .filter(|(name, permission)| !permission.starts_with("sts:") && !may(name, permission))
            .collect();
        assert_eq!(missing, untried, "{}", doctor.stdout);
        assert!(world.clouds.datakit().points().is_empty(), "a dry write stores nothing");
        the_plan_is_the_next_run(&world, SCRIPT, &[1, 15], |world| {
            let mut calls = world.clouds.calls();
            calls.extend(world.clouds.aliyun_calls());
            calls
        });
    }
}

/// The permission is named, which is not always called as the call is.
#[tokio::test(flavor = "multi_thread")]
async fn a_permission_that_is_missing_is_named() {
    let (world, _) = few(Cloud::Aliyun, "ALIYUN", &["cn-hangzhou"]).await;
    let key = world.clouds.aliyun_keys().access_key;
    for call in ["alikafka:GetInstanceList", "cas:ListUserCertificateOrder"] {
        world.clouds.aliyun_deny(&key, call);
    }
    let doctor = world.run(&["doctor", SCRIPT, "--yes"]);
    assert_eq!(doctor.code, 1, "{doctor:?}");
    let wrong: Vec<&str> =
        doctor.stdout.lines().filter(|line| line.starts_with("FAIL") || line.contains("hint: ")).collect();
    insta::assert_snapshot!("market_doctor_denied", wrong.join("\n"));
}
