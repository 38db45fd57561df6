//! A job's life as far as it goes without a worker.

use serde_json::Value;

use super::gateway::{Gateway, Place, tiny_elf};

fn on<'a>(gateway: &'a Gateway, arguments: &[&'a str]) -> Vec<&'a str> {
    [arguments, &["--server", gateway.url()]].concat()
}

fn submit(place: &Place, gateway: &Gateway, options: &[&str]) -> String {
    let elf = tiny_elf();
    place.run(&on(gateway, &[&["submit", &elf], options].concat())).good().text()
}

#[test]
fn a_job_is_submitted_seen_and_cancelled() {
    let place = Place::new();
    let gateway = place.serve(&[]);
    let empty = place.run(&on(&gateway, &["jobs"])).good();
    assert_eq!((empty.text().as_str(), empty.talk().as_str()), ("", "no jobs\n"));

    let job = submit(&place, &gateway, &["--priority", "-5", "--deadline", "1h"]);
    assert_eq!(job.len(), 36, "{job}");

    let listed = place.run(&on(&gateway, &["jobs"])).good().text();
    let [heading, line] = listed.lines().collect::<Vec<_>>().try_into().unwrap();
    assert!(heading.starts_with("JOB ") && heading.ends_with("PROGRAM"), "{heading}");
    assert!(line.starts_with(&format!("{job}  queued ")), "{line}");

    let status = place.run(&on(&gateway, &["status", &job, "-v"])).good().text();
    for words in
        [&format!("job       {job}"), "state     queued", "priority  -5", "deadline  in ", "executed  0/1, 1 ready"]
    {
        assert!(status.contains(words), "{words:?} is not in\n{status}");
    }
    assert!(status.lines().any(|line| line.starts_with("execute  ready")), "{status}");

    let view = place.run(&on(&gateway, &["status", &job, "--json"])).good().json();
    assert_eq!((view["state"].as_str(), view["priority"].as_i64()), (Some("queued"), Some(-5)));

    let service = place.run(&on(&gateway, &["status"])).good().text();
    assert!(service.contains("0 workers with 0 slots") && service.contains(&job), "{service}");

    assert_eq!(place.run(&on(&gateway, &["cancel", &job])).good().text(), "cancelled");
    let again = place.run(&on(&gateway, &["cancel", &job])).good();
    assert_eq!(again.text(), "cancelled");
    place.run(&on(&gateway, &["watch", &job])).refused(&format!("job {job} was cancelled"));
    let done = place.run(&on(&gateway, &["jobs", "--state", "done"])).good();
    assert_eq!(done.text(), "");
    place.run(&on(&gateway, &["receipt", &job, "-o", "a.receipt"])).refused("error: ");
    assert!(!place.path("a.receipt").exists());
}

#[test]
fn the_same_request_is_the_same_job() {
    let place = Place::new();
    let gateway = place.serve(&[]);
    let first = submit(&place, &gateway, &[]);
    assert_eq!(submit(&place, &gateway, &[]), first);
    place.write("input", "other");
    let other = submit(&place, &gateway, &["--input", "input", "--idempotency-key", "k"]);
    assert_ne!(other, first);
    let elf = tiny_elf();
    let reused = ["submit", &elf, "--idempotency-key", "k"];
    place.run(&on(&gateway, &reused)).refused("idempotency key");
}

#[test]
fn a_listing_says_when_there_is_more() {
    let place = Place::new();
    let gateway = place.serve(&[]);
    for text in ["a", "b", "c"] {
        place.write("input", text);
        submit(&place, &gateway, &["--input", "input"]);
    }
    let some = place.run(&on(&gateway, &["jobs", "--limit", "2"])).good();
    assert_eq!(some.text().lines().count(), 3);
    assert!(some.talk().contains("--all"), "{}", some.talk());
    let all = place.run(&on(&gateway, &["jobs", "--all", "--json"])).good().json();
    assert_eq!(all["jobs"].as_array().map(Vec::len), Some(3));
    assert_eq!(all["next"], Value::Null);
}

#[test]
fn what_is_not_there_is_the_users_turn() {
    let place = Place::new();
    let gateway = place.serve(&[]);
    let job = "0199c0de-7c1f-7000-8000-00000000002a";
    for verb in ["status", "watch", "cancel", "requeue"] {
        place.run(&on(&gateway, &[verb, job])).refused(&format!("there is no job {job}"));
    }
    place.run(&on(&gateway, &["workers", "drain", "nobody"])).refused("nobody");
    let error = place.run(&on(&gateway, &["status", job, "--json"])).refused("error: ").json();
    assert_eq!(error["error"]["exit_code"], 1);
}

#[test]
fn a_server_that_is_none_is_named() {
    let place = Place::new();
    let nobody = place.run(&["jobs", "--server", "http://127.0.0.1:9"]).refused("http://127.0.0.1:9 does not answer");
    assert!(nobody.talk().contains("hint: is it running?"), "{}", nobody.talk());
    place.run(&["jobs", "--server", "127.0.0.1:8080"]).refused("does not start with http://");
}
