//! `guance_aws_ecs`: ECS clusters (ListClusters, 2014-11-13).

use super::*;

static API: Target =
    Target { version: "2014-11-13", prefix: "AmazonEC2ContainerServiceV20141113", json: "1.1", model: "ecs" };
static LIST: Action = listing("ecs", "ListClusters", "ecs:ListClusters");
static DESCRIBE_OF: Action = Action {
    when: "once for every 100 clusters",
    ..asking("ecs", "DescribeClusters", "ecs:DescribeClusters")
};

static DETAIL: Detail = batch(
    "cluster",
    Request {
        // What is not named here is not said: no statistics, no configuration, no tags.
        structures: &[("include", r#"["ATTACHMENTS","CONFIGURATIONS","SETTINGS","STATISTICS","TAGS"]"#)],
        ..request(&API, &DESCRIBE_OF)
    },
    "clusters",
    100,
    "clusters",
    "clusterArn",
);

/// The collector.
pub static ECS: ObjectCollector = ObjectCollector {
    description: Description {
        package: "guance_aws_ecs",
        name: "aws_ecs",
        measurement: "aws_ecs",
        title: "Amazon ECS clusters",
        title_zh: "亚马逊 ECS 集群",
        actions: &[&LIST, &DESCRIBE_OF, &ASSUME_ROLE],
        tags: &[
            tag_of(
                "name",
                Source::First(&[Source::Detail("cluster", "clusterName"), Source::Path("clusterArn")]),
                "the object's unique name",
            ),
            REGION,
            tag("clusterArn", "the cluster's ARN"),
            tag_of("clusterName", Source::Detail("cluster", "clusterName"), "the cluster's name"),
            tag_of("status", Source::Detail("cluster", "status"), "its state"),
        ],
        fields: &[
            field_of(
                "activeServicesCount",
                Type::Integer,
                Source::Detail("cluster", "activeServicesCount"),
                "services",
            ),
            field_of(
                "pendingTasksCount",
                Type::Integer,
                Source::Detail("cluster", "pendingTasksCount"),
                "tasks that wait",
            ),
            field_of(
                "registeredContainerInstancesCount",
                Type::Integer,
                Source::Detail("cluster", "registeredContainerInstancesCount"),
                "container instances",
            ),
            field_of(
                "runningTasksCount",
                Type::Integer,
                Source::Detail("cluster", "runningTasksCount"),
                "tasks that run",
            ),
            field_of(
                "configuration",
                Type::Structure,
                Source::Detail("cluster", "configuration"),
                "how commands are run in it",
            ),
            field_of(
                "statistics",
                Type::Structure,
                Source::Detail("cluster", "statistics"),
                "counts by launch type",
            ),
            field_of(
                "message",
                Type::Json,
                Source::First(&[Source::Detail("cluster", ""), Source::Item]),
                "all that `DescribeClusters` says of it; where that is denied, its ARN",
            ),
        ],
        notes: &[NAMES],
        ..OBJECTS
    },
    list: List {
        request: request(&API, &LIST),
        paging: tokens("nextToken", "nextToken", "maxResults", 100),
        items: "clusterArns",
        id: "clusterArn",
    },
    details: &[&DETAIL],
    sample: r#"{
"item": {"clusterArn": "arn:aws-cn:ecs:cn-north-1:588xxxx:cluster/test"},
"details": {"cluster": {"clusterArn": "arn:aws-cn:ecs:cn-north-1:588xxxx:cluster/test", "clusterName": "test",
"status": "ACTIVE", "activeServicesCount": 1, "pendingTasksCount": 0, "registeredContainerInstancesCount": 0,
"runningTasksCount": 1, "configuration": {}, "statistics": []}},
"point": {"tags": {"name": "test", "RegionId": "cn-north-1", "clusterArn": "arn:aws-cn:ecs:cn-north-1:588xxxx:cluster/test",
"clusterName": "test", "status": "ACTIVE"}, "fields": {"activeServicesCount": 1, "pendingTasksCount": 0,
"registeredContainerInstancesCount": 0, "runningTasksCount": 1, "configuration": "{}", "statistics": "[]",
"message": "{…}"}}}"#,
    ..ObjectCollector::DECLARED
};
