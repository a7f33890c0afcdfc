//! `guance_aliyun_polardbx_2`: PolarDB-X 2.0 instances (DescribeDBInstances, 2020-02-02).

use super::*;

static API: Rpc = Rpc { version: "2020-02-02" };
static LIST: Action = listing("polardbx", "DescribeDBInstances", "polardbx:DescribeDBInstances");

/// The collector.
pub static POLARDBX_2: ObjectCollector = ObjectCollector {
    description: Description {
        package: "guance_aliyun_polardbx_2",
        name: "aliyun_polardbx_2",
        measurement: "aliyun_polardbx_2",
        title: "Alibaba Cloud PolarDB-X 2.0 instances",
        title_zh: "阿里云 PolarDB-X 2.0 实例",
        actions: &[&LIST, &ASSUME_ROLE],
        tags: &[
            name("Id"),
            tag("Id", "the instance's id"),
            tag("DBInstanceName", "the instance's id"),
            tag("ClassCode", "the class of its nodes"),
            tag("CommodityCode", "what it is sold as"),
            tag("DBType", "`MySQL`, `PostgreSQL`, `Oracle`"),
            tag("DnNodeClassCode", "the class of its data nodes"),
            tag("Engine", "its engine"),
            tag("LockMode", "`Unlock`, or why it is locked"),
            tag("MinorVersion", "the engine's minor version"),
            tag("Network", "`vpc`"),
            tag("NodeClass", "the class of its nodes"),
            tag("PayType", "how it is paid for"),
            tag("Series", "`enterprise`, `standard`"),
            tag("Status", "its state"),
            tag("Type", "its kind"),
            tag("VPCId", "the VPC"),
            tag("ZoneId", "the zone"),
        ],
        fields: &[
            field("CnNodeCount", Type::Integer, "compute nodes"),
            field("CreateTime", Type::Text, "when it was made"),
            field("Description", Type::Text, "its description"),
            field("DnNodeCount", Type::Integer, "data nodes"),
            field("ExpireTime", Type::Text, "when it expires"),
            field("Expired", Type::Boolean, "has it expired"),
            field("NodeCount", Type::Integer, "nodes"),
            field("ReadDBInstances", Type::Structure, "its read-only instances"),
            field("ResourceGroupId", Type::Text, "its resource group"),
            field("StorageUsed", Type::Integer, "bytes"),
            MESSAGE,
        ],
        ..OBJECTS
    },
    list: List {
        request: Request { region: Some("RegionId"), ..request(&API, &LIST) },
        paging: numbers("PageNumber", "PageSize", 50, "TotalNumber"),
        items: "DBInstances",
        id: "Id",
    },
    sample: r#"{
"item": {"Id": "pxc-xdb-s-xxxx", "DBInstanceName": "pxc-s-xxxx", "ClassCode": "polarx.x4.medium.2e",
"CommodityCode": "drds_polarxpost_public_cn", "DBType": "polarx", "DnNodeClassCode": "mysql.n4.medium.25",
"Engine": "polarx", "LockMode": "Unlock", "MinorVersion": "polarx-kernel_5.4.16", "Network": "vpc",
"NodeClass": "polarx.x4.medium.2e", "PayType": "Postpaid", "Series": "standard", "Status": "Running",
"Type": "ReadWrite", "VPCId": "vpc-xxxx", "ZoneId": "cn-hangzhou-h", "CnNodeCount": 0,
"CreateTime": "2023-08-16T06:57:41.000+0000", "Description": "test", "DnNodeCount": 1,
"ExpireTime": "2999-09-08T16:00:00.000+0000", "Expired": false, "NodeCount": 1, "ReadDBInstances": [],
"ResourceGroupId": "rg-xxxx", "StorageUsed": 2343567360},
"point": {"tags": {"name": "pxc-xdb-s-xxxx", "Id": "pxc-xdb-s-xxxx", "DBInstanceName": "pxc-s-xxxx",
"ClassCode": "polarx.x4.medium.2e", "CommodityCode": "drds_polarxpost_public_cn", "DBType": "polarx",
"DnNodeClassCode": "mysql.n4.medium.25", "Engine": "polarx", "LockMode": "Unlock",
"MinorVersion": "polarx-kernel_5.4.16", "Network": "vpc", "NodeClass": "polarx.x4.medium.2e", "PayType": "Postpaid",
"Series": "standard", "Status": "Running", "Type": "ReadWrite", "VPCId": "vpc-xxxx", "ZoneId": "cn-hangzhou-h"},
"fields": {"CnNodeCount": 0, "CreateTime": "2023-08-16T06:57:41.000+0000", "Description": "test", "DnNodeCount": 1,
"ExpireTime": "2999-09-08T16:00:00.000+0000", "Expired": false, "NodeCount": 1, "ReadDBInstances": "[]",
"ResourceGroupId": "rg-xxxx", "StorageUsed": 2343567360, "message": "{…}"}}}"#,
    ..ObjectCollector::DECLARED
};
