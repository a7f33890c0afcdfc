//! The servers' clock: the machine's, moved by an offset that a test sets.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::SystemTime;

/// The clock of all servers.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    offset: AtomicI64,
}

impl Clock {
    /// Seconds since 1970, UTC.
    #[expect(clippy::disallowed_methods, reason = "the simulator's one place that reads the time")]
    pub(crate) fn now(&self) -> i64 {
        let passed = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        i64::try_from(passed.as_secs()).unwrap_or(i64::MAX) + self.offset.load(Ordering::Relaxed)
    }

    pub(crate) fn set_offset(&self, seconds: i64) {
        self.offset.store(seconds, Ordering::Relaxed);
    }

    /// As a `Date` header.
    pub(crate) fn date(&self) -> String {
        self.date_ahead(0)
    }

    /// The same of a clock that is so many seconds ahead.
    pub(crate) fn date_ahead(&self, seconds: i64) -> String {
        time(self.now() + seconds).format("%a, %d %b %Y %H:%M:%S GMT").to_string()
    }
}

/// A time from seconds since 1970.
pub(crate) fn time(seconds: i64) -> chrono::DateTime<chrono::Utc> {
    chrono::DateTime::from_timestamp(seconds, 0).unwrap_or_default()
}
