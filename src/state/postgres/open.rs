//! Opening: the connection, the format and its migrations.

use super::fault::fault;
use super::{claims, marks, remembered, runs};
use crate::state::place::DatabaseUrl;
use crate::state::{StateError, Time};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions as _, Connection as _, PgConnection, PgPool};
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

/// Connections of one process.
const CONNECTIONS: u32 = 16;
/// How long a task waits for one of them, and for the server.
const WAIT: Duration = Duration::from_secs(30);
/// Held while the tables are looked at and made: "func".
const LOCK: i64 = 0x6675_6e63;

/// The format, step by step. A step that has been released is never changed.
const STEPS: &[&str] = &["
CREATE TABLE sequence (name TEXT PRIMARY KEY, last BIGINT NOT NULL);

CREATE TABLE claim (
    key TEXT PRIMARY KEY,
    due BIGINT,
    failures BIGINT NOT NULL,
    number BIGINT,
    expires BIGINT NOT NULL,
    run_started BIGINT NOT NULL,
    interval BIGINT NOT NULL,
    slack BIGINT NOT NULL
);

CREATE TABLE mark (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    until BIGINT,
    forgotten BIGINT
);
CREATE TABLE sent (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    mark BIGINT NOT NULL REFERENCES mark (id) ON DELETE CASCADE,
    newest BIGINT NOT NULL,
    entries BYTEA NOT NULL
);
CREATE INDEX sent_mark ON sent (mark, newest);

CREATE TABLE outbox (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    datakit TEXT NOT NULL,
    category TEXT NOT NULL,
    created BIGINT NOT NULL,
    oldest BIGINT NOT NULL,
    points BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    body BYTEA NOT NULL
);
CREATE INDEX outbox_sizes ON outbox (datakit, id, points, bytes);

CREATE TABLE scope (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account TEXT NOT NULL,
    class TEXT NOT NULL,
    region TEXT NOT NULL,
    UNIQUE (account, class, region)
);
CREATE TABLE object (
    scope BIGINT NOT NULL REFERENCES scope (id),
    name TEXT NOT NULL,
    tags TEXT NOT NULL,
    kept BIGINT NOT NULL,
    PRIMARY KEY (scope, name)
);

CREATE TABLE cache (key TEXT PRIMARY KEY, value BYTEA NOT NULL, expires BIGINT NOT NULL);
CREATE INDEX cache_expires ON cache (expires);

CREATE TABLE calls (
    day TEXT NOT NULL,
    account TEXT NOT NULL,
    action TEXT NOT NULL,
    count BIGINT NOT NULL,
    PRIMARY KEY (day, account, action)
);

CREATE TABLE trigger_state (
    id TEXT PRIMARY KEY,
    func TEXT NOT NULL,
    cron TEXT NOT NULL,
    zone TEXT NOT NULL,
    definition TEXT NOT NULL,
    upto BIGINT NOT NULL,
    paused BIGINT NOT NULL,
    seen BIGINT NOT NULL,
    touched BIGINT NOT NULL
);

CREATE TABLE run (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    func TEXT NOT NULL,
    origin TEXT NOT NULL,
    trigger_id TEXT,
    tick BIGINT,
    delay BIGINT NOT NULL,
    ticks BIGINT NOT NULL,
    status TEXT NOT NULL,
    reason TEXT,
    created BIGINT NOT NULL,
    due BIGINT NOT NULL,
    expires BIGINT NOT NULL,
    timeout BIGINT,
    started BIGINT,
    ended BIGINT,
    worker TEXT,
    fence BIGINT NOT NULL DEFAULT 0,
    lease BIGINT,
    points BIGINT,
    calls BIGINT,
    stop BIGINT NOT NULL DEFAULT 0
);
-- Whoever asks, a tick has one run.
CREATE UNIQUE INDEX run_tick ON run (trigger_id, tick, delay);
-- And of a trigger one run goes on at a time.
CREATE UNIQUE INDEX run_alone ON run (trigger_id) WHERE status = 'running' AND origin = 'cron';
CREATE INDEX run_open ON run (due, id) WHERE status IN ('queued', 'running');
CREATE INDEX run_func ON run (func, id, status);
CREATE INDEX run_trigger ON run (trigger_id, id, status);
CREATE INDEX run_created ON run (created);

CREATE TABLE run_detail (
    run BIGINT PRIMARY KEY REFERENCES run (id) ON DELETE CASCADE,
    kwargs TEXT NOT NULL,
    result TEXT,
    report TEXT,
    error TEXT,
    samples TEXT
);
CREATE TABLE log (
    run BIGINT NOT NULL REFERENCES run (id) ON DELETE CASCADE,
    number BIGINT NOT NULL,
    time BIGINT NOT NULL,
    since_last BIGINT NOT NULL,
    since_start BIGINT NOT NULL,
    kind TEXT NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (run, number)
);

CREATE TABLE node (id TEXT PRIMARY KEY, roles TEXT NOT NULL, started BIGINT NOT NULL, seen BIGINT NOT NULL);

-- When the next call of a scope may go, by the server's own clock.
CREATE TABLE rate (scope TEXT PRIMARY KEY, next BIGINT NOT NULL);
"];

/// A state that is ready.
pub(super) struct Opened {
    pub(super) pool: PgPool,
    pub(super) place: Arc<str>,
}

pub(super) async fn database(url: &DatabaseUrl, now: Time) -> Result<Opened, StateError> {
    let place: Arc<str> = url.to_string().into();
    let wrong = |error: sqlx::Error| fault(&place, &error);
    let options = PgConnectOptions::from_str(url.expose())
        .map_err(wrong)?
        .application_name("funchost")
        .disable_statement_logging();
    // The pool would go on trying for as long as it may wait: what is wrong at once is said at once.
    let first = options.connect().await.map_err(wrong)?;
    first.close().await.map_err(wrong)?;
    let pool = PgPoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(WAIT)
        .acquire_slow_threshold(WAIT)
        .connect_with(options)
        .await
        .map_err(wrong)?;
    let mut transaction = pool.begin().await.map_err(wrong)?;
    // Of several processes that start at once one makes the tables; it ends with the transaction.
    sqlx::query("SELECT pg_advisory_xact_lock($1)")
        .bind(LOCK)
        .execute(&mut *transaction)
        .await
        .map_err(wrong)?;
    migrate(&mut transaction, &place).await?;
    tidy(&mut transaction, now).await.map_err(wrong)?;
    transaction.commit().await.map_err(wrong)?;
    Ok(Opened { pool, place })
}

async fn migrate(connection: &mut PgConnection, place: &Arc<str>) -> Result<(), StateError> {
    let wrong = |error: sqlx::Error| fault(place, &error);
    sqlx::query("CREATE TABLE IF NOT EXISTS funchost_format (version BIGINT NOT NULL)")
        .execute(&mut *connection)
        .await
        .map_err(wrong)?;
    let found: Option<i64> = sqlx::query_scalar("SELECT max(version) FROM funchost_format")
        .fetch_one(&mut *connection)
        .await
        .map_err(wrong)?;
    let found = found.unwrap_or(0);
    let known = STEPS.len() as i64;
    if found > known {
        return Err(StateError::Newer { path: place.to_string(), found, known });
    }
    for (number, step) in (1_i64..).zip(STEPS).filter(|(number, _)| *number > found) {
        sqlx::raw_sql(*step).execute(&mut *connection).await.map_err(wrong)?;
        sqlx::query("INSERT INTO funchost_format (version) VALUES ($1)")
            .bind(number)
            .execute(&mut *connection)
            .await
            .map_err(wrong)?;
    }
    Ok(())
}

/// Throws away what nobody will ask for.
async fn tidy(connection: &mut PgConnection, now: Time) -> sqlx::Result<()> {
    claims::tidy(connection, now).await?;
    marks::tidy(connection, now).await?;
    remembered::tidy(connection, now).await?;
    runs::tidy(connection, now).await
}
