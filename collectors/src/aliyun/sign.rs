//! Signatures of Alibaba Cloud: ACS3-HMAC-SHA256 for the OpenAPI products, OSS4-HMAC-SHA256 for OSS.
//!
//! Owns the way from a request's parts to its `Authorization`. Follows the documents "V3 request body and signature mechanism" and "Include
//! V4 signatures in the Authorization header". Knows no product.
//!
//! On the wire stands what is signed: names and values encoded alike, a blank as `%20`, sorted.

use crate::account::expose;
use crate::call::{Credentials, encode};
use crate::clock::system_time;
use crate::digest::{hex, hmac, sha256};
use chrono::{DateTime, Utc};
use std::fmt::Write as _;

/// The SHA-256 of a body, in lower-case hexadecimal digits.
#[must_use]
pub fn body_hash(body: &[u8]) -> String {
    sha256(body)
}

fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    encode(text, "%20", &mut encoded);
    encoded
}

/// A path as it is signed and sent: every segment encoded, slashes kept.
#[must_use]
pub fn path(path: &str) -> String {
    path.split('/').map(encoded).collect::<Vec<_>>().join("/")
}

/// One segment of a path as it is signed and sent.
#[must_use]
pub fn segment(text: &str) -> String {
    encoded(text)
}

/// A query as it is signed and sent. OSS writes a name without a value alone, the other products with `=`.
fn query(parameters: &[(String, String)], bare: bool) -> String {
    let mut pairs: Vec<(String, String)> =
        parameters.iter().map(|(name, value)| (encoded(name), encoded(value))).collect();
    pairs.sort();
    let pairs = pairs.into_iter().map(|(name, value)| match value.as_str() {
        "" if bare => name,
        _ => format!("{name}={value}"),
    });
    pairs.collect::<Vec<_>>().join("&")
}

/// The query of an OpenAPI product.
#[must_use]
pub fn acs3_query(parameters: &[(String, String)]) -> String {
    query(parameters, false)
}

/// The query of OSS.
#[must_use]
pub fn oss4_query(parameters: &[(String, String)]) -> String {
    query(parameters, true)
}

/// Header lines and their names, as both schemes write them: lower case, trimmed, sorted.
fn canonical(headers: &[(&str, &str)], signed: impl Fn(&str) -> bool) -> (String, Vec<String>) {
    let mut lines: Vec<(String, &str)> = headers
        .iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim()))
        .filter(|(name, _)| signed(name))
        .collect();
    lines.sort();
    let text = lines.iter().fold(String::new(), |mut text, (name, value)| {
        let _ = writeln!(text, "{name}:{value}");
        text
    });
    (text, lines.into_iter().map(|(name, _)| name).collect())
}

/// `Authorization` by ACS3-HMAC-SHA256. All `headers` are signed: `host`, `content-type` and every `x-acs-*` must be among them, and
/// `x-acs-content-sha256` is the hash of the body. `path` and `query` are as they are sent.
#[must_use]
pub fn acs3(
    credentials: &Credentials,
    method: &str,
    path: &str,
    query: &str,
    headers: &[(&str, &str)],
    body_hash: &str,
) -> String {
    let (lines, names) = canonical(headers, |_| true);
    let names = names.join(";");
    let request = format!("{method}\n{path}\n{query}\n{lines}\n{names}\n{body_hash}");
    let text = format!("ACS3-HMAC-SHA256\n{}", sha256(request));
    let signature = hex(&hmac(expose(&credentials.secret_key).as_bytes(), &text));
    format!(
        "ACS3-HMAC-SHA256 Credential={},SignedHeaders={names},Signature={signature}",
        credentials.access_key
    )
}

/// What OSS signs a request as.
#[derive(Clone, Copy, Debug)]
pub struct Oss4<'request> {
    /// `GET`.
    pub method: &'request str,
    /// `/` for the service, `/bucket/` for a bucket whatever the host says, `/bucket/key`; encoded.
    pub resource: &'request str,
    /// As it is sent.
    pub query: &'request str,
    /// All that are sent; those that must be signed are chosen.
    pub headers: &'request [(&'request str, &'request str)],
    /// Names of others that are signed too, lower case.
    pub additional: &'request [&'request str],
    /// `cn-hangzhou`, without `oss-`.
    pub region: &'request str,
    /// Nanoseconds since 1970; `x-oss-date` says the same.
    pub time: i64,
}

/// `Authorization` by OSS4-HMAC-SHA256, with an unsigned body.
#[must_use]
pub fn oss4(credentials: &Credentials, request: &Oss4<'_>) -> String {
    let must = |name: &str| name.starts_with("x-oss-") || ["content-type", "content-md5"].contains(&name);
    let (lines, _) = canonical(request.headers, |name| must(name) || request.additional.contains(&name));
    // Those that must be signed are not named.
    let mut named: Vec<&str> = request.additional.iter().copied().filter(|name| !must(name)).collect();
    named.sort_unstable();
    let named = named.join(";");
    let Oss4 { method, resource, query, region, .. } = request;
    let canonical = format!("{method}\n{resource}\n{query}\n{lines}\n{named}\nUNSIGNED-PAYLOAD");
    let moment = oss_time(request.time);
    let date = &moment[..8];
    let scope = format!("{date}/{region}/oss/aliyun_v4_request");
    let text = format!("OSS4-HMAC-SHA256\n{moment}\n{scope}\n{}", sha256(canonical));
    let secret = format!("aliyun_v4{}", expose(&credentials.secret_key));
    let key = [date, region, "oss", "aliyun_v4_request"]
        .iter()
        .fold(secret.into_bytes(), |key, part| hmac(&key, part));
    let signature = hex(&hmac(&key, &text));
    let additional = if named.is_empty() { String::new() } else { format!("AdditionalHeaders={named},") };
    format!(
        "OSS4-HMAC-SHA256 Credential={}/{scope},{additional}Signature={signature}",
        credentials.access_key
    )
}

/// `2024-05-06T07:08:09Z`, as `x-acs-date` wants it; nanoseconds since 1970.
#[must_use]
pub fn acs_time(time: i64) -> String {
    DateTime::<Utc>::from(system_time(time)).format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// `20240506T070809Z`, as `x-oss-date` wants it; nanoseconds since 1970.
#[must_use]
pub fn oss_time(time: i64) -> String {
    DateTime::<Utc>::from(system_time(time)).format("%Y%m%dT%H%M%SZ").to_string()
}
