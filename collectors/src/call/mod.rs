//! The one path that every API call takes: limit, sign, send, classify, retry, count.
//!
//! Owns the HTTP client, the limiters, the clock offsets and the counts of the process. Knows nothing of products: what is
//! asked, how it is signed and what an answer means comes with each [`Request`].

use crate::account::Cloud;
use std::collections::BTreeMap;
use std::sync::Mutex;

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
#[error("{service}:{action}{} failed after {attempts} attempt{}: {code}: {message}", if region.is_empty() { String::new() } else { format!(" in {region}") }, if *attempts == 1 { "" } else { "s" })]
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
    /// The cloud's own code, or ours in small letters: `timeout`, `connection`, `unreadable answer`.
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

/// Calls by `service:Action`.
#[derive(Debug, Default)]
pub struct Counts(Mutex<BTreeMap<String, u64>>);

impl Counts {
    /// Counts one attempt.
    pub fn add(&self, service: &str, action: &str) {
        let mut counts = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *counts.entry(format!("{service}:{action}")).or_default() += 1;
    }

    /// What was counted so far.
    #[must_use]
    pub fn snapshot(&self) -> BTreeMap<String, u64> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }
}

/// The state of the path, one a process.
#[derive(Debug)]
pub struct CallPath {}
