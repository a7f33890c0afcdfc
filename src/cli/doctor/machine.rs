//! The machine: the state and the disk that it lies on.

use super::Findings;
use crate::config::Config;
use crate::state::State;
use std::sync::Arc;

/// A disk with less free space than this stops a run soon.
const LITTLE: u64 = 100 << 20;

/// The state, where it can be used, and the disk that it lies on.
pub(super) async fn state(findings: &mut Findings<'_>, config: &Config) -> Option<Arc<dyn State>> {
    let shown =
        config.database.as_ref().map_or_else(|| config.state.display().to_string(), ToString::to_string);
    match crate::cli::open_state(findings.surroundings, config).await {
        Ok(opened) => {
            findings.well("state", &shown);
            for (id, _, points, _) in opened.store.outbox_sizes().await.unwrap_or_default() {
                if !config.datakits.contains_key(&id) {
                    findings.doubtful("outbox", &crate::runner::stranger(&id, points), "");
                }
            }
            // The disk of a database is another machine's.
            if config.database.is_none() {
                disk(findings, config);
            }
            Some(opened.store)
        }
        Err(refusal) => {
            findings.wrong(
                "state",
                &refusal.message,
                "name another place with `state` in funchost.toml, or with --state",
            );
            None
        }
    }
}

fn disk(findings: &mut Findings<'_>, config: &Config) {
    let Some(free) = free(&config.state) else { return };
    let words = format!("{} free where the state lies", size(free));
    if free < LITTLE {
        findings.wrong("disk", &words, "make room, or name another place with `state` or --state");
    } else if free < config.outbox_limit {
        let hint = format!(
            "the outbox may grow to {}: make room, or lower `[outbox] limit`",
            size(config.outbox_limit)
        );
        findings.doubtful("disk", &words, &hint);
    } else {
        findings.well("disk", &words);
    }
}

/// Bytes that may still be written in a folder.
#[cfg(unix)]
fn free(folder: &std::path::Path) -> Option<u64> {
    let found = rustix::fs::statvfs(folder).ok()?;
    Some(found.f_bavail.saturating_mul(found.f_frsize))
}

#[cfg(not(unix))]
fn free(_: &std::path::Path) -> Option<u64> {
    None
}

fn size(bytes: u64) -> String {
    if bytes >= 1 << 30 { format!("{} GiB", bytes >> 30) } else { format!("{} MiB", bytes >> 20) }
}
