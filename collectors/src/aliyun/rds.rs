//! `guance_aliyun_rds`: RDS instances as objects (RDS 2014-08-15).

use super::api::Rpc;
use super::client::ASSUME_ROLE;
use crate::account::Cloud;
use crate::collector::{Action, Description, Key, REGIONS, Reported, Source, Type};
use crate::objects::{Detail, How, List, ObjectCollector, Paging, Request, Scope, Sizes};
use crate::point::Category;
use std::time::Duration;

static RDS_API: Rpc = Rpc { version: "2014-08-15" };

const fn action(name: &'static str, permission: &'static str, when: &'static str) -> Action {
    Action { service: "rds", action: name, permission, rate: 10.0, when }
}

static DESCRIBE_INSTANCES: Action =
    action("DescribeDBInstances", "rds:DescribeDBInstances", "once for every 100 instances of a region");
static DESCRIBE_ATTRIBUTE: Action = action(
    "DescribeDBInstanceAttribute",
    "rds:DescribeDBInstanceAttribute",
    "once for each instance, with the detail `attribute`",
);
static DESCRIBE_NET_INFO: Action = action(
    "DescribeDBInstanceNetInfo",
    "rds:DescribeDBInstanceNetInfo",
    "once for each instance, with the detail `net_info`",
);
static DESCRIBE_USAGE: Action = action(
    "DescribeResourceUsage",
    "rds:DescribeResourceUsage",
    "once for each instance, with the detail `usage`",
);
static DESCRIBE_ACCOUNTS: Action = action(
    "DescribeAccounts",
    "rds:DescribeAccounts",
    "once for each instance and 200 accounts, with the detail `accounts`",
);
static DESCRIBE_DATABASES: Action = action(
    "DescribeDatabases",
    "rds:DescribeDatabases",
    "once for each instance and 100 databases, with the detail `databases`",
);
static DESCRIBE_SSL: Action = action(
    "DescribeDBInstanceSSL",
    "rds:DescribeDBInstanceSSL",
    "once for each instance, with the detail `ssl`",
);

/// The instance was released since it was listed, or is not in a state to answer.
macro_rules! not_now {
    ($($more:literal),*) => {
        &[
            "InvalidDBInstanceId.NotFound",
            "InvalidDBInstanceName.NotFound",
            "IncorrectDBInstanceState",
            "InvalidDBInstanceStatus.NotSupport",
            "InvalideStatus.Format",
            "DbossGeneralError",
            "IncorrectDBInstanceLockMode",
            $($more),*
        ]
    };
}

/// What the engine or edition does not have.
const NOT_THIS_ENGINE: &[&str] =
    not_now!("InvalidEngine.Malformed", "InvalidDBInstanceEngineType.Format", "Api.NotSupport");

/// An instance's detail. The ids are global; the region goes along only where the host needs it.
const fn item(
    name: &'static str,
    action: &'static Action,
    paging: Paging,
    items: &'static str,
    id: &'static str,
    absent: &'static [&'static str],
) -> Detail {
    Detail {
        name,
        optional: true,
        how: How::Item {
            list: List {
                request: Request { api: &RDS_API, action, region: None, parameters: &[], structures: &[] },
                paging,
                items,
                id,
            },
            id: ("DBInstanceId", "DBInstanceId"),
            only: None,
            keep: &[],
            nothing: None,
        },
        absent,
    }
}

static ATTRIBUTE: Detail = item(
    "attribute",
    &DESCRIBE_ATTRIBUTE,
    Paging::Whole,
    "Items.DBInstanceAttribute",
    "DBInstanceId",
    not_now!(),
);

static NET_INFO: Detail = item(
    "net_info",
    &DESCRIBE_NET_INFO,
    Paging::Whole,
    "DBInstanceNetInfos.DBInstanceNetInfo",
    "",
    not_now!(),
);

static USAGE: Detail = Detail {
    name: "usage",
    optional: true,
    how: How::Item {
        list: List {
            request: Request {
                api: &RDS_API,
                action: &DESCRIBE_USAGE,
                region: None,
                parameters: &[],
                structures: &[],
            },
            paging: Paging::Whole,
            items: "",
            id: "",
        },
        id: ("DBInstanceId", "DBInstanceId"),
        only: None,
        keep: &[],
        // The API's word for "no data".
        nothing: Some(-1),
    },
    absent: not_now!(),
};

static ACCOUNTS: Detail = item(
    "accounts",
    &DESCRIBE_ACCOUNTS,
    Paging::Numbers {
        number: "PageNumber",
        size: "PageSize",
        sizes: Sizes::Between(30, 200),
        total: Some("TotalRecordCount"),
    },
    "Accounts.DBInstanceAccount",
    "AccountName",
    NOT_THIS_ENGINE,
);

static DATABASES: Detail = item(
    "databases",
    &DESCRIBE_DATABASES,
    // It says nowhere how many there are.
    Paging::Numbers {
        number: "PageNumber",
        size: "PageSize",
        sizes: Sizes::One(&[30, 50, 100]),
        total: None,
    },
    "Databases.Database",
    "DBName",
    NOT_THIS_ENGINE,
);

static SSL: Detail = Detail {
    name: "ssl",
    optional: true,
    how: How::Item {
        list: List {
            request: Request {
                api: &RDS_API,
                action: &DESCRIBE_SSL,
                region: None,
                parameters: &[],
                structures: &[],
            },
            paging: Paging::Whole,
            items: "",
            id: "",
        },
        id: ("DBInstanceId", "DBInstanceId"),
        only: None,
        // The answer may hold the server's private key. Old answers wrap it in a list.
        keep: &["SSLExpireTime", "items.0.SSLExpireTime", "Items.0.SSLExpireTime"],
        nothing: None,
    },
    absent: not_now!(
        "InstanceEngineType.NotSupport",
        "OperationDenied.DBInstanceType",
        "InvaildEngineInRegion.ValueNotSupported",
        "IncorrectEngineVersion",
        "IncorrectDBInstanceType",
        "EnabledSSLNotSupport",
        "InvalidDBInstanceEngineType.Format",
        "Api.NotSupport"
    ),
};

const fn tag(key: &'static str, path: &'static str, meaning: &'static str) -> Reported {
    Reported { key, kind: Type::Text, from: Source::Path(path), meaning }
}

const fn either(key: &'static str, sources: &'static [Source], meaning: &'static str) -> Reported {
    Reported { key, kind: Type::Text, from: Source::First(sources), meaning }
}

const fn usage(key: &'static str, meaning: &'static str) -> Reported {
    Reported { key, kind: Type::Text, from: Source::Detail("usage", key), meaning }
}

const fn list(key: &'static str, name: &'static str, meaning: &'static str) -> Reported {
    Reported { key, kind: Type::Json, from: Source::Detail(name, ""), meaning }
}

/// A member of the list, else of the detail `attribute`.
macro_rules! list_or_attribute {
    ($key:literal, $meaning:literal) => {
        either($key, &[Source::Path($key), Source::Detail("attribute", concat!("0.", $key))], $meaning)
    };
}

/// The collector.
pub static RDS: ObjectCollector = ObjectCollector {
    description: Description {
        package: "guance_aliyun_rds",
        name: "aliyun_rds",
        title: "Alibaba Cloud RDS instances",
        title_zh: "阿里云 RDS 实例",
        cloud: Cloud::Aliyun,
        category: Category::CustomObject,
        measurement: "aliyun_rds",
        interval: Duration::from_secs(900),
        actions: &[
            &DESCRIBE_INSTANCES,
            &DESCRIBE_ATTRIBUTE,
            &DESCRIBE_NET_INFO,
            &DESCRIBE_USAGE,
            &DESCRIBE_ACCOUNTS,
            &DESCRIBE_DATABASES,
            &DESCRIBE_SSL,
            &ASSUME_ROLE,
        ],
        configuration: &[
            REGIONS,
            Key {
                name: "details",
                kind: "list of texts",
                required: false,
                meaning: "which details to ask for, one call for each instance: `attribute`, `net_info`, `usage`, `accounts`, `databases`, `ssl`; left out: all; an empty list: none",
            },
        ],
        tags: &[
            tag("name", "DBInstanceId", "the instance's id: the object's unique name"),
            tag("DBInstanceId", "DBInstanceId", "the instance's id"),
            list_or_attribute!("DBInstanceDescription", "its name"),
            list_or_attribute!("DBInstanceType", "`Primary`, `Readonly` and so on"),
            list_or_attribute!("DBInstanceClass", "such as `mysql.n2.large.1`"),
            list_or_attribute!("DBInstanceNetType", "`Intranet`, `Internet`"),
            list_or_attribute!("DBInstanceStorageType", "such as `cloud_essd`"),
            list_or_attribute!("Category", "`Basic`, `HighAvailability` and so on"),
            list_or_attribute!("ConnectionMode", "`Standard`, `Safe`"),
            list_or_attribute!("Engine", "`MySQL`, `PostgreSQL` and so on"),
            list_or_attribute!("LockMode", "`Unlock`, or how it is locked"),
            list_or_attribute!("PayType", "`Prepaid`, `Postpaid`"),
            list_or_attribute!("RegionId", "the region"),
            list_or_attribute!("ZoneId", "the zone"),
        ],
        fields: &[
            either(
                "CreationTime",
                &[Source::Detail("attribute", "0.CreationTime"), Source::Path("CreateTime")],
                "when it was made",
            ),
            list_or_attribute!("ExpireTime", "when it expires, prepaid ones only"),
            Reported {
                key: "DBInstanceStorage",
                kind: Type::Text,
                from: Source::Detail("attribute", "0.DBInstanceStorage"),
                meaning: "storage, GB",
            },
            usage("DiskUsed", "bytes used"),
            usage("BackupSize", "bytes of backups"),
            usage("LogSize", "bytes of logs"),
            usage("BackupLogSize", "bytes of log backups"),
            usage("BackupDataSize", "bytes of data backups"),
            list("ConnectionString", "net_info", "its addresses, by `DescribeDBInstanceNetInfo`"),
            list("accounts", "accounts", "its accounts, by `DescribeAccounts`"),
            list("databases", "databases", "its databases, by `DescribeDatabases`"),
            Reported {
                key: "SSLExpireTime",
                kind: Type::Text,
                from: Source::Detail("ssl", "SSLExpireTime"),
                meaning: "when its certificate expires, where SSL is on",
            },
            Reported { key: "message", kind: Type::Json, from: Source::Item, meaning: "the whole instance" },
        ],
        notes: &[
            "With all details, six calls are made for each instance: 1,000 instances take about 100 s at the default 10 calls a second. Name only those that you need in `details`.",
            "Of `DescribeDBInstanceSSL` the date alone is kept: the answer may hold a private key.",
        ],
    },
    scope: Scope::Region,
    list: List {
        request: Request {
            api: &RDS_API,
            action: &DESCRIBE_INSTANCES,
            region: Some("RegionId"),
            parameters: &[],
            structures: &[],
        },
        // By numbers: with tokens it brings one behind its last page, too.
        paging: Paging::Numbers {
            number: "PageNumber",
            size: "PageSize",
            sizes: Sizes::up_to(100),
            total: Some("TotalRecordCount"),
        },
        items: "Items.DBInstance",
        id: "DBInstanceId",
    },
    details: &[&ATTRIBUTE, &NET_INFO, &USAGE, &ACCOUNTS, &DATABASES, &SSL],
    ..ObjectCollector::DECLARED
};
