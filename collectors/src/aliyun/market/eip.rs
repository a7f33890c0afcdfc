//! `guance_aliyun_eip`: elastic IP addresses (DescribeEipAddresses, 2016-04-28).

use super::*;

static API: Rpc = Rpc { version: "2016-04-28" };
static LIST: Action = listing("vpc", "DescribeEipAddresses", "vpc:DescribeEipAddresses");

/// The collector.
pub static EIP: ObjectCollector = ObjectCollector {
    description: Description {
        package: "guance_aliyun_eip",
        name: "aliyun_eip",
        measurement: "aliyun_eip",
        title: "Alibaba Cloud elastic IP addresses",
        title_zh: "阿里云弹性公网 IP",
        actions: &[&LIST, &ASSUME_ROLE],
        tags: &[
            name("AllocationId"),
            tag("AllocationId", "the address's id"),
            tag_at("EIPName", "Name", "its name"),
            tag("Status", "`InUse`, `Available` and so on"),
            tag("RegionId", "the region"),
            tag("Bandwidth", "Mbit/s"),
            tag("IpAddress", "the address"),
            tag("InternetChargeType", "`PayByTraffic`, `PayByBandwidth`"),
            tag("BusinessStatus", "`Normal`, `FinancialLocked`, `SecurityLocked`"),
            tag("ChargeType", "`PostPaid`, `PrePaid`"),
        ],
        fields: &[
            field("AllocationTime", Type::Text, "when it was allocated"),
            field("ExpiredTime", Type::Text, "when it expires"),
            MESSAGE,
        ],
        ..OBJECTS
    },
    list: List {
        request: Request { region: Some("RegionId"), ..request(&API, &LIST) },
        paging: numbers("PageNumber", "PageSize", 100, "TotalCount"),
        items: "EipAddresses.EipAddress",
        id: "AllocationId",
    },
    sample: r#"{
"item": {"Name": "", "AllocationId": "eip-xxxxx", "Status": "InUse", "RegionId": "cn-hangzhou", "Bandwidth": "1",
"IpAddress": "47.96.22.249", "InternetChargeType": "PayByTraffic", "BusinessStatus": "Normal",
"ChargeType": "PostPaid", "AllocationTime": "2022-01-20T03:06:51Z"},
"point": {"tags": {"name": "eip-xxxxx", "AllocationId": "eip-xxxxx", "EIPName": "", "Status": "InUse",
"RegionId": "cn-hangzhou", "Bandwidth": "1", "IpAddress": "47.96.22.249", "InternetChargeType": "PayByTraffic",
"BusinessStatus": "Normal", "ChargeType": "PostPaid"}, "fields": {"AllocationTime": "2022-01-20T03:06:51Z",
"ExpiredTime": "", "message": "{…}"}}}"#,
    ..ObjectCollector::DECLARED
};
