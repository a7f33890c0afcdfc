//! How long the pages of the console take with 500 functions and 10,000 recorded runs.
//!
//! `cargo bench --bench console`: for each page the median and the slowest of some requests, as the server itself counts its time.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a bench may panic, and prints")]

use funchost::console::{Console, Patience, Plan, router, serve};
use funchost::schedule::{Engine, EngineSettings, Library, Tools, gather};
use funchost::script::{Masker, Settings};
use funchost::state::Sqlite;
use funchost::state::runs::{Detail, End, LogLine, NewRun, Origin, Status, Store, Taken};
use funchost_collectors::call::{CallPath, Options};
use funchost_collectors::clock::{Clock, SECOND, SystemClock};
use std::collections::BTreeMap;
use std::sync::{Arc, RwLock};
use std::time::Duration;

const FUNCTIONS: usize = 500;
const RUNS: usize = 10_000;
const REQUESTS: usize = 30;

#[tokio::main]
async fn main() {
    let folder = tempfile::tempdir().unwrap();
    for script in 0..FUNCTIONS / 10 {
        let path = folder.path().join(format!("scripts/set{}/script{script}.rhai", script % 5));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let text: String = (0..10)
            .map(|number| {
                format!("@DFF.API(\"function {number} of {script}\", fixed_crontab = \"*/{} * * * *\")\nfn f{number}() {{}}\n", number + 1)
            })
            .collect();
        std::fs::write(path, text).unwrap();
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let store: Arc<dyn Store> = Arc::new(Sqlite::open(folder.path(), clock.clone()).await.unwrap());
    let library = Arc::new(Library::new(
        &folder.path().join("scripts"),
        Arc::new(Settings::new(funchost_collectors::COLLECTORS)),
    ));
    let began = std::time::Instant::now();
    library.refresh(clock.now());
    println!("{FUNCTIONS} functions published in {:?}", began.elapsed());
    let functions: Vec<_> = library.published().functions().cloned().collect();
    assert_eq!(functions.len(), FUNCTIONS);
    let (triggers, idle) = gather(&[], &functions, chrono_tz::Tz::Asia__Shanghai);
    let rows: Vec<_> =
        triggers.iter().map(|trigger| trigger.row(clock.now(), &funchost::script::Masker::new())).collect();
    store.announce(&rows, clock.now()).await.unwrap();
    let began = std::time::Instant::now();
    let mut last = 0;
    for number in 0..RUNS {
        let func = &functions[number % FUNCTIONS].id;
        let now = clock.now() - i64::try_from(RUNS - number).unwrap() * 8 * SECOND;
        let run = NewRun {
            func: func.clone(),
            origin: Origin::Cron,
            trigger: Some(func.clone()),
            tick: Some(now),
            delay: 0,
            ticks: 1,
            kwargs: "{}".into(),
            status: Status::Queued,
            reason: None,
            created: now,
            due: now,
            expires: clock.now() + SECOND,
            timeout: None,
        };
        last = store.enqueue(&run).await.unwrap();
        let Taken::Yes(_) = store.take(last, "bench", now, now + 30 * SECOND, 5).await.unwrap() else {
            panic!()
        };
        let lines: Vec<LogLine> = (1..=20)
            .map(|number| LogLine {
                number,
                time: now,
                since_last: 1,
                since_start: 1,
                kind: "print".into(),
                text: "a line of a log".into(),
            })
            .collect();
        store.log(last, 1, &lines).await.unwrap();
        let detail = Detail {
            report: Some(format!("{{\"collectors\":[],\"padding\":\"{}\"}}", "x".repeat(4000))),
            ..Detail::default()
        };
        let status = if number % 7 == 0 { Status::Failure } else { Status::Success };
        let end = End { status, reason: None, detail, points: Some(100), calls: Some(3) };
        assert!(store.finish(last, 1, &end, now + SECOND).await.unwrap());
    }
    println!("{RUNS} runs recorded in {:?}", began.elapsed());
    let masker = Arc::new(Masker::new());
    let tools = Tools {
        calls: Arc::new(CallPath::new(Options::default(), clock.clone()).unwrap()),
        datakits: BTreeMap::new(),
        overlap: BTreeMap::new(),
        outbox_limit: 1 << 30,
        budgets: funchost::money::budget::Budgets::default(),
    };
    let http = tools.calls.http_for("http://localhost");
    let settings = EngineSettings {
        worker: "bench".into(),
        workers: 1,
        lease: Duration::from_secs(30),
        look: Duration::from_secs(1),
        renewal: Duration::from_secs(10),
        patience: Duration::from_secs(1),
        masker,
    };
    let console = Arc::new(Console {
        store: store.clone(),
        clock: clock.clone(),
        engine: Engine::new(store.clone(), clock.clone(), library, tools, settings),
        plan: RwLock::new(Arc::new(Plan { triggers, idle })),
        token: RwLock::default(),
        zone: RwLock::new(chrono_tz::Tz::Asia__Shanghai),
        roles: "web".into(),
        started: clock.now(),
        forecast: funchost::console::Forecast::default(),
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let never = tokio_util::sync::CancellationToken::new();
    tokio::spawn(serve(listener, router(console), Patience::default(), never));
    println!("{:<60} {:>8} {:>8} {:>10}", "page", "median", "slowest", "bytes");
    for path in [
        "/".to_owned(),
        "/api/v1/overview".to_owned(),
        "/api/v1/usage".to_owned(),
        "/api/v1/service".to_owned(),
        "/api/v1/functions".to_owned(),
        "/api/v1/functions?pageNumber=3&pageSize=20&_fuzzySearch=f1".to_owned(),
        "/api/v1/triggers".to_owned(),
        "/api/v1/triggers?pageNumber=3&pageSize=20".to_owned(),
        "/api/v1/runs".to_owned(),
        "/api/v1/runs?pageNumber=100&pageSize=100".to_owned(),
        "/api/v1/runs?status=failure&funcId=set0__script0.f0".to_owned(),
        format!("/api/v1/runs/{last}"),
        format!("/api/v1/runs/{last}/log"),
        "/api/v1/objects".to_owned(),
        "/api/v1/calls".to_owned(),
        "/metrics".to_owned(),
    ] {
        let mut times = Vec::with_capacity(REQUESTS);
        let mut bytes = 0;
        for _ in 0..REQUESTS {
            let began = std::time::Instant::now();
            let answer = http.get(format!("{base}{path}")).send().await.unwrap();
            assert!(answer.status().is_success(), "{path}: {}", answer.status());
            bytes = answer.bytes().await.unwrap().len();
            times.push(began.elapsed());
        }
        times.sort();
        let shown = |time: Duration| format!("{:.1} ms", time.as_secs_f64() * 1000.0);
        println!(
            "{path:<60} {:>8} {:>8} {bytes:>10}",
            shown(times[REQUESTS / 2]),
            shown(times[REQUESTS - 1])
        );
    }
}
