//! `guance_aws_s3`: S3 buckets (ListBuckets of each region, the S3 API 2006-03-01).

use super::*;

static API: S3 = S3 { root: "ListAllMyBucketsResult" };
static ACL_API: S3 = S3 { root: "AccessControlPolicy" };
static LIST: Action = listing("s3", "ListBuckets", "s3:ListAllMyBuckets");
static ACL_OF: Action = asking("s3", "GetBucketAcl", "s3:GetBucketAcl");

static ACL: Detail = optional(detail(
    "acl",
    Request { parameters: &[("acl", "")], ..request(&ACL_API, &ACL_OF) },
    (BUCKET, "Name"),
    "AccessControlList.Grant",
    &["NoSuchBucket"],
));

/// The collector.
pub static S3_BUCKETS: ObjectCollector = ObjectCollector {
    description: Description {
        package: "guance_aws_s3",
        name: "aws_s3",
        measurement: "aws_s3",
        title: "Amazon S3 buckets",
        title_zh: "亚马逊 S3 存储桶",
        actions: &[&LIST, &ACL_OF, &ASSUME_ROLE],
        configuration: &[
            REGIONS,
            details_key(
                "which details to ask for, one call for each bucket: `acl`; left out: all; an empty list: none",
            ),
        ],
        tags: &[name("Name"), REGION, tag_at("LocationConstraint", "BucketRegion", "the region")],
        fields: &[
            field("CreationDate", Type::Text, "when it was made"),
            field_of("Grants", Type::Json, Source::Detail("acl", ""), "who may do what, by `GetBucketAcl`"),
            MESSAGE,
        ],
        ..OBJECTS
    },
    list: List {
        request: Request { region: Some("bucket-region"), ..request(&API, &LIST) },
        paging: tokens("continuation-token", "ContinuationToken", "max-buckets", 1000),
        items: "Buckets.Bucket",
        id: "Name",
    },
    details: &[&ACL],
    sample: r#"{
"item": {"Name": "dataxxxx", "BucketRegion": "cn-northwest-1", "CreationDate": "2022-03-09T06:13:31Z"},
"details": {"acl": [{"Grantee": {"ID": "xxxx"}, "Permission": "FULL_CONTROL"}]},
"point": {"tags": {"name": "dataxxxx", "RegionId": "cn-northwest-1", "LocationConstraint": "cn-northwest-1"},
"fields": {"CreationDate": "2022-03-09T06:13:31Z", "Grants": "{JSON 数据}", "message": "{…}"}}}"#,
    ..ObjectCollector::DECLARED
};
