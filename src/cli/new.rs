//! `funchost new NAME --collector …`: a script to begin with, made from the registry.
//!
//! Owns the words around what the registry says. A file that is there is never written over, and what is written passes `check`.

use super::{Common, Surroundings, script_settings};
use crate::script::{self, Severity};
use clap::{Args, ValueEnum};
use funchost_collectors::COLLECTORS;
use funchost_collectors::account::{Account, Cloud};
use funchost_collectors::collector::{Collector, Description};
use funchost_collectors::left_out::left_out;
use funchost_collectors::mistake::meant;
use funchost_collectors::point::Category;
use serde_json::json;
use std::collections::BTreeSet;
use std::fmt::Write as _;

#[derive(Args)]
pub(super) struct NewArguments {
    /// The script set, which becomes a folder: my_aliyun makes my_aliyun/main.rhai
    #[arg(required_unless_present = "list")]
    name: Option<String>,
    /// What to collect: names of collectors, with commas between them
    #[arg(long = "collector", value_name = "NAME", value_delimiter = ',')]
    collectors: Vec<String>,
    /// The regions, with commas between them
    #[arg(long = "region", value_name = "REGION", value_delimiter = ',')]
    regions: Vec<String>,
    /// The language of the comments; by LANG unless given
    #[arg(long, value_enum)]
    lang: Option<Language>,
    /// Show what can be collected
    #[arg(long)]
    list: bool,
}

/// A language of comments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Language {
    /// English
    En,
    /// 中文
    Zh,
}

impl Language {
    /// By `--lang`, else by the environment.
    pub(super) fn of(written: Option<Self>, surroundings: &Surroundings) -> Self {
        let from_environment = || {
            let variables = ["LC_ALL", "LC_MESSAGES", "LANG"];
            let value = variables
                .iter()
                .find_map(|name| surroundings.variables.get(*name).filter(|value| !value.is_empty()));
            if value.is_some_and(|value| value.to_lowercase().starts_with("zh")) {
                Self::Zh
            } else {
                Self::En
            }
        };
        written.unwrap_or_else(from_environment)
    }

    fn pick(self, english: &'static str, chinese: &'static str) -> &'static str {
        match self {
            Self::En => english,
            Self::Zh => chinese,
        }
    }
}

pub(super) fn main(surroundings: &Surroundings, common: &Common, arguments: &NewArguments) -> u8 {
    if arguments.list {
        surroundings.out(&super::collectors::list());
        return 0;
    }
    match new(surroundings, common, arguments) {
        Ok(()) => 0,
        Err((message, code)) => {
            surroundings.say(&format!("error: {message}"));
            code
        }
    }
}

type Trouble = (String, u8);

fn new(surroundings: &Surroundings, common: &Common, arguments: &NewArguments) -> Result<(), Trouble> {
    let wrong = |message: String| (message, 2);
    let config = surroundings.config(common).map_err(|error| {
        let text = error.to_string();
        wrong(text.trim_end().trim_start_matches("error: ").to_owned())
    })?;
    let name = arguments.name.as_deref().unwrap_or_default();
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty()
        || name.len() > 60
        || !name.chars().all(plain)
        || name.contains("__")
        || name.starts_with(|c: char| c.is_ascii_digit())
    {
        return Err(wrong(format!(
            "`{name}` is no name for a script set\nhint: letters, digits and single `_`, not a digit first, at most 60: my_aliyun"
        )));
    }
    if name == "scripts" && config.scripts.is_none() && !surroundings.directory.join("scripts").is_dir() {
        return Err(wrong(
            "`scripts` is the folder of a library of script sets, and no set: all other scripts here would be looked for in it\nhint: choose another name, such as my_aws".into(),
        ));
    }
    let collectors = chosen(&arguments.collectors).map_err(wrong)?;
    let language = Language::of(arguments.lang, surroundings);
    let clouds: BTreeSet<Cloud> = collectors.iter().map(|one| one.description().cloud).collect();
    // One that is named twice would be an error in the script.
    let mut regions: Vec<String> = Vec::new();
    for region in &arguments.regions {
        if !regions.contains(region) {
            regions.push(region.clone());
        }
    }
    for region in &regions {
        if region.is_empty()
            || !region.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        {
            return Err(wrong(format!("`{region}` is not a region's id such as `cn-hangzhou`")));
        }
        let known = clouds
            .iter()
            .filter_map(|cloud| funchost_collectors::region_hint(*cloud, region))
            .collect::<Vec<_>>();
        if known.len() == clouds.len()
            && let Some(words) = known.first()
        {
            surroundings.say(&format!("warning: {words}"));
        }
    }
    let text = write(name, &collectors, &regions, language);
    // Where `list`, `check` and `serve` will look for it.
    let named = surroundings.directory.join("scripts");
    let library = config
        .scripts
        .clone()
        .unwrap_or_else(|| if named.is_dir() { named } else { surroundings.directory.clone() });
    let path = library.join(name).join("main.rhai");
    let shown = path.strip_prefix(&surroundings.directory).unwrap_or(&path).display().to_string();
    let folder = path.parent().unwrap_or(&library);
    std::fs::create_dir_all(folder)
        .map_err(|error| (format!("the folder {} cannot be made: {error}", folder.display()), 1))?;
    let file = std::fs::OpenOptions::new().write(true).create_new(true).open(&path);
    let mut file = match file {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            return Err(wrong(format!(
                "{shown} is there already, and nothing is written over\nhint: choose another name, or remove it first"
            )));
        }
        Err(error) => return Err((format!("{shown} cannot be written: {error}"), 1)),
    };
    std::io::Write::write_all(&mut file, text.as_bytes())
        .map_err(|error| (format!("{shown} cannot be written: {error}"), 1))?;
    drop(file);
    let checked =
        script::open(&path, &script_settings(surroundings, &config)).map(|opened| script::check(&opened));
    let failed = match &checked {
        Ok(checked) => checked.problems.iter().any(|problem| problem.severity == Severity::Error),
        Err(_) => true,
    };
    if failed {
        return Err((
            format!(
                "{shown} was written and does not pass the check: a defect in funchost, please report it"
            ),
            1,
        ));
    }
    surroundings.out(&next(&shown, &clouds, language));
    Ok(())
}

/// The collectors that were named.
fn chosen(names: &[String]) -> Result<Vec<&'static dyn Collector>, String> {
    if names.is_empty() {
        return Err("nothing to collect was named\nhint: `funchost new --list` shows what there is; write `--collector aliyun_ecs,aliyun_monitor`".into());
    }
    let mut chosen: Vec<&'static dyn Collector> = Vec::new();
    for written in names {
        let wanted = written.strip_suffix("__main").unwrap_or(written);
        let found = COLLECTORS.iter().find(|collector| {
            let description = collector.description();
            description.name == wanted || description.is_package(wanted)
        });
        let Some(found) = found else {
            if let Some(left_out) = left_out(wanted) {
                return Err(format!(
                    "{}\nhint: `funchost new --list` shows what there is",
                    left_out.message()
                ));
            }
            let hint = meant(wanted, COLLECTORS.iter().map(|collector| collector.description().name))
                .unwrap_or_else(|| "`funchost new --list` shows what there is".to_owned());
            return Err(format!("there is no collector `{written}`\nhint: {hint}"));
        };
        if !chosen.iter().any(|one| one.description().name == found.description().name) {
            chosen.push(*found);
        }
    }
    // Metrics take the names of the objects before them.
    chosen.sort_by_key(|one| one.description().category == Category::Metric);
    Ok(chosen)
}

/// How variables and comments call a cloud.
struct Words {
    variable: &'static str,
    environment: &'static str,
    english: &'static str,
    chinese: &'static str,
    region: &'static str,
}

fn words(cloud: Cloud) -> Words {
    match cloud {
        Cloud::Aliyun => Words {
            variable: "aliyun",
            environment: "ALIYUN",
            english: "Alibaba Cloud",
            chinese: "阿里云",
            region: "cn-hangzhou",
        },
        Cloud::Aws => Words {
            variable: "aws",
            environment: "AWS",
            english: "AWS",
            chinese: "AWS",
            region: "cn-northwest-1",
        },
        Cloud::Tencent => Words {
            variable: "tencentcloud",
            environment: "TENCENTCLOUD",
            english: "Tencent Cloud",
            chinese: "腾讯云",
            region: "ap-guangzhou",
        },
    }
}

/// The namespaces of an example: those whose metrics take the names of objects that are collected, else the first.
fn namespaces(collector: &'static dyn Collector, all: &[&'static dyn Collector]) -> Vec<&'static str> {
    let description = collector.description();
    let words = words(description.cloud);
    let account = json!({ "ak_id": "AKID", "ak_secret": "secret" });
    let Ok(account) = Account::read(description.cloud, &account) else { return Vec::new() };
    let linked = |namespace: &&&'static str| {
        let configs =
            json!({ "regions": [words.region], "targets": [{ "namespace": **namespace, "metrics": "ALL" }] });
        let without = json!({ "targets": [{ "namespace": **namespace, "metrics": "ALL" }] });
        let spec = collector.read(&account, &configs).or_else(|_| collector.read(&account, &without));
        let links = spec.map(|spec| spec.links()).unwrap_or_default();
        all.iter().any(|one| links.iter().any(|class| **class == *one.description().measurement))
    };
    let known = funchost_collectors::linked_namespaces(description.cloud);
    let found: Vec<&'static str> = known.iter().filter(linked).copied().collect();
    if found.is_empty() { known.into_iter().take(1).collect() } else { found }
}

/// The script.
fn write(
    name: &str,
    collectors: &[&'static dyn Collector],
    regions: &[String],
    language: Language,
) -> String {
    let pick = |english: &'static str, chinese: &'static str| language.pick(english, chinese);
    let clouds: Vec<Cloud> = {
        let mut clouds: Vec<Cloud> = collectors.iter().map(|one| one.description().cloud).collect();
        clouds.dedup();
        let mut seen = BTreeSet::new();
        clouds.retain(|cloud| seen.insert(*cloud));
        clouds
    };
    let one = clouds.len() == 1;
    let account =
        |cloud: Cloud| if one { "account".to_owned() } else { format!("{}_account", words(cloud).variable) };
    let regions_name =
        |cloud: Cloud| if one { "regions".to_owned() } else { format!("{}_regions", words(cloud).variable) };
    let mut text = String::new();
    let titles: Vec<&str> = collectors
        .iter()
        .map(|one| language.pick(one.description().title, one.description().title_zh))
        .collect();
    let _ = writeln!(text, "// {name}: {}", titles.join(pick(", ", "、")));
    text.push_str(pick(
        "//\n// funchost check checks it, funchost run --debug collects for real and writes nothing, funchost run writes to DataKit.\n\n",
        "//\n// funchost check 检查脚本；funchost run --debug 真实采集但不写入；funchost run 写入 DataKit。\n\n",
    ));
    let mut imports = vec![(
        "import \"guance_integration__runner\" as integration;".to_owned(),
        pick("the Runner", "引入启动器").to_owned(),
    )];
    for collector in collectors {
        let description = collector.description();
        let import = format!("import \"{}__main\" as {};", description.package, description.name);
        imports.push((import, language.pick(description.title, description.title_zh).to_owned()));
    }
    let widest = imports.iter().map(|(import, _)| import.len()).max().unwrap_or(0);
    for (import, comment) in imports {
        let _ = writeln!(text, "{import:widest$}  // {comment}");
    }
    for cloud in &clouds {
        let words = words(*cloud);
        let mut permissions: Vec<&str> = collectors
            .iter()
            .filter(|one| one.description().cloud == *cloud)
            .flat_map(|one| one.description().actions.iter().map(|action| action.permission))
            .filter(|permission| *permission != "sts:AssumeRole")
            .collect();
        permissions.sort_unstable();
        permissions.dedup();
        let _ = writeln!(
            text,
            "\n// {}{}{}",
            match language {
                Language::En if one => "The account. ".to_owned(),
                Language::En => format!("The account of {}. ", words.english),
                Language::Zh if one => "账号配置。".to_owned(),
                Language::Zh => format!("{}账号配置。", words.chinese),
            },
            pick(
                "Its keys come from the environment; they need to read: ",
                "密钥来自环境变量，需要只读权限："
            ),
            permissions.join(pick(", ", "、"))
        );
        let environment = words.environment;
        let named = if one { String::new() } else { format!("{} ", words.english) };
        let _ = write!(
            text,
            "let {} = #{{\n    ak_id: DFF.ENV(\"{environment}_AK_ID\"),\n    ak_secret: DFF.ENV(\"{environment}_AK_SECRET\"),\n    extra_tags: #{{ account_name: \"{}\" }},    // {}\n}};\n",
            account(*cloud),
            match language {
                Language::En => format!("my {named}account"),
                Language::Zh => format!("我的{}账号", words.chinese),
            },
            pick("on every point of this account", "附加到该账号的所有数据"),
        );
    }
    text.push_str("\n// ");
    // CloudMonitor and Tencent Cloud count a call for every metric.
    let by_the_call = ["aliyun_monitor", "tencentcloud_monitor"];
    text.push_str(if collectors.iter().any(|one| by_the_call.contains(&one.description().name)) {
        pick(
            "Run it every five minutes: no datapoint is lost by that, and every metric costs calls at each run. `funchost plan` says how many.",
            "每五分钟执行一次即可：不会丢失数据点，而每个指标每次运行都要计费调用。funchost plan 会算出次数。",
        )
    } else {
        pick(
            "Run it every minute: each collector knows when it is due.",
            "每分钟执行一次即可：每个采集器各自控制采集间隔。",
        )
    });
    text.push_str("\n@DFF.API(\"");
    text.push_str(pick("collect cloud resources and metrics", "执行云资产同步"));
    text.push_str("\", timeout = 300)\nfn run() {\n");
    for cloud in &clouds {
        let needs = collectors.iter().map(|one| one.description()).any(|description| {
            description.cloud == *cloud && description.configuration.iter().any(|key| key.name == "regions")
        });
        if !needs {
            continue;
        }
        let own: Vec<String> = regions
            .iter()
            .filter(|region| one || funchost_collectors::region_hint(*cloud, region).is_none())
            .map(|region| format!("\"{region}\""))
            .collect();
        let (list, comment) = if own.is_empty() {
            (
                format!("\"{}\"", words(*cloud).region),
                pick("    // put your own regions here", "    // 请改为您的地域"),
            )
        } else {
            (own.join(", "), "")
        };
        let _ = writeln!(text, "    let {} = [{list}];{comment}", regions_name(*cloud));
    }
    text.push_str("    let collectors = [\n");
    for collector in collectors {
        let description = collector.description();
        text.push_str(&constructor(
            *collector,
            description,
            collectors,
            &account(description.cloud),
            &regions_name(description.cloud),
            language,
        ));
    }
    text.push_str("    ];\n    Runner(collectors).run();\n}\n");
    text
}

/// One `DataCollector(…)` with its configuration.
fn constructor(
    collector: &'static dyn Collector,
    description: &Description,
    all: &[&'static dyn Collector],
    account: &str,
    regions: &str,
    language: Language,
) -> String {
    let pick = |english: &'static str, chinese: &'static str| language.pick(english, chinese);
    let mut text = String::new();
    let name = description.name;
    if description.category == Category::Metric {
        text.push_str(pick(
            "\n        // Metrics stand at the end: they take the names of the objects before them.\n",
            "\n        // 云监控类采集器放在最末尾：指标会带上前面资源的名称等标签\n",
        ));
    }
    let _ = writeln!(text, "        {name}::DataCollector({account}, #{{");
    let mut optional = Vec::new();
    for key in description.configuration {
        match key.name {
            "regions" => {
                // Some products are in a few places alone.
                let sites = collector.declaration().map_or(&[][..], |declared| declared.sites);
                let _ = match sites {
                    [] => writeln!(text, "            regions: {regions},"),
                    sites => writeln!(
                        text,
                        "            regions: {sites:?},    // {}",
                        pick("the product is nowhere else", "该产品仅有这些地域")
                    ),
                };
            }
            "products" => {
                let variants = collector.declaration().and_then(|declared| declared.variants);
                let products = variants.map_or(&[][..], |(_, products)| products);
                let _ = writeln!(text, "            products: {products:?},");
            }
            "targets[].namespace" => {
                text.push_str(pick(
                    "            // `metrics`: names with `*` anywhere; \"ALL\"; a list that begins with \"NOT\" excludes.\n",
                    "            // metrics：指标名，可用 * 通配；\"ALL\" 为全部；以 \"NOT\" 开头的列表表示排除\n",
                ));
                text.push_str("            targets: [\n");
                for namespace in &namespaces(collector, all) {
                    let metrics = match *namespace {
                        "acs_ecs_dashboard" | "QCE/CVM" => "[\"*cpu*\", \"*mem*\"]",
                        "AWS/EC2" => "[\"*cpu*\", \"network*\"]",
                        _ => "\"ALL\"",
                    };
                    let _ = writeln!(
                        text,
                        "                #{{ namespace: \"{namespace}\", metrics: {metrics} }},"
                    );
                }
                text.push_str("            ],\n");
            }
            other if other.starts_with("targets[]") => {}
            other => optional.push((other, key)),
        }
    }
    for (name, key) in optional {
        let meaning = match language {
            Language::En => key.meaning.to_owned(),
            Language::Zh => super::pages::in_chinese(key.meaning),
        };
        let _ = writeln!(text, "            // {name}: …,    // {meaning}");
    }
    text.push_str("        }");
    if description.category == Category::CustomObject {
        text.push_str("),");
        // An object may lack a tag of its product, but not `name`.
        let filter = match description.tags.iter().find(|tag| tag.key.ends_with("Name")) {
            Some(tag) => format!("\"{0}\" in item && item.{0}.starts_with(\"prod-\")", tag.key),
            None => "item.name.starts_with(\"prod-\")".to_owned(),
        };
        let _ = writeln!(
            text,
            "    // {}: #{{ filters: [|item| {filter}] }}",
            pick("a third argument keeps only what you want", "第三个参数可筛选资源")
        );
    } else {
        text.push_str("),\n");
    }
    text
}

/// What to do with the script.
fn next(shown: &str, clouds: &BTreeSet<Cloud>, language: Language) -> String {
    let mut text = match language {
        Language::En => format!("{shown} is written. Next:\n"),
        Language::Zh => format!("已生成 {shown}。接下来：\n"),
    };
    for cloud in clouds {
        let name = words(*cloud).environment;
        let of = language.pick(words(*cloud).english, words(*cloud).chinese);
        let _ = writeln!(text, "  export {name}_AK_ID=… {name}_AK_SECRET=…    # {of}");
    }
    let rows = [
        ("check", "", language.pick("finds mistakes, calls nothing", "检查脚本，不调用云")),
        ("doctor", "", language.pick("keys, permissions, clocks, DataKit", "检查密钥、权限、时钟、DataKit")),
        ("run", " --debug", language.pick("collects for real, writes nothing", "真实采集，不写入")),
        ("run", "", language.pick("writes to DataKit", "写入 DataKit")),
    ];
    for (command, option, comment) in rows {
        let line = format!("funchost {command} {shown}{option}");
        let _ = writeln!(text, "  {line:<48}  # {comment}");
    }
    text
}
