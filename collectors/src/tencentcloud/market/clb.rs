//! `guance_tencentcloud_clb`: load balancers (DescribeLoadBalancers, 2018-03-17).

use super::*;

static API: Json3 = Json3 { version: "2018-03-17" };
static LIST: Action = listing("clb", "DescribeLoadBalancers", "clb:DescribeLoadBalancers");
static LISTENERS_OF: Action = asking("clb", "DescribeListeners", "clb:DescribeListeners");
static CLASSIC_OF: Action = asking("clb", "DescribeClassicalLBListeners", "clb:DescribeClassicalLBListeners");

/// Released since it was listed.
const GONE: &[&str] = &["InvalidParameter.LBIdNotFound", "ResourceNotFound"];

static DETAIL_1: Detail = only(
    optional(detail(
        "listeners",
        request(&API, &LISTENERS_OF),
        ("LoadBalancerId", "LoadBalancerId"),
        "Listeners",
        GONE,
    )),
    "Forward",
    "1",
);
static DETAIL_2: Detail = only(
    optional(detail(
        "listeners",
        request(&API, &CLASSIC_OF),
        ("LoadBalancerId", "LoadBalancerId"),
        "Listeners",
        GONE,
    )),
    "Forward",
    "0",
);

/// The collector.
pub static CLB: ObjectCollector = ObjectCollector {
    description: Description {
        package: "guance_tencentcloud_clb",
        name: "tencentcloud_clb",
        measurement: "tencentcloud_clb",
        title: "Tencent Cloud load balancers (CLB)",
        title_zh: "腾讯云负载均衡 CLB",
        actions: &[&LIST, &LISTENERS_OF, &CLASSIC_OF, &ASSUME_ROLE],
        configuration: &[
            REGIONS,
            details_key(
                "which details to ask for, one call for each balancer: `listeners`; left out: all; an empty list: none",
            ),
        ],
        tags: &[
            name("LoadBalancerId"),
            REGION,
            tag("LoadBalancerId", "the balancer's id"),
            tag("LoadBalancerName", "its name"),
            tag_of(
                "Address",
                Source::First(&[Source::Path("LoadBalancerVips.0"), Source::Path("AddressIPv6")]),
                "its address",
            ),
            tag_of(
                "LoadBalancerType",
                Source::Mapped(
                    &Source::Path("LoadBalancerType"),
                    &[("OPEN", "Public"), ("INTERNAL", "Private")],
                ),
                "`Public`, `Private`",
            ),
            tag("Status", "0 creating, 1 running"),
            tag("VpcId", "the VPC"),
            tag_at("Zone", "MasterZone.Zone", "the zone"),
            tag("ChargeType", "`POSTPAID_BY_HOUR`, `PREPAID`"),
        ],
        fields: &[
            field("CreateTime", Type::Text, "when it was made"),
            field_of(
                "listeners",
                Type::Json,
                Source::Detail("listeners", ""),
                "its listeners, by `DescribeListeners`",
            ),
            MESSAGE,
        ],
        notes: &["A balancer that has only a domain name has no `Address`, and no metrics by address."],
        ..OBJECTS
    },
    list: List {
        request: request(&API, &LIST),
        paging: offsets(100),
        items: "LoadBalancerSet",
        id: "LoadBalancerId",
    },
    details: &[&DETAIL_1, &DETAIL_2],
    sample: r#"{
"item": {"LoadBalancerVips": ["81.xxxx"], "LoadBalancerType": "OPEN", "MasterZone": {"Zone": "ap-shanghai-3"}, "Forward": 1,
"LoadBalancerId": "lb-xxxx", "LoadBalancerName": "lb-xxxx", "Status": 1, "VpcId": "vpc-xxxx",
"ChargeType": "POSTPAID_BY_HOUR", "CreateTime": "2022-04-27 15:19:49"},
"details": {"listeners": [{"ListenerId": "lbl-xxxx", "Protocol": "TCP", "Port": 80}]},
"point": {"tags": {"name": "lb-xxxx", "RegionId": "ap-shanghai", "LoadBalancerId": "lb-xxxx", "LoadBalancerName": "lb-xxxx",
"Address": "81.xxxx", "LoadBalancerType": "Public", "Status": "1", "VpcId": "vpc-xxxx", "Zone": "ap-shanghai-3",
"ChargeType": "POSTPAID_BY_HOUR"}, "fields": {"CreateTime": "2022-04-27 15:19:49", "listeners": "{监听器JSON数据}",
"message": "{…}"}}}"#,
    ..ObjectCollector::DECLARED
};
