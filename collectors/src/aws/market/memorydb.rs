//! `guance_aws_memorydb`: MemoryDB clusters (DescribeClusters, 2021-01-01).

use super::*;

static API: Target =
    Target { version: "2021-01-01", prefix: "AmazonMemoryDB", json: "1.1", model: "memorydb" };
static LIST: Action = listing("memory-db", "DescribeClusters", "memorydb:DescribeClusters");

/// The collector.
pub static MEMORYDB: ObjectCollector = ObjectCollector {
    description: Description {
        package: "guance_aws_memorydb",
        name: "aws_memorydb",
        measurement: "aws_memorydb",
        title: "Amazon MemoryDB clusters",
        title_zh: "亚马逊 MemoryDB 集群",
        actions: &[&LIST, &ASSUME_ROLE],
        tags: &[
            name("Name"),
            REGION,
            tag("Status", "its state"),
            tag_at("ClusterName", "Name", "the cluster's name"),
            tag("AvailabilityMode", "`singleaz`, `multiaz`"),
            tag("NodeType", "the class of its nodes"),
            tag("EngineVersion", "the engine's version"),
            tag("EnginePatchVersion", "the engine's patch version"),
            tag("ParameterGroupName", "its parameter group"),
            tag("ParameterGroupStatus", "`in-sync` and so on"),
            tag("ARN", "its ARN"),
            tag("SnsTopicStatus", "`active`"),
            tag("SnsTopicArn", "where it reports to"),
            tag("MaintenanceWindow", "when it is maintained"),
            tag("SnapshotWindow", "when its daily snapshot is made"),
            tag("ACLName", "its access control list"),
        ],
        fields: &[
            field("Description", Type::Text, "its description"),
            field("SecurityGroups", Type::Json, "its security groups"),
            field("NumberOfShards", Type::Integer, "shards"),
            field("TLSEnabled", Type::Boolean, "does it speak TLS"),
            field("SnapshotRetentionLimit", Type::Integer, "days"),
            field("AutoMinorVersionUpgrade", Type::Boolean, "are minor versions installed by themselves"),
            MESSAGE,
        ],
        notes: &[NAMES],
        ..OBJECTS
    },
    list: List {
        request: request(&API, &LIST),
        paging: tokens("NextToken", "NextToken", "MaxResults", 50),
        items: "Clusters",
        id: "Name",
    },
    sample: r#"{
"item": {"Name": "test", "Status": "available", "AvailabilityMode": "multiaz", "NodeType": "db.t4g.small",
"EngineVersion": "6.2", "EnginePatchVersion": "6.2.6", "ParameterGroupName": "default.memorydb-redis6",
"ParameterGroupStatus": "in-sync", "ARN": "arn:aws-cn:memorydb:cn-north-1:588xxxx:cluster/test",
"SnsTopicStatus": "active", "SnsTopicArn": "arn:aws-cn:sns:xxxx", "MaintenanceWindow": "sat:19:30-sat:20:00",
"SnapshotWindow": "00:00-01:00", "ACLName": "open-access", "Description": "test",
"SecurityGroups": [{"SecurityGroupId": "sg-xxxx", "Status": "active"}], "NumberOfShards": 1, "TLSEnabled": true,
"SnapshotRetentionLimit": 1, "AutoMinorVersionUpgrade": true},
"point": {"tags": {"name": "test", "RegionId": "cn-north-1", "Status": "available", "ClusterName": "test",
"AvailabilityMode": "multiaz", "NodeType": "db.t4g.small", "EngineVersion": "6.2", "EnginePatchVersion": "6.2.6",
"ParameterGroupName": "default.memorydb-redis6", "ParameterGroupStatus": "in-sync",
"ARN": "arn:aws-cn:memorydb:cn-north-1:588xxxx:cluster/test", "SnsTopicStatus": "active",
"SnsTopicArn": "arn:aws-cn:sns:xxxx", "MaintenanceWindow": "sat:19:30-sat:20:00", "SnapshotWindow": "00:00-01:00",
"ACLName": "open-access"}, "fields": {"Description": "test",
"SecurityGroups": "[{\"SecurityGroupId\": \"sg-xxxx\", \"Status\": \"active\"}]", "NumberOfShards": 1,
"TLSEnabled": true, "SnapshotRetentionLimit": 1, "AutoMinorVersionUpgrade": true, "message": "{…}"}}}"#,
    ..ObjectCollector::DECLARED
};
