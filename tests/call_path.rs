//! The one path of every call, against a server that answers as it is told: attempts, classes of failure, bounds, secrets.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use bytes::Bytes;
use funchost_collectors::account::Cloud;
use funchost_collectors::call::{Call, CallError, CallPath, Counts, Fault, Options, Refusal, cut};
use funchost_collectors::clock::{Clock as _, SECOND, SystemClock, system_time};
use funchost_collectors::collector::Action;
use http::{HeaderMap, StatusCode};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
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
    server_of_bytes(answers.into_iter().map(String::into_bytes).collect()).await
}

async fn server_of_bytes(answers: Vec<Vec<u8>>) -> (String, Arc<AtomicUsize>) {
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
                let _ = connection.write_all(&answer).await;
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

/// A body `ok` is right; `throttle`, `denied`, `authentication` and `skewed` say so; all else cannot be read.
fn read(status: StatusCode, _: &HeaderMap, body: &[u8]) -> Result<String, Refusal> {
    let fault = match body {
        b"ok" if status.is_success() => return Ok("ok".into()),
        b"throttle" => Fault::Throttled,
        b"denied" => Fault::Denied,
        b"authentication" => Fault::Authentication,
        b"skewed" => Fault::Skewed,
        _ => return Err(Refusal::unreadable("not ok")),
    };
    Err(Refusal {
        fault,
        code: "Code".into(),
        message: "words".into(),
        request_id: None,
        hint: None,
        wait: None,
    })
}

async fn call(path: &CallPath, url: &str) -> (Result<String, CallError>, u64) {
    let counts = Counts::default();
    let request =
        |_: i64| http::Request::post(url).body(Bytes::from_static(b"x")).map_err(|error| error.to_string());
    let place = Mutex::new(None);
    let into = |status, headers: &HeaderMap, body: &[u8]| {
        read(status, headers, body).map(|answer| *place.lock().unwrap() = Some(answer))
    };
    let result = path
        .call(Call {
            cloud: Cloud::Aws,
            account: "aws/A",
            region: "cn-north-1",
            action: &ACTION,
            metrics: 0,
            counts: &counts,
            request: &request,
            read: &into,
        })
        .await
        .map(|()| place.lock().unwrap().take().unwrap());
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
    let (url, _) =
        server(vec![answer("307 Moved", &format!("Location: {elsewhere}/?Signature=x\r\n"), "")]).await;
    let error = call(&path(options()), &url).await.0.unwrap_err();
    assert_eq!(error.code, "redirect refused");
    assert!(error.message.contains(elsewhere.trim_start_matches("http://")), "{error}");
    assert!(!error.message.contains("Signature"), "a query can hold what was signed: {error}");
    assert_eq!(reached.load(Ordering::SeqCst), 0, "signed headers stay here");
}

#[tokio::test]
async fn nobody_there_is_said_with_a_way_out() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let error = call(&path(options()), &format!("http://{free}/")).await.0.unwrap_err();
    assert_eq!((error.code.as_str(), error.attempts), ("no connection", 5));
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
    // Refused for its time though the clocks agree, or nobody says the time: once is enough.
    for headers in [String::new(), date_header(0)] {
        let (url, seen) = server(vec![answer("403 No", &headers, "skewed")]).await;
        let error = call(&path(options()), &url).await.0.unwrap_err();
        assert_eq!((error.fault, seen.load(Ordering::SeqCst)), (Fault::Skewed, 1));
        assert!(error.hint.unwrap().contains("expired"));
    }
}

/// A `Date` that lies so many seconds after the machine's time.
fn date_header(seconds: i64) -> String {
    let time = system_time(SystemClock.now() + seconds * SECOND);
    let time = chrono::DateTime::<chrono::Utc>::from(time);
    format!("Date: {}\r\n", time.format("%a, %d %b %Y %H:%M:%S GMT"))
}

#[tokio::test]
async fn whatever_the_words_the_date_decides_about_the_clock() {
    for body in ["denied", "authentication", "skewed"] {
        for (ahead, attempts) in [(0, 1), (200, 1), (-200, 1), (300, 2), (-300, 2)] {
            let headers = date_header(ahead);
            let (url, seen) = server(vec![answer("403 No", &headers, body)]).await;
            let path = path(options());
            let error = call(&path, &url).await.0.unwrap_err();
            assert_eq!(
                (error.attempts, seen.load(Ordering::SeqCst)),
                (attempts, attempts as usize),
                "{body} {ahead}"
            );
            let offset = path.offset(Cloud::Aws) / SECOND;
            assert!((offset - ahead).abs() <= 2, "{offset}: every answer's date is kept");
            // The next call is signed with the right time: nothing is left to correct.
            assert_eq!(call(&path, &url).await.0.unwrap_err().attempts, 1, "{body} {ahead}");
        }
    }
}

#[tokio::test]
async fn each_attempt_is_signed_for_its_own_time_by_the_clouds_clock() {
    let far = date_header(3600);
    let (url, _) =
        server(vec![answer("503 No", &far, "x"), answer("503 No", &far, "x"), answer("200 OK", &far, "ok")])
            .await;
    let path = path(options());
    let times = Mutex::new(Vec::new());
    let request = |time: i64| {
        times.lock().unwrap().push(time);
        http::Request::post(&url).body(Bytes::new()).map_err(|error| error.to_string())
    };
    let counts = Counts::default();
    let into = |status, headers: &HeaderMap, body: &[u8]| read(status, headers, body).map(drop);
    let call = Call {
        cloud: Cloud::Aws,
        account: "aws/A",
        region: "",
        action: &ACTION,
        metrics: 0,
        counts: &counts,
        request: &request,
        read: &into,
    };
    path.call(call).await.unwrap();
    let times = times.into_inner().unwrap();
    assert_eq!(times.len(), 3);
    assert!(times[1] - times[0] > 3500 * SECOND, "{times:?}");
    assert!(times[2] > times[1], "{times:?}");
    assert!(path.now(Cloud::Aws) - SystemClock.now() > 3500 * SECOND);
}

#[tokio::test]
async fn a_clock_that_differs_by_a_second_or_two_is_right() {
    for seconds in [0, 1, -1] {
        let (url, _) = server(vec![answer("200 OK", &date_header(seconds), "ok")]).await;
        let path = path(options());
        call(&path, &url).await.0.unwrap();
        assert_eq!(path.offset(Cloud::Aws), 0, "{seconds}");
    }
}

#[tokio::test]
async fn a_server_that_asks_to_wait_is_called_again_whatever_it_writes() {
    for asked in ["0", "soon", "-5", "Fri, 01 Jan 2010 00:00:00 GMT", "99999999999999999999999"] {
        let refused = answer("503 No", &format!("Retry-After: {asked}\r\n"), "x");
        let (url, _) = server(vec![refused, answer("200 OK", "", "ok")]).await;
        assert_eq!(call(&path(options()), &url).await.1, 2, "{asked}");
    }
    // An hour is bounded to a minute, in which nothing is called: without the header it would be five times by now.
    let (url, seen) = server(vec![answer("503 No", "Retry-After: 3600\r\n", "x")]).await;
    let path = path(options());
    assert!(tokio::time::timeout(Duration::from_secs(1), call(&path, &url)).await.is_err());
    assert_eq!(seen.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_rate_that_is_none_is_refused() {
    for rate in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let mut options = options();
        options.limits.insert("aws.ec2.DescribeInstances".into(), rate);
        let error = CallPath::new(options, Arc::new(SystemClock)).unwrap_err();
        assert!(error.to_string().contains("aws.ec2.DescribeInstances"), "{error}");
    }
}

#[tokio::test]
async fn a_small_answer_that_unpacks_to_a_huge_one_is_cut() {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::Write::write_all(&mut packer, &vec![b' '; 50_000_000]).unwrap();
    let packed = packer.finish().unwrap();
    assert!(packed.len() < 100_000);
    let mut bytes = format!(
        "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        packed.len()
    )
    .into_bytes();
    bytes.extend(packed);
    let (url, seen) = server_of_bytes(vec![bytes]).await;
    let error = call(&path(options()), &url).await.0.unwrap_err();
    assert_eq!((error.code.as_str(), error.message.as_str()), ("answer too large", too_large(&url).as_str()));
    assert_eq!(seen.load(Ordering::SeqCst), 1);
}

fn too_large(url: &str) -> String {
    format!("{} sent more than 100000 bytes", url.trim_start_matches("http://"))
}

#[tokio::test]
async fn tls_towards_a_server_without_it_is_tried_once_and_explained() {
    let (url, seen) = server(vec![answer("400 Bad", "", "this is plain HTTP")]).await;
    let error = call(&path(options()), &url.replace("http://", "https://")).await.0.unwrap_err();
    assert_eq!((error.code.as_str(), seen.load(Ordering::SeqCst)), ("tls", 1), "{error}");
    assert!(error.hint.unwrap().contains("should its endpoint begin with http://"));
}

#[tokio::test]
async fn an_answer_that_never_comes_is_said_with_the_limit() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/?Signature=SECRET", listener.local_addr().unwrap());
    let error =
        call(&path(Options { answer: Duration::from_millis(50), ..options() }), &url).await.0.unwrap_err();
    assert_eq!((error.code.as_str(), error.attempts), ("timeout", 5));
    assert!(error.message.contains("no answer within 0.05 s"), "{error}");
    assert!(!format!("{error:?}").contains("SECRET"), "a query can hold what was signed: {error:?}");
}

#[tokio::test]
async fn a_request_that_cannot_be_made_is_no_call() {
    let path = path(options());
    for url in ["nonsense", "mailto:x", "http:///x"] {
        let (result, counted) = call(&path, url).await;
        let error = result.unwrap_err();
        assert_eq!((error.code.as_str(), counted), ("request cannot be made", 0), "{url}: {error}");
    }
}

#[tokio::test]
async fn every_refused_attempt_takes_its_turn_and_is_counted() {
    // Two accounts share nothing; two callers of one account share the bucket and both are counted.
    let (url, seen) = server(vec![answer("400 Bad", "", "throttle")]).await;
    let path = path(Options { attempts: 2, ..options() });
    let (one, other) = tokio::join!(call(&path, &url), call(&path, &url));
    assert_eq!((one.1, other.1, seen.load(Ordering::SeqCst)), (2, 2, 4));
    assert!(path.notes().iter().any(|note| note.contains("was throttled 4 times")), "{:?}", path.notes());
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
        notes.iter().any(|note| note.contains("ec2:DescribeInstances was throttled 1 time in cn-north-1")
            && note.contains("configured: 50")),
        "{notes:?}"
    );
}

#[tokio::test]
async fn a_throttle_halves_the_rate_and_success_raises_it_to_the_configured_one() {
    let throttled = || answer("400 Bad", "", "throttle");
    let answers = vec![throttled(), throttled(), answer("200 OK", "", "ok")];
    let (url, seen) = server(answers).await;
    let path = path(options());
    let rate = |expected: &str| {
        let notes = path.notes();
        assert!(notes.iter().any(|note| note.contains(expected)), "{expected}: {notes:?}");
    };
    // Two answers that throttle, each to a call by the rate of its time, and a success: 1000, 500, 250, and a twentieth of 1000 more.
    assert_eq!(call(&path, &url).await.0.unwrap(), "ok");
    rate("was throttled 2 times in cn-north-1: slowed down to 300.0 calls a second (configured: 1000)");
    for done in 1..=13 {
        assert_eq!(call(&path, &url).await.0.unwrap(), "ok");
        rate(&format!("slowed down to {}.0 calls a second", 300 + 50 * done));
    }
    for _ in 0..5 {
        assert_eq!(call(&path, &url).await.0.unwrap(), "ok");
        rate(
            "was throttled 2 times in cn-north-1: slowed down, and back at 1000 calls a second as configured",
        );
    }
    assert_eq!(seen.load(Ordering::SeqCst), 21, "each attempt was made once");
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
