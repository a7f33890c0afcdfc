//! The console: the HTTP API, and the page that stands on it.
//!
//! Owns URLs, the envelope, who may call, and what is shown of runs, triggers, functions and the state. Runs nothing itself: it asks
//! for runs and looks at their records. Knows no SQL and no Rhai. Shows no secret: what was recorded was masked before.
//!
//! - `answer` is the envelope and its errors, `asked` what stands in a URL; `guard` lets in or not; `view` makes data of records, `told` of
//!   what the service says of them; `standing` says how triggers stand, and `forecast` when they run next.
//! - `listen` is the door, and what a slow client can cost.
//! - `call` starts functions; `look` shows, `overview` what matters most and `usage` what it costs; `metrics` counts for Prometheus; `openapi`
//!   describes all of it.
//! - `page` is the console itself: files of the binary that know the API alone.

mod answer;
mod asked;
mod call;
mod forecast;
mod guard;
mod listen;
mod look;
mod metrics;
mod openapi;
mod overview;
mod page;
mod standing;
mod told;
mod usage;
mod view;

pub use forecast::Forecast;
pub use listen::{Patience, serve};

use crate::schedule::zone::Zone;
use crate::schedule::{Engine, Idle, Trigger};
use crate::state::Time;
use crate::state::runs::{Detail, Record, Store};
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use axum::routing::{get, post};
use funchost_collectors::clock::Clock;
use secrecy::SecretString;
use std::sync::{Arc, PoisonError, RwLock};

/// The triggers of this machine.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Those that can fire.
    pub triggers: Vec<Trigger>,
    /// Those that cannot, and why.
    pub idle: Vec<Idle>,
}

/// What the console looks at.
pub struct Console {
    /// The state.
    pub store: Arc<dyn Store>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// This machine's engine; it may have no work here.
    pub engine: Arc<Engine>,
    /// This machine's triggers; replaced whole.
    pub plan: RwLock<Arc<Plan>>,
    /// What callers must show.
    pub token: RwLock<Option<SecretString>>,
    /// The zone of logs.
    pub zone: RwLock<Zone>,
    /// `scheduler,worker,web`.
    pub roles: String,
    /// When this process started.
    pub started: Time,
    /// When its triggers run next.
    pub forecast: Forecast,
}

impl std::fmt::Debug for Console {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Console").field("roles", &self.roles).finish_non_exhaustive()
    }
}

impl Console {
    /// This machine's triggers.
    #[must_use]
    pub fn plan(&self) -> Arc<Plan> {
        self.plan.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn zone(&self) -> Zone {
        *self.zone.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn token(&self) -> Option<SecretString> {
        self.token.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A run as data, as lists show it.
#[must_use]
pub fn record(record: &Record) -> serde_json::Value {
    view::record(record)
}

/// A run as data, with all that is known of it.
#[must_use]
pub fn run(record: &Record, detail: &Detail) -> serde_json::Value {
    view::whole(record, detail)
}

/// Every route.
pub fn router(console: Arc<Console>) -> Router {
    let api = Router::new()
        .route("/api/v1/func/{func}", get(call::describe).post(call::func))
        .route("/api/v1/sync/{func}", get(call::sync).post(call::sync))
        .route("/api/v1/sync/{func}/{format}", get(call::sync).post(call::sync))
        .route("/api/v1/async/{func}", get(call::background).post(call::background))
        .route("/api/v1/async/{func}/{format}", get(call::background).post(call::background))
        .route("/api/v1/cron/{trigger}", post(call::cron))
        .route("/api/v1/runs/{run}/stop", post(call::stop))
        .route("/api/v1/triggers/{trigger}/pause", post(call::pause))
        .route("/api/v1/triggers/{trigger}/resume", post(call::resume))
        .route("/api/v1/func-list", get(look::functions))
        .route("/api/v1/functions", get(look::functions))
        .route("/api/v1/scripts", get(look::scripts))
        .route("/api/v1/triggers", get(look::triggers))
        .route("/api/v1/runs", get(look::runs))
        .route("/api/v1/runs/{run}", get(look::run))
        .route("/api/v1/runs/{run}/result", get(look::result))
        .route("/api/v1/runs/{run}/log", get(look::log))
        .route("/api/v1/runs/{run}/events", get(look::events))
        .route("/api/v1/objects", get(look::objects))
        .route("/api/v1/outbox", get(look::outbox))
        .route("/api/v1/calls", get(look::calls))
        .route("/api/v1/usage", get(usage::usage))
        .route("/api/v1/overview", get(overview::overview))
        .route("/api/v1/service", get(look::service))
        .route("/metrics", get(metrics::metrics))
        .route("/openapi.json", get(openapi::document))
        // Nobody's body is waited for before it is known who it is.
        .route_layer(middleware::from_fn(listen::body))
        .route_layer(middleware::from_fn_with_state(console.clone(), guard::token));
    Router::new()
        .merge(api)
        .route("/healthz", get(look::health))
        // Nothing of the page is secret, and it is the page that asks for the token.
        .route("/", get(page::index))
        .route("/console/{file}", get(page::file))
        .fallback(answer::no_such_path)
        .method_not_allowed_fallback(answer::no_such_method)
        // `listen::body` has a limit of its own.
        .layer(DefaultBodyLimit::disable())
        .layer(middleware::from_fn_with_state(console.clone(), guard::place))
        .layer(middleware::from_fn_with_state(console.clone(), answer::trace))
        .with_state(console)
}
