//! `guance_aliyun_domain`: registered domains (QueryDomainList, 2018-01-29).

use super::*;

static API: Rpc = Rpc { version: "2018-01-29" };
static LIST: Action = listing("domain", "QueryDomainList", "domain:QueryDomainList");

/// The collector.
pub static DOMAIN: ObjectCollector = ObjectCollector {
    description: Description {
        package: "guance_aliyun_domain",
        name: "aliyun_domain",
        measurement: "aliyun_domain",
        title: "Alibaba Cloud domains",
        title_zh: "阿里云域名",
        actions: &[&LIST, &ASSUME_ROLE],
        configuration: &[],
        tags: &[
            name("InstanceId"),
            tag("DomainType", "the kind of its top level"),
            tag("InstanceId", "the instance's id"),
            tag("DomainName", "the domain"),
            tag("DomainStatus", "1 renew now, 2 redeem now, 3 normal"),
        ],
        fields: &[
            field("ExpirationDate", Type::Text, "when it expires"),
            field("ExpirationDateStatus", Type::Text, "1 not expired, 2 expired"),
            field("RegistrationDate", Type::Text, "when it was registered"),
            MESSAGE,
        ],
        notes: &[
            "The host is that of accounts of the China site, `domain.aliyuncs.com`; those of the international site write `endpoint: #{ domain: \"https://domain-intl.aliyuncs.com\" }` into the account.",
        ],
        ..OBJECTS
    },
    scope: Scope::Central(""),
    list: List {
        request: request(&API, &LIST),
        paging: numbers("PageNum", "PageSize", 50, "TotalItemNum"),
        items: "Data.Domain",
        id: "InstanceId",
    },
    sample: r#"{
"item": {"InstanceId": "S202182xxx", "DomainType": "New gTLD", "DomainName": "slxxx", "DomainStatus": "3",
"ExpirationDate": "2023-10-18 07:59:59", "ExpirationDateStatus": "1", "RegistrationDate": "2021-10-17 10:01:53"},
"point": {"tags": {"name": "S202182xxx", "DomainType": "New gTLD", "InstanceId": "S202182xxx", "DomainName": "slxxx",
"DomainStatus": "3"}, "fields": {"ExpirationDate": "2023-10-18 07:59:59", "ExpirationDateStatus": "1",
"RegistrationDate": "2021-10-17 10:01:53", "message": "{…}"}}}"#,
    ..ObjectCollector::DECLARED
};
