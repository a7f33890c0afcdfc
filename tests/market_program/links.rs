//! Metrics take the tags of the objects that they are about: every row of every cloud, and what must not be linked.

use super::*;
use funchost_collectors::COLLECTORS;
use funchost_collectors::point::Category;

/// One way from a namespace to a class, by the documents: what the metric says, and the object's tag that is equal.
pub(super) struct Way {
    pub(super) namespace: &'static str,
    pub(super) dimension: &'static str,
    pub(super) class: &'static str,
    /// Whose package the objects are of.
    pub(super) collector: &'static str,
    pub(super) tag: &'static str,
}

const fn way(namespace: &'static str, dimension: &'static str, class: &'static str) -> Way {
    Way { namespace, dimension, class, collector: class, tag: "name" }
}

/// Those of ECS, RDS, SLB and OSS have tests of their own.
pub(super) const ALIYUN: &[Way] = &[
    way("acs_vpc_eip", "instanceId", "aliyun_eip"),
    way("acs_nat_gateway", "instanceId", "aliyun_nat"),
    way("acs_alb", "loadBalancerId", "aliyun_alb"),
    way("acs_kvstore", "instanceId", "aliyun_redis"),
    way("acs_mongodb", "instanceId", "aliyun_mongodb"),
    way("acs_polardb", "clusterId", "aliyun_polardb"),
    way("acs_elasticsearch", "clusterId", "aliyun_elasticsearch"),
    way("acs_cdn", "instanceId", "aliyun_cdn"),
    way("acs_dcdn", "instanceId", "aliyun_dcdn"),
    way("acs_kafka", "instanceId", "aliyun_kafka"),
    // Two packages of one class.
    Way {
        collector: "aliyun_rocketmq4",
        tag: "InstanceId",
        ..way("acs_rocketmq", "instanceId", "aliyun_rocketmq")
    },
    Way {
        collector: "aliyun_rocketmq5",
        tag: "instanceId",
        ..way("acs_rocketmq", "instanceId", "aliyun_rocketmq")
    },
    way("acs_nas", "fileSystemId", "aliyun_nas"),
    way("acs_vpn", "instanceId", "aliyun_vpn"),
    way("waf", "instanceId", "aliyun_waf"),
    way("acs_newbgpddos", "InstanceId", "aliyun_ddoscoo"),
    way("acs_ddosdip", "InstanceId", "aliyun_ddoscoo"),
    way("acs_lindorm", "instanceId", "aliyun_lindorm"),
    way("acs_hybriddb", "instanceId", "aliyun_analyticdb_postgresql"),
    // Two classes of one namespace.
    way("acs_drds", "instanceId", "aliyun_polardbx_1"),
    Way { tag: "DBInstanceName", ..way("acs_drds", "instanceId", "aliyun_polardbx_2") },
];

/// EC2 has tests of its own.
pub(super) const AWS: &[Way] = &[
    way("AWS/RDS", "DBInstanceIdentifier", "aws_rds"),
    way("AWS/DocDB", "DBInstanceIdentifier", "aws_documentdb"),
    Way { collector: "aws_elb", ..way("AWS/ApplicationELB", "LoadBalancer", "aws_aelb") },
    Way { collector: "aws_elb", ..way("AWS/NetworkELB", "LoadBalancer", "aws_nelb") },
    Way { collector: "aws_elb", ..way("AWS/GatewayELB", "LoadBalancer", "aws_gelb") },
    way("AWS/ELB", "LoadBalancerName", "aws_elb"),
    way("AWS/S3", "BucketName", "aws_s3"),
    way("AWS/ElastiCache", "CacheClusterId", "aws_elasticache"),
    Way {
        collector: "aws_elasticache_serverless",
        tag: "ServerlessCacheName",
        ..way("AWS/ElastiCache", "clusterId", "aws_elasticache")
    },
    way("AWS/ES", "DomainName", "aws_opensearch"),
    way("AWS/DynamoDB", "TableName", "aws_dynamodb"),
    way("AWS/Redshift", "ClusterIdentifier", "aws_redshift"),
    way("AWS/Kinesis", "StreamName", "aws_kinesis"),
    way("AWS/ECS", "ClusterName", "aws_ecs"),
    way("AWS/MemoryDB", "ClusterName", "aws_memorydb"),
    way("AWS/ApiGateway", "ApiId", "aws_gateway"),
    way("AWS/ElasticMapReduce", "JobFlowId", "aws_emr"),
    way("AWS/DMS", "ReplicationInstanceIdentifier", "aws_dms"),
    Way { tag: "RuleName", ..way("AWS/Events", "RuleName", "aws_eventbridge") },
];

/// Packages that the documents know no metrics of, and those whose links are proven elsewhere.
const WITHOUT: &[&str] = &[
    "aliyun_cas",
    "aliyun_dns",
    "aliyun_domain",
    "aliyun_dts",
    "aliyun_ecs",
    "aliyun_oss",
    "aliyun_private_zone",
    "aliyun_rds",
    "aliyun_resource_package",
    "aliyun_slb",
    "aliyun_tds",
    "aliyun_vpc",
    "aws_ec2",
];

/// Whatever package and class is declared stands in one of the tables; those of Tencent Cloud are proven by what its double of Monitor knows.
#[test]
fn no_class_is_left_out() {
    let objects: Vec<_> = COLLECTORS
        .iter()
        .filter(|collector| collector.description().category == Category::CustomObject)
        .filter(|collector| collector.description().cloud != Cloud::Tencent)
        .collect();
    let ways = || ALIYUN.iter().chain(AWS);
    let packages: BTreeSet<&str> = objects.iter().map(|collector| collector.description().name).collect();
    let known: BTreeSet<&str> = ways().map(|way| way.collector).chain(WITHOUT.iter().copied()).collect();
    assert_eq!(packages, known);
    let mut classes: Vec<&str> = objects.iter().flat_map(|collector| collector.classes()).collect();
    classes.sort_unstable();
    classes.dedup();
    let mut known: Vec<&str> = ways().map(|way| way.class).chain(WITHOUT.iter().copied()).collect();
    known.sort_unstable();
    known.dedup();
    assert_eq!(classes, known);
}

/// The one metric of every namespace. That of S3 which comes every minute has this name.
const METRIC: &str = "AllRequests";

/// Series of a namespace: of an object that is there, of one that nobody knows, and with the id where another dimension stands.
type Measured = Vec<(&'static str, Vec<(String, String)>)>;

/// An object of each way, and the series that the doubles are told.
pub(super) fn measured(
    region: &str,
    ways: &'static [Way],
    points: &[ReceivedPoint],
) -> (Vec<ReceivedPoint>, Measured) {
    let mut measured = Measured::new();
    let objects = ways.iter().map(|way| {
        let own = |point: &&ReceivedPoint| {
            point.category == "custom_object"
                && point.measurement == way.class
                && point.tags.contains_key(way.tag)
        };
        let own: Vec<&ReceivedPoint> = points.iter().filter(own).collect();
        // One of the region that is asked: its tag says so, or else its generic id. Of those, one that is found by this tag alone.
        let there = |object: &&ReceivedPoint| {
            let tag = ["RegionId", "region_id"].iter().find_map(|tag| object.tags.get(*tag));
            tag.map_or_else(|| object.tags["name"].contains(region), |tag| tag == region)
        };
        let near: Vec<&ReceivedPoint> = own.iter().copied().filter(there).collect();
        let only = |list: &[&'_ ReceivedPoint]| -> Option<ReceivedPoint> {
            let alone = |object: &&&ReceivedPoint| {
                list.iter().filter(|other| other.tags[way.tag] == object.tags[way.tag]).count() == 1
            };
            list.iter().find(alone).map(|object| (*object).clone())
        };
        let first = near.first().or(own.first()).map(|object| (*object).clone());
        let found = only(&near).or_else(|| only(&own)).or(first);
        let object = found.unwrap_or_else(|| panic!("no object of {}", way.class));
        let value = object.tags[way.tag].clone();
        let pair = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
        measured.push((way.namespace, pair(way.dimension, &value)));
        measured.push((way.namespace, pair(way.dimension, "nobody-knows-it")));
        measured.push((way.namespace, pair("somethingElse", &value)));
        object
    });
    (objects.collect(), measured)
}

/// Runs the metrics of all ways, so many seconds later; the points must be as the objects say.
pub(super) fn check(
    world: &World,
    seconds: i64,
    prefix: &str,
    collector: &str,
    regions: &str,
    ways: &'static [Way],
    objects: &[ReceivedPoint],
) {
    let namespaces: BTreeSet<&str> = ways.iter().map(|way| way.namespace).collect();
    let targets: Vec<String> = namespaces
        .iter()
        .map(|name| format!("#{{ namespace: \"{name}\", metrics: \"{METRIC}\" }}"))
        .collect();
    let before = world.clouds.datakit().points().len();
    let arguments = format!(", #{{ {regions}targets: [{}] }}", targets.join(", "));
    world.clouds.set_clock_offset(seconds);
    world.write("one/main.rhai", &single(prefix, &format!("guance_{collector}"), &arguments));
    let ran = world.run_at(seconds, &["run", "one/main.rhai", "--output", "json"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let report = ran.collector(collector);
    let points = world.clouds.datakit().points().split_off(before);
    assert_eq!(report["collected"], points.len(), "{report:#}");
    let mut linked = 0;
    for (way, object) in ways.iter().zip(objects) {
        let measurement = format!("{}_{}", prefix.to_lowercase(), way.namespace);
        let value = &object.tags[way.tag];
        let of = |value: &str| {
            let own = |point: &&ReceivedPoint| {
                point.measurement == measurement
                    && point.tags.get(way.dimension).is_some_and(|tag| tag == value)
            };
            points
                .iter()
                .filter(own)
                .filter(|point| !point.tags.contains_key("somethingElse"))
                .collect::<Vec<_>>()
        };
        let own = of(value);
        assert!(!own.is_empty(), "{}: no point of {value}", way.namespace);
        for point in own {
            // All of the object's tags but its name; what the metric says itself wins.
            let mut wanted = object.tags.clone();
            wanted.remove("name");
            wanted.insert(way.dimension.to_owned(), value.clone());
            assert_eq!(point.tags, wanted, "{}", way.namespace);
            linked += 1;
        }
        let bare = |name: &str, value: &str, point: &ReceivedPoint| {
            let provider = object.tags["cloud_provider"].clone();
            let wanted = BTreeMap::from([
                (name.to_owned(), value.to_owned()),
                ("cloud_provider".to_owned(), provider),
            ]);
            assert_eq!(point.tags, wanted, "{}", way.namespace);
        };
        let unknown = of("nobody-knows-it");
        assert!(!unknown.is_empty(), "{}: no point of the unknown", way.namespace);
        unknown.into_iter().for_each(|point| bare(way.dimension, "nobody-knows-it", point));
        let elsewhere = |point: &&ReceivedPoint| {
            point.measurement == measurement && point.tags.get("somethingElse") == Some(value)
        };
        points.iter().filter(elsewhere).for_each(|point| bare("somethingElse", value, point));
    }
    // What is not linked is counted by what is.
    assert_eq!(report["linked"], linked, "{report:#}");
}
