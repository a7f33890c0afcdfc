//! `funchost run --remote FUNC`: a service runs it; its log and its report are shown here.

use super::{Format, Surroundings};
use crate::config::Config;
use crate::runner::RunReport;
use crate::schedule::Tools;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

/// What is asked for.
pub(super) struct Request {
    pub(super) func: String,
    /// Empty: where the configuration says that the service listens.
    pub(super) url: String,
    pub(super) kwargs: Option<String>,
    pub(super) timeout: Option<u64>,
    pub(super) output: Format,
}

/// Why it was not done.
struct Failure {
    message: String,
    code: u8,
}

fn failure(code: u8, message: impl Into<String>) -> Failure {
    Failure { message: message.into(), code }
}

struct Remote<'r> {
    http: reqwest::Client,
    base: String,
    config: &'r Config,
}

pub(super) fn main(surroundings: &Surroundings, config: &Config, request: &Request) -> u8 {
    let done = || -> Result<u8, Failure> {
        let Tools { calls, .. } = super::tools(surroundings, config, None, None)
            .map_err(|refusal| failure(refusal.code, refusal.message))?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .map_err(|error| failure(1, format!("the program cannot start its threads: {error}")))?;
        if let Some(why) = no_function(&request.func) {
            return Err(failure(2, why));
        }
        let base = match request.url.trim_end_matches('/') {
            "" => format!("http://{}", config.service.listen),
            url if url.starts_with("http://") || url.starts_with("https://") => url.to_owned(),
            _ => return Err(failure(2, "--remote takes a URL, such as --remote=http://127.0.0.1:8088")),
        };
        let remote = Remote { http: calls.http_for(&base), base, config };
        let code = runtime.block_on(async {
            let stop = CancellationToken::new();
            let interrupted = tokio::spawn(super::run::interrupts(stop.clone()));
            let code = remote.run(surroundings, request, &stop).await;
            interrupted.abort();
            code
        });
        runtime.shutdown_timeout(std::time::Duration::from_millis(200));
        code
    };
    match done() {
        Ok(code) => code,
        Err(Failure { message, code }) => {
            surroundings.say(&format!("error: {message}"));
            if request.output == Format::Json {
                let status = if code == 2 { "invalid" } else { "failed" };
                let first = message.lines().next().unwrap_or_default();
                surroundings
                    .out(&super::run::json(&json!({ "status": status, "errors": [{ "message": first }] })));
            }
            code
        }
    }
}

/// What is wrong with a function's id. It becomes part of a URL, in which other characters would lead elsewhere.
fn no_function(id: &str) -> Option<String> {
    let name = |name: &str| !name.is_empty() && name.chars().all(|one| one.is_alphanumeric() || one == '_');
    let parts = id.split_once('.').filter(|(script, _)| script.contains("__"));
    if parts.is_some_and(|(script, function)| name(script) && name(function)) {
        return None;
    }
    Some(format!(
        "`{id}` is no id of a function\nhint: write <set>__<script>.<function>, such as my_aws__main.run; `funchost list` shows them"
    ))
}

impl Remote<'_> {
    async fn run(
        &self,
        surroundings: &Surroundings,
        request: &Request,
        stop: &CancellationToken,
    ) -> Result<u8, Failure> {
        let kwargs: Value = match &request.kwargs {
            None => json!({}),
            Some(text) => serde_json::from_str(text).ok().filter(Value::is_object).ok_or_else(|| {
                failure(2, "--kwargs is no JSON object, such as '{\"region\": \"cn-north-1\"}'")
            })?,
        };
        let body = json!({ "kwargs": kwargs, "options": { "async": true, "timeout": request.timeout } });
        let path = format!("/api/v1/func/{}", request.func);
        let asked = self.ask(reqwest::Method::POST, &path, Some(&body)).await?;
        let Some(id) = asked["data"]["id"].as_i64() else {
            return Err(failure(1, format!("{} did not answer with a run's id", self.base)));
        };
        surroundings.say(&format!("run {id} of {}", request.func));
        let mut after = 0;
        loop {
            let path = format!("/api/v1/runs/{id}/log?after={after}&wait=20");
            let grown = tokio::select! {
                grown = self.ask(reqwest::Method::GET, &path, None) => grown?,
                () = stop.cancelled() => {
                    surroundings.say(&format!("run {id} goes on: `funchost logs {id}` shows it"));
                    return Ok(130);
                }
            };
            let data = &grown["data"];
            for line in data["lines"].as_array().into_iter().flatten() {
                let (prefix, kind, text) = (&line["prefix"], &line["kind"], &line["text"]);
                surroundings.say(&format!(
                    "{} {}",
                    prefix.as_str().unwrap_or_default(),
                    super::runs::said(kind.as_str().unwrap_or_default(), text.as_str().unwrap_or_default())
                ));
            }
            after = data["last"].as_i64().unwrap_or(after);
            if data["final"] == true {
                break;
            }
        }
        let whole = self.ask(reqwest::Method::GET, &format!("/api/v1/runs/{id}"), None).await?;
        let run = &whole["data"];
        if let Some(rendered) = run["errors"][0]["rendered"].as_str() {
            surroundings.say(rendered);
        }
        let status = run["status"].as_str().unwrap_or_default();
        match request.output {
            Format::Json => surroundings.out(&super::run::json(run)),
            Format::Text => match serde_json::from_value::<RunReport>(run["report"].clone()) {
                Ok(report) => surroundings.out(&report.text()),
                Err(_) => {
                    let reason =
                        run["reason"].as_str().map(|reason| format!(": {reason}")).unwrap_or_default();
                    surroundings.out(&format!("{} {status}{reason}\n", request.func));
                }
            },
        }
        Ok(match status {
            "success" => 0,
            "timeout" => 124,
            "interrupted" => 130,
            _ => 1,
        })
    }

    /// One request; an answer that is not well is an error.
    async fn ask(&self, method: reqwest::Method, path: &str, body: Option<&Value>) -> Result<Value, Failure> {
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        if let Some(token) = &self.config.service.token {
            request = request.bearer_auth(token.expose_secret());
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let unreachable = |error: reqwest::Error| {
            failure(
                1,
                format!(
                    "the service at {} cannot be reached: {}\nhint: start it with `funchost serve`, or name its address: --remote=http://host:8088",
                    self.base,
                    error.without_url()
                ),
            )
        };
        let answer = request.send().await.map_err(unreachable)?;
        let status = answer.status();
        let bytes = answer.bytes().await.map_err(unreachable)?;
        let Ok(answer) = serde_json::from_slice::<Value>(&bytes) else {
            return Err(failure(
                1,
                format!("{} answered with status {status}, and no JSON: it is no funchost", self.base),
            ));
        };
        if answer["ok"] == true {
            return Ok(answer);
        }
        let message = answer["message"].as_str().unwrap_or_default();
        let code = if status.is_client_error() { 2 } else { 1 };
        Err(failure(code, format!("{message} ({})", answer["error"])))
    }
}
