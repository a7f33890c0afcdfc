//! `guance_aliyun_cdn`: CDN domains (DescribeUserDomains, 2018-05-10).

use super::*;

static API: Rpc = Rpc { version: "2018-05-10" };
static LIST: Action = listing("cdn", "DescribeUserDomains", "cdn:DescribeUserDomains");
static CERTIFICATE_OF: Action =
    asking("cdn", "DescribeDomainCertificateInfo", "cdn:DescribeDomainCertificateInfo");

/// Released since it was listed.
const GONE: &[&str] = &["InvalidDomain.NotFound"];

static DETAIL: Detail = only(
    optional(detail(
        "certificate",
        request(&API, &CERTIFICATE_OF),
        ("DomainName", "DomainName"),
        "CertInfos.CertInfo",
        GONE,
    )),
    "SslProtocol",
    "on",
);

/// The collector.
pub static CDN: ObjectCollector = ObjectCollector {
    description: Description {
        package: "guance_aliyun_cdn",
        name: "aliyun_cdn",
        measurement: "aliyun_cdn",
        title: "Alibaba Cloud CDN domains",
        title_zh: "阿里云 CDN 域名",
        actions: &[&LIST, &CERTIFICATE_OF, &ASSUME_ROLE],
        configuration: &[details_key(
            "which details to ask for, one call for each domain with TLS: `certificate`; left out: all; an empty list: none",
        )],
        tags: &[
            name("DomainName"),
            tag("CdnType", "`web`, `download`, `video`"),
            tag("DomainName", "the domain"),
            tag("DomainStatus", "`online`, `offline` and so on"),
            tag("SslProtocol", "`on`, `off`"),
            tag_of("CertName", Source::Detail("certificate", "0.CertName"), "its certificate's name"),
            tag_of(
                "Status",
                Source::Detail("certificate", "0.Status"),
                "`success` or `failed`: its certificate",
            ),
            tag_of("CertType", Source::Detail("certificate", "0.CertType"), "`free`, `cas`, `upload`"),
            tag_of(
                "CertDomainName",
                Source::Detail("certificate", "0.CertDomainName"),
                "the domain that its certificate names",
            ),
        ],
        fields: &[
            field_of(
                "CertExpireTime",
                Type::Text,
                Source::Detail("certificate", "0.CertExpireTime"),
                "when its certificate ends",
            ),
            field("GmtCreated", Type::Text, "when it was made"),
            MESSAGE,
        ],
        notes: &[
            "The host is that of accounts of the China site, `cdn.aliyuncs.com`; those of the international site write `endpoint: #{ cdn: \"https://cdn.ap-southeast-1.aliyuncs.com\" }` into the account.",
        ],
        ..OBJECTS
    },
    scope: Scope::Central(""),
    list: List {
        // Without it domains whose review is not passed are not listed.
        request: Request { parameters: &[("CheckDomainShow", "true")], ..request(&API, &LIST) },
        paging: numbers("PageNumber", "PageSize", 500, "TotalCount"),
        items: "Domains.PageData",
        id: "DomainName",
    },
    details: &[&DETAIL],
    // No reference lists it; the vendor's own tools meet it.
    quiet: &["CdnServiceNotFound"],
    sample: r#"{
"item": {"DomainName": "xxxxx.com", "CdnType": "web", "DomainStatus": "online", "SslProtocol": "on",
"GmtCreated": "2022-12-13T16:00:00Z"},
"details": {"certificate": [{"CertName": "xxxxx.com", "Status": "success", "CertType": "free", "CertDomainName": "xxxxx.com",
"CertExpireTime": "2022-12-13T16:00:00Z"}]},
"point": {"tags": {"name": "xxxxx.com", "CdnType": "web", "DomainName": "xxxxx.com", "DomainStatus": "online",
"SslProtocol": "on", "CertName": "xxxxx.com", "Status": "success", "CertType": "free", "CertDomainName": "xxxxx.com"},
"fields": {"CertExpireTime": "2022-12-13T16:00:00Z", "GmtCreated": "2022-12-13T16:00:00Z", "message": "{…}"}}}"#,
    ..ObjectCollector::DECLARED
};
