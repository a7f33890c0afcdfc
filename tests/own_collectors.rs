//! Collectors that a script writes, its own writes to DataKit and its kept values: the whole program against simulated AWS and DataKit.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

mod support;

use simcloud::{AwsEstate, DataKitBehaviour, Fault, FaultKind, FieldValue, Options};
use std::collections::BTreeMap;
use support::World;

const HEAD: &str = r#"import "guance_integration__runner" as integration;
import "guance_integration__aws" as aws;
import "guance_aws_ec2__main" as aws_ec2;

let account = #{
    ak_id: DFF.ENV("AWS_AK_ID"),
    ak_secret: DFF.ENV("AWS_AK_SECRET"),
    extra_tags: #{ account_name: "我的AWS账号" },
};

@DFF.API("own", timeout = 60)
fn run() {
"#;

const RUN: &[&str] = &["run", "my/main.rhai", "--output", "json"];

const RDS: &str = r##"Collector("my_rds", account, #{ regions: ["cn-north-1"] }, |ctx| {
        let found = aws::client(ctx.account).all("rds", "DescribeDBInstances", #{ MaxRecords: 20 }, #{ items: "DBInstances.DBInstance" });
        found.map(|db| #{
            tags: #{ name: db.DBInstanceIdentifier, Engine: db.Engine, Team: db.TagList.Tag.Value, RegionId: ctx.region },
            fields: #{ AllocatedStorage: parse_int(db.AllocatedStorage), message: db.to_json() },
        })
    })"##;

async fn world(databases: usize, body: &str) -> World {
    let aws = AwsEstate { databases, instances: 3, nasty: false, ..AwsEstate::default() };
    let world = World::new(Options { aws, ..Options::default() }).await;
    write(&world, body);
    world
}

fn write(world: &World, body: &str) {
    world.write("my/main.rhai", &format!("{HEAD}    {body}\n}}\n"));
}

/// What a run said, without the folder's name.
fn steady(world: &World, text: &str) -> String {
    text.replace(&world.folder.path().display().to_string(), "FOLDER")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_own_collector_is_collected_like_a_shipped_one() {
    let world = world(45, &format!("Runner([ {RDS} ]).run()")).await;
    let checked = world.run(&["check", "my/main.rhai"]);
    assert_eq!(checked.code, 0, "{checked:?}");
    assert!(world.clouds.calls().is_empty(), "a check calls nothing");

    let first = world.run(RUN);
    assert_eq!(first.code, 0, "{first:?}");
    // Pages of twenty, each call counted, in the report and at the cloud.
    let report = first.collector("my_rds");
    assert_eq!(report["calls"], serde_json::json!({ "rds:DescribeDBInstances": 3 }));
    assert_eq!(world.clouds.calls(), BTreeMap::from([("rds:DescribeDBInstances".into(), 3)]));
    assert_eq!(
        (&report["status"], &report["collected"], &report["delivered"]),
        (&"collected".into(), &45.into(), &45.into())
    );
    assert_eq!(report["regions"]["cn-north-1"], "ok");
    let points = world.clouds.datakit().take_points();
    let truth = world.clouds.databases("cn-north-1");
    assert_eq!(points.len(), truth.len());
    for (point, database) in points.iter().zip(&truth) {
        assert_eq!((point.category.as_str(), point.measurement.as_str()), ("custom_object", "my_rds"));
        let tag = |key: &str| point.tags[key].as_str();
        assert_eq!(
            (tag("name"), tag("Engine"), tag("Team")),
            (database.id.as_str(), database.engine.as_str(), "数据 & 报表")
        );
        assert_eq!(
            (tag("cloud_provider"), tag("account_name"), tag("RegionId")),
            ("AWS", "我的AWS账号", "cn-north-1")
        );
        assert_eq!(point.fields["AllocatedStorage"], FieldValue::Integer(i64::from(database.storage)));
    }
    // Its interval is that of objects.
    world.clouds.reset_calls();
    let second = world.run_at(60, RUN);
    assert_eq!(second.collector("my_rds")["status"], "skipped", "{second:?}");
    assert!(world.clouds.calls().is_empty());
    world.clouds.set_clock_offset(901);
    assert_eq!(world.run_at(901, RUN).collector("my_rds")["status"], "collected");
    // In debug mode its points are lines, and nothing is written.
    drop(world.clouds.datakit().take_points());
    let debug = world.run_at(901, &["run", "my/main.rhai", "--debug"]);
    assert_eq!(debug.stdout.lines().count(), 45, "{debug:?}");
    assert!(debug.stdout.starts_with("my_rds,Engine=") || debug.stdout.contains("name=orders"), "{debug:?}");
    assert!(world.clouds.datakit().take_points().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn own_metrics_take_the_tags_of_objects_and_are_sent_once() {
    let body = r##"let points = |ctx| {
        let ids = aws::client(ctx.account).request("ec2", "DescribeInstances", #{ "Filter": [ #{ Name: "instance-state-name", Value: ["running"] } ] });
        let count = 0;
        for reservation in ids.reservationSet {
            for instance in reservation.instancesSet {
                count += 1;
                for minutes in 1..=4 {
                    ctx.emit(#{
                        tags: #{ InstanceId: instance.instanceId },
                        fields: #{ up: 1.0 },
                        timestamp: ctx.window.end_ms - 60000 * minutes,
                        link: #{ class: "aws_ec2", value: instance.instanceId },
                    });
                }
            }
        }
        ctx.warn(`${count} are running`);
    };
    let ec2 = aws_ec2::DataCollector(account, #{ regions: ["cn-north-1"] });
    let up = Collector("my_up", account, #{ regions: ["cn-north-1"], kind: "metrics", interval: 60 }, points);
    Runner([ec2, up]).run()"##;
    let world = world(0, body).await;
    let first = world.run(RUN);
    assert_eq!(first.code, 0, "{first:?}");
    let running =
        world.clouds.instances("cn-north-1").iter().filter(|instance| instance.state == "running").count();
    assert!(running > 0);
    let report = first.collector("my_up");
    let all = 4 * running;
    assert_eq!((&report["collected"], &report["linked"]), (&all.into(), &all.into()));
    assert_eq!(report["warnings"][0], format!("{running} are running"));
    let points = world.clouds.datakit().take_points();
    let metrics: Vec<_> = points.iter().filter(|point| point.category == "metric").collect();
    assert_eq!(metrics.len(), all);
    for point in metrics {
        assert_eq!(point.measurement, "my_up");
        assert!(point.tags.contains_key("InstanceType") && !point.tags.contains_key("name"), "{point:?}");
        assert_eq!(point.fields["up"], FieldValue::Float(1.0));
    }
    // The same points again are not sent again; of the four minutes one is new, two where the test itself runs over a full minute.
    world.clouds.set_clock_offset(60);
    let forced = world.run_at(60, &["run", "my/main.rhai", "--output", "json", "--force"]);
    let report = forced.collector("my_up");
    let (again, new) = (report["already_sent"].as_u64().unwrap(), report["collected"].as_u64().unwrap());
    assert_eq!(again + new, all as u64, "{forced:?}");
    assert!(again >= 2 * running as u64 && new >= running as u64, "{forced:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_of_an_own_collector_have_their_place_and_stop_no_other() {
    let ec2 = r##"aws_ec2::DataCollector(account, #{ regions: ["cn-north-1"] })"##;
    let world = world(3, &format!("Runner([ {RDS}, {ec2} ]).run()")).await;
    world.clouds.deny("rds:DescribeDBInstances");
    let ran = world.run(RUN);
    assert_eq!(ran.code, 1, "{ran:?}");
    let report = ran.collector("my_rds");
    assert_eq!(report["status"], "failed");
    let error = report["error"].as_str().unwrap();
    assert!(
        error.contains("my/main.rhai:14:") && error.contains("rds:DescribeDBInstances in cn-north-1 failed"),
        "{error}"
    );
    assert!(error.contains("hint: "), "{error}");
    assert_eq!(ran.collector("aws_ec2")["status"], "collected");
    insta::assert_snapshot!("own_denied", steady(&world, &ran.stderr));

    // What fails for a while is tried again, and every attempt is counted.
    let world = self::world(3, &format!("Runner([ {RDS} ]).run()")).await;
    let kind = FaultKind::Throttle;
    world.clouds.fault(Fault {
        service: Some("rds".into()),
        action: None,
        region: None,
        skip: 0,
        times: 2,
        kind,
    });
    let ran = world.run(RUN);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(ran.collector("my_rds")["calls"], serde_json::json!({ "rds:DescribeDBInstances": 3 }));
    // A script can catch a failed call and read its code.
    write(
        &world,
        r##"Runner([ Collector("my_rds", account, #{ regions: ["cn-north-1"] }, |ctx| {
        try {
            aws::client(ctx.account).request("rds", "DescribeDBInstances", #{ DBInstanceIdentifier: "gone" });
        } catch (error) {
            if error.code != "DBInstanceNotFound" { throw error; }
        }
        []
    }) ]).run()"##,
    );
    let ran = world.run(RUN);
    assert_eq!((ran.code, &ran.collector("my_rds")["collected"]), (0, &0.into()), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loop_in_an_own_collector_ends_at_the_deadline() {
    let body = r##"Runner([ Collector("my_loop", account, #{ regions: ["cn-north-1"] }, |ctx| { loop { } }) ]).run()"##;
    let world = world(0, body).await;
    let ran = world.run(&["run", "my/main.rhai", "--timeout", "1", "--output", "json"]);
    assert_eq!(ran.code, 124, "{ran:?}");
    assert_eq!(ran.json()["reason"], "timeout");
    insta::assert_snapshot!("own_loop", ran.stderr);
    // Where it looks at a variable, that is the place; one alone, as a loop that looks twice may be stopped at either.
    let body = r##"Runner([ Collector("my_loop", account, #{ regions: ["cn-north-1"] }, |ctx| {
        while ctx.region != "" {}
    }) ]).run()"##;
    let world = self::world(0, body).await;
    let ran = world.run(&["run", "my/main.rhai", "--timeout", "1", "--output", "json"]);
    assert_eq!(ran.code, 124, "{ran:?}");
    insta::assert_snapshot!("own_loop_with_a_variable", ran.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_in_own_collectors_are_shown_where_they_stand() {
    let aws = AwsEstate { databases: 3, instances: 8, nasty: false, ..AwsEstate::default() };
    let world = World::new(Options { aws, ..Options::default() }).await;
    let options = r##"#{ regions: ["cn-north-1"] }"##;
    let point = |point: &str| {
        format!(
            "Runner([ Collector(\"mine\", account, {options}, |ctx| {{\n        ctx.emit({point});\n    }}) ]).run()"
        )
    };
    let metric = |point: &str| {
        format!(
            "Runner([ Collector(\"mine\", account, #{{ kind: \"metrics\" }}, |ctx| {{\n        ctx.emit({point});\n    }}) ]).run()"
        )
    };
    let call = |call: &str| {
        format!(
            "Runner([ Collector(\"mine\", account, {options}, |ctx| {{\n        aws::client(ctx.account).{call};\n    }}) ]).run()"
        )
    };
    for (name, code, body) in [
        ("own_name_taken", 2, format!("Collector(\"aws_ec2\", account, {options}, |ctx| [])")),
        ("own_without_function", 2, format!("Collector(\"mine\", account, {options})")),
        ("own_function_first", 2, format!("Collector(\"mine\", account, |ctx| [], {options})")),
        ("own_option_misspelt", 2, "Collector(\"mine\", account, #{ region: [\"cn-north-1\"] }, |ctx| [])".into()),
        ("own_interval_too_short", 2, "Collector(\"mine\", account, #{ regions: [\"cn-north-1\"], interval: 5 }, |ctx| [])".into()),
        ("own_account_misspelt", 2, format!("let account = #{{ ak_id: \"a\", ak_secrte: \"b\" }};\n    Collector(\"mine\", account, {options}, |ctx| [])")),
        ("own_answers_a_text", 1, format!("Runner([ Collector(\"mine\", account, {options}, |ctx| \"done\") ]).run()")),
        ("own_point_key_misspelt", 1, point("#{ tags: #{ name: \"x\" }, feilds: #{ a: 1 } }")),
        ("own_point_without_name", 1, point("#{ tags: #{ id: \"x\" }, fields: #{ a: 1 } }")),
        ("own_point_without_field", 1, point("#{ tags: #{ name: \"x\" } }")),
        ("own_context_member", 1, point("ctx.regoin")),
        ("own_service_misspelt", 1, call("request(\"rsd\", \"DescribeDBInstances\")")),
        ("own_items_missing", 1, call("all(\"rds\", \"DescribeDBInstances\", #{}, #{})")),
        ("own_items_misspelt", 1, call("all(\"rds\", \"DescribeDBInstances\", #{}, #{ items: \"DBInstances.DBInstanc\" })")),
        ("own_items_short", 1, call("all(\"rds\", \"DescribeDBInstances\", #{}, #{ items: \"DBInstances\" })")),
        ("own_list_by_another_way", 1, call("all(\"ec2\", \"DescribeInstances\", #{}, #{ items: \"reservationSet\", paging: #{ token: \"NextToken\", next: \"NextToken\", size: \"MaxResults\", most: 5 } })")),
        ("own_items_in_a_list", 1, call("all(\"ec2\", \"DescribeInstances\", #{}, #{ items: \"reservationSet.item\" })")),
        ("own_id_misspelt", 1, call("all(\"rds\", \"DescribeDBInstances\", #{}, #{ items: \"DBInstances.DBInstance\", id: \"DBInstanceIdentifer\" })")),
        ("own_name_twice", 2, format!("Runner([\n        Collector(\"mine\", account, {options}, |ctx| []),\n        Collector(\"mine\", account, {options}, |ctx| [#{{ tags: #{{ name: \"x\" }}, fields: #{{ a: 1 }} }}]),\n    ]).run()")),
        ("own_call_outside", 2, "aws::client(account).request(\"rds\", \"DescribeDBInstances\")".into()),
        ("own_client_of_another_account", 1, format!("let other = #{{ ak_id: \"AKIAOTHER\", ak_secret: \"b\" }};\n    Runner([ Collector(\"mine\", account, {options}, |ctx| {{\n        aws::client(other).request(\"rds\", \"DescribeDBInstances\");\n    }}) ]).run()")),
        ("own_function_without_context", 2, format!("Runner([ Collector(\"mine\", account, {options}, || []) ]).run()")),
        ("own_function_of_two", 2, "let collect = |ctx, more| [];\n    Runner([ Collector(\"mine\", account, collect) ]).run()".into()),
        ("own_client_of_another_cloud", 1, "Runner([ Collector(\"mine\", account, #{ regions: [\"cn-hangzhou\"], cloud: \"aliyun\" }, |ctx| {\n        aws::client(ctx.account).request(\"rds\", \"DescribeDBInstances\");\n    }) ]).run()".into()),
        ("own_name_with_a_blank", 2, format!("Collector(\"my product\", account, {options}, |ctx| [])")),
        ("own_without_account", 2, "Collector(\"mine\", |ctx| [])".into()),
        ("own_interval_is_a_text", 2, "Collector(\"mine\", account, #{ interval: \"5m\" }, |ctx| [])".into()),
        ("own_member_of_a_text", 1, point("#{ tags: #{ name: \"x\".Id }, fields: #{ a: 1 } }")),
        ("own_condition_is_a_number", 1, format!("Runner([ Collector(\"mine\", account, {options}, |ctx| {{ let x = 5; if x {{ }} [] }}) ]).run()")),
        ("own_kind_misspelt", 2, "Collector(\"mine\", account, #{ kind: \"metric\" }, |ctx| [])".into()),
        ("own_period_of_minutes", 2, "Collector(\"mine\", account, #{ kind: \"metrics\", period: 86400 }, |ctx| [])".into()),
        ("own_period_of_objects", 2, "Collector(\"mine\", account, #{ period: 60 }, |ctx| [])".into()),
        ("own_measurement_empty", 2, "Collector(\"mine\", account, #{ measurement: \" \" }, |ctx| [])".into()),
        ("own_measurement_is_a_list", 2, "Collector(\"mine\", account, #{ measurement: [\"a\"] }, |ctx| [])".into()),
        ("own_measurement_of_an_object", 1, point("#{ measurement: \"other\", tags: #{ name: \"x\" }, fields: #{ a: 1 } }")),
        ("own_measurement_is_a_number", 1, metric("#{ measurement: 5, fields: #{ a: 1 } }")),
        ("own_timestamp_is_none", 1, metric("#{ fields: #{ a: 1 }, timestamp: \"yesterday\" }")),
        ("own_link_of_an_object", 1, point("#{ tags: #{ name: \"x\" }, fields: #{ a: 1 }, link: #{ class: \"aws_ec2\", value: \"i-1\" } }")),
        ("own_link_is_a_text", 1, metric("#{ fields: #{ a: 1 }, link: \"i-1\" }")),
        ("own_link_key_misspelt", 1, metric("#{ fields: #{ a: 1 }, link: #{ klass: \"aws_ec2\", value: \"i-1\" } }")),
        ("own_link_without_value", 1, metric("#{ fields: #{ a: 1 }, link: #{ class: \"aws_ec2\" } }")),
        ("own_link_with_name", 1, metric("#{ fields: #{ a: 1 }, link: #{ class: \"aws_ec2\", value: \"i-1\", with_name: \"yes\" } }")),
        ("own_pages_without_items", 1, call("pages(\"rds\", \"DescribeDBInstances\", #{}, #{ items: \"DBInstances.DBInstance\" }, || { print(1); })")),
        ("own_pages_without_function", 1, call("pages(\"rds\", \"DescribeDBInstances\", #{}, #{ items: \"DBInstances.DBInstance\" })")),
        ("own_action_unknown", 1, call("request(\"rds\", \"DescribeDbInstance\")")),
        ("own_method_unknown", 1, call("requst(\"rds\", \"DescribeDBInstances\")")),
        ("own_cloud_of_client", 2, "aws::clinet(account)".into()),
        ("conn_category", 2, "DFF.CONN(\"datakit\").write_by_category(\"logging\", #{ measurement: \"x\", fields: #{ a: 1 } })".into()),
        ("conn_text_in_metric", 2, "DFF.CONN(\"datakit\").write_metric(\"x\", #{}, #{ a: \"text\" })".into()),
        ("conn_unknown", 2, "DFF.CONN(\"datakti\").write_metric(\"x\", #{}, #{ a: 1 })".into()),
        ("store_key", 2, "DFF.STORE.set(5, 1)".into()),
        ("cache_option", 2, "DFF.CACHE.set(\"key\", 1, #{ expire: 5 })".into()),
    ] {
        write(&world, &body);
        let ran = world.run(&["run", "my/main.rhai", "--force"]);
        assert_eq!(ran.code, code, "{name}: {ran:?}");
        insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false, description => body }, {
            insta::assert_snapshot!(name, steady(&world, &ran.stderr));
        });
    }
}

/// Of each cloud what a newcomer carries over from its API reference into a list that is read to its end.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_list_sets_by_itself_is_no_parameter() {
    let world = World::new(Options::default()).await;
    let script = |cloud: &str, variable: &str, region: &str, call: &str| {
        format!(
            r##"import "guance_integration__runner" as integration;
import "guance_integration__{cloud}" as {cloud};

let account = #{{ ak_id: DFF.ENV("{variable}_AK_ID"), ak_secret: DFF.ENV("{variable}_AK_SECRET") }};

@DFF.API("own")
fn run() {{
    Runner([ Collector("mine", account, #{{ regions: ["{region}"] }}, |ctx| {{
        {cloud}::client(ctx.account).{call};
    }}) ]).run()
}}
"##
        )
    };
    for (name, cloud, variable, region, call) in [
        (
            "own_limit",
            "tencentcloud",
            "TENCENTCLOUD",
            "ap-shanghai",
            r##"all("cdb", "DescribeDBInstances", #{ Limit: 100, Offset: 0 }, #{ items: "Items" })"##,
        ),
        (
            "own_page_size",
            "aliyun",
            "ALIYUN",
            "cn-hangzhou",
            r##"pages("ecs", "DescribeDisks", #{ RegionId: ctx.region, PageSize: 100 }, #{ items: "Disks.Disk", paging: #{ number: "PageNumber" } }, |disks| {})"##,
        ),
        (
            "own_page_token",
            "aws",
            "AWS",
            "cn-north-1",
            r##"all("rds", "DescribeDBInstances", #{ Marker: "x" }, #{ items: "DBInstances.DBInstance" })"##,
        ),
    ] {
        let script = script(cloud, variable, region, call);
        world.write("my/main.rhai", &script);
        let ran = world.run(&["run", "my/main.rhai", "--force"]);
        assert_eq!(ran.code, 1, "{name}: {ran:?}");
        insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false, description => script }, {
            insta::assert_snapshot!(name, steady(&world, &ran.stderr));
        });
    }
    assert!(world.clouds.calls().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_without_the_context_is_found_by_the_check() {
    let world =
        world(0, "Runner([ Collector(\"mine\", account, #{ regions: [\"cn-north-1\"] }, || []) ]).run()")
            .await;
    let checked = world.run(&["check", "my/main.rhai"]);
    assert_eq!(checked.code, 2, "{checked:?}");
    assert!(checked.stderr.contains("takes one argument, the context"), "{checked:?}");
}

/// Rhai shares a loop's variable with the functions that are written in the loop: all collectors would read its last value.
#[tokio::test(flavor = "multi_thread")]
async fn a_loops_variable_in_a_collectors_function_is_warned_of() {
    let body = |before: &str, used: &str, after: &str| {
        format!(
            r##"let collectors = [];
    for name in ["one", "two"] {{{before}
        collectors.push(Collector("my_" + name, account, |ctx| [ #{{ tags: #{{ name: {used} }}, fields: #{{ a: 1 }} }} ]));{after}
    }}
    Runner(collectors).run()"##
        )
    };
    let world = world(0, &body("", "name", "")).await;
    let checked = world.run(&["check", "my/main.rhai"]);
    assert_eq!(checked.code, 0, "{checked:?}");
    insta::assert_snapshot!("loop_variable", steady(&world, &checked.stderr));
    let names = |world: &World| {
        assert_eq!(world.run(&["run", "my/main.rhai", "--force"]).code, 0);
        let points = world.clouds.datakit().take_points();
        points.iter().map(|point| point.tags["name"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(names(&world), ["two", "two"]);
    // The way out that it names, the same name again, and what runs inside the loop, or reads the variable there.
    write(&world, &body(" let own_name = name;", "own_name", ""));
    assert_eq!(names(&world), ["one", "two"]);
    for body in [
        body(" let own_name = name;", "own_name", ""),
        body(" let name = name;", "name", ""),
        body("", "name", " Runner([collectors.pop()]).run();"),
        body(" print([1].map(|x| name + x)[0]);", "ctx.name", ""),
    ] {
        write(&world, &body);
        let checked = world.run(&["check", "my/main.rhai"]);
        assert!(checked.stderr.contains("0 errors, 0 warnings"), "{body}: {checked:?}");
    }
    // A filter is kept until the collector runs, too; and a second variable counts.
    for body in [
        "for (name, index) in [\"a\"] { let all = [aws_ec2::DataCollector(account, #{ regions: [\"cn-north-1\"] }, #{ filters: [|one| one.name == name] })]; }",
        "for (name, index) in [\"a\"] { Collector(\"my\", account, |ctx| { print(index); [] }); }",
    ] {
        write(&world, body);
        let checked = world.run(&["check", "my/main.rhai"]);
        assert!(checked.stderr.contains("changes with every turn of the loop"), "{body}: {checked:?}");
    }
}

/// The same in every kind of loop, and where a variable holds the function; only where it is wrong for certain.
#[tokio::test(flavor = "multi_thread")]
async fn the_variable_of_any_loop_is_warned_of() {
    let world = world(0, "()").await;
    const LATE: &str = "all.push(Collector(`my_${at}`, account, |ctx| { print(names[at]); [] }));";
    for (warned, body) in [
        (true, format!("while at < 2 {{ {LATE} at += 1; }}")),
        (true, format!("while at < names.len() {{ at += 1; {LATE} }}")),
        (true, format!("loop {{ if at == 2 {{ break; }} {LATE} at += 1; }}")),
        (true, format!("do {{ {LATE} at += 1; }} while at < 2;")),
        (true, "for at in 0..2 { let read = |ctx| { print(names[at]); [] }; all.push(Collector(`my_${at}`, account, read)); }".into()),
        (true, "while at < 2 { let read = |ctx| { print(at); [] }; all.push(Collector(`my_${at}`, account, read)); at += 1; }".into()),
        // A copy, in the loop.
        (false, "while at < 2 { let own = at; all.push(Collector(`my_${at}`, account, |ctx| { print(own); [] })); at += 1; }".into()),
        // What does not say when the loop ends may be meant to be read behind it.
        (false, "let count = 0; for name in names { count += 1; all.push(Collector(name, account, |ctx| { ctx.warn(`one of ${count}`); [] })); }".into()),
        (false, "let count = 0; while at < 2 { count += 1; at += 1; let name = names[at - 1]; all.push(Collector(name, account, |ctx| { ctx.warn(`one of ${count}`); [] })); }".into()),
        // Nothing changes any more behind the function.
        (false, "for name in names { if name == \"two\" { all.push(Collector(name, account, |ctx| { print(name); [] })); break; } }".into()),
        (false, "while at < 2 { if names[at] == \"two\" { all.push(Collector(\"my\", account, |ctx| { print(at); [] })); break; } at += 1; }".into()),
        (false, format!("loop {{ {LATE} at += 1; break; }}")),
        // It runs inside, or is never kept.
        (false, format!("while at < 2 {{ {LATE} Runner([all.pop()]).run(); at += 1; }}")),
        (false, "for at in 0..2 { let read = |one| one == at; print([1].filter(read)); }".into()),
    ] {
        write(&world, &format!("let names = [\"one\", \"two\", \"three\"];\n    let all = [];\n    let at = 0;\n    {body}\n    Runner(all).run()"));
        let checked = world.run(&["check", "my/main.rhai"]);
        let found = checked.stderr.contains("changes with every turn of the loop");
        assert_eq!(found, warned, "{body}: {checked:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_writes_its_own_points_by_the_same_sink_and_outbox() {
    let body = r##"let dk = DFF.CONN("datakit");
    let one = dk.write_metric("load", #{ host: "a, b" }, #{ value: 1.5, count: 3 });
    let many = DFF.SRC("datakit").write_metric_many([
        #{ measurement: "load", tags: #{ host: "c" }, fields: #{ value: 2.5 } },
        #{ measurement: "load", tags: #{ host: "d" }, fields: #{ value: 3.5 }, timestamp: DFF.TOOLKIT.now() - 86400 },
    ]);
    let object = dk.write_by_category("custom_object", #{ measurement: "thing", tags: #{ name: "t-1" }, fields: #{ message: "{}" } });
    [one, many, object]"##;
    let world = world(0, body).await;
    let ran = world.run(RUN);
    assert_eq!(ran.code, 0, "{ran:?}");
    let report = ran.collector("DFF.CONN(datakit)");
    assert_eq!(
        (&report["collected"], &report["delivered"], &report["too_old"]),
        (&4.into(), &3.into(), &1.into())
    );
    let points = world.clouds.datakit().take_points();
    assert_eq!(points.len(), 3);
    assert_eq!(points[0].tags["host"], "a, b");
    assert_eq!(points[0].fields["value"], FieldValue::Float(1.5));
    assert_eq!(points[0].fields["count"], FieldValue::Integer(3));
    assert_eq!((points[2].category.as_str(), points[2].tags["name"].as_str()), ("custom_object", "t-1"));
    // Debug mode prints, and writes nothing.
    let debug = world.run(&["run", "my/main.rhai", "--debug"]);
    assert_eq!(debug.stdout.lines().count(), 3, "{debug:?}");
    assert!(debug.stdout.starts_with("load,host=a\\,\\ b count=3i,value=1.5 "), "{debug:?}");
    assert!(world.clouds.datakit().take_points().is_empty());
    // A DataKit that is down: they wait, the run says so, and they go first next time.
    world.clouds.datakit().set_behaviour(DataKitBehaviour::Status(503));
    let ran = world.run(RUN);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert_eq!(ran.json()["status"], "partial");
    assert_eq!(ran.collector("DFF.CONN(datakit)")["kept"], 3);
    world.clouds.datakit().set_behaviour(DataKitBehaviour::Accept);
    let ran = world.run(RUN);
    assert_eq!(ran.json()["outbox"]["delivered"], 3, "{ran:?}");
    assert_eq!(world.clouds.datakit().take_points().len(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn values_are_kept_between_runs_by_script_and_expire() {
    let body = r##"let store = DFF.STORE;
    let runs = store.incr("runs");
    let first = store.set("first", #{ run: runs, list: [1, "二"] }, #{ not_exists: true });
    if runs == 1 { DFF.CACHE.set("short", "lived", #{ expires: 60 }); }
    let answer = #{
        runs: runs, first: first, kept: store.get("first"), missing: store.get("nothing"), other: store.get("nothing", 7),
        keys: store.keys("*s*"), short: DFF.CACHE.get("short"), has: DFF.CACHE.exists("runs"), forever: store.ttl("runs"),
    };
    let left = DFF.CACHE.ttl("short");
    answer.soon = left != () && left > 50 && left <= 60;
    print(answer.to_json());
    if runs == 3 { store.delete("runs"); }"##;
    let world = world(0, body).await;
    let answer = |ran: &support::Ran| -> serde_json::Value {
        serde_json::from_str(ran.stderr.lines().next().unwrap()).unwrap_or_else(|_| panic!("{ran:?}"))
    };
    let first = answer(&world.run(RUN));
    let kept = serde_json::json!({ "run": 1, "list": [1, "二"] });
    assert_eq!(
        first,
        serde_json::json!({
            "runs": 1, "first": true, "kept": kept, "missing": null, "other": 7, "keys": ["first", "runs"],
            "short": "lived", "has": false, "forever": -1, "soon": true,
        })
    );
    let second = answer(&world.run_at(120, RUN));
    assert_eq!((&second["runs"], &second["first"], &second["kept"]), (&2.into(), &false.into(), &kept));
    assert_eq!(second["short"], serde_json::Value::Null, "it has expired");
    // Another script has values of its own.
    world.write("my/other.rhai", "@DFF.API(\"x\")\nfn run() { print(DFF.STORE.get(\"runs\") == ()); }\n");
    assert_eq!(world.run(&["run", "my/other.rhai"]).stderr.lines().next(), Some("true"));
    // A check keeps nothing.
    assert_eq!(world.run(&["check", "my/main.rhai"]).code, 0);
    assert_eq!(answer(&world.run(RUN))["runs"], 3);
    assert_eq!(answer(&world.run(RUN))["runs"], 1, "it was deleted");
}

/// Two scripts may each have a collector of one name: neither keeps the other from running, and each has its own windows.
#[tokio::test(flavor = "multi_thread")]
async fn collectors_of_one_name_in_two_scripts_are_two() {
    let body = |value: u32| {
        format!(
            r##"Runner([ Collector("my_metric", account, #{{ kind: "metrics", interval: 60 }}, |ctx| [ #{{ tags: #{{ id: "a" }}, fields: #{{ v: {value} }} }} ]) ]).run()"##
        )
    };
    let world = world(0, &body(1)).await;
    let first = world.run(RUN);
    assert_eq!(first.collector("my_metric")["status"], "collected", "{first:?}");
    world.write("other/main.rhai", &format!("{HEAD}    {}\n}}\n", body(2)));
    let other = world.run(&["run", "other/main.rhai", "--output", "json"]);
    assert_eq!(other.collector("my_metric")["status"], "collected", "{other:?}");
    assert_eq!(world.run(RUN).collector("my_metric")["status"], "skipped");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_knows_of_an_own_collector_what_its_last_run_called() {
    let world = world(45, &format!("Runner([ {RDS} ]).run()")).await;
    let before = world.run(&["plan", "my/main.rhai", "--every", "15m"]);
    assert_eq!(before.code, 0, "{before:?}");
    insta::assert_snapshot!("plan_of_own_collector_before", before.stdout);
    assert_eq!(world.run(RUN).code, 0);
    world.clouds.reset_calls();
    let after = world.run(&["plan", "my/main.rhai", "--every", "15m"]);
    assert_eq!(after.code, 0, "{after:?}");
    insta::assert_snapshot!("plan_of_own_collector_after", after.stdout);
    assert!(world.clouds.calls().is_empty(), "a plan calls nothing");
    // Less was there: the plan follows.
    let fewer = RDS.replace("MaxRecords: 20", "MaxRecords: 100");
    write(&world, &format!("Runner([ {fewer} ]).run()"));
    assert_eq!(world.run(&["run", "my/main.rhai", "--force"]).code, 0);
    let plan = world.run(&["plan", "my/main.rhai", "--every", "15m", "--output", "json"]).json();
    assert_eq!(plan["collectors"][0]["calls"][0]["calls"], 1, "{plan:#}");
    assert_eq!(plan["collectors"][0]["exact"], false);
}

/// A run that failed has called something, too; what whole runs called before is not forgotten for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_plan_knows_of_a_failed_run_what_it_called() {
    let world = world(45, &format!("Runner([ {RDS} ]).run()")).await;
    let plan = || world.run(&["plan", "my/main.rhai", "--every", "15m", "--output", "json"]).json();
    world.clouds.fault(Fault {
        service: Some("rds".into()),
        action: None,
        region: None,
        skip: 1,
        times: 1,
        kind: FaultKind::Denied,
    });
    assert_eq!(world.run(RUN).code, 1);
    let text = world.run(&["plan", "my/main.rhai", "--every", "15m"]);
    insta::assert_snapshot!("plan_of_own_collector_failed", text.stdout);
    assert_eq!(plan()["collectors"][0]["calls"][0]["calls"], 2);
    assert_eq!(world.run(&["run", "my/main.rhai", "--force"]).code, 0);
    assert_eq!(plan()["collectors"][0]["calls"][0]["calls"], 3);
    let why = |plan: &serde_json::Value| plan["collectors"][0]["at_least_because"].to_string();
    assert!(why(&plan()).contains("as its last run called"), "{:#}", plan());
    world.clouds.deny("rds:DescribeDBInstances");
    assert_eq!(world.run(&["run", "my/main.rhai", "--force"]).code, 1);
    assert_eq!(plan()["collectors"][0]["calls"][0]["calls"], 3, "{:#}", plan());
    assert!(why(&plan()).contains("whose last run failed"), "{:#}", plan());
}

/// Two functions of a script, each with a collector of the same name: the one that waits for the other's interval says whose it is.
#[tokio::test(flavor = "multi_thread")]
async fn a_skipped_collector_names_the_other_function_that_has_its_name() {
    let world = world(3, "").await;
    let script = format!(
        "{HEAD}    Runner([ {RDS} ]).run();\n}}\n\n@DFF.API(\"other\")\nfn other() {{\n    Runner([ Collector(\"my_rds\", account, #{{ regions: [\"cn-north-1\"] }}, |ctx| []) ]).run();\n}}\n\n@DFF.API(\"same\")\nfn same() {{ run() }}\n"
    );
    world.write("my/main.rhai", &script);
    let run = |function: &str| world.run(&["run", "my/main.rhai", "--func", function, "--output", "json"]);
    assert_eq!(run("run").collector("my_rds")["status"], "collected");
    let other = run("other");
    let report = other.collector("my_rds");
    assert_eq!(report["status"], "skipped", "{other:?}");
    let warnings = report["warnings"].to_string();
    assert!(
        warnings.contains("under this name `my__main.run` has collected last")
            && warnings.contains("my/main.rhai:13")
            && warnings.contains("name them differently"),
        "{warnings}"
    );
    // The same collector, whoever runs it, and a script that was moved about, are none of another's.
    assert_eq!(run("same").collector("my_rds")["warnings"], serde_json::json!([]));
    world.write("my/main.rhai", &script.replace("@DFF.API(\"own\"", "\n\n@DFF.API(\"own\""));
    assert_eq!(run("run").collector("my_rds")["warnings"], serde_json::json!([]));
    // Nor is a function that has another name now, at another line: nobody collects under the old one any more.
    let renamed = script.replace("fn run() {", "\n\nfn fetch() {").replace("{ run() }", "{ fetch() }");
    world.write(
        "my/main.rhai",
        &renamed.replace("@DFF.API(\"own\", timeout = 60)\n\n\n", "\n\n@DFF.API(\"own\", timeout = 60)\n"),
    );
    assert_eq!(run("fetch").collector("my_rds")["status"], "skipped");
    assert_eq!(run("fetch").collector("my_rds")["warnings"], serde_json::json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_reads_what_a_script_keeps_and_writes_nothing() {
    let body = format!(
        r##"let runs = DFF.STORE.incr("runs");
    if runs > 2 {{ throw `${{runs}}`; }}
    DFF.CACHE.set("seen", runs, #{{ expires: 60 }});
    if DFF.CACHE.get("seen") != runs || DFF.STORE.keys("r*") != ["runs"] {{ throw "what was kept is not there"; }}
    DFF.CONN("datakit").write_metric("own", #{{ a: "b" }}, #{{ n: runs }});
    DFF.CONN("datakit").write_metric_many([
        #{{ measurement: "own", fields: #{{ n: 1 }} }}, #{{ measurement: "own", fields: #{{ n: 2 }} }},
    ]);
    if runs == 2 {{ Runner([ {RDS} ]).run(); }}"##
    );
    let world = world(3, &body).await;
    // The first time there is no state at all, and none is made.
    let plan = world.run(&["plan", "my/main.rhai"]);
    assert_eq!(plan.code, 0, "{plan:?}");
    assert!(
        plan.stdout.contains("The script itself would write 3 points to the DataKit `datakit`.\n"),
        "{plan:?}"
    );
    assert!(plan.stdout.contains("No collector would run"), "{plan:?}");
    assert!(!world.folder.path().join("state").exists());
    assert_eq!(world.run(RUN).code, 0);
    let written = world.clouds.datakit().take_points().len();
    assert_eq!(written, 3);
    // What the run has kept is what the plan goes on from, as often as it is made.
    for _ in 0..3 {
        let plan = world.run(&["plan", "my/main.rhai", "--output", "json"]);
        assert_eq!(plan.code, 0, "{plan:?}");
        assert_eq!(plan.json()["collectors"][0]["name"], "my_rds", "{plan:?}");
        assert_eq!(plan.json()["own_points"], serde_json::json!({ "datakit": 3 }));
    }
    assert!(world.clouds.datakit().take_points().is_empty());
    assert!(world.clouds.calls().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_ends_the_metered_calls_of_an_own_collector() {
    let mut world = world(0, "").await;
    world.write(
        "my/main.rhai",
        r##"import "guance_integration__runner" as integration;
import "guance_integration__aliyun" as aliyun;
let account = #{ ak_id: DFF.ENV("ALIYUN_AK_ID"), ak_secret: DFF.ENV("ALIYUN_AK_SECRET") };
@DFF.API("own")
fn run() {
    let cpu = Collector("my_cpu", account, #{ kind: "metrics" }, |ctx| {
        let client = aliyun::client(ctx.account);
        for n in 0..5 {
            client.request("cms", "DescribeMetricList", #{ Namespace: "acs_ecs_dashboard", MetricName: "CPUUtilization", Period: 60 }, #{ region: "cn-hangzhou" });
        }
        []
    });
    Runner([cpu]).run();
}
"##,
    );
    world.variables.insert("FUNCHOST_BUDGET__CALLS".into(), "3".into());
    let ran = world.run(&["run", "my/main.rhai"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert_eq!(world.clouds.aliyun_calls()["cms:DescribeMetricList"], 3, "not one more");
    let words =
        "was not made: budget: this run used 3 of the 3 calls that it found left; the budget of aliyun/";
    assert!(ran.stdout.contains(words), "{ran:?}");
    assert!(ran.stdout.contains("3 of 3 calls used, 0 left"), "{ran:?}");
    assert!(ran.stdout.contains("raise the budget under [budget]"), "{ran:?}");
    // The next run begins none.
    assert_eq!(world.run(&["run", "my/main.rhai", "--force"]).code, 1);
    assert_eq!(world.clouds.aliyun_calls()["cms:DescribeMetricList"], 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_that_an_own_collector_asks_for_count_as_aws_bills_them() {
    let body = r##"let data = Collector("my_data", account, #{ kind: "metrics", regions: ["cn-north-1"] }, |ctx| {
        let queries = [];
        for stat in ["Average", "Maximum", "Minimum"] {
            for name in ["CPUUtilization", "NetworkIn"] {
                queries.push(#{ Id: `q${queries.len()}`, MetricStat: #{ Metric: #{ Namespace: "AWS/EC2", MetricName: name }, Period: 60, Stat: stat } });
            }
        }
        let end = ctx.window.end_ms / 1000;
        aws::client(ctx.account).request("monitoring", "GetMetricData", #{ MetricDataQueries: queries, StartTime: end - 300, EndTime: end });
        []
    });
    Runner([data]).run();"##;
    let mut world = world(0, body).await;
    world.variables.insert("FUNCHOST_BUDGET__CALLS".into(), "3".into());
    let ran = world.run(&["run", "my/main.rhai"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    // Six queries, three statistics of two metrics each.
    assert_eq!(world.clouds.billed_metrics(), 2, "{ran:?}");
    assert!(ran.stdout.contains("2 of 3 metrics used, 1 left"), "{ran:?}");
    let ran = world.run(&["run", "my/main.rhai", "--force"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert_eq!(world.clouds.billed_metrics(), 2, "not one more: {ran:?}");
}

/// In a closure, too, as deep as one likes: that is where collectors are written.
/// One function for several accounts or regions is what one would write; two functions of one name are a slip.
#[tokio::test(flavor = "multi_thread")]
async fn one_function_serves_several_regions_under_one_name() {
    let body = r##"let all = [];
    for region in ["cn-north-1", "cn-northwest-1"] {
        all.push(Collector("mine", account, #{ regions: [region] }, |ctx| [#{ tags: #{ name: ctx.region }, fields: #{ a: 1 } }]));
    }
    Runner(all).run()"##;
    let world = world(1, body).await;
    let ran = world.run(RUN);
    assert_eq!(ran.code, 0, "{ran:?}");
    let names: Vec<String> =
        world.clouds.datakit().take_points().iter().map(|point| point.tags["name"].clone()).collect();
    assert_eq!(names, ["cn-north-1", "cn-northwest-1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn dff_is_known_inside_closures() {
    let body = r##"let named = |end| DFF.ENV("NAME") + end;
    Runner([ Collector("kept", account, #{}, |ctx| {
        let count = DFF.STORE.incr("n");
        ["-a", "-b"].map(|end| #{ tags: #{ name: named.call(end), home: DFF.ENV("NAME") }, fields: #{ n: count } })
    }) ]).run()"##;
    let mut world = world(0, body).await;
    world.variables.insert("NAME".into(), "mine".into());
    let checked = world.run(&["check", "my/main.rhai"]);
    assert_eq!(checked.code, 0, "{checked:?}");
    let ran = world.run(RUN);
    assert_eq!(ran.code, 0, "{ran:?}");
    let points = world.clouds.datakit().points();
    let names: Vec<&str> = points.iter().map(|point| point.tags["name"].as_str()).collect();
    assert_eq!(names, ["mine-a", "mine-b"]);
    assert!(
        points
            .iter()
            .all(|point| point.tags["home"] == "mine" && point.fields["n"] == FieldValue::Integer(1))
    );
}

/// Within one step nothing new can come: the function is not called for an empty time, which clouds refuse.
#[tokio::test(flavor = "multi_thread")]
async fn metrics_of_long_steps_are_asked_for_when_a_step_has_ended() {
    let body = r##"Runner([ Collector("my_up", account, #{ regions: ["cn-north-1"], kind: "metrics", period: 300 }, |ctx| {
        if ctx.window.start_ms >= ctx.window.end_ms { throw "an empty time"; }
        [ #{ fields: #{ up: 1 }, timestamp: ctx.window.end_ms - 1000 } ]
    }) ]).run()"##;
    let world = world(0, body).await;
    let first = world.run(RUN);
    assert_eq!((first.code, &first.collector("my_up")["collected"]), (0, &1.into()), "{first:?}");
    let mut asked = 0;
    for minute in 1..=5 {
        let ran = world.run_at(61 * minute, RUN);
        assert_eq!(ran.code, 0, "{ran:?}");
        let report = ran.collector("my_up");
        assert_eq!((&report["status"], &report["error"]), (&"collected".into(), &serde_json::Value::Null));
        asked += u64::from(report["collected"] == 1 || report["already_sent"] == 1);
    }
    // One step ends in five minutes; at the seam of the test's own seconds two do.
    assert!((1..=2).contains(&asked), "{asked}");
}
