//! The console's page: files of the binary.
//!
//! Owns what may be loaded and run in it. The files know nothing but the JSON API; there is no build step and nothing from elsewhere.

use super::answer::{Refused, no_such_path};
use super::asked::Path;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};

/// Own files alone, nothing inline, no frame around it, and no text that becomes markup.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; \
     form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

const SCRIPT: &str = "text/javascript; charset=utf-8";

macro_rules! files {
    ($($name:literal: $kind:expr),* $(,)?) => {
        /// Name, type and text of each.
        const FILES: &[(&str, &str, &str)] = &[$(($name, $kind, include_str!(concat!("page/", $name)))),*];
    };
}

files! {
    "app.js": SCRIPT,
    "api.js": SCRIPT,
    "chart.js": SCRIPT,
    "data.js": SCRIPT,
    "dom.js": SCRIPT,
    "functions.js": SCRIPT,
    "now.js": SCRIPT,
    "parts.js": SCRIPT,
    "run.js": SCRIPT,
    "runs.js": SCRIPT,
    "usage.js": SCRIPT,
    "words.js": SCRIPT,
    "icon.svg": "image/svg+xml",
    "style.css": "text/css; charset=utf-8",
}

fn answer(kind: &'static str, text: &'static str) -> Response {
    let mut response = text.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    for (name, value) in [
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        ("permissions-policy", "camera=(), geolocation=(), microphone=()"),
    ] {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    response
}

/// `GET /`.
pub(super) async fn index() -> Response {
    answer("text/html; charset=utf-8", include_str!("page/index.html"))
}

/// `GET /console/{file}`.
pub(super) async fn file(Path(name): Path<String>, request: Request) -> Result<Response, Refused> {
    match FILES.iter().find(|(known, ..)| *known == name) {
        Some((_, kind, text)) => Ok(answer(kind, text)),
        None => Err(no_such_path(request).await),
    }
}
