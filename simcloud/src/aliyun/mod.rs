//! Alibaba Cloud: the OpenAPI gateway (CMS, ECS, RDS, SLB, STS) and OSS. Who may call, what is called, and how a refusal looks.
//!
//! Owns the front of all products: routing, signature, keys, nonces, permissions, rates, quota, faults, counts. The products know only their own
//! parameters. The first check that fails is the answer; their order is that of the vendor's documents as far as they say one.

mod access;
mod acs3;
mod cms;
mod ecs;
mod estate;
mod guard;
mod keys;
mod metrics;
mod oss;
mod oss4;
mod parameters;
mod rds;
mod slb;
mod sts;
#[cfg(test)]
mod tests;

pub use estate::{AliyunObject, AliyunProduct};
pub use keys::AliyunKeys;
pub use metrics::AliyunSeries;

use crate::clock::Clock;
use crate::faults::Faults;
use crate::market::{self, Market, MarketCall};
use crate::server::{Asked, Reply, Service};
use estate::Estate;
use guard::Guard;
use keys::KeyRing;
use parameters::Parameters;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use xxhash_rust::xxh3::xxh3_64;

/// What the simulated account holds.
#[derive(Clone, Debug)]
pub struct AliyunEstate {
    /// The regions that exist.
    pub regions: Vec<String>,
    /// ECS instances of each region.
    pub instances: usize,
    /// RDS instances of each region.
    pub databases: usize,
    /// Load balancers of each region.
    pub balancers: usize,
    /// Buckets of the account, over all regions.
    pub buckets: usize,
    /// Names that are hard to carry, and instances that do not run.
    pub nasty: bool,
}

impl Default for AliyunEstate {
    fn default() -> Self {
        Self {
            regions: ["cn-hangzhou", "cn-shanghai", "ap-southeast-1"].map(str::to_owned).to_vec(),
            instances: 9,
            databases: 5,
            balancers: 4,
            buckets: 7,
            nasty: true,
        }
    }
}

/// What can go wrong with a call, or be written otherwise in its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AliyunFault {
    /// Refused as too fast; with so many milliseconds in `x-acs-retry-after`.
    Throttle(Option<u64>),
    /// An error of this status and code.
    Code(u16, &'static str),
    /// 503 with an HTML page, as a proxy answers.
    HtmlUnavailable,
    /// The answer ends in its middle.
    CutBody,
    /// 200 with a body that does not parse.
    BadBody,
    /// 200 without a body.
    EmptyBody,
    /// Never answered.
    Hang,
    /// Answered after so long.
    Slow(Duration),
    /// The connection is closed without an answer.
    Reset,
    /// Permission refused.
    Denied,
    /// The temporary keys have expired.
    ExpiredToken,
    /// Refused for its time.
    SkewedClock,
    /// The nonce was used already.
    UsedNonce,
    /// The month's free calls are used up.
    Quota,
    /// HTTP 200 with this body, whatever was asked.
    Answer(&'static str),
    /// CMS: HTTP 200 with `Code` 400, `Success` false and no datapoints.
    FailureInside,
    /// The same, of a metric that this host does not have.
    NotFoundInside,
    /// CMS: `Code` as a number.
    CodeAsNumber,
    /// Counts such as `TotalCount` as texts.
    TotalAsText,
    /// CMS: `Datapoints` as a list, as old documents print it.
    DatapointsAsList,
    /// CMS: no member `Datapoints`.
    DatapointsMissing,
    /// CMS: every datapoint twice.
    DuplicatePoints,
    /// The last page has no member `NextToken` at all.
    NoToken,
    /// The answer's page token is the request's again, or the same one every time.
    RepeatedToken,
    /// The last page brings a token though nothing follows; the empty page behind it brings the same one.
    TokenBehindLast,
    /// The answer is packed.
    Gzip,
    /// After the answer, the first object of the list is released.
    ReleaseFirst,
}

/// Calls by region and `service:Action`.
type Calls = BTreeMap<(String, String), u64>;

/// The double of Alibaba Cloud.
#[derive(Debug)]
pub(crate) struct Aliyun {
    pub(crate) clock: Arc<Clock>,
    pub(crate) faults: Faults<AliyunFault>,
    latency: Duration,
    log: Option<fn(&str)>,
    estate: Mutex<Estate>,
    keys: Mutex<KeyRing>,
    guard: Mutex<Guard>,
    calls: Mutex<Calls>,
    pub(crate) market: Market,
}

/// A refusal, to be put into the protocol's own shape.
#[derive(Debug)]
struct Refusal {
    status: u16,
    code: String,
    message: String,
    /// `x-acs-retry-after`, milliseconds.
    retry_after: Option<u64>,
    /// The error number of OSS.
    number: &'static str,
}

fn refuse(status: u16, code: impl Into<String>, message: impl Into<String>) -> Refusal {
    Refusal { status, code: code.into(), message: message.into(), retry_after: None, number: "" }
}

/// What a product needs to answer.
struct Context<'call> {
    aliyun: &'call Aliyun,
    action: &'call str,
    access_key: &'call str,
    fault: Option<&'call AliyunFault>,
}

impl Context<'_> {
    fn estate(&self) -> MutexGuard<'_, Estate> {
        self.aliyun.estate()
    }

    /// What page tokens are bound to: action, filters and account.
    fn bound(&self, parameters: &Parameters) -> u64 {
        xxh3_64(format!("{}\n{}\n{}", keys::ACCOUNT, self.action, parameters.bound()).as_bytes())
    }

    fn has(&self, fault: &AliyunFault) -> bool {
        self.fault == Some(fault)
    }

    /// The region of a call, which must exist.
    fn region(&self, parameters: &mut Parameters) -> Result<String, Refusal> {
        let region = parameters.required("RegionId")?;
        self.known(region)
    }

    fn known(&self, region: String) -> Result<String, Refusal> {
        if self.estate().has(&region) {
            return Ok(region);
        }
        Err(refuse(404, "InvalidRegionId.NotFound", "The specified RegionId does not exist."))
    }
}

/// The products of the gateway: name, the version of the API, the first part of its hosts, and its actions.
const PRODUCTS: &[(&str, &str, &str, &[&str])] = &[
    (
        "cms",
        "2019-01-01",
        "metrics",
        &[
            "DescribeProjectMeta",
            "DescribeMetricMetaList",
            "DescribeMetricLast",
            "DescribeMetricList",
            "DescribeMetricData",
            "DescribeMetricTop",
            "Cursor",
            "BatchExport",
        ],
    ),
    (
        "ecs",
        "2014-05-26",
        "ecs",
        &[
            "DescribeRegions",
            "DescribeInstances",
            "DescribeDisks",
            "DescribeNetworkInterfaces",
            "DescribeInstancesFullStatus",
            "DescribeInstanceAutoRenewAttribute",
        ],
    ),
    (
        "rds",
        "2014-08-15",
        "rds",
        &[
            "DescribeDBInstances",
            "DescribeDBInstanceAttribute",
            "DescribeDBInstanceNetInfo",
            "DescribeResourceUsage",
            "DescribeAccounts",
            "DescribeDatabases",
            "DescribeDBInstanceSSL",
        ],
    ),
    (
        "slb",
        "2014-05-15",
        "slb",
        &[
            "DescribeLoadBalancers",
            "DescribeLoadBalancerAttribute",
            "DescribeHealthStatus",
            "DescribeServerCertificates",
        ],
    ),
    ("sts", "2015-04-01", "sts", &["AssumeRole", "GetCallerIdentity"]),
];

/// A host on this machine: where a request stands for any product.
fn is_loopback(host: &str) -> bool {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    name == "127.0.0.1" || name == "localhost" || name == "[::1]"
}

/// The product that a request is for, by its host and version, and the region that the host names.
fn route(asked: &Asked) -> Result<(&'static str, &'static [&'static str], Option<String>), Refusal> {
    let host = asked.header("host").unwrap_or_default();
    let version = asked.header("x-acs-version").unwrap_or_default();
    let wrong_version = || refuse(400, "InvalidVersion", "Specified parameter Version is not valid.");
    if is_loopback(host) {
        let found = PRODUCTS.iter().find(|(_, known, ..)| *known == version);
        return found.map(|(name, _, _, actions)| (*name, *actions, None)).ok_or_else(wrong_version);
    }
    let name = host.strip_suffix(".aliyuncs.com").unwrap_or_default();
    let (first, region) = name.split_once('.').unwrap_or((name, ""));
    let first = first.strip_suffix("-vpc").unwrap_or(first);
    let (name, known, _, actions) = PRODUCTS
        .iter()
        .find(|(_, _, host, _)| *host == first)
        .ok_or_else(|| refuse(404, "InvalidProduct.NotFound", "The specified product cannot be found."))?;
    if *known != version {
        return Err(wrong_version());
    }
    Ok((name, actions, (!region.is_empty()).then(|| region.to_owned())))
}

/// Products whose hosts begin otherwise than they are called, by the vendor's pages of endpoints.
const OTHER_HOSTS: &[(&str, &str)] =
    &[("bssopenapi", "business"), ("dds", "mongodb"), ("sas", "tds"), ("waf-openapi", "wafopenapi")];

/// Regions that a product's host without a region serves; its other regions have hosts of their own. From the same pages.
const AT_THE_CENTRE: &[(&str, &[&str])] = &[
    (
        "dds",
        &["cn-beijing", "cn-hangzhou", "cn-hangzhou-finance", "cn-heyuan", "cn-shanghai", "cn-wulanchabu"],
    ),
    ("gpdb", &["ap-south-1", "ap-southeast-2", "cn-beijing-finance-1", "cn-hangzhou", "cn-hangzhou-finance"]),
    (
        "polardb",
        &[
            "cn-beijing",
            "cn-beijing-finance-1",
            "cn-hangzhou",
            "cn-hangzhou-finance",
            "cn-heyuan",
            "cn-qingdao",
            "cn-shanghai",
            "cn-wulanchabu",
        ],
    ),
    ("r-kvstore", &["cn-hangzhou", "cn-hangzhou-finance"]),
    ("vpc", &["cn-hangzhou", "cn-hangzhou-finance", "cn-shanghai-finance-1", "cn-shenzhen-finance-1"]),
];

/// Products of which one region's host serves others, too.
const FOR_OTHERS: &[&str] = &["drds", "nas", "sas", "waf-openapi"];

/// Is a product's call answered at this host, for this region where the request names one?
fn at_home(host: &str, product: &str, region: Option<&str>) -> Result<(), Refusal> {
    if is_loopback(host) {
        return Ok(());
    }
    let name = host.strip_suffix(".aliyuncs.com").unwrap_or_default();
    let (first, place) = name.split_once('.').unwrap_or((name, ""));
    let inside = first.strip_suffix("-vpc");
    let first = inside.unwrap_or(first);
    let own = OTHER_HOSTS.iter().find(|(other, _)| *other == product).map_or(product, |(_, host)| host);
    if first != own {
        let message = "Specified api is not found, please check your url and method.";
        return Err(refuse(404, "InvalidAction.NotFound", message));
    }
    let Some(region) = region else { return Ok(()) };
    // From inside every region has a host of its own.
    let central = AT_THE_CENTRE.iter().filter(|_| inside.is_none()).find(|(central, _)| *central == product);
    let served = match central {
        Some((_, regions)) if regions.contains(&region) || place.is_empty() => {
            place.is_empty() && regions.contains(&region)
        }
        _ => place.is_empty() || place == region || FOR_OTHERS.contains(&product),
    };
    if served {
        return Ok(());
    }
    Err(refuse(404, "InvalidRegionId.NotFound", "The specified region is not served at this endpoint."))
}

/// What a call must be allowed to do. CloudMonitor's permissions have other names than its actions.
fn permission(product: &str, action: &str) -> String {
    match (product, action.strip_prefix("DescribeMetric"), action) {
        ("cms", Some(rest), _) => format!("cms:QueryMetric{rest}"),
        ("cms", None, "DescribeProjectMeta") => "cms:QueryProjectMeta".into(),
        _ => format!("{product}:{action}"),
    }
}

impl Aliyun {
    pub(crate) fn new(
        clock: Arc<Clock>,
        options: &AliyunEstate,
        seed: u64,
        latency: Duration,
        log: Option<fn(&str)>,
    ) -> Self {
        let now = clock.now();
        Self {
            estate: Mutex::new(Estate::new(seed, options, now)),
            keys: Mutex::new(KeyRing::new(now)),
            guard: Mutex::default(),
            faults: Faults::default(),
            calls: Mutex::default(),
            market: Market::default(),
            clock,
            latency,
            log,
        }
    }

    fn estate(&self) -> MutexGuard<'_, Estate> {
        self.estate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keys(&self) -> MutexGuard<'_, KeyRing> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn guard(&self) -> MutexGuard<'_, Guard> {
        self.guard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn calls(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, region: &str, name: &str) {
        *self.calls().entry((region.to_owned(), name.to_owned())).or_default() += 1;
        if let Some(log) = self.log {
            log(&format!("{region} {name}"));
        }
    }

    /// A call of the gateway.
    fn gateway(&self, asked: &Asked) -> (Reply, Option<AliyunFault>) {
        let host = asked.header("host").unwrap_or_default().to_owned();
        let action = asked.header("x-acs-action").unwrap_or_default();
        let version = asked.header("x-acs-version").unwrap_or_default();
        if let Some((call, in_path)) =
            self.market.find(asked, "", action, version).filter(|_| !action.is_empty())
        {
            let fault = self.faults.hit(&call.service, action, "");
            return match fault.as_ref().and_then(broken) {
                Some(Broken::Reply(reply)) => (reply, fault),
                Some(Broken::Refusal(refusal)) => {
                    (shaped(asked.header("host").unwrap_or_default(), &call.service, &refusal), fault)
                }
                None => (self.table(asked, &call, in_path), fault),
            };
        }
        let routed = route(asked);
        let parameters = parameters(asked);
        let product = routed.as_ref().map_or("", |(product, ..)| *product);
        let region = parameters.as_ref().ok().and_then(|all| all.get("RegionId").cloned());
        let region = region.or_else(|| routed.as_ref().ok()?.2.clone()).unwrap_or_default();
        let name = format!("{product}:{action}");
        self.count(&region, &name);
        let fault = self.faults.hit(product, action, &region);
        let result = match fault.as_ref().and_then(broken) {
            Some(Broken::Reply(reply)) => return (reply, fault),
            Some(Broken::Refusal(refusal)) => Err(refusal),
            None => routed.and_then(|(product, actions, _)| {
                let message = "Specified api is not found, please check your url and method.";
                if !actions.contains(&action) {
                    return Err(refuse(404, "InvalidAction.NotFound", message));
                }
                let posted = ["Cursor", "BatchExport"].contains(&action);
                if !(asked.method == "POST" || (asked.method == "GET" && !posted)) {
                    return Err(refuse(400, "UnsupportedHTTPMethod", "This http method is not supported."));
                }
                let access_key = self.authenticate(asked)?;
                let allowed = permission(product, action);
                self.guard().allow(&access_key, &allowed)?;
                self.guard().pass(&region, &name, self.clock.now())?;
                let context =
                    Context { aliyun: self, action, access_key: &access_key, fault: fault.as_ref() };
                let mut parameters = Parameters::new(parameters?);
                // What every action knows: official clients send some of them along.
                for common in ["Action", "Version", "Format"] {
                    parameters.text(common);
                }
                let answer = match product {
                    "cms" => cms::answer(&context, &mut parameters),
                    "ecs" => ecs::answer(&context, &mut parameters),
                    "rds" => rds::answer(&context, &mut parameters),
                    "slb" => slb::answer(&context, &mut parameters),
                    _ => sts::answer(&context, &mut parameters),
                }?;
                parameters.finish()?;
                Ok(answer)
            }),
        };
        let reply = match result {
            Ok(mut answer) => {
                answer["RequestId"] = REQUEST_ID.into();
                vary(&mut answer, fault.as_ref());
                if fault == Some(AliyunFault::ReleaseFirst) {
                    self.estate().release_first(product, &region);
                }
                Reply::new(200, "application/json;charset=utf-8", answer.to_string())
            }
            Err(refusal) => shaped(&host, product, &refusal),
        };
        (reply, fault)
    }

    /// A call that a table describes.
    fn table(&self, asked: &Asked, call: &MarketCall, in_path: BTreeMap<String, Value>) -> Reply {
        let answer = || {
            let mut given = market::texts(parameters(asked)?);
            let region = call.region.as_ref().and_then(|name| given.get(name)?.as_str().map(str::to_owned));
            at_home(asked.header("host").unwrap_or_default(), &call.service, region.as_deref())?;
            let region = region.unwrap_or_default();
            let name = format!("{}:{}", call.service, call.action);
            self.count(&region, &name);
            if !region.is_empty() && !self.estate().has(&region) {
                return Err(refuse(
                    404,
                    "InvalidRegionId.NotFound",
                    "The specified RegionId does not exist.",
                ));
            }
            let access_key = self.authenticate(asked)?;
            self.guard().allow(&access_key, &name)?;
            given.extend(in_path);
            call.answer(&region, given).map_err(|why| refuse(400, "InvalidParameter", why))
        };
        match answer() {
            Ok(mut answer) => {
                answer["RequestId"] = REQUEST_ID.into();
                Reply::new(200, "application/json;charset=utf-8", answer.to_string())
            }
            Err(refusal) => shaped(asked.header("host").unwrap_or_default(), &call.service, &refusal),
        }
    }

    /// Scheme, headers, time, key, body, signature and nonce, in this order; answers with the key.
    fn authenticate(&self, asked: &Asked) -> Result<String, Refusal> {
        let claim = acs3::claim(asked)?;
        let now = self.clock.now();
        if (claim.time - now).abs() > acs3::SKEW {
            return Err(expired_time());
        }
        let secret = self.keys().secret(&claim.access_key, asked.header("x-acs-security-token"), now)?;
        acs3::check(asked, &claim, &secret)?;
        self.guard().nonce(&claim.access_key, &claim.nonce, now)?;
        Ok(claim.access_key)
    }

    /// A call of OSS.
    fn storage(&self, asked: &Asked) -> (Reply, Option<AliyunFault>) {
        let target = oss::target(asked);
        let claimed = oss4::claim(asked);
        let region = claimed.as_ref().map_or(String::new(), |claim| claim.region.clone());
        let name = format!("oss:{}", target.action);
        self.count(&region, &name);
        let fault = self.faults.hit("oss", target.action, &region);
        let result = match fault.as_ref().and_then(broken) {
            Some(Broken::Reply(reply)) => return (reply, fault),
            Some(Broken::Refusal(refusal)) => Err(for_storage(refusal)),
            None => claimed.and_then(|claim| {
                let now = self.clock.now();
                if (claim.time - now).abs() > acs3::SKEW {
                    let message =
                        "The difference between the request time and the current time is too large.";
                    return Err(Refusal {
                        number: "0002-00000504",
                        ..refuse(403, "RequestTimeTooSkewed", message)
                    });
                }
                let secret = self.keys().storage_secret(
                    &claim.access_key,
                    asked.header("x-oss-security-token"),
                    now,
                )?;
                if asked.method != "GET" {
                    return Err(refuse(405, "MethodNotAllowed", "The specified method is not allowed."));
                }
                let wrong_region = || Refusal {
                    number: "0002-00000715",
                    ..refuse(400, "InvalidArgument", "The signing region in credential is invalid.")
                };
                if !self.estate().has(&claim.region)
                    || target.region.as_ref().is_some_and(|region| *region != claim.region)
                {
                    return Err(wrong_region());
                }
                oss4::check(asked, &claim, &target.resource(), &secret)?;
                self.guard().allow(&claim.access_key, &name).map_err(for_storage)?;
                self.guard().pass(&claim.region, &name, now).map_err(for_storage)?;
                oss::answer(
                    &self.estate(),
                    &target,
                    &claim.region,
                    pairs(asked.uri.query().unwrap_or_default()),
                )
            }),
        };
        let reply = match result {
            Ok(body) => {
                if fault == Some(AliyunFault::ReleaseFirst) {
                    self.estate().release_first("oss", &region);
                }
                Reply::new(200, "application/xml", body)
            }
            Err(refusal) => oss::shaped(&target, &refusal),
        };
        (reply, fault)
    }

    fn handle(&self, asked: &Asked) -> (Reply, Option<AliyunFault>) {
        let authorization = asked.header("authorization").unwrap_or_default();
        let host = asked.header("host").unwrap_or_default();
        let storage = authorization.starts_with("OSS")
            || asked.headers.contains_key("x-oss-date")
            || host.split('.').any(|label| label.starts_with("oss-"));
        let (reply, fault) = if storage { self.storage(asked) } else { self.gateway(asked) };
        let reply = match (&fault, reply) {
            (Some(AliyunFault::CutBody), Reply::Answer { status, headers, body }) => {
                Reply::Cut { status, headers, body }
            }
            (Some(AliyunFault::Gzip), Reply::Answer { status, headers, body }) => {
                Reply::Answer { status, headers, body: packed(&body).into() }
                    .header("content-encoding", "gzip".into())
            }
            (_, reply) => reply,
        };
        (
            reply.header(if storage { "x-oss-request-id" } else { "x-acs-request-id" }, REQUEST_ID.into()),
            fault,
        )
    }
}

const REQUEST_ID: &str = "00000000-0000-4000-8000-000000000000";

impl Service for Aliyun {
    async fn answer(self: Arc<Self>, asked: Asked) -> Reply {
        if !self.latency.is_zero() {
            tokio::time::sleep(self.latency).await;
        }
        let date = self.clock.date();
        let (reply, fault) = self.handle(&asked);
        if let Some(AliyunFault::Slow(pause)) = fault {
            tokio::time::sleep(pause).await;
        }
        reply.header("date", date)
    }
}

fn packed(body: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    // Writing into a vector cannot fail.
    let _ = packer.write_all(body);
    packer.finish().unwrap_or_default()
}

/// Names and values of a query or form: `+` is a blank.
fn pairs(text: &str) -> Vec<(String, String)> {
    let plain = |text: &str| decode(&text.replace('+', " "));
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (plain(name), plain(value)))
        .collect()
}

fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut index = 0;
    while index < bytes.len() {
        let digits = text.get(index + 1..index + 3).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match (bytes[index], digits) {
            (b'%', Some(byte)) => {
                decoded.push(byte);
                index += 3;
            }
            (byte, _) => {
                decoded.push(byte);
                index += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

/// Query and form of a request; a name that stands twice is an error.
fn parameters(asked: &Asked) -> Result<BTreeMap<String, String>, Refusal> {
    let form = asked
        .header("content-type")
        .is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
    let body = if form { std::str::from_utf8(&asked.body).unwrap_or_default() } else { "" };
    let mut all = BTreeMap::new();
    for (name, value) in pairs(asked.uri.query().unwrap_or_default()).into_iter().chain(pairs(body)) {
        if all.insert(name.clone(), value).is_some() {
            return Err(refuse(400, "InvalidParameter", format!("The parameter {name} stands twice.")));
        }
    }
    Ok(all)
}

fn expired_time() -> Refusal {
    refuse(400, "InvalidTimeStamp.Expired", "Specified time stamp or date value is expired.")
}

fn used_nonce() -> Refusal {
    refuse(400, "SignatureNonceUsed", "Specified signature nonce was used already.")
}

fn throttled(retry_after: Option<u64>) -> Refusal {
    Refusal { retry_after, ..refuse(400, "Throttling.User", "Request was denied due to user flow control.") }
}

fn quota_used_up() -> Refusal {
    refuse(400, "Throttling.User", "Request was denied due to user api quota limit.")
}

fn not_allowed() -> Refusal {
    refuse(
        403,
        "Forbidden.RAM",
        "User not authorized to operate on the specified resource, or this API doesn't support RAM.",
    )
}

/// The gateway's refusals as OSS says them.
fn for_storage(refusal: Refusal) -> Refusal {
    match refusal.code.as_str() {
        "Forbidden.RAM" => Refusal {
            number: "0003-00000001",
            ..refuse(403, "AccessDenied", "You have no right to access this object because of bucket acl.")
        },
        "InvalidSecurityToken.Expired" => Refusal {
            number: "0002-00000007",
            ..refuse(403, "SecurityTokenExpired", "The security token you provided has expired.")
        },
        "InvalidTimeStamp.Expired" => refuse(
            403,
            "RequestTimeTooSkewed",
            "The difference between the request time and the current time is too large.",
        ),
        "Throttling.User" => refuse(503, "SlowDown", "Please reduce your request rate."),
        _ => refusal,
    }
}

/// A fault that needs no answer of the product.
enum Broken {
    Reply(Reply),
    Refusal(Refusal),
}

fn broken(fault: &AliyunFault) -> Option<Broken> {
    let refusal = match fault {
        AliyunFault::Throttle(wait) => throttled(*wait),
        AliyunFault::Code(status, code) => {
            refuse(*status, *code, "The request has failed, as the test asked for it.")
        }
        AliyunFault::Denied => not_allowed(),
        AliyunFault::ExpiredToken => keys::expired_token(),
        AliyunFault::SkewedClock => expired_time(),
        AliyunFault::UsedNonce => used_nonce(),
        AliyunFault::Quota => quota_used_up(),
        AliyunFault::HtmlUnavailable => {
            return Some(Broken::Reply(Reply::new(
                503,
                "text/html",
                "<html><head><title>503</title></head><body>Service Unavailable</body></html>",
            )));
        }
        AliyunFault::BadBody => {
            return Some(Broken::Reply(Reply::new(200, "application/json", "{\"half\": <no")));
        }
        AliyunFault::Answer(body) => return Some(Broken::Reply(Reply::new(200, "application/json", *body))),
        AliyunFault::EmptyBody => return Some(Broken::Reply(Reply::new(200, "application/json", ""))),
        AliyunFault::Hang => return Some(Broken::Reply(Reply::Hang)),
        AliyunFault::Reset => return Some(Broken::Reply(Reply::Reset)),
        AliyunFault::NotFoundInside => {
            return Some(Broken::Reply(Reply::new(
                200,
                "application/json",
                json!({
                    "Code": "404", "Success": false, "Datapoints": "", "NextToken": "", "Period": "", "RequestId": REQUEST_ID,
                    "Message": "The specified resource is not found.",
                })
                .to_string(),
            )));
        }
        AliyunFault::FailureInside => {
            return Some(Broken::Reply(Reply::new(
                200,
                "application/json",
                json!({
                    "Code": "400", "Success": false, "Datapoints": "", "NextToken": "", "Period": "", "RequestId": REQUEST_ID,
                    "Message": "parse param dimensions error([{\"instanceId\":\"xxxx\")",
                })
                .to_string(),
            )));
        }
        AliyunFault::CutBody
        | AliyunFault::Slow(_)
        | AliyunFault::CodeAsNumber
        | AliyunFault::TotalAsText
        | AliyunFault::DatapointsAsList
        | AliyunFault::DatapointsMissing
        | AliyunFault::DuplicatePoints
        | AliyunFault::NoToken
        | AliyunFault::RepeatedToken
        | AliyunFault::TokenBehindLast
        | AliyunFault::Gzip
        | AliyunFault::ReleaseFirst => return None,
    };
    Some(Broken::Refusal(refusal))
}

/// An answer as other versions of the documents write it.
fn vary(answer: &mut Value, fault: Option<&AliyunFault>) {
    let Some(members) = answer.as_object_mut() else { return };
    match fault {
        Some(AliyunFault::CodeAsNumber) => {
            let code = members.get("Code").and_then(Value::as_str).and_then(|code| code.parse::<u64>().ok());
            if let Some(code) = code {
                members.insert("Code".into(), code.into());
            }
        }
        Some(AliyunFault::TotalAsText) => {
            for name in ["TotalCount", "TotalRecordCount", "PageNumber", "PageSize"] {
                if let Some(count) = members.get(name).and_then(Value::as_u64) {
                    members.insert(name.into(), count.to_string().into());
                }
            }
        }
        Some(AliyunFault::DatapointsAsList) => {
            let list = members.get("Datapoints").and_then(Value::as_str);
            if let Some(list) = list.and_then(|text| serde_json::from_str(text).ok()) {
                members.insert("Datapoints".into(), list);
            }
        }
        Some(AliyunFault::DatapointsMissing) => drop(members.remove("Datapoints")),
        Some(AliyunFault::NoToken) if members.get("NextToken").is_some_and(|token| token == "") => {
            members.remove("NextToken");
        }
        _ => {}
    }
}

/// A refusal of the gateway.
fn shaped(host: &str, product: &str, refusal: &Refusal) -> Reply {
    let Refusal { status, code, message, retry_after, .. } = refusal;
    let body = json!({
        "RequestId": REQUEST_ID, "HostId": host, "Code": code, "Message": message,
        "Recommend": format!("https://api.aliyun.com/troubleshoot?q={code}&product={product}"),
    });
    let reply = Reply::new(*status, "application/json;charset=utf-8", body.to_string());
    match retry_after {
        Some(wait) => reply.header("x-acs-retry-after", wait.to_string()),
        None => reply,
    }
}

/// A page token: bound to the request it belongs to; one for each position.
fn token(bound: u64, at: usize) -> String {
    format!("AAAAA{bound:016x}/{at:010x}+==")
}

/// Where a page begins; a token of another request is refused.
fn read_token(parameters: &mut Parameters, bound: u64) -> Result<usize, Refusal> {
    let Some(text) = parameters.text("NextToken") else { return Ok(0) };
    let inside = text.strip_prefix(&format!("AAAAA{bound:016x}/")).and_then(|rest| rest.strip_suffix("+=="));
    inside.and_then(|at| usize::from_str_radix(at, 16).ok()).ok_or_else(|| {
        refuse(400, "InvalidParameter.NextToken", "The specified NextToken is not one of this request.")
    })
}

/// A page of a list by tokens, and its `NextToken`.
fn page_by_token(
    context: &Context<'_>,
    parameters: &mut Parameters,
    all: &[Value],
    size: usize,
) -> Result<(Vec<Value>, String), Refusal> {
    let bound = context.bound(parameters);
    let from = read_token(parameters, bound)?;
    let page: Vec<Value> = all.iter().skip(from).take(size).cloned().collect();
    let next = from + page.len();
    let next = if context.has(&AliyunFault::RepeatedToken) {
        token(bound, 0)
    } else if next < all.len() || context.has(&AliyunFault::TokenBehindLast) {
        token(bound, next)
    } else {
        String::new()
    };
    Ok((page, next))
}
