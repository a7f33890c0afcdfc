//! ECS (API 2014-05-26).

use super::estate::AliyunProduct::Ecs;
use super::parameters::{Parameters, position};
use super::{Context, Refusal, page_by_token, refuse};
use serde_json::{Value, json};

/// Ids of one request.
const IDS: usize = 100;

pub(super) fn answer(context: &Context<'_>, parameters: &mut Parameters) -> Result<Value, Refusal> {
    match context.action {
        "DescribeRegions" => {
            let regions: Vec<Value> = context
                .estate()
                .regions()
                .iter()
                .map(|region| json!({ "RegionId": region, "RegionEndpoint": format!("ecs.{region}.aliyuncs.com"), "LocalName": region }))
                .collect();
            Ok(json!({ "Regions": { "Region": regions } }))
        }
        "DescribeInstances" => instances(context, parameters),
        "DescribeDisks" => {
            let region = context.region(parameters)?;
            let all = context.estate().disks(&region);
            by_token(context, parameters, all, 500, ("Disks", "Disk"))
        }
        "DescribeNetworkInterfaces" => {
            let region = context.region(parameters)?;
            let all = context.estate().interfaces(&region);
            by_token(context, parameters, all, 500, ("NetworkInterfaceSets", "NetworkInterfaceSet"))
        }
        "DescribeInstancesFullStatus" => full_status(context, parameters),
        _ => auto_renew(context, parameters),
    }
}

fn instances(context: &Context<'_>, parameters: &mut Parameters) -> Result<Value, Refusal> {
    let region = context.region(parameters)?;
    let wanted = parameters.text("InstanceIds").map(|text| serde_json::from_str::<Vec<String>>(&text));
    let wanted = wanted.transpose().map_err(|_| {
        refuse(400, "InvalidParameter.InstanceIds", "InstanceIds must be a JSON list of texts.")
    })?;
    if wanted.as_ref().is_some_and(|ids| ids.len() > IDS) {
        return Err(refuse(403, "InstanceIdLimitExceeded", "At most 100 ids are taken."));
    }
    let all: Vec<Value> = context
        .estate()
        .of(Ecs, &region)
        .filter(|object| wanted.as_ref().is_none_or(|ids| ids.contains(&object.id)))
        .map(|object| object.item.clone())
        .collect();
    by_token(context, parameters, all, 100, ("Instances", "Instance"))
}

/// Lists by tokens; by numbers where no token's parameters are there, as older clients ask.
fn by_token(
    context: &Context<'_>,
    parameters: &mut Parameters,
    all: Vec<Value>,
    most: i64,
    (wrapper, name): (&str, &str),
) -> Result<Value, Refusal> {
    let size = parameters.number("MaxResults", i64::MIN..=i64::MAX, 0)?;
    if size == 0 && parameters.text("NextToken").is_none() {
        let page = parameters.page(1..=100, 10)?;
        return Ok(json!({
            wrapper: { name: page.of(&all) }, "TotalCount": all.len(), "PageNumber": page.number, "PageSize": page.size, "NextToken": "",
        }));
    }
    // Out of range is not refused, but brought into it.
    let size = if size == 0 { 10 } else { size.clamp(10, most) };
    let later = parameters.text("NextToken").is_some();
    let (page, next) = page_by_token(context, parameters, &all, position(size))?;
    // With a token given, the documents call the count invalid: here it is.
    let total = if later { 0 } else { all.len() };
    Ok(
        json!({ wrapper: { name: page }, "TotalCount": total, "PageSize": size, "PageNumber": 1, "NextToken": next }),
    )
}

fn full_status(context: &Context<'_>, parameters: &mut Parameters) -> Result<Value, Refusal> {
    let region = context.region(parameters)?;
    let page = parameters.page(1..=100, 10)?;
    let all: Vec<Value> = context
        .estate()
        .of(Ecs, &region)
        .map(|object| object.details["instances_full_status"].clone())
        .collect();
    Ok(json!({
        "InstanceFullStatusSet": { "InstanceFullStatusType": page.of(&all) }, "TotalCount": all.len(), "PageNumber": page.number, "PageSize": page.size,
    }))
}

fn auto_renew(context: &Context<'_>, parameters: &mut Parameters) -> Result<Value, Refusal> {
    let region = context.region(parameters)?;
    let page = parameters.page(1..=100, 10)?;
    let (ids, status) = (parameters.text("InstanceId"), parameters.text("RenewalStatus"));
    let estate = context.estate();
    let all: Vec<Value> = match (ids, status) {
        (None, None) => {
            let message = "RenewalStatus and InstanceId cannot both be empty.";
            return Err(refuse(403, "InvalidParameter.RenewalStatusInstanceId", message));
        }
        (None, Some(status)) => estate
            .of(Ecs, &region)
            .filter_map(|object| object.details.get("instance_renew_attribute"))
            .filter(|attribute| attribute["RenewalStatus"] == status)
            .cloned()
            .collect(),
        (Some(ids), _) => {
            let ids: Vec<&str> = ids.split(',').collect();
            if ids.len() > IDS {
                return Err(refuse(
                    403,
                    "InvalidParameter.ToManyInstanceIds",
                    "The number of ids should be less than 100.",
                ));
            }
            let mut all = Vec::new();
            for id in ids {
                let object =
                    estate.find(Ecs, id).filter(|object| object.region == region).ok_or_else(|| {
                        refuse(
                            403,
                            "InvalidParameter.InvalidInstanceId",
                            "The specified InstanceId is invalid.",
                        )
                    })?;
                // One that is paid as it goes refuses the call for all.
                let attribute = object.details.get("instance_renew_attribute").ok_or_else(|| {
                    refuse(
                        403,
                        "ChargeTypeViolation",
                        "Pay-As-You-Go instances do not support this operation.",
                    )
                })?;
                all.push(attribute.clone());
            }
            all
        }
    };
    Ok(json!({
        "InstanceRenewAttributes": { "InstanceRenewAttribute": page.of(&all) }, "TotalCount": all.len(), "PageNumber": page.number, "PageSize": page.size,
    }))
}
