//! A server that fails now and then is asked again; one that keeps failing is named, and nothing half-written counts.

use std::io::{Seek, Write};

use futures::TryStreamExt;
use phalanx_claim::{ArtifactKind, Digest};
use phalanx_store::{Form, Store, StoreError, encode_artifact};

use crate::{
    noise,
    proxy::{Fault, Proxy},
    servers::{Cloud, Server},
};

/// The same store twice: through a proxy, with little patience, and directly.
fn stores(server: &Server, proxy: &Proxy) -> (Store, Store) {
    let mut variables = server.variables(&proxy.address);
    variables.push(("AWS_READ_TIMEOUT".to_owned(), "500ms".to_owned()));
    variables.push(("PHALANX_STORE_PATIENCE_MS".to_owned(), "1500".to_owned()));
    let through = Store::open_with(&server.place("faults"), variables).unwrap();
    (through, server.open("faults").unwrap())
}

const FAULTS: [Fault; 4] = [Fault::Answer500, Fault::Stall, Fault::CutAnswer(20), Fault::CutRequest(100)];

#[test]
fn a_server_that_fails_twice_is_asked_again() {
    let server = Server::start(Cloud::S3);
    let proxy = Proxy::start(&server.address);
    let (through, direct) = stores(&server, &proxy);
    for (round, fault) in FAULTS.into_iter().enumerate() {
        let bytes = noise(&format!("{fault:?}"), 10_000);
        let before = proxy.failed();
        proxy.fail(fault, 2);
        let digest = through.put(ArtifactKind::Proof, &bytes).unwrap();
        assert_eq!(direct.get(&digest, ArtifactKind::Proof).unwrap().as_deref(), Some(bytes.as_slice()), "{fault:?}");
        proxy.fail(fault, 2);
        assert_eq!(through.get(&digest, ArtifactKind::Proof).unwrap().as_deref(), Some(bytes.as_slice()), "{fault:?}");
        let key = Digest::of(&[u8::try_from(round).unwrap()]);
        proxy.fail(fault, 1);
        assert_eq!(through.record(key, digest).unwrap(), digest, "{fault:?}");
        assert!(proxy.failed() >= before + 4, "{fault:?}");
        proxy.fail(Fault::None, 0);
    }
    assert!(direct.verify().unwrap().is_clean());
}

#[test]
fn a_server_that_keeps_failing_is_named_without_what_signed_the_request() {
    let server = Server::start(Cloud::S3);
    let proxy = Proxy::start(&server.address);
    let (through, direct) = stores(&server, &proxy);
    let there = direct.put(ArtifactKind::Proof, b"there").unwrap();
    for fault in FAULTS {
        let bytes = noise(&format!("{fault:?}"), 10_000);
        let digest = Digest::of(&bytes);
        proxy.fail(fault, usize::MAX);
        let unwritten = through.put(ArtifactKind::Proof, &bytes).unwrap_err();
        // A request for bytes has none of its own to cut.
        let unread = if matches!(fault, Fault::CutRequest(_)) { None } else { through.is_intact(&there).err() };
        for error in [Some(unwritten), unread].into_iter().flatten() {
            let text = error.to_string();
            assert!(matches!(error, StoreError::Read { .. } | StoreError::Write { .. }), "{text}");
            assert!(text.contains("s3://phalanx/faults/artifacts/"), "{text}");
            let secrets = ["very secret", "AKIDTESTS", "Signature", "http://"];
            assert!(secrets.iter().all(|secret| !text.contains(secret)), "{text}");
        }
        assert!(!matches!(fault, Fault::Answer500 | Fault::CutRequest(_)) || !direct.contains(&digest).unwrap());
        assert!(direct.verify().unwrap().is_clean(), "{fault:?}");
    }
}

#[test]
fn a_long_upload_that_breaks_off_leaves_nothing_that_counts() {
    let server = Server::start(Cloud::S3);
    let proxy = Proxy::start(&server.address);
    let (through, direct) = stores(&server, &proxy);
    let bytes = noise("long", 20 << 20);
    let digest = Digest::of(&bytes);
    let mut spool = through.spool().unwrap();
    spool.file().write_all(&encode_artifact(ArtifactKind::Proof, &bytes).unwrap()).unwrap();
    spool.file().rewind().unwrap();
    proxy.fail(Fault::CutRequest(1 << 20), usize::MAX);
    through.put_stored(&digest, spool).unwrap_err();
    assert!(!direct.contains(&digest).unwrap());
    proxy.fail(Fault::CutRequest(1 << 20), 2);
    spool = through.spool().unwrap();
    spool.file().write_all(&encode_artifact(ArtifactKind::Proof, &bytes).unwrap()).unwrap();
    through.put_stored(&digest, spool).unwrap();
    assert!(direct.is_intact(&digest).unwrap());
}

#[test]
fn a_long_download_that_breaks_off_goes_on_where_it_was() {
    let server = Server::start(Cloud::S3);
    let proxy = Proxy::start(&server.address);
    let (through, direct) = stores(&server, &proxy);
    let bytes = noise("long", 5 << 20);
    let digest = direct.put(ArtifactKind::Proof, &bytes).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let download = |fault, connections| {
        runtime.block_on(async {
            proxy.fail(Fault::None, 0);
            let opened = through.open_artifact(&digest).await.unwrap().unwrap();
            proxy.fail(fault, connections);
            let chunks: std::io::Result<Vec<_>> = opened.download(Form::Raw, 0..u64::MAX).unwrap().try_collect().await;
            chunks.map(|chunks| chunks.concat())
        })
    };
    assert_eq!(download(Fault::CutAnswer(2 << 20), 2).unwrap(), bytes);
    download(Fault::CutAnswer(1000), usize::MAX).unwrap_err();
    download(Fault::Stall, usize::MAX).unwrap_err();
    assert_eq!(download(Fault::None, 0).unwrap(), bytes);
}
