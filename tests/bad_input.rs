//! Bad input: one mistake each, the whole message and the exit code as a snapshot.
//!
//! Each case must end with exit code 2 and without a single call to a cloud.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

mod support;

use simcloud::Options;
use support::World;

const HEAD: &str = r#"import "guance_integration__runner" as integration;
import "guance_aws_ec2__main" as aws_ec2;
import "guance_aws_cloudwatch__main" as aws_cloudwatch;
"#;

/// A script around the arguments of one CloudWatch collector.
fn cloudwatch(account: &str, configs: &str) -> String {
    format!(
        "{HEAD}
let account = {account};

@DFF.API(\"执行云资产同步\")
fn run() {{
    let configs = {configs};
    Runner([ aws_cloudwatch::DataCollector(account, configs) ]).run();
}}
"
    )
}

/// A script around the arguments of one EC2 collector.
fn ec2(account: &str, arguments: &str) -> String {
    format!(
        "{HEAD}
let account = {account};

@DFF.API(\"执行云资产同步\")
fn run() {{
    Runner([ aws_ec2::DataCollector(account, {arguments}) ]).run();
}}
"
    )
}

const ACCOUNT: &str = r##"#{ ak_id: "AKIDEXAMPLE", ak_secret: "wJalrXUtnFEMIK7MDENG" }"##;

/// A script with this body in its function.
fn body(body: &str) -> String {
    format!("{HEAD}\n@DFF.API(\"执行云资产同步\")\nfn run() {{\n    {body}\n}}\n")
}

fn scripts() -> Vec<(&'static str, String)> {
    let regions = r##"regions: ["cn-north-1"]"##;
    let targets = r##"targets: [ #{ namespace: "AWS/EC2", metrics: ["*cpu*"] } ]"##;
    vec![
        ("account_without_secret", ec2(r##"#{ ak_id: "AKIDEXAMPLE" }"##, &format!("#{{ {regions} }}"))),
        (
            "account_with_unknown_key",
            ec2(r##"#{ ak_id: "a", ak_secret: "wJalrXUtnFEMIK7MDENG", extra_tag: #{} }"##, &format!("#{{ {regions} }}")),
        ),
        (
            "account_with_cloud_provider",
            ec2(
                r##"#{ ak_id: "a", ak_secret: "wJalrXUtnFEMIK7MDENG", extra_tags: #{ cloud_provider: "mine" } }"##,
                &format!("#{{ {regions} }}"),
            ),
        ),
        (
            "account_with_number_as_tag",
            ec2(
                r##"#{ ak_id: "a", ak_secret: "wJalrXUtnFEMIK7MDENG", extra_tags: #{ floor: 3 } }"##,
                &format!("#{{ {regions} }}"),
            ),
        ),
        (
            "account_with_placeholder",
            ec2(r##"#{ ak_id: "<具有合适权限的AWS AK ID>", ak_secret: "x" }"##, &format!("#{{ {regions} }}")),
        ),
        ("account_is_a_text", ec2(r#""AKIDEXAMPLE""#, &format!("#{{ {regions} }}"))),
        ("regions_missing", ec2(ACCOUNT, "#{}")),
        ("regions_empty", ec2(ACCOUNT, "#{ regions: [] }")),
        ("regions_is_a_text", ec2(ACCOUNT, r##"#{ regions: "cn-north-1" }"##)),
        ("regions_misspelt", ec2(ACCOUNT, r##"#{ region: ["cn-north-1"] }"##)),
        ("region_twice", ec2(ACCOUNT, r##"#{ regions: ["cn-north-1", "cn-north-1"] }"##)),
        ("region_with_blank", ec2(ACCOUNT, r##"#{ regions: ["cn north 1"] }"##)),
        ("targets_on_objects", ec2(ACCOUNT, &format!("#{{ {regions}, {targets} }}"))),
        ("targets_missing", cloudwatch(ACCOUNT, &format!("#{{ {regions} }}"))),
        ("targets_empty", cloudwatch(ACCOUNT, &format!("#{{ {regions}, targets: [] }}"))),
        (
            "metrics_misspelt",
            cloudwatch(
                ACCOUNT,
                &format!(r##"#{{ {regions}, targets: [ /* 云监控 */ #{{ namespace: "AWS/EC2", metric: ["*cpu*"] }} ] }}"##),
            ),
        ),
        (
            "metrics_empty",
            cloudwatch(ACCOUNT, &format!(r##"#{{ {regions}, targets: [ #{{ namespace: "AWS/EC2", metrics: [] }} ] }}"##)),
        ),
        (
            "not_in_the_middle",
            cloudwatch(
                ACCOUNT,
                &format!(r##"#{{ {regions}, targets: [ #{{ namespace: "AWS/EC2", metrics: ["*cpu*", "NOT"] }} ] }}"##),
            ),
        ),
        (
            "metric_is_a_number",
            cloudwatch(
                ACCOUNT,
                &format!(r##"#{{ {regions}, targets: [ #{{ namespace: "AWS/EC2", metrics: ["*cpu*", 5] }} ] }}"##),
            ),
        ),
        (
            "namespace_empty",
            cloudwatch(ACCOUNT, &format!(r##"#{{ {regions}, targets: [ #{{ namespace: "", metrics: "ALL" }} ] }}"##)),
        ),
        (
            "filters_on_metrics",
            body(&format!(
                "let account = {ACCOUNT};\n    aws_cloudwatch::DataCollector(account, #{{ {regions}, {targets} }}, #{{ filters: [|i| true] }});"
            )),
        ),
        ("filter_is_no_function", ec2(ACCOUNT, &format!("#{{ {regions} }}, #{{ filters: [true] }}"))),
        (
            "runner_not_imported",
            "import \"guance_aws_ec2__main\" as aws_ec2;\n\n@DFF.API(\"x\")\nfn run() {\n    Runner([]).run();\n}\n".into(),
        ),
        ("runner_with_unknown_option", body("Runner([], debugg = true).run();")),
        ("runner_with_something_else", body("Runner([1, 2]).run();")),
        ("runner_with_unknown_datakit", body("Runner([], datakit_id = \"datakti\").run();")),
        ("package_misspelt", "import \"guance_aws_esc2__main\" as ec2;\n\n@DFF.API(\"x\")\nfn run() {}\n".into()),
        ("package_without_main", "import \"guance_aws_ec2\" as ec2;\n\n@DFF.API(\"x\")\nfn run() {}\n".into()),
        ("variable_misspelt", ec2("#{}", "#{ regions: regoins }")),
        ("environment_missing", body("DFF.ENV(\"AWS_AK_IDD\")")),
        ("member_of_dff_unknown", body("DFF.EVN(\"AWS_AK_ID\")")),
        ("dot_after_package", body("aws_ec2.DataCollector(#{}, #{})")),
        ("single_quotes", body("let name = 'aws';")),
        ("python_true", body("Runner([], debug = True).run();")),
        ("python_dict", body("let account = { \"ak_id\": \"x\" };")),
        ("python_none", body("let region = None;")),
        ("semicolon_missing", body("let a = 1\n    let b = 2;")),
        ("bracket_missing", format!("{HEAD}\n@DFF.API(\"x\")\nfn run() {{\n    Runner([]).run();\n")),
        ("no_function_registered", "fn run() {}\n".into()),
        (
            "several_functions",
            "@DFF.API(\"one\")\nfn first() {}\n\n@DFF.API(\"two\")\nfn second() {}\n".into(),
        ),
        ("timeout_too_long", "@DFF.API(\"x\", timeout = 5000)\nfn run() {}\n".into()),
        ("option_unknown", "@DFF.API(\"x\", timeuot = 300)\nfn run() {}\n".into()),
        ("option_of_the_original", "@DFF.API(\"x\", queue = 2)\nfn run() {}\n".into()),
        ("crontab_of_six", "@DFF.API(\"x\", fixed_crontab = \"0 */5 * * * *\")\nfn run() {}\n".into()),
        ("python_module", body("let now = datetime.now();\n    Runner([]).run();")),
        ("arrow_function", body("let f = (x) => x > 1;\n    Runner([]).run();")),
        ("map_with_equals", ec2(ACCOUNT, "#{ regions = [\"cn-north-1\"] }")),
        ("compared_with_one_equals", body("let name = \"x\";\n    if name = \"x\" { Runner([]).run(); }")),
        ("runner_debug_is_a_text", body("Runner([], debug = \"true\").run();")),
        ("collector_without_configs", format!("{HEAD}\nlet account = {ACCOUNT};\n\n@DFF.API(\"x\")\nfn run() {{\n    Runner([ aws_ec2::DataCollector(account) ]).run();\n}}\n")),
        ("registered_twice", "@DFF.API(\"one\")\nfn run() {}\n\nDFF.API(\"two\", run);\n".into()),
        ("decorator_without_function", "@DFF.API(\"x\")\nlet run = 1;\n".into()),
        ("full_width_parenthesis", body("print（“你好”）;")),
        ("full_width_semicolon", body("let a = 1；\n    let b = 2;")),
        ("full_width_comma", body("let xs = [1，2]; // 列表，见手册；")),
        ("full_width_colon", body("let text = \"全角：可以，\";\n    let map = #{ a：1 };")),
        ("full_width_quote", body("let name = \"你好”;")),
        ("full_width_decorator", "@DFF.API（\"标题\"）\nfn run() {}\n".into()),
        ("print_without_parentheses", body("print \"x\";")),
        (
            "environment_put_together",
            body("let stage = \"STAGING\";\n    let account = #{ ak_id: \"AKID\", ak_secret: DFF.ENV(stage + \"_AK_SECRET\") };"),
        ),
        ("conn_without_parentheses", body("DFF.CONN.write_metric(\"x\", #{}, #{ a: 1 });")),
        ("toolkit_without_parentheses", body("let now = DFF.TOOLKIT.now;")),
        ("let_missing", body("collectors = [1];")),
        ("python_for_on_one_line", body("for x in [1]: print(x)")),
        ("python_comprehension", body("let ys = [x * 2 for x in [1, 2]];")),
        ("python_except", body("try { print(1); } except (e) { print(e); }")),
        ("python_import", format!("import time\n{}", body("sleep(1);"))),
        ("python_import_in_quotes", format!("import \"json\" as json;\n{}", body("print(1);"))),
        ("increment", body("let x = 1;\n    x++;")),
        ("closure_called", body("let f = |x| x + 1;\n    f(1);")),
        ("range_of_one", body("for i in range(3) { print(i); }")),
        ("store_set_without_value", body("DFF.STORE.set(\"a\");")),
        ("sleep_of_text", body("sleep(\"1\");")),
        ("runner_without_run", body("Runner([]);")),
        ("client_misspelt", body("import \"guance_integration__aws\" as aws;\n    aws::clent(#{});")),
        (
            "module_variable_changed",
            "let seen = [];\n\n@DFF.API(\"x\")\nfn run() {\n    seen.push(1);\n}\n".into(),
        ),
    ]
}

fn configurations() -> Vec<(&'static str, &'static str)> {
    vec![
        ("config_key_misspelt", "[datakit.datakit]\nurl = \"http://localhost:9529\"\n"),
        ("config_url_without_scheme", "[datakits.datakit]\nurl = \"localhost:9529\"\n"),
        ("config_endpoint_misspelt", "[endpoints]\nawss = \"http://127.0.0.1:1\"\n"),
        ("config_service_misspelt", "[endpoints]\n\"aws.monitor\" = \"http://127.0.0.1:1\"\n"),
        ("config_limit_misspelt", "[limits]\n\"aws.monitoring.GetMetricDatas\" = 5\n"),
        ("config_limit_of_zero", "[limits]\n\"aws.monitoring.GetMetricData\" = 0\n"),
        ("config_secret_masked", "[env]\nAWS_AK_SECRET = { vaule = \"wJalrXUtnFEMIK7MDENG\" }\n"),
        ("config_not_toml", "state = \n"),
        ("config_datakit_without_id", "[datakits]\nurl = \"http://localhost:9529\"\n"),
        ("config_wrong_type", "[overlap]\naws = \"long\"\n"),
    ]
}

/// The folder's name differs from run to run.
fn steady(world: &World, text: &str) -> String {
    let folder = world.folder.path().display().to_string();
    let canonical = world.folder.path().canonicalize().expect("the folder is there").display().to_string();
    text.replace(&canonical, "FOLDER").replace(&folder, "FOLDER")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_mistake_is_explained() {
    let world = World::new(Options::default()).await;
    for (name, script) in scripts() {
        world.write("my_aws/main.rhai", &script);
        let ran = world.run(&["run", "my_aws/main.rhai"]);
        assert_eq!(ran.code, 2, "{name}: {ran:?}");
        assert_eq!(ran.stdout, "", "{name}");
        assert!(!ran.stderr.contains("wJalrXUtnFEMIK7MDENG"), "{name} shows a secret:\n{}", ran.stderr);
        insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false, description => script }, {
            insta::assert_snapshot!(name, steady(&world, &ran.stderr));
        });
    }
    world.write("my_aws/main.rhai", "@DFF.API(\"x\")\nfn run() {}\n");
    for (name, config) in configurations() {
        world.write("bad.toml", config);
        let ran = world.run(&["run", "my_aws/main.rhai", "--config", "bad.toml"]);
        assert_eq!(ran.code, 2, "{name}: {ran:?}");
        assert_eq!(ran.stdout, "", "{name}");
        assert!(!ran.stderr.contains("wJalrXUtnFEMIK7MDENG"), "{name} shows a secret:\n{}", ran.stderr);
        insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false, description => config }, {
            insta::assert_snapshot!(name, steady(&world, &ran.stderr));
        });
    }
    assert_eq!(world.clouds.calls().values().sum::<u64>(), 0, "a cloud was called");
    assert!(world.clouds.datakit().requests().is_empty(), "DataKit was called");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_is_explained() {
    let world = World::new(Options::default()).await;
    world.write("my_aws/main.rhai", "@DFF.API(\"x\")\nfn run() {}\n");
    world.write("sub/deep/main.rhai", "@DFF.API(\"x\")\nfn run() {}\n");
    world.write(
        "my_aws/more.rhai",
        "@DFF.API(\"x\")\nfn run() { helper(); }\n\nfn helper() {}\n\nfn test_it() { run(); }\n",
    );
    world.write("my_aws/main.py", "def run():\n    pass\n");
    world.write("old/sync.py", "def run():\n    pass\n");
    std::fs::create_dir(world.folder.path().join("empty")).unwrap();
    for (name, arguments) in [
        ("usage_no_such_file", vec!["run", "my_aws/mian.rhai"]),
        ("usage_no_such_file_in_a_folder", vec!["run", "sub/deep/mian.rhai"]),
        ("usage_no_such_command", vec!["rnu", "my_aws/main.rhai"]),
        ("usage_timeout_too_long", vec!["run", "my_aws/main.rhai", "--timeout", "4000"]),
        ("usage_no_such_function", vec!["run", "my_aws/main.rhai", "--func", "rnu"]),
        ("usage_no_such_collector", vec!["collectors", "aws_ecs2"]),
        ("usage_file_without_ending", vec!["run", "my_aws/main"]),
        ("usage_word_of_collectors", vec!["collectors", "ec2"]),
        ("new_word_of_collectors", vec!["new", "mine", "--collector", "ecs"]),
        ("new_blank_behind_comma", vec!["new", "mine", "--collector", "aws_ec2,", "aws_cloudwatch"]),
        ("usage_script_without_command", vec!["my_aws/main.rhai", "--debug"]),
        ("usage_version_as_command", vec!["version"]),
        ("usage_id_of_a_function", vec!["run", "my_aws__main.run"]),
        ("usage_function_not_registered", vec!["run", "my_aws/more.rhai", "--func", "helper"]),
        ("usage_test_as_function", vec!["run", "my_aws/more.rhai", "--func", "test_it"]),
        ("usage_no_such_recording", vec!["test", "my_aws/more.rhai", "--replay", "nowhere.json"]),
        ("usage_folder_as_command", vec!["my_aws"]),
        ("usage_folder_without_script", vec!["run", "empty"]),
        ("usage_folder_of_scripts", vec!["check", "sub"]),
        ("usage_folder_of_several", vec!["plan", "my_aws"]),
        ("usage_misspelt_folder", vec!["run", "my_aw/main.rhai"]),
        ("usage_misspelt_script_as_command", vec!["my_aws/mian.rhai"]),
        ("usage_script_without_folder", vec!["test", "more.rhai"]),
        ("usage_nothing_like_it", vec!["check", "elsewhere/sync.rhai"]),
        ("usage_python", vec!["run", "old/sync.py"]),
        ("usage_python_beside", vec!["run", "my_aws/main.py"]),
        ("usage_python_as_command", vec!["old/sync.py"]),
        ("usage_configuration_as_script", vec!["run", "funchost.toml"]),
        ("usage_no_script", vec!["run"]),
        ("usage_no_script_to_check", vec!["check"]),
        ("usage_unknown_word", vec!["collect"]),
        ("usage_region_of_run", vec!["run", "my_aws/main.rhai", "--region", "cn-north-1"]),
        ("usage_keys_of_run", vec!["run", "my_aws/main.rhai", "--ak_id=AKIA"]),
        ("usage_every_of_run", vec!["run", "my_aws/main.rhai", "--every", "5m"]),
        ("usage_option_that_is_none", vec!["run", "my_aws/main.rhai", "--frobnicate"]),
        ("usage_option_misspelt", vec!["run", "my_aws/main.rhai", "--debgu"]),
        ("usage_function_as_word", vec!["run", "my_aws/main.rhai", "run"]),
        ("usage_two_scripts", vec!["run", "my_aws/main.rhai", "my_aws/more.rhai"]),
        ("usage_no_such_config", vec!["run", "my_aws/main.rhai", "--config", "nowhere.toml"]),
    ] {
        let ran = world.run(&arguments);
        assert_eq!(ran.code, 2, "{name}: {ran:?}");
        insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false, description => arguments.join(" ") }, {
            insta::assert_snapshot!(name, steady(&world, &ran.stderr));
        });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_reads_the_mistake_as_json() {
    let world = World::new(Options::default()).await;
    world.write("my_aws/main.rhai", &ec2(ACCOUNT, "#{ regions: [] }"));
    let ran = world.run(&["run", "my_aws/main.rhai", "--output", "json"]);
    assert_eq!(ran.code, 2);
    let document = ran.json();
    assert_eq!(document["status"], "invalid");
    let error = &document["errors"][0];
    assert!(error["message"].as_str().is_some_and(|text| text.contains("regions")), "{document:#}");
    assert!(error["file"].as_str().is_some_and(|file| file.ends_with("my_aws/main.rhai")), "{document:#}");
    assert_eq!(error["line"], 9, "{document:#}");
    assert!(error["column"].as_u64().is_some_and(|column| column > 1), "{document:#}");
    assert!(error["hint"].is_string(), "{document:#}");
    let ran = world.run(&["run", "my_aws/main.rhai", "--output", "json", "--tiemout", "5"]);
    assert_eq!(ran.code, 2);
    assert_eq!(ran.json()["status"], "invalid");
    // In debug mode stdout holds lines and nothing else.
    let ran = world.run(&["run", "my_aws/main.rhai", "--output", "json", "--debug"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (2, ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_full_width_character_is_named_with_the_plain_one() {
    let world = World::new(Options::default()).await;
    for (written, character, plain) in [
        ("let a = ‘x’;", '‘', "\""),
        ("let a = x’;", '’', "\""),
        ("DFF。LOG(1);", '。', "."),
        ("if ！true { }", '！', "!"),
        ("let a = 【1];", '【', "["),
        ("let a = [1、2];", '、', ","),
        ("if true ｛ }", '｛', "{"),
        ("let a ＝ 1;", '＝', "="),
        ("let a = 1 ＋ 1;", '＋', "+"),
        ("if 1 ＜ 2 { }", '＜', "<"),
    ] {
        world.write("my_aws/main.rhai", &body(written));
        let ran = world.run(&["run", "my_aws/main.rhai"]);
        assert_eq!(ran.code, 2, "{written}: {ran:?}");
        assert!(
            ran.stderr.starts_with(&format!("error: `{character}` is a full-width character\n")),
            "{ran:?}"
        );
        assert!(ran.stderr.contains(&format!("hint: write `{plain}`")), "{ran:?}");
    }
    // Where they belong they are left alone.
    world.write(
        "my_aws/main.rhai",
        &body("let a = \"（全角；：，。）\"; // （注释；：，。）\n    /* ；“” */ print(a);"),
    );
    assert_eq!(world.run(&["run", "my_aws/main.rhai"]).code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_of_a_variable_is_no_secret() {
    let world = World::new(Options::default()).await;
    world.write(
        "my_aws/main.rhai",
        &body("let secret_name = \"STAGING_AK_SECRET\";\n    let token = DFF.ENV(\"STAGING\" + \"_TOKEN\");"),
    );
    let ran = world.run(&["run", "my_aws/main.rhai"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.stderr.contains("`DFF.ENV(\"STAGING_TOKEN\")` is not set"), "{ran:?}");
    assert!(ran.stderr.contains("export STAGING_TOKEN="), "{ran:?}");
    world.write(
        "my_aws/main.rhai",
        &body("let secret_name = \"STAGING_AK_SECRET\";\n    print(`of ${secret_name}`);\n    DFF.ENV(secret_name);"),
    );
    let ran = world.run(&["run", "my_aws/main.rhai"]);
    assert!(ran.stderr.contains("of STAGING_AK_SECRET\n"), "{ran:?}");
    assert!(ran.stderr.contains("`DFF.ENV(\"STAGING_AK_SECRET\")` is not set"), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_finds_a_runner_that_is_not_run_and_a_run_tells_of_one_among_others() {
    let world = World::new(Options::default()).await;
    world.write("my_aws/main.rhai", &body("Runner([]);"));
    let checked = world.run(&["check", "my_aws/main.rhai"]);
    assert_eq!(checked.code, 2, "{checked:?}");
    assert!(checked.stderr.contains("error: `.run()` is missing"), "{checked:?}");
    world.write("my_aws/main.rhai", &body("Runner([]).run();\n    Runner([]);"));
    let ran = world.run(&["run", "my_aws/main.rhai"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stderr.contains("`.run()` is missing"), "{ran:?}");
}
