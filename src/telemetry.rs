//! Traces for OpenTelemetry: spans of runs, of their collectors, of the collectors' calls, sent by OTLP over HTTP.
//!
//! Owns the exporter and its place in the log's machinery. What is a span, and what it says, stands where the work is done (target
//! [`TRACED`]); while no endpoint is named, none of it is made. Knows no script and no cloud.

use crate::script::Masker;
use bytes::Bytes;
use funchost_collectors::call::TRACED;
use opentelemetry::trace::{Status, TracerProvider as _};
use opentelemetry::{KeyValue, Value};
use opentelemetry_http::{HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider, SpanData};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::runtime::Handle;
use tracing_opentelemetry::OpenTelemetryLayer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::{Layer, Registry, reload};

/// How long a collector of spans may take for one answer, and at the end for the last.
const PATIENCE: Duration = Duration::from_secs(5);

type Bridge = OpenTelemetryLayer<Registry, SdkTracer>;

/// Where the exporter is put in when there is one: the log begins before the configuration is read.
struct Place {
    bridge: reload::Handle<Option<Bridge>, Registry>,
    filter: reload::Handle<Targets, Registry>,
}

static PLACE: OnceLock<Place> = OnceLock::new();

/// The layer of the log in which the exporter will have its place. Until then it wants no span.
pub fn layer() -> impl Layer<Registry> {
    let (layer, bridge) = reload::Layer::new(None);
    let (filter, filtering) = reload::Layer::new(Targets::new());
    drop(PLACE.set(Place { bridge, filter: filtering }));
    layer.with_filter(filter)
}

/// Where spans go, as the standard's variables say it, else as the configuration does: the whole URL.
#[must_use]
pub fn endpoint(variables: &BTreeMap<String, String>, configured: Option<&str>) -> Option<String> {
    let variable =
        |name: &str| variables.get(name).map(|value| value.trim()).filter(|value| !value.is_empty());
    let below = |base: &str| format!("{}/v1/traces", base.trim_end_matches('/'));
    variable("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
        .map(str::to_owned)
        .or_else(|| variable("OTEL_EXPORTER_OTLP_ENDPOINT").or(configured).map(below))
}

/// Is it a URL to which spans can be sent?
///
/// # Errors
/// Words that follow its name.
pub fn check(url: &str) -> Result<(), &'static str> {
    match reqwest::Url::parse(url) {
        Ok(parsed) if !parsed.username().is_empty() || parsed.password().is_some() => {
            Err("holds a name or a password: send them as OTEL_EXPORTER_OTLP_HEADERS")
        }
        Ok(parsed) if matches!(parsed.scheme(), "http" | "https") && parsed.has_host() => Ok(()),
        _ => Err("is no URL: write `http://host:4318`"),
    }
}

/// What is sent out until it is ended.
#[derive(Debug)]
pub struct Telemetry(SdkTracerProvider);

/// Sends spans from now on.
///
/// # Errors
/// Why not.
pub fn start(
    url: &str,
    http: reqwest::Client,
    worker: &str,
    variables: &BTreeMap<String, String>,
    masker: Arc<Masker>,
) -> Result<Telemetry, String> {
    let Some(place) = PLACE.get() else { return Err("this process has another's log".into()) };
    check(url).map_err(|why| format!("the endpoint of spans {why}"))?;
    let client = Client { http, runtime: Handle::current(), failing: AtomicBool::new(false) };
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(client)
        .with_protocol(Protocol::HttpBinary)
        .with_timeout(PATIENCE)
        .with_endpoint(url)
        .build()
        .map_err(|error| error.to_string())?;
    let mut resource = Resource::builder();
    if !variables.contains_key("OTEL_SERVICE_NAME") {
        resource = resource.with_service_name("funchost");
    }
    let resource = resource.with_attributes([
        KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
        KeyValue::new("service.instance.id", worker.to_owned()),
    ]);
    let exporter = Masked { exporter, masker };
    let provider =
        SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource.build()).build();
    let bridge = OpenTelemetryLayer::new(provider.tracer("funchost"))
        .with_location(false)
        .with_threads(false)
        .with_level(false)
        .with_target(false)
        .with_tracked_inactivity(false)
        .with_context_activation(false);
    place.bridge.reload(Some(bridge)).map_err(|error| error.to_string())?;
    let wanted = Targets::new().with_target(TRACED, LevelFilter::TRACE);
    place.filter.reload(wanted).map_err(|error| error.to_string())?;
    Ok(Telemetry(provider))
}

impl Telemetry {
    /// Sends what waits, as far as it gets in this time, and nothing after it.
    pub async fn end(self, most: Duration) {
        let patience = PATIENCE.min(most);
        // It waits for a thread of its own, which waits for us.
        let ended = tokio::task::spawn_blocking(move || self.0.shutdown_with_timeout(patience)).await;
        if let Ok(Err(error)) = ended {
            tracing::warn!(%error, "the last spans could not be sent");
        }
    }
}

/// Whatever a span says passes the mask first: a region, say, is what a script wrote there.
#[derive(Debug)]
struct Masked {
    exporter: SpanExporter,
    masker: Arc<Masker>,
}

impl Masked {
    fn text(&self, text: &str) -> String {
        self.masker.mask(text).into_owned()
    }

    fn hide(&self, mut span: SpanData) -> SpanData {
        span.name = self.text(&span.name).into();
        for attribute in &mut span.attributes {
            if let Value::String(value) = &attribute.value {
                attribute.value = Value::String(self.text(value.as_str()).into());
            }
        }
        if let Status::Error { description } = &span.status {
            span.status = Status::Error { description: self.text(description).into() };
        }
        span
    }
}

impl opentelemetry_sdk::trace::SpanExporter for Masked {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.exporter.export(batch.into_iter().map(|span| self.hide(span)).collect()).await
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

/// The process's own client. The exporter's thread has no runtime, so the work is done on ours.
#[derive(Debug)]
struct Client {
    http: reqwest::Client,
    runtime: Handle,
    failing: AtomicBool,
}

impl Client {
    /// Said once for each time that it begins, and once when it is over.
    fn note(&self, failed: Option<&str>) {
        let before = self.failing.swap(failed.is_some(), Ordering::Relaxed);
        match failed {
            Some(why) if !before => tracing::warn!(why, "spans cannot be sent, and are lost until they can"),
            None if before => tracing::info!("spans are sent again"),
            _ => {}
        }
    }
}

#[async_trait::async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let http = self.http.clone();
        let sending = self.runtime.spawn(async move {
            let mut request = reqwest::Request::try_from(request).map_err(reqwest::Error::without_url)?;
            *request.timeout_mut() = Some(PATIENCE);
            let answer = http.execute(request).await.map_err(reqwest::Error::without_url)?;
            let mut response = Response::builder().status(answer.status());
            if let Some(headers) = response.headers_mut() {
                headers.clone_from(answer.headers());
            }
            let body = answer.bytes().await.map_err(reqwest::Error::without_url)?;
            Ok::<_, HttpError>(response.body(body)?)
        });
        let sent = match sending.await {
            Ok(sent) => sent,
            Err(error) => Err(error.into()),
        };
        match &sent {
            Ok(response) if response.status().is_success() => self.note(None),
            Ok(response) => self.note(Some(response.status().as_str())),
            Err(error) => self.note(Some(&chain(error.as_ref()))),
        }
        sent
    }
}

/// An error with what caused it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standards_variables_win_and_the_path_is_the_standards() {
        let with = |pairs: &[(&str, &str)], configured| {
            let variables = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            endpoint(&variables.collect(), configured)
        };
        let (traces, all) = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT");
        assert_eq!(with(&[], None), None);
        assert_eq!(with(&[(all, "")], None), None);
        assert_eq!(with(&[], Some("http://a:4318")).unwrap(), "http://a:4318/v1/traces");
        assert_eq!(with(&[(all, "http://b/x/")], Some("http://a")).unwrap(), "http://b/x/v1/traces");
        assert_eq!(with(&[(traces, "http://c/own"), (all, "http://b")], None).unwrap(), "http://c/own");
    }

    #[test]
    fn only_urls_are_taken() {
        for good in ["http://localhost:4318/v1/traces", "https://otlp.example.com"] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for bad in ["", "localhost:4318", "grpc://a:4317", "http://", "http://name:word@host"] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }
}
