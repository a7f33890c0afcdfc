//! What a run would call, before anything is called.
//!
//! Owns the words in which a collector says it. Knows no price and no month: the host multiplies. An estimate is made of what is remembered (lists of
//! metrics, objects, the pages that lists had), so it costs nothing and changes nothing.

use crate::account::Account;
use crate::collector::Action;
use crate::point::Text;
use crate::run::Memory;
use std::time::Duration;

/// Why an estimate of a script's own collector is one.
pub const AS_LAST_RUN: &str = "a script's own collector: as its last run called";

/// The same where that run failed: what it had called by then, and what the runs before it called.
pub const AS_FAILED_RUN: &str = "a script's own collector, whose last run failed: a whole one may call more, and `funchost run` says why it fails";

/// The same where that run did not come to an end.
pub const AS_OPEN_RUN: &str =
    "a script's own collector, whose last run did not end: a whole one may call more";

/// Why nothing is known of a script's own collector.
pub const NOT_RUN: &str = "what a script's own collector calls is known once it has run to its end";

/// What an estimate is made from.
pub struct Ahead<'host> {
    /// Whose.
    pub account: &'host Account,
    /// What is remembered. Its windows are those of the run that is planned.
    pub memory: &'host dyn Memory,
    /// When the planned run asks, by the cloud's clock, nanoseconds since 1970.
    pub now: i64,
    /// From one run to the next, where runs are thought to follow each other; none for a run that begins now, with the marks as they are.
    pub cadence: Option<Duration>,
    /// Has the user filters for its objects?
    pub filtered: bool,
}

impl Ahead<'_> {
    /// Has a period of so many seconds ended since the run before, when the newest `delay` nanoseconds are not asked for?
    #[must_use]
    pub fn is_new(&self, period: i64, delay: i64) -> bool {
        let Some(cadence) = self.cadence else { return true };
        let cadence = i64::try_from(cadence.as_nanos()).unwrap_or(i64::MAX);
        let ended = |time: i64| (time - delay).div_euclid(period.max(1).saturating_mul(1_000_000_000));
        ended(self.now) > ended(self.now.saturating_sub(cadence))
    }
}

/// The calls of one action in one region.
#[derive(Clone, Debug)]
pub struct Expected {
    /// Which.
    pub action: &'static Action,
    /// Where rates hold for them; empty for a central service.
    pub region: Text,
    /// First attempts each time that they are made. What has to be tried again is not foreseen.
    pub calls: u64,
    /// Metrics that these calls ask for, where the cloud bills by the metric.
    pub metrics: u64,
    /// They are made no more often than this, however often the collector runs.
    pub every: Duration,
    /// Does the planned run make them? A list that is still remembered is not asked for.
    pub due: bool,
    /// How many of them wait for each other.
    pub in_a_row: u64,
    /// Why there may be more.
    pub at_least: Option<String>,
}

impl Expected {
    /// Calls that every run makes, one after the other, exactly so many.
    #[must_use]
    pub fn new(action: &'static Action, region: &Text, calls: u64) -> Self {
        Self {
            action,
            region: region.clone(),
            calls,
            metrics: 0,
            every: Duration::ZERO,
            due: true,
            in_a_row: calls,
            at_least: None,
        }
    }
}

/// All calls of one collector's run.
#[derive(Clone, Debug, Default)]
pub struct Estimate {
    /// By action and region, in the order they are first made.
    pub calls: Vec<Expected>,
    /// Why there may be other calls than these.
    pub at_least: Vec<String>,
}

/// How a collection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Without an error.
    Well,
    /// With one.
    Failed,
    /// Not: it was stopped, or is under way.
    Open,
}

/// What is remembered of the last collection of one region by a script's own collector.
#[derive(Clone, Debug)]
pub struct LastRun {
    /// Which region.
    pub region: Text,
    /// How it ended; none where nothing is remembered of a collection.
    pub end: Option<End>,
    /// When its run began, nanoseconds since 1970; none where an older version remembered it.
    pub began: Option<i64>,
    /// What it called, as `service:Action`.
    pub called: Vec<String>,
    /// Was the script as it is now? None where an older version remembered it.
    pub same: Option<bool>,
}

/// Pages of a list; the first is asked for even where nothing is listed.
pub(crate) fn pages(items: usize, page: usize) -> u64 {
    items.div_ceil(page.max(1)).max(1) as u64
}
