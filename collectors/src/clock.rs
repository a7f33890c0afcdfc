//! The clock: one of the two seams for tests (the other is the transport).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Nanoseconds in a second.
pub const SECOND: i64 = 1_000_000_000;

/// Where the time comes from.
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// Nanoseconds since 1970, UTC.
    fn now(&self) -> i64;

    /// How long the machine's timers must run for this much time to pass: less where a test's clock runs faster.
    fn wait(&self, time: Duration) -> Duration {
        time
    }
}

/// The machine's clock.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the seam itself")]
    fn now(&self) -> i64 {
        nanoseconds(SystemTime::now())
    }
}

/// The machine's clock, moved by a fixed number of nanoseconds: for tests that need "a minute later".
#[derive(Debug, Clone, Copy)]
pub struct ShiftedClock {
    /// Added to the machine's time.
    pub offset: i64,
}

impl Clock for ShiftedClock {
    fn now(&self) -> i64 {
        SystemClock.now().saturating_add(self.offset)
    }
}

/// Nanoseconds since 1970 of a system time; times before 1970 are 0.
#[must_use]
pub fn nanoseconds(time: SystemTime) -> i64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |passed| i64::try_from(passed.as_nanos()).unwrap_or(i64::MAX))
}

/// A system time from nanoseconds since 1970.
#[must_use]
pub fn system_time(nanoseconds: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(0))
}
