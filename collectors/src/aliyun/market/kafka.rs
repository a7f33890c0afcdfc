//! `guance_aliyun_kafka`: Kafka instances (GetInstanceList, 2019-09-16).

use super::*;

static API: Rpc = Rpc { version: "2019-09-16" };
static LIST: Action = listing("alikafka", "GetInstanceList", "alikafka:ListInstance");

/// The collector.
pub static KAFKA: ObjectCollector = ObjectCollector {
    description: Description {
        package: "guance_aliyun_kafka",
        name: "aliyun_kafka",
        measurement: "aliyun_kafka",
        title: "Alibaba Cloud Kafka instances",
        title_zh: "阿里云 Kafka 实例",
        actions: &[&LIST, &ASSUME_ROLE],
        tags: &[
            name("InstanceId"),
            tag("InstanceId", "the instance's id"),
            tag_at("InstanceName", "Name", "its name"),
            tag("RegionId", "the region"),
            tag("ResourceGroupId", "its resource group"),
            tag("SpecType", "`normal`, `professional` and so on"),
        ],
        fields: &[
            field("AllConfig", Type::Text, "its configuration, JSON as the API writes it"),
            field("CreateTime", Type::Integer, "when it was made, milliseconds since 1970"),
            field("DeployType", Type::Integer, "4 internet and VPC, 5 VPC"),
            field("EipMax", Type::Integer, "Mbit/s to the internet"),
            field("ExpiredTime", Type::Integer, "when it expires, milliseconds since 1970"),
            field("IoMax", Type::Integer, "MB/s"),
            field("IoMaxSpec", Type::Text, "its class"),
            field("PaidType", Type::Integer, "0 prepaid, 1 pay as you go"),
            field("ServiceStatus", Type::Integer, "5 running, and so on"),
            field("TopicNumLimit", Type::Integer, "how many topics it may have"),
            field("UsedGroupCount", Type::Integer, "consumer groups"),
            field("UsedTopicCount", Type::Integer, "topics"),
            MESSAGE,
        ],
        ..OBJECTS
    },
    list: List {
        request: Request { region: Some("RegionId"), ..request(&API, &LIST) },
        paging: Paging::Whole,
        items: "InstanceList.InstanceVO",
        id: "InstanceId",
    },
    sample: r#"{
"item": {"InstanceId": "alikafka_post-cn-zsk3cluq100d", "Name": "alikafka_post-cn-zsk3cluq100d", "RegionId": "cn-hangzhou",
"ResourceGroupId": "rg-acfmv3ro3xnfwaa", "SpecType": "normal", "AllConfig": "{}", "CreateTime": 1692080715000,
"DeployType": 5, "EipMax": 0, "ExpiredTime": 2007699914000, "IoMax": 20, "IoMaxSpec": "alikafka.hw.2xlarge",
"PaidType": 1, "ServiceStatus": 0, "TopicNumLimit": 1000, "UsedGroupCount": 0, "UsedTopicCount": 0},
"point": {"tags": {"InstanceId": "alikafka_post-cn-zsk3cluq100d", "InstanceName": "alikafka_post-cn-zsk3cluq100d",
"RegionId": "cn-hangzhou", "ResourceGroupId": "rg-acfmv3ro3xnfwaa", "SpecType": "normal",
"name": "alikafka_post-cn-zsk3cluq100d"}, "fields": {"AllConfig": "{}", "CreateTime": 1692080715000, "DeployType": 5,
"EipMax": 0, "ExpiredTime": 2007699914000, "IoMax": 20, "IoMaxSpec": "alikafka.hw.2xlarge", "PaidType": 1,
"ServiceStatus": 0, "TopicNumLimit": 1000, "UsedGroupCount": 0, "UsedTopicCount": 0}}}"#,
    ..ObjectCollector::DECLARED
};
