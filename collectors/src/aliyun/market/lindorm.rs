//! `guance_aliyun_lindorm`: Lindorm instances (GetLindormInstanceList, 2020-06-15).

use super::*;

static API: Rpc = Rpc { version: "2020-06-15" };
static LIST: Action = listing("hitsdb", "GetLindormInstanceList", "lindorm:GetLindormInstanceList");

/// The collector.
pub static LINDORM: ObjectCollector = ObjectCollector {
    description: Description {
        package: "guance_aliyun_lindorm",
        name: "aliyun_lindorm",
        measurement: "aliyun_lindorm",
        title: "Alibaba Cloud Lindorm instances",
        title_zh: "阿里云 Lindorm 实例",
        actions: &[&LIST, &ASSUME_ROLE],
        tags: &[
            name("InstanceId"),
            tag("InstanceId", "the instance's id"),
            tag("InstanceStatus", "its state"),
            tag("NetworkType", "its network"),
            tag("PayType", "how it is paid for"),
            tag("RegionId", "the region"),
            tag("ServiceType", "`lindorm`, `lindorm_standalone` and so on"),
            tag("VpcId", "the VPC"),
            tag("ZoneId", "the zone"),
        ],
        fields: &[
            field("CreateTime", Type::Text, "when it was made"),
            field_of(
                "EnableStream",
                Type::Text,
                Source::Mapped(&Source::Path("EnableStream"), PYTHON),
                "`True`, `False`: the streaming engine",
            ),
            field("InstanceStorage", Type::Text, "GB"),
            MESSAGE,
        ],
        ..OBJECTS
    },
    list: List {
        request: Request { region: Some("RegionId"), ..request(&API, &LIST) },
        paging: numbers("PageNumber", "PageSize", 50, "Total"),
        items: "InstanceList",
        id: "InstanceId",
    },
    sample: r#"{
"item": {"EnableStream": false, "InstanceId": "ld-bpxxxx", "InstanceStatus": "CREATING", "NetworkType": "vpc",
"PayType": "POSTPAY", "RegionId": "cn-hangzhou", "ServiceType": "lindorm_standalone", "VpcId": "vpc-bpxxxx",
"ZoneId": "cn-hangzhou-h", "CreateTime": "2023-07-14 10:54:05", "InstanceStorage": "20"},
"point": {"tags": {"name": "ld-bpxxxx", "InstanceId": "ld-bpxxxx", "InstanceStatus": "CREATING", "NetworkType": "vpc",
"PayType": "POSTPAY", "RegionId": "cn-hangzhou", "ServiceType": "lindorm_standalone", "VpcId": "vpc-bpxxxx",
"ZoneId": "cn-hangzhou-h"}, "fields": {"CreateTime": "2023-07-14 10:54:05", "EnableStream": "False",
"InstanceStorage": "20", "message": "{…}"}}}"#,
    ..ObjectCollector::DECLARED
};
