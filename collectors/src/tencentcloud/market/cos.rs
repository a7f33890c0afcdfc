//! `guance_tencentcloud_cos`: COS buckets (the COS API, its own signature).

use super::*;

static API: Cos = Cos { root: "ListAllMyBucketsResult" };
static LIST: Action = listing("cos", "GetService", "name/cos:GetService");

/// The collector.
pub static COS: ObjectCollector = ObjectCollector {
    description: Description {
        package: "guance_tencentcloud_cos",
        name: "tencentcloud_cos",
        measurement: "tencentcloud_cos",
        title: "Tencent Cloud COS buckets",
        title_zh: "腾讯云 COS 存储桶",
        actions: &[&LIST, &ASSUME_ROLE],
        tags: &[
            name("Name"),
            tag_at("RegionId", "Location", "the region"),
            tag("BucketType", "`cos`"),
            tag("Location", "the region"),
        ],
        fields: &[field("CreationDate", Type::Text, "when it was made"), MESSAGE],
        notes: &[
            "The buckets of all regions are listed once; those of the configured `regions` are reported.",
        ],
        ..OBJECTS
    },
    scope: Scope::Account { region: &["Location"], without: "" },
    list: List {
        request: request(&API, &LIST),
        paging: tokens("marker", "NextMarker", "max-keys", 1000),
        items: "Buckets.Bucket",
        id: "Name",
    },
    sample: r#"{
"item": {"Name": "smart-xxxx", "Location": "ap-nanjing", "CreationDate": "2022-04-20T03:12:08Z", "BucketType": "cos"},
"point": {"tags": {"name": "smart-xxxx", "RegionId": "ap-nanjing", "BucketType": "cos", "Location": "ap-nanjing"},
"fields": {"CreationDate": "2022-04-20T03:12:08Z", "message": "{…}"}}}"#,
    ..ObjectCollector::DECLARED
};
