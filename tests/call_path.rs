//! The one path of every call, against a server that answers as it is told: attempts, classes of failure, bounds, secrets.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use bytes::Bytes;
use funchost_collectors::account::Cloud;
use funchost_collectors::call::{Call, CallError, CallPath, Counts, Fault, Options, Refusal, cut};
use funchost_collectors::clock::{SECOND, SystemClock};
use funchost_collectors::collector::Action;
use http::{HeaderMap, StatusCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

static ACTION: Action = Action {
    service: "ec2",
    action: "DescribeInstances",
    permission: "ec2:DescribeInstances",
    rate: 1000.0,
    when: "",
};

/// Answers each connection with the next of these texts, then with the last one.
async fn server(answers: Vec<String>) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let count = Arc::new(AtomicUsize::new(0));
    let seen = count.clone();
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            let index = seen.fetch_add(1, Ordering::SeqCst);
            let answer = answers[index.min(answers.len() - 1)].clone();
            tokio::spawn(async move {
                let mut request = [0; 4096];
                let _ = connection.read(&mut request).await;
                let _ = connection.write_all(answer.as_bytes()).await;
            });
        }
    });
    (url, count)
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}

fn options() -> Options {
    Options {
        backoff: (Duration::from_millis(1), Duration::from_millis(5)),
        answer: Duration::from_millis(400),
        answer_limit: 100_000,
        ..Options::default()
    }
}

/// A body `ok` is right; `throttle`, `denied` and `skewed` say so; all else cannot be read.
fn read(status: StatusCode, _: &HeaderMap, body: &[u8]) -> Result<String, Refusal> {
    let fault = match body {
        b"ok" if status.is_success() => return Ok("ok".into()),
        b"throttle" => Fault::Throttled,
        b"denied" => Fault::Denied,
        b"skewed" => Fault::Skewed,
        _ => return Err(Refusal::unreadable("not ok")),
    };
    Err(Refusal { fault, code: "Code".into(), message: "words".into(), request_id: None, hint: None })
}

async fn call(path: &CallPath, url: &str) -> (Result<String, CallError>, u64) {
    let counts = Counts::default();
    let request =
        |_: i64| http::Request::post(url).body(Bytes::from_static(b"x")).map_err(|error| error.to_string());
    let result = path
        .call(Call {
            cloud: Cloud::Aws,
            account: "aws/A",
            region: "cn-north-1",
            action: &ACTION,
            counts: &counts,
            request: &request,
            read: &read,
        })
        .await;
    (result, counts.snapshot().get("ec2:DescribeInstances").copied().unwrap_or(0))
}

fn path(options: Options) -> CallPath {
    CallPath::new(options, Arc::new(SystemClock)).unwrap()
}

#[tokio::test]
async fn what_can_succeed_is_tried_five_times_and_what_cannot_once() {
    for (body, attempts, fault) in
        [("throttle", 5, Fault::Throttled), ("<html>", 5, Fault::Transient), ("denied", 1, Fault::Denied)]
    {
        let (url, seen) = server(vec![answer("400 Bad", "", body)]).await;
        let (result, counted) = call(&path(options()), &url).await;
        let error = result.unwrap_err();
        assert_eq!((error.fault, error.attempts, counted), (fault, attempts, u64::from(attempts)), "{body}");
        assert_eq!(seen.load(Ordering::SeqCst), attempts as usize);
    }
    let (url, _) =
        server(vec![answer("500 No", "", "x"), answer("200 OK", "", "<html>"), answer("200 OK", "", "ok")])
            .await;
    let (result, counted) = call(&path(options()), &url).await;
    assert_eq!((result.unwrap().as_str(), counted), ("ok", 3));
}

#[tokio::test]
async fn cut_hanging_and_closed_answers_are_tried_again() {
    let cut_short = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf".to_owned();
    for first in [cut_short, String::new(), "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n".to_owned()] {
        let (url, _) = server(vec![first.clone(), answer("200 OK", "", "ok")]).await;
        let (result, counted) = call(&path(options()), &url).await;
        assert_eq!(result.unwrap(), "ok", "{first}");
        assert_eq!(counted, 2);
    }
}

#[tokio::test]
async fn an_answer_without_end_is_cut_with_an_error() {
    let (url, seen) = server(vec![answer("200 OK", "", &"x".repeat(1_000_000))]).await;
    let error = call(&path(options()), &url).await.0.unwrap_err();
    assert_eq!(error.code, "answer too large");
    assert_eq!(seen.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_redirect_is_refused() {
    let (elsewhere, reached) = server(vec![answer("200 OK", "", "ok")]).await;
    let (url, _) = server(vec![answer("307 Moved", &format!("Location: {elsewhere}/\r\n"), "")]).await;
    let error = call(&path(options()), &url).await.0.unwrap_err();
    assert_eq!(error.code, "redirect refused");
    assert_eq!(reached.load(Ordering::SeqCst), 0, "signed headers stay here");
}

#[tokio::test]
async fn nobody_there_is_said_with_a_way_out() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let error = call(&path(options()), &format!("http://{free}/")).await.0.unwrap_err();
    assert_eq!((error.code.as_str(), error.attempts), ("connection", 5));
    assert!(error.hint.unwrap().contains("nothing answers at 127.0.0.1"));
}

#[tokio::test]
async fn the_servers_date_corrects_the_clock_once() {
    let date = "Date: Fri, 01 Jan 2100 00:00:00 GMT\r\n";
    let (url, seen) = server(vec![answer("403 No", date, "skewed"), answer("200 OK", date, "ok")]).await;
    let path_one = path(options());
    assert_eq!(call(&path_one, &url).await.0.unwrap(), "ok");
    assert_eq!(seen.load(Ordering::SeqCst), 2);
    assert!(path_one.offset(Cloud::Aws) > 10 * 365 * 86_400 * SECOND);
    assert_eq!(path_one.offset(Cloud::Aliyun), 0, "each cloud has its own clock");
    assert!(path_one.notes().iter().any(|note| note.contains("clock")));
    // Refused for its time though the clocks agree: once is enough.
    let (url, seen) = server(vec![answer("403 No", "", "skewed")]).await;
    let error = call(&path(options()), &url).await.0.unwrap_err();
    assert_eq!((error.fault, seen.load(Ordering::SeqCst)), (Fault::Skewed, 1));
    assert!(error.hint.unwrap().contains("expired"));
}

#[tokio::test]
async fn a_throttled_bucket_is_named_and_limits_are_found_by_name() {
    let (url, _) = server(vec![answer("400 Bad", "", "throttle"), answer("200 OK", "", "ok")]).await;
    let mut slow = options();
    slow.limits.insert("AWS.EC2.describeinstances".into(), 50.0);
    let path = path(slow);
    assert_eq!(call(&path, &url).await.0.unwrap(), "ok");
    let notes = path.notes();
    assert!(
        notes.iter().any(|note| note.contains("ec2:DescribeInstances was throttled 1 times in cn-north-1")
            && note.contains("configured: 50")),
        "{notes:?}"
    );
}

#[tokio::test]
async fn a_configured_service_wins_over_its_cloud() {
    let mut configured = options();
    configured.endpoints.insert("aws".into(), "http://all".into());
    configured.endpoints.insert("aws.monitoring".into(), "http://one".into());
    let path = path(configured);
    assert_eq!(path.endpoint(Cloud::Aws, "monitoring"), Some("http://one"));
    assert_eq!(path.endpoint(Cloud::Aws, "ec2"), Some("http://all"));
    assert_eq!(path.endpoint(Cloud::Tencent, "cvm"), None);
}

#[test]
fn foreign_text_is_cut() {
    assert_eq!(cut("two\nlines\tand   blanks "), "two lines and blanks");
    assert_eq!(cut(&"长".repeat(400)).chars().count(), 300);
}
