//! Rates that hold for all machines together: one row for each scope, which says when its next call may go.
//!
//! A process takes several turns at once (as many as wait for one), so that the database is not asked for each call. Turns are moments
//! of the server's clock, evenly spaced: two machines never have the same. A turn that nobody uses is lost, never saved up.

use super::Postgres;
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
        let (first, now): (i64, i64) = sqlx::query_as(
            "INSERT INTO rate (scope, next) VALUES ($1, (extract(epoch FROM clock_timestamp()) * 1000000000)::bigint + $2)
             ON CONFLICT (scope) DO UPDATE
             SET next = CASE WHEN rate.next > (extract(epoch FROM clock_timestamp()) * 1000000000)::bigint + $3
                        THEN (extract(epoch FROM clock_timestamp()) * 1000000000)::bigint
                        ELSE greatest(rate.next, (extract(epoch FROM clock_timestamp()) * 1000000000)::bigint) END + $2
             RETURNING next - $2, (extract(epoch FROM clock_timestamp()) * 1000000000)::bigint",
        )
        .bind(scope)
        .bind(span)
        .bind(nanoseconds(AHEAD).max(span.saturating_mul(MACHINES)))
        .fetch_one(&self.pool)
        .await
        .map_err(|error| self.fault(error))?;
        Ok(Turns { first, now, count: ask.count })
    }
}

#[async_trait::async_trait]
impl SharedRates for Postgres {
    async fn turns(&self, scope: &str, ask: Ask) -> Result<Turns, String> {
        self.take_turns(scope, ask).await.map_err(|error| error.to_string())
    }
}
