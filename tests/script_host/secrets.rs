//! Secrets show nowhere: not in sources, not in what is said, thrown or reported.

use crate::world::{Behaviour, World, failure};
use funchost::script::{BackendError, Masker};
use insta::assert_snapshot;
use proptest::prelude::*;

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

#[test]
fn literals_with_a_secrets_name_are_dots_in_every_line_shown() {
    for line in [
        "let a = #{ ak_id: \"x\", ak_secret: \"%\", wrong: nope };",
        "let a = #{ \"ak_secret\": \"%\", wrong: nope };",
        "let ak_secret = \"%\" + nope;",
        "let ak_secret = nope + \"%\";",
        "let a = #{}; a[\"ak_secret\"] = \"%\"; nope;",
        "let a = #{}; a.security_token = `%`; nope;",
        "let my_password = if nope { \"%\" } else { \"\" };",
        "let api_keys = [\"a\", \"%\", nope];",
        "let a = #{}; a.set(\"ak_secret\", \"%\"); nope;",
        "let a = nope; // ak_secret: \"%\"",
        "let a = nope; # ak_secret = '%'",
        "let a = #{ ak_secret: '%', wrong: nope };",
        "let a = #{ ak_secret: \"%",
        "let a = { 'ak_secret': '%' }",
        "ak_secret = \"%\"",
        "account = dict(ak_secret='%')",
    ] {
        let shown = failure(&line.replace('%', SECRET));
        assert!(!shown.contains("wJalr") && !shown.contains("EXAMPLEKEY"), "{line}: {shown}");
        assert!(shown.contains("......") || !shown.contains(" | "), "{line}: {shown}");
    }
}

#[test]
fn dots_keep_carets_in_their_place() {
    assert_snapshot!(failure("let a = #{ ak_id: \"云\", ak_secret: \"秘密secret\", wrong: nope };"), @r#"
    error: `nope` is not defined
     --> my/main.rhai:1:56
      |
    1 | let a = #{ ak_id: "云", ak_secret: "..........", wrong: nope };
      |                                                         ^^^^ not defined here
      |
      = hint: give it a value first, `let nope = …;`, or put it in double quotes where it is a text
    "#);
    assert_snapshot!(failure("let a = #{ ak_secret: DFF.ENV(\"ZZZ_NOT_THERE\") };"), @r#"
    error: `DFF.ENV("ZZZ_NOT_THERE")` is not set
     --> my/main.rhai:1:27
      |
    1 | let a = #{ ak_secret: DFF.ENV("ZZZ_NOT_THERE") };
      |                           ^^^ not set
      |
      = hint: set it with `export ZZZ_NOT_THERE=…`, or in funchost.toml: `[env]` and `ZZZ_NOT_THERE = "…"`
    "#);
}

#[test]
fn an_account_can_be_printed_thrown_and_logged() {
    let script = |statement: &str| {
        World::with_imports(&format!(
            "let account = #{{ ak_id: \"AKID\", ak_secret: \"{SECRET}\" }};
            @DFF.API(\"t\") fn run() {{ {statement} }}"
        ))
        .run()
    };
    for statement in [
        "print(account); debug(account); DFF.LOG(account); print(account.to_json()); throw account;",
        "let c = objects::DataCollector(account, #{ regions: [\"r\"] }); print(account.ak_secret); throw account.ak_secret;",
        "objects::DataCollector(account, #{ regions: [\"r\"], wrong: account.ak_secret });",
    ] {
        let ran = script(statement);
        let error = ran.error();
        assert!(!error.contains("wJalr"), "{error}");
        assert!(!format!("{:?}", ran.lines).contains("wJalr"), "{:?}", ran.lines);
        assert!(!format!("{:?}", ran.outcome).contains("wJalr"), "{:?}", ran.outcome);
    }
    assert_eq!(script("print(`<${account.ak_secret}>`);").texts(), ["<****>"]);
    assert_eq!(script("[account]").value(), serde_json::json!([{ "ak_id": "AKID", "ak_secret": "****" }]));
}

#[test]
fn a_secret_that_is_put_together_is_known_once_a_collector_has_it() {
    let ran = World::with_imports(
        "@DFF.API(\"t\") fn run() {
            let part = \"abcdefgh\";
            objects::DataCollector(#{ ak_id: \"a\", ak_secret: part + \"12345678\", security_token: \"tok\" + \"en-value-1\" }, #{ regions: [\"r\"] });
            print(\"abcdefgh\" + \"12345678\"); print(\"token\" + \"-value-1\"); throw part + \"12345678 failed\";
        }",
    )
    .run();
    assert_eq!(ran.texts(), ["****", "****"]);
    assert!(ran.error().starts_with("error: **** failed"));
}

#[test]
fn values_of_the_environment_are_secret_by_name_or_by_declaration() {
    let ran = World::new("@DFF.API(\"t\") fn run() { for id in [\"PLAIN\", \"DECLARED\", \"MY_TOKEN\", \"ACCESS_KEY\"] { print(DFF.ENV(id)); } }")
        .env("PLAIN", "plain-value", false)
        .env("DECLARED", "declared-value", true)
        .env("MY_TOKEN", "token-value", false)
        .env("ACCESS_KEY", "access-value", false)
        .run();
    assert_eq!(ran.texts(), ["plain-value", "****", "****", "****"]);
}

#[test]
fn what_a_backend_says_is_masked() {
    let error = BackendError {
        message: format!("the cloud answered: signature of {SECRET}"),
        hint: Some(format!("not {SECRET}")),
        input: false,
    };
    let ran = World::with_imports(&format!(
        "@DFF.API(\"t\") fn run() {{ Runner(objects::DataCollector(#{{ ak_id: \"a\", ak_secret: \"{SECRET}\" }}, #{{ regions: [\"r\"] }})).run() }}"
    ))
    .behaviour(Behaviour::Refuse(error))
    .run();
    assert!(ran.error().starts_with("error: the cloud answered: signature of ****"), "{}", ran.error());
    assert!(!ran.error().contains("wJalr"));
}

#[test]
fn short_values_are_not_masked() {
    let masker = Masker::new();
    masker.learn("1234567");
    assert_eq!(masker.mask("1234567"), "1234567");
    masker.learn("12345678");
    assert_eq!(masker.mask("12345678"), "****");
}

/// RFC 4648, by another way than the masker's.
fn base64(bytes: &[u8]) -> String {
    let bits: String = bytes.iter().map(|byte| format!("{byte:08b}")).collect();
    let alphabet: Vec<char> = ('A'..='Z').chain('a'..='z').chain('0'..='9').chain(['+', '/']).collect();
    let mut text: String = bits
        .as_bytes()
        .chunks(6)
        .map(|chunk| {
            let bits = format!("{:0<6}", std::str::from_utf8(chunk).unwrap());
            alphabet[usize::from_str_radix(&bits, 2).unwrap()]
        })
        .collect();
    while !text.len().is_multiple_of(4) {
        text.push('=');
    }
    text
}

#[test]
fn a_quote_that_is_never_closed_hides_no_secret_from_the_mask() {
    for before in ["`${A", "\"\\", "\"", "`", "x = \"a\\\""] {
        let ran = World::new(&format!("{before}\nak_secret = \"{SECRET}\"\n")).run();
        let Err(report) = &ran.outcome.result else { panic!("{before} is no script") };
        assert!(!report.render(false).contains("wJalrXUtn"), "{before}: {}", report.render(false));
    }
}

proptest! {
    #[test]
    fn every_form_of_a_secret_is_masked(secret in "[!-~]{8,40}", before in "[a-z ]{0,10}", after in "[a-z ]{0,10}") {
        let masker = Masker::new();
        masker.learn(&secret);
        let percent: String = secret.bytes().map(|byte| if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect();
        let json = serde_json::to_string(&secret).unwrap();
        for form in [secret.clone(), percent.clone(), percent.to_lowercase(), json[1..json.len() - 1].to_owned(), format!("{secret:?}")] {
            if form == percent.to_lowercase() && secret.bytes().any(|byte| byte.is_ascii_uppercase()) {
                continue;
            }
            let masked = masker.mask(&format!("{before}{form}{after}")).into_owned();
            prop_assert!(masked.contains("****"), "{form}: {masked}");
            prop_assert!(!masked.contains(&form), "{form}: {masked}");
        }
        // In base64 the secret's neighbours share a character with it: what is left must not tell the secret.
        let encoded = base64(format!("{before}{secret}{after}").as_bytes());
        let masked = masker.mask(&encoded).into_owned();
        prop_assert!(masked.contains("****"), "{encoded}: {masked}");
        prop_assert!(masked.len() <= encoded.len() - (secret.len() * 8 / 6 - 2) + 4, "{encoded}: {masked}");
    }

    #[test]
    fn any_text_can_be_a_script_and_its_message_never_holds_the_secret(text in "[ -~\n云]{0,60}", key in "(ak_secret|my_token|password)", tail in "[ -~\n]{0,40}") {
        let script = format!("{text}\n{key} = \"{SECRET}\"\n{tail}");
        let ran = World::new(&script).run();
        if let Err(report) = &ran.outcome.result {
            prop_assert!(!report.render(false).contains("wJalrXUtn"), "{}", report.render(false));
        }
    }
}
