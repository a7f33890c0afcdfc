//! The client of one region: requests in AWS's two protocols, signed, by the one path.
//!
//! Owns how a request looks on the wire and which keys sign it. CloudWatch speaks JSON 1.0, EC2 and STS the Query protocol (AWS API
//! references of each). Knows no product.

use super::sign::{Credentials, sign};
use super::{endpoint, errors};
use crate::account::{Cloud, expose};
use crate::call::{CallError, Fault, Refusal, encode};
use crate::client::{self, Provider};
use crate::collector::Action;
use crate::point::Text;
use crate::run::Run;
use crate::xml;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The target prefix of CloudWatch's JSON protocol.
const CLOUDWATCH: &str = "GraniteServiceVersion20100801";

/// How long an assumed role's keys shall be valid: the longest that role chaining allows.
const ROLE_SECONDS: u32 = 3600;

/// Assuming a role, which any collector may have to do first.
pub static ASSUME_ROLE: Action = Action {
    service: "sts",
    action: "AssumeRole",
    permission: "sts:AssumeRole",
    rate: 10.0,
    when: "once an hour, where the account has `role_arn`",
};

/// The client of one region.
pub struct Client<'run> {
    run: &'run Run,
    region: Text,
}

impl<'run> Client<'run> {
    /// A client for the run's account.
    #[must_use]
    pub fn new(run: &'run Run, region: &Text) -> Self {
        Self { run, region: region.clone() }
    }

    /// The cloud's time, nanoseconds since 1970.
    #[must_use]
    pub fn now(&self) -> i64 {
        self.run.calls.now(Cloud::Aws)
    }

    /// A call in the JSON 1.0 protocol of CloudWatch.
    ///
    /// # Errors
    /// A [`CallError`] when it failed for good; an answer of the wrong shape counts as one that may pass.
    pub async fn json<T: DeserializeOwned + Send>(
        &self,
        action: &'static Action,
        body: &(impl Serialize + Sync),
    ) -> Result<T, CallError> {
        self.target(action, CLOUDWATCH, "1.0", body).await
    }

    /// A call in the JSON 1.0 protocol of CloudWatch that is billed by the metrics it asks for, each page and each attempt anew.
    ///
    /// # Errors
    /// As [`Client::json`].
    pub async fn billed<T: DeserializeOwned + Send>(
        &self,
        action: &'static Action,
        metrics: u64,
        body: &(impl Serialize + Sync),
    ) -> Result<T, CallError> {
        self.billed_target(action, metrics, CLOUDWATCH, "1.0", body).await
    }

    /// A call in the JSON protocol of a service whose targets begin so, in the protocol's version (`1.0`, `1.1`).
    ///
    /// # Errors
    /// A [`CallError`] when it failed for good; an answer of the wrong shape counts as one that may pass.
    pub async fn target<T: DeserializeOwned + Send>(
        &self,
        action: &'static Action,
        prefix: &str,
        version: &str,
        body: &(impl Serialize + Sync),
    ) -> Result<T, CallError> {
        self.billed_target(action, 0, prefix, version, body).await
    }

    /// The same, billed by so many metrics.
    ///
    /// # Errors
    /// As [`Client::target`].
    pub async fn billed_target<T: DeserializeOwned + Send>(
        &self,
        action: &'static Action,
        metrics: u64,
        prefix: &str,
        version: &str,
        body: &(impl Serialize + Sync),
    ) -> Result<T, CallError> {
        self.signed(action, metrics, &OnWire::target(action, prefix, version, body), &json).await
    }

    /// A call of a path, with a JSON body or with none, billed by so many metrics; `place` is the path and query, encoded.
    ///
    /// # Errors
    /// A [`CallError`] when it failed for good; what `read` refuses counts as an answer that may pass.
    pub async fn rest<T: Send>(
        &self,
        action: &'static Action,
        metrics: u64,
        method: Method,
        place: String,
        body: Option<&serde_json::Value>,
        read: impl Fn(&[u8]) -> Result<T, String> + Send + Sync,
    ) -> Result<T, CallError> {
        let kind = (header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let wire = OnWire {
            method,
            place,
            headers: body.iter().map(|_| kind.clone()).collect(),
            body: body.map_or_else(Bytes::new, |body| Bytes::from(body.to_string())),
        };
        self.signed(action, metrics, &wire, &read).await
    }

    /// A call in the Query protocol: a form goes in, XML comes out.
    ///
    /// # Errors
    /// A [`CallError`] when it failed for good; what `read` refuses counts as an answer that may pass.
    pub async fn query<T: Send>(
        &self,
        action: &'static Action,
        version: &str,
        parameters: &[(String, String)],
        read: impl Fn(&[u8]) -> Result<T, String> + Send + Sync,
    ) -> Result<T, CallError> {
        self.billed_query(action, 0, version, parameters, read).await
    }

    /// The same, billed by so many metrics.
    ///
    /// # Errors
    /// As [`Client::query`].
    pub async fn billed_query<T: Send>(
        &self,
        action: &'static Action,
        metrics: u64,
        version: &str,
        parameters: &[(String, String)],
        read: impl Fn(&[u8]) -> Result<T, String> + Send + Sync,
    ) -> Result<T, CallError> {
        self.signed(action, metrics, &OnWire::form(action, version, parameters), &read).await
    }

    async fn signed<T: Send>(
        &self,
        action: &'static Action,
        metrics: u64,
        wire: &OnWire,
        read: &(dyn Fn(&[u8]) -> Result<T, String> + Send + Sync),
    ) -> Result<T, CallError> {
        let make = self.make(action, wire);
        let read = self.read(action, read);
        let request = client::Request { region: &self.region, action, metrics, make: &make, read: &read };
        client::call(self, &request).await.map_err(|error| self.explain(action, error))
    }

    /// How a request is made.
    fn make(
        &self,
        action: &'static Action,
        wire: &OnWire,
    ) -> impl Fn(&Credentials, i64) -> Result<http::Request<Bytes>, String> + Send + Sync {
        move |credentials, time| {
            let url = endpoint::url(&self.run.account, &self.run.calls, action.service, &self.region)?;
            let mut request = http::Request::builder()
                .method(wire.method.clone())
                .uri(format!("{url}{}", wire.place))
                .body(wire.body.clone())
                .map_err(|error| format!("{url} is no usable endpoint: {error}"))?;
            request.headers_mut().extend(wire.headers.iter().cloned());
            sign(&mut request, credentials, &self.region, endpoint::signing_name(action.service), time)?;
            Ok(request)
        }
    }

    /// How an answer is read.
    fn read<T>(
        &self,
        action: &'static Action,
        read: &(dyn Fn(&[u8]) -> Result<T, String> + Send + Sync),
    ) -> impl Fn(StatusCode, &HeaderMap, &[u8]) -> Result<T, Refusal> + Send + Sync {
        move |status, headers, bytes| {
            if status.is_success() {
                read(bytes).map_err(Refusal::unreadable)
            } else {
                Err(errors::refusal(action, &self.region, status, headers, bytes))
            }
        }
    }

    /// See [`client::explain`].
    fn explain(&self, action: &Action, error: CallError) -> CallError {
        client::explain(self, action, error, || endpoint::region_hint(&self.region))
    }
}

#[async_trait::async_trait]
impl Provider for Client<'_> {
    fn run(&self) -> &Run {
        self.run
    }

    fn cloud(&self) -> Cloud {
        Cloud::Aws
    }

    fn is_expired(&self, code: &str) -> bool {
        errors::is_expired(code)
    }

    fn roles(&self) -> Result<String, String> {
        endpoint::url(&self.run.account, &self.run.calls, "sts", &self.region)
    }

    /// STS `AssumeRole` (2011-06-15).
    async fn assume(&self, role: &str, own: &Credentials) -> Result<Credentials, CallError> {
        let account = &self.run.account;
        let session = account.role_session_name.as_deref().unwrap_or("funchost");
        let mut parameters = vec![
            ("RoleArn".to_owned(), role.to_owned()),
            ("RoleSessionName".to_owned(), session.to_owned()),
            ("DurationSeconds".to_owned(), ROLE_SECONDS.to_string()),
        ];
        if let Some(external) = &account.external_id {
            parameters.push(("ExternalId".to_owned(), expose(external).to_owned()));
        }
        let read = |bytes: &[u8]| {
            let tree = xml::read(bytes)?;
            let found =
                tree.at(&["AssumeRoleResult", "Credentials"]).ok_or("the answer holds no credentials")?;
            let member = |name: &str| {
                found.get(name).and_then(xml::Node::text).ok_or_else(|| format!("the answer holds no {name}"))
            };
            let expires = chrono::DateTime::parse_from_rfc3339(&member("Expiration")?)
                .map_err(|_| "the answer's Expiration is no time".to_owned())?;
            Ok(Credentials {
                access_key: member("AccessKeyId")?,
                secret_key: member("SecretAccessKey")?.into(),
                session_token: Some(member("SessionToken")?.into()),
                expires: expires.timestamp_nanos_opt(),
            })
        };
        let wire = OnWire::form(&ASSUME_ROLE, "2011-06-15", &parameters);
        let make = self.make(&ASSUME_ROLE, &wire);
        let read = self.read(&ASSUME_ROLE, &read);
        let request = client::Request {
            region: &self.region,
            action: &ASSUME_ROLE,
            metrics: 0,
            make: &make,
            read: &read,
        };
        client::send(self, own, &request).await.map_err(|error| {
            let mut error = self.explain(&ASSUME_ROLE, error);
            if error.fault == Fault::Denied {
                error.hint = Some(format!(
                    "the keys need sts:AssumeRole on {role}, and its trust policy must name them{}",
                    if account.external_id.is_some() { " with this external id" } else { "" }
                ));
            }
            error
        })
    }
}

/// What a request is made of.
struct OnWire {
    method: Method,
    /// Path and query, encoded.
    place: String,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Bytes,
}

impl Default for OnWire {
    fn default() -> Self {
        Self { method: Method::POST, place: "/".into(), headers: Vec::new(), body: Bytes::new() }
    }
}

impl OnWire {
    /// A JSON body for a target.
    fn target(action: &Action, prefix: &str, version: &str, body: &impl Serialize) -> Self {
        let value =
            |text: String| HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static(""));
        Self {
            headers: vec![
                (header::CONTENT_TYPE, value(format!("application/x-amz-json-{version}"))),
                (HeaderName::from_static("x-amz-target"), value(format!("{prefix}.{}", action.action))),
            ],
            // Texts and numbers can always be written.
            body: Bytes::from(serde_json::to_vec(body).unwrap_or_default()),
            ..Self::default()
        }
    }

    fn form(action: &Action, version: &str, parameters: &[(String, String)]) -> Self {
        Self { headers: vec![FORM], body: form(action, version, parameters), ..Self::default() }
    }
}

/// An answer in JSON.
fn json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    serde_json::from_slice(bytes).map_err(|error| format!("the answer is not what it should be: {error}"))
}

/// The content type of the Query protocol.
const FORM: (HeaderName, HeaderValue) =
    (header::CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded; charset=utf-8"));

/// A form. Some servers sign their own encoding of what they read, so it is the one that all of them write.
fn form(action: &Action, version: &str, parameters: &[(String, String)]) -> Bytes {
    let mut form = format!("Action={}&Version={version}", action.action);
    for (key, value) in parameters {
        form.push('&');
        encode(key, "+", &mut form);
        form.push('=');
        encode(value, "+", &mut form);
    }
    form.into()
}
