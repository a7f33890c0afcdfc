//! `guance_aliyun_nat`: NAT gateways (DescribeNatGateways, 2016-04-28).

use super::*;

static API: Rpc = Rpc { version: "2016-04-28" };
static LIST: Action = listing("vpc", "DescribeNatGateways", "vpc:DescribeNatGateways");

/// The collector.
pub static NAT: ObjectCollector = ObjectCollector {
    description: Description {
        package: "guance_aliyun_nat",
        name: "aliyun_nat",
        measurement: "aliyun_nat",
        title: "Alibaba Cloud NAT gateways",
        title_zh: "阿里云 NAT 网关",
        actions: &[&LIST, &ASSUME_ROLE],
        tags: &[
            name("NatGatewayId"),
            tag("NatGatewayId", "the gateway's id"),
            tag_at("instance_name", "Name", "its name"),
            tag("VpcId", "the VPC"),
            tag("Spec", "its size"),
            tag("InstanceChargeType", "`PostPaid`, `PrePaid`"),
            tag("RegionId", "the region"),
            tag("BusinessStatus", "`Normal`, `FinancialLocked`, `SecurityLocked`"),
        ],
        fields: &[
            field("CreationTime", Type::Text, "when it was made"),
            field("ExpiredTime", Type::Text, "when it expires"),
            MESSAGE,
        ],
        ..OBJECTS
    },
    list: List {
        request: Request { region: Some("RegionId"), ..request(&API, &LIST) },
        paging: numbers("PageNumber", "PageSize", 50, "TotalCount"),
        items: "NatGateways.NatGateway",
        id: "NatGatewayId",
    },
    sample: r#"{
"item": {"NatGatewayId": "ngw-bp1b3urqh0t7xxxxx", "Name": "Operator", "VpcId": "vpc-bp1l3jzwhv8cnu9p8u4yh", "Spec": "Small",
"InstanceChargeType": "PrePaid", "RegionId": "cn-hangzhou", "BusinessStatus": "Normal",
"CreationTime": "2021-01-27T06:15:48Z", "ExpiredTime": "2022-04-27T16:00Z"},
"point": {"tags": {"name": "ngw-bp1b3urqh0t7xxxxx", "NatGatewayId": "ngw-bp1b3urqh0t7xxxxx", "instance_name": "Operator",
"VpcId": "vpc-bp1l3jzwhv8cnu9p8u4yh", "Spec": "Small", "InstanceChargeType": "PrePaid", "RegionId": "cn-hangzhou",
"BusinessStatus": "Normal"}, "fields": {"CreationTime": "2021-01-27T06:15:48Z", "ExpiredTime": "2022-04-27T16:00Z",
"message": "{…}"}}}"#,
    ..ObjectCollector::DECLARED
};
