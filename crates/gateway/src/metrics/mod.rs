//! What the gateway counts, for Prometheus. One recorder serves all gateways of a process.

mod names;
mod observe;

use std::sync::{Once, OnceLock};

use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

pub(crate) use names::*;
pub use names::{METRICS, Metric, MetricKind, Unit};
pub(crate) use observe::*;

const SECONDS: &[f64] = &[
    0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0,
];
const MIB: f64 = 1_048_576.0;
const BYTES: &[f64] = &[
    64.0 * MIB,
    256.0 * MIB,
    512.0 * MIB,
    1024.0 * MIB,
    2048.0 * MIB,
    4096.0 * MIB,
    6144.0 * MIB,
    8192.0 * MIB,
    12288.0 * MIB,
    16384.0 * MIB,
    24576.0 * MIB,
    32768.0 * MIB,
    65536.0 * MIB,
];

static RECORDER: OnceLock<Option<PrometheusHandle>> = OnceLock::new();

/// Begins to count, if that has not begun in this process.
pub(crate) fn install() {
    static SHOWN: Once = Once::new();
    if recorder().is_some() {
        SHOWN.call_once(|| METRICS.iter().for_each(show));
    }
}

fn recorder() -> Option<&'static PrometheusHandle> {
    RECORDER.get_or_init(|| build().map_err(|error| tracing::warn!("metrics are not recorded: {error}")).ok()).as_ref()
}

fn build() -> Result<PrometheusHandle, Box<dyn std::error::Error>> {
    let mut builder = PrometheusBuilder::new();
    for metric in METRICS {
        if let MetricKind::Histogram(unit) = metric.kind {
            let buckets = if unit == Unit::Seconds { SECONDS } else { BYTES };
            builder = builder.set_buckets_for_metric(Matcher::Full(metric.name.to_owned()), buckets)?;
        }
    }
    let recorder = builder.build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder)?;
    Ok(handle)
}

/// Describes a metric, and shows those of its series that are known before anything happens: a rate needs its zero.
fn show(metric: &Metric) {
    let Metric { name, kind, labels, values, help } = *metric;
    match kind {
        MetricKind::Counter => describe_counter!(name, help),
        MetricKind::Gauge => describe_gauge!(name, help),
        MetricKind::Histogram(_) => describe_histogram!(name, help),
    }
    let series: Vec<Vec<metrics::Label>> = match labels {
        [] => vec![Vec::new()],
        [label] => values.iter().map(|value| vec![metrics::Label::new(*label, *value)]).collect(),
        _ => Vec::new(),
    };
    for labels in series {
        match kind {
            MetricKind::Counter => counter!(name, labels).increment(0),
            MetricKind::Gauge => gauge!(name, labels).increment(0.0),
            // It is there once it has a value.
            MetricKind::Histogram(_) => drop(histogram!(name, labels)),
        }
    }
}

/// All metrics in Prometheus' text format.
pub(crate) fn render() -> String {
    recorder().map(PrometheusHandle::render).unwrap_or_default()
}

/// Empties what histograms have gathered since the last time; to be called every few seconds.
pub(crate) fn upkeep() {
    if let Some(recorder) = recorder() {
        recorder.run_upkeep();
    }
}
