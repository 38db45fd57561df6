//! `/metrics` against the table of metrics, and health.

mod support;

use std::collections::{BTreeMap, BTreeSet};

use phalanx_api::Readiness;
use phalanx_gateway::{METRICS, MetricKind};
use support::{Server, fleet::Worker, new_job, until};

#[test]
fn metrics_are_those_of_the_table() {
    let (server, _directory) = Server::open();
    server.request("POST", "/v1/jobs").json(&new_job(&server, None, "a")).send().is(201);
    Worker::new(&server, None, "w1").job("a");
    server.client(None).jobs(&Default::default()).unwrap();
    let text = || server.request("GET", "/metrics").send().is(200).text();
    // Times of tasks are counted a moment after their end, levels with a sweep.
    let all: BTreeMap<&str, MetricKind> = METRICS.iter().map(|metric| (metric.name, metric.kind)).collect();
    let shown = until("every metric", || {
        let text = text();
        let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
        let shown: BTreeMap<String, String> = types.map(|(name, kind)| (name.to_owned(), kind.to_owned())).collect();
        (shown.len() >= all.len()).then_some(shown)
    });
    for (name, kind) in &shown {
        let kind_of_table = all.get(name.as_str()).unwrap_or_else(|| panic!("{name} is not in the table"));
        let expected = match kind_of_table {
            MetricKind::Counter => "counter",
            MetricKind::Gauge => "gauge",
            MetricKind::Histogram(_) => "histogram",
        };
        assert_eq!(kind, expected, "{name}");
    }
    assert_eq!(shown.len(), all.len());
    let text = text();
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let (series, _) = line.rsplit_once(' ').unwrap();
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        let base = ["_bucket", "_sum", "_count"]
            .iter()
            .find_map(|end| name.strip_suffix(end).filter(|base| all.contains_key(base)));
        let metric = METRICS.iter().find(|metric| metric.name == base.unwrap_or(name)).unwrap();
        let labels: BTreeSet<&str> = labels
            .split(',')
            .filter_map(|label| Some(label.split_once('=')?.0))
            .filter(|label| *label != "le")
            .collect();
        assert_eq!(labels, metric.labels.iter().copied().collect(), "{series}");
    }
    let value = |series: &str| -> f64 {
        let line = text.lines().find(|line| line.starts_with(series)).unwrap_or_else(|| panic!("{series}"));
        line.rsplit_once(' ').unwrap().1.parse().unwrap()
    };
    assert_eq!(value("phalanx_tasks_done_total{kind=\"prove\"}"), 2.0);
    assert_eq!(value("phalanx_cycles_total "), 2_000.0);
    assert_eq!(value("phalanx_task_failures_total{cause=\"bad_proof\"}"), 0.0);
    // Ids are no labels.
    assert!(!text.contains("0199c0de") && text.contains("route=\"GET /v1/jobs\""));
}

#[test]
fn a_gateway_says_whether_it_can_work() {
    let (server, _directory) = Server::open();
    assert_eq!(server.request("GET", "/healthz").send().is(200).text(), "ok\n");
    let ready: Readiness = serde_json::from_value(server.request("GET", "/readyz").send().is(200).json()).unwrap();
    assert_eq!(ready, Readiness { is_ready: true, database: None, store: None });
}

#[test]
fn names_are_units_and_words() {
    for metric in METRICS {
        assert!(metric.name.starts_with("phalanx_"), "{}", metric.name);
        assert_eq!(metric.name.ends_with("_total"), metric.kind == MetricKind::Counter, "{}", metric.name);
        assert!(metric.help.ends_with('.'), "{}", metric.name);
    }
}
