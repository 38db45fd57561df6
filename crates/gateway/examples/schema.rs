//! A gateway for the test of the API's document: one job is done, one runs, one waits, and there are two workers, `w1` and `w2`.
//!
//! Out: a line of JSON on stdout with its URL, tokens of each scope and the names of what is there, once it listens. It ends when
//! its standard input does.

use std::io::Read;

use phalanx_api::Scope;
use serde_json::{Value, json};

#[path = "../tests/support/mod.rs"]
mod support;

use support::{Server, fleet::Worker, new_job, program};

fn main() -> std::io::Result<()> {
    let (server, _directory) = Server::with_tokens();
    let token = |scope| server.token(scope, "default");
    let [admin, client, worker] = [Scope::Admin, Scope::Client, Scope::Worker].map(token);
    let submit = |text: &str| {
        let new = new_job(&server, Some(&client), text);
        let submitted = server.request("POST", "/v1/jobs").token(&client).json(&new).send().is(201).json();
        (new["input"].clone(), submitted["job"].clone())
    };
    let fleet = Worker::new(&server, Some(&worker), "w1");
    Worker::new(&server, Some(&worker), "w2");
    let (input, done) = submit("done");
    fleet.job("done");
    let (_, running) = submit("running");
    fleet.claim("execute");
    let (_, queued) = submit("queued");
    let job = server.request("GET", &format!("/v1/jobs/{}", done.as_str().unwrap_or_default()));
    let receipt: Value = job.token(&client).send().is(200).json()["receipt"].clone();
    println!(
        "{}",
        json!({
            "url": format!("http://{}", server.address), "admin": admin, "client": client, "worker": worker,
            "done": done, "running": running, "queued": queued,
            "name": fleet.name, "boot": fleet.boot,
            "program": phalanx_claim::Digest::of(&program()), "input": input, "receipt": receipt,
        })
    );
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
