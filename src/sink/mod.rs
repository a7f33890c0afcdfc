//! The sink: points become line protocol, line protocol becomes requests to DataKit.
//!
//! Owns everything that knows line protocol. Follows what was measured on DataKit 1.84: it rejects a whole request for one bad line, and it
//! cuts, drops and rewrites in silence; so nothing that it would change is ever sent. Knows no cloud, no script and no SQL.

pub mod batch;
pub mod datakit;
pub mod line;

use funchost_collectors::clock::SECOND;

/// DataKit overwrites the time of a point that is further than this from its clock, nanoseconds.
pub const REACH: i64 = 2 * 3600 * SECOND;

/// How much earlier than DataKit's limit a point is already too old: it must still be in time when it arrives.
pub const MARGIN: i64 = 60 * SECOND;

/// The oldest time that a point may have at `now` (DataKit's) and still be written under it.
#[must_use]
pub fn oldest_writable(now: i64) -> i64 {
    now.saturating_sub(REACH - MARGIN)
}
