//! Checks the signature of COS from the raw request, by the document "请求签名".
//!
//! Owns the check alone. Shares no code with any client.

use crate::server::Asked;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::{Digest as _, Sha1};

/// Names and values of a query.
pub(super) fn pairs(query: &str) -> Vec<(String, String)> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (decode(name), decode(value)))
        .collect()
}

/// Is the request signed as the document says, for this moment?
pub(super) fn check(
    asked: &Asked,
    query: &[(String, String)],
    now: i64,
    secret: impl Fn(&str) -> Option<String>,
) -> Result<(), (&'static str, &'static str)> {
    let header = asked.header("authorization").unwrap_or_default();
    let part = |name: &str| {
        header.split('&').find_map(|part| part.strip_prefix(name)?.strip_prefix('=')).unwrap_or_default()
    };
    if part("q-sign-algorithm") != "sha1" || part("q-sign-time") != part("q-key-time") {
        return Err(("InvalidArgument", "the algorithm is sha1, and both times are the same"));
    }
    let time = part("q-key-time");
    let (start, end) = time.split_once(';').unwrap_or_default();
    let (Ok(start), Ok(end)) = (start.parse::<i64>(), end.parse::<i64>()) else {
        return Err(("InvalidArgument", "q-key-time is no span"));
    };
    if now < start || now > end {
        return Err(("RequestTimeTooSkewed", "The request is not within its time"));
    }
    let secret = secret(part("q-ak")).ok_or(("InvalidAccessKeyId", "The Access Key Id does not exist"))?;
    let encoded = |pairs: Vec<(String, String)>| {
        let mut pairs: Vec<(String, String)> =
            pairs.iter().map(|(name, value)| (encode(name).to_lowercase(), encode(value))).collect();
        pairs.sort();
        let names: Vec<&str> = pairs.iter().map(|(name, _)| name.as_str()).collect();
        let text: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
        (names.join(";"), text.join("&"))
    };
    let (parameter_names, parameters) = encoded(query.to_vec());
    let signed: Vec<(String, String)> = part("q-header-list")
        .split(';')
        .map(|name| (name.to_owned(), asked.header(name).unwrap_or_default().to_owned()))
        .collect();
    let host = signed.iter().any(|(name, _)| name == "host");
    let (header_names, headers) = encoded(signed);
    let http =
        format!("{}\n{}\n{parameters}\n{headers}\n", asked.method.as_str().to_lowercase(), asked.uri.path());
    let to_sign = format!("sha1\n{time}\n{}\n", hex(&Sha1::digest(http.as_bytes())));
    let key = hex(&mac(secret.as_bytes(), time));
    let right = hex(&mac(key.as_bytes(), &to_sign)) == part("q-signature");
    let lists = part("q-url-param-list") == parameter_names && part("q-header-list") == header_names;
    if right && lists && host {
        Ok(())
    } else {
        Err(("SignatureDoesNotMatch", "The Signature you specified is invalid."))
    }
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    #[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
    let mut mac = Hmac::<Sha1>::new_from_slice(key).expect("any key");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn encode(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

fn decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.filter(|_| *byte == b'%').and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(decoded) => {
                bytes.push(decoded);
                rest = &after[2..];
            }
            None => {
                bytes.push(*byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
