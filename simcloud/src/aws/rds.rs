//! RDS: `DescribeDBInstances` (API 2014-10-31).
//!
//! Owns the XML of a database and its pages by `Marker`. Follows the RDS API Reference.

use super::{Context, Refusal, read_token, refuse, token, xml_escape};
use crate::clock::time;
use crate::faults::FaultKind;
use crate::server::Reply;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use xxhash_rust::xxh3::xxh3_64;

/// A database as it exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseTruth {
    /// `DBInstanceIdentifier`.
    pub id: String,
    /// `mysql` or `postgres`.
    pub engine: String,
    /// `db.t3.medium`.
    pub class: String,
    /// `available` or `stopped`.
    pub status: String,
    /// GiB.
    pub storage: u32,
}

/// The databases of a region, the same in every run.
pub(super) fn databases(region: &str, count: usize) -> Vec<DatabaseTruth> {
    let named = ["orders", "users", "reports"];
    (0..count)
        .map(|index| DatabaseTruth {
            id: named.get(index).map_or_else(|| format!("db-{index:04}"), |name| (*name).to_owned()),
            engine: if index % 2 == 0 { "mysql" } else { "postgres" }.to_owned(),
            class: if region.starts_with("cn-") { "db.t3.medium" } else { "db.m6g.large" }.to_owned(),
            status: if index % 7 == 6 { "stopped" } else { "available" }.to_owned(),
            storage: 20 + 10 * u32::try_from(index % 5).unwrap_or(0),
        })
        .collect()
}

pub(super) fn answer(
    context: &Context<'_>,
    action: &str,
    form: &BTreeMap<String, String>,
) -> Result<Reply, Refusal> {
    if form.get("Version").map(String::as_str) != Some("2014-10-31") {
        return Err(refuse(400, "InvalidParameterValue", "Version must be 2014-10-31"));
    }
    if action != "DescribeDBInstances" {
        let message = format!("Could not find operation {action} for version 2014-10-31");
        return Err(refuse(400, "InvalidAction", message));
    }
    let body = describe(context, form)?;
    Ok(Reply::new(
        200,
        "text/xml",
        format!(
            "<DescribeDBInstancesResponse xmlns=\"http://rds.amazonaws.com/doc/2014-10-31/\"><DescribeDBInstancesResult>{body}</DescribeDBInstancesResult><ResponseMetadata><RequestId>00000000-0000-4000-8000-000000000000</RequestId></ResponseMetadata></DescribeDBInstancesResponse>"
        ),
    ))
}

fn describe(context: &Context<'_>, form: &BTreeMap<String, String>) -> Result<String, Refusal> {
    let invalid = |message: String| refuse(400, "InvalidParameterValue", message);
    for key in form.keys() {
        if !["Action", "Version", "DBInstanceIdentifier", "MaxRecords", "Marker"].contains(&key.as_str()) {
            return Err(invalid(format!("Unknown parameter: {key}")));
        }
    }
    let most = match form.get("MaxRecords").map(|text| text.parse::<usize>()) {
        None => 100,
        Some(Ok(most @ 20..=100)) => most,
        Some(_) => return Err(invalid("Invalid value for max records. Must be between 20 and 100".into())),
    };
    let wanted = form.get("DBInstanceIdentifier");
    let all: Vec<DatabaseTruth> = databases(context.region, context.aws.databases)
        .into_iter()
        .filter(|database| wanted.is_none_or(|id| *id == database.id))
        .collect();
    if let (Some(id), true) = (wanted, all.is_empty()) {
        return Err(refuse(404, "DBInstanceNotFound", format!("DBInstance {id} not found.")));
    }
    let mut bound = String::from(context.region);
    for (key, value) in form.iter().filter(|(key, _)| *key != "Marker") {
        let _ = write!(bound, "\n{key}={value}");
    }
    let bound = xxh3_64(bound.as_bytes());
    let from = match form.get("Marker") {
        None => 0,
        Some(text) => read_token(text, bound).ok_or_else(|| invalid("Invalid marker".into()))?.1,
    };
    let mut body = String::new();
    let page: Vec<&DatabaseTruth> = all.iter().skip(from).take(most).collect();
    if context.fault == Some(FaultKind::RepeatedToken) {
        let _ = write!(body, "<Marker>{}</Marker>", token(bound, 'd', 0));
    } else if from + page.len() < all.len() {
        let _ = write!(body, "<Marker>{}</Marker>", token(bound, 'd', from + page.len()));
    }
    body.push_str("<DBInstances>");
    let created = time(1_700_000_000).format("%Y-%m-%dT%H:%M:%S.000Z");
    for database in page {
        let DatabaseTruth { id, engine, class, status, storage } = database;
        let (id, region) = (xml_escape(id), context.region);
        let port = if engine == "mysql" { 3306 } else { 5432 };
        let _ = write!(
            body,
            "<DBInstance><DBInstanceIdentifier>{id}</DBInstanceIdentifier><DBInstanceClass>{class}</DBInstanceClass><Engine>{engine}</Engine>\
             <DBInstanceStatus>{status}</DBInstanceStatus><MasterUsername>admin</MasterUsername>\
             <Endpoint><Address>{id}.simcloud.{region}.rds.amazonaws.com</Address><Port>{port}</Port></Endpoint>\
             <AllocatedStorage>{storage}</AllocatedStorage><InstanceCreateTime>{created}</InstanceCreateTime>\
             <AvailabilityZone>{region}a</AvailabilityZone><MultiAZ>false</MultiAZ><StorageType>gp3</StorageType>\
             <DBInstanceArn>arn:aws:rds:{region}:123456789012:db:{id}</DBInstanceArn>\
             <TagList><Tag><Key>team</Key><Value>数据 &amp; 报表</Value></Tag></TagList></DBInstance>"
        );
    }
    body.push_str("</DBInstances>");
    Ok(body)
}
