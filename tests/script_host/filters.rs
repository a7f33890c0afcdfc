//! Filters: functions of a script that are called while collectors run.

use crate::world::{Ran, World};
use serde_json::{Value, json};

fn pages() -> Vec<Vec<Value>> {
    let object = |number: u32| json!({ "name": format!("i-{number}"), "Status": if number.is_multiple_of(2) { "Running" } else { "Stopped" }, "Cpu": number });
    vec![(0..3).map(object).collect(), (3..6).map(object).collect()]
}

/// A collector with these filters; the names that were kept.
fn filtered(before: &str, filters: &str) -> Ran {
    World::with_imports(&format!(
        "let account = #{{ ak_id: \"a\", ak_secret: \"b\" }};
        {before}
        @DFF.API(\"t\")
        fn run() {{
            let least = 2;
            let cs = [objects::DataCollector(account, #{{ regions: [\"r\"] }}, #{{ filters: {filters} }})];
            Runner(cs).run().status
        }}"
    ))
    .file("lib/keep.rhai", "let wanted = [\"i-4\"]; fn is_wanted(o) { o.name in wanted } fn filter() { |o| is_wanted(o) } fn both(o) { is_wanted(o) }")
    .pages(pages())
    .run()
}

fn kept(before: &str, filters: &str) -> Vec<String> {
    let ran = filtered(before, filters);
    assert_eq!(ran.value(), json!("ok"));
    assert_eq!(*ran.double.failures.lock().unwrap(), Vec::<String>::new());
    ran.double.kept.lock().unwrap()[0].clone()
}

#[test]
fn closures_named_functions_and_captured_variables_filter() {
    assert_eq!(kept("", "[|o| o.Status == \"Running\"]"), ["i-0", "i-2", "i-4"]);
    assert_eq!(kept("", "[|o| o.Cpu >= least]"), ["i-2", "i-3", "i-4", "i-5"]);
    assert_eq!(kept("fn small(o) { o.Cpu < 1 }", "[small]"), ["i-0"]);
    assert_eq!(kept("let names = [\"i-1\"];", "[|o| o.name in names]"), ["i-1"]);
    assert_eq!(kept("let names = [\"i-1\"]; fn named(o) { o.name in names }", "[|o| named(o)]"), ["i-1"]);
    assert_eq!(kept("let names = [\"i-1\"]; fn named(o) { o.name in names }", "[named]"), ["i-1"]);
}

#[test]
fn several_filters_all_have_to_agree() {
    assert_eq!(kept("", "[|o| o.Cpu >= least, |o| o.Status == \"Running\"]"), ["i-2", "i-4"]);
}

#[test]
fn filters_of_imported_scripts_see_their_own_script() {
    let import = "import \"lib__keep\" as keep;";
    assert_eq!(kept(import, "[keep::filter()]"), ["i-4"]);
    assert_eq!(kept(import, "[|o| keep::both(o)]"), ["i-4"]);
    assert_eq!(kept(&format!("{import} fn is_wanted(o) {{ true }}"), "[keep::filter()]"), ["i-4"]);
}

#[test]
fn no_filter_means_no_filter() {
    let ran = filtered("", "[]");
    assert!(ran.double.requests.lock().unwrap()[0].collectors[0].filter.is_none());
}

#[test]
fn a_filter_that_throws_fails_its_collector_with_its_place() {
    let ran = filtered("", "[|o| { if o.name == \"i-1\" { throw \"坏了\"; } true }]");
    assert_eq!(ran.value(), json!("ok"));
    let failures = ran.double.failures.lock().unwrap();
    assert_eq!(*failures, ["a filter failed: 坏了 (my/main.rhai:9:116)"]);
    assert!(ran.texts()[0].starts_with("坏了\n --> my/main.rhai:9:116"), "{:?}", ran.texts());
}

#[test]
fn a_filter_in_an_imported_script_that_throws_is_shown_there() {
    let ran = World::with_imports(
        "import \"lib__bad\" as bad;
        @DFF.API(\"t\") fn run() { Runner(objects::DataCollector(#{ ak_id: \"a\", ak_secret: \"b\" }, #{ regions: [\"r\"] }, #{ filters: [|o| bad::check(o)] })).run() }",
    )
    .file("lib/bad.rhai", "fn check(o) {\n    o.NoSuchTag == 1\n}")
    .pages(pages())
    .run();
    let failures = ran.double.failures.lock().unwrap();
    assert_eq!(*failures, ["a filter failed: the map has no key `NoSuchTag` (lib/bad.rhai:2:7)"]);
}

#[test]
fn a_filter_must_answer_true_or_false() {
    let ran = filtered("", "[|o| o.name]");
    assert_eq!(
        *ran.double.failures.lock().unwrap(),
        ["a filter failed: it answered a text, expected true or false (my/main.rhai:9:93)"]
    );
}

#[test]
fn a_filter_can_print_and_sleep_and_is_stopped_at_the_deadline() {
    let ran = World::with_imports(
        "@DFF.API(\"t\", timeout = 1) fn run() {
            let filter = |o| { print(o.name); if o.name == \"i-2\" { loop { } } sleep(0.001); true };
            Runner(objects::DataCollector(#{ ak_id: \"a\", ak_secret: \"b\" }, #{ regions: [\"r\"] }, #{ filters: [filter] })).run()
        }",
    )
    .pages(pages())
    .run();
    assert_eq!(ran.outcome.ended, funchost::script::Ended::TimedOut);
    assert_eq!(ran.texts(), ["i-0", "i-1", "i-2"]);
    assert_eq!(*ran.double.failures.lock().unwrap(), ["a filter failed: the run was stopped"]);
}

#[test]
fn a_filter_cannot_change_what_is_collected() {
    assert_eq!(kept("", "[|o| { o.name = \"other\"; true }]"), ["i-0", "i-1", "i-2", "i-3", "i-4", "i-5"]);
}
