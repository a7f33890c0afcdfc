//! `guance_aliyun_mongodb`: MongoDB instances (DescribeDBInstances, 2015-12-01).

use super::*;

static API: Rpc = Rpc { version: "2015-12-01" };
static LIST: Action = listing("dds", "DescribeDBInstances", "dds:DescribeDBInstances");
static ATTRIBUTE_OF: Action = asking("dds", "DescribeDBInstanceAttribute", "dds:DescribeDBInstanceAttribute");

/// Released since it was listed.
const GONE: &[&str] = &["InvalidDBInstanceId.NotFound"];

static DETAIL: Detail = optional(detail(
    "attribute",
    request(&API, &ATTRIBUTE_OF),
    ("DBInstanceId", "DBInstanceId"),
    "DBInstances.DBInstance",
    GONE,
));

/// The collector.
pub static MONGODB: ObjectCollector = ObjectCollector {
    description: Description {
        package: "guance_aliyun_mongodb",
        name: "aliyun_mongodb",
        measurement: "aliyun_mongodb",
        title: "Alibaba Cloud MongoDB instances",
        title_zh: "阿里云 MongoDB 实例",
        actions: &[&LIST, &ATTRIBUTE_OF, &ASSUME_ROLE],
        configuration: &[
            REGIONS,
            details_key(
                "which details to ask for, one call for each instance: `attribute`; left out: all; an empty list: none",
            ),
        ],
        tags: &[
            name("DBInstanceId"),
            tag("DBInstanceType", "`replicate`, `sharding`, `serverless`"),
            tag("ChargeType", "`PrePaid`, `PostPaid`"),
            tag("Engine", "`MongoDB`"),
            tag("DBInstanceClass", "its class"),
            tag("DBInstanceId", "the instance's id"),
            tag("ZoneId", "the zone"),
            tag("RegionId", "the region"),
            tag_of("VPCId", Source::Detail("attribute", "0.VPCId"), "the VPC"),
            tag("EngineVersion", "the engine's version"),
            tag_of(
                "CurrentKernelVersion",
                Source::Detail("attribute", "0.CurrentKernelVersion"),
                "the version of its kernel, by `DescribeDBInstanceAttribute`",
            ),
            tag_of(
                "StorageEngine",
                Source::Detail("attribute", "0.StorageEngine"),
                "`WiredTiger`, `RocksDB`, by `DescribeDBInstanceAttribute`",
            ),
            tag("DBInstanceDescription", "its description"),
            tag("LockMode", "`Unlock`, or why it is locked"),
        ],
        fields: &[
            field("ExpireTime", Type::Text, "when it expires"),
            field("DBInstanceStorage", Type::Text, "GB"),
            field_of(
                "ReplicaSets",
                Type::Json,
                Source::Detail("attribute", "0.ReplicaSets.ReplicaSet"),
                "its replica sets",
            ),
            MESSAGE,
        ],
        ..OBJECTS
    },
    list: List {
        request: Request { region: Some("RegionId"), ..request(&API, &LIST) },
        paging: numbers_of("PageNumber", "PageSize", &[30, 50, 100], "TotalCount"),
        items: "DBInstances.DBInstance",
        id: "DBInstanceId",
    },
    details: &[&DETAIL],
    variants: Some(("DBInstanceType", &["replicate", "sharding", "serverless"])),
    sample: r#"{
"item": {"DBInstanceId": "dds-bpxxxxxxxx", "DBInstanceType": "replicate", "ChargeType": "PrePaid", "Engine": "MongoDB",
"DBInstanceClass": "dds.xxxxxxxx", "ZoneId": "cn-hangzhou", "RegionId": "cn-hangzhou-h", "EngineVersion": "4.2",
"DBInstanceDescription": "业务系统", "LockMode": "Unlock", "ExpireTime": "2020-11-18T08:47:11Z", "DBInstanceStorage": 20},
"details": {"attribute": [{"CurrentKernelVersion": "mongodb_20210204_4.0.14", "StorageEngine": "WiredTiger",
"VPCId": "vpc-bpxxxxxxxx", "ReplicaSets": {"ReplicaSet": [{"ReplicaSetRole": "Primary"}]}}]},
"point": {"tags": {"name": "dds-bpxxxxxxxx", "DBInstanceType": "replicate", "ChargeType": "PrePaid", "Engine": "MongoDB",
"DBInstanceClass": "dds.xxxxxxxx", "DBInstanceId": "dds-bpxxxxxxxx", "ZoneId": "cn-hangzhou",
"RegionId": "cn-hangzhou-h", "VPCId": "vpc-bpxxxxxxxx", "EngineVersion": "4.2",
"CurrentKernelVersion": "mongodb_20210204_4.0.14", "StorageEngine": "WiredTiger", "DBInstanceDescription": "业务系统",
"LockMode": "Unlock"}, "fields": {"ExpireTime": "2020-11-18T08:47:11Z", "DBInstanceStorage": "20",
"ReplicaSets": "{连接地址 JSON 数据}", "message": "{…}"}}}"#,
    ..ObjectCollector::DECLARED
};
