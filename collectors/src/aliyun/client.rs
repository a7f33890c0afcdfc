//! The client of one region: requests of the OpenAPI gateway (RPC style) and of OSS, signed, by the one path.
//!
//! Owns how a request looks on the wire and which keys sign it. All that is read goes as query parameters with an empty body. Knows no product.

use super::sign::{self, Oss4};
use super::{endpoint, errors};
use crate::account::{Cloud, expose};
use crate::call::{CallError, Credentials, Fault, Refusal};
use crate::client::{self, Provider};
use crate::collector::Action;
use crate::point::Text;
use crate::run::Run;
use crate::xml::{self, Node};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::Value as Json;

/// Assuming a role, which any collector may have to do first.
pub static ASSUME_ROLE: Action = Action {
    service: "sts",
    action: "AssumeRole",
    permission: "sts:AssumeRole",
    rate: 10.0,
    when: "once an hour, where the account has `role_arn`",
};

const STS_VERSION: &str = "2015-04-01";

/// The client of one region; no region is the central host.
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
        self.run.calls.now(Cloud::Aliyun)
    }

    /// A call of an OpenAPI product, by the version of its API.
    ///
    /// # Errors
    /// A [`CallError`] when it failed for good; an answer that is no JSON, or that says inside of a success that it is none, is no success.
    pub async fn rpc(
        &self,
        action: &'static Action,
        version: &str,
        parameters: &[(String, String)],
    ) -> Result<Json, CallError> {
        self.rpc_as(action, version, parameters, &Ok).await
    }

    /// The same, read into something; what `read` refuses counts as an answer that may pass.
    ///
    /// # Errors
    /// As [`Client::rpc`].
    pub async fn rpc_as<T: Send>(
        &self,
        action: &'static Action,
        version: &str,
        parameters: &[(String, String)],
        read: &(dyn Fn(Json) -> Result<T, String> + Send + Sync),
    ) -> Result<T, CallError> {
        self.openapi_call(action, version, "/", parameters, read).await
    }

    /// A call of an OpenAPI product that has paths; `path` is encoded.
    ///
    /// # Errors
    /// As [`Client::rpc`].
    pub async fn roa(
        &self,
        action: &'static Action,
        version: &str,
        path: &str,
        parameters: &[(String, String)],
    ) -> Result<Json, CallError> {
        self.openapi_call(action, version, path, parameters, &Ok).await
    }

    async fn openapi_call<T: Send>(
        &self,
        action: &'static Action,
        version: &str,
        path: &str,
        parameters: &[(String, String)],
        read: &(dyn Fn(Json) -> Result<T, String> + Send + Sync),
    ) -> Result<T, CallError> {
        let make = self.openapi(action, version, path, parameters);
        let answered = |status: StatusCode, headers: &http::HeaderMap, bytes: &[u8]| {
            if !status.is_success() {
                return Err(errors::refusal(action, &self.region, status, headers, bytes));
            }
            let answer: Json = serde_json::from_slice(bytes).map_err(|error| {
                Refusal::unreadable(format!("the answer is not what it should be: {error}"))
            })?;
            if !answer.is_object() {
                return Err(Refusal::unreadable("the answer is no JSON object"));
            }
            match errors::inside(action, &self.region, &answer) {
                Some(refusal) => Err(refusal),
                None => read(answer).map_err(Refusal::unreadable),
            }
        };
        let request =
            client::Request { region: &self.region, action, metrics: 0, make: &make, read: &answered };
        client::call(self, &request).await.map_err(|error| self.explain(action, error))
    }

    /// A call of OSS: of a bucket, or of the service where there is none.
    ///
    /// # Errors
    /// A [`CallError`] when it failed for good; an answer that is no XML of this name is no success.
    pub(crate) async fn oss(
        &self,
        action: &'static Action,
        bucket: Option<&str>,
        parameters: &[(String, String)],
        root: &str,
    ) -> Result<Node, CallError> {
        let make = |credentials: &Credentials, time: i64| {
            let url = endpoint::oss_url(&self.run.account, &self.run.calls, &self.region, bucket)?;
            let query = sign::oss4_query(parameters);
            let token = credentials.session_token.as_ref().map(expose);
            let moment = sign::oss_time(time);
            let mut headers = vec![("x-oss-content-sha256", "UNSIGNED-PAYLOAD"), ("x-oss-date", &moment)];
            headers.extend(token.map(|token| ("x-oss-security-token", token)));
            let resource =
                bucket.map_or_else(|| "/".to_owned(), |bucket| format!("/{}/", sign::path(bucket)));
            let authorization = sign::oss4(
                credentials,
                &Oss4 {
                    method: "GET",
                    resource: &resource,
                    query: &query,
                    headers: &headers,
                    additional: &[],
                    region: &self.region,
                    time,
                },
            );
            headers.push(("authorization", &authorization));
            get(&url, &query, &headers)
        };
        let read = |status: StatusCode, headers: &http::HeaderMap, bytes: &[u8]| {
            if !status.is_success() {
                return Err(errors::refusal(action, &self.region, status, headers, bytes));
            }
            let tree = xml::read(bytes).map_err(Refusal::unreadable)?;
            if tree.name != root {
                return Err(Refusal::unreadable(format!("the answer is a {}, no {root}", tree.name)));
            }
            Ok(tree)
        };
        let request = client::Request { region: &self.region, action, metrics: 0, make: &make, read: &read };
        client::call(self, &request).await.map_err(|error| self.explain(action, error))
    }

    /// How a request of the gateway is made: anew for every attempt, with a nonce of its own.
    fn openapi(
        &self,
        action: &'static Action,
        version: &str,
        path: &str,
        parameters: &[(String, String)],
    ) -> impl Fn(&Credentials, i64) -> Result<http::Request<Bytes>, String> + Send + Sync {
        move |credentials, time| {
            let url = endpoint::url(&self.run.account, &self.run.calls, action.service, &self.region)? + path;
            let target =
                reqwest::Url::parse(&url).map_err(|error| format!("{url} is no usable endpoint: {error}"))?;
            let host = target.host_str().unwrap_or_default();
            // The scheme's own port stands in no `Host`.
            let host = target.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
            let query = sign::acs3_query(parameters);
            let (nonce, date, hash) = (nonce()?, sign::acs_time(time), sign::body_hash(b""));
            let token = credentials.session_token.as_ref().map(expose);
            let mut headers = vec![
                ("host", host.as_str()),
                ("x-acs-action", action.action),
                ("x-acs-content-sha256", &hash),
                ("x-acs-date", &date),
                ("x-acs-signature-nonce", &nonce),
                ("x-acs-version", version),
            ];
            headers.extend(token.map(|token| ("x-acs-security-token", token)));
            let authorization = sign::acs3(credentials, "GET", target.path(), &query, &headers, &hash);
            headers.push(("authorization", &authorization));
            get(&url, &query, &headers)
        }
    }

    /// See [`client::explain`].
    fn explain(&self, action: &Action, error: CallError) -> CallError {
        client::explain(self, action, error, || endpoint::region_hint(&self.region))
    }
}

/// 128 random bits.
fn nonce() -> Result<String, String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| format!("the system gives no random numbers: {error}"))?;
    Ok(format!("{:032x}", u128::from_le_bytes(bytes)))
}

/// A request without a body; `Host` comes from the URL.
fn get(url: &str, query: &str, headers: &[(&str, &str)]) -> Result<http::Request<Bytes>, String> {
    let whole = if query.is_empty() { url.to_owned() } else { format!("{url}?{query}") };
    let mut request = http::Request::get(whole)
        .body(Bytes::new())
        .map_err(|error| format!("{url} is no usable endpoint: {error}"))?;
    for (name, value) in headers.iter().filter(|(name, _)| *name != "host") {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| format!("{name} is no header"))?;
        let mut value = HeaderValue::from_str(value)
            .map_err(|_| format!("the header {name} holds what no header can"))?;
        value.set_sensitive(
            ["authorization", "x-acs-security-token", "x-oss-security-token"].contains(&name.as_str()),
        );
        request.headers_mut().insert(name, value);
    }
    Ok(request)
}

#[async_trait::async_trait]
impl Provider for Client<'_> {
    fn run(&self) -> &Run {
        self.run
    }

    fn cloud(&self) -> Cloud {
        Cloud::Aliyun
    }

    fn is_expired(&self, code: &str) -> bool {
        errors::is_expired(code)
    }

    fn roles(&self) -> Result<String, String> {
        endpoint::url(&self.run.account, &self.run.calls, "sts", &self.region)
    }

    /// STS `AssumeRole` (2015-04-01). The duration is left out: the default is as long as most roles allow.
    async fn assume(&self, role: &str, own: &Credentials) -> Result<Credentials, CallError> {
        let account = &self.run.account;
        let session = account.role_session_name.as_deref().unwrap_or("funchost");
        let mut parameters =
            vec![("RoleArn".to_owned(), role.to_owned()), ("RoleSessionName".to_owned(), session.to_owned())];
        if let Some(external) = &account.external_id {
            parameters.push(("ExternalId".to_owned(), expose(external).to_owned()));
        }
        let make = self.openapi(&ASSUME_ROLE, STS_VERSION, "/", &parameters);
        let read = |status: StatusCode, headers: &http::HeaderMap, bytes: &[u8]| {
            if !status.is_success() {
                return Err(errors::refusal(&ASSUME_ROLE, &self.region, status, headers, bytes));
            }
            keys(bytes).map_err(Refusal::unreadable)
        };
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
                    "the RAM user of these keys needs sts:AssumeRole, and the trust policy of {role} must name it{}; the keys of a main account cannot assume roles",
                    if account.external_id.is_some() { " with this external id" } else { "" }
                ));
            } else if error.code.starts_with("EntityNotExist") {
                error.hint = Some(format!("check `role_arn`: {role} does not exist, or is no role"));
            }
            error
        })
    }
}

/// The keys in an answer of `AssumeRole`. What is wrong is said without its content.
fn keys(bytes: &[u8]) -> Result<Credentials, String> {
    let answer: Json = serde_json::from_slice(bytes).map_err(|_| "the answer is no JSON".to_owned())?;
    let found = answer.get("Credentials").ok_or("the answer holds no credentials")?;
    let member = |name: &str| {
        let text = found.get(name).and_then(Json::as_str).filter(|text| !text.is_empty());
        text.map(str::to_owned).ok_or_else(|| format!("the answer holds no {name}"))
    };
    let expires = chrono::DateTime::parse_from_rfc3339(&member("Expiration")?)
        .map_err(|_| "the answer's Expiration is no time".to_owned())?;
    Ok(Credentials {
        access_key: member("AccessKeyId")?,
        secret_key: member("AccessKeySecret")?.into(),
        session_token: Some(member("SecurityToken")?.into()),
        expires: expires.timestamp_nanos_opt(),
    })
}
