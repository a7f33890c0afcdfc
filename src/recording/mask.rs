//! What a recording must not hold: secrets, and ids that say whose the account is. The same id becomes the same stand-in everywhere, so that
//! answers still fit together.
//!
//! Owns what looks like an id. Errs on the side of hiding: a stand-in has the form of what it stands for.

use crate::hiding::Hiding;
use serde_json::{Map, Value as Json};
use std::collections::HashMap;
use std::sync::Arc;

/// Parts of a member's name that say that its value is an account's, in small letters.
const ACCOUNT: &[&str] = &["owner", "account", "uin", "appid", "userid", "uid", "principal"];

/// What is secret by its name.
const HIDING: Hiding = Hiding::of_answers("recorded-secret");

/// The data without what is secret by its name: also of a request that looks for its answer.
pub(super) fn without_secrets(name: &str, value: &Json) -> Json {
    HIDING.json(name, value, &mut Vec::new())
}

/// Hides ids, each always in the same way.
pub(super) struct Mask {
    known: HashMap<String, String>,
    hide: Arc<dyn Fn(&str) -> String + Send + Sync>,
}

impl std::fmt::Debug for Mask {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Mask").field("known", &self.known.len()).finish_non_exhaustive()
    }
}

/// What a word is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// `i-0123456789abcdef0`
    Resource,
    /// `123456789012`
    Account,
    /// `AKIA…`, `LTAI…`, `AKID…`
    Key,
    /// `00000000-0000-4000-8000-000000000000`
    Uuid,
    /// `10.0.0.1`
    Address,
}

impl Mask {
    pub(super) fn new(hide: Arc<dyn Fn(&str) -> String + Send + Sync>) -> Self {
        Self { known: HashMap::new(), hide }
    }

    /// The text without secrets and ids.
    pub(super) fn text(&mut self, text: &str) -> String {
        let text = (self.hide)(&HIDING.text(text, &mut Vec::new()));
        self.ids(&text)
    }

    fn ids(&mut self, text: &str) -> String {
        let mut masked = String::with_capacity(text.len());
        for piece in pieces(text) {
            match kind(piece) {
                Some(kind) => masked.push_str(&self.stand_in(kind, piece)),
                None => masked.push_str(piece),
            }
        }
        masked
    }

    /// The same of everything in some data.
    pub(super) fn json(&mut self, value: &Json) -> Json {
        self.member("", &without_secrets("", value))
    }

    /// Ids in data that has no secrets any more; `name` is the member that it is the value of.
    fn member(&mut self, name: &str, value: &Json) -> Json {
        let lower = name.to_lowercase();
        match value {
            Json::String(text) if is_account(&lower) && is_number(text) => {
                Json::from(self.stand_in(Kind::Account, text))
            }
            Json::String(text) => Json::from(self.ids((self.hide)(text).as_str())),
            Json::Number(number) if is_account(&lower) && is_number(&number.to_string()) => {
                let stand_in = self.stand_in(Kind::Account, &number.to_string());
                stand_in.parse::<i64>().map_or_else(|_| Json::from(stand_in), Json::from)
            }
            Json::Array(items) => items.iter().map(|item| self.member(name, item)).collect(),
            Json::Object(members) => Json::Object(
                members
                    .iter()
                    .map(|(name, item)| (name.clone(), self.member(name, item)))
                    .collect::<Map<_, _>>(),
            ),
            other => other.clone(),
        }
    }

    fn stand_in(&mut self, kind: Kind, word: &str) -> String {
        if let Some(known) = self.known.get(word) {
            return known.clone();
        }
        let number = self.known.len() + 1;
        let stand_in = match kind {
            // A range that no network uses: RFC 2544.
            Kind::Address => format!("198.18.{}.{}", number >> 8 & 255, number & 255),
            Kind::Account => format!("1{number:0>width$}", width = word.len().saturating_sub(1)),
            Kind::Uuid => format!("00000000-0000-4000-8000-{number:0>12}"),
            Kind::Key => format!("{}{number:0>width$}", &word[..4], width = word.len() - 4),
            Kind::Resource => {
                let at = word.rfind('-').map_or(0, |at| at + 1);
                format!("{}{number:0>width$}", &word[..at], width = word.len() - at)
            }
        };
        self.known.insert(word.to_owned(), stand_in.clone());
        stand_in
    }
}

/// The data with `·` for every id.
pub(super) fn without_ids(value: &Json) -> Json {
    match value {
        Json::String(text) => Json::from(
            pieces(text).map(|piece| if kind(piece).is_some() { "·" } else { piece }).collect::<String>(),
        ),
        Json::Array(items) => items.iter().map(without_ids).collect(),
        Json::Object(members) => {
            Json::Object(members.iter().map(|(name, item)| (name.clone(), without_ids(item))).collect())
        }
        other => other.clone(),
    }
}

fn is_account(name: &str) -> bool {
    ACCOUNT.iter().any(|part| name.contains(part))
}

fn is_number(text: &str) -> bool {
    text.len() >= 5 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Words and what stands between them, in order; together they are the text.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    let mut rest = text;
    std::iter::from_fn(move || {
        let first = rest.chars().next()?;
        let inside = is_word(first);
        let end = rest.find(|c: char| is_word(c) != inside).unwrap_or(rest.len());
        let (piece, after) = rest.split_at(end);
        rest = after;
        Some(piece)
    })
    .flat_map(split_dots)
}

/// A word with dots in it is a name of a host or a number, unless it is an address: its parts are looked at.
fn split_dots(piece: &str) -> Vec<&str> {
    if !piece.contains('.') || is_address(piece) {
        return vec![piece];
    }
    piece
        .split_inclusive('.')
        .flat_map(|part| match part.strip_suffix('.') {
            Some(word) if !word.is_empty() => vec![word, "."],
            _ => vec![part],
        })
        .collect()
}

fn is_address(word: &str) -> bool {
    let parts: Vec<&str> = word.split('.').collect();
    parts.len() == 4 && parts.iter().all(|part| part.parse::<u8>().is_ok()) && !word.starts_with("0.")
}

fn kind(word: &str) -> Option<Kind> {
    if is_address(word) {
        return Some(Kind::Address);
    }
    let hex = |part: &str| part.bytes().all(|byte| byte.is_ascii_hexdigit());
    let parts: Vec<&str> = word.split('-').collect();
    if parts.iter().map(|part| part.len()).eq([8, 4, 4, 4, 12]) && parts.iter().all(|part| hex(part)) {
        return Some(Kind::Uuid);
    }
    let key = [("AKIA", 20), ("ASIA", 16), ("LTAI", 16), ("AKID", 16)];
    if key.iter().any(|(start, least)| word.starts_with(start) && word.len() >= *least)
        && word.bytes().all(|byte| byte.is_ascii_alphanumeric())
    {
        return Some(Kind::Key);
    }
    if word.len() == 12 && is_number(word) {
        return Some(Kind::Account);
    }
    // `i-0123456789abcdef0`, `subnet-…`, `lb-bp1…`, `ins-abcd1234`: a short name, and an id with a digit in it.
    let (prefix, id) = word.rsplit_once('-')?;
    let lower = |part: &str| part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let named = prefix.len() <= 20
        && prefix.starts_with(|c: char| c.is_ascii_lowercase())
        && prefix.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
    let is_id = id.len() >= 8 && lower(id) && id.bytes().any(|byte| byte.is_ascii_digit());
    (named && is_id).then_some(Kind::Resource)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn mask() -> Mask {
        Mask::new(Arc::new(|text: &str| text.replace("hunter22", "****")))
    }

    #[test]
    fn ids_and_secrets_are_hidden_and_the_rest_stays() {
        let mut mask = mask();
        for (text, hidden) in [
            ("i-0123456789abcdef0", "i-00000000000000001"),
            ("see i-0123456789abcdef0, again", "see i-00000000000000001, again"),
            (
                "arn:aws:rds:cn-north-1:123456789012:db:orders",
                "arn:aws:rds:cn-north-1:100000000002:db:orders",
            ),
            ("10.1.2.3", "198.18.0.3"),
            ("AKIAIOSFODNN7EXAMPLE", "AKIA0000000000000004"),
            ("6F8D9A1C-1B2C-4D5E-8F90-ABCDEF012345", "00000000-0000-4000-8000-000000000005"),
            ("ins-abcd1234", "ins-00000006"),
            ("my hunter22", "my ****"),
            (
                "<SecretAccessKey>abc/def+</SecretAccessKey>",
                "<SecretAccessKey>recorded-secret</SecretAccessKey>",
            ),
            // These are no ids.
            ("cn-hangzhou ap-northeast-1 cn-north-1a", "cn-hangzhou ap-northeast-1 cn-north-1a"),
            ("2026-01-02T03:04:05.000Z", "2026-01-02T03:04:05.000Z"),
            ("db.t3.medium ecs.g6.large 8.0.36", "db.t3.medium ecs.g6.large 8.0.36"),
            ("1700000000000 0.5 中文", "1700000000000 0.5 中文"),
        ] {
            assert_eq!(mask.text(text), hidden, "{text}");
        }
        let answer = json!({
            "OwnerId": 1_234_567_890_123_456_i64, "Time": 1_700_000_000_000_i64, "Size": 40,
            "Credentials": { "SecurityToken": "abc", "AccessKeySecret": "def" }, "List": ["i-0123456789abcdef0"],
        });
        let hidden = mask.json(&answer);
        assert_eq!(hidden["List"][0], "i-00000000000000001");
        assert_eq!((&hidden["Time"], &hidden["Size"]), (&answer["Time"], &answer["Size"]));
        assert_eq!(
            hidden["Credentials"],
            json!({ "SecurityToken": HIDING.stand_in, "AccessKeySecret": HIDING.stand_in })
        );
        assert_ne!(hidden["OwnerId"], answer["OwnerId"]);
        assert_eq!(hidden["OwnerId"].to_string().len(), 16);
    }

    #[test]
    fn requests_with_other_ids_have_one_key() {
        let one = without_ids(&json!({ "Ids": ["i-0123456789abcdef0"], "Size": 5 }));
        let other = without_ids(&json!({ "Ids": ["i-00000000000000001"], "Size": 5 }));
        assert_eq!(one, other);
        assert_ne!(one, without_ids(&json!({ "Ids": ["orders"], "Size": 5 })));
    }
}
