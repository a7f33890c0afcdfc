//! Answers without an end: too large for one, or page after page with ever-new tokens. Each client cuts them with an error that says so.

use crate::targets::{Collected, collect, good};
use funchost_collectors::call::Options;
use serde_json::json;

/// Pages after which every list is given up.
const PAGES: u64 = 2_000;

fn endless(
    name: &str,
    foreign: &'static str,
    page: impl Fn(usize) -> String + Send + Sync + 'static,
) -> Collected {
    let collector = name.to_owned();
    let answering = move |action: &str, number: usize| {
        (200, if action == foreign { page(number) } else { good(&collector, action) }.into_bytes())
    };
    collect(name, false, Options::default(), answering, None)
}

/// Is cut after so many calls, with words that say so.
fn assert_cut(name: &str, collected: &Collected, call: &str, most: u64) {
    let said: Vec<String> = collected.failures.iter().map(ToString::to_string).collect();
    let warned = collected.warnings.join("\n");
    let all = format!("{}\n{warned}", said.join("\n"));
    assert!(all.contains("does not end"), "{name}: {all}");
    let calls = collected.calls.get(call).copied().unwrap_or(0);
    assert!(calls > 1 && calls <= most + 1, "{name}: {calls} calls of {call}");
}

#[test]
fn lists_of_aws_that_never_end_are_cut() {
    let collected = endless("aws_ec2", "DescribeInstances", |number| {
        format!(
            "<DescribeInstancesResponse><reservationSet><item><instancesSet><item><instanceId>i-{number}</instanceId></item></instancesSet></item></reservationSet><nextToken>t{number}</nextToken></DescribeInstancesResponse>"
        )
    });
    assert_cut("aws_ec2", &collected, "ec2:DescribeInstances", PAGES);
    let collected = endless("aws_cloudwatch", "ListMetrics", |number| {
        json!({ "Metrics": [{ "MetricName": format!("m{number}"), "Dimensions": [] }], "NextToken": format!("t{number}") }).to_string()
    });
    assert_cut("aws_cloudwatch", &collected, "monitoring:ListMetrics", PAGES);
    let collected = endless("aws_cloudwatch", "GetMetricData", |number| {
        json!({ "MetricDataResults": [], "NextToken": format!("t{number}") }).to_string()
    });
    assert_cut("aws_cloudwatch data", &collected, "monitoring:GetMetricData", 100);
    // Large pages are cut long before their number is: what they hold is kept in memory.
    let collected = endless("aws_cloudwatch", "GetMetricData", |number| {
        let times: Vec<usize> = (0..40_000).map(|at| (number * 40_000 + at) * 60).collect();
        let values = vec![1.5; times.len()];
        json!({ "MetricDataResults": [{ "Id": "m0s0", "StatusCode": "PartialData", "Timestamps": times, "Values": values }], "NextToken": format!("t{number}") }).to_string()
    });
    assert_cut("aws_cloudwatch large data", &collected, "monitoring:GetMetricData", 4);
}

#[test]
fn lists_of_aliyun_that_never_end_are_cut() {
    let collected = endless("aliyun_ecs", "DescribeInstances", |number| {
        json!({ "Instances": { "Instance": [{ "InstanceId": format!("i-{number}") }] }, "NextToken": format!("t{number}") }).to_string()
    });
    assert_cut("aliyun_ecs", &collected, "ecs:DescribeInstances", PAGES);
    // A detail's list, too.
    let collected = endless("aliyun_ecs", "DescribeDisks", |number| {
        json!({ "Disks": { "Disk": [{ "DiskId": format!("d-{number}"), "InstanceId": "i-1" }] }, "NextToken": format!("t{number}") }).to_string()
    });
    assert_cut("aliyun_ecs disks", &collected, "ecs:DescribeDisks", PAGES);
    let collected = endless("aliyun_oss", "ListBuckets", |number| {
        format!(
            "<ListAllMyBucketsResult><Buckets><Bucket><Name>b{number}</Name><Region>elsewhere</Region></Bucket></Buckets><NextMarker>b{number}</NextMarker></ListAllMyBucketsResult>"
        )
    });
    assert_cut("aliyun_oss", &collected, "oss:ListBuckets", PAGES);
    let collected = endless("aliyun_monitor", "DescribeMetricMetaList", |number| {
        json!({ "Resources": { "Resource": [{ "MetricName": format!("m{number}") }] }, "TotalCount": 1_000_000_000 }).to_string()
    });
    assert_cut("aliyun_monitor", &collected, "cms:DescribeMetricMetaList", 100);
    let collected = endless("aliyun_monitor", "DescribeMetricList", |number| {
        json!({ "Datapoints": "[]", "NextToken": format!("t{number}") }).to_string()
    });
    assert_cut("aliyun_monitor data", &collected, "cms:DescribeMetricList", 1_000);
}

#[test]
fn lists_by_numbers_that_never_end_are_cut() {
    // Full pages of ever-new items.
    let collected = endless("aliyun_ecs", "DescribeInstancesFullStatus", |number| {
        let all: Vec<_> = (0..100).map(|one| json!({ "InstanceId": format!("{number}-{one}") })).collect();
        json!({ "InstanceFullStatusSet": { "InstanceFullStatusType": all }, "TotalCount": 1_000_000_000 })
            .to_string()
    });
    assert_cut("aliyun_ecs", &collected, "ecs:DescribeInstancesFullStatus", PAGES);
    let collected = endless("tencentcloud_cvm", "DescribeInstances", |number| {
        let all: Vec<_> = (0..100).map(|one| json!({ "InstanceId": format!("{number}-{one}") })).collect();
        json!({ "Response": { "InstanceSet": all, "TotalCount": 1_000_000_000 } }).to_string()
    });
    assert_cut("tencentcloud_cvm", &collected, "cvm:DescribeInstances", PAGES);
}

#[test]
fn an_answer_that_is_too_large_is_cut_for_every_call() {
    // As the default does with its 64 MiB; less, so that the test costs little.
    const LIMIT: usize = 1 << 20;
    for (name, action) in crate::targets::CALLS {
        let options = Options { answer_limit: LIMIT, ..Options::default() };
        let collector = (*name).to_owned();
        let answering = move |asked: &str, _| {
            (200, if asked == *action { vec![b' '; LIMIT + 1] } else { good(&collector, asked).into_bytes() })
        };
        let collected = collect(name, *action == "AssumeRole", options, answering, None);
        let said: Vec<String> = collected.failures.iter().map(ToString::to_string).collect();
        let all = format!("{}\n{}", said.join("\n"), collected.warnings.join("\n"));
        assert!(
            all.contains("answer too large") && all.contains("sent more than 1 MiB"),
            "{name} {action}: {all}"
        );
    }
    assert!(Options::default().answer_limit < 100 << 20, "an answer of 100 MiB is cut");
}
