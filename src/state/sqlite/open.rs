//! Opening: the folder, the file and its mode, the format and its migrations.
//!
//! Owns the schema. A file is looked at before it is touched: one that is newer, damaged or not ours stays as it is.

use super::fault::{self, cannot_write, fault, not_a_state};
use super::{FILE_NAME, claims, marks, remembered, runs};
use crate::state::{StateError, Time};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, SqliteConnection, SqlitePool};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How long a writer waits for another process's transaction.
const BUSY: Duration = Duration::from_secs(10);
/// How long a task waits for the writers of its own process.
const QUEUE: Duration = Duration::from_secs(60);
/// Connections that read.
const READERS: u32 = 4;
/// What each of them keeps of the file: 512 KiB, as SQLite writes it.
const READER_CACHE: &str = "-512";
/// In the file's header, so that a stranger's database is told from ours: "func".
const APPLICATION: i64 = 0x6675_6e63;

/// The format, step by step: step n makes version n of version n − 1 and says so in its last line. A step that has been released is
/// never changed.
const STEPS: &[&str] = &[
    "
CREATE TABLE sequence (name TEXT PRIMARY KEY, last INTEGER NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE claim (
    key TEXT PRIMARY KEY,
    due INTEGER,
    failures INTEGER NOT NULL,
    number INTEGER,
    expires INTEGER NOT NULL,
    run_started INTEGER NOT NULL,
    interval INTEGER NOT NULL,
    slack INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE mark (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    until INTEGER,
    forgotten INTEGER
) STRICT;
-- Ids ascend in the order of the commits: for one identity and time the last entry holds.
CREATE TABLE sent (
    id INTEGER PRIMARY KEY,
    mark INTEGER NOT NULL REFERENCES mark (id) ON DELETE CASCADE,
    newest INTEGER NOT NULL,
    entries BLOB NOT NULL
) STRICT;
CREATE INDEX sent_mark ON sent (mark, newest);

-- AUTOINCREMENT: an id is never given twice, so that a reader's place in the queue stays right.
CREATE TABLE outbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    datakit TEXT NOT NULL,
    category TEXT NOT NULL,
    created INTEGER NOT NULL,
    oldest INTEGER NOT NULL,
    points INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    body BLOB NOT NULL
) STRICT;
CREATE INDEX outbox_sizes ON outbox (datakit, id, points, bytes);

CREATE TABLE scope (
    id INTEGER PRIMARY KEY,
    account TEXT NOT NULL,
    class TEXT NOT NULL,
    region TEXT NOT NULL,
    UNIQUE (account, class, region)
) STRICT;
CREATE TABLE object (
    scope INTEGER NOT NULL REFERENCES scope (id),
    name TEXT NOT NULL,
    tags TEXT NOT NULL,
    kept INTEGER NOT NULL,
    PRIMARY KEY (scope, name)
) STRICT;

CREATE TABLE cache (key TEXT PRIMARY KEY, value BLOB NOT NULL, expires INTEGER NOT NULL) STRICT;
CREATE INDEX cache_expires ON cache (expires);

CREATE TABLE calls (
    day TEXT NOT NULL,
    account TEXT NOT NULL,
    action TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (day, account, action)
) STRICT, WITHOUT ROWID;

PRAGMA application_id = 0x66756e63;
PRAGMA user_version = 1;
",
    "
CREATE TABLE trigger_state (
    id TEXT PRIMARY KEY,
    func TEXT NOT NULL,
    cron TEXT NOT NULL,
    zone TEXT NOT NULL,
    definition TEXT NOT NULL,
    upto INTEGER NOT NULL,
    paused INTEGER NOT NULL,
    seen INTEGER NOT NULL,
    touched INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE run (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    func TEXT NOT NULL,
    origin TEXT NOT NULL,
    trigger_id TEXT,
    tick INTEGER,
    delay INTEGER NOT NULL,
    ticks INTEGER NOT NULL,
    status TEXT NOT NULL,
    reason TEXT,
    created INTEGER NOT NULL,
    due INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    timeout INTEGER,
    started INTEGER,
    ended INTEGER,
    worker TEXT,
    fence INTEGER NOT NULL DEFAULT 0,
    lease INTEGER,
    points INTEGER,
    calls INTEGER,
    stop INTEGER NOT NULL DEFAULT 0
) STRICT;
-- Whoever asks, a tick has one run.
CREATE UNIQUE INDEX run_tick ON run (trigger_id, tick, delay);
-- And of a trigger one run goes on at a time.
CREATE UNIQUE INDEX run_alone ON run (trigger_id) WHERE status = 'running' AND origin = 'cron';
CREATE INDEX run_open ON run (due, id) WHERE status IN ('queued', 'running');
CREATE INDEX run_func ON run (func, id, status);
CREATE INDEX run_trigger ON run (trigger_id, id, status);
CREATE INDEX run_created ON run (created);

-- What is large stands apart: lists do not read it.
CREATE TABLE run_detail (
    run INTEGER PRIMARY KEY REFERENCES run (id) ON DELETE CASCADE,
    kwargs TEXT NOT NULL,
    result TEXT,
    report TEXT,
    error TEXT,
    samples TEXT
) STRICT;
CREATE TABLE log (
    run INTEGER NOT NULL REFERENCES run (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    time INTEGER NOT NULL,
    since_last INTEGER NOT NULL,
    since_start INTEGER NOT NULL,
    kind TEXT NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (run, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE node (id TEXT PRIMARY KEY, roles TEXT NOT NULL, started INTEGER NOT NULL, seen INTEGER NOT NULL)
STRICT, WITHOUT ROWID;

PRAGMA user_version = 2;
",
    // What a run was called with, as it may be shown. Without it: see `runs::clear_old`.
    "
ALTER TABLE run_detail ADD COLUMN shown TEXT;
PRAGMA user_version = 3;
",
    // From when on a trigger's ticks count.
    "
ALTER TABLE trigger_state ADD COLUMN since INTEGER NOT NULL DEFAULT 0;
PRAGMA user_version = 4;
",
];

/// The step after which arguments of older runs are hidden.
const SHOWN: usize = 2;

/// Openings of this process, one at a time. When a process closes any handle of a file, the system drops all locks that the
/// process has on it (POSIX `fcntl`): while one opening makes the file with a handle of its own, no other may have it open.
static OPENING: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// A state that is ready.
pub(super) struct Opened {
    pub(super) writer: SqlitePool,
    pub(super) reader: SqlitePool,
    pub(super) place: Arc<str>,
}

/// Opens or makes the file in a folder.
pub(super) async fn file(directory: &Path, now: Time) -> Result<Opened, StateError> {
    let _one_at_a_time = OPENING.lock().await;
    let path = directory.join(FILE_NAME);
    let place: Arc<str> = path.display().to_string().into();
    make(directory, &path).map_err(StateError::Unusable)?;
    check_version(&path, &place).await?;
    tighten(&path);

    let options = options()
        .filename(&path)
        // The file was made above, with its mode.
        .create_if_missing(false)
        .synchronous(SqliteSynchronous::Full)
        // After a large transaction the log shrinks to this again.
        .pragma("journal_size_limit", "67108864");
    prepare(&options, &place, now).await?;
    let writer = pool(1).connect_with(options.clone()).await.map_err(|error| fault(&place, &error))?;
    // Each keeps pages of its own for as long as it is open: what is read again and again, the system keeps once for all of them.
    let options = options.pragma("cache_size", READER_CACHE);
    let reader = pool(READERS).connect_with(options).await.map_err(|error| fault(&place, &error))?;
    Ok(Opened { writer, reader, place })
}

/// A state in memory.
pub(super) async fn memory(now: Time) -> Result<Opened, StateError> {
    let place: Arc<str> = "in memory".into();
    let pool = pool(1)
        .min_connections(1)
        .connect_with(options().in_memory(true))
        .await
        .map_err(|error| fault(&place, &error))?;
    let mut connection = pool.acquire().await.map_err(|error| fault(&place, &error))?;
    migrate(&mut connection, STEPS, &place).await?;
    tidy(&mut connection, now).await.map_err(|error| fault(&place, &error))?;
    drop(connection);
    Ok(Opened { writer: pool.clone(), reader: pool, place })
}

fn options() -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .busy_timeout(BUSY)
        .disable_statement_logging()
        // What is taken away is overwritten where its page is written anyway: runs' arguments may hold secrets.
        .pragma("secure_delete", "FAST")
        // KiB of pages that each connection keeps: the system keeps them, too.
        .pragma("cache_size", "-1024")
}

fn pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        // When the disk is full or fails SQLite itself ends the transaction; sqlx goes on counting it, and the connection would refuse
        // every further one. The ping waits for the rollback of a dropped transaction.
        .test_before_acquire(false)
        .before_acquire(|connection, _idle| {
            Box::pin(async move {
                connection.ping().await?;
                Ok(!connection.is_in_transaction())
            })
        })
        .acquire_timeout(QUEUE)
        // Waiting here is how writers queue: nothing to warn of.
        .acquire_slow_threshold(QUEUE)
        .idle_timeout(None)
        .max_lifetime(None)
}

/// Makes the folder and the file where they are not there, readable by their owner only from their first moment on.
fn make(directory: &Path, path: &Path) -> Result<(), String> {
    let place = path.display().to_string();
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    let mut file = std::fs::OpenOptions::new();
    file.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
        builder.mode(0o700);
        file.mode(0o600);
    }
    builder.create(directory).map_err(|error| {
        format!(
            "the folder of the state {} cannot be made ({error}): make its parent writable for this user, or name another state with --state",
            directory.display()
        )
    })?;
    match file.open(path) {
        Ok(_made) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => match std::fs::metadata(path) {
            Ok(found) if found.is_file() => Ok(()),
            Ok(_) => Err(not_a_state(&place, "it is no regular file")),
            Err(error) => Err(cannot_write(&place, &error.to_string())),
        },
        Err(error) => Err(cannot_write(&place, &error.to_string())),
    }
}

/// Takes the rights of others away from a file that has them, such as a copy. Where that is not allowed the file is another user's,
/// and whether it can be used shows when it is written.
fn tighten(path: &Path) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        for path in [path.to_owned(), beside(path, "-wal"), beside(path, "-shm")] {
            if let Ok(found) = std::fs::metadata(&path)
                && found.permissions().mode() & 0o077 != 0
            {
                let _ = std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600));
            }
        }
    }
    #[cfg(not(unix))]
    let _ = path;
}

/// SQLite's own name of a file that goes with the database.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Refuses a file that is newer, not ours, or no database, without writing a byte.
async fn check_version(path: &Path, place: &Arc<str>) -> Result<(), StateError> {
    let wrong = |error: sqlx::Error| fault(place, &error);
    // With a log beside it the newest pages stand there, and SQLite must read them. Without one nothing needs to be locked or made,
    // not even the log that a reader would otherwise leave behind.
    let has_log = std::fs::metadata(beside(path, "-wal")).is_ok_and(|found| found.len() > 0);
    let mut connection =
        options().filename(path).read_only(true).immutable(!has_log).connect().await.map_err(wrong)?;
    let found: i64 =
        sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut connection).await.map_err(wrong)?;
    let application: i64 =
        sqlx::query_scalar("PRAGMA application_id").fetch_one(&mut connection).await.map_err(wrong)?;
    let tables: i64 = sqlx::query_scalar("SELECT count(*) FROM sqlite_schema")
        .fetch_one(&mut connection)
        .await
        .map_err(wrong)?;
    connection.close().await.map_err(wrong)?;
    if application != APPLICATION && (tables > 0 || found != 0) {
        return Err(StateError::Unusable(not_a_state(place, "it is a database of another program")));
    }
    refuse_newer(found, STEPS, place)
}

fn refuse_newer(found: i64, steps: &[&'static str], place: &str) -> Result<(), StateError> {
    let known = steps.len() as i64;
    if found > known {
        return Err(StateError::Newer { path: place.to_owned(), found, known });
    }
    Ok(())
}

/// Brings the file to today's format, and throws away what nobody will ask for.
async fn prepare(options: &SqliteConnectOptions, place: &Arc<str>, now: Time) -> Result<(), StateError> {
    let mut connection = options.connect().await.map_err(|error| fault(place, &error))?;
    let done = async {
        write_ahead(&mut connection).await.map_err(|error| fault(place, &error))?;
        migrate(&mut connection, STEPS, place).await?;
        tidy(&mut connection, now).await.map_err(|error| fault(place, &error))
    }
    .await;
    let closed = connection.close().await.map_err(|error| fault(place, &error));
    done.and(closed)
}

/// Turns the log on. Another process that opens the same new file makes this fail at once, without the usual wait.
async fn write_ahead(connection: &mut SqliteConnection) -> sqlx::Result<()> {
    const PAUSE: Duration = Duration::from_millis(20);
    let mut left = BUSY.as_millis() / PAUSE.as_millis();
    loop {
        match sqlx::query_scalar::<_, String>("PRAGMA journal_mode = WAL").fetch_one(&mut *connection).await {
            Err(error) if fault::code(&error) == Some(fault::BUSY) && left > 0 => {
                left -= 1;
                tokio::time::sleep(PAUSE).await;
            }
            // A file system without shared memory keeps SQLite's older journal, which is as safe, only slower.
            Ok(_mode) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

/// Does the steps that are missing, each in a transaction of its own.
async fn migrate(
    connection: &mut SqliteConnection,
    steps: &[&'static str],
    place: &str,
) -> Result<(), StateError> {
    let wrong = |error: sqlx::Error| fault(place, &error);
    loop {
        // Begun for writing also when nothing is missing: a file that cannot be written is found here, before a cloud is called.
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(wrong)?;
        let found: i64 =
            sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut *transaction).await.map_err(wrong)?;
        // Another process may have been here since the file was looked at.
        refuse_newer(found, steps, place)?;
        let step = usize::try_from(found).ok().and_then(|found| steps.get(found));
        let Some(step) = step else { return transaction.rollback().await.map_err(wrong) };
        sqlx::raw_sql(*step).execute(&mut *transaction).await.map_err(wrong)?;
        if STEPS.get(SHOWN) == Some(step) {
            runs::clear_old(&mut transaction).await.map_err(wrong)?;
        }
        transaction.commit().await.map_err(wrong)?;
    }
}

/// Forgets what is so old that no run can use it.
async fn tidy(connection: &mut SqliteConnection, now: Time) -> sqlx::Result<()> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    claims::tidy(&mut transaction, now).await?;
    marks::tidy(&mut transaction, now).await?;
    remembered::tidy(&mut transaction, now).await?;
    runs::tidy(&mut transaction, now).await?;
    transaction.commit().await
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn version(connection: &mut SqliteConnection) -> i64 {
        sqlx::query_scalar("PRAGMA user_version").fetch_one(connection).await.unwrap()
    }

    #[tokio::test]
    async fn every_step_says_the_version_that_it_makes() {
        let mut connection = options().in_memory(true).connect().await.unwrap();
        for (index, step) in STEPS.iter().enumerate() {
            sqlx::raw_sql(*step).execute(&mut connection).await.unwrap();
            assert_eq!(version(&mut connection).await, index as i64 + 1);
        }
        let application: i64 =
            sqlx::query_scalar("PRAGMA application_id").fetch_one(&mut connection).await.unwrap();
        assert_eq!(application, APPLICATION);
    }

    #[tokio::test]
    async fn what_older_runs_were_called_with_is_hidden() {
        let mut connection = options().in_memory(true).connect().await.unwrap();
        migrate(&mut connection, &STEPS[..SHOWN], "x").await.unwrap();
        for (id, status) in [(1, "success"), (2, "queued")] {
            sqlx::query("INSERT INTO run (id, func, origin, delay, ticks, status, created, due, expires) VALUES ($1, 'f', 'async', 0, 1, $2, 1, 1, 1)")
                .bind(id)
                .bind(status)
                .execute(&mut connection)
                .await
                .unwrap();
            sqlx::query("INSERT INTO run_detail (run, kwargs) VALUES ($1, '{\"password\":\"hunter22\"}')")
                .bind(id)
                .execute(&mut connection)
                .await
                .unwrap();
        }
        for (id, enabled) in [("a", true), ("b", false)] {
            sqlx::query("INSERT INTO trigger_state VALUES ($1, 'f', '* * * * *', 'UTC', $2, 1, 0, 1, 0)")
                .bind(id)
                .bind(format!("{{\"enabled\":{enabled},\"kwargs\":{{\"password\":\"hunter22\"}}}}"))
                .execute(&mut connection)
                .await
                .unwrap();
        }
        migrate(&mut connection, STEPS, "x").await.unwrap();
        let details: Vec<(String, String)> =
            sqlx::query_as("SELECT kwargs, shown FROM run_detail ORDER BY run")
                .fetch_all(&mut connection)
                .await
                .unwrap();
        let (given, shown) = ("{\"password\":\"hunter22\"}".to_owned(), "{\"password\":\"****\"}".to_owned());
        assert_eq!(details, [(String::new(), shown.clone()), (given, shown)], "only what waits needs them");
        let definitions: Vec<String> = sqlx::query_scalar("SELECT definition FROM trigger_state ORDER BY id")
            .fetch_all(&mut connection)
            .await
            .unwrap();
        assert_eq!(definitions, ["{}", "{\"switched\":\"off\"}"]);
    }

    #[tokio::test]
    async fn an_older_file_goes_on_where_it_stands_and_a_failed_step_leaves_no_trace() {
        const FIRST: &str =
            "CREATE TABLE one (n INTEGER); INSERT INTO one VALUES (1); PRAGMA user_version = 1;";
        const SECOND: &str =
            "CREATE TABLE two (n INTEGER); INSERT INTO two SELECT n + 1 FROM one; PRAGMA user_version = 2;";
        const BROKEN: &str =
            "CREATE TABLE three (n INTEGER); INSERT INTO nowhere VALUES (1); PRAGMA user_version = 3;";
        let mut connection = options().in_memory(true).connect().await.unwrap();
        migrate(&mut connection, &[FIRST], "x").await.unwrap();
        assert_eq!(version(&mut connection).await, 1);

        migrate(&mut connection, &[FIRST, SECOND, BROKEN], "x").await.unwrap_err();
        assert_eq!(version(&mut connection).await, 2);
        let tables: Vec<String> = sqlx::query_scalar("SELECT name FROM sqlite_schema ORDER BY name")
            .fetch_all(&mut connection)
            .await
            .unwrap();
        assert_eq!(tables, ["one", "two"]);
        let carried: i64 = sqlx::query_scalar("SELECT n FROM two").fetch_one(&mut connection).await.unwrap();
        assert_eq!(carried, 2);

        let newer = migrate(&mut connection, &[FIRST], "x").await.unwrap_err();
        assert!(matches!(newer, StateError::Newer { found: 2, known: 1, .. }), "{newer}");
    }
}
