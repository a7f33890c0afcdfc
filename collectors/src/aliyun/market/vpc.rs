//! `guance_aliyun_vpc`: VPCs (DescribeVpcs, 2016-04-28).

use super::*;

static API: Rpc = Rpc { version: "2016-04-28" };
static LIST: Action = listing("vpc", "DescribeVpcs", "vpc:DescribeVpcs");

/// The collector.
pub static VPC: ObjectCollector = ObjectCollector {
    description: Description {
        package: "guance_aliyun_vpc",
        name: "aliyun_vpc",
        measurement: "aliyun_vpc",
        title: "Alibaba Cloud VPCs",
        title_zh: "阿里云专有网络 VPC",
        actions: &[&LIST, &ASSUME_ROLE],
        tags: &[name("VpcId"), tag("VpcId", "the VPC")],
        fields: &[
            field("VpcName", Type::Text, "its name"),
            field("RegionId", Type::Text, "the region"),
            field("VRouterId", Type::Text, "its router"),
            field("CidrBlock", Type::Text, "its addresses"),
            MESSAGE,
        ],
        ..OBJECTS
    },
    list: List {
        request: Request { region: Some("RegionId"), ..request(&API, &LIST) },
        paging: numbers("PageNumber", "PageSize", 50, "TotalCount"),
        items: "Vpcs.Vpc",
        id: "VpcId",
    },
    sample: r#"{
"item": {"VpcId": "vpc-bpxxxxxxxxxx", "VpcName": "Operator", "RegionId": "cn-hangzhou", "VRouterId": "vrt-bp13e10uxxxxxxxxxx",
"CidrBlock": "192.168.0.0/16"},
"point": {"tags": {"name": "vpc-bpxxxxxxxxxx", "VpcId": "vpc-bpxxxxxxxxxx"}, "fields": {"VpcName": "Operator",
"RegionId": "cn-hangzhou", "VRouterId": "vrt-bp13e10uxxxxxxxxxx", "CidrBlock": "192.168.0.0/16", "message": "{…}"}}}"#,
    ..ObjectCollector::DECLARED
};
