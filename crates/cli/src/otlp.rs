//! Spans for an OpenTelemetry collector: OTLP over HTTP (opentelemetry.io/docs/specs/otlp), to where the standard variables
//! `OTEL_EXPORTER_OTLP_ENDPOINT` and `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` say; without them nothing is sent.

use std::{env, sync::OnceLock, time::Duration};

use async_trait::async_trait;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithHttpConfig as _};
use opentelemetry_sdk::{Resource, trace::SdkTracerProvider};
use tracing::{Subscriber, level_filters::LevelFilter};
use tracing_subscriber::{Layer, filter::Targets, registry::LookupSpan};
use ureq::Agent;

/// A collector that takes longer has failed.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// The longest answer of a collector, in bytes.
const ANSWER_BYTES_MAX: u64 = 64 << 10;
/// Our own crates; what the libraries below them time is theirs.
const OURS: &str = "phalanx";

/// What exports; its spans are sent in batches.
static PROVIDER: OnceLock<SdkTracerProvider> = OnceLock::new();

/// The layer that exports spans, if a variable says where to.
pub fn layer<S>() -> Result<Option<impl Layer<S>>, ExporterBuildError>
where
    S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
{
    let is_set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
    if !["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"].into_iter().any(is_set) {
        return Ok(None);
    }
    let exporter = SpanExporter::builder().with_http().with_http_client(Collector::new()).build()?;
    let resource = Resource::builder();
    let resource = if is_set("OTEL_SERVICE_NAME") { resource } else { resource.with_service_name(OURS) };
    let provider = SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource.build()).build();
    let tracer = PROVIDER.get_or_init(|| provider).tracer(OURS);
    let ours = Targets::new().with_target(OURS, LevelFilter::INFO);
    Ok(Some(tracing_opentelemetry::layer().with_tracer(tracer).with_filter(ours)))
}

/// Sends what is left.
pub fn end() {
    if let Some(Err(error)) = PROVIDER.get().map(SdkTracerProvider::shutdown) {
        tracing::warn!(%error, "some spans were not exported");
    }
}

/// Speaks HTTP with a collector; blocking, on the exporter's own thread.
#[derive(Debug)]
struct Collector(Agent);

impl Collector {
    fn new() -> Self {
        let config = Agent::config_builder().http_status_as_error(false).timeout_global(Some(ANSWER_MAX));
        Self(config.build().into())
    }
}

#[async_trait]
impl HttpClient for Collector {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let mut answer = self.0.run(request.map(Vec::from))?;
        let body = answer.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec()?;
        Ok(answer.map(|_| body.into()))
    }
}
