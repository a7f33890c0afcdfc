//! The script: which collectors it would run.
//!
//! Its function runs as for a plan: nothing is collected, what it keeps is read and not changed, and what it would run is noted.

use super::{DoctorArguments, Findings};
use crate::cli::script_settings;
use crate::config::{Config, FILE_NAME};
use crate::plan::Planner;
use crate::runner::rfc3339;
use crate::script::{self, Line, Prepared, RunOptions, ScriptOutput};
use funchost_collectors::estimate::{End, LastRun};
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

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
    planner: &Planner,
) -> Option<Vec<Prepared>> {
    let surroundings = findings.surroundings;
    let shown = script.display().to_string();
    let mut settings = (*script_settings(surroundings, config)).clone();
    settings.output = Arc::new(Silent);
    let result = match script::open(&surroundings.directory.join(script), &Arc::new(settings)) {
        Err(report) => Err(report),
        Ok(opened) => {
            let options = RunOptions { function: arguments.func.clone(), ..RunOptions::default() };
            let noting = Arc::new(planner.clone());
            script::run(&opened, options, noting, CancellationToken::new()).await.result.map(drop)
        }
    };
    if let Err(report) = result {
        for one in &report.diagnostics {
            findings.shown(&shown, &format!("it does not run: {}", one.message), &one.render(false));
        }
        return None;
    }
    let found = planner.prepared();
    let written = planner.written();
    let datakits: BTreeSet<&String> = found.iter().map(|(id, _)| id).chain(written.keys()).collect();
    for id in datakits.into_iter().filter(|id| !config.datakits.contains_key(*id)) {
        findings.wrong(
            &shown,
            &format!("no DataKit `{id}` is configured"),
            &format!("add `[datakits.{id}]` with `url = \"http://host:9529\"` to {FILE_NAME}"),
        );
    }
    let found: Vec<Prepared> = found.into_iter().map(|(_, one)| one).collect();
    let names: Vec<&str> = found.iter().map(|one| one.collector.description().name).collect();
    if names.is_empty() {
        findings.doubtful(&shown, "its function runs no collector", "call `Runner(collectors).run()` in it");
    } else {
        findings.well(&shown, &format!("runs {}", names.join(", ")));
    }
    Some(found)
}

/// A script's own collector: its name, and what is remembered of each of its regions.
pub(super) struct Own {
    pub(super) name: &'static str,
    pub(super) runs: Vec<LastRun>,
}

/// Says of a script's own collectors what their last runs tell: only running their functions would make their calls.
pub(super) fn own(findings: &mut Findings<'_>, own: &[Own]) {
    const HINT: &str =
        "`funchost run SCRIPT --debug` makes its calls, writes nothing, and says what is refused";
    for Own { name, runs } in own {
        let of = |end: End| -> Vec<&LastRun> { runs.iter().filter(|run| run.end == Some(end)).collect() };
        let called = |runs: &[&LastRun]| -> Option<String> {
            let names: BTreeSet<&str> = runs.iter().flat_map(|run| &run.called).map(String::as_str).collect();
            (!names.is_empty()).then(|| names.into_iter().collect::<Vec<_>>().join(", "))
        };
        // Of several regions it is said which.
        let place = |chosen: &[&LastRun]| {
            let names: Vec<&str> = chosen.iter().map(|run| &*run.region).collect();
            if runs.len() > 1 { format!(" in {}", names.join(", ")) } else { String::new() }
        };
        let (well, failed, open) = (of(End::Well), of(End::Failed), of(End::Open));
        let known = || runs.iter().filter(|run| run.end.is_some());
        let after = |runs: &[&LastRun]| match called(runs) {
            Some(calls) => format!("after calling {calls}"),
            None => "before any call".into(),
        };
        // The first that began: what is said holds of all.
        let when = known().filter_map(|run| run.began).min().map(|time| format!(", {},", rfc3339(time)));
        let when = when.unwrap_or_default();
        let missing = known().count() < runs.len();
        if known().next().is_none() {
            findings.doubtful(
                name,
                "the script's own collector has not run to its end yet: its endpoints and permissions were not examined",
                HINT,
            );
        } else if known().any(|run| run.same == Some(false)) {
            findings.doubtful(
                name,
                "the script was changed since its last run; its permissions were not examined",
                HINT,
            );
        } else if !open.is_empty() {
            // What it called would be noted at its end.
            let text = format!("its last run{} did not end: it was stopped, or is under way", place(&open));
            findings.doubtful(name, &text, HINT);
        } else if !failed.is_empty() {
            let text = format!("its last run{} failed {}", place(&failed), after(&failed));
            findings.doubtful(name, &text, HINT);
        } else {
            let calls = called(&well).unwrap_or_else(|| "no cloud".into());
            let text = format!("its last run{when} ended without an error, and called {calls}");
            if missing {
                findings.doubtful(name, &format!("{text}, but not in every region yet"), HINT);
            } else if known().any(|run| run.same.is_none()) {
                let text = format!("{text}; whether the script was changed since is not known");
                findings.doubtful(name, &text, HINT);
            } else {
                findings.well(name, &text);
            }
        }
    }
}
