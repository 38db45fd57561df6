//! Tokens: who may do what, and who sees whose jobs.

use std::net::SocketAddr;

use phalanx_api::{ErrorCode, NewJob, NewToken, Scope};
use phalanx_gateway::{Auth, Config, Gateway, GatewayError, Limits, Listener};
use phalanx_queue::{Database, Queue};
use phalanx_store::Store;
use serde_json::json;

use crate::support::{Server, Setup, fleet::Worker, new_job, until};

const JOB: &str = "0199c0de-7c1f-7000-8000-00000000002a";
const DIGEST: &str = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262";

const C: &[Scope] = &[Scope::Client, Scope::Admin];
const W: &[Scope] = &[Scope::Worker, Scope::Admin];
const A: &[Scope] = &[Scope::Admin];
const ANY: &[Scope] = &[Scope::Client, Scope::Worker, Scope::Admin];

/// Every route that asks for a token, and the scopes that may use it.
const RIGHTS: &[(&str, &str, &[Scope])] = &[
    ("POST", "/v1/programs", C),
    ("POST", "/v1/inputs", C),
    ("POST", "/v1/jobs", C),
    ("GET", "/v1/jobs", C),
    ("GET", "/v1/jobs/{job}", C),
    ("DELETE", "/v1/jobs/{job}", C),
    ("GET", "/v1/jobs/{job}/tasks", C),
    ("GET", "/v1/jobs/{job}/tasks/{task}/attempts", C),
    ("GET", "/v1/jobs/{job}/wait", C),
    ("GET", "/v1/jobs/{job}/events", C),
    ("GET", "/v1/jobs/{job}/receipt", C),
    ("GET", "/v1/jobs/{job}/verification", C),
    ("GET", "/v1/dead", C),
    ("POST", "/v1/jobs/{job}/requeue", A),
    ("GET", "/v1/artifacts/{digest}", ANY),
    ("HEAD", "/v1/artifacts/{digest}", ANY),
    ("PUT", "/v1/artifacts/{digest}", ANY),
    ("POST", "/v1/artifacts/{digest}/place", W),
    ("POST", "/v1/workers", W),
    ("GET", "/v1/workers", ANY),
    ("POST", "/v1/workers/{name}/claim", W),
    ("POST", "/v1/workers/{name}/beat", W),
    ("POST", "/v1/workers/{name}/settle", W),
    ("POST", "/v1/workers/{name}/announce", W),
    ("POST", "/v1/workers/{name}/complete", W),
    ("POST", "/v1/workers/{name}/fail", W),
    ("POST", "/v1/workers/{name}/look_up", W),
    ("POST", "/v1/workers/{name}/leave", W),
    ("POST", "/v1/workers/{name}/drain", A),
    ("POST", "/v1/workers/{name}/resume", A),
    ("GET", "/v1/queue", ANY),
    ("GET", "/v1/stats", W),
    ("POST", "/v1/tokens", A),
    ("GET", "/v1/tokens", A),
    ("DELETE", "/v1/tokens/{name}", A),
    ("GET", "/v1/tenants", A),
    ("PUT", "/v1/tenants/{name}", A),
    ("GET", "/v1/whoami", ANY),
    ("GET", "/metrics", W),
];

fn filled(path: &str) -> String {
    path.replace("{job}", JOB).replace("{task}", "seal").replace("{digest}", DIGEST).replace("{name}", "a")
}

#[test]
fn each_scope_may_do_what_it_is_for_and_nothing_else() {
    let (server, _directory) = Server::with_tokens();
    for scope in ANY {
        let secret = server.token(*scope, "tenant");
        for (method, path, allowed) in RIGHTS {
            let reply = server.request(method, &filled(path)).token(&secret).send();
            if allowed.contains(scope) {
                assert!(![401, 403].contains(&reply.status), "{scope}: {method} {path}: {}", reply.text());
            } else {
                assert_eq!(reply.status, 403, "{scope}: {method} {path}");
                reply.refused(ErrorCode::Forbidden);
            }
        }
    }
}

#[test]
fn nothing_but_the_page_and_health_is_there_without_a_token() {
    let (server, _directory) = Server::with_tokens();
    for (method, path, _) in RIGHTS {
        let reply = server.request(method, &filled(path)).send();
        assert_eq!(reply.status, 401, "{method} {path}");
        assert_eq!(reply.header("www-authenticate"), Some("Bearer"));
        if *method != "HEAD" {
            reply.refused(ErrorCode::Unauthenticated);
        }
    }
    for path in ["/healthz", "/readyz", "/openapi.json", "/", "/dashboard/main.js"] {
        server.request("GET", path).send().is(200);
    }
    // All of the API is in the table above.
    let document = server.request("GET", "/openapi.json").send().json();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let is_known = RIGHTS.iter().any(|(m, p, _)| m.eq_ignore_ascii_case(method) && p == path);
            let is_public = ["/healthz", "/readyz", "/openapi.json"].contains(&path.as_str())
                || ["/v1/events"].contains(&path.as_str());
            assert!(is_known || is_public, "{method} {path}");
            assert_eq!(operation.get("security").is_some(), is_known || path == "/v1/events", "{method} {path}");
        }
    }
    server.request("GET", "/v1/events").send().refused(ErrorCode::Unauthenticated);
}

#[test]
fn what_is_no_token_is_refused() {
    let (server, _directory) = Server::with_tokens();
    let good = server.token(Scope::Client, "a");
    let with = |value: &str| server.request("GET", "/v1/whoami").header("Authorization", value).send();
    assert_eq!(with(&format!("Bearer {good}")).is(200).json(), json!({ "scope": "client", "tenant": "a" }));
    assert_eq!(with(&format!("bearer  {good}")).status, 200);
    let unknown = format!("Bearer {}", phalanx_gateway::new_secret().unwrap());
    let short = format!("Bearer {}", &good[..20]);
    let other = format!("Basic {good}");
    for value in ["", "Bearer", "Bearer ", "Bearer phx_", "Bearer x", "Bearer phx_\u{e9}", &short, &other, &unknown] {
        let message = with(value).refused(ErrorCode::Unauthenticated);
        assert!(!message.contains("phx_"), "{message}");
    }
    let twice = server.request("GET", "/v1/whoami").token(&good).token(&good).send();
    twice.refused(ErrorCode::Unauthenticated);
}

#[test]
fn tokens_end_when_they_expire_or_are_revoked() {
    let (server, _directory) = Server::with_tokens();
    let admin = server.token(Scope::Admin, "operators");
    let client = server.client(Some(&admin));
    let new = NewToken { scope: Scope::Client, tenant: "a".to_owned(), note: "ci".to_owned(), expires_after_ms: None };
    let made = client.create_token(&new).unwrap();
    let ask = |secret: &str| server.request("GET", "/v1/whoami").token(secret).send().status;
    assert_eq!(ask(&made.secret), 200);
    client.revoke_token(&made.token.id).unwrap();
    assert_eq!(ask(&made.secret), 401);
    assert!(client.tokens().unwrap().iter().any(|token| token.id == made.token.id && token.revoked_ms.is_some()));
    assert_eq!(client.revoke_token("nobody").unwrap_err().code(), Some(ErrorCode::NotFound));
    let short = server.short_token(Scope::Client, "a", Some(1));
    until("the end of a token", || (ask(&short) == 401).then_some(()));
}

#[test]
fn tenants_do_not_see_each_other() {
    let (server, _directory) = Server::with_tokens();
    let [mine, theirs] = ["mine", "theirs"].map(|tenant| server.token(Scope::Client, tenant));
    let worker = Worker::new(&server, Some(&server.token(Scope::Worker, "w")), "w1");
    let job: NewJob = serde_json::from_value(new_job(&server, Some(&theirs), "secret")).unwrap();
    let submitted = server.client(Some(&theirs)).submit(&job, None).unwrap();
    worker.execute("secret");
    let path = |tail: &str| format!("/v1/jobs/{}{tail}", submitted.job);
    let tails = ["", "/wait", "/tasks", "/tasks/execute/attempts", "/events", "/receipt", "/verification"];
    for tail in tails {
        let message = server.request("GET", &path(tail)).token(&mine).send().refused(ErrorCode::NotFound);
        // The same words as for a job that is not there.
        let nowhere = path(tail).replace(&submitted.job.to_string(), JOB);
        let expected = server.request("GET", &nowhere).token(&mine).send().refused(ErrorCode::NotFound);
        assert_eq!(message, expected.replace(JOB, &submitted.job.to_string()), "{tail}");
    }
    server.request("DELETE", &path("")).token(&mine).send().refused(ErrorCode::NotFound);
    let client = server.client(Some(&mine));
    assert!(client.jobs(&Default::default()).unwrap().jobs.is_empty());
    for digest in [job.program, job.input] {
        assert_eq!(client.artifact(&digest).unwrap_err().code(), Some(ErrorCode::NotFound));
    }
    assert!(server.client(Some(&theirs)).artifact(&job.input).is_ok());
    let held = worker.claim("prove-0").held;
    let running = |secret: &str| server.client(Some(secret)).workers().unwrap().remove(0).running;
    assert_eq!((running(&mine), running(&theirs)), (vec![], vec![held]));
    let admin = server.client(Some(&server.token(Scope::Admin, "operators")));
    assert_eq!(admin.jobs(&Default::default()).unwrap().jobs.len(), 1);
}

#[test]
fn clients_store_only_programs_and_inputs() {
    let (server, _directory) = Server::with_tokens();
    let secret = server.token(Scope::Client, "a");
    let bytes = b"a proof".as_slice();
    let path = format!("/v1/artifacts/{}", phalanx_claim::Digest::of(bytes));
    let put =
        |query: &str, body: &[u8]| server.request("PUT", &format!("{path}?{query}")).token(&secret).bytes(body).send();
    put("form=raw&kind=proof", bytes).refused(ErrorCode::Forbidden);
    let stored = |kind| phalanx_store::encode_artifact(kind, bytes).unwrap();
    put("form=stored", &stored(phalanx_claim::ArtifactKind::Proof)).refused(ErrorCode::Forbidden);
    put("form=stored", &stored(phalanx_claim::ArtifactKind::Stdin)).is(200);
}

#[test]
fn a_token_has_its_rate() {
    let directory = tempfile::TempDir::new().unwrap();
    let limits = Limits { requests_per_second: 0.001, requests_burst: 3.0, ..Limits::default() };
    let server = Server::start(directory.path(), Setup { auth: Auth::Tokens, limits, tls: None });
    let [one, other] = [1, 2].map(|_| server.token(Scope::Client, "a"));
    let ask = |secret: &str| server.request("GET", "/v1/whoami").token(secret).send();
    assert!((0..3).all(|_| ask(&one).status == 200));
    let reply = ask(&one);
    reply.refused(ErrorCode::TooMany);
    assert!(reply.header("retry-after").unwrap().parse::<u32>().unwrap() > 0);
    assert_eq!(ask(&other).status, 200);
}

#[test]
fn a_tenant_has_as_many_jobs_as_it_may() {
    let (server, _directory) = Server::with_tokens();
    let admin = server.client(Some(&server.token(Scope::Admin, "operators")));
    let limits = phalanx_api::TenantLimits { running_max: None, jobs_max: Some(1) };
    admin.set_tenant("a", &limits).unwrap();
    assert_eq!(admin.tenants().unwrap()[0].limits, limits);
    let secret = server.token(Scope::Client, "a");
    let submit = |text: &str| {
        server.request("POST", "/v1/jobs").token(&secret).json(&new_job(&server, Some(&secret), text)).send()
    };
    submit("1").is(201);
    let reply = submit("2");
    reply.refused(ErrorCode::TooMany);
    assert!(reply.header("retry-after").is_some());
}

#[test]
fn a_gateway_without_tokens_stays_on_loopback() {
    let directory = tempfile::TempDir::new().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let url = format!("sqlite:{}", directory.path().join("queue.db").display());
    let bind = |auth, address: &str| {
        let address: SocketAddr = address.parse().unwrap();
        runtime.block_on(async {
            let queue = Queue::new(Database::open(&url).await.unwrap());
            let store = Store::open_dir(directory.path().join("store")).unwrap();
            let config = Config {
                queue,
                store,
                verify: crate::support::believes,
                auth,
                limits: Limits::default(),
                dashboard: false,
            };
            Gateway::new(config).bind(&Listener { address, tls: None }).await.map(|bound| bound.address())
        })
    };
    let error = bind(Auth::Open, "0.0.0.0:0").unwrap_err();
    assert!(matches!(error, GatewayError::OpenToAll { .. }), "{error}");
    assert!(bind(Auth::Open, "127.0.0.1:0").is_ok());
    assert!(bind(Auth::Open, "[::ffff:127.0.0.1]:0").is_err());
}
