//! `funchost demo [SCRIPT]`: a first success in one command.
//!
//! The script runs for real, signed calls and all; only the clouds and DataKit are the simulator's, on loopback. Nothing is
//! kept: configuration and state live in a folder that is removed at the end.

use super::Surroundings;
use super::run::{RunArguments, run};
use super::table::Table;
use crate::config::{Known, LoadRequest, load_with};
use clap::Args;
use funchost_collectors::mistake::nearest;
use simcloud::{Options, ReceivedPoint, Simcloud};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The scripts that ship with the program.
const SHIPPED: &[(&str, &str)] = &[
    ("my_aws/main.rhai", include_str!("../../scripts/my_aws/main.rhai")),
    ("my_tencent/main.rhai", include_str!("../../scripts/my_tencent/main.rhai")),
];

/// Rows of a table: enough to see, few enough to read.
const ROWS: usize = 8;

#[derive(Args)]
pub(super) struct DemoArguments {
    /// A shipped script such as my_aws/main.rhai, or a file of your own
    script: Option<PathBuf>,
}

pub(super) fn main(surroundings: &Surroundings, arguments: &DemoArguments) -> u8 {
    match demo(surroundings, arguments) {
        Ok(code) => code,
        Err(Trouble { message, code }) => {
            surroundings.say(&format!("error: {message}"));
            code
        }
    }
}

struct Trouble {
    message: String,
    code: u8,
}

fn trouble(message: impl Into<String>) -> Trouble {
    Trouble { message: message.into(), code: 1 }
}

fn demo(surroundings: &Surroundings, arguments: &DemoArguments) -> Result<u8, Trouble> {
    let folder = tempfile::tempdir().map_err(|error| trouble(format!("no temporary folder: {error}")))?;
    let script = script(surroundings, arguments, folder.path())?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| trouble(format!("the program cannot start its threads: {error}")))?;
    let clouds = runtime
        .block_on(Simcloud::start(Options::default()))
        .map_err(|error| trouble(format!("the simulated clouds cannot listen on loopback: {error}")))?;
    surroundings.say(&format!(
        "simulated clouds at {}, a simulated DataKit at {}: nothing leaves this machine\nrunning {}\n",
        clouds.aws_url(),
        clouds.datakit_url(),
        script.shown
    ));
    let keys = clouds.keys();
    let mut variables: BTreeMap<String, String> = surroundings
        .variables
        .iter()
        .filter(|(name, _)| !name.starts_with("FUNCHOST_") && !name.starts_with("XDG_") && *name != "HOME")
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    variables.insert("AWS_AK_ID".into(), keys.access_key.clone());
    variables.insert("AWS_AK_SECRET".into(), keys.secret_key.clone());
    let tencent = clouds.tencent_keys();
    variables.insert("TENCENTCLOUD_AK_ID".into(), tencent.secret_id);
    variables.insert("TENCENTCLOUD_AK_SECRET".into(), tencent.secret_key);
    let mut inside = Surroundings { variables, ..surroundings.clone() };
    inside.variables.insert("FUNCHOST_STATE".into(), folder.path().join("state").display().to_string());
    inside.variables.insert("FUNCHOST_ENDPOINTS__AWS".into(), clouds.aws_url());
    inside.variables.insert("FUNCHOST_ENDPOINTS__TENCENTCLOUD".into(), clouds.tencent_url());
    inside.variables.insert("FUNCHOST_DATAKITS__DATAKIT__URL".into(), clouds.datakit_url());
    // Read from the demo's folder, which has no file: the user's own configuration stays out of it.
    let request = LoadRequest {
        explicit: None,
        directory: folder.path().to_owned(),
        environment: inside.variables.clone(),
    };
    let known = Known { system: folder.path().to_owned(), ..Known::default() };
    let config = load_with(&request, &known).map_err(|error| trouble(error.to_string()))?;
    let ran = run(&inside, &config, &RunArguments::of_script(script.path));
    let points = clouds.datakit().points();
    if ran.report.is_some() {
        surroundings.out(&show(&points));
    }
    runtime.block_on(clouds.stop());
    if ran.code == 0 {
        let keys = points.iter().find_map(|point| point.tags.get("cloud_provider"));
        let keys = keys.map_or_else(|| "AWS".to_owned(), |provider| provider.to_uppercase());
        surroundings.out(&format!(
            "\nNext: the same with your own account.\n  \
             export {keys}_AK_ID=… {keys}_AK_SECRET=…\n  \
             funchost run {} --debug    # collects for real, writes nothing\n",
            script.shown
        ));
    }
    Ok(ran.code)
}

struct Script {
    path: PathBuf,
    shown: String,
}

/// The script to run: a file, or a shipped one written into the demo's folder.
fn script(surroundings: &Surroundings, arguments: &DemoArguments, folder: &Path) -> Result<Script, Trouble> {
    let name = arguments.script.clone().unwrap_or_else(|| PathBuf::from(SHIPPED[0].0));
    let file = surroundings.directory.join(&name);
    if arguments.script.is_some() && file.is_file() {
        return Ok(Script { shown: name.display().to_string(), path: file });
    }
    let wanted = name.to_string_lossy();
    let wanted = wanted.strip_prefix("scripts/").unwrap_or(&wanted);
    let Some((shipped, text)) = SHIPPED.iter().find(|(shipped, _)| *shipped == wanted) else {
        let names: Vec<&str> = SHIPPED.iter().map(|(name, _)| *name).collect();
        let hint = nearest(wanted, names.iter().copied()).map_or_else(
            || format!("shipped scripts: {}", names.join(", ")),
            |name| format!("did you mean `{name}`?"),
        );
        return Err(Trouble { message: format!("there is no script {wanted}\nhint: {hint}"), code: 2 });
    };
    let path = folder.join("scripts").join(shipped);
    let written =
        path.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| std::fs::write(&path, text));
    written.map_err(|error| trouble(format!("{} cannot be written: {error}", path.display())))?;
    Ok(Script { shown: format!("scripts/{shipped}"), path })
}

/// What DataKit got, and how a metric came to its instance's name.
fn show(points: &[ReceivedPoint]) -> String {
    let mut text = String::from("\nWhat DataKit has now\n");
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for point in points {
        *counts.entry((point.category.as_str(), point.measurement.as_str())).or_default() += 1;
    }
    let mut table = Table::new(&["category", "measurement", "points"]);
    for ((category, measurement), count) in counts {
        table.row(vec![category.into(), measurement.into(), count.to_string()]);
    }
    text.push_str(&table.indented());

    let objects: Vec<&ReceivedPoint> =
        points.iter().filter(|point| point.category == "custom_object").collect();
    let tag = |point: &ReceivedPoint, key: &str| point.tags.get(key).cloned().unwrap_or_default();
    if !objects.is_empty() {
        let mut table = Table::new(&["name", "InstanceName", "InstanceType", "State", "RegionId"]);
        for point in objects.iter().take(ROWS) {
            table.row(
                ["name", "InstanceName", "InstanceType", "State", "RegionId"]
                    .map(|key| short(&tag(point, key), 28))
                    .to_vec(),
            );
        }
        text.push_str(&format!(
            "\nObjects ({} of {})\n{}",
            objects.len().min(ROWS),
            objects.len(),
            table.indented()
        ));
    }

    let metrics: Vec<&ReceivedPoint> = points.iter().filter(|point| point.category == "metric").collect();
    if !metrics.is_empty() {
        let mut table = Table::new(&["InstanceId", "InstanceName", "time (UTC)", "field", "value"]);
        for point in metrics.iter().take(ROWS) {
            let (field, value) = point
                .fields
                .iter()
                .next()
                .map(|(key, value)| (key.clone(), value.to_string()))
                .unwrap_or_default();
            table.row(vec![
                tag(point, "InstanceId"),
                short(&tag(point, "InstanceName"), 28),
                crate::runner::rfc3339(point.timestamp),
                field,
                value,
            ]);
        }
        text.push_str(&format!(
            "\nMetrics ({} of {})\n{}",
            metrics.len().min(ROWS),
            metrics.len(),
            table.indented()
        ));
    }
    if let Some(named) = metrics.iter().find(|point| point.tags.contains_key("InstanceName")) {
        let id = tag(named, "InstanceId");
        let object = objects.iter().find(|object| tag(object, "InstanceId") == id);
        text.push_str(&format!(
            "\nHow a metric got its name\n  The metric knows only InstanceId={id}. {class} had listed {id} before, with the name\n  \
             {name}; so every metric of {id} carries InstanceName, InstanceType, RegionId and the rest.\n",
            class = object.map_or("Its object's collector", |object| &object.measurement),
            name = short(&tag(named, "InstanceName"), 60)
        ));
    }
    text
}

fn short(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most - 1).chain(['…']).collect()
}
