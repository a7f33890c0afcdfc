//! Where calls go: every region's own host, as the product's SDK has it. Requests are handed to the double with the host that they were signed for.

use super::*;
use funchost_collectors::account::Account;
use funchost_collectors::call::{Answered, Asked, CallError, CallPath, Counts, Options as CallOptions, Tap};
use funchost_collectors::clock::{Clock, SystemClock};
use funchost_collectors::collector::{Failure, MarkKey, Output, Window};
use funchost_collectors::point::Text;
use funchost_collectors::run::{Memory, Run, WindowRequest};
use std::io::{Read as _, Write as _};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Hands requests to the double that listens there, as they are.
#[derive(Debug)]
struct ToDouble {
    address: String,
    /// Region and host of every call, and how it was answered.
    seen: Mutex<BTreeSet<(String, String, u16)>>,
}

impl ToDouble {
    fn ask(&self, request: &reqwest::Request, host: &str) -> std::io::Result<(u16, Vec<u8>)> {
        let mut connection = std::net::TcpStream::connect(&self.address)?;
        let query = request.url().query().map(|query| format!("?{query}")).unwrap_or_default();
        let mut head = format!("{} {}{query} HTTP/1.1\r\n", request.method(), request.url().path());
        head.push_str(&format!("host: {host}\r\nconnection: close\r\n"));
        for (name, value) in request.headers().iter().filter(|(name, _)| *name != "host") {
            head.push_str(&format!("{name}: {}\r\n", value.to_str().expect("a header is text")));
        }
        let body = request.body().and_then(reqwest::Body::as_bytes).unwrap_or_default();
        head.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
        connection.write_all(head.as_bytes())?;
        connection.write_all(body)?;
        let mut answer = Vec::new();
        connection.read_to_end(&mut answer)?;
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("an answer has a head");
        let head = String::from_utf8_lossy(&answer[..end]).into_owned();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        Ok((status, answer.split_off(end + 4)))
    }
}

impl Tap for ToDouble {
    fn answer(&self, asked: &Asked<'_>) -> Option<Result<Answered, String>> {
        let host = asked.request.url().host_str().expect("a host").to_owned();
        let (status, body) = match self.ask(asked.request, &host) {
            Ok(answer) => answer,
            Err(error) => return Some(Err(error.to_string())),
        };
        self.seen.lock().unwrap().insert((asked.region.to_owned(), host, status));
        let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        Some(Ok(Answered { status, headers, body }))
    }

    fn heard(&self, _: &Asked<'_>, _: &Answered) {}

    fn ended(&self, _: &str, _: &str, _: Result<(), &CallError>) {}
}

/// Remembers nothing.
struct Nothing;

#[async_trait::async_trait]
impl Memory for Nothing {
    async fn recall(&self, _: &str) -> Result<Option<Vec<u8>>, Failure> {
        Ok(None)
    }
    async fn remember(&self, _: &str, _: &[u8], _: Duration) -> Result<(), Failure> {
        Ok(())
    }
    async fn windows(&self, _: &[(MarkKey, WindowRequest)]) -> Result<Vec<Window>, Failure> {
        Ok(Vec::new())
    }
    async fn objects(&self, _: &str, _: &str) -> Result<Vec<Arc<BTreeMap<Text, Text>>>, Failure> {
        Ok(Vec::new())
    }
}

/// What a collector finds in these regions, and where it asked: region, host, status.
async fn asked(
    world: &World,
    name: &str,
    configs: Json,
) -> (Vec<(Text, Result<(), Failure>)>, BTreeSet<(String, String, u16)>) {
    let keys = world.clouds.aliyun_keys();
    let account = json!({ "ak_id": keys.access_key, "ak_secret": keys.secret_key });
    let account = Account::read(Cloud::Aliyun, &account).expect("the account is good");
    let found = funchost_collectors::COLLECTORS.iter().find(|one| one.description().name == name);
    let spec = found.expect("it is declared").read(&account, &configs).expect("the configuration is good");
    let address = world.clouds.aliyun_url().trim_start_matches("http://").to_owned();
    let tap = Arc::new(ToDouble { address, seen: Mutex::default() });
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let options = CallOptions { tap: Some(tap.clone()), ..CallOptions::default() };
    let (output, mut outputs) = tokio::sync::mpsc::channel(64);
    let run = Run {
        account: Arc::new(account),
        started: clock.now(),
        clock: clock.clone(),
        calls: Arc::new(CallPath::new(options, clock).expect("the options are good")),
        counts: Arc::new(Counts::default()),
        memory: Arc::new(Nothing),
        filter: None,
        output,
    };
    let collecting = async move {
        spec.collect(&run, &spec.regions()).await;
        drop(run);
    };
    let reading = async {
        let mut done = Vec::new();
        while let Some(output) = outputs.recv().await {
            if let Output::Done { region, result } = output {
                done.push((region, result));
            }
        }
        done
    };
    let ((), done) = tokio::join!(collecting, reading);
    let seen = tap.seen.lock().unwrap().clone();
    (done, seen)
}

/// As the clients of the products' SDKs have it (`_endpoint_map`): some regions share a host, others have their own.
#[tokio::test(flavor = "multi_thread")]
async fn every_region_is_asked_at_its_own_host() {
    let world = World::new(Options::default()).await;
    world.clouds.set_market(Vec::new(), Estate::new(Cloud::Aliyun).tables(), Vec::new());
    for (name, configs, hosts) in [
        (
            "aliyun_vpc",
            json!({ "regions": ["cn-hangzhou", "cn-shanghai", "ap-southeast-1"] }),
            [
                ("ap-southeast-1", "vpc.ap-southeast-1.aliyuncs.com"),
                ("cn-hangzhou", "vpc.aliyuncs.com"),
                ("cn-shanghai", "vpc.cn-shanghai.aliyuncs.com"),
            ]
            .as_slice(),
        ),
        (
            "aliyun_mongodb",
            json!({ "regions": ["cn-hangzhou", "cn-shanghai", "ap-southeast-1"], "details": [] }),
            &[
                ("ap-southeast-1", "mongodb.ap-southeast-1.aliyuncs.com"),
                ("cn-hangzhou", "mongodb.aliyuncs.com"),
                ("cn-shanghai", "mongodb.aliyuncs.com"),
            ],
        ),
        ("aliyun_tds", json!({}), &[("cn-shanghai", "tds.cn-shanghai.aliyuncs.com")]),
        (
            "aliyun_waf",
            json!({}),
            &[
                ("ap-southeast-1", "wafopenapi.ap-southeast-1.aliyuncs.com"),
                ("cn-hangzhou", "wafopenapi.cn-hangzhou.aliyuncs.com"),
            ],
        ),
        ("aliyun_domain", json!({}), &[("", "domain.aliyuncs.com")]),
        (
            "aliyun_elasticsearch",
            json!({ "regions": ["cn-shanghai"] }),
            &[("cn-shanghai", "elasticsearch.cn-shanghai.aliyuncs.com")],
        ),
    ] {
        let (done, seen) = asked(&world, name, configs).await;
        assert!(!done.is_empty() && done.iter().all(|(_, result)| result.is_ok()), "{name}: {done:?}");
        let wanted: BTreeSet<(String, String, u16)> =
            hosts.iter().map(|(region, host)| ((*region).to_owned(), (*host).to_owned(), 200)).collect();
        assert_eq!(seen, wanted, "{name}");
    }
}
