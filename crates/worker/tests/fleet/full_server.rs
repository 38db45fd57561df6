//! A PostgreSQL server whose disk is full: nothing is accepted that could be lost, nothing fails for good, and once there is
//! room, and the server runs again if the lack of it took it down, the work goes on.

use phalanx_api::{JobView, NewJob};
use sqlx::{AnyConnection, Connection};

use crate::{
    cluster::{Cluster, block_on, until},
    full_disk::{all_there, is_refused, submit_until_refused},
    postgres::Server,
};

/// What an empty cluster with one database has, and about as much again.
const KIB: u32 = 96 << 10;

#[test]
fn a_server_without_room_stops_the_work_and_loses_nothing() {
    let Some(server) = Server::start_on_disk(KIB) else {
        eprintln!("SKIPPED: nobody may mount a file system here, so no disk becomes full");
        return;
    };
    let mut fleet = Cluster::on_database(block_on(server.new_database()));
    let jobs: Vec<NewJob> = (0..200).map(|seed| fleet.new_job(1, seed)).collect();
    let part = fleet.part("worker");
    fleet.worker(&part);
    let job = fleet.submit(150, 1);
    until("the job is under way", || fleet.done(job) > 5);
    let done = fleet.done(job);
    server.fill_disk();
    let accepted = submit_until_refused(&fleet, &jobs);
    assert!(!fleet.job(job).state.is_over(), "it cannot go on");
    // What was accepted can be read, until the server has no room for its log either, which ends it.
    block_on(use_up_log(&fleet.gateway.database));
    until("the server is away", || is_refused(fleet.client.job(job)));
    server.empty_disk();
    server.restart();
    let mut after = None;
    until("the gateway has its database again", || {
        after = fleet.client.job(job).ok();
        after.is_some()
    });
    let JobView { state, failed_task, failure, tasks, .. } = after.unwrap();
    assert!(!state.is_over(), "{failed_task:?}: {failure:?}");
    let kinds = [tasks.execute, tasks.prove, tasks.fold, tasks.seal];
    assert!(kinds.iter().map(|kind| kind.done).sum::<u64>() >= done as u64, "{done} results were accepted");
    all_there(&fleet, &accepted);
    fleet.proven(job, 150);
}

/// Writes to the server's log until it has no room for more.
async fn use_up_log(database: &str) {
    let mut connection = AnyConnection::connect(database).await.unwrap();
    let write = "SELECT COUNT(pg_logical_emit_message(FALSE, '', repeat('x', 1000))) FROM generate_series(1, 1000)";
    while sqlx::query(write).execute(&mut connection).await.is_ok() {}
}
