//! `guance_aws_dms`: replication instances of Database Migration Service (DescribeReplicationInstances, 2016-01-01).

use super::*;

static API: Target =
    Target { version: "2016-01-01", prefix: "AmazonDMSv20160101", json: "1.1", model: "dms" };
static LIST: Action = listing("dms", "DescribeReplicationInstances", "dms:DescribeReplicationInstances");

/// The collector.
pub static DMS: ObjectCollector = ObjectCollector {
    description: Description {
        package: "guance_aws_dms",
        name: "aws_dms",
        measurement: "aws_dms",
        title: "Amazon DMS replication instances",
        title_zh: "亚马逊 DMS 复制实例",
        actions: &[&LIST, &ASSUME_ROLE],
        tags: &[
            name("ReplicationInstanceIdentifier"),
            tag("AvailabilityZone", "the zone"),
            tag("KmsKeyId", "the key that encrypts it"),
            tag("ReplicationInstanceClass", "its class"),
            tag("ReplicationInstanceIdentifier", "the instance's id"),
        ],
        fields: &[MESSAGE],
        notes: &[
            "Objects of two regions may have one `name`: metrics take the tags of their own region's, and the region in `KmsKeyId` tells the objects apart; who keys them by `name` alone sees one of them.",
            "The manual prints `KmsKeyId:arn`, an ARN that was cut in two: what is reported is `KmsKeyId`.",
        ],
        ..OBJECTS
    },
    list: List {
        request: request(&API, &LIST),
        paging: tokens("Marker", "Marker", "MaxRecords", 100),
        items: "ReplicationInstances",
        id: "ReplicationInstanceIdentifier",
    },
    sample: r#"{
"item": {"ReplicationInstanceIdentifier": "hn-test", "ReplicationInstanceClass": "dms.t3.micro",
"AvailabilityZone": "cn-northwest-1b",
"KmsKeyId": "arn:aws-cn:kms:cn-northwest-1:294654068288:key/531cd79a-5a86-47d6-b216-0d63e2e32b3a"},
"point": {"tags": {"AvailabilityZone": "cn-northwest-1b",
"KmsKeyId": "arn:aws-cn:kms:cn-northwest-1:294654068288:key/531cd79a-5a86-47d6-b216-0d63e2e32b3a", "name": "hn-test",
"ReplicationInstanceClass": "dms.t3.micro", "ReplicationInstanceIdentifier": "hn-test"}, "fields": {}}}"#,
    ..ObjectCollector::DECLARED
};
