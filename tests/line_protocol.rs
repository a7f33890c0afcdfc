//! Line protocol: DataKit's table case by case, and properties against an independent parser.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use funchost::sink::batch::{BYTES, Batch, POINTS};
use funchost::sink::line::{self, Change, Notes, Refused};
use funchost_collectors::point::{Category, Point, Text, Value};
use influxdb_line_protocol::FieldValue as Parsed;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn point(tags: &[(&str, &str)], fields: &[(&str, Value)]) -> Point {
    Point {
        category: Category::CustomObject,
        measurement: "m".into(),
        tags: tags.iter().map(|(key, value)| (Text::from(*key), Text::from(*value))).collect(),
        fields: fields.iter().map(|(key, value)| (Text::from(*key), value.clone())).collect(),
        time: 1_700_000_000_000_000_000,
    }
}

fn encode(point: &Point) -> (Result<String, Refused>, Notes) {
    let (mut out, mut notes) = (Vec::new(), Notes::default());
    let result = line::encode(point, &mut out, &mut notes);
    (result.map(|()| String::from_utf8(out).expect("UTF-8")), notes)
}

fn text(value: &str) -> Value {
    Value::Text(value.into())
}

const ONE: (&str, Value) = ("v", Value::Integer(1));

/// A tag's value as it is written.
fn tag(value: &str) -> String {
    let (line, _) = encode(&point(&[("t", value)], &[ONE]));
    let line = line.expect("it can be written");
    line.strip_prefix("m")
        .unwrap()
        .strip_suffix(" v=1i 1700000000000000000")
        .unwrap()
        .trim_start_matches(",t=")
        .to_owned()
}

#[test]
fn tags_follow_the_table() {
    for (value, written) in [
        ("plain", "plain"),
        ("a,b=c d", "a\\,b\\=c\\ d"),
        ("back\\slash", "back\\slash"),
        ("two\nlines\r\n", "two\\ lines\\ \\ "),
        ("tab\there", "tab\there"),
        ("trailing\\", "trailing"),
        ("trailing\\\\\\", "trailing"),
        ("\\", ""),
        ("", ""),
        ("\"quoted\"", "\"quoted\""),
        ("数据库 🚀", "数据库\\ 🚀"),
        ("#hash", "#hash"),
        (" blank ", "\\ blank\\ "),
    ] {
        assert_eq!(tag(value), written, "{value:?}");
    }
    // The cut comes before the end is looked at: what ends in a backslash only then loses it too.
    let long = format!("{}\\{}", "x".repeat(1023), "y".repeat(10));
    assert_eq!(tag(&long), "x".repeat(1023));
    // Never in the middle of a character.
    assert_eq!(tag(&"长".repeat(400)).chars().count(), 341);
}

#[test]
fn measurements_and_keys_follow_the_table() {
    for (measurement, written) in [
        ("aws_AWS/EC2", "aws_AWS/EC2"),
        ("a b,c=d", "a\\ b\\,c=d"),
        ("##a", "a"),
        ("a\\b\tc\r\nd", "ab\\ c\\ \\ d"),
    ] {
        let mut point = point(&[], &[ONE]);
        point.measurement = measurement.into();
        let (line, _) = encode(&point);
        assert_eq!(line.unwrap(), format!("{written} v=1i 1700000000000000000"), "{measurement:?}");
    }
    let mut nameless = point(&[], &[ONE]);
    nameless.measurement = "#\\".into();
    assert_eq!(encode(&nameless).0, Err(Refused::NoMeasurement));
    for (key, written) in
        [("a b", "a\\ b"), ("#k\\e\ty", "key"), ("a,b=c", "a\\,b\\=c"), ("line\nbreak", "line\\ break")]
    {
        let (line, _) = encode(&point(&[], &[(key, Value::Integer(1))]));
        assert_eq!(line.unwrap(), format!("m {written}=1i 1700000000000000000"), "{key:?}");
    }
    let (line, notes) = encode(&point(&[(&"k".repeat(300), "v")], &[ONE]));
    assert_eq!(line.unwrap(), format!("m,{}=v v=1i 1700000000000000000", "k".repeat(256)));
    assert_eq!(notes.count(Change::KeyCut), 1);
}

#[test]
fn values_follow_the_table() {
    for (value, written) in [
        (Value::Float(1.0), "1.0"),
        (Value::Float(0.1), "0.1"),
        (Value::Float(-0.0), "-0.0"),
        (Value::Float(1e21), "1e21"),
        (Value::Float(1e-7), "1e-7"),
        (Value::Float(f64::MAX), "1.7976931348623157e308"),
        (Value::Integer(i64::MIN), "-9223372036854775808i"),
        (Value::Boolean(true), "true"),
        (Value::Boolean(false), "false"),
        (text("a\"b\\c\nd"), "\"a\\\"b\\\\c\nd\""),
        (text(""), "\"\""),
    ] {
        let (line, _) = encode(&point(&[], &[("v", value.clone())]));
        let line = line.unwrap();
        let found = line.strip_prefix("m v=").unwrap().strip_suffix(" 1700000000000000000").unwrap();
        if let Value::Float(number) = value {
            // The shortest form may be written in more than one way; it must read back as the same number.
            assert_eq!(found.parse::<f64>().unwrap().to_bits(), number.to_bits(), "{found}");
        } else {
            assert_eq!(found, written);
        }
    }
}

#[test]
fn what_datakit_would_drop_is_left_out_and_counted() {
    let (line, notes) = encode(&point(
        &[("t", "1"), ("t", "2"), ("u", "3")],
        &[
            ("u", Value::Integer(1)),
            ("nan", Value::Float(f64::NAN)),
            ("inf", Value::Float(f64::INFINITY)),
            ("v", Value::Integer(1)),
            ("v", Value::Integer(2)),
        ],
    ));
    assert_eq!(line.unwrap(), "m,t=1,u=3 v=1i 1700000000000000000");
    assert_eq!(notes.count(Change::KeyTwice), 2);
    assert_eq!(notes.count(Change::FieldIsTag), 1);
    assert_eq!(notes.count(Change::NotFinite), 2);
    assert_eq!(notes.warnings().len(), 3);

    let mut metric = point(&[], &[("s", text("x")), ONE]);
    metric.category = Category::Metric;
    let (line, notes) = encode(&metric);
    assert_eq!(line.unwrap(), "m v=1i 1700000000000000000");
    assert_eq!(notes.count(Change::TextInMetric), 1);

    let (line, _) = encode(&point(&[("t", "1")], &[("nan", Value::Float(f64::NAN))]));
    assert_eq!(line, Err(Refused::NoField("m".into())));
    // Keys that become the same only when they are cleaned.
    let (line, notes) = encode(&point(&[], &[("a\\b", Value::Integer(1)), ("ab", Value::Integer(2))]));
    assert_eq!(line.unwrap(), "m ab=1i 1700000000000000000");
    assert_eq!(notes.count(Change::KeyTwice), 1);
}

#[test]
fn limits_hold() {
    let many: Vec<(Text, Text)> = (0..300).map(|index| (format!("t{index}").into(), "v".into())).collect();
    let mut wide = point(&[], &[ONE]);
    wide.tags = many;
    let (line, notes) = encode(&wide);
    assert_eq!(line.unwrap().matches(",t").count(), 256);
    assert_eq!(notes.count(Change::TagsDropped), 44);

    let mut deep = point(&[], &[]);
    deep.fields = (0..1500).map(|index| (format!("f{index}").into(), Value::Integer(index))).collect();
    let (line, notes) = encode(&deep);
    let line = line.unwrap();
    assert!(
        line.contains("f0=0i,") && line.contains(",f1023=1023i ") && !line.contains("f1024="),
        "the first 1,024 stay"
    );
    assert_eq!(notes.count(Change::FieldsDropped), 476);

    let long = "x".repeat(1024);
    let mut heavy = point(&[], &[ONE]);
    heavy.tags = (0..100).map(|index| (format!("t{index}").into(), long.as_str().into())).collect();
    assert_eq!(encode(&heavy).0, Err(Refused::TagsTooLong("m".into())));
}

#[test]
fn a_large_object_loses_message_first_then_its_largest_fields() {
    let big = |size: usize| text(&"x".repeat(size));
    let (line, notes) = encode(&point(&[], &[("message", big(500_000)), ("disks", big(450_000)), ONE]));
    let line = line.unwrap();
    assert!(
        !line.contains("message=") && line.contains("disks=") && line.ends_with("v=1i 1700000000000000000")
    );
    assert_eq!(notes.count(Change::TooLarge), 1);
    let (line, notes) =
        encode(&point(&[], &[("message", big(500_000)), ("disks", big(950_000)), ("nets", big(10)), ONE]));
    let line = line.unwrap();
    assert!(!line.contains("disks=") && line.contains("nets="));
    assert_eq!(notes.count(Change::TooLarge), 2);
}

/// Text of every kind that has ever been trouble.
fn nasty() -> impl Strategy<Value = String> {
    proptest::collection::vec(
        prop_oneof![
            4 => "[a-zA-Z0-9_./-]{1,4}",
            1 => Just(",".to_owned()), 1 => Just("=".to_owned()), 1 => Just(" ".to_owned()), 2 => Just("\\".to_owned()),
            1 => Just("\"".to_owned()), 1 => Just("\n".to_owned()), 1 => Just("\r".to_owned()), 1 => Just("#".to_owned()),
            1 => Just("长🚀é".to_owned()), 1 => any::<char>().prop_map(String::from),
        ],
        0..8,
    )
    .prop_map(|parts| parts.concat())
    // The independent parser takes no tabs in keys and tags, and reads NUL as an end; DataKit takes both.
    .prop_map(|text| text.replace(['\t', '\0'], ""))
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<f64>().prop_map(Value::Float),
        // Few decimals, as most measured numbers have, up to where no number has three.
        (0_u64..1_000_000).prop_map(|number| Value::Float(number as f64 / 1000.0)),
        (0_u64..1 << 60).prop_map(|number| Value::Float(number as f64 / 1000.0)),
        (0_u64..1 << 60, -4..20)
            .prop_map(|(number, decimals)| Value::Float(number as f64 / 10_f64.powi(decimals))),
        any::<i64>().prop_map(Value::Integer),
        any::<bool>().prop_map(Value::Boolean),
        nasty().prop_map(|value| text(&value)),
    ]
}

/// A tag's key or value after cleaning, by the rules of DataKit.
fn cleaned(text: &str) -> String {
    text.replace(['\n', '\r'], " ").trim_end_matches('\\').to_owned()
}

/// Before a comma, a blank or an equals sign this parser takes every backslash as an escape; DataKit, measured, only those it needs.
/// A backslash that itself stands before such a character can therefore not be compared: it is taken out of the input.
fn comparable(text: &str) -> String {
    let mut text = cleaned(text);
    for special in [",", "=", " ", "\\"] {
        while text.contains(&format!("\\{special}")) {
            text = text.replace(&format!("\\{special}"), special);
        }
    }
    text
}

/// `.ci/run --long` asks for more.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(512)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    /// What is written reads back as what was meant, by a parser that is not ours.
    #[test]
    fn an_independent_parser_reads_the_same(
        measurement in nasty(),
        tags in proptest::collection::vec((nasty(), nasty()), 0..5),
        fields in proptest::collection::vec((nasty(), value()), 1..6),
        time in any::<i64>(),
    ) {
        let point = Point {
            category: Category::CustomObject,
            measurement: measurement.as_str().into(),
            tags: tags.iter().map(|(key, value)| (comparable(key).into(), comparable(value).into())).collect(),
            fields: fields.iter().map(|(key, value)| (key.as_str().into(), value.clone())).collect(),
            time,
        };
        let (line, notes) = encode(&point);
        let Ok(line) = line else {
            // Refused only where nothing is left.
            let name = measurement.replace(['\\'], "");
            let finite = |value: &Value| !matches!(value, Value::Float(number) if !number.is_finite());
            prop_assert!(
                name.trim_start_matches('#').is_empty() || name.replace(['\r', '\n'], " ").trim_start_matches('#').is_empty()
                    || point.fields.iter().all(|(key, value)| !finite(value) || key.replace(['\\', '\r'], "").trim_start_matches('#').is_empty()
                        || point.tags.iter().any(|(tag, value)| !value.is_empty() && **tag == *key.replace(['\\', '\r'], "").replace('\n', " ").trim_start_matches('#')))
            );
            return Ok(());
        };
        let parsed: Vec<_> = influxdb_line_protocol::parse_lines(&line).collect();
        prop_assert_eq!(parsed.len(), 1, "{}", line);
        let parsed = parsed.into_iter().next().unwrap();
        prop_assert!(parsed.is_ok(), "{line}: {parsed:?}");
        let parsed = parsed.unwrap();
        prop_assert_eq!(parsed.timestamp, Some(time));
        let mut expected_tags: BTreeMap<String, String> = BTreeMap::new();
        for (key, value) in &point.tags {
            if !key.is_empty() && !value.is_empty() {
                expected_tags.entry(key.to_string()).or_insert_with(|| value.to_string());
            }
        }
        let found_tags: BTreeMap<String, String> = parsed.series.tag_set.iter().flatten().map(|(key, value)| (key.to_string(), value.to_string())).collect();
        prop_assert_eq!(&found_tags, &expected_tags, "{}", line);
        let mut expected: BTreeMap<String, Value> = BTreeMap::new();
        for (key, value) in &point.fields {
            let key = key.replace(['\\', '\r'], "").replace('\n', " ");
            let key = key.trim_start_matches('#').to_owned();
            let finite = !matches!(value, Value::Float(number) if !number.is_finite());
            if !key.is_empty() && finite && !expected_tags.contains_key(&key) {
                expected.entry(key).or_insert_with(|| value.clone());
            }
        }
        prop_assert_eq!(parsed.field_set.len(), expected.len(), "{}", line);
        for (key, value) in &parsed.field_set {
            let same = match (&expected[key.as_str()], value) {
                (Value::Float(one), Parsed::F64(other)) => one.to_bits() == other.to_bits(),
                (Value::Integer(one), Parsed::I64(other)) => one == other,
                (Value::Boolean(one), Parsed::Boolean(other)) => one == other,
                (Value::Text(one), Parsed::String(other)) => **one == *other.as_str(),
                _ => false,
            };
            prop_assert!(same, "{key} in {line}");
        }
        // What is dropped is counted.
        let dropped = point.fields.iter().filter(|(_, value)| matches!(value, Value::Float(number) if !number.is_finite())).count();
        prop_assert!(notes.count(Change::NotFinite) <= dropped as u64);
    }

    /// Tags that are added while a point is written are those that it would have been given before.
    #[test]
    fn added_tags_are_the_points_own(
        own in proptest::collection::vec(("[a-f]{1,2}", nasty()), 0..6),
        added in proptest::collection::vec(proptest::collection::vec(("[a-f]{0,2}", nasty()), 0..6), 0..4),
        fields in proptest::collection::vec(("[a-f]{1,2}", value()), 1..6),
    ) {
        let texts = |tags: &[(String, String)]| -> Vec<(Text, Text)> {
            tags.iter().map(|(key, value)| (key.as_str().into(), value.as_str().into())).collect()
        };
        let mut point = point(&[], &[]);
        point.tags = texts(&own);
        point.fields = fields.iter().map(|(key, value)| (key.as_str().into(), value.clone())).collect();
        let lists: Vec<Vec<(Text, Text)>> = added.iter().map(|list| texts(list)).collect();
        let lists: Vec<&[(Text, Text)]> = lists.iter().map(Vec::as_slice).collect();
        let (mut out, mut notes) = (b"before".to_vec(), Notes::default());
        let result = line::encode_with(&point, &lists, &mut out, &mut notes);
        for (key, value) in lists.iter().copied().flatten() {
            point.add_tag(key, value);
        }
        let (whole, its_notes) = encode(&point);
        prop_assert_eq!(result.map(|()| String::from_utf8(out[6..].to_vec()).unwrap()), whole);
        prop_assert_eq!(&out[..6], b"before");
        prop_assert_eq!(notes, its_notes);
    }

    /// Batches stay below DataKit's sizes, keep the order, and come back whole from the outbox.
    #[test]
    fn batches_hold_their_limits(lines in proptest::collection::vec((1_usize..400_000, any::<i64>()), 1..12)) {
        let mut batches = vec![Batch::new(Category::Metric)];
        for (length, time) in &lines {
            let line = vec![b'x'; *length];
            if !batches.last().unwrap().fits(line.len()) {
                batches.push(Batch::new(Category::Metric));
            }
            batches.last_mut().unwrap().push(&line, *time);
        }
        let mut back = Vec::new();
        for batch in &batches {
            prop_assert!(batch.body().len() < 1 << 20 || batch.len() == 1);
            prop_assert!(batch.body().len() <= BYTES + 1 || batch.len() == 1);
            prop_assert!(batch.len() <= POINTS);
            let kept = Batch::from_bytes(&batch.to_bytes()).unwrap();
            prop_assert_eq!(&kept, batch);
            for index in 0..kept.len() {
                back.push((kept.line(index).unwrap().len(), kept.time(index).unwrap()));
            }
        }
        prop_assert_eq!(back, lines);
    }

    /// Whatever lies in the outbox: a batch, or an error.
    #[test]
    fn damaged_bytes_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200), at in any::<prop::sample::Index>(), with in any::<u8>()) {
        drop(Batch::from_bytes(&bytes));
        let mut batch = Batch::new(Category::CustomObject);
        batch.push(b"m v=1i 1", 1);
        batch.push(b"m v=2i 2", 2);
        let mut kept = batch.to_bytes();
        let at = at.index(kept.len());
        kept[at] = with;
        if let Ok(read) = Batch::from_bytes(&kept) {
            prop_assert!(read.len() <= 2);
        }
    }
}

#[test]
fn old_points_are_taken_out() {
    let mut batch = Batch::new(Category::Metric);
    for time in [5, 1, 9, 3] {
        batch.push(format!("m v={time}i {time}").as_bytes(), time);
    }
    assert_eq!(batch.oldest(), Some(1));
    assert_eq!(batch.drop_older_than(4), 2);
    assert_eq!(batch.body(), b"m v=5i 5\nm v=9i 9\n");
    assert_eq!(batch.line_at(0), Some(0));
    assert_eq!(batch.line_at(9), Some(1));
    assert_eq!(batch.line_at(100), None);
}
