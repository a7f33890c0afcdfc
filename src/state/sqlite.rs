//! The state in one SQLite file.
//!
//! Owns the connections and the transactions: what a method of [`State`] promises to be one step is one transaction here.
//! What each transaction does stands in the modules below, by subject. Knows nothing of what the bytes mean.
//!
//! Durability: write-ahead log with `synchronous = FULL`, so an answer is given after the data is on the disk. Writes begin
//! with `BEGIN IMMEDIATE`: a second writer waits at the beginning instead of failing in the middle.

mod claims;
mod fault;
mod marks;
mod open;
mod outbox;
mod remembered;

use super::{
    Claim, Claimed, Commit, Evicted, Mark, Object, ObjectScope, Outcome, Parcel, State, StateError, Time,
    Waiting,
};
use fault::fault;
use funchost_collectors::clock::Clock;
use sqlx::{SqlitePool, Transaction};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// The state's file, in the folder that `--state` names.
pub const FILE_NAME: &str = "funchost.db";

/// The state in the file `funchost.db` of a folder, or in memory.
///
/// May be used by several tasks and several processes at once. A method whose future is dropped has either been done whole
/// or not at all.
#[derive(Debug)]
pub struct Sqlite {
    /// One connection: writers of this process wait here, in order, instead of polling for the file's lock.
    writer: SqlitePool,
    /// In memory the same pool as `writer`, as every other connection would see another, empty database.
    reader: SqlitePool,
    /// How messages call it.
    place: Arc<str>,
    clock: Arc<dyn Clock>,
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
        Ok(Self { writer, reader, place, clock })
    }

    /// A state that ends with this value and leaves nothing on the disk: for debug mode.
    ///
    /// # Errors
    /// [`StateError::Unusable`] where SQLite cannot be started at all.
    pub async fn in_memory(clock: Arc<dyn Clock>) -> Result<Self, StateError> {
        let open::Opened { writer, reader, place } = open::memory(clock.now()).await?;
        Ok(Self { writer, reader, place, clock })
    }

    /// Waits for what is being done and closes the file. Without it nothing is lost; the log file then stays beside the database
    /// until the next process opens it.
    pub async fn close(&self) {
        self.reader.close().await;
        self.writer.close().await;
    }

    async fn begin(&self) -> Result<Transaction<'static, sqlx::Sqlite>, StateError> {
        self.writer.begin_with("BEGIN IMMEDIATE").await.map_err(|error| self.fault(error))
    }

    /// A transaction that sees one moment of the state, whatever others write meanwhile.
    async fn snapshot(&self) -> Result<Transaction<'static, sqlx::Sqlite>, StateError> {
        self.reader.begin().await.map_err(|error| self.fault(error))
    }

    async fn end(&self, transaction: Transaction<'static, sqlx::Sqlite>) -> Result<(), StateError> {
        transaction.commit().await.map_err(|error| self.fault(error))
    }

    fn fault(&self, error: sqlx::Error) -> StateError {
        fault(&self.place, &error)
    }
}

#[async_trait::async_trait]
impl State for Sqlite {
    async fn claim(&self, claims: &[Claim]) -> Result<Vec<Claimed>, StateError> {
        let mut transaction = self.begin().await?;
        // Read after the wait for the lock: a claim that expired meanwhile is free.
        let now = self.clock.now();
        let answers =
            claims::claim(&mut transaction, claims, now).await.map_err(|error| self.fault(error))?;
        self.end(transaction).await?;
        Ok(answers)
    }

    async fn release(&self, key: &str, claim: i64, outcome: Outcome) -> Result<bool, StateError> {
        let mut transaction = self.begin().await?;
        let was_ours = claims::release(&mut transaction, key, claim, outcome)
            .await
            .map_err(|error| self.fault(error))?;
        self.end(transaction).await?;
        Ok(was_ours)
    }

    async fn renew(&self, claims: &[(String, i64)], expires: Time) -> Result<(), StateError> {
        let mut transaction = self.begin().await?;
        claims::renew(&mut transaction, claims, expires).await.map_err(|error| self.fault(error))?;
        self.end(transaction).await
    }

    async fn due(&self, key: &str) -> Result<Option<Time>, StateError> {
        let mut transaction = self.snapshot().await?;
        claims::due(&mut transaction, key).await.map_err(|error| self.fault(error))
    }

    async fn marks(&self, keys: &[String]) -> Result<Vec<Mark>, StateError> {
        let mut transaction = self.snapshot().await?;
        marks::read(&mut transaction, keys).await.map_err(|error| self.fault(error))
    }

    async fn commit(&self, commit: Commit, limit: u64) -> Result<Evicted, StateError> {
        let mut transaction = self.begin().await?;
        let evicted = async {
            marks::write(&mut transaction, &commit).await?;
            outbox::remove(&mut transaction, &commit.removed).await?;
            outbox::keep(&mut transaction, &commit.kept).await?;
            outbox::evict(&mut transaction, limit).await
        }
        .await
        .map_err(|error| self.fault(error))?;
        self.end(transaction).await?;
        Ok(evicted)
    }

    async fn outbox(&self, datakit: &str, after: i64, count: u32) -> Result<Vec<Parcel>, StateError> {
        let mut transaction = self.snapshot().await?;
        outbox::oldest(&mut transaction, datakit, after, count).await.map_err(|error| self.fault(error))
    }

    async fn outbox_sizes(&self) -> Result<Vec<(String, u64, u64, u64)>, StateError> {
        let mut transaction = self.snapshot().await?;
        outbox::sizes(&mut transaction).await.map_err(|error| self.fault(error))
    }

    async fn waiting(&self, datakit: Option<&str>) -> Result<Vec<Waiting>, StateError> {
        let mut transaction = self.snapshot().await?;
        outbox::waiting(&mut transaction, datakit).await.map_err(|error| self.fault(error))
    }

    async fn discard(&self, ids: &[i64]) -> Result<Vec<Waiting>, StateError> {
        let mut transaction = self.begin().await?;
        let gone = outbox::discard(&mut transaction, ids).await.map_err(|error| self.fault(error))?;
        self.end(transaction).await?;
        Ok(gone)
    }

    async fn keep_objects(
        &self,
        scope: &ObjectScope,
        objects: &[Object],
        now: Time,
    ) -> Result<(), StateError> {
        let mut transaction = self.begin().await?;
        remembered::keep_objects(&mut transaction, scope, objects, now)
            .await
            .map_err(|error| self.fault(error))?;
        self.end(transaction).await
    }

    async fn forget_objects(&self, scope: &ObjectScope, seen: &[String]) -> Result<u64, StateError> {
        let mut transaction = self.begin().await?;
        let forgotten = remembered::forget_objects(&mut transaction, scope, seen)
            .await
            .map_err(|error| self.fault(error))?;
        self.end(transaction).await?;
        Ok(forgotten)
    }

    async fn objects(
        &self,
        account: &str,
        class: &str,
        region: Option<&str>,
    ) -> Result<Vec<(String, Object)>, StateError> {
        let mut transaction = self.snapshot().await?;
        remembered::objects(&mut transaction, account, class, region).await.map_err(|error| self.fault(error))
    }

    async fn recall(&self, key: &str, now: Time) -> Result<Option<Vec<u8>>, StateError> {
        let mut transaction = self.snapshot().await?;
        remembered::recall(&mut transaction, key, now).await.map_err(|error| self.fault(error))
    }

    async fn remember(&self, key: &str, value: &[u8], expires: Time) -> Result<(), StateError> {
        let mut transaction = self.begin().await?;
        remembered::remember(&mut transaction, key, value, expires, self.clock.now())
            .await
            .map_err(|error| self.fault(error))?;
        self.end(transaction).await
    }

    async fn count_calls(
        &self,
        day: &str,
        account: &str,
        calls: &BTreeMap<String, u64>,
    ) -> Result<(), StateError> {
        let mut transaction = self.begin().await?;
        remembered::count_calls(&mut transaction, day, account, calls)
            .await
            .map_err(|error| self.fault(error))?;
        self.end(transaction).await
    }

    async fn calls(&self, day: &str, account: &str) -> Result<BTreeMap<String, u64>, StateError> {
        let mut transaction = self.snapshot().await?;
        remembered::calls(&mut transaction, day, account).await.map_err(|error| self.fault(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
