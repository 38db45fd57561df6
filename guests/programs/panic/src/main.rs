//! Panics, for tests of what a user sees then.
//!
//! In: the message, UTF-8. Out: nothing; the message goes to the host and the exit code is 1.

use openvm::io::read_vec;

fn main() {
    let message = String::from_utf8_lossy(&read_vec()).into_owned();
    panic!("{message}");
}
