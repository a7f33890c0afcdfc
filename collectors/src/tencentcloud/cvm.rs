//! `guance_tencentcloud_cvm`: CVM instances as objects (CVM 2017-03-12).

use super::client::{ASSUME_ROLE, Json3};
use crate::account::Cloud;
use crate::collector::{Action, Description, REGIONS, Reported, Source, Type};
use crate::objects::{List, ObjectCollector, Paging, Request, Scope, Sizes};
use crate::point::Category;
use std::time::Duration;

static CVM_API: Json3 = Json3 { version: "2017-03-12" };

static DESCRIBE_INSTANCES: Action = Action {
    service: "cvm",
    action: "DescribeInstances",
    permission: "cvm:DescribeInstances",
    rate: 40.0,
    when: "once for every 100 instances of a region",
};

const fn tag(key: &'static str, path: &'static str, meaning: &'static str) -> Reported {
    Reported { key, kind: Type::Text, from: Source::Path(path), meaning }
}

const fn field(key: &'static str, kind: Type, meaning: &'static str) -> Reported {
    Reported { key, kind, from: Source::Path(key), meaning }
}

/// The collector.
pub static CVM: ObjectCollector = ObjectCollector {
    description: Description {
        package: "guance_tencentcloud_cvm",
        name: "tencentcloud_cvm",
        title: "Tencent Cloud CVM instances",
        title_zh: "腾讯云 CVM 实例",
        cloud: Cloud::Tencent,
        category: Category::CustomObject,
        measurement: "tencentcloud_cvm",
        interval: Duration::from_secs(900),
        actions: &[&DESCRIBE_INSTANCES, &ASSUME_ROLE],
        configuration: &[REGIONS],
        tags: &[
            tag("name", "InstanceId", "the instance's id: the object's unique name"),
            tag("InstanceId", "InstanceId", "the instance's id"),
            tag("InstanceName", "InstanceName", "its name"),
            Reported { key: "RegionId", kind: Type::Text, from: Source::Region, meaning: "the region" },
            tag("Zone", "Placement.Zone", "the zone"),
            tag("InstanceChargeType", "InstanceChargeType", "`PREPAID`, `POSTPAID_BY_HOUR` and so on"),
            tag("InstanceType", "InstanceType", "such as `SA2.MEDIUM2`"),
            tag("OsName", "OsName", "the operating system"),
        ],
        fields: &[
            field("CPU", Type::Integer, "processors"),
            field("Memory", Type::Integer, "memory, GB"),
            field("InstanceState", Type::Text, "`RUNNING`, `STOPPED` and so on"),
            field("PublicIpAddresses", Type::Json, "its public addresses"),
            field("PrivateIpAddresses", Type::Json, "its private addresses"),
            field("SystemDisk", Type::Json, "its system disk"),
            field("DataDisks", Type::Json, "its data disks"),
            field("Placement", Type::Json, "zone, project, host"),
            field("ExpiredTime", Type::Text, "when it expires, prepaid ones only"),
            Reported { key: "message", kind: Type::Json, from: Source::Item, meaning: "the whole instance" },
        ],
        notes: &[
            "Metrics of CVM are asked for by the instances that this collector found: run it before, or beside, `tencentcloud_monitor`.",
        ],
    },
    scope: Scope::Region,
    list: List {
        request: Request {
            api: &CVM_API,
            action: &DESCRIBE_INSTANCES,
            region: None,
            parameters: &[],
            structures: &[],
        },
        paging: Paging::Offsets {
            offset: "Offset",
            limit: "Limit",
            sizes: Sizes::up_to(100),
            total: "TotalCount",
        },
        items: "InstanceSet",
        id: "InstanceId",
    },
    details: &[],
    hide: &["Password"],
    ..ObjectCollector::DECLARED
};
