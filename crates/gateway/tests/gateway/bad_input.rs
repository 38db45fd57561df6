//! Whatever is sent, the answer is the right refusal with a typed body, and the gateway goes on.

use phalanx_api::ErrorCode;
use phalanx_claim::{ArtifactKind, Digest};
use serde_json::{Value, json};

use crate::support::{Server, fleet::Worker, new_job, program};

const JOB: &str = "0199c0de-7c1f-7000-8000-00000000002a";

fn with(mut job: Value, field: &str, value: Value) -> Value {
    job[field] = value;
    job
}

#[test]
fn json_that_is_not_what_is_expected_is_a_bad_request() {
    let (server, _directory) = Server::open();
    let post =
        |body: &[u8]| server.request("POST", "/v1/jobs").header("Content-Type", "application/json").body(body).send();
    let job = new_job(&server, None, "a");
    let unknown = with(job.clone(), "colour", json!("red")).to_string();
    let nested = with(job.clone(), "limits", json!({ "cycles": 1 })).to_string();
    let wrong = with(job.clone(), "priority", json!("high")).to_string();
    let digest = with(job.clone(), "program", json!("00")).to_string();
    let large = with(job.clone(), "deadline_after_ms", json!(1e300)).to_string();
    let deep = "[".repeat(100_000);
    // In the order of the fields.
    let array = json!([job["program"], job["input"], 0, null, {}]).to_string();
    let bodies: [&[u8]; 11] = [
        b"",
        b"{",
        b"null",
        b"\xff\xfe",
        unknown.as_bytes(),
        nested.as_bytes(),
        wrong.as_bytes(),
        digest.as_bytes(),
        large.as_bytes(),
        deep.as_bytes(),
        array.as_bytes(),
    ];
    for body in bodies {
        post(body).refused(ErrorCode::BadRequest);
    }
}

#[test]
fn what_contradicts_the_rules_of_a_job_is_refused() {
    let (server, _directory) = Server::open();
    let job = new_job(&server, None, "a");
    let submit = |job: &Value| server.request("POST", "/v1/jobs").json(job).send();
    let refused = [
        ("priority", json!(101)),
        ("priority", json!(-101)),
        ("deadline_after_ms", json!(0)),
        ("deadline_after_ms", json!(u64::MAX)),
        ("limits", json!({ "cycles_max": 0 })),
        ("limits", json!({ "segment_cycles": 0 })),
    ];
    for (field, value) in refused {
        let reply = submit(&with(job.clone(), field, value.clone()));
        // What is more than the database can hold is as good as no deadline.
        if value != json!(u64::MAX) {
            reply.refused(ErrorCode::BadRequest);
        }
    }
    for field in ["program", "input"] {
        let nowhere = json!(Digest::of(field.as_bytes()));
        submit(&with(job.clone(), field, nowhere)).refused(ErrorCode::MissingArtifact);
    }
    submit(&with(job, "priority", json!(-100))).is(200);
}

#[test]
fn idempotency_keys_are_checked_and_used() {
    let (server, _directory) = Server::open();
    let (one, other) = (new_job(&server, None, "a"), new_job(&server, None, "b"));
    let submit =
        |key: &str, job: &Value| server.request("POST", "/v1/jobs").header("Idempotency-Key", key).json(job).send();
    let first = submit("k1", &one).is(201).json();
    let again = submit("k1", &one).is(200).json();
    assert_eq!((&again["job"], &again["is_known"]), (&first["job"], &json!(true)));
    submit("k1", &other).refused(ErrorCode::Conflict);
    let longest = "k".repeat(128);
    submit(&longest, &other).is(201);
    for key in ["", "two words", "k\u{e9}", &"k".repeat(129)] {
        submit(key, &other).refused(ErrorCode::BadRequest);
    }
    let twice = server.request("POST", "/v1/jobs").header("Idempotency-Key", "a").header("Idempotency-Key", "b");
    twice.json(&one).send().refused(ErrorCode::BadRequest);
}

#[test]
fn bodies_have_their_length_and_their_type() {
    let (server, _directory) = Server::open();
    let long = vec![b' '; (1 << 20) + 1];
    server
        .request("POST", "/v1/jobs")
        .header("Content-Type", "application/json")
        .body(&long)
        .send()
        .refused(ErrorCode::TooLarge);
    let path = "/v1/workers/w/announce";
    let long = vec![b' '; (4 << 20) + 1];
    server
        .request("POST", path)
        .header("Content-Type", "application/json")
        .body(&long)
        .send()
        .refused(ErrorCode::TooLarge);
    // One that only says how long it is.
    let huge = server.request("POST", "/v1/programs").header("Content-Type", "application/octet-stream");
    huge.header("Content-Length", 1_u64 << 40).send().refused(ErrorCode::TooLarge);
    let job = new_job(&server, None, "a").to_string();
    for media in ["text/plain", "application/jsonp", "multipart/form-data; boundary=x", ""] {
        let post = server.request("POST", "/v1/jobs").header("Content-Type", media).body(job.as_bytes());
        post.send().refused(ErrorCode::UnsupportedMediaType);
    }
    server.request("POST", "/v1/jobs").body(job.as_bytes()).send().refused(ErrorCode::UnsupportedMediaType);
    let charset = server.request("POST", "/v1/jobs").header("Content-Type", "Application/JSON; charset=utf-8");
    charset.body(job.as_bytes()).send().is(201);
    server.request("POST", "/v1/programs").json(&json!({})).send().refused(ErrorCode::UnsupportedMediaType);
}

#[test]
fn a_body_without_a_length_is_counted_as_it_comes() {
    let (server, _directory) = Server::open();
    let mut body = Vec::new();
    let piece = vec![b' '; 64 << 10];
    for _ in 0..17 {
        body.extend_from_slice(b"10000\r\n");
        body.extend_from_slice(&piece);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"0\r\n\r\n");
    let request = server.request("POST", "/v1/jobs").header("Content-Type", "application/json");
    let mut wire = request.header("Transfer-Encoding", "chunked").wire();
    wire.extend_from_slice(&body);
    let mut stream = std::net::TcpStream::connect(server.address).unwrap();
    let _ = std::io::Write::write_all(&mut stream, &wire);
    crate::support::http::Reply::read(&mut stream).refused(ErrorCode::TooLarge);
}

#[test]
fn uploads_that_are_something_else_are_corrupt() {
    let (server, _directory) = Server::open();
    for path in ["/v1/programs", "/v1/inputs"] {
        for body in [b"".as_slice(), b"\x7fEL", b"#!/bin/sh"] {
            server.request("POST", path).bytes(body).send().refused(ErrorCode::Corrupt);
        }
    }
}

#[test]
fn tricks_in_paths_lead_nowhere() {
    let (server, _directory) = Server::open();
    let digest = Digest::of(b"").to_string();
    let bad = [
        format!("/v1/jobs/{}", JOB.to_uppercase()),
        format!("/v1/jobs/{}", JOB.replace('-', "")),
        format!("/v1/jobs/%7B{JOB}%7D"),
        format!("/v1/jobs/urn:uuid:{JOB}"),
        "/v1/jobs/..%2F..%2Fetc%2Fpasswd".to_owned(),
        "/v1/jobs/%00".to_owned(),
        "/v1/jobs/%FF%FE".to_owned(),
        "/v1/jobs/%F0%9F%92%A3".to_owned(),
        format!("/v1/jobs/{JOB}/tasks/prove-007/attempts"),
        format!("/v1/jobs/{JOB}/tasks/..%2Fseal/attempts"),
        format!("/v1/jobs/{JOB}/tasks?after=prove-"),
        format!("/v1/artifacts/{}", digest.to_uppercase()),
        format!("/v1/artifacts/{}", &digest[1..]),
        "/v1/artifacts/..%2F..%2FFORMAT".to_owned(),
        format!("/v1/artifacts/{digest}%2F..%2F{digest}"),
        format!("/v1/artifacts/{digest}?form=zip"),
        format!("/v1/artifacts/{digest}?form=raw&form=raw"),
        format!("/v1/artifacts/{digest}?colour=red"),
        "/v1/jobs?limit=0".to_owned(),
        "/v1/jobs?limit=501".to_owned(),
        "/v1/jobs?limit=-1".to_owned(),
        "/v1/jobs?state=bored".to_owned(),
        "/v1/jobs?before=1".to_owned(),
        "/v1/stats?window_ms=0".to_owned(),
    ];
    for path in bad {
        server.request("GET", &path).send().refused(ErrorCode::BadRequest);
    }
    for name in ["..", ".", "a%2Fb", "a%20b", "%00", "%C3%A9", &"a".repeat(129)] {
        let claim = json!({ "boot": "1", "kinds": [], "ram_bytes": 0 });
        let reply = server.request("POST", &format!("/v1/workers/{name}/claim")).json(&claim).send();
        reply.refused(ErrorCode::BadRequest);
    }
    for path in [
        "/v1/",
        "/v1/jobs/",
        "/v1/../v1/jobs",
        "//v1/jobs",
        "/v1/artifacts/../../etc/passwd",
        "/dashboard/..%2Findex.html",
        "/dashboard/%2e%2e%2fCargo.toml",
        "/dashboard/",
        "/etc/passwd",
        "/v2/jobs",
    ] {
        server.request("GET", path).send().refused(ErrorCode::NotFound);
    }
}

#[test]
fn a_wrong_method_is_told_from_a_wrong_path() {
    let (server, _directory) = Server::open();
    for (method, path) in
        [("PUT", "/v1/jobs"), ("POST", "/healthz"), ("BREW", "/v1/queue"), ("DELETE", "/"), ("GET", "/v1/programs")]
    {
        server.request(method, path).send().refused(ErrorCode::MethodNotAllowed);
    }
    server.request("BREW", "/coffee").send().refused(ErrorCode::NotFound);
}

#[test]
fn artifacts_are_what_their_name_says_or_refused() {
    let (server, _directory) = Server::open();
    let put = |digest: &Digest, query: &str, body: &[u8]| {
        server.request("PUT", &format!("/v1/artifacts/{digest}?{query}")).bytes(body).send()
    };
    let (bytes, other) = (b"some bytes".as_slice(), Digest::of(b"others"));
    let digest = Digest::of(bytes);
    let stored = phalanx_store::encode_artifact(ArtifactKind::Proof, bytes).unwrap();
    put(&other, "kind=proof", bytes).refused(ErrorCode::Corrupt);
    put(&other, "form=stored", &stored).refused(ErrorCode::Corrupt);
    put(&digest, "form=stored", &stored[..stored.len() - 1]).refused(ErrorCode::Corrupt);
    put(&digest, "form=stored", b"").refused(ErrorCode::Corrupt);
    put(&digest, "form=stored", bytes).refused(ErrorCode::Corrupt);
    let mut flipped = stored.clone();
    flipped[5] ^= 1;
    put(&digest, "form=stored", &flipped).refused(ErrorCode::Corrupt);
    put(&digest, "form=raw", bytes).refused(ErrorCode::BadRequest);
    put(&digest, "form=stored&kind=proof", &stored).refused(ErrorCode::BadRequest);
    put(&digest, "kind=cake", bytes).refused(ErrorCode::BadRequest);
    assert!(!server.store.contains(&digest).unwrap());
    put(&digest, "form=stored", &stored).is(200);
    put(&digest, "kind=proof", bytes).is(200);
}

#[test]
fn a_bomb_is_refused_before_it_goes_off() {
    let (server, _directory) = Server::open();
    // The header says that one byte comes; a gigabyte of zeros does.
    let header = &phalanx_store::encode_artifact(ArtifactKind::Proof, b"x").unwrap()[..16];
    let mut encoder = zstd::Encoder::new(header.to_vec(), 1).unwrap();
    std::io::copy(&mut std::io::Read::take(std::io::repeat(0), 1 << 30), &mut encoder).unwrap();
    let bomb = encoder.finish().unwrap();
    assert!(bomb.len() < 1 << 20);
    let path = format!("/v1/artifacts/{}?form=stored", Digest::of(b"x"));
    server.request("PUT", &path).bytes(&bomb).send().refused(ErrorCode::Corrupt);
    assert_eq!(std::fs::read_dir(server.store.path().unwrap().join("spool")).unwrap().count(), 0);
}

#[test]
fn a_job_without_a_receipt_says_so() {
    let (server, _directory) = Server::open();
    let job = server.request("POST", "/v1/jobs").json(&new_job(&server, None, "a")).send().is(201).json();
    for what in ["receipt", "verification"] {
        let path = format!("/v1/jobs/{}/{what}", job["job"].as_str().unwrap());
        server.request("GET", &path).send().refused(ErrorCode::Conflict);
    }
}

#[test]
fn workers_that_are_wrong_are_told_so() {
    let (server, _directory) = Server::open();
    let worker = Worker::new(&server, None, "w1");
    let claim = |name: &str, boot: &str| {
        let body = json!({ "boot": boot, "kinds": ["execute"], "ram_bytes": 1 });
        server.request("POST", &format!("/v1/workers/{name}/claim")).json(&body).send()
    };
    claim("nobody", "1").refused(ErrorCode::NotFound);
    claim("w1", "2").refused(ErrorCode::Conflict);
    claim("w1", "\0").refused(ErrorCode::BadRequest);
    claim("w1", "1").is(204);
    let new = json!({ "name": "w2", "boot": "1", "version": "1", "kinds": ["prove"], "ram_bytes": 1, "cores": 1, "slots": 1,
        "engine": { "name": "e", "version": "1", "verifying_key": Digest::of(b"") } });
    let register = |worker: &Value| server.request("POST", "/v1/workers").json(worker).send();
    register(&new).is(200);
    for (field, value) in [
        ("name", json!("../w")),
        ("slots", json!(0)),
        ("kinds", json!([])),
        ("kinds", json!(["dance"])),
        ("version", json!("a\nb")),
        ("boot", json!("")),
    ] {
        register(&with(new.clone(), field, value)).refused(ErrorCode::BadRequest);
    }
    server.request("POST", "/v1/workers/nobody/drain").send().refused(ErrorCode::NotFound);
    server.request("POST", "/v1/workers/w1/drain").send().is(204);
    assert_eq!(worker.try_claim(0).unwrap(), None);
    assert!(worker.beat(&[]).drain);
}

#[test]
fn texts_are_measured_in_characters_and_hold_no_nul() {
    let (server, _directory) = Server::open();
    let create = |note: &str| {
        let token = json!({ "scope": "client", "tenant": "t", "note": note });
        server.request("POST", "/v1/tokens").json(&token).send()
    };
    create(&"é".repeat(1024)).is(201);
    create(&"é".repeat(1025)).refused(ErrorCode::BadRequest);
    // PostgreSQL stores no NUL: it would answer as if the database were away.
    assert_eq!(create("a\0b").is(201).json()["note"], json!("a␀b"));
}

#[test]
fn a_job_has_one_spelling_in_bodies_and_queries_too() {
    let (server, _directory) = Server::open();
    Worker::new(&server, None, "w1");
    let fail = |job: &str| {
        let body = json!({ "held": { "job": job, "task": "execute", "attempt": 1 }, "verdict": "retry", "detail": "" });
        server.request("POST", "/v1/workers/w1/fail").json(&body).send()
    };
    fail(JOB).refused(ErrorCode::NotFound);
    for job in [JOB.to_uppercase(), JOB.replace('-', ""), format!("urn:uuid:{JOB}")] {
        fail(&job).refused(ErrorCode::BadRequest);
        server.request("GET", &format!("/v1/jobs?before={job}")).send().refused(ErrorCode::BadRequest);
    }
}

#[test]
fn announcements_that_contradict_themselves_are_refused() {
    let (server, _directory) = Server::open();
    server.request("POST", "/v1/jobs").json(&new_job(&server, None, "a")).send().is(201);
    let worker = Worker::new(&server, None, "w1");
    let execution = worker.claim("execute");
    let digest = Digest::of(&program());
    let announce = |tasks: Value| {
        let body = json!({ "held": execution.held, "tasks": tasks });
        server.request("POST", "/v1/workers/w1/announce").json(&body).send()
    };
    let prove = |name: &str, inputs: Value| json!({ "task": name, "spec": { "prove": { "cycles": 1 } }, "inputs": inputs, "ram_bytes": 1 });
    let artifact = json!([{ "artifact": { "digest": digest } }]);
    announce(json!([prove("fold-0.0", artifact.clone())])).refused(ErrorCode::BadRequest);
    announce(json!([prove("prove-0", json!([{ "result": { "task": "prove-9" } }]))])).refused(ErrorCode::BadRequest);
    announce(json!([prove("prove-x", artifact.clone())])).refused(ErrorCode::BadRequest);
    let many: Vec<Value> = (0..257).map(|index| prove(&format!("prove-{index}"), artifact.clone())).collect();
    announce(json!(many)).refused(ErrorCode::BadRequest);
    let wide: Vec<Value> = (0..65).map(|_| artifact[0].clone()).collect();
    announce(json!([prove("prove-0", json!(wide))])).refused(ErrorCode::BadRequest);
    announce(json!([prove("prove-0", artifact.clone())])).is(200);
    let other = json!([{ "artifact": { "digest": Digest::of(b"other") } }]);
    announce(json!([prove("prove-0", other)])).refused(ErrorCode::Conflict);
}
