//! The wire, with the real binary: certificates, proxies, redirects.

use crate::support::{Ran, World, aws_script, ran};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use simcloud::{AwsEstate, DataKitBehaviour, Options};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::{Arc, Mutex};

const CHINA: &str = "cn-northwest-1";

/// Answers a request.
type Answer = Arc<dyn Fn(&str) -> String + Send + Sync>;

/// A server that answers everything alike; what came is kept. Ends with the test's process.
fn server(answer: String, tls: Option<Arc<rustls::ServerConfig>>) -> (u16, Arc<Mutex<Vec<String>>>) {
    answering(Arc::new(move |_| answer.clone()), tls)
}

/// The same with answers that depend on the request.
pub(crate) fn answering(
    answer: Answer,
    tls: Option<Arc<rustls::ServerConfig>>,
) -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let all = seen.clone();
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let (Ok(connection), answer, tls, all) = (connection, answer.clone(), tls.clone(), all.clone())
            else {
                return;
            };
            std::thread::spawn(move || match tls {
                None => serve(connection, &answer, &all),
                Some(config) => {
                    let session = rustls::ServerConnection::new(config).unwrap();
                    serve(rustls::StreamOwned::new(session, connection), &answer, &all);
                }
            });
        }
    });
    (port, seen)
}

fn serve(mut connection: impl Read + Write, answer: &Answer, all: &Mutex<Vec<String>>) {
    let mut bytes = Vec::new();
    let mut chunk = [0; 16_384];
    loop {
        let Ok(read @ 1..) = connection.read(&mut chunk) else { return };
        bytes.extend_from_slice(&chunk[..read]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length =
            head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
        if body.len() >= length.unwrap_or(0) {
            break;
        }
    }
    let request = String::from_utf8_lossy(&bytes).into_owned();
    let answer = answer(&request);
    all.lock().unwrap().push(request);
    let _ = connection.write_all(answer.as_bytes());
    let _ = connection.flush();
}

pub(crate) fn http(status: u16, headers: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status} Status\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

/// An error that only this server makes.
fn told() -> String {
    let body = "<Response><Errors><Error><Code>UnauthorizedOperation</Code><Message>said by the test</Message></Error></Errors><RequestID>id</RequestID></Response>";
    http(403, "", body)
}

async fn world(endpoint: &str) -> World {
    let world = World::new(Options::default()).await;
    let script = aws_script(&[CHINA], "[\"*cpu*\"]");
    let only_ec2: Vec<&str> = script.lines().collect();
    let from = only_ec2.iter().position(|line| line.contains("aws_cloudwatch::DataCollector")).unwrap();
    let to = from + only_ec2[from..].iter().position(|line| line.trim() == "}),").unwrap();
    let lines = only_ec2[..from].iter().chain(&only_ec2[to + 1..]).copied().collect::<Vec<_>>();
    world.write("my_aws/main.rhai", &lines.join("\n"));
    let config = std::fs::read_to_string(world.folder.path().join("funchost.toml")).unwrap();
    world.write("funchost.toml", &config.replace(&world.clouds.aws_url(), endpoint));
    world
}

fn run(world: &World, variables: &[(&str, &str)]) -> Ran {
    let mut command = world.command(&["run", "my_aws/main.rhai", "--force", "--output", "json"]);
    command.envs(variables.iter().copied());
    ran(&command.output().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_trusted_by_the_systems_roots_alone() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data_safety/tls");
    let certificate = CertificateDer::from(std::fs::read(folder.join("certificate.der")).unwrap());
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(std::fs::read(folder.join("key.der")).unwrap()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let (port, seen) = server(told(), Some(Arc::new(config)));
    let world = world(&format!("https://127.0.0.1:{port}")).await;

    // The test machine's own roots, or none at all: this authority is in neither.
    let untrusted = run(&world, &[]);
    assert_eq!(untrusted.code, 1, "{untrusted:?}");
    let ec2 = untrusted.collector("aws_ec2");
    let error = ec2["error"].as_str().unwrap();
    assert!(error.contains("certificate"), "{error}");
    assert_eq!(ec2["calls"]["ec2:DescribeInstances"], 1, "the same certificate would come again");
    assert!(seen.lock().unwrap().is_empty(), "nothing was sent");

    // With its authority among the system's roots the same server is asked.
    let authority = folder.join("authority.pem");
    let trusted = run(&world, &[("SSL_CERT_FILE", authority.to_str().unwrap())]);
    assert!(
        trusted.collector("aws_ec2")["error"].as_str().unwrap().contains("said by the test"),
        "{trusted:?}"
    );
    assert_eq!(seen.lock().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_to_another_host_gets_no_signed_request() {
    let (other, reached) = server(told(), None);
    for status in [301, 302, 303, 307, 308] {
        let location = format!("Location: http://127.0.0.1:{other}/?Signature=canary\r\n");
        let (port, seen) = server(http(status, &location, ""), None);
        let world = world(&format!("http://127.0.0.1:{port}")).await;
        let ran = run(&world, &[]);
        assert_eq!(ran.code, 1, "{ran:?}");
        let ec2 = ran.collector("aws_ec2");
        let error = ec2["error"].as_str().unwrap();
        assert!(error.contains("redirect refused"), "{error}");
        assert!(error.contains(&format!("127.0.0.1:{other}")) && !error.contains("canary"), "{error}");
        assert_eq!(seen.lock().unwrap().len(), 1, "{status}: tried once");
    }
    assert!(reached.lock().unwrap().is_empty(), "{:?}", reached.lock().unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn proxies_come_from_the_environment() {
    let (proxy, seen) = server(told(), None);
    let world = world("http://ec2.cloud.invalid").await;
    let url = format!("http://user:proxypassword@127.0.0.1:{proxy}");
    // DataKit on this machine is left out of it, whatever its name.
    let ran = run(&world, &[("HTTP_PROXY", &url), ("http_proxy", &url)]);
    let error = ran.collector("aws_ec2")["error"].as_str().unwrap().to_owned();
    assert!(error.contains("said by the test"), "{error}");
    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert!(seen[0].starts_with("POST http://ec2.cloud.invalid/ HTTP/1.1\r\n"), "{}", seen[0]);
    // `user:proxypassword` in base64.
    assert!(seen[0].to_lowercase().contains("proxy-authorization: basic"), "{}", seen[0]);
    assert!(seen[0].contains("dXNlcjpwcm94eXBhc3N3b3Jk"), "{}", seen[0]);
    assert!(!format!("{ran:?}").contains("proxypassword"), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_datakit_on_this_machine_is_not_looked_for_behind_a_proxy() {
    let (proxy, seen) = server(told(), None);
    let aws = AwsEstate { instances: 3, nasty: false, ..AwsEstate::default() };
    let world = World::new(Options { aws, ..Options::default() }).await;
    world.write("my_aws/main.rhai", &aws_script(&[CHINA], "[\"*cpu*\"]"));
    world.clouds.datakit().set_behaviour(DataKitBehaviour::Status(503));
    let kept = run(&world, &[]);
    assert!(kept.json()["outbox"]["waiting"].as_u64() > Some(0), "{kept:?}");
    world.clouds.datakit().set_behaviour(DataKitBehaviour::Accept);
    let url = format!("http://127.0.0.1:{proxy}");
    let mut command = world.command(&["outbox", "send"]);
    let sent = ran(&command
        .envs([("HTTP_PROXY", &url), ("http_proxy", &url), ("ALL_PROXY", &url)])
        .output()
        .unwrap());
    assert_eq!(sent.code, 0, "{sent:?}");
    assert!(!world.clouds.datakit().points().is_empty());
    assert!(seen.lock().unwrap().is_empty(), "{seen:?}");
}
