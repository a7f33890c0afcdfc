//! Spans for OpenTelemetry, from outside: the real program sends them to a collector on loopback, which decodes what arrives.

#![allow(clippy::disallowed_methods, reason = "a test waits for another process")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod support;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use simcloud::{AwsEstate, Options};
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use support::World;
use support::service::Serving;

const SCRIPT: &str = r#"
import "guance_integration__runner" as integration;
import "guance_integration__aws" as aws;
import "guance_aws_ec2__main" as aws_ec2;

let account = #{ ak_id: DFF.ENV("AWS_AK_ID"), ak_secret: DFF.ENV("AWS_AK_SECRET") };

@DFF.API("collects", timeout = 60)
fn run() {
    let own = Collector("my_instances", account, #{ regions: ["cn-north-1"] }, |ctx| {
        aws::client(ctx.account).request("ec2", "DescribeInstances", #{});
        [#{ tags: #{ name: "one" }, fields: #{ n: 1 } }]
    });
    Runner([aws_ec2::DataCollector(account, #{ regions: ["cn-north-1", "cn-northwest-1"] }), own]).run();
}

@DFF.API("has a secret where a region belongs", timeout = 60)
fn elsewhere() {
    let own = Collector("my_lost_instances", account, #{ regions: [DFF.ENV("MY_PASSWORD")] }, |ctx| {
        aws::client(ctx.account).request("ec2", "DescribeInstances", #{});
        []
    });
    Runner([own]).run();
}

@DFF.API("fails")
fn bad() {
    let key = account.ak_secret;
    throw `refused: ${key}`;
}
"#;

/// What an OTLP endpoint was sent: heads and bodies.
type Received = Arc<Mutex<Vec<(String, Vec<u8>)>>>;

/// Takes what is posted, one request a connection after the other.
fn endpoint() -> (String, Received) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let received = Received::default();
    let keep = received.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let keep = keep.clone();
            std::thread::spawn(move || {
                let mut reader = BufReader::new(stream);
                loop {
                    let mut head = String::new();
                    while !head.ends_with("\r\n\r\n") {
                        if reader.read_line(&mut head).unwrap_or(0) == 0 {
                            return;
                        }
                    }
                    let lower = head.to_lowercase();
                    let length = lower.split("content-length: ").nth(1).unwrap();
                    let length: usize = length.split("\r\n").next().unwrap().parse().unwrap();
                    let mut body = vec![0; length];
                    reader.read_exact(&mut body).unwrap();
                    keep.lock().unwrap().push((lower, body));
                    reader.get_mut().write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").unwrap();
                }
            });
        }
    });
    (address, received)
}

fn start(world: &World, variables: &[(&str, &str)]) -> Serving {
    let mut command = world.command(&["serve", "--listen", "127.0.0.1:0"]);
    command.envs(variables.iter().copied());
    Serving::start(command)
}

/// Runs a function to its end; answers with the status of the answer.
fn call(service: &Serving, func: &str) -> u16 {
    service.raw("POST", &format!("/api/v1/func/{func}"), &[], "").0
}

/// The attributes of a span, as texts.
fn attributes(span: &Span) -> BTreeMap<String, String> {
    let text = |value: Option<Any>| match value {
        Some(Any::StringValue(text)) => text,
        Some(Any::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    };
    let pairs = span.attributes.iter();
    pairs.map(|pair| (pair.key.clone(), text(pair.value.clone().and_then(|value| value.value)))).collect()
}

#[test]
fn runs_collectors_and_calls_are_spans_of_one_trace() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let aws = AwsEstate { instances: 3, nasty: false, ..AwsEstate::default() };
    let mut world = runtime.block_on(World::new(Options { aws, ..Options::default() }));
    world.variables.insert("MY_PASSWORD".into(), "hunter-two-2".into());
    world.write("scripts/demo/main.rhai", SCRIPT);
    let (address, received) = endpoint();
    let header = "header-that-nobody-may-see";
    let service = start(
        &world,
        &[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &address),
            ("OTEL_EXPORTER_OTLP_HEADERS", &format!("x-key={header}")),
        ],
    );
    assert_eq!(call(&service, "demo__main.run"), 200);
    assert_eq!(call(&service, "demo__main.bad"), 599);
    call(&service, "demo__main.elsewhere");
    assert_eq!(service.stop(), 0);

    let received = received.lock().unwrap();
    assert!(!received.is_empty(), "something was sent");
    let mut spans = Vec::new();
    for (head, body) in received.iter() {
        assert!(head.starts_with("post /v1/traces http/1.1"), "{head}");
        assert!(head.contains("content-type: application/x-protobuf"), "{head}");
        assert!(head.contains(&format!("x-key: {header}")), "the standard's headers go along: {head}");
        for name in ["AWS_AK_SECRET", "MY_PASSWORD"] {
            let secret = world.variables[name].as_bytes();
            assert!(!body.windows(secret.len()).any(|part| part == secret), "{name} is in the spans");
        }
        let request = ExportTraceServiceRequest::decode(body.as_slice()).unwrap();
        for resource in request.resource_spans {
            let about: Vec<String> =
                resource.resource.unwrap().attributes.into_iter().map(|one| one.key).collect();
            assert!(about.iter().any(|key| key == "service.name"), "{about:?}");
            spans.extend(resource.scope_spans.into_iter().flat_map(|scope| scope.spans));
        }
    }
    let named = |name: &str| -> Vec<&Span> { spans.iter().filter(|span| span.name == name).collect() };
    let children = |parent: &Span| -> Vec<&Span> {
        spans.iter().filter(|span| span.parent_span_id == parent.span_id).collect()
    };
    let [run] = named("demo__main.run")[..] else { panic!("{spans:#?}") };
    assert!(run.parent_span_id.is_empty(), "a run is the root of its trace");
    let about = attributes(run);
    for (key, value) in [("status", "success"), ("origin", "sync"), ("attempt", "1"), ("run", "1")] {
        assert_eq!(about.get(key).map(String::as_str), Some(value), "{about:?}");
    }

    let mut collectors = children(run);
    collectors.sort_by_key(|span| span.start_time_unix_nano);
    let names: Vec<&str> = collectors.iter().map(|span| span.name.as_str()).collect();
    assert_eq!(names, ["aws_ec2", "my_instances"]);
    for (collector, calls) in collectors.iter().zip([2, 1]) {
        assert_eq!(attributes(collector)["status"], "collected");
        assert_eq!(attributes(collector)["calls"], calls.to_string());
        let made = children(collector);
        assert_eq!(made.len(), calls, "each call of {} is a part of it: {made:#?}", collector.name);
        for call in made {
            assert_eq!((call.name.as_str(), &call.trace_id), ("ec2:DescribeInstances", &run.trace_id));
            let about = attributes(call);
            assert_eq!((about["cloud"].as_str(), about["attempts"].as_str()), ("aws", "1"), "{about:?}");
            assert!(about["region"].starts_with("cn-"), "{about:?}");
            let starts = [run, collector, call].map(|span| span.start_time_unix_nano);
            assert!(starts.is_sorted(), "{starts:?}");
            assert!(call.end_time_unix_nano > call.start_time_unix_nano);
        }
    }

    let [bad] = named("demo__main.bad")[..] else { panic!("{spans:#?}") };
    let status = bad.status.as_ref().unwrap();
    assert_eq!(status.code, 2, "an error: {status:?}");
    assert!(status.message.starts_with("refused: *"), "why, without the secret: {status:?}");
    assert_ne!(bad.trace_id, run.trace_id);

    // Also where a script puts it into what a span says.
    let [elsewhere] = named("demo__main.elsewhere")[..] else { panic!("{spans:#?}") };
    let names: Vec<_> = spans.iter().map(|span| (span.name.as_str(), attributes(span))).collect();
    let [collector] = children(elsewhere)[..] else { panic!("{names:?}") };
    let [call] = children(collector)[..] else { panic!("{names:?}") };
    assert_eq!(attributes(call)["region"], "****", "{call:#?}");
    assert_eq!(spans.len(), 10, "{spans:#?}");
}

#[test]
fn an_endpoint_that_is_none_is_said_and_one_that_is_away_holds_nothing_up() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let world = runtime.block_on(World::new(Options::default()));
    world.write("scripts/demo/main.rhai", SCRIPT);
    let mut command = world.command(&["serve", "--listen", "127.0.0.1:0"]);
    let refused =
        support::ran(&command.env("OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4318").output().unwrap());
    assert_eq!(refused.code, 2, "{refused:?}");
    assert!(
        refused.stderr.contains("the endpoint of spans is no URL: write `http://host:4318`"),
        "{refused:?}"
    );

    let away = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let service = start(&world, &[("OTEL_EXPORTER_OTLP_ENDPOINT", &format!("http://{away}"))]);
    assert_eq!(call(&service, "demo__main.bad"), 599);
    assert_eq!(service.stop(), 0);
}

#[test]
fn an_endpoint_that_takes_spans_and_never_answers_does_not_hold_up_the_end() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let world = runtime.block_on(World::new(Options::default()));
    world.write("scripts/demo/main.rhai", SCRIPT);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let taken = Arc::new(Mutex::new(Vec::new()));
    let keep = taken.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            keep.lock().unwrap().push(stream);
        }
    });
    // As patient as it is when nothing is said.
    let mut service = start(&world, &[("OTEL_EXPORTER_OTLP_ENDPOINT", &address)]);
    assert_eq!(call(&service, "demo__main.bad"), 599);
    service.signal("TERM");
    assert_eq!(service.ended(), 0);
    let said = service.said();
    let at = |words: &str| said.find(words).unwrap_or_else(|| panic!("{words}: {said}"));
    let order = ["stopping", "the last spans could not be sent", " stopped"].map(at);
    assert!(order.is_sorted(), "{said}");
    assert!(!taken.lock().unwrap().is_empty(), "it was asked, and said nothing");
    let record = world.binary(&["runs", "1", "--output", "json"]).json();
    assert_eq!(record["status"], "failure", "the end of the run is in the state: {record:#}");
}
