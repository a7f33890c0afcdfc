//! `guance_tencentcloud_mongodb`: MongoDB instances (DescribeDBInstances, 2019-07-25).

use super::*;

static API: Json3 = Json3 { version: "2019-07-25" };
static LIST: Action = listing("mongodb", "DescribeDBInstances", "mongodb:DescribeDBInstances");

/// The collector.
pub static MONGODB: ObjectCollector = ObjectCollector {
    description: Description {
        package: "guance_tencentcloud_mongodb",
        name: "tencentcloud_mongodb",
        measurement: "tencentcloud_mongodb",
        title: "Tencent Cloud MongoDB instances",
        title_zh: "腾讯云 MongoDB 实例",
        actions: &[&LIST, &ASSUME_ROLE],
        tags: &[
            name("InstanceId"),
            tag("ClusterType", "0 replica set, 1 sharded"),
            tag("InstanceId", "the instance's id"),
            tag("InstanceName", "its name"),
            tag("InstanceType", "0 all, 1 primary, 2 temporary, 3 read-only, 4 disaster recovery"),
            tag("MongoVersion", "the engine's version"),
            tag("NetType", "1 VPC, 0 classic"),
            tag("PayMode", "0 pay as you go, 1 prepaid"),
            tag("ProjectId", "the project's number"),
            REGION,
            tag("Status", "0 to be initialised, 1 in a flow, 2 running, -2 expired"),
            tag("VpcId", "the VPC"),
            tag("Zone", "the zone"),
        ],
        fields: &[
            field("CloneInstances", Type::Structure, "its clones"),
            field("CreateTime", Type::Text, "when it was made"),
            field("DeadLine", Type::Text, "when it expires"),
            field("ReadonlyInstances", Type::Structure, "its read-only instances"),
            field("RelatedInstance", Type::Structure, "the instance that it belongs to"),
            field("ReplicaSets", Type::Structure, "its replica sets"),
            field("StandbyInstances", Type::Structure, "its disaster-recovery instances"),
            MESSAGE,
        ],
        ..OBJECTS
    },
    list: List {
        // All that there are, in words: what is meant without them is not said.
        request: Request {
            structures: &[("InstanceType", "0"), ("ClusterType", "-1"), ("PayMode", "-1")],
            ..request(&API, &LIST)
        },
        paging: Paging::Offsets {
            offset: "Offset",
            limit: "Limit",
            // More than one, its reference says.
            sizes: Sizes::Between(2, 100),
            total: "TotalCount",
        },
        items: "InstanceDetails",
        id: "InstanceId",
    },
    sample: r#"{
"item": {"InstanceId": "cmxxxx", "ClusterType": 0, "InstanceName": "test_01", "InstanceType": 1, "MongoVersion": "MONxxxx",
"NetType": 1, "PayMode": 0, "ProjectId": 0, "Status": 2, "VpcId": "vpc-nf6xxxxx", "Zone": "ap-nanjing-1",
"CloneInstances": [], "CreateTime": "2022-08-24 13:54:00", "DeadLine": "2072-08-24 13:54:00", "ReadonlyInstances": [],
"RelatedInstance": {"InstanceId": "x"}, "ReplicaSets": [{"UsedVolume": 1.0}], "StandbyInstances": []},
"point": {"tags": {"ClusterType": "0", "InstanceId": "cmxxxx", "InstanceName": "test_01", "InstanceType": "1",
"MongoVersion": "MONxxxx", "NetType": "1", "PayMode": "0", "ProjectId": "0", "RegionId": "ap-nanjing", "Status": "2",
"VpcId": "vpc-nf6xxxxx", "Zone": "ap-nanjing-1", "name": "cmxxxx"}, "fields": {"CloneInstances": "[]",
"CreateTime": "2022-08-24 13:54:00", "DeadLine": "2072-08-24 13:54:00", "ReadonlyInstances": "[]",
"RelatedInstance": "{实例 JSON 数据}", "ReplicaSets": "{实例 JSON 数据}", "StandbyInstances": "[]", "message": "{…}"}}}"#,
    ..ObjectCollector::DECLARED
};
