//! A database that loses every connection, again and again, loses no result.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use sqlx::{AnyConnection, Connection, any::install_default_drivers};

use crate::cluster::{Cluster, On};

#[test]
fn a_job_survives_the_loss_of_every_connection() {
    let mut fleet = Cluster::new(On::Postgres);
    let part = fleet.part("worker");
    fleet.worker(&part);
    let job = fleet.submit(60, 1);
    let (over, database) = (Arc::new(AtomicBool::new(false)), fleet.gateway.database.clone());
    let killer = {
        let over = over.clone();
        thread::spawn(move || cut_connections(&database, &over))
    };
    fleet.over(job);
    over.store(true, Ordering::Relaxed);
    assert!(killer.join().unwrap() > 3, "connections were cut while the job ran");
    fleet.proven(job, 60);
}

/// Ends the connections of everybody else several times a second. Gives how many there were.
fn cut_connections(database: &str, over: &AtomicBool) -> u64 {
    install_default_drivers();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut connection = AnyConnection::connect(database).await.unwrap();
        let mut cut = 0;
        while !over.load(Ordering::Relaxed) {
            let ended: i64 = sqlx::query_scalar(
                "SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity \
                 WHERE pid <> pg_backend_pid() AND datname = current_database()",
            )
            .fetch_one(&mut connection)
            .await
            .unwrap();
            cut += ended.unsigned_abs();
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        cut
    })
}
