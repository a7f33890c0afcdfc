//! `guance_aws_redshift`: Redshift clusters (DescribeClusters, 2012-12-01).

use super::*;

static API: Query = Query { version: "2012-12-01", model: "redshift" };
static LIST: Action = listing("redshift", "DescribeClusters", "redshift:DescribeClusters");

/// The collector.
pub static REDSHIFT: ObjectCollector = ObjectCollector {
    description: Description {
        package: "guance_aws_redshift",
        name: "aws_redshift",
        measurement: "aws_redshift",
        title: "Amazon Redshift clusters",
        title_zh: "亚马逊 Redshift 集群",
        actions: &[&LIST, &ASSUME_ROLE],
        tags: &[
            name("ClusterIdentifier"),
            tag("ClusterAvailabilityStatus", "`Available`, `Modifying` and so on"),
            tag("ClusterIdentifier", "the cluster's id"),
            tag("ClusterStatus", "`available`, `creating` and so on"),
            tag("ClusterSubnetGroupName", "its subnet group"),
            tag("ClusterVersion", "the engine's version"),
            tag("DBName", "the first database's name"),
            tag("MasterUsername", "the first user's name"),
            tag("NodeType", "the class of its nodes"),
            tag("PreferredMaintenanceWindow", "when it is maintained"),
            REGION,
            tag("VpcId", "the VPC"),
        ],
        fields: &[
            field("AllowVersionUpgrade", Type::Boolean, "are major versions installed by themselves"),
            field("AutomatedSnapshotRetentionPeriod", Type::Integer, "days"),
            field("ClusterNodes", Type::Structure, "its nodes"),
            field("ClusterParameterGroups", Type::Structure, "its parameter groups"),
            field("ClusterSecurityGroups", Type::Structure, "its security groups outside of a VPC"),
            field("Encrypted", Type::Boolean, "is it encrypted"),
            field("Endpoint", Type::Structure, "where it answers"),
            field("ManualSnapshotRetentionPeriod", Type::Integer, "days; -1 for ever"),
            field("NumberOfNodes", Type::Integer, "nodes"),
            field("PendingModifiedValues", Type::Structure, "changes that wait for the next window"),
            field("PubliclyAccessible", Type::Boolean, "does it answer from outside"),
            field("VpcSecurityGroups", Type::Structure, "its security groups"),
            MESSAGE,
        ],
        notes: &[NAMES],
        ..OBJECTS
    },
    list: List {
        request: request(&API, &LIST),
        paging: tokens("Marker", "Marker", "MaxRecords", 100),
        items: "Clusters",
        id: "ClusterIdentifier",
    },
    sample: r#"{
"item": {"Endpoint": {}, "ClusterNodes": [], "ClusterSecurityGroups": [], "ClusterIdentifier": "hn-test",
"ClusterAvailabilityStatus": "Modifying", "ClusterStatus": "creating", "ClusterSubnetGroupName": "default",
"ClusterVersion": "1.0", "DBName": "dev", "MasterUsername": "awsuser", "NodeType": "dc2.large",
"PreferredMaintenanceWindow": "sat:19:30-sat:20:00", "VpcId": "vpc-b1ca3ff0fa4d", "AllowVersionUpgrade": true,
"AutomatedSnapshotRetentionPeriod": 1, "ClusterParameterGroups": [{"ParameterApplyStatus": "in-sync",
"ParameterGroupName": "default.redshift-1.0"}], "Encrypted": false, "ManualSnapshotRetentionPeriod": -1,
"NumberOfNodes": 1, "PendingModifiedValues": {"MasterUserPassword": "****"}, "PubliclyAccessible": false,
"VpcSecurityGroups": [{"Status": "active", "VpcSecurityGroupId": "sg-467a"}]},
"point": {"tags": {"ClusterAvailabilityStatus": "Modifying", "ClusterIdentifier": "hn-test", "ClusterStatus": "creating",
"ClusterSubnetGroupName": "default", "ClusterVersion": "1.0", "DBName": "dev", "MasterUsername": "awsuser",
"NodeType": "dc2.large", "PreferredMaintenanceWindow": "sat:19:30-sat:20:00", "RegionId": "cn-northwest-1",
"VpcId": "vpc-b1ca3ff0fa4d", "name": "hn-test"}, "fields": {"AllowVersionUpgrade": true,
"AutomatedSnapshotRetentionPeriod": 1, "ClusterNodes": "[]",
"ClusterParameterGroups": "[{\"ParameterApplyStatus\": \"in-sync\", \"ParameterGroupName\": \"default.redshift-1.0\"}]",
"ClusterSecurityGroups": "[]", "Encrypted": false, "Endpoint": "{}", "ManualSnapshotRetentionPeriod": -1,
"NumberOfNodes": 1, "PendingModifiedValues": "{\"MasterUserPassword\": \"****\"}", "PubliclyAccessible": false,
"VpcSecurityGroups": "[{\"Status\": \"active\", \"VpcSecurityGroupId\": \"sg-467a\"}]", "message": "{…}"}}}"#,
    ..ObjectCollector::DECLARED
};
