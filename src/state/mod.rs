//! The state: intervals and their claims, marks, the outbox, remembered objects, cached lists, call counts.
//!
//! Owns everything that must outlive a process, behind one trait. The only room that knows SQL. Knows nothing of clouds,
//! scripts or line protocol: points in the outbox are bytes to it.
//!
//! Two processes may use one state at once. What both must not do is claimed first; what both may do is merged.

mod place;
// The same text, compiled for each database.
#[allow(
    clippy::duplicate_mod,
    reason = "the files under `sql` are written once and compiled for each database"
)]
mod postgres;
pub mod runs;
pub(crate) mod said;
#[allow(clippy::duplicate_mod, reason = "see above")]
mod sqlite;

use std::collections::BTreeMap;

pub use place::{DatabaseUrl, Opened, open};
pub use postgres::Postgres;
pub use runs::{Runs, Store};
pub use sqlite::{FILE_NAME, Sqlite};

/// Nanoseconds since 1970, UTC.
pub type Time = i64;

/// Why the state could not be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The file cannot be opened, written or read; the text says which and what to do.
    #[error("{0}")]
    Unusable(String),
    /// It was written by a newer version.
    #[error(
        "the state {path} was written by a newer version (format {found}, this program knows {known}): update funchost, or name another state with --state"
    )]
    Newer {
        /// Where.
        path: String,
        /// Its format.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// The run that wanted to write is another's by now.
    #[error(
        "run {0} was taken over by another worker, because this one had gone silent: nothing more of it is kept here"
    )]
    Lost(i64),
}

/// Asks for the right to collect one region of one collector now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// What is collected: DataKit, collector, account, region and a digest of the configuration, made by the Runner.
    pub key: String,
    /// The start of the run: intervals count from there.
    pub run_started: Time,
    /// The minimum interval, nanoseconds.
    pub interval: Time,
    /// How much earlier than due is still on time, nanoseconds.
    pub slack: Time,
    /// A claim of a process that died is free again after this.
    pub expires: Time,
    /// Ignore the interval (not another process's claim).
    pub force: bool,
}

/// What came of a [`Claim`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claimed {
    /// Collect now; then say [`State::release`] with this number.
    Yes(i64),
    /// The interval has not passed.
    NotDue {
        /// When it is.
        due: Time,
    },
    /// Another process is collecting it.
    Busy {
        /// When its claim ends at the latest.
        until: Time,
    },
}

/// How a claimed collection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Collected: next due an interval after the run's start.
    Collected,
    /// Failed: next due after 1, 2, 4, 8 minutes, then at the interval, never later than that.
    Failed,
    /// Given back as if it had never been claimed.
    Abandoned,
}

/// One point's memory in a mark: what was sent, so that the overlap sends only news.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sent {
    /// The point's time, nanoseconds.
    pub time: Time,
    /// A hash of its own identity: measurement and dimensions.
    pub identity: u64,
    /// A hash of its fields.
    pub fields: u64,
}

/// A mark as it is remembered.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Mark {
    /// Everything before was delivered; none the first time.
    pub until: Option<Time>,
    /// What was sent and may come again in the overlap. For one identity and time the last entry holds.
    pub sent: Vec<Sent>,
}

/// What becomes true when points were acknowledged, or are stored instead: all of it, or nothing.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Commit {
    /// Points that went out (or into the outbox), by mark key.
    pub sent: Vec<(String, Vec<Sent>)>,
    /// Marks that move (never backwards), and before which time what was sent may be forgotten.
    pub marks: Vec<(String, Time, Time)>,
    /// Parcels to keep.
    pub kept: Vec<Parcel>,
    /// Parcels that were delivered or dropped, by id.
    pub removed: Vec<i64>,
}

/// Points that DataKit did not take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parcel {
    /// 0 until it is kept; then ascending in the order they were kept. What is left of a parcel is kept under its own id, in its place.
    pub id: i64,
    /// Which DataKit.
    pub datakit: String,
    /// `metric` or `custom_object`.
    pub category: String,
    /// When it was kept.
    pub created: Time,
    /// The time of its oldest point.
    pub oldest: Time,
    /// How many points.
    pub points: u64,
    /// What the sink made of them.
    pub body: Vec<u8>,
}

/// A parcel without its points.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Which.
    pub id: i64,
    /// For which DataKit.
    pub datakit: String,
    /// `metric` or `custom_object`.
    pub category: String,
    /// When it was kept.
    pub created: Time,
    /// The time of its oldest point.
    pub oldest: Time,
    /// How many points.
    pub points: u64,
    /// Bytes of its body.
    pub bytes: u64,
}

/// What was pushed out of a full outbox.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Evicted {
    /// Parcels.
    pub parcels: u64,
    /// Points in them.
    pub points: u64,
}

/// A remembered object: its own tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Its tag `name`.
    pub name: String,
    /// Its own tags, `name` included.
    pub tags: BTreeMap<String, String>,
}

/// Whose objects.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ObjectScope {
    /// The account's identity.
    pub account: String,
    /// The measurement: `aws_ec2`.
    pub class: String,
    /// Where they were listed.
    pub region: String,
}

/// What must outlive a process.
#[async_trait::async_trait]
pub trait State: Send + Sync {
    /// Claims each; all answers in the order asked. Atomic against every other process.
    async fn claim(&self, claims: &[Claim]) -> Result<Vec<Claimed>, StateError>;
    /// Ends a claim. A claim that was lost meanwhile (expired and taken by another) changes nothing and answers `false`.
    async fn release(&self, key: &str, claim: i64, outcome: Outcome) -> Result<bool, StateError>;
    /// Says that the process still works on these claims: each expires at `expires` now. A lost one stays lost.
    async fn renew(&self, claims: &[(String, i64)], expires: Time) -> Result<(), StateError>;
    /// When the key is due next, without claiming it; none where it never ran.
    async fn due(&self, key: &str) -> Result<Option<Time>, StateError>;

    /// The marks of these keys, in order.
    async fn marks(&self, keys: &[String]) -> Result<Vec<Mark>, StateError>;
    /// One transaction. The outbox holds at most `limit` bytes of bodies: older parcels go first.
    async fn commit(&self, commit: Commit, limit: u64) -> Result<Evicted, StateError>;

    /// The oldest parcels of a DataKit after `after`, at most `count`.
    async fn outbox(&self, datakit: &str, after: i64, count: u32) -> Result<Vec<Parcel>, StateError>;
    /// Parcels, points and bytes that wait, by DataKit.
    async fn outbox_sizes(&self) -> Result<Vec<(String, u64, u64, u64)>, StateError>;
    /// The parcels that wait, in the order they were kept: of one DataKit, or of all.
    async fn waiting(&self, datakit: Option<&str>) -> Result<Vec<Waiting>, StateError>;
    /// Takes parcels out for good, in one step; answers with those that were there.
    async fn discard(&self, ids: &[i64]) -> Result<Vec<Waiting>, StateError>;

    /// Keeps objects (new or changed).
    async fn keep_objects(
        &self,
        scope: &ObjectScope,
        objects: &[Object],
        now: Time,
    ) -> Result<(), StateError>;
    /// Forgets the scope's objects whose name is not among `seen`: only after a complete collection.
    async fn forget_objects(&self, scope: &ObjectScope, seen: &[String]) -> Result<u64, StateError>;
    /// The objects of an account's class, of one region or of all, each with its region.
    async fn objects(
        &self,
        account: &str,
        class: &str,
        region: Option<&str>,
    ) -> Result<Vec<(String, Object)>, StateError>;

    /// A value that has not expired.
    async fn recall(&self, key: &str, now: Time) -> Result<Option<Vec<u8>>, StateError>;
    /// Keeps a value until `expires`.
    async fn remember(&self, key: &str, value: &[u8], expires: Time) -> Result<(), StateError>;

    /// A value that has not expired, and when it does.
    async fn value(&self, key: &str, now: Time) -> Result<Option<(Vec<u8>, Time)>, StateError>;
    /// Puts `new` (and when it expires) in the place of `known`, in one step against every other process; says whether `known` was what stood there.
    async fn swap(
        &self,
        key: &str,
        known: Option<&[u8]>,
        new: Option<(&[u8], Time)>,
        now: Time,
    ) -> Result<bool, StateError>;
    /// The keys that begin so and have not expired, sorted.
    async fn keys(&self, prefix: &str, now: Time) -> Result<Vec<String>, StateError>;

    /// Adds to the calls of a day (`2026-11-22`, UTC) of an account: `ec2:DescribeInstances` → how many.
    async fn count_calls(
        &self,
        day: &str,
        account: &str,
        calls: &BTreeMap<String, u64>,
    ) -> Result<(), StateError>;
    /// What was counted.
    async fn calls(&self, day: &str, account: &str) -> Result<BTreeMap<String, u64>, StateError>;
}

/// In an order that is the same over every database: how texts follow each other is each one's own (its collation), and no `ORDER BY` is by one.
fn sorted<T>(mut rows: Vec<T>, order: impl Fn(&T, &T) -> std::cmp::Ordering) -> Vec<T> {
    rows.sort_unstable_by(order);
    rows
}
