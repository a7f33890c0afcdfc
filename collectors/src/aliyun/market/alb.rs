//! `guance_aliyun_alb`: application load balancers (ListLoadBalancers, 2020-06-16).

use super::*;

static API: Rpc = Rpc { version: "2020-06-16" };
static LIST: Action = listing("alb", "ListLoadBalancers", "alb:ListLoadBalancers");

/// The collector.
pub static ALB: ObjectCollector = ObjectCollector {
    description: Description {
        package: "guance_aliyun_alb",
        name: "aliyun_alb",
        measurement: "aliyun_alb",
        title: "Alibaba Cloud application load balancers (ALB)",
        title_zh: "阿里云应用型负载均衡 ALB",
        actions: &[&LIST, &ASSUME_ROLE],
        tags: &[
            name("LoadBalancerId"),
            tag("AddressType", "`Internet`, `Intranet`"),
            tag("DNSName", "the host that it answers at"),
            tag("LoadBalancerBussinessStatus", "`Normal`, `FinancialLocked`"),
            tag("LoadBalancerEdition", "`Basic`, `Standard`, `StandardWithWaf`"),
            tag("LoadBalancerId", "the balancer's id"),
            tag("LoadBalancerName", "its name"),
            tag("LoadBalancerStatus", "`Active`, `Inactive`, `Provisioning` and so on"),
            tag_at("PayType", "LoadBalancerBillingConfig.PayType", "how it is paid for"),
            tag("VpcId", "the VPC"),
        ],
        fields: &[field("CreateTime", Type::Text, "when it was made"), MESSAGE],
        ..OBJECTS
    },
    list: List {
        request: request(&API, &LIST),
        paging: tokens("NextToken", "NextToken", "MaxResults", 100),
        items: "LoadBalancers",
        id: "LoadBalancerId",
    },
    sample: r#"{
"item": {"LoadBalancerId": "alb-xxxxxx", "AddressType": "Intranet",
"DNSName": "alb-xxxxxx.internal.cn-hangzhou.alb.aliyuncs.com", "LoadBalancerBussinessStatus": "Normal",
"LoadBalancerEdition": "Standard", "LoadBalancerName": "dataway-xxx", "LoadBalancerStatus": "Active",
"LoadBalancerBillingConfig": {"PayType": "PostPay"}, "VpcId": "vpc-xxxxxx", "CreateTime": "2021-07-27T09:15:07Z"},
"point": {"tags": {"name": "alb-xxxxxx", "AddressType": "Intranet",
"DNSName": "alb-xxxxxx.internal.cn-hangzhou.alb.aliyuncs.com", "LoadBalancerBussinessStatus": "Normal",
"LoadBalancerEdition": "Standard", "LoadBalancerId": "alb-xxxxxx", "LoadBalancerName": "dataway-xxx",
"LoadBalancerStatus": "Active", "PayType": "PostPay", "VpcId": "vpc-xxxxxx"},
"fields": {"CreateTime": "2021-07-27T09:15:07Z", "message": "{…}"}}}"#,
    ..ObjectCollector::DECLARED
};
