//! The network: the proxy in between, and whether something listens where each service is asked.

use super::script::Own;
use super::trial::{Ledger, Remembered};
use super::{Findings, PATIENCE};
use crate::script::Prepared;
use funchost_collectors::account::{Account, Cloud};
use funchost_collectors::call::CallPath;
use funchost_collectors::estimate::{Ahead, Estimate};
use funchost_collectors::point::Text;
use funchost_collectors::{aliyun, aws, tencentcloud};
use hyper_util::client::proxy::matcher::Matcher;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// How requests of one scheme leave.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Direct,
    Proxy,
    /// Through a proxy that nothing gets through.
    Shut,
}

/// What is wrong with a proxy that nothing gets through, and the way out.
struct Dead {
    text: String,
    hint: String,
}

/// How requests leave, by scheme and host.
pub(super) struct Proxy {
    https: Way,
    http: Way,
    /// Not said yet: how bad it is says who is to go through it.
    dead: Vec<Dead>,
    /// The HTTP client's own: it decides of each host, as NO_PROXY names hosts, domains, addresses and networks.
    matcher: Matcher,
}

impl Proxy {
    /// Requests go directly, wherever to.
    fn none() -> Self {
        Self { https: Way::Direct, http: Way::Direct, dead: Vec::new(), matcher: Matcher::builder().build() }
    }

    /// Would a request to this address end at a proxy that nothing gets through?
    pub(super) fn shuts(&self, url: &str) -> bool {
        self.of(url) == Way::Shut
    }

    /// Says what is wrong with proxies, once: a failure where something is to go through them.
    pub(super) fn say(&mut self, findings: &mut Findings<'_>, needed: bool) {
        for Dead { text, hint } in std::mem::take(&mut self.dead) {
            if needed {
                findings.wrong("proxy", &text, &hint);
            } else {
                let text = format!("{text}; nothing that is asked here goes through it");
                findings.doubtful("proxy", &text, &hint);
            }
        }
    }

    fn of(&self, url: &str) -> Way {
        let Ok(url) = url.parse::<hyper::Uri>() else { return Way::Direct };
        match (self.matcher.intercept(&url), url.scheme_str()) {
            (None, _) => Way::Direct,
            (Some(_), Some("http")) => self.http,
            (Some(_), _) => self.https,
        }
    }
}

/// The entries of NO_PROXY that the HTTP client takes for names of hosts that cannot be: a `*` is an entry of its own or nothing, a host has no scheme,
/// port, bracket or blank, and a network is an address with as many bits as it can have.
fn meaningless(except: &str) -> Vec<&str> {
    let entries = except.split(',').map(str::trim);
    let meaningless = |entry: &&str| {
        let port = entry.split_once(':').is_some_and(|(host, port)| {
            !host.is_empty() && !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit())
        });
        let network = entry.split_once('/').is_some_and(|(address, bits)| {
            let most = address.parse::<IpAddr>().map(|address| if address.is_ipv4() { 32 } else { 128 });
            most.is_ok_and(|most| bits.parse::<u8>().is_ok_and(|bits| bits <= most))
        });
        let odd = entry.contains(['*', ' ', '\t', ';', '[', ']']);
        *entry != "*" && (port || odd || (entry.contains('/') && !network))
    };
    entries.filter(meaningless).collect()
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

/// Does the HTTP client make a proxy of it at all?
fn is_read(value: &str) -> bool {
    let matcher = Matcher::builder().https(value).build();
    matcher.intercept(&hyper::Uri::from_static("https://example.com")).is_some()
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
    let set: Vec<(&str, String)> = ["HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"]
        .into_iter()
        .filter_map(|name| Some((name, value(name).filter(|value| !value.is_empty())?)))
        .collect();
    if set.is_empty() {
        findings.well("proxy", "none");
        return Proxy::none();
    }
    // Any caller of a CGI program can set its HTTP_PROXY, by a header: the HTTP client then believes none of these variables.
    if variables.contains_key("REQUEST_METHOD") {
        let names: Vec<&str> = set.iter().map(|(name, _)| *name).collect();
        let (names, verb) = (names.join(", "), if names.len() == 1 { "is" } else { "are" });
        findings.doubtful(
            "proxy",
            &format!("{names} {verb} not used, as REQUEST_METHOD is set, too: in a CGI program any caller could set a proxy"),
            "unset REQUEST_METHOD where the proxy is needed",
        );
        return Proxy::none();
    }
    let given = |name: &str| value(name).unwrap_or_default();
    let except = given("NO_PROXY");
    let matcher = Matcher::builder()
        .all(given("ALL_PROXY"))
        .http(given("HTTP_PROXY"))
        .https(given("HTTPS_PROXY"))
        .no(except.as_str())
        .build();
    let mut ways: BTreeMap<&str, Way> = BTreeMap::new();
    let (mut open, mut dead) = (Vec::new(), Vec::new());
    for (name, value) in set {
        // The client reads a variable more narrowly than a URL is read: of a password with a `#` it makes nothing.
        if let Named::At(..) | Named::Other(_) = named(&value)
            && !is_read(&value)
        {
            findings.wrong(
                "proxy",
                &format!("{name} cannot be read and is ignored: requests go without it"),
                "write http://user:password@host:port with special characters percent-encoded",
            );
            continue;
        }
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
                let text = format!("{name} {why}: no request gets through");
                dead.push(Dead { text, hint: FORM.into() });
                Way::Shut
            }
            Named::At(host, port) => match closed(&host, port).await {
                None => {
                    open.push(name);
                    Way::Proxy
                }
                Some(why) => {
                    dead.push(Dead {
                        text: format!("{name} is set, and {host}:{port} cannot be reached: {why}"),
                        hint: format!("start the proxy, correct {name}, or unset it where none is needed"),
                    });
                    Way::Shut
                }
            },
        };
        ways.insert(name, way);
    }
    if !open.is_empty() {
        let except = if except.split(',').any(|entry| entry.trim() == "*") {
            "this machine and every host that has a name, as NO_PROXY says `*`"
        } else if except.is_empty() {
            "this machine"
        } else {
            "this machine and the hosts in NO_PROXY"
        };
        let verb = if open.len() == 1 { "is" } else { "are" };
        // Clouds are asked over https, of which HTTP_PROXY says nothing.
        let only = ["HTTPS_PROXY", "ALL_PROXY"].iter().all(|name| !ways.contains_key(name));
        let only = if only { " to http:// addresses" } else { "" };
        let text = format!("{} {verb} set: requests{only} go through it, but for {except}", open.join(", "));
        findings.well("proxy", &text);
        if !only.is_empty() {
            findings
                .well("proxy", "none for https:// addresses, as clouds have them: that would be HTTPS_PROXY");
        }
    }
    for entry in meaningless(&except) {
        findings.doubtful(
            "proxy",
            &format!("`{entry}` in NO_PROXY is no host: it keeps nothing from the proxy"),
            "write hosts, domains (`.example.com`), addresses and networks (`10.0.0.0/8`) with commas between them, without schemes and ports; `*` alone means every host that has a name",
        );
    }
    let way = |name: &str| ways.get(name).or_else(|| ways.get("ALL_PROXY")).copied().unwrap_or(Way::Direct);
    Proxy { https: way("HTTPS_PROXY"), http: way("HTTP_PROXY"), dead, matcher }
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
    // What cannot be remembered is as if it had never run.
    let mut estimate = Estimate::default();
    let mut runs = Vec::new();
    if let Some(state) = &ledger.state {
        let memory = Remembered { state: state.clone(), account: one.account.identity(), now };
        let ahead = Ahead {
            account: &one.account,
            memory: &memory,
            now: now.saturating_add(calls.offset(one.account.cloud)),
            cadence: None,
            filtered: false,
        };
        if let Ok(known) = one.spec.estimate(&ahead, &regions).await {
            estimate = known;
        }
        runs = one.spec.last_runs(&memory, &regions).await.unwrap_or_default();
    }
    own.push(Own { name: description.name, runs });
    estimate.calls.into_iter().map(|one| (one.region, one.action.service)).collect()
}

/// Does something listen where each service is asked? Answers with the script's own collectors, of which nobody can know all.
pub(super) async fn endpoints(
    findings: &mut Findings<'_>,
    ledger: &Ledger<'_>,
    calls: &CallPath,
    collectors: &[Prepared],
    proxy: &mut Proxy,
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
                        Some((host, (proxy.of(url.as_str()), what)))
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
    proxy.say(findings, shut > 0);
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
