//! The outbox: parcels in the order they were kept, bounded in bytes.

use crate::state::{Evicted, Parcel, Time, Waiting};
use sqlx::SqliteConnection;

/// How many parcels are looked at in one step when room must be made.
const STEP: i64 = 256;

/// Takes parcels out; an id that is not there is none.
pub(super) async fn remove(connection: &mut SqliteConnection, ids: &[i64]) -> sqlx::Result<()> {
    for id in ids {
        sqlx::query("DELETE FROM outbox WHERE id = ?").bind(id).execute(&mut *connection).await?;
    }
    Ok(())
}

/// Puts parcels in, in this order; one that has an id into its old place, which is free by now.
pub(super) async fn keep(connection: &mut SqliteConnection, parcels: &[Parcel]) -> sqlx::Result<()> {
    for parcel in parcels {
        sqlx::query(
            "INSERT INTO outbox (id, datakit, category, created, oldest, points, bytes, body)
             VALUES (nullif(?, 0), ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(parcel.id)
        .bind(&parcel.datakit)
        .bind(&parcel.category)
        .bind(parcel.created)
        .bind(parcel.oldest)
        .bind(stored(parcel.points))
        .bind(stored(parcel.body.len() as u64))
        .bind(&parcel.body)
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

/// Makes the bodies fit into `limit` bytes, oldest parcels out first.
pub(super) async fn evict(connection: &mut SqliteConnection, limit: u64) -> sqlx::Result<Evicted> {
    let bytes: Option<i64> =
        sqlx::query_scalar("SELECT sum(bytes) FROM outbox").fetch_one(&mut *connection).await?;
    let mut excess = count(bytes.unwrap_or(0)).saturating_sub(limit);
    let mut evicted = Evicted::default();
    let mut last = 0;
    while excess > 0 {
        let oldest: Vec<(i64, i64, i64)> =
            sqlx::query_as("SELECT id, bytes, points FROM outbox WHERE id > ? ORDER BY id LIMIT ?")
                .bind(last)
                .bind(STEP)
                .fetch_all(&mut *connection)
                .await?;
        if oldest.is_empty() {
            break;
        }
        for (id, bytes, points) in oldest {
            if excess == 0 {
                break;
            }
            last = id;
            excess = excess.saturating_sub(count(bytes));
            evicted.parcels += 1;
            evicted.points = evicted.points.saturating_add(count(points));
        }
    }
    if evicted.parcels > 0 {
        sqlx::query("DELETE FROM outbox WHERE id <= ?").bind(last).execute(connection).await?;
    }
    Ok(evicted)
}

/// See [`crate::state::State::outbox`].
pub(super) async fn oldest(
    connection: &mut SqliteConnection,
    datakit: &str,
    after: i64,
    limit: u32,
) -> sqlx::Result<Vec<Parcel>> {
    let rows: Vec<(i64, String, Time, Time, i64, Vec<u8>)> = sqlx::query_as(
        "SELECT id, category, created, oldest, points, body FROM outbox
         WHERE datakit = ? AND id > ? ORDER BY id LIMIT ?",
    )
    .bind(datakit)
    .bind(after)
    .bind(limit)
    .fetch_all(connection)
    .await?;
    Ok(rows
        .into_iter()
        .map(|(id, category, created, oldest, points, body)| Parcel {
            id,
            datakit: datakit.to_owned(),
            category,
            created,
            oldest,
            points: count(points),
            body,
        })
        .collect())
}

/// See [`crate::state::State::outbox_sizes`].
pub(super) async fn sizes(connection: &mut SqliteConnection) -> sqlx::Result<Vec<(String, u64, u64, u64)>> {
    let rows: Vec<(String, i64, i64, i64)> = sqlx::query_as(
        "SELECT datakit, count(*), sum(points), sum(bytes) FROM outbox GROUP BY datakit ORDER BY datakit",
    )
    .fetch_all(connection)
    .await?;
    Ok(rows
        .into_iter()
        .map(|(datakit, parcels, points, bytes)| (datakit, count(parcels), count(points), count(bytes)))
        .collect())
}

/// A row of the outbox without its body.
type Row = (i64, String, String, Time, Time, i64, i64);

fn waits((id, datakit, category, created, oldest, points, bytes): Row) -> Waiting {
    Waiting { id, datakit, category, created, oldest, points: count(points), bytes: count(bytes) }
}

/// See [`crate::state::State::waiting`].
pub(super) async fn waiting(
    connection: &mut SqliteConnection,
    datakit: Option<&str>,
) -> sqlx::Result<Vec<Waiting>> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT id, datakit, category, created, oldest, points, bytes FROM outbox
         WHERE ?1 IS NULL OR datakit = ?1 ORDER BY id",
    )
    .bind(datakit)
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(waits).collect())
}

/// See [`crate::state::State::discard`].
pub(super) async fn discard(connection: &mut SqliteConnection, ids: &[i64]) -> sqlx::Result<Vec<Waiting>> {
    let mut gone = Vec::with_capacity(ids.len());
    for id in ids {
        let row: Option<Row> = sqlx::query_as(
            "DELETE FROM outbox WHERE id = ? RETURNING id, datakit, category, created, oldest, points, bytes",
        )
        .bind(id)
        .fetch_optional(&mut *connection)
        .await?;
        gone.extend(row.map(waits));
    }
    Ok(gone)
}

/// SQLite's integers have a sign.
fn stored(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn count(stored: i64) -> u64 {
    u64::try_from(stored).unwrap_or(0)
}
