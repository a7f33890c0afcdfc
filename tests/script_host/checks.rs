//! `check`: what can be known without calling a cloud.

use crate::world::World;
use funchost::script::Severity;
use insta::assert_snapshot;

const ACCOUNT: &str = "let account = #{ ak_id: \"a\", ak_secret: \"b\" };\n";

#[test]
fn a_right_script_has_no_problems() {
    let checked = World::with_imports(&format!(
        "{ACCOUNT}
        let least = 2;
        fn is_big(o) {{ o.Cpu >= least }}
        @DFF.API(\"t\", timeout = 60)
        fn run() {{
            let cs = [
                objects::DataCollector(account, #{{ regions: [\"r\"] }}, #{{ filters: [is_big, |o| o.Cpu > least] }}),
                metrics::DataCollector(account, #{{ regions: [\"r\"], targets: [#{{ namespace: \"n\", metrics: [\"*\"] }}] }}),
            ];
            let report = Runner(cs, debug = true).run();
            for collector in report.collectors {{ print(`${{collector.name}} ${{collector.collected}}`); }}
            sleep(1000);
            let text = \"x\";
            text.trim();
            [1, 2].map(|x| x + 1).filter(|x| x > least)
        }}"
    ))
    .check();
    assert_eq!(
        checked.problems.iter().map(|problem| problem.render(false)).collect::<Vec<_>>(),
        Vec::<String>::new()
    );
    assert_eq!(checked.functions.len(), 1);
    assert!(!checked.failed());
}

#[test]
fn everything_that_is_wrong_is_found_at_once() {
    let world = World::with_imports(
        "let account = #{ ak_id: \"a\", ak_secret: \"b\" };
fn len() { 3 }
fn helper(xs) { xs.len() + acount.ak_id.len() }
fn two(a, b) { a }
@DFF.API(\"x\")
fn run() {
    let cs = [1, 2].map(|x| x + offset);
    objects.DataCollector(account, #{});
    nope::f(1);
    two(1);
    objects::Datacollector(account, #{});
    missing(cs);
}
",
    );
    assert_snapshot!(world.problems(), @r#"
    warning: `fn len` hides the built-in method `.len()`
     --> my/main.rhai:5:4
      |
    5 | fn len() { 3 }
      |    ^^^ every `x.len()` of this script calls this function
      |
      = hint: give it another name

    error: `acount` is not defined
     --> my/main.rhai:6:28
      |
    6 | fn helper(xs) { xs.len() + acount.ak_id.len() }
      |                            ^^^^^^ not defined here
      |
      = hint: did you mean `account`?

    error: `offset` is not defined
      --> my/main.rhai:10:33
       |
    10 |     let cs = [1, 2].map(|x| x + offset);
       |                                 ^^^^^^ not defined here
       |
       = hint: give it a value first, `let offset = …;`, or put it in double quotes where it is a text

    error: `objects` is an imported script, not a value
      --> my/main.rhai:11:5
       |
    11 |     objects.DataCollector(account, #{});
       |     ^^^^^^^ not a value
       |
       = hint: write `objects::DataCollector(…)`, with `::` instead of `.`

    error: nothing is imported as `nope`
      --> my/main.rhai:12:5
       |
    12 |     nope::f(1);
       |     ^^^^ not imported
       |
       = hint: write at the top of the script: import "…" as nope;

    error: `two` takes 2 arguments, 1 given
      --> my/main.rhai:13:5
       |
    13 |     two(1);
       |     ^^^ wrong number of arguments

    error: package `guance_test_objects__main` has no function `Datacollector`
      --> my/main.rhai:14:14
       |
    14 |     objects::Datacollector(account, #{});
       |              ^^^^^^^^^^^^^ no such function
       |
       = hint: did you mean `DataCollector`?

    error: there is no function `missing`
      --> my/main.rhai:15:5
       |
    15 |     missing(cs);
       |     ^^^^^^^ no such function
       |
       = hint: write one: `fn missing(…) { … }`
    "#);
    assert!(world.check().failed());
}

#[test]
fn configurations_are_validated_in_every_function() {
    let world = World::with_imports(&format!(
        "{ACCOUNT}@DFF.API(\"one\")\nfn one() {{ Runner([objects::DataCollector(account, #{{ region: [] }})]).run() }}\n@DFF.API(\"two\")\nfn two() {{ metrics::DataCollector(account, #{{ regions: [\"r\"], targets: [#{{ namespace: \"n\", metrics: [] }}] }}) }}"
    ));
    assert_snapshot!(world.problems(), @r#"
    error: configs: `region` is not a known key
     --> my/main.rhai:6:55
      |
    6 | fn one() { Runner([objects::DataCollector(account, #{ region: [] })]).run() }
      |                             -------------             ^^^^^^ is not a known key
      |                             |
      |                             the collector is created here
      |
      = hint: did you mean `regions`?

    error: configs: `targets[0].metrics` is empty
     --> my/main.rhai:8:101
      |
    8 | fn two() { metrics::DataCollector(account, #{ regions: ["r"], targets: [#{ namespace: "n", metrics: [] }] }) }
      |                     ------------- the collector is created here                                     ^ is empty
    "#);
}

#[test]
fn missing_values_of_the_environment_are_warnings_and_do_not_hide_errors() {
    let world = World::with_imports(
        "let account = #{ ak_id: DFF.ENV(\"ZZZ_ID\"), ak_secret: DFF.ENV(\"ZZZ_SECRET\") };\n@DFF.API(\"t\")\nfn run() { objects::DataCollector(account, #{ regions: [] }) }",
    );
    assert_snapshot!(world.problems(), @r#"
    warning: `DFF.ENV("ZZZ_ID")` is not set
     --> my/main.rhai:4:29
      |
    4 | let account = #{ ak_id: DFF.ENV("ZZZ_ID"), ak_secret: DFF.ENV("ZZZ_SECRET") };
      |                             ^^^ not set
      |
      = hint: set it with `export ZZZ_ID=…`, or in funchost.toml: `[env]` and `ZZZ_ID = "…"`

    warning: `DFF.ENV("ZZZ_SECRET")` is not set
     --> my/main.rhai:4:59
      |
    4 | let account = #{ ak_id: DFF.ENV("ZZZ_ID"), ak_secret: DFF.ENV("ZZZ_SECRET") };
      |                                                           ^^^ not set
      |
      = hint: set it with `export ZZZ_SECRET=…`, or in funchost.toml: `[env]` and `ZZZ_SECRET = "…"`

    error: configs: `regions` is an empty list: nothing would be collected
     --> my/main.rhai:6:56
      |
    6 | fn run() { objects::DataCollector(account, #{ regions: [] }) }
      |                     -------------                      ^ is an empty list: nothing would be collected
      |                     |
      |                     the collector is created here
      |
      = hint: name at least one region
    "#);
    assert_eq!(world.list().unwrap().len(), 1);
}

#[test]
fn a_metrics_collector_before_its_objects_is_warned_of_in_check_and_run() {
    let script = format!(
        "{ACCOUNT}@DFF.API(\"t\")\nfn run() {{\n    Runner([\n        metrics::DataCollector(account, #{{ regions: [\"r\"], targets: [] }}),\n        objects::DataCollector(account, #{{ regions: [\"r\"] }}),\n    ]).run().status\n}}"
    );
    let world = World::with_imports(&script);
    assert_snapshot!(world.problems(), @r#"
    warning: `test_metrics` stands before `test_objects`, whose objects name its metrics
     --> my/main.rhai:8:18
      |
    8 |         metrics::DataCollector(account, #{ regions: ["r"], targets: [] }),
      |                  ^^^^^^^^^^^^^ collected first
    9 |         objects::DataCollector(account, #{ regions: ["r"] }),
      |                  ------------- collected later
      |
      = hint: put collectors of metrics at the end of the list
    "#);
    assert!(!world.check().failed());
    let ran = world.run();
    assert_eq!(ran.value(), serde_json::json!("ok"));
    assert_eq!(ran.outcome.warnings[0].severity, Severity::Warning);
    assert!(ran.texts()[0].starts_with("`test_metrics` stands before `test_objects`"));
    // Of another account, they are not linked.
    let other = script.replace(
        "objects::DataCollector(account,",
        "objects::DataCollector(#{ ak_id: \"other\", ak_secret: \"b\" },",
    );
    assert_eq!(World::with_imports(&other).problems(), "");
}

#[test]
fn imported_scripts_are_checked_too() {
    let world = World::new(
        "import \"lib__x\" as x;\n@DFF.API(\"t\")\nfn run() { x::work(1); x::wrok(); x::hidden() }",
    )
    .file("lib/x.rhai", "fn work() { undefined_name }\nprivate fn hidden() {}\nfn clear() {}");
    assert_snapshot!(world.problems(), @r#"
    error: `work` of script `lib__x` takes 0 arguments, 1 given
     --> my/main.rhai:3:15
      |
    3 | fn run() { x::work(1); x::wrok(); x::hidden() }
      |               ^^^^ wrong number of arguments

    error: script `lib__x` has no function `wrok`
     --> my/main.rhai:3:27
      |
    3 | fn run() { x::work(1); x::wrok(); x::hidden() }
      |                           ^^^^ no such function
      |
      = hint: did you mean `work`?

    error: script `lib__x` has no function `hidden`
     --> my/main.rhai:3:38
      |
    3 | fn run() { x::work(1); x::wrok(); x::hidden() }
      |                                      ^^^^^^ no such function
      |
      = hint: it has clear, work

    error: `undefined_name` is not defined
     --> lib/x.rhai:1:13
      |
    1 | fn work() { undefined_name }
      |             ^^^^^^^^^^^^^^ not defined here
      |
      = hint: give it a value first, `let undefined_name = …;`, or put it in double quotes where it is a text

    warning: `fn clear` hides the built-in method `.clear()`
     --> lib/x.rhai:3:4
      |
    3 | fn clear() {}
      |    ^^^^^ every `x.clear()` of this script calls this function
      |
      = hint: give it another name
    "#);
}

#[test]
fn a_script_that_does_not_load_has_one_error() {
    assert_snapshot!(World::new("let x = ;\nlet y = ;").problems(), @r#"
    error: syntax error: unexpected ';'
     --> my/main.rhai:1:9
      |
    1 | let x = ;
      |         ^
      |
      = hint: look at this place and at the line before it: something is missing, or too much
    "#);
    assert_snapshot!(World::new("fn helper() {}").problems(), @r#"
    warning: `my__main` registers no function, so nothing of it can be run
     |
     = hint: put `@DFF.API("title")` directly above a function; a script that others import needs none
    "#);
    assert_snapshot!(World::new("@DFF.API(\"x\")\nfn run() { Runner([]).run() }").problems(), @r#"
    error: `Runner` is not imported
     --> my/main.rhai:2:12
      |
    2 | fn run() { Runner([]).run() }
      |            ^^^^^^ needs its package
      |
      = hint: write at the top of the script: import "guance_integration__runner" as integration;
    "#);
    assert_snapshot!(World::new("let xs = [];\n@DFF.API(\"x\")\nfn run() { xs.push(1); xs[0] = 2; }").problems(), @r#"
    error: `xs` is a module-level variable, which functions can only read
     --> my/main.rhai:3:12
      |
    3 | fn run() { xs.push(1); xs[0] = 2; }
      |            ^^ changed here
      |
      = hint: take a copy first: `let copy = xs;`, and change the copy

    error: `xs` is a module-level variable, which functions can only read
     --> my/main.rhai:3:24
      |
    3 | fn run() { xs.push(1); xs[0] = 2; }
      |                        ^^ assigned here
      |
      = hint: take a copy first: `let copy = xs;`, and change the copy
    "#);
}

#[test]
fn what_only_a_run_can_know_is_a_warning() {
    let world = World::with_imports(
        "@DFF.API(\"t\")\nfn run() {\n    let report = Runner([]).run();\n    report.collectors[0].name\n}",
    );
    assert_snapshot!(world.problems(), @r#"
    warning: not checked to its end: the list has 0 items, and none at index 0
     --> my/main.rhai:7:23
      |
    7 |     report.collectors[0].name
      |                       ^ out of bounds
      |
      = hint: the first item is `[0]`, the last one `[-1]`
    "#);
    let world = World::new("@DFF.API(\"t\")\nfn run() { DFF.ENV(\"ZZZ_NUMBER\").parse_int() }");
    assert_snapshot!(world.problems(), @r#"
    warning: `DFF.ENV("ZZZ_NUMBER")` is not set
     --> my/main.rhai:2:16
      |
    2 | fn run() { DFF.ENV("ZZZ_NUMBER").parse_int() }
      |                ^^^ not set
      |
      = hint: set it with `export ZZZ_NUMBER=…`, or in funchost.toml: `[env]` and `ZZZ_NUMBER = "…"`

    warning: not checked to its end: error parsing integer number 'value-of-ZZZ_NUMBER': invalid digit found in string
     --> my/main.rhai:2:34
      |
    2 | fn run() { DFF.ENV("ZZZ_NUMBER").parse_int() }
      |                                  ^^^^^^^^^
      |
      = hint: a value of the environment is missing, so that this may be no error: set it and check again
    "#);
}

#[test]
fn a_function_that_waits_for_ever_is_left_after_five_seconds() {
    let checked = World::new("@DFF.API(\"t\")\nfn run() { while true { sleep(1); } }").check();
    assert_eq!(checked.problems.len(), 1);
    assert_eq!(checked.problems[0].severity, Severity::Warning);
    assert_eq!(checked.functions.len(), 1);
}

#[test]
fn check_says_nothing_of_what_a_script_prints() {
    let world =
        World::new("print(\"top\");\n@DFF.API(\"t\")\nfn run() { print(\"inside\"); DFF.LOG(\"x\"); }");
    assert_eq!(world.problems(), "");
    assert_eq!(world.list().unwrap().len(), 1);
    assert_eq!(world.said(), Vec::<String>::new());
}
