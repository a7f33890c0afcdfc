//! Every declaration by its own sample: the published point, key for key, from an answer that holds those members; nothing from one that holds nothing.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use funchost_collectors::COLLECTORS;
use funchost_collectors::collector::{Source, Type};
use funchost_collectors::left_out::{LEFT_OUT, left_out};
use funchost_collectors::objects::{Found, Object, ObjectCollector, Scope};
use funchost_collectors::point::{Point, Text, Value};
use serde_json::{Map, Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Every declaration, those that belong to another's package too.
fn declarations() -> Vec<&'static ObjectCollector> {
    let declared = COLLECTORS.iter().filter_map(|collector| collector.declaration());
    declared.flat_map(|collector| std::iter::once(collector).chain(collector.also.iter().copied())).collect()
}

/// Those that are held to their samples by tests of their own.
const ELSEWHERE: [&str; 6] =
    ["aliyun_ecs", "aliyun_rds", "aliyun_slb", "aliyun_oss", "aws_ec2", "tencentcloud_cvm"];

fn sampled() -> Vec<(&'static ObjectCollector, Json)> {
    let of = |collector: &'static ObjectCollector| {
        let name = collector.description.name;
        serde_json::from_str(collector.sample)
            .map(|sample| (collector, sample))
            .unwrap_or_else(|error| panic!("{name}: {error}"))
    };
    let all: Vec<_> = declarations()
        .into_iter()
        .filter(|collector| !ELSEWHERE.contains(&collector.description.name))
        .map(of)
        .collect();
    assert_eq!(all.len() + ELSEWHERE.len(), declarations().len(), "each of those named has a declaration");
    all
}

fn object(sample: &Json) -> Object {
    let mut object = Object::new(sample["item"].clone());
    object.asked = sample["asked"].as_str().map(|asked| &*Box::leak(asked.to_owned().into_boxed_str()));
    for (name, found) in sample["details"].as_object().into_iter().flatten() {
        object.details.insert(Box::leak(name.clone().into_boxed_str()), Found::Tree(found.clone()));
    }
    object
}

/// The point of an object, and whether a key stands twice.
fn reported(
    collector: &ObjectCollector,
    sample: &Json,
    object: &Object,
) -> (Map<String, Json>, Map<String, Json>, Point) {
    let region = sample["point"]["tags"]["RegionId"].as_str().unwrap_or("cn-north-1");
    let point = collector.point(&Text::from(region), object, 7);
    let tags: Map<String, Json> =
        point.tags.iter().map(|(key, value)| (key.to_string(), json!(**value))).collect();
    let fields: Map<String, Json> = point
        .fields
        .iter()
        .map(|(key, value)| {
            let value = match value {
                Value::Integer(number) => json!(number),
                Value::Float(number) => json!(number),
                Value::Boolean(yes) => json!(yes),
                Value::Text(text) => json!(**text),
            };
            (key.to_string(), value)
        })
        .collect();
    assert_eq!(tags.len() + fields.len(), point.tags.len() + point.fields.len(), "a key stands twice");
    (tags, fields, point)
}

/// What a manual prints as a whole number, and the API documents as one with a fraction.
const WHOLE: &[(&str, &str)] = &[("tencentcloud_redis", "Size")];

/// Are two values the same: number for number, time for time, structure for structure? What a manual prints in place of a structure is any.
fn same(published: &Json, ours: &Json, kind: Type) -> bool {
    // A whole number is no float: one key has one type in DataKit, for ever.
    let (Some(one), Some(other)) = (published.as_str(), ours.as_str()) else { return published == ours };
    if matches!(kind, Type::Json | Type::Structure) {
        let ours: Json = serde_json::from_str(other).expect("JSON text is JSON");
        let empty = |value: &Json| *value == json!([]) || *value == json!({});
        return serde_json::from_str::<Json>(one)
            .map_or(!empty(&ours), |published| published == ours || (empty(&published) && empty(&ours)));
    }
    let time = |text: &str| chrono::DateTime::parse_from_rfc3339(text).ok();
    one == other || (time(one).is_some() && time(one) == time(other))
}

#[test]
fn the_published_points_are_yielded() {
    let mut wrong = Vec::new();
    for (collector, sample) in sampled() {
        let name = collector.description.name;
        let (tags, fields, point) = reported(collector, &sample, &object(&sample));
        let measurement =
            sample["point"]["measurement"].as_str().unwrap_or(collector.description.measurement);
        assert_eq!(&*point.measurement, measurement, "{name}");
        for (part, ours, described) in
            [("tags", tags, collector.description.tags), ("fields", fields, collector.description.fields)]
        {
            // What is printed as empty is not reported.
            let published: BTreeMap<&String, &Json> = sample["point"][part]
                .as_object()
                .unwrap()
                .iter()
                .filter(|(_, value)| **value != json!(""))
                .collect();
            let keys: BTreeSet<&String> = ours.keys().filter(|key| *key != "message").collect();
            let wanted: BTreeSet<&String> =
                published.keys().copied().filter(|key| *key != "message").collect();
            if keys != wanted {
                wrong.push(format!("{name} {part}: {:?}", keys.symmetric_difference(&wanted)));
            }
            for (key, published) in
                published.iter().filter(|(key, _)| ours.contains_key(**key) && **key != "message")
            {
                let kind = described.iter().find(|reported| reported.key == **key).unwrap().kind;
                let whole = WHOLE.contains(&(name, key.as_str())).then(|| published.as_f64().map(Json::from));
                let published = whole.flatten().unwrap_or_else(|| (*published).clone());
                if !same(&published, &ours[*key], kind) {
                    wrong.push(format!("{name} {key}: published {published}, reported {}", ours[*key]));
                }
            }
        }
        let message =
            point.fields.iter().find(|(key, _)| &**key == "message").map(|(_, value)| value.clone());
        let Some(Value::Text(message)) = message else { panic!("{name} has no message") };
        let message: Json = serde_json::from_str(&message).expect("the message is JSON");
        let details = sample["details"].as_object().into_iter().flatten();
        let parts =
            details.flat_map(|(_, found)| [found.clone(), found[0].clone()]).chain([sample["item"].clone()]);
        assert!(parts.into_iter().any(|part| part == message), "{name}: {message}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The manual's points as they were copied by hand, the type of every field with them, from answers that were copied from the APIs' references.
#[test]
fn the_points_that_were_copied_by_hand_are_yielded() {
    let published: Vec<Json> = serde_json::from_str(include_str!("market_published.json")).expect("JSON");
    assert!(published.len() >= 10);
    for published in published {
        let name = published["collector"].as_str().expect("a collector");
        let collector = declarations().into_iter().find(|one| one.description.name == name).expect(name);
        let region = Text::from(published["region"].as_str().expect("a region"));
        let object = object(&published);
        let point = collector.point(&region, &object, 7);
        let tags: BTreeMap<&str, &str> = point.tags.iter().map(|(key, value)| (&**key, &**value)).collect();
        assert_eq!(json!(tags), published["tags"], "{name}");
        let wanted = published["fields"].as_object().expect("fields");
        let fields: BTreeMap<&str, &Value> = point
            .fields
            .iter()
            .map(|(key, value)| (&**key, value))
            .filter(|(key, _)| *key != "message")
            .collect();
        assert_eq!(fields.len(), wanted.len(), "{name}: {fields:?}");
        for (key, wanted) in wanted {
            let found = match fields.get(key.as_str()) {
                Some(Value::Integer(number)) => json!({ "integer": number }),
                Some(Value::Float(number)) => json!({ "float": number }),
                Some(Value::Boolean(yes)) => json!({ "boolean": yes }),
                // Structures are reported as text.
                Some(Value::Text(text)) if wanted.get("json").is_some() => {
                    json!({ "json": serde_json::from_str::<Json>(text).expect("JSON text is JSON") })
                }
                Some(Value::Text(text)) => json!({ "text": **text }),
                None => Json::Null,
            };
            assert_eq!(found, *wanted, "{name} {key}");
        }
    }
}

/// Keys that a manual prints and that are not reported, and why.
const NOT_REPORTED: &[(&str, &str)] = &[
    // Every point of the account has it, whoever reports it.
    ("aliyun_kafka", "cloud_provider"),
    // Dropped from the package in 2022, as its changelog says.
    ("aws_s3", "Name"),
    // Printed twice in two spellings; the API has the other.
    ("tencentcloud_mariadb", "WanVIP"),
];

/// Ids that a manual prints in two ways in one point, which is one value of the answer: that of `name` stands for both.
const TWO_WAYS: &[(&str, &str)] = &[
    ("aliyun_eip", "AllocationId"),
    ("aliyun_mongodb", "DBInstanceId"),
    ("aliyun_redis", "InstanceId"),
    ("aliyun_resource_package", "InstanceId"),
    ("aliyun_waf", "InstanceId"),
    ("aws_rds", "DBInstanceIdentifier"),
    ("tencentcloud_cdb", "InstanceId"),
    ("tencentcloud_mariadb", "InstanceId"),
];

/// The points that the manuals print as JSON, copied by a program and not from the declarations: what a declaration's sample says was published is what was,
/// key for key and value for value.
#[test]
fn the_samples_are_what_the_manuals_print() {
    let printed: Vec<Json> = serde_json::from_str(include_str!("market_manual.json")).expect("JSON");
    assert_eq!(printed.len(), 32);
    let (mut not_reported, mut two_ways) = (Vec::new(), Vec::new());
    for printed in &printed {
        let name = printed["collector"].as_str().expect("a collector");
        let (collector, sample) =
            sampled().into_iter().find(|(one, _)| one.description.name == name).expect(name);
        let point = &sample["point"];
        let class = point["measurement"].as_str().unwrap_or(collector.description.measurement);
        assert_eq!(printed["measurement"], class, "{name}");
        for part in ["tags", "fields"] {
            let (theirs, ours) = (printed[part].as_object().unwrap(), point[part].as_object().unwrap());
            for (key, value) in theirs.iter().filter(|(key, _)| *key != "message") {
                match ours.get(key) {
                    None => not_reported.push((name, key.as_str())),
                    Some(own) if own == value => {}
                    Some(own) => {
                        assert_eq!(*own, point["tags"]["name"], "{name} {key}: {value} is printed");
                        two_ways.push((name, key.as_str()));
                    }
                }
            }
            for key in ours.keys().filter(|key| *key != "message") {
                assert!(theirs.contains_key(key), "{name}: {key} is not printed");
            }
        }
    }
    not_reported.sort_unstable();
    two_ways.sort_unstable();
    assert_eq!(not_reported, NOT_REPORTED);
    assert_eq!(two_ways, TWO_WAYS);
}

/// Does a source say something of an item that has its id alone?
fn says(from: &Source, id: &str) -> bool {
    match from {
        Source::Path(path) => *path == id,
        Source::Region | Source::Item | Source::Always(_) => true,
        Source::First(sources) => sources.iter().any(|from| says(from, id)),
        Source::Mapped(from, _) | Source::Behind(from, _) | Source::Epoch(from) => says(from, id),
        Source::Asked | Source::Detail(..) | Source::CloudTag(_) | Source::Seconds(_) | Source::Collector => {
            false
        }
    }
}

#[test]
fn nothing_in_the_answer_nothing_in_the_point() {
    for (collector, sample) in sampled() {
        let mut item = json!({});
        item[collector.list.id] = json!("of:loadbalancer/x");
        let (tags, fields, _) = reported(collector, &sample, &Object::new(item));
        for (ours, described) in [(tags, collector.description.tags), (fields, collector.description.fields)]
        {
            let wanted: BTreeSet<&str> = described
                .iter()
                .filter(|reported| says(&reported.from, collector.list.id))
                .map(|reported| reported.key)
                .collect();
            let keys: BTreeSet<&str> = ours.keys().map(String::as_str).collect();
            assert_eq!(keys, wanted, "{}", collector.description.name);
        }
    }
}

/// Every package of the market that is known is collected, or it is said why not; and nothing else is.
#[test]
fn every_package_is_collected_or_said_to_be_left_out() {
    let listed: Vec<String> = include_str!("market_packages.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .flat_map(|line| {
            let (cloud, packages) = line.split_once(' ').expect("a cloud and its packages");
            packages.split(' ').map(move |package| format!("guance_{cloud}_{package}"))
        })
        .collect();
    let declared =
        |package: &str| declarations().iter().any(|collector| collector.description.package == package);
    let (mut collected, mut left) = (BTreeSet::new(), BTreeSet::new());
    for package in &listed {
        assert!(
            declared(package) != left_out(package).is_some(),
            "{package}: {} collected, {} left out",
            if declared(package) { "is" } else { "is not" },
            if left_out(package).is_some() { "is" } else { "is not" }
        );
        let of = if declared(package) { &mut collected } else { &mut left };
        assert!(of.insert(package.as_str()), "{package} stands twice");
    }
    let known: BTreeSet<&str> = LEFT_OUT.iter().map(|row| row.package).collect();
    assert_eq!(left, known);
    let market = declarations().into_iter().map(|collector| &collector.description);
    let market: BTreeSet<&str> =
        market.filter(|one| !ELSEWHERE.contains(&one.name)).map(|one| one.package).collect();
    assert_eq!(collected, market.into_iter().filter(|package| !package.is_empty()).collect());
}

/// What a package may call stands in its description, each call with the permission that it needs, and nothing that it never calls.
#[test]
fn every_call_and_its_permission_are_described() {
    let declared = COLLECTORS.iter().filter_map(|collector| collector.declaration());
    for collector in declared {
        let name = collector.description.name;
        let all = std::iter::once(collector).chain(collector.also.iter().copied());
        let made: BTreeSet<String> = all
            .flat_map(|one| {
                let regions = match one.scope {
                    Scope::Everywhere(_, list) => Some(list),
                    Scope::Region | Scope::Account { .. } | Scope::Central(_) | Scope::Sites(_) => None,
                };
                let lists = one.details.iter().map(|detail| detail.list());
                lists.chain([&one.list]).chain(regions).map(|list| list.request.action)
            })
            .map(|action| format!("{}:{} by {}", action.service, action.action, action.permission))
            .collect();
        let described = collector.description.actions.iter().filter(|action| action.service != "sts");
        let described: BTreeSet<String> = described
            .map(|action| format!("{}:{} by {}", action.service, action.action, action.permission))
            .collect();
        assert_eq!(made, described, "{name}");
        assert!(collector.description.actions.iter().all(|action| action.permission.contains(':')), "{name}");
    }
}

/// A package is one file, and a short one.
#[test]
fn declarations_are_short() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("collectors/src");
    let mut lines: Vec<usize> = ["aliyun", "aws", "tencentcloud"]
        .iter()
        .flat_map(|cloud| std::fs::read_dir(root.join(cloud).join("market")).expect("the folder is there"))
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.file_name().is_some_and(|name| name != "mod.rs"))
        .map(|path| std::fs::read_to_string(path).expect("a text").lines().count())
        .collect();
    lines.sort_unstable();
    let packages = COLLECTORS
        .iter()
        .filter_map(|collector| collector.declaration())
        .filter(|collector| !ELSEWHERE.contains(&collector.description.name))
        .count();
    assert_eq!(lines.len(), packages, "one file each");
    assert!(packages >= 40, "{packages}");
    assert!(lines[lines.len() / 2] < 80, "the median has {} lines", lines[lines.len() / 2]);
}
