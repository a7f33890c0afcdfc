//! `guance_aliyun_waf`: the Web Application Firewall (DescribeInstanceInfo, 2019-09-10).

use super::*;

static API: Rpc = Rpc { version: "2019-09-10" };
static LIST: Action = listing("waf-openapi", "DescribeInstanceInfo", "yundun-waf:DescribeInstanceInfo");

/// The collector.
pub static WAF: ObjectCollector = ObjectCollector {
    description: Description {
        package: "guance_aliyun_waf",
        name: "aliyun_waf",
        measurement: "aliyun_waf",
        title: "Alibaba Cloud Web Application Firewall 2.0",
        title_zh: "阿里云 Web 应用防火墙",
        actions: &[&LIST, &ASSUME_ROLE],
        configuration: &[],
        tags: &[
            name("InstanceId"),
            tag("InstanceId", "the instance's id"),
            tag("PayType", "1 prepaid, 2 pay as you go"),
            tag("Region", "`cn`, `ap-southeast-1`"),
            tag("Status", "0 expired, 1 valid"),
            tag("SubscriptionType", "`Subscription`, `PayAsYouGo`"),
            tag("Version", "the edition"),
        ],
        fields: &[field("EndDate", Type::Integer, "when it ends, seconds since 1970"), MESSAGE],
        notes: &[
            "A site where it is not opened (`PayType` 0) has no object.",
            "The API's reference says that without a resource group the default one is meant: an instance of another may not be seen.",
            "Both sites are asked, mainland China and outside of it; WAF 3.0 has another API with other members.",
        ],
        ..OBJECTS
    },
    scope: Scope::Sites(&["cn-hangzhou", "ap-southeast-1"]),
    list: List {
        request: request(&API, &LIST),
        paging: Paging::Whole,
        items: "InstanceInfo",
        id: "InstanceId",
    },
    skip: Some(Skip { path: "PayType", values: &["0"], others: false, note: "" }),
    sample: r#"{
"item": {"InstanceId": "waf-4haczyxxxxx", "PayType": 1, "Region": "cn", "Status": 1, "SubscriptionType": "Subscription",
"Version": "version_2", "EndDate": 1669651200},
"point": {"tags": {"name": "waf-4haczyxxxxx", "InstanceId": "waf-4haczyxxxxx", "PayType": "1", "Region": "cn", "Status": "1",
"SubscriptionType": "Subscription", "Version": "version_2"}, "fields": {"EndDate": 1669651200, "message": "{…}"}}}"#,
    ..ObjectCollector::DECLARED
};
