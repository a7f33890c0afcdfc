//! Values: from what was written to what is meant.
//!
//! Owns the types and bounds of single values. A value is never quoted in a message: it may be a secret.

use crate::money::budget::Money;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use toml::de::DeValue;

/// What the clouds bill in.
const CURRENCIES: [&str; 2] = ["CNY", "USD"];

/// Where a DataKit listens. May hold a token or a password: printed, they are hidden.
#[derive(Clone, PartialEq, Eq)]
pub struct DataKitUrl(String);

impl DataKitUrl {
    /// Where a DataKit listens when nothing is configured.
    #[must_use]
    pub fn local() -> Self {
        Self("http://localhost:9529".into())
    }

    /// The URL with everything in it, `http` or `https`, without a closing slash: to connect, never to print.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DataKitUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = 0;
        for hidden in super::report::url_secrets(&self.0) {
            write!(formatter, "{}****", &self.0[shown..hidden.start])?;
            shown = hidden.end;
        }
        formatter.write_str(&self.0[shown..])
    }
}

impl fmt::Debug for DataKitUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{self}")
    }
}

/// What is wrong with a value or a name, worded to follow its name: "is empty".
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) message: String,
    pub(super) hint: Option<String>,
    /// The caret stands under the key, not under its value.
    pub(super) at_key: bool,
}

impl Wrong {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None, at_key: false }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(super) fn at_key(mut self) -> Self {
        self.at_key = true;
        self
    }
}

/// A value as it was given.
#[derive(Clone, Copy)]
pub(super) enum Given<'g> {
    /// In the file, with its type.
    File(&'g DeValue<'g>),
    /// In a variable: a text that says all.
    Variable(&'g str),
}

impl<'g> Given<'g> {
    /// A text. An empty one is a mistake everywhere but in `[env]`.
    pub(super) fn text(self) -> Result<&'g str, Wrong> {
        match self {
            Self::File(DeValue::String(text)) => Ok(text),
            Self::File(other) => Err(mismatch(other, "a text in quotes")),
            Self::Variable(text) => Ok(text),
        }
    }

    pub(super) fn truth(self) -> Result<bool, Wrong> {
        match self {
            Self::File(DeValue::Boolean(truth)) => Ok(*truth),
            Self::File(other) => Err(mismatch(other, "true or false")),
            Self::Variable(text) => match text.trim() {
                "true" => Ok(true),
                "false" => Ok(false),
                _ => Err(Wrong::new("is neither `true` nor `false`")),
            },
        }
    }

    /// Calls a second.
    pub(super) fn rate(self) -> Result<f64, Wrong> {
        let rate = match self {
            Self::File(DeValue::Float(number)) => number.as_str().parse().ok(),
            Self::File(DeValue::Integer(number)) => {
                i64::from_str_radix(number.as_str(), number.radix()).ok().map(|number| number as f64)
            }
            Self::File(other) => return Err(mismatch(other, "a number: calls a second")),
            Self::Variable(text) => text.trim().parse().ok(),
        };
        match rate {
            Some(rate) if f64::is_finite(rate) && rate > 0.0 => Ok(rate),
            Some(_) => Err(Wrong::new("must be greater than 0: it is a number of calls a second")
                .hint("for one call in ten seconds write 0.1")),
            None => Err(Wrong::new("is not a number: it is a number of calls a second")),
        }
    }

    /// A number of calls a month.
    pub(super) fn calls(self) -> Result<u64, Wrong> {
        let calls = match self {
            Self::File(DeValue::Integer(number)) => u64::from_str_radix(number.as_str(), number.radix()).ok(),
            Self::File(other) => return Err(mismatch(other, "a whole number: metered calls a month")),
            Self::Variable(text) => text.trim().parse().ok(),
        };
        calls.ok_or_else(|| Wrong::new("is not a whole number of metered calls a month"))
    }

    /// An amount of money a month.
    pub(super) fn money(self) -> Result<Money, Wrong> {
        const FORM: &str =
            "write the amount and the currency that the cloud bills in, such as \"200 CNY\" or \"50 USD\"";
        let text = match self {
            Self::File(DeValue::Integer(_) | DeValue::Float(_)) => {
                return Err(Wrong::new("has no currency").hint(FORM));
            }
            other => other.text().map_err(|wrong| wrong.hint(FORM))?,
        };
        let wrong = || Wrong::new("is not an amount of money").hint(FORM);
        let (amount, currency) = text.trim().split_once(char::is_whitespace).ok_or_else(wrong)?;
        let currency = currency.trim().to_ascii_uppercase();
        let amount: f64 = amount.parse().map_err(|_| wrong())?;
        if !amount.is_finite()
            || amount < 0.0
            || currency.len() != 3
            || !currency.chars().all(|c| c.is_ascii_uppercase())
        {
            return Err(wrong());
        }
        if !CURRENCIES.contains(&currency.as_str()) {
            return Err(Wrong::new("is in a currency that no price is known in")
                .hint(format!("known: {}", CURRENCIES.join(", "))));
        }
        Ok(Money { amount, currency })
    }

    /// An overlap in whole seconds.
    pub(super) fn seconds(self) -> Result<Duration, Wrong> {
        const MOST: u64 = 7200;
        let seconds = match self {
            Self::File(DeValue::Integer(number)) => {
                i64::from_str_radix(number.as_str(), number.radix()).unwrap_or(i64::MAX)
            }
            Self::File(other) => return Err(mismatch(other, "a whole number of seconds")),
            Self::Variable(text) => {
                text.trim().parse().map_err(|_| Wrong::new("is not a whole number of seconds"))?
            }
        };
        match u64::try_from(seconds) {
            Ok(seconds) if seconds <= MOST => Ok(Duration::from_secs(seconds)),
            _ => Err(Wrong::new("must be 0 to 7200 seconds")
                .hint("DataKit changes the time of points that are more than two hours old")),
        }
    }

    /// A size in bytes.
    pub(super) fn bytes(self) -> Result<u64, Wrong> {
        // One request to DataKit is up to 1 MiB: a smaller outbox would keep nothing.
        const LEAST: u64 = 1 << 20;
        let bytes = match self {
            Self::File(DeValue::Integer(number)) => u64::from_str_radix(number.as_str(), number.radix()).ok(),
            Self::File(DeValue::String(text)) => size(text),
            Self::File(other) => {
                return Err(mismatch(other, "a number of bytes or a text such as \"512MiB\""));
            }
            Self::Variable(text) => size(text),
        };
        match bytes {
            Some(bytes) if i64::try_from(bytes).is_err() => Err(Wrong::new("is larger than any disk")),
            Some(bytes) if bytes >= LEAST => Ok(bytes),
            Some(_) => Err(Wrong::new("must be at least 1MiB: less would keep nothing")),
            None => Err(Wrong::new("is not a size").hint(
                "write a number of bytes, or one with B, kB, KiB, MB, MiB, GB, GiB, such as \"512MiB\"",
            )),
        }
    }
}

/// `512MiB`, `1.5 GB`, `536870912`.
fn size(text: &str) -> Option<u64> {
    let text = text.trim();
    let split =
        text.find(|character: char| !character.is_ascii_digit() && character != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let factor: u32 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1_000,
        "kib" | "k" => 1 << 10,
        "mb" => 1_000_000,
        "mib" | "m" => 1 << 20,
        "gb" => 1_000_000_000,
        "gib" | "g" => 1 << 30,
        _ => return None,
    };
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(factor.into());
    }
    let bytes = number.parse::<f64>().ok()? * f64::from(factor);
    // Below 2^53 a float holds every whole number.
    (bytes < 9e15).then_some(bytes as u64)
}

/// A value of the wrong type.
pub(super) fn mismatch(found: &DeValue<'_>, expected: &str) -> Wrong {
    let found = match found {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    };
    Wrong::new(format!("is {found}, expected {expected}"))
}

/// The URL of a DataKit. A query may hold a token.
pub(super) fn datakit_url(text: &str) -> Result<DataKitUrl, Wrong> {
    const EXAMPLE: &str = "write it as `http://localhost:9529`";
    url(text, EXAMPLE)?;
    Ok(DataKitUrl(trimmed(text)))
}

/// The URL where a cloud answers: host, port and perhaps a path.
pub(super) fn endpoint_url(text: &str) -> Result<String, Wrong> {
    const EXAMPLE: &str = "write it as `https://host` or `http://host:port`";
    let url = url(text, EXAMPLE)?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Wrong::new("holds a user's name or password, which no cloud takes")
            .hint("keys belong to the account in the script"));
    }
    if url.query().is_some() {
        return Err(Wrong::new("holds a query (`?…`), which is made anew for every call").hint(EXAMPLE));
    }
    Ok(trimmed(text))
}

fn trimmed(text: &str) -> String {
    text.trim().trim_end_matches('/').to_owned()
}

fn url(text: &str, example: &str) -> Result<reqwest::Url, Wrong> {
    let text = text.trim();
    if text.is_empty() {
        return Err(Wrong::new("is empty, expected a URL").hint(example));
    }
    if !text.contains("://") {
        return Err(Wrong::new("is no URL: it does not begin with `http://` or `https://`").hint(example));
    }
    let url =
        reqwest::Url::parse(text).map_err(|error| Wrong::new(format!("is no URL: {error}")).hint(example))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(
            Wrong::new("is no URL of the web: it does not begin with `http://` or `https://`").hint(example)
        );
    }
    if url.fragment().is_some() {
        return Err(Wrong::new("holds a fragment (`#…`), which is never sent").hint(example));
    }
    if text.contains(|character: char| character.is_control() || character.is_whitespace()) {
        return Err(Wrong::new("is no URL: it holds a blank").hint(example));
    }
    Ok(url)
}

/// The folder of the state.
pub(super) fn state(
    text: &str,
    base: &Path,
    environment: &BTreeMap<String, String>,
) -> Result<PathBuf, Wrong> {
    let scheme = text.split_once("://").map(|(scheme, _)| scheme);
    if matches!(scheme, Some("postgres" | "postgresql")) {
        return Err(Wrong::new("names a PostgreSQL database, which is not supported by this version")
            .hint("name a folder: the state is one file in it, `funchost.db`"));
    }
    folder(text, base, environment)
}

/// A folder: `~` is the user's own, a relative path counts from `base`.
pub(super) fn folder(
    text: &str,
    base: &Path,
    environment: &BTreeMap<String, String>,
) -> Result<PathBuf, Wrong> {
    if text.is_empty() {
        return Err(Wrong::new("is empty, expected a folder"));
    }
    if text.contains("://") {
        return Err(Wrong::new("is a URL, expected a folder"));
    }
    if text.contains('\0') {
        return Err(Wrong::new("holds a zero byte, which no path can"));
    }
    let Some(below) = text.strip_prefix('~') else { return Ok(base.join(text)) };
    if !below.is_empty() && !below.starts_with('/') {
        return Err(Wrong::new("begins with another user's `~name`, which is not looked up")
            .hint("write the whole path, or `./~…` for a folder of that name"));
    }
    match environment.get("HOME").filter(|home| !home.is_empty()) {
        Some(home) => Ok(Path::new(home).join(below.trim_start_matches('/'))),
        None => Err(Wrong::new("begins with `~`, but HOME is not set").hint("write the whole path")),
    }
}
