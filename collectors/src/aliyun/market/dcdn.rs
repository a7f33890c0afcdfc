//! `guance_aliyun_dcdn`: DCDN domains (DescribeDcdnUserDomains, 2018-01-15).

use super::*;

static API: Rpc = Rpc { version: "2018-01-15" };
static LIST: Action = listing("dcdn", "DescribeDcdnUserDomains", "dcdn:DescribeDcdnUserDomains");
static DETAIL_OF: Action = asking("dcdn", "DescribeDcdnDomainDetail", "dcdn:DescribeDcdnDomainDetail");

/// Released since it was listed.
const GONE: &[&str] = &["InvalidDomain.NotFound"];

static DETAIL: Detail =
    optional(detail("domain", request(&API, &DETAIL_OF), ("DomainName", "DomainName"), "DomainDetail", GONE));

/// The collector.
pub static DCDN: ObjectCollector = ObjectCollector {
    description: Description {
        package: "guance_aliyun_dcdn",
        name: "aliyun_dcdn",
        measurement: "aliyun_dcdn",
        title: "Alibaba Cloud DCDN domains",
        title_zh: "阿里云全站加速 DCDN 域名",
        actions: &[&LIST, &DETAIL_OF, &ASSUME_ROLE],
        configuration: &[details_key(
            "which details to ask for, one call for each domain: `domain`; left out: all; an empty list: none",
        )],
        tags: &[
            name("DomainName"),
            tag("DomainName", "the domain"),
            tag_of(
                "Scope",
                Source::Detail("domain", "0.Scope"),
                "`domestic`, `overseas`, `global`, by `DescribeDcdnDomainDetail`",
            ),
            tag("DomainStatus", "`online`, `offline` and so on"),
        ],
        fields: &[field("GmtCreated", Type::Text, "when it was made"), MESSAGE],
        ..OBJECTS
    },
    scope: Scope::Central(""),
    list: List {
        // Without these domains of functions and images at the edge, and those whose review is not passed, are not listed.
        request: Request {
            parameters: &[
                ("WebSiteType", "dynamic,computing_routine,computing_image"),
                ("CheckDomainShow", "true"),
            ],
            ..request(&API, &LIST)
        },
        paging: numbers("PageNumber", "PageSize", 500, "TotalCount"),
        items: "Domains.PageData",
        id: "DomainName",
    },
    details: &[&DETAIL],
    // No reference lists it; published programs and reports meet it.
    quiet: &["DcdnServiceNotFound"],
    sample: r#"{
"item": {"DomainName": "xxxxx.cn", "DomainStatus": "online", "GmtCreated": "2022-12-13T16:00:00Z"},
"details": {"domain": [{"Scope": "domestic"}]},
"point": {"tags": {"name": "xxxxx.cn", "DomainName": "xxxxx.cn", "Scope": "domestic", "DomainStatus": "online"},
"fields": {"GmtCreated": "2022-12-13T16:00:00Z", "message": "{…}"}}}"#,
    ..ObjectCollector::DECLARED
};
