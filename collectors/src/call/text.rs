//! Foreign text before it is shown, and text before it is sent.
//!
//! Owns the two bounds of what a person sees of a cloud's words: how much, and nothing of a secret.

use super::{Fault, Refusal};
use crate::account::expose;
use http::StatusCode;
use secrecy::SecretString;

/// A request id, a message: one line, at most 300 characters.
#[must_use]
pub fn cut(text: &str) -> String {
    const MOST: usize = 300;
    let line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= MOST {
        return line;
    }
    line.chars().take(MOST - 1).chain(['…']).collect()
}

/// A count with its words: `1 call was`, `2 calls were`.
#[must_use]
pub fn number(count: impl Into<u64>, one: &str, more: &str) -> String {
    let count = count.into();
    format!("{count} {}", if count == 1 { one } else { more })
}

/// Secrets of fewer characters are looked for as they are and percent-encoded only: their other spellings stand in many texts.
const SHORT: usize = 8;

/// The text with `…` where one of the secrets stood, in any of its [`spellings`]. To be done before the text is cut: half a secret
/// would not be found.
#[must_use]
pub fn hide<'secrets>(text: &str, secrets: impl IntoIterator<Item = &'secrets SecretString>) -> String {
    let mut shown = text.to_owned();
    for secret in secrets {
        let secret = expose(secret);
        if secret.is_empty() {
            continue;
        }
        let mut forms = if secret.chars().count() < SHORT {
            let mut encoded = String::new();
            encode(secret, "%20", &mut encoded);
            vec![secret.to_owned(), encoded]
        } else {
            spellings(secret)
        };
        // A secret inside another of its spellings leaves no rest.
        forms.sort_unstable_by_key(|form| std::cmp::Reverse(form.len()));
        for form in forms {
            if shown.contains(&form) {
                shown = shown.replace(&form, "…");
            }
        }
    }
    shown
}

/// Every form in which a secret is looked for: as it is, JSON-escaped, percent-encoded and in base64.
#[must_use]
pub fn spellings(secret: &str) -> Vec<String> {
    let mut forms = vec![secret.to_owned()];
    let json = serde_json::Value::from(secret).to_string();
    forms.push(json[1..json.len() - 1].to_owned());
    // What `debug` and `{:?}` make of it.
    forms.push(secret.escape_debug().to_string());
    for hexadecimal in ["0123456789ABCDEF", "0123456789abcdef"] {
        for blank in ["%20", "+"] {
            forms.push(percent(secret, hexadecimal.as_bytes(), blank));
        }
    }
    // A secret inside a longer text, such as `user:secret`, can begin at any of three places of a base64 group.
    for offset in 0..3 {
        let mut bytes = vec![0; offset];
        bytes.extend_from_slice(secret.as_bytes());
        let encoded = base64(&bytes);
        let stable = &encoded[(offset * 8).div_ceil(6)..bytes.len() * 8 / 6];
        forms.push(stable.to_owned());
        forms.push(stable.replace('+', "-").replace('/', "_"));
    }
    forms.sort_unstable();
    forms.dedup();
    forms
}

/// RFC 3986: everything but the unreserved characters.
fn percent(text: &str, hexadecimal: &[u8], blank: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte));
            }
            b' ' => encoded.push_str(blank),
            _ => {
                encoded.push('%');
                encoded.push(char::from(hexadecimal[usize::from(byte >> 4)]));
                encoded.push(char::from(hexadecimal[usize::from(byte & 15)]));
            }
        }
    }
    encoded
}

/// RFC 4648, the standard alphabet, without padding.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut encoded = String::new();
    for group in bytes.chunks(3) {
        let bits = (0..3).fold(0_usize, |bits, at| bits << 8 | usize::from(*group.get(at).unwrap_or(&0)));
        for at in 0..=group.len() {
            encoded.push(char::from(ALPHABET[bits >> (18 - 6 * at) & 63]));
        }
    }
    encoded
}

/// "Wrong signature" errors echo the canonical request and the string to sign, session token included. What stands before the
/// echo is all there is to show, whatever the code and however it is spelt.
pub(crate) fn without_echo(message: &str) -> String {
    const MARKS: &[&str] = &[
        "the canonical",
        "canonical string",
        "canonical request",
        "string-to-sign",
        "string to sign",
        "stringtosign",
        "aws4-hmac-sha256",
        "acs3-hmac-sha256",
        "oss4-hmac-sha256",
        "tc3-hmac-sha256",
        "x-amz-",
        "x-acs-",
        "x-oss-",
        "x-tc-",
        "authorization=",
        "authorization:",
        "signature=",
    ];
    // Lower case of ASCII only: every place stays where it is.
    let folded = message.to_ascii_lowercase();
    let Some(echo) = MARKS.iter().filter_map(|mark| folded.find(mark)).min() else {
        return message.to_owned();
    };
    // Back to the end of the sentence before it.
    let before = &message[..echo];
    let end = before.rfind(['.', '\n']).map_or(0, |end| end + 1);
    let before = before[..end].trim_end();
    if before.is_empty() {
        "the answer echoes what was signed: not shown".to_owned()
    } else {
        before.to_owned()
    }
}

/// What an answer means that is no error of the cloud's own: a proxy's page, a cut body. It counts as one that may pass.
pub(crate) fn foreign(cloud: &str, status: StatusCode, body: &[u8], request_id: Option<String>) -> Refusal {
    let throttled = status == StatusCode::TOO_MANY_REQUESTS;
    let fault = if throttled { Fault::Throttled } else { Fault::Transient };
    let html = looks_like_html(body);
    let what = if html { "an HTML page".to_owned() } else { format!("an answer that is no {cloud} error") };
    let hint = match status.as_u16() {
        407 => Some("the proxy wants a name and password: write them into HTTPS_PROXY".to_owned()),
        _ => html.then(|| {
            "a proxy or a load balancer may stand in between: check it, and try again later".to_owned()
        }),
    };
    Refusal {
        fault,
        code: format!("HTTP {}", status.as_u16()),
        message: format!("{what} came instead"),
        request_id,
        hint,
        wait: None,
    }
}

fn looks_like_html(body: &[u8]) -> bool {
    let start: Vec<u8> = body.iter().copied().skip_while(u8::is_ascii_whitespace).take(14).collect();
    let start = start.to_ascii_lowercase();
    start.starts_with(b"<html") || start.starts_with(b"<!doctype html")
}

/// Percent-encodes as strictly as the strictest reader asks: letters, digits and `_.-~` as they are, `blank` for a blank
/// (`+` in forms, `%20` in URLs), all else upper-case `%XX`.
pub(crate) fn encode(text: &str, blank: &str, into: &mut String) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'_' | b'.' | b'-' | b'~' => {
                into.push(char::from(byte));
            }
            b' ' => into.push_str(blank),
            _ => {
                into.push('%');
                into.push(char::from(HEX[usize::from(byte >> 4)]));
                into.push(char::from(HEX[usize::from(byte & 15)]));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn secrets_are_hidden_in_every_spelling() {
        let secrets: [SecretString; 3] = ["wJalr/K7+x=".into(), "".into(), "token".into()];
        let text = "key wJalr/K7+x= and wJalr%2FK7%2Bx%3D, a token twice: token";
        assert_eq!(hide(text, &secrets), "key … and …, a … twice: …");
        assert_eq!(hide("nothing", &secrets), "nothing");
        // `a:wJalr/K7+x=:b` in base64: the secret's neighbours share a character with it on each side.
        let encoded = hide("Authorization: Basic YTp3SmFsci9LNyt4PTpi", &secrets);
        assert_eq!(encoded, "Authorization: Basic YTp…Tpi");
    }

    #[test]
    fn what_the_strictest_reader_wants() {
        let mut form = String::new();
        encode("aZ09_.-~ *+/=&%两\n", "+", &mut form);
        assert_eq!(form, "aZ09_.-~+%2A%2B%2F%3D%26%25%E4%B8%A4%0A");
    }

    proptest! {
        #[test]
        fn what_is_encoded_can_be_read_back(text in any::<String>()) {
            let mut encoded = String::new();
            encode(&text, "%20", &mut encoded);
            prop_assert!(encoded.is_ascii());
            let mut bytes = Vec::new();
            let mut rest = encoded.as_bytes();
            while let Some((first, after)) = rest.split_first() {
                if *first == b'%' {
                    let digits = std::str::from_utf8(&after[..2]).unwrap();
                    bytes.push(u8::from_str_radix(digits, 16).unwrap());
                    rest = &after[2..];
                } else {
                    bytes.push(*first);
                    rest = after;
                }
            }
            prop_assert_eq!(String::from_utf8(bytes).unwrap(), text);
        }

        #[test]
        fn no_cut_text_is_long_or_has_a_second_line(text in any::<String>()) {
            let shown = cut(&text);
            prop_assert!(shown.chars().count() <= 300 && shown.lines().count() <= 1);
        }
    }
}
