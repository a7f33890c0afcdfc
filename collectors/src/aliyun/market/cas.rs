//! `guance_aliyun_cas`: certificates (ListUserCertificateOrder, 2020-04-07).

use super::*;

static API: Rpc = Rpc { version: "2020-04-07" };
static LIST: Action = listing("cas", "ListUserCertificateOrder", "yundun-cert:ListUserCertificateOrder");

/// The collector.
pub static CAS: ObjectCollector = ObjectCollector {
    description: Description {
        package: "guance_aliyun_cas",
        name: "aliyun_cas",
        measurement: "aliyun_cas",
        title: "Alibaba Cloud certificates",
        title_zh: "阿里云 SSL 证书",
        actions: &[&LIST, &ASSUME_ROLE],
        configuration: &[],
        tags: &[name("Name"), tag_at("id", "CertificateId", "the certificate's id")],
        fields: &[
            field_of(
                "buyInAliyun",
                Type::Boolean,
                Source::Mapped(&Source::Path("Upload"), &[("true", "false"), ("false", "true")]),
                "was it bought here",
            ),
            field_of("endDate", Type::Text, Source::Path("EndDate"), "when it ends"),
            field_of("expired", Type::Boolean, Source::Path("Expired"), "has it ended"),
            field_of("sans", Type::Text, Source::Path("Sans"), "the names that it covers"),
            field_of("startDate", Type::Text, Source::Path("StartDate"), "when it begins"),
            MESSAGE,
        ],
        notes: &[
            "Certificates that were issued here and those that were uploaded; expired ones too (`expired`), revoked ones not: the API has those as orders alone.",
            "Where several certificates have one name, the oldest (the one of the least id) keeps it, and the others are called by their ids.",
        ],
        ..OBJECTS
    },
    scope: Scope::Central(""),
    list: List {
        // Issued here and uploaded ones alike.
        request: Request { parameters: &[("OrderType", "CERT")], ..request(&API, &LIST) },
        paging: numbers("CurrentPage", "ShowSize", 50, "TotalCount"),
        items: "CertificateOrderList",
        id: "CertificateId",
    },
    // Without it those that have expired are not listed. In the order in which a certificate passes through them: one that moves on meanwhile is seen.
    variants: Some(("Status", &["ISSUED", "WILLEXPIRED", "EXPIRED"])),
    shared_names: true,
    sample: r#"{
"item": {"Upload": true, "Name": "2022-jixxx-com", "CertificateId": "6397xxx", "EndDate": "2022-10-08", "Expired": false,
"Sans": "*.jixx.com,jixx.com", "StartDate": "2021-10-08"},
"point": {"tags": {"name": "2022-jixxx-com", "id": "6397xxx"}, "fields": {"buyInAliyun": false, "endDate": "2022-10-08",
"expired": false, "sans": "*.jixx.com,jixx.com", "startDate": "2021-10-08", "message": "{…}"}}}"#,
    ..ObjectCollector::DECLARED
};
