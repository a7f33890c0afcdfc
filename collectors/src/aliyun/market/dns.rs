//! `guance_aliyun_dns`: DNS domains (DescribeDomains, 2015-01-09).

use super::*;

static API: Rpc = Rpc { version: "2015-01-09" };
static LIST: Action = listing("alidns", "DescribeDomains", "alidns:DescribeDomains");

/// The collector.
pub static DNS: ObjectCollector = ObjectCollector {
    description: Description {
        package: "guance_aliyun_dns",
        name: "aliyun_dns",
        measurement: "aliyun_dns",
        title: "Alibaba Cloud DNS domains",
        title_zh: "阿里云云解析 DNS 域名",
        actions: &[&LIST, &ASSUME_ROLE],
        configuration: &[],
        tags: &[
            tag_of(
                "name",
                Source::First(&[Source::Path("InstanceId"), Source::Path("DomainId")]),
                "the object's unique name",
            ),
            tag("DomainId", "the domain's id"),
            tag("InstanceId", "the paid edition"),
            tag("DomainName", "the domain"),
            tag("VersionCode", "`mianfei`, `version_personal` and so on"),
            tag("VersionName", "the edition"),
        ],
        fields: &[
            field("CreateTime", Type::Text, "when it was made"),
            field("InstanceEndTime", Type::Text, "when the paid edition ends"),
            field("InstanceExpired", Type::Boolean, "has the paid edition ended"),
            MESSAGE,
        ],
        notes: &[
            "Where a paid instance serves several domains, the one of the least `DomainId` is called by the instance, and the others by their `DomainId`.",
        ],
        ..OBJECTS
    },
    scope: Scope::Central(""),
    list: List {
        request: request(&API, &LIST),
        paging: numbers("PageNumber", "PageSize", 100, "TotalCount"),
        items: "Domains.Domain",
        id: "DomainId",
    },
    shared_names: true,
    sample: r#"{
"item": {"DomainId": "dns-cn-xxxxx", "InstanceId": "dns-cn-xxxxx", "DomainName": "xxxx.com",
"VersionCode": "version_personal", "VersionName": "Personal", "CreateTime": "2021-10-17T02:01Z",
"InstanceEndTime": "2022-04-24T16:00Z", "InstanceExpired": false},
"point": {"tags": {"name": "dns-cn-xxxxx", "DomainId": "dns-cn-xxxxx", "InstanceId": "dns-cn-xxxxx", "DomainName": "xxxx.com",
"VersionCode": "version_personal", "VersionName": "Personal"}, "fields": {"CreateTime": "2021-10-17T02:01Z",
"InstanceEndTime": "2022-04-24T16:00Z", "InstanceExpired": false, "message": "{…}"}}}"#,
    ..ObjectCollector::DECLARED
};
