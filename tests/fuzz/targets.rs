//! What reads foreign bytes, one function each: any bytes go in, and nothing may panic, hang or grow without bound. Used by `cargo test`, which replays
//! and mutates the corpus, and by the crate in `fuzz/`, which looks for more with coverage.
//!
//! All of it by the public surface: clouds' answers go over loopback through the real clients and collectors.

use funchost::config::{Known, LoadRequest, load_with};
use funchost::console::{self, Console, Forecast};
use funchost::recording::{Player, Recorder, Recording};
use funchost::schedule::{Engine, EngineSettings, Library, Tools};
use funchost::script;
use funchost::sink::batch::Batch;
use funchost::sink::datakit::DataKit;
use funchost::state::Sqlite;
use funchost_collectors::account::{Account, Cloud};
use funchost_collectors::call::{Answered, Asked, CallPath, Counts, Options, Tap as _};
use funchost_collectors::clock::{Clock, SECOND, SystemClock};
use funchost_collectors::collector::{Failure, MarkId, MarkKey, Output, Window};
use funchost_collectors::objects::{List, ObjectCollector, Scope, Wire};
use funchost_collectors::point::{Category, Text};
use funchost_collectors::request::{self, Named, Pages};
use funchost_collectors::run::{Memory, Run, WindowRequest};
use funchost_collectors::selector::{Patterns, Written};
use funchost_collectors::{COLLECTORS, Collector};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Which answer is foreign: the collector that asks, and the call.
pub const CALLS: &[(&str, &str)] = &[
    ("aws_ec2", "DescribeInstances"),
    ("aws_ec2", "AssumeRole"),
    ("aws_cloudwatch", "ListMetrics"),
    ("aws_cloudwatch", "GetMetricData"),
    ("aliyun_monitor", "DescribeMetricMetaList"),
    ("aliyun_monitor", "DescribeMetricList"),
    ("aliyun_monitor", "AssumeRole"),
    ("aliyun_ecs", "DescribeInstances"),
    ("aliyun_ecs", "DescribeDisks"),
    ("aliyun_ecs", "DescribeNetworkInterfaces"),
    ("aliyun_ecs", "DescribeInstancesFullStatus"),
    ("aliyun_ecs", "DescribeInstanceAutoRenewAttribute"),
    ("aliyun_rds", "DescribeDBInstances"),
    ("aliyun_rds", "DescribeDBInstanceAttribute"),
    ("aliyun_rds", "DescribeDBInstanceNetInfo"),
    ("aliyun_rds", "DescribeResourceUsage"),
    ("aliyun_rds", "DescribeAccounts"),
    ("aliyun_rds", "DescribeDatabases"),
    ("aliyun_rds", "DescribeDBInstanceSSL"),
    ("aliyun_slb", "DescribeLoadBalancers"),
    ("aliyun_slb", "DescribeLoadBalancerAttribute"),
    ("aliyun_slb", "DescribeHealthStatus"),
    ("aliyun_slb", "DescribeServerCertificates"),
    ("aliyun_oss", "ListBuckets"),
    ("aliyun_oss", "GetBucketInfo"),
    ("tencentcloud_cvm", "DescribeInstances"),
    ("tencentcloud_cvm", "AssumeRole"),
    ("tencentcloud_monitor", "DescribeBaseMetrics"),
    ("tencentcloud_monitor", "GetMonitorData"),
];

/// More points than this come of no input: a collector that goes on for ever is stopped.
const MOST: usize = 3_000_000;

/// An answer: status and body.
pub type Answer = (u16, Vec<u8>);

/// Answers a call by its action and by how many came before of it.
pub type Answering = dyn Fn(&str, usize) -> Answer + Send + Sync;

/// What answers now, and how many calls of each action came.
type Answers = Arc<Mutex<(Arc<Answering>, BTreeMap<String, usize>)>>;

/// What everything shares: a runtime, and a server whose answers are set for each input.
pub struct World {
    pub runtime: tokio::runtime::Runtime,
    url: String,
    answering: Answers,
    folder: PathBuf,
    /// One input at a time: tests run on several threads.
    turn: Mutex<()>,
}

pub fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let nothing: Arc<Answering> = Arc::new(|_, _| (500, Vec::new()));
        let answering = Arc::new(Mutex::new((nothing, BTreeMap::new())));
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let answers = answering.clone();
        runtime.spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                tokio::spawn(serve(connection, answers.clone()));
            }
        });
        let folder = std::env::temp_dir().join(format!("funchost-fuzz-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("my_fuzz")).unwrap();
        World { runtime, url, answering, folder, turn: Mutex::new(()) }
    })
}

/// Which call a request is, by any cloud's way to say it.
fn action(head: &str, body: &str) -> String {
    let header = |name: &str| {
        head.lines().find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    };
    if let Some(action) = header("x-acs-action").or_else(|| header("x-tc-action")) {
        return action;
    }
    if let Some(target) = header("x-amz-target") {
        return target.rsplit('.').next().unwrap_or_default().to_owned();
    }
    if let Some(action) = body.split('&').find_map(|pair| pair.strip_prefix("Action=")) {
        return action.to_owned();
    }
    let line = head.lines().next().unwrap_or_default();
    if line.contains("/v1/write/") {
        "write".into()
    } else if !line.contains("/ ") && !line.contains("/?") {
        // A path of its own says what is asked.
        let path = line.split([' ', '?']).nth(1).unwrap_or_default();
        if line.contains("bucketInfo") { "GetBucketInfo".into() } else { path.to_owned() }
    } else if line.contains("bucketInfo") {
        "GetBucketInfo".into()
    } else {
        "ListBuckets".into()
    }
}

async fn serve(mut connection: TcpStream, answers: Answers) {
    let _ = connection.set_nodelay(true);
    let mut bytes = Vec::new();
    loop {
        let (head, length, end) = loop {
            if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
                let head = String::from_utf8_lossy(&bytes[..end]).replace("\r\n", "\n");
                let length = head
                    .lines()
                    .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok())
                    .unwrap_or(0_usize);
                if bytes.len() >= end + 4 + length {
                    break (head, length, end + 4);
                }
            }
            let mut chunk = [0; 16_384];
            match connection.read(&mut chunk).await {
                Ok(read @ 1..) => bytes.extend_from_slice(&chunk[..read]),
                _ => return,
            }
        };
        let body = String::from_utf8_lossy(&bytes[end..end + length]).into_owned();
        bytes.drain(..end + length);
        let name = action(&head, &body);
        let (answering, number) = {
            let mut answers = answers.lock().unwrap();
            let count = answers.1.entry(name.clone()).or_default();
            let number = *count;
            *count += 1;
            (answers.0.clone(), number)
        };
        let (status, body) = answering(&name, number);
        let status = if (200..600).contains(&status) { status } else { 200 };
        // In one piece: two would wait for each other's acknowledgement.
        let mut answer =
            format!("HTTP/1.1 {status} Status\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
        answer.extend_from_slice(&body);
        if connection.write_all(&answer).await.is_err() {
            return;
        }
    }
}

/// An input's first line and the rest.
fn split(data: &[u8]) -> (String, &[u8]) {
    let end = data.iter().take(200).position(|byte| *byte == b'\n');
    let (line, rest) = end.map_or((&data[..0], data), |end| (&data[..end], &data[end + 1..]));
    (String::from_utf8_lossy(line).into_owned(), rest)
}

/// Which of the calls: by its name, else by any number that its bytes make.
fn chosen(line: &str) -> (&'static str, &'static str) {
    let mut words = line.split(' ');
    let (collector, action) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let named = CALLS.iter().find(|(of, name)| *of == collector && *name == action);
    let number = line.bytes().fold(0_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(usize::from(byte)));
    *named.unwrap_or(&CALLS[number % CALLS.len()])
}

/// `<collector> <action> <status>`, a line end, and the body of the answer to that call; all other calls are answered well.
pub fn answers(data: &[u8]) {
    let (line, body) = split(data);
    let (collector, foreign) = chosen(&line);
    let status = line.rsplit(' ').next().and_then(|word| word.parse().ok()).unwrap_or(200);
    let body = body.to_vec();
    let answering = move |action: &str, _: usize| {
        if action == foreign { (status, body.clone()) } else { (200, good(collector, action).into_bytes()) }
    };
    let collected = collect(collector, foreign == "AssumeRole", Options::default(), answering, None);
    assert!(collected.done, "{collector} ended without a word");
}

/// `<collector> <action>`, a line end, and the value that was remembered, whatever is asked for.
pub fn remembered(data: &[u8]) {
    let (line, value) = split(data);
    let (collector, _) = chosen(&line);
    let answering = move |action: &str, _: usize| (200, good(collector, action).into_bytes());
    let collected = collect(collector, false, Options::default(), answering, Some(value.to_vec()));
    assert!(collected.done, "{collector} ended without a word");
}

/// The declarations of the collectors that are data, each with the collector that it belongs to.
pub fn declared() -> Vec<(&'static str, &'static ObjectCollector)> {
    let named = COLLECTORS.iter().filter_map(|collector| {
        collector.declaration().map(|declaration| (collector.description().name, declaration))
    });
    named
        .filter(|(name, _)| !CALLS.iter().any(|(known, _)| known == name))
        .flat_map(|(name, declaration)| {
            std::iter::once(declaration).chain(declaration.also.iter().copied()).map(move |one| (name, one))
        })
        .collect()
}

/// The calls of a declaration, each with a sample of what it lists.
fn lists(declaration: &'static ObjectCollector) -> Vec<(&'static List, Value)> {
    let sample: Value = serde_json::from_str(declaration.sample).unwrap_or_default();
    let mut lists = vec![(&declaration.list, sample["item"].clone())];
    if let Scope::Everywhere(_, list) = declaration.scope {
        lists.push((list, Value::Null));
    }
    lists.extend(
        declaration.details.iter().map(|detail| (detail.list(), sample["details"][detail.name].clone())),
    );
    lists
}

/// By what the double knows a call: its action, or its path where nothing else says what is asked.
fn known_by(list: &List) -> String {
    match list.request.api.wire() {
        Wire::Rest { path, .. } => path.to_owned(),
        Wire::Store { .. } => "ListBuckets".into(),
        _ => list.request.action.action.to_owned(),
    }
}

/// Data as XML: lists as AWS writes them in forms' answers.
fn xml(name: &str, data: &Value) -> String {
    let inner: String = match data {
        Value::Null => String::new(),
        Value::Object(members) => members.iter().map(|(name, member)| xml(name, member)).collect(),
        Value::Array(items) => items.iter().map(|item| xml("member", item)).collect(),
        Value::String(text) => text.replace('&', "&amp;").replace('<', "&lt;"),
        other => other.to_string(),
    };
    format!("<{name}>{inner}</{name}>")
}

/// A short answer of a declared call, that is as it should be.
fn well(list: &List, sample: &Value) -> String {
    let wire = list.request.api.wire();
    let mut tree = sample.clone();
    let mut names: Vec<&str> = list.items.split('.').filter(|name| !name.is_empty()).collect();
    if !names.is_empty() && !tree.is_array() {
        tree = json!([tree]);
    }
    while let Some(name) = names.pop() {
        tree = json!({ name: tree });
    }
    match wire {
        Wire::Tencent { .. } => json!({ "Response": tree }).to_string(),
        Wire::Query { .. } => {
            let action = list.request.action.action;
            xml(&format!("{action}Response"), &json!({ format!("{action}Result"): tree }))
        }
        Wire::Store { root } => xml(root, &tree),
        _ => tree.to_string(),
    }
}

/// `<collector> <call> <status>`, a line end, and the body of the answer to that call of a declared collector; the call is the action, or
/// the path where there is none. All other calls are answered as the declaration's sample says.
pub fn market(data: &[u8]) {
    let (line, body) = split(data);
    let all = declared();
    let mut words = line.split(' ');
    let (name, call) = (words.next().unwrap_or_default(), words.next().unwrap_or_default().to_owned());
    let number = line.bytes().fold(0_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(usize::from(byte)));
    let name =
        all.iter().find(|(known, _)| *known == name).map_or(all[number % all.len()].0, |(name, _)| *name);
    let status = line.rsplit(' ').next().and_then(|word| word.parse().ok()).unwrap_or(200);
    let collected = collect_declared(name, Some((call, (status, body.to_vec()))));
    assert!(collected.done, "{name} ended without a word");
}

/// Collects by a declaration, one of whose calls may be answered otherwise.
pub fn collect_declared(name: &'static str, foreign: Option<(String, Answer)>) -> Collected {
    let own = declared().into_iter().filter(|(known, _)| *known == name);
    let answers: BTreeMap<String, String> = own
        .flat_map(|(_, declaration)| lists(declaration))
        .map(|(list, sample)| (known_by(list), well(list, &sample)))
        .collect();
    let answering = move |action: &str, _: usize| match &foreign {
        Some((call, answer)) if call == action => answer.clone(),
        _ => (200, answers.get(action).cloned().unwrap_or_else(|| "{}".into()).into_bytes()),
    };
    collect(name, false, Options::default(), answering, None)
}

/// One answer of each call of each declared collector, as the corpus has them.
pub fn declared_answers() -> Vec<(String, String)> {
    let mut all = BTreeMap::new();
    for (name, declaration) in declared() {
        for (list, sample) in lists(declaration) {
            let call = known_by(list);
            let file = format!("{name}-{}", call.trim_matches('/').replace(['/', '{', '}'], "_"));
            all.insert(file, format!("{name} {call} 200\n{}", well(list, &sample)));
        }
    }
    all.into_iter().collect()
}

/// `<cloud> <service> <action> <status> <items>`, a line end, and what the cloud answers to a call that a script makes by itself; with items, a
/// list is read.
pub fn requested(data: &[u8]) {
    let (line, body) = split(data);
    let words: Vec<&str> = line.split(' ').collect();
    let word = |index: usize| words.get(index).copied().unwrap_or_default();
    let cloud = match word(0) {
        "aliyun" => Cloud::Aliyun,
        "tencentcloud" => Cloud::Tencent,
        _ => Cloud::Aws,
    };
    let status = word(3).parse().unwrap_or(200);
    let options = request::Options {
        items: words.get(4).map(|items| (*items).to_owned()),
        rate: Some(1_000_000.0),
        ..request::Options::default()
    };
    // What a script may have written is refused, not called.
    let Ok(named) = Named::new(cloud, word(1), word(2), &options) else { return };
    let world = world();
    let _turn = world.turn.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let body = body.to_vec();
    *world.answering.lock().unwrap() = (
        // The same page for ever would be a list that goes on: after the first ones there is nothing more.
        Arc::new(
            move |_: &str, number: usize| {
                if number < 20 { (status, body.clone()) } else { (500, Vec::new()) }
            },
        ),
        BTreeMap::new(),
    );
    let account = json!({ "ak_id": "AKIDFUZZ", "ak_secret": "fuzzfuzzfuzz", "endpoint": world.url });
    let account = Account::read(cloud, &account).expect("the account is good");
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let of_calls = Options { attempts: 1, backoff: (Duration::ZERO, Duration::ZERO), ..Options::default() };
    let (output, _outputs) = tokio::sync::mpsc::channel(64);
    let run = Run {
        account: Arc::new(account),
        started: clock.now(),
        clock: clock.clone(),
        calls: Arc::new(CallPath::new(of_calls, clock).expect("the options are good")),
        counts: Arc::new(Counts::default()),
        memory: Arc::new(Remembering(None)),
        filter: None,
        output,
    };
    let region = Text::from("cn-hangzhou");
    let parameters = vec![("Name".to_owned(), json!("x")), ("List".to_owned(), json!(["a", { "B": 1 }]))];
    world.runtime.block_on(async {
        match Pages::new(&named, &region, parameters.clone(), &options) {
            Ok(pages) => {
                let (sender, mut receiver) = tokio::sync::mpsc::channel(4);
                let sending = async {
                    let sent = pages.send(&run, &sender).await;
                    drop(sender);
                    sent
                };
                let reading = async { while receiver.recv().await.is_some() {} };
                if let (Err(failure), ()) = tokio::join!(sending, reading) {
                    assert!(!failure.to_string().is_empty());
                }
            }
            Err(_) => {
                if let Err(error) = named.ask(&run, &region, &parameters).await {
                    assert!(!error.to_string().is_empty());
                }
            }
        }
    });
}

/// A recording as somebody hands it over: it is read and answers; and the same bytes as a cloud's answer, which are recorded.
pub fn recording(data: &[u8]) {
    let world = world();
    let path = world.folder.join(format!("{:?}.json", std::thread::current().id()));
    std::fs::write(&path, data).unwrap();
    let url = reqwest::Url::parse("http://h/path?Action=DescribeDBInstances&PageSize=100&Password=p")
        .expect("a URL");
    let request = reqwest::Request::new(reqwest::Method::GET, url);
    let asked = Asked {
        cloud: Cloud::Aliyun,
        service: "rds",
        action: "DescribeDBInstances",
        region: "cn-hangzhou",
        request: &request,
    };
    match Recording::read(&path) {
        Err(error) => assert!(!error.to_string().is_empty()),
        Ok(recording) => {
            let player = Player::new(&recording);
            for _ in 0..3 {
                assert!(player.answer(&asked).is_some());
            }
        }
    }
    let recorder = Recorder::new(0, Arc::new(|text: &str| text.to_owned()));
    let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
    recorder.heard(&asked, &Answered { status: 200, headers, body: data.to_vec() });
    let (text, count) = recorder.text().expect("it can be written");
    assert_eq!(count, 1);
    std::fs::write(&path, text).unwrap();
    let recording = Recording::read(&path).expect("what was recorded is a recording");
    let given = Player::new(&recording).answer(&asked).expect("an answer");
    assert!(given.is_ok(), "what was asked is found again: {given:?}");
}

/// A console that answers, with nobody to do the work.
fn listening() -> &'static str {
    static ADDRESS: OnceLock<String> = OnceLock::new();
    ADDRESS.get_or_init(|| {
        let world = world();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let root = world.folder.join("library");
        std::fs::create_dir_all(root.join("my")).unwrap();
        let script = "@DFF.API(\"two\", timeout = 1)\nfn two(name, times) { name }\n@DFF.API(\"none\", timeout = 1)\nfn none() { }\n";
        std::fs::write(root.join("my/main.rhai"), script).unwrap();
        let library = Arc::new(Library::new(&root, Arc::new(script::Settings::new(COLLECTORS))));
        library.refresh(clock.now());
        assert_eq!(library.published().functions().count(), 2);
        world.runtime.block_on(async {
            let store = Arc::new(Sqlite::in_memory(clock.clone()).await.expect("a state"));
            let tools = Tools {
                calls: Arc::new(CallPath::new(Options::default(), clock.clone()).expect("a path")),
                datakits: BTreeMap::new(),
                overlap: BTreeMap::new(),
                outbox_limit: 0,
                budgets: funchost::money::budget::Budgets::default(),
            };
            let settings = EngineSettings {
                worker: "fuzz".into(),
                workers: 1,
                lease: Duration::from_secs(60),
                look: Duration::from_secs(60),
                renewal: Duration::from_secs(60),
                patience: Duration::from_secs(1),
                masker: Arc::new(script::Masker::new()),
            };
            let engine = Engine::new(store.clone(), clock.clone(), library, tools, settings);
            let console = Console {
                store,
                clock: clock.clone(),
                engine,
                plan: std::sync::RwLock::default(),
                token: std::sync::RwLock::default(),
                zone: std::sync::RwLock::new(funchost::schedule::cron::zone("Europe/Berlin").expect("a zone")),
                roles: "web".into(),
                started: clock.now(),
                forecast: Forecast::default(),
            };
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap().to_string();
            tokio::spawn(async move { axum::serve(listener, console::router(Arc::new(console))).await });
            address
        })
    })
}

/// `<method> <path>`, a line end, and the body: what a caller sends to the console. A call that would wait for its run is left alone.
pub fn called(data: &[u8]) {
    let (line, body) = split(data);
    // The words of a request's line are those of HTTP, which is a library's to read.
    let plain: String = line.chars().filter(char::is_ascii_graphic).collect();
    let (method, path) = match line.split_once(' ') {
        Some((method @ ("GET" | "POST"), path))
            if path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic()) =>
        {
            (method, path)
        }
        _ => (
            "POST",
            if plain.len().is_multiple_of(2) {
                "/api/v1/async/my__main.two"
            } else {
                "/api/v1/func/my__main.two"
            },
        ),
    };
    let address = listening();
    let mut request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    request.extend_from_slice(body);
    let (answer, whole) = world().runtime.block_on(async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let mut answer = Vec::new();
        let asking = async {
            stream.write_all(&request).await?;
            stream.read_to_end(&mut answer).await
        };
        // Nobody works here: what waits for a run waits in vain.
        let asked = tokio::time::timeout(Duration::from_millis(300), asking).await;
        let whole = matches!(asked, Ok(Ok(_)));
        (answer, whole)
    });
    if !whole {
        return;
    }
    let text = String::from_utf8_lossy(&answer);
    let (head, body) = text.split_once("\r\n\r\n").expect("a whole head");
    let status: u16 = head.split(' ').nth(1).and_then(|word| word.parse().ok()).expect("a status");
    assert!(status < 500, "{head}\n{body}");
    if head.contains("application/json") {
        assert!(serde_json::from_str::<Value>(body).is_ok(), "{head}\n{body}");
    }
}

/// What a collection came to.
#[derive(Debug, Default)]
pub struct Collected {
    pub points: usize,
    pub done: bool,
    pub failures: Vec<Failure>,
    pub warnings: Vec<String>,
    pub calls: BTreeMap<String, u64>,
}

/// Collects once, with these answers.
pub fn collect(
    name: &str,
    role: bool,
    options: Options,
    answering: impl Fn(&str, usize) -> Answer + Send + Sync + 'static,
    remembered: Option<Vec<u8>>,
) -> Collected {
    let world = world();
    let _turn = world.turn.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    *world.answering.lock().unwrap() = (Arc::new(answering), BTreeMap::new());
    let collector: &'static dyn Collector = *COLLECTORS
        .iter()
        .find(|collector| collector.description().name == name)
        .expect("a collector of this name");
    let description = collector.description();
    let mut account = json!({ "ak_id": "AKIDFUZZ", "ak_secret": "fuzzfuzzfuzz", "endpoint": world.url });
    if role {
        account["role_arn"] = "acs:ram::1:role/fuzz".into();
    }
    let account = Account::read(description.cloud, &account).expect("the account is good");
    let regions = match description.cloud {
        Cloud::Aliyun => json!(["cn-hangzhou"]),
        Cloud::Aws => json!(["cn-north-1"]),
        Cloud::Tencent => json!(["ap-shanghai"]),
    };
    let targets = |namespace: &str| json!([{ "namespace": namespace, "metrics": "ALL" }]);
    let configs = match name {
        "aws_cloudwatch" => json!({ "regions": regions, "targets": targets("AWS/EC2") }),
        "aliyun_monitor" => json!({ "targets": targets("acs_ecs_dashboard") }),
        "tencentcloud_monitor" => json!({ "regions": regions, "targets": targets("QCE/CVM") }),
        _ => {
            let mut configs = serde_json::Map::new();
            let declared = collector.declaration();
            // Some products have no regions, some only these, and of some the user chooses a part.
            if declared.is_none_or(ObjectCollector::takes_regions) {
                let sites = declared.map(|declared| declared.sites).filter(|sites| !sites.is_empty());
                configs.insert("regions".into(), sites.map_or(regions, |sites| json!([sites[0]])));
            }
            if let Some((_, values)) =
                declared.filter(|declared| declared.by_products).and_then(|declared| declared.variants)
            {
                configs.insert("products".into(), json!([values[0]]));
            }
            Value::Object(configs)
        }
    };
    let spec = collector.read(&account, &configs).expect("the configuration is good");
    // As fast as can be; one attempt: an answer does not get better.
    let limits = description.actions.iter().map(|action| {
        (format!("{}.{}.{}", description.cloud.key(), action.service, action.action), 1_000_000.0)
    });
    let options = Options {
        limits: limits.collect(),
        attempts: 1,
        backoff: (Duration::ZERO, Duration::ZERO),
        ..options
    };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let calls = Arc::new(CallPath::new(options, clock.clone()).expect("the options are good"));
    let counts = Arc::new(Counts::default());
    let (output, mut outputs) = tokio::sync::mpsc::channel(64);
    let run = Run {
        account: Arc::new(account),
        started: clock.now(),
        clock,
        calls,
        counts: counts.clone(),
        memory: Arc::new(Remembering(remembered)),
        filter: None,
        output,
    };
    let regions = spec.regions();
    let mut collected = Collected::default();
    world.runtime.block_on(async {
        let collecting = async move {
            spec.collect(&run, &regions).await;
            drop(run);
        };
        let reading = async {
            while let Some(output) = outputs.recv().await {
                match output {
                    Output::Objects { points, .. } => collected.points += points.len(),
                    Output::Metrics { points, .. } => collected.points += points.len(),
                    Output::Done { result, .. } => {
                        collected.done = true;
                        collected.failures.extend(result.err());
                    }
                    Output::Warning(text) => collected.warnings.push(text),
                    Output::Advance { .. } => {}
                }
                assert!(collected.points < MOST, "the collection does not end");
            }
        };
        tokio::join!(collecting, reading);
    });
    collected.calls = counts.snapshot();
    collected
}

/// A memory in which one value lies under every key.
struct Remembering(Option<Vec<u8>>);

#[async_trait::async_trait]
impl Memory for Remembering {
    async fn recall(&self, _: &str) -> Result<Option<Vec<u8>>, Failure> {
        Ok(self.0.clone())
    }
    async fn remember(&self, _: &str, _: &[u8], _: Duration) -> Result<(), Failure> {
        Ok(())
    }
    async fn windows(&self, marks: &[(MarkKey, WindowRequest)]) -> Result<Vec<Window>, Failure> {
        let window = |(at, (_, request)): (usize, &(MarkKey, WindowRequest))| Window {
            mark: MarkId(at),
            start: request.end - 600 * SECOND,
            fresh: request.end - 600 * SECOND,
            end: request.end,
        };
        Ok(marks.iter().enumerate().map(window).collect())
    }
    async fn objects(&self, _: &str, _: &str) -> Result<Vec<Arc<BTreeMap<Text, Text>>>, Failure> {
        let tags = ["name", "InstanceId"].map(|key| (Text::from(key), Text::from("ins-1")));
        Ok(vec![Arc::new(BTreeMap::from(tags))])
    }
}

/// A short answer that is as it should be.
pub fn good(collector: &str, action: &str) -> String {
    let now = SystemClock.now() / SECOND;
    let at = now - now % 60 - 300;
    let text = match (collector, action) {
        ("aws_ec2", "AssumeRole") => {
            return "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>A</AccessKeyId><SecretAccessKey>rolesecret</SecretAccessKey><SessionToken>roletoken</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>".into();
        }
        ("aws_ec2", _) => {
            return "<DescribeInstancesResponse><reservationSet><item><instancesSet><item><instanceId>i-1</instanceId><instanceState><code>16</code><name>running</name></instanceState><launchTime>2024-01-01T00:00:00.000Z</launchTime></item></instancesSet></item></reservationSet></DescribeInstancesResponse>".into();
        }
        ("aliyun_oss", "ListBuckets") => {
            return "<ListAllMyBucketsResult><Buckets><Bucket><Name>b</Name><Location>oss-cn-hangzhou</Location><Region>cn-hangzhou</Region><CreationDate>2021-12-02T03:28:02.000Z</CreationDate></Bucket></Buckets></ListAllMyBucketsResult>".into();
        }
        ("aliyun_oss", _) => {
            return "<BucketInfo><Bucket><Name>b</Name><AccessControlList><Grant>private</Grant></AccessControlList></Bucket></BucketInfo>".into();
        }
        (_, "ListMetrics") => {
            json!({ "Metrics": [{ "Namespace": "AWS/EC2", "MetricName": "CPUUtilization", "Dimensions": [{ "Name": "InstanceId", "Value": "i-1" }] }] })
        }
        (_, "GetMetricData") => {
            let result = |id: usize| json!({ "Id": format!("m0s{id}"), "Timestamps": [at], "Values": [1.5], "StatusCode": "Complete" });
            json!({ "MetricDataResults": (0..5).map(result).collect::<Vec<_>>() })
        }
        (_, "DescribeMetricMetaList") => {
            json!({ "Resources": { "Resource": [{ "MetricName": "CPUUtilization", "Namespace": "acs_ecs_dashboard", "Periods": "60,300" }] }, "TotalCount": "1" })
        }
        (_, "DescribeMetricList") => {
            let points = json!([{ "timestamp": at * 1000, "instanceId": "i-1", "Average": 1.5 }]);
            json!({ "Datapoints": points.to_string(), "Period": "60" })
        }
        ("tencentcloud_cvm" | "tencentcloud_monitor", action) => {
            let response = match action {
                "AssumeRole" => {
                    json!({ "Credentials": { "Token": "roletoken", "TmpSecretId": "A", "TmpSecretKey": "rolesecret" }, "ExpiredTime": 4_000_000_000_i64 })
                }
                "DescribeBaseMetrics" => {
                    json!({ "MetricSet": [{ "Namespace": "QCE/CVM", "MetricName": "CPUUsage", "Periods": [{ "Period": "60", "StatType": ["max"] }] }] })
                }
                "GetMonitorData" => {
                    json!({ "DataPoints": [{ "Dimensions": [{ "Name": "InstanceId", "Value": "ins-1" }], "Timestamps": [at], "Values": [1.5] }] })
                }
                _ => {
                    json!({ "TotalCount": 1, "InstanceSet": [{ "InstanceId": "ins-1", "Placement": { "Zone": "z" } }] })
                }
            };
            json!({ "Response": response })
        }
        (_, "AssumeRole") => {
            json!({ "Credentials": { "AccessKeyId": "A", "AccessKeySecret": "rolesecret", "SecurityToken": "roletoken", "Expiration": "2099-01-01T00:00:00Z" } })
        }
        ("aliyun_ecs", "DescribeInstances") => {
            json!({ "Instances": { "Instance": [{ "InstanceId": "i-1", "InstanceChargeType": "PrePaid" }] } })
        }
        ("aliyun_rds", "DescribeDBInstances") => {
            json!({ "Items": { "DBInstance": [{ "DBInstanceId": "rm-1", "Engine": "MySQL" }] }, "TotalRecordCount": 1 })
        }
        ("aliyun_slb", "DescribeLoadBalancers") => {
            json!({ "LoadBalancers": { "LoadBalancer": [{ "LoadBalancerId": "lb-1" }] }, "TotalCount": 1 })
        }
        _ => json!({}),
    };
    Value::to_string(&text)
}

/// `<status>`, a line end, and what DataKit answers to a batch.
pub fn datakit(data: &[u8]) {
    let (line, body) = split(data);
    let status = line.trim().parse().unwrap_or(400);
    let world = world();
    let _turn = world.turn.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let body = body.to_vec();
    *world.answering.lock().unwrap() = (Arc::new(move |_: &str, _| (status, body.clone())), BTreeMap::new());
    let http =
        CallPath::new(Options::default(), Arc::new(SystemClock)).expect("a client").http_for(&world.url);
    let datakit = DataKit::new("datakit", &world.url, http).expect("a URL");
    let datakit = datakit.with_patience(1, Duration::from_secs(5));
    let mut batch = Batch::new(Category::Metric);
    for line in 0..5 {
        batch.push(format!("m,t=(pos:\\ {line}) v={line}i {line}").as_bytes(), line);
    }
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    let delivery = world.runtime.block_on(datakit.write(&batch, deadline));
    let rest = match delivery.outcome {
        funchost::sink::datakit::Outcome::Done => 0,
        funchost::sink::datakit::Outcome::Kept { rest, why } => {
            assert!(why.len() < 4096, "{why}");
            rest.len() as u64
        }
    };
    assert_eq!(delivery.delivered + delivery.rejected.len() as u64 + rest, 5, "every point is somewhere");
    for line in &delivery.rejected {
        assert!(line.to_string().len() < 2048, "{line}");
    }
}

/// Lines `NAME=value` of the environment, a line `---`, and the file.
pub fn configuration(data: &[u8]) {
    let world = world();
    let at = data.windows(5).position(|window| window == b"\n---\n");
    let (variables, file) = at.map_or((&data[..0], data), |at| (&data[..at], &data[at + 5..]));
    let variables = String::from_utf8_lossy(variables).into_owned();
    let environment = variables
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let path = world.folder.join(format!("{:?}.toml", std::thread::current().id()));
    std::fs::write(&path, file).unwrap();
    let request = LoadRequest { explicit: Some(path), directory: world.folder.clone(), environment };
    let known = Known { system: world.folder.clone(), ..Known::default() };
    match load_with(&request, &known) {
        Ok(config) => assert!(!format!("{config:?}").is_empty()),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// A script: read, checked, listed; nothing of it is called.
pub fn script(data: &[u8]) {
    let world = world();
    let path = world.folder.join("my_fuzz").join(format!(
        "s{}.rhai",
        format!("{:?}", std::thread::current().id()).replace(|letter: char| !letter.is_ascii_digit(), "")
    ));
    std::fs::write(&path, data).unwrap();
    let settings = Arc::new(script::Settings { memory_limit: 64 << 20, ..script::Settings::new(COLLECTORS) });
    match script::open(&path, &settings) {
        Err(report) => assert!(!report.render(false).is_empty()),
        Ok(opened) => {
            let checked = script::check(&opened);
            for problem in checked.problems {
                assert!(!problem.line().is_empty());
            }
            if let Err(report) = script::list(&opened) {
                assert!(!report.render(true).is_empty());
            }
        }
    }
}

/// Lines: patterns, an empty line, names.
pub fn selector(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (patterns, names) = text.split_once("\n\n").unwrap_or((&text, "CPUUtilization\nmem"));
    let written = Written(patterns.lines().map(str::to_owned).collect());
    let Ok(patterns) = Patterns::read(&written, "targets[0].metrics") else { return };
    let names: BTreeSet<&str> = names.lines().take(50).collect();
    for name in &names {
        let one = patterns.selects(name);
        assert_eq!(one, patterns.selects(&name.to_lowercase()), "letter case does not matter");
    }
    drop(patterns.idle(&names));
}

/// A kept batch, as the outbox hands it back.
pub fn parcel(data: &[u8]) {
    if let Ok(mut batch) = Batch::from_bytes(data) {
        assert!(batch.body().len() <= u32::MAX as usize);
        assert_eq!(Batch::from_bytes(&batch.to_bytes()).as_ref(), Ok(&batch));
        for index in 0..batch.len() {
            assert!(batch.line(index).is_some_and(|line| !line.is_empty()));
        }
        assert!(batch.drop_older_than(1) <= u64::from(u32::MAX));
    }
}

/// Three lines: a time zone, a crontab, seconds since 1970 after which the next time is asked for.
pub fn crontab(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut lines = text.splitn(3, '\n');
    let (zone, cron) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let seconds: i64 = lines.next().and_then(|line| line.trim().parse().ok()).unwrap_or(1_800_000_000);
    let zone = match funchost::schedule::cron::zone(zone) {
        Ok(zone) => zone,
        Err(wrong) => {
            assert!(!wrong.message.is_empty());
            funchost::schedule::cron::zone("Europe/Berlin").expect("a zone")
        }
    };
    let checked = funchost::schedule::cron::check(cron);
    let made = funchost::schedule::cron::Crontab::new(cron, zone);
    assert_eq!(checked.is_ok(), made.is_ok(), "what passes the check can be run: {cron}");
    let Ok(made) = made else { return };
    let mut after = seconds.saturating_mul(1_000_000_000);
    for _ in 0..5 {
        let Some(next) = made.next(after) else { return };
        assert!(next > after, "{cron}: {next} after {after}");
        assert_eq!(made.between(after, next), [next], "{cron} after {after}");
        after = next;
    }
}
