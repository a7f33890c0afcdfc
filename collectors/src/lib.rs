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
pub mod estimate;
pub mod left_out;
mod link;
pub mod mapped;
#[doc(hidden)]
pub mod measured;
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
    &aliyun::market::eip::EIP,
    &aliyun::market::nat::NAT,
    &aliyun::market::alb::ALB,
    &aliyun::market::redis::REDIS,
    &aliyun::market::mongodb::MONGODB,
    &aliyun::market::polardb::POLARDB,
    &aliyun::market::vpc::VPC,
    &aliyun::market::nas::NAS,
    &aliyun::market::cdn::CDN,
    &aliyun::market::elasticsearch::ELASTICSEARCH,
    &aliyun::market::kafka::KAFKA,
    &aliyun::market::rocketmq4::ROCKETMQ4,
    &aliyun::market::rocketmq5::ROCKETMQ5,
    &aliyun::market::vpn::VPN,
    &aliyun::market::waf::WAF,
    &aliyun::market::cas::CAS,
    &aliyun::market::domain::DOMAIN,
    &aliyun::market::dcdn::DCDN,
    &aliyun::market::dts::DTS,
    &aliyun::market::dns::DNS,
    &aliyun::market::private_zone::PRIVATE_ZONE,
    &aliyun::market::ddoscoo::DDOSCOO,
    &aliyun::market::tds::TDS,
    &aliyun::market::analyticdb_postgresql::ANALYTICDB_POSTGRESQL,
    &aliyun::market::lindorm::LINDORM,
    &aliyun::market::polardbx_1::POLARDBX_1,
    &aliyun::market::polardbx_2::POLARDBX_2,
    &aliyun::market::resource_package::RESOURCE_PACKAGE,
    &aws::ec2::EC2,
    &aws::cloudwatch::CLOUDWATCH,
    &aws::market::rds::RDS,
    &aws::market::elb::ELB,
    &aws::market::s3::S3_BUCKETS,
    &aws::market::elasticache::ELASTICACHE,
    &aws::market::elasticache_serverless::ELASTICACHE_SERVERLESS,
    &aws::market::open_search::OPEN_SEARCH,
    &aws::market::dynamodb::DYNAMODB,
    &aws::market::redshift::REDSHIFT,
    &aws::market::documentdb::DOCUMENTDB,
    &aws::market::ecs::ECS,
    &aws::market::memorydb::MEMORYDB,
    &aws::market::kinesis::KINESIS,
    &aws::market::api_gateway::API_GATEWAY,
    &aws::market::emr::EMR,
    &aws::market::dms::DMS,
    &aws::market::eventbridge::EVENTBRIDGE,
    &tencentcloud::cvm::CVM,
    &tencentcloud::monitor::MONITOR,
    &tencentcloud::market::cdb::CDB,
    &tencentcloud::market::clb::CLB,
    &tencentcloud::market::cos::COS,
    &tencentcloud::market::redis::REDIS,
    &tencentcloud::market::mongodb::MONGODB,
    &tencentcloud::market::mariadb::MARIADB,
    &tencentcloud::market::ckafka::CKAFKA,
    &tencentcloud::market::sqlserver::SQLSERVER,
    &tencentcloud::market::memcached::MEMCACHED,
];

/// The collector of a package, by any spelling of its script id: `guance_aws_ec2__main`, `integration_aws_ec2__main`.
#[must_use]
pub fn collector(script_id: &str) -> Option<&'static dyn Collector> {
    let package = script_id.strip_suffix("__main")?;
    COLLECTORS.iter().copied().find(|collector| collector.description().is_package(package))
}

/// The namespaces of a cloud's metrics that take the tags of objects, each once.
#[must_use]
pub fn linked_namespaces(cloud: account::Cloud) -> Vec<&'static str> {
    let rows: Vec<&'static str> = match cloud {
        account::Cloud::Aliyun => aliyun::monitor::LINKS.iter().map(|row| row.namespace).collect(),
        account::Cloud::Aws => aws::cloudwatch::LINKS.iter().map(|row| row.namespace).collect(),
        account::Cloud::Tencent => tencentcloud::monitor::namespaces(),
    };
    let mut names = Vec::with_capacity(rows.len());
    for name in rows {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// What to say about a region that its cloud is not known to have; none where it is a known one.
#[must_use]
pub fn region_hint(cloud: account::Cloud, region: &str) -> Option<String> {
    match cloud {
        account::Cloud::Aliyun => aliyun::endpoint::region_hint(region),
        account::Cloud::Aws => aws::endpoint::region_hint(region),
        account::Cloud::Tencent => tencentcloud::endpoint::region_hint(region),
    }
}
