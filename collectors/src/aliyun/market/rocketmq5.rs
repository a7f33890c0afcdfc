//! `guance_aliyun_rocketmq5`: RocketMQ 5.0 instances (ListInstances, 2022-08-01).

use super::*;

static API: Roa = Roa { version: "2022-08-01", path: "/instances" };
static ONE: Roa = Roa { version: "2022-08-01", path: "/instances/{instanceId}" };
static LIST: Action = listing("rocketmq", "ListInstances", "rocketmq:ListInstances");
static GET_OF: Action = asking("rocketmq", "GetInstance", "rocketmq:GetInstance");

/// Released since it was listed.
const GONE: &[&str] = &["Instance.NotFound"];

static DETAIL: Detail = detail("one", request(&ONE, &GET_OF), ("instanceId", "instanceId"), "data", GONE);

/// The collector.
pub static ROCKETMQ5: ObjectCollector = ObjectCollector {
    description: Description {
        package: "guance_aliyun_rocketmq5",
        name: "aliyun_rocketmq5",
        measurement: "aliyun_rocketmq",
        title: "Alibaba Cloud RocketMQ 5.0 instances",
        title_zh: "阿里云 RocketMQ 5.0 实例",
        actions: &[&LIST, &GET_OF, &ASSUME_ROLE],
        tags: &[
            name("instanceId"),
            tag("instanceId", "the instance's id"),
            tag("instanceName", "its name"),
            tag("regionId", "the region"),
            tag("status", "`RUNNING` and so on"),
            tag("paymentType", "how it is paid for"),
            tag("serviceCode", "`rmq`"),
            tag("seriesCode", "`standard`, `professional`, `ultimate`"),
            tag("subSeriesCode", "`cluster_ha`, `single_node`"),
            tag("commodityCode", "what it is sold as"),
            tag("resourceGroupId", "its resource group"),
            tag("userId", "the account"),
            tag_of("bid", Source::Detail("one", "0.bid"), "the seller"),
        ],
        fields: &[
            field("createTime", Type::Text, "when it was made"),
            field("expireTime", Type::Text, "when it expires"),
            field("startTime", Type::Text, "when it was started"),
            field("updateTime", Type::Text, "when it was changed last"),
            field("releaseTime", Type::Text, "when it is released"),
            field("topicCount", Type::Text, "topics"),
            field("groupCount", Type::Text, "consumer groups"),
            field_of("accountInfo", Type::Json, Source::Detail("one", "0.accountInfo"), "its user's name"),
            field_of(
                "instanceQuotas",
                Type::Json,
                Source::Detail("one", "0.instanceQuotas"),
                "what it may use",
            ),
            field_of("networkInfo", Type::Json, Source::Detail("one", "0.networkInfo"), "where it answers"),
            field("productInfo", Type::Json, "its size"),
            field_of(
                "message",
                Type::Json,
                Source::First(&[Source::Detail("one", "0"), Source::Item]),
                "all that `GetInstance` says of it; where that is denied, the list",
            ),
        ],
        ..OBJECTS
    },
    list: List {
        request: request(&API, &LIST),
        paging: Paging::Numbers {
            number: "pageNumber",
            size: "pageSize",
            sizes: Sizes::Between(10, 200),
            total: Some("data.totalCount"),
        },
        items: "data.list",
        id: "instanceId",
    },
    details: &[&DETAIL],
    hide: &["storageSecretKey"],
    sample: r#"{
"item": {"instanceId": "rmq-cn-xxxx", "instanceName": "test", "regionId": "cn-hangzhou", "status": "RUNNING",
"paymentType": "PayAsYouGo", "serviceCode": "rmq", "seriesCode": "standard", "subSeriesCode": "cluster_ha",
"commodityCode": "ons_rmqpost_public_cn", "resourceGroupId": "rg-xxxx", "userId": "1xxxx",
"createTime": "2023-08-16 13:24:40", "expireTime": "2023-09-16 13:24:40", "startTime": "2023-08-16 13:30:40",
"updateTime": "2023-08-16 13:30:40", "releaseTime": "2023-10-16 13:24:40", "topicCount": 2, "groupCount": 1,
"productInfo": {"msgProcessSpec": "rmq.s2.2xlarge"}},
"details": {"one": [{"instanceId": "rmq-cn-xxxx", "bid": "26842", "accountInfo": {"username": "x"},
"instanceQuotas": [{"quotaName": "TOPIC_COUNT"}], "networkInfo": {"vpcInfo": {"vpcId": "vpc-x"}}}]},
"point": {"tags": {"name": "rmq-cn-xxxx", "instanceId": "rmq-cn-xxxx", "instanceName": "test", "regionId": "cn-hangzhou",
"status": "RUNNING", "paymentType": "PayAsYouGo", "serviceCode": "rmq", "seriesCode": "standard",
"subSeriesCode": "cluster_ha", "commodityCode": "ons_rmqpost_public_cn", "resourceGroupId": "rg-xxxx",
"userId": "1xxxx", "bid": "26842"}, "fields": {"createTime": "2023-08-16 13:24:40",
"expireTime": "2023-09-16 13:24:40", "startTime": "2023-08-16 13:30:40", "updateTime": "2023-08-16 13:30:40",
"releaseTime": "2023-10-16 13:24:40", "topicCount": "2", "groupCount": "1", "accountInfo": "{\"username\": \"x\"}",
"instanceQuotas": "[{\"quotaName\": \"TOPIC_COUNT\"}]", "networkInfo": "{\"vpcInfo\": {\"vpcId\": \"vpc-x\"}}",
"productInfo": "{\"msgProcessSpec\": \"rmq.s2.2xlarge\"}", "message": "{…}"}}}"#,
    ..ObjectCollector::DECLARED
};
