//! DataKit's write side, as measured on version 1.84.1.
//!
//! Owns requests, answers, and everything that a 200 hides: what DataKit changes in silence is done to the points here too, and written
//! down, so that a test can demand that it never happens.

mod parse;

use crate::clock::Clock;
use crate::server::{Asked, Reply, Server, Service};
use flate2::read::GzDecoder;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A field's value as DataKit reads it.
#[derive(Clone, Debug, PartialEq)]
pub enum FieldValue {
    /// `1.5`
    Float(f64),
    /// `1i`
    Integer(i64),
    /// `1u`
    Unsigned(u64),
    /// `true`
    Boolean(bool),
    /// `"text"`
    Text(String),
}

impl std::fmt::Display for FieldValue {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Float(value) => value.fmt(formatter),
            Self::Integer(value) => value.fmt(formatter),
            Self::Unsigned(value) => value.fmt(formatter),
            Self::Boolean(value) => value.fmt(formatter),
            Self::Text(value) => value.fmt(formatter),
        }
    }
}

/// A point that DataKit took.
#[derive(Clone, Debug, PartialEq)]
pub struct ReceivedPoint {
    /// `metric` or `custom_object`.
    pub category: String,
    /// Its measurement.
    pub measurement: String,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// Its fields.
    pub fields: BTreeMap<String, FieldValue>,
    /// Nanoseconds since 1970.
    pub timestamp: i64,
    /// As it came.
    pub line: String,
}

/// A request as it came.
#[derive(Clone, Debug)]
pub struct WriteRequest {
    /// `/v1/write/metric`.
    pub path: String,
    /// Without the question mark.
    pub query: String,
    /// Names in small letters.
    pub headers: BTreeMap<String, String>,
    /// Unpacked.
    pub body: String,
    /// What was answered; 0 where nothing was.
    pub status: u16,
}

/// How DataKit behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DataKitBehaviour {
    /// As it does.
    Accept,
    /// Every write is answered with this status.
    Status(u16),
    /// Never answers.
    Hang,
    /// Takes the points, then closes without an answer.
    ResetAfterBody,
    /// Closes without taking anything.
    ResetBeforeBody,
    /// Nobody listens.
    Down,
}

/// The double of a DataKit.
#[derive(Debug)]
pub struct DataKit {
    shared: Arc<Shared>,
    server: Mutex<Option<Server>>,
    port: u16,
}

#[derive(Debug)]
struct Shared {
    clock: Arc<Clock>,
    inner: Mutex<Inner>,
    /// Seconds that its own clock is ahead of the clouds'.
    ahead: AtomicI64,
}

#[derive(Debug)]
struct Inner {
    behaviour: DataKitBehaviour,
    /// Requests that the behaviour still holds for; none is for ever.
    left: Option<u64>,
    requests: Vec<WriteRequest>,
    points: Vec<ReceivedPoint>,
    hidden: Vec<String>,
    taken: u64,
    /// Where lines go that are taken, in place of `requests` and `points`.
    lines: Option<File>,
}

impl DataKit {
    pub(crate) async fn start(port: u16, clock: Arc<Clock>, lines: Option<&Path>) -> std::io::Result<Self> {
        let inner = Inner {
            behaviour: DataKitBehaviour::Accept,
            left: None,
            requests: Vec::new(),
            points: Vec::new(),
            hidden: Vec::new(),
            taken: 0,
            lines: lines.map(File::create).transpose()?,
        };
        let shared = Arc::new(Shared { clock, inner: Mutex::new(inner), ahead: AtomicI64::new(0) });
        let server = Server::start(port, shared.clone()).await?;
        let port = server.address.port();
        Ok(Self { shared, server: Mutex::new(Some(server)), port })
    }

    /// `http://127.0.0.1:port`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// All requests so far.
    #[must_use]
    pub fn requests(&self) -> Vec<WriteRequest> {
        self.shared.lock().requests.clone()
    }

    /// All points that were taken, in order.
    #[must_use]
    pub fn points(&self) -> Vec<ReceivedPoint> {
        self.shared.lock().points.clone()
    }

    /// How many points were taken.
    #[must_use]
    pub fn taken(&self) -> u64 {
        self.shared.lock().taken
    }

    /// All points as [`DataKit::points`], and forgets them.
    #[must_use]
    pub fn take_points(&self) -> Vec<ReceivedPoint> {
        std::mem::take(&mut self.shared.lock().points)
    }

    /// What DataKit changed in points without a word.
    #[must_use]
    pub fn hidden(&self) -> Vec<String> {
        self.shared.lock().hidden.clone()
    }

    /// Sets its own clock so many seconds ahead of the clouds'.
    pub fn set_clock_ahead(&self, seconds: i64) {
        self.shared.ahead.store(seconds, Ordering::Relaxed);
    }

    /// How it behaves from now on.
    pub fn set_behaviour(&self, behaviour: DataKitBehaviour) {
        self.behave(behaviour, None);
    }

    /// How it behaves for so many requests; then it accepts again. Not for [`DataKitBehaviour::Down`].
    pub fn set_behaviour_for(&self, behaviour: DataKitBehaviour, requests: u64) {
        self.behave(behaviour, Some(requests));
    }

    fn behave(&self, behaviour: DataKitBehaviour, left: Option<u64>) {
        let down = behaviour == DataKitBehaviour::Down;
        {
            let mut inner = self.shared.lock();
            inner.behaviour = behaviour;
            inner.left = left;
        }
        let mut server = self.server.lock().unwrap_or_else(PoisonError::into_inner);
        if down {
            *server = None;
        } else if server.is_none() {
            let (shared, port) = (self.shared.clone(), self.port);
            let again = tokio::task::block_in_place(|| {
                tokio::runtime::Handle::current().block_on(async move {
                    // The port is free as soon as the listener's task has ended.
                    loop {
                        match Server::start(port, shared.clone()).await {
                            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
                                tokio::task::yield_now().await
                            }
                            other => return other,
                        }
                    }
                })
            });
            *server = again.ok();
        }
    }

    pub(crate) fn stop(&self) {
        *self.server.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn error(status: u16, code: &str, message: &str) -> Reply {
        let body = serde_json::json!({ "error_code": format!("datakit.{code}"), "message": message });
        Reply::new(status, "application/json", body.to_string())
    }

    fn write(&self, asked: &Asked) -> Reply {
        let (path, query) = (asked.uri.path().to_owned(), asked.uri.query().unwrap_or_default().to_owned());
        if path == "/v1/ping" {
            if self.lock().behaviour == DataKitBehaviour::Hang {
                return Reply::Hang;
            }
            return Reply::new(200, "application/json", "{\"content\":{\"version\":\"1.84.1\"}}");
        }
        let category = match path.as_str() {
            "/v1/write/metric" => "metric",
            "/v1/write/custom_object" => "custom_object",
            path if path.starts_with("/v1/write/") => {
                return Self::error(400, "invalidCategory", "invalid category");
            }
            _ => return Reply::new(404, "text/plain", "404 page not found"),
        };
        let behaviour = {
            let mut inner = self.lock();
            match &mut inner.left {
                Some(0) => inner.behaviour = DataKitBehaviour::Accept,
                Some(left) => *left -= 1,
                None => {}
            }
            inner.behaviour.clone()
        };
        let body = match asked.header("content-encoding") {
            None => Ok(asked.body.to_vec()),
            Some("gzip") => {
                let mut body = Vec::new();
                GzDecoder::new(&asked.body[..]).read_to_end(&mut body).map(|_| body)
            }
            Some(_) => Err(std::io::ErrorKind::InvalidInput.into()),
        };
        let headers = asked
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect();
        let text = body.as_ref().map(|body| String::from_utf8_lossy(body).into_owned()).unwrap_or_default();
        let (status, reply) = match (&behaviour, body) {
            (DataKitBehaviour::Hang, _) => (0, Reply::Hang),
            (DataKitBehaviour::ResetBeforeBody | DataKitBehaviour::Down, _) => (0, Reply::Reset),
            (DataKitBehaviour::Status(status), _) => {
                let code = match status {
                    403 => "publicAccessDisabled",
                    429 => "reachMaxAPILimit",
                    _ => "internalError",
                };
                (*status, Self::error(*status, code, "said so by the test"))
            }
            (_, Err(_)) => (400, Self::error(400, "decodeBodyFailed", "the body cannot be unpacked")),
            (behaviour, Ok(body)) => {
                let (status, reply) = self.take(category, &query, &body);
                if *behaviour == DataKitBehaviour::ResetAfterBody {
                    (0, Reply::Reset)
                } else {
                    (status, reply)
                }
            }
        };
        let mut inner = self.lock();
        if inner.lines.is_none() {
            inner.requests.push(WriteRequest { path, query, headers, body: text, status });
        }
        reply
    }

    /// Takes the points of a body, or refuses them all.
    fn take(&self, category: &str, query: &str, body: &[u8]) -> (u16, Reply) {
        if body.is_empty() {
            return (400, Self::error(400, "emptyBody", "empty body"));
        }
        let lines = parse::parse(body);
        if lines.is_empty() {
            return (400, Self::error(400, "noPoints", "no points"));
        }
        let bad: Vec<String> = lines
            .iter()
            .filter_map(|line| line.as_ref().err())
            .map(|bad| format!("{} (pos: {})", bad.why, bad.offset + 1))
            .collect();
        if !bad.is_empty() {
            let message = format!("{}\n{}", bad.join("; "), String::from_utf8_lossy(body));
            return (400, Self::error(400, "invalidLinePoint", &message));
        }
        let has = |name: &str| query.split('&').any(|pair| pair.split('=').next() == Some(name));
        let unit = match query.split('&').find_map(|pair| pair.strip_prefix("precision=")) {
            Some("u") => 1_000,
            Some("ms") => 1_000_000,
            Some("s") => 1_000_000_000,
            Some("m") => 60_000_000_000,
            Some("h") => 3_600_000_000_000,
            _ => 1,
        };
        let mut inner = self.lock();
        if !query.split('&').any(|pair| pair == "precision=n") {
            inner.hidden.push("precision is not n: times may be guessed".into());
        }
        let inner = &mut *inner;
        let mut kept = Vec::new();
        for line in lines.into_iter().flatten() {
            let point =
                self.received(category, line, unit, has("ignore_global_host_tags"), &mut inner.hidden);
            if let Some(point) = point
                && !has("dry")
            {
                inner.taken += 1;
                if inner.lines.is_some() {
                    kept.extend_from_slice(point.line.as_bytes());
                    kept.push(b'\n');
                } else {
                    inner.points.push(point);
                }
            }
        }
        if let Some(file) = &mut inner.lines
            && let Err(error) = file.write_all(&kept)
        {
            return (500, Self::error(500, "internalError", &error.to_string()));
        }
        (200, Reply::new(200, "application/json", ""))
    }

    /// What DataKit makes of a line.
    fn received(
        &self,
        category: &str,
        line: parse::Line,
        unit: i64,
        no_host: bool,
        hidden: &mut Vec<String>,
    ) -> Option<ReceivedPoint> {
        let name = line.measurement.clone();
        let mut say = |what: &str| hidden.push(format!("{name}: {what}"));
        if line.text.len() >= 1 << 20 {
            say("a point of 1 MiB was dropped");
            return None;
        }
        let mut tags = BTreeMap::new();
        for (index, (key, value)) in line.tags.into_iter().enumerate() {
            if index >= 256 {
                say("more than 256 tags");
                break;
            }
            if key.len() > 256 {
                say("a key was cut");
            }
            if value.len() > 1024 {
                say("a tag value was cut");
            }
            tags.insert(key, value.chars().take(1024).collect());
        }
        if !no_host {
            say("host and ip of DataKit's machine were added");
            tags.entry("host".to_owned()).or_insert_with(|| "simcloud".to_owned());
        }
        if line.fields.len() > 1024 {
            say("more than 1,024 fields");
        }
        let mut fields = BTreeMap::new();
        for (key, value) in line.fields {
            if tags.contains_key(&key) {
                say("a field has the key of a tag");
                continue;
            }
            if category == "metric" && matches!(value, FieldValue::Text(_)) {
                say("a text field of a metric was dropped");
                continue;
            }
            if fields.insert(key, value).is_some() {
                say("a field key stands twice");
            }
        }
        let now = (self.clock.now() + self.ahead.load(Ordering::Relaxed)) * 1_000_000_000;
        let mut timestamp = match line.time {
            Some(time) => time.saturating_mul(unit),
            None => {
                say("a point has no time");
                now
            }
        };
        if (timestamp - now).abs() > 2 * 3600 * 1_000_000_000 {
            say("a time more than two hours off was overwritten");
            fields.insert("__orig_time".into(), FieldValue::Integer(timestamp));
            timestamp = now;
        }
        if category == "custom_object" && !tags.contains_key("name") {
            say("an object has no name");
        }
        Some(ReceivedPoint {
            category: category.to_owned(),
            measurement: line.measurement,
            tags,
            fields,
            timestamp,
            line: line.text,
        })
    }
}

impl Service for Shared {
    async fn answer(self: Arc<Self>, asked: Asked) -> Reply {
        let date = self.clock.date_ahead(self.ahead.load(Ordering::Relaxed));
        self.write(&asked).header("date", date)
    }
}
