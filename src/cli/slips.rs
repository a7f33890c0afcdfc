//! Words of the command line that cannot be read, and what is meant by them.
//!
//! Owns what is added to the words of clap, which knows options and no scripts: where that stands which people look for on the command line,
//! and the line to type.

use super::Surroundings;
use crate::script;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use funchost_collectors::mistake::nearest;
use std::ffi::OsString;
use std::sync::Arc;

/// Commands that take a script.
const OF_SCRIPTS: &[&str] = &["run", "plan", "check", "list", "doctor", "test"];

/// Options that people try, and where what they mean stands.
const ELSEWHERE: &[(&[&str], &str)] = &[
    (
        &["--region", "--regions"],
        "regions stand in the script, in the configuration of each collector: `regions: [\"cn-hangzhou\"]`",
    ),
    (
        &["--collector", "--collectors"],
        "collectors stand in the script; `funchost new NAME --collector A,B --region R` writes one",
    ),
    (
        &["--metric", "--metrics", "--namespace", "--target", "--targets"],
        "metrics are chosen in the script: `targets: [ #{ namespace: \"…\", metrics: [\"…\"] } ]`",
    ),
    (
        &[
            "--ak",
            "--sk",
            "--ak-id",
            "--ak-secret",
            "--access-key",
            "--secret-key",
            "--secret",
            "--key",
            "--account",
            "--profile",
        ],
        "keys stand in the environment, which scripts read with `DFF.ENV`: `export AWS_AK_ID=… AWS_AK_SECRET=…`",
    ),
    (
        &["--datakit", "--datakit-url", "--datakit-id", "--url"],
        "the DataKit stands in funchost.toml: `[datakits.datakit]` and `url = \"…\"`, or in FUNCHOST_DATAKITS__DATAKIT__URL",
    ),
    (
        &["--cron", "--crontab", "--every", "--interval", "--schedule", "--daemon"],
        "`funchost serve` runs functions by their crontabs: `@DFF.API(\"…\", fixed_crontab = \"*/5 * * * *\")`",
    ),
    (&["--verbose", "-v", "-vv", "--log-level"], "FUNCHOST_LOG=debug in the environment shows more"),
    (&["--quiet", "-q"], "FUNCHOST_LOG=off in the environment says less; `2>/dev/null` nothing"),
    (
        &["--dry-run", "-n"],
        "`funchost check SCRIPT` calls no cloud; `funchost run SCRIPT --debug` collects, shows the points and writes nothing",
    ),
    (&["--json"], "write `--output json`, where a command has it"),
    (&["--port", "--host", "--bind"], "`funchost serve --listen 127.0.0.1:8088`"),
];

/// The command that was typed, where it takes a script.
pub(super) fn command(arguments: &[OsString]) -> Option<&'static str> {
    let mut words = arguments.iter().map(|word| word.to_string_lossy());
    while let Some(word) = words.next() {
        if ["--config", "--state"].contains(&&*word) {
            words.next();
        } else if !word.starts_with('-') {
            return OF_SCRIPTS.iter().copied().find(|command| *command == word);
        }
    }
    None
}

/// Answers what clap could not read, or was asked for: help and the version. Answers with the exit code.
pub(super) fn answer(surroundings: &Surroundings, error: &clap::Error) -> u8 {
    let mut text = error.render().to_string();
    // Help and version are what was asked for; all else is a mistake.
    if !error.use_stderr() {
        surroundings.out(&text);
        return 0;
    }
    if error.kind() == ErrorKind::UnknownArgument {
        text = without_tip_of_values(&text);
    }
    if let Some(tip) = tip(surroundings, error)
        && let Some(end) = text.find("\n\n")
    {
        text.insert_str(end, &format!("\n\n  tip: {tip}"));
    }
    surroundings.say(text.trim_end());
    if wants_json(&surroundings.arguments) {
        let errors = [usage_entry(&text)];
        let document = serde_json::json!({ "status": "invalid", "errors": errors });
        surroundings.out(&format!("{document:#}\n"));
    }
    2
}

/// Clap thinks that an unknown option is a value that looks like one: no script is called `--region`.
fn without_tip_of_values(text: &str) -> String {
    let paragraphs = text.split("\n\n").filter(|one| !one.trim_start().starts_with("tip: to pass '"));
    paragraphs.collect::<Vec<_>>().join("\n\n")
}

/// What is meant.
fn tip(surroundings: &Surroundings, error: &clap::Error) -> Option<String> {
    let word = |kind: ContextKind| match error.get(kind) {
        Some(ContextValue::String(word)) => Some(word.as_str()),
        _ => None,
    };
    match error.kind() {
        ErrorKind::UnknownArgument => {
            if surroundings.arguments.iter().any(|word| word.to_string_lossy().ends_with(',')) {
                return Some("no blank stands behind a comma: write `a,b`".into());
            }
            let similar = error.get(ContextKind::SuggestedArg).is_some();
            word(ContextKind::InvalidArg).filter(|_| !similar).and_then(|word| option(surroundings, word))
        }
        ErrorKind::InvalidSubcommand => {
            let similar = error.get(ContextKind::SuggestedSubcommand).is_some();
            word(ContextKind::InvalidSubcommand).and_then(|word| no_command(surroundings, word, similar))
        }
        ErrorKind::MissingRequiredArgument => script_missing(surroundings),
        _ => None,
    }
}

/// What is meant by an option that a command does not have, or by a word too many.
fn option(surroundings: &Surroundings, word: &str) -> Option<String> {
    let command = command(&surroundings.arguments);
    if !word.starts_with('-') {
        return command.filter(|command| ["run", "plan", "doctor", "test"].contains(command)).map(
            |command| {
                if word.ends_with(".rhai") {
                    format!("one script at a time: `funchost {command} {word}`")
                } else {
                    format!("a function of the script is chosen by `--func {word}`")
                }
            },
        );
    }
    let name = word.split_once('=').map_or(word, |(name, _)| name);
    let known = ELSEWHERE.iter().flat_map(|(names, _)| names.iter().copied());
    let name = known.clone().find(|known| *known == name).or_else(|| nearest(name, known));
    let elsewhere = name.and_then(|name| ELSEWHERE.iter().find(|(names, _)| names.contains(&name)));
    Some(match (elsewhere, command) {
        (Some((_, tip)), _) => (*tip).to_owned(),
        (None, Some(command)) => format!("`funchost {command} --help` lists its options"),
        (None, None) => return None,
    })
}

/// What is meant by a word that is no command: a script, or the program's version.
fn no_command(surroundings: &Surroundings, word: &str, similar: bool) -> Option<String> {
    if word == "version" {
        return Some("write `funchost --version`".into());
    }
    let path = surroundings.directory.join(word);
    if word.ends_with(".rhai") || word.contains(['/', '\\']) || path.exists() {
        let settings = Arc::new(script::Settings {
            directory: Some(surroundings.directory.clone()),
            command: Some("run"),
            ..script::Settings::new(funchost_collectors::COLLECTORS)
        });
        let refused = script::open(&path, &settings).err();
        let hint = refused.and_then(|report| report.diagnostics.into_iter().next()?.hint);
        return Some(match hint {
            None => format!("a script is run by `funchost run {word}`"),
            Some(hint) => format!("a script is run by `funchost run SCRIPT`; {hint}"),
        });
    }
    (!similar).then(|| "a script is run by `funchost run SCRIPT`; `funchost new` writes one".into())
}

/// The line to type where the script is missing.
fn script_missing(surroundings: &Surroundings) -> Option<String> {
    let command = command(&surroundings.arguments)?;
    Some(match script::scripts_below(&surroundings.directory).first() {
        Some(script) => format!("write `funchost {command} {}`", script.display()),
        None => {
            "no script lies below the current folder; `funchost new NAME --collector …` writes one".into()
        }
    })
}

/// A mistake in the words themselves, for a program: it stands in no file. What clap lists below its first line is what it is about.
fn usage_entry(text: &str) -> serde_json::Value {
    let mut lines = text.lines();
    let mut message = lines.next().unwrap_or_default().trim_start_matches("error: ").to_owned();
    let mut hint = serde_json::Value::Null;
    for line in lines.take_while(|line| !line.starts_with("Usage:")) {
        match line.trim().strip_prefix("tip: ") {
            Some(tip) => hint = tip.into(),
            None if line.trim().is_empty() => {}
            None => message.push_str(&format!(" {}", line.trim())),
        }
    }
    // The last words of every message of clap: they name a help that the person already has.
    let message = message.split(" For more information").next().unwrap_or_default();
    serde_json::json!({ "message": message, "file": null, "line": null, "column": null, "hint": hint })
}

/// Did the words that could not be read ask for a document?
fn wants_json(words: &[OsString]) -> bool {
    let pair = words.windows(2).any(|pair| pair[0] == "--output" && pair[1] == "json");
    (pair || words.iter().any(|word| word == "--output=json")) && !words.iter().any(|word| word == "--debug")
}
