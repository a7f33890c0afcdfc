//! The one path that every API call takes: limit, sign, send, classify, retry, count.
//!
//! Owns the HTTP client, the limiters, the clock offsets and the counts of the process. Knows nothing of products: what is
//! asked, how it is signed and what an answer means comes with each [`Call`].

mod limiter;
mod session;
mod tap;
mod text;
mod transport;

use crate::account::Cloud;
use crate::clock::{Clock, SECOND, nanoseconds};
use crate::collector::Action;
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
pub use limiter::{Ask, SharedRates, TURNS, Turns};

use limiter::{Limiter, Scope};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use transport::{chain, refuse};

pub use session::Credentials;
pub use tap::{Answered, Asked, Tap};
pub use text::{cut, hide, number, spellings};
pub use transport::is_near;

pub(crate) use session::Sessions;
pub(crate) use text::{encode, foreign, without_echo};

/// The target of the spans that make a trace. They hold no secret: names, numbers and codes alone.
pub const TRACED: &str = "traced";

/// What kind of failure it was, which decides what can be done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// Too many calls: slow down.
    Throttled,
    /// 5xx, cut or unreadable answers, sockets: may succeed later.
    Transient,
    /// The signature was refused for its time.
    Skewed,
    /// The keys are wrong or have expired.
    Authentication,
    /// The keys may not do this.
    Denied,
    /// The request is wrong, or what it names does not exist.
    Refused,
    /// The free or paid quota is used up.
    Quota,
}

/// A call that failed for good.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{service}:{action} {}{}: {code}: {message}", if region.is_empty() { String::new() } else { format!("in {region} ") }, match *attempts { 0 => "was not made".to_owned(), 1 => "failed after 1 attempt".to_owned(), more => format!("failed after {more} attempts") })]
pub struct CallError {
    /// Whose.
    pub cloud: Cloud,
    /// The service's name in endpoints and limits.
    pub service: String,
    /// The API's name of the call.
    pub action: String,
    /// Where; empty for a central service.
    pub region: String,
    /// What kind.
    pub fault: Fault,
    /// The cloud's own code, or ours in small letters: `timeout`, `connection`, `no connection`, `host not found`, `certificate`, `unreadable answer`.
    pub code: String,
    /// The cloud's own text, cut to what may be shown: one line, at most 300 characters, without what was signed.
    pub message: String,
    /// The cloud's id of the request, for its support.
    pub request_id: Option<String>,
    /// How often it was tried.
    pub attempts: u32,
    /// What to do about it.
    pub hint: Option<String>,
}

/// What was called, by `service:Action`, and what still may be.
#[derive(Debug)]
pub struct Counts {
    made: Mutex<Made>,
    allowance: Option<Allowance>,
    /// Is only some of what is announced called?
    trial: bool,
    /// What of the allowance is left for these counts; less, where others use it too.
    left: AtomicU64,
    /// What the calls are part of, for whoever traces.
    span: tracing::Span,
}

#[derive(Debug, Default)]
struct Made {
    calls: BTreeMap<String, u64>,
    /// Metrics asked for, by the same names.
    metrics: BTreeMap<String, u64>,
    /// Those of calls that are under way: billed unless the cloud refuses them.
    asked: BTreeMap<String, u64>,
    /// Units that were announced.
    announced: u64,
}

/// One attempt, from the permission to make it to its end: what it is counted as follows from how it ends, a collection that is stopped included.
struct Attempt<'counts> {
    counts: &'counts Counts,
    name: String,
    metrics: u64,
    /// Will the cloud bill it?
    billed: bool,
}

impl Attempt<'_> {
    /// It goes out now: from here on only the cloud's refusal makes it free.
    fn sent(&mut self) {
        self.billed = true;
        *self.counts.lock().calls.entry(self.name.clone()).or_default() += 1;
    }

    /// The cloud did not work on it.
    fn refused(&mut self) {
        self.billed = false;
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if self.metrics == 0 {
            return;
        }
        let mut made = self.counts.lock();
        if let Some(asked) = made.asked.get_mut(&self.name) {
            *asked = asked.saturating_sub(self.metrics);
        }
        if self.billed {
            *made.metrics.entry(std::mem::take(&mut self.name)).or_default() += self.metrics;
        }
    }
}

/// How much of an account's metered calls a collector may still use.
#[derive(Clone, Debug)]
pub struct Allowance {
    /// The calls that use it: `monitoring:GetMetricData`.
    pub actions: Vec<String>,
    /// Is it counted by the metric, not by the call?
    pub by_metric: bool,
    /// Units that are left.
    pub left: u64,
    /// Whose budget, how much of it is used, and what can be done, for a person.
    pub why: String,
}

impl Default for Counts {
    fn default() -> Self {
        Self::within(None)
    }
}

impl Counts {
    /// Counts that end the metered calls where the allowance ends.
    #[must_use]
    pub fn within(allowance: Option<Allowance>) -> Self {
        let left = AtomicU64::new(allowance.as_ref().map_or(0, |allowance| allowance.left));
        Self { made: Mutex::default(), allowance, trial: false, left, span: tracing::Span::none() }
    }

    /// The same, whose calls are traced as parts of a span.
    #[must_use]
    pub fn under(self, span: tracing::Span) -> Self {
        Self { span, ..self }
    }

    /// The same for a trial, which calls less than is announced: each call is held against the allowance by itself.
    #[must_use]
    pub fn trial(allowance: Option<Allowance>) -> Self {
        Self { trial: true, ..Self::within(allowance) }
    }

    /// Says how many units all of these counts may use, those that were used included: others may have used of the same budget.
    pub fn set_left(&self, left: u64) {
        self.left.store(left, Ordering::Relaxed);
    }

    /// What was counted so far.
    #[must_use]
    pub fn snapshot(&self) -> BTreeMap<String, u64> {
        self.lock().calls.clone()
    }

    /// The metrics that were asked for so far, by the same names, as the cloud bills them: with every page and every attempt that it did not refuse,
    /// and with those that are under way.
    #[must_use]
    pub fn metrics(&self) -> BTreeMap<String, u64> {
        let made = self.lock();
        let mut metrics = made.metrics.clone();
        for (name, asked) in made.asked.iter().filter(|(_, asked)| **asked > 0) {
            *metrics.entry(name.clone()).or_default() += asked;
        }
        metrics
    }

    /// Says what will be called, before the first of these calls: all of it is allowed, or none.
    ///
    /// # Errors
    /// Why not, where it would be more than is left: the text of a [`Failure::Budget`](crate::collector::Failure::Budget).
    pub fn announce(&self, action: &Action, calls: u64, metrics: u64) -> Result<(), String> {
        let Some(allowance) = self.allowance_of(action) else { return Ok(()) };
        let units = if allowance.by_metric { metrics } else { calls };
        let mut made = self.lock();
        if !self.trial && made.announced.saturating_add(units) > self.left.load(Ordering::Relaxed) {
            return Err(allowance.refusal(&name(action), units.saturating_add(made.announced)));
        }
        made.announced += units;
        Ok(())
    }

    /// One more attempt, if it may be made: what was announced can turn out to be more, with pages and attempts.
    fn attempt(&self, action: &Action, metrics: u64) -> Result<Attempt<'_>, String> {
        let name = name(action);
        let mut made = self.lock();
        if let Some(allowance) = self.allowance_of(action) {
            let of = |counts: &BTreeMap<String, u64>| -> u64 {
                counts.iter().filter(|(name, _)| allowance.covers(name)).map(|(_, count)| count).sum()
            };
            let (used, more) = if allowance.by_metric {
                (of(&made.metrics) + of(&made.asked), metrics)
            } else {
                (of(&made.calls), 1)
            };
            if used.saturating_add(more) > self.left.load(Ordering::Relaxed) {
                if used == 0 {
                    return Err(allowance.why.clone());
                }
                let unit = if allowance.by_metric { "metrics" } else { "calls" };
                return Err(format!(
                    "this run used {used} of the {} {unit} that it found left; {}",
                    allowance.left, allowance.why
                ));
            }
        }
        if metrics > 0 {
            *made.asked.entry(name.clone()).or_default() += metrics;
        }
        drop(made);
        Ok(Attempt { counts: self, name, metrics, billed: false })
    }

    fn allowance_of(&self, action: &Action) -> Option<&Allowance> {
        self.allowance.as_ref().filter(|allowance| allowance.covers(&name(action)))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Made> {
        self.made.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Allowance {
    fn covers(&self, action: &str) -> bool {
        self.actions.iter().any(|own| own.eq_ignore_ascii_case(action))
    }

    /// What to say to a run that needs so many units for this call.
    #[must_use]
    pub fn refusal(&self, action: &str, units: u64) -> String {
        let unit = match (self.by_metric, units) {
            (true, 1) => "metric",
            (true, _) => "metrics",
            (false, 1) => "call",
            (false, _) => "calls",
        };
        format!("{action} was not called: this run needs {units} {unit}; {}", self.why)
    }
}

/// `service:Action`.
fn name(action: &Action) -> String {
    format!("{}:{}", action.service, action.action)
}

/// How the path is set up.
#[derive(Clone, Debug)]
pub struct Options {
    /// Calls a second by name, such as `aws.monitoring.GetMetricData`; letter case does not matter.
    pub limits: BTreeMap<String, f64>,
    /// Where a cloud (`aws`) or a service (`aws.monitoring`) answers instead of its own hosts.
    pub endpoints: BTreeMap<String, String>,
    /// How long connecting may take.
    pub connect: Duration,
    /// How long an answer may take, to its last byte.
    pub answer: Duration,
    /// Attempts, the first included.
    pub attempts: u32,
    /// Full jitter: from the first, doubling, up to the second.
    pub backoff: (Duration, Duration),
    /// Bytes of an answer, unpacked. More is cut with an error.
    pub answer_limit: usize,
    /// Who keeps the rates where other machines call with the same accounts.
    pub rates: Option<Arc<dyn SharedRates>>,
    /// What stands between the path and the network, if anything does.
    pub tap: Option<Arc<dyn Tap>>,
    /// No proxy, whatever the environment says: all that is called runs on this machine.
    pub direct: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            limits: BTreeMap::new(),
            endpoints: BTreeMap::new(),
            connect: Duration::from_secs(5),
            answer: Duration::from_secs(30),
            attempts: 5,
            backoff: (Duration::from_millis(200), Duration::from_secs(20)),
            answer_limit: 64 << 20,
            rates: None,
            tap: None,
            direct: false,
        }
    }
}

/// Why there is no path.
#[derive(Debug, thiserror::Error)]
pub enum CallPathError {
    /// A rate by which no call would ever go.
    #[error("the limit `{name}` is {rate}: write calls a second, more than 0")]
    Rate {
        /// The limit's name.
        name: String,
        /// What was given.
        rate: f64,
    },
    /// The HTTP client refused its settings.
    #[error("the HTTP client cannot be made: {0}")]
    Client(String),
}

/// Makes a request, signed for a time (nanoseconds since 1970).
pub type MakeRequest<'call> = dyn Fn(i64) -> Result<http::Request<Bytes>, String> + Send + Sync + 'call;

/// Reads an answer, and keeps what it means.
pub type ReadAnswer<'call> =
    dyn Fn(StatusCode, &HeaderMap, &[u8]) -> Result<(), Refusal> + Send + Sync + 'call;

/// One call, as a product's client asks for it.
pub struct Call<'call> {
    /// Whose.
    pub cloud: Cloud,
    /// The account's identity: rates hold for it.
    pub account: &'call str,
    /// Where; empty for a central service.
    pub region: &'call str,
    /// What.
    pub action: &'static Action,
    /// How many metrics an attempt asks for, where the cloud bills by them; else 0.
    pub metrics: u64,
    /// Where attempts are counted.
    pub counts: &'call Counts,
    /// Makes the request, signed for this time (nanoseconds): called anew for every attempt.
    pub request: &'call MakeRequest<'call>,
    /// Reads the answer. What it means is kept by who asks: the way of a call stands in the program once, not for each type.
    pub read: &'call ReadAnswer<'call>,
}

/// What an answer means when it is no success.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// What kind.
    pub fault: Fault,
    /// The cloud's own code, or ours.
    pub code: String,
    /// The cloud's own text; the path cuts it.
    pub message: String,
    /// The cloud's id of the request.
    pub request_id: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
    /// How long the server asks to wait, where it says so otherwise than by `Retry-After`; the path bounds it.
    pub wait: Option<Duration>,
}

impl Refusal {
    /// Did the cloud certainly not work on the request? What broke on the way may have been worked on, and is billed then.
    fn is_free(&self) -> bool {
        match self.fault {
            Fault::Throttled | Fault::Skewed | Fault::Authentication | Fault::Denied | Fault::Quota => true,
            Fault::Refused => self.code != "answer too large",
            Fault::Transient => matches!(self.code.as_str(), transport::NO_HOST | transport::NO_CONNECTION),
        }
    }

    /// An answer that cannot be read: counts as a 5xx.
    #[must_use]
    pub fn unreadable(message: impl Into<String>) -> Self {
        Self {
            fault: Fault::Transient,
            code: "unreadable answer".into(),
            message: message.into(),
            request_id: None,
            hint: None,
            wait: None,
        }
    }
}

/// Offsets smaller than this are the network's, not the clock's.
const TOLERATED: i64 = 2 * SECOND;

/// A signature refused for its time is made anew when the clocks differ by more than this.
const SKEWED: i64 = 240 * SECOND;

/// The longest pause that a server's `Retry-After` can ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// The state of the path, one a process.
pub struct CallPath {
    options: Options,
    clock: Arc<dyn Clock>,
    http: reqwest::Client,
    /// One for all paths that follow each other, and so are the clocks.
    limiter: Arc<Limiter>,
    /// Nanoseconds from our clock to the cloud's, by cloud.
    offsets: Arc<[AtomicI64; 3]>,
    random: AtomicU64,
    /// The keys of assumed roles.
    pub(crate) sessions: Arc<Sessions>,
}

impl std::fmt::Debug for CallPath {
    // The client would print the proxies' passwords.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("CallPath").field("limiter", &self.limiter).finish_non_exhaustive()
    }
}

/// An attempt that did not succeed.
struct Failed {
    refusal: Refusal,
    /// How long the server asked to wait.
    retry_after: Option<Duration>,
    /// Nanoseconds that the answer's `Date` lies after the time that was signed.
    ahead: Option<i64>,
}

impl From<Refusal> for Failed {
    fn from(refusal: Refusal) -> Self {
        Self { refusal, retry_after: None, ahead: None }
    }
}

impl CallPath {
    /// A path for the process.
    ///
    /// # Errors
    /// A [`CallPathError`] where a limit is no rate, or the environment names a proxy that is no URL.
    pub fn new(mut options: Options, clock: Arc<dyn Clock>) -> Result<Self, CallPathError> {
        if let Some((name, rate)) =
            options.limits.iter().find(|(_, rate)| !(rate.is_finite() && **rate > 0.0))
        {
            return Err(CallPathError::Rate { name: name.clone(), rate: *rate });
        }
        let http = transport::client(&options).map_err(CallPathError::Client)?;
        let limiter = Limiter::new(std::mem::take(&mut options.limits), options.rates.clone());
        let seed = u64::from_le_bytes(clock.now().to_le_bytes()) ^ u64::from(std::process::id());
        Ok(Self {
            options,
            clock,
            http,
            limiter: Arc::new(limiter),
            offsets: Arc::default(),
            random: AtomicU64::new(seed),
            sessions: Arc::default(),
        })
    }

    /// Goes on where another path is. The calls of both go by one rate from now on, the one that this path was made with; what throttle answers
    /// taught that one, and what it knows of the clouds' clocks, holds on. The keys of assumed roles too, where both call the same endpoints.
    pub fn follow(&mut self, before: &Self) {
        before.limiter.configure(self.limiter.limits());
        self.limiter = before.limiter.clone();
        self.offsets = before.offsets.clone();
        if self.options.endpoints == before.options.endpoints {
            self.sessions = before.sessions.clone();
        }
    }

    /// The HTTP client for a URL that is no cloud's, such as DataKit's: what runs on this machine is not looked for behind a proxy.
    #[must_use]
    pub fn http_for(&self, url: &str) -> reqwest::Client {
        let near = reqwest::Url::parse(url)
            .ok()
            .filter(transport::is_near)
            .and_then(|url| transport::near(&self.options, &url).ok());
        near.unwrap_or_else(|| self.http.clone())
    }

    /// Nanoseconds that a cloud's clock is ahead of ours.
    #[must_use]
    pub fn offset(&self, cloud: Cloud) -> i64 {
        self.offsets[cloud as usize].load(Ordering::Relaxed)
    }

    /// The time at a cloud, nanoseconds since 1970.
    #[must_use]
    pub fn now(&self, cloud: Cloud) -> i64 {
        self.clock.now().saturating_add(self.offset(cloud))
    }

    /// Where a service answers by configuration; a service's own entry wins over its cloud's.
    #[must_use]
    pub fn endpoint(&self, cloud: Cloud, service: &str) -> Option<&str> {
        let own = self.options.endpoints.get(&format!("{}.{service}", cloud.key()));
        own.or_else(|| self.options.endpoints.get(cloud.key())).map(String::as_str)
    }

    /// What a person should know about clocks and rates.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        for cloud in [Cloud::Aliyun, Cloud::Aws, Cloud::Tencent] {
            let offset = self.offset(cloud) / SECOND;
            if offset.saturating_mul(SECOND).abs() >= 30 * SECOND {
                let direction = if offset > 0 { "behind" } else { "ahead of" };
                notes.push(format!(
                    "this machine's clock is {} s {direction} {}'s: signatures and windows use the cloud's time; set the clock (NTP)",
                    offset.abs(),
                    cloud.provider()
                ));
            }
        }
        for (scope, answers, rate, configured) in self.limiter.slowed() {
            let now = if rate < configured {
                format!("slowed down to {rate:.1} calls a second (configured: {configured})")
            } else {
                format!("slowed down, and back at {configured} calls a second as configured")
            };
            notes.push(format!(
                "{}:{} was throttled {answers} time{}{}: {now}",
                scope.service,
                scope.action,
                if answers == 1 { "" } else { "s" },
                if scope.region.is_empty() { String::new() } else { format!(" in {}", scope.region) },
            ));
        }
        notes
    }

    /// Makes a call: waits for its turn, signs, sends, reads, and tries again what can succeed.
    ///
    /// # Errors
    /// A [`CallError`] when it failed for good.
    pub async fn call(&self, call: Call<'_>) -> Result<(), CallError> {
        let action = call.action;
        let span = tracing::info_span!(
            target: TRACED,
            parent: &call.counts.span,
            "call",
            otel.name = %format_args!("{}:{}", action.service, action.action),
            otel.kind = "client",
            cloud = call.cloud.key(),
            region = call.region,
            attempts = tracing::field::Empty,
            code = tracing::field::Empty,
            otel.status_code = tracing::field::Empty,
        );
        let result = self.attempts(call, &span).await;
        if let Err(error) = &result {
            span.record("code", error.code.as_str()).record("otel.status_code", "ERROR");
        }
        if let Some(tap) = &self.options.tap {
            tap.ended(action.service, action.action, result.as_ref().copied());
        }
        result
    }

    async fn attempts(&self, call: Call<'_>, span: &tracing::Span) -> Result<(), CallError> {
        let scope = Scope {
            cloud: call.cloud,
            account: call.account.to_owned(),
            region: call.region.to_owned(),
            service: call.action.service,
            action: call.action.action,
        };
        let bucket = self.limiter.bucket(scope, call.action.rate);
        let mut attempts = 0;
        let mut corrected = false;
        loop {
            let turn = bucket.turn().await;
            let mut attempt = match call.counts.attempt(call.action, call.metrics) {
                Ok(attempt) => attempt,
                Err(why) => {
                    return Err(Self::failed(&call, refuse(Fault::Quota, "budget", why), None, attempts));
                }
            };
            attempts += 1;
            span.record("attempts", attempts);
            let Failed { refusal, retry_after, ahead } = match self.attempt(&call, &mut attempt).await {
                Ok(()) => {
                    bucket.speed_up(turn);
                    return Ok(());
                }
                Err(failed) => failed,
            };
            if refusal.is_free() {
                attempt.refused();
            }
            drop(attempt);
            if refusal.fault == Fault::Throttled {
                bucket.slow_down(turn);
            }
            // Clouds refuse a wrong time in many words, "the keys could not be validated" among them; the answer's own
            // `Date` decides. It has corrected the clock by now, so this attempt is made once more, beyond the others.
            let skewed = matches!(refusal.fault, Fault::Skewed | Fault::Authentication | Fault::Denied)
                && ahead.is_some_and(|ahead| ahead.abs() > SKEWED);
            let again = if skewed {
                !std::mem::replace(&mut corrected, true)
            } else {
                matches!(refusal.fault, Fault::Throttled | Fault::Transient)
                    && attempts < self.options.attempts
            };
            if !again {
                return Err(Self::failed(&call, refusal, ahead, attempts));
            }
            tracing::debug!(
                service = call.action.service,
                action = call.action.action,
                region = call.region,
                code = refusal.code,
                attempts,
                skewed,
                "trying again"
            );
            if !skewed {
                let pause = self.pause(attempts);
                tokio::time::sleep(retry_after.map_or(pause, |asked| asked.max(pause))).await;
            }
        }
    }

    async fn attempt(&self, call: &Call<'_>, attempt: &mut Attempt<'_>) -> Result<(), Failed> {
        let unusable = |message| refuse(Fault::Refused, "request cannot be made", message);
        let time = self.now(call.cloud);
        let request = (call.request)(time).map_err(unusable)?;
        let request =
            reqwest::Request::try_from(request).map_err(|error| unusable(chain(&error.without_url())))?;
        if !matches!(request.url().scheme(), "http" | "https") {
            return Err(unusable("the endpoint is neither http:// nor https://".to_owned()).into());
        }
        let mut ahead = None;
        let kept = self.options.tap.as_ref().map(|tap| (tap, request.try_clone()));
        let asked = |request| tap::Asked {
            cloud: call.cloud,
            service: call.action.service,
            action: call.action.action,
            region: call.region,
            request,
        };
        let found = match &kept {
            Some((tap, Some(request))) => tap.answer(&asked(request)),
            _ => None,
        };
        // What the tap refuses goes nowhere.
        if !matches!(found, Some(Err(_))) {
            attempt.sent();
        }
        if let Some(found) = found {
            let answer = tap::taken(found)?;
            return (call.read)(answer.status, &answer.headers, &answer.body).map_err(|refusal| Failed {
                retry_after: None,
                refusal,
                ahead: None,
            });
        }
        let answer = transport::exchange(&self.http, &self.options, request, |headers| {
            if let Some(theirs) = date(headers.get(header::DATE)) {
                ahead = Some(theirs.saturating_sub(time));
                self.note_time(call.cloud, theirs);
            }
        })
        .await?;
        if let Some((tap, Some(request))) = &kept
            && tap.listens()
        {
            tap.heard(&asked(request), &tap::of(&answer));
        }
        (call.read)(answer.status, &answer.headers, &answer.body).map_err(|refusal| Failed {
            retry_after: retry_after(answer.headers.get(header::RETRY_AFTER), self.now(call.cloud))
                .or_else(|| refusal.wait.map(|wait| wait.min(LONGEST_PAUSE))),
            refusal,
            ahead,
        })
    }

    fn failed(call: &Call<'_>, refusal: Refusal, ahead: Option<i64>, attempts: u32) -> CallError {
        let mut hint = refusal.hint;
        if refusal.fault == Fault::Skewed {
            let renew = "get new ones, or use `role_arn` so that funchost renews them";
            hint = Some(match ahead.map(|ahead| (ahead / SECOND).abs()) {
                // The clocks agree, so it is the keys that are too old, unless the cloud tells the two apart.
                Some(..60) => hint.unwrap_or_else(|| format!("the temporary keys have expired: {renew}")),
                Some(seconds) => {
                    format!("this machine's clock differs from the cloud's by {seconds} s: set it (NTP)")
                }
                None => format!(
                    "the temporary keys have expired ({renew}), or this machine's clock is wrong (set it, NTP)"
                ),
            });
        }
        CallError {
            cloud: call.cloud,
            service: call.action.service.into(),
            action: call.action.action.into(),
            region: call.region.into(),
            fault: refusal.fault,
            code: cut(&refusal.code),
            message: cut(&refusal.message),
            request_id: refusal.request_id.map(|id| cut(&id)),
            attempts,
            hint,
        }
    }

    /// Calls a second of an action, for one account and region: as configured, else as the collector says.
    #[must_use]
    pub fn rate(&self, cloud: Cloud, action: &Action) -> f64 {
        self.limiter.rate(cloud, action.service, action.action, action.rate)
    }

    /// The server's clock, to the second: kept where it differs by more than the network explains.
    fn note_time(&self, cloud: Cloud, theirs: i64) {
        let offset = theirs.saturating_sub(self.clock.now());
        // `Date` is cut to the second: an offset within the tolerance is none.
        let offset = if offset.saturating_abs() <= TOLERATED { 0 } else { offset };
        let known = self.offset(cloud);
        if offset.saturating_sub(known).saturating_abs() > TOLERATED {
            self.offsets[cloud as usize].store(offset, Ordering::Relaxed);
            tracing::info!(
                cloud = cloud.key(),
                seconds = offset / SECOND,
                "the clock's offset was corrected"
            );
        }
    }

    /// Full jitter: anything between nothing and the doubled pause.
    fn pause(&self, attempts: u32) -> Duration {
        let (first, most) = self.options.backoff;
        let ceiling = first.saturating_mul(1 << attempts.saturating_sub(1).min(16)).min(most);
        // splitmix64: jitter needs spread, not secrecy.
        let mut seed = self.random.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
        seed = (seed ^ (seed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        seed = (seed ^ (seed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        let share = ((seed ^ (seed >> 31)) >> 40) as f64 / f64::from(1 << 24);
        ceiling.mul_f64(share)
    }
}

/// The time of an HTTP date, nanoseconds since 1970.
#[must_use]
pub fn date(value: Option<&http::HeaderValue>) -> Option<i64> {
    let date = chrono::DateTime::parse_from_rfc2822(value?.to_str().ok()?).ok()?;
    Some(nanoseconds(date.to_utc().into()))
}

/// How long a server asks to wait, in seconds or up to a time, bounded.
fn retry_after(value: Option<&http::HeaderValue>, now: i64) -> Option<Duration> {
    let seconds = value.and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let pause = match seconds {
        Some(seconds) => Duration::from_secs(seconds),
        None => Duration::from_nanos(u64::try_from(date(value)?.saturating_sub(now)).unwrap_or(0)),
    };
    Some(pause.min(LONGEST_PAUSE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_may_ask_to_wait_in_seconds_or_up_to_a_time_but_not_for_ever() {
        let now = date(Some(&http::HeaderValue::from_static("Tue, 24 Nov 2026 13:00:00 GMT"))).unwrap();
        for (asked, seconds) in [
            ("0", Some(0)),
            (" 7 ", Some(7)),
            ("86400", Some(60)),
            ("Tue, 24 Nov 2026 13:00:09 GMT", Some(9)),
            ("Wed, 25 Nov 2026 13:00:00 GMT", Some(60)),
            ("Fri, 01 Jan 2010 00:00:00 GMT", Some(0)),
            ("soon", None),
            ("-5", None),
            ("99999999999999999999999", None),
        ] {
            let value = http::HeaderValue::from_static(asked);
            assert_eq!(retry_after(Some(&value), now), seconds.map(Duration::from_secs), "{asked}");
        }
        assert_eq!(retry_after(None, now), None);
    }

    #[test]
    fn pauses_double_up_to_the_longest_and_are_spread() {
        let path = CallPath::new(Options::default(), Arc::new(crate::clock::SystemClock)).unwrap();
        for (attempts, most) in [(1, 200), (2, 400), (3, 800), (4, 1600), (8, 20_000), (1000, 20_000)] {
            let pauses: Vec<Duration> = (0..200).map(|_| path.pause(attempts)).collect();
            let most = Duration::from_millis(most);
            assert!(pauses.iter().all(|pause| *pause <= most), "{attempts}");
            assert!(pauses.iter().any(|pause| *pause < most / 4), "{attempts}: full jitter reaches down");
            assert!(pauses.iter().any(|pause| *pause > most / 4 * 3), "{attempts}: and up");
        }
    }
}
