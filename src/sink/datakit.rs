//! One DataKit: requests, retries, and what its answers mean.
//!
//! Owns the HTTP of DataKit's write side. A batch comes back delivered, partly rejected, or kept; nothing is lost here. DataKit's answers
//! quote the whole body back: they are read for positions and causes, and cut before anything of them is shown.

use super::batch::Batch;
use super::{MARGIN, REACH, oldest_writable};
use backon::{BackoffBuilder as _, ExponentialBuilder};
use funchost_collectors::call::date;
use funchost_collectors::clock::{Clock, SECOND};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::Instant;

/// DataKit refuses more than 100 requests a second of one path; other programs write too.
const PACE: Duration = Duration::from_micros(12_500);
/// Attempts of one request.
const ATTEMPTS: usize = 4;
/// How long one answer may take.
const ANSWER: Duration = Duration::from_secs(30);
/// Requests that looking for bad lines may cost, when DataKit does not say which.
const SEARCHES: u32 = 64;
/// Lines that DataKit named as bad and that are asked about one by one; of more, its word is taken.
const SINGLES: usize = 16;
/// Clocks that differ by more are no longer a matter of the network or of a lazy NTP: one of them is wrong, and it is not known which.
const AGREE: i64 = 1800 * SECOND;
/// A difference that a person should know of.
const WORTH_SAYING: i64 = 300 * SECOND;
/// How long looking at DataKit's clock may take.
const LOOK: Duration = Duration::from_secs(5);
/// DataKit's clock has not been seen yet.
const UNSEEN: i64 = i64::MIN;
/// Of DataKit's answer, not more is read.
const ERROR_BYTES: usize = 8 << 20;

/// A DataKit.
pub struct DataKit {
    id: String,
    /// Without credentials.
    shown: String,
    url: reqwest::Url,
    http: reqwest::Client,
    attempts: usize,
    answer: Duration,
    clock: Option<Arc<dyn Clock>>,
    /// Nanoseconds that DataKit's clock is ahead of ours, by the `Date` of its last answer.
    ahead: AtomicI64,
    /// When the next request of each category may go.
    next: Mutex<[Option<Instant>; 2]>,
}

impl std::fmt::Debug for DataKit {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("DataKit")
            .field("id", &self.id)
            .field("url", &self.shown)
            .finish_non_exhaustive()
    }
}

/// A DataKit that cannot be written to at all.
#[derive(Debug, thiserror::Error)]
#[error("`[datakits.{id}]` url: {why}")]
pub struct BadUrl {
    id: String,
    why: String,
}

/// What became of a batch.
#[derive(Debug)]
pub struct Delivery {
    /// Points that DataKit took.
    pub delivered: u64,
    /// Lines that DataKit refuses, each with its cause.
    pub rejected: Vec<Rejected>,
    /// Points that were not sent and are given up: DataKit would overwrite their time, and so it would at any later time.
    pub too_old: u64,
    /// Points that were not sent as long as clocks differ so much that DataKit would overwrite their time.
    pub held: Option<Held>,
    /// And the rest.
    pub outcome: Outcome,
}

/// Points that DataKit would write under another time, by its clock, while by ours they are in time.
#[derive(Debug)]
pub struct Held {
    /// Why, and what to do, for a person.
    pub why: String,
    /// The points: keep them.
    pub batch: Batch,
}

/// What is to be done with the rest of a batch.
#[derive(Debug)]
pub enum Outcome {
    /// There is none.
    Done,
    /// DataKit did not take it now: keep it.
    Kept {
        /// Why, and what to do, for a person.
        why: String,
        /// What was not delivered.
        rest: Batch,
    },
}

/// A line that DataKit refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// Its beginning: measurement and first tags.
    pub line: String,
    /// DataKit's words, without its echo of the body.
    pub cause: String,
}

impl std::fmt::Display for Rejected {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}: {}", self.line, self.cause)
    }
}

/// One request's answer.
enum Answer {
    Taken,
    /// Some of these lines are bad: the request's own line numbers, with a cause.
    BadLines(BTreeSet<usize>, String),
    /// It did not come through; it may later.
    Unavailable(Unfit),
    /// It will not come through until somebody changes something.
    Refused(Unfit),
}

/// Why nothing was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfit {
    /// What happened, for a person.
    pub why: String,
    /// What to do about it.
    pub way_out: String,
}

impl std::fmt::Display for Unfit {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}; {}", self.why, self.way_out)
    }
}

/// `3.0 h behind this machine's`.
fn differs(ahead: i64) -> String {
    let seconds = ahead.saturating_abs() / SECOND;
    let length = match (seconds + 30) / 60 {
        minutes @ 0..90 => format!("{minutes} min"),
        // To the nearest tenth.
        minutes => format!("{}.{} h", (minutes + 3) / 60, (minutes + 3) % 60 / 6),
    };
    format!("{length} {} this machine's", if ahead < 0 { "behind" } else { "ahead of" })
}

impl DataKit {
    /// A DataKit at a URL; a path in front of `/v1` is kept, credentials are sent as basic authentication.
    ///
    /// # Errors
    /// [`BadUrl`] where the URL is none of `http` or `https`.
    pub fn new(id: &str, url: &str, http: reqwest::Client) -> Result<Self, BadUrl> {
        let bad = |why: String| BadUrl { id: id.to_owned(), why };
        let mut url = reqwest::Url::parse(url).map_err(|error| bad(error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err(bad("write http://host:port".into()));
        }
        if url.query().is_some() {
            // What a DataWay's address looks like: its token would be lost in silence.
            return Err(bad(
                "has a query, as DataWay's address has: write the address of a DataKit, such as http://localhost:9529"
                    .into(),
            ));
        }
        url.set_fragment(None);
        let mut shown = url.clone();
        let _ = shown.set_password(None);
        let _ = shown.set_username("");
        Ok(Self {
            id: id.to_owned(),
            shown: shown.to_string().trim_end_matches('/').to_owned(),
            url,
            http,
            attempts: ATTEMPTS,
            answer: ANSWER,
            clock: None,
            ahead: AtomicI64::new(UNSEEN),
            next: Mutex::default(),
        })
    }

    /// The same with another patience, for tests.
    #[must_use]
    pub fn with_patience(mut self, attempts: usize, answer: Duration) -> Self {
        self.attempts = attempts;
        self.answer = answer;
        self
    }

    /// The same with a clock: then nothing is sent that is too old by DataKit's own, which may be ahead of this one.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Nanoseconds that DataKit's clock is ahead of ours, once it has answered.
    #[must_use]
    pub fn ahead(&self) -> Option<i64> {
        Some(self.ahead.load(Ordering::Relaxed)).filter(|ahead| *ahead != UNSEEN)
    }

    /// What to say where DataKit's clock and ours differ by minutes.
    #[must_use]
    pub fn clock_note(&self) -> Option<String> {
        let ahead = self.ahead().filter(|ahead| ahead.saturating_abs() >= WORTH_SAYING)?;
        Some(format!(
            "the clock of DataKit `{}` is {}: set both (NTP), as DataKit overwrites times that are more than two hours from its own",
            self.id,
            differs(ahead)
        ))
    }

    /// What DataKit writes under its own time, by what is known of its clock: from, until.
    fn writable(&self, clock: &dyn Clock) -> (i64, i64) {
        let theirs = clock.now().saturating_add(self.ahead().unwrap_or(0));
        (oldest_writable(theirs), theirs.saturating_add(REACH - MARGIN))
    }

    /// Must DataKit's clock be looked at before this batch goes? Never seen, it says nothing; and where it keeps points from going, no answer of a write
    /// would tell that a clock has been set right.
    fn must_look(&self, batch: &Batch) -> bool {
        let (Some(clock), Some(oldest), Some(newest)) = (&self.clock, batch.oldest(), batch.newest()) else {
            return false;
        };
        let (first, last) = self.writable(clock.as_ref());
        self.ahead().is_none() || oldest < first || newest > last
    }

    /// Takes out what DataKit would write under another time. Its clock decides, whichever of the two is wrong; but what by our clock is in time is
    /// given up only where the clocks agree so far that nobody will set one of them.
    fn take_untimely(&self, batch: &mut Cow<'_, Batch>) -> (u64, Option<Held>) {
        let (Some(clock), Some(oldest), Some(newest)) = (&self.clock, batch.oldest(), batch.newest()) else {
            return (0, None);
        };
        let ahead = self.ahead().unwrap_or(0);
        let (first, last) = self.writable(clock.as_ref());
        // Only what has to lose something is copied.
        if oldest >= first && newest <= last {
            return (0, None);
        }
        let given_up =
            if ahead.saturating_abs() <= AGREE { first } else { first.min(oldest_writable(clock.now())) };
        let (all, mut held) = (batch.len(), batch.filter(|_, time| time < first || time > last));
        let too_old = held.drop_older_than(given_up);
        *batch = Cow::Owned(batch.filter(|_, time| (first..=last).contains(&time)));
        debug_assert_eq!(all, batch.len() + held.len() + usize::try_from(too_old).unwrap_or(0));
        let held = (!held.is_empty()).then(|| Held {
            why: if ahead.saturating_abs() > AGREE {
                format!(
                    "the clock of DataKit `{}` is {}, and it would write these points under another time: set both clocks (NTP); until then they wait",
                    self.id,
                    differs(ahead)
                )
            } else {
                "their times lie more than two hours in the future, and DataKit would write them under another: they wait until then".into()
            },
            batch: held,
        });
        (too_old, held)
    }

    /// Looks at DataKit's clock.
    ///
    /// # Errors
    /// It did not answer at all.
    async fn look(&self, deadline: Instant) -> Result<(), String> {
        let mut url = self.url.clone();
        url.set_path(&format!("{}/v1/ping", url.path().trim_end_matches('/')));
        let left = deadline.saturating_duration_since(Instant::now()).min(LOOK).min(self.answer);
        if left.is_zero() {
            return Ok(());
        }
        match self.http.get(url).timeout(left).send().await {
            Ok(answer) => self.note_time(answer.headers()),
            Err(error) if error.is_timeout() && !error.is_connect() => {
                return Err(format!(
                    "{} did not answer within {} s: is DataKit overloaded? Restart it, and look at its log",
                    self.shown,
                    left.as_secs_f64()
                ));
            }
            // What is wrong is said by the write itself.
            Err(_) => {}
        }
        Ok(())
    }

    fn note_time(&self, headers: &reqwest::header::HeaderMap) {
        if let (Some(clock), Some(theirs)) = (&self.clock, date(headers.get(reqwest::header::DATE))) {
            self.ahead.store(theirs.saturating_sub(clock.now()), Ordering::Relaxed);
        }
    }

    /// Writes a batch; goes on trying what can succeed until the deadline.
    pub async fn write(&self, batch: &Batch, deadline: Instant) -> Delivery {
        let mut batch = Cow::Borrowed(batch);
        let mut delivery =
            Delivery { delivered: 0, rejected: Vec::new(), too_old: 0, held: None, outcome: Outcome::Done };
        if self.must_look(&batch)
            && let Err(why) = self.look(deadline).await
        {
            delivery.outcome = Outcome::Kept { why, rest: batch.into_owned() };
            return delivery;
        }
        (delivery.too_old, delivery.held) = self.take_untimely(&mut batch);
        // What is left to send, as a stack of pieces: the first line is sent first.
        let mut pieces = vec![batch];
        let mut searches = 0;
        while let Some(piece) = pieces.pop() {
            if piece.is_empty() {
                continue;
            }
            let why = match self.send(&piece, deadline).await {
                Answer::Taken => {
                    delivery.delivered += piece.len() as u64;
                    continue;
                }
                Answer::BadLines(_, cause) if piece.len() == 1 => {
                    delivery.rejected.push(rejected(&piece, 0, &cause));
                    continue;
                }
                Answer::BadLines(bad, cause) => {
                    searches += 1;
                    let said = !bad.is_empty() && bad.len() < piece.len();
                    if searches > SEARCHES {
                        // A bound on requests: what is still in doubt is given up, and said.
                        for index in 0..piece.len() {
                            delivery.rejected.push(rejected(&piece, index, &cause));
                        }
                    } else if said && bad.len() <= SINGLES {
                        // The echo of the body may hold what looks like a position: each line that was named is asked about alone.
                        for index in bad.iter().rev() {
                            pieces.push(Cow::Owned(piece.filter(|at, _| at == *index)));
                        }
                        pieces.push(Cow::Owned(piece.filter(|index, _| !bad.contains(&index))));
                    } else if said {
                        for index in &bad {
                            delivery.rejected.push(rejected(&piece, *index, &cause));
                        }
                        pieces.push(Cow::Owned(piece.filter(|index, _| !bad.contains(&index))));
                    } else {
                        let half = piece.len() / 2;
                        pieces.push(Cow::Owned(piece.filter(|index, _| index >= half)));
                        pieces.push(Cow::Owned(piece.filter(|index, _| index < half)));
                    }
                    continue;
                }
                // What may pass needs nobody's help.
                Answer::Unavailable(unfit) => unfit.why,
                Answer::Refused(unfit) => unfit.to_string(),
            };
            let mut rest = piece.into_owned();
            while let Some(next) = pieces.pop() {
                rest.append(&next);
            }
            delivery.outcome = Outcome::Kept { why, rest };
            break;
        }
        delivery
    }

    /// A write that stores nothing: proves that DataKit is there and takes points.
    ///
    /// # Errors
    /// What is wrong, and what to do about it.
    pub async fn check(&self) -> Result<(), Unfit> {
        let mut batch = Batch::new(funchost_collectors::point::Category::Metric);
        batch.push(b"funchost_check ok=1i 1", 1);
        let deadline = Instant::now() + self.answer;
        match self.once(&batch, batch.packed(), deadline, true).await {
            Answer::Taken => Ok(()),
            Answer::Unavailable(unfit) | Answer::Refused(unfit) => Err(unfit),
            Answer::BadLines(_, cause) => Err(Unfit {
                why: format!("{} refuses a line that is right: {cause}", self.shown),
                way_out: self.look_at_url("is it a DataKit, and not too old a one?"),
            }),
        }
    }

    async fn send(&self, batch: &Batch, deadline: Instant) -> Answer {
        let packed = batch.packed();
        let mut pauses = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(200))
            .with_max_delay(Duration::from_secs(5))
            .with_max_times(self.attempts.saturating_sub(1))
            .with_jitter()
            .build();
        loop {
            let answer = self.once(batch, packed.clone(), deadline, false).await;
            let Answer::Unavailable(unfit) = answer else { return answer };
            match pauses.next() {
                Some(pause) if Instant::now() + pause < deadline => tokio::time::sleep(pause).await,
                _ => return Answer::Unavailable(unfit),
            }
        }
    }

    async fn once(&self, batch: &Batch, packed: Vec<u8>, deadline: Instant, dry: bool) -> Answer {
        self.turn(batch).await;
        let left = deadline.saturating_duration_since(Instant::now()).min(self.answer);
        if left.is_zero() {
            return Answer::Unavailable(Unfit {
                why: format!("{} was not asked: the run has ended", self.shown),
                way_out: "give the run more time (`timeout`)".into(),
            });
        }
        let mut url = self.url.clone();
        let path = format!("{}/v1/write/{}", url.path().trim_end_matches('/'), batch.category().as_str());
        url.set_path(&path);
        url.set_query(Some(if dry {
            "precision=n&ignore_global_host_tags=1&dry=1"
        } else {
            "precision=n&ignore_global_host_tags=1"
        }));
        let (user, password) = (url.username().to_owned(), url.password().map(str::to_owned));
        let _ = url.set_username("");
        let _ = url.set_password(None);
        let mut request = self
            .http
            .post(url)
            .timeout(left)
            .header("Content-Type", "application/line-protocol")
            .header("Content-Encoding", "gzip")
            .body(packed);
        if !user.is_empty() || password.is_some() {
            request = request.basic_auth(user, password);
        }
        let mut answer = match request.send().await {
            Ok(answer) => answer,
            Err(error) => return Answer::Unavailable(self.unreached(&error)),
        };
        self.note_time(answer.headers());
        let status = answer.status();
        let mut body = Vec::new();
        while let Ok(Some(chunk)) = answer.chunk().await {
            if body.len() + chunk.len() > ERROR_BYTES {
                break;
            }
            body.extend_from_slice(&chunk);
        }
        if status.is_success() {
            // DataKit says nothing more. A login page would take the points for ever.
            if body.trim_ascii_start().starts_with(b"<") {
                return Answer::Refused(Unfit {
                    why: format!(
                        "{} answers {} with a web page, which no DataKit does",
                        self.shown,
                        status.as_u16()
                    ),
                    way_out: self.look_at_url(""),
                });
            }
            return Answer::Taken;
        }
        let (code, message) = told(&body);
        let shown = format!(
            "DataKit at {} answers {}{}",
            self.shown,
            status.as_u16(),
            code.as_ref().map(|code| format!(" {code}")).unwrap_or_default()
        );
        let refused = |why: String, way_out: String| Answer::Refused(Unfit { why, way_out });
        match status.as_u16() {
            // Not about lines: of a proxy, or of what all requests have in common.
            400 if code.is_none()
                || matches!(
                    code.as_deref(),
                    Some("datakit.decodeBodyFailed" | "datakit.invalidCategory")
                ) =>
            {
                refused(shown, self.look_at_url("and what stands in between"))
            }
            // A line that cannot be parsed rejects its whole request.
            400 if batch.len() > 1 || code.as_deref() == Some("datakit.invalidLinePoint") => {
                let bad = positions(&message).into_iter().filter_map(|at| batch.line_at(at)).collect();
                Answer::BadLines(bad, cause(&message, code.as_deref()))
            }
            400 => Answer::BadLines(BTreeSet::from([0]), cause(&message, code.as_deref())),
            408 | 429 | 500.. => Answer::Unavailable(Unfit {
                why: shown,
                way_out: "DataKit, or what stands in front of it, is overloaded or in trouble: look at its log, and try again later".into(),
            }),
            401 | 407 => refused(
                shown,
                format!("what stands in front of it wants a name and password: write them into `[datakits.{}]` url", self.id),
            ),
            403 => refused(
                format!("{shown}: writing from this machine is not allowed"),
                "set `public_apis` (or `listen`) in DataKit's [http_api], or run funchost beside it".into(),
            ),
            404 => refused(format!("{shown}: there is no DataKit at this URL"), self.look_at_url("")),
            300..=399 => refused(format!("{shown}: a redirect, which is not followed"), self.look_at_url("")),
            _ => refused(shown, self.look_at_url("")),
        }
    }

    /// Where the address is written.
    fn look_at_url(&self, more: &str) -> String {
        let gap = if more.is_empty() {
            ""
        } else if more.starts_with("and ") {
            " "
        } else {
            ": "
        };
        format!("check `[datakits.{}]` url{gap}{more}", self.id)
    }

    /// Why no answer came.
    fn unreached(&self, error: &reqwest::Error) -> Unfit {
        let mut causes = String::new();
        let mut next: Option<&dyn std::error::Error> = Some(error);
        while let Some(cause) = next {
            causes.push_str(&cause.to_string().to_lowercase());
            causes.push('\n');
            next = cause.source();
        }
        let has = |parts: &[&str]| parts.iter().any(|part| causes.contains(part));
        let at = |what: &str| format!("DataKit at {} {what}", self.shown);
        let url = format!("`[datakits.{}]` url", self.id);
        if error.is_timeout() && !error.is_connect() {
            return Unfit {
                why: at("did not answer in time"),
                way_out: "is DataKit overloaded? Restart it, and look at its log".into(),
            };
        }
        if has(&["corrupt message", "invalidcontenttype"]) {
            return Unfit {
                why: at("does not speak TLS"),
                way_out: format!("write http:// in {url}, or turn TLS on in DataKit's [http_api]"),
            };
        }
        if has(&["invalid peer certificate", "unknownissuer"]) {
            return Unfit {
                why: at("has a certificate that is not trusted here"),
                way_out: "name its CA in SSL_CERT_FILE".into(),
            };
        }
        if has(&["dns error", "failed to lookup"]) {
            return Unfit {
                why: at("cannot be reached: its name is not known here"),
                way_out: format!("is {url} right, and does this machine reach a DNS server?"),
            };
        }
        if error.is_timeout() || error.is_connect() {
            let what = if error.is_timeout() {
                "did not answer in time"
            } else {
                "cannot be reached: is DataKit running there?"
            };
            return Unfit {
                why: at(what),
                way_out: format!("start DataKit there, or set {url} in funchost.toml"),
            };
        }
        Unfit {
            why: at("broke the connection off"),
            way_out: format!("is it a DataKit, and is {url} right (https:// where DataKit speaks TLS)?"),
        }
    }

    /// Waits until the next request of a category may go.
    async fn turn(&self, batch: &Batch) {
        let at = {
            let mut next = self.next.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let slot = &mut next[batch.category() as usize];
            let now = Instant::now();
            let at = slot.map_or(now, |next| next.max(now));
            *slot = Some(at + PACE);
            at
        };
        tokio::time::sleep_until(at).await;
    }
}

/// `{"error_code": …, "message": …}`.
fn told(body: &[u8]) -> (Option<String>, String) {
    let parsed: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    let member = |name: &str| parsed.as_ref().and_then(|json| json.get(name)?.as_str().map(str::to_owned));
    let code = member("error_code").map(|code| funchost_collectors::call::cut(&code));
    (code, member("message").unwrap_or_else(|| String::from_utf8_lossy(body).into_owned()))
}

/// The byte offsets of the bad lines: `(pos: N)`, counted from 1. Ours count from 0.
fn positions(message: &str) -> Vec<usize> {
    let mut offsets = Vec::new();
    for rest in message.split("(pos: ").skip(1) {
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        if let Ok(at @ 1..) = digits.parse::<usize>() {
            offsets.push(at - 1);
        }
    }
    offsets
}

/// The first words of DataKit's message, before it begins to quote the body.
fn cause(message: &str, code: Option<&str>) -> String {
    let words = message.split(['\n', '"', '`']).next().unwrap_or_default();
    let words = words.split("(pos:").next().unwrap_or_default().trim().trim_end_matches([':', ',']);
    let words = funchost_collectors::call::cut(words);
    match (words.is_empty(), code) {
        (false, _) => format!("DataKit says: {words}"),
        (true, Some(code)) => format!("DataKit says: {code}"),
        (true, None) => "DataKit gave no reason".into(),
    }
}

fn rejected(batch: &Batch, index: usize, cause: &str) -> Rejected {
    const SHOWN: usize = 80;
    let line = String::from_utf8_lossy(batch.line(index).unwrap_or_default()).into_owned();
    let short: String = line.chars().take(SHOWN).collect();
    let line = if short.len() < line.len() { format!("{short}…") } else { short };
    Rejected { line, cause: cause.to_owned() }
}
