//! `funchost doctor [SCRIPT]`: what can be wrong, one line each, with the way out.
//!
//! Owns the order of the examination and its words. Nothing is written to DataKit and no mark moves. Calls of a cloud are announced first and
//! made only when they are allowed: each collector runs as it would, and every action goes through once. They are counted like those of a run, and a
//! metered one that would break the budget is not made.

use super::{Common, Surroundings, script_settings};
use crate::config::{Config, FILE_NAME};
use crate::money::budget::{self, Budgets, Watch};
use crate::money::{self, Tally};
use crate::script::{
    self, Backend, BackendError, Kept, Line, Prepared, Request, RunOptions, ScriptOutput, WriteRequest,
    Written,
};
use crate::sink::datakit::DataKit;
use crate::state::State;
use clap::Args;
use funchost_collectors::account::{Account, Cloud};
use funchost_collectors::call::{Answered, Asked, CallError, CallPath, Counts, Fault, Options, Tap};
use funchost_collectors::clock::{Clock, SECOND};
use funchost_collectors::collector::{Failure, MarkId, MarkKey, Output, Window};
use funchost_collectors::point::{Point, Text};
use funchost_collectors::request::{Named, Options as RequestOptions};
use funchost_collectors::run::{Memory, Run, WindowRequest};
use funchost_collectors::{aliyun, aws, tencentcloud};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, IsTerminal as _};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// A disk with less free space than this stops a run soon.
const LITTLE: u64 = 100 << 20;

/// How long an endpoint has to answer a connection, and a script to name its collectors.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long one collector may be tried.
const TRIAL: Duration = Duration::from_secs(60);

#[derive(Args)]
pub(super) struct DoctorArguments {
    /// The script whose keys, permissions and endpoints are examined
    script: Option<PathBuf>,
    /// The function, where the script registers several
    #[arg(long, value_name = "NAME")]
    func: Option<String>,
    /// Make the announced calls without asking
    #[arg(long, conflicts_with = "no_calls")]
    yes: bool,
    /// Call no cloud
    #[arg(long)]
    no_calls: bool,
}

/// How something is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Is {
    Well,
    Doubtful,
    Wrong,
}

/// Says what was found, and remembers the worst.
struct Findings<'s> {
    surroundings: &'s Surroundings,
    worst: Is,
    wrong: usize,
    doubtful: usize,
}

impl Findings<'_> {
    fn say(&mut self, how: Is, what: &str, text: &str, hint: Option<&str>) {
        let mark = match how {
            Is::Well => "ok  ",
            Is::Doubtful => "WARN",
            Is::Wrong => "FAIL",
        };
        let text = funchost_collectors::call::cut(text);
        self.surroundings.out(&format!("{mark}  {what}: {text}\n"));
        for row in hint.into_iter().flat_map(str::lines) {
            self.surroundings.out(&format!("      hint: {row}\n"));
        }
        self.worst = self.worst.max(how);
        self.wrong += usize::from(how == Is::Wrong);
        self.doubtful += usize::from(how == Is::Doubtful);
    }

    fn well(&mut self, what: &str, text: &str) {
        self.say(Is::Well, what, text, None);
    }

    fn wrong(&mut self, what: &str, text: &str, hint: &str) {
        self.say(Is::Wrong, what, text, (!hint.is_empty()).then_some(hint));
    }

    fn doubtful(&mut self, what: &str, text: &str, hint: &str) {
        self.say(Is::Doubtful, what, text, (!hint.is_empty()).then_some(hint));
    }
}

pub(super) fn main(surroundings: &Surroundings, common: &Common, arguments: &DoctorArguments) -> u8 {
    let mut findings = Findings { surroundings, worst: Is::Well, wrong: 0, doubtful: 0 };
    let config = match surroundings.config(common) {
        Ok(config) => config,
        Err(error) => {
            findings.wrong("configuration", "it cannot be read", "");
            surroundings.say(error.to_string().trim_end());
            return 2;
        }
    };
    match &config.file {
        Some(file) => findings.well("configuration", &file.display().to_string()),
        None => findings.well("configuration", &format!("no {FILE_NAME}: the defaults hold")),
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            surroundings.say(&format!("error: the program cannot start its threads: {error}"));
            return 1;
        }
    };
    let code = runtime.block_on(examine(&mut findings, &config, arguments));
    runtime.shutdown_timeout(Duration::from_millis(200));
    if code == 2 {
        return 2;
    }
    let plural = |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
    surroundings.out(&format!(
        "\n{}, {}\n",
        plural(findings.wrong, "failure"),
        plural(findings.doubtful, "warning")
    ));
    u8::from(findings.worst == Is::Wrong)
}

async fn examine(findings: &mut Findings<'_>, config: &Config, arguments: &DoctorArguments) -> u8 {
    let surroundings = findings.surroundings;
    let ledger = Ledger { state: state(findings, config).await, budgets: &config.budgets };
    let proxy = proxy(findings);
    let tap = Arc::new(Once::default());
    let options = Options {
        limits: config.limits.clone(),
        endpoints: config.endpoints.clone(),
        attempts: 1,
        tap: Some(tap.clone()),
        ..Options::default()
    };
    let calls = match CallPath::new(options, surroundings.clock.clone()) {
        Ok(calls) => Arc::new(calls),
        Err(error) => {
            findings.wrong("network", &error.to_string(), "");
            return 1;
        }
    };
    for (id, datakit) in &config.datakits {
        let what = format!("DataKit `{id}`");
        match DataKit::new(id, datakit.url.expose(), calls.http_for(datakit.url.expose())) {
            Err(error) => findings.wrong(&what, &error.to_string(), ""),
            Ok(datakit) => {
                let datakit = datakit.with_clock(surroundings.clock.clone());
                match datakit.check().await {
                    Ok(()) => findings.well(&what, "takes points (a dry write, nothing was stored)"),
                    Err(why) => findings.wrong(
                        &what,
                        &why,
                        &format!("start DataKit there, or set `[datakits.{id}]` url in {FILE_NAME}"),
                    ),
                }
                datakit_clock(findings, &what, datakit.ahead());
            }
        }
    }
    let Some(script) = &arguments.script else {
        surroundings.out(
            "      name a script to examine its keys, permissions and endpoints: funchost doctor SCRIPT\n",
        );
        return 0;
    };
    let Some(collectors) = collectors(findings, config, arguments, script).await else { return 2 };
    endpoints(findings, &calls, &collectors, proxy).await;
    clouds(findings, arguments, &ledger, &calls, &tap, &collectors).await;
    0
}

/// The state, where it can be used, and the disk that it lies on.
async fn state(findings: &mut Findings<'_>, config: &Config) -> Option<Arc<dyn State>> {
    let shown =
        config.database.as_ref().map_or_else(|| config.state.display().to_string(), ToString::to_string);
    match super::open_state(findings.surroundings, config).await {
        Ok(opened) => {
            findings.well("state", &shown);
            for (id, _, points, _) in opened.store.outbox_sizes().await.unwrap_or_default() {
                if !config.datakits.contains_key(&id) {
                    findings.doubtful("outbox", &crate::runner::stranger(&id, points), "");
                }
            }
            // The disk of a database is another machine's.
            if config.database.is_none() {
                disk(findings, config);
            }
            Some(opened.store)
        }
        Err(refusal) => {
            findings.wrong("state", &refusal.message, "");
            None
        }
    }
}

fn disk(findings: &mut Findings<'_>, config: &Config) {
    let Some(free) = free(&config.state) else { return };
    let words = format!("{} free where the state lies", size(free));
    if free < LITTLE {
        findings.wrong("disk", &words, "make room, or name another place with `state` or --state");
    } else if free < config.outbox_limit {
        let hint = format!(
            "the outbox may grow to {}: make room, or lower `[outbox] limit`",
            size(config.outbox_limit)
        );
        findings.doubtful("disk", &words, &hint);
    } else {
        findings.well("disk", &words);
    }
}

/// Bytes that may still be written in a folder.
#[cfg(unix)]
fn free(folder: &std::path::Path) -> Option<u64> {
    let found = rustix::fs::statvfs(folder).ok()?;
    Some(found.f_bavail.saturating_mul(found.f_frsize))
}

#[cfg(not(unix))]
fn free(_: &std::path::Path) -> Option<u64> {
    None
}

fn size(bytes: u64) -> String {
    if bytes >= 1 << 30 { format!("{} GiB", bytes >> 30) } else { format!("{} MiB", bytes >> 20) }
}

/// Is a proxy in the way? Never of a DataKit on this machine.
fn proxy(findings: &mut Findings<'_>) -> bool {
    let variables = &findings.surroundings.variables;
    let set = |name: &str| {
        [name.to_owned(), name.to_lowercase()]
            .iter()
            .any(|name| variables.get(name).is_some_and(|value| !value.is_empty()))
    };
    let names: Vec<&str> =
        ["HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"].into_iter().filter(|name| set(name)).collect();
    if names.is_empty() {
        findings.well("proxy", "none");
        return false;
    }
    let except = if set("NO_PROXY") { "this machine and the hosts in NO_PROXY" } else { "this machine" };
    findings.well("proxy", &format!("{} is set: requests go through it, but for {except}", names.join(", ")));
    true
}

/// Hears of the collectors that a script would run, and runs none.
#[derive(Default)]
struct Listening {
    found: Mutex<Vec<Prepared>>,
    datakits: Mutex<BTreeSet<String>>,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[async_trait::async_trait]
impl Backend for Listening {
    async fn run(&self, request: Request, _: CancellationToken) -> Result<serde_json::Value, BackendError> {
        let collectors: Vec<serde_json::Value> = request
            .collectors
            .iter()
            .map(|one| {
                serde_json::json!({
                    "name": one.collector.description().name, "status": "collected", "collected": 0, "delivered": 0, "kept": 0,
                    "rejected": 0, "too_old": 0, "linked": 0, "calls": {}, "regions": {}, "warnings": [], "error": null,
                })
            })
            .collect();
        lock(&self.datakits).insert(request.datakit_id);
        lock(&self.found).extend(request.collectors);
        Ok(serde_json::json!({ "status": "ok", "reason": null, "collectors": collectors }))
    }

    async fn write(&self, request: WriteRequest, _: CancellationToken) -> Result<Written, BackendError> {
        lock(&self.datakits).insert(request.datakit_id);
        Ok(Written::default())
    }

    async fn value(&self, _: &str) -> Result<Option<Kept>, BackendError> {
        Ok(None)
    }

    async fn swap_value(&self, _: &str, _: Option<Vec<u8>>, _: Option<Kept>) -> Result<bool, BackendError> {
        Ok(true)
    }

    async fn value_keys(&self, _: &str) -> Result<Vec<String>, BackendError> {
        Ok(Vec::new())
    }
}

/// What a script prints is not what is asked for here.
struct Silent;

impl ScriptOutput for Silent {
    fn line(&self, _: &Line) {}
}

/// The collectors of a script; none where its input is wrong.
async fn collectors(
    findings: &mut Findings<'_>,
    config: &Config,
    arguments: &DoctorArguments,
    script: &std::path::Path,
) -> Option<Vec<Prepared>> {
    let surroundings = findings.surroundings;
    let shown = script.display().to_string();
    let mut settings = (*script_settings(surroundings, config)).clone();
    settings.output = Arc::new(Silent);
    let listening = Arc::new(Listening::default());
    let result = match script::open(&surroundings.directory.join(script), &Arc::new(settings)) {
        Err(report) => Err(report),
        Ok(opened) => {
            let options = RunOptions {
                function: arguments.func.clone(),
                timeout: Some(PATIENCE.as_secs()),
                ..RunOptions::default()
            };
            script::run(&opened, options, listening.clone(), CancellationToken::new()).await.result.map(drop)
        }
    };
    if let Err(report) = result {
        findings.wrong(&shown, "it does not run", "");
        surroundings.say(report.render(surroundings.color).trim_end());
        return None;
    }
    for id in lock(&listening.datakits).iter().filter(|id| !config.datakits.contains_key(*id)) {
        findings.wrong(
            &shown,
            &format!("no DataKit `{id}` is configured"),
            &format!("add `[datakits.{id}]` with `url = \"http://host:9529\"` to {FILE_NAME}"),
        );
    }
    let found = std::mem::take(&mut *lock(&listening.found));
    let names: Vec<&str> = found.iter().map(|one| one.collector.description().name).collect();
    if names.is_empty() {
        findings.doubtful(&shown, "its function runs no collector", "call `Runner(collectors).run()` in it");
    } else {
        findings.well(&shown, &format!("runs {}", names.join(", ")));
    }
    Some(found)
}

fn url(account: &Account, calls: &CallPath, service: &str, region: &str) -> Result<String, String> {
    match account.cloud {
        Cloud::Aliyun => aliyun::endpoint::url(account, calls, service, region),
        Cloud::Aws => aws::endpoint::url(account, calls, service, region),
        Cloud::Tencent => tencentcloud::endpoint::url(account, calls, service, region),
    }
}

/// Does something listen where each service is asked?
async fn endpoints(findings: &mut Findings<'_>, calls: &CallPath, collectors: &[Prepared], proxy: bool) {
    let mut hosts: BTreeMap<(String, u16), String> = BTreeMap::new();
    for one in collectors {
        for region in one.spec.regions() {
            let services: BTreeSet<&str> = one
                .collector
                .description()
                .actions
                .iter()
                .filter(|action| action.permission != "sts:AssumeRole" || one.account.role_arn.is_some())
                .map(|action| action.service)
                .collect();
            for service in services {
                let what = format!("{}:{service} in {region}", one.account.cloud.key());
                match url(&one.account, calls, service, &region) {
                    Err(why) => findings.wrong("endpoint", &format!("{what}: {why}"), ""),
                    Ok(url) => {
                        let place = reqwest::Url::parse(&url).ok();
                        let place = place
                            .as_ref()
                            .and_then(|url| Some((url.host_str()?.to_owned(), url.port_or_known_default()?)));
                        hosts.extend(place.map(|place| (place, what)));
                    }
                }
            }
        }
    }
    if hosts.is_empty() {
        return;
    }
    if proxy {
        findings.well("endpoints", "not tried by themselves: the proxy stands in between");
        return;
    }
    let mut reached = 0;
    for ((host, port), what) in &hosts {
        let connection =
            tokio::time::timeout(PATIENCE, tokio::net::TcpStream::connect((host.as_str(), *port)));
        let why = match connection.await {
            Ok(Ok(_)) => {
                reached += 1;
                continue;
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no connection within {} s", PATIENCE.as_secs()),
        };
        findings.wrong(
            "endpoint",
            &format!("{host}:{port} ({what}) cannot be reached: {why}"),
            "is the region right? Check the network, DNS, a proxy that is needed (HTTPS_PROXY), and `[endpoints]`",
        );
    }
    if reached > 0 {
        findings.well("endpoints", &format!("{reached} of {} reached", hosts.len()));
    }
}

/// An account's identity and `service:Action`.
type OfAccount = (String, String);

/// Where calls are counted, and what they may use.
struct Ledger<'config> {
    /// None where it cannot be used.
    state: Option<Arc<dyn State>>,
    budgets: &'config Budgets,
}

impl Ledger<'_> {
    /// What a collector's trial may call: its account's budget, where there is one; none of the metered calls, where what is left is not known.
    async fn counts(&self, one: &Prepared, clock: &dyn Clock) -> (Counts, Option<Watch>) {
        let regions = one.spec.regions();
        let unknown = match &self.state {
            None if self.budgets.of(&one.account).is_some() => {
                "the state cannot be used, so nobody knows what is left of the budget".to_owned()
            }
            None => return (Counts::default(), None),
            Some(state) => {
                let opened =
                    Watch::open(self.budgets, state.as_ref(), &one.account, |_| true, &regions, clock.now());
                match opened.await {
                    Ok(watch) => return (Counts::trial(watch.as_ref().map(Watch::allowance)), watch),
                    Err(error) => error.to_string(),
                }
            }
        };
        let region = regions.first().map_or("", |region| region);
        let price = money::metered(money::partition(&one.account, region));
        (Counts::trial(price.map(|price| budget::nothing(price, unknown))), None)
    }

    /// Does a piece of work while its calls are counted.
    async fn counted<T>(
        &self,
        findings: &mut Findings<'_>,
        identity: &str,
        counts: &Counts,
        watch: Option<&Watch>,
        work: impl Future<Output = T>,
    ) -> T {
        let Some(state) = &self.state else { return work.await };
        let clock = findings.surroundings.clock.clone();
        let mut tally = Tally::new(state.as_ref(), clock.as_ref(), identity, counts, watch);
        let end = CancellationToken::new();
        let work = async {
            let done = work.await;
            end.cancel();
            done
        };
        let (done, uncounted) = tokio::join!(work, tally.go_on(&end));
        if let Err(error) = uncounted {
            findings.doubtful("state", &format!("the calls could not be counted: {error}"), "");
        }
        done
    }
}

/// Lets every action of an account through once, and notes how it went. STS is free, and is asked by name.
#[derive(Debug, Default)]
struct Once {
    asked: Mutex<BTreeSet<OfAccount>>,
    ended: Mutex<BTreeMap<OfAccount, Option<Box<CallError>>>>,
    /// Whose turn it is.
    account: Mutex<String>,
}

impl Once {
    fn begin(&self, account: &str) {
        *lock(&self.account) = account.to_owned();
    }

    fn key(&self, service: &str, action: &str) -> OfAccount {
        (lock(&self.account).clone(), format!("{service}:{action}"))
    }
}

impl Tap for Once {
    fn answer(&self, asked: &Asked<'_>) -> Option<Result<Answered, String>> {
        if asked.service == "sts" {
            return None;
        }
        let first = lock(&self.asked).insert(self.key(asked.service, asked.action));
        (!first).then(|| Err("the doctor asks once".into()))
    }

    fn heard(&self, _: &Asked<'_>, _: &Answered) {}

    fn ended(&self, service: &str, action: &str, result: Result<(), &CallError>) {
        let key = self.key(service, action);
        let refused = match result {
            Err(error) if error.code == "not recorded" => true,
            // The first of them is on its way, and uses up what is left.
            Err(error) if error.code == "budget" => lock(&self.asked).contains(&key),
            _ => false,
        };
        if refused {
            return;
        }
        lock(&self.ended).entry(key).or_insert_with(|| result.err().cloned().map(Box::new));
    }
}

/// Objects by account, class and region.
type Found = BTreeMap<(String, String, String), Vec<Arc<BTreeMap<Text, Text>>>>;

/// Remembers nothing but the objects that this examination itself has seen: every collector begins as if it had never run, and metrics
/// are asked for by the objects before them.
struct Blank {
    clock: Arc<dyn Clock>,
    account: String,
    found: Arc<Mutex<Found>>,
}

impl Blank {
    fn keep(found: &Mutex<Found>, one: &Prepared, region: &Text, points: Vec<Point>) {
        let description = one.collector.description();
        let mut found = lock(found);
        for point in points {
            let shelf = description.shelf(region);
            let key = (one.account.identity(), description.measurement.to_owned(), shelf.to_string());
            found.entry(key).or_default().push(Arc::new(point.tags.into_iter().collect()));
        }
    }
}

#[async_trait::async_trait]
impl Memory for Blank {
    async fn recall(&self, _: &str) -> Result<Option<Vec<u8>>, Failure> {
        Ok(None)
    }

    async fn remember(&self, _: &str, _: &[u8], _: Duration) -> Result<(), Failure> {
        Ok(())
    }

    async fn windows(&self, marks: &[(MarkKey, WindowRequest)]) -> Result<Vec<Window>, Failure> {
        let _ = self.clock.now();
        let windows = marks.iter().enumerate().map(|(index, (_, request))| {
            // One period: the cheapest question that is one.
            let start = request.end - request.period.max(1) * SECOND;
            Window { mark: MarkId(index), start, fresh: start, end: request.end }
        });
        Ok(windows.collect())
    }

    async fn objects(&self, class: &str, region: &str) -> Result<Vec<Arc<BTreeMap<Text, Text>>>, Failure> {
        let key = (self.account.clone(), class.to_owned(), region.to_owned());
        Ok(lock(&self.found).get(&key).cloned().unwrap_or_default())
    }
}

/// An access key so that its owner knows it, and nobody else can use it.
fn short(key: &str) -> String {
    let characters: Vec<char> = key.chars().collect();
    if characters.len() < 12 {
        return "…".into();
    }
    let part = |range: &[char]| range.iter().collect::<String>();
    format!("{}…{}", part(&characters[..4]), part(&characters[characters.len() - 4..]))
}

/// Keys, clocks and permissions of every account.
async fn clouds(
    findings: &mut Findings<'_>,
    arguments: &DoctorArguments,
    ledger: &Ledger<'_>,
    calls: &Arc<CallPath>,
    tap: &Arc<Once>,
    collectors: &[Prepared],
) {
    let mut accounts: BTreeMap<String, Vec<&Prepared>> = BTreeMap::new();
    for one in collectors {
        accounts.entry(one.account.identity()).or_default().push(one);
    }
    let actions = |one: &Prepared| -> Vec<String> {
        let actions = one.collector.description().actions.iter().filter(|action| action.service != "sts");
        actions.map(|action| format!("{}:{}", action.service, action.action)).collect()
    };
    let mut announced: BTreeSet<(String, String)> = BTreeSet::new();
    for (identity, ones) in &accounts {
        announced.insert((identity.clone(), "sts:GetCallerIdentity".into()));
        announced.extend(ones.iter().flat_map(|one| actions(one)).map(|action| (identity.clone(), action)));
    }
    if announced.is_empty() {
        return;
    }
    let names: BTreeSet<&str> = announced.iter().map(|(_, action)| action.as_str()).collect();
    let surroundings = findings.surroundings;
    surroundings.out(&format!(
        "\n      Keys and permissions are proven by calls, at most {} of them, each once: {}\n",
        announced.len(),
        names.iter().copied().collect::<Vec<_>>().join(", ")
    ));
    if arguments.no_calls || !(arguments.yes || agreed(surroundings)) {
        let hint = if arguments.no_calls { "" } else { "allow them with --yes" };
        findings.doubtful("keys and permissions", "not examined: no call was made", hint);
        return;
    }
    let found: Arc<Mutex<Found>> = Arc::default();
    for (identity, ones) in &accounts {
        tap.begin(identity);
        let account = &ones[0].account;
        if !who(findings, ledger, calls, ones).await {
            continue;
        }
        clock(findings, calls, account.cloud);
        for one in ones {
            permissions(findings, ledger, calls, tap, one, &found).await;
        }
    }
}

/// Asks a person, where there is one.
fn agreed(surroundings: &Surroundings) -> bool {
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        return false;
    }
    surroundings.say("      Make them? [y/N] ");
    let mut answer = String::new();
    stdin.lock().read_line(&mut answer).is_ok_and(|_| matches!(answer.trim(), "y" | "Y" | "yes"))
}

fn run(
    one: &Prepared,
    calls: &Arc<CallPath>,
    counts: &Arc<Counts>,
    clock: &Arc<dyn Clock>,
    found: &Arc<Mutex<Found>>,
    output: tokio::sync::mpsc::Sender<Output>,
) -> Run {
    Run {
        account: one.account.clone(),
        clock: clock.clone(),
        started: clock.now(),
        calls: calls.clone(),
        counts: counts.clone(),
        memory: Arc::new(Blank {
            clock: clock.clone(),
            account: one.account.identity(),
            found: found.clone(),
        }),
        filter: None,
        output,
    }
}

/// Whose keys these are. Says whether they are anybody's.
async fn who(
    findings: &mut Findings<'_>,
    ledger: &Ledger<'_>,
    calls: &Arc<CallPath>,
    ones: &[&Prepared],
) -> bool {
    let account = &ones[0].account;
    let cloud = account.cloud;
    let what = format!("{} keys {}", cloud.provider(), short(&account.ak_id));
    let region = match cloud {
        Cloud::Aws => ones
            .iter()
            .find_map(|one| one.spec.regions().into_iter().find(|region| !region.is_empty()))
            .or_else(|| account.region.as_deref().map(Text::from)),
        Cloud::Aliyun | Cloud::Tencent => Some("".into()),
    };
    let Some(region) = region else {
        findings.doubtful(&what, "AWS is asked in a region, and none is named", "name one in `regions`");
        return false;
    };
    let named = match Named::new(cloud, "sts", "GetCallerIdentity", &RequestOptions::default()) {
        Ok(named) => named,
        Err(error) => {
            findings.wrong(&what, &error.to_string(), "");
            return false;
        }
    };
    let (output, _) = tokio::sync::mpsc::channel(1);
    let counts = Arc::new(Counts::default());
    let run = run(ones[0], calls, &counts, &findings.surroundings.clock, &Arc::default(), output);
    let asking = named.ask(&run, &region, &[]);
    match ledger.counted(findings, &account.identity(), &counts, None, asking).await {
        Ok(answer) => {
            let member = |name: &str| answer.get(name).and_then(funchost_collectors::objects::text);
            let arn = member("Arn").unwrap_or_else(|| "somebody without a name".into());
            let number = member("Account").or_else(|| member("AccountId"));
            let number = number.map(|number| format!(", account {number}")).unwrap_or_default();
            findings.well(&what, &format!("{arn}{number}"));
            true
        }
        Err(error) => {
            let hint = error.hint.clone().unwrap_or_default();
            findings.wrong(&what, &error.to_string(), &hint);
            false
        }
    }
}

/// How far DataKit's clock is from this one, where that is worth a word.
fn datakit_clock(findings: &mut Findings<'_>, what: &str, ahead: Option<i64>) {
    let seconds = ahead.unwrap_or_default() / SECOND;
    let words = format!(
        "this machine is {} s {}; DataKit overwrites times that are more than two hours off",
        seconds.abs(),
        if seconds > 0 { "behind" } else { "ahead" }
    );
    let what = format!("clock against {what}");
    match seconds.abs() {
        0..60 => {}
        60..3600 => findings.doubtful(&what, &words, "set both clocks (NTP)"),
        _ => findings.wrong(&what, &words, "set both clocks (NTP)"),
    }
}

/// How far this machine's clock is from the cloud's.
fn clock(findings: &mut Findings<'_>, calls: &CallPath, cloud: Cloud) {
    let seconds = calls.offset(cloud) / SECOND;
    let what = format!("clock against {}", cloud.provider());
    match seconds.abs() {
        0..=4 => findings.well(&what, "the same"),
        5..=59 => findings.doubtful(&what, &format!("{} s apart", seconds.abs()), "set the clock (NTP)"),
        _ => findings.wrong(
            &what,
            &format!(
                "this machine is {} s {}; calls are signed with the cloud's time, but DataKit and intervals use this one",
                seconds.abs(),
                if seconds > 0 { "behind" } else { "ahead" }
            ),
            "set the clock (NTP)",
        ),
    }
}

/// Tries a collector, each of its actions once, and says how each went.
async fn permissions(
    findings: &mut Findings<'_>,
    ledger: &Ledger<'_>,
    calls: &Arc<CallPath>,
    tap: &Arc<Once>,
    one: &Prepared,
    found: &Arc<Mutex<Found>>,
) {
    let description = one.collector.description();
    let regions = one.spec.regions();
    let actions: Vec<_> = description.actions.iter().filter(|action| action.service != "sts").collect();
    if actions.is_empty() {
        findings.doubtful(
            description.name,
            "the calls of a script's own collector are not known beforehand",
            "try it: funchost run SCRIPT --debug",
        );
        return;
    }
    if let Some(region) = regions.first() {
        let (output, mut pages) = tokio::sync::mpsc::channel(4);
        let clock = findings.surroundings.clock.clone();
        let (counts, watch) = ledger.counts(one, clock.as_ref()).await;
        let counts = Arc::new(counts);
        let run = run(one, calls, &counts, &clock, found, output);
        let spec = one.spec.clone();
        let region = region.clone();
        let work = tokio::time::timeout(TRIAL, async move { spec.collect(&run, &[region]).await });
        // What is found goes no further than to the collectors that follow.
        let drain = async {
            while let Some(page) = pages.recv().await {
                if let Output::Objects { region, points } = page {
                    Blank::keep(found, one, &region, points);
                }
            }
        };
        let both = async { tokio::join!(work, drain) };
        let _ = ledger.counted(findings, &one.account.identity(), &counts, watch.as_ref(), both).await;
    }
    let mut well = Vec::new();
    let mut untried = Vec::new();
    for action in actions {
        let found = lock(&tap.ended).get(&tap.key(action.service, action.action)).cloned();
        match found {
            None => untried.push(action.permission),
            Some(None) => well.push(action.permission),
            Some(Some(error)) if error.code == "budget" => findings.doubtful(
                description.name,
                &format!("{} was not tried: {}", action.permission, error.message),
                "raise the budget under [budget] in funchost.toml, or examine it in the next month",
            ),
            Some(Some(error)) => {
                let hint = error.hint.clone().unwrap_or_else(|| match error.fault {
                    Fault::Denied => format!("grant these keys the permission {}", action.permission),
                    _ => "try again; `funchost run SCRIPT --debug` shows more".into(),
                });
                let how = if error.fault == Fault::Transient || error.fault == Fault::Throttled {
                    Is::Doubtful
                } else {
                    Is::Wrong
                };
                findings.say(how, description.name, &error.to_string(), Some(&hint));
            }
        }
    }
    if !well.is_empty() {
        findings.well(description.name, &format!("may {}", well.join(", ")));
    }
    if !untried.is_empty() {
        findings.doubtful(
            description.name,
            &format!("nothing was there to try {} with", untried.join(", ")),
            "that is no failure: grant them all the same, they are needed once there is something",
        );
    }
}
