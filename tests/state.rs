//! The state from the outside: one process, two handles on one folder, two processes, and processes that are killed.

#![expect(clippy::unwrap_used, reason = "clippy knows tests, but not their helpers")]

#[path = "state_semantics/runs.rs"]
mod runs;
#[path = "state_semantics/mod.rs"]
mod semantics;

use funchost::state::{
    Claim, Claimed, Commit, FILE_NAME, Mark, Object, Outcome, Parcel, Sent, Sqlite, State, StateError, Time,
};
use funchost_collectors::clock::SECOND;
use semantics::{
    MINUTE, NO_LIMIT, START, TestClock, claim, claim_one, keep, number, object, parcel, scope, sent,
};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;

/// Says to a test that it is the child of another, and which folder it works in.
const CHILD: &str = "FUNCHOST_TEST_STATE_CHILD";

/// What the promises are tested with.
type Backend = Sqlite;

/// Cases of each property.
const CASES: u32 = 48;

async fn fresh(clock: Arc<TestClock>) -> Sqlite {
    Sqlite::in_memory(clock).await.unwrap()
}

async fn open(folder: &Path) -> Sqlite {
    Sqlite::open(folder, TestClock::at(START)).await.unwrap()
}

// ---- the file ----

#[tokio::test]
async fn everything_is_there_after_closing_and_opening_again() {
    let folder = tempfile::tempdir().unwrap();
    let state = open(folder.path()).await;
    let taken = number(claim_one(&state, claim("key", START)).await);
    state.release("key", taken, Outcome::Collected).await.unwrap();
    let commit = Commit {
        sent: vec![("mark".into(), vec![sent(START, 1, 2)])],
        marks: vec![("mark".into(), START, START - MINUTE)],
        kept: vec![parcel("dk", 1, b"body")],
        ..Commit::default()
    };
    state.commit(commit, NO_LIMIT).await.unwrap();
    state.keep_objects(&scope("r"), &[object("i-1", &[])], START).await.unwrap();
    state.remember("list", b"value", START + MINUTE).await.unwrap();
    state.count_calls("2026-11-22", "a", &BTreeMap::from([("x:Y".to_owned(), 1)])).await.unwrap();
    state.close().await;
    let closed = state.due("key").await.unwrap_err();
    assert!(closed.to_string().ends_with("has been closed"), "{closed}");

    let state = open(folder.path()).await;
    assert_eq!(state.due("key").await.unwrap(), Some(START + 15 * MINUTE - 10 * SECOND));
    let mark = Mark { until: Some(START), sent: vec![sent(START, 1, 2)] };
    assert_eq!(state.marks(&["mark".into()]).await.unwrap(), [mark]);
    assert_eq!(state.outbox("dk", 0, 9).await.unwrap().len(), 1);
    assert_eq!(state.objects("aws:AK", "aws_ec2", None).await.unwrap().len(), 1);
    assert!(state.recall("list", START).await.unwrap().is_some());
    assert_eq!(state.calls("2026-11-22", "a").await.unwrap().len(), 1);
    let again = number(claim_one(&state, claim("other", START)).await);
    assert!(again > taken, "a claim's number is never given twice");
}

#[tokio::test]
async fn what_no_run_can_use_any_more_is_forgotten_when_the_state_is_opened() {
    const DAY: i64 = 24 * 60 * MINUTE;
    let folder = tempfile::tempdir().unwrap();
    let state = open(folder.path()).await;
    let taken = number(claim_one(&state, claim("key", START)).await);
    state.release("key", taken, Outcome::Collected).await.unwrap();
    let commit = Commit {
        sent: vec![("mark".into(), vec![sent(START, 1, 2)])],
        marks: vec![("mark".into(), START, START - MINUTE)],
        ..Commit::default()
    };
    state.commit(commit, NO_LIMIT).await.unwrap();
    state.count_calls("2026-11-22", "a", &BTreeMap::from([("x:Y".to_owned(), 1)])).await.unwrap();
    state.close().await;

    let mark = ["mark".to_owned()];
    let later = Sqlite::open(folder.path(), TestClock::at(START + 3 * DAY)).await.unwrap();
    assert_eq!(later.marks(&mark).await.unwrap(), [Mark { until: Some(START), sent: vec![] }]);
    assert!(later.due("key").await.unwrap().is_some());
    later.close().await;
    let years = Sqlite::open(folder.path(), TestClock::at(START + 900 * DAY)).await.unwrap();
    assert_eq!(years.marks(&mark).await.unwrap(), [Mark::default()]);
    assert_eq!(years.due("key").await.unwrap(), None);
    assert!(years.calls("2026-11-22", "a").await.unwrap().is_empty());
}

#[cfg(unix)]
#[tokio::test]
async fn folder_and_files_are_their_owners_only() {
    use std::os::unix::fs::PermissionsExt;
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("new/deeper");
    let state = open(&folder).await;
    state.commit(keep(vec![parcel("dk", 1, b"body")]), NO_LIMIT).await.unwrap();
    assert_eq!(mode(&root.path().join("new")), 0o700);
    assert_eq!(mode(&folder), 0o700);
    let files: BTreeSet<String> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(files, BTreeSet::from(["", "-shm", "-wal"].map(|end| format!("{FILE_NAME}{end}"))));
    for file in &files {
        assert_eq!(mode(&folder.join(file)), 0o600, "{file}");
    }
    state.close().await;

    // A copy that everybody can read is made private again.
    std::fs::set_permissions(folder.join(FILE_NAME), PermissionsExt::from_mode(0o644)).unwrap();
    let _state = open(&folder).await;
    assert_eq!(mode(&folder.join(FILE_NAME)), 0o600);
}

/// Every file of a folder, byte for byte.
fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), std::fs::read(&path).unwrap()))
        .collect()
}

async fn refused(folder: &Path) -> String {
    let before = contents(folder);
    let error = Sqlite::open(folder, TestClock::at(START)).await.unwrap_err();
    assert_eq!(contents(folder), before, "a refused file stays as it is, alone");
    error.to_string().replace(folder.to_str().unwrap(), "DIR")
}

#[tokio::test]
async fn a_newer_version_is_refused_untouched() {
    let folder = tempfile::tempdir().unwrap();
    open(folder.path()).await.close().await;
    let path = folder.path().join(FILE_NAME);
    let mut bytes = std::fs::read(&path).unwrap();
    // The version stands in the header, big endian: https://www.sqlite.org/fileformat.html#user_version_number
    bytes[60..64].copy_from_slice(&7_i32.to_be_bytes());
    std::fs::write(&path, &bytes).unwrap();
    let error = Sqlite::open(folder.path(), TestClock::at(START)).await.unwrap_err();
    assert!(matches!(error, StateError::Newer { found: 7, known: 4, .. }), "{error:?}");
    insta::assert_snapshot!(refused(folder.path()).await, @"the state DIR/funchost.db was written by a newer version (format 7, this program knows 4): update funchost, or name another state with --state");
}

#[tokio::test]
async fn a_newer_version_that_stands_in_the_log_only_is_refused_untouched() {
    use sqlx::ConnectOptions;
    let folder = tempfile::tempdir().unwrap();
    open(folder.path()).await.close().await;
    let path = folder.path().join(FILE_NAME);
    let mut writer = sqlx::sqlite::SqliteConnectOptions::new().filename(&path).connect().await.unwrap();
    sqlx::raw_sql("PRAGMA user_version = 9").execute(&mut writer).await.unwrap();
    // What is on the disk while the other process still runs is what a killed one leaves.
    let killed = tempfile::tempdir().unwrap();
    for end in ["", "-wal"] {
        let name = format!("{FILE_NAME}{end}");
        std::fs::copy(folder.path().join(&name), killed.path().join(&name)).unwrap();
    }
    let before = contents(killed.path());
    let error = Sqlite::open(killed.path(), TestClock::at(START)).await.unwrap_err();
    assert!(matches!(error, StateError::Newer { found: 9, .. }), "{error:?}");
    let after = contents(killed.path());
    for end in ["", "-wal"] {
        let name = format!("{FILE_NAME}{end}");
        assert_eq!(before[&name], after[&name], "{name}");
    }
}

#[tokio::test]
async fn a_file_that_is_no_state_is_refused_untouched() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(FILE_NAME), "my notes, which happen to have this name\n".repeat(40))
        .unwrap();
    insta::assert_snapshot!(refused(folder.path()).await, @"DIR/funchost.db is not a state of funchost: it is no SQLite database; it was left as it is: move it away, or name another state with --state");
}

#[tokio::test]
async fn a_strangers_database_is_refused_untouched() {
    use sqlx::ConnectOptions;
    let folder = tempfile::tempdir().unwrap();
    let mut stranger = sqlx::sqlite::SqliteConnectOptions::new()
        .filename(folder.path().join(FILE_NAME))
        .create_if_missing(true)
        .connect()
        .await
        .unwrap();
    sqlx::raw_sql("CREATE TABLE mine (n INTEGER)").execute(&mut stranger).await.unwrap();
    sqlx::Connection::close(stranger).await.unwrap();
    insta::assert_snapshot!(refused(folder.path()).await, @"DIR/funchost.db is not a state of funchost: it is a database of another program; it was left as it is: move it away, or name another state with --state");
}

#[tokio::test]
async fn a_damaged_file_is_refused_untouched() {
    let folder = tempfile::tempdir().unwrap();
    let state = open(folder.path()).await;
    state.commit(keep(vec![parcel("dk", 1, &[1; 100_000])]), NO_LIMIT).await.unwrap();
    state.close().await;
    let path = folder.path().join(FILE_NAME);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[100..4096].fill(0xee);
    std::fs::write(&path, &bytes).unwrap();
    insta::assert_snapshot!(refused(folder.path()).await, @"the state DIR/funchost.db is damaged (database disk image is malformed); it was left as it is: put a copy in its place, or move it away and run again, which starts intervals, marks and kept points anew");
}

#[tokio::test]
async fn damage_that_shows_later_is_said_when_it_is_met() {
    let folder = tempfile::tempdir().unwrap();
    let state = open(folder.path()).await;
    let many: Vec<Object> = (0..2000).map(|n| object(&format!("i-{n}"), &[])).collect();
    state.keep_objects(&scope("r"), &many, START).await.unwrap();
    state.close().await;
    let path = folder.path().join(FILE_NAME);
    let mut bytes = std::fs::read(&path).unwrap();
    // Every page behind those of the empty tables.
    bytes[40 * 4096..].fill(0xee);
    std::fs::write(&path, &bytes).unwrap();
    let state = open(folder.path()).await;
    let error = state.objects("aws:AK", "aws_ec2", None).await.unwrap_err().to_string();
    insta::assert_snapshot!(error.replace(folder.path().to_str().unwrap(), "DIR"), @"the state DIR/funchost.db is damaged (database disk image is malformed); it was left as it is: put a copy in its place, or move it away and run again, which starts intervals, marks and kept points anew");
}

#[tokio::test]
async fn an_empty_file_is_a_new_state() {
    // What a process leaves that was killed between making the file and writing to it.
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(FILE_NAME), b"").unwrap();
    let state = open(folder.path()).await;
    number(claim_one(&state, claim("key", START)).await);
}

#[tokio::test]
async fn a_place_where_no_state_can_be_is_said() {
    let root = tempfile::tempdir().unwrap();
    std::fs::write(root.path().join("file"), b"x").unwrap();
    let error = Sqlite::open(&root.path().join("file/below"), TestClock::at(START)).await.unwrap_err();
    insta::assert_snapshot!(error.to_string().replace(root.path().to_str().unwrap(), "DIR"), @"the folder of the state DIR/file/below cannot be made (Not a directory (os error 20)): make its parent writable for this user, or name another state with --state");

    let folder = root.path().join("state");
    std::fs::create_dir_all(folder.join(FILE_NAME)).unwrap();
    let error = Sqlite::open(&folder, TestClock::at(START)).await.unwrap_err();
    insta::assert_snapshot!(error.to_string().replace(root.path().to_str().unwrap(), "DIR"), @"DIR/state/funchost.db is not a state of funchost: it is no regular file; it was left as it is: move it away, or name another state with --state");
}

// ---- several handles, several processes ----

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_handles_in_one_process_claim_each_key_once_and_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = tokio::join!(open(folder.path()), open(folder.path()));
    let states = [Arc::new(one), Arc::new(two)];
    let mut tasks = Vec::new();
    for (who, state) in states.iter().enumerate() {
        for part in 0..4_u64 {
            let state = state.clone();
            tasks.push(tokio::spawn(async move {
                let mut mine = Vec::new();
                for n in 0..50 {
                    let key = format!("key {n}");
                    if let Claimed::Yes(_) = claim_one(state.as_ref(), claim(&key, START)).await {
                        mine.push(key);
                    }
                    let identity = who as u64 * 1000 + part * 100 + n;
                    let commit = Commit {
                        sent: vec![("mark".into(), vec![sent(START, identity, n)])],
                        kept: vec![parcel("dk", 1, &identity.to_le_bytes())],
                        ..Commit::default()
                    };
                    state.commit(commit, NO_LIMIT).await.unwrap();
                }
                mine
            }));
        }
    }
    let mut claimed = Vec::new();
    for task in tasks {
        claimed.extend(task.await.unwrap());
    }
    claimed.sort();
    assert_eq!(claimed.len(), 50);
    claimed.dedup();
    assert_eq!(claimed.len(), 50);
    assert_eq!(states[0].marks(&["mark".into()]).await.unwrap()[0].sent.len(), 400);
    assert_eq!(states[1].outbox_sizes().await.unwrap(), [("dk".to_owned(), 400, 400, 3200)]);
}

/// A run's deadline drops what is under way, at whatever step it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_is_dropped_is_whole_or_absent_and_stops_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let state = open(folder.path()).await;
    let keys = ["a".to_owned(), "b".to_owned()];
    let mut dropped = 0;
    for n in 1..=150 {
        let time = START + n;
        let commit = Commit {
            sent: vec![("a".into(), vec![sent(time, 1, 1)]), ("b".into(), vec![sent(time, 2, 2)])],
            marks: vec![("a".into(), time, 0), ("b".into(), time, 0)],
            kept: vec![Parcel { created: time, ..parcel("dk", 1, b"body") }],
            ..Commit::default()
        };
        let mut future = Box::pin(state.commit(commit, NO_LIMIT));
        let mut done = false;
        for _ in 0..n {
            done = futures_util::poll!(&mut future).is_ready();
            if done {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(future);
        dropped += u32::from(!done);
        // Writers queue: when the next is through, what was dropped is decided.
        state.renew(&[], START).await.unwrap();

        let marks = state.marks(&keys).await.unwrap();
        let times = |mark: &Mark| mark.sent.iter().map(|entry| entry.time).collect::<Vec<_>>();
        assert_eq!(times(&marks[0]), times(&marks[1]));
        assert_eq!(marks[0].until, marks[1].until);
        assert_eq!(marks[0].until, times(&marks[0]).last().copied());
        let kept = state.outbox("dk", 0, 1000).await.unwrap();
        assert_eq!(kept.iter().map(|parcel| parcel.created).collect::<Vec<_>>(), times(&marks[0]));
    }
    assert!(dropped > 0, "nothing was dropped: this test shows nothing");
    state.commit(keep(vec![parcel("dk", 1, b"last")]), NO_LIMIT).await.unwrap();
}

/// This test program again, as another process that runs one test; it waits for a line before it begins.
fn spawn(test: &str, folder: &Path, name: &str) -> (Child, std::io::Lines<BufReader<ChildStdout>>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(CHILD, format!("{name}={}", folder.display()))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    (child, lines)
}

/// Who this process is and where it works, where it is a child.
fn child() -> Option<(String, std::path::PathBuf)> {
    let told = std::env::var(CHILD).ok()?;
    let (name, folder) = told.split_once('=').unwrap();
    Some((name.to_owned(), folder.into()))
}

/// The lines in which a child says something to its parent, between those of the test harness.
fn said(line: std::io::Result<String>) -> Option<String> {
    let line = line.unwrap();
    // The harness writes `test name ... ` before the child's first word.
    line.rfind("says:").map(|at| line[at + 5..].to_owned())
}

#[tokio::test]
async fn two_processes_claim_each_of_200_keys_once_and_lose_nothing() {
    const TEST: &str = "two_processes_claim_each_of_200_keys_once_and_lose_nothing";
    if let Some((name, folder)) = child() {
        std::io::stdin().read_line(&mut String::new()).unwrap();
        // Opening a new file is part of what two processes do at once.
        let state = open(&folder).await;
        for batch in (0..200).collect::<Vec<_>>().chunks(3) {
            let claims: Vec<Claim> = batch.iter().map(|n| claim(&format!("key {n}"), START)).collect();
            for (claim, answer) in claims.iter().zip(state.claim(&claims).await.unwrap()) {
                if let Claimed::Yes(number) = answer {
                    println!("says:{} {number}", claim.key);
                }
            }
            let identity = batch[0] as u64 + if name == "one" { 0 } else { 1000 };
            let commit = Commit {
                sent: vec![("mark".into(), vec![sent(START, identity, 1)])],
                kept: vec![parcel("dk", 1, name.as_bytes())],
                ..Commit::default()
            };
            state.commit(commit, NO_LIMIT).await.unwrap();
        }
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut children = [spawn(TEST, folder.path(), "one"), spawn(TEST, folder.path(), "two")];
    for (child, _) in &mut children {
        child.stdin.take().unwrap().write_all(b"go\n").unwrap();
    }
    let mut claimed = Vec::new();
    for (mut child, lines) in children {
        claimed.extend(lines.filter_map(said));
        assert!(child.wait().unwrap().success());
    }
    let keys: BTreeSet<&str> = claimed.iter().map(|line| line.rsplit_once(' ').unwrap().0).collect();
    let numbers: BTreeSet<&str> = claimed.iter().map(|line| line.rsplit_once(' ').unwrap().1).collect();
    assert_eq!((claimed.len(), keys.len(), numbers.len()), (200, 200, 200));
    let state = open(folder.path()).await;
    assert_eq!(state.marks(&["mark".into()]).await.unwrap()[0].sent.len(), 2 * 67);
    assert_eq!(state.outbox_sizes().await.unwrap(), [("dk".to_owned(), 134, 134, 134 * 3)]);
}

#[tokio::test]
async fn a_process_killed_at_any_moment_leaves_every_commit_whole_or_absent() {
    const TEST: &str = "a_process_killed_at_any_moment_leaves_every_commit_whole_or_absent";
    // `.ci/run --long` asks for more.
    let kills: u64 = std::env::var("FUNCHOST_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(10);
    if let Some((_, folder)) = child() {
        let state = open(&folder).await;
        let done = state.marks(&["a".into()]).await.unwrap()[0].until.unwrap_or(START);
        for n in 1.. {
            let time = done + n;
            let commit = Commit {
                sent: vec![
                    ("a".into(), vec![sent(time, 1, 1), sent(time, 2, 2)]),
                    ("b".into(), vec![sent(time, 3, 3)]),
                ],
                marks: vec![("a".into(), time, 0), ("b".into(), time, 0)],
                kept: vec![Parcel { created: time, ..parcel("dk", 1, &[5; 30_000]) }],
                ..Commit::default()
            };
            state.commit(commit, NO_LIMIT).await.unwrap();
            println!("says:{time}");
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let keys = ["a".to_owned(), "b".to_owned()];
    let mut before = START;
    for kill in 0..kills {
        let (mut child, lines) = spawn(TEST, folder.path(), "killed");
        // The child goes on committing while the line is on its way: the kill falls somewhere into its work.
        let mut acknowledged = lines.filter_map(said).map(|line| line.parse::<Time>().unwrap());
        let last = acknowledged.nth(usize::try_from(kill * 7 % 11).unwrap()).unwrap();
        child.kill().unwrap();
        let last = acknowledged.last().unwrap_or(last);
        child.wait().unwrap();

        let state = open(folder.path()).await;
        let marks = state.marks(&keys).await.unwrap();
        let until = marks[0].until.unwrap();
        assert!(until >= last, "acknowledged {last}, found {until}");
        assert!(until > before);
        assert_eq!(marks[1].until, Some(until));
        let times: Vec<Time> = (START + 1..=until).collect();
        let expected: Vec<Sent> =
            times.iter().flat_map(|time| [sent(*time, 1, 1), sent(*time, 2, 2)]).collect();
        assert_eq!(marks[0].sent, expected);
        assert_eq!(marks[1].sent, times.iter().map(|time| sent(*time, 3, 3)).collect::<Vec<_>>());
        let parcels = state.outbox("dk", 0, u32::MAX).await.unwrap();
        assert_eq!(parcels.iter().map(|parcel| parcel.created).collect::<Vec<_>>(), times);
        assert!(parcels.iter().all(|parcel| parcel.body == [5; 30_000]));
        state.close().await;
        before = until;
    }
}

/// As root every file can be written: the child gives root up first.
#[cfg(unix)]
#[tokio::test]
async fn a_file_or_folder_that_may_not_be_written_is_said_and_stays_as_it_is() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::os::unix::process::CommandExt;
    const TEST: &str = "a_file_or_folder_that_may_not_be_written_is_said_and_stays_as_it_is";
    if let Some((_, folder)) = child() {
        let error = Sqlite::open(&folder, TestClock::at(START)).await.unwrap_err();
        println!("says:{error}");
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let set =
        |path: &Path, mode: u32| std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    let folder = root.path().join("state");
    open(&folder).await.close().await;
    // An ordinary user must get at this test program, wherever it was built.
    let program = root.path().join("program");
    std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    set(root.path(), 0o755);
    set(&program, 0o755);
    let ask = |folder: &Path| {
        let mut command = Command::new(&program);
        command.args(["--exact", TEST, "--nocapture"]).env(CHILD, format!("user={}", folder.display()));
        if std::fs::metadata("/proc/self").unwrap().uid() == 0 {
            command.uid(65_534).gid(65_534);
        }
        let output = command.current_dir(root.path()).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let line = text.lines().find_map(|line| said(Ok(line.to_owned())));
        line.unwrap_or_else(|| panic!("{text}")).replace(root.path().to_str().unwrap(), "DIR")
    };

    set(&folder, 0o555);
    set(&folder.join(FILE_NAME), 0o444);
    let before = contents(&folder);
    insta::assert_snapshot!(ask(&folder), @"the state DIR/state/funchost.db cannot be written (attempt to write a readonly database): make the file and its folder writable for this user, or name another state with --state");
    assert_eq!(contents(&folder), before);

    let empty = root.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    set(&empty, 0o555);
    insta::assert_snapshot!(ask(&empty), @"the state DIR/empty/funchost.db cannot be written (Permission denied (os error 13)): make the file and its folder writable for this user, or name another state with --state");
    insta::assert_snapshot!(ask(&empty.join("below")), @"the folder of the state DIR/empty/below cannot be made (Permission denied (os error 13)): make its parent writable for this user, or name another state with --state");
    assert!(contents(&empty).is_empty());
    set(&folder, 0o755);
    set(&empty, 0o755);
}

/// A file that may not grow any further stands for a disk that refuses: the shell sets the limit and ignores its signal.
#[cfg(unix)]
#[tokio::test]
async fn a_disk_that_refuses_to_write_loses_nothing_that_was_acknowledged() {
    const TEST: &str = "a_disk_that_refuses_to_write_loses_nothing_that_was_acknowledged";
    if let Some((_, folder)) = child() {
        let state = open(&folder).await;
        for n in 0.. {
            let commit = Commit {
                marks: vec![("mark".into(), START + n, 0)],
                kept: vec![parcel("dk", 1, &[5; 50_000])],
                ..Commit::default()
            };
            match state.commit(commit, NO_LIMIT).await {
                Ok(_) => println!("says:{}", START + n),
                Err(error) => {
                    println!("says:{error}");
                    return;
                }
            }
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 2000; exec \"$0\" --exact \"$1\" --nocapture"])
        .arg(std::env::current_exe().unwrap())
        .arg(TEST)
        .env(CHILD, format!("full={}", folder.path().display()))
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let mut lines: Vec<String> = text.lines().filter_map(|line| said(Ok(line.to_owned()))).collect();
    let error = lines.pop().unwrap().replace(folder.path().to_str().unwrap(), "DIR");
    insta::assert_snapshot!(error, @"the disk that holds the state DIR/funchost.db cannot be read or written (disk I/O error): check its free space and its health, or name another state with --state");

    let state = open(folder.path()).await;
    let until = state.marks(&["mark".into()]).await.unwrap()[0].until.unwrap();
    let last: Time = lines.last().unwrap().parse().unwrap();
    assert!(until >= last);
    let parcels = state.outbox("dk", 0, u32::MAX).await.unwrap();
    assert_eq!(parcels.len() as i64, until - START + 1);
    assert!(parcels.iter().all(|parcel| parcel.body == [5; 50_000]));
    state.commit(keep(vec![parcel("dk", 1, b"more")]), NO_LIMIT).await.unwrap();
}
