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

/// The kinds of instances by which those of MongoDB are listed.
const MONGODB: usize = 3;

/// The declared size is 100, 50 or 20; the server shows fewer and says so only by its count.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_is_shorter_than_asked_is_not_the_last() {
    let (shanghai, hangzhou) =
        (", #{ regions: [\"ap-shanghai\"], details: [] }", ", #{ regions: [\"cn-hangzhou\"] }");
    let plain = ", #{ regions: [\"ap-shanghai\"] }";
    let details = ", #{ regions: [\"cn-hangzhou\"], details: [] }";
    for (cloud, collector, action, arguments, count, shown, calls) in [
        // Offsets, plain ones and those that must be multiples of the limit.
        (Cloud::Tencent, "tencentcloud_cdb", "cdb:DescribeDBInstances", plain, 201, 30, 7),
        (Cloud::Tencent, "tencentcloud_memcached", "memcached:DescribeInstances", plain, 201, 30, 7),
        (Cloud::Tencent, "tencentcloud_clb", "clb:DescribeLoadBalancers", shanghai, 201, 1, 201),
        // Numbers from 0 and from 1.
        (Cloud::Tencent, "tencentcloud_sqlserver", "sqlserver:DescribeDBInstances", plain, 201, 67, 3),
        (Cloud::Aliyun, "aliyun_eip", "vpc:DescribeEipAddresses", hangzhou, 201, 40, 6),
        (Cloud::Aliyun, "aliyun_vpc", "vpc:DescribeVpcs", hangzhou, 101, 49, 3),
        // Only some sizes may be asked for: the next smaller one is, and nothing is passed over.
        (Cloud::Aliyun, "aliyun_polardb", "polardb:DescribeDBClusters", details, 201, 40, 7),
        (Cloud::Aliyun, "aliyun_analyticdb_postgresql", "gpdb:DescribeDBInstances", hangzhou, 201, 60, 5),
        (Cloud::Aliyun, "aliyun_mongodb", "dds:DescribeDBInstances", details, MONGODB * 201, 99, MONGODB * 5),
        (Cloud::Aliyun, "aliyun_dts", "dts:DescribeDtsJobs", hangzhou, 183, 15, 21),
        // Less than the least that may be asked for; an offset says where to go on.
        (Cloud::Tencent, "tencentcloud_mongodb", "mongodb:DescribeDBInstances", plain, 201, 1, 201),
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

/// Twenty on a page where no less than thirty may be asked for: by pages of its own size the server shows them all; by those that are asked for it
/// shows only a part, and that is said.
#[tokio::test(flavor = "multi_thread")]
async fn pages_below_the_least_size_are_read_or_missed_loudly() {
    let arguments = ", #{ regions: [\"cn-hangzhou\"], details: [] }";
    let cut = |cut| move |list: &mut MarketCall| list.cut = Some(cut);
    let (world, report) =
        listed(Cloud::Aliyun, "aliyun_polardb", arguments, cut(MarketCut::Counts(20))).await;
    assert_eq!((&report["status"], &report["warnings"]), (&json!("collected"), &json!([])), "{report:#}");
    assert_eq!((&report["collected"], names(&world).len()), (&json!(201), 201));
    assert_eq!(report["calls"]["polardb:DescribeDBClusters"], 11, "{report:#}");
    let (world, report) = listed(Cloud::Aliyun, "aliyun_polardb", arguments, cut(MarketCut::Shows(20))).await;
    assert_eq!(report["status"], "failed", "{report:#}");
    let error = report["error"].as_str().unwrap();
    assert!(error.contains("the list says that it has 201 items and shows 140"), "{error}");
    assert_eq!(names(&world).len(), 140);
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

/// By the reference of the call: `OrderType` is by default orders, and of certificates only those that are valid are listed unless `Status` says
/// otherwise. What is asked must bring every certificate, an expired one too, and each once.
#[tokio::test(flavor = "multi_thread")]
async fn certificates_that_have_expired_are_listed() {
    let world = World::new(Options::default()).await;
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let moved = json!({ "CertificateId": 77, "Name": "moved", "Upload": true, "Expired": false });
    world.clouds.set_market(
        Vec::new(),
        vec![MarketCall {
            service: "cas".into(),
            action: "ListUserCertificateOrder".into(),
            version: "2020-04-07".into(),
            place: None,
            region: None,
            fixed: vec![("OrderType".into(), "CERT".into())],
            variants: Some(("Status".into(), texts(&["ISSUED", "WILLEXPIRED", "EXPIRED"]))),
            paging: MarketPaging::Numbers {
                number: "CurrentPage".into(),
                size: "ShowSize".into(),
                page: 1,
                total: Some("TotalCount".into()),
                first: 1,
            },
            items: "CertificateOrderList".into(),
            element: String::new(),
            id: "CertificateId".into(),
            item: json!({ "CertificateId": 9_000_000, "Name": "same", "Upload": false }),
            of: simcloud::MarketItems::Many,
            single: false,
            // About to expire, and listed as issued, too.
            more: vec![moved],
            small: false,
            cut: None,
            hidden: 0,
        }],
        Vec::new(),
    );
    let report = one(&world, "ALIYUN", "guance_aliyun_cas", "").collector("aliyun_cas");
    assert_eq!((&report["status"], &report["warnings"]), (&json!("collected"), &json!([])), "{report:#}");
    let points = world.clouds.datakit().points();
    let ids: Vec<i64> = points.iter().map(|point| point.tags["id"].parse().unwrap()).collect();
    let wanted = BTreeSet::from([
        77, 9_000_000, 9_000_001, 9_000_002, 9_100_000, 9_100_001, 9_100_002, 9_200_000, 9_200_001, 9_200_002,
    ]);
    assert_eq!((ids.len(), ids.into_iter().collect::<BTreeSet<i64>>()), (wanted.len(), wanted));
}

/// A paid instance of DNS may serve several domains: which of them is called by it must not hang on the order of the list.
#[tokio::test(flavor = "multi_thread")]
async fn domains_of_one_instance_are_told_apart_whatever_the_order() {
    let domains = [("100", "dns-cn-shared"), ("99", "dns-cn-shared"), ("101", "dns-cn-own"), ("98", "")];
    for order in [[0, 1, 2, 3], [3, 2, 1, 0], [1, 0, 3, 2]] {
        let (world, report) = listed(Cloud::Aliyun, "aliyun_dns", "", |list| {
            list.more = order
                .iter()
                .map(|index| {
                    let (id, instance) = domains[*index];
                    let mut item = list.item.clone();
                    item["DomainId"] = json!(id);
                    item["InstanceId"] = json!(instance);
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
            .map(|point| (point.tags["DomainId"].clone(), point.tags["name"].clone()))
            .filter(|(id, _)| domains.iter().any(|(known, _)| known == id))
            .collect();
        let by_id: Vec<(&str, &str)> = by_id.iter().map(|(id, name)| (id.as_str(), name.as_str())).collect();
        assert_eq!(
            by_id,
            [("100", "100"), ("101", "dns-cn-own"), ("98", "98"), ("99", "dns-cn-shared")],
            "{order:?}"
        );
    }
}

/// The firewall is not opened at one of its sites, and not at either; the Security Center is the free edition.
#[tokio::test(flavor = "multi_thread")]
async fn products_without_an_instance_have_no_objects() {
    let (world, report) =
        listed(Cloud::Aliyun, "aliyun_waf", "", |list| list.item["PayType"] = json!(0)).await;
    assert_eq!(
        (&report["status"], &report["collected"], &report["warnings"]),
        (&json!("collected"), &json!(0), &json!([])),
        "{report:#}"
    );
    assert_eq!(report["calls"], json!({ "waf-openapi:DescribeInstanceInfo": 2 }), "both sites are asked");
    assert!(names(&world).is_empty());
    let (world, report) =
        listed(Cloud::Aliyun, "aliyun_tds", "", |list| list.item["InstanceId"] = json!("")).await;
    let note = "1 answer says that the account has the free edition alone, which has no instance: there is nothing to report";
    assert_eq!(
        (&report["status"], &report["collected"], &report["warnings"]),
        (&json!("collected"), &json!(0), &json!([note])),
        "{report:#}"
    );
    assert!(names(&world).is_empty());
}

/// Every instance of Anti-DDoS of the sites that were named, by pages that must be asked for.
#[tokio::test(flavor = "multi_thread")]
async fn both_sites_of_anti_ddos_are_listed() {
    let sites = ", #{ regions: [\"cn-hangzhou\", \"ap-southeast-1\"] }";
    let (world, report) = listed(Cloud::Aliyun, "aliyun_ddoscoo", sites, |_| {}).await;
    assert_eq!(report["status"], "collected", "{report:#}");
    assert_eq!(report["calls"], json!({ "ddoscoo:DescribeInstances": 6 }));
    let regions: BTreeSet<String> =
        world.clouds.datakit().points().into_iter().map(|point| point.tags["RegionId"].clone()).collect();
    assert_eq!(regions, BTreeSet::from(["ap-southeast-1".to_owned(), "cn-hangzhou".to_owned()]));
}
