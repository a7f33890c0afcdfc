//! The report of a run: what every collector did, for a person and for a program.
//!
//! Owns the shape of the JSON document and the words of the text. Knows nothing of how a run is made.

use crate::money::budget::BudgetReport;
use crate::state::Time;
use funchost_collectors::call::number;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunStatus {
    /// No collector failed.
    Ok,
    /// Some did, or points wait in the outbox.
    Partial,
    /// All did, or the script itself.
    Failed,
}

/// How a collector ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CollectorStatus {
    /// All that was due was read.
    Collected,
    /// Nothing was due.
    Skipped,
    /// Something that had to be read was not, or DataKit rejected points.
    Failed,
}

/// What a collector did.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CollectorReport {
    /// `aws_ec2`.
    pub name: String,
    /// How it ended.
    pub status: CollectorStatus,
    /// Points that were found and not sent before.
    pub collected: u64,
    /// Of these, those that DataKit took (in debug mode: those that were printed).
    pub delivered: u64,
    /// Those that wait in the outbox.
    pub kept: u64,
    /// Those that DataKit refused, or that hold nothing that could be written.
    pub rejected: u64,
    /// Those that are too old to be written under their own time.
    pub too_old: u64,
    /// Points of the overlap that were sent by an earlier run: not among the collected.
    pub already_sent: u64,
    /// Points of metrics that found their object.
    pub linked: u64,
    /// Attempts, by `service:Action`.
    pub calls: BTreeMap<String, u64>,
    /// `ok`, `failed` or `skipped`.
    pub regions: BTreeMap<String, String>,
    /// From its start to its last delivery.
    pub seconds: f64,
    /// When it is due again (RFC 3339, UTC).
    pub next_due: Option<String>,
    /// What a person should know.
    pub warnings: Vec<String>,
    /// Why it failed.
    pub error: Option<String>,
}

/// What the outbox did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutboxReport {
    /// Points of earlier runs that DataKit took now.
    pub delivered: u64,
    /// Points that grew too old while they waited, and were dropped.
    pub too_old: u64,
    /// Points that DataKit refused, or that could no longer be read.
    pub rejected: u64,
    /// Points pushed out because the outbox is full.
    pub evicted: u64,
    /// Points that wait now, for this DataKit.
    pub waiting: u64,
}

/// What a run did.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunReport {
    /// How it ended.
    pub status: RunStatus,
    /// Why it is not `ok`.
    pub reason: Option<String>,
    /// `my_aws__main.run`.
    pub function: String,
    /// From the start of the process's work to the report.
    pub seconds: f64,
    /// Every collector of every Runner, in order.
    pub collectors: Vec<CollectorReport>,
    /// The outbox.
    pub outbox: OutboxReport,
    /// What is used and left of the accounts' budgets, where metered calls were to be made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub budget: Vec<BudgetReport>,
    /// What is said about the run as a whole.
    pub warnings: Vec<String>,
    /// What was wrong in the script, with its place.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<serde_json::Value>,
}

impl OutboxReport {
    /// Adds what another Runner of the same run did; what waits is the state's to say.
    pub(super) fn add(&mut self, other: Self) {
        self.delivered += other.delivered;
        self.too_old += other.too_old;
        self.rejected += other.rejected;
        self.evicted += other.evicted;
    }
}

impl RunReport {
    /// A run that could not begin.
    #[must_use]
    pub fn failed(function: &str, reason: &str) -> Self {
        Self {
            status: RunStatus::Failed,
            reason: Some(reason.to_owned()),
            function: function.to_owned(),
            seconds: 0.0,
            collectors: Vec::new(),
            outbox: OutboxReport::default(),
            budget: Vec::new(),
            warnings: Vec::new(),
            errors: Vec::new(),
        }
    }

    /// The run as a whole failed, whatever its collectors did.
    pub fn fail(&mut self, reason: &str) {
        self.status = RunStatus::Failed;
        self.reason = Some(reason.to_owned());
    }

    /// The status that the collectors make, and why.
    #[must_use]
    pub fn judge(collectors: &[CollectorReport], outbox: &OutboxReport) -> (RunStatus, Option<String>) {
        let failed: Vec<&str> = collectors
            .iter()
            .filter(|collector| collector.status == CollectorStatus::Failed)
            .map(|collector| collector.name.as_str())
            .collect();
        let kept: u64 = collectors.iter().map(|collector| collector.kept).sum();
        if !failed.is_empty() {
            let status =
                if failed.len() == collectors.len() { RunStatus::Failed } else { RunStatus::Partial };
            return (status, Some(format!("failed: {}", failed.join(", "))));
        }
        if kept > 0 {
            let reason = number(
                kept,
                "point: it is in the outbox and goes first next time",
                "points: they are in the outbox and go first next time",
            );
            let reason = format!("DataKit did not take {reason}");
            return (RunStatus::Partial, Some(reason));
        }
        if outbox.waiting > 0 {
            let reason = number(
                outbox.waiting,
                "point of earlier runs still waits in the outbox",
                "points of earlier runs still wait in the outbox",
            );
            return (RunStatus::Partial, Some(reason));
        }
        let lost: Vec<String> = [
            (outbox.too_old, "grew too old in the outbox"),
            (outbox.rejected, "were rejected"),
            (outbox.evicted, "were pushed out of the full outbox"),
        ]
        .into_iter()
        .filter(|(points, _)| *points > 0)
        .map(|(points, how)| format!("{points} {how}"))
        .collect();
        if !lost.is_empty() {
            return (
                RunStatus::Partial,
                Some(format!("points of earlier runs are lost: {}", lost.join(", "))),
            );
        }
        (RunStatus::Ok, None)
    }

    /// The report for a person.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        let status = match self.status {
            RunStatus::Ok => "ok",
            RunStatus::Partial => "partial",
            RunStatus::Failed => "failed",
        };
        let reason = self.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
        line(&mut text, &format!("{} {status} in {:.1} s{reason}", self.function, self.seconds));
        for collector in &self.collectors {
            line(&mut text, &format!("  {}", collector.line()));
            for (kind, words) in collector
                .warnings
                .iter()
                .map(|words| ("warning", words))
                .chain(collector.error.iter().map(|words| ("error", words)))
            {
                for (index, row) in words.lines().enumerate() {
                    let mark = if index == 0 { format!("{kind}: ") } else { "  ".into() };
                    line(&mut text, &format!("    {mark}{row}"));
                }
            }
        }
        if self.collectors.is_empty() {
            line(&mut text, "  no collector ran: the function called no Runner(…).run()");
        }
        if self.outbox != OutboxReport::default() {
            let mut parts = Vec::new();
            for (count, words) in [
                (self.outbox.delivered, "points of earlier runs delivered"),
                (
                    self.outbox.too_old,
                    "dropped: they grew too old, and DataKit would write them under a wrong time",
                ),
                (self.outbox.rejected, "rejected"),
                (self.outbox.evicted, "pushed out, because the outbox is full"),
                (self.outbox.waiting, "waiting"),
            ] {
                if count > 0 {
                    parts.push(format!("{count} {words}"));
                }
            }
            line(&mut text, &format!("  outbox: {}", parts.join(", ")));
        }
        for budget in &self.budget {
            let (account, month) = (&budget.account, &budget.month);
            line(&mut text, &format!("  budget of {account} for {month}: {}", budget.words()));
        }
        for warning in &self.warnings {
            line(&mut text, &format!("  warning: {warning}"));
        }
        text
    }
}

impl CollectorReport {
    /// The report of a collector that has done nothing.
    #[must_use]
    pub fn new(name: &str, status: CollectorStatus) -> Self {
        Self {
            name: name.into(),
            status,
            collected: 0,
            delivered: 0,
            kept: 0,
            rejected: 0,
            too_old: 0,
            already_sent: 0,
            linked: 0,
            calls: BTreeMap::new(),
            regions: BTreeMap::new(),
            seconds: 0.0,
            next_due: None,
            warnings: Vec::new(),
            error: None,
        }
    }

    fn line(&self) -> String {
        if self.status == CollectorStatus::Skipped {
            let due = self.next_due.as_deref().map(|due| format!(": next due {due}")).unwrap_or_default();
            return format!("{} skipped{due}", self.name);
        }
        let mut text = match self.status {
            CollectorStatus::Failed => {
                format!("{} FAILED: {} collected", self.name, counted(self.collected, "point"))
            }
            _ => format!("{} collected {}", self.name, counted(self.collected, "point")),
        };
        for (count, words) in [
            (self.delivered, "delivered"),
            (self.kept, "kept in the outbox"),
            (self.rejected, "rejected"),
            (self.too_old, "too old"),
            (self.linked, "linked"),
        ] {
            if count > 0 {
                let _ = write!(text, ", {count} {words}");
            }
        }
        let calls: u64 = self.calls.values().sum();
        let _ = write!(text, "; {} in {:.1} s", counted(calls, "call"), self.seconds);
        let troubled: Vec<String> = self
            .regions
            .iter()
            .filter(|(_, result)| *result != "ok")
            .map(|(region, result)| format!("{region} {result}"))
            .collect();
        if !troubled.is_empty() {
            let _ = write!(text, " ({})", troubled.join(", "));
        }
        text
    }
}

/// A row of its own: what clouds and scripts say may hold line breaks, and what a terminal would obey.
fn line(text: &mut String, row: &str) {
    text.extend(row.chars().map(|character| if character.is_control() { ' ' } else { character }));
    text.push('\n');
}

/// `1 call`, `2 calls`.
pub(super) fn counted(count: u64, word: &str) -> String {
    format!("{count} {word}{}", if count == 1 { "" } else { "s" })
}

/// RFC 3339 in UTC, to the second.
#[must_use]
pub fn rfc3339(time: Time) -> String {
    chrono::DateTime::from_timestamp_nanos(time).to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}
