//! `guance_aliyun_elasticsearch`: Elasticsearch instances (ListInstance, 2017-06-13).

use super::*;

static API: Roa = Roa { version: "2017-06-13", path: "/openapi/instances" };
static LIST: Action = listing("elasticsearch", "ListInstance", "elasticsearch:ListInstance");

/// The collector.
pub static ELASTICSEARCH: ObjectCollector = ObjectCollector {
    description: Description {
        package: "guance_aliyun_elasticsearch",
        name: "aliyun_elasticsearch",
        measurement: "aliyun_elasticsearch",
        title: "Alibaba Cloud Elasticsearch instances",
        title_zh: "阿里云 Elasticsearch 实例",
        actions: &[&LIST, &ASSUME_ROLE],
        tags: &[
            name("instanceId"),
            REGION,
            tag("esVersion", "the engine's version"),
            tag("instanceId", "the instance's id"),
            tag("paymentType", "`prepaid`, `postpaid`"),
            tag("resourceGroupId", "its resource group"),
            tag_of(
                "serviceVpc",
                Source::Mapped(&Source::Path("serviceVpc"), PYTHON),
                "`True`: its VPC is the service's",
            ),
            tag("status", "`active`, `activating` and so on"),
        ],
        fields: &[
            field("advancedDedicateMaster", Type::Boolean, "has it master nodes of its own"),
            field("createdAt", Type::Text, "when it was made"),
            field("extendConfigs", Type::Json, "its extensions"),
            MESSAGE,
        ],
        ..OBJECTS
    },
    list: List {
        request: request(&API, &LIST),
        paging: numbers("page", "size", 100, "Headers.X-Total-Count"),
        items: "Result",
        id: "instanceId",
    },
    sample: r#"{
"item": {"serviceVpc": true, "extendConfigs": [{"configType": "usageScenario"}], "instanceId": "es-cn-xxxx",
"esVersion": "7.4.0_with_X-Pack", "paymentType": "prepaid", "resourceGroupId": "rg-acfm2l3p7xxxx", "status": "active",
"advancedDedicateMaster": false, "createdAt": "2021-04-07T06:10:50.527Z"},
"point": {"tags": {"RegionId": "cn-hangzhou", "esVersion": "7.4.0_with_X-Pack", "instanceId": "es-cn-xxxx",
"name": "es-cn-xxxx", "paymentType": "prepaid", "resourceGroupId": "rg-acfm2l3p7xxxx", "serviceVpc": "True",
"status": "active"}, "fields": {"advancedDedicateMaster": false, "createdAt": "2021-04-07T06:10:50.527Z",
"extendConfigs": "[ {集群扩展参数配置 JSON 数据}, ...]", "message": "{…}"}}}"#,
    ..ObjectCollector::DECLARED
};
