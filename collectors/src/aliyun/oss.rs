//! `guance_aliyun_oss`: OSS buckets as objects (the OSS API, V4 signature).

use super::api::{BUCKET, Oss};
use super::client::ASSUME_ROLE;
use crate::account::Cloud;
use crate::collector::{Action, Description, REGIONS, Reported, Source, Type};
use crate::objects::{Detail, How, List, ObjectCollector, Paging, Request, Scope};
use crate::point::Category;
use std::time::Duration;

static LIST_BUCKETS_API: Oss = Oss { root: "ListAllMyBucketsResult" };
static BUCKET_INFO_API: Oss = Oss { root: "BucketInfo" };

static LIST_BUCKETS: Action = Action {
    service: "oss",
    action: "ListBuckets",
    permission: "oss:ListBuckets",
    rate: 20.0,
    when: "once for every 1,000 buckets of the account",
};

static GET_BUCKET_INFO: Action = Action {
    service: "oss",
    action: "GetBucketInfo",
    permission: "oss:GetBucketInfo",
    rate: 20.0,
    when: "once for each bucket of the regions",
};

static INFO: Detail = Detail {
    name: "info",
    optional: false,
    how: How::Item {
        list: List {
            request: Request {
                api: &BUCKET_INFO_API,
                action: &GET_BUCKET_INFO,
                region: None,
                parameters: &[("bucketInfo", "")],
                structures: &[],
            },
            paging: Paging::Whole,
            items: "",
            id: "",
        },
        id: (BUCKET, "Name"),
        only: None,
        keep: &[],
        nothing: None,
    },
    // Removed since it was listed.
    absent: &["NoSuchBucket"],
};

const fn tag(key: &'static str, path: &'static str, meaning: &'static str) -> Reported {
    Reported { key, kind: Type::Text, from: Source::Path(path), meaning }
}

/// The collector.
pub static OSS: ObjectCollector = ObjectCollector {
    description: Description {
        package: "guance_aliyun_oss",
        name: "aliyun_oss",
        title: "Alibaba Cloud OSS buckets",
        title_zh: "阿里云 OSS 存储桶",
        cloud: Cloud::Aliyun,
        category: Category::CustomObject,
        measurement: "aliyun_oss",
        interval: Duration::from_secs(900),
        actions: &[&LIST_BUCKETS, &GET_BUCKET_INFO, &ASSUME_ROLE],
        configuration: &[REGIONS],
        tags: &[
            tag("name", "Name", "the bucket's name: the object's unique name"),
            tag("RegionId", "Location", "the region with `oss-` before it: `oss-cn-hangzhou`"),
            tag("location", "Location", "the same"),
            tag("storage_class", "StorageClass", "`Standard`, `IA`, `Archive` and so on"),
            Reported {
                key: "grant",
                kind: Type::Text,
                from: Source::Detail("info", "Bucket.AccessControlList.Grant"),
                meaning: "`private`, `public-read`, `public-read-write`, by `GetBucketInfo`",
            },
        ],
        fields: &[
            Reported {
                key: "extranet_endpoint",
                kind: Type::Text,
                from: Source::Path("ExtranetEndpoint"),
                meaning: "where it answers from outside",
            },
            Reported {
                key: "intranet_endpoint",
                kind: Type::Text,
                from: Source::Path("IntranetEndpoint"),
                meaning: "where it answers from inside the region",
            },
            Reported {
                key: "creation_date",
                kind: Type::Integer,
                from: Source::Seconds("CreationDate"),
                meaning: "when it was made, seconds since 1970",
            },
            Reported {
                key: "message",
                kind: Type::Json,
                from: Source::First(&[Source::Detail("info", "Bucket"), Source::Item]),
                meaning: "the whole bucket, by `GetBucketInfo`; as the list has it where that is denied",
            },
        ],
        notes: &[
            "The buckets of all regions are listed once; those of the configured `regions` are reported.",
        ],
    },
    scope: Scope::Account { region: &["Region", "Location"], without: "oss-" },
    list: List {
        request: Request {
            api: &LIST_BUCKETS_API,
            action: &LIST_BUCKETS,
            region: None,
            parameters: &[],
            structures: &[],
        },
        paging: Paging::Tokens { token: "marker", next: "NextMarker", size: Some(("max-keys", 1000)) },
        items: "Buckets.Bucket",
        id: "Name",
    },
    details: &[&INFO],
    ..ObjectCollector::DECLARED
};
