//! What is said when a script is wrong, the whole of it.

use crate::world::{Behaviour, World, failure};
use funchost::script::{BackendError, Fault, RunOptions};
use insta::assert_snapshot;

/// A script with one statement in its only function, below the imports of both packages.
fn inside(statement: &str) -> String {
    World::with_imports(&format!("@DFF.API(\"t\")\nfn run() {{\n    {statement}\n}}")).run().error()
}

#[test]
fn names_that_are_not_defined() {
    assert_snapshot!(failure("let account = #{ ak_id: \"a\" };\nfn helper() { acount.ak_id }\n@DFF.API(\"x\")\nfn run() { helper() }"), @r#"
    error: `acount` is not defined
     --> my/main.rhai:2:15
      |
    2 | fn helper() { acount.ak_id }
      |               ^^^^^^ not defined here
    3 | @DFF.API("x")
    4 | fn run() { helper() }
      |            ------ called here: `helper`
      |
      = hint: did you mean `account`?
    "#);
    assert_snapshot!(inside("nope::f(1)"), @r#"
    error: nothing is imported as `nope`
     --> my/main.rhai:6:5
      |
    6 |     nope::f(1)
      |     ^^^^ not imported
      |
      = hint: write at the top of the script: import "…" as nope;
    "#);
    assert_snapshot!(inside("object::DataCollector(1, 2)"), @r#"
    error: nothing is imported as `object`
     --> my/main.rhai:6:5
      |
    6 |     object::DataCollector(1, 2)
      |     ^^^^^^ not imported
      |
      = hint: did you mean `objects`?
    "#);
    assert_snapshot!(inside("prnt(1)"), @r#"
    error: there is no function `prnt` for a whole number
     --> my/main.rhai:6:5
      |
    6 |     prnt(1)
      |     ^^^^ no such function
      |
      = hint: did you mean `print`?
    "#);
    assert_snapshot!(failure("fn two(a, b) { a }\n@DFF.API(\"x\")\nfn run() { two(1) }"), @r#"
    error: `two` takes 2 arguments, 1 given
     --> my/main.rhai:3:12
      |
    3 | fn run() { two(1) }
      |            ^^^ wrong number of arguments
    "#);
    assert_snapshot!(inside("objects::DataCollector(#{})"), @r#"
    error: `DataCollector` takes 2 or 3 arguments, 1 given
     --> my/main.rhai:6:14
      |
    6 |     objects::DataCollector(#{})
      |              ^^^^^^^^^^^^^ wrong number of arguments
      |
      = hint: write `DataCollector(account, configs)`, or `DataCollector(account, configs, #{ filters: [f] })`
    "#);
    assert_snapshot!(inside("objects::Collector(#{}, #{})"), @r#"
    error: there is no function `Collector` for a map, a map
     --> my/main.rhai:6:14
      |
    6 |     objects::Collector(#{}, #{})
      |              ^^^^^^^^^ no such function
      |
      = hint: it has DataCollector
    "#);
    assert_snapshot!(inside("Runner([]).start()"), @r#"
    error: there is no function `start` for a Runner
     --> my/main.rhai:6:16
      |
    6 |     Runner([]).start()
      |                ^^^^^ no such function
      |
      = hint: a Runner has one method, `.run()`; a collector has none
    "#);
}

#[test]
fn runner_without_its_import() {
    assert_snapshot!(failure("import \"guance_test_objects__main\" as objects;\n@DFF.API(\"x\")\nfn run() { Runner([]).run() }"), @r#"
    error: `Runner` is not imported
     --> my/main.rhai:3:12
      |
    3 | fn run() { Runner([]).run() }
      |            ^^^^^^ needs its package
      |
      = hint: write at the top of the script: import "guance_integration__runner" as integration;
    "#);
}

#[test]
fn runner_with_wrong_arguments() {
    assert_snapshot!(inside("Runner()"), @r#"
    error: `Runner()` has no collectors
     --> my/main.rhai:6:11
      |
    6 |     Runner()
      |           ^
      |
      = hint: write `Runner(collectors).run()`
    "#);
    assert_snapshot!(inside("Runner(5).run()"), @r#"
    error: `Runner` takes a list of collectors, found a whole number
     --> my/main.rhai:6:12
      |
    6 |     Runner(5).run()
      |            ^
      |
      = hint: write `Runner([ … ]).run()`
    "#);
    assert_snapshot!(inside("Runner([#{}]).run()"), @r#"
    error: item 0 of the list for `Runner` is a map, expected a collector
     --> my/main.rhai:6:12
      |
    6 |     Runner([#{}]).run()
      |            ^
      |
      = hint: a collector is made by `DataCollector(account, configs)` of its package
    "#);
    assert_snapshot!(inside("Runner([], debg = true).run()"), @r#"
    error: Runner has no option `debg`
     --> my/main.rhai:6:16
      |
    6 |     Runner([], debg = true).run()
      |                ^^^^
      |
      = hint: did you mean `debug`?
    "#);
    assert_snapshot!(inside("Runner([], debug = 1).run()"), @r#"
    error: option `debug` of `Runner` is a whole number, expected true or false
     --> my/main.rhai:6:24
      |
    6 |     Runner([], debug = 1).run()
      |                        ^
      |
      = hint: write `debug = true`, without quotes
    "#);
    assert_snapshot!(inside("Runner([], debug = true, debug = true).run()"), @r#"
    error: option `debug` of `Runner` is given twice
     --> my/main.rhai:6:30
      |
    6 |     Runner([], debug = true, debug = true).run()
      |                              ^^^^^
      |
      = hint: keep one of them
    "#);
    assert_snapshot!(inside("Runner([], #{ datakit: \"x\" }).run()"), @r#"
    error: `Runner` has no option `datakit`
     --> my/main.rhai:6:19
      |
    6 |     Runner([], #{ datakit: "x" }).run()
      |                   ^^^^^^^
      |
      = hint: did you mean `datakit_id`?
    "#);
    assert_snapshot!(inside("integration::Runner([], #{ datakit_id: 5 }).run()"), @r#"
    error: option `datakit_id` of `Runner` is a whole number, expected a text
     --> my/main.rhai:6:44
      |
    6 |     integration::Runner([], #{ datakit_id: 5 }).run()
      |                  ------                    ^
      |                  |
      |                  the Runner is made here
      |
      = hint: write `datakit_id = "dk2"`: the id of a DataKit in funchost.toml
    "#);
    assert_snapshot!(inside("Runner(collectors = []).run()"), @r#"
    error: `Runner` begins with an argument that has no name
     --> my/main.rhai:6:23
      |
    6 |     Runner(collectors = []).run()
      |                       ^
      |
      = hint: write `Runner(collectors, debug = true)`
    "#);
    assert_snapshot!(inside("Runner([] debug = true).run()"), @r#"
    error: `,` or `)` is missing in `Runner(…)`
     --> my/main.rhai:6:15
      |
    6 |     Runner([] debug = true).run()
      |               ^^^^^
      |
      = hint: options are written `name = value`, with a `,` between them
    "#);
}

#[test]
fn a_wrong_configuration_is_shown_where_it_is_written() {
    let account = "let account = #{ ak_id: \"a\", ak_secret: \"b\" };\n";
    let script = |body: &str| World::with_imports(&format!("{account}{body}")).run().error();
    assert_snapshot!(script("@DFF.API(\"执行云资产同步\")\nfn run() {\n    let configs = #{\n        regions: [\"r\"],\n        targets: [\n            #{ namespace: \"A\", metrics: [\"*cpu*\"] },\n            /* 云监控 */ #{ namespace: \"B\", metric: [\"*cpu*\"] },\n        ],\n    };\n    let collectors = [ metrics::DataCollector(account, configs) ];\n    Runner(collectors).run();\n}"), @r#"
    error: configs: `targets[1].metric` is not a known key
      --> my/main.rhai:11:42
       |
    11 |             /* 云监控 */ #{ namespace: "B", metric: ["*cpu*"] },
       |                                             ^^^^^^ is not a known key
    ...
    14 |     let collectors = [ metrics::DataCollector(account, configs) ];
       |                                 ------------- the collector is created here
       |
       = hint: did you mean `metrics`?
    "#);
    // A missing key points at its map.
    assert_snapshot!(script("@DFF.API(\"t\")\nfn run() { metrics::DataCollector(account, #{ regions: [\"r\"], targets: [#{ namespace: \"x\" }] }) }"), @r#"
    error: configs: `targets[0].metrics` is missing
     --> my/main.rhai:6:73
      |
    6 | fn run() { metrics::DataCollector(account, #{ regions: ["r"], targets: [#{ namespace: "x" }] }) }
      |                     ------------- the collector is created here         ^^ is missing
      |
      = hint: write `metrics: …` into the configs
    "#);
    // A wrong type, in a module-level variable.
    assert_snapshot!(script("let configs = #{\n    regions: \"cn-north-1\",\n};\n@DFF.API(\"t\")\nfn run() { objects::DataCollector(account, configs) }"), @r#"
    error: configs: `regions` is a text, expected a list `[ … ]`
     --> my/main.rhai:6:14
      |
    6 |     regions: "cn-north-1",
      |              ^^^^^^^^^^^^ is a text, expected a list `[ … ]`
    ...
    9 | fn run() { objects::DataCollector(account, configs) }
      |                     ------------- the collector is created here
      |
      = hint: put it in brackets: `regions: ["…"]`
    "#);
    // Through two variables and a parameter.
    assert_snapshot!(script("fn make(given) { objects::DataCollector(account, given) }\n@DFF.API(\"t\")\nfn run() {\n    let regions = [\"EU\"];\n    let configs = #{ regions: regions };\n    make(configs)\n}"), @r#"
    error: configs: `regions[0]` is `EU`, which is not a region's id such as `cn-north-1`
     --> my/main.rhai:8:20
      |
    5 | fn make(given) { objects::DataCollector(account, given) }
      |                           ------------- the collector is created here
    ...
    8 |     let regions = ["EU"];
      |                    ^^^^ is `EU`, which is not a region's id such as `cn-north-1`
      |
      = hint: small letters, digits and `-`, as the cloud's console shows the id
    "#);
    // Given after the map was made.
    assert_snapshot!(script("@DFF.API(\"t\")\nfn run() {\n    let configs = #{};\n    configs.regions = [];\n    objects::DataCollector(account, configs)\n}"), @r#"
    error: configs: `regions` is an empty list: nothing would be collected
     --> my/main.rhai:8:23
      |
    8 |     configs.regions = [];
      |                       ^ is an empty list: nothing would be collected
    9 |     objects::DataCollector(account, configs)
      |              ------------- the collector is created here
      |
      = hint: name at least one region
    "#);
    // From a function's answer.
    assert_snapshot!(script("fn configs() {\n    #{ regions: [\"r\", 5] }\n}\n@DFF.API(\"t\")\nfn run() { objects::DataCollector(account, configs()) }"), @r#"
    error: configs: `regions[1]` is a whole number, expected a text
     --> my/main.rhai:6:23
      |
    6 |     #{ regions: ["r", 5] }
      |                       ^ is a whole number, expected a text
    ...
    9 | fn run() { objects::DataCollector(account, configs()) }
      |                     ------------- the collector is created here
      |
      = hint: put it in double quotes: `"…"`
    "#);
    // Not a map at all; too few keys; a value that is no data.
    assert_snapshot!(script("@DFF.API(\"t\")\nfn run() { objects::DataCollector(account, [\"r\"]) }"), @r#"
    error: configs is a list, expected a map `#{ … }`
     --> my/main.rhai:6:44
      |
    6 | fn run() { objects::DataCollector(account, ["r"]) }
      |                     -------------          ^ is a list, expected a map `#{ … }`
      |                     |
      |                     the collector is created here
      |
      = hint: write `#{ regions: ["…"] }`
    "#);
    assert_snapshot!(script("@DFF.API(\"t\")\nfn run() { objects::DataCollector(account, #{}) }"), @r#"
    error: configs: `regions` is missing
     --> my/main.rhai:6:44
      |
    6 | fn run() { objects::DataCollector(account, #{}) }
      |                     -------------          ^^ is missing
      |                     |
      |                     the collector is created here
      |
      = hint: write the regions to collect, for example `regions: ["cn-north-1"]`
    "#);
    assert_snapshot!(script("@DFF.API(\"t\")\nfn run() { objects::DataCollector(account, #{ regions: [|x| x] }) }"), @r#"
    error: configs: `regions[0]` is a function, which is no data
     --> my/main.rhai:6:57
      |
    6 | fn run() { objects::DataCollector(account, #{ regions: [|x| x] }) }
      |                     -------------                       ^ is a function, which is no data
      |                     |
      |                     the collector is created here
    "#);
    // Inside a closure, on a captured variable.
    assert_snapshot!(script("@DFF.API(\"t\")\nfn run() {\n    let configs = #{ region: [] };\n    [1].map(|i| objects::DataCollector(account, configs))\n}"), @r#"
    error: configs: `region` is not a known key
     --> my/main.rhai:7:22
      |
    7 |     let configs = #{ region: [] };
      |                      ^^^^^^ is not a known key
    8 |     [1].map(|i| objects::DataCollector(account, configs))
      |                          ------------- the collector is created here
      |
      = hint: did you mean `regions`?
    "#);
}

#[test]
fn a_wrong_account_is_shown_where_it_is_written() {
    assert_snapshot!(World::with_imports("let account = #{\n    ak_id: \"AKID\",\n    ak_secrte: \"b\",\n};\n@DFF.API(\"t\")\nfn run() { objects::DataCollector(account, #{ regions: [\"r\"] }) }").run().error(), @r#"
    error: account: `ak_secrte` is not a known key
     --> my/main.rhai:6:5
      |
    6 |     ak_secrte: "b",
      |     ^^^^^^^^^ is not a known key
    ...
    9 | fn run() { objects::DataCollector(account, #{ regions: ["r"] }) }
      |                     ------------- the collector is created here
      |
      = hint: did you mean `ak_secret`?
    "#);
    assert_snapshot!(inside("objects::DataCollector(#{ ak_id: \"a\", ak_secret: \"<具有合适权限的AK Secret>\" }, #{ regions: [\"r\"] })"), @r#"
    error: account: `ak_secret` holds characters that no access key has: is it still a placeholder?
     --> my/main.rhai:6:54
      |
    6 |     objects::DataCollector(#{ ak_id: "a", ak_secret: "........................." }, #{ regions: ["r"] })
      |              -------------                           ^^^^^^^^^^^^^^^^^^^^^^^^^^^ holds characters that no access key has: is it still a placeholder?
      |              |
      |              the collector is created here
      |
      = hint: put the keys into the environment and write `ak_secret: DFF.ENV("AWS_AK_SECRET")`
    "#);
    assert_snapshot!(inside("objects::DataCollector(#{ ak_id: \"a\", ak_secret: \"b\", extra_tags: #{ cloud_provider: \"x\" } }, #{ regions: [\"r\"] })"), @r#"
    error: account: `extra_tags.cloud_provider` is set by the collector itself and cannot be an extra tag
     --> my/main.rhai:6:90
      |
    6 |     objects::DataCollector(#{ ak_id: "a", ak_secret: ".", extra_tags: #{ cloud_provider: "x" } }, #{ regions: ["r"] })
      |              ------------- the collector is created here                                 ^^^ is set by the collector itself and cannot be an extra tag
      |
      = hint: remove this key, or name the tag differently
    "#);
}

#[test]
fn a_wrong_value_in_an_imported_file_is_shown_there() {
    let world = World::with_imports("import \"lib__conf\" as conf;\n@DFF.API(\"t\")\nfn run() { objects::DataCollector(conf::account, conf::configs()) }")
        .file("lib/conf.rhai", "// 公共配置\nexport const account = #{ ak_id: \"a\", ak_secret: \"\" };\nfn configs() { #{ regions: [\"r\"] } }");
    assert_snapshot!(world.run().error(), @r#"
    error: account: `ak_secret` is empty: write the key, or DFF.ENV("…") to read it from the environment
     --> lib/conf.rhai:2:50
      |
    2 | export const account = #{ ak_id: "a", ak_secret: "" };
      |                                                  ^^ is empty: write the key, or DFF.ENV("…") to read it from the environment
      |
     ::: my/main.rhai:6:21
      |
    6 | fn run() { objects::DataCollector(conf::account, conf::configs()) }
      |                     ------------- the collector is created here
      |
      = hint: where it comes from `DFF.ENV` already, the variable is set, and to nothing
    "#);
    let world = World::with_imports("import \"lib__make\" as make;\n@DFF.API(\"t\")\nfn run() {\n    make::objects(#{ ak_id: \"a\", ak_secret: \"b\" }, #{ regions: [\"r\"], details: [] })\n}")
        .file("lib/make.rhai", "import \"guance_test_objects__main\" as o;\nfn objects(account, configs) {\n    o::DataCollector(account, configs)\n}");
    assert_snapshot!(world.run().error(), @r#"
    error: configs: `details` is not a known key
     --> my/main.rhai:7:71
      |
    7 |     make::objects(#{ ak_id: "a", ak_secret: "." }, #{ regions: ["r"], details: [] })
      |                                                                       ^^^^^^^ is not a known key
      |
     ::: lib/make.rhai:3:8
      |
    3 |     o::DataCollector(account, configs)
      |        ------------- the collector is created here
      |
      = hint: known keys: regions
    "#);
}

#[test]
fn wrong_filters() {
    let call = |options: &str| {
        inside(&format!(
            "objects::DataCollector(#{{ ak_id: \"a\", ak_secret: \"b\" }}, #{{ regions: [\"r\"] }}, {options})"
        ))
    };
    assert_snapshot!(call("#{ filter: [|x| true] }"), @r#"
    error: options: `filter` is not a known key
     --> my/main.rhai:6:85
      |
    6 |     objects::DataCollector(#{ ak_id: "a", ak_secret: "." }, #{ regions: ["r"] }, #{ filter: [|x| true] })
      |              ------------- the collector is created here                            ^^^^^^ is not a known key
      |
      = hint: did you mean `filters`?
    "#);
    assert_snapshot!(call("#{ filters: |x| true }"), @r#"
    error: options: `filters` is a function, expected a list of functions
     --> my/main.rhai:6:94
      |
    6 |     objects::DataCollector(#{ ak_id: "a", ak_secret: "." }, #{ regions: ["r"] }, #{ filters: |x| true })
      |              ------------- the collector is created here                                     ^ is a function, expected a list of functions
      |
      = hint: write `#{ filters: [|instance| instance.Status == "Running"] }`
    "#);
    assert_snapshot!(call("#{ filters: [\"f\"] }"), @r#"
    error: options: `filters[0]` is a text, expected a function
     --> my/main.rhai:6:95
      |
    6 |     objects::DataCollector(#{ ak_id: "a", ak_secret: "." }, #{ regions: ["r"] }, #{ filters: ["f"] })
      |              ------------- the collector is created here                                      ^^^ is a text, expected a function
      |
      = hint: write `#{ filters: [|instance| instance.Status == "Running"] }`
    "#);
    assert_snapshot!(call("[|x| true]"), @r#"
    error: options is a list, expected a map
     --> my/main.rhai:6:82
      |
    6 |     objects::DataCollector(#{ ak_id: "a", ak_secret: "." }, #{ regions: ["r"] }, [|x| true])
      |              ------------- the collector is created here                         ^ is a list, expected a map
      |
      = hint: write `#{ filters: [|instance| instance.Status == "Running"] }`
    "#);
    assert_snapshot!(inside("metrics::DataCollector(#{ ak_id: \"a\", ak_secret: \"b\" }, #{ regions: [\"r\"], targets: [] }, #{ filters: [|x| true] })"), @r#"
    error: options: `filters` has no meaning for test_metrics, which collects metrics
     --> my/main.rhai:6:107
      |
    6 |     metrics::DataCollector(#{ ak_id: "a", ak_secret: "." }, #{ regions: ["r"], targets: [] }, #{ filters: [|x| true] })
      |              ------------- the collector is created here                                                  ^ has no meaning for test_metrics, which collects metrics
      |
      = hint: filters belong to object collectors; metrics are chosen by `targets`
    "#);
}

#[test]
fn imports_that_are_not_there() {
    assert_snapshot!(failure("import \"guance_test_objcts__main\" as o;\n@DFF.API(\"t\")\nfn run() {}"), @r#"
    error: there is no package or script `guance_test_objcts__main`
     --> my/main.rhai:1:8
      |
    1 | import "guance_test_objcts__main" as o;
      |        ^^^^^^^^^^^^^^^^^^^^^^^^^^ not found
      |
      = hint: did you mean `guance_test_objects__main`?
    "#);
    assert_snapshot!(failure("import \"guance_test_objects\" as o;"), @r#"
    error: there is no package or script `guance_test_objects`
     --> my/main.rhai:1:8
      |
    1 | import "guance_test_objects" as o;
      |        ^^^^^^^^^^^^^^^^^^^^^ not found
      |
      = hint: did you mean `guance_test_objects__main`?
    "#);
    assert_snapshot!(failure("import \"util\" as u;"), @r#"
    error: there is no package or script `util`
     --> my/main.rhai:1:8
      |
    1 | import "util" as u;
      |        ^^^^^^ not found
      |
      = hint: a script's id is `<set>__<script>`, the file <set>/<script>.rhai; `util` is none
    "#);
    let world = World::new("import \"__utl\" as u;").file("my/util.rhai", "");
    assert_snapshot!(world.run().error(), @r#"
    error: there is no package or script `__utl`
     --> my/main.rhai:1:8
      |
    1 | import "__utl" as u;
      |        ^^^^^^^ not found
      |
      = hint: did you mean `my__util`?
    "#);
}

#[test]
fn scripts_that_import_each_other() {
    let world = World::new("import \"lib__a\" as a;\n@DFF.API(\"t\")\nfn run() {}")
        .file("lib/a.rhai", "import \"__b\" as b;")
        .file("lib/b.rhai", "// 注释\nimport \"lib__a\" as a;");
    assert_snapshot!(world.run().error(), @r#"
    error: these scripts import each other: lib__a → lib__b → lib__a
     --> lib/b.rhai:2:8
      |
    2 | import "lib__a" as a;
      |        ^^^^^^^^ closes the circle
      |
     ::: lib/a.rhai:1:8
      |
    1 | import "__b" as b;
      |        ----- imports `lib__b`
      |
      = hint: move what both need into a third script
    "#);
    assert_snapshot!(failure("import \"my__main\" as me;"), @r#"
    error: these scripts import each other: my__main → my__main
     --> my/main.rhai:1:8
      |
    1 | import "my__main" as me;
      |        ^^^^^^^^^^ closes the circle
      |
      = hint: move what both need into a third script
    "#);
    let world = World::new("import \"__other\" as o;").file("my/other.rhai", "import \"my__main\" as m;");
    assert_snapshot!(world.run().error(), @r#"
    error: these scripts import each other: my__main → my__other → my__main
     --> my/other.rhai:1:8
      |
    1 | import "my__main" as m;
      |        ^^^^^^^^^^ closes the circle
      |
     ::: my/main.rhai:1:8
      |
    1 | import "__other" as o;
      |        --------- imports `my__other`
      |
      = hint: move what both need into a third script
    "#);
}

#[test]
fn errors_in_imported_scripts() {
    let world = World::new("import \"lib__syn\" as s;\n@DFF.API(\"t\")\nfn run() {}")
        .file("lib/syn.rhai", "fn ok() { 1 }\nfn broken( {\n");
    assert_snapshot!(world.run().error(), @r#"
    error: syntax error: expecting ')' to close the parameters list of function 'broken'
     --> lib/syn.rhai:2:12
      |
    2 | fn broken( {
      |            ^
      |
     ::: my/main.rhai:1:8
      |
    1 | import "lib__syn" as s;
      |        ---------- imports `lib__syn`
      |
      = hint: write `)` here, or look for what is not finished before it
    "#);
    let lib = "fn work(name, n) {\n    let total = n;\n    for i in 0..n { total += step(i); }\n    total\n}\nfn step(i) {\n    if i == 2 { throw `第${i}步失败`; }\n    i\n}";
    let world = World::new(
        "import \"lib__work\" as lib;\n@DFF.API(\"t\")\nfn run() {\n    lib::work(\"阿里云\", 3)\n}",
    )
    .file("lib/work.rhai", lib);
    assert_snapshot!(world.run().error(), @r#"
    error: 第2步失败
     --> lib/work.rhai:7:17
      |
    3 |     for i in 0..n { total += step(i); }
      |                              ---- called here: `step`
    ...
    7 |     if i == 2 { throw `第${i}步失败`; }
      |                 ^^^^^ thrown here
      from lib/work.rhai:3:30 in the call of `step`
      from my/main.rhai:4:10 in the call of `work`
    "#);
    let world = World::new("import \"lib__bad\" as lib;")
        .file("lib/bad.rhai", "import \"lib__worse\" as w;")
        .file("lib/worse.rhai", "let x = 1 / 0;");
    assert_snapshot!(world.run().error(), @r#"
    error: division by zero: 1 / 0
     --> lib/worse.rhai:1:11
      |
    1 | let x = 1 / 0;
      |           ^
      |
     ::: lib/bad.rhai:1:8
      |
    1 | import "lib__worse" as w;
      |        ------------ imports `lib__worse`
      from lib/bad.rhai:1:8 in the import of `lib__worse`
      from my/main.rhai:1:8 in the import of `lib__bad`
    "#);
    let world = World::new("import \"lib__x\" as lib;");
    let world = world.file("lib/x.rhai", "");
    std::fs::write(world.path("lib/x.rhai"), b"let a = 1;\nlet b = \"\xff\";").unwrap();
    let error = world.run().error();
    assert!(error.contains("lib/x.rhai is not UTF-8 text: line 2 cannot be read"), "{error}");
}

#[test]
fn carets_stand_under_their_place_behind_wide_characters() {
    assert_snapshot!(inside("let 名称 = \"云监控数据\"; let 结果 = 名字 + 名称;"), @r#"
    error: `名字` is not defined
     --> my/main.rhai:6:32
      |
    6 |     let 名称 = "云监控数据"; let 结果 = 名字 + 名称;
      |                                         ^^^^ not defined here
      |
      = hint: give it a value first, `let 名字 = …;`, or put it in double quotes where it is a text
    "#);
    assert_snapshot!(failure("@DFF.API(\"执行云资产同步\", 超时 = 300)\nfn run() {}"), @r#"
    error: `DFF.API` has no option `超时`
     --> my/main.rhai:1:21
      |
    1 | @DFF.API("执行云资产同步", 超时 = 300)
      |                            ^^^^
      |
      = hint: known: timeout, fixed_crontab, fixed_cron_expr, delayed_crontab, delayed_cron_job, expires, category, tags
    "#);
}

#[test]
fn module_level_variables_are_read_only_in_functions() {
    assert_snapshot!(failure("let n = 1;\n@DFF.API(\"t\")\nfn run() { n = 2; }"), @r#"
    error: `n` is a module-level variable, which functions can only read
     --> my/main.rhai:3:12
      |
    3 | fn run() { n = 2; }
      |            ^ assigned here
      |
      = hint: take a copy first: `let copy = n;`, and change the copy
    "#);
    assert_snapshot!(failure("let xs = [];\n@DFF.API(\"t\")\nfn run() { xs.push(1); }"), @r#"
    error: `xs` is a module-level variable, which functions can only read
     --> my/main.rhai:3:12
      |
    3 | fn run() { xs.push(1); }
      |            ^^ changed here
      |
      = hint: take a copy first: `let copy = xs;`, and change the copy
    "#);
    assert_snapshot!(failure("let cache = #{};\nfn get(k) { cache[k] = 1; }\n@DFF.API(\"t\")\nfn run() { get(1) }"), @r#"
    error: `cache` is a module-level variable, which functions can only read
     --> my/main.rhai:2:13
      |
    2 | fn get(k) { cache[k] = 1; }
      |             ^^^^^ assigned here
      |
      = hint: take a copy first: `let copy = cache;`, and change the copy
    "#);
    assert_snapshot!(failure("let deep = #{ a: [1] };\n@DFF.API(\"t\")\nfn run() { [1].map(|x| { deep.a.push(x); x }) }"), @r#"
    error: `deep` is a module-level variable, which functions can only read
     --> my/main.rhai:3:26
      |
    3 | fn run() { [1].map(|x| { deep.a.push(x); x }) }
      |                          ^^^^ changed here
      |
      = hint: take a copy first: `let copy = deep;`, and change the copy
    "#);
    assert_snapshot!(failure("let n = 1;\n@DFF.API(\"t\")\nfn run() { n += 1; }"), @r#"
    error: `n` is a module-level variable, which functions can only read
     --> my/main.rhai:3:12
      |
    3 | fn run() { n += 1; }
      |            ^ assigned here
      |
      = hint: take a copy first: `let copy = n;`, and change the copy
    "#);
    let world = World::new("import \"lib__x\" as x;\n@DFF.API(\"t\")\nfn run() {}")
        .file("lib/x.rhai", "let count = 0;\nfn next() { count += 1; count }");
    assert_snapshot!(world.run().error(), @r#"
    error: `count` is a module-level variable, which functions can only read
     --> lib/x.rhai:2:13
      |
    2 | fn next() { count += 1; count }
      |             ^^^^^ assigned here
      |
     ::: my/main.rhai:1:8
      |
    1 | import "lib__x" as x;
      |        -------- imports `lib__x`
      |
      = hint: take a copy first: `let copy = count;`, and change the copy
    "#);
    assert_snapshot!(failure("const N = 1;\n@DFF.API(\"t\")\nfn run() { let x = N; const M = 2; M = 3; }"), @r#"
    error: syntax error: cannot assign to constant M
     --> my/main.rhai:3:36
      |
    3 | fn run() { let x = N; const M = 2; M = 3; }
      |                                    ^
      |
      = hint: a constant keeps its value: write `let M = …` in place of `const`
    "#);
}

#[test]
fn members_of_dff_that_do_not_exist() {
    assert_snapshot!(inside("DFF.FUNC(\"dk\")"), @r#"
    error: DFF has no member `FUNC`
     --> my/main.rhai:6:9
      |
    6 |     DFF.FUNC("dk")
      |         ^^^^ unknown member
      |
      = hint: the members are DFF.API, DFF.ENV, DFF.LOG, DFF.CONN, DFF.SRC, DFF.STORE, DFF.CACHE, DFF.TOOLKIT
    "#);
    assert_snapshot!(inside("DFF.CTX.set(\"a\", 1)"), @r#"
    error: DFF has no member `CTX`
     --> my/main.rhai:6:9
      |
    6 |     DFF.CTX.set("a", 1)
      |         ^^^ unknown member
      |
      = hint: the members are DFF.API, DFF.ENV, DFF.LOG, DFF.CONN, DFF.SRC, DFF.STORE, DFF.CACHE, DFF.TOOLKIT
    "#);
    assert_snapshot!(inside("DFF.LOGG(\"x\")"), @r#"
    error: DFF has no member `LOGG`
     --> my/main.rhai:6:9
      |
    6 |     DFF.LOGG("x")
      |         ^^^^ unknown member
      |
      = hint: did you mean `DFF.LOG`? The members are DFF.API, DFF.ENV, DFF.LOG, DFF.CONN, DFF.SRC, DFF.STORE, DFF.CACHE, DFF.TOOLKIT
    "#);
    for (written, hint) in [
        ("DFF.LOG.info(\"x\")", "write `DFF.LOG(\"text\")` or `DFF.LOG(\"warning\", \"text\")`"),
        ("DFF.ENV[\"x\"]", "write `DFF.ENV(\"NAME\")`"),
        ("DFF.ENV.x", "write `DFF.ENV(\"NAME\")`"),
    ] {
        let text = inside(written);
        assert!(text.contains("` is a function: it has no members, and is no value"), "{text}");
        assert!(text.contains(hint), "{text}");
    }
    assert_snapshot!(inside("DFF.TOOLKIT.nowms()"), @r#"
    error: DFF.TOOLKIT has no member `nowms`
     --> my/main.rhai:6:17
      |
    6 |     DFF.TOOLKIT.nowms()
      |                 ^^^^^ unknown member
      |
      = hint: did you mean `DFF.TOOLKIT.now_ms`? The members are DFF.TOOLKIT.now, DFF.TOOLKIT.now_ms, DFF.TOOLKIT.iso8601, DFF.TOOLKIT.parse_time, DFF.TOOLKIT.match_wildcard
    "#);
    assert_snapshot!(inside("DFF.ENV(1, 2)"), @r#"
    error: `ENV` does not take these arguments
     --> my/main.rhai:6:9
      |
    6 |     DFF.ENV(1, 2)
      |         ^^^ wrong arguments
      |
      = hint: write `DFF.ENV("NAME")`
    "#);
    assert_snapshot!(inside("DFF.LOG(\"loud\", \"x\")"), @r#"
    error: the first argument of `DFF.LOG` is no level
     --> my/main.rhai:6:13
      |
    6 |     DFF.LOG("loud", "x")
      |         --- ^^^^^^
      |         |
      |         logged here
      |
      = hint: write `DFF.LOG("text")`, or `DFF.LOG(level, "text")` with the level debug, info, warning or error
    "#);
}

#[test]
fn a_value_of_the_environment_that_is_not_set() {
    assert_snapshot!(World::new("let account = #{ ak_id: DFF.ENV(\"FUNCHOST_TEST_AK\") };\n@DFF.API(\"t\")\nfn run() {}").env("FUNCHOST_TEST_AK_ID", "x", false).run().error(), @r#"
    error: `DFF.ENV("FUNCHOST_TEST_AK")` is not set
     --> my/main.rhai:1:29
      |
    1 | let account = #{ ak_id: DFF.ENV("FUNCHOST_TEST_AK") };
      |                             ^^^ not set
      |
      = hint: did you mean `FUNCHOST_TEST_AK_ID`? Else set it with `export FUNCHOST_TEST_AK=…`, or in funchost.toml: `[env]` and `FUNCHOST_TEST_AK = "…"`
    "#);
    assert_snapshot!(failure("@DFF.API(\"t\")\nfn run() { DFF.ENV(\"ZZZ_NOT_THERE\") }"), @r#"
    error: `DFF.ENV("ZZZ_NOT_THERE")` is not set
     --> my/main.rhai:2:16
      |
    2 | fn run() { DFF.ENV("ZZZ_NOT_THERE") }
      |                ^^^ not set
      |
      = hint: set it with `export ZZZ_NOT_THERE=…`, or in funchost.toml: `[env]` and `ZZZ_NOT_THERE = "…"`
    "#);
}

#[test]
fn what_goes_wrong_while_it_runs() {
    assert_snapshot!(inside("let m = #{ a: 1 }; m.b"), @r#"
    error: the map has no key `b`
     --> my/main.rhai:6:26
      |
    6 |     let m = #{ a: 1 }; m.b
      |                          ^ no such key
      |
      = hint: ask first: `if "b" in map { … }`, or write `map.get("b")`, which is `()` without it
    "#);
    assert_snapshot!(inside("let xs = [1]; xs[3]"), @r#"
    error: the list has 1 item, and none at index 3
     --> my/main.rhai:6:22
      |
    6 |     let xs = [1]; xs[3]
      |                      ^ out of bounds
      |
      = hint: the first item is `[0]`, the last one `[-1]`
    "#);
    assert_snapshot!(inside("let zero = 0; let x = 1 / zero;"), @r#"
    error: division by zero: 1 / 0
     --> my/main.rhai:6:29
      |
    6 |     let zero = 0; let x = 1 / zero;
      |                             ^
    "#);
    assert_snapshot!(inside("let n = 9223372036854775807; n + 1"), @r#"
    error: addition overflow: 9223372036854775807 + 1
     --> my/main.rhai:6:36
      |
    6 |     let n = 9223372036854775807; n + 1
      |                                    ^
    "#);
    assert_snapshot!(inside("if 5 { 1 }"), @r#"
    error: syntax error: expecting a boolean expression, not a number
     --> my/main.rhai:6:8
      |
    6 |     if 5 { 1 }
      |        ^
      |
      = hint: look at this place and at the line before it: something is missing, or too much
    "#);
    assert_snapshot!(inside("throw #{ message: \"no money\", code: 5 };"), @r#"
    error: no money
     --> my/main.rhai:6:5
      |
    6 |     throw #{ message: "no money", code: 5 };
      |     ^^^^^ thrown here
    "#);
    assert_snapshot!(inside("throw #{ code: 5 };"), @r#"
    error: the script threw {"code":5}
     --> my/main.rhai:6:5
      |
    6 |     throw #{ code: 5 };
      |     ^^^^^ thrown here
    "#);
    assert_snapshot!(inside("for x in 5 { print(x); }"), @r#"
    error: syntax error: expecting an iterable value, not a number
     --> my/main.rhai:6:14
      |
    6 |     for x in 5 { print(x); }
      |              ^
      |
      = hint: look at this place and at the line before it: something is missing, or too much
    "#);
    assert_snapshot!(inside("let xs = [1, 2]; xs.for_each(|x| xs.len())"), @r#"
    error: a value is used while one of its own methods works on it
     --> my/main.rhai:6:25
      |
    6 |     let xs = [1, 2]; xs.for_each(|x| xs.len())
      |                         ^^^^^^^^ already in use
      |
      = hint: copy it first: `let copy = value;`, and use the copy inside the closure
    "#);
    assert_snapshot!(inside("1 + #{}"), @r#"
    error: there is no function `+` for a whole number, a map
     --> my/main.rhai:6:7
      |
    6 |     1 + #{}
      |       ^ no such function
      |
      = hint: make both of one kind first: `x.to_string()`, `parse_int(text)`, `parse_float(text)`
    "#);
}

#[test]
fn a_recursion_without_end() {
    assert_snapshot!(failure("fn f(n) { f(n + 1) }\n@DFF.API(\"t\")\nfn run() { f(0) }"), @r#"
    error: calls are nested more than 64 deep
     --> my/main.rhai:2:1
      |
    2 | @DFF.API("t")
      | ^ while it ran this function
      |
      = hint: does a function call itself without an end?
    "#);
    assert_snapshot!(failure("fn f(n) { [n].map(|x| f(x + 1)) }\n@DFF.API(\"t\")\nfn run() { f(0) }"), @r#"
    error: calls are nested more than 64 deep
     --> my/main.rhai:2:1
      |
    2 | @DFF.API("t")
      | ^ while it ran this function
      |
      = hint: does a function call itself without an end?
    "#);
}

#[test]
fn a_backend_that_cannot_run() {
    let refuse = |input| BackendError {
        message: "there is no DataKit `dk9`".into(),
        hint: Some("add [datakits.dk9] to funchost.toml".into()),
        input,
    };
    let script = "@DFF.API(\"t\")\nfn run() { Runner([], datakit_id = \"dk9\").run() }";
    let ran = World::with_imports(script).behaviour(Behaviour::Refuse(refuse(true))).run();
    assert_snapshot!(ran.error(), @r#"
    error: there is no DataKit `dk9`
     --> my/main.rhai:5:12
      |
    5 | fn run() { Runner([], datakit_id = "dk9").run() }
      |            ^^^^^^
      |
      = hint: add [datakits.dk9] to funchost.toml
    "#);
    assert!(ran.outcome.is_input_error());
    let ran = World::with_imports(script).behaviour(Behaviour::Refuse(refuse(false))).run();
    assert!(!ran.outcome.is_input_error());
    assert_eq!(ran.outcome.backend_calls, 1);
    let ran = World::with_imports(script).behaviour(Behaviour::Panic).run();
    let error = ran.error();
    assert!(error.starts_with("error: the Runner failed with an internal error: task"), "{error}");
}

#[test]
fn a_choice_that_was_not_made() {
    let script = "@DFF.API(\"一\")\nfn one() {}\n@DFF.API(\"二\")\nfn two() {}";
    let ran = World::new(script).run();
    assert_snapshot!(ran.error(), @r#"
    error: this script has several functions: `one`, `two`
     --> my/main.rhai:1:1
      |
    1 | @DFF.API("一")
      | ^ `one`: 一
    2 | fn one() {}
    3 | @DFF.API("二")
      | - `two`: 二
      |
      = hint: choose one: --func one
    "#);
    assert!(ran.outcome.is_input_error());
    let choose = |name: &str| {
        World::new(script)
            .options(RunOptions { function: Some(name.into()), ..RunOptions::default() })
            .run()
            .error()
    };
    assert_snapshot!(choose("tow"), @r#"
    error: this script has no function `tow`
     --> my/main.rhai:1:1
      |
    1 | @DFF.API("一")
      | ^ `one`: 一
    2 | fn one() {}
    3 | @DFF.API("二")
      | - `two`: 二
      |
      = hint: it has `one`, `two`
    "#);
    assert_snapshot!(choose("zzz"), @r#"
    error: this script has no function `zzz`
     --> my/main.rhai:1:1
      |
    1 | @DFF.API("一")
      | ^ `one`: 一
    2 | fn one() {}
    3 | @DFF.API("二")
      | - `two`: 二
      |
      = hint: it has `one`, `two`
    "#);
    assert_snapshot!(failure("fn run() {}"), @r#"
    error: this script registers no function, so there is nothing to run
     |
     = hint: put `@DFF.API("title")` directly above a function: `fn run() { … }`
    "#);
    assert_snapshot!(failure("@DFF.API(\"t\")\nfn run(regions, days) {}"), @r#"
    error: `run` takes arguments: regions, days
     --> my/main.rhai:1:1
      |
    1 | @DFF.API("t")
      | ^ registered here
      |
      = hint: `funchost run` gives none: write their values into the function, read them with `DFF.ENV`, or give them as `kwargs` of a trigger or a call
    "#);
    assert_snapshot!(World::new(script).options(RunOptions { timeout: Some(0), ..RunOptions::default() }).run().error(), @r#"
    error: --timeout must be from 1 to 3600 seconds, found 0
    "#);
}

#[test]
fn what_is_wrong_is_told_apart_from_what_failed() {
    let fault = |script: &str| World::new(script).run().outcome.result.unwrap_err().fault();
    for input in [
        "let x = ;",
        "import \"no__such\" as n;",
        "@DFF.API(\"t\") fn run() { nope }",
        "@DFF.API(\"t\") fn run() { nope() }",
        "@DFF.API(\"t\", timeout = 0) fn run() { }",
        "fn f() {}",
    ] {
        assert_eq!(fault(input), Fault::Input, "{input}");
    }
    for failed in [
        "@DFF.API(\"t\") fn run() { throw 1 }",
        "@DFF.API(\"t\") fn run() { 1 / 0 }",
        "@DFF.API(\"t\", timeout = 1) fn run() { loop { } }",
    ] {
        assert_eq!(fault(failed), Fault::RunTime, "{failed}");
    }
}

#[test]
fn machines_get_the_same_in_fields() {
    let report = World::new("@DFF.API(\"t\")\nfn run() { acount }\nlet account = 1;")
        .run()
        .outcome
        .result
        .unwrap_err();
    let json = serde_json::to_value(report.machine()).unwrap();
    assert_eq!(
        json,
        serde_json::json!([{ "message": "`acount` is not defined", "file": "my/main.rhai", "line": 2, "column": 12, "hint": "did you mean `account`?" }])
    );
}

#[test]
fn a_thrown_text_is_cut_and_stands_on_one_line() {
    let error = inside("let s = \"ab\\n\"; s.pad(2000, 'x'); throw s;");
    let first = error.lines().next().unwrap();
    assert_eq!(first.chars().count(), "error: ".len() + 300);
    assert!(first.starts_with("error: ab xxx") && first.ends_with('…'));
}

#[test]
fn an_error_of_the_host_can_be_caught_and_read() {
    let ran = World::with_imports("@DFF.API(\"t\") fn run() { try { DFF.ENV(\"ZZZ_NOT_THERE\") } catch (e) { return [`${e}`, e.message, type_of(e)]; } }").run();
    assert_eq!(
        ran.value(),
        serde_json::json!([
            "`DFF.ENV(\"ZZZ_NOT_THERE\")` is not set",
            "`DFF.ENV(\"ZZZ_NOT_THERE\")` is not set",
            "error"
        ])
    );
}

#[test]
fn a_file_that_cannot_be_opened() {
    let world = World::new("");
    let open = |name: &str| {
        funchost::script::open(&world.path(name), &std::sync::Arc::new(world.settings.clone()))
            .unwrap_err()
            .render(false)
    };
    assert!(open("my/none.rhai").contains("my/none.rhai: No such file"));
    assert!(open("my").contains("my is a folder, not a script"));
}

/// The message's first line and its hint.
fn said(text: &str) -> String {
    let first = text.lines().next().unwrap_or_default();
    let hint = text.lines().find_map(|line| line.trim().strip_prefix("= hint: ")).unwrap_or("NO HINT");
    format!("{first} -> {hint}")
}

#[test]
fn closures_with_another_number_of_parameters() {
    let told = |statement: &str| said(&inside(statement));
    let filter = |filter: &str| {
        told(&format!(
            "objects::DataCollector(#{{ ak_id: \"a\", ak_secret: \"secret-1\" }}, #{{ regions: [\"r\"] }}, #{{ filters: [{filter}] }})"
        ))
    };
    assert_snapshot!([
        filter("|| true"),
        filter("|a, b| true"),
        told("let more = 1; [1].map(|a, b, c| a + more)"),
        told("let f = |x| x; f.call(1, 2)"),
        told("let f = |x| { x }; f.call()"),
        told("let f = || 5; f.call(1)"),
    ].join("\n"), @r#"
    error: options: `filters[0]` is a closure that takes 0 values and is given 1, the object -> write `|item| …`, which answers true or false
    error: options: `filters[0]` is a closure that takes 2 values and is given 1, the object -> write `|item| …`, which answers true or false
    error: this closure takes another number of values than it is given -> filters and the methods of lists give one value: write `|item| …`
    error: this closure takes 1 value and is given 2 -> write `|a, b| …`
    error: this closure takes 1 value and is given 0 -> write `|| …`
    error: this closure takes 0 values and is given 1 -> write `|item| …`
    "#);
}

#[test]
fn a_runner_that_is_not_run() {
    let run = |body: &str| World::with_imports(&format!("@DFF.API(\"t\")\nfn run() {{\n    {body}\n}}"));
    let decided = "let runner = Runner([]); let paused = true; if paused { return; } runner.run();";
    assert_eq!(run(decided).problems(), "");
    run(decided).run().value();
    let forgotten = run("let runner = Runner([]); // runner.run()\n    5").run().error();
    assert!(forgotten.contains("`.run()` is missing"), "{forgotten}");
    let one_of_two = run("Runner([]).run();\n    Runner([]);\n    5").problems();
    assert!(one_of_two.starts_with("warning: `.run()` is missing"), "{one_of_two}");
}

#[test]
fn what_is_no_map_is_written_as_json() {
    let done = World::new("@DFF.API(\"t\")\nfn run() { [[1, \"a\"].to_json(), \"b\".to_json(), 1.to_json(), 1.5.to_json(), true.to_json(), #{ a: [2] }.to_json()] }").run();
    assert_eq!(done.value(), serde_json::json!(["[1,\"a\"]", "\"b\"", "1", "1.5", "true", "{\"a\":[2]}"]));
    let wrong = said(&inside("[|x| x].to_json()"));
    assert!(wrong.contains("[0]") && wrong.contains("keep texts"), "{wrong}");
}

#[test]
fn what_nobody_sees_is_named_at_its_place() {
    for (source, place, words) in [
        (
            "@DFF.API(\"t\")\nfn run() {\n\u{3000}let x = 1;\n}",
            "my/main.rhai:3:1",
            "a full-width blank stands here",
        ),
        (
            "@DFF.API(\"t\")\nfn run() {\n    let x =\u{A0}1;\n}",
            "my/main.rhai:3:12",
            "a no-break blank stands here",
        ),
        (
            "@DFF.API(\"t\")\nfn run() {\n    let\u{200B} x = \"\u{3000}\";\n}",
            "my/main.rhai:3:8",
            "without a width",
        ),
        (
            "@DFF.API(\"t\")\nfn run() {\n    print(\"他说“你好”);\n}",
            "my/main.rhai:3:17",
            "`”` is a full-width character",
        ),
    ] {
        let error = failure(source);
        assert!(error.contains(place) && error.contains(words) && error.contains("= hint: "), "{error}");
    }
}

#[test]
fn habits_have_the_hint_that_fits() {
    let told = |statement: &str| said(&inside(statement));
    assert_snapshot!([
        told("let a = 1 if true else 2;"),
        told("for k, v in #{} { }"),
        told("let x = [1, 2]; let y = x[0:1];"),
        told("if x[0:1] { }"),
        said(&failure("fn helper():\n    5\n")),
    ].join("\n"), @r#"
    error: `if` does not stand behind its value -> write `if c { x } else { y }`, which is a value too: `let a = if c { x } else { y };`
    error: two names of a `for` stand in parentheses -> write `for (k, index) in list { … }` for a list, where the second is the index, and for a map `for key in map.keys() { let value = map[key]; … }`
    error: a part is not taken by `[a:b]` -> write `list.extract(a..b)`, and `text.sub_string(a..b)` for a text
    error: a part is not taken by `[a:b]` -> write `list.extract(a..b)`, and `text.sub_string(a..b)` for a text
    error: a block stands in braces, not behind a `:` -> write `fn name() { … }`
    "#);
    let check = |text: &str| said(&World::with_imports(text).problems());
    assert_snapshot!([
        check("let account = #{ ak_id: \"a\" };\n@DFF.API(\"t\")\nfn run() { account(\"x\") }"),
        check("fn other() { let colect = 1; colect }\nfn collect() { other() }\n@DFF.API(\"t\")\nfn run() { colect() }"),
        check("@DFF.API(\"t\")\nfn run() { let double = |x| x * 2; double(1) }"),
    ].join("\n"), @r#"
    error: `account` is a variable, not a function -> it is a map: write `account.key` or `account["key"]`
    error: there is no function `colect` -> did you mean `collect`?
    error: `double` is a variable, not a function -> call the function that it holds: `double.call(…)`
    "#);
}

#[test]
fn own_collectors_of_two_functions_have_two_names() {
    let script = |second: &str| {
        World::with_imports(&format!(
            "let account = #{{ ak_id: \"a\", ak_secret: \"secret-1\" }};\nlet options = #{{ regions: [\"r\"], cloud: \"aws\" }};\nfn made() {{ Collector(\"mine\", account, options, |ctx| []) }}\n@DFF.API(\"a\")\nfn a() {{ Runner([made()]).run() }}\n@DFF.API(\"b\")\nfn b() {{ Runner([{second}]).run() }}"
        ))
    };
    assert_eq!(script("made()").problems(), "", "the same collector in both");
    let problems = script("Collector(\"mine\", account, options, |ctx| [1])").problems();
    assert!(
        problems.starts_with("error: `mine` is also the name of the collector that was created at"),
        "{problems}"
    );
}

#[test]
fn a_variable_of_another_script_is_exported_there() {
    let world = |util: &str| {
        World::new("import \"__util\" as util;\n@DFF.API(\"t\") fn run() { util::account }")
            .file("my/util.rhai", util)
    };
    assert_eq!(world("export let account = 5;").run().value(), serde_json::json!(5));
    let error = world("let account = 5;").run().error();
    assert!(error.contains("`util::account` is not defined"), "{error}");
    assert!(error.contains("write `export let account = …;` there"), "{error}");
}
