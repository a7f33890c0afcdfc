//! The script: which collectors it would run.
//!
//! Its function runs against a backend that collects nothing and notes what it is given.

use super::{DoctorArguments, Findings, PATIENCE, lock};
use crate::cli::script_settings;
use crate::config::{Config, FILE_NAME};
use crate::script::{
    self, Backend, BackendError, Kept, Line, Prepared, Request, RunOptions, ScriptOutput, WriteRequest,
    Written,
};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use tokio_util::sync::CancellationToken;

/// Hears of the collectors that a script would run, and runs none.
#[derive(Default)]
struct Listening {
    found: Mutex<Vec<Prepared>>,
    datakits: Mutex<BTreeSet<String>>,
}

#[async_trait::async_trait]
impl Backend for Listening {
    async fn run(&self, request: Request, _: CancellationToken) -> Result<serde_json::Value, BackendError> {
        let collectors: Vec<serde_json::Value> = request
            .collectors
            .iter()
            .map(|one| {
                serde_json::json!({
                    "name": one.collector.description().name, "status": "collected", "collected": 0, "delivered": 0, "kept": 0,
                    "rejected": 0, "too_old": 0, "linked": 0, "calls": {}, "regions": {}, "warnings": [], "error": null,
                })
            })
            .collect();
        lock(&self.datakits).insert(request.datakit_id);
        lock(&self.found).extend(request.collectors);
        Ok(serde_json::json!({ "status": "ok", "reason": null, "collectors": collectors }))
    }

    async fn write(&self, request: WriteRequest, _: CancellationToken) -> Result<Written, BackendError> {
        lock(&self.datakits).insert(request.datakit_id);
        Ok(Written::default())
    }

    async fn value(&self, _: &str) -> Result<Option<Kept>, BackendError> {
        Ok(None)
    }

    async fn swap_value(&self, _: &str, _: Option<Vec<u8>>, _: Option<Kept>) -> Result<bool, BackendError> {
        Ok(true)
    }

    async fn value_keys(&self, _: &str) -> Result<Vec<String>, BackendError> {
        Ok(Vec::new())
    }
}

/// What a script prints is not what is asked for here.
struct Silent;

impl ScriptOutput for Silent {
    fn line(&self, _: &Line) {}
}

/// The collectors of a script; none where its input is wrong.
pub(super) async fn collectors(
    findings: &mut Findings<'_>,
    config: &Config,
    arguments: &DoctorArguments,
    script: &std::path::Path,
) -> Option<Vec<Prepared>> {
    let surroundings = findings.surroundings;
    let shown = script.display().to_string();
    let mut settings = (*script_settings(surroundings, config)).clone();
    settings.output = Arc::new(Silent);
    let listening = Arc::new(Listening::default());
    let result = match script::open(&surroundings.directory.join(script), &Arc::new(settings)) {
        Err(report) => Err(report),
        Ok(opened) => {
            let options = RunOptions {
                function: arguments.func.clone(),
                timeout: Some(PATIENCE.as_secs()),
                ..RunOptions::default()
            };
            script::run(&opened, options, listening.clone(), CancellationToken::new()).await.result.map(drop)
        }
    };
    if let Err(report) = result {
        for one in &report.diagnostics {
            findings.shown(&shown, &format!("it does not run: {}", one.message), &one.render(false));
        }
        return None;
    }
    for id in lock(&listening.datakits).iter().filter(|id| !config.datakits.contains_key(*id)) {
        findings.wrong(
            &shown,
            &format!("no DataKit `{id}` is configured"),
            &format!("add `[datakits.{id}]` with `url = \"http://host:9529\"` to {FILE_NAME}"),
        );
    }
    let found = std::mem::take(&mut *lock(&listening.found));
    let names: Vec<&str> = found.iter().map(|one| one.collector.description().name).collect();
    if names.is_empty() {
        findings.doubtful(&shown, "its function runs no collector", "call `Runner(collectors).run()` in it");
    } else {
        findings.well(&shown, &format!("runs {}", names.join(", ")));
    }
    Some(found)
}

/// A script's own collector: its name, and what it called when it last ran.
pub(super) struct Own {
    pub(super) name: &'static str,
    pub(super) called: BTreeSet<String>,
    /// Did its last run fail, in one region at least?
    pub(super) failed: bool,
    /// Is there a region of which no run has come to an end?
    pub(super) missing: bool,
}

/// Says of a script's own collectors what their last runs tell: only running their functions would make their calls.
pub(super) fn own(findings: &mut Findings<'_>, own: &[Own]) {
    const HINT: &str =
        "`funchost run SCRIPT --debug` makes its calls, writes nothing, and says what is refused";
    for Own { name, called, failed, missing } in own {
        let calls = called.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        let calls = if called.is_empty() { "no cloud" } else { calls.as_str() };
        match (failed, missing) {
            (true, _) => {
                findings.doubtful(name, &format!("its last run failed: it called {calls}"), HINT);
            }
            (false, true) if called.is_empty() => findings.doubtful(
                name,
                "the script's own collector has not run to its end yet: its endpoints and permissions were not examined",
                HINT,
            ),
            (false, true) => findings.doubtful(
                name,
                &format!("its last run went well, and called {calls}, but not in every region yet"),
                HINT,
            ),
            (false, false) => findings.well(name, &format!("its last run went well, and called {calls}")),
        }
    }
}
