//! AWS: who may call, what is called, and how a refusal looks in each protocol.
//!
//! Owns the front of all services: signature, keys, permissions, faults, counts. The services know only their own parameters.

mod cloudwatch;
mod ec2;
mod estate;
mod rds;
mod sigv4;
mod sts;

pub use estate::{InstanceTruth, MetricTruth, Statistics};
pub use rds::DatabaseTruth;

use crate::clock::Clock;
use crate::faults::{FaultKind, Faults};
use crate::market::{self, Market, MarketCall};
use crate::server::{Asked, Reply, Service};
use estate::Estate;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What the simulated account holds.
#[derive(Clone, Debug)]
pub struct AwsEstate {
    /// The regions that exist.
    pub regions: Vec<String>,
    /// Instances of each region.
    pub instances: usize,
    /// Metrics of each running instance, at most 23.
    pub metrics: usize,
    /// Seconds between datapoints; every fourth instance has them every five minutes.
    pub period: u32,
    /// Names that are hard to carry.
    pub nasty: bool,
    /// The most instances of one page.
    pub instances_page: usize,
    /// Instances of one reservation.
    pub reservation_size: usize,
    /// Databases of each region.
    pub databases: usize,
}

impl Default for AwsEstate {
    fn default() -> Self {
        Self {
            regions: ["cn-north-1", "cn-northwest-1", "us-east-1"].map(str::to_owned).to_vec(),
            instances: 12,
            metrics: 10,
            period: 60,
            nasty: true,
            instances_page: 1000,
            reservation_size: 3,
            databases: 3,
        }
    }
}

/// The keys that work, and those that do not.
#[derive(Clone, Debug)]
pub struct Keys {
    /// A long-lived key.
    pub access_key: String,
    /// Its secret.
    pub secret_key: String,
    /// A temporary key.
    pub temporary_access_key: String,
    /// Its secret.
    pub temporary_secret_key: String,
    /// The session token that goes with it.
    pub session_token: String,
    /// The session token of temporary keys that have expired; id and secret are those above.
    pub expired_token: String,
    /// A role that the long-lived key may assume.
    pub role_arn: String,
    /// What its trust policy asks for.
    pub external_id: String,
}

/// A key that signs.
#[derive(Clone, Debug)]
struct Key {
    secret: String,
    token: Option<String>,
    /// Seconds since 1970.
    expires: Option<i64>,
}

/// Calls by region and `service:Action`.
type Calls = BTreeMap<(String, String), u64>;

/// The double of AWS.
#[derive(Debug)]
pub(crate) struct Aws {
    pub(crate) clock: Arc<Clock>,
    pub(crate) faults: Faults,
    pub(crate) keys: Keys,
    latency: Duration,
    estate: Mutex<Estate>,
    calls: Mutex<Calls>,
    denied: Mutex<BTreeSet<String>>,
    signing: Mutex<BTreeMap<String, Vec<Key>>>,
    pub(crate) billed: std::sync::atomic::AtomicU64,
    pub(crate) log: Option<fn(&str)>,
    page: usize,
    reservation: usize,
    pub(crate) market: Market,
    databases: usize,
}

/// How a service's errors look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    Json,
    Ec2,
    Query,
}

/// A refusal, to be put into the service's own shape.
#[derive(Debug)]
struct Refusal {
    status: u16,
    code: &'static str,
    message: String,
}

fn refuse(status: u16, code: &'static str, message: impl Into<String>) -> Refusal {
    Refusal { status, code, message: message.into() }
}

/// What a service needs to answer.
struct Context<'call> {
    aws: &'call Aws,
    region: &'call str,
    access_key: &'call str,
    fault: Option<FaultKind>,
}

impl Aws {
    pub(crate) fn new(
        clock: Arc<Clock>,
        options: &AwsEstate,
        seed: u64,
        latency: Duration,
        log: Option<fn(&str)>,
    ) -> Self {
        let keys = Keys {
            access_key: "AKIASIMCLOUD00000001".into(),
            secret_key: "simcloud/Secret+Key0123456789abcdefABCDEF".into(),
            temporary_access_key: "ASIASIMCLOUD00000002".into(),
            temporary_secret_key: "simcloud/Temporary+Secret0123456789abcdef".into(),
            session_token: "simcloudSessionToken//+==0123456789abcdefghijklmnopqrstuvwxyz".into(),
            expired_token: "simcloudExpiredToken//+==0123456789abcdefghijklmnopqrstuvwxyz".into(),
            role_arn: "arn:aws-cn:iam::123456789012:role/funchost".into(),
            external_id: "simcloud-external-id".into(),
        };
        let now = clock.now();
        let key = |secret: &str, token: Option<&str>, expires| Key {
            secret: secret.to_owned(),
            token: token.map(str::to_owned),
            expires,
        };
        let signing = BTreeMap::from([
            (keys.access_key.clone(), vec![key(&keys.secret_key, None, None)]),
            (
                keys.temporary_access_key.clone(),
                vec![
                    key(&keys.temporary_secret_key, Some(&keys.session_token), Some(now + 30 * 86_400)),
                    key(&keys.temporary_secret_key, Some(&keys.expired_token), Some(now - 60)),
                ],
            ),
        ]);
        Self {
            estate: Mutex::new(Estate::new(seed, options, now)),
            clock,
            faults: Faults::default(),
            keys,
            latency,
            calls: Mutex::default(),
            denied: Mutex::default(),
            signing: Mutex::new(signing),
            billed: std::sync::atomic::AtomicU64::new(0),
            log,
            page: options.instances_page,
            reservation: options.reservation_size.max(1),
            market: Market::default(),
            databases: options.databases,
        }
    }

    pub(crate) fn databases(&self, region: &str) -> Vec<DatabaseTruth> {
        rds::databases(region, self.databases)
    }

    pub(crate) fn estate(&self) -> MutexGuard<'_, Estate> {
        self.estate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn calls(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn denied(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.denied.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn signing(&self) -> MutexGuard<'_, BTreeMap<String, Vec<Key>>> {
        self.signing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn handle(&self, asked: &Asked) -> Reply {
        let claimed = sigv4::claim(asked);
        let scope = claimed.as_ref().ok();
        let region = scope.map_or("", |claim| claim.region.as_str());
        let service = scope.map_or("", |claim| claim.service.as_str());
        let form = form(asked);
        let action = match asked.header("x-amz-target") {
            Some(target) => target.rsplit('.').next().unwrap_or_default().to_owned(),
            None => form.as_ref().and_then(|form| form.get("Action").cloned()).unwrap_or_default(),
        };
        let version = form.as_ref().and_then(|form| form.get("Version").cloned()).unwrap_or_default();
        let market = self.market.find(asked, service, &action, &version);
        let action = market.as_ref().map_or(action, |(call, _)| call.action.clone());
        let protocol = match service {
            "ec2" => Protocol::Ec2,
            "monitoring" => Protocol::Json,
            _ if asked.headers.contains_key("x-amz-target") => Protocol::Json,
            _ => Protocol::Query,
        };
        let name = format!("{service}:{action}");
        *self.calls().entry((region.to_owned(), name.clone())).or_default() += 1;
        if let Some(log) = self.log {
            log(&format!("{region} {name}"));
        }
        let fault = self.faults.hit(service, &action, region);
        if let Some(reply) = fault.as_ref().and_then(|fault| broken(fault, protocol)) {
            return reply;
        }
        let result = claimed.map_err(|why| refuse(403, missing_code(protocol), why)).and_then(|claim| {
            self.authenticate(asked, &claim, protocol)?;
            self.authorize(&claim, &action, &name, protocol)?;
            let context = Context {
                aws: self,
                region: &claim.region,
                access_key: &claim.access_key,
                fault: fault.clone(),
            };
            match (claim.service.as_str(), action.as_str()) {
                ("ec2", _) => {
                    ec2::answer(&context, &action, form.as_ref().ok_or_else(|| malformed(protocol))?)
                }
                ("monitoring", _) => cloudwatch::answer(&context, &action, asked),
                // A table that a test sets stands in place of the databases that are always there.
                ("rds", _) if market.is_none() => {
                    rds::answer(&context, &action, form.as_ref().ok_or_else(|| malformed(protocol))?)
                }
                ("sts", _) => {
                    sts::answer(&context, &action, form.as_ref().ok_or_else(|| malformed(protocol))?)
                }
                _ => match market {
                    Some((call, in_path)) => self.market(asked, &call, in_path, form.clone(), &claim.region),
                    None => Err(refuse(404, "UnknownOperationException", "no such service here")),
                },
            }
        });
        let reply = result.unwrap_or_else(|refusal| shaped(protocol, &refusal));
        match (fault, reply) {
            (Some(FaultKind::CutBody), Reply::Answer { status, headers, body }) => {
                Reply::Cut { status, headers, body }
            }
            (_, reply) => reply,
        }
    }

    /// A call that a table describes.
    fn market(
        &self,
        asked: &Asked,
        call: &MarketCall,
        in_path: BTreeMap<String, Value>,
        form: Option<BTreeMap<String, String>>,
        region: &str,
    ) -> Result<Reply, Refusal> {
        let query = || {
            let pairs = asked.uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
            pairs
                .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
                .map(|(name, value)| (sigv4::decode(name), sigv4::decode(value)))
        };
        let is_form = form.is_some();
        let mut given = match form {
            Some(form) => {
                market::texts(form.into_iter().filter(|(name, _)| name != "Action" && name != "Version"))
            }
            None if asked.method == http::Method::POST => {
                market::members(&asked.body).ok_or_else(|| malformed(Protocol::Json))?
            }
            None => market::texts(query()),
        };
        given.extend(in_path);
        let invalid = |why: String| refuse(400, "InvalidParameterValue", why);
        let answer = call.answer(region, given).map_err(invalid)?;
        Ok(if is_form {
            let answer = serde_json::json!({ format!("{}Result", call.action): answer });
            Reply::new(
                200,
                "text/xml",
                market::xml(&format!("{}Response", call.action), &answer, call, false),
            )
        } else if call.service == "s3" {
            Reply::new(200, "application/xml", market::xml(&call.element, &answer, call, true))
        } else {
            Reply::new(200, "application/json", answer.to_string())
        })
    }

    fn authenticate(&self, asked: &Asked, claim: &sigv4::Claim, protocol: Protocol) -> Result<(), Refusal> {
        let unknown = match protocol {
            Protocol::Ec2 => {
                ("AuthFailure", "AWS was not able to validate the provided access credentials", 401)
            }
            Protocol::Json => {
                ("UnrecognizedClientException", "The security token included in the request is invalid.", 400)
            }
            Protocol::Query => {
                ("InvalidClientTokenId", "The security token included in the request is invalid.", 403)
            }
        };
        let not_known = || refuse(unknown.2, unknown.0, unknown.1);
        if !self.estate().has(&claim.region) {
            let message = format!("Credential should be scoped to a valid region, not '{}'. ", claim.region);
            return Err(refuse(
                if protocol == Protocol::Ec2 { 401 } else { 403 },
                if protocol == Protocol::Ec2 { "AuthFailure" } else { mismatch(protocol) },
                message,
            ));
        }
        let keys = self.signing().get(&claim.access_key).cloned().ok_or_else(not_known)?;
        let token = asked.header("x-amz-security-token");
        let key = keys.iter().find(|key| key.token.as_deref() == token).ok_or_else(not_known)?;
        let now = self.clock.now();
        if (claim.time - now).abs() > sigv4::SKEW {
            let server = crate::clock::time(now).format("%Y%m%dT%H%M%SZ");
            let which = if claim.time < now { "Signature expired" } else { "Signature not yet current" };
            let message = format!(
                "{which}: {} is now {} than {server} (5 min.)",
                claim.stamp,
                if claim.time < now { "earlier" } else { "later" }
            );
            return Err(match protocol {
                Protocol::Ec2 => refuse(400, "RequestExpired", "Request has expired."),
                other => refuse(403, mismatch(other), message),
            });
        }
        if let Err((canonical, to_sign)) = sigv4::check(asked, claim, &key.secret) {
            let message = format!(
                "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.\n\nThe Canonical String for this request should have been\n'{canonical}'\n\nThe String-to-Sign should have been\n'{to_sign}'\n"
            );
            return Err(match protocol {
                Protocol::Ec2 => not_known(),
                other => refuse(403, mismatch(other), message),
            });
        }
        if key.expires.is_some_and(|expires| expires <= now) {
            return Err(expired(protocol));
        }
        Ok(())
    }

    fn authorize(
        &self,
        claim: &sigv4::Claim,
        action: &str,
        name: &str,
        protocol: Protocol,
    ) -> Result<(), Refusal> {
        let denied = self.denied();
        // Permissions are called by another name than the service signs with.
        let permission = name.replace("monitoring:", "cloudwatch:");
        if denied.contains(name) || denied.contains(&permission) {
            return Err(not_allowed(protocol, &permission, &claim.access_key, action));
        }
        Ok(())
    }

    fn add_key(&self, access_key: &str, secret: &str, token: &str, expires: i64) {
        let key = Key { secret: secret.to_owned(), token: Some(token.to_owned()), expires: Some(expires) };
        self.signing().entry(access_key.to_owned()).or_default().push(key);
    }
}

impl Service for Aws {
    async fn answer(self: Arc<Self>, asked: Asked) -> Reply {
        if !self.latency.is_zero() {
            tokio::time::sleep(self.latency).await;
        }
        let date = self.clock.date();
        self.handle(&asked)
            .header("date", date)
            .header("x-amzn-requestid", "00000000-0000-4000-8000-000000000000".into())
    }
}

/// A request's form, where its body is one.
fn form(asked: &Asked) -> Option<BTreeMap<String, String>> {
    let kind = asked.header("content-type")?;
    if !kind.starts_with("application/x-www-form-urlencoded") {
        return None;
    }
    let text = std::str::from_utf8(&asked.body).ok()?;
    let mut form = BTreeMap::new();
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let plain = |text: &str| sigv4::decode(&text.replace('+', " "));
        if form.insert(plain(key), plain(value)).is_some() {
            return None;
        }
    }
    Some(form)
}

fn missing_code(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Json => "MissingAuthenticationTokenException",
        Protocol::Ec2 | Protocol::Query => "MissingAuthenticationToken",
    }
}

fn mismatch(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Json => "InvalidSignatureException",
        Protocol::Ec2 | Protocol::Query => "SignatureDoesNotMatch",
    }
}

fn malformed(protocol: Protocol) -> Refusal {
    match protocol {
        Protocol::Json => refuse(400, "SerializationException", "the body is no JSON"),
        Protocol::Ec2 | Protocol::Query => {
            refuse(400, "MalformedQueryString", "the body is no form, or names a key twice")
        }
    }
}

fn expired(protocol: Protocol) -> Refusal {
    match protocol {
        Protocol::Json => {
            refuse(400, "ExpiredTokenException", "The security token included in the request is expired")
        }
        Protocol::Ec2 => refuse(400, "RequestExpired", "Request has expired."),
        Protocol::Query => {
            refuse(403, "ExpiredToken", "The security token included in the request is expired")
        }
    }
}

fn not_allowed(protocol: Protocol, permission: &str, access_key: &str, action: &str) -> Refusal {
    match protocol {
        Protocol::Ec2 => refuse(
            403,
            "UnauthorizedOperation",
            format!(
                "You are not authorized to perform this operation. User: arn:aws-cn:iam::123456789012:user/{access_key} is not authorized to perform: ec2:{action} because no identity-based policy allows the ec2:{action} action"
            ),
        ),
        Protocol::Json => refuse(
            400,
            "AccessDeniedException",
            format!(
                "User: arn:aws-cn:iam::123456789012:user/{access_key} is not authorized to perform: {permission} because no identity-based policy allows the {permission} action"
            ),
        ),
        Protocol::Query => refuse(
            403,
            "AccessDenied",
            format!(
                "User: arn:aws-cn:iam::123456789012:user/{access_key} is not authorized to perform: {permission}"
            ),
        ),
    }
}

/// A refusal in the protocol's shape.
fn shaped(protocol: Protocol, refusal: &Refusal) -> Reply {
    let Refusal { status, code, message } = refusal;
    let text = xml_escape(message);
    match protocol {
        Protocol::Json => {
            let body = serde_json::json!({ "__type": format!("com.amazon.coral.service#{code}"), "message": message });
            Reply::new(*status, "application/x-amz-json-1.0", body.to_string())
        }
        Protocol::Ec2 => Reply::new(
            *status,
            "text/xml;charset=UTF-8",
            format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response><Errors><Error><Code>{code}</Code><Message>{text}</Message></Error></Errors><RequestID>00000000-0000-4000-8000-000000000000</RequestID></Response>"
            ),
        ),
        Protocol::Query => Reply::new(
            *status,
            "text/xml",
            format!(
                "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type><Code>{code}</Code><Message>{text}</Message></Error><RequestId>00000000-0000-4000-8000-000000000000</RequestId></ErrorResponse>"
            ),
        ),
    }
}

/// The faults that need no answer of the service.
fn broken(fault: &FaultKind, protocol: Protocol) -> Option<Reply> {
    let refusal = match fault {
        FaultKind::Throttle => match protocol {
            Protocol::Ec2 => refuse(503, "RequestLimitExceeded", "Request limit exceeded."),
            Protocol::Json | Protocol::Query => refuse(400, "Throttling", "Rate exceeded"),
        },
        FaultKind::Status(status) => refuse(
            *status,
            "InternalFailure",
            "The request processing has failed because of an unknown error",
        ),
        FaultKind::Denied => {
            not_allowed(protocol, "this action", "AKIASIMCLOUD00000001", "DescribeInstances")
        }
        FaultKind::ExpiredToken => expired(protocol),
        FaultKind::SkewedClock => match protocol {
            Protocol::Ec2 => refuse(400, "RequestExpired", "Request has expired."),
            other => refuse(
                403,
                mismatch(other),
                "Signature expired: 20200101T000000Z is now earlier than 20260101T000000Z",
            ),
        },
        FaultKind::HtmlUnavailable => {
            return Some(Reply::new(
                503,
                "text/html",
                "<html><head><title>503</title></head><body>Service Unavailable</body></html>",
            ));
        }
        FaultKind::BadBody => return Some(Reply::new(200, "application/octet-stream", "{\"half\": <no")),
        FaultKind::EmptyBody => return Some(Reply::new(200, "text/xml", "")),
        FaultKind::HugeBody(bytes) => return Some(Reply::new(200, "text/xml", vec![b' '; *bytes])),
        FaultKind::Hang => return Some(Reply::Hang),
        FaultKind::Reset => return Some(Reply::Reset),
        FaultKind::CutBody
        | FaultKind::InternalErrorResult
        | FaultKind::ForbiddenResult
        | FaultKind::PartialData
        | FaultKind::TopLevelMessage
        | FaultKind::RepeatedToken
        | FaultKind::OtherDimensions => return None,
    };
    Some(shaped(protocol, &refusal))
}

/// Text inside an element. A carriage return must be a reference, or every reader makes a line end of it.
fn xml_escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '\r' => escaped.push_str("&#xd;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// A page token: bound to the request it belongs to.
fn token(bound: u64, kind: char, at: usize) -> String {
    format!("{bound:016x}{kind}{at:08x}==")
}

/// Reads a page token back; one of another request is refused.
fn read_token(text: &str, bound: u64) -> Option<(char, usize)> {
    let rest = text.strip_prefix(&format!("{bound:016x}"))?.strip_suffix("==")?;
    let kind = rest.chars().next()?;
    Some((kind, usize::from_str_radix(rest.get(1..)?, 16).ok()?))
}
