//! What scripts rely on: the fields of `--json`, what is printed, what a second run does.

use std::{collections::BTreeSet, fs};

use super::{
    phalanx::{Place, guest},
    sorted::{prove, public_values, sorted},
};

#[test]
fn json_has_the_fields_of_the_contract_and_no_others() {
    let report = &sorted().report;
    let keys =
        |object: &serde_json::Value| -> BTreeSet<String> { object.as_object().unwrap().keys().cloned().collect() };
    let names = |text: &str| -> BTreeSet<String> { text.split_whitespace().map(str::to_owned).collect() };
    // Those of the contract, then those that docs/run.md adds.
    let contract = "program_id exit_code public_values cycles segments tasks_run tasks_reused wall_ms cpu_ms
        peak_rss_bytes receipt receipt_bytes security_bits phases predicted_wall_ms tasks";
    assert_eq!(keys(report), names(contract));
    for phase in report["phases"].as_array().unwrap() {
        assert_eq!(keys(phase), names("name count wall_ms cpu_ms"));
    }
    let task = "kind layer index slot start_ms wall_ms cpu_ms predicted_peak_bytes measured_peak_bytes reused";
    for line in report["tasks"].as_array().unwrap() {
        assert_eq!(keys(line), names(task));
    }
}

#[test]
fn json_values_describe_the_job() {
    let sorted = sorted();
    let report = &sorted.report;
    let number = |name: &str| report[name].as_u64().unwrap_or_else(|| panic!("{name} is no number"));
    assert_eq!(report["public_values"], public_values());
    assert_eq!(report["receipt"], "sorted.receipt");
    let expected = [
        ("exit_code", 0),
        ("tasks_run", sorted.tasks()),
        ("tasks_reused", 0),
        ("receipt_bytes", sorted.receipt_bytes().len() as u64),
        ("security_bits", 100),
    ];
    for (name, value) in expected {
        assert_eq!(number(name), value, "{name}");
    }
    for name in ["cycles", "wall_ms", "cpu_ms", "peak_rss_bytes"] {
        assert!(number(name) > 0, "{name}");
    }
    assert_eq!(report["program_id"].as_str().unwrap().len(), 64);
    let phases: Vec<_> = report["phases"].as_array().unwrap().iter().collect();
    let counts: Vec<_> =
        phases.iter().map(|phase| (phase["name"].as_str().unwrap(), phase["count"].as_u64().unwrap())).collect();
    assert_eq!(counts, [("execute", 1), ("prove", sorted.segments()), ("fold", sorted.folds()), ("seal", 1)]);
    assert!(phases.iter().skip(1).all(|phase| phase["cpu_ms"].as_u64().unwrap() > 0), "{phases:?}");
    assert_eq!(report["tasks"].as_array().unwrap().len() as u64, sorted.tasks());
}

#[test]
fn verify_prints_the_value_that_another_program_computed() {
    let sorted = sorted();
    for program in [guest("mergesort").into_os_string(), sorted.program_id().into()] {
        let done = sorted.place.run(&["verify".into(), sorted.receipt().into(), "--program".into(), program]).ok();
        assert_eq!(done.stdout, public_values() + "\n");
    }
}

#[test]
fn inspect_says_what_was_proven() {
    let sorted = sorted();
    let inspected = sorted.place.run(&["inspect", "sorted.receipt", "--json"]).ok().json();
    assert_eq!(inspected["verified"], true);
    assert_eq!(inspected["provenance"]["segments"], sorted.report["segments"]);
    for name in ["program_id", "exit_code", "public_values", "security_bits", "receipt_bytes"] {
        assert_eq!(inspected[name], sorted.report[name], "{name}");
    }
    assert_eq!(inspected["provenance"]["cycles"], sorted.report["cycles"]);
}

#[test]
fn the_timeline_is_one_file_that_asks_nobody() {
    let page = fs::read_to_string(sorted().place.path("timeline.html")).unwrap();
    assert!(page.starts_with("<!doctype html>") && page.contains("<svg"));
    for reference in ["src=", "@import", "fetch(", "http-equiv=\"refresh\""] {
        assert!(!page.contains(reference), "{reference}");
    }
    // Links lead to places in the page.
    for link in ["href=\"", "url("] {
        assert!(page.split(link).skip(1).all(|target| target.starts_with('#')), "{link}");
    }
}

#[test]
fn a_second_run_runs_no_task_and_writes_the_same_receipt() {
    let sorted = sorted();
    let place = sorted.copy();
    let report = place.run(&prove()).ok().json();
    assert_eq!((report["tasks_run"].as_u64(), report["tasks_reused"].as_u64()), (Some(0), Some(sorted.tasks())));
    assert_eq!(fs::read(place.path("sorted.receipt")).unwrap(), sorted.receipt_bytes());
    assert_eq!(place.recorded() as u64, sorted.tasks() + 1, "each task once, and the job");
}

#[test]
fn the_store_lists_what_was_made_and_is_clean() {
    let sorted = sorted();
    let place = &sorted.place;
    place.assert_store_is_clean();
    let listed = place.run(&["store", "ls", "--json"]).ok().json();
    let of_kind = |kind: &str| {
        listed["artifacts"].as_array().unwrap().iter().filter(|artifact| artifact["kind"] == kind).count() as u64
    };
    assert_eq!(["program", "stdin", "execution", "receipt"].map(of_kind), [1; 4]);
    assert_eq!((of_kind("segment"), of_kind("proof")), (sorted.segments(), sorted.segments() + sorted.folds()));
}

#[test]
fn a_collection_keeps_the_receipt_and_a_later_run_still_works() {
    let sorted = sorted();
    let place = sorted.copy();
    let removed = place.run(&["store", "gc", "--json"]).ok().json();
    assert!(removed["removed_artifacts"].as_u64().unwrap() > 0, "{removed}");
    place.assert_store_is_clean();
    let report = place.run(&prove()).ok().json();
    let (run, reused) = (report["tasks_run"].as_u64().unwrap(), report["tasks_reused"].as_u64().unwrap());
    assert_eq!(run + reused, sorted.tasks());
    assert!(run <= 1, "at most the execution, of which the report tells, runs again: {run}");
    assert_eq!(fs::read(place.path("sorted.receipt")).unwrap(), sorted.receipt_bytes());
}

#[test]
fn a_store_elsewhere_is_named_by_option_or_variable() {
    let sorted = sorted();
    let place = Place::new();
    let store = sorted.place.path("store");
    place.run(&["store".into(), "verify".into(), "--store".into(), store.clone().into_os_string()]).ok();
    let listed = place.command(&["store", "ls"]).env("PHALANX_STORE", &store).output().unwrap();
    assert!(listed.status.success());
    assert!(place.files().is_empty(), "looking at a store makes none");
}
