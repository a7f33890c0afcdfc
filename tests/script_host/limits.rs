//! Deadlines, Ctrl-C and memory: a run ends when it must, whatever the script does.

use crate::world::{Behaviour, Ran, World};
use funchost::script::{Ended, RunOptions};
use insta::assert_snapshot;
use std::time::Duration;

fn one_second(body: &str) -> Ran {
    World::with_imports(&format!("@DFF.API(\"t\", timeout = 1)\nfn run() {{\n    {body}\n}}")).run()
}

#[test]
fn a_loop_ends_at_the_deadline() {
    let ran = one_second("let n = 0; loop { n += 1; }");
    assert_eq!(ran.outcome.ended, Ended::TimedOut);
    assert_snapshot!(ran.error(), @r#"
    error: `my__main.run` did not end within its time limit of 1 s
     --> my/main.rhai:6:23
      |
    6 |     let n = 0; loop { n += 1; }
      |                       ^ while it ran this
      |
      = hint: raise it with `@DFF.API("…", timeout = seconds)`, at most 3600, or with --timeout for this run
    "#);
    // What looks at no variable has no place but its function's.
    assert_snapshot!(one_second("loop { }").error(), @r#"
    error: `my__main.run` did not end within its time limit of 1 s
     --> my/main.rhai:4:1
      |
    4 | @DFF.API("t", timeout = 1)
      | ^ while it ran this function
      |
      = hint: raise it with `@DFF.API("…", timeout = seconds)`, at most 3600, or with --timeout for this run
    "#);
}

#[test]
fn a_loop_in_another_script_is_shown_there_with_who_called_it() {
    let ran = World::new(
        "import \"__util\" as util;\n@DFF.API(\"t\", timeout = 1)\nfn run() {\n    util::wait();\n}",
    )
    .file("my/util.rhai", "fn wait() {\n    let turns = 0;\n    while true {\n        turns += 1;\n    }\n}")
    .run();
    assert_eq!(ran.outcome.ended, Ended::TimedOut);
    assert_snapshot!(ran.error(), @r#"
    error: `my__main.run` did not end within its time limit of 1 s
     --> my/util.rhai:4:9
      |
    4 |         turns += 1;
      |         ^^^^^ while it ran this
      |
     ::: my/main.rhai:4:11
      |
    4 |     util::wait();
      |           ---- called here: `wait`
      |
      = hint: raise it with `@DFF.API("…", timeout = seconds)`, at most 3600, or with --timeout for this run
    "#);
}

#[test]
fn a_try_does_not_catch_the_deadline() {
    for inside in ["loop { }", "let n = 0; loop { n += 1; }"] {
        let ran = one_second(&format!(
            "loop {{ try {{ {inside} }} catch (error) {{ print(\"caught\"); error; }} }}"
        ));
        assert_eq!(ran.outcome.ended, Ended::TimedOut, "{inside}");
        assert!(ran.texts().is_empty(), "{inside}: {:?}", ran.texts());
        assert!(ran.error().contains("did not end within its time limit of 1 s"), "{}", ran.error());
    }
}

#[test]
fn a_sleep_ends_at_the_deadline() {
    let ran = one_second("for i in 0..10 { try { sleep(60); } catch { } }");
    assert_eq!(ran.outcome.ended, Ended::TimedOut);
    assert_snapshot!(ran.error(), @r#"
    error: `my__main.run` did not end within its time limit of 1 s
     --> my/main.rhai:6:28
      |
    6 |     for i in 0..10 { try { sleep(60); } catch { } }
      |                            ^^^^^ while it waited for sleep
      |
      = hint: raise it with `@DFF.API("…", timeout = seconds)`, at most 3600, or with --timeout for this run
    "#);
}

#[test]
fn reading_a_very_long_script_ends_at_the_deadline() {
    // Each variable is looked for among all before it: this would be read for minutes, up to the mistake at its end.
    let mut source = String::from("@DFF.API(\"t\")\nfn run() {\n");
    for number in 0..200_000 {
        source.push_str(&format!("let x{number} = {number};\n"));
    }
    source.push_str("let = }");
    let options = RunOptions { timeout: Some(1), ..RunOptions::default() };
    let ran = World::new(&source).options(options).run();
    assert_eq!(ran.outcome.ended, Ended::TimedOut, "{}", ran.error());
    assert_snapshot!(ran.error());
}

#[test]
fn loading_counts_towards_the_deadline() {
    let options = || RunOptions { timeout: Some(1), ..RunOptions::default() };
    let ran =
        World::new("let n = 0;\nloop { n += 1; }\n@DFF.API(\"t\") fn run() {}").options(options()).run();
    assert_eq!(ran.outcome.ended, Ended::TimedOut);
    assert_snapshot!(ran.error(), @r#"
    error: loading `my__main` did not end within its time limit of 1 s
     --> my/main.rhai:2:8
      |
    2 | loop { n += 1; }
      |        ^ while it ran this
      |
      = hint: what stands outside of functions runs whenever the script is loaded: move what takes long into a function
    "#);
    let ran = World::new("loop { }\n@DFF.API(\"t\") fn run() {}").options(options()).run();
    assert_snapshot!(ran.error(), @"
    error: loading `my__main` did not end within its time limit of 1 s
     --> my/main.rhai:1:6
      |
    1 | loop { }
      |      ^ while it ran this
      |
      = hint: what stands outside of functions runs whenever the script is loaded: move what takes long into a function
    ");
    // An import loads, too: its file is shown.
    let ran = World::new("import \"__slow\" as slow;\n@DFF.API(\"t\") fn run() {}")
        .file("my/slow.rhai", "let first = 1;\nloop { }\n")
        .options(options())
        .run();
    assert_snapshot!(ran.error(), @"
    error: loading `my__main` did not end within its time limit of 1 s
     --> my/slow.rhai:2:6
      |
    2 | loop { }
      |      ^ while it loaded this
      |
      = hint: what stands outside of functions runs whenever the script is loaded: move what takes long into a function
    ");
}

#[test]
fn a_check_says_that_it_has_little_time() {
    let world = World::new(
        "@DFF.API(\"t\")\nfn run() {\n    let n = 0;\n    while true {\n        n += 1;\n    }\n}",
    );
    assert_snapshot!(world.problems(), @"
    warning: not checked to its end: `my__main.run` did not end within its time limit of 5 s
     --> my/main.rhai:5:9
      |
    5 |         n += 1;
      |         ^ while it ran this
      |
      = hint: without calling a cloud a script is evaluated for no longer than that: does this end by itself where nothing is collected?
    ");
}

#[test]
fn the_timeout_of_the_run_wins_over_the_scripts() {
    let options = RunOptions { timeout: Some(1), ..RunOptions::default() };
    let ran = World::new("@DFF.API(\"t\", timeout = 3600) fn run() { sleep(3000); }").options(options).run();
    assert_eq!(ran.outcome.ended, Ended::TimedOut);
}

#[test]
fn a_backend_is_told_to_stop_and_its_answer_is_kept() {
    let world = World::with_imports(
        "@DFF.API(\"t\", timeout = 1)\nfn run() {\n    Runner([], debug = true).run();\n    print(\"never\");\n}",
    );
    let ran = world.behaviour(Behaviour::UntilStopped).run();
    assert_eq!(ran.outcome.ended, Ended::TimedOut);
    assert_eq!(ran.outcome.reports[0]["status"], "failed");
    assert!(ran.texts().is_empty());
    assert_snapshot!(ran.error(), @r#"
    error: `my__main.run` did not end within its time limit of 1 s
     --> my/main.rhai:6:5
      |
    6 |     Runner([], debug = true).run();
      |     ^^^^^^ while it waited for the collectors of this Runner
      |
      = hint: raise it with `@DFF.API("…", timeout = seconds)`, at most 3600, or with --timeout for this run
    "#);
}

#[test]
fn the_collector_that_was_at_work_is_named() {
    let world = World::with_imports(
        r#"let account = #{ ak_id: "a", ak_secret: "b", region: "cn-north-1" };
@DFF.API("t", timeout = 1)
fn run() {
    let collectors = [
        objects::DataCollector(account, #{}),
        metrics::DataCollector(account, #{ targets: [#{ namespace: "n", metrics: ["m"] }] }),
    ];
    Runner(collectors).run();
}"#,
    );
    let ran = world.behaviour(Behaviour::UntilStopped).run();
    assert_eq!(ran.outcome.ended, Ended::TimedOut);
    assert_snapshot!(ran.error(), @r#"
    error: `my__main.run` did not end within its time limit of 1 s
      --> my/main.rhai:11:5
       |
     9 |         metrics::DataCollector(account, #{ targets: [#{ namespace: "n", metrics: ["m"] }] }),
       |                  ------------- `test_metrics` was being collected
    10 |     ];
    11 |     Runner(collectors).run();
       |     ^^^^^^ while it waited for the collectors of this Runner
       |
       = hint: `funchost plan SCRIPT` says how long its calls take: raise the limit with `@DFF.API("…", timeout = seconds)`, at most 3600, or with --timeout for this run
    "#);
}

#[test]
fn a_backend_that_does_not_stop_is_left_behind() {
    let mut world = World::with_imports("@DFF.API(\"t\", timeout = 1) fn run() { Runner([]).run() }");
    world.settings.patience = Duration::from_millis(50);
    let ran = world.behaviour(Behaviour::Hang).run();
    assert_eq!(ran.outcome.ended, Ended::TimedOut);
    assert!(ran.outcome.reports.is_empty());
}

#[test]
fn ctrl_c_stops_everything() {
    for body in ["loop { }", "sleep(1000);", "Runner([]).run();"] {
        let world = World::with_imports(&format!("@DFF.API(\"t\") fn run() {{ {body} }}"))
            .behaviour(Behaviour::UntilStopped);
        let stop = world.stop.clone();
        let presser = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async { tokio::time::sleep(Duration::from_millis(100)).await });
            stop.cancel();
        });
        let ran = world.run();
        presser.join().unwrap();
        assert_eq!(ran.outcome.ended, Ended::Stopped, "{body}");
        assert!(
            ran.error().starts_with("error: `my__main.run` was stopped before its end"),
            "{}",
            ran.error()
        );
    }
}

fn small_memory(body: &str) -> Ran {
    let mut world = World::new(&format!("@DFF.API(\"t\")\nfn run() {{\n    {body}\n}}"));
    world.settings.memory_limit = 64 << 20;
    world.run()
}

#[test]
fn memory_is_capped() {
    assert_snapshot!(small_memory("let s = \"x\"; loop { s += s; }").error(), @r#"
    error: `my__main.run` needs more than the 64 MiB of memory that a script may hold
     --> my/main.rhai:3:30
      |
    3 |     let s = "x"; loop { s += s; }
      |                              ^ while it ran this
      |
      = hint: keep less at a time; objects and points need no list in a script
    "#);
    for bomb in [
        "let xs = []; loop { xs.push(\"text\" + xs.len()); }",
        "let xs = [1]; loop { xs += xs; }",
        "let m = #{}; let i = 0; loop { m[`k${i}`] = [i]; i += 1; }",
        "try { let xs = []; xs.pad(100000000000, 0); } catch { }",
        "let s = \"\"; s.pad(100000000000, '云');",
        "let s = \"\"; s.pad(100000000000, \"云云\");",
        "let b = blob(100000000000); b.len()",
        "let b = blob(100000000000, 7); b.len()",
        "let b = blob(1); b.pad(100000000000, 7);",
        "let s = \"\"; s.pad(1000000, 'a'); let t = s; s.replace(\"a\", t);",
    ] {
        let error = small_memory(bomb).error();
        assert!(error.contains("needs more than the 64 MiB of memory"), "{bomb}: {error}");
    }
}

#[test]
fn memory_that_is_given_back_does_not_count() {
    let ran = small_memory("for i in 0..300 { let s = \"x\"; s.pad(1000000, 'y'); } \"done\"");
    assert_eq!(ran.value(), serde_json::json!("done"));
}

#[test]
fn padding_and_blobs_do_what_they_always_did() {
    let ran = World::new(
        r#"@DFF.API("t") fn run() {
            let xs = [1]; xs.pad(3, 9); xs.pad(2, 7);
            let s = "ab"; s.pad(5, "xy"); let c = "ab"; c.pad(4, '-'); let n = "ab"; n.pad(-1, '-');
            let b = blob(2, 258); b.pad(3, 1);
            let r = "a-b-c"; r.replace("-", "++");
            [xs, s, c, n, b.len(), b[0], b[2], r]
        }"#,
    )
    .run();
    assert_eq!(ran.value(), serde_json::json!([[1, 9, 9], "abxyxy", "ab--", "ab", 3, 2, 1, "a++b++c"]));
}

#[test]
fn a_big_list_grows_in_a_straight_line() {
    // With Rhai's own size limits this would need half an hour.
    let ran = World::new(
        "@DFF.API(\"t\", timeout = 60) fn run() { let xs = []; for i in 0..200000 { xs.push(i); } xs.len() }",
    )
    .run();
    assert_eq!(ran.value(), serde_json::json!(200_000));
}
