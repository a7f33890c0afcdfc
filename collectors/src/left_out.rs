//! Packages of the script market that are not collected, and why: what is said instead of "there is no such package".
//!
//! Owns rows of data, beside the registry and never in it: a package that is collected has no row here, which a test holds to.

use crate::collector::aliases;

/// One package.
#[derive(Debug, Clone, Copy)]
pub struct LeftOut {
    /// As the market calls it: `guance_aws_lambda`.
    pub package: &'static str,
    /// Why.
    pub why: Why,
    /// The collector that has its metrics all the same, and their namespace; an empty one is not known for sure.
    pub metrics: Option<(&'static str, &'static str)>,
}

/// Why a package is not collected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// Its manual prints another product's point as its own.
    ForeignSample,
    /// What its manual prints could not be had.
    NoSample,
    /// It reports no objects at all.
    MetricsOnly,
    /// It reports logs.
    Logs,
    /// It is about tracing.
    Traces,
    /// It reports what probes of sites measured.
    Probes,
    /// Nothing of this cloud is collected.
    OtherCloud,
    /// It is collected by the package of this name, without its `guance_`.
    Renamed(&'static str),
}

impl Why {
    /// For a person: a sentence without its subject.
    #[must_use]
    pub fn english(self) -> &'static str {
        match self {
            Self::Renamed(_) => "its objects are collected by a package of another name",
            Self::ForeignSample => {
                "its manual prints another product's tags and fields, so that nobody knows what it reports"
            }
            Self::NoSample => "what tags and fields it reports is published nowhere that could be read",
            Self::MetricsOnly => "it has metrics alone and no objects",
            Self::Logs => "it reports logs, neither metrics nor objects",
            Self::Traces => {
                "its manual is about traces, which DataKit takes from the applications themselves"
            }
            Self::Probes => {
                "it reports what probes of sites measured, from a log of CloudMonitor that is not read yet"
            }
            Self::OtherCloud => "Huawei Cloud is not collected yet, neither its objects nor its metrics",
        }
    }

    /// The same in Chinese.
    #[must_use]
    pub fn chinese(self) -> &'static str {
        match self {
            Self::Renamed(_) => "其资源对象由另一个名称的脚本包采集",
            Self::ForeignSample => "其文档示例误用了其他产品的数据，无法确定上报哪些标签和字段",
            Self::NoSample => "其上报的标签和字段没有可查的公开资料",
            Self::MetricsOnly => "只有指标，没有资源对象",
            Self::Logs => "上报的是日志，既非指标也非资源对象",
            Self::Traces => "其文档介绍的是链路追踪，由 DataKit 直接从应用采集",
            Self::Probes => "上报的是站点拨测结果，来自云监控的另一种日志，暂不采集",
            Self::OtherCloud => "暂不采集华为云的资源对象和指标",
        }
    }
}

impl LeftOut {
    /// `guance_aws_lambda is not collected: …; its metrics are: …`.
    #[must_use]
    pub fn message(&self) -> String {
        let metrics = match self.metrics {
            None => String::new(),
            Some((collector, "")) => format!("; its metrics are: use {collector}"),
            Some((collector, namespace)) => {
                format!("; its metrics are: use {collector} with the namespace {namespace}")
            }
        };
        let renamed = match self.why {
            Why::Renamed(name) => format!(": use {name}"),
            _ => String::new(),
        };
        format!("{} is not collected: {}{renamed}{metrics}", self.package, self.why.english())
    }
}

/// The row of a package, in whatever spelling, with `__main` or without; by the collector's name, too.
#[must_use]
pub fn left_out(written: &str) -> Option<&'static LeftOut> {
    let wanted = written.strip_suffix("__main").unwrap_or(written);
    LEFT_OUT.iter().find(|row| {
        row.package == wanted
            || row.package.strip_prefix("guance_") == Some(wanted)
            || aliases(row.package).iter().any(|alias| alias == wanted)
    })
}

const fn row(package: &'static str, why: Why, metrics: Option<(&'static str, &'static str)>) -> LeftOut {
    LeftOut { package, why, metrics }
}

const fn huawei(package: &'static str) -> LeftOut {
    row(package, Why::OtherCloud, None)
}

use Why::{ForeignSample, Logs, MetricsOnly, NoSample, Probes, Renamed, Traces};

const ALIYUN: &str = "aliyun_monitor";
const AWS: &str = "aws_cloudwatch";

/// All of them.
pub static LEFT_OUT: &[LeftOut] = &[
    row("guance_aliyun_clickhouse_community", MetricsOnly, Some((ALIYUN, ""))),
    row("guance_aliyun_cloudfw", Logs, None),
    row("guance_aliyun_edas", Traces, None),
    row("guance_aliyun_newbgp_ddos", Renamed("aliyun_ddoscoo"), None),
    row("guance_aliyun_sae_app", MetricsOnly, Some((ALIYUN, ""))),
    row("guance_aliyun_site", Probes, None),
    row("guance_aliyun_site_monitor_task", Probes, None),
    row("guance_aws_auto_scaling", MetricsOnly, Some((AWS, "AWS/AutoScaling"))),
    row("guance_aws_autoscaling", MetricsOnly, Some((AWS, "AWS/AutoScaling"))),
    row("guance_aws_cloudfront", ForeignSample, Some((AWS, "AWS/CloudFront"))),
    row("guance_aws_dynamodb_dax", ForeignSample, Some((AWS, "AWS/DAX"))),
    row("guance_aws_ec2_spot", MetricsOnly, Some((AWS, "AWS/EC2Spot"))),
    row("guance_aws_lambda", ForeignSample, Some((AWS, "AWS/Lambda"))),
    row("guance_aws_mq_rabbitmq", MetricsOnly, Some((AWS, "AWS/AmazonMQ"))),
    row("guance_aws_msk", MetricsOnly, Some((AWS, "AWS/Kafka"))),
    row("guance_aws_neptune_cluster", ForeignSample, Some((AWS, "AWS/Neptune"))),
    row("guance_aws_sqs", MetricsOnly, Some((AWS, "AWS/SQS"))),
    row("guance_aws_timestream", MetricsOnly, Some((AWS, "AWS/Timestream"))),
    row("guance_aws_vpc_endpoint", NoSample, Some((AWS, "AWS/PrivateLinkEndpoints"))),
    row("guance_aws_vpc_nat_gateway", NoSample, Some((AWS, "AWS/NATGateway"))),
    // Monitor wants the instances named, which are the objects: without them there are no metrics either.
    row("guance_tencentcloud_eip", NoSample, None),
    row("guance_tencentcloud_postgresql", ForeignSample, None),
    row("guance_tencentcloud_tdsql_c_mysql", ForeignSample, None),
    huawei("guance_huaweicloud_bms"),
    huawei("guance_huaweicloud_ces"),
    huawei("guance_huaweicloud_dcs"),
    huawei("guance_huaweicloud_dds"),
    huawei("guance_huaweicloud_dis"),
    huawei("guance_huaweicloud_ecs"),
    huawei("guance_huaweicloud_elb"),
    huawei("guance_huaweicloud_functiongraph"),
    huawei("guance_huaweicloud_gaussdb"),
    huawei("guance_huaweicloud_gaussdb_mongo"),
    huawei("guance_huaweicloud_obs"),
    huawei("guance_huaweicloud_rds"),
    huawei("guance_huaweicloud_rds_mariadb"),
    huawei("guance_huaweicloud_rds_postgresql"),
    huawei("guance_huaweicloud_rds_sqlserver"),
    huawei("guance_huaweicloud_redis"),
    huawei("guance_huaweicloud_vpc"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::COLLECTORS;
    use crate::point::Category;

    #[test]
    fn what_is_collected_is_not_left_out() {
        for row in LEFT_OUT {
            let collected = |collector: &&&dyn crate::Collector| {
                let description = collector.description();
                description.is_package(row.package)
                    || Some(description.name) == row.package.strip_prefix("guance_")
            };
            assert!(!COLLECTORS.iter().any(|collector| collected(&collector)), "{}", row.package);
            if let Why::Renamed(name) = row.why {
                assert!(COLLECTORS.iter().any(|one| one.description().name == name), "{}", row.package);
            }
            if let Some((name, _)) = row.metrics {
                let found = COLLECTORS.iter().map(|collector| collector.description());
                let metrics = |one: &&crate::collector::Description| {
                    one.name == name && one.category == Category::Metric
                };
                assert!(found.into_iter().any(|one| metrics(&one)), "{}", row.package);
            }
        }
        let mut packages: Vec<&str> = LEFT_OUT.iter().map(|row| row.package).collect();
        packages.sort_unstable();
        packages.dedup();
        assert_eq!(packages.len(), LEFT_OUT.len());
    }

    #[test]
    fn every_spelling_is_found() {
        for written in
            ["guance_aws_lambda", "guance_aws_lambda__main", "integration_aws_lambda__main", "aws_lambda"]
        {
            assert_eq!(
                left_out(written).map(|row| row.message()).as_deref(),
                Some(
                    "guance_aws_lambda is not collected: its manual prints another product's tags and fields, so that nobody knows what it reports; its metrics are: use aws_cloudwatch with the namespace AWS/Lambda"
                )
            );
        }
        assert_eq!(
            left_out("integration_alibabacloud_newbgp_ddos__main").map(|row| row.message()).as_deref(),
            Some(
                "guance_aliyun_newbgp_ddos is not collected: its objects are collected by a package of another name: use aliyun_ddoscoo"
            )
        );
        for written in ["guance_huaweicloud_redis", "guance_aliyun_site", "guance_aws_autoscaling"] {
            assert!(left_out(written).is_some(), "{written}");
        }
        assert!(left_out("integration_alibabacloud_cloudfw__main").is_some());
        assert!(left_out("guance_aws_ec2").is_none());
    }
}
