//! Guests that do what the machine forbids end with a fault that names the place, and with no panic printed.
//!
//! The programs are assembled here: no compiler would make them.
//!
//! A program of its own: only who starts before the engine sees the panics that it lets through.
#![cfg(feature = "openvm")]

mod support;

use std::{
    cell::Cell,
    panic,
    sync::{Arc, Once},
};

use phalanx_engine::{Execution, Fault, TaskError, stdin::Stdin};
use support::{
    Bench,
    asm::{self, A0, A1, A2, MEMORY_END, T0, TEXT, ZERO},
    cases::{Expected, cases},
    guest,
};

thread_local! {
    static PANICS_PRINTED: Cell<u32> = const { Cell::new(0) };
}

/// Counts the panics that reach the hook of whoever uses the engine, instead of printing them.
fn count_panics() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = Arc::new(panic::take_hook());
        panic::set_hook(Box::new(move |info| {
            PANICS_PRINTED.set(PANICS_PRINTED.get() + 1);
            before(info);
        }));
    });
}

fn execute(elf: &[u8], stdin: &Stdin) -> Result<Execution, TaskError> {
    count_panics();
    let before = PANICS_PRINTED.get();
    let result = Bench::new().execute(elf, stdin, u64::MAX);
    assert_eq!(PANICS_PRINTED.get(), before, "a panic was printed");
    result
}

/// The fault of a program of two functions: `main`, which ends in a jump to `culprit`.
fn fault(culprit: &[u32], stdin: &Stdin) -> Fault {
    let main = [asm::li(T0, CULPRIT).as_slice(), &[asm::jalr(ZERO, T0, 0)]].concat();
    let elf = asm::elf(&[("main", main), ("culprit", culprit.to_vec())]);
    match execute(&elf, stdin) {
        Err(TaskError::FailJob(fault)) => fault,
        other => panic!("the job must fail, not end with {other:?}"),
    }
}

/// Where `culprit` starts.
const CULPRIT: u32 = TEXT + 3 * 4;

/// Checks the place of a [`Fault::GuestFault`] and that its reason contains `text`.
fn assert_guest_fault(fault: &Fault, words: u32, text: &str) {
    let Fault::GuestFault { pc, symbol, reason } = fault else { panic!("another fault: {fault}") };
    assert_eq!(*pc, CULPRIT + 4 * words, "{fault}");
    let expected = if words == 0 { "culprit".to_owned() } else { format!("culprit+{:#x}", 4 * words) };
    assert_eq!(symbol.as_deref(), Some(expected.as_str()), "{fault}");
    assert!(reason.contains(text), "{fault}");
}

fn print(address: u32, bytes: u32) -> Fault {
    let code = [&asm::li(A0, address)[..], &asm::li(A1, bytes), &[asm::print(A0, A1), asm::exit(0)]].concat();
    fault(&code, &Stdin::default())
}

#[test]
fn printing_bytes_that_are_not_utf_8_is_a_fault() {
    let store = [&asm::li(A0, 0x40_0000)[..], &asm::li(A1, 0xff), &[asm::sw(A1, A0, 0)]].concat();
    let code = [&store[..], &asm::li(A1, 1), &[asm::print(A0, A1), asm::exit(0)]].concat();
    assert_guest_fault(&fault(&code, &Stdin::default()), 7, "UTF-8");
}

#[test]
fn printing_too_much_at_once_is_a_fault() {
    assert_guest_fault(&print(0x40_0000, (1 << 20) + 1), 4, "1048577 bytes");
}

#[test]
fn printing_from_outside_memory_is_a_fault() {
    assert_guest_fault(&print(MEMORY_END - 1, 2), 4, "past its memory");
    assert_guest_fault(&print(u32::MAX, 1 << 20), 4, "past its memory");
}

#[test]
fn asking_for_too_many_random_bytes_is_a_fault() {
    for words in [(1 << 18) + 1, u32::MAX] {
        let code = [&asm::li(A0, words)[..], &[asm::hint_random(A0), asm::exit(0)]].concat();
        assert_guest_fault(&fault(&code, &Stdin::default()), 2, "random bytes");
    }
}

#[test]
fn loading_from_outside_memory_is_a_fault() {
    for address in [MEMORY_END, u32::MAX - 3] {
        let code = [&asm::li(A0, address)[..], &[asm::lw(A1, A0, 0), asm::exit(0)]].concat();
        assert_guest_fault(&fault(&code, &Stdin::default()), 2, "");
    }
}

#[test]
fn storing_outside_memory_is_a_fault() {
    for address in [MEMORY_END, u32::MAX - 3] {
        let code = [&asm::li(A0, address)[..], &[asm::sw(A1, A0, 0), asm::exit(0)]].concat();
        assert_guest_fault(&fault(&code, &Stdin::default()), 2, "");
    }
}

#[test]
fn a_misaligned_access_is_a_fault() {
    // The machine's circuits have no such access: what executes here could not be proven.
    for access in [asm::lw(A1, A0, 2), asm::sw(A1, A0, 1), asm::lh(A1, A0, 1)] {
        let code = [&asm::li(A0, 0x40_0000)[..], &[access, asm::exit(0)]].concat();
        assert_guest_fault(&fault(&code, &Stdin::default()), 2, "");
    }
}

#[test]
fn a_hint_stored_at_a_misaligned_address_is_a_fault() {
    let stdin = Stdin { items: vec![vec![7; 4]] };
    for read in [asm::hint_word(A0), asm::hint_buffer(A0, A1)] {
        let code = [&asm::li(A0, 0x40_0002)[..], &asm::li(A1, 1), &[asm::hint_input(), read, asm::exit(0)]].concat();
        assert_guest_fault(&fault(&code, &stdin), 5, "");
    }
}

#[test]
fn revealing_outside_the_public_values_is_a_fault() {
    for at in [32, MEMORY_END] {
        let code = [&asm::li(A0, at)[..], &[asm::reveal(A1, A0), asm::exit(0)]].concat();
        assert_guest_fault(&fault(&code, &Stdin::default()), 2, "");
    }
}

#[test]
fn reading_more_of_an_item_than_there_is_is_a_fault() {
    let stdin = Stdin { items: vec![vec![7; 4]] };
    let reads = [asm::hint_input(), asm::hint_word(A0), asm::hint_word(A0), asm::hint_word(A0), asm::exit(0)];
    let code = [&asm::li(A0, 0x40_0000)[..], &reads].concat();
    assert_guest_fault(&fault(&code, &stdin), 5, "");
}

#[test]
fn reading_too_many_words_at_once_is_a_fault() {
    let stdin = Stdin { items: vec![vec![7; 8192]] };
    for words in [0, 1024] {
        let read = [asm::hint_input(), asm::hint_buffer(A0, A1), asm::exit(0)];
        let code = [&asm::li(A0, 0x40_0000)[..], &asm::li(A1, words), &read].concat();
        assert_guest_fault(&fault(&code, &stdin), 5, "");
    }
}

#[test]
fn storing_a_hint_outside_memory_is_a_fault() {
    let stdin = Stdin { items: vec![vec![7; 4]] };
    for address in [MEMORY_END, u32::MAX - 3] {
        let code = [&asm::li(A0, address)[..], &[asm::hint_input(), asm::hint_word(A0), asm::exit(0)]].concat();
        assert_guest_fault(&fault(&code, &stdin), 3, "");
    }
}

#[test]
fn a_missing_input_item_is_named_with_the_place_that_asks_for_it() {
    let stdin = Stdin { items: vec![vec![]] };
    let fault = fault(&[asm::hint_input(), asm::hint_input(), asm::exit(0)], &stdin);
    let symbol = Some("culprit+0x4".to_owned());
    assert_eq!(fault, Fault::MissingInput { item: 1, given: 1, pc: CULPRIT + 4, symbol });
}

#[test]
fn a_jump_to_where_there_is_no_code_names_the_target() {
    for target in [0, CULPRIT - 2, CULPRIT + 0x1000, MEMORY_END, u32::MAX - 1] {
        let code = [&asm::li(A0, target)[..], &[asm::jalr(ZERO, A0, 0)]].concat();
        let fault = fault(&code, &Stdin::default());
        let Fault::GuestFault { pc, reason, .. } = &fault else { panic!("{target:#x}: another fault: {fault}") };
        assert_eq!(*pc, target, "{fault}");
        assert!(reason.contains("no code"), "{fault}");
    }
}

#[test]
fn running_past_the_end_of_the_code_is_a_fault() {
    let fault = fault(&[asm::addi(A0, ZERO, 1)], &Stdin::default());
    let Fault::GuestFault { pc, symbol, reason } = &fault else { panic!("another fault: {fault}") };
    assert_eq!((*pc, symbol), (CULPRIT + 4, &None), "{fault}");
    assert!(reason.contains("no code"), "{fault}");
}

#[test]
fn an_unsupported_instruction_is_named_with_its_place() {
    // No instruction at all, a compressed one, a floating-point one, an atomic one, a counter, a breakpoint.
    for word in [0, 0x4501, 0x0000_2007, 0x1005_252f, 0xc000_2573, 0x0010_0073, u32::MAX] {
        let fault = fault(&[asm::addi(A0, ZERO, 1), word, asm::exit(0)], &Stdin::default());
        let symbol = Some("culprit+0x4".to_owned());
        assert_eq!(fault, Fault::UnsupportedInstruction { pc: CULPRIT + 4, symbol, word });
    }
}

#[test]
fn an_exit_code_that_is_no_byte_is_an_unsupported_instruction() {
    for code in [256, -1] {
        let word = asm::exit(code);
        let symbol = Some("culprit".to_owned());
        assert_eq!(fault(&[word], &Stdin::default()), Fault::UnsupportedInstruction { pc: CULPRIT, symbol, word });
    }
}

#[test]
fn an_unsupported_instruction_that_is_not_reached_does_no_harm() {
    let elf = asm::elf(&[("main", vec![asm::exit(0)]), ("data", vec![0, u32::MAX, asm::exit(256)])]);
    assert_eq!(execute(&elf, &Stdin::default()).unwrap().cycles, 1);
}

#[test]
fn an_exit_code_is_reported_with_the_last_words() {
    let words = u32::from_le_bytes(*b"why?");
    let say = [&asm::li(A0, 0x40_0000)[..], &asm::li(A1, words), &asm::li(A2, 4), &[asm::sw(A1, A0, 0)]].concat();
    let code = [&say[..], &[asm::print(A0, A2), asm::exit(99)]].concat();
    let (symbol, message) = (Some("culprit+0x20".to_owned()), "why?".to_owned());
    let expected = Fault::GuestPanic { exit_code: 99, pc: CULPRIT + 32, symbol, message };
    assert_eq!(fault(&code, &Stdin::default()), expected);
}

#[test]
fn committed_guests_that_must_fail_say_why() {
    for case in cases() {
        let Expected::ErrorContains(text) = case.expected else { continue };
        let error = execute(&guest(&case.guest), &case.stdin).unwrap_err();
        assert!(matches!(error, TaskError::FailJob(_)), "{}: {error}", case.guest);
        assert!(error.to_string().contains(&text), "{}: {error}", case.guest);
    }
}
