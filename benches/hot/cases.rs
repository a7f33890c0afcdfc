//! The cases: what is measured, on what, beside what.

use flate2::Compression;
use flate2::write::GzEncoder;
use funchost::cli::Surroundings;
use funchost::link::{Linker, added};
use funchost::script::{self, Backend, BackendError, Request, RunOptions, Settings};
use funchost::sink::batch::Batch;
use funchost::sink::line::{self, Notes};
use funchost::state::{ObjectScope, Sqlite, State};
use funchost_collectors::clock::SystemClock;
use funchost_collectors::collector::Link;
use funchost_collectors::measured;
use funchost_collectors::point::{Category, Point, Text, Value};
use funchost_collectors::selector::{Patterns, Written};
use simcloud::{AliyunEstate, AwsEstate, Options, Simcloud, TencentEstate};
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::hint::black_box;
use std::io::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex};
use tokio_util::sync::CancellationToken;

pub(crate) type Run = Box<dyn FnMut()>;

/// One case with its baselines.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// What it reads or writes.
    pub(crate) bytes: usize,
    /// How many things it does at once, and what they are.
    pub(crate) count: usize,
    pub(crate) what: &'static str,
    pub(crate) ours: Run,
    pub(crate) baselines: Vec<(&'static str, Run)>,
}

/// All cases.
pub(crate) const NAMES: &[&str] = &[
    "encode",
    "gzip",
    "decode AWS GetMetricData",
    "decode AWS ListMetrics",
    "decode AWS DescribeInstances",
    "decode Aliyun DescribeMetricList",
    "decode Tencent GetMonitorData",
    "answer bytes to gzipped batch",
    "link",
    "selector",
    "engine start and script compile",
    "script run",
    "whole run AWS",
    "whole run Aliyun",
    "whole run Tencent",
];

pub(crate) fn case(name: &str) -> Case {
    match name {
        "encode" => encode(),
        "gzip" => gzip(),
        "decode AWS GetMetricData" => decode("decode AWS GetMetricData", measured::aws_data(100, 1, 10)),
        "decode AWS ListMetrics" => decode("decode AWS ListMetrics", measured::aws_list(500)),
        "decode AWS DescribeInstances" => instances(),
        "decode Aliyun DescribeMetricList" => {
            decode("decode Aliyun DescribeMetricList", measured::aliyun_data(144, 10))
        }
        "decode Tencent GetMonitorData" => {
            decode("decode Tencent GetMonitorData", measured::tencent_data(50, 144))
        }
        "answer bytes to gzipped batch" => pipeline(),
        "link" => link(),
        "selector" => selector(),
        "engine start and script compile" => compile(),
        "script run" => script_run(),
        "whole run AWS" => {
            whole_run("whole run AWS", ["aws_ec2", "aws_cloudwatch", "AWS/EC2", "cn-northwest-1"])
        }
        "whole run Aliyun" => whole_run(
            "whole run Aliyun",
            ["aliyun_ecs", "aliyun_monitor", "acs_ecs_dashboard", "cn-hangzhou"],
        ),
        "whole run Tencent" => whole_run(
            "whole run Tencent",
            ["tencentcloud_cvm", "tencentcloud_monitor", "QCE/CVM", "ap-shanghai"],
        ),
        other => panic!("no case {other}"),
    }
}

/// About 300 bytes: seven tags, one of them Chinese, five floats.
fn point(index: usize) -> Point {
    let text = |text: &str| Text::from(text);
    let tags = [
        ("InstanceId", format!("i-0d7620{index:011}")),
        ("cloud_provider", "AWS".into()),
        ("account_name", "我的AWS账号".into()),
        ("InstanceName", format!("server-{index}")),
        ("InstanceType", "c6g.xlarge".into()),
        ("RegionId", "cn-northwest-1".into()),
        ("State", "running".into()),
    ];
    let fields = ["Average", "Maximum", "Minimum", "SampleCount", "Sum"];
    let number = |field: usize| ((index * 7919 + field * 104_729) % 1_000_000) as f64 / 1000.0;
    Point {
        category: Category::Metric,
        measurement: text("aws_AWS/EC2"),
        tags: tags.iter().map(|(key, value)| (text(key), text(value))).collect(),
        fields: fields
            .iter()
            .enumerate()
            .map(|(field, name)| (text(&format!("CPUUtilization_{name}")), Value::Float(number(field))))
            .collect(),
        time: 1_800_000_000_000_000_000 + index as i64 * 60_000_000_000,
    }
}

fn encode_all(points: &[Point], out: &mut Vec<u8>) {
    let mut notes = Notes::default();
    for point in points {
        line::encode(point, out, &mut notes).expect("the point can be written");
        out.push(b'\n');
    }
}

/// What one writes first: one `format!` for each part, `replace` for the escapes.
fn encode_plainly(points: &[Point], out: &mut String) {
    fn escaped(text: &str) -> String {
        text.replace(',', "\\,").replace('=', "\\=").replace(' ', "\\ ")
    }
    for point in points {
        let mut line = point.measurement.replace(',', "\\,").replace(' ', "\\ ");
        for (key, value) in &point.tags {
            line += &format!(",{}={}", escaped(key), escaped(value));
        }
        let fields: Vec<String> = point
            .fields
            .iter()
            .map(|(key, value)| match value {
                Value::Float(number) => format!("{}={number:?}", escaped(key)),
                Value::Integer(number) => format!("{}={number}i", escaped(key)),
                Value::Boolean(yes) => format!("{}={yes}", escaped(key)),
                Value::Text(text) => {
                    format!("{}=\"{}\"", escaped(key), text.replace('\\', "\\\\").replace('"', "\\\""))
                }
            })
            .collect();
        line += &format!(" {} {}\n", fields.join(","), point.time);
        out.push_str(&line);
    }
}

fn memcpy(bytes: Vec<u8>) -> Run {
    let mut copy = vec![0; bytes.len()];
    Box::new(move || black_box(&mut copy).copy_from_slice(black_box(&bytes)))
}

fn encode() -> Case {
    let points: Vec<Point> = (0..1000).map(point).collect();
    let mut lines = Vec::new();
    encode_all(&points, &mut lines);
    let mut plain = String::new();
    encode_plainly(&points, &mut plain);
    assert_eq!(lines, plain.as_bytes(), "both write the same");
    let (bytes, theirs) = (lines.len(), points.clone());
    let mut out = Vec::new();
    let mut text = String::new();
    Case {
        name: "encode",
        bytes,
        count: points.len(),
        what: "point",
        ours: Box::new(move || {
            out.clear();
            encode_all(black_box(&points), &mut out);
            black_box(&out);
        }),
        baselines: vec![
            (
                "a plain format! encoder",
                Box::new(move || {
                    text.clear();
                    encode_plainly(black_box(&theirs), &mut text);
                    black_box(&text);
                }),
            ),
            ("memcpy", memcpy(lines)),
        ],
    }
}

fn full_batch() -> Batch {
    let mut batch = Batch::new(Category::Metric);
    let mut line = Vec::new();
    for index in 0.. {
        let point = point(index);
        line.clear();
        line::encode(&point, &mut line, &mut Notes::default()).expect("the point can be written");
        if !batch.fits(line.len()) {
            break;
        }
        batch.push(&line, point.time);
    }
    batch
}

fn gzip() -> Case {
    let batch = full_batch();
    let body = batch.body().to_vec();
    let slower = body.clone();
    Case {
        name: "gzip",
        bytes: body.len(),
        count: batch.len(),
        what: "point",
        ours: Box::new(move || drop(black_box(batch.packed()))),
        baselines: vec![
            (
                "gzip at its usual level, 6",
                Box::new(move || {
                    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(6));
                    encoder.write_all(black_box(&slower)).expect("memory");
                    black_box(encoder.finish().expect("memory"));
                }),
            ),
            ("memcpy", memcpy(body)),
        ],
    }
}

/// Reading an answer to points, beside serde_json's tree of it.
fn decode(name: &'static str, (answer, count, read): measured::Reading) -> Case {
    assert_eq!(read(&answer), count, "everything is read");
    let (bytes, theirs, copied) = (answer.len(), answer.clone(), answer.clone());
    Case {
        name,
        bytes,
        count,
        what: "point",
        ours: Box::new(move || assert_eq!(read(black_box(&answer)), count)),
        baselines: vec![
            (
                "serde_json's Value",
                Box::new(move || {
                    let value: serde_json::Value =
                        serde_json::from_slice(black_box(&theirs)).expect("the answer is JSON");
                    black_box(value);
                }),
            ),
            ("memcpy", memcpy(copied)),
        ],
    }
}

fn instances() -> Case {
    let (answer, count, read) = measured::aws_instances(1000);
    assert_eq!(read(&answer), count, "everything is read");
    let (bytes, events, copied) = (answer.len(), answer.clone(), answer.clone());
    Case {
        name: "decode AWS DescribeInstances",
        bytes,
        count,
        what: "instance",
        ours: Box::new(move || assert_eq!(read(black_box(&answer)), count)),
        baselines: vec![
            (
                "looking for the tags' ends alone",
                Box::new(move || {
                    black_box(black_box(&events).iter().filter(|byte| **byte == b'>').count());
                }),
            ),
            ("memcpy", memcpy(copied)),
        ],
    }
}

/// What every point goes through, without its calls: read, link, tag, encode, pack.
fn pipeline() -> Case {
    let runtime = runtime();
    let (answer, count, points) = measured::aws_points(100, 1, 110);
    let bytes = answer.len();
    let linker = linker(&runtime, 100);
    let common: [(Text, Text); 2] =
        [("cloud_provider".into(), "AWS".into()), ("account_name".into(), "我的AWS账号".into())];
    let (theirs, copied) = (answer.clone(), answer.clone());
    Case {
        name: "answer bytes to gzipped batch",
        bytes,
        count,
        what: "point",
        ours: Box::new(move || {
            let _runtime = &runtime;
            let mut batch = Batch::new(Category::Metric);
            let (mut line, mut notes) = (Vec::new(), Notes::default());
            let mut written = 0;
            // The points of one resource come one after the other: its object is looked for once, as the delivery does.
            let mut last = None;
            for metric in points(black_box(&answer)) {
                if last.as_ref().map(|(link, _)| link) != metric.link.as_ref() {
                    let link = metric.link.clone().expect("it has one");
                    let object = linker.find("account", "", &link).expect("it is known");
                    last = Some((link, object));
                }
                let (_, object) = last.as_ref().expect("it was found");
                let [before, after] = added(object, false);
                line.clear();
                line::encode_with(&metric.point, &[&common, before, after], &mut line, &mut notes)
                    .expect("the point can be written");
                if !batch.fits(line.len()) {
                    black_box(batch.packed());
                    batch = Batch::new(Category::Metric);
                }
                batch.push(&line, metric.point.time);
                written += 1;
            }
            black_box(batch.packed());
            assert_eq!(written, count);
        }),
        baselines: vec![
            (
                "serde_json's Value of the answer alone",
                Box::new(move || {
                    let value: serde_json::Value =
                        serde_json::from_slice(black_box(&theirs)).expect("the answer is JSON");
                    black_box(value);
                }),
            ),
            ("memcpy", memcpy(copied)),
        ],
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
}

/// So many instances, with the ids that the answers name.
fn linker(runtime: &tokio::runtime::Runtime, objects: usize) -> Linker {
    runtime.block_on(async {
        let state: Arc<dyn State> = Arc::new(Sqlite::in_memory(Arc::new(SystemClock)).await.expect("SQLite"));
        let linker = Linker::new(state);
        let points: Vec<Point> = (0..objects)
            .map(|index| {
                let mut point = point(index);
                point.tags.retain(|(key, _)| !matches!(&**key, "cloud_provider" | "account_name"));
                point.tags[0].1 = measured::instance_id(index).into();
                point.tags.insert(0, ("name".into(), measured::instance_id(index).into()));
                point
            })
            .collect();
        let scope = ObjectScope {
            account: "account".into(),
            class: "aws_ec2".into(),
            region: "cn-northwest-1".into(),
        };
        linker.keep(&scope, &points, false, 0).await.expect("nothing is written");
        linker
    })
}

fn link() -> Case {
    const OBJECTS: usize = 10_000;
    let runtime = runtime();
    let linker = linker(&runtime, OBJECTS);
    let bare = |index: usize| Point {
        tags: vec![("InstanceId".into(), measured::instance_id(index).into())],
        ..point(index)
    };
    let points: Vec<Point> = (0..1000).map(|index| bare(index * 7 % OBJECTS)).collect();
    let links: Vec<Link> = points
        .iter()
        .map(|point| Link {
            class: "aws_ec2".into(),
            tag: "name".into(),
            value: point.tags[0].1.clone(),
            with_name: false,
        })
        .collect();
    let map: HashMap<String, Vec<(String, String)>> = (0..OBJECTS)
        .map(|index| {
            let tags =
                point(index).tags.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
            (measured::instance_id(index), tags)
        })
        .collect();
    Case {
        name: "link",
        bytes: 0,
        count: points.len(),
        what: "point",
        ours: Box::new(move || {
            let _runtime = &runtime;
            for link in &links {
                let object = linker.find("account", "", link).expect("it is known");
                black_box(added(&object, false));
            }
        }),
        baselines: vec![(
            "a HashMap of texts, cloned",
            Box::new(move || {
                for point in &points {
                    let mut tags: Vec<(String, String)> =
                        point.tags.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
                    tags.extend(map[&*point.tags[0].1].iter().cloned());
                    black_box(tags);
                }
            }),
        )],
    }
}

fn selector() -> Case {
    let names: Vec<String> = (0..10_000)
        .map(|index| {
            format!(
                "{}{index}",
                ["CPUUtilization", "NetworkIn", "DiskReadOps", "mem_used_percent"][index % 4]
            )
        })
        .collect();
    let written = ["*cpu*", "network*", "*Ops1*"].map(str::to_owned).to_vec();
    let patterns = Patterns::read(&Written(written), "targets[0].metrics").expect("patterns");
    let theirs = names.clone();
    let plain = |name: &str| {
        let name = name.to_lowercase();
        name.contains("cpu") || name.starts_with("network") || name.contains("ops1")
    };
    let chosen = names.iter().filter(|name| plain(name)).count();
    Case {
        name: "selector",
        bytes: names.iter().map(String::len).sum(),
        count: names.len(),
        what: "name",
        ours: Box::new(move || {
            let selected = names.iter().filter(|name| patterns.selects(black_box(name))).count();
            assert_eq!(selected, chosen);
        }),
        baselines: vec![(
            "to_lowercase and contains",
            Box::new(move || {
                assert_eq!(theirs.iter().filter(|name| plain(black_box(name))).count(), chosen);
            }),
        )],
    }
}

/// A folder with the manual's script.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(folder.path().join("mine")).expect("a folder");
    std::fs::write(folder.path().join("mine/main.rhai"), SCRIPT).expect("a file");
    folder
}

const SCRIPT: &str = r#"import "guance_integration__runner" as integration;
import "guance_aws_ec2__main" as aws_ec2;
import "guance_aws_cloudwatch__main" as aws_cloudwatch;

let account = #{ ak_id: DFF.ENV("AWS_AK_ID"), ak_secret: DFF.ENV("AWS_AK_SECRET") };

@DFF.API("run", timeout = 60)
fn run() {
    let regions = ["cn-northwest-1"];
    Runner([
        aws_ec2::DataCollector(account, #{ regions: regions }),
        aws_cloudwatch::DataCollector(account, #{
            regions: regions,
            targets: [ #{ namespace: "AWS/EC2", metrics: "ALL" } ],
        }),
    ]).run();
}
"#;

/// The same without anything of ours, for plain Rhai.
const PLAIN: &str = r#"
let account = #{ ak_id: "a", ak_secret: "b" };
fn run(account) {
    let regions = ["cn-northwest-1"];
    let collectors = [
        #{ account: account, regions: regions },
        #{ account: account, regions: regions, targets: [ #{ namespace: "AWS/EC2", metrics: "ALL" } ] },
    ];
    collectors.len();
}
run(account)
"#;

fn settings() -> Arc<Settings> {
    let entry = |value: &str| script::EnvEntry { value: value.to_owned().into(), secret: true };
    let env = BTreeMap::from([
        ("AWS_AK_ID".to_owned(), entry("AKIDEXAMPLE")),
        ("AWS_AK_SECRET".to_owned(), entry("an example of a secret")),
    ]);
    Arc::new(Settings { env, ..Settings::new(funchost_collectors::COLLECTORS) })
}

fn plain_rhai() -> (&'static str, Run) {
    (
        "a bare Rhai engine with a script of this size",
        Box::new(|| {
            let engine = rhai::Engine::new();
            let count: i64 = engine.eval(black_box(PLAIN)).expect("a script");
            assert_eq!(count, 2);
        }),
    )
}

fn compile() -> Case {
    let folder = folder();
    let settings = settings();
    Case {
        name: "engine start and script compile",
        bytes: SCRIPT.len(),
        count: 1,
        what: "script",
        ours: Box::new(move || {
            let script = script::open(&folder.path().join("mine/main.rhai"), &settings).expect("it opens");
            assert_eq!(script::list(&script).expect("it is right").len(), 1);
        }),
        baselines: vec![plain_rhai()],
    }
}

/// Takes what a script hands over and does nothing.
struct Nothing;

#[async_trait::async_trait]
impl Backend for Nothing {
    async fn run(&self, request: Request, _: CancellationToken) -> Result<serde_json::Value, BackendError> {
        assert_eq!(request.collectors.len(), 2);
        Ok(serde_json::Value::Null)
    }
}

fn script_run() -> Case {
    let (runtime, folder, settings) = (runtime(), folder(), settings());
    let script = script::open(&folder.path().join("mine/main.rhai"), &settings).expect("it opens");
    Case {
        name: "script run",
        bytes: SCRIPT.len(),
        count: 1,
        what: "script",
        ours: Box::new(move || {
            let _folder = &folder;
            let options = RunOptions::default();
            let ran = script::run(&script, options, Arc::new(Nothing), CancellationToken::new());
            assert!(runtime.block_on(ran).result.is_ok());
        }),
        baselines: vec![plain_rhai()],
    }
}

/// 100 instances and their metrics, against simcloud in this process: calls, state, delivery and all.
fn whole_run(name: &'static str, [listing, measuring, namespace, region]: [&str; 4]) -> Case {
    let runtime = runtime();
    let clouds = runtime
        .block_on(Simcloud::start(Options {
            aws: AwsEstate { instances: 120, nasty: false, ..AwsEstate::default() },
            aliyun: AliyunEstate { instances: 100, ..AliyunEstate::default() },
            tencent: TencentEstate { instances: 100, metrics: 10, ..TencentEstate::default() },
            ..Options::default()
        }))
        .expect("simcloud listens");
    let folder = folder();
    // CloudMonitor is central, and has more metrics than are wanted here.
    let (regions, metrics) = match measuring {
        "aliyun_monitor" => (String::new(), "[\"CPUUtilization\", \"Disk*\", \"Int*Rate\"]"),
        _ => (format!("regions: [\"{region}\"],"), "\"ALL\""),
    };
    let text = format!(
        r#"import "guance_integration__runner" as integration;
import "guance_{listing}__main" as {listing};
import "guance_{measuring}__main" as {measuring};
let account = #{{ ak_id: DFF.ENV("AK_ID"), ak_secret: DFF.ENV("AK_SECRET") }};
@DFF.API("run", timeout = 60)
fn run() {{
    Runner([
        {listing}::DataCollector(account, #{{ regions: ["{region}"] }}),
        {measuring}::DataCollector(account, #{{ {regions} targets: [ #{{ namespace: "{namespace}", metrics: {metrics} }} ] }}),
    ]).run();
}}
"#
    );
    std::fs::write(folder.path().join("mine/main.rhai"), text).expect("a file");
    let mut config = format!(
        "state = \"state\"\n[datakits.datakit]\nurl = \"{}\"\n[endpoints]\naws = \"{}\"\naliyun = \"{}\"\ntencentcloud = \"{}\"\n[limits]\n",
        clouds.datakit_url(),
        clouds.aws_url(),
        clouds.aliyun_url(),
        clouds.tencent_url(),
    );
    for collector in funchost_collectors::COLLECTORS {
        let description = collector.description();
        if [listing, measuring].contains(&description.name) {
            for action in description.actions {
                let cloud = description.cloud.key();
                let limit = format!("\"{cloud}.{}.{}\" = 100000", action.service, action.action);
                if !config.contains(&limit) {
                    writeln!(config, "{limit}").expect("memory");
                }
            }
        }
    }
    std::fs::write(folder.path().join("funchost.toml"), config).expect("a file");
    let (url, id, secret) = match measuring {
        "aliyun_monitor" => {
            let keys = clouds.aliyun_keys();
            (clouds.aliyun_url(), keys.access_key, keys.secret_key)
        }
        "tencentcloud_monitor" => {
            let keys = clouds.tencent_keys();
            (clouds.tencent_url(), keys.secret_id, keys.secret_key)
        }
        _ => {
            let keys = clouds.keys();
            (clouds.aws_url(), keys.access_key, keys.secret_key)
        }
    };
    let variables = BTreeMap::from([
        ("AK_ID".to_owned(), id),
        ("AK_SECRET".to_owned(), secret),
        ("HOME".to_owned(), folder.path().display().to_string()),
    ]);
    run_once(folder.path(), &variables);
    let calls = clouds.calls().values().sum::<u64>() + clouds.aliyun_calls().values().sum::<u64>();
    let count = clouds.datakit().points().len();
    let bytes = clouds.datakit().requests().iter().map(|request| request.body.len()).sum();
    let client = reqwest::Client::builder().build().expect("a client");
    let handle = runtime.handle().clone();
    Case {
        name,
        bytes,
        count,
        what: "point",
        ours: Box::new(move || {
            let _runtime = &runtime;
            let _ = std::fs::remove_dir_all(folder.path().join("state"));
            run_once(folder.path(), &variables);
            // What arrived is not kept from run to run.
            drop(clouds.datakit().take_points());
        }),
        baselines: vec![(
            "as many calls that are refused",
            Box::new(move || {
                for _ in 0..calls {
                    let answer = handle.block_on(client.post(&url).body("x").send()).expect("an answer");
                    black_box(answer.status());
                }
            }),
        )],
    }
}

fn run_once(folder: &Path, variables: &BTreeMap<String, String>) {
    let surroundings = Surroundings {
        arguments: ["run", "mine/main.rhai", "--output", "json"].iter().map(Into::into).collect(),
        variables: variables.clone(),
        directory: folder.to_owned(),
        clock: Arc::new(SystemClock),
        stdout: Arc::new(Mutex::new(Vec::new())),
        stderr: Arc::new(Mutex::new(Vec::new())),
        color: false,
        masker: Arc::default(),
    };
    assert_eq!(funchost::cli::main(&surroundings), 0);
}
