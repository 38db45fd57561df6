//! A guest that uses an extension, proven with the keys that another process left.

use super::phalanx::{Place, expected, guest, warm_keys, written};

#[test]
fn keccak_is_proven_with_the_keys_of_another_process() {
    let keys = warm_keys();
    let place = Place::new();
    place.write("empty", "");
    place.write("none", [0; 4]);
    let elf = guest("keccak");
    let arguments = ["prove", elf.to_str().unwrap(), "--input", "empty", "--input", "none", "-o", "keccak.receipt"];
    let report = place.prove(&[&arguments[..], &["--json"]].concat()).ok().json();
    let public_values = expected("keccak", &[("hex", ""), ("hex", "00000000")]);
    assert_eq!(report["public_values"], public_values);
    for (key, before) in keys {
        assert_eq!(written(key), *before, "{} was written again", key.display());
    }
    for program in [elf.to_str().unwrap(), report["program_id"].as_str().unwrap()] {
        let done = place.run(&["verify", "keccak.receipt", "--program", program]).ok();
        assert_eq!(done.stdout, public_values.clone() + "\n");
    }
    let other = "00".repeat(32);
    place.run(&["verify", "keccak.receipt", "--program", &other]).refused(3, &["another program"]);
}
