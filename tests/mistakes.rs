//! The list of likely mistakes, and the pages that are made of it: every message stands there as a snapshot proves it.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

struct Snapshot {
    /// What was done: a script, or the words of a command.
    input: Option<String>,
    message: String,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_path_buf()
}

fn snapshot(id: &str) -> Snapshot {
    snapshot_at(&root().join("tests/snapshots").join(format!("{id}.snap")))
}

fn snapshot_at(path: &Path) -> Snapshot {
    let id = path.display();
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut parts = text.splitn(3, "---\n");
    assert_eq!(parts.next(), Some(""), "{id}");
    let (head, message) = (parts.next().unwrap(), parts.next().unwrap());
    let written = head.lines().find_map(|line| line.strip_prefix("description: "));
    // Texts with line breaks are written as JSON writes them.
    let input =
        written.map(|text| serde_json::from_str(text).unwrap_or_else(|_| text.trim_matches('\'').to_owned()));
    Snapshot { input, message: message.trim_end().to_owned() }
}

fn list() -> toml::Table {
    std::fs::read_to_string(root().join("tests/mistakes.toml")).unwrap().parse().unwrap()
}

fn text<'t>(table: &'t toml::Value, key: &str) -> &'t str {
    table[key].as_str().unwrap_or_else(|| panic!("{key} of {table}"))
}

fn page(chinese: bool) -> String {
    let pick =
        |english: &'static str, chinese_text: &'static str| if chinese { chinese_text } else { english };
    let mut page = format!(
        "# {}\n\n{}\n\n{}\n",
        pick("Likely mistakes, and what funchost says", "常见错误与提示"),
        pick("[中文](zh-CN/mistakes.md)", "[English](../mistakes.md)"),
        pick(
            "Every message is shown as a test proves it. `funchost doctor SCRIPT` finds out most of them alone.",
            "每条提示均由测试保证。`funchost doctor SCRIPT` 可以自动发现其中大部分问题。"
        )
    );
    for group in list()["group"].as_array().unwrap() {
        let _ = write!(page, "\n## {}\n", text(group, if chinese { "title_zh" } else { "title" }));
        for mistake in group["mistakes"].as_array().unwrap() {
            let found = snapshot(text(mistake, "id"));
            let _ = write!(page, "\n### {}\n", text(mistake, if chinese { "zh" } else { "en" }));
            // A one-line message has no source in it: then what was written helps.
            if let Some(input) = found.input.filter(|input| !input.contains('\n') && !input.contains(';')) {
                // Words of a command, or a line of a script.
                let shown = match input.contains('(') {
                    true => format!("```rhai\n{input}\n```"),
                    false => format!("```console\n$ funchost {input}\n```"),
                };
                let _ = write!(page, "\n{shown}\n");
            }
            let _ = write!(page, "\n```text\n{}\n```\n", found.message);
        }
    }
    page
}

#[test]
fn at_least_thirty_are_listed_each_once_and_say_what_to_do() {
    let list = list();
    let mistakes: Vec<&toml::Value> = list["group"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|group| group["mistakes"].as_array().unwrap())
        .collect();
    let ids: BTreeSet<&str> = mistakes.iter().map(|mistake| text(mistake, "id")).collect();
    assert!(ids.len() >= 30 && ids.len() == mistakes.len(), "{}", ids.len());
    for id in ids {
        let message = snapshot(id).message;
        let first = message.lines().next().unwrap();
        assert!(first.chars().count() > 10, "{id}: the first line says what is wrong");
        assert!(has_way_out(&message), "{id} does not say what to do:\n{message}");
    }
}

/// Does a message say what to do?
fn has_way_out(message: &str) -> bool {
    // A state that cannot be used says so, why, and both ways out, in one line.
    let state = ["or name another state with --state", "put a copy in its place, or move it away"];
    ["hint: ", "tip: ", "belongs here", "did you mean "]
        .iter()
        .chain(&state)
        .any(|words| message.contains(words))
}

/// The errors of a text, each with all that is said of it: compiler-like messages, and the lines of `doctor` that say FAIL.
fn errors(text: &str) -> Vec<String> {
    let mut errors: Vec<String> = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        let begins = line.starts_with("error") || line.starts_with("FAIL ");
        if begins {
            // The same in other regions: it was said above what to do.
            inside = !line.contains(": the same in ");
            if inside {
                errors.push(String::new());
            }
        } else if ["ok  ", "WARN", "----"].iter().any(|other| line.starts_with(other)) {
            inside = false;
        }
        if inside && let Some(error) = errors.last_mut() {
            error.push_str(line);
            error.push('\n');
        }
    }
    errors
}

/// Errors without a way out of their own, and why that is right.
const WITHOUT: &[(&str, &str)] = &[
    ("config_not_toml", "the words are the parser's, and the place is shown"),
    ("config_wrong_type", "what is expected is the way out"),
    ("new_region_is_none", "an example of what is expected is the way out"),
    ("outbox__outbox_drop_nothing_named", "the usage below it lists what can be named"),
    ("outbox__outbox_drop_two_ways", "it names the two of which one has to go"),
    ("service_config__mistakes_are_said_together_each_at_its_place", "it names both values that there are"),
    ("test_failing", "the words are the script's own"),
    ("usage_timeout_too_long", "it names the range"),
];

#[test]
fn every_error_in_every_snapshot_says_what_to_do() {
    let mut found = 0;
    let mut without = BTreeSet::new();
    let mut silent = Vec::new();
    let tests = root().join("tests");
    let folders = std::fs::read_dir(&tests).unwrap().map(|entry| entry.unwrap().path().join("snapshots"));
    let folders = folders.filter(|folder| folder.is_dir()).chain([tests.join("snapshots")]);
    for entry in folders.flat_map(|folder| std::fs::read_dir(folder).unwrap()) {
        let path = entry.unwrap().path();
        // A snapshot that waits for review is none yet.
        if path.extension().is_none_or(|extension| extension != "snap") {
            continue;
        }
        let id = path.file_stem().unwrap().to_string_lossy().into_owned();
        for error in errors(&snapshot_at(&path).message) {
            found += 1;
            if !has_way_out(&error) {
                if !WITHOUT.iter().any(|(known, _)| *known == id) {
                    silent.push(format!("{id} does not say what to do:\n{error}"));
                }
                without.insert(id.clone());
            }
        }
    }
    assert!(silent.is_empty(), "{}", silent.join("\n"));
    assert!(found > 100, "{found}");
    let known: BTreeSet<String> = WITHOUT.iter().map(|(id, _)| (*id).to_owned()).collect();
    assert_eq!(without, known, "an exception that is none any more is taken from the list");
}

#[test]
fn the_pages_show_the_messages_as_they_are() {
    for (name, chinese) in [("docs/mistakes.md", false), ("docs/zh-CN/mistakes.md", true)] {
        let path = root().join(name);
        let made = page(chinese);
        if std::env::var_os("UPDATE_PAGES").is_some() {
            std::fs::write(&path, &made).unwrap();
        }
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(kept == made, "{name} has changed: UPDATE_PAGES=1 cargo test --workspace --test mistakes");
    }
}
