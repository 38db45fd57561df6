//! Proves a program with the plain OpenVM SDK: the baseline that `cargo xtask bench` measures Phalanx against.
//!
//! `sdk_baseline ELF [--input FILE]… [--segment-bytes N]` proves with the same keys, VM configuration and parameters as
//! the engine, and prints one JSON object: wall and CPU time of proving with warm keys, segments, peak RSS.

use std::{env, error::Error, fs, sync::Arc, time::Instant};

use openvm_circuit::arch::SystemConfig;
use openvm_sdk::{Sdk, StdIn, keygen::AppProvingKey, prover::vm::types::VmProvingKey};
use phalanx_engine::openvm::{OpenVmEngine, upstream_exe};

#[cfg(not(target_env = "msvc"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = env::args().skip(1);
    let elf = fs::read(args.next().ok_or("usage: sdk_baseline ELF [--input FILE]… [--segment-bytes N]")?)?;
    let mut stdin = StdIn::default();
    let mut segment_bytes = None;
    while let Some(flag) = args.next() {
        let value = args.next().ok_or_else(|| format!("{flag} needs a value"))?;
        match flag.as_str() {
            "--input" => stdin.write_bytes(&fs::read(value)?),
            "--segment-bytes" => segment_bytes = Some(value.parse()?),
            _ => return Err(format!("unknown flag {flag}").into()),
        }
    }
    let engine = OpenVmEngine::new(None)?;
    let keys = engine.keys().proving()?;
    let mut vm_config = keys.app().app_vm_pk.vm_config.clone();
    if let Some(bytes) = segment_bytes {
        AsMut::<SystemConfig>::as_mut(&mut vm_config).set_segmentation_max_memory(bytes);
    }
    let app =
        AppProvingKey { app_vm_pk: Arc::new(VmProvingKey { vm_config, vm_pk: keys.app().app_vm_pk.vm_pk.clone() }) };
    let sdk = Sdk::builder()
        .app_pk(app)
        .agg_pk(keys.agg().clone())
        .deferral_hook_commits(keys.hook())
        .build_without_transpiler()?;
    let exe = upstream_exe(&elf)?;
    let (_, segments) = sdk.execute_metered(exe.clone(), stdin.clone())?;
    sdk.agg_prover();

    let (start, cpu) = (Instant::now(), cpu_ms());
    let (proof, baseline) = sdk.prove(exe, stdin, &[])?;
    let (wall_ms, cpu_ms) = (start.elapsed().as_millis(), cpu_ms() - cpu);
    Sdk::verify_proof(sdk.agg_vk().as_ref().clone(), baseline, &proof)?;
    let cycles: u64 = segments.iter().map(|segment| segment.num_insns).sum();
    let peak_rss_bytes = peak_rss_bytes();
    println!(
        "{}",
        serde_json::json!({
            "cycles": cycles, "segments": segments.len(), "wall_ms": wall_ms, "cpu_ms": cpu_ms,
            "peak_rss_bytes": peak_rss_bytes,
        })
    );
    Ok(())
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
