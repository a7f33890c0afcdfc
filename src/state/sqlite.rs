//! The state in one SQLite file.
//!
//! Owns the connections and the transactions: what a method of [`State`] promises to be one step is one transaction here.
//! What each transaction does stands in the modules below, by subject. Knows nothing of what the bytes mean.
//!
//! Durability: write-ahead log with `synchronous = FULL`, so an answer is given after the data is on the disk. Writes begin
//! with `BEGIN IMMEDIATE`: a second writer waits at the beginning instead of failing in the middle.

#[path = "sql/claims.rs"]
mod claims;
mod fault;
#[path = "sql/marks.rs"]
mod marks;
mod open;
#[path = "sql/outbox.rs"]
mod outbox;
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

use super::{StateError, sorted};
use fault::fault;
use funchost_collectors::clock::Clock;
use sqlx::{SqlitePool, Transaction};
use std::path::Path;
use std::sync::Arc;

/// What the files under `sql` call what is this database's own.
type Database = sqlx::Sqlite;
type Connection = sqlx::SqliteConnection;
type Row = sqlx::sqlite::SqliteRow;
type Backend = Sqlite;

/// Rows that one statement writes: each statement is a way to the database and back, to another machine or another thread.
const AT_ONCE: usize = 200;

/// How often a step is tried again.
const ATTEMPTS: u32 = 0;

/// The transaction holds the only lock there is: nothing can change until it ends.
const HELD: &str = "SELECT id FROM run WHERE id = $1 AND fence = $2 AND status = 'running'";

/// From here on, freed pages are overwritten as well, which costs writes; or only what is overwritten anyway.
async fn wipe(connection: &mut Connection, all: bool) -> sqlx::Result<()> {
    let how = if all { "PRAGMA secure_delete = ON" } else { "PRAGMA secure_delete = FAST" };
    sqlx::query(how).execute(connection).await.map(drop)
}

/// The state's file, in the folder that `--state` names.
pub const FILE_NAME: &str = "funchost.db";

/// The state in the file `funchost.db` of a folder, or in memory.
///
/// May be used by several tasks and several processes at once. A method whose future is dropped has either been done whole
/// or not at all.
#[derive(Clone, Debug)]
pub struct Sqlite {
    /// One connection: writers of this process wait here, in order, instead of polling for the file's lock.
    writer: SqlitePool,
    /// In memory the same pool as `writer`, as every other connection would see another, empty database.
    reader: SqlitePool,
    /// How messages call it.
    place: Arc<str>,
    clock: Arc<dyn Clock>,
    /// The run that writes through this handle, and the number by which it is held.
    fence: Option<(i64, i64)>,
}

impl Sqlite {
    /// Opens `funchost.db` in this folder; makes folder (mode 0700) and file (mode 0600) where there are none, and brings a file
    /// of an older version up to date.
    ///
    /// # Errors
    /// [`StateError::Newer`] for a file of a newer version, which stays as it is. [`StateError::Unusable`] where the folder or
    /// the file cannot be made, read or written, or the file is damaged or not a state: it stays as it is, too.
    pub async fn open(directory: &Path, clock: Arc<dyn Clock>) -> Result<Self, StateError> {
        let open::Opened { writer, reader, place } = open::file(directory, clock.now()).await?;
        Ok(Self { writer, reader, place, clock, fence: None })
    }

    /// A state that ends with this value and leaves nothing on the disk: for debug mode.
    ///
    /// # Errors
    /// [`StateError::Unusable`] where SQLite cannot be started at all.
    pub async fn in_memory(clock: Arc<dyn Clock>) -> Result<Self, StateError> {
        let open::Opened { writer, reader, place } = open::memory(clock.now()).await?;
        Ok(Self { writer, reader, place, clock, fence: None })
    }

    /// Waits for what is being done and closes the file. Without it nothing is lost; the log file then stays beside the database
    /// until the next process opens it.
    pub async fn close(&self) {
        self.reader.close().await;
        self.writer.close().await;
    }

    /// What was just taken away still stands in the log: copies it into the database and empties it. Where somebody reads the old pages that
    /// fails, and the next time does it.
    async fn tidy_behind_secrets(&self) {
        let emptied = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&self.writer).await;
        if let Err(error) = emptied {
            tracing::debug!(%error, "the log of the state was not emptied");
        }
    }

    /// Would it do to try again? Here a writer waits at the beginning, or fails for good.
    #[expect(clippy::unused_self, reason = "the same on every database")]
    fn is_passing(&self, _error: &sqlx::Error) -> bool {
        false
    }

    /// A transaction that writes; where a run writes, only while the run is still held.
    async fn begin(&self) -> Result<Transaction<'static, sqlx::Sqlite>, StateError> {
        let mut transaction = self.begin_free().await?;
        if let Some((run, fence)) = self.fence
            && !runs::held(&mut transaction, run, fence).await.map_err(|error| self.fault(error))?
        {
            return Err(StateError::Lost(run));
        }
        Ok(transaction)
    }

    async fn begin_free(&self) -> Result<Transaction<'static, sqlx::Sqlite>, StateError> {
        self.writer.begin_with("BEGIN IMMEDIATE").await.map_err(|error| self.fault(error))
    }

    /// A transaction that sees one moment of the state, whatever others write meanwhile.
    async fn snapshot(&self) -> Result<Transaction<'static, sqlx::Sqlite>, StateError> {
        self.reader.begin().await.map_err(|error| self.fault(error))
    }

    fn fault(&self, error: sqlx::Error) -> StateError {
        fault(&self.place, &error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::{Commit, Parcel, State};
    use funchost_collectors::clock::SystemClock;

    fn parcel(bytes: usize) -> Parcel {
        Parcel {
            id: 0,
            datakit: "datakit".into(),
            category: "metric".into(),
            created: 1,
            oldest: 1,
            points: 1,
            body: vec![7; bytes],
        }
    }

    #[tokio::test]
    async fn a_full_disk_is_said_and_leaves_what_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let state = Sqlite::open(folder.path(), Arc::new(SystemClock)).await.unwrap();
        let kept =
            Commit { kept: vec![parcel(10_000)], marks: vec![("mark".into(), 5, 0)], ..Commit::default() };
        state.commit(kept.clone(), u64::MAX).await.unwrap();

        // SQLite answers with the code of a full disk where the file may not grow.
        sqlx::query("PRAGMA max_page_count = 1").execute(&state.writer).await.unwrap();
        let too_much = Commit {
            kept: vec![parcel(10_000_000)],
            marks: vec![("mark".into(), 9, 0)],
            ..Commit::default()
        };
        let error = state.commit(too_much, u64::MAX).await.unwrap_err();
        let place = folder.path().join(FILE_NAME);
        assert_eq!(
            error.to_string(),
            format!(
                "the disk that holds the state {} is full: free some space, or name another state with --state",
                place.display()
            )
        );

        assert_eq!(state.outbox("datakit", 0, 10).await.unwrap().len(), 1);
        assert_eq!(state.marks(&["mark".into()]).await.unwrap()[0].until, Some(5));
        // The limit was the lost connection's: there is space again, and the same handle goes on.
        state.commit(kept, u64::MAX).await.unwrap();
        assert_eq!(state.outbox("datakit", 0, 10).await.unwrap().len(), 2);
    }

    #[tokio::test]
    async fn an_answer_means_that_the_data_is_on_the_disk() {
        let folder = tempfile::tempdir().unwrap();
        let state = Sqlite::open(folder.path(), Arc::new(SystemClock)).await.unwrap();
        let journal: String =
            sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&state.writer).await.unwrap();
        let synchronous: i64 =
            sqlx::query_scalar("PRAGMA synchronous").fetch_one(&state.writer).await.unwrap();
        assert_eq!((journal.as_str(), synchronous), ("wal", 2), "2 is FULL");
    }

    #[tokio::test]
    async fn many_small_commits_of_a_mark_do_not_pile_up_as_rows() {
        let state = Sqlite::in_memory(Arc::new(SystemClock)).await.unwrap();
        for time in 0..200 {
            let sent = vec![super::super::Sent { time, identity: 1, fields: 2 }];
            let marks = vec![("mark".to_owned(), time, time - 10)];
            state
                .commit(Commit { sent: vec![("mark".into(), sent)], marks, ..Commit::default() }, 0)
                .await
                .unwrap();
        }
        // Rows that do not age out, as their marks never move, are merged all the same.
        for time in 0..200 {
            let sent = vec![super::super::Sent { time, identity: 1, fields: 2 }];
            state
                .commit(Commit { sent: vec![("still".into(), sent)], ..Commit::default() }, 0)
                .await
                .unwrap();
        }
        let rows: i64 =
            sqlx::query_scalar("SELECT count(*) FROM sent").fetch_one(&state.writer).await.unwrap();
        assert!(rows <= 11 + 32, "{rows} rows");
        assert_eq!(state.marks(&["still".into()]).await.unwrap()[0].sent.len(), 200);
    }

    #[tokio::test]
    async fn consolidating_forgets_what_may_be_forgotten() {
        let state = Sqlite::in_memory(Arc::new(SystemClock)).await.unwrap();
        // Every commit holds a new and an old entry: no row is ever old as a whole.
        for round in 0..500_i64 {
            let sent = (0..10)
                .map(|back| super::super::Sent { time: round - back, identity: 3, fields: 4 })
                .collect();
            let marks = if round % 50 == 0 { vec![("mark".to_owned(), round, round - 5)] } else { vec![] };
            state
                .commit(Commit { sent: vec![("mark".into(), sent)], marks, ..Commit::default() }, 0)
                .await
                .unwrap();
        }
        let bytes: i64 = sqlx::query_scalar("SELECT sum(length(entries)) FROM sent")
            .fetch_one(&state.writer)
            .await
            .unwrap();
        assert!(
            bytes < 24 * 700,
            "{bytes} bytes for 500 entries of which at most 55 and the last rows matter"
        );
    }
}
