//! Everything that reads foreign bytes, with the corpus of `fuzz/corpus` as it is and mutated; and answers that do not end.
//!
//! `fuzz/` looks for more with coverage (`cargo +nightly fuzz run answers`); what it finds goes into the corpus and is replayed here.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

mod endless;
#[allow(unreachable_pub, reason = "the crate in fuzz/ uses it, too")]
mod targets;

use proptest::prelude::*;
use std::path::Path;

/// The inputs of a target, each with its file's name.
fn corpus(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut inputs: Vec<(String, Vec<u8>)> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(&path).unwrap()))
        .collect();
    inputs.sort();
    assert!(!inputs.is_empty(), "{} is empty", folder.display());
    inputs
}

/// One change of an input.
#[derive(Debug, Clone)]
enum Change {
    Set(usize, u8),
    Cut(usize),
    Remove(usize, usize),
    Repeat(usize, usize),
    Insert(usize, &'static str),
    /// The number that stands at or behind a place.
    Number(usize, &'static str),
}

const WORDS: &[&str] = &[
    "null",
    "{}",
    "[]",
    "\"\"",
    "true",
    "-",
    "\\u0000",
    "\u{0}",
    "\"",
    "{",
    "[",
    "]",
    "}",
    "<a>",
    "</a>",
    "&lt;",
    "&#0;",
    "<![CDATA[",
    "<!--",
    "\n",
    "\r",
    " ",
    "云",
    "🚀",
    "(pos: 1)",
    "(pos: 99999999999999999999)",
    "*",
    "NOT",
    "ALL",
    "@",
    "#{",
    "`${",
    "'",
    "//",
    "/*",
    "=",
    "fn ",
    "let ",
    ";",
    "%",
    "\\",
];

const NUMBERS: &[&str] = &[
    "0",
    "-1",
    "1",
    "9223372036854775807",
    "-9223372036854775808",
    "18446744073709551615",
    "1e308",
    "-1e308",
    "1e-308",
    "0.1",
    "99999999999999999999999999999999",
    "4294967296",
    "1700000000000",
];

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let place = || any::<usize>();
    prop::collection::vec(
        prop_oneof![
            (place(), any::<u8>()).prop_map(|(at, byte)| Change::Set(at, byte)),
            place().prop_map(Change::Cut),
            (place(), 0..40_usize).prop_map(|(at, length)| Change::Remove(at, length)),
            (place(), 0..200_usize).prop_map(|(at, length)| Change::Repeat(at, length)),
            (place(), prop::sample::select(WORDS)).prop_map(|(at, word)| Change::Insert(at, word)),
            (place(), prop::sample::select(NUMBERS)).prop_map(|(at, number)| Change::Number(at, number)),
        ],
        1..6,
    )
}

/// The first line says what the input is: it stays.
fn apply(input: &[u8], keep: usize, changes: &[Change]) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for change in changes {
        let room = bytes.len().saturating_sub(keep) + 1;
        let place = |at: &usize| keep.min(bytes.len()) + at % room;
        match change {
            Change::Set(at, byte) => {
                let at = place(at);
                if let Some(there) = bytes.get_mut(at) {
                    *there = *byte;
                }
            }
            Change::Cut(at) => bytes.truncate(place(at)),
            Change::Remove(at, length) => {
                let at = place(at);
                bytes.drain(at..(at + length).min(bytes.len()));
            }
            Change::Repeat(at, length) => {
                let at = place(at);
                let part = bytes[at..(at + length).min(bytes.len())].to_vec();
                bytes.splice(at..at, part);
            }
            Change::Insert(at, word) => {
                let at = place(at);
                bytes.splice(at..at, word.bytes());
            }
            Change::Number(at, number) => {
                let at = place(at);
                let digit = |byte: &u8| byte.is_ascii_digit() || *byte == b'.';
                if let Some(start) = bytes[at..].iter().position(digit).map(|start| at + start) {
                    let end = bytes[start..]
                        .iter()
                        .position(|byte| !digit(byte))
                        .map_or(bytes.len(), |end| start + end);
                    bytes.splice(start..end, number.bytes());
                }
            }
        }
    }
    bytes
}

/// `.ci/run --long` asks for more.
fn cases(short: u32) -> u32 {
    let wanted = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    wanted.map_or(short, |wanted: u32| wanted.max(short))
}

/// Replays a target's corpus, then mutates it.
fn run(name: &'static str, target: fn(&[u8]), headed: bool, short: u32) {
    let corpus = corpus(name);
    for (_, input) in &corpus {
        target(input);
    }
    let config =
        ProptestConfig { cases: cases(short), failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(which in prop::sample::select(corpus), changes in changes())| {
        let (_, input) = which;
        let keep = if headed { input.iter().position(|byte| *byte == b'\n').map_or(0, |end| end + 1) } else { 0 };
        let mutated = apply(&input, keep, &changes);
        let outcome = std::panic::catch_unwind(|| target(&mutated));
        prop_assert!(outcome.is_ok(), "{name}: {}", String::from_utf8_lossy(&mutated));
    });
}

#[test]
fn answers_of_clouds() {
    for (collector, action) in targets::CALLS {
        let well = format!("{collector} {action} 200\n{}", targets::good(collector, action));
        targets::answers(well.as_bytes());
    }
    run("answers", targets::answers, true, 400);
}

#[test]
fn good_answers_are_collected() {
    // What the mutations begin with reaches the end of every collector: otherwise they would only show that nonsense is refused.
    for name in [
        "aws_ec2",
        "aws_cloudwatch",
        "aliyun_monitor",
        "aliyun_ecs",
        "aliyun_rds",
        "aliyun_slb",
        "aliyun_oss",
        "tencentcloud_cvm",
        "tencentcloud_monitor",
    ] {
        let answering = move |action: &str, _| (200, targets::good(name, action).into_bytes());
        let collected =
            targets::collect(name, false, funchost_collectors::call::Options::default(), answering, None);
        assert!(collected.failures.is_empty(), "{name}: {collected:?}");
        assert_eq!(collected.points, 1, "{name}: {collected:?}");
    }
}

#[test]
fn answers_to_declared_collectors() {
    // What the mutations begin with reaches the end: otherwise they would only show that nonsense is refused.
    let names: std::collections::BTreeSet<_> =
        targets::declared().into_iter().map(|(name, _)| name).collect();
    let mut without = Vec::new();
    for name in &names {
        let collected = targets::collect_declared(name, None);
        assert!(collected.done, "{name}");
        if collected.points == 0 {
            without.push((*name, collected.failures, collected.calls));
        }
    }
    assert!(names.len() > 60, "{names:?}");
    assert!(without.len() * 10 < names.len(), "{without:#?}");
    run("market", targets::market, true, 300);
}

#[test]
fn the_corpus_has_an_answer_of_every_declared_call() {
    let have: Vec<String> = corpus("market").into_iter().map(|(name, _)| name).collect();
    for (name, text) in targets::declared_answers() {
        // `FUNCHOST_WRITE_CORPUS=1` writes what is missing, after a collector was added.
        if !have.contains(&name) && std::env::var_os("FUNCHOST_WRITE_CORPUS").is_some() {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/market");
            std::fs::write(folder.join(&name), text).unwrap();
            continue;
        }
        assert!(have.contains(&name), "{name} is missing: run this test with FUNCHOST_WRITE_CORPUS=1");
    }
}

#[test]
fn answers_to_scripts() {
    run("requested", targets::requested, true, 300);
}

#[test]
fn recordings() {
    run("recording", targets::recording, false, 400);
}

#[test]
fn calls_of_the_console() {
    run("called", targets::called, true, 200);
}

#[test]
fn remembered_values() {
    run("remembered", targets::remembered, true, 200);
}

#[test]
fn answers_of_datakit() {
    run("datakit", targets::datakit, true, 150);
}

#[test]
fn configurations() {
    run("configuration", targets::configuration, false, 300);
}

#[test]
fn scripts() {
    run("script", targets::script, false, 200);
}

#[test]
fn selectors() {
    run("selector", targets::selector, false, 1000);
}

#[test]
fn parcels() {
    run("parcel", targets::parcel, false, 1000);
}

#[test]
fn crontabs() {
    run("crontab", targets::crontab, false, 300);
}
