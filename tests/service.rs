//! `funchost serve` from outside: the real program on loopback, called, stopped, killed and started again.

#![allow(clippy::disallowed_methods, reason = "a test waits for another process")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod support;

use funchost_collectors::clock::{Clock, SECOND, ShiftedClock, SystemClock};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use support::service::Serving;
use support::{FastClock, Ran, ran};

/// Says to this program that it is to be a service whose clock runs faster, and in which folder.
const CHILD: &str = "FUNCHOST_TEST_SERVICE_CHILD";
/// How many nanoseconds the clock of that service is ahead.
const AHEAD: &str = "FUNCHOST_TEST_SERVICE_AHEAD";

const SCRIPT: &str = r#"
@DFF.API("greets", timeout = 20, category = "test", tags = ["b", "a"])
fn hello(name) {
    print(`hello ${name}`);
    #{ greeting: `hi ${name}`, n: 1 }
}

@DFF.API("fails")
fn bad() {
    let n = 1;
    print("before");
    n.nothing
}

@DFF.API("takes long", timeout = 1)
fn slow() { sleep(60); }

@DFF.API("takes its time", timeout = 600)
fn long() {
    print("begun");
    if DFF.ENV("QUICK") != "yes" { sleep(300); }
    print("done");
    "finished"
}
"#;

/// A folder with a library and a configuration.
struct World {
    folder: tempfile::TempDir,
    /// From when on a clock that runs faster does so, in all processes.
    base: i64,
}

impl World {
    fn new() -> Self {
        let world = Self { folder: tempfile::tempdir().unwrap(), base: FastClock::new(1).base };
        world.write("scripts/demo/main.rhai", SCRIPT);
        world.configure("");
        world
    }

    fn configure(&self, more: &str) {
        self.write(
            "funchost.toml",
            &format!(
                "state = \"state\"\n[env]\nQUICK = \"no\"\n[service]\nlisten = \"127.0.0.1:0\"\ntimezone = \"Asia/Shanghai\"\nlease = 5\n{more}"
            ),
        );
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        // Whole or not at all, as editors do it.
        let temporary = path.with_extension("new");
        std::fs::write(&temporary, text).unwrap();
        std::fs::rename(temporary, path).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_funchost"));
        command.args(arguments).current_dir(self.folder.path()).env_clear().env("HOME", self.folder.path());
        command
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        ran(&self.command(arguments).output().unwrap())
    }

    fn serve(&self, arguments: &[&str]) -> Serving {
        let mut command = self.command(&["serve"]);
        command.args(arguments);
        Serving::start(command)
    }

    /// A service for which it is so late now.
    fn serve_at(&self, now: i64) -> Serving {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "child_serves", "--nocapture", "--test-threads=1"]);
        command.env(CHILD, format!("1={}=={}", self.base, self.folder.path().display()));
        command.env(AHEAD, (now - SystemClock.now()).to_string());
        Serving::start(command)
    }

    /// A service whose clock runs `factor` times as fast as the machine's.
    fn serve_fast(&self, factor: u32, arguments: &[&str]) -> Serving {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "child_serves", "--nocapture", "--test-threads=1"]).env(
            CHILD,
            format!("{factor}={}={}={}", self.base, arguments.join(" "), self.folder.path().display()),
        );
        Serving::start(command)
    }
}

/// The child of [`World::serve_fast`].
#[test]
fn child_serves() {
    let Ok(told) = std::env::var(CHILD) else { return };
    let [factor, base, arguments, folder] = told.splitn(4, '=').collect::<Vec<_>>()[..] else {
        panic!("{told}")
    };
    let clock: Arc<dyn Clock> = match std::env::var(AHEAD) {
        Ok(offset) => Arc::new(ShiftedClock { offset: offset.parse().unwrap() }),
        Err(_) => Arc::new(FastClock { base: base.parse().unwrap(), factor: factor.parse().unwrap() }),
    };
    let surroundings = funchost::cli::Surroundings {
        arguments: ["serve"].into_iter().chain(arguments.split_whitespace()).map(Into::into).collect(),
        variables: [("HOME".to_owned(), folder.to_owned())].into(),
        directory: Path::new(folder).to_owned(),
        clock,
        stdout: Arc::new(Mutex::new(std::io::stdout())),
        stderr: Arc::new(Mutex::new(std::io::stderr())),
        color: false,
        masker: Arc::default(),
    };
    assert_eq!(funchost::cli::main(&surroundings), 0);
}

/// Takes out what differs from run to run.
fn plain(mut value: Value) -> Value {
    fn walk(value: &mut Value) {
        match value {
            Value::Array(list) => list.iter_mut().for_each(walk),
            Value::Object(map) => {
                for (key, value) in map.iter_mut() {
                    let varies = key.ends_with("Time")
                        || ["traceId", "reqCost", "waitMs", "runMs", "worker", "seconds"]
                            .contains(&key.as_str());
                    if varies && !value.is_null() {
                        *value = json!("…");
                    } else {
                        walk(value);
                    }
                }
            }
            _ => {}
        }
    }
    walk(&mut value);
    value
}

fn shown(answer: &(u16, Value)) -> String {
    format!("{}\n{:#}", answer.0, plain(answer.1.clone()))
}

#[test]
fn functions_are_called_in_the_shapes_of_the_original() {
    let world = World::new();
    let service = world.serve(&[]);
    let called = service.ask("POST", "/api/v1/func/demo__main.hello", r#"{"kwargs": {"name": "Wang"}}"#);
    insta::assert_snapshot!("service_func", shown(&called));
    assert_eq!(
        service.ask("POST", "/api/v1/sync/demo__main.hello", r#"{"kwargs":{"name":"a"}}"#).1["greeting"],
        "hi a"
    );
    assert_eq!(
        service.ask("GET", "/api/v1/sync/demo__main.hello/s?name=%E7%8E%8B", "").1["greeting"],
        "hi 王"
    );
    assert_eq!(
        service.ask("GET", "/api/v1/sync/demo__main.hello?kwargs=%7B%22name%22%3A2%7D", "").1["greeting"],
        "hi 2"
    );
    assert_eq!(service.ask("POST", "/api/v1/sync/demo__main.hello/simplified", r#"{"name":"b"}"#).1["n"], 1);
    let unboxed = r#"{"kwargs":{"name":"c"},"options":{"unbox":true}}"#;
    assert_eq!(
        service.ask("POST", "/api/v1/func/demo__main.hello", unboxed).1,
        json!({"greeting": "hi c", "n": 1})
    );

    insta::assert_snapshot!(
        "service_func_failed",
        shown(&service.ask("POST", "/api/v1/func/demo__main.bad", ""))
    );
    let late = service.ask("POST", "/api/v1/func/demo__main.slow", "");
    assert_eq!((late.0, &late.1["error"], &late.1["reason"]), (599, &json!(599.2), &json!("EFuncTimeout")));

    for (method, path, body, status, error) in [
        ("POST", "/api/v1/func/demo__main.helo", "{}", 404, 404.41),
        ("POST", "/api/v1/func/demo__main.hello", "{}", 400, 400.43),
        ("POST", "/api/v1/func/demo__main.hello", r#"{"kwargs":{"nam":"x"}}"#, 400, 400.43),
        ("POST", "/api/v1/func/demo__main.hello", r#"{"args":{}}"#, 400, 400.43),
        ("POST", "/api/v1/func/demo__main.hello", "no json", 400, 400.43),
        ("POST", "/api/v1/func/demo__main.bad", r#"{"options":{"timeout":0}}"#, 400, 400.43),
        ("POST", "/api/v1/sync/demo__main.hello/wide", "{}", 400, 400.43),
        ("POST", "/api/v1/cron/nothing", "", 404, 404.41),
        ("GET", "/api/v1/runs/99999", "", 404, 404.41),
        ("GET", "/api/v1/runs/abc", "", 400, 400.43),
        ("POST", "/api/v1/runs/abc/stop", "", 400, 400.43),
        ("GET", "/api/v1/sync/%ff", "", 400, 400.43),
        ("GET", "/console/%ff", "", 400, 400.43),
        ("POST", "/api/v1/func/demo__main.bad", r#"{"options":{"eta":"soon"}}"#, 400, 400.43),
        ("POST", "/api/v1/func/demo__main.bad", r#"{"options":{"eta":"2999-01-01T00:00:00Z"}}"#, 400, 400.43),
        ("POST", "/api/v1/func/demo__main.bad", r#"{"options":{"returnType":"text"}}"#, 400, 400.43),
        ("GET", "/api/v1/runs?status=done", "", 400, 400.43),
        ("GET", "/api/v1/runs?state=success", "", 400, 400.43),
        ("GET", "/nothing", "", 404, 404.41),
        ("DELETE", "/api/v1/runs", "", 405, 405.43),
    ] {
        let (found, answer) = service.ask(method, path, body);
        assert_eq!(
            (found, answer["error"].as_f64()),
            (status, Some(error)),
            "{method} {path} {body}: {answer:#}"
        );
        assert!(answer["message"].as_str().is_some_and(|message| message.len() > 10), "{answer:#}");
        // Which request it was; its arguments are not repeated.
        let asked = json!({ "method": method, "url": path.split('?').next().unwrap() });
        assert_eq!(answer["reqDump"], asked, "{answer:#}");
    }
    let whole = service.exchange("GET", "/api/v1/runs/1", &[], "");
    for header in ["x-trace-id: ", "x-request-time: 20", "x-response-time: 20", "x-request-cost: "] {
        assert!(whole.contains(header), "{header}: {whole}");
    }
    let near = service.ask("POST", "/api/v1/func/demo__main.helo", "{}").1;
    assert!(near["message"].as_str().unwrap().contains("did you mean `demo__main.hello`"), "{near}");

    let dumped =
        r#"{"kwargs":{"name":"d"},"options":{"returnType":"jsonDumps","eta":"2020-01-01T00:00:00+08:00"}}"#;
    let dumped = service.ask("POST", "/api/v1/func/demo__main.hello", dumped).1;
    assert_eq!(dumped["data"]["result"], "{\"greeting\":\"hi d\",\"n\":1}", "{dumped:#}");
    let later = service.ask("GET", "/api/v1/async/demo__main.hello/s?name=later", "").1;
    let id = later["data"]["id"].as_i64().unwrap();
    let result = service.until(&format!("/api/v1/runs/{id}/result"), |data| data["final"] == true);
    assert_eq!(result["result"]["greeting"], "hi later");
    let eta = chrono::DateTime::from_timestamp_nanos(SystemClock.now() + 3600 * SECOND).to_rfc3339();
    let eta = json!({ "kwargs": { "name": "e" }, "options": { "eta": eta } }).to_string();
    let waits = service.ask("POST", "/api/v1/func/demo__main.hello", &eta).1["data"]["id"].as_i64().unwrap();
    let waits = service.get(&format!("/api/v1/runs/{waits}"));
    let delay = waits["delay"].as_i64().unwrap();
    assert!((3500..=3600).contains(&delay) && waits["status"] == "queued", "{waits:#}");

    let asked = service.ask("POST", "/api/v1/async/demo__main.hello", r#"{"kwargs":{"name":"later"}}"#).1;
    let id = asked["data"]["id"].as_i64().unwrap();
    let result = service.until(&format!("/api/v1/runs/{id}/result"), |data| data["final"] == true);
    assert_eq!((&result["status"], &result["result"]["greeting"]), (&json!("success"), &json!("hi later")));
    let log = service.get(&format!("/api/v1/runs/{id}/log?after=0&wait=20"));
    assert_eq!((&log["lines"][0]["text"], &log["final"]), (&json!("hello later"), &json!(true)));
    let (_, events) = service.raw("GET", &format!("/api/v1/runs/{id}/events"), &[], "");
    let kinds: Vec<&str> = events.lines().filter_map(|line| line.strip_prefix("event: ")).collect();
    assert_eq!(kinds, ["status", "line", "end"], "{events}");

    insta::assert_snapshot!("service_run", format!("{:#}", plain(service.get("/api/v1/runs/2"))));
    insta::assert_snapshot!(
        "service_func_list",
        format!("{:#}", plain(service.get("/api/v1/func-list?tags=a&_fuzzySearch=GREET")))
    );
    let page = service.ask("GET", "/api/v1/runs?funcId=demo__main.hello&pageSize=2&pageNumber=2", "").1;
    assert_eq!(page["data"].as_array().unwrap().len(), 2);
    assert_eq!(page["pageInfo"]["totalCount"], 10, "{:#}", page["pageInfo"]);
    assert_eq!(service.stop(), 0);
}

#[test]
fn what_the_document_lists_is_there() {
    let world = World::new();
    let service = world.serve(&[]);
    let (_, document) = service.raw("GET", "/openapi.json", &[], "");
    let document: Value = serde_json::from_str(&document).unwrap();
    let mut count = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            let path = path
                .replace("{run}", "7")
                .replace("{func}", "a__b.c")
                .replace("{trigger}", "t")
                .replace("{format}", "s");
            let (status, body) = service.raw(&method.to_uppercase(), &path, &[], "");
            assert!(
                status != 405 && !body.contains("there is nothing at"),
                "{method} {path}: {status} {body}"
            );
            count += 1;
        }
    }
    assert!(count > 25, "{count}");
    let (_, metrics) = service.raw("GET", "/metrics", &[], "");
    for line in metrics.lines().filter(|line| !line.starts_with('#')) {
        let (name, value) = line.rsplit_once(' ').unwrap();
        assert!(name.starts_with("funchost_") && value.parse::<f64>().is_ok(), "{line}");
    }
    assert!(metrics.contains("funchost_functions 4\n"), "{metrics}");
}

#[test]
fn the_document_names_the_parameters_and_the_keys_that_are_read() {
    let world = World::new();
    let token = "0123456789abcdef0123";
    world.configure(&format!("token = \"{token}\"\n"));
    let service = world.serve(&[]);
    let bearer = format!("Bearer {token}");
    let key = [("authorization", bearer.as_str())];
    let (_, document) = service.raw("GET", "/openapi.json", &key, "");
    let document: Value = serde_json::from_str(&document).unwrap();
    let called =
        service.raw("POST", "/api/v1/sync/demo__main.hello", &key, "{\"kwargs\":{\"name\":\"you\"}}");
    assert_eq!(called.0, 200, "{called:?}");

    // Each scheme opens by itself, and is wanted wherever the document does not say otherwise.
    let schemes: Vec<(String, String)> = document["security"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            let name = one.as_object().unwrap().keys().next().unwrap();
            let scheme = &document["components"]["securitySchemes"][name];
            match (scheme["type"].as_str().unwrap(), scheme["scheme"].as_str()) {
                ("http", Some("bearer")) => ("authorization".to_owned(), bearer.clone()),
                ("apiKey", None) if scheme["in"] == "header" => {
                    (scheme["name"].as_str().unwrap().to_owned(), token.to_owned())
                }
                _ => panic!("{scheme}"),
            }
        })
        .collect();
    assert_eq!(schemes.len(), document["components"]["securitySchemes"].as_object().unwrap().len());
    let parameters = |operation: &Value, place: &str| -> Vec<(String, Value)> {
        let all = operation["parameters"].as_array().unwrap().iter();
        let here = all.filter(|one| one["in"] == place);
        here.map(|one| (one["name"].as_str().unwrap().to_owned(), one["schema"].clone())).collect()
    };
    let mut asked = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let (method, place) = (method.to_uppercase(), format!("{method} {path}"));
            let mut url = path.clone();
            for (name, schema) in parameters(operation, "path") {
                let value = match (name.as_str(), &schema["type"]) {
                    ("func", _) => "demo__main.hello".into(),
                    (_, kind) if kind == "integer" => "1".into(),
                    _ => schema["enum"][0].as_str().unwrap_or("no_such").to_owned(),
                };
                url = url.replace(&format!("{{{name}}}"), &value);
            }
            let open = operation["security"] == json!([]);
            let (status, _) = service.raw(&method, &url, &[], "");
            assert_eq!(status == 401, !open, "{place}: {status}");
            for (header, value) in schemes.iter().filter(|_| method == "GET") {
                let (status, body) = service.raw(&method, &url, &[(header.as_str(), value.as_str())], "");
                assert!(status != 401, "{place} with {header}: {status} {body}");
            }
            if method != "GET" {
                continue;
            }
            // What is read of the query is told by what it does not know, and by what cannot be read in it.
            let known = parameters(operation, "query");
            let names: Vec<&str> = known.iter().map(|(name, _)| name.as_str()).collect();
            let (_, body) = service.raw("GET", &format!("{url}?no_such=1"), &key, "");
            let told = body.split("there is no parameter `no_such`, there are: ").nth(1);
            let told =
                told.and_then(|rest| rest.split('"').next()).map(|list| list.split(", ").collect::<Vec<_>>());
            match told {
                Some(told) => {
                    let sorted = |names: &[&str]| {
                        names.iter().map(ToString::to_string).collect::<std::collections::BTreeSet<_>>()
                    };
                    assert_eq!(sorted(&told), sorted(&names), "{place}");
                    asked += told.len();
                }
                None if names == ["kwargs"] => {
                    let (status, body) = service.raw("GET", &format!("{url}?kwargs=x"), &key, "");
                    assert!(
                        status == 400 && body.contains("the arguments are no JSON"),
                        "{place}: {status} {body}"
                    );
                }
                None => assert!(names.is_empty(), "{place}: {names:?} are not read: {body}"),
            }
            for (name, schema) in &known {
                let wrong = match (&schema["type"], &schema["format"], &schema["enum"]) {
                    (kind, _, _) if kind == "integer" => {
                        (schema["minimum"].as_i64().unwrap() - 1).to_string()
                    }
                    (_, Value::String(_), _) | (_, _, Value::Array(_)) => "no_such".to_owned(),
                    _ => continue,
                };
                // A list has pages where one is asked for.
                let (status, body) = service.raw("GET", &format!("{url}?{name}={wrong}"), &key, "");
                assert_eq!(status, 400, "{place}: {name}={wrong}: {body}");
                for good in schema["enum"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                    let (status, body) = service.raw("GET", &format!("{url}?{name}={good}"), &key, "");
                    assert_eq!(status, 200, "{place}: {name}={good}: {body}");
                }
            }
        }
    }
    assert!(asked > 25, "{asked}");
}

#[test]
fn only_who_may_is_let_in() {
    let world = World::new();
    let refused = world.run(&["serve", "--listen", "0.0.0.0:0"]);
    assert_eq!(refused.code, 2);
    insta::assert_snapshot!("service_no_token", refused.stderr);

    let service = world.serve(&[]);
    let status =
        |service: &Serving, headers: &[(&str, &str)]| service.raw("GET", "/api/v1/runs", headers, "").0;
    assert_eq!(status(&service, &[]), 200);
    assert_eq!(status(&service, &[("host", "evil.example")]), 403, "another name that leads here");
    assert_eq!(status(&service, &[("origin", "http://evil.example")]), 403, "a page of another site");
    let own = format!("http://{}", service.address);
    assert_eq!(status(&service, &[("origin", &own)]), 200);
    // An image of another page comes without an origin, and would run a function.
    let image = |site| service.raw("GET", "/api/v1/async/demo__main.bad", &[("sec-fetch-site", site)], "").0;
    assert_eq!((image("cross-site"), image("same-site")), (403, 403));
    assert_eq!(
        (image("same-origin"), image("none")),
        (200, 200),
        "its own page, and whoever types the address"
    );
    let late = "{\"kwargs\":{},\"options\":{\"async\":true,\"delay\":9223372036}}";
    assert_eq!(service.raw("POST", "/api/v1/func/demo__main.bad", &[], late).0, 400, "more than a week");
    let huge = format!("{{\"kwargs\":{{\"name\":\"{}\"}}}}", "x".repeat(5 << 20));
    assert_eq!(service.raw("POST", "/api/v1/func/demo__main.hello", &[], &huge).0, 413);
    assert_eq!(service.stop(), 0);

    let token = "0123456789abcdef0123";
    world.configure(&format!("token = \"{token}\"\n"));
    let service = world.serve(&[]);
    assert_eq!(status(&service, &[]), 401);
    for wrong in
        ["Bearer 0123456789abcdef0124", "Bearer 0123456789abcdef012", "Basic 0123456789abcdef0123", "Bearer "]
    {
        assert_eq!(status(&service, &[("authorization", wrong)]), 401, "{wrong}");
    }
    assert_eq!(status(&service, &[("authorization", &format!("Bearer {token}"))]), 200);
    assert_eq!(status(&service, &[("x-dff-auth-token", token), ("host", "funchost.example")]), 200);
    assert_eq!(service.raw("GET", "/metrics", &[], "").0, 401);
    assert_eq!(service.raw("GET", "/healthz", &[], "").0, 200);
    // Another token counts from the signal on, and the old one no longer.
    let other = "fedcba9876543210fedc";
    world.configure(&format!("token = \"{other}\"\n"));
    service.signal("HUP");
    service.until_said("the configuration was read again");
    assert_eq!(status(&service, &[("authorization", &format!("Bearer {token}"))]), 401);
    assert_eq!(status(&service, &[("authorization", &format!("Bearer {other}"))]), 200);
    // On this machine's own address it may go, and those who came under another name with it.
    world.configure("");
    service.signal("HUP");
    let began = std::time::Instant::now();
    while status(&service, &[]) != 200 {
        assert!(began.elapsed() < support::service::PATIENCE, "{}", service.said());
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert_eq!(status(&service, &[("host", "funchost.example")]), 403);
    let said = service.said();
    assert!(!said.contains(token) && !said.contains(other), "{said}");
}

#[test]
fn a_script_that_breaks_keeps_its_last_good_version() {
    let world = World::new();
    world.write("scripts/demo/util.rhai", "fn word() { \"one\" }");
    world.write(
        "scripts/demo/other.rhai",
        "import \"__util\" as util;\n@DFF.API(\"t\")\nfn run() { util::word() }",
    );
    let service = world.serve(&[]);
    let called = || service.ask("POST", "/api/v1/sync/demo__other.run", "").1;
    assert_eq!(called(), "one");
    // What it imports breaks: neither that nor what has changed beside it is taken.
    world.write("scripts/demo/util.rhai", "fn word( { \"two\" }");
    let problem = |id: &str| {
        service.get("/api/v1/scripts").as_array().unwrap().iter().find(|script| script["id"] == id).unwrap()["problem"].clone()
    };
    service.until("/api/v1/service", |data| data["scriptsWithProblems"] == 2);
    assert!(
        problem("demo__util").as_str().unwrap().contains("demo/util.rhai:1:10"),
        "{}",
        problem("demo__util")
    );
    assert_eq!(called(), "one");
    world.write("scripts/demo/util.rhai", "fn word() { \"three\" }");
    service.until("/api/v1/service", |data| data["scriptsWithProblems"] == 0);
    assert_eq!(called(), "three");
    std::fs::remove_file(world.folder.path().join("scripts/demo/other.rhai")).unwrap();
    service.until("/api/v1/service", |data| data["functions"] == 4);
    assert_eq!(service.ask("POST", "/api/v1/sync/demo__other.run", "").0, 404);
    world.write("scripts/demo/not-a-name.rhai", "");
    service.until("/api/v1/service", |data| data["scriptsWithProblems"] == 1);
}

#[test]
fn a_result_that_cannot_be_given_is_said_and_the_run_counts() {
    let world = World::new();
    world.write(
        "scripts/demo/odd.rhai",
        "// Odd results.\n@DFF.API(\"no data\")\nfn odd() { #{ list: [1, |x| x] } }\n\
         @DFF.API(\"no number\")\nfn nan() { 0.0 / 0.0 }\n\
         @DFF.API(\"large\")\nfn large() { let text = \"0123456789abcdef\"; for n in 0..15 { text = text + text; } text }\n",
    );
    let service = world.serve(&[]);
    for (function, status, words) in [
        (
            "odd",
            "success",
            "the function's result at `list[1]` is a function, which is no data: it is left out",
        ),
        ("nan", "success", "the function's result is NaN, which is no finite number: it is left out"),
        (
            "large",
            "success",
            "the function's result is 524290 bytes as JSON, and a run keeps 262144 bytes at most: it is left out",
        ),
    ] {
        let (code, answer) = service.ask("POST", &format!("/api/v1/sync/demo__odd.{function}"), "");
        assert_eq!((code, &answer["error"]), (599, &json!(599.98)), "{answer:#}");
        assert!(answer["message"].as_str().unwrap().starts_with(words), "{answer:#}");
        assert_eq!(answer["detail"]["status"], status);
        let run = service.get(&format!("/api/v1/runs/{}", answer["detail"]["id"]));
        assert_eq!((&run["result"], &run["reason"]), (&Value::Null, &answer["message"]), "{run:#}");
        let error = &run["errors"][0];
        assert_eq!((&error["kind"], &error["message"]), (&json!("result"), &json!(words)), "{run:#}");
        // What to do stands with it, for who called as for who reads the record.
        assert!(error["hint"].as_str().is_some_and(|hint| hint.contains("`()`")), "{run:#}");
        assert_eq!(answer["detail"]["errors"][0]["hint"], error["hint"], "{answer:#}");
        let told = world.run(&["runs", &answer["detail"]["id"].to_string()]);
        let hint = error["hint"].as_str().unwrap();
        assert!(
            told.code == 0 && told.stdout.contains(words) && told.stdout.contains(hint),
            "{}",
            told.stdout
        );
        if function == "odd" {
            assert_eq!((&error["file"], &error["line"]), (&json!("demo/odd.rhai"), &json!(2)), "{run:#}");
        }
    }
}

#[test]
fn a_script_that_is_as_it_was_is_not_published_anew() {
    let world = World::new();
    world.write("scripts/demo/util.rhai", "fn word() { 1 }");
    world.write(
        "scripts/demo/user.rhai",
        "import \"__util\" as util;\n@DFF.API(\"t\")\nfn run() { util::word() }",
    );
    let service = world.serve(&[]);
    let since = |id: &str| {
        let scripts = service.get("/api/v1/scripts");
        scripts.as_array().unwrap().iter().find(|one| one["id"] == id).unwrap()["publishTime"].clone()
    };
    let before = ["demo__main", "demo__user", "demo__util"].map(&since);
    world.write("scripts/demo/util.rhai", "fn word() { 2 }");
    service.until("/api/v1/scripts", |scripts| {
        scripts
            .as_array()
            .unwrap()
            .iter()
            .any(|one| one["id"] == "demo__util" && one["publishTime"] != before[2])
    });
    assert_eq!(since("demo__main"), before[0], "it imports nothing of what has changed");
    assert_ne!(since("demo__user"), before[1], "what it imports has changed");
    // One that never loaded here has nothing that could stay.
    world.write("scripts/demo/new.rhai", "fn (");
    service.until_said("no good version of it is known here");
    let said = service.said();
    let anew = said.lines().filter(|line| line.contains("published anew")).collect::<Vec<_>>();
    assert_eq!(anew.len(), 2, "{said}");
    assert!(anew[0].contains("demo__user") && anew[1].contains("demo__util"), "{anew:?}");
    world.write("scripts/demo/util.rhai", "fn (");
    service.until_said("its last good version stays");
    service.kill();
    let service = world.serve(&[]);
    assert!(!service.said().contains("its last good version stays"), "{}", service.said());
    assert_eq!(
        service.said().matches("no good version of it is known here").count(),
        3,
        "{}",
        service.said()
    );
}

#[test]
fn a_stopped_service_gives_its_runs_back_and_the_next_one_ends_them() {
    let world = World::new();
    let service = world.serve(&["--patience", "1"]);
    let id = service.ask("POST", "/api/v1/async/demo__main.long", "").1["data"]["id"].as_i64().unwrap();
    let run = format!("/api/v1/runs/{id}");
    service.until(&format!("{run}/log"), |data| data["lines"][0]["text"] == "begun");
    assert_eq!(service.stop(), 0);
    let waiting = world.run(&["runs", &id.to_string()]);
    assert!(waiting.stdout.contains("status        queued"), "{waiting:?}");

    world.configure("[[triggers]]\nfunc = \"demo__main.nothing\"\ncron = \"* * * * *\"\n");
    let text = std::fs::read_to_string(world.folder.path().join("funchost.toml")).unwrap();
    world.write("funchost.toml", &text.replace("QUICK = \"no\"", "QUICK = \"yes\""));
    let service = world.serve(&[]);
    let ended = service.until(&run, |data| data["final"] == true);
    assert_eq!(
        (&ended["status"], &ended["result"], &ended["attempt"]),
        (&json!("success"), &json!("finished"), &json!(2))
    );
    let idle = service.get("/api/v1/triggers");
    assert_eq!(
        idle[0]["problem"].as_str().unwrap().split(':').next(),
        Some("no function `demo__main.nothing` is published")
    );
}

#[test]
fn the_run_of_a_killed_service_is_taken_over_and_a_wrong_configuration_changes_nothing() {
    let world = World::new();
    let service = world.serve(&[]);
    let id = service.ask("POST", "/api/v1/async/demo__main.long", "").1["data"]["id"].as_i64().unwrap();
    let run = format!("/api/v1/runs/{id}");
    service.until(&format!("{run}/log"), |data| data["lines"][0]["text"] == "begun");
    service.kill();
    let service = world.serve(&[]);
    // Its lease is five seconds.
    let taken = service.until(&format!("{run}/log?after=1&wait=10"), |data| {
        data["lines"].as_array().is_some_and(|lines| lines.len() == 2)
    });
    let first = taken["lines"][0]["text"].as_str().unwrap();
    assert!(first.starts_with("taken over from ") && first.contains("gone silent"), "{first}");

    // Wrong, then right: read at once, and by the signal.
    let path = world.folder.path().join("funchost.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    world.write("funchost.toml", &text.replace("timezone", "timezoen"));
    service.until_said("it stays as it was");
    assert_eq!(service.get("/api/v1/service")["timezone"], "Asia/Shanghai");
    world.write("funchost.toml", &text.replace("Asia/Shanghai", "Europe/Berlin"));
    service.signal("HUP");
    service.until("/api/v1/service", |data| data["timezone"] == "Europe/Berlin");
    assert_eq!(service.get(&run)["status"], "running", "reading it again loses no run");

    let (status, stopped) = service.ask("POST", &format!("{run}/stop"), "");
    assert_eq!(status, 200, "{stopped}");
    let ended = service.until(&run, |data| data["final"] == true);
    assert_eq!((&ended["status"], &ended["reason"]), (&json!("interrupted"), &json!("stopped by hand")));
    assert_eq!(service.ask("POST", &format!("{run}/stop"), "").0, 409);
}

#[test]
fn the_run_of_a_killed_service_whose_function_is_gone_can_be_stopped() {
    let world = World::new();
    world.write(
        "scripts/demo/other.rhai",
        "@DFF.API(\"long\", timeout = 600)\nfn long() { print(\"begun\"); sleep(300); }",
    );
    let service = world.serve(&[]);
    let id = service.ask("POST", "/api/v1/async/demo__other.long", "").1["data"]["id"].as_i64().unwrap();
    let run = format!("/api/v1/runs/{id}");
    service.until(&format!("{run}/log"), |data| data["lines"][0]["text"] == "begun");
    service.kill();
    std::fs::remove_file(world.folder.path().join("scripts/demo/other.rhai")).unwrap();
    // Its lease is five seconds: by now nobody has it, and nobody here could take it over.
    let service = world.serve_at(SystemClock.now() + 60 * SECOND);
    assert_eq!(service.get(&run)["status"], "running", "whoever has the function may still take it");
    assert_eq!(service.ask("POST", &format!("{run}/stop"), "").0, 200);
    let ended = service.get(&run);
    assert_eq!((&ended["status"], &ended["reason"]), (&json!("interrupted"), &json!("stopped by hand")));
    assert_eq!(service.ask("POST", &format!("{run}/stop"), "").0, 409);
}

#[test]
fn runs_of_a_function_that_is_gone_hold_up_no_other() {
    let world = World::new();
    world.write("scripts/demo/other.rhai", "@DFF.API(\"other\", expires = 86400)\nfn other() {}");
    let web = world.serve(&["--role", "web"]);
    for _ in 0..300 {
        assert_eq!(web.ask("POST", "/api/v1/async/demo__other.other", "").0, 200);
    }
    assert_eq!(web.stop(), 0);
    std::fs::remove_file(world.folder.path().join("scripts/demo/other.rhai")).unwrap();
    let service = world.serve(&[]);
    let asked = service.ask("POST", "/api/v1/async/demo__main.hello", r#"{"kwargs":{"name":"a"}}"#).1;
    let ended = service.until(&format!("/api/v1/runs/{}", asked["data"]["id"]), |data| data["final"] == true);
    assert_eq!((&ended["status"], &ended["result"]["greeting"]), (&json!("success"), &json!("hi a")));
    let waiting = service.ask("GET", "/api/v1/runs?status=queued&pageSize=1", "").1;
    assert_eq!(waiting["pageInfo"]["totalCount"], 300, "{waiting:#}");
}

#[test]
fn what_was_missed_is_recorded_and_the_last_made_up_for_however_long_a_lease_is() {
    let world = World::new();
    let config = |lease: u32| {
        world.write(
            "funchost.toml",
            &format!(
                "state = \"state\"\n[env]\nQUICK = \"yes\"\n[service]\nlisten = \"127.0.0.1:0\"\ntimezone = \"Asia/Shanghai\"\nlease = {lease}\n
[[triggers]]
id = \"last\"
func = \"demo__main.long\"
cron = \"*/5 * * * *\"
[[triggers]]
id = \"none\"
func = \"demo__main.long\"
cron = \"*/5 * * * *\"
catch_up = \"none\"
"
            ),
        );
    };
    config(300);
    let five = 300 * SECOND;
    let start = SystemClock.now() / five * five;
    let at = |seconds: i64| start + seconds * SECOND;
    let service = world.serve_at(at(60));
    assert_eq!(service.get("/api/v1/triggers").as_array().unwrap().len(), 2);
    service.kill();
    // Back after four ticks, of which the newest is three minutes old.
    let service = world.serve_at(at(1200 + 180));
    let told = |id: &str| -> Vec<(Value, Value, Value)> {
        let runs = service.get(&format!("/api/v1/runs?triggerId={id}"));
        let runs = runs.as_array().unwrap().iter().rev();
        runs.map(|run| (run["tick"].clone(), run["ticks"].clone(), run["status"].clone())).collect()
    };
    let tick = |seconds: i64| {
        let tick = chrono::DateTime::from_timestamp_nanos(at(seconds));
        json!(tick.to_rfc3339_opts(chrono::SecondsFormat::Millis, true))
    };
    service.until("/api/v1/runs?triggerId=none", |runs| runs.as_array().is_some_and(|runs| !runs.is_empty()));
    service.until("/api/v1/runs?triggerId=last&status=success", |runs| {
        runs.as_array().is_some_and(|runs| !runs.is_empty())
    });
    assert_eq!(
        told("last"),
        [(tick(900), json!(3), json!("missed")), (tick(1200), json!(1), json!("success"))]
    );
    assert_eq!(told("none"), [(tick(1200), json!(4), json!("missed"))]);
}

#[test]
fn triggers_fire_by_themselves_one_run_at_a_time() {
    let world = World::new();
    world.write(
        "scripts/demo/main.rhai",
        r#"
@DFF.API("quick")
fn quick(word) { word }
@DFF.API("own crontab", fixed_crontab = "*/2 * * * *")
fn own() {}
@DFF.API("longer than its interval")
fn slow() { sleep(3); }
"#,
    );
    world.configure(
        r#"
[[triggers]]
id = "quick"
func = "demo__main.quick"
cron = "* * * * *"
kwargs = { word = "given" }
[[triggers]]
func = "demo__main.slow"
cron = "* * * * *"
[[triggers]]
id = "off"
func = "demo__main.quick"
cron = "* * * * *"
kwargs = { word = "never" }
enabled = false
"#,
    );
    // A minute a second.
    let service = world.serve_fast(60, &[]);
    let ticks = |path: &str| -> Vec<String> {
        let runs = service.get(path);
        runs.as_array()
            .unwrap()
            .iter()
            .map(|run| run["tick"].as_str().unwrap_or("by hand").to_owned())
            .collect()
    };
    service.until("/api/v1/runs?triggerId=quick&status=success", |runs| runs.as_array().unwrap().len() >= 4);
    let found = ticks("/api/v1/runs?triggerId=quick&pageSize=100");
    let mut each = found.clone();
    each.sort();
    each.dedup();
    assert_eq!(each.len(), found.len(), "each tick once");
    assert_eq!(service.get("/api/v1/runs?triggerId=quick&status=success")[0]["origin"], "cron");

    let skipped = service.until("/api/v1/runs?status=skip", |runs| !runs.as_array().unwrap().is_empty());
    assert_eq!(skipped[0]["triggerId"], "demo__main.slow");
    let reason = skipped[0]["reason"].as_str().unwrap();
    assert!(
        reason.starts_with("run ") && reason.ends_with(" of the same trigger had not finished"),
        "{reason}"
    );
    service.until("/api/v1/runs?triggerId=demo__main.own&status=success", |runs| {
        !runs.as_array().unwrap().is_empty()
    });
    assert!(ticks("/api/v1/runs?triggerId=off").is_empty());
    // By hand it runs all the same.
    let id = service.ask("POST", "/api/v1/cron/off", "").1["data"]["id"].as_i64().unwrap();
    let ended = service.until(&format!("/api/v1/runs/{id}"), |data| data["final"] == true);
    assert_eq!((&ended["result"], &ended["origin"]), (&json!("never"), &json!("manual")));

    service.ask("POST", "/api/v1/triggers/quick/pause", "");
    let listed = service.get("/api/v1/triggers");
    let quick = listed.as_array().unwrap().iter().find(|trigger| trigger["id"] == "quick").unwrap();
    assert_eq!(
        (&quick["isPaused"], &quick["nextRun"], &quick["configuredSeconds"]),
        (&json!(true), &Value::Null, &json!(60))
    );
    let before = ticks("/api/v1/runs?triggerId=quick").len();
    let count = service.get("/api/v1/runs?triggerId=demo__main.own&pageSize=100").as_array().unwrap().len();
    service.until("/api/v1/runs?triggerId=demo__main.own&pageSize=100", |runs| {
        runs.as_array().unwrap().len() >= count + 2
    });
    assert!(ticks("/api/v1/runs?triggerId=quick").len() <= before + 1, "one may have been on its way");
    service.ask("POST", "/api/v1/triggers/quick/resume", "");
    service.until("/api/v1/runs?triggerId=quick", |runs| runs.as_array().unwrap().len() >= before + 2);
    assert_eq!(service.stop(), 0);
}

#[test]
fn ticks_that_overlap_are_skipped_at_once_although_all_workers_are_busy() {
    let world = World::new();
    world.write(
        "scripts/demo/main.rhai",
        r#"
@DFF.API("goes on until it is stopped", timeout = 3600)
fn endless() { sleep(3000); }
@DFF.API("quick", expires = 86400)
fn quick() { "done" }
"#,
    );
    world.configure(
        r#"workers = 1
[[triggers]]
id = "endless"
func = "demo__main.endless"
cron = "* * * * *"
[[triggers]]
id = "quick"
func = "demo__main.quick"
cron = "*/3 * * * *"
"#,
    );
    // A minute a second.
    let service = world.serve_fast(60, &[]);
    let first = service.until("/api/v1/runs?triggerId=endless&status=running", |runs| runs[0]["id"].is_i64());
    let endless = first[0]["id"].as_i64().unwrap();
    let skipped = service
        .until("/api/v1/runs?triggerId=endless&status=skip", |runs| runs.as_array().unwrap().len() >= 3);
    assert_eq!(
        skipped[0]["reason"],
        format!("run {endless} of the same trigger had not finished"),
        "{skipped:#}"
    );
    // What is only waiting for its turn waits on, and has it as soon as the worker is free.
    let waits = service.until("/api/v1/runs?triggerId=quick&status=queued", |runs| runs[0]["id"].is_i64());
    let waits = waits.as_array().unwrap().last().unwrap()["id"].as_i64().unwrap();
    let now = service.get(&format!("/api/v1/runs/{endless}"));
    assert_eq!(now["status"], "running", "all of that while it went on: {now:#}");
    assert_eq!(service.ask("POST", &format!("/api/v1/runs/{endless}/stop"), "").0, 200);
    let ended = service.until(&format!("/api/v1/runs/{waits}"), |data| data["final"] == true);
    assert_eq!((&ended["status"], &ended["result"]), (&json!("success"), &json!("done")));
}

#[test]
fn by_default_what_runs_may_finish_when_the_service_is_stopped() {
    let world = World::new();
    world.write(
        "scripts/demo/main.rhai",
        "@DFF.API(\"a moment\")\nfn moment() { print(\"begun\"); sleep(3); print(\"done\"); \"finished\" }",
    );
    let mut service = world.serve(&[]);
    let id = service.ask("POST", "/api/v1/async/demo__main.moment", "").1["data"]["id"].as_i64().unwrap();
    service.until(&format!("/api/v1/runs/{id}/log"), |data| data["lines"][0]["text"] == "begun");
    service.signal("TERM");
    assert_eq!(service.ended(), 0);
    let said = service.said();
    let at = |words: &str| said.find(words).unwrap_or_else(|| panic!("{words}: {said}"));
    let order = ["waiting for runs to finish", " success", " stopped"].map(at);
    assert!(order.is_sorted(), "{said}");
    let record = world.run(&["runs", &id.to_string(), "--output", "json"]).json();
    assert_eq!((&record["status"], &record["result"]), (&json!("success"), &json!("finished")), "{record:#}");
    assert_eq!(record["attempt"], 1);
}

#[test]
fn each_role_has_its_own_process() {
    let world = World::new();
    world.write(
        "scripts/demo/main.rhai",
        "@DFF.API(\"quick\", expires = 86400)\nfn quick() { \"done\" }\n@DFF.API(\"called\", expires = 86400)\nfn called() { 7 }",
    );
    world.configure("[[triggers]]\nid = \"t\"\nfunc = \"demo__main.quick\"\ncron = \"* * * * *\"\n");
    let web = world.serve_fast(60, &["--role", "web"]);
    let asked = web.ask("POST", "/api/v1/async/demo__main.called", "").1["data"]["id"].as_i64().unwrap();
    // Whoever only answers fires nothing: the first ticks are those that the scheduler sees.
    let scheduler = world.serve_fast(60, &["--role", "scheduler"]);
    assert_eq!(scheduler.address, "", "it listens nowhere");
    let queued =
        web.until("/api/v1/runs?triggerId=t&status=queued", |runs| runs.as_array().unwrap().len() >= 2);
    assert!(queued.as_array().unwrap().iter().all(|run| run["worker"].is_null()), "{queued:#}");
    assert_eq!(web.get(&format!("/api/v1/runs/{asked}"))["status"], "queued", "and nobody runs them");
    let worker = world.serve_fast(60, &["--role", "worker"]);
    let ended =
        web.until("/api/v1/runs?triggerId=t&status=success", |runs| !runs.as_array().unwrap().is_empty());
    let called = web.until(&format!("/api/v1/runs/{asked}"), |data| data["final"] == true);
    assert_eq!(called["result"], 7);
    for run in [&ended[0], &called] {
        let by = run["worker"].as_str().unwrap();
        assert!(by.contains(&format!("-{}-", worker.child.id())), "{by}");
    }
    // Without the scheduler nothing is fired any more, and what is asked for runs all the same.
    assert_eq!(scheduler.stop(), 0);
    let count = |web: &Serving| {
        web.ask("GET", "/api/v1/runs?triggerId=t&pageSize=1", "").1["pageInfo"]["totalCount"].clone()
    };
    let before = count(&web);
    for _ in 0..3 {
        assert_eq!(web.ask("POST", "/api/v1/sync/demo__main.called", "").1, 7);
    }
    assert_eq!(count(&web), before);
    assert_eq!((worker.stop(), web.stop()), (0, 0));
    let wrong = world.run(&["serve", "--role", "wab"]);
    assert!(wrong.code == 2 && wrong.stderr.contains("scheduler, worker, web"), "{wrong:?}");
}

#[test]
fn where_no_worker_answers_that_is_said_and_the_run_goes_on() {
    let world = World::new();
    world.write("scripts/demo/main.rhai", "@DFF.API(\"called\", expires = 86400)\nfn called() { 7 }");
    let web = world.serve(&["--role", "web"]);
    let overview = web.get("/api/v1/overview");
    let attention = &overview["attention"];
    assert_eq!(
        (&attention[0]["kind"], &attention[0]["role"]),
        (&json!("nobody"), &json!("worker")),
        "{overview:#}"
    );
    let (status, answer) =
        web.ask("POST", "/api/v1/func/demo__main.called", r#"{"options": {"timeout": 1}}"#);
    assert_eq!(
        (status, &answer["error"], &answer["reason"]),
        (599, &json!(599.99), &json!("EWorkerNoResponse")),
        "{answer:#}"
    );
    let run = answer["detail"]["id"].as_i64().unwrap();
    let (status, waits) = web.ask("GET", &format!("/api/v1/runs/{run}/result"), "");
    assert_eq!((status, &waits["data"]["final"]), (202, &json!(false)), "{waits:#}");
    let worker = world.serve(&["--role", "worker"]);
    let ended = web.until(&format!("/api/v1/runs/{run}/result"), |data| data["final"] == true);
    assert_eq!(ended["result"], 7);
    drop(worker);
}

#[test]
fn old_records_go_and_the_log_can_be_read_by_programs() {
    let world = World::new();
    let service = world.serve(&[]);
    for name in ["a", "b", "c", "d"] {
        let body = format!("{{\"kwargs\":{{\"name\":\"{name}\"}}}}");
        assert_eq!(service.ask("POST", "/api/v1/sync/demo__main.hello", &body).0, 200);
    }
    assert_eq!(service.ask("POST", "/api/v1/sync/demo__main.bad", "").0, 599);
    assert_eq!(service.stop(), 0);
    world.configure("keep_runs = 2\n");
    let mut command = world.command(&["serve"]);
    let service = Serving::start({
        command.env("FUNCHOST_LOG_FORMAT", "json");
        command
    });
    // The newest two of each function, with their logs; the others with all that belonged to them.
    service.until("/api/v1/runs", |runs| runs.as_array().unwrap().len() == 3);
    assert_eq!(service.get("/api/v1/runs/4/log")["lines"][0]["text"], "hello d");
    assert_eq!(service.ask("GET", "/api/v1/runs/2", "").0, 404);
    assert_eq!(service.ask("GET", "/api/v1/runs/2/log", "").0, 404);
    assert_eq!(service.ask("POST", "/api/v1/sync/demo__main.bad", "").0, 599);
    let said = Arc::clone(&service.said);
    assert_eq!(service.stop(), 0);
    let said = said.lock().unwrap().clone();
    let lines: Vec<Value> = said
        .lines()
        .filter(|line| !line.starts_with("funchost serves"))
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    let ended =
        lines.iter().find(|line| line["func"] == "demo__main.bad" && line["message"] == "ended").unwrap();
    assert_eq!(
        (&ended["level"], &ended["status"], &ended["run"]),
        (&json!("WARN"), &json!("failure"), &json!(6))
    );
    assert!(
        lines.iter().any(|line| line["message"] == "old records were forgotten" && line["count"] == 2),
        "{said}"
    );
    assert!(lines.iter().all(|line| line["timestamp"].is_string() && line["target"].is_string()), "{said}");
    let wrong = ran(&world.command(&["serve"]).env("FUNCHOST_LOG_FORMAT", "xml").output().unwrap());
    assert!(wrong.code == 2 && wrong.stderr.contains("hint: write text or json"), "{wrong:?}");
}

#[test]
fn what_was_stopped_by_hand_is_known_and_no_fault() {
    let world = World::new();
    world.configure("[[triggers]]\nid = \"t\"\nfunc = \"demo__main.long\"\ncron = \"0 0 1 1 *\"\n");
    let service = world.serve(&[]);
    let by_trigger = service.ask("POST", "/api/v1/cron/t", "").1["data"]["id"].as_i64().unwrap();
    service.until(&format!("/api/v1/runs/{by_trigger}/log"), |data| data["lines"][0]["text"] == "begun");
    // One that goes on, and one that waits.
    let later = r#"{"kwargs": {"name": "a"}, "options": {"delay": 3000}}"#;
    let waits = service.ask("POST", "/api/v1/func/demo__main.hello", later).1["data"]["id"].as_i64().unwrap();
    for id in [by_trigger, waits] {
        assert_eq!(service.ask("POST", &format!("/api/v1/runs/{id}/stop"), "").0, 200);
        let ended = service.until(&format!("/api/v1/runs/{id}"), |data| data["final"] == true);
        assert_eq!((&ended["status"], &ended["isStoppedByHand"]), (&json!("interrupted"), &json!(true)));
    }
    let overview = service.get("/api/v1/overview");
    let attention = overview["attention"].as_array().unwrap();
    let shown: Vec<_> =
        attention.iter().map(|one| (&one["urgency"], &one["kind"], &one["run"]["id"])).collect();
    assert_eq!(
        shown,
        [
            (&json!("known"), &json!("stopped"), &json!(by_trigger)),
            (&json!("known"), &json!("stopped"), &json!(waits))
        ],
        "{overview:#}"
    );
    assert_eq!((&overview["attentionCount"], &overview["badCount"]), (&json!(0), &json!(0)));
}

#[test]
fn the_commands_show_what_the_service_did() {
    let world = World::new();
    let service = world.serve(&[]);
    let url = format!("--remote=http://{}", service.address);
    // What is no id of a function would lead elsewhere in the API.
    for id in ["t__a.run/../../triggers/every/resume", "demo__main.hello?x=1", "demo__main.hello%2f", "hello"]
    {
        let refused = world.run(&["run", &url, id]);
        assert_eq!(refused.code, 2, "{id}: {refused:?}");
        assert!(refused.stderr.contains("is no id of a function"), "{id}: {refused:?}");
    }
    let good = world.run(&["run", &url, "demo__main.hello", "--kwargs", r#"{"name": "Wang"}"#]);
    assert_eq!(good.code, 0, "{good:?}");
    assert!(good.stderr.contains("] hello Wang\n"), "{good:?}");
    assert!(good.stdout.starts_with("demo__main.hello ok in "), "{good:?}");
    let bad = world.run(&["run", &url, "demo__main.bad", "--output", "json"]);
    assert_eq!((bad.code, &bad.json()["status"]), (1, &json!("failure")));
    assert!(bad.stderr.contains("--> demo/main.rhai:12:7"), "{bad:?}");
    assert_eq!(world.run(&["run", &url, "demo__main.slow"]).code, 124);
    let unknown = world.run(&["run", &url, "demo__main.helo"]);
    assert_eq!(unknown.code, 2);
    assert!(unknown.stderr.contains("did you mean `demo__main.hello`"), "{unknown:?}");

    let list = world.run(&["runs"]);
    let words: Vec<Vec<&str>> = list.stdout.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(words[0][..5], ["run", "function", "by", "time", "status"]);
    assert_eq!((words[1][1], words[1][5]), ("demo__main.slow", "timeout"), "{}", list.stdout);
    assert_eq!(words.len(), 4);
    assert_eq!(world.run(&["runs", "--status", "failure", "--output", "json"]).json()["total"], 1);
    let one = world.run(&["runs", "2"]);
    assert!(
        one.stdout.contains("a whole number has no member `nothing`")
            && one.stdout.contains("demo/main.rhai:12:7"),
        "{one:?}"
    );
    let log = world.run(&["logs", "2"]);
    let line = log.stdout.trim_end();
    let prefix =
        |text: &str| text.starts_with('[') && text.matches("ms]").count() == 2 && text.contains("] [+");
    assert!(prefix(line) && line.ends_with("] before"), "{log:?}");
    let gone = world.run(&["logs", "99"]);
    assert_eq!(gone.code, 1);
    insta::assert_snapshot!("service_no_run", gone.stderr);
    assert_eq!(service.stop(), 0);
    let away = world.run(&["run", &url, "demo__main.hello"]);
    assert_eq!(away.code, 1);
    assert!(
        away.stderr.contains("cannot be reached")
            && away.stderr.contains("hint: start it with `funchost serve`"),
        "{away:?}"
    );
}

/// What the image does, without an engine to build it: its variables, its command and its check are tried on the program.
#[test]
fn the_image_starts_serves_others_with_a_token_only_and_says_whether_it_is_well() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(root.join("packaging/Dockerfile")).unwrap();
    let text = text.replace("\\\n", " ");
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    let of = |word: &str| -> Vec<&str> {
        lines.iter().filter_map(|line| line.strip_prefix(word)?.strip_prefix(' ')).map(str::trim).collect()
    };
    let known = [
        "FROM",
        "RUN",
        "WORKDIR",
        "COPY",
        "ENV",
        "USER",
        "VOLUME",
        "EXPOSE",
        "STOPSIGNAL",
        "HEALTHCHECK",
        "ENTRYPOINT",
        "CMD",
    ];
    for line in lines.iter().filter(|line| !line.is_empty()) {
        assert!(known.contains(&line.split(' ').next().unwrap()), "{line}");
    }
    // What is copied is there: the sources, and what cargo makes of them.
    assert_eq!(of("COPY"), [". .", "--from=build /build/target/release/funchost /usr/bin/funchost"]);
    assert_eq!(of("WORKDIR")[0], "/build");
    assert!(of("RUN").contains(&"cargo build --release --locked --bin funchost"));
    assert_eq!(Path::new(env!("CARGO_BIN_EXE_funchost")).file_name().unwrap(), "funchost");
    let ignored = std::fs::read_to_string(root.join(".dockerignore")).unwrap();
    for needed in ["Cargo.toml", "Cargo.lock", "src", "collectors", "simcloud"] {
        assert!(root.join(needed).exists() && !ignored.lines().any(|line| line == needed), "{needed}");
    }
    let toolchain = std::fs::read_to_string(root.join("Cargo.toml")).unwrap();
    let version = of("FROM")[0].strip_prefix("rust:").unwrap().split('-').next().unwrap();
    assert!(toolchain.contains(&format!("rust-version = \"{version}\"")), "{version}");

    let words = |text: &str| -> Vec<String> { serde_json::from_str(text).unwrap() };
    assert_eq!(words(of("ENTRYPOINT")[0]), ["/usr/bin/funchost"]);
    let command = words(of("CMD")[0]);
    let variables: Vec<(&str, &str)> =
        of("ENV")[0].split_whitespace().map(|one| one.split_once('=').unwrap()).collect();
    let world = World::new();
    std::fs::remove_file(world.folder.path().join("funchost.toml")).unwrap();
    let container = |name: &str, value: &str| {
        let mut container = Command::new(env!("CARGO_BIN_EXE_funchost"));
        container
            .args(&command)
            .current_dir(world.folder.path())
            .env_clear()
            .env("HOME", world.folder.path());
        // In place of the image's folders, those of this test.
        container.envs(variables.iter().copied());
        for (variable, folder) in [("FUNCHOST_STATE", "state"), ("FUNCHOST_SCRIPTS", "scripts")] {
            assert!(variables.iter().any(|(name, _)| *name == variable));
            container.env(variable, world.folder.path().join(folder));
        }
        container.env(name, value);
        container
    };
    let refused = ran(&container("TZ", "UTC").output().unwrap());
    assert!(refused.code == 2 && refused.stderr.contains("0.0.0.0:8088 can be reached"), "{refused:?}");

    let service = Serving::start(container("FUNCHOST_SERVICE__LISTEN", "127.0.0.1:0"));
    let (_, check) = of("HEALTHCHECK")[0].split_once(" CMD ").unwrap();
    let check = words(check);
    let is_well = |address: &str| {
        let mut check_it = Command::new(&check[0]);
        check_it.args(&check[1..]).env("FUNCHOST_SERVICE__LISTEN", address);
        let done = check_it.output().unwrap();
        done.status.success()
    };
    let address = service.address.clone();
    assert!(is_well(&address));
    service.kill();
    assert!(!is_well(&address));
}

/// What the unit does, without systemd: its user's folders are this test's, all else is taken as it stands there.
#[test]
fn the_unit_starts_where_its_files_are() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(root.join("packaging/funchost.service")).unwrap();
    let of = |key: &str| -> Vec<&str> {
        text.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('=')).collect()
    };
    let world = tempfile::tempdir().unwrap();
    let here = |path: &str| {
        for folder in ["/etc/funchost", "/var/lib/funchost"] {
            if let Some(rest) = path.strip_prefix(folder) {
                return format!("{}{folder}{rest}", world.path().display());
            }
        }
        path.to_owned()
    };
    // What the documentation has made before it starts the unit, and what the unit has systemd make.
    for page in ["docs/operating.md", "docs/zh-CN/operating.md"] {
        let page = std::fs::read_to_string(root.join(page)).unwrap();
        for line in [
            "$ install -m 0755 ~/.cargo/bin/funchost /usr/bin/funchost",
            "$ install -d -m 0750 -g funchost /etc/funchost /etc/funchost/scripts",
            "$ install -m 0640 -g funchost funchost.toml /etc/funchost/",
        ] {
            assert!(page.contains(line), "{line}");
        }
    }
    assert_eq!((of("StateDirectory"), of("ConfigurationDirectory")), (vec!["funchost"], vec!["funchost"]));
    for folder in ["/etc/funchost/scripts/demo", "/var/lib/funchost"] {
        std::fs::create_dir_all(here(folder)).unwrap();
    }
    std::fs::write(here("/etc/funchost/scripts/demo/main.rhai"), SCRIPT).unwrap();
    std::fs::write(here("/etc/funchost/funchost.toml"), "[service]\ntimezone = \"Asia/Tokyo\"\n").unwrap();

    let start = of("ExecStart")[0].strip_prefix("/usr/bin/funchost ").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_funchost"));
    command.args(start.split(' ')).env_clear().env("HOME", here("/var/lib/funchost"));
    // Where a unit says nothing, systemd starts it in /.
    command.current_dir(here(of("WorkingDirectory").first().copied().unwrap_or("/")));
    command.envs(of("Environment").iter().map(|one| {
        let (name, value) = one.split_once('=').unwrap();
        (name, here(value))
    }));
    command.env("FUNCHOST_SERVICE__LISTEN", "127.0.0.1:0");
    let service = Serving::start(command);
    let found = service.get("/api/v1/service");
    assert_eq!((&found["functions"], &found["timezone"]), (&json!(4), &json!("Asia/Tokyo")));
    assert!(Path::new(&here("/var/lib/funchost/funchost.db")).exists());
    assert_eq!(service.stop(), 0);
}

#[test]
fn an_idle_service_is_small() {
    let world = World::new();
    // Each script is loaded on a thread of its own: what those leave behind is what a service could hold for ever.
    for script in 0..200 {
        let text = "@DFF.API(\"a function\", fixed_crontab = \"0 0 1 1 *\")\nfn function() {}\n";
        world.write(&format!("scripts/set/script{script}.rhai"), text);
    }
    let service = world.serve(&[]);
    assert_eq!(service.get("/api/v1/service")["functions"], 204);
    for path in ["overview", "functions", "triggers", "runs", "usage", "objects", "outbox", "scripts"] {
        service.get(&format!("/api/v1/{path}"));
    }
    // The program's own pages are the system's to keep or drop; these are what the service holds.
    let held = || -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", service.child.id())).unwrap();
        let held = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
        held.trim().trim_end_matches(" kB").parse().unwrap()
    };
    let busy = held();
    assert!(busy < 40 << 10, "{busy} KiB");
    // Left alone, it gives back what it does not use.
    let began = std::time::Instant::now();
    while held() >= 16 << 10 {
        assert!(began.elapsed() < support::service::PATIENCE, "{} KiB", held());
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
    println!("{busy} KiB, then {} KiB", held());
}

#[test]
fn the_overview_says_what_needs_attention_and_lists_have_pages() {
    let world = World::new();
    world.configure(
        r#"
[[triggers]]
id = "a"
func = "demo__main.bad"
cron = "0 0 1 1 *"
[[triggers]]
id = "b"
func = "demo__main.long"
cron = "0 0 1 1 *"
[[triggers]]
id = "c"
func = "demo__main.lang"
cron = "0 0 1 1 *"
"#,
    );
    world.write("scripts/demo/broken.rhai", "fn (");
    let service = world.serve(&[]);
    let kinds = |overview: &Value| -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        overview["attention"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| (text(&one["urgency"]), text(&one["kind"])))
            .collect()
    };
    let words = |list: &[(&str, &str)]| -> Vec<(String, String)> {
        list.iter().map(|(urgency, kind)| ((*urgency).to_owned(), (*kind).to_owned())).collect()
    };
    let before = service.get("/api/v1/overview");
    assert_eq!(kinds(&before), words(&[("bad", "script"), ("bad", "idle")]), "{before:#}");
    assert_eq!((&before["badCount"], &before["attentionCount"]), (&json!(2), &json!(2)));
    assert_eq!(before["hours"].as_array().unwrap().len(), 24);
    assert_eq!(before["next"][0]["triggerId"], "a");

    let failed = service.ask("POST", "/api/v1/cron/a", "").1["data"]["id"].as_i64().unwrap();
    service.until(&format!("/api/v1/runs/{failed}"), |data| data["final"] == true);
    service.ask("POST", "/api/v1/triggers/b/pause", "");
    let long = service.ask("POST", "/api/v1/cron/b", "").1["data"]["id"].as_i64().unwrap();
    service.until(&format!("/api/v1/runs/{long}"), |data| data["status"] == "running");
    let after = service.get("/api/v1/overview");
    assert_eq!(
        kinds(&after),
        words(&[("bad", "failed"), ("bad", "script"), ("bad", "idle"), ("known", "paused")]),
        "{after:#}"
    );
    assert_eq!((&after["attention"][0]["run"]["id"], &after["attentionCount"]), (&json!(failed), &json!(3)));
    assert_eq!((&after["running"][0]["id"], &after["runningCount"]), (&json!(long), &json!(1)));
    assert_eq!(after["running"][0]["title"], "takes its time");
    let last = &after["hours"].as_array().unwrap()[23]["runs"];
    assert_eq!((&last["failure"], &last["running"]), (&json!(1), &json!(1)), "{after:#}");
    service.ask("POST", &format!("/api/v1/runs/{long}/stop"), "");

    let (_, page) = service.ask("GET", "/api/v1/triggers?pageSize=2&pageNumber=2", "");
    let ids = |page: &Value| {
        page["data"].as_array().unwrap().iter().map(|one| one["id"].clone()).collect::<Vec<_>>()
    };
    assert_eq!((ids(&page), &page["pageInfo"]["totalCount"]), (vec![json!("c")], &json!(3)), "{page:#}");
    let (_, found) = service.ask("GET", "/api/v1/triggers?_fuzzySearch=TAKES%20ITS", "");
    assert_eq!(ids(&found), [json!("b")]);
    let (_, found) = service.ask("GET", "/api/v1/triggers?funcId=demo__main.bad", "");
    assert_eq!(ids(&found), [json!("a")]);
    assert_eq!(service.ask("GET", "/api/v1/triggers?page=2", "").0, 400);
    let (_, functions) = service.ask("GET", "/api/v1/functions?pageSize=1&_fuzzySearch=demo__main.bad", "");
    assert_eq!(functions["data"][0]["triggers"][0]["id"], "a");
    let usage = service.get("/api/v1/usage");
    assert_eq!(usage["accounts"], json!([]));
    assert!(usage["days"].as_i64().unwrap() >= 28, "{usage}");

    // What is worth an alarm is told of triggers that there are: one that is taken away rings no longer, whatever is recorded of it.
    let rings = || {
        service
            .raw("GET", "/metrics", &[], "")
            .1
            .contains("funchost_trigger_last_success{trigger=\"a\",func=\"demo__main.bad\"} 0\n")
    };
    assert!(rings());
    world.configure("");
    service.signal("HUP");
    service.until("/api/v1/triggers", |triggers| triggers.as_array().unwrap().is_empty());
    assert!(!rings());
}
