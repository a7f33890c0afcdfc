//! Marks: up to where metrics were delivered, and what was sent that the overlap will see again.
//!
//! What a commit sent is one row per mark: a blob of 24 bytes an entry (time, identity, fields, little endian). Rows are only ever
//! added, so two processes that write to one mark lose nothing of each other; they are merged when they are read, and
//! rewritten as one row when there are many. Rows go when all their entries may be forgotten.

use super::Connection;
use crate::state::{Commit, Mark, Sent, Time};
use std::collections::BTreeSet;

/// Bytes of an entry.
const ENTRY: usize = 24;
/// A mark does not move back for a slower process; but no window reaches further back than two hours, so a mark that is further ahead was made under a
/// clock that has been set right since.
const MOST_APART: i64 = 3 * 3600 * funchost_collectors::clock::SECOND;
/// More small rows of one mark than this are rewritten as one.
const ROWS: i64 = 32;
/// Bytes of entries from which on a row is no longer small: it stays as it is.
const LARGE: i64 = 256 << 10;
const DAY: i64 = 24 * 3600 * funchost_collectors::clock::SECOND;

/// See [`crate::state::State::marks`].
pub(super) async fn read(connection: &mut Connection, keys: &[String]) -> sqlx::Result<Vec<Mark>> {
    let mut marks = Vec::with_capacity(keys.len());
    for key in keys {
        let known: Option<(i64, Option<Time>)> = sqlx::query_as("SELECT id, until FROM mark WHERE key = $1")
            .bind(key)
            .fetch_optional(&mut *connection)
            .await?;
        marks.push(match known {
            Some((id, until)) => Mark { until, sent: merged(connection, id, 0).await? },
            None => Mark::default(),
        });
    }
    Ok(marks)
}

/// What [`Commit::sent`] and [`Commit::marks`] say.
pub(super) async fn write(connection: &mut Connection, commit: &Commit) -> sqlx::Result<()> {
    // In one order, whoever writes: two that need the same marks wait for each other, not for ever.
    let keys: BTreeSet<&String> =
        commit.sent.iter().map(|(key, _)| key).chain(commit.marks.iter().map(|(key, ..)| key)).collect();
    for key in keys {
        id(connection, key).await?;
    }
    let mut grown = BTreeSet::new();
    for (key, sent) in &commit.sent {
        let Some(newest) = sent.iter().map(|entry| entry.time).max() else { continue };
        let mark = id(connection, key).await?;
        append(connection, mark, newest, sent).await?;
        grown.insert(mark);
    }
    for (key, until, forget_before) in &commit.marks {
        let mark = id(connection, key).await?;
        sqlx::query(
            "UPDATE mark SET until = CASE WHEN until > $1 AND until <= $4 THEN until ELSE $1 END, forgotten = $2 WHERE id = $3",
        )
        .bind(until)
        .bind(forget_before)
        .bind(mark)
        .bind(until.saturating_add(MOST_APART))
            .execute(&mut *connection)
            .await?;
        sqlx::query("DELETE FROM sent WHERE mark = $1 AND newest < $2")
            .bind(mark)
            .bind(forget_before)
            .execute(&mut *connection)
            .await?;
    }
    for mark in grown {
        // Only what came after the last large row, so that the order of the ids stays that of the commits.
        let (rows, after): (i64, i64) = sqlx::query_as(
            "SELECT count(*), coalesce(max(large.id), 0) FROM sent
             LEFT JOIN (SELECT max(id) AS id FROM sent WHERE mark = $1 AND length(entries) >= $2) AS large ON true
             WHERE mark = $1 AND sent.id > coalesce(large.id, 0)",
        )
        .bind(mark)
        .bind(LARGE)
        .fetch_one(&mut *connection)
        .await?;
        if rows > ROWS {
            consolidate(connection, mark, after).await?;
        }
    }
    Ok(())
}

/// The mark's number; it gets one the first time it is named. Holds the mark until the transaction ends, so that entries are in
/// the order of their commits.
async fn id(connection: &mut Connection, key: &str) -> sqlx::Result<i64> {
    sqlx::query_scalar(
        "INSERT INTO mark (key) VALUES ($1) ON CONFLICT (key) DO UPDATE SET key = excluded.key RETURNING id",
    )
    .bind(key)
    .fetch_one(connection)
    .await
}

async fn append(connection: &mut Connection, mark: i64, newest: Time, sent: &[Sent]) -> sqlx::Result<()> {
    sqlx::query("INSERT INTO sent (mark, newest, entries) VALUES ($1, $2, $3)")
        .bind(mark)
        .bind(newest)
        .bind(encode(sent))
        .execute(connection)
        .await?;
    Ok(())
}

/// All entries of a mark after a row by time and identity, of several for one identity and time the last.
async fn merged(connection: &mut Connection, mark: i64, after: i64) -> sqlx::Result<Vec<Sent>> {
    let rows: Vec<Vec<u8>> =
        sqlx::query_scalar("SELECT entries FROM sent WHERE mark = $1 AND id > $2 ORDER BY id")
            .bind(mark)
            .bind(after)
            .fetch_all(connection)
            .await?;
    let mut sent = Vec::with_capacity(rows.iter().map(|row| row.len() / ENTRY).sum());
    for row in &rows {
        decode(row, &mut sent)?;
    }
    // The sort is stable: entries of one identity and time stay in the order they were sent.
    sent.sort_by_key(|entry| (entry.time, entry.identity));
    sent.dedup_by(|later, kept| {
        let same = (later.time, later.identity) == (kept.time, kept.identity);
        if same {
            *kept = *later;
        }
        same
    });
    Ok(sent)
}

/// One row in place of many, without what may be forgotten.
async fn consolidate(connection: &mut Connection, mark: i64, after: i64) -> sqlx::Result<()> {
    let forgotten: Option<Time> = sqlx::query_scalar("SELECT forgotten FROM mark WHERE id = $1")
        .bind(mark)
        .fetch_one(&mut *connection)
        .await?;
    let mut sent = merged(connection, mark, after).await?;
    sent.retain(|entry| forgotten.is_none_or(|before| entry.time >= before));
    sqlx::query("DELETE FROM sent WHERE mark = $1 AND id > $2")
        .bind(mark)
        .bind(after)
        .execute(&mut *connection)
        .await?;
    match sent.last() {
        Some(last) => append(connection, mark, last.time, &sent).await,
        None => Ok(()),
    }
}

/// Forgets entries that no overlap reaches (points more than two hours old are never sent), and marks that have not moved for more
/// than a year.
pub(super) async fn tidy(connection: &mut Connection, now: Time) -> sqlx::Result<()> {
    sqlx::query("DELETE FROM sent WHERE newest < $1")
        .bind(now.saturating_sub(2 * DAY))
        .execute(&mut *connection)
        .await?;
    sqlx::query(
        "DELETE FROM mark WHERE coalesce(until, 0) < $1
         AND NOT EXISTS (SELECT 1 FROM sent WHERE sent.mark = mark.id)",
    )
    .bind(now.saturating_sub(400 * DAY))
    .execute(connection)
    .await?;
    Ok(())
}

fn encode(sent: &[Sent]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(sent.len() * ENTRY);
    for entry in sent {
        bytes.extend_from_slice(&entry.time.to_le_bytes());
        bytes.extend_from_slice(&entry.identity.to_le_bytes());
        bytes.extend_from_slice(&entry.fields.to_le_bytes());
    }
    bytes
}

fn decode(bytes: &[u8], into: &mut Vec<Sent>) -> sqlx::Result<()> {
    let (numbers, rest) = bytes.as_chunks::<8>();
    let (entries, odd) = numbers.as_chunks::<3>();
    if !rest.is_empty() || !odd.is_empty() {
        let cause = format!("what was sent takes {} bytes, no multiple of {ENTRY}", bytes.len());
        return Err(sqlx::Error::Decode(cause.into()));
    }
    into.extend(entries.iter().map(|[time, identity, fields]| Sent {
        time: i64::from_le_bytes(*time),
        identity: u64::from_le_bytes(*identity),
        fields: u64::from_le_bytes(*fields),
    }));
    Ok(())
}
