//! Points as a script writes them: `#{ measurement, tags, fields, timestamp }`, and `link` for metrics.
//!
//! Owns the way from such a map to a point, and the words for what is wrong in it. Knows nothing of where points go.

use super::convert::{NotData, kind, to_json};
use super::dialect::known;
use super::problem::Problem;
use funchost_collectors::clock::SECOND;
use funchost_collectors::collector::Link;
use funchost_collectors::point::{Category, Point, Text, Value};
use rhai::Dynamic;
use serde_json::Value as Json;

/// The keys of a point.
const KEYS: &[&str] = &["measurement", "tags", "fields", "timestamp", "link"];

/// The keys of a link.
const LINK_KEYS: &[&str] = &["class", "tag", "value", "with_name"];

/// What is wrong in a point: where, what, and what to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    /// The key path in the point; empty for all of it.
    pub(super) path: String,
    /// What, so that it can follow the path.
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

impl Wrong {
    fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into(), hint: None }
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// As a problem of the argument with this number in a call; `before` is the way to the point in it.
    pub(super) fn problem(self, index: usize, before: &str, call: &str) -> Problem {
        let path = match (before.is_empty(), self.path.is_empty()) {
            (_, true) => before.to_owned(),
            (true, false) => self.path.clone(),
            (false, false) => format!("{before}.{}", self.path),
        };
        let place = if path.is_empty() { "the point".to_owned() } else { format!("point: `{path}`") };
        Problem::input(format!("{place} {}", self.message))
            .label(self.message.clone())
            .hint_if(self.hint)
            .argument(index, path, self.message.starts_with("is not a known key"), call)
    }
}

/// What a point is read against.
pub(super) struct Shape<'s> {
    pub(super) category: Category,
    /// Where a point names none.
    pub(super) measurement: Option<&'s Text>,
    /// Objects have one measurement, their class.
    pub(super) fixed: bool,
    /// May a point name its object.
    pub(super) links: bool,
    /// Nanoseconds: the time of a point that names none.
    pub(super) now: i64,
}

/// How the parts of a point are written.
const MEASUREMENT: &str = "write `measurement: \"my_product\"`";
const TAGS: &str = "write `tags: #{ InstanceId: item.InstanceId }`";
const FIELDS: &str = "write `fields: #{ Size: item.Size }`";
const LINK: &str = "write `link: #{ class: \"aws_ec2\", value: id }` with the class and the `name` of the object, and leave `link` out of a point that has none";

/// Reads a point.
pub(super) fn read(value: &Dynamic, shape: &Shape<'_>) -> Result<(Point, Option<Link>), Wrong> {
    if !value.is_map() {
        return Err(Wrong::new("", format!("is {}, expected a map", kind(value)))
            .hint("write `#{ measurement: \"…\", tags: #{ … }, fields: #{ … } }`"));
    }
    let written = to_json(value).map_err(|NotData { path, message }| Wrong::new(path, message))?;
    super::memory::uncounted(|| of_json(&written, shape))
}

fn of_json(written: &Json, shape: &Shape<'_>) -> Result<(Point, Option<Link>), Wrong> {
    let empty = serde_json::Map::new();
    let members = written.as_object().unwrap_or(&empty);
    if let Some(key) = members.keys().find(|key| !KEYS.contains(&key.as_str())) {
        return Err(Wrong::new(key, "is not a known key").hint(known(key, KEYS)));
    }
    let measurement = match members.get("measurement") {
        Some(Json::String(text)) if !text.trim().is_empty() => Text::from(text.as_str()),
        Some(Json::Null) | None => match shape.measurement {
            Some(measurement) => measurement.clone(),
            None => return Err(Wrong::new("measurement", "is missing").hint(MEASUREMENT)),
        },
        Some(Json::String(_)) => return Err(Wrong::new("measurement", "is empty").hint(MEASUREMENT)),
        Some(other) => {
            let wrong = Wrong::new("measurement", format!("is {}, expected a text", json_kind(other)));
            return Err(wrong.hint(MEASUREMENT));
        }
    };
    if let Some(own) = shape.measurement
        && shape.fixed
        && *own != measurement
    {
        return Err(Wrong::new(
            "measurement",
            format!("is `{measurement}`, but the objects of this collector are `{own}`"),
        )
        .hint("leave it out, or name it with the collector's option `measurement`"));
    }
    let mut point = Point {
        category: shape.category,
        measurement,
        tags: Vec::new(),
        fields: Vec::new(),
        time: shape.now,
    };
    for (key, value) in map(members, "tags")? {
        if key.is_empty() {
            return Err(Wrong::new("tags", "holds a tag without a name").hint(TAGS));
        }
        let text = match value {
            Json::Null => continue,
            Json::String(text) => text.clone(),
            Json::Number(number) => number.to_string(),
            Json::Bool(yes) => yes.to_string(),
            other => {
                return Err(Wrong::new(
                    format!("tags.{key}"),
                    format!("is {}, expected a text", json_kind(other)),
                )
                .hint("tags are texts; lists and maps can be fields of objects"));
            }
        };
        point.add_tag(&Text::from(key.as_str()), &Text::from(text));
    }
    for (key, value) in map(members, "fields")? {
        let value = match value {
            Json::Null => continue,
            Json::Bool(yes) => Value::Boolean(*yes),
            Json::Number(number) => match (number.as_i64(), number.as_f64()) {
                (Some(whole), _) => Value::Integer(whole),
                (None, Some(decimal)) => Value::Float(decimal),
                (None, None) => continue,
            },
            Json::String(text) => Value::Text(Text::from(text.as_str())),
            other => Value::Text(Text::from(other.to_string())),
        };
        if shape.category == Category::Metric && matches!(value, Value::Text(_)) {
            return Err(Wrong::new(
                format!("fields.{key}"),
                "is a text, and metrics hold numbers only: DataKit drops texts",
            )
            .hint("make it a tag, or a number with `parse_float(text)`"));
        }
        point.fields.push((Text::from(key.as_str()), value));
    }
    if point.fields.is_empty() {
        return Err(Wrong::new("fields", "says nothing: DataKit refuses a point without a field")
            .hint("give at least one field, for example `fields: #{ message: item.to_json() }`"));
    }
    if shape.category == Category::CustomObject && point.tag("name").is_none() {
        return Err(Wrong::new("tags.name", "is missing: it is the object's id")
            .hint("write `tags: #{ name: item.InstanceId, … }`"));
    }
    if let Some(time) = members.get("timestamp").filter(|time| !time.is_null()) {
        point.time = moment(time).ok_or_else(|| {
            Wrong::new("timestamp", "is no time").hint(
                "write seconds, milliseconds, microseconds or nanoseconds since 1970, or a text such as \"2026-01-02T03:04:05Z\"",
            )
        })?;
    }
    let link = match members.get("link").filter(|link| !link.is_null()) {
        Some(_) if !shape.links => {
            return Err(Wrong::new(
                "link",
                "has no meaning here: only metrics of a collector are linked with objects",
            )
            .hint("leave it out; points of a collector with `kind: \"metrics\"` take it"));
        }
        Some(link) => Some(link_of(link)?),
        None => None,
    };
    Ok((point, link))
}

fn map<'w>(
    members: &'w serde_json::Map<String, Json>,
    key: &str,
) -> Result<impl Iterator<Item = (&'w String, &'w Json)> + use<'w>, Wrong> {
    match members.get(key) {
        None | Some(Json::Null) => Ok(None.into_iter().flatten()),
        Some(Json::Object(map)) => Ok(Some(map.iter()).into_iter().flatten()),
        Some(other) => Err(Wrong::new(key, format!("is {}, expected a map", json_kind(other)))
            .hint(if key == "tags" { TAGS } else { FIELDS })),
    }
}

fn link_of(written: &Json) -> Result<Link, Wrong> {
    let Json::Object(members) = written else {
        return Err(Wrong::new("link", format!("is {}, expected a map", json_kind(written))).hint(LINK));
    };
    if let Some(key) = members.keys().find(|key| !LINK_KEYS.contains(&key.as_str())) {
        return Err(Wrong::new(format!("link.{key}"), "is not a known key").hint(known(key, LINK_KEYS)));
    }
    let text = |key: &str| match members.get(key) {
        Some(Json::String(text)) if !text.is_empty() => Ok(Some(Text::from(text.as_str()))),
        None | Some(Json::Null) => Ok(None),
        Some(Json::String(_)) => Err(Wrong::new(format!("link.{key}"), "is empty").hint(LINK)),
        Some(other) => {
            let wrong =
                Wrong::new(format!("link.{key}"), format!("is {}, expected a text", json_kind(other)));
            Err(wrong.hint(LINK))
        }
    };
    let needed =
        |key: &str| text(key)?.ok_or_else(|| Wrong::new(format!("link.{key}"), "is missing").hint(LINK));
    let with_name = match members.get("with_name") {
        None | Some(Json::Null) => false,
        Some(Json::Bool(yes)) => *yes,
        Some(other) => {
            return Err(Wrong::new(
                "link.with_name",
                format!("is {}, expected true or false", json_kind(other)),
            )
            .hint("write `with_name: true` to give the metric the object's `name`, too"));
        }
    };
    Ok(Link {
        class: needed("class")?,
        tag: text("tag")?.unwrap_or_else(|| "name".into()),
        value: needed("value")?,
        with_name,
    })
}

/// What some data is, in the words of messages.
fn json_kind(value: &Json) -> &'static str {
    match value {
        Json::Null => "nothing `()`",
        Json::Bool(_) => "true or false",
        Json::Number(_) => "a number",
        Json::String(_) => "a text",
        Json::Array(_) => "a list",
        Json::Object(_) => "a map",
    }
}

/// A time as nanoseconds since 1970: a number of seconds, milliseconds, microseconds or nanoseconds, by its size, or RFC 3339.
fn moment(written: &Json) -> Option<i64> {
    let (nanoseconds, unit) = match written {
        Json::String(text) => {
            return chrono::DateTime::parse_from_rfc3339(text).ok()?.timestamp_nanos_opt();
        }
        Json::Number(number) => {
            let size = number.as_f64()?;
            // A time of this century, in each unit.
            let unit = match size {
                size if !(0.0..1e20).contains(&size) => return None,
                size if size < 1e11 => SECOND,
                size if size < 1e14 => 1_000_000,
                size if size < 1e17 => 1_000,
                _ => 1,
            };
            (number, unit)
        }
        _ => return None,
    };
    match nanoseconds.as_i64() {
        Some(whole) => whole.checked_mul(unit),
        // A fraction of a second to the microsecond: more digits a decimal number of today's seconds does not hold.
        None => {
            #[expect(clippy::cast_precision_loss, reason = "the unit is a power of ten")]
            let micros = nanoseconds.as_f64()? * (unit as f64 / 1e3);
            #[expect(clippy::cast_possible_truncation, reason = "bounded above")]
            let micros = micros.round() as i64;
            micros.checked_mul(1_000)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn shape(category: Category) -> Shape<'static> {
        static NAME: std::sync::LazyLock<Text> = std::sync::LazyLock::new(|| "mine".into());
        Shape {
            category,
            measurement: Some(&NAME),
            fixed: category == Category::CustomObject,
            links: category == Category::Metric,
            now: 5,
        }
    }

    #[test]
    fn times_are_known_by_their_size() {
        let second = 1_700_000_000_i64;
        for (written, nanoseconds) in [
            (json!(second), second * SECOND),
            (json!(second * 1_000 + 5), second * SECOND + 5_000_000),
            (json!(second * 1_000_000), second * SECOND),
            (json!(second * SECOND + 7), second * SECOND + 7),
            (json!(1_700_000_000.5), second * SECOND + 500_000_000),
            (json!("2023-11-14T22:13:20Z"), second * SECOND),
            // Before 2001, which the original scaled wrongly.
            (json!(999_999_999_000_i64), 999_999_999 * SECOND),
        ] {
            assert_eq!(moment(&written), Some(nanoseconds), "{written}");
        }
        for bad in [json!(-5), json!("yesterday"), json!(true), json!(1e30)] {
            assert_eq!(moment(&bad), None, "{bad}");
        }
    }

    #[test]
    fn a_point_is_what_was_written() {
        let written = json!({
            "tags": { "name": "d-1", "size": 40, "shared": false, "nothing": null },
            "fields": { "message": { "a": 1 }, "count": 5, "share": 0.5, "on": true, "nothing": null },
            "timestamp": 1_700_000_000,
        });
        let (point, link) = of_json(&written, &shape(Category::CustomObject)).unwrap();
        assert!(link.is_none());
        assert_eq!(&*point.measurement, "mine");
        assert_eq!(point.tag("size"), Some("40"));
        assert_eq!(point.tag("shared"), Some("false"));
        assert_eq!(point.tags.len(), 3);
        assert_eq!(
            point.fields,
            vec![
                ("count".into(), Value::Integer(5)),
                ("message".into(), Value::Text("{\"a\":1}".into())),
                ("on".into(), Value::Boolean(true)),
                ("share".into(), Value::Float(0.5)),
            ]
        );
        let written = json!({ "measurement": "other", "fields": { "x": 1.5 }, "link": { "class": "aliyun_ecs", "value": "i-1" } });
        let (point, link) = of_json(&written, &shape(Category::Metric)).unwrap();
        assert_eq!((&*point.measurement, point.time), ("other", 5));
        let link = link.unwrap();
        assert_eq!(
            (&*link.class, &*link.tag, &*link.value, link.with_name),
            ("aliyun_ecs", "name", "i-1", false)
        );
    }

    #[test]
    fn what_is_wrong_is_named_by_its_path() {
        for (category, written, path) in [
            (Category::CustomObject, json!({ "tag": {} }), "tag"),
            (Category::CustomObject, json!({ "fields": { "a": 1 } }), "tags.name"),
            (Category::CustomObject, json!({ "tags": { "name": "x" } }), "fields"),
            (Category::CustomObject, json!({ "tags": { "name": "x" }, "fields": { "a": null } }), "fields"),
            (Category::CustomObject, json!({ "tags": { "name": ["x"] }, "fields": { "a": 1 } }), "tags.name"),
            (
                Category::CustomObject,
                json!({ "measurement": "x", "tags": { "name": "x" }, "fields": { "a": 1 } }),
                "measurement",
            ),
            (Category::Metric, json!({ "measurement": 5, "fields": { "a": 1 } }), "measurement"),
            (Category::Metric, json!({ "fields": { "a": "text" } }), "fields.a"),
            (Category::Metric, json!({ "fields": [1] }), "fields"),
            (Category::Metric, json!({ "fields": { "a": 1 }, "timestamp": "noon" }), "timestamp"),
            (Category::Metric, json!({ "fields": { "a": 1 }, "link": { "class": "x" } }), "link.value"),
            (Category::Metric, json!({ "fields": { "a": 1 }, "link": { "klass": "x" } }), "link.klass"),
            (
                Category::CustomObject,
                json!({ "tags": { "name": "x" }, "fields": { "a": 1 }, "link": { "class": "x", "value": "y" } }),
                "link",
            ),
        ] {
            assert_eq!(of_json(&written, &shape(category)).unwrap_err().path, path, "{written}");
        }
    }
}
