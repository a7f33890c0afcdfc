//! A console over a state with a past: what its pages cost is counted by a test and timed by a bench.

use funchost::console::{Console, Forecast, Patience, Plan, router, serve};
use funchost::schedule::{Engine, EngineSettings, Library, Tools, gather};
use funchost::script::{Masker, Settings};
use funchost::state::runs::{Detail, End, LogLine, NewRun, Origin, Status, Store, Taken};
use funchost_collectors::call::{CallPath, Options};
use funchost_collectors::clock::{Clock, SECOND, SystemClock};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, RwLock};
use std::time::Duration;

/// A console that answers; it ends with its runtime.
pub(crate) struct Looked {
    base: String,
    http: reqwest::Client,
    last: i64,
    func: String,
}

impl Looked {
    /// Every page, and what the API answers to them: all of them read the state, but for the first.
    pub(crate) fn pages(&self) -> Vec<String> {
        let Self { last, func, .. } = self;
        vec![
            "/".into(),
            "/api/v1/overview".into(),
            "/api/v1/usage".into(),
            "/api/v1/service".into(),
            "/api/v1/functions".into(),
            "/api/v1/functions?pageNumber=3&pageSize=20&_fuzzySearch=f1".into(),
            format!("/api/v1/func/{func}"),
            "/api/v1/scripts".into(),
            "/api/v1/triggers".into(),
            "/api/v1/triggers?pageNumber=3&pageSize=20".into(),
            "/api/v1/runs".into(),
            "/api/v1/runs?pageNumber=5&pageSize=100".into(),
            format!("/api/v1/runs?status=failure&funcId={func}"),
            format!("/api/v1/runs/{last}"),
            format!("/api/v1/runs/{last}/log"),
            "/api/v1/objects".into(),
            "/api/v1/outbox".into(),
            "/api/v1/calls".into(),
            "/metrics".into(),
        ]
    }

    /// Asks for a page; how many bytes it has.
    pub(crate) async fn get(&self, path: &str) -> usize {
        let answer = self.http.get(format!("{}{path}", self.base)).send().await.unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        answer.bytes().await.unwrap().len()
    }
}

/// Publishes so many functions, each with a crontab of its own, records so many runs of them, and answers for them.
pub(crate) async fn over(folder: &Path, store: Arc<dyn Store>, functions: usize, runs: usize) -> Looked {
    for script in 0..functions / 10 {
        let path = folder.join(format!("scripts/set{}/script{script}.rhai", script % 5));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        // Crontabs of every kind: plain ones, working hours, days of the week and of the month, in zones with and without daylight saving.
        let kinds = [
            "* * * * *",
            "*/5 * * * *",
            "*/7 * * * *",
            "*/5 9-17 * * 1-5",
            "30 2 * * *",
            "0 9 * * 1",
            "0 0 1 * *",
        ];
        let text: String = (0..10)
            .map(|number| {
                let crontab = kinds[(script + number) % kinds.len()];
                format!("@DFF.API(\"function {number} of {script}\", fixed_crontab = \"{crontab}\")\nfn f{number}() {{}}\n")
            })
            .collect();
        std::fs::write(path, text).unwrap();
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let library = Arc::new(Library::new(
        &folder.join("scripts"),
        Arc::new(Settings::new(funchost_collectors::COLLECTORS)),
    ));
    library.refresh(clock.now());
    let published: Vec<_> = library.published().functions().cloned().collect();
    assert_eq!(published.len(), functions);
    let (triggers, idle) = gather(&[], &published, "America/New_York".parse().unwrap());
    let rows: Vec<_> = triggers.iter().map(|trigger| trigger.row(clock.now(), &Masker::new())).collect();
    // Since before the first run: what did not run since then is late, and is looked into.
    let began = clock.now() - 30 * 86_400 * SECOND;
    store.announce(&rows, began).await.unwrap();
    let mut last = 0;
    for number in 0..runs {
        last = record(&*store, &published[number % functions].id, clock.now(), (number, runs)).await;
    }
    let tools = Tools {
        calls: Arc::new(CallPath::new(Options::default(), clock.clone()).unwrap()),
        datakits: BTreeMap::new(),
        overlap: BTreeMap::new(),
        outbox_limit: 1 << 30,
        budgets: funchost::money::budget::Budgets::default(),
    };
    let http = tools.calls.http_for("http://localhost");
    let settings = EngineSettings {
        worker: "here".into(),
        workers: 1,
        lease: Duration::from_secs(30),
        look: Duration::from_secs(1),
        renewal: Duration::from_secs(10),
        patience: Duration::from_secs(1),
        masker: Arc::new(Masker::new()),
    };
    let console = Arc::new(Console {
        store: store.clone(),
        clock: clock.clone(),
        // It shows what was, and works at nothing.
        engine: Engine::new(store, clock.clone(), library, tools, settings),
        plan: RwLock::new(Arc::new(Plan { triggers, idle })),
        token: RwLock::default(),
        zone: RwLock::new("Asia/Shanghai".parse().unwrap()),
        roles: "web".into(),
        started: began,
        forecast: Forecast::default(),
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let never = tokio_util::sync::CancellationToken::new();
    tokio::spawn(serve(listener, router(console), Patience::default(), never));
    Looked { base, http, last, func: published[0].id.clone() }
}

/// One run with what runs usually leave.
async fn record(store: &dyn Store, func: &str, now: i64, (number, runs): (usize, usize)) -> i64 {
    let at = now - i64::try_from(runs - number).unwrap() * 8 * SECOND;
    let run = NewRun {
        func: func.into(),
        origin: Origin::Cron,
        trigger: Some(func.into()),
        tick: Some(at),
        delay: 0,
        ticks: 1,
        kwargs: "{}".into(),
        status: Status::Queued,
        reason: None,
        created: at,
        due: at,
        expires: now + SECOND,
        timeout: None,
    };
    let detail = Detail {
        report: Some(format!("{{\"collectors\":[],\"padding\":\"{}\"}}", "x".repeat(4000))),
        ..Detail::default()
    };
    let status = if number % 7 == 0 { Status::Failure } else { Status::Success };
    let end = End { status, reason: None, detail, points: Some(100), calls: Some(3) };
    if number + 1 < runs {
        return store.record(&run, at, &end, at + SECOND).await.unwrap();
    }
    // The last one is looked at whole, with its log.
    let id = store.enqueue(&run).await.unwrap();
    let Taken::Yes(_) = store.take(id, "past", at, at + 30 * SECOND, 5).await.unwrap() else {
        panic!("nobody else takes it")
    };
    let line = |number| LogLine {
        number,
        time: at,
        since_last: 1,
        since_start: 1,
        kind: "print".into(),
        text: "a line of a log".into(),
    };
    let lines: Vec<LogLine> = (1..=500).map(line).collect();
    store.log(id, 1, &lines).await.unwrap();
    assert!(store.finish(id, 1, &end, at + SECOND).await.unwrap());
    id
}
