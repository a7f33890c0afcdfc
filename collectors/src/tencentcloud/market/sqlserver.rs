//! `guance_tencentcloud_sqlserver`: SQL Server instances (DescribeDBInstances, 2018-03-28).

use super::*;

static API: Json3 = Json3 { version: "2018-03-28" };
static LIST: Action = listing("sqlserver", "DescribeDBInstances", "sqlserver:DescribeDBInstances");

/// The collector.
pub static SQLSERVER: ObjectCollector = ObjectCollector {
    description: Description {
        package: "guance_tencentcloud_sqlserver",
        name: "tencentcloud_sqlserver",
        measurement: "tencentcloud_sqlserver",
        title: "Tencent Cloud SQL Server instances",
        title_zh: "腾讯云 SQL Server 实例",
        actions: &[&LIST, &ASSUME_ROLE],
        tags: &[
            name("InstanceId"),
            tag("InstanceId", "the instance's id"),
            tag("BackupCycleType", "`daily`, `weekly`"),
            tag("CrossBackupEnabled", "`enable`, `disable`: backups in another region"),
            tag("InstanceType", "`HA`, `RO`, `SI`, `BI`, `cvmHA`, `cvmRO`"),
            tag("Model", "1 double node, 2 cluster and so on"),
            tag("PayMode", "0 pay as you go, 1 prepaid"),
            tag("Pid", "what it is sold as"),
            tag("ProjectId", "the project's number"),
            tag("Region", "the instance's own region"),
            REGION,
            tag("RenewFlag", "1: it is renewed by itself"),
            tag("Status", "its state"),
            tag("SubnetId", "the subnet"),
            tag("Type", "such as `CLOUD_BSSD`"),
            tag("Uid", "its internal name"),
            tag("UniqSubnetId", "the subnet"),
            tag("UniqVpcId", "the VPC"),
            tag("Version", "the version"),
            tag("VersionName", "the edition"),
            tag("Vip", "its private address"),
            tag("VpcId", "the VPC"),
            tag("Vport", "the port that it answers at"),
            tag("Zone", "the zone"),
            tag("ZoneId", "the zone"),
        ],
        fields: &[
            field("Cpu", Type::Text, "processors"),
            field("CreateTime", Type::Text, "when it was made"),
            field("EndTime", Type::Text, "when it expires"),
            field("IsolateTime", Type::Text, "when it was isolated"),
            field("Memory", Type::Text, "memory, GB"),
            field("StartTime", Type::Text, "when it was started"),
            field("Storage", Type::Text, "GB"),
            field("UpdateTime", Type::Text, "when it was changed last"),
            field("UsedStorage", Type::Text, "GB in use"),
            MESSAGE,
        ],
        ..OBJECTS
    },
    list: List {
        request: request(&API, &LIST),
        paging: Paging::FromZero {
            number: "Offset",
            size: "Limit",
            sizes: Sizes::up_to(100),
            total: "TotalCount",
        },
        items: "DBInstances",
        id: "InstanceId",
    },
    sample: r#"{
"item": {"InstanceId": "mssql-nmquc", "BackupCycleType": "daily", "CrossBackupEnabled": "disable", "InstanceType": "SI",
"Model": 2, "PayMode": 0, "Pid": 10036, "ProjectId": 0, "Region": "ap-shanghai", "RenewFlag": 0, "Status": 2,
"SubnetId": 68021, "Type": "CLOUD_BSSD", "Uid": "gamedb.sh1000.cdb.db", "UniqSubnetId": "subnet-xxxx",
"UniqVpcId": "vpc-xxxx", "Version": "2016SP1", "VersionName": "SQL Server 2016 Enterprise", "Vip": "172.xx.x.9",
"VpcId": 80484, "Vport": 14, "Zone": "ap-shanghai-2", "ZoneId": 200002, "Cpu": 2, "CreateTime": "2023-07-20 14:07:05",
"EndTime": "0000-00-00 00:00:00", "IsolateTime": "0000-00-00 00:00:00", "Memory": 4,
"StartTime": "2023-07-20 14:12:06", "Storage": 20, "UpdateTime": "2023-07-20 14:12:09", "UsedStorage": 0},
"point": {"tags": {"name": "mssql-nmquc", "InstanceId": "mssql-nmquc", "BackupCycleType": "daily",
"CrossBackupEnabled": "disable", "InstanceType": "SI", "Model": "2", "PayMode": "0", "Pid": "10036", "ProjectId": "0",
"Region": "ap-shanghai", "RegionId": "ap-shanghai", "RenewFlag": "0", "Status": "2", "SubnetId": "68021",
"Type": "CLOUD_BSSD", "Uid": "gamedb.sh1000.cdb.db", "UniqSubnetId": "subnet-xxxx", "UniqVpcId": "vpc-xxxx",
"Version": "2016SP1", "VersionName": "SQL Server 2016 Enterprise", "Vip": "172.xx.x.9", "VpcId": "80484",
"Vport": "14", "Zone": "ap-shanghai-2", "ZoneId": "200002"}, "fields": {"Cpu": "2",
"CreateTime": "2023-07-20 14:07:05", "EndTime": "0000-00-00 00:00:00", "IsolateTime": "0000-00-00 00:00:00",
"Memory": "4", "StartTime": "2023-07-20 14:12:06", "Storage": "20", "UpdateTime": "2023-07-20 14:12:09",
"UsedStorage": "0", "message": "{…}"}}}"#,
    ..ObjectCollector::DECLARED
};
