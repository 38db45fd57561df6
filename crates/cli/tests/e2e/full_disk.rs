//! Disks that are full: our fault, said with the place, nothing half-written, and the next run goes on.
//!
//! Where this process may mount, a small file system is filled for real; elsewhere a limit on the size of files makes the
//! same writes fail.

use std::{ffi::OsString, fs};

use super::{
    phalanx::{Done, Place, finish, guest},
    sorted::{prove, sorted},
};

/// A shell in a mount namespace of its own, where this process may make one.
const NAMESPACE: &str = "unshare --map-root-user --mount bash -c";

/// Runs a command where the directory `small` takes 32 KiB, then says what files it left there: lines `left: …` on stderr.
fn on_a_small_disk(place: &Place, arguments: &[OsString]) -> Done {
    fs::create_dir(place.path("small")).unwrap();
    let run = r#""$@"; code=$?; find small -type f | sed "s/^/left: /" >&2; exit $code"#;
    let mount = "mount -t tmpfs -o size=32k none small";
    // An ignored signal stays ignored: a write past the limit then fails instead of ending the process.
    let limit = "trap '' XFSZ; ulimit -f 32";
    let script = format!(
        "if {NAMESPACE} '{mount}' 2>/dev/null; then echo 'on a file system of 32 KiB' >&2; \
         {NAMESPACE} '{mount} && {run}' bash \"$@\"; else echo 'with files of at most 32 KiB' >&2; {limit}; {run}; fi"
    );
    let done = finish(place.shell(&script, arguments).spawn().unwrap());
    println!("{}", done.stderr);
    done
}

/// The arguments with another output.
fn with_output(mut arguments: Vec<OsString>, path: &str) -> Vec<OsString> {
    let output = arguments.iter().position(|argument| argument == "-o").unwrap();
    arguments[output + 1] = path.into();
    arguments.retain(|argument| argument != "--json");
    arguments
}

#[test]
fn a_receipt_that_does_not_fit_is_not_left_half_written() {
    // The job is done: only its receipt is to be written.
    let place = sorted().copy();
    let done = on_a_small_disk(&place, &with_output(prove(), "small/sorted.receipt"));
    done.refused(2, &["cannot write receipt small/sorted.receipt: "]);
    let left = done.stderr.lines().filter(|line| line.starts_with("left: ")).count();
    assert_eq!(left, 0, "{}", done.stderr);
}

#[test]
fn a_store_that_is_full_names_the_file_and_keeps_only_whole_ones() {
    let place = Place::new();
    let elf = guest("search").into_os_string();
    let done = on_a_small_disk(&place, &["execute".into(), elf, "--store".into(), "small/store".into()]);
    done.refused(2, &["cannot write", "small/store/artifacts", "hint: free space or choose another place"]);
    let left = done.stderr.lines().filter(|line| line.starts_with("left: ") && line.contains("/artifacts/")).count();
    assert_eq!(left, 0, "{}", done.stderr);
}

#[test]
fn a_job_whose_store_was_full_runs_once_there_is_space() {
    let place = Place::new();
    place.write("n", 10u64.to_le_bytes());
    let elf = guest("fibonacci").into_os_string();
    let arguments = [&["execute".into(), elf][..], &["--input", "n"].map(Into::into)].concat();
    let limited = place.shell(r#"trap "" XFSZ; ulimit -f 1; exec "$@""#, &arguments).spawn().unwrap();
    finish(limited).refused(2, &["cannot write", "store/artifacts"]);
    place.assert_store_is_clean();
    place.run(&arguments).ok();
    place.assert_store_is_clean();
}
