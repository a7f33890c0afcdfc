//! `DFF.API` in every form, and its options.

use crate::world::{World, failure};
use insta::assert_snapshot;

/// What a registration with these options says.
fn with(options: &str) -> String {
    failure(&format!("@DFF.API(\"t\", {options})\nfn run() {{}}"))
}

#[test]
fn every_form_registers() {
    let functions = World::new(
        r#"
        @DFF.API("with all", timeout = 60, fixed_crontab = "*/5 * * * *", delayed_crontab = [30, 0], expires = 86400, category = "aws", tags = ["b", "a", "b"])
        // a comment between
        /// A document between.
        fn decorated() { }

        @DFF.API("trailing comma",)
        private fn hidden() { }

        fn plain() { }
        DFF.API("plain", #{ timeout: 1, fixed_cron_expr: "0 8 * * MON-FRI", delayed_cron_job: 10 }, plain);
        fn bare() { }
        DFF.API("bare", bare);
        DFF.API("a closure 一", || { 1 });
        @DFF.API("takes arguments") fn takes(a, b) { }
        "#,
    )
    .list()
    .unwrap();
    let shown: Vec<String> = functions
        .iter()
        .map(|function| {
            format!(
                "{} {:?} {} {:?} {}",
                function.id,
                function.title,
                function.place.as_ref().unwrap(),
                function.parameters,
                serde_json::to_string(&function.options).unwrap()
            )
        })
        .collect();
    assert_snapshot!(shown.join("\n"), @r#"
    my__main.decorated "with all" my/main.rhai:2:9 [] {"timeout":60,"fixed_crontab":"*/5 * * * *","delayed_crontab":[0,30],"expires":86400,"category":"aws","tags":["a","b"]}
    my__main.hidden "trailing comma" my/main.rhai:7:9 [] {"timeout":null,"fixed_crontab":null,"delayed_crontab":[],"expires":null,"category":null,"tags":[]}
    my__main.plain "plain" my/main.rhai:11:13 [] {"timeout":1,"fixed_crontab":"0 8 * * MON-FRI","delayed_crontab":[10],"expires":null,"category":null,"tags":[]}
    my__main.bare "bare" my/main.rhai:13:13 [] {"timeout":null,"fixed_crontab":null,"delayed_crontab":[],"expires":null,"category":null,"tags":[]}
    my__main.a_closure_一 "a closure 一" my/main.rhai:14:13 [] {"timeout":null,"fixed_crontab":null,"delayed_crontab":[],"expires":null,"category":null,"tags":[]}
    my__main.takes "takes arguments" my/main.rhai:15:9 ["a", "b"] {"timeout":null,"fixed_crontab":null,"delayed_crontab":[],"expires":null,"category":null,"tags":[]}
    "#);
}

#[test]
fn options_have_their_limits() {
    for right in [
        "timeout = 1",
        "timeout = 3600",
        "expires = 1",
        "expires = 86400",
        "delayed_crontab = 0",
        "tags = []",
    ] {
        assert!(
            World::new(&format!("@DFF.API(\"t\", {right})\nfn run() {{}}")).run().outcome.result.is_ok(),
            "{right}"
        );
    }
    assert_snapshot!(with("timeout = 0"), @r#"
    error: `timeout` must be a whole number of seconds from 1 to 3600, found 0
     --> my/main.rhai:1:25
      |
    1 | @DFF.API("t", timeout = 0)
      |                         ^
      |
      = hint: write `timeout = 300`
    "#);
    assert_snapshot!(with("timeout = 3601"), @r#"
    error: `timeout` must be a whole number of seconds from 1 to 3600, found 3601
     --> my/main.rhai:1:25
      |
    1 | @DFF.API("t", timeout = 3601)
      |                         ^^^^
      |
      = hint: write `timeout = 300`
    "#);
    assert_snapshot!(with("timeout = 1.5"), @r#"
    error: `timeout` must be a whole number of seconds from 1 to 3600, found 1.5
     --> my/main.rhai:1:25
      |
    1 | @DFF.API("t", timeout = 1.5)
      |                         ^
      |
      = hint: write `timeout = 300`
    "#);
    assert_snapshot!(with("timeout = \"300\""), @r#"
    error: `timeout` must be a whole number of seconds from 1 to 3600, found a text
     --> my/main.rhai:1:25
      |
    1 | @DFF.API("t", timeout = "300")
      |                         ^^^^^
      |
      = hint: write `timeout = 300`
    "#);
    assert_snapshot!(with("expires = 86401"), @r#"
    error: `expires` must be a whole number of seconds from 1 to 86400, found 86401
     --> my/main.rhai:1:25
      |
    1 | @DFF.API("t", expires = 86401)
      |                         ^^^^^
      |
      = hint: write `expires = 300`
    "#);
    assert_snapshot!(with("tags = \"a\""), @r#"
    error: `tags` must be a list of texts, found a text
     --> my/main.rhai:1:22
      |
    1 | @DFF.API("t", tags = "a")
      |                      ^^^
      |
      = hint: write `tags = ["aws"]`
    "#);
    assert_snapshot!(with("category = 5"), @r#"
    error: `category` must be a text, found a whole number
     --> my/main.rhai:1:26
      |
    1 | @DFF.API("t", category = 5)
      |                          ^
      |
      = hint: put it in double quotes: `category = "…"`
    "#);
    assert_snapshot!(with("delayed_crontab = [1, -1]"), @r#"
    error: `delayed_crontab` must be whole numbers of seconds from 0 to 86400, found -1
     --> my/main.rhai:1:33
      |
    1 | @DFF.API("t", delayed_crontab = [1, -1])
      |                                 ^
      |
      = hint: write `delayed_crontab = [0, 30]`: one run at the tick, one 30 seconds later
    "#);
    assert_snapshot!(with("delayed_crontab = []"), @r#"
    error: `delayed_crontab` is an empty list: the function would never run
     --> my/main.rhai:1:33
      |
    1 | @DFF.API("t", delayed_crontab = [])
      |                                 ^
    "#);
}

#[test]
fn a_crontab_has_five_fields() {
    assert_snapshot!(with("fixed_crontab = \"0 8\""), @r#"
    error: `fixed_crontab` has 2 fields: the original silently read it as `0 8 * * *`
     --> my/main.rhai:1:31
      |
    1 | @DFF.API("t", fixed_crontab = "0 8")
      |                               ^^^^^
      |
      = hint: five fields: minute, hour, day of the month, month, day of the week, such as "*/15 * * * *"
    "#);
    assert_snapshot!(with("fixed_cron_expr = \"0 */5 * * * *\""), @r#"
    error: `fixed_cron_expr` has 6 fields: the original took the first for seconds, and such a function never ran unless they were 0
     --> my/main.rhai:1:33
      |
    1 | @DFF.API("t", fixed_cron_expr = "0 */5 * * * *")
      |                                 ^^^^^^^^^^^^^^^
      |
      = hint: leave the seconds out: five fields: minute, hour, day of the month, month, day of the week, such as "*/15 * * * *"
    "#);
    assert_snapshot!(with("fixed_crontab = \"0 25 * * *\""), @r#"
    error: `fixed_crontab` has the hour `25`, expected 0 to 23
     --> my/main.rhai:1:31
      |
    1 | @DFF.API("t", fixed_crontab = "0 25 * * *")
      |                               ^^^^^^^^^^^^
      |
      = hint: a field is `*`, a number, a range `1-5`, a list `1,15`, or a step `*/15`
    "#);
    assert_snapshot!(with("fixed_crontab = \"* * * * *\", fixed_cron_expr = \"* * * * *\""), @r#"
    error: the crontab is given twice: `fixed_crontab` and `fixed_cron_expr` are the same
     --> my/main.rhai:1:62
      |
    1 | @DFF.API("t", fixed_crontab = "* * * * *", fixed_cron_expr = "* * * * *")
      |                                                              ^^^^^^^^^^^
    "#);
}

#[test]
fn unknown_and_refused_options() {
    assert_snapshot!(with("timeuot = 300"), @r#"
    error: `DFF.API` has no option `timeuot`
     --> my/main.rhai:1:15
      |
    1 | @DFF.API("t", timeuot = 300)
      |               ^^^^^^^
      |
      = hint: did you mean `timeout`?
    "#);
    assert_snapshot!(with("zzz = 300"), @r#"
    error: `DFF.API` has no option `zzz`
     --> my/main.rhai:1:15
      |
    1 | @DFF.API("t", zzz = 300)
      |               ^^^
      |
      = hint: known: timeout, fixed_crontab, fixed_cron_expr, delayed_crontab, delayed_cron_job, expires, category, tags
    "#);
    assert_snapshot!(with("queue = 3"), @r#"
    error: option `queue` of `DFF.API` has no meaning here
     --> my/main.rhai:1:15
      |
    1 | @DFF.API("t", queue = 3)
      |               ^^^^^
      |
      = hint: remove it: there is one queue here, and every run has a thread of its own
    "#);
    assert_snapshot!(with("cache_result = 60"), @r#"
    error: option `cache_result` of `DFF.API` has no meaning here
     --> my/main.rhai:1:15
      |
    1 | @DFF.API("t", cache_result = 60)
      |               ^^^^^^^^^^^^
      |
      = hint: remove it: results are not cached: a collection that answers from a cache collects nothing
    "#);
    assert_snapshot!(with("integration = \"autoRun\""), @r#"
    error: option `integration` of `DFF.API` has no meaning here
     --> my/main.rhai:1:15
      |
    1 | @DFF.API("t", integration = "autoRun")
      |               ^^^^^^^^^^^
      |
      = hint: remove it: there is no sign-in to integrate with; start functions with a crontab
    "#);
    assert_snapshot!(with("api_timeout = 30"), @r#"
    error: option `api_timeout` of `DFF.API` has no meaning here
     --> my/main.rhai:1:15
      |
    1 | @DFF.API("t", api_timeout = 30)
      |               ^^^^^^^^^^^
      |
      = hint: remove it: it was the old name of a limit for HTTP calls; write `timeout`
    "#);
    assert_snapshot!(with("timeout = 1, timeout = 2"), @r#"
    error: option `timeout` of `@DFF.API` is given twice
     --> my/main.rhai:1:28
      |
    1 | @DFF.API("t", timeout = 1, timeout = 2)
      |                            ^^^^^^^
      |
      = hint: keep one of them
    "#);
    assert_snapshot!(failure("fn run() {}\nDFF.API(\"t\", #{ category: \"x\", queue: 3 }, run);"), @r#"
    error: option `queue` of `DFF.API` has no meaning here
     --> my/main.rhai:2:32
      |
    2 | DFF.API("t", #{ category: "x", queue: 3 }, run);
      |     --- registered here        ^^^^^
      |
      = hint: remove it: there is one queue here, and every run has a thread of its own
    "#);
    assert_snapshot!(failure("fn run() {}\nlet options = #{ timeout: 9999 };\nDFF.API(\"t\", options, run);"), @r#"
    error: `timeout` must be a whole number of seconds from 1 to 3600, found 9999
     --> my/main.rhai:2:27
      |
    2 | let options = #{ timeout: 9999 };
      |                           ^^^^
    3 | DFF.API("t", options, run);
      |     --- registered here
      |
      = hint: write `timeout = 300`
    "#);
}

#[test]
fn titles() {
    assert_snapshot!(failure("@DFF.API()\nfn run() {}"), @r#"
    error: `@DFF.API()` has no title
     --> my/main.rhai:1:9
      |
    1 | @DFF.API()
      |         ^
      |
      = hint: the decorator is `@DFF.API("title", timeout = 300)`
    "#);
    assert_snapshot!(failure("@DFF.API(timeout = 3)\nfn run() {}"), @r#"
    error: `@DFF.API` begins with an argument that has no name
     --> my/main.rhai:1:18
      |
    1 | @DFF.API(timeout = 3)
      |                  ^
      |
      = hint: write `@DFF.API("title", timeout = 300)`
    "#);
    assert_snapshot!(failure("@DFF.API(5)\nfn run() {}"), @r#"
    error: the title of `DFF.API` is a whole number, expected a text
     --> my/main.rhai:1:10
      |
    1 | @DFF.API(5)
      |          ^
      |
      = hint: the first argument is the title: `@DFF.API("Collect AWS", timeout = 300)`
    "#);
    assert_snapshot!(failure("@DFF.API(\" \")\nfn run() {}"), @r#"
    error: the title of `DFF.API` is empty
     --> my/main.rhai:1:10
      |
    1 | @DFF.API(" ")
      |          ^^^
      |
      = hint: write what the function does
    "#);
    assert_snapshot!(failure("fn run() {}\nDFF.API(5, run);"), @r#"
    error: the title of `DFF.API` is a whole number, expected a text
     --> my/main.rhai:2:9
      |
    2 | DFF.API(5, run);
      |     --- ^
      |     |
      |     registered here
      |
      = hint: the first argument is the title: `@DFF.API("Collect AWS", timeout = 300)`
    "#);
}

#[test]
fn decorators_that_are_none() {
    assert_snapshot!(failure("@DFF.APi(\"t\")\nfn run() {}"), @r#"
    error: `@` begins the decorator `@DFF.API(…)`, but `APi` stands here
     --> my/main.rhai:1:6
      |
    1 | @DFF.APi("t")
      |      ^^^
      |
      = hint: the decorator is `@DFF.API("title", timeout = 300)`
    "#);
    assert_snapshot!(failure("@API(\"t\")\nfn run() {}"), @r#"
    error: `@` begins the decorator `@DFF.API(…)`, but `API` stands here
     --> my/main.rhai:1:2
      |
    1 | @API("t")
      |  ^^^
      |
      = hint: the decorator is `@DFF.API("title", timeout = 300)`
    "#);
    assert_snapshot!(failure("@DFF.API\nfn run() {}"), @r#"
    error: `@` begins the decorator `@DFF.API(…)`, but `fn` stands here
     --> my/main.rhai:2:1
      |
    2 | fn run() {}
      | ^^
      |
      = hint: the decorator is `@DFF.API("title", timeout = 300)`
    "#);
    assert_snapshot!(failure("@DFF.API(\"t\" timeout = 3)\nfn run() {}"), @r#"
    error: `,` or `)` is missing in `@DFF.API(…)`
     --> my/main.rhai:1:14
      |
    1 | @DFF.API("t" timeout = 3)
      |              ^^^^^^^
      |
      = hint: options are written `name = value`, with a `,` between them
    "#);
}

#[test]
fn nothing_to_attach_it_to() {
    assert_snapshot!(failure("@DFF.API(\"t\")\nlet run = 1;\nfn other() {}"), @r#"
    error: `@DFF.API(…)` does not stand above a function
     --> my/main.rhai:1:1
      |
    1 | @DFF.API("t")
      | ^ nothing to attach it to
      |
      = hint: write `fn name() { … }` directly below it; only comments may stand between
    "#);
    assert_snapshot!(failure("fn run() {}\n@DFF.API(\"t\")"), @r#"
    error: `@DFF.API(…)` does not stand above a function
     --> my/main.rhai:2:1
      |
    2 | @DFF.API("t")
      | ^ nothing to attach it to
      |
      = hint: write `fn name() { … }` directly below it; only comments may stand between
    "#);
    assert_snapshot!(failure("let account = 1\n@DFF.API(\"a\")\nfn run() {}"), @r#"
    error: a `;` is missing
     --> my/main.rhai:1:16
      |
    1 | let account = 1
      |                ^ `;` belongs here
      |
      = hint: a statement ends with `;`
    "#);
    assert_snapshot!(failure("/// Collects.\n@DFF.API(\"a\")\nfn run() {}"), @r#"
    error: syntax error: a `///` comment stands where no function follows
     --> my/main.rhai:1:1
      |
    1 | /// Collects.
      | ^
      |
      = hint: `///` describes the function below it, and stands directly above its `fn`; other comments begin with `//`
    "#);
    assert_snapshot!(failure("@DFF.API(\"a\")\n@DFF.API(\"b\")\nfn run() {}"), @r#"
    error: two decorators stand above one function
     --> my/main.rhai:2:1
      |
    2 | @DFF.API("b")
      | ^
      |
      = hint: a function is registered once
    "#);
    assert_snapshot!(failure("fn run() {}\nDFF.API(\"t\");"), @r#"
    error: `DFF.API` has a title, but no function to attach it to
     --> my/main.rhai:2:5
      |
    2 | DFF.API("t");
      |     ^^^
      |
      = hint: write `@DFF.API("title")` directly above `fn run() { … }`, or `DFF.API("title", #{ timeout: 300 }, run);`
    "#);
    assert_snapshot!(failure("fn run() {}\nDFF.API(\"t\", #{ timeout: 5 });"), @r#"
    error: `DFF.API` has a title, but no function to attach it to
     --> my/main.rhai:2:5
      |
    2 | DFF.API("t", #{ timeout: 5 });
      |     ^^^
      |
      = hint: write `@DFF.API("title")` directly above `fn run() { … }`, or `DFF.API("title", #{ timeout: 300 }, run);`
    "#);
    assert_snapshot!(failure("fn run() {}\nDFF.API(\"t\", #{ timeout: 5 }, \"run\");"), @r#"
    error: `DFF.API` registers a function, found a text
     --> my/main.rhai:2:31
      |
    2 | DFF.API("t", #{ timeout: 5 }, "run");
      |     --- registered here       ^^^^^
      |
      = hint: give the function's name without `()`, or a closure `|| { … }`
    "#);
}

#[test]
fn two_registrations_of_one_name() {
    assert_snapshot!(failure("@DFF.API(\"a\")\nfn run() {}\nDFF.API(\"b\", run);"), @r#"
    error: `run` is registered twice
     --> my/main.rhai:3:5
      |
    1 | @DFF.API("a")
      | - first registered here
    2 | fn run() {}
    3 | DFF.API("b", run);
      |     ^^^ registered again here
      |
      = hint: each function is registered once, under a name of its own
    "#);
}

#[test]
fn functions_of_imported_scripts_are_not_listed() {
    let world = World::new("import \"lib__x\" as x;\n@DFF.API(\"mine\") fn run() { x::run() }")
        .file("lib/x.rhai", "@DFF.API(\"theirs\") fn run() { 5 }");
    let names: Vec<_> = world.list().unwrap().into_iter().map(|function| function.title).collect();
    assert_eq!(names, ["mine"]);
    assert_eq!(world.run().value(), serde_json::json!(5));
}

#[test]
fn a_registration_can_depend_on_values() {
    let functions =
        World::new("let minutes = 5;\n@DFF.API(\"every \" + minutes, timeout = minutes * 60)\nfn run() {}")
            .list()
            .unwrap();
    assert_eq!((functions[0].title.as_str(), functions[0].options.timeout), ("every 5", Some(300)));
}
