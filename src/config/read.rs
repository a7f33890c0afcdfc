//! Reading: the file's tables and the variables become one draft, and the draft a configuration.
//!
//! Owns the names of the keys. Goes on after a mistake, so that all of them are found at once. What only the service reads
//! stands in `service`.

mod service;

pub(super) use service::SERVICE;

use super::environment::{self, Names, PREFIX};
use super::report::{self, At, Masked, Problem};
use super::value::{self, DataKitUrl, Given, Wrong, mismatch};
use super::{Config, DataKitConfig, EnvValue, LoadRequest, Overlap, is_secret_name};
use crate::money::budget::{Budget, Budgets};
use funchost_collectors::mistake::{nearest, slip_of};
use secrecy::SecretString;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The clouds, as keys call them.
pub(super) const CLOUDS: [&str; 3] = ["aliyun", "aws", "tencentcloud"];
/// Services of each that can have an endpoint of their own, whether or not a collector uses them yet.
const SERVICES: [(&str, &[&str]); 3] = [
    ("aliyun", &["cms", "ecs", "oss", "rds", "slb", "sts"]),
    ("aws", &["ec2", "monitoring", "sts"]),
    ("tencentcloud", &["cvm", "monitor", "sts"]),
];
const TOP: [&str; 11] = [
    "budget",
    "datakits",
    "endpoints",
    "env",
    "limits",
    "outbox",
    "overlap",
    "scripts",
    "service",
    "state",
    "triggers",
];

const OUTBOX: [&str; 1] = ["limit"];
const DATAKIT: [&str; 1] = ["url"];
const BUDGET: [&str; 2] = ["calls", "money"];
const ENV: [&str; 2] = ["value", "secret"];

/// Every key that a file can have; `<…>` stands for a name that the user chooses.
pub(super) fn keys() -> Vec<String> {
    let mut keys = Vec::new();
    for name in TOP {
        let mut members = |path: &str, members: &[&str]| {
            keys.extend(members.iter().map(|member| format!("{path}.{member}")));
        };
        match name {
            "budget" => {
                members("budget", &BUDGET);
                members("budget.accounts.<account>", &BUDGET);
            }
            "datakits" => members("datakits.<id>", &DATAKIT),
            "endpoints" => members("endpoints", &["<cloud>", "<cloud>.<service>"]),
            "env" => {
                members("env", &["<NAME>"]);
                members("env.<NAME>", &ENV);
            }
            "limits" => members("limits", &["<cloud>.<service>.<Action>"]),
            "outbox" => members("outbox", &OUTBOX),
            "overlap" => members("overlap", &CLOUDS),
            "service" => members("service", &SERVICE),
            "triggers" => members("triggers", &service::TRIGGER),
            plain => keys.push(plain.to_owned()),
        }
    }
    keys
}

/// A key that has a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Key {
    /// Of every account, or of the one named.
    BudgetCalls(Option<String>),
    BudgetMoney(Option<String>),
    State,
    Scripts,
    OutboxLimit,
    Overlap(String),
    DataKit(String),
    Endpoint(String),
    Limit(String),
    Env(String),
    EnvSecret(String),
    /// A member of `[service]`.
    Service(&'static str),
}

/// Where a key and its value stand in the file.
struct Spot<'s> {
    path: String,
    key: Range<usize>,
    value: &'s Spanned<DeValue<'s>>,
}

#[derive(Default)]
struct Env {
    value: Option<SecretString>,
    secret: bool,
    /// Where to point when the value is missing.
    at: Option<Range<usize>>,
}

/// Collects values and mistakes.
pub(super) struct Reader<'r> {
    limits_known: &'r BTreeSet<String>,
    endpoints_known: BTreeSet<String>,
    /// Relative paths count from here: the file's folder, for variables the current one.
    base: &'r Path,
    request: &'r LoadRequest,
    problems: Vec<Problem>,

    budgets: Budgets,
    datakits: BTreeMap<String, (Option<DataKitUrl>, Option<Range<usize>>)>,
    endpoints: BTreeMap<String, String>,
    env: BTreeMap<String, Env>,
    limits: BTreeMap<String, f64>,
    overlap: Overlap,
    outbox_limit: u64,
    state: Option<PathBuf>,
    database: Option<crate::state::DatabaseUrl>,
    scripts: Option<PathBuf>,
    service: super::ServiceConfig,
    triggers: Vec<super::TriggerConfig>,
}

impl<'r> Reader<'r> {
    pub(super) fn new(limits: &'r BTreeSet<String>, folder: &'r Path, request: &'r LoadRequest) -> Self {
        let services = SERVICES
            .iter()
            .flat_map(|(cloud, services)| services.iter().map(move |service| format!("{cloud}.{service}")));
        // A collector's service has an endpoint without being named here.
        let called = limits.iter().filter_map(|limit| Some(limit.rsplit_once('.')?.0.to_owned()));
        Self {
            limits_known: limits,
            endpoints_known: CLOUDS
                .iter()
                .map(|cloud| (*cloud).to_owned())
                .chain(services)
                .chain(called)
                .collect(),
            base: folder,
            request,
            problems: Vec::new(),
            budgets: Budgets::default(),
            datakits: BTreeMap::new(),
            endpoints: BTreeMap::new(),
            env: BTreeMap::new(),
            limits: BTreeMap::new(),
            overlap: Overlap::default(),
            outbox_limit: Config::OUTBOX_LIMIT,
            state: None,
            database: None,
            scripts: None,
            service: super::ServiceConfig::default(),
            triggers: Vec::new(),
        }
    }

    /// Reads the file; answers its text as it may be shown, and whether it could not be understood.
    pub(super) fn file(&mut self, text: &str) -> (Masked, bool) {
        let (table, errors) = DeTable::parse_recoverable(text);
        if errors.is_empty() {
            self.top(table.get_ref());
            return (Masked::of_tables(text, table.get_ref()), false);
        }
        for error in errors {
            let message = format!("not valid TOML: {}", report::line(error.message()));
            self.problems.push(Problem { at: At::Span(error.span().unwrap_or(0..0)), message, hint: None });
        }
        (Masked::of_broken(text), true)
    }

    fn top(&mut self, table: &DeTable<'_>) {
        for (key, value) in table {
            let name = key.get_ref().as_ref();
            match name {
                "state" => self.leaf(Key::State, spot("", key, value)),
                "scripts" => self.leaf(Key::Scripts, spot("", key, value)),
                "datakits" => self.datakits(value),
                "endpoints" => {
                    for spot in self.leaves("endpoints", value) {
                        let name = spot.path["endpoints.".len()..].to_owned();
                        self.twice_or(
                            &spot,
                            |reader| reader.endpoints.contains_key(&name),
                            Key::Endpoint(name.clone()),
                        );
                    }
                }
                "limits" => {
                    for spot in self.leaves("limits", value) {
                        let written = spot.path["limits.".len()..].to_owned();
                        let name = self.limit_name(&written).unwrap_or_else(|_| written.clone());
                        self.twice_or(&spot, |reader| reader.limits.contains_key(&name), Key::Limit(written));
                    }
                }
                "env" => self.env(value),
                "budget" => self.budget(value),
                "overlap" => {
                    for spot in self.members("overlap", value) {
                        let cloud = spot.path["overlap.".len()..].to_owned();
                        self.leaf(Key::Overlap(cloud), spot);
                    }
                }
                "outbox" => {
                    for spot in self.members("outbox", value) {
                        match spot.path.as_str() {
                            "outbox.limit" => self.leaf(Key::OutboxLimit, spot),
                            _ => self.unknown(&spot, &OUTBOX),
                        }
                    }
                }
                "service" => self.service(value),
                "triggers" => self.triggers(value),
                _ => self.unknown(&spot("", key, value), &TOP),
            }
        }
    }

    fn datakits(&mut self, value: &Spanned<DeValue<'_>>) {
        for datakit in self.members("datakits", value) {
            let id = datakit.path["datakits.".len()..].to_owned();
            let plain = |character: char| character.is_ascii_alphanumeric() || "_-".contains(character);
            if id.is_empty() || !id.chars().all(plain) {
                let wrong = Wrong::new("is no id of a DataKit: letters, digits, `_` and `-` only").at_key();
                self.wrong(&datakit, wrong);
                continue;
            }
            if let DeValue::String(_) = datakit.value.get_ref() {
                let wrong = mismatch(datakit.value.get_ref(), "a table");
                // Whose `url` stands here has left out the id.
                let id = if id == "url" { "datakit" } else { &id };
                self.wrong(
                    &datakit,
                    wrong.hint(format!("write `[datakits.{id}]`, and below it `url = \"…\"`")),
                );
                continue;
            }
            self.datakits.entry(id.clone()).or_default().1 = Some(datakit.key.clone());
            for spot in self.members(&datakit.path, datakit.value) {
                match spot.path.rsplit_once('.') {
                    Some((_, "url")) => self.leaf(Key::DataKit(id.clone()), spot),
                    _ => self.unknown(&spot, &DATAKIT),
                }
            }
        }
    }

    fn budget(&mut self, value: &Spanned<DeValue<'_>>) {
        for spot in self.members("budget", value) {
            if spot.path != "budget.accounts" {
                self.budget_leaf(None, spot, &["accounts", "calls", "money"]);
                continue;
            }
            for account in self.members(&spot.path, spot.value) {
                let id = account.path["budget.accounts.".len()..].to_owned();
                self.budgets.accounts.entry(id.clone()).or_default();
                for member in self.members(&account.path, account.value) {
                    self.budget_leaf(Some(id.clone()), member, &BUDGET);
                }
                if self.budgets.accounts.get(&id) == Some(&Budget::default()) && self.problems.is_empty() {
                    let wrong = Wrong::new("allows nothing and forbids nothing")
                        .at_key()
                        .hint("write below it `calls = 900000`, or `money = \"200 CNY\"`");
                    self.wrong(&account, wrong);
                }
            }
        }
    }

    fn budget_leaf(&mut self, account: Option<String>, spot: Spot<'_>, known: &[&str]) {
        let name = spot.path.rsplit('.').next().unwrap_or_default();
        match name {
            "calls" => self.leaf(Key::BudgetCalls(account), spot),
            "money" => self.leaf(Key::BudgetMoney(account), spot),
            _ => self.unknown(&spot, known),
        }
    }

    fn budget_of(&mut self, account: &Option<String>) -> &mut Budget {
        match account {
            Some(id) => self.budgets.accounts.entry(id.clone()).or_default(),
            None => self.budgets.each.get_or_insert_default(),
        }
    }

    fn env(&mut self, value: &Spanned<DeValue<'_>>) {
        for spot in self.members("env", value) {
            let name = spot.path["env.".len()..].to_owned();
            self.env.entry(name.clone()).or_default().at = Some(spot.key.clone());
            let DeValue::Table(_) = spot.value.get_ref() else {
                self.leaf(Key::Env(name), spot);
                continue;
            };
            for member in self.members(&spot.path, spot.value) {
                match &member.path[spot.path.len() + 1..] {
                    "value" => self.leaf(Key::Env(name.clone()), member),
                    "secret" => self.leaf(Key::EnvSecret(name.clone()), member),
                    _ => {
                        // Said once is enough: what is missing may be what is misspelt.
                        self.env.entry(name.clone()).or_default().at = None;
                        self.unknown(&member, &ENV);
                    }
                }
            }
        }
    }

    /// The members of what must be a table.
    fn members<'v>(&mut self, path: &str, value: &'v Spanned<DeValue<'v>>) -> Vec<Spot<'v>> {
        match value.get_ref() {
            DeValue::Table(table) => table.iter().map(|(key, value)| spot(path, key, value)).collect(),
            other => {
                let wrong =
                    mismatch(other, "a table").hint(format!("write `[{path}]`, and its keys below it"));
                let at = At::Span(value.span());
                self.problems.push(Problem::new(at, path, wrong));
                Vec::new()
            }
        }
    }

    /// The values below a table, however its dotted names are written: `"aws.ec2" = …`, `aws.ec2 = …`, or a table `aws`.
    fn leaves<'v>(&mut self, path: &str, value: &'v Spanned<DeValue<'v>>) -> Vec<Spot<'v>> {
        let mut leaves = Vec::new();
        for member in self.members(path, value) {
            match member.value.get_ref() {
                DeValue::Table(_) => leaves.extend(self.leaves(&member.path, member.value)),
                _ => leaves.push(member),
            }
        }
        // A name that is set twice is a mistake of its second place.
        leaves.sort_by_key(|leaf| leaf.key.start);
        leaves
    }

    fn twice_or(&mut self, spot: &Spot<'_>, is_set: impl FnOnce(&Self) -> bool, key: Key) {
        if is_set(self) {
            self.wrong(spot, Wrong::new("is set twice").at_key());
        } else if let Err(wrong) = self.set(&key, Given::File(spot.value.get_ref())) {
            self.wrong(spot, wrong);
        }
    }

    fn leaf(&mut self, key: Key, spot: Spot<'_>) {
        if let Err(wrong) = self.set(&key, Given::File(spot.value.get_ref())) {
            self.wrong(&spot, wrong);
        }
    }

    fn wrong(&mut self, spot: &Spot<'_>, wrong: Wrong) {
        let at = if wrong.at_key { spot.key.clone() } else { spot.value.span() };
        self.problems.push(Problem::new(At::Span(at), &spot.path, wrong));
    }

    fn unknown(&mut self, spot: &Spot<'_>, known: &[&str]) {
        let written = spot.path.rsplit('.').next().unwrap_or(&spot.path);
        self.wrong(spot, unknown(written, known.iter().copied()));
    }

    /// Reads the variables, which win over the file.
    pub(super) fn variables(&mut self) {
        self.base = &self.request.directory;
        for (name, value) in &self.request.environment {
            let Some(rest) = name.strip_prefix(PREFIX) else { continue };
            let set = match environment::key(rest, &self.names()) {
                Ok(Some(key)) => self.set(&key, Given::Variable(value)),
                Ok(None) => Ok(()),
                Err(wrong) => Err(wrong),
            };
            // A name that is wrong is compared with the names of variables.
            let done =
                set.map_err(
                    |wrong| if wrong.at_key { environment::unknown(rest, &self.names()) } else { wrong },
                );
            if let Err(wrong) = done {
                self.problems.push(Problem::new(At::Variable, name, wrong));
            }
        }
    }

    fn names(&self) -> Names<'_> {
        Names {
            budgets: self.budgets.accounts.keys().map(String::as_str).collect(),
            datakits: self.datakits.keys().map(String::as_str).chain(["datakit"]).collect(),
            env: self.env.keys().map(String::as_str).collect(),
            endpoints: &self.endpoints_known,
            limits: self.limits_known,
        }
    }

    fn set(&mut self, key: &Key, given: Given<'_>) -> Result<(), Wrong> {
        match key {
            Key::BudgetCalls(account) => {
                let calls = given.calls()?;
                self.budget_of(account).calls = Some(calls);
            }
            Key::BudgetMoney(account) => {
                let money = given.money()?;
                self.budget_of(account).money = Some(money);
            }
            Key::State => {
                let text = given.text()?;
                // The stronger place decides alone: a folder there stands in place of a database here.
                (self.state, self.database) = match value::database(text)? {
                    Some(url) => (None, Some(url)),
                    None => (Some(value::folder(text, self.base, &self.request.environment)?), None),
                };
            }
            Key::Scripts => {
                let text = given.text()?;
                self.scripts = Some(value::folder(text, self.base, &self.request.environment)?);
            }
            Key::OutboxLimit => self.outbox_limit = given.bytes()?,
            Key::Overlap(cloud) => {
                let overlap = match cloud.as_str() {
                    "aliyun" => &mut self.overlap.aliyun,
                    "aws" => &mut self.overlap.aws,
                    "tencentcloud" => &mut self.overlap.tencentcloud,
                    other => return Err(unknown(other, CLOUDS)),
                };
                *overlap = given.seconds()?;
            }
            Key::DataKit(id) => {
                let entry = self.datakits.entry(id.clone()).or_default();
                // A wrong URL is not also a missing one.
                entry.1 = None;
                entry.0 = Some(value::datakit_url(given.text()?)?);
            }
            Key::Endpoint(name) => {
                if !self.endpoints_known.contains(name) {
                    return Err(unknown(name, self.endpoints_known.iter().map(String::as_str)));
                }
                let url = value::endpoint_url(given.text()?)?;
                self.endpoints.insert(name.clone(), url);
            }
            Key::Limit(written) => {
                let name = self.limit_name(written)?;
                self.limits.insert(name, given.rate()?);
            }
            Key::Env(name) => {
                let entry = self.env.entry(name.clone()).or_default();
                entry.at = None;
                entry.value = Some(SecretString::from(given.text()?));
            }
            Key::Service(name) => self.set_service(name, given)?,
            Key::EnvSecret(name) => self.env.entry(name.clone()).or_default().secret = given.truth()?,
        }
        Ok(())
    }

    /// The action that is meant, in its own spelling.
    fn limit_name(&self, written: &str) -> Result<String, Wrong> {
        let known = self.limits_known;
        if let Some(name) = known.iter().find(|name| name.eq_ignore_ascii_case(written)) {
            return Ok(name.clone());
        }
        let shape = Wrong::new("names no call of a cloud").at_key();
        let parts: Vec<&str> = written.split('.').collect();
        let [cloud, service, action] = parts.as_slice() else {
            return Err(shape.hint(
                "write it as `\"<cloud>.<service>.<Action>\"`, such as `\"aws.ec2.DescribeInstances\"`",
            ));
        };
        let cloud = cloud.to_ascii_lowercase();
        if !CLOUDS.contains(&cloud.as_str()) {
            return Err(shape.hint(format!("the first part is one of {}", CLOUDS.join(", "))));
        }
        let prefix = format!("{cloud}.");
        // A script's own collector may call anything: only what is nearly a known call is taken for a slip.
        let of_cloud = || known.iter().filter(|name| name.starts_with(&prefix)).map(String::as_str);
        if slip_of(written, of_cloud()).is_some() {
            return Err(unknown(written, of_cloud()));
        }
        if service.is_empty() || action.is_empty() {
            return Err(shape);
        }
        Ok(format!("{cloud}.{}.{action}", service.to_ascii_lowercase()))
    }

    /// The configuration, if it is complete, and all mistakes. A file that could not be understood is not asked what it lacks.
    pub(super) fn finish(mut self, file: Option<PathBuf>, broken: bool) -> (Option<Config>, Vec<Problem>) {
        let mut datakits =
            BTreeMap::from([("datakit".to_owned(), DataKitConfig { url: DataKitUrl::local() })]);
        for (id, (url, at)) in self.datakits {
            match (url, at) {
                (Some(url), _) => {
                    datakits.insert(id, DataKitConfig { url });
                }
                (None, Some(at)) => {
                    let wrong = Wrong::new("has no `url`").hint(format!(
                        "write below it `url = \"http://host:9529\"`, or set {PREFIX}DATAKITS__{}__URL",
                        id.to_ascii_uppercase()
                    ));
                    self.problems.push(Problem::new(At::Span(at), &format!("datakits.{id}"), wrong));
                }
                (None, None) => {}
            }
        }
        let mut env = BTreeMap::new();
        for (name, entry) in self.env {
            match (entry.value, entry.at) {
                (Some(value), _) => {
                    let secret = entry.secret || is_secret_name(&name);
                    env.insert(name, EnvValue { value, secret });
                }
                (None, Some(at)) => {
                    let wrong = Wrong::new("has no `value`").hint("write `{ value = \"…\", secret = true }`");
                    self.problems.push(Problem::new(At::Span(at), &format!("env.{name}"), wrong));
                }
                // Only its variable says that it is secret.
                (None, None) if !broken && self.problems.is_empty() => {
                    let wrong = Wrong::new("says that a value is secret, but there is no such value")
                        .hint(format!("set {PREFIX}ENV__{name} too"));
                    self.problems.push(Problem::new(
                        At::Variable,
                        &format!("{PREFIX}ENV__{name}__SECRET"),
                        wrong,
                    ));
                }
                (None, None) => {}
            }
        }
        let state = self.state.or_else(|| default_state(&self.request.environment));
        // With a database no folder is needed.
        let state = state.or_else(|| self.database.is_some().then(PathBuf::new));
        if state.is_none() && self.problems.is_empty() {
            let wrong = Wrong::new(
                "is not set, and neither are XDG_STATE_HOME and HOME, below which its default lies",
            )
            .hint(format!(
                "name a folder: --state DIR, or {PREFIX}STATE, or `state = \"…\"` in funchost.toml"
            ));
            self.problems.push(Problem::new(At::Variable, "state", wrong));
        }
        let config = state.map(|state| Config {
            budgets: self.budgets,
            datakits,
            endpoints: self.endpoints,
            env,
            limits: self.limits,
            overlap: self.overlap,
            outbox_limit: self.outbox_limit,
            state,
            database: self.database,
            scripts: self.scripts,
            service: self.service,
            triggers: self.triggers,
            direct: false,
            file,
        });
        (config, self.problems)
    }
}

fn spot<'s>(
    path: &str,
    key: &Spanned<std::borrow::Cow<'_, str>>,
    value: &'s Spanned<DeValue<'s>>,
) -> Spot<'s> {
    let name = key.get_ref();
    let path = if path.is_empty() { name.to_string() } else { format!("{path}.{name}") };
    Spot { path, key: key.span(), value }
}

/// A name that is not known, with the one that is nearest.
fn unknown<'k>(written: &str, known: impl IntoIterator<Item = &'k str>) -> Wrong {
    let known: Vec<&str> = known.into_iter().collect();
    let wrong = Wrong::new("is not a known key").at_key();
    match nearest(written, known.iter().copied()) {
        Some(near) => wrong.hint(format!("did you mean `{near}`?")),
        None => wrong.hint(format!("known keys: {}", known.join(", "))),
    }
}

/// `$XDG_STATE_HOME/funchost`, else `~/.local/state/funchost`.
fn default_state(environment: &BTreeMap<String, String>) -> Option<PathBuf> {
    let variable = |name: &str| environment.get(name).filter(|value| !value.is_empty());
    // A relative XDG path is to be ignored: https://specifications.freedesktop.org/basedir-spec/latest/
    variable("XDG_STATE_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .or_else(|| variable("HOME").map(|home| Path::new(home).join(".local/state")))
        .map(|folder| folder.join("funchost"))
}
