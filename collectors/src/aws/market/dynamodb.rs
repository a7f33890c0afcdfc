//! `guance_aws_dynamodb`: DynamoDB tables (ListTables, 2012-08-10).

use super::*;

static API: Target =
    Target { version: "2012-08-10", prefix: "DynamoDB_20120810", json: "1.0", model: "dynamodb" };
static LIST: Action = listing("dynamodb", "ListTables", "dynamodb:ListTables");
static DESCRIBE_OF: Action = asking("dynamodb", "DescribeTable", "dynamodb:DescribeTable");

static DETAIL: Detail = detail(
    "table",
    request(&API, &DESCRIBE_OF),
    ("TableName", "TableName"),
    "Table",
    &["ResourceNotFoundException"],
);

/// The collector.
pub static DYNAMODB: ObjectCollector = ObjectCollector {
    description: Description {
        package: "guance_aws_dynamodb",
        name: "aws_dynamodb",
        measurement: "aws_dynamodb",
        title: "Amazon DynamoDB tables",
        title_zh: "亚马逊 DynamoDB 表",
        actions: &[&LIST, &DESCRIBE_OF, &ASSUME_ROLE],
        tags: &[
            name("TableName"),
            REGION,
            tag_of("TableArn", Source::Detail("table", "0.TableArn"), "the table's ARN"),
            tag_of("TableId", Source::Detail("table", "0.TableId"), "the table's id"),
            tag("TableName", "the table's name"),
            tag_of("TableStatus", Source::Detail("table", "0.TableStatus"), "`ACTIVE` and so on"),
        ],
        fields: &[
            field_of(
                "AttributeDefinitions",
                Type::Json,
                Source::Detail("table", "0.AttributeDefinitions"),
                "the attributes of its keys",
            ),
            field_of(
                "BillingModeSummary",
                Type::Structure,
                Source::Detail("table", "0.BillingModeSummary"),
                "how reads and writes are paid for",
            ),
            field_of(
                "CreationDateTime",
                Type::Text,
                Source::Epoch(&Source::Detail("table", "0.CreationDateTime")),
                "when it was made, UTC",
            ),
            field_of(
                "ItemCount",
                Type::Text,
                Source::Detail("table", "0.ItemCount"),
                "items, as of the last six hours",
            ),
            field_of("KeySchema", Type::Json, Source::Detail("table", "0.KeySchema"), "its keys"),
            field_of(
                "LocalSecondaryIndexes",
                Type::Structure,
                Source::Detail("table", "0.LocalSecondaryIndexes"),
                "its local indexes",
            ),
            field_of(
                "TableSizeBytes",
                Type::Text,
                Source::Detail("table", "0.TableSizeBytes"),
                "bytes, as of the last six hours",
            ),
            field_of(
                "message",
                Type::Json,
                Source::First(&[Source::Detail("table", "0"), Source::Item]),
                "all that `DescribeTable` says of it; where that is denied, its name",
            ),
        ],
        notes: &[NAMES],
        ..OBJECTS
    },
    list: List {
        request: request(&API, &LIST),
        paging: tokens("ExclusiveStartTableName", "LastEvaluatedTableName", "Limit", 100),
        items: "TableNames",
        id: "TableName",
    },
    details: &[&DETAIL],
    sample: r#"{
"item": {"TableName": "eks-tflock"},
"details": {"table": [{"TableName": "eks-tflock", "TableArn": "arn:aws-cn:dynamodb:cn-north-1:", "TableId": "0ce8d4f9b35",
"TableStatus": "ACTIVE", "AttributeDefinitions": [{"AttributeName": "LockID", "AttributeType": "S"}],
"BillingModeSummary": {}, "CreationDateTime": 1679499582.352, "ItemCount": 1,
"KeySchema": [{"AttributeName": "LockID", "KeyType": "HASH"}], "LocalSecondaryIndexes": [], "TableSizeBytes": 96}]},
"point": {"tags": {"RegionId": "cn-north-1", "TableArn": "arn:aws-cn:dynamodb:cn-north-1:", "TableId": "0ce8d4f9b35",
"TableName": "eks-tflock", "TableStatus": "ACTIVE", "name": "eks-tflock"},
"fields": {"AttributeDefinitions": "[{\"AttributeName\": \"LockID\", \"AttributeType\": \"S\"}]",
"BillingModeSummary": "{}", "CreationDateTime": "2023-03-22T23:39:42.352000+08:00", "ItemCount": "1",
"KeySchema": "[{\"AttributeName\": \"LockID\", \"KeyType\": \"HASH\"}]", "LocalSecondaryIndexes": "{}",
"TableSizeBytes": "96", "message": "{…}"}}}"#,
    ..ObjectCollector::DECLARED
};
