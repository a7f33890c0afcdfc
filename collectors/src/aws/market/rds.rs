//! `guance_aws_rds`: RDS instances (DescribeDBInstances, 2014-10-31).

use super::*;

static API: Query = Query { version: "2014-10-31", model: "rds" };
static LIST: Action = listing("rds", "DescribeDBInstances", "rds:DescribeDBInstances");

/// The collector.
pub static RDS: ObjectCollector = ObjectCollector {
    description: Description {
        package: "guance_aws_rds",
        name: "aws_rds",
        measurement: "aws_rds",
        title: "Amazon RDS instances",
        title_zh: "亚马逊 RDS 实例",
        actions: &[&LIST, &ASSUME_ROLE],
        tags: &[
            name("DBInstanceIdentifier"),
            REGION,
            tag("Engine", "its engine"),
            tag("DBInstanceClass", "its class"),
            tag("DBInstanceIdentifier", "the instance's id"),
            tag("AvailabilityZone", "the zone"),
            tag("SecondaryAvailabilityZone", "the zone that takes over"),
        ],
        fields: &[
            field("InstanceCreateTime", Type::Text, "when it was made"),
            field("LatestRestorableTime", Type::Text, "up to when it can be restored"),
            field("Endpoint", Type::Json, "where it answers"),
            field("AllocatedStorage", Type::Integer, "GiB"),
            MESSAGE,
        ],
        notes: &[NAMES],
        ..OBJECTS
    },
    list: List {
        request: request(&API, &LIST),
        paging: tokens("Marker", "Marker", "MaxRecords", 100),
        items: "DBInstances",
        id: "DBInstanceIdentifier",
    },
    skip: Some(Skip {
        path: "Engine",
        values: &["docdb", "neptune"],
        others: false,
        note: "instances of DocumentDB and Neptune are left to their own packages",
    }),
    sample: r#"{
"item": {"Endpoint": {"Address": "xxxxx.rds.cn-northwest-1.amazonaws.com.cn", "HostedZoneId": "Z1", "Port": 3306},
"DBInstanceIdentifier": "xxxxx", "Engine": "mysql", "DBInstanceClass": "db.t3.medium",
"AvailabilityZone": "cn-northwest-1c", "SecondaryAvailabilityZone": "cn-northwest-1d",
"InstanceCreateTime": "2018-03-28T19:54:07.871Z", "LatestRestorableTime": "2018-03-28T19:54:07.871Z",
"AllocatedStorage": 100},
"point": {"tags": {"name": "xxxxx", "RegionId": "cn-northwest-1", "Engine": "mysql", "DBInstanceClass": "db.t3.medium",
"DBInstanceIdentifier": "xxxxx", "AvailabilityZone": "cn-northwest-1c",
"SecondaryAvailabilityZone": "cn-northwest-1d"}, "fields": {"InstanceCreateTime": "2018-03-28T19:54:07.871Z",
"LatestRestorableTime": "2018-03-28T19:54:07.871Z", "Endpoint": "{连接地址JSON数据}", "AllocatedStorage": 100,
"message": "{…}"}}}"#,
    ..ObjectCollector::DECLARED
};
