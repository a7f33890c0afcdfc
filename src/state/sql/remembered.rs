//! What is remembered between runs: objects for the linkage, cached values, counts of calls.

use super::{AT_ONCE, Connection, Database};
use crate::state::{Object, ObjectScope, Time};
use chrono::{DateTime, Days};
use funchost_collectors::mapped::Mapped as _;
use sqlx::QueryBuilder;
use std::collections::{BTreeMap, BTreeSet};

/// How long counts of calls are kept: a year's bill can be compared with the one before.
const COUNTED_DAYS: u64 = 800;

/// See [`crate::state::State::keep_objects`].
pub(super) async fn keep_objects(
    connection: &mut Connection,
    scope: &ObjectScope,
    objects: &[Object],
    now: Time,
) -> sqlx::Result<()> {
    if objects.is_empty() {
        return Ok(());
    }
    sqlx::query("INSERT INTO scope (account, class, region) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING")
        .bind(&scope.account)
        .bind(&scope.class)
        .bind(&scope.region)
        .execute(&mut *connection)
        .await?;
    let Some(scope) = known(connection, scope).await? else { return Ok(()) };
    // In one order, whoever writes; and of one name the last: no row can be changed twice in one statement.
    let objects: BTreeMap<&str, &Object> =
        objects.iter().map(|object| (object.name.as_str(), object)).mapped();
    let objects: Vec<(&str, String)> = objects
        .into_iter()
        .map(|(name, object)| Ok((name, serde_json::to_string(&object.tags)?)))
        .collect::<Result<_, serde_json::Error>>()
        .map_err(|error| sqlx::Error::Encode(error.into()))?;
    for some in objects.chunks(AT_ONCE) {
        let mut query: QueryBuilder<Database> =
            QueryBuilder::new("INSERT INTO object (scope, name, tags, kept) ");
        query.push_values(some, |mut row, (name, tags)| {
            row.push_bind(scope).push_bind(*name).push_bind(tags).push_bind(now);
        });
        query.push(" ON CONFLICT (scope, name) DO UPDATE SET tags = excluded.tags, kept = excluded.kept");
        query.build().persistent(false).execute(&mut *connection).await?;
    }
    Ok(())
}

async fn known(connection: &mut Connection, scope: &ObjectScope) -> sqlx::Result<Option<i64>> {
    sqlx::query_scalar("SELECT id FROM scope WHERE account = $1 AND class = $2 AND region = $3")
        .bind(&scope.account)
        .bind(&scope.class)
        .bind(&scope.region)
        .fetch_optional(connection)
        .await
}

/// See [`crate::state::State::forget_objects`].
pub(super) async fn forget_objects(
    connection: &mut Connection,
    scope: &ObjectScope,
    seen: &[String],
) -> sqlx::Result<u64> {
    let Some(scope) = known(connection, scope).await? else { return Ok(0) };
    let seen: BTreeSet<&str> = seen.iter().map(String::as_str).collect();
    let known: Vec<String> = sqlx::query_scalar("SELECT name FROM object WHERE scope = $1")
        .bind(scope)
        .fetch_all(&mut *connection)
        .await?;
    let mut gone = 0;
    for name in super::sorted(known, Ord::cmp).iter().filter(|name| !seen.contains(name.as_str())) {
        let deleted = sqlx::query("DELETE FROM object WHERE scope = $1 AND name = $2")
            .bind(scope)
            .bind(name)
            .execute(&mut *connection)
            .await?;
        gone += deleted.rows_affected();
    }
    Ok(gone)
}

/// See [`crate::state::State::objects`]. By region and name.
pub(super) async fn objects(
    connection: &mut Connection,
    account: &str,
    class: &str,
    region: Option<&str>,
) -> sqlx::Result<Vec<(String, Object)>> {
    let rows: Vec<(String, String, String)> = sqlx::query_as(
        "SELECT region, name, tags FROM scope JOIN object ON object.scope = scope.id
         WHERE account = $1 AND class = $2 AND ($3 IS NULL OR region = $3)",
    )
    .bind(account)
    .bind(class)
    .bind(region)
    .fetch_all(connection)
    .await?;
    super::sorted(rows, Ord::cmp)
        .into_iter()
        .map(|(region, name, tags)| {
            let tags = serde_json::from_str(&tags).map_err(|error| sqlx::Error::Decode(error.into()))?;
            Ok((region, Object { name, tags }))
        })
        .collect()
}

/// See [`crate::state::State::recall`].
pub(super) async fn recall(
    connection: &mut Connection,
    key: &str,
    now: Time,
) -> sqlx::Result<Option<Vec<u8>>> {
    sqlx::query_scalar("SELECT value FROM cache WHERE key = $1 AND expires > $2")
        .bind(key)
        .bind(now)
        .fetch_optional(connection)
        .await
}

/// See [`crate::state::State::remember`]. Values that have expired go at the same time.
pub(super) async fn remember(
    connection: &mut Connection,
    key: &str,
    value: &[u8],
    expires: Time,
    now: Time,
) -> sqlx::Result<()> {
    sqlx::query("DELETE FROM cache WHERE expires <= $1").bind(now).execute(&mut *connection).await?;
    sqlx::query(
        "INSERT INTO cache (key, value, expires) VALUES ($1, $2, $3)
         ON CONFLICT (key) DO UPDATE SET value = $2, expires = $3",
    )
    .bind(key)
    .bind(value)
    .bind(expires)
    .execute(connection)
    .await?;
    Ok(())
}

/// See [`crate::state::State::count_calls`].
pub(super) async fn count_calls(
    connection: &mut Connection,
    day: &str,
    account: &str,
    calls: &BTreeMap<String, u64>,
) -> sqlx::Result<()> {
    for (action, count) in calls {
        sqlx::query(
            "INSERT INTO calls (day, account, action, count) VALUES ($1, $2, $3, $4)
             ON CONFLICT (day, account, action) DO UPDATE SET count = calls.count + $4",
        )
        .bind(day)
        .bind(account)
        .bind(action)
        .bind(i64::try_from(*count).unwrap_or(i64::MAX))
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

/// See [`crate::state::State::calls`].
pub(super) async fn calls(
    connection: &mut Connection,
    day: &str,
    account: &str,
) -> sqlx::Result<BTreeMap<String, u64>> {
    let rows: Vec<(String, i64)> =
        sqlx::query_as("SELECT action, count FROM calls WHERE day = $1 AND account = $2")
            .bind(day)
            .bind(account)
            .fetch_all(connection)
            .await?;
    Ok(rows.into_iter().map(|(action, count)| (action, u64::try_from(count).unwrap_or(0))).mapped())
}

/// Forgets counts that are too old to be asked for.
pub(super) async fn tidy(connection: &mut Connection, now: Time) -> sqlx::Result<()> {
    let Some(first) = DateTime::from_timestamp_nanos(now).checked_sub_days(Days::new(COUNTED_DAYS)) else {
        return Ok(());
    };
    sqlx::query("DELETE FROM calls WHERE day < $1")
        .bind(first.format("%Y-%m-%d").to_string())
        .execute(connection)
        .await?;
    Ok(())
}
