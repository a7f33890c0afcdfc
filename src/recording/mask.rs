//! What a recording must not hold: secrets, and ids that say whose the account is. The same id becomes the same stand-in everywhere, so that
//! answers still fit together.
//!
//! Owns what looks like an id. Errs on the side of hiding: a stand-in has the form of what it stands for.

use crate::hiding::Hiding;
use funchost_collectors::mapped::Mapped as _;
use serde_json::{Map, Value as Json};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Parts of a member's name that say that its value is an account's, in small letters.
const ACCOUNT: &[&str] = &["owner", "account", "uin", "appid", "userid", "uid", "principal"];

/// Elements and members within an owner that say who it is, in small letters.
const OF_OWNER: &[&str] = &["id", "displayname"];

/// A number that was learnt as an account's is hidden everywhere from this many digits on; shorter ones are too often something else.
const LEARNT: usize = 9;

/// What is secret by its name.
const HIDING: Hiding = Hiding::of_answers("recorded-secret");

/// The data without what is secret by its name: also of a request that looks for its answer.
pub(super) fn without_secrets(name: &str, value: &Json) -> Json {
    HIDING.json(name, value, &mut Vec::new())
}

/// Hides ids, each always in the same way.
pub(super) struct Mask {
    known: HashMap<String, String>,
    /// Numbers of accounts that were met, with their stand-ins.
    accounts: HashMap<String, String>,
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
    /// `ec2-203-0-113-1`: a host by its address.
    Host,
    /// The 64 digits of an owner in S3.
    Hash,
    /// The name of an owner.
    Owner,
}

/// What ids of resources begin with. Behind these a word is an id also where it has no digit in it, as one of fourteen of eight characters has not.
const PREFIXES: &[&str] = &[
    "acl",
    "ami",
    "ccn",
    "cdb",
    "cdbro",
    "ckafka",
    "cls",
    "cmgo",
    "crs",
    "dbs",
    "disk",
    "eip",
    "eipalloc",
    "eipassoc",
    "eni",
    "eni-attach",
    "fs",
    "i",
    "igw",
    "img",
    "ins",
    "lb",
    "lbl",
    "lhins",
    "lt",
    "mssql",
    "nat",
    "pcx",
    "postgres",
    "r",
    "rtb",
    "sg",
    "snap",
    "subnet",
    "tdsql",
    "tgw",
    "vol",
    "vpc",
    "vpce",
    "vpn",
    "vpngw",
    "vsw",
];

/// Members whose names end like those of ids and that hold none.
const NO_IDS: &[&str] = &["region", "zone", "type", "class", "spec", "family", "product", "engine"];

/// Do members of this name, in small letters, hold ids?
fn is_ids(name: &str) -> bool {
    ["id", "ids", "idset"].iter().any(|end| name.ends_with(end))
        && !NO_IDS.iter().any(|part| name.contains(part))
}

impl Mask {
    pub(super) fn new(hide: Arc<dyn Fn(&str) -> String + Send + Sync>) -> Self {
        Self { known: HashMap::new(), accounts: HashMap::new(), hide }
    }

    /// The text without secrets and ids.
    pub(super) fn text(&mut self, text: &str) -> String {
        let text = (self.hide)(&HIDING.text(text, &mut Vec::new()));
        let text = self.elements(&text);
        self.ids(&text, false)
    }

    /// XML without the numbers and names of accounts: `<OwnerId>…`, `<Owner><ID>…`.
    fn elements(&mut self, text: &str) -> String {
        if !text.contains("</") {
            return text.to_owned();
        }
        let mut masked = String::with_capacity(text.len());
        let mut open: Vec<&str> = Vec::new();
        let mut rest = text;
        while let Some(start) = rest.find('<') {
            let content = &rest[..start];
            match open.split_last() {
                Some((name, above)) if rest[start..].starts_with("</") && !content.trim().is_empty() => {
                    let owner = above.last().is_some_and(|above| above.eq_ignore_ascii_case("owner"));
                    masked.push_str(
                        &self
                            .of_account(&name.to_lowercase(), owner, content)
                            .unwrap_or_else(|| content.to_owned()),
                    );
                }
                _ => masked.push_str(content),
            }
            let Some(end) = rest[start..].find('>').map(|length| start + length) else {
                rest = &rest[start..];
                break;
            };
            let tag = &rest[start + 1..end];
            if tag.starts_with('/') {
                open.pop();
            } else if !tag.starts_with(['?', '!']) && !tag.ends_with('/') {
                let name = tag.split_whitespace().next().unwrap_or_default();
                open.push(name.rsplit(':').next().unwrap_or_default());
            }
            masked.push_str(&rest[start..=end]);
            rest = &rest[end + 1..];
        }
        masked.push_str(rest);
        masked
    }

    /// What stands for a value that says whose an account is, by the name of its member, in small letters; none where it does not.
    fn of_account(&mut self, name: &str, owner: bool, text: &str) -> Option<String> {
        let of_owner = owner && OF_OWNER.contains(&name);
        if (of_owner || is_account(name)) && is_number(text) {
            return Some(self.stand_in(Kind::Account, text));
        }
        (of_owner && !text.is_empty() && kind(text, true).is_none()).then(|| self.stand_in(Kind::Owner, text))
    }

    /// `named`: the text stands where ids do.
    fn ids(&mut self, text: &str, named: bool) -> String {
        let mut masked = String::with_capacity(text.len());
        for piece in pieces(text) {
            match kind(piece, named) {
                Some(kind) => masked.push_str(&self.stand_in(kind, piece)),
                None => masked.push_str(piece),
            }
        }
        masked
    }

    /// The same of everything in some data.
    pub(super) fn json(&mut self, value: &Json) -> Json {
        self.member("", false, &without_secrets("", value))
    }

    /// Ids in data that has no secrets any more; `name` is the member that it is the value of, `owner` says that this is a member of an owner.
    fn member(&mut self, name: &str, owner: bool, value: &Json) -> Json {
        let lower = name.to_lowercase();
        match value {
            Json::String(text) => {
                if let Some(stand_in) = self.of_account(&lower, owner, text) {
                    return Json::from(stand_in);
                }
                let text = (self.hide)(text);
                if let Some(data) = inside(&text) {
                    let masked = self.member(name, owner, &data);
                    // What holds nothing to be hidden stays as it was written.
                    return Json::from(if masked == data { text } else { masked.to_string() });
                }
                Json::from(self.ids(&text, is_ids(&lower)))
            }
            Json::Number(number) if is_number(&number.to_string()) => {
                match self.of_account(&lower, owner, &number.to_string()) {
                    Some(stand_in) => {
                        stand_in.parse::<i64>().map_or_else(|_| Json::from(stand_in), Json::from)
                    }
                    None => value.clone(),
                }
            }
            Json::Array(items) => items.iter().map(|item| self.member(name, owner, item)).collect(),
            Json::Object(members) => {
                let owner = lower == "owner";
                let member = |(name, item): (&String, &Json)| (name.clone(), self.member(name, owner, item));
                Json::Object(members.iter().map(member).mapped::<Map<_, _>>())
            }
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
            Kind::Host => {
                // By the same stand-in as the address alone.
                let (start, address) = word.split_once('-').unwrap_or(("", word));
                let address = self.stand_in(Kind::Address, &address.replace('-', "."));
                format!("{start}-{}", address.replace('.', "-"))
            }
            Kind::Hash => format!("{number:0>64}"),
            Kind::Owner => format!("owner{number}"),
            Kind::Account => format!("1{number:0>width$}", width = word.len().saturating_sub(1)),
            Kind::Uuid => format!("00000000-0000-4000-8000-{number:0>12}"),
            Kind::Key => format!("{}{number:0>width$}", &word[..4], width = word.len() - 4),
            Kind::Resource => {
                let at = word.rfind('-').map_or(0, |at| at + 1);
                format!("{}{number:0>width$}", &word[..at], width = word.len() - at)
            }
        };
        if kind == Kind::Account && word.len() >= LEARNT {
            self.accounts.insert(word.to_owned(), stand_in.clone());
        }
        self.known.insert(word.to_owned(), stand_in.clone());
        stand_in
    }

    /// The text of a whole recording without the numbers that were learnt as accounts' anywhere in it: they stand in names of buckets, in URLs and
    /// where no name says what they are.
    pub(super) fn without_accounts(&self, text: &str) -> String {
        let mut masked = String::with_capacity(text.len());
        let mut rest = text;
        let mut fraction = false;
        while let Some(start) = rest.find(|letter: char| letter.is_ascii_digit()) {
            let digits = &rest[start..];
            let end = digits.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(digits.len());
            let (number, after) = digits.split_at(end);
            // `0.1234567890123456` is a number of another kind.
            let is_whole = !(fraction && start == 1 && rest.starts_with('.'));
            masked.push_str(&rest[..start]);
            masked.push_str(self.accounts.get(number).filter(|_| is_whole).map_or(number, String::as_str));
            fraction = true;
            rest = after;
        }
        masked.push_str(rest);
        masked
    }

    /// What the stand-ins must become so that those of resources stand in the order of what they stand for: collectors ask for sorted ids in batches, and
    /// a replay must make the same batches.
    pub(super) fn order(&self) -> HashMap<String, String> {
        let mut groups: BTreeMap<(&str, usize), Vec<(&str, &str)>> = BTreeMap::new();
        for (word, stand_in) in &self.known {
            let at = stand_in.rfind('-').map_or(0, |at| at + 1);
            if at > 0 && word.starts_with(&stand_in[..at]) {
                groups.entry((&stand_in[..at], stand_in.len())).or_default().push((word, stand_in));
            }
        }
        let mut order = HashMap::new();
        for mut group in groups.into_values() {
            group.sort_unstable();
            let mut stand_ins: Vec<&str> = group.iter().map(|(_, stand_in)| *stand_in).collect();
            stand_ins.sort_unstable();
            order.extend(
                group.iter().zip(stand_ins).map(|((_, old), new)| ((*old).to_owned(), new.to_owned())),
            );
        }
        order
    }
}

/// The text with its stand-ins in order.
pub(super) fn ordered(text: &str, order: &HashMap<String, String>) -> String {
    pieces(text).map(|piece| order.get(piece).map_or(piece, String::as_str)).collect()
}

/// The same of everything in some data.
pub(super) fn ordered_json(value: &Json, order: &HashMap<String, String>) -> Json {
    match value {
        Json::String(text) => Json::from(ordered(text, order)),
        Json::Array(items) => items.iter().map(|item| ordered_json(item, order)).collect(),
        Json::Object(members) => Json::Object(
            members.iter().map(|(name, item)| (name.clone(), ordered_json(item, order))).mapped(),
        ),
        other => other.clone(),
    }
}

/// The data with `·` for every id.
pub(super) fn without_ids(name: &str, value: &Json) -> Json {
    match value {
        Json::String(text) => {
            let lower = name.to_lowercase();
            if is_account(&lower) && is_number(text) {
                return Json::from("·");
            }
            let named = is_ids(&lower);
            Json::from(
                pieces(text)
                    .map(|piece| if kind(piece, named).is_some() { "·" } else { piece })
                    .collect::<String>(),
            )
        }
        Json::Array(items) => items.iter().map(|item| without_ids(name, item)).collect(),
        Json::Object(members) => {
            Json::Object(members.iter().map(|(name, item)| (name.clone(), without_ids(name, item))).mapped())
        }
        other => other.clone(),
    }
}

/// Data that is written in a text.
fn inside(text: &str) -> Option<Json> {
    if !text.trim_start().starts_with(['{', '[']) {
        return None;
    }
    serde_json::from_str(text).ok()
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

/// What a word is; `named`: it stands where ids do.
fn kind(word: &str, named: bool) -> Option<Kind> {
    if is_address(word) {
        return Some(Kind::Address);
    }
    let hex = |part: &str| part.bytes().all(|byte| byte.is_ascii_hexdigit());
    let parts: Vec<&str> = word.split('-').collect();
    if parts.iter().map(|part| part.len()).eq([8, 4, 4, 4, 12]) && parts.iter().all(|part| hex(part)) {
        return Some(Kind::Uuid);
    }
    let key = [("AKIA", 20), ("ASIA", 16), ("LTAI", 16), ("AKID", 16), ("AROA", 20), ("AIDA", 20)];
    if key.iter().any(|(start, least)| word.starts_with(start) && word.len() >= *least)
        && word.bytes().all(|byte| byte.is_ascii_alphanumeric())
    {
        return Some(Kind::Key);
    }
    if word.len() == 12 && is_number(word) {
        return Some(Kind::Account);
    }
    if word.len() == 64 && hex(word) {
        return Some(Kind::Hash);
    }
    if let Some(("ec2" | "ip", address)) = word.split_once('-')
        && is_address(&address.replace('-', "."))
    {
        return Some(Kind::Host);
    }
    // `i-0123456789abcdef0`, `subnet-…`, `lb-bp1…`, `ins-abcd1234`: a short name, and an id. `db-ABCDEFGHIJKLMNOPQRSTUVWXYZ` is one of RDS.
    let (prefix, id) = word.rsplit_once('-')?;
    let of = |letter: fn(&u8) -> bool| id.bytes().all(|byte| letter(&byte) || byte.is_ascii_digit());
    let is_prefix = prefix.len() <= 20
        && prefix.starts_with(|c: char| c.is_ascii_lowercase())
        && prefix.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
    let small = id.len() >= 8
        && of(u8::is_ascii_lowercase)
        && (named || PREFIXES.contains(&prefix) || id.bytes().any(|byte| byte.is_ascii_digit()));
    let large = id.len() >= 16 && of(u8::is_ascii_uppercase);
    (is_prefix && (small || large)).then_some(Kind::Resource)
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
    fn accounts_are_hidden_wherever_they_stand() {
        let mut mask = mask();
        let answer = json!({
            "Datapoints": "[{\"userId\":\"1234567890123456\",\"instanceId\":\"i-0123456789abcdef0\",\"Average\":0.1234567890123456}]",
            "Plain": "[{\"Average\": 1.50}]",
            "Owner": { "ID": "2234567890123456", "DisplayName": "somebody" },
            "Url": "https://1234567890123456.mns.example",
        });
        let hidden = mask.json(&answer);
        assert_eq!(hidden["Owner"], json!({ "ID": "1000000000000004", "DisplayName": "owner3" }));
        assert_eq!(hidden["Plain"], answer["Plain"], "as it was written");
        let text = mask.without_accounts(&hidden.to_string());
        assert!(!text.replace("0.1234567890123456", "").contains("1234567890123456"), "{text}");
        assert!(
            text.contains("0.1234567890123456") && text.contains("https://1000000000000002.mns"),
            "{text}"
        );
        let xml = mask.text("<R><Owner><ID>2234567890123456</ID><DisplayName>2234567890123456</DisplayName></Owner><Name>logs</Name><ID>77777</ID></R>");
        assert_eq!(
            xml,
            "<R><Owner><ID>1000000000000004</ID><DisplayName>1000000000000004</DisplayName></Owner><Name>logs</Name><ID>77777</ID></R>"
        );
        let one = without_ids("", &json!({ "OwnerId": "1234567890123456" }));
        assert_eq!(one, without_ids("", &json!({ "OwnerId": "1000000000000001" })));
    }

    #[test]
    fn ids_without_a_digit_are_ids() {
        let mut mask = mask();
        assert_eq!(mask.text("ins-epyobakz of vpc-xlwzgxpk"), "ins-00000001 of vpc-00000002");
        // A place or a name is none; where ids stand, it is.
        assert_eq!(mask.text("cn-hangzhou my-database"), "cn-hangzhou my-database");
        let answer = json!({ "RegionId": "cn-hangzhou", "Ids": ["pgm-abcdefgh"], "DbId": "[\"pgm-abcdefgh\"]", "Name": "pgm-abcdefgh" });
        assert_eq!(
            mask.json(&answer),
            json!({ "RegionId": "cn-hangzhou", "Ids": ["pgm-00000003"], "DbId": "[\"pgm-00000003\"]", "Name": "pgm-abcdefgh" })
        );
        let key = without_ids("", &answer);
        assert_eq!(
            key,
            without_ids(
                "",
                &json!({ "RegionId": "cn-hangzhou", "Ids": ["pgm-00000003"], "DbId": "[\"pgm-00000003\"]", "Name": "pgm-abcdefgh" })
            )
        );
        // Hosts that hold an address, users and roles, databases, owners of buckets.
        assert_eq!(mask.text("203.0.113.1"), "198.18.0.4");
        assert_eq!(
            mask.text("ec2-203-0-113-1.compute.amazonaws.com"),
            "ec2-198-18-0-4.compute.amazonaws.com"
        );
        assert_eq!(mask.text("AROAIOSFODNN7EXAMPLE:me"), "AROA0000000000000006:me");
        assert_eq!(mask.text("db-ABCDEFGHIJKLMNOPQRSTUVWXYZ"), "db-00000000000000000000000007");
        assert_eq!(mask.text(&"ab".repeat(32)), format!("{:0>64}", 8));
    }

    #[test]
    fn stand_ins_stand_in_the_order_of_what_they_stand_for() {
        let mut mask = mask();
        let text = mask.text("ins-zzzzzzzz ins-aaaaaaaa disk-mmmmmmmm ins-gggggggg 10.0.0.1");
        assert_eq!(text, "ins-00000001 ins-00000002 disk-00000003 ins-00000004 198.18.0.5");
        let order = mask.order();
        assert_eq!(ordered(&text, &order), "ins-00000004 ins-00000001 disk-00000003 ins-00000002 198.18.0.5");
        let data = ordered_json(&json!({ "Ids": ["ins-00000002", 5] }), &order);
        assert_eq!(data, json!({ "Ids": ["ins-00000001", 5] }));
    }

    #[test]
    fn requests_with_other_ids_have_one_key() {
        let one = without_ids("", &json!({ "Ids": ["i-0123456789abcdef0"], "Size": 5 }));
        let other = without_ids("", &json!({ "Ids": ["i-00000000000000001"], "Size": 5 }));
        assert_eq!(one, other);
        assert_ne!(one, without_ids("", &json!({ "Ids": ["orders"], "Size": 5 })));
    }
}
