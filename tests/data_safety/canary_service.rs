//! Secrets in the service: what fails and what succeeds runs through `funchost serve`, and everything that it answers, keeps and says is searched.

use super::canary::{SAYS, Stage, fault, search, search_files};
use crate::support::service::{PATIENCE, Serving};
use simcloud::FaultKind;
use std::time::{Duration, Instant};

const TOKEN: &str = "canaryServiceTokenEight8";
/// Given to functions: by callers, and by a trigger.
const ARGUMENT: &str = "canaryArgument/nine+9=";
const IN_URL: &str = "canaryInUrlTen10";
const BY_TRIGGER: &str = "canaryByTriggerEleven11";
/// In `[env]`, and read by no script: from the beginning, and after the configuration was read again.
const NEVER_READ: &str = "canaryNeverRead|twelve12";
const RELOADED: &str = "canaryReloadedThirteen13";
fn start(stage: &Stage) -> Serving {
    Serving::start(stage.world.command(&["serve"]))
}

/// Asks, searches the whole answer, head included, and gives its body.
fn asked(service: &Serving, stage: &Stage, method: &str, path: &str, token: &str, body: &str) -> String {
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let answer = service.exchange(method, path, &headers, body);
    let secrets: Vec<&str> = stage.secrets.iter().map(String::as_str).collect();
    search(path, "the answer", answer.as_bytes(), &secrets);
    answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default()
}

/// How many runs the service has by now, and the ids of the newest.
fn runs(listed: &str) -> (u64, Vec<u64>) {
    let listed: serde_json::Value = serde_json::from_str(listed).unwrap();
    let runs = listed["data"]["runs"].as_array().or(listed["data"].as_array()).unwrap();
    let ids: Vec<u64> = runs.iter().filter_map(|run| run["id"].as_u64()).collect();
    (ids.iter().copied().max().unwrap_or(0), ids)
}

/// A script whose functions fail in every way that a script can.
fn library(script: &str) -> String {
    let mut all = script.to_owned();
    for (name, body) in [
        ("says", SAYS),
        ("throws", "throw account.ak_secret;"),
        ("throws_all", "throw account;"),
        ("throws_declared", "throw DFF.ENV(\"PLAIN_NAME\");"),
        ("misuses", "nope(account, account.ak_secret);"),
        ("returns", "return account;"),
        ("returns_text", "return `<${DFF.ENV(\"PLAIN_NAME\")}>`;"),
        ("sleeps", "print(account); sleep(60);"),
    ] {
        all.push_str(&format!("\n@DFF.API(\"{name}\", timeout = 2)\nfn {name}() {{ {body} }}\n"));
    }
    // They take secrets.
    for (name, timeout, body) in [
        ("takes", 30, "print(password); DFF.LOG(note); return #{ got: password, note: note };"),
        ("takes_and_throws", 30, "throw `${password} and ${note}`;"),
        ("takes_and_waits", 1, "print(password); print(note); sleep(60);"),
        ("takes_and_keeps", 30, "DFF.STORE.set(\"password\", password);"),
    ] {
        all.push_str(&format!(
            "\n@DFF.API(\"{name}\", timeout = {timeout})\nfn {name}(password, note) {{ {body} }}\n"
        ));
    }
    all
}

/// The arguments of those functions, with a secret that the names tell, one in a URL, and one that only the configuration knows.
fn arguments(known: &str) -> serde_json::Value {
    serde_json::json!({
        "password": { "nested": [ARGUMENT] },
        "note": format!("{known} for mysql://u:{IN_URL}@host/db, {{\"AuthToken\":\"{ARGUMENT}\"}}"),
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn what_functions_are_called_with_shows_no_secret_and_does_not_stay() {
    let mut stage = Stage::welcome().await;
    let all = [TOKEN, ARGUMENT, IN_URL, BY_TRIGGER, NEVER_READ, RELOADED];
    stage.secrets.extend(all.map(str::to_owned));
    let config = std::fs::read_to_string(stage.world.folder.path().join("funchost.toml")).unwrap();
    let config = format!(
        "{config}NEVER_READ = {{ value = \"{NEVER_READ}\", secret = true }}\n[service]\nlisten = \"127.0.0.1:0\"\ntoken = \"{TOKEN}\"\n[[triggers]]\nid = \"given\"\nfunc = \"my_aws__main.takes\"\ncron = \"0 0 1 1 *\"\nkwargs = {{ password = \"{BY_TRIGGER}\", note = \"{NEVER_READ} mysql://u:{IN_URL}@host\" }}\n"
    );
    stage.world.write("funchost.toml", &config);
    stage.world.write("scripts/my_aws/main.rhai", &library(&stage.script));
    let service = start(&stage);
    let ask = |method: &str, path: &str, body: &str| asked(&service, &stage, method, path, TOKEN, body);
    let func = |name: &str| format!("/api/v1/func/my_aws__main.{name}");
    let body = |known: &str, options: serde_json::Value| {
        serde_json::json!({ "kwargs": arguments(known), "options": options }).to_string()
    };

    // Read again: what no script has read yet is known all the same.
    let reloaded =
        config.replace("NEVER_READ = {", &format!("RELOADED_TOKEN = \"{RELOADED}\"\nNEVER_READ = {{"));
    let began = Instant::now();
    // Written until it is noticed: nobody tells when the file begins to be watched.
    for number in 0.. {
        stage.world.write("funchost.toml", &format!("{reloaded}# {number}\n"));
        tokio::time::sleep(Duration::from_millis(500)).await;
        if service.said.lock().unwrap().contains("was read again") {
            break;
        }
        assert!(began.elapsed() < PATIENCE, "{}", service.said.lock().unwrap());
    }

    for known in [NEVER_READ, RELOADED] {
        for name in ["takes", "takes_and_throws", "takes_and_waits"] {
            let answer = ask("POST", &func(name), &body(known, serde_json::json!({})));
            assert!(answer.contains("\"traceId\""), "{name}: {answer}");
            if name != "takes_and_waits" {
                assert!(answer.contains("****"), "{name}: nothing was said, so nothing is shown: {answer}");
            }
        }
    }
    let kept = ask("POST", &func("takes_and_keeps"), &body(NEVER_READ, serde_json::json!({})));
    assert!(kept.contains("holds a secret, and the state, which keeps it, is not encrypted"), "{kept}");
    ask("GET", "/api/v1/sync/my_aws__main.takes?kwargs=%7B%22password%22%3A1%2C%22note%22%3A2%7D", "");
    ask("POST", "/api/v1/cron/given", "");
    // One that waits for its time and is stopped, and one that is looked at while it goes on.
    let asked = ask("POST", &func("takes"), &body(NEVER_READ, serde_json::json!({ "delay": 3000 })));
    let waiting: serde_json::Value = serde_json::from_str(&asked).unwrap();
    let waiting = &waiting["data"]["id"];
    let shown = ask("GET", &format!("/api/v1/runs/{waiting}"), "");
    assert!(shown.contains("\"queued\"") && shown.contains("\"password\":\"****\""), "{shown}");
    stage.look_at_streams("a run that waits", &["runs", &waiting.to_string()]);
    ask("POST", &format!("/api/v1/runs/{waiting}/stop"), "");
    ask("POST", &func("takes_and_waits"), &body(NEVER_READ, serde_json::json!({ "async": true })));
    // What is no call of ours, with the secret where it does not belong.
    for wrong in
        [format!("{{\"kwargs\":\"{ARGUMENT}\"}}"), format!("{{\"options\":{{\"timeout\":\"{ARGUMENT}\"}}}}")]
    {
        let answer = ask("POST", &func("takes"), &wrong);
        assert!(answer.contains("found string, expected"), "{answer}");
    }

    // Until all have ended; then they are searched, and the state with its log, while the service goes on.
    let began = Instant::now();
    loop {
        let listed = ask("GET", "/api/v1/runs", "");
        if !listed.contains("\"queued\"") && !listed.contains("\"running\"") {
            break;
        }
        assert!(began.elapsed() < PATIENCE, "{listed}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let (last, ids) = runs(&ask("GET", "/api/v1/runs", ""));
    assert!(last >= 10, "{ids:?}");
    for id in &ids {
        let shown = ask("GET", &format!("/api/v1/runs/{id}"), "");
        assert!(shown.contains("\"password\":\"****\""), "{shown}");
        for what in ["/result", "/events", "/log"] {
            ask("GET", &format!("/api/v1/runs/{id}{what}"), "");
        }
        stage.play("a record", &["runs", &id.to_string()]);
    }
    let triggers = ask("GET", "/api/v1/triggers", "");
    assert!(triggers.contains("\"password\":\"****\""), "{triggers}");
    ask("GET", "/api/v1/functions", "");
    stage.play("records", &["runs", "--output", "json"]);
    let secrets: Vec<&str> = stage.secrets.iter().map(String::as_str).collect();
    assert!(search_files("serve", &stage.world.folder.path().join("state"), &secrets) > 0);
    search("serve", "stderr", service.said.lock().unwrap().as_bytes(), &secrets);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_answers_keeps_and_says_no_secret() {
    for wrong in [false, true] {
        let mut stage = if wrong { Stage::refused().await } else { Stage::welcome().await };
        stage.secrets.push(TOKEN.into());
        let config = std::fs::read_to_string(stage.world.folder.path().join("funchost.toml")).unwrap();
        let service = format!(
            "[service]\nlisten = \"127.0.0.1:0\"\ntoken = \"{TOKEN}\"\n[[triggers]]\nfunc = \"my_aws__main.run\"\ncron = \"0 0 1 1 *\"\nkwargs = {{ note = \"nothing secret\" }}\n"
        );
        stage.world.write("funchost.toml", &format!("{config}{service}"));
        stage.world.write("scripts/my_aws/main.rhai", &library(&stage.script));
        // One that does not load, with a secret of its own.
        let broken =
            stage.script.replace("DFF.ENV(\"AWS_AK_SECRET\")", "\"canarySecretWrittenDown\", wrong: nope");
        stage.world.write("scripts/broken/main.rhai", &broken);
        let service = start(&stage);
        let ask = |method: &str, path: &str, body: &str| asked(&service, &stage, method, path, TOKEN, body);

        let functions = [
            "says",
            "throws",
            "throws_all",
            "throws_declared",
            "misuses",
            "returns",
            "returns_text",
            "sleeps",
            "run",
        ];
        for function in functions {
            let answer = ask("POST", &format!("/api/v1/func/my_aws__main.{function}"), "{\"kwargs\":{}}");
            assert!(answer.contains("\"traceId\""), "{function}: {answer}");
        }
        if !wrong {
            for kind in [FaultKind::Denied, FaultKind::ExpiredToken, FaultKind::HtmlUnavailable] {
                stage.world.clouds.fault(fault("DescribeInstances", 100, kind));
                ask("POST", "/api/v1/sync/my_aws__main.run", "{\"kwargs\":{}}");
                stage.world.clouds.clear_faults();
            }
        }
        // What is no call of ours.
        for body in ["{\"kwargs\":{\"x\":", "[]", "{\"kwargs\":{\"unknown\":1}}"] {
            ask("POST", "/api/v1/func/my_aws__main.says", body);
        }
        for token in ["", "canary", "another"] {
            let answer = asked(&service, &stage, "GET", "/api/v1/runs", token, "");
            assert!(answer.contains("token"), "{answer}");
        }

        let runs: serde_json::Value = serde_json::from_str(&ask("GET", "/api/v1/runs", "")).unwrap();
        let ids: Vec<u64> = runs["data"]["runs"]
            .as_array()
            .or(runs["data"].as_array())
            .unwrap()
            .iter()
            .filter_map(|run| run["id"].as_u64())
            .collect();
        assert!(ids.len() >= functions.len(), "{runs:#}");
        let mut logs = String::new();
        for id in ids {
            for what in ["", "/result", "/events"] {
                ask("GET", &format!("/api/v1/runs/{id}{what}"), "");
            }
            logs.push_str(&ask("GET", &format!("/api/v1/runs/{id}/log"), ""));
        }
        assert!(logs.contains("****"), "nothing was said, so nothing is shown: {logs}");
        for path in [
            "/api/v1/func-list",
            "/api/v1/functions",
            "/api/v1/scripts",
            "/api/v1/triggers",
            "/api/v1/objects",
            "/api/v1/outbox",
            "/api/v1/calls",
            "/api/v1/service",
            "/api/v1/func/my_aws__main.run",
            "/metrics",
            "/openapi.json",
            "/healthz",
            "/",
            "/nothing",
        ] {
            ask("GET", path, "");
        }
        // The same through the commands that read the records.
        for arguments in
            [&["runs"][..], &["runs", "1"], &["runs", "--output", "json"], &["logs", "1"], &["logs", "2"]]
        {
            stage.play("records", arguments);
        }
        let mut service = service;
        service.signal("TERM");
        assert_eq!(service.ended(), 0);
        let secrets: Vec<&str> = stage.secrets.iter().map(String::as_str).collect();
        let said = service.said();
        assert!(said.contains("my_aws__main"), "{said}");
        search("serve", "stderr", said.as_bytes(), &secrets);
        assert!(search_files("serve", &stage.world.folder.path().join("state"), &secrets) > 0);
    }
}
