//! Downloads: whole, in part, not again; and what the dashboard is served as.

use phalanx_api::{ErrorCode, Transfer};
use phalanx_claim::{ArtifactKind, Digest};

use crate::support::Server;

fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as u8
    };
    std::iter::repeat_with(next).take(bytes).collect()
}

#[test]
fn ranges_are_the_bytes_that_they_name() {
    let (server, _directory) = Server::open();
    let bytes = noise(3_000_000);
    let digest = server.store.put(ArtifactKind::Pages, &bytes).unwrap();
    let stored = server.request("GET", &format!("/v1/artifacts/{digest}?form=stored")).send().is(200).body;
    assert_eq!(phalanx_store::decode_artifact(&stored).unwrap(), (ArtifactKind::Pages, bytes.clone()));
    for (form, whole) in [("raw", &bytes), ("stored", &stored)] {
        let path = format!("/v1/artifacts/{digest}?form={form}");
        let get = |range: &str| server.request("GET", &path).header("Range", range).send();
        let len = whole.len();
        for (range, from, to) in [
            ("bytes=0-0".to_owned(), 0, 1),
            ("bytes=1000000-2000000".to_owned(), 1_000_000, 2_000_001),
            (format!("bytes={}-", len - 7), len - 7, len),
            ("bytes=-7".to_owned(), len - 7, len),
            (format!("bytes=5-{}", u64::MAX), 5, len),
        ] {
            let reply = get(&range).is(206);
            assert_eq!(reply.header("content-range"), Some(format!("bytes {from}-{}/{len}", to - 1).as_str()));
            assert_eq!(reply.header("content-length"), Some((to - from).to_string().as_str()));
            assert!(reply.body == whole[from..to], "{form} {range}");
        }
        for range in ["bytes=0-1,4-5", "bytes=3-1", "pages=1-2", "bytes=x-"] {
            assert!(get(range).is(200).body == **whole, "{range}");
        }
        let beyond = get(&format!("bytes={len}-")).is(416);
        assert_eq!(beyond.header("content-range"), Some(format!("bytes */{len}").as_str()));
        assert_eq!(beyond.json()["code"], "bad_request");
    }
}

#[test]
fn what_a_client_has_is_not_sent_again() {
    let (server, _directory) = Server::open();
    let digest = server.store.put(ArtifactKind::Pages, b"pages").unwrap();
    let path = format!("/v1/artifacts/{digest}");
    let first = server.request("GET", &path).send().is(200);
    let etag = first.header("etag").unwrap();
    assert!(first.header("cache-control").unwrap().contains("immutable"));
    let again = server.request("GET", &path).header("If-None-Match", etag).send().is(304);
    assert!(again.body.is_empty());
    let stored = server.request("GET", &format!("{path}?form=stored")).header("If-None-Match", etag).send();
    assert_eq!(stored.status, 200);
    let part = |known: &str| server.request("GET", &path).header("Range", "bytes=1-2").header("If-Range", known).send();
    assert_eq!(part(etag).is(206).body, b"ag");
    assert_eq!(part("\"other\"").is(200).body, b"pages");
    let head = server.request("HEAD", &path).send().is(200);
    assert_eq!((head.header("content-length"), head.body.len()), (Some("5"), 0));
    let gone = Digest::of(b"nowhere");
    server.request("GET", &format!("/v1/artifacts/{gone}")).send().refused(ErrorCode::NotFound);
    server.request("HEAD", &format!("/v1/artifacts/{gone}")).send().is(404);
}

#[test]
fn a_corrupt_artifact_is_not_served_as_if_it_were_whole() {
    let (server, _directory) = Server::open();
    let bytes = noise(1_000_000);
    let digest = server.store.put(ArtifactKind::Pages, &bytes).unwrap();
    let name = digest.to_string();
    let file = server.store.path().unwrap().join("artifacts").join(&name[..2]).join(&name);
    let mut stored = std::fs::read(&file).unwrap();
    let middle = stored.len() / 2;
    stored[middle] ^= 1;
    std::fs::write(&file, stored).unwrap();
    let reply = server.request("GET", &format!("/v1/artifacts/{digest}")).send();
    assert!(reply.body.len() < bytes.len());
}

#[test]
fn a_store_on_this_machine_has_no_places_of_its_own() {
    let (server, _directory) = Server::open();
    let digest = server.store.put(ArtifactKind::Pages, b"pages").unwrap();
    for transfer in [Transfer::Get, Transfer::Put] {
        assert_eq!(server.client(None).place(&digest, transfer).unwrap().url, None);
    }
}

#[test]
fn the_dashboard_is_served_with_its_types_and_nothing_from_elsewhere() {
    let (server, _directory) = Server::open();
    let page = server.request("GET", "/").send().is(200);
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(page.header("cache-control"), Some("no-store"));
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'self'") && !policy.contains("unsafe"), "{policy}");
    assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
    let script = server.request("GET", "/dashboard/main.js").send().is(200);
    assert_eq!(script.header("content-type"), Some("text/javascript; charset=utf-8"));
    let style = server.request("GET", "/dashboard/style.css").send().is(200);
    assert_eq!(style.header("content-type"), Some("text/css; charset=utf-8"));
    server.request("GET", "/dashboard/nothing.js").send().refused(ErrorCode::NotFound);
}
