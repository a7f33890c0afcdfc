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
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
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
    pub async fn json<T: DeserializeOwned>(
        &self,
        action: &'static Action,
        body: &serde_json::Value,
    ) -> Result<T, CallError> {
        let body = Bytes::from(body.to_string());
        let headers = [
            (header::CONTENT_TYPE, HeaderValue::from_static("application/x-amz-json-1.0")),
            (
                HeaderName::from_static("x-amz-target"),
                HeaderValue::from_str(&format!("{CLOUDWATCH}.{}", action.action))
                    .unwrap_or_else(|_| HeaderValue::from_static("")),
            ),
        ];
        self.signed(action, &headers, body, &|bytes: &[u8]| {
            serde_json::from_slice(bytes)
                .map_err(|error| format!("the answer is not what it should be: {error}"))
        })
        .await
    }

    /// A call in the JSON protocol of any service: `target` stands before the action, `version` is the protocol's.
    ///
    /// # Errors
    /// A [`CallError`] when it failed for good; an answer that is no JSON counts as one that may pass.
    pub(crate) async fn json_of(
        &self,
        action: &'static Action,
        target: &str,
        version: &str,
        body: &serde_json::Value,
    ) -> Result<serde_json::Value, CallError> {
        let value =
            |text: String| HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static(""));
        let headers = [
            (header::CONTENT_TYPE, value(format!("application/x-amz-json-{version}"))),
            (HeaderName::from_static("x-amz-target"), value(format!("{target}.{}", action.action))),
        ];
        self.signed(action, &headers, Bytes::from(body.to_string()), &|bytes: &[u8]| {
            serde_json::from_slice(bytes).map_err(|error| format!("the answer is no JSON: {error}"))
        })
        .await
    }

    /// A call by method and path; a body is JSON.
    ///
    /// # Errors
    /// A [`CallError`] when it failed for good; what `read` refuses counts as an answer that may pass.
    pub(crate) async fn rest<T>(
        &self,
        action: &'static Action,
        method: &str,
        path: &str,
        query: &str,
        body: String,
        read: impl Fn(&[u8]) -> Result<T, String> + Send + Sync,
    ) -> Result<T, CallError> {
        let body = Bytes::from(body);
        let make = |credentials: &Credentials, time: i64| {
            let url = endpoint::url(&self.run.account, &self.run.calls, action.service, &self.region)?;
            let target =
                if query.is_empty() { format!("{url}{path}") } else { format!("{url}{path}?{query}") };
            let mut request = http::Request::builder().method(method).uri(target);
            if !body.is_empty() {
                request = request.header(header::CONTENT_TYPE, "application/json");
            }
            let mut request = request
                .body(body.clone())
                .map_err(|error| format!("{url} is no usable endpoint: {error}"))?;
            sign(&mut request, credentials, &self.region, action.service, time)?;
            Ok(request)
        };
        let read = self.read(action, &read);
        let request = client::Request { region: &self.region, action, make: &make, read: &read };
        client::call(self, &request).await.map_err(|error| self.explain(action, error))
    }

    /// A call in the Query protocol: a form goes in, XML comes out.
    ///
    /// # Errors
    /// A [`CallError`] when it failed for good; what `read` refuses counts as an answer that may pass.
    pub async fn query<T>(
        &self,
        action: &'static Action,
        version: &str,
        parameters: &[(String, String)],
        read: impl Fn(&[u8]) -> Result<T, String> + Send + Sync,
    ) -> Result<T, CallError> {
        self.signed(action, &[FORM], form(action, version, parameters), &read).await
    }

    async fn signed<T>(
        &self,
        action: &'static Action,
        headers: &[(HeaderName, HeaderValue)],
        body: Bytes,
        read: &(dyn Fn(&[u8]) -> Result<T, String> + Send + Sync),
    ) -> Result<T, CallError> {
        let make = self.make(action, headers, body);
        let read = self.read(action, read);
        let request = client::Request { region: &self.region, action, make: &make, read: &read };
        client::call(self, &request).await.map_err(|error| self.explain(action, error))
    }

    /// How a request is made.
    fn make(
        &self,
        action: &'static Action,
        headers: &[(HeaderName, HeaderValue)],
        body: Bytes,
    ) -> impl Fn(&Credentials, i64) -> Result<http::Request<Bytes>, String> + Send + Sync {
        move |credentials, time| {
            let url = endpoint::url(&self.run.account, &self.run.calls, action.service, &self.region)?;
            let mut request = http::Request::post(format!("{url}/"))
                .body(body.clone())
                .map_err(|error| format!("{url} is no usable endpoint: {error}"))?;
            request.headers_mut().extend(headers.iter().cloned());
            sign(&mut request, credentials, &self.region, action.service, time)?;
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
        let headers = [FORM];
        let make = self.make(&ASSUME_ROLE, &headers, form(&ASSUME_ROLE, "2011-06-15", &parameters));
        let read = self.read(&ASSUME_ROLE, &read);
        let request =
            client::Request { region: &self.region, action: &ASSUME_ROLE, make: &make, read: &read };
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
