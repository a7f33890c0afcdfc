//! The script host: everything that knows Rhai.
//!
//! Owns the engine, the `DFF` object, packages and imports, conversion, and diagnostics. Knows collectors by their
//! descriptions only; to run them it hands a [`Request`] to a [`Backend`] and waits.

//!
//! - `engine` sets Rhai up; `dialect` adds the two forms that plain Rhai does not have; `variables` lets functions see
//!   module-level variables; `packages` and `dff` are what a script can name; `library` finds its files.
//! - `open` finds the script that is meant; `run` gives a script its thread, its deadline and its outcome; `host` is the state that all rooms share meanwhile;
//!   `filter` brings a collector's questions back to that thread; `memory` counts what it holds.
//! - `explain`, `ending`, `habits`, `locate` and `lint` make messages; `diagnostic` is their shape; `secrets` keeps secrets out of them.

mod clients;
mod connect;
mod convert;
pub(crate) mod crontab;
mod custom;
mod definitions;
mod dff;
mod diagnostic;
mod dialect;
mod ending;
mod engine;
mod explain;
mod filter;
mod habits;
mod host;
mod late;
mod lexer;
mod library;
mod lint;
mod locate;
mod memory;
mod open;
mod output;
mod packages;
mod points;
mod problem;
mod run;
mod secrets;
mod variables;

pub use definitions::definitions;
pub use dff::Options;
pub use diagnostic::{Diagnostic, Fault, Label, Machine, Place, Report, Severity};
pub use library::{Snapshot, is_script};
pub use memory::rest;
pub use open::{open, scripts_below};
pub use output::{Kind, Level, Line, ScriptOutput, Stderr};
pub use packages::unknown_datakit;
pub use run::{
    ApiFunction, CheckResult, Ended, RunOptions, RunOutcome, Script, check, list, open_in, run, tests,
};
pub use secrets::Masker;

use funchost_collectors::account::Account;
use funchost_collectors::clock::{Clock, SystemClock};
use funchost_collectors::collector::{Collector, Spec};
use funchost_collectors::point::{Category, Point};
use funchost_collectors::run::ObjectFilter;
use secrecy::SecretString;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// A value for `DFF.ENV`, from `[env]`.
#[derive(Clone, Debug)]
pub struct EnvEntry {
    /// The value; whether it may be shown says `secret`.
    pub value: SecretString,
    /// Is it hidden wherever it turns up. A name with secret, token, password or key in it says so too.
    pub secret: bool,
}

/// What scripts are run with.
#[derive(Clone)]
pub struct Settings {
    /// The collectors that can be imported.
    pub packages: &'static [&'static dyn Collector],
    /// Where paths of scripts begin in messages; none shows them as they are.
    pub directory: Option<PathBuf>,
    /// The word behind `funchost` that was typed, for lines to type; none where nobody typed one.
    pub command: Option<&'static str>,
    /// The folder of the script sets; none means the folder above the entry script's.
    pub library: Option<PathBuf>,
    /// Values for `DFF.ENV`; they win over the environment's.
    pub env: BTreeMap<String, EnvEntry>,
    /// The ids of the configured DataKits; none where only the backend knows them.
    pub datakits: Option<Vec<String>>,
    /// Bytes that a script's own thread may hold.
    pub memory_limit: usize,
    /// Of a function that says nothing, in a run that says nothing.
    pub default_timeout: Duration,
    /// How long a backend has to answer after it was stopped.
    pub patience: Duration,
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
    /// Where `print` and the like go.
    pub output: Arc<dyn ScriptOutput>,
    /// Knows every secret that scripts have used; shared with logs and the command line.
    pub masker: Arc<Masker>,
}

impl Settings {
    /// The defaults, with these collectors.
    #[must_use]
    pub fn new(packages: &'static [&'static dyn Collector]) -> Self {
        Self {
            packages,
            directory: None,
            command: None,
            library: None,
            env: BTreeMap::new(),
            datakits: None,
            memory_limit: 512 << 20,
            default_timeout: Duration::from_secs(300),
            patience: Duration::from_secs(10),
            clock: Arc::new(SystemClock),
            output: Arc::new(Stderr),
            masker: Arc::new(Masker::new()),
        }
    }
}

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
    /// Where the script creates it: `my_aws__main:24`. Tells filters apart, of which nothing else can be compared.
    pub place: String,
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
    /// The backend says here which collector it is at.
    pub at_work: AtWork,
}

/// Which collector of a [`Request`] is at work: what a run that is stopped was waiting for.
#[derive(Clone, Debug, Default)]
pub struct AtWork(Arc<AtomicUsize>);

impl AtWork {
    /// The collector with this index begins.
    pub fn begin(&self, index: usize) {
        self.0.store(index + 1, Ordering::Relaxed);
    }

    /// None does any more.
    pub fn end(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    /// The one that is.
    fn index(&self) -> Option<usize> {
        self.0.load(Ordering::Relaxed).checked_sub(1)
    }
}

/// Points that a script writes itself, with `DFF.CONN(id)`.
#[derive(Clone, Debug)]
pub struct WriteRequest {
    /// Which DataKit.
    pub datakit_id: String,
    /// Of all of the points.
    pub category: Category,
    /// At least one.
    pub points: Vec<Point>,
    /// Print them, write nothing.
    pub debug: bool,
}

/// What became of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// DataKit took them.
    pub delivered: u64,
    /// They wait in the outbox.
    pub kept: u64,
    /// DataKit refuses them.
    pub rejected: u64,
    /// DataKit would write them under a wrong time.
    pub too_old: u64,
    /// Why some were rejected.
    pub causes: Vec<String>,
}

/// A value that a script keeps, with `DFF.STORE` or `DFF.CACHE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// JSON.
    pub value: Vec<u8>,
    /// Nanoseconds since 1970; the largest number for one that stays.
    pub expires: i64,
}

fn not_here<T>(what: &str) -> Result<T, BackendError> {
    Err(BackendError { message: format!("{what} is not possible here"), hint: None, input: false })
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

    /// Writes points that a script made itself, by the same sink and outbox as a collector's.
    ///
    /// # Errors
    /// Only what makes writing impossible: an unknown `datakit_id`, a state that cannot be used.
    async fn write(&self, _request: WriteRequest, _stop: CancellationToken) -> Result<Written, BackendError> {
        not_here("writing to DataKit")
    }

    /// A kept value that has not expired.
    ///
    /// # Errors
    /// A state that cannot be used.
    async fn value(&self, _key: &str) -> Result<Option<Kept>, BackendError> {
        not_here("keeping values")
    }

    /// Puts `new` in the place of `known`, in one step; says whether `known` was what stood there.
    ///
    /// # Errors
    /// A state that cannot be used.
    async fn swap_value(
        &self,
        _key: &str,
        _known: Option<Vec<u8>>,
        _new: Option<Kept>,
    ) -> Result<bool, BackendError> {
        not_here("keeping values")
    }

    /// The keys that begin so and have not expired, sorted.
    ///
    /// # Errors
    /// A state that cannot be used.
    async fn value_keys(&self, _prefix: &str) -> Result<Vec<String>, BackendError> {
        not_here("keeping values")
    }
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
