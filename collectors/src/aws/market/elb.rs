//! `guance_aws_elb`: load balancers of all kinds: DescribeLoadBalancers of two APIs, 2015-12-01 and, for classic ones, 2012-06-01.

use super::*;

static API: Query = Query { version: "2015-12-01", model: "elbv2" };
static CLASSIC_API: Query = Query { version: "2012-06-01", model: "elb" };
static LIST: Action =
    listing("elasticloadbalancing", "DescribeLoadBalancers", "elasticloadbalancing:DescribeLoadBalancers");
static LISTENERS_OF: Action =
    asking("elasticloadbalancing", "DescribeListeners", "elasticloadbalancing:DescribeListeners");

static LISTENERS: Detail = paged(
    optional(detail(
        "listeners",
        request(&API, &LISTENERS_OF),
        ("LoadBalancerArn", "LoadBalancerArn"),
        "Listeners",
        &["LoadBalancerNotFound"],
    )),
    tokens("Marker", "NextMarker", "PageSize", 400),
);

/// Application, network and gateway load balancers, and beside them the classic ones.
pub static ELB: ObjectCollector = ObjectCollector {
    description: Description {
        package: "guance_aws_elb",
        name: "aws_elb",
        measurement: "aws_elb",
        title: "Elastic Load Balancing",
        title_zh: "亚马逊负载均衡 ELB",
        actions: &[&LIST, &LISTENERS_OF, &ASSUME_ROLE],
        configuration: &[
            REGIONS,
            details_key(
                "which details to ask for, one call for each balancer: `listeners`; left out: all; an empty list: none",
            ),
        ],
        tags: &[
            tag_of(
                "name",
                Source::Behind(&Source::Path("LoadBalancerArn"), "loadbalancer/"),
                "the ARN's tail",
            ),
            REGION,
            tag("LoadBalancerArn", "its ARN; classic ones have none"),
            tag_at("State", "State.Code", "`active`, `provisioning` and so on; classic ones have none"),
            tag("Type", "`application`, `network`, `gateway`, `classic`"),
            tag("VpcId", "the VPC"),
            tag("Scheme", "`internet-facing`, `internal`"),
            tag("DNSName", "the host that it answers at"),
            tag("LoadBalancerName", "its name; of classic ones `name` is the same"),
            tag("CanonicalHostedZoneId", "the hosted zone of its name"),
        ],
        fields: &[
            field("CreatedTime", Type::Text, "when it was made"),
            field_of("ListenerDescriptions", Type::Json, Source::Detail("listeners", ""), "its listeners"),
            field("AvailabilityZones", Type::Json, "its zones and subnets"),
            MESSAGE,
        ],
        notes: &[
            NAMES,
            "The measurement goes by the kind: `aws_aelb` (application), `aws_nelb` (network), `aws_gelb` (gateway), `aws_elb` (classic).",
        ],
        ..OBJECTS
    },
    list: List {
        request: request(&API, &LIST),
        paging: tokens("Marker", "NextMarker", "PageSize", 400),
        items: "LoadBalancers",
        id: "LoadBalancerArn",
    },
    details: &[&LISTENERS],
    // Of listeners that let users log in elsewhere.
    hide: &["ClientSecret"],
    class: Some(("Type", &[("application", "aws_aelb"), ("network", "aws_nelb"), ("gateway", "aws_gelb")])),
    skip: Some(Skip {
        path: "Type",
        values: &["application", "network", "gateway"],
        others: true,
        note: "load balancers are of a kind that is not known and has no class: left out",
    }),
    also: &[&CLASSIC],
    sample: r#"{
"item": {"LoadBalancerArn": "arn:aws-cn:elasticloadbalancing:cn-northwest-1:588271xxxxx:loadbalancer/app/openway/8e8d762xxxxxx",
"State": {"Code": "active"}, "Type": "application", "VpcId": "vpc-2exxxxx", "Scheme": "internet-facing",
"DNSName": "openway-203509xxxx.cn-northwest-1.elb.amazonaws.com.cn", "LoadBalancerName": "openway",
"CanonicalHostedZoneId": "ZM7IZAIxxxxxx", "CreatedTime": "2022-03-09T06:13:31Z", "AvailabilityZones": [{"ZoneName": "cn-northwest-1a"}]},
"details": {"listeners": [{"ListenerArn": "arn:xxxx", "Port": 443,
"DefaultActions": [{"AuthenticateOidcConfig": {"ClientId": "x", "ClientSecret": "hunter2"}}]}]},
"point": {"measurement": "aws_aelb", "tags": {"name": "app/openway/8e8d762xxxxxx", "RegionId": "cn-northwest-1",
"LoadBalancerArn": "arn:aws-cn:elasticloadbalancing:cn-northwest-1:588271xxxxx:loadbalancer/app/openway/8e8d762xxxxxx",
"State": "active", "Type": "application", "VpcId": "vpc-2exxxxx", "Scheme": "internet-facing",
"DNSName": "openway-203509xxxx.cn-northwest-1.elb.amazonaws.com.cn", "LoadBalancerName": "openway",
"CanonicalHostedZoneId": "ZM7IZAIxxxxxx"},
"fields": {"CreatedTime": "2022-03-09T06:13:31Z", "ListenerDescriptions": "{JSON数据}",
"AvailabilityZones": "{可用区json数据}", "message": "{…}"}}}"#,
    ..ObjectCollector::DECLARED
};

/// Classic load balancers.
static CLASSIC: ObjectCollector = ObjectCollector {
    description: Description {
        package: "guance_aws_elb",
        name: "aws_elb",
        measurement: "aws_elb",
        title: "classic load balancers",
        actions: &[&LIST],
        tags: &[
            name("LoadBalancerName"),
            REGION,
            tag_of("Type", Source::Always("classic"), "`classic`"),
            tag_at("VpcId", "VPCId", "the VPC"),
            tag("Scheme", "`internet-facing`, `internal`"),
            tag("DNSName", "the host that it answers at"),
            tag("LoadBalancerName", "its name"),
            tag_at("CanonicalHostedZoneId", "CanonicalHostedZoneNameID", "the hosted zone of its name"),
        ],
        fields: &[
            field("CreatedTime", Type::Text, "when it was made"),
            field("ListenerDescriptions", Type::Json, "its listeners"),
            field("AvailabilityZones", Type::Json, "its zones"),
            MESSAGE,
        ],
        ..OBJECTS
    },
    list: List {
        request: request(&CLASSIC_API, &LIST),
        paging: tokens("Marker", "NextMarker", "PageSize", 400),
        items: "LoadBalancerDescriptions",
        id: "LoadBalancerName",
    },
    sample: r#"{
"item": {"LoadBalancerName": "old", "VPCId": "vpc-2exxxxx", "Scheme": "internal", "DNSName": "old.elb.amazonaws.com.cn",
"CanonicalHostedZoneNameID": "ZM7IZAIxxxxxx", "CreatedTime": "2016-03-09T06:13:31Z",
"ListenerDescriptions": [{"Listener": {"Protocol": "TCP"}}], "AvailabilityZones": ["cn-northwest-1a"]},
"point": {"tags": {"name": "old", "RegionId": "cn-northwest-1", "Type": "classic", "VpcId": "vpc-2exxxxx", "Scheme": "internal",
"DNSName": "old.elb.amazonaws.com.cn", "LoadBalancerName": "old", "CanonicalHostedZoneId": "ZM7IZAIxxxxxx"},
"fields": {"CreatedTime": "2016-03-09T06:13:31Z", "ListenerDescriptions": "{JSON数据}",
"AvailabilityZones": "{可用区json数据}", "message": "{…}"}}}"#,
    ..ObjectCollector::DECLARED
};
