//! RDS (API 2014-08-15).

use super::estate::AliyunProduct::Rds;
use super::parameters::Parameters;
use super::{Context, Refusal, page_by_token, refuse};
use serde_json::{Value, json};

pub(super) fn answer(context: &Context<'_>, parameters: &mut Parameters) -> Result<Value, Refusal> {
    match context.action {
        "DescribeDBInstances" => instances(context, parameters),
        "DescribeDBInstanceAttribute" => {
            let attribute = detail(context, parameters, "attribute")?;
            Ok(json!({ "Items": { "DBInstanceAttribute": [attribute] } }))
        }
        "DescribeDBInstanceNetInfo" => {
            let addresses = detail(context, parameters, "net_info")?;
            Ok(
                json!({ "InstanceNetworkType": "VPC", "SecurityIPMode": "normal", "DBInstanceNetInfos": { "DBInstanceNetInfo": addresses } }),
            )
        }
        "DescribeResourceUsage" => {
            parameters.text("ResourceGroupId");
            detail(context, parameters, "usage")
        }
        "DescribeAccounts" => {
            let page = parameters.page(30..=200, 30)?;
            parameters.text("AccountName");
            let all = detail(context, parameters, "accounts")?;
            let all = all.as_array().cloned().unwrap_or_default();
            Ok(
                json!({ "Accounts": { "DBInstanceAccount": page.of(&all) }, "PageNumber": page.number, "TotalRecordCount": all.len() }),
            )
        }
        "DescribeDatabases" => {
            let page = parameters.page(1..=100, 30)?;
            if ![30, 50, 100].contains(&page.size) {
                return Err(refuse(400, "InvalidPageSize", "PageSize must be 30, 50 or 100."));
            }
            parameters.text("DBName");
            parameters.text("DBStatus");
            let all = detail(context, parameters, "databases")?;
            let all = all.as_array().cloned().unwrap_or_default();
            // No count, no number of the page.
            Ok(json!({ "Databases": { "Database": page.of(&all) } }))
        }
        _ => detail(context, parameters, "ssl"),
    }
}

fn instances(context: &Context<'_>, parameters: &mut Parameters) -> Result<Value, Refusal> {
    let region = context.region(parameters)?;
    let all: Vec<Value> = context.estate().of(Rds, &region).map(|object| object.item.clone()).collect();
    let tokens = parameters.number("MaxResults", 1..=100, 0)?;
    if tokens > 0 || parameters.text("NextToken").is_some() {
        let size = if tokens > 0 { tokens } else { 30 };
        let (page, next) = page_by_token(context, parameters, &all, super::parameters::position(size))?;
        return Ok(
            json!({ "Items": { "DBInstance": page }, "PageRecordCount": size, "TotalRecordCount": all.len(), "NextToken": next }),
        );
    }
    let page = parameters.page(1..=100, 30)?;
    let items = page.of(&all);
    let count = items.len();
    // A token comes though pages are asked for by number, and though nothing follows.
    Ok(json!({
        "Items": { "DBInstance": items }, "PageNumber": page.number, "PageRecordCount": count, "TotalRecordCount": all.len(), "NextToken": "o7PORW52PYRg8NUW9EJ7Yw",
    }))
}

fn detail(context: &Context<'_>, parameters: &mut Parameters, name: &'static str) -> Result<Value, Refusal> {
    let id = parameters.required("DBInstanceId")?;
    let estate = context.estate();
    let object = estate.find(Rds, &id).ok_or_else(|| {
        refuse(404, "InvalidDBInstanceId.NotFound", "The specified DB instance is not found.")
    })?;
    if let Some((status, code)) = object.refused.get(name) {
        return Err(refuse(
            *status,
            *code,
            "The instance engine, type or state does not support operations.",
        ));
    }
    Ok(object.details.get(name).cloned().unwrap_or_else(|| json!({})))
}
