//! `guance_aliyun_dts`: Data Transmission jobs (DescribeDtsJobs, 2020-01-01).

use super::*;

static API: Rpc = Rpc { version: "2020-01-01" };
static LIST: Action = listing("dts", "DescribeDtsJobs", "dts:DescribeDtsJobs");

/// The collector.
pub static DTS: ObjectCollector = ObjectCollector {
    description: Description {
        package: "guance_aliyun_dts",
        name: "aliyun_dts",
        measurement: "aliyun_dts",
        title: "Alibaba Cloud Data Transmission jobs",
        title_zh: "阿里云数据传输 DTS 任务",
        actions: &[&LIST, &ASSUME_ROLE],
        tags: &[
            name("DtsInstanceID"),
            tag("DtsInstanceID", "the instance's id"),
            tag("JobType", "the kind of its job"),
            tag("PayType", "how it is paid for"),
            REGION,
            tag("Status", "its state"),
        ],
        fields: &[field("CreateTime", Type::Text, "when it was made"), MESSAGE],
        notes: &["Jobs that share an instance are one object: the first that is listed."],
        ..OBJECTS
    },
    list: List {
        request: Request { region: Some("Region"), ..request(&API, &LIST) },
        paging: numbers_of("PageNumber", "PageSize", &[10, 20, 30], "TotalRecordCount"),
        items: "DtsJobList",
        id: "DtsInstanceID",
    },
    apart: "DtsJobId",
    variants: Some(("JobType", &["MIGRATION", "SYNC", "SUBSCRIBE"])),
    sample: r#"{
"item": {"DtsInstanceID": "dtsy4is3g56xxxxx", "JobType": "online", "PayType": "PostPaid", "Status": "Finished",
"CreateTime": "2022-03-23T09:48:12Z"},
"point": {"tags": {"name": "dtsy4is3g56xxxxx", "DtsInstanceID": "dtsy4is3g56xxxxx", "JobType": "online", "PayType": "PostPaid",
"RegionId": "cn-hangzhou", "Status": "Finished"}, "fields": {"CreateTime": "2022-03-23T09:48:12Z", "message": "{…}"}}}"#,
    ..ObjectCollector::DECLARED
};
