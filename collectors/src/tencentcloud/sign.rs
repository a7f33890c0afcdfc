//! Signature TC3-HMAC-SHA256.
//!
//! Owns the way from a request's parts to its `Authorization`. Follows the document "Signature v3" (签名方法 v3). Knows no product.

use crate::account::expose;
use crate::call::Credentials;
use crate::clock::SECOND;
use crate::digest::{hex, hmac, sha256};
use chrono::DateTime;

/// What is signed.
#[derive(Clone, Copy, Debug)]
pub struct Tc3<'request> {
    /// `POST`.
    pub method: &'request str,
    /// Encoded; empty for POST.
    pub query: &'request str,
    /// Exactly as it is sent: `content-type` and `host` must be among them.
    pub headers: &'request [(&'request str, &'request str)],
    /// The body's SHA-256; of the word UNSIGNED-PAYLOAD where the body is not signed.
    pub body_hash: &'request str,
    /// `cvm`.
    pub service: &'request str,
    /// Nanoseconds since 1970; `X-TC-Timestamp` says the same in seconds.
    pub time: i64,
}

/// The SHA-256 of a body, in lower-case hexadecimal digits.
#[must_use]
pub fn body_hash(body: &[u8]) -> String {
    sha256(body)
}

/// `Authorization` by TC3-HMAC-SHA256. Names and values of headers are signed in lower case; the date is that of UTC.
#[must_use]
pub fn tc3(credentials: &Credentials, request: &Tc3<'_>) -> String {
    let mut headers: Vec<(String, String)> = request
        .headers
        .iter()
        .map(|(name, value)| (name.to_lowercase(), value.trim().to_lowercase()))
        .collect();
    headers.sort();
    let lines: String = headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    let names = headers.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(";");
    let Tc3 { method, query, body_hash, service, time, .. } = request;
    let canonical = format!("{method}\n/\n{query}\n{lines}\n{names}\n{body_hash}");
    let timestamp = time / SECOND;
    let date = DateTime::from_timestamp(timestamp, 0).unwrap_or_default().format("%Y-%m-%d").to_string();
    let scope = format!("{date}/{service}/tc3_request");
    let text = format!("TC3-HMAC-SHA256\n{timestamp}\n{scope}\n{}", sha256(canonical));
    let secret = format!("TC3{}", expose(&credentials.secret_key));
    let key = [date.as_str(), service, "tc3_request"]
        .iter()
        .fold(secret.into_bytes(), |key, part| hmac(&key, part));
    let signature = hex(&hmac(&key, &text));
    format!(
        "TC3-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={signature}",
        credentials.access_key
    )
}
