//! The AWS client against a server that answers as it is told: what goes over the wire, whose keys sign, what an error may show.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use funchost_collectors::account::{Account, Cloud};
use funchost_collectors::aws::client::Client;
use funchost_collectors::call::{CallError, CallPath, Counts, Fault, Options};
use funchost_collectors::clock::{Clock, SECOND, ShiftedClock, SystemClock, system_time};
use funchost_collectors::collector::{Action, Failure, MarkKey, Window};
use funchost_collectors::point::Text;
use funchost_collectors::run::{Memory, Run, WindowRequest};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const TOKEN: &str = "FwoGZXIvYXdzEBYaDHqa0AP+/token==";
const EXTERNAL: &str = "external id/7";
const ROLE: &str = "arn:aws-cn:iam::123456789012:role/reader";
const ROLE_SECRET: &str = "roleSecret/+0123456789";
const ROLE_TOKEN: &str = "IQoJb3JpZ2luX2VjEB0/role+token==";
const REGION: &str = "cn-north-1";

static DESCRIBE: Action = Action {
    service: "ec2",
    action: "DescribeInstances",
    permission: "ec2:DescribeInstances",
    rate: 10_000.0,
    when: "",
};

static LIST: Action = Action {
    service: "monitoring",
    action: "ListMetrics",
    permission: "cloudwatch:ListMetrics",
    rate: 10_000.0,
    when: "",
};

/// Nothing is remembered: a client does not ask.
struct NoMemory;

#[async_trait::async_trait]
impl Memory for NoMemory {
    async fn recall(&self, _: &str) -> Result<Option<Vec<u8>>, Failure> {
        Err(Failure::State("not asked".into()))
    }
    async fn remember(&self, _: &str, _: &[u8], _: Duration) -> Result<(), Failure> {
        Err(Failure::State("not asked".into()))
    }
    async fn windows(&self, _: &[(MarkKey, WindowRequest)]) -> Result<Vec<Window>, Failure> {
        Err(Failure::State("not asked".into()))
    }
    async fn objects(&self, _: &str, _: &str) -> Result<Vec<Arc<BTreeMap<Text, Text>>>, Failure> {
        Err(Failure::State("not asked".into()))
    }
}

/// A request as it came: the line and headers, and the body.
#[derive(Clone, Debug)]
struct Seen {
    head: String,
    body: String,
}

impl Seen {
    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    fn is(&self, action: &str) -> bool {
        self.body.contains(&format!("Action={action}&"))
            || self.header("x-amz-target").is_some_and(|target| target.ends_with(action))
    }

    /// The key that signed.
    fn key(&self) -> &str {
        let authorization = self.header("authorization").unwrap();
        authorization.split_once("Credential=").unwrap().1.split('/').next().unwrap()
    }
}

struct Server {
    url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Server {
    /// `answer` gets the request and its number, from 0, among those of its action.
    async fn start(answer: impl Fn(&Seen, usize) -> String + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::<Seen>::new()));
        let (all, answer) = (seen.clone(), Arc::new(answer));
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let (all, answer) = (all.clone(), answer.clone());
                tokio::spawn(async move { serve(connection, &all, &*answer).await });
            }
        });
        Self { url, seen }
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    fn count(&self, action: &str) -> usize {
        self.seen().iter().filter(|seen| seen.is(action)).count()
    }
}

async fn serve(
    mut connection: TcpStream,
    all: &Mutex<Vec<Seen>>,
    answer: &(dyn Fn(&Seen, usize) -> String + Send + Sync),
) {
    let mut bytes = Vec::new();
    let request = loop {
        let mut chunk = [0; 8192];
        let Ok(read @ 1..) = connection.read(&mut chunk).await else { return };
        bytes.extend_from_slice(&chunk[..read]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let seen = Seen { head: head.replace("\r\n", "\n"), body: body.to_owned() };
        let length = seen.header("content-length").map_or(0, |length| length.parse().unwrap());
        if body.len() >= length {
            break seen;
        }
    };
    let action = ["AssumeRole", "DescribeInstances", "ListMetrics"].into_iter().find(|name| request.is(name));
    let number = {
        let mut all = all.lock().unwrap();
        let number = all.iter().filter(|seen| action.is_some_and(|action| seen.is(action))).count();
        all.push(request.clone());
        number
    };
    // A client that has gone needs no answer.
    drop(connection.write_all(answer(&request, number).as_bytes()).await);
}

fn http(status: u16, headers: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status} Status\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

fn error(code: &str, message: &str) -> String {
    let message = message.replace('&', "&amp;").replace('<', "&lt;");
    http(
        403,
        "",
        &format!(
            "<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message></Error></Errors><RequestID>id</RequestID></Response>"
        ),
    )
}

/// STS's answer: keys that are valid for so many seconds.
fn assumed(number: usize, seconds: i64) -> String {
    let expires = chrono::DateTime::<chrono::Utc>::from(system_time(SystemClock.now() + seconds * SECOND));
    http(
        200,
        "",
        &format!(
            "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult><Credentials>\
             <AccessKeyId>ASIAROLE{number}</AccessKeyId><SecretAccessKey>{ROLE_SECRET}</SecretAccessKey>\
             <SessionToken>{ROLE_TOKEN}</SessionToken><Expiration>{}</Expiration></Credentials></AssumeRoleResult>\
             </AssumeRoleResponse>",
            expires.format("%Y-%m-%dT%H:%M:%SZ")
        ),
    )
}

fn run(url: &str, extra: Value) -> Run {
    run_at(url, extra, Arc::new(SystemClock))
}

fn run_at(url: &str, extra: Value, clock: Arc<dyn Clock>) -> Run {
    let mut account = json!({ "ak_id": "AKIDEXAMPLE", "ak_secret": SECRET, "endpoint": url });
    account.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    let options = Options {
        backoff: (Duration::from_millis(1), Duration::from_millis(2)),
        limits: [("aws.sts.AssumeRole".to_owned(), 10_000.0)].into(),
        ..Options::default()
    };
    // Nobody listens to what leaves: a client sends nothing there.
    let (output, _) = tokio::sync::mpsc::channel(1);
    Run {
        account: Arc::new(Account::read(Cloud::Aws, &account).unwrap()),
        calls: Arc::new(CallPath::new(options, clock.clone()).unwrap()),
        started: clock.now(),
        clock,
        counts: Arc::new(Counts::default()),
        memory: Arc::new(NoMemory),
        filter: None,
        output,
    }
}

async fn describe(run: &Run, region: &str) -> Result<String, CallError> {
    let read = |bytes: &[u8]| match bytes {
        b"ok" => Ok("ok".to_owned()),
        _ => Err("not ok".to_owned()),
    };
    let parameters = [("Filter.1.Value".to_owned(), "两 *~+/=".to_owned())];
    Client::new(run, &region.into()).query(&DESCRIBE, "2016-11-15", &parameters, read).await
}

async fn list(run: &Run) -> Result<Value, CallError> {
    Client::new(run, &REGION.into()).json(&LIST, &json!({ "Namespace": "AWS/EC2" })).await
}

#[tokio::test]
async fn both_protocols_look_as_aws_documents_them() {
    let server = Server::start(|seen, _| {
        http(200, "", if seen.is("ListMetrics") { "{\"Metrics\":[]}" } else { "ok" })
    })
    .await;
    let run = run(&format!("{}/prefix/", server.url), json!({ "security_token": TOKEN }));
    assert_eq!(list(&run).await.unwrap(), json!({ "Metrics": [] }));
    assert_eq!(describe(&run, REGION).await.unwrap(), "ok");
    let [list, describe] = server.seen().try_into().unwrap();

    assert!(list.head.starts_with("POST /prefix/ HTTP/1.1"), "{}", list.head);
    assert_eq!(list.header("content-type"), Some("application/x-amz-json-1.0"));
    assert_eq!(list.header("x-amz-target"), Some("GraniteServiceVersion20100801.ListMetrics"));
    assert_eq!(list.body, "{\"Namespace\":\"AWS/EC2\"}");
    assert_eq!(list.header("accept-encoding"), Some("gzip"));
    assert!(list.header("user-agent").unwrap().starts_with("funchost/"));

    assert_eq!(
        describe.body,
        "Action=DescribeInstances&Version=2016-11-15&Filter.1.Value=%E4%B8%A4+%2A~%2B%2F%3D"
    );
    for (seen, service) in [(&list, "monitoring"), (&describe, "ec2")] {
        assert_eq!(seen.header("x-amz-security-token"), Some(TOKEN));
        let authorization = seen.header("authorization").unwrap();
        assert!(authorization.contains(&format!("/{REGION}/{service}/aws4_request")), "{authorization}");
        let signed = authorization.split_once("SignedHeaders=").unwrap().1;
        for header in ["content-type", "host", "x-amz-date", "x-amz-security-token"] {
            assert!(signed.contains(header), "{header} is signed: {signed}");
        }
    }
    let counts = [("ec2:DescribeInstances".to_owned(), 1), ("monitoring:ListMetrics".to_owned(), 1)];
    assert_eq!(run.counts.snapshot(), counts.into());
}

#[tokio::test]
async fn an_answer_that_a_reader_refuses_may_pass() {
    let server = Server::start(|_, number| http(200, "", if number == 2 { "ok" } else { "<html>" })).await;
    let run = run(&server.url, json!({}));
    assert_eq!(describe(&run, REGION).await.unwrap(), "ok");
    assert_eq!(server.count("DescribeInstances"), 3);
    let error = list(&run).await.unwrap_err();
    assert_eq!((error.fault, error.code.as_str()), (Fault::Transient, "unreadable answer"));
    assert_eq!((error.attempts, server.count("ListMetrics")), (5, 5));
}

#[tokio::test]
async fn a_role_is_assumed_once_for_all_and_its_keys_sign() {
    let server =
        Server::start(
            |seen, number| {
                if seen.is("AssumeRole") { assumed(number, 3600) } else { http(200, "", "ok") }
            },
        )
        .await;
    let run = run(&server.url, json!({ "role_arn": ROLE, "external_id": EXTERNAL, "security_token": TOKEN }));
    let all = futures_util::future::join_all((0..10).map(|_| describe(&run, REGION))).await;
    assert!(all.into_iter().all(|one| one.is_ok()));
    assert!(describe(&run, "cn-northwest-1").await.is_ok(), "one set of keys serves every region");
    let counts = run.counts.snapshot();
    assert_eq!((counts["sts:AssumeRole"], counts["ec2:DescribeInstances"]), (1, 11));
    for seen in server.seen() {
        if seen.is("AssumeRole") {
            assert_eq!(
                seen.body,
                "Action=AssumeRole&Version=2011-06-15\
                 &RoleArn=arn%3Aaws-cn%3Aiam%3A%3A123456789012%3Arole%2Freader\
                 &RoleSessionName=funchost&DurationSeconds=3600&ExternalId=external+id%2F7"
            );
            assert_eq!((seen.key(), seen.header("x-amz-security-token")), ("AKIDEXAMPLE", Some(TOKEN)));
        } else {
            assert_eq!((seen.key(), seen.header("x-amz-security-token")), ("ASIAROLE0", Some(ROLE_TOKEN)));
        }
    }
}

#[tokio::test]
async fn a_role_that_is_denied_is_asked_for_once_and_explained() {
    let server =
        Server::start(|_, _| error("AccessDenied", "not authorized to perform: sts:AssumeRole")).await;
    let run = run(&server.url, json!({ "role_arn": ROLE, "external_id": EXTERNAL }));
    let all = futures_util::future::join_all((0..10).map(|_| describe(&run, REGION))).await;
    for one in all {
        let error = one.unwrap_err();
        assert_eq!((error.service.as_str(), error.fault), ("sts", Fault::Denied));
        let hint = error.hint.unwrap();
        assert!(hint.contains(ROLE) && hint.contains("trust policy"), "{hint}");
    }
    assert_eq!((server.count("AssumeRole"), server.count("DescribeInstances")), (1, 0));
}

#[tokio::test]
async fn a_roles_keys_are_renewed_before_they_expire_and_when_they_are_refused() {
    // Valid for four minutes: within the five before the end, so they serve the call they were asked for and no other.
    let server =
        Server::start(
            |seen, number| {
                if seen.is("AssumeRole") { assumed(number, 240) } else { http(200, "", "ok") }
            },
        )
        .await;
    let short = run(&server.url, json!({ "role_arn": ROLE }));
    for _ in 0..3 {
        describe(&short, REGION).await.unwrap();
    }
    assert_eq!(server.count("AssumeRole"), 3);

    // Revoked before their time: once more with new keys, and no more than once.
    for (refused, calls, assumed_roles) in [("ASIAROLE0", 2, 2), ("ASIAROLE", 2, 2)] {
        let server = Server::start(move |seen, number| {
            if seen.is("AssumeRole") {
                assumed(number, 3600)
            } else if seen.key().starts_with(refused) {
                error("ExpiredToken", "The security token included in the request is expired")
            } else {
                http(200, "", "ok")
            }
        })
        .await;
        let run = run(&server.url, json!({ "role_arn": ROLE }));
        assert_eq!(describe(&run, REGION).await.is_ok(), refused == "ASIAROLE0");
        assert_eq!((server.count("DescribeInstances"), server.count("AssumeRole")), (calls, assumed_roles));
    }
}

#[tokio::test]
async fn a_wrong_clock_is_corrected_by_the_date_also_where_ec2_only_says_that_keys_are_invalid() {
    for minutes in [-20, 20] {
        let clock = ShiftedClock { offset: minutes * 60 * SECOND };
        let server = Server::start(move |seen, _| {
            // The signed day and time of the true clock, to the minute before or after it.
            let now = SystemClock.now();
            let right = [-60, 0, 60].into_iter().any(|seconds| {
                let time = chrono::DateTime::<chrono::Utc>::from(system_time(now + seconds * SECOND));
                seen.header("x-amz-date").unwrap().starts_with(&time.format("%Y%m%dT%H%M").to_string())
            });
            let time = chrono::DateTime::<chrono::Utc>::from(system_time(now));
            let date = format!("Date: {}\r\n", time.format("%a, %d %b %Y %H:%M:%S GMT"));
            let refused = "<Response><Errors><Error><Code>AuthFailure</Code><Message>AWS was not able to validate the provided access credentials</Message></Error></Errors></Response>";
            if right { http(200, &date, "ok") } else { http(401, &date, refused) }
        })
        .await;
        let run = run_at(&server.url, json!({}), Arc::new(clock));
        assert_eq!(describe(&run, REGION).await.unwrap(), "ok");
        assert_eq!(describe(&run, REGION).await.unwrap(), "ok");
        assert_eq!(server.count("DescribeInstances"), 3, "corrected once, then remembered");
        let offset = (Client::new(&run, &REGION.into()).now() - SystemClock.now()).abs();
        assert!(offset <= 5 * SECOND, "windows use the corrected time too: {offset}");
    }
}

/// Everything of an error that could be written somewhere.
fn written(error: &CallError) -> String {
    format!("{error} {error:?} {}", error.hint.as_deref().unwrap_or_default())
}

#[tokio::test]
async fn no_error_shows_a_secret_whatever_the_cloud_echoes() {
    // A server that throws back all that it got, and all that it should not know.
    let echo = |code: &'static str| {
        move |seen: &Seen, number: usize| {
            if seen.is("AssumeRole") && code != "sts" {
                return assumed(number, 3600);
            }
            let known = format!("{SECRET} {TOKEN} {EXTERNAL} {ROLE_SECRET} {ROLE_TOKEN}");
            let all = format!("{known} {} {}", seen.body, seen.head);
            match code {
                "json" => http(400, "", &json!({ "__type": known, "message": known }).to_string()),
                "garbage" => http(200, "", &known),
                "half" => http(200, "", &format!("{{\"Metrics\": \"{known}\"")),
                "html" => http(503, "", &format!("<html>{all}</html>")),
                "sts" => http(
                    200,
                    "",
                    &format!(
                        "<AssumeRoleResponse><AssumeRoleResult><Credentials>\
                    <SecretAccessKey>{ROLE_SECRET}</SecretAccessKey><Expiration>{ROLE_TOKEN}</Expiration>\
                    </Credentials></AssumeRoleResult></AssumeRoleResponse>"
                    ),
                ),
                code => error(code, &all),
            }
        }
    };
    for code in
        ["SignatureDoesNotMatch", "AuthFailure", "ValidationError", "json", "garbage", "half", "html", "sts"]
    {
        let server = Server::start(echo(code)).await;
        for extra in [
            json!({ "security_token": TOKEN }),
            json!({ "security_token": TOKEN, "role_arn": ROLE, "external_id": EXTERNAL }),
        ] {
            let has_role = extra.get("role_arn").is_some();
            let run = run(&server.url, extra);
            let mut errors = vec![describe(&run, REGION).await.unwrap_err()];
            errors.push(Client::new(&run, &REGION.into()).json::<u64>(&LIST, &json!({})).await.unwrap_err());
            for error in errors {
                let text = written(&error);
                let mut secrets = vec![SECRET, TOKEN];
                if has_role {
                    secrets.extend([EXTERNAL, ROLE_SECRET, ROLE_TOKEN, "external+id", "external%20id"]);
                }
                for secret in secrets {
                    assert!(!text.contains(secret), "{code}: {secret} is in {text}");
                }
                assert!(error.message.chars().count() <= 300 && error.message.lines().count() <= 1, "{text}");
            }
        }
    }
    let run = run("http://127.0.0.1:9", json!({ "security_token": TOKEN }));
    let text = format!("{:?} {:?}", run.calls, run.account);
    assert!(!text.contains(SECRET) && !text.contains(TOKEN), "{text}");
}

#[tokio::test]
async fn a_host_that_no_dns_knows_looks_like_a_misspelt_region() {
    // No label of a host name is longer than 63: every resolver refuses it without asking anybody.
    let region = format!("cn-north-{}", "1".repeat(70));
    let mut run = run("http://unused", json!({}));
    Arc::make_mut(&mut run.account).endpoint = None;
    let error = describe(&run, &region).await.unwrap_err();
    assert_eq!((error.code.as_str(), error.fault), ("host not found", Fault::Transient), "{error}");
    assert!(error.hint.unwrap().contains("no region that AWS is known to have"));

    // Where somebody named the endpoint, the region is not to blame.
    let run = self::run(&format!("http://{}", "x".repeat(70)), json!({}));
    let error = describe(&run, "cn-nroth-1").await.unwrap_err();
    assert_eq!(error.code, "host not found", "{error}");
    assert!(error.hint.unwrap().contains("is not known"));
}

#[tokio::test]
async fn an_endpoint_that_is_none_is_said_before_any_call() {
    let run = run("localhost:4566", json!({}));
    let error = describe(&run, REGION).await.unwrap_err();
    assert_eq!((error.code.as_str(), error.fault), ("request cannot be made", Fault::Refused));
    assert!(error.message.contains("http://host:port"), "{error}");
    assert_eq!(run.counts.snapshot(), BTreeMap::new());
}
