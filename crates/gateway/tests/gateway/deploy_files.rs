//! The files in `deploy/` speak of what is there: metrics, labels, fields of the queue, alerts, versions. That their variables
//! are those of options, a test of the command line says.
//!
//! In: the files as they are committed, the gateway's tables, the documentation. Whether the tools that read these files accept
//! them is for `deploy/check.sh`, which has these tools.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use phalanx_api::{KindLoad, QueueView};
use phalanx_gateway::{Limits, METRICS, Metric, MetricKind};
use phalanx_plan::TaskKind;
use serde_json::Value;

const KINDS: [TaskKind; 4] = [TaskKind::Execute, TaskKind::Prove, TaskKind::Fold, TaskKind::Seal];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The words that begin with `prefix` and go on with what `goes_on` accepts.
fn words<'a>(text: &'a str, prefix: &str, goes_on: fn(char) -> bool) -> BTreeSet<&'a str> {
    let is_inside = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.match_indices(prefix)
        .filter(|(at, _)| !text[..*at].ends_with(is_inside))
        .map(|(at, _)| {
            let word = &text[at..];
            &word[..word.find(|c| !goes_on(c)).unwrap_or(word.len())]
        })
        .collect()
}

fn metric_words(text: &str) -> BTreeSet<&str> {
    words(text, "phalanx_", |c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

/// The metric that a series in a query belongs to. Histograms are asked for by their parts.
fn metric(series: &str) -> &'static Metric {
    let part = |metric: &Metric| match metric.kind {
        MetricKind::Histogram(_) => {
            ["_bucket", "_sum", "_count"].iter().any(|part| series.strip_suffix(part) == Some(metric.name))
        }
        MetricKind::Counter | MetricKind::Gauge => series == metric.name,
    };
    METRICS.iter().find(|metric| part(metric)).unwrap_or_else(|| panic!("no gateway has the series {series}"))
}

fn dashboard() -> Value {
    serde_json::from_str(&read("deploy/grafana/phalanx.json")).unwrap()
}

fn dashboard_queries() -> Vec<String> {
    let board = dashboard();
    let panels = board["panels"].as_array().unwrap();
    let targets = panels.iter().filter_map(|panel| panel["targets"].as_array()).flatten();
    targets.map(|target| target["expr"].as_str().unwrap().to_owned()).collect()
}

/// The names in every `by (…)` of a query.
fn grouped_by(query: &str) -> impl Iterator<Item = &str> {
    query.split("by (").skip(1).flat_map(|rest| rest.split(')').next().unwrap().split(',').map(str::trim))
}

#[test]
fn every_query_of_the_dashboard_asks_for_metrics_that_are_there() {
    for query in dashboard_queries() {
        let series = metric_words(&query);
        assert!(!series.is_empty(), "{query}");
        let labels: BTreeSet<&str> = series.iter().flat_map(|series| metric(series).labels).copied().collect();
        for label in grouped_by(&query) {
            assert!(label == "le" || label == "instance" || labels.contains(label), "{label} in {query}");
        }
    }
}

#[test]
fn every_metric_is_on_the_dashboard() {
    let queries = dashboard_queries().concat();
    let shown: BTreeSet<&str> = metric_words(&queries).into_iter().map(|series| metric(series).name).collect();
    for metric in METRICS {
        assert!(shown.contains(metric.name), "{} is on no panel", metric.name);
    }
}

#[test]
fn panels_have_names_and_places_of_their_own() {
    let board = dashboard();
    let panels = board["panels"].as_array().unwrap();
    let ids: BTreeSet<u64> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len());
    let mut taken = BTreeSet::new();
    for panel in panels {
        let number = |name: &str| panel["gridPos"][name].as_u64().unwrap();
        assert!(number("x") + number("w") <= 24, "{}", panel["title"]);
        for x in number("x")..number("x") + number("w") {
            for y in number("y")..number("y") + number("h") {
                assert!(taken.insert((x, y)), "{} lies over another panel", panel["title"]);
            }
        }
    }
}

#[test]
fn alerts_and_their_tests_ask_for_metrics_that_are_there() {
    for file in ["deploy/prometheus/alerts.yaml", "deploy/prometheus/alerts.test.yaml"] {
        let text = read(file);
        for series in metric_words(&text) {
            let metric = metric(series);
            // Values of labels that are asked for by name are values that the gateway gives.
            for label in metric.labels {
                for selector in text.match_indices(series).filter_map(|(at, _)| {
                    text[at + series.len()..].strip_prefix('{').and_then(|rest| rest.split('}').next())
                }) {
                    let Some(value) = selector.split(&format!("{label}=\"")).nth(1) else { continue };
                    let value = value.split('"').next().unwrap();
                    let is_known = metric.values.is_empty() || metric.values.contains(&value);
                    assert!(is_known, "{series}{{{selector}}} in {file}");
                }
            }
        }
    }
}

/// What `text` says after each `- alert: `.
fn alerts(text: &str) -> BTreeSet<&str> {
    text.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect()
}

#[test]
fn every_alert_is_explained_and_tested() {
    let (rules, tests, page) =
        (read("deploy/prometheus/alerts.yaml"), read("deploy/prometheus/alerts.test.yaml"), read("docs/operate.md"));
    let alerts = alerts(&rules);
    assert!(alerts.len() > 5);
    for alert in &alerts {
        assert!(page.contains(&format!("| `{alert}` |")), "{alert} is not in docs/operate.md");
        assert!(tests.contains(&format!("alertname=\"{alert}\"")), "nothing tests that {alert} fires");
    }
    let explained = page.lines().filter_map(|line| line.strip_prefix("| `Phalanx")).count();
    assert_eq!(explained, alerts.len(), "docs/operate.md explains alerts that are not there");
}

#[test]
fn alerts_link_to_headings_that_are_there() {
    let (rules, page) = (read("deploy/prometheus/alerts.yaml"), read("docs/operate.md"));
    let anchors: BTreeSet<String> = page
        .lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| line.trim_start_matches('#').trim().to_lowercase().replace(' ', "-"))
        .collect();
    let links: Vec<&str> =
        rules.lines().filter_map(|line| line.split_once("docs/operate.md#")).map(|(_, to)| to).collect();
    assert_eq!(links.len(), alerts(&rules).len());
    for link in links {
        assert!(anchors.contains(link), "no heading of docs/operate.md is #{link}");
    }
}

/// What autoscalers read from `GET /v1/queue` by its path.
#[test]
fn the_chart_scales_by_fields_that_the_queue_has() {
    let kinds: BTreeMap<String, KindLoad> =
        KINDS.iter().map(|kind| (kind.name().to_owned(), KindLoad::default())).collect();
    let view = QueueView {
        kinds,
        ready: 0,
        running: 0,
        dead: 0,
        jobs: 0,
        workers: 0,
        slots: 0,
        slots_wanted: 0,
        unclaimable: 0,
    };
    let view = serde_json::to_value(view).unwrap();
    let chart = read("deploy/helm/phalanx/templates/scaling.yaml");
    let places: Vec<&str> = chart.lines().filter_map(|line| line.trim().strip_prefix("valueLocation: ")).collect();
    assert_eq!(places, ["kinds.{{ $kind }}.{{ $state }}", "slots_wanted"]);
    assert!(chart.contains(r#"$state := list "ready" "running""#));
    for place in
        ["slots_wanted", "kinds.execute.ready", "kinds.prove.running", "kinds.fold.ready", "kinds.seal.running"]
    {
        let field = place.split('.').fold(&view, |value, name| &value[name]);
        assert!(field.is_u64(), "{place}");
    }
    let schema: Value = serde_json::from_str(&read("deploy/helm/phalanx/values.schema.json")).unwrap();
    let offered = &schema["definitions"]["pool"]["properties"]["kinds"]["items"]["enum"];
    let kinds: Vec<&str> = KINDS.iter().map(|kind| kind.name()).collect();
    assert_eq!(offered, &serde_json::to_value(kinds).unwrap());
}

#[test]
fn versions_are_those_of_this_release() {
    let chart = read("deploy/helm/phalanx/Chart.yaml");
    let version = env!("CARGO_PKG_VERSION");
    assert!(chart.contains(&format!("appVersion: \"{version}\"")), "Chart.yaml is for another version than {version}");
    let rust = env!("CARGO_PKG_RUST_VERSION");
    assert!(read("deploy/Containerfile").contains(&format!("RUST_VERSION={rust}\n")), "Containerfile, Rust {rust}");
}

#[test]
fn the_page_states_the_limits_that_hold() {
    let page = read("docs/operate.md");
    let limits = Limits::default();
    let thousands = |number: usize| match number {
        1_000.. => format!("{},{:03}", number / 1000, number % 1000),
        _ => number.to_string(),
    };
    let seconds = |duration: std::time::Duration| format!("{} s", duration.as_secs());
    let rows = [
        (
            "requests of one token",
            format!("{:.0} per second, {:.0} at once", limits.requests_per_second, limits.requests_burst)
                .replace("1000", "1,000")
                .replace("2000", "2,000"),
        ),
        ("connections of a gateway", thousands(limits.connections_max)),
        ("uploads and downloads at once, of a gateway", thousands(limits.transfers_max)),
        ("event streams of a gateway", thousands(limits.streams_max)),
        (
            "head of a request; each piece of a body",
            format!("{}; {}", seconds(limits.head_wait), seconds(limits.chunk_wait)),
        ),
    ];
    for (row, limit) in rows {
        let start = format!("| {row} | {limit}");
        assert!(page.contains(&start), "docs/operate.md does not have the row `{start}`");
    }
}
