//! Disks that are full: whoever asks is told, whoever works waits, and once there is room the work goes on with nothing lost.

use std::{
    fs,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use phalanx_api::{ErrorCode, JobId, NewJob};
use phalanx_client::ClientError;

use crate::{
    child::{GatewayPart, WorkerPart},
    cluster::{Cluster, On, on_both, on_both_with, until},
    small_disk::{SmallDisk, fill},
};

/// More than a job needs.
const KIB: u32 = 16 << 10;

/// The folder of a cluster that is a disk of its own.
fn disk(folder: &Path) -> PathBuf {
    folder.join("disk")
}

/// A gateway whose store is on a small disk, and its SQLite database, too.
fn small(folder: &Path, gateway: &mut GatewayPart) {
    let at = disk(folder);
    gateway.store = at.join("store").display().to_string();
    if gateway.database.starts_with("sqlite:") {
        gateway.database = format!("sqlite:{}", at.join("queue.db").display());
    }
    gateway.disk = Some(SmallDisk { at, kib: KIB });
}

/// Whether this was refused. A refusal says that it may work later.
pub fn is_refused<T>(answer: Result<T, ClientError>) -> bool {
    let error = answer.err();
    assert!(error.as_ref().is_none_or(|error| error.code() == Some(ErrorCode::Unavailable)), "{error:?}");
    error.is_some()
}

/// Submits one job after the other until one is refused. Gives those that were accepted.
pub fn submit_until_refused(fleet: &Cluster, jobs: &[NewJob]) -> Vec<JobId> {
    let mut accepted = Vec::new();
    let mut jobs = jobs.iter().cycle();
    until("a job is refused", || match fleet.client.submit(jobs.next().unwrap(), None) {
        Ok(submitted) => {
            accepted.push(submitted.job);
            false
        }
        refused => is_refused(refused),
    });
    accepted.sort();
    accepted.dedup();
    accepted
}

/// Jobs of one segment that were accepted are there, and run.
pub fn all_there(fleet: &Cluster, accepted: &[JobId]) {
    for (at, job) in accepted.iter().enumerate() {
        // The first ones are enough to see that they run.
        if at < 3 {
            fleet.proven(*job, 1);
        } else {
            until("it is there and cancelled", || fleet.client.cancel(*job).is_ok());
        }
    }
}

#[test]
fn a_gateway_whose_disk_is_full_says_so_and_goes_on_when_there_is_room() {
    if !SmallDisk::is_possible() {
        return;
    }
    on_both_with(small, |fleet| {
        let jobs: Vec<NewJob> = (100..=250).map(|seed| fleet.new_job(1, seed)).collect();
        let part = fleet.part("worker");
        fleet.worker(&part);
        let job = fleet.submit(40, 1);
        until("the job is under way", || fleet.done(job) > 5);
        let filler = fleet.seen_by_gateway(&disk(fleet.folder.path()).join("filler"));
        fill(&filler);
        let done = fleet.done(job);
        until("an upload is refused", || is_refused(fleet.client.input(&[&b"PHin"[..], &[7; 1 << 20]].concat())));
        // PostgreSQL has another disk.
        let is_on_disk = fleet.gateway.database.starts_with("sqlite:");
        let accepted = if is_on_disk { submit_until_refused(fleet, &jobs) } else { Vec::new() };
        assert!(!fleet.job(job).state.is_over(), "it cannot go on");
        assert!(fleet.done(job) >= done);
        fs::remove_file(filler).unwrap();
        all_there(fleet, &accepted);
        fleet.proven(job, 40);
    });
}

#[test]
fn a_worker_beside_a_gateway_whose_disk_is_full_waits_for_room() {
    if !SmallDisk::is_possible() {
        return;
    }
    let mut fleet = Cluster::with(On::Postgres, small);
    let store = Some(fleet.gateway.store.clone().into());
    let part = WorkerPart { shared: store, beside: Some(fleet.gateway_process()), ..fleet.part("beside") };
    fleet.worker(&part);
    let job = fleet.submit(40, 1);
    until("the job is under way", || fleet.done(job) > 5);
    let filler = fleet.seen_by_gateway(&disk(fleet.folder.path()).join("filler"));
    fill(&filler);
    until("an upload is refused", || is_refused(fleet.client.input(&[&b"PHin"[..], &[7; 1 << 20]].concat())));
    // Long enough for a task to fail as often as it may.
    let end = Instant::now() + Duration::from_secs(4);
    while Instant::now() < end {
        let view = fleet.job(job);
        assert!(!view.state.is_over(), "{:?}: {:?}", view.failed_task, view.failure);
        thread::sleep(Duration::from_millis(100));
    }
    fs::remove_file(filler).unwrap();
    fleet.proven(job, 40);
}

#[test]
fn a_worker_whose_cache_is_full_works_without_it() {
    if !SmallDisk::is_possible() {
        return;
    }
    on_both(|fleet| {
        let part = fleet.part("worker");
        // Four files of one page each.
        let disk = SmallDisk { at: part.cache.clone(), kib: 16 };
        let part = WorkerPart { disk: Some(disk), ..part };
        let worker = fleet.worker(&part);
        let job = fleet.submit(30, 1);
        fleet.proven(job, 30);
        let cached = fs::read_dir(fleet.seen_by_worker(worker, &part.cache)).unwrap().count();
        assert_eq!(cached, 4, "as many as there was room for, and nothing half-written");
    });
}
