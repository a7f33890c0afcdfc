//! What a newcomer uses first: a new script, the editor's definitions, the pages of the collectors.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

mod support;

use funchost_collectors::COLLECTORS;
use simcloud::Options;
use std::path::Path;
use support::{Ran, World};

async fn world() -> World {
    World::new(Options::default()).await
}

fn steady(world: &World, text: &str) -> String {
    text.replace(&world.folder.path().display().to_string(), "FOLDER")
}

/// A check of a script whose keys are set.
fn check(world: &mut World, script: &str) -> Ran {
    for name in ["ALIYUN", "AWS", "TENCENTCLOUD"] {
        world.variables.insert(format!("{name}_AK_ID"), "AKIDEXAMPLE0001".into());
        world.variables.insert(format!("{name}_AK_SECRET"), "simcloud-secret".into());
    }
    world.run(&["check", script])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_script_of_any_collector_passes_the_check() {
    let mut world = world().await;
    let names: Vec<&str> = COLLECTORS.iter().map(|collector| collector.description().name).collect();
    let all = names.join(",");
    for (set, collectors) in names.iter().map(|name| (*name, *name)).chain([("all", all.as_str())]) {
        for language in ["en", "zh"] {
            let set = format!("my_{set}_{language}");
            let ran = world.run(&["new", &set, "--collector", collectors, "--lang", language]);
            assert_eq!(ran.code, 0, "{ran:?}");
            let checked = check(&mut world, &format!("{set}/main.rhai"));
            assert_eq!(checked.code, 0, "{checked:?}");
            assert!(checked.stderr.contains("0 errors, 0 warnings"), "{checked:?}");
            if language == "zh" {
                let text = std::fs::read_to_string(world.folder.path().join(&set).join("main.rhai")).unwrap();
                let english: Vec<&str> =
                    text.lines().filter(|line| line.contains("// ") && line.contains(" of ")).collect();
                assert!(english.is_empty(), "{english:#?}");
            }
        }
    }
    assert!(world.clouds.calls().is_empty());
}

/// What stands behind the comment marks works as well.
#[tokio::test(flavor = "multi_thread")]
async fn the_filter_that_a_new_script_shows_filters() {
    let world = world().await;
    for (set, collector, status) in [("a", "aws_ec2", 0), ("b", "aliyun_ecs", 0), ("c", "aliyun_oss", 0)] {
        assert_eq!(world.run(&["new", set, "--collector", collector]).code, 0);
        let path = world.folder.path().join(set).join("main.rhai");
        let text = std::fs::read_to_string(&path).unwrap();
        let (before, after) =
            text.split_once("}),    // a third argument keeps only what you want: ").unwrap();
        let (filter, rest) = after.split_once('\n').unwrap();
        std::fs::write(&path, format!("{before}}}, {filter}),\n{rest}")).unwrap();
        let ran = world.run(&["run", &format!("{set}/main.rhai"), "--output", "json"]);
        assert_eq!(ran.code, status, "{collector}: {ran:?}");
        // No name of the estate begins so.
        let report = ran.collector(collector);
        assert_eq!((&report["status"], &report["collected"]), (&"collected".into(), &0.into()), "{ran:?}");
        assert!(!report["calls"].as_object().unwrap().is_empty());
    }
}

/// Beside a library, a new script becomes part of it: `list` and `serve` look there.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_script_lies_where_the_service_looks() {
    let mut world = world().await;
    world.write("scripts/other/main.rhai", "@DFF.API(\"other\")\nfn run() {}\n");
    let ran = world.run(&["new", "my_aws", "--collector", "aws_ec2", "--lang", "en"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stdout.contains("scripts/my_aws/main.rhai is written"), "{ran:?}");
    assert_eq!(check(&mut world, "scripts/my_aws/main.rhai").code, 0);
    let listed = world.run(&["list"]);
    assert!(
        listed.stdout.contains("my_aws__main.run") && listed.stdout.contains("other__main.run"),
        "{listed:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_script_reads_like_one_that_somebody_wrote() {
    let world = world().await;
    let both = &[
        "new",
        "my_aliyun",
        "--collector",
        "aliyun_monitor,aliyun_ecs",
        "--region",
        "cn-hangzhou,cn-beijing",
    ];
    let ran = world.run(both);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    insta::assert_snapshot!("new_next", ran.stdout);
    let read = |path: &str| std::fs::read_to_string(world.folder.path().join(path)).unwrap();
    insta::assert_snapshot!("new_aliyun", read("my_aliyun/main.rhai"));
    // Written over is nothing.
    let again = world.run(both);
    assert_eq!(again.code, 2);
    insta::assert_snapshot!("new_again", again.stderr);
    assert!(read("my_aliyun/main.rhai").contains("cn-beijing"));
    // A region that is named twice is one.
    let twice = ["new", "my_twice", "--collector", "aws_ec2", "--region", "cn-north-1,cn-north-1"];
    assert_eq!(world.run(&twice).code, 0);
    assert!(read("my_twice/main.rhai").contains("let regions = [\"cn-north-1\"];"));
    // Two clouds: each has its account and its regions.
    let ran = world.run(&[
        "new",
        "my_both",
        "--collector",
        "tencentcloud_cvm,aws_ec2,tencentcloud_monitor",
        "--region",
        "cn-north-1,ap-guangzhou",
        "--lang",
        "en",
    ]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    insta::assert_snapshot!("new_clouds", read("my_both/main.rhai"));
    insta::assert_snapshot!("new_next_clouds", ran.stdout);
    // Chinese by the environment.
    let mut world = world;
    world.variables.insert("LANG".into(), "zh_CN.UTF-8".into());
    let ran = world.run(&[
        "new",
        "my_clouds",
        "--collector",
        "aws_ec2,aws_cloudwatch,tencentcloud_cvm",
        "--region",
        "cn-north-1,ap-guangzhou",
    ]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    let text = std::fs::read_to_string(world.folder.path().join("my_clouds/main.rhai")).unwrap();
    insta::assert_snapshot!("new_clouds_zh", text);
    insta::assert_snapshot!("new_next_zh", ran.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_of_new_are_explained() {
    let world = world().await;
    for (name, code, arguments) in [
        ("new_without_collector", 2, vec!["new", "my_aws"]),
        ("new_collector_misspelt", 2, vec!["new", "my_aws", "--collector", "aws_esc2"]),
        ("new_name", 2, vec!["new", "my-aws", "--collector", "aws_ec2"]),
        ("new_region_misspelt", 0, vec!["new", "my_aws", "--collector", "aws_ec2", "--region", "cn-nroth-1"]),
        ("new_region_is_none", 2, vec!["new", "my_aws2", "--collector", "aws_ec2", "--region", "CN North"]),
    ] {
        let ran = world.run(&arguments);
        assert_eq!(ran.code, code, "{name}: {ran:?}");
        insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false, description => arguments.join(" ") }, {
            insta::assert_snapshot!(name, steady(&world, &ran.stderr));
        });
    }
    let list = world.run(&["new", "--list"]);
    assert_eq!((list.code, list.stdout), (0, world.run(&["collectors"]).stdout));
}

/// A slip in a region is seen before a cloud is asked; it is a warning, as regions may be newer than the program.
#[tokio::test(flavor = "multi_thread")]
async fn a_check_warns_of_a_region_that_nobody_knows() {
    let mut world = world().await;
    let script = support::aws_script(&["cn-north-1", "cn-nroth-1"], "[\"*cpu*\"]");
    world.write("my_aws/main.rhai", &script);
    let checked = check(&mut world, "my_aws/main.rhai");
    assert_eq!(checked.code, 0, "{checked:?}");
    insta::assert_snapshot!("check_region", checked.stderr);
    world.write("my_aws/main.rhai", &script.replace("cn-nroth-1", "cn-northwest-1"));
    assert!(check(&mut world, "my_aws/main.rhai").stderr.contains("0 errors, 0 warnings"));
    assert!(world.clouds.calls().is_empty());
}

/// A value in a text needs backticks: in double quotes it would be seen as it is written, and only where it is printed.
#[tokio::test(flavor = "multi_thread")]
async fn a_check_warns_of_a_value_in_double_quotes() {
    let mut world = world().await;
    let script =
        |text: &str| format!("@DFF.API(\"x\")\nfn run() {{\n    let name = \"a\";\n    print({text});\n}}\n");
    world.write("my/main.rhai", &script("\"hello ${name}\""));
    let checked = check(&mut world, "my/main.rhai");
    assert_eq!(checked.code, 0, "{checked:?}");
    insta::assert_snapshot!("check_text", checked.stderr);
    for text in ["`hello ${name}`", "\"hello $name {}\"", "\"${\""] {
        world.write("my/main.rhai", &script(text));
        let checked = check(&mut world, "my/main.rhai");
        assert!(checked.stderr.contains("0 errors, 0 warnings"), "{text}: {checked:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_script_runs_as_it_is() {
    let world = world().await;
    assert_eq!(world.run(&["new", "my_aws", "--collector", "aws_ec2,aws_cloudwatch"]).code, 0);
    let ran = world.run(&["run", "my_aws/main.rhai", "--output", "json"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.collector("aws_ec2")["delivered"].as_u64() > Some(0));
    assert!(ran.collector("aws_cloudwatch")["linked"].as_u64() > Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_editor_gets_definitions_of_every_package() {
    let world = world().await;
    let ran = world.run(&["definitions", "types"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let read = |name: &str| std::fs::read_to_string(world.folder.path().join("types").join(name)).unwrap();
    for collector in COLLECTORS {
        let description = collector.description();
        let text = read(&format!("{}.d.rhai", description.name));
        assert!(text.starts_with(&format!("module {};", description.name)), "{text}");
        for key in description.configuration {
            assert!(text.contains(&format!("/// - `{}`", key.name)), "{text}");
        }
    }
    insta::assert_snapshot!("definitions_aws_cloudwatch", read("aws_cloudwatch.d.rhai"));
    insta::assert_snapshot!("definitions_aliyun", read("aliyun.d.rhai"));
    assert!(read("funchost.d.rhai").contains("fn Collector("));
    // They lie in the library like a set of scripts, and are none: neither a list nor the service speaks of them.
    world.write("my/main.rhai", "@DFF.API(\"x\")\nfn run() {}\n");
    let listed = world.run(&["list"]);
    assert_eq!((listed.code, listed.stderr.as_str()), (0, ""));
    assert!(listed.stdout.contains("my__main.run"), "{listed:?}");
    let (snapshot, problems) = funchost::script::Snapshot::read(world.folder.path());
    assert_eq!((snapshot.ids().collect::<Vec<_>>(), problems), (vec!["my__main"], vec![]));
    assert!(read("__static__.d.rhai").contains("fn push("));
    for command in ["check", "run", "plan"] {
        let ran = world.run(&[command, "types/aws_ec2.d.rhai"]);
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(
            ran.stderr.contains("aws_ec2.d.rhai holds definitions for the editor, and nothing to run"),
            "{ran:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_of_the_collectors_are_those_that_the_program_makes() {
    let world = world().await;
    let ran = world.run(&["collectors", "--markdown", "pages"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let made = world.folder.path().join("pages");
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let names = |folder: &Path| {
        let mut names: Vec<_> =
            std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let hint = "run `cargo run -- collectors --markdown docs`";
    for folder in ["collectors", "zh-CN/collectors"] {
        let (made, kept) = (made.join(folder), kept.join(folder));
        assert_eq!(names(&made).len(), COLLECTORS.len() + 1);
        assert_eq!(names(&made), names(&kept), "{hint}");
        for name in names(&made) {
            let text = |folder: &Path| std::fs::read_to_string(folder.join(&name)).unwrap();
            assert!(text(&made) == text(&kept), "{folder}/{} has changed: {hint}", name.display());
        }
    }
}

/// Runs funchost on a terminal of its own, and answers with what stands there in the end, escapes included.
fn on_a_terminal(world: &World, variables: &[(&str, &str)], arguments: &[&str]) -> String {
    const TERMINAL: &str =
        "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))";
    let mut command = std::process::Command::new("python3");
    command.args(["-c", TERMINAL, env!("CARGO_BIN_EXE_funchost")]).args(arguments);
    command
        .current_dir(world.folder.path())
        .env_clear()
        .envs(&world.variables)
        .envs(variables.iter().copied());
    command.env("HOME", world.folder.path()).env("PATH", std::env::var_os("PATH").unwrap());
    let output = command.stdin(std::process::Stdio::null()).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// Colour is for a terminal whose reader has not refused it (https://no-color.org).
#[tokio::test(flavor = "multi_thread")]
async fn colour_is_for_terminals_and_can_be_refused() {
    let world = world().await;
    world.write("my/main.rhai", "@DFF.API(\"x\")\nfn run() { regoins; }\n");
    let check = ["check", "my/main.rhai"];
    for (variables, coloured) in [
        (vec![("TERM", "xterm")], true),
        (vec![("TERM", "xterm"), ("NO_COLOR", "1")], false),
        // Set to nothing, it refuses nothing.
        (vec![("TERM", "xterm"), ("NO_COLOR", "")], true),
        (vec![("TERM", "dumb")], false),
    ] {
        let text = on_a_terminal(&world, &variables, &check);
        assert!(text.contains("`regoins` is not defined"), "{variables:?}: {text:?}");
        assert_eq!(text.contains('\x1b'), coloured, "{variables:?}: {text:?}");
    }
    // A pipe is no terminal, whatever TERM says.
    let piped = world.command(&check).env("TERM", "xterm").output().unwrap();
    let text = String::from_utf8(piped.stderr).unwrap();
    assert!(text.contains("`regoins` is not defined") && !text.contains('\x1b'), "{text:?}");
}

/// The line that changes in place is for terminals, too. It is no colour: NO_COLOR leaves it.
#[tokio::test(flavor = "multi_thread")]
async fn progress_is_for_terminals() {
    const LINE: &str = "\r\x1b[K1 s";
    let world = world().await;
    world.write("my/main.rhai", "@DFF.API(\"x\")\nfn run() { sleep(1.5); }\n");
    let run = ["run", "my/main.rhai"];
    let text = on_a_terminal(&world, &[("TERM", "xterm"), ("NO_COLOR", "1")], &run);
    assert!(text.contains(LINE), "{text:?}");
    assert!(text.contains("\r\x1b[Kmy__main.run ok in "), "it is gone before the report: {text:?}");
    let text = on_a_terminal(&world, &[("TERM", "dumb")], &run);
    assert!(text.contains("my__main.run ok in ") && !text.contains('\x1b'), "{text:?}");
    let piped = world.command(&run).env("TERM", "xterm").output().unwrap();
    let text =
        format!("{}{}", String::from_utf8_lossy(&piped.stdout), String::from_utf8_lossy(&piped.stderr));
    assert!(text.contains("my__main.run ok in ") && !text.contains('\x1b'), "{text:?}");
}
