//! `guance_aliyun_analyticdb_postgresql`: AnalyticDB for PostgreSQL instances (DescribeDBInstances, 2016-05-03).

use super::*;

static API: Rpc = Rpc { version: "2016-05-03" };
static LIST: Action = listing("gpdb", "DescribeDBInstances", "gpdb:DescribeDBInstances");

/// The collector.
pub static ANALYTICDB_POSTGRESQL: ObjectCollector = ObjectCollector {
    description: Description {
        package: "guance_aliyun_analyticdb_postgresql",
        name: "aliyun_analyticdb_postgresql",
        measurement: "aliyun_analyticdb_postgresql",
        title: "Alibaba Cloud AnalyticDB for PostgreSQL instances",
        title_zh: "阿里云 AnalyticDB PostgreSQL 实例",
        actions: &[&LIST, &ASSUME_ROLE],
        tags: &[
            name("DBInstanceId"),
            tag("DBInstanceCategory", "`HighAvailability`, `Basic`"),
            tag("DBInstanceId", "the instance's id"),
            tag("DBInstanceMode", "its kind of resources"),
            tag("DBInstanceNetType", "0 internet, 1 classic, 2 VPC"),
            tag("DBInstanceStatus", "its state"),
            tag("Engine", "its engine"),
            tag("EngineVersion", "the engine's version"),
            tag("InstanceDeployType", "`cluster`, `replicas`"),
            tag("InstanceNetworkType", "`VPC`"),
            tag("LockMode", "`Unlock`, or why it is locked"),
            tag("LockReason", "why it is locked"),
            tag("PayType", "how it is paid for"),
            tag("RegionId", "the region"),
            tag("ResourceGroupId", "its resource group"),
            tag("StorageType", "its kind of disks"),
            tag("VSwitchId", "the switch"),
            tag("VpcId", "the VPC"),
            tag("ZoneId", "the zone"),
        ],
        fields: &[
            field("CreateTime", Type::Text, "when it was made"),
            field("DBInstanceDescription", Type::Text, "its description"),
            field("ExpireTime", Type::Text, "when it expires"),
            field("MasterNodeNum", Type::Integer, "master nodes"),
            field("SegNodeNum", Type::Text, "segment nodes"),
            field("StorageSize", Type::Text, "GB"),
            MESSAGE,
        ],
        ..OBJECTS
    },
    list: List {
        request: Request { region: Some("RegionId"), ..request(&API, &LIST) },
        paging: numbers_of("PageNumber", "PageSize", &[30, 50, 100], "TotalRecordCount"),
        items: "Items.DBInstance",
        id: "DBInstanceId",
    },
    sample: r#"{
"item": {"DBInstanceId": "gp-bp17993xt44lmgyga", "DBInstanceCategory": "Basic", "DBInstanceMode": "StorageElastic",
"DBInstanceNetType": "2", "DBInstanceStatus": "CREATING", "Engine": "gpdb", "EngineVersion": "6.0",
"InstanceDeployType": "cluster", "InstanceNetworkType": "VPC", "LockMode": "Unlock", "LockReason": "0",
"PayType": "Postpaid", "RegionId": "cn-hangzhou", "ResourceGroupId": "rg-acfmv3ro3xnfwaa",
"StorageType": "cloud_essd", "VSwitchId": "vsw-bp1k8o6a4cb1pnq6ximgb", "VpcId": "vpc-bp1pftfpllxna4t75e73v",
"ZoneId": "cn-hangzhou-j", "CreateTime": "2023-08-16T03:07:45Z", "DBInstanceDescription": "gp-bp17993xt44lmgyga",
"ExpireTime": "2999-09-08T16:00:00Z", "MasterNodeNum": 1, "SegNodeNum": "2", "StorageSize": "50"},
"point": {"tags": {"DBInstanceCategory": "Basic", "DBInstanceId": "gp-bp17993xt44lmgyga", "DBInstanceMode": "StorageElastic",
"DBInstanceNetType": "2", "DBInstanceStatus": "CREATING", "Engine": "gpdb", "EngineVersion": "6.0",
"InstanceDeployType": "cluster", "InstanceNetworkType": "VPC", "LockMode": "Unlock", "LockReason": "0",
"PayType": "Postpaid", "RegionId": "cn-hangzhou", "ResourceGroupId": "rg-acfmv3ro3xnfwaa",
"StorageType": "cloud_essd", "VSwitchId": "vsw-bp1k8o6a4cb1pnq6ximgb", "VpcId": "vpc-bp1pftfpllxna4t75e73v",
"ZoneId": "cn-hangzhou-j", "name": "gp-bp17993xt44lmgyga"}, "fields": {"CreateTime": "2023-08-16T03:07:45Z",
"DBInstanceDescription": "gp-bp17993xt44lmgyga", "ExpireTime": "2999-09-08T16:00:00Z", "MasterNodeNum": 1,
"SegNodeNum": "2", "StorageSize": "50", "message": "{…}"}}}"#,
    ..ObjectCollector::DECLARED
};
