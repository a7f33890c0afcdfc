//! The configuration: `funchost.toml` and the environment, read once at the start.
//!
//! Owns the search for the file, the keys, their defaults and what is said about mistakes in them. Knows nothing of what the values
//! are used for, and reads no global: the environment and the current folder are handed in.
//!
//! Where a key stands, strongest first: environment variable, file, default. One file is read, the first that exists:
//! the one named (`--config FILE`, else `FUNCHOST_CONFIG`), `funchost.toml` in the current folder, in `$XDG_CONFIG_HOME/funchost` (default
//! `~/.config/funchost`), in `/etc/funchost`.
//!
//! Every key has a variable: `FUNCHOST_`, then the path in capitals with `__` between its parts. A dot inside a name is `__` too:
//!
//! | Key | Variable |
//! | --- | --- |
//! | `state`, `scripts` | `FUNCHOST_STATE`, `FUNCHOST_SCRIPTS` |
//! | `[datakits.dk2] url` | `FUNCHOST_DATAKITS__DK2__URL` |
//! | `[endpoints] "aws.monitoring"` | `FUNCHOST_ENDPOINTS__AWS__MONITORING` |
//! | `[limits] "aws.monitoring.GetMetricData"` | `FUNCHOST_LIMITS__AWS__MONITORING__GETMETRICDATA` |
//! | `[budget] calls`, `[budget.accounts.LTAI5t] money` | `FUNCHOST_BUDGET__CALLS`, `FUNCHOST_BUDGET__ACCOUNTS__LTAI5t__MONEY` |
//! | `[overlap] aws`, `[outbox] limit` | `FUNCHOST_OVERLAP__AWS`, `FUNCHOST_OUTBOX__LIMIT` |
//! | `[service] token` | `FUNCHOST_SERVICE__TOKEN` |
//! | `[env] NAME`, and whether it is secret | `FUNCHOST_ENV__NAME`, `FUNCHOST_ENV__NAME__SECRET` (`true`, `false`) |
//!
//! Variables know no case: known names are found ignoring it. A name that is nowhere known is taken in lower case where the variable is in
//! capitals; a name of `[env]` is taken as it is written.

mod environment;
mod read;
mod report;
mod value;

pub use value::DataKitUrl;

use crate::money::budget::Budgets;
use crate::schedule::zone::Zone;
use crate::state::DatabaseUrl;
use funchost_collectors::account::Cloud;
use funchost_collectors::{COLLECTORS, Collector};
use secrecy::SecretString;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The file's name in every folder that is searched.
pub const FILE_NAME: &str = "funchost.toml";

/// What funchost is configured to do.
///
/// Can be printed with `{:?}`: no secret shows.
#[derive(Clone)]
pub struct Config {
    /// What accounts may use in a month.
    pub budgets: Budgets,
    /// Where points go, by id. `datakit` is always there.
    pub datakits: BTreeMap<String, DataKitConfig>,
    /// Where a cloud (`aws`) or one of its services (`aws.monitoring`) answers instead of its own hosts: URLs without credentials,
    /// query and closing slash.
    pub endpoints: BTreeMap<String, String>,
    /// Values for `DFF.ENV`.
    pub env: BTreeMap<String, EnvValue>,
    /// Calls a second for one account and region, by `<cloud>.<service>.<Action>`: greater than 0.
    pub limits: BTreeMap<String, f64>,
    /// How far behind its mark a metrics collector reads again.
    pub overlap: Overlap,
    /// How many bytes of points are kept for DataKits that do not take them.
    pub outbox_limit: u64,
    /// The folder of the state, where it is no database.
    pub state: PathBuf,
    /// The state's database: `state = "postgres://…"`.
    pub database: Option<DatabaseUrl>,
    /// The library's folder; none: the folder above the entry script's.
    pub scripts: Option<PathBuf>,
    /// What `funchost serve` does and where it listens.
    pub service: ServiceConfig,
    /// What runs by itself, beside the functions that have a crontab of their own.
    pub triggers: Vec<TriggerConfig>,
    /// Calls of clouds take no proxy, as these clouds are simulated on this machine. No file says so.
    pub direct: bool,
    /// The file that was read, if there was one.
    pub file: Option<PathBuf>,
}

/// `[service]`: what `funchost serve` does and where it listens.
#[derive(Clone, Debug)]
pub struct ServiceConfig {
    /// Where the console and the API listen.
    pub listen: SocketAddr,
    /// What a caller must show. Without it only this machine can call.
    pub token: Option<SecretString>,
    /// Runs at a time.
    pub workers: u32,
    /// The time zone of crontabs and logs; none: the machine's.
    pub timezone: Option<Zone>,
    /// Records that are kept of each trigger, and of the calls of each function.
    pub keep_runs: u32,
    /// Days that records are kept.
    pub keep_days: u32,
    /// How long a run stays with a process that has gone silent, before another takes it.
    pub lease: Duration,
    /// Where spans go, by OTLP over HTTP: a URL without credentials.
    pub otlp: Option<String>,
}

impl Default for ServiceConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8088)),
            token: None,
            workers: 8,
            timezone: None,
            keep_runs: 500,
            keep_days: 90,
            lease: Duration::from_secs(30),
            otlp: None,
        }
    }
}

/// One of `[[triggers]]`.
#[derive(Clone, Debug)]
pub struct TriggerConfig {
    /// Its name; the function's unless given.
    pub id: String,
    /// `my_aws__main.run`.
    pub func: String,
    /// Five fields; none where the function has a crontab of its own, which would win anyway.
    pub cron: Option<String>,
    /// Where the wall is; none: the service's.
    pub timezone: Option<Zone>,
    /// The function's arguments.
    pub kwargs: serde_json::Map<String, serde_json::Value>,
    /// Does it fire?
    pub enabled: bool,
    /// Seconds after each tick, one run for each; empty: what the function says.
    pub delays: Vec<u64>,
    /// What becomes of ticks that nothing was there to fire.
    pub catch_up: CatchUp,
}

/// What becomes of ticks that nothing was there to fire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CatchUp {
    /// The last of them runs, once. The others are recorded as missed.
    #[default]
    Last,
    /// All are recorded as missed.
    None,
}

/// One DataKit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataKitConfig {
    /// Where it listens.
    pub url: DataKitUrl,
}

/// A value for `DFF.ENV`. Never printed, secret or not.
#[derive(Clone, Debug)]
pub struct EnvValue {
    /// The value.
    pub value: SecretString,
    /// Must it be masked in everything that is said: because the configuration says so, or by its name ([`is_secret_name`]).
    pub secret: bool,
}

/// How far behind its mark a metrics collector reads again, for points that the cloud publishes late: 0 to 2 hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overlap {
    /// Alibaba Cloud: 10 minutes.
    pub aliyun: Duration,
    /// Amazon Web Services: 15 minutes.
    pub aws: Duration,
    /// Tencent Cloud: 10 minutes.
    pub tencentcloud: Duration,
}

impl Default for Overlap {
    fn default() -> Self {
        let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
        Self { aliyun: minutes(10), aws: minutes(15), tencentcloud: minutes(10) }
    }
}

impl Overlap {
    /// The overlap of a cloud.
    #[must_use]
    pub fn of(&self, cloud: Cloud) -> Duration {
        match cloud {
            Cloud::Aliyun => self.aliyun,
            Cloud::Aws => self.aws,
            Cloud::Tencent => self.tencentcloud,
        }
    }
}

impl Config {
    /// The outbox's default limit: 512 MiB.
    pub const OUTBOX_LIMIT: u64 = 512 << 20;

    /// Every key that a `funchost.toml` can have; `<…>` stands for a name that the user chooses.
    #[must_use]
    pub fn keys() -> Vec<String> {
        read::keys()
    }

    /// A `funchost.toml` with every key, commented out, as documentation and as a beginning.
    #[must_use]
    pub fn example() -> &'static str {
        include_str!("config/example.toml")
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Each of the types below hides what is secret in it; endpoints have no credentials.
        formatter
            .debug_struct("Config")
            .field("budgets", &self.budgets)
            .field("datakits", &self.datakits)
            .field("endpoints", &self.endpoints)
            .field("env", &self.env)
            .field("limits", &self.limits)
            .field("overlap", &self.overlap)
            .field("outbox_limit", &self.outbox_limit)
            .field("state", &self.state)
            .field("database", &self.database)
            .field("scripts", &self.scripts)
            .field("service", &self.service)
            .field("triggers", &self.triggers)
            .field("file", &self.file)
            .finish()
    }
}

/// What a configuration is made of.
#[derive(Clone, Default)]
pub struct LoadRequest {
    /// `--config FILE`; a relative path counts from `directory`.
    pub explicit: Option<PathBuf>,
    /// The current folder.
    pub directory: PathBuf,
    /// The environment, whole: `HOME` and `XDG_…` are looked up in it, too.
    pub environment: BTreeMap<String, String>,
}

impl fmt::Debug for LoadRequest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The environment's values may be secrets.
        formatter
            .debug_struct("LoadRequest")
            .field("explicit", &self.explicit)
            .field("directory", &self.directory)
            .field("environment", &self.environment.keys())
            .finish()
    }
}

/// What the configuration is read against.
#[derive(Clone, Debug)]
pub struct Known {
    /// The actions that may stand in `[limits]`: see [`known_limits`].
    pub limits: BTreeSet<String>,
    /// The last folder that is searched for the file.
    pub system: PathBuf,
}

impl Default for Known {
    fn default() -> Self {
        Self { limits: known_limits(COLLECTORS), system: PathBuf::from("/etc/funchost") }
    }
}

/// The names that `[limits]` knows: what the collectors call, and the call that assumes a role for them.
#[must_use]
pub fn known_limits(collectors: &[&dyn Collector]) -> BTreeSet<String> {
    collectors
        .iter()
        .map(|collector| collector.description())
        .flat_map(|description| {
            let cloud = description.cloud.key();
            description
                .actions
                .iter()
                .map(move |action| format!("{cloud}.{}.{}", action.service, action.action))
                .chain([format!("{cloud}.sts.AssumeRole")])
        })
        .collect()
}

/// Reads the configuration, with the limits of the collectors that there are.
///
/// # Errors
/// Every mistake in the file and in the variables, together.
pub fn load(request: &LoadRequest) -> Result<Config, ConfigError> {
    load_with(request, &Known::default())
}

/// The same, with other known names.
///
/// # Errors
/// See [`load`].
pub fn load_with(request: &LoadRequest, known: &Known) -> Result<Config, ConfigError> {
    let (file, text) = match find(request, &known.system)? {
        Some((path, text)) => (Some(path), text),
        None => (None, String::new()),
    };
    let folder = file.as_deref().and_then(Path::parent).unwrap_or(&request.directory);
    let mut reader = read::Reader::new(&known.limits, folder, request);
    let (masked, syntax) = reader.file(&text);
    // What a broken file seems to say is not judged; the variables are.
    reader.variables();
    let (config, problems) = reader.finish(file.clone(), syntax);
    match config {
        Some(config) if problems.is_empty() => Ok(config),
        _ => Err(ConfigError { diagnostics: report::diagnostics(file.as_deref(), &text, &masked, problems) }),
    }
}

/// The file to read and its text.
fn find(request: &LoadRequest, system: &Path) -> Result<Option<(PathBuf, String)>, ConfigError> {
    let variable = |name: &str| request.environment.get(name).filter(|value| !value.is_empty());
    let named = request.explicit.clone().or_else(|| variable("FUNCHOST_CONFIG").map(PathBuf::from));
    if let Some(path) = named {
        let path = request.directory.join(path);
        return match report::read(&path)? {
            Some(text) => Ok(Some((path, text))),
            None => Err(report::about_file(
                &path,
                "does not exist",
                Some(
                    "name an existing file, or leave the name out: funchost runs without a configuration"
                        .into(),
                ),
            )),
        };
    }
    // A relative XDG path is to be ignored: https://specifications.freedesktop.org/basedir-spec/latest/
    let user = variable("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .or_else(|| variable("HOME").map(|home| Path::new(home).join(".config")))
        .map(|folder| folder.join("funchost"));
    let folders = [Some(request.directory.clone()), user, Some(system.to_owned())];
    for path in folders.into_iter().flatten().map(|folder| folder.join(FILE_NAME)) {
        if let Some(text) = report::read(&path)? {
            return Ok(Some((path, text)));
        }
    }
    Ok(None)
}

/// Does a name say that its value is a secret: does it contain secret, token, password or key, in any case.
#[must_use]
pub fn is_secret_name(name: &str) -> bool {
    let name = name.to_lowercase();
    ["secret", "token", "password", "key"].iter().any(|word| name.contains(word))
}

/// The configuration is wrong. Shown, it is the reports of all mistakes.
#[derive(Clone, Debug)]
pub struct ConfigError {
    /// At least one, in the order of the file; the variables follow.
    pub diagnostics: Vec<Diagnostic>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, diagnostic) in self.diagnostics.iter().enumerate() {
            let gap = if index > 0 { "\n\n" } else { "" };
            write!(formatter, "{gap}{}", diagnostic.rendered)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

/// One mistake. No secret is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// What is wrong, in one line.
    pub message: String,
    /// The file, if the mistake stands in one.
    pub file: Option<PathBuf>,
    /// The line in it, from 1.
    pub line: Option<usize>,
    /// The column in characters, from 1.
    pub column: Option<usize>,
    /// What to do about it.
    pub hint: Option<String>,
    /// All of that as it is shown to a person: several lines, without a line break at the end.
    pub rendered: String,
}
