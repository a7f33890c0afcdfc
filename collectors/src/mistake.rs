//! Mistakes in what a user wrote: found offline, before any call to a cloud.
//!
//! Owns the way from foreign data to a typed configuration. Knows no script language: the place in the text is found
//! by the host, from the argument and the key path that stand here.

use serde::de::DeserializeOwned;

/// Which argument of a constructor is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Argument {
    /// The first: keys and tags.
    Account,
    /// The second: regions and targets.
    Configs,
    /// The third: `filters`.
    Options,
    /// Of a named call: what the cloud documents.
    Parameters,
}

impl Argument {
    /// The argument's number, from 0.
    #[must_use]
    pub fn index(self) -> usize {
        self as usize
    }

    /// How a message calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Configs => "configs",
            Self::Options => "options",
            Self::Parameters => "parameters",
        }
    }
}

/// Something wrong in what a user wrote.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{} {message}", self.argument.name(), if self.path.is_empty() { String::new() } else { format!(": `{}`", self.path) })]
pub struct Mistake {
    /// Where it was given.
    pub argument: Argument,
    /// The key path inside the argument, such as `targets[0].metrics`; empty for the whole of it.
    pub path: String,
    /// What is wrong, so that it can follow the path: "is empty", "unknown key".
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Mistake {
    /// A mistake without a hint.
    #[must_use]
    pub fn new(argument: Argument, path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { argument, path: path.into(), message: message.into(), hint: None }
    }

    /// The same with a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// The known name nearest to what was written, if one is near enough to be meant: alike from its beginning on, and no more than a third of it
/// mistyped; or one is the beginning of the other: `crontab` of `cron`.
#[must_use]
pub fn nearest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let folded = written.to_lowercase();
    known
        .into_iter()
        .filter_map(|name| {
            let lower = name.to_lowercase();
            let length = folded.chars().count().max(lower.chars().count());
            let likeness = strsim::jaro_winkler(&folded, &lower);
            let mistyped = strsim::damerau_levenshtein(&folded, &lower);
            let shorter = folded.chars().count().min(lower.chars().count());
            let begun = shorter >= 4 && (folded.starts_with(&lower) || lower.starts_with(&folded));
            (begun || likeness > 0.8 && mistyped <= length / 3).then_some((likeness, name))
        })
        .max_by(|one, other| one.0.total_cmp(&other.0))
        .map(|(_, name)| name)
}

/// The known name of which this is a slip of one or two characters. Of names that nobody can know all of, only such a one is a mistake.
#[must_use]
pub fn slip_of<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let folded = written.to_lowercase();
    known.into_iter().find(|name| strsim::damerau_levenshtein(&folded, &name.to_lowercase()) <= 2)
}

/// What may be meant by a name that there is not, as a hint: the nearest known name, else those of whose words it is one: `ecs` of `aliyun_ecs`.
#[must_use]
pub fn meant<'a>(written: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> Option<String> {
    const MOST: usize = 5;
    if let Some(near) = nearest(written, known.clone()) {
        return Some(format!("did you mean `{near}`?"));
    }
    let folded = written.to_lowercase();
    let wanted: Vec<&str> = words(&folded).collect();
    let holds = |name: &&str| {
        let lower = name.to_lowercase();
        let found: Vec<&str> = words(&lower).collect();
        !wanted.is_empty() && wanted.iter().all(|word| found.contains(word))
    };
    let mut names: Vec<String> = known.into_iter().filter(holds).map(|name| format!("`{name}`")).collect();
    names.dedup();
    let more = names.len() > MOST;
    names.truncate(MOST);
    (!names.is_empty())
        .then(|| format!("did you mean {}{}?", names.join(", "), if more { ", …" } else { "" }))
}

/// The words of a name.
fn words(name: &str) -> impl Iterator<Item = &str> {
    name.split(|character: char| !character.is_alphanumeric()).filter(|word| !word.is_empty())
}

/// Reads a typed value out of data, saying the key path of what is wrong and the nearest known key.
///
/// # Errors
/// A [`Mistake`] in `argument`. It never quotes a value, which may be a secret.
pub fn read<T: DeserializeOwned>(argument: Argument, value: &serde_json::Value) -> Result<T, Mistake> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = match error.path().to_string() {
            path if path == "." => String::new(),
            path => path,
        };
        explain(argument, path, &error.into_inner().to_string())
    })
}

/// Turns serde's words into ours.
fn explain(argument: Argument, path: String, message: &str) -> Mistake {
    let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    if message.starts_with("unknown field") {
        let (written, known) =
            quoted.split_first().map_or(("", [].as_slice()), |(first, rest)| (*first, rest));
        let path =
            if path.is_empty() || path.ends_with(written) { path } else { format!("{path}.{written}") };
        let path = if path.is_empty() { written.to_owned() } else { path };
        let mistake = Mistake::new(argument, path, "is not a known key");
        return match nearest(written, known.iter().copied()) {
            Some(name) => mistake.hint(format!("did you mean `{name}`?")),
            None if known.is_empty() => mistake,
            None => mistake.hint(format!("known keys: {}", known.join(", "))),
        };
    }
    if message.starts_with("missing field") {
        let key = quoted.first().copied().unwrap_or_default();
        let path = if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
        let form = format!("write `{}: …` into the {}", quoted.first().unwrap_or(&""), argument.name());
        return Mistake::new(argument, path, "is missing").hint(form);
    }
    let expected = message.rsplit_once("expected ").map(|(_, rest)| rest.trim_end_matches('.'));
    let found = message.strip_prefix("invalid type: ").and_then(|rest| rest.split([' ', ',']).next());
    match (found, expected) {
        (Some(found), Some(expected)) => {
            let way_out = way_out(found, expected, &path);
            let words = format!("is {}, expected {}", plain_type(found), plain_expectation(expected));
            Mistake::new(argument, path, words).hint(way_out)
        }
        (_, Some(expected)) => {
            let expected = plain_expectation(expected);
            Mistake::new(argument, path, format!("expected {expected}"))
                .hint(format!("write {expected} there"))
        }
        _ => Mistake::new(argument, path, "has the wrong shape"),
    }
}

/// How a value of the wrong type is written right.
fn way_out(found: &str, expected: &str, path: &str) -> String {
    let key = path.rsplit('.').next().unwrap_or(path);
    let named =
        key.chars().all(|character| character.is_alphanumeric() || character == '_') && !key.is_empty();
    let key = if named { format!("{key}: ") } else { String::new() };
    match (found, expected) {
        ("string", "a sequence") => format!("put it in brackets: `{key}[\"…\"]`"),
        ("string", "i64" | "i32" | "u64" | "u32" | "usize" | "f64") => {
            format!("write a number, without quotes: `{key}60`")
        }
        ("integer" | "floating", "a string") => format!("put it in double quotes: `{key}\"…\"`"),
        (_, "a sequence") => format!("write a list: `{key}[ … ]`"),
        (_, expected) if expected.starts_with("struct ") || expected == "a map" => {
            format!("write a map: `{key}#{{ … }}`")
        }
        _ => format!("write {} there", plain_expectation(expected)),
    }
}

/// serde's name of a found type, as a script's author knows it.
fn plain_type(found: &str) -> &str {
    match found {
        "string" => "a text",
        "integer" => "a whole number",
        "floating" => "a number",
        "boolean" => "true or false",
        "map" => "a map",
        "sequence" => "a list",
        "null" | "unit" => "nothing ()",
        other => other,
    }
}

/// serde's name of an expected type, as a script's author knows it.
fn plain_expectation(expected: &str) -> String {
    if expected.starts_with("struct ") || expected == "a map" {
        "a map `#{ … }`".into()
    } else if expected == "a sequence" {
        "a list `[ … ]`".into()
    } else if expected == "a string" {
        "a text".into()
    } else if expected == "a boolean" {
        "true or false".into()
    } else if ["i64", "i32", "i16"].contains(&expected) {
        "a whole number".into()
    } else if ["u64", "u32", "u16", "usize"].contains(&expected) {
        "a whole number, not below 0".into()
    } else if ["f64", "f32"].contains(&expected) {
        "a number".into()
    } else {
        expected.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_called_as_a_script_calls_them() {
        #[derive(Debug, serde::Deserialize)]
        #[expect(dead_code, reason = "only what is wrong is of interest")]
        struct Written {
            seconds: Option<u64>,
            step: Option<i64>,
            rate: Option<f64>,
            on: Option<bool>,
            name: Option<String>,
        }
        for (written, said, hint) in [
            (
                serde_json::json!({ "seconds": "5m" }),
                "is a text, expected a whole number, not below 0",
                "`seconds: 60`",
            ),
            (serde_json::json!({ "seconds": -5 }), "expected a whole number, not below 0", "not below 0"),
            (serde_json::json!({ "step": 1.5 }), "is a number, expected a whole number", "a whole number"),
            (serde_json::json!({ "rate": "5" }), "is a text, expected a number", "`rate: 60`"),
            (serde_json::json!({ "on": "yes" }), "is a text, expected true or false", "true or false"),
            (serde_json::json!({ "name": 5 }), "is a whole number, expected a text", "double quotes"),
        ] {
            let found = read::<Written>(Argument::Options, &written).unwrap_err();
            assert_eq!(found.message, said, "{written}");
            assert!(found.hint.as_ref().unwrap().contains(hint), "{found:?}");
        }
    }

    #[test]
    fn what_is_mistyped_is_near_and_what_only_begins_alike_is_not() {
        for (written, known, found) in [
            ("regoin", "region", true),
            ("mian", "main", true),
            ("clinet", "client", true),
            ("aws_esc2", "aws_ec2", true),
            ("AWS_AK_IDD", "AWS_AK_ID", true),
            ("AWS_AK_ID", "AWS_CA_BUNDLE", false),
            ("STAGING_AK_ID", "ALIYUN_AK_ID", false),
            ("AWS_AK_SECRET", "AWS_AK_ID", false),
            ("clent", "len", false),
        ] {
            assert_eq!(nearest(written, [known]).is_some(), found, "{written}, {known}");
        }
        assert_eq!(nearest("clent", ["len", "client"]), Some("client"));
    }

    #[test]
    fn a_word_of_a_name_finds_it() {
        let names = ["aliyun_ecs", "aws_ecs", "aws_ec2", "tencentcloud_cvm"];
        assert_eq!(meant("ecs", names).unwrap(), "did you mean `aliyun_ecs`, `aws_ecs`?");
        assert_eq!(meant("EC2", names).unwrap(), "did you mean `aws_ec2`?");
        assert_eq!(meant("aws_ec2s", names).unwrap(), "did you mean `aws_ec2`?");
        assert_eq!(meant("gcp", names), None);
        assert_eq!(meant("", names), None);
    }
}
