//! DataKit's client against the strict double: what is sent, what is tried again, what comes back.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use funchost::sink::batch::Batch;
use funchost::sink::datakit::{DataKit, Delivery, Outcome};
use funchost_collectors::call::{CallPath, Options as CallOptions};
use funchost_collectors::clock::{Clock, SystemClock};
use funchost_collectors::point::Category;
use simcloud::{DataKitBehaviour, Options, Simcloud};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

struct World {
    clouds: Simcloud,
    datakit: DataKit,
}

async fn world() -> World {
    let clouds = Simcloud::start(Options::default()).await.unwrap();
    let http =
        CallPath::new(CallOptions::default(), Arc::new(SystemClock)).unwrap().http_for("http://localhost");
    let datakit = DataKit::new("datakit", &format!("{}/", clouds.datakit_url()), http).unwrap();
    World { datakit: datakit.with_patience(3, Duration::from_millis(500)), clouds }
}

fn batch(lines: &[String]) -> Batch {
    let mut batch = Batch::new(Category::Metric);
    for line in lines {
        batch.push(line.as_bytes(), SystemClock.now());
    }
    batch
}

fn good(count: usize) -> Vec<String> {
    (0..count).map(|index| format!("m,t=a{index} v={index}i {}", SystemClock.now())).collect()
}

impl World {
    async fn write(&self, lines: &[String]) -> Delivery {
        self.datakit.write(&batch(lines), Instant::now() + Duration::from_secs(20)).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_what_datakit_wants() {
    let world = world().await;
    let lines = good(3);
    let delivery = world.write(&lines).await;
    assert_eq!(delivery.delivered, 3);
    assert!(matches!(delivery.outcome, Outcome::Done) && delivery.rejected.is_empty());
    let requests = world.clouds.datakit().requests();
    let [request] = &requests[..] else { panic!("{requests:?}") };
    assert_eq!(request.path, "/v1/write/metric");
    assert_eq!(request.query, "precision=n&ignore_global_host_tags=1");
    assert_eq!(request.headers["content-encoding"], "gzip");
    assert_eq!(request.headers["content-type"], "application/line-protocol");
    assert_eq!(request.body, format!("{}\n", lines.join("\n")));
    assert!(world.clouds.datakit().hidden().is_empty());
    world.datakit.check().await.unwrap();
    assert_eq!(world.clouds.datakit().points().len(), 3, "a check stores nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_batch_loses_only_its_bad_lines() {
    let world = world().await;
    let mut lines = good(40);
    for index in [0, 17, 39] {
        lines[index] = format!("m,t=bad{index} v=NaN 1");
    }
    // A good line that quotes what looks like a position.
    lines[5] = format!("m,t=(pos:\\ 1) v=1i {}", SystemClock.now());
    let delivery = world.write(&lines).await;
    assert_eq!(delivery.delivered, 37);
    assert!(matches!(delivery.outcome, Outcome::Done));
    let mut rejected: Vec<&str> = delivery.rejected.iter().map(|line| line.line.as_str()).collect();
    rejected.sort_unstable();
    assert_eq!(rejected, ["m,t=bad0 v=NaN 1", "m,t=bad17 v=NaN 1", "m,t=bad39 v=NaN 1"]);
    for line in &delivery.rejected {
        assert_eq!(line.cause, "DataKit says: invalid field value");
    }
    assert_eq!(world.clouds.datakit().points().len(), 37);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_succeed_is_tried_again() {
    for behaviour in [
        DataKitBehaviour::Status(500),
        DataKitBehaviour::Status(503),
        DataKitBehaviour::Status(429),
        DataKitBehaviour::ResetBeforeBody,
        DataKitBehaviour::Hang,
    ] {
        let world = world().await;
        world.clouds.datakit().set_behaviour_for(behaviour.clone(), 1);
        let delivery = world.write(&good(2)).await;
        assert_eq!(delivery.delivered, 2, "{behaviour:?}: {delivery:?}");
        assert_eq!(world.clouds.datakit().requests().len(), 2, "{behaviour:?}");
        assert_eq!(world.clouds.datakit().points().len(), 2, "{behaviour:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_sends_the_same_points_again() {
    let world = world().await;
    world.clouds.datakit().set_behaviour_for(DataKitBehaviour::ResetAfterBody, 1);
    let delivery = world.write(&good(2)).await;
    assert_eq!(delivery.delivered, 2);
    let points = world.clouds.datakit().points();
    assert_eq!(points.len(), 4);
    assert_eq!(points[..2], points[2..], "the same points, the same times: nothing doubles");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_taken_comes_back_whole() {
    for (behaviour, requests, words) in [
        (DataKitBehaviour::Down, 0, "is DataKit running there?"),
        (DataKitBehaviour::Status(500), 3, "answers 500"),
        (DataKitBehaviour::Hang, 3, "did not answer in time"),
        (DataKitBehaviour::Status(403), 1, "public_apis"),
        (DataKitBehaviour::Status(302), 1, "a redirect, which is not followed"),
        (DataKitBehaviour::Status(404), 1, "there is no DataKit at this URL"),
    ] {
        let world = world().await;
        world.clouds.datakit().set_behaviour(behaviour.clone());
        let lines = good(3);
        let delivery = world.write(&lines).await;
        assert_eq!(delivery.delivered, 0, "{behaviour:?}");
        let Outcome::Kept { why, rest } = delivery.outcome else { panic!("{behaviour:?}") };
        assert!(why.contains(words), "{behaviour:?}: {why}");
        assert_eq!(rest.body(), batch(&lines).body(), "{behaviour:?}");
        assert_eq!(world.clouds.datakit().requests().len(), requests, "{behaviour:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_ends_the_trying() {
    let world = world().await;
    world.clouds.datakit().set_behaviour(DataKitBehaviour::Status(503));
    let delivery = world.datakit.write(&batch(&good(1)), Instant::now()).await;
    assert!(matches!(delivery.outcome, Outcome::Kept { .. }));
    assert!(world.clouds.datakit().requests().is_empty(), "the deadline had passed");
}

#[tokio::test]
async fn a_url_is_checked_and_its_password_not_shown() {
    let http =
        CallPath::new(CallOptions::default(), Arc::new(SystemClock)).unwrap().http_for("http://localhost");
    for bad in ["", "localhost:9529", "ftp://localhost", "http://"] {
        assert!(
            DataKit::new("dk2", bad, http.clone()).unwrap_err().to_string().contains("[datakits.dk2]"),
            "{bad}"
        );
    }
    let datakit = DataKit::new("dk2", "http://user:hunter2hunter2@127.0.0.1:1/prefix/", http).unwrap();
    assert!(!format!("{datakit:?}").contains("hunter2"));
    let delivery = datakit
        .with_patience(1, Duration::from_millis(200))
        .write(&batch(&good(1)), Instant::now() + Duration::from_secs(1))
        .await;
    let Outcome::Kept { why, .. } = delivery.outcome else { panic!("nobody listens there") };
    assert!(!why.contains("hunter2") && why.contains("127.0.0.1:1/prefix"), "{why}");
}

/// Answers every request with these bytes.
async fn stranger(answer: &'static str) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 65_536];
            drop(stream.read(&mut request).await);
            drop(stream.write_all(answer.as_bytes()).await);
        }
    });
    url
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_datakit_takes_no_points() {
    for (answer, words) in [
        // A login page, a proxy's refusal, and a DataKit that cannot unpack what a proxy has changed.
        (
            "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 19\r\n\r\n\n <html>log in</html>",
            "with a web page",
        ),
        (
            "HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 12\r\n\r\n<html></html",
            "what stands in between",
        ),
        (
            "HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 41\r\n\r\n{\"error_code\":\"datakit.decodeBodyFailed\"}",
            "what stands in between",
        ),
    ] {
        let http = CallPath::new(CallOptions::default(), Arc::new(SystemClock))
            .unwrap()
            .http_for("http://localhost");
        let datakit = DataKit::new("datakit", &stranger(answer).await, http).unwrap();
        for count in [1, 3] {
            let lines = good(count);
            let delivery = datakit.write(&batch(&lines), Instant::now() + Duration::from_secs(20)).await;
            assert_eq!(delivery.delivered, 0, "{answer}");
            assert!(delivery.rejected.is_empty(), "{answer}: {delivery:?}");
            let Outcome::Kept { why, rest } = delivery.outcome else { panic!("{answer}: nothing was kept") };
            assert!(why.contains(words) && why.contains("[datakits.datakit]"), "{why}");
            assert_eq!(rest.body(), batch(&lines).body());
        }
    }
}

/// A service lives long: a clock that has been set right is noticed, though nothing was written in between.
#[tokio::test]
async fn a_clock_that_is_set_right_is_noticed_by_the_same_process() {
    let world = world().await;
    let datakit = world.datakit.with_clock(Arc::new(SystemClock));
    let deadline = || Instant::now() + Duration::from_secs(20);
    for ahead in [3 * 3600, -3 * 3600] {
        world.clouds.datakit().set_clock_ahead(ahead);
        // Noticed while its clock was right, too: the last answer told another time.
        let held = datakit.write(&batch(&good(2)), deadline()).await;
        let taken =
            if held.delivered == 2 { datakit.write(&batch(&good(2)), deadline()).await } else { held };
        assert_eq!((taken.delivered, taken.too_old), (0, 0), "{ahead}");
        assert_eq!(taken.held.map(|held| held.batch.len()), Some(2), "{ahead}");
        world.clouds.datakit().set_clock_ahead(0);
        let sent = datakit.write(&batch(&good(2)), deadline()).await;
        assert_eq!((sent.delivered, sent.held.is_none()), (2, true), "{ahead}");
    }
}
