//! `guance_tencentcloud_ckafka`: CKafka instances (DescribeInstancesDetail, 2019-08-19).

use super::*;

static API: Json3 = Json3 { version: "2019-08-19" };
static LIST: Action = listing("ckafka", "DescribeInstancesDetail", "ckafka:DescribeInstancesDetail");

/// The collector.
pub static CKAFKA: ObjectCollector = ObjectCollector {
    description: Description {
        package: "guance_tencentcloud_ckafka",
        name: "tencentcloud_ckafka",
        measurement: "tencentcloud_ckafka",
        title: "Tencent Cloud CKafka instances",
        title_zh: "腾讯云 CKafka 实例",
        actions: &[&LIST, &ASSUME_ROLE],
        tags: &[
            name("InstanceId"),
            tag("InstanceId", "the instance's id"),
            tag("InstanceName", "its name"),
            tag("InstanceType", "`profession`, `standards2` and so on"),
            REGION,
            tag("ZoneId", "the zone"),
            tag("VpcId", "the VPC"),
            tag("SubnetId", "the subnet"),
            tag("Vip", "its private address"),
            tag("Vport", "the port that it answers at"),
            tag("Status", "0 creating, 1 running, 2 deleting"),
            tag("Healthy", "1 healthy, 2 alarm, 3 abnormal"),
            tag("RenewFlag", "1: it is renewed by itself"),
            tag("Cvm", "1: a dedicated instance"),
            tag("IsInternal", "1: of the cloud itself"),
            tag("DiskType", "such as `CLOUD_BASIC`"),
            tag("Version", "the version"),
        ],
        fields: &[
            field("Bandwidth", Type::Text, "Mbit/s"),
            field("DiskSize", Type::Text, "GB"),
            field("TopicNum", Type::Text, "topics"),
            field("CreateTime", Type::Text, "when it was made, seconds since 1970"),
            field("ExpireTime", Type::Text, "when it expires, seconds since 1970"),
            field("VipList", Type::Json, "its addresses"),
            MESSAGE,
        ],
        ..OBJECTS
    },
    list: List {
        request: request(&API, &LIST),
        paging: Paging::Offsets {
            offset: "Offset",
            limit: "Limit",
            sizes: Sizes::up_to(20),
            total: "Result.TotalCount",
        },
        items: "Result.InstanceList",
        id: "InstanceId",
    },
    sample: r#"{
"item": {"InstanceId": "ckafka-jamo82wo", "InstanceName": "ckafka-test", "InstanceType": "profession", "ZoneId": 200002,
"VpcId": "vpc-xxxx", "SubnetId": "subnet-xxxx", "Vip": "172.xx.x.9", "Vport": "9092", "Status": 1, "Healthy": 1,
"RenewFlag": 0, "Cvm": 1, "IsInternal": 0, "DiskType": "CLOUD_BASIC", "Version": "2.4.1", "Bandwidth": 160,
"DiskSize": 200, "TopicNum": 1, "CreateTime": 1692066710, "ExpireTime": -62170009580,
"VipList": [{"Vip": "172.xx.x.9", "Vport": "9092"}]},
"point": {"tags": {"name": "ckafka-jamo82wo", "InstanceId": "ckafka-jamo82wo", "InstanceName": "ckafka-test",
"InstanceType": "profession", "RegionId": "ap-shanghai", "ZoneId": "200002", "VpcId": "vpc-xxxx",
"SubnetId": "subnet-xxxx", "Vip": "172.xx.x.9", "Vport": "9092", "Status": "1", "Healthy": "1", "RenewFlag": "0",
"Cvm": "1", "IsInternal": "0", "DiskType": "CLOUD_BASIC", "Version": "2.4.1"}, "fields": {"Bandwidth": "160",
"DiskSize": "200", "TopicNum": "1", "CreateTime": "1692066710", "ExpireTime": "-62170009580",
"VipList": "[{\"Vip\": \"172.xx.x.9\", \"Vport\": \"9092\"}]", "message": "{…}"}}}"#,
    ..ObjectCollector::DECLARED
};
