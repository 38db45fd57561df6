//! Who may do what, from the first token on.

use super::gateway::{Gateway, Place, tiny_elf};

fn made(place: &Place, arguments: &[&str]) -> String {
    let secret = place.run(&[&["token", "create"], arguments].concat()).good().text();
    assert!(secret.starts_with("phx_"), "{secret}");
    secret
}

fn first(place: &Place, scope: &str, tenant: &str) -> String {
    made(place, &["--scope", scope, "--tenant", tenant, "--database-url", &place.database_url()])
}

fn serve(place: &Place) -> Gateway {
    place.serve(&["--require-tokens"])
}

#[test]
fn the_first_token_comes_from_the_database_and_the_others_over_http() {
    let place = Place::new();
    let gateway = serve(&place);
    let server = ["--server", gateway.url()];
    place.run(&[&["jobs"], &server[..]].concat()).refused("there is no token");
    place.run(&[&["jobs", "--token", "phx_wrong"], &server[..]].concat()).refused("token");

    let admin = first(&place, "admin", "default");
    let with = [&server[..], &["--token", &admin]].concat();
    let client = made(
        &place,
        &[&["--scope", "client", "--tenant", "a", "--note", "ci", "--expires", "30d"], &with[..]].concat(),
    );
    let listed = place.run(&[&["token", "list", "--json"], &with[..]].concat()).good().json();
    let tokens = listed["tokens"].as_array().unwrap();
    assert_eq!(tokens.len(), 2);
    assert!(!listed.to_string().contains(&client[4..]), "a secret is listed");
    let token = tokens.iter().find(|token| token["scope"] == "client").unwrap();
    assert_eq!((token["tenant"].as_str(), token["note"].as_str()), (Some("a"), Some("ci")));

    let as_client = [&server[..], &["--token", &client]].concat();
    place.run(&[&["jobs"], &as_client[..]].concat()).good();
    place.run(&[&["token", "list"], &as_client[..]].concat()).refused("client");
    place.run(&[&["tenant", "set", "a"], &as_client[..]].concat()).refused("client");

    place.run(&[&["token", "revoke", token["id"].as_str().unwrap()], &with[..]].concat()).good();
    place.run(&[&["jobs"], &as_client[..]].concat()).refused("revoked");
    let table = place.run(&["token", "list", "--database-url", &place.database_url()]).good().text();
    assert!(table.lines().any(|line| line.contains("client") && line.contains("revoked")), "{table}");
}

#[test]
fn tenants_do_not_see_each_other_and_take_no_more_than_they_may() {
    let place = Place::new();
    let gateway = serve(&place);
    let server = ["--server", gateway.url()];
    let tokens = ["a", "b"].map(|tenant| first(&place, "client", tenant));
    let [a, b] = [&tokens[0], &tokens[1]].map(|token| [&server[..], &["--token", token]].concat());
    place.run(&["tenant", "set", "a", "--jobs-max", "1", "--database-url", &place.database_url()]).good();

    let elf = tiny_elf();
    let job = place.run(&[&["submit", &elf], &a[..]].concat()).good().text();
    place.run(&[&["status", &job], &b[..]].concat()).refused("there is no job");
    assert_eq!(place.run(&[&["jobs"], &b[..]].concat()).good().text(), "");
    place.write("input", "x");
    place.run(&[&["submit", &elf, "--input", "input"], &a[..]].concat()).refused("as many as it may");
    let other = place.run(&[&["submit", &elf], &b[..]].concat()).good().text();
    assert_ne!(other, job, "another tenant's job is not found");
}

#[test]
fn a_token_can_be_in_a_file() {
    let place = Place::new();
    let gateway = serve(&place);
    place.write("token", &(first(&place, "client", "a") + "\n"));
    place.run(&["jobs", "--server", gateway.url(), "--token-file", "token"]).good();
    place.run(&["jobs", "--server", gateway.url(), "--token-file", "none"]).refused("cannot read token none");
}
