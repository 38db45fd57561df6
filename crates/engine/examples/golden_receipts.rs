//! Writes the receipts that the receipt crate's tests verify: `cargo run --release -p phalanx-engine --example golden_receipts`.
//!
//! One program, Fibonacci in twenty instructions assembled here, on two inputs. Made by OpenVM's own prover from our keys,
//! not by our engine, so that the verifier is tested against proofs that our engine had no hand in.

use std::{error::Error, fs, sync::Arc};

use openvm_sdk::{
    DeferralSetup, StdIn,
    config::AggregationTreeConfig,
    prover::{AggProver, StarkProver},
};
use openvm_sdk_config::{SdkVmCpuBuilder, TranspilerConfig as _};
use openvm_stark_backend::codec::Encode as _;
use openvm_stark_sdk::config::baby_bear_poseidon2::BabyBearPoseidon2CpuEngine;
use openvm_transpiler::{FromElf as _, elf::Elf, openvm_platform::memory::MEM_SIZE};
use phalanx_engine::openvm::keys::KeyCache;
use phalanx_receipt::{Provenance, Receipt, claim_of, verify};

const TEXT: u32 = 0x0020_0800;

fn main() -> Result<(), Box<dyn Error>> {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/../receipt/tests/golden");
    fs::create_dir_all(dir)?;
    let keys = KeyCache::new(None)?.proving()?;
    let vm = &keys.app().app_vm_pk;
    let elf = Elf::decode(&fibonacci(), u32::try_from(MEM_SIZE)?)?;
    let exe = Arc::new(openvm_circuit::arch::instructions::exe::VmExe::from_elf(elf, vm.vm_config.transpiler())?);
    let folds = Arc::new(AggProver::from_pk(
        keys.app_vk(),
        keys.agg().clone(),
        AggregationTreeConfig::default(),
        Some(keys.hook().hook_cached_commit),
    ));
    for (name, n) in [("fibonacci-20", 20u32), ("fibonacci-30", 30)] {
        let mut prover = StarkProver::<BabyBearPoseidon2CpuEngine, _>::new(
            SdkVmCpuBuilder,
            vm,
            exe.clone(),
            folds.clone(),
            DeferralSetup::Aware(keys.hook()),
        )?;
        let mut stdin = StdIn::default();
        stdin.write_bytes(&n.to_le_bytes());
        let proof = prover.prove(stdin, &[])?.0.encode_to_vec()?;
        let (claim, sizes) = claim_of(&proof)?;
        // Eight instructions before the loop, six in each round, one to leave it and two after it.
        let cycles = u64::from(8 + 6 * n + 1 + 2);
        let provenance = Provenance { cycles, segments: 1, made_by: "golden".into() };
        let receipt = Receipt::new(claim, provenance, proof);
        println!("{name}: {:?} {sizes:?}", verify(&receipt)?);
        fs::write(format!("{dir}/{name}.receipt"), receipt.encode()?)?;
    }
    Ok(())
}

/// Reads n, reveals the n-th Fibonacci number.
fn fibonacci() -> Vec<u8> {
    let (zero, address, n, a, b, next, out) = (0, 10, 11, 12, 13, 14, 15);
    let immediate = |opcode, funct3, rd, rs1, imm: i32| {
        (imm as u32) << 20 | (rs1 << 15) | (funct3 as u32) << 12 | rd << 7 | opcode as u32
    };
    let addi = |rd, rs1, imm| immediate(0x13, 0, rd, rs1, imm);
    let add = |rd: u32, rs1: u32, rs2: u32| rs2 << 20 | rs1 << 15 | rd << 7 | 0x33;
    let openvm = |funct3, rd, rs1, imm| immediate(0x0b, funct3, rd, rs1, imm);
    let (terminate, hint_store, reveal, phantom, hint_input) = (0, 1, 2, 3, 0);
    let code = [
        0x0030_0000 | address << 7 | 0x37, // lui: a page of its own for the input
        openvm(phantom, zero, zero, hint_input),
        openvm(hint_store, address, zero, 0), // length of the item
        openvm(hint_store, address, zero, 0), // n
        immediate(0x03, 2, n, address, 0),    // lw
        addi(a, zero, 0),
        addi(b, zero, 1),
        addi(out, zero, 0),
        (24 >> 1 & 0xf) << 8 | n << 15 | 0x63, // beq n, zero: out of the loop
        add(next, a, b),
        add(a, b, zero),
        add(b, next, zero),
        addi(n, n, -1),
        0xfedf_f06f, // jal zero: five instructions back
        openvm(reveal, out, a, 0),
        openvm(terminate, zero, zero, 0),
    ];
    elf(&code)
}

/// The smallest ELF file that holds `code`.
fn elf(code: &[u32]) -> Vec<u8> {
    const HEADERS: u32 = 52 + 32;
    let len = 4 * code.len() as u32;
    let mut file = b"\x7fELF\x01\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    // Executable, RISC-V, version 1, entry, program headers, no sections, no flags, sizes and counts of headers.
    for half in [2u16, 0xf3] {
        file.extend(half.to_le_bytes());
    }
    for word in [1, TEXT, 52, 0, 0] {
        file.extend(u32::to_le_bytes(word));
    }
    for half in [52u16, 32, 1, 40, 0, 0] {
        file.extend(half.to_le_bytes());
    }
    // Load `len` bytes to TEXT, readable and executable.
    for word in [1, HEADERS, TEXT, TEXT, len, len, 5, 4] {
        file.extend(word.to_le_bytes());
    }
    file.extend(code.iter().flat_map(|word| word.to_le_bytes()));
    file
}
