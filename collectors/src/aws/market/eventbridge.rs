//! `guance_aws_eventbridge`: rules of EventBridge (ListRules, 2015-10-07).

use super::*;

static API: Target = Target { version: "2015-10-07", prefix: "AWSEvents", json: "1.1", model: "events" };
static LIST: Action = listing("events", "ListRules", "events:ListRules");

/// The collector.
pub static EVENTBRIDGE: ObjectCollector = ObjectCollector {
    description: Description {
        package: "guance_aws_eventbridge",
        name: "aws_eventbridge",
        measurement: "aws_eventbridge",
        title: "Amazon EventBridge rules",
        title_zh: "亚马逊 EventBridge 规则",
        actions: &[&LIST, &ASSUME_ROLE],
        tags: &[
            name("Arn"),
            tag("Arn", "its ARN"),
            tag("EventBusName", "its event bus"),
            REGION,
            tag_at("RuleName", "Name", "its name"),
        ],
        fields: &[MESSAGE],
        notes: &[
            "Rules of the default event bus: the API lists one bus at a time. Metrics of rules of another bus, which say its `EventBusName`, take no tags.",
        ],
        ..OBJECTS
    },
    list: List {
        request: request(&API, &LIST),
        paging: tokens("NextToken", "NextToken", "Limit", 100),
        items: "Rules",
        id: "Arn",
    },
    sample: r#"{
"item": {"Name": "hn-test-lambda", "Arn": "arn:aws-cn:events:cn-north-1:294654068288:rule/hn-test-lambda",
"EventBusName": "default", "State": "ENABLED"},
"point": {"tags": {"Arn": "arn:aws-cn:events:cn-north-1:294654068288:rule/hn-test-lambda", "EventBusName": "default",
"name": "arn:aws-cn:events:cn-north-1:294654068288:rule/hn-test-lambda", "RegionId": "cn-north-1",
"RuleName": "hn-test-lambda"}, "fields": {}}}"#,
    ..ObjectCollector::DECLARED
};
