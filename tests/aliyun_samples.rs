//! The published sample points of the Aliyun collectors, key for key, from answers that hold those members; and answers that hold nothing.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use funchost_collectors::aliyun::{ecs::ECS, oss::OSS, rds::RDS, slb::SLB};
use funchost_collectors::objects::{Found, Object, ObjectCollector, point};
use funchost_collectors::point::{Category, Value};
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};

/// What an object is reported as.
fn reported(collector: &ObjectCollector, item: Json, details: &[(&'static str, Json)]) -> Json {
    let mut object = Object::new(item);
    for (name, found) in details {
        object.details.insert(name, Found::Tree(found.clone()));
    }
    let point = point(&collector.description, &"cn-hangzhou".into(), &object, 7);
    assert_eq!((point.category, point.time), (Category::CustomObject, 7));
    let tags: BTreeMap<&str, &str> = point.tags.iter().map(|(key, value)| (&**key, &**value)).collect();
    let fields: BTreeMap<&str, Json> = point
        .fields
        .iter()
        .map(|(key, value)| {
            let value = match value {
                Value::Integer(number) => json!(number),
                Value::Text(text) => json!(**text),
                other => panic!("{key}: no object of Aliyun has {other:?}"),
            };
            (&**key, value)
        })
        .collect();
    assert_eq!(tags.len() + fields.len(), point.tags.len() + point.fields.len(), "a key stands twice");
    json!({ "measurement": *point.measurement, "tags": tags, "fields": fields })
}

#[test]
fn ecs() {
    let item = json!({
        "InstanceId": "i-xxxxx", "HostName": "xxxxx", "InstanceName": "xxxxx", "RegionId": "cn-hangzhou", "ZoneId": "cn-hangzhou-a",
        "InstanceChargeType": "PrePaid", "InternetChargeType": "PayByTraffic", "OSType": "linux", "CreationTime": "2022-01-01T00:00Z",
        "StartTime": "2022-01-02T00:00Z", "ExpiredTime": "2023-01-01T00:00Z", "AutoReleaseTime": "", "PublicIpAddress": { "IpAddress": [] },
        "OperationLocks": { "LockReason": [] },
    });
    let (disks, interfaces) =
        (json!([{ "DiskId": "d-1", "Size": 40 }]), json!([{ "NetworkInterfaceId": "eni-1" }]));
    let details = [("disks", disks.clone()), ("network_interfaces", interfaces.clone())];
    assert_eq!(
        reported(&ECS, item.clone(), &details),
        json!({
            "measurement": "aliyun_ecs",
            "tags": {
                "name": "i-xxxxx", "HostName": "xxxxx", "InstanceName": "xxxxx", "InstanceId": "i-xxxxx", "RegionId": "cn-hangzhou",
                "ZoneId": "cn-hangzhou-a", "InstanceChargeType": "PrePaid", "InternetChargeType": "PayByTraffic", "OSType": "linux",
            },
            "fields": {
                "CreationTime": "2022-01-01T00:00Z", "StartTime": "2022-01-02T00:00Z", "ExpiredTime": "2023-01-01T00:00Z",
                "disks": disks.to_string(), "network_interfaces": interfaces.to_string(), "message": item.to_string(),
            },
        })
    );
    // The newer keys; numbers are text.
    let newer = json!({
        "InstanceId": "i-1", "PublicIpAddress": { "IpAddress": ["203.0.113.7", "203.0.113.8"] }, "InstanceType": "ecs.g7.large",
        "InstanceTypeFamily": "ecs.g7", "Status": "Running", "Memory": 8192, "Cpu": 2.0, "InternetMaxBandwidthOut": "5",
        "AutoReleaseTime": "2030-01-01T00:00Z", "OperationLocks": { "LockReason": [{ "LockReason": "security" }] },
    });
    let details = [
        ("instance_renew_attribute", json!({ "AutoRenewEnabled": false })),
        ("instances_full_status", json!({ "Status": { "Name": "Running" } })),
    ];
    let found = reported(&ECS, newer.clone(), &details);
    assert_eq!(
        found["tags"],
        json!({
            "name": "i-1", "InstanceId": "i-1", "PublicIpAddress_IpAddress": "203.0.113.7", "InstanceType": "ecs.g7.large",
            "InstanceTypeFamily": "ecs.g7", "Status": "Running",
        })
    );
    assert_eq!(
        found["fields"],
        json!({
            "Memory": "8192", "Cpu": "2", "InternetMaxBandwidthOut": "5", "AutoReleaseTime": "2030-01-01T00:00Z",
            "OperationLocks": r#"[{"LockReason":"security"}]"#, "instance_renew_attribute": r#"{"AutoRenewEnabled":false}"#,
            "instances_full_status": r#"{"Status":{"Name":"Running"}}"#, "message": newer.to_string(),
        })
    );
}

#[test]
fn rds() {
    let item = json!({
        "DBInstanceId": "rm-xxxxx", "DBInstanceType": "Primary", "PayType": "Prepaid", "Engine": "MySQL", "DBInstanceClass": "rds.mysql.s2.large",
        "ZoneId": "cn-shanghai-h", "RegionId": "cn-shanghai", "DBInstanceDescription": "业务系统", "LockMode": "Unlock",
        "ConnectionMode": "Standard", "DBInstanceNetType": "Intranet", "CreateTime": "2022-12-13T16:00Z", "ExpireTime": "2022-12-13T16:00:00Z",
    });
    let (network, accounts, databases) = (
        json!([{ "IPType": "Private" }]),
        json!([{ "AccountName": "root" }]),
        json!([{ "DBName": "orders" }]),
    );
    let details = [
        // What the list says wins; what it does not say comes from here.
        (
            "attribute",
            json!([{ "Category": "Basic", "DBInstanceStorage": 100, "CreationTime": "2022-12-13T16:00:00Z", "Engine": "other" }]),
        ),
        ("usage", json!({ "DiskUsed": 10000, "BackupSize": 10000, "LogSize": "10000" })),
        ("net_info", network.clone()),
        ("accounts", accounts.clone()),
        ("databases", databases.clone()),
        ("ssl", json!({ "SSLExpireTime": "2022-10-11T08:16:43Z" })),
    ];
    assert_eq!(
        reported(&RDS, item.clone(), &details),
        json!({
            "measurement": "aliyun_rds",
            "tags": {
                "name": "rm-xxxxx", "DBInstanceType": "Primary", "PayType": "Prepaid", "Engine": "MySQL", "DBInstanceClass": "rds.mysql.s2.large",
                "DBInstanceId": "rm-xxxxx", "ZoneId": "cn-shanghai-h", "RegionId": "cn-shanghai", "DBInstanceDescription": "业务系统",
                "LockMode": "Unlock", "Category": "Basic", "ConnectionMode": "Standard", "DBInstanceNetType": "Intranet",
            },
            "fields": {
                "CreationTime": "2022-12-13T16:00:00Z", "ExpireTime": "2022-12-13T16:00:00Z", "DiskUsed": "10000", "BackupSize": "10000",
                "LogSize": "10000", "ConnectionString": network.to_string(), "DBInstanceStorage": "100", "accounts": accounts.to_string(),
                "databases": databases.to_string(), "SSLExpireTime": "2022-10-11T08:16:43Z", "message": item.to_string(),
            },
        })
    );
    let newer = json!({ "DBInstanceId": "rm-1", "DBInstanceStorageType": "cloud_essd", "CreateTime": "2022-02-02T22:06Z", "ExpireTime": "" });
    let usage = [("usage", json!({ "BackupLogSize": 1, "BackupDataSize": 0 }))];
    let found = reported(&RDS, newer.clone(), &usage);
    assert_eq!(
        found["tags"],
        json!({ "name": "rm-1", "DBInstanceId": "rm-1", "DBInstanceStorageType": "cloud_essd" })
    );
    assert_eq!(
        found["fields"],
        json!({ "BackupLogSize": "1", "BackupDataSize": "0", "CreationTime": "2022-02-02T22:06Z", "message": newer.to_string() })
    );
}

#[test]
fn slb() {
    let item = json!({
        "LoadBalancerId": "lb.xxxxxxxx", "RegionId": "cn-shanghai", "SlaveZoneId": "cn-shanghai-i", "MasterZoneId": "cn-shanghai",
        "Address": "172.xxx.xxx.xxx", "PayType": "PayOnDemand", "InternetChargeType": "4", "InternetChargeTypeAlias": "paybytraffic",
        "LoadBalancerName": "业务系统",
        // Wall time of UTC+8 with a false Z; only the stamp is right.
        "CreateTime": "2020-11-18T16:47Z", "CreateTimeStamp": 1_605_689_231_000_i64,
    });
    let listeners = json!([{ "ListenerPort": 80, "ListenerProtocol": "http" }]);
    let attribute =
        json!({ "ListenerPortsAndProtocol": { "ListenerPortAndProtocol": listeners }, "Bandwidth": 5120 });
    assert_eq!(
        reported(&SLB, item.clone(), &[("attribute", attribute)]),
        json!({
            "measurement": "aliyun_slb",
            "tags": {
                "name": "lb.xxxxxxxx", "LoadBalancerId": "lb.xxxxxxxx", "RegionId": "cn-shanghai", "SlaveZoneId": "cn-shanghai-i",
                "MasterZoneId": "cn-shanghai", "Address": "172.xxx.xxx.xxx", "PayType": "PayOnDemand", "InternetChargeType": "paybytraffic",
                "LoadBalancerName": "业务系统",
            },
            "fields": {
                "CreateTime": "2020-11-18T08:47:11Z", "ListenerPortsAndProtocol": listeners.to_string(), "Bandwidth": "5120",
                "message": item.to_string(),
            },
        })
    );
    let newer = json!({
        "LoadBalancerId": "lb-1", "LoadBalancerStatus": "active", "AddressType": "intranet", "NetworkType": "vpc", "Bandwidth": 10,
    });
    let attribute = json!({ "AutoReleaseTime": 1_513_947_075_000_i64, "RenewalStatus": "NotRenewal", "EndTimeStamp": "32493801600000" });
    let (health, certificates) =
        (json!([{ "ServerHealthStatus": "normal" }]), json!([{ "ServerCertificateId": "c" }]));
    let details =
        [("attribute", attribute), ("health", health.clone()), ("certificates", certificates.clone())];
    let found = reported(&SLB, newer.clone(), &details);
    assert_eq!(
        found["tags"],
        json!({
            "name": "lb-1", "LoadBalancerId": "lb-1", "LoadBalancerStatus": "active", "AutoReleaseTime": "1513947075000",
            "RenewalStatus": "NotRenewal", "AddressType": "intranet", "NetworkType": "vpc",
        })
    );
    assert_eq!(
        found["fields"],
        json!({
            "ServerHealthStatus": health.to_string(), "ServerCertificates": certificates.to_string(), "EndTimeStamp": "32493801600000",
            "Bandwidth": "10", "message": newer.to_string(),
        })
    );
}

#[test]
fn oss() {
    let item = json!({
        "Name": "ack-backup-hangzhou", "Location": "oss-cn-hangzhou", "Region": "cn-hangzhou", "StorageClass": "IA",
        "CreationDate": "2021-12-02T03:24:42.000Z", "ExtranetEndpoint": "oss-cn-hangzhou.aliyuncs.com",
        "IntranetEndpoint": "oss-cn-hangzhou-internal.aliyuncs.com",
    });
    let bucket = json!({ "Name": "ack-backup-hangzhou", "AccessControlList": { "Grant": "private" } });
    let info = json!({ "Bucket": bucket });
    let sample = |message: &Json| {
        json!({
            "measurement": "aliyun_oss",
            "tags": {
                "name": "ack-backup-hangzhou", "RegionId": "oss-cn-hangzhou", "storage_class": "IA", "location": "oss-cn-hangzhou",
                "grant": "private",
            },
            "fields": {
                "extranet_endpoint": "oss-cn-hangzhou.aliyuncs.com", "intranet_endpoint": "oss-cn-hangzhou-internal.aliyuncs.com",
                "creation_date": 1_638_415_482, "message": message.to_string(),
            },
        })
    };
    assert_eq!(reported(&OSS, item.clone(), &[("info", info)]), sample(&bucket));
    // Without the permission for it: the bucket, but for its grant.
    let mut denied = sample(&item);
    denied["tags"].as_object_mut().unwrap().remove("grant");
    assert_eq!(reported(&OSS, item, &[]), denied);
}

#[test]
fn what_the_api_does_not_return_is_left_out() {
    for (collector, id) in
        [(&ECS, "InstanceId"), (&RDS, "DBInstanceId"), (&SLB, "LoadBalancerId"), (&OSS, "Name")]
    {
        let found = reported(
            collector,
            json!({ id: "x", "Description": null, "ZoneId": "", "PublicIpAddress": {} }),
            &[],
        );
        let tags: BTreeSet<&String> = found["tags"].as_object().unwrap().keys().collect();
        assert!(tags.iter().all(|key| [id, "name"].contains(&key.as_str())), "{found}");
        assert_eq!(found["fields"].as_object().unwrap().keys().collect::<Vec<_>>(), ["message"], "{found}");
    }
}

/// Every call that a declaration makes is among those that it names: permissions, limits and pages come from there.
#[test]
fn every_call_is_described() {
    for collector in [&ECS, &RDS, &SLB, &OSS] {
        let described: BTreeSet<&str> =
            collector.description.actions.iter().map(|action| action.action).collect();
        let made = collector
            .details
            .iter()
            .map(|detail| detail.list().request.action)
            .chain([collector.list.request.action]);
        let made: BTreeSet<&str> = made.map(|action| action.action).chain(["AssumeRole"]).collect();
        assert_eq!(described, made, "{}", collector.description.name);
    }
}
