//! Quota and bill from outside: every call is counted, per day, and a budget stops what would break it, now and after a restart.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

mod support;

use funchost::money::{day, metrics_key};
use funchost::state::{Sqlite, State as _};
use funchost_collectors::clock::{Clock as _, SECOND, SystemClock};
use serde_json::json;
use simcloud::{AwsEstate, Fault, FaultKind, Options};
use std::collections::BTreeMap;
use std::sync::Arc;
use support::{World, aliyun, aws_script};

const CHINA: &str = "cn-northwest-1";
const MINUTE: i64 = 60;
const SCRIPT: &str = "my_aws/main.rhai";
const RUN: &[&str] = &["run", SCRIPT, "--output", "json"];
const ACCOUNT: &str = "aws/AKIASIMCLOUD00000001";

/// Four instances with a metric of the processor each.
async fn world() -> World {
    let estate = AwsEstate { instances: 4, metrics: 1, nasty: false, ..AwsEstate::default() };
    let world = World::new(Options { aws: estate, ..Options::default() }).await;
    world.write(SCRIPT, &aws_script(&[CHINA], "[\"*cpu*\"]"));
    world
}

/// Those that the script asks for: of the processor, one for each instance.
fn metrics(world: &World) -> u64 {
    let metrics = world.clouds.metrics(CHINA);
    let wanted = metrics.iter().filter(|metric| {
        metric.namespace == "AWS/EC2"
            && metric.name.contains("CPU")
            && metric.dimensions.len() == 1
            && metric.dimensions[0].0 == "InstanceId"
    });
    wanted.count() as u64
}

fn budget(world: &World, lines: &str) {
    let path = world.folder.path().join("funchost.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let text = text.split("[budget").next().unwrap().to_owned();
    std::fs::write(path, format!("{text}{lines}")).unwrap();
}

/// What the state counts of today; run after a midnight, of the day before too.
async fn counted(world: &World) -> BTreeMap<String, u64> {
    let state = Sqlite::open(&world.folder.path().join("state"), Arc::new(SystemClock)).await.unwrap();
    let mut sums: BTreeMap<String, u64> = BTreeMap::new();
    for back in [0, 86_400] {
        for (action, count) in state.calls(&day(SystemClock.now() - back * SECOND), ACCOUNT).await.unwrap() {
            *sums.entry(action).or_default() += count;
        }
    }
    state.close().await;
    sums
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_is_counted_in_the_report_and_by_day() {
    let world = world().await;
    let throttle = |action: &str, times| Fault {
        service: None,
        action: Some(action.into()),
        region: None,
        skip: 0,
        times,
        kind: FaultKind::Throttle,
    };
    world.clouds.fault(throttle("DescribeInstances", 1));
    world.clouds.fault(throttle("GetMetricData", 2));
    let first = world.run(RUN);
    assert_eq!(first.code, 0, "{first:?}");
    assert_eq!(first.collector("aws_ec2")["calls"], json!({ "ec2:DescribeInstances": 2 }));
    let calls = json!({ "monitoring:GetMetricData": 3, "monitoring:ListMetrics": 1 });
    assert_eq!(first.collector("aws_cloudwatch")["calls"], calls);
    let warnings = first.json()["warnings"].to_string();
    assert!(
        warnings.contains("ec2:DescribeInstances was throttled 1 time in cn-northwest-1: slowed down to 11.0 calls a second (configured: 20)"),
        "{warnings}"
    );
    world.clouds.set_clock_offset(MINUTE);
    assert_eq!(world.run_at(MINUTE, RUN).code, 0);
    // What the doubles were asked, refusals included, and the metrics as they are billed.
    let mut expected = world.clouds.calls();
    assert_eq!(expected["monitoring:GetMetricData"], 4);
    expected.insert(metrics_key("monitoring:GetMetricData"), 2 * metrics(&world));
    assert_eq!(counted(&world).await, expected);
}

/// What is asked for again is billed again: an answer that was cut on its way, a second page, results that failed inside an answer.
#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_counted_as_the_cloud_bills_them() {
    let billed_twice = [FaultKind::CutBody, FaultKind::PartialData];
    for kind in billed_twice {
        let world = world().await;
        let metrics = metrics(&world);
        world.clouds.fault(fault("GetMetricData", 1, kind.clone()));
        let run = world.run(RUN);
        assert_eq!(run.code, 0, "{kind:?}: {run:?}");
        assert_eq!(world.clouds.billed_metrics(), 2 * metrics, "{kind:?}");
        assert_eq!(counted(&world).await[&metrics_key("monitoring:GetMetricData")], 2 * metrics, "{kind:?}");
    }
    // One of the results is asked for once more.
    let world = world().await;
    world.clouds.fault(fault("GetMetricData", 1, FaultKind::InternalErrorResult));
    assert_eq!(world.run(RUN).code, 0);
    let billed = world.clouds.billed_metrics();
    assert!(billed > metrics(&world));
    assert_eq!(counted(&world).await[&metrics_key("monitoring:GetMetricData")], billed);
}

/// What the cloud refuses costs nothing, and what never reached it neither: an outage uses up no budget.
#[tokio::test(flavor = "multi_thread")]
async fn refused_metrics_are_not_counted() {
    for kind in [FaultKind::Throttle, FaultKind::Denied] {
        let world = world().await;
        world.clouds.fault(fault("GetMetricData", 100, kind.clone()));
        let run = world.run(&[RUN, &["--timeout", "4"]].concat());
        assert_ne!(run.code, 0, "{kind:?}: {run:?}");
        assert_eq!(world.clouds.billed_metrics(), 0, "{kind:?}");
        // A second in which a request was under way is counted at its end, refused or not.
        let counted =
            counted(&world).await.get(&metrics_key("monitoring:GetMetricData")).copied().unwrap_or(0);
        assert!(counted <= metrics(&world), "{kind:?}: {counted}");
    }
    let mut world = world().await;
    assert_eq!(world.run(RUN).code, 0, "the list is known from here on");
    let before = counted(&world).await[&metrics_key("monitoring:GetMetricData")];
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    world.variables.insert("FUNCHOST_ENDPOINTS__AWS__MONITORING".into(), format!("http://{nobody}"));
    world.clouds.set_clock_offset(MINUTE);
    let out = world.run_at(MINUTE, RUN);
    assert_eq!(out.code, 1, "{out:?}");
    assert_eq!(counted(&world).await[&metrics_key("monitoring:GetMetricData")], before, "{out:?}");
}

/// A budget holds for what an answer turns out to cost: its pages are not begun beyond it.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_would_break_the_budget_is_not_asked_for() {
    let world = world().await;
    let metrics = metrics(&world);
    budget(&world, &format!("[budget]\ncalls = {}\n", 2 * metrics - 1));
    world.clouds.fault(fault("GetMetricData", 1, FaultKind::PartialData));
    let run = world.run(RUN);
    assert_eq!(run.code, 1, "{run:?}");
    assert_eq!(world.clouds.billed_metrics(), metrics, "the first page alone");
    let error = run.collector("aws_cloudwatch")["error"].to_string();
    assert!(error.contains("budget"), "{error}");
}

/// What another process counts while this one is at work is no longer there for it.
#[tokio::test(flavor = "multi_thread")]
async fn processes_that_run_at_once_share_the_budget() {
    let estate = AwsEstate { instances: 250, metrics: 1, nasty: false, ..AwsEstate::default() };
    let mut world = World::new(Options { aws: estate, ..Options::default() }).await;
    world.write(SCRIPT, &aws_script(&[CHINA], "[\"*cpu*\"]"));
    let metrics = metrics(&world);
    assert!((201..=300).contains(&metrics), "three calls: {metrics}");
    budget(&world, &format!("[budget]\ncalls = {}\n", metrics + 50));
    // Four seconds between two calls, so that the count of every second is in between.
    world.variables.insert("FUNCHOST_LIMITS__AWS__MONITORING__GETMETRICDATA".into(), "0.25".into());
    let process = world.command(RUN).stdout(std::process::Stdio::piped()).spawn().unwrap();
    while world.clouds.billed_metrics() == 0 {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let state = Sqlite::open(&world.folder.path().join("state"), Arc::new(SystemClock)).await.unwrap();
    let others = BTreeMap::from([(metrics_key("monitoring:GetMetricData"), metrics)]);
    state.count_calls(&day(SystemClock.now()), ACCOUNT, &others).await.unwrap();
    state.close().await;
    let output = process.wait_with_output().unwrap();
    let run = support::ran(&output);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(world.clouds.billed_metrics() < metrics, "{} of {metrics}", world.clouds.billed_metrics());
    let error = run.collector("aws_cloudwatch")["error"].to_string();
    assert!(error.contains("the budget of"), "{error}");
}

fn fault(action: &str, times: u64, kind: FaultKind) -> Fault {
    Fault { service: None, action: Some(action.into()), region: None, skip: 0, times, kind }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_of_the_users_file_is_the_rate_that_success_returns_to() {
    let mut world = world().await;
    world.variables.insert("FUNCHOST_LIMITS__AWS__MONITORING__GETMETRICDATA".into(), "8".into());
    world.clouds.fault(Fault {
        service: None,
        action: Some("GetMetricData".into()),
        region: None,
        skip: 0,
        times: 1,
        kind: FaultKind::Throttle,
    });
    let ran = world.run(RUN);
    assert_eq!(ran.code, 0, "{ran:?}");
    let warnings = ran.json()["warnings"].to_string();
    assert!(warnings.contains("slowed down to 4.4 calls a second (configured: 8)"), "{warnings}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_would_break_the_budget_begins_no_metered_call() {
    let world = world().await;
    let metrics = metrics(&world);
    assert!(metrics >= 4, "{metrics}");
    // Enough for two runs and a half.
    budget(&world, &format!("[budget]\ncalls = {}\n", 2 * metrics + metrics / 2));
    let first = world.run(RUN);
    assert_eq!(first.code, 0, "{first:?}");
    let left = first.json()["budget"][0].clone();
    assert_eq!((&left["account"], &left["unit"]), (&json!(ACCOUNT), &json!("metrics")), "{left:#}");
    assert_eq!((&left["used"], &left["left"]), (&json!(metrics), &json!(metrics + metrics / 2)), "{left:#}");
    assert_eq!(first.json()["warnings"], json!([]));

    world.clouds.set_clock_offset(MINUTE);
    let second = world.run_at(MINUTE, RUN);
    assert_eq!(second.code, 0, "{second:?}");
    assert!(
        second.json()["warnings"][0].as_str().unwrap().starts_with("80 % of the budget of "),
        "{second:?}"
    );

    // The third is refused by another process as well, and objects go on.
    world.clouds.set_clock_offset(15 * MINUTE);
    world.clouds.reset_calls();
    drop(world.clouds.datakit().take_points());
    let third = world.run_at(15 * MINUTE, &["run", SCRIPT]);
    assert_eq!(third.code, 1, "{third:?}");
    let asked: Vec<String> = world.clouds.calls().into_keys().collect();
    assert_eq!(asked, ["ec2:DescribeInstances"], "neither the metered call nor anything for it");
    assert_eq!(world.clouds.billed_metrics(), 0);
    assert_eq!(world.clouds.datakit().points().len(), 4);
    let month = day(SystemClock.now())[..7].to_owned();
    let shown = third.stdout.replace(&month, "[month]");
    let shown: String = shown
        .lines()
        .map(|line| match line.split_once(" in ") {
            Some((head, tail)) if tail.ends_with(" s") || tail.contains(" s:") => {
                format!("{head} in [time]{}\n", tail.find(':').map_or("", |at| &tail[at..]))
            }
            _ => format!("{line}\n"),
        })
        .collect();
    insta::assert_snapshot!("budget_refused", shown);

    // Nothing was claimed: it goes on as soon as the budget does.
    budget(&world, "[budget]\ncalls = 1_000_000\n");
    let fourth = world.run_at(15 * MINUTE, RUN);
    assert_eq!(fourth.code, 0, "{fourth:?}");
    assert_eq!(fourth.json()["budget"][0]["used"], 3 * metrics);
}

/// Before anything is known, the lists are asked for first; then it is known, and the metered calls are not begun.
#[tokio::test(flavor = "multi_thread")]
async fn a_first_run_is_stopped_too() {
    let world = world().await;
    budget(&world, "[budget.accounts.AKIASIMCLOUD00000001]\ncalls = 3\n");
    let ran = world.run(RUN);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(!world.clouds.calls().contains_key("monitoring:GetMetricData"), "{:?}", world.clouds.calls());
    let error = ran.collector("aws_cloudwatch")["error"].as_str().unwrap().to_owned();
    assert!(
        error.starts_with(&format!("monitoring:GetMetricData was not called: this run needs {} metrics; the budget of {ACCOUNT} for ", metrics(&world))),
        "{error}"
    );
    assert!(error.contains("hint: raise the budget under [budget] in funchost.toml"), "{error}");
    assert_eq!(ran.collector("aws_ec2")["status"], "collected");
}

/// Two regions are collected at once: all of a run is begun, or what does not fit is not.
#[tokio::test(flavor = "multi_thread")]
async fn regions_share_the_budget() {
    let world = world().await;
    world.write(SCRIPT, &aws_script(&[CHINA, "cn-north-1"], "[\"*cpu*\"]"));
    let metrics = metrics(&world);
    budget(&world, &format!("[budget]\ncalls = {}\n", 3 * metrics));
    assert_eq!(world.run(RUN).code, 0);
    world.clouds.set_clock_offset(MINUTE);
    world.clouds.reset_calls();
    let second = world.run_at(MINUTE, RUN);
    assert_eq!(second.code, 1, "{second:?}");
    assert!(world.clouds.calls().is_empty(), "neither region: {:?}", world.clouds.calls());
    assert_eq!(second.json()["budget"][0]["used"], 2 * metrics);
}

/// Attempts that fail are attempts: what they cost is beyond the budget only where a call was begun within it.
#[tokio::test(flavor = "multi_thread")]
async fn money_is_a_budget_in_the_currency_of_the_bill() {
    let world = world().await;
    let metrics = metrics(&world);
    // One and a half runs, at CNY 0.0651 for 1,000 metrics.
    let amount = 0.0651 / 1000.0 * (metrics + metrics / 2) as f64;
    budget(&world, &format!("[budget]\nmoney = \"{amount:.9} CNY\"\n"));
    let first = world.run(RUN);
    assert_eq!(first.code, 0, "{first:?}");
    let limit = first.json()["budget"][0]["limit"].as_u64().unwrap();
    assert!((metrics..=metrics + metrics / 2).contains(&limit), "lists are paid from it too: {limit}");
    world.clouds.set_clock_offset(MINUTE);
    world.clouds.reset_calls();
    let second = world.run_at(MINUTE, RUN);
    assert_eq!(second.code, 1, "{second:?}");
    assert!(world.clouds.calls().is_empty(), "{:?}", world.clouds.calls());

    budget(&world, "[budget]\nmoney = \"5 USD\"\n");
    let third = world.run_at(MINUTE, RUN);
    assert_eq!(third.code, 1, "{third:?}");
    let error = third.collector("aws_cloudwatch")["error"].as_str().unwrap().to_owned();
    assert_eq!(
        error,
        format!(
            "the budget of {ACCOUNT} is in USD, and monitoring:GetMetricData is billed in CNY: metered calls are not begun"
        )
    );
}

/// Seconds from now to a fixed day: what a plan says of this month is the same whenever the test runs.
fn until(date: &str) -> i64 {
    let date = chrono::DateTime::parse_from_rfc3339(date).unwrap();
    (date.timestamp_nanos_opt().unwrap() - SystemClock.now()) / SECOND
}

/// Puts calls into the state's count of a day.
async fn count(world: &World, day: &str, account: &str, key: &str, units: u64) {
    let state = Sqlite::open(&world.folder.path().join("state"), Arc::new(SystemClock)).await.unwrap();
    state.count_calls(day, account, &BTreeMap::from([(key.to_owned(), units)])).await.unwrap();
    state.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_knows_the_budget_and_what_was_used_of_it() {
    let world = world().await;
    let metrics = metrics(&world);
    let at = until("2031-06-12T12:00:30Z");
    world.clouds.set_clock_offset(at);
    let run = world.run_at(at, RUN);
    assert_eq!(run.code, 0, "{run:?}");
    budget(&world, &format!("[budget]\ncalls = {}\n", metrics * 1440 * 10));
    let warning = |seconds: i64| {
        let plan = world.run_at(seconds, &["plan", SCRIPT, "--output", "json"]).json();
        let pool = &plan["pools"][0];
        assert_eq!(pool["budget_a_month"], metrics * 14_400, "{plan:#}");
        plan["warnings"][0].as_str().map(|text| text.split_once("the budget allows ").unwrap().1.to_owned())
    };
    let allows = funchost::money::grouped(metrics * 14_400);
    // Ten days of a budget, begun on the twelfth at noon.
    assert_eq!(
        warning(at),
        Some(format!("{allows}: these calls will stop on 2031-06-22, and in a whole month on day 10"))
    );
    assert_eq!(
        warning(until("2031-06-25T12:00:00Z")),
        Some(format!(
            "{allows}: it lasts to the end of this month; in a whole one these calls will stop on day 10"
        ))
    );
    // Four days more were used by others.
    let key = metrics_key("monitoring:GetMetricData");
    count(&world, "2031-06-03", ACCOUNT, &key, metrics * 1440 * 4).await;
    assert_eq!(
        warning(at),
        Some(format!("{allows}: these calls will stop on 2031-06-18, and in a whole month on day 10"))
    );
    count(&world, "2031-06-04", ACCOUNT, &key, metrics * 1440 * 6).await;
    assert_eq!(
        warning(at),
        Some(format!("{allows}: nothing is left of it this month: these calls are not made"))
    );
    assert_eq!(
        warning(until("2031-07-01T00:00:30Z")),
        Some(format!("{allows}: these calls will stop on 2031-07-11, and in a whole month on day 10"))
    );
    // A budget for more than a month, of which only this month's rest is too little.
    budget(&world, &format!("[budget]\ncalls = {}\n", metrics * 1440 * 35));
    count(&world, "2031-06-05", ACCOUNT, &key, metrics * 1440 * 20).await;
    let plan = world.run_at(at, &["plan", SCRIPT, "--output", "json"]).json();
    let warning = plan["warnings"][0].as_str().unwrap();
    assert!(warning.ends_with("counted this month these calls will stop on 2031-06-17"), "{warning}");
    budget(&world, &format!("[budget]\ncalls = {}\n", metrics * 1440 * 60));
    let plan = world.run_at(at, &["plan", SCRIPT, "--output", "json"]).json();
    assert_eq!(plan["warnings"], json!([]));
}

/// The free calls of a month: what a plan says with what was used of them, and about other rhythms.
#[tokio::test(flavor = "multi_thread")]
async fn a_plan_says_how_long_the_free_calls_last() {
    const SCRIPT: &str = "my_aliyun/monitor.rhai";
    const ALIYUN: &str = "cms:DescribeMetricList";
    let world = aliyun::world(aliyun::small()).await;
    let account = format!("aliyun/{}", world.clouds.aliyun_keys().access_key);
    let targets = |metrics: &str| {
        aliyun::monitor(&format!("#{{ namespace: \"acs_ecs_dashboard\", metrics: [{metrics}] }}"), "")
    };
    world.write(SCRIPT, &targets("\"*cpu*\""));
    let at = until("2031-06-12T12:00:30Z");
    world.clouds.set_clock_offset(at);
    let run = world.run_at(at, &["run", SCRIPT]);
    assert_eq!(run.code, 0, "{run:?}");
    let costs = |more: &[&str]| {
        let ran = world.run_at(at, &[&["plan", SCRIPT], more].concat());
        assert_eq!(ran.code, 0, "{ran:?}");
        let (_, costs) = ran.stdout.split_once("What it costs\n").unwrap();
        costs.split_once("    by ").unwrap().0.trim().to_owned()
    };
    let mut said = vec![("as often as it can be".to_owned(), costs(&[]))];
    said.push(("every five minutes".to_owned(), costs(&["--every", "5m"])));
    count(&world, "2031-06-02", &account, "cms:DescribeMetricLast", 900_000).await;
    said.push(("900,000 were used by another read of the pool".to_owned(), costs(&[])));
    count(&world, "2031-06-03", &account, ALIYUN, 100_000).await;
    said.push(("all were used".to_owned(), costs(&[])));
    let text: Vec<String> = said.iter().map(|(when, said)| format!("{when}:\n  {said}\n")).collect();
    insta::assert_snapshot!("free_calls_this_month", text.join("\n"));
}

/// One pool, however a script spells it.
#[tokio::test(flavor = "multi_thread")]
async fn a_budget_holds_for_every_read_of_the_pool_and_every_name_of_its_service() {
    let world = aliyun::world(aliyun::small()).await;
    let script = |calls: &[(&str, &str)]| {
        let calls: Vec<String> = calls
            .iter()
            .map(|(service, action)| {
                format!(
                    "try {{ client.request(\"{service}\", \"{action}\", #{{ Namespace: \"acs_ecs_dashboard\", MetricName: \"CPUUtilization\", Orderby: \"Average\" }}); }} catch (error) {{ print(`{action}: ${{error}}`); }}"
                )
            })
            .collect();
        format!(
            r##"import "guance_integration__runner" as integration;
import "guance_integration__aliyun" as aliyun;
let account = #{{ ak_id: DFF.ENV("ALIYUN_AK_ID"), ak_secret: DFF.ENV("ALIYUN_AK_SECRET") }};
@DFF.API("own", timeout = 60)
fn run() {{
    Runner([ Collector("mine", account, #{{ regions: ["cn-hangzhou"] }}, |ctx| {{
        let client = aliyun::client(ctx.account);
        {}
        []
    }}) ]).run()
}}
"##,
            calls.join("\n        ")
        )
    };
    let all = [
        ("metrics", "DescribeMetricLast"),
        ("cms", "DescribeMetricList"),
        ("CMS", "DescribeMetricData"),
        ("metrics", "DescribeMetricTop"),
        ("cms", "DescribeMetricMetaList"),
    ];
    world.write("my/main.rhai", &script(&all));
    aliyun::configure(&world, "[budget]\ncalls = 2\n");
    let ran = world.run(&["run", "my/main.rhai", "--output", "json", "--force"]);
    assert_eq!(ran.code, 0, "the script goes on by itself: {ran:?}");
    let report = ran.json();
    assert_eq!(
        (&report["budget"][0]["used"], &report["budget"][0]["left"]),
        (&json!(2), &json!(0)),
        "{report:#}"
    );
    let asked = world.clouds.aliyun_calls();
    let reads: u64 = asked
        .iter()
        .filter(|(call, _)| call.as_str() != "cms:DescribeMetricMetaList")
        .map(|(_, count)| count)
        .sum();
    assert_eq!(reads, 2, "{asked:?}");
    assert_eq!(asked["cms:DescribeMetricMetaList"], 1, "lists go on: {asked:?}");
    assert!(ran.stderr.contains("2 of 2 calls used"), "{ran:?}");

    // A plan adds them up, and the shipped collector is refused by what the other reads have used.
    let plan = world.run(&["plan", "my/main.rhai", "--output", "json"]).json();
    let pool = &plan["pools"][0];
    assert_eq!(pool["used_this_month"], 2, "{plan:#}");
    assert_eq!(pool["calls"], json!(["cms:DescribeMetricLast", "cms:DescribeMetricList"]), "{plan:#}");
    world.write(
        "my_aliyun/monitor.rhai",
        &aliyun::monitor("#{ namespace: \"acs_ecs_dashboard\", metrics: [\"*cpu*\"] }", ""),
    );
    world.clouds.reset_aliyun_calls();
    let ran = world.run(&["run", "my_aliyun/monitor.rhai"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(
        !world.clouds.aliyun_calls().contains_key("cms:DescribeMetricList"),
        "{:?}",
        world.clouds.aliyun_calls()
    );
}

/// CloudWatch takes forms too, and bills what they ask for.
#[tokio::test(flavor = "multi_thread")]
async fn metrics_of_a_form_are_held_against_the_budget() {
    let world = world().await;
    let script = r##"import "guance_integration__runner" as integration;
import "guance_integration__aws" as aws;
let account = #{ ak_id: DFF.ENV("AWS_AK_ID"), ak_secret: DFF.ENV("AWS_AK_SECRET") };
@DFF.API("own", timeout = 60)
fn run() {
    Runner([ Collector("mine", account, #{ regions: ["cn-north-1"] }, |ctx| {
        let query = |id, name| #{ Id: id, MetricStat: #{ Metric: #{ Namespace: "AWS/EC2", MetricName: name }, Period: 60, Stat: "Average" } };
        aws::client(ctx.account).request("SERVICE", "GetMetricData", #{ MetricDataQueries: [ query.call("a", "CPUUtilization"), query.call("b", "NetworkIn") ] }, #{ protocol: "query", version: "2010-08-01" });
    }) ]).run()
}
"##;
    budget(&world, "[budget]\ncalls = 1\n");
    for service in ["monitoring", "cloudwatch"] {
        world.write("my/main.rhai", &script.replace("SERVICE", service));
        let ran = world.run(&["run", "my/main.rhai", "--force"]);
        assert_eq!(ran.code, 1, "{ran:?}");
        assert!(world.clouds.calls().is_empty(), "{:?}", world.clouds.calls());
        assert!(format!("{ran:?}").contains("0 of 1 metrics used"), "{ran:?}");
    }
}

/// The doctor's calls are billed like a run's.
#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_counts_its_calls_and_keeps_the_budget() {
    let world = world().await;
    let metrics = metrics(&world);
    let doctor = &["doctor", SCRIPT, "--yes"];
    budget(&world, &format!("[budget]\ncalls = {}\n", 2 * metrics - 1));
    let first = world.run(doctor);
    assert_eq!(first.code, 0, "{first:?}");
    assert!(first.stdout.contains("ok    aws_cloudwatch: may cloudwatch:GetMetricData"), "{first:?}");
    let mut expected = world.clouds.calls();
    expected.insert(metrics_key("monitoring:GetMetricData"), metrics);
    assert_eq!(counted(&world).await, expected);
    for _ in 0..2 {
        world.clouds.reset_calls();
        let more = world.run(doctor);
        assert_eq!(more.code, 0, "{more:?}");
        let calls = world.clouds.calls();
        assert!(!calls.contains_key("monitoring:GetMetricData"), "{calls:?}");
        assert_eq!(calls["monitoring:ListMetrics"], 1, "lists go on");
        let said: Vec<&str> = more
            .stdout
            .lines()
            .skip_while(|line| !line.starts_with("WARN  aws_cloudwatch"))
            .take(2)
            .collect();
        let month = &day(SystemClock.now())[..7];
        assert_eq!(
            said,
            [
                format!("WARN  aws_cloudwatch: cloudwatch:GetMetricData was not tried: the budget of {ACCOUNT} for {month}: {metrics} of {} metrics used, {} left", 2 * metrics - 1, metrics - 1),
                "      hint: raise the budget under [budget] in funchost.toml, or examine it in the next month".to_owned(),
            ],
            "{more:?}"
        );
    }
}

/// A trial calls once, whatever it would call in a run: one call is enough for it.
#[tokio::test(flavor = "multi_thread")]
async fn four_doctors_make_the_one_call_that_the_budget_allows() {
    const SCRIPT: &str = "my_aliyun/monitor.rhai";
    let world = aliyun::world(aliyun::small()).await;
    world.write(SCRIPT, &aliyun::monitor("#{ namespace: \"acs_ecs_dashboard\", metrics: [\"*cpu*\"] }", ""));
    aliyun::configure(&world, "[budget]\ncalls = 1\n");
    for number in 0..4 {
        let ran = world.run(&["doctor", SCRIPT, "--yes"]);
        assert_eq!(ran.code, 0, "{ran:?}");
        let refused = ran.stdout.contains("was not tried: the budget of aliyun/");
        assert_eq!(refused, number > 0, "{number}: {ran:?}");
        assert_eq!(world.clouds.aliyun_calls()["cms:DescribeMetricList"], 1);
    }
}

/// What is recorded is asked for real, and billed.
#[tokio::test(flavor = "multi_thread")]
async fn recording_counts_its_calls_and_keeps_the_budget() {
    let world = world().await;
    let metrics = metrics(&world);
    let script = aws_script(&[CHINA], "[\"*cpu*\"]")
        .replace("    Runner(collectors).run();", "    Runner(collectors).run()");
    world.write(
        SCRIPT,
        &format!("{script}\nfn test_run() {{ let report = run(); assert_eq(report.status, \"ok\"); }}\n"),
    );
    budget(&world, &format!("[budget]\ncalls = {}\n", 2 * metrics - 1));
    let record = |name: &'static str| world.run(&["test", SCRIPT, "--record", name]);
    let first = record("one.json");
    assert_eq!(first.code, 0, "{first:?}");
    let mut expected = world.clouds.calls();
    expected.insert(metrics_key("monitoring:GetMetricData"), metrics);
    assert_eq!(counted(&world).await, expected);
    world.clouds.reset_calls();
    let second = record("two.json");
    assert_eq!(second.code, 1, "{second:?}");
    assert!(!world.clouds.calls().contains_key("monitoring:GetMetricData"), "{:?}", world.clouds.calls());
    assert_eq!(world.clouds.billed_metrics(), 0);
    // A replay costs nothing.
    let replay = world.run(&["test", SCRIPT, "--replay", "one.json"]);
    assert_eq!(replay.code, 0, "{replay:?}");
    // Nothing but the counts is left of a recording: the next run begins as if there had been none.
    budget(&world, "");
    let run = world.run(RUN);
    assert_eq!((run.code, &run.collector("aws_ec2")["status"]), (0, &json!("collected")), "{run:?}");
}
