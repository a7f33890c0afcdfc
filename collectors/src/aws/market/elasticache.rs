//! `guance_aws_elasticache`: ElastiCache clusters (DescribeCacheClusters, 2015-02-02).

use super::*;

static API: Query = Query { version: "2015-02-02", model: "elasticache" };
static LIST: Action = listing("elasticache", "DescribeCacheClusters", "elasticache:DescribeCacheClusters");

/// The collector.
pub static ELASTICACHE: ObjectCollector = ObjectCollector {
    description: Description {
        package: "guance_aws_elasticache",
        name: "aws_elasticache",
        measurement: "aws_elasticache",
        title: "Amazon ElastiCache clusters",
        title_zh: "亚马逊 ElastiCache 集群",
        actions: &[&LIST, &ASSUME_ROLE],
        tags: &[
            name("CacheClusterId"),
            tag("CacheClusterId", "the cluster's id"),
            tag("CacheNodeType", "such as `cache.t3.small`"),
            tag("Engine", "its engine"),
            tag("EngineVersion", "the engine's version"),
            tag("CacheClusterStatus", "`available`, `creating` and so on"),
            tag("PreferredAvailabilityZone", "the zone"),
            tag("ARN", "its ARN"),
            REGION,
        ],
        fields: &[
            field("SecurityGroups", Type::Json, "its security groups"),
            field("NumCacheNodes", Type::Text, "nodes"),
            MESSAGE,
        ],
        notes: &[NAMES],
        ..OBJECTS
    },
    list: List {
        request: request(&API, &LIST),
        paging: tokens("Marker", "Marker", "MaxRecords", 100),
        items: "CacheClusters",
        id: "CacheClusterId",
    },
    sample: r#"{
"item": {"CacheClusterId": "test", "CacheNodeType": "cache.t3.small", "Engine": "redis", "EngineVersion": "6.2.5",
"CacheClusterStatus": " available", "PreferredAvailabilityZone": "cn-northwest-1b",
"ARN": "arn:aws-cn:elasticache:cn-northwest-1:5881335135:cluster:test", "SecurityGroups": [{"SecurityGroupId": "x"}],
"NumCacheNodes": 1},
"point": {"tags": {"name": "test", "CacheClusterId": "test", "CacheNodeType": "cache.t3.small", "Engine": "redis",
"EngineVersion": "6.2.5", "CacheClusterStatus": " available", "PreferredAvailabilityZone": "cn-northwest-1b",
"ARN": "arn:aws-cn:elasticache:cn-northwest-1:5881335135:cluster:test", "RegionId": "cn-north-1"},
"fields": {"SecurityGroups": "{安全组 JSON 数据}}", "NumCacheNodes": "1", "message": "{…}"}}}"#,
    ..ObjectCollector::DECLARED
};
