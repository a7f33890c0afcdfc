//! `guance_tencentcloud_mariadb`: MariaDB instances (DescribeDBInstances, 2017-03-12).

use super::*;

static API: Json3 = Json3 { version: "2017-03-12" };
static LIST: Action = listing("mariadb", "DescribeDBInstances", "mariadb:DescribeDBInstances");

/// The collector.
pub static MARIADB: ObjectCollector = ObjectCollector {
    description: Description {
        package: "guance_tencentcloud_mariadb",
        name: "tencentcloud_mariadb",
        measurement: "tencentcloud_mariadb",
        title: "Tencent Cloud TDSQL MariaDB instances",
        title_zh: "腾讯云 MariaDB 实例",
        actions: &[&LIST, &ASSUME_ROLE],
        tags: &[
            name("InstanceId"),
            tag("AppId", "the account's number"),
            tag("AutoRenewFlag", "1: it is renewed by itself"),
            tag("DbEngine", "`MariaDB`"),
            tag("DbVersion", "the engine's version"),
            tag("DbVersionId", "the engine's version"),
            tag("InstanceId", "the instance's id"),
            tag("InstanceName", "its name"),
            tag("InstanceType", "1 dedicated, 2 of a cluster"),
            tag("Paymode", "`postpaid`, `prepaid`"),
            tag("ProjectId", "the project's number"),
            REGION,
            tag("Status", "0 creating, 1 in a flow, 2 running, 3 not initialised, -1 isolated"),
            tag("StatusDesc", "its state, in words"),
            tag("TdsqlVersion", "the engine, in words"),
            tag("Uin", "the account"),
            tag("Vip", "its private address"),
            tag("Vport", "the port that it answers at"),
            tag("WanDomain", "its public host"),
            tag("WanPort", "its public port"),
            tag("WanVip", "its public address"),
            tag("Zone", "the zone"),
        ],
        fields: &[
            field("Cpu", Type::Integer, "processors"),
            field("CreateTime", Type::Text, "when it was made"),
            field("Memory", Type::Integer, "memory, GB"),
            field("NodeCount", Type::Integer, "nodes"),
            field("PeriodEndTime", Type::Text, "when it expires"),
            field("Qps", Type::Integer, "queries a second that it is made for"),
            field("Storage", Type::Integer, "GB"),
            field("UpdateTime", Type::Text, "when it was changed last"),
            MESSAGE,
        ],
        ..OBJECTS
    },
    list: List { request: request(&API, &LIST), paging: offsets(100), items: "Instances", id: "InstanceId" },
    sample: r#"{
"item": {"InstanceId": "tdsql-ewqokihu", "AppId": "1311xxx185", "AutoRenewFlag": 0, "DbEngine": "MariaDB",
"DbVersion": "10.1", "DbVersionId": "10.1", "InstanceName": "tdsql-ewqoxxxxxxihu", "InstanceType": 2,
"Paymode": "postpaid", "ProjectId": 0, "Status": 0, "StatusDesc": "创建中",
"TdsqlVersion": "基于MariaDB 10.1设计(兼容Mysql 5.6)", "Uin": "100xxxx113474", "Vport": 3306, "WanPort": 0,
"Zone": "ap-shanghai-5", "Cpu": 1, "CreateTime": "2023-08-17 17:55:03", "Memory": 2, "NodeCount": 2,
"PeriodEndTime": "0001-01-01 00:00:00", "Qps": 2100, "Storage": 10, "UpdateTime": "2023-08-17 17:55:03"},
"point": {"tags": {"AppId": "1311xxx185", "AutoRenewFlag": "0", "DbEngine": "MariaDB", "DbVersion": "10.1",
"DbVersionId": "10.1", "InstanceId": "tdsql-ewqokihu", "InstanceName": "tdsql-ewqoxxxxxxihu", "InstanceType": "2",
"Paymode": "postpaid", "ProjectId": "0", "RegionId": "ap-shanghai", "Status": "0", "StatusDesc": "创建中",
"TdsqlVersion": "基于MariaDB 10.1设计(兼容Mysql 5.6)", "Uin": "100xxxx113474", "Vip": "", "Vport": "3306", "WanDomain": "",
"WanPort": "0", "WanVip": "", "Zone": "ap-shanghai-5", "name": "tdsql-ewqokihu"}, "fields": {"Cpu": 1,
"CreateTime": "2023-08-17 17:55:03", "Memory": 2, "NodeCount": 2, "PeriodEndTime": "0001-01-01 00:00:00", "Qps": 2100,
"Storage": 10, "UpdateTime": "2023-08-17 17:55:03", "message": "{…}"}}}"#,
    ..ObjectCollector::DECLARED
};
