//! `guance_tencentcloud_cdb`: MySQL instances (DescribeDBInstances, 2017-03-20).

use super::*;

static API: Json3 = Json3 { version: "2017-03-20" };
static LIST: Action = listing("cdb", "DescribeDBInstances", "cdb:DescribeDBInstances");

/// The collector.
pub static CDB: ObjectCollector = ObjectCollector {
    description: Description {
        package: "guance_tencentcloud_cdb",
        name: "tencentcloud_cdb",
        measurement: "tencentcloud_cdb",
        title: "Tencent Cloud MySQL (CDB) instances",
        title_zh: "腾讯云 MySQL（CDB）实例",
        actions: &[&LIST, &ASSUME_ROLE],
        tags: &[
            name("InstanceId"),
            REGION,
            tag("Region", "the instance's own region"),
            tag("InstanceId", "the instance's id"),
            tag("InstanceName", "its name"),
            tag("InstanceType", "1 master, 2 disaster recovery, 3 read-only"),
            tag("Zone", "the zone"),
            tag("ZoneName", "the zone's name"),
            tag("DeviceType", "`UNIVERSAL`, `EXCLUSIVE`, `BASIC`"),
            tag("EngineVersion", "the engine's version"),
            tag("Vip", "its private address"),
            tag("Status", "0 creating, 1 running, 4 isolating, 5 isolated"),
            tag("ProtectMode", "0 asynchronous, 1 semi-synchronous, 2 strong"),
            tag("ProjectId", "the project's number"),
            tag("PayType", "0 prepaid, 1 pay as you go"),
            tag("WanStatus", "0 no public address, 1 one, 2 switched off"),
        ],
        fields: &[
            field("WanPort", Type::Integer, "its public port"),
            field("Memory", Type::Integer, "memory, MB"),
            field("Volume", Type::Integer, "disk, GB"),
            field("DeadlineTime", Type::Text, "when it expires; `0000-00-00 00:00:00` where it does not"),
            field("CreateTime", Type::Text, "when it was made"),
            MESSAGE,
        ],
        notes: &["One list holds masters, disaster-recovery and read-only instances."],
        ..OBJECTS
    },
    list: List {
        // Its default is 0: instances that are not locked.
        request: Request { structures: &[("CdbErrors", "[0,1]")], ..request(&API, &LIST) },
        paging: offsets(100),
        items: "Items",
        id: "InstanceId",
    },
    sample: r#"{
"item": {"InstanceId": "cdb-xxxxxxx", "Region": "ap-shanghai", "InstanceName": "smart_check_test", "InstanceType": 1,
"Zone": "ap-shanghai-3", "DeviceType": "UNIVERSAL", "EngineVersion": "8.0", "Vip": "172.xx.x.9", "Status": 1,
"ProtectMode": 0, "ProjectId": 0, "PayType": 1, "WanStatus": 0, "WanPort": 0, "Memory": 1000, "Volume": 25,
"DeadlineTime": "0000-00-00 00:00:00", "CreateTime": "2022-04-27 15:18:06"},
"point": {"tags": {"name": "cdb-xxxxxxx", "RegionId": "ap-shanghai", "Region": "ap-shanghai", "InstanceId": "cdb-xxxxxxx",
"InstanceName": "smart_check_test", "InstanceType": "1", "Zone": "ap-shanghai-3", "ZoneName": "",
"DeviceType": "UNIVERSAL", "EngineVersion": "8.0", "Vip": "172.xx.x.9", "Status": "1", "ProtectMode": "0",
"ProjectId": "0", "PayType": "1", "WanStatus": "0"}, "fields": {"WanPort": 0, "Memory": 1000, "Volume": 25,
"DeadlineTime": "0000-00-00 00:00:00", "CreateTime": "2022-04-27 15:18:06", "message": "{…}"}}}"#,
    ..ObjectCollector::DECLARED
};
