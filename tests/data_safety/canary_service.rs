//! Secrets in the service: what fails and what succeeds runs through `funchost serve`, and everything that it answers, keeps and says is searched.

use super::canary::{SAYS, Stage, fault, search, search_files};
use simcloud::FaultKind;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const TOKEN: &str = "canaryServiceTokenEight8";
/// Longer than anything takes on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(60);

struct Service {
    child: Child,
    address: String,
    said: Arc<Mutex<String>>,
}

impl Service {
    fn start(stage: &Stage) -> Self {
        let mut child =
            stage.world.command(&["serve"]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let said = Arc::new(Mutex::new(String::new()));
        let (lines, keep) = (BufReader::new(child.stderr.take().unwrap()).lines(), said.clone());
        let (found, address) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if let Some((_, rest)) = line.split_once("funchost serves at http://") {
                    let _ = found.send(rest.split(": ").next().unwrap_or_default().to_owned());
                }
                keep.lock().unwrap().push_str(&format!("{line}\n"));
            }
        });
        let address = address.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("{}", said.lock().unwrap()));
        Self { child, address, said }
    }

    /// Asks, searches the whole answer, head included, and gives its body.
    fn ask(&self, stage: &Stage, method: &str, path: &str, token: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {token}\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}",
            self.address
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let secrets: Vec<&str> = stage.secrets.iter().map(String::as_str).collect();
        search(path, "the answer", answer.as_bytes(), &secrets);
        answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
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
    all
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
        let service = Service::start(&stage);
        let ask = |method: &str, path: &str, body: &str| service.ask(&stage, method, path, TOKEN, body);

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
            let answer = service.ask(&stage, "GET", "/api/v1/runs", token, "");
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
        let done = std::process::Command::new("kill").arg(service.child.id().to_string()).status().unwrap();
        assert!(done.success());
        let began = Instant::now();
        while service.child.try_wait().unwrap().is_none() && began.elapsed() < PATIENCE {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let secrets: Vec<&str> = stage.secrets.iter().map(String::as_str).collect();
        let said = service.said.lock().unwrap().clone();
        assert!(said.contains("my_aws__main"), "{said}");
        search("serve", "stderr", said.as_bytes(), &secrets);
        assert!(search_files("serve", &stage.world.folder.path().join("state"), &secrets) > 0);
    }
}
