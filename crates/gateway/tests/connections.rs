//! Connections: very many, idle, slow, encrypted.

mod support;

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use phalanx_api::ErrorCode;
use phalanx_claim::ArtifactKind;
use phalanx_client::{Client, ClientConfig};
use phalanx_gateway::{Auth, Limits, Tls};
use rustix::process::{Resource, getrlimit, setrlimit};
use support::{Server, Setup, http::Reply, new_job, until};

fn limited(limits: Limits) -> (Server, tempfile::TempDir) {
    let directory = tempfile::TempDir::new().unwrap();
    (Server::start(directory.path(), Setup { limits, ..Setup::default() }), directory)
}

fn connect(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(server.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream
}

#[test]
fn ten_thousand_connections_keep_nobody_out() {
    let mut files = getrlimit(Resource::Nofile);
    files.current = files.maximum;
    setrlimit(Resource::Nofile, files).unwrap();
    let seats = 1_000;
    // Both ends of a connection are in this process.
    let files_max = usize::try_from(files.current.unwrap_or(1 << 20)).unwrap();
    let count = 10_000.min(files_max.saturating_sub(seats + 500));
    let (server, _directory) =
        limited(Limits { connections_max: seats, head_wait: Duration::from_secs(600), ..Limits::default() });
    let mut open = Vec::new();
    for index in 0..count {
        let mut stream = connect(&server);
        if index % 2 == 0 {
            // Those that have begun a request are idle as well. One that made room already says so.
            let _ = stream.write_all(b"GET /v1/jobs HTTP/1.1\r\n");
        }
        open.push(stream);
        if index % 1_000 == 0 {
            server.request("GET", "/healthz").send().is(200);
        }
    }
    server.request("POST", "/v1/jobs").json(&new_job(&server, None, "a")).send().is(201);
    drop(open);
    server.request("GET", "/v1/jobs").send().is(200);
}

#[test]
fn a_request_that_runs_keeps_its_connection() {
    let (server, _directory) = limited(Limits { connections_max: 2, ..Limits::default() });
    let job = server.request("POST", "/v1/jobs").json(&new_job(&server, None, "a")).send().is(201).json();
    let path = format!("/v1/jobs/{}", job["job"].as_str().unwrap());
    let mut stream = server.request("GET", &format!("{path}/events")).open();
    // It runs once it is answered.
    stream.read_exact(&mut [0; 16]).unwrap();
    for _ in 0..20 {
        let _idle = connect(&server);
        server.request("GET", "/healthz").send().is(200);
    }
    server.request("DELETE", &path).send().is(200);
    let mut events = String::new();
    stream.read_to_string(&mut events).unwrap();
    assert!(events.contains("cancelled"), "{events}");
}

#[test]
fn a_client_that_does_not_finish_its_request_is_cut() {
    let wait = Duration::from_millis(200);
    let (server, _directory) = limited(Limits { head_wait: wait, chunk_wait: wait, ..Limits::default() });
    let mut silent = connect(&server);
    assert_eq!(silent.read(&mut [0; 16]).unwrap(), 0);
    let mut half = connect(&server);
    half.write_all(b"GET /v1/jobs HTTP/1.1\r\nHost: x\r\n").unwrap();
    let mut rest = Vec::new();
    let _ = half.read_to_end(&mut rest);
    assert!(!rest.starts_with(b"HTTP/1.1 200"));
    let mut body = connect(&server);
    let head = "POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{";
    body.write_all(head.as_bytes()).unwrap();
    Reply::read(&mut body).refused(ErrorCode::TooSlow);
    let mut upload = connect(&server);
    let head = "POST /v1/programs HTTP/1.1\r\nHost: x\r\nContent-Type: application/octet-stream\r\nContent-Length: 100\r\n\r\n\x7fELF";
    upload.write_all(head.as_bytes()).unwrap();
    Reply::read(&mut upload).refused(ErrorCode::TooSlow);
    assert_eq!(std::fs::read_dir(server.store.path().unwrap().join("spool")).map_or(0, Iterator::count), 0);
}

#[test]
fn a_client_that_takes_nothing_gives_its_turn_to_others() {
    let (server, _directory) =
        limited(Limits { transfers_max: 1, chunk_wait: Duration::from_millis(200), ..Limits::default() });
    let bytes = vec![7; 256 << 20];
    let digest = server.store.put(ArtifactKind::Pages, &bytes).unwrap();
    let path = format!("/v1/artifacts/{digest}");
    let lazy = server.request("GET", &path).open();
    // Its answer has begun, so it has its turn.
    lazy.peek(&mut [0]).unwrap();
    let reply = server.request("GET", &path).header("Range", "bytes=0-9").send().is(206);
    assert_eq!(reply.body, &bytes[..10]);
    drop(lazy);
}

#[test]
fn a_client_that_is_refused_in_the_middle_of_an_upload_learns_why() {
    let (server, _directory) = Server::open();
    let long = vec![b' '; 32 << 20];
    server.request("POST", "/v1/jobs").json(&serde_json::json!({})).send();
    let request = server.request("POST", "/v1/jobs").header("Content-Type", "application/json").body(&long);
    request.send().refused(ErrorCode::TooLarge);
}

#[test]
fn what_is_not_http_is_refused() {
    let (server, _directory) = Server::open();
    for bytes in [
        b"\x16\x03\x01\x02\x00\x01\x00\x01".as_slice(),
        b"HELLO\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let mut stream = connect(&server);
        let _ = stream.write_all(bytes);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 4"), "{}", String::from_utf8_lossy(&answer));
    }
    let mut many = server.request("GET", "/healthz");
    for index in 0..200 {
        many = many.header(&format!("x-{index}"), "y");
    }
    assert_eq!(many.send().status, 431);
    server.request("GET", "/healthz").send().is(200);
}

#[test]
fn requests_share_a_connection() {
    let (server, _directory) = Server::open();
    let mut stream = connect(&server);
    for _ in 0..3 {
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"ok\n") {
            let mut byte = [0];
            assert_eq!(stream.read(&mut byte).unwrap(), 1);
            answer.push(byte[0]);
        }
        assert!(answer.starts_with(b"HTTP/1.1 200"));
    }
}

#[test]
fn connections_are_encrypted_with_a_certificate() {
    let directory = tempfile::TempDir::new().unwrap();
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let tls = Tls { cert_pem: directory.path().join("cert.pem"), key_pem: directory.path().join("key.pem") };
    std::fs::write(&tls.cert_pem, made.cert.pem()).unwrap();
    std::fs::write(&tls.key_pem, made.signing_key.serialize_pem()).unwrap();
    let setup = Setup { auth: Auth::Open, tls: Some(tls.clone()), ..Setup::default() };
    let server = Server::start(directory.path(), setup);
    let url = format!("https://localhost:{}", server.address.port());
    let client = |ca_cert| Client::new(&ClientConfig { ca_cert, ..ClientConfig::new(&url) }).unwrap();
    assert_eq!(client(Some(tls.cert_pem.clone())).queue().unwrap().jobs, 0);
    assert!(client(None).queue().is_err(), "nobody vouches for this certificate");
    // Without encryption there is no answer, and others still get theirs.
    let mut plain = connect(&server);
    plain.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"HTTP"));
    until("another answer", || client(Some(tls.cert_pem.clone())).whoami().ok());
}
