//! `guance_aliyun_ddoscoo`: Anti-DDoS instances (DescribeInstances, 2020-01-01).

use super::*;

static API: Rpc = Rpc { version: "2020-01-01" };
static LIST: Action = listing("ddoscoo", "DescribeInstances", "yundun-ddoscoo:DescribeInstances");

/// The collector.
pub static DDOSCOO: ObjectCollector = ObjectCollector {
    description: Description {
        package: "guance_aliyun_ddoscoo",
        name: "aliyun_ddoscoo",
        measurement: "aliyun_ddoscoo",
        title: "Alibaba Cloud Anti-DDoS Pro instances",
        title_zh: "阿里云 DDoS 高防实例",
        actions: &[&LIST, &ASSUME_ROLE],
        tags: &[
            name("InstanceId"),
            tag("InstanceId", "the instance's id"),
            REGION,
            tag("Status", "1 normal, 2 expired"),
            tag("Edition", "9 mainland, 0 to 3 outside of it"),
            tag("IpVersion", "`Ipv4`, `Ipv6`"),
            tag("Enabled", "1: it forwards"),
        ],
        fields: &[
            field("ExpireTime", Type::Text, "when it expires, milliseconds since 1970"),
            field("CreateTime", Type::Text, "when it was made, milliseconds since 1970"),
            MESSAGE,
        ],
        notes: &[
            "The API's reference says that without a resource group the default one is meant: instances of others may not be seen.",
            "`regions` are the product's two sites: `cn-hangzhou`, and `ap-southeast-1` for all outside of mainland China.",
        ],
        ..OBJECTS
    },
    sites: &["cn-hangzhou", "ap-southeast-1"],
    list: List {
        request: request(&API, &LIST),
        paging: numbers("PageNumber", "PageSize", 50, "TotalCount"),
        items: "Instances",
        id: "InstanceId",
    },
    sample: r#"{
"item": {"InstanceId": "ddoscoo-cn-xxxx", "Status": 1, "Edition": 9, "IpVersion": "Ipv4", "Enabled": 1,
"ExpireTime": 1637812279000, "CreateTime": 1637812279000},
"point": {"tags": {"name": "ddoscoo-cn-xxxx", "InstanceId": "ddoscoo-cn-xxxx", "RegionId": "cn-hangzhou", "Status": "1",
"Edition": "9", "IpVersion": "Ipv4", "Enabled": "1"}, "fields": {"ExpireTime": "1637812279000",
"CreateTime": "1637812279000", "message": "{…}"}}}"#,
    ..ObjectCollector::DECLARED
};
