//! What whole-program tests share: a folder of their own, simulated clouds, and funchost run in this process (so that a
//! test can move the clock) or as the real binary.

#![allow(dead_code, reason = "each test program uses its own part of this")]

pub(crate) mod aliyun;
pub(crate) mod market;
pub(crate) mod plan;
pub(crate) mod python;
pub(crate) mod service;
pub(crate) mod tencent;

use funchost::cli::Surroundings;
use funchost_collectors::clock::{Clock, SECOND, ShiftedClock, SystemClock};
use simcloud::{Options, Simcloud};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

/// The manual's AWS script, with the regions put in.
pub(crate) fn aws_script(regions: &[&str], metrics: &str) -> String {
    let regions: Vec<String> = regions.iter().map(|region| format!("{region:?}")).collect();
    format!(
        r#"import "guance_integration__runner" as integration;
import "guance_aws_ec2__main" as aws_ec2;
import "guance_aws_cloudwatch__main" as aws_cloudwatch;

let account = #{{
    ak_id: DFF.ENV("AWS_AK_ID"),
    ak_secret: DFF.ENV("AWS_AK_SECRET"),
    extra_tags: #{{ account_name: "我的AWS账号" }},
}};

@DFF.API("执行云资产同步", timeout = 60)
fn run() {{
    let regions = [{}];
    let collectors = [
        aws_ec2::DataCollector(account, #{{ regions: regions }}),
        aws_cloudwatch::DataCollector(account, #{{
            regions: regions,
            targets: [ #{{ namespace: "AWS/EC2", metrics: {metrics} }} ],
        }}),
    ];
    Runner(collectors).run();
}}
"#,
        regions.join(", ")
    )
}

/// What a run wrote and how it ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: u8,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// The JSON document on stdout.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}\nstdout:\n{}\nstderr:\n{}", self.stdout, self.stderr))
    }

    /// A collector of the report.
    pub(crate) fn collector(&self, name: &str) -> serde_json::Value {
        let report = self.json();
        let collectors = report["collectors"].as_array().expect("the report has collectors");
        collectors
            .iter()
            .find(|collector| collector["name"] == name)
            .cloned()
            .unwrap_or_else(|| panic!("{report:#}"))
    }
}

/// A folder with a script and a configuration, and the clouds that it names.
pub(crate) struct World {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) variables: BTreeMap<String, String>,
    pub(crate) clouds: Simcloud,
}

impl World {
    /// Clouds with these options; keys in the environment.
    pub(crate) async fn new(options: Options) -> Self {
        let clouds = Simcloud::start(options).await.expect("simcloud listens on loopback");
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (keys, aliyun) = (clouds.keys(), clouds.aliyun_keys());
        let variables = BTreeMap::from([
            ("AWS_AK_ID".to_owned(), keys.access_key),
            ("AWS_AK_SECRET".to_owned(), keys.secret_key),
            ("TENCENTCLOUD_AK_ID".to_owned(), clouds.tencent_keys().secret_id),
            ("TENCENTCLOUD_AK_SECRET".to_owned(), clouds.tencent_keys().secret_key),
            ("ALIYUN_AK_ID".to_owned(), aliyun.access_key),
            ("ALIYUN_AK_SECRET".to_owned(), aliyun.secret_key),
        ]);
        let world = Self { folder, variables, clouds };
        let (aws, datakit) = (world.clouds.aws_url(), world.clouds.datakit_url());
        let aliyun = world.clouds.aliyun_url();
        world.write(
            "funchost.toml",
            &format!(
                "state = \"state\"\n[datakits.datakit]\nurl = \"{datakit}\"\n[endpoints]\naws = \"{aws}\"\naliyun = \"{aliyun}\"\ntencentcloud = \"{}\"\n",
                world.clouds.tencent_url()
            ),
        );
        world
    }

    /// Writes a file into the folder.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("the folder can be made");
        std::fs::write(&path, text).expect("the file can be written");
        path
    }

    /// Runs funchost in this process, the clock `seconds` ahead of the machine's.
    pub(crate) fn run_at(&self, seconds: i64, arguments: &[&str]) -> Ran {
        in_process(self.folder.path(), &self.variables, seconds, arguments)
    }

    /// Runs funchost in this process at the machine's time.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        self.run_at(0, arguments)
    }

    /// The real binary, ready to be started.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_funchost"));
        command.args(arguments).current_dir(self.folder.path()).env_clear().envs(&self.variables);
        command.env("HOME", self.folder.path()).env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command
    }

    /// Runs the real binary to its end.
    pub(crate) fn binary(&self, arguments: &[&str]) -> Ran {
        ran(&self.command(arguments).output().expect("the binary starts"))
    }
}

/// What a finished process left.
pub(crate) fn ran(output: &Output) -> Ran {
    Ran {
        code: u8::try_from(output.status.code().unwrap_or(255)).unwrap_or(255),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Runs funchost in this process, on a thread of its own: it brings its own runtime.
pub(crate) fn in_process(
    directory: &Path,
    variables: &BTreeMap<String, String>,
    seconds: i64,
    arguments: &[&str],
) -> Ran {
    let stdout = Arc::new(Mutex::new(Vec::new()));
    let stderr = Arc::new(Mutex::new(Vec::new()));
    let mut variables = variables.clone();
    variables.insert("HOME".into(), directory.display().to_string());
    let surroundings = Surroundings {
        arguments: arguments.iter().map(Into::into).collect(),
        variables,
        directory: directory.to_owned(),
        clock: Arc::new(ShiftedClock { offset: seconds * SECOND }),
        stdout: stdout.clone(),
        stderr: stderr.clone(),
        color: false,
        masker: Arc::default(),
    };
    let code = std::thread::spawn(move || funchost::cli::main(&surroundings))
        .join()
        .expect("funchost does not panic");
    let text =
        |bytes: &Arc<Mutex<Vec<u8>>>| String::from_utf8_lossy(&bytes.lock().expect("no panic")).into_owned();
    Ran { code, stdout: text(&stdout), stderr: text(&stderr) }
}

/// A clock that runs faster than the machine's, from a moment that all processes of a test share.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FastClock {
    pub(crate) base: i64,
    pub(crate) factor: u32,
}

impl FastClock {
    /// Starts now.
    pub(crate) fn new(factor: u32) -> Self {
        Self { base: SystemClock.now(), factor }
    }
}

impl Clock for FastClock {
    fn now(&self) -> i64 {
        self.base + (SystemClock.now() - self.base) * i64::from(self.factor)
    }

    fn wait(&self, time: std::time::Duration) -> std::time::Duration {
        time / self.factor
    }
}

/// Seconds differ from run to run.
pub(crate) fn steady(text: &str) -> String {
    let mut steady = String::new();
    for word in text.split_inclusive([' ', '\n']) {
        let trimmed = word.trim_end();
        let number = trimmed.trim_end_matches([':', ';', ')']);
        if number.contains('.') && number.parse::<f64>().is_ok() {
            steady.push_str(&word.replace(number, "#.#"));
        } else if number.strip_prefix("127.0.0.1:").is_some_and(|port| port.parse::<u16>().is_ok()) {
            steady.push_str(&word.replace(number, "127.0.0.1:PORT"));
        } else if trimmed.len() == 20 && trimmed.ends_with('Z') {
            steady.push_str(&word.replace(trimmed, "TIME"));
        } else if number.len() == 36 && number.matches('-').count() == 4 {
            steady.push_str(&word.replace(number, "REQUEST-ID"));
        } else {
            steady.push_str(word);
        }
    }
    steady
}
