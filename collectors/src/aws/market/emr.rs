//! `guance_aws_emr`: EMR clusters (ListClusters, 2009-03-31).

use super::*;

static API: Target = Target { version: "2009-03-31", prefix: "ElasticMapReduce", json: "1.1", model: "emr" };
static LIST: Action = listing("elasticmapreduce", "ListClusters", "elasticmapreduce:ListClusters");

/// The collector.
pub static EMR: ObjectCollector = ObjectCollector {
    description: Description {
        package: "guance_aws_emr",
        name: "aws_emr",
        measurement: "aws_emr",
        title: "Amazon EMR clusters",
        title_zh: "亚马逊 EMR 集群",
        actions: &[&LIST, &ASSUME_ROLE],
        tags: &[
            name("Id"),
            tag("Id", "the cluster's id"),
            tag_at("ClusterName", "Name", "the cluster's name"),
            tag("ClusterArn", "the cluster's ARN"),
            REGION,
            tag("OutpostArn", "its Outpost"),
        ],
        fields: &[field("Status", Type::Json, "its state and times"), MESSAGE],
        notes: &["Clusters that have ended are listed for about two months."],
        ..OBJECTS
    },
    list: List {
        request: request(&API, &LIST),
        paging: Paging::Tokens { token: "Marker", next: "Marker", size: None },
        items: "Clusters",
        id: "Id",
    },
    sample: r#"{
"item": {"Id": "j-xxxx", "Name": "test", "ClusterArn": "arn:aws-cn:elasticmapreduce:xxxx",
"OutpostArn": "arn:aws-cn:outposts:xxxx", "Status": {"State": "RUNNING"}},
"point": {"tags": {"name": "j-xxxx", "Id": "j-xxxx", "ClusterName": "test", "ClusterArn": "arn:aws-cn:elasticmapreduce:xxxx",
"RegionId": "cn-north-1", "OutpostArn": "arn:aws-cn:outposts:xxxx"}, "fields": {"Status": "{\"State\": \"RUNNING\"}",
"message": "{…}"}}}"#,
    ..ObjectCollector::DECLARED
};
