//! `guance_aliyun_nas`: NAS file systems (DescribeFileSystems, 2017-06-26).

use super::*;

static API: Rpc = Rpc { version: "2017-06-26" };
static LIST: Action = listing("nas", "DescribeFileSystems", "nas:DescribeFileSystems");
static NAMED_OF: Action =
    Action { when: "once a run", ..asking("nas", "DescribeRegions", "nas:DescribeRegions") };
static REGIONS_LIST: List = List {
    // Without it only the regions of the standard kind are named.
    request: Request { parameters: &[("FileSystemType", "all")], ..request(&API, &NAMED_OF) },
    paging: numbers("PageNumber", "PageSize", 100, "TotalCount"),
    items: "Regions.Region",
    id: "RegionId",
};

/// The collector.
pub static NAS: ObjectCollector = ObjectCollector {
    description: Description {
        package: "guance_aliyun_nas",
        name: "aliyun_nas",
        measurement: "aliyun_nas",
        title: "Alibaba Cloud NAS file systems",
        title_zh: "阿里云文件存储 NAS",
        actions: &[&LIST, &NAMED_OF, &ASSUME_ROLE],
        configuration: &[],
        tags: &[
            name("FileSystemId"),
            tag("ChargeType", "`PayAsYouGo`, `Subscription`, `Package`"),
            tag("EncryptType", "0 not encrypted, 1 by NAS, 2 by your own key"),
            tag("FileSystemId", "the file system's id"),
            tag("FileSystemType", "`standard`, `extreme`, `cpfs`"),
            tag("RegionId", "the region"),
        ],
        fields: &[
            field("CreateTime", Type::Text, "when it was made"),
            field("Capacity", Type::Integer, "GiB"),
            field("ExpiredTime", Type::Text, "when it expires"),
            MESSAGE,
        ],
        notes: &["It takes no `regions`: the product names its own, and all are asked."],
        ..OBJECTS
    },
    scope: Scope::Everywhere("cn-hangzhou", &REGIONS_LIST),
    list: List {
        request: request(&API, &LIST),
        paging: numbers("PageNumber", "PageSize", 100, "TotalCount"),
        items: "FileSystems.FileSystem",
        id: "FileSystemId",
    },
    hide: &["DefaultPasswd"],
    sample: r#"{
"item": {"MountTargets": {"MountTarget": [{"ClientMasterNodes": {"ClientMasterNode": [{"DefaultPasswd": "hunter2"}]}}]},
"FileSystemId": "xxxx", "ChargeType": "PayAsYouGo", "EncryptType": 0, "FileSystemType": "standard",
"RegionId": "cn-hangzhou", "CreateTime": "2022-03-30T10:17Z", "Capacity": 1048576, "ExpiredTime": "xxxx"},
"point": {"tags": {"ChargeType": "PayAsYouGo", "EncryptType": "0", "FileSystemId": "xxxx", "FileSystemType": "standard",
"RegionId": "cn-hangzhou", "name": "xxxx"}, "fields": {"CreateTime": "2022-03-30T10:17Z", "Capacity": 1048576,
"ExpiredTime": "xxxx", "message": "{…}"}}}"#,
    ..ObjectCollector::DECLARED
};
