//! Secrets: every failure that is known is provoked with canaries in every place that may hold a secret, and everything that the program wrote is
//! searched for them: both streams at the most verbose log level, every file of the state, and what DataKit got.

use crate::network::{answering, http};
use crate::support::{World, aws_script, ran};
use funchost::cli::Surroundings;
use simcloud::{AwsEstate, DataKitBehaviour, Fault, FaultKind, Options};
use std::path::Path;
use std::sync::{Arc, Mutex};

const CHINA: &str = "cn-northwest-1";
/// All characters that a cloud's secret may have; the others have those, too, that encodings spell in another way.
const SECRET: &str = "canarySecret/one+1==";
const TOKEN: &str = "canaryToken//two+2==&%\"'";
const EXTERNAL: &str = "canaryExternal three/3+=&";
const DECLARED: &str = "canaryDeclared|four~4 <>\\";
const NAMED: &str = "canaryNamed five,5=!?";
const PROXY: &str = "canaryProxySix6";
const DATAKIT: &str = "canaryDataKitSeven7";
/// What every canary has in it, and nothing else.
const MARK: &str = "canary";

/// RFC 4648, the standard alphabet, without padding, by bits.
fn base64(bytes: &[u8]) -> String {
    let alphabet: Vec<char> = ('A'..='Z').chain('a'..='z').chain('0'..='9').chain(['+', '/']).collect();
    let bits: Vec<u8> = bytes.iter().flat_map(|byte| (0..8).rev().map(move |at| byte >> at & 1)).collect();
    bits.chunks(6)
        .map(|chunk| {
            alphabet[(0..6).fold(0, |number, at| number << 1 | usize::from(*chunk.get(at).unwrap_or(&0)))]
        })
        .collect()
}

fn percent(text: &str, upper: bool) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            _ if upper => format!("%{byte:02X}"),
            _ => format!("%{byte:02x}"),
        })
        .collect()
}

/// Every spelling of a secret that is looked for.
fn spellings(secret: &str) -> Vec<String> {
    let json = serde_json::to_string(secret).unwrap();
    let debug = format!("{secret:?}");
    let mut all = vec![
        secret.to_owned(),
        json[1..json.len() - 1].to_owned(),
        debug[1..debug.len() - 1].to_owned(),
        percent(secret, true),
        percent(secret, false),
        percent(secret, true).replace("%20", "+"),
    ];
    // At any of the three places of a base64 group; the characters that its neighbours share are left out.
    for before in 0..3 {
        let bytes = [&vec![0; before][..], secret.as_bytes()].concat();
        let encoded = base64(&bytes);
        all.push(encoded[(before * 8).div_ceil(6)..bytes.len() * 8 / 6].to_owned());
    }
    all
}

/// Enough of a text to see what went wrong.
fn around(text: &str, found: &str) -> String {
    let at = text.find(found).unwrap_or(0);
    let from = text.floor_char_boundary(at.saturating_sub(300));
    let to = text.floor_char_boundary((at + 300).min(text.len()));
    text[from..to].escape_debug().to_string()
}

/// Fails where any of the texts holds a secret in any spelling, or the mark of one.
pub(super) fn search(name: &str, place: &str, bytes: &[u8], secrets: &[&str]) {
    let text = String::from_utf8_lossy(bytes);
    for secret in secrets {
        for spelling in spellings(secret) {
            assert!(
                !text.contains(&spelling),
                "{name}: {place} shows `{spelling}`: {}",
                around(&text, &spelling)
            );
        }
    }
    // Half a secret is one, too: cut, wrapped, or in an encoding that nobody thought of.
    assert!(!text.contains(MARK), "{name}: {place} shows a part of a secret: {}", around(&text, MARK));
}

pub(super) fn search_files(name: &str, folder: &Path, secrets: &[&str]) -> usize {
    let mut found = 0;
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        search(name, &path.display().to_string(), &std::fs::read(&path).unwrap(), secrets);
        found += 1;
    }
    found
}

pub(super) struct Stage {
    pub(super) world: World,
    pub(super) secrets: Vec<String>,
    pub(super) script: String,
    /// Is a secret used as what names an account? Access key ids and roles are no secrets: the state is kept by them, whatever variable they came from.
    names_account: bool,
}

impl Stage {
    /// Clouds whose keys are not the canaries: calls are refused.
    pub(super) async fn refused() -> Self {
        let aws = AwsEstate { instances: 3, ..AwsEstate::default() };
        let mut world = World::new(Options { aws, ..Options::default() }).await;
        world.variables.insert("AWS_AK_SECRET".into(), SECRET.into());
        world.variables.insert("MY_PASSWORD".into(), NAMED.into());
        world.variables.insert("FUNCHOST_LOG".into(), "trace".into());
        let config = std::fs::read_to_string(world.folder.path().join("funchost.toml")).unwrap();
        let config = config.replace("http://127.0.0.1", &format!("http://user:{DATAKIT}@127.0.0.1"));
        // Only DataKit's URL may hold credentials.
        let (datakits, endpoints) = config.split_once("[endpoints]").unwrap();
        let endpoints = endpoints.replace(&format!("user:{DATAKIT}@"), "");
        let env = format!(
            "[env]\nPLAIN_NAME = {{ value = {DECLARED:?}, secret = true }}\nSESSION_TOKEN = {TOKEN:?}\nEXTERNAL_ID = {{ value = {EXTERNAL:?}, secret = true }}\n"
        );
        world.write("funchost.toml", &format!("{datakits}[endpoints]{endpoints}{env}"));
        let secrets = [SECRET, TOKEN, EXTERNAL, DECLARED, NAMED, PROXY, DATAKIT].map(str::to_owned).to_vec();
        Self { world, secrets, script: aws_script(&[CHINA], "[\"*cpu*\"]"), names_account: false }
    }

    /// The same with keys that work: their secret is a canary then, too.
    pub(super) async fn welcome() -> Self {
        let mut stage = Self::refused().await;
        let keys = stage.world.clouds.keys();
        stage.world.variables.insert("AWS_AK_SECRET".into(), keys.secret_key.clone());
        stage.secrets.extend([
            keys.secret_key,
            keys.session_token,
            keys.temporary_secret_key,
            keys.external_id,
            keys.expired_token,
        ]);
        stage
    }

    fn account(mut self, more: &str) -> Self {
        self.script = self.script.replace("extra_tags:", &format!("{more}\n    extra_tags:"));
        self
    }

    fn run_body(mut self, statements: &str) -> Self {
        self.script = self.script.replace("let regions =", &format!("{statements}\n    let regions ="));
        self
    }

    /// Runs, and searches what it says alone: the state holds what a run is called with until it has ended.
    pub(super) fn look_at_streams(&self, name: &str, arguments: &[&str]) {
        let ran = ran(&self.world.command(arguments).output().unwrap());
        let secrets: Vec<&str> = self.secrets.iter().map(String::as_str).collect();
        search(name, "stdout", ran.stdout.as_bytes(), &secrets);
        search(name, "stderr", ran.stderr.as_bytes(), &secrets);
    }

    /// Runs, and searches everything. Answers with the exit code and both streams.
    pub(super) fn play(&self, name: &str, arguments: &[&str]) -> (u8, String) {
        self.world.write("my_aws/main.rhai", &self.script);
        let ran = ran(&self.world.command(arguments).output().unwrap());
        let secrets: Vec<&str> = self.secrets.iter().map(String::as_str).collect();
        search(name, "stdout", ran.stdout.as_bytes(), &secrets);
        search(name, "stderr", ran.stderr.as_bytes(), &secrets);
        if !self.names_account {
            search_files(name, &self.world.folder.path().join("state"), &secrets);
        }
        for request in self.world.clouds.datakit().requests() {
            search(name, "DataKit's body", request.body.as_bytes(), &secrets);
            search(
                name,
                "DataKit's query",
                format!("{}?{}", request.path, request.query).as_bytes(),
                &secrets,
            );
        }
        (ran.code, format!("{}\n{}", ran.stdout, ran.stderr))
    }
}

pub(super) fn fault(action: &str, times: u64, kind: FaultKind) -> Fault {
    Fault { service: None, action: Some(action.into()), region: None, skip: 0, times, kind }
}

const RUN: &[&str] = &["run", "my_aws/main.rhai", "--force", "--timeout", "20"];
pub(super) const SAYS: &str = "for secret in [account, account.ak_secret, DFF.ENV(\"PLAIN_NAME\"), DFF.ENV(\"MY_PASSWORD\"), DFF.ENV(\"SESSION_TOKEN\"), DFF.ENV(\"EXTERNAL_ID\")] { print(secret); debug(secret); DFF.LOG(secret); print(`<${secret}>`); }";

#[test]
fn the_search_finds_what_it_looks_for() {
    assert_eq!(base64(b"Many hands"), "TWFueSBoYW5kcw");
    for secret in [SECRET, TOKEN, EXTERNAL, DECLARED, NAMED, PROXY, DATAKIT] {
        for text in [
            format!("x{secret}y"),
            format!("x{}y", percent(secret, true)),
            serde_json::to_string(&format!("x{secret}y")).unwrap(),
            base64(format!("x{secret}y").as_bytes()),
            base64(format!("xx{secret}y").as_bytes()),
            base64(format!("xxx{secret}y").as_bytes()),
        ] {
            let found = std::panic::catch_unwind(|| search("test", "text", text.as_bytes(), &[secret]));
            assert!(found.is_err(), "{text}");
        }
    }
    search("test", "text", b"nothing of it", &[SECRET]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_script_says_and_what_is_collected_holds_no_secret() {
    let stage = Stage::welcome().await.run_body(SAYS);
    for (name, more, code) in [
        ("a good run", &[][..], 0),
        ("json", &["--output", "json"], 0),
        ("debug", &["--debug"], 0),
        ("debug and json", &["--debug", "--output", "json"], 0),
    ] {
        let (found, text) = stage.play(name, &[RUN, more].concat());
        assert_eq!(found, code, "{name}: {text}");
        assert!(text.contains("****"), "{name}: nothing was said, so nothing is shown: {text}");
    }
    assert!(!stage.world.clouds.datakit().requests().is_empty());
    assert!(search_files("a good run", &stage.world.folder.path().join("state"), &[]) > 0);
    for arguments in [
        &["check", "my_aws/main.rhai"][..],
        &["list", "my_aws/main.rhai"],
        &["outbox", "list"],
        &["run", "my_aws/main.rhai", "--func", "nun"],
        &["demo", "my_aws/main.rhai"],
    ] {
        stage.play(arguments[0], arguments);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_refusal_of_a_cloud_shows_a_secret() {
    // A wrong secret: the answer echoes what was signed.
    let stage = Stage::refused().await;
    let (code, text) = stage.play("a wrong secret", RUN);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("does not match"), "{text}");
    // With a session token that is right, which the echo holds.
    let mut stage = Stage::welcome().await.account("security_token: DFF.ENV(\"GOOD_TOKEN\"),");
    let keys = stage.world.clouds.keys();
    stage.world.variables.insert("AWS_AK_ID".into(), keys.temporary_access_key.clone());
    stage.world.variables.insert("AWS_AK_SECRET".into(), SECRET.into());
    stage.world.variables.insert("GOOD_TOKEN".into(), keys.session_token.clone());
    let (code, text) = stage.play("a wrong secret with a token", RUN);
    assert_eq!(code, 1, "{text}");
    // An expired token, and one that nobody knows.
    stage.world.variables.insert("AWS_AK_SECRET".into(), keys.temporary_secret_key.clone());
    for (name, token) in [("an expired token", keys.expired_token.as_str()), ("an unknown token", TOKEN)] {
        stage.world.variables.insert("GOOD_TOKEN".into(), token.into());
        let (code, text) = stage.play(name, RUN);
        assert_eq!(code, 1, "{name}: {text}");
    }
    // Roles: a wrong external id, a wrong secret for STS itself, and a good role.
    let role = |external: &str| format!("role_arn: {:?}, external_id: DFF.ENV({external:?}),", keys.role_arn);
    let mut stage = Stage::welcome().await.account(&role("EXTERNAL_ID"));
    let (code, text) = stage.play("a wrong external id", RUN);
    assert_eq!(code, 1, "{text}");
    stage.world.variables.insert("AWS_AK_SECRET".into(), SECRET.into());
    assert_eq!(stage.play("a wrong secret for a role", RUN).0, 1);
    let mut stage = Stage::welcome().await.account(&role("GOOD_SECRET_ID"));
    stage.world.variables.insert("GOOD_SECRET_ID".into(), keys.external_id.clone());
    let (code, text) = stage.play("a good role", RUN);
    assert_eq!(code, 0, "{text}");
    stage.world.clouds.fault(fault("DescribeInstances", 1, FaultKind::ExpiredToken));
    stage.play("a role whose session was revoked", RUN);
    // The clock decides, and is said.
    stage.world.clouds.set_clock_offset(1500);
    stage.play("a wrong clock", RUN);
}

/// A request with all that is in it, as a cloud's error tells it: in the shape of every cloud and protocol at once, so that each client finds its own.
fn echo(request: &str, message: &str) -> String {
    let xml = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;");
    let code = "SignatureDoesNotMatch";
    let lower = request.to_lowercase();
    if lower.contains("x-tc-action") {
        let error = serde_json::json!({ "Response": { "Error": { "Code": "AuthFailure.SignatureFailure", "Message": message }, "RequestId": message } });
        return http(200, "", &error.to_string());
    }
    if lower.contains("x-acs-action") {
        let error = serde_json::json!({ "Code": code, "Message": message, "RequestId": message, "Recommend": message, "HostId": message });
        return http(400, "", &error.to_string());
    }
    if lower.contains("x-amz-target") {
        let error = serde_json::json!({ "__type": format!("x#{code}"), "message": message });
        return http(403, "", &error.to_string());
    }
    let message = xml(message);
    if lower.contains("x-oss-date") {
        let error = format!(
            "<Error><Code>{code}</Code><Message>{message}</Message><RequestId>{message}</RequestId><StringToSign>{message}</StringToSign></Error>"
        );
        return http(403, "", &error);
    }
    if lower.contains("action=assumerole") {
        return http(
            403,
            "",
            &format!(
                "<ErrorResponse><Error><Code>{code}</Code><Message>{message}</Message></Error><RequestId>{message}</RequestId></ErrorResponse>"
            ),
        );
    }
    http(
        403,
        "",
        &format!(
            "<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message></Error></Errors><RequestID>{message}</RequestID></Response>"
        ),
    )
}

/// What an error may say, in every spelling, of secrets that the cloud got.
fn messages(secrets: &[&str]) -> Vec<(String, String)> {
    let all = secrets.join(" and ");
    // Cut in its middle, a secret would no longer be found as a whole.
    let at_the_edge = |secret: &str| format!("{}{secret}", "x".repeat(290));
    let mut messages: Vec<(String, String)> = vec![
        ("as it is".into(), all.clone()),
        ("percent".into(), percent(&all, true)),
        ("json".into(), serde_json::to_string(&all).unwrap()),
        ("base64".into(), base64(all.as_bytes())),
        ("base64 beside others".into(), base64(format!("ab{TOKEN}").as_bytes())),
        ("the whole request".into(), String::new()),
        (
            "canonical".into(),
            format!("The canonical request should have been\nGET\nx-amz-security-token:{TOKEN}\n{SECRET}"),
        ),
    ];
    for secret in secrets {
        for (index, spelling) in spellings(secret).into_iter().enumerate() {
            messages.push((format!("at the edge, {index}"), at_the_edge(&spelling)));
        }
    }
    messages
}

#[tokio::test(flavor = "multi_thread")]
async fn no_cloud_can_make_the_program_show_what_was_signed() {
    for (cloud, collectors) in [
        ("aws", &["guance_aws_ec2", "guance_aws_cloudwatch"][..]),
        (
            "aliyun",
            &[
                "guance_aliyun_ecs",
                "guance_aliyun_rds",
                "guance_aliyun_slb",
                "guance_aliyun_oss",
                "guance_aliyun_monitor",
            ],
        ),
        ("tencentcloud", &["guance_tencentcloud_cvm", "guance_tencentcloud_monitor"]),
    ] {
        let said = Arc::new(Mutex::new(String::new()));
        let words = said.clone();
        let (port, seen) = answering(
            Arc::new(move |request| {
                let message = words.lock().unwrap().clone();
                echo(request, if message.is_empty() { request } else { &message })
            }),
            None,
        );
        let mut imports = String::from("import \"guance_integration__runner\" as integration;\n");
        let mut list = String::new();
        for (index, package) in collectors.iter().enumerate() {
            imports.push_str(&format!("import \"{package}__main\" as c{index};\n"));
            let regions =
                if package.ends_with("aliyun_monitor") { "" } else { "regions: [\"cn-north-1\"], " };
            let targets = match *package {
                "guance_aws_cloudwatch" => "targets: [#{ namespace: \"AWS/EC2\", metrics: \"ALL\" }]",
                "guance_aliyun_monitor" => {
                    "targets: [#{ namespace: \"acs_ecs_dashboard\", metrics: \"ALL\" }]"
                }
                "guance_tencentcloud_monitor" => "targets: [#{ namespace: \"QCE/CVM\", metrics: \"ALL\" }]",
                _ => "",
            };
            list.push_str(&format!("c{index}::DataCollector(account, #{{ {regions}{targets} }}), "));
        }
        for role in ["", "role_arn: \"acs:ram::1:role/reader\", external_id: DFF.ENV(\"EXTERNAL_ID\"),"] {
            let mut stage = Stage::refused().await;
            stage.script = format!(
                "{imports}
let account = #{{ ak_id: \"AKIDPLAIN\", ak_secret: DFF.ENV(\"AWS_AK_SECRET\"), security_token: DFF.ENV(\"SESSION_TOKEN\"), {role} endpoint: \"http://127.0.0.1:{port}\" }};
@DFF.API(\"x\")
fn run() {{ Runner([{list}]).run(); }}
"
            );
            // An external id is only known, and only sent, where a role is assumed.
            let secrets = if role.is_empty() { &[SECRET, TOKEN][..] } else { &[SECRET, TOKEN, EXTERNAL] };
            for (name, message) in &messages(secrets) {
                // What is cut, and where, is the same for all clouds.
                if name.contains("edge") && (cloud != "aws" || role.is_empty()) {
                    continue;
                }
                said.lock().unwrap().clone_from(message);
                let (code, text) =
                    stage.play(&format!("{cloud}: {name}"), &[RUN, &["--output", "json"]].concat());
                assert_eq!(code, 1, "{cloud}: {name}: {text}");
            }
            // The token was really sent, and with a role the external id: otherwise nothing was shown here.
            let seen = seen.lock().unwrap();
            assert!(seen.iter().any(|request| request.contains(TOKEN)), "{cloud}");
            let external =
                [EXTERNAL.to_owned(), percent(EXTERNAL, true), percent(EXTERNAL, true).replace("%20", "+")];
            assert!(
                role.is_empty()
                    || seen.iter().any(|request| external.iter().any(|one| request.contains(one))),
                "{cloud}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_a_script_keeps_holds_a_secret() {
    for (name, statement, refused) in [
        ("a text", "DFF.STORE.set(\"a\", DFF.ENV(\"PLAIN_NAME\"));", "the value holds a secret"),
        (
            "in a text",
            "DFF.CACHE.set(\"a\", `<${DFF.ENV(\"MY_PASSWORD\")}>`, 60);",
            "the value holds a secret",
        ),
        ("deep", "DFF.STORE.set(\"a\", #{ b: [1, #{ c: account }] });", "`b[1].c.ak_secret` holds a secret"),
        (
            "as a member",
            "let m = #{}; m[DFF.ENV(\"PLAIN_NAME\")] = 1; DFF.STORE.set(\"a\", m);",
            "the value holds a secret",
        ),
        ("as JSON", "DFF.STORE.set(\"a\", account.to_json());", "the value holds a secret"),
        ("as a key", "DFF.STORE.set(DFF.ENV(\"PLAIN_NAME\"), 1);", "the key holds a secret"),
        ("as a counter", "DFF.CACHE.incr(DFF.ENV(\"PLAIN_NAME\"));", "the key holds a secret"),
        (
            "before it was read",
            "DFF.STORE.set(\"a\", \"can\" + \"aryDeclared|four~4 <>\\\\\");",
            "the value holds a secret",
        ),
    ] {
        let stage = Stage::welcome().await.run_body(statement);
        let (code, text) = stage.play(name, RUN);
        assert_ne!(code, 0, "{name}: {text}");
        assert!(text.contains(refused), "{name}: {text}");
        assert!(text.contains("the state, which keeps it, is not encrypted"), "{name}: {text}");
        assert!(text.contains("read it with `DFF.ENV` each time"), "{name}: {text}");
        assert!(text.contains("main.rhai:"), "{name}: {text}");
    }
    // What is none is kept.
    let stage = Stage::welcome()
        .await
        .run_body("let n = DFF.ENV(\"PLAIN_NAME\").len(); DFF.STORE.set(\"a\", #{ n: n }); print(`kept ${DFF.STORE.get(\"a\").n}`);");
    let (code, text) = stage.play("no secret", RUN);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains(&format!("kept {}", DECLARED.len())), "{text}");
}

/// A script whose test calls a cloud.
const RECORDED: &str = r##"import "guance_integration__runner" as integration;
import "guance_integration__CLIENT" as CLIENT;

@DFF.API("collect", timeout = 60)
fn run() {
    let password = DFF.ENV("MY_PASSWORD");
    let mine = Collector("mine", #{ ak_id: "AKIDPLAIN", ak_secret: DFF.ENV("AWS_AK_SECRET"), endpoint: "URL" }, #{ regions: ["cn-north-1"] }, |ctx| {
        let found = CLIENT::client(ctx.account).request("SERVICE", "ACTION", #{ LoginPassword: password, Name: "orders" });
        [ #{ tags: #{ name: `n${found.len()}` }, fields: #{ one: 1 } } ]
    });
    Runner([mine]).run()
}
fn test_run() { assert_eq(run().collectors[0].collected, 1); }
"##;

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_holds_no_secret_that_a_cloud_answers_with() {
    // Nobody has told the program these: only their names and places say what they are.
    let hidden = |name: &str| format!("canaryAnswered{name}");
    let nested = serde_json::json!({ "Password": hidden("Nested"), "deeper": serde_json::json!({ "AccessKeySecret": hidden("Deep") }).to_string() });
    let answer = serde_json::json!({
        "RequestId": "r", "NextToken": "on-it-goes",
        "MasterUserPassword": hidden("Master"), "LoginPassword": hidden("Login"), "AuthToken": hidden("Auth"),
        "PrivateKey": hidden("Private"), "Variables": { "DB_SECRET": hidden("Variable") },
        "Parameters": [{ "Name": "DB_PASSWORD", "Value": hidden("Pair") }],
        "Template": nested.to_string(), "Endpoint": format!("mysql://u:{}@host:3306/db", hidden("Url")),
        "UserData": hidden("Data"), "Command": format!("run --password={} --verbose", hidden("Command")),
        "Signed": format!("https://b.example.com/o?X-Amz-Signature={}&x=1", hidden("Signature")),
    });
    let xml = format!(
        "<R><Result><MasterUserPassword>{}</MasterUserPassword><Url>redis://:{}@h</Url><e><ParameterName>db_secret</ParameterName><ParameterValue>{}</ParameterValue></e><Json>{{&quot;Token&quot;:&quot;{}&quot;}}</Json><Name>orders</Name></Result></R>",
        hidden("Xml"),
        hidden("XmlUrl"),
        hidden("XmlPair"),
        hidden("XmlJson")
    );
    for (client, service, action, answer) in [
        ("aliyun", "rds", "DescribeDBInstances", answer.to_string()),
        ("aws", "ssm", "GetParameters", answer.to_string()),
        ("aws", "rds", "DescribeDBInstances", xml.clone()),
    ] {
        let name = format!("{client} {service}");
        let (port, seen) = answering(Arc::new(move |_: &str| http(200, "", &answer)), None);
        let mut stage = Stage::refused().await;
        stage.script = RECORDED
            .replace("URL", &format!("http://127.0.0.1:{port}"))
            .replace("CLIENT", client)
            .replace("SERVICE", service)
            .replace("ACTION", action);
        let (code, text) = stage.play(&name, &["test", "my_aws/main.rhai", "--record", "recorded.json"]);
        assert_eq!(code, 0, "{name}: {text}");
        assert!(
            seen.lock().unwrap().iter().any(|request| request.contains("canary")),
            "{name}: nothing was sent"
        );
        let path = stage.world.folder.path().join("recorded.json");
        let recorded = std::fs::read_to_string(&path).unwrap();
        let secrets: Vec<&str> = stage.secrets.iter().map(String::as_str).collect();
        search(&name, "the recording", recorded.as_bytes(), &secrets);
        assert!(recorded.contains("orders") && recorded.contains("recorded-secret"), "{name}: {recorded}");
        assert!(service == "rds" && client == "aws" || recorded.contains("on-it-goes"), "{name}: {recorded}");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = std::fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
        // What was hidden in the request is hidden in the question, too.
        let (code, text) = stage.play(&name, &["test", "my_aws/main.rhai", "--replay", "recorded.json"]);
        assert_eq!(code, 0, "{name}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_trouble_of_a_cloud_shows_a_secret() {
    let stage = Stage::welcome().await.run_body(SAYS);
    for action in ["DescribeInstances", "ListMetrics", "GetMetricData"] {
        for (times, kind) in [
            (1, FaultKind::Throttle),
            (1, FaultKind::Status(500)),
            (100, FaultKind::Status(400)),
            (1, FaultKind::HtmlUnavailable),
            (1, FaultKind::CutBody),
            (1, FaultKind::BadBody),
            (1, FaultKind::EmptyBody),
            (1, FaultKind::Reset),
            (100, FaultKind::HugeBody(70 << 20)),
            (100, FaultKind::Denied),
            (100, FaultKind::ExpiredToken),
            (1, FaultKind::SkewedClock),
            (1, FaultKind::InternalErrorResult),
            (100, FaultKind::ForbiddenResult),
            (1, FaultKind::PartialData),
            (1, FaultKind::TopLevelMessage),
            (100, FaultKind::RepeatedToken),
        ] {
            let name = format!("{action} {kind:?}");
            stage.world.clouds.fault(fault(action, times, kind));
            stage.play(&name, &[RUN, &["--output", "json"]].concat());
            stage.world.clouds.clear_faults();
        }
    }
    // For good, at its deadline, and without permission.
    let stage = Stage::welcome().await.run_body(SAYS);
    stage.world.clouds.fault(fault("ListMetrics", u64::MAX, FaultKind::HtmlUnavailable));
    let (code, text) = stage.play("HTML for ever", RUN);
    assert_eq!(code, 1, "{text}");
    stage.world.clouds.fault(fault("DescribeInstances", u64::MAX, FaultKind::Hang));
    let (code, text) = stage.play("a deadline", &["run", "my_aws/main.rhai", "--force", "--timeout", "1"]);
    assert_eq!(code, 124, "{text}");
    stage.world.clouds.deny("ec2:DescribeInstances");
    stage.world.clouds.clear_faults();
    stage.play("a permission", RUN);
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_a_proxy_nor_a_datakit_shows_its_password() {
    let mut stage = Stage::welcome().await;
    for behaviour in [
        DataKitBehaviour::Status(400),
        DataKitBehaviour::Status(401),
        DataKitBehaviour::Status(403),
        DataKitBehaviour::Status(404),
        DataKitBehaviour::ResetAfterBody,
        DataKitBehaviour::Down,
    ] {
        stage.world.clouds.datakit().set_behaviour(behaviour.clone());
        let (code, text) = stage.play(&format!("DataKit {behaviour:?}"), RUN);
        assert_eq!(code, 1, "{behaviour:?}: {text}");
        stage.play("the outbox", &["outbox", "send"]);
        stage.play("the outbox", &["outbox", "list", "--output", "json"]);
    }
    stage.world.clouds.datakit().set_behaviour(DataKitBehaviour::Accept);
    // A proxy where nobody listens, one that is no URL, one that refuses.
    let nobody = "127.0.0.1:1";
    for (name, proxy) in [
        ("a proxy that is not there", format!("http://user:{PROXY}@{nobody}")),
        ("a proxy that is no URL", format!("http://user:{PROXY}@")),
        ("a proxy of another kind", format!("gopher://user:{PROXY}@{nobody}")),
        (
            "a proxy that refuses",
            stage.world.clouds.datakit_url().replace("http://", &format!("http://user:{PROXY}@")),
        ),
    ] {
        for variable in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
            stage.world.variables.insert(variable.into(), proxy.clone());
            stage.world.variables.insert(variable.to_lowercase(), proxy.clone());
        }
        let (code, text) = stage.play(name, &["run", "my_aws/main.rhai", "--force", "--timeout", "2"]);
        assert_ne!(code, 2, "{name}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_mistake_in_a_script_or_a_configuration_shows_a_secret() {
    for (name, from, to) in [
        ("thrown", "let regions", "throw account.ak_secret; let regions"),
        ("thrown in a map", "let regions", "throw account; let regions"),
        ("thrown as a declared one", "let regions", "throw DFF.ENV(\"PLAIN_NAME\"); let regions"),
        ("as a region", "let regions = [", "let regions = [account.ak_secret, "),
        ("as a metric", "metrics: [", "metrics: [DFF.ENV(\"PLAIN_NAME\"), "),
        ("as a namespace", "namespace: \"AWS/EC2\"", "namespace: DFF.ENV(\"MY_PASSWORD\")"),
        ("as an unknown key", "extra_tags: #{", "ak_secrte: DFF.ENV(\"MY_PASSWORD\"), extra_tags: #{"),
        (
            "as an endpoint",
            "extra_tags:",
            "endpoint: \"http://u:\" + DFF.ENV(\"PLAIN_NAME\") + \"@h\", extra_tags:",
        ),
        ("as a role", "extra_tags:", "role_arn: DFF.ENV(\"PLAIN_NAME\"), extra_tags:"),
        ("as an id", "ak_id: DFF.ENV(\"AWS_AK_ID\")", "ak_id: DFF.ENV(\"PLAIN_NAME\")"),
        ("as a DataKit", "Runner(collectors)", "Runner(collectors, datakit_id = DFF.ENV(\"PLAIN_NAME\"))"),
        ("as a number", "let regions", "let n = parse_int(account.ak_secret); let regions"),
        ("as a property", "let regions", "let n = account[account.ak_secret]; let regions"),
        ("as a function's argument", "let regions", "nope(account, account.ak_secret); let regions"),
        ("as the name of a variable", "let regions", "DFF.ENV(account.ak_secret); let regions"),
        ("as a timeout", "timeout = 60", "timeout = DFF.ENV(\"PLAIN_NAME\")"),
        ("as a title", "@DFF.API(\"执行云资产同步\"", "@DFF.API(DFF.ENV(\"PLAIN_NAME\")"),
        ("written down", "DFF.ENV(\"AWS_AK_SECRET\")", "\"canarySecretWrittenDown\", wrong: nope"),
        ("written down and cut off", "DFF.ENV(\"AWS_AK_SECRET\")", "\"canarySecretWrittenDown"),
        ("compared", "let regions", "if account.ak_secret > 5 { } let regions"),
        ("returned", "Runner(collectors).run();", "return account;"),
    ] {
        let mut stage = Stage::welcome().await;
        stage.world.variables.insert("AWS_AK_SECRET".into(), SECRET.into());
        stage.script = stage.script.replacen(from, to, 1);
        assert!(stage.script.contains(to), "{name}");
        stage.names_account = ["as a role", "as an id"].contains(&name);
        for arguments in [RUN, &[RUN, &["--output", "json"]].concat(), &["check", "my_aws/main.rhai"]] {
            stage.play(name, arguments);
        }
    }
    for (name, config) in [
        ("a broken file", format!("[env]\nAWS_AK_SECRET = \"{PROXY}\n")),
        ("a misspelt key", format!("[env]\nAWS_AK_SECRET = {{ vaule = \"{PROXY}\" }}\n")),
        ("a misspelt table", format!("[evn]\nAWS_AK_SECRET = \"{PROXY}\"\n")),
        ("a wrong type", format!("[env]\nPLAIN = {{ value = [\"{PROXY}\"], secret = true }}\n")),
        ("a wrong URL", format!("[datakits.datakit]\nurl = \"user:{DATAKIT}@localhost:9529\"\n")),
        ("a URL of another kind", format!("[datakits.datakit]\nurl = \"ftp://user:{DATAKIT}@localhost\"\n")),
        ("an endpoint with a password", format!("[endpoints]\naws = \"http://user:{DATAKIT}@localhost\"\n")),
        ("a state with a password", format!("state = \"postgres://user:{DATAKIT}@localhost/db\"\n")),
    ] {
        let mut stage = Stage::welcome().await;
        // A literal in the script is no longer known: only the file's own.
        stage.script = "@DFF.API(\"x\")\nfn run() {}\n".into();
        stage.world.write("bad.toml", &config);
        for arguments in [
            &["run", "my_aws/main.rhai", "--config", "bad.toml"][..],
            &["run", "my_aws/main.rhai", "--config", "bad.toml", "--output", "json"],
            &["outbox", "list", "--config", "bad.toml", "--output", "json"],
        ] {
            let (code, text) = stage.play(name, arguments);
            assert_ne!(code, 0, "{name}: {text}");
        }
        stage
            .world
            .variables
            .insert("FUNCHOST_DATAKITS__DATAKIT__URL".into(), format!("ftp://user:{DATAKIT}@host"));
        stage.play("a wrong variable", RUN);
    }
}

/// Says to this program that it is the child that panics.
const CHILD: &str = "FUNCHOST_TEST_PANICS";

#[test]
fn a_panic_on_any_thread_shows_no_secret() {
    if std::env::var_os(CHILD).is_some() {
        let surroundings =
            Surroundings { stderr: Arc::new(Mutex::new(std::io::stdout())), ..Surroundings::of_process() };
        surroundings.masker.learn(SECRET);
        funchost::cli::mask_panics(&surroundings);
        let thread = std::thread::Builder::new().name("script".into());
        let panicked =
            thread.spawn(|| panic!("at work on {SECRET} and {}", percent(SECRET, true))).unwrap().join();
        assert!(panicked.is_err());
        return;
    }
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "canary::a_panic_on_any_thread_shows_no_secret", "--nocapture"])
        .env(CHILD, "yes")
        .output()
        .unwrap();
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("the thread `script` ended at tests/data_safety/canary.rs:"), "{text}");
    assert!(text.contains("at work on **** and ****"), "{text}");
    search(
        "a panic",
        "the streams",
        text.replace("canary.rs", "").replace("canary::", "").as_bytes(),
        &[SECRET],
    );
}
