//! Pages that are not as they were asked for: shorter ones, counts that promise more, items that share an object.

use super::*;
use simcloud::MarketCut;

/// The prefix of a package's keys, its package, its list with this change, and its arguments.
async fn listed(
    cloud: Cloud,
    collector: &str,
    arguments: &str,
    change: impl Fn(&mut MarketCall),
) -> (World, Json) {
    let tencent = TencentEstate { regions: vec!["ap-shanghai".into()], ..TencentEstate::default() };
    let world = World::new(Options { tencent, ..Options::default() }).await;
    let mut estate = Estate::new(cloud);
    for (call, table) in &mut estate.tables {
        if matches!(call.part, Part::List) && call.collector.description.name == collector {
            change(table);
        }
    }
    let (prefix, package) = match cloud {
        Cloud::Aliyun => {
            world.clouds.set_market(Vec::new(), estate.tables(), Vec::new());
            ("ALIYUN", format!("guance_{collector}"))
        }
        _ => {
            world.clouds.set_market(Vec::new(), Vec::new(), estate.tables());
            ("TENCENTCLOUD", format!("guance_{collector}"))
        }
    };
    let report = one(&world, prefix, &package, arguments).collector(collector);
    (world, report)
}

fn names(world: &World) -> BTreeSet<String> {
    world.clouds.datakit().points().into_iter().map(|point| point.tags["name"].clone()).collect()
}

/// The declared size is 100, 50 or 20; the server shows fewer and says so only by its count.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_is_shorter_than_asked_is_not_the_last() {
    let (shanghai, hangzhou) =
        (", #{ regions: [\"ap-shanghai\"], details: [] }", ", #{ regions: [\"cn-hangzhou\"] }");
    let plain = ", #{ regions: [\"ap-shanghai\"] }";
    for (cloud, collector, action, arguments, count, shown, calls) in [
        // Offsets, plain ones and those that must be multiples of the limit.
        (Cloud::Tencent, "tencentcloud_cdb", "cdb:DescribeDBInstances", plain, 201, 30, 7),
        (Cloud::Tencent, "tencentcloud_memcached", "memcached:DescribeInstances", plain, 201, 30, 7),
        (Cloud::Tencent, "tencentcloud_clb", "clb:DescribeLoadBalancers", shanghai, 201, 1, 201),
        // Numbers from 0 and from 1.
        (Cloud::Tencent, "tencentcloud_sqlserver", "sqlserver:DescribeDBInstances", plain, 201, 67, 3),
        (Cloud::Aliyun, "aliyun_eip", "vpc:DescribeEipAddresses", hangzhou, 201, 40, 6),
        (Cloud::Aliyun, "aliyun_vpc", "vpc:DescribeVpcs", hangzhou, 101, 49, 3),
    ] {
        for cut in [MarketCut::Shows(shown), MarketCut::Counts(shown)] {
            let (world, report) = listed(cloud, collector, arguments, |list| list.cut = Some(cut)).await;
            assert_eq!(report["status"], "collected", "{collector} {cut:?}: {report:#}");
            assert_eq!(
                (&report["collected"], &report["warnings"]),
                (&json!(count), &json!([])),
                "{report:#}"
            );
            assert_eq!(names(&world).len(), count, "{collector} {cut:?}");
            assert_eq!(report["calls"][action], calls, "{collector} {cut:?}");
        }
    }
}

/// It becomes shorter while the list is read: what was passed over is asked for again.
#[tokio::test(flavor = "multi_thread")]
async fn a_count_that_promises_more_than_is_shown_fails_loudly() {
    for (cloud, collector, arguments, count) in [
        (Cloud::Tencent, "tencentcloud_cdb", ", #{ regions: [\"ap-shanghai\"] }", 201),
        (Cloud::Aliyun, "aliyun_eip", ", #{ regions: [\"cn-hangzhou\"] }", 201),
    ] {
        let (world, report) = listed(cloud, collector, arguments, |list| list.hidden = 7).await;
        assert_eq!(report["status"], "failed", "{report:#}");
        let error = report["error"].as_str().unwrap();
        assert!(
            error.contains("the list says that it has 208 items and shows 201, each of two times"),
            "{error}"
        );
        // What was shown is reported all the same.
        assert_eq!(names(&world).len(), count);
    }
}

/// Several jobs of Data Transmission may share an instance: the count is one of jobs.
#[tokio::test(flavor = "multi_thread")]
async fn items_that_share_an_object_are_counted_by_their_own_ids() {
    let (world, report) = listed(Cloud::Aliyun, "aliyun_dts", ", #{ regions: [\"cn-hangzhou\"] }", |list| {
        // More than a page of jobs of one instance.
        list.more = (0..40)
            .map(|number| {
                let mut item = list.item.clone();
                item["DtsInstanceID"] = json!("dts-shared");
                item["DtsJobId"] = json!(format!("job-{number}"));
                item
            })
            .collect();
    })
    .await;
    assert_eq!((&report["status"], &report["warnings"]), (&json!("collected"), &json!([])), "{report:#}");
    // 61 of each of the three kinds, and the shared one.
    assert_eq!((&report["collected"], names(&world).len()), (&json!(184), 184));
}

/// The name of a certificate is not its id: which of two keeps it must not hang on the order of the list.
#[tokio::test(flavor = "multi_thread")]
async fn certificates_of_one_name_are_told_apart_whatever_the_order() {
    let certificates =
        [(9_000_001, "renewed"), (9_100_000, "renewed"), (10_000_000, "renewed"), (9_000_002, "other")];
    let mut seen = Vec::new();
    for order in [[0, 1, 2, 3], [3, 2, 1, 0], [1, 0, 3, 2]] {
        let (world, report) = listed(Cloud::Aliyun, "aliyun_cas", "", |list| {
            list.more = order
                .iter()
                .map(|index| {
                    let (id, name) = certificates[*index];
                    let mut item = list.item.clone();
                    item["CertificateId"] = json!(id);
                    item["Name"] = json!(name);
                    item
                })
                .collect();
        })
        .await;
        assert_eq!(report["status"], "collected", "{report:#}");
        let by_id: BTreeMap<String, String> = world
            .clouds
            .datakit()
            .points()
            .into_iter()
            .map(|point| (point.tags["id"].clone(), point.tags["name"].clone()))
            .filter(|(id, _)| id.len() < 9 && certificates.iter().any(|(known, _)| known.to_string() == *id))
            .collect();
        seen.push(by_id);
    }
    let wanted =
        [("10000000", "10000000"), ("9000001", "renewed"), ("9000002", "other"), ("9100000", "9100000")];
    for by_id in seen {
        let by_id: Vec<(&str, &str)> = by_id.iter().map(|(id, name)| (id.as_str(), name.as_str())).collect();
        assert_eq!(by_id, wanted);
    }
}
