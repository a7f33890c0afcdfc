//! `guance_aliyun_private_zone`: private zones (DescribeZones, 2018-01-01).

use super::*;

static API: Rpc = Rpc { version: "2018-01-01" };
static LIST: Action = listing("pvtz", "DescribeZones", "pvtz:DescribeZones");
static ZONE_OF: Action = asking("pvtz", "DescribeZoneInfo", "pvtz:DescribeZoneInfo");
static SERVICE_OF: Action = Action {
    when: "once a run",
    ..asking("pvtz", "DescribeUserServiceStatus", "pvtz:DescribeUserServiceStatus")
};

/// Released since it was listed.
const GONE: &[&str] = &["Zone.NotExists", "Zone.Invalid.Id"];

static DETAIL_1: Detail = detail("zone", request(&API, &ZONE_OF), ("ZoneId", "ZoneId"), "", GONE);
static DETAIL_2: Detail = for_all("service", request(&API, &SERVICE_OF));

/// The collector.
pub static PRIVATE_ZONE: ObjectCollector = ObjectCollector {
    description: Description {
        package: "guance_aliyun_private_zone",
        name: "aliyun_private_zone",
        measurement: "aliyun_private_zone",
        title: "Alibaba Cloud private zones",
        title_zh: "阿里云内网 DNS 解析 PrivateZone",
        actions: &[&LIST, &ZONE_OF, &SERVICE_OF, &ASSUME_ROLE],
        configuration: &[],
        tags: &[
            name("ZoneId"),
            tag_of(
                "Status",
                Source::Detail("service", "0.Status"),
                "`OPENED`: the service, by `DescribeUserServiceStatus`",
            ),
            tag("ZoneId", "the zone's id"),
            tag("ZoneName", "the zone's name"),
            tag("ProxyPattern", "`ZONE`, `RECORD`: are unknown names asked for elsewhere"),
            tag("ZoneType", "`AUTH_ZONE`, `CLOUD_PRODUCT_ZONE`"),
            tag("IsPtr", "`true`: for addresses"),
        ],
        fields: &[
            field("CreateTime", Type::Text, "when it was made"),
            field_of(
                "BindVpcs",
                Type::Json,
                Source::Detail("zone", "BindVpcs.Vpc"),
                "the VPCs that it serves",
            ),
            MESSAGE,
        ],
        notes: &["The account's own zones, and those of the cloud's products (`ZoneType`)."],
        ..OBJECTS
    },
    scope: Scope::Central(""),
    list: List {
        request: request(&API, &LIST),
        paging: numbers("PageNumber", "PageSize", 100, "TotalItems"),
        items: "Zones.Zone",
        id: "ZoneId",
    },
    details: &[&DETAIL_1, &DETAIL_2],
    // Without it only those of the first kind are listed.
    variants: Some(("ZoneType", &["AUTH_ZONE", "CLOUD_PRODUCT_ZONE"])),
    sample: r#"{
"item": {"ZoneId": "xxxx", "ZoneName": "xxxx.com", "ProxyPattern": "RECORD", "ZoneType": "AUTH_ZONE", "IsPtr": false,
"CreateTime": "2022-03-30T10:17Z"},
"details": {"zone": {"BindVpcs": {"Vpc": [{"VpcId": "vpc-xxxx"}]}}, "service": [{"Status": "OPENED"}]},
"point": {"tags": {"name": "xxxx", "Status": "OPENED", "ZoneId": "xxxx", "ZoneName": "xxxx.com", "ProxyPattern": "RECORD",
"ZoneType": "AUTH_ZONE", "IsPtr": "false"}, "fields": {"CreateTime": "2022-03-30T10:17Z",
"BindVpcs": "[{\"VpcId\": \"vpc-xxxx\"}]", "message": "{…}"}}}"#,
    ..ObjectCollector::DECLARED
};
