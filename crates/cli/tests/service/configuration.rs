//! Options from files and from the environment.

use super::gateway::{Place, tiny_elf};

#[test]
fn the_command_line_wins_over_the_environment_and_that_over_files() {
    let place = Place::new();
    let gateway = place.serve(&[]);
    place.write("a.toml", "server = \"http://127.0.0.1:9\"\n\n[jobs]\nlimit = 1\n");
    let file = place.run(&["jobs", "--config", "a.toml"]);
    file.refused("http://127.0.0.1:9 does not answer");
    let with_variable = |arguments: &[&str]| {
        let mut command = place.command(arguments);
        command.env("PHALANX_SERVER", gateway.url()).env("PHALANX_CONFIG", "a.toml").env("PHALANX_STATE", "");
        command.output().unwrap()
    };
    assert_eq!(with_variable(&["jobs"]).status.code(), Some(0));
    assert_eq!(with_variable(&["jobs", "--server", "http://127.0.0.1:9"]).status.code(), Some(1));
    // The file's limit counts where nothing else is said.
    let elf = tiny_elf();
    for input in ["x", "y"] {
        place.write("input", input);
        assert_eq!(with_variable(&["submit", &elf, "--input", "input"]).status.code(), Some(0));
    }
    let listed = |arguments: &[&str]| {
        let output = with_variable(arguments);
        serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap()["jobs"].as_array().unwrap().len()
    };
    assert_eq!(listed(&["jobs", "--json"]), 1);
    assert_eq!(listed(&["jobs", "--json", "--limit", "9"]), 2);
}

#[test]
fn the_users_file_is_found_where_it_belongs() {
    let place = Place::new();
    std::fs::create_dir_all(place.path(".config/phalanx")).unwrap();
    place.write(".config/phalanx/config.toml", "[serve]\nlisten = \"127.0.0.1:7\"\n\n[worker]\nram = \"3G\"\n");
    let shown = place.run(&["config", "show", "--json"]).good().json();
    assert_eq!(shown["files"].as_array().map(Vec::len), Some(1));
    let of = |command: &str, option: &str| {
        let options = shown["options"].as_array().unwrap();
        let found = options.iter().find(|setting| setting["command"] == command && setting["option"] == option);
        let found = found.unwrap_or_else(|| panic!("{command} {option}"));
        (found["value"].as_str().map(str::to_owned), found["source"].as_str().unwrap().to_owned())
    };
    assert_eq!(of("serve", "listen"), (Some("127.0.0.1:7".into()), "file".into()));
    assert_eq!(of("worker", "ram"), (Some("3G".into()), "file".into()));
    assert_eq!(of("serve", "ram"), (None, "unset".into()));
    assert_eq!(of("jobs", "server"), (Some("http://127.0.0.1:8080".into()), "default".into()));
    assert_eq!(of("", "json"), (Some("false".into()), "default".into()));
}

#[test]
fn secrets_are_not_shown() {
    let place = Place::new();
    place.write("a.toml", "token = \"phx_from_file\"\ndatabase-url = \"postgres://me:hidden@host/db\"\n");
    let mut command = place.command(&["config", "show", "--json", "--config", "a.toml"]);
    command.env("PHALANX_IDEMPOTENCY_KEY", "k");
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("(set)") && !text.contains("phx_from_file") && !text.contains("hidden"), "{text}");
}

#[test]
fn a_file_that_says_nonsense_is_named_with_its_key() {
    let place = Place::new();
    for (text, words) in [
        ("sever = \"x\"\n", "a.toml: there is no option `sever`"),
        ("[serve]\nlisten = 8080\n", "a.toml: `serve.listen`: invalid value '8080' for '--listen <ADDRESS>'"),
        ("[serve]\nopen = 1\n", "a.toml: `serve.open`: it is a switch: true or false"),
        ("server = \n", "a.toml: line 1: "),
    ] {
        place.write("a.toml", text);
        place.run(&["jobs", "--config", "a.toml"]).refused(words);
    }
    place.run(&["jobs", "--config", "none.toml"]).refused("cannot read configuration none.toml");
}

#[test]
fn every_option_has_a_variable_and_is_shown() {
    let place = Place::new();
    let output = place.command(&["jobs"]).env("PHALANX_LIMIT", "many").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("invalid value 'many' for '--limit <N>'"));
    let output = place.command(&["config", "show"]).env("PHALANX_JSON", "yes").output().unwrap();
    let shown: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let json = shown["options"].as_array().unwrap().iter().find(|setting| setting["option"] == "json").unwrap();
    assert_eq!((json["variable"].as_str(), json["source"].as_str()), (Some("PHALANX_JSON"), Some("environment")));
}
