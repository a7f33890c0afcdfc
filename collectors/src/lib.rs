//! The clouds: signed calls, paging and the collectors of funchost.
//!
//! Owns everything that knows a cloud's API. Knows no script language, no DataKit and no database.

pub mod account;
pub mod aliyun;
pub mod aws;
pub mod call;
mod client;
pub mod clock;
pub mod collector;
mod digest;
pub mod mistake;
pub mod names;
pub mod objects;
pub mod point;
pub mod request;
pub mod run;
pub mod selector;
pub mod tencentcloud;
mod xml;

pub use collector::Collector;

/// Every collector there is. The tenth costs one file and one line here.
pub static COLLECTORS: &[&dyn Collector] = &[
    &aliyun::monitor::MONITOR,
    &aliyun::ecs::ECS,
    &aliyun::rds::RDS,
    &aliyun::slb::SLB,
    &aliyun::oss::OSS,
    &aws::ec2::EC2,
    &aws::cloudwatch::CLOUDWATCH,
    &tencentcloud::cvm::CVM,
    &tencentcloud::monitor::MONITOR,
];

/// The collector of a package, by any spelling of its script id: `guance_aws_ec2__main`, `integration_aws_ec2__main`.
#[must_use]
pub fn collector(script_id: &str) -> Option<&'static dyn Collector> {
    let package = script_id.strip_suffix("__main")?;
    COLLECTORS.iter().copied().find(|collector| {
        let description = collector.description();
        description.package == package || description.aliases.contains(&package)
    })
}
