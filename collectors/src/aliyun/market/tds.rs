//! `guance_aliyun_tds`: the Security Center (DescribeVersionConfig, 2018-12-03).

use super::*;

static API: Rpc = Rpc { version: "2018-12-03" };
static LIST: Action = listing("sas", "DescribeVersionConfig", "yundun-sas:DescribeVersionConfig");

/// The collector.
pub static TDS: ObjectCollector = ObjectCollector {
    description: Description {
        package: "guance_aliyun_tds",
        name: "aliyun_tds",
        measurement: "aliyun_tds",
        title: "Alibaba Cloud Security Center edition",
        title_zh: "阿里云云安全中心",
        actions: &[&LIST, &ASSUME_ROLE],
        configuration: &[],
        tags: &[
            name("InstanceId"),
            tag("InstanceId", "the instance's id"),
            tag("Version", "1 basic, 3 enterprise, 5 advanced, 6 anti-virus"),
        ],
        fields: &[
            field("ReleaseTime", Type::Integer, "when it ends, milliseconds since 1970"),
            field("IsTrialVersion", Type::Integer, "1: on trial"),
            field("MVAuthCount", Type::Integer, "licences of the multi-version edition"),
            field("AssetLevel", Type::Integer, "how many servers the edition covers"),
            field("IsOverBalance", Type::Boolean, "more servers than the edition covers"),
            field("SlsCapacity", Type::Integer, "GB of logs"),
            MESSAGE,
        ],
        notes: &[
            "One object for an account; the free edition has no instance, and is none.",
            "The host is that of the China site, `tds.cn-shanghai.aliyuncs.com`; accounts of the international site write `endpoint: #{ sas: \"https://tds.ap-southeast-1.aliyuncs.com\" }` into the account.",
        ],
        ..OBJECTS
    },
    scope: Scope::Central("cn-shanghai"),
    list: List { request: request(&API, &LIST), paging: Paging::Whole, items: "", id: "InstanceId" },
    skip: Some(Skip {
        path: "InstanceId",
        values: &[""],
        others: false,
        note: "answer says that the account has the free edition alone, which has no instance: there is nothing to report",
    }),
    sample: r#"{
"item": {"InstanceId": "sas-xxxx", "Version": 3, "ReleaseTime": 1668182400000, "IsTrialVersion": 0, "MVAuthCount": 0,
"AssetLevel": 66, "IsOverBalance": false, "SlsCapacity": 1540},
"point": {"tags": {"name": "sas-xxxx", "InstanceId": "sas-xxxx", "Version": "3"}, "fields": {"ReleaseTime": 1668182400000,
"IsTrialVersion": 0, "MVAuthCount": 0, "AssetLevel": 66, "IsOverBalance": false, "SlsCapacity": 1540,
"message": "{…}"}}}"#,
    ..ObjectCollector::DECLARED
};
