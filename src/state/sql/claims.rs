//! Intervals and claims: one row per key.
//!
//! `due` is set where a collection ended; `number` while one is under way. Everything here runs inside a writing transaction,
//! which is what makes it atomic against other processes.

use super::Connection;
use crate::state::{Claim, Claimed, Outcome, Time};
use funchost_collectors::clock::Clock;

const MINUTE: i64 = 60 * funchost_collectors::clock::SECOND;
const DAY: i64 = 24 * 60 * MINUTE;
/// Clocks of several machines differ by less.
const MOST_AHEAD: i64 = 5 * MINUTE;
/// After the first, second, third and fourth failure; then the interval.
const RETRIES: [i64; 4] = [MINUTE, 2 * MINUTE, 4 * MINUTE, 8 * MINUTE];

/// See [`crate::state::State::claim`].
pub(super) async fn claim(
    connection: &mut Connection,
    claims: &[Claim],
    clock: &dyn Clock,
) -> sqlx::Result<Vec<Claimed>> {
    // One at a time, on however many machines: what is read below stays true until it is written.
    lock(connection, "claim").await?;
    let now = clock.now();
    let mut answers = Vec::with_capacity(claims.len());
    for claim in claims {
        let known: Option<(Option<i64>, Time, Option<Time>, i64)> =
            sqlx::query_as("SELECT number, expires, due, interval FROM claim WHERE key = $1")
                .bind(&claim.key)
                .fetch_optional(&mut *connection)
                .await?;
        let refusal = known.and_then(|(number, expires, due, interval)| match (number, due) {
            // One that ends later than any process makes it end was made under a clock that was ahead: nobody renews it.
            (Some(_), _) if expires >= now && expires - claim.expires.max(now) <= MOST_AHEAD => {
                Some(Claimed::Busy { until: expires })
            }
            (_, Some(due)) if !claim.force && due > claim.run_started => {
                // Further away than any run could have put it: the clock was ahead when that was written, and has been set right.
                let impossible = due.saturating_sub(now.max(claim.run_started)) > interval;
                (!impossible).then_some(Claimed::NotDue { due })
            }
            _ => None,
        });
        answers.push(match refusal {
            Some(refusal) => refusal,
            None => Claimed::Yes(take(connection, claim).await?),
        });
    }
    Ok(answers)
}

/// Holds a name until the transaction ends. SQLite has one lock for all and needs no other.
pub(super) async fn lock(connection: &mut Connection, name: &str) -> sqlx::Result<()> {
    sqlx::query("INSERT INTO sequence (name, last) VALUES ($1, 0) ON CONFLICT (name) DO UPDATE SET last = sequence.last")
        .bind(name)
        .execute(connection)
        .await?;
    Ok(())
}

async fn take(connection: &mut Connection, claim: &Claim) -> sqlx::Result<i64> {
    let number: i64 = sqlx::query_scalar(
        "INSERT INTO sequence (name, last) VALUES ('claim', 1)
         ON CONFLICT (name) DO UPDATE SET last = sequence.last + 1 RETURNING last",
    )
    .fetch_one(&mut *connection)
    .await?;
    sqlx::query(
        "INSERT INTO claim (key, failures, number, expires, run_started, interval, slack)
         VALUES ($1, 0, $2, $3, $4, $5, $6)
         ON CONFLICT (key) DO UPDATE
         SET number = $2, expires = $3, run_started = $4, interval = $5, slack = $6",
    )
    .bind(&claim.key)
    .bind(number)
    .bind(claim.expires)
    .bind(claim.run_started)
    .bind(claim.interval)
    .bind(claim.slack)
    .execute(connection)
    .await?;
    Ok(number)
}

/// See [`crate::state::State::release`].
pub(super) async fn release(
    connection: &mut Connection,
    key: &str,
    claim: i64,
    outcome: Outcome,
) -> sqlx::Result<bool> {
    let ours: Option<(Option<Time>, i64, Time, i64, i64)> = sqlx::query_as(
        "SELECT due, failures, run_started, interval, slack FROM claim WHERE key = $1 AND number = $2",
    )
    .bind(key)
    .bind(claim)
    .fetch_optional(&mut *connection)
    .await?;
    let Some((due, failures, run_started, interval, slack)) = ours else { return Ok(false) };
    let after = |wait: i64| Some(run_started.saturating_add(wait).saturating_sub(slack));
    let (due, failures) = match outcome {
        Outcome::Collected => (after(interval), 0),
        Outcome::Failed => {
            let wait = usize::try_from(failures).ok().and_then(|before| RETRIES.get(before));
            (after(wait.map_or(interval, |wait| interval.min(*wait))), failures.saturating_add(1))
        }
        Outcome::Abandoned => (due, failures),
    };
    let released =
        sqlx::query("UPDATE claim SET number = NULL, due = $1, failures = $2 WHERE key = $3 AND number = $4")
            .bind(due)
            .bind(failures)
            .bind(key)
            .bind(claim)
            .execute(connection)
            .await?;
    Ok(released.rows_affected() == 1)
}

/// See [`crate::state::State::renew`].
pub(super) async fn renew(
    connection: &mut Connection,
    claims: &[(String, i64)],
    expires: Time,
) -> sqlx::Result<()> {
    for (key, claim) in claims {
        sqlx::query("UPDATE claim SET expires = $1 WHERE key = $2 AND number = $3")
            .bind(expires)
            .bind(key)
            .bind(claim)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// See [`crate::state::State::due`].
pub(super) async fn due(connection: &mut Connection, key: &str) -> sqlx::Result<Option<Time>> {
    let due: Option<Option<Time>> = sqlx::query_scalar("SELECT due FROM claim WHERE key = $1")
        .bind(key)
        .fetch_optional(connection)
        .await?;
    Ok(due.flatten())
}

/// Forgets keys that nobody has collected for more than a year: their scripts are gone or changed.
pub(super) async fn tidy(connection: &mut Connection, now: Time) -> sqlx::Result<()> {
    sqlx::query(
        "DELETE FROM claim WHERE run_started < $1 AND expires < $1 AND coalesce(due, run_started) < $1",
    )
    .bind(now.saturating_sub(400 * DAY))
    .execute(connection)
    .await?;
    Ok(())
}
