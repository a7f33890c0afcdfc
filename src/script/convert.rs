//! Values of a script to data and back.
//!
//! Owns the only way from a script's value to JSON. The path of what is no data is kept for the message.

use funchost_collectors::mapped::Mapped as _;
use rhai::{Array, Dynamic, Map};
use serde_json::Value;

/// A value that is no data.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotData {
    /// Where it stands: `targets[0].metrics`; empty for the whole.
    pub(super) path: String,
    /// What it is, so that it can follow the path.
    pub(super) message: String,
}

/// Nested deeper than this, a value is a mistake, and would cost the stack of whoever reads it.
const DEEPEST: usize = 64;

/// A script's value as data.
///
/// # Errors
/// The path of a value that is no data: a function, a collector, a number that is not finite.
pub(super) fn to_json(value: &Dynamic) -> Result<Value, NotData> {
    let mut path = String::new();
    walk(value, &mut path, 0).map_err(|message| NotData { path, message })
}

fn walk(value: &Dynamic, path: &mut String, depth: usize) -> Result<Value, String> {
    if depth > DEEPEST {
        return Err(format!("is nested more than {DEEPEST} levels deep"));
    }
    if value.is_shared() {
        return walk(&value.flatten_clone(), path, depth);
    }
    if value.is_unit() {
        return Ok(Value::Null);
    }
    if let Ok(boolean) = value.as_bool() {
        return Ok(boolean.into());
    }
    if let Ok(integer) = value.as_int() {
        return Ok(integer.into());
    }
    if let Ok(float) = value.as_float() {
        return serde_json::Number::from_f64(float)
            .map(Value::Number)
            .ok_or_else(|| format!("is {float}, which is no finite number"));
    }
    if let Ok(character) = value.as_char() {
        return Ok(character.to_string().into());
    }
    if let Ok(text) = value.as_immutable_string_ref() {
        return Ok(text.as_str().into());
    }
    if let Ok(array) = value.as_array_ref() {
        let length = path.len();
        let mut list = Vec::with_capacity(array.len());
        for (index, item) in array.iter().enumerate() {
            path.push_str(&format!("[{index}]"));
            list.push(walk(item, path, depth + 1)?);
            path.truncate(length);
        }
        return Ok(Value::Array(list));
    }
    if let Ok(map) = value.as_map_ref() {
        let length = path.len();
        let mut object = serde_json::Map::new();
        for (key, item) in map.iter() {
            if length > 0 {
                path.push('.');
            }
            path.push_str(key);
            object.insert(key.to_string(), walk(item, path, depth + 1)?);
            path.truncate(length);
        }
        return Ok(Value::Object(object));
    }
    Err(format!("is {}, which is no data", kind(value)))
}

/// Data as a script's value. A whole number that does not fit becomes a decimal one.
pub(super) fn from_json(value: &Value) -> Dynamic {
    match value {
        Value::Null => Dynamic::UNIT,
        Value::Bool(boolean) => (*boolean).into(),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(integer), _) => integer.into(),
            (None, Some(float)) => float.into(),
            (None, None) => Dynamic::UNIT,
        },
        Value::String(text) => text.as_str().into(),
        Value::Array(list) => list.iter().map(from_json).collect::<Array>().into(),
        Value::Object(object) => {
            object.iter().map(|(key, item)| (key.as_str().into(), from_json(item))).mapped::<Map>().into()
        }
    }
}

/// What a value is, in the words of messages.
pub(super) fn kind(value: &Dynamic) -> String {
    kind_of_name(value.type_name())
}

/// The same from Rhai's name of a type.
pub(super) fn kind_of_name(name: &str) -> String {
    match name {
        "()" => "nothing `()`".into(),
        "bool" => "true or false".into(),
        "i64" | "int" => "a whole number".into(),
        "f64" | "float" => "a decimal number".into(),
        "char" => "a character".into(),
        "&str | ImmutableString | String" | "string" | "&str" | "& str" | "ImmutableString" | "String" => {
            "a text".into()
        }
        "array" | "Array" => "a list".into(),
        "map" | "Map" => "a map".into(),
        "blob" | "Blob" => "a blob".into(),
        "Fn" | "FnPtr" => "a function".into(),
        "Runner" => "a Runner".into(),
        "Collector" => "a collector".into(),
        "DFF" => "DFF".into(),
        "Client" => "a client".into(),
        "Context" => "a collector's context".into(),
        "timestamp" | "Instant" => "a timestamp".into(),
        "range" | "range=" | "Range<i64>" | "RangeInclusive<i64>" => "a range".into(),
        other => format!("a value of type {}", other.rsplit("::").next().unwrap_or(other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn data() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            (-1e300..1e300_f64).prop_map(Value::from),
            ".*".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 64, 8, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map("[a-z\u{4e00}-\u{4e20} .]{0,6}", inner, 0..6)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn data_survives_the_way_through_a_script(value in data()) {
            prop_assert_eq!(to_json(&from_json(&value)), Ok(value));
        }
    }

    #[test]
    fn what_is_no_data_is_named_by_its_path() {
        let mut inner = Map::new();
        inner.insert("f".into(), rhai::FnPtr::new("g").unwrap().into());
        let value: Dynamic = vec![Dynamic::from(1_i64), inner.into()].into();
        let error = to_json(&value).unwrap_err();
        assert_eq!(
            (error.path.as_str(), error.message.as_str()),
            ("[1].f", "is a function, which is no data")
        );
        let error = to_json(&Dynamic::from(f64::NAN)).unwrap_err();
        assert_eq!(error.message, "is NaN, which is no finite number");
    }
}
