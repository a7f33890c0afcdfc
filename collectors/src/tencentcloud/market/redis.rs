//! `guance_tencentcloud_redis`: Redis instances (DescribeInstances, 2018-04-12).

use super::*;

static API: Json3 = Json3 { version: "2018-04-12" };
static LIST: Action = listing("redis", "DescribeInstances", "redis:DescribeInstances");

/// The collector.
pub static REDIS: ObjectCollector = ObjectCollector {
    description: Description {
        package: "guance_tencentcloud_redis",
        name: "tencentcloud_redis",
        measurement: "tencentcloud_redis",
        title: "Tencent Cloud Redis instances",
        title_zh: "腾讯云 Redis 实例",
        actions: &[&LIST, &ASSUME_ROLE],
        tags: &[
            name("InstanceId"),
            tag("BillingMode", "0 pay as you go, 1 prepaid"),
            tag("Engine", "`Redis`, `CKV`"),
            tag("InstanceId", "the instance's id"),
            tag("InstanceName", "its name"),
            tag("Port", "the port that it answers at"),
            tag("ProductType", "`standalone`, `cluster`"),
            tag("ProjectId", "the project's number"),
            REGION,
            tag("Status", "0 to be initialised, 1 in a flow, 2 running, -2 isolated"),
            tag("Type", "the engine and architecture, as a number"),
            tag("WanIp", "its private address"),
            tag("ZoneId", "the zone"),
        ],
        fields: &[
            field_of(
                "ClientLimits",
                Type::Text,
                Source::Path("ClientLimit"),
                "how many clients may be connected",
            ),
            field("Createtime", Type::Text, "when it was made"),
            field("DeadlineTime", Type::Text, "when it expires; `0000-00-00 00:00:00` where it does not"),
            field_of("InstanceNodeInfo", Type::Json, Source::Path("InstanceNode"), "its nodes"),
            field("InstanceTitle", Type::Text, "its state, in words"),
            field("Size", Type::Float, "memory, MB"),
            MESSAGE,
        ],
        ..OBJECTS
    },
    list: List {
        request: request(&API, &LIST),
        paging: offsets(100),
        items: "InstanceSet",
        id: "InstanceId",
    },
    sample: r#"{
"item": {"InstanceId": "crs-xxxx", "BillingMode": 0, "Engine": "Redis", "InstanceName": "solution", "Port": 6379,
"ProductType": "standalone", "ProjectId": 0, "Status": 2, "Type": 6, "WanIp": "172.x.x.x", "ZoneId": 200002,
"ClientLimit": 10000, "Createtime": "2022-07-14 13:54:14", "DeadlineTime": "0000-00-00 00:00:00",
"InstanceNode": [{"Id": 1}], "InstanceTitle": "运行中", "Size": 1024.0},
"point": {"tags": {"name": "crs-xxxx", "BillingMode": "0", "Engine": "Redis", "InstanceId": "crs-xxxx",
"InstanceName": "solution", "Port": "6379", "ProductType": "standalone", "ProjectId": "0", "RegionId": "ap-shanghai",
"Status": "2", "Type": "6", "WanIp": "172.x.x.x", "ZoneId": "200002"}, "fields": {"ClientLimits": "10000",
"Createtime": "2022-07-14 13:54:14", "DeadlineTime": "0000-00-00 00:00:00", "InstanceNodeInfo": "{实例节点信息}",
"InstanceTitle": "运行中", "Size": 1024, "message": "{…}"}}}"#,
    ..ObjectCollector::DECLARED
};
