//! `guance_aws_kinesis`: Kinesis data streams (ListStreams, 2013-12-02).

use super::*;

static API: Target =
    Target { version: "2013-12-02", prefix: "Kinesis_20131202", json: "1.1", model: "kinesis" };
// Five a second and account, the API reference says.
static LIST: Action = Action { rate: 4.0, ..listing("kinesis", "ListStreams", "kinesis:ListStreams") };
static DESCRIBE_OF: Action = asking("kinesis", "DescribeStream", "kinesis:DescribeStream");

static DETAIL: Detail = detail(
    "stream",
    request(&API, &DESCRIBE_OF),
    ("StreamName", "StreamName"),
    "StreamDescription",
    &["ResourceNotFoundException"],
);

/// The collector.
pub static KINESIS: ObjectCollector = ObjectCollector {
    description: Description {
        package: "guance_aws_kinesis",
        name: "aws_kinesis",
        measurement: "aws_kinesis",
        title: "Amazon Kinesis data streams",
        title_zh: "亚马逊 Kinesis 数据流",
        actions: &[&LIST, &DESCRIBE_OF, &ASSUME_ROLE],
        tags: &[
            name("StreamName"),
            tag_of("EncryptionType", Source::Detail("stream", "0.EncryptionType"), "`NONE`, `KMS`"),
            tag_of(
                "HasMoreShards",
                Source::Detail("stream", "0.HasMoreShards"),
                "`true`: more shards than one answer of `DescribeStream` shows",
            ),
            REGION,
            tag_of(
                "RetentionPeriodHours",
                Source::Detail("stream", "0.RetentionPeriodHours"),
                "how long records are kept",
            ),
            tag_of("StreamARN", Source::Detail("stream", "0.StreamARN"), "the stream's ARN"),
            tag("StreamName", "the stream's name"),
            tag_of("StreamStatus", Source::Detail("stream", "0.StreamStatus"), "`ACTIVE` and so on"),
        ],
        fields: &[field_of(
            "message",
            Type::Json,
            Source::First(&[Source::Detail("stream", "0"), Source::Item]),
            "all that `DescribeStream` says of it; where that is denied, its name",
        )],
        notes: &[NAMES],
        ..OBJECTS
    },
    list: List {
        request: request(&API, &LIST),
        paging: tokens("NextToken", "NextToken", "Limit", 100),
        items: "StreamNames",
        id: "StreamName",
    },
    details: &[&DETAIL],
    sample: r#"{
"item": {"StreamName": "test"},
"details": {"stream": [{"StreamName": "test", "EncryptionType": "NONE", "HasMoreShards": false, "RetentionPeriodHours": 24,
"StreamARN": "arn:aws-cn:kinesis:cn-north-1:588xxxx:stream/test", "StreamStatus": "ACTIVE"}]},
"point": {"tags": {"name": "test", "EncryptionType": "NONE", "HasMoreShards": "false", "RegionId": "cn-north-1",
"RetentionPeriodHours": "24", "StreamARN": "arn:aws-cn:kinesis:cn-north-1:588xxxx:stream/test", "StreamName": "test",
"StreamStatus": "ACTIVE"}, "fields": {}}}"#,
    ..ObjectCollector::DECLARED
};
