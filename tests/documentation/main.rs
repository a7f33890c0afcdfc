//! The pages are true: console blocks print what they show, configurations can be read, scripts pass the check, links lead somewhere,
//! and the Chinese page is the English one's twin.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

mod console;
mod page;
#[path = "../support/mod.rs"]
mod support;

use funchost::config::{Config, Known, LoadRequest, load_with};
use page::{Page, root};
use simcloud::{AliyunEstate, AwsEstate, Options, TencentEstate};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use support::World;

/// Pages that are made of snapshots and of the registry, with tests of their own: of these only the links are looked at.
const MADE: &[&str] = &["docs/mistakes.md", "docs/collectors/"];

/// A page and its Chinese twin.
fn pairs() -> Vec<(String, String)> {
    let mut pairs = vec![
        ("README.md".to_owned(), "README.zh-CN.md".to_owned()),
        ("SECURITY.md".to_owned(), "SECURITY.zh-CN.md".to_owned()),
    ];
    let mut names: Vec<String> = Vec::new();
    for folder in ["docs", "docs/collectors"] {
        names.extend(markdown(&root().join(folder)).into_iter().map(|name| format!("{folder}/{name}")));
    }
    names.sort();
    pairs.extend(names.into_iter().map(|name| {
        let twin = name.replacen("docs/", "docs/zh-CN/", 1);
        (name, twin)
    }));
    pairs
}

fn markdown(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(".md")).collect()
}

fn is_made(name: &str) -> bool {
    MADE.iter().any(|made| name.starts_with(made))
}

/// The pages that are written by hand, of one language.
fn written(chinese: bool) -> Vec<Page> {
    let mut names: Vec<String> = pairs()
        .into_iter()
        .filter(|(name, _)| !is_made(name))
        .map(|(name, twin)| if chinese { twin } else { name })
        .collect();
    if !chinese {
        names.push("examples/README.md".to_owned());
        names.push("benches/README.md".to_owned());
    }
    names.iter().map(|name| Page::read(name)).collect()
}

/// Every page of both languages that is written by hand.
fn all() -> Vec<Page> {
    written(false).into_iter().chain(written(true)).collect()
}

/// Clouds whose names are as people write them: no page warns of line breaks in tags.
fn calm() -> Options {
    Options {
        aws: AwsEstate { nasty: false, ..AwsEstate::default() },
        aliyun: AliyunEstate { nasty: false, ..AliyunEstate::default() },
        tencent: TencentEstate { nasty: false, ..TencentEstate::default() },
        ..Options::default()
    }
}

async fn run_pages(pages: Vec<Page>) {
    for page in pages {
        let world = World::new(calm()).await;
        // Everything is said by variables here: a page begins in an empty folder.
        std::fs::remove_file(world.folder.path().join("funchost.toml")).unwrap();
        tokio::task::spawn_blocking(move || console::run(&page, &world)).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn console_blocks_print_what_they_show() {
    run_pages(written(false)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn console_blocks_of_the_chinese_pages_do_too() {
    run_pages(written(true)).await;
}

#[test]
fn few_blocks_are_not_run_and_it_is_known_which() {
    let mut text = String::new();
    for page in written(false) {
        for block in page.blocks.iter().filter(|block| block.ignored) {
            let first = block.text.lines().next().unwrap_or_default();
            let _ = writeln!(text, "{} {}: {first}", page.name, block.language);
        }
    }
    assert!(text.lines().count() <= 10, "{text}");
    insta::assert_snapshot!("not_run", text);
}

#[test]
fn what_is_shown_is_compared_as_a_reader_would() {
    for (shown, printed, same) in [
        ("a\nb\n", "a\nb\n", true),
        ("a\n", "a\nb\n", false),
        ("a…c\n", "abc", true),
        ("a…c\n", "ab", false),
        ("…\nb\n", "a\na\nb\n", true),
        ("…\nb\n", "b\n", true),
        ("a\n…\n", "a\nx\ny\n", true),
        ("a\n…\nz\n", "a\nx\n", false),
        ("took … s, … calls", "took 1.5 s, 3 calls", true),
        ("took … s, … calls", "took 1.5 s, 3 call", false),
        ("", "said", false),
    ] {
        assert_eq!(console::looks_like(shown, printed), same, "{shown:?} {printed:?}");
    }
}

#[test]
fn configurations_can_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let mut count = 0;
    for page in all() {
        for block in page.blocks_of("toml") {
            count += 1;
            let file = folder.path().join("funchost.toml");
            std::fs::write(&file, &block.text).unwrap();
            let request = LoadRequest {
                explicit: Some(file),
                directory: folder.path().to_path_buf(),
                environment: std::collections::BTreeMap::from([("HOME".into(), "/nowhere".into())]),
            };
            if let Err(error) = load_with(&request, &Known::default()) {
                panic!("{}: {error}", page.place(block));
            }
        }
    }
    assert!(count >= 10, "{count}");
}

#[test]
fn every_key_of_the_configuration_has_its_line_and_no_other() {
    let known: BTreeSet<String> = Config::keys().into_iter().collect();
    for name in ["docs/configuration.md", "docs/zh-CN/configuration.md"] {
        let page = Page::read(name);
        let keys: Vec<String> = page
            .keys
            .iter()
            .filter(|key| !key.contains(|c: char| c.is_uppercase() && !key.contains('.')))
            .cloned()
            .collect();
        let written: BTreeSet<String> = keys.iter().cloned().collect();
        assert_eq!(written.len(), keys.len(), "{name}: a key has two lines");
        let missing: Vec<&String> = known.difference(&written).collect();
        let unknown: Vec<&String> = written.difference(&known).collect();
        assert!(missing.is_empty() && unknown.is_empty(), "{name}: missing {missing:?}, unknown {unknown:?}");
    }
}

/// A script as the check wants it: what a fragment leaves out stands before it.
fn whole(text: &str) -> String {
    let mut before = String::new();
    for (package, name) in [
        ("guance_aliyun_ecs__main", "aliyun_ecs"),
        ("guance_aliyun_monitor__main", "aliyun_monitor"),
        ("guance_aws_ec2__main", "aws_ec2"),
        ("guance_aws_cloudwatch__main", "aws_cloudwatch"),
        ("guance_integration__aws", "aws"),
        ("guance_integration__aliyun", "aliyun"),
    ] {
        let used = text.contains(&format!(" {name}::")) || text.contains(&format!("[{name}::"));
        if used && !text.contains(&format!(" as {name};")) {
            let _ = writeln!(before, "import \"{package}\" as {name};");
        }
    }
    if text.contains("Runner(") && !text.contains("guance_integration__runner") {
        let _ = writeln!(before, "import \"guance_integration__runner\" as integration;");
    }
    if text.contains("account") && !text.contains("let account") {
        let _ =
            writeln!(before, "let account = #{{ ak_id: \"AKIAEXAMPLE\", ak_secret: \"example-secret\" }};");
    }
    if text.contains("collectors") && !text.contains("let collectors") {
        let _ = writeln!(before, "let collectors = [];");
    }
    if text.contains("DFF.API(") {
        return format!("{before}{text}");
    }
    let (imports, body): (Vec<&str>, Vec<&str>) = text.lines().partition(|line| line.starts_with("import "));
    format!(
        "{before}{}\n@DFF.API(\"a fragment\")\nfn run() {{\n{}\n}}\n",
        imports.join("\n"),
        body.join("\n")
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn scripts_pass_the_check() {
    let world = World::new(Options::default()).await;
    let mut count = 0;
    for page in all() {
        for block in page.blocks_of("rhai").filter(|block| !block.ignored) {
            count += 1;
            world.write("page/main.rhai", &whole(&block.text));
            let ran = world.run(&["check", "page/main.rhai"]);
            assert_eq!(ran.code, 0, "{}: {}", page.place(block), ran.stderr);
        }
    }
    assert!(count >= 20, "{count}");
    assert!(world.clouds.calls().is_empty());
}

#[test]
fn links_lead_somewhere() {
    let mut names: Vec<String> = pairs().into_iter().flat_map(|(one, other)| [one, other]).collect();
    names.push("examples/README.md".into());
    names.push("benches/README.md".into());
    let mut wrong = String::new();
    let mut count = 0;
    for name in &names {
        let page = Page::read(name);
        for link in &page.links {
            if ["http://", "https://", "mailto:"].iter().any(|scheme| link.target.starts_with(scheme)) {
                continue;
            }
            count += 1;
            let (file, anchor) = link.target.split_once('#').unwrap_or((&link.target, ""));
            let path = match file {
                "" => root().join(name),
                file => root().join(name).parent().unwrap().join(file),
            };
            let found = if anchor.is_empty() {
                path.exists()
            } else {
                path.extension().is_some_and(|ending| ending == "md")
                    && path.exists()
                    && Page::read(
                        &path
                            .canonicalize()
                            .unwrap()
                            .strip_prefix(root().canonicalize().unwrap())
                            .unwrap()
                            .display()
                            .to_string(),
                    )
                    .anchors()
                    .contains(&anchor.to_owned())
            };
            if !found {
                let _ = writeln!(wrong, "{name}:{}: {}", link.line, link.target);
            }
        }
    }
    assert!(wrong.is_empty(), "these lead nowhere:\n{wrong}");
    assert!(count > 200, "{count}");
}

#[test]
fn every_page_has_its_twin() {
    for (name, twin) in pairs() {
        let (english, chinese) = (Page::read(&name), Page::read(&twin));
        let levels = |page: &Page| page.headings.iter().map(|(level, _)| *level).collect::<Vec<_>>();
        assert_eq!(levels(&english), levels(&chinese), "headings of {name} and {twin}");
        let kinds = |page: &Page| -> Vec<(String, bool)> {
            page.blocks.iter().map(|block| (block.language.clone(), block.ignored)).collect()
        };
        assert_eq!(kinds(&english), kinds(&chinese), "blocks of {name} and {twin}");
        let commands = |page: &Page| -> Vec<String> {
            page.blocks_of("console")
                .flat_map(|block| console::steps(page, block))
                .map(|step| console::bare(&step.command).replace(" --lang en", "").replace(" --lang zh", ""))
                .collect()
        };
        assert_eq!(commands(&english), commands(&chinese), "commands of {name} and {twin}");
        // Each leads to the other.
        for (from, to) in [(&english, &twin), (&chinese, &name)] {
            let folder = root().join(&from.name);
            let leads = from.links.iter().any(|link| {
                let path = folder.parent().unwrap().join(&link.target).canonicalize();
                path.is_ok_and(|path| path == root().join(to).canonicalize().unwrap())
            });
            assert!(leads, "{} has no link to {to}", from.name);
        }
    }
    // No Chinese page stands alone.
    let mut lonely = Vec::new();
    for folder in ["docs/zh-CN", "docs/zh-CN/collectors"] {
        for name in markdown(&root().join(folder)) {
            let english = root().join(folder.replacen("docs/zh-CN", "docs", 1)).join(&name);
            if !english.exists() {
                lonely.push(format!("{folder}/{name}"));
            }
        }
    }
    assert!(lonely.is_empty(), "{lonely:?}");
}

/// A price as the page shows it.
fn price(price: &toml::Value, chinese: bool) -> String {
    let text = |key: &str| price.get(key).and_then(toml::Value::as_str);
    let number = |key: &str| price.get(key).and_then(toml::Value::as_integer).unwrap_or(0);
    let partition = match (text("partition").unwrap(), chinese) {
        ("aws", false) => "AWS, global",
        ("aws", true) => "AWS 海外区域",
        ("aws-cn", false) => "AWS China",
        ("aws-cn", true) => "AWS 中国区",
        ("aliyun", false) => "Alibaba Cloud",
        ("aliyun", true) => "阿里云",
        ("tencentcloud-china", false) => "Tencent Cloud",
        ("tencentcloud-china", true) => "腾讯云国内站",
        ("tencentcloud-intl", false) => "Tencent Cloud, international",
        ("tencentcloud-intl", true) => "腾讯云国际站",
        (other, _) => panic!("{other} has no name on the page"),
    };
    let grouped = |number: i64| funchost::money::grouped(number.unsigned_abs());
    let unit = match (text("unit").unwrap(), chinese) {
        ("metric", false) => "metrics asked for",
        ("call", false) => "calls",
        ("metric", true) => "个查询的指标",
        _ => "次调用",
    };
    let amount = match (price.get("amount").and_then(toml::Value::as_float), chinese) {
        (Some(amount), false) => {
            format!("{} {amount} for {} {unit}", text("currency").unwrap(), grouped(number("per")))
        }
        (Some(amount), true) => {
            format!("每 {} {unit} {} {amount}", grouped(number("per")), text("currency").unwrap())
        }
        (None, false) => "not known to us".to_owned(),
        (None, true) => "未公开或未查到".to_owned(),
    };
    let free = match (number("free"), chinese) {
        (0, false) => "none".to_owned(),
        (0, true) => "无".to_owned(),
        (free, _) => grouped(free),
    };
    format!(
        "| {partition} | `{}` | {amount} | {free} | {} | {} |",
        text("action").unwrap(),
        text("read").unwrap(),
        text("source").unwrap()
    )
}

#[test]
fn the_prices_are_the_programs() {
    let table: toml::Table =
        std::fs::read_to_string(root().join("src/money/prices.toml")).unwrap().parse().unwrap();
    for (name, chinese) in [("docs/what-it-costs.md", false), ("docs/zh-CN/what-it-costs.md", true)] {
        let head = match chinese {
            false => "| Cloud | Call | Price beyond the free ones | Free a month | Read on | Source |",
            true => "| 云 | API 调用 | 超出免费额度后的价格 | 每月免费 | 查阅日期 | 来源 |",
        };
        let rows: Vec<String> =
            table["price"].as_array().unwrap().iter().map(|one| price(one, chinese)).collect();
        let wanted = format!("{head}\n| --- | --- | --- | --- | --- | --- |\n{}\n", rows.join("\n"));
        let path = root().join(name);
        let text = std::fs::read_to_string(&path).unwrap();
        if std::env::var_os("UPDATE_PAGES").is_some() {
            let begin = text.find(head).or_else(|| text.find("PRICES")).expect("a place for the prices");
            let end = begin + text[begin..].find("\n\n").expect("its end") + 1;
            std::fs::write(&path, format!("{}{wanted}{}", &text[..begin], &text[end..])).unwrap();
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let hint = "UPDATE_PAGES=1 cargo test --workspace --test documentation";
        assert!(text.contains(&wanted), "the prices on {name} have changed: {hint}");
    }
}

/// All text of the program in which its messages stand, and of the messages that were seen.
fn texts() -> String {
    fn read(folder: &Path, text: &mut String) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                read(&path, text);
            } else if path.extension().is_some_and(|ending| ending == "rs" || ending == "snap") {
                text.push_str(&std::fs::read_to_string(&path).unwrap());
            }
        }
    }
    let mut text = String::new();
    for folder in ["src", "collectors/src", "tests/snapshots", "simcloud/src"] {
        read(&root().join(folder), &mut text);
    }
    text
}

#[test]
fn the_messages_of_the_troubleshooting_page_are_the_programs() {
    let texts = texts();
    let mut count = 0;
    for name in ["docs/troubleshooting.md", "docs/zh-CN/troubleshooting.md"] {
        let page = std::fs::read_to_string(root().join(name)).unwrap();
        for row in page.lines().filter(|line| line.starts_with("| ")) {
            let seen = row.split(" | ").next().unwrap();
            for code in seen.split('`').skip(1).step_by(2) {
                for part in code.split('…').map(str::trim).filter(|part| !part.is_empty()) {
                    count += 1;
                    // What stands around a number or a name is in the program's text.
                    assert!(texts.contains(part), "{name}: no message says `{part}`: {row}");
                }
            }
        }
    }
    assert!(count > 60, "{count}");
}

/// Codes of the first cells of a page's tables, each as the parts between its `…`.
fn patterns(page: &str) -> Vec<Vec<String>> {
    let cells = page.lines().filter(|line| line.starts_with("| ")).filter_map(|row| row.split(" | ").next());
    cells
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .map(|code| {
            code.split('…').map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect()
        })
        .filter(|parts: &Vec<String>| !parts.is_empty())
        .collect()
}

/// Would somebody who looks for this message find a pattern of it?
fn is_found(patterns: &[Vec<String>], message: &str) -> bool {
    patterns.iter().any(|parts| {
        let mut rest = message;
        parts.iter().all(|part| match rest.split_once(part.as_str()) {
            Some((_, after)) => {
                rest = after;
                true
            }
            None => false,
        })
    })
}

/// The first lines of the errors that a text shows: of messages, of `doctor`, and of collectors in a report.
fn said(text: &str) -> Vec<&str> {
    text.lines()
        .filter_map(|line| {
            let error =
                line.trim_start().strip_prefix("error").map(|rest| rest.trim_start_matches(|c| c != ':'));
            let error = error.and_then(|rest| rest.strip_prefix(": "));
            error.or_else(|| line.strip_prefix("FAIL  "))
        })
        .collect()
}

/// Messages that the page has no row for, by their snapshots, and why that is right.
const NO_ROW: &[(&str, &str)] =
    &[("test_failing", "one of its words is thrown by the script itself: nobody else knows what it means")];

/// The page of troubles goes the other way as well: whoever sees a message finds it there, or among the likely mistakes.
#[test]
fn every_message_that_a_snapshot_holds_has_its_row() {
    let mistakes: toml::Table =
        std::fs::read_to_string(root().join("tests/mistakes.toml")).unwrap().parse().unwrap();
    let groups = mistakes["group"].as_array().unwrap().iter();
    let listed: BTreeSet<&str> = groups
        .flat_map(|group| group["mistakes"].as_array().unwrap())
        .map(|mistake| mistake["id"].as_str().unwrap())
        .collect();
    let tests = root().join("tests");
    let folders = std::fs::read_dir(&tests).unwrap().map(|entry| entry.unwrap().path().join("snapshots"));
    let folders = folders.filter(|folder| folder.is_dir()).chain([tests.join("snapshots")]);
    let mut snapshots = Vec::new();
    for entry in folders.flat_map(|folder| std::fs::read_dir(folder).unwrap()) {
        let path = entry.unwrap().path();
        let id = path.file_stem().unwrap().to_string_lossy().into_owned();
        if path.extension().is_some_and(|ending| ending == "snap") && !listed.contains(id.as_str()) {
            let text = std::fs::read_to_string(&path).unwrap();
            snapshots.push((id, text.splitn(3, "---\n").nth(2).unwrap().to_owned()));
        }
    }
    snapshots.sort();
    for name in ["docs/troubleshooting.md", "docs/zh-CN/troubleshooting.md"] {
        let patterns = patterns(&std::fs::read_to_string(root().join(name)).unwrap());
        let (mut count, mut missing, mut excepted) = (0, String::new(), BTreeSet::new());
        for (id, text) in &snapshots {
            for message in said(text) {
                count += 1;
                if is_found(&patterns, message) {
                    continue;
                }
                if NO_ROW.iter().any(|(known, _)| known == id) {
                    excepted.insert(id.as_str());
                } else {
                    let _ = writeln!(missing, "{id}: {message}");
                }
            }
        }
        assert!(missing.is_empty(), "{name} has no row for these:\n{missing}");
        assert!(count > 200, "{count}");
        let known: BTreeSet<&str> = NO_ROW.iter().map(|(id, _)| *id).collect();
        assert_eq!(excepted, known, "an exception that is none any more is taken from the list");
    }
}

#[test]
fn a_message_is_found_by_its_parts_in_their_order() {
    let patterns =
        patterns("| You see | Do |\n| --- | --- |\n| `no DataKit … is configured`, `proxy` | look |\n");
    for (message, found) in [
        ("no DataKit `a` is configured", true),
        ("is configured: no DataKit", false),
        ("the proxy refused", true),
        ("nothing", false),
    ] {
        assert_eq!(is_found(&patterns, message), found, "{message}");
    }
    let text = "error: one\n  x\n    error: two\nerror[a]: three\nFAIL  four: five\nan error: none\n";
    assert_eq!(said(text), ["one", "two", "three", "four: five"]);
}
