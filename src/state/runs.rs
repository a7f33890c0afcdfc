//! What the service remembers: triggers, the queue, runs and their log, and who works.
//!
//! Owns the types, and what each step promises. A run's record and its place in the queue are one row, written when the run is
//! asked for: there is no moment at which a run is in neither.
//!
//! Who works on a run holds it by a number, its fence, that grows with every taking. A worker that lost its run to another (it
//! was cut off, or slept) finds its number outdated in the very transaction in which it tries to write: a late worker can
//! commit nothing, whatever the clocks say.

use super::{State, StateError, Time};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Waits for a worker, or for its time.
    Queued,
    /// A worker is at it.
    Running,
    /// Ended well.
    Success,
    /// Ended badly.
    Failure,
    /// Stopped at its deadline.
    Timeout,
    /// Not started: the run before had not ended.
    Skip,
    /// Not started: nothing was there to start it in time.
    Missed,
    /// Not started: no worker took it before it expired.
    Expired,
    /// Stopped before its end: by hand, or because whoever ran it died too often.
    Interrupted,
}

impl Status {
    /// Every one, in the order of a run's life.
    pub const ALL: [Self; 9] = [
        Self::Queued,
        Self::Running,
        Self::Success,
        Self::Failure,
        Self::Timeout,
        Self::Skip,
        Self::Missed,
        Self::Expired,
        Self::Interrupted,
    ];

    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Timeout => "timeout",
            Self::Skip => "skip",
            Self::Missed => "missed",
            Self::Expired => "expired",
            Self::Interrupted => "interrupted",
        }
    }

    /// From its word.
    #[must_use]
    pub fn read(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == word)
    }

    /// Will nothing more come of it?
    #[must_use]
    pub fn is_final(self) -> bool {
        !matches!(self, Self::Queued | Self::Running)
    }
}

/// Why a run was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// A trigger was due.
    Cron,
    /// A trigger was run by hand.
    Manual,
    /// A call that waits for the result.
    Sync,
    /// A call that does not.
    Async,
    /// `funchost run` on a command line.
    Command,
}

impl Origin {
    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cron => "cron",
            Self::Manual => "manual",
            Self::Sync => "sync",
            Self::Async => "async",
            Self::Command => "command",
        }
    }

    /// Every one.
    pub const ALL: [Self; 5] = [Self::Cron, Self::Manual, Self::Sync, Self::Async, Self::Command];

    /// From its word.
    #[must_use]
    pub fn read(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|origin| origin.as_str() == word)
    }
}

/// What a function is called with: as its worker needs it, and as everybody else sees it.
///
/// The one stands in the state only until the run has ended.
#[derive(Clone, PartialEq, Eq)]
pub struct Arguments {
    given: String,
    shown: String,
}

impl Arguments {
    /// Two JSON objects.
    #[must_use]
    pub fn new(given: String, shown: String) -> Self {
        Self { given, shown }
    }

    /// As they were given: for the worker.
    #[must_use]
    pub fn given(&self) -> &str {
        &self.given
    }

    /// Without what is secret in them.
    #[must_use]
    pub fn shown(&self) -> &str {
        &self.shown
    }
}

impl std::fmt::Debug for Arguments {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.shown)
    }
}

/// Of a JSON object: what its names say is secret is not shown.
impl From<&str> for Arguments {
    fn from(given: &str) -> Self {
        Self::new(given.to_owned(), crate::hiding::written(given))
    }
}

/// A run that is asked for, or one that is only recorded because it did not happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRun {
    /// `my_aws__main.run`.
    pub func: String,
    /// Why.
    pub origin: Origin,
    /// By which trigger.
    pub trigger: Option<String>,
    /// The time that the crontab names. One run for each trigger, tick and delay, whoever asks.
    pub tick: Option<Time>,
    /// Nanoseconds that it is to start after the tick.
    pub delay: i64,
    /// How many ticks the record stands for: more than one only where they were missed.
    pub ticks: i64,
    /// The arguments.
    pub kwargs: Arguments,
    /// [`Status::Queued`], or why it did not happen.
    pub status: Status,
    /// The same in words.
    pub reason: Option<String>,
    /// When it was asked for.
    pub created: Time,
    /// Not to start before.
    pub due: Time,
    /// Not to start after.
    pub expires: Time,
    /// Seconds it may take; none: what the function says.
    pub timeout: Option<i64>,
}

/// A run as it is remembered; what is large stands in [`Detail`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Ascending.
    pub id: i64,
    /// See [`NewRun`].
    pub func: String,
    /// See [`NewRun`].
    pub origin: Origin,
    /// See [`NewRun`].
    pub trigger: Option<String>,
    /// See [`NewRun`].
    pub tick: Option<Time>,
    /// See [`NewRun`].
    pub delay: i64,
    /// See [`NewRun`].
    pub ticks: i64,
    /// How it stands.
    pub status: Status,
    /// Why it stands so, in one line.
    pub reason: Option<String>,
    /// See [`NewRun`].
    pub created: Time,
    /// See [`NewRun`].
    pub due: Time,
    /// See [`NewRun`].
    pub expires: Time,
    /// See [`NewRun`].
    pub timeout: Option<i64>,
    /// When it was begun first: a worker that takes it over, or takes it again, changes nothing of that.
    pub started: Option<Time>,
    /// When it ended.
    pub ended: Option<Time>,
    /// Who has, or had it.
    pub worker: Option<String>,
    /// How often it was taken; the number of the one who has it.
    pub fence: i64,
    /// Until when the worker has it without a word.
    pub lease: Option<Time>,
    /// Points delivered, for lists.
    pub points: Option<i64>,
    /// Calls made, for lists.
    pub calls: Option<i64>,
    /// Was it asked to stop?
    pub stop: bool,
}

/// What a run left, as JSON texts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Detail {
    /// The arguments, as they may be shown.
    pub kwargs: String,
    /// What the function returned.
    pub result: Option<String>,
    /// The Runner's report, collector by collector.
    pub report: Option<String>,
    /// What went wrong, with its place: a list.
    pub error: Option<String>,
    /// Some of its points: a list.
    pub samples: Option<String>,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// A final one.
    pub status: Status,
    /// In one line.
    pub reason: Option<String>,
    /// Where `kwargs` in it is empty, the arguments are shown as they were when the run was asked for.
    pub detail: Detail,
    /// Points delivered.
    pub points: Option<i64>,
    /// Calls made.
    pub calls: Option<i64>,
}

/// What came of trying to take a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is ours.
    Yes(Box<Ours>),
    /// Another was quicker, or it ended.
    Gone,
    /// It was ended instead, and why.
    Ended(Status),
}

/// A run that was taken.
#[derive(Clone, PartialEq, Eq)]
pub struct Ours {
    /// As it stands now.
    pub record: Record,
    /// Its arguments, as they were given.
    pub kwargs: String,
    /// Who had it before and went silent.
    pub from: Option<String>,
    /// The number of the last line of its log.
    pub last_line: i64,
}

impl std::fmt::Debug for Ours {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The arguments may hold secrets.
        formatter
            .debug_struct("Ours")
            .field("record", &self.record)
            .field("from", &self.from)
            .field("last_line", &self.last_line)
            .finish_non_exhaustive()
    }
}

/// One line of a run's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// Ascending within the run.
    pub number: i64,
    /// When it was said.
    pub time: Time,
    /// Nanoseconds since the line before, or since the start.
    pub since_last: i64,
    /// Nanoseconds since the start.
    pub since_start: i64,
    /// `print`, `debug`, `info`, `warning`, `error`, or `host` for what the service itself says.
    pub kind: String,
    /// May hold line breaks.
    pub text: String,
}

/// A trigger as machines tell each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TriggerRow {
    /// Its name.
    pub id: String,
    /// What it runs.
    pub func: String,
    /// Five fields.
    pub cron: String,
    /// Where the wall is.
    pub zone: String,
    /// Everything else of its definition, a JSON object.
    pub definition: String,
    /// Every tick up to here has its run or its record.
    pub upto: Time,
    /// Its ticks count from here: it was new then, or got another crontab, or was let go on.
    pub since: Time,
    /// Does it rest until somebody lets it go on?
    pub paused: bool,
    /// When a machine said last that it has this trigger.
    pub seen: Time,
}

/// Which runs are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of this function.
    pub func: Option<String>,
    /// Of this trigger.
    pub trigger: Option<String>,
    /// That stand so.
    pub status: Option<Status>,
    /// Asked for in this way.
    pub origin: Option<Origin>,
    /// Created at or after.
    pub since: Option<Time>,
    /// Created before.
    pub until: Option<Time>,
}

/// A run that could be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenRun {
    /// Its number.
    pub id: i64,
    /// What it runs.
    pub func: String,
    /// When it is due.
    pub due: Time,
}

/// A process that serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Unique for each start.
    pub id: String,
    /// `scheduler,worker,web`.
    pub roles: String,
    /// When it started.
    pub started: Time,
    /// When it was heard last.
    pub seen: Time,
}

/// Objects that are remembered of one account, class and region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectSummary {
    /// The account's identity.
    pub account: String,
    /// `aws_ec2`.
    pub class: String,
    /// Where.
    pub region: String,
    /// How many.
    pub count: i64,
    /// When the one seen longest ago was seen.
    pub oldest: Time,
    /// When the one seen last was seen.
    pub newest: Time,
}

/// Calls of a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DayCalls {
    /// `2026-11-22`, UTC.
    pub day: String,
    /// The account's identity.
    pub account: String,
    /// `ec2:DescribeInstances`.
    pub action: String,
    /// How many.
    pub count: i64,
}

/// Runs of one hour that stand alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HourRuns {
    /// The hour's first moment, UTC.
    pub hour: Time,
    /// How they stand.
    pub status: Status,
    /// How many.
    pub count: i64,
    /// Points that they delivered.
    pub points: i64,
}

/// Numbers of the queue.
pub type Counts = BTreeMap<Status, i64>;

/// What the service needs of the state.
#[async_trait::async_trait]
pub trait Runs: Send + Sync {
    /// Says that this machine has these triggers. One that is new counts from `now`: earlier ticks are none of its business.
    async fn announce(&self, triggers: &[TriggerRow], now: Time) -> Result<(), StateError>;
    /// Every trigger that was announced and not forgotten since.
    async fn triggers(&self) -> Result<Vec<TriggerRow>, StateError>;
    /// Lets a trigger rest, or go on: from then on, not from where it stopped. `false`: there is none.
    async fn pause(&self, trigger: &str, paused: bool, now: Time) -> Result<bool, StateError>;
    /// Moves a trigger from `from` to `upto` and asks for its runs, in one step. `false`: another has moved it, and nothing was done.
    async fn advance(
        &self,
        trigger: &str,
        from: Time,
        upto: Time,
        runs: &[NewRun],
    ) -> Result<bool, StateError>;

    /// Asks for a run.
    async fn enqueue(&self, run: &NewRun) -> Result<i64, StateError>;
    /// Runs that could be taken now (waiting ones that are due, and those whose worker went silent), oldest first; those behind the one
    /// with this time and id, where one is given.
    async fn open_runs(
        &self,
        now: Time,
        behind: Option<(Time, i64)>,
        count: i64,
    ) -> Result<Vec<OpenRun>, StateError>;
    /// When the next waiting run is due.
    async fn next_due(&self) -> Result<Option<Time>, StateError>;
    /// Tries to take a run until `lease`. One that has expired ends instead, and so does a trigger's run while another of it goes on;
    /// a run that was taken `attempts` times and never ended is interrupted.
    async fn take(
        &self,
        run: i64,
        worker: &str,
        now: Time,
        lease: Time,
        attempts: i64,
    ) -> Result<Taken, StateError>;
    /// Says that we are still at these runs. Answers with those that are still ours, and whether each was asked to stop.
    async fn hold(&self, runs: &[(i64, i64)], lease: Time) -> Result<Vec<(i64, bool)>, StateError>;
    /// Ends a run. `false`: it is no longer ours, and nothing was done.
    async fn finish(&self, run: i64, fence: i64, end: &End, now: Time) -> Result<bool, StateError>;
    /// Records a run that no queue has seen, when it has ended: all of it, or nothing.
    async fn record(&self, run: &NewRun, started: Time, end: &End, now: Time) -> Result<i64, StateError>;
    /// Gives a run back, for whoever takes it next. `false`: it is no longer ours.
    async fn hand_over(&self, run: i64, fence: i64, reason: &str, now: Time) -> Result<bool, StateError>;
    /// Asks for a run's end: a waiting one ends at once, and so does one whose worker went silent. `false`: there is none that could be ended.
    async fn stop(&self, run: i64, now: Time) -> Result<bool, StateError>;
    /// Adds to a run's log. `false`: it is no longer ours.
    async fn log(&self, run: i64, fence: i64, lines: &[LogLine]) -> Result<bool, StateError>;
    /// Ends waiting runs of triggers that are due while another run of their trigger goes on, whether or not a worker has room; says how many.
    async fn skip(&self, now: Time) -> Result<u64, StateError>;
    /// Ends waiting runs that have expired, and those whose worker went silent that were asked to stop, or that nobody took over: neither
    /// before they expired, nor in a quarter of an hour in which somebody was there. Says how many.
    async fn expire(&self, now: Time) -> Result<u64, StateError>;

    /// Runs, newest first, and how many there are in all.
    async fn runs(&self, filter: &Filter, skip: i64, count: i64) -> Result<(Vec<Record>, i64), StateError>;
    /// One run.
    async fn run(&self, id: i64) -> Result<Option<(Record, Detail)>, StateError>;
    /// Lines of a run's log after a number.
    async fn lines(&self, run: i64, after: i64, count: i64) -> Result<Vec<LogLine>, StateError>;
    /// The last run of each function that ended or was left out.
    async fn last_by_func(&self) -> Result<Vec<Record>, StateError>;
    /// The same of each trigger.
    async fn last_by_trigger(&self) -> Result<Vec<Record>, StateError>;
    /// Of each trigger with runs that ended well since: the first and the last of their ticks, and how many there were.
    async fn cadence(&self, since: Time) -> Result<Vec<(String, Time, Time, i64)>, StateError>;
    /// Of each trigger with a run that ended well, whenever that was: the last tick of which one did.
    async fn last_good(&self) -> Result<Vec<(String, Time)>, StateError>;
    /// Runs created since, hour by hour.
    async fn by_hour(&self, since: Time) -> Result<Vec<HourRuns>, StateError>;
    /// How many runs stand how.
    async fn counts(&self) -> Result<Counts, StateError>;
    /// Forgets all but the newest `keep` runs of each trigger, and of each function without one, and those created before `before`. Says how many went.
    async fn forget_runs(&self, keep: i64, before: Time) -> Result<u64, StateError>;

    /// Says that a process serves.
    async fn here(&self, node: &Node) -> Result<(), StateError>;
    /// It has ended.
    async fn gone(&self, node: &str) -> Result<(), StateError>;
    /// Those heard since.
    async fn nodes(&self, since: Time) -> Result<Vec<Node>, StateError>;

    /// What is remembered of objects.
    async fn object_summaries(&self) -> Result<Vec<ObjectSummary>, StateError>;
    /// Calls from a day to a day, both included.
    async fn calls_between(&self, from: &str, to: &str) -> Result<Vec<DayCalls>, StateError>;
}

/// A whole state.
pub trait Store: State + Runs + std::fmt::Debug {
    /// The same state for one run: what it writes is committed only while the run is held by `fence`, else it fails with
    /// [`StateError::Lost`]. Counting calls is the exception: they were made.
    fn fenced(&self, run: i64, fence: i64) -> Arc<dyn State>;
}
