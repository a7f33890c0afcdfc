//! What scripts keep: values by key, changed in one step. They lie beside the cached values and expire like them.

use crate::state::Time;
use sqlx::SqliteConnection;

/// See [`crate::state::State::value`].
pub(super) async fn value(
    connection: &mut SqliteConnection,
    key: &str,
    now: Time,
) -> sqlx::Result<Option<(Vec<u8>, Time)>> {
    sqlx::query_as("SELECT value, expires FROM cache WHERE key = ? AND expires > ?")
        .bind(key)
        .bind(now)
        .fetch_optional(connection)
        .await
}

/// See [`crate::state::State::swap`]. Inside a transaction that writes: nobody comes between reading and writing.
pub(super) async fn swap(
    connection: &mut SqliteConnection,
    key: &str,
    known: Option<&[u8]>,
    new: Option<(&[u8], Time)>,
    now: Time,
) -> sqlx::Result<bool> {
    let stands = value(connection, key, now).await?;
    if stands.as_ref().map(|(value, _)| value.as_slice()) != known {
        return Ok(false);
    }
    match new {
        Some((value, expires)) => {
            sqlx::query(
                "INSERT INTO cache (key, value, expires) VALUES (?1, ?2, ?3)
                 ON CONFLICT (key) DO UPDATE SET value = ?2, expires = ?3",
            )
            .bind(key)
            .bind(value)
            .bind(expires)
            .execute(connection)
            .await?;
        }
        None => {
            sqlx::query("DELETE FROM cache WHERE key = ?").bind(key).execute(connection).await?;
        }
    }
    Ok(true)
}

/// See [`crate::state::State::keys`].
pub(super) async fn keys(
    connection: &mut SqliteConnection,
    prefix: &str,
    now: Time,
) -> sqlx::Result<Vec<String>> {
    // No pattern: a key may hold what is one.
    sqlx::query_scalar(
        "SELECT key FROM cache WHERE substr(key, 1, length(?1)) = ?1 AND expires > ?2 ORDER BY key",
    )
    .bind(prefix)
    .bind(now)
    .fetch_all(connection)
    .await
}
