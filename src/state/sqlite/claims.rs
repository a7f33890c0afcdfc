//! Intervals and claims: one row per key.
//!
//! `due` is set where a collection ended; `number` while one is under way. Everything here runs inside a writing transaction,
//! which is what makes it atomic against other processes.

use crate::state::{Claim, Claimed, Outcome, Time};
use sqlx::SqliteConnection;

const MINUTE: i64 = 60 * funchost_collectors::clock::SECOND;
const DAY: i64 = 24 * 60 * MINUTE;
/// After the first, second, third and fourth failure; then the interval.
const RETRIES: [i64; 4] = [MINUTE, 2 * MINUTE, 4 * MINUTE, 8 * MINUTE];

/// See [`crate::state::State::claim`].
pub(super) async fn claim(
    connection: &mut SqliteConnection,
    claims: &[Claim],
    now: Time,
) -> sqlx::Result<Vec<Claimed>> {
    let mut answers = Vec::with_capacity(claims.len());
    for claim in claims {
        let known: Option<(Option<i64>, Time, Option<Time>, i64)> =
            sqlx::query_as("SELECT number, expires, due, interval FROM claim WHERE key = ?")
                .bind(&claim.key)
                .fetch_optional(&mut *connection)
                .await?;
        let refusal = known.and_then(|(number, expires, due, interval)| match (number, due) {
            (Some(_), _) if expires >= now => Some(Claimed::Busy { until: expires }),
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

async fn take(connection: &mut SqliteConnection, claim: &Claim) -> sqlx::Result<i64> {
    let number: i64 = sqlx::query_scalar(
        "INSERT INTO sequence (name, last) VALUES ('claim', 1)
         ON CONFLICT (name) DO UPDATE SET last = last + 1 RETURNING last",
    )
    .fetch_one(&mut *connection)
    .await?;
    sqlx::query(
        "INSERT INTO claim (key, failures, number, expires, run_started, interval, slack)
         VALUES (?1, 0, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (key) DO UPDATE
         SET number = ?2, expires = ?3, run_started = ?4, interval = ?5, slack = ?6",
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
    connection: &mut SqliteConnection,
    key: &str,
    claim: i64,
    outcome: Outcome,
) -> sqlx::Result<bool> {
    let ours: Option<(Option<Time>, i64, Time, i64, i64)> = sqlx::query_as(
        "SELECT due, failures, run_started, interval, slack FROM claim WHERE key = ? AND number = ?",
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
    sqlx::query("UPDATE claim SET number = NULL, due = ?, failures = ? WHERE key = ?")
        .bind(due)
        .bind(failures)
        .bind(key)
        .execute(connection)
        .await?;
    Ok(true)
}

/// See [`crate::state::State::renew`].
pub(super) async fn renew(
    connection: &mut SqliteConnection,
    claims: &[(String, i64)],
    expires: Time,
) -> sqlx::Result<()> {
    for (key, claim) in claims {
        sqlx::query("UPDATE claim SET expires = ? WHERE key = ? AND number = ?")
            .bind(expires)
            .bind(key)
            .bind(claim)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// See [`crate::state::State::due`].
pub(super) async fn due(connection: &mut SqliteConnection, key: &str) -> sqlx::Result<Option<Time>> {
    let due: Option<Option<Time>> = sqlx::query_scalar("SELECT due FROM claim WHERE key = ?")
        .bind(key)
        .fetch_optional(connection)
        .await?;
    Ok(due.flatten())
}

/// Forgets keys that nobody has collected for more than a year: their scripts are gone or changed.
pub(super) async fn tidy(connection: &mut SqliteConnection, now: Time) -> sqlx::Result<()> {
    sqlx::query("DELETE FROM claim WHERE max(run_started, expires, coalesce(due, run_started)) < ?")
        .bind(now.saturating_sub(400 * DAY))
        .execute(connection)
        .await?;
    Ok(())
}
