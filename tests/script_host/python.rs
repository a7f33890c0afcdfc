//! Habits from Python: each an error that shows the Rhai form.

use crate::world::failure;
use insta::assert_snapshot;

/// A script with one statement in its only function.
fn inside(statement: &str) -> String {
    failure(&format!("@DFF.API(\"t\")\nfn run() {{\n    {statement}\n}}"))
}

#[test]
fn texts_in_single_quotes() {
    assert_snapshot!(failure("let account = #{ 'ak_id': 'x' };"), @r#"
    error: a text stands in single quotes
     --> my/main.rhai:1:18
      |
    1 | let account = #{ 'ak_id': 'x' };
      |                  ^^^^^^^
      |
      = hint: texts stand in double quotes: "…"
    "#);
    assert_snapshot!(inside("print('你好');"), @r#"
    error: a text stands in single quotes
     --> my/main.rhai:3:11
      |
    3 |     print('你好');
      |           ^^^^^^
      |
      = hint: texts stand in double quotes: "…"
    "#);
    assert_snapshot!(failure("@DFF.API('title')\nfn run() {}"), @r#"
    error: a text stands in single quotes
     --> my/main.rhai:1:10
      |
    1 | @DFF.API('title')
      |          ^^^^^^^
      |
      = hint: texts stand in double quotes: "…"
    "#);
}

#[test]
fn words_for_true_false_and_nothing() {
    assert_snapshot!(inside("let on = True;"), @r#"
    error: `True` is not defined
     --> my/main.rhai:3:14
      |
    3 |     let on = True;
      |              ^^^^ not defined here
      |
      = hint: write `true`
    "#);
    assert_snapshot!(inside("return False;"), @r#"
    error: `False` is not defined
     --> my/main.rhai:3:12
      |
    3 |     return False;
      |            ^^^^^ not defined here
      |
      = hint: write `false`
    "#);
    assert_snapshot!(inside("let nothing = None;"), @r#"
    error: `None` is not defined
     --> my/main.rhai:3:19
      |
    3 |     let nothing = None;
      |                   ^^^^ not defined here
      |
      = hint: write `()`
    "#);
}

#[test]
fn a_map_without_its_sign() {
    assert_snapshot!(failure("let account = { ak_id: \"a\" };"), @r#"
    error: a map begins with `#{`
     --> my/main.rhai:1:15
      |
    1 | let account = { ak_id: "a" };
      |               ^
      |
      = hint: write `#{ key: value }`
    "#);
    assert_snapshot!(failure("let configs = #{\n    targets: [ { \"namespace\": \"AWS/EC2\" } ],\n};"), @r#"
    error: a map begins with `#{`
     --> my/main.rhai:2:16
      |
    2 |     targets: [ { "namespace": "AWS/EC2" } ],
      |                ^
      |
      = hint: write `#{ key: value }`
    "#);
}

#[test]
fn a_dot_behind_a_package() {
    assert_snapshot!(failure("import \"guance_test_objects__main\" as objects;\n@DFF.API(\"t\")\nfn run() { objects.DataCollector(#{}, #{}) }"), @r#"
    error: `objects` is an imported script, not a value
     --> my/main.rhai:3:12
      |
    3 | fn run() { objects.DataCollector(#{}, #{}) }
      |            ^^^^^^^ not a value
      |
      = hint: write `objects::DataCollector(…)`, with `::` instead of `.`
    "#);
}

#[test]
fn imports() {
    assert_snapshot!(failure("import guance_test_objects__main as objects;"), @r#"
    error: the script of an import stands in quotes
     --> my/main.rhai:1:8
      |
    1 | import guance_test_objects__main as objects;
      |        ^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = hint: write `import "guance_test_objects__main" as test_objects;`
    "#);
    assert_snapshot!(failure("import guance_test_objects__main as objects\nlet a = 1;"), @r#"
    error: the script of an import stands in quotes
     --> my/main.rhai:1:1
      |
    1 | import guance_test_objects__main as objects
      | ^^^^^^
      |
      = hint: write `import "guance_test_objects__main" as objects;`
    "#);
    assert_snapshot!(failure("from guance_integration__runner import Runner\nlet a = 1;"), @r#"
    error: an import is written the other way round
     --> my/main.rhai:1:1
      |
    1 | from guance_integration__runner import Runner
      | ^^^^
      |
      = hint: write `import "guance_integration__runner" as integration;`
    "#);
    assert_snapshot!(failure("from guance_integration__runner import Runner;"), @r#"
    error: an import is written the other way round
     --> my/main.rhai:1:1
      |
    1 | from guance_integration__runner import Runner;
      | ^^^^
      |
      = hint: write `import "guance_integration__runner" as integration;`
    "#);
}

#[test]
fn functions_and_blocks() {
    assert_snapshot!(failure("@DFF.API(\"t\")\ndef run():\n    print(1)"), @r#"
    error: a function begins with `fn`
     --> my/main.rhai:2:1
      |
    2 | def run():
      | ^^^
      |
      = hint: write `fn run() { … }`
    "#);
    assert_snapshot!(failure("fn run():\n    print(1)"), @r#"
    error: a block stands in braces, not behind a `:`
     --> my/main.rhai:1:9
      |
    1 | fn run():
      |         ^
      |
      = hint: write `fn name() { … }`
    "#);
    assert_snapshot!(inside("if 1 > 2 { 1 } elif 2 > 1 { 2 }"), @r#"
    error: `elif` is written `else if`
     --> my/main.rhai:3:20
      |
    3 |     if 1 > 2 { 1 } elif 2 > 1 { 2 }
      |                    ^^^^
      |
      = hint: write `else if x { … }`
    "#);
    assert_snapshot!(inside("for x in [1, 2]:\n        print(x);"), @r#"
    error: a block stands in braces, not behind a `:`
     --> my/main.rhai:3:20
      |
    3 |     for x in [1, 2]:
      |                    ^
      |
      = hint: write `if x { … }`, `for x in xs { … }`
    "#);
    assert_snapshot!(inside("let f = lambda x: x + 1;"), @r#"
    error: a closure has no `lambda`
     --> my/main.rhai:3:13
      |
    3 |     let f = lambda x: x + 1;
      |             ^^^^^^
      |
      = hint: write `|x| x > 1`
    "#);
    assert_snapshot!(inside("try { 1 } \n    except { 2 }"), @r#"
    error: `except` is written `catch`
     --> my/main.rhai:4:5
      |
    4 |     except { 2 }
      |     ^^^^^^
      |
      = hint: write `try { … } catch (error) { … }`
    "#);
}

#[test]
fn comments() {
    assert_snapshot!(failure("# 账号配置\nlet a = 1;"), @r#"
    error: `#` does not begin a comment
     --> my/main.rhai:1:1
      |
    1 | # 账号配置
      | ^
      |
      = hint: comments begin with `//`
    "#);
    assert_snapshot!(inside("let a = 1; # it's one"), @r#"
    error: `#` does not begin a comment
     --> my/main.rhai:3:16
      |
    3 |     let a = 1; # it's one
      |                ^
      |
      = hint: comments begin with `//`
    "#);
}

#[test]
fn named_arguments() {
    assert_snapshot!(inside("print(text=\"x\");"), @r#"
    error: `text = …` cannot be an argument here
     --> my/main.rhai:3:15
      |
    3 |     print(text="x");
      |               ^
      |
      = hint: arguments have no names: only `Runner(…)` and `@DFF.API(…)` take `name = value`; other functions take a map, `#{ name: value }`
    "#);
    assert_snapshot!(failure("import \"guance_test_objects__main\" as o;\nlet c = o::DataCollector(a, b, filters=[f]);"), @r#"
    error: `filters = …` cannot be an argument here
     --> my/main.rhai:2:39
      |
    2 | let c = o::DataCollector(a, b, filters=[f]);
      |                                       ^
      |
      = hint: arguments have no names: only `Runner(…)` and `@DFF.API(…)` take `name = value`; other functions take a map, `#{ name: value }`
    "#);
}

#[test]
fn operators() {
    assert_snapshot!(inside("if 1 > 2 and 2 > 1 { print(1); }"), @r#"
    error: `and` is written `&&`
     --> my/main.rhai:3:14
      |
    3 |     if 1 > 2 and 2 > 1 { print(1); }
      |              ^^^
      |
      = hint: write `a && b`
    "#);
    assert_snapshot!(inside("let a = true or false;"), @r#"
    error: `or` is written `||`
     --> my/main.rhai:3:18
      |
    3 |     let a = true or false;
      |                  ^^
      |
      = hint: write `a || b`
    "#);
    assert_snapshot!(inside("if not true { print(1); }"), @r#"
    error: `not` is written `!`
     --> my/main.rhai:3:8
      |
    3 |     if not true { print(1); }
      |        ^^^
      |
      = hint: write `!a`, and `!(a in b)`
    "#);
    assert_snapshot!(inside("let s = f\"{x}\";"), @r#"
    error: a text with values stands in backticks
     --> my/main.rhai:3:13
      |
    3 |     let s = f"{x}";
      |             ^
      |
      = hint: write `…${value}…` between backticks
    "#);
}

#[test]
fn a_missing_semicolon() {
    assert_snapshot!(inside("let a = 1\n    let b = 2;"), @r#"
    error: a `;` is missing
     --> my/main.rhai:3:14
      |
    3 |     let a = 1
      |              ^ `;` belongs here
      |
      = hint: a statement ends with `;`
    "#);
    assert_snapshot!(failure("import \"guance_integration__runner\" as integration   // 引入启动器\nlet account = 1;"), @r#"
    error: a `;` is missing
     --> my/main.rhai:1:51
      |
    1 | import "guance_integration__runner" as integration   // 引入启动器
      |                                                   ^ `;` belongs here
      |
      = hint: a statement ends with `;`
    "#);
}

#[test]
fn functions_that_python_has() {
    assert_snapshot!(inside("str(5)"), @r#"
    error: there is no function `str` for a whole number
     --> my/main.rhai:3:5
      |
    3 |     str(5)
      |     ^^^ no such function
      |
      = hint: write `x.to_string()`
    "#);
    assert_snapshot!(inside("[1].append(2).length()"), @r#"
    error: there is no function `append` for a list, a whole number
     --> my/main.rhai:3:9
      |
    3 |     [1].append(2).length()
      |         ^^^^^^ no such function
      |
      = hint: write `list.push(item)`
    "#);
    assert_snapshot!(inside("#{ a: 1 }.items()"), @r#"
    error: there is no function `items` for a map
     --> my/main.rhai:3:15
      |
    3 |     #{ a: 1 }.items()
      |               ^^^^^ no such function
      |
      = hint: write `for key in map.keys() { let value = map[key]; … }`
    "#);
}

#[test]
fn tabs_are_no_mistake() {
    let ran = crate::world::World::new("@DFF.API(\"t\")\nfn run() {\n\tlet a = 1;\n\t\ta\n}").run();
    assert_eq!(ran.value(), serde_json::json!(1));
    assert_snapshot!(failure("@DFF.API(\"t\")\nfn run() {\n\tlet a = 1;\n\t\tb\n}"), @r#"
    error: `b` is not defined
     --> my/main.rhai:4:3
      |
    4 |         b
      |         ^ not defined here
      |
      = hint: give it a value first, `let b = …;`, or put it in double quotes where it is a text
    "#);
}
