//! How a gateway ends, and what is there after.

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
    let watching = place.command(&["watch", &job, "--server", gateway.url()]).spawn().unwrap();
    gateway.signal("TERM");
    gateway.ended();
    let again = place.serve(&["--listen", &address]);
    place.run(&["cancel", &job, "--server", again.url()]).good();
    let watched = watching.wait_with_output().unwrap();
    assert_eq!(watched.status.code(), Some(1));
    let talk = String::from_utf8(watched.stderr).unwrap();
    assert!(talk.contains(&format!("job {job} was cancelled")), "{talk}");
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
