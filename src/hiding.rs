//! What data must not show, by the names that its values have and by the URLs in it.
//!
//! Owns which names are a secret's, and where a value with such a name may stand: in data, in data inside of a text, in `name=value`, in XML, in the
//! pair of a name and a value; and who is named before the `@` of a URL. Secrets that are known by their value are the masker's business.
//!
//! Everything here goes once over a text: texts come from clouds and from callers.

use crate::script::Masker;
use crate::state::runs::Arguments;
use funchost_collectors::mapped::Mapped as _;
use serde_json::{Map, Value as Json};

/// Parts of a name that say that a value is secret, in small letters without anything between them.
const PARTS: &[&str] = &[
    "password",
    "passwd",
    "passphrase",
    "secret",
    "privatekey",
    "accesskey",
    "credential",
    "token",
    "signature",
    "userdata",
];

/// Tokens that say where a list goes on.
const PLACES: &[&str] = &["nexttoken", "pagetoken", "paginationtoken", "continuationtoken"];

/// Ends of names whose numbers are secret; the length of a password is none.
const ENDS: &[&str] = &["password", "passwd", "passphrase", "secret", "privatekey", "token"];

/// Members that name what stands beside them in [`VALUES`].
const NAMES: &[&str] = &["name", "key", "parametername", "parameterkey", "attributename", "tagkey"];

/// See [`NAMES`].
const VALUES: &[&str] =
    &["value", "parametervalue", "attributevalue", "tagvalue", "currentvalue", "defaultvalue"];

/// What may stand around a value; longest first.
const QUOTES: &[&str] = &["&quot;", "\\\"", "\"", "'"];

/// A name in small letters, without what joins its words.
fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase()).collect()
}

/// Is a value with this name surely secret?
#[must_use]
pub(crate) fn names_secret(name: &str) -> bool {
    let mut plain = plain(name);
    for place in PLACES {
        plain = plain.replace(place, "");
    }
    PARTS.iter().any(|part| plain.contains(part))
}

/// The same, and what `[env]` takes for one: any key.
fn may_name_secret(name: &str) -> bool {
    names_secret(name) || crate::config::is_secret_name(name)
}

/// Hides values.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hiding {
    /// Stands where something secret was.
    pub(crate) stand_in: &'static str,
    is_secret: fn(&str) -> bool,
    /// All that a secret name stands for is hidden: numbers, lists and maps, too.
    whole: bool,
}

impl Hiding {
    /// Of a cloud's answers, which somebody else reads and a run must be able to live on.
    pub(crate) const fn of_answers(stand_in: &'static str) -> Self {
        Self { stand_in, is_secret: names_secret, whole: false }
    }

    /// Of what a caller gave to a function.
    const fn of_arguments() -> Self {
        Self { stand_in: "****", is_secret: may_name_secret, whole: true }
    }

    /// The data without what is secret in it, which is put into `found`; `name` is the member that it is the value of.
    pub(crate) fn json(&self, name: &str, value: &Json, found: &mut Vec<String>) -> Json {
        let secret = (self.is_secret)(name);
        match value {
            Json::Null | Json::Bool(_) => value.clone(),
            _ if secret && self.whole => {
                if names_secret(name) {
                    leaves(value, found);
                }
                Json::from(self.stand_in)
            }
            Json::String(text) if secret => Json::from(self.hidden(text, found)),
            Json::String(text) => Json::from(self.text(text, found)),
            Json::Number(_) if secret && ENDS.iter().any(|end| plain(name).ends_with(end)) => Json::from(0),
            Json::Number(_) => value.clone(),
            Json::Array(items) => items.iter().map(|item| self.json(name, item, found)).collect(),
            Json::Object(members) => {
                let named = members.iter().any(|(name, value)| {
                    NAMES.contains(&plain(name).as_str()) && value.as_str().is_some_and(self.is_secret)
                });
                let member = |(name, value): (&String, &Json)| {
                    let by_pair = named && VALUES.contains(&plain(name).as_str());
                    let hidden = self.json(if by_pair { "secret" } else { name }, value, found);
                    (name.clone(), hidden)
                };
                Json::Object(members.iter().map(member).mapped())
            }
        }
    }

    /// The text without what is secret in it.
    pub(crate) fn text(&self, text: &str, found: &mut Vec<String>) -> String {
        if text.trim_start().starts_with(['{', '[', '"'])
            && let Ok(data @ (Json::Object(_) | Json::Array(_) | Json::String(_))) =
                serde_json::from_str(text)
        {
            let hidden = self.json("", &data, found);
            // What holds nothing secret stays as it was written.
            return if hidden == data { text.to_owned() } else { hidden.to_string() };
        }
        let text = self.urls(text, found);
        let text = self.elements(&text, found);
        self.assignments(&text, found)
    }

    /// What stands for a text that is secret by its name.
    fn hidden(&self, text: &str, found: &mut Vec<String>) -> String {
        if is_harmless(text) || text == self.stand_in {
            return text.to_owned();
        }
        found.push(text.to_owned());
        self.stand_in.to_owned()
    }

    /// Without the users of URLs, and without the passwords of `user:password@host`.
    fn urls(&self, text: &str, found: &mut Vec<String>) -> String {
        let mut hidden = String::new();
        let mut from = 0;
        let ends = |letter: char| letter.is_whitespace() || "\"'`<>\\".contains(letter);
        while let Some(at) = text[from..].find('@').map(|length| from + length) {
            let word = text[from..at]
                .rfind(ends)
                .map_or(from, |end| from + end + text[from + end..].chars().next().map_or(1, char::len_utf8));
            let before = &text[word..at];
            let start = match before.rfind("://").map(|mark| mark + 3) {
                Some(mark) => {
                    let host = before[mark..].split('/').next().unwrap_or_default();
                    let port = host.rsplit_once(':').map(|(_, port)| port);
                    // An `@` in a path comes behind a host; behind half a password it does not.
                    let is_host = host.len() < before.len() - mark
                        && port.is_none_or(|port| port.bytes().all(|digit| digit.is_ascii_digit()));
                    (!is_host).then_some(word + mark)
                }
                None => before.find(':').map(|colon| word + colon + 1),
            };
            match start {
                Some(start) if start < at && text[start..at] != *self.stand_in => {
                    let user = &text[start..at];
                    // What is hidden is the user and the password; what is learned is the password.
                    found.push(user.split_once(':').map_or(user, |(_, password)| password).to_owned());
                    hidden.push_str(&text[from..start]);
                    hidden.push_str(self.stand_in);
                    hidden.push('@');
                }
                _ => hidden.push_str(&text[from..=at]),
            }
            from = at + 1;
        }
        hidden.push_str(&text[from..]);
        hidden
    }

    /// Without the texts of XML elements with a secret's name.
    fn elements(&self, text: &str, found: &mut Vec<String>) -> String {
        if !text.contains("</") {
            return text.to_owned();
        }
        let mut hidden = String::with_capacity(text.len());
        let mut from = 0;
        // The last name that stood in an element was a secret's.
        let mut named = false;
        while let Some(open) = text[from..].find('<').map(|length| from + length) {
            let Some(inner) = text[open..].find('>').map(|length| open + length + 1) else { break };
            let Some(next) = text[inner..].find('<').map(|length| inner + length) else { break };
            hidden.push_str(&text[from..inner]);
            let (tag, content) = (&text[open + 1..inner - 1], &text[inner..next]);
            from = next;
            if tag.starts_with(['/', '?', '!']) || !text[next..].starts_with("</") {
                hidden.push_str(content);
                continue;
            }
            let name = tag.split_whitespace().next().unwrap_or_default();
            let name = name.rsplit(':').next().unwrap_or_default();
            let plain = plain(name);
            let is_value = VALUES.contains(&plain.as_str());
            if (self.is_secret)(name) || (named && is_value) {
                hidden.push_str(&self.hidden(content, found));
            } else if content.contains("&quot;") {
                // Data inside of it.
                let written = content.replace("&quot;", "\"");
                let without = self.text(&written, found);
                hidden.push_str(&if without == written {
                    content.to_owned()
                } else {
                    without.replace('"', "&quot;")
                });
            } else {
                hidden.push_str(content);
            }
            if NAMES.contains(&plain.as_str()) {
                named = (self.is_secret)(content);
            } else if is_value {
                named = false;
            }
        }
        hidden.push_str(&text[from..]);
        hidden
    }

    /// Without the values of `password=…`, `password: …`, `"password":"…"` and the like.
    fn assignments(&self, text: &str, found: &mut Vec<String>) -> String {
        let bytes = text.as_bytes();
        let in_name = |at: usize| {
            bytes.get(at).is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
        };
        let blanks = |mut at: usize| {
            while matches!(bytes.get(at), Some(b' ' | b'\t')) {
                at += 1;
            }
            at
        };
        let quote = |at: usize| QUOTES.iter().copied().find(|quote| text[at..].starts_with(quote));
        let mut hidden = String::new();
        let (mut from, mut at) = (0, 0);
        while at < bytes.len() {
            if !in_name(at) {
                at += 1;
                continue;
            }
            let start = at;
            while in_name(at) {
                at += 1;
            }
            if !(self.is_secret)(&text[start..at]) {
                continue;
            }
            let closing = quote(at).map_or(0, str::len);
            let sign = blanks(at + closing);
            let value = match bytes.get(sign) {
                Some(b'=') => blanks(sign + 1),
                // `a:b` may be part of a name; `"a":b` and `a: b` are not.
                Some(b':') if closing > 0 || blanks(sign + 1) > sign + 1 => blanks(sign + 1),
                _ => continue,
            };
            let opening = quote(value);
            let value = value + opening.map_or(0, str::len);
            let ends = |letter: char| letter.is_whitespace() || "&,;<>}])\"'\\".contains(letter);
            let length = match opening {
                Some(opening) => text[value..].find(opening),
                None => text[value..].find(ends),
            };
            let end = length.map_or(text.len(), |length| value + length);
            if end > value {
                hidden.push_str(&text[from..value]);
                hidden.push_str(&self.hidden(&text[value..end], found));
                from = end;
            }
            at = end.max(at);
        }
        hidden.push_str(&text[from..]);
        hidden
    }
}

/// Is a text no secret, whatever its name says: nothing, yes or no, or a time?
fn is_harmless(text: &str) -> bool {
    let is_time = || {
        let bytes = text.as_bytes();
        (19..=35).contains(&bytes.len())
            && bytes.iter().enumerate().take(19).all(|(at, byte)| match at {
                4 | 7 => *byte == b'-',
                10 => matches!(byte, b'T' | b' '),
                13 | 16 => *byte == b':',
                _ => byte.is_ascii_digit(),
            })
    };
    text.is_empty() || ["true", "false"].iter().any(|word| text.eq_ignore_ascii_case(word)) || is_time()
}

/// Every text and number of some data.
fn leaves(value: &Json, found: &mut Vec<String>) {
    match value {
        Json::Null | Json::Bool(_) => {}
        Json::Number(number) => found.push(number.to_string()),
        Json::String(text) => found.push(text.clone()),
        Json::Array(items) => items.iter().for_each(|item| leaves(item, found)),
        Json::Object(members) => members.values().for_each(|member| leaves(member, found)),
    }
}

/// A function's arguments as they may be shown.
#[must_use]
pub(crate) fn shown(kwargs: &Map<String, Json>, masker: &Masker) -> Map<String, Json> {
    match masker.mask_data(&by_name(kwargs, &mut Vec::new())) {
        Json::Object(shown) => shown,
        _ => Map::new(),
    }
}

/// A function's arguments, for the worker and for everybody else.
#[must_use]
pub(crate) fn arguments(kwargs: &Map<String, Json>, masker: &Masker) -> Arguments {
    let shown = Json::Object(shown(kwargs, masker)).to_string();
    Arguments::new(Json::Object(kwargs.clone()).to_string(), shown)
}

/// What is secret among a function's arguments, for the masker of its run.
#[must_use]
pub(crate) fn secrets(kwargs: &Map<String, Json>) -> Vec<String> {
    let mut found = Vec::new();
    drop(by_name(kwargs, &mut found));
    found
}

fn by_name(kwargs: &Map<String, Json>, found: &mut Vec<String>) -> Json {
    Hiding::of_arguments().json("", &Json::Object(kwargs.clone()), found)
}

/// Arguments written as JSON, without what their names say is secret; nothing of a text that is no JSON.
#[must_use]
pub(crate) fn written(kwargs: &str) -> String {
    let read: Map<String, Json> = serde_json::from_str(kwargs).unwrap_or_default();
    by_name(&read, &mut Vec::new()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_tell_secrets_from_places_in_a_list() {
        for name in [
            "MasterUserPassword",
            "LoginPassword",
            "AuthToken",
            "PrivateKey",
            "private_key",
            "DB_SECRET",
            "access-key",
            "SecretAccessKey",
            "SessionToken",
            "X-Amz-Signature",
            "X-Amz-Credential",
            "db_passwd",
            "NextTokenSecret",
        ] {
            assert!(names_secret(name), "{name}");
        }
        for name in [
            "NextToken",
            "nextToken",
            "PageToken",
            "NextPageToken",
            "NextContinuationToken",
            "KeyName",
            "Name",
        ] {
            assert!(!names_secret(name), "{name}");
        }
    }

    #[test]
    fn what_is_secret_in_an_answer_is_hidden_wherever_it_stands() {
        let hiding = Hiding::of_answers("X");
        for (text, hidden) in [
            ("mysql://u:pass@h/db", "mysql://X@h/db"),
            ("jdbc:mysql://h/db?user=u&password=p&x=1", "jdbc:mysql://h/db?user=u&password=X&x=1"),
            ("redis://:pa/ss@h:6379/0", "redis://X@h:6379/0"),
            ("u:pass@tcp(h:3306)/db", "u:X@tcp(h:3306)/db"),
            ("two: a://u:p@h and b://v:q@i", "two: a://X@h and b://X@i"),
            ("https://h/path@2", "https://h/path@2"),
            ("https://h:8080/path@2", "https://h:8080/path@2"),
            ("mail me@example.com", "mail me@example.com"),
            ("export DB_PASSWORD='a b'; run", "export DB_PASSWORD='X'; run"),
            ("password: hunter2, then", "password: X, then"),
            ("{\\\"Password\\\":\\\"p\\\",\\\"a\\\":1", "{\\\"Password\\\":\\\"X\\\",\\\"a\\\":1"),
            (
                r#"{"Password":"p","n":[{"AccessKeySecret":"q"}]}"#,
                r#"{"Password":"X","n":[{"AccessKeySecret":"X"}]}"#,
            ),
            // What holds nothing secret keeps its form.
            (r#"{ "b" : 1, "a" : 2 }"#, r#"{ "b" : 1, "a" : 2 }"#),
            (r#""{\"Password\":\"p\"}""#, r#""{\"Password\":\"X\"}""#),
            ("<a><Password>p</Password><b>c</b></a>", "<a><Password>X</Password><b>c</b></a>"),
            (
                "<e><key>DB_SECRET</key><value>p</value></e><e><key>A</key><value>p</value></e>",
                "<e><key>DB_SECRET</key><value>X</value></e><e><key>A</key><value>p</value></e>",
            ),
            ("<a>{&quot;Password&quot;:&quot;p&quot;}</a>", "<a>{&quot;Password&quot;:&quot;X&quot;}</a>"),
            ("<NextToken>abc</NextToken>", "<NextToken>abc</NextToken>"),
            (
                "arn:aws:secretsmanager:cn-north-1:1:secret:name",
                "arn:aws:secretsmanager:cn-north-1:1:secret:name",
            ),
            ("密码 password=密码甲 乙", "密码 password=X 乙"),
            ("password=", "password="),
        ] {
            assert_eq!(hiding.text(text, &mut Vec::new()), hidden, "{text}");
        }
        let answer = json!({
            "NextToken": "abc", "LoginPassword": "p", "PasswordLength": 12, "Password": 12_345_678, "PasswordSet": "true",
            "Credentials": { "AccessKeySecret": "q", "Expiration": "2026-01-02T03:04:05Z" },
            "Env": [{ "Name": "DB_PASSWORD", "Value": "r" }, { "Name": "HOME", "Value": "/" }],
            "TokenExpires": "2026-01-02T03:04:05Z",
        });
        let mut found = Vec::new();
        assert_eq!(
            hiding.json("", &answer, &mut found),
            json!({
                "NextToken": "abc", "LoginPassword": "X", "PasswordLength": 12, "Password": 0, "PasswordSet": "true",
                "Credentials": { "AccessKeySecret": "X", "Expiration": "2026-01-02T03:04:05Z" },
                "Env": [{ "Name": "DB_PASSWORD", "Value": "X" }, { "Name": "HOME", "Value": "/" }],
                "TokenExpires": "2026-01-02T03:04:05Z",
            })
        );
        assert_eq!(found, ["q", "r", "p"]);
    }

    #[test]
    fn arguments_are_hidden_whole_and_what_is_surely_secret_is_learned() {
        let kwargs = json!({
            "region": "cn-north-1", "password": { "a": ["one-two-three", 12_345_678] }, "key": "production",
            "url": "mysql://u:four-five-six@h", "note": "knows seven-eight", "dry": true,
        });
        let Json::Object(kwargs) = kwargs else { unreachable!() };
        let masker = Masker::new();
        masker.learn("seven-eight");
        assert_eq!(
            Json::Object(shown(&kwargs, &masker)),
            json!({
                "region": "cn-north-1", "password": "****", "key": "****", "url": "mysql://****@h", "note": "knows ****", "dry": true,
            })
        );
        assert_eq!(secrets(&kwargs), ["one-two-three", "12345678", "four-five-six"]);
        assert_eq!(written("no JSON"), "{}");
    }
}
