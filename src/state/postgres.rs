//! The state in PostgreSQL: one for any number of processes and machines.
//!
//! Owns the connections and the transactions. What each transaction does is the same text as for SQLite, under `sql`; what keeps two of
//! them apart is said there where they need it: rows are locked in one order, and a step that the database refuses because
//! another was in its way is done again.
//!
//! Durability is the server's own (`synchronous_commit`). Reads see one moment (`REPEATABLE READ`); writes see what was committed when each
//! of their statements began.

#[path = "sql/claims.rs"]
mod claims;
mod fault;
#[path = "sql/marks.rs"]
mod marks;
mod open;
#[path = "sql/outbox.rs"]
mod outbox;
mod rates;
#[path = "sql/remembered.rs"]
mod remembered;
#[path = "sql/runs.rs"]
mod runs;
#[path = "sql/service.rs"]
mod service;
#[path = "sql/state.rs"]
mod state;
#[path = "sql/values.rs"]
mod values;

use super::place::DatabaseUrl;
use super::{StateError, sorted};
use funchost_collectors::clock::Clock;
use sqlx::{PgPool, Transaction};
use std::sync::Arc;

/// What the files under `sql` call what is this database's own.
type Database = sqlx::Postgres;
type Connection = sqlx::PgConnection;
type Row = sqlx::postgres::PgRow;
type Backend = Postgres;

/// Rows that one statement writes: each statement is a way to the database and back, to another machine or another thread.
const AT_ONCE: usize = 200;

/// How often a step is tried again.
const ATTEMPTS: u32 = 8;

/// Who takes the run over waits until the transaction ends, or is seen here.
const HELD: &str = "SELECT id FROM run WHERE id = $1 AND fence = $2 AND status = 'running' FOR SHARE";

/// See [`Postgres::tidy_behind_secrets`].
#[expect(clippy::unused_async, reason = "the same on every database")]
async fn wipe(_: &mut Connection, _: bool) -> sqlx::Result<()> {
    Ok(())
}

/// The state in a PostgreSQL database.
#[derive(Clone, Debug)]
pub struct Postgres {
    pool: PgPool,
    /// How messages call it: host and database, without the password.
    place: Arc<str>,
    clock: Arc<dyn Clock>,
    /// The run that writes through this handle, and the number by which it is held.
    fence: Option<(i64, i64)>,
}

impl Postgres {
    /// Connects, and brings the tables up to date.
    ///
    /// # Errors
    /// [`StateError::Newer`] for tables of a newer version. [`StateError::Unusable`] where the database cannot be reached or used.
    pub async fn open(url: &DatabaseUrl, clock: Arc<dyn Clock>) -> Result<Self, StateError> {
        let open::Opened { pool, place } = open::database(url, clock.now()).await?;
        Ok(Self { pool, place, clock, fence: None })
    }

    /// Waits for what is being done and closes the connections.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// When old rows go from the disk is the server's business.
    #[expect(clippy::unused_async, reason = "the same on every database")]
    async fn tidy_behind_secrets(&self) {}

    /// Another was in the way (a deadlock, a serialization failure): it does to begin again.
    #[expect(clippy::unused_self, reason = "the same on every database")]
    fn is_passing(&self, error: &sqlx::Error) -> bool {
        error
            .as_database_error()
            .and_then(|error| error.code())
            .is_some_and(|code| code == "40P01" || code == "40001")
    }

    /// A transaction that writes; where a run writes, only while the run is still held.
    async fn begin(&self) -> Result<Transaction<'static, sqlx::Postgres>, StateError> {
        let mut transaction = self.begin_free().await?;
        if let Some((run, fence)) = self.fence
            && !runs::held(&mut transaction, run, fence).await.map_err(|error| self.fault(error))?
        {
            return Err(StateError::Lost(run));
        }
        Ok(transaction)
    }

    async fn begin_free(&self) -> Result<Transaction<'static, sqlx::Postgres>, StateError> {
        self.pool.begin().await.map_err(|error| self.fault(error))
    }

    /// A transaction that sees one moment of the state, whatever others write meanwhile.
    async fn snapshot(&self) -> Result<Transaction<'static, sqlx::Postgres>, StateError> {
        self.pool
            .begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            .await
            .map_err(|error| self.fault(error))
    }

    fn fault(&self, error: sqlx::Error) -> StateError {
        fault::fault(&self.place, &error)
    }
}
