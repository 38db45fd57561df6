#!/bin/sh
# Builds the guest programs of one Cargo project for OpenVM 2 and puts them into <out>/<program>.elf.
#
#   ./build.sh [--project DIR] [--target-dir DIR] [--out DIR]    defaults: this directory, DIR/target, DIR/elf
#   ./build.sh --compiler                                       prints what would build, and builds nothing
#
# Needs Rust 1.91 or newer, as OpenVM does, with the source of its standard library, because std is built for the guest as well:
#   rustup toolchain install nightly --component rust-src          (preferred when it is there), or
#   apt-get install rustc-web rust-web-src cargo-web lld           (Debian); rustup's rust-lld is taken before lld.
# GUEST_RUSTC=/path/to/rustc chooses a compiler.
set -eu

target=riscv32im-risc0-zkvm-elf
minor_min=91
project=$(cd "$(dirname "$0")" && pwd -P)
target_dir='' out='' only_compiler=false
while [ $# -gt 0 ]; do
  case $1 in
    --project) project=$(cd "$2" && pwd -P); shift 2 ;;
    --target-dir) mkdir -p "$2"; target_dir=$(cd "$2" && pwd -P); shift 2 ;;
    --out) mkdir -p "$2"; out=$(cd "$2" && pwd -P); shift 2 ;;
    --compiler) only_compiler=true; shift ;;
    *) echo "error: unknown argument $1; known: --project --target-dir --out --compiler" >&2; exit 1 ;;
  esac
done

# The caller may be cargo itself, which tells its children about another build.
unset RUSTC RUSTFLAGS RUSTUP_TOOLCHAIN CARGO_BUILD_TARGET CARGO_TARGET_DIR RUSTC_WRAPPER RUSTC_WORKSPACE_WRAPPER || true

has_std_source() { [ -f "$("$1" --print sysroot 2>/dev/null)/lib/rustlib/src/rust/library/Cargo.lock" ]; }

is_new_enough() {
  minor=$("$1" --version 2>/dev/null) || return 1
  minor=${minor#rustc 1.}
  [ "${minor%%.*}" -ge "$minor_min" ] 2>/dev/null
}

will_do() { [ -x "$1" ] && has_std_source "$1" && is_new_enough "$1"; }

find_rustc() {
  if [ -n "${GUEST_RUSTC:-}" ]; then echo "$GUEST_RUSTC"; return; fi
  nightly=$(rustup which rustc --toolchain nightly 2>/dev/null || true)
  for candidate in "$nightly" /usr/bin/rustc; do
    if will_do "$candidate"; then echo "$candidate"; return; fi
  done
}

rustc=$(find_rustc)
if [ -z "$rustc" ] || ! will_do "$rustc"; then
  echo "error: no Rust compiler from 1.$minor_min on with the source of its standard library${rustc:+: $rustc}" >&2
  echo "hint: rustup toolchain install nightly --component rust-src" >&2
  exit 1
fi
sysroot=$("$rustc" --print sysroot)
# The compiler's own cargo, since cargo has a say in symbol names.
cargo=$(dirname "$rustc")/cargo
[ -x "$cargo" ] || cargo=cargo

find_linker() {
  for toolchain in "$sysroot" "$(rustc --print sysroot 2>/dev/null || true)" "${RUSTUP_HOME:-$HOME/.rustup}"/toolchains/*; do
    for linker in "$toolchain"/lib/rustlib/*/bin/rust-lld; do
      if [ -x "$linker" ]; then echo "$linker"; return; fi
    done
  done
  command -v ld.lld || true
}
linker=$(find_linker)
if [ -z "$linker" ]; then
  echo "error: no rust-lld or ld.lld to link with" >&2
  echo "hint: rust-lld comes with any toolchain of rustup, ld.lld with Debian's package lld" >&2
  exit 1
fi

if $only_compiler; then
  echo "$("$rustc" --version); $("$cargo" --version); $("$linker" -flavor gnu --version)"
  exit
fi

: "${target_dir:=$project/target}" "${out:=$project/elf}"
mkdir -p "$target_dir" "$out"
built=$(mktemp -d "$target_dir/built.XXXXXX")
trap 'rm -rf "$built"' EXIT

# Flags of OpenVM 2: single-threaded atomics, text above the stack, randomness only if the guest asks for it.
# The remapped prefixes keep this machine's paths out of the ELF; rustc lets the last one that fits win.
flags=$(printf '%s\037' \
  -Cpasses=lower-atomic -Clink-arg=-Ttext=0x00200800 -Clink-arg=--fatal-warnings -Cpanic=abort \
  --cfg 'getrandom_backend="custom"' \
  "--remap-path-prefix=$project=/guest" \
  "--remap-path-prefix=$target_dir=/target" \
  "--remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo" \
  "--remap-path-prefix=$(readlink -f "$sysroot/lib/rustlib/src/rust")=/rust" \
  "--remap-path-prefix=$sysroot/lib/rustlib/src/rust=/rust")
locked=''
if [ -f "$project/Cargo.lock" ]; then locked=--locked; fi

cd "$project"
# RUSTC_BOOTSTRAP: a stable compiler takes -Z flags too. The linker is not among the flags, because flags reach symbol names.
RUSTC="$rustc" RUSTC_BOOTSTRAP=1 CARGO_ENCODED_RUSTFLAGS="${flags%?}" \
  CARGO_TARGET_RISCV32IM_RISC0_ZKVM_ELF_LINKER="$linker" \
  "$cargo" build --release --target "$target" $locked --target-dir "$target_dir" \
  -Zbuild-std=alloc,core,panic_abort,std -Zbuild-std-features=compiler-builtins-mem \
  -Zunstable-options --artifact-dir "$built" >&2

for program in "$built"/*; do
  elf=$out/$(basename "$program").elf
  cp "$program" "$elf"
  chmod 644 "$elf" # the host cannot run it
done
