//! `guance_aws_documentdb`: DocumentDB instances (DescribeDBInstances, 2014-10-31).

use super::*;

static API: Query = Query { version: "2014-10-31", model: "rds" };
static LIST: Action = listing("rds", "DescribeDBInstances", "rds:DescribeDBInstances");

/// The collector.
pub static DOCUMENTDB: ObjectCollector = ObjectCollector {
    description: Description {
        package: "guance_aws_documentdb",
        name: "aws_documentdb",
        measurement: "aws_documentdb",
        title: "Amazon DocumentDB instances",
        title_zh: "亚马逊 DocumentDB 实例",
        actions: &[&LIST, &ASSUME_ROLE],
        tags: &[
            name("DBInstanceIdentifier"),
            tag("DBInstanceIdentifier", "the instance's id"),
            tag("AvailabilityZone", "the zone"),
            tag("CACertificateIdentifier", "its certificate authority"),
            tag("DBClusterIdentifier", "its cluster"),
            tag("DBInstanceArn", "the instance's ARN"),
            tag("DBInstanceClass", "its class"),
            tag("DBInstanceStatus", "its state"),
            tag("DbiResourceId", "the id that never changes"),
            tag("Engine", "`docdb`"),
            tag("EngineVersion", "the engine's version"),
            tag("KmsKeyId", "the key that encrypts it"),
        ],
        fields: &[
            field("DBSubnetGroup", Type::Structure, "its subnets"),
            field("Endpoint", Type::Json, "where it answers"),
            field("InstanceCreateTime", Type::Text, "when it was made"),
            field("PendingModifiedValues", Type::Structure, "changes that wait for the next window"),
            field_of(
                "PubliclyAccessible",
                Type::Text,
                Source::Mapped(&Source::Path("PubliclyAccessible"), PYTHON),
                "`True`, `False`: does it answer from outside",
            ),
            field("StatusInfos", Type::Structure, "the state of its read replica"),
            field("VpcSecurityGroups", Type::Structure, "its security groups"),
            MESSAGE,
        ],
        notes: &[NAMES_BY_ARN],
        ..OBJECTS
    },
    list: List {
        request: Request {
            parameters: &[("Filters.Filter.1.Name", "engine"), ("Filters.Filter.1.Values.Value.1", "docdb")],
            ..request(&API, &LIST)
        },
        paging: tokens("Marker", "Marker", "MaxRecords", 100),
        items: "DBInstances",
        id: "DBInstanceIdentifier",
    },
    skip: Some(Skip { path: "Engine", values: &["docdb"], others: true, note: "" }),
    sample: r#"{
"item": {"PubliclyAccessible": false, "StatusInfos": [], "DBSubnetGroup": {}, "PendingModifiedValues": {},
"DBInstanceIdentifier": "docdb-xxxx", "AvailabilityZone": "cn-northwest-1a", "CACertificateIdentifier": "rds-ca-2019",
"DBClusterIdentifier": "docdb-xxxx", "DBInstanceArn": "arn:aws-cn:rds:cn-northwest-1:588xxxx:db:docdb-xxxx",
"DBInstanceClass": "db.t3.medium", "DBInstanceStatus": "available", "DbiResourceId": "db-xxxx", "Engine": "docdb",
"EngineVersion": "4.0.0", "KmsKeyId": "arn:aws-cn:kms:xxxx", "Endpoint": {"Address": "x", "Port": 27017},
"InstanceCreateTime": "2023-07-28T05:45:10.004000Z", "VpcSecurityGroups": [{"Status": "active",
"VpcSecurityGroupId": "sg-xxxx"}]},
"point": {"tags": {"name": "docdb-xxxx", "DBInstanceIdentifier": "docdb-xxxx", "AvailabilityZone": "cn-northwest-1a",
"CACertificateIdentifier": "rds-ca-2019", "DBClusterIdentifier": "docdb-xxxx",
"DBInstanceArn": "arn:aws-cn:rds:cn-northwest-1:588xxxx:db:docdb-xxxx", "DBInstanceClass": "db.t3.medium",
"DBInstanceStatus": "available", "DbiResourceId": "db-xxxx", "Engine": "docdb", "EngineVersion": "4.0.0",
"KmsKeyId": "arn:aws-cn:kms:xxxx"}, "fields": {"DBSubnetGroup": "{}",
"Endpoint": "{\"Address\": \"x\", \"Port\": 27017}", "InstanceCreateTime": "2023-07-28T05:45:10.004000Z",
"PendingModifiedValues": "{}", "PubliclyAccessible": "False", "StatusInfos": "{}",
"VpcSecurityGroups": "[{\"Status\": \"active\", \"VpcSecurityGroupId\": \"sg-xxxx\"}]", "message": "{…}"}}}"#,
    ..ObjectCollector::DECLARED
};
