//! The network: the proxy in between, and whether something listens where each service is asked.

use super::script::Own;
use super::trial::{Ledger, Remembered};
use super::{Findings, PATIENCE};
use crate::script::Prepared;
use funchost_collectors::account::{Account, Cloud};
use funchost_collectors::call::CallPath;
use funchost_collectors::estimate::Ahead;
use funchost_collectors::point::Text;
use funchost_collectors::{aliyun, aws, tencentcloud};
use std::collections::{BTreeMap, BTreeSet};

/// How requests of one scheme leave.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Direct,
    Proxy,
    /// Through a proxy that nothing gets through.
    Shut,
}

/// How requests leave, by scheme.
pub(super) struct Proxy {
    https: Way,
    http: Way,
}

impl Proxy {
    fn of(&self, scheme: &str) -> Way {
        if scheme == "http" { self.http } else { self.https }
    }
}

/// What the HTTP client makes of a proxy's variable.
enum Named {
    /// It goes to this host and port.
    At(String, u16),
    /// It is passed over without a word: requests go without a proxy.
    Ignored(String),
    /// It is taken for an HTTP proxy, which it is not.
    Other(String),
}

/// Reads a proxy as the HTTP client does. Its text is never repeated: it may hold a password.
fn named(value: &str) -> Named {
    let written = if value.contains("://") { value.to_owned() } else { format!("http://{value}") };
    let url = match reqwest::Url::parse(&written) {
        Ok(url) => url,
        Err(error) => return Named::Ignored(format!("is no URL ({error})")),
    };
    match (url.scheme(), url.host_str(), url.port_or_known_default()) {
        ("http" | "https", Some(host), Some(port)) => {
            Named::At(host.trim_matches(['[', ']']).to_owned(), port)
        }
        ("http" | "https", ..) => Named::Ignored("names no host".into()),
        (scheme @ ("socks4" | "socks4a" | "socks5" | "socks5h"), ..) => {
            Named::Other(format!("begins with {scheme}://, and funchost speaks to HTTP proxies only"))
        }
        (scheme, ..) => Named::Ignored(format!("begins with {scheme}://, which is no proxy's")),
    }
}

/// Why a connection cannot be made; none where it can.
async fn closed(host: &str, port: u16) -> Option<String> {
    match tokio::time::timeout(PATIENCE, tokio::net::TcpStream::connect((host, port))).await {
        Ok(Ok(_)) => None,
        Ok(Err(error)) => Some(error.to_string()),
        Err(_) => Some(format!("no connection within {} s", PATIENCE.as_secs())),
    }
}

/// Is a proxy in the way, and does it stand there? Never of a DataKit on this machine.
pub(super) async fn proxy(findings: &mut Findings<'_>) -> Proxy {
    const FORM: &str = "write http://host:port, or http://user:password@host:port";
    let variables = &findings.surroundings.variables;
    // As the HTTP client does: the capitals first, also where they are empty.
    let value = |name: &str| variables.get(name).or_else(|| variables.get(&name.to_lowercase())).cloned();
    let except = value("NO_PROXY").is_some_and(|value| !value.is_empty());
    let set: Vec<(&str, String)> = ["HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"]
        .into_iter()
        .filter_map(|name| Some((name, value(name).filter(|value| !value.is_empty())?)))
        .collect();
    if set.is_empty() {
        findings.well("proxy", "none");
        return Proxy { https: Way::Direct, http: Way::Direct };
    }
    let mut ways: BTreeMap<&str, Way> = BTreeMap::new();
    let mut open = Vec::new();
    for (name, value) in set {
        let way = match named(&value) {
            Named::Ignored(why) => {
                findings.wrong(
                    "proxy",
                    &format!("{name} {why}: it is not used, and requests go without it"),
                    FORM,
                );
                continue;
            }
            Named::Other(why) => {
                findings.wrong("proxy", &format!("{name} {why}: no request gets through"), FORM);
                Way::Shut
            }
            Named::At(host, port) => match closed(&host, port).await {
                None => {
                    open.push(name);
                    Way::Proxy
                }
                Some(why) => {
                    findings.wrong(
                        "proxy",
                        &format!("{name} is set, and {host}:{port} cannot be reached: {why}"),
                        &format!("start the proxy, correct {name}, or unset it where none is needed"),
                    );
                    Way::Shut
                }
            },
        };
        ways.insert(name, way);
    }
    if !open.is_empty() {
        let except = if except { "this machine and the hosts in NO_PROXY" } else { "this machine" };
        let verb = if open.len() == 1 { "is" } else { "are" };
        findings.well(
            "proxy",
            &format!("{} {verb} set: requests go through it, but for {except}", open.join(", ")),
        );
    }
    let way = |name: &str| ways.get(name).or_else(|| ways.get("ALL_PROXY")).copied().unwrap_or(Way::Direct);
    Proxy { https: way("HTTPS_PROXY"), http: way("HTTP_PROXY") }
}

fn url(account: &Account, calls: &CallPath, service: &str, region: &str) -> Result<String, String> {
    match account.cloud {
        Cloud::Aliyun => aliyun::endpoint::url(account, calls, service, region),
        Cloud::Aws => aws::endpoint::url(account, calls, service, region),
        Cloud::Tencent => tencentcloud::endpoint::url(account, calls, service, region),
    }
}

/// The services of a collector, each with a region in which it is asked; of a script's own collector those that it called when it last ran.
async fn services(
    ledger: &Ledger<'_>,
    calls: &CallPath,
    now: i64,
    one: &Prepared,
    own: &mut Vec<Own>,
) -> BTreeSet<(Text, &'static str)> {
    let description = one.collector.description();
    let regions = one.spec.regions();
    if !description.actions.is_empty() {
        let asked = |region: &Text| {
            let region = region.clone();
            let actions = description.actions.iter();
            actions
                .filter(|action| action.permission != "sts:AssumeRole" || one.account.role_arn.is_some())
                .map(move |action| (region.clone(), action.service))
        };
        return regions.iter().flat_map(asked).collect();
    }
    let mut expected = Vec::new();
    if let Some(state) = &ledger.state {
        let memory = Remembered { state: state.clone(), account: one.account.identity(), now };
        let ahead = Ahead {
            account: &one.account,
            memory: &memory,
            now: now.saturating_add(calls.offset(one.account.cloud)),
            cadence: None,
            filtered: false,
        };
        // What cannot be remembered is as if it had never run.
        expected =
            one.spec.estimate(&ahead, &regions).await.map(|estimate| estimate.calls).unwrap_or_default();
    }
    own.push(Own {
        name: description.name,
        called: expected.iter().map(|one| format!("{}:{}", one.action.service, one.action.action)).collect(),
    });
    expected.into_iter().map(|one| (one.region, one.action.service)).collect()
}

/// Does something listen where each service is asked? Answers with the script's own collectors, of which nobody can know all.
pub(super) async fn endpoints(
    findings: &mut Findings<'_>,
    ledger: &Ledger<'_>,
    calls: &CallPath,
    collectors: &[Prepared],
    proxy: &Proxy,
) -> Vec<Own> {
    let now = findings.surroundings.clock.now();
    let mut own = Vec::new();
    let mut hosts: BTreeMap<(String, u16), (Way, String)> = BTreeMap::new();
    for one in collectors {
        for (region, service) in services(ledger, calls, now, one, &mut own).await {
            let place = if region.is_empty() { String::new() } else { format!(" in {region}") };
            let what = format!("{}:{service}{place}", one.account.cloud.key());
            match url(&one.account, calls, service, &region) {
                Err(why) => findings.wrong(
                    "endpoint",
                    &format!("{what}: {why}"),
                    "check the region, and `[endpoints]`",
                ),
                Ok(url) => {
                    let place = reqwest::Url::parse(&url).ok();
                    let place = place.as_ref().and_then(|url| {
                        let host = (url.host_str()?.to_owned(), url.port_or_known_default()?);
                        Some((host, (proxy.of(url.scheme()), what)))
                    });
                    hosts.extend(place);
                }
            }
        }
    }
    let (mut reached, mut tried, mut behind, mut shut) = (0, 0, 0, 0);
    for ((host, port), (way, what)) in &hosts {
        match way {
            Way::Proxy => behind += 1,
            Way::Shut => shut += 1,
            Way::Direct => {
                tried += 1;
                match closed(host, *port).await {
                    None => reached += 1,
                    Some(why) => findings.wrong(
                        "endpoint",
                        &format!("{host}:{port} ({what}) cannot be reached: {why}"),
                        "is the region right? Check the network, DNS, a proxy that is needed (HTTPS_PROXY), and `[endpoints]`",
                    ),
                }
            }
        }
    }
    if behind > 0 {
        findings.well("endpoints", "not tried by themselves: the proxy stands in between");
    }
    if shut > 0 {
        findings.doubtful(
            "endpoints",
            "not tried: they lie behind the proxy, which lets nothing through",
            "mend the proxy first",
        );
    }
    if reached > 0 {
        findings.well("endpoints", &format!("{reached} of {tried} reached"));
    }
    own
}
