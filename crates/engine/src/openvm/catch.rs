//! Panics of upstream code on hostile input, turned into errors.
//!
//! OpenVM panics on some inputs that a user controls: a load outside the memory, an exit code that is no byte. The panic
//! hook must not print for those; it still does for everyone else's.

use std::{
    any::Any,
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook},
    sync::Once,
};

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Runs `body`; a panic inside becomes its message. What `body` touched may be half-changed afterwards: drop it.
pub(super) fn panics<T>(body: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |info| {
            if !QUIET.with(Cell::get) {
                before(info);
            }
        }));
    });
    let outer = QUIET.with(|quiet| quiet.replace(true));
    let result = catch_unwind(AssertUnwindSafe(body));
    QUIET.with(|quiet| quiet.set(outer));
    result.map_err(|payload| message(payload.as_ref()))
}

fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied().or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("a panic without a message").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_its_message() {
        assert_eq!(panics(|| panic!("no {}", 1)), Err::<(), _>("no 1".to_owned()));
        assert_eq!(panics(|| 7), Ok(7));
    }
}
