//! `guance_aliyun_rocketmq4`: RocketMQ 4.0 instances (OnsInstanceInServiceList, 2019-02-14).

use super::*;

static API: Rpc = Rpc { version: "2019-02-14" };
// Both calls have this one, as their references say.
static LIST: Action = listing("ons", "OnsInstanceInServiceList", "mq:QueryInstanceBaseInfo");
static BASE_OF: Action = asking("ons", "OnsInstanceBaseInfo", "mq:QueryInstanceBaseInfo");

/// Released since it was listed.
const GONE: &[&str] = &["InvalidParameter.Instance", "INSTANCE_NOT_FOUND"];

static DETAIL: Detail =
    detail("base", request(&API, &BASE_OF), ("InstanceId", "InstanceId"), "InstanceBaseInfo", GONE);

/// The collector.
pub static ROCKETMQ4: ObjectCollector = ObjectCollector {
    description: Description {
        package: "guance_aliyun_rocketmq4",
        name: "aliyun_rocketmq4",
        measurement: "aliyun_rocketmq",
        title: "Alibaba Cloud RocketMQ 4.0 instances",
        title_zh: "阿里云 RocketMQ 4.0 实例",
        actions: &[&LIST, &BASE_OF, &ASSUME_ROLE],
        tags: &[
            name("InstanceId"),
            tag("InstanceId", "the instance's id"),
            tag_of(
                "InstanceName",
                Source::First(&[Source::Detail("base", "0.InstanceName"), Source::Path("InstanceName")]),
                "its name",
            ),
            tag("InstanceStatus", "5 running, 7 upgrading and so on"),
            tag("InstanceType", "1 standard, 2 platinum"),
            tag_of(
                "spInstanceType",
                Source::Detail("base", "0.spInstanceType"),
                "its kind within its edition",
            ),
            tag_of(
                "IndependentNaming",
                Source::Mapped(&Source::Path("IndependentNaming"), PYTHON),
                "`True`: it has a name space of its own",
            ),
        ],
        fields: &[
            field_of("Remark", Type::Text, Source::Detail("base", "0.Remark"), "a remark"),
            field("CreateTime", Type::Text, "when it was made, milliseconds since 1970"),
            field_of("Endpoints", Type::Json, Source::Detail("base", "0.Endpoints"), "where it answers"),
            field_of(
                "message",
                Type::Json,
                Source::First(&[Source::Detail("base", "0"), Source::Item]),
                "all that `OnsInstanceBaseInfo` says of it; where that is denied, the list",
            ),
        ],
        notes: &[
            "The references name `mq:QueryInstanceBaseInfo` for both calls: without it instances with a name space of their own are not shown, and nothing says so. Older pages name `mq:OnsInstanceInServiceList` and `mq:OnsInstanceBaseInfo`.",
        ],
        ..OBJECTS
    },
    list: List {
        request: request(&API, &LIST),
        paging: Paging::Whole,
        items: "Data.InstanceVO",
        id: "InstanceId",
    },
    details: &[&DETAIL],
    sample: r#"{
"item": {"InstanceId": "MQ_INST_xxxx", "InstanceName": "test", "InstanceStatus": 5, "InstanceType": 1,
"IndependentNaming": true, "CreateTime": 1692163416000},
"details": {"base": [{"InstanceId": "MQ_INST_xxxx", "InstanceName": "test", "InstanceStatus": 5, "InstanceType": 1,
"spInstanceType": 1, "spInstanceId": "", "IndependentNaming": true, "Remark": "test", "CreateTime": "1692163416000",
"Endpoints": {"HttpInternalEndpoint": "x"}}]},
"point": {"tags": {"name": "MQ_INST_xxxx", "InstanceId": "MQ_INST_xxxx", "InstanceName": "test", "InstanceStatus": "5",
"InstanceType": "1", "spInstanceType": "1", "IndependentNaming": "True"}, "fields": {"Remark": "test",
"CreateTime": "1692163416000", "Endpoints": "{\"HttpInternalEndpoint\": \"x\"}", "message": "{…}"}}}"#,
    ..ObjectCollector::DECLARED
};
