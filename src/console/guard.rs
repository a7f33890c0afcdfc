//! Who may call.
//!
//! Owns the token and, where there is none because only this machine can call, the check that it is no web page that calls: a page of
//! another site can make a browser on this machine ask for anything.

use super::Console;
use super::answer::Refused;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use secrecy::{ExposeSecret, SecretString};
use std::net::IpAddr;
use std::sync::Arc;
use subtle::ConstantTimeEq;

/// Lets in who shows the token, where there is one.
pub(super) async fn token(State(console): State<Arc<Console>>, request: Request, next: Next) -> Response {
    let Some(token) = console.token() else { return next.run(request).await };
    match refuse_token(request.headers(), &token) {
        None => next.run(request).await,
        Some(refused) => refused.into_response(),
    }
}

fn refuse_token(headers: &HeaderMap, token: &SecretString) -> Option<Refused> {
    let shown = |name: &str| headers.get(name).map(|value| value.as_bytes());
    let bearer = shown("authorization").and_then(|value| {
        let (scheme, rest) = value.split_at_checked(7)?;
        scheme.eq_ignore_ascii_case(b"Bearer ").then_some(rest)
    });
    match bearer.or_else(|| shown("x-dff-auth-token")) {
        None => Some(Refused::unknown_caller(
            "this service wants a token: send `Authorization: Bearer …` with `token` of `[service]`",
        )),
        // Takes the same time wherever they differ.
        Some(shown) if bool::from(shown.ct_eq(token.expose_secret().as_bytes())) => None,
        Some(_) => Some(Refused::unknown_caller("the token is not the right one")),
    }
}

/// Refuses what a page of another site makes a browser ask for.
pub(super) async fn place(State(console): State<Arc<Console>>, request: Request, next: Next) -> Response {
    match refuse_place(request.headers(), console.token().is_some()) {
        None => next.run(request).await,
        Some(refused) => refused.into_response(),
    }
}

fn refuse_place(headers: &HeaderMap, has_token: bool) -> Option<Refused> {
    let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let host = text(header::HOST).unwrap_or_default();
    if !has_token && !is_this_machine(host) {
        return Some(Refused::forbidden(
            "without a token only this machine is served, under its own names: set `token` of `[service]` to serve others",
        ));
    }
    // An image or a link of another page comes without an origin, and would start a function all the same.
    let site = headers.get("sec-fetch-site").map(|value| value.as_bytes());
    if site.is_some_and(|site| !matches!(site, b"same-origin" | b"none")) {
        return Some(Refused::forbidden("a page of another site may not call"));
    }
    let origin = text(header::ORIGIN)?;
    let own = origin.split_once("://").map(|(_, rest)| rest) == Some(host);
    (!own).then(|| Refused::forbidden("a page of another site may not call"))
}

/// Is it a name of this machine, whatever the port: a name of elsewhere that leads here is somebody's trick.
fn is_this_machine(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map_or(rest, |(name, _)| name),
        None => host.split_once(':').map_or(host, |(name, _)| name),
    };
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::is_this_machine;

    #[test]
    fn only_names_of_this_machine_are_its_own() {
        for own in ["localhost:8088", "LOCALHOST", "127.0.0.1:8088", "127.0.0.2", "[::1]:8088"] {
            assert!(is_this_machine(own), "{own}");
        }
        for other in [
            "",
            "evil.example:8088",
            "127.0.0.1.evil.example",
            "10.0.0.1:8088",
            "[::2]",
            "localhost.evil.example",
        ] {
            assert!(!is_this_machine(other), "{other}");
        }
    }
}
