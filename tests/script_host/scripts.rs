//! What a user can write, and that it does what it says.

use crate::world::World;
use funchost::script::RunOptions;
use serde_json::json;

const MAIN: &str = r#"
// 账号配置
let account = #{ ak_id: "AKIDEXAMPLE", ak_secret: "not-a-real-secret", extra_tags: #{ account_name: "我的账号" } };

@DFF.API("执行云资产同步", timeout = 300)
fn run() {
    let collectors = [
        objects::DataCollector(account, #{ regions: ["cn-north-1"] }),
        metrics::DataCollector(account, #{
            regions: ["cn-north-1"],
            targets: [ #{ namespace: "AWS/EC2", metrics: ["*cpu*"] } ],
        }),
    ];
    Runner(collectors).run();
}
"#;

#[test]
fn the_manuals_script_runs_its_collectors_in_order() {
    let ran = World::with_imports(MAIN).run();
    ran.value();
    let requests = ran.double.requests.lock().unwrap();
    assert_eq!(requests.len(), 1);
    let request = &requests[0];
    let names: Vec<_> = request.collectors.iter().map(|one| one.collector.description().name).collect();
    assert_eq!(names, ["test_objects", "test_metrics"]);
    assert_eq!((request.debug, request.datakit_id.as_str()), (false, "datakit"));
    assert_eq!(&*request.collectors[0].account.extra_tags["account_name"], "我的账号");
    assert_eq!(request.collectors[0].configs, json!({ "regions": ["cn-north-1"] }));
    assert_eq!(ran.outcome.function.as_deref(), Some("my__main.run"));
    assert_eq!(ran.outcome.backend_calls, 1);
}

/// A script with the given statement in its only function; what its Runner was asked for.
fn runner(statement: &str, options: RunOptions) -> (bool, String, usize) {
    let script = format!(
        "let a = #{{ ak_id: \"id\", ak_secret: \"secret\" }};
        @DFF.API(\"t\")
        fn collect() {{ let cs = [objects::DataCollector(a, #{{ regions: [\"r\"] }})]; {statement} }}"
    );
    let ran = World::with_imports(&script).options(options).run();
    ran.value();
    let request = ran.double.requests.lock().unwrap()[0].clone();
    assert_eq!(ran.outcome.debug, request.debug);
    (request.debug, request.datakit_id, request.collectors.len())
}

#[test]
fn a_runner_takes_its_options_in_every_form() {
    let plain = RunOptions::default;
    assert_eq!(runner("Runner(cs).run();", plain()), (false, "datakit".into(), 1));
    assert_eq!(
        runner("Runner(cs, debug = true, datakit_id = \"dk2\").run();", plain()),
        (true, "dk2".into(), 1)
    );
    assert_eq!(runner("Runner(cs, datakit_id = \"dk2\",).run()", plain()), (false, "dk2".into(), 1));
    assert_eq!(runner("Runner(cs, #{ debug: true }).run()", plain()), (true, "datakit".into(), 1));
    assert_eq!(runner("integration::Runner(cs).run();", plain()), (false, "datakit".into(), 1));
    assert_eq!(
        runner("integration::Runner(cs, #{ \"debug\": true }).run();", plain()),
        (true, "datakit".into(), 1)
    );
    assert_eq!(runner("Runner(cs[0]).run()", plain()), (false, "datakit".into(), 1));
    let debug = RunOptions { debug: true, ..plain() };
    assert_eq!(runner("Runner(cs).run()", debug.clone()), (true, "datakit".into(), 1));
    assert_eq!(runner("Runner(cs, debug = false).run()", debug), (true, "datakit".into(), 1));
}

#[test]
fn packages_have_two_spellings() {
    for (runner, package) in [
        ("guance_integration__runner", "guance_test_objects__main"),
        ("integration_core__runner", "integration_test_objects__main"),
    ] {
        let ran = World::new(&format!(
            "import \"{runner}\" as integration; import \"{package}\" as o;
            @DFF.API(\"t\") fn f() {{ Runner(o::DataCollector(#{{ ak_id: \"a\", ak_secret: \"b\" }}, #{{ regions: [\"r\"] }})).run().status }}"
        ))
        .run();
        assert_eq!(ran.value(), json!("ok"), "{package}");
    }
}

#[test]
fn the_report_of_a_runner_is_a_map_and_every_report_is_kept() {
    let ran = World::with_imports(
        r#"@DFF.API("t") fn f() {
            let first = Runner([]).run();
            let second = Runner([], debug = true).run();
            [first.status, first.debug, second.debug]
        }"#,
    )
    .run();
    assert_eq!(ran.value(), json!(["ok", false, true]));
    assert_eq!(ran.outcome.reports.len(), 2);
    assert!(ran.outcome.debug);
}

#[test]
fn a_function_of_a_user_does_not_hide_the_methods_of_the_host() {
    let ran = World::with_imports(
        r#"
        fn LOG(text) { throw "hidden" }
        fn ENV(id) { throw "hidden" }
        fn now_ms() { throw "hidden" }
        @DFF.API("t") fn run() {
            DFF.LOG(DFF.ENV("HERE"));
            if DFF.TOOLKIT.now_ms() < 1 { throw "no time"; }
            Runner([]).run().status
        }"#,
    )
    .env("HERE", "found", false)
    .run();
    assert_eq!(ran.value(), json!("ok"));
    assert_eq!(ran.texts(), ["found"]);
}

#[test]
fn functions_and_closures_see_module_level_variables() {
    let ran = World::new(
        r#"
        let factor = 2;
        const OFFSET = 1;
        let list = [];
        list.push(3);
        list += 4;
        fn scaled(x) { x * factor + OFFSET }
        fn nested() { [1, 2].map(|x| scaled(x) + list.len()) }
        let early = scaled(10);
        factor = 5;
        @DFF.API("t")
        fn run() { let f = |y| list.len() + y + factor; [early, scaled(1), nested(), f.call(1), list] }
        "#,
    )
    .run();
    assert_eq!(ran.value(), json!([21, 6, [8, 13], 8, [3, 4]]));
}

#[test]
fn a_local_wins_over_a_module_level_variable() {
    let ran = World::new(
        r#"
        let x = 1; let xs = [1];
        fn argument(x) { x += 1; x }
        fn local() { let xs = xs; xs.push(2); xs.len() }
        @DFF.API("t") fn run() { let total = 0; for x in 0..3 { total += x; } [argument(5), local(), total, x] }
        "#,
    )
    .run();
    assert_eq!(ran.value(), json!([6, 2, 3, 1]));
}

#[test]
fn scripts_import_scripts_of_their_set_and_of_others() {
    let ran = World::new(
        r#"
        import "lib__names" as names;
        import "__util" as util;
        let base = 1;
        @DFF.API("t") fn run() { [names::full("ecs"), util::plus(base), util::label, names::again()] }
        "#,
    )
    .file("my/util.rhai", "let base = 40; fn plus(x) { x + base + 1 } export const label = \"u\";")
    .file("lib/names.rhai", "import \"__deep\" as deep; let prefix = \"aws_\"; fn full(x) { prefix + x } fn again() { deep::answer() }")
    .file("lib/deep.rhai", "const ANSWER = 42; fn answer() { ANSWER }")
    .run();
    assert_eq!(ran.value(), json!(["aws_ecs", 42, "u", 42]));
}

#[test]
fn a_script_in_a_folder_that_is_no_identifier_runs_and_imports_its_neighbours() {
    let mut world = World::new("@DFF.API(\"x\") fn unused() {}")
        .file(
            "my scripts-2/main v1.rhai",
            "import \"__util\" as util; @DFF.API(\"t\") fn run() { util::f() }",
        )
        .file("my scripts-2/util.rhai", "fn f() { 7 }");
    world.settings.library = None;
    let script = funchost::script::open(
        &world.path("my scripts-2/main v1.rhai"),
        &std::sync::Arc::new(world.settings.clone()),
    )
    .unwrap();
    assert_eq!(script.id(), "my_scripts_2__main_v1");
    let functions = funchost::script::list(&script).unwrap();
    assert_eq!(functions[0].id, "my_scripts_2__main_v1.run");
    assert_eq!(functions[0].place.as_ref().unwrap().to_string(), "my scripts-2/main v1.rhai:1:26");
}

#[test]
fn a_configured_library_is_where_other_sets_are() {
    let mut world = World::new(
        "import \"shared__x\" as x; import \"__own\" as own; @DFF.API(\"t\") fn run() { [x::f(), own::f()] }",
    )
    .file("my/own.rhai", "fn f() { 1 }")
    .file("library/shared/x.rhai", "fn f() { 2 }");
    world.settings.library = Some(world.path("library"));
    assert_eq!(world.run().value(), json!([2, 1]));
}

#[test]
fn runners_in_imported_scripts_work_with_functions_named_run_everywhere() {
    let ran = World::new(
        r#"import "lib__collect" as collect;
        let regions = ["eu-west-1"];
        @DFF.API("t") fn run() { collect::run(regions).status }"#,
    )
    .file(
        "lib/collect.rhai",
        r#"import "guance_integration__runner" as integration;
        import "guance_test_objects__main" as objects;
        let account = #{ ak_id: "a", ak_secret: "b" };
        fn make(regions) { objects::DataCollector(account, #{ regions: regions }) }
        fn run(regions) { Runner([make(regions)], datakit_id = "other").run() }
        fn run() { throw "the wrong one" }"#,
    )
    .run();
    assert_eq!(ran.value(), json!("ok"));
    assert_eq!(ran.double.requests.lock().unwrap()[0].datakit_id, "other");
}

#[test]
fn values_of_the_environment_come_from_the_configuration_first() {
    let ran = World::new("@DFF.API(\"t\") fn run() { [DFF.ENV(\"MINE\"), DFF.ENV(\"CARGO_PKG_NAME\")] }")
        .env("MINE", "configured", false)
        .run();
    assert_eq!(ran.value(), json!(["configured", "funchost"]));
}

#[test]
fn what_is_said_keeps_its_order_and_its_place() {
    let ran = World::new(
        "@DFF.API(\"t\") fn run() {\n    print(`你好 ${1 + 1}`);\n    debug([1, \"a\"]);\n    DFF.LOG(\"plain\");\n    DFF.LOG(\"warning\", #{ a: 1 });\n}",
    )
    .run();
    let said: Vec<String> = ran
        .lines
        .iter()
        .map(|line| {
            let place = line.place.as_ref().map_or(String::new(), ToString::to_string);
            format!("{:?} {} {place}", line.kind, line.text)
        })
        .collect();
    assert_eq!(
        said,
        [
            "Print 你好 2 ",
            "Debug [1, \"a\"] my/main.rhai:3:5",
            "Log(Info) plain my/main.rhai:4:9",
            "Log(Warning) {\"a\":1} my/main.rhai:5:9",
        ]
    );
}

#[test]
fn times_come_from_the_clock() {
    let ran = World::new("@DFF.API(\"t\") fn run() { DFF.TOOLKIT.iso8601(1700000000123) }").run();
    assert_eq!(ran.value(), json!("2023-11-14T22:13:20.123Z"));
    let ran = World::new(
        "@DFF.API(\"t\") fn run() { let a = DFF.TOOLKIT.now(); let b = DFF.TOOLKIT.now_ms(); b / 1000 - a < 2 && a > 1700000000 }",
    )
    .run();
    assert_eq!(ran.value(), json!(true));
}

#[test]
fn a_result_that_is_no_data_is_left_out_and_said() {
    let ran = World::new("@DFF.API(\"t\") fn run() { #{ a: [|x| x] } }").run();
    assert_eq!(ran.value(), json!(null));
    assert_eq!(
        ran.outcome.warnings[0].message,
        "the function's result at `a[0]` is a function, which is no data: it is left out"
    );
}

#[test]
fn the_function_is_chosen_by_name_id_or_title() {
    let script = "@DFF.API(\"一\") fn one() { 1 } @DFF.API(\"two things\") fn two() { 2 }";
    for (name, expected) in [("one", 1), ("my__main.two", 2), ("two things", 2)] {
        let options = RunOptions { function: Some(name.into()), ..RunOptions::default() };
        assert_eq!(World::new(script).options(options).run().value(), json!(expected), "{name}");
    }
}

#[test]
fn an_exit_ends_the_run_with_its_value() {
    assert_eq!(World::new("@DFF.API(\"t\") fn run() { exit(5); 6 }").run().value(), json!(5));
}
