//! All packages of a cloud in one script, against an estate that answers every declared call with three pages: all items once, metrics linked.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

#[path = "market_program/hosts.rs"]
mod hosts;
#[path = "market_program/links.rs"]
mod links;
#[path = "market_program/paging.rs"]
mod paging;
#[path = "market_program/plans.rs"]
mod plans;
mod support;

use funchost_collectors::account::Cloud;
use funchost_collectors::objects::{How, Scope};
use serde_json::{Value as Json, json};
use simcloud::{
    AliyunFault, AwsEstate, Fault, FaultKind, MarketCall, MarketPaging, Options, ReceivedPoint, TencentEstate,
};
use std::collections::{BTreeMap, BTreeSet};
use support::World;
use support::market::{Call, Part, calls, declarations, table};

/// What one cloud's packages are told and what must come of it.
struct Estate {
    tables: Vec<(Call, MarketCall)>,
}

impl Estate {
    fn new(cloud: Cloud) -> Self {
        let own = declarations().into_iter().filter(|collector| collector.description.cloud == cloud);
        let tables = own.flat_map(calls).filter_map(|call| table(&call).map(|table| (call, table))).collect();
        Self { tables }
    }

    fn tables(&self) -> Vec<MarketCall> {
        self.tables.iter().map(|(_, table)| table.clone()).collect()
    }

    /// A list gets further items: the sample's, changed.
    fn more(&mut self, name: &str, change: impl Fn(&mut Json)) {
        let lists = self.tables.iter_mut().filter(|(call, _)| matches!(call.part, Part::List));
        let (_, table) = lists
            .into_iter()
            .find(|(call, _)| call.collector.description.name == name)
            .unwrap_or_else(|| panic!("{name} has a list"));
        let mut item = table.item.clone();
        change(&mut item);
        table.more.push(item);
    }

    /// Names of the packages' collectors.
    fn names(&self) -> BTreeSet<&'static str> {
        self.tables.iter().map(|(call, _)| call.collector.description.name).collect()
    }

    /// How many objects a collector finds.
    fn count(&self, name: &str, regions: usize) -> usize {
        let lists = self.tables.iter().filter(|(call, _)| matches!(call.part, Part::List));
        let own = lists.filter(|(call, _)| call.collector.description.name == name);
        own.map(|(call, table)| {
            let regions = match call.collector.scope {
                Scope::Account { .. } => 1,
                Scope::Sites(sites) => sites.len(),
                Scope::Central(_) | Scope::Everywhere(..) => 1,
                Scope::Region => regions,
            };
            table.count() * call.collector.variants.map_or(1, |(_, values)| values.len()) * regions
        })
        .sum()
    }

    /// How many objects each class has: per region asked, unless the list has no regions; an item of every variant is one more.
    fn classes(&self, regions: usize) -> BTreeMap<String, usize> {
        let mut classes = BTreeMap::new();
        for (call, table) in self.tables.iter().filter(|(call, _)| matches!(call.part, Part::List)) {
            let sample: Json = serde_json::from_str(call.collector.sample).unwrap();
            let class =
                sample["point"]["measurement"].as_str().unwrap_or(call.collector.description.measurement);
            let variants = call.collector.variants.map_or(1, |(_, values)| values.len());
            let account = matches!(call.collector.scope, Scope::Account { .. });
            let regions = if account { 1 } else { regions };
            *classes.entry(class.to_owned()).or_default() += table.count() * variants * regions;
        }
        classes
    }

    /// The calls that a package cannot do without, by action: a list in full pages, a batch for every so many ids, one call for each object
    /// where the cloud takes no more.
    fn minimum(&self, name: &str, regions: usize) -> BTreeMap<String, u64> {
        let mut calls = BTreeMap::new();
        for (call, table) in self.tables.iter().filter(|(call, _)| call.collector.description.name == name) {
            let places = match call.collector.scope {
                Scope::Account { .. } | Scope::Central(_) | Scope::Everywhere(..) => 1,
                Scope::Sites(sites) => sites.len(),
                Scope::Region => regions,
            };
            let variants = call.collector.variants.map_or(1, |(_, values)| values.len());
            let list = self.tables.iter().find(|(other, _)| {
                std::ptr::eq(other.collector, call.collector) && matches!(other.part, Part::List)
            });
            let objects = list.map_or(0, |(_, list)| variants * list.count());
            let needed = match call.part {
                Part::Regions => 1,
                Part::List => places * variants * pages(table),
                Part::Detail(detail) => match &detail.how {
                    How::Region { .. } => places,
                    How::Item { only, .. } if !has(&list.expect("it has a list").1.item, *only) => 0,
                    How::Batch { only, .. } if !has(&list.expect("it has a list").1.item, *only) => 0,
                    How::Item { .. } => places * objects,
                    How::Batch { most, .. } => places * objects.div_ceil(*most),
                },
            };
            if needed > 0 {
                let action = call.action();
                *calls.entry(format!("{}:{}", action.service, action.action)).or_default() += needed as u64;
            }
        }
        calls
    }

    /// A script of all packages, and then the metrics.
    fn script(&self, prefix: &str, regions: &[&str], metrics: &str) -> String {
        let mut imports = String::from("import \"guance_integration__runner\" as integration;\n");
        let mut collectors = String::new();
        let packages: BTreeMap<&str, &str> = self
            .tables
            .iter()
            .map(|(call, _)| (call.collector.description.package, call.collector.description.name))
            .collect();
        for package in packages.keys() {
            let declared = declarations();
            let description = &declared
                .iter()
                .find(|one| one.description.package == *package)
                .expect("declared")
                .description;
            let takes = description.configuration.iter().any(|key| key.name == "regions");
            let products = declared
                .iter()
                .find(|one| one.description.package == *package && one.by_products)
                .and_then(|one| one.variants)
                .map(|(_, products)| format!("#{{ products: {products:?} }}"));
            let configs = match products {
                Some(products) => products,
                None if takes => "#{ regions: regions }".to_owned(),
                None => "#{}".to_owned(),
            };
            imports.push_str(&format!("import \"{package}__main\" as {package};\n"));
            collectors.push_str(&format!("        {package}::DataCollector(account, {configs}),\n"));
        }
        let (import, metrics) = metrics.split_once('|').unwrap_or_default();
        format!(
            "{imports}{import}
let account = #{{ ak_id: DFF.ENV(\"{prefix}_AK_ID\"), ak_secret: DFF.ENV(\"{prefix}_AK_SECRET\") }};
@DFF.API(\"everything\", timeout = 600)
fn run() {{
    let regions = {regions:?};
    Runner([
{collectors}{metrics}    ]).run();
}}
"
        )
    }
}

/// Pages of a list. One by numbers that does not say how many items there are ends with the first page that is not full.
fn pages(table: &MarketCall) -> usize {
    match &table.paging {
        MarketPaging::Whole => 1,
        MarketPaging::Numbers { page, total: None, .. } => table.count() / page + 1,
        MarketPaging::Numbers { page, .. } | MarketPaging::Offsets { page, .. } => {
            table.count().div_ceil(*page)
        }
        MarketPaging::Tokens { .. } => table.count().div_ceil(MarketCall::TOKENS),
    }
}

/// Has an item this member with this value? Without a condition every item has.
fn has(item: &Json, only: Option<(&str, &str)>) -> bool {
    only.is_none_or(|(path, wanted)| {
        let found = path.split('.').fold(item, |item, name| &item[name]);
        found.as_str().map_or_else(|| found.to_string(), str::to_owned) == wanted
    })
}

/// Rates that let a test run through.
fn unlimited(world: &World) {
    let path = world.folder.path().join("funchost.toml");
    let mut text = std::fs::read_to_string(&path).unwrap();
    if text.contains("[limits]") {
        return;
    }
    text.push_str("\n[limits]\n");
    let mut seen = BTreeSet::new();
    for collector in funchost_collectors::COLLECTORS {
        let description = collector.description();
        for action in description.actions {
            let name = format!("{}.{}.{}", description.cloud.key(), action.service, action.action);
            if seen.insert(name.clone()) {
                text.push_str(&format!("{name:?} = 100000.0\n"));
            }
        }
    }
    std::fs::write(path, text).unwrap();
}

/// Runs the script; answers with the objects by class, each name once.
fn run(
    world: &World,
    estate: &Estate,
    regions: usize,
    script: &str,
) -> (BTreeMap<String, usize>, Vec<ReceivedPoint>) {
    unlimited(world);
    world.write("market/main.rhai", script);
    let ran = world.run(&["run", "market/main.rhai", "--output", "json"]);
    let mut more = Vec::new();
    for name in estate.names() {
        let collector = ran.collector(name);
        let minimum = estate.minimum(name, regions);
        if collector["calls"] != json!(minimum) {
            more.push(format!("{name}: {} made, {} needed", collector["calls"], json!(minimum)));
        }
        assert_eq!(collector["status"], "collected", "{collector:#}");
        // All items, and each once.
        assert_eq!(collector["collected"], estate.count(name, regions), "{collector:#}");
        assert_eq!(collector["warnings"], json!([]), "{collector:#}");
    }
    assert_eq!(ran.code, 0, "{}", ran.stdout);
    assert_eq!(more, [] as [String; 0], "no call more than the documents ask for");
    let points = world.clouds.datakit().points();
    let mut objects: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for point in points.iter().filter(|point| point.category == "custom_object") {
        objects.entry(point.measurement.clone()).or_default().insert(&point.tags["name"]);
    }
    let counts = objects.into_iter().map(|(class, names)| (class, names.len())).collect();
    (counts, points)
}

/// A metric's point of this measurement that has a tag of this value.
fn metric<'points>(
    points: &'points [ReceivedPoint],
    measurement: &str,
    tag: &str,
    value: &str,
) -> &'points ReceivedPoint {
    let own = |point: &&ReceivedPoint| {
        point.category == "metric"
            && point.measurement == measurement
            && point.tags.get(tag).is_some_and(|found| found == value)
    };
    points.iter().find(own).unwrap_or_else(|| panic!("no point of {measurement} with {tag} {value}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_package_of_aws() {
    let options = Options { aws: AwsEstate { instances: 2, ..AwsEstate::default() }, ..Options::default() };
    let world = World::new(options).await;
    let mut estate = Estate::new(Cloud::Aws);
    estate.more("aws_rds", |item| item["DBInstanceIdentifier"] = json!("orders"));
    // Found by another tag than its name, which all of the sample's share.
    estate.more("aws_eventbridge", |item| {
        item["Arn"] = json!("arn:aws-cn:events:cn-north-1:1:rule/linked");
        item["Name"] = json!("linked");
    });
    for (tail, kind) in [("app/web/1", "application"), ("net/web/2", "network"), ("gwy/web/3", "gateway")] {
        estate.more("aws_elb", |item| {
            let arn = format!("arn:aws-cn:elasticloadbalancing:cn-north-1:1:loadbalancer/{tail}");
            item["LoadBalancerArn"] = json!(arn);
            item["Type"] = json!(kind);
        });
    }
    world.clouds.set_market(estate.tables(), Vec::new(), Vec::new());
    let metrics = "import \"guance_aws_cloudwatch__main\" as aws_cloudwatch;\n|        aws_cloudwatch::DataCollector(account, #{ regions: regions, targets: [
            #{ namespace: \"AWS/RDS\", metrics: \"CPUUtilization\" }, #{ namespace: \"AWS/ApplicationELB\", metrics: \"RequestCount\" } ] }),\n";
    let regions = ["cn-north-1", "us-east-1"];
    let (objects, points) = run(&world, &estate, 2, &estate.script("AWS", &regions, metrics));
    let mut wanted = estate.classes(2);
    // What was put in beside has one name in both regions, and two of the balancers are of other classes.
    for class in ["aws_rds", "aws_aelb", "aws_eventbridge"] {
        *wanted.get_mut(class).unwrap() -= 1;
    }
    for class in ["aws_nelb", "aws_gelb"] {
        *wanted.get_mut("aws_aelb").unwrap() -= 2;
        wanted.insert(class.to_owned(), 1);
    }
    // All ECS clusters of the estate have one name: the first of a region keeps it, the others are called by their ARNs.
    *wanted.get_mut("aws_ecs").unwrap() -= 1;
    assert_eq!(objects, wanted);
    let database = metric(&points, "aws_AWS/RDS", "DBInstanceIdentifier", "orders");
    assert_eq!(database.tags.get("Engine").map(String::as_str), Some("mysql"), "{database:?}");
    assert!(!database.tags.contains_key("name"));
    // A listener's answer holds a secret: no point does.
    let shown = points.iter().find(|point| format!("{point:?}").contains("hunter2"));
    assert!(shown.is_none(), "{shown:?}");
    // The database of this name stands in both regions: the metrics of each take the tags of their own.
    let regions: BTreeSet<&str> = points
        .iter()
        .filter(|point| point.category == "metric" && point.measurement == "aws_AWS/RDS")
        .filter(|point| point.tags.get("DBInstanceIdentifier").is_some_and(|name| name == "orders"))
        .map(|point| point.tags.get("RegionId").map_or("none", String::as_str))
        .collect();
    assert_eq!(regions, BTreeSet::from(["cn-north-1", "us-east-1"]));
    let balancer = metric(&points, "aws_AWS/ApplicationELB", "LoadBalancer", "app/web/1");
    assert_eq!(balancer.tags.get("LoadBalancerName").map(String::as_str), Some("openway"), "{balancer:?}");
    let (objects, measured) = links::measured("cn-north-1", links::AWS, &points);
    world.clouds.measure(&measured, "AllRequests");
    // Lists of metrics are remembered: by then they are read again.
    links::check(&world, 7200, "AWS", "aws_cloudwatch", "regions: [\"cn-north-1\"], ", links::AWS, &objects);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_package_of_tencent_cloud() {
    let regions = ["ap-nanjing", "ap-shanghai"];
    let tencent = TencentEstate {
        instances: 1,
        // Buckets have their region in Monitor.
        regions: regions.iter().chain(["ap-guangzhou"].iter()).map(|region| (*region).to_owned()).collect(),
        nasty: false,
        ..TencentEstate::default()
    };
    let world = World::new(Options { tencent, ..Options::default() }).await;
    let mut estate = Estate::new(Cloud::Tencent);
    // Instances that the double of Monitor knows are in the lists, too: those of the first region.
    let known = world.clouds.tencent_objects(regions[0]);
    for object in &known {
        let tag = |name: &str| object.tags.get(name).cloned().unwrap_or_default();
        estate.more(&object.class, |item| match object.class.as_str() {
            "tencentcloud_cos" => item["Name"] = json!(tag("name")),
            "tencentcloud_clb" => {
                item["LoadBalancerId"] = json!(tag("name"));
                item["LoadBalancerVips"] = json!([tag("Address")]);
                item["VpcId"] = json!(tag("VpcId"));
                item["LoadBalancerType"] =
                    json!(if tag("LoadBalancerType") == "Public" { "OPEN" } else { "INTERNAL" });
            }
            _ => {
                item["InstanceId"] = json!(tag("name"));
                if object.tags.contains_key("InstanceType") {
                    item["InstanceType"] = json!(tag("InstanceType").parse::<i64>().unwrap());
                }
            }
        });
    }
    world.clouds.set_market(Vec::new(), Vec::new(), estate.tables());
    let namespaces: BTreeSet<&str> = known.iter().map(|object| object.namespace.as_str()).collect();
    let targets: Vec<String> =
        namespaces.iter().map(|name| format!("#{{ namespace: \"{name}\", metrics: \"*\" }}")).collect();
    let metrics = format!(
        "import \"guance_tencentcloud_monitor__main\" as monitor;\n|        monitor::DataCollector(account, #{{ regions: [\"{}\"], targets: [{}] }}),\n",
        regions[0],
        targets.join(", ")
    );
    let (objects, points) = run(&world, &estate, 2, &estate.script("TENCENTCLOUD", &regions, &metrics));
    let mut wanted = estate.classes(2);
    for object in known.iter().filter(|object| object.class != "tencentcloud_cos") {
        // One name in both regions.
        *wanted.get_mut(&object.class).unwrap() -= 1;
    }
    assert_eq!(objects, wanted);
    for object in &known {
        let point =
            metric(&points, &format!("tencentcloud_{}", object.namespace), "name", &object.tags["name"]);
        assert_eq!(point.tags.get("cloud_provider").map(String::as_str), Some("tencentcloud"));
    }
    // Two namespaces of one class: by whether a balancer is public, and a private address by its network, too.
    let mut balanced = BTreeSet::new();
    for point in points.iter().filter(|point| point.measurement.starts_with("tencentcloud_QCE/LB_")) {
        let kind = if point.measurement.ends_with("PUBLIC") { "Public" } else { "Private" };
        assert_eq!(point.tags["LoadBalancerType"], kind, "{point:?}");
        assert_eq!(point.tags["vip"], point.tags["Address"], "{point:?}");
        if kind == "Private" {
            assert_eq!(point.tags["vpcId"], point.tags["VpcId"], "{point:?}");
        }
        balanced.insert(point.tags["name"].clone());
    }
    let balancers = known.iter().filter(|object| object.class == "tencentcloud_clb");
    assert_eq!(balanced, balancers.map(|object| object.tags["name"].clone()).collect());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_package_of_alibaba_cloud() {
    let world = World::new(Options::default()).await;
    let mut estate = Estate::new(Cloud::Aliyun);
    // Found by another tag than its name, which all of the sample's share.
    estate.more("aliyun_polardbx_2", |item| {
        item["Id"] = json!("pxc-xdb-s-linked");
        item["DBInstanceName"] = json!("pxc-s-linked");
    });
    world.clouds.set_market(Vec::new(), estate.tables(), Vec::new());
    let (objects, points) = run(&world, &estate, 1, &estate.script("ALIYUN", &["cn-hangzhou"], ""));
    assert_eq!(objects, estate.classes(1));
    // The file systems' answer holds a password: no point does.
    let shown = points.iter().find(|point| format!("{point:?}").contains("hunter2"));
    assert!(shown.is_none(), "{shown:?}");
    let listed = points.iter().find(|point| point.measurement == "aliyun_nas").expect("a file system");
    assert!(format!("{listed:?}").contains("ClientMasterNode"), "{listed:?}");
    let (objects, measured) = links::measured("cn-hangzhou", links::ALIYUN, &points);
    let mut namespaces: BTreeMap<&str, Vec<&Vec<(String, String)>>> = BTreeMap::new();
    for (namespace, dimensions) in &measured {
        namespaces.entry(*namespace).or_default().push(dimensions);
    }
    for (namespace, series) in namespaces {
        world.clouds.aliyun_measure(namespace, "AllRequests", &series);
    }
    links::check(&world, 0, "ALIYUN", "aliyun_monitor", "", links::ALIYUN, &objects);
}

/// A script of one package.
fn single(prefix: &str, package: &str, arguments: &str) -> String {
    format!(
        "import \"guance_integration__runner\" as integration;
import \"{package}__main\" as it;
let account = #{{ ak_id: DFF.ENV(\"{prefix}_AK_ID\"), ak_secret: DFF.ENV(\"{prefix}_AK_SECRET\") }};
@DFF.API(\"one\", timeout = 60)
fn run() {{ Runner(it::DataCollector(account{arguments})).run(); }}
"
    )
}

fn one(world: &World, prefix: &str, package: &str, arguments: &str) -> support::Ran {
    unlimited(world);
    world.write("one/main.rhai", &single(prefix, package, arguments));
    world.run(&["run", "one/main.rhai", "--output", "json", "--force"])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_product_that_is_not_opened_has_no_objects_and_one_note() {
    let world = World::new(Options::default()).await;
    world.clouds.set_market(Vec::new(), Estate::new(Cloud::Aliyun).tables(), Vec::new());
    world.clouds.aliyun_fault(Fault {
        service: Some("cdn".into()),
        action: Some("DescribeUserDomains".into()),
        region: None,
        skip: 0,
        times: 1,
        kind: AliyunFault::Code(403, "CdnServiceNotFound"),
    });
    let ran = one(&world, "ALIYUN", "integration_alibabacloud_cdn", "");
    let collector = ran.collector("aliyun_cdn");
    assert_eq!(
        (ran.code, &collector["status"], &collector["collected"]),
        (0, &json!("collected"), &json!(0))
    );
    let note = "Alibaba Cloud CDN domains: not opened or not to be had there (CdnServiceNotFound)";
    assert_eq!(collector["warnings"], json!([note]));
}

/// Products that say in a success that they failed, each in members of its own, and an answer that is no list: none of them is an empty list.
#[tokio::test(flavor = "multi_thread")]
async fn a_failure_inside_of_a_success_is_no_empty_list() {
    let failing = |service: &str, action: &str, body| Fault {
        service: Some(service.into()),
        action: Some(action.into()),
        region: None,
        skip: 0,
        times: 10,
        kind: AliyunFault::Answer(body),
    };
    let regions = ", #{ regions: [\"cn-hangzhou\"] }";
    for (name, arguments, service, action, body, said) in [
        (
            "aliyun_dts",
            regions,
            "dts",
            "DescribeDtsJobs",
            r#"{"Success":false,"ErrCode":"Forbidden.RAM","ErrMessage":"Not by you.","HttpStatusCode":403,"RequestId":"R"}"#,
            ["Forbidden.RAM", "Not by you.", "dts:DescribeDtsJobs"],
        ),
        (
            "aliyun_rocketmq5",
            regions,
            "rocketmq",
            "ListInstances",
            r#"{"success":false,"code":"Instance.Unwilling","message":"Not today.","httpStatusCode":400,"requestId":"R"}"#,
            ["Instance.Unwilling", "Not today.", "rocketmq:ListInstances"],
        ),
        (
            "aliyun_kafka",
            regions,
            "alikafka",
            "GetInstanceList",
            r#"{"Success":false,"Code":403,"Message":"Not by you.","RequestId":"R"}"#,
            ["403", "Not by you.", "alikafka:ListInstance"],
        ),
        (
            "aliyun_resource_package",
            ", #{ products: [\"ossbag\"] }",
            "bssopenapi",
            "QueryResourcePackageInstances",
            r#"{"Success":false,"Code":"NotAuthorized","Message":"Not by you.","RequestId":"R"}"#,
            ["NotAuthorized", "Not by you.", "bssopenapi:QueryResourcePackageInstances"],
        ),
        (
            "aliyun_eip",
            regions,
            "vpc",
            "DescribeEipAddresses",
            r#"{"RequestId":"R"}"#,
            ["neither `TotalCount` nor `EipAddresses.EipAddress`", "vpc:DescribeEipAddresses", "no list"],
        ),
    ] {
        let world = World::new(Options::default()).await;
        world.clouds.set_market(Vec::new(), Estate::new(Cloud::Aliyun).tables(), Vec::new());
        unlimited(&world);
        let package = format!("guance_{name}");
        let before = one(&world, "ALIYUN", &package, arguments);
        assert_eq!(before.code, 0, "{before:?}");
        world.clouds.aliyun_fault(failing(service, action, body));
        let ran = one(&world, "ALIYUN", &package, arguments);
        let report = ran.collector(name);
        assert_eq!((&report["status"], &report["collected"]), (&json!("failed"), &json!(0)), "{report:#}");
        let text = report.to_string();
        assert!(said.iter().all(|said| text.contains(said)), "{report:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_belongs_to_other_packages_is_left_out_and_counted() {
    let world = World::new(Options::default()).await;
    let mut estate = Estate::new(Cloud::Aws);
    for (id, engine) in [("docs", "docdb"), ("graph", "neptune")] {
        estate.more("aws_rds", |item| {
            item["DBInstanceIdentifier"] = json!(id);
            item["Engine"] = json!(engine);
        });
    }
    world.clouds.set_market(estate.tables(), Vec::new(), Vec::new());
    let collector =
        one(&world, "AWS", "guance_aws_rds", ", #{ regions: [\"cn-north-1\"] }").collector("aws_rds");
    assert_eq!(collector["collected"], 5, "{collector:#}");
    let note = "cn-north-1: 2 instances of DocumentDB and Neptune are left to their own packages";
    assert_eq!(collector["warnings"], json!([note]));
}

/// A kind that no document knows has no class: it must not become a classic one. And a list that fails keeps the other from nothing.
#[tokio::test(flavor = "multi_thread")]
async fn balancers_of_two_lists_stay_apart() {
    let world = World::new(Options::default()).await;
    let mut estate = Estate::new(Cloud::Aws);
    estate.more("aws_elb", |item| {
        item["LoadBalancerArn"] = json!("arn:aws-cn:elasticloadbalancing:cn-north-1:1:loadbalancer/new/a/1");
        item["Type"] = json!("quantum");
    });
    world.clouds.set_market(estate.tables(), Vec::new(), Vec::new());
    let regions = ", #{ regions: [\"cn-north-1\"], details: [] }";
    let report = one(&world, "AWS", "guance_aws_elb", regions).collector("aws_elb");
    let note = "cn-north-1: 1 load balancers are of a kind that is not known and has no class: left out";
    assert_eq!((&report["collected"], &report["warnings"]), (&json!(10), &json!([note])), "{report:#}");
    assert!(world.clouds.datakit().points().iter().all(|point| point.tags["Type"] != "quantum"));

    let world = World::new(Options::default()).await;
    world.clouds.set_market(Estate::new(Cloud::Aws).tables(), Vec::new(), Vec::new());
    world.clouds.fault(Fault {
        service: Some("elasticloadbalancing".into()),
        action: Some("DescribeLoadBalancers".into()),
        region: None,
        skip: 0,
        times: 1,
        kind: FaultKind::Denied,
    });
    let report = one(&world, "AWS", "guance_aws_elb", regions).collector("aws_elb");
    assert_eq!((&report["status"], &report["collected"]), (&json!("failed"), &json!(5)), "{report:#}");
    assert!(world.clouds.datakit().points().iter().all(|point| point.tags["Type"] == "classic"));
}

#[tokio::test(flavor = "multi_thread")]
async fn details_are_chosen_and_go_by_the_object() {
    let world = World::new(Options {
        tencent: TencentEstate { regions: vec!["ap-shanghai".into()], ..TencentEstate::default() },
        ..Options::default()
    })
    .await;
    let mut estate = Estate::new(Cloud::Tencent);
    estate.more("tencentcloud_clb", |item| {
        item["LoadBalancerId"] = json!("lb-classic");
        item["Forward"] = json!(0);
    });
    world.clouds.set_market(Vec::new(), Vec::new(), estate.tables());
    let calls = |arguments: &str| {
        let ran = one(&world, "TENCENTCLOUD", "guance_tencentcloud_clb", arguments);
        assert_eq!(ran.code, 0, "{ran:?}");
        ran.collector("tencentcloud_clb")["calls"].clone()
    };
    assert_eq!(
        calls(", #{ regions: [\"ap-shanghai\"] }"),
        json!({ "clb:DescribeLoadBalancers": 3, "clb:DescribeListeners": 201, "clb:DescribeClassicalLBListeners": 1 })
    );
    assert_eq!(
        calls(", #{ regions: [\"ap-shanghai\"], details: [] }"),
        json!({ "clb:DescribeLoadBalancers": 3 })
    );
}

/// A page that fails takes nothing with it of what came before, though that still waited for its batch to fill.
#[tokio::test(flavor = "multi_thread")]
async fn what_came_before_a_page_failed_is_reported() {
    let world = World::new(Options::default()).await;
    world.clouds.set_market(Estate::new(Cloud::Aws).tables(), Vec::new(), Vec::new());
    world.clouds.fault(Fault {
        service: Some("ecs".into()),
        action: Some("ListClusters".into()),
        region: None,
        skip: 1,
        times: 1,
        kind: FaultKind::Denied,
    });
    let report =
        one(&world, "AWS", "guance_aws_ecs", ", #{ regions: [\"cn-north-1\"] }").collector("aws_ecs");
    assert_eq!(report["status"], "failed", "{report:#}");
    assert_eq!(report["calls"], json!({ "ecs:ListClusters": 2, "ecs:DescribeClusters": 1 }));
    let points = world.clouds.datakit().points();
    assert_eq!(points.len(), MarketCall::TOKENS, "{points:?}");
    assert!(points.iter().all(|point| point.tags.contains_key("status")), "{points:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_see_raw_members_and_what_details_say() {
    let world = World::new(Options::default()).await;
    let mut aliyun = Estate::new(Cloud::Aliyun);
    aliyun.more("aliyun_eip", |item| {
        item["AllocationId"] = json!("eip-named");
        item["Name"] = json!("gate");
    });
    world.clouds.set_market(Estate::new(Cloud::Aws).tables(), aliyun.tables(), Vec::new());
    let names = || {
        let points = world.clouds.datakit().points();
        points.into_iter().map(|point| point.tags["name"].clone()).collect::<BTreeSet<String>>()
    };
    let filter = ", #{ regions: [\"cn-hangzhou\"] }, #{ filters: [|it| it.Name == \"gate\"] }";
    let ran = one(&world, "ALIYUN", "guance_aliyun_eip", filter);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(names(), BTreeSet::from(["eip-named".to_owned()]));
    // A tag that comes from a batch of details.
    let filter =
        ", #{ regions: [\"cn-north-1\"] }, #{ filters: [|it| it.EngineVersion == \"Elasticsearch_7.10\"] }";
    let collector = one(&world, "AWS", "guance_aws_open_search", filter).collector("aws_opensearch");
    assert_eq!((&collector["collected"], &collector["calls"]["es:DescribeDomains"]), (&json!(3), &json!(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_product_without_regions_takes_none() {
    let world = World::new(Options::default()).await;
    let ran = one(&world, "ALIYUN", "guance_aliyun_domain", ", #{ regions: [\"cn-hangzhou\"] }");
    assert_eq!(ran.code, 2);
    insta::assert_snapshot!("market_regions_refused", ran.stderr);
}

/// Of what a user names, what cannot be is refused before any call, with the nearest name.
#[tokio::test(flavor = "multi_thread")]
async fn sites_and_products_are_checked() {
    let world = World::new(Options::default()).await;
    for (package, configs, said) in [
        (
            "aliyun_ddoscoo",
            "#{ regions: [\"cn-hangzhou\", \"cn-hangzhuo\"] }",
            [
                "`regions[1]` is `cn-hangzhuo`, where the product of aliyun_ddoscoo is not",
                "did you mean `cn-hangzhou`?",
            ],
        ),
        (
            "aliyun_ddoscoo",
            "#{ regions: [\"us-east-1\"] }",
            [
                "where the product of aliyun_ddoscoo is not",
                "the product has these regions alone: `cn-hangzhou`, `ap-southeast-1`",
            ],
        ),
        (
            "aliyun_waf",
            "#{ regions: [\"cn-hangzhou\"] }",
            ["has no meaning here", "aliyun_waf takes no configuration"],
        ),
        (
            "aliyun_resource_package",
            "#{ products: [\"osbag\"] }",
            [
                "`products[0]` is `osbag`, which is no product of aliyun_resource_package",
                "did you mean `ossbag`?",
            ],
        ),
        (
            "aliyun_resource_package",
            "#{ products: [\"ossbag\", \"ossbag\"] }",
            ["`products[1]` names `ossbag` a second time", ""],
        ),
        (
            "aliyun_resource_package",
            "#{ products: [] }",
            ["`products` is an empty list", "known products: ossbag"],
        ),
        ("aliyun_resource_package", "#{}", ["`products` is missing", ""]),
        (
            "aliyun_resource_package",
            "#{ regions: [\"cn-hangzhou\"] }",
            ["has no meaning here", "aliyun_resource_package takes `products` alone"],
        ),
    ] {
        world
            .write("one/main.rhai", &single("ALIYUN", &format!("guance_{package}"), &format!(", {configs}")));
        let ran = world.run(&["check", "one/main.rhai"]);
        assert_eq!(ran.code, 2, "{package} {configs}: {ran:?}");
        assert!(said.iter().all(|said| ran.stderr.contains(said)), "{package} {configs}: {}", ran.stderr);
    }
}

/// A package of the market that is not collected says so, and where its metrics are.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_out_says_why() {
    let world = World::new(Options::default()).await;
    world
        .write("one/main.rhai", &single("AWS", "integration_aws_lambda", ", #{ regions: [\"cn-north-1\"] }"));
    let ran = world.run(&["check", "one/main.rhai"]);
    assert_eq!(ran.code, 2);
    insta::assert_snapshot!("market_left_out_import", ran.stderr);
    for name in
        ["guance_aws_lambda", "aws_lambda", "integration_tencentcloud_eip__main", "guance_huaweicloud_ecs"]
    {
        let ran = world.run(&["collectors", name]);
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{name}");
        assert!(ran.stderr.contains("is not collected: "), "{name}: {}", ran.stderr);
        let ran = world.run(&["new", "mine", "--collector", name]);
        assert!(ran.code == 2 && ran.stderr.contains("is not collected: "), "{name}: {ran:?}");
    }
    let list = world.run(&["collectors"]).stdout;
    assert!(list.contains("all of Huawei Cloud, ") && list.contains("guance_aws_lambda"), "{list}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_declaration_has_a_page() {
    let world = World::new(Options::default()).await;
    let page = world.run(&["collectors", "integration_tencentcloud_clb__main"]);
    assert_eq!(page.code, 0);
    insta::assert_snapshot!("market_page", page.stdout);
}
