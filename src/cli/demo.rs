//! `funchost demo [SCRIPT]`: a first success in one command.
//!
//! The script runs for real, signed calls and all; only the clouds and DataKit are the simulator's, on loopback. Nothing is
//! kept: configuration and state live in a folder that is removed at the end.

use super::Surroundings;
use super::run::{RunArguments, run};
use super::table::Table;
use crate::config::{Known, LoadRequest, load_with};
use clap::Args;
use funchost_collectors::mapped::Mapped as _;
use funchost_collectors::mistake::nearest;
use simcloud::{Options, ReceivedPoint, Simcloud};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The scripts that ship with the program.
const SHIPPED: &[(&str, &str)] = &[
    ("my_aws/main.rhai", include_str!("../../scripts/my_aws/main.rhai")),
    ("my_aliyun/main.rhai", include_str!("../../scripts/my_aliyun/main.rhai")),
    ("my_aliyun/all.rhai", include_str!("../../scripts/my_aliyun/all.rhai")),
    ("my_tencent/main.rhai", include_str!("../../scripts/my_tencent/main.rhai")),
];

/// Rows of a table: enough to see, few enough to read.
const ROWS: usize = 8;

/// Rows of each table where there are several of a kind.
const FEW_ROWS: usize = 3;

/// What is shown of a product: its objects and the metrics that take their names.
struct Kind {
    /// The objects' measurement.
    class: &'static str,
    /// The metrics' measurement, and the tag in it that is the object's `name`.
    metrics: &'static str,
    id: &'static str,
    /// The tags shown of an object; the first is what people call it.
    tags: &'static [&'static str],
    /// Who told the metric, and who listed the object.
    told: &'static str,
    listed: &'static str,
}

const KINDS: &[Kind] = &[
    Kind {
        class: "aws_ec2",
        metrics: "aws_AWS/EC2",
        id: "InstanceId",
        tags: &["InstanceName", "InstanceType", "State", "RegionId"],
        told: "CloudWatch",
        listed: "The EC2 collector",
    },
    Kind {
        class: "aliyun_ecs",
        metrics: "aliyun_acs_ecs_dashboard",
        id: "instanceId",
        tags: &["InstanceName", "InstanceType", "Status", "RegionId"],
        told: "CloudMonitor",
        listed: "The ECS collector",
    },
    Kind {
        class: "aliyun_rds",
        metrics: "aliyun_acs_rds_dashboard",
        id: "instanceId",
        tags: &["DBInstanceDescription", "Engine", "DBInstanceClass", "RegionId"],
        told: "CloudMonitor",
        listed: "The RDS collector",
    },
    Kind {
        class: "aliyun_slb",
        metrics: "aliyun_acs_slb_dashboard",
        id: "instanceId",
        tags: &["LoadBalancerName", "Address", "LoadBalancerStatus", "RegionId"],
        told: "CloudMonitor",
        listed: "The SLB collector",
    },
    Kind {
        class: "aliyun_oss",
        metrics: "aliyun_acs_oss_dashboard",
        id: "BucketName",
        tags: &["storage_class", "grant", "RegionId"],
        told: "CloudMonitor",
        listed: "The OSS collector",
    },
    Kind {
        class: "tencentcloud_cvm",
        metrics: "tencentcloud_QCE/CVM",
        id: "InstanceId",
        tags: &["InstanceName", "InstanceType", "Zone", "RegionId"],
        told: "Tencent Cloud's Monitor",
        listed: "The CVM collector",
    },
];

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
        "simulated clouds at {}, {} and {}, a simulated DataKit at {}: nothing leaves this machine\nrunning {}\n",
        clouds.aws_url(),
        clouds.aliyun_url(),
        clouds.tencent_url(),
        clouds.datakit_url(),
        script.shown
    ));
    let (keys, aliyun, tencent) = (clouds.keys(), clouds.aliyun_keys(), clouds.tencent_keys());
    let mut variables: BTreeMap<String, String> = surroundings
        .variables
        .iter()
        .filter(|(name, _)| !name.starts_with("FUNCHOST_") && !name.starts_with("XDG_") && *name != "HOME")
        .map(|(name, value)| (name.clone(), value.clone()))
        .mapped();
    variables.insert("AWS_AK_ID".into(), keys.access_key.clone());
    variables.insert("AWS_AK_SECRET".into(), keys.secret_key.clone());
    variables.insert("ALIYUN_AK_ID".into(), aliyun.access_key);
    variables.insert("ALIYUN_AK_SECRET".into(), aliyun.secret_key);
    variables.insert("TENCENTCLOUD_AK_ID".into(), tencent.secret_id);
    variables.insert("TENCENTCLOUD_AK_SECRET".into(), tencent.secret_key);
    let mut inside = Surroundings { variables, ..surroundings.clone() };
    inside.variables.insert("FUNCHOST_STATE".into(), folder.path().join("state").display().to_string());
    inside.variables.insert("FUNCHOST_ENDPOINTS__AWS".into(), clouds.aws_url());
    inside.variables.insert("FUNCHOST_ENDPOINTS__ALIYUN".into(), clouds.aliyun_url());
    inside.variables.insert("FUNCHOST_ENDPOINTS__TENCENTCLOUD".into(), clouds.tencent_url());
    inside.variables.insert("FUNCHOST_DATAKITS__DATAKIT__URL".into(), clouds.datakit_url());
    // Read from the demo's folder, which has no file: the user's own configuration stays out of it.
    let request = LoadRequest {
        explicit: None,
        directory: folder.path().to_owned(),
        environment: inside.variables.clone(),
    };
    let known = Known { system: folder.path().to_owned(), ..Known::default() };
    let mut config = load_with(&request, &known).map_err(|error| trouble(error.to_string()))?;
    config.direct = true;
    let ran = run(&inside, &config, &RunArguments::of_script(script.path));
    let points = clouds.datakit().points();
    if ran.report.is_some() {
        surroundings.out(&show(&points));
    }
    runtime.block_on(clouds.stop());
    if ran.code == 0 {
        let cloud = points.iter().find_map(|point| point.tags.get("cloud_provider"));
        let cloud = cloud.map_or_else(|| "AWS".to_owned(), |provider| provider.to_uppercase());
        let names: Vec<&str> = ran
            .report
            .iter()
            .flat_map(|report| &report.collectors)
            .map(|collector| collector.name.as_str())
            .collect();
        // As the documents call them.
        let set = format!("my_{}", cloud.to_lowercase().trim_end_matches("cloud"));
        surroundings.out(&format!(
            "\nNext: the same with your own account, in a folder of your own.\n  \
             export {cloud}_AK_ID=… {cloud}_AK_SECRET=…\n  \
             funchost new {set} --collector {} --region …\n  \
             funchost run {set}/main.rhai --debug    # collects for real, writes nothing\n",
            names.join(",")
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
    let tag = |point: &ReceivedPoint, key: &str| point.tags.get(key).cloned().unwrap_or_default();
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for point in points {
        *counts.entry((point.category.as_str(), point.measurement.as_str())).or_default() += 1;
    }
    let mut table = Table::new(&["category", "measurement", "points"]);
    for ((category, measurement), count) in counts {
        table.row(vec![category.into(), measurement.into(), count.to_string()]);
    }
    text.push_str(&table.indented());

    let of = |measurement: &str| -> Vec<&ReceivedPoint> {
        points.iter().filter(|point| point.measurement == measurement).collect()
    };
    let objects: Vec<(&Kind, Vec<&ReceivedPoint>)> =
        KINDS.iter().map(|kind| (kind, of(kind.class))).filter(|(_, own)| !own.is_empty()).collect();
    let metrics: Vec<(&Kind, Vec<&ReceivedPoint>)> =
        KINDS.iter().map(|kind| (kind, of(kind.metrics))).filter(|(_, own)| !own.is_empty()).collect();
    for (kind, own) in &objects {
        let rows = if objects.len() > 1 { FEW_ROWS } else { ROWS };
        let mut columns = vec!["name"];
        columns.extend(kind.tags);
        let mut table = Table::new(&columns);
        for point in own.iter().take(rows) {
            table.row(columns.iter().map(|key| short(&tag(point, key), 28)).collect());
        }
        let shown = own.len().min(rows);
        text.push_str(&format!("\nObjects {} ({shown} of {})\n{}", kind.class, own.len(), table.indented()));
    }
    let mut example = None;
    for (kind, own) in &metrics {
        let rows = if metrics.len() > 1 { FEW_ROWS } else { ROWS };
        // Those with a name first: they are what this is about.
        let (named, nameless): (Vec<&ReceivedPoint>, Vec<&ReceivedPoint>) =
            own.iter().partition(|point| point.tags.contains_key(kind.tags[0]));
        let linked = !named.is_empty();
        let mut columns = vec![kind.id];
        columns.extend(linked.then_some(kind.tags[0]));
        let tags = columns.clone();
        columns.extend(["time (UTC)", "field", "value"]);
        let mut table = Table::new(&columns);
        example = example.or_else(|| named.first().map(|point| (*kind, *point)));
        for point in named.into_iter().chain(nameless).take(rows) {
            let first = point.fields.iter().next();
            let (field, value) =
                first.map(|(key, value)| (key.clone(), value.to_string())).unwrap_or_default();
            let mut row: Vec<String> = tags.iter().map(|key| short(&tag(point, key), 28)).collect();
            row.extend([crate::runner::rfc3339(point.timestamp), field, value]);
            table.row(row);
        }
        let shown = own.len().min(rows);
        text.push_str(&format!(
            "\nMetrics {} ({shown} of {})\n{}",
            kind.metrics,
            own.len(),
            table.indented()
        ));
    }
    // Metrics of other namespaces belong to no object that is known here.
    let others: Vec<&ReceivedPoint> = points
        .iter()
        .filter(|point| {
            point.category == "metric" && KINDS.iter().all(|kind| kind.metrics != point.measurement)
        })
        .collect();
    if !others.is_empty() {
        let mut table = Table::new(&["measurement", "time (UTC)", "field", "value"]);
        for point in others.iter().take(ROWS) {
            let first = point.fields.iter().next();
            let (field, value) =
                first.map(|(key, value)| (key.clone(), value.to_string())).unwrap_or_default();
            table.row(vec![point.measurement.clone(), crate::runner::rfc3339(point.timestamp), field, value]);
        }
        let shown = others.len().min(ROWS);
        text.push_str(&format!("\nOther metrics ({shown} of {})\n{}", others.len(), table.indented()));
    }
    if let Some((kind, point)) = example {
        text.push_str(&format!(
            "\nHow a metric got its name\n  {told} said only {key}={id}. {listed} had listed {id} before, with {name_key}\n  \
             {name}; so every metric of {id} carries {tags} and the rest.\n",
            told = kind.told,
            key = kind.id,
            id = tag(point, kind.id),
            listed = kind.listed,
            name_key = kind.tags[0],
            name = short(&tag(point, kind.tags[0]), 60),
            tags = kind.tags.join(", "),
        ));
    } else if let Some((kind, _)) = metrics.first() {
        text.push_str(&format!(
            "\nThese metrics know only their {}: no objects were collected before them. A script that lists the objects first gives \
             them their names:\n  funchost demo my_aliyun/all.rhai\n",
            kind.id
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
