//! `queue gc` with the wrong database, which knows nothing of what the store is used for.

use super::gateway::Place;

#[test]
fn a_database_that_is_not_there_is_not_made_to_collect_with() {
    let place = Place::new();
    place.run(&["queue", "gc", "--data", "data"]).refused("unable to open database file");
    assert!(!place.path("data/queue.db").exists());
}

#[test]
fn a_database_without_jobs_empties_no_bucket() {
    let place = Place::new();
    place.run(&["queue", "migrate", "--data", "data"]).good();
    // Nobody answers there, so a request to it would be another error.
    let mut gc = place.command(&["queue", "gc", "--data", "data", "--store", "s3://bucket/prefix"]);
    gc.env("AWS_REGION", "eu-west-1").env("AWS_ENDPOINT", "http://127.0.0.1:9").env("AWS_ALLOW_HTTP", "true");
    gc.env("AWS_ACCESS_KEY_ID", "id").env("AWS_SECRET_ACCESS_KEY", "secret").env("PHALANX_STORE_PATIENCE_MS", "100");
    let output = gc.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("the database knows no job"), "{said}");
}
