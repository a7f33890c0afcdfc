//! `guance_aliyun_polardb`: PolarDB clusters (DescribeDBClusters, 2017-08-01).

use super::*;

static API: Rpc = Rpc { version: "2017-08-01" };
static LIST: Action = listing("polardb", "DescribeDBClusters", "polardb:DescribeDBClusters");
static DATABASES_OF: Action = asking("polardb", "DescribeDatabases", "polardb:DescribeDatabases");

/// What a page of its lists may have.
const SIZES: &[usize] = &[30, 50, 100];

/// Released since it was listed; or not running, so that the details cannot be asked for.
const GONE: &[&str] = &["InvalidDBClusterId.NotFound", "InvalidDBClusterStatus"];

static DETAIL: Detail = paged(
    optional(detail(
        "databases",
        request(&API, &DATABASES_OF),
        ("DBClusterId", "DBClusterId"),
        "Databases.Database",
        GONE,
    )),
    Paging::Numbers { number: "PageNumber", size: "PageSize", sizes: Sizes::One(SIZES), total: None },
);

/// The collector.
pub static POLARDB: ObjectCollector = ObjectCollector {
    description: Description {
        package: "guance_aliyun_polardb",
        name: "aliyun_polardb",
        measurement: "aliyun_polardb",
        title: "Alibaba Cloud PolarDB clusters",
        title_zh: "阿里云 PolarDB 集群",
        actions: &[&LIST, &DATABASES_OF, &ASSUME_ROLE],
        configuration: &[
            REGIONS,
            details_key(
                "which details to ask for, one call for each cluster: `databases`; left out: all; an empty list: none",
            ),
        ],
        tags: &[
            name("DBClusterId"),
            tag("RegionId", "the region"),
            tag("VpcId", "the VPC"),
            tag("DBNodeNumber", "how many nodes it has"),
            tag("PayType", "how it is paid for"),
            tag("DBType", "`MySQL`, `PostgreSQL`, `Oracle`"),
            tag("LockMode", "`Unlock`, or why it is locked"),
            tag("DBVersion", "the engine's version"),
            tag("DBClusterId", "the cluster's id"),
            tag("DBClusterNetworkType", "`VPC`"),
            tag("ZoneId", "the zone"),
            tag("Engine", "its engine"),
            tag("Category", "`Normal`, `Basic`, `Archive`"),
            tag("DBClusterDescription", "its description"),
            tag("DBNodeClass", "the class of its nodes"),
        ],
        fields: &[
            field_of("DBNodes", Type::Json, Source::Path("DBNodes.DBNode"), "its nodes"),
            field_of(
                "Database",
                Type::Json,
                Source::Detail("databases", ""),
                "its databases, by `DescribeDatabases`",
            ),
            field("ExpireTime", Type::Text, "when it expires"),
            field("CreateTime", Type::Text, "when it was made"),
            MESSAGE,
        ],
        notes: &["`Database` is missing while a cluster is not running: the API does not tell it then."],
        ..OBJECTS
    },
    list: List {
        request: Request { region: Some("RegionId"), ..request(&API, &LIST) },
        paging: numbers_of("PageNumber", "PageSize", SIZES, "TotalRecordCount"),
        items: "Items.DBCluster",
        id: "DBClusterId",
    },
    details: &[&DETAIL],
    sample: r#"{
"item": {"DBNodes": {"DBNode": [{"DBNodeId": "pi-xxxx"}]}, "DBClusterId": "pc-xxxx", "RegionId": "cn-hangzhou",
"VpcId": "vpc-xxxx", "DBNodeNumber": 2, "PayType": "Postpaid", "DBType": "MySQL", "LockMode": "Unlock",
"DBVersion": "8.0", "DBClusterNetworkType": "VPC", "ZoneId": "cn-hangzhou-i", "Engine": "POLARDB",
"Category": "Normal", "DBClusterDescription": "pc-xxxx", "DBNodeClass": "polar.mysql.x4.medium",
"CreateTime": "2022-06-17T06:07:19Z"},
"details": {"databases": [{"DBName": "orders", "Engine": "MySQL"}]},
"point": {"tags": {"name": "pc-xxxx", "RegionId": "cn-hangzhou", "VpcId": "vpc-xxxx", "DBNodeNumber": "2",
"PayType": "Postpaid", "DBType": "MySQL", "LockMode": "Unlock", "DBVersion": "8.0", "DBClusterId": "pc-xxxx",
"DBClusterNetworkType": "VPC", "ZoneId": "cn-hangzhou-i", "Engine": "POLARDB", "Category": "Normal",
"DBClusterDescription": "pc-xxxx", "DBNodeClass": "polar.mysql.x4.medium"}, "fields": {"DBNodes": "{节点列表 JSON 数据}",
"Database": "[数据库详情 JSON 数据]", "ExpireTime": "", "CreateTime": "2022-06-17T06:07:19Z", "message": "{…}"}}}"#,
    ..ObjectCollector::DECLARED
};
