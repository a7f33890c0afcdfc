//! Points: what collectors make and the sink writes.
//!
//! Owns the shape of a point and nothing of how it is written: escaping, limits and batches belong to the sink.

use std::sync::Arc;

/// Text that many points share: a region, a dimension's name, an instance's id.
pub type Text = Arc<str>;

/// Where DataKit puts a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Category {
    /// A time series: `/v1/write/metric`.
    Metric,
    /// A resource with its properties: `/v1/write/custom_object`.
    CustomObject,
}

impl Category {
    /// The last part of DataKit's path.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Metric => "metric",
            Self::CustomObject => "custom_object",
        }
    }
}

/// A field's value. One key has one type, for ever.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Finite; the sink leaves out anything else and counts it.
    Float(f64),
    /// A whole number.
    Integer(i64),
    /// True or false.
    Boolean(bool),
    /// Any text; nested values are JSON text.
    Text(Text),
}

/// One measured or described thing at one time.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// Metric or object.
    pub category: Category,
    /// For example `aws_AWS/EC2` or `aws_ec2`, as it is: the sink escapes.
    pub measurement: Text,
    /// In the order they were added; a key stands once, see [`Point::tag`].
    pub tags: Vec<(Text, Text)>,
    /// In the order they were added; a key stands once.
    pub fields: Vec<(Text, Value)>,
    /// Nanoseconds since 1970, UTC.
    pub time: i64,
}

impl Point {
    /// The value of a tag.
    #[must_use]
    pub fn tag(&self, key: &str) -> Option<&str> {
        self.tags.iter().find(|(name, _)| &**name == key).map(|(_, value)| &**value)
    }

    /// Adds a tag where the key is still free and the value is not empty; says whether it did.
    pub fn add_tag(&mut self, key: &Text, value: &Text) -> bool {
        if value.is_empty() || self.tag(key).is_some() {
            return false;
        }
        self.tags.push((key.clone(), value.clone()));
        true
    }
}
