//! What the benches measure: answers of each cloud as they come, and their reading without a call; and a table that a test compares. For nobody else.

use crate::aliyun;
use crate::aws::{cloudwatch, ec2};
use crate::collector::MetricPoint;
use crate::tencentcloud;
use std::fmt::Write as _;

/// An answer, how many things it holds, and what reads it and says how many it found.
pub type Reading = (Vec<u8>, usize, Box<dyn Fn(&[u8]) -> usize>);

/// An answer, how many points it holds, and what reads it.
pub type Points = (Vec<u8>, usize, Box<dyn Fn(&[u8]) -> Vec<MetricPoint>>);

/// The time of the first datapoint: any full minute.
pub(crate) const START: i64 = 1_800_000_000;

/// The id of an instance of these answers.
#[must_use]
pub fn instance_id(index: usize) -> String {
    format!("i-0d7620{index:011}")
}

/// `GetMetricData`.
#[must_use]
pub fn aws_points(instances: usize, metrics: usize, minutes: usize) -> Points {
    let (answer, count, read) = cloudwatch::measured::data(instances, metrics, minutes);
    (answer, count, Box::new(read))
}

/// The same, counted.
#[must_use]
pub fn aws_data(instances: usize, metrics: usize, minutes: usize) -> Reading {
    let (answer, count, read) = cloudwatch::measured::data(instances, metrics, minutes);
    (answer, count, Box::new(move |answer| read(answer).len()))
}

/// `ListMetrics`.
#[must_use]
pub fn aws_list(metrics: usize) -> Reading {
    let (page, count, read) = cloudwatch::measured::list(metrics);
    (page, count, Box::new(read))
}

/// `DescribeMetricList` of CloudMonitor.
#[must_use]
pub fn aliyun_data(instances: usize, minutes: i64) -> Reading {
    let (answer, count, read) = aliyun::monitor::measured::data(instances, minutes);
    (answer, count, Box::new(read))
}

/// `GetMonitorData`.
#[must_use]
pub fn tencent_data(instances: usize, minutes: i64) -> Reading {
    let (answer, count, read) = tencentcloud::monitor::measured::data(instances, minutes);
    (answer, count, Box::new(read))
}

/// The table by which EC2's answers are read, for those who compare it with the service model: by structure and wire name, the SDKs' name and type.
#[must_use]
pub fn ec2_shapes() -> serde_json::Value {
    ec2::shapes()
}

/// `DescribeInstances`.
#[must_use]
pub fn aws_instances(instances: usize) -> Reading {
    let mut answer = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<DescribeInstancesResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"><requestId>x</requestId><reservationSet>",
    );
    for index in 0..instances {
        // Writing into a String does not fail.
        let _ = write!(
            answer,
            "<item><reservationId>r-{index}</reservationId><ownerId>123456789012</ownerId><groupSet/><instancesSet><item><instanceId>{id}</instanceId><imageId>ami-1</imageId><instanceState><code>16</code><name>running</name></instanceState><privateDnsName>ip-10-0-0-1.internal</privateDnsName><instanceType>c6g.xlarge</instanceType><launchTime>2021-10-26T07:00:44.000Z</launchTime><placement><availabilityZone>cn-northwest-1a</availabilityZone><groupName/><tenancy>default</tenancy></placement><monitoring><state>enabled</state></monitoring><subnetId>subnet-1</subnetId><vpcId>vpc-1</vpcId><privateIpAddress>10.0.0.1</privateIpAddress><groupSet><item><groupId>sg-1</groupId><groupName>default</groupName></item></groupSet><blockDeviceMapping><item><deviceName>/dev/xvda</deviceName><ebs><volumeId>vol-1</volumeId><status>attached</status><attachTime>2021-10-26T07:00:44.000Z</attachTime><deleteOnTermination>true</deleteOnTermination></ebs></item></blockDeviceMapping><tagSet><item><key>Name</key><value>服务器 {index} &amp; more</value></item></tagSet><cpuOptions><coreCount>2</coreCount><threadsPerCore>2</threadsPerCore></cpuOptions><platformDetails>Linux/UNIX</platformDetails></item></instancesSet></item>",
            id = instance_id(index)
        );
    }
    answer.push_str("</reservationSet></DescribeInstancesResponse>");
    let read = |answer: &[u8]| {
        ec2::read(answer)
            .ok()
            .and_then(|json| Some(json.get("Instances")?.as_array()?.len()))
            .unwrap_or_default()
    };
    (answer.into_bytes(), instances, Box::new(read))
}
