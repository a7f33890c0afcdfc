//! `[service]` and `[[triggers]]`: what they mean, and what is said about mistakes in them.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use funchost::config::{CatchUp, Config, LoadRequest, load};
use secrecy::ExposeSecret;
use std::collections::BTreeMap;
use std::time::Duration;

fn loaded(text: &str, variables: &[(&str, &str)]) -> Result<Config, String> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("funchost.toml"), text).unwrap();
    let mut environment = BTreeMap::from([("HOME".to_owned(), folder.path().display().to_string())]);
    environment.extend(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    let request = LoadRequest { explicit: None, directory: folder.path().to_owned(), environment };
    load(&request).map_err(|error| error.to_string().replace(folder.path().to_str().unwrap(), ""))
}

#[test]
fn every_key_of_a_trigger_is_read_and_the_rest_has_defaults() {
    let config = loaded(
        r#"
[service]
listen = "0.0.0.0:9000"
token = "0123456789abcdef"
workers = 3
timezone = "Asia/Shanghai"
keep_runs = 10
keep_days = 7
lease = 60
otlp = "http://localhost:4318"
[[triggers]]
func = "my_aws__main.run"
cron = "*/5  * * * *"
[[triggers]]
id = "second"
func = "my_aws__main.run"
cron = "0 8 * * MON"
timezone = "Europe/Berlin"
kwargs = { region = "cn-north-1", days = [1, 2.5], deep = { yes = true } }
enabled = false
delays = [30, 0, 30]
catch_up = "none"
"#,
        &[("FUNCHOST_SERVICE__WORKERS", "5")],
    )
    .unwrap();
    let service = &config.service;
    assert_eq!(service.listen.to_string(), "0.0.0.0:9000");
    assert_eq!(service.token.as_ref().unwrap().expose_secret(), "0123456789abcdef");
    assert_eq!((service.workers, service.keep_runs, service.keep_days), (5, 10, 7), "the variable wins");
    assert_eq!(service.lease, Duration::from_secs(60));
    assert_eq!(service.otlp.as_deref(), Some("http://localhost:4318"));
    assert_eq!(service.timezone.unwrap().name(), "Asia/Shanghai");
    assert!(!format!("{config:?}").contains("0123456789abcdef"), "the token does not show");
    let [first, second] = config.triggers.as_slice() else { panic!("{:?}", config.triggers) };
    assert_eq!((first.id.as_str(), first.enabled, first.catch_up), ("my_aws__main.run", true, CatchUp::Last));
    assert!(first.delays.is_empty() && first.kwargs.is_empty() && first.timezone.is_none());
    assert_eq!((second.id.as_str(), second.enabled, second.catch_up), ("second", false, CatchUp::None));
    assert_eq!(second.delays, [0, 30]);
    let kwargs = serde_json::json!({ "region": "cn-north-1", "days": [1, 2.5], "deep": { "yes": true } });
    assert_eq!(serde_json::Value::Object(second.kwargs.clone()), kwargs);

    let defaults = loaded("", &[]).unwrap().service;
    assert_eq!(defaults.listen.to_string(), "127.0.0.1:8088");
    assert!(defaults.token.is_none());
}

#[test]
fn mistakes_are_said_together_each_at_its_place() {
    let said = loaded(
        r#"
[service]
listen = "8088"
token = "short"
timezone = "Asia/Shanghia"
wokers = 2
[[triggers]]
func = "my_aws__main.run"
cron = "0 */5 * * * *"
[[triggers]]
func = "my_aws.run"
cron = "0 25 * * *"
catch_up = "all"
delays = 30
[[triggers]]
cron = "* * * * *"
[[triggers]]
func = "my_aws__main.other"
crontab = "* * * * *"
"#,
        &[],
    )
    .unwrap_err();
    insta::assert_snapshot!(said);
}

#[test]
fn spans_go_to_a_url_without_keys() {
    let said = |url: &str| loaded(&format!("[service]\notlp = \"{url}\"\n"), &[]).unwrap_err();
    let text = said("localhost:4318");
    assert!(text.starts_with("error: `service.otlp` is no URL: write `http://host:4318`\n"), "{text}");
    let text = said("http://me:hunter2hunter2@host:4318");
    assert!(text.contains("OTEL_EXPORTER_OTLP_HEADERS") && !text.contains("hunter2"), "{text}");
}

#[test]
fn two_triggers_of_a_function_want_names() {
    let text = "[[triggers]]\nfunc = \"a__b.c\"\ncron = \"* * * * *\"\n".repeat(2);
    insta::assert_snapshot!(loaded(&text, &[]).unwrap_err());
    insta::assert_snapshot!(loaded("[triggers]\nfunc = \"a__b.c\"\n", &[]).unwrap_err());
}

#[test]
fn a_database_can_be_the_state_and_its_password_does_not_show() {
    let text = "state = \"postgres://me:hunter2hunter2@db.example:5433/funchost?sslmode=require\"\n";
    let config = loaded(text, &[]).unwrap();
    let database = config.database.clone().unwrap();
    assert_eq!(database.to_string(), "postgres://db.example:5433/funchost");
    assert!(database.expose().contains("hunter2hunter2"));
    assert!(!format!("{config:?}").contains("hunter2"));
    // What is stronger decides alone.
    let config = loaded(text, &[("FUNCHOST_STATE", "/var/lib/funchost")]).unwrap();
    assert_eq!((config.database, config.state.to_str().unwrap()), (None, "/var/lib/funchost"));
}
