//! Scripts of Alibaba Cloud, and points compared with what simcloud holds.

use super::World;
use serde_json::{Value as Json, json};
use simcloud::{
    AliyunEstate, AliyunFault, AliyunObject, AliyunProduct, AliyunSeries, Fault, FieldValue, Options,
    ReceivedPoint, Simcloud,
};
use std::collections::{BTreeMap, BTreeSet};

/// A world whose calls are not spaced: what they are worth is counted, not timed.
pub(crate) async fn world(estate: AliyunEstate) -> World {
    let world = World::new(Options { aliyun: estate, ..Options::default() }).await;
    configure(&world, "");
    world
}

/// Writes the configuration anew, with more at its end.
pub(crate) fn configure(world: &World, more: &str) {
    let mut limits = String::from("[limits]\n");
    for action in [
        "cms.DescribeMetricList",
        "cms.DescribeMetricMetaList",
        "ecs.DescribeInstances",
        "ecs.DescribeDisks",
        "ecs.DescribeNetworkInterfaces",
        "ecs.DescribeInstancesFullStatus",
        "ecs.DescribeInstanceAutoRenewAttribute",
        "rds.DescribeDBInstances",
        "rds.DescribeDBInstanceAttribute",
        "rds.DescribeDBInstanceNetInfo",
        "rds.DescribeResourceUsage",
        "rds.DescribeAccounts",
        "rds.DescribeDatabases",
        "rds.DescribeDBInstanceSSL",
        "slb.DescribeLoadBalancers",
        "slb.DescribeLoadBalancerAttribute",
        "slb.DescribeHealthStatus",
        "slb.DescribeServerCertificates",
        "oss.ListBuckets",
        "oss.GetBucketInfo",
    ] {
        limits.push_str(&format!("\"aliyun.{action}\" = 1000\n"));
    }
    let (aliyun, datakit) = (world.clouds.aliyun_url(), world.clouds.datakit_url());
    world.write(
        "funchost.toml",
        &format!("state = \"state\"\n[datakits.datakit]\nurl = \"{datakit}\"\n[endpoints]\naliyun = \"{aliyun}\"\n{limits}{more}"),
    );
}

/// An estate of one region with a few of everything.
pub(crate) fn small() -> AliyunEstate {
    AliyunEstate {
        regions: vec!["cn-hangzhou".into()],
        instances: 4,
        databases: 4,
        balancers: 4,
        buckets: 3,
        nasty: false,
    }
}

/// The account, as the manual writes it; `more` are further keys.
fn account(more: &str) -> String {
    format!(
        r#"let account = #{{
    ak_id: DFF.ENV("ALIYUN_AK_ID"),
    ak_secret: DFF.ENV("ALIYUN_AK_SECRET"),
    {more}
    extra_tags: #{{ account_name: "我的阿里云账号" }},
}};
"#
    )
}

/// The targets of the manual's five products: 46 metrics of the 308.
pub(crate) const MANUALS_TARGETS: &str = r##"
    #{ namespace: "acs_ecs_dashboard", metrics: ["*cpu*", "*mem*"] },
    #{ namespace: "acs_rds_dashboard", metrics: ["*cpu*", "*iops*"] },
    #{ namespace: "acs_slb_dashboard", metrics: ["*traffic*"] },
    #{ namespace: "acs_oss_dashboard", metrics: ["*internet*"] },"##;

/// The manual's five products in order.
pub(crate) fn all_products(regions: &[&str], more: &str) -> String {
    let collectors: Vec<(&str, String)> = ["ecs", "rds", "slb", "oss"]
        .into_iter()
        .map(|product| (product, format!("#{{ regions: {regions:?} }}")))
        .chain([("monitor", format!("#{{ targets: [{MANUALS_TARGETS}] }}"))])
        .collect();
    script(&collectors, more)
}

/// CloudMonitor alone.
pub(crate) fn monitor(targets: &str, more: &str) -> String {
    script(&[("monitor", format!("#{{ targets: [{targets}] }}"))], more)
}

/// Collectors by product, with their configurations.
pub(crate) fn script(collectors: &[(&str, String)], more: &str) -> String {
    let mut text = String::from("import \"guance_integration__runner\" as integration;\n");
    for (product, _) in collectors {
        text.push_str(&format!("import \"guance_aliyun_{product}__main\" as aliyun_{product};\n"));
    }
    text.push_str(&account(more));
    text.push_str("@DFF.API(\"执行云资产同步\", timeout = 120)\nfn run() {\n    Runner([\n");
    for (product, configs) in collectors {
        text.push_str(&format!("        aliyun_{product}::DataCollector(account, {configs}),\n"));
    }
    text.push_str("    ]).run();\n}\n");
    text
}

/// A fault of one action.
pub(crate) fn fault(action: &str, times: u64, kind: AliyunFault) -> Fault<AliyunFault> {
    Fault { service: None, action: Some(action.into()), region: None, skip: 0, times, kind }
}

/// What line protocol can carry of a tag's value, by the rules of DataKit.
fn as_tag(value: &str) -> Option<String> {
    let value = value.replace(['\n', '\r'], " ").trim_end_matches('\\').to_owned();
    (!value.is_empty()).then_some(value)
}

/// A scalar as text: numbers as their digits.
fn digits(value: &Json) -> Option<String> {
    match value {
        Json::String(text) => Some(text.clone()).filter(|text| !text.is_empty()),
        Json::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// An object as the contract wants it reported, made from what simcloud holds: tags and fields, JSON texts as JSON.
fn wanted(clouds: &Simcloud, object: &AliyunObject) -> (BTreeMap<String, String>, BTreeMap<String, Json>) {
    let item = &object.item;
    let nothing = Json::Null;
    let detail = |name: &str| object.details.get(name).unwrap_or(&nothing);
    let mut tags = BTreeMap::from([("name".to_owned(), object.id.clone())]);
    let mut fields = BTreeMap::new();
    let mut tag = |key: &str, value: &Json| {
        if let Some(value) = digits(value).as_deref().and_then(as_tag) {
            tags.insert(key.to_owned(), value);
        }
    };
    let mut text = |key: &str, value: Option<String>| {
        if let Some(value) = value {
            fields.insert(key.to_owned(), Json::String(value));
        }
    };
    let mut lists: Vec<(&str, Json)> = Vec::new();
    match object.product {
        AliyunProduct::Ecs => {
            for key in [
                "InstanceId",
                "InstanceName",
                "HostName",
                "RegionId",
                "ZoneId",
                "InstanceChargeType",
                "InternetChargeType",
                "OSType",
                "InstanceType",
                "InstanceTypeFamily",
                "Status",
            ] {
                tag(key, &item[key]);
            }
            tag("PublicIpAddress_IpAddress", &item["PublicIpAddress"]["IpAddress"][0]);
            for key in [
                "CreationTime",
                "StartTime",
                "ExpiredTime",
                "AutoReleaseTime",
                "Cpu",
                "Memory",
                "InternetMaxBandwidthOut",
            ] {
                text(key, digits(&item[key]));
            }
            lists.push(("OperationLocks", item["OperationLocks"]["LockReason"].clone()));
            for name in ["disks", "network_interfaces", "instances_full_status", "instance_renew_attribute"] {
                lists.push((name, detail(name).clone()));
            }
            lists.push(("message", item.clone()));
        }
        AliyunProduct::Rds => {
            let attribute = detail("attribute");
            for key in [
                "DBInstanceId",
                "DBInstanceDescription",
                "DBInstanceType",
                "DBInstanceClass",
                "DBInstanceNetType",
                "DBInstanceStorageType",
                "Category",
                "ConnectionMode",
                "Engine",
                "LockMode",
                "PayType",
                "RegionId",
                "ZoneId",
            ] {
                tag(key, if digits(&item[key]).is_some() { &item[key] } else { &attribute[key] });
            }
            text("CreationTime", digits(&attribute["CreationTime"]).or_else(|| digits(&item["CreateTime"])));
            text("ExpireTime", digits(&item["ExpireTime"]));
            text("DBInstanceStorage", digits(&attribute["DBInstanceStorage"]));
            for key in ["DiskUsed", "BackupSize", "LogSize", "BackupLogSize", "BackupDataSize"] {
                // -1 is the API's word for no data.
                text(key, digits(&detail("usage")[key]).filter(|value| value != "-1"));
            }
            text("SSLExpireTime", digits(&detail("ssl")["SSLExpireTime"]));
            lists.push(("ConnectionString", detail("net_info").clone()));
            lists.push(("accounts", detail("accounts").clone()));
            lists.push(("databases", detail("databases").clone()));
            lists.push(("message", item.clone()));
        }
        AliyunProduct::Slb => {
            let attribute = detail("attribute");
            for key in [
                "LoadBalancerId",
                "LoadBalancerName",
                "LoadBalancerStatus",
                "Address",
                "AddressType",
                "NetworkType",
                "PayType",
                "RegionId",
                "MasterZoneId",
                "SlaveZoneId",
            ] {
                tag(key, &item[key]);
            }
            tag("InternetChargeType", &json!("paybytraffic"));
            tag("RenewalStatus", &attribute["RenewalStatus"]);
            tag("AutoReleaseTime", &attribute["AutoReleaseTime"]);
            let seconds = item["CreateTimeStamp"].as_i64().expect("a number") / 1000;
            let time = chrono::DateTime::from_timestamp(seconds, 0).expect("a time");
            text("CreateTime", Some(time.format("%Y-%m-%dT%H:%M:%SZ").to_string()));
            text("Bandwidth", digits(&attribute["Bandwidth"]));
            text("EndTimeStamp", digits(&attribute["EndTimeStamp"]));
            let listeners = &attribute["ListenerPortsAndProtocol"]["ListenerPortAndProtocol"];
            lists.push(("ListenerPortsAndProtocol", listeners.clone()));
            lists.push(("ServerHealthStatus", detail("health").clone()));
            if listeners
                .as_array()
                .is_some_and(|all| all.iter().any(|one| one["ListenerProtocol"] == "https"))
            {
                lists.push(("ServerCertificates", clouds.aliyun_certificates(&object.region)));
            }
            lists.push(("message", item.clone()));
        }
        AliyunProduct::Oss => {
            let info = detail("info");
            tag("RegionId", &json!(format!("oss-{}", object.region)));
            tag("location", &item["Location"]);
            tag("storage_class", &item["StorageClass"]);
            tag("grant", &info["AccessControlList"]["Grant"]);
            text("extranet_endpoint", digits(&item["ExtranetEndpoint"]));
            text("intranet_endpoint", digits(&item["IntranetEndpoint"]));
            let created = chrono::DateTime::parse_from_rfc3339(item["CreationDate"].as_str().expect("text"));
            fields.insert("creation_date".to_owned(), created.expect("a time").timestamp().into());
            let mut message = info.clone();
            // An element without text says nothing.
            fn without_empty(value: &mut Json) {
                if let Some(members) = value.as_object_mut() {
                    members.values_mut().for_each(without_empty);
                    members.retain(|_, value| value != "");
                }
            }
            without_empty(&mut message);
            lists.push(("message", message));
        }
    }
    for (key, value) in lists {
        let empty = value.is_null() || value.as_array().is_some_and(Vec::is_empty);
        if !empty {
            fields.insert(key.to_owned(), value);
        }
    }
    tags.insert("cloud_provider".into(), "aliyun".into());
    tags.insert("account_name".into(), "我的阿里云账号".into());
    (tags, fields)
}

/// The product's name in measurements.
fn name(product: AliyunProduct) -> &'static str {
    match product {
        AliyunProduct::Ecs => "aliyun_ecs",
        AliyunProduct::Rds => "aliyun_rds",
        AliyunProduct::Slb => "aliyun_slb",
        AliyunProduct::Oss => "aliyun_oss",
    }
}

/// Every object of these regions came once, with every tag and field that simcloud's truth says, and no other.
pub(crate) fn assert_golden_objects(world: &World, regions: &[&str], points: &[ReceivedPoint]) {
    const ALL: &[AliyunProduct] =
        &[AliyunProduct::Ecs, AliyunProduct::Rds, AliyunProduct::Slb, AliyunProduct::Oss];
    assert_golden_objects_of(ALL, world, regions, points);
}

/// The same of some products alone.
pub(crate) fn assert_golden_objects_of(
    products: &[AliyunProduct],
    world: &World,
    regions: &[&str],
    points: &[ReceivedPoint],
) {
    let mut seen: BTreeMap<(&str, &str), &ReceivedPoint> = BTreeMap::new();
    for point in points.iter().filter(|point| point.category == "custom_object") {
        let key = (point.measurement.as_str(), point.tags["name"].as_str());
        assert!(seen.insert(key, point).is_none(), "{key:?} came twice");
    }
    let mut expected = 0;
    for &product in products {
        for region in regions {
            for object in world.clouds.aliyun_objects(product, region) {
                expected += 1;
                let point = seen
                    .get(&(name(product), object.id.as_str()))
                    .unwrap_or_else(|| panic!("{} is missing", object.id));
                let (tags, fields) = wanted(&world.clouds, &object);
                assert_eq!(point.tags, tags, "{}", object.id);
                let found: BTreeMap<String, Json> = point
                    .fields
                    .iter()
                    .map(|(key, value)| {
                        let value = match (value, &fields.get(key)) {
                            (FieldValue::Integer(number), _) => json!(number),
                            (FieldValue::Text(text), Some(Json::Array(_) | Json::Object(_))) => {
                                serde_json::from_str(text).expect("JSON text")
                            }
                            (FieldValue::Text(text), _) => json!(text),
                            (other, _) => panic!("{key}: {other:?}"),
                        };
                        (key.clone(), value)
                    })
                    .collect();
                assert_eq!(found, fields, "{}", object.id);
            }
        }
    }
    assert_eq!(seen.len(), expected, "something was invented");
}

/// A metric field: series, time (seconds) and statistic.
pub(crate) type Golden = BTreeMap<(AliyunSeries, i64, String), f64>;

/// Every metric field that came; each is a true one, and none came twice.
pub(crate) fn golden_metrics(world: &World, points: &[ReceivedPoint]) -> Golden {
    let mut found = Golden::new();
    for point in points.iter().filter(|point| point.category == "metric") {
        let namespace = point.measurement.strip_prefix("aliyun_").expect("the measurement");
        for (field, value) in &point.fields {
            let (metric, statistic) = field.rsplit_once('_').expect("metric and statistic");
            // Of the tags those are dimensions that the metric's series have.
            let all = world.clouds.aliyun_series(namespace, metric);
            let names = all.first().unwrap_or_else(|| panic!("{namespace} {metric} has no series"));
            let dimensions: BTreeMap<String, String> = names
                .dimensions
                .keys()
                .map(|name| (name.clone(), point.tags.get(name).cloned().unwrap_or_default()))
                .collect();
            let series = AliyunSeries { namespace: namespace.into(), metric: metric.into(), dimensions };
            let time = point.timestamp / 1_000_000_000;
            let truth = world
                .clouds
                .aliyun_datapoint(&series, time)
                .unwrap_or_else(|| panic!("{series:?} at {time} is invented"));
            assert_eq!(*value, FieldValue::Float(truth[statistic]), "{series:?} {statistic}");
            assert_eq!(point.tags["cloud_provider"], "aliyun");
            let FieldValue::Float(value) = value else { panic!("a float") };
            assert!(
                found.insert((series.clone(), time, statistic.to_owned()), *value).is_none(),
                "{series:?} at {time} came twice"
            );
        }
    }
    found
}

/// Of every series of these metrics, every statistic of every minute came; the minutes.
pub(crate) fn assert_complete<'name>(
    world: &World,
    found: &Golden,
    metrics: impl IntoIterator<Item = (&'name str, &'name str)>,
) -> Vec<i64> {
    let minutes: BTreeSet<i64> = found.keys().map(|(_, time, _)| *time).collect();
    let minutes: Vec<i64> = minutes.into_iter().collect();
    assert!(minutes.windows(2).all(|pair| pair[1] - pair[0] == 60), "{minutes:?}");
    let mut count = 0;
    for (namespace, metric) in metrics {
        for series in world.clouds.aliyun_series(namespace, metric) {
            for minute in &minutes {
                let truth = world.clouds.aliyun_datapoint(&series, *minute);
                for (statistic, value) in
                    truth.unwrap_or_else(|| panic!("{series:?} has no point at {minute}"))
                {
                    let found = found.get(&(series.clone(), *minute, statistic.clone()));
                    assert_eq!(found, Some(&value), "{series:?} {statistic} at {minute}");
                    count += 1;
                }
            }
        }
    }
    assert_eq!(found.len(), count, "metrics that nobody chose");
    minutes
}

/// What was chosen: namespace and metric.
pub(crate) fn chosen(found: &Golden) -> BTreeSet<(&str, &str)> {
    found.keys().map(|(series, ..)| (series.namespace.as_str(), series.metric.as_str())).collect()
}
