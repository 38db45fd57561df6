#!/usr/bin/env python3
"""What each guest must reveal, computed without running any guest.

In: the cases below and the files under inputs/. Out: expected.json, which tests and `cargo xtask guests --check` compare
with what the ELFs reveal. `oracle.py` rewrites the file; `oracle.py --check` exits 1 if it would change.
Only Python's standard library; Keccak-256 and ECDSA, which it lacks, are written out from their specifications.
"""

import hashlib
import json
import re
import struct
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def fibonacci(n_bytes):
    (n,) = struct.unpack("<Q", n_bytes)
    a, b = 0, 1
    for _ in range(n):
        a, b = b, a + b
    return struct.pack("<4Q", n, a % 2**64, b % 2**64, 0)


def mergesort(items):
    words = struct.unpack(f"<{len(items) // 4}I", items)
    return hashlib.sha256(struct.pack(f"<{len(words)}I", *sorted(words))).digest()


def chain(one_round, seed, rounds):
    digest = one_round(seed)
    for _ in range(struct.unpack("<I", rounds)[0]):
        digest = one_round(digest)
    return digest


def sha256_chain(seed, rounds):
    return chain(lambda data: hashlib.sha256(data).digest(), seed, rounds)


def keccak(message, rounds):
    return chain(keccak256, message, rounds)


def keccak256(message):
    """Keccak[512] with the padding of the original submission, as Ethereum uses it (FIPS 202 pads 0x06 instead)."""
    rate = 136
    padded = bytearray(message) + b"\x01" + bytes(rate - 1 - len(message) % rate)
    padded[-1] ^= 0x80
    lanes = [[0] * 5 for _ in range(5)]
    for block in range(0, len(padded), rate):
        for i in range(rate // 8):
            (lane,) = struct.unpack_from("<Q", padded, block + 8 * i)
            lanes[i % 5][i // 5] ^= lane
        lanes = keccak_f(lanes)
    return b"".join(struct.pack("<Q", lanes[i][0]) for i in range(4))


def keccak_f(a):
    def rotated(lane, by):
        by %= 64
        return ((lane << by) | (lane >> (64 - by))) % 2**64

    lfsr = 1
    for _ in range(24):
        column = [a[x][0] ^ a[x][1] ^ a[x][2] ^ a[x][3] ^ a[x][4] for x in range(5)]
        theta = [column[(x + 4) % 5] ^ rotated(column[(x + 1) % 5], 1) for x in range(5)]
        a = [[a[x][y] ^ theta[x] for y in range(5)] for x in range(5)]
        x, y, lane = 1, 0, a[1][0]
        for t in range(24):
            x, y = y, (2 * x + 3 * y) % 5
            lane, a[x][y] = a[x][y], rotated(lane, (t + 1) * (t + 2) // 2)
        a = [[a[x][y] ^ (~a[(x + 1) % 5][y] & a[(x + 2) % 5][y]) for y in range(5)] for x in range(5)]
        for j in range(7):
            lfsr = ((lfsr << 1) ^ ((lfsr >> 7) * 0x71)) % 256
            if lfsr & 2:
                a[0][0] ^= 1 << ((1 << j) - 1)
    return a


def json_sum(document, field):
    name, found = field.decode(), []

    def visit(node):
        if isinstance(node, list):
            for element in node:
                visit(element)
        elif isinstance(node, dict):
            for key, value in node.items():
                if key == name:
                    assert isinstance(value, int)
                    found.append(value)
                else:
                    visit(value)

    visit(json.loads(document))
    return sum(found).to_bytes(16, "little", signed=True) + struct.pack("<QQ", len(found), 0)


P = 2**256 - 2**32 - 977
N = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
G = (
    0x79BE667EF9DCBBAC55A06295CE870B07029BFCDB2DCE28D959F2815B16F81798,
    0x483ADA7726A3C4655DA4FBFC0E1108A8FD17B448A68554199C47D08FFB10D4B8,
)


def ecdsa(key, message, signature):
    """SEC 1, section 4.1.4, on y^2 = x^3 + 7."""
    x = int.from_bytes(key[1:], "big")
    y = pow(x**3 + 7, (P + 1) // 4, P)
    assert key[0] in (2, 3) and y * y % P == (x**3 + 7) % P
    q = (x, y if y % 2 == key[0] % 2 else P - y)
    r, s = (int.from_bytes(half, "big") for half in (signature[:32], signature[32:]))
    assert 0 < r < N and 0 < s <= N // 2
    e, w = int.from_bytes(hashlib.sha256(message).digest(), "big"), pow(s, -1, N)
    point = added(times(G, e * w % N), times(q, r * w % N))
    assert point is not None and point[0] % N == r, "the signature does not fit"
    return hashlib.sha256(key + hashlib.sha256(message).digest()).digest()


def added(a, b):
    if a is None or b is None:
        return a or b
    if a[0] == b[0]:
        if (a[1] + b[1]) % P == 0:
            return None
        slope = 3 * a[0] ** 2 * pow(2 * a[1], -1, P)
    else:
        slope = (b[1] - a[1]) * pow(b[0] - a[0], -1, P)
    x = (slope**2 - a[0] - b[0]) % P
    return x, (slope * (a[0] - x) - a[1]) % P


def times(point, scalar):
    result = None
    while scalar:
        if scalar & 1:
            result = added(result, point)
        point, scalar = added(point, point), scalar >> 1
    return result


def search(text, pattern):
    text, places = text.decode(), b""
    for found in re.finditer(pattern.decode(), text):
        start, end = (len(text[:offset].encode()) for offset in found.span())
        places += struct.pack("<II", start, end)
    return hashlib.sha256(places).digest()


def print_lines(text):
    return struct.pack("<4Q", len(text.decode().splitlines()), 0, 0, 0)


def u32(value):
    return {"hex": struct.pack("<I", value).hex()}


def u64(value):
    return {"hex": struct.pack("<Q", value).hex()}


def file(name):
    return {"file": f"inputs/{name}"}


SIGNED = [file("public-key.bin"), file("message.txt"), file("signature.bin")]

# Guest, what it must reveal, inputs. The first case of each guest is its small one.
REVEALED = [
    ("fibonacci", fibonacci, [u64(10_000)]),
    ("fibonacci", fibonacci, [u64(0)]),
    ("fibonacci", fibonacci, [u64(93)]),
    ("fibonacci", fibonacci, [u64(500_000)]),
    ("mergesort", mergesort, [file("list-1000.bin")]),
    ("mergesort", mergesort, [file("list-16000.bin")]),
    ("mergesort", mergesort, [{"hex": ""}]),
    ("sha256-chain", sha256_chain, [file("message.txt"), u32(100)]),
    ("sha256-chain-ext", sha256_chain, [file("message.txt"), u32(100)]),
    ("sha256-chain-ext", sha256_chain, [{"hex": ""}, u32(0)]),
    ("keccak", keccak, [file("alice.txt"), u32(100)]),
    ("keccak", keccak, [{"hex": ""}, u32(0)]),
    ("keccak", keccak, [{"hex": "ab" * 136}, u32(1)]),
    ("json", json_sum, [file("rivers.json"), file("field.txt")]),
    ("ecdsa", ecdsa, SIGNED),
    ("search", search, [file("alice.txt"), file("pattern.txt")]),
    ("print", print_lines, [file("alice.txt")]),
]

# Guest, inputs, what the error must contain. These executions end without public values.
FAILING = [
    ("panic", [{"hex": "the ferry has sunk".encode().hex()}], "the ferry has sunk"),
    ("fibonacci", [u32(10)], "input 0 is n, a u64 of 8 bytes, not 4 bytes"),
    ("ecdsa", [SIGNED[0], file("field.txt"), SIGNED[2]], "the signature does not fit this key and message"),
    ("json", [file("alice.txt"), file("field.txt")], "input 0 is not JSON"),
    ("trap", [], "read_cycle_counter"),
]


def item_bytes(item):
    return bytes.fromhex(item["hex"]) if "hex" in item else (HERE / item["file"]).read_bytes()


def expected():
    cases = []
    for guest, oracle, inputs in REVEALED:
        public_values = oracle(*map(item_bytes, inputs))
        assert len(public_values) == 32
        cases.append({"guest": guest, "inputs": inputs, "public_values": public_values.hex()})
    for guest, inputs, error_contains in FAILING:
        cases.append({"guest": guest, "inputs": inputs, "error_contains": error_contains})
    text = file("alice.txt")
    template = {"inputs": [text], "public_values": hashlib.sha256(item_bytes(text)).hexdigest()}
    return json.dumps({"cases": cases, "template": template}, indent=2) + "\n"


def main():
    # Published vectors, so that a mistake in this file cannot hide behind the same mistake in a guest.
    assert keccak256(b"").hex() == "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
    assert times(G, 2)[0] == 0xC6047F9441ED7D6D3045406E95C07CD85C778E4B8CEF3CA7ABAC09B95C709EE5
    path, text = HERE / "expected.json", expected()
    if sys.argv[1:] == ["--check"]:
        if path.read_text() != text:
            sys.exit(f"error: {path} is not what oracle.py computes\n  hint: run {Path(__file__).name}")
    elif sys.argv[1:]:
        sys.exit("usage: oracle.py [--check]")
    else:
        path.write_text(text)


if __name__ == "__main__":
    main()
