//! Rates that hold for all machines together: one row for each scope, which says when its next call may go.
//!
//! A process takes several turns at once (as many as wait for one), so that the database is not asked for each call. Turns are moments
//! of the server's clock, evenly spaced: two machines never have the same. A turn that nobody uses is lost, never saved up.

use super::{ATTEMPTS, Postgres};
use crate::state::StateError;
use funchost_collectors::call::{Ask, SharedRates, Turns};
use std::time::Duration;

/// Nothing that was given lies further ahead: what does is of a clock that was set since, or of a rate that was another one, and counts no more.
const AHEAD: Duration = Duration::from_secs(600);

/// Where single calls are minutes apart, as many machines may each have asked for one.
const MACHINES: i64 = 64;

/// Nanoseconds that can be added to a time.
fn nanoseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX).min(i64::MAX / 1024)
}

impl Postgres {
    async fn take_turns(&self, scope: &str, ask: Ask) -> Result<Turns, StateError> {
        let span = nanoseconds(ask.pause.saturating_mul(ask.count).saturating_add(ask.gap));
        // One statement: the row is locked from when it is read until it is written.
        let mut attempts = 0;
        let (end, now): (i64, i64) = loop {
            // One statement: the row is locked from when it is read until it is written.
            let done = sqlx::query_as(
                "INSERT INTO rate (scope, next) VALUES ($1, (extract(epoch FROM clock_timestamp()) * 1000000000)::bigint + $2)
                 ON CONFLICT (scope) DO UPDATE
                 SET next = CASE WHEN rate.next > (extract(epoch FROM clock_timestamp()) * 1000000000)::bigint + $3
                            THEN (extract(epoch FROM clock_timestamp()) * 1000000000)::bigint
                            ELSE greatest(rate.next, (extract(epoch FROM clock_timestamp()) * 1000000000)::bigint) END + $2
                 RETURNING next, (extract(epoch FROM clock_timestamp()) * 1000000000)::bigint",
            )
            .bind(scope)
            .bind(span)
            .bind(nanoseconds(AHEAD).max(span.saturating_mul(MACHINES)))
            .fetch_one(&self.pool)
            .await;
            match done {
                Ok(given) => break given,
                Err(error) if attempts < ATTEMPTS && self.is_passing(&error) => attempts += 1,
                Err(error) => return Err(self.fault(error)),
            }
        };
        Ok(Turns { first: end - span, now, count: ask.count, end })
    }

    /// A question that was asked since has moved the row: what it was given stands behind these turns.
    async fn take_back(&self, scope: &str, end: i64, from: i64) -> Result<bool, StateError> {
        let mut attempts = 0;
        loop {
            let done = sqlx::query("UPDATE rate SET next = $3 WHERE scope = $1 AND next = $2")
                .bind(scope)
                .bind(end)
                .bind(from)
                .execute(&self.pool)
                .await;
            match done {
                Ok(taken) => return Ok(taken.rows_affected() == 1),
                Err(error) if attempts < ATTEMPTS && self.is_passing(&error) => attempts += 1,
                Err(error) => return Err(self.fault(error)),
            }
        }
    }
}

#[async_trait::async_trait]
impl SharedRates for Postgres {
    async fn turns(&self, scope: &str, ask: Ask) -> Result<Turns, String> {
        self.take_turns(scope, ask).await.map_err(|error| error.to_string())
    }

    async fn give_back(&self, scope: &str, end: i64, from: i64) -> Result<bool, String> {
        self.take_back(scope, end, from).await.map_err(|error| error.to_string())
    }
}
