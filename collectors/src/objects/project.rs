//! From an item of an answer to a point.
//!
//! Owns the rules of rendering: what the API does not return is left out, never empty; one type per key, for ever.

use super::list::{at, text};
use crate::collector::{Description, Reported, Source, Type};
use crate::point::{Category, Point, Text, Value};
use chrono::{DateTime, SecondsFormat};
use serde_json::Value as Json;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// A detail that was found.
#[derive(Clone, Debug)]
pub enum Found {
    /// An answer, or a part of it.
    Tree(Json),
    /// JSON text, ready to be reported.
    Text(Text),
}

/// An item with what was found out beside.
#[derive(Clone, Debug)]
pub struct Object {
    /// As the list has it.
    pub item: Json,
    /// By the detail's name.
    pub details: BTreeMap<&'static str, Found>,
    /// Of a list that is read once for each value of a parameter: that value.
    pub asked: Option<&'static str>,
}

impl Object {
    /// An item alone.
    #[must_use]
    pub fn new(item: Json) -> Self {
        Self { item, details: BTreeMap::new(), asked: None }
    }
}

impl Object {
    /// Takes these members out, wherever they stand.
    pub(super) fn hide(&mut self, names: &[&str]) {
        if names.is_empty() {
            return;
        }
        without(&mut self.item, names);
        for found in self.details.values_mut() {
            if let Found::Tree(tree) = found {
                without(tree, names);
            }
        }
    }
}

fn without(value: &mut Json, names: &[&str]) {
    match value {
        Json::Object(members) => {
            // A member that says nothing gives nothing away.
            members.retain(|name, value| value.is_null() || !names.contains(&name.as_str()));
            members.values_mut().for_each(|value| without(value, names));
        }
        Json::Array(items) => items.iter_mut().for_each(|item| without(item, names)),
        _ => {}
    }
}

/// An object as a point, by what the description says of each tag and field.
#[must_use]
pub fn point(description: &Description, region: &Text, object: &Object, time: i64) -> Point {
    let mut point = Point {
        category: Category::CustomObject,
        measurement: description.measurement.into(),
        tags: Vec::with_capacity(description.tags.len()),
        fields: Vec::with_capacity(description.fields.len()),
        time,
    };
    for tag in description.tags {
        if let Some(Value::Text(text)) = value(tag, region, object) {
            point.add_tag(&Text::from(tag.key), &text);
        }
    }
    for field in description.fields {
        if let Some(value) = value(field, region, object) {
            point.fields.push((field.key.into(), value));
        }
    }
    point
}

/// One reported value.
fn value(reported: &Reported, region: &Text, object: &Object) -> Option<Value> {
    source(&reported.from, reported.kind, region, object)
}

fn source(from: &Source, kind: Type, region: &Text, object: &Object) -> Option<Value> {
    let found = match from {
        Source::Region => return Some(Value::Text(region.clone())),
        Source::Asked => return object.asked.map(|asked| Value::Text(asked.into())),
        Source::Collector => return None,
        Source::First(sources) => {
            return sources.iter().find_map(|from| source(from, kind, region, object));
        }
        Source::Mapped(from, names) => {
            let Value::Text(said) = source(from, Type::Text, region, object)? else { return None };
            let known = names.iter().find(|(name, _)| **name == *said);
            let reported = known.map_or(&*said, |(_, reported)| reported);
            return render(kind, &Json::from(reported));
        }
        Source::Behind(from, mark) => {
            let Value::Text(said) = source(from, Type::Text, region, object)? else { return None };
            return Some(Value::Text(said.split_once(mark)?.1.into()));
        }
        Source::Always(text) => return Some(Value::Text((*text).into())),
        Source::Epoch(from) => {
            let Value::Float(seconds) = source(from, Type::Float, region, object)? else { return None };
            #[expect(clippy::cast_possible_truncation, reason = "milliseconds since 1970 fit")]
            let time = DateTime::from_timestamp_millis((seconds * 1000.0).round() as i64)?;
            return Some(Value::Text(time.to_rfc3339_opts(SecondsFormat::Millis, true).into()));
        }
        Source::Seconds(path) => {
            let time = DateTime::parse_from_rfc3339(at(&object.item, path)?.as_str()?).ok()?;
            return Some(Value::Integer(time.timestamp()));
        }
        Source::Item => Cow::Borrowed(&object.item),
        Source::Path(path) => Cow::Borrowed(at(&object.item, path)?),
        Source::CloudTag(key) => {
            let tags = object.item.get("Tags")?.as_array()?;
            let tag = tags.iter().find(|tag| tag.get("Key").and_then(Json::as_str) == Some(key))?;
            Cow::Borrowed(tag.get("Value")?)
        }
        Source::Detail(name, path) => match object.details.get(name)? {
            Found::Tree(tree) => Cow::Borrowed(at(tree, path)?),
            Found::Text(text) => return (!text.is_empty()).then(|| Value::Text(text.clone())),
        },
    };
    render(kind, &found)
}

fn render(kind: Type, found: &Json) -> Option<Value> {
    let empty = match found {
        Json::Null => true,
        Json::String(text) => text.is_empty(),
        Json::Array(items) => items.is_empty() && kind != Type::Structure,
        Json::Object(members) => members.is_empty() && kind != Type::Structure,
        Json::Bool(_) | Json::Number(_) => false,
    };
    if empty {
        return None;
    }
    let written = || text(found).unwrap_or_else(|| found.to_string());
    match kind {
        Type::Text => Some(Value::Text(written().into())),
        Type::Json | Type::Structure => Some(Value::Text(found.to_string().into())),
        Type::Time => moment(found).map(|time| Value::Text(time.into())),
        Type::Integer => found.as_i64().or_else(|| written().trim().parse().ok()).map(Value::Integer),
        Type::Float => found.as_f64().or_else(|| written().trim().parse().ok()).map(Value::Float),
        Type::Boolean => found.as_bool().or_else(|| written().trim().parse().ok()).map(Value::Boolean),
    }
}

/// `2021-10-26T07:00:44.000Z` → `2021-10-26T07:00:44Z`; a number is milliseconds since 1970.
fn moment(found: &Json) -> Option<String> {
    if let Some(milliseconds) = found.as_i64() {
        let time = DateTime::from_timestamp_millis(milliseconds)?;
        return Some(time.to_rfc3339_opts(SecondsFormat::Secs, true));
    }
    let time = text(found)?;
    let Some((seconds, rest)) = time.split_once('.') else { return Some(time) };
    let zone = rest.trim_start_matches(|digit: char| digit.is_ascii_digit());
    Some(format!("{seconds}{zone}"))
}
