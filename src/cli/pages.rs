//! `funchost collectors --markdown DIR`: a page for each collector, in English below `collectors/` and in Chinese below `zh-CN/collectors/`, made
//! from the registry.
//!
//! Owns the words around what the registry says. Nothing of a page is written by hand, so that none grows old.

use super::Surroundings;
use funchost_collectors::COLLECTORS;
use funchost_collectors::account::Cloud;
use funchost_collectors::collector::{Description, Reported, Type};
use funchost_collectors::left_out::LEFT_OUT;
use funchost_collectors::mapped::Mapped as _;
use funchost_collectors::point::Category;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::LazyLock;

/// A language of pages.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Language {
    English,
    Chinese,
}

use Language::{Chinese, English};

impl Language {
    fn pick(self, english: &'static str, chinese: &'static str) -> &'static str {
        match self {
            English => english,
            Chinese => chinese,
        }
    }

    /// A text of the registry, where there is one of it in this language.
    fn said(self, text: &str) -> String {
        if self == English {
            return text.to_owned();
        }
        if let Some(known) = MEANINGS.get(text) {
            return known.clone();
        }
        // What is mostly code reads alike.
        match (text.strip_prefix("such as "), text.strip_suffix(" and so on")) {
            (Some(rest), _) if is_code(rest) => format!("如 {}", rest.replace(", ", "、")),
            (_, Some(rest)) if is_code(rest) => format!("{} 等", rest.replace(", ", "、")),
            _ if is_code(text) => text.replace(", ", "、"),
            _ => text.to_owned(),
        }
    }

    /// A tag's or field's name; in angle brackets stands what it is made of.
    fn key(self, key: &str) -> String {
        if key.starts_with('<') { self.said(key) } else { key.to_owned() }
    }

    /// Where the language's pages lie below the folder of the documentation.
    fn folder(self) -> &'static str {
        self.pick("collectors", "zh-CN/collectors")
    }

    /// The same page in the other language.
    fn other(self, name: &str) -> String {
        match self {
            English => format!("[中文](../zh-CN/collectors/{name}.md)"),
            Chinese => format!("[English](../../collectors/{name}.md)"),
        }
    }
}

/// Texts of the registry in Chinese. The table is part of the program; a test proves that it can be read.
static MEANINGS: LazyLock<BTreeMap<String, String>> =
    LazyLock::new(|| toml::from_str(include_str!("meanings.zh.toml")).unwrap_or_default());

/// Is a text nothing but words in code, with commas between them?
fn is_code(text: &str) -> bool {
    text.split(", ").all(|part| part.len() > 2 && part.starts_with('`') && part.ends_with('`'))
}

/// A text of the registry in Chinese.
pub(super) fn in_chinese(text: &str) -> String {
    Chinese.said(text)
}

pub(super) fn main(surroundings: &Surroundings, folder: &Path) -> u8 {
    let path = surroundings.directory.join(folder);
    let files = files();
    let written = [English, Chinese]
        .iter()
        .try_for_each(|language| std::fs::create_dir_all(path.join(language.folder())))
        .and_then(|()| files.iter().try_for_each(|(name, text)| std::fs::write(path.join(name), text)));
    if let Err(error) = written {
        surroundings.say(&format!("error: {} cannot be written: {error}", path.display()));
        return 1;
    }
    surroundings.out(&format!("{} pages in {}\n", files.len(), folder.display()));
    0
}

/// Every page and both lists: names and contents.
fn files() -> Vec<(String, String)> {
    let mut files = Vec::new();
    for language in [English, Chinese] {
        let folder = language.folder();
        files.push((format!("{folder}/README.md"), list(language)));
        for collector in COLLECTORS {
            let description = collector.description();
            files.push((format!("{folder}/{}.md", description.name), page(description, language)));
        }
    }
    files
}

fn title(description: &Description, language: Language) -> &'static str {
    language.pick(description.title, description.title_zh)
}

fn kind(description: &Description, language: Language) -> &'static str {
    match description.category {
        Category::Metric => language.pick("metrics", "指标"),
        Category::CustomObject => language.pick("objects", "资源对象"),
    }
}

fn minutes(description: &Description) -> u64 {
    description.interval.as_secs() / 60
}

/// Rows of a table; a `|` in a cell would end it.
fn table(headings: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut text = format!("| {} |\n|{}\n", headings.join(" | "), " --- |".repeat(headings.len()));
    for row in rows {
        let cells: Vec<String> = row.iter().map(|cell| cell.replace('|', "\\|").replace('\n', " ")).collect();
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    }
    text
}

fn code(text: &str) -> String {
    format!("`{text}`")
}

fn list(language: Language) -> String {
    let pick = |english: &'static str, chinese: &'static str| language.pick(english, chinese);
    let other = language.other("README");
    let rows = COLLECTORS.iter().map(|collector| {
        let description = collector.description();
        vec![
            format!("[`{}`]({}.md)", description.name, description.name),
            title(description, language).to_owned(),
            kind(description, language).to_owned(),
            code(description.measurement),
            match language {
                English => format!("{} min", minutes(description)),
                Chinese => format!("{} 分钟", minutes(description)),
            },
        ]
    });
    let left_out = LEFT_OUT.iter().map(|row| {
        let why = match language {
            English => row.why.english(),
            Chinese => row.why.chinese(),
        };
        let metrics = match row.metrics {
            None => String::new(),
            Some((collector, "")) => format!("[`{collector}`]({collector}.md)"),
            Some((collector, namespace)) => {
                format!("[`{collector}`]({collector}.md) `{namespace}`")
            }
        };
        vec![code(row.package), why.to_owned(), metrics]
    });
    let left_out = format!(
        "## {}\n\n{}\n\n{}",
        pick("Not collected", "未采集的包"),
        pick(
            "Packages of the script market that have no collector here, and where their metrics are all the same.",
            "脚本市场中尚无对应采集器的包，以及仍可采集其指标的采集器。"
        ),
        table(&[pick("Package", "包"), pick("Why", "原因"), pick("Its metrics", "指标")], left_out)
    );
    format!(
        "# {}\n\n{other}\n\n{}\n\n{}\n{left_out}",
        pick("Collectors", "采集器"),
        pick(
            "Made by `funchost collectors --markdown` from the program itself.",
            "由 `funchost collectors --markdown` 从程序自身生成。"
        ),
        table(
            &[
                pick("Collector", "采集器"),
                pick("What", "产品"),
                pick("Kind", "类型"),
                pick("Measurement", "指标集"),
                pick("At most every", "最小采集间隔"),
            ],
            rows
        )
    )
}

fn page(description: &Description, language: Language) -> String {
    let pick = |english: &'static str, chinese: &'static str| language.pick(english, chinese);
    let Description { name, package, measurement, .. } = description;
    let other = language.other(name);
    let mut text = format!("# {}\n\n{other}\n\n", title(description, language));
    let _ = write!(text, "```rhai\nimport \"{package}__main\" as {name};\n```\n\n");
    let every = minutes(description);
    let every = match language {
        English if every == 1 => "minute".to_owned(),
        English => format!("{every} minutes"),
        Chinese => every.to_string(),
    };
    let provider = description.cloud.provider();
    let kind = kind(description, language);
    let _ = match language {
        English => writeln!(
            text,
            "Reports {kind} in the measurement `{measurement}`, at most every {every}. Every point has the tag `cloud_provider` = `{provider}` and the account's `extra_tags`."
        ),
        Chinese => writeln!(
            text,
            "上报{kind}，指标集为 `{measurement}`，最小采集间隔 {every} 分钟。每个数据点都带有标签 `cloud_provider` = `{provider}` 以及账号的 `extra_tags`。"
        ),
    };
    let aliases: Vec<String> = description.aliases().iter().map(|alias| format!("`{alias}__main`")).collect();
    if !aliases.is_empty() {
        let _ = writeln!(text, "\n{}{}", pick("Other import ids: ", "其他导入名："), aliases.join(", "));
    }

    let _ = write!(text, "\n## {}\n\n", pick("Configuration", "配置"));
    text.push_str(&table(
        &[pick("Key", "键"), pick("Type", "类型"), pick("Required", "必填"), pick("Meaning", "含义")],
        description.configuration.iter().map(|key| {
            let required = if key.required { pick("yes", "是") } else { pick("no", "否") };
            vec![code(key.name), language.said(key.kind), required.to_owned(), language.said(key.meaning)]
        }),
    ));

    let _ = write!(text, "\n## {}\n\n", pick("Calls and permissions", "调用与权限"));
    text.push_str(&table(
        &[
            pick("Call", "API 调用"),
            pick("Permission", "权限"),
            pick("Calls a second", "每秒调用数"),
            pick("When", "何时"),
        ],
        description.actions.iter().map(|action| {
            vec![
                code(&format!("{}:{}", action.service, action.action)),
                code(action.permission),
                action.rate.to_string(),
                language.said(action.when),
            ]
        }),
    ));
    let _ = write!(
        text,
        "\n{}\n\n```json\n{:#}\n```\n",
        pick("A policy that allows just these:", "仅授予上述权限的策略："),
        policy(description)
    );

    for (heading, reported) in
        [(pick("Tags", "标签"), description.tags), (pick("Fields", "字段"), description.fields)]
    {
        let _ = write!(text, "\n## {heading}\n\n");
        text.push_str(&table(
            &[pick("Key", "键"), pick("Type", "类型"), pick("Meaning", "含义")],
            reported.iter().map(|item| {
                let key = code(&language.key(item.key));
                vec![key, type_name(item.kind, language).to_owned(), language.said(item.meaning)]
            }),
        ));
    }
    let _ = write!(
        text,
        "\n## {}\n\n{}\n\n```json\n{:#}\n```\n",
        pick("The shape of a point", "数据点示意"),
        pick(
            "Values are examples of their types; what the cloud does not return is left out.",
            "值仅示意其类型；云端未返回的内容不会上报。"
        ),
        sample(description, language)
    );
    if !description.notes.is_empty() {
        let _ = write!(text, "\n## {}\n\n", pick("Notes", "注意事项"));
        for note in description.notes {
            let _ = writeln!(text, "- {}", language.said(note));
        }
    }
    text
}

fn type_name(kind: Type, language: Language) -> &'static str {
    if language == English {
        return kind.name();
    }
    match kind {
        Type::Text => "文本",
        Type::Integer => "整数",
        Type::Float => "浮点数",
        Type::Boolean => "布尔",
        Type::Json | Type::Structure => "JSON 文本",
        Type::Time => "时间文本",
    }
}

/// A policy of the cloud's own form that allows the collector's calls and no more.
fn policy(description: &Description) -> Json {
    let mut permissions: Vec<&str> = description
        .actions
        .iter()
        .map(|action| action.permission)
        .filter(|permission| *permission != "sts:AssumeRole")
        .collect();
    permissions.sort_unstable();
    permissions.dedup();
    match description.cloud {
        Cloud::Aliyun => json!({
            "Version": "1",
            "Statement": [{ "Effect": "Allow", "Action": permissions, "Resource": "*" }],
        }),
        Cloud::Aws => json!({
            "Version": "2012-10-17",
            "Statement": [{ "Effect": "Allow", "Action": permissions, "Resource": "*" }],
        }),
        Cloud::Tencent => json!({
            "version": "2.0",
            "statement": [{ "effect": "allow", "action": permissions, "resource": "*" }],
        }),
    }
}

/// A point of the collector's shape.
fn sample(description: &Description, language: Language) -> Json {
    let value = |item: &Reported| match item.kind {
        Type::Text => json!(language.said("text")),
        Type::Integer => json!(1),
        Type::Float => json!(1.5),
        Type::Boolean => json!(true),
        Type::Json | Type::Structure => json!(language.pick("{\"key\": \"value\"}", "{\"键\": \"值\"}")),
        Type::Time => json!("2026-01-02T03:04:05Z"),
    };
    let map = |list: &[Reported]| -> serde_json::Map<String, Json> {
        list.iter().map(|item| (language.key(item.key), value(item))).mapped()
    };
    let mut tags = map(description.tags);
    tags.insert("cloud_provider".into(), description.cloud.provider().into());
    json!({ "measurement": description.measurement, "tags": tags, "fields": map(description.fields) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn placeholders(description: &Description) -> impl Iterator<Item = &'static str> {
        let keys = description.tags.iter().chain(description.fields).map(|item| item.key);
        keys.filter(|key| key.starts_with('<'))
    }

    #[test]
    fn the_shape_of_a_point_is_chinese_on_a_chinese_page() {
        let mut seen = 0;
        for description in COLLECTORS.iter().map(|collector| collector.description()) {
            let page = page(description, Chinese);
            for key in placeholders(description) {
                seen += 1;
                assert!(!page.contains(key), "{}: {key}", description.name);
            }
            let (_, sample) = page.split_once("## 数据点示意").unwrap();
            for english in ["\"text\"", "\\\"value\\\""] {
                assert!(!sample.contains(english), "{}: {english}", description.name);
            }
        }
        assert!(seen >= 9, "{seen}");
    }

    #[test]
    fn all_that_the_pages_of_the_collectors_say_is_chinese() {
        assert!(MEANINGS.len() > 100, "{}", MEANINGS.len());
        let mut missing = Vec::new();
        let mut seen = 0;
        for description in COLLECTORS.iter().map(|collector| collector.description()) {
            let texts = description
                .configuration
                .iter()
                .flat_map(|key| [key.kind, key.meaning])
                .chain(description.actions.iter().map(|action| action.when))
                .chain(description.tags.iter().chain(description.fields).map(|item| item.meaning))
                .chain(description.notes.iter().copied())
                .chain(placeholders(description));
            for text in texts {
                seen += 1;
                if !MEANINGS.contains_key(text) && Chinese.said(text) == text && !is_code(text) {
                    missing.push(format!("{}: {text}", description.name));
                }
            }
        }
        assert!(missing.is_empty(), "{missing:#?}");
        assert!(seen > 100, "{seen}");
    }
}
