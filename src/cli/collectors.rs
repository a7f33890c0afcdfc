//! `funchost collectors [NAME]`: the registry, for a person.

use super::Surroundings;
use super::table::Table;
use clap::Args;
use funchost_collectors::COLLECTORS;
use funchost_collectors::collector::{Description, Reported};
use funchost_collectors::left_out::{LEFT_OUT, left_out};
use funchost_collectors::mistake::meant;
use funchost_collectors::point::Category;
use std::fmt::Write as _;
use std::path::PathBuf;

#[derive(Args)]
pub(super) struct CollectorsArguments {
    /// One collector, by name or package id: `aws_ec2`, `guance_aws_ec2`
    name: Option<String>,
    /// Write a page for each collector into this folder: collectors/ in English, zh-CN/collectors/ in Chinese
    #[arg(long, value_name = "DIR", conflicts_with = "name")]
    markdown: Option<PathBuf>,
}

pub(super) fn main(surroundings: &Surroundings, arguments: &CollectorsArguments) -> u8 {
    if let Some(folder) = &arguments.markdown {
        return super::pages::main(surroundings, folder);
    }
    let Some(name) = &arguments.name else {
        surroundings.out(&list());
        return 0;
    };
    let wanted = name.strip_suffix("__main").unwrap_or(name);
    let found =
        descriptions().find(|description| description.name == wanted || description.is_package(wanted));
    let Some(description) = found else {
        if let Some(left_out) = left_out(wanted) {
            surroundings
                .say(&format!("error: {}\nhint: `funchost collectors` lists what is", left_out.message()));
            return 2;
        }
        let names = || descriptions().flat_map(|description| [description.name, description.package]);
        let names: Vec<&str> = names().collect();
        let own = descriptions().map(|description| description.name).collect::<Vec<_>>();
        // A package's id holds the words of its name: it is named only where it is what was nearly written.
        let hint = meant(wanted, own.iter().copied())
            .or_else(|| meant(wanted, names.iter().copied()))
            .unwrap_or_else(|| "`funchost collectors` lists them all".into());
        surroundings.say(&format!("error: there is no collector `{name}`\nhint: {hint}"));
        return 2;
    };
    surroundings.out(&page(description));
    0
}

fn descriptions() -> impl Iterator<Item = &'static Description> {
    COLLECTORS.iter().map(|collector| collector.description())
}

/// Every collector, in a table.
pub(super) fn list() -> String {
    let mut table = Table::new(&["name", "package", "what", "kind", "every"]);
    for description in descriptions() {
        table.row(vec![
            description.name.into(),
            description.package.into(),
            description.title.into(),
            kind(description).into(),
            format!("{} min", description.interval.as_secs() / 60),
        ]);
    }
    let mut others: Vec<&str> = LEFT_OUT.iter().map(|row| row.package).collect();
    others.retain(|package| !package.starts_with("guance_huaweicloud_"));
    format!(
        "{table}\nNot collected, of the market's packages (`funchost collectors PACKAGE` says why): all of Huawei Cloud, {}.\n`funchost collectors NAME` shows the configuration, the permissions, and every tag and field.\n",
        others.join(", ")
    )
}

pub(super) fn kind(description: &Description) -> &'static str {
    match description.category {
        Category::Metric => "metrics",
        Category::CustomObject => "objects",
    }
}

fn page(description: &Description) -> String {
    let mut text = String::new();
    let alias = description.package;
    let _ = write!(
        text,
        "{}: {} ({})\n\nimport \"{}__main\" as {};\n",
        description.name, description.title, description.title_zh, alias, description.name
    );
    for alias in description.aliases() {
        let _ = writeln!(text, "also: \"{alias}__main\"");
    }
    let _ = write!(
        text,
        "\nReports {} in the measurement {}, at most every {} min; cloud_provider is `{}`.\n",
        kind(description),
        description.measurement,
        description.interval.as_secs() / 60,
        description.cloud.provider()
    );
    let mut keys = Table::new(&["key", "type", "required", "meaning"]);
    for key in description.configuration {
        let required = if key.required { "yes" } else { "no" };
        keys.row(vec![key.name.into(), key.kind.into(), required.into(), key.meaning.into()]);
    }
    section(&mut text, "Configuration", &keys);
    let mut actions = Table::new(&["call", "permission", "calls/s", "when"]);
    for action in description.actions {
        actions.row(vec![
            format!("{}:{}", action.service, action.action),
            action.permission.into(),
            action.rate.to_string(),
            action.when.into(),
        ]);
    }
    section(&mut text, "Calls and permissions", &actions);
    section(&mut text, "Tags", &reported(description.tags));
    section(&mut text, "Fields", &reported(description.fields));
    if !description.notes.is_empty() {
        text.push_str("\nNotes\n");
        for note in description.notes {
            let _ = writeln!(text, "  - {note}");
        }
    }
    text
}

fn reported(list: &[Reported]) -> Table {
    let mut table = Table::new(&["key", "type", "meaning"]);
    for item in list {
        table.row(vec![item.key.into(), item.kind.name().into(), item.meaning.into()]);
    }
    table
}

fn section(text: &mut String, title: &str, table: &Table) {
    let _ = write!(text, "\n{title}\n{}", table.indented());
}
