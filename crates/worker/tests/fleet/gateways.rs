//! Gateways keep nothing that matters: they may die and come again, or leave the work to another.

use std::{
    io,
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use crate::{
    child::WorkerPart,
    cluster::{on_both, until},
};

#[test]
fn a_gateway_that_is_killed_and_started_again_goes_on() {
    on_both(|fleet| {
        let part = fleet.part("worker");
        fleet.worker(&part);
        let job = fleet.submit(60, 1);
        for tasks in [5, 25, 45] {
            until("the job is under way", || fleet.done(job) > tasks);
            fleet.kill_gateway(0);
            fleet.start_gateway(0);
        }
        let view = fleet.proven(job, 60);
        assert!(view.ended_ms.is_some());
    });
}

#[test]
fn when_one_of_two_gateways_dies_the_other_does_its_work() {
    on_both(|fleet| {
        let second = fleet.add_gateway();
        let balancer = Balancer::start(vec![fleet.address(0), fleet.address(second)]);
        for name in ["one", "two"] {
            let part = WorkerPart { server: balancer.url.clone(), ..fleet.part(name) };
            fleet.worker(&part);
        }
        let job = fleet.submit(60, 1);
        until("the job is under way", || fleet.done(job) > 10);
        fleet.kill_gateway(second);
        fleet.proven(job, 60);
    });
}

/// Passes each connection to the next of several servers that takes it.
struct Balancer {
    url: String,
}

impl Balancer {
    fn start(servers: Vec<SocketAddr>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let next = Arc::new(AtomicUsize::new(0));
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let at = next.fetch_add(1, Ordering::Relaxed);
                let order = (0..servers.len()).map(|offset| servers[(at + offset) % servers.len()]);
                let Some(server) = order.into_iter().find_map(|address| TcpStream::connect(address).ok()) else {
                    continue;
                };
                let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                thread::spawn(move || {
                    let _ = io::copy(&mut from, &mut to);
                    let _ = to.shutdown(std::net::Shutdown::Write);
                });
                let (mut from, mut to) = (server, client);
                thread::spawn(move || {
                    let _ = io::copy(&mut from, &mut to);
                    let _ = to.shutdown(std::net::Shutdown::Both);
                });
            }
        });
        Self { url }
    }
}
