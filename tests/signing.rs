//! Signing, held against vectors that the official SDKs made.
//!
//! All `*.json` files of the folder that `FUNCHOST_VECTORS` names are read, else those of `tests/vectors`. A vector whose scheme this
//! program does not speak is passed over by its scheme, one that is marked `aws_sigv4_rust_differs` by that mark.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use bytes::Bytes;
use funchost_collectors::aliyun::sign as aliyun;
use funchost_collectors::aws::sign::{Credentials, sign};
use funchost_collectors::clock::{SECOND, nanoseconds};
use funchost_collectors::tencentcloud::{cos, sign as tencentcloud};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    vectors: Vec<serde_json::Value>,
}

/// One vector of SigV4, as `tests/vectors/aws.json` has it.
#[derive(Deserialize)]
struct Vector {
    name: String,
    service: String,
    region: String,
    method: String,
    url: String,
    headers: Vec<(String, String)>,
    body_utf8: Option<String>,
    body_base64: Option<String>,
    body_repeat: Option<String>,
    times: Option<usize>,
    access_key: String,
    secret_key: String,
    session_token: Option<String>,
    time: String,
    authorization: String,
    aws_sigv4_rust_differs: Option<String>,
}

impl Vector {
    fn sign(&self) -> Result<String, String> {
        let time = chrono::NaiveDateTime::parse_from_str(&self.time, "%Y%m%dT%H%M%SZ").expect("a time");
        let mut request = http::Request::builder().method(self.method.as_str()).uri(&self.url);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let mut request = request
            .body(body(&self.body_utf8, &self.body_repeat, self.times, &self.body_base64))
            .map_err(|error| error.to_string())?;
        let credentials = Credentials {
            access_key: self.access_key.clone(),
            secret_key: self.secret_key.clone().into(),
            session_token: self.session_token.clone().map(Into::into),
            expires: None,
        };
        sign(&mut request, &credentials, &self.region, &self.service, nanoseconds(time.and_utc().into()))?;
        if let Some(token) = &self.session_token {
            assert_eq!(request.headers()["x-amz-security-token"], token.as_str(), "{}", self.name);
        }
        Ok(request.headers()["authorization"].to_str().expect("ASCII").to_owned())
    }
}

fn decode_base64(text: &str) -> Vec<u8> {
    let digits = text.bytes().filter(|byte| *byte != b'=').map(|byte| match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        other => panic!("{other} is no base64"),
    });
    let mut bytes = Vec::new();
    let (mut bits, mut count) = (0_u32, 0);
    for digit in digits {
        bits = bits << 6 | u32::from(digit);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count & 0xff) as u8);
        }
    }
    bytes
}

fn folder() -> PathBuf {
    std::env::var_os("FUNCHOST_VECTORS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors"), PathBuf::from)
}

/// One vector of Alibaba Cloud, as `tests/vectors/aliyun.json` has it.
#[derive(Deserialize)]
struct AliyunVector {
    id: String,
    scheme: String,
    access_key_id: String,
    access_key_secret: String,
    method: String,
    path: Option<String>,
    bucket: Option<String>,
    key: Option<String>,
    region: Option<String>,
    timestamp: String,
    query: BTreeMap<String, String>,
    body: Option<String>,
    #[serde(default)]
    additional_headers: Option<Vec<String>>,
    headers: BTreeMap<String, String>,
    authorization: String,
}

impl AliyunVector {
    fn sign(&self) -> String {
        let credentials = Credentials {
            access_key: self.access_key_id.clone(),
            secret_key: self.access_key_secret.clone().into(),
            session_token: None,
            expires: None,
        };
        let query: Vec<(String, String)> = self.query.clone().into_iter().collect();
        let headers: Vec<(&str, &str)> =
            self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        if self.scheme == "acs3" {
            let path = self.path.as_deref().unwrap_or("/");
            let hash = aliyun::body_hash(self.body.as_deref().unwrap_or_default().as_bytes());
            assert_eq!(self.headers["x-acs-content-sha256"], hash, "{}", self.id);
            return aliyun::acs3(
                &credentials,
                &self.method,
                path,
                &aliyun::acs3_query(&query),
                &headers,
                &hash,
            );
        }
        let time = chrono::NaiveDateTime::parse_from_str(&self.timestamp, "%Y%m%dT%H%M%SZ").expect("a time");
        let resource = match self.bucket.as_deref().filter(|bucket| !bucket.is_empty()) {
            Some(bucket) => format!("/{bucket}/{}", aliyun::path(self.key.as_deref().unwrap_or_default())),
            None => "/".to_owned(),
        };
        let additional: Vec<&str> = self.additional_headers.iter().flatten().map(String::as_str).collect();
        aliyun::oss4(
            &credentials,
            &aliyun::Oss4 {
                method: &self.method,
                resource: &resource,
                query: &aliyun::oss4_query(&query),
                headers: &headers,
                additional: &additional,
                region: self.region.as_deref().expect("OSS V4 has a region"),
                time: nanoseconds(time.and_utc().into()),
            },
        )
    }
}

/// One vector of Tencent Cloud, as `tests/vectors/tencentcloud.json` has it.
#[derive(Deserialize)]
struct TencentVector {
    name: String,
    service: String,
    host: String,
    action: String,
    method: String,
    query: Option<String>,
    content_type: String,
    body_utf8: Option<String>,
    body_base64: Option<String>,
    body_repeat: Option<String>,
    times: Option<usize>,
    secret_id: String,
    secret_key: String,
    timestamp: i64,
    unsigned_payload: bool,
    sign_action: bool,
    authorization: String,
}

impl TencentVector {
    fn sign(&self) -> String {
        let body = if self.unsigned_payload {
            "UNSIGNED-PAYLOAD".into()
        } else if self.method == "GET" {
            Bytes::new()
        } else {
            body(&self.body_utf8, &self.body_repeat, self.times, &self.body_base64)
        };
        let mut headers = vec![("content-type", self.content_type.as_str()), ("host", self.host.as_str())];
        if self.sign_action {
            headers.push(("x-tc-action", self.action.as_str()));
        }
        let credentials = Credentials {
            access_key: self.secret_id.clone(),
            secret_key: self.secret_key.clone().into(),
            session_token: None,
            expires: None,
        };
        tencentcloud::tc3(
            &credentials,
            &tencentcloud::Tc3 {
                method: &self.method,
                query: self.query.as_deref().unwrap_or_default(),
                headers: &headers,
                body_hash: &tencentcloud::body_hash(&body),
                service: &self.service,
                time: self.timestamp * SECOND,
            },
        )
    }
}

/// One vector of COS, as `tests/vectors/market.json` has it.
#[derive(Deserialize)]
struct CosVector {
    name: String,
    method: String,
    path: String,
    parameters: Vec<(String, String)>,
    headers: Vec<(String, String)>,
    secret_id: String,
    secret_key: String,
    timestamp: i64,
    authorization: String,
}

impl CosVector {
    fn sign(&self) -> String {
        let credentials = Credentials {
            access_key: self.secret_id.clone(),
            secret_key: self.secret_key.clone().into(),
            session_token: None,
            expires: None,
        };
        let headers: Vec<(&str, &str)> =
            self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let time = self.timestamp * SECOND;
        cos::authorization(&credentials, &self.method, &self.path, &self.parameters, &headers, time)
    }
}

/// A body as vectors write it.
fn body(
    text: &Option<String>,
    repeated: &Option<String>,
    times: Option<usize>,
    base64: &Option<String>,
) -> Bytes {
    if let Some(text) = text {
        return text.clone().into();
    }
    if let Some(text) = repeated {
        return text.repeat(times.expect("a repeated body says how often")).into();
    }
    decode_base64(base64.as_deref().expect("a vector has a body")).into()
}

/// What a vector asks for, and what this program makes of it; none where it does not speak the scheme.
enum Tried {
    Signed { name: String, made: Result<String, String>, wanted: String },
    Marked,
}

fn attempt(value: serde_json::Value, path: &Path) -> Option<Tried> {
    // Vectors of the other clouds say their scheme, or have no `service` and `region` of SigV4.
    if value["authorization"].as_str().is_some_and(|header| header.starts_with("AWS4-HMAC-SHA256 ")) {
        let vector: Vector =
            serde_json::from_value(value).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        if vector.aws_sigv4_rust_differs.is_some() {
            return Some(Tried::Marked);
        }
        let made = vector.sign();
        return Some(Tried::Signed { name: vector.name, made, wanted: vector.authorization });
    }
    if value["scheme"] == "cos" {
        let vector: CosVector =
            serde_json::from_value(value).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let made = Ok(vector.sign());
        return Some(Tried::Signed { name: vector.name, made, wanted: vector.authorization });
    }
    if matches!(value["scheme"].as_str(), Some("acs3" | "oss-v4")) {
        let vector: AliyunVector =
            serde_json::from_value(value).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let made = Ok(vector.sign());
        return Some(Tried::Signed { name: vector.id, made, wanted: vector.authorization });
    }
    if value["authorization"].as_str().is_some_and(|header| header.starts_with("TC3-HMAC-SHA256 ")) {
        let vector: TencentVector =
            serde_json::from_value(value).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let made = Ok(vector.sign());
        return Some(Tried::Signed { name: vector.name, made, wanted: vector.authorization });
    }
    None
}

#[test]
fn every_vector_is_signed_as_the_official_sdk_does() {
    let folder = folder();
    let files: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.expect("the folder can be read").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "json"))
        .collect();
    let (mut right, mut marked, mut other) = (0, 0, 0);
    let mut wrong = Vec::new();
    for path in files {
        let text = std::fs::read_to_string(&path).expect("a vector file can be read");
        let file: File =
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        for value in file.vectors {
            match attempt(value, &path) {
                None => other += 1,
                Some(Tried::Marked) => marked += 1,
                Some(Tried::Signed { made: Ok(made), wanted, .. }) if made == wanted => right += 1,
                Some(Tried::Signed { name, made, wanted }) => {
                    wrong.push(format!("{name}\n  {}\n  {wanted}", made.unwrap_or_else(|error| error)));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(right > 0, "no vector was tested in {}", folder.display());
    // Of our own folder it is known how many the mark excuses: no other may hide behind it.
    if std::env::var_os("FUNCHOST_VECTORS").is_none() {
        assert_eq!(
            (right, marked, other),
            (31 + 30 + 25 + 34 + 7 + 3 + 4, 3, 27 + 8),
            "34 of SigV4, 30 of ACS3, 25 of OSS V4, 34 of TC3; of the market 7 of SigV4, 3 of ACS3, 4 of COS"
        );
    }
    println!("{right} vectors right, {marked} passed over by their mark, {other} of other schemes");
}
