//! The outbox: parcels in the order they were kept, bounded in bytes.

use super::Connection;
use crate::state::{Evicted, Parcel, Time, Waiting};

/// How many parcels are looked at in one step when room must be made.
const STEP: i64 = 256;

/// Takes parcels out; an id that is not there is none.
pub(super) async fn remove(connection: &mut Connection, ids: &[i64]) -> sqlx::Result<()> {
    for id in ids {
        sqlx::query("DELETE FROM outbox WHERE id = $1").bind(id).execute(&mut *connection).await?;
    }
    Ok(())
}

/// Puts parcels in, in this order; one that has an id into its old place, which is free by now.
pub(super) async fn keep(connection: &mut Connection, parcels: &[Parcel]) -> sqlx::Result<()> {
    for parcel in parcels {
        let query = if parcel.id == 0 {
            sqlx::query(
                "INSERT INTO outbox (datakit, category, created, oldest, points, bytes, body)
                 VALUES ($1, $2, $3, $4, $5, $6, $7)",
            )
        } else {
            sqlx::query(
                "INSERT INTO outbox (id, datakit, category, created, oldest, points, bytes, body)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            )
            .bind(parcel.id)
        };
        query
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
pub(super) async fn evict(connection: &mut Connection, limit: u64) -> sqlx::Result<Evicted> {
    if excess_over(connection, limit).await? == 0 {
        return Ok(Evicted::default());
    }
    // Two that make room at once would throw away twice as much.
    super::claims::lock(connection, "outbox").await?;
    let mut excess = excess_over(connection, limit).await?;
    let mut last = 0;
    while excess > 0 {
        let oldest: Vec<(i64, i64)> =
            sqlx::query_as("SELECT id, bytes FROM outbox WHERE id > $1 ORDER BY id LIMIT $2")
                .bind(last)
                .bind(STEP)
                .fetch_all(&mut *connection)
                .await?;
        if oldest.is_empty() {
            break;
        }
        for (id, bytes) in oldest {
            if excess == 0 {
                break;
            }
            last = id;
            excess = excess.saturating_sub(count(bytes));
        }
    }
    let gone: Vec<i64> = sqlx::query_scalar("DELETE FROM outbox WHERE id <= $1 RETURNING points")
        .bind(last)
        .fetch_all(connection)
        .await?;
    Ok(Evicted {
        parcels: gone.len() as u64,
        points: gone.into_iter().fold(0, |sum, points| sum.saturating_add(count(points))),
    })
}

/// Bytes of bodies beyond `limit`.
async fn excess_over(connection: &mut Connection, limit: u64) -> sqlx::Result<u64> {
    let bytes: Option<i64> =
        sqlx::query_scalar("SELECT CAST(sum(bytes) AS BIGINT) FROM outbox").fetch_one(connection).await?;
    Ok(count(bytes.unwrap_or(0)).saturating_sub(limit))
}

/// See [`crate::state::State::outbox`].
pub(super) async fn oldest(
    connection: &mut Connection,
    datakit: &str,
    after: i64,
    limit: u32,
) -> sqlx::Result<Vec<Parcel>> {
    let rows: Vec<(i64, String, Time, Time, i64, Vec<u8>)> = sqlx::query_as(
        "SELECT id, category, created, oldest, points, body FROM outbox
         WHERE datakit = $1 AND id > $2 ORDER BY id LIMIT $3",
    )
    .bind(datakit)
    .bind(after)
    .bind(i64::from(limit))
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
pub(super) async fn sizes(connection: &mut Connection) -> sqlx::Result<Vec<(String, u64, u64, u64)>> {
    let rows: Vec<(String, i64, i64, i64)> = sqlx::query_as(
        "SELECT datakit, count(*), CAST(sum(points) AS BIGINT), CAST(sum(bytes) AS BIGINT) FROM outbox GROUP BY datakit",
    )
    .fetch_all(connection)
    .await?;
    Ok(super::sorted(rows, Ord::cmp)
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
    connection: &mut Connection,
    datakit: Option<&str>,
) -> sqlx::Result<Vec<Waiting>> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT id, datakit, category, created, oldest, points, bytes FROM outbox
         WHERE $1 IS NULL OR datakit = $1 ORDER BY id",
    )
    .bind(datakit)
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(waits).collect())
}

/// See [`crate::state::State::discard`].
pub(super) async fn discard(connection: &mut Connection, ids: &[i64]) -> sqlx::Result<Vec<Waiting>> {
    let mut gone = Vec::with_capacity(ids.len());
    for id in ids {
        let row: Option<Row> = sqlx::query_as(
            "DELETE FROM outbox WHERE id = $1 RETURNING id, datakit, category, created, oldest, points, bytes",
        )
        .bind(id)
        .fetch_optional(&mut *connection)
        .await?;
        gone.extend(row.map(waits));
    }
    Ok(gone)
}

/// The database's integers have a sign.
fn stored(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn count(stored: i64) -> u64 {
    u64::try_from(stored).unwrap_or(0)
}
