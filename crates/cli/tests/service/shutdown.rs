//! How a gateway ends, and what is there after.

use std::io::{BufRead, BufReader, Read};

use super::gateway::{Place, tiny_elf};

#[test]
fn a_gateway_ends_when_it_is_asked_and_loses_nothing() {
    let place = Place::new();
    let elf = tiny_elf();
    let mut job = String::new();
    for signal in ["TERM", "INT"] {
        let mut gateway = place.serve(&[]);
        job = place.run(&["submit", &elf, "--server", gateway.url()]).good().text();
        gateway.signal(signal);
        assert_eq!(gateway.ended().code(), Some(0), "after SIG{signal}");
    }
    let gateway = place.serve(&[]);
    let listed = place.run(&["jobs", "--json", "--server", gateway.url()]).good().json();
    let jobs: Vec<_> = listed["jobs"].as_array().unwrap().iter().map(|job| job["job"].as_str().unwrap()).collect();
    assert_eq!(jobs, [job.as_str()]);
}

#[test]
fn a_client_that_watches_goes_on_when_the_gateway_comes_back() {
    let place = Place::new();
    let elf = tiny_elf();
    let mut gateway = place.serve(&[]);
    let address = gateway.url().strip_prefix("http://").unwrap().to_owned();
    let job = place.run(&["submit", &elf, "--server", gateway.url()]).good().text();
    let mut watching = place.command(&["watch", &job, "--server", gateway.url()]).spawn().unwrap();
    let mut talk = BufReader::new(watching.stderr.take().unwrap());
    let mut first = String::new();
    talk.read_line(&mut first).unwrap();
    assert!(first.starts_with(&format!("watching  {job}")), "{first}");
    gateway.signal("TERM");
    gateway.ended();
    let again = place.serve_on(&address, &[]);
    place.run(&["cancel", &job, "--server", again.url()]).good();
    let mut rest = String::new();
    talk.read_to_string(&mut rest).unwrap();
    assert_eq!(watching.wait().unwrap().code(), Some(1));
    assert!(rest.contains(&format!("job {job} was cancelled")), "{rest}");
}

#[test]
fn logs_for_machines_are_json_and_nothing_else() {
    let place = Place::new();
    let mut gateway = place.serve(&["--log-format", "json", "--require-tokens"]);
    gateway.signal("TERM");
    gateway.ended();
    let log = std::fs::read_to_string(place.path("gateway.log")).unwrap();
    let lines: Vec<serde_json::Value> = log.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    assert!(lines.iter().any(|line| line["message"].as_str().is_some_and(|text| text.contains("database"))), "{log}");
    assert!(lines.iter().all(|line| line["timestamp"].is_string() && line["level"].is_string()), "{log}");
    let refused = place.run(&["jobs", "--server", "http://127.0.0.1:9", "--log-format", "json"]);
    let line: serde_json::Value = serde_json::from_str(refused.talk().trim_end()).unwrap();
    assert_eq!((line["level"].as_str(), refused.code()), (Some("ERROR"), Some(1)));
}

#[test]
fn the_schema_can_be_looked_at_and_made() {
    let place = Place::new();
    let url = place.database_url();
    std::fs::create_dir_all(place.path("data")).unwrap();
    let made = place.run(&["queue", "migrate", "--database-url", &url]).good().text();
    assert!(made.starts_with("applied   0001 "), "{made}");
    let state = place.run(&["queue", "check", "--json", "--database-url", &url]).good().json();
    assert_eq!(state["is_current"], true);
}
