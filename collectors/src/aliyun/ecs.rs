//! `guance_aliyun_ecs`: ECS instances as objects (ECS 2014-05-26).

use super::api::Rpc;
use super::client::ASSUME_ROLE;
use crate::account::Cloud;
use crate::collector::{Action, Description, REGIONS, Reported, Source, Type};
use crate::objects::{Detail, How, Ids, Join, List, ObjectCollector, Paging, Request, Scope, Sizes};
use crate::point::Category;
use std::time::Duration;

static ECS_API: Rpc = Rpc { version: "2014-05-26" };

const fn action(name: &'static str, permission: &'static str, when: &'static str) -> Action {
    Action { service: "ecs", action: name, permission, rate: 10.0, when }
}

static DESCRIBE_INSTANCES: Action =
    action("DescribeInstances", "ecs:DescribeInstances", "once for every 100 instances of a region");
static DESCRIBE_DISKS: Action =
    action("DescribeDisks", "ecs:DescribeDisks", "once for every 500 disks of a region");
static DESCRIBE_NETWORK_INTERFACES: Action = action(
    "DescribeNetworkInterfaces",
    "ecs:DescribeNetworkInterfaces",
    "once for every 500 network interfaces of a region",
);
static DESCRIBE_FULL_STATUS: Action = action(
    "DescribeInstancesFullStatus",
    "ecs:DescribeInstancesFullStatus",
    "once for every 100 instances of a region",
);
static DESCRIBE_AUTO_RENEW: Action = action(
    "DescribeInstanceAutoRenewAttribute",
    "ecs:DescribeInstanceAutoRenewAttribute",
    "once for every 100 prepaid instances of a region",
);

/// A list by tokens, of pages as large as they can be.
const fn tokens(most: usize) -> Paging {
    Paging::Tokens { token: "NextToken", next: "NextToken", size: Some(("MaxResults", most)) }
}

const fn pages(most: usize) -> Paging {
    Paging::Numbers {
        number: "PageNumber",
        size: "PageSize",
        sizes: Sizes::up_to(most),
        total: Some("TotalCount"),
    }
}

const fn request(action: &'static Action) -> Request {
    Request { api: &ECS_API, action, region: Some("RegionId"), parameters: &[], structures: &[] }
}

static DISKS: Detail = Detail {
    name: "disks",
    optional: false,
    how: How::Region {
        list: List {
            request: request(&DESCRIBE_DISKS),
            paging: tokens(500),
            items: "Disks.Disk",
            id: "DiskId",
        },
        // A disk that can be attached to several instances names them in a list; a free one names none.
        join: Join::Many(&["InstanceId", "Attachments.Attachment[].InstanceId"]),
        fits: None,
    },
    absent: &[],
};

static NETWORK_INTERFACES: Detail = Detail {
    name: "network_interfaces",
    optional: false,
    how: How::Region {
        list: List {
            request: request(&DESCRIBE_NETWORK_INTERFACES),
            paging: tokens(500),
            items: "NetworkInterfaceSets.NetworkInterfaceSet",
            id: "NetworkInterfaceId",
        },
        join: Join::Many(&["InstanceId"]),
        fits: None,
    },
    absent: &[],
};

static FULL_STATUS: Detail = Detail {
    name: "instances_full_status",
    optional: false,
    how: How::Region {
        list: List {
            request: request(&DESCRIBE_FULL_STATUS),
            paging: pages(100),
            items: "InstanceFullStatusSet.InstanceFullStatusType",
            id: "InstanceId",
        },
        join: Join::One("InstanceId"),
        fits: None,
    },
    absent: &[],
};

static AUTO_RENEW: Detail = Detail {
    name: "instance_renew_attribute",
    optional: false,
    how: How::Batch {
        list: List {
            request: Request { parameters: &[("PageSize", "100")], ..request(&DESCRIBE_AUTO_RENEW) },
            paging: Paging::Whole,
            items: "InstanceRenewAttributes.InstanceRenewAttribute",
            id: "InstanceId",
        },
        ids: "InstanceId",
        form: Ids::Commas,
        most: 100,
        id: "InstanceId",
        // One instance that is paid as it goes refuses the call for all.
        only: Some(("InstanceChargeType", "PrePaid")),
        split: &[
            "ChargeTypeViolation",
            "InvalidParameter.InvalidInstanceId",
            "InvalidParameter.ToManyInstanceIds",
            "IncorrectInstanceStatus",
        ],
    },
    absent: &[],
};

const fn tag(key: &'static str, path: &'static str, meaning: &'static str) -> Reported {
    Reported { key, kind: Type::Text, from: Source::Path(path), meaning }
}

const fn text(key: &'static str, meaning: &'static str) -> Reported {
    Reported { key, kind: Type::Text, from: Source::Path(key), meaning }
}

const fn detail(key: &'static str, meaning: &'static str) -> Reported {
    Reported { key, kind: Type::Json, from: Source::Detail(key, ""), meaning }
}

/// The collector.
pub static ECS: ObjectCollector = ObjectCollector {
    description: Description {
        package: "guance_aliyun_ecs",
        name: "aliyun_ecs",
        title: "Alibaba Cloud ECS instances",
        title_zh: "阿里云 ECS 实例",
        cloud: Cloud::Aliyun,
        category: Category::CustomObject,
        measurement: "aliyun_ecs",
        interval: Duration::from_secs(900),
        actions: &[
            &DESCRIBE_INSTANCES,
            &DESCRIBE_DISKS,
            &DESCRIBE_NETWORK_INTERFACES,
            &DESCRIBE_FULL_STATUS,
            &DESCRIBE_AUTO_RENEW,
            &ASSUME_ROLE,
        ],
        configuration: &[REGIONS],
        tags: &[
            tag("name", "InstanceId", "the instance's id: the object's unique name"),
            tag("InstanceId", "InstanceId", "the instance's id"),
            tag("InstanceName", "InstanceName", "its name"),
            tag("HostName", "HostName", "its host name"),
            tag("RegionId", "RegionId", "the region"),
            tag("ZoneId", "ZoneId", "the zone"),
            tag("InstanceChargeType", "InstanceChargeType", "`PrePaid`, `PostPaid`"),
            tag("InternetChargeType", "InternetChargeType", "`PayByTraffic`, `PayByBandwidth`"),
            tag("OSType", "OSType", "`linux`, `windows`"),
            tag("InstanceType", "InstanceType", "such as `ecs.g7.large`"),
            tag("InstanceTypeFamily", "InstanceTypeFamily", "such as `ecs.g7`"),
            tag("Status", "Status", "`Running`, `Stopped` and so on"),
            tag("PublicIpAddress_IpAddress", "PublicIpAddress.IpAddress.0", "the public address"),
        ],
        fields: &[
            text("CreationTime", "when it was made"),
            text("StartTime", "when it was started last"),
            text("ExpiredTime", "when it expires"),
            text("AutoReleaseTime", "when it is released by itself, where that is set"),
            text("Cpu", "processors"),
            text("Memory", "memory, MiB"),
            text("InternetMaxBandwidthOut", "outward bandwidth, Mbit/s"),
            Reported {
                key: "OperationLocks",
                kind: Type::Json,
                from: Source::Path("OperationLocks.LockReason"),
                meaning: "why it is locked, where it is",
            },
            detail("disks", "its disks, by `DescribeDisks`"),
            detail("network_interfaces", "its network interfaces, by `DescribeNetworkInterfaces`"),
            detail("instances_full_status", "health and scheduled events, by `DescribeInstancesFullStatus`"),
            detail(
                "instance_renew_attribute",
                "renewal, prepaid ones only, by `DescribeInstanceAutoRenewAttribute`",
            ),
            Reported { key: "message", kind: Type::Json, from: Source::Item, meaning: "the whole instance" },
        ],
        notes: &[
            "Disks, network interfaces, status and renewal are asked for in bulk: no call is made for a single instance.",
        ],
    },
    scope: Scope::Region,
    list: List {
        request: request(&DESCRIBE_INSTANCES),
        paging: tokens(100),
        items: "Instances.Instance",
        id: "InstanceId",
    },
    details: &[&DISKS, &NETWORK_INTERFACES, &FULL_STATUS, &AUTO_RENEW],
    ..ObjectCollector::DECLARED
};
