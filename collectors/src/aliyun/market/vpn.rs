//! `guance_aliyun_vpn`: VPN gateways (DescribeVpnGateways, 2016-04-28).

use super::*;

static API: Rpc = Rpc { version: "2016-04-28" };
static LIST: Action = listing("vpc", "DescribeVpnGateways", "vpc:DescribeVpnGateways");

/// The collector.
pub static VPN: ObjectCollector = ObjectCollector {
    description: Description {
        package: "guance_aliyun_vpn",
        name: "aliyun_vpn",
        measurement: "aliyun_vpn",
        title: "Alibaba Cloud VPN gateways",
        title_zh: "阿里云 VPN 网关",
        actions: &[&LIST, &ASSUME_ROLE],
        tags: &[
            name("VpnGatewayId"),
            tag("VpnGatewayId", "the gateway's id"),
            tag_at("vpn_gateway_name", "Name", "its name"),
            tag("InternetIp", "its public address"),
            REGION,
            tag("VpcId", "the VPC"),
            tag("BusinessStatus", "`Normal`, `FinancialLocked`, `SecurityLocked`"),
        ],
        fields: &[
            field("CreateTime", Type::Integer, "when it was made, milliseconds since 1970"),
            field("EndTime", Type::Integer, "when it expires, milliseconds since 1970"),
            MESSAGE,
        ],
        ..OBJECTS
    },
    list: List {
        request: Request { region: Some("RegionId"), ..request(&API, &LIST) },
        paging: numbers("PageNumber", "PageSize", 50, "TotalCount"),
        items: "VpnGateways.VpnGateway",
        id: "VpnGatewayId",
    },
    sample: r#"{
"item": {"VpnGatewayId": "vpn-xxxx", "Name": "DMS 测试", "InternetIp": "47.xxxx", "VpcId": "vpc-xxxx",
"BusinessStatus": "Normal", "CreateTime": 1650357175000, "EndTime": 1652976000000},
"point": {"tags": {"name": "vpn-xxxx", "VpnGatewayId": "vpn-xxxx", "vpn_gateway_name": "DMS 测试", "InternetIp": "47.xxxx",
"RegionId": "cn-hangzhou", "VpcId": "vpc-xxxx", "BusinessStatus": "Normal"}, "fields": {"CreateTime": 1650357175000,
"EndTime": 1652976000000, "message": "{…}"}}}"#,
    ..ObjectCollector::DECLARED
};
