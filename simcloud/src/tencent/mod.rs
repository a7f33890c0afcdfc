//! Tencent Cloud: API 3.0, CVM, Monitor and STS.
//!
//! Owns the front of all services: signature, keys, permissions, rates, faults, counts. The services know only their own parameters.
//! An error is an answer with status 200.

mod api;
mod cos;
mod cvm;
mod estate;
mod monitor;
mod sts;
mod tc3;

pub use estate::{TencentInstance, TencentMetric, TencentObject};

use crate::clock::Clock;
use crate::faults::{FaultKind, Faults};
use crate::market::{self, Market};
use crate::server::{Asked, Reply, Service};
use estate::Estate;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What the simulated account holds.
#[derive(Clone, Debug)]
pub struct TencentEstate {
    /// The regions that exist.
    pub regions: Vec<String>,
    /// CVM instances of each region.
    pub instances: usize,
    /// Metrics of CVM, at most 24; the last two are listed and cannot be fetched.
    pub metrics: usize,
    /// Names that are hard to carry.
    pub nasty: bool,
    /// Some datapoints are missing for ever.
    pub gaps: bool,
}

impl Default for TencentEstate {
    fn default() -> Self {
        Self {
            regions: ["ap-guangzhou", "ap-shanghai", "ap-beijing"].map(str::to_owned).to_vec(),
            instances: 12,
            metrics: 24,
            nasty: true,
            gaps: true,
        }
    }
}

/// The keys that work, and those that do not.
#[derive(Clone, Debug)]
pub struct TencentKeys {
    /// A long-lived key.
    pub secret_id: String,
    /// Its secret.
    pub secret_key: String,
    /// A temporary key.
    pub temporary_secret_id: String,
    /// Its secret.
    pub temporary_secret_key: String,
    /// The token that goes with it.
    pub token: String,
    /// The token of temporary keys that have expired; id and secret are those above.
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
    role: bool,
}

/// Calls by region and `service:Action`.
type Calls = BTreeMap<(String, String), u64>;

/// The calls of this second, by region and action.
type Second = BTreeMap<(String, String), (i64, u64)>;

/// The double of Tencent Cloud.
#[derive(Debug)]
pub(crate) struct Tencent {
    clock: Arc<Clock>,
    pub(crate) faults: Faults,
    keys: TencentKeys,
    latency: Duration,
    log: Option<fn(&str)>,
    estate: Mutex<Estate>,
    calls: Mutex<Calls>,
    denied: Mutex<BTreeSet<String>>,
    signing: Mutex<BTreeMap<String, Vec<Key>>>,
    sessions: AtomicU64,
    /// Calls a second of one region and action; 0 is any number.
    rate: AtomicU64,
    second: Mutex<Second>,
    /// Calls of `GetMonitorData` that are still free; negative is any number.
    free: AtomicI64,
    /// The code when none is left: which one it is, is nowhere documented.
    used_up: Mutex<&'static str>,
    /// Does `GetMonitorData` hold to the older limits?
    narrow: std::sync::atomic::AtomicBool,
    pub(crate) market: Market,
}

/// A refusal.
#[derive(Debug)]
struct Refusal {
    code: &'static str,
    message: String,
}

fn refuse(code: &'static str, message: impl Into<String>) -> Refusal {
    Refusal { code, message: message.into() }
}

/// What a service needs to answer.
struct Context<'call> {
    tencent: &'call Tencent,
    region: &'call str,
    action: &'call str,
    /// Are these the keys of a role?
    role: bool,
}

impl Context<'_> {
    fn no_such_action(&self) -> Refusal {
        refuse(
            "InvalidAction",
            format!("The request action={} is invalid or not found in product", self.action),
        )
    }
}

/// A request's parameters: typed, and none that is not known.
struct Parameters(Map<String, Value>);

impl Parameters {
    fn of(value: &Value) -> Option<Self> {
        value.as_object().cloned().map(Self)
    }

    fn only(&self, known: &[&str]) -> Result<(), Refusal> {
        match self.0.keys().find(|name| !known.contains(&name.as_str())) {
            None => Ok(()),
            Some(name) => {
                Err(refuse("UnknownParameter", format!("The parameter `{name}` is not recognized.")))
            }
        }
    }

    /// A member that is there and not null.
    fn get<T>(&self, name: &str, read: impl FnOnce(&Value) -> Option<T>) -> Result<Option<T>, Refusal> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => match read(value) {
                Some(value) => Ok(Some(value)),
                None => Err(refuse(
                    "InvalidParameter",
                    format!("The value type of parameter `{name}` is not valid."),
                )),
            },
        }
    }

    fn number(&self, name: &str) -> Result<Option<i64>, Refusal> {
        self.get(name, Value::as_i64)
    }

    fn text(&self, name: &str) -> Result<Option<String>, Refusal> {
        self.get(name, |value| value.as_str().map(str::to_owned))
    }

    fn list(&self, name: &str) -> Result<Option<&[Value]>, Refusal> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Array(list)) => Ok(Some(list)),
            Some(_) => Err(refuse("InvalidParameter", format!("The parameter `{name}` is no list."))),
        }
    }

    fn texts(&self, name: &str) -> Result<Option<Vec<String>>, Refusal> {
        let texts = |list: &[Value]| list.iter().map(|text| text.as_str().map(str::to_owned)).collect();
        match self.list(name)?.map(texts) {
            None => Ok(None),
            Some(Some(texts)) => Ok(Some(texts)),
            Some(None) => {
                Err(refuse("InvalidParameter", format!("The parameter `{name}` is no list of texts.")))
            }
        }
    }
}

impl Tencent {
    pub(crate) fn new(
        clock: Arc<Clock>,
        options: &TencentEstate,
        seed: u64,
        latency: Duration,
        log: Option<fn(&str)>,
    ) -> Self {
        let keys = TencentKeys {
            secret_id: "AKIDSimcloud00000000000000000000001".into(),
            secret_key: "simcloudSecretKey0123456789abcdef".into(),
            temporary_secret_id: "AKIDSimcloudTemporary00000000000002".into(),
            temporary_secret_key: "simcloudTemporarySecretKey01234567".into(),
            token: "simcloudToken0123456789abcdefghijklmnopqrstuvwxyz".into(),
            expired_token: "simcloudExpiredToken0123456789abcdefghijklmnopqrstuvwxyz".into(),
            role_arn: "qcs::cam::uin/100012345678:roleName/funchost".into(),
            external_id: "simcloud-external-id".into(),
        };
        let now = clock.now();
        let key = |secret: &str, token: Option<&str>, expires| Key {
            secret: secret.to_owned(),
            token: token.map(str::to_owned),
            expires,
            role: false,
        };
        let signing = BTreeMap::from([
            (keys.secret_id.clone(), vec![key(&keys.secret_key, None, None)]),
            (
                keys.temporary_secret_id.clone(),
                vec![
                    key(&keys.temporary_secret_key, Some(&keys.token), Some(now + 30 * 86_400)),
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
            log,
            calls: Mutex::default(),
            denied: Mutex::default(),
            signing: Mutex::new(signing),
            sessions: AtomicU64::new(0),
            rate: AtomicU64::new(0),
            second: Mutex::default(),
            free: AtomicI64::new(-1),
            used_up: Mutex::new("FailedOperation.ErrNotOpen"),
            narrow: std::sync::atomic::AtomicBool::new(false),
            market: Market::default(),
        }
    }

    fn estate(&self) -> MutexGuard<'_, Estate> {
        lock(&self.estate)
    }

    pub(crate) fn calls(&self) -> MutexGuard<'_, Calls> {
        lock(&self.calls)
    }

    pub(crate) fn denied(&self) -> MutexGuard<'_, BTreeSet<String>> {
        lock(&self.denied)
    }

    /// The most instances and datapoints of one call.
    fn most(&self) -> (usize, usize) {
        if self.narrow.load(Ordering::Relaxed) { (10, 1440) } else { (50, 7200) }
    }

    /// Takes one of the free calls.
    fn pay(&self) -> Result<(), Refusal> {
        let left = self.free.load(Ordering::Relaxed);
        if left == 0 {
            return Err(refuse(
                *lock(&self.used_up),
                "the free quota of this API is used up or the service is not activated",
            ));
        }
        if left > 0 {
            self.free.fetch_sub(1, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Keys of a role that expire.
    fn new_session(&self, expires: i64) -> (String, String, String) {
        let number = self.sessions.fetch_add(1, Ordering::Relaxed) + 1;
        let id = format!("AKIDRole{number:024}");
        let secret = format!("roleSecret{number:024}");
        let token = format!("roleToken{number:040}");
        let key =
            Key { secret: secret.clone(), token: Some(token.clone()), expires: Some(expires), role: true };
        lock(&self.signing).insert(id.clone(), vec![key]);
        (id, secret, token)
    }

    fn handle(&self, asked: &Asked) -> Reply {
        if asked.header("authorization").is_some_and(|header| header.starts_with("q-sign-algorithm=")) {
            return self.store(asked);
        }
        let claimed = tc3::claim(asked);
        let service = claimed.as_ref().map_or("", |claim| claim.service.as_str());
        let action = asked.header("x-tc-action").unwrap_or_default();
        let region = asked.header("x-tc-region").unwrap_or_default();
        let name = format!("{service}:{action}");
        *self.calls().entry((region.to_owned(), name.clone())).or_default() += 1;
        if let Some(log) = self.log {
            log(&format!("{name} {region}"));
        }
        let fault = self.faults.hit(service, action, region);
        if let Some(reply) = fault.as_ref().and_then(broken) {
            return reply;
        }
        let result = claimed
            .map_err(|why| refuse("AuthFailure.InvalidAuthorization", why))
            .and_then(|claim| self.answer(asked, &claim, action, region, &name))
            .map(|mut answer| {
                if fault == Some(FaultKind::OtherDimensions) {
                    monitor::rename(&mut answer);
                }
                answer
            });
        match (fault, shaped(result)) {
            (Some(FaultKind::CutBody), Reply::Answer { status, headers, body }) => {
                Reply::Cut { status, headers, body }
            }
            (_, reply) => reply,
        }
    }

    /// A call of the object store's service.
    fn store(&self, asked: &Asked) -> Reply {
        *self.calls().entry((String::new(), "cos:GetService".to_owned())).or_default() += 1;
        let refused = |status: u16, code: &str, message: &str| {
            let body = format!(
                "<?xml version='1.0' encoding='utf-8' ?>\n<Error><Code>{code}</Code><Message>{message}</Message><RequestId>{REQUEST_ID}</RequestId></Error>"
            );
            Reply::new(status, "application/xml", body)
        };
        let query = cos::pairs(asked.uri.query().unwrap_or_default());
        let secret = |id: &str| {
            let keys = lock(&self.signing).get(id).cloned()?;
            let token = asked.header("x-cos-security-token");
            keys.iter().find(|key| key.token.as_deref() == token).map(|key| key.secret.clone())
        };
        if let Err((code, message)) = cos::check(asked, &query, self.clock.now(), secret) {
            return refused(403, code, message);
        }
        if self.denied().contains("cos:GetService") {
            return refused(403, "AccessDenied", "Access Denied.");
        }
        let Some((call, _)) = self.market.find(asked, "cos", "GetService", "") else {
            return refused(404, "NoSuchBucket", "nothing is stored here");
        };
        match call.answer("", market::texts(query)) {
            Ok(answer) => {
                Reply::new(200, "application/xml", market::xml(&call.element, &answer, &call, true))
            }
            Err(why) => refused(400, "InvalidArgument", &why),
        }
    }

    fn answer(
        &self,
        asked: &Asked,
        claim: &tc3::Claim,
        action: &str,
        region: &str,
        name: &str,
    ) -> Result<Value, Refusal> {
        let json = asked.header("content-type").is_some_and(|kind| kind.starts_with("application/json"));
        if asked.method != http::Method::POST
            || asked.uri.path() != "/"
            || asked.uri.query().is_some()
            || !json
        {
            return Err(refuse("UnsupportedProtocol", "only POST / with JSON is understood here"));
        }
        let role = self.authenticate(asked, claim)?;
        let version = asked.header("x-tc-version").unwrap_or_default();
        let known = match claim.service.as_str() {
            "cvm" => "2017-03-12",
            "monitor" => "2018-07-24",
            "sts" => "2018-08-13",
            service => {
                let no_product =
                    || refuse("NoSuchProduct", format!("the product `{service}` does not exist"));
                &self.market.version(service).ok_or_else(no_product)?
            }
        };
        if version != known {
            return Err(refuse(
                "NoSuchVersion",
                format!("the version `{version}` does not exist, {known} does"),
            ));
        }
        if region.is_empty() {
            return Err(refuse("MissingParameter", "The request is missing a required parameter `Region`."));
        }
        if !self.estate().has(region) {
            return Err(refuse("UnsupportedRegion", format!("The region `{region}` is not supported.")));
        }
        self.limit(action, region)?;
        if self.denied().contains(name) {
            return Err(unauthorized(name));
        }
        let body = if asked.body.is_empty() { b"{}".as_slice() } else { &asked.body };
        let parameters = serde_json::from_slice::<Map<String, Value>>(body)
            .map(Parameters)
            .map_err(|_| refuse("InvalidParameter", "the body is no JSON object"))?;
        let context = Context { tencent: self, region, action, role };
        match claim.service.as_str() {
            "cvm" => cvm::answer(&context, &parameters),
            "monitor" => monitor::answer(&context, &parameters),
            "sts" => sts::answer(&context, &parameters),
            service => {
                let (call, _) = self
                    .market
                    .find(asked, service, action, version)
                    .ok_or_else(|| context.no_such_action())?;
                let given = parameters.0.into_iter().collect();
                call.answer(region, given).map_err(|why| refuse("InvalidParameter", why))
            }
        }
    }

    /// Whose request is it? Says whether the keys are those of a role.
    fn authenticate(&self, asked: &Asked, claim: &tc3::Claim) -> Result<bool, Refusal> {
        let now = self.clock.now();
        if (claim.time - now).abs() > tc3::SKEW {
            return Err(expired());
        }
        if !claim.dated() {
            return Err(refuse(
                "AuthFailure.SignatureFailure",
                "the date of Credential is not that of X-TC-Timestamp in UTC",
            ));
        }
        let keys = lock(&self.signing).get(&claim.secret_id).cloned().ok_or_else(|| {
            refuse(
                "AuthFailure.SecretIdNotFound",
                "The SecretId is not found, please ensure that your SecretId is correct.",
            )
        })?;
        if !keys.first().is_some_and(|key| tc3::check(asked, claim, &key.secret)) {
            return Err(refuse(
                "AuthFailure.SignatureFailure",
                "The provided credentials could not be validated. Please check your signature is correct.",
            ));
        }
        let token = asked.header("x-tc-token");
        let key = keys.iter().find(|key| key.token.as_deref() == token).ok_or_else(wrong_token)?;
        if key.expires.is_some_and(|expires| expires <= now) {
            return Err(wrong_token());
        }
        Ok(key.role)
    }

    fn limit(&self, action: &str, region: &str) -> Result<(), Refusal> {
        let rate = self.rate.load(Ordering::Relaxed);
        if rate == 0 {
            return Ok(());
        }
        let now = self.clock.now();
        let mut second = lock(&self.second);
        let (at, count) = second.entry((region.to_owned(), action.to_owned())).or_insert((now, 0));
        if *at != now {
            (*at, *count) = (now, 0);
        }
        *count += 1;
        if *count > rate {
            return Err(refuse(
                "RequestLimitExceeded.UinLimitExceeded",
                format!("您当前每秒请求 `{count}` 次，超过了每秒频率上限 `{rate}` 次，请稍后重试"),
            ));
        }
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Service for Tencent {
    async fn answer(self: Arc<Self>, asked: Asked) -> Reply {
        if !self.latency.is_zero() {
            tokio::time::sleep(self.latency).await;
        }
        let date = self.clock.date();
        self.handle(&asked).header("date", date)
    }
}

fn expired() -> Refusal {
    refuse(
        "AuthFailure.SignatureExpire",
        "The provided signature is expired: the difference between X-TC-Timestamp and the server's time is more than 300 seconds",
    )
}

fn wrong_token() -> Refusal {
    refuse("AuthFailure.TokenFailure", "The provided token is not valid or has expired.")
}

fn unauthorized(name: &str) -> Refusal {
    refuse(
        "UnauthorizedOperation",
        format!(
            "[request id:{REQUEST_ID}]you are not authorized to perform operation ({name}) on resource (*) has no permission"
        ),
    )
}

const REQUEST_ID: &str = "00000000-0000-4000-8000-000000000000";

fn shaped(result: Result<Value, Refusal>) -> Reply {
    let mut response = match result {
        Ok(response) => response,
        Err(Refusal { code, message }) => json!({ "Error": { "Code": code, "Message": message } }),
    };
    response["RequestId"] = REQUEST_ID.into();
    Reply::new(200, "application/json", json!({ "Response": response }).to_string())
}

/// The faults that need no answer of the service.
fn broken(fault: &FaultKind) -> Option<Reply> {
    let refusal = match fault {
        FaultKind::Throttle => refuse("RequestLimitExceeded", "Request limit exceeded."),
        FaultKind::Status(status) => {
            let body = json!({ "Response": { "Error": { "Code": "InternalError", "Message": "An internal error has occurred." }, "RequestId": REQUEST_ID } });
            return Some(Reply::new(*status, "application/json", body.to_string()));
        }
        FaultKind::Denied => unauthorized("this action"),
        FaultKind::ExpiredToken => wrong_token(),
        FaultKind::SkewedClock => expired(),
        FaultKind::InternalErrorResult => refuse("InternalError.ExeTimeout", "execution timed out"),
        FaultKind::HtmlUnavailable => {
            return Some(Reply::new(
                503,
                "text/html",
                "<html><head><title>503</title></head><body>Service Unavailable</body></html>",
            ));
        }
        FaultKind::BadBody => return Some(Reply::new(200, "application/json", "{\"Response\": <no")),
        FaultKind::EmptyBody => return Some(Reply::new(200, "application/json", "")),
        FaultKind::HugeBody(bytes) => return Some(Reply::new(200, "application/json", vec![b' '; *bytes])),
        FaultKind::Hang => return Some(Reply::Hang),
        FaultKind::Reset => return Some(Reply::Reset),
        FaultKind::CutBody
        | FaultKind::ForbiddenResult
        | FaultKind::PartialData
        | FaultKind::TopLevelMessage
        | FaultKind::RepeatedToken
        | FaultKind::OtherDimensions => return None,
    };
    Some(shaped(Err(refusal)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hmac::{Hmac, KeyInit as _, Mac as _};
    use sha2::{Digest as _, Sha256};

    /// A request, as a client of its own makes it.
    struct Request {
        service: &'static str,
        action: &'static str,
        version: &'static str,
        region: &'static str,
        body: Value,
        time: i64,
        id: String,
        secret: String,
        token: Option<String>,
    }

    impl Request {
        fn send(&self, tencent: &Tencent, change: impl FnOnce(&mut Asked)) -> Value {
            let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
            let mac = |key: &[u8], text: &str| {
                let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
                mac.update(text.as_bytes());
                mac.finalize().into_bytes().to_vec()
            };
            let body = self.body.to_string();
            let date = crate::clock::time(self.time).format("%Y-%m-%d").to_string();
            let scope = format!("{date}/{}/tc3_request", self.service);
            let canonical = format!(
                "POST\n/\n\ncontent-type:application/json\nhost:127.0.0.1\n\ncontent-type;host\n{}",
                hex(&Sha256::digest(body.as_bytes()))
            );
            let text = format!(
                "TC3-HMAC-SHA256\n{}\n{scope}\n{}",
                self.time,
                hex(&Sha256::digest(canonical.as_bytes()))
            );
            let key = [date.as_str(), self.service, "tc3_request"]
                .iter()
                .fold(format!("TC3{}", self.secret).into_bytes(), |key, part| mac(&key, part));
            let mut headers = http::HeaderMap::new();
            let authorization = format!(
                "TC3-HMAC-SHA256 Credential={}/{scope}, SignedHeaders=content-type;host, Signature={}",
                self.id,
                hex(&mac(&key, &text))
            );
            for (name, value) in [
                ("host", "127.0.0.1"),
                ("content-type", "application/json"),
                ("authorization", &authorization),
                ("x-tc-action", self.action),
                ("x-tc-version", self.version),
                ("x-tc-region", self.region),
                ("x-tc-timestamp", &self.time.to_string()),
            ] {
                headers.insert(name, value.parse().unwrap());
            }
            if let Some(token) = &self.token {
                headers.insert("x-tc-token", token.parse().unwrap());
            }
            let mut asked =
                Asked { method: http::Method::POST, uri: "/".parse().unwrap(), headers, body: body.into() };
            change(&mut asked);
            let Reply::Answer { status: 200, body, .. } = tencent.handle(&asked) else { panic!("no answer") };
            serde_json::from_slice::<Value>(&body).unwrap()["Response"].take()
        }

        fn code(&self, tencent: &Tencent) -> String {
            let answer = self.send(tencent, |_| {});
            answer["Error"]["Code"].as_str().unwrap_or("ok").to_owned()
        }
    }

    fn cloud() -> Tencent {
        let options = TencentEstate { instances: 60, gaps: false, ..TencentEstate::default() };
        Tencent::new(Arc::default(), &options, 1, Duration::ZERO, None)
    }

    fn list(tencent: &Tencent) -> Request {
        Request {
            service: "cvm",
            action: "DescribeInstances",
            version: "2017-03-12",
            region: "ap-shanghai",
            body: json!({}),
            time: tencent.clock.now(),
            id: tencent.keys.secret_id.clone(),
            secret: tencent.keys.secret_key.clone(),
            token: None,
        }
    }

    fn data(tencent: &Tencent, body: Value) -> Request {
        let mut all = json!({ "Namespace": "QCE/CVM", "MetricName": "CPUUsage", "Period": 60, "Instances": named(tencent, 1) });
        all["StartTime"] = crate::clock::time(tencent.clock.now() - 600).to_rfc3339().into();
        for (key, value) in body.as_object().unwrap() {
            all[key] = value.clone();
        }
        let list = list(tencent);
        Request { service: "monitor", action: "GetMonitorData", version: "2018-07-24", body: all, ..list }
    }

    fn named(tencent: &Tencent, many: usize) -> Value {
        let estate = tencent.estate();
        let instances = estate.instances("ap-shanghai").iter().take(many);
        instances.map(|one| json!({ "Dimensions": [{ "Name": "InstanceId", "Value": one.id }] })).collect()
    }

    #[test]
    fn who_asks_must_be_known_and_in_time() {
        let tencent = cloud();
        let keys = tencent.keys.clone();
        let now = tencent.clock.now();
        let temporary = |token: Option<&str>| Request {
            id: keys.temporary_secret_id.clone(),
            secret: keys.temporary_secret_key.clone(),
            token: token.map(str::to_owned),
            ..list(&tencent)
        };
        for (request, code) in [
            (list(&tencent), "ok"),
            (Request { time: now - 299, ..list(&tencent) }, "ok"),
            (Request { time: now - 310, ..list(&tencent) }, "AuthFailure.SignatureExpire"),
            (Request { time: now + 310, ..list(&tencent) }, "AuthFailure.SignatureExpire"),
            (Request { secret: "wrong".into(), ..list(&tencent) }, "AuthFailure.SignatureFailure"),
            (Request { id: "AKIDother".into(), ..list(&tencent) }, "AuthFailure.SecretIdNotFound"),
            (Request { token: Some("t".into()), ..list(&tencent) }, "AuthFailure.TokenFailure"),
            (temporary(Some(&keys.token)), "ok"),
            (temporary(Some(&keys.expired_token)), "AuthFailure.TokenFailure"),
            (temporary(None), "AuthFailure.TokenFailure"),
        ] {
            assert_eq!(request.code(&tencent), code, "{} at {}", request.id, request.time - now);
        }
        let answer = list(&tencent).send(&tencent, |asked| drop(asked.headers.remove("authorization")));
        assert_eq!(answer["Error"]["Code"], "AuthFailure.InvalidAuthorization");
        let answer = list(&tencent).send(&tencent, |asked| asked.body = "{ }".into());
        assert_eq!(answer["Error"]["Code"], "AuthFailure.SignatureFailure", "the body is signed");
    }

    #[test]
    fn what_is_asked_must_exist_and_be_allowed() {
        let tencent = cloud();
        for (request, code) in [
            (Request { region: "ap-nowhere", ..list(&tencent) }, "UnsupportedRegion"),
            (Request { region: "", ..list(&tencent) }, "MissingParameter"),
            (Request { version: "2018-03-12", ..list(&tencent) }, "NoSuchVersion"),
            (Request { service: "cbs", ..list(&tencent) }, "NoSuchProduct"),
            (Request { action: "DescribeImages", ..list(&tencent) }, "InvalidAction"),
            (Request { body: json!({ "limit": 1 }), ..list(&tencent) }, "UnknownParameter"),
            (Request { body: json!({ "Limit": "1" }), ..list(&tencent) }, "InvalidParameter"),
            (
                Request { body: json!({ "Limit": 101 }), ..list(&tencent) },
                "InvalidParameterValue.LimitExceeded",
            ),
            (Request { body: json!({ "Offset": -1 }), ..list(&tencent) }, "InvalidParameterValue.Range"),
            (
                Request { body: json!({ "InstanceIds": ["ins-none"] }), ..list(&tencent) },
                "InvalidInstanceId.NotFound",
            ),
        ] {
            assert_eq!(request.code(&tencent), code, "{} {}", request.action, request.body);
        }
        let page =
            Request { body: json!({ "Offset": 50, "Limit": 100 }), ..list(&tencent) }.send(&tencent, |_| {});
        assert_eq!(
            (&page["TotalCount"], page["InstanceSet"].as_array().map(Vec::len)),
            (&json!(60), Some(10))
        );
        tencent.denied().insert("cvm:DescribeInstances".into());
        assert_eq!(list(&tencent).code(&tencent), "UnauthorizedOperation");
    }

    #[test]
    fn datapoints_are_asked_for_within_the_limits() {
        let tencent = cloud();
        let twice = json!([named(&tencent, 1)[0], named(&tencent, 1)[0]]);
        let other = json!([{ "Dimensions": [{ "Name": "InstanceId", "Value": "ins-none" }] }]);
        let misspelt = json!([{ "Dimensions": [{ "Name": "instanceid", "Value": "ins-none" }] }]);
        for (body, code, words) in [
            (json!({}), "ok", ""),
            (json!({ "Instances": named(&tencent, 50) }), "ok", ""),
            (json!({ "Instances": named(&tencent, 51) }), "InvalidParameterValue", "51 are asked for"),
            (json!({ "Instances": [] }), "InvalidParameterValue", "0 are asked for"),
            (json!({ "Instances": twice }), "InvalidParameterValue", "twice"),
            (
                json!({ "Instances": other }),
                "InvalidParameterValue",
                "does not belong to the developer 1250000000",
            ),
            (json!({ "Instances": misspelt }), "InvalidParameterValue", "Param dimensions error"),
            (
                json!({ "MetricName": "DccCpuUsage" }),
                "InvalidParameterValue",
                "cannot find metricName=DccCpuUsage configure",
            ),
            (
                json!({ "MetricName": "cpuusage" }),
                "InvalidParameterValue",
                "cannot find metricName=cpuusage configure",
            ),
            (json!({ "Namespace": "QCE/CVN" }), "InvalidParameterValue", "QCE/CVN"),
            (json!({ "Period": 30 }), "InvalidParameterValue", "period=30"),
            (json!({ "StartTime": "2026-01-01 00:00:00" }), "InvalidParameterValue", "StartTime"),
            (
                json!({ "StartTime": "2026-01-02T00:00:00+08:00", "EndTime": "2026-01-01T00:00:00+08:00" }),
                "InvalidParameterValue",
                "before",
            ),
            (
                json!({ "StartTime": "2026-01-01T00:00:00Z", "EndTime": "2026-01-07T00:00:00Z" }),
                "LimitExceeded",
                "7200",
            ),
            (json!({ "SpecifyStatistics": 2 }), "InvalidParameterValue", "no valid statistics type"),
            (json!({ "SpecifyStatistics": 1 }), "ok", ""),
            (json!({ "Statistics": 1 }), "UnknownParameter", "Statistics"),
        ] {
            let answer = data(&tencent, body.clone()).send(&tencent, |_| {});
            assert_eq!(answer["Error"]["Code"].as_str().unwrap_or("ok"), code, "{body}: {answer}");
            assert!(answer["Error"]["Message"].as_str().unwrap_or_default().contains(words), "{answer}");
        }
        tencent.narrow.store(true, Ordering::Relaxed);
        assert_eq!(
            data(&tencent, json!({ "Instances": named(&tencent, 11) })).code(&tencent),
            "InvalidParameterValue"
        );
        assert_eq!(data(&tencent, json!({ "Instances": named(&tencent, 1) })).code(&tencent), "ok");
        tencent.free.store(1, Ordering::Relaxed);
        assert_eq!(data(&tencent, json!({})).code(&tencent), "ok");
        assert_eq!(data(&tencent, json!({})).code(&tencent), "FailedOperation.ErrNotOpen");
    }

    #[test]
    fn windows_are_floored_and_their_end_belongs_to_them() {
        let tencent = cloud();
        let minute = tencent.clock.now() / 60 * 60;
        let shown = |time: i64| crate::clock::time(time).to_rfc3339();
        let answer =
            data(&tencent, json!({ "StartTime": shown(minute - 541), "EndTime": shown(minute - 121) }))
                .send(&tencent, |_| {});
        let times: Vec<i64> = (0..8).map(|number| minute - 600 + number * 60).collect();
        assert_eq!(answer["DataPoints"][0]["Timestamps"], json!(times));
        assert_eq!(answer["Period"], 60);
        let start = chrono::DateTime::parse_from_rfc3339(answer["StartTime"].as_str().unwrap()).unwrap();
        assert_eq!((start.timestamp(), start.offset().local_minus_utc()), (minute - 600, 8 * 3600));
    }

    #[test]
    fn calls_beyond_the_rate_are_refused_by_region_and_action() {
        let tencent = cloud();
        tencent.rate.store(3, Ordering::Relaxed);
        // Enough for every second that this takes.
        let codes: BTreeSet<String> = (0..200).map(|_| list(&tencent).code(&tencent)).collect();
        assert_eq!(
            codes,
            BTreeSet::from(["RequestLimitExceeded.UinLimitExceeded".to_owned(), "ok".to_owned()])
        );
        assert_eq!(Request { region: "ap-beijing", ..list(&tencent) }.code(&tencent), "ok");
    }

    #[test]
    fn the_same_seed_makes_the_same_estate() {
        let ids = |tencent: &Tencent| -> Vec<String> {
            tencent.estate().instances("ap-shanghai").iter().map(|one| one.id.clone()).collect()
        };
        assert_eq!(ids(&cloud()), ids(&cloud()));
        let other = Tencent::new(Arc::default(), &TencentEstate::default(), 2, Duration::ZERO, None);
        assert_ne!(ids(&cloud())[0], ids(&other)[0]);
    }
}
