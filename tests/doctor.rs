//! `funchost doctor`: each thing that can be wrong is made wrong, and the whole answer is a snapshot.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

mod support;

use simcloud::{AliyunEstate, AwsEstate, DataKitBehaviour, Fault, FaultKind, Options, TencentEstate};
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::process::Command;
use support::{Ran, World, aws_script};

async fn world() -> World {
    let aws = AwsEstate { instances: 3, nasty: false, ..AwsEstate::default() };
    let world = World::new(Options { aws, ..Options::default() }).await;
    world.write("my_aws/main.rhai", &aws_script(&["cn-north-1"], "[\"*cpu*\"]"));
    world
}

/// The answer without what differs from run to run: folder, ports, free space.
fn steady(world: &World, ran: &Ran) -> String {
    let folder = world.folder.path().display().to_string();
    let text = format!("{}----\n{}exit {}\n", ran.stdout, ran.stderr, ran.code);
    let text = text
        .replace(&folder, "FOLDER")
        .replace(&world.clouds.aws_url(), "http://AWS")
        .replace(world.clouds.aws_url().trim_start_matches("http://"), "AWS")
        .replace(world.clouds.aliyun_url().trim_start_matches("http://"), "ALIYUN")
        .replace(world.clouds.tencent_url().trim_start_matches("http://"), "TENCENT")
        .replace(&world.clouds.datakit_url(), "http://DATAKIT");
    let timeless = |line: &str| match line.split_once("its last run, ") {
        Some((before, rest)) => format!("{before}its last run, TIME{}", &rest[rest.find(',').unwrap()..]),
        None => line.to_owned(),
    };
    let text: String = text.lines().map(|line| timeless(line) + "\n").collect();
    let line = |line: &str| match line.split_once("  disk: ") {
        Some((_, rest)) => format!(
            "????  disk: {}",
            rest.split_once(' ').map_or("", |(_, rest)| rest.split_once(' ').map_or("", |(_, rest)| rest))
        ),
        None => line.to_owned(),
    };
    // A small disk has a hint, which is of this machine.
    let small = |line: &&str| !line.contains("the outbox may grow") && !line.contains("make room");
    let text = text.lines().filter(small).map(line).collect::<Vec<_>>().join("\n");
    match text.split_once("warning") {
        // The count of warnings and failures holds the disk's.
        Some(_) => text
            .lines()
            .filter(|line| !line.contains(" warning") || !line.contains("failure"))
            .collect::<Vec<_>>()
            .join("\n"),
        None => text,
    }
}

const DOCTOR: &[&str] = &["doctor", "my_aws/main.rhai", "--yes"];
const WITHOUT_CALLS: &[&str] = &["doctor", "my_aws/main.rhai", "--no-calls"];

#[tokio::test(flavor = "multi_thread")]
async fn all_is_well_and_each_action_is_called_once() {
    let world = world().await;
    let ran = world.run(DOCTOR);
    assert_eq!(ran.code, 0, "{ran:?}");
    insta::assert_snapshot!("well", steady(&world, &ran));
    let once = [
        "ec2:DescribeInstances",
        "monitoring:GetMetricData",
        "monitoring:ListMetrics",
        "sts:GetCallerIdentity",
    ];
    assert_eq!(
        world.clouds.calls(),
        once.iter().map(|action| ((*action).to_owned(), 1)).collect::<BTreeMap<_, _>>()
    );
    assert!(world.clouds.datakit().points().is_empty(), "a dry write stores nothing");
    // Nothing was collected: all is due as before.
    let run = world.run(&["run", "my_aws/main.rhai", "--output", "json"]);
    assert_eq!(run.collector("aws_ec2")["status"], "collected");
    let metrics = run.collector("aws_cloudwatch");
    assert_eq!(metrics["status"], "collected", "{run:?}");
    assert!(metrics["collected"].as_u64() > Some(0), "{run:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_cloud_is_called_unless_it_is_allowed() {
    let world = world().await;
    for (name, arguments) in [
        ("no_calls", vec!["doctor", "my_aws/main.rhai", "--no-calls"]),
        ("not_asked", vec!["doctor", "my_aws/main.rhai"]),
        ("without_script", vec!["doctor"]),
    ] {
        let ran = world.run(&arguments);
        assert_eq!(ran.code, 0, "{ran:?}");
        insta::assert_snapshot!(name, steady(&world, &ran));
    }
    assert!(world.clouds.calls().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_permission_is_named() {
    let world = world().await;
    world.clouds.deny("ec2:DescribeInstances");
    world.clouds.deny("cloudwatch:GetMetricData");
    let ran = world.run(DOCTOR);
    assert_eq!(ran.code, 1, "{ran:?}");
    insta::assert_snapshot!("denied", steady(&world, &ran));
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_keys_are_said_and_not_shown() {
    let mut world = world().await;
    world.variables.insert("AWS_AK_SECRET".into(), "wJalrXUtnFEMIK7MDENGbPxRfiCY".into());
    let ran = world.run(DOCTOR);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(!format!("{ran:?}").contains("wJalrXUtn"));
    insta::assert_snapshot!("wrong_secret", steady(&world, &ran));
    world.variables.remove("AWS_AK_SECRET");
    let ran = world.run(DOCTOR);
    assert_eq!(ran.code, 2, "{ran:?}");
    insta::assert_snapshot!("no_secret", steady(&world, &ran));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_clock_is_said() {
    let world = world().await;
    world.clouds.set_clock_offset(900);
    let ran = world.run(DOCTOR);
    assert_eq!(ran.code, 1, "{ran:?}");
    let text = steady(&world, &ran);
    assert!(text.contains("FAIL  clock against AWS: this machine is "), "{text}");
    assert!(text.contains(" s behind"), "{text}");
    assert!(text.contains("ok    aws_ec2: may ec2:DescribeInstances"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_keys_and_a_wrong_clock_are_both_said() {
    let mut world = world().await;
    world.variables.insert("AWS_AK_SECRET".into(), "wJalrXUtnFEMIK7MDENGbPxRfiCY".into());
    world.clouds.set_clock_offset(900);
    let ran = world.run(DOCTOR);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stdout.contains("FAIL  AWS keys "), "{ran:?}");
    assert!(ran.stdout.contains("FAIL  clock against AWS: this machine is "), "{ran:?}");
    assert!(ran.stdout.contains("\n2 failures, "), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_region_is_tried() {
    let world = world().await;
    world.write(
        "my_aws/main.rhai",
        &aws_script(&["cn-north-1", "cn-northwest-1", "us-east-1"], "[\"*cpu*\"]"),
    );
    let ran = world.run(DOCTOR);
    assert_eq!(ran.code, 0, "{ran:?}");
    insta::assert_snapshot!("regions_well", steady(&world, &ran));
    // As many as were announced: all in the first region, and one of each collector in both others.
    let calls = world.clouds.calls();
    assert_eq!(calls.values().sum::<u64>(), 8, "{calls:?}");
    assert_eq!((calls["ec2:DescribeInstances"], calls["monitoring:ListMetrics"]), (3, 3), "{calls:?}");

    world.clouds.reset_calls();
    world
        .write("my_aws/main.rhai", &aws_script(&["cn-north-1", "cn-north-11", "cn-north-12"], "[\"*cpu*\"]"));
    let ran = world.run(DOCTOR);
    assert_eq!(ran.code, 1, "{ran:?}");
    insta::assert_snapshot!("regions_wrong", steady(&world, &ran));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_datakit_that_takes_nothing_is_said() {
    let world = world().await;
    for (name, behaviour) in [
        ("datakit_forbidden", DataKitBehaviour::Status(403)),
        ("datakit_in_trouble", DataKitBehaviour::Status(503)),
        ("datakit_elsewhere", DataKitBehaviour::Status(404)),
        ("datakit_teapot", DataKitBehaviour::Status(418)),
        ("datakit_down", DataKitBehaviour::Down),
    ] {
        world.clouds.datakit().set_behaviour(behaviour);
        let ran = world.run(&["doctor"]);
        assert_eq!(ran.code, 1, "{ran:?}");
        insta::assert_snapshot!(name, steady(&world, &ran));
    }
    world.clouds.datakit().set_behaviour(DataKitBehaviour::Accept);
    let tls = world.clouds.datakit_url().replace("http://", "https://");
    world.write("funchost.toml", &format!("state = \"state\"\n[datakits.datakit]\nurl = \"{tls}\"\n"));
    let ran = world.run(&["doctor"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    insta::assert_snapshot!("datakit_without_tls", steady(&world, &ran).replace(&tls, "https://DATAKIT"));
}

#[tokio::test(flavor = "multi_thread")]
async fn endpoints_and_proxies_are_examined() {
    let mut world = world().await;
    let datakit = world.clouds.datakit_url();
    // Nothing listens on the port of discard.
    world.write(
        "funchost.toml",
        &format!("state = \"state\"\n[datakits.datakit]\nurl = \"{datakit}\"\n[endpoints]\naws = \"http://127.0.0.1:9\"\n"),
    );
    let ran = world.run(WITHOUT_CALLS);
    assert_eq!(ran.code, 1, "{ran:?}");
    insta::assert_snapshot!("endpoint_unreachable", steady(&world, &ran));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    world.variables.insert("http_proxy".into(), format!("http://user:hunter22@127.0.0.1:{port}"));
    let ran = world.run(WITHOUT_CALLS);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(!format!("{ran:?}").contains("hunter22"));
    insta::assert_snapshot!("proxy", steady(&world, &ran));
    // Nobody is there any more.
    drop(listener);
    let ran = world.run(WITHOUT_CALLS);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(!format!("{ran:?}").contains("hunter22"));
    insta::assert_snapshot!("proxy_dead", steady(&world, &ran).replace(&port.to_string(), "PORT"));
}

/// Each host is spoken of as its calls go: what the HTTP client does with the variables was tried with the binary.
#[tokio::test(flavor = "multi_thread")]
async fn what_no_proxy_excepts_is_tried_directly() {
    let mut world = world().await;
    // Nothing listens there: what goes through it fails.
    world.variables.insert("HTTP_PROXY".into(), "http://127.0.0.1:9".into());
    for (except, direct) in [
        ("", false),
        ("127.0.0.1", true),
        ("example.com, 127.0.0.0/8", true),
        ("127.0.0.2,10.0.0.0/8", false),
        // The endpoint is an address, and `*` means names.
        ("*", false),
        ("127.0.0.1:80", false),
    ] {
        world.variables.insert("NO_PROXY".into(), except.into());
        let ran = world.run(WITHOUT_CALLS);
        assert_eq!(ran.stdout.contains("ok    endpoints: 1 of 1 reached"), direct, "{except}: {ran:?}");
        assert_eq!(ran.stdout.contains("WARN  endpoints: not tried"), !direct, "{except}: {ran:?}");
        // A proxy that nobody is sent to breaks nothing.
        assert_eq!(ran.code, u8::from(!direct), "{except}: {ran:?}");
        let proxy = ran.stdout.lines().find(|line| line.contains("proxy: HTTP_PROXY is set")).unwrap();
        assert_eq!(proxy.starts_with("WARN  "), direct, "{except}: {ran:?}");
        assert_eq!(
            proxy.ends_with("; nothing that is asked here goes through it"),
            direct,
            "{except}: {ran:?}"
        );
    }
    world.variables.insert("NO_PROXY".into(), "127.0.0.0/8".into());
    assert!(world.binary(DOCTOR).stdout.contains("ok    aws_ec2: may ec2:DescribeInstances"));
    world.variables.insert("NO_PROXY".into(), "*".into());
    assert!(world.binary(DOCTOR).stdout.contains("FAIL  AWS keys "));
    // The capitals win, also where they say nothing.
    world.variables.insert("NO_PROXY".into(), String::new());
    world.variables.insert("no_proxy".into(), "127.0.0.1".into());
    assert!(world.run(WITHOUT_CALLS).stdout.contains("WARN  endpoints: not tried"));
    assert!(world.binary(DOCTOR).stdout.contains("FAIL  AWS keys "));
    world.variables.remove("NO_PROXY");
    assert!(world.run(WITHOUT_CALLS).stdout.contains("ok    endpoints: 1 of 1 reached"));
    assert!(world.binary(DOCTOR).stdout.contains("ok    aws_ec2: may ec2:DescribeInstances"));
    world.variables.remove("no_proxy");
    // In a CGI program nobody believes the proxy.
    world.variables.insert("REQUEST_METHOD".into(), "GET".into());
    let ran = world.run(WITHOUT_CALLS);
    assert_eq!(ran.code, 0, "{ran:?}");
    insta::assert_snapshot!("proxy_in_cgi", steady(&world, &ran));
    assert!(world.binary(DOCTOR).stdout.contains("ok    aws_ec2: may ec2:DescribeInstances"));
    world.variables.remove("REQUEST_METHOD");
    // What a person may well write, and no HTTP client understands.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = format!("http://{}", listener.local_addr().unwrap());
    world.variables.insert("HTTP_PROXY".into(), proxy);
    world
        .variables
        .insert("NO_PROXY".into(), "*.aliyuncs.com,localhost,10.0.0.0/8,::1,http://example.com".into());
    let ran = world.run(WITHOUT_CALLS);
    assert_eq!(ran.code, 0, "{ran:?}");
    insta::assert_snapshot!("proxy_except_nothing", steady(&world, &ran));
    world.variables.insert("NO_PROXY".into(), "*".into());
    assert!(world.run(WITHOUT_CALLS).stdout.contains("every host that has a name, as NO_PROXY says `*`\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_is_none_is_said_and_not_believed_in() {
    let mut world = world().await;
    for (name, value) in [
        ("proxy_malformed", "foo:hunter22:baz"),
        ("proxy_scheme", "htp://user:hunter22@127.0.0.1:9"),
        ("proxy_socks", "socks5://user:hunter22@127.0.0.1:9"),
    ] {
        world.variables.insert("HTTP_PROXY".into(), value.into());
        let ran = world.run(&["doctor", "my_aws/main.rhai", "--no-calls"]);
        assert_eq!(ran.code, 1, "{ran:?}");
        assert!(!format!("{ran:?}").contains("hunter22"));
        insta::assert_snapshot!(name, steady(&world, &ran));
    }
    // What is said of it is so: the HTTP client passes over what it cannot read, and goes directly; what is no HTTP proxy lets nothing through.
    world.variables.insert("HTTP_PROXY".into(), "foo:bar:baz".into());
    let ran = world.binary(DOCTOR);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stdout.contains("ok    aws_ec2: may ec2:DescribeInstances"), "{ran:?}");
    world.variables.insert("HTTP_PROXY".into(), "socks5://127.0.0.1:9".into());
    let ran = world.binary(DOCTOR);
    assert!(ran.stdout.contains("FAIL  AWS keys "), "{ran:?}");
    assert!(!ran.stdout.contains("clock against AWS"), "who was not reached has shown no clock: {ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_an_own_collector_it_is_said_what_was_not_examined() {
    let world = world().await;
    world.write(
        "my/main.rhai",
        r##"import "guance_integration__runner" as integration;
import "guance_integration__aws" as aws;
let account = #{ ak_id: DFF.ENV("AWS_AK_ID"), ak_secret: DFF.ENV("AWS_AK_SECRET") };
@DFF.API("x")
fn run() {
    Runner([Collector("my_rds", account, #{ regions: ["cn-north-1"] }, |ctx| {
        aws::client(ctx.account).request("rds", "DescribeDBInstances");
        []
    })]).run();
}
"##,
    );
    let ran = world.run(&["doctor", "my/main.rhai", "--yes"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    insta::assert_snapshot!("own_before", steady(&world, &ran));
    assert_eq!(world.clouds.calls(), BTreeMap::from([("sts:GetCallerIdentity".into(), 1)]));
    assert_eq!(world.run(&["run", "my/main.rhai"]).code, 0);
    let ran = world.run(&["doctor", "my/main.rhai", "--yes"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    insta::assert_snapshot!("own_after", steady(&world, &ran));
    // A run in debug mode, as the hint says, tells as much.
    world.clouds.deny("rds:DescribeDBInstances");
    assert_eq!(world.run(&["run", "my/main.rhai", "--debug"]).code, 1);
    let ran = world.run(&["doctor", "my/main.rhai", "--yes"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    insta::assert_snapshot!("own_failed", steady(&world, &ran));
}

/// The script of a collector that does this.
fn own_script(body: &str) -> String {
    format!(
        r##"import "guance_integration__runner" as integration;
import "guance_integration__aws" as aws;
let account = #{{ ak_id: DFF.ENV("AWS_AK_ID"), ak_secret: DFF.ENV("AWS_AK_SECRET") }};
@DFF.API("x")
fn run() {{
    Runner([Collector("my_rds", account, #{{ regions: ["cn-north-1"] }}, |ctx| {{
        {body}
        []
    }})]).run();
}}
"##
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_of_an_own_collector_is_of_its_last_run_and_of_this_script() {
    const CALL: &str = r#"aws::client(ctx.account).request("rds", "DescribeDBInstances");"#;
    let world = world().await;
    let doctor = || -> String {
        let ran = world.run(&["doctor", "my/main.rhai", "--no-calls"]);
        ran.stdout.lines().filter(|line| line.contains("my_rds: ")).collect()
    };
    let plan = || {
        let plan = world.run(&["plan", "my/main.rhai", "--every", "15m", "--output", "json"]).json();
        (plan["collectors"][0]["exact"].clone(), plan["collectors"][0]["at_least_because"].to_string())
    };
    world.write("my/main.rhai", &own_script(CALL));
    assert_eq!(world.run(&["run", "my/main.rhai"]).code, 0);
    assert!(doctor().contains("ok    my_rds: its last run, "), "{}", doctor());
    assert!(
        doctor().contains("Z, ended without an error, and called rds:DescribeDBInstances"),
        "{}",
        doctor()
    );
    assert_eq!(plan().0, false);
    // A run that is stopped has no end, whatever the one before it has been.
    world.write("my/main.rhai", &own_script(&format!("{CALL} loop {{ }}")));
    assert!(doctor().contains("WARN  my_rds: the script was changed since its last run"), "{}", doctor());
    assert_eq!(world.run(&["run", "my/main.rhai", "--force", "--timeout", "1"]).code, 124);
    assert!(doctor().contains("WARN  my_rds: its last run did not end"), "{}", doctor());
    assert_eq!(plan().0, false);
    assert!(plan().1.contains("whose last run did not end"), "{}", plan().1);
    // One that fails before its first call has called nothing itself, though whole ones did.
    world.write("my/main.rhai", &own_script("throw \"no\";"));
    assert_eq!(world.run(&["run", "my/main.rhai", "--force"]).code, 1);
    assert!(doctor().contains("WARN  my_rds: its last run failed before any call"), "{}", doctor());
    assert!(plan().1.contains("whose last run failed"), "{}", plan().1);
    // One without a call says nothing of the next.
    world.write("my/main.rhai", &own_script(""));
    assert_eq!(world.run(&["run", "my/main.rhai", "--force"]).code, 0);
    assert!(doctor().contains("and called no cloud"), "{}", doctor());
    assert_eq!(plan().0, false, "{}", plan().1);
    assert!(plan().1.contains("as its last run called"), "{}", plan().1);
}

/// Ctrl-C leaves a run without an end, as a deadline does.
#[tokio::test(flavor = "multi_thread")]
async fn an_own_collector_that_was_interrupted_did_not_end() {
    let world = world().await;
    const CALL: &str = r#"aws::client(ctx.account).request("rds", "DescribeDBInstances");"#;
    world.write("my/main.rhai", &own_script(CALL));
    assert_eq!(world.run(&["run", "my/main.rhai"]).code, 0);
    world.write("my/main.rhai", &own_script(&format!(r#"{CALL} print("called"); loop {{ }}"#)));
    let mut running = world
        .command(&["run", "my/main.rhai", "--force"])
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let (code, said) = tokio::task::spawn_blocking(move || {
        let mut lines = BufReader::new(running.stderr.take().unwrap()).lines().map_while(Result::ok);
        assert!(lines.any(|line| line.ends_with("called")));
        let pressed = Command::new("kill").args(["-INT", &running.id().to_string()]).status().unwrap();
        assert!(pressed.success());
        let said: String = lines.collect::<Vec<_>>().join("\n");
        (running.wait().unwrap().code(), said)
    })
    .await
    .unwrap();
    assert_eq!(code, Some(130), "{said}");
    assert!(said.contains("`my__main.run` was stopped before its end"), "{said}");
    assert!(said.contains("while `my_rds` for cn-north-1 ran this function"), "{said}");
    let doctor = world.run(&["doctor", "my/main.rhai", "--no-calls"]);
    assert!(doctor.stdout.contains("WARN  my_rds: its last run"), "{doctor:?}");
    assert!(doctor.stdout.contains("did not end: it was stopped, or is under way"), "{doctor:?}");
    // What whole runs called is still expected of the next.
    let plan = world.run(&["plan", "my/main.rhai", "--every", "15m", "--output", "json"]).json();
    assert_eq!(plan["collectors"][0]["exact"], false, "{plan:#}");
    assert!(
        plan["collectors"][0]["at_least_because"].to_string().contains("whose last run did not end"),
        "{plan:#}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_the_client_cannot_read_is_said() {
    let mut world = world().await;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    for password in ["hunter22|x", "hunter22 x", "hunter22`x"] {
        world.variables.insert("HTTPS_PROXY".into(), format!("http://user:{password}@127.0.0.1:{port}"));
        let ran = world.run(WITHOUT_CALLS);
        assert_eq!(ran.code, 1, "{password}: {ran:?}");
        assert!(!format!("{ran:?}").contains("hunter22"), "{ran:?}");
        assert!(ran.stdout.contains("FAIL  proxy: HTTPS_PROXY cannot be read and is ignored"), "{ran:?}");
        assert!(!ran.stdout.contains("go through it"), "{ran:?}");
    }
    world.variables.insert("HTTPS_PROXY".into(), format!("http://user:hunter22%7Cx@127.0.0.1:{port}"));
    let ran = world.run(WITHOUT_CALLS);
    assert!(ran.stdout.contains("ok    proxy: HTTPS_PROXY is set: requests go through it"), "{ran:?}");
    for (except, meaningless) in [
        ("10.0.0.0/33", true),
        ("localhost/8", true),
        ("[::1]:80", true),
        ("[::1]", true),
        ("10.0.0.0/8", false),
        ("::1", false),
        ("fd00::/8", false),
    ] {
        world.variables.insert("NO_PROXY".into(), except.into());
        let said = world.run(WITHOUT_CALLS).stdout.contains(&format!("`{except}` in NO_PROXY is no host"));
        assert_eq!(said, meaningless, "{except}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_pass_is_a_warning() {
    let world = world().await;
    world.clouds.fault(Fault {
        service: Some("ec2".into()),
        action: None,
        region: None,
        skip: 0,
        times: 1,
        kind: FaultKind::HtmlUnavailable,
    });
    let ran = world.run(DOCTOR);
    assert_eq!(ran.code, 0, "{ran:?}");
    let text = steady(&world, &ran);
    assert!(
        text.contains("WARN  aws_ec2: ec2:DescribeInstances in cn-north-1 failed after 1 attempt"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_input_ends_the_examination() {
    let world = world().await;
    world.write("my_aws/main.rhai", "@DFF.API(\"x\")\nfn run() { Runner([]).run(); }\n");
    let ran = world.run(DOCTOR);
    assert_eq!(ran.code, 2, "{ran:?}");
    insta::assert_snapshot!("wrong_script", steady(&world, &ran));
    assert!(ran.stdout.contains("\n1 failure, "), "{ran:?}");
    world.write("funchost.toml", "stat = \"state\"\n");
    let ran = world.run(DOCTOR);
    assert_eq!(ran.code, 2, "{ran:?}");
    insta::assert_snapshot!("wrong_configuration", steady(&world, &ran));
    // A folder that is a file.
    world.write("funchost.toml", "state = \"taken/state\"\n");
    world.write("taken", "");
    let ran = world.run(&["doctor"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stdout.contains("FAIL  state: "), "{ran:?}");
}

/// The manual's scripts of the other clouds, with objects of theirs.
async fn aliyun_world() -> World {
    let aliyun = AliyunEstate { nasty: false, ..AliyunEstate::default() };
    let world = World::new(Options { aliyun, ..Options::default() }).await;
    world.write("my/main.rhai", &support::aliyun::all_products(&["cn-hangzhou"], ""));
    world
}

async fn tencent_world() -> World {
    let tencent = TencentEstate { nasty: false, ..TencentEstate::default() };
    let world = World::new(Options { tencent, ..Options::default() }).await;
    world.write(
        "my/main.rhai",
        r##"import "guance_integration__runner" as integration;
import "guance_tencentcloud_cvm__main" as cvm;
import "guance_tencentcloud_monitor__main" as monitor;
let account = #{ ak_id: DFF.ENV("TENCENTCLOUD_AK_ID"), ak_secret: DFF.ENV("TENCENTCLOUD_AK_SECRET") };
@DFF.API("x")
fn run() {
    let regions = ["ap-shanghai"];
    Runner([
        cvm::DataCollector(account, #{ regions: regions }),
        monitor::DataCollector(account, #{ regions: regions, targets: [ #{ namespace: "QCE/CVM", metrics: ["*cpu*"] } ] }),
    ]).run();
}
"##,
    );
    world
}

const THEIRS: &[&str] = &["doctor", "my/main.rhai", "--yes"];

#[tokio::test(flavor = "multi_thread")]
async fn all_is_well_with_alibaba_cloud() {
    let world = aliyun_world().await;
    let ran = world.run(THEIRS);
    assert_eq!(ran.code, 0, "{ran:?}");
    insta::assert_snapshot!("aliyun_well", steady(&world, &ran));
    let calls = world.clouds.aliyun_calls();
    assert!(calls.values().all(|count| *count == 1), "each action once: {calls:?}");
    assert!(calls.contains_key("sts:GetCallerIdentity") && calls.contains_key("cms:DescribeMetricList"));
    assert!(world.clouds.datakit().points().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_alibaba_cloud_is_said() {
    let world = aliyun_world().await;
    let key = world.clouds.aliyun_keys().access_key;
    for permission in ["rds:DescribeDBInstances", "cms:QueryMetricList", "oss:ListBuckets"] {
        world.clouds.aliyun_deny(&key, permission);
    }
    let ran = world.run(THEIRS);
    assert_eq!(ran.code, 1, "{ran:?}");
    insta::assert_snapshot!("aliyun_denied", steady(&world, &ran));

    let mut world = aliyun_world().await;
    world.variables.insert("ALIYUN_AK_SECRET".into(), "wJalrXUtnFEMIK7MDENGbPxRfiCYEX".into());
    let ran = world.run(THEIRS);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(!format!("{ran:?}").contains("wJalrXUtn"));
    insta::assert_snapshot!("aliyun_wrong_secret", steady(&world, &ran));

    let world = aliyun_world().await;
    world.clouds.set_clock_offset(1800);
    let ran = world.run(THEIRS);
    let text = steady(&world, &ran);
    assert_eq!(ran.code, 1, "{text}");
    assert!(
        text.contains("FAIL  clock against aliyun: this machine is ") && text.contains(" s behind"),
        "{text}"
    );
    assert!(text.contains("ok    aliyun_ecs: may ecs:DescribeInstances"), "{text}");

    nothing_listens(&aliyun_world().await, "aliyun");
}

#[tokio::test(flavor = "multi_thread")]
async fn all_is_well_with_tencent_cloud() {
    let world = tencent_world().await;
    let ran = world.run(THEIRS);
    assert_eq!(ran.code, 0, "{ran:?}");
    insta::assert_snapshot!("tencent_well", steady(&world, &ran));
    let calls = world.clouds.calls();
    assert!(calls.values().all(|count| *count == 1), "each action once: {calls:?}");
    // The instances that were just listed are asked for.
    assert!(calls.contains_key("monitor:GetMonitorData"), "{calls:?}");
    assert!(world.clouds.datakit().points().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_tencent_cloud_is_said() {
    let world = tencent_world().await;
    world.clouds.deny("cvm:DescribeInstances");
    world.clouds.deny("monitor:DescribeBaseMetrics");
    let ran = world.run(THEIRS);
    assert_eq!(ran.code, 1, "{ran:?}");
    insta::assert_snapshot!("tencent_denied", steady(&world, &ran));

    let mut world = tencent_world().await;
    world.variables.insert("TENCENTCLOUD_AK_SECRET".into(), "wJalrXUtnFEMIK7MDENGbPxRfiCYEX".into());
    let ran = world.run(THEIRS);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(!format!("{ran:?}").contains("wJalrXUtn"));
    insta::assert_snapshot!("tencent_wrong_secret", steady(&world, &ran));

    let world = tencent_world().await;
    world.clouds.set_clock_offset(-900);
    let ran = world.run(THEIRS);
    let text = steady(&world, &ran);
    assert_eq!(ran.code, 1, "{text}");
    assert!(
        text.contains("FAIL  clock against tencentcloud: this machine is ") && text.contains(" s ahead"),
        "{text}"
    );
    assert!(text.contains("ok    tencentcloud_cvm: may cvm:DescribeInstances"), "{text}");

    nothing_listens(&tencent_world().await, "tencentcloud");
}

/// Where nothing listens at a cloud's endpoint, that is said of each service.
fn nothing_listens(world: &World, cloud: &str) {
    let datakit = world.clouds.datakit_url();
    world.write(
        "funchost.toml",
        &format!("state = \"state\"\n[datakits.datakit]\nurl = \"{datakit}\"\n[endpoints]\n{cloud} = \"http://127.0.0.1:9\"\n"),
    );
    let ran = world.run(&["doctor", "my/main.rhai", "--no-calls"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stdout.contains("FAIL  endpoint: 127.0.0.1:9 ("), "{ran:?}");
    assert!(ran.stdout.contains("cannot be reached: Connection refused"), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_datakit_with_another_clock_is_said() {
    let world = world().await;
    let ran = world.run_at(600, &["doctor"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stdout.contains("WARN  clock against DataKit `datakit`: this machine is "), "{ran:?}");
    assert!(ran.stdout.contains(" s ahead; DataKit overwrites times"), "{ran:?}");
    let ran = world.run_at(-7300, &["doctor"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stdout.contains("FAIL  clock against DataKit `datakit`: this machine is "), "{ran:?}");
    assert!(ran.stdout.contains(" s behind; DataKit overwrites times"), "{ran:?}");
}
