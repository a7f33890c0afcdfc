//! `guance_aliyun_redis`: Redis instances (DescribeInstances, 2015-01-01).

use super::*;

static API: Rpc = Rpc { version: "2015-01-01" };
static LIST: Action = listing("r-kvstore", "DescribeInstances", "kvstore:DescribeInstances");
static ACCOUNTS_OF: Action = asking("r-kvstore", "DescribeAccounts", "kvstore:DescribeAccounts");

/// Released since it was listed; or not running, so that the details cannot be asked for.
const GONE: &[&str] = &["InvalidInstanceId.NotFound", "InvalidInstanceId", "IncorrectInstanceState"];

static DETAIL: Detail = optional(detail(
    "accounts",
    request(&API, &ACCOUNTS_OF),
    ("InstanceId", "InstanceId"),
    "Accounts.Account",
    GONE,
));

/// The collector.
pub static REDIS: ObjectCollector = ObjectCollector {
    description: Description {
        package: "guance_aliyun_redis",
        name: "aliyun_redis",
        measurement: "aliyun_redis",
        title: "Alibaba Cloud Redis (Tair) instances",
        title_zh: "阿里云 Redis 实例",
        actions: &[&LIST, &ACCOUNTS_OF, &ASSUME_ROLE],
        configuration: &[
            REGIONS,
            details_key(
                "which details to ask for, one call for each instance: `accounts`; left out: all; an empty list: none",
            ),
        ],
        tags: &[
            name("InstanceId"),
            tag("InstanceId", "the instance's id"),
            tag("RegionId", "the region"),
            tag("ZoneId", "the zone"),
            tag("InstanceClass", "its class"),
            tag("EngineVersion", "the engine's version"),
            tag("ChargeType", "`PrePaid`, `PostPaid`"),
            tag("ConnectionDomain", "the host that it answers at"),
            tag("NetworkType", "`VPC`, `CLASSIC`"),
            tag("PrivateIp", "its private address"),
            tag("Port", "the port that it answers at"),
            tag("InstanceName", "its name"),
            tag("InstanceType", "`Redis`, `Tair` and so on"),
            tag("InstanceStatus", "`Normal`, `Creating` and so on"),
        ],
        fields: &[
            field("Capacity", Type::Text, "memory, MB"),
            field("EndTime", Type::Text, "when it expires"),
            field("CreateTime", Type::Text, "when it was made"),
            field_of(
                "Accounts",
                Type::Json,
                Source::Detail("accounts", ""),
                "its accounts, by `DescribeAccounts`",
            ),
            MESSAGE,
        ],
        notes: &["`Accounts` is missing while an instance is not running: the API does not tell it then."],
        ..OBJECTS
    },
    list: List {
        request: Request { region: Some("RegionId"), ..request(&API, &LIST) },
        paging: numbers("PageNumber", "PageSize", 50, "TotalCount"),
        items: "Instances.KVStoreInstance",
        id: "InstanceId",
    },
    details: &[&DETAIL],
    sample: r#"{
"item": {"InstanceId": "r-bp12xxxxxxx", "RegionId": "cn-hangzhou", "ZoneId": "cn-hangzhou-h",
"InstanceClass": "redis.master.small.default", "EngineVersion": "5.0", "ChargeType": "PrePaid",
"ConnectionDomain": "r-bp12vxxxxxxx.redis.rds.aliyuncs.com", "NetworkType": "VPC", "PrivateIp": "xxxxxx",
"Port": 6379, "InstanceName": "xxx 系统", "InstanceType": "Redis", "InstanceStatus": "Normal", "Capacity": 1024,
"EndTime": "2022-12-13T16:00:00Z", "CreateTime": "2021-01-11T09:35:51Z"},
"details": {"accounts": [{"AccountName": "r-bp12xxxxxxx", "AccountStatus": "Available"}]},
"point": {"tags": {"name": "r-bp12xxxxxxx", "InstanceId": "r-bp12xxxxxxx", "RegionId": "cn-hangzhou",
"ZoneId": "cn-hangzhou-h", "InstanceClass": "redis.master.small.default", "EngineVersion": "5.0",
"ChargeType": "PrePaid", "ConnectionDomain": "r-bp12vxxxxxxx.redis.rds.aliyuncs.com", "NetworkType": "VPC",
"PrivateIp": "xxxxxx", "Port": "6379", "InstanceName": "xxx 系统", "InstanceType": "Redis", "InstanceStatus": "Normal"},
"fields": {"Capacity": "1024", "EndTime": "2022-12-13T16:00:00Z", "CreateTime": "2021-01-11T09:35:51Z",
"Accounts": "[{账号信息 JSON 数据}]", "message": "{…}"}}}"#,
    ..ObjectCollector::DECLARED
};
