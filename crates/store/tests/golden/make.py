"""Writes the golden files from the format's description with other implementations: `pip install blake3`, the zstd command."""
import pathlib
import struct
import subprocess

from blake3 import blake3

# The input of BLAKE3's published test vectors.
raw = bytes(i % 251 for i in range(1024))
zstd = ["zstd", "-1", "-q", "--no-check", f"--stream-size={len(raw)}", "-c"]
body = subprocess.run(zstd, input=raw, capture_output=True, check=True).stdout

back = struct.pack("<Q", len(raw))
front = b"PHXA" + bytes([6, 1])
header = front + blake3(front + back).digest()[:2] + back

key, artifact = blake3(b"").digest(), blake3(raw).digest()
binding = b"PHXK\x01\0\0\0" + artifact
check = blake3(key + binding, derive_key_context="phalanx store key file 1").digest()

here = pathlib.Path(__file__).parent
(here / "artifact-1.bin").write_bytes(header + body)
(here / "key-1.bin").write_bytes(binding + check)
