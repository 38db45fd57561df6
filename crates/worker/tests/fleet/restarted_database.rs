//! A PostgreSQL server that crashes and comes back, again and again, loses no result that it took.

use crate::{
    cluster::{Cluster, block_on, until},
    postgres::Server,
};

#[test]
fn a_job_survives_crashes_of_its_database() {
    let server = Server::start();
    let mut fleet = Cluster::on_database(block_on(server.new_database()));
    for name in ["one", "two"] {
        let part = fleet.part(name);
        fleet.worker(&part);
    }
    let job = fleet.submit(60, 1);
    let mut done = 0;
    for tasks in [5, 25, 45] {
        until("the job is under way", || {
            done = fleet.done(job);
            done > tasks
        });
        server.restart();
        let after = fleet.client.tasks(job, None, None).is_ok().then(|| fleet.done(job));
        assert!(after.is_none_or(|after| after >= done), "{done} results were taken, {after:?} are there");
    }
    fleet.proven(job, 60);
}
