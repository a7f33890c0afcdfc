//! The state in PostgreSQL: the same promises as in a file, and many machines at once.
//!
//! One server for all tests of this program; it ends with the program.

#![allow(clippy::disallowed_methods, reason = "a test waits for another process")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "clippy knows tests, but not their helpers")]

#[path = "support/console.rs"]
mod console;
#[path = "state_semantics/runs.rs"]
mod runs;
#[path = "state_semantics/mod.rs"]
mod semantics;
#[path = "support/postgres.rs"]
mod server;

use funchost::state::{Claimed, Commit, DatabaseUrl, Postgres, State, StateError};
use funchost_collectors::call::{Ask, SharedRates};
use semantics::{NO_LIMIT, START, TestClock, claim, parcel, sent};
use server::Server;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

/// What the promises are tested with.
type Backend = Postgres;

/// Cases of each property: each has tables of its own.
const CASES: u32 = 16;

/// Ends when the pipe to it does: with this process.
static SERVER: LazyLock<Server> = LazyLock::new(Server::start);

async fn fresh(clock: Arc<TestClock>) -> Postgres {
    open(&SERVER.url(), clock).await
}

async fn open(url: &str, clock: Arc<TestClock>) -> Postgres {
    Postgres::open(&DatabaseUrl::new(url).unwrap(), clock).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn machines_claim_each_key_once_and_lose_nothing() {
    let url = SERVER.url();
    // All at once, also the making of the tables.
    let opening: Vec<_> = (0..4)
        .map(|_| {
            let url = url.clone();
            tokio::spawn(async move { open(&url, TestClock::at(START)).await })
        })
        .collect();
    let mut tasks = Vec::new();
    for (who, state) in opening.into_iter().enumerate() {
        let state = Arc::new(state.await.unwrap());
        for part in 0..3_u64 {
            let state = state.clone();
            tasks.push(tokio::spawn(async move {
                let mut mine = Vec::new();
                for n in 0..40 {
                    let key = format!("key {n}");
                    if let Claimed::Yes(_) = state.claim(&[claim(&key, START)]).await.unwrap()[0] {
                        mine.push(key);
                    }
                    let identity = who as u64 * 1000 + part * 100 + n;
                    // Each names the marks in an order of its own.
                    let mut marks = ["a", "b", "c"];
                    marks.rotate_left((identity % 3) as usize);
                    let commit = Commit {
                        sent: marks
                            .iter()
                            .map(|mark| ((*mark).to_owned(), vec![sent(START, identity, n)]))
                            .collect(),
                        marks: marks.iter().map(|mark| ((*mark).to_owned(), START + n as i64, 0)).collect(),
                        kept: vec![parcel("dk", 1, &identity.to_le_bytes())],
                        ..Commit::default()
                    };
                    state.commit(commit, NO_LIMIT).await.unwrap();
                    state.remember(&format!("{identity}"), b"v", START + n as i64).await.unwrap();
                    let calls = [("ec2:A".to_owned(), 1), ("ec2:B".to_owned(), 2)].into();
                    state.count_calls("2026-11-22", "aws:AK", &calls).await.unwrap();
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
    assert_eq!(claimed.len(), 40);
    claimed.dedup();
    assert_eq!(claimed.len(), 40);
    let state = open(&url, TestClock::at(START)).await;
    for mark in state.marks(&["a".into(), "b".into(), "c".into()]).await.unwrap() {
        assert_eq!((mark.sent.len(), mark.until), (480, Some(START + 39)));
    }
    assert_eq!(state.outbox_sizes().await.unwrap(), [("dk".to_owned(), 480, 480, 3840)]);
    assert_eq!(state.calls("2026-11-22", "aws:AK").await.unwrap()["ec2:B"], 960);
}

#[tokio::test]
async fn arguments_leave_the_tables_with_the_end_of_their_run() {
    use funchost::state::Runs as _;
    use sqlx::Connection as _;
    let url = SERVER.url();
    let state = open(&url, TestClock::at(START)).await;
    let given = runs::run_with("{\"password\":\"hunter22\"}");
    let (waiting, expiring) = (state.enqueue(&given).await.unwrap(), state.enqueue(&given).await.unwrap());
    let mut connection = sqlx::PgConnection::connect(&url).await.unwrap();
    let mut count = async || {
        sqlx::query_scalar::<_, i64>(
            "SELECT count(*) FROM run_detail WHERE kwargs || shown LIKE '%hunter22%'",
        )
        .fetch_one(&mut connection)
        .await
        .unwrap()
    };
    assert_eq!(count().await, 2, "whoever takes them needs them");
    assert!(state.stop(waiting, START).await.unwrap());
    assert_eq!(count().await, 1);
    assert_eq!(state.expire(given.expires + 1).await.unwrap(), 1);
    assert_eq!(count().await, 0, "{expiring} has expired");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn room_that_two_make_at_once_is_made_once() {
    let url = SERVER.url();
    let mut tasks = Vec::new();
    for _ in 0..4 {
        let state = open(&url, TestClock::at(START)).await;
        tasks.push(tokio::spawn(async move {
            let mut evicted = 0;
            for _ in 0..50 {
                let commit = Commit { kept: vec![parcel("dk", 1, &[0; 100])], ..Commit::default() };
                evicted += state.commit(commit, 1000).await.unwrap().points;
            }
            evicted
        }));
    }
    let mut evicted = 0;
    for task in tasks {
        evicted += task.await.unwrap();
    }
    let state = open(&url, TestClock::at(START)).await;
    // What another has kept but not committed is not seen: the limit may be passed by as much, until the next commit.
    let last = Commit { kept: vec![parcel("dk", 1, &[0; 100])], ..Commit::default() };
    evicted += state.commit(last, 1000).await.unwrap().points;
    assert_eq!(state.outbox_sizes().await.unwrap(), [("dk".to_owned(), 10, 10, 1000)]);
    assert_eq!(evicted, 191, "each point that went is counted once");
}

#[tokio::test]
async fn turns_of_a_shared_rate_are_given_to_one_machine_only() {
    let url = SERVER.url();
    let (one, two) = (open(&url, TestClock::at(START)).await, open(&url, TestClock::at(START)).await);
    let (pause, gap) = (Duration::from_millis(50), Duration::from_millis(3));
    let mut turns = Vec::new();
    for round in 0..6_u32 {
        let state = if round % 2 == 0 { &one } else { &two };
        let count = 1 + round % 3;
        let given = state.turns("a", Ask { count, pause, gap }).await.unwrap();
        assert_eq!(given.count, count);
        assert!(round > 0 || given.first <= given.now, "the first goes at once");
        // Behind those of one question lies time that is nobody's.
        let behind = if turns.is_empty() { 0 } else { 3_000_000 };
        turns.extend(
            (0..i64::from(count))
                .map(|number| (given.first + number * 50_000_000, if number == 0 { behind } else { 0 })),
        );
    }
    assert_eq!(turns.len(), 12);
    for pair in turns.windows(2) {
        let ((before, _), (after, behind)) = (pair[0], pair[1]);
        // The server's clock, to the nanosecond: the six questions take less time than one pause.
        assert!(after - before >= 50_000_000 + behind, "{turns:?}");
    }
    let another = one.turns("b", Ask { count: 1, pause, gap }).await.unwrap();
    assert!(another.first <= another.now, "another scope has its own");
}

/// Turns that were given back are given again, unless somebody was given others behind them.
#[tokio::test]
async fn turns_can_be_given_back_while_nobody_stands_behind_them() {
    let url = SERVER.url();
    let (one, two) = (open(&url, TestClock::at(START)).await, open(&url, TestClock::at(START)).await);
    let ask = Ask { count: 4, pause: Duration::from_secs(50), gap: Duration::from_secs(2) };
    let given = one.turns("a", ask).await.unwrap();
    assert_eq!(given.end, given.first + 202_000_000_000);
    // Two of them are used.
    let from = given.first + 50_000_000_000 + 3_000_000_000;
    assert!(one.give_back("a", given.end, from).await.unwrap());
    assert!(!one.give_back("a", given.end, given.first).await.unwrap(), "they are not its own any more");
    let next = two.turns("a", ask).await.unwrap();
    assert_eq!(next.first, from);
    let behind = one.turns("a", ask).await.unwrap();
    assert!(!two.give_back("a", next.end, next.first).await.unwrap(), "another's stand behind them");
    assert_eq!(behind.first, next.end);
    assert!(!two.give_back("b", next.end, next.first).await.unwrap(), "nobody asked for that");
}

/// What the server asks to do again is done again.
#[tokio::test]
async fn a_question_for_turns_is_asked_again_where_another_was_in_its_way() {
    let url = SERVER.url();
    let state = open(&url, TestClock::at(START)).await;
    let schema = url.rsplit("%3D").next().unwrap();
    let ask = Ask { count: 1, pause: Duration::from_millis(25), gap: Duration::ZERO };
    state.turns("a", ask).await.unwrap();
    // A serialization failure, five times in a row.
    SERVER.sql(&format!(
        "CREATE SEQUENCE {schema}.tries;
         CREATE FUNCTION {schema}.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             IF nextval('{schema}.tries') <= 5 THEN RAISE EXCEPTION 'another was faster' USING ERRCODE = '40001'; END IF;
             RETURN NEW;
         END $$;
         CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON {schema}.rate FOR EACH ROW EXECUTE FUNCTION {schema}.refuse()"
    ));
    let given = state.turns("a", ask).await.unwrap();
    SERVER.sql(&format!("ALTER SEQUENCE {schema}.tries RESTART"));
    assert!(state.give_back("a", given.end, given.first).await.unwrap());
    // And it is not tried for ever.
    SERVER.sql(&format!("ALTER SEQUENCE {schema}.tries RESTART WITH -1000 MINVALUE -1000"));
    let why = state.turns("a", ask).await.unwrap_err();
    assert!(why.contains("another was faster"), "{why}");
}

/// Texts do not follow each other there as their bytes do: what these tests show of orders they show for such a database.
#[test]
fn the_server_has_a_collation_of_its_own() {
    assert_eq!(SERVER.sql("SELECT 'a' < 'B', 'a-c' > 'ab' COLLATE \"C\"").trim(), "t|f");
}

/// What lies further ahead than any turn can is of a clock that was set since, or of a limit that was a slip: nobody waits for it.
#[tokio::test]
async fn turns_that_lie_too_far_ahead_count_no_more() {
    let state = open(&SERVER.url(), TestClock::at(START)).await;
    let ask = |pause: Duration| Ask { count: 1, pause, gap: Duration::ZERO };
    state.turns("a", ask(Duration::from_secs(20_000))).await.unwrap();
    let slow = state.turns("a", ask(Duration::from_secs(20_000))).await.unwrap();
    assert!(slow.first > slow.now + 19_000_000_000_000, "at that rate it is right to wait");
    let given = state.turns("a", ask(Duration::from_millis(25))).await.unwrap();
    assert!(given.first <= given.now, "{given:?}");
    let next = state.turns("a", ask(Duration::from_millis(25))).await.unwrap();
    assert!(next.first >= given.first + 25_000_000, "{given:?} {next:?}");
}

#[tokio::test]
async fn what_cannot_be_used_is_said() {
    let said = |error: StateError| error.to_string();
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let open = async |url: &str| Postgres::open(&DatabaseUrl::new(url).unwrap(), TestClock::at(START)).await;
    let away = said(open(&format!("postgres://u:hunter2hunter2@127.0.0.1:{closed}/d")).await.unwrap_err());
    assert!(away.contains("cannot be reached") && !away.contains("hunter2"), "{away}");
    let url = SERVER.url();
    let none = said(open(&url.replace("/postgres?", "/nothing?")).await.unwrap_err());
    assert!(none.contains("does not exist") && none.contains("createdb"), "{none}");
    drop(open(&url).await.unwrap());
    let schema = url.rsplit("%3D").next().unwrap();
    SERVER.sql(&format!("INSERT INTO {schema}.funchost_format VALUES (99)"));
    assert!(matches!(open(&url).await, Err(StateError::Newer { found: 99, known: 3, .. })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_of_the_console_asks_as_much_however_much_there_is() {
    SERVER.sql("CREATE EXTENSION IF NOT EXISTS pg_stat_statements");
    let mut counted = Vec::new();
    for (functions, runs) in [(20, 100), (60, 600)] {
        let name = format!("pages{functions}");
        let state = open(&SERVER.database(&name), TestClock::at(START)).await;
        let library = tempfile::tempdir().unwrap();
        let looked = console::over(library.path(), Arc::new(state), functions, runs).await;
        let mut pages = Vec::new();
        for path in looked.pages() {
            SERVER.sql("SELECT pg_stat_statements_reset()");
            looked.get(&path).await;
            let found = SERVER.sql(&format!(
                "SELECT coalesce(sum(calls), 0), coalesce(sum(rows), 0) FROM pg_stat_statements
                 JOIN pg_database ON pg_database.oid = dbid WHERE datname = '{name}'"
            ));
            let (statements, rows) = found.trim().split_once('|').unwrap();
            let (statements, rows): (usize, usize) = (statements.parse().unwrap(), rows.parse().unwrap());
            println!("{functions} functions, {runs} runs: {path}: {statements} statements, {rows} rows");
            // What is read grows with what there is to show, a few rows of each trigger, never with what is kept.
            let most = if path.ends_with("/log") { 502 } else { 6 * functions + 50 };
            assert!(rows <= most, "{path}: {rows} rows");
            pages.push((path, statements));
        }
        counted.push(pages);
    }
    let [few, many] = &counted[..] else { unreachable!() };
    for ((path, statements), (_, of_many)) in few.iter().zip(many) {
        assert_eq!(statements, of_many, "{path}: there is a statement for each of something");
        assert!(*statements <= 16, "{path}: {statements} statements");
    }
    assert!(many.iter().filter(|(_, statements)| *statements > 0).count() > 12, "{many:?}");
}
