//! What the tests of Tencent Cloud share: scripts, and what must arrive of an estate.

#![allow(dead_code, reason = "each test program uses its own part of this")]

use super::World;
use simcloud::{Fault, FaultKind, FieldValue, Options, ReceivedPoint, TencentEstate, TencentMetric};
use std::collections::BTreeMap;

pub(crate) const SHANGHAI: &str = "ap-shanghai";
pub(crate) const MINUTE: i64 = 60;
pub(crate) const RUN: &[&str] = &["run", "my_tencent/main.rhai", "--output", "json"];

/// The manual's script as it ships, with the regions and metrics put in.
pub(crate) fn script(regions: &[&str], metrics: &str) -> String {
    let shipped = include_str!("../../scripts/my_tencent/main.rhai");
    let mut script = shipped.to_owned();
    for (written, wanted) in [
        ("timeout = 300", "timeout = 60".to_owned()),
        ("[\"ap-shanghai\"]", format!("{regions:?}")),
        ("[\"*cpu*\"]", metrics.to_owned()),
    ] {
        assert!(script.contains(written), "{written} stands in the shipped script");
        script = script.replace(written, &wanted);
    }
    script
}

/// A script of one collector: `monitor(&[SHANGHAI], "#{ namespace: … }")`.
pub(crate) fn monitor(regions: &[&str], targets: &str) -> String {
    alone("monitor", &format!("regions: {regions:?}, targets: [{targets}]"))
}

/// A script of the other.
pub(crate) fn cvm(regions: &[&str]) -> String {
    alone("cvm", &format!("regions: {regions:?}"))
}

fn alone(collector: &str, configs: &str) -> String {
    format!(
        r#"import "guance_integration__runner" as integration;
import "guance_tencentcloud_{collector}__main" as collector;
let account = #{{ ak_id: DFF.ENV("TENCENTCLOUD_AK_ID"), ak_secret: DFF.ENV("TENCENTCLOUD_AK_SECRET") }};
@DFF.API("alone", timeout = 60)
fn run() {{
    Runner(collector::DataCollector(account, #{{ {configs} }})).run();
}}
"#
    )
}

pub(crate) fn options(instances: usize) -> Options {
    let tencent = TencentEstate { instances, ..TencentEstate::default() };
    Options { tencent, ..Options::default() }
}

/// Plain names, no gaps.
pub(crate) fn plain(instances: usize) -> Options {
    let tencent = TencentEstate { instances, nasty: false, gaps: false, ..TencentEstate::default() };
    Options { tencent, ..Options::default() }
}

pub(crate) fn fault(action: &str, times: u64, kind: FaultKind) -> Fault {
    Fault { service: None, action: Some(action.into()), region: None, skip: 0, times, kind }
}

/// Seconds to the next time that lies two minutes behind a multiple of five: a run that starts there has the same windows to its end.
pub(crate) fn aligned() -> i64 {
    let now = std::time::UNIX_EPOCH.elapsed().expect("after 1970").as_secs();
    420 - i64::try_from(now % 300).expect("a few minutes")
}

/// The same time, seconds since 1970, `later` seconds after it.
pub(crate) fn now(offset: i64) -> i64 {
    let now = std::time::UNIX_EPOCH.elapsed().expect("after 1970").as_secs();
    i64::try_from(now).expect("this century") + offset
}

/// More calls a second than the cloud allows: tests do not wait.
pub(crate) fn hurry(world: &World) {
    limits(
        world,
        "\"tencentcloud.monitor.GetMonitorData\" = 5000\n\"tencentcloud.cvm.DescribeInstances\" = 5000\n",
    );
}

pub(crate) fn limits(world: &World, limits: &str) {
    let known =
        std::fs::read_to_string(world.folder.path().join("funchost.toml")).expect("the configuration");
    world.write("funchost.toml", &format!("{known}[limits]\n{limits}"));
}

/// What line protocol can carry of a tag's value, by the rules of DataKit.
pub(crate) fn as_tag(value: &str) -> Option<String> {
    let value = value.replace(['\n', '\r'], " ");
    let mut value = value.trim_end_matches('\\').to_owned();
    let mut end = value.len().min(1024);
    while !value.is_char_boundary(end) {
        end -= 1;
    }
    value.truncate(end);
    (!value.is_empty()).then_some(value)
}

/// What the collectors choose of a metric: the smallest period of a minute at least, and its first statistic.
pub(crate) fn choice(metric: &TencentMetric) -> (i64, String) {
    let known =
        || metric.periods.iter().map(|(seconds, statistics)| (*seconds, statistics[0].to_lowercase()));
    known().filter(|(seconds, _)| *seconds >= 60).min().or_else(|| known().max()).expect("each has a period")
}

/// Instance, time in seconds and field.
pub(crate) type Identity = (String, i64, String);

/// Every field of a metric that arrived, by what it is of: each once.
pub(crate) fn fields(points: &[ReceivedPoint]) -> BTreeMap<Identity, f64> {
    let mut fields = BTreeMap::new();
    for point in points.iter().filter(|point| point.category == "metric") {
        assert_eq!(point.measurement, "tencentcloud_QCE/CVM");
        for (field, value) in &point.fields {
            let FieldValue::Float(value) = value else { panic!("{field} is {value:?}") };
            assert_eq!(point.timestamp % 1_000_000_000, 0);
            let key = (point.tags["InstanceId"].clone(), point.timestamp / 1_000_000_000, field.clone());
            assert!(fields.insert(key.clone(), *value).is_none(), "{key:?} came twice");
        }
    }
    fields
}

/// What must arrive of these metrics of CVM when the cloud's time is `now` and nothing was asked for before `since` seconds ago.
pub(crate) fn expected(
    world: &World,
    region: &str,
    metrics: &[TencentMetric],
    now: i64,
    since: i64,
) -> BTreeMap<Identity, f64> {
    let mut fields = BTreeMap::new();
    for metric in metrics {
        let (period, statistic) = choice(metric);
        let floor = |time: i64| time - time.rem_euclid(period);
        let end = floor(now - MINUTE);
        let times: Vec<i64> =
            (floor(end - since)..end).step_by(usize::try_from(period).expect("positive")).collect();
        for instance in world.clouds.tencent_instances(region) {
            let dimensions = [("InstanceId".to_owned(), instance.id.clone())];
            for time in &times {
                let value = world.clouds.tencent_datapoint(
                    region,
                    "QCE/CVM",
                    metric.name,
                    &dimensions,
                    period,
                    *time,
                );
                if let Some(value) = value {
                    fields
                        .insert((instance.id.clone(), *time, format!("{}_{statistic}", metric.name)), value);
                }
            }
        }
    }
    fields
}

/// Seconds differ from run to run.
pub(crate) fn steady(text: &str) -> String {
    let mut steady = String::new();
    for word in text.split_inclusive([' ', '\n']) {
        let trimmed = word.trim_end();
        let number = trimmed.trim_end_matches([':', ';', ')']);
        if number.contains('.') && number.parse::<f64>().is_ok() {
            steady.push_str(&word.replace(number, "#.#"));
        } else if trimmed.len() == 20 && trimmed.ends_with('Z') {
            steady.push_str(&word.replace(trimmed, "TIME"));
        } else {
            steady.push_str(word);
        }
    }
    steady
}
