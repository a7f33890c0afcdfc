//! `guance_aliyun_polardbx_1`: PolarDB-X 1.0 instances (DescribeDrdsInstances, 2019-01-23).

use super::*;

static API: Rpc = Rpc { version: "2019-01-23" };
static LIST: Action = listing("drds", "DescribeDrdsInstances", "drds:DescribeDrdsInstances");

/// The collector.
pub static POLARDBX_1: ObjectCollector = ObjectCollector {
    description: Description {
        package: "guance_aliyun_polardbx_1",
        name: "aliyun_polardbx_1",
        measurement: "aliyun_polardbx_1",
        title: "Alibaba Cloud PolarDB-X 1.0 instances",
        title_zh: "阿里云 PolarDB-X 1.0 实例",
        actions: &[&LIST, &ASSUME_ROLE],
        tags: &[
            name("DrdsInstanceId"),
            tag("DrdsInstanceId", "the instance's id"),
            tag("Description", "its description"),
            tag("RegionId", "the region"),
            tag("NetworkType", "its network"),
            tag("OrderInstanceId", "the instance that was ordered"),
            tag("ProductVersion", "`V1`"),
            tag("Status", "its state"),
            tag("Type", "its kind"),
        ],
        fields: &[MESSAGE],
        ..OBJECTS
    },
    list: List {
        request: Request { region: Some("RegionId"), ..request(&API, &LIST) },
        paging: numbers("PageNumber", "PageSize", 50, "Total"),
        items: "Instances.Instance",
        id: "DrdsInstanceId",
    },
    sample: r#"{
"item": {"DrdsInstanceId": "drdshbgaxxxx", "Description": "test", "RegionId": "cn-hangzhou", "NetworkType": "CLASSIC",
"OrderInstanceId": "drdshbgaxxxx", "ProductVersion": "V1", "Status": "RUN", "Type": "PRIVATE"},
"point": {"tags": {"name": "drdshbgaxxxx", "DrdsInstanceId": "drdshbgaxxxx", "Description": "test", "RegionId": "cn-hangzhou",
"NetworkType": "CLASSIC", "OrderInstanceId": "drdshbgaxxxx", "ProductVersion": "V1", "Status": "RUN",
"Type": "PRIVATE"}, "fields": {}}}"#,
    ..ObjectCollector::DECLARED
};
