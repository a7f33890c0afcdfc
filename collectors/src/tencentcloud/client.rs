//! The client of one region: JSON requests of API 3.0, signed, by the one path.
//!
//! Owns how a request looks on the wire and which keys sign it. Knows no product.

use super::sign::{self, Tc3};
use super::{endpoint, errors};
use crate::account::{Cloud, expose};
use crate::call::{CallError, Credentials, Fault, Refusal};
use crate::client::{self, Provider};
use crate::clock::SECOND;
use crate::collector::Action;
use crate::objects::{Api, Wire};
use crate::point::Text;
use crate::run::Run;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::{Map, Value as Json, json};

/// Assuming a role, which any collector may have to do first.
pub static ASSUME_ROLE: Action = Action {
    service: "sts",
    action: "AssumeRole",
    permission: "sts:AssumeRole",
    rate: 10.0,
    when: "every two hours, where the account has `role_arn`",
};

const STS_VERSION: &str = "2018-08-13";

/// Where roles are assumed.
const STS_REGION: &str = "ap-guangzhou";

/// Signed exactly as it is sent.
const CONTENT_TYPE: &str = "application/json; charset=utf-8";

/// The client of one region.
pub struct Client<'run> {
    pub(super) run: &'run Run,
    pub(super) region: Text,
}

/// A product of API 3.0, as declarations use it.
#[derive(Debug)]
pub struct Json3 {
    /// Of its API: `2017-03-12`.
    pub version: &'static str,
}

#[async_trait::async_trait]
impl Api for Json3 {
    async fn ask(
        &self,
        run: &Run,
        region: &Text,
        action: &'static Action,
        parameters: &[(String, Json)],
    ) -> Result<Json, CallError> {
        let body: Map<String, Json> = parameters.iter().cloned().collect();
        Client::new(run, region).ask(action, self.version, &Json::Object(body), &Ok).await
    }

    fn wire(&self) -> Wire {
        Wire::Tencent { version: self.version }
    }
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
        self.run.calls.now(Cloud::Tencent)
    }

    /// A call, by the version of its API; what stands in `Response` is read.
    ///
    /// # Errors
    /// A [`CallError`] when it failed for good; what `read` refuses counts as an answer that may pass.
    pub async fn ask<T: Send>(
        &self,
        action: &'static Action,
        version: &str,
        body: &Json,
        read: &(dyn Fn(Json) -> Result<T, String> + Send + Sync),
    ) -> Result<T, CallError> {
        let make = self.make(action, version, body);
        let read = |status: StatusCode, _: &HeaderMap, bytes: &[u8]| {
            let response = errors::open(action, &self.region, status, bytes)?;
            read(response).map_err(Refusal::unreadable)
        };
        let request = client::Request { region: &self.region, action, metrics: 0, make: &make, read: &read };
        client::call(self, &request).await
    }

    /// How a request is made: `content-type` and `host` are signed, as the official SDKs do it.
    fn make(
        &self,
        action: &'static Action,
        version: &str,
        body: &Json,
    ) -> impl Fn(&Credentials, i64) -> Result<http::Request<Bytes>, String> + Send + Sync {
        let body = Bytes::from(body.to_string());
        move |credentials, time| {
            let url = endpoint::url(&self.run.account, &self.run.calls, action.service, &self.region)? + "/";
            let target =
                reqwest::Url::parse(&url).map_err(|error| format!("{url} is no usable endpoint: {error}"))?;
            let host = target.host_str().unwrap_or_default();
            // The scheme's own port stands in no `Host`.
            let host = target.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
            let authorization = sign::tc3(
                credentials,
                &Tc3 {
                    method: "POST",
                    query: "",
                    headers: &[("content-type", CONTENT_TYPE), ("host", &host)],
                    body_hash: &sign::body_hash(&body),
                    service: action.service,
                    time,
                },
            );
            let timestamp = (time / SECOND).to_string();
            // Roles are everybody's: a region that does not exist must not fail those that wait for the same keys.
            let region =
                if self.region.is_empty() || action.service == "sts" { STS_REGION } else { &self.region };
            let mut headers = vec![
                ("content-type", CONTENT_TYPE),
                ("authorization", authorization.as_str()),
                ("x-tc-action", action.action),
                ("x-tc-version", version),
                ("x-tc-timestamp", timestamp.as_str()),
                ("x-tc-region", region),
            ];
            let token = credentials.session_token.as_ref().map(expose);
            headers.extend(token.map(|token| ("x-tc-token", token)));
            let mut request = http::Request::post(&url)
                .body(body.clone())
                .map_err(|error| format!("{url} is no usable endpoint: {error}"))?;
            for (name, value) in headers {
                let mut value = HeaderValue::from_str(value)
                    .map_err(|_| format!("the header {name} holds what no header can"))?;
                value.set_sensitive(["authorization", "x-tc-token"].contains(&name));
                request.headers_mut().insert(HeaderName::from_static(name), value);
            }
            Ok(request)
        }
    }
}

#[async_trait::async_trait]
impl Provider for Client<'_> {
    fn run(&self) -> &Run {
        self.run
    }

    fn cloud(&self) -> Cloud {
        Cloud::Tencent
    }

    fn is_expired(&self, code: &str) -> bool {
        errors::is_expired(code)
    }

    fn roles(&self) -> Result<String, String> {
        endpoint::url(&self.run.account, &self.run.calls, "sts", &self.region)
    }

    /// STS `AssumeRole` (2018-08-13); two hours are its default.
    async fn assume(&self, role: &str, own: &Credentials) -> Result<Credentials, CallError> {
        let account = &self.run.account;
        let mut body = json!({
            "RoleArn": role,
            "RoleSessionName": account.role_session_name.as_deref().unwrap_or("funchost"),
        });
        if let Some(external) = &account.external_id {
            body["ExternalId"] = Json::from(expose(external));
        }
        let make = self.make(&ASSUME_ROLE, STS_VERSION, &body);
        let read = |status: StatusCode, _: &HeaderMap, bytes: &[u8]| {
            let response = errors::open(&ASSUME_ROLE, &self.region, status, bytes)?;
            keys(&response).map_err(Refusal::unreadable)
        };
        let request = client::Request {
            region: &self.region,
            action: &ASSUME_ROLE,
            metrics: 0,
            make: &make,
            read: &read,
        };
        client::send(self, own, &request).await.map_err(|mut error| {
            if error.fault == Fault::Denied {
                error.hint = Some(format!(
                    "the keys need sts:AssumeRole on {role}, and its trust policy must name them{}",
                    if account.external_id.is_some() { " with this external id" } else { "" }
                ));
            }
            if error.code.ends_with("RoleNotFound") {
                error.hint = Some(
                    "copy `role_arn` from the role's page in CAM: qcs::cam::uin/<account>:roleName/<name>"
                        .into(),
                );
            }
            error
        })
    }
}

/// The keys in an answer of `AssumeRole`. What is wrong is said without its content.
fn keys(response: &Json) -> Result<Credentials, String> {
    let found = response.get("Credentials").ok_or("the answer holds no credentials")?;
    let member = |name: &str| {
        let text = found.get(name).and_then(Json::as_str).filter(|text| !text.is_empty());
        text.map(str::to_owned).ok_or_else(|| format!("the answer holds no {name}"))
    };
    let expires = response.get("ExpiredTime").and_then(Json::as_i64);
    let expires = expires.ok_or("the answer holds no ExpiredTime")?;
    Ok(Credentials {
        access_key: member("TmpSecretId")?,
        secret_key: member("TmpSecretKey")?.into(),
        session_token: Some(member("Token")?.into()),
        expires: Some(expires.saturating_mul(SECOND)),
    })
}
