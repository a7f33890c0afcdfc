//! `guance_aliyun_resource_package`: resource plans, bought ahead (QueryResourcePackageInstances, 2017-12-14).

use super::*;

static API: Rpc = Rpc { version: "2017-12-14" };
// The product's actions are called otherwise in policies.
static LIST: Action = listing("bssopenapi", "QueryResourcePackageInstances", "bss:DescribeInstances");

/// The collector.
pub static RESOURCE_PACKAGE: ObjectCollector = ObjectCollector {
    description: Description {
        package: "guance_aliyun_resource_package",
        name: "aliyun_resource_package",
        measurement: "aliyun_resource_package",
        title: "Alibaba Cloud resource plans",
        title_zh: "阿里云资源包",
        actions: &[&LIST, &ASSUME_ROLE],
        configuration: &[Key {
            name: "products",
            kind: "list of texts",
            required: true,
            meaning: "whose plans: `ossbag`, `flowbag`, `cdnflowbag`, `CDN`, `dcdn`, `ots`, `live`, `vod`, `hdr`, `cdi`, `hbr`, `sls`",
        }],
        tags: &[
            name("InstanceId"),
            tag("DeductType", "`Absolute`, `FlowOut` and so on: how it is used up"),
            tag("InstanceId", "the plan's id"),
            tag("PackageType", "what kind of plan"),
            tag_of("ProductCode", Source::Asked, "the product that was asked for"),
            tag("Remark", "the plan's name"),
            tag("Status", "`Available` and so on"),
        ],
        fields: &[
            field("EffectiveTime", Type::Text, "from when on it is used up"),
            field("ExpiryTime", Type::Text, "when it expires"),
            field("RemainingAmount", Type::Text, "what is left of it"),
            field("RemainingAmountUnit", Type::Text, "in which unit"),
            field("TotalAmount", Type::Text, "what was bought"),
            field("TotalAmountUnit", Type::Text, "in which unit"),
            MESSAGE,
        ],
        notes: &[
            "The host is that of accounts of the China site, `business.aliyuncs.com`; those of the international site write `endpoint: #{ bssopenapi: \"https://business.ap-southeast-1.aliyuncs.com\" }` into the account.",
        ],
        ..OBJECTS
    },
    scope: Scope::Central("cn-hangzhou"),
    list: List {
        request: request(&API, &LIST),
        paging: numbers("PageNum", "PageSize", 100, "Data.TotalCount"),
        items: "Data.Instances.Instance",
        id: "InstanceId",
    },
    variants: Some((
        "ProductCode",
        &["ossbag", "flowbag", "cdnflowbag", "CDN", "dcdn", "ots", "live", "vod", "hdr", "cdi", "hbr", "sls"],
    )),
    by_products: true,
    sample: r#"{
"asked": "ossbag",
"item": {"InstanceId": "OSSBAG-cn-xxxxxxxxxx", "DeductType": "Absolute",
"PackageType": "FPT_ossbag_absolute_Storage_china_common", "Remark": "Standard storage package (Mainland China)",
"Status": "Available", "EffectiveTime": "2021-12-19T04:15:47Z", "ExpiryTime": "2022-12-19T16:00:00Z",
"RemainingAmount": "10", "RemainingAmountUnit": "TB", "TotalAmount": "10", "TotalAmountUnit": "TB"},
"point": {"tags": {"name": "OSSBAG-cn-xxxxxxxxxx", "DeductType": "Absolute", "InstanceId": "OSSBAG-cn-xxxxxxxxxx",
"PackageType": "FPT_ossbag_absolute_Storage_china_common", "ProductCode": "ossbag",
"Remark": "Standard storage package (Mainland China)", "Status": "Available"},
"fields": {"EffectiveTime": "2021-12-19T04:15:47Z", "ExpiryTime": "2022-12-19T16:00:00Z", "RemainingAmount": "10",
"RemainingAmountUnit": "TB", "TotalAmount": "10", "TotalAmountUnit": "TB", "message": "{…}"}}}"#,
    ..ObjectCollector::DECLARED
};
