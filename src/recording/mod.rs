//! Recordings: the clouds' answers of one run, kept in a file, and a run that lives on them.
//!
//! Owns the file's form, which requests count as the same, and what of an answer may be kept. A request is known by cloud, service, action,
//! region and its parameters without signature, time and nonce. Knows no script and no product.

mod mask;

use funchost_collectors::call::{Answered, Asked, Tap};
use funchost_collectors::mapped::Mapped as _;
use mask::Mask;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// The form of the file.
const FORMAT: u32 = 1;

/// Parameters that belong to the signature or differ from attempt to attempt, in small letters.
const SIGNED: &[&str] = &[
    "accesskeyid",
    "securitytoken",
    "signature",
    "signaturemethod",
    "signaturenonce",
    "signatureversion",
    "timestamp",
    "nonce",
];

/// Parameters that say when: a replay happens later.
const TIMES: &[&str] = &["starttime", "endtime", "begintime"];

/// Headers of an answer that mean something to whoever reads it; `date` would move the clock.
const HEADERS: &[&str] =
    &["content-type", "x-amzn-errortype", "x-amzn-requestid", "x-acs-request-id", "retry-after"];

/// A recording.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recording {
    /// Of the file.
    format: u32,
    /// When the run began: nanoseconds since 1970. A replay believes that it is then.
    pub started: i64,
    /// In the order of the answers.
    calls: Vec<Call>,
}

/// A call and its answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Call {
    /// `aliyun`, `aws` or `tencentcloud`.
    cloud: String,
    service: String,
    action: String,
    /// Empty for a central service.
    #[serde(default)]
    region: String,
    #[serde(default)]
    parameters: BTreeMap<String, Json>,
    #[serde(default = "ok")]
    status: u16,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    headers: BTreeMap<String, String>,
    /// A JSON answer as it is, any other as text.
    answer: Json,
}

fn ok() -> u16 {
    200
}

/// Why there is no recording.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct RecordingError(String);

impl Recording {
    /// Reads a file.
    ///
    /// # Errors
    /// A file that cannot be read or is no recording.
    pub fn read(path: &Path) -> Result<Self, RecordingError> {
        let shown = path.display();
        let text = std::fs::read_to_string(path)
            .map_err(|error| RecordingError(format!("the recording {shown} cannot be read: {error}\nhint: `funchost test SCRIPT --record FILE` makes one, of a real run")))?;
        let recording: Self = serde_json::from_str(&text)
            .map_err(|error| RecordingError(format!("{shown} is no recording: {error}\nhint: record it again: `funchost test SCRIPT --record FILE`")))?;
        if recording.format != FORMAT {
            return Err(RecordingError(format!(
                "{shown} has the format {}, this program knows {FORMAT}: record it again",
                recording.format
            )));
        }
        Ok(recording)
    }

    /// How many calls are in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.calls.len()
    }

    /// Is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }
}

/// The parameters of a request that make it this request.
fn parameters(asked: &Asked<'_>) -> BTreeMap<String, Json> {
    let mut all: BTreeMap<String, Json> = BTreeMap::new();
    let url = asked.request.url();
    for (name, value) in url.query_pairs() {
        all.insert(name.into_owned(), Json::String(value.into_owned()));
    }
    if url.path() != "/" {
        all.insert("(path)".into(), Json::String(url.path().to_owned()));
    }
    // A bucket stands in the host.
    if asked.service == "oss" {
        all.insert("(host)".into(), Json::String(url.host_str().unwrap_or_default().to_owned()));
    }
    let body = asked.request.body().and_then(reqwest::Body::as_bytes).unwrap_or_default();
    if let Ok(Json::Object(members)) = serde_json::from_slice::<Json>(body) {
        all.extend(members);
    } else if let Ok(text) = std::str::from_utf8(body)
        && !text.is_empty()
        && let Ok(form) = reqwest::Url::parse(&format!("http://form/?{text}"))
    {
        all.extend(
            form.query_pairs().map(|(name, value)| (name.into_owned(), Json::String(value.into_owned()))),
        );
    }
    let plain = |name: &str| name.to_lowercase().replace(['-', '_'], "");
    all.retain(|name, _| {
        let name = plain(name);
        !SIGNED.contains(&name.as_str())
            && !TIMES.contains(&name.as_str())
            && !["xamz", "xacs", "xoss", "xtc"].iter().any(|start| name.starts_with(start))
            && !["action", "version"].contains(&name.as_str())
    });
    // A request that looks for its answer must look like the one that was recorded.
    all.into_iter().map(|(name, value)| (name.clone(), mask::without_secrets(&name, &value))).mapped()
}

/// Keeps the answers of a run.
#[derive(Debug)]
pub struct Recorder {
    started: i64,
    mask: Mutex<Mask>,
    calls: Mutex<Vec<Call>>,
}

impl Recorder {
    /// A recorder of a run that starts now; `hide` takes known secrets out of a text.
    #[must_use]
    pub fn new(started: i64, hide: Arc<dyn Fn(&str) -> String + Send + Sync>) -> Self {
        Self { started, mask: Mutex::new(Mask::new(hide)), calls: Mutex::default() }
    }

    /// What was recorded so far, as the text of a file.
    ///
    /// # Errors
    /// What cannot be written as JSON.
    pub fn text(&self) -> Result<(String, usize), RecordingError> {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mask = self.mask.lock().unwrap_or_else(PoisonError::into_inner);
        let order = mask.order();
        for call in &mut calls {
            call.parameters.values_mut().for_each(|value| *value = mask::ordered_json(value, &order));
            call.headers.values_mut().for_each(|value| *value = mask::ordered(value, &order));
            call.answer = mask::ordered_json(&call.answer, &order);
        }
        let count = calls.len();
        let recording = Recording { format: FORMAT, started: self.started, calls };
        let text = serde_json::to_string_pretty(&recording)
            .map_err(|error| RecordingError(format!("the recording cannot be written: {error}")))?;
        Ok((mask.without_accounts(&text) + "\n", count))
    }
}

impl Tap for Recorder {
    fn answer(&self, _: &Asked<'_>) -> Option<Result<Answered, String>> {
        None
    }

    fn heard(&self, asked: &Asked<'_>, answered: &Answered) {
        let mut mask = self.mask.lock().unwrap_or_else(PoisonError::into_inner);
        let parameters = parameters(asked);
        let parameters = match mask.json(&Json::Object(parameters.into_iter().collect())) {
            Json::Object(members) => members.into_iter().collect(),
            _ => BTreeMap::new(),
        };
        let answer = match serde_json::from_slice::<Json>(&answered.body) {
            Ok(json @ (Json::Object(_) | Json::Array(_))) => mask.json(&json),
            _ => Json::String(mask.text(&String::from_utf8_lossy(&answered.body))),
        };
        let headers = answered
            .headers
            .iter()
            .filter(|(name, _)| HEADERS.contains(&name.as_str()))
            .map(|(name, value)| (name.clone(), mask.text(value)))
            .mapped();
        drop(mask);
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).push(Call {
            cloud: asked.cloud.key().into(),
            service: asked.service.into(),
            action: asked.action.into(),
            region: asked.region.into(),
            parameters,
            status: answered.status,
            headers,
            answer,
        });
    }
}

/// Answers from a recording, or with nothing but a refusal.
#[derive(Debug)]
pub struct Player {
    calls: Vec<Call>,
    /// How often each request was answered: the same request again gets the next answer, at last the last one.
    given: Mutex<BTreeMap<String, usize>>,
}

impl Player {
    /// A player from the beginning of a recording.
    #[must_use]
    pub fn new(recording: &Recording) -> Self {
        Self { calls: recording.calls.clone(), given: Mutex::default() }
    }

    /// One that knows no answer at all.
    #[must_use]
    pub fn silent() -> Self {
        Self { calls: Vec::new(), given: Mutex::default() }
    }
}

/// Parameters as a key; with `plain`, every id is the same, because the ids of a recording are masked.
fn key(parameters: &BTreeMap<String, Json>, plain: bool) -> String {
    let object: Map<String, Json> =
        parameters.iter().map(|(name, value)| (name.clone(), value.clone())).mapped();
    let object = Json::Object(object);
    if plain { mask::without_ids("", &object).to_string() } else { object.to_string() }
}

impl Tap for Player {
    fn answer(&self, asked: &Asked<'_>) -> Option<Result<Answered, String>> {
        let same = |call: &&Call| {
            call.cloud == asked.cloud.key()
                && call.service == asked.service
                && call.action == asked.action
                && call.region == asked.region
        };
        let wanted = parameters(asked);
        let of_action: Vec<&Call> = self.calls.iter().filter(same).collect();
        let exact = key(&wanted, false);
        let mut found: Vec<&&Call> =
            of_action.iter().filter(|call| key(&call.parameters, false) == exact).collect();
        let mut name = exact;
        if found.is_empty() {
            name = key(&wanted, true);
            found = of_action.iter().filter(|call| key(&call.parameters, true) == name).collect();
        }
        let place = if asked.region.is_empty() { String::new() } else { format!(" in {}", asked.region) };
        let Some(last) = found.last() else {
            let what = format!("{}:{}{place}", asked.service, asked.action);
            return Some(Err(if of_action.is_empty() {
                format!("no answer of {what} is recorded")
            } else {
                let (count, answers) =
                    (of_action.len(), if of_action.len() == 1 { "answer" } else { "answers" });
                let verb = if count == 1 { "is" } else { "are" };
                let wanted = key(&wanted, false);
                format!("{count} {answers} of {what} {verb} recorded, but none with the parameters {wanted}")
            }));
        };
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        let count = given
            .entry(format!("{}\n{}\n{}\n{name}", asked.service, asked.action, asked.region))
            .or_default();
        let call = found.get(*count).unwrap_or(last);
        *count += 1;
        let body = match &call.answer {
            Json::String(text) => text.clone().into_bytes(),
            json => json.to_string().into_bytes(),
        };
        let headers = call.headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        Some(Ok(Answered { status: call.status, headers, body }))
    }

    fn heard(&self, _: &Asked<'_>, _: &Answered) {}
}
