//! How large a page may be, by the vendors' documents: the reference of each call, or the model of its SDK.
//!
//! Owns the table. It is written from the documents alone, so that a page that is too large is refused here as it is there.

use std::fmt;

/// What a parameter of a page's size takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// From the first to the second.
    Range(usize, usize),
    /// One of these.
    One(&'static [usize]),
    /// No document says; this was seen to be taken.
    Unsaid(usize),
}

impl Bound {
    /// Is a page of this size allowed?
    #[must_use]
    pub fn takes(self, size: usize) -> bool {
        match self {
            Self::Range(least, most) => (least..=most).contains(&size),
            Self::One(sizes) => sizes.contains(&size),
            Self::Unsaid(most) => (1..=most).contains(&size),
        }
    }

    /// The largest page.
    #[must_use]
    pub fn most(self) -> usize {
        match self {
            Self::Range(_, most) | Self::Unsaid(most) => most,
            Self::One(sizes) => sizes.iter().copied().max().unwrap_or_default(),
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, form: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Range(least, most) => write!(form, "{least} to {most} are allowed"),
            Self::One(sizes) => write!(form, "one of {sizes:?} is allowed"),
            Self::Unsaid(most) => write!(form, "at most {most} are taken"),
        }
    }
}

/// The bound of a call's size parameter.
#[must_use]
pub(crate) fn of(service: &str, action: &str, parameter: &str) -> Option<Bound> {
    BOUNDS
        .iter()
        .find(|(of, call, name, _)| (*of, *call, *name) == (service, action, parameter))
        .map(|(_, _, _, bound)| *bound)
}

use Bound::{One, Range, Unsaid};

/// Service, call, parameter, what it takes.
pub static BOUNDS: &[(&str, &str, &str, Bound)] = &[
    // Alibaba Cloud.
    ("alb", "ListLoadBalancers", "MaxResults", Range(1, 100)),
    ("alidns", "DescribeDomains", "PageSize", Range(1, 100)),
    ("bssopenapi", "QueryResourcePackageInstances", "PageSize", Range(1, 300)),
    // Its default; no more is said.
    ("cas", "ListUserCertificateOrder", "ShowSize", Unsaid(50)),
    ("cdn", "DescribeUserDomains", "PageSize", Range(1, 500)),
    ("dcdn", "DescribeDcdnUserDomains", "PageSize", Range(1, 500)),
    ("ddoscoo", "DescribeInstances", "PageSize", Range(1, 50)),
    ("dds", "DescribeDBInstances", "PageSize", One(&[30, 50, 100])),
    ("domain", "QueryDomainList", "PageSize", Unsaid(50)),
    ("drds", "DescribeDrdsInstances", "PageSize", Unsaid(50)),
    ("dts", "DescribeDtsJobs", "PageSize", One(&[10, 20, 30])),
    ("elasticsearch", "ListInstance", "size", Range(1, 100)),
    ("gpdb", "DescribeDBInstances", "PageSize", One(&[30, 50, 100])),
    // The vendor's own Terraform provider asks for as many.
    ("hitsdb", "GetLindormInstanceList", "PageSize", Unsaid(50)),
    ("nas", "DescribeFileSystems", "PageSize", Range(1, 100)),
    ("nas", "DescribeRegions", "PageSize", Range(1, 100)),
    ("polardb", "DescribeDBClusters", "PageSize", One(&[30, 50, 100])),
    ("polardb", "DescribeDatabases", "PageSize", One(&[30, 50, 100])),
    ("polardbx", "DescribeDBInstances", "PageSize", Unsaid(50)),
    ("pvtz", "DescribeZones", "PageSize", Range(1, 100)),
    ("r-kvstore", "DescribeInstances", "PageSize", Range(1, 50)),
    ("rocketmq", "ListInstances", "pageSize", Range(10, 200)),
    ("vpc", "DescribeEipAddresses", "PageSize", Range(1, 100)),
    ("vpc", "DescribeNatGateways", "PageSize", Range(1, 50)),
    ("vpc", "DescribeVpcs", "PageSize", Range(1, 50)),
    ("vpc", "DescribeVpnGateways", "PageSize", Range(1, 50)),
    // Tencent Cloud.
    ("cdb", "DescribeDBInstances", "Limit", Range(1, 2000)),
    ("ckafka", "DescribeInstancesDetail", "Limit", Range(1, 20)),
    ("clb", "DescribeLoadBalancers", "Limit", Range(1, 100)),
    ("cos", "GetService", "max-keys", Range(1, 2000)),
    ("mariadb", "DescribeDBInstances", "Limit", Range(1, 100)),
    // Its default; no more is said.
    ("memcached", "DescribeInstances", "Limit", Unsaid(100)),
    ("mongodb", "DescribeDBInstances", "Limit", Range(2, 100)),
    ("redis", "DescribeInstances", "Limit", Range(1, 1000)),
    ("sqlserver", "DescribeDBInstances", "Limit", Range(1, 100)),
    // AWS.
    // No more is said of it.
    ("apigateway", "GetApis", "maxResults", Unsaid(100)),
    ("dms", "DescribeReplicationInstances", "MaxRecords", Range(20, 100)),
    ("dynamodb", "ListTables", "Limit", Range(1, 100)),
    ("ecs", "ListClusters", "maxResults", Range(1, 100)),
    ("elasticache", "DescribeCacheClusters", "MaxRecords", Range(20, 100)),
    // Its default; no more is said.
    ("elasticache", "DescribeServerlessCaches", "MaxResults", Unsaid(50)),
    ("elasticloadbalancing", "DescribeListeners", "PageSize", Range(1, 400)),
    ("elasticloadbalancing", "DescribeLoadBalancers", "PageSize", Range(1, 400)),
    ("events", "ListRules", "Limit", Range(1, 100)),
    ("kinesis", "ListStreams", "Limit", Range(1, 10_000)),
    ("memorydb", "DescribeClusters", "MaxResults", Unsaid(50)),
    ("rds", "DescribeDBInstances", "MaxRecords", Range(20, 100)),
    ("redshift", "DescribeClusters", "MaxRecords", Range(20, 100)),
    ("s3", "ListBuckets", "max-buckets", Range(1, 10_000)),
];

/// Calls whose offset must be a multiple of their limit.
pub(crate) static WHOLE_PAGES: &[(&str, &str)] =
    &[("redis", "DescribeInstances"), ("memcached", "DescribeInstances")];
