//! `guance_tencentcloud_memcached`: Memcached instances (DescribeInstances, 2019-03-18).

use super::*;

static API: Json3 = Json3 { version: "2019-03-18" };
static LIST: Action = listing("memcached", "DescribeInstances", "memcached:DescribeInstances");

/// The collector.
pub static MEMCACHED: ObjectCollector = ObjectCollector {
    description: Description {
        package: "guance_tencentcloud_memcached",
        name: "tencentcloud_memcached",
        measurement: "tencentcloud_memcached",
        title: "Tencent Cloud Memcached instances",
        title_zh: "腾讯云 Memcached 实例",
        actions: &[&LIST, &ASSUME_ROLE],
        tags: &[
            name("InstanceId"),
            tag("InstanceId", "the instance's id"),
            tag("InstanceName", "its name"),
            REGION,
        ],
        fields: &[MESSAGE],
        ..OBJECTS
    },
    list: List {
        request: request(&API, &LIST),
        paging: Paging::Offsets {
            offset: "Offset",
            limit: "Limit",
            sizes: Sizes::up_to(100),
            total: "TotalNum",
        },
        items: "InstanceList",
        id: "InstanceId",
    },
    sample: r#"{
"item": {"InstanceId": "cmem-xxxxx", "InstanceName": "cmem-xxxxx"},
"point": {"tags": {"name": "cmem-xxxxx", "InstanceId": "cmem-xxxxx", "InstanceName": "cmem-xxxxx", "RegionId": "ap-shanghai"},
"fields": {}}}"#,
    ..ObjectCollector::DECLARED
};
