//! The clouds: whose keys these are, their clocks, and each permission that the collectors need, by calls that are announced first.

use super::trial::{Blank, Found, Ledger, Once};
use super::{DoctorArguments, Findings, Is};
use crate::cli::Surroundings;
use crate::script::Prepared;
use funchost_collectors::account::Cloud;
use funchost_collectors::call::{CallError, CallPath, Counts, Fault};
use funchost_collectors::clock::{Clock, SECOND};
use funchost_collectors::collector::Output;
use funchost_collectors::point::Text;
use funchost_collectors::request::{Named, Options as RequestOptions};
use funchost_collectors::run::Run;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, IsTerminal as _};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How long one collector may be tried in one region.
const TRIAL: Duration = Duration::from_secs(60);

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
pub(super) async fn examine(
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
    // In each further region the first call that a collector makes there.
    let tried = collectors.iter().filter(|one| !actions(one).is_empty());
    let further: usize = tried.map(|one| one.spec.regions().len().saturating_sub(1)).sum();
    let names: BTreeSet<&str> = announced.iter().map(|(_, action)| action.as_str()).collect();
    let surroundings = findings.surroundings;
    surroundings.out(&format!(
        "\n      Keys and permissions are proven by calls, at most {} of them, each once{}: {}\n",
        announced.len() + further,
        if further > 0 { ", and one of each collector in each further region" } else { "" },
        names.iter().copied().collect::<Vec<_>>().join(", ")
    ));
    if arguments.no_calls || !(arguments.yes || agreed(surroundings)) {
        let hint = if arguments.no_calls { "" } else { "allow them with --yes" };
        findings.doubtful("keys and permissions", "not examined: no call was made", hint);
        return;
    }
    let found: Arc<Mutex<Found>> = Arc::default();
    for (identity, ones) in &accounts {
        tap.begin(identity, None);
        let who = who(findings, ledger, calls, ones).await;
        // A wrong clock is a reason why keys are refused; who did not answer has shown no clock.
        if who != Who::Silent {
            clock(findings, calls, ones[0].account.cloud);
        }
        if who != Who::Known {
            continue;
        }
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

/// What the keys are to their cloud.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Who {
    Known,
    /// The cloud answered, and not with a name.
    Refused,
    /// No cloud answered.
    Silent,
}

/// Whose keys these are.
async fn who(
    findings: &mut Findings<'_>,
    ledger: &Ledger<'_>,
    calls: &Arc<CallPath>,
    ones: &[&Prepared],
) -> Who {
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
        return Who::Silent;
    };
    let named = match Named::new(cloud, "sts", "GetCallerIdentity", &RequestOptions::default()) {
        Ok(named) => named,
        Err(error) => {
            findings.wrong(&what, &error.to_string(), "");
            return Who::Silent;
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
            Who::Known
        }
        Err(error) => {
            let hint =
                error.hint.clone().unwrap_or_else(|| "check the keys, the region and the network".into());
            findings.wrong(&what, &error.to_string(), &hint);
            let answered =
                error.request_id.is_some() || !matches!(error.fault, Fault::Transient | Fault::Refused);
            if answered { Who::Refused } else { Who::Silent }
        }
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

/// Tries a collector, each of its actions once in its first region and one in each further, and says how each went.
async fn permissions(
    findings: &mut Findings<'_>,
    ledger: &Ledger<'_>,
    calls: &Arc<CallPath>,
    tap: &Arc<Once>,
    one: &Prepared,
    found: &Arc<Mutex<Found>>,
) {
    let description = one.collector.description();
    let identity = one.account.identity();
    let actions: Vec<_> = description.actions.iter().filter(|action| action.service != "sts").collect();
    if actions.is_empty() {
        // A script's own collector: it was spoken of with its endpoints.
        return;
    }
    let regions = one.spec.regions();
    let Some((first, further)) = regions.split_first() else { return };
    tap.begin(&identity, None);
    attempt(findings, ledger, calls, one, found, first).await;
    let mut well = Vec::new();
    let mut untried = Vec::new();
    for action in actions {
        match tap.went(&identity, action.service, action.action) {
            None => untried.push(action.permission),
            Some(None) => well.push(action.permission),
            Some(Some(error)) => failed(findings, description.name, action.permission, &error),
        }
    }
    if !well.is_empty() {
        let place = if further.is_empty() { String::new() } else { format!(" in {first}") };
        findings.well(description.name, &format!("may {}{place}", well.join(", ")));
    }
    if !untried.is_empty() {
        findings.doubtful(
            description.name,
            &format!("nothing was there to try {} with", untried.join(", ")),
            "that is no failure: grant them all the same, they are needed once there is something",
        );
    }
    regionwise(findings, ledger, calls, tap, one, found, further).await;
}

/// The further regions: a key may be known in the first and not in these, or a region be none.
async fn regionwise(
    findings: &mut Findings<'_>,
    ledger: &Ledger<'_>,
    calls: &Arc<CallPath>,
    tap: &Arc<Once>,
    one: &Prepared,
    found: &Arc<Mutex<Found>>,
    further: &[Text],
) {
    let description = one.collector.description();
    let permission = |name: &str| {
        let named = |action: &&&funchost_collectors::collector::Action| {
            format!("{}:{}", action.service, action.action) == name
        };
        description
            .actions
            .iter()
            .find(named)
            .map_or_else(|| name.to_owned(), |action| action.permission.to_owned())
    };
    // By permission, in the order of the regions.
    let mut well: BTreeMap<String, Vec<&Text>> = BTreeMap::new();
    let mut untried: Vec<&Text> = Vec::new();
    let mut wrong: Vec<(String, CallError, Vec<&Text>)> = Vec::new();
    for region in further {
        tap.begin(&one.account.identity(), Some(region));
        attempt(findings, ledger, calls, one, found, region).await;
        match tap.first() {
            Some((name, Some(None))) => well.entry(permission(&name)).or_default().push(region),
            Some((name, Some(Some(error)))) => {
                let permission = permission(&name);
                let same =
                    wrong.iter_mut().find(|(of, known, _)| *of == permission && known.code == error.code);
                match same {
                    Some((.., regions)) => regions.push(region),
                    None => wrong.push((permission, *error, Vec::new())),
                }
            }
            Some((_, None)) | None => untried.push(region),
        }
    }
    let list = |regions: &[&Text]| regions.iter().map(|region| &***region).collect::<Vec<_>>().join(", ");
    for (permission, error, same) in wrong {
        failed(findings, description.name, &permission, &error);
        if !same.is_empty() {
            let how = grade(&error);
            findings.say(how, description.name, &format!("the same in {}", list(&same)), None);
        }
    }
    for (permission, regions) in well {
        findings.well(description.name, &format!("may {permission} in {} too", list(&regions)));
    }
    if !untried.is_empty() {
        findings.doubtful(
            description.name,
            &format!("not tried in {}: nothing was there to try it with", list(&untried)),
            "`funchost run SCRIPT --debug` collects from every region, and writes nothing",
        );
    }
}

/// Lets a collector work on one region.
async fn attempt(
    findings: &mut Findings<'_>,
    ledger: &Ledger<'_>,
    calls: &Arc<CallPath>,
    one: &Prepared,
    found: &Arc<Mutex<Found>>,
    region: &Text,
) {
    let (output, mut pages) = tokio::sync::mpsc::channel(4);
    let clock = findings.surroundings.clock.clone();
    let (counts, watch) = ledger.counts(one, region, clock.as_ref()).await;
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

/// How bad a failed call is: what may pass is a warning.
fn grade(error: &CallError) -> Is {
    match error.fault {
        _ if error.code == "budget" => Is::Doubtful,
        Fault::Transient | Fault::Throttled => Is::Doubtful,
        _ => Is::Wrong,
    }
}

/// Says how a call failed.
fn failed(findings: &mut Findings<'_>, name: &str, permission: &str, error: &CallError) {
    if error.code == "budget" {
        findings.doubtful(
            name,
            &format!("{permission} was not tried: {}", error.message),
            "raise the budget under [budget] in funchost.toml, or examine it in the next month",
        );
        return;
    }
    let hint = error.hint.clone().unwrap_or_else(|| match error.fault {
        Fault::Denied => format!("grant these keys the permission {permission}"),
        _ => "try again; `funchost run SCRIPT --debug` shows more".into(),
    });
    findings.say(grade(error), name, &error.to_string(), Some(&hint));
}
