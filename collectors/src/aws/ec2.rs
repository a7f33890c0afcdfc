//! `guance_aws_ec2`: EC2 instances as objects.
//!
//! Owns the listing and the spelling: `DescribeInstances` (EC2 API 2016-11-15) answers in XML with names of its own; what is reported is
//! spelled as the SDKs spell it.

use super::client::{ASSUME_ROLE, Client};
use super::ec2_shape::{Kind, SHAPES};
use crate::account::Cloud;
use crate::call::CallError;
use crate::collector::{Action, Description, REGIONS, Reported, Source, Type};
use crate::mapped::Mapped as _;
use crate::objects::{Api, List, ObjectCollector, Paging, Request, Scope, Wire, texts};
use crate::point::{Category, Text};
use crate::run::Run;
use crate::xml::{self, Node};
use serde_json::{Map, Value as Json, json};
use std::time::Duration;

const VERSION: &str = "2016-11-15";

static DESCRIBE_INSTANCES: Action = Action {
    service: "ec2",
    action: "DescribeInstances",
    permission: "ec2:DescribeInstances",
    rate: 20.0,
    when: "once for every 1,000 instances of a region",
};

const fn tag(key: &'static str, from: Source, meaning: &'static str) -> Reported {
    Reported { key, kind: Type::Text, from, meaning }
}

const fn field(key: &'static str, kind: Type, from: Source, meaning: &'static str) -> Reported {
    Reported { key, kind, from, meaning }
}

/// The collector.
pub static EC2: ObjectCollector = ObjectCollector {
    description: Description {
        package: "guance_aws_ec2",
        name: "aws_ec2",
        title: "Amazon EC2 instances",
        title_zh: "亚马逊 EC2 实例",
        cloud: Cloud::Aws,
        category: Category::CustomObject,
        measurement: "aws_ec2",
        interval: Duration::from_secs(900),
        actions: &[&DESCRIBE_INSTANCES, &ASSUME_ROLE],
        configuration: &[REGIONS],
        tags: &[
            tag("name", Source::Path("InstanceId"), "the instance's id: the object's unique name"),
            tag("InstanceId", Source::Path("InstanceId"), "the instance's id"),
            tag("InstanceName", Source::CloudTag("Name"), "the EC2 tag `Name`"),
            tag("InstanceType", Source::Path("InstanceType"), "such as `c6g.xlarge`"),
            tag("PlatformDetails", Source::Path("PlatformDetails"), "such as `Linux/UNIX`"),
            tag("RegionId", Source::Region, "the region"),
            tag("AvailabilityZone", Source::Path("Placement.AvailabilityZone"), "the zone"),
            tag("State", Source::Path("State.Name"), "`running`, `stopped` and so on"),
            tag("StateReason_Code", Source::Path("StateReason.Code"), "why the state changed last"),
        ],
        fields: &[
            field("BlockDeviceMappings", Type::Json, Source::Path("BlockDeviceMappings"), "the volumes"),
            field("LaunchTime", Type::Time, Source::Path("LaunchTime"), "when it was launched last"),
            field(
                "NetworkInterfaces",
                Type::Json,
                Source::Path("NetworkInterfaces"),
                "the network interfaces",
            ),
            field("Placement", Type::Json, Source::Path("Placement"), "zone, tenancy, group"),
            field("message", Type::Json, Source::Item, "the whole instance"),
        ],
        notes: &["Terminated instances are still listed, and reported, for about an hour."],
    },
    scope: Scope::Region,
    list: List {
        request: Request {
            api: &Instances,
            action: &DESCRIBE_INSTANCES,
            region: None,
            parameters: &[],
            structures: &[],
        },
        paging: Paging::Tokens { token: "NextToken", next: "NextToken", size: Some(("MaxResults", 1000)) },
        items: "Instances",
        id: "InstanceId",
    },
    details: &[],
    ..ObjectCollector::DECLARED
};

/// `DescribeInstances`: its instances without their reservations.
#[derive(Debug)]
struct Instances;

#[async_trait::async_trait]
impl Api for Instances {
    async fn ask(
        &self,
        run: &Run,
        region: &Text,
        action: &'static Action,
        parameters: &[(String, Json)],
    ) -> Result<Json, CallError> {
        Client::new(run, region).query(action, VERSION, &texts(parameters), read).await
    }

    fn wire(&self) -> Wire {
        Wire::Own
    }
}

/// Reads one answer.
pub(crate) fn read(bytes: &[u8]) -> Result<Json, String> {
    let mut instances = Vec::new();
    let tree =
        xml::read_without(bytes, &["DescribeInstancesResponse", "reservationSet", "item"], |reservation| {
            let of_one =
                reservation.get("instancesSet").into_iter().flat_map(|instances| &instances.children);
            instances.extend(of_one.map(|instance| structure("Instance", instance)));
        })?;
    if tree.name != "DescribeInstancesResponse" {
        return Err(format!("the answer is a {}, no DescribeInstancesResponse", tree.name));
    }
    Ok(json!({ "Instances": instances, "NextToken": tree.get("nextToken").and_then(Node::text) }))
}

/// See [`crate::measured::ec2_shapes`].
pub(crate) fn shapes() -> Json {
    fn name(kind: Kind) -> String {
        match kind {
            Kind::Text => "text".into(),
            Kind::Integer => "integer".into(),
            Kind::Boolean => "boolean".into(),
            Kind::Time => "time".into(),
            Kind::List(kind) => format!("list {}", name(*kind)),
            Kind::Structure(shape) => format!("structure {shape}"),
        }
    }
    let members = |members: &[(&str, &str, Kind)]| -> Map<String, Json> {
        members.iter().map(|(wire, sdk, kind)| ((*wire).to_owned(), json!([sdk, name(*kind)]))).mapped()
    };
    Json::Object(
        SHAPES.iter().map(|(shape, known)| ((*shape).to_owned(), Json::Object(members(known)))).mapped(),
    )
}

/// A structure's members, spelled and typed by the shape; a member that the shape does not know keeps its name, with a capital.
fn structure(shape: &str, node: &Node) -> Json {
    let members = SHAPES.iter().find(|(name, _)| *name == shape).map_or(&[][..], |(_, members)| *members);
    let mut object = Map::new();
    for child in &node.children {
        let (name, value) = match members.iter().find(|(wire, _, _)| *wire == child.name) {
            Some((_, name, kind)) => ((*name).to_owned(), typed(*kind, child)),
            None => (capital(&child.name), untyped(child)),
        };
        if let Some(value) = value {
            object.insert(name, value);
        }
    }
    Json::Object(object)
}

/// A member's value; an empty element says nothing.
fn typed(kind: Kind, node: &Node) -> Option<Json> {
    match kind {
        Kind::Structure(shape) => (!node.children.is_empty()).then(|| structure(shape, node)),
        Kind::List(kind) => {
            let items: Vec<Json> = node
                .children
                .iter()
                .filter_map(|item| match kind {
                    Kind::Structure(shape) => Some(structure(shape, item)),
                    other => typed(*other, item),
                })
                .collect();
            (!items.is_empty()).then_some(Json::Array(items))
        }
        Kind::Text | Kind::Time => node.text().map(Json::String),
        // A value that is no number or boolean is kept as it is rather than lost.
        Kind::Integer => node.text().map(|text| text.parse::<i64>().map_or(Json::String(text), Json::from)),
        Kind::Boolean => node.text().map(|text| text.parse::<bool>().map_or(Json::String(text), Json::from)),
    }
}

fn untyped(node: &Node) -> Option<Json> {
    if node.children.is_empty() {
        return node.text().map(Json::String);
    }
    if node.children.iter().all(|child| child.name == "item") {
        return Some(Json::Array(node.children.iter().filter_map(untyped).collect()));
    }
    let members = node.children.iter().filter_map(|child| Some((capital(&child.name), untyped(child)?)));
    Some(Json::Object(members.mapped()))
}

fn capital(name: &str) -> String {
    let mut characters = name.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}
