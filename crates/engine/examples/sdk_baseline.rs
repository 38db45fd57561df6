//! Proves a program with the plain OpenVM SDK: the baseline that `cargo xtask bench` measures Phalanx against.
//!
//! `sdk_baseline ELF [--input FILE]… [--segment-bytes N] [--vm phalanx|unaware|hashes|riscv32]` proves with the same parameters
//! as the engine and, by default, the same keys and VM configuration, and prints one JSON object: wall and CPU time of
//! proving with warm keys, segments, peak RSS, size of the proof.

use std::{env, error::Error, fs, sync::Arc, time::Instant};

use openvm_circuit::arch::SystemConfig;
use openvm_sdk::{Sdk, SdkError, StdIn, config::AppConfig, keygen::AppProvingKey, prover::vm::types::VmProvingKey};
use openvm_sdk_config::SdkVmConfig;
use openvm_stark_backend::codec::Encode;
use phalanx_engine::openvm::{OpenVmEngine, Prover, config, upstream_exe};

#[cfg(not(target_env = "msvc"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const USAGE: &str = "usage: sdk_baseline ELF [--input FILE]… [--segment-bytes N] [--vm phalanx|unaware|hashes|riscv32]";

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = env::args().skip(1);
    let elf = fs::read(args.next().ok_or(USAGE)?)?;
    let mut stdin = StdIn::default();
    let mut segment_bytes = None;
    let mut vm = "phalanx".to_owned();
    while let Some(flag) = args.next() {
        let value = args.next().ok_or_else(|| format!("{flag} needs a value"))?;
        match flag.as_str() {
            "--input" => stdin.write_bytes(&fs::read(value)?),
            "--segment-bytes" => segment_bytes = Some(value.parse()?),
            "--vm" => vm = value,
            _ => return Err(USAGE.into()),
        }
    }
    let (sdk, vm_config) = match vm.as_str() {
        "phalanx" => with_our_keys(segment_bytes)?,
        // The same instructions, but no proof can be verified in a guest.
        "unaware" => with_new_keys(config::vm_config(None), segment_bytes)?,
        // Without 256-bit integers, which ask for a larger table of ranges.
        "hashes" => {
            let hashes = SdkVmConfig { bigint: None, rv32m: SdkVmConfig::riscv32().rv32m, ..config::vm_config(None) };
            with_new_keys(hashes, segment_bytes)?
        }
        "riscv32" => with_new_keys(SdkVmConfig::riscv32(), segment_bytes)?,
        _ => return Err(USAGE.into()),
    };
    let exe = upstream_exe(&elf, &vm_config)?;
    let (_, segments) = sdk.execute_metered(exe.clone(), stdin.clone())?;
    sdk.agg_prover();

    let (start, cpu) = (Instant::now(), cpu_ms());
    let (proof, baseline) = sdk.prove(exe, stdin, &[])?;
    let (wall_ms, cpu_ms) = (start.elapsed().as_millis(), cpu_ms() - cpu);
    Sdk::verify_proof(sdk.agg_vk().as_ref().clone(), baseline, &proof)?;
    let cycles: u64 = segments.iter().map(|segment| segment.num_insns).sum();
    let peak_rss_bytes = peak_rss_bytes();
    let proof_bytes = proof.encode_to_vec()?.len();
    println!(
        "{}",
        serde_json::json!({
            "cycles": cycles, "segments": segments.len(), "wall_ms": wall_ms, "cpu_ms": cpu_ms,
            "peak_rss_bytes": peak_rss_bytes, "proof_bytes": proof_bytes,
        })
    );
    Ok(())
}

/// The engine's keys, and so its VM configuration.
fn with_our_keys(segment_bytes: Option<usize>) -> Result<(Sdk, SdkVmConfig), Box<dyn Error>> {
    let engine = OpenVmEngine::new(None, Prover::Upstream)?;
    let keys = engine.keys().proving()?;
    let VmProvingKey { vm_config, vm_pk } = &*keys.app().app_vm_pk;
    let vm_config = cut_at(vm_config.clone(), segment_bytes);
    let app =
        AppProvingKey { app_vm_pk: Arc::new(VmProvingKey { vm_config: vm_config.clone(), vm_pk: vm_pk.clone() }) };
    let builder = Sdk::builder().app_pk(app).agg_pk(keys.agg().clone()).deferral_hook_commits(keys.hook());
    Ok((builder.build_without_transpiler()?, vm_config))
}

/// Another VM configuration, under keys that are made now and know no deferral.
fn with_new_keys(vm_config: SdkVmConfig, segment_bytes: Option<usize>) -> Result<(Sdk, SdkVmConfig), SdkError> {
    let vm_config = cut_at(vm_config, segment_bytes);
    let app = AppConfig::new(vm_config.clone(), config::app_params());
    Ok((Sdk::new_without_transpiler(app, config::fold_params())?, vm_config))
}

/// With upstream's limit on the memory of a segment.
fn cut_at(mut vm_config: SdkVmConfig, segment_bytes: Option<usize>) -> SdkVmConfig {
    if let Some(bytes) = segment_bytes {
        AsMut::<SystemConfig>::as_mut(&mut vm_config).set_segmentation_max_memory(bytes);
    }
    vm_config
}

/// CPU time of this process so far, in milliseconds; 0 where /proc does not say.
fn cpu_ms() -> u64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11).take(2);
    // Linux counts in hundredths of a second on every platform that OpenVM runs on.
    fields.filter_map(|ticks| ticks.parse::<u64>().ok()).sum::<u64>() * 10
}

fn peak_rss_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) * 1024
}
