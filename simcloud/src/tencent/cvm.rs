//! CVM: instances (API 2017-03-12).

use super::estate::{Estate, TencentInstance};
use super::{Context, Parameters, Refusal, refuse};
use serde_json::{Value, json};

pub(super) fn answer(context: &Context<'_>, parameters: &Parameters) -> Result<Value, Refusal> {
    match context.action {
        "DescribeInstances" => {
            parameters.only(&["InstanceIds", "Filters", "Offset", "Limit"])?;
            instances(context, parameters)
        }
        _ => Err(context.no_such_action()),
    }
}

fn instances(context: &Context<'_>, parameters: &Parameters) -> Result<Value, Refusal> {
    let limit = parameters.number("Limit")?.unwrap_or(20);
    let offset = parameters.number("Offset")?.unwrap_or(0);
    if !(1..=100).contains(&limit) {
        return Err(refuse("InvalidParameterValue.LimitExceeded", format!("Limit is {limit}: 1 to 100")));
    }
    if offset < 0 {
        return Err(refuse("InvalidParameterValue.Range", format!("Offset is {offset}")));
    }
    let ids = parameters.texts("InstanceIds")?;
    let filters = filters(parameters)?;
    if ids.is_some() && !filters.is_empty() {
        return Err(refuse("InvalidParameterCombination", "InstanceIds and Filters cannot stand together"));
    }
    if ids.as_ref().is_some_and(|ids| ids.len() > 100) {
        return Err(refuse("InvalidParameterValue.LimitExceeded", "at most 100 InstanceIds"));
    }
    let estate = context.tencent.estate();
    let all = estate.instances(context.region);
    if let Some(missing) = ids.iter().flatten().find(|id| !all.iter().any(|instance| instance.id == ***id)) {
        return Err(refuse("InvalidInstanceId.NotFound", format!("the instance `{missing}` does not exist")));
    }
    let found: Vec<&TencentInstance> = all
        .iter()
        .filter(|instance| ids.as_ref().is_none_or(|ids| ids.contains(&instance.id)))
        .filter(|instance| {
            filters.iter().all(|(name, values)| {
                let value = match name.as_str() {
                    "zone" => &instance.zone,
                    "instance-state" => &instance.state,
                    "instance-charge-type" => &instance.charge_type,
                    _ => &instance.id,
                };
                values.contains(value)
            })
        })
        .collect();
    let page: Vec<Value> = found
        .iter()
        .skip(usize::try_from(offset).unwrap_or(0))
        .take(usize::try_from(limit).unwrap_or(0))
        .map(|instance| item(instance))
        .collect();
    Ok(json!({ "TotalCount": found.len(), "InstanceSet": page }))
}

fn filters(parameters: &Parameters) -> Result<Vec<(String, Vec<String>)>, Refusal> {
    let Some(list) = parameters.list("Filters")? else { return Ok(Vec::new()) };
    let wrong = || refuse("InvalidFilter", "Filters are Name and Values: at most 10 with 5 values each");
    let mut filters = Vec::new();
    for filter in list {
        let filter = Parameters::of(filter).ok_or_else(wrong)?;
        filter.only(&["Name", "Values"])?;
        let (Some(name), Some(values)) = (filter.text("Name")?, filter.texts("Values")?) else {
            return Err(wrong());
        };
        if !["zone", "instance-state", "instance-charge-type", "instance-id"].contains(&name.as_str())
            || values.len() > 5
        {
            return Err(wrong());
        }
        filters.push((name, values));
    }
    if filters.len() > 10 { Err(wrong()) } else { Ok(filters) }
}

/// An instance as the service writes it, `null` where it has nothing to say.
fn item(instance: &TencentInstance) -> Value {
    let tags: Vec<Value> =
        instance.tags.iter().map(|(key, value)| json!({ "Key": key, "Value": value })).collect();
    let system = instance.id.replace("ins-", "disk-s");
    let data = instance.id.replace("ins-", "disk-d");
    let disks: Vec<Value> = (0..instance.cpu / 2)
        .map(|number| {
            json!({
                "DiskSize": 50, "DiskType": "CLOUD_SSD", "DiskId": format!("{data}{number}"), "DeleteWithInstance": true,
                "SnapshotId": null, "Encrypt": false, "KmsKeyId": null, "ThroughputPerformance": 0, "CdcId": null,
            })
        })
        .collect();
    json!({
        "Placement": { "Zone": instance.zone, "ProjectId": 0, "HostIds": null, "HostId": null },
        "InstanceId": instance.id,
        "InstanceType": instance.instance_type,
        "CPU": instance.cpu,
        "Memory": instance.memory,
        "RestrictState": "NORMAL",
        "InstanceName": instance.name,
        "InstanceChargeType": instance.charge_type,
        "SystemDisk": { "DiskType": "CLOUD_PREMIUM", "DiskId": system, "DiskSize": 50, "CdcId": null },
        "DataDisks": if disks.is_empty() { Value::Null } else { disks.into() },
        "PrivateIpAddresses": [instance.private_ip],
        "PublicIpAddresses": instance.public_ip.as_ref().map(|address| vec![address]),
        "InternetAccessible": {
            "InternetChargeType": "TRAFFIC_POSTPAID_BY_HOUR", "InternetMaxBandwidthOut": 1,
            "PublicIpAssigned": null, "BandwidthPackageId": null,
        },
        "VirtualPrivateCloud": {
            "VpcId": "vpc-m0cnatxj", "SubnetId": "subnet-mv4sn55k", "AsVpcGateway": false,
            "PrivateIpAddresses": null, "Ipv6AddressCount": null,
        },
        "ImageId": "img-8toqc6s3",
        "RenewFlag": instance.expires.as_ref().map(|_| "NOTIFY_AND_MANUAL_RENEW"),
        "CreatedTime": instance.created,
        "ExpiredTime": instance.expires,
        "OsName": instance.system,
        "SecurityGroupIds": ["sg-p1ezv4wz"],
        "LoginSettings": { "Password": null, "KeyIds": null, "KeepImageLogin": null },
        "InstanceState": instance.state,
        "Tags": tags,
        "StopChargingMode": "NOT_APPLICABLE",
        "Uuid": format!("e85f1388-0422-410d-8e50-{:0>12}", instance.id.trim_start_matches("ins-")),
        "LatestOperation": null,
        "LatestOperationState": null,
        "LatestOperationRequestId": null,
        "DisasterRecoverGroupId": "",
        "IPv6Addresses": null,
        "CamRoleName": "",
        "HpcClusterId": "",
        "RdmaIpAddresses": null,
        "DedicatedClusterId": "",
        "IsolatedSource": "NOTISOLATED",
        "GPUInfo": null,
        "LicenseType": null,
        "DisableApiTermination": false,
        "DefaultLoginUser": "root",
        "DefaultLoginPort": 22,
        "LatestOperationErrorMsg": null,
    })
}

/// For tests of the truth alone: what an instance is as JSON.
pub(super) fn truth(estate: &Estate, region: &str, id: &str) -> Option<Value> {
    estate.instances(region).iter().find(|instance| instance.id == id).map(item)
}
