//! The envelope: what every JSON answer is wrapped in, and the errors with their codes.
//!
//! The shape is the original's: `{ok, error, message, data, pageInfo?, traceId, reqTime, respTime, reqCost}`, of errors also `reqDump` with
//! method and path; `error` is the HTTP status with two places behind the point.

use super::Console;
use super::view::time;
use crate::state::StateError;
use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// What went well.
pub(super) struct Answer {
    status: StatusCode,
    data: Value,
    page: Option<Value>,
}

impl Answer {
    /// With data.
    pub(super) fn of(data: Value) -> Self {
        Self { status: StatusCode::OK, data, page: None }
    }

    /// What goes on, and has no end to tell of yet.
    pub(super) fn not_yet(data: Value) -> Self {
        Self { status: StatusCode::ACCEPTED, ..Self::of(data) }
    }

    /// One page of a list.
    pub(super) fn page(data: Vec<Value>, number: i64, size: i64, total: i64) -> Self {
        let pages = if size > 0 { (total + size - 1) / size } else { 0 };
        let page = json!({
            "pageNumber": number,
            "pageSize": size,
            "totalCount": total,
            "pageCount": pages,
            "isFirstPage": number <= 1,
            "isLastPage": number >= pages,
        });
        Self { page: Some(page), ..Self::of(data.into()) }
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let mut body = json!({ "ok": true, "error": self.status.as_u16(), "message": "", "data": self.data });
        if let (Some(page), Some(body)) = (self.page, body.as_object_mut()) {
            body.insert("pageInfo".into(), page);
        }
        Enveloped(self.status, body).into_response()
    }
}

/// What did not.
#[derive(Debug, Clone)]
pub(super) struct Refused {
    /// `599.10`: the HTTP status, and what stands behind the point.
    code: (u16, u16),
    reason: &'static str,
    message: String,
    detail: Map<String, Value>,
}

impl Refused {
    fn new(code: (u16, u16), reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into(), detail: Map::new() }
    }

    /// The request cannot be understood.
    pub(super) fn bad(message: impl Into<String>) -> Self {
        Self::new((400, 43), "EBizCondition", message)
    }

    /// Nobody knows who asks.
    pub(super) fn unknown_caller(message: impl Into<String>) -> Self {
        Self::new((401, 14), "EUserAuth", message)
    }

    /// Who asks may not.
    pub(super) fn forbidden(message: impl Into<String>) -> Self {
        Self::new((403, 21), "EBizCondition", message)
    }

    /// There is none.
    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self::new((404, 41), "EBizResourceNotFound", message)
    }

    /// It did not come in time.
    pub(super) fn slow(message: impl Into<String>) -> Self {
        Self::new((408, 43), "EBizCondition", message)
    }

    /// It is more than is taken.
    pub(super) fn too_large(message: impl Into<String>) -> Self {
        Self::new((413, 43), "EBizCondition", message)
    }

    /// It stands otherwise.
    pub(super) fn conflict(message: impl Into<String>) -> Self {
        Self::new((409, 42), "EBizRequestConflict", message)
    }

    /// The function failed.
    pub(super) fn failed(reason: &'static str, message: impl Into<String>) -> Self {
        Self::new((599, 10), reason, message)
    }

    /// The function did not end in its time.
    pub(super) fn timeout(message: impl Into<String>) -> Self {
        Self::new((599, 20), "EFuncTimeout", message)
    }

    /// The function has no result that can be given.
    pub(super) fn no_result(message: impl Into<String>) -> Self {
        Self::new((599, 98), "EFuncResultParsingFailed", message)
    }

    /// No worker answered in time; the run goes on.
    pub(super) fn no_response(message: impl Into<String>) -> Self {
        Self::new((599, 99), "EWorkerNoResponse", message)
    }

    /// With something that a program may want to read.
    pub(super) fn with(mut self, key: &str, value: Value) -> Self {
        self.detail.insert(key.to_owned(), value);
        self
    }
}

impl From<StateError> for Refused {
    fn from(error: StateError) -> Self {
        tracing::error!(%error, "a request could not be answered");
        Self::new((500, 50), "ESys", error.to_string())
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let (status, part) = self.code;
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut body = json!({
            "ok": false,
            "error": f64::from(u32::from(status.as_u16()) * 100 + u32::from(part)) / 100.0,
            "reason": self.reason,
            "message": self.message,
            "status": status.as_u16(),
        });
        if let (false, Some(body)) = (self.detail.is_empty(), body.as_object_mut()) {
            body.insert("detail".into(), self.detail.into());
        }
        let mut response = Enveloped(status, body).into_response();
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// A body that [`trace`] completes.
#[derive(Clone)]
pub(super) struct Enveloped(pub(super) StatusCode, pub(super) Value);

impl IntoResponse for Enveloped {
    fn into_response(self) -> Response {
        let mut response = self.0.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// Gives every answer its trace and its times.
pub(super) async fn trace(State(console): State<Arc<Console>>, request: Request, next: Next) -> Response {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let began = Instant::now();
    let asked = console.clock.now();
    let trace = format!("{:x}-{:x}", asked / 1_000_000, COUNT.fetch_add(1, Ordering::Relaxed));
    let (method, path) = (request.method().to_string(), request.uri().path().to_owned());
    let mut response = next.run(request).await;
    let cost = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    tracing::debug!(
        trace,
        method,
        path,
        status = response.status().as_u16(),
        milliseconds = cost,
        "answered"
    );
    let answered = console.clock.now();
    if let Some(Enveloped(status, mut body)) = response.extensions_mut().remove::<Enveloped>() {
        if let Some(body) = body.as_object_mut() {
            if body["ok"] == false {
                // Query and body are left out: the arguments stand there.
                let path = console.engine.masker().mask(&path);
                body.insert("reqDump".into(), json!({ "method": method, "url": path }));
            }
            body.insert("traceId".into(), trace.clone().into());
            body.insert("reqTime".into(), time(asked).into());
            body.insert("respTime".into(), time(answered).into());
            body.insert("reqCost".into(), cost.into());
        }
        let headers = std::mem::take(response.headers_mut());
        response = (status, Json(body)).into_response();
        for (name, value) in headers {
            // Those of the empty body that it was until now say nothing of this one.
            if let Some(name) =
                name.filter(|name| name != header::CONTENT_LENGTH && name != header::CONTENT_TYPE)
            {
                response.headers_mut().insert(name, value);
            }
        }
    }
    let headers = response.headers_mut();
    for (name, value) in [
        ("x-trace-id", trace),
        ("x-request-time", time(asked)),
        ("x-response-time", time(answered)),
        ("x-request-cost", format!("{cost}ms")),
    ] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    }
    headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    headers.insert("referrer-policy", HeaderValue::from_static("no-referrer"));
    headers.insert("x-frame-options", HeaderValue::from_static("DENY"));
    // An answer is data: whoever takes it for a page gets one that can do nothing.
    headers
        .entry(header::CONTENT_SECURITY_POLICY)
        .or_insert(HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

pub(super) async fn no_such_path(request: Request) -> Refused {
    Refused::not_found(format!(
        "there is nothing at {}: /openapi.json lists what there is",
        request.uri().path()
    ))
}

pub(super) async fn no_such_method(request: Request) -> Refused {
    Refused::new(
        (405, 43),
        "EBizCondition",
        format!("{} takes no {}: /openapi.json lists what it takes", request.uri().path(), request.method()),
    )
}
