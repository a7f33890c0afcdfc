//! What the clients of all clouds share: which keys sign, where a service answers because somebody said so, and what of an answer may be shown.
//!
//! Owns the way from a signed request to the one path, and the keys of assumed roles. Knows no protocol: how a request is made and read, and how a
//! role is assumed, comes with each cloud.

use crate::account::{Account, Cloud, Endpoint, expose};
use crate::call::{Call, CallError, CallPath, Credentials, Fault, Refusal, hide};
use crate::clock::SECOND;
use crate::collector::Action;
use crate::run::Run;
use bytes::Bytes;
use secrecy::SecretString;
use std::sync::{Mutex, PoisonError};

/// Temporary keys are renewed this long before they expire.
const RENEWAL: i64 = 300 * SECOND;

/// Where keys that do not expire were refused for their time although the clocks agree.
const HELD_BACK: &str = "these keys do not expire and this machine's clock is right: the request was late, so look for a proxy that holds requests back, and run again";

/// What a cloud brings.
#[async_trait::async_trait]
pub(crate) trait Provider: Send + Sync {
    /// For whom.
    fn run(&self) -> &Run;

    /// Which.
    fn cloud(&self) -> Cloud;

    /// Does this code say that temporary keys are past their time?
    fn is_expired(&self, code: &str) -> bool;

    /// Where roles are assumed: the same question elsewhere is another one.
    fn roles(&self) -> Result<String, String>;

    /// The keys of a role, asked for with the account's own.
    async fn assume(&self, role: &str, own: &Credentials) -> Result<Credentials, CallError>;
}

/// Makes a request, signed with these keys for a time (nanoseconds since 1970).
pub(crate) type Make<'call> =
    dyn Fn(&Credentials, i64) -> Result<http::Request<Bytes>, String> + Send + Sync + 'call;

/// What is asked.
pub(crate) struct Request<'call, T> {
    /// Where; empty for a central service.
    pub(crate) region: &'call str,
    /// What.
    pub(crate) action: &'static Action,
    /// How many metrics it asks for, where the cloud bills by them; else 0.
    pub(crate) metrics: u64,
    /// How it is asked.
    pub(crate) make: &'call Make<'call>,
    /// How the answer is read.
    pub(crate) read: &'call Read<'call, T>,
}

/// Reads an answer.
pub(crate) type Read<'call, T> =
    dyn Fn(http::StatusCode, &http::HeaderMap, &[u8]) -> Result<T, Refusal> + Send + Sync + 'call;

impl<T: Send> Request<'_, T> {
    /// The same question, whose answer goes into a place: what asks is one for all kinds of answers.
    fn into<'call>(&'call self, read: &'call Read<'call, ()>) -> Request<'call, ()> {
        Request { region: self.region, action: self.action, metrics: self.metrics, make: self.make, read }
    }

    fn reads(
        &self,
        place: &Mutex<Option<T>>,
        status: http::StatusCode,
        headers: &http::HeaderMap,
        body: &[u8],
    ) -> Result<(), Refusal> {
        let answer = (self.read)(status, headers, body)?;
        *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer);
        Ok(())
    }

    /// What is said where a call went well and its answer was never read.
    fn unread(&self, cloud: Cloud) -> CallError {
        CallError {
            cloud,
            service: self.action.service.into(),
            action: self.action.action.into(),
            region: self.region.into(),
            fault: Fault::Transient,
            code: "no answer".into(),
            message: "the call went well, and nothing was read".into(),
            request_id: None,
            attempts: 1,
            hint: None,
        }
    }
}

/// Asks with the keys of the account or of its role. A role's keys that are refused as expired before their time (the session was revoked) are
/// renewed once.
///
/// # Errors
/// A [`CallError`] when it failed for good.
pub(crate) async fn call<T: Send>(provider: &dyn Provider, request: &Request<'_, T>) -> Result<T, CallError> {
    let place = Mutex::new(None);
    let read = |status, headers: &http::HeaderMap, body: &[u8]| request.reads(&place, status, headers, body);
    ask(provider, &request.into(&read)).await?;
    let answer = place.lock().unwrap_or_else(PoisonError::into_inner).take();
    answer.ok_or_else(|| request.unread(provider.cloud()))
}

/// Asks with these keys.
///
/// # Errors
/// A [`CallError`] when it failed for good.
pub(crate) async fn send<T: Send>(
    provider: &dyn Provider,
    credentials: &Credentials,
    request: &Request<'_, T>,
) -> Result<T, CallError> {
    let place = Mutex::new(None);
    let read = |status, headers: &http::HeaderMap, body: &[u8]| request.reads(&place, status, headers, body);
    ask_with(provider, credentials, &request.into(&read)).await?;
    let answer = place.lock().unwrap_or_else(PoisonError::into_inner).take();
    answer.ok_or_else(|| request.unread(provider.cloud()))
}

async fn ask(provider: &dyn Provider, request: &Request<'_, ()>) -> Result<(), CallError> {
    let credentials = credentials(provider).await?;
    let run = provider.run();
    match ask_with(provider, &credentials, request).await {
        Err(error) if run.account.role_arn.is_some() && provider.is_expired(&error.code) => {}
        result => return result,
    }
    run.calls.sessions.forget(&run.account.identity(), &credentials).await;
    let credentials = self::credentials(provider).await?;
    ask_with(provider, &credentials, request).await
}

async fn ask_with(
    provider: &dyn Provider,
    credentials: &Credentials,
    request: &Request<'_, ()>,
) -> Result<(), CallError> {
    let run = provider.run();
    let account = &run.account;
    let secrets: Vec<&SecretString> = [&account.ak_secret, &credentials.secret_key]
        .into_iter()
        .chain(&account.security_token)
        .chain(&credentials.session_token)
        .chain(&account.external_id)
        .collect();
    let make = |time: i64| (request.make)(credentials, time);
    let read = |status: http::StatusCode, headers: &http::HeaderMap, bytes: &[u8]| {
        // Whatever it echoes: nothing of it is a secret after this.
        (request.read)(status, headers, bytes).map_err(|refusal| Refusal {
            code: hide(&refusal.code, secrets.iter().copied()),
            message: hide(&refusal.message, secrets.iter().copied()),
            request_id: refusal.request_id.map(|id| hide(&id, secrets.iter().copied())),
            ..refusal
        })
    };
    let call = Call {
        cloud: provider.cloud(),
        account: &account.identity(),
        region: request.region,
        action: request.action,
        metrics: request.metrics,
        counts: &run.counts,
        request: &make,
        read: &read,
    };
    run.calls.call(call).await.map_err(|error| {
        let lasting = credentials.session_token.is_none();
        let agree = run.calls.offset(provider.cloud()).abs() < SECOND * 60;
        match error.fault {
            // Neither the clock nor the keys can be to blame.
            Fault::Skewed if lasting && agree => CallError { hint: Some(HELD_BACK.into()), ..error },
            _ => error,
        }
    })
}

/// A host that does not exist is what a misspelt region looks like from here, unless somebody wrote the host down.
pub(crate) fn explain(
    provider: &dyn Provider,
    action: &Action,
    mut error: CallError,
    hint: impl FnOnce() -> Option<String>,
) -> CallError {
    let run = provider.run();
    if error.code == "host not found"
        && named(&run.account, &run.calls, action.service).is_none()
        && let Some(hint) = hint()
    {
        error.hint = Some(hint);
    }
    error
}

/// The keys that sign: the account's own, or those of its role.
async fn credentials(provider: &dyn Provider) -> Result<Credentials, CallError> {
    let run = provider.run();
    let account = &run.account;
    let own = Credentials {
        access_key: account.ak_id.clone(),
        secret_key: account.ak_secret.clone(),
        session_token: account.security_token.clone(),
        expires: None,
    };
    let Some(role) = &account.role_arn else { return Ok(own) };
    let now = run.calls.now(provider.cloud());
    let valid = |keys: &Credentials| keys.expires.is_none_or(|expires| expires - RENEWAL > now);
    let digest = asked_with(account, &provider.roles());
    run.calls.sessions.get(&account.identity(), digest, valid, provider.assume(role, &own)).await
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

/// Where a service answers because a person said so, without a slash at its end: the account's own endpoint wins, then the configuration's.
///
/// # Errors
/// What is wrong with what was written, without showing it.
pub(crate) fn named<'run>(
    account: &'run Account,
    calls: &'run CallPath,
    service: &str,
) -> Option<Result<&'run str, String>> {
    let own = match &account.endpoint {
        Some(Endpoint::All(url)) => Some(url.as_str()),
        Some(Endpoint::ByService(urls)) => urls.get(service).map(String::as_str),
        None => None,
    };
    own.or_else(|| calls.endpoint(account.cloud, service)).map(check)
}

/// An endpoint is a scheme, a host and perhaps a path: `/` is put behind it, so nothing else may follow.
fn check(url: &str) -> Result<&str, String> {
    let wrong =
        |what: &str| Err(format!("the endpoint of this account {what}: write it as http://host:port"));
    let Ok(uri) = url.parse::<http::Uri>() else { return wrong("is no URL") };
    match (uri.scheme_str(), uri.authority()) {
        (Some("http" | "https"), Some(authority)) if authority.as_str().contains('@') => {
            wrong("holds a name or password, which no cloud asks for")
        }
        (Some("http" | "https"), Some(_)) if uri.query().is_some() => wrong("holds a query"),
        (Some("http" | "https"), Some(_)) => Ok(url.trim_end_matches('/')),
        _ => wrong("does not begin with http:// or https://"),
    }
}
