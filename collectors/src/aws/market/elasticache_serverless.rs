//! `guance_aws_elasticache_serverless`: ElastiCache serverless caches (DescribeServerlessCaches, 2015-02-02).

use super::*;

static API: Query = Query { version: "2015-02-02", model: "elasticache" };
static LIST: Action =
    listing("elasticache", "DescribeServerlessCaches", "elasticache:DescribeServerlessCaches");

/// The collector.
pub static ELASTICACHE_SERVERLESS: ObjectCollector = ObjectCollector {
    description: Description {
        package: "guance_aws_elasticache_serverless",
        name: "aws_elasticache_serverless",
        measurement: "aws_elasticache",
        title: "Amazon ElastiCache serverless caches",
        title_zh: "亚马逊 ElastiCache 无服务器缓存",
        actions: &[&LIST, &ASSUME_ROLE],
        tags: &[
            name("ServerlessCacheName"),
            tag("ServerlessCacheName", "the cache's name"),
            tag("ARN", "its ARN"),
            tag("Engine", "its engine"),
            tag("FullEngineVersion", "the engine's whole version"),
            tag("MajorEngineVersion", "the engine's major version"),
            REGION,
            tag("Status", "`available`, `creating` and so on"),
        ],
        fields: &[
            field("CreateTime", Type::Text, "when it was made"),
            field("DailySnapshotTime", Type::Text, "when its daily snapshot is made"),
            field("Description", Type::Text, "its description"),
            field("Endpoint", Type::Json, "where it answers"),
            field("ReaderEndpoint", Type::Json, "where it answers reads"),
            field("SecurityGroupIds", Type::Json, "its security groups"),
            field("SubnetIds", Type::Json, "its subnets"),
            MESSAGE,
        ],
        notes: &[NAMES],
        ..OBJECTS
    },
    list: List {
        request: request(&API, &LIST),
        paging: tokens("NextToken", "NextToken", "MaxResults", 50),
        items: "ServerlessCaches",
        id: "ServerlessCacheName",
    },
    sample: r#"{
"item": {"ServerlessCacheName": "test-serverless", "ARN": "arn:aws-cn:elasticache:cn-north-1:588xxxx:serverlesscache:test",
"Engine": "redis", "FullEngineVersion": "7.1", "MajorEngineVersion": "7", "Status": "available",
"CreateTime": "2024-04-10T02:45:41.921000Z", "DailySnapshotTime": "00:00", "Description": " ",
"Endpoint": {"Address": "x", "Port": 6379}, "ReaderEndpoint": {"Address": "x", "Port": 6380},
"SecurityGroupIds": ["sg-xxxx"]},
"point": {"tags": {"name": "test-serverless", "ServerlessCacheName": "test-serverless",
"ARN": "arn:aws-cn:elasticache:cn-north-1:588xxxx:serverlesscache:test", "Engine": "redis",
"FullEngineVersion": "7.1", "MajorEngineVersion": "7", "RegionId": "cn-north-1", "Status": "available"},
"fields": {"CreateTime": "2024-04-10T02:45:41.921000Z", "DailySnapshotTime": "00:00", "Description": " ",
"Endpoint": "{\"Address\": \"x\", \"Port\": 6379}", "ReaderEndpoint": "{\"Address\": \"x\", \"Port\": 6380}",
"SecurityGroupIds": "[\"sg-xxxx\"]", "SubnetIds": "", "message": "{…}"}}}"#,
    ..ObjectCollector::DECLARED
};
