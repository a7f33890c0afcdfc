//! COS, Tencent Cloud's object store: XML, with a signature of its own.
//!
//! Owns how a request looks on the wire, its signature ("Request Signature", 请求签名) and what its errors mean. Knows no product but the store.

use super::client::Client;
use super::endpoint;
use crate::account::expose;
use crate::call::{CallError, Credentials, Fault, Refusal, encode, foreign, without_echo};
use crate::client;
use crate::clock::SECOND;
use crate::collector::Action;
use crate::digest::{hex, hmac_sha1, sha1};
use crate::objects::{Api, Wire, texts};
use crate::point::Text;
use crate::run::Run;
use crate::xml;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::Value as Json;

/// From when to when a signature is good, seconds around its time: clocks differ.
const VALID: (i64, i64) = (-60, 900);

/// A call of the service, not of a bucket.
#[derive(Debug)]
pub struct Cos {
    /// The name of the answer's root element.
    pub root: &'static str,
}

#[async_trait::async_trait]
impl Api for Cos {
    async fn ask(
        &self,
        run: &Run,
        region: &Text,
        action: &'static Action,
        parameters: &[(String, Json)],
    ) -> Result<Json, CallError> {
        let client = Client::new(run, region);
        let parameters = texts(parameters);
        let make = |credentials: &Credentials, time: i64| make(&client, credentials, time, &parameters);
        let read = |status: StatusCode, headers: &HeaderMap, bytes: &[u8]| {
            if !status.is_success() {
                return Err(refusal(action, status, headers, bytes));
            }
            let tree = xml::read(bytes).map_err(Refusal::unreadable)?;
            if tree.name != self.root {
                return Err(Refusal::unreadable(format!("the answer is a {}, no {}", tree.name, self.root)));
            }
            Ok(tree.json().unwrap_or_default())
        };
        let request = client::Request { region, action, metrics: 0, make: &make, read: &read };
        client::call(&client, &request).await
    }

    fn wire(&self) -> Wire {
        Wire::Store { root: self.root }
    }
}

/// A GET of the service's root.
fn make(
    client: &Client<'_>,
    credentials: &Credentials,
    time: i64,
    parameters: &[(String, String)],
) -> Result<http::Request<Bytes>, String> {
    let url = endpoint::cos_url(&client.run.account, &client.run.calls)? + "/";
    let unusable = |error: &dyn std::fmt::Display| format!("{url} is no usable endpoint: {error}");
    let target = reqwest::Url::parse(&url).map_err(|error| unusable(&error))?;
    let host = target.host_str().unwrap_or_default();
    // The scheme's own port stands in no `Host`.
    let host = target.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    let query = query(parameters);
    let whole = if query.is_empty() { url.clone() } else { format!("{url}?{query}") };
    let mut request = http::Request::get(whole).body(Bytes::new()).map_err(|error| unusable(&error))?;
    let mut add = |name: &'static str, value: &str| {
        let mut value = HeaderValue::from_str(value)
            .map_err(|_| format!("the header {name} holds what no header can"))?;
        value.set_sensitive(true);
        request.headers_mut().insert(name, value);
        Ok::<(), String>(())
    };
    let token = credentials.session_token.as_ref().map(expose);
    let mut signed = vec![("host", host.as_str())];
    signed.extend(token.map(|token| ("x-cos-security-token", token)));
    add("authorization", &authorization(credentials, "get", "/", parameters, &signed, time))?;
    if let Some(token) = token {
        add("x-cos-security-token", token)?;
    }
    Ok(request)
}

fn encoded(text: &str) -> String {
    let mut encoded = String::new();
    encode(text, "%20", &mut encoded);
    encoded
}

/// A query as it is sent.
fn query(parameters: &[(String, String)]) -> String {
    let pairs: Vec<String> =
        parameters.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
    pairs.join("&")
}

/// `Authorization` of COS: names in lower case, sorted; `time` is nanoseconds since 1970.
#[must_use]
pub fn authorization(
    credentials: &Credentials,
    method: &str,
    path: &str,
    parameters: &[(String, String)],
    headers: &[(&str, &str)],
    time: i64,
) -> String {
    let sorted = |pairs: Vec<(String, String)>| {
        let mut pairs = pairs;
        pairs.sort();
        let list = pairs.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(";");
        let text = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&");
        (list, text)
    };
    let lower = |name: &str, value: &str| (encoded(name).to_lowercase(), encoded(value));
    let (parameter_list, parameter_text) =
        sorted(parameters.iter().map(|(name, value)| lower(name, value)).collect());
    let (header_list, header_text) = sorted(headers.iter().map(|(name, value)| lower(name, value)).collect());
    let now = time / SECOND;
    let key_time = format!("{};{}", now + VALID.0, now + VALID.1);
    let key = hex(&hmac_sha1(expose(&credentials.secret_key).as_bytes(), &key_time));
    let http = format!("{method}\n{path}\n{parameter_text}\n{header_text}\n");
    let to_sign = format!("sha1\n{key_time}\n{}\n", sha1(http));
    let signature = hex(&hmac_sha1(key.as_bytes(), &to_sign));
    format!(
        "q-sign-algorithm=sha1&q-ak={}&q-sign-time={key_time}&q-key-time={key_time}&q-header-list={header_list}&q-url-param-list={parameter_list}&q-signature={signature}",
        credentials.access_key
    )
}

/// What an answer that is no success means.
fn refusal(action: &Action, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Refusal {
    let request_id = headers.get("x-cos-request-id").and_then(|value| value.to_str().ok()).map(str::to_owned);
    let told = xml::read(body).ok().filter(|tree| tree.name == "Error");
    let member = |name: &str| told.as_ref().and_then(|tree| tree.get(name)?.text());
    let Some(code) = member("Code") else { return foreign("Tencent Cloud", status, body, request_id) };
    let (fault, hint) = match code.as_str() {
        "SlowDown" | "TooManyRequests" | "RequestLimitExceeded" => (
            Fault::Throttled,
            Some(format!(
                "other programs use the same quota: lower the rate with `[limits]` \"tencentcloud.{}.{}\"",
                action.service, action.action
            )),
        ),
        "RequestTimeTooSkewed" | "ExpiredRequest" => (Fault::Skewed, None),
        "AccessDenied" | "UnauthorizedOperation" => (
            Fault::Denied,
            Some(format!(
                "grant the sub-user of these keys the permission {} (the policy QcloudCOSReadOnlyAccess holds it)",
                action.permission
            )),
        ),
        "SignatureDoesNotMatch" => {
            (Fault::Authentication, Some("`ak_secret` does not belong to `ak_id`: copy both again".into()))
        }
        "InvalidAccessKeyId" | "InvalidSecretId" | "ExpiredToken" | "InvalidToken" => (
            Fault::Authentication,
            Some("check `ak_id` (the SecretId) and `security_token`: are they copied whole, active, and of this site (China, international)?".into()),
        ),
        _ if status.is_server_error() => (Fault::Transient, None),
        _ if status == StatusCode::TOO_MANY_REQUESTS => (Fault::Throttled, None),
        _ => (Fault::Refused, None),
    };
    Refusal {
        fault,
        code,
        message: without_echo(&member("Message").unwrap_or_default()),
        request_id: member("RequestId").or(request_id),
        hint,
        wait: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static ACTION: Action = Action {
        service: "cos",
        action: "GetService",
        permission: "name/cos:GetService",
        rate: 1.0,
        when: "",
    };

    #[test]
    fn every_code_has_its_class() {
        for (status, code, fault) in [
            (403, "AccessDenied", Fault::Denied),
            (403, "SignatureDoesNotMatch", Fault::Authentication),
            (403, "InvalidAccessKeyId", Fault::Authentication),
            (403, "RequestTimeTooSkewed", Fault::Skewed),
            (503, "SlowDown", Fault::Throttled),
            (503, "ServiceUnavailable", Fault::Transient),
            (404, "NoSuchBucket", Fault::Refused),
        ] {
            let body = format!(
                "<?xml version='1.0'?><Error><Code>{code}</Code><Message>m</Message><RequestId>r</RequestId></Error>"
            );
            let status = StatusCode::from_u16(status).unwrap();
            let refusal = refusal(&ACTION, status, &HeaderMap::new(), body.as_bytes());
            assert_eq!((refusal.fault, refusal.code.as_str(), refusal.message.as_str()), (fault, code, "m"));
            assert_eq!(refusal.request_id.as_deref(), Some("r"));
        }
        let html = refusal(&ACTION, StatusCode::BAD_GATEWAY, &HeaderMap::new(), b"<html>busy</html>");
        assert_eq!(html.fault, Fault::Transient);
    }
}
