//! Encryption, and what is refused because it would let everybody in.

use super::gateway::Place;

#[test]
fn a_certificate_of_ones_own_is_trusted_by_name_only() {
    let place = Place::new();
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    place.write("cert.pem", &made.cert.pem());
    place.write("key.pem", &made.signing_key.serialize_pem());
    let gateway = place.serve(&["--tls-cert", "cert.pem", "--tls-key", "key.pem", "--open"]);
    assert!(gateway.url().starts_with("https://127.0.0.1:"), "{}", gateway.url());
    place.run(&["jobs", "--server", gateway.url(), "--ca-cert", "cert.pem"]).good();
    let stranger = place.run(&["jobs", "--server", gateway.url()]).refused("no secure connection");
    assert!(stranger.talk().contains("--ca-cert"), "{}", stranger.talk());
    place.run(&["jobs", "--server", gateway.url(), "--ca-cert", "key.pem"]).refused("certificates");
}

#[test]
fn what_would_let_everybody_in_is_refused() {
    let place = Place::new();
    let data = place.path("data").display().to_string();
    let serve = ["serve", "--roles", "gateway", "--data", &data];
    let with = |options: &[&str]| place.run(&[&serve[..], options].concat());
    with(&["--listen", "0.0.0.0:0", "--open"]).refused("no loopback address");
    with(&["--open", "--require-tokens"]).refused("cannot be used with");
    with(&["--tls-cert", "cert.pem"]).refused("--tls-key");
    with(&["--listen", "127.0.0.1:0", "--tls-cert", "none.pem", "--tls-key", "none.pem"]).refused("none.pem");
    place.run(&["serve", "--roles", "worker", "--data", &data]).refused("`phalanx worker`");
}

#[cfg(not(feature = "openvm"))]
#[test]
fn a_build_without_a_prover_serves_and_says_what_it_cannot() {
    let place = Place::new();
    let data = place.path("data").display().to_string();
    let both = place.run(&["serve", "--data", &data]);
    assert_eq!(both.code(), Some(2));
    assert!(both.talk().contains("--roles gateway"), "{}", both.talk());
    assert!(!place.path("data").exists(), "nothing is made before it is refused");
    assert_eq!(place.run(&["worker"]).code(), Some(2));
}
