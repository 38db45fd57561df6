//! A database that has no room: what is new is refused, what was accepted stays, and the work goes on once there is room.

use std::fs;

use phalanx_api::NewJob;

use crate::{
    cluster::{Cluster, On, until},
    full_disk::{all_there, submit_until_refused},
};

#[test]
fn a_full_database_refuses_what_is_new_and_loses_nothing() {
    let mut fleet = Cluster::new(On::Sqlite);
    let jobs: Vec<NewJob> = (50..=250).map(|seed| fleet.new_job(1, seed)).collect();
    let part = fleet.part("worker");
    fleet.worker(&part);
    let job = fleet.submit(60, 1);
    until("the job is under way", || fleet.done(job) > 5);
    fs::write(&fleet.gateway.database_is_full, "").unwrap();
    let done = fleet.done(job);
    let accepted = submit_until_refused(&fleet, &jobs);
    assert!(fleet.done(job) >= done);
    fs::remove_file(&fleet.gateway.database_is_full).unwrap();
    all_there(&fleet, &accepted);
    fleet.proven(job, 60);
}
