//! The script host: everything that knows Rhai.
//!
//! Owns the engine, the `DFF` object, packages and imports, conversion, and diagnostics. Knows collectors by their
//! descriptions only; to run them it hands a [`Request`] to a [`Backend`] and waits.

use funchost_collectors::account::Account;
use funchost_collectors::collector::{Collector, Spec};
use funchost_collectors::run::ObjectFilter;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// One `DataCollector(…)` of a script, read and ready.
#[derive(Clone)]
pub struct Prepared {
    /// Which product.
    pub collector: &'static dyn Collector,
    /// Whose keys.
    pub account: Arc<Account>,
    /// The configuration as it was written, for digests.
    pub configs: serde_json::Value,
    /// The same, read.
    pub spec: Arc<dyn Spec>,
    /// The user's filters.
    pub filter: Option<Arc<dyn ObjectFilter>>,
}

/// One `Runner(…).run()`.
#[derive(Clone)]
pub struct Request {
    /// In the order given.
    pub collectors: Vec<Prepared>,
    /// Collect for real, write nothing.
    pub debug: bool,
    /// Which DataKit.
    pub datakit_id: String,
}

/// What stands behind `Runner(…).run()`. Implemented by the Runner; a double in the script room's own tests.
#[async_trait::async_trait]
pub trait Backend: Send + Sync {
    /// Runs the collectors and answers with the report as the script sees it.
    ///
    /// When `stop` is cancelled (deadline, Ctrl-C), collecting ends within a second, what was collected is delivered or kept
    /// within five more, and the answer comes then: the script's thread waits for it and stops after.
    ///
    /// # Errors
    /// Only what makes running impossible: an unknown `datakit_id`, a state that cannot be used.
    async fn run(&self, request: Request, stop: CancellationToken)
    -> Result<serde_json::Value, BackendError>;
}

/// Why nothing could be run.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct BackendError {
    /// What, for a person.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// Is the user's input wrong (exit 2), or did it fail at run time (exit 1).
    pub input: bool,
}
