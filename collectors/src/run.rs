//! One collector's collection: what the host lends to a collector, and the way its points leave.
//!
//! Knows neither the script nor the database: filters and memory are traits that the host implements.

use crate::account::Account;
use crate::call::{CallPath, Counts};
use crate::clock::{Clock, SECOND};
use crate::collector::{Failure, MarkId, MarkKey, Output, Window};
use crate::point::Text;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// What is remembered between runs. Implemented by the host over its state database.
#[async_trait::async_trait]
pub trait Memory: Send + Sync {
    /// A value kept under `key` for this account, where it is still valid.
    async fn recall(&self, key: &str) -> Result<Option<Vec<u8>>, Failure>;
    /// A value kept under `key`, also where it has just expired, and whether it is still valid: for estimates.
    async fn known(&self, key: &str) -> Result<Option<(Vec<u8>, bool)>, Failure> {
        Ok(self.recall(key).await?.map(|value| (value, true)))
    }
    /// Keeps a value under `key` for this account.
    async fn remember(&self, key: &str, value: &[u8], valid: Duration) -> Result<(), Failure>;
    /// Opens marks and says what to ask for, in the order given. `end` is exclusive and aligned, in nanoseconds;
    /// so is the answer. A window may be empty (`start >= end`): then nothing is asked.
    async fn windows(&self, marks: &[(MarkKey, WindowRequest)]) -> Result<Vec<Window>, Failure>;
    /// The remembered objects of a class, this run's included: each the object's own tags.
    async fn objects(&self, class: &str, region: &str) -> Result<Vec<Arc<BTreeMap<Text, Text>>>, Failure>;
}

/// What a collector wants of a window.
#[derive(Clone, Copy, Debug)]
pub struct WindowRequest {
    /// Exclusive end, nanoseconds, aligned to the period.
    pub end: i64,
    /// Seconds from one datapoint to the next.
    pub period: i64,
}

/// Which objects a user wants. Implemented by the host: the closures run on the script's own thread.
#[async_trait::async_trait]
pub trait ObjectFilter: Send + Sync {
    /// One answer for each object, in order. An object is a map of its reported tags and, where the name is free, of the
    /// API's own members.
    async fn keep(&self, objects: Vec<serde_json::Value>) -> Result<Vec<bool>, Failure>;
}

/// Everything that a collector gets. A clone is the same run, for a helper that works elsewhere.
#[derive(Clone)]
pub struct Run {
    /// Whose.
    pub account: Arc<Account>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// When this collector's run started, nanoseconds: the time of its objects.
    pub started: i64,
    /// The one path to the clouds.
    pub calls: Arc<CallPath>,
    /// The calls made so far, by `service:Action`.
    pub counts: Arc<Counts>,
    /// What is remembered.
    pub memory: Arc<dyn Memory>,
    /// The user's filters, ANDed by the host; objects only.
    pub filter: Option<Arc<dyn ObjectFilter>>,
    /// Where points leave. Bounded: a slow DataKit slows the collector down.
    pub output: tokio::sync::mpsc::Sender<Output>,
}

impl Run {
    /// When the run started, nanoseconds, by the cloud's clock as its answers told it: the time of objects. This machine's clock may be hours off.
    #[must_use]
    pub fn time(&self) -> i64 {
        self.started.saturating_add(self.calls.offset(self.account.cloud))
    }

    /// Hands something over. The host that no longer listens is ending the run: what is sent then is lost on purpose.
    pub async fn send(&self, output: Output) {
        drop(self.output.send(output).await);
    }

    /// Says that a mark's window was read up to `until`: it may move there, once its points are delivered.
    ///
    /// Never beyond what the cloud can have published by its own clock: a window that was opened before any answer had
    /// corrected ours may end in the future, and what comes there later must still be asked for.
    pub async fn advance(&self, mark: MarkId, until: i64) {
        const MINUTE: i64 = 60 * SECOND;
        let now = self.calls.now(self.account.cloud);
        let published = now - now.rem_euclid(MINUTE) - MINUTE;
        self.send(Output::Advance { mark, until: until.min(published) }).await;
    }

    /// Says something to a person.
    pub async fn warn(&self, text: impl Into<String>) {
        self.send(Output::Warning(text.into())).await;
    }

    /// Ends a region.
    pub async fn done(&self, region: &Text, result: Result<(), Failure>) {
        self.send(Output::Done { region: region.clone(), result }).await;
    }
}
