//! Foreign text before it is shown, and text before it is sent.
//!
//! Owns the two bounds of what a person sees of a cloud's words: how much, and nothing of a secret.

use crate::account::expose;
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

/// The text with `…` where one of the secrets stood, as it is or percent-encoded. To be done before the text is cut: half a
/// secret would not be found.
#[must_use]
pub fn hide<'secrets>(text: &str, secrets: impl IntoIterator<Item = &'secrets SecretString>) -> String {
    let mut shown = text.to_owned();
    for secret in secrets {
        let secret = expose(secret);
        if secret.is_empty() {
            continue;
        }
        let mut encoded = String::new();
        encode(secret, "%20", &mut encoded);
        for spelling in [secret, &encoded] {
            if shown.contains(spelling) {
                shown = shown.replace(spelling, "…");
            }
        }
    }
    shown
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
    fn secrets_are_hidden_in_both_spellings() {
        let secrets: [SecretString; 3] = ["wJalr/K7+x=".into(), "".into(), "token".into()];
        let text = "key wJalr/K7+x= and wJalr%2FK7%2Bx%3D, a token twice: token";
        assert_eq!(hide(text, &secrets), "key … and …, a … twice: …");
        assert_eq!(hide("nothing", &secrets), "nothing");
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
