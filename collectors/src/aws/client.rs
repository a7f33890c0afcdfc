//! The client of one region: requests in AWS's two protocols, signed, by the one path.
//!
//! Owns how a request looks on the wire and which keys sign it. CloudWatch speaks JSON 1.0, EC2 and STS the Query protocol (AWS API
//! references of each). Knows no product.

use super::sign::{Credentials, sign};
use super::{endpoint, errors, xml};
use crate::account::{Account, Cloud, expose};
use crate::call::{Call, CallError, Fault, Refusal, encode, hide};
use crate::clock::SECOND;
use crate::collector::Action;
use crate::point::Text;
use crate::run::Run;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use secrecy::SecretString;
use serde::de::DeserializeOwned;

/// The target prefix of CloudWatch's JSON protocol.
const CLOUDWATCH: &str = "GraniteServiceVersion20100801";

/// Temporary keys are renewed this long before they expire.
const RENEWAL: i64 = 300 * SECOND;

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
    identity: String,
}

impl<'run> Client<'run> {
    /// A client for the run's account.
    #[must_use]
    pub fn new(run: &'run Run, region: &Text) -> Self {
        Self { run, region: region.clone(), identity: run.account.identity() }
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

    /// Sends with the keys of the account or of its role. A role's keys that are refused as expired before their time (the
    /// session was revoked) are renewed once.
    async fn signed<T>(
        &self,
        action: &'static Action,
        headers: &[(HeaderName, HeaderValue)],
        body: Bytes,
        read: &(dyn Fn(&[u8]) -> Result<T, String> + Send + Sync),
    ) -> Result<T, CallError> {
        let credentials = self.credentials().await?;
        match self.send(action, &credentials, headers, body.clone(), read).await {
            Err(error) if self.run.account.role_arn.is_some() && errors::is_expired(&error.code) => {}
            result => return result,
        }
        self.run.calls.sessions.forget(&self.identity, &credentials).await;
        let credentials = self.credentials().await?;
        self.send(action, &credentials, headers, body, read).await
    }

    async fn send<T>(
        &self,
        action: &'static Action,
        credentials: &Credentials,
        headers: &[(HeaderName, HeaderValue)],
        body: Bytes,
        read: &(dyn Fn(&[u8]) -> Result<T, String> + Send + Sync),
    ) -> Result<T, CallError> {
        let account = &self.run.account;
        let request = |time: i64| {
            let url = endpoint::url(account, &self.run.calls, action.service, &self.region)?;
            let mut request = http::Request::post(format!("{url}/"))
                .body(body.clone())
                .map_err(|error| format!("{url} is no usable endpoint: {error}"))?;
            request.headers_mut().extend(headers.iter().cloned());
            sign(&mut request, credentials, &self.region, action.service, time)?;
            Ok(request)
        };
        let secrets: Vec<&SecretString> = [&account.ak_secret, &credentials.secret_key]
            .into_iter()
            .chain(&account.security_token)
            .chain(&credentials.session_token)
            .chain(&account.external_id)
            .collect();
        let answer = |status: StatusCode, headers: &HeaderMap, bytes: &[u8]| {
            let result = if status.is_success() {
                read(bytes).map_err(Refusal::unreadable)
            } else {
                Err(errors::refusal(action, &self.region, status, headers, bytes))
            };
            // Whatever it echoes: nothing of it is a secret after this.
            result.map_err(|refusal| Refusal {
                code: hide(&refusal.code, secrets.iter().copied()),
                message: hide(&refusal.message, secrets.iter().copied()),
                request_id: refusal.request_id.map(|id| hide(&id, secrets.iter().copied())),
                ..refusal
            })
        };
        let call = Call {
            cloud: Cloud::Aws,
            account: &self.identity,
            region: &self.region,
            action,
            counts: &self.run.counts,
            request: &request,
            read: &answer,
        };
        self.run.calls.call(call).await.map_err(|mut error| {
            // A host that does not exist is what a misspelt region looks like from here.
            if error.code == "host not found"
                && endpoint::is_public(account, &self.run.calls, action.service)
                && let Some(hint) = endpoint::region_hint(&self.region)
            {
                error.hint = Some(hint);
            }
            error
        })
    }

    /// The keys that sign: the account's own, or those of its role.
    async fn credentials(&self) -> Result<Credentials, CallError> {
        let account = &self.run.account;
        let own = Credentials {
            access_key: account.ak_id.clone(),
            secret_key: account.ak_secret.clone(),
            session_token: account.security_token.clone(),
            expires: None,
        };
        let Some(role) = &account.role_arn else { return Ok(own) };
        let valid = |keys: &Credentials| keys.expires.is_none_or(|expires| expires - RENEWAL > self.now());
        let digest = asked_with(account, &endpoint::url(account, &self.run.calls, "sts", &self.region));
        self.run.calls.sessions.get(&self.identity, digest, valid, self.assume(account, role, &own)).await
    }

    /// STS `AssumeRole` (2011-06-15).
    async fn assume(
        &self,
        account: &Account,
        role: &str,
        own: &Credentials,
    ) -> Result<Credentials, CallError> {
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
        let form = form(&ASSUME_ROLE, "2011-06-15", &parameters);
        self.send(&ASSUME_ROLE, own, &[FORM], form, &read).await.map_err(|mut error| {
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

/// What a role's keys were asked with: another secret, session name or external id is another question. In memory only.
fn asked_with(account: &Account, place: &Result<String, String>) -> u64 {
    let texts = [
        Some(expose(&account.ak_secret)),
        account.security_token.as_ref().map(expose),
        account.role_session_name.as_deref(),
        account.external_id.as_ref().map(expose),
        place.as_ref().ok().map(String::as_str),
    ];
    let mut digest = std::hash::DefaultHasher::new();
    std::hash::Hash::hash(&texts, &mut digest);
    std::hash::Hasher::finish(&digest)
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
