//! `guance_aws_open_search`: OpenSearch domains (ListDomainNames, 2021-01-01).

use super::*;

static API: Rest = Rest {
    version: "2021-01-01",
    method: "GET",
    path: "/2021-01-01/domain",
    small: false,
    model: "opensearch",
};
static DOMAINS: Rest = Rest {
    version: "2021-01-01",
    method: "POST",
    path: "/2021-01-01/opensearch/domain-info",
    small: false,
    model: "opensearch",
};
static LIST: Action = listing("es", "ListDomainNames", "es:ListDomainNames");
static DESCRIBE_OF: Action =
    Action { when: "once for every five domains", ..asking("es", "DescribeDomains", "es:DescribeDomains") };

static DETAIL: Detail =
    batch("domain", request(&DOMAINS, &DESCRIBE_OF), "DomainNames", 5, "DomainStatusList", "DomainName");

/// The collector.
pub static OPEN_SEARCH: ObjectCollector = ObjectCollector {
    description: Description {
        package: "guance_aws_open_search",
        name: "aws_opensearch",
        measurement: "aws_opensearch",
        title: "Amazon OpenSearch domains",
        title_zh: "亚马逊 OpenSearch 域",
        actions: &[&LIST, &DESCRIBE_OF, &ASSUME_ROLE],
        tags: &[
            name("DomainName"),
            tag_of("EngineVersion", Source::Detail("domain", "EngineVersion"), "the engine's version"),
            tag_of("DomainId", Source::Detail("domain", "DomainId"), "account and name"),
            tag("DomainName", "the domain's name"),
            Reported {
                kind: Type::Json,
                ..tag_of("ClusterConfig", Source::Detail("domain", "ClusterConfig"), "its nodes, JSON text")
            },
            Reported {
                kind: Type::Json,
                ..tag_of(
                    "ServiceSoftwareOptions",
                    Source::Detail("domain", "ServiceSoftwareOptions"),
                    "the state of its software, JSON text",
                )
            },
            tag_of("region", Source::Region, "the region"),
            REGION,
        ],
        fields: &[
            field_of("EBSOptions", Type::Json, Source::Detail("domain", "EBSOptions"), "its volumes"),
            field_of("Endpoints", Type::Json, Source::Detail("domain", "Endpoints"), "where it answers"),
            field_of(
                "message",
                Type::Json,
                Source::First(&[Source::Detail("domain", ""), Source::Item]),
                "all that `DescribeDomains` says of it; where that is denied, the list",
            ),
        ],
        notes: &[
            NAMES,
            "`name` is the domain's name: it must not stand in two accounts that report to one workspace.",
        ],
        ..OBJECTS
    },
    list: List {
        request: request(&API, &LIST),
        paging: Paging::Whole,
        items: "DomainNames",
        id: "DomainName",
    },
    details: &[&DETAIL],
    sample: r#"{
"item": {"DomainName": "df-prd-es"},
"details": {"domain": {"DomainName": "df-prd-es", "EngineVersion": "Elasticsearch_7.10", "DomainId": "5882XXXXX135/df-prd-es",
"ClusterConfig": {"InstanceCount": 2}, "ServiceSoftwareOptions": {"UpdateAvailable": false},
"EBSOptions": {"EBSEnabled": true}, "Endpoints": {"vpc": "x"}}},
"point": {"tags": {"name": "df-prd-es", "EngineVersion": "Elasticsearch_7.10", "DomainId": "5882XXXXX135/df-prd-es",
"DomainName": "df-prd-es", "ClusterConfig": "{域中的实例类型和实例数量 JSON 数据}", "ServiceSoftwareOptions": "{服务软件的当前状态 JSON 数据}",
"region": "cn-northwest-1", "RegionId": "cn-northwest-1"}, "fields": {"EBSOptions": "{指定域的弹性块存储数据 JSON 数据}",
"Endpoints": "{用于提交索引和搜索请求的域端点的映射 JSON 数据}", "message": "{…}"}}}"#,
    ..ObjectCollector::DECLARED
};
