//! What scripts keep: values by key, changed in one step. They lie beside the cached values and expire like them.

use super::Connection;
use crate::state::Time;

/// See [`crate::state::State::value`].
pub(super) async fn value(
    connection: &mut Connection,
    key: &str,
    now: Time,
) -> sqlx::Result<Option<(Vec<u8>, Time)>> {
    sqlx::query_as("SELECT value, expires FROM cache WHERE key = $1 AND expires > $2")
        .bind(key)
        .bind(now)
        .fetch_optional(connection)
        .await
}

/// See [`crate::state::State::swap`]. Each is one statement that looks and writes: nobody comes between, whatever the isolation.
pub(super) async fn swap(
    connection: &mut Connection,
    key: &str,
    known: Option<&[u8]>,
    new: Option<(&[u8], Time)>,
    now: Time,
) -> sqlx::Result<bool> {
    let done =
        match (known, new) {
            (None, None) => return Ok(value(connection, key, now).await?.is_none()),
            (None, Some((new, expires))) => {
                sqlx::query(
                    "INSERT INTO cache (key, value, expires) VALUES ($1, $2, $3)
                 ON CONFLICT (key) DO UPDATE SET value = $2, expires = $3 WHERE cache.expires <= $4",
                )
                .bind(key)
                .bind(new)
                .bind(expires)
                .bind(now)
                .execute(connection)
                .await?
            }
            (Some(known), Some((new, expires))) => sqlx::query(
                "UPDATE cache SET value = $2, expires = $3 WHERE key = $1 AND value = $4 AND expires > $5",
            )
            .bind(key)
            .bind(new)
            .bind(expires)
            .bind(known)
            .bind(now)
            .execute(connection)
            .await?,
            (Some(known), None) => {
                sqlx::query("DELETE FROM cache WHERE key = $1 AND value = $2 AND expires > $3")
                    .bind(key)
                    .bind(known)
                    .bind(now)
                    .execute(connection)
                    .await?
            }
        };
    Ok(done.rows_affected() > 0)
}

/// See [`crate::state::State::keys`].
pub(super) async fn keys(connection: &mut Connection, prefix: &str, now: Time) -> sqlx::Result<Vec<String>> {
    // No pattern: a key may hold what is one.
    let keys =
        sqlx::query_scalar("SELECT key FROM cache WHERE substr(key, 1, length($1)) = $1 AND expires > $2")
            .bind(prefix)
            .bind(now)
            .fetch_all(connection)
            .await?;
    Ok(super::sorted(keys, Ord::cmp))
}
