//! What the command line says, word by word: help, and every refusal that needs no prover.
//!
//! The files under `tests/cmd` hold commands with their expected output and exit code; stderr follows stdout in them. They
//! run in the directory of the same name that ends in `.in`.

#[test]
fn commands_say_what_their_pages_say() {
    let home = env!("CARGO_TARGET_TMPDIR");
    let cases = trycmd::TestCases::new();
    cases.env("HOME", home).env("COLUMNS", "100").env("PHALANX_STORE", "").env("XDG_DATA_HOME", "");
    cases.case("tests/cmd/*.md");
    // These need an engine to say that they cannot be.
    if cfg!(feature = "openvm") {
        cases.case("tests/cmd/prover/*.md");
    }
}
